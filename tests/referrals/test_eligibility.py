"""The project's rule for its own support, as the presentation tells it (DESIGN section 1)."""

from datetime import date

import pytest

from directory.actors import ANONYMOUS
from directory.database import Database
from directory.vocabulary import Answer, ResidenceStatus
from referrals.clients import support_rules
from referrals.eligibility import Situation, SupportRule, judge
from referrals.vocabulary import SupportAdvice

S, A = ResidenceStatus, SupportAdvice
DAY = date(2026, 8, 3)


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
        rules = await support_rules(session, None)
    verdict = judge(rules, Situation(status=status, supported_before=supported), DAY)

    assert (verdict.answer, verdict.advice) == (answer, advice)
    assert set(verdict.reason) == {"de", "en"}


async def test_who_applied_too_late_goes_through_clearing(database: Database) -> None:
    async with database.view(ANONYMOUS) as session:
        rules = await support_rules(session, None)
    late = Situation(status=S.SECTION_81, supported_before=True, applied_in_time=False)
    kept = Situation(status=S.SECTION_81, supported_before=True, former_answer=Answer.ASK)

    assert judge(rules, late, DAY).advice is A.CLEARING
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
