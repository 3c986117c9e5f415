"""Days and times as people type them: German and as a picker sends them; whatever is ambiguous is refused."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphapi.web.written_days import read_day, read_moment


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-12-31", date(2026, 12, 31)),
        ("31.12.2026", date(2026, 12, 31)),
        ("1.2.2027", date(2027, 2, 1)),
        (" 01. 02. 2027 ", date(2027, 2, 1)),
        ("29.02.2028", date(2028, 2, 29)),
        ("29.02.2027", None),
        ("2026-02-30", None),
        ("31.12.26", None),
        ("12/31/2026", None),
        ("31/12/2026", None),
        ("2026-1-2", None),
        ("20261231", None),
        ("2026-W01-1", None),
        ("0000-01-01", None),
        ("٣١.١٢.٢٠٢٦", None),
        ("31.12.2026 10:00", None),
        ("morgen", None),
        ("", None),
    ],
)
def test_a_day(written: str, day: date | None) -> None:
    assert read_day(written) == day


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-12-31T09:30", "2026-12-31T09:30:00+01:00"),
        ("2026-12-31T09:30:00", "2026-12-31T09:30:00+01:00"),
        ("2026-12-31 09:30", "2026-12-31T09:30:00+01:00"),
        ("31.12.2026 9:30", "2026-12-31T09:30:00+01:00"),
        ("31.12.2026, 09.30 Uhr", "2026-12-31T09:30:00+01:00"),
        ("30.06.2026 9:30", "2026-06-30T09:30:00+02:00"),
        ("31.12.2026", None),
        ("31.12.2026 25:00", None),
        ("31.12.2026 09:75", None),
        ("2026-12-31T09:30Z", None),
        ("2026-12-31T09:30+05:00", None),
        ("9:30", None),
    ],
)
def test_a_moment_is_that_of_the_wall(written: str, moment: str | None) -> None:
    found = read_moment(written)
    assert (found and found.isoformat()) == moment


@given(st.dates(date(1000, 1, 1)))
def test_both_ways_of_writing_a_day_mean_the_same(day: date) -> None:
    assert read_day(day.isoformat()) == read_day(f"{day.day}.{day.month}.{day.year}") == day


@given(st.text(max_size=40))
def test_nothing_that_is_typed_is_an_error(written: str) -> None:
    read_day(written)
    read_moment(written)
