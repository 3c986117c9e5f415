"""Until when it is still useful to begin: reckoned back from the end of a person's residence status.

Pure. A course that ends after the status, or whose result nobody can use any more, costs the person the
chance. So the latest useful start is the status end minus how long the service takes minus what is needed to
use its result. It warns and never blocks. It tells the status end, so it is for the sender only.
"""

from __future__ import annotations

import math
from datetime import date
from enum import StrEnum
from typing import Final

from directory.values import CourseFacts, Texts, Value
from directory.vocabulary import ServiceKind
from referrals.vocabulary import OPEN_STATES, ReferralState, Warned

LESSONS_PER_WEEK: Final = 25
"""Lessons (45 minutes) of a full-time course in a week: what integration courses usually have."""


class Reckoned(StrEnum):
    """From what it is known how long a service takes."""

    COURSE_DATES = "COURSE_DATES"
    LESSONS = "LESSONS"
    KIND = "KIND"


class Duration(Value, frozen=True, kw_only=True):
    """How long a kind of service takes when nothing is stated, and what is needed to use its result; weeks.

    ``source``: the rule, or that it is experience and no rule.
    """

    weeks: int
    needed_weeks: int
    reason: Texts
    source: str


_EXPERIENCE: Final = "Erfahrungswert / experience"

DURATIONS: Final[dict[ServiceKind, Duration]] = {
    ServiceKind.QUALIFICATION: Duration(
        weeks=16,
        needed_weeks=6,
        reason={
            "de": "Kursdauer, danach Zeit für Zertifikat und Antrag",
            "en": "length of the course, then time for certificate and application",
        },
        source="DeuFöV (400 lessons at 25 a week); certificate and application: " + _EXPERIENCE,
    ),
    ServiceKind.QUALIFICATION_RECOGNITION: Duration(
        weeks=13,
        needed_weeks=4,
        reason={
            "de": "Entscheidung innerhalb von drei Monaten, danach Zeit für den Antrag",
            "en": "decision within three months, then time for the application",
        },
        source="§ 6 Abs. 3 BQFG; application: " + _EXPERIENCE,
    ),
    ServiceKind.JOB_PLACEMENT: Duration(
        weeks=8,
        needed_weeks=2,
        reason={
            "de": "Stellensuche, danach Zustimmung der Bundesagentur für Arbeit",
            "en": "looking for a job, then the approval of the Federal Employment Agency",
        },
        source=_EXPERIENCE + "; § 36 Abs. 2 BeschV (approval counts as given after two weeks)",
    ),
    ServiceKind.RESIDENCE_TITLE_CHANGE: Duration(
        weeks=0,
        needed_weeks=4,
        reason={
            "de": "der Antrag muss vor dem Ende des Status gestellt sein; Unterlagen brauchen Zeit",
            "en": "the application must be made before the status ends; papers take time",
        },
        source="§ 81 Abs. 4 AufenthG; papers: " + _EXPERIENCE,
    ),
    ServiceKind.EXAMINATION: Duration(
        weeks=0,
        needed_weeks=6,
        reason={"de": "Zeit für Ergebnis und Antrag", "en": "time for result and application"},
        source=_EXPERIENCE,
    ),
    ServiceKind.COUNSELLING: Duration(
        weeks=0,
        needed_weeks=4,
        reason={"de": "Zeit, den Rat umzusetzen", "en": "time to act on the advice"},
        source=_EXPERIENCE,
    ),
    ServiceKind.COMPETENCE_POOLING: Duration(
        weeks=0,
        needed_weeks=4,
        reason={"de": "Zeit für den nächsten Schritt", "en": "time for the next step"},
        source=_EXPERIENCE,
    ),
}
"""What is reckoned with per kind of service; a kind that is not here takes no time of its own."""

_NO_TIME: Final = Duration(
    weeks=0,
    needed_weeks=0,
    reason={"de": "braucht keine eigene Zeit", "en": "takes no time of its own"},
    source=_EXPERIENCE,
)


class LatestUsefulStart(Value, frozen=True, kw_only=True):
    """The last day on which beginning is useful, how that was reckoned (days), why, and the source."""

    on: date
    duration_days: int
    needed_days: int
    reckoned: Reckoned
    reason: Texts
    source: str


def latest_useful_start(
    status_valid_until: date | None, kind: ServiceKind | None, course: CourseFacts | None = None
) -> LatestUsefulStart | None:
    """Return until when beginning is useful; None when it is not known when the status ends.

    A course takes from the first to the last day of its longest run whose days are known; one with a number
    of lessons that many weeks of 25; everything else what its kind usually takes.
    """
    if status_valid_until is None:
        return None
    usual = _NO_TIME if kind is None else DURATIONS.get(kind, _NO_TIME)
    days, reckoned = usual.weeks * 7, Reckoned.KIND
    if course is not None:
        lengths = [
            (run.ends_on - run.starts_on).days + 1
            for run in course.runs
            if run.starts_on and run.ends_on and run.starts_on <= run.ends_on
        ]
        if lengths:
            days, reckoned = max(lengths), Reckoned.COURSE_DATES
        elif course.lessons is not None:
            days, reckoned = math.ceil(course.lessons / LESSONS_PER_WEEK) * 7, Reckoned.LESSONS
    needed = usual.needed_weeks * 7
    return LatestUsefulStart(
        on=date.fromordinal(max(1, status_valid_until.toordinal() - days - needed)),
        duration_days=days,
        needed_days=needed,
        reckoned=reckoned,
        reason=usual.reason,
        source=usual.source,
    )


NOT_BEGUN: Final = OPEN_STATES - {
    ReferralState.IN_PROGRESS,
    ReferralState.ON_HOLD,
    ReferralState.OUTCOME_REPORTED,
}
"""Nothing has begun yet, so when it begins still matters."""


def start_warnings(
    latest: LatestUsefulStart | None,
    state: ReferralState,
    today: date,
    *,
    planned: tuple[date | None, ...] = (),
) -> tuple[Warned, ...]:
    """Return what to warn of: the day has passed, or what is planned lies after it.

    ``planned``: when it is to begin as far as it is stated (course, waiting list, first contact).
    """
    if latest is None or state not in NOT_BEGUN:
        return ()
    found = []
    if today > latest.on:
        found.append(Warned.LATEST_USEFUL_START_PASSED)
    if any(day is not None and day > latest.on for day in planned):
        found.append(Warned.START_AFTER_LATEST_USEFUL)
    return tuple(found)
