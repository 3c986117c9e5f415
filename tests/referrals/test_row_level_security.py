"""What the database itself lets an actor see, with raw SQL and no rule of ours in between."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy.exc import IntegrityError

from directory.actors import Actor, Role
from directory.database import Database
from directory.vocabulary import InterpretingMode
from referrals.clients import create_client, exclude
from referrals.models import Approval, Booking, BookingPerson, Feedback, FeedbackCode, Referral
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import Place
from referrals.states import TABLE
from referrals.vocabulary import (
    OPENED_STATES,
    AnswerSource,
    ApprovalMove,
    ApprovalState,
    BookingState,
    DataCategory,
    FeedbackAnswer,
    Reason,
    ReferralState,
)
from tests.referrals.town import Town, draft, give_consent, make_town, purposes, sent_referral

TABLES = (
    "client",
    "client_phase_change",
    "exclusion",
    "consent",
    "consent_part",
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
    """One of everything: a client of the sender, referred to the provider, with what hangs on it."""

    town: Town
    by: Actor
    sender: UUID
    client: UUID
    consent: UUID
    referral: UUID
    booking: UUID
    code: bytes


async def make_scene(database: Database, keys: KeyStore, town: Town, by: Actor, client_id: UUID) -> Scene:
    made = Scene()
    assert by.partner_id is not None
    made.town, made.client, made.by, made.sender = town, client_id, by, by.partner_id
    made.consent = await give_consent(database, keys, by, client_id, town.provider.id)
    made.referral = await sent_referral(database, keys, town, client_id, made.consent, town.provider, by=by)
    made.code = hashlib.sha256(uuid4().bytes).digest()
    made.booking = uuid4()
    if by.partner_id == town.coordination.id:
        async with database.work(town.lead) as work:
            await exclude(work, keys, client_id, work.now.date())
    async with database.work(by) as work:
        now = work.now
        assert by.member_id is not None
        key = await keys.of(client_id)
        code = FeedbackCode(
            id=uuid4(),
            code_hash=made.code,
            referral_id=made.referral,
            client_id=client_id,
            partner_id=made.sender,
            created_at=now,
            expires_at=now + timedelta(days=30),
        )
        work.session.add_all(
            [
                code,
                Booking(
                    id=made.booking,
                    requester_partner_id=made.sender,
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
                    partner_id=made.sender,
                    move=ApprovalMove.ENTERED_IN_ERROR,
                    reason=Reason.WRONG_PERSON,
                    state=ApprovalState.REQUESTED,
                    requested_by=by.member_id,
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
                    partner_id=made.sender,
                    code_id=code.id,
                    answer=FeedbackAnswer.HELPED,
                    source=AnswerSource.CODE,
                    at=now,
                ),
            ]
        )
    return made


@pytest.fixture
async def scene(database: Database, keys: KeyStore, town: Town, client_id: UUID) -> Scene:
    return await make_scene(database, keys, town, town.coordinator, client_id)


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
        "consent_part": 1,
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
        "consent_part": 1,
        "referral": 1,
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
            " VALUES ($1, $2, $3, $4, 'x', $5, $6, 'job', 'NORMAL', '{}', 'DRAFT', now(), NULL, false,"
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
        for table in (*TABLES, "audit", "rule_set"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval(f"SELECT count(*) FROM {table}")
    finally:
        await connection.close()


async def as_clock(app_url: str, statement: str, *values: object) -> None:
    """Change something that no side could, to see what the others then read."""
    async with connected(app_url, {"role": "SYSTEM"}) as connection:
        await connection.execute(statement, *values)


async def test_the_recipient_reads_the_package_in_the_states_that_allow_it(
    app_url: str, scene: Scene
) -> None:
    """Before it opens the package it has topic, language and area only, by raw SQL too."""
    for state in ReferralState:
        await as_clock(app_url, "UPDATE referral SET state = $1 WHERE id = $2", state.value, scene.referral)
        async with connected(app_url, settings_of(scene.town.provider.member)) as connection:
            package = await connection.fetchval("SELECT count(*) FROM referral_package")
        assert package == (state in OPENED_STATES), state


async def test_a_question_asked_after_opening_does_not_close_the_package(app_url: str, scene: Scene) -> None:
    await as_clock(app_url, "UPDATE referral SET state = 'INFO_REQUESTED' WHERE id = $1", scene.referral)
    reads = "SELECT count(*) FROM referral_package"
    async with connected(app_url, settings_of(scene.town.provider.member)) as connection:
        assert await connection.fetchval(reads) == 0
    await as_clock(
        app_url,
        "INSERT INTO referral_event (referral_id, ordinal, at, move, to_state, actor, source, facts)"
        " VALUES ($1, 2, now(), 'ACKNOWLEDGE', 'ACKNOWLEDGED', 'RECIPIENT', 'MEMBER', '{}')",
        scene.referral,
    )
    async with connected(app_url, settings_of(scene.town.provider.member)) as connection:
        assert await connection.fetchval(reads) == 1


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
    await as_clock(app_url, "UPDATE referral SET state = 'ACKNOWLEDGED' WHERE id = $1", scene.referral)
    async with connected(app_url, settings_of(scene.town.provider.member)) as connection:
        await connection.execute(
            "SELECT set_config('app.now', (valid_from + $1::text::interval)::text, true)"
            " FROM consent_part WHERE consent_id = $2",
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
                " updated_at) SELECT gen_random_uuid(), client_id, $1, subject, 'REQUESTED', terms, 1, now(),"
                " now() FROM consent_part",
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
        await connection.execute("UPDATE referral SET state = 'CANCELLED'")  # a move of the sender
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


# --- The policy table once more: every actor, every table, every verb, with raw SQL -----------------------

ACTORS = (
    "unset",
    "anonymous",
    "reader",
    "stranger",
    "foreign_lead",
    "bystander",
    "unopened",
    "recipient",
    "coordinator",
    "admin",
    "lead",
    "feedback_code",
    "answer_link",
    "code_card",
    "token",
    "session",
    "clock",
    "deletion",
)
"""In the columns' order: no settings; nobody; a reader of another municipality; a coordinator and a LEAD of
another town; a partner of the town with no part in it; the recipient before and after it has opened the
package; the sender's coordinator, a colleague who administers, and LEAD; holders of codes; somebody who signs
in with the coordinator's token, or goes on with their session; SYSTEM; SYSTEM in a deletion run."""

