"""The project's rule for its own support, judged for one person on one day (DESIGN section 1).

Pure. The rule is dated data (table ``project_rule``), not code. It governs Spurwechsel support only; every
service has rules of its own. Eligibility is judged at intake and at sending; a later change ends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

from directory.values import Texts, Value
from directory.vocabulary import Answer, ResidenceStatus
from referrals.vocabulary import SupportAdvice


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


class Situation(Value, frozen=True, kw_only=True):
    """What of a person decides: the status, and whether they were supported before it changed.

    ``applied_in_time`` matters for a Fiktionsbescheinigung only. ``former_answer`` is what was judged before.
    """

    status: ResidenceStatus | None
    supported_before: bool = False
    applied_in_time: bool = True
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


def judge(rules: Iterable[SupportRule], situation: Situation, on: date) -> Verdict:
    """Return the verdict of the first line that applies on this day; unknown is never "no"."""
    if situation.status is None:
        return STATUS_UNKNOWN
    kept = situation.supported_before and situation.applied_in_time
    for rule in rules:
        if rule.statuses and situation.status not in rule.statuses:
            continue
        if rule.supported_before is not None and rule.supported_before is not kept:
            continue
        if (rule.valid_from is not None and on < rule.valid_from) or (
            rule.valid_to is not None and on > rule.valid_to
        ):
            continue
        answer, advice = rule.answer, rule.advice
        if rule.supported_before and situation.former_answer not in (None, answer):
            answer, advice = situation.former_answer or answer, SupportAdvice.ASK
        return Verdict(
            answer=answer,
            advice=advice,
            reason=rule.reason,
            legal_basis=rule.legal_basis,
            rule=rule.id,
        )
    return NOT_COVERED
