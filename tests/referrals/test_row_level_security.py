"""What the database itself lets an actor see, with raw SQL and no rule of ours in between."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy.exc import IntegrityError

from directory.actors import Actor, Role
from directory.database import Database
from directory.vocabulary import InterpretingMode
from referrals.clients import exclude
from referrals.keystore import KeyStore
from referrals.models import Approval, Booking, BookingPerson, Feedback, FeedbackCode
from referrals.sealing import Place
from referrals.vocabulary import (
    AnswerSource,
    ApprovalMove,
    ApprovalState,
    BookingState,
    FeedbackAnswer,
    Reason,
    ReferralState,
)
from tests.referrals.town import Town, give_consent, make_town, sent_referral

TABLES = (
    "client",
    "client_phase_change",
    "exclusion",
    "consent",
    "referral",
    "referral_package",
    "referral_event",
    "booking",
    "booking_person",
    "feedback_code",
    "feedback",
    "approval",
)


class Scene:
    """One of everything: a client of the coordination, referred to the provider, with what hangs on it."""

    town: Town
    client: UUID
    consent: UUID
    referral: UUID
    booking: UUID
    code: bytes


@pytest.fixture
async def scene(database: Database, keys: KeyStore, town: Town, client_id: UUID) -> Scene:
    made = Scene()
    made.town, made.client = town, client_id
    made.consent = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    made.referral = await sent_referral(database, keys, town, client_id, made.consent, town.provider)
    made.code = hashlib.sha256(uuid4().bytes).digest()
    made.booking = uuid4()
    async with database.work(town.lead) as work:
        await exclude(work, keys, client_id, work.now.date())
    async with database.work(town.coordinator) as work:
        now = work.now
        assert town.coordinator.member_id is not None
        key = await keys.of(client_id)
        code = FeedbackCode(
            id=uuid4(),
            code_hash=made.code,
            referral_id=made.referral,
            client_id=client_id,
            partner_id=town.coordination.id,
            created_at=now,
            expires_at=now + timedelta(days=30),
        )
        work.session.add_all(
            [
                code,
                Booking(
                    id=made.booking,
                    requester_partner_id=town.coordination.id,
                    service_id=town.provider.service,
                    recipient_partner_id=town.provider.id,
                    state=BookingState.REQUESTED,
                    language="ti",
                    mode=InterpretingMode.PHONE,
                    starts_at=now + timedelta(days=3),
                    minutes=60,
                    created_at=now,
                    updated_at=now,
                ),
                Approval(
                    referral_id=made.referral,
                    municipality_id=town.id,
                    partner_id=town.coordination.id,
                    move=ApprovalMove.ENTERED_IN_ERROR,
                    reason=Reason.WRONG_PERSON,
                    state=ApprovalState.REQUESTED,
                    requested_by=town.coordinator.member_id,
                    requested_at=now,
                    lapses_at=now + timedelta(days=3),
                ),
            ]
        )
        await work.session.flush()
        work.session.add_all(
            [
                BookingPerson(
                    booking_id=made.booking,
                    client_id=client_id,
                    sealed_name=key.seal(b"x", Place("booking_person", "sealed_name", made.booking)),
                ),
                Feedback(
                    referral_id=made.referral,
                    partner_id=town.coordination.id,
                    code_id=code.id,
                    answer=FeedbackAnswer.HELPED,
                    source=AnswerSource.CODE,
                    at=now,
                ),
            ]
        )
    return made


@asynccontextmanager
async def connected(app_url: str, settings: Mapping[str, str]) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(app_url)
    try:
        async with connection.transaction():
            for name, value in settings.items():
                await connection.execute("SELECT set_config($1, $2, true)", f"app.{name}", value)
            yield connection
    finally:
        await connection.close()


async def rows_seen(app_url: str, settings: Mapping[str, str]) -> dict[str, int]:
    """How many rows each table shows; the tables that show none are left out."""
    found = {}
    async with connected(app_url, settings) as connection:
        for table in TABLES:
            found[table] = await connection.fetchval(f"SELECT count(*) FROM {table}")
    return {table: count for table, count in found.items() if count}


def settings_of(actor: Actor, **more: str) -> dict[str, str]:
    return {
        "role": actor.role.value,
        "member": str(actor.member_id or ""),
        "partner": str(actor.partner_id or ""),
        "municipality": str(actor.municipality_id or ""),
        **more,
    }


async def test_each_sees_exactly_their_part(app_url: str, database: Database, scene: Scene) -> None:
    town = scene.town
    sender = {
        "client": 1,
        "client_phase_change": 1,
        "consent": 1,
        "referral": 1,
        "referral_package": 1,
        "referral_event": 1,
        "booking": 1,
        "booking_person": 1,
        "feedback_code": 1,
        "feedback": 1,
        "approval": 1,
    }
    recipient = {
        "consent": 1,
        "referral": 1,
        "referral_package": 1,
        "referral_event": 1,
        "booking": 1,
    }
    elsewhere = await make_town(database)
    for who, expected in (
        (town.coordinator, sender),
        (town.coordination.colleague, sender),
        (town.lead, {**sender, "exclusion": 1}),
        (town.provider.member, recipient),
        (town.counselling.member, {}),
        (town.jobcenter.member, {}),
        (elsewhere.lead, {}),
        (elsewhere.coordinator, {}),
        (elsewhere.provider.member, {}),
    ):
        assert await rows_seen(app_url, settings_of(who)) == expected, who.role


async def test_a_lead_sees_a_foreign_referral_only_while_asked_for_four_eyes(
    app_url: str, database: Database, keys: KeyStore, scene: Scene
) -> None:
    """Sent by another organisation of the town: the referral and the request, no client, no package."""
    town = scene.town
    async with connected(app_url, settings_of(town.jobcenter.member)) as connection:
        await connection.execute(
            "INSERT INTO client (id, partner_id, pseudonym, phase, languages, needs, supported_before,"
            " name_index, version, created_at, updated_at)"
            " VALUES ($1, $2, $3, 'CLEARING', '{}', '{}', false, '{}', 1, now(), now())",
            (client := uuid4()),
            town.jobcenter.id,
            f"K-{uuid4()}",
        )
        await connection.execute(
            "INSERT INTO referral (id, municipality_id, sender_partner_id, client_id, pseudonym, service_id,"
            " recipient_partner_id, topic, priority, categories, state, state_since, sent_at, place_taken,"
            " overdue, disputed, unconfirmed, version, created_at, updated_at)"
            " VALUES ($1, $2, $3, $4, 'x', $5, $6, 'job', 'NORMAL', '{}', 'SENT', now(), now(), false,"
            " false, false, false, 1, now(), now())",
            (referral := uuid4()),
            town.id,
            town.jobcenter.id,
            client,
            town.provider.service,
            town.provider.id,
        )
    seen = "SELECT count(*) FROM referral WHERE id = $1"
    async with connected(app_url, settings_of(town.lead)) as connection:
        assert await connection.fetchval(seen, referral) == 0
    async with connected(app_url, settings_of(town.jobcenter.member)) as connection:
        await connection.execute(
            "INSERT INTO approval (id, referral_id, municipality_id, partner_id, move, reason, state,"
            " requested_by, requested_at, lapses_at, version) VALUES"
            " ($1, $2, $3, $4, 'ENTERED_IN_ERROR', 'WRONG_PERSON', 'REQUESTED', $5, now(), now(), 1)",
            uuid4(),
            referral,
            town.id,
            town.jobcenter.id,
            town.jobcenter.member.member_id,
        )
    async with connected(app_url, settings_of(town.lead)) as connection:
        assert await connection.fetchval(seen, referral) == 1
        assert await connection.fetchval("SELECT count(*) FROM client WHERE id = $1", client) == 0
    async with connected(app_url, settings_of(town.coordinator)) as connection:
        assert await connection.fetchval(seen, referral) == 0


NOBODY: tuple[dict[str, str], ...] = (
    {},
    {"role": ""},
    {"role": "ANONYMOUS"},
    {"role": "OTHER_MUNICIPALITY", "municipality": "own"},
    {"role": "COORDINATOR"},
    {"role": "LEAD", "municipality": "own"},
    {"role": "COORDINATOR", "partner": "own"},
    {"role": "LEAD", "partner": "own", "municipality": "own"},
    {"role": "ANONYMOUS", "partner": "own", "member": "own"},
    {"role": "OTHER_MUNICIPALITY", "partner": "own", "member": "own", "municipality": "own"},
    {"role": "system"},
    {"role": "COORDINATOR", "partner": "foreign", "member": "own"},
    {"role": "LEAD", "partner": "foreign", "member": "foreign", "municipality": "foreign"},
    {"role": "ANONYMOUS", "code_hash": "00" * 32},
)
"""Settings of a transaction that name nobody who may see anything; ``own`` stands for the sender's ids."""


