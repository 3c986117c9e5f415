"""What fits a person's situation: each criterion as a table, and what must hold for all of them."""

from __future__ import annotations

import tempfile
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from directory.documents import ServiceDocument
from directory.values import (
    Capacity,
    CourseFacts,
    CourseRun,
    EligibilityRule,
    InterpretedLanguage,
    InterpretingFacts,
    LanguageOffered,
    RecognitionFacts,
)
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
from search.days import LAST_DAY, day_number
from search.local import LocalEngine
from search.matching import Criterion, Situation, capacity_on, judge, overall
from tests.search.samples import TODAY, fill, find, ids, service

FITS, NOT, ASK = Answer.FITS, Answer.DOES_NOT_FIT, Answer.ASK
S104C, S60A = ResidenceStatus.SECTION_104C, ResidenceStatus.SECTION_60A
DAY = timedelta(days=1)
NURSE = "http://data.europa.eu/esco/occupation/nurse"
BAKER = "http://data.europa.eu/esco/occupation/baker"
RUN_FIELDS = ("starts_on", "ends_on", "apply_by", "places", "full")
REGULATED = {NURSE: True, BAKER: False}


def rule(answer: Answer, *statuses: ResidenceStatus, **more: Any) -> EligibilityRule:
    """Return a rule for these statuses, § 104c if none is given."""
    return EligibilityRule(statuses=statuses or (S104C,), answer=answer, **more)


def reason(
    fields: dict[str, Any], situation: dict[str, Any], criterion: Criterion
) -> tuple[Answer, str] | None:
    """Return the answer and code for one criterion, or None where it does not concern the service."""
    judged = judge(service(**fields), Situation(on=TODAY, **situation), REGULATED)
    found = [one for one in judged.reasons if one.criterion is criterion]
    assert len(found) <= 1
    return (found[0].answer, found[0].code) if found else None


WOMEN = EligibilityRule(genders=(Gender.WOMAN,), answer=FITS)


@pytest.mark.parametrize(
    ("rules", "situation", "expected"),
    [
        ((), {"residence_status": S104C}, (ASK, "no-rule-applies")),
        ((), {"age": 20}, (ASK, "no-rule-applies")),
        ((), {}, None),
        ((rule(FITS, S60A),), {"residence_status": S104C}, (ASK, "no-rule-applies")),
        ((rule(FITS),), {"residence_status": S104C}, (FITS, "rules-fit")),
        ((rule(FITS),), {}, (ASK, "rules-need-more")),
        ((rule(NOT),), {"residence_status": S104C}, (NOT, "rules-do-not-fit")),
        ((rule(ASK), rule(NOT)), {"residence_status": S104C}, (ASK, "rules-ask")),
        ((rule(NOT), rule(FITS)), {"residence_status": S104C}, (NOT, "rules-do-not-fit")),
        (
            (rule(NOT, valid_to=TODAY - DAY), rule(FITS)),
            {"residence_status": S104C},
            (FITS, "rules-fit"),
        ),
        ((rule(FITS, valid_to=TODAY - DAY),), {"residence_status": S104C}, (ASK, "no-rule-applies")),
        ((WOMEN, EligibilityRule(answer=NOT)), {"gender": Gender.MAN}, (NOT, "rules-do-not-fit")),
        ((EligibilityRule(answer=NOT),), {"gender": Gender.MAN}, (NOT, "closed-to-all")),
        ((EligibilityRule(answer=NOT),), {}, (NOT, "closed-to-all")),
        ((WOMEN, EligibilityRule(answer=NOT)), {"residence_status": S60A}, (ASK, "rules-need-more")),
        (
            (EligibilityRule(legal_circles=(LegalCircle.ASYLBLG,), answer=FITS), EligibilityRule(answer=NOT)),
            {"legal_circle": LegalCircle.SGB_II},
            (NOT, "rules-do-not-fit"),
        ),
    ],
)
def test_eligibility(
    rules: tuple[EligibilityRule, ...], situation: dict[str, Any], expected: tuple[Answer, str] | None
) -> None:
    """The service's own rules decide; where none does, or it is not known which, ask."""
    assert reason({"eligibility": rules}, situation, Criterion.ELIGIBILITY) == expected


