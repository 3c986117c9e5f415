"""Checks of values where they come in: bounded texts, languages, keys, dates. Pure, no database.

Every refusal is an InvalidInput whose ``field`` is the path in the input, in camelCase, with the language
or the position of an element behind a dot (``title.de``, ``contactPoints.1.value``).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from directory.contacts import contact_point
from directory.contacts import url as web_address
from directory.eligibility import is_municipality_key
from directory.freshness import CAPACITY_EXPIRES_AFTER
from directory.organisations import names_a_person
from directory.problems import InvalidInput
from directory.values import (
    Capacity,
    ContactPoint,
    CourseFacts,
    CourseRun,
    EligibilityRule,
    InterpretingFacts,
    LanguageOffered,
    OpeningHours,
    RecognitionFacts,
    ReferralFacts,
    RequiredDocument,
    Titles,
)
from directory.vocabulary import CapacityState, CefrLevel, WorkPermission

SHORT: Final = 300
LONG: Final = 20_000
MOST_LANGUAGES: Final = 60
MOST_ELEMENTS: Final = 100
MOST_RUNS: Final = 60
"""How many elements any list of an entry has at most."""

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
_TERRITORY: Final = re.compile(r"[0-9]{2,12}")
_TOPIC: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ESCO: Final = re.compile(r"http://data\.europa\.eu/esco/[!-~]+")
_WALL_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_LEVELS: Final = tuple(CefrLevel)
_UNSEEN: Final = "\x7f-\x9f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ufffe\uffff\ud800-\udfff"
# PostgreSQL stores no NUL, UTF-8 no lone surrogates, XML no noncharacters. Other control characters are
# accidents of copying. Whoever turns the direction of a text by embedding, override or isolate makes a name
# look like another one, or turns what stands around it (Unicode Standard Annex #9, Technical Report #36);
# marks (LRM, RLM, ALM) and joiners are needed to write Arabic and Persian, and stay.
_CONTROL: Final = re.compile(f"[\x00-\x1f{_UNSEEN}]")
_CONTROL_BESIDES_LINES: Final = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f{_UNSEEN}]")

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)


def unseen(text: str, *, lines: bool) -> bool:
    r"""Whether a text holds a control character, or one that turns its direction; ``lines``: breaks may be.

    >>> unseen("Amt\u202etmA", lines=True), unseen("a\nb", lines=True), unseen("a\nb", lines=False)
    (True, False, True)
    """
    return (_CONTROL_BESIDES_LINES if lines else _CONTROL).search(text) is not None


def short_text(given: str, field: str, *, maximum: int = SHORT) -> str:
    """Return a text of one line without blanks around it, 1 to ``maximum`` characters."""
    text = given.strip()
    if not text:
        raise InvalidInput(field, "empty")
    if len(text) > maximum:
        raise InvalidInput(field, "too-long", maximum=str(maximum))
    if unseen(text, lines=False):
        raise InvalidInput(field, "control-character")
    return text


def long_text(given: str, field: str, *, maximum: int = LONG) -> str:
    """Return a text of several lines without blanks around it, 1 to ``maximum`` characters."""
    text = given.strip()
    if not text:
        raise InvalidInput(field, "empty")
    if len(text) > maximum:
        raise InvalidInput(field, "too-long", maximum=str(maximum))
    if unseen(text, lines=True):
        raise InvalidInput(field, "control-character")
    return text


def optional_text(given: str | None, field: str, *, maximum: int = SHORT) -> str | None:
    """Return a short text, or None for none or an empty one."""
    return None if given is None or not given.strip() else short_text(given, field, maximum=maximum)


def optional_note(given: str | None, field: str) -> str | None:
    """Return a long text, or None for none or an empty one."""
    return None if given is None or not given.strip() else long_text(given, field)


def language(given: str, field: str) -> str:
    """Return a BCP 47 tag (language, script, region) in its usual spelling; reason "language".

    >>> language("DE-de", "language")
    'de-DE'
    """
    spelled = []
    for position, part in enumerate(given.strip().replace("_", "-").split("-")):
        if position == 0:
            spelled.append(part.lower())
        elif len(part) == 4:
            spelled.append(part.title())
        else:
            spelled.append(part.upper())
    tag = "-".join(spelled)
    if not _LANGUAGE.fullmatch(tag):
        raise InvalidInput(field, "language")
    return tag


def elements(given: Sequence[T], field: str, *, maximum: int = MOST_ELEMENTS) -> Iterable[tuple[str, T]]:
    """Return each element with its path; raises InvalidInput when there are more than ``maximum``."""
    if len(given) > maximum:
        raise InvalidInput(field, "too-many", maximum=str(maximum))
    return [(f"{field}.{position}", element) for position, element in enumerate(given)]


def different(given: Sequence[H], field: str) -> tuple[H, ...]:
    """Return the elements; raises InvalidInput(reason "duplicate") at the second of two equal ones."""
    seen: set[H] = set()
    for position, element in enumerate(given):
        if element in seen:
            raise InvalidInput(f"{field}.{position}", "duplicate")
        seen.add(element)
    return tuple(given)


def _by_language(given: Mapping[str, str], field: str) -> list[tuple[str, str, str]]:
    if len(given) > MOST_LANGUAGES:
        raise InvalidInput(field, "too-many", maximum=str(MOST_LANGUAGES))
    tags = [(language(tag, f"{field}.{tag[:20]}"), tag, text) for tag, text in given.items()]
    if len({tag for tag, _, _ in tags}) < len(tags):
        raise InvalidInput(field, "duplicate")
    return tags


def titles(given: Mapping[str, str], field: str, *, needed: bool = False) -> dict[str, str]:
    """Return a short text in several languages; ``needed``: at least one (reason "required")."""
    if needed and not given:
        raise InvalidInput(field, "required")
    return {tag: short_text(text, f"{field}.{tag}") for tag, _, text in _by_language(given, field)}


def texts(given: Mapping[str, str], field: str) -> dict[str, str]:
    """Return a longer text in several languages."""
    return {tag: long_text(text, f"{field}.{tag}") for tag, _, text in _by_language(given, field)}


def territory(given: str, field: str) -> str:
    """Return an official regional key (ARS) or a prefix of one: 2 to 12 digits.

    Reasons "territory", and "municipality-key" for the eight digits of a municipality (AGS): a regional key
    has four more between district and municipality, so they would match nobody (Destatis).
    """
    text = given.replace(" ", "")
    if not (text.isascii() and _TERRITORY.fullmatch(text)):
        raise InvalidInput(field, "territory")
    if is_municipality_key(text):
        raise InvalidInput(field, "municipality-key")
    return text


def organisation_name(given: str, field: str) -> str:
    """Return the name of an organisation; reason "private-person" where it is a person's.

    Private persons are never listed: volunteers appear through their organisation.
    """
    name = short_text(given, field)
    if names_a_person(name):
        raise InvalidInput(field, "private-person")
    return name


def topic_code(given: str, field: str) -> str:
    """Return the code of a topic; reason "unknown-value" because no topic has another form."""
    if len(given) > 60 or not _TOPIC.fullmatch(given):
        raise InvalidInput(field, "unknown-value")
    return given


def territories(given: Sequence[str], field: str) -> tuple[str, ...]:
    """Return official regional keys (ARS) or prefixes of some, none twice."""
    return different([territory(key, path) for path, key in elements(given, field)], field)


def languages_offered(given: Sequence[LanguageOffered], field: str) -> tuple[LanguageOffered, ...]:
    """Return the languages offered, their tags in the usual spelling, none twice."""
    return different(
        [
            LanguageOffered(
                language=language(one.language, f"{path}.language"),
                variety=optional_text(one.variety, f"{path}.variety", maximum=100),
                interpreted=one.interpreted,
            )
            for path, one in elements(given, field)
        ],
        field,
    )


def contact_points(given: Sequence[ContactPoint], field: str) -> tuple[ContactPoint, ...]:
    """Return the contact points, numbers as E.164, addresses checked."""
    checked = []
    for path, one in elements(given, field, maximum=30):
        normal = contact_point(one, path)
        checked.append(
            ContactPoint(
                kind=normal.kind,
                value=normal.value,
                extension=normal.extension,
                label=titles(one.label, f"{path}.label"),
                languages=different(
                    [language(tag, at) for at, tag in elements(one.languages, f"{path}.languages")],
                    f"{path}.languages",
                ),
            )
        )
    return tuple(checked)


def _in_order(first: date | None, last: date | None, field: str) -> None:
    if first is not None and last is not None and last < first:
        raise InvalidInput(field, "dates-order")


def _levels_in_order(first: CefrLevel | None, last: CefrLevel | None, field: str) -> None:
    if first is not None and last is not None and _LEVELS.index(first) > _LEVELS.index(last):
        raise InvalidInput(field, "levels-order")


def eligibility(given: Sequence[EligibilityRule], field: str) -> tuple[EligibilityRule, ...]:
    """Return the rules; none ends before it begins. Reasons: "dates-order", "ages-order", "levels-order"."""
    checked = []
    for path, rule in elements(given, field):
        if WorkPermission.ASK in rule.work_permission:  # what is not known of a person is no criterion
            raise InvalidInput(f"{path}.workPermission", "unknown-value")
        age_from = _number(rule.age_from, f"{path}.ageFrom", 0, 120)
        age_to = _number(rule.age_to, f"{path}.ageTo", 0, 120)
        if age_from is not None and age_to is not None and age_to < age_from:
            raise InvalidInput(f"{path}.ageTo", "ages-order")
        _levels_in_order(rule.level_from, rule.level_to, f"{path}.levelTo")
        _in_order(rule.valid_from, rule.valid_to, f"{path}.validTo")
        checked.append(
            EligibilityRule(
                statuses=different(rule.statuses, f"{path}.statuses"),
                work_permission=different(rule.work_permission, f"{path}.workPermission"),
                age_from=age_from,
                age_to=age_to,
                level_from=rule.level_from,
                level_to=rule.level_to,
                residence=territories(rule.residence, f"{path}.residence"),
                legal_circles=different(rule.legal_circles, f"{path}.legalCircles"),
                genders=different(rule.genders, f"{path}.genders"),
                answer=rule.answer,
                reason=texts(rule.reason, f"{path}.reason"),
                legal_basis=optional_text(rule.legal_basis, f"{path}.legalBasis"),
                valid_from=rule.valid_from,
                valid_to=rule.valid_to,
            )
        )
    return tuple(checked)


def _number(given: int | None, field: str, minimum: int, maximum: int) -> int | None:
    if given is not None and given < minimum:
        raise InvalidInput(field, "too-small", minimum=str(minimum))
    if given is not None and given > maximum:
        raise InvalidInput(field, "too-large", maximum=str(maximum))
    return given


def capacity(given: Capacity, field: str, today: date) -> Capacity:
    """Return what a partner says of its capacity today; the number of places and the state must agree.

    ``as_of`` is today unless said; what is said without an end counts for ``CAPACITY_EXPIRES_AFTER``.
    Reasons: "places-contradict-state", "dates-order", bounds.
    """
    places = _number(given.places, f"{field}.places", 0, 100_000)
    if places is not None and (places == 0) != (given.state is CapacityState.NONE):
        raise InvalidInput(f"{field}.state", "places-contradict-state")
    as_of = given.as_of or today
    _in_order(as_of, given.expires_on, f"{field}.expiresOn")
    known = given.state is not CapacityState.UNKNOWN
    last = as_of + CAPACITY_EXPIRES_AFTER - timedelta(days=1) if known else None
    return Capacity(
        state=given.state,
        places=places,
        waiting_weeks=_number(given.waiting_weeks, f"{field}.waitingWeeks", 0, 520),
        as_of=as_of,
        expires_on=given.expires_on or last,
    )


def course_runs(given: Sequence[CourseRun], field: str) -> tuple[CourseRun, ...]:
    """Return the runs of a course in the order in which they begin, none twice.

    A run of one day ends when it starts; the last day to apply is not after its end. Reasons: "dates-order",
    "places-contradict-state", "duplicate".
    """
    checked = []
    for path, run in elements(given, field, maximum=MOST_RUNS):
        _in_order(run.starts_on, run.ends_on, f"{path}.endsOn")
        _in_order(run.apply_by, run.ends_on, f"{path}.applyBy")
        places = _number(run.places, f"{path}.places", 0, 100_000)
        if run.full and places:
            raise InvalidInput(f"{path}.full", "places-contradict-state")
        checked.append(
            CourseRun(
                starts_on=run.starts_on,
                ends_on=run.ends_on,
                apply_by=run.apply_by,
                places=places,
                full=run.full or places == 0,
                note=texts(run.note, f"{path}.note"),
            )
        )
    checked.sort(key=lambda run: (run.starts_on or date.max, run.ends_on or date.max))
    for path, run in elements(checked, field, maximum=MOST_RUNS):
        if checked.count(run) > 1:
            raise InvalidInput(path, "duplicate")
    return tuple(checked)


def course(given: CourseFacts, field: str) -> CourseFacts:
    """Return the facts of a course; level and dates in order (reasons "levels-order", "dates-order")."""
    _levels_in_order(given.level_from, given.level_to, f"{field}.levelTo")
    return CourseFacts(
        level_from=given.level_from,
        level_to=given.level_to,
        runs=course_runs(given.runs, f"{field}.runs"),
        repeats=given.repeats,
        lessons=_number(given.lessons, f"{field}.lessons", 1, 10_000),
        format=given.format,
        childcare=given.childcare,
        women_only=given.women_only,
        exam=optional_text(given.exam, f"{field}.exam"),
        cost_cents=_number(given.cost_cents, f"{field}.costCents", 0, 2**31 - 1),
        access=different(given.access, f"{field}.access"),
    )


def recognition(given: RecognitionFacts, field: str) -> RecognitionFacts:
    """Return the facts of a recognition service; whether the occupations are known is the caller's check."""
    for path, esco in elements(given.occupations, f"{field}.occupations", maximum=1_000):
        if len(esco) > 200 or not _ESCO.fullmatch(esco):
            raise InvalidInput(path, "unknown-value")
    return RecognitionFacts(
        occupations=different(given.occupations, f"{field}.occupations"),
        regulated=given.regulated,
        competent_body=titles(given.competent_body, f"{field}.competentBody"),
    )


