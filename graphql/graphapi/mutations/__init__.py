"""What callers can change. One file per family of verbs; each verb is written in this order (STYLE 1.3).

1. the payload type, e.g. ``PartnerSaved { partner }``;
2. the input: one ``@strawberry.input`` with ``idempotency_key: str`` and, for the change of a versioned
   thing, ``expected_version: int``; optional fields default to ``strawberry.UNSET``, lists to empty;
3. the union of the payload and of every problem the domain function can raise, as
   ``CreatePartnerResult: TypeAlias = Annotated[PartnerSaved | CreateProblems, strawberry.union(name=...)]``
   (``CreateProblems`` and ``ChangeProblems`` of ``mutations.running`` are the common ones);
4. the resolver, a method of a mixin class that ``schema.Mutation`` inherits::

    @strawberry.type
    class PartnerMutations:
        @strawberry.mutation(graphql_type=CreatePartnerResult, description="...")
        async def create_partner(self, info: Info, input: CreatePartnerInput) -> object:
            async def act(work: Work, given: Given) -> UUID:
                draft = given.read(catalogue.PartnerDraft, ids={"municipality_id": "Municipality"})
                return (await catalogue.create_partner(work, draft)).id

            return await run(info, input, act, read=partner_saved)

``run`` does the rest, in this order: the door of the access map, the input as plain values, one unit of work,
the idempotency key (a replay skips ``act``), ``act``, commit; then ``read(info, id)`` reads the result with
the actor's rights, so that a replay is authorised anew and an answer never holds what the actor may not see.
Every ``Problem`` raised on the way becomes data; anything else rolls back and is masked by the endpoint.
``act`` gets ids through ``relay.target_id`` (the thing acted on: foreign ids are NotFound) or
``given.read(..., ids=...)`` (a thing named in the input: InvalidInput).

Then: add the verb's field to ``graphapi.access_map``, and run ``spurwechsel schema`` to print the contract.
"""