def test_a_reason_says_what_it_rests_on() -> None:
    """The rule's own reason, the law, and what is missing come along."""
    asked = EligibilityRule(
        statuses=(S60A,), answer=NOT, reason={"de": "Erst ab Erlaubnis"}, legal_basis="§ 44 AufenthG"
    )
    no = judge(service(eligibility=(asked,)), Situation(on=TODAY, residence_status=S60A), {}).reasons[0]
    unknown = judge(service(eligibility=(asked,)), Situation(on=TODAY, age=30), {}).reasons[0]

    assert (no.texts, no.legal_basis, no.criteria) == (
        {"de": "Erst ab Erlaubnis"},
        "§ 44 AufenthG",
        (EligibilityCriterion.RESIDENCE_STATUS,),
    )
    assert unknown.missing == (EligibilityCriterion.RESIDENCE_STATUS,)


@pytest.mark.parametrize(
    ("responsibility", "area", "residence", "expected"),
    [
        ("BY_RESIDENCE", ("12052",), "120520000000", (FITS, "area-covers-residence")),
        ("BY_RESIDENCE", ("120520000000",), "12052", (FITS, "area-covers-residence")),
        ("BY_RESIDENCE", ("12",), "120605003024", (FITS, "area-covers-residence")),
        ("BY_RESIDENCE", ("12052",), "120605003024", (NOT, "not-responsible-there")),
        ("BY_RESIDENCE", ("12060", "12052"), "12052", (FITS, "area-covers-residence")),
        ("BY_RESIDENCE", ("120605003024",), "12060", (ASK, "area-covers-a-part")),
        ("BY_RESIDENCE", (), "12052", (ASK, "area-unknown")),
        ("FREE", (), "12052", (FITS, "open-to-all-places")),
        ("FREE", ("12060",), "12052", (ASK, "outside-usual-area")),
        ("BY_RESIDENCE", ("12052",), None, (ASK, "residence-unknown")),
        ("BY_RESIDENCE", (), None, (ASK, "residence-unknown")),
        ("FREE", ("12052",), None, None),
    ],
)
def test_place_of_residence(
    responsibility: str, area: tuple[str, ...], residence: str | None, expected: tuple[Answer, str] | None
) -> None:
    """Where residence decides, an area that does not cover it is a no; elsewhere it is a question."""
    fields = {"responsibility": Responsibility(responsibility), "area": area}

    assert reason(fields, {"residence": residence}, Criterion.PLACE_OF_RESIDENCE) == expected


@pytest.mark.parametrize(
    ("fields", "languages", "expected"),
    [
        ({"languages": (LanguageOffered(language="ti"),)}, ("ti",), (FITS, "language-offered")),
        ({"languages": (LanguageOffered(language="ar"),)}, ("ar-SY",), (FITS, "language-offered")),
        (
            {"languages": (LanguageOffered(language="ti", interpreted=True),)},
            ("ti",),
            (ASK, "language-through-interpreter"),
        ),
        (
            {"languages": (LanguageOffered(language="ti", interpreted=True), LanguageOffered(language="en"))},
            ("ti", "en"),
            (FITS, "language-offered"),
        ),
        ({"languages": (LanguageOffered(language="de"),)}, ("ti",), (ASK, "language-not-offered")),
        ({}, ("ti",), (ASK, "languages-unknown")),
        (
            {"interpreting": InterpretingFacts(languages=(InterpretedLanguage(language="ti"),))},
            ("ti",),
            (FITS, "language-interpreted-here"),
        ),
        ({}, (), None),
    ],
)
def test_language(
    fields: dict[str, Any], languages: tuple[str, ...], expected: tuple[Answer, str] | None
) -> None:
    """A language never excludes: interpreters exist."""
    assert reason(fields, {"languages": languages}, Criterion.LANGUAGE) == expected


