"""A recipient reads its own part of a consent, a token opens its own row: the database alone, raw SQL."""

from __future__ import annotations

import hashlib
from uuid import UUID

import asyncpg
import msgspec
import pytest
from sqlalchemy import text

from directory.actors import SYSTEM, Actor, Role
from directory.database import Database
from directory.membership import MemberDraft, add_member, authenticate, create_token
from directory.problems import NotFound
from referrals.consent.consents import view_consent, withdraw_consent
from referrals.consent.rules import terms_for
from referrals.models import Consent
from referrals.personal_data.keystore import KeyStore
from referrals.values import ConsentTerms
from referrals.vocabulary import Channel, ConsentState, Purpose, ReferralState, WithdrawalScope
from tests.referrals.test_row_level_security import as_clock, connected, done, settings_of
from tests.referrals.town import Organisation, Town, give_consent, sent_referral

PARTS = "SELECT recipient_partner_id, state, terms, report_back_ended FROM consent_part WHERE consent_id = $1"


class Two:
    """A consent that names the provider, the counselling office and the school; two got referrals."""

    consent: UUID
    client: UUID


@pytest.fixture
async def two(database: Database, keys: KeyStore, town: Town, client_id: UUID) -> Two:
    made = Two()
    made.client = client_id
    named = (town.provider, town.counselling, town.school)
    made.consent = await give_consent(
        database, keys, town.coordinator, client_id, *(organisation.id for organisation in named)
    )
    for organisation in named[:2]:
        await sent_referral(
            database,
            keys,
            town,
            client_id,
            made.consent,
            organisation,
            state=ReferralState.ACKNOWLEDGED,
        )
    return made


async def parts(app_url: str, actor: Actor, consent_id: UUID) -> dict[UUID, asyncpg.Record]:
    async with connected(app_url, settings_of(actor)) as connection:
        return {row[0]: row for row in await connection.fetch(PARTS, consent_id)}


# --- A recipient's part of a consent -----------------------------------------------------------------


async def test_each_part_is_the_terms_as_that_recipient_may_see_them(
    app_url: str, database: Database, town: Town, two: Two
) -> None:
    """The counselling office is bound by § 203 StGB: its release is in its own part, and in no other."""
    async with database.view(town.coordinator) as session:
        terms = (await session.get_one(Consent, two.consent)).terms
    kept = await parts(app_url, town.coordinator, two.consent)

    assert set(kept) == {town.provider.id, town.counselling.id, town.school.id}
    for recipient, row in kept.items():
        assert msgspec.json.decode(row["terms"], type=ConsentTerms) == terms_for(terms, recipient)
    assert len(terms.releases) > len(terms_for(terms, town.provider.id).releases)


async def test_a_recipient_reads_nothing_of_another_recipient(app_url: str, town: Town, two: Two) -> None:
    """Named in the consent but never sent anything, the school reads nothing at all."""
    for organisation, seen in ((town.provider, True), (town.counselling, True), (town.school, False)):
        async with connected(app_url, settings_of(organisation.member)) as connection:
            assert await connection.fetchval("SELECT count(*) FROM consent") == 0
            rows = await connection.fetch("SELECT to_jsonb(p)::text AS part FROM consent_part p")
        assert len(rows) == seen
        others = {town.provider.id, town.counselling.id, town.school.id} - {organisation.id}
        assert all(str(other) not in row["part"] for row in rows for other in others)


async def test_a_recipient_sees_the_same_through_the_views(database: Database, town: Town, two: Two) -> None:
    async with database.view(town.provider.member) as session:
        view = await view_consent(session, town.provider.member, two.consent, database.clock())
    assert [party.partner_id for party in view.terms.recipients] == [town.provider.id]
    assert (view.state, view.evidence_kept, view.recorded_by, view.receipt) == (
        ConsentState.GIVEN,
        False,
        None,
        None,
    )
    async with database.view(town.school.member) as session:
        with pytest.raises(NotFound):
            await view_consent(session, town.school.member, two.consent, database.clock())


