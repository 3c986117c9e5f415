"""Days as numbers, so that any engine compares them."""

from __future__ import annotations

from datetime import date
from typing import Final

from search.engine import EARLIEST

LAST_DAY: Final = 2**17 - 1
"""The number of the last day that is told from later ones (in 2258)."""


def day_number(day: date) -> int:
    """Return the day's number from 1900-01-01, cut to those that are told apart."""
    return min(max((day - EARLIEST).days, 0), LAST_DAY)
