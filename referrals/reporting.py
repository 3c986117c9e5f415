"""What of a referral's course reaches its sender: one rule for every read (REPORT_BACK, DESIGN section 6).

Pure. The person decides how much the recipient may tell: NOTHING (that it was answered, and that it is
over), CONTACT_MADE (that work has begun), OUTCOME (everything). What may not be told looks, from the
sender's desk, exactly as if it had not happened: state, dates, history, version and last change are those of
the referral without it. So whoever shows a sender anything of a referral asks ``shown_to_sender`` and
``shown_events``; whoever tells a sender that something happened asks ``reaches_sender``.

What happened while a narrower consent was in force stays untold when a wider one supersedes it: of it the
sender reads the present state, and the shortest way to it by the table, as if that had been gone when the
wider consent began (``told_later``).

Told at every depth is how it ended, and that speaks of the partner: an accepted referral that is declined, or
that expires four weeks after the named first contact because the partner gave no sign. From what is still
open after that, the sender can conclude that the partner gave some sign; hiding it would leave people waiting
whom nobody serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final, Protocol, TypeVar
from uuid import UUID

import msgspec

from directory.days import local_day
from referrals.consent.rules import ConsentFacts
from referrals.noted import COURSE, TAKEN, Noted
from referrals.states import Move, allowed
from referrals.values import Withdrawal
from referrals.vocabulary import (
    ConsentState,
    DeclinedBy,
    DeclineReason,
    EventActor,
    OutcomeCode,
    OutcomeReason,
    Purpose,
    Reason,
    ReferralState,
    ReportDepth,
    WithdrawalScope,
)

_MOVES: Final = frozenset(Move)

HIDDEN_MOVES: Final[dict[ReportDepth, frozenset[str]]] = {
    ReportDepth.NOTHING: frozenset({Move.START, Move.HOLD, Move.RESUME}),
    ReportDepth.CONTACT_MADE: frozenset({Move.HOLD, Move.RESUME}),
    ReportDepth.OUTCOME: frozenset(),
}
"""Moves that the sender does not get to know of."""

_PERSONAL: Final = frozenset({Noted.NO_SHOW, Noted.INTERIM, Noted.SIGN_OF_LIFE, Noted.CLIENT_TAKEN_OVER})
"""What tells something about the person in every state."""

_ALWAYS: Final = frozenset({"CALL_ME", Noted.FILE_NUMBER_SET})
"""What says nothing of the person and is told in every state: that it comes in one state only would tell."""

_OTHERS: Final = frozenset({EventActor.RECIPIENT, EventActor.CLOCK})

HIDDEN_REASONS: Final[dict[ReportDepth, frozenset[DeclineReason]]] = {
    ReportDepth.NOTHING: frozenset({DeclineReason.PERSON_DECLINED, DeclineReason.PERSON_NOT_REACHED}),
    ReportDepth.CONTACT_MADE: frozenset({DeclineReason.PERSON_DECLINED}),
    ReportDepth.OUTCOME: frozenset(),
}
"""Reasons of a refusal that speak of the person, not of the partner; the sender reads OTHER."""

LOOKS_LIKE: Final[dict[ReportDepth, dict[ReferralState, ReferralState]]] = {
    ReportDepth.NOTHING: dict.fromkeys(COURSE, ReferralState.ACCEPTED),
    ReportDepth.CONTACT_MADE: {ReferralState.ON_HOLD: ReferralState.IN_PROGRESS},
    ReportDepth.OUTCOME: {},
}
"""As what a state reads to the sender, unless the sender itself has led the referral back into work."""


def readable_depth(
    consent: ConsentFacts | None, withdrawal: Withdrawal | None, recipient: UUID, at: datetime
) -> ReportDepth:
    """Return how much of the course the sender may read at this moment.

    Nothing once the person has withdrawn it, or its own end has passed. A consent that has only expired
    leaves readable what was told while it was in force; what was not to be told then was never stored.
    """
    if consent is None or consent.state is ConsentState.WITHDRAWN:
        return ReportDepth.NOTHING
    if withdrawal is not None:
        if withdrawal.scope is WithdrawalScope.RECIPIENT and withdrawal.recipient == recipient:
            return ReportDepth.NOTHING
        if withdrawal.purpose is Purpose.REPORT_BACK:
            return ReportDepth.NOTHING
    today = local_day(at)
    granted = (
        entry.report_depth
        for entry in consent.terms.purposes
        if entry.purpose is Purpose.REPORT_BACK
        and entry.granted
        and (entry.ends_on is None or today <= entry.ends_on)
    )
    return next(granted, ReportDepth.NOTHING)


def reaches_sender(move: str, actor: EventActor, to_state: ReferralState, depth: ReportDepth) -> bool:
    """Whether the sender gets to know, at this depth, that this happened; ``move`` may be an event's name."""
    if depth is ReportDepth.OUTCOME or move in _ALWAYS:
        return True
    if move in _MOVES:
        return move not in HIDDEN_MOVES[depth]
    if move in _PERSONAL:
        return False
    if move == Noted.REMARK and actor is EventActor.RECIPIENT:
        return to_state not in TAKEN | {ReferralState.OUTCOME_REPORTED, ReferralState.CLOSED}
    # reminders and appointments while somebody is at work would tell that they are
    return actor not in _OTHERS or to_state not in COURSE


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """One event, as far as it decides what is shown.

    ``told``: the sender was to know of it when it happened. What was not stays untold, but for the moves
    without which the history would not lead to the state as the consent is now (``told_later``).
    """

    move: str
    actor: EventActor
    to_state: ReferralState
    at: datetime
    told: bool = True

    def shown(self, depth: ReportDepth) -> bool:
        """Whether the sender reads this event now, as it happened."""
        return self.told and reaches_sender(self.move, self.actor, self.to_state, depth)