async def test_unset_and_foreign_settings_see_nothing(app_url: str, scene: Scene) -> None:
    own = {
        "partner": str(scene.town.coordination.id),
        "member": str(scene.town.coordinator.member_id),
        "municipality": str(scene.town.id),
    }
    for settings in NOBODY:
        said = {
            name: own[name] if value == "own" else str(uuid4()) if value == "foreign" else value
            for name, value in settings.items()
        }
        assert await rows_seen(app_url, said) == {}, settings
        async with connected(app_url, said) as connection:
            assert await connection.fetchval("SELECT count(*) FROM audit") == 0, settings
            for statement in (
                "UPDATE client SET phase = 'NO_NEEDS'",
                "UPDATE consent SET state = 'WITHDRAWN'",
                "UPDATE referral SET state = 'CLOSED'",
                "DELETE FROM referral_package",
                "DELETE FROM exclusion",
                "UPDATE approval SET state = 'CONFIRMED'",
                "UPDATE feedback_code SET used_at = now()",
            ):
                assert (await connection.execute(statement)).endswith(" 0"), (settings, statement)


async def test_a_setting_left_over_is_gone_with_its_transaction(app_url: str, scene: Scene) -> None:
    connection = await asyncpg.connect(app_url)
    try:
        async with connection.transaction():
            for name, value in settings_of(scene.town.coordinator).items():
                await connection.execute("SELECT set_config($1, $2, true)", f"app.{name}", value)
            assert await connection.fetchval("SELECT count(*) FROM client") == 1
        assert await connection.fetchval("SELECT count(*) FROM client") == 0
    finally:
        await connection.close()


