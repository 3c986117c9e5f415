"""Runs of courses: which still matter on a day, and how texts of shape 1 are read."""

from datetime import date, timedelta

import msgspec
import pytest

from directory.courses import is_bookable, next_run, upcoming
from directory.values import CourseFacts, CourseRun

TODAY = date(2026, 8, 3)
DAY = timedelta(days=1)
BEGUN = CourseRun(starts_on=TODAY - DAY, ends_on=TODAY + 30 * DAY)
FULL = CourseRun(starts_on=TODAY + 5 * DAY, full=True)
OVER = CourseRun(starts_on=TODAY + 6 * DAY, apply_by=TODAY - DAY)
SOON = CourseRun(starts_on=TODAY + 7 * DAY, apply_by=TODAY)
NO_PLACES = CourseRun(starts_on=TODAY + DAY, places=0)
SOME_TIME = CourseRun()


@pytest.mark.parametrize(
    ("runs", "repeats", "bookable", "following"),
    [
        ((), False, True, None),
        ((BEGUN,), False, False, None),
        ((BEGUN,), True, True, None),
        ((CourseRun(starts_on=TODAY),), False, True, CourseRun(starts_on=TODAY)),
        ((FULL,), False, False, FULL),
        ((OVER,), False, False, OVER),
        ((BEGUN, FULL, OVER, SOON), False, True, SOON),
        ((SOME_TIME,), False, True, SOME_TIME),
        ((SOME_TIME, SOON), False, True, SOON),
        (
            (CourseRun(starts_on=TODAY + DAY, places=0),),
            False,
            False,
            CourseRun(starts_on=TODAY + DAY, places=0),
        ),
        ((CourseRun(ends_on=TODAY - DAY),), False, False, None),
    ],
)
def test_what_can_be_booked(
    runs: tuple[CourseRun, ...], repeats: bool, bookable: bool, following: CourseRun | None
) -> None:
    """A course whose runs are all past, over or full is not bookable, unless it is known to repeat."""
    course = CourseFacts(runs=runs, repeats=repeats)

    assert is_bookable(course, TODAY) is bookable
    assert next_run(course, TODAY) == following


def test_runs_to_come_are_in_order() -> None:
    """What begins first comes first; an unknown beginning comes last."""
    course = CourseFacts(runs=(SOME_TIME, SOON, BEGUN, FULL))

    assert upcoming(course, TODAY) == (FULL, SOON, SOME_TIME)


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        (
            '{"starts_on":"2027-01-10","ends_on":"2027-03-01"}',
            (CourseRun(starts_on=date(2027, 1, 10), ends_on=date(2027, 3, 1)),),
        ),
        ('{"ends_on":"2027-03-01"}', (CourseRun(ends_on=date(2027, 3, 1)),)),
        ('{"level_to":"B1"}', ()),
        ('{"runs":[{"starts_on":"2027-01-10"}]}', (CourseRun(starts_on=date(2027, 1, 10)),)),
    ],
)
def test_shape_1_is_read_as_one_run(text: str, runs: tuple[CourseRun, ...]) -> None:
    """And written anew it is of shape 2."""
    read = msgspec.json.decode(text, type=CourseFacts)

    assert read.runs == runs
    assert b'"ends_on":"2027-03-01"' not in msgspec.json.encode(read).replace(b"]}", b"").split(b"[")[0]
    assert msgspec.json.decode(msgspec.json.encode(read), type=CourseFacts) == read


def test_both_spellings_at_once_are_refused() -> None:
    """Nobody can say which of them was meant."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode('{"starts_on":"2027-01-10","runs":[{}]}', type=CourseFacts)
