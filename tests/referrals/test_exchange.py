"""Referrals between two organisations, on a real database: what each move needs, does and shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import event, func, select, text

from directory.actors import SYSTEM, Actor, Role
from directory.database import Database, Work
from directory.models import Audit, Service
from directory.problems import InvalidInput, NoPlaceLeft, NotAllowed, NotFound, StaleVersion
from directory.values import Capacity
from directory.vocabulary import CapacityState, PublicationState, ServiceKind
from referrals import answering, exchange, inbox
from referrals.clients import create_client
from referrals.consents import expire_due, withdraw_consent
from referrals.inbox import Box, Warned
from referrals.models import Referral, ReferralEvent, ReferralPackage
from referrals.moving import Answered, Moved, local_day
from referrals.problems import ConsentMissing, DuplicateReferral, PackageClosed, TransitionNotAllowed
from referrals.sealing import MasterKey
from referrals.states import Move, Step, answer_due_on, replay
from referrals.values import ConsentEvidence, PurposeTerms
from referrals.vocabulary import (
    AnswerSource,
    CapacityReason,
    Channel,
    DataCategory,
    DeclinedBy,
    DeclineReason,
    EventActor,
    FeedbackAsked,
    OutcomeCode,
    Priority,
    Purpose,
    Reason,
    ReferralState,
    ReportDepth,
    WithdrawalScope,
)
from tests.referrals.town import ORDINARY, Organisation, Town, draft, give_consent, purposes, record

TODAY = local_day(datetime.now(UTC))
SOON = TODAY + timedelta(days=7)
LATER = TODAY + timedelta(days=90)


class Desk:
    """Everybody's desk in one town: makes moves as this or that organisation."""

    def __init__(self, database: Database, master: MasterKey, town: Town) -> None:
        self.database, self.master, self.town = database, master, town

    async def client(self, **changes: object) -> UUID:
        async with self.database.work(self.town.coordinator) as work:
            return await create_client(work, self.master, draft(**changes))

    async def draft(self, client_id: UUID, to: Organisation, **changes: object) -> Moved:
        given = {"topic": "language-course", "categories": ORDINARY, **changes}
        async with self.database.work(self.town.coordinator) as work:
            return await exchange.draft_referral(
                work,
                exchange.DraftGiven(client_id=client_id, service_id=to.service, **given),  # type: ignore[arg-type]
            )

    async def sent(
        self,
        client_id: UUID,
        to: Organisation,
        *,
        asked: tuple[PurposeTerms, ...] | None = None,
        **changes: object,
    ) -> Moved:
        """A referral of the coordination that has been sent with consent."""
        drafted = await self.draft(client_id, to, **changes)
        consent_id = await give_consent(
            self.database, self.master, self.town.coordinator, client_id, to.id, asked=asked
        )
        async with self.database.work(self.town.coordinator) as work:
            return await exchange.send(work, self.master, drafted.id, drafted.version, consent_id=consent_id)

    async def as_(self, actor: Actor, move: Callable[[Work], Awaitable[Moved]]) -> Moved:
        async with self.database.work(actor) as work:
            return await move(work)

    async def accepted(self, client_id: UUID, to: Organisation, **changes: object) -> Moved:
        sent = await self.sent(client_id, to, **changes)  # type: ignore[arg-type]
        return await self.as_(to.member, lambda w: accept(w, sent))

    async def running(self, client_id: UUID, to: Organisation, **changes: object) -> Moved:
        accepted = await self.accepted(client_id, to, **changes)
        return await self.as_(to.member, lambda w: answering.start(w, accepted.id, accepted.version, TODAY))

    async def view(self, actor: Actor, referral_id: UUID) -> inbox.ReferralView:
        async with self.database.view(actor) as session:
            return await inbox.view_referral(session, actor, referral_id, self.database.clock())

    async def events(self, actor: Actor, referral_id: UUID) -> tuple[inbox.EventView, ...]:
        async with self.database.view(actor) as session:
            return await inbox.list_events(session, actor, self.master, referral_id, self.database.clock())

    async def package(self, actor: Actor, referral_id: UUID) -> inbox.Package:
        async with self.database.view(actor) as session:
            return await inbox.view_package(session, actor, self.master, referral_id, self.database.clock())


