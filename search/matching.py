"""Whether a service fits a person's situation, criterion by criterion, with the reason for each answer.

Pure: documents and plain values in, reasons out. Unknown is never "no": it asks the partner. A situation
holds no name and no contact; it is never logged or stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

from directory.courses import next_run
from directory.documents import ServiceDocument
from directory.values import Capacity, EligibilityRule, LanguageTag, TerritoryKey
from directory.vocabulary import (
    Answer,
    CapacityState,
    CefrLevel,
    CourseAccess,
    LegalCircle,
    ResidenceStatus,
    Responsibility,
    ServiceKind,
)


class Criterion(StrEnum):
    """What a service is judged by; one reason for each that the situation gives and the service knows."""

    RESIDENCE_STATUS = "RESIDENCE_STATUS"
    PLACE_OF_RESIDENCE = "PLACE_OF_RESIDENCE"
    LANGUAGE = "LANGUAGE"
    LEVEL = "LEVEL"
    COURSE_START = "COURSE_START"
    COURSE_END = "COURSE_END"
    CHILDCARE = "CHILDCARE"
    WOMEN_ONLY = "WOMEN_ONLY"
    ACCESS = "ACCESS"
    OCCUPATION = "OCCUPATION"
    CAPACITY = "CAPACITY"


class Situation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What about a person decides which services fit; what is not given is not judged.

    ``on``: the day that is judged (begun courses, dated rules). ``residence``: ARS of the place of residence
    (Wohnort). ``level``: what the person has; ``wished_level``: what a course is to lead to. ``starts_from``:
    from when the person can. ``woman``: None when not said. ``women_only``: the person wishes that.
    ``occupation``: ESCO URI. ``place_needed``: a free place is needed now.
    """

    on: date
    residence_status: ResidenceStatus | None = None
    status_valid_until: date | None = None
    residence: TerritoryKey | None = None
    languages: tuple[LanguageTag, ...] = ()
    level: CefrLevel | None = None
    wished_level: CefrLevel | None = None
    starts_from: date | None = None
    childcare: bool = False
    woman: bool | None = None
    women_only: bool = False
    legal_circle: LegalCircle | None = None
    occupation: str | None = None
    place_needed: bool = False


class Reason(msgspec.Struct, frozen=True):
    """Why a service fits, does not fit or must be asked, by one criterion.

    ``code`` is stable and has a sentence at the edge; ``values`` fill it (ISO dates, codes, language tags).
    """

    criterion: Criterion
    answer: Answer
    code: str
    values: Mapping[str, str] = {}


class Judgement(msgspec.Struct, frozen=True):
    """The overall answer and the reasons it rests on."""

    answer: Answer
    reasons: tuple[Reason, ...]


LEVELS: Final = {level: number for number, level in enumerate(CefrLevel)}
"""CEFR levels in order: A0 is 0."""


def overall(reasons: tuple[Reason, ...]) -> Answer:
    """Return DOES_NOT_FIT if one reason says so, else ASK if one says so, else FITS."""
    answers = {reason.answer for reason in reasons}
    for answer in (Answer.DOES_NOT_FIT, Answer.ASK):
        if answer in answers:
            return answer
    return Answer.FITS


def judge(service: ServiceDocument, situation: Situation, regulated: Mapping[str, bool]) -> Judgement:
    """Judge a service for a situation; ``regulated`` tells of occupations (ESCO URI) if law governs them.

    Criteria that do not concern the service (childcare at an office) give no reason.
    """
    found = (
        residence_status(service, situation),
        place_of_residence(service, situation),
        language(service, situation),
        level(service, situation),
        course_start(service, situation),
        course_end(service, situation),
        childcare(service, situation),
        women_only(service, situation),
        access(service, situation),
        occupation(service, situation, regulated),
        capacity(service, situation),
    )
    reasons = tuple(reason for reason in found if reason is not None)
    return Judgement(overall(reasons), reasons)


def deciding_rule(
    rules: tuple[EligibilityRule, ...], status: ResidenceStatus, on: date
) -> EligibilityRule | None:
    """Return the first rule for this status that applies on this day (both ends inclusive)."""
    for rule in rules:
        if (
            status in rule.statuses
            and (rule.valid_from is None or rule.valid_from <= on)
            and (rule.valid_to is None or on <= rule.valid_to)
        ):
            return rule
    return None


