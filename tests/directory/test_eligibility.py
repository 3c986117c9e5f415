"""A service's own rules: three answers, definite only when every completion of the unknown agrees."""

from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory.eligibility import Profile, RuleJudgement, criteria_of, judge_rules
from directory.values import EligibilityRule
from directory.vocabulary import (
    Answer,
    CefrLevel,
    EligibilityCriterion,
    Gender,
    LegalCircle,
    ResidenceStatus,
    WorkPermission,
)

DAY = date(2026, 8, 3)
FITS, NOT, ASK = Answer.FITS, Answer.DOES_NOT_FIT, Answer.ASK
S, C = ResidenceStatus, EligibilityCriterion


def rule(answer: Answer, **criteria: Any) -> EligibilityRule:
    """Return a rule."""
    return EligibilityRule(answer=answer, **criteria)


OTHERS_NOT = rule(NOT)
TOLERATED = rule(FITS, statuses=(S.SECTION_60A, S.SECTION_104C))
WOMEN = rule(FITS, genders=(Gender.WOMAN,))
YOUNG = rule(FITS, age_from=16, age_to=24)
HERE = rule(FITS, residence=("12052", "12060"))
ASYLBLG = rule(FITS, legal_circles=(LegalCircle.ASYLBLG,))
MAY_WORK = rule(FITS, work_permission=(WorkPermission.YES, WorkPermission.WITH_PERMISSION))
FROM_A2 = rule(FITS, level_from=CefrLevel.A2, level_to=CefrLevel.B1)


@pytest.mark.parametrize(
    ("rules", "person", "answer", "missing"),
    [
        ((), {}, ASK, ()),
        ((), {"status": S.SECTION_60A}, ASK, ()),
        ((TOLERATED,), {"status": S.SECTION_60A}, FITS, ()),
        ((TOLERATED,), {"status": S.SECTION_24}, ASK, ()),
        ((TOLERATED,), {}, ASK, (C.RESIDENCE_STATUS,)),
        ((TOLERATED, OTHERS_NOT), {"status": S.SECTION_24}, NOT, ()),
        ((TOLERATED, OTHERS_NOT), {}, ASK, (C.RESIDENCE_STATUS,)),
        ((rule(FITS),), {}, FITS, ()),
        ((WOMEN, OTHERS_NOT), {"gender": Gender.WOMAN}, FITS, ()),
        ((WOMEN, OTHERS_NOT), {"gender": Gender.MAN}, NOT, ()),
        ((WOMEN, OTHERS_NOT), {}, ASK, (C.GENDER,)),
        ((YOUNG, OTHERS_NOT), {"age": 15}, NOT, ()),
        ((YOUNG, OTHERS_NOT), {"age": 16}, FITS, ()),
        ((YOUNG, OTHERS_NOT), {"age": 24}, FITS, ()),
        ((YOUNG, OTHERS_NOT), {"age": 25}, NOT, ()),
        ((YOUNG, OTHERS_NOT), {"age": None}, ASK, (C.AGE,)),
        ((HERE, OTHERS_NOT), {"residence": "120520000000"}, FITS, ()),
        ((HERE, OTHERS_NOT), {"residence": "120605003024"}, FITS, ()),
        ((HERE, OTHERS_NOT), {"residence": "110000000000"}, NOT, ()),
        ((HERE, OTHERS_NOT), {"residence": "12"}, ASK, (C.PLACE_OF_RESIDENCE,)),
        ((HERE, OTHERS_NOT), {"residence": "13"}, NOT, ()),
        ((HERE, OTHERS_NOT), {"residence": "120000000000"}, ASK, (C.PLACE_OF_RESIDENCE,)),
        ((HERE, OTHERS_NOT), {"residence": "120600000000"}, FITS, ()),
        ((rule(FITS, residence=("120000000000",)), OTHERS_NOT), {"residence": "120605003024"}, FITS, ()),
        ((rule(FITS, residence=("110000000000",)), OTHERS_NOT), {"residence": "11000"}, FITS, ()),
        ((HERE, OTHERS_NOT), {}, ASK, (C.PLACE_OF_RESIDENCE,)),
        ((ASYLBLG, OTHERS_NOT), {"legal_circles": (LegalCircle.SGB_II,)}, NOT, ()),
        ((ASYLBLG, OTHERS_NOT), {"legal_circles": (LegalCircle.SGB_II, LegalCircle.ASYLBLG)}, FITS, ()),
        ((ASYLBLG, OTHERS_NOT), {"legal_circles": ()}, ASK, (C.LEGAL_CIRCLE,)),
        ((MAY_WORK, OTHERS_NOT), {"work_permission": WorkPermission.WITH_PERMISSION}, FITS, ()),
        ((MAY_WORK, OTHERS_NOT), {"work_permission": WorkPermission.ASK}, ASK, (C.WORK_PERMISSION,)),
        ((FROM_A2, OTHERS_NOT), {"level": CefrLevel.A1}, NOT, ()),
        ((FROM_A2, OTHERS_NOT), {"level": CefrLevel.B1}, FITS, ()),
        ((FROM_A2, OTHERS_NOT), {"level": CefrLevel.B2}, NOT, ()),
        # a known criterion that excludes alone is enough, whatever the others are
        ((rule(NOT, statuses=(S.SECTION_24,)), WOMEN), {"status": S.SECTION_24}, NOT, ()),
        # and so is every completion leading to the same answer by different rules
        ((rule(FITS, statuses=(S.SECTION_60A,)), rule(FITS)), {}, FITS, ()),
        # all criteria of a rule must be met
        (
            (rule(FITS, statuses=(S.SECTION_60A,), genders=(Gender.WOMAN,)), OTHERS_NOT),
            {"status": S.SECTION_60A, "gender": Gender.MAN},
            NOT,
            (),
        ),
        (
            (rule(FITS, statuses=(S.SECTION_60A,), genders=(Gender.WOMAN,)), OTHERS_NOT),
            {"status": S.SECTION_60A},
            ASK,
            (C.GENDER,),
        ),
        # a rule that says "ask" asks; the order decides
        ((rule(ASK, statuses=(S.SECTION_60A,)), rule(NOT)), {"status": S.SECTION_60A}, ASK, ()),
        ((rule(NOT, statuses=(S.SECTION_60A,)), rule(FITS)), {"status": S.SECTION_60A}, NOT, ()),
    ],
)
def test_what_rules_say(
    rules: tuple[EligibilityRule, ...],
    person: dict[str, Any],
    answer: Answer,
    missing: tuple[EligibilityCriterion, ...],
) -> None:
    """The answer, and what would have to be known for a definite one."""
    judged = judge_rules(rules, Profile(**person), DAY)

    assert (judged.answer, judged.missing) == (answer, missing)


