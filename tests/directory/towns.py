"""Municipalities for tests: each test makes one of its own and writes through the catalogue."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy.dialects.postgresql import insert

from directory.actors import SYSTEM, Actor, Role
from directory.catalogue import (
    PartnerDraft,
    Saved,
    ServiceDraft,
    create_partner,
    create_service,
    publish_partner,
    publish_service,
)
from directory.database import Database
from directory.models import Municipality, Occupation, Partner, Topic
from directory.vocabulary import PartnerKind, PublicationState, ServiceKind

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Town:
    """A municipality of one test, with helpers that write through the catalogue."""

    def __init__(self, database: Database, id_: UUID, coordination_id: UUID) -> None:
        self.database = database
        self.id = id_
        self.coordination_id = coordination_id
        self.lead = self.actor(Role.LEAD, coordination_id)
        self.coordinator = self.actor(Role.COORDINATOR, coordination_id)

    def actor(self, role: Role, partner_id: UUID, *, administers: bool = False) -> Actor:
        return Actor(
            role=role,
            member_id=uuid4(),
            partner_id=partner_id,
            municipality_id=self.id,
            administers=administers,
        )

    async def partner(
        self,
        name: str = "Verein Neue Wege",
        *,
        kind: PartnerKind = PartnerKind.FREE_PROVIDER,
        published: bool = True,
        note: str | None = None,
    ) -> Saved:
        async with self.database.work(SYSTEM) as work:
            saved = await create_partner(
                work, PartnerDraft(municipality_id=self.id, kind=kind, name=name, note=note)
            )
            if published:
                saved = await publish_partner(work, saved.id, expected_version=saved.version)
        return saved

    async def service(
        self,
        partner_id: UUID,
        title: str | dict[str, str] = "Sprachkurs B1",
        *,
        published: bool = True,
        **given: object,
    ) -> Saved:
        async with self.database.work(SYSTEM) as work:
            texts = {"de": title} if isinstance(title, str) else title
            draft: dict[str, object] = {"kind": ServiceKind.QUALIFICATION, "title": texts, **given}
            saved = await create_service(
                work,
                ServiceDraft(partner_id=partner_id, **draft),  # type: ignore[arg-type]
            )
            if published:
                saved = await publish_service(work, saved.id, expected_version=saved.version)
        return saved


async def found_town(database: Database) -> Town:
    """Add a municipality with a fresh key and its coordination."""
    id_, coordination_id = uuid4(), uuid4()
    async with database.work(SYSTEM) as work:
        work.session.add(
            Municipality(
                id=id_,
                ars=f"{random.randrange(10**11, 10**12)}",
                name={"de": "Musterstadt"},
                kind_labels={},
            )
        )
        await work.session.flush()
        work.session.add(
            Partner(
                id=coordination_id,
                municipality_id=id_,
                kind=PartnerKind.MUNICIPAL_PROJECT,
                name="Koordination Spurwechsel",
                description={},
                contact_points=(),
                languages=(),
                state=PublicationState.PUBLISHED,
                coordinates=True,
                updated_at=NOW,
            )
        )
        work.touch_partner(coordination_id)
        for code in ("language-course", "childcare", "job"):
            await work.session.execute(
                insert(Topic)
                .values(code=code, labels={"de": code, "en": code}, synonyms={})
                .on_conflict_do_nothing()
            )
        await work.session.execute(
            insert(Occupation)
            .values(esco="http://data.europa.eu/esco/occupation/1", labels={"de": "Pflege"}, regulated=True)
            .on_conflict_do_nothing()
        )
    return Town(database, id_, coordination_id)


class Counted:
    """A database of one connection per role, and every statement that went over them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.sent: list[str] = []

    def note(self, record: asyncpg.connection.LoggedQuery) -> None:
        self.sent.append(record.query)

    @asynccontextmanager
    async def expecting(self, number: int, *, framed: bool = True) -> AsyncIterator[None]:
        """Assert how many statements the block sends; ``framed``: besides the frame of a transaction."""
        await asyncio.sleep(0)  # the driver tells its loggers a moment later
        before = len(self.sent)
        yield
        await asyncio.sleep(0)
        frame = ("BEGIN", "COMMIT", "ROLLBACK", "SELECT set_config(") if framed else ()
        asked = [query for query in self.sent[before:] if not query.startswith(frame)]
        assert len(asked) == number, asked
