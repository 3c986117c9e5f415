"""The project's rule for its own support: a LEAD drafts a version, and decides it for a day to come."""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory.database import Work
from directory.vocabulary import Answer, ResidenceStatus
from graphapi.context import Info
from graphapi.given import converted
from graphapi.mutations.running import ChangeProblems, CreateProblems, Given, run
from graphapi.relay import target_id
from graphapi.types.rule_set import RuleSet
from graphapi.types.texts import TextInput
from referrals import rule_sets
from referrals.eligibility import SupportRule
from referrals.vocabulary import SupportAdvice


@strawberry.type(description="The version as it is now.")
class RuleSetSaved:
    """The version as it is now."""

    rule_set: RuleSet = strawberry.field(graphql_type=RuleSet, description="The version.")


@strawberry.input(description="A line of the project's rule; the first one that applies decides.")
class SupportRuleInput:
    """A line of the project's rule."""

    id: str = strawberry.field(description="Name of the line: small letters, digits and hyphens.")
    statuses: list[ResidenceStatus] = strawberry.field(
        default_factory=list, description="For whom; empty: any status."
    )
    supported_before: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="Only for who was (or was not) supported before and applied in time; left out: for all.",
    )
    answer: Answer = strawberry.field(description="Whether the project supports them.")
    advice: SupportAdvice = strawberry.field(description="What is advised.")
    reason: list[TextInput] = strawberry.field(description="Why, in German and English at least.")
    legal_basis: str | None = strawberry.field(default=strawberry.UNSET, description="Law it rests on.")
    valid_from: date | None = strawberry.field(default=strawberry.UNSET, description="First day.")
    valid_to: date | None = strawberry.field(default=strawberry.UNSET, description="Last day.")


@strawberry.input(description="A new version of the project's rule, as a draft.")
class DraftRuleSetInput:
    """A new version of the project's rule."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    rules: list[SupportRuleInput] = strawberry.field(description="Its lines, in order.")
    remark: str | None = strawberry.field(default=strawberry.UNSET, description="Why it is changed.")


@strawberry.input(description="The lines of a draft, all of them.")
class ChangeRuleSetInput:
    """The lines of a draft."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The draft.")
    expected_version: int = strawberry.field(description="The version you read.")
    rules: list[SupportRuleInput] = strawberry.field(description="Its lines, in order.")
    remark: str | None = strawberry.field(default=strawberry.UNSET, description="Why it is changed.")


@strawberry.input(description="From when on a draft is to hold.")
class DecideRuleSetInput:
    """From when on a draft is to hold."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The draft.")
    expected_version: int = strawberry.field(description="The version you read.")
    valid_from: date = strawberry.field(description="First day in force: tomorrow at the earliest.")


DraftRuleSetResult: TypeAlias = Annotated[
    RuleSetSaved | CreateProblems, strawberry.union(name="DraftRuleSetResult")
]
ChangeRuleSetResult: TypeAlias = Annotated[
    RuleSetSaved | ChangeProblems, strawberry.union(name="ChangeRuleSetResult")
]


def _lines(given: Given) -> tuple[SupportRule, ...]:
    return converted(given.values["rules"], tuple[SupportRule, ...], "rules")


async def _saved(info: Info, rule_set_id: UUID) -> RuleSetSaved | None:
    found = await info.context.people.rule_set(rule_set_id)
    return None if found is None else RuleSetSaved(rule_set=found)  # type: ignore[arg-type]


@strawberry.type
class RuleSetMutations:
    """The project's rule for its own support."""

    @strawberry.mutation(
        graphql_type=DraftRuleSetResult,
        description="LEAD: draft a new version of the project's rule; preview it before you decide it.",
    )
    async def draft_rule_set(self, info: Info, input: DraftRuleSetInput) -> object:
        """Draft a version."""

        async def act(work: Work, given: Given) -> UUID:
            return await rule_sets.draft_rule_set(work, _lines(given), remark=given.values.get("remark"))

        return await run(info, input, act, read=_saved)

    @strawberry.mutation(graphql_type=ChangeRuleSetResult, description="LEAD: change a draft of the rule.")
    async def change_rule_set(self, info: Info, input: ChangeRuleSetInput) -> object:
        """Change a draft."""

        async def act(work: Work, given: Given) -> UUID:
            id_ = target_id(input.id, "RuleSet")
            await rule_sets.change_rule_set(
                work, id_, input.expected_version, _lines(given), remark=given.values.get("remark")
            )
            return id_

        return await run(info, input, act, read=_saved)

    @strawberry.mutation(
        graphql_type=ChangeRuleSetResult,
        description=(
            "LEAD: put a draft into force from a day to come. What was judged before stays as it is; "
            "nothing ends by it."
        ),
    )
    async def decide_rule_set(self, info: Info, input: DecideRuleSetInput) -> object:
        """Decide a draft."""

        async def act(work: Work, given: Given) -> UUID:
            id_ = target_id(input.id, "RuleSet")
            await rule_sets.decide_rule_set(work, id_, input.expected_version, input.valid_from)
            return id_

        return await run(info, input, act, read=_saved)
