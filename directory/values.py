"""The values that partners and services are made of: plain, immutable, stored as JSON.

The same structs are stored in the tables, read from import files, and embedded in documents, so that a
thing has one shape everywhere. Unknown keys are refused: what comes in from a file is checked here.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import msgspec

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
    PartnerKind,
    ResidenceStatus,
    WorkPermission,
)

LanguageTag: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$")
]
"""BCP 47 tag, e.g. ``de``, ``ti``, ``kmr``, ``dsb``, ``zh-Hant``."""

ShortText: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
LongText: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
Titles: TypeAlias = dict[LanguageTag, ShortText]
"""One short text in several languages."""
Texts: TypeAlias = dict[LanguageTag, LongText]
"""One longer text in several languages."""
TerritoryKey: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2,12}$")]
"""ARS (Amtlicher Regionalschlüssel) or a prefix: 2 land, 5 district, 9 association, 12 municipality."""
TopicCode: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
WallTime: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-4]):[0-5][0-9]$")]
"""Local wall time ``HH:MM``; 24:00 is the end of a day."""


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of all values: immutable, named arguments only, unknown keys refused, defaults not stored."""


class ContactPoint(Value, frozen=True, kw_only=True):
    """How to reach a partner or a service (HSDS contact and phone); ``value`` is E.164, a mail or a URL."""

    kind: ContactKind
    value: Annotated[str, msgspec.Meta(min_length=3, max_length=300)]
    extension: str | None = None
    label: Titles = {}
    languages: tuple[LanguageTag, ...] = ()


class OpeningPeriod(Value, frozen=True, kw_only=True):
    """Open from ``opens`` to ``closes`` on an ISO weekday (1 Monday to 7 Sunday)."""

    weekday: Annotated[int, msgspec.Meta(ge=1, le=7)]
    opens: WallTime
    closes: WallTime


class OpeningHours(Value, frozen=True, kw_only=True):
    """Opening hours: the OpenStreetMap ``opening_hours`` text they came from, and the periods it means."""

    osm: Annotated[str, msgspec.Meta(max_length=500)] = ""
    periods: tuple[OpeningPeriod, ...] = ()
    by_appointment: bool = False
    closed_on_holidays: bool = True
    timezone: str = "Europe/Berlin"


class LanguageOffered(Value, frozen=True, kw_only=True):
    """A language a service is offered in; ``interpreted`` when only through an interpreter."""

    language: LanguageTag
    variety: str | None = None
    interpreted: bool = False


Age: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=120)]
"""Age in completed years."""


