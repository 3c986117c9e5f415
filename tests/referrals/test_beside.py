"""What happens beside the state, on a real database: appointments, waiting, threads, taking over."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from icalendar import Calendar
from sqlalchemy import text

from directory.actors import Actor
from directory.database import Database, Work
from directory.problems import InvalidInput, NotFound, StaleVersion
from referrals import answering, appointments, exchange, inbox, thread
from referrals.appointments import AppointmentGiven, AppointmentView, appointments_between, as_calendar
from referrals.clients import view_client
from referrals.consent.consents import withdraw_consent
from referrals.inbox import Box
from referrals.moving import Answered, Moved
from referrals.person import feedback
from referrals.personal_data.keystore import KeyStore
from referrals.problems import ConsentMissing, PackageClosed, TransitionNotAllowed
from referrals.states import replay
from referrals.taking_over import take_over_client
from referrals.thread import TextKind, read_thread
from referrals.values import PurposeTerms
from referrals.vocabulary import (
    AnswerSource,
    AppointmentState,
    BringAlong,
    Channel,
    DataCategory,
    DeclinedBy,
    DeclineReason,
    EventActor,
    FeedbackAsked,
    InterimResult,
    OutcomeCode,
    Priority,
    Purpose,
    Reason,
    ReferralState,
    ReportDepth,
    WithdrawalScope,
)
from tests.referrals.desk import LATER, SOON, TODAY, Desk, accept, at
from tests.referrals.town import ORDINARY, Organisation, Town, give_consent, purposes

R = ReferralState


def asked(depth: ReportDepth | None, *categories: DataCategory) -> tuple[PurposeTerms, ...]:
    terms: tuple[PurposeTerms, ...] = (
        PurposeTerms(purpose=Purpose.REFERRAL, categories=categories or ORDINARY),
    )
    if depth is not None:
        terms += (PurposeTerms(purpose=Purpose.REPORT_BACK, report_depth=depth),)
    return terms


def soon(days: float = 1, **more: object) -> AppointmentGiven:
    return AppointmentGiven(starts_at=datetime.now(UTC) + timedelta(days=days), **more)  # type: ignore[arg-type]


async def seen_by(desk: Desk, actor: Actor, referral_id: UUID) -> tuple[AppointmentView, ...]:
    async with desk.database.view(actor) as session:
        found = await appointments.list_appointments(session, actor, [referral_id], desk.database.clock())
    return found[referral_id]


async def step_from(
    desk: Desk, actor: Actor, before: Moved, move: Callable[[Work, Moved], Awaitable[Moved]]
) -> Moved:
    """Make a move with a referral as another one has left it."""
    async with desk.database.work(actor) as work:
        return await move(work, before)


async def entries(desk: Desk, actor: Actor, referral_id: UUID) -> tuple[thread.Entry, ...]:
    async with desk.database.view(actor) as session:
        return await read_thread(session, actor, desk.keys, referral_id, desk.database.clock())


# --- Appointments and no-shows ------------------------------------------------------------------------------


async def test_an_appointment_is_set_moved_not_kept_and_made_anew(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    provider = town.provider.member
    accepted = await desk.accepted(client_id, town.provider)
    given = soon(place="Zimmer 3", bring=(BringAlong.CERTIFICATES,), note="Bitte klingeln.")
    set_ = await desk.as_(
        provider,
        lambda w: appointments.set_appointment(w, desk.keys, accepted.id, accepted.version, given),
    )
    (first,) = await seen_by(desk, town.coordinator, accepted.id)
    assert (first.place, first.bring, first.state, first.received) == (
        "Zimmer 3",
        (BringAlong.CERTIFICATES,),
        AppointmentState.PLANNED,
        False,
    )
    moved = await desk.as_(
        provider,
        lambda w: appointments.move_appointment(w, desk.keys, set_.id, set_.version, first.id, soon(days=2)),
    )
    async with at(desk.database, datetime.now(UTC) + timedelta(days=3)):
        second = (await seen_by(desk, provider, accepted.id))[1]
        missed = await desk.as_(
            provider,
            lambda w: appointments.no_show(
                w, moved.id, moved.version, TODAY + timedelta(days=2), appointment_id=second.id
            ),
        )
    mine = await desk.view(town.coordinator, accepted.id)
    assert (mine.state, mine.no_shows, mine.version) == (R.ACCEPTED, 1, missed.version)
    assert [a.state for a in await seen_by(desk, town.coordinator, accepted.id)] == [
        AppointmentState.MOVED,
        AppointmentState.NO_SHOW,
    ]
    texts = [e.text for e in await desk.events(town.coordinator, accepted.id) if e.text]
    assert texts == ["Bitte klingeln."]
    events = await desk.events(town.coordinator, accepted.id)
    assert replay(inbox.steps(events)) is R.ACCEPTED


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        (soon(days=-1), "startsAt", "in-the-past"),
        (soon(days=900), "startsAt", "too-late"),
        (soon(location_id=uuid4()), "locationId", "not-offered"),
    ],
)
async def test_what_an_appointment_needs(
    desk: Desk, town: Town, client_id: UUID, given: AppointmentGiven, field: str, reason: str
) -> None:
    accepted = await desk.accepted(client_id, town.provider)

    with pytest.raises(InvalidInput) as refused:
        await desk.as_(
            town.provider.member,
            lambda w: appointments.set_appointment(w, desk.keys, accepted.id, accepted.version, given),
        )

    assert (refused.value.field, refused.value.reason) == (field, reason)


async def test_the_calendar_of_a_period_names_nobody(desk: Desk, town: Town, client_id: UUID) -> None:
    accepted = await desk.accepted(client_id, town.provider)
    await desk.as_(
        town.provider.member,
        lambda w: appointments.set_appointment(
            w, desk.keys, accepted.id, accepted.version, soon(place="bei Familie Musterfrau")
        ),
    )
    now = datetime.now(UTC)
    for actor, number in ((town.provider.member, 1), (town.coordinator, 1), (town.school.member, 0)):
        async with desk.database.view(actor) as session:
            found = await appointments_between(session, actor, now, now + timedelta(days=9), now)
        assert len(found) == number
    async with desk.database.view(town.coordinator) as session:
        found = await appointments_between(session, town.coordinator, now, now + timedelta(days=9), now)
    written = as_calendar(found, {}, "de", now)
    (event,) = Calendar.from_ical(written).walk("VEVENT")
    assert event["uid"] == f"{found[0].id}@spurwechsel"
    assert event.decoded("dtstart") == found[0].starts_at.replace(microsecond=0)
    assert str(accepted.id) in str(event["description"])
    assert b"Musterfrau" not in written


# --- What the person keeps from the sender ------------------------------------------------------------------


async def busy(desk: Desk, town: Town, accepted: Moved) -> Moved:
    """Everything that a recipient can do before it reports."""
    provider = town.provider.member
    now = accepted
    for move in (
        lambda w, r: appointments.no_show(w, r.id, r.version, TODAY),
        lambda w, r: answering.start(w, r.id, r.version, TODAY),
        lambda w, r: appointments.set_appointment(w, desk.keys, r.id, r.version, soon()),
        lambda w, r: answering.report_interim(
            w, r.id, r.version, result=InterimResult.DIFFICULTIES, on=TODAY
        ),
        lambda w, r: answering.pause(w, r.id, r.version, reason=Reason.PERSON_ILL, resume_on=SOON),
        lambda w, r: answering.sign_of_life(w, r.id, r.version),
    ):
        now = await step_from(desk, provider, now, move)
    return now


async def test_without_report_back_the_sender_sees_the_same_whether_anything_happens_or_not(
    desk: Desk, town: Town
) -> None:
    quiet = await desk.accepted(await desk.client(), town.provider, asked=asked(None))
    loud = await desk.accepted(await desk.client(), town.provider, asked=asked(None))
    before = await desk.view(town.coordinator, loud.id)
    last = await busy(desk, town, loud)
    assert last.state is R.ON_HOLD

    mine = [await desk.view(town.coordinator, each.id) for each in (loud, quiet)]
    assert mine[0] == before
    own = {"id", "client_id", "pseudonym", "consent_id", "state_since", "created_at", "updated_at", "sent_at"}
    for name in set(before.__struct_fields__) - own:
        assert getattr(mine[0], name) == getattr(mine[1], name), name
    shown = [
        [
            (e.ordinal, e.move, e.from_state, e.to_state, {**e.facts, "consent": ""})
            for e in await desk.events(town.coordinator, each.id)
        ]
        for each in (loud, quiet)
    ]
    assert shown[0] == shown[1]
    assert await seen_by(desk, town.coordinator, loud.id) == ()
    async with desk.database.view(town.coordinator) as session:
        for states, wanted in (
            ((R.ACCEPTED,), {loud.id, quiet.id}),
            ((R.IN_PROGRESS, R.ON_HOLD), set()),
        ):
            page = await inbox.list_referrals(
                session, town.coordinator, desk.database.clock(), Box.SENT, states=states, with_total=True
            )
            assert {item.id for item in page.items} & {loud.id, quiet.id} == wanted
        order = await inbox.list_referrals(session, town.coordinator, desk.database.clock(), Box.SENT)
    # the order by last change is that of the acceptances
    assert [item.id for item in order.items if item.id in {loud.id, quiet.id}] == [loud.id, quiet.id]
    # raw SQL does not show the hidden appointment either
    async with desk.database.view(town.coordinator) as session:
        rows = await session.execute(
            text("SELECT 1 FROM appointment WHERE referral_id = :id"), {"id": loud.id}
        )
        assert rows.all() == []


async def test_without_report_back_no_attempt_of_the_sender_tells_anything(
    database: Database, keys: KeyStore, desk: Desk, town: Town
) -> None:
    phone = Answered(source=AnswerSource.PHONE, on=TODAY)
    said: list[list[object]] = []
    for loud in (False, True):
        referral = await desk.accepted(await desk.client(), town.provider, asked=asked(None))
        if loud:
            await busy(desk, town, referral)
        version = (await desk.view(town.coordinator, referral.id)).version
        heard: list[object] = []
        for attempt in (
            lambda w, r, v: answering.start(w, r, v, TODAY, answered=phone),
            lambda w, r, v: answering.resume(w, r, v, answered=phone),
            lambda w, r, v: answering.decline(w, keys, r, v, reason=DeclineReason.OTHER, answered=phone),
            lambda w, r, v: appointments.no_show(w, r, v, TODAY, answered=phone),
            lambda w, r, v: exchange.cancel(w, r, v + 1, Reason.OTHER),
            lambda w, r, v: exchange.close(w, r, v, FeedbackAsked.DECLINED),
            lambda w, r, v: feedback.issue_code(w, r),
            lambda w, r, v: exchange.follow_up(w, r, exchange.FollowUp(service_id=town.school.service)),
        ):
            with pytest.raises((TransitionNotAllowed, ConsentMissing, StaleVersion)) as refused:
                async with database.work(town.coordinator) as work:
                    await attempt(work, referral.id, version)
            heard.append((type(refused.value), str(refused.value)))
        said.append(heard)

    assert said[0] == said[1]


async def test_without_report_back_it_ends_as_reported_and_not_disclosed(desk: Desk, town: Town) -> None:
    loud = await desk.accepted(await desk.client(), town.provider, asked=asked(ReportDepth.NOTHING))
    last = await busy(desk, town, loud)
    await desk.as_(
        town.provider.member,
        lambda w: answering.report_outcome(
            w, last.id, last.version, outcome=OutcomeCode.PERSON_LEFT, outcome_on=TODAY
        ),
    )
    mine = await desk.view(town.coordinator, loud.id)
    assert (mine.state, mine.outcome, mine.outcome_on) == (
        R.OUTCOME_REPORTED,
        OutcomeCode.NOT_DISCLOSED,
        None,
    )
    events = await desk.events(town.coordinator, loud.id)
    assert [e.move for e in events] == ["DRAFT", "SEND", "ACCEPT", "REPORT_OUTCOME"]
    assert replay(inbox.steps(events)) is R.OUTCOME_REPORTED
    closed = await desk.as_(
        town.coordinator, lambda w: exchange.close(w, loud.id, mine.version, FeedbackAsked.DECLINED)
    )
    assert closed.state is R.CLOSED
    assert (await desk.view(town.coordinator, loud.id)).follow_up_offered


async def test_a_person_who_declines_reads_as_any_other_reason(desk: Desk, town: Town) -> None:
    sent = await desk.sent(await desk.client(), town.provider, asked=asked(None))
    await desk.as_(
        town.provider.member,
        lambda w: answering.decline(
            w,
            desk.keys,
            sent.id,
            sent.version,
            reason=DeclineReason.PERSON_DECLINED,
            declined_by=DeclinedBy.PERSON,
            note="Sie möchte nicht.",
        ),
    )

    mine = await desk.view(town.coordinator, sent.id)
    assert (mine.decline_reason, mine.declined_by) == (DeclineReason.OTHER, DeclinedBy.PARTNER)
    (event,) = [e for e in await desk.events(town.coordinator, sent.id) if e.move == "DECLINE"]
    assert (event.reason, event.text, event.facts) == ("OTHER", None, {"declinedBy": "PARTNER"})
    theirs = await desk.view(town.provider.member, sent.id)
    assert theirs.decline_reason is DeclineReason.PERSON_DECLINED


# --- Waiting lists ------------------------------------------------------------------------------------------


async def test_the_waiting_list_is_fair_and_says_what_is_new(desk: Desk, town: Town) -> None:
    provider = town.provider.member
    waiting: list[UUID] = []
    for priority in (Priority.NORMAL, Priority.NORMAL, Priority.URGENT):
        sent = await desk.sent(await desk.client(), town.provider, priority=priority)
        put = await step_from(
            desk, provider, sent, lambda w, r: answering.waitlist(w, r.id, r.version, LATER)
        )
        waiting.append(put.id)
    async with desk.database.view(provider) as session:
        order = await inbox.waiting_list(session, provider, town.provider.service, desk.database.clock())
    assert [view.id for view in order] == [waiting[2], waiting[0], waiting[1]]
    async with desk.database.view(town.coordinator) as session:
        assert (
            await inbox.waiting_list(session, town.coordinator, town.provider.service, desk.database.clock())
            == ()
        )

    updated = await desk.as_(
        provider,
        lambda w: answering.update_waiting(w, put.id, put.version, expected_week=SOON, position=3),
    )
    mine = await desk.view(town.coordinator, put.id)
    assert (updated.state, mine.state) == (R.WAITLISTED, R.WAITLISTED)
    assert mine.expected_week == SOON - timedelta(days=SOON.weekday())
    (event,) = [e for e in await desk.events(town.coordinator, put.id) if e.move == "WAITLIST_UPDATED"]
    assert event.facts["position"] == "3"


# --- Threads ------------------------------------------------------------------------------------------------


async def test_questions_answers_and_remarks_make_a_thread(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    provider = town.provider.member
    now = await desk.sent(client_id, town.provider)
    for actor, say in (
        (provider, lambda w, r: answering.ask(w, desk.keys, r.id, r.version, "Welches Niveau?")),
        (town.coordinator, lambda w, r: exchange.reply(w, desk.keys, r.id, r.version, "A2.")),
        (town.coordinator, lambda w, r: thread.remark(w, desk.keys, r.id, r.version, "Nachmittags.")),
        (provider, lambda w, r: answering.ask(w, desk.keys, r.id, r.version, "Mit Kind?")),
    ):
        now = await step_from(desk, actor, now, say)
    assert (await desk.view(town.coordinator, now.id)).unread == 2
    assert (await desk.view(provider, now.id)).unread == 2
    version = (await desk.view(provider, now.id)).version
    async with database.work(provider) as work:
        await thread.mark_read(work, now.id)
    read = await desk.view(provider, now.id)
    assert (read.unread, read.version) == (0, version)
    for reader in (provider, town.coordinator):
        assert [(e.kind, e.side, e.text) for e in await entries(desk, reader, now.id)] == [
            (TextKind.QUESTION, EventActor.RECIPIENT, "Welches Niveau?"),
            (TextKind.ANSWER, EventActor.SENDER, "A2."),
            (TextKind.REMARK, EventActor.SENDER, "Nachmittags."),
            (TextKind.QUESTION, EventActor.RECIPIENT, "Mit Kind?"),
        ]


async def test_an_answer_adds_data_only_with_the_consent_for_them(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    few = (DataCategory.IDENTITY, DataCategory.LEVEL)
    sent = await desk.sent(client_id, town.provider, asked=purposes(*few), categories=few)
    question = await desk.as_(
        town.provider.member,
        lambda w: answering.ask(w, keys, sent.id, sent.version, "Bedarf?", categories=(DataCategory.NEEDS,)),
    )
    (entry,) = await entries(desk, town.coordinator, sent.id)
    assert entry.asks_for == ("NEEDS",)
    with pytest.raises(ConsentMissing) as refused:
        await desk.as_(
            town.coordinator,
            lambda w: exchange.reply(
                w, keys, sent.id, question.version, "Siehe unten.", adds=(DataCategory.NEEDS,)
            ),
        )
    assert refused.value.missing == ("CATEGORY:NEEDS",)
    wider = await give_consent(
        database, keys, town.coordinator, client_id, town.provider.id,
        asked=purposes(*few, DataCategory.NEEDS),
    )  # fmt: skip
    await desk.as_(
        town.coordinator,
        lambda w: exchange.reply(
            w,
            keys,
            sent.id,
            question.version,
            "Siehe unten.",
            adds=(DataCategory.NEEDS,),
            consent_id=wider,
        ),
    )
    package = await desk.package(town.provider.member, sent.id)
    assert package.categories == (*few, DataCategory.NEEDS)
    assert package.person.needs == ("language-course",)
    assert package.person.phone is None


async def test_a_recipient_that_may_not_report_writes_no_remarks_once_it_has_accepted(
    desk: Desk, town: Town
) -> None:
    accepted = await desk.accepted(await desk.client(), town.provider, asked=asked(None))

    with pytest.raises(ConsentMissing) as refused:
        await desk.as_(
            town.provider.member,
            lambda w: thread.remark(w, desk.keys, accepted.id, accepted.version, "Sie kommt nicht mehr."),
        )

    assert refused.value.missing == ("PURPOSE:REPORT_BACK",)


# --- Forwarding ---------------------------------------------------------------------------------------------


async def declined(desk: Desk, town: Town, sent: Moved, by: Organisation, better: UUID | None) -> None:
    await desk.as_(
        by.member,
        lambda w: answering.decline(
            w,
            desk.keys,
            sent.id,
            sent.version,
            reason=DeclineReason.NOT_RESPONSIBLE,
            better_service_id=better,
        ),
    )


async def test_a_chain_is_seen_by_the_sender_alone_and_never_comes_back(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    first = await desk.sent(client_id, town.provider)
    await declined(desk, town, first, town.provider, town.school.service)
    assert (await desk.view(town.coordinator, first.id)).follow_up_offered
    draft = await desk.as_(town.coordinator, lambda w: exchange.follow_up(w, first.id, exchange.FollowUp()))
    consent_id = await give_consent(database, desk.keys, town.coordinator, client_id, town.school.id)
    second = await desk.as_(
        town.coordinator,
        lambda w: exchange.send(w, desk.keys, draft.id, draft.version, consent_id=consent_id),
    )
    theirs = await desk.view(town.school.member, second.id)
    assert (theirs.parent_id, theirs.client_id) == (None, None)
    for actor, chain in (
        (town.coordinator, (first.id, second.id)),
        (town.school.member, ()),
        (town.provider.member, None),
    ):
        async with database.view(actor) as session:
            if chain is None:
                with pytest.raises(NotFound):
                    await inbox.lineage(session, actor, second.id, database.clock())
                continue
            found = await inbox.lineage(session, actor, second.id, database.clock())
        assert tuple(view.id for view in found) == chain
    assert str(first.id) not in str(await desk.events(town.school.member, second.id))

    await declined(desk, town, second, town.school, town.provider.service)
    for given, reason in (
        (exchange.FollowUp(), "in-the-chain"),
        (exchange.FollowUp(service_id=town.school.service), "same-service"),
    ):
        with pytest.raises(InvalidInput) as refused:
            async with database.work(town.coordinator) as work:
                await exchange.follow_up(work, second.id, given)
        assert (refused.value.field, refused.value.reason) == ("serviceId", reason)


async def test_nobody_is_referred_within_one_organisation(desk: Desk, town: Town, client_id: UUID) -> None:
    with pytest.raises(InvalidInput) as refused:
        await desk.draft(client_id, town.coordination)

    assert (refused.value.field, refused.value.reason) == ("serviceId", "own-service")


# --- Taking over --------------------------------------------------------------------------------------------


async def test_a_person_is_taken_over_once_from_exactly_what_was_sent(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    accepted = await desk.accepted(client_id, town.provider)
    provider = town.provider.member

    async def take() -> UUID:
        async with database.work(provider) as work:
            return await take_over_client(work, keys, accepted.id)

    made = set(await asyncio.gather(*(take() for _ in range(6))))
    assert len(made) == 1
    taken = made.pop()
    async with database.view(provider) as session:
        file = await view_client(session, provider, keys, taken)
    assert (file.identity.family_name, file.contact.phone) == ("Musterfrau", "+4935500000")
    assert (file.needs, file.residence_status, file.profile.competences) == ((), None, ())
    assert (await desk.view(provider, accepted.id)).taken_over_client_id == taken
    assert (await desk.view(town.coordinator, accepted.id)).taken_over_client_id is None
    async with database.view(town.coordinator) as session:
        with pytest.raises(NotFound):
            await view_client(session, town.coordinator, keys, taken)


async def test_nobody_is_taken_over_once_the_consent_has_ended(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    accepted = await desk.accepted(client_id, town.provider)
    async with at(database, datetime.now(UTC) + timedelta(days=400)):
        with pytest.raises(PackageClosed):
            async with database.work(town.provider.member) as work:
                await take_over_client(work, keys, accepted.id)


# --- Everybody to everybody ---------------------------------------------------------------------------------

ENDS = ("coordination", "jobcenter", "counselling", "provider", "business", "school")


@pytest.mark.parametrize(("sender", "recipient"), [(a, ENDS[(n + 1) % 6]) for n, a in enumerate(ENDS)])
async def test_every_kind_of_partner_refers_to_every_other(
    database: Database, keys: KeyStore, town: Town, sender: str, recipient: str
) -> None:
    from_, to = getattr(town, sender), getattr(town, recipient)
    desk = Desk(database, keys, town)
    categories = (DataCategory.IDENTITY, DataCategory.CONTACT)
    town_of_sender = Desk(database, keys, town)
    town_of_sender.town = _as_sender(town, from_)
    client_id = await town_of_sender.client()
    sent = await town_of_sender.sent(
        client_id, to, asked=asked(ReportDepth.OUTCOME, *categories), categories=categories
    )
    accepted = await desk.as_(to.member, lambda w: accept(w, sent))
    async with database.work(to.member) as work:
        assert await take_over_client(work, keys, sent.id) != client_id
    version = (await desk.view(to.member, sent.id)).version
    running = await desk.as_(to.member, lambda w: answering.start(w, accepted.id, version, TODAY))
    reported = await desk.as_(
        to.member,
        lambda w: answering.report_outcome(
            w, running.id, running.version, outcome=OutcomeCode.NEED_MET, outcome_on=TODAY
        ),
    )
    closed = await desk.as_(
        from_.member, lambda w: exchange.close(w, reported.id, reported.version, FeedbackAsked.ANSWERED)
    )
    assert closed.state is R.CLOSED
    assert (await desk.view(from_.member, sent.id)).outcome is OutcomeCode.NEED_MET


def _as_sender(town: Town, sender: Organisation) -> Town:
    """The town with this organisation at the desk of the coordination."""
    return dataclasses.replace(town, coordination=sender)


# --- The filter says what the views say ---------------------------------------------------------------------


@pytest.mark.parametrize("depth", [None, *ReportDepth])
async def test_a_filter_by_state_finds_what_the_view_shows(
    database: Database, desk: Desk, town: Town, client_id: UUID, depth: ReportDepth | None
) -> None:
    """In every state on the way, at every depth, and after reporting back was withdrawn."""

    async def check() -> ReferralState:
        shown = (await desk.view(town.coordinator, accepted.id)).state
        async with database.view(town.coordinator) as session:
            for state in ReferralState:
                page = await inbox.list_referrals(
                    session, town.coordinator, database.clock(), Box.SENT, states=(state,), with_total=True
                )
                assert (page.total, len(page.items)) == ((1, 1) if state is shown else (0, 0)), state
        return shown

    provider = town.provider.member
    accepted = await desk.accepted(client_id, town.provider, asked=asked(depth))
    assert await check() is R.ACCEPTED
    running = await desk.as_(provider, lambda w: answering.start(w, accepted.id, accepted.version, TODAY))
    told = depth in {ReportDepth.CONTACT_MADE, ReportDepth.OUTCOME}
    assert await check() is (R.IN_PROGRESS if told else R.ACCEPTED)
    await desk.as_(
        provider,
        lambda w: answering.pause(w, running.id, running.version, reason=Reason.PERSON_ILL, resume_on=SOON),
    )
    paused = {ReportDepth.OUTCOME: R.ON_HOLD, ReportDepth.CONTACT_MADE: R.IN_PROGRESS}
    assert await check() is (R.ACCEPTED if depth is None else paused.get(depth, R.ACCEPTED))
    consent_id = (await desk.view(town.coordinator, accepted.id)).consent_id
    assert consent_id is not None
    if depth is not None:
        async with database.work(town.coordinator) as work:
            await withdraw_consent(
                work,
                consent_id=consent_id,
                channel=Channel.PHONE,
                scope=WithdrawalScope.PURPOSE,
                purpose=Purpose.REPORT_BACK,
            )
        assert await check() is R.ACCEPTED