class _Event(Protocol):
    """An event, however much more is known of it."""

    @property
    def move(self) -> str:
        """Its name."""

    @property
    def actor(self) -> EventActor:
        """Who acted."""

    @property
    def to_state(self) -> ReferralState:
        """Where it led."""

    @property
    def at(self) -> datetime:
        """When."""

    @property
    def told(self) -> bool:
        """Whether the sender was to know of it."""


H = TypeVar("H", bound=_Event)


def told_later(events: Iterable[H], depth: ReportDepth, since: datetime | None) -> list[tuple[H, bool]]:
    """Return the events that the sender reads, in order, and of each whether it is told later than it was.

    Told later are moves that were not to be told when they happened, and may be now, as far as they lead to
    what follows: a pause that was over before the wider consent was given, at ``since``, is not among them.
    """
    found: list[tuple[H, bool]] = []
    way: list[H] = []
    before: ReferralState | None = None
    for event in events:
        if not reaches_sender(event.move, event.actor, event.to_state, depth):
            continue
        moves = event.move in _MOVES
        if not event.told:
            if moves:
                _go(way, event, before)
            continue
        if moves or since is None or event.at >= since:
            found += [(one, True) for one in way]
            way = []
        found.append((event, False))
        before = event.to_state if moves else before
    return found + [(one, True) for one in way]


