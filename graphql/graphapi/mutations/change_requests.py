"""Change requests: anybody suggests a correction; who keeps the entry accepts or rejects it."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory import corrections
from directory.actors import SYSTEM
from directory.change_requests import view_change_request
from directory.corrections import Suggestion
from directory.database import Work
from directory.problems import NotFound
from directory.vocabulary import ChangeDecision, ChangeField
from graphapi.context import Info
from graphapi.mutations.running import ChangeProblems, Given, run, with_code
from graphapi.relay import parse_id, require_id, target_id
from graphapi.types.exchange_problems import TooManyAttemptsProblem
from graphapi.types.problems import InvalidInputProblem, NotFoundProblem
from graphapi.types.upkeep import ChangeRequest
from graphapi.types.words import label
from graphapi.upkeeping import tell_of_request


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
    entry_version: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="The version of the entry that you read (for opening hours its partner's); needed to "
        "accept a proposed value, which is then written.",
    )


@strawberry.input(description="What an entry should say; no names of private persons, please.")
class SuggestCorrectionInput:
    """What an entry should say."""

    idempotency_key: str = strawberry.field(description="8 to 200 characters.")
    id: strawberry.ID = strawberry.field(description="The partner or the service.")
    field: ChangeField = strawberry.field(description="What of it.")
    value: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="What it should say: a text, an address, opening hours in OpenStreetMap's form, or a "
        "value of CapacityState. Left out for ELIGIBILITY (say it in the remark) and EXISTENCE.",
    )
    language: str | None = strawberry.field(
        default=strawberry.UNSET, description="Language of a title or description (BCP 47); left out: de."
    )
    location_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Whose opening hours."
    )
    remark: str | None = strawberry.field(
        default=strawberry.UNSET, description="Up to 500 characters; deleted when it is decided."
    )


@strawberry.type(description="The suggestion was taken; somebody who keeps the entry looks at it.")
class CorrectionTaken:
    """The suggestion was taken."""

    about: ChangeField = strawberry.field(description="What of the entry.")
    about_label: str = strawberry.field(description="The same, for people.")


DecideChangeRequestResult: TypeAlias = Annotated[
    ChangeRequestSaved | ChangeProblems, strawberry.union(name="DecideChangeRequestResult")
]
SuggestCorrectionResult: TypeAlias = Annotated[
    CorrectionTaken | InvalidInputProblem | NotFoundProblem | TooManyAttemptsProblem,
    strawberry.union(name="SuggestCorrectionResult"),
]


@strawberry.type
class ChangeRequestMutations:
    """What is done with change requests."""

    @strawberry.mutation(
        graphql_type=DecideChangeRequestResult,
        description="Accept or reject a change request. Accepting a proposed value writes it, and EXISTENCE "
        "hides the entry; without a value the entry itself is changed as ever.",
    )
    async def decide_change_request(self, info: Info, input: DecideChangeRequestInput) -> object:
        """Decide on a change request."""

        async def act(work: Work, given: Given) -> UUID:
            id_ = target_id(input.id, "ChangeRequest")
            await corrections.decide(
                work,
                id_,
                expected_version=input.expected_version,
                accept=input.accept,
                reason=input.reason,
                entry_version=input.entry_version or None,
            )
            return id_

        return await run(info, input, act, read=_saved)

    @strawberry.mutation(
        graphql_type=SuggestCorrectionResult,
        description="Say that something in a published entry is wrong; without signing in. Nothing is kept "
        "of who says it; how often this may be done is limited.",
    )
    async def suggest_correction(self, info: Info, input: SuggestCorrectionInput) -> object:
        """Suggest a correction."""

        async def act(work: Work, given: Given) -> UUID:
            found = parse_id(input.id)
            if found is None or found[0] not in {"Partner", "Service"}:
                raise NotFound
            place = input.location_id or None
            said = Suggestion(
                field=input.field,
                value=input.value or None,
                language=input.language or None,
                location_id=None if place is None else require_id(place, "Location", "locationId"),
                remark=input.remark or None,
            )
            of_partner, of_service = (found[1], None) if found[0] == "Partner" else (None, found[1])
            request = await corrections.suggest(work, of_partner, of_service, said)
            await tell_of_request(work, request)
            return request.id

        async def read(info: Info, _: UUID) -> CorrectionTaken:
            return CorrectionTaken(about=input.field, about_label=label(input.field, info.context.language))

        # whoever suggests something may neither read nor write requests: the room decides what is public
        return await with_code(info, lambda: run(info, input, act, read=read, actor=SYSTEM))