@pytest.mark.parametrize(
    ("scope", "what", "told"),
    [
        (WithdrawalScope.ALL, {}, {"provider": True, "counselling": True}),
        (WithdrawalScope.PURPOSE, {"purpose": Purpose.REPORT_BACK}, {"provider": True, "counselling": True}),
        (WithdrawalScope.RECIPIENT, {"recipient": "provider"}, {"provider": True, "counselling": False}),
    ],
)
async def test_a_withdrawal_shows_in_the_parts_in_its_own_transaction(
    app_url: str,
    database: Database,
    town: Town,
    two: Two,
    scope: WithdrawalScope,
    what: dict[str, object],
    told: dict[str, bool],
) -> None:
    """``told``: whose reports ended with it; before it commits nobody sees anything of it."""
    given = {
        key: getattr(town, str(value)).id if key == "recipient" else value for key, value in what.items()
    }
    async with database.work(town.coordinator) as work:
        await withdraw_consent(
            work,
            consent_id=two.consent,
            expected_version=2,
            scope=scope,
            channel=Channel.IN_PERSON,
            **given,  # type: ignore[arg-type]
        )
        before = await parts(app_url, town.provider.member, two.consent)
        assert before[town.provider.id]["state"] == ConsentState.GIVEN
    after = await parts(app_url, town.coordinator, two.consent)

    assert {row["state"] for row in after.values()} <= {ConsentState.WITHDRAWN, ConsentState.SUPERSEDED}
    for name, ended in told.items():
        part = after[getattr(town, name).id]
        assert (part["report_back_ended"] or part["state"] == ConsentState.WITHDRAWN) is ended, name


async def test_nobody_writes_a_part_but_the_record(app_url: str, town: Town, two: Two) -> None:
    """Not the controller, not the recipient, not the clock, not a deletion run: it deletes records."""
    for said in (
        settings_of(town.coordinator),
        settings_of(town.provider.member),
        {"role": "SYSTEM"},
        {"role": "SYSTEM", "deletion_run": str(two.consent)},
    ):
        async with connected(app_url, said) as connection:
            for statement in (
                "UPDATE consent_part SET state = 'GIVEN'",
                "UPDATE consent_part SET valid_until = '2100-01-01'",
                "DELETE FROM consent_part",
                "INSERT INTO consent_part SELECT (jsonb_populate_record(p, jsonb_build_object("
                "'recipient_partner_id', gen_random_uuid()))).* FROM consent_part p",
            ):
                assert not await done(connection, statement), (said, statement)


async def test_parts_are_deleted_with_their_record(app_url: str, town: Town, two: Two) -> None:
    async with connected(
        app_url, {"role": "SYSTEM", "deletion_run": "9d5a0bd5-8f0e-4f0f-8a5f-6f36f5a9b5b7"}
    ) as connection:
        of = "SELECT id FROM referral WHERE consent_id = $1"
        for statement in (
            "DELETE FROM referral_package WHERE consent_id = $1",
            f"DELETE FROM referral_event WHERE referral_id IN ({of})",
            "DELETE FROM referral WHERE consent_id = $1",
            "DELETE FROM consent WHERE id = $1",
        ):
            assert not (await connection.execute(statement, two.consent)).endswith(" 0"), statement
        assert await connection.fetch(PARTS, two.consent) == []


async def test_a_package_opens_by_the_part_of_its_own_recipient(
    app_url: str, database: Database, town: Town, two: Two
) -> None:
    """A referral that came to rest on a consent naming others opens nothing, whatever the record says."""
    package = "SELECT count(*) FROM referral_package"
    async with connected(app_url, settings_of(town.counselling.member)) as connection:
        assert await connection.fetchval(package) == 1
    async with database.work(town.coordinator) as work:
        await withdraw_consent(
            work,
            consent_id=two.consent,
            expected_version=2,
            scope=WithdrawalScope.RECIPIENT,
            recipient=town.counselling.id,
            channel=Channel.IN_PERSON,
        )
    async with database.view(SYSTEM) as session:
        rest = await session.scalar(
            text("SELECT superseded_by_id FROM consent WHERE id = :id"), {"id": two.consent}
        )
    await as_clock(
        app_url,
        "UPDATE referral SET consent_id = $1, state = 'ACKNOWLEDGED' WHERE recipient_partner_id = $2",
        rest,
        town.counselling.id,
    )
    for organisation, opened in ((town.counselling, 0), (town.provider, 1)):
        async with connected(app_url, settings_of(organisation.member)) as connection:
            assert await connection.fetchval(package) == opened


