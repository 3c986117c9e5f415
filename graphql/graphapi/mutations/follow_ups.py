"""What a person told the sender when they were asked again."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory.database import Work
from graphapi.context import Info
from graphapi.mutations.running import ChangeProblems, Given, run
from graphapi.relay import target_id
from graphapi.types.exchange_problems import ConsentMissingProblem, TransitionNotAllowedProblem
from graphapi.types.follow_up import FollowUp
from referrals.person import follow_ups
from referrals.vocabulary import AnswerSource, NeedNow, OccupiedWith


@strawberry.type(description="The follow-up as it is now.")
class FollowUpSaved:
    """The follow-up as it is now."""

    follow_up: FollowUp = strawberry.field(graphql_type=FollowUp, description="The follow-up.")


@strawberry.input(description="What the person told you when you asked again.")
class RecordFollowUpInput:
    """What the person told the sender."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The follow-up.")
    expected_version: int = strawberry.field(description="The version you read.")
    need_now: NeedNow = strawberry.field(description="Whether the need is still met.")
    occupied_with: OccupiedWith | None = strawberry.field(
        default=strawberry.UNSET, description="What they do now."
    )
    source: AnswerSource = strawberry.field(default=AnswerSource.PHONE, description="How they said so.")


RecordFollowUpResult: TypeAlias = Annotated[
    FollowUpSaved | ChangeProblems | TransitionNotAllowedProblem | ConsentMissingProblem,
    strawberry.union(name="RecordFollowUpResult"),
]


@strawberry.type
class FollowUpMutations:
    """How what people tell later is kept."""

    @strawberry.mutation(
        graphql_type=RecordFollowUpResult,
        description="Sender: record what the person told you when you asked again; once.",
    )
    async def record_follow_up(self, info: Info, input: RecordFollowUpInput) -> object:
        """Record what the person told the sender."""

        async def act(work: Work, given: Given) -> UUID:
            return await follow_ups.record_follow_up(
                work,
                target_id(input.id, "FollowUp"),
                input.expected_version,
                input.need_now,
                occupied_with=input.occupied_with or None,
                source=input.source,
            )

        async def read(info: Info, follow_up_id: UUID) -> FollowUpSaved | None:
            found = await info.context.people.follow_up(follow_up_id)
            return None if found is None else FollowUpSaved(follow_up=found)  # type: ignore[arg-type]

        return await run(info, input, act, read=read)
