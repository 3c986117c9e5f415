"""Ranges of days as index terms, so that "which rule applies on a day" is a lookup of terms in any engine.

A range is covered by a few blocks of 1, 2, 4, … days that start at a multiple of their size; a day lies in
one block of each size. So a dated rule costs few terms, an undated one costs one, and a day asks for 18.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from directory.values import EligibilityRule
from directory.vocabulary import Answer, ResidenceStatus
from search.engine import EARLIEST
from search.matching import deciding_rule

SIZES: Final = 17
"""The largest block has 2**17 days: from 1900 to 2258."""

LAST_DAY: Final = 2**SIZES - 1


def day_number(day: date) -> int:
    """Return the day's number from 1900-01-01, cut to the days that blocks cover."""
    return min(max((day - EARLIEST).days, 0), LAST_DAY)


def blocks(first: int, last: int) -> Iterator[str]:
    """Yield the fewest blocks that cover the days from ``first`` to ``last`` and no other.

    >>> list(blocks(0, LAST_DAY)), list(blocks(5, 8))
    (['17.0'], ['0.5', '1.3', '0.8'])
    """
    while first <= last:
        size = 0
        while size < SIZES and first % 2 ** (size + 1) == 0 and first + 2 ** (size + 1) - 1 <= last:
            size += 1
        yield f"{size}.{first >> size}"
        first += 2**size


def blocks_of(day: date) -> list[str]:
    """Return the blocks that a day lies in, one of each size."""
    number = day_number(day)
    return [f"{size}.{number >> size}" for size in range(SIZES + 1)]


def answers(rules: tuple[EligibilityRule, ...], status: ResidenceStatus) -> Iterator[tuple[int, int, Answer]]:
    """Yield (first day, last day, answer) where the rules decide; between them nothing is known."""
    own = [rule for rule in rules if status in rule.statuses]
    starts = {0}
    for rule in own:
        if rule.valid_from is not None:
            starts.add(day_number(rule.valid_from))
        if rule.valid_to is not None:
            starts.add(day_number(rule.valid_to) + 1)
    ordered = sorted(start for start in starts if start <= LAST_DAY)
    for first, following in zip(ordered, [*ordered[1:], LAST_DAY + 1], strict=True):
        deciding = deciding_rule(tuple(own), status, date.fromordinal(EARLIEST.toordinal() + first))
        if deciding is not None:
            yield first, following - 1, deciding.answer