async def accept(work: Work, referral: Moved, **changes: object) -> Moved:
    given = {"contact": "Zimmer 12", "first_contact_on": SOON, "expected_end": LATER, **changes}
    return await answering.accept(work, referral.id, referral.version, **given)  # type: ignore[arg-type]


@pytest.fixture
def desk(database: Database, master: MasterKey, town: Town) -> Desk:
    return Desk(database, master, town)


@asynccontextmanager
async def at(database: Database, moment: datetime) -> AsyncIterator[None]:
    """Let the database's clock stand at a moment."""
    former = database.clock
    database.clock = lambda: moment
    try:
        yield
    finally:
        database.clock = former


async def everything(database: Database, referral_id: UUID) -> tuple[object, ...]:
    """All that is stored about a referral, to prove that nothing changed."""
    async with database.view(SYSTEM) as session:
        row = (
            await session.execute(
                text("SELECT to_jsonb(r)::text FROM referral r WHERE id = :id"), {"id": referral_id}
            )
        ).scalar()
        events = (
            await session.execute(
                select(func.count())
                .where(ReferralEvent.referral_id == referral_id)
                .select_from(ReferralEvent)
            )
        ).scalar()
        audit = (
            await session.execute(
                select(func.count()).where(Audit.object_id == referral_id).select_from(Audit)
            )
        ).scalar()
        places = (
            await session.execute(
                select(Service.capacity)
                .join(Referral, Referral.service_id == Service.id)
                .where(Referral.id == referral_id)
            )
        ).scalar()
    return row, events, audit, places


# --- The whole way -----------------------------------------------------------------------------------------


async def test_a_referral_goes_the_whole_way_and_back(desk: Desk, town: Town, client_id: UUID) -> None:
    provider = town.provider.member
    sent = await desk.sent(client_id, town.provider)

    inboxed = await desk.view(provider, sent.id)
    assert inboxed.state is ReferralState.SENT
    assert (inboxed.pseudonym, inboxed.client_id, inboxed.parent_id) == (None, None, None)
    assert (inboxed.topic, inboxed.language, inboxed.area is not None) == ("language-course", "ti", True)

    opened = await desk.as_(provider, lambda w: answering.acknowledge(w, sent.id, sent.version))
    package = await desk.package(provider, sent.id)
    assert package.person.family_name == "Musterfrau"

    accepted = await desk.as_(provider, lambda w: accept(w, opened))
    running = await desk.as_(provider, lambda w: answering.start(w, accepted.id, accepted.version, TODAY))
    paused = await desk.as_(
        provider,
        lambda w: answering.pause(w, running.id, running.version, reason=Reason.PERSON_ILL, resume_on=SOON),
    )
    resumed = await desk.as_(provider, lambda w: answering.resume(w, paused.id, paused.version))
    reported = await desk.as_(
        provider,
        lambda w: answering.report_outcome(
            w, resumed.id, resumed.version, outcome=OutcomeCode.NEED_MET, outcome_on=TODAY
        ),
    )
    closed = await desk.as_(
        town.coordinator,
        lambda w: exchange.close(w, reported.id, reported.version, FeedbackAsked.ANSWERED),
    )

    mine = await desk.view(town.coordinator, sent.id)
    assert (mine.state, mine.outcome, mine.outcome_on) == (ReferralState.CLOSED, OutcomeCode.NEED_MET, TODAY)
    assert mine.recipient_contact == "Zimmer 12"
    assert closed.allowed == (Move.REOPEN, Move.CORRECT)
    events = await desk.events(town.coordinator, sent.id)
    assert [e.move for e in events] == [
        "DRAFT", "SEND", "ACKNOWLEDGE", "ACCEPT", "START", "HOLD", "RESUME", "REPORT_OUTCOME", "CLOSE",
    ]  # fmt: skip
    history = [Step(sequence=e.ordinal, move=Move(e.move), party=e.actor) for e in events]
    assert replay(history) is ReferralState.CLOSED
    with pytest.raises(PackageClosed):
        await desk.package(provider, sent.id)


