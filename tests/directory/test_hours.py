"""Opening hours: what of the OpenStreetMap grammar is read, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.hours import format_hours, parse_hours
from directory.problems import InvalidInput
from directory.values import OpeningHours, OpeningPeriod


@pytest.mark.parametrize(
    ("osm", "means"),
    [
        ("Mo-Fr 08:00-16:00", "Mo-Fr 08:00-16:00; PH off"),
        ("mo", None),
        ("Mo - Fr 8:00 - 16:00", "Mo-Fr 08:00-16:00; PH off"),
        ("Mo–Fr 08:00–16:00", "Mo-Fr 08:00-16:00; PH off"),
        ("Mo-Fr: 08:00-16:00;", "Mo-Fr 08:00-16:00; PH off"),
        ("Mo,We 9:00-12:00", "Mo,We 09:00-12:00; PH off"),
        ("Tu 09:00-12:00,13:00-18:00", "Tu 09:00-12:00,13:00-18:00; PH off"),
        ("Tu 09:00-12:00, Th 13:00-18:00", "Tu 09:00-12:00; Th 13:00-18:00; PH off"),
        ("Mo-Fr 08:00-12:00, Th 14:00-18:00", "Mo-We,Fr 08:00-12:00; Th 08:00-12:00,14:00-18:00; PH off"),
        ("Mo-Fr 08:00-12:00; Th 14:00-18:00", "Mo-We,Fr 08:00-12:00; Th 14:00-18:00; PH off"),
        ("Mo-Su 10:00-18:00; We off", "Mo-Tu,Th-Su 10:00-18:00; PH off"),
        ("10:00-18:00; Sa,Su closed", "Mo-Fr 10:00-18:00; PH off"),
        ("Sa-Mo 10:00-11:00", "Mo,Sa-Su 10:00-11:00; PH off"),
        ("Mo-Fr,PH 08:00-10:00", "Mo-Fr,PH 08:00-10:00"),
        ("PH,Sa off; Mo 08:00-10:00", "Mo 08:00-10:00; PH off"),
        ("24/7", "Mo-Su,PH 00:00-24:00"),
        ("24/7; PH off", "Mo-Su 00:00-24:00; PH off"),
        ("Fr 22:00-02:00", "Fr 22:00-24:00; Sa 00:00-02:00; PH off"),
        ("Su 22:00-26:00", "Mo 00:00-02:00; Su 22:00-24:00; PH off"),
        ("Mo 08:00-12:00,10:00-14:00", "Mo 08:00-14:00; PH off"),
        ('"by appointment"', '"by appointment"'),
        ('Mo 08:00-10:00 "nach Vereinbarung"', 'Mo 08:00-10:00; PH off; "by appointment"'),
        ('Mo 08:00-10:00; "Termine nach Vereinbarung"', 'Mo 08:00-10:00; PH off; "by appointment"'),
    ],
)
def test_what_is_read(osm: str, means: str | None) -> None:
    """Each text and the same hours in their canonical form."""
    if means is None:
        with pytest.raises(InvalidInput):
            parse_hours(osm)
    else:
        assert format_hours(parse_hours(osm)) == means


@pytest.mark.parametrize(
    ("osm", "reason", "rule"),
    [
        ("", "empty", None),
        ("; ;", "hours", "1"),
        ("Mo-Fr", "hours", "1"),
        ("Mo 8-12", "hours", "1"),
        ("Mo 08:00-12:00 oder so", "hours", "1"),
        ("Mo 08:00-12:00; Xy 08:00-12:00", "hours", "2"),
        ("Mo 08:60-12:00", "hours", "1"),
        ("Mo 49:00-50:00", "hours", "1"),
        ("Mo 08:00-", "hours", "1"),
        ("Mo 08:00-12:00,", "hours", "1"),
        ("24/7 Mo", "hours", "1"),
        ("off", "hours-never", None),
        ("Mo 08:00-12:00; Mo off", "hours-never", None),
        ("PH 10:00-12:00", "hours-unsupported", "1"),
        ("Mo 08:00+", "hours-unsupported", "1"),
        ("Mo[1] 08:00-10:00", "hours-unsupported", "1"),
        ("Mo 08:00-10:00; SH off", "hours-unsupported", "2"),
        ("Jan-Mar Mo 08:00-10:00", "hours-unsupported", "1"),
        ("week 1-20 Mo 08:00-10:00", "hours-unsupported", "1"),
        ("sunrise-sunset", "hours-unsupported", "1"),
        ('Mo 08:00-10:00 "ask at the gate"', "hours-unsupported", "1"),
        ("Mo 08:00-10:00 || 24/7", "hours-unsupported", "1"),
        ("M" * 501, "too-long", None),
    ],
)
def test_what_is_refused(osm: str, reason: str, rule: str | None) -> None:
    """Hours that would be stored wrong are refused, with the number of the rule."""
    with pytest.raises(InvalidInput) as refused:
        parse_hours(osm, "hours")

    assert (refused.value.field, refused.value.reason) == ("hours", reason)
    assert refused.value.details.get("rule") == rule


def test_the_text_is_kept() -> None:
    """What the partner wrote stays readable beside what it means."""
    assert parse_hours("  Mo  08:00-10:00 ").osm == "Mo 08:00-10:00"


@st.composite
def stored_hours(draw: st.DrawFn) -> OpeningHours:
    periods: list[OpeningPeriod] = []
    for weekday in range(1, 8):
        edges = sorted(draw(st.sets(st.integers(0, 24 * 60), max_size=6)))
        for opens, closes in zip(edges[::2], edges[1::2], strict=False):
            periods.append(
                OpeningPeriod(
                    weekday=weekday,
                    opens=f"{opens // 60:02}:{opens % 60:02}",
                    closes=f"{closes // 60:02}:{closes % 60:02}",
                )
            )
    by_appointment = draw(st.booleans()) or not periods
    closed = draw(st.booleans()) or not periods
    return OpeningHours(periods=tuple(periods), by_appointment=by_appointment, closed_on_holidays=closed)


@given(stored_hours())
def test_hours_survive_being_written_and_read(hours: OpeningHours) -> None:
    """Whatever is stored can be written as an OpenStreetMap text that means the same."""
    read = parse_hours(format_hours(hours)) if len(format_hours(hours)) <= 500 else hours

    assert (read.periods, read.by_appointment, read.closed_on_holidays) == (
        hours.periods,
        hours.by_appointment,
        hours.closed_on_holidays,
    )


@given(st.text(alphabet='MoTuWeFrPH0123456789:-,;/ "offby', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text crashes the reader."""
    try:
        hours = parse_hours(text)
    except InvalidInput:
        return
    assert hours.periods or hours.by_appointment
