"""What the clock does with a referral, and when: a pure reading of ``states.CLOCKS``.

Plain facts in, planned actions out; no database, no clock of its own. Days are days of Brandenburg: what
may be done on a day may be done until its last second (``end_of``), reminders come at 8:00 (``morning_of``).
What the clock does depends on the planned moments only, not on when somebody looked: looking every hour or
once after a long stop gives the same state.
"""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from typing import Final, TypeAlias

import msgspec

from directory.days import ZONE, local_day
from referrals.states import (
    CLOCKS,
    NO_END_STATED,
    Clock,
    ClockName,
    ClockStart,
    DayMoment,
    Move,
    RemindedParty,
    Reminder,
    Span,
    Unit,
    add_working_days,
    due_after_reply,
    step,
    working_days_between,
)
from referrals.vocabulary import ANSWER_DAYS, EventActor, Priority, Reason, ReferralState

MORNING: Final = time(8)
"""When reminders come, on the wall clock; an hour that exists on every day of the year."""

_INSTANT: Final = timedelta(microseconds=1)


def end_of(day: date) -> datetime:
    """Return the last second of a day in Brandenburg."""
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=ZONE) - timedelta(seconds=1)


def morning_of(day: date) -> datetime:
    """Return 8:00 of a day in Brandenburg."""
    return datetime.combine(day, MORNING, tzinfo=ZONE)


class ClockFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What of a referral its clocks go by; the names are those of the table ``referral``."""

    state: ReferralState
    state_since: datetime
    updated_at: datetime
    priority: Priority = Priority.NORMAL
    sent_at: datetime | None = None
    answer_due_at: datetime | None = None
    clock_stopped_at: datetime | None = None
    question_due_at: datetime | None = None
    expected_week: date | None = None
    first_contact_on: date | None = None
    appointment_at: datetime | None = None
    expected_end: date | None = None
    resume_on: date | None = None
    last_sign_of_life: date | None = None
    revocation_due_at: datetime | None = None
    revocation_answered: bool = False
    overdue: bool = False


class Remind(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is reminded; ``stage`` is the number of the reminder in the clock's row, from 0."""

    at: datetime
    clock: ClockName
    stage: int
    whom: tuple[RemindedParty, ...]


class MarkOverdue(msgspec.Struct, frozen=True, kw_only=True):
    """From now on it is a fact that an answer is overdue; the state stays."""

    at: datetime
    clock: ClockName


class MakeMove(msgspec.Struct, frozen=True, kw_only=True):
    """The clock makes a move of the table (``states.step`` as CLOCK), with this reason."""

    at: datetime
    clock: ClockName
    move: Move
    reason: Reason


Action: TypeAlias = Remind | MarkOverdue | MakeMove

_BY_STATE: Final[dict[ReferralState, Clock]] = {
    state: clock
    for clock in CLOCKS
    if clock.starts not in {ClockStart.CONSENT_END, ClockStart.REQUEST}
    for state in clock.states
}
"""The one clock of a referral's state; consents and requests for four eyes have clocks of their own."""


def clock_of(facts: ClockFacts) -> Clock | None:
    """Return the clock that runs now; None when nothing is awaited (any more)."""
    clock = _BY_STATE.get(facts.state)
    if (
        clock is not None
        and clock.starts is ClockStart.REVOCATION_DUE
        and (facts.revocation_due_at is None or facts.revocation_answered)
    ):
        return None
    return clock


def _began(facts: ClockFacts, start: ClockStart) -> date:
    """Return the day from which is counted; where a fact is missing, the day on which the state began."""
    since = local_day(facts.state_since)
    match start:
        case ClockStart.LAST_CHANGE:
            return local_day(facts.updated_at)
        case ClockStart.SENT:
            return local_day(facts.sent_at or facts.state_since)
        case ClockStart.QUESTION:
            return local_day(facts.clock_stopped_at or facts.state_since)
        case ClockStart.EXPECTED_WEEK:
            return facts.expected_week or since
        case ClockStart.FIRST_CONTACT:
            # a later appointment or a sign (a no-show that was told of) counts like the named day
            signs = [facts.first_contact_on or since]
            if facts.last_sign_of_life is not None:
                signs.append(facts.last_sign_of_life)
            if facts.appointment_at is not None:
                signs.append(local_day(facts.appointment_at))
            return max(signs)
        case ClockStart.PROGRESS:
            return max(since, facts.last_sign_of_life or since)
        case ClockStart.EXPECTED_END:
            # what was heard of later than the end that was expected goes on, and so does what was taken up
            # again after it; a pause lasts until its stated end
            ends = [facts.expected_end or since + timedelta(days=NO_END_STATED.amount), since]
            if facts.last_sign_of_life is not None:
                ends.append(facts.last_sign_of_life)
            if facts.resume_on is not None and facts.state is ReferralState.ON_HOLD:
                ends.append(facts.resume_on)
            return max(ends)
        case ClockStart.REVOCATION_DUE:
            return local_day(facts.revocation_due_at or facts.state_since)
        case _:
            return since