async def test_the_reader_is_refused(reader_url: str, scene: Scene) -> None:
    connection = await asyncpg.connect(reader_url)
    try:
        await connection.execute("SELECT set_config('app.role', 'SYSTEM', false)")
        for table in (*TABLES, "audit", "project_rule"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval(f"SELECT count(*) FROM {table}")
    finally:
        await connection.close()


async def test_the_recipient_reads_the_package_in_the_states_that_allow_it(
    app_url: str, scene: Scene
) -> None:
    allowed = {"SENT", "ACKNOWLEDGED", "INFO_REQUESTED", "WAITLISTED", "ACCEPTED", "IN_PROGRESS", "ON_HOLD"}
    allowed.add("OUTCOME_REPORTED")
    for state in ReferralState:
        async with connected(app_url, settings_of(scene.town.coordinator)) as connection:
            await connection.execute("UPDATE referral SET state = $1", state.value)
        async with connected(app_url, settings_of(scene.town.provider.member)) as connection:
            package = await connection.fetchval("SELECT count(*) FROM referral_package")
        assert package == (state in allowed), state


@pytest.mark.parametrize("state", [ReferralState.DRAFT, ReferralState.AWAITING_CONSENT])
async def test_what_is_not_sent_does_not_exist_for_the_recipient(
    app_url: str, database: Database, keys: KeyStore, town: Town, client_id: UUID, state: ReferralState
) -> None:
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    await sent_referral(database, keys, town, client_id, consent_id, town.provider, state=state)
    async with connected(app_url, settings_of(town.provider.member)) as connection:
        for table in TABLES:
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table


@pytest.mark.parametrize(
    ("moment", "seen"), [("-1 second", 0), ("0 seconds", 1), ("11 months", 1), ("1 year", 0)]
)
async def test_the_package_is_read_while_the_consent_is_in_force(
    app_url: str, scene: Scene, moment: str, seen: int
) -> None:
    async with connected(app_url, settings_of(scene.town.provider.member)) as connection:
        await connection.execute(
            "SELECT set_config('app.now', (valid_from + $1::text::interval)::text, true)"
            " FROM consent WHERE id = $2",
            moment,
            scene.consent,
        )
        assert await connection.fetchval("SELECT count(*) FROM referral_package") == seen


async def test_a_recipient_changes_neither_package_nor_consent(app_url: str, scene: Scene) -> None:
    async with connected(app_url, settings_of(scene.town.provider.member)) as connection:
        for statement in (
            "UPDATE referral_package SET sealed = ''",
            "DELETE FROM referral_package",
            "UPDATE consent SET state = 'WITHDRAWN'",
            "UPDATE client SET phase = 'NO_NEEDS'",
        ):
            assert (await connection.execute(statement)).endswith(" 0"), statement


async def test_a_recipient_cannot_make_itself_a_referral_or_a_consent(app_url: str, scene: Scene) -> None:
    town = scene.town
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with connected(app_url, settings_of(town.provider.member)) as connection:
            await connection.execute(
                "INSERT INTO consent (id, client_id, partner_id, subject, state, terms, version, created_at,"
                " updated_at) SELECT gen_random_uuid(), client_id, $1, subject, 'GIVEN', terms, 1, now(),"
                " now() FROM consent",
                town.provider.id,
            )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with connected(app_url, settings_of(town.provider.member)) as connection:
            await connection.execute("UPDATE referral SET recipient_partner_id = $1", town.counselling.id)


async def test_the_name_is_seen_by_the_interpreters_only_once_confirmed(app_url: str, scene: Scene) -> None:
    for state, seen in (("CONFIRMED", 1), ("DONE", 0), ("CANCELLED", 0)):
        async with connected(app_url, settings_of(scene.town.provider.member)) as connection:
            await connection.execute("UPDATE booking SET state = $1", state)
            assert await connection.fetchval("SELECT count(*) FROM booking_person") == seen


async def test_a_code_opens_its_own_referral_and_nothing_else(
    app_url: str, database: Database, keys: KeyStore, scene: Scene
) -> None:
    other = await sent_referral(
        database,
        keys,
        scene.town,
        scene.client,
        await give_consent(database, keys, scene.town.coordinator, scene.client, scene.town.business.id),
        scene.town.business,
    )
    by_code = {"role": "ANONYMOUS", "code_hash": scene.code.hex()}

    assert await rows_seen(app_url, by_code) == {
        "referral": 1,
        "referral_event": 1,
        "feedback_code": 1,
        "feedback": 1,
    }
    async with connected(app_url, by_code) as connection:
        await connection.execute(
            "INSERT INTO feedback (id, referral_id, partner_id, code_id, answer, source, at)"
            " SELECT gen_random_uuid(), referral_id, partner_id, id, 'HELPED', 'CODE', now()"
            " FROM feedback_code"
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with connected(app_url, by_code) as connection:
            await connection.execute(
                "INSERT INTO feedback (id, referral_id, partner_id, code_id, answer, source, at)"
                " SELECT gen_random_uuid(), $1, partner_id, id, 'HELPED', 'CODE', now() FROM feedback_code",
                other,
            )
    late = {**by_code, "now": "2100-01-01T00:00:00+00:00"}
    assert await rows_seen(app_url, late) == {"feedback_code": 1}


async def test_a_package_is_erased_only_after_its_referral_has_ended(app_url: str, scene: Scene) -> None:
    async with connected(app_url, settings_of(scene.town.coordinator)) as connection:
        assert await connection.fetchval("SELECT erase_package($1)", scene.referral) is False
        await connection.execute("UPDATE referral SET state = 'CANCELLED'")
        assert await connection.fetchval("SELECT erase_package($1)", scene.referral) is True
        assert await connection.fetchval("SELECT count(*) FROM referral_package") == 0
        assert await connection.fetchval("SELECT current_setting('app.role')") == "COORDINATOR"
    async with connected(app_url, settings_of(scene.town.jobcenter.member)) as connection:
        assert await connection.fetchval("SELECT erase_package($1)", scene.referral) is False


async def test_there_is_one_open_referral_of_a_client_to_a_service(
    database: Database, keys: KeyStore, scene: Scene
) -> None:
    with pytest.raises(IntegrityError, match="referral_one_open"):
        await sent_referral(
            database,
            keys,
            scene.town,
            scene.client,
            scene.consent,
            scene.town.provider,
            state=ReferralState.DRAFT,
        )
    await sent_referral(
        database,
        keys,
        scene.town,
        scene.client,
        scene.consent,
        scene.town.provider,
        state=ReferralState.CLOSED,
    )


async def test_roles_are_spelled_as_the_policies_expect() -> None:
    assert {role.value for role in Role} == {
        "COORDINATOR",
        "LEAD",
        "PARTNER_MEMBER",
        "OTHER_MUNICIPALITY",
        "ANONYMOUS",
        "SYSTEM",
    }
