"""Legal holds: a LEAD stops the deletion of somebody's data, and lets it go on."""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory.database import Work
from graphapi.context import Info
from graphapi.mutations.running import ChangeProblems, CreateProblems, Given, run
from graphapi.relay import require_id, target_id
from graphapi.types.retention import LegalHold
from referrals.personal_data import retention
from referrals.vocabulary import HoldReason


@strawberry.type(description="The hold as it is now.")
class LegalHoldSaved:
    """The hold as it is now."""

    legal_hold: LegalHold = strawberry.field(graphql_type=LegalHold, description="The hold.")


async def _saved(info: Info, hold_id: UUID) -> LegalHoldSaved | None:
    async with info.context.people.view() as session:
        holds = await retention.list_holds(session, info.context.actor, info.context.clock())
    found = next((hold for hold in holds if hold.id == hold_id), None)
    return None if found is None else LegalHoldSaved(legal_hold=found)  # type: ignore[arg-type]


@strawberry.input(description="Whose data are not to be deleted, why, and until when.")
class SetLegalHoldInput:
    """Whose data are not to be deleted."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    client_id: strawberry.ID = strawberry.field(description="The person.")
    reason: HoldReason = strawberry.field(description="Why.")
    until: date = strawberry.field(description="The last day of the hold; it can be set again.")
    referral_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only this referral of theirs."
    )


@strawberry.input(description="A hold that is lifted, in the version you read.")
class LiftLegalHoldInput:
    """A hold that is lifted."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The hold.")
    expected_version: int = strawberry.field(description="The version you read.")


SetLegalHoldResult: TypeAlias = Annotated[
    LegalHoldSaved | CreateProblems, strawberry.union(name="SetLegalHoldResult")
]
LiftLegalHoldResult: TypeAlias = Annotated[
    LegalHoldSaved | ChangeProblems, strawberry.union(name="LiftLegalHoldResult")
]


@strawberry.type
class RetentionMutations:
    """What a LEAD does with legal holds."""

    @strawberry.mutation(
        graphql_type=SetLegalHoldResult,
        description="LEAD: stop the deletion of a person's data; withdrawing a consent still takes effect.",
    )
    async def set_legal_hold(self, info: Info, input: SetLegalHoldInput) -> object:
        """Set a hold."""

        async def act(work: Work, given: Given) -> UUID:
            referral = (
                None if input.referral_id is None else require_id(input.referral_id, "Referral", "referralId")
            )
            client_id = target_id(input.client_id, "Client")
            return await retention.set_hold(work, client_id, input.reason, input.until, referral_id=referral)

        return await run(info, input, act, read=_saved)

    @strawberry.mutation(graphql_type=LiftLegalHoldResult, description="LEAD: let deletion go on.")
    async def lift_legal_hold(self, info: Info, input: LiftLegalHoldInput) -> object:
        """Lift a hold."""

        async def act(work: Work, given: Given) -> UUID:
            hold_id = target_id(input.id, "LegalHold")
            return await retention.lift_hold(work, hold_id, input.expected_version)

        return await run(info, input, act, read=_saved)
