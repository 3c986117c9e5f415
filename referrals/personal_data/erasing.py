"""Erasing a person (Art. 17 GDPR): their rows are cleared, their key is destroyed, and both sides list it.

First the main database commits, with the erasure in its list and a job that destroys the key; then the key
goes. Whatever is lost in between, or comes back with a restored backup of either side, is mended by
``agree``: before a server or the jobs begin, each side learns what the other one has erased.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import delete, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from directory.actors import SYSTEM
from directory.database import Database, Work
from directory.days import local_day
from directory.problems import InvalidInput
from referrals import policy
from referrals.clients import facts_of, to_change
from referrals.consent import consents
from referrals.models import (
    BookingPerson,
    Client,
    Erasure,
    Exclusion,
    FeedbackCode,
    LegalHold,
    Referral,
)
from referrals.person.cards import end_cards
from referrals.personal_data.keystore import Erasure as KeyDestroyed
from referrals.personal_data.keystore import KeyStore
from referrals.vocabulary import OPEN_STATES, CardEnd

JOB: Final = "destroy_key"
"""Name of the job that destroys an erased person's key; its payload is the person's id."""

_PAGE: Final = 1_000
_ORPHAN_AFTER: Final = timedelta(days=1)
_ORPHANS_OF: Final = timedelta(days=8)


class Agreed(msgspec.Struct, frozen=True):
    """What each side had to learn: persons cleared in the main database, keys destroyed in the store."""

    cleared: int
    destroyed: int


async def erase_client(work: Work, client_id: UUID, expected_version: int) -> int:
    """Erase a person: everything about them is gone for good, in backups too; return the version.

    Pseudonym, phases and referrals stay, without any way back to the person. Only a LEAD of the own
    organisation; refused while a referral is open or a legal hold is in force. The caller destroys the key
    after the commit (``KeyStore.erase``); a job does it where that fails. Raises InvalidInput, NotAllowed,
    StaleVersion.
    """
    client = await to_change(work, client_id, expected_version)
    policy.decide_exclusion(work.actor, facts_of(client))
    still_open = await work.session.scalar(
        select(func.count())
        .select_from(Referral)
        .where(Referral.client_id == client_id, Referral.state.in_(OPEN_STATES))
    )
    if still_open:
        raise InvalidInput("clientId", "open-referrals", count=str(still_open))
    held = exists().where(
        LegalHold.client_id == client_id,
        LegalHold.lifted_at.is_(None),
        LegalHold.until >= local_day(work.now),
    )
    if await work.session.scalar(select(held)):
        raise InvalidInput("clientId", "legal-hold")
    await _clear(work, client, work.now)
    work.later(JOB, client_id, only_once=f"{JOB}:{client_id}")
    return client.version


async def _clear(work: Work, client: Client, at: datetime) -> None:
    await consents.end_of_person(work, client.id)
    await end_cards(work, client.id, CardEnd.ERASED)
    await work.session.execute(delete(Exclusion).where(Exclusion.client_id == client.id))
    await work.session.execute(delete(BookingPerson).where(BookingPerson.client_id == client.id))
    await work.session.execute(
        update(FeedbackCode)
        .where(FeedbackCode.client_id == client.id, FeedbackCode.used_at.is_(None))
        .values(used_at=work.now)
        .execution_options(synchronize_session=False)
    )
    # packages and texts of referrals that have ended; what is left sealed anywhere goes with the key
    await work.session.execute(
        text(
            "SELECT erase_packages(ARRAY(SELECT r.id FROM referral r WHERE r.client_id = CAST(:id AS uuid)))"
        ),
        {"id": client.id},
    )
    client.sealed_identity = client.sealed_contact = client.sealed_profile = None
    client.name_index = ()
    client.languages = client.needs = ()
    client.residence_status = client.legal_circle = client.status_valid_until = None
    client.applied_in_time = client.judged = None
    client.section_87_notice = client.source_key = None
    client.erased_at = at
    client.version += 1
    client.updated_at = work.now
    await _list(work, client.id, at)
    work.record("client.erase", "client", client.id)


async def _list(work: Work, client_id: UUID, at: datetime) -> None:
    await work.session.execute(insert(Erasure).values(client_id=client_id, at=at).on_conflict_do_nothing())


async def apply_erasure(work: Work, client_id: UUID, at: datetime) -> bool:
    """Clear a person whose key was destroyed at ``at``; as SYSTEM, idempotent. False: they were not here.

    A referral that is open in a restored database ends with the consent that it rests on.
    """
    client = await work.session.get(Client, client_id, with_for_update=True, populate_existing=True)
    if client is None or client.erased_at is not None:
        await _list(work, client_id, at)
        return False
    await _clear(work, client, at)
    return True


async def agree(database: Database, keys: KeyStore) -> Agreed:
    """Let each side learn what the other one has erased; idempotent, in constant memory.

    Nothing may be served before. It also names the main database to the key store, for which new keys are
    made. Raises Unavailable, MasterKeyWrong and KeyStoreOutdated.
    """
    await keys.check()
    async with database.view(SYSTEM) as session:
        keys.made_for = await session.scalar(text("SELECT id FROM feed"))
    cleared = 0
    after: UUID | None = None
    while page := await keys.erasures(after, _PAGE):
        after = page[-1].client_id
        async with database.view(SYSTEM) as session:
            known = set(
                await session.scalars(
                    select(Erasure.client_id).where(Erasure.client_id.in_([e.client_id for e in page]))
                )
            )
        for erasure in page:
            if erasure.client_id not in known:
                async with database.work(SYSTEM) as work:
                    cleared += await apply_erasure(work, erasure.client_id, erasure.at)
    destroyed = 0
    after = None
    while True:
        async with database.view(SYSTEM) as session:
            listed = select(Erasure.client_id, Erasure.at).order_by(Erasure.client_id).limit(_PAGE)
            if after is not None:
                listed = listed.where(Erasure.client_id > after)
            here = [KeyDestroyed(client_id, at) for client_id, at in await session.execute(listed)]
        if not here:
            return Agreed(cleared=cleared, destroyed=destroyed)
        after = here[-1].client_id
        destroyed += await keys.erase_all(here)


async def destroy_key(database: Database, keys: KeyStore, client_id: UUID) -> None:
    """Destroy an erased person's key: the job that ``erase_client`` promised. Idempotent."""
    async with database.view(SYSTEM) as session:
        at = await session.scalar(select(Erasure.at).where(Erasure.client_id == client_id))
    if at is not None:
        await keys.erase(client_id, at)


async def sweep_orphans(database: Database, keys: KeyStore) -> int:
    """Delete keys whose person was never committed, a day after they were made; return how many.

    Only keys that were made for this very database: after a restore its feed has another id, and keys of
    persons who are in a newer backup stay.
    """
    if keys.made_for is None:
        return 0
    now = database.clock()
    swept = 0
    after: UUID | None = None
    while page := await keys.made_between(now - _ORPHANS_OF, now - _ORPHAN_AFTER, after, _PAGE):
        after = page[-1]
        async with database.view(SYSTEM) as session:
            there = set(await session.scalars(select(Client.id).where(Client.id.in_(page))))
        orphans = [client_id for client_id in page if client_id not in there]
        if orphans:
            await keys.sweep(orphans)
            swept += len(orphans)
    return swept
