"""How it went, in the person's own view; only the sender reads it."""

from __future__ import annotations

from datetime import datetime

import strawberry

from graphapi.types import exchange_words as exchange_words
from graphapi.types.referral import labelled
from referrals.vocabulary import AnswerSource, FeedbackAnswer


@strawberry.type(description="What the person said about a referral; only its sender reads it.")
class Feedback:
    """What the person said about a referral."""

    answer: FeedbackAnswer = strawberry.field(description="How it went.")
    answer_label: str = strawberry.field(
        resolver=labelled("answer"), graphql_type=str, description="The answer, for people."
    )
    source: AnswerSource = strawberry.field(description="How it came in.")
    language: str | None = strawberry.field(description="Language of the text (BCP 47).")
    at: datetime = strawberry.field(description="When.")
    text: str | None = strawberry.field(description="In their own words.")