MATRIX = """
# table              none anon read stra flea byst unop reci coor admi lead fcod link card tokn sess cloc dele
client               -    -    -    -    -    -    -    -    siu  siu  siu  -    -    -    -    -    siu  siud
consent              -    -    -    -    -    -    -    -    siu  siu  siu  -    -    s    -    -    siu  siud
consent_part         -    -    -    -    -    -    s    s    s    s    s    -    s    s    -    -    s    s
referral             -    -    -    -    -    -    su   su   siu  siu  siu  -    su   su   -    -    siu  siud
booking              -    -    -    -    -    -    su   su   siu  siu  siu  -    -    -    -    -    siu  siud
booking_person       -    -    -    -    -    -    -    -    sid  sid  sid  -    -    -    -    -    sid  sid
client_phase_change  -    -    -    -    -    -    -    -    si   si   si   -    -    -    -    -    si   sid
exclusion            -    -    -    -    -    -    -    -    -    -    sid  -    -    -    -    -    -    sid
erasure              -    -    -    -    -    -    -    -    s    s    si   -    -    -    -    -    si   si
referral_package     -    -    -    -    -    -    -    s    siud siud siud -    s    -    -    -    siud siud
referral_event       -    -    -    -    -    -    s    s    siu  siu  siu  -    si   si   -    -    siu  siud
feedback_code        -    -    -    -    -    -    -    -    siu  siu  siu  su   -    s    -    -    siu  siud
feedback             -    -    -    -    -    -    -    -    si   si   si   si   -    s    -    -    siu  siud
approval             -    -    -    -    -    -    -    -    si   s    s    -    -    -    -    -    siu  siud
answer_link          -    -    -    -    -    -    -    -    siu  siu  siu  -    su   -    -    -    siu  siud
answer_link_use      -    -    -    -    -    -    -    -    -    -    -    -    si   -    -    -    si   sid
code_card            -    -    -    -    -    -    -    -    su   su   su   -    -    s    -    -    siu  siud
card_act             -    -    -    -    -    -    -    -    -    -    -    -    -    siu  -    -    siu  siud
follow_up            -    -    -    -    -    -    -    -    su   su   su   -    -    s    -    -    siu  siud
notice               -    -    -    -    -    -    si   si   i    i    i    -    i    si   -    -    siu  siud
appointment          -    -    -    -    -    -    siu  siu  siu  siu  siu  -    siu  s    -    -    siu  siud
legal_hold           -    -    -    -    -    -    -    -    -    -    siu  -    -    -    -    -    s    siud
deletion_run         -    -    -    -    s    -    -    -    -    -    s    -    -    -    -    -    s    siud
deletion_count       -    -    -    -    -    -    -    -    -    -    s    -    -    -    -    -    s    siud
clock_trouble        -    -    -    -    -    -    -    -    -    -    -    -    -    -    -    -    siud siud
change_request       -    -    -    -    -    -    siu  siu  siu  siu  siu  -    -    -    -    -    siu  siu
entry_version        -    -    -    -    -    -    s    s    s    s    s    -    -    -    -    -    si   sid
not_duplicates       -    -    -    -    -    -    -    -    sid  sd   sd   -    -    -    -    -    sid  sid
upkeep_link          -    -    -    -    -    -    -    -    -    -    -    -    -    -    -    -    sid  sid
member               -    -    -    -    -    -    -    -    s    siu  siu  -    -    -    s    s    siu  siu
access_token         -    -    -    -    -    -    -    -    su   siu  siu  -    -    -    s    -    siu  siud
web_session          -    -    -    -    -    -    -    -    -    sd   sd   -    -    -    -    su   siud siud
saved_search         -    -    -    -    -    -    -    -    siud -    -    -    -    -    -    -    siud siud
member_mailbox       -    -    -    -    -    -    -    -    siud -    -    -    -    -    -    -    siud siud
mailbox_link         -    -    -    -    -    -    -    -    sid  -    -    -    -    -    -    -    sid  sid
idempotency          -    -    -    -    -    -    -    -    siud -    -    -    -    -    -    -    -    siud
audit                -    -    -    -    -    -    -    -    i    -    -    -    -    -    -    -    si   sid
"""
"""s: the row is read, i: one like it can be added, u: it can be changed, d: it can be deleted; -: none."""

