"""How matches are ranked: each criterion's standing, what must hold for all, and the weights as data."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from directory.documents import ServiceDocument
from directory.figures import PartnerFigure
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
    Acceptance,
    Answer,
    CapacityState,
    CefrLevel,
    CourseAccess,
    CourseFormat,
    LegalCircle,
    ResponseTime,
    Responsibility,
    ServiceKind,
    Standing,
)
from graphapi.messages import FINDINGS
from search.matching import Criterion, Situation, eligibility
from search.rating import WEIGHTS, WORTH, Rated, Rating, rank, rate
from tests.search.samples import TODAY, service
from tests.search.test_matching import REGULATED, SERVICES, SITUATIONS

DAY = timedelta(days=1)
UNTIL = TODAY + 100 * DAY


def rated(fields: dict[str, Any], situation: dict[str, Any] | None = None, **more: Any) -> Rated:
    return rate(service(**fields), Situation(on=TODAY, **(situation or {})), REGULATED, **more)


def found(one: Rated, criterion: Criterion) -> tuple[Standing, str] | None:
    ratings = {rating.criterion: rating for rating in one.ratings}
    assert len(ratings) == len(one.ratings)
    rating = ratings.get(criterion)
    return None if rating is None else (rating.standing, rating.reason.code)


def figure(response: ResponseTime, accepts: Acceptance) -> PartnerFigure:
    return PartnerFigure(
        partner_id=service().partner.id,
        response_time=response,
        acceptance=accepts,
        since=date(2025, 4, 1),
        until=date(2026, 3, 31),
    )


MET, PARTLY, UNKNOWN, NOT_MET = Standing.MET, Standing.PARTLY, Standing.UNKNOWN, Standing.NOT_MET


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [
        (Capacity(state=CapacityState.OPEN), (MET, "places-open")),
        (Capacity(state=CapacityState.FEW), (PARTLY, "places-few")),
        (Capacity(), (UNKNOWN, "capacity-unknown")),
        (Capacity(state=CapacityState.OPEN, expires_on=TODAY - DAY), (UNKNOWN, "capacity-unknown")),
        (Capacity(state=CapacityState.NONE, waiting_weeks=4), (PARTLY, "waiting-list")),
        (Capacity(state=CapacityState.NONE), (NOT_MET, "no-places")),
    ],
)
def test_room_counts_also_where_it_is_not_needed_at_once(
    capacity: Capacity, expected: tuple[Standing, str]
) -> None:
    one = rated({"capacity": capacity})

    assert found(one, Criterion.CAPACITY) == expected
    assert one.answer is Answer.FITS  # nobody said that a place is needed now


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"capacity": Capacity(state=CapacityState.OPEN)}, (MET, "begins-before-status")),
        (
            {"capacity": Capacity(state=CapacityState.NONE, waiting_weeks=4)},
            (MET, "begins-before-status"),
        ),
        (
            {"capacity": Capacity(state=CapacityState.NONE, waiting_weeks=20)},
            (PARTLY, "waits-beyond-status"),
        ),
        ({"capacity": Capacity(state=CapacityState.NONE)}, (NOT_MET, "no-begin-in-sight")),
        ({}, (UNKNOWN, "begin-unknown")),
        ({"course": CourseFacts()}, None),
    ],
)
def test_the_end_of_the_status_is_a_deadline(
    fields: dict[str, Any], expected: tuple[Standing, str] | None
) -> None:
    """Of courses COURSE_END says it; elsewhere the waiting list does. Titles are extended: never a "no"."""
    assert found(rated(fields, {"status_valid_until": UNTIL}), Criterion.STATUS_DEADLINE) == expected
    assert found(rated(fields), Criterion.STATUS_DEADLINE) is None


@pytest.mark.parametrize(
    ("fields", "km", "expected"),
    [
        ({}, 0.0, (MET, "distance")),
        ({}, 30.0, (PARTLY, "distance")),
        ({}, None, (UNKNOWN, "place-unknown")),
        ({"responsibility": Responsibility.BY_RESIDENCE}, 3.0, None),
        ({"course": CourseFacts(format=CourseFormat.ONLINE)}, 300.0, None),
    ],
)
def test_the_way_counts_where_it_matters(
    fields: dict[str, Any], km: float | None, expected: tuple[Standing, str] | None
) -> None:
    """What is responsible by residence is never ranked by distance; online there is no way."""
    one = rated(fields, distance_km=km, distance_asked=True)

    assert found(one, Criterion.DISTANCE) == expected
    assert found(rated(fields), Criterion.DISTANCE) is None


BRIDGE = service(
    "Sprachmittlung",
    partner="Brückenbauer e. V.",
    kind=ServiceKind.LANGUAGE_MEDIATION,
    interpreting=InterpretingFacts(languages=(InterpretedLanguage(language="ti"),)),
)


@pytest.mark.parametrize(
    ("offered", "bridges", "expected"),
    [
        ((LanguageOffered(language="ti"),), (), (MET, "language-offered")),
        ((LanguageOffered(language="ti"),), (BRIDGE,), (MET, "language-offered")),
        (
            (LanguageOffered(language="ti", interpreted=True),),
            (BRIDGE,),
            (PARTLY, "language-through-interpreter"),
        ),
        ((LanguageOffered(language="de"),), (BRIDGE,), (PARTLY, "language-through-bridge")),
        ((), (BRIDGE,), (PARTLY, "language-through-bridge")),
        ((LanguageOffered(language="de"),), (), (PARTLY, "language-not-offered")),
        ((), (), (UNKNOWN, "languages-unknown")),
    ],
)
def test_an_interpreter_is_a_bridge_and_says_so(
    offered: tuple[LanguageOffered, ...],
    bridges: tuple[ServiceDocument, ...],
    expected: tuple[Standing, str],
) -> None:
    one = rated({"languages": offered}, {"languages": ("ti",)}, bridges=bridges)
    reason = next(r.reason for r in one.ratings if r.criterion is Criterion.LANGUAGE)

    assert found(one, Criterion.LANGUAGE) == expected
    assert ("Brückenbauer e. V." in reason.values.values()) == (expected[1] == "language-through-bridge")


def test_what_was_never_measured_is_unknown_and_not_slow() -> None:
    slow = rated({}, figure=figure(ResponseTime.LATER, Acceptance.SELDOM))
    never = rated({})
    quick = rated({}, figure=figure(ResponseTime.WITHIN_2_DAYS, Acceptance.MOSTLY))

    assert found(never, Criterion.RESPONSE_TIME) == (UNKNOWN, "response-not-measured")
    assert found(never, Criterion.ACCEPTANCE) == (UNKNOWN, "acceptance-not-measured")
    assert slow.score < never.score < quick.score


def test_missing_data_is_worth_more_than_no_and_less_than_yes() -> None:
    for weight in WEIGHTS.weights:
        assert 0.0 < weight.unknown < 1.0
        assert set(weight.why) == {"de", "en"}
        assert weight.points > 0


def test_the_weights_are_data_for_every_criterion_and_every_reason_is_explained() -> None:
    """A change of the table must raise its version: the digest tells that somebody has forgotten to."""
    table = msgspec.json.encode((WEIGHTS, WORTH), order="deterministic")

    assert {weight.criterion for weight in WEIGHTS.weights} == set(Criterion)
    assert set(WORTH) <= set(FINDINGS)
    assert (WEIGHTS.version, hashlib.sha256(table).hexdigest()[:12]) == (1, "21ce722a0002")


def test_nobody_can_ask_for_exclusion() -> None:
    """Exclusion from the project's support governs that support alone: neither profile nor criterion."""
    words = ("exclu", "crim", "offen", "refus", "support")
    names = [*Situation.__struct_fields__, *(criterion.value.lower() for criterion in Criterion)]

    assert not [name for name in names for word in words if word in name.lower()]