def required_documents(given: Sequence[RequiredDocument], field: str) -> tuple[RequiredDocument, ...]:
    """Return the papers that people are asked to bring."""
    return tuple(
        RequiredDocument(
            name=titles(one.name, f"{path}.name", needed=True),
            url=None if one.url is None else web_address(one.url, f"{path}.url"),
        )
        for path, one in elements(given, field, maximum=30)
    )


def referral_facts(given: ReferralFacts, field: str) -> ReferralFacts:
    """Return how a service wants people to be sent to it, in its own words."""

    def said(texts: Sequence[Titles], name: str) -> tuple[Titles, ...]:
        said_one_by_one = elements(texts, f"{field}.{name}", maximum=30)
        return tuple(titles(one, path, needed=True) for path, one in said_one_by_one)

    return ReferralFacts(
        required=given.required,
        accepted=given.accepted,
        methods=said(given.methods, "methods"),
        response_days=_number(given.response_days, f"{field}.responseDays", 0, 1_000),
        response=titles(given.response, f"{field}.response"),
        next_steps=said(given.next_steps, "nextSteps"),
        feedback=said(given.feedback, "feedback"),
        feedback_days=_number(given.feedback_days, f"{field}.feedbackDays", 0, 1_000),
        feedback_delay=titles(given.feedback_delay, f"{field}.feedbackDelay"),
        intake_criteria=said(given.intake_criteria, "intakeCriteria"),
        requirements=said(given.requirements, "requirements"),
    )