CHANGED = {
    "member": "version",
    "access_token": "revoked_at",
    "web_session": "seen_at",
    "saved_search": "version",
    "member_mailbox": "asked_at",
    "mailbox_link": "issued_at",
    "consent_part": "version",
    "change_request": "version",
    "entry_version": "action",
    "not_duplicates": "at",
    "upkeep_link": "issued_at",
    "client": "phase",
    "exclusion": "sealed",
    "client_phase_change": "at",
    "consent": "version",
    "referral": "version",
    "referral_package": "made_at",
    "referral_event": "sealed_text",
    "booking": "version",
    "booking_person": "sealed_name",
    "feedback_code": "used_at",
    "feedback": "sealed_text",
    "approval": "version",
    "notice": "updated_at",
    "answer_link": "used_at",
    "answer_link_use": "at",
    "code_card": "ended_at",
    "card_act": "result_id",
    "follow_up": "version",
    "appointment": "updated_at",
    "legal_hold": "version",
    "deletion_run": "ended_at",
    "deletion_count": "held",
    "clock_trouble": "attempts",
    "erasure": "at",
    "idempotency": "result_id",
    "audit": "action",
}
"""Per table a column that somebody may change, set to what it is."""


async def prepare(
    app_url: str, database: Database, scene: Scene
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """One row in every table that has none yet; return each actor's settings, and which row is meant."""
    town = scene.town
    link, card = hashlib.sha256(uuid4().bytes).digest(), hashlib.sha256(uuid4().bytes).digest()
    token = hashlib.sha256(uuid4().bytes).digest()
    names = (
        "link",
        "card",
        "notice",
        "later",
        "date",
        "hold",
        "count",
        "token",
        "session",
        "request",
        "trouble",
        "upkeep",
        "search",
        "mailbox",
        "apart",
    )
    run, ids = uuid4(), {name: uuid4() for name in names}
    now = datetime.now(UTC)
    soon = now + timedelta(days=9)
    rows: tuple[tuple[str, dict[str, object]], ...] = (
        (
            "answer_link",
            {
                "id": ids["link"],
                "code_hash": link,
                "referral_id": scene.referral,
                "partner_id": scene.sender,
                "recipient_partner_id": town.provider.id,
                "states": ["ACKNOWLEDGED"],
                "issued_at": now,
                "expires_at": soon,
            },
        ),
        (
            "answer_link_use",
            {
                "link_id": ids["link"],
                "key_hash": b"k",
                "input_hash": b"i",
                "answer": "ACCEPT",
                "ended": False,
                "at": now,
            },
        ),
        (
            "code_card",
            {
                "id": ids["card"],
                "code_hash": card,
                "client_id": scene.client,
                "partner_id": scene.sender,
                "language": "de",
                "issued_at": now,
                "expires_at": soon,
            },
        ),
        (
            "card_act",
            {
                "card_id": ids["card"],
                "operation": "x",
                "key_hash": b"k",
                "input_hash": b"i",
                "result_id": uuid4(),
                "at": now,
            },
        ),
        (
            "follow_up",
            {
                "id": ids["later"],
                "referral_id": scene.referral,
                "client_id": scene.client,
                "partner_id": scene.sender,
                "kind": "MONTH",
                "state": "ASKED",
                "closed_at": now,
                "due_at": now,
                "version": 1,
                "created_at": now,
                "updated_at": now,
            },
        ),
        (
            "notice",
            {
                "id": ids["notice"],
                "kind": "REFERRAL_SENT",
                "addressee": "ORGANISATION",
                "partner_id": town.provider.id,
                "about_kind": "REFERRAL",
                "about_id": scene.referral,
                "dedupe": "",
                "state": "PENDING",
                "attempts": 0,
                "created_at": now,
                "updated_at": now,
            },
        ),
        (
            "appointment",
            {
                "id": ids["date"],
                "referral_id": scene.referral,
                "sender_partner_id": scene.sender,
                "recipient_partner_id": town.provider.id,
                "kind": "FIRST_CONTACT",
                "starts_at": soon,
                "minutes": 30,
                "bring": [],
                "state": "SET",
                "told": True,
                "sender_state": "SET",
                "created_at": now,
                "updated_at": now,
            },
        ),
        ("erasure", {"client_id": scene.client, "at": now}),
        *(
            [("exclusion", {"client_id": scene.client, "partner_id": scene.sender, "sealed": b"x"})]
            if scene.sender != town.coordination.id
            else []
        ),
        (
            "access_token",
            {
                "id": ids["token"],
                "member_id": scene.by.member_id,
                "token_hash": token,
                "label": "x",
                "expires_at": soon,
            },
        ),
        (
            "web_session",
            {
                "id": ids["session"],
                "member_id": scene.by.member_id,
                "session_hash": token,
                "seen_at": now,
                "expires_at": soon,
            },
        ),
        (
            "saved_search",
            {
                "id": ids["search"],
                "member_id": scene.by.member_id,
                "name": "x",
                "text": "x",
                "filters": "{}",
                "notify": False,
                "news": "{}",
                "too_broad": False,
                "version": 1,
                "created_at": now,
            },
        ),
        (
            "member_mailbox",
            {
                "member_id": scene.by.member_id,
                "address": "x@example.org",
                "language": "de",
                "asked_at": now,
            },
        ),
        (
            "mailbox_link",
            {
                "id": ids["mailbox"],
                "code_hash": hashlib.sha256(uuid4().bytes).digest(),
                "member_id": scene.by.member_id,
                "address": "x@example.org",
                "issued_at": now,
                "expires_at": soon,
            },
        ),
        (
            "change_request",
            {
                "id": ids["request"],
                "partner_id": town.provider.id,
                "service_id": town.provider.service,
                "field": "CAPACITY",
                "target_id": town.provider.service,
                "reason": "NO_CAPACITY",
                "times": 2,
                "state": "OPEN",
                "opened_at": now,
                "last_at": now,
                "version": 1,
            },
        ),
        (
            "upkeep_link",
            {
                "id": ids["upkeep"],
                "code_hash": hashlib.sha256(uuid4().bytes).digest(),
                "partner_id": town.provider.id,
                "issued_at": now,
                "expires_at": soon,
            },
        ),
        (
            "idempotency",
            {
                "member_id": scene.by.member_id,
                "operation": "x",
                "key": "k" * 9,
                "input_hash": b"i",
                "result_id": uuid4(),
            },
        ),
        (
            "legal_hold",
            {
                "id": ids["hold"],
                "partner_id": scene.sender,
                "client_id": scene.client,
                "reason": "COMPLAINT",
                "set_by": town.lead.member_id,
                "set_at": now,
                "until": soon.date(),
                "version": 1,
            },
        ),
        (
            "clock_trouble",
            {
                "task": "REFERRAL",
                "about_id": ids["trouble"],
                "error": "LookupError",
                "attempts": 1,
                "since": now,
                "next_try_at": now,
            },
        ),
        (
            "entry_version",
            {
                "kind": "SERVICE",
                "id": town.provider.service,
                "version": 1,
                "at": now,
                "municipality_id": town.id,
                "action": "service.create",
                "role": "SYSTEM",
                "base": 1,
                "snapshot": "{}",
            },
        ),
        (
            "not_duplicates",
            {
                "id": ids["apart"],
                "kind": "PARTNER",
                "one": min(town.provider.id, town.counselling.id),
                "other": max(town.provider.id, town.counselling.id),
                "municipality_id": town.id,
                "member_id": scene.by.member_id,
                "at": now,
            },
        ),
        ("deletion_run", {"id": run, "rules": "test", "started_at": now, "ended_at": now}),
        (
            "deletion_count",
            {
                "id": ids["count"],
                "run_id": run,
                "municipality_id": town.id,
                "retention_class": "package",
                "deleted": 1,
                "held": 0,
            },
        ),
    )
    for table, row in rows:
        async with connected(app_url, {"role": "SYSTEM", "deletion_run": str(run)}) as connection:
            into = ", ".join(row)
            marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
            await connection.execute(f"INSERT INTO {table} ({into}) VALUES ({marks})", *row.values())
    elsewhere = await make_town(database)
    actors = {
        "unset": {},
        "anonymous": {"role": "ANONYMOUS"},
        "reader": {**settings_of(elsewhere.coordinator), "role": "OTHER_MUNICIPALITY"},
        "stranger": settings_of(elsewhere.coordinator),
        "foreign_lead": settings_of(elsewhere.lead),
        "bystander": settings_of(town.counselling.member),
        "unopened": settings_of(town.provider.member),
        "recipient": settings_of(town.provider.member),
        "coordinator": settings_of(town.coordinator),
        "admin": settings_of(town.coordination.colleague, administers="true"),
        "lead": settings_of(town.lead),
        "feedback_code": {"role": "ANONYMOUS", "code_hash": scene.code.hex()},
        "answer_link": {"role": "ANONYMOUS", "code_hash": link.hex()},
        "code_card": {"role": "ANONYMOUS", "code_hash": card.hex()},
        "token": {"token_hash": token.hex()},
        "session": {"session_hash": token.hex()},
        "clock": {"role": "SYSTEM"},
        "deletion": {"role": "SYSTEM", "deletion_run": str(run)},
    }
    about = {
        "client": f"id = '{scene.client}'",
        "consent": f"id = '{scene.consent}'",
        "consent_part": f"consent_id = '{scene.consent}'",
        "member": f"id = '{scene.by.member_id}'",
        "access_token": f"id = '{ids['token']}'",
        "web_session": f"id = '{ids['session']}'",
        "saved_search": f"id = '{ids['search']}'",
        "member_mailbox": f"member_id = '{scene.by.member_id}'",
        "mailbox_link": f"id = '{ids['mailbox']}'",
        "change_request": f"id = '{ids['request']}'",
        "entry_version": f"id = '{town.provider.service}' AND snapshot IS NOT NULL",
        "not_duplicates": f"id = '{ids['apart']}'",
        "upkeep_link": f"id = '{ids['upkeep']}'",
        "referral": f"id = '{scene.referral}'",
        "booking": f"id = '{scene.booking}'",
        "booking_person": f"booking_id = '{scene.booking}'",
        **dict.fromkeys(("client_phase_change", "exclusion", "erasure"), f"client_id = '{scene.client}'"),
        **dict.fromkeys(
            ("referral_package", "referral_event", "feedback_code", "feedback", "approval"),
            f"referral_id = '{scene.referral}'",
        ),
        "answer_link": f"id = '{ids['link']}'",
        "answer_link_use": f"link_id = '{ids['link']}'",
        "code_card": f"id = '{ids['card']}'",
        "card_act": f"card_id = '{ids['card']}'",
        "follow_up": f"id = '{ids['later']}'",
        "notice": f"id = '{ids['notice']}'",
        "appointment": f"id = '{ids['date']}'",
        "legal_hold": f"id = '{ids['hold']}'",
        "clock_trouble": f"about_id = '{ids['trouble']}'",
        "deletion_run": f"id = '{run}'",
        "deletion_count": f"id = '{ids['count']}'",
        "idempotency": f"member_id = '{scene.by.member_id}'",
        "audit": f"object_id = '{scene.client}' AND action = 'client.create'",
    }
    return actors, about


# Tries each statement and undoes it: all of them in one call, because there are two thousand. What the
# database refuses for another reason than rights, the rights allow.
TRY = """DO $do$
DECLARE
  tried record;
  done integer;
  reached text[] := '{}';
BEGIN
  FOR tried IN SELECT * FROM jsonb_each_text(current_setting('test.tried')::jsonb) LOOP
    done := 0;
    BEGIN
      EXECUTE tried.value;
      GET DIAGNOSTICS done = ROW_COUNT;
      RAISE EXCEPTION USING ERRCODE = 'ZZ001';
    EXCEPTION
      WHEN SQLSTATE 'ZZ001' OR insufficient_privilege THEN NULL;
      WHEN integrity_constraint_violation THEN done := 1;
    END;
    IF done > 0 THEN
      reached := reached || tried.key;
    END IF;
  END LOOP;
  PERFORM set_config('test.reached', to_jsonb(reached)::text, true);
END $do$"""


async def reached(connection: asyncpg.Connection, tried: Mapping[str, str]) -> set[str]:
    """Which of these statements reach a row."""
    await connection.execute("SELECT set_config('test.tried', $1, true)", json.dumps(tried))
    await connection.execute(TRY)
    return set(json.loads(await connection.fetchval("SELECT current_setting('test.reached')")))


NEW_KEY = """jsonb_build_object('id', CASE WHEN '{row}'::jsonb ->> 'id' ~ '-' THEN gen_random_uuid()::text
  ELSE '900000000' END, 'state', CASE WHEN '{row}'::jsonb ? 'sender_file_number' THEN 'DRAFT'
  ELSE '{row}'::jsonb ->> 'state' END)"""


def statements(table: str, rows: str, row: str) -> dict[str, str]:
    """What is tried on a row, by table and verb; ``row``: the row as JSON, to add one like it."""
    column, like = CHANGED[table], row.replace("'", "''")
    return {
        f"{table} s": f"SELECT FROM {table} WHERE {rows}",
        f"{table} i": f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table},"
        f" '{like}'::jsonb || {NEW_KEY.format(row=like)})",
        f"{table} u": f"UPDATE {table} SET {column} = {column} WHERE {rows}",
        f"{table} d": f"DELETE FROM {table} WHERE {rows}",
    }


