"""The referral's state machine as data: which move leads where, who makes it, what it needs; clocks.

Pure: no database, no clock of its own. Everything that moves a referral asks ``step``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

import holidays
import msgspec

from referrals.problems import TransitionNotAllowed
from referrals.vocabulary import (
    ANSWER_DAYS,
    OPEN_STATES,
    READABLE_STATES,
    UNSENT_STATES,
    EventActor,
    Priority,
    Reason,
    ReferralState,
)


class Move(StrEnum):
    """What can be done with a referral; a move leads from one state to another."""

    DRAFT = "DRAFT"
    AWAIT_CONSENT = "AWAIT_CONSENT"
    SEND = "SEND"
    ABANDON = "ABANDON"
    ACKNOWLEDGE = "ACKNOWLEDGE"
    ASK = "ASK"
    REPLY = "REPLY"
    WAITLIST = "WAITLIST"
    ACCEPT = "ACCEPT"
    DECLINE = "DECLINE"
    EXPIRE = "EXPIRE"
    START = "START"
    HOLD = "HOLD"
    RESUME = "RESUME"
    REPORT_OUTCOME = "REPORT_OUTCOME"
    CLOSE = "CLOSE"
    CONTEST = "CONTEST"
    REOPEN = "REOPEN"
    CANCEL = "CANCEL"
    REVOKE = "REVOKE"
    CORRECT = "CORRECT"


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table: ``who`` may make ``move`` in a state of ``sources``, which leads to ``target``.

    ``needs`` names what must be said with the move. ``four_eyes``: the sender asks for it, and it happens
    when another member with role LEAD confirms. ``sources`` is empty only for the beginning.
    """

    move: Move
    sources: frozenset[ReferralState]
    target: ReferralState
    who: frozenset[EventActor]
    needs: tuple[str, ...] = ()
    four_eyes: bool = False


S: Final = EventActor.SENDER
P: Final = EventActor.RECIPIENT
C: Final = EventActor.PERSON
T: Final = EventActor.CLOCK
L: Final = EventActor.LEAD
Y: Final = EventActor.CONSENT


def _row(
    move: Move,
    sources: Collection[ReferralState],
    target: ReferralState,
    who: Collection[EventActor],
    *needs: str,
    four_eyes: bool = False,
) -> Transition:
    return Transition(
        move=move,
        sources=frozenset(sources),
        target=target,
        who=frozenset(who),
        needs=needs,
        four_eyes=four_eyes,
    )