async def test_a_jobcenter_refers_to_clearing_in_one_operation(
    database: Database, master: MasterKey, town: Town, desk: Desk
) -> None:
    jobcenter = town.jobcenter.member
    async with database.work(jobcenter) as work:
        client_id = await create_client(work, master, draft())
    async with database.work(jobcenter) as work:
        sent = await exchange.refer(
            work,
            master,
            exchange.DraftGiven(
                client_id=client_id,
                service_id=town.coordination.service,
                topic="clearing",
                categories=ORDINARY,
                priority=Priority.SOON,
                file_number="JC-4711",
            ),
            exchange.ConsentGiven(
                record=record(work.now),
                purposes=purposes()[1:],
                evidence=ConsentEvidence(reference="Ordner 1"),
            ),
        )

    assert sent.state is ReferralState.SENT
    async with database.view(town.coordinator) as session:
        page = await inbox.list_referrals(
            session, town.coordinator, database.clock(), Box.INBOX, with_total=True
        )
    assert [r.id for r in page.items] == [sent.id]
    assert page.total == 1
    due = page.items[0].answer_due_at
    assert due is not None
    assert local_day(due) == answer_due_on(TODAY, Priority.SOON)


async def test_refused_terms_leave_neither_draft_nor_consent(
    database: Database, master: MasterKey, town: Town, client_id: UUID
) -> None:
    with pytest.raises(InvalidInput) as refused:
        async with database.work(town.coordinator) as work:
            await exchange.refer(
                work,
                master,
                exchange.DraftGiven(
                    client_id=client_id,
                    service_id=town.jobcenter.service,
                    topic="job",
                    categories=ORDINARY,
                ),
                exchange.ConsentGiven(record=record(work.now, section_87_notice_at=None)),
            )

    assert refused.value.field == "record.section87NoticeAt"
    async with database.view(SYSTEM) as session:
        for table in ("referral", "consent", "referral_package"):
            found = await session.execute(
                text(f"SELECT count(*) FROM {table} WHERE client_id = :id"), {"id": client_id}
            )
            assert found.scalar() == 0


# --- What a draft and a sending need -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("_case", "change", "field", "reason"),
    [
        ("hidden service", {"state": PublicationState.HIDDEN}, "serviceId", "not-published"),
        ("signposting", {"kind": ServiceKind.SIGNPOSTING_ADVICE}, "serviceId", "signposting-moves-no-data"),
    ],
)
async def test_not_every_service_can_be_referred_to(
    database: Database,
    desk: Desk,
    town: Town,
    client_id: UUID,
    _case: str,
    change: dict[str, object],
    field: str,
    reason: str,
) -> None:
    async with database.work(SYSTEM) as work:
        service = await work.session.get_one(Service, town.provider.service)
        for name, value in change.items():
            setattr(service, name, value)

    with pytest.raises(InvalidInput) as refused:
        await desk.draft(client_id, town.provider)

    assert (refused.value.field, refused.value.reason) == (field, reason)


async def test_a_business_is_never_offered_the_needs(desk: Desk, town: Town, client_id: UUID) -> None:
    with pytest.raises(InvalidInput) as refused:
        await desk.draft(client_id, town.business, categories=(*ORDINARY, DataCategory.NEEDS))

    assert (refused.value.field, refused.value.details) == ("categories", {"categories": "NEEDS"})


async def test_one_open_referral_per_person_and_service(desk: Desk, town: Town, client_id: UUID) -> None:
    await desk.draft(client_id, town.provider)

    with pytest.raises(DuplicateReferral):
        await desk.draft(client_id, town.provider)


async def test_nothing_is_sent_without_consent_to_every_category(
    database: Database, master: MasterKey, desk: Desk, town: Town, client_id: UUID
) -> None:
    drafted = await desk.draft(client_id, town.provider)
    consent_id = await give_consent(
        database,
        master,
        town.coordinator,
        client_id,
        town.provider.id,
        asked=purposes(DataCategory.IDENTITY, DataCategory.CONTACT),
    )
    before = await everything(database, drafted.id)

    for given, missing in (
        (None, ("CONSENT",)),
        (consent_id, ("CATEGORY:LANGUAGE", "CATEGORY:LEVEL")),
    ):
        with pytest.raises(ConsentMissing) as refused:
            async with database.work(town.coordinator) as work:
                await exchange.send(work, master, drafted.id, drafted.version, consent_id=given)
        assert refused.value.missing == missing

    assert await everything(database, drafted.id) == before
    with pytest.raises(NotFound):
        await desk.view(town.provider.member, drafted.id)


