"""The clock at work on the real database: each row of the table happens, once, whoever looks how often."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import event, select, text
from structlog.testing import capture_logs

from directory.actors import SYSTEM
from directory.database import Database
from directory.days import local_day
from directory.models import Partner
from referrals import answering, approvals, exchange
from referrals.clock import end_of, morning_of
from referrals.consent.consents import expire_due, withdraw_consent
from referrals.consent.renewals import list_renewals
from referrals.inbox import ReferralView, steps
from referrals.models import ClockTrouble, Consent
from referrals.moving import Moved
from referrals.person import follow_ups
from referrals.personal_data.keystore import KeyStore
from referrals.states import add_working_days, answer_due_on, replay
from referrals.ticking import OVERDUE, REMINDED, run_the_clock, tick
from referrals.troubles import pause_after
from referrals.values import Kept
from referrals.vocabulary import (
    TERMINAL_STATES,
    AnswerSource,
    ApprovalMove,
    ApprovalState,
    Channel,
    ConsentState,
    EventActor,
    FeedbackAsked,
    OutcomeCode,
    Priority,
    Reason,
    ReferralState,
    RevocationAnswer,
)
from tests.referrals.desk import LATER, SOON, TODAY, Desk, accept, at
from tests.referrals.town import Town, give_consent

R = ReferralState
P, S, SUPERIOR = "provider", "coordination", "provider's superior"


@pytest.fixture(autouse=True)
async def superior(database: Database, town: Town) -> None:
    """The receiving organisation has named whom to ask when it does not answer."""
    async with database.work(SYSTEM) as work:
        provider = await work.session.get_one(Partner, town.provider.id)
        provider.superior_contact = "leitung@example.org"


async def look(desk: Desk, moment: datetime) -> None:
    """Let the clock look at a moment."""
    async with at(desk.database, moment):
        await run_the_clock(desk.database)


async def seen(desk: Desk, referral: Moved, moment: datetime | None = None) -> ReferralView:
    async with at(desk.database, moment or datetime.now(UTC)):
        return await desk.view(desk.town.coordinator, referral.id)


async def told(desk: Desk, about: UUID) -> list[tuple[str, str]]:
    """What was promised about an object, and to whom, in order."""
    async with desk.database.view(SYSTEM) as session:
        rows = await session.execute(
            text(
                "SELECT n.kind, p.name, n.addressee FROM notice n JOIN partner p ON p.id = n.partner_id"
                " WHERE n.about_id = :id ORDER BY n.created_at, n.addressee, p.name"
            ),
            {"id": about},
        )
        return [
            (kind, name if addressee == "ORGANISATION" else f"{name}'s {addressee.lower()}")
            for kind, name, addressee in rows
        ]


async def happened(desk: Desk, referral: Moved) -> list[str]:
    """What the clock did, in order, as its events say."""
    async with desk.database.view(SYSTEM) as session:
        rows = await session.scalars(
            text(
                "SELECT move FROM referral_event WHERE referral_id = :id AND actor = 'CLOCK' ORDER BY ordinal"
            ),
            {"id": referral.id},
        )
        return list(rows)


async def free_places(desk: Desk) -> int:
    """How many places the provider's service has left."""
    statement = text("SELECT (capacity->>'places')::int FROM service WHERE id = :id")
    async with desk.database.view(SYSTEM) as session:
        return int(await session.scalar(statement, {"id": desk.town.provider.service}) or 0)


def noon(day: date) -> datetime:
    return morning_of(day) + timedelta(hours=4)


def after(day: date) -> datetime:
    """A minute after a day has ended."""
    return end_of(day) + timedelta(minutes=1)


# --- The rows of the table ----------------------------------------------------------------------------------


@pytest.mark.parametrize("awaiting", [False, True])
async def test_draft_and_awaiting_consent_to_abandoned_by_t_after_30_days(
    desk: Desk, town: Town, client_id: UUID, awaiting: bool
) -> None:
    drafted = await desk.draft(client_id, town.provider)
    if awaiting:
        drafted = await desk.as_(
            town.coordinator, lambda w: exchange.await_consent(w, drafted.id, drafted.version)
        )

    await look(desk, noon(TODAY + timedelta(days=20)))
    assert await told(desk, drafted.id) == [("DRAFT_IDLE", S)]
    assert (await seen(desk, drafted)).state is drafted.state
    await look(desk, after(TODAY + timedelta(days=30)))

    ended = await seen(desk, drafted)
    assert (ended.state, ended.reason) == (R.ABANDONED, Reason.IDLE)
    assert (await desk.events(town.coordinator, drafted.id))[-1].actor is EventActor.CLOCK


