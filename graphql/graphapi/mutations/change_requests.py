"""Change requests: who keeps the entry accepts or rejects what speaks against it."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory.change_requests import decide_change_request, view_change_request
from directory.database import Work
from directory.vocabulary import ChangeDecision
from graphapi.context import Info
from graphapi.mutations.running import ChangeProblems, Given, run
from graphapi.relay import target_id
from graphapi.types.upkeep import ChangeRequest


@strawberry.type(description="The change request as it is now.")
class ChangeRequestSaved:
    """The change request as it is now."""

    change_request: ChangeRequest = strawberry.field(graphql_type=ChangeRequest, description="The request.")


async def _saved(info: Info, id_: UUID) -> ChangeRequestSaved | None:
    async with info.context.database.view(info.context.actor) as session:
        found = await view_change_request(session, info.context.actor, id_)
    return None if found is None else ChangeRequestSaved(change_request=found)  # type: ignore[arg-type]


@strawberry.input(description="A decision on a change request.")
class DecideChangeRequestInput:
    """A decision on a change request."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The request.")
    expected_version: int = strawberry.field(description="The version you read.")
    accept: bool = strawberry.field(description="Whether the entry was wrong; change it with the entry.")
    reason: ChangeDecision = strawberry.field(
        description="Why; ENTRY_UPDATED when accepted, one of the others when rejected."
    )


DecideChangeRequestResult: TypeAlias = Annotated[
    ChangeRequestSaved | ChangeProblems, strawberry.union(name="DecideChangeRequestResult")
]


@strawberry.type
class ChangeRequestMutations:
    """What is done with change requests."""

    @strawberry.mutation(
        graphql_type=DecideChangeRequestResult,
        description="Accept or reject a change request; the entry itself is changed as ever.",
    )
    async def decide_change_request(self, info: Info, input: DecideChangeRequestInput) -> object:
        """Decide on a change request."""

        async def act(work: Work, given: Given) -> UUID:
            id_ = target_id(input.id, "ChangeRequest")
            await decide_change_request(
                work,
                id_,
                expected_version=input.expected_version,
                accept=input.accept,
                reason=input.reason,
            )
            return id_

        return await run(info, input, act, read=_saved)
