"""Opening hours: reads a subset of the OpenStreetMap ``opening_hours`` grammar, and writes it. Pure.

What is read: rules separated by ``;`` (a later rule replaces the earlier one on its days) or added with
``,``; weekdays and ranges of them (``Mo``, ``Mo-Fr``, ``Sa-Mo``, ``Mo,We``); several spans of time a day,
past midnight too (``22:00-02:00``); ``off`` and ``closed``; ``24/7``; ``PH off``, or ``PH`` among the days;
the comment ``"by appointment"`` (``"nach Vereinbarung"``), alone or after a rule.

What is refused: months, weeks, dates, school holidays, numbered weekdays, sunrise, open ends (``18:00+``),
hours of their own on public holidays, other comments, fallbacks (``||``). Stored periods say less than
that grammar can; a refusal is better than hours that are wrong.

Without a word about PH an entry counts as closed on public holidays, as German offices are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from directory.problems import InvalidInput
from directory.values import OpeningHours, OpeningPeriod

DAYS: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
LONGEST: Final = 500
DAY: Final = 24 * 60
"""Minutes of a day; spans reach into the next day up to twice that."""

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<always>24/7)
      | (?P<time>[0-9]{1,2}:[0-9]{2})(?![0-9])
      | (?P<day>Mo|Tu|We|Th|Fr|Sa|Su|PH)(?![A-Za-z])
      | (?P<word>off|closed|open)(?![A-Za-z])
      | "(?P<comment>[^"]*)"
      | (?P<sign>[-–,;:])
    )""",
    re.VERBOSE,
)
_BY_APPOINTMENT: Final = re.compile(
    r"(only )?(by|on|upon) appointment( only)?|appointment only"
    r"|(nur )?(mit |nach )?termin"
    r"|(nur )?(termine? )?nach (vereinbarung|absprache|terminvereinbarung|anmeldung)",
    re.IGNORECASE,
)
_BEYOND: Final = re.compile(
    r"\b(SH|week|easter|sunrise|sunset|dawn|dusk|unknown|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b"
    r"|\[|\+|\|\||\b[12][0-9]{3}\b"
)


class _Reader:
    """Reads tokens from left to right; ``rule`` counts the rules for the refusal."""

    def __init__(self, text: str, field: str) -> None:
        self.field = field
        self.rule = 1
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                self.rule = 1 + sum(value == ";" for _, value in self.tokens)
                raise self.refusal("hours-unsupported" if _BEYOND.search(text) else "hours")
            self.tokens.append((str(match.lastgroup), match[str(match.lastgroup)].replace("–", "-")))
            position = match.end()

    def refusal(self, reason: str) -> InvalidInput:
        return InvalidInput(self.field, reason, rule=str(self.rule))

    def ahead(self, *kinds: str) -> bool:
        """Whether the next tokens are of these kinds; a sign stands for itself."""
        found = self.tokens[self.at : self.at + len(kinds)]
        return len(found) == len(kinds) and all(
            kind == (value if token == "sign" else token)  # noqa: S105 - a kind of token, no secret
            for kind, (token, value) in zip(kinds, found, strict=True)
        )

    def take(self, kind: str) -> str:
        if not self.ahead(kind):
            raise self.refusal("hours")
        self.at += 1
        return self.tokens[self.at - 1][1]

    def took(self, kind: str) -> bool:
        if self.ahead(kind):
            self.at += 1
            return True
        return False

    def more(self) -> bool:
        return self.at < len(self.tokens)

    def days(self) -> tuple[list[int], bool]:
        """Read ``Mo-Fr,PH``: the weekdays, and whether public holidays are among them."""
        weekdays: dict[int, None] = {}
        holidays = False
        while self.ahead("day"):
            first = self.take("day")
            last = self.take("day") if self.took("-") else first
            if first == "PH" or last == "PH":
                if first != last:
                    raise self.refusal("hours")
                holidays = True
            else:
                begin = DAYS.index(first)
                length = (DAYS.index(last) - begin) % 7
                weekdays.update(dict.fromkeys((begin + n) % 7 + 1 for n in range(length + 1)))
            if not self.ahead(",", "day"):
                break
            self.take(",")
        self.took(":")
        return list(weekdays), holidays

    def minutes(self) -> int:
        hours, _, minutes = self.take("time").partition(":")
        if int(minutes) > 59 or int(hours) > 48:
            raise self.refusal("hours")
        return int(hours) * 60 + int(minutes)

    def spans(self) -> list[tuple[int, int]]:
        """Read ``08:00-12:00,13:00-16:00``; what ends before it begins ends on the next day."""
        spans: list[tuple[int, int]] = []
        while self.ahead("time"):
            opens = self.minutes()
            self.take("-")
            closes = self.minutes()
            if closes <= opens:
                closes += DAY
            if opens >= DAY or closes - opens > DAY:
                raise self.refusal("hours")
            spans.append((opens, closes))
            if not self.ahead(",", "time"):
                break
            self.take(",")
        return spans


