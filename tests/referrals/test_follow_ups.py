"""Asking again after 28 days and 6 months, each under its own purpose, under simulated time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from directory.actors import ANONYMOUS, SYSTEM
from directory.days import ZONE
from directory.problems import InvalidInput, NotFound, StaleVersion
from referrals import answering, exchange, hearing
from referrals.consent.consents import withdraw_consent
from referrals.models import FollowUp, Referral
from referrals.moving import Moved
from referrals.person import cards, follow_ups
from referrals.person.card_page import open_card
from referrals.person.follow_ups import due_at
from referrals.problems import ConsentMissing, TransitionNotAllowed
from referrals.ticking import run_follow_ups
from referrals.values import PurposeTerms
from referrals.vocabulary import (
    AnswerSource,
    Channel,
    FeedbackAsked,
    FollowUpKind,
    FollowUpState,
    NeedNow,
    OccupiedWith,
    OutcomeCode,
    PersonVoice,
    Purpose,
    ReportDepth,
    WithdrawalScope,
)
from tests.referrals.desk import TODAY, Desk, at
from tests.referrals.town import ORDINARY, Town

K, S = FollowUpKind, FollowUpState
END = TODAY + timedelta(days=364)
BOTH = (Purpose.FOLLOW_UP_28_DAYS, Purpose.FOLLOW_UP_6_MONTHS)


@pytest.mark.parametrize(
    ("kind", "closed", "due"),
    [
        (K.DAYS_28, "2026-03-10T12:00", "2026-04-07T12:00"),  # summer time begins between
        (K.DAYS_28, "2026-12-20T09:30", "2027-01-17T09:30"),
        (K.MONTHS_6, "2026-01-15T12:00", "2026-07-15T12:00"),
        (K.MONTHS_6, "2026-08-31T12:00", "2027-02-28T12:00"),
        (K.MONTHS_6, "2027-08-31T12:00", "2028-02-29T12:00"),
        (K.MONTHS_6, "2026-06-30T12:00", "2026-12-30T12:00"),
    ],
)
def test_it_is_due_at_the_same_wall_time(kind: FollowUpKind, closed: str, due: str) -> None:
    local = datetime.fromisoformat(closed).replace(tzinfo=ZONE)
    wanted = datetime.fromisoformat(due).replace(tzinfo=ZONE)

    assert due_at(kind, local.astimezone(UTC)).astimezone(UTC) == wanted.astimezone(UTC)


async def closed(desk: Desk, client_id: UUID, *granted: Purpose, ends_on: date = END) -> Moved:
    """A referral that has run its course, with these purposes granted beside the usual ones."""
    asked = (
        PurposeTerms(purpose=Purpose.REFERRAL, categories=ORDINARY),
        PurposeTerms(purpose=Purpose.REPORT_BACK, report_depth=ReportDepth.OUTCOME),
        *(PurposeTerms(purpose=purpose, ends_on=ends_on) for purpose in granted),
    )
    provider = desk.town.provider
    running = await desk.running(client_id, provider, asked=asked)
    reported = await desk.as_(
        provider.member,
        lambda w: answering.report_outcome(
            w, running.id, running.version, outcome=OutcomeCode.NEED_MET, outcome_on=TODAY
        ),
    )
    return await desk.as_(
        desk.town.coordinator,
        lambda w: exchange.close(w, reported.id, reported.version, FeedbackAsked.UNREACHABLE),
    )


async def tick(desk: Desk) -> follow_ups.Ticked:
    async with desk.database.work(SYSTEM) as work:
        return await follow_ups.tick(work)


async def states(desk: Desk, referral_id: UUID) -> dict[FollowUpKind, FollowUpState]:
    async with desk.database.view(SYSTEM) as session:
        rows = await session.execute(
            select(FollowUp.kind, FollowUp.state).where(FollowUp.referral_id == referral_id)
        )
        return {row[0]: row[1] for row in rows}


async def one(desk: Desk, referral_id: UUID, kind: FollowUpKind = K.DAYS_28) -> FollowUp:
    async with desk.database.view(SYSTEM) as session:
        found = await session.scalar(
            select(FollowUp).where(FollowUp.referral_id == referral_id, FollowUp.kind == kind)
        )
    assert found is not None
    return found


def later(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


async def withdraw(desk: Desk, client_id: UUID, purpose: Purpose) -> None:
    async with desk.database.work(ANONYMOUS) as work:
        code = await issued(desk, client_id)
        wish = cards.Wish(scope=WithdrawalScope.PURPOSE, purpose=purpose)
        await cards.withdraw_by_card(work, code, wish, key=f"test-{uuid4()}")


async def issued(desk: Desk, client_id: UUID) -> str:
    async with desk.database.work(desk.town.coordinator) as work:
        return (await cards.issue_card(work, client_id, "en")).code


async def record(desk: Desk, found: FollowUp, actor: object = None, **given: object) -> UUID:
    async with desk.database.work(actor or desk.town.coordinator) as work:  # type: ignore[arg-type]
        return await follow_ups.record_follow_up(
            work,
            found.id,
            given.pop("version", found.version),  # type: ignore[arg-type]
            NeedNow.STILL_MET,
            **given,  # type: ignore[arg-type]
        )


async def test_each_is_planned_under_its_own_purpose_only(desk: Desk) -> None:
    made = {}
    for granted in ((), BOTH[:1], BOTH[1:], BOTH):
        made[granted] = (await closed(desk, await desk.client(), *granted)).id
    await tick(desk)
    await tick(desk)

    assert [await states(desk, referral_id) for referral_id in made.values()] == [
        {},
        {K.DAYS_28: S.PLANNED},
        {K.MONTHS_6: S.PLANNED},
        {K.DAYS_28: S.PLANNED, K.MONTHS_6: S.PLANNED},
    ]


async def test_a_year_of_them(desk: Desk, client_id: UUID) -> None:
    """Asked on the day, on the card and as a task; counted as no answer 30 days later."""
    referral = await closed(desk, client_id, *BOTH)
    course = []
    code = await issued(desk, client_id)
    for days in (0, 27.9, 28.1, 57, 58.2, 180, 185, 214, 215.2, 300):
        async with at(desk.database, later(days)):
            await tick(desk)
            async with desk.database.view(ANONYMOUS) as session:
                page = await open_card(session, code, desk.database.clock())
            async with desk.database.view(desk.town.coordinator) as session:
                due = await follow_ups.due_follow_ups(session, desk.town.coordinator, desk.database.clock())
            found = await states(desk, referral.id)
            course.append((days, found[K.DAYS_28].value, found[K.MONTHS_6].value))
            asked = [kind for kind in K if found[kind] is S.ASKED]
            assert [one.kind for one in due if one.referral_id == referral.id] == asked
            assert len(page.follow_ups) == len(asked)

    assert course == [
        (0, "PLANNED", "PLANNED"),
        (27.9, "PLANNED", "PLANNED"),
        (28.1, "ASKED", "PLANNED"),
        (57, "ASKED", "PLANNED"),
        (58.2, "NO_ANSWER", "PLANNED"),
        (180, "NO_ANSWER", "PLANNED"),
        (185, "NO_ANSWER", "ASKED"),
        (214, "NO_ANSWER", "ASKED"),
        (215.2, "NO_ANSWER", "NO_ANSWER"),
        (300, "NO_ANSWER", "NO_ANSWER"),
    ]


async def test_it_is_answered_with_the_card_once(desk: Desk, client_id: UUID) -> None:
    referral = await closed(desk, client_id, *BOTH)
    await tick(desk)
    code = await issued(desk, client_id)
    async with at(desk.database, later(29)):
        await tick(desk)
        found = await one(desk, referral.id)
        key = f"test-{uuid4()}"
        for _ in range(2):
            async with desk.database.work(ANONYMOUS) as work:
                await cards.answer_follow_up_by_card(
                    work, code, found.id, NeedNow.PARTLY_MET, occupied_with=OccupiedWith.WORK, key=key
                )
        with pytest.raises(TransitionNotAllowed):
            async with desk.database.work(ANONYMOUS) as work:
                await cards.answer_follow_up_by_card(
                    work, code, found.id, NeedNow.NOT_MET, key=f"test-{uuid4()}"
                )
    answered = await one(desk, referral.id)

    assert (answered.state, answered.need_now, answered.occupied_with, answered.source) == (
        S.ANSWERED,
        NeedNow.PARTLY_MET,
        OccupiedWith.WORK,
        AnswerSource.CODE,
    )


async def test_the_coordination_records_what_it_was_told(desk: Desk, town: Town, client_id: UUID) -> None:
    referral = await closed(desk, client_id, *BOTH)
    await tick(desk)
    planned = await one(desk, referral.id)
    with pytest.raises(TransitionNotAllowed):
        await record(desk, planned)
    async with at(desk.database, later(29)):
        await tick(desk)
        found = await one(desk, referral.id)
        with pytest.raises(StaleVersion):
            await record(desk, found, version=found.version - 1)
        with pytest.raises(InvalidInput):
            await record(desk, found, source=AnswerSource.CODE)
        with pytest.raises(NotFound):
            await record(desk, found, town.provider.member)
        with pytest.raises(NotFound):
            await record(desk, found, town.jobcenter.member)
        await record(desk, found, source=AnswerSource.PHONE)
    answered = await one(desk, referral.id)

    assert (answered.state, answered.source) == (S.ANSWERED, AnswerSource.PHONE)
    assert answered.recorded_by == town.coordinator.member_id


async def test_a_withdrawal_cancels_the_planned_one_and_leaves_the_other(desk: Desk, client_id: UUID) -> None:
    referral = await closed(desk, client_id, *BOTH)
    await tick(desk)
    await withdraw(desk, client_id, Purpose.FOLLOW_UP_28_DAYS)

    assert await states(desk, referral.id) == {K.DAYS_28: S.CANCELLED, K.MONTHS_6: S.PLANNED}
    async with at(desk.database, later(29)):
        await tick(desk)
        assert await states(desk, referral.id) == {K.DAYS_28: S.CANCELLED, K.MONTHS_6: S.PLANNED}


async def test_the_controllers_withdrawal_cancels_what_is_being_asked(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    referral = await closed(desk, client_id, *BOTH)
    await tick(desk)
    async with at(desk.database, later(29)):
        await tick(desk)
        found = await one(desk, referral.id)
        async with desk.database.work(town.coordinator) as work:
            consent_id = (await work.session.get_one(Referral, referral.id)).consent_id
            assert consent_id is not None
            await withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE)
        assert set((await states(desk, referral.id)).values()) == {S.CANCELLED}
        with pytest.raises(StaleVersion):
            await record(desk, found)


async def test_what_is_consented_to_no_more_is_not_asked_whether_or_not_the_clock_was_there(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    """The purpose's own end has come between two runs of the clock."""
    referral = await closed(desk, client_id, *BOTH, ends_on=TODAY + timedelta(days=40))
    await tick(desk)
    code = await issued(desk, client_id)
    async with at(desk.database, later(29)):
        await tick(desk)
    async with at(desk.database, later(42)):
        found = await one(desk, referral.id)
        assert found.state is S.ASKED
        with pytest.raises(ConsentMissing):
            await record(desk, found)
        async with desk.database.view(town.coordinator) as session:
            due = await follow_ups.due_follow_ups(session, town.coordinator, desk.database.clock())
        async with desk.database.view(ANONYMOUS) as session:
            page = await open_card(session, code, desk.database.clock())
        assert not [entry for entry in due if entry.referral_id == referral.id]
        assert page.follow_ups == ()
    async with at(desk.database, later(60)):
        await tick(desk)
        assert (await states(desk, referral.id))[K.DAYS_28] is S.CANCELLED


