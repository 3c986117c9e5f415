"""From filters and situations to filters of Meilisearch: the rules of ``search.queries``.

Values are always quoted; nothing that a person typed is ever read as syntax.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from directory.courses import CourseFilter
from directory.eligibility import LEVELS, Profile, territory
from directory.vocabulary import Answer, CapacityState, Gender
from search.cells import Circle
from search.days import day_number
from search.engine import Filters
from search.fields import prefixes
from search.matching import Situation
from search.meili.fields import BOTH, SERVICE
from search.queries import RuleSets, Runs

SERVICES: Final = f'meta = "{SERVICE}"'
NOTHING: Final = 'meta = "nothing"'
"""A condition that no document meets."""


def quoted(value: str) -> str:
    """Return a value as text of a filter, whatever is in it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_any(field: str, values: Sequence[str]) -> str:
    """Return the condition that a field has any of these values."""
    if not values:
        return NOTHING
    if len(values) == 1:
        return is_one(field, values[0])
    return f"{field} IN [{', '.join(quoted(value) for value in values)}]"


def is_one(field: str, value: str) -> str:
    """Return the condition that a field has this value."""
    return f"{field} = {quoted(value)}"


def has_stem(stems: Sequence[str]) -> str:
    """Return the condition that a service has any of these stems."""
    return either([is_any("stems", stems), is_any(BOTH, stems)])


def has_word(words: Sequence[str]) -> str:
    """Return the condition that a service has any of these words."""
    return either([is_any("words", words), is_any(BOTH, words)])


def has_word_like(start: str) -> str:
    """Return the condition that a service has a word that begins like this."""
    return either([f"{field} STARTS WITH {quoted(start)}" for field in ("words", BOTH)])


def has_form(form: str, value: str) -> str:
    """Return the condition that a service has this among its ``words``, or its ``stems``."""
    return either([is_one(form, value), is_one(BOTH, value)])


def either(conditions: Sequence[str]) -> str:
    """Return the condition that one of these is met, no longer than need be: the server reads it twice."""
    if len(conditions) == 1:
        return conditions[0]
    return f"({' OR '.join(conditions)})" if conditions else NOTHING


def every(conditions: Sequence[str]) -> str:
    """Return the condition that all of these are met."""
    if len(conditions) == 1:
        return conditions[0]
    return f"({' AND '.join(conditions)})" if conditions else SERVICES


def but_not(condition: str, unwanted: Sequence[str]) -> str:
    """Return the condition that one is met and none of the unwanted."""
    return every([condition, *(f"NOT {one}" for one in unwanted)])


class Known(msgspec.Struct, frozen=True):
    """The different values that an index has, as far as conditions are judged on them."""

    rules: tuple[tuple[str, str], ...] = ()
    run: tuple[str, ...] = ()
    exams: tuple[str, ...] = ()


class Judged:
    """What is known of an index, ready to be asked."""

    def __init__(self, known: Known) -> None:
        self.exams = known.exams
        self.runs = Runs(known.run)
        self._sets = RuleSets([rules for _, rules in known.rules])
        self._keys: dict[str, list[str]] = {}
        for key, rules in known.rules:
            self._keys.setdefault(rules, []).append(key)

    def rules(self, person: Profile, day: date, answer: Answer) -> list[str]:
        """Return the keys of the rule sets that give this answer."""
        found = self._sets.with_answer(person, day, answer)
        return [key for rules in found for key in self._keys[rules]]


def needs_known(filters: Filters, situation: Situation | None) -> bool:
    """Whether the conditions depend on what values an index has."""
    return situation is not None or filters.residence is not None or filters.course is not None


def known_capacity(states: Sequence[str], day: date) -> str:
    """Return the condition that the capacity is known to be one of these on a day."""
    return every([is_any("capacity", states), f"capacity_until >= {day_number(day)}"])


def _by_rules(known: Judged, person: Profile, day: date, answer: Answer) -> str:
    return is_any("rules", known.rules(person, day, answer))


def _no_run(runs: Sequence[str]) -> str:
    return but_not(is_one("course", "dated"), [is_any("run", runs)])