@pytest.mark.parametrize(
    ("course", "situation", "criterion", "expected"),
    [
        ({"starts_on": TODAY - DAY}, {}, "COURSE_START", (NOT, "already-begun")),
        ({"ends_on": TODAY - DAY}, {}, "COURSE_START", (NOT, "already-begun")),
        ({"starts_on": TODAY, "apply_by": TODAY}, {}, "COURSE_START", (FITS, "starts-later")),
        ({"starts_on": TODAY, "apply_by": TODAY - DAY}, {}, "COURSE_START", (NOT, "application-over")),
        ({"starts_on": TODAY, "full": True}, {}, "COURSE_START", (ASK, "run-full")),
        ({"starts_on": TODAY, "places": 0}, {}, "COURSE_START", (ASK, "run-full")),
        ({"starts_on": TODAY}, {}, "COURSE_START", (FITS, "starts-later")),
        ({}, {}, "COURSE_START", (ASK, "start-unknown")),
        (
            {"starts_on": TODAY + DAY},
            {"starts_from": TODAY + 2 * DAY},
            "COURSE_START",
            (NOT, "starts-too-early"),
        ),
        ({"ends_on": TODAY}, {"status_valid_until": TODAY}, "COURSE_END", (FITS, "ends-before-status")),
        ({"ends_on": TODAY + DAY}, {"status_valid_until": TODAY}, "COURSE_END", (NOT, "ends-after-status")),
        ({}, {"status_valid_until": TODAY}, "COURSE_END", (ASK, "end-unknown")),
        ({"ends_on": TODAY}, {}, "COURSE_END", None),
        ({"childcare": True}, {"childcare": True}, "CHILDCARE", (FITS, "childcare-offered")),
        ({"childcare": False}, {"childcare": True}, "CHILDCARE", (NOT, "no-childcare")),
        ({}, {"childcare": True}, "CHILDCARE", (ASK, "childcare-unknown")),
        ({"childcare": False}, {}, "CHILDCARE", None),
        ({"women_only": True}, {"gender": Gender.WOMAN}, "WOMEN_ONLY", (FITS, "women-only")),
        ({"women_only": True}, {"gender": Gender.MAN}, "WOMEN_ONLY", (NOT, "women-only")),
        ({"women_only": True}, {"gender": Gender.DIVERSE}, "WOMEN_ONLY", (ASK, "women-only")),
        ({"women_only": True}, {}, "WOMEN_ONLY", (ASK, "women-only")),
        ({"women_only": True}, {"women_only": True}, "WOMEN_ONLY", (FITS, "women-only")),
        ({"women_only": False}, {"women_only": True}, "WOMEN_ONLY", (NOT, "not-women-only")),
        ({"women_only": False}, {"gender": Gender.MAN}, "WOMEN_ONLY", (FITS, "open-to-all-genders")),
        ({}, {"women_only": True}, "WOMEN_ONLY", (ASK, "women-only-unknown")),
        ({}, {"gender": Gender.WOMAN}, "WOMEN_ONLY", None),
        ({"level_to": "B1"}, {"wished_level": "B1"}, "LEVEL", (FITS, "level-fits")),
        ({"level_to": "A2"}, {"wished_level": "B1"}, "LEVEL", (NOT, "level-ends-below")),
        (
            {"level_from": "B2", "level_to": "C1"},
            {"wished_level": "B1"},
            "LEVEL",
            (NOT, "level-starts-above"),
        ),
        ({"level_from": "A2", "level_to": "B1"}, {"level": "A2"}, "LEVEL", (FITS, "level-fits")),
        ({"level_from": "B1", "level_to": "B2"}, {"level": "A2"}, "LEVEL", (NOT, "level-starts-above")),
        ({"level_from": "A1", "level_to": "A2"}, {"level": "B1"}, "LEVEL", (NOT, "level-ends-below")),
        ({"level_to": "B1"}, {"level": "A2"}, "LEVEL", (ASK, "level-unknown")),
        ({}, {"wished_level": "B1"}, "LEVEL", (ASK, "level-unknown")),
        ({"access": (CourseAccess.DIRECT,)}, {"legal_circle": "ASYLBLG"}, "ACCESS", (FITS, "access-direct")),
        (
            {"access": (CourseAccess.JOBCENTER_OR_AGENCY,)},
            {"legal_circle": "SGB_II"},
            "ACCESS",
            (FITS, "access-through-legal-circle"),
        ),
        (
            {"access": (CourseAccess.JOBCENTER_OR_AGENCY,)},
            {"legal_circle": "ASYLBLG"},
            "ACCESS",
            (ASK, "access-needs-admission"),
        ),
        ({}, {"legal_circle": "NONE"}, "ACCESS", (ASK, "access-unknown")),
    ],
)
def test_courses(
    course: dict[str, Any], situation: dict[str, Any], criterion: str, expected: tuple[Answer, str] | None
) -> None:
    """Each fact of a course against what the person needs; what is not known is asked."""
    for field, kind in (("level", CefrLevel), ("wished_level", CefrLevel), ("legal_circle", LegalCircle)):
        if field in situation:
            situation = {**situation, field: kind(situation[field])}
    facts: dict[str, Any] = {
        name: CefrLevel(value) if "level" in name else value for name, value in course.items()
    }
    dates = {name: facts.pop(name) for name in RUN_FIELDS if name in facts}
    if dates:
        facts["runs"] = (CourseRun(**dates),)

    assert reason({"course": CourseFacts(**facts)}, situation, Criterion(criterion)) == expected