# --- Signing in ------------------------------------------------------------------------


async def member_with_token(
    database: Database, organisation: Organisation, *, by: Actor = SYSTEM
) -> tuple[UUID, str]:
    async with database.work(by) as work:
        entry = await add_member(work, organisation.id, MemberDraft(name="Kim Muster"))
        return entry.id, (await create_token(work, entry.id, "x")).secret


def hashed(secret: str) -> dict[str, str]:
    return {"token_hash": hashlib.sha256(secret.encode()).hexdigest()}


async def test_a_token_opens_its_own_row_and_its_member_and_nothing_else(
    app_url: str, database: Database, town: Town
) -> None:
    member_id, secret = await member_with_token(database, town.provider)
    await member_with_token(database, town.provider)
    async with connected(app_url, hashed(secret)) as connection:
        assert [row[0] for row in await connection.fetch("SELECT id FROM member")] == [member_id]
        assert [row[0] for row in await connection.fetch("SELECT member_id FROM access_token")] == [member_id]
        assert not await done(connection, "UPDATE access_token SET revoked_at = now()")
        assert not await done(connection, "UPDATE member SET role = 'LEAD'")
        assert await connection.fetchval("SELECT count(*) FROM client") == 0


async def test_a_token_opens_nothing_for_who_acts_already(
    app_url: str, database: Database, town: Town
) -> None:
    """Also, the policies of the two tables do not go round in a circle."""
    member_id, secret = await member_with_token(database, town.provider)
    said = {**settings_of(town.jobcenter.member), **hashed(secret), "administers": "true"}
    async with connected(app_url, said) as connection:
        mine = await connection.fetch("SELECT partner_id FROM member")
        assert {row[0] for row in mine} == {town.jobcenter.id}
        assert (
            await connection.fetchval("SELECT count(*) FROM access_token WHERE member_id = $1", member_id)
            == 0
        )


async def test_signing_in_leaves_nothing_open(database: Database, town: Town) -> None:
    """The connection that signed somebody in sees nothing of it afterwards, in that transaction too."""
    member_id, secret = await member_with_token(database, town.provider)
    who = await authenticate(database, secret)
    assert who is not None
    assert who.member_id == member_id
    async with database.engine.connect() as connection:
        await connection.execute(
            text("SELECT * FROM holder_of_access_token(:hash, now())"),
            {"hash": hashlib.sha256(secret.encode()).digest()},
        )
        assert await connection.scalar(text("SELECT count(*) FROM access_token")) == 0
        assert await connection.scalar(text("SELECT count(*) FROM member")) == 0


async def test_names_of_members_end_at_the_organisation(app_url: str, database: Database, town: Town) -> None:
    """Colleagues read one another; the LEAD reads the town's; a recipient never its sender's people."""
    member_id, _ = await member_with_token(database, town.provider)
    readers: tuple[tuple[Actor, bool], ...] = (
        (town.provider.member, True),
        (town.lead, True),
        (town.coordinator, False),
        (town.jobcenter.member, False),
    )
    for actor, sees in readers:
        async with connected(app_url, settings_of(actor)) as connection:
            found = await connection.fetchval("SELECT count(*) FROM member WHERE id = $1", member_id)
            assert found == sees, actor.role
            tokens = await connection.fetchval(
                "SELECT count(*) FROM access_token WHERE member_id = $1", member_id
            )
            assert tokens == (actor.role is Role.LEAD), actor.role


async def test_only_who_administers_changes_members(app_url: str, town: Town) -> None:
    change = "UPDATE member SET name = 'x' WHERE id = $1"
    for administers, changes in (("", False), ("true", True)):
        said = settings_of(town.provider.member, administers=administers)
        async with connected(app_url, said) as connection:
            assert await done(connection, change, town.provider.colleague.member_id) is changes
            assert not await done(connection, change, town.coordinator.member_id)
            moved = "UPDATE member SET partner_id = $2 WHERE id = $1"
            assert not await done(connection, moved, town.provider.colleague.member_id, town.jobcenter.id)