async def forced_tables(app_url: str) -> set[str]:
    """Every table under row-level security: each stands in the matrix."""
    async with connected(app_url, {}) as connection:
        rows = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relforcerowsecurity AND relnamespace = 'public'::regnamespace"
        )
    return {row[0] for row in rows}


async def tries(app_url: str, about: Mapping[str, str], deletion: Mapping[str, str]) -> dict[str, str]:
    """Every verb on the row of every table, by table and verb."""
    tried = {}
    for table, rows in about.items():
        async with connected(app_url, deletion) as connection:
            row = await connection.fetchval(f"SELECT to_jsonb(t)::text FROM {table} t WHERE {rows}")
        assert row is not None, table
        if table == "referral":
            row = json.dumps({**json.loads(row), "sent_at": None, "service_id": str(uuid4())})
        if table == "consent":
            decided = ("record", "decided_at", "valid_from", "valid_until", "receipt", "recorded_by")
            row = json.dumps({**json.loads(row), **dict.fromkeys(decided), "sealed_evidence": None})
            row = row.replace('"state": "GIVEN"', '"state": "REQUESTED"')
        tried.update(statements(table, rows, row))
    return tried


async def cells(app_url: str, said: Mapping[str, str], tried: Mapping[str, str]) -> dict[str, str]:
    """What an actor can do, by table."""
    async with connected(app_url, said) as connection:
        reaches = await reached(connection, tried)
    return {
        table: "".join(verb for verb in "siud" if f"{table} {verb}" in reaches) or "-"
        for table in dict.fromkeys(name.split()[0] for name in tried)
    }


