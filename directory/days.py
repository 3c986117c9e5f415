"""Days where the network works: they begin and end at midnight in Germany, whatever a moment's zone. Pure."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

ZONE: Final = ZoneInfo("Europe/Berlin")
"""The zone in which the network's days begin and end, and its clocks count."""


def local_day(moment: datetime) -> date:
    """Return the day that it is in the network at a moment (with its zone)."""
    return moment.astimezone(ZONE).date()