@pytest.mark.parametrize(
    ("fields", "occupation", "expected"),
    [
        ({"recognition": RecognitionFacts()}, NURSE, (FITS, "all-occupations")),
        ({"recognition": RecognitionFacts(occupations=(NURSE,))}, NURSE, (FITS, "competent-for-occupation")),
        (
            {"recognition": RecognitionFacts(occupations=(BAKER,))},
            NURSE,
            (NOT, "regulated-occupation-other-body"),
        ),
        ({"recognition": RecognitionFacts(occupations=(NURSE,))}, BAKER, (NOT, "other-competent-body")),
        (
            {"recognition": RecognitionFacts(occupations=(NURSE,))},
            "http://data.europa.eu/esco/occupation/unheard",
            (NOT, "other-competent-body"),
        ),
        ({"kind": ServiceKind.QUALIFICATION_RECOGNITION}, NURSE, (ASK, "occupations-unknown")),
        ({"kind": ServiceKind.COUNSELLING}, NURSE, None),
    ],
)
def test_occupation(fields: dict[str, Any], occupation: str, expected: tuple[Answer, str] | None) -> None:
    """The nurse: recognition advice and the state health authority fit, the chamber does not."""
    assert reason(fields, {"occupation": occupation}, Criterion.OCCUPATION) == expected


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [
        (Capacity(state=CapacityState.OPEN), (FITS, "places-open")),
        (Capacity(state=CapacityState.FEW), (FITS, "places-open")),
        (Capacity(state=CapacityState.OPEN, expires_on=TODAY), (FITS, "places-open")),
        (Capacity(state=CapacityState.OPEN, expires_on=TODAY - DAY), (ASK, "capacity-unknown")),
        (Capacity(state=CapacityState.NONE, expires_on=TODAY - DAY), (ASK, "capacity-unknown")),
        (Capacity(), (ASK, "capacity-unknown")),
        (Capacity(state=CapacityState.NONE), (NOT, "no-places")),
        (Capacity(state=CapacityState.NONE, waiting_weeks=6), (ASK, "waiting-list")),
    ],
)
def test_capacity(capacity: Capacity, expected: tuple[Answer, str]) -> None:
    """What a partner said of its capacity holds until it expires."""
    assert reason({"capacity": capacity}, {"place_needed": True}, Criterion.CAPACITY) == expected
    assert reason({"capacity": capacity}, {}, Criterion.CAPACITY) is None


