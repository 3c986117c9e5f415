"""Whether a person fits a service's own rules on a day: fits, does not fit, or ask the partner, and why.

Pure: rules and plain values in, a judgement out. Of a person anything may be unknown, and unknown is never
"no": an answer is definite only if every completion of what is unknown gives that answer. For that the people
who are still possible are kept as boxes, one set of representative values per criterion: each rule takes the
people whom it applies to out of them, in order, because the first rule that applies decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, Final, TypeAlias

from directory.values import Age, EligibilityRule, TerritoryKey, Texts, Value
from directory.vocabulary import (
    Answer,
    CefrLevel,
    EligibilityCriterion,
    Gender,
    LegalCircle,
    ResidenceStatus,
    WorkPermission,
)

MOST_BOXES: Final = 2_000
"""From so many boxes on the answer is ASK: rules that need more are beyond what anybody can explain."""

LEVELS: Final = {level: number for number, level in enumerate(CefrLevel)}
"""CEFR levels in order: A0 is 0."""

OLDEST: Final = 120
"""Highest age that counts, in completed years."""


class Profile(Value, frozen=True, kw_only=True):
    """What is known of a person; None, an empty tuple and WorkPermission.ASK mean "not known".

    ``age`` in completed years; ``level`` of German; ``residence``: ARS of the home (Wohnort), a prefix when
    no more is known; ``legal_circles``: all that apply (somebody may have SGB II and SGB III at once).
    """

    status: ResidenceStatus | None = None
    work_permission: WorkPermission | None = None
    age: Age | None = None
    level: CefrLevel | None = None
    residence: TerritoryKey | None = None
    legal_circles: tuple[LegalCircle, ...] = ()
    gender: Gender | None = None


class RuleJudgement(Value, frozen=True, kw_only=True):
    """What a service's rules say of a person on a day, and why.

    ``rules``: positions of the rules that decide, or, when that depends on what is unknown, that may decide;
    empty when none applies. ``missing``: what would have to be known for a definite answer. ``criteria``:
    what the answer rests on: the criteria of the rule that decides; for one that is for everybody else,
    those of the rules before it that are not met. ``reason`` and ``legal_basis`` are the first deciding
    rule's own.
    """

    answer: Answer
    rules: tuple[int, ...] = ()
    criteria: tuple[EligibilityCriterion, ...] = ()
    missing: tuple[EligibilityCriterion, ...] = ()
    reason: Texts = {}
    legal_basis: str | None = None


_TERRITORY_LEVELS: Final = (2, 3, 5, 9)
"""Digits of the key of a land, a government district, a district and an association of municipalities."""


def territory(key: str) -> str:
    """Return the shortest key for a territory: what is filled up with zeros means the level above.

    A district-free city's twelve digits mean its five, a land's twelve its two. (Only Berlin and Hamburg have
    000 where others have a district: there the land is the city.)

    >>> territory("120520000000"), territory("120605003024"), territory("120000000000"), territory("11000")
    ('12052', '120605003024', '12', '11')
    """
    for level in _TERRITORY_LEVELS:
        if len(key) > level and not key[level:].strip("0"):
            return key[:level]
    return key


def is_municipality_key(key: str) -> bool:
    """Whether a key is a municipality's in its short form (AGS): of eight digits, and no district's.

    Regional keys (ARS) end after 2, 3, 5, 9 or 12 digits. What the short form leaves out is the association
    of municipalities (Amt), which cannot be told from it; a district-free city's ends in zeros.

    >>> is_municipality_key("12071304"), is_municipality_key("12052000"), is_municipality_key("12071")
    (True, False, False)
    """
    return len(key) == _AGS and territory(key) == key


_AGS: Final = 8

_ELSEWHERE: Final = "~"
"""Ends the representative of a place that no rule names: no key has such a sign."""

_Representatives: TypeAlias = Callable[[Sequence[EligibilityRule], Profile], Sequence[Any]]
_Meets: TypeAlias = Callable[[EligibilityRule, Any], bool]


def _statuses(rules: Sequence[EligibilityRule], person: Profile) -> Sequence[Any]:
    return tuple(ResidenceStatus) if person.status is None else (person.status,)


def _permissions(rules: Sequence[EligibilityRule], person: Profile) -> Sequence[Any]:
    if person.work_permission in {None, WorkPermission.ASK}:
        return WorkPermission.YES, WorkPermission.WITH_PERMISSION, None  # None: may not work at all
    return (person.work_permission,)


def _ages(rules: Sequence[EligibilityRule], person: Profile) -> Sequence[Any]:
    if person.age is not None:
        return (person.age,)
    edges = {0}
    for rule in rules:
        if rule.age_from is not None:
            edges.add(rule.age_from)
        if rule.age_to is not None and rule.age_to < OLDEST:
            edges.add(rule.age_to + 1)
    return tuple(sorted(edges))


def _levels(rules: Sequence[EligibilityRule], person: Profile) -> Sequence[Any]:
    return tuple(CefrLevel) if person.level is None else (person.level,)


def _homes(rules: Sequence[EligibilityRule], person: Profile) -> Sequence[Any]:
    known = "" if person.residence is None else territory(person.residence)
    within = {territory(area) for rule in rules for area in rule.residence}
    # Below a known prefix: in each smaller area that a rule names but in none inside it, or in none of them.
    return tuple(
        f"{area}{_ELSEWHERE}" for area in sorted({known, *(a for a in within if a.startswith(known))})
    )


def _circles(rules: Sequence[EligibilityRule], person: Profile) -> Sequence[Any]:
    # One circle each is enough: the first rule for several circles is the first one for one of them.
    return (person.legal_circles,) if person.legal_circles else tuple((one,) for one in LegalCircle)


def _genders(rules: Sequence[EligibilityRule], person: Profile) -> Sequence[Any]:
    return tuple(Gender) if person.gender is None else (person.gender,)


def _in_ages(rule: EligibilityRule, age: int) -> bool:
    return (rule.age_from is None or rule.age_from <= age) and (rule.age_to is None or age <= rule.age_to)


def _in_levels(rule: EligibilityRule, level: CefrLevel) -> bool:
    return (rule.level_from is None or LEVELS[rule.level_from] <= LEVELS[level]) and (
        rule.level_to is None or LEVELS[level] <= LEVELS[rule.level_to]
    )


_C = EligibilityCriterion
_DIMENSIONS: Final[tuple[tuple[EligibilityCriterion, _Representatives, _Meets], ...]] = (
    (_C.RESIDENCE_STATUS, _statuses, lambda rule, value: not rule.statuses or value in rule.statuses),
    (
        _C.WORK_PERMISSION,
        _permissions,
        lambda rule, value: not rule.work_permission or value in rule.work_permission,
    ),
    (_C.AGE, _ages, _in_ages),
    (_C.LANGUAGE_LEVEL, _levels, _in_levels),
    (
        _C.PLACE_OF_RESIDENCE,
        _homes,
        lambda rule, value: not rule.residence or any(value.startswith(territory(a)) for a in rule.residence),
    ),
    (
        _C.LEGAL_CIRCLE,
        _circles,
        lambda rule, value: not rule.legal_circles or any(one in rule.legal_circles for one in value),
    ),
    (_C.GENDER, _genders, lambda rule, value: not rule.genders or value in rule.genders),
)

_Box: TypeAlias = tuple[frozenset[int], ...]
"""Per criterion the representatives (by number) that are still possible; a person is one of each."""


def criteria_of(rule: EligibilityRule) -> tuple[EligibilityCriterion, ...]:
    """Return what a rule asks for."""
    asked = (
        bool(rule.statuses),
        bool(rule.work_permission),
        rule.age_from is not None or rule.age_to is not None,
        rule.level_from is not None or rule.level_to is not None,
        bool(rule.residence),
        bool(rule.legal_circles),
        bool(rule.genders),
    )
    return tuple(name for (name, _, _), is_asked in zip(_DIMENSIONS, asked, strict=True) if is_asked)


def judge_rules(rules: Iterable[EligibilityRule], person: Profile, on: date) -> RuleJudgement:
    """Return what the rules say of a person on a day; ASK when no rule applies, or it is not known which."""
    holding = [(position, rule) for position, rule in enumerate(rules) if rule.in_force(on)]
    only = [rule for _, rule in holding]
    values = [representatives(only, person) for _, representatives, _ in _DIMENSIONS]
    boxes: list[_Box] = [tuple(frozenset(range(len(some))) for some in values)]
    deciding: list[tuple[int, EligibilityRule, _Box]] = []
    for position, rule in holding:
        met: _Box = tuple(
            frozenset(number for number, value in enumerate(some) if meets(rule, value))
            for some, (_, _, meets) in zip(values, _DIMENSIONS, strict=True)
        )
        if not all(met):
            continue
        rest: list[_Box] = []
        applies = False
        for box in boxes:
            common = tuple(one & other for one, other in zip(box, met, strict=True))
            if not all(common):
                rest.append(box)
                continue
            applies = True
            for number, inside in enumerate(common):
                if outside := box[number] - inside:
                    rest.append((*common[:number], outside, *box[number + 1 :]))
        if applies:
            deciding.append((position, rule, met))
        boxes = rest
        if not boxes or len(boxes) > MOST_BOXES:
            break
    return _judgement(holding, deciding, boxes, values)


def _judgement(
    holding: Sequence[tuple[int, EligibilityRule]],
    deciding: Sequence[tuple[int, EligibilityRule, _Box]],
    left: Sequence[_Box],
    values: Sequence[Sequence[Any]],
) -> RuleJudgement:
    answers = {rule.answer for _, rule, _ in deciding} | ({Answer.ASK} if left else set())
    positions = tuple(position for position, _, _ in deciding)
    if not deciding:
        return RuleJudgement(answer=Answer.ASK, criteria=_not_met(holding, values))
    if len(answers) > 1:
        unsure = {
            name
            for _, rule, met in deciding
            for (name, _, _), some, inside in zip(_DIMENSIONS, values, met, strict=True)
            if len(inside) < len(some)
        }
        return RuleJudgement(
            answer=Answer.ASK,
            rules=positions,
            missing=tuple(name for name, _, _ in _DIMENSIONS if name in unsure),
        )
    position, rule, _ = deciding[0]
    before = [(number, one) for number, one in holding if number < position]
    return RuleJudgement(
        answer=rule.answer,
        rules=positions,
        criteria=criteria_of(rule) or _not_met(before, values),
        reason=rule.reason,
        legal_basis=rule.legal_basis,
    )


def _not_met(
    rules: Sequence[tuple[int, EligibilityRule]], values: Sequence[Sequence[Any]]
) -> tuple[EligibilityCriterion, ...]:
    """Return the criteria of these rules that the person does not meet, whatever is unknown."""
    return tuple(
        name
        for some, (name, _, meets) in zip(values, _DIMENSIONS, strict=True)
        if any(not any(meets(rule, value) for value in some) for _, rule in rules)
    )