def conditions(filters: Filters, known: Judged, circle: Circle) -> list[str]:
    """Return what every hit must meet; ``circle``: what of the index lies within ``filters.near``."""
    made = [
        is_any(field, [str(value) for value in values])
        for field, values in (
            ("kind", filters.kinds),
            ("topic_or_above", filters.topics),
            ("speaks", filters.languages),
            ("partner_kind", filters.partner_kinds),
        )
        if values
    ]
    if filters.residence is not None:
        asked, person = filters.residence, Profile(status=filters.residence.status)
        if asked.fits_only:
            made.append(_by_rules(known, person, asked.on, Answer.FITS))
        else:
            made.append(f"NOT {_by_rules(known, person, asked.on, Answer.DOES_NOT_FIT)}")
    if filters.municipality is not None:
        made.append(f"municipality STARTS WITH {quoted(territory(filters.municipality))}")
    if filters.near is not None:
        made.append(either([is_any("cell", circle.cells), is_any("point", circle.places)]))
    if filters.open_capacity_on is not None:
        made.append(known_capacity([CapacityState.OPEN, CapacityState.FEW], filters.open_capacity_on))
    if filters.course is not None:
        made.append(but_not(is_one("course", "course"), _not_in_course(filters.course, known)))
    return made


def _not_in_course(wanted: CourseFilter, known: Judged) -> list[str]:
    different: list[str] = []
    if wanted.level_from is not None:
        different.append(f"level_from > {LEVELS[wanted.level_from]}")
    if wanted.level_to is not None:
        different.append(f"level_to < {LEVELS[wanted.level_to]}")
    if not (wanted.starts_after is wanted.ends_before is wanted.bookable_on is None):
        first = [day for day in (wanted.starts_after, wanted.bookable_on) if day is not None]
        runs = known.runs.among(
            begins_from=max(first, default=None),
            apply_from=wanted.bookable_on,
            ends_until=wanted.ends_before,
            full=wanted.bookable_on is None,
        )
        different.append(_no_run(runs))
    if wanted.childcare is not None:
        different.append(is_one("course_childcare", "no" if wanted.childcare else "yes"))
    if wanted.women_only is not None:
        different.append(is_one("course_women_only", "no" if wanted.women_only else "yes"))
    if wanted.format is not None:
        # HYBRID is on site and online, so it differs from neither.
        others = {"ON_SITE", "ONLINE", "HYBRID"} - {wanted.format, "HYBRID"}
        different.append(is_any("course_format", sorted(others)))
    if wanted.access:
        ways = is_any("course_access", sorted(wanted.access))
        different.append(but_not(is_one("course", "access"), [ways]))
    if wanted.exam is not None:
        part = wanted.exam.strip().casefold()
        different.append(is_any("course_exam", [exam for exam in known.exams if part not in exam]))
    if wanted.cost_at_most is not None:
        different.append(f"course_cost > {wanted.cost_at_most}")
    return different


def misfits(situation: Situation, known: Judged) -> list[str]:
    """Return what is known not to fit a situation: the same rules as ``search.matching``, as conditions."""
    wrong = [_by_rules(known, situation.profile, situation.on, Answer.DOES_NOT_FIT)]
    if situation.residence is not None:
        home = territory(situation.residence)
        right = [f"covers:{prefix}" for prefix in prefixes(home)]
        wrong.append(but_not(is_one("duty", "by-residence"), [is_any("duty", [*right, f"part:{home}"])]))
    for level in (situation.level, situation.wished_level):
        if level is not None:
            wrong += [f"level_from > {LEVELS[level]}", f"level_to < {LEVELS[level]}"]
    can_start = situation.on
    if situation.starts_from is not None:
        can_start = max(can_start, situation.starts_from)
    runs = known.runs.among(
        begins_from=can_start, apply_from=situation.on, ends_until=situation.status_valid_until
    )
    wrong.append(_no_run(runs))
    if situation.childcare:
        wrong.append(is_one("course_childcare", "no"))
    if situation.women_only:
        wrong.append(is_one("course_women_only", "no"))
    if situation.gender is Gender.MAN:
        wrong.append(is_one("course_women_only", "yes"))
    if situation.occupation is not None:
        competent = is_one("occupation", f"esco:{situation.occupation}")
        wrong.append(but_not(is_one("occupation", "some"), [competent]))
    if situation.place_needed:
        full = known_capacity([CapacityState.NONE], situation.on)
        wrong.append(every([full, is_one("full", "no-waiting-list")]))
    return wrong
