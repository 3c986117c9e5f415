"""What other rules of a service would change: people as examples, judged by its rules now and by new ones."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import msgspec
import strawberry
from strawberry import Parent

from directory import checking, values
from directory.documents import ServiceDocument
from directory.eligibility import Profile, judge_rules
from directory.eligibility import RuleJudgement as Judgement
from directory.policy import EntryFacts, require_change_service
from directory.problems import InvalidInput, NotFound
from directory.vocabulary import Answer, EligibilityCriterion
from graphapi.context import Info
from graphapi.given import converted, plain
from graphapi.mutations.inputs import EligibilityRuleInput
from graphapi.relay import global_id, read_id
from graphapi.types.problems import InvalidInputProblem, as_data
from graphapi.types.search import SituationInput, without_none
from graphapi.types.texts import LanguageArgument, Text, choose
from graphapi.types.words import label
from search.matching import Situation

MOST_PEOPLE: Final = 20
"""Examples that are judged at once, at most."""


@strawberry.input(description="Rules that a service does not have yet, and people to try them with.")
class EligibilityPreviewInput:
    """Rules that a service does not have yet."""

    service_id: strawberry.ID = strawberry.field(description="The service.")
    rules: list[EligibilityRuleInput] = strawberry.field(description="All its rules as they would be.")
    profiles: list[SituationInput] = strawberry.field(
        description="Examples, 20 at most; their wishes do not matter. Nothing of it is kept."
    )
    on: date | None = strawberry.field(default=None, description="The day judged; left out: today.")


class _Rules(msgspec.Struct, frozen=True):
    rules: tuple[values.EligibilityRule, ...]


class Changed(msgspec.Struct, frozen=True):
    """What both sets of rules say of one person."""

    before: Judgement
    after: Judgement


class Preview(msgspec.Struct, frozen=True):
    """What new rules would change."""

    service: UUID
    on: date
    people: tuple[Changed, ...]


def _reason(root: Parent[Judgement], info: Info, language: LanguageArgument = None) -> Text | None:
    return choose(root.reason, language, info.context.languages)


def _answer_label(root: Parent[Judgement], info: Info) -> str:
    return label(root.answer, info.context.language)


@strawberry.type(description="What rules say of a person, and why; unknown is never no.")
class RuleJudgement:
    """What rules say of a person."""

    answer: Answer = strawberry.field(description="Fits, does not fit, or ask.")
    answer_label: str = strawberry.field(
        resolver=_answer_label, graphql_type=str, description="The answer, for people."
    )
    rules: list[int] = strawberry.field(
        description="Places (from 0) of the rules that decide, or may decide; empty: none applies."
    )
    criteria: list[EligibilityCriterion] = strawberry.field(description="What the answer rests on.")
    missing: list[EligibilityCriterion] = strawberry.field(
        description="What would have to be known for a definite answer."
    )
    reason: Text | None = strawberry.field(resolver=_reason, description="The reason that the rule gives.")
    legal_basis: str | None = strawberry.field(description="The law or decree that the rule rests on.")


def _changes(root: Parent[Changed]) -> bool:
    return root.before.answer is not root.after.answer


@strawberry.type(description="What both sets of rules say of one person.")
class EligibilityChange:
    """What both sets of rules say of one person."""

    before: RuleJudgement = strawberry.field(description="By the rules as they are.")
    after: RuleJudgement = strawberry.field(description="By the rules as they would be.")
    changes: bool = strawberry.field(
        resolver=_changes, graphql_type=bool, description="Whether the answer becomes another one."
    )


def _service_id(root: Parent[Preview]) -> strawberry.ID:
    return global_id("Service", root.service)


@strawberry.type(description="What new rules of a service would change. Nothing is kept of it.")
class EligibilityPreview:
    """What new rules of a service would change."""

    service_id: strawberry.ID = strawberry.field(resolver=_service_id, description="The service.")
    on: date = strawberry.field(description="The day judged.")
    people: list[EligibilityChange] = strawberry.field(description="One by one, in the order of the input.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell previews from problems."""
        return isinstance(value, Preview | cls)


EligibilityPreviewResult: TypeAlias = Annotated[
    EligibilityPreview | InvalidInputProblem,
    strawberry.union(name="EligibilityPreviewResult"),
]


@strawberry.type
class EligibilityPreviewQueries:
    """What can be tried."""

    @strawberry.field(
        graphql_type=EligibilityPreviewResult,
        description="Who keeps a service: what other rules would change, for people as examples. Ask with "
        "POST; it is never logged, stored or counted.",
    )
    async def eligibility_preview(self, info: Info, input: EligibilityPreviewInput) -> object:
        """Judge people by the rules as they are and as they would be."""
        context = info.context
        key = read_id(input.service_id, "Service")
        service = None if key is None else await context.loaders.service.load(key)
        if service is None:
            raise NotFound
        require_change_service(context.actor, _facts(service))
        try:
            return _preview(service, input, context.today)
        except InvalidInput as problem:
            return as_data(problem, context.language)


def _facts(service: ServiceDocument) -> EntryFacts:
    return EntryFacts(
        partner_id=service.partner.id, municipality_id=service.municipality.id, state=service.state
    )


def _preview(service: ServiceDocument, input_: EligibilityPreviewInput, today: date) -> Preview:
    if len(input_.profiles) > MOST_PEOPLE:
        raise InvalidInput("profiles", "too-many", maximum=str(MOST_PEOPLE))
    on = input_.on or today
    given = converted({"rules": plain(input_.rules, "rules")}, _Rules)
    rules = checking.eligibility(given.rules, "rules")
    return Preview(
        service=service.id,
        on=on,
        people=tuple(
            Changed(before=judge_rules(service.eligibility, person, on), after=judge_rules(rules, person, on))
            for person in _people(input_, on)
        ),
    )


def _people(input_: EligibilityPreviewInput, on: date) -> list[Profile]:
    return [
        converted(
            {"on": on, **without_none(plain(one, f"profiles.{number}", kept=False))},
            Situation,
            f"profiles.{number}",
        ).profile
        for number, one in enumerate(input_.profiles)
    ]
