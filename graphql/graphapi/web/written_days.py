"""Days and times as people write them: what a picker sends (2026-12-31), and what Germans type (31.12.2026).

Browsers without a picker, and people who paste, send the second. Other orders (12/31/2026, 31/12/26) are
read by nobody alike and are refused: a wrong day is worse than a second try.

>>> read_day("31.12.2026"), read_day("2026-12-31"), read_day("12/31/2026"), read_day("31.02.2026")
(datetime.date(2026, 12, 31), datetime.date(2026, 12, 31), None, None)
>>> str(read_moment("31.12.2026, 9:30 Uhr")), read_moment("31.12.2026")
('2026-12-31 09:30:00+01:00', None)
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final

from directory.days import ZONE

_ISO: Final = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_GERMAN: Final = r"(?P<day>[0-9]{1,2})\. ?(?P<month>[0-9]{1,2})\. ?(?P<year>[0-9]{4})"
_TIME: Final = (
    r"(?:T|,? )(?P<hour>[0-9]{1,2})[:.](?P<minute>[0-9]{2})(?:[:][0-9]{2}(?:\.[0-9]{1,6})?)?(?: Uhr)?"
)
_DAYS: Final = (re.compile(_ISO), re.compile(_GERMAN))
_MOMENTS: Final = (re.compile(_ISO + _TIME), re.compile(_GERMAN + _TIME))


def read_day(written: str) -> date | None:
    """Return a day that was entered; None for what is none."""
    found = _found(_DAYS, written)
    return found and found.date()


def read_moment(written: str) -> datetime | None:
    """Return a time on the network's walls, to the minute; None for what is none."""
    return _found(_MOMENTS, written)


def _found(forms: tuple[re.Pattern[str], ...], written: str) -> datetime | None:
    text = " ".join(written.split())
    match = next((match for form in forms if (match := form.fullmatch(text))), None)
    if match is None:
        return None
    try:
        numbers = {name: int(number) for name, number in match.groupdict().items()}
        return datetime(
            numbers["year"],
            numbers["month"],
            numbers["day"],
            numbers.get("hour", 0),
            numbers.get("minute", 0),
            tzinfo=ZONE,
        )
    except ValueError:  # 31.02., 25:00
        return None
