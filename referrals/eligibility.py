"""The project's rule for its own support, judged for one person on one day (DESIGN section 1).

Pure. The rule is dated data (table ``rule_set``), not code. It governs Spurwechsel support only; every
service has rules of its own. Eligibility is judged at intake and at sending; a later change ends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import product
from typing import Final
from uuid import UUID

from directory.values import Texts, Value
from directory.vocabulary import Answer, ResidenceStatus
from referrals.vocabulary import JudgedAt, SupportAdvice


class SupportRule(Value, frozen=True, kw_only=True):
    """One line of the rule: for these statuses (empty: any), between two dates (both inclusive).

    ``supported_before`` None applies to everybody, else only to who was (and applied in time) or was not.
    """

    id: str
    statuses: tuple[ResidenceStatus, ...] = ()
    supported_before: bool | None = None
    answer: Answer
    advice: SupportAdvice
    reason: Texts = {}
    legal_basis: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None


class Judged(Value, frozen=True, kw_only=True):
    """What the rule said of a person on an occasion: kept, so that a later change does not take it back.

    ``rule``: the line that decided; ``rule_set``: the version of the rule.
    """

    on: date
    occasion: JudgedAt
    status: ResidenceStatus | None = None
    answer: Answer
    advice: SupportAdvice
    rule: str | None = None
    rule_set: UUID | None = None


class Situation(Value, frozen=True, kw_only=True):
    """What of a person decides: the status, and whether they were supported before it changed.

    ``applied_in_time`` (None: not known) matters for a Fiktionsbescheinigung only. ``former_answer`` is what
    was judged before.
    """

    status: ResidenceStatus | None
    supported_before: bool = False
    applied_in_time: bool | None = True
    former_answer: Answer | None = None


class Verdict(Value, frozen=True, kw_only=True):
    """The answer, what is advised, and why; ``rule`` is None when no line of the rule applies."""

    answer: Answer
    advice: SupportAdvice
    reason: Texts
    legal_basis: str | None = None
    rule: str | None = None


NOT_COVERED: Final = Verdict(
    answer=Answer.ASK,
    advice=SupportAdvice.ASK,
    reason={
        "de": "Die Projektregel sagt dazu nichts; bitte bei der Koordination nachfragen.",
        "en": "The project's rule says nothing about this; please ask the coordination.",
    },
)
STATUS_UNKNOWN: Final = Verdict(
    answer=Answer.ASK,
    advice=SupportAdvice.CLEARING,
    reason={
        "de": "Der Aufenthaltsstatus ist nicht bekannt; er wird im Clearing geklärt.",
        "en": "The residence status is not known; clearing finds it out.",
    },
)
IN_TIME_UNKNOWN: Final = Verdict(
    answer=Answer.ASK,
    advice=SupportAdvice.CLEARING,
    reason={
        "de": "Ob die Verlängerung rechtzeitig beantragt wurde, ist nicht bekannt; bitte klären.",
        "en": "Whether the extension was applied for in time is not known; please find out.",
    },
    legal_basis="§ 81 Abs. 4 AufenthG",
)


def judge(rules: Iterable[SupportRule], situation: Situation, on: date) -> Verdict:
    """Return what the first line says that applies on this day.

    Unknown is never "no": what depends on something unknown is asked, and only if every completion leads to
    the same answer and advice does that stand.
    """
    lines = [rule for rule in rules if _holds(rule, on)]
    statuses = tuple(ResidenceStatus) if situation.status is None else (situation.status,)
    in_time = (True, False) if situation.applied_in_time is None else (situation.applied_in_time,)
    verdicts = [
        _first(lines, status, situation.supported_before and applied, situation.former_answer)
        for status, applied in product(statuses, in_time)
    ]
    if len({(verdict.answer, verdict.advice) for verdict in verdicts}) == 1:
        return verdicts[0]
    return STATUS_UNKNOWN if situation.status is None else IN_TIME_UNKNOWN


def _holds(rule: SupportRule, on: date) -> bool:
    return (rule.valid_from is None or rule.valid_from <= on) and (
        rule.valid_to is None or on <= rule.valid_to
    )


def _first(
    lines: Sequence[SupportRule], status: ResidenceStatus, kept: bool, former: Answer | None
) -> Verdict:
    for rule in lines:
        if rule.statuses and status not in rule.statuses:
            continue
        if rule.supported_before is not None and rule.supported_before is not kept:
            continue
        answer, advice = rule.answer, rule.advice
        if rule.supported_before and former is not None and former is not answer:
            answer, advice = former, SupportAdvice.ASK
        return Verdict(
            answer=answer,
            advice=advice,
            reason=rule.reason,
            legal_basis=rule.legal_basis,
            rule=rule.id,
        )
    return NOT_COVERED


def former_answer(judged: Sequence[Judged], status: ResidenceStatus | None) -> Answer | None:
    """Return what was last judged under another status than the present one; None if nothing was."""
    return next((one.answer for one in reversed(judged) if one.status is not status), None)


def with_judgement(judged: Sequence[Judged], new: Judged) -> tuple[Judged, ...]:
    """Return the judgements with a new one, left out if nothing but the day has changed since the last.

    At most MOST_JUDGED are kept: the first, and the latest.
    """
    if judged:
        last = judged[-1]
        if (last.status, last.answer, last.advice, last.rule, last.rule_set) == (
            new.status,
            new.answer,
            new.advice,
            new.rule,
            new.rule_set,
        ):
            return tuple(judged)
    longer = (*judged, new)
    return longer if len(longer) <= MOST_JUDGED else (longer[0], *longer[-(MOST_JUDGED - 1) :])


MOST_JUDGED: Final = 50
"""How many judgements are kept of one person."""