@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("acknowledged", [False, True])
async def test_sent_and_acknowledged_to_expired_by_t_with_the_reminders_of_the_table(
    desk: Desk, town: Town, client_id: UUID, priority: Priority, acknowledged: bool
) -> None:
    sent = await desk.sent(client_id, town.provider, priority=priority)
    if acknowledged:
        sent = await desk.as_(town.provider.member, lambda w: answering.acknowledge(w, sent.id, sent.version))
    whole = {Priority.URGENT: 1, Priority.SOON: 3, Priority.NORMAL: 10}[priority]
    half = {Priority.URGENT: 1, Priority.SOON: 2, Priority.NORMAL: 5}[priority]
    end = {Priority.URGENT: 2, Priority.SOON: 5, Priority.NORMAL: 15}[priority]

    await look(desk, noon(add_working_days(TODAY, half)))
    assert await told(desk, sent.id) == [("REFERRAL_WAITS", P), ("ANSWER_DUE_HALF", P)]
    assert not (await seen(desk, sent)).overdue
    await look(desk, after(add_working_days(TODAY, whole)))
    assert (await told(desk, sent.id))[2:] == [
        ("ANSWER_OVERDUE", S),
        ("ANSWER_OVERDUE", P),
        ("ANSWER_OVERDUE", SUPERIOR),
    ]
    assert (await seen(desk, sent)).overdue
    await look(desk, after(add_working_days(TODAY, end)) - timedelta(hours=12))
    assert (await seen(desk, sent)).state is sent.state
    await look(desk, after(add_working_days(TODAY, end)))

    ended = await seen(desk, sent)
    assert (ended.state, ended.reason, ended.overdue) == (R.EXPIRED, Reason.NO_ANSWER, False)
    assert (await told(desk, sent.id))[5:] == [("EXPIRED_NO_ANSWER", S), ("EXPIRED_NO_ANSWER", P)]
    assert await happened(desk, sent) == [REMINDED, OVERDUE, REMINDED, "EXPIRE"]


async def test_without_a_superior_contact_organisation_and_sender_are_told(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.business, priority=Priority.URGENT)

    await look(desk, after(add_working_days(TODAY, 1)))

    assert (await told(desk, sent.id))[1:] == [("ANSWER_OVERDUE", "business"), ("ANSWER_OVERDUE", S)]


async def test_info_requested_to_acknowledged_by_t_and_the_clock_of_p_goes_on(
    desk: Desk, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider, priority=Priority.SOON)
    asked = await desk.as_(
        town.provider.member, lambda w: answering.ask(w, keys, sent.id, sent.version, "Welches Niveau?")
    )

    await look(desk, noon(add_working_days(TODAY, 2)))
    assert ("QUESTION_OPEN", S) in await told(desk, sent.id)
    back_on = add_working_days(TODAY, 5)
    await look(desk, after(back_on))

    back = await seen(desk, asked, after(back_on))
    due = answer_due_on(TODAY, Priority.SOON)
    assert (back.state, back.question_due_at) == (R.ACKNOWLEDGED, None)
    assert back.answer_due_at == end_of(add_working_days(due, 5))
    assert ("QUESTION_ANSWERED", P) in await told(desk, sent.id)
    await look(desk, after(add_working_days(due, 7)))
    assert (await seen(desk, sent)).state is R.EXPIRED


