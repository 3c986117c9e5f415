"""The project's rule for its own support, as the presentation tells it (DESIGN section 1)."""

from datetime import date

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import ANONYMOUS
from directory.database import Database
from directory.vocabulary import Answer, ResidenceStatus
from referrals.eligibility import (
    MOST_JUDGED,
    Judged,
    Situation,
    SupportRule,
    former_answer,
    judge,
    with_judgement,
)
from referrals.rule_sets import in_force
from referrals.vocabulary import JudgedAt, SupportAdvice

S, A = ResidenceStatus, SupportAdvice
DAY = date(2026, 8, 3)


async def project_rule(session: AsyncSession) -> tuple[SupportRule, ...]:
    """Return the lines that the project begins with."""
    found = await in_force(session, None, DAY)
    assert found is not None
    return found.rules


@pytest.mark.parametrize(
    ("status", "supported", "answer", "advice"),
    [
        (S.SECTION_104C, False, Answer.FITS, A.SUPPORT),
        (S.SECTION_25_5, False, Answer.FITS, A.SUPPORT),
        (S.SECTION_23_1_ADMISSION, False, Answer.FITS, A.SUPPORT),
        (S.SECTION_23_1_OTHER, False, Answer.ASK, A.ASK),
        (S.SECTION_60A, False, Answer.FITS, A.SUPPORT),
        (S.SECTION_60B, False, Answer.ASK, A.ASK),
        (S.SECTION_60C, False, Answer.ASK, A.ASK),
        (S.SECTION_60D, False, Answer.ASK, A.ASK),
        (S.SECTION_55_ASYLG, False, Answer.FITS, A.SUPPORT),
        (S.SECTION_81, False, Answer.ASK, A.CLEARING),
        (S.SECTION_81, True, Answer.FITS, A.SUPPORT),
        (S.SECTION_24, False, Answer.ASK, A.SIGNPOSTING),
        (S.SECTION_25_1_2, False, Answer.ASK, A.SIGNPOSTING),
        (S.SECTION_25A, False, Answer.ASK, A.SIGNPOSTING),
        (S.SECTION_25B, False, Answer.ASK, A.SIGNPOSTING),
        (S.OTHER, True, Answer.ASK, A.SIGNPOSTING),
        (None, False, Answer.ASK, A.CLEARING),
    ],
)
async def test_the_seeded_rule(
    database: Database, status: ResidenceStatus | None, supported: bool, answer: Answer, advice: SupportAdvice
) -> None:
    async with database.view(ANONYMOUS) as session:
        rules = await project_rule(session)
    verdict = judge(rules, Situation(status=status, supported_before=supported), DAY)

    assert (verdict.answer, verdict.advice) == (answer, advice)
    assert set(verdict.reason) == {"de", "en"}


async def test_the_seeded_rule_is_read_in_order(database: Database) -> None:
    async with database.view(ANONYMOUS) as session:
        rules = await project_rule(session)

    assert [rule.id for rule in rules] == [
        "supported-statuses",
        "other-admission",
        "other-suspensions",
        "provisional-supported",
        "provisional-new",
        "any-other",
    ]


async def test_who_applied_too_late_goes_through_clearing(database: Database) -> None:
    async with database.view(ANONYMOUS) as session:
        rules = await project_rule(session)
    late = Situation(status=S.SECTION_81, supported_before=True, applied_in_time=False)
    kept = Situation(status=S.SECTION_81, supported_before=True, former_answer=Answer.ASK)

    unknown = Situation(status=S.SECTION_81, supported_before=True, applied_in_time=None)
    newcomer = Situation(status=S.SECTION_81, applied_in_time=None)
    tolerated = Situation(status=S.SECTION_60A, supported_before=True, applied_in_time=None)

    assert judge(rules, late, DAY).advice is A.CLEARING
    assert (judge(rules, unknown, DAY).answer, judge(rules, unknown, DAY).rule) == (Answer.ASK, None)
    assert judge(rules, newcomer, DAY).rule == "provisional-new"
    assert judge(rules, tolerated, DAY).answer is Answer.FITS
    assert (judge(rules, kept, DAY).answer, judge(rules, kept, DAY).advice) == (Answer.ASK, A.ASK)


def test_a_rule_is_dated() -> None:
    rule = SupportRule(
        id="then",
        statuses=(S.SECTION_24,),
        answer=Answer.FITS,
        advice=A.SUPPORT,
        valid_from=date(2026, 1, 1),
        valid_to=date(2026, 12, 31),
    )
    situation = Situation(status=S.SECTION_24)

    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 12, 31), date(2027, 1, 1)]
    assert [judge([rule], situation, day).rule for day in days] == [None, "then", "then", None]


def test_without_any_rule_the_answer_is_ask() -> None:
    assert judge([], Situation(status=S.SECTION_104C), DAY).answer is Answer.ASK


def test_what_holds_for_every_status_needs_no_status() -> None:
    """An answer is definite if every completion of what is unknown leads to it."""
    everybody = SupportRule(id="all", answer=Answer.FITS, advice=A.SUPPORT)

    assert judge([everybody], Situation(status=None), DAY).answer is Answer.FITS


def judged(on: date, status: ResidenceStatus, answer: Answer) -> Judged:
    """Return a judgement."""
    return Judged(on=on, occasion=JudgedAt.SENDING, status=status, answer=answer, advice=A.SUPPORT)


def test_the_former_answer_is_that_of_the_status_before() -> None:
    """What was judged under the Fiktionsbescheinigung itself is no former answer."""
    before = judged(DAY, S.SECTION_104C, Answer.FITS)
    now = judged(DAY, S.SECTION_81, Answer.ASK)

    assert former_answer([before, now], S.SECTION_81) is Answer.FITS
    assert former_answer([now], S.SECTION_81) is None


def test_only_what_has_changed_is_kept() -> None:
    """A judgement that says the same on another day is not kept twice; the first one always stays."""
    first = judged(DAY, S.SECTION_104C, Answer.FITS)
    again = judged(date(2026, 9, 1), S.SECTION_104C, Answer.FITS)
    kept = with_judgement((first,), again)
    for number in range(MOST_JUDGED + 5):
        kept = with_judgement(kept, judged(again.on, S.OTHER, (Answer.ASK, Answer.FITS)[number % 2]))

    assert with_judgement((first,), again) == (first,)
    assert (len(kept), kept[0]) == (MOST_JUDGED, first)
