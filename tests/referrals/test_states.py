"""The table of DESIGN section 5, read back from the data."""

from __future__ import annotations

from collections import deque
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referrals.problems import TransitionNotAllowed
from referrals.states import (
    CLOCKS,
    TABLE,
    Move,
    Step,
    add_working_days,
    allowed,
    answer_due_on,
    answer_share_on,
    due_after_reply,
    is_working_day,
    replay,
    step,
    transition,
    working_days_between,
)
from referrals.vocabulary import (
    OPEN_STATES,
    READABLE_STATES,
    TERMINAL_STATES,
    EventActor,
    Priority,
    ReferralState,
)

S, P, C, T, L, Y = EventActor

# state, party: moves and where they lead; a state and party may have several lines; what is not here is
# not allowed.
SPECIFIED = """
DRAFT             SENDER     AWAIT_CONSENT>AWAITING_CONSENT SEND>SENT ABANDON>ABANDONED
DRAFT             PERSON     ABANDON>ABANDONED
DRAFT             CLOCK      ABANDON>ABANDONED
AWAITING_CONSENT  SENDER     SEND>SENT ABANDON>ABANDONED
AWAITING_CONSENT  PERSON     ABANDON>ABANDONED
AWAITING_CONSENT  CLOCK      ABANDON>ABANDONED
SENT              RECIPIENT  ACKNOWLEDGE>ACKNOWLEDGED ASK>INFO_REQUESTED WAITLIST>WAITLISTED
SENT              RECIPIENT  ACCEPT>ACCEPTED DECLINE>DECLINED
SENT              CLOCK      EXPIRE>EXPIRED
ACKNOWLEDGED      RECIPIENT  ASK>INFO_REQUESTED WAITLIST>WAITLISTED ACCEPT>ACCEPTED DECLINE>DECLINED
ACKNOWLEDGED      CLOCK      EXPIRE>EXPIRED
INFO_REQUESTED    CLOCK      REPLY>ACKNOWLEDGED
WAITLISTED        RECIPIENT  ACCEPT>ACCEPTED DECLINE>DECLINED
WAITLISTED        CLOCK      EXPIRE>EXPIRED
ACCEPTED          RECIPIENT  DECLINE>DECLINED START>IN_PROGRESS REPORT_OUTCOME>OUTCOME_REPORTED
ACCEPTED          CLOCK      EXPIRE>EXPIRED
IN_PROGRESS       RECIPIENT  HOLD>ON_HOLD REPORT_OUTCOME>OUTCOME_REPORTED
IN_PROGRESS       CLOCK      REPORT_OUTCOME>OUTCOME_REPORTED
ON_HOLD           RECIPIENT  RESUME>IN_PROGRESS REPORT_OUTCOME>OUTCOME_REPORTED
ON_HOLD           CLOCK      REPORT_OUTCOME>OUTCOME_REPORTED
INFO_REQUESTED    SENDER     REPLY>ACKNOWLEDGED
OUTCOME_REPORTED  SENDER     CLOSE>CLOSED CONTEST>IN_PROGRESS
OUTCOME_REPORTED  PERSON     CONTEST>IN_PROGRESS
OUTCOME_REPORTED  CLOCK      CLOSE>CLOSED
CLOSED            SENDER     REOPEN>IN_PROGRESS
"""


def specified() -> dict[tuple[ReferralState, EventActor], dict[Move, ReferralState]]:
    """The specification above, with what holds for whole groups of states."""
    rows: dict[tuple[ReferralState, EventActor], dict[Move, ReferralState]] = {
        (state, party): {} for state in ReferralState for party in EventActor
    }
    for line in SPECIFIED.strip().splitlines():
        state, party, *moves = line.split()
        for move, target in (word.split(">") for word in moves):
            rows[ReferralState(state), EventActor(party)][Move(move)] = ReferralState(target)
    for state in OPEN_STATES:
        rows[state, Y][Move.REVOKE] = ReferralState.CONSENT_REVOKED
    for state in READABLE_STATES:
        rows[state, S][Move.CANCEL] = ReferralState.CANCELLED
        rows[state, C][Move.CANCEL] = ReferralState.CANCELLED
    for state in set(ReferralState) - {ReferralState.ENTERED_IN_ERROR}:
        rows[state, S][Move.CORRECT] = ReferralState.ENTERED_IN_ERROR
    return rows


@pytest.mark.parametrize("state", ReferralState)
@pytest.mark.parametrize("party", EventActor)
def test_each_state_has_exactly_the_specified_moves(state: ReferralState, party: EventActor) -> None:
    expected = specified()[state, party]

    assert {move: step(state, move, party) for move in allowed(state, party)} == expected
    for move in set(Move) - set(expected):
        with pytest.raises(TransitionNotAllowed) as refused:
            step(state, move, party)
        assert refused.value.state == state
        assert set(refused.value.allowed) == set(expected)


def test_a_referral_begins_as_a_draft_of_the_sender_only() -> None:
    assert [(party, allowed(None, party)) for party in EventActor if allowed(None, party)] == [
        (S, (Move.DRAFT,))
    ]