_R = ReferralState
TABLE: Final[tuple[Transition, ...]] = (
    _row(Move.DRAFT, (), _R.DRAFT, {S}, "service", "topic", "client"),
    _row(Move.AWAIT_CONSENT, {_R.DRAFT}, _R.AWAITING_CONSENT, {S}),
    _row(Move.SEND, UNSENT_STATES, _R.SENT, {S}, "consent"),
    _row(Move.ABANDON, UNSENT_STATES, _R.ABANDONED, {S, C, T}, "reason"),
    _row(Move.ACKNOWLEDGE, {_R.SENT}, _R.ACKNOWLEDGED, {P}),
    _row(Move.ASK, {_R.SENT, _R.ACKNOWLEDGED}, _R.INFO_REQUESTED, {P}, "question"),
    _row(Move.REPLY, {_R.INFO_REQUESTED}, _R.ACKNOWLEDGED, {S}, "answer"),
    # The clock gives an unanswered question back: the recipient goes on with what there is.
    _row(Move.REPLY, {_R.INFO_REQUESTED}, _R.ACKNOWLEDGED, {T}),
    _row(Move.WAITLIST, {_R.SENT, _R.ACKNOWLEDGED}, _R.WAITLISTED, {P}, "expected_week"),
    _row(
        Move.ACCEPT,
        {_R.SENT, _R.ACKNOWLEDGED, _R.WAITLISTED},
        _R.ACCEPTED,
        {P},
        "contact",
        "first_contact_on",
        "expected_end",
    ),
    _row(
        Move.DECLINE,
        {_R.SENT, _R.ACKNOWLEDGED, _R.WAITLISTED, _R.ACCEPTED},
        _R.DECLINED,
        {P},
        "reason",
        "declined_by",
    ),
    _row(
        Move.EXPIRE,
        {_R.SENT, _R.ACKNOWLEDGED, _R.WAITLISTED, _R.ACCEPTED},
        _R.EXPIRED,
        {T},
        "reason",
    ),
    _row(Move.START, {_R.ACCEPTED}, _R.IN_PROGRESS, {P}),
    _row(Move.HOLD, {_R.IN_PROGRESS}, _R.ON_HOLD, {P}, "reason", "resume_on"),
    _row(Move.RESUME, {_R.ON_HOLD}, _R.IN_PROGRESS, {P}),
    _row(
        Move.REPORT_OUTCOME,
        {_R.ACCEPTED, _R.IN_PROGRESS, _R.ON_HOLD},
        _R.OUTCOME_REPORTED,
        {P},
        "outcome",
        "outcome_on",
    ),
    _row(Move.REPORT_OUTCOME, {_R.IN_PROGRESS, _R.ON_HOLD}, _R.OUTCOME_REPORTED, {T}),
    _row(Move.CLOSE, {_R.OUTCOME_REPORTED}, _R.CLOSED, {S}, "feedback_asked"),
    _row(Move.CLOSE, {_R.OUTCOME_REPORTED}, _R.CLOSED, {T}),
    _row(Move.CONTEST, {_R.OUTCOME_REPORTED}, _R.IN_PROGRESS, {S, C}, "reason"),
    _row(Move.REOPEN, {_R.CLOSED}, _R.IN_PROGRESS, {S}, "reason", "approval", four_eyes=True),
    _row(Move.CANCEL, READABLE_STATES, _R.CANCELLED, {S, C}, "reason"),
    _row(Move.REVOKE, OPEN_STATES, _R.CONSENT_REVOKED, {Y}, "reason"),
    _row(Move.CORRECT, UNSENT_STATES, _R.ENTERED_IN_ERROR, {S}, "reason"),
    _row(
        Move.CORRECT,
        frozenset(_R) - UNSENT_STATES - {_R.ENTERED_IN_ERROR},
        _R.ENTERED_IN_ERROR,
        {S},
        "reason",
        "approval",
        four_eyes=True,
    ),
)
"""The whole table of DESIGN section 5."""

_BY_STEP: Final[dict[tuple[ReferralState | None, Move, EventActor], Transition]] = {
    (source, row.move, party): row for row in TABLE for party in row.who for source in row.sources or {None}
}

RECIPIENT_MOVES: Final = frozenset(row.move for row in TABLE if P in row.who)
"""Moves of the recipient; the sender may record each of them as an answer given by phone."""


def transition(state: ReferralState | None, move: Move, party: EventActor) -> Transition:
    """Return the table's row for this step; raises TransitionNotAllowed with the moves that are possible."""
    row = _BY_STEP.get((state, move, party))
    if row is None:
        raise TransitionNotAllowed(state or ReferralState.DRAFT, allowed(state, party))
    return row


def step(state: ReferralState | None, move: Move, party: EventActor) -> ReferralState:
    """Return the state to which this move of this party leads, or raise TransitionNotAllowed."""
    return transition(state, move, party).target


@lru_cache
def allowed(state: ReferralState | None, party: EventActor) -> tuple[Move, ...]:
    """Return the moves that this party can make in this state, in the table's order."""
    return tuple(move for move in Move if (state, move, party) in _BY_STEP)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One event in a referral's history; ``move`` is None for an event that changes no state."""

    sequence: int
    move: Move | None
    party: EventActor