def interpreting(given: InterpretingFacts, field: str) -> InterpretingFacts:
    """Return the facts of an interpreting service; at least one language (reason "required")."""
    if not given.languages:
        raise InvalidInput(f"{field}.languages", "required")
    offered = languages_offered(
        [LanguageOffered(language=one.language, variety=one.variety) for one in given.languages],
        f"{field}.languages",
    )
    return InterpretingFacts(
        languages=tuple(
            type(one)(language=checked.language, variety=checked.variety)
            for one, checked in zip(given.languages, offered, strict=True)
        ),
        modes=different(given.modes, f"{field}.modes"),
        lead_time_hours=_number(given.lead_time_hours, f"{field}.leadTimeHours", 0, 2_000),
    )


def opening_hours(given: OpeningHours, field: str) -> OpeningHours:
    """Return opening hours given as periods (the OSM text is read by ``directory.hours``).

    Reasons: "times-order", "overlap", "time", "timezone".
    """
    last: dict[int, str] = {}
    periods = sorted(given.periods, key=lambda p: (p.weekday, p.opens))
    for path, period in elements(periods, f"{field}.periods", maximum=200):
        _number(period.weekday, f"{path}.weekday", 1, 7)
        for name, time in (("opens", period.opens), ("closes", period.closes)):
            if not _WALL_TIME.fullmatch(time):
                raise InvalidInput(f"{path}.{name}", "time")
        if period.closes <= period.opens:
            raise InvalidInput(f"{path}.closes", "times-order")
        if period.opens < last.get(period.weekday, "00:00"):
            raise InvalidInput(f"{path}.opens", "overlap")
        last[period.weekday] = period.closes
    try:
        ZoneInfo(given.timezone)
    except (KeyError, ValueError, OSError):  # unknown; a path; the name of a folder
        raise InvalidInput(f"{field}.timezone", "timezone") from None
    return OpeningHours(
        osm=given.osm,
        periods=tuple(periods),
        by_appointment=given.by_appointment,
        closed_on_holidays=given.closed_on_holidays,
        timezone=given.timezone,
    )


def coordinate(given: float | None, field: str, bound: float) -> float | None:
    """Return degrees between ``-bound`` and ``bound``."""
    if given is None:
        return None
    if not -bound <= given <= bound:  # false for NaN too
        raise InvalidInput(field, "too-large" if given > bound else "too-small", **_bounds(bound))
    return given


def _bounds(bound: float) -> dict[str, str]:
    return {"minimum": str(-bound), "maximum": str(bound)}
