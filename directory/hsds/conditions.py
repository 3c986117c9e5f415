"""Rules of eligibility in the words of HSDS: a text for people, ages, and attributes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum

import msgspec

from directory.documents import ServiceDocument
from directory.hsds import shapes
from directory.hsds.listing import words_that_may_fit
from directory.hsds.parts import Reading, attribute, from_to
from directory.hsds.terms import (
    word_label,
    word_term,
)
from directory.hsds.territories import territory_name
from directory.values import (
    EligibilityRule,
    MunicipalitySummary,
)
from directory.vocabulary import (
    Answer,
    Gender,
    LegalCircle,
    ResidenceStatus,
    Responsibility,
)


def criteria(rule: EligibilityRule, municipality: MunicipalitySummary, reading: Reading) -> str:
    """Return whom a rule is about, as a text for people."""
    language = reading.label_language
    parts = [
        ", ".join(word_label(word, language) for word in words)
        for words in (rule.statuses, rule.legal_circles, rule.genders)
        if words
    ]
    if rule.work_permission:
        permissions = ", ".join(word_label(word, language) for word in rule.work_permission)
        parts.append(f"{reading.say('work')}: {permissions}")
    if rule.age_from is not None or rule.age_to is not None:
        parts.append(f"{reading.say('age')} {from_to(rule.age_from, rule.age_to, reading)}")
    if rule.level_from is not None or rule.level_to is not None:
        parts.append(f"{reading.say('german')} {from_to(rule.level_from, rule.level_to, reading)}")
    if rule.residence:
        name = reading.text(municipality.name) or ""
        places = ", ".join(territory_name(key, municipality, name) for key in rule.residence)
        parts.append(f"{reading.say('residence')}: {places}")
    return "; ".join(parts) or reading.say("everybody")


def _dates(rule: EligibilityRule, reading: Reading) -> str:
    begins = rule.valid_from if rule.valid_from is not None and rule.valid_from > reading.today else None
    if begins is None and rule.valid_to is None:
        return ""
    return f" ({from_to(begins, rule.valid_to, reading)})"


def eligibility_description(
    rules: Sequence[EligibilityRule],
    responsibility: Responsibility,
    municipality: MunicipalitySummary,
    reading: Reading,
) -> str | None:
    """Return the rules that hold today or later as a text for people; None when nothing is known."""
    lines = []
    for rule in rules:
        if rule.valid_to is not None and rule.valid_to < reading.today:
            continue
        answer = word_label(rule.answer, reading.label_language)
        line = f"{answer[:1].upper()}{answer[1:]}: {criteria(rule, municipality, reading)}"
        line += f"{_dates(rule, reading)}."
        reason = reading.text(rule.reason)
        if reason:
            line += f" {reason}"
        if rule.legal_basis:
            line += f" ({rule.legal_basis})"
        lines.append(line)
    if lines:
        lines.append(reading.say("otherwise"))
    if responsibility is Responsibility.BY_RESIDENCE:
        lines.append(reading.say("by_residence"))
    return "\n".join(lines) or None


def ages(rules: Iterable[EligibilityRule], today: date) -> tuple[int | None, int | None]:
    """Return (minimum, maximum) age: what rules exclude for everybody today; silence is no "no"."""
    lowest = highest = None
    for rule in rules:
        if (rule.valid_from is not None and rule.valid_from > today) or (
            rule.valid_to is not None and rule.valid_to < today
        ):
            continue
        only_age = not (
            rule.statuses
            or rule.work_permission
            or rule.level_from
            or rule.level_to
            or rule.residence
            or rule.legal_circles
            or rule.genders
        )
        if not (only_age and rule.answer is Answer.DOES_NOT_FIT):
            break  # a rule before the exclusion may answer otherwise for some of those whom it excludes
        if rule.age_from is None and rule.age_to is not None:
            lowest = max(lowest or 0, rule.age_to + 1)
        elif rule.age_to is None and rule.age_from is not None:
            highest = rule.age_from - 1 if highest is None else min(highest, rule.age_from - 1)
    return lowest, highest


def eligible_attributes(document: ServiceDocument, reading: Reading) -> tuple[shapes.Attribute, ...]:
    """Return an attribute for each status, legal circle and gender that may fit, with the conditions."""
    fits = word_label(Answer.FITS, reading.label_language)
    return tuple(
        attribute(
            "service",
            document.id,
            link_type="eligibility",
            term=word_term(word, reading.label_language),
            value=" / ".join(
                dict.fromkeys(f"{fits}{_conditions(word, rule, document, reading)}" for rule in rules)
            ),
        )
        for word, rules in words_that_may_fit(document.eligibility).items()
    )


def _conditions(word: StrEnum, rule: EligibilityRule, document: ServiceDocument, reading: Reading) -> str:
    """Return what must be met beside the word itself, and when."""
    others = msgspec.structs.replace(
        rule,
        statuses=() if isinstance(word, ResidenceStatus) else rule.statuses,
        legal_circles=() if isinstance(word, LegalCircle) else rule.legal_circles,
        genders=() if isinstance(word, Gender) else rule.genders,
    )
    said = criteria(others, document.municipality, reading)
    conditions = "" if said == reading.say("everybody") else f"; {said}"
    if rule.valid_from is not None or rule.valid_to is not None:
        conditions += f" ({from_to(rule.valid_from, rule.valid_to, reading)})"
    return conditions