def test_a_judgement_names_its_rule_its_reason_and_its_law() -> None:
    """Whoever hears "no" hears which rule said it, and what it rests on."""
    law = rule(
        NOT,
        legal_circles=(LegalCircle.ASYLBLG,),
        reason={"de": "Bürgergeld nur nach SGB II"},
        legal_basis="§ 7 Abs. 1 SGB II",
    )
    judged = judge_rules(
        (TOLERATED, law), Profile(status=S.SECTION_24, legal_circles=(LegalCircle.ASYLBLG,)), DAY
    )

    assert judged == RuleJudgement(
        answer=NOT,
        rules=(1,),
        criteria=(C.LEGAL_CIRCLE,),
        reason={"de": "Bürgergeld nur nach SGB II"},
        legal_basis="§ 7 Abs. 1 SGB II",
    )


def test_a_no_for_everybody_else_names_what_was_not_met() -> None:
    """The last rule has no criterion; the criteria of those before it say why it was reached."""
    judged = judge_rules((WOMEN, YOUNG, OTHERS_NOT), Profile(gender=Gender.MAN, age=40), DAY)

    assert (judged.rules, judged.criteria) == ((2,), (C.AGE, C.GENDER))


@pytest.mark.parametrize(
    ("on", "answer"),
    [
        (DAY - timedelta(days=1), NOT),
        (DAY, FITS),
        (DAY + timedelta(days=1), FITS),
        (DAY + timedelta(days=2), NOT),
    ],
)
def test_rules_hold_between_their_dates(on: date, answer: Answer) -> None:
    """Both ends are inclusive."""
    dated = rule(FITS, valid_from=DAY, valid_to=DAY + timedelta(days=1))

    assert judge_rules((dated, OTHERS_NOT), Profile(), on).answer is answer


def test_rules_beyond_explaining_ask() -> None:
    """Many crossing criteria end in "ask", and at once."""
    rules = [
        rule(FITS, age_from=n, age_to=n + 3, residence=(f"12{n:03}",), statuses=(tuple(S)[n % 15],))
        for n in range(100)
    ]

    assert judge_rules(rules, Profile(), DAY).answer is ASK


# --- The property: definite only if every completion agrees -------------------------------------------------

