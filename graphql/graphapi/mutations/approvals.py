"""Four eyes: a LEAD who is not the one who asked confirms or refuses."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory.database import Work
from graphapi.context import Info
from graphapi.mutations.running import ChangeProblems, Given, run
from graphapi.relay import target_id
from graphapi.types.approval import Approval
from graphapi.types.exchange_problems import (
    ApprovalLapsedProblem,
    ConsentMissingProblem,
    DuplicateReferralProblem,
    TransitionNotAllowedProblem,
)
from referrals import approvals


@strawberry.type(description="The request as it is now.")
class ApprovalSaved:
    """The request as it is now."""

    approval: Approval = strawberry.field(graphql_type=Approval, description="The request.")


async def _approval_saved(info: Info, approval_id: UUID) -> ApprovalSaved | None:
    found = await info.context.people.approval(approval_id)
    return None if found is None else ApprovalSaved(approval=found)  # type: ignore[arg-type]


@strawberry.input(description="A request for four eyes, in the version you read.")
class ApprovalVersionInput:
    """A request for four eyes, in the version that was read."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The request.")
    expected_version: int = strawberry.field(description="The version you read.")


ConfirmApprovalResult: TypeAlias = Annotated[
    ApprovalSaved
    | ChangeProblems
    | ApprovalLapsedProblem
    | TransitionNotAllowedProblem
    | ConsentMissingProblem
    | DuplicateReferralProblem,
    strawberry.union(name="ConfirmApprovalResult"),
]
RefuseApprovalResult: TypeAlias = Annotated[
    ApprovalSaved | ChangeProblems | ApprovalLapsedProblem, strawberry.union(name="RefuseApprovalResult")
]


@strawberry.type
class ApprovalMutations:
    """What a LEAD does with requests for four eyes."""

    @strawberry.mutation(
        graphql_type=ConfirmApprovalResult,
        description="LEAD: confirm what another member asked for.",
    )
    async def confirm_approval(self, info: Info, input: ApprovalVersionInput) -> object:
        """Confirm a request."""

        async def act(work: Work, given: Given) -> UUID:
            approval_id = target_id(input.id, "Approval")
            await approvals.confirm_approval(work, approval_id, input.expected_version)
            return approval_id

        return await run(info, input, act, read=_approval_saved)

    @strawberry.mutation(
        graphql_type=RefuseApprovalResult, description="LEAD: refuse what another member asked for."
    )
    async def refuse_approval(self, info: Info, input: ApprovalVersionInput) -> object:
        """Refuse a request."""

        async def act(work: Work, given: Given) -> UUID:
            approval_id = target_id(input.id, "Approval")
            await approvals.refuse_approval(work, approval_id, input.expected_version)
            return approval_id

        return await run(info, input, act, read=_approval_saved)
