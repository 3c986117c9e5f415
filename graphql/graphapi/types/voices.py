"""The three voices about a referral side by side, and how many of each the own organisation has heard."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import strawberry
from strawberry import Parent

from graphapi.context import Info
from graphapi.types import exchange_words as exchange_words
from graphapi.types.referral import labelled
from graphapi.types.words import label
from referrals import hearing
from referrals.vocabulary import Disagreement, FollowUpKind, PartnerVoice, PersonVoice, SenderVoice


@strawberry.type(
    description=(
        "Three voices side by side. The recipient reads its own, and whether it was contested: never how the "
        "person said it went."
    )
)
class Voices:
    """Three voices side by side."""

    partner: PartnerVoice = strawberry.field(description="The receiving organisation.")
    partner_label: str = strawberry.field(
        resolver=labelled("partner"), graphql_type=str, description="For people."
    )
    sender: SenderVoice = strawberry.field(description="The sending organisation.")
    sender_label: str = strawberry.field(
        resolver=labelled("sender"), graphql_type=str, description="For people."
    )
    person: PersonVoice = strawberry.field(description="The person.")
    person_label: str = strawberry.field(
        resolver=labelled("person"), graphql_type=str, description="For people."
    )
    disagreement: bool = strawberry.field(description="Whether the voices part.")
    why: list[Disagreement] = strawberry.field(description="Where they part.")


@strawberry.type(description="How many said this.")
class VoiceCount:
    """How many said this."""

    voice: str = strawberry.field(description="The value of the voice.")
    label: str = strawberry.field(description="For people.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="How many later follow-ups were answered, and how many not.")
class FollowUpCount:
    """How many later follow-ups were answered, and how many not."""

    kind: FollowUpKind = strawberry.field(description="Which.")
    answered: int = strawberry.field(description="Answered.")
    unanswered: int = strawberry.field(description="Without an answer after 30 days.")


def _counts(attribute: str) -> Any:
    def resolve(root: Parent[hearing.VoiceCounts], info: Info) -> list[VoiceCount]:
        counted = getattr(root, attribute)
        return [
            VoiceCount(voice=voice.value, label=label(voice, info.context.language), count=counted[voice])
            for voice in counted
        ]

    return resolve


@strawberry.type(
    description=(
        "What was heard about the own organisation's referrals that ended in a quarter: exact, and not for "
        "publishing."
    )
)
class VoiceCounts:
    """What was heard about the own organisation's referrals that ended in a quarter."""

    since: date = strawberry.field(description="First day.")
    until: date = strawberry.field(description="The day after the last.")
    referrals: int = strawberry.field(description="Referrals that ended: closed, declined or expired.")
    disagreements: int = strawberry.field(description="Those in which the voices part.")
    partner: list[VoiceCount] = strawberry.field(
        resolver=_counts("partner"), graphql_type=list[VoiceCount], description="What partners said."
    )
    sender: list[VoiceCount] = strawberry.field(
        resolver=_counts("sender"), graphql_type=list[VoiceCount], description="What we said."
    )
    person: list[VoiceCount] = strawberry.field(
        resolver=_counts("person"), graphql_type=list[VoiceCount], description="What people said."
    )
    follow_ups: list[FollowUpCount] = strawberry.field(description="Later follow-ups that ended.")


@strawberry.type
class VoiceQueries:
    """What can be read of what was heard."""

    @strawberry.field(
        graphql_type=VoiceCounts,
        description="Answers, missing answers and disagreements of the own organisation in one quarter.",
    )
    async def voice_counts(
        self,
        info: Info,
        year: Annotated[int, strawberry.argument(description="The year.")],
        quarter: Annotated[int, strawberry.argument(description="1 to 4.")],
    ) -> Any:
        """Return the counts."""
        return await info.context.people.voice_counts(year, quarter)