async def test_waitlisted_to_expired_by_t_8_weeks_after_the_expected_week(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    week = TODAY + timedelta(days=28)
    monday = week - timedelta(days=week.weekday())
    await desk.as_(town.provider.member, lambda w: answering.waitlist(w, sent.id, sent.version, week))

    await look(desk, noon(monday + timedelta(weeks=4)))
    assert (await told(desk, sent.id))[-1] == ("WAITING_LIST", P)
    await look(desk, after(monday + timedelta(weeks=8)))

    assert (await seen(desk, sent)).state is R.EXPIRED


async def test_accepted_to_expired_by_t_and_the_place_is_given_back(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    accepted = await desk.accepted(client_id, town.provider)

    assert await free_places(desk) == 4
    await look(desk, noon(SOON + timedelta(weeks=1)))
    assert (await told(desk, accepted.id))[-1] == ("FIRST_CONTACT", P)
    await look(desk, after(SOON + timedelta(weeks=4)))

    assert (await seen(desk, accepted)).state is R.EXPIRED
    assert await free_places(desk) == 5


@pytest.mark.parametrize("paused", [False, True])
async def test_in_progress_and_on_hold_to_outcome_reported_unknown_and_closed_unconfirmed_by_t(
    desk: Desk, town: Town, client_id: UUID, paused: bool
) -> None:
    running = await desk.running(client_id, town.provider)
    if paused:
        running = await desk.as_(
            town.provider.member,
            lambda w: answering.pause(
                w, running.id, running.version, reason=Reason.PERSON_ILL, resume_on=LATER
            ),
        )

    await look(desk, noon(TODAY + timedelta(days=90)))
    assert ("SIGN_OF_LIFE", P) in await told(desk, running.id)
    over = LATER + timedelta(days=90)
    await look(desk, after(over))
    unknown = await seen(desk, running, after(over))
    assert (unknown.state, unknown.outcome, unknown.resume_on) == (
        R.OUTCOME_REPORTED,
        OutcomeCode.UNKNOWN,
        None,
    )
    await look(desk, noon(over + timedelta(days=7)))
    assert (await told(desk, running.id))[-1] == ("CONFIRM_OUTCOME", S)
    await look(desk, after(over + timedelta(days=14)))

    closed = await seen(desk, running)
    assert (closed.state, closed.unconfirmed, closed.outcome) == (R.CLOSED, True, OutcomeCode.UNKNOWN)


async def test_an_outcome_that_was_reported_is_closed_unconfirmed_by_t(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    running = await desk.running(client_id, town.provider)
    await desk.as_(
        town.provider.member,
        lambda w: answering.report_outcome(
            w, running.id, running.version, outcome=OutcomeCode.NEED_MET, outcome_on=TODAY
        ),
    )

    await look(desk, after(TODAY + timedelta(days=14)))

    closed = await seen(desk, running)
    assert (closed.state, closed.unconfirmed, closed.outcome) == (R.CLOSED, True, OutcomeCode.NEED_MET)


async def test_any_open_to_consent_revoked_by_y_when_the_consent_ends_and_its_renewal_is_offered(
    desk: Desk, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    last = TODAY + timedelta(days=60)
    drafted = await desk.draft(client_id, town.provider)
    consent_id = await give_consent(
        desk.database, keys, town.coordinator, client_id, town.provider.id, valid_until=last
    )
    sent = await desk.as_(
        town.coordinator,
        lambda w: exchange.send(w, keys, drafted.id, drafted.version, consent_id=consent_id),
    )
    accepted = await desk.as_(
        town.provider.member, lambda w: accept(w, sent, first_contact_on=last, expected_end=last)
    )

    async def offered(moment: datetime) -> list[UUID]:
        async with at(desk.database, moment), desk.database.view(town.coordinator) as session:
            return [c.id for c in await list_renewals(session, town.coordinator, moment)]

    await look(desk, end_of(last) - timedelta(days=31))
    assert await told(desk, consent_id) == [] == await offered(end_of(last) - timedelta(days=31))
    for hours in (0, 1, 48):
        await look(desk, end_of(last) - timedelta(days=30) + timedelta(hours=hours + 1))
    assert await told(desk, consent_id) == [("CONSENT_RENEWAL", S)]
    assert await offered(noon(last)) == [consent_id]
    await look(desk, after(last))

    assert (await seen(desk, accepted, after(last))).state is R.CONSENT_REVOKED
    assert await offered(after(last)) == []


async def test_what_was_due_before_the_consent_ended_happened_before_it_ended(
    desk: Desk, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    drafted = await desk.draft(client_id, town.provider, priority=Priority.URGENT)
    consent_id = await give_consent(
        desk.database, keys, town.coordinator, client_id, town.provider.id, valid_until=LATER
    )
    sent = await desk.as_(
        town.coordinator,
        lambda w: exchange.send(w, keys, drafted.id, drafted.version, consent_id=consent_id),
    )

    await look(desk, after(LATER) + timedelta(days=3))

    assert (await seen(desk, sent)).state is R.EXPIRED


async def test_recipients_that_do_not_say_what_they_did_with_the_data_are_chased_and_not_for_ever(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    consent_id = (await seen(desk, sent)).consent_id
    assert consent_id is not None
    async with desk.database.work(town.coordinator) as work:
        await withdraw_consent(work, consent_id=consent_id, channel=Channel.IN_PERSON)
    before = len(await told(desk, sent.id))

    await look(desk, noon(TODAY + timedelta(days=7)))
    assert (await told(desk, sent.id))[before:] == [("REVOCATION_UNANSWERED", P)]
    await look(desk, after(TODAY + timedelta(days=14)))
    asked = (await told(desk, sent.id))[before + 1 :]
    assert asked == [("REVOCATION_UNANSWERED", whom) for whom in (S, P, SUPERIOR)]
    assert (await seen(desk, sent)).overdue
    for week in range(3, 20):
        await look(desk, noon(TODAY + timedelta(weeks=week)))

    counted = Counter(await told(desk, sent.id))
    assert counted["REVOCATION_UNANSWERED", P] == 2 + 8
    assert counted["REVOCATION_UNANSWERED", SUPERIOR] == 1 + 8
    answered = await seen(desk, sent)
    await desk.as_(
        town.provider.member,
        lambda w: answering.answer_revocation(
            w, sent.id, answered.version, Kept(answer=RevocationAnswer.DELETED)
        ),
    )
    assert not (await seen(desk, sent)).overdue


async def test_four_eyes_reminds_the_leads_after_a_working_day_and_lapses_after_three(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    async with desk.database.work(town.coordinator) as work:
        approval = await approvals.request_approval(
            work, sent.id, sent.version, ApprovalMove.ENTERED_IN_ERROR, Reason.WRONG_PERSON
        )

    async def state() -> str:
        async with desk.database.view(SYSTEM) as session:
            return str(
                await session.scalar(text("SELECT state FROM approval WHERE id = :id"), {"id": approval.id})
            )

    leads = f"{S}'s lead"
    await look(desk, noon(TODAY))
    assert await told(desk, approval.id) == [("APPROVAL_ASKED", leads)]
    for _ in range(2):
        await look(desk, noon(add_working_days(TODAY, 1)))
    assert await told(desk, approval.id) == [("APPROVAL_ASKED", leads), ("FOUR_EYES", leads)]
    await look(desk, noon(add_working_days(TODAY, 3)))
    assert await state() == ApprovalState.REQUESTED
    await look(desk, after(add_working_days(TODAY, 3)))

    assert await state() == ApprovalState.LAPSED


# --- Once, whatever happens ---------------------------------------------------------------------------------


async def test_after_a_long_stop_reminders_collapse_into_one_and_ends_happen_once(
    desk: Desk, town: Town
) -> None:
    reminded = await desk.sent(await desk.client(), town.provider)
    ended = await desk.sent(await desk.client(), town.provider, priority=Priority.URGENT)

    await look(desk, noon(add_working_days(TODAY, 11)))

    assert await happened(desk, reminded) == [OVERDUE, REMINDED]
    assert [kind for kind, _ in await told(desk, reminded.id)][1:] == ["ANSWER_OVERDUE"] * 3
    assert await happened(desk, ended) == ["EXPIRE"]
    assert ("ANSWER_OVERDUE", P) not in await told(desk, ended.id)


async def test_several_processes_at_once_and_again_do_nothing_twice(desk: Desk, town: Town) -> None:
    sent = [await desk.sent(await desk.client(), town.provider) for _ in range(6)]
    moment = after(add_working_days(TODAY, 10))

    async with at(desk.database, moment):
        await asyncio.gather(*(run_the_clock(desk.database, batch=2) for _ in range(4)))
        again = await run_the_clock(desk.database)

    assert not again
    for referral in sent:
        assert await happened(desk, referral) == [OVERDUE, REMINDED]
        assert len(await told(desk, referral.id)) == 1 + 3


async def test_a_batch_that_was_killed_is_done_by_the_next(desk: Desk, town: Town, client_id: UUID) -> None:
    sent = await desk.sent(client_id, town.provider)
    moment = after(add_working_days(TODAY, 15))

    async with at(desk.database, moment):
        with pytest.raises(RuntimeError, match="killed"):
            async with desk.database.work(SYSTEM) as work:
                assert (await tick(work)).moves
                raise RuntimeError("killed")
        assert await happened(desk, sent) == []
        await run_the_clock(desk.database)

    assert await happened(desk, sent) == ["EXPIRE"]


async def test_whoever_is_just_answering_is_not_disturbed_and_comes_first(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    moment = after(add_working_days(TODAY, 15))

    async with at(desk.database, moment):
        async with desk.database.work(town.provider.member) as work:
            await accept(work, sent, first_contact_on=local_day(moment), expected_end=local_day(moment))
            await run_the_clock(desk.database)
        await run_the_clock(desk.database)

    assert (await seen(desk, sent, moment)).state is R.ACCEPTED


async def test_a_reminder_changes_no_version_so_that_nobodys_form_goes_stale(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    before = await seen(desk, sent)

    await look(desk, noon(add_working_days(TODAY, 5)))

    reminded = await seen(desk, sent)
    assert (reminded.version, reminded.updated_at) == (before.version, before.updated_at)
    assert (await desk.events(town.coordinator, sent.id))[-1].move == REMINDED


async def test_the_events_that_the_clock_writes_replay_to_the_state(
    desk: Desk, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    await desk.as_(
        town.provider.member, lambda w: answering.ask(w, keys, sent.id, sent.version, "Welches Niveau?")
    )

    await look(desk, after(TODAY + timedelta(days=200)))

    events = await desk.events(town.coordinator, sent.id)
    assert [event.move for event in events][-2:] == ["REPLY", "EXPIRE"]
    assert replay(steps(events)) is (await seen(desk, sent)).state is R.EXPIRED
    assert [event.ordinal for event in events] == list(range(1, len(events) + 1))


async def test_every_open_referral_knows_when_the_clock_looks_next(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    await desk.running(client_id, town.provider)

    async with desk.database.view(SYSTEM) as session:
        forgotten = await session.scalar(
            text(
                "SELECT count(*) FROM referral WHERE sender_partner_id = :id AND next_tick_at IS NULL"
                " AND state NOT IN ('CLOSED', 'ABANDONED', 'DECLINED', 'EXPIRED', 'CANCELLED',"
                " 'CONSENT_REVOKED', 'ENTERED_IN_ERROR')"
            ),
            {"id": town.coordination.id},
        )
    assert forgotten == 0


async def test_expiring_consents_alone_moves_no_referral_that_is_over(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    await look(desk, after(add_working_days(TODAY, 15)))
    async with at(desk.database, noon(TODAY + timedelta(days=400))), desk.database.work(SYSTEM) as work:
        await expire_due(work)

    assert (await seen(desk, sent)).state is R.EXPIRED


# --- The person's own moves, made by the sender on their behalf ---------------------------------------------


async def test_draft_to_abandoned_by_c(desk: Desk, town: Town, client_id: UUID) -> None:
    drafted = await desk.draft(client_id, town.provider)

    moved = await desk.as_(
        town.coordinator,
        lambda w: exchange.abandon(
            w, drafted.id, drafted.version, Reason.PERSON_DOES_NOT_WANT, told_by_person=AnswerSource.PHONE
        ),
    )

    assert moved.state is R.ABANDONED
    assert (await desk.events(town.coordinator, drafted.id))[-1].actor is EventActor.PERSON


async def test_outcome_reported_to_in_progress_by_c_is_not_closed_by_t_afterwards(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    running = await desk.running(client_id, town.provider)
    reported = await desk.as_(
        town.provider.member,
        lambda w: answering.report_outcome(
            w, running.id, running.version, outcome=OutcomeCode.NEED_MET, outcome_on=TODAY
        ),
    )
    await desk.as_(
        town.coordinator,
        lambda w: exchange.contest(
            w, reported.id, reported.version, Reason.OUTCOME_WRONG, told_by_person=AnswerSource.IN_PERSON
        ),
    )

    await look(desk, after(TODAY + timedelta(days=15)))

    contested = await seen(desk, reported)
    assert (contested.state, contested.disputed) == (R.IN_PROGRESS, True)
    events = await desk.events(town.coordinator, reported.id)
    assert (events[-1].move, events[-1].actor) == ("CONTEST", EventActor.PERSON)


async def test_closed_to_in_progress_by_s_and_l_goes_on_under_the_clock(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    running = await desk.running(client_id, town.provider)
    await look(desk, after(LATER + timedelta(days=90)))
    await look(desk, after(LATER + timedelta(days=104)))
    closed = await seen(desk, running)
    moment = noon(LATER + timedelta(days=110))
    async with at(desk.database, moment):
        async with desk.database.work(town.coordinator) as work:
            approval = await approvals.request_approval(
                work, running.id, closed.version, ApprovalMove.REOPEN, Reason.NOT_FINISHED
            )
        async with desk.database.work(town.lead) as work:
            await approvals.confirm_approval(work, approval.id, approval.version)

    await look(desk, moment + timedelta(days=30))

    assert (await seen(desk, running, moment + timedelta(days=30))).state is R.IN_PROGRESS


# --- Two processes at once ----------------------------------------------------------------------------------


@pytest.fixture
async def another(app_url: str, reader_url: str, database: Database) -> AsyncIterator[Database]:
    """The same database as another process sees it: with connections of its own."""
    found = Database(app_url, reader_url, clock=lambda: database.clock(), pool_size=4)
    await found.start()
    yield found
    await found.stop()


async def all_sorts(desk: Desk) -> list[UUID]:
    """One referral in each state in which a clock runs, and one with a request for four eyes."""
    town, keys = desk.town, desk.keys
    provider, coordinator = town.provider.member, town.coordinator

    async def sent() -> Moved:
        return await desk.sent(await desk.client(), town.provider)

    async def running() -> Moved:
        return await desk.running(await desk.client(), town.provider)

    async def reported() -> Moved:
        one = await running()
        met = OutcomeCode.NEED_MET
        return await desk.as_(
            provider,
            lambda w: answering.report_outcome(w, one.id, one.version, outcome=met, outcome_on=TODAY),
        )

    drafted = await desk.draft(await desk.client(), town.provider)
    answered, asked, waiting, paused = await sent(), await sent(), await sent(), await running()
    asked = await desk.as_(provider, lambda w: answering.ask(w, keys, asked.id, asked.version, "Wann?"))
    waiting = await desk.as_(provider, lambda w: answering.waitlist(w, waiting.id, waiting.version, SOON))
    paused = await desk.as_(
        provider,
        lambda w: answering.pause(w, paused.id, paused.version, reason=Reason.PERSON_ILL, resume_on=SOON),
    )
    closed = await reported()
    closed = await desk.as_(
        coordinator, lambda w: exchange.close(w, closed.id, closed.version, FeedbackAsked.ANSWERED)
    )
    async with desk.database.work(coordinator) as work:
        await approvals.request_approval(
            work, closed.id, closed.version, ApprovalMove.REOPEN, Reason.NOT_FINISHED
        )
    taken = await desk.accepted(await desk.client(), town.provider)
    return [one.id for one in (drafted, answered, asked, waiting, paused, closed, taken, await running())] + [
        (await reported()).id
    ]


async def follow_up_tick(database: Database) -> None:
    async with database.work(SYSTEM) as work:
        await follow_ups.tick(work)


@pytest.mark.slow
async def test_two_processes_do_every_act_of_the_clock_once(desk: Desk, another: Database) -> None:
    """Through a year, both always at the same moment, in small batches: nothing twice, nothing left out."""
    referrals = await all_sorts(desk)
    places = await free_places(desk)
    begin = desk.database.clock()

    for days in (*range(1, 30, 2), *range(30, 420, 14)):
        async with at(desk.database, begin + timedelta(days=days)):
            await asyncio.gather(
                run_the_clock(desk.database, batch=2),
                run_the_clock(another, batch=3),
                follow_up_tick(desk.database),
                follow_up_tick(another),
            )
            assert not await run_the_clock(desk.database)

    for referral in referrals:
        async with desk.database.view(SYSTEM) as session:
            rows = (
                await session.execute(
                    text(
                        "SELECT move, to_state, facts->>'clock' AS clock, facts->>'planned' AS planned"
                        " FROM referral_event WHERE referral_id = :id AND actor IN ('CLOCK', 'CONSENT')"
                        " ORDER BY ordinal"
                    ),
                    {"id": referral},
                )
            ).all()
            row = (
                await session.execute(
                    text(
                        "SELECT state, next_tick_at, (SELECT count(*) FROM audit a WHERE a.object_id = r.id"
                        " AND a.role = 'SYSTEM') AS recorded FROM referral r WHERE id = :id"
                    ),
                    {"id": referral},
                )
            ).one()
        acts = [tuple(one) for one in rows]
        assert len(acts) == len(set(acts)), acts
        assert row.recorded >= len(acts), acts
        assert R(row.state) in TERMINAL_STATES
        assert row.next_tick_at is None
        events = await desk.events(desk.town.coordinator, referral)
        assert replay(steps(events)) is R(row.state)
    assert await free_places(desk) == places + 1


# --- One bad row -------------------------------------------------------------------------------------------

BAD = {
    # the calendar ends before the moment that is worked out
    "reading": "UPDATE referral SET state = 'IN_PROGRESS', expected_end = '9999-12-30' WHERE id = :id",
    # what stands there is no word of this release
    "loading": "UPDATE referral SET priority = 'NONSENSE' WHERE id = :id",
    # the database does not take what would be written
    "writing": "INSERT INTO referral_event"
    " (referral_id, ordinal, at, move, from_state, to_state, actor, source, facts)"
    " VALUES (:id, 2147483647, now(), 'REMARK', 'SENT', 'SENT', 'SENDER', 'MEMBER', '{}')",
}
MENDED = {
    "reading": "UPDATE referral SET state = 'SENT', expected_end = NULL WHERE id = :id",
    "loading": "UPDATE referral SET priority = 'NORMAL' WHERE id = :id",
    "writing": "DELETE FROM referral_event WHERE referral_id = :id AND ordinal = 2147483647",
}


async def change(database: Database, statement: str, referral: UUID) -> None:
    """Change a row past all of the program's own rules."""
    async with database.work(SYSTEM) as work:
        await work.session.execute(text("SELECT set_config('app.deletion_run', 'x', true)"))
        changed = await work.session.execute(text(statement), {"id": referral})
        assert changed.rowcount == 1  # type: ignore[attr-defined]


async def troubles(database: Database) -> list[tuple[str, UUID, str, int, timedelta]]:
    """What is set aside: what, about which, the kind of error, how often tried, and for how long."""
    async with database.view(SYSTEM) as session:
        rows = await session.scalars(select(ClockTrouble).order_by(ClockTrouble.since))
        now = database.clock()
        return [(row.task, row.about_id, row.error, row.attempts, row.next_try_at - now) for row in rows]


@pytest.mark.parametrize("where", BAD)
async def test_a_row_that_cannot_be_done_stops_no_other_and_is_done_when_it_can(
    desk: Desk, town: Town, where: str
) -> None:
    bad = await desk.sent(await desk.client(), town.provider)
    good = [await desk.sent(await desk.client(), town.provider) for _ in range(3)]
    await change(desk.database, BAD[where], bad.id)
    # it is the first whose time has come
    await change(desk.database, "UPDATE referral SET next_tick_at = now() WHERE id = :id", bad.id)
    moment = after(add_working_days(TODAY, 15))

    with capture_logs() as logged:
        async with at(desk.database, moment):
            ticked = await run_the_clock(desk.database)
            ((task, about, error, attempts, pause),) = await troubles(desk.database)

    assert [await happened(desk, one) for one in good] == [["EXPIRE"]] * 3
    assert (ticked.moves, ticked.set_aside) == (3, 1)
    assert (task, about, attempts, pause) == ("REFERRAL", bad.id, 1, timedelta(minutes=1))
    assert error.split()[0] in {"OverflowError", "LookupError", "ValueError", "DBAPIError", "DataError"}, (
        error
    )
    (said,) = [line for line in logged if line["event"] == "set aside"]
    assert said["about"] == str(bad.id)
    assert said["log_level"] == "error"

    # what is due later is done in batches again, and the bad one is left alone until its pause is over
    with capture_logs() as logged:
        async with at(desk.database, moment + timedelta(seconds=59)):
            assert not await run_the_clock(desk.database)
        assert logged == []
        for attempt, minutes in ((2, 2), (3, 4), (4, 8)):
            async with at(desk.database, moment + timedelta(hours=attempt)):
                assert not await run_the_clock(desk.database)
                ((_, _, _, attempts, pause),) = await troubles(desk.database)
            assert (attempts, pause) == (attempt, timedelta(minutes=minutes))
    assert [(line["event"], line["attempts"]) for line in logged] == [
        ("still set aside", number) for number in (2, 3, 4)
    ]
    everything_said = repr(logged)
    for telling in ("NONSENSE", "9999", "2147483647", "Failing row", "parameters"):
        assert telling not in everything_said

    await change(desk.database, MENDED[where], bad.id)
    async with at(desk.database, moment + timedelta(days=1)):
        ticked = await run_the_clock(desk.database)
        assert await troubles(desk.database) == []
    assert (ticked.moves, ticked.solved) == (1, 1)
    assert await happened(desk, bad) == ["EXPIRE"]


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 1), (2, 2), (9, 256), (10, 360), (5000, 360)])
def test_the_pauses_grow_to_six_hours(attempts: int, minutes: int) -> None:
    assert pause_after(attempts) == timedelta(minutes=minutes)


async def test_what_is_not_due_any_more_is_forgotten(desk: Desk, town: Town, client_id: UUID) -> None:
    sent = await desk.sent(client_id, town.provider)
    await change(desk.database, BAD["loading"], sent.id)
    moment = after(add_working_days(TODAY, 15))
    async with at(desk.database, moment):
        assert (await run_the_clock(desk.database)).set_aside == 1
    await change(desk.database, MENDED["loading"], sent.id)
    await desk.as_(town.coordinator, lambda w: exchange.cancel(w, sent.id, sent.version, Reason.OTHER))

    async with at(desk.database, moment + timedelta(hours=1)):
        await run_the_clock(desk.database)
        assert await troubles(desk.database) == []

    assert await happened(desk, sent) == []


async def test_a_consent_that_cannot_be_ended_stops_no_other(desk: Desk, town: Town) -> None:
    """What rests on it is not readable; the clock ends the others, and offers what it is to offer."""
    sent = [await desk.sent(await desk.client(), town.provider) for _ in range(3)]
    resting = {one.id: (await seen(desk, one)).consent_id for one in sent}
    broken, *sound = sent
    await change(desk.database, BAD["loading"], broken.id)
    # only its consent's clock has come to it
    await change(desk.database, "UPDATE referral SET next_tick_at = NULL WHERE id = :id", broken.id)
    async with desk.database.view(SYSTEM) as session:
        ends = await session.scalar(
            select(Consent.valid_until).where(Consent.id == resting[broken.id]),
        )
    assert ends is not None

    async with at(desk.database, ends + timedelta(minutes=1)):
        ticked = await run_the_clock(desk.database)
        assert [(task, about) for task, about, *_ in await troubles(desk.database)] == [
            ("CONSENT_END", resting[broken.id])
        ]
        assert ticked.set_aside == 1
        async with desk.database.view(SYSTEM) as session:
            ended = select(Consent.state).where(Consent.id.in_([resting[one.id] for one in sound]))
            assert (await session.scalars(ended)).all() == [ConsentState.EXPIRED] * len(sound)
        await change(desk.database, MENDED["loading"], broken.id)
    async with at(desk.database, ends + timedelta(minutes=2)):
        ticked = await run_the_clock(desk.database)

    assert (ticked.consents_expired, ticked.solved) == (1, 1)
    assert (await seen(desk, broken)).state is R.CONSENT_REVOKED


async def test_what_passes_by_itself_sets_nothing_aside(
    desk: Desk, town: Town, client_id: UUID, another: Database
) -> None:
    """Somebody else holds what a move needs: it is done in the next run."""
    impatient = another
    event.listen(
        impatient.engine.sync_engine,
        "begin",
        lambda connection: connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'"),
    )
    held = await desk.accepted(client_id, town.provider)
    other = await desk.sent(await desk.client(), town.provider)
    moment = after(SOON + timedelta(weeks=4))

    async with at(desk.database, moment):
        async with desk.database.work(SYSTEM) as work:
            await work.session.execute(text("LOCK TABLE notice IN EXCLUSIVE MODE"))
            ticked = await run_the_clock(impatient)
            assert (ticked.moves, ticked.set_aside) == (0, 0)
        await run_the_clock(desk.database)
        assert await troubles(desk.database) == []

    assert [await happened(desk, one) for one in (held, other)] == [["EXPIRE"]] * 2