def parse_hours(given: str, field: str = "hours", timezone: str = "Europe/Berlin") -> OpeningHours:
    """Return the opening hours that an OpenStreetMap text means.

    Raises InvalidInput: "hours-unsupported" for what the grammar knows and we do not store, "hours" for
    what cannot be read (both name the number of the rule), "hours-never" when no time at all is left.

    >>> [(p.weekday, p.opens, p.closes) for p in parse_hours("Tu 9:00-12:00, Th 14:00-18:00").periods]
    [(2, '09:00', '12:00'), (4, '14:00', '18:00')]
    """
    text = " ".join(given.split())
    if not text:
        raise InvalidInput(field, "empty")
    if len(text) > LONGEST:
        raise InvalidInput(field, "too-long", maximum=str(LONGEST))
    reader = _Reader(text, field)
    days: dict[int, list[tuple[int, int]]] = {}
    by_appointment, closed_on_holidays = False, True
    adds = False
    while reader.more():
        if reader.took("always"):
            days = {day: [(0, DAY)] for day in range(1, 8)}
            closed_on_holidays = False
        else:
            selected = reader.ahead("day")
            weekdays, holidays = reader.days()
            spans = reader.spans()
            word = reader.take("word") if reader.ahead("word") else None
            shut = word in {"off", "closed"}
            if not spans and not shut and not reader.ahead("comment"):
                raise reader.refusal("hours")
            if (shut and spans) or (holidays and not weekdays and not shut):
                raise reader.refusal("hours-unsupported")
            if holidays:
                closed_on_holidays = shut
            if spans or shut:
                for day in weekdays or (() if selected else range(1, 8)):
                    days[day] = [*days.get(day, []), *spans] if adds else spans
        if reader.ahead("comment"):
            if not _BY_APPOINTMENT.fullmatch(reader.take("comment").strip()):
                raise reader.refusal("hours-unsupported")
            by_appointment = True
        adds = reader.took(",")
        if adds and not reader.more():
            raise reader.refusal("hours")
        if not adds and reader.more():
            reader.take(";")
            reader.rule += 1
    periods = _periods(days)
    if not periods and not by_appointment:
        raise InvalidInput(field, "hours-never")
    return OpeningHours(
        osm=text,
        periods=periods,
        by_appointment=by_appointment,
        closed_on_holidays=closed_on_holidays,
        timezone=timezone,
    )


def format_hours(hours: OpeningHours) -> str:
    """Return the OpenStreetMap text of stored hours, days with equal times together.

    >>> format_hours(parse_hours("Fr 8:00-12:00; Mo-Th 8:00-16:00; PH off"))
    'Mo-Th 08:00-16:00; Fr 08:00-12:00; PH off'
    """
    by_times: dict[str, list[int]] = {}
    for day in range(1, 8):
        times = ",".join(f"{p.opens}-{p.closes}" for p in hours.periods if p.weekday == day)
        if times:
            by_times.setdefault(times, []).append(day)
    open_on_holidays = "" if hours.closed_on_holidays else ",PH"
    rules = [f"{_selector(days)}{open_on_holidays} {times}" for times, days in by_times.items()]
    if rules and hours.closed_on_holidays:
        rules.append("PH off")
    if hours.by_appointment:
        rules.append('"by appointment"')
    return "; ".join(rules)


def _selector(days: list[int]) -> str:
    runs: list[list[int]] = []
    for day in days:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(
        DAYS[run[0] - 1] if len(run) == 1 else f"{DAYS[run[0] - 1]}-{DAYS[run[-1] - 1]}" for run in runs
    )


def _periods(days: Mapping[int, Sequence[tuple[int, int]]]) -> tuple[OpeningPeriod, ...]:
    """Cut spans at midnight, and join those that touch or overlap."""
    cut: dict[int, list[tuple[int, int]]] = {}
    for day, spans in days.items():
        for opens, closes in spans:
            cut.setdefault(day, []).append((opens, min(closes, DAY)))
            if closes > DAY:
                cut.setdefault(day % 7 + 1, []).append((0, closes - DAY))
    periods = []
    for day in sorted(cut):
        joined: list[tuple[int, int]] = []
        for opens, closes in sorted(cut[day]):
            if joined and opens <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], closes))
            else:
                joined.append((opens, closes))
        periods += [OpeningPeriod(weekday=day, opens=_wall(o), closes=_wall(c)) for o, c in joined]
    return tuple(periods)


def _wall(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