def replay(history: Iterable[Step]) -> ReferralState | None:
    """Return the state that a history leads to: ordered by ``sequence``, each sequence counted once.

    So the same messages duplicated or out of order give the same state. Raises TransitionNotAllowed when
    the history could not have happened; returns None for an empty one.
    """
    state: ReferralState | None = None
    for event in sorted({event.sequence: event for event in history}.values(), key=lambda e: e.sequence):
        if event.move is not None:
            state = step(state, event.move, event.party)
    return state


# --- Working days of Brandenburg ------------------------------------------------------------------------

_HOLIDAYS: Final = holidays.country_holidays("DE", subdiv="BB")


@lru_cache(maxsize=4_096)
def is_working_day(day: date) -> bool:
    """Whether ``day`` is Monday to Friday and no public holiday in Brandenburg."""
    return day.weekday() < 5 and day not in _HOLIDAYS


def add_working_days(day: date, count: int) -> date:
    """Return the ``count``-th working day after ``day`` (which itself is not counted)."""
    while count > 0:
        day += timedelta(days=1)
        if is_working_day(day):
            count -= 1
    return day


def working_days_between(start: date, end: date) -> int:
    """Return the number of working days after ``start`` up to and with ``end``; 0 if ``end`` is earlier."""
    days = (end - start).days
    return sum(is_working_day(start + timedelta(days=n)) for n in range(1, days + 1))


def answer_due_on(sent_on: date, priority: Priority) -> date:
    """Return the day by which the recipient must answer: 1, 3 or 10 working days after ``sent_on``."""
    return add_working_days(sent_on, ANSWER_DAYS[priority])


def answer_share_on(sent_on: date, priority: Priority, percent: int) -> date:
    """Return the working day on which ``percent`` of the time to answer has passed (rounded up)."""
    return add_working_days(sent_on, math.ceil(ANSWER_DAYS[priority] * percent / 100))


def due_after_reply(due_on: date, asked_on: date, replied_on: date) -> date:
    """Return the new due day after a question: the recipient's clock stood still while it was open."""
    return add_working_days(due_on, working_days_between(asked_on, replied_on))


# --- Clocks: when the clock itself moves, reminds or escalates (data; ``clock`` reads it) ------------------


class Unit(StrEnum):
    """In what a clock counts; PERCENT is of the time to answer, in working days."""

    DAYS = "DAYS"
    WORKING_DAYS = "WORKING_DAYS"
    WEEKS = "WEEKS"
    PERCENT = "PERCENT"


class Span(msgspec.Struct, frozen=True):
    """A length of time; negative before the day it is counted from."""

    amount: int
    unit: Unit


class DayMoment(StrEnum):
    """At which moment of its day something happens, on the wall clock of Brandenburg.

    MORNING is 8:00, so that whoever is reminded can still act on that day; END is the last second: a day
    that something may be done on is a whole day.
    """

    MORNING = "MORNING"
    END = "END"


class RemindedParty(StrEnum):
    """Who is reminded; SUPERIOR is the receiving organisation's own superior contact."""

    SENDER = "SENDER"
    RECIPIENT = "RECIPIENT"
    SUPERIOR = "SUPERIOR"
    LEAD = "LEAD"


class Reminder(msgspec.Struct, frozen=True, kw_only=True):
    """Who is reminded when; ``repeated``: again after each such span, at most ``times`` (None: no limit)."""

    after: Span
    whom: tuple[RemindedParty, ...]
    repeated: bool = False
    times: int | None = None
    moment: DayMoment = DayMoment.MORNING


class ClockStart(StrEnum):
    """The moment from which a clock counts."""

    LAST_CHANGE = "LAST_CHANGE"
    SENT = "SENT"
    QUESTION = "QUESTION"
    EXPECTED_WEEK = "EXPECTED_WEEK"
    FIRST_CONTACT = "FIRST_CONTACT"
    PROGRESS = "PROGRESS"
    EXPECTED_END = "EXPECTED_END"
    OUTCOME = "OUTCOME"
    REVOCATION_DUE = "REVOCATION_DUE"
    CONSENT_END = "CONSENT_END"
    REQUEST = "REQUEST"


