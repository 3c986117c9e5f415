"""Asking again 28 days and 6 months after a referral was closed, as the sender sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Parent

from graphapi.context import Info
from graphapi.types import exchange_words as exchange_words
from graphapi.types.paging import First
from graphapi.types.referral import Referral, labelled, named
from referrals.person.follow_ups import FollowUpView
from referrals.vocabulary import AnswerSource, FollowUpKind, FollowUpState, NeedNow, OccupiedWith


def _referral(root: Parent[FollowUpView], info: Info) -> Any:
    return info.context.people.referral.load(root.referral_id)


@strawberry.type(description="That a person is asked again some time after a referral was closed.")
class FollowUp:
    """That a person is asked again some time after a referral was closed."""

    id: strawberry.ID = strawberry.field(
        resolver=named("FollowUp", "id"), graphql_type=strawberry.ID, description="For `recordFollowUp`."
    )
    version: int = strawberry.field(description="Rises with every change; give it as expectedVersion.")
    referral: Referral | None = strawberry.field(
        resolver=_referral, graphql_type=Referral | None, description="Which referral."
    )
    kind: FollowUpKind = strawberry.field(description="After 28 days, or 6 months.")
    kind_label: str = strawberry.field(resolver=labelled("kind"), graphql_type=str, description="For people.")
    state: FollowUpState = strawberry.field(description="How it stands.")
    state_label: str = strawberry.field(
        resolver=labelled("state"), graphql_type=str, description="For people."
    )
    due_at: datetime = strawberry.field(description="From when on the person is asked.")
    asked_at: datetime | None = strawberry.field(description="Since when they are.")
    ended_at: datetime | None = strawberry.field(description="Answered, cancelled, or without an answer.")
    need_now: NeedNow | None = strawberry.field(description="Whether the need is still met.")
    occupied_with: OccupiedWith | None = strawberry.field(description="What the person does now.")
    source: AnswerSource | None = strawberry.field(description="How the answer came in.")


@strawberry.type
class FollowUpQueries:
    """What is to be asked."""

    @strawberry.field(
        graphql_type=list[FollowUp],
        description="Whom the own organisation is to ask again now, longest waiting first.",
    )
    async def due_follow_ups(self, info: Info, first: First = 100) -> Any:
        """Return the follow-ups that wait for an answer."""
        return await info.context.people.due_follow_ups(first=first)
