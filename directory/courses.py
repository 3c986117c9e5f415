"""Which run of a course still matters on a day: pure, because documents hold dates and never "today"."""

from __future__ import annotations

from datetime import date

from directory.values import CourseFacts, CourseRun


def is_full(run: CourseRun) -> bool:
    """Whether nobody else is taken in this run."""
    return run.full or run.places == 0


def is_past(run: CourseRun, on: date) -> bool:
    """Whether a run has begun before this day, or has ended; one without dates is not known to be past."""
    return (run.starts_on is not None and run.starts_on < on) or (
        run.ends_on is not None and run.ends_on < on
    )


def can_be_applied_for(run: CourseRun, on: date) -> bool:
    """Whether a run is not past, its last day to apply neither, and it is not full: unknown is never "no"."""
    return not is_past(run, on) and not is_full(run) and (run.apply_by is None or run.apply_by >= on)


def upcoming(course: CourseFacts, on: date) -> tuple[CourseRun, ...]:
    """Return the runs that are not past, the one that begins first before the others, unknown starts last."""
    return tuple(
        sorted(
            (run for run in course.runs if not is_past(run, on)),
            key=lambda run: (run.starts_on or date.max, run.ends_on or date.max),
        )
    )


def next_run(course: CourseFacts | None, on: date) -> CourseRun | None:
    """Return the first run to come that can be applied for, else the first to come at all."""
    if course is None:
        return None
    runs = upcoming(course, on)
    return next((run for run in runs if can_be_applied_for(run, on)), runs[0] if runs else None)