def _day(facts: ClockFacts, start: ClockStart, span: Span, times: int = 1) -> date:
    amount = span.amount * times
    if span.unit is Unit.PERCENT:
        return _answer_day(facts, amount)
    began = _began(facts, start)
    if span.unit is Unit.WORKING_DAYS:
        return add_working_days(began, amount)
    return began + timedelta(days=amount * (7 if span.unit is Unit.WEEKS else 1))


def _answer_day(facts: ClockFacts, percent: int) -> date:
    """Return the working day on which this share of the time to answer is over (rounded up).

    The day that the answer is due has been moved on by the working days on which the clock stood still, so
    the other shares are counted from it.
    """
    whole = ANSWER_DAYS[facts.priority]
    share = math.ceil(whole * percent / 100)
    sent = _began(facts, ClockStart.SENT)
    planned = add_working_days(sent, whole)
    due = planned if facts.answer_due_at is None else local_day(facts.answer_due_at)
    if share >= whole:
        return add_working_days(due, share - whole)
    return add_working_days(sent, share + working_days_between(planned, due))


def _stated(facts: ClockFacts, clock: Clock, span: Span) -> datetime | None:
    """Return the moment that the referral itself states for this, where it does."""
    match clock.name, span.amount:
        case ClockName.ANSWER_DUE, 100:
            return facts.answer_due_at
        case ClockName.REVOCATION_ANSWER, 0:
            return facts.revocation_due_at
        case _:
            return None


def _at(facts: ClockFacts, clock: Clock, reminder: Reminder, times: int = 1) -> datetime:
    if reminder.moment is DayMoment.END:
        stated = _stated(facts, clock, reminder.after)
        return stated or end_of(_day(facts, clock.starts, reminder.after))
    return morning_of(_day(facts, clock.starts, reminder.after, times))