class ClockName(StrEnum):
    """The clocks of DESIGN section 5, and that of the answer after the end of a consent (section 6)."""

    DRAFT_IDLE = "DRAFT_IDLE"
    ANSWER_DUE = "ANSWER_DUE"
    QUESTION_OPEN = "QUESTION_OPEN"
    WAITING_LIST = "WAITING_LIST"
    FIRST_CONTACT = "FIRST_CONTACT"
    SIGN_OF_LIFE = "SIGN_OF_LIFE"
    CONFIRMATION = "CONFIRMATION"
    REVOCATION_ANSWER = "REVOCATION_ANSWER"
    CONSENT = "CONSENT"
    FOUR_EYES = "FOUR_EYES"


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """A clock: it runs in ``states``, reminds, and at ``ends_after`` makes ``move`` with ``reason``.

    ``overdue_after``: when the fact that an answer is overdue is set. ``ends_after`` None: it only reminds.
    """

    name: ClockName
    whose: EventActor
    states: frozenset[ReferralState]
    starts: ClockStart
    reminders: tuple[Reminder, ...]
    ends_after: Span | None
    ends_from: ClockStart | None = None
    move: Move | None
    reason: Reason | None = None
    overdue_after: Span | None = None
    stands_still_in: frozenset[ReferralState] = frozenset()


_TO_P = (RemindedParty.RECIPIENT,)
_TO_S = (RemindedParty.SENDER,)
_TO_ALL = (RemindedParty.RECIPIENT, RemindedParty.SUPERIOR, RemindedParty.SENDER)

