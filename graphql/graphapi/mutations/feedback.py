"""How it went: a one-time code for the person, their anonymous answer, and what they told the sender."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory.database import Work
from directory.problems import NotFound
from directory.values import LanguageTag
from graphapi.context import Info
from graphapi.mutations.referrals import ReferralSaved, referral_saved
from graphapi.mutations.running import CreateProblems, Given, run, with_code
from graphapi.relay import target_id
from graphapi.types.exchange_problems import (
    CodeNotValidProblem,
    ErasedProblem,
    TooManyAttemptsProblem,
    TransitionNotAllowedProblem,
)
from graphapi.types.problems import InvalidInputProblem
from referrals.person import feedback
from referrals.person.feedback import IssuedCode
from referrals.problems import CodeNotValid
from referrals.vocabulary import AnswerSource, FeedbackAnswer


@strawberry.type(description="A one-time code for the person. It is shown once and stored nowhere.")
class FeedbackCodeIssued:
    """A one-time code for the person."""

    feedback_code: str | None = strawberry.field(
        description="Print it or read it out; null when this is a replay: issue another one."
    )
    expires_at: datetime | None = strawberry.field(description="Until when it can be used.")


@strawberry.type(description="The answer was kept; the code is used up.")
class FeedbackGiven:
    """The answer was kept."""

    thanks: bool = strawberry.field(description="Always true.")


@strawberry.input(description="For which referral the person gets a code.")
class IssueFeedbackCodeInput:
    """For which referral the person gets a code."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    referral_id: strawberry.ID = strawberry.field(description="The referral.")


@strawberry.input(description="How it went, in the person's own view; nobody needs to sign in.")
class GiveFeedbackInput:
    """How it went, in the person's own view."""

    idempotency_key: str = strawberry.field(
        description="8 to 200 characters. The code itself acts once, so a repetition finds it used."
    )
    code: str = strawberry.field(description="The code, however it was typed.")
    answer: FeedbackAnswer = strawberry.field(description="How it went.")
    text: str | None = strawberry.field(
        default=strawberry.UNSET, description="In their own words, at most 600 characters; no names."
    )
    language: str | None = strawberry.field(default=strawberry.UNSET, description="Of the text (BCP 47).")


@strawberry.input(description="What the person told you.")
class RecordFeedbackInput:
    """What the person told the sender."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    referral_id: strawberry.ID = strawberry.field(description="The referral.")
    answer: FeedbackAnswer = strawberry.field(description="How it went.")
    source: AnswerSource = strawberry.field(default=AnswerSource.IN_PERSON, description="How they said so.")
    text: str | None = strawberry.field(default=strawberry.UNSET, description="In their own words; short.")
    language: str | None = strawberry.field(default=strawberry.UNSET, description="Of the text (BCP 47).")


IssueFeedbackCodeResult: TypeAlias = Annotated[
    FeedbackCodeIssued | CreateProblems | TransitionNotAllowedProblem,
    strawberry.union(name="IssueFeedbackCodeResult"),
]
GiveFeedbackResult: TypeAlias = Annotated[
    FeedbackGiven | CodeNotValidProblem | TooManyAttemptsProblem | InvalidInputProblem | ErasedProblem,
    strawberry.union(name="GiveFeedbackResult"),
]
RecordFeedbackResult: TypeAlias = Annotated[
    ReferralSaved | CreateProblems | TransitionNotAllowedProblem | ErasedProblem,
    strawberry.union(name="RecordFeedbackResult"),
]


@strawberry.type
class FeedbackMutations:
    """How the person is heard."""

    @strawberry.mutation(
        graphql_type=IssueFeedbackCodeResult,
        description="Sender: make a one-time code for the person; an earlier unused one dies with it.",
    )
    async def issue_feedback_code(self, info: Info, input: IssueFeedbackCodeInput) -> object:
        """Make a one-time code for the person."""
        issued: list[IssuedCode] = []

        async def act(work: Work, given: Given) -> UUID:
            referral_id = target_id(input.referral_id, "Referral")
            issued.append(await feedback.issue_code(work, referral_id))
            return referral_id

        async def read(info: Info, referral_id: UUID) -> FeedbackCodeIssued | None:
            if await referral_saved(info, referral_id) is None:
                return None
            new = issued[0] if issued else None
            return FeedbackCodeIssued(
                feedback_code=new.code if new else None, expires_at=new.expires_at if new else None
            )

        return await run(info, input, act, read=read)

    @strawberry.mutation(
        graphql_type=GiveFeedbackResult, description="The person: say how it went, once, without signing in."
    )
    async def give_feedback(self, info: Info, input: GiveFeedbackInput) -> object:
        """Say how it went."""

        async def act(work: Work, given: Given) -> UUID:
            try:
                return await feedback.give_feedback(
                    work,
                    info.context.people.keys,
                    input.code[:200],
                    input.answer,
                    text_given=input.text or None,
                    language=given.part("language", LanguageTag) if input.language else None,
                )
            except NotFound:
                raise CodeNotValid from None

        async def read(info: Info, feedback_id: UUID) -> FeedbackGiven:
            return FeedbackGiven(thanks=True)

        return await with_code(info, lambda: run(info, input, act, read=read))

    @strawberry.mutation(
        graphql_type=RecordFeedbackResult, description="Sender: record what the person told you; once."
    )
    async def record_feedback(self, info: Info, input: RecordFeedbackInput) -> object:
        """Record what the person told the sender."""

        async def act(work: Work, given: Given) -> UUID:
            referral_id = target_id(input.referral_id, "Referral")
            await feedback.record_feedback(
                work,
                info.context.people.keys,
                referral_id,
                input.answer,
                source=input.source,
                text_given=input.text or None,
                language=given.part("language", LanguageTag) if input.language else None,
            )
            return referral_id

        return await run(info, input, act, read=referral_saved)
