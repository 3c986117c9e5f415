"""The clock table of DESIGN section 5, day by day, and what must hold whenever the clock looks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory.days import ZONE, local_day
from referrals.clock import (
    Action,
    ClockFacts,
    MakeMove,
    MarkOverdue,
    Remind,
    catch_up,
    due,
    end_of,
    ends_at,
    morning_of,
    next_tick,
    upcoming,
)
from referrals.states import (
    CLOCKS,
    ClockStart,
    RemindedParty,
    Step,
    add_working_days,
    allowed,
    answer_due_on,
    replay,
    step,
)
from referrals.vocabulary import (
    READABLE_STATES,
    TERMINAL_STATES,
    UNSENT_STATES,
    EventActor,
    Priority,
    ReferralState,
)

R = ReferralState


def berlin(day: str, hour: int = 10) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), tzinfo=ZONE).replace(hour=hour)


def referral(state: ReferralState, since: str, **facts: object) -> ClockFacts:
    begun = berlin(since)
    return ClockFacts(state=state, state_since=begun, updated_at=begun, **facts)  # type: ignore[arg-type]


def sent(day: str, priority: Priority = Priority.NORMAL, **facts: object) -> ClockFacts:
    due_at = end_of(answer_due_on(date.fromisoformat(day), priority))
    return referral(R.SENT, day, sent_at=berlin(day), priority=priority, **{"answer_due_at": due_at, **facts})


SHORT = {
    RemindedParty.RECIPIENT: "P",
    RemindedParty.SENDER: "S",
    RemindedParty.SUPERIOR: "P's superior",
    RemindedParty.LEAD: "L",
}


def told(action: Action) -> str:
    at = action.at.astimezone(ZONE)
    when = f"{at:%a %d %b %Y %H:%M}"
    match action:
        case Remind():
            return f"{when} remind {', '.join(SHORT[party] for party in action.whom)}"
        case MarkOverdue():
            return f"{when} overdue"
        case MakeMove():
            return f"{when} {action.move} ({action.reason})"


def course(facts: ClockFacts, *, steps: int = 60) -> list[str]:
    """All that happens when only the clock acts and looks at each of its moments, in this state only."""
    said: list[str] = []
    state, since = facts.state, facts.state_since
    for _ in range(steps):
        at = next_tick(facts, since)
        if at is None or facts.state is not state:
            return said
        ticked = catch_up(facts, at, at)
        said += [told(action) for action in ticked.done]
        facts, since = ticked.facts, at
    raise AssertionError(f"no end: {said[-3:]}")


def test_draft_idle_s_day_20_abandoned_day_30() -> None:
    assert course(referral(R.DRAFT, "2026-03-02")) == [
        "Sun 22 Mar 2026 08:00 remind S",
        "Wed 01 Apr 2026 23:59 ABANDON (IDLE)",
    ]


def test_draft_idle_counts_from_the_last_change() -> None:
    drafted = referral(R.AWAITING_CONSENT, "2026-03-02")
    changed = msgspec.structs.replace(drafted, updated_at=berlin("2026-03-20"))

    assert course(changed) == [
        "Thu 09 Apr 2026 08:00 remind S",
        "Sun 19 Apr 2026 23:59 ABANDON (IDLE)",
    ]


@pytest.mark.parametrize("state", [R.SENT, R.ACKNOWLEDGED])
@pytest.mark.parametrize(
    ("priority", "half", "whole", "end"),
    [
        # 1 working day: half of it is that day's morning
        (Priority.URGENT, "Tue 03 Mar 2026 08:00", "Tue 03 Mar 2026 23:59", "Wed 04 Mar 2026 23:59"),
        (Priority.SOON, "Wed 04 Mar 2026 08:00", "Thu 05 Mar 2026 23:59", "Mon 09 Mar 2026 23:59"),
        (Priority.NORMAL, "Mon 09 Mar 2026 08:00", "Mon 16 Mar 2026 23:59", "Mon 23 Mar 2026 23:59"),
    ],
)
def test_answer_due_p_50_and_100_percent_superior_and_s_expired_150_percent(
    state: ReferralState, priority: Priority, half: str, whole: str, end: str
) -> None:
    waiting = msgspec.structs.replace(sent("2026-03-02", priority), state=state)

    assert course(waiting) == [
        f"{half} remind P",
        f"{whole} overdue",
        f"{whole} remind S, P, P's superior",
        f"{end} EXPIRE (NO_ANSWER)",
    ]


@pytest.mark.parametrize(
    ("day", "priority", "end"),
    [
        ("2026-04-02", Priority.URGENT, "Wed 08 Apr 2026"),  # over Good Friday and Easter Monday
        ("2026-05-22", Priority.URGENT, "Wed 27 May 2026"),  # over Whit Monday
        ("2026-05-13", Priority.URGENT, "Mon 18 May 2026"),  # over Ascension Day
        ("2025-10-30", Priority.URGENT, "Tue 04 Nov 2025"),  # Reformation Day is a holiday in Brandenburg
        ("2026-10-02", Priority.SOON, "Fri 09 Oct 2026"),  # Day of German Unity falls on a Saturday
        # Christmas Eve and New Year's Eve are working days in law (§ 2 FTG Brandenburg does not name them)
        ("2026-12-22", Priority.NORMAL, "Thu 14 Jan 2027"),
        ("2026-12-23", Priority.URGENT, "Mon 28 Dec 2026"),
        ("2026-12-30", Priority.URGENT, "Mon 04 Jan 2027"),
        ("2026-03-07", Priority.URGENT, "Tue 10 Mar 2026"),  # sent on a Saturday
    ],
)
def test_expiry_counts_working_days_of_brandenburg(day: str, priority: Priority, end: str) -> None:
    assert course(sent(day, priority))[-1] == f"{end} 23:59 EXPIRE (NO_ANSWER)"


@pytest.mark.parametrize(
    ("day", "offset_before", "offset_after"), [("2026-03-26", 1, 2), ("2026-10-22", 2, 1)]
)
def test_days_end_at_midnight_in_brandenburg_on_either_side_of_the_change_of_time(
    day: str, offset_before: int, offset_after: int
) -> None:
    on = date.fromisoformat(day)
    before, after = end_of(on), end_of(add_working_days(on, 3))

    assert [moment.utcoffset() for moment in (before, after)] == [
        timedelta(hours=offset_before),
        timedelta(hours=offset_after),
    ]
    assert [f"{moment.astimezone(ZONE):%H:%M:%S}" for moment in (before, after)] == ["23:59:59"] * 2
    assert morning_of(on).astimezone(ZONE).hour == 8
    assert course(sent(day, Priority.SOON))[-1].split()[4] == "23:59"


def test_answer_due_stands_still_while_information_is_requested() -> None:
    asked = sent("2026-03-02", Priority.SOON)  # due on Thursday, 5 March
    asked = msgspec.structs.replace(
        asked,
        state=R.INFO_REQUESTED,
        state_since=berlin("2026-03-03"),
        clock_stopped_at=berlin("2026-03-03"),
        question_due_at=end_of(date(2026, 3, 10)),
    )

    assert course(asked) == [
        "Thu 05 Mar 2026 08:00 remind S",  # working day 2
        "Tue 10 Mar 2026 23:59 REPLY (NO_ANSWER)",  # working day 5: back to P unanswered
    ]
    back = catch_up(asked, asked.state_since, end_of(date(2026, 3, 10)))
    assert back.facts.state is R.ACKNOWLEDGED
    # five working days later than it was: P's clock goes on where it stood
    assert back.facts.answer_due_at == end_of(date(2026, 3, 12))
    assert course(back.facts) == [
        "Wed 11 Mar 2026 08:00 remind P",
        "Thu 12 Mar 2026 23:59 overdue",
        "Thu 12 Mar 2026 23:59 remind S, P, P's superior",
        "Mon 16 Mar 2026 23:59 EXPIRE (NO_ANSWER)",
    ]


def test_waiting_list_p_each_4_weeks_expired_8_weeks_after_the_expected_week() -> None:
    listed = referral(R.WAITLISTED, "2026-01-05", expected_week=date(2026, 3, 2))

    assert course(listed) == [
        "Mon 30 Mar 2026 08:00 remind P",
        "Mon 27 Apr 2026 08:00 remind P",
        "Mon 27 Apr 2026 23:59 EXPIRE (NO_ANSWER)",
    ]


def test_first_contact_p_1_week_after_expired_4_weeks_after() -> None:
    accepted = referral(R.ACCEPTED, "2026-02-02", first_contact_on=date(2026, 3, 2))

    assert course(accepted) == [
        "Mon 09 Mar 2026 08:00 remind P",
        "Mon 30 Mar 2026 23:59 EXPIRE (NO_ANSWER)",
    ]


@pytest.mark.parametrize(
    "sign", [{"last_sign_of_life": date(2026, 3, 16)}, {"appointment_at": berlin("2026-03-16")}]
)
def test_a_sign_or_a_later_appointment_counts_like_the_named_first_contact(sign: dict[str, object]) -> None:
    accepted = referral(R.ACCEPTED, "2026-02-02", first_contact_on=date(2026, 3, 2), **sign)

    assert course(accepted)[-1] == "Mon 13 Apr 2026 23:59 EXPIRE (NO_ANSWER)"


@pytest.mark.parametrize("state", [R.IN_PROGRESS, R.ON_HOLD])
def test_sign_of_life_p_every_90_days_unknown_90_days_after_the_expected_end(state: ReferralState) -> None:
    working = referral(
        state, "2026-01-01", last_sign_of_life=date(2026, 1, 1), expected_end=date(2026, 6, 30)
    )

    assert course(working) == [
        "Wed 01 Apr 2026 08:00 remind P",
        "Tue 30 Jun 2026 08:00 remind P",
        "Mon 28 Sep 2026 08:00 remind P",
        "Mon 28 Sep 2026 23:59 REPORT_OUTCOME (NO_ANSWER)",
    ]


def test_a_sign_of_life_begins_the_90_days_anew_and_one_after_the_end_moves_the_end() -> None:
    begun = {"expected_end": date(2026, 6, 30)}
    early = referral(R.IN_PROGRESS, "2026-01-01", last_sign_of_life=date(2026, 3, 1), **begun)
    late = referral(R.IN_PROGRESS, "2026-01-01", last_sign_of_life=date(2026, 8, 1), **begun)

    assert course(early)[0] == "Sat 30 May 2026 08:00 remind P"
    assert course(late)[-1] == "Fri 30 Oct 2026 23:59 REPORT_OUTCOME (NO_ANSWER)"


def test_what_was_contested_after_its_expected_end_is_not_over_at_once() -> None:
    contested = referral(R.IN_PROGRESS, "2026-12-01", expected_end=date(2026, 6, 30))

    assert course(contested)[-1] == "Mon 01 Mar 2027 23:59 REPORT_OUTCOME (NO_ANSWER)"


def test_a_pause_lasts_until_its_stated_end() -> None:
    paused = referral(R.ON_HOLD, "2026-01-01", expected_end=date(2026, 2, 1), resume_on=date(2026, 9, 1))

    assert course(paused)[-1] == "Mon 30 Nov 2026 23:59 REPORT_OUTCOME (NO_ANSWER)"


def test_without_an_expected_end_a_year_counts_as_one() -> None:
    assert ends_at(referral(R.IN_PROGRESS, "2026-01-01")) == end_of(date(2027, 4, 1))


def test_confirmation_s_day_7_closed_unconfirmed_day_14() -> None:
    assert course(referral(R.OUTCOME_REPORTED, "2026-03-02")) == [
        "Mon 09 Mar 2026 08:00 remind S",
        "Mon 16 Mar 2026 23:59 CLOSE (NO_ANSWER)",
    ]


def test_an_unanswered_revocation_is_chased_at_7_days_at_14_and_eight_weeks_on() -> None:
    revoked = referral(R.CONSENT_REVOKED, "2026-03-02", revocation_due_at=berlin("2026-03-16"))

    chased = course(revoked)

    assert chased[:4] == [
        "Mon 09 Mar 2026 08:00 remind P",
        "Mon 16 Mar 2026 10:00 overdue",
        "Mon 16 Mar 2026 10:00 remind S, P, P's superior",
        "Mon 23 Mar 2026 08:00 remind S, P, P's superior",
    ]
    assert len(chased) == 3 + 8
    assert chased[-1] == "Mon 11 May 2026 08:00 remind S, P, P's superior"


def test_an_answered_revocation_and_one_of_which_nothing_had_been_sent_are_not_chased() -> None:
    answered = referral(
        R.CONSENT_REVOKED, "2026-03-02", revocation_due_at=berlin("2026-03-16"), revocation_answered=True
    )

    assert course(answered) == []
    assert course(referral(R.CONSENT_REVOKED, "2026-03-02")) == []


@pytest.mark.parametrize("state", sorted(TERMINAL_STATES - {R.CONSENT_REVOKED}))
def test_no_clock_runs_once_it_is_over(state: ReferralState) -> None:
    assert next_tick(referral(state, "2026-03-02"), berlin("2026-03-02")) is None


def test_every_clock_of_the_table_is_read() -> None:
    of_states = {clock.name for clock in CLOCKS} - {
        clock.name for clock in CLOCKS if clock.starts in {ClockStart.CONSENT_END, ClockStart.REQUEST}
    }
    begun = {"revocation_due_at": berlin("2026-03-16")}

    read = {
        action.clock
        for state in ReferralState
        for action in upcoming(referral(state, "2026-03-02", **begun), berlin("2026-03-02"))
    }

    assert read == of_states


# --- After a long stop --------------------------------------------------------------------------------------


def test_reminders_that_were_missed_collapse_into_one() -> None:
    waiting = sent("2026-03-02")
    first = next_tick(waiting, waiting.state_since)
    assert first is not None

    late = due(waiting, first, berlin("2026-03-17"))

    assert [told(action) for action in late] == [
        "Mon 16 Mar 2026 23:59 overdue",
        "Mon 16 Mar 2026 23:59 remind S, P, P's superior",
    ]


def test_what_has_ended_is_not_announced_any_more() -> None:
    waiting = sent("2026-03-02")

    late = due(waiting, next_tick(waiting, waiting.state_since) or waiting.state_since, berlin("2026-06-01"))

    assert [told(action) for action in late] == ["Mon 23 Mar 2026 23:59 EXPIRE (NO_ANSWER)"]


def test_an_end_that_was_missed_is_not_lost_when_somebody_opens_the_package_first() -> None:
    acknowledged = msgspec.structs.replace(
        sent("2026-03-02"), state=R.ACKNOWLEDGED, state_since=berlin("2026-04-01")
    )

    pending = next_tick(acknowledged, berlin("2026-04-01"))
    assert pending == end_of(date(2026, 3, 16))
    assert [told(action) for action in due(acknowledged, pending, berlin("2026-04-01"))] == [
        "Mon 23 Mar 2026 23:59 EXPIRE (NO_ANSWER)"
    ]


# --- What always holds --------------------------------------------------------------------------------------

DAYS = st.dates(date(2024, 1, 1), date(2030, 12, 31))
HOURS = st.integers(0, 23)


@st.composite
def open_referrals(draw: st.DrawFn) -> ClockFacts:
    """Any open referral, with whatever facts the rooms above may have stored or left out."""
    day = draw(DAYS)
    begun = datetime.combine(day, datetime.min.time(), tzinfo=UTC) + timedelta(hours=draw(HOURS))
    state = draw(st.sampled_from(sorted(READABLE_STATES | UNSENT_STATES)))
    priority = draw(st.sampled_from(Priority))

    def later(most: int) -> date | None:
        days = draw(st.none() | st.integers(0, most))
        return None if days is None else day + timedelta(days=days)

    asked = draw(st.booleans()) or state is R.INFO_REQUESTED
    return ClockFacts(
        state=state,
        state_since=begun,
        updated_at=begun + timedelta(minutes=draw(st.integers(0, 10_000))),
        priority=priority,
        sent_at=None if state in UNSENT_STATES else begun - timedelta(days=draw(st.integers(0, 20))),
        answer_due_at=draw(st.none() | st.just(end_of(answer_due_on(day, priority)))),
        clock_stopped_at=begun if asked else None,
        question_due_at=end_of(add_working_days(day, 5)) if asked and draw(st.booleans()) else None,
        expected_week=later(1_100),
        first_contact_on=later(700),
        expected_end=later(1_100),
        resume_on=later(366),
        last_sign_of_life=later(90),
        overdue=draw(st.booleans()),
    )


LONGEST = timedelta(days=1_100 + 2 * 366)
"""Later than the latest fact of ``open_referrals`` and every clock after it."""


def hourly(facts: ClockFacts, since: datetime, until: datetime) -> tuple[ClockFacts, list[Action]]:
    """Look whenever something is due, and at odd hours between: what ``catch_up`` does in one go."""
    done: list[Action] = []
    at = since
    while True:
        planned = next_tick(facts, at)
        if planned is None or planned > until:
            return facts, done
        seen_at = max(planned, at) + timedelta(minutes=37)
        if seen_at > until:
            seen_at = until
        ticked = catch_up(facts, planned, seen_at)
        facts, at = ticked.facts, seen_at
        done += ticked.done
        assert ticked.next_tick_at == next_tick(facts, seen_at)


@given(open_referrals())
@settings(max_examples=150)
def test_with_only_the_clock_acting_every_referral_ends_within_a_bound(facts: ClockFacts) -> None:
    ended = catch_up(facts, facts.state_since, facts.state_since + LONGEST)

    assert ended.facts.state in TERMINAL_STATES
    assert ended.next_tick_at is None
    moves = [action for action in ended.done if isinstance(action, MakeMove)]
    assert all(action.reason for action in moves)
    assert ended.facts.state is not R.CLOSED or R.OUTCOME_REPORTED in {
        facts.state,
        *(R.OUTCOME_REPORTED for action in moves if action.move.value == "REPORT_OUTCOME"),
    }


@given(open_referrals(), st.integers(0, 1_500))
@settings(max_examples=100)
def test_looking_once_at_the_end_or_at_every_hour_gives_the_same_state(facts: ClockFacts, days: int) -> None:
    until = facts.state_since + timedelta(days=days)

    once = catch_up(facts, facts.state_since, until)
    often, done = hourly(facts, facts.state_since, until)

    assert often == once.facts
    moves = [action for action in done if isinstance(action, MakeMove)]
    assert moves == [action for action in once.done if isinstance(action, MakeMove)]


@given(open_referrals(), st.integers(0, 1_500))
@settings(max_examples=100)
def test_a_second_tick_at_the_same_moment_does_nothing(facts: ClockFacts, days: int) -> None:
    until = facts.state_since + timedelta(days=days)

    once = catch_up(facts, facts.state_since, until)

    assert once.next_tick_at is None or once.next_tick_at > until
    assert next_tick(once.facts, until) == once.next_tick_at


@given(open_referrals())
@settings(max_examples=50)
def test_no_reminder_of_the_same_moment_comes_twice_however_often_the_clock_looks(
    facts: ClockFacts,
) -> None:
    _, done = hourly(facts, facts.state_since, facts.state_since + LONGEST)

    reminders = [(a.clock, a.stage, a.at) for a in done if isinstance(a, Remind)]
    assert len(reminders) == len(set(reminders))
    assert reminders == sorted(reminders, key=lambda r: r[2])


@given(open_referrals())
@settings(max_examples=50)
def test_replaying_what_the_clock_did_gives_the_state(facts: ClockFacts) -> None:
    way_here = _way_to(facts.state)
    ended = catch_up(facts, facts.state_since, facts.state_since + LONGEST)
    steps = [
        Step(
            sequence=len(way_here) + n,
            move=action.move if isinstance(action, MakeMove) else None,
            party=EventActor.CLOCK,
        )
        for n, action in enumerate(ended.done)
    ]

    assert replay(reversed(way_here + steps + steps)) is ended.facts.state


def _way_to(state: ReferralState) -> list[Step]:
    """The shortest history that leads to a state."""
    ways: list[tuple[ReferralState | None, list[Step]]] = [(None, [])]
    for at, way in ways:
        if at is state:
            return way
        for party in EventActor:
            for move in allowed(at, party):
                target = step(at, move, party)
                if all(target is not known for known, _ in ways):
                    ways.append((target, [*way, Step(sequence=len(way), move=move, party=party)]))
    raise AssertionError(state)


@given(DAYS, st.sampled_from(Priority), HOURS)
def test_local_days_are_days_of_the_wall_calendar(day: date, priority: Priority, hour: int) -> None:
    assert local_day(end_of(day)) == local_day(morning_of(day)) == day
    assert local_day(end_of(day) + timedelta(seconds=1)) == day + timedelta(days=1)