def test_no_step_stands_in_two_rows() -> None:
    steps = [(source, row.move, who) for row in TABLE for who in row.who for source in row.sources or {None}]

    assert len(steps) == len(set(steps))


@pytest.mark.parametrize(
    ("state", "move"),
    [
        (ReferralState.CLOSED, Move.REOPEN),
        (ReferralState.SENT, Move.CORRECT),
        (ReferralState.CLOSED, Move.CORRECT),
    ],
)
def test_reopening_and_correcting_what_was_sent_take_four_eyes(state: ReferralState, move: Move) -> None:
    assert transition(state, move, S).four_eyes


def test_correcting_a_draft_takes_two_eyes() -> None:
    assert not transition(ReferralState.DRAFT, Move.CORRECT, S).four_eyes


@pytest.mark.parametrize("state", sorted(TERMINAL_STATES))
def test_terminal_states_have_no_way_out_but_the_stated_ones(state: ReferralState) -> None:
    out = {move for party in EventActor for move in allowed(state, party)}

    stated = {Move.REOPEN} if state is ReferralState.CLOSED else set()
    error = set() if state is ReferralState.ENTERED_IN_ERROR else {Move.CORRECT}
    assert out == stated | error


@pytest.mark.parametrize("state", sorted(OPEN_STATES))
def test_with_only_the_clock_acting_every_open_referral_ends(state: ReferralState) -> None:
    seen, waiting = {state}, deque([state])
    while waiting:
        at = waiting.popleft()
        if at in TERMINAL_STATES:
            return
        for move in allowed(at, T):
            target = step(at, move, T)
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    pytest.fail(f"{state} never ends")


@pytest.mark.parametrize("state", sorted(OPEN_STATES))
def test_every_open_state_has_a_clock_that_makes_a_move_of_the_table(state: ReferralState) -> None:
    clocks = [c for c in CLOCKS if state in c.states and c.move not in {None, Move.REVOKE}]

    assert len(clocks) == 1
    assert clocks[0].move in allowed(state, T)


@given(st.data())
def test_replaying_any_walk_in_any_order_and_doubled_gives_its_state(data: st.DataObject) -> None:
    state: ReferralState | None = None
    history: list[Step] = []
    for sequence in range(data.draw(st.integers(0, 15))):
        choices = [(move, party) for party in EventActor for move in allowed(state, party)]
        if not choices:
            break
        move, party = data.draw(st.sampled_from(choices))
        state = step(state, move, party)
        history.append(Step(sequence=2 * sequence, move=move, party=party))
        if data.draw(st.booleans()):
            history.append(Step(sequence=2 * sequence + 1, move=None, party=P))
    doubled = history + data.draw(st.lists(st.sampled_from(history), max_size=5) if history else st.just([]))

    assert replay(data.draw(st.permutations(doubled))) == state


def test_a_history_that_could_not_have_happened_is_refused() -> None:
    with pytest.raises(TransitionNotAllowed):
        replay([Step(sequence=1, move=Move.DRAFT, party=S), Step(sequence=2, move=Move.ACCEPT, party=P)])


@pytest.mark.parametrize(
    ("sent", "priority", "due"),
    [
        (date(2026, 3, 2), Priority.URGENT, date(2026, 3, 3)),  # Monday -> Tuesday
        (date(2026, 3, 6), Priority.URGENT, date(2026, 3, 9)),  # Friday -> Monday
        (date(2026, 3, 7), Priority.URGENT, date(2026, 3, 9)),  # Saturday -> Monday
        (date(2026, 4, 2), Priority.URGENT, date(2026, 4, 7)),  # over Easter
        (date(2026, 4, 1), Priority.SOON, date(2026, 4, 8)),
        (date(2025, 10, 30), Priority.URGENT, date(2025, 11, 3)),  # Reformation Day, a holiday in Brandenburg
        (date(2026, 12, 22), Priority.NORMAL, date(2027, 1, 7)),  # Christmas on Friday, New Year
    ],
)
def test_the_answer_is_due_after_working_days_of_brandenburg(
    sent: date, priority: Priority, due: date
) -> None:
    assert answer_due_on(sent, priority) == due


def test_epiphany_and_all_saints_are_working_days_in_brandenburg() -> None:
    assert is_working_day(date(2026, 1, 6))
    assert is_working_day(date(2027, 11, 1))


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, date(2026, 3, 9)), (100, date(2026, 3, 16)), (150, date(2026, 3, 23))]
)
def test_reminders_and_expiry_are_shares_of_the_time_to_answer(percent: int, expected: date) -> None:
    assert answer_share_on(date(2026, 3, 2), Priority.NORMAL, percent) == expected


def test_the_recipients_clock_stands_still_while_a_question_is_open() -> None:
    due = answer_due_on(date(2026, 3, 2), Priority.SOON)

    assert due_after_reply(due, asked_on=date(2026, 3, 3), replied_on=date(2026, 3, 9)) == date(2026, 3, 11)


@given(st.dates(date(2020, 1, 1), date(2035, 12, 31)), st.integers(0, 40))
def test_adding_and_counting_working_days_agree(day: date, count: int) -> None:
    end = add_working_days(day, count)

    assert working_days_between(day, end) == count
    assert count == 0 or is_working_day(end)
