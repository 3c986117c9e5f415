"""Until when it is useful to begin, reckoned back from the end of the residence status."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.values import CourseFacts, CourseRun
from directory.vocabulary import ServiceKind
from referrals.useful_start import (
    DURATIONS,
    NOT_BEGUN,
    Reckoned,
    latest_useful_start,
    start_warnings,
)
from referrals.vocabulary import ReferralState, Warned

END = date(2027, 6, 30)
ONCE = CourseFacts(runs=(CourseRun(starts_on=date(2026, 9, 1), ends_on=date(2027, 2, 28)),))


@pytest.mark.parametrize(
    ("kind", "course", "expected", "reckoned"),
    [
        # 181 days of the course, 42 for certificate and application
        (ServiceKind.QUALIFICATION, ONCE, date(2026, 11, 19), Reckoned.COURSE_DATES),
        # 400 lessons are 16 weeks
        (ServiceKind.QUALIFICATION, CourseFacts(lessons=400), date(2027, 1, 27), Reckoned.LESSONS),
        (ServiceKind.QUALIFICATION, CourseFacts(lessons=401), date(2027, 1, 20), Reckoned.LESSONS),
        (ServiceKind.QUALIFICATION, None, date(2027, 1, 27), Reckoned.KIND),
        # a course without an end runs again and again: its kind says how long it takes
        (
            ServiceKind.QUALIFICATION,
            CourseFacts(runs=(CourseRun(starts_on=END),)),
            date(2027, 1, 27),
            Reckoned.KIND,
        ),
        (ServiceKind.QUALIFICATION_RECOGNITION, None, date(2027, 3, 3), Reckoned.KIND),
        (ServiceKind.JOB_PLACEMENT, None, date(2027, 4, 21), Reckoned.KIND),
        (ServiceKind.RESIDENCE_TITLE_CHANGE, None, date(2027, 6, 2), Reckoned.KIND),
        (ServiceKind.LANGUAGE_MEDIATION, None, END, Reckoned.KIND),
    ],
)
def test_the_latest_useful_start(
    kind: ServiceKind, course: CourseFacts | None, expected: date, reckoned: Reckoned
) -> None:
    latest = latest_useful_start(END, kind, course)

    assert latest is not None
    assert (latest.on, latest.reckoned) == (expected, reckoned)


def test_without_a_known_end_of_the_status_there_is_none() -> None:
    assert latest_useful_start(None, ServiceKind.QUALIFICATION) is None


def test_every_duration_says_why_in_both_languages_and_from_where() -> None:
    for duration in DURATIONS.values():
        assert duration.reason.keys() == {"de", "en"}
        assert duration.source


@pytest.mark.parametrize(
    ("today", "planned", "warned"),
    [
        (date(2026, 11, 19), (date(2026, 11, 19), None), ()),
        (date(2026, 11, 20), (), (Warned.LATEST_USEFUL_START_PASSED,)),
        (date(2026, 10, 1), (date(2026, 11, 23),), (Warned.START_AFTER_LATEST_USEFUL,)),
        (
            date(2026, 12, 1),
            (date(2026, 12, 7),),
            (Warned.LATEST_USEFUL_START_PASSED, Warned.START_AFTER_LATEST_USEFUL),
        ),
    ],
)
@pytest.mark.parametrize("state", sorted(NOT_BEGUN))
def test_the_sender_is_warned_while_nothing_has_begun(
    today: date, planned: tuple[date | None, ...], warned: tuple[Warned, ...], state: ReferralState
) -> None:
    latest = latest_useful_start(END, ServiceKind.QUALIFICATION, ONCE)

    assert start_warnings(latest, state, today, planned=planned) == warned


@pytest.mark.parametrize("state", sorted(frozenset(ReferralState) - NOT_BEGUN))
def test_nobody_is_warned_once_it_has_begun_or_is_over(state: ReferralState) -> None:
    latest = latest_useful_start(END, ServiceKind.QUALIFICATION, ONCE)

    assert start_warnings(latest, state, END, planned=(END,)) == ()


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.sampled_from(ServiceKind), st.integers(1, 10_000))
def test_what_begins_by_then_is_over_and_usable_before_the_status_ends(
    end: date, kind: ServiceKind, lessons: int
) -> None:
    latest = latest_useful_start(end, kind, CourseFacts(lessons=lessons))

    assert latest is not None
    assert latest.on + timedelta(days=latest.duration_days + latest.needed_days) == end
    assert latest.on <= end