def expected(matrix: str, actors: Sequence[str]) -> dict[str, dict[str, str]]:
    rows = [line.split() for line in matrix.strip().splitlines() if not line.startswith("#")]
    return {actor: {table: row[column] for table, *row in rows} for column, actor in enumerate(actors)}


async def test_who_reaches_what_with_raw_sql(app_url: str, database: Database, scene: Scene) -> None:
    actors, about = await prepare(app_url, database, scene)
    assert tuple(actors) == ACTORS
    assert set(about) == set(CHANGED) == await forced_tables(app_url)
    tried = await tries(app_url, about, actors["deletion"])
    found = {}
    for actor, said in actors.items():
        state = "SENT" if actor == "unopened" else "ACKNOWLEDGED"
        await as_clock(app_url, "UPDATE referral SET state = $1 WHERE id = $2", state, scene.referral)
        found[actor] = await cells(app_url, said, tried)

    assert found == expected(MATRIX, ACTORS)


FOUR_EYES = ("asked", "lapsed", "decided", "by_another", "coordinator")
"""A LEAD of the town, about another organisation's referral: asked to confirm a move; when the request has
lapsed; when this LEAD, or another, has confirmed it; and a coordinator of the town while it is asked."""

ASKED_MATRIX = """
# table              ask  laps deci anot coor
approval             s    s    su   s    -
referral             su   -    su   -    -
referral_event       si   -    si   -    -
notice               i    -    i    -    -
deletion_run         s    s    s    s    -
deletion_count       s    s    s    s    -
change_request       siu  siu  siu  siu  siu
entry_version        s    s    s    s    s
not_duplicates       sd   sd   sd   sd   sd
member               siu  siu  siu  siu  -
access_token         siu  siu  siu  siu  -
web_session          sd   sd   sd   sd   -
"""
"""What is not in it, they do not reach at all: no client, no consent, no package, no appointment."""