# --- what holds for all

FIGURES = st.none() | st.builds(figure, st.sampled_from(ResponseTime), st.sampled_from(Acceptance))
KM = st.none() | st.sampled_from([0.0, 5.0, 60.0])
BRIDGES = st.sampled_from([(), (BRIDGE,)])
COMMON = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def ruled(one: ServiceDocument, said: Answer | None) -> ServiceDocument:
    """Return a service whose own rule says this to everybody; None: it keeps the rules it has."""
    return one if said is None else replace(one, eligibility=(EligibilityRule(answer=said),))


RULED = st.builds(ruled, SERVICES, st.sampled_from([None, *Answer]))


@COMMON
@given(st.lists(RULED, min_size=2, max_size=5), SITUATIONS, KM, FIGURES)
def test_what_its_own_rule_closes_never_ranks_among_what_fits(
    services: list[ServiceDocument], situation: Situation, km: float | None, known: PartnerFigure | None
) -> None:
    """However near, free, fresh and quick it is."""
    ranked = sorted(
        (
            (rate(one, situation, REGULATED, figure=known, distance_km=km, distance_asked=True), one)
            for one in services
        ),
        key=lambda pair: rank(pair[0], pair[1].id),
    )
    closed = [
        (own := eligibility(one, situation)) is not None and own.answer is Answer.DOES_NOT_FIT
        for _, one in ranked
    ]

    for place, (value, _) in enumerate(ranked):
        if closed[place]:
            assert value.answer is Answer.DOES_NOT_FIT
            assert all(later.answer is Answer.DOES_NOT_FIT for later, _ in ranked[place:])


