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

from directory.courses import application_is_over, begins, is_full, is_past
from directory.documents import ServiceDocument
from directory.eligibility import LEVELS, Profile, judge_rules, territory
from directory.values import Age, Capacity, CourseRun, LanguageTag, TerritoryKey
from directory.vocabulary import (
    Answer,
    CapacityState,
    CefrLevel,
    CourseAccess,
    EligibilityCriterion,
    Gender,
    LegalCircle,
    ResidenceStatus,
    Responsibility,
    ServiceKind,
    WorkPermission,
)


class Criterion(StrEnum):
    """What a service is judged by; one reason for each that concerns the service and the situation.

    From STATUS_DEADLINE on: what only ranks matches (``search.rating``), and decides no answer.
    """

    ELIGIBILITY = "ELIGIBILITY"
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
    STATUS_DEADLINE = "STATUS_DEADLINE"
    DISTANCE = "DISTANCE"
    FRESHNESS = "FRESHNESS"
    RESPONSE_TIME = "RESPONSE_TIME"
    ACCEPTANCE = "ACCEPTANCE"


class Situation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What about a person decides which services fit; what is not given is not known.

    A wish that is not given is not judged; what a service's rules or its responsibility ask for and nobody
    gave is asked. ``on``: the day that is judged (runs of courses, dated rules). ``residence``: ARS of the
    place of residence (Wohnort). ``level``: what the person has; ``wished_level``: what a course is to lead
    to. ``age`` in completed years. ``starts_from``: from when the person can. ``women_only``: the person
    wishes that. ``occupation``: ESCO URI. ``place_needed``: a free place is needed now.
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
    gender: Gender | None = None
    age: Age | None = None
    work_permission: WorkPermission | None = None
    women_only: bool = False
    legal_circle: LegalCircle | None = None
    occupation: str | None = None
    place_needed: bool = False

    @property
    def profile(self) -> Profile:
        """Return what rules are judged by."""
        return Profile(
            status=self.residence_status,
            work_permission=self.work_permission,
            age=self.age,
            level=self.level,
            residence=self.residence,
            legal_circles=() if self.legal_circle is None else (self.legal_circle,),
            gender=self.gender,
        )


class Reason(msgspec.Struct, frozen=True):
    """Why a service fits, does not fit or must be asked, by one criterion.

    ``code`` is stable and has a sentence at the edge; ``values`` fill it (ISO dates, codes, language tags).
    Of rules: ``criteria`` the answer rests on, what is ``missing`` for a definite one, and the rule's own
    ``texts`` and ``legal_basis``.
    """

    criterion: Criterion
    answer: Answer
    code: str
    values: Mapping[str, str] = {}
    criteria: tuple[EligibilityCriterion, ...] = ()
    missing: tuple[EligibilityCriterion, ...] = ()
    texts: Mapping[str, str] = {}
    legal_basis: str | None = None


class Judgement(msgspec.Struct, frozen=True):
    """The overall answer and the reasons it rests on."""

    answer: Answer
    reasons: tuple[Reason, ...]


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
        eligibility(service, situation),
        place_of_residence(service, situation),
        language(service, situation),
        level(service, situation),
        *course_run(service, situation),
        childcare(service, situation),
        women_only(service, situation),
        access(service, situation),
        occupation(service, situation, regulated),
        capacity(service, situation),
    )
    reasons = tuple(reason for reason in found if reason is not None)
    return Judgement(overall(reasons), reasons)


