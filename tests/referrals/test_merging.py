"""A merging of entries moves nothing about a person to another organisation, and nothing is left behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from directory import catalogue, ending
from directory.actors import SYSTEM, Actor, Role
from directory.catalogue import ServiceDraft
from directory.database import Database
from directory.membership import MemberDraft, add_member
from directory.models import Change, Partner, Service
from directory.problems import NotAllowed, NotFound
from directory.values import ContactPoint
from directory.vocabulary import ContactKind, InterpretingMode, ServiceKind
from referrals.clients import create_client
from referrals.consent.consents import withdraw_consent
from referrals.inbox import ReferralView, view_referral
from referrals.merging import Exchange, StillUnderWay, UnderWay
from referrals.models import Booking, Referral
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.retention import run_deletion
from referrals.vocabulary import BookingState, Channel, ReferralState
from tests.referrals.town import Organisation, Town, draft, give_consent, make_town, sent_referral

GUARD = Exchange()


async def second_service(database: Database, at: Organisation) -> UUID:
    async with database.work(SYSTEM) as work:
        saved = await catalogue.create_service(
            work, ServiceDraft(partner_id=at.id, kind=ServiceKind.COUNSELLING, title={"de": "Zweites"})
        )
        await catalogue.publish_service(work, saved.id, expected_version=1)
    return saved.id


async def version(database: Database, model: type[Partner] | type[Service], id_: UUID) -> int:
    async with database.view(SYSTEM) as session:
        found: Partner | Service = await session.get_one(model, id_)
        return found.version


async def merge(database: Database, by: Actor, survivor: UUID, merged: UUID) -> None:
    versions = [await version(database, Service, id_) for id_ in (survivor, merged)]
    async with database.work(by) as work:
        await ending.merge_services(
            work,
            survivor,
            merged,
            expected_version=versions[0],
            merged_expected_version=versions[1],
            guard=GUARD,
            reason="doppelt",
        )


async def merge_partners(database: Database, by: Actor, survivor: UUID, merged: UUID) -> None:
    versions = [await version(database, Partner, id_) for id_ in (survivor, merged)]
    async with database.work(by) as work:
        await ending.merge_partners(
            work,
            survivor,
            merged,
            expected_version=versions[0],
            merged_expected_version=versions[1],
            guard=GUARD,
            reason="ein Verein",
            same_legal_body=True,
        )


async def view(database: Database, actor: Actor, referral_id: UUID) -> ReferralView:
    async with database.view(actor) as session:
        return await view_referral(session, actor, referral_id, database.clock())


async def test_a_referral_follows_its_service_and_changes_in_nothing_else(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    """Also an open one: the same two offices, the same consent, the same state and version."""
    consent = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    referral = await sent_referral(database, keys, town, client_id, consent, town.provider)
    before = await view(database, town.provider.member, referral)
    survivor = await second_service(database, town.provider)

    await merge(database, town.coordinator, survivor, town.provider.service)

    for actor in (town.coordinator, town.provider.member):
        after = await view(database, actor, referral)
        assert after.service_id == survivor
    assert (after.version, after.state, after.recipient_partner_id) == (
        before.version, before.state, town.provider.id,
    )  # fmt: skip
    for actor in (town.counselling.member, town.business.member):
        with pytest.raises(NotFound):
            await view(database, actor, referral)


async def test_one_person_at_both_services_stands_against_it(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    """One of the two referrals ends first; who merges learns no more than that there are two."""
    consent = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    survivor = await second_service(database, town.provider)
    await sent_referral(database, keys, town, client_id, consent, town.provider)
    other = replace(town.provider, services=[survivor])
    await sent_referral(database, keys, town, client_id, consent, other)

    with pytest.raises(StillUnderWay) as refused:
        await merge(database, town.coordinator, survivor, town.provider.service)

    assert refused.value.under_way == (UnderWay.SAME_PERSON_AT_BOTH,)
    assert str(client_id) not in str(refused.value)
    assert await version(database, Service, town.provider.service) == 1


async def test_a_referral_goes_nowhere_else_whoever_writes(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    """The database itself lets it follow a merging, and nothing but that."""
    consent = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    referral = await sent_referral(database, keys, town, client_id, consent, town.provider)
    away = text("UPDATE referral SET service_id = :to WHERE id = :id")
    for to in (town.counselling.service, await second_service(database, town.provider)):
        for actor in (SYSTEM, town.coordinator):
            with pytest.raises(DBAPIError):
                async with database.work(actor) as work:
                    await work.session.execute(away, {"to": to, "id": referral})


async def test_what_is_under_way_keeps_a_partner(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    """Open referrals, consents in force, bookings, clients: each is named, none is counted or told."""
    lead, provider, survivor = town.lead, town.provider, town.counselling.id
    consent = await give_consent(database, keys, town.coordinator, client_id, provider.id)
    referral = await sent_referral(database, keys, town, client_id, consent, provider)
    async with database.work(town.coordinator) as work:
        work.session.add(
            Booking(
                id=uuid4(),
                requester_partner_id=town.coordination.id,
                service_id=provider.service,
                recipient_partner_id=provider.id,
                state=BookingState.REQUESTED,
                language="ti",
                mode=InterpretingMode.PHONE,
                starts_at=work.now + timedelta(days=3),
                minutes=60,
                created_at=work.now,
                updated_at=work.now,
            )
        )
    async with database.work(provider.member) as work:
        await create_client(work, keys, draft())

    async def under_way() -> tuple[UnderWay, ...]:
        with pytest.raises(StillUnderWay) as refused:
            await merge_partners(database, lead, survivor, provider.id)
        with pytest.raises(StillUnderWay) as again:
            async with database.work(lead) as work:
                await ending.delete_partner(work, provider.id, expected_version=1, guard=GUARD, reason="weg")
        assert again.value.under_way == refused.value.under_way
        return refused.value.under_way

    assert await under_way() == (
        UnderWay.OPEN_REFERRALS, UnderWay.OPEN_BOOKINGS, UnderWay.CONSENTS_IN_FORCE, UnderWay.CLIENTS,
    )  # fmt: skip
    with pytest.raises(StillUnderWay) as refused:
        async with database.work(town.coordinator) as work:
            await ending.delete_service(work, provider.service, expected_version=1, guard=GUARD, reason="weg")
    assert refused.value.under_way == (UnderWay.OPEN_REFERRALS, UnderWay.OPEN_BOOKINGS)
    await set_state(database, referral, ReferralState.CLOSED)
    assert UnderWay.OPEN_REFERRALS not in await under_way()
    # the other way round it is no obstacle: the survivor keeps what is its own
    await merge_partners(database, lead, provider.id, town.business.id)


async def set_state(database: Database, referral_id: UUID, state: ReferralState) -> None:
    async with database.work(SYSTEM) as work:
        referral = await work.session.get_one(Referral, referral_id)
        referral.state = state
        referral.state_since = referral.updated_at = work.now


async def test_closed_referrals_stay_with_those_who_had_them(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    """After a merging: the merged one's members read on, the survivor's members read nothing, nothing new."""
    consent = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    referral = await sent_referral(database, keys, town, client_id, consent, town.provider)
    await set_state(database, referral, ReferralState.CLOSED)
    async with database.work(town.coordinator) as work:
        await withdraw_consent(work, consent_id=consent, channel=Channel.PHONE)
    with pytest.raises(NotAllowed):  # its members are not asked by a coordinator
        await merge_partners(database, town.coordinator, town.counselling.id, town.provider.id)

    await merge_partners(database, town.lead, town.counselling.id, town.provider.id)

    for actor in (town.provider.member, town.provider.colleague, town.coordinator):
        found = await view(database, actor, referral)
        assert (found.state, found.recipient_partner_id) == (ReferralState.CLOSED, town.provider.id)
    for actor in (town.counselling.member, town.counselling.colleague):
        with pytest.raises(NotFound):
            await view(database, actor, referral)
    with pytest.raises(NotAllowed) as refused:
        async with database.work(town.provider.member) as work:
            await create_client(work, keys, draft())
    assert refused.value.rule == "organisation-merged-or-deleted"
    # nor does anybody join those who read: the lead could otherwise let the survivor's people in
    for actor in (town.lead, town.provider.member):
        with pytest.raises(NotAllowed) as refused:
            async with database.work(actor) as work:
                await add_member(work, town.provider.id, MemberDraft(name="Neu", role=Role.PARTNER_MEMBER))
        assert refused.value.rule == "organisation-merged-or-deleted"


async def test_nothing_new_begins_at_a_service_that_ends_at_this_very_moment(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    consent = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    async with database.work(town.coordinator) as work:
        await ending.delete_service(
            work, town.provider.service, expected_version=1, guard=GUARD, reason="weg"
        )
    with pytest.raises(NotFound):
        await sent_referral(database, keys, town, client_id, consent, town.provider)


async def test_a_year_after_its_end_only_name_and_tombstone_remain(
    empty_database: Database, keys: KeyStore
) -> None:
    """Until then an entry can come back; the history of living entries stays as it is."""
    begun = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    empty_database.clock = lambda: begun
    town = await make_town(empty_database)
    service = await second_service(empty_database, town.provider)
    async with empty_database.work(town.lead) as work:
        await catalogue.change_partner(
            work,
            town.provider.id,
            catalogue.PartnerChange(
                contact_points=[ContactPoint(kind=ContactKind.EMAIL, value="frau.muster@example.org")],
                note="intern",
            ),
            expected_version=1,
        )
    async with empty_database.work(town.lead) as work:
        await ending.delete_partner(work, town.provider.id, expected_version=2, guard=GUARD, reason="weg")
    kept = "SELECT count(*) FROM entry_version WHERE id = :id"

    async def versions(id_: UUID) -> int:
        async with empty_database.view(SYSTEM) as session:
            return int(await session.scalar(text(kept), {"id": id_}) or 0)

    async with empty_database.work(town.lead) as work:
        await catalogue.change_partner(
            work, town.counselling.id, catalogue.PartnerChange(note="bleibt"), expected_version=1
        )
    empty_database.clock = lambda: begun + timedelta(days=360)
    await run_deletion(empty_database, keys)
    assert (await versions(town.provider.id), await versions(service)) == (2, 2)

    empty_database.clock = lambda: begun + timedelta(days=367)
    await run_deletion(empty_database, keys)

    assert (await versions(town.provider.id), await versions(service)) == (0, 0)
    assert await versions(town.counselling.id) == 1
    async with empty_database.view(SYSTEM) as session:
        row = await session.get_one(Partner, town.provider.id)
        tombstone = await session.get_one(Change, ("PARTNER", town.provider.id))
        assert (row.name, row.contact_points, row.note) == ("provider", (), None)
        assert (tombstone.tombstone, tombstone.version) == (True, 3)