def _go(way: list[H], event: H, before: ReferralState | None) -> None:
    """Go on with a way of moves; back where it was already, what lay between falls out of it."""
    states = [before, *(one.to_state for one in way)]
    if event.to_state in states:
        del way[states.index(event.to_state) :]
    else:
        way.append(event)


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a referral that a report could tell; ``history`` is needed in a state of COURSE only.

    ``hidden_changes`` of the changes in ``version`` are not the sender's to know of; ``sender_updated_at`` is
    the last change that is, while later ones are not. ``no_shows`` is None where it is not told.
    """

    state: ReferralState
    state_since: datetime
    version: int
    hidden_changes: int = 0
    updated_at: datetime
    sender_updated_at: datetime | None = None
    first_contact_made_on: date | None = None
    resume_on: date | None = None
    reason: Reason | None = None
    decline_reason: DeclineReason | None = None
    declined_by: DeclinedBy | None = None
    outcome: OutcomeCode | None = None
    outcome_on: date | None = None
    outcome_reason: OutcomeReason | None = None
    appointment_at: datetime | None = None
    interim_report_on: date | None = None
    last_sign_of_life: date | None = None
    no_shows: int | None = 0
    overdue: bool = False
    unconfirmed: bool = False


def shown_to_sender(
    facts: Course, history: Sequence[Happened], depth: ReportDepth, since: datetime | None = None
) -> Course:
    """Return the facts as the sender reads them at this depth; ``history`` in order.

    Until the outcome is reported the state is the last that the sender was told; then the outcome is
    NOT_DISCLOSED, without a day or a reason. ``since``: when the consent began that says so now.
    """
    shown = msgspec.structs.replace(
        facts,
        version=facts.version - facts.hidden_changes,
        hidden_changes=0,
        updated_at=facts.sender_updated_at or facts.updated_at,
        sender_updated_at=None,
    )
    if depth is ReportDepth.OUTCOME:
        return shown if facts.hidden_changes == 0 else _without_untold(shown, history, since)
    at_work = facts.state in COURSE
    state, state_since = facts.state, facts.state_since
    if at_work:
        state, state_since = _last_told(facts, history, depth, since)
    personal = facts.decline_reason in HIDDEN_REASONS[depth]
    return msgspec.structs.replace(
        shown,
        state=state,
        state_since=state_since,
        first_contact_made_on=None if depth is ReportDepth.NOTHING else facts.first_contact_made_on,
        resume_on=None,
        reason=None if at_work else facts.reason,
        decline_reason=DeclineReason.OTHER if personal else facts.decline_reason,
        declined_by=_declined_by(facts.declined_by, personal),
        outcome=None if facts.outcome is None else OutcomeCode.NOT_DISCLOSED,
        outcome_on=None,
        outcome_reason=None,
        appointment_at=None,
        interim_report_on=None,
        last_sign_of_life=None,
        no_shows=None,
        # a sign of life can only be overdue where somebody is at work
        overdue=facts.overdue and not at_work,
    )


_APPOINTMENTS: Final = frozenset(
    {Noted.APPOINTMENT_SET, Noted.APPOINTMENT_MOVED, Noted.APPOINTMENT_CANCELLED, Noted.NO_SHOW}
)
_SIGNS: Final = _APPOINTMENTS | {
    Noted.INTERIM,
    Noted.SIGN_OF_LIFE,
    Noted.CLIENT_TAKEN_OVER,
    Move.START,
    Move.HOLD,
    Move.RESUME,
    Move.CONTEST,
    Move.REOPEN,
}
"""What counts as a sign of life, as the functions say that note it."""


def _without_untold(shown: Course, history: Sequence[Happened], since: datetime | None) -> Course:
    """Return the facts without what came from events that the sender was not to know of."""

    def untold(*kinds: str) -> bool:
        last = next((event for event in reversed(history) if event.move in kinds), None)
        return last is not None and not last.told

    _, state_since = _last_told(shown, history, ReportDepth.OUTCOME, since)
    signs = [event.at for event in history if event.told and event.move in _SIGNS and event.to_state in TAKEN]
    return msgspec.structs.replace(
        shown,
        state_since=state_since,
        resume_on=None if untold(Move.HOLD) else shown.resume_on,
        appointment_at=None if untold(*_APPOINTMENTS) else shown.appointment_at,
        interim_report_on=None if untold(Noted.INTERIM) else shown.interim_report_on,
        last_sign_of_life=local_day(max(signs)) if signs else None,
        no_shows=sum(event.told and event.move == Noted.NO_SHOW for event in history),
    )


def _declined_by(said: DeclinedBy | None, personal: bool) -> DeclinedBy | None:
    return DeclinedBy.PARTNER if personal and said is not None else said


def _last_told(
    facts: Course, history: Sequence[Happened], depth: ReportDepth, since: datetime | None
) -> tuple[ReferralState, datetime]:
    for event, later in reversed(told_later(history, depth, since)):
        if event.move in _MOVES:
            return event.to_state, _when(event.at, since) if later else event.at
    # without a history nothing more is told than that the recipient has taken the person
    state = ReferralState.ACCEPTED if depth is not ReportDepth.OUTCOME else facts.state
    return state, facts.sender_updated_at or facts.state_since


def _when(at: datetime, since: datetime | None) -> datetime:
    return at if since is None else max(at, since)


def states_behind(shown: ReferralState, depth: ReportDepth) -> frozenset[ReferralState]:
    """Return the states that the sender cannot tell apart from the one it reads."""
    if depth is ReportDepth.OUTCOME or shown not in TAKEN:
        return frozenset({shown})
    if shown is ReferralState.ACCEPTED:
        return TAKEN if depth is ReportDepth.NOTHING else frozenset({shown})
    return COURSE


def moves_shown(shown: ReferralState, depth: ReportDepth, party: EventActor) -> tuple[Move, ...]:
    """Return the moves that the sender can make, or record as ``party``, whatever lies behind what it reads.

    A move that is possible in some of those states only would tell which of them it is.
    """
    behind = states_behind(shown, depth)
    return tuple(
        move
        for move in Move
        if all(move in allowed(state, party) for state in behind)
        and not (party is EventActor.RECIPIENT and move in HIDDEN_MOVES[depth])
    )


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event with what it says; the base of what is shown of a history."""

    ordinal: int
    at: datetime
    move: str
    from_state: ReferralState | None
    to_state: ReferralState
    actor: EventActor
    told: bool = True