def _first(facts: ClockFacts, clock: Clock, reminder: Reminder, since: datetime) -> datetime | None:
    """Return the first moment of this reminder at or after ``since``; None when there is none any more."""
    if not reminder.repeated:
        at = _at(facts, clock, reminder)
        return at if at >= since else None
    days = reminder.after.amount * (7 if reminder.after.unit is Unit.WEEKS else 1)
    gone = (local_day(since) - _began(facts, clock.starts)).days
    times = max(1, gone // days)
    at = _at(facts, clock, reminder, times)
    while at < since:
        times += 1
        at = _at(facts, clock, reminder, times)
    return at if reminder.times is None or times <= reminder.times else None


def ends_at(facts: ClockFacts) -> datetime | None:
    """Return the moment at which the clock makes its move when nobody does anything; None: never."""
    clock = clock_of(facts)
    if clock is None or clock.ends_after is None or clock.move is None:
        return None
    if clock.name is ClockName.QUESTION_OPEN and facts.question_due_at is not None:
        return facts.question_due_at
    return end_of(_day(facts, clock.ends_from or clock.starts, clock.ends_after))


def _overdue_at(facts: ClockFacts, clock: Clock) -> datetime | None:
    if clock.overdue_after is None or facts.overdue:
        return None
    stated = _stated(facts, clock, clock.overdue_after)
    return stated or end_of(_day(facts, clock.starts, clock.overdue_after))


def due(facts: ClockFacts, since: datetime, until: datetime) -> tuple[Action, ...]:
    """Return what the clock does between two moments (both included), in order.

    ``since`` is the moment that ``next_tick`` gave. What ends is not announced any more, and reminders that
    were missed collapse into one: to everybody whom one of them was for, with the latest one's stage.
    """
    clock = clock_of(facts)
    if clock is None:
        return ()
    end = ends_at(facts)
    if end is not None and end <= until and clock.move is not None:
        return (MakeMove(at=end, clock=clock.name, move=clock.move, reason=clock.reason or Reason.NO_ANSWER),)
    found: list[Action] = []
    late = _overdue_at(facts, clock)
    if late is not None and late <= until:
        found.append(MarkOverdue(at=late, clock=clock.name))
    missed = [
        (at, stage, reminder)
        for stage, reminder in enumerate(clock.reminders)
        if (at := _first(facts, clock, reminder, since)) is not None and at <= until
    ]
    if missed:
        at, stage, _ = max(missed, key=lambda one: (one[0], one[1]))
        asked = {party for _, _, reminder in missed for party in reminder.whom}
        found.append(
            Remind(
                at=at,
                clock=clock.name,
                stage=stage,
                whom=tuple(party for party in RemindedParty if party in asked),
            )
        )
    return tuple(found)


def upcoming(facts: ClockFacts, after: datetime) -> tuple[Action, ...]:
    """Return what the clock does next, earliest first: each next reminder, the overdue mark, the end.

    What is only said once a moment has passed is left out when that moment has passed; the overdue mark and
    the end are never lost, so they may lie before ``after``.
    """
    clock = clock_of(facts)
    if clock is None:
        return ()
    found: list[Action] = []
    end = ends_at(facts)
    if end is not None and clock.move is not None:
        found.append(
            MakeMove(at=end, clock=clock.name, move=clock.move, reason=clock.reason or Reason.NO_ANSWER)
        )
    late = _overdue_at(facts, clock)
    if late is not None and (end is None or late < end):
        found.append(MarkOverdue(at=late, clock=clock.name))
    for stage, reminder in enumerate(clock.reminders):
        at = _first(facts, clock, reminder, after + _INSTANT)
        if at is not None and (end is None or at < end):
            found.append(Remind(at=at, clock=clock.name, stage=stage, whom=reminder.whom))
    return tuple(sorted(found, key=lambda action: action.at))


def next_tick(facts: ClockFacts, after: datetime) -> datetime | None:
    """Return when the clock has to look at this referral again; None: never, nothing is awaited.

    An end or an overdue mark that has not happened yet is never lost, so it may lie before ``after``;
    reminders lie after it.
    """
    planned = upcoming(facts, after)
    return planned[0].at if planned else None


def goes_on(facts: ClockFacts, at: datetime) -> datetime | None:
    """Return the new due moment when a question is over at ``at``: the clock stood still meanwhile."""
    if facts.answer_due_at is None or facts.clock_stopped_at is None:
        return facts.answer_due_at
    return end_of(
        due_after_reply(local_day(facts.answer_due_at), local_day(facts.clock_stopped_at), local_day(at))
    )


def keeps_overdue(facts: ClockFacts) -> bool:
    """Whether the fact that an answer is overdue can still be so: an answer of the recipient is awaited."""
    clock = clock_of(facts)
    return (clock is not None and clock.overdue_after is not None) or (
        facts.state is ReferralState.INFO_REQUESTED
    )


def after_action(facts: ClockFacts, action: Action) -> ClockFacts:
    """Return the facts after the clock has acted; moves go through the table of ``states``."""
    if isinstance(action, Remind):
        return facts
    if isinstance(action, MarkOverdue):
        return msgspec.structs.replace(facts, overdue=True)
    target = step(facts.state, action.move, EventActor.CLOCK)
    back = action.move is Move.REPLY
    moved = msgspec.structs.replace(
        facts,
        state=target,
        state_since=action.at,
        answer_due_at=goes_on(facts, action.at) if back else None,
        clock_stopped_at=None,
        question_due_at=None,
        resume_on=None,
    )
    return msgspec.structs.replace(moved, overdue=moved.overdue and keeps_overdue(moved))


class CaughtUp(msgspec.Struct, frozen=True, kw_only=True):
    """What the clock did until a moment, in order, the facts after it, and when it has to look again."""

    facts: ClockFacts
    done: tuple[Action, ...]
    next_tick_at: datetime | None


def catch_up(facts: ClockFacts, since: datetime, until: datetime) -> CaughtUp:
    """Do all that is due between two moments, however long: an end may begin another clock that ends too."""
    done: list[Action] = []
    while actions := due(facts, since, until):
        for action in actions:
            facts = after_action(facts, action)
            done.append(action)
        last = actions[-1]
        if not isinstance(last, MakeMove):
            break
        since = last.at + _INSTANT
    return CaughtUp(facts=facts, done=tuple(done), next_tick_at=next_tick(facts, until))
