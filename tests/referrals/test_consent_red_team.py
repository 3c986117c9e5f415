"""Attacks on consent: copies, edits, gaps, other people's consents, and races with the withdrawal.

No read that begins after a withdrawal has committed gives data; nothing rests on a consent that the person
did not give for exactly this.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from directory.actors import SYSTEM, Actor
from directory.database import Database
from directory.days import local_day
from directory.problems import InvalidInput, NotFound, Problem, StaleVersion
from referrals import answering, exchange
from referrals.clients import create_client
from referrals.consent.consents import (
    record_consent,
    renew_consent,
    request_consent,
    shown_notice,
    unanswered_revocations,
    view_consent,
    warnings_of,
    withdraw_consent,
    withdrawal_receipt,
)
from referrals.models import Consent, Notice, Referral, ReferralEvent, ReferralPackage
from referrals.personal_data.keystore import KeyStore
from referrals.problems import ConsentMissing, ConsentNotOpen, PackageClosed, TransitionNotAllowed
from referrals.values import ConsentEvidence, Identity, Kept, NoticeShown
from referrals.vocabulary import (
    Channel,
    ConsentState,
    ConsentWarning,
    GivenBy,
    NoticeKind,
    Purpose,
    ReferralState,
    RevocationAnswer,
    WithdrawalScope,
)
from tests.referrals.desk import Desk, at
from tests.referrals.town import Town, draft, give_consent, purposes, record, sent_referral, shown_of

EVERY = {Purpose.REFERRAL, Purpose.REPORT_BACK, Purpose.FEEDBACK}


async def asked(database: Database, town: Town, client_id: UUID, *recipients: UUID) -> UUID:
    async with database.work(town.coordinator) as work:
        return await request_consent(
            work, client_id=client_id, recipients=recipients or (town.provider.id,), purposes=purposes()
        )


async def decide(
    database: Database, keys: KeyStore, actor: Actor, consent_id: UUID, notice: NoticeShown, **changes: object
) -> None:
    """Record that everything was granted, after this notice."""
    given: dict[str, object] = {"evidence": ConsentEvidence(reference="7"), "granted": EVERY}
    recorded = {name: changes.pop(name) for name in ("given_by",) if name in changes}
    async with database.work(actor) as work:
        await record_consent(
            work,
            keys,
            consent_id=consent_id,
            expected_version=1,
            record=record(work.now, notice=notice, **recorded),
            **{**given, **changes},  # type: ignore[arg-type]
        )


async def notice_of(database: Database, actor: Actor, consent_id: UUID, language: str = "ti") -> NoticeShown:
    async with database.work(actor) as work:
        return await shown_of(work, consent_id, language)


async def consent_of(database: Database, referral_id: UUID) -> UUID:
    async with database.view(SYSTEM) as session:
        found = await session.scalar(select(Referral.consent_id).where(Referral.id == referral_id))
    assert found is not None
    return found


async def withdraw(desk: Desk, consent_id: UUID, **part: object) -> object:
    async with desk.database.work(desk.town.coordinator) as work:
        return await withdraw_consent(
            work,
            consent_id=consent_id,
            channel=Channel.IN_PERSON,
            **part,  # type: ignore[arg-type]
        )


async def sealed(database: Database, actor: Actor, referral_id: UUID) -> int:
    """How many packages raw SQL gives this actor."""
    async with database.view(actor) as session:
        return int(
            await session.scalar(
                text("SELECT count(*) FROM referral_package WHERE referral_id = :id AND sealed IS NOT NULL"),
                {"id": referral_id},
            )
            or 0
        )


# --- What was shown ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", ["sha256", "language", "version", "text_id"])
async def test_a_changed_notice_is_refused(
    database: Database, keys: KeyStore, town: Town, client_id: UUID, changed: str
) -> None:
    consent_id = await asked(database, town, client_id)
    true = await notice_of(database, town.coordinator, consent_id)
    other = {"sha256": "0" * 64, "language": "ar", "version": "2020-01", "text_id": "notice"}[changed]
    with pytest.raises(InvalidInput) as refused:
        await decide(
            database, keys, town.coordinator, consent_id, msgspec.structs.replace(true, **{changed: other})
        )
    assert refused.value.reason in {"notice-changed", "notice-unknown"}
    await decide(database, keys, town.coordinator, consent_id, true)


async def test_a_copy_of_what_was_shown_for_another_recipient_is_no_proof(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    given = await asked(database, town, client_id)
    copied = await notice_of(database, town.coordinator, given)
    await decide(database, keys, town.coordinator, given, copied)
    other = await asked(database, town, client_id, town.school.id)

    with pytest.raises(InvalidInput) as refused:
        await decide(database, keys, town.coordinator, other, copied)

    assert (refused.value.field, refused.value.reason) == ("record.notice.sha256", "notice-changed")


async def test_what_was_shown_is_made_again_from_the_record_byte_for_byte(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    consent_id = await asked(database, town, client_id, town.provider.id, town.school.id)
    async with database.view(town.coordinator) as session:
        before = await shown_notice(session, town.coordinator, consent_id, "fa")
    true = await notice_of(database, town.coordinator, consent_id, "fa")
    await decide(database, keys, town.coordinator, consent_id, true, released=False)
    async with database.work(town.coordinator) as work:
        done = await withdraw_consent(
            work,
            consent_id=consent_id,
            channel=Channel.PHONE,
            scope=WithdrawalScope.RECIPIENT,
            recipient=town.school.id,
        )

    assert done.remaining_consent_id is not None
    async with database.view(town.coordinator) as session:
        for one in (consent_id, done.remaining_consent_id):
            after = await shown_notice(session, town.coordinator, one)
            assert after == before
            assert after.sha256 == true.sha256


async def test_only_the_controller_reads_what_was_shown(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    consent_id = await consent_of(database, sent.id)
    await desk.as_(town.provider.member, lambda work: answering.acknowledge(work, sent.id, sent.version))
    for actor in (town.provider.member, town.school.member, town.jobcenter.member):
        async with database.view(actor) as session:
            with pytest.raises(NotFound):
                await shown_notice(session, actor, consent_id)


# --- Terms that were never put before the person ----------------------------------------------------------


async def test_nobody_is_asked_for_nobody(database: Database, town: Town, client_id: UUID) -> None:
    with pytest.raises(InvalidInput) as refused:
        async with database.work(town.coordinator) as work:
            await request_consent(work, client_id=client_id, recipients=[], purposes=purposes())
    assert (refused.value.field, refused.value.reason) == ("recipients", "required")


@pytest.mark.parametrize(
    "edit",
    [
        "terms = jsonb_set(terms, '{recipients}', '[]')",
        "terms = jsonb_set(terms, '{purposes,0,categories}', '[\"HEALTH\"]')",
        "terms = jsonb_set(terms, '{purposes,1,report_depth}', '\"CONTACT_MADE\"')",
        "terms = jsonb_set(terms, '{controller,name}', '\"Other\"')",
        'terms = terms || \'{"releases": [{"released": "1", "towards": "2"}]}\'',
        "client_id = gen_random_uuid()",
        "subject = 'K-OTHER'",
    ],
)
@pytest.mark.parametrize("state", ["REQUESTED", "GIVEN"])
async def test_nobody_goes_back_to_edit_the_terms_even_with_raw_sql(
    database: Database, keys: KeyStore, town: Town, client_id: UUID, edit: str, state: str
) -> None:
    consent_id = await asked(database, town, client_id)
    if state == "GIVEN":
        true = await notice_of(database, town.coordinator, consent_id)
        await decide(database, keys, town.coordinator, consent_id, true)
    for actor in (town.coordinator, SYSTEM):
        with pytest.raises(DBAPIError):
            async with database.work(actor) as work:
                await work.session.execute(
                    text(f"UPDATE consent SET {edit} WHERE id = :id"), {"id": consent_id}
                )
    # deciding cannot carry an edit along either
    with pytest.raises(DBAPIError):
        async with database.work(town.coordinator) as work:
            await work.session.execute(
                text(f"UPDATE consent SET state = 'GIVEN', {edit} WHERE id = :id"), {"id": consent_id}
            )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"client_id": ":other"},
        {"terms": "jsonb_set(terms, '{purposes,0,granted}', 'true')"},
        {"valid_until": "valid_until + interval '1 year'"},
        {"supersedes_id": "id", "terms": "jsonb_set(terms, '{purposes,2,granted}', 'true')"},
        {"supersedes_id": "id", "valid_until": "valid_until + interval '1 day'"},
        {"supersedes_id": "id", "client_id": ":other"},
        {"supersedes_id": "id", "subject": "'K-OTHER'"},
        {
            "supersedes_id": "id",
            "terms": "jsonb_set(terms, '{recipients,0,partner_id}', to_jsonb(gen_random_uuid()))",
        },
    ],
)
async def test_a_given_consent_cannot_be_copied(
    database: Database, keys: KeyStore, town: Town, client_id: UUID, change: dict[str, str]
) -> None:
    consent_id = await give_consent(
        database,
        keys,
        town.coordinator,
        client_id,
        town.provider.id,
        granted={Purpose.REFERRAL, Purpose.REPORT_BACK},
    )
    async with database.work(town.coordinator) as work:
        other = await create_client(work, keys, draft(identity=Identity(family_name="Andere")))
    columns = [
        "client_id",
        "partner_id",
        "subject",
        "state",
        "terms",
        "record",
        "decided_at",
        "recorded_by",
        "valid_from",
        "valid_until",
        "version",
        "created_at",
        "updated_at",
    ]
    names = [*columns, *(name for name in change if name not in columns)]
    values = [change.get(name, name) for name in names]
    with pytest.raises(DBAPIError):
        async with database.work(town.coordinator) as work:
            await work.session.execute(
                text(
                    f"INSERT INTO consent (id, {', '.join(names)}) SELECT gen_random_uuid(), "
                    f"{', '.join(values)} FROM consent WHERE id = :id"
                    + (" AND :other IS NOT NULL" if ":other" not in values else "")
                ),
                {"id": consent_id, "other": other},
            )


async def test_a_consent_for_another_person_lets_nothing_go(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    other = await desk.client(identity=Identity(family_name="Andere"))
    of_other = await give_consent(database, keys, town.coordinator, other, town.provider.id)
    drafted = await desk.draft(client_id, town.provider)
    with pytest.raises((ConsentMissing, NotFound, InvalidInput)):
        await desk.as_(
            town.coordinator,
            lambda work: exchange.send(work, keys, drafted.id, drafted.version, consent_id=of_other),
        )
    with pytest.raises((NotFound, ConsentNotOpen, InvalidInput)):
        async with database.work(town.coordinator) as work:
            await request_consent(
                work,
                client_id=client_id,
                recipients=[town.provider.id],
                purposes=purposes(),
                supersedes_id=of_other,
            )


@pytest.mark.parametrize("end", ["withdrawn", "superseded", "refused", "expired"])
async def test_a_consent_that_is_over_lets_nothing_go(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID, end: str
) -> None:
    drafted = await desk.draft(client_id, town.provider)
    if end == "refused":
        consent_id = await give_consent(
            database, keys, town.coordinator, client_id, town.provider.id, granted=set()
        )
    else:
        consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    if end == "withdrawn":
        await withdraw(desk, consent_id)
    elif end == "superseded":
        await withdraw(desk, consent_id, scope=WithdrawalScope.PURPOSE, purpose=Purpose.FEEDBACK)
    moment = database.clock() + timedelta(days=400 if end == "expired" else 0)
    async with at(database, moment):
        with pytest.raises((ConsentMissing, ConsentNotOpen, InvalidInput)):
            await desk.as_(
                town.coordinator,
                lambda work: exchange.send(work, keys, drafted.id, drafted.version, consent_id=consent_id),
            )


async def test_a_consent_ends_at_its_exact_instant(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    await desk.as_(town.provider.member, lambda work: answering.acknowledge(work, sent.id, sent.version))
    consent_id = await consent_of(database, sent.id)
    async with database.view(town.coordinator) as session:
        end = (await view_consent(session, town.coordinator, consent_id, database.clock())).valid_until
    assert end is not None

    async with at(database, end - timedelta(microseconds=1)):
        assert (await desk.package(town.provider.member, sent.id)).categories
        assert await sealed(database, town.provider.member, sent.id) == 1
    async with at(database, end):
        with pytest.raises(PackageClosed):
            await desk.package(town.provider.member, sent.id)
        assert await sealed(database, town.provider.member, sent.id) == 0
        async with database.view(town.provider.member) as session:
            seen = await view_consent(session, town.provider.member, consent_id, database.clock())
        assert seen.state is ConsentState.EXPIRED


# --- Somebody else declares -------------------------------------------------------------------------------


@pytest.mark.parametrize("given_by", [GivenBy.GUARDIAN, GivenBy.LEGAL_REPRESENTATIVE])
@pytest.mark.parametrize(
    ("evidence", "field"),
    [
        (None, "evidence.representative"),
        (ConsentEvidence(reference="7"), "evidence.representative"),
        (ConsentEvidence(representative="Tante"), "evidence.representationProof"),
    ],
)
async def test_whoever_declares_for_somebody_is_named_with_the_proof(
    database: Database,
    keys: KeyStore,
    town: Town,
    client_id: UUID,
    given_by: GivenBy,
    evidence: ConsentEvidence | None,
    field: str,
) -> None:
    consent_id = await asked(database, town, client_id)
    true = await notice_of(database, town.coordinator, consent_id)
    with pytest.raises(InvalidInput) as refused:
        await decide(database, keys, town.coordinator, consent_id, true, given_by=given_by, evidence=evidence)
    assert (refused.value.field, refused.value.reason) == (field, "required-when-represented")
    full = ConsentEvidence(representative="Vormundin", representation_proof="Bestallung, Ordner 3")
    await decide(database, keys, town.coordinator, consent_id, true, given_by=given_by, evidence=full)
    async with database.view(SYSTEM) as session:
        row = await session.scalar(
            text("SELECT to_jsonb(c)::text FROM consent c WHERE id = :id"), {"id": consent_id}
        )
    assert "Vormundin" not in row
    assert "Bestallung" not in row


@pytest.mark.parametrize(
    ("years", "days", "expected"),
    [
        (15, 0, (ConsentWarning.UNDER_16,)),
        (16, -1, (ConsentWarning.UNDER_16,)),
        (16, 0, (ConsentWarning.UNDER_18,)),
        (18, -1, (ConsentWarning.UNDER_18,)),
        (18, 0, ()),
        (40, 0, ()),
    ],
)
async def test_for_the_young_a_representative_is_thought_of_and_nobody_is_stopped(
    database: Database,
    keys: KeyStore,
    desk: Desk,
    town: Town,
    years: int,
    days: int,
    expected: tuple[ConsentWarning, ...],
) -> None:
    today = local_day(database.clock())
    born = date(today.year - years, today.month, min(today.day, 28)) - timedelta(days=days)
    client = await desk.client(identity=Identity(family_name="Jung", date_of_birth=born))
    consent_id = await asked(database, town, client)
    async with database.view(town.coordinator) as session:
        assert await warnings_of(session, town.coordinator, keys, consent_id) == expected
    true = await notice_of(database, town.coordinator, consent_id)
    await decide(database, keys, town.coordinator, consent_id, true)
    async with database.view(town.coordinator) as session:
        assert await warnings_of(session, town.coordinator, keys, consent_id) == ()


async def test_section_87_was_shown_before_the_decision(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    consent_id = await asked(database, town, client_id)
    true = await notice_of(database, town.coordinator, consent_id)
    with pytest.raises(InvalidInput) as refused:
        async with database.work(town.coordinator) as work:
            await record_consent(
                work,
                keys,
                consent_id=consent_id,
                expected_version=1,
                granted=EVERY,
                record=record(work.now, notice=true, section_87_notice_at=work.now),
                evidence=ConsentEvidence(reference="7"),
                decided_at=work.now - timedelta(hours=1),
            )
    assert (refused.value.field, refused.value.reason) == (
        "record.section87NoticeAt",
        "after-the-decision",
    )


# --- The cascade ------------------------------------------------------------------------------------------


async def test_a_withdrawal_ends_everything_in_one_transaction(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    opened = await desk.as_(
        town.provider.member, lambda work: answering.acknowledge(work, sent.id, sent.version)
    )
    consent_id = await consent_of(database, sent.id)

    await withdraw(desk, consent_id, language="ar")

    async with database.view(SYSTEM) as session:
        referral = await session.get_one(Referral, sent.id)
        told = await session.scalars(
            select(Notice.kind).where(Notice.about_id == sent.id, Notice.state == "PENDING")
        )
        packages = await session.scalar(
            select(func.count()).select_from(ReferralPackage).where(ReferralPackage.referral_id == sent.id)
        )
    assert (referral.state, packages) == (ReferralState.CONSENT_REVOKED, 0)
    assert list(told) == [NoticeKind.CONSENT_ENDED]
    assert referral.revocation_due_at is not None
    with pytest.raises(PackageClosed):
        await desk.package(town.provider.member, sent.id)
    async with database.view(town.coordinator) as session:
        assert await unanswered_revocations(session, town.coordinator) == [sent.id]
        receipt = await withdrawal_receipt(session, town.coordinator, consent_id)
    assert receipt is not None
    assert receipt.language == "ar"
    assert receipt.binding, "the German text stands beside it"
    async with database.view(town.jobcenter.member) as session:
        assert await unanswered_revocations(session, town.jobcenter.member) == []

    seen = await desk.view(town.provider.member, sent.id)
    assert seen.state is ReferralState.CONSENT_REVOKED
    await desk.as_(
        town.provider.member,
        lambda work: answering.answer_revocation(
            work, sent.id, seen.version, Kept(answer=RevocationAnswer.DELETED)
        ),
    )
    async with database.view(town.coordinator) as session:
        assert await unanswered_revocations(session, town.coordinator) == []
    assert opened.version < seen.version


async def test_withdrawing_one_recipient_lets_the_other_go_on(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    consent_id = await give_consent(
        database, keys, town.coordinator, client_id, town.provider.id, town.school.id
    )
    sent = {}
    for to in (town.provider, town.school):
        drafted = await desk.draft(client_id, to)
        async with database.work(town.coordinator) as work:
            sent[to.id] = await exchange.send(work, keys, drafted.id, drafted.version, consent_id=consent_id)
    await withdraw(desk, consent_id, scope=WithdrawalScope.RECIPIENT, recipient=town.school.id)

    assert (await desk.view(town.school.member, sent[town.school.id].id)).state == "CONSENT_REVOKED"
    stays = sent[town.provider.id]
    assert (await desk.view(town.provider.member, stays.id)).state == "SENT"
    version = (await desk.view(town.provider.member, stays.id)).version
    await desk.as_(town.provider.member, lambda work: answering.acknowledge(work, stays.id, version))
    assert (await desk.package(town.provider.member, stays.id)).categories


async def test_withdrawing_report_back_ends_only_the_reporting(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    running = await desk.running(client_id, town.provider)
    consent_id = await consent_of(database, running.id)
    await withdraw(desk, consent_id, scope=WithdrawalScope.PURPOSE, purpose=Purpose.REPORT_BACK)

    at_partner = await desk.view(town.provider.member, running.id)
    assert at_partner.state is ReferralState.IN_PROGRESS
    assert (await desk.package(town.provider.member, running.id)).categories
    async with database.view(town.coordinator) as session:
        consent = await session.get_one(Consent, await consent_of(database, running.id))
        granted = {entry.purpose: entry.granted for entry in consent.terms.purposes}
    assert granted == {Purpose.REFERRAL: True, Purpose.REPORT_BACK: False, Purpose.FEEDBACK: True}


async def test_withdrawing_the_last_purpose_leaves_nothing(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    consent_id = await give_consent(
        database, keys, town.coordinator, client_id, town.provider.id, granted={Purpose.FEEDBACK}
    )
    await withdraw(desk, consent_id, scope=WithdrawalScope.PURPOSE, purpose=Purpose.FEEDBACK)
    async with database.view(town.coordinator) as session:
        seen = await view_consent(session, town.coordinator, consent_id, database.clock())
    assert (seen.state, seen.superseded_by_id) == (ConsentState.WITHDRAWN, None)


async def test_a_renewal_asks_for_what_was_granted_of_whom_it_was(
    database: Database, keys: KeyStore, desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    former = await consent_of(database, sent.id)
    await withdraw(desk, former, scope=WithdrawalScope.PURPOSE, purpose=Purpose.FEEDBACK)
    current = await consent_of(database, sent.id)
    async with database.work(town.coordinator) as work:
        renewal = await renew_consent(work, current)
    with pytest.raises(ConsentNotOpen):
        async with database.work(town.coordinator) as work:
            await renew_consent(work, current)
    with pytest.raises(ConsentNotOpen):
        async with database.work(town.coordinator) as work:
            await renew_consent(work, former)
    async with database.view(town.coordinator) as session:
        seen = await view_consent(session, town.coordinator, renewal, database.clock())
    assert seen.state is ConsentState.REQUESTED
    assert [entry.purpose for entry in seen.terms.purposes] == [Purpose.REFERRAL, Purpose.REPORT_BACK]
    assert all(entry.granted is None for entry in seen.terms.purposes)

    true = await notice_of(database, town.coordinator, renewal)
    await decide(
        database,
        keys,
        town.coordinator,
        renewal,
        true,
        granted={Purpose.REFERRAL, Purpose.REPORT_BACK},
    )
    assert await consent_of(database, sent.id) == renewal
    assert (await desk.view(town.provider.member, sent.id)).state is ReferralState.SENT


# --- Races ------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Race:
    """What one interleaving showed."""

    opened: bool = False
    before: int = 0
    """Reads that gave data, and began before the withdrawal had committed."""
    after: int = 0
    """Reads that began after it."""


async def race(desk: Desk, client_id: UUID, rng: random.Random, order: int) -> Race:
    """Withdraw while the recipient opens and reads; raise when a read that began later gives data.

    ``order``: 0, the package is opened and has been read once; 1, the withdrawal is first; else by chance.
    """
    town, database, keys = desk.town, desk.database, desk.keys
    recipient = town.provider.member
    consent_id = await give_consent(database, keys, town.coordinator, client_id, town.provider.id)
    referral_id = await sent_referral(database, keys, town, client_id, consent_id, town.provider)
    start, opened, given, ended = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    over: list[float] = []
    seen = Race()

    async def ends() -> None:
        await start.wait()
        if order == 0:
            await opened.wait()
            await given.wait()
        else:
            await asyncio.sleep(rng.uniform(0, 0.02))
        await withdraw(desk, consent_id)
        over.append(time.monotonic())
        ended.set()

    async def opens() -> None:
        await start.wait()
        await (ended.wait() if order == 1 else asyncio.sleep(rng.uniform(0, 0.04)))
        try:
            await desk.as_(recipient, lambda work: answering.acknowledge(work, referral_id, 1))
            seen.opened = True
        except (TransitionNotAllowed, StaleVersion, ConsentMissing):
            pass
        opened.set()

    async def reads(read: Callable[[], Awaitable[bool]]) -> None:
        await start.wait()
        later = 0
        while later < 2:
            began = time.monotonic()
            got = await read()
            if over and began > over[0]:
                later += 1
                seen.after += 1
                assert not got, "data were read after the withdrawal had committed"
            else:
                seen.before += got
                if got:
                    given.set()
            await asyncio.sleep(0.005)

    async def package() -> bool:
        try:
            return bool((await desk.package(recipient, referral_id)).categories)
        except Problem:
            return False

    async def raw() -> bool:
        return bool(await sealed(database, recipient, referral_id))

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for task in (ends(), opens(), reads(package), reads(raw)):
            group.create_task(task)
        start.set()
    async with database.view(SYSTEM) as session:
        row = await session.get_one(Referral, referral_id)
        moves = list(
            await session.scalars(
                select(ReferralEvent.move)
                .where(ReferralEvent.referral_id == referral_id)
                .order_by(ReferralEvent.ordinal)
            )
        )
        left = await session.scalar(
            select(func.count())
            .select_from(ReferralPackage)
            .where(ReferralPackage.referral_id == referral_id)
        )
    assert row.state is ReferralState.CONSENT_REVOKED
    assert moves == ["SEND", *(["ACKNOWLEDGE"] if seen.opened else []), "REVOKE"]
    assert left == 0
    return seen


async def _races(desk: Desk, client_id: UUID, count: int) -> str:
    rng = random.Random(87)
    began = time.perf_counter()
    found = [await race(desk, client_id, rng, number % 4) for number in range(count)]
    opened, before = sum(one.opened for one in found), sum(one.before for one in found)
    assert 0 < opened < count, "both orders were met"
    assert before > 0, "reads gave data while they might"
    return (
        f"{count} interleavings in {time.perf_counter() - began:.0f} s: opened first in {opened}, "
        f"{before} reads with data before, {sum(one.after for one in found)} reads after, 0 with data"
    )


async def test_nothing_is_opened_after_the_withdrawal_has_committed(desk: Desk, client_id: UUID) -> None:
    await _races(desk, client_id, 4)


@pytest.mark.torture
async def test_nothing_is_opened_in_a_thousand_interleavings(
    desk: Desk, client_id: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = await _races(desk, client_id, 1_000)
    with capsys.disabled():
        print(f"\nwithdrawal against opening: {figures}")