async def test_a_lead_reaches_another_organisations_referral_while_asked(
    app_url: str, database: Database, keys: KeyStore, town: Town
) -> None:
    by = town.jobcenter.member
    async with database.work(by) as work:
        client_id = await create_client(work, keys, draft())
    scene = await make_scene(database, keys, town, by, client_id)
    actors, about = await prepare(app_url, database, scene)
    tried = await tries(app_url, about, actors["deletion"])
    decide = "UPDATE approval SET state = $2, decided_by = $3 WHERE referral_id = $1"
    found = {}
    for name, actor, state, decided_by in (
        ("asked", town.lead, "REQUESTED", None),
        ("coordinator", town.coordinator, "REQUESTED", None),
        ("lapsed", town.lead, "LAPSED", None),
        ("decided", town.lead, "CONFIRMED", town.lead.member_id),
        ("by_another", town.other_lead, "CONFIRMED", town.lead.member_id),
    ):
        await as_clock(app_url, decide, scene.referral, state, decided_by)
        all_of_it = await cells(app_url, settings_of(actor), tried)
        found[name] = {table: cell for table, cell in all_of_it.items() if cell != "-"}

    assert found == {
        actor: {table: cell for table, cell in column.items() if cell != "-"}
        for actor, column in expected(ASKED_MATRIX, FOUR_EYES).items()
    }


# --- Which column, which move ------------------------------------------------------------------------------


def test_the_database_knows_the_moves_of_the_table() -> None:
    migration = importlib.import_module("migrations.versions.0012_row_security")
    known = {(who, source, target) for who, target, sources in migration.MOVES for source in sources.split()}

    assert known == {
        ("LEAD" if row.four_eyes else who.value, source.value, row.target.value)
        for row in TABLE
        for source in row.sources
        for who in row.who
    }


async def test_every_column_of_a_referral_has_somebody_who_may_change_it_or_nobody(app_url: str) -> None:
    """A new column is the sender's until the migration says otherwise: look at each once."""
    migration = importlib.import_module("migrations.versions.0012_row_security")
    of_recipient = set(migration.OF_RECIPIENT.split()) | set(migration.OF_EVERY_MOVE.split())
    of_sender = {
        "sender_member_id", "sender_deputy_id", "sender_file_number", "topic", "language", "area", "priority",
        "categories", "consent_id", "capacity_reason", "sent_at", "feedback_asked", "closed_at", "disputed",
        "unconfirmed", "sender_read",
    }  # fmt: skip

    assert {column.name for column in Referral.__table__.columns} == (
        of_recipient | of_sender | set(migration.NEVER_CHANGE.split())
    )


@pytest.mark.parametrize(
    ("who", "change"),
    [
        ("recipient", "sender_file_number = 'x'"),
        ("recipient", "categories = '{HEALTH}'"),
        ("recipient", "priority = 'URGENT'"),
        ("recipient", "consent_id = NULL"),
        ("recipient", "sent_at = now()"),
        ("recipient", "closed_at = now()"),
        ("recipient", "sender_member_id = NULL"),
        ("recipient", "feedback_asked = 'ANSWERED'"),
        ("recipient", "state = 'CLOSED'"),
        ("recipient", "state = 'CANCELLED'"),
        ("recipient", "state = 'EXPIRED'"),
        ("recipient", "state = 'CONSENT_REVOKED'"),
        ("recipient", "state = 'ENTERED_IN_ERROR'"),
        ("sender", "recipient_member_id = sender_member_id"),
        ("sender", "state = 'CLOSED'"),
        ("sender", "state = 'EXPIRED'"),
        ("sender", "state = 'DRAFT'"),
        ("sender", "state = 'ENTERED_IN_ERROR'"),
        ("lead", "state = 'ENTERED_IN_ERROR'"),
    ],
)
async def test_no_side_changes_what_is_not_its_own(app_url: str, scene: Scene, who: str, change: str) -> None:
    town = scene.town
    actor = {"recipient": town.provider.member, "sender": town.coordinator, "lead": town.other_lead}[who]
    async with connected(app_url, settings_of(actor)) as connection:
        assert not await done(connection, f"UPDATE referral SET {change} WHERE id = $1", scene.referral)