def eligibility(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge a person by the service's own rules; no rule, or not knowing which applies, means: ask."""
    person = situation.profile
    if not service.eligibility and person == Profile():
        return None
    judged = judge_rules(service.eligibility, person, situation.on)
    code = {
        Answer.FITS: "rules-fit",
        Answer.DOES_NOT_FIT: "rules-do-not-fit" if judged.criteria else "closed-to-all",
        Answer.ASK: "rules-ask" if judged.rules else "no-rule-applies",
    }[judged.answer]
    return Reason(
        Criterion.ELIGIBILITY,
        judged.answer,
        "rules-need-more" if judged.missing else code,
        criteria=judged.criteria,
        missing=judged.missing,
        texts=judged.reason,
        legal_basis=judged.legal_basis,
    )


def place_of_residence(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge the place of residence: where it decides, an area without it is a "no" however near.

    Where it decides and is not known, the partner is asked: never a "fits" by being near.
    """
    by_residence = service.responsibility is Responsibility.BY_RESIDENCE
    if situation.residence is None:
        if by_residence:
            values = {"area": " ".join(service.area)}
            return Reason(Criterion.PLACE_OF_RESIDENCE, Answer.ASK, "residence-unknown", values)
        return None
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


class JudgedRun(msgspec.Struct, frozen=True):
    """What a run of a course is worth for a situation: by its beginning, and by its end."""

    run: CourseRun
    start: Reason
    end: Reason | None

    @property
    def answer(self) -> Answer:
        """Return the answer of both."""
        return overall((self.start,) if self.end is None else (self.start, self.end))


def judge_run(run: CourseRun, situation: Situation) -> JudgedRun:
    """Judge when a run begins and whether it ends before the residence status does."""
    return JudgedRun(run, _run_start(run, situation), _run_end(run, situation))


def _run_start(run: CourseRun, situation: Situation) -> Reason:
    day = begins(run)
    values = {} if day is None else {"starts_on": day.isoformat()}
    if is_past(run, situation.on):
        return Reason(Criterion.COURSE_START, Answer.DOES_NOT_FIT, "already-begun", values)
    if situation.starts_from is not None and day is not None and day < situation.starts_from:
        return Reason(Criterion.COURSE_START, Answer.DOES_NOT_FIT, "starts-too-early", values)
    if application_is_over(run, situation.on) and run.apply_by is not None:
        over = {**values, "apply_by": run.apply_by.isoformat()}
        return Reason(Criterion.COURSE_START, Answer.DOES_NOT_FIT, "application-over", over)
    if is_full(run):
        return Reason(Criterion.COURSE_START, Answer.ASK, "run-full", values)
    if run.starts_on is None:
        return Reason(Criterion.COURSE_START, Answer.ASK, "start-unknown")
    return Reason(Criterion.COURSE_START, Answer.FITS, "starts-later", values)


def _run_end(run: CourseRun, situation: Situation) -> Reason | None:
    until = situation.status_valid_until
    if until is None:
        return None
    values = {"valid_until": until.isoformat()}
    if run.ends_on is None:
        return Reason(Criterion.COURSE_END, Answer.ASK, "end-unknown", values)
    values["ends_on"] = run.ends_on.isoformat()
    if run.ends_on > until:
        return Reason(Criterion.COURSE_END, Answer.DOES_NOT_FIT, "ends-after-status", values)
    return Reason(Criterion.COURSE_END, Answer.FITS, "ends-before-status", values)


_WORTH: Final = {Answer.FITS: 0, Answer.ASK: 1, Answer.DOES_NOT_FIT: 2}


def course_run(service: ServiceDocument, situation: Situation) -> tuple[Reason, ...]:
    """Judge a course by the run that suits best; a run that has begun does not fit.

    One run has to suit in all: the first that does is named. When none does, and the course is known to
    repeat, its next dates are to be asked for.
    """
    if service.course is None:
        return ()
    judged = [judge_run(run, situation) for run in service.course.runs]
    if not judged:
        judged = [judge_run(CourseRun(), situation)]
    elif service.course.repeats and all(one.answer is Answer.DOES_NOT_FIT for one in judged):
        return (Reason(Criterion.COURSE_START, Answer.ASK, "next-run-unknown"),)

    def suits(one: JudgedRun) -> tuple[int, bool, int]:
        day = (begins(one.run) or date.max).toordinal()
        past = is_past(one.run, situation.on)
        return _WORTH[one.answer], past, -day if past else day

    best = min(judged, key=suits)
    return (best.start,) if best.end is None else (best.start, best.end)


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
    """Judge courses for women only, and the wish for one; whoever is neither woman nor man asks."""
    course = service.course
    if course is None or (situation.gender is None and not situation.women_only and not course.women_only):
        return None
    if course.women_only is None:
        if situation.women_only:
            return Reason(Criterion.WOMEN_ONLY, Answer.ASK, "women-only-unknown")
        return None
    if course.women_only:
        if situation.gender is Gender.WOMAN or (situation.gender is None and situation.women_only):
            return Reason(Criterion.WOMEN_ONLY, Answer.FITS, "women-only")
        if situation.gender is Gender.MAN:
            return Reason(Criterion.WOMEN_ONLY, Answer.DOES_NOT_FIT, "women-only")
        return Reason(Criterion.WOMEN_ONLY, Answer.ASK, "women-only")
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