SOON, LATER = TODAY + 10 * DAY, TODAY + 200 * DAY
PAST = CourseRun(starts_on=TODAY - 100 * DAY, ends_on=TODAY - 50 * DAY)
BEGUN = CourseRun(starts_on=TODAY - DAY, ends_on=SOON)
NEXT = CourseRun(starts_on=SOON, ends_on=SOON + 90 * DAY)
AFTER = CourseRun(starts_on=LATER, ends_on=LATER + 90 * DAY)
FULL = CourseRun(starts_on=SOON, ends_on=SOON + 90 * DAY, full=True)


@pytest.mark.parametrize(
    ("runs", "repeats", "situation", "start", "end"),
    [
        ((PAST, BEGUN), False, {}, (NOT, "already-begun"), None),
        ((PAST, BEGUN), True, {}, (ASK, "next-run-unknown"), None),
        ((PAST, BEGUN, NEXT), False, {}, (FITS, "starts-later"), None),
        ((PAST, FULL), False, {}, (ASK, "run-full"), None),
        ((FULL, AFTER), False, {}, (FITS, "starts-later"), None),
        ((NEXT, AFTER), False, {"starts_from": LATER}, (FITS, "starts-later"), None),
        ((NEXT,), False, {"starts_from": LATER}, (NOT, "starts-too-early"), None),
        # one run has to suit in all: the first ends in time but begins too early, the second not
        (
            (NEXT, AFTER),
            False,
            {"starts_from": LATER, "status_valid_until": LATER},
            (NOT, "starts-too-early"),
            (FITS, "ends-before-status"),
        ),
        (
            (NEXT, AFTER),
            False,
            {"status_valid_until": LATER},
            (FITS, "starts-later"),
            (FITS, "ends-before-status"),
        ),
        ((AFTER,), True, {"status_valid_until": LATER}, (ASK, "next-run-unknown"), None),
    ],
)
def test_runs(
    runs: tuple[CourseRun, ...],
    repeats: bool,
    situation: dict[str, Any],
    start: tuple[Answer, str],
    end: tuple[Answer, str] | None,
) -> None:
    """Past starts do not match; of several runs the one that suits best is judged, and in all."""
    fields = {"course": CourseFacts(runs=runs, repeats=repeats)}

    assert reason(fields, situation, Criterion.COURSE_START) == start
    assert reason(fields, situation, Criterion.COURSE_END) == end


def test_the_overall_answer_is_the_worst() -> None:
    """One no is a no; no criterion at all fits."""
    begun = service(course=CourseFacts(runs=(CourseRun(starts_on=TODAY - DAY),), childcare=True))
    judged = judge(begun, Situation(on=TODAY, childcare=True, languages=("ti",)), {})

    assert judged.answer is NOT
    assert [(one.criterion, one.answer) for one in judged.reasons] == [
        (Criterion.LANGUAGE, ASK),
        (Criterion.COURSE_START, NOT),
        (Criterion.CHILDCARE, FITS),
    ]
    assert judge(service(), Situation(on=TODAY), {}).answer is FITS
    assert overall(()) is FITS


# --- what holds for all


STATUSES = st.sampled_from([S104C, S60A])
DAYS = st.sampled_from([TODAY + n * DAY for n in (-400, -1, 0, 1, 30, 400)])
MAYBE_DAY = st.none() | DAYS
LEVELS = st.none() | st.sampled_from(CefrLevel)
MAYBE = st.sampled_from([None, False, True])
TERRITORIES = st.sampled_from(["12", "12052", "120520000000", "12060", "120605003024"])
OCCUPATIONS = st.sampled_from([NURSE, BAKER])