WORST_FIRST = (Answer.DOES_NOT_FIT, Answer.ASK, Answer.FITS)


def ladders(one: ServiceDocument, situation: Situation) -> dict[str, list[dict[str, Any]]]:
    """Return, per criterion, how a service could stand, from worse to better; all else stays as it is."""
    capacities = [
        Capacity(state=CapacityState.NONE),
        Capacity(state=CapacityState.NONE, waiting_weeks=40),
        Capacity(state=CapacityState.NONE, waiting_weeks=4),
        Capacity(state=CapacityState.FEW),
        Capacity(state=CapacityState.OPEN),
    ]
    steps: dict[str, list[dict[str, Any]]] = {
        "distance": [{"distance_km": km} for km in (500.0, 60.0, 5.0, 0.0)],
        "response": [{"figure": figure(time, Acceptance.OFTEN)} for time in reversed(ResponseTime)],
        "acceptance": [{"figure": figure(ResponseTime.WITHIN_5_DAYS, said)} for said in reversed(Acceptance)],
        "bridge": [{"bridges": ()}, {"bridges": (BRIDGE,)}],
        "freshness": [
            {"assured_at": one.updated_at + days * DAY, "updated_at": one.updated_at}
            for days in (-900, -300, -60, 100)
        ],
    }
    steps["capacity"] = [{"capacity": capacity} for capacity in capacities]
    # not knowing lies between none and some; it is neither better nor worse than a waiting list
    steps["capacity known"] = [
        {"capacity": capacity} for capacity in (capacities[0], Capacity(), capacities[-1])
    ]
    if situation.languages:
        wanted = situation.languages[0]
        steps["language"] = [
            {"languages": (LanguageOffered(language="xx"),)},
            {"languages": (LanguageOffered(language=wanted, interpreted=True),)},
            {"languages": (LanguageOffered(language=wanted),)},
        ]
    if one.course is not None and situation.childcare:
        steps["childcare"] = [
            {"course": replace(one.course, childcare=known)} for known in (False, None, True)
        ]
    steps["eligibility"] = [{"eligibility": (EligibilityRule(answer=said),)} for said in WORST_FIRST]
    if situation.residence is not None:
        steps["residence"] = [
            {"area": ("99",), "responsibility": Responsibility.BY_RESIDENCE},
            {"area": (), "responsibility": Responsibility.BY_RESIDENCE},
            {"area": (situation.residence,), "responsibility": Responsibility.BY_RESIDENCE},
        ]
    if one.course is not None:
        begins = max(situation.on, situation.starts_from or situation.on) + 10 * DAY
        runs = [CourseRun(starts_on=begins, full=full) for full in (True, False)]
        past = CourseRun(starts_on=situation.on - 500 * DAY)
        steps["start"] = [
            {"course": replace(one.course, runs=(run,), repeats=False)} for run in (past, *runs)
        ]
        if situation.status_valid_until is not None:
            ends = [situation.status_valid_until + days * DAY for days in (1, 0)]
            steps["end"] = [
                {"course": replace(one.course, runs=(replace(runs[1], ends_on=end),), repeats=False)}
                for end in (ends[0], None, ends[1])
            ]
        if situation.legal_circle is not None:
            ways = [(CourseAccess.BAMF_ADMISSION,), (), (CourseAccess.DIRECT,)]
            steps["access"] = [{"course": replace(one.course, access=way)} for way in ways]
        if situation.level is not None:
            levels = [(None, None), (CefrLevel.A0, CefrLevel.C2)]
            if situation.level is not CefrLevel.C2:
                levels.insert(0, (CefrLevel.C2, CefrLevel.C2))
            steps["level"] = [
                {"course": replace(one.course, level_from=low, level_to=high)} for low, high in levels
            ]
    if situation.occupation is not None:
        known = [("other",), (), (situation.occupation,)]
        steps["occupation"] = [{"recognition": RecognitionFacts(occupations=some)} for some in known]
    if one.course is not None and situation.women_only and situation.gender is None:
        steps["women"] = [{"course": replace(one.course, women_only=known)} for known in (False, None, True)]
    return steps


