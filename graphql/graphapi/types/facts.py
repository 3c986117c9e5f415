"""What is known of a service: languages, eligibility, capacity, course, recognition, interpreting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import strawberry
from strawberry import Parent

from directory import values
from directory.courses import is_open, next_run
from directory.vocabulary import (
    Answer,
    CapacityState,
    CefrLevel,
    CourseAccess,
    CourseFormat,
    Gender,
    InterpretingMode,
    LegalCircle,
    ResidenceStatus,
    WorkPermission,
)
from graphapi.context import Info
from graphapi.types.texts import LanguageArgument, Phrase, Text, choose, every
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


@strawberry.type(
    description=(
        "The answer for people who meet all criteria; an empty criterion is met by everybody. "
        "The first rule that applies decides; what depends on something unknown of the person: ask."
    )
)
class EligibilityRule:
    """One answer for the people who meet all its criteria, valid between two dates (both inclusive)."""

    statuses: list[ResidenceStatus] = strawberry.field(description="Residence statuses; empty: any.")
    work_permission: list[WorkPermission] = strawberry.field(
        description="May they work; empty: does not matter."
    )
    age_from: int | None = strawberry.field(description="Lowest age in completed years.")
    age_to: int | None = strawberry.field(description="Highest age in completed years.")
    level_from: CefrLevel | None = strawberry.field(description="Language level (German) at least.")
    level_to: CefrLevel | None = strawberry.field(description="Language level (German) at most.")
    residence: list[str] = strawberry.field(
        description="Official keys (ARS, prefixes) of places of residence; empty: any."
    )
    legal_circles: list[LegalCircle] = strawberry.field(description="Legal circles; empty: any.")
    genders: list[Gender] = strawberry.field(description="Genders; empty: any.")
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


def _is_current(root: Parent[values.Capacity], info: Info, on: Day = None) -> bool:
    return root.expires_on is None or (on or info.context.today) <= root.expires_on


def _current_label(root: Parent[values.Capacity], info: Info, on: Day = None) -> str:
    language = info.context.language
    said = label(state_on(root, on or info.context.today), language)
    if _is_current(root, info, on) or root.as_of is None:
        return said
    if language == "de":
        return f"{said} (Angabe vom {root.as_of:%d.%m.%Y} zählt nicht mehr)"
    return f"{said} (what was said on {root.as_of.isoformat()} counts no more)"


@strawberry.type(description="Room for more people, as the partner said on a day.")
class Capacity:
    """Room for more people, as the partner said on a day."""

    state: CapacityState = strawberry.field(description="As it was said; see `current`.")
    current: CapacityState = strawberry.field(
        resolver=_current, description="The state that counts: UNKNOWN after `expiresOn`."
    )
    current_label: str = strawberry.field(
        resolver=_current_label, description="The same, for people; an old figure says that it is old."
    )
    is_current: bool = strawberry.field(
        resolver=_is_current, description="Whether what was said still counts: not after `expiresOn`."
    )
    places: int | None = strawberry.field(description="Places that can still be taken; null: not counted.")
    waiting_weeks: int | None = strawberry.field(description="Weeks to wait.")
    as_of: date | None = strawberry.field(description="The day it was said.")
    expires_on: date | None = strawberry.field(description="The last day it counts.")


def _note(root: Parent[values.CourseRun], info: Info, language: LanguageArgument = None) -> Text | None:
    return choose(root.note, language, info.context.languages)


def _notes(root: Parent[values.CourseRun]) -> list[Text]:
    return every(root.note)


def _open(root: Parent[values.CourseRun], info: Info, on: Day = None) -> bool:
    return is_open(root, on or info.context.today)


@strawberry.type(description="One time that a course is held (Kurslauf); null means not known.")
class CourseRun:
    """One time that a course is held."""

    starts_on: date | None = strawberry.field(description="First day.")
    ends_on: date | None = strawberry.field(description="Last day.")
    apply_by: date | None = strawberry.field(description="Last day to apply.")
    places: int | None = strawberry.field(description="Places that can still be taken; null: not counted.")
    full: bool = strawberry.field(description="Nobody else is taken.")
    open: bool = strawberry.field(
        resolver=_open, description="Whether it can be applied for: it has not begun, and is not full."
    )
    note: Text | None = strawberry.field(resolver=_note, description="What else there is to know.")
    note_texts: list[Text] = strawberry.field(resolver=_notes, description="The same in all its languages.")


def _next_run(root: Parent[values.CourseFacts], info: Info, on: Day = None) -> values.CourseRun | None:
    return next_run(root, on or info.context.today)


@strawberry.type(description="What is known of a course; null means not known, never no.")
class CourseFacts:
    """What is known of a course."""

    level_from: CefrLevel | None = strawberry.field(description="Level it begins at.")
    level_to: CefrLevel | None = strawberry.field(description="Level it leads to.")
    runs: list[CourseRun] = strawberry.field(description="The times it is held, past ones too.")
    next_run: Any = strawberry.field(
        graphql_type=CourseRun | None,
        resolver=_next_run,
        description="The first run to come that is open, else the first to come; null: none known.",
    )
    repeats: bool = strawberry.field(description="Whether more runs follow than are listed.")
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


def _competent_bodies(root: Parent[values.RecognitionFacts]) -> list[Text]:
    return every(root.competent_body)


@strawberry.type(description="Which occupations a recognition service is competent for.")
class RecognitionFacts:
    """Which occupations a recognition service is competent for."""

    occupations: list[str] = strawberry.field(description="ESCO URIs; empty: not limited to any.")
    regulated: bool | None = strawberry.field(description="Whether these are regulated by law.")
    competent_body: Text | None = strawberry.field(resolver=_competent_body, description="Who decides.")
    competent_body_texts: list[Text] = strawberry.field(
        resolver=_competent_bodies, description="Who decides, in all its languages."
    )


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


def _document_name(
    root: Parent[values.RequiredDocument], info: Info, language: LanguageArgument = None
) -> Text | None:
    return choose(root.name, language, info.context.languages)


def _document_names(root: Parent[values.RequiredDocument]) -> list[Text]:
    return every(root.name)


@strawberry.type(description="A paper that people are asked to bring (HSDS required_document).")
class RequiredDocument:
    """A paper that people are asked to bring."""

    name: Text | None = strawberry.field(resolver=_document_name, description="What it is called.")
    name_texts: list[Text] = strawberry.field(
        resolver=_document_names, description="The same in all its languages."
    )
    url: str | None = strawberry.field(description="Where a form of it is.")


def _text_of(name: str) -> Callable[..., Any]:
    def read(
        root: Parent[values.ReferralFacts], info: Info, language: LanguageArgument = None
    ) -> Text | None:
        return choose(getattr(root, name), language, info.context.languages)

    return read


def _texts_of(name: str) -> Callable[..., Any]:
    def read(root: Parent[values.ReferralFacts], info: Info, language: LanguageArgument = None) -> list[Text]:
        chosen = (choose(texts, language, info.context.languages) for texts in getattr(root, name))
        return [text for text in chosen if text is not None]

    return read


def _every_text_of(name: str) -> Callable[..., Any]:
    def read(root: Parent[values.ReferralFacts]) -> list[Text]:
        return every(getattr(root, name))

    return read


def _phrases_of(name: str) -> Callable[..., Any]:
    def read(root: Parent[values.ReferralFacts]) -> list[Phrase]:
        return [Phrase(texts=every(texts)) for texts in getattr(root, name)]

    return read


@strawberry.type(description="How a service wants people to be sent to it, and what becomes of that.")
class ReferralFacts:
    """How a service wants people to be sent to it."""

    required: bool | None = strawberry.field(description="Whether nobody comes without being referred.")
    accepted: bool | None = strawberry.field(description="Whether referrals are taken at all.")
    methods: list[Text] = strawberry.field(resolver=_texts_of("methods"), description="Ways of referring.")
    response_days: int | None = strawberry.field(description="Days until a referral is answered.")
    response: Text | None = strawberry.field(
        resolver=_text_of("response"), description="When a referral is answered, in its own words."
    )
    next_steps: list[Text] = strawberry.field(
        resolver=_texts_of("next_steps"), description="What happens right after a referral."
    )
    feedback: list[Text] = strawberry.field(
        resolver=_texts_of("feedback"), description="How the sender hears of what came of it."
    )
    feedback_days: int | None = strawberry.field(description="Days until the sender hears of it.")
    feedback_delay: Text | None = strawberry.field(
        resolver=_text_of("feedback_delay"), description="When the sender hears of it, in its own words."
    )
    intake_criteria: list[Text] = strawberry.field(
        resolver=_texts_of("intake_criteria"), description="Whom it takes in."
    )
    requirements: list[Text] = strawberry.field(
        resolver=_texts_of("requirements"), description="Papers and registrations it asks for."
    )
    method_phrases: list[Phrase] = strawberry.field(
        resolver=_phrases_of("methods"), description="Ways of referring, each in all its languages."
    )
    response_texts: list[Text] = strawberry.field(
        resolver=_every_text_of("response"), description="When it is answered, in all its languages."
    )
    next_step_phrases: list[Phrase] = strawberry.field(
        resolver=_phrases_of("next_steps"), description="What happens then, each in all its languages."
    )
    feedback_phrases: list[Phrase] = strawberry.field(
        resolver=_phrases_of("feedback"), description="How the sender hears of it, in all its languages."
    )
    feedback_delay_texts: list[Text] = strawberry.field(
        resolver=_every_text_of("feedback_delay"), description="When the sender hears, in all its languages."
    )
    intake_criteria_phrases: list[Phrase] = strawberry.field(
        resolver=_phrases_of("intake_criteria"), description="Whom it takes in, each in all its languages."
    )
    requirement_phrases: list[Phrase] = strawberry.field(
        resolver=_phrases_of("requirements"), description="What it asks for, each in all its languages."
    )


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
