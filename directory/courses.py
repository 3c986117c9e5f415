"""Which run of a course still matters on a day, and what courses are looked for by.

Pure: documents hold dates and never "today".
"""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from directory.problems import InvalidInput
from directory.values import CourseFacts, CourseRun
from directory.vocabulary import CefrLevel, CourseAccess, CourseFormat

MOST_CENTS: Final = 2**31 - 1
LONGEST_EXAM: Final = 300


def is_full(run: CourseRun) -> bool:
    """Whether nobody else is taken in this run."""
    return run.full or run.places == 0


def begins(run: CourseRun) -> date | None:
    """Return after which day nobody can begin any more: the first, or the last if only that is known."""
    return run.starts_on if run.starts_on is not None else run.ends_on


def is_past(run: CourseRun, on: date) -> bool:
    """Whether a run has begun before this day, or is over; one without dates is not known to be."""
    day = begins(run)
    return day is not None and day < on


def application_is_over(run: CourseRun, on: date) -> bool:
    """Whether the last day to apply has passed."""
    return run.apply_by is not None and run.apply_by < on


def is_open(run: CourseRun, on: date) -> bool:
    """Whether a run can be applied for, as far as is known: not past, not over, and not full."""
    return not is_past(run, on) and not application_is_over(run, on) and not is_full(run)


def upcoming(course: CourseFacts, on: date) -> tuple[CourseRun, ...]:
    """Return the runs that are not past, the one that begins first before the others, unknown starts last."""
    return tuple(
        sorted(
            (run for run in course.runs if not is_past(run, on)),
            key=lambda run: (run.starts_on or date.max, run.ends_on or date.max),
        )
    )


def next_run(course: CourseFacts | None, on: date) -> CourseRun | None:
    """Return the first run to come that is open, else the first to come at all; None when none is known."""
    if course is None:
        return None
    runs = upcoming(course, on)
    return next((run for run in runs if is_open(run, on)), runs[0] if runs else None)


def is_bookable(course: CourseFacts, on: date) -> bool:
    """Whether a course can be applied for, as far as is known.

    Not if all runs that are listed are past, over or full, and nobody said that it repeats.
    """
    return not course.runs or course.repeats or any(is_open(run, on) for run in course.runs)


class CourseFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Courses that are not known to differ: a fact that is not known passes (unknown is never "no").

    ``level_from``: begins at this level or below; ``level_to``: leads to it or above. One run has to meet
    ``starts_after``, ``ends_before`` (inclusive) and ``bookable_on`` (it can be applied for on that day)
    together; a course that is known to repeat passes. ``access``: any of these ways; ``exam``: part of what
    the exam is called; ``cost_at_most`` in euro cents.
    """

    level_from: CefrLevel | None = None
    level_to: CefrLevel | None = None
    starts_after: date | None = None
    ends_before: date | None = None
    bookable_on: date | None = None
    childcare: bool | None = None
    women_only: bool | None = None
    format: CourseFormat | None = None
    access: tuple[CourseAccess, ...] = ()
    exam: str | None = None
    cost_at_most: int | None = None


def check_course_filter(given: CourseFilter, field: str) -> None:
    """Raise InvalidInput for what is out of bounds: "empty", "too-long", "out-of-range"."""
    if given.exam is not None:
        if not given.exam.strip():
            raise InvalidInput(f"{field}.exam", "empty")
        if len(given.exam) > LONGEST_EXAM:
            raise InvalidInput(f"{field}.exam", "too-long", maximum=str(LONGEST_EXAM))
    if given.cost_at_most is not None and not 0 <= given.cost_at_most <= MOST_CENTS:
        raise InvalidInput(f"{field}.costAtMost", "out-of-range", minimum="0", maximum=str(MOST_CENTS))
