"""Referrals between two organisations, on a real database: the way, the sending, the package, the consent."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace
from sqlalchemy import select, text

from directory.actors import SYSTEM
from directory.database import Database
from directory.days import local_day
from directory.models import Audit, Partner, Service
from directory.problems import InvalidInput, NotFound, StaleVersion
from directory.values import Capacity
from directory.vocabulary import CapacityState, PublicationState, ServiceKind
from referrals import answering, exchange, inbox
from referrals.clients import create_client
from referrals.consent.consents import expire_due, withdraw_consent
from referrals.inbox import Box
from referrals.moving import Answered
from referrals.personal_data.keystore import KeyStore
from referrals.problems import ConsentMissing, DuplicateReferral, PackageClosed, TransitionNotAllowed
from referrals.states import Move, answer_due_on, replay
from referrals.values import ConsentEvidence, Kept, PurposeTerms
from referrals.vocabulary import (
    AnswerSource,
    CapacityReason,
    Channel,
    DataCategory,
    FeedbackAsked,
    OutcomeCode,
    Priority,
    Purpose,
    Reason,
    ReferralState,
    ReportDepth,
    RevocationAnswer,
    WithdrawalScope,
)
from tests.referrals.desk import LATER, SOON, TODAY, Desk, accept, at, everything
from tests.referrals.town import ORDINARY, Town, draft, give_consent, purposes, record, shown_before

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
    assert replay(inbox.steps(events)) is ReferralState.CLOSED
    with pytest.raises(PackageClosed):
        await desk.package(provider, sent.id)


async def test_a_jobcenter_refers_to_clearing_in_one_operation(
    database: Database, keys: KeyStore, town: Town, desk: Desk
) -> None:
    jobcenter = town.jobcenter.member
    async with database.work(jobcenter) as work:
        client_id = await create_client(work, keys, draft())
    async with database.work(jobcenter) as work:
        sent = await exchange.refer(
            work,
            keys,
            exchange.DraftGiven(
                client_id=client_id,
                service_id=town.coordination.service,
                topic="clearing",
                categories=ORDINARY,
                priority=Priority.SOON,
                file_number="JC-4711",
            ),
            exchange.ConsentGiven(
                record=record(
                    work.now,
                    notice=await shown_before(work, town.jobcenter.id, town.coordination.id, purposes()),
                ),
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
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    with pytest.raises(InvalidInput) as refused:
        async with database.work(town.coordinator) as work:
            await exchange.refer(
                work,
                keys,
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


# --- What a draft and a sending need ----------------------------------------------------------------------


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
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    drafted = await desk.draft(client_id, town.provider)
    consent_id = await give_consent(
        database,
        keys,
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
                await exchange.send(work, keys, drafted.id, drafted.version, consent_id=given)
        assert refused.value.missing == missing

    assert await everything(database, drafted.id) == before
    with pytest.raises(NotFound):
        await desk.view(town.provider.member, drafted.id)


async def test_nothing_is_sent_to_a_bound_recipient_without_release_from_secrecy(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    drafted = await desk.draft(client_id, town.counselling)
    consent_id = await give_consent(
        database, keys, town.coordinator, client_id, town.counselling.id, released=False
    )

    with pytest.raises(ConsentMissing) as refused:
        async with database.work(town.coordinator) as work:
            await exchange.send(work, keys, drafted.id, drafted.version, consent_id=consent_id)

    assert refused.value.missing == ("RELEASE_OF_RECIPIENT",)


async def test_nothing_is_sent_to_a_partner_that_is_no_longer_active(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    drafted = await desk.draft(client_id, town.provider)
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    async with database.work(SYSTEM) as work:
        (await work.session.get_one(Partner, town.provider.id)).active = False
    before = await everything(database, drafted.id)

    with pytest.raises(InvalidInput) as refused:
        async with database.work(town.coordinator) as work:
            await exchange.send(work, keys, drafted.id, drafted.version, consent_id=consent_id)

    assert (refused.value.field, refused.value.reason) == ("serviceId", "partner-inactive")
    assert await everything(database, drafted.id) == before


async def test_a_full_service_needs_a_reason(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
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
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    async with database.work(town.coordinator) as work:
        sent = await exchange.send(
            work,
            keys,
            drafted.id,
            drafted.version,
            consent_id=consent_id,
            capacity_reason=CapacityReason.WAITING_LIST,
        )
    assert sent.state is ReferralState.SENT


async def test_consent_is_asked_for_while_the_referral_waits(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    drafted = await desk.draft(client_id, town.provider)
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    waiting = await desk.as_(
        town.coordinator, lambda w: exchange.await_consent(w, drafted.id, drafted.version, consent_id)
    )
    sent = await desk.as_(town.coordinator, lambda w: exchange.send(w, keys, waiting.id, waiting.version))

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
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    chosen = (DataCategory.IDENTITY, DataCategory.NEEDS)
    async with database.work(town.coordinator) as work:
        shown = await exchange.preview(work, keys, client_id, town.provider.service, chosen)
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
        lambda w: answering.ask(w, desk.keys, sent.id, sent.version, "Welches Niveau?"),
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
        ended = 1
        while ended:
            async with database.work(SYSTEM) as work:
                ended = await expire_due(work)
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
    assert (
        replay(inbox.steps(await desk.events(town.coordinator, running.id))) is ReferralState.CONSENT_REVOKED
    )
    assert (await everything(database, running.id))[3] == Capacity(
        state=CapacityState.OPEN, places=5, as_of=date(2020, 1, 1)
    )


async def test_after_a_withdrawal_the_recipient_says_once_what_it_did_with_the_data(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    consent_id = (await desk.view(town.coordinator, sent.id)).consent_id
    assert consent_id is not None
    early = Kept(answer=RevocationAnswer.DELETED)
    with pytest.raises(TransitionNotAllowed):
        await desk.as_(
            town.provider.member,
            lambda w: answering.answer_revocation(w, sent.id, sent.version, early),
        )
    async with database.work(town.coordinator) as work:
        await withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE)
    revoked = await desk.view(town.provider.member, sent.id)
    assert revoked.revocation_due_at is not None
    kept = Kept(answer=RevocationAnswer.KEPT, what=(DataCategory.IDENTITY,))
    with pytest.raises(InvalidInput) as refused:
        await desk.as_(
            town.provider.member,
            lambda w: answering.answer_revocation(w, sent.id, revoked.version, kept),
        )
    assert (refused.value.field, refused.value.reason) == ("legalBasis", "required")

    told = await desk.as_(
        town.provider.member,
        lambda w: answering.answer_revocation(
            w, sent.id, revoked.version, replace(kept, legal_basis="§ 147 AO", until=LATER)
        ),
    )

    seen = await desk.view(town.coordinator, sent.id)
    assert (seen.state, seen.revocation_due_at) == (ReferralState.CONSENT_REVOKED, None)
    assert seen.revocation_answer == replace(kept, legal_basis="§ 147 AO", until=LATER)
    assert replay(inbox.steps(await desk.events(town.coordinator, sent.id))) is told.state
    with pytest.raises(TransitionNotAllowed):
        await desk.as_(
            town.provider.member,
            lambda w: answering.answer_revocation(w, sent.id, told.version, early),
        )


async def test_where_nothing_was_sent_no_recipient_says_what_it_did_with_the_data(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    drafted = await desk.draft(client_id, town.provider)
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    await desk.as_(
        town.coordinator, lambda w: exchange.await_consent(w, drafted.id, drafted.version, consent_id)
    )
    async with database.work(town.coordinator) as work:
        await withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE)
    revoked = await desk.view(town.coordinator, drafted.id)
    assert revoked.state is ReferralState.CONSENT_REVOKED

    with pytest.raises(TransitionNotAllowed):
        await desk.as_(
            town.coordinator,
            lambda w: answering.answer_revocation(
                w,
                drafted.id,
                revoked.version,
                Kept(answer=RevocationAnswer.DELETED),
                answered=Answered(source=AnswerSource.PHONE, on=local_day(w.now)),
            ),
        )


@pytest.mark.parametrize("_round", range(8))
async def test_a_withdrawal_beside_opening_and_sending_never_leaves_anything_open(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID, _round: int
) -> None:
    sent = await desk.sent(client_id, town.provider)
    drafted = await desk.draft(client_id, town.school)
    opened_by = (await desk.view(town.coordinator, sent.id)).consent_id
    sends_by = await give_consent(database, keys, town.coordinator, client_id, town.school.id)

    async def withdraw(consent_id: UUID | None) -> None:
        assert consent_id is not None
        async with database.work(town.coordinator) as work:
            await withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE)
        # From here on it is committed: nothing may be readable any more.
        for actor, referral_id in ((town.provider.member, sent.id), (town.school.member, drafted.id)):
            if consent_id == (opened_by if referral_id == sent.id else sends_by):
                with pytest.raises((PackageClosed, NotFound)):
                    await desk.package(actor, referral_id)

    async def acknowledge() -> None:
        with suppress(StaleVersion, TransitionNotAllowed, PackageClosed):
            await desk.as_(town.provider.member, lambda w: answering.acknowledge(w, sent.id, sent.version))
            await desk.package(town.provider.member, sent.id)

    async def send() -> None:
        with suppress(StaleVersion, ConsentMissing):
            await desk.as_(
                town.coordinator,
                lambda w: exchange.send(w, keys, drafted.id, drafted.version, consent_id=sends_by),
            )

    await asyncio.gather(withdraw(opened_by), acknowledge(), send(), withdraw(sends_by))

    assert (await desk.view(town.coordinator, sent.id)).state is ReferralState.CONSENT_REVOKED
    left = (await desk.view(town.coordinator, drafted.id)).state
    assert left in {ReferralState.DRAFT, ReferralState.CONSENT_REVOKED}


# --- Reporting back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [None, ReportDepth.NOTHING, ReportDepth.CONTACT_MADE])
async def test_without_consent_to_report_back_no_outcome_is_stored_anywhere(
    database: Database, desk: Desk, town: Town, client_id: UUID, depth: ReportDepth | None
) -> None:
    asked: tuple[PurposeTerms, ...] = (PurposeTerms(purpose=Purpose.REFERRAL, categories=ORDINARY),)
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
        lambda w: exchange.close(w, reported.id, seen.version, FeedbackAsked.UNREACHABLE),
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