async def test_who_does_not_answer_is_counted(desk: Desk, town: Town, client_id: UUID) -> None:
    referral = await closed(desk, client_id, *BOTH)
    async with desk.database.view(town.coordinator) as session:
        quarter = (TODAY.month - 1) // 3 + 1
        counts = await hearing.count_voices(
            session, town.coordinator, TODAY.year, quarter, desk.database.clock()
        )
        theirs = await hearing.voices_of(session, town.coordinator, referral.id, desk.database.clock())
    async with desk.database.view(town.provider.member) as session:
        other = await hearing.count_voices(
            session, town.provider.member, TODAY.year, quarter, desk.database.clock()
        )

    assert (counts.referrals, counts.disagreements, counts.person[PersonVoice.NO_ANSWER]) == (1, 0, 1)
    assert theirs is not None
    assert theirs.person is PersonVoice.NO_ANSWER
    assert other.referrals == 0


async def test_one_that_cannot_be_read_stops_no_other(desk: Desk) -> None:
    """Neither from being planned nor from being asked; it is counted, and done when it can be read."""
    first, second = [await closed(desk, await desk.client(), Purpose.FOLLOW_UP_28_DAYS) for _ in range(2)]

    async def becomes(referral: Moved, priority: str) -> None:
        async with desk.database.work(SYSTEM) as work:
            await work.session.execute(
                text("UPDATE referral SET priority = :priority WHERE id = :id"),
                {"priority": priority, "id": referral.id},
            )

    await becomes(first, "NONSENSE")
    assert (await run_follow_ups(desk.database)).set_aside == 1
    assert await states(desk, second.id) == {K.DAYS_28: S.PLANNED}
    await becomes(first, "NORMAL")
    async with at(desk.database, later(1)):
        assert (await run_follow_ups(desk.database)).solved == 1
    assert await states(desk, first.id) == {K.DAYS_28: S.PLANNED}

    await becomes(first, "NONSENSE")
    async with at(desk.database, later(29)):
        assert (await run_follow_ups(desk.database)).set_aside == 1
    assert await states(desk, second.id) == {K.DAYS_28: S.ASKED}
    await becomes(first, "NORMAL")
    async with at(desk.database, later(30)):
        assert (await run_follow_ups(desk.database)).solved == 1
    assert await states(desk, first.id) == {K.DAYS_28: S.ASKED}
