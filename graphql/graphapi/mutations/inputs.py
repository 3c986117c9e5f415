"""Inputs that several verbs of the directory share; field by field like the types that are read.

In a change, what is left out stays as it is, and null clears it.
"""

from __future__ import annotations

from datetime import date

import strawberry

from directory.vocabulary import (
    Answer,
    CapacityState,
    CefrLevel,
    ContactKind,
    CourseAccess,
    CourseFormat,
    Gender,
    InterpretingMode,
    LegalCircle,
    ResidenceStatus,
    WorkPermission,
)
from graphapi.types.texts import PhraseInput, TextInput


@strawberry.input(description="How to reach a partner or a service.")
class ContactPointInput:
    """How to reach a partner or a service."""

    kind: ContactKind = strawberry.field(description="The channel.")
    value: str = strawberry.field(description="Phone number, mail address or web address.")
    extension: str | None = strawberry.field(default=strawberry.UNSET, description="Extension of a number.")
    label: list[TextInput] = strawberry.field(default_factory=list, description="What it is for.")
    languages: list[str] = strawberry.field(default_factory=list, description="Languages spoken (BCP 47).")


@strawberry.input(description="A language that something is offered in.")
class LanguageOfferedInput:
    """A language that something is offered in."""

    language: str = strawberry.field(description="BCP 47.")
    variety: str | None = strawberry.field(default=strawberry.UNSET, description="Variety.")
    interpreted: bool = strawberry.field(default=False, description="Only through an interpreter.")


@strawberry.input(
    description="The answer for people who meet all criteria; the first rule that applies decides."
)
class EligibilityRuleInput:
    """The answer for people who meet all criteria."""

    statuses: list[ResidenceStatus] = strawberry.field(
        default_factory=list, description="Residence statuses; empty: any."
    )
    work_permission: list[WorkPermission] = strawberry.field(
        default_factory=list, description="May they work (YES, WITH_PERMISSION); empty: does not matter."
    )
    age_from: int | None = strawberry.field(default=strawberry.UNSET, description="Lowest age in years.")
    age_to: int | None = strawberry.field(default=strawberry.UNSET, description="Highest age in years.")
    level_from: CefrLevel | None = strawberry.field(
        default=strawberry.UNSET, description="Language level (German) at least."
    )
    level_to: CefrLevel | None = strawberry.field(
        default=strawberry.UNSET, description="Language level (German) at most."
    )
    residence: list[str] = strawberry.field(
        default_factory=list, description="Official keys (ARS, prefixes) of places of residence; empty: any."
    )
    legal_circles: list[LegalCircle] = strawberry.field(
        default_factory=list, description="Legal circles; empty: any."
    )
    genders: list[Gender] = strawberry.field(default_factory=list, description="Genders; empty: any.")
    answer: Answer = strawberry.field(description="Whether the service is open to them.")
    reason: list[TextInput] = strawberry.field(default_factory=list, description="Why.")
    legal_basis: str | None = strawberry.field(default=strawberry.UNSET, description="Law it rests on.")
    valid_from: date | None = strawberry.field(default=strawberry.UNSET, description="First day.")
    valid_to: date | None = strawberry.field(default=strawberry.UNSET, description="Last day.")


@strawberry.input(description="Room for more people.")
class CapacityInput:
    """Room for more people."""

    state: CapacityState = strawberry.field(description="Whether there is room.")
    places: int | None = strawberry.field(default=strawberry.UNSET, description="Places left.")
    waiting_weeks: int | None = strawberry.field(default=strawberry.UNSET, description="Weeks to wait.")
    as_of: date | None = strawberry.field(default=strawberry.UNSET, description="Left out: today.")
    expires_on: date | None = strawberry.field(
        default=strawberry.UNSET, description="Last day it counts; afterwards it is UNKNOWN."
    )


@strawberry.input(description="One time that a course is held; what is left out is not known.")
class CourseRunInput:
    """One time that a course is held."""

    starts_on: date | None = strawberry.field(default=strawberry.UNSET, description="First day.")
    ends_on: date | None = strawberry.field(default=strawberry.UNSET, description="Last day.")
    apply_by: date | None = strawberry.field(default=strawberry.UNSET, description="Last day to apply.")
    places: int | None = strawberry.field(default=strawberry.UNSET, description="Places left.")
    full: bool = strawberry.field(default=False, description="Nobody else is taken.")
    note: list[TextInput] = strawberry.field(default_factory=list, description="What else there is to know.")


