"""The project's rule for its own support: its versions, and what a new one would change."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import strawberry
from strawberry import Parent

from directory.vocabulary import Answer, ResidenceStatus
from graphapi.context import Info
from graphapi.relay import require_id
from graphapi.types import exchange_words as exchange_words
from graphapi.types.facts import Day
from graphapi.types.paging import First
from graphapi.types.referral import labelled, named
from graphapi.types.texts import LanguageArgument, Text, choose, every
from referrals.eligibility import SupportRule as Line
from referrals.rule_sets import RuleSetPreview as Preview
from referrals.rule_sets import RuleSetView
from referrals.vocabulary import RuleSetState, SupportAdvice


def _reason(root: Parent[Line], info: Info, language: LanguageArgument = None) -> Text | None:
    return choose(root.reason, language, info.context.languages)


def _reasons(root: Parent[Line]) -> list[Text]:
    return every(root.reason)


@strawberry.type(description="A line of the project's rule; the first one that applies decides.")
class SupportRule:
    """A line of the project's rule."""

    id: str = strawberry.field(description="Name of the line within its version.")
    statuses: list[ResidenceStatus] = strawberry.field(description="For whom; empty: any status.")
    supported_before: bool | None = strawberry.field(
        description="Only for who was (or was not) supported before and applied in time; null: for all."
    )
    answer: Answer = strawberry.field(description="Whether the project supports them.")
    answer_label: str = strawberry.field(
        resolver=labelled("answer"), graphql_type=str, description="The answer, for people."
    )
    advice: SupportAdvice = strawberry.field(description="What is advised.")
    advice_label: str = strawberry.field(
        resolver=labelled("advice"), graphql_type=str, description="The advice, for people."
    )
    reason: Text | None = strawberry.field(resolver=_reason, description="Why.")
    reason_texts: list[Text] = strawberry.field(resolver=_reasons, description="Why, in all its languages.")
    legal_basis: str | None = strawberry.field(description="The law or decree it rests on.")
    valid_from: date | None = strawberry.field(description="First day it holds.")
    valid_to: date | None = strawberry.field(description="Last day it holds.")


def _own(root: Parent[RuleSetView]) -> bool:
    return root.municipality_id is not None


@strawberry.type(
    description="A version of the project's rule for its own support; never changed once decided."
)
class RuleSet:
    """A version of the project's rule for its own support."""

    id: strawberry.ID = strawberry.field(
        resolver=named("RuleSet", "id"), graphql_type=strawberry.ID, description="For its mutations."
    )
    version: int = strawberry.field(description="Rises with every change; give it as expectedVersion.")
    own: bool = strawberry.field(
        resolver=_own, description="Of the own municipality; else the project's, which holds without one."
    )
    state: RuleSetState = strawberry.field(description="Whether it is decided.")
    state_label: str = strawberry.field(
        resolver=labelled("state"), graphql_type=str, description="For people."
    )
    current: bool = strawberry.field(description="Whether it is the one in force.")
    valid_from: date | None = strawberry.field(
        description="First day in force; null: a draft, or ever since."
    )
    rules: list[SupportRule] = strawberry.field(description="Its lines, in order.")
    remark: str | None = strawberry.field(description="Why it is changed.")
    drafted_at: datetime = strawberry.field(description="When it was drafted.")
    decided_at: datetime | None = strawberry.field(description="When it was decided.")


@strawberry.type(description="For how many people an answer becomes another one, or stays.")
class AnswerChange:
    """For how many people an answer becomes another one."""

    before: Answer = strawberry.field(description="By the version in force today.")
    before_advice: SupportAdvice = strawberry.field(description="What that advises.")
    after: Answer = strawberry.field(description="By the version that is previewed.")
    after_advice: SupportAdvice = strawberry.field(description="What that advises.")
    people: int = strawberry.field(description="How many of the own organisation's clients.")


def _rule_set_id(root: Parent[Preview], info: Info) -> Any:
    return info.context.people.rule_set(root.rule_set_id)


@strawberry.type(
    description="What a version would change for the own clients; small numbers stay inside the own office."
)
class RuleSetPreview:
    """What a version would change for the own clients."""

    rule_set: RuleSet | None = strawberry.field(
        resolver=_rule_set_id, graphql_type=RuleSet | None, description="The version."
    )
    on: date = strawberry.field(description="The day that it is judged on.")
    people: int = strawberry.field(description="How many people were counted.")
    changing: int = strawberry.field(description="For how many of them answer or advice changes.")
    changes: list[AnswerChange] = strawberry.field(description="The counts, those that change first.")


@strawberry.type
class RuleSetQueries:
    """What can be read of the project's rule."""

    @strawberry.field(
        graphql_type=RuleSet | None,
        description="The project's rule for its own support, as in force on a day in one's municipality."
        " Without a token it is the project's own, whatever a municipality decided for itself (`own`).",
    )
    async def support_rules(self, info: Info, on: Day = None) -> Any:
        """Return the version in force.

        Who is nobody's has no municipality: of them the project's rule holds (``rule_sets.in_force``).
        """
        return await info.context.people.rule_set_in_force(on or info.context.today)

    @strawberry.field(
        graphql_type=list[RuleSet],
        description="All versions of the project's rule, newest first; drafts for a LEAD only.",
    )
    async def rule_sets(self, info: Info, first: First = 50) -> Any:
        """Return the versions."""
        return await info.context.people.versions_of_the_rule(first)

    @strawberry.field(
        graphql_type=RuleSetPreview,
        description="LEAD: what a version would change for the own organisation's clients. Changes nothing.",
    )
    async def rule_set_preview(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The version.")],
        on: Day = None,
    ) -> Any:
        """Count what would change."""
        key = require_id(id, "RuleSet", "id")
        return await info.context.people.preview_rule_set(key, on or info.context.today)