@pytest.mark.parametrize(
    ("who", "change"),
    [
        ("recipient", "state = 'ACKNOWLEDGED', recipient_member_id = acting_member(), version = version + 1"),
        ("recipient", "state = 'DECLINED', decline_reason = 'NO_CAPACITY', declined_by = 'PARTNER'"),
        ("recipient", "recipient_file_number = 'AZ 7'"),
        ("sender", "state = 'ACCEPTED', recipient_contact = 'Zimmer 12', expected_end = '2027-01-01'"),
        ("sender", "state = 'CANCELLED', reason = 'PERSON_MOVED'"),
        ("sender", "sender_file_number = 'AZ 8'"),
    ],
)
async def test_each_side_makes_its_own_moves(app_url: str, scene: Scene, who: str, change: str) -> None:
    actor = scene.town.provider.member if who == "recipient" else scene.town.coordinator
    async with connected(app_url, settings_of(actor)) as connection:
        assert await done(connection, f"UPDATE referral SET {change} WHERE id = $1", scene.referral)


async def done(connection: asyncpg.Connection, statement: str, *values: object) -> bool:
    """Whether the statement changed something; refused by a right or a rule is False. Undone either way."""
    undone = connection.transaction()
    await undone.start()
    try:
        return not (await connection.execute(statement, *values)).endswith(" 0")
    except (asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError):
        return False
    finally:
        await undone.rollback()


async def test_nothing_is_sent_without_a_consent_that_covers_it(
    app_url: str, database: Database, keys: KeyStore, scene: Scene
) -> None:
    town = scene.town
    other = await give_consent(
        database, keys, town.coordinator, scene.client, town.business.id, asked=purposes(DataCategory.LEVEL)
    )
    drafted = uuid4()
    send = (
        "UPDATE referral SET state = 'SENT', sent_at = now(), consent_id = $2, categories = $3 WHERE id = $1"
    )
    async with connected(app_url, settings_of(town.coordinator)) as connection:
        await connection.execute(
            "INSERT INTO referral (id, municipality_id, sender_partner_id, client_id, pseudonym, service_id,"
            " recipient_partner_id, topic, priority, categories, state, state_since, place_taken, overdue,"
            " disputed, unconfirmed, version, created_at, updated_at)"
            " VALUES ($1, $2, $3, $4, 'x', $5, $6, 'job', 'NORMAL', '{LEVEL}', 'DRAFT', now(), false,"
            " false, false, false, 1, now(), now())",
            drafted,
            town.id,
            town.coordination.id,
            scene.client,
            town.business.service,
            town.business.id,
        )
        assert not await done(connection, send, drafted, None, ["LEVEL"])
        assert not await done(connection, send, drafted, scene.consent, ["LEVEL"])  # names another recipient
        assert not await done(connection, send, drafted, other, ["LEVEL", "HEALTH"])
        await connection.execute("SELECT set_config('app.now', '2100-01-01', true)")
        assert not await done(connection, send, drafted, other, ["LEVEL"])
        await connection.execute("SELECT set_config('app.now', '', true)")
        assert await done(connection, send, drafted, other, ["LEVEL"])


async def test_what_happened_stays_and_what_is_erased_stays_erased(app_url: str, scene: Scene) -> None:
    async with connected(app_url, settings_of(scene.town.coordinator)) as connection:
        for statement in (
            "UPDATE referral_event SET move = 'CLOSE'",
            "UPDATE referral_event SET sealed_text = 'x'",
            "DELETE FROM referral_event",
            "UPDATE client SET partner_id = gen_random_uuid()",
            "DELETE FROM client",
            "UPDATE audit SET action = 'x'",
            "INSERT INTO audit (role, action, object_kind, object_id, details)"
            " VALUES ('LEAD', 'x', 'client', gen_random_uuid(), '{}')",
        ):
            assert not await done(connection, statement), statement
        await connection.execute(
            "UPDATE client SET erased_at = now(), sealed_identity = NULL, sealed_contact = NULL,"
            " sealed_profile = NULL, name_index = '{}'"
        )
        for statement in (
            "UPDATE client SET erased_at = NULL",
            "UPDATE client SET sealed_identity = 'x'",
            "UPDATE client SET name_index = ARRAY['x'::bytea]",
        ):
            assert not await done(connection, statement), statement


async def test_a_request_for_four_eyes_is_decided_by_another(app_url: str, scene: Scene) -> None:
    town = scene.town
    decide = "UPDATE approval SET state = 'CONFIRMED', decided_by = $1, decided_at = acting_now()"
    said = {**settings_of(town.lead), "now": "2026-11-22T12:00:00+00:00"}
    async with connected(app_url, said) as connection:
        assert not await done(connection, decide, town.other_lead.member_id)
        await connection.execute(decide, town.lead.member_id)
        correct = "UPDATE referral SET state = 'ENTERED_IN_ERROR', reason = 'WRONG_PERSON' WHERE id = $1"
        assert await done(connection, correct, scene.referral)


# --- Rows about what is another's --------------------------------------------------------------------------

OWNERS = ("partner_id", "sender_partner_id", "recipient_partner_id", "requester_partner_id")
ACTED = ("member_id", "issued_by", "requested_by", "set_by", "recorded_by")