async def test_a_full_service_needs_a_reason(
    database: Database, master: MasterKey, desk: Desk, town: Town, client_id: UUID
) -> None:
    async with database.work(SYSTEM) as work:
        service = await work.session.get_one(Service, town.provider.service)
        service.capacity = Capacity(state=CapacityState.NONE, places=0)
    with pytest.raises(InvalidInput) as refused:
        await desk.sent(client_id, town.provider)
    assert (refused.value.field, refused.value.reason) == ("capacityReason", "required")

    async with database.view(town.coordinator) as session:
        page = await inbox.list_referrals(session, town.coordinator, database.clock(), Box.SENT)
    drafted = page.items[0]
    consent_id = await give_consent(database, master, town.coordinator, client_id, town.provider.id)
    async with database.work(town.coordinator) as work:
        sent = await exchange.send(
            work,
            master,
            drafted.id,
            drafted.version,
            consent_id=consent_id,
            capacity_reason=CapacityReason.WAITING_LIST,
        )
    assert sent.state is ReferralState.SENT


async def test_consent_is_asked_for_while_the_referral_waits(
    database: Database, master: MasterKey, desk: Desk, town: Town, client_id: UUID
) -> None:
    drafted = await desk.draft(client_id, town.provider)
    consent_id = await give_consent(database, master, town.coordinator, client_id, town.provider.id)
    waiting = await desk.as_(
        town.coordinator, lambda w: exchange.await_consent(w, drafted.id, drafted.version, consent_id)
    )
    sent = await desk.as_(town.coordinator, lambda w: exchange.send(w, master, waiting.id, waiting.version))

    assert (waiting.state, sent.state) == (ReferralState.AWAITING_CONSENT, ReferralState.SENT)


async def test_an_own_draft_changes_until_it_is_sent(desk: Desk, town: Town, client_id: UUID) -> None:
    drafted = await desk.draft(client_id, town.provider)
    change = exchange.DraftChange(categories=(DataCategory.IDENTITY,), priority=Priority.URGENT)
    changed = await desk.as_(
        town.coordinator, lambda w: exchange.change_draft(w, drafted.id, drafted.version, change)
    )

    seen = await desk.view(town.coordinator, changed.id)
    assert (seen.categories, seen.priority, seen.language) == (
        (DataCategory.IDENTITY,), Priority.URGENT, None,
    )  # fmt: skip


# --- The package -------------------------------------------------------------------------------------------


async def test_the_package_is_exactly_the_consented_categories_and_what_was_previewed(
    database: Database, master: MasterKey, desk: Desk, town: Town, client_id: UUID
) -> None:
    chosen = (DataCategory.IDENTITY, DataCategory.NEEDS)
    async with database.work(town.coordinator) as work:
        shown = await exchange.preview(work, master, client_id, town.provider.service, chosen)
    sent = await desk.sent(client_id, town.provider, categories=chosen, asked=purposes(*chosen))
    await desk.as_(town.provider.member, lambda w: answering.acknowledge(w, sent.id, sent.version))

    package = await desk.package(town.provider.member, sent.id)

    assert package == shown
    assert package.categories == chosen
    assert package.person.needs == ("language-course",)
    assert (package.person.phone, package.person.languages, package.person.competences) == (None, (), ())


async def test_before_acknowledging_the_package_is_closed(desk: Desk, town: Town, client_id: UUID) -> None:
    sent = await desk.sent(client_id, town.provider)

    with pytest.raises(PackageClosed):
        await desk.package(town.provider.member, sent.id)

    asked = await desk.as_(
        town.provider.member,
        lambda w: answering.ask(w, desk.master, sent.id, sent.version, "Welches Niveau?"),
    )
    with pytest.raises(PackageClosed):
        await desk.package(town.provider.member, asked.id)


