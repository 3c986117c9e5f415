"""What is due goes when it is due and not before, with a proof that adds up; a hold keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from directory.actors import SYSTEM
from directory.database import Database
from directory.problems import InvalidInput, NotAllowed, NotFound, StaleVersion
from referrals.clients import create_client
from referrals.consent.consents import expire_due
from referrals.personal_data import retention
from referrals.personal_data.erasing import erase_client
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.retention import BY_KEY, CLASSES, Period, Proof, cutoff, due_at, run_deletion
from referrals.problems import Erased
from referrals.vocabulary import HoldReason, ReferralState
from tests.referrals.town import Town, draft, give_consent, make_town, sent_referral

BEGUN = datetime(2026, 3, 10, 9, tzinfo=UTC)
MOMENTS = st.integers(946684800, 4102444800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
PERIODS = st.one_of(
    st.builds(Period, days=st.integers(0, 400), months=st.integers(0, 30), years=st.integers(0, 10)),
    st.builds(Period, years=st.integers(0, 10), to_year_end=st.just(True)),
)


@pytest.mark.parametrize(
    ("period", "since", "due"),
    [
        (Period(days=30), "2026-03-10T09:00+01:00", "2026-04-09T09:00+02:00"),
        (Period(months=6), "2026-08-31T12:00+02:00", "2027-02-28T12:00+01:00"),
        (Period(years=2), "2024-02-29T12:00+01:00", "2026-02-28T12:00+01:00"),
        (Period(years=3, to_year_end=True), "2026-03-10T09:00+01:00", "2030-01-01T00:00+01:00"),
        (Period(years=3, to_year_end=True), "2026-12-31T23:30+00:00", "2031-01-01T00:00+01:00"),
    ],
)
def test_a_period_counts_on_the_calendar_of_berlin(period: Period, since: str, due: str) -> None:
    assert due_at(period, datetime.fromisoformat(since)) == datetime.fromisoformat(due)


@settings(max_examples=200)
@given(PERIODS, MOMENTS, MOMENTS)
def test_nothing_is_deleted_early_and_nothing_more_than_days_late(
    period: Period, since: datetime, now: datetime
) -> None:
    deleted = since < cutoff(period, now)

    assert not deleted or due_at(period, since) <= now
    assert deleted or now <= due_at(period, since) + timedelta(days=4)


def test_every_class_says_why_in_both_languages() -> None:
    for entry in CLASSES:
        for texts in (entry.what, entry.since, entry.reason):
            assert set(texts) == {"de", "en"}, entry.key
            assert all(texts.values()), entry.key
    assert len(BY_KEY) == len(CLASSES)
    assert {entry.key for entry in CLASSES if entry.automatic} == set(retention._STEPS)


# --- The run ------------------------------------------------------------------------------------------------


class World:
    """A town in a database of its own, whose clock the test sets."""

    def __init__(self, database: Database, keys: KeyStore, town: Town, client: UUID) -> None:
        self.database, self.keys, self.town, self.client = database, keys, town, client

    def at(self, moment: datetime) -> None:
        self.database.clock = lambda: moment

    async def run(self, *, dry_run: bool = False, batch: int = 200) -> dict[str, int]:
        proof = await run_deletion(self.database, self.keys, dry_run=dry_run, batch=batch)
        return totals(proof)

    async def write(self, statement: str, **values: object) -> None:
        async with self.database.work(SYSTEM) as work:
            await work.session.execute(text("SELECT set_config('app.deletion_run', 'test', true)"))
            await work.session.execute(text(statement), values)

    async def count(self, rows: str) -> int:
        async with self.database.view(SYSTEM) as session:
            await session.execute(text("SELECT set_config('app.deletion_run', 'test', true)"))
            return int(await session.scalar(text(f"SELECT count(*) FROM {rows}")) or 0)

    async def ended(self, state: ReferralState = ReferralState.CLOSED) -> UUID:
        """A referral that ended when the world began."""
        consent = await give_consent(
            self.database, self.keys, self.town.coordinator, self.client, self.town.provider.id
        )
        return await sent_referral(
            self.database, self.keys, self.town, self.client, consent, self.town.provider, state=state
        )


def totals(proof: Proof) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in proof.lines:
        found[line.retention_class] = found.get(line.retention_class, 0) + line.deleted
    return {key: count for key, count in found.items() if count}


@pytest.fixture
async def world(empty_database: Database, keys: KeyStore) -> AsyncIterator[World]:
    empty_database.clock = lambda: BEGUN
    town = await make_town(empty_database)
    async with empty_database.work(town.coordinator) as work:
        client = await create_client(work, keys, draft())
    yield World(empty_database, keys, town, client)


def row(table: str, **values: str) -> str:
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})"


async def fill(world: World, referral: UUID) -> None:
    """One row in every class that hangs on this referral or stands alone, begun when the world began."""
    town = world.town
    said = {
        "now": BEGUN,
        "referral": referral,
        "client": world.client,
        "sender": town.coordination.id,
        "recipient": town.provider.id,
        "service": town.provider.service,
        "member": town.coordinator.member_id,
        "booking": uuid4(),
        "hash": hashlib.sha256(uuid4().bytes).digest(),
        "town": town.id,
    }
    new = "gen_random_uuid()"
    for statement in (
        "UPDATE referral_event SET sealed_text = NULL",
        row(
            "feedback",
            id=new,
            referral_id=":referral",
            partner_id=":sender",
            answer="'HELPED'",
            sealed_text=":hash",
            source="'PHONE'",
            at=":now",
        ),
        row(
            "booking",
            id=":booking",
            requester_partner_id=":sender",
            service_id=":service",
            recipient_partner_id=":recipient",
            state="'DONE'",
            language="'ti'",
            mode="'PHONE'",
            starts_at="CAST(:now AS timestamptz) - interval '1 hour'",
            minutes="60",
            gender_wish="'NONE'",
            version="1",
            created_at=":now",
            updated_at=":now",
        ),
        row("booking_person", booking_id=":booking", client_id=":client", sealed_name=":hash"),
        row(
            "appointment",
            id=new,
            referral_id=":referral",
            sender_partner_id=":sender",
            recipient_partner_id=":recipient",
            kind="'FIRST_CONTACT'",
            starts_at=":now",
            minutes="30",
            bring="'{}'",
            state="'SET'",
            told="true",
            sender_state="'SET'",
            created_at=":now",
            updated_at=":now",
        ),
        row(
            "feedback_code",
            id=new,
            code_hash=":hash",
            referral_id=":referral",
            client_id=":client",
            partner_id=":sender",
            created_at=":now",
            expires_at=":now",
        ),
        row(
            "code_card",
            id=new,
            code_hash=":hash",
            client_id=":client",
            partner_id=":sender",
            language="'de'",
            issued_at=":now",
            expires_at=":now",
        ),
        row(
            "answer_link",
            id=new,
            code_hash=":hash",
            referral_id=":referral",
            partner_id=":sender",
            recipient_partner_id=":recipient",
            states="'{}'",
            issued_at=":now",
            expires_at=":now",
        ),
        row(
            "notice",
            id=new,
            kind="'REFERRAL_SENT'",
            addressee="'ORGANISATION'",
            partner_id=":recipient",
            about_kind="'REFERRAL'",
            about_id=":referral",
            dedupe="''",
            state="'SENT'",
            attempts="1",
            created_at=":now",
            updated_at=":now",
        ),
        row(
            "idempotency",
            member_id=":member",
            operation="'x'",
            key="'kkkkkkkkk'",
            input_hash=":hash",
            result_id=new,
            at=":now",
        ),
        row(
            "access_token",
            id=new,
            member_id=":member",
            token_hash=":hash",
            label="'x'",
            created_at=":now",
            expires_at=":now",
        ),
        row(
            "web_session",
            id=new,
            member_id=":member",
            session_hash=":hash",
            created_at=":now",
            seen_at=":now",
            expires_at=":now",
        ),
        row(
            "audit",
            at=":now",
            role="'SYSTEM'",
            action="'member.remove'",
            object_kind="'member'",
            object_id=":member",
            details="'{}'",
        ),
        row(
            "audit",
            at=":now",
            role="'SYSTEM'",
            action="'client.view'",
            object_kind="'client'",
            object_id=":client",
            details="'{}'",
        ),
        "UPDATE member SET active = false WHERE id = :member",
    ):
        names = {name for name in said if f":{name}" in statement}
        await world.write(statement, **{name: said[name] for name in names})


LEFT = {
    "package": "referral_package",
    "feedback-text": "feedback WHERE sealed_text IS NOT NULL",
    "booking-name": "booking_person",
    "booking": "booking",
    "appointment": "appointment",
    "feedback-code": "feedback_code",
    "code-card": "code_card",
    "answer-link": "answer_link",
    "notice": "notice",
    "idempotency": "idempotency",
    "access-token": "access_token",
    "web-session": "web_session",
    "member": "member WHERE name <> '–' AND NOT active",
    "client": "client WHERE erased_at IS NULL",
    "audit-reading": "audit WHERE action = 'client.view'",
    "audit": "audit WHERE action = 'member.remove'",
    "referral": "referral",
}
"""Per class what is left of it; each began when the world began."""


@pytest.mark.slow
async def test_each_class_goes_when_it_is_due_and_not_before(world: World) -> None:
    referral = await world.ended()
    await fill(world, referral)
    due = {key: due_at(BY_KEY[key].period, BEGUN) for key in LEFT}
    for moment in sorted(set(due.values())):
        keys = [key for key in LEFT if due[key] == moment]
        world.at(moment - timedelta(seconds=1))
        assert not set(keys) & set(await world.run(dry_run=True)), keys
        assert {key: await world.count(LEFT[key]) for key in keys} == dict.fromkeys(keys, 1)
        world.at(moment + timedelta(seconds=1))
        planned = await world.run(dry_run=True)
        done = await world.run()
        assert {key: min(1, done.get(key, 0)) for key in keys} == dict.fromkeys(keys, 1)
        assert {key: planned.get(key) for key in keys} == {key: done.get(key) for key in keys}
        assert {key: await world.count(LEFT[key]) for key in keys} == dict.fromkeys(keys, 0)
    assert set(await world.run()) <= {"audit"}  # what the audit says of the runs themselves


async def test_what_remains_of_a_person_goes_at_last(world: World) -> None:
    referral = await world.ended()
    world.at(BEGUN + timedelta(days=800))
    async with world.database.work(SYSTEM) as work:
        assert await expire_due(work) == 1
    first = await world.run()
    assert first["package"] == 1
    assert await world.count(f"referral WHERE id = '{referral}'") == 1
    world.at(BEGUN + timedelta(days=5 * 366))
    assert (await world.run())["client"] == 1
    with pytest.raises(Erased):
        await world.keys.of(world.client)
    world.at(BEGUN + timedelta(days=7 * 366))
    second = await world.run()
    assert (second["referral"], second["consent"]) == (1, 1)
    world.at(BEGUN + timedelta(days=11 * 366))
    assert (await world.run())["client-skeleton"] == 1
    for table in ("client", "client_phase_change", "consent", "referral", "referral_event"):
        assert await world.count(table) == 0, table


async def test_a_referral_that_was_never_sent_goes_sooner(world: World) -> None:
    await world.ended(ReferralState.DRAFT)
    await world.write("UPDATE referral SET state = 'ABANDONED'")
    world.at(BEGUN + timedelta(days=190))

    assert (await world.run())["unsent-referral"] == 1
    assert await world.count("referral_event") == 0


async def test_what_is_open_stays(world: World) -> None:
    await world.ended(ReferralState.IN_PROGRESS)
    world.at(BEGUN + timedelta(days=20 * 366))
    done = await world.run()

    assert not {"package", "referral", "client", "consent"} & set(done)
    assert await world.count("referral_package") == 1


# --- Hold ---------------------------------------------------------------------------------------------------


async def test_a_hold_keeps_everything_of_a_person_until_it_is_lifted(world: World) -> None:
    await world.ended()
    day = BEGUN + timedelta(days=35)
    world.at(day)
    async with world.database.work(world.town.lead) as work:
        hold = await retention.set_hold(
            work, world.client, HoldReason.LEGAL_CLAIM, (day + timedelta(days=100)).date()
        )
    proof = await run_deletion(world.database, world.keys)
    assert [(line.retention_class, line.deleted, line.held) for line in proof.lines] == [("package", 0, 1)]
    assert await world.count("referral_package") == 1
    async with world.database.work(world.town.lead) as work:
        with pytest.raises(StaleVersion):
            await retention.lift_hold(work, hold, 7)
        await retention.lift_hold(work, hold, 1)
    async with world.database.view(world.town.lead) as session:
        views = await retention.list_holds(session, world.town.lead, day)
    assert [(view.in_force, view.reason) for view in views] == [(False, HoldReason.LEGAL_CLAIM)]
    assert (await world.run())["package"] == 1


async def test_a_hold_on_a_referral_keeps_the_persons_key_with_it_and_ends_by_itself(world: World) -> None:
    held = await world.ended()
    day = BEGUN + timedelta(days=1)
    world.at(day)
    async with world.database.work(world.town.lead) as work:
        await retention.set_hold(
            work,
            world.client,
            HoldReason.COURT_OR_AUTHORITY,
            (day + timedelta(days=3 * 365)).date(),
            referral_id=held,
        )
    world.at(BEGUN + timedelta(days=2 * 366))
    assert "client" not in await world.run()
    world.at(BEGUN + timedelta(days=3 * 366 + 10))
    assert (await world.run())["client"] == 1


async def test_a_hold_stops_erasing_by_hand_too(world: World) -> None:
    lead = world.town.lead
    async with world.database.work(lead) as work:
        hold = await retention.set_hold(work, world.client, HoldReason.COMPLAINT, BEGUN.date())
    with pytest.raises(InvalidInput) as refused:
        async with world.database.work(lead) as work:
            await erase_client(work, world.client, 1)
    assert refused.value.reason == "legal-hold"
    async with world.database.work(lead) as work:
        await retention.lift_hold(work, hold, 1)
    async with world.database.work(lead) as work:
        await erase_client(work, world.client, 1)


async def test_who_sets_a_hold_and_what_it_must_say(world: World) -> None:
    town, today = world.town, BEGUN.date()
    for actor, refused in ((town.coordinator, NotAllowed), (town.jobcenter.member, NotFound)):
        with pytest.raises(refused):
            async with world.database.work(actor) as work:
                await retention.set_hold(work, world.client, HoldReason.COMPLAINT, today)
    for until in (today - timedelta(days=1), date(2036, 1, 1)):
        with pytest.raises(InvalidInput):
            async with world.database.work(town.lead) as work:
                await retention.set_hold(work, world.client, HoldReason.COMPLAINT, until)
    with pytest.raises(InvalidInput):
        async with world.database.work(town.lead) as work:
            await retention.set_hold(work, world.client, HoldReason.COMPLAINT, today, referral_id=uuid4())


# --- Cut off, twice at once, proof -------------------------------------------------------------------------


async def test_a_run_that_was_cut_off_is_gone_on_with_and_its_proof_adds_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        await world.ended(ReferralState.EXPIRED)
    world.at(BEGUN + timedelta(days=40))
    calls = 0
    add_up = retention._add_up

    async def killed(*given: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:  # deleted, but not committed
            raise asyncpg.PostgresConnectionError("gone")
        await add_up(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(retention, "_add_up", killed)
    with pytest.raises(Exception, match="PostgresConnectionError"):
        await run_deletion(world.database, world.keys, batch=2)
    assert await world.count("referral_package") == 3
    assert await world.count("deletion_run WHERE ended_at IS NULL") == 1
    monkeypatch.undo()
    proof = await run_deletion(world.database, world.keys, batch=2)

    assert await world.count("referral_package") == 0
    assert await world.count("deletion_run") == 1
    (line,) = proof.lines
    assert (line.retention_class, line.municipality_id, line.deleted) == ("package", world.town.id, 5)
    assert line.oldest_due == line.newest_due == due_at(BY_KEY["package"].period, BEGUN)
    assert proof.ended_at is not None
    assert proof.rules == retention.RULES


async def test_a_dry_run_writes_nothing(world: World) -> None:
    await world.ended()
    world.at(BEGUN + timedelta(days=40))

    assert await world.run(dry_run=True) == {"package": 1}
    assert await world.count("deletion_run") == 0
    assert await world.count("referral_package") == 1


async def test_a_lead_reads_the_proofs_of_the_own_municipality_only(world: World) -> None:
    await world.ended()
    world.at(BEGUN + timedelta(days=40))
    await world.run()
    elsewhere = await make_town(world.database)
    seen = {}
    for name, lead in (("own", world.town.lead), ("foreign", elsewhere.lead)):
        async with world.database.view(lead) as session:
            (proof,) = await retention.list_runs(session, lead)
            seen[name] = [line.deleted for line in proof.lines]
    assert seen == {"own": [1], "foreign": []}
    async with world.database.view(world.town.coordinator) as session:
        with pytest.raises(NotAllowed):
            await retention.list_runs(session, world.town.coordinator)