def residence_status(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge the residence status by the service's own dated rules; no rule means: ask."""
    status = situation.residence_status
    if status is None:
        return None
    rule = deciding_rule(service.eligibility, status, situation.on)
    if rule is None:
        return Reason(Criterion.RESIDENCE_STATUS, Answer.ASK, "no-rule-for-status", {"status": status.value})
    values = {"status": status.value}
    if rule.legal_basis:
        values["legal_basis"] = rule.legal_basis
    code = {
        Answer.FITS: "status-fits",
        Answer.DOES_NOT_FIT: "status-does-not-fit",
        Answer.ASK: "status-to-be-asked",
    }[rule.answer]
    return Reason(Criterion.RESIDENCE_STATUS, rule.answer, code, values)


def territory(key: str) -> str:
    """Return the shortest key for a territory: a district-free city's twelve digits mean its five.

    >>> territory("120520000000"), territory("120605003024")
    ('12052', '120605003024')
    """
    return key[:5] if len(key) == 12 and key.endswith("0000000") else key


def place_of_residence(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge the place of residence: where it decides, an area without it is a "no" however near."""
    if situation.residence is None:
        return None
    by_residence = service.responsibility is Responsibility.BY_RESIDENCE
    if not service.area:
        if by_residence:
            return Reason(Criterion.PLACE_OF_RESIDENCE, Answer.ASK, "area-unknown")
        return Reason(Criterion.PLACE_OF_RESIDENCE, Answer.FITS, "open-to-all-places")
    home = territory(situation.residence)
    areas = [territory(area) for area in service.area]
    values = {"area": " ".join(service.area)}
    if any(home.startswith(area) for area in areas):
        return Reason(Criterion.PLACE_OF_RESIDENCE, Answer.FITS, "area-covers-residence", values)
    if any(area.startswith(home) for area in areas):
        return Reason(Criterion.PLACE_OF_RESIDENCE, Answer.ASK, "area-covers-a-part", values)
    if by_residence:
        return Reason(Criterion.PLACE_OF_RESIDENCE, Answer.DOES_NOT_FIT, "not-responsible-there", values)
    return Reason(Criterion.PLACE_OF_RESIDENCE, Answer.ASK, "outside-usual-area", values)


def speaks(tag: str, wanted: str) -> bool:
    """Whether a language offered serves a person of that language: the same, or one without the region.

    >>> speaks("ar", "ar-SY"), speaks("ar-SY", "ar"), speaks("kmr", "ckb")
    (True, True, False)
    """
    return tag == wanted or tag.split("-")[0] == wanted or wanted.split("-")[0] == tag


def language(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge the languages: offered fits; through an interpreter, or not known, asks; never "no"."""
    if not situation.languages:
        return None
    interpreted = ""
    for wanted in situation.languages:
        for offered in service.languages:
            if speaks(offered.language, wanted):
                if not offered.interpreted:
                    return Reason(
                        Criterion.LANGUAGE, Answer.FITS, "language-offered", {"language": offered.language}
                    )
                interpreted = offered.language
        if service.interpreting is not None:
            for mediated in service.interpreting.languages:
                if speaks(mediated.language, wanted):
                    return Reason(
                        Criterion.LANGUAGE,
                        Answer.FITS,
                        "language-interpreted-here",
                        {"language": mediated.language},
                    )
    if interpreted:
        return Reason(
            Criterion.LANGUAGE, Answer.ASK, "language-through-interpreter", {"language": interpreted}
        )
    known = service.languages or (service.interpreting is not None and service.interpreting.languages)
    code = "language-not-offered" if known else "languages-unknown"
    return Reason(Criterion.LANGUAGE, Answer.ASK, code, {"languages": " ".join(situation.languages)})


def level(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge where a course begins and where it leads to against what the person has and wishes."""
    has, wished = situation.level, situation.wished_level
    course = service.course
    if has is None and wished is None:
        return None
    if course is None:
        if service.kind is ServiceKind.QUALIFICATION:
            return Reason(Criterion.LEVEL, Answer.ASK, "level-unknown")
        return None
    start, end = course.level_from, course.level_to
    values = {"from": start.value if start else "", "to": end.value if end else ""}
    if start is not None and (
        (has is not None and LEVELS[start] > LEVELS[has])
        or (wished is not None and LEVELS[start] > LEVELS[wished])
    ):
        return Reason(Criterion.LEVEL, Answer.DOES_NOT_FIT, "level-starts-above", values)
    if end is not None and (
        (has is not None and LEVELS[end] < LEVELS[has])
        or (wished is not None and LEVELS[end] < LEVELS[wished])
    ):
        return Reason(Criterion.LEVEL, Answer.DOES_NOT_FIT, "level-ends-below", values)
    if (start is None and has is not None) or end is None:
        return Reason(Criterion.LEVEL, Answer.ASK, "level-unknown", values)
    return Reason(Criterion.LEVEL, Answer.FITS, "level-fits", values)


def course_start(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge when a course starts: one that has begun, or begins before the person can, does not fit."""
    if service.course is None:
        return None
    run = next_run(service.course, situation.on)
    starts = run.starts_on if run is not None else None
    if starts is None:
        return Reason(Criterion.COURSE_START, Answer.ASK, "start-unknown")
    values = {"starts_on": starts.isoformat()}
    if starts < situation.on:
        return Reason(Criterion.COURSE_START, Answer.DOES_NOT_FIT, "already-begun", values)
    if situation.starts_from is not None and starts < situation.starts_from:
        return Reason(Criterion.COURSE_START, Answer.DOES_NOT_FIT, "starts-too-early", values)
    return Reason(Criterion.COURSE_START, Answer.FITS, "starts-later", values)


def course_end(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge whether a course ends before the residence status does."""
    until = situation.status_valid_until
    if service.course is None or until is None:
        return None
    run = next_run(service.course, situation.on)
    ends = run.ends_on if run is not None else None
    values = {"valid_until": until.isoformat()}
    if ends is None:
        return Reason(Criterion.COURSE_END, Answer.ASK, "end-unknown", values)
    values["ends_on"] = ends.isoformat()
    if ends > until:
        return Reason(Criterion.COURSE_END, Answer.DOES_NOT_FIT, "ends-after-status", values)
    return Reason(Criterion.COURSE_END, Answer.FITS, "ends-before-status", values)


def childcare(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge childcare where it is needed and the service is a course."""
    if not situation.childcare or service.course is None:
        return None
    if service.course.childcare is None:
        return Reason(Criterion.CHILDCARE, Answer.ASK, "childcare-unknown")
    if service.course.childcare:
        return Reason(Criterion.CHILDCARE, Answer.FITS, "childcare-offered")
    return Reason(Criterion.CHILDCARE, Answer.DOES_NOT_FIT, "no-childcare")


def women_only(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge courses for women only, and the wish for one."""
    course = service.course
    if course is None or (situation.woman is None and not situation.women_only and not course.women_only):
        return None
    if course.women_only is None:
        if situation.women_only:
            return Reason(Criterion.WOMEN_ONLY, Answer.ASK, "women-only-unknown")
        return None
    if course.women_only:
        if situation.woman or (situation.woman is None and situation.women_only):
            return Reason(Criterion.WOMEN_ONLY, Answer.FITS, "women-only")
        if situation.woman is None:
            return Reason(Criterion.WOMEN_ONLY, Answer.ASK, "women-only")
        return Reason(Criterion.WOMEN_ONLY, Answer.DOES_NOT_FIT, "women-only")
    if situation.women_only:
        return Reason(Criterion.WOMEN_ONLY, Answer.DOES_NOT_FIT, "not-women-only")
    return Reason(Criterion.WOMEN_ONLY, Answer.FITS, "open-to-all-genders")


_PAYS: Final = {
    LegalCircle.SGB_II: CourseAccess.JOBCENTER_OR_AGENCY,
    LegalCircle.SGB_III: CourseAccess.JOBCENTER_OR_AGENCY,
}


def access(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge the way into a course by the legal circle (Rechtskreis); never "no", others may admit too."""
    if situation.legal_circle is None or service.course is None:
        return None
    ways = service.course.access
    values = {"access": " ".join(ways)}
    if not ways:
        return Reason(Criterion.ACCESS, Answer.ASK, "access-unknown")
    if CourseAccess.DIRECT in ways:
        return Reason(Criterion.ACCESS, Answer.FITS, "access-direct", values)
    if _PAYS.get(situation.legal_circle) in ways:
        return Reason(Criterion.ACCESS, Answer.FITS, "access-through-legal-circle", values)
    return Reason(Criterion.ACCESS, Answer.ASK, "access-needs-admission", values)


def occupation(
    service: ServiceDocument, situation: Situation, regulated: Mapping[str, bool]
) -> Reason | None:
    """Judge whether a recognition service is competent for the occupation (BQFG, professional laws)."""
    wanted = situation.occupation
    if wanted is None:
        return None
    facts = service.recognition
    if facts is None:
        if service.kind is ServiceKind.QUALIFICATION_RECOGNITION:
            return Reason(Criterion.OCCUPATION, Answer.ASK, "occupations-unknown")
        return None
    if not facts.occupations:
        return Reason(Criterion.OCCUPATION, Answer.FITS, "all-occupations")
    if wanted in facts.occupations:
        return Reason(Criterion.OCCUPATION, Answer.FITS, "competent-for-occupation")
    code = "regulated-occupation-other-body" if regulated.get(wanted) else "other-competent-body"
    return Reason(Criterion.OCCUPATION, Answer.DOES_NOT_FIT, code)


def capacity_on(capacity: Capacity, on: date) -> CapacityState:
    """Return what is known of the capacity on a day: after ``expires_on`` nothing is."""
    if capacity.expires_on is not None and capacity.expires_on < on:
        return CapacityState.UNKNOWN
    return capacity.state


def capacity(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge whether there is a place, where one is needed now; a waiting list asks."""
    if not situation.place_needed:
        return None
    state = capacity_on(service.capacity, situation.on)
    weeks = service.capacity.waiting_weeks
    if state in {CapacityState.OPEN, CapacityState.FEW}:
        return Reason(Criterion.CAPACITY, Answer.FITS, "places-open", {"state": state.value})
    if state is CapacityState.UNKNOWN:
        return Reason(Criterion.CAPACITY, Answer.ASK, "capacity-unknown")
    if weeks is not None:
        return Reason(Criterion.CAPACITY, Answer.ASK, "waiting-list", {"weeks": str(weeks)})
    return Reason(Criterion.CAPACITY, Answer.DOES_NOT_FIT, "no-places")
