"""A request for four eyes: a member asks, another member with role LEAD confirms."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Parent

from graphapi.context import Info
from graphapi.relay import global_id
from graphapi.types import exchange_words as exchange_words
from graphapi.types.referral import Referral, labelled, named
from referrals.approvals import ApprovalView
from referrals.vocabulary import ApprovalMove, ApprovalState, Reason


def _id(root: Parent[ApprovalView]) -> strawberry.ID:
    return global_id("Approval", root.id)


def _referral(root: Parent[ApprovalView], info: Info) -> Any:
    return info.context.people.referral.load(root.referral_id)


@strawberry.type(description="A request for four eyes (Vier-Augen-Prinzip); lapses after 3 working days.")
class Approval:
    """A request for four eyes."""

    id: strawberry.ID = strawberry.field(resolver=_id, description="Its id.")
    version: int = strawberry.field(description="Rises with every change; give it as expectedVersion.")
    referral: Referral | None = strawberry.field(
        resolver=_referral,
        graphql_type=Referral | None,
        description="The referral; a LEAD of another organisation sees it while the request is open.",
    )
    referral_id: strawberry.ID = strawberry.field(
        resolver=named("Referral", "referral_id"), graphql_type=strawberry.ID, description="Its id."
    )
    move: ApprovalMove = strawberry.field(description="What is to be done.")
    reason: Reason = strawberry.field(description="Why.")
    state: ApprovalState = strawberry.field(description="The state, as judged at this moment.")
    state_label: str = strawberry.field(
        resolver=labelled("state"), graphql_type=str, description="The state, for people."
    )
    requested_by_id: strawberry.ID = strawberry.field(
        resolver=named("Member", "requested_by"),
        graphql_type=strawberry.ID,
        description="Who asked.",
    )
    requested_at: datetime = strawberry.field(description="When.")
    lapses_at: datetime = strawberry.field(description="When it lapses.")
    decided_by_id: strawberry.ID | None = strawberry.field(
        resolver=named("Member", "decided_by"), description="Who decided (Member)."
    )
    decided_at: datetime | None = strawberry.field(description="When.")
