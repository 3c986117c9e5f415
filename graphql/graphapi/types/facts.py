"""What is known of a service: languages, eligibility, capacity, course, recognition, interpreting."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import strawberry
from strawberry import Parent

from directory import values
from directory.vocabulary import (
    Answer,
    CapacityState,
    CefrLevel,
    CourseAccess,
    CourseFormat,
    InterpretingMode,
    ResidenceStatus,
)
from graphapi.context import Info
from graphapi.types.texts import LanguageArgument, Text, choose, every
from graphapi.types.words import label


@strawberry.type(description="A language that something is offered in.")
class LanguageOffered:
    """A language that something is offered in."""

    language: str = strawberry.field(description="BCP 47.")
    variety: str | None = strawberry.field(description="Variety, where it matters.")
    interpreted: bool = strawberry.field(description="Only through an interpreter.")


def _reason(
    root: Parent[values.EligibilityRule], info: Info, language: LanguageArgument = None
) -> Text | None:
    return choose(root.reason, language, info.context.languages)


def _reasons(root: Parent[values.EligibilityRule]) -> list[Text]:
    return every(root.reason)


def _answer_label(root: Parent[values.EligibilityRule], info: Info) -> str:
    return label(root.answer, info.context.language)


@strawberry.type(description="The answer for some residence statuses; the first rule that applies decides.")
class EligibilityRule:
    """One answer for a set of residence statuses, valid between two dates (both inclusive)."""

    statuses: list[ResidenceStatus] = strawberry.field(description="For whom.")
    answer: Answer = strawberry.field(description="Whether the service is open to them.")
    answer_label: str = strawberry.field(resolver=_answer_label, description="The answer, for people.")
    reason: Text | None = strawberry.field(resolver=_reason, description="Why.")
    reason_texts: list[Text] = strawberry.field(resolver=_reasons, description="Why, in all its languages.")
    legal_basis: str | None = strawberry.field(description="The law or decree it rests on.")
    valid_from: date | None = strawberry.field(description="First day it holds.")
    valid_to: date | None = strawberry.field(description="Last day it holds.")


Day = Annotated[date | None, strawberry.argument(description="The day asked about; left out: today.")]


def state_on(capacity: values.Capacity, day: date) -> CapacityState:
    """Return the state as it counts on a day: what was said lapses after its last day."""
    if capacity.expires_on is not None and day > capacity.expires_on:
        return CapacityState.UNKNOWN
    return capacity.state


def _current(root: Parent[values.Capacity], info: Info, on: Day = None) -> CapacityState:
    return state_on(root, on or info.context.today)


def _current_label(root: Parent[values.Capacity], info: Info, on: Day = None) -> str:
    return label(state_on(root, on or info.context.today), info.context.language)


@strawberry.type(description="Room for more people, as the partner said on a day.")
class Capacity:
    """Room for more people, as the partner said on a day."""

    state: CapacityState = strawberry.field(description="As it was said; see `current`.")
    current: CapacityState = strawberry.field(
        resolver=_current, description="The state that counts: UNKNOWN after `expiresOn`."
    )
    current_label: str = strawberry.field(resolver=_current_label, description="The same, for people.")
    places: int | None = strawberry.field(description="Places that can still be taken; null: not counted.")
    waiting_weeks: int | None = strawberry.field(description="Weeks to wait.")
    as_of: date | None = strawberry.field(description="The day it was said.")
    expires_on: date | None = strawberry.field(description="The last day it counts.")


@strawberry.type(description="What is known of a course; null means not known, never no.")
class CourseFacts:
    """What is known of a course."""

    level_from: CefrLevel | None = strawberry.field(description="Level it begins at.")
    level_to: CefrLevel | None = strawberry.field(description="Level it leads to.")
    starts_on: date | None = strawberry.field(description="First day.")
    ends_on: date | None = strawberry.field(description="Last day.")
    lessons: int | None = strawberry.field(description="Number of lessons (45 minutes).")
    format: CourseFormat | None = strawberry.field(description="How it is held.")
    childcare: bool | None = strawberry.field(description="Whether there is childcare.")
    women_only: bool | None = strawberry.field(description="Whether for women only.")
    exam: str | None = strawberry.field(description="The exam it ends with.")
    cost_cents: int | None = strawberry.field(description="What the participant pays, in euro cents.")
    access: list[CourseAccess] = strawberry.field(description="What is needed to get a place.")


def _competent_body(
    root: Parent[values.RecognitionFacts], info: Info, language: LanguageArgument = None
) -> Text | None:
    return choose(root.competent_body, language, info.context.languages)


@strawberry.type(description="Which occupations a recognition service is competent for.")
class RecognitionFacts:
    """Which occupations a recognition service is competent for."""

    occupations: list[str] = strawberry.field(description="ESCO URIs; empty: not limited to any.")
    regulated: bool | None = strawberry.field(description="Whether these are regulated by law.")
    competent_body: Text | None = strawberry.field(resolver=_competent_body, description="Who decides.")


@strawberry.type(description="A language that is interpreted.")
class InterpretedLanguage:
    """A language that is interpreted."""

    language: str = strawberry.field(description="BCP 47.")
    variety: str | None = strawberry.field(description="Variety, where it matters.")


@strawberry.type(description="What an interpreting service can do.")
class InterpretingFacts:
    """What an interpreting service can do."""

    languages: list[InterpretedLanguage] = strawberry.field(description="The languages.")
    modes: list[InterpretingMode] = strawberry.field(description="How the interpreter takes part.")
    lead_time_hours: int | None = strawberry.field(description="Hours before the appointment to ask.")


@strawberry.type(description="A term of the source that an entry was imported from, kept as it was.")
class SourceTerm:
    """A taxonomy term of the source that an entry was imported from."""

    code: str = strawberry.field(description="Its code there.")
    name: str = strawberry.field(description="Its name there.")
    vocabulary: str = strawberry.field(description="The vocabulary it is of.")


@strawberry.type(description="Where an imported entry came from.")
class Provenance:
    """Where an imported entry came from."""

    source: str = strawberry.field(description="The source.")
    foreign_id: str = strawberry.field(description="Its id there.")
    licence: str | None = strawberry.field(description="Licence of the data.")
