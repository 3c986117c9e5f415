"""What a recipient answers, on a real database: questions, places, who may, lists, statements."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import event, func, select, text

from directory.actors import SYSTEM, Actor, Role
from directory.database import Database, Work
from directory.models import Service
from directory.problems import InvalidInput, NoPlaceLeft, NotAllowed, NotFound, StaleVersion
from directory.values import Capacity
from directory.vocabulary import CapacityState
from referrals import answering, exchange, inbox
from referrals.inbox import Box
from referrals.models import Referral, ReferralPackage
from referrals.moving import Answered, Moved
from referrals.personal_data.keystore import KeyStore
from referrals.problems import ConsentMissing, TransitionNotAllowed
from referrals.states import Move, allowed, replay, step
from referrals.vocabulary import (
    AnswerSource,
    DeclinedBy,
    DeclineReason,
    EventActor,
    FeedbackAsked,
    OutcomeCode,
    Priority,
    Reason,
    ReferralState,
    Warned,
)
from tests.referrals.desk import LATER, SOON, TODAY, Desk, accept, at, everything
from tests.referrals.town import ORDINARY, Town, give_consent

# --- Questions, waiting lists, declining, following up ------------------------------------------------------


async def test_question_and_answer_are_read_by_both_and_the_clock_stands_still(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider, priority=Priority.SOON)
    due = (await desk.view(town.coordinator, sent.id)).answer_due_at
    asked = await desk.as_(
        town.provider.member,
        lambda w: answering.ask(w, desk.keys, sent.id, sent.version, "  Welches Niveau?  "),
    )
    async with at(database, datetime.now(UTC) + timedelta(days=14)):
        replied = await desk.as_(
            town.coordinator,
            lambda w: exchange.reply(w, desk.keys, asked.id, asked.version, "Etwa A2."),
        )
        later = (await desk.view(town.coordinator, sent.id)).answer_due_at

    assert replied.state is ReferralState.ACKNOWLEDGED
    assert due is not None
    assert later is not None
    assert later - due >= timedelta(days=13)
    for reader in (town.coordinator, town.provider.member):
        texts = [e.text for e in await desk.events(reader, sent.id) if e.text]
        assert texts == ["Welches Niveau?", "Etwa A2."]
    async with database.view(SYSTEM) as session:
        stored = await session.execute(
            text("SELECT sealed_text FROM referral_event WHERE sealed_text IS NOT NULL")
        )
        assert all(b"Niveau" not in sealed for sealed in stored.scalars())


async def test_the_sender_alone_is_warned_when_the_waiting_list_is_longer_than_the_status(
    desk: Desk, town: Town
) -> None:
    client_id = await desk.client(status_valid_until=TODAY + timedelta(days=30))
    sent = await desk.sent(client_id, town.provider)
    waiting = await desk.as_(
        town.provider.member, lambda w: answering.waitlist(w, sent.id, sent.version, LATER)
    )

    mine = await desk.view(town.coordinator, waiting.id)
    theirs = await desk.view(town.provider.member, waiting.id)
    assert (mine.warnings, theirs.warnings) == ((Warned.WAIT_AFTER_STATUS_END,), ())
    assert mine.expected_week is not None
    assert mine.expected_week.weekday() == 0


async def test_a_declined_referral_is_followed_up_with_a_new_consent_only(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    consent_id = await give_consent(
        database, keys, town.coordinator, client_id, town.provider.id, town.school.id
    )
    drafted = await desk.draft(client_id, town.provider)
    sent = await desk.as_(
        town.coordinator,
        lambda w: exchange.send(w, keys, drafted.id, drafted.version, consent_id=consent_id),
    )
    await desk.as_(
        town.provider.member,
        lambda w: answering.decline(
            w,
            keys,
            sent.id,
            sent.version,
            reason=DeclineReason.NO_CAPACITY,
            better_service_id=town.school.service,
        ),
    )
    seen = await desk.view(town.coordinator, sent.id)
    assert (seen.decline_reason, seen.better_service_id) == (DeclineReason.NO_CAPACITY, town.school.service)

    follow = await desk.as_(
        town.coordinator,
        lambda w: exchange.follow_up(w, sent.id, exchange.FollowUp(service_id=town.school.service)),
    )
    assert (await desk.view(town.coordinator, follow.id)).parent_id == sent.id
    with pytest.raises(ConsentMissing) as refused:
        await desk.as_(
            town.coordinator,
            lambda w: exchange.send(w, keys, follow.id, follow.version, consent_id=consent_id),
        )
    assert refused.value.missing == ("NEW_CONSENT",)
    new = await give_consent(database, keys, town.coordinator, client_id, town.school.id)
    again = await desk.as_(
        town.coordinator, lambda w: exchange.send(w, keys, follow.id, follow.version, consent_id=new)
    )
    assert again.state is ReferralState.SENT
    assert (await desk.view(town.school.member, follow.id)).parent_id is None


async def test_an_open_referral_has_no_follow_up(desk: Desk, town: Town, client_id: UUID) -> None:
    sent = await desk.sent(client_id, town.provider)

    with pytest.raises(TransitionNotAllowed):
        await desk.as_(
            town.coordinator,
            lambda w: exchange.follow_up(w, sent.id, exchange.FollowUp(service_id=town.school.service)),
        )


async def test_what_is_not_met_needs_a_reason_and_a_hold_ends_within_a_year(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    running = await desk.running(client_id, town.provider)
    before = await everything(database, running.id)
    refusals = []
    for move in (
        lambda w: answering.report_outcome(
            w, running.id, running.version, outcome=OutcomeCode.NOT_MET, outcome_on=TODAY
        ),
        lambda w: answering.report_outcome(
            w, running.id, running.version, outcome=OutcomeCode.NEED_MET, outcome_on=SOON
        ),
        lambda w: answering.pause(
            w,
            running.id,
            running.version,
            reason=Reason.CHILDCARE,
            resume_on=TODAY + timedelta(days=400),
        ),
    ):
        with pytest.raises(InvalidInput) as refused:
            await desk.as_(town.provider.member, move)
        refusals.append((refused.value.field, refused.value.reason))

    assert refusals == [
        ("outcomeReason", "required"),
        ("outcomeOn", "in-the-future"),
        ("resumeOn", "too-late"),
    ]
    assert await everything(database, running.id) == before


# --- Places ------------------------------------------------------------------------------------------------


async def test_a_declined_acceptance_gives_its_place_back(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    accepted = await desk.accepted(client_id, town.provider)
    taken = (await everything(database, accepted.id))[3]
    await desk.as_(
        town.provider.member,
        lambda w: answering.decline(
            w,
            desk.keys,
            accepted.id,
            accepted.version,
            reason=DeclineReason.PERSON_DECLINED,
            declined_by=DeclinedBy.PERSON,
            note="Hat abgesagt.",
        ),
    )
    given_back = (await everything(database, accepted.id))[3]

    assert isinstance(taken, Capacity)
    assert isinstance(given_back, Capacity)
    assert (taken.places, given_back.places) == (4, 5)


@pytest.mark.slow
async def test_of_fifty_parallel_accepts_of_the_last_place_exactly_one_gets_it(
    database: Database, keys: KeyStore, desk: Desk, town: Town
) -> None:
    async with database.work(SYSTEM) as work:
        service = await work.session.get_one(Service, town.provider.service)
        service.capacity = Capacity(state=CapacityState.FEW, places=1)

    async def one() -> Moved:
        return await desk.sent(await desk.client(), town.provider)

    sent = await asyncio.gather(*(one() for _ in range(50)))

    async def try_to_accept(referral: Moved) -> str:
        try:
            await desk.as_(town.provider.member, lambda w: accept(w, referral))
        except NoPlaceLeft:
            return "no place left"
        return "accepted"

    results = await asyncio.gather(*(try_to_accept(referral) for referral in sent))

    assert sorted(results) == ["accepted"] + ["no place left"] * 49
    async with database.view(SYSTEM) as session:
        states = await session.execute(
            select(Referral.state, func.count())
            .where(Referral.service_id == town.provider.service)
            .group_by(Referral.state)
        )
        assert {row[0]: row[1] for row in states} == {ReferralState.ACCEPTED: 1, ReferralState.SENT: 49}
        capacity = await session.scalar(select(Service.capacity).where(Service.id == town.provider.service))
        assert capacity == Capacity(state=CapacityState.NONE, places=0)


async def test_of_parallel_moves_on_one_version_exactly_one_wins(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)

    async def try_to(move: Callable[[Work], Awaitable[Moved]], actor: Actor) -> str:
        try:
            return (await desk.as_(actor, move)).state.value
        except (StaleVersion, TransitionNotAllowed) as problem:
            return problem.code

    tries = [
        try_to(lambda w: answering.acknowledge(w, sent.id, sent.version), town.provider.member),
        try_to(lambda w: accept(w, sent), town.provider.colleague),
        try_to(lambda w: exchange.cancel(w, sent.id, sent.version, Reason.OTHER), town.coordinator),
    ] + [
        try_to(lambda w: answering.acknowledge(w, sent.id, sent.version), town.provider.member)
        for _ in range(17)
    ]
    results = await asyncio.gather(*tries)

    won = [result for result in results if result in set(ReferralState)]
    assert len(won) == 1
    assert set(results) - set(won) <= {"STALE_VERSION", "TRANSITION_NOT_ALLOWED"}
    events = await desk.events(town.coordinator, sent.id)
    assert len(events) == 3


# --- Who may -----------------------------------------------------------------------------------------------


async def test_an_answer_given_by_phone_is_recorded_as_such(desk: Desk, town: Town, client_id: UUID) -> None:
    sent = await desk.sent(client_id, town.provider)
    by_phone = Answered(source=AnswerSource.PHONE, on=TODAY)
    moved = await desk.as_(
        town.coordinator,
        lambda w: answering.record_answer(
            w,
            desk.keys,
            sent.id,
            sent.version,
            answering.AnswerAccept(contact="Frau am Telefon", first_contact_on=SOON, expected_end=LATER),
            by_phone,
        ),
    )

    assert moved.state is ReferralState.ACCEPTED
    told = (await desk.events(town.coordinator, sent.id))[-1]
    assert (told.actor, told.source, told.source_on, told.partner_id) == (
        EventActor.RECIPIENT, AnswerSource.PHONE, TODAY, town.coordination.id,
    )  # fmt: skip
    assert told.member_id == town.coordinator.member_id
    theirs = (await desk.events(town.provider.member, sent.id))[-1]
    assert theirs.member_id is None


@pytest.mark.parametrize(
    ("source", "days", "reason"),
    [
        (AnswerSource.PHONE, 1, "in-the-future"),
        (AnswerSource.PHONE, -1, "before-sending"),
        (AnswerSource.MEMBER, 0, "unknown-value"),
    ],
)
async def test_a_recorded_answer_says_truly_where_it_comes_from(
    desk: Desk, town: Town, client_id: UUID, source: AnswerSource, days: int, reason: str
) -> None:
    sent = await desk.sent(client_id, town.provider)

    with pytest.raises(InvalidInput) as refused:
        await desk.as_(
            town.coordinator,
            lambda w: answering.acknowledge(
                w, sent.id, sent.version, answered=Answered(source=source, on=TODAY + timedelta(days=days))
            ),
        )

    assert refused.value.reason == reason


async def test_who_has_no_part_finds_nothing_and_changes_nothing(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    other = Actor(
        role=Role.OTHER_MUNICIPALITY,
        member_id=town.business.member.member_id,
        partner_id=town.business.id,
        municipality_id=town.id,
    )
    before = await everything(database, sent.id)

    for actor in (town.business.member, town.jobcenter.member, other):
        for move in (
            lambda w: answering.acknowledge(w, sent.id, sent.version),
            lambda w: exchange.cancel(w, sent.id, sent.version, Reason.OTHER),
            lambda w: exchange.follow_up(w, sent.id, exchange.FollowUp(service_id=town.school.service)),
        ):
            with pytest.raises(NotFound):
                await desk.as_(actor, move)
        with pytest.raises(NotFound):
            await desk.view(actor, sent.id)
        with pytest.raises(NotFound):
            await desk.package(actor, sent.id)

    assert await everything(database, sent.id) == before


async def test_each_side_makes_its_own_moves_only(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    before = await everything(database, sent.id)
    denied = []
    for actor, move in (
        (town.coordinator, lambda w: answering.acknowledge(w, sent.id, sent.version)),
        (town.provider.member, lambda w: exchange.cancel(w, sent.id, sent.version, Reason.OTHER)),
        (town.coordination.colleague, lambda w: exchange.cancel(w, sent.id, sent.version, Reason.OTHER)),
        (
            town.provider.member,
            lambda w: answering.acknowledge(
                w, sent.id, sent.version, answered=Answered(source=AnswerSource.PHONE, on=TODAY)
            ),
        ),
    ):
        with pytest.raises(NotAllowed) as refused:
            await desk.as_(actor, move)
        denied.append(refused.value.rule)

    assert denied == ["recipient-only", "sender-only", "responsible-or-deputy", "sender-only"]
    assert await everything(database, sent.id) == before


async def test_the_deputy_and_a_lead_act_for_the_responsible_person(desk: Desk, town: Town) -> None:
    client_id = await desk.client(deputy_id=town.coordination.colleague.member_id)
    first = await desk.sent(client_id, town.provider)
    second = await desk.sent(client_id, town.school)

    for actor, referral in ((town.coordination.colleague, first), (town.lead, second)):
        moved = await desk.as_(
            actor,
            lambda w, r=referral: exchange.cancel(  # type: ignore[misc]
                w, r.id, r.version, Reason.PERSON_DOES_NOT_WANT, told_by_person=AnswerSource.PHONE
            ),
        )
        assert moved.state is ReferralState.CANCELLED
        event_ = (await desk.events(town.coordinator, referral.id))[-1]
        assert (event_.actor, event_.source) == (EventActor.PERSON, AnswerSource.PHONE)


# --- Any way through the table -----------------------------------------------------------------------------


def moves_of(
    desk: Desk, referral: inbox.ReferralView
) -> dict[tuple[Move, EventActor], Callable[[Work], Awaitable[Moved]]]:
    """Every move with input that is right, on this referral as it is now."""
    id_, version, keys = referral.id, referral.version, desk.keys
    s, p = EventActor.SENDER, EventActor.RECIPIENT
    at_once = TODAY
    return {
        (Move.ACKNOWLEDGE, p): lambda w: answering.acknowledge(w, id_, version),
        (Move.ASK, p): lambda w: answering.ask(w, keys, id_, version, "Und?"),
        (Move.REPLY, s): lambda w: exchange.reply(w, keys, id_, version, "So."),
        (Move.WAITLIST, p): lambda w: answering.waitlist(w, id_, version, SOON),
        (Move.ACCEPT, p): lambda w: answering.accept(
            w, id_, version, contact="Zimmer 1", first_contact_on=SOON, expected_end=LATER
        ),
        (Move.DECLINE, p): lambda w: answering.decline(w, keys, id_, version, reason=DeclineReason.OTHER),
        (Move.START, p): lambda w: answering.start(w, id_, version, at_once),
        (Move.HOLD, p): lambda w: answering.pause(w, id_, version, reason=Reason.OTHER, resume_on=SOON),
        (Move.RESUME, p): lambda w: answering.resume(w, id_, version),
        (Move.REPORT_OUTCOME, p): lambda w: answering.report_outcome(
            w, id_, version, outcome=OutcomeCode.NEED_MET, outcome_on=at_once
        ),
        (Move.CLOSE, s): lambda w: exchange.close(w, id_, version, FeedbackAsked.DECLINED),
        (Move.CONTEST, s): lambda w: exchange.contest(w, id_, version, Reason.OUTCOME_WRONG),
        (Move.CANCEL, s): lambda w: exchange.cancel(w, id_, version, Reason.OTHER),
        (Move.ABANDON, s): lambda w: exchange.abandon(w, id_, version, Reason.OTHER),
    }


@pytest.mark.parametrize("seed", range(4))
async def test_any_walk_follows_the_table_and_replays_to_the_state(
    desk: Desk, town: Town, client_id: UUID, seed: int
) -> None:
    choice = random.Random(seed)
    sent = await desk.sent(client_id, town.provider)
    actors = {EventActor.SENDER: town.coordinator, EventActor.RECIPIENT: town.provider.member}
    for _ in range(20):
        seen = await desk.view(town.coordinator, sent.id)
        moves = moves_of(desk, seen)
        # Ends are rare, so that the walks are long.
        weights = [1 if move in {Move.CANCEL, Move.DECLINE, Move.CLOSE} else 8 for move, _ in moves]
        (move, party), make = choice.choices(list(moves.items()), weights)[0]
        if move in allowed(seen.state, party):
            assert (await desk.as_(actors[party], make)).state is step(seen.state, move, party)
        else:
            with pytest.raises(TransitionNotAllowed) as refused:
                await desk.as_(actors[party], make)
            assert refused.value.allowed == tuple(sorted(allowed(seen.state, party)))
            assert (await desk.view(town.coordinator, sent.id)).version == seen.version

    last = await desk.view(town.coordinator, sent.id)
    assert replay(inbox.steps(await desk.events(town.coordinator, sent.id))) is last.state


# --- Lists -------------------------------------------------------------------------------------------------


async def test_the_inbox_pages_without_gaps_and_filters(desk: Desk, town: Town) -> None:
    sent = [await desk.sent(await desk.client(), town.provider) for _ in range(5)]
    await desk.as_(town.provider.member, lambda w: answering.acknowledge(w, sent[0].id, sent[0].version))
    provider, found, after = town.provider.member, [], None
    while True:
        async with desk.database.view(provider) as session:
            page = await inbox.list_referrals(
                session, provider, desk.database.clock(), Box.INBOX, first=2, after=after
            )
        found += [r.id for r in page.items]
        if not page.has_next:
            break
        after = page.items[-1].cursor
    async with desk.database.view(provider) as session:
        opened = await inbox.list_referrals(
            session, provider, desk.database.clock(), Box.INBOX, states=[ReferralState.ACKNOWLEDGED]
        )
        due = await inbox.list_referrals(
            session,
            provider,
            desk.database.clock(),
            Box.INBOX,
            due_before=datetime.now(UTC) + timedelta(days=1),
        )

    assert found == [sent[0].id, *(r.id for r in reversed(sent[1:]))]
    assert [r.id for r in opened.items] == [sent[0].id]
    assert due.items == ()


async def test_the_inbox_is_read_by_what_is_due_first(desk: Desk, town: Town) -> None:
    """Whatever changed last: urgent before normal, and ended ones last."""
    provider = town.provider.member
    normal, soon, urgent, ended = [
        await desk.sent(await desk.client(), town.provider, priority=priority)
        for priority in (Priority.NORMAL, Priority.SOON, Priority.URGENT, Priority.NORMAL)
    ]
    await desk.as_(
        provider,
        lambda w: answering.decline(w, desk.keys, ended.id, ended.version, reason=DeclineReason.NO_CAPACITY),
    )
    found: list[UUID] = []
    after = None
    while True:
        async with desk.database.view(provider) as session:
            page = await inbox.list_referrals(
                session, provider, desk.database.clock(), Box.INBOX, soonest_first=True, first=1, after=after
            )
        found += [r.id for r in page.items]
        if not page.has_next:
            break
        after = page.cursors[-1]
    assert found == [urgent.id, soon.id, normal.id, ended.id]


async def test_what_was_sent_is_read_by_when_an_answer_is_due(desk: Desk, town: Town) -> None:
    """The sender reads from the order what they see anyhow, and not what else the clock waits for."""
    provider = town.provider.member
    normal, urgent, first, last = [
        await desk.sent(await desk.client(), town.provider, priority=priority)
        for priority in (Priority.NORMAL, Priority.URGENT, Priority.NORMAL, Priority.NORMAL)
    ]
    for one, days in ((first, 3), (last, 9)):  # the clock looks at the first of them before the other
        begins = TODAY + timedelta(days=days)
        await desk.as_(provider, partial(accept, referral=one, first_contact_on=begins))
    found: list[UUID] = []
    after = None
    while True:
        async with desk.database.view(town.coordinator) as session:
            page = await inbox.list_referrals(
                session,
                town.coordinator,
                desk.database.clock(),
                Box.SENT,
                soonest_first=True,
                first=1,
                after=after,
            )
        found += [r.id for r in page.items]
        if not page.has_next:
            break
        after = page.cursors[-1]
    assert found == [urgent.id, normal.id, last.id, first.id]


@pytest.mark.parametrize(("first", "after"), [(0, None), (101, None), (10, "nonsense")])
async def test_pages_are_bounded(desk: Desk, town: Town, first: int, after: str | None) -> None:
    with pytest.raises(InvalidInput):
        async with desk.database.view(town.coordinator) as session:
            await inbox.list_referrals(
                session, town.coordinator, desk.database.clock(), Box.SENT, first=first, after=after
            )


# --- Statements --------------------------------------------------------------------------------------------


async def test_a_move_takes_few_statements(desk: Desk, town: Town, client_id: UUID) -> None:
    counted: list[str] = []

    def count(*given: object) -> None:
        counted.append(str(given[2]))

    engine = desk.database.engine.sync_engine
    numbers: dict[str, int] = {}

    async def counting(name: str, actor: Actor, move: Callable[[Work], Awaitable[Moved]]) -> Moved:
        counted.clear()
        moved = await desk.as_(actor, move)
        numbers[name] = len(counted)
        return moved

    drafted = await desk.draft(client_id, town.provider)
    consent_id = await give_consent(desk.database, desk.keys, town.coordinator, client_id, town.provider.id)
    event.listen(engine, "before_cursor_execute", count)
    try:
        sent = await counting(
            "send",
            town.coordinator,
            lambda w: exchange.send(w, desk.keys, drafted.id, drafted.version, consent_id=consent_id),
        )
        opened = await counting(
            "acknowledge",
            town.provider.member,
            lambda w: answering.acknowledge(w, sent.id, sent.version),
        )
        accepted = await counting("accept", town.provider.member, lambda w: accept(w, opened))
        running = await counting(
            "start",
            town.provider.member,
            lambda w: answering.start(w, accepted.id, accepted.version, TODAY),
        )
        counted.clear()
        async with desk.database.view(town.provider.member) as session:
            await inbox.list_referrals(session, town.provider.member, desk.database.clock(), Box.INBOX)
        numbers["inbox"] = len(counted)
    finally:
        event.remove(engine, "before_cursor_execute", count)

    # Who acts; lock; change; event; audit. Sending also reads both ends, the consent and the project's rule,
    # stores the package, and promises the notice.
    assert running.state is ReferralState.IN_PROGRESS
    assert numbers["acknowledge"] == 5
    assert numbers["start"] == 5
    assert numbers["send"] == 10
    assert numbers["inbox"] == 2
    # the notice; the place, and the service's document with its version and its entry in the feed
    assert numbers["accept"] <= 5 + 1 + 9


async def test_a_stored_package_row_belongs_to_its_referral(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)

    async with database.view(SYSTEM) as session:
        package = await session.get_one(ReferralPackage, sent.id)
    assert b"Musterfrau" not in package.sealed
    assert package.categories == ORDINARY