RULES = st.lists(
    st.builds(
        EligibilityRule,
        statuses=st.lists(STATUSES, max_size=2, unique=True).map(tuple),
        genders=st.sampled_from([(), (), (Gender.WOMAN,)]),
        age_to=st.sampled_from([None, None, 26]),
        residence=st.sampled_from([(), (), ("12052",), ("12060",)]),
        legal_circles=st.sampled_from([(), (), (LegalCircle.ASYLBLG,)]),
        work_permission=st.sampled_from([(), (), (WorkPermission.YES,)]),
        answer=st.sampled_from(Answer),
        valid_from=MAYBE_DAY,
        valid_to=MAYBE_DAY,
    ),
    max_size=4,
).map(tuple)
COURSES = st.builds(
    CourseFacts,
    level_from=LEVELS,
    level_to=LEVELS,
    runs=st.lists(
        st.builds(
            CourseRun,
            starts_on=MAYBE_DAY,
            ends_on=MAYBE_DAY,
            apply_by=MAYBE_DAY,
            full=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    repeats=st.booleans(),
    childcare=MAYBE,
    women_only=MAYBE,
    access=st.lists(st.sampled_from(CourseAccess), unique=True).map(tuple),
)
SERVICES = st.fixed_dictionaries(
    {
        "eligibility": RULES,
        "responsibility": st.sampled_from(Responsibility),
        "area": st.lists(TERRITORIES, max_size=2).map(tuple),
        "languages": st.lists(st.builds(LanguageOffered, language=st.sampled_from(["ti", "ar"]))).map(tuple),
        "course": st.none() | COURSES,
        "recognition": st.none()
        | st.builds(RecognitionFacts, occupations=st.lists(OCCUPATIONS, unique=True).map(tuple)),
        "capacity": st.builds(
            Capacity,
            state=st.sampled_from(CapacityState),
            waiting_weeks=st.sampled_from([None, 4]),
            expires_on=MAYBE_DAY,
        ),
    }
).map(lambda fields: service(**fields))
SITUATIONS = st.builds(
    Situation,
    on=DAYS,
    residence_status=st.none() | STATUSES,
    status_valid_until=MAYBE_DAY,
    residence=st.none() | TERRITORIES,
    languages=st.sampled_from([(), ("ti",), ("ar-SY", "fr")]),
    level=LEVELS,
    wished_level=LEVELS,
    starts_from=MAYBE_DAY,
    childcare=st.booleans(),
    gender=st.none() | st.sampled_from(Gender),
    age=st.sampled_from([None, 17, 30]),
    work_permission=st.none() | st.sampled_from(WorkPermission),
    women_only=st.booleans(),
    legal_circle=st.none() | st.sampled_from(LegalCircle),
    occupation=st.none() | OCCUPATIONS,
    place_needed=st.booleans(),
)
WORTH = {NOT: 0, ASK: 1, FITS: 2}


@given(SITUATIONS)
def test_unknown_is_never_no(situation: Situation) -> None:
    """A service of which nothing is known is asked at most, whoever the person is."""
    for kind in ServiceKind:
        assert judge(service(kind=kind), situation, REGULATED).answer is not NOT
        assert judge(service(kind=kind, course=CourseFacts()), situation, REGULATED).answer is not NOT


@given(SERVICES, SITUATIONS)
def test_knowing_less_never_makes_a_no(offered: ServiceDocument, situation: Situation) -> None:
    """Forgetting a fact turns no yes or question into a no."""
    before = judge(offered, situation, REGULATED).answer
    unknown: tuple[tuple[str, object], ...] = (
        ("eligibility", ()),
        ("area", ()),
        ("languages", ()),
        ("course", None),
        ("recognition", None),
        ("capacity", Capacity()),
    )
    for field, nothing in unknown:
        after = judge(replace(offered, **{field: nothing}), situation, REGULATED).answer
        assert after is not NOT or before is NOT
    if offered.course is not None:
        for field, nothing in (
            *((name, None) for name in ("level_from", "level_to", "childcare", "women_only")),
            ("runs", ()),
            ("runs", tuple(replace(run, apply_by=None) for run in offered.course.runs)),
            ("runs", tuple(replace(run, ends_on=None) for run in offered.course.runs)),
        ):
            course = replace(offered.course, **{field: nothing})
            after = judge(replace(offered, course=course), situation, REGULATED).answer
            assert after is not NOT or before is NOT


@given(SERVICES, SITUATIONS, st.data())
def test_a_better_value_never_lowers_the_answer(
    offered: ServiceDocument, situation: Situation, data: st.DataObject
) -> None:
    """From no over unknown to yes in one criterion, the overall answer only rises."""
    course = offered.course or CourseFacts(runs=(CourseRun(starts_on=situation.on),))
    ladders: list[list[ServiceDocument]] = [
        [
            replace(offered, eligibility=rules)
            for rules in ((rule(NOT, S104C, S60A),), (), (rule(FITS, S104C, S60A),))
        ]
        if situation.residence_status is not None
        else [],
        [replace(offered, course=replace(course, childcare=value)) for value in (False, None, True)]
        if situation.childcare
        else [],
        [
            replace(offered, capacity=capacity)
            for capacity in (
                Capacity(state=CapacityState.NONE),
                Capacity(),
                Capacity(state=CapacityState.FEW),
                Capacity(state=CapacityState.OPEN),
            )
        ],
        [
            replace(offered, languages=languages)
            for languages in (
                (),
                tuple(LanguageOffered(language=tag, interpreted=True) for tag in ("ti", "ar")),
                tuple(LanguageOffered(language=tag) for tag in ("ti", "ar")),
            )
        ],
    ]
    for worse, better in pairwise(data.draw(st.sampled_from([ladder for ladder in ladders if ladder]))):
        before, after = (judge(one, situation, REGULATED).answer for one in (worse, better))
        assert WORTH[before] <= WORTH[after]


@pytest.mark.slow
@settings(
    max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None
)
@given(st.lists(SERVICES, min_size=1, max_size=12), st.lists(SITUATIONS, min_size=1, max_size=8))
def test_the_engine_judges_as_the_rules_do(
    services: list[ServiceDocument], situations: list[Situation]
) -> None:
    """What an engine leaves out as not fitting is exactly what the rules call not fitting."""
    with tempfile.TemporaryDirectory() as folder:
        engine = LocalEngine(Path(folder))
        fill(engine, services)
        for situation in situations:
            expected = {one.id for one in services if judge(one, situation, REGULATED).answer is not NOT}
            fitting = find(engine, situation=situation, only_fitting=True, first=100)
            listed = find(engine, situation=situation, first=100)

            assert set(ids(fitting)) == expected
            assert (listed.fitting, listed.total) == (len(expected), len(services))
            assert set(ids(listed)[: len(expected)]) == expected
        engine.resign()


def test_days_too_far_away_are_cut() -> None:
    """The far past and the far future are the first and the last day."""
    assert (day_number(date(1, 1, 1)), day_number(date.max)) == (0, LAST_DAY)


@given(st.builds(Capacity, state=st.sampled_from(CapacityState), expires_on=MAYBE_DAY), DAYS)
def test_expired_capacity_is_unknown(capacity: Capacity, on: date) -> None:
    """And known until the end of its last day."""
    expired = capacity.expires_on is not None and capacity.expires_on < on

    assert capacity_on(capacity, on) is (CapacityState.UNKNOWN if expired else capacity.state)