CLOCKS: Final[tuple[Clock, ...]] = (
    Clock(
        name=ClockName.DRAFT_IDLE,
        whose=S,
        states=UNSENT_STATES,
        starts=ClockStart.LAST_CHANGE,
        reminders=(Reminder(after=Span(20, Unit.DAYS), whom=_TO_S),),
        ends_after=Span(30, Unit.DAYS),
        move=Move.ABANDON,
        reason=Reason.IDLE,
    ),
    Clock(
        name=ClockName.ANSWER_DUE,
        whose=P,
        states=frozenset({_R.SENT, _R.ACKNOWLEDGED}),
        starts=ClockStart.SENT,
        reminders=(
            Reminder(after=Span(50, Unit.PERCENT), whom=_TO_P),
            Reminder(after=Span(100, Unit.PERCENT), whom=_TO_ALL, moment=DayMoment.END),
        ),
        ends_after=Span(150, Unit.PERCENT),
        move=Move.EXPIRE,
        reason=Reason.NO_ANSWER,
        overdue_after=Span(100, Unit.PERCENT),
        stands_still_in=frozenset({_R.INFO_REQUESTED}),
    ),
    Clock(
        name=ClockName.QUESTION_OPEN,
        whose=S,
        states=frozenset({_R.INFO_REQUESTED}),
        starts=ClockStart.QUESTION,
        reminders=(Reminder(after=Span(2, Unit.WORKING_DAYS), whom=_TO_S),),
        ends_after=Span(5, Unit.WORKING_DAYS),
        move=Move.REPLY,
        reason=Reason.NO_ANSWER,
    ),
    Clock(
        name=ClockName.WAITING_LIST,
        whose=P,
        states=frozenset({_R.WAITLISTED}),
        starts=ClockStart.EXPECTED_WEEK,
        reminders=(Reminder(after=Span(4, Unit.WEEKS), whom=_TO_P, repeated=True),),
        ends_after=Span(8, Unit.WEEKS),
        move=Move.EXPIRE,
        reason=Reason.NO_ANSWER,
    ),
    Clock(
        name=ClockName.FIRST_CONTACT,
        whose=P,
        states=frozenset({_R.ACCEPTED}),
        starts=ClockStart.FIRST_CONTACT,
        reminders=(Reminder(after=Span(1, Unit.WEEKS), whom=_TO_P),),
        ends_after=Span(4, Unit.WEEKS),
        move=Move.EXPIRE,
        reason=Reason.NO_ANSWER,
    ),
    Clock(
        name=ClockName.SIGN_OF_LIFE,
        whose=P,
        states=frozenset({_R.IN_PROGRESS, _R.ON_HOLD}),
        starts=ClockStart.PROGRESS,
        reminders=(Reminder(after=Span(90, Unit.DAYS), whom=_TO_P, repeated=True),),
        ends_after=Span(90, Unit.DAYS),
        ends_from=ClockStart.EXPECTED_END,
        move=Move.REPORT_OUTCOME,
        reason=Reason.NO_ANSWER,
    ),
    Clock(
        name=ClockName.CONFIRMATION,
        whose=S,
        states=frozenset({_R.OUTCOME_REPORTED}),
        starts=ClockStart.OUTCOME,
        reminders=(Reminder(after=Span(7, Unit.DAYS), whom=_TO_S),),
        ends_after=Span(14, Unit.DAYS),
        move=Move.CLOSE,
        reason=Reason.NO_ANSWER,
    ),
    Clock(
        name=ClockName.REVOCATION_ANSWER,
        whose=P,
        states=frozenset({_R.CONSENT_REVOKED}),
        starts=ClockStart.REVOCATION_DUE,
        reminders=(
            Reminder(after=Span(-7, Unit.DAYS), whom=_TO_P),
            Reminder(after=Span(0, Unit.DAYS), whom=_TO_ALL, moment=DayMoment.END),
            Reminder(after=Span(1, Unit.WEEKS), whom=_TO_ALL, repeated=True, times=8),
        ),
        ends_after=None,
        move=None,
        overdue_after=Span(0, Unit.DAYS),
    ),
    Clock(
        name=ClockName.CONSENT,
        whose=S,
        states=OPEN_STATES,
        starts=ClockStart.CONSENT_END,
        reminders=(Reminder(after=Span(-30, Unit.DAYS), whom=_TO_S),),
        ends_after=Span(0, Unit.DAYS),
        move=Move.REVOKE,
        reason=Reason.CONSENT_EXPIRED,
    ),
    Clock(
        name=ClockName.FOUR_EYES,
        whose=L,
        states=frozenset(_R) - UNSENT_STATES,
        starts=ClockStart.REQUEST,
        reminders=(Reminder(after=Span(1, Unit.WORKING_DAYS), whom=(RemindedParty.LEAD,)),),
        ends_after=Span(3, Unit.WORKING_DAYS),
        move=None,
    ),
)
"""The clock table of DESIGN section 5 (and 6: an answer after the end of a consent is chased, nine times).

The consent's clock and that of four eyes count from records of their own and are run by ``ticking``; the
four-eyes clock lets a request lapse and moves no referral.
"""

NO_END_STATED: Final = Span(365, Unit.DAYS)
"""What counts as the expected end when none is stated: a year after it began, as long as a consent lasts."""

REOPEN_WITHIN: Final = timedelta(days=30)
"""How long after closing a referral may be reopened."""

HOLD_AT_MOST: Final = timedelta(days=366)
"""How far ahead the resumption of a paused referral may lie (12 months)."""

_FOUR_EYES: Final = next(clock for clock in CLOCKS if clock.name is ClockName.FOUR_EYES)

APPROVAL_DAYS: Final = _FOUR_EYES.ends_after.amount if _FOUR_EYES.ends_after else 0
"""Working days after which a request for four eyes lapses."""

REMIND_LEADS_AFTER: Final = _FOUR_EYES.reminders[0].after.amount
"""Working days after which the leads are reminded of one."""

FOLLOW_UP_STATES: Final = frozenset({_R.DECLINED, _R.EXPIRED, _R.CLOSED})
"""States that offer a follow-up to the next service (CLOSED only with the need not met)."""