PLACES = ("12", "12052", "12060", "120605003", "120605003024", "13")
HOMES = (
    "120520000000",
    "120605003024",
    "120605003025",
    "120605006012",
    "120990000000",
    "130030000000",
    "020000000000",
)
AGES = (0, 15, 16, 17, 18, 20, 24, 25, 120)
EDGES = st.none() | st.sampled_from((16, 18, 24))
LEVELS = st.none() | st.sampled_from(CefrLevel)
SOME_STATUSES = (S.SECTION_60A, S.SECTION_24, S.SECTION_55_ASYLG)
CIRCLES = (*((one,) for one in LegalCircle), (LegalCircle.SGB_II, LegalCircle.SGB_III))


def some(*values: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return none or a few of these."""
    return st.just(()) | st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


DAYS = st.none() | st.sampled_from([DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)])
RULES = st.lists(
    st.builds(
        EligibilityRule,
        statuses=some(*SOME_STATUSES),
        work_permission=some(WorkPermission.YES, WorkPermission.WITH_PERMISSION),
        age_from=EDGES,
        age_to=EDGES,
        level_from=LEVELS,
        level_to=LEVELS,
        residence=some(*PLACES),
        legal_circles=some(*LegalCircle),
        genders=some(*Gender),
        answer=st.sampled_from([FITS, FITS, NOT, NOT, ASK]),
        valid_from=DAYS,
        valid_to=DAYS,
    ),
    max_size=4,
)
CONCRETE: dict[str, tuple[Any, ...]] = {
    "status": (*SOME_STATUSES, S.OTHER),
    "work_permission": (WorkPermission.YES, WorkPermission.WITH_PERMISSION, "may not work"),
    "age": AGES,
    "level": tuple(CefrLevel),
    "residence": HOMES,
    "legal_circles": CIRCLES,
    "gender": tuple(Gender),
}
"""A whole person is one value of each; enough of them for every difference that the rules above can make."""
UNKNOWN: dict[str, tuple[Any, ...]] = {
    "work_permission": (None, WorkPermission.ASK),
    "residence": (None, "12", "12060", "1206050"),
    "legal_circles": ((),),
}


def first_that_applies(rules: list[EligibilityRule], whole: dict[str, Any]) -> Answer:
    """Judge a person of whom everything is known, plainly."""
    order = list(CefrLevel)
    for one in rules:
        home = whole["residence"].removesuffix("0000000")
        if (
            (not one.valid_from or one.valid_from <= DAY)
            and (not one.valid_to or one.valid_to >= DAY)
            and (not one.statuses or whole["status"] in one.statuses)
            and (not one.work_permission or whole["work_permission"] in one.work_permission)
            and (one.age_from is None or whole["age"] >= one.age_from)
            and (one.age_to is None or whole["age"] <= one.age_to)
            and (one.level_from is None or order.index(whole["level"]) >= order.index(one.level_from))
            and (one.level_to is None or order.index(whole["level"]) <= order.index(one.level_to))
            and (not one.residence or any(home.startswith(area) for area in one.residence))
            and (not one.legal_circles or set(whole["legal_circles"]) & set(one.legal_circles))
            and (not one.genders or whole["gender"] in one.genders)
        ):
            return one.answer
    return ASK


@given(data=st.data(), rules=RULES)
@settings(max_examples=100)
def test_an_answer_is_definite_exactly_if_every_completion_gives_it(
    data: st.DataObject, rules: list[EligibilityRule]
) -> None:
    """FITS and DOES_NOT_FIT stand only where every completion of the unknown says so; all else is ASK."""
    unknown = set(data.draw(st.lists(st.sampled_from(sorted(CONCRETE)), max_size=3, unique=True)))
    person: dict[str, Any] = {}
    possible: list[tuple[Any, ...]] = []
    completions: tuple[Any, ...]
    for field, values in CONCRETE.items():
        if field not in unknown:
            known = data.draw(st.sampled_from([value for value in values if value != "may not work"]))
            person[field], completions = known, (known,)
        else:
            person[field] = data.draw(st.sampled_from(UNKNOWN.get(field, (None,))))
            completions = values
            if field == "residence" and person[field] is not None:
                completions = tuple(home for home in HOMES if home.startswith(person[field]))
        possible.append(completions)
    answers = {
        first_that_applies(rules, dict(zip(CONCRETE, whole, strict=True))) for whole in product(*possible)
    }

    judged = judge_rules(rules, Profile(**person), DAY)

    assert judged.answer is (answers.pop() if len(answers) == 1 else ASK)
    assert not judged.missing or judged.answer is ASK
    for position in judged.rules:
        assert judged.answer is ASK or rules[position].answer is judged.answer


@given(rules=RULES)
def test_nothing_is_missing_that_no_rule_asks_for(rules: list[EligibilityRule]) -> None:
    """What is to be found out is asked for by a rule."""
    judged = judge_rules(rules, Profile(), DAY)

    assert set(judged.missing) <= {name for one in rules for name in criteria_of(one)}
