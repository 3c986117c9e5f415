"""Consent records: asked, decided, withdrawn, expired, superseded; access ends with them at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from directory.actors import ANONYMOUS, SYSTEM, Actor
from directory.database import Database
from directory.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn, StaleVersion
from referrals.consent.consents import (
    expire_due,
    list_consents,
    open_evidence,
    record_consent,
    request_consent,
    view_consent,
    withdraw_consent,
)
from referrals.models import Consent, Referral, ReferralEvent
from referrals.personal_data.keystore import KeyStore
from referrals.problems import ConsentNotOpen
from referrals.values import ConsentEvidence, PurposeTerms
from referrals.vocabulary import (
    AnswerSource,
    Channel,
    ConsentMedium,
    ConsentState,
    DataCategory,
    EventActor,
    Purpose,
    Reason,
    ReferralState,
    ReportDepth,
    WithdrawalScope,
)
from tests.referrals.town import Town, give_consent, purposes, record, sent_referral, shown_of

EVERY = {Purpose.REFERRAL, Purpose.REPORT_BACK, Purpose.FEEDBACK}


async def asked(database: Database, town: Town, client_id: UUID, *recipients: UUID) -> UUID:
    async with database.work(town.coordinator) as work:
        return await request_consent(
            work, client_id=client_id, recipients=recipients or (town.provider.id,), purposes=purposes()
        )


async def state_of(database: Database, table: type[Consent] | type[Referral], id_: UUID) -> str:
    async with database.view(SYSTEM) as session:
        return str(await session.scalar(select(table.state).where(table.id == id_)))


async def readable(database: Database, actor: Actor, referral_id: UUID) -> bool:
    """Whether the database lets this actor have the sealed package at all."""
    async with database.view(actor) as session:
        package = await session.scalar(
            text("SELECT client_id FROM referral_package WHERE referral_id = :id"), {"id": referral_id}
        )
    return bool(package)


async def test_a_given_consent_is_read_as_it_was_recorded(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    consent_id = await give_consent(
        database, keys, town.coordinator, client_id, town.provider.id, granted={Purpose.REFERRAL}
    )

    async with database.view(town.coordinator) as session:
        seen = await view_consent(session, town.coordinator, consent_id, database.clock())
        evidence = await open_evidence(session, town.coordinator, keys, consent_id)
        listed = await list_consents(session, town.coordinator, client_id, database.clock())
    assert seen.state is ConsentState.GIVEN
    assert {p.purpose: p.granted for p in seen.terms.purposes} == {
        Purpose.REFERRAL: True,
        Purpose.REPORT_BACK: False,
        Purpose.FEEDBACK: False,
    }
    assert seen.terms.controller.partner_id == town.coordination.id
    assert seen.subject.startswith("K-")
    assert seen.recorded_by == town.coordinator.member_id
    assert seen.valid_from is not None
    assert seen.valid_until is not None
    assert seen.renewal_from == seen.valid_until - timedelta(days=30)
    assert timedelta(days=365) <= seen.valid_until - seen.valid_from <= timedelta(days=366)
    assert evidence == ConsentEvidence(reference="Ordner 7", witness="Zeugin")
    assert [entry.id for entry in listed] == [consent_id]


async def test_a_refusal_is_recorded_too(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    consent_id = await asked(database, town, client_id)
    async with database.work(town.coordinator) as work:
        state = await record_consent(
            work,
            keys,
            consent_id=consent_id,
            expected_version=1,
            granted=(),
            record=record(
                work.now,
                no_disadvantage_shown=False,
                section_87_notice_at=None,
                notice=await shown_of(work, consent_id),
            ),
        )

    assert state is ConsentState.REFUSED
    with pytest.raises(ConsentNotOpen):
        async with database.work(town.coordinator) as work:
            await withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE)


def _decides(**changes: object) -> dict[str, object]:
    return changes


@pytest.mark.parametrize(
    ("changes", "shown", "field"),
    [
        (_decides(), {"no_disadvantage_shown": False}, "record.noDisadvantageShown"),
        (_decides(), {"section_87_notice_at": None}, "record.section87NoticeAt"),
        (
            _decides(),
            {"section_87_notice_at": datetime(2100, 1, 1, tzinfo=UTC)},
            "record.section87NoticeAt",
        ),
        (_decides(evidence=None), {"medium": ConsentMedium.ORAL}, "evidence.witness"),
        (_decides(granted={Purpose.HANDOVER}), {}, "granted"),
        (_decides(decided_at=datetime(2100, 1, 1, tzinfo=UTC)), {}, "decidedAt"),
        (_decides(decided_at=datetime(2020, 1, 1, tzinfo=UTC)), {}, "decidedAt"),
        (_decides(valid_until=date(2100, 1, 1)), {}, "validUntil"),
        (_decides(valid_until=date(2020, 1, 1)), {}, "validUntil"),
    ],
)
async def test_a_wrong_record_is_refused_and_nothing_is_written(
    database: Database,
    keys: KeyStore,
    town: Town,
    client_id: UUID,
    changes: dict[str, object],
    shown: dict[str, object],
    field: str,
) -> None:
    consent_id = await asked(database, town, client_id)
    given: dict[str, object] = {"granted": EVERY, "evidence": ConsentEvidence(witness="Zeugin"), **changes}
    with pytest.raises(InvalidInput) as caught:
        async with database.work(town.coordinator) as work:
            await record_consent(
                work,
                keys,
                consent_id=consent_id,
                expected_version=1,
                record=record(work.now, **shown),
                **given,  # type: ignore[arg-type]
            )

    assert caught.value.field == field
    async with database.view(town.coordinator) as session:
        seen = await view_consent(session, town.coordinator, consent_id, database.clock())
    assert (seen.state, seen.record, seen.version) == (ConsentState.REQUESTED, None, 1)


@pytest.mark.parametrize(
    ("recipients", "wanted", "field"),
    [
        ((), purposes(), "recipients"),
        ((uuid4(),), purposes(), "recipients.0"),
        (("provider",), (), "purposes"),
        (("business",), purposes(DataCategory.STATUS), "purposes.0.categories"),
        (("provider",), (PurposeTerms(purpose=Purpose.REFERRAL),), "purposes.0.categories"),
    ],
)
async def test_terms_that_nobody_may_be_asked_for(
    database: Database,
    town: Town,
    client_id: UUID,
    recipients: tuple[UUID | str, ...],
    wanted: tuple[PurposeTerms, ...],
    field: str,
) -> None:
    named = [getattr(town, r).id if isinstance(r, str) else r for r in recipients]
    with pytest.raises(InvalidInput) as caught:
        async with database.work(town.coordinator) as work:
            await request_consent(work, client_id=client_id, recipients=named, purposes=wanted)

    assert caught.value.field == field


async def test_who_may_not_handle_a_persons_consent(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    for actor, problem in (
        (ANONYMOUS, NotSignedIn),
        (town.jobcenter.member, NotFound),
        (town.provider.member, NotFound),
        (town.coordination.colleague, NotAllowed),
    ):
        with pytest.raises(problem):
            async with database.work(actor) as work:
                await request_consent(
                    work, client_id=client_id, recipients=[town.provider.id], purposes=purposes()
                )
        with pytest.raises(problem):
            async with database.work(actor) as work:
                await withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE)
        if problem is not NotAllowed:
            with pytest.raises(problem):
                async with database.view(actor) as session:
                    await view_consent(session, actor, consent_id, database.clock())
            with pytest.raises(problem):
                async with database.view(actor) as session:
                    await open_evidence(session, actor, keys, consent_id)
            with pytest.raises(problem):
                async with database.view(actor) as session:
                    await list_consents(session, actor, client_id, database.clock())
    assert await state_of(database, Consent, consent_id) == "GIVEN"


async def test_a_recipient_sees_its_own_part_of_the_terms(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    consent_id = await give_consent(
        database, keys, town.coordinator, client_id, town.provider.id, town.counselling.id
    )
    await sent_referral(
        database, keys, town, client_id, consent_id, town.provider, state=ReferralState.ACKNOWLEDGED
    )

    async with database.view(town.provider.member) as session:
        seen = await view_consent(session, town.provider.member, consent_id, database.clock())
    assert [party.partner_id for party in seen.terms.recipients] == [town.provider.id]
    assert str(town.counselling.id) not in msgspec.json.encode(seen).decode()
    assert (seen.evidence_kept, seen.recorded_by, seen.withdrawal) == (False, None, None)
    with pytest.raises(NotFound):
        async with database.view(town.counselling.member) as session:
            await view_consent(session, town.counselling.member, consent_id, database.clock())


@pytest.mark.parametrize(
    "change",
    [
        "state = 'REQUESTED'",
        "terms = jsonb_set(terms, '{recipients}', '[]')",
        "record = NULL",
        "valid_until = valid_until + interval '1 day'",
        "client_id = gen_random_uuid()",
        "receipt = NULL",
        "sealed_evidence = NULL",
    ],
)
async def test_the_database_itself_keeps_a_given_consent(
    database: Database, keys: KeyStore, town: Town, client_id: UUID, change: str
) -> None:
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    with pytest.raises(DBAPIError, match="does not change"):
        async with database.work(town.coordinator) as work:
            await work.session.execute(
                text(f"UPDATE consent SET {change} WHERE id = :id"), {"id": consent_id}
            )


@pytest.mark.parametrize("state", ["GIVEN", "REFUSED", "REQUESTED", "EXPIRED"])
async def test_what_was_withdrawn_stays_withdrawn(
    database: Database, keys: KeyStore, town: Town, client_id: UUID, state: str
) -> None:
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    async with database.work(town.coordinator) as work:
        await withdraw_consent(work, consent_id=consent_id, channel=Channel.IN_PERSON)
    with pytest.raises(DBAPIError, match="does not change"):
        async with database.work(town.coordinator) as work:
            await work.session.execute(
                text("UPDATE consent SET state = :state WHERE id = :id"), {"id": consent_id, "state": state}
            )


async def test_withdrawal_ends_everything_that_rests_on_it_at_once(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    consent_id = await give_consent(
        database, keys, town.coordinator, client_id, town.provider.id, town.counselling.id
    )
    one = await sent_referral(
        database, keys, town, client_id, consent_id, town.provider, state=ReferralState.ACKNOWLEDGED
    )
    two = await sent_referral(
        database, keys, town, client_id, consent_id, town.counselling, state=ReferralState.IN_PROGRESS
    )
    done = await sent_referral(
        database, keys, town, client_id, consent_id, town.provider, state=ReferralState.CLOSED
    )
    assert await readable(database, town.provider.member, one)
    assert await readable(database, town.counselling.member, two)

    async with database.work(town.coordinator) as work:
        withdrawn = await withdraw_consent(
            work, consent_id=consent_id, channel=Channel.PHONE, language="ti", expected_version=2
        )

    assert set(withdrawn.ended_referrals) == {one, two}
    assert withdrawn.remaining_consent_id is None
    assert not await readable(database, town.provider.member, one)
    assert not await readable(database, town.counselling.member, two)
    assert not await readable(database, town.coordinator, one)
    assert await state_of(database, Referral, done) == "CLOSED"
    async with database.view(town.provider.member) as session:
        referral = await session.get_one(Referral, one)
        event = (
            await session.scalars(
                select(ReferralEvent).where(ReferralEvent.referral_id == one).order_by(ReferralEvent.ordinal)
            )
        ).all()[-1]
    assert (referral.state, referral.reason) == (ReferralState.CONSENT_REVOKED, Reason.CONSENT_WITHDRAWN)
    assert referral.revocation_due_at is not None
    assert (event.from_state, event.to_state, event.actor, event.source, event.ordinal) == (
        ReferralState.ACKNOWLEDGED,
        ReferralState.CONSENT_REVOKED,
        EventActor.CONSENT,
        AnswerSource.MEMBER,
        2,
    )
    async with database.view(town.coordinator) as session:
        proof = await view_consent(session, town.coordinator, consent_id, database.clock())
    assert proof.state is ConsentState.WITHDRAWN
    assert proof.withdrawal is not None
    assert (proof.withdrawal.receipt, proof.withdrawal.language) == (withdrawn.receipt, "ti")
    with pytest.raises(ConsentNotOpen):
        async with database.work(town.coordinator) as work:
            await withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE)


async def test_withdrawing_one_recipient_leaves_the_others(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    consent_id = await give_consent(
        database, keys, town.coordinator, client_id, town.provider.id, town.counselling.id
    )
    gone = await sent_referral(
        database, keys, town, client_id, consent_id, town.provider, state=ReferralState.ACKNOWLEDGED
    )
    stays = await sent_referral(
        database, keys, town, client_id, consent_id, town.counselling, state=ReferralState.ACKNOWLEDGED
    )

    async with database.work(town.coordinator) as work:
        withdrawn = await withdraw_consent(
            work,
            consent_id=consent_id,
            channel=Channel.LETTER,
            scope=WithdrawalScope.RECIPIENT,
            recipient=town.provider.id,
        )

    assert withdrawn.ended_referrals == (gone,)
    assert withdrawn.remaining_consent_id is not None
    assert not await readable(database, town.provider.member, gone)
    assert await readable(database, town.counselling.member, stays)
    assert await state_of(database, Consent, consent_id) == "SUPERSEDED"
    async with database.view(town.coordinator) as session:
        rest = await view_consent(session, town.coordinator, withdrawn.remaining_consent_id, database.clock())
        moved = await session.get_one(Referral, stays)
    assert rest.state is ConsentState.GIVEN
    assert rest.supersedes_id == consent_id
    assert [p.partner_id for p in rest.terms.recipients] == [town.counselling.id]
    assert moved.consent_id == rest.id


async def test_withdrawing_the_report_keeps_the_referral(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    referral_id = await sent_referral(
        database, keys, town, client_id, consent_id, town.provider, state=ReferralState.ACKNOWLEDGED
    )

    async with database.work(town.coordinator) as work:
        withdrawn = await withdraw_consent(
            work,
            consent_id=consent_id,
            channel=Channel.CODE,
            scope=WithdrawalScope.PURPOSE,
            purpose=Purpose.REPORT_BACK,
        )

    assert withdrawn.ended_referrals == ()
    assert await readable(database, town.provider.member, referral_id)
    async with database.view(town.provider.member) as session:
        referral = await session.get_one(Referral, referral_id)
        assert referral.consent_id is not None
        rest = await view_consent(session, town.provider.member, referral.consent_id, database.clock())
    assert {p.purpose: p.granted for p in rest.terms.purposes}[Purpose.REPORT_BACK] is False


@pytest.mark.parametrize(
    "wrong",
    [
        {"scope": WithdrawalScope.PURPOSE},
        {"scope": WithdrawalScope.RECIPIENT},
        {"purpose": Purpose.REFERRAL},
        {"scope": WithdrawalScope.PURPOSE, "purpose": Purpose.HANDOVER},
        {"scope": WithdrawalScope.RECIPIENT, "recipient": uuid4()},
    ],
)
async def test_a_withdrawal_says_what_it_is_of(
    database: Database, keys: KeyStore, town: Town, client_id: UUID, wrong: dict[str, object]
) -> None:
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    with pytest.raises(InvalidInput):
        async with database.work(town.coordinator) as work:
            await withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE, **wrong)  # type: ignore[arg-type]

    assert await state_of(database, Consent, consent_id) == "GIVEN"


async def test_a_stale_version_withdraws_nothing(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    with pytest.raises(StaleVersion):
        async with database.work(town.coordinator) as work:
            await withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE, expected_version=1)

    assert await state_of(database, Consent, consent_id) == "GIVEN"


async def test_an_expired_consent_closes_access_before_the_clock_comes(
    empty_database: Database, keys: KeyStore
) -> None:
    """The package is closed at the very moment; the clock's work later moves the states."""
    from referrals.clients import create_client
    from tests.referrals.town import draft, make_town

    database = empty_database
    town = await make_town(database)
    async with database.work(town.coordinator) as work:
        client_id = await create_client(work, keys, draft())
    last_day = (datetime.now(UTC) + timedelta(days=10)).date()
    consent_id = await give_consent(
        database, keys, town.coordinator, client_id, town.provider.id, valid_until=last_day
    )
    referral_id = await sent_referral(
        database, keys, town, client_id, consent_id, town.provider, state=ReferralState.ACKNOWLEDGED
    )
    assert await readable(database, town.provider.member, referral_id)
    async with database.work(SYSTEM) as work:
        assert await expire_due(work) == 0

    database.clock = lambda: datetime.now(UTC) + timedelta(days=11)
    assert not await readable(database, town.provider.member, referral_id)
    assert await state_of(database, Referral, referral_id) == "ACKNOWLEDGED"
    async with database.view(town.coordinator) as session:
        seen = await view_consent(session, town.coordinator, consent_id, database.clock())
    assert seen.state is ConsentState.EXPIRED
    async with database.work(SYSTEM) as work:
        assert await expire_due(work) == 1
    async with database.work(SYSTEM) as work:
        assert await expire_due(work) == 0
    assert await state_of(database, Consent, consent_id) == "EXPIRED"
    async with database.view(SYSTEM) as session:
        referral = await session.get_one(Referral, referral_id)
    assert (referral.state, referral.reason) == (ReferralState.CONSENT_REVOKED, Reason.CONSENT_EXPIRED)


