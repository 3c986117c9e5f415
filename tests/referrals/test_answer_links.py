"""Answers without an account: one table for members, links and the phone; links end, and leak nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import product
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from directory.actors import ANONYMOUS, SYSTEM, Actor
from directory.database import Work, _say_who_acts
from directory.days import local_day
from directory.problems import IdempotencyConflict, InvalidInput, NotAllowed, NotFound, Problem
from referrals import answer_links, answering, exchange
from referrals.answer_links import (
    CALL_ME,
    CALLS,
    STAGES,
    AnswerAppointment,
    AnswerAppointmentCancelled,
    AnswerAppointmentMoved,
    AnswerInterim,
    AnswerNoShow,
    AnswerPage,
    AnswerSignOfLife,
    AnswerWaiting,
    CallMe,
    IssuedLink,
    LinkAnswer,
    LinkNote,
    Taken,
)
from referrals.answering import (
    AnswerAccept,
    AnswerAcknowledge,
    AnswerAsk,
    AnswerDecline,
    AnswerHold,
    AnswerOutcome,
    AnswerResume,
    AnswerRevocation,
    AnswerStart,
    AnswerWaitlist,
    AnyAnswer,
)
from referrals.appointments import AppointmentGiven
from referrals.clock import ends_at
from referrals.codes import CodePurpose, hash_of, new_code, present
from referrals.consent import consents
from referrals.models import AnswerLink, Notice, Referral, ReferralEvent, clock_facts
from referrals.moving import Answered, Moved, version_for
from referrals.noted import NOTES, Noted
from referrals.package import Package
from referrals.problems import AnswerLinkClosed, CodeNotValid, PackageClosed, TransitionNotAllowed
from referrals.states import Move, allowed, step
from referrals.values import PurposeTerms
from referrals.vocabulary import (
    AnswerSource,
    Channel,
    DataCategory,
    DeclinedBy,
    DeclineReason,
    EventActor,
    InterimResult,
    NoticeKind,
    OutcomeCode,
    OutcomeReason,
    Purpose,
    Reason,
    ReferralState,
    RevocationAnswer,
)
from tests.referrals.desk import LATER, SOON, TODAY, Desk, accept, at, everything
from tests.referrals.town import ORDINARY, Town

R = ReferralState
ANSWERS: dict[Move, AnyAnswer] = {
    Move.ACKNOWLEDGE: AnswerAcknowledge(),
    Move.ASK: AnswerAsk(question="Gibt es ein Zeugnis?"),
    Move.WAITLIST: AnswerWaitlist(expected_week=LATER),
    Move.ACCEPT: AnswerAccept(contact="Empfang", first_contact_on=SOON, expected_end=LATER),
    Move.DECLINE: AnswerDecline(reason=DeclineReason.NO_CAPACITY, declined_by=DeclinedBy.PARTNER),
    Move.START: AnswerStart(first_contact_made_on=TODAY),
    Move.HOLD: AnswerHold(reason=Reason.OTHER, resume_on=SOON),
    Move.RESUME: AnswerResume(),
    Move.REPORT_OUTCOME: AnswerOutcome(
        outcome=OutcomeCode.NOT_MET, outcome_on=TODAY, reason=OutcomeReason.NO_PLACE
    ),
}
TODAY_NOON = datetime.now(UTC)
CALL = CallMe(phone="0355 12345-6", when="vormittags")


def key() -> str:
    return f"key-{uuid4()}"


async def issued(desk: Desk, referral_id: UUID, by: Actor | None = None) -> IssuedLink:
    async with desk.database.work(by or desk.town.coordinator) as work:
        return await answer_links.issue(work, referral_id)


async def looked(desk: Desk, code: str) -> AnswerPage:
    async with desk.database.view(ANONYMOUS) as session:
        return await answer_links.look(session, code, desk.database.clock())


async def opened(desk: Desk, code: str) -> Package:
    async with desk.database.work(ANONYMOUS) as work:
        return await answer_links.open_package(work, desk.keys, code)


async def answered(desk: Desk, code: str, given: LinkAnswer, with_key: str | None = None) -> Taken:
    async with desk.database.work(ANONYMOUS) as work:
        return await answer_links.answer(work, desk.keys, code, given, key=with_key or key())


@pytest.fixture
async def sent(desk: Desk, town: Town, client_id: UUID) -> Moved:
    return await desk.sent(client_id, town.provider)


# --- One table for all three ways ----------------------------------------------------------------------


class Way(StrEnum):
    MEMBER = "MEMBER"
    LINK = "LINK"
    PHONE = "PHONE"


class Coverage(StrEnum):
    VALID = "VALID"
    EXPIRED = "EXPIRED"
    WITHDRAWN = "WITHDRAWN"


class Stand:
    """Two referrals, one of them without its consent, put into any state and back after each answer."""

    def __init__(self, desk: Desk, sent: Moved, withdrawn: Moved) -> None:
        self.desk, self.sent, self.withdrawn = desk, sent, withdrawn

    async def try_(
        self, way: Way, move: Move, state: ReferralState, coverage: Coverage
    ) -> Problem | ReferralState:
        """Answer on this way; return the state it led to, or the problem; nothing of it stays."""
        referral = self.withdrawn if coverage is Coverage.WITHDRAWN else self.sent
        try:
            async with self.desk.database.work(SYSTEM) as work:
                if coverage is Coverage.EXPIRED:
                    work.now += timedelta(days=400)
                row = await work.session.get_one(Referral, referral.id)
                row.state = state
                row.sent_at = row.answer_due_at = work.now
                code = new_code()
                work.session.add(
                    AnswerLink(
                        id=uuid4(),
                        code_hash=hash_of(code, CodePurpose.ANSWER_LINK),
                        referral_id=referral.id,
                        partner_id=row.sender_partner_id,
                        recipient_partner_id=row.recipient_partner_id,
                        states=tuple(next((stage for stage in STAGES if state in stage), {state})),
                        issued_by=None,
                        issued_at=work.now,
                        expires_at=work.now + timedelta(days=1),
                    )
                )
                await work.session.flush()
                raise _Undone(await self._answer(work, way, move, row, code))
        except _Undone as undone:
            return undone.state
        except Problem as problem:
            return problem

    async def _answer(self, work: Work, way: Way, move: Move, row: Referral, code: str) -> ReferralState:
        desk, given = self.desk, ANSWERS[move]
        told = Answered(source=AnswerSource.PHONE, on=local_day(work.now)) if way is Way.PHONE else None
        if way is Way.LINK:
            await act_as(work, ANONYMOUS)
            await answer_links.answer(work, desk.keys, code, given, key=key())
        else:
            await act_as(work, desk.town.provider.member if told is None else desk.town.coordinator)
            version = version_for(row, sender=told is not None)
            await answering.record_answer(work, desk.keys, row.id, version, given, told)
        await act_as(work, SYSTEM)
        event = (
            await work.session.scalars(
                select(ReferralEvent)
                .where(ReferralEvent.referral_id == row.id)
                .order_by(ReferralEvent.ordinal.desc())
                .limit(1)
            )
        ).one()
        assert (event.move, event.actor, event.source) == (move, EventActor.RECIPIENT, way.value)
        assert (event.member_id is None) is (way is Way.LINK)
        assert (event.partner_id == desk.town.provider.id) is (told is None)
        assert event.source_on == (told.on if told else None)
        return event.to_state


async def act_as(work: Work, actor: Actor) -> None:
    """Go on as somebody else in the same transaction, as the database sees it too."""
    await _say_who_acts(work.session, actor, work.now)
    work.actor = actor


class _Undone(Exception):
    def __init__(self, state: ReferralState) -> None:
        super().__init__()
        self.state = state


@pytest.fixture
async def stand(desk: Desk, town: Town, sent: Moved) -> Stand:
    other = await desk.sent(await desk.client(), town.provider)
    await withdraw(desk, other.id)
    return Stand(desk, sent, other)


async def withdraw(desk: Desk, referral_id: UUID) -> None:
    async with desk.database.work(desk.town.coordinator) as work:
        consent_id = await work.session.scalar(select(Referral.consent_id).where(Referral.id == referral_id))
        assert consent_id is not None
        await consents.withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE)


POSSIBLE = {(state, move) for state in ReferralState for move in allowed(state, EventActor.RECIPIENT)}


@pytest.mark.slow
async def test_every_answer_in_every_state_means_the_same_on_all_three_ways(stand: Stand) -> None:
    """The whole table of (way, answer, state) under a consent that is in force."""
    made = 0
    for state in ReferralState:
        for move, way in product(ANSWERS, Way):
            result = await stand.try_(way, move, state, Coverage.VALID)
            case = (state, move, way, result)
            if (state, move) in POSSIBLE:
                assert result is step(state, move, EventActor.RECIPIENT), case
                made += 1
            else:
                assert isinstance(result, TransitionNotAllowed) and result.state is state, case
    assert made == len(POSSIBLE) * len(Way)


@pytest.mark.parametrize("coverage", [Coverage.EXPIRED, Coverage.WITHDRAWN])
async def test_without_consent_no_answer_is_taken_on_any_way(stand: Stand, coverage: Coverage) -> None:
    """Whatever the table allows: whether or not the clock has moved the referral since."""
    for (state, move), way in product(sorted(POSSIBLE), Way):
        result = await stand.try_(way, move, state, coverage)
        if way is Way.LINK:
            assert isinstance(result, AnswerLinkClosed), (state, move, result)
        else:
            assert isinstance(result, TransitionNotAllowed), (state, move, way, result)
            assert result.state is ReferralState.CONSENT_REVOKED


async def test_what_was_done_with_the_data_can_be_told_by_phone_too(stand: Stand) -> None:
    desk, deleted = stand.desk, AnswerRevocation(answer=RevocationAnswer.DELETED)
    told = Answered(source=AnswerSource.PHONE, on=TODAY)
    link = await issued(desk, stand.sent.id)
    await withdraw(desk, stand.sent.id)

    with pytest.raises(AnswerLinkClosed):
        await answered(desk, link.code, deleted)
    version = (await desk.view(desk.town.coordinator, stand.sent.id)).version
    async with desk.database.work(desk.town.coordinator) as work:
        await answering.record_answer(work, desk.keys, stand.sent.id, version, deleted, told)
    member = desk.town.provider.member
    version = (await desk.view(member, stand.withdrawn.id)).version
    async with desk.database.work(member) as work:
        await answering.record_answer(work, desk.keys, stand.withdrawn.id, version, deleted, None)

    for referral, source in ((stand.sent, AnswerSource.PHONE), (stand.withdrawn, AnswerSource.MEMBER)):
        last = (await desk.events(desk.town.coordinator, referral.id))[-1]
        assert (last.move, last.source) == ("REVOCATION_ANSWERED", source)


# --- Beside the state --------------------------------------------------------------------------------


def in_days(number: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=number)


APPOINTMENT = AppointmentGiven(starts_at=in_days(3), place="Haus 7")
SAID: dict[LinkNote, LinkAnswer] = {
    LinkNote.SIGN_OF_LIFE: AnswerSignOfLife(),
    LinkNote.WAITLIST_UPDATED: AnswerWaiting(expected_week=LATER),
    LinkNote.APPOINTMENT_SET: AnswerAppointment(given=APPOINTMENT),
    LinkNote.NO_SHOW: AnswerNoShow(on=TODAY),
    LinkNote.INTERIM: AnswerInterim(result=InterimResult.ATTENDS, on=TODAY),
}


async def noted_in(desk: Desk, referral: Moved, code: str, given: LinkAnswer) -> Problem | tuple[str, str]:
    """Say it with the link; return the event and how it came in, or the problem."""
    try:
        await answered(desk, code, given)
    except Problem as problem:
        return problem
    last = (await desk.events(desk.town.provider.member, referral.id))[-1]
    return last.move, last.source.value


STATES_NOTED = (
    (R.SENT, ()),
    (R.ACKNOWLEDGED, ("ack",)),
    (R.WAITLISTED, ("wait",)),
    (R.ACCEPTED, ("accept",)),
    (R.IN_PROGRESS, ("accept", "start")),
    (R.ON_HOLD, ("accept", "start", "hold")),
)


@pytest.mark.parametrize(("state", "way"), STATES_NOTED, ids=[state.value for state, _ in STATES_NOTED])
async def test_what_stands_beside_the_state_is_noted_by_link_as_by_a_member(
    desk: Desk, sent: Moved, state: ReferralState, way: tuple[str, ...]
) -> None:
    """In each state the page offers exactly what the table of notes allows, and the link stays."""
    office, moved = desk.town.provider.member, sent
    steps = {
        "ack": lambda w: answering.acknowledge(w, moved.id, moved.version),
        "wait": lambda w: answering.waitlist(w, moved.id, moved.version, SOON),
        "accept": lambda w: accept(w, moved),
        "start": lambda w: answering.start(w, moved.id, moved.version, TODAY),
        "hold": lambda w: answering.pause(
            w, moved.id, moved.version, reason=Reason.PERSON_ILL, resume_on=SOON
        ),
    }
    for step_ in way:
        moved = await desk.as_(office, steps[step_])
    link = await issued(desk, sent.id)
    offered = set((await looked(desk, link.code)).notable)

    assert offered & set(SAID) == {note for note in SAID if state in NOTES[Noted(note.value)].states}
    for note, given in SAID.items():
        found = await noted_in(desk, sent, link.code, given)
        if note in offered:
            assert found == (note.value, "LINK"), (state, note, found)
        else:
            assert isinstance(found, TransitionNotAllowed), (state, note, found)
    assert (await looked(desk, link.code)).state is state
    assert (await desk.view(office, sent.id)).state is state


async def test_appointments_are_moved_and_cancelled_by_link(desk: Desk, town: Town, sent: Moved) -> None:
    await desk.as_(town.provider.member, lambda w: accept(w, sent))
    link = await issued(desk, sent.id)
    await answered(desk, link.code, AnswerAppointment(given=APPOINTMENT))
    (first,) = (await looked(desk, link.code)).appointments
    assert (first.starts_at, first.place) == (APPOINTMENT.starts_at, "Haus 7")

    later = AppointmentGiven(starts_at=in_days(5))
    await answered(desk, link.code, AnswerAppointmentMoved(appointment_id=first.id, given=later))
    (second,) = (await looked(desk, link.code)).appointments
    assert second.starts_at == later.starts_at
    with pytest.raises(InvalidInput):
        await answered(desk, link.code, AnswerAppointmentCancelled(appointment_id=first.id))
    await answered(desk, link.code, AnswerAppointmentCancelled(appointment_id=second.id))
    assert (await looked(desk, link.code)).appointments == ()

    elsewhere = await desk.accepted(await desk.client(), town.provider)
    foreign = await issued(desk, elsewhere.id)
    await answered(desk, foreign.code, AnswerAppointment(given=APPOINTMENT))
    (theirs,) = (await looked(desk, foreign.code)).appointments
    with pytest.raises(NotFound):
        await answered(desk, link.code, AnswerAppointmentCancelled(appointment_id=theirs.id))


async def test_after_the_consent_ended_a_link_says_what_was_done_and_nothing_else(
    desk: Desk, town: Town, sent: Moved
) -> None:
    await desk.as_(town.provider.member, lambda w: answering.acknowledge(w, sent.id, sent.version))
    before = await issued(desk, sent.id)
    await withdraw(desk, sent.id)
    with pytest.raises(AnswerLinkClosed):
        await looked(desk, before.code)

    link = await issued(desk, sent.id)
    page = await looked(desk, link.code)
    assert (page.state, page.allowed, page.notable) == (
        ReferralState.CONSENT_REVOKED,
        (),
        (LinkNote.REVOCATION_ANSWERED,),
    )
    assert (page.shared, page.may_call, page.opened, page.language, page.area) == (
        ORDINARY,
        0,
        False,
        None,
        None,
    )
    with pytest.raises(PackageClosed):
        await opened(desk, link.code)
    for given in (*ANSWERS.values(), *SAID.values(), CALL):
        with pytest.raises(TransitionNotAllowed):
            await answered(desk, link.code, given)
    not_shared = AnswerRevocation(
        answer=RevocationAnswer.KEPT, what=(DataCategory.HEALTH,), legal_basis="§ 147 AO", until=LATER
    )
    with pytest.raises(InvalidInput):
        await answered(desk, link.code, not_shared)
    kept = AnswerRevocation(
        answer=RevocationAnswer.KEPT, what=(DataCategory.IDENTITY,), legal_basis="§ 147 AO", until=LATER
    )
    taken = await answered(desk, link.code, kept)

    assert taken.link_ended
    with pytest.raises(AnswerLinkClosed):
        await looked(desk, link.code)
    with pytest.raises(TransitionNotAllowed):
        await issued(desk, sent.id)
    seen = await desk.view(town.coordinator, sent.id)
    assert seen.revocation_answer is not None
    assert (seen.revocation_answer.what, seen.revocation_answer.until) == ((DataCategory.IDENTITY,), LATER)
    last = (await desk.events(town.coordinator, sent.id))[-1]
    assert (last.move, last.source) == ("REVOCATION_ANSWERED", AnswerSource.LINK)


async def test_nobody_is_asked_about_data_that_were_never_sent(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    drafted = await desk.draft(client_id, town.provider)
    async with desk.database.work(SYSTEM) as work:
        row = await work.session.get_one(Referral, drafted.id)
        row.state = ReferralState.CONSENT_REVOKED

    with pytest.raises(TransitionNotAllowed):
        await issued(desk, drafted.id)


# --- A link --------------------------------------------------------------------------------------------


async def test_looking_tells_nothing_about_the_person_and_changes_nothing(desk: Desk, sent: Moved) -> None:
    link = await issued(desk, sent.id)
    before = await everything(desk.database, sent.id)
    for _ in range(5):
        page = await looked(desk, link.code)

    assert await everything(desk.database, sent.id) == before
    assert (page.sender, page.recipient) == ("coordination", "provider")
    assert (page.topic, page.state, page.opened) == ("language-course", ReferralState.SENT, False)
    assert page.allowed == allowed(ReferralState.SENT, EventActor.RECIPIENT)
    view = await desk.view(desk.town.coordinator, sent.id)
    assert (page.due_at, page.may_call) == (view.answer_due_at, CALLS)
    assert not {"Musterfrau", "Erika", view.pseudonym} & set(str(page).split("'"))


async def test_the_package_is_opened_by_an_explicit_move_and_every_look_is_recorded(
    desk: Desk, sent: Moved
) -> None:
    link = await issued(desk, sent.id)
    first, second = await opened(desk, link.code), await opened(desk, link.code)

    assert first == second
    assert first.person.family_name == "Musterfrau"
    assert (await looked(desk, link.code)).opened
    async with desk.database.view(SYSTEM) as session:
        looks = await session.execute(
            text(
                "SELECT role, partner_id, member_id FROM audit"
                " WHERE object_id = :id AND action = 'package.view'"
            ),
            {"id": sent.id},
        )
        assert [tuple(row) for row in looks] == [("ANONYMOUS", desk.town.provider.id, None)] * 2
    moves = [event.move for event in await desk.events(desk.town.coordinator, sent.id)]
    assert moves.count("ACKNOWLEDGE") == 1


async def test_the_package_stays_shut_before_it_was_opened(desk: Desk, sent: Moved) -> None:
    link = await issued(desk, sent.id)
    await answered(desk, link.code, ANSWERS[Move.ASK])
    with pytest.raises(PackageClosed):
        await opened(desk, link.code)
    assert not (await looked(desk, link.code)).opened


async def test_an_answer_that_decides_ends_the_link_and_one_that_does_not_leaves_it(
    desk: Desk, town: Town, sent: Moved
) -> None:
    link = await issued(desk, sent.id)
    assert not (await answered(desk, link.code, ANSWERS[Move.ASK])).link_ended
    version = (await desk.view(town.coordinator, sent.id)).version
    await desk.as_(town.coordinator, lambda w: exchange.reply(w, desk.keys, sent.id, version, "Ja, B1."))
    assert (await answered(desk, link.code, ANSWERS[Move.ACCEPT])).link_ended

    for tried in (looked(desk, link.code), opened(desk, link.code), answered(desk, link.code, CALL)):
        with pytest.raises(AnswerLinkClosed):
            await tried
    view = await desk.view(town.coordinator, sent.id)
    assert (view.state, view.recipient_contact) == (ReferralState.ACCEPTED, "Empfang")
    async with desk.database.view(town.coordinator) as session:
        (shown,) = await answer_links.list_links(session, town.coordinator, sent.id, desk.database.clock())
    assert shown.used_at is not None and not shown.live


async def test_of_parallel_answers_exactly_one_counts(desk: Desk, town: Town, sent: Moved) -> None:
    link = await issued(desk, sent.id)
    moves = [ANSWERS[Move.ACCEPT], ANSWERS[Move.DECLINE], ANSWERS[Move.WAITLIST]] * 7
    results = await asyncio.gather(*(answered(desk, link.code, m) for m in moves), return_exceptions=True)

    taken = [r for r in results if isinstance(r, Taken)]
    assert len(taken) == 1
    assert {type(r) for r in results if not isinstance(r, Taken)} == {AnswerLinkClosed}
    decided = [e.move for e in await desk.events(town.coordinator, sent.id)][-1]
    assert decided == taken[0].answer


async def test_the_same_key_answers_the_same_even_in_parallel_and_afterwards(desk: Desk, sent: Moved) -> None:
    link, once = await issued(desk, sent.id), key()
    results = await asyncio.gather(
        *(answered(desk, link.code, ANSWERS[Move.WAITLIST], once) for _ in range(10))
    )

    assert len(set(map(str, results))) == 1
    assert await answered(desk, link.code, ANSWERS[Move.WAITLIST], once) == results[0]
    with pytest.raises(IdempotencyConflict):
        await answered(desk, link.code, ANSWERS[Move.DECLINE], once)
    assert [e.move for e in await desk.events(desk.town.coordinator, sent.id)].count("WAITLIST") == 1


async def test_a_member_and_a_link_answer_side_by_side_and_one_decides(
    desk: Desk, town: Town, sent: Moved
) -> None:
    link = await issued(desk, sent.id)
    results = await asyncio.gather(
        answered(desk, link.code, ANSWERS[Move.DECLINE]),
        desk.as_(town.provider.member, lambda w: accept(w, sent)),
        return_exceptions=True,
    )
    assert sum(isinstance(r, Problem) for r in results) == 1, results
    with pytest.raises(AnswerLinkClosed):
        await looked(desk, link.code)


async def test_a_new_link_ends_the_one_before_and_revoking_ends_it_too(desk: Desk, sent: Moved) -> None:
    old = await issued(desk, sent.id)
    new = await issued(desk, sent.id, SYSTEM)
    with pytest.raises(AnswerLinkClosed):
        await looked(desk, old.code)
    await looked(desk, new.code)
    async with desk.database.work(desk.town.coordinator) as work:
        await answer_links.revoke(work, sent.id)
    for code in (old.code, new.code):
        with pytest.raises(AnswerLinkClosed):
            await answered(desk, code, ANSWERS[Move.DECLINE])


async def test_a_link_ends_with_the_time_to_answer(desk: Desk, sent: Moved) -> None:
    link = await issued(desk, sent.id)
    async with desk.database.view(SYSTEM) as session:
        row = await session.get_one(Referral, sent.id)
        assert link.expires_at == ends_at(clock_facts(row))
    async with at(desk.database, link.expires_at - timedelta(seconds=1)):
        await looked(desk, link.code)
    async with at(desk.database, link.expires_at):
        with pytest.raises(AnswerLinkClosed):
            await looked(desk, link.code)
        with pytest.raises(AnswerLinkClosed):
            await answered(desk, link.code, ANSWERS[Move.ACCEPT])


async def test_wrong_codes_all_look_the_same(desk: Desk, town: Town, sent: Moved) -> None:
    link = await issued(desk, sent.id)
    for tried in ("", "AAAAA-AAAAA", link.code[:-1], link.code + "A", "' OR 1=1", "\ud800"):
        for attempt in (looked(desk, tried), answered(desk, tried, CALL), opened(desk, tried)):
            with pytest.raises(CodeNotValid) as refused:
                await attempt
            assert refused.value.args == ()
    typed = f" {link.code.lower().replace('-', ' ')} "
    assert (await looked(desk, typed)).state is ReferralState.SENT


async def test_who_looks_after_the_person_issues_and_revokes(desk: Desk, town: Town, sent: Moved) -> None:
    for actor, problem in (
        (town.provider.member, NotAllowed),
        (town.business.member, NotFound),
        (town.coordination.colleague, NotAllowed),
        (town.coordinator, None),
        (town.lead, None),
    ):
        for act in (answer_links.issue, answer_links.revoke):
            async with desk.database.work(actor) as work:
                if problem is None:
                    await act(work, sent.id)
                else:
                    with pytest.raises(problem):
                        await act(work, sent.id)
    drafted = await desk.draft(await desk.client(), town.provider)
    with pytest.raises(TransitionNotAllowed):
        await issued(desk, drafted.id)
    await withdraw(desk, sent.id)
    # what was done with the data is still to be told
    assert (await looked(desk, (await issued(desk, sent.id)).code)).state is R.CONSENT_REVOKED
    async with desk.database.view(town.provider.member) as session:
        assert not await answer_links.list_links(session, town.provider.member, sent.id, TODAY_NOON)


async def test_call_me_tells_the_sender_whom_and_leaves_the_link(desk: Desk, town: Town, sent: Moved) -> None:
    link = await issued(desk, sent.id)
    for n in range(CALLS):
        assert not (await answered(desk, link.code, CALL)).link_ended
        assert (await looked(desk, link.code)).may_call == CALLS - n - 1
    with pytest.raises(InvalidInput) as refused:
        await answered(desk, link.code, CALL)
    assert refused.value.reason == "too-many"
    with pytest.raises(InvalidInput):
        await answered(desk, (await issued(desk, sent.id)).code, CallMe(phone="ruf an"))

    events = [e for e in await desk.events(town.coordinator, sent.id) if e.move == CALL_ME]
    assert [(e.text, e.source, e.to_state) for e in events] == [
        ("0355 12345-6; vormittags", AnswerSource.LINK, ReferralState.SENT)
    ] * CALLS
    async with desk.database.view(SYSTEM) as session:
        kinds = await session.scalars(
            select(Notice.kind).where(Notice.about_id == sent.id, Notice.partner_id == town.coordination.id)
        )
        assert list(kinds) == [NoticeKind.NEWS] * CALLS


async def test_without_report_back_an_outcome_by_link_reaches_nobody(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    asked = (PurposeTerms(purpose=Purpose.REFERRAL, categories=ORDINARY),)
    running = await desk.running(client_id, town.provider, asked=asked)
    with pytest.raises(TransitionNotAllowed):  # the page would tell the sender what it may not know
        await issued(desk, running.id)
    link = await issued(desk, running.id, SYSTEM)
    await answered(desk, link.code, ANSWERS[Move.REPORT_OUTCOME])

    async with desk.database.view(SYSTEM) as session:
        row = await session.get_one(Referral, running.id)
        assert (row.outcome, row.outcome_reason) == (OutcomeCode.NOT_DISCLOSED, None)


# --- With the bare database ----------------------------------------------------------------------------

VISIBLE = {
    "answer_link": 1,
    "referral": 1,
    "consent": 0,
    "consent_part": 1,
    "referral_event": None,
    "referral_package": 0,
}
NOTHING = ("client", "feedback_code", "feedback", "booking", "booking_person", "approval", "exclusion")


async def rows_seen(desk: Desk, code: str, *tables: str) -> dict[str, int]:
    async with desk.database.view(ANONYMOUS) as session:
        await present(session, hash_of(code, CodePurpose.ANSWER_LINK))
        return {
            table: int((await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())
            for table in tables
        }


async def test_a_code_opens_its_own_rows_and_no_others(desk: Desk, town: Town, sent: Moved) -> None:
    other = await desk.sent(await desk.client(), town.provider)
    await issued(desk, other.id)
    link = await issued(desk, sent.id)

    seen = await rows_seen(desk, link.code, *VISIBLE, *NOTHING)
    assert all(seen[table] == 0 for table in NOTHING), seen
    assert all(number in {None, seen[table]} for table, number in VISIBLE.items()), seen
    assert seen["referral_event"] == len(await desk.events(town.coordinator, sent.id))
    await opened(desk, link.code)
    assert (await rows_seen(desk, link.code, "referral_package"))["referral_package"] == 1

    await withdraw(desk, sent.id)
    assert (await rows_seen(desk, link.code, "referral_package"))["referral_package"] == 0


@pytest.mark.parametrize("end", ["used", "revoked", "expired"])
async def test_a_link_that_is_over_opens_nothing(desk: Desk, sent: Moved, end: str) -> None:
    link = await issued(desk, sent.id)
    await opened(desk, link.code)
    moment = desk.database.clock()
    if end == "used":
        await answered(desk, link.code, ANSWERS[Move.ACCEPT])
    elif end == "revoked":
        async with desk.database.work(desk.town.coordinator) as work:
            await answer_links.revoke(work, sent.id)
    else:
        moment = link.expires_at
    async with at(desk.database, moment):
        seen = await rows_seen(desk, link.code, *VISIBLE, *NOTHING)
    assert {table for table, number in seen.items() if number} == {"answer_link"}


async def test_the_code_is_stored_nowhere(desk: Desk, sent: Moved) -> None:
    link = await issued(desk, sent.id)
    await answered(desk, link.code, CALL)
    async with desk.database.view(SYSTEM) as session:
        for table in ("answer_link", "answer_link_use", "referral_event", "notice", "referral"):
            rows = await session.execute(text(f"SELECT to_jsonb(t)::text FROM {table} t"))
            assert not any(link.code in str(row) or CALL.phone in str(row) for row in rows.scalars()), table
