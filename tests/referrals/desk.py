"""The desks of everybody in one town, for tests: each makes moves and reads as this or that organisation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text

from directory.actors import SYSTEM, Actor
from directory.database import Database, Work
from directory.days import local_day
from directory.models import Audit, Service
from referrals import answering, exchange, inbox
from referrals.clients import create_client
from referrals.models import Referral, ReferralEvent
from referrals.moving import Moved
from referrals.package import Package
from referrals.personal_data.keystore import KeyStore
from referrals.values import PurposeTerms
from tests.referrals.town import ORDINARY, Organisation, Town, draft, give_consent

TODAY = local_day(datetime.now(UTC))
SOON = TODAY + timedelta(days=7)
LATER = TODAY + timedelta(days=90)


class Desk:
    """Everybody's desk in one town: makes moves as this or that organisation."""

    def __init__(self, database: Database, keys: KeyStore, town: Town) -> None:
        self.database, self.keys, self.town = database, keys, town

    async def client(self, **changes: object) -> UUID:
        async with self.database.work(self.town.coordinator) as work:
            return await create_client(work, self.keys, draft(**changes))

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
            self.database, self.keys, self.town.coordinator, client_id, to.id, asked=asked
        )
        async with self.database.work(self.town.coordinator) as work:
            return await exchange.send(work, self.keys, drafted.id, drafted.version, consent_id=consent_id)

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
            return await inbox.list_events(session, actor, self.keys, referral_id, self.database.clock())

    async def package(self, actor: Actor, referral_id: UUID) -> Package:
        async with self.database.view(actor) as session:
            return await inbox.view_package(session, actor, self.keys, referral_id, self.database.clock())


async def accept(work: Work, referral: Moved, **changes: object) -> Moved:
    given = {"contact": "Zimmer 12", "first_contact_on": SOON, "expected_end": LATER, **changes}
    return await answering.accept(work, referral.id, referral.version, **given)  # type: ignore[arg-type]


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