async def test_a_renewal_supersedes_and_referrals_move_over(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    former = await give_consent(
        database, keys, town.coordinator, client_id, town.provider.id, town.counselling.id
    )
    stays = await sent_referral(
        database, keys, town, client_id, former, town.provider, state=ReferralState.ACKNOWLEDGED
    )
    ends = await sent_referral(
        database, keys, town, client_id, former, town.counselling, state=ReferralState.ACKNOWLEDGED
    )
    async with database.work(town.coordinator) as work:
        renewal = await request_consent(
            work,
            client_id=client_id,
            recipients=[town.provider.id],
            purposes=purposes(),
            supersedes_id=former,
        )
    assert await state_of(database, Consent, former) == "GIVEN"
    async with database.work(town.coordinator) as work:
        await record_consent(
            work,
            keys,
            consent_id=renewal,
            expected_version=1,
            granted=EVERY,
            record=record(work.now, notice=await shown_of(work, renewal)),
        )

    assert await state_of(database, Consent, former) == "SUPERSEDED"
    assert await readable(database, town.provider.member, stays)
    assert await state_of(database, Referral, ends) == "CONSENT_REVOKED"
    assert not await readable(database, town.counselling.member, ends)


async def test_a_bound_counsellor_must_be_released_to_report_back(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    """§ 203 StGB: not released, nothing can be sent that would have to be reported on."""
    consent_id = await give_consent(
        database, keys, town.coordinator, client_id, town.counselling.id, released=False
    )
    async with database.view(town.coordinator) as session:
        seen = await view_consent(session, town.coordinator, consent_id, database.clock())

    assert seen.terms.releases == ()
    asked_depth = {p.purpose: p.report_depth for p in seen.terms.purposes}
    assert asked_depth[Purpose.REPORT_BACK] is ReportDepth.OUTCOME


async def test_of_many_withdrawals_at_once_exactly_one_counts(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    referral_id = await sent_referral(database, keys, town, client_id, consent_id, town.provider)

    async def withdraw() -> bool:
        try:
            async with database.work(town.coordinator) as work:
                await withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE)
        except ConsentNotOpen:
            return False
        return True

    results = await asyncio.gather(*(withdraw() for _ in range(12)))

    assert sum(results) == 1
    async with database.view(town.coordinator) as session:
        moves = await session.scalars(
            select(ReferralEvent.move)
            .where(ReferralEvent.referral_id == referral_id)
            .order_by(ReferralEvent.ordinal)
        )
        assert list(moves) == ["SEND", "REVOKE"]


async def test_a_person_decides_once(database: Database, keys: KeyStore, town: Town, client_id: UUID) -> None:
    consent_id = await asked(database, town, client_id)

    async def decide(granted: set[Purpose]) -> str:
        try:
            async with database.work(town.coordinator) as work:
                return await record_consent(
                    work,
                    keys,
                    consent_id=consent_id,
                    expected_version=1,
                    granted=granted,
                    record=record(work.now, notice=await shown_of(work, consent_id)),
                )
        except (StaleVersion, ConsentNotOpen):
            return "late"

    results = await asyncio.gather(*(decide(EVERY if turn % 2 else set()) for turn in range(8)))

    assert sorted(results)[:1] == [await state_of(database, Consent, consent_id)]
    assert results.count("late") == 7