@strawberry.input(description="Facts of a course; what is left out is not known.")
class CourseFactsInput:
    """Facts of a course."""

    level_from: CefrLevel | None = strawberry.field(default=strawberry.UNSET, description="Begins at.")
    level_to: CefrLevel | None = strawberry.field(default=strawberry.UNSET, description="Leads to.")
    runs: list[CourseRunInput] = strawberry.field(default_factory=list, description="When it is held.")
    repeats: bool = strawberry.field(default=False, description="More runs follow than are listed.")
    lessons: int | None = strawberry.field(default=strawberry.UNSET, description="Number of lessons.")
    format: CourseFormat | None = strawberry.field(default=strawberry.UNSET, description="How it is held.")
    childcare: bool | None = strawberry.field(default=strawberry.UNSET, description="Is there childcare.")
    women_only: bool | None = strawberry.field(default=strawberry.UNSET, description="For women only.")
    exam: str | None = strawberry.field(default=strawberry.UNSET, description="The exam it ends with.")
    cost_cents: int | None = strawberry.field(default=strawberry.UNSET, description="Euro cents.")
    access: list[CourseAccess] = strawberry.field(default_factory=list, description="What is needed.")


@strawberry.input(description="Which occupations a recognition service is competent for.")
class RecognitionFactsInput:
    """Which occupations a recognition service is competent for."""

    occupations: list[str] = strawberry.field(default_factory=list, description="ESCO URIs.")
    regulated: bool | None = strawberry.field(default=strawberry.UNSET, description="Regulated by law.")
    competent_body: list[TextInput] = strawberry.field(default_factory=list, description="Who decides.")


@strawberry.input(description="A language that is interpreted.")
class InterpretedLanguageInput:
    """A language that is interpreted."""

    language: str = strawberry.field(description="BCP 47.")
    variety: str | None = strawberry.field(default=strawberry.UNSET, description="Variety.")


@strawberry.input(description="What an interpreting service can do.")
class InterpretingFactsInput:
    """What an interpreting service can do."""

    languages: list[InterpretedLanguageInput] = strawberry.field(description="The languages.")
    modes: list[InterpretingMode] = strawberry.field(default_factory=list, description="How.")
    lead_time_hours: int | None = strawberry.field(
        default=strawberry.UNSET, description="Hours before the appointment to ask."
    )


@strawberry.input(description="How a service wants people to be sent to it; what is left out is not known.")
class ReferralFactsInput:
    """How a service wants people to be sent to it."""

    required: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether nobody comes without being referred."
    )
    accepted: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether referrals are taken at all."
    )
    methods: list[PhraseInput] = strawberry.field(default_factory=list, description="Ways of referring.")
    response_days: int | None = strawberry.field(
        default=strawberry.UNSET, description="Days until a referral is answered."
    )
    response: list[TextInput] = strawberry.field(
        default_factory=list, description="When a referral is answered, in its own words."
    )
    next_steps: list[PhraseInput] = strawberry.field(
        default_factory=list, description="What happens right after a referral."
    )
    feedback: list[PhraseInput] = strawberry.field(
        default_factory=list, description="How the sender hears of what came of it."
    )
    feedback_days: int | None = strawberry.field(
        default=strawberry.UNSET, description="Days until the sender hears of it."
    )
    feedback_delay: list[TextInput] = strawberry.field(
        default_factory=list, description="When the sender hears of it, in its own words."
    )
    intake_criteria: list[PhraseInput] = strawberry.field(
        default_factory=list, description="Whom it takes in."
    )
    requirements: list[PhraseInput] = strawberry.field(
        default_factory=list, description="Papers and registrations it asks for."
    )


@strawberry.input(description="A paper that people are asked to bring.")
class RequiredDocumentInput:
    """A paper that people are asked to bring."""

    name: list[TextInput] = strawberry.field(description="What it is called.")
    url: str | None = strawberry.field(default=strawberry.UNSET, description="Where a form of it is.")


@strawberry.input(description="Open from `opens` to `closes` on a weekday, local wall time.")
class OpeningPeriodInput:
    """Open from ``opens`` to ``closes`` on a weekday."""

    weekday: int = strawberry.field(description="1 Monday to 7 Sunday.")
    opens: str = strawberry.field(description="HH:MM.")
    closes: str = strawberry.field(description="HH:MM; 24:00 is the end of the day.")


@strawberry.input(description="Opening hours: an OpenStreetMap opening_hours text, or periods.")
class OpeningHoursInput:
    """Opening hours."""

    osm: str = strawberry.field(
        default="", description="e.g. Mo-Fr 09:00-12:00; wins over periods; the other fields count besides."
    )
    periods: list[OpeningPeriodInput] = strawberry.field(default_factory=list, description="Structured.")
    by_appointment: bool = strawberry.field(default=False, description="An appointment is needed.")
    closed_on_holidays: bool = strawberry.field(default=True, description="Closed on public holidays.")
    timezone: str = strawberry.field(default="Europe/Berlin", description="IANA time zone of the times.")