CRITERIA = {
    "distance": Criterion.DISTANCE,
    "response": Criterion.RESPONSE_TIME,
    "acceptance": Criterion.ACCEPTANCE,
    "bridge": Criterion.LANGUAGE,
    "freshness": Criterion.FRESHNESS,
    "capacity": Criterion.CAPACITY,
    "capacity known": Criterion.CAPACITY,
    "language": Criterion.LANGUAGE,
    "childcare": Criterion.CHILDCARE,
    "eligibility": Criterion.ELIGIBILITY,
    "residence": Criterion.PLACE_OF_RESIDENCE,
    "start": Criterion.COURSE_START,
    "end": Criterion.COURSE_END,
    "access": Criterion.ACCESS,
    "level": Criterion.LEVEL,
    "occupation": Criterion.OCCUPATION,
    "women": Criterion.WOMEN_ONLY,
}
"""Of which criterion each ladder is."""


@COMMON
@given(SERVICES, SITUATIONS, KM, FIGURES, BRIDGES)
def test_a_better_value_in_one_criterion_never_lowers_the_rank(
    one: ServiceDocument,
    situation: Situation,
    km: float | None,
    known: PartnerFigure | None,
    bridges: tuple[ServiceDocument, ...],
) -> None:
    """Nor what the criterion itself is worth, which the answer could hide in the rank."""
    for name, steps in ladders(one, situation).items():
        ranks, worths = [], []
        for step in steps:
            given_: dict[str, Any] = {"figure": known, "distance_km": km, "bridges": bridges}
            given_ |= {key: value for key, value in step.items() if key in given_}
            fields = {key: value for key, value in step.items() if key not in given_}
            value = rate(replace(one, **fields), situation, REGULATED, distance_asked=True, **given_)
            ranks.append(rank(value, one.id))
            worths += [rating.worth for rating in value.ratings if rating.criterion is CRITERIA[name]]

        assert ranks == sorted(ranks, reverse=True), name
        assert worths == sorted(worths), name
        assert all(0.0 <= worth <= 1.0 for worth in worths), name


ASKED = Situation(
    on=TODAY,
    residence="120520000000",
    languages=("ti",),
    level=CefrLevel.A2,
    legal_circle=LegalCircle.ASYLBLG,
    status_valid_until=TODAY + 300 * DAY,
    occupation="http://data.europa.eu/esco/occupation/nurse",
    childcare=True,
    women_only=True,
    place_needed=True,
)


def test_every_criterion_has_a_ladder_that_is_climbed() -> None:
    """From the worst to the best of each criterion; the best is worth all it can be."""
    course = service("Deutsch B1", course=CourseFacts())
    course = replace(course, updated_at=datetime.combine(TODAY - 100 * DAY, time(12), UTC))
    climbed = set()
    for name, steps in ladders(course, ASKED).items():
        ends = []
        for step in (steps[0], steps[-1]):
            given_ = {key: step[key] for key in ("figure", "distance_km", "bridges") if key in step}
            fields = {key: value for key, value in step.items() if key not in given_}
            value = rate(replace(course, **fields), ASKED, REGULATED, distance_asked=True, **given_)
            ends += [rating.worth for rating in value.ratings if rating.criterion is CRITERIA[name]]
        if name != "bridge":  # from what nobody knows to somebody else's interpreter
            assert ends[-1] == 1.0, name
        assert len(ends) == 1 or ends[0] < ends[1], name
        climbed.add(CRITERIA[name])

    assert climbed == set(Criterion) - {Criterion.STATUS_DEADLINE}  # which is not of courses: a table above


@COMMON
@given(SERVICES, SITUATIONS)
def test_the_score_is_what_the_ratings_say(one: ServiceDocument, situation: Situation) -> None:
    """Nothing but what is shown counts: anybody can add it up."""
    value = rate(one, situation, REGULATED)
    points = sum(rating.points for rating in value.ratings)

    assert value.score == round(1000 * sum(r.points * r.worth for r in value.ratings) / points)
    for rating in value.ratings:
        assert_told_apart(rating)


def assert_told_apart(rating: Rating) -> None:
    """Not known is neither yes nor no; a "no" is worth nothing."""
    assert 0.0 <= rating.worth <= 1.0
    assert (rating.standing is Standing.NOT_MET) == (rating.worth == 0.0)
    assert (rating.standing is Standing.MET) == (rating.worth == 1.0)
    if rating.standing is Standing.UNKNOWN:
        assert rating.worth == WEIGHTS.of(rating.criterion).unknown
        assert rating.reason.answer is not Answer.DOES_NOT_FIT
