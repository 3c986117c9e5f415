"""What of a referral's course reaches its sender: the rule, and that two different courses look the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referrals.noted import COURSE, NOTES, TAKEN, Noted
from referrals.reporting import (
    LOOKS_LIKE,
    Course,
    Happened,
    Told,
    moves_shown,
    reaches_sender,
    readable_depth,
    shown_events,
    shown_to_sender,
    states_behind,
)
from referrals.states import Move, Step, allowed, replay, step
from referrals.values import Withdrawal
from referrals.vocabulary import (
    Channel,
    DeclinedBy,
    DeclineReason,
    EventActor,
    OutcomeCode,
    OutcomeReason,
    ReferralState,
    ReportDepth,
    WithdrawalScope,
)

S, P, T, C = EventActor.SENDER, EventActor.RECIPIENT, EventActor.CLOCK, EventActor.PERSON
R = ReferralState
NOTHING, CONTACT, ALL = ReportDepth.NOTHING, ReportDepth.CONTACT_MADE, ReportDepth.OUTCOME
NOON = datetime(2026, 3, 2, 11, tzinfo=UTC)
BEGINNING = ((Move.DRAFT, S), (Move.SEND, S), (Move.ACKNOWLEDGE, P), (Move.ACCEPT, P))


def history(*steps: tuple[str, EventActor]) -> tuple[Told, ...]:
    """The events of a referral that was accepted, and then these."""
    state: ReferralState | None = None
    found = []
    for number, (move, party) in enumerate((*BEGINNING, *steps)):
        before = state
        if move in set(Move):
            state = step(state, Move(move), party)
        assert state is not None
        found.append(
            Told(
                ordinal=number + 1,
                at=NOON + timedelta(days=number),
                move=str(move),
                from_state=before,
                to_state=state,
                actor=party,
            )
        )
    return tuple(found)


def facts_after(events: tuple[Told, ...], **more: object) -> Course:
    """The facts of a referral with this history, the hidden changes counted as ``moving`` counts them."""
    last_move = [event for event in events if event.move in set(Move)][-1]
    given_: dict[str, object] = {
        "state": events[-1].to_state,
        "state_since": last_move.at,
        "version": len(events),
        "updated_at": events[-1].at,
        **more,
    }
    return Course(**given_)  # type: ignore[arg-type]


def happened(events: Iterable[Told]) -> tuple[Happened, ...]:
    return tuple(
        Happened(move=e.move, actor=e.actor, to_state=e.to_state, at=e.at, told=e.told) for e in events
    )


def seen(events: tuple[Told, ...], depth: ReportDepth, **more: object) -> Course:
    return shown_to_sender(facts_after(events, **more), happened(events), depth)


# --- The table ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "by", "in_state", "nothing", "contact"),
    [
        (Move.ACKNOWLEDGE, P, R.ACKNOWLEDGED, True, True),
        (Move.ASK, P, R.INFO_REQUESTED, True, True),
        (Move.WAITLIST, P, R.WAITLISTED, True, True),
        (Noted.WAITLIST_UPDATED, P, R.WAITLISTED, True, True),
        (Move.ACCEPT, P, R.ACCEPTED, True, True),
        (Move.DECLINE, P, R.DECLINED, True, True),
        (Move.EXPIRE, T, R.EXPIRED, True, True),
        (Noted.APPOINTMENT_SET, P, R.ACCEPTED, True, True),
        (Noted.REMARK, P, R.ACKNOWLEDGED, True, True),
        (Noted.REMARK, S, R.IN_PROGRESS, True, True),
        (Move.REPORT_OUTCOME, P, R.OUTCOME_REPORTED, True, True),
        (Move.CANCEL, S, R.CANCELLED, True, True),
        (Move.CONTEST, C, R.IN_PROGRESS, True, True),
        (Move.START, P, R.IN_PROGRESS, False, True),
        (Move.HOLD, P, R.ON_HOLD, False, False),
        (Move.RESUME, P, R.IN_PROGRESS, False, False),
        (Noted.NO_SHOW, P, R.ACCEPTED, False, False),
        (Noted.INTERIM, P, R.ACCEPTED, False, False),
        (Noted.SIGN_OF_LIFE, P, R.ACCEPTED, False, False),
        (Noted.CLIENT_TAKEN_OVER, P, R.ACCEPTED, False, False),
        (Noted.APPOINTMENT_SET, P, R.IN_PROGRESS, False, False),
        (Noted.APPOINTMENT_MOVED, P, R.ON_HOLD, False, False),
        (Noted.REMARK, P, R.ACCEPTED, False, False),
        (Noted.REMARK, P, R.OUTCOME_REPORTED, False, False),
        (Noted.REASSIGNED, P, R.IN_PROGRESS, False, False),
        ("ANY_REMINDER", T, R.IN_PROGRESS, False, False),
        ("ANY_REMINDER", T, R.ACCEPTED, True, True),
    ],
)
def test_what_reaches_the_sender(
    what: str, by: EventActor, in_state: ReferralState, nothing: bool, contact: bool
) -> None:
    assert reaches_sender(what, by, in_state, NOTHING) is nothing
    assert reaches_sender(what, by, in_state, CONTACT) is contact
    assert reaches_sender(what, by, in_state, ALL)


@pytest.mark.parametrize("depth", ReportDepth)
@pytest.mark.parametrize("state", ReferralState)
def test_every_state_is_among_those_behind_the_one_it_looks_like(
    depth: ReportDepth, state: ReferralState
) -> None:
    assert state in states_behind(LOOKS_LIKE[depth].get(state, state), depth)


@pytest.mark.parametrize(
    ("course", "depth", "state"),
    [
        ((), NOTHING, R.ACCEPTED),
        (((Move.START, P),), NOTHING, R.ACCEPTED),
        (((Move.START, P), (Move.HOLD, P)), NOTHING, R.ACCEPTED),
        (((Move.START, P), (Move.HOLD, P)), CONTACT, R.IN_PROGRESS),
        (((Move.START, P), (Move.HOLD, P)), ALL, R.ON_HOLD),
        (((Move.START, P), (Move.REPORT_OUTCOME, P)), NOTHING, R.OUTCOME_REPORTED),
        # the sender's own move has led it back into work: that it knows
        (((Move.REPORT_OUTCOME, P), (Move.CONTEST, S)), NOTHING, R.IN_PROGRESS),
        (((Move.REPORT_OUTCOME, P), (Move.CONTEST, S), (Move.HOLD, P)), NOTHING, R.IN_PROGRESS),
    ],
)
def test_the_state_that_the_sender_reads(
    course: tuple[tuple[Move, EventActor], ...], depth: ReportDepth, state: ReferralState
) -> None:
    assert seen(history(*course), depth).state is state


@pytest.mark.parametrize(
    ("reason", "nothing", "contact"),
    [
        (DeclineReason.PERSON_DECLINED, DeclineReason.OTHER, DeclineReason.OTHER),
        (DeclineReason.PERSON_NOT_REACHED, DeclineReason.OTHER, DeclineReason.PERSON_NOT_REACHED),
        (DeclineReason.NO_CAPACITY, DeclineReason.NO_CAPACITY, DeclineReason.NO_CAPACITY),
    ],
)
def test_a_refusal_speaks_of_the_partner_and_not_of_the_person(
    reason: DeclineReason, nothing: DeclineReason, contact: DeclineReason
) -> None:
    by = DeclinedBy.PERSON if reason is DeclineReason.PERSON_DECLINED else DeclinedBy.PARTNER
    events = history((Move.DECLINE, P))
    for depth, expected in ((NOTHING, nothing), (CONTACT, contact), (ALL, reason)):
        shown = seen(events, depth, decline_reason=reason, declined_by=by)
        assert shown.decline_reason is expected
        assert shown.declined_by is (DeclinedBy.PARTNER if expected is not reason else by)


def test_nothing_of_the_outcome_is_left() -> None:
    events = history((Move.START, P), (Move.REPORT_OUTCOME, P))
    full = {
        "outcome": OutcomeCode.NOT_MET,
        "outcome_on": date(2026, 3, 9),
        "outcome_reason": OutcomeReason.HEALTH,
        "first_contact_made_on": date(2026, 3, 5),
        "no_shows": 2,
        "interim_report_on": date(2026, 3, 6),
        "last_sign_of_life": date(2026, 3, 6),
        "appointment_at": NOON,
    }
    shown = seen(events, NOTHING, **full)

    assert shown.outcome is OutcomeCode.NOT_DISCLOSED
    assert [getattr(shown, name) for name in full if name != "outcome"] == [None] * (len(full) - 1)


def test_what_is_withdrawn_later_is_read_no_more() -> None:
    recipient = uuid4()
    withdrawn = Withdrawal(
        at=NOON, channel=Channel.PHONE, scope=WithdrawalScope.RECIPIENT, recipient=recipient, receipt=uuid4()
    )

    assert readable_depth(None, None, recipient, NOON) is NOTHING
    assert readable_depth(None, withdrawn, recipient, NOON) is NOTHING


# --- The sender cannot tell one course from another ---------------------------------------------------------

_hidden = st.lists(
    st.sampled_from([Move.START, Move.HOLD, Move.RESUME, Noted.NO_SHOW, Noted.SIGN_OF_LIFE, Noted.INTERIM]),
    max_size=6,
)


def possible(wanted: list[str]) -> tuple[tuple[str, EventActor], ...]:
    """Keep of these what the tables allow, in order."""
    state, kept = R.ACCEPTED, []
    for what in wanted:
        if what in set(Move):
            if Move(what) not in allowed(state, P):
                continue
            state = step(state, Move(what), P)
        elif state not in NOTES[Noted(what)].states:
            continue
        kept.append((what, P))
    return tuple(kept)


@settings(max_examples=150, deadline=None)
@given(_hidden, st.booleans())
def test_whatever_happened_looks_to_the_sender_as_if_nothing_had(course: list[str], reported: bool) -> None:
    """The same two words of the recipient, accepted and reported, with any course between them."""
    between = possible(course)
    end: tuple[tuple[str, EventActor], ...] = ((Move.REPORT_OUTCOME, P),) if reported else ()
    plain = history(*end)
    # the same moments for what both histories share, so that only the course differs
    moments = {event.move: event.at for event in plain}
    full = tuple(
        msgspec.structs.replace(event, at=moments.get(event.move, event.at))
        for event in history(*between, *end)
    )
    hidden = len(between)
    last_told = plain[-1]
    facts = facts_after(
        full,
        version=len(full),
        hidden_changes=hidden,
        updated_at=full[-1].at,
        sender_updated_at=None if reported or not hidden else last_told.at,
        no_shows=sum(what == Noted.NO_SHOW for what, _ in between),
        outcome=OutcomeCode.PARTLY_MET if reported else None,
    )
    without = facts_after(plain, outcome=OutcomeCode.NOT_DISCLOSED if reported else None)

    assert shown_to_sender(facts, happened(full), NOTHING) == shown_to_sender(
        without, happened(plain), NOTHING
    )
    assert shown_events(full, NOTHING) == shown_events(plain, NOTHING)


@settings(max_examples=150, deadline=None)
@given(_hidden, st.sampled_from(list(ReportDepth)), st.booleans())
def test_replaying_what_is_shown_gives_the_state_that_is_shown(
    course: list[str], depth: ReportDepth, reported: bool
) -> None:
    events = history(*possible(course), *(((Move.REPORT_OUTCOME, P),) if reported else ()))
    shown = shown_events(events, depth)
    moves = set(Move)
    steps = [
        Step(sequence=e.ordinal, move=Move(e.move) if e.move in moves else None, party=e.actor) for e in shown
    ]

    assert [e.ordinal for e in shown] == list(range(1, len(shown) + 1))
    assert replay(steps) is seen(events, depth).state is shown[-1].to_state


# --- A wider consent supersedes a narrower one --------------------------------------------------------------

WIDER = NOON + timedelta(days=40)
"""When the person lets more be told: later than what is not said to be after."""


def narrowly(course: list[str], depth: ReportDepth, *after: tuple[str, EventActor]) -> tuple[Told, ...]:
    """A history of which the middle happened under a consent of this depth, and the end under all of it."""
    between = possible(course)
    events = history(*between, *after)
    first_after = len(BEGINNING) + len(between)
    return tuple(
        msgspec.structs.replace(
            event,
            told=number >= first_after or reaches_sender(event.move, event.actor, event.to_state, depth),
            at=WIDER + timedelta(days=number) if number >= first_after else event.at,
        )
        for number, event in enumerate(events)
    )


def read_later(events: tuple[Told, ...], **more: object) -> Course:
    """The facts as the sender reads them once everything may be told."""
    facts = facts_after(events, hidden_changes=sum(not event.told for event in events), **more)
    return shown_to_sender(facts, happened(events), ALL, WIDER)


@settings(max_examples=150, deadline=None)
@given(_hidden, st.sampled_from([NOTHING, CONTACT]))
def test_what_was_not_to_be_told_stays_untold_under_a_wider_consent(
    course: list[str], depth: ReportDepth
) -> None:
    """The present state is read, and the shortest way to it, from the day of the wider consent on."""
    events = narrowly(course, depth)
    state = events[-1].to_state
    straight = {R.ACCEPTED: [], R.IN_PROGRESS: [Move.START], R.ON_HOLD: [Move.START, Move.HOLD]}[state]
    shown = shown_events(events, ALL, WIDER)
    moves = set(Move)
    full = read_later(
        events,
        no_shows=sum(event.move == Noted.NO_SHOW for event in events),
        interim_report_on=date(2026, 3, 6),
        last_sign_of_life=date(2026, 3, 7),
        resume_on=date(2026, 5, 1),
        appointment_at=WIDER,
    )

    assert [event.move for event in shown][len(BEGINNING) :] == straight
    assert replay([Step(sequence=e.ordinal, move=Move(e.move), party=e.actor) for e in shown]) is state
    assert {event.move for event in shown} <= moves
    for event in shown[len(BEGINNING) :]:
        assert event.at == WIDER or (depth is CONTACT and event.move == Move.START and event.told)
    assert full.state is state
    untold = {event.move for event in events if not event.told}
    if untold:
        assert full.state_since == shown[-1].at
    assert full.no_shows == 0
    assert full.interim_report_on is None or Noted.INTERIM not in untold
    assert full.appointment_at is None or Noted.NO_SHOW not in untold
    assert full.resume_on is None or Move.HOLD not in untold
    if untold:
        told = {event.at.date() for event in events if event.told and event.to_state in COURSE}
        assert full.last_sign_of_life in told | {None}


@settings(max_examples=100, deadline=None)
@given(_hidden, _hidden)
def test_two_courses_that_stand_at_the_same_look_the_same_under_a_wider_consent(
    one: list[str], other: list[str]
) -> None:
    first, second = narrowly(one, NOTHING), narrowly(other, NOTHING)
    if first[-1].to_state is not second[-1].to_state:
        return
    begun = {"sender_updated_at": NOON, "updated_at": NOON}
    if len(first) == len(BEGINNING) or len(second) == len(BEGINNING):
        return  # nothing was untold: there is nothing to hide

    shown, seen_so = shown_events(first, ALL, WIDER), shown_events(second, ALL, WIDER)
    assert shown == seen_so
    a, b = read_later(first, **begun), read_later(second, **begun)
    since = WIDER if shown[-1].at == WIDER else NOON
    assert msgspec.structs.replace(a, state_since=since) == msgspec.structs.replace(b, state_since=since)


def test_what_happens_after_the_wider_consent_is_told() -> None:
    events = narrowly(
        [Move.START, Move.HOLD, Noted.NO_SHOW],
        NOTHING,
        (Noted.NO_SHOW, P),
        (Move.RESUME, P),
        (Noted.REMARK, P),
    )
    shown = shown_events(events, ALL, WIDER)

    assert [event.move for event in shown][len(BEGINNING) :] == [
        Move.START, Move.HOLD, Noted.NO_SHOW, Move.RESUME, Noted.REMARK,
    ]  # fmt: skip
    assert [event.at for event in shown] == sorted(event.at for event in shown)
    facts = read_later(events, no_shows=2, resume_on=None)
    assert (facts.no_shows, facts.state, facts.state_since) == (1, R.IN_PROGRESS, shown[-2].at)


@pytest.mark.parametrize("depth", ReportDepth)
@pytest.mark.parametrize("party", [S, P])
@pytest.mark.parametrize("state", sorted(TAKEN))
def test_no_move_of_the_sender_tells_the_states_apart(
    state: ReferralState, party: EventActor, depth: ReportDepth
) -> None:
    shown = LOOKS_LIKE[depth].get(state, state)
    for move in moves_shown(shown, depth, party):
        for behind in states_behind(shown, depth):
            step(behind, move, party)
    if depth is NOTHING:
        assert set(moves_shown(shown, depth, S)) == {Move.CANCEL, Move.CORRECT}
        assert set(moves_shown(shown, depth, P)) == {Move.REPORT_OUTCOME}
    assert (Move.HOLD in moves_shown(shown, depth, P)) is (depth is ALL and state is R.IN_PROGRESS)


def test_the_table_of_notes_names_every_note() -> None:
    assert set(NOTES) == set(Noted)
    assert COURSE < TAKEN