async def test_reading_a_package_writes_an_audit_row(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    await desk.as_(town.provider.member, lambda w: answering.acknowledge(w, sent.id, sent.version))
    await desk.package(town.provider.member, sent.id)

    async with database.view(SYSTEM) as session:
        seen = await session.execute(
            select(Audit.member_id).where(Audit.object_id == sent.id, Audit.action == "package.view")
        )
        assert seen.scalars().all() == [town.provider.member.member_id]


async def test_without_the_language_category_the_recipient_sees_no_language(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(
        client_id,
        town.provider,
        categories=(DataCategory.IDENTITY,),
        asked=purposes(DataCategory.IDENTITY),
        language="ti",
    )

    assert (await desk.view(town.provider.member, sent.id)).language is None


# --- Consent that ends -------------------------------------------------------------------------------------


async def test_an_expired_consent_closes_access_before_any_clock_has_moved(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    provider = town.provider.member
    running = await desk.running(client_id, town.provider)
    await desk.package(provider, running.id)
    async with at(database, datetime.now(UTC) + timedelta(days=370)):
        with pytest.raises(PackageClosed):
            await desk.package(provider, running.id)
        assert (await desk.view(provider, running.id)).state is ReferralState.CONSENT_REVOKED
        assert (await desk.view(town.coordinator, running.id)).state is ReferralState.CONSENT_REVOKED
        with pytest.raises(TransitionNotAllowed) as refused:
            await desk.as_(
                provider,
                lambda w: answering.report_outcome(
                    w, running.id, running.version, outcome=OutcomeCode.NEED_MET, outcome_on=TODAY
                ),
            )
        assert refused.value.state is ReferralState.CONSENT_REVOKED
        # The database itself refuses the row, whatever the program asks.
        async with database.view(provider) as session:
            rows = await session.execute(
                text("SELECT count(*) FROM referral_package WHERE referral_id = :id"), {"id": running.id}
            )
            assert rows.scalar() == 0
        async with database.view(provider) as session:
            page = await inbox.list_referrals(
                session,
                provider,
                database.clock(),
                Box.INBOX,
                states=[ReferralState.CONSENT_REVOKED],
            )
            assert [r.id for r in page.items] == [running.id]
        async with database.work(SYSTEM) as work:
            assert await expire_due(work) >= 1
        stored = await desk.view(provider, running.id)
        assert stored.revocation_due_at is not None


async def test_a_withdrawal_closes_access_at_once_and_frees_the_place(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    running = await desk.running(client_id, town.provider)
    consent_id = (await desk.view(town.coordinator, running.id)).consent_id
    assert consent_id is not None
    async with database.work(town.coordinator) as work:
        await withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE)

    with pytest.raises(PackageClosed):
        await desk.package(town.provider.member, running.id)
    history = [
        Step(sequence=e.ordinal, move=Move(e.move), party=e.actor)
        for e in await desk.events(town.coordinator, running.id)
    ]
    assert replay(history) is ReferralState.CONSENT_REVOKED
    assert (await everything(database, running.id))[3] == Capacity(
        state=CapacityState.OPEN, places=5, as_of=date(2020, 1, 1)
    )


# --- Reporting back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [None, ReportDepth.NOTHING, ReportDepth.CONTACT_MADE])
async def test_without_consent_to_report_back_no_outcome_is_stored_anywhere(
    database: Database, desk: Desk, town: Town, client_id: UUID, depth: ReportDepth | None
) -> None:
    asked = (PurposeTerms(purpose=Purpose.REFERRAL, categories=ORDINARY),)
    if depth is not None:
        asked += (PurposeTerms(purpose=Purpose.REPORT_BACK, report_depth=depth),)
    running = await desk.running(client_id, town.provider, asked=asked)
    reported = await desk.as_(
        town.provider.member,
        lambda w: answering.report_outcome(
            w, running.id, running.version, outcome=OutcomeCode.PERSON_LEFT, outcome_on=TODAY
        ),
    )

    seen = await desk.view(town.coordinator, running.id)
    assert (seen.outcome, seen.outcome_on, seen.outcome_reason) == (OutcomeCode.NOT_DISCLOSED, None, None)
    told = depth is ReportDepth.CONTACT_MADE
    assert (seen.first_contact_made_on == TODAY) is told
    async with database.view(town.coordinator) as session:
        for table in ("referral", "referral_event", "audit", "feedback"):
            rows = await session.execute(text(f"SELECT to_jsonb(t)::text FROM {table} t"))
            assert not any("PERSON_LEFT" in str(row) for row in rows.scalars())
    closed = await desk.as_(
        town.coordinator,
        lambda w: exchange.close(w, reported.id, reported.version, FeedbackAsked.UNREACHABLE),
    )
    assert closed.state is ReferralState.CLOSED


async def test_an_outcome_is_hidden_again_when_reporting_back_is_withdrawn(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    running = await desk.running(client_id, town.provider)
    reported = await desk.as_(
        town.provider.member,
        lambda w: answering.report_outcome(
            w, running.id, running.version, outcome=OutcomeCode.PARTLY_MET, outcome_on=TODAY
        ),
    )
    await desk.as_(
        town.coordinator,
        lambda w: exchange.close(w, reported.id, reported.version, FeedbackAsked.DECLINED),
    )
    consent_id = (await desk.view(town.coordinator, running.id)).consent_id
    assert consent_id is not None
    async with database.work(town.coordinator) as work:
        await withdraw_consent(
            work,
            consent_id=consent_id,
            channel=Channel.PHONE,
            scope=WithdrawalScope.PURPOSE,
            purpose=Purpose.REPORT_BACK,
        )

    assert (await desk.view(town.coordinator, running.id)).outcome is OutcomeCode.NOT_DISCLOSED
    told = [e for e in await desk.events(town.coordinator, running.id) if e.move == "REPORT_OUTCOME"]
    assert [(e.facts, e.reason) for e in told] == [({}, None)]


# --- Questions, waiting lists, declining, following up ------------------------------------------------------


async def test_question_and_answer_are_read_by_both_and_the_clock_stands_still(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider, priority=Priority.SOON)
    due = (await desk.view(town.coordinator, sent.id)).answer_due_at
    asked = await desk.as_(
        town.provider.member,
        lambda w: answering.ask(w, desk.master, sent.id, sent.version, "  Welches Niveau?  "),
    )
    async with at(database, datetime.now(UTC) + timedelta(days=14)):
        replied = await desk.as_(
            town.coordinator,
            lambda w: exchange.reply(w, desk.master, asked.id, asked.version, "Etwa A2."),
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
    database: Database, master: MasterKey, desk: Desk, town: Town, client_id: UUID
) -> None:
    consent_id = await give_consent(
        database, master, town.coordinator, client_id, town.provider.id, town.school.id
    )
    drafted = await desk.draft(client_id, town.provider)
    sent = await desk.as_(
        town.coordinator,
        lambda w: exchange.send(w, master, drafted.id, drafted.version, consent_id=consent_id),
    )
    await desk.as_(
        town.provider.member,
        lambda w: answering.decline(
            w,
            master,
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
            lambda w: exchange.send(w, master, follow.id, follow.version, consent_id=consent_id),
        )
    assert refused.value.missing == ("NEW_CONSENT",)
    new = await give_consent(database, master, town.coordinator, client_id, town.school.id)
    again = await desk.as_(
        town.coordinator, lambda w: exchange.send(w, master, follow.id, follow.version, consent_id=new)
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
            desk.master,
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


async def test_of_fifty_parallel_accepts_of_the_last_place_exactly_one_gets_it(
    database: Database, master: MasterKey, desk: Desk, town: Town
) -> None:
    async with database.work(SYSTEM) as work:
        service = await work.session.get_one(Service, town.provider.service)
        service.capacity = Capacity(state=CapacityState.FEW, places=1)
    sent = [await desk.sent(await desk.client(), town.provider) for _ in range(50)]

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
    ] * 1 + [
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
            desk.master,
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
    consent_id = await give_consent(desk.database, desk.master, town.coordinator, client_id, town.provider.id)
    event.listen(engine, "before_cursor_execute", count)
    try:
        sent = await counting(
            "send",
            town.coordinator,
            lambda w: exchange.send(w, desk.master, drafted.id, drafted.version, consent_id=consent_id),
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

    # who acts; lock; change; event; audit. Sending also reads both ends, consent and key and stores the package.
    assert running.state is ReferralState.IN_PROGRESS
    assert numbers["acknowledge"] == 5
    assert numbers["start"] == 5
    assert numbers["send"] == 9
    assert numbers["inbox"] == 2
    assert numbers["accept"] <= 5 + 8  # the place, and the service's document with its entry in the feed


async def test_a_stored_package_row_belongs_to_its_referral(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)

    async with database.view(SYSTEM) as session:
        package = await session.get_one(ReferralPackage, sent.id)
    assert b"Musterfrau" not in package.sealed
    assert package.categories == ORDINARY