class EligibilityRule(Value, frozen=True, kw_only=True):
    """One answer for the people who meet all its criteria, valid between two dates (both inclusive).

    A criterion that is left empty is met by everybody; several values of one criterion mean any of them.
    ``work_permission``: YES, WITH_PERMISSION (ASK is what is not known of a person, never a criterion). Age
    in completed years and language level (of German, CEFR) are inclusive at both ends. ``residence``: ARS
    prefixes of the place of residence (Wohnort). The first rule that applies on a day decides; when none
    does the answer is ASK, and so it is when it depends on what is not known of the person: unknown is never
    "no" (``directory.eligibility``).
    """

    statuses: tuple[ResidenceStatus, ...] = ()
    work_permission: tuple[WorkPermission, ...] = ()
    age_from: Age | None = None
    age_to: Age | None = None
    level_from: CefrLevel | None = None
    level_to: CefrLevel | None = None
    residence: tuple[TerritoryKey, ...] = ()
    legal_circles: tuple[LegalCircle, ...] = ()
    genders: tuple[Gender, ...] = ()
    answer: Answer
    reason: Texts = {}
    legal_basis: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    def in_force(self, day: date) -> bool:
        """Whether the rule holds on a day (both ends inclusive)."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )


class Capacity(Value, frozen=True, kw_only=True):
    """Room for more people as the partner said on a day; after ``expires_on`` it counts as UNKNOWN.

    ``places`` is the number of places that can still be taken (None: not counted).
    """

    state: CapacityState = CapacityState.UNKNOWN
    places: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None
    waiting_weeks: Annotated[int, msgspec.Meta(ge=0, le=520)] | None = None
    as_of: date | None = None
    expires_on: date | None = None


class CourseRun(Value, frozen=True, kw_only=True):
    """One time that a course is held (Kurslauf); days are inclusive, None means "not known".

    ``apply_by``: the last day to apply. ``places``: places that can still be taken (None: not counted);
    ``full``: nobody else is taken.
    """

    starts_on: date | None = None
    ends_on: date | None = None
    apply_by: date | None = None
    places: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None
    full: bool = False
    note: Texts = {}


class CourseFacts(Value, frozen=True, kw_only=True):
    """What is known of a course; None means "not known", never "no". ``cost_cents`` is in euro cents.

    ``runs`` are the times it is held, in the order in which they begin; past ones may stay. ``repeats``: the
    partner says that more runs follow than are listed; otherwise the listed ones are all there are. Documents
    and files of shape 1 knew one run only and spelled it ``starts_on`` and ``ends_on``; they are read as that
    run.
    """

    level_from: CefrLevel | None = None
    level_to: CefrLevel | None = None
    runs: tuple[CourseRun, ...] = ()
    repeats: bool = False
    lessons: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None = None
    format: CourseFormat | None = None
    childcare: bool | None = None
    women_only: bool | None = None
    exam: ShortText | None = None
    cost_cents: Annotated[int, msgspec.Meta(ge=0)] | None = None
    access: tuple[CourseAccess, ...] = ()
    shape_1_start: date | None = msgspec.field(default=None, name="starts_on")
    shape_1_end: date | None = msgspec.field(default=None, name="ends_on")

    def __post_init__(self) -> None:
        """Read the single run of shape 1; a text that has it and runs too is refused."""
        if self.shape_1_start is None and self.shape_1_end is None:
            return
        if self.runs:
            raise ValueError("a course has either runs, or (in texts of shape 1) starts_on and ends_on")
        run = CourseRun(starts_on=self.shape_1_start, ends_on=self.shape_1_end)
        msgspec.structs.force_setattr(self, "runs", (run,))
        msgspec.structs.force_setattr(self, "shape_1_start", None)
        msgspec.structs.force_setattr(self, "shape_1_end", None)


class RecognitionFacts(Value, frozen=True, kw_only=True):
    """Which occupations (ESCO URIs) a recognition service is competent for; empty: not limited to any.

    ``regulated``: whether these occupations are regulated by law; ``competent_body``: who decides.
    """

    occupations: tuple[str, ...] = ()
    regulated: bool | None = None
    competent_body: Titles = {}


class InterpretedLanguage(Value, frozen=True, kw_only=True):
    """A language, and where it matters its variety (e.g. ``ar``, "Levantinisch")."""

    language: LanguageTag
    variety: str | None = None


class InterpretingFacts(Value, frozen=True, kw_only=True):
    """What an interpreting service can do; ``lead_time_hours``: how long before the appointment to ask."""

    languages: tuple[InterpretedLanguage, ...] = ()
    modes: tuple[InterpretingMode, ...] = ()
    lead_time_hours: Annotated[int, msgspec.Meta(ge=0, le=2_000)] | None = None


class ReferralFacts(Value, frozen=True, kw_only=True):
    """How a service wants people to be sent to it, and what becomes of that, in its own words.

    ``required``: nobody comes without being referred; ``accepted``: referrals are taken at all. ``methods``:
    ways of referring. ``response_days``: days until it answers a referral, ``response`` what it says of that
    ("case by case"). ``next_steps``: what happens right after the referral. ``feedback``: how the sender
    hears of what came of it, ``feedback_days`` and ``feedback_delay`` when. ``intake_criteria``: whom it
    takes in; ``requirements``: which papers and registrations it asks for. None and empty mean "not known".
    """

    required: bool | None = None
    accepted: bool | None = None
    methods: tuple[Titles, ...] = ()
    response_days: Annotated[int, msgspec.Meta(ge=0, le=1_000)] | None = None
    response: Titles = {}
    next_steps: tuple[Titles, ...] = ()
    feedback: tuple[Titles, ...] = ()
    feedback_days: Annotated[int, msgspec.Meta(ge=0, le=1_000)] | None = None
    feedback_delay: Titles = {}
    intake_criteria: tuple[Titles, ...] = ()
    requirements: tuple[Titles, ...] = ()


class RequiredDocument(Value, frozen=True, kw_only=True):
    """A paper that people are asked to bring (HSDS required_document); ``url``: where a form of it is."""

    name: Titles
    url: str | None = None


class SourceTerm(Value, frozen=True, kw_only=True):
    """A taxonomy term of the source an entry was imported from, kept as it was (HSDS taxonomy_term)."""

    code: str
    name: str
    vocabulary: str


class Provenance(Value, frozen=True, kw_only=True):
    """Where an imported entry came from: the source's name, its id there, and the licence."""

    source: str
    foreign_id: str
    licence: str | None = None


class TextDates(Value, frozen=True, kw_only=True):
    """When the texts of an entry last changed, by field and language, and which translations are stale.

    ``stale``: older than the text they were translated from (``directory.translations``).
    """

    at: dict[str, dict[str, Annotated[datetime, msgspec.Meta(tz=True)]]] = {}
    stale: dict[str, tuple[str, ...]] = {}


class PartnerSummary(Value, frozen=True, kw_only=True):
    """The part of a partner that every one of its services shows."""

    id: UUID
    name: str
    kind: PartnerKind
    website: str | None = None


class MunicipalitySummary(Value, frozen=True, kw_only=True):
    """The municipality in whose directory an entry stands; ``ars`` is its official key.

    ``licence``: under which its own entries may be used on (SPDX identifier or address), if it has said.
    """

    id: UUID
    name: Titles
    ars: TerritoryKey
    licence: str | None = None


class TopicTerm(Value, frozen=True, kw_only=True):
    """A topic of the open vocabulary with its labels."""

    code: TopicCode
    labels: Titles


class LocationValue(Value, frozen=True, kw_only=True):
    """A place where a service is offered (HSDS location); coordinates in degrees WGS 84."""

    id: UUID
    name: str
    street: str | None = None
    postcode: str | None = None
    city: str | None = None
    ars: TerritoryKey | None = None
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    accessibility: Texts = {}
    hours: OpeningHours | None = None


Instant: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with its zone."""