async def rows_of(app_url: str, about: Mapping[str, str], deletion: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for table, rows in about.items():
        async with connected(app_url, deletion) as connection:
            one = await connection.fetchval(f"SELECT to_jsonb(t)::text FROM {table} t WHERE {rows}")
        found[table] = json.loads(one)
    return found


def under_own_name(table: str, row: dict[str, Any], actor: Actor) -> dict[str, str]:
    """A row like another organisation's, with the own organisation and member in every place in turn."""
    plain: dict[str, Any] = {"sent_at": None, "state": "DRAFT", "consent_id": None}
    plain["service_id"] = str(uuid4())
    decided = ("record", "decided_at", "valid_from", "valid_until", "receipt", "sealed_evidence")
    asked: dict[str, Any] = {"state": "REQUESTED", **dict.fromkeys(decided)}
    made = {}
    for column in OWNERS:
        if column not in row:
            continue
        changed = {**row, column: str(actor.partner_id)}
        changed |= {name: str(actor.member_id) for name in ACTED if name in row}
        changed |= {"referral": plain, "consent": asked}.get(table, {})
        if "code_hash" in row:
            changed["code_hash"] = f"\\x{uuid4().hex * 2}"
        made[f"{table} {column}"] = statements(table, "false", json.dumps(changed))[f"{table} i"]
    return made


async def test_nobody_makes_a_row_about_what_is_anothers(
    app_url: str, database: Database, scene: Scene
) -> None:
    """A foreign referral, person or consent with the own organisation beside it would be a way in."""
    actors, about = await prepare(app_url, database, scene)
    rows = await rows_of(app_url, about, actors["deletion"])
    elsewhere = await make_town(database)
    # what anybody may make of their own: somebody to interpret, a hint about an entry
    own = {"booking requester_partner_id", "change_request partner_id"}
    for actor, more in (
        (scene.town.counselling.member, set()),
        (scene.town.jobcenter.member, set()),
        (elsewhere.coordinator, {"audit partner_id"}),
        (elsewhere.lead, {"member partner_id"}),
        (scene.town.provider.member, {"appointment recipient_partner_id", "notice partner_id"}),
    ):
        tried = {
            name: statement
            for table, row in rows.items()
            if table != "client"
            for name, statement in under_own_name(table, row, actor).items()
        }
        async with connected(app_url, settings_of(actor)) as connection:
            assert await reached(connection, tried) == own | more, actor.role


@pytest.mark.slow
async def test_no_row_is_given_away_or_taken(app_url: str, database: Database, scene: Scene) -> None:
    """Members but for one who keeps those of the whole town."""
    actors, about = await prepare(app_url, database, scene)
    rows = await rows_of(app_url, about, actors["deletion"])
    elsewhere = await make_town(database)
    for actor in (scene.town.coordinator, scene.town.lead, scene.town.provider.member, elsewhere.lead):
        for partner in (elsewhere.coordination.id, scene.town.counselling.id, actor.partner_id):
            for table, row in rows.items():
                if (table, actor.role) == ("member", Role.LEAD):
                    continue
                for column in (name for name in OWNERS if row.get(name) not in {None, str(partner)}):
                    change = f"UPDATE {table} SET {column} = '{partner}' WHERE {about[table]}"
                    async with connected(app_url, settings_of(actor, administers="true")) as connection:
                        with suppress(asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError):
                            done = await connection.execute(change)
                            assert done == "UPDATE 0", (actor.role, change)


async def test_a_link_is_made_for_who_received_the_referral(app_url: str, scene: Scene) -> None:
    town = scene.town
    for recipient in (town.provider.id, town.coordination.id, town.jobcenter.id):
        async with connected(app_url, settings_of(town.coordinator)) as connection:
            add = connection.execute(
                "INSERT INTO answer_link (id, code_hash, referral_id, partner_id, recipient_partner_id,"
                " states, issued_at, expires_at)"
                " VALUES ($1, $2, $3, $4, $5, '{ACKNOWLEDGED}', now(), now())",
                uuid4(),
                uuid4().bytes,
                scene.referral,
                scene.sender,
                recipient,
            )
            if recipient == town.provider.id:
                await add
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await add


async def test_what_was_shown_before_data_were_entered_stays(app_url: str, scene: Scene) -> None:
    change = "UPDATE client SET section_87_notice = $2 WHERE id = $1"
    for actor in (settings_of(scene.town.lead), {"role": "SYSTEM"}):
        async with connected(app_url, actor) as connection:
            with pytest.raises(asyncpg.RestrictViolationError):
                await connection.execute(change, scene.client, '{"shown_at": "2026-01-01T00:00:00Z"}')


async def test_the_service_escapes_nowhere(app_url: str) -> None:
    """No function runs as its owner but one with a path of its own; nothing is emptied, copied or made."""
    async with connected(app_url, {}) as connection:
        definers = await connection.fetch(
            "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        )
        assert all(row["proconfig"] and "search_path=pg_catalog" in row["proconfig"][0] for row in definers)
        may_empty = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            " AND has_table_privilege(oid, 'TRUNCATE, TRIGGER, REFERENCES')"
        )
        assert may_empty == []
    for forbidden in (
        "COPY client TO PROGRAM 'true'",
        "COPY client FROM '/dev/null'",
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT lo_import('/etc/hostname')",
        "SET ROLE postgres",
        "ALTER TABLE client DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE client NO FORCE ROW LEVEL SECURITY",
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ):
        async with connected(app_url, {}) as connection:
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError)):
                await connection.execute(forbidden)