E = TypeVar("E", bound=Told)


def shown_events(events: Iterable[E], depth: ReportDepth, since: datetime | None = None) -> tuple[E, ...]:
    """Return the history as the sender reads it, in order: what is not told is left out without a trace.

    The events are counted anew, and lead from state to state as if nothing else had happened; so replaying
    them gives the state that ``shown_to_sender`` gives. ``since``: when the consent began that says so now;
    what is told later than it happened is dated by it, and says nothing else.
    """
    found: list[E] = []
    state: ReferralState | None = None
    for event, later in told_later(events, depth, since):
        to_state = event.to_state if event.move in _MOVES or state is None else state
        found.append(
            msgspec.structs.replace(
                event,
                ordinal=len(found) + 1,
                from_state=state if found else event.from_state,
                to_state=to_state,
                at=_when(event.at, since) if later else event.at,
                told=not later,
            )
        )
        state = to_state
    for number in reversed(range(1, len(found))):  # nothing stands after what followed it
        if found[number - 1].at > found[number].at:
            found[number - 1] = msgspec.structs.replace(found[number - 1], at=found[number].at)
    return tuple(found)


def who_reported_is_hidden(move: str, depth: ReportDepth) -> bool:
    """Whether the reader may not see by whom and how an outcome was reported.

    The clock reports only where work had begun, so that it did would tell so.
    """
    return depth is not ReportDepth.OUTCOME and move == Move.REPORT_OUTCOME


def reason_shown(move: str, reason: str | None, depth: ReportDepth) -> str | None:
    """Return an event's reason as the sender reads it."""
    if depth is ReportDepth.OUTCOME or reason is None:
        return reason
    if move == Move.REPORT_OUTCOME:
        return None
    if move == Move.DECLINE and reason in HIDDEN_REASONS[depth]:
        return DeclineReason.OTHER.value
    return reason
