"""The change feed is in commit order: a reader that keeps up never misses a document."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from directory import feed
from directory.actors import SYSTEM
from directory.building import visible_state
from directory.catalogue import ServiceChange, change_service, hide_service
from directory.database import Database, Work
from directory.documents import DocumentKind
from directory.vocabulary import PublicationState
from tests.directory.towns import found_town


async def changes(database: Database, after: int) -> list[feed.Changed]:
    async with database.reader.acquire() as connection:
        return await feed.changes_after(connection, after)


class Follower:
    """Reads what is new, again and again, and never looks back."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.sequence = 0
        self.known: dict[UUID, int] = {}
        self.stopping = False

    async def follow(self) -> None:
        while True:
            last = self.stopping
            found = await changes(self.database, self.sequence)
            assert [change.sequence for change in found] == sorted({c.sequence for c in found})
            for change in found:
                assert change.sequence > self.sequence
                assert change.version > self.known.get(change.id, 0)
                self.sequence = change.sequence
                self.known[change.id] = change.version
            if last and not found:
                return
            await asyncio.sleep(0.001)


def pause_before_commit(monkeypatch: pytest.MonkeyPatch, pause: Callable[[Work], Awaitable[None]]) -> None:
    """Let writers wait at the worst moment: everything is written, the feed too, and not committed."""
    finish = Work.finish

    async def finish_and_pause(work: Work) -> None:
        await finish(work)
        await pause(work)

    monkeypatch.setattr(Work, "finish", finish_and_pause)


async def test_who_is_in_the_feed_first_and_commits_last_is_not_skipped(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fast writer waits until the slow one has committed, and is told after it."""
    town = await found_town(empty_database)
    partner = await town.partner()
    slow, fast = await town.service(partner.id, "Langsam"), await town.service(partner.id, "Schnell")
    follower = Follower(empty_database)
    written = asyncio.Event()

    async def pause(work: Work) -> None:
        if work.actor is town.lead:
            written.set()
            await asyncio.sleep(0.2)

    pause_before_commit(monkeypatch, pause)

    async def write_slowly() -> None:
        async with empty_database.work(town.lead) as work:
            await hide_service(work, slow.id, expected_version=slow.version)

    async def write_fast() -> None:
        await written.wait()
        async with empty_database.work(SYSTEM) as work:
            await hide_service(work, fast.id, expected_version=fast.version)

    following = asyncio.create_task(follower.follow())
    await asyncio.gather(write_slowly(), write_fast())
    follower.stopping = True
    await following

    assert follower.known[slow.id] == slow.version + 1
    assert follower.known[fast.id] == fast.version + 1
    assert [change.id for change in await changes(empty_database, 0)][-2:] == [slow.id, fast.id]


@pytest.mark.slow
async def test_a_follower_that_polls_has_every_version_in_the_end(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve writers at once, with pauses between writing and committing, against one reader."""
    town = await found_town(empty_database)
    partner = await town.partner()
    services = [await town.service(partner.id, f"Angebot {n}") for n in range(12)]
    chance = random.Random(7)

    async def pause(work: Work) -> None:
        await asyncio.sleep(chance.random() / 100)

    pause_before_commit(monkeypatch, pause)
    follower = Follower(empty_database)

    async def write(service_id: UUID, version: int) -> None:
        for round_ in range(5):
            async with empty_database.work(SYSTEM) as work:
                saved = await change_service(
                    work,
                    service_id,
                    ServiceChange(title={"de": f"Runde {round_}"}),
                    expected_version=version,
                )
            version = saved.version

    following = asyncio.create_task(follower.follow())
    await asyncio.gather(*(write(service.id, service.version) for service in services))
    follower.stopping = True
    await following

    stored = await empty_database.reader.fetch("SELECT id, version FROM service_document")
    assert len(stored) == 12
    assert {row["id"]: row["version"] for row in stored}.items() <= follower.known.items()


async def test_nothing_is_announced_that_is_not_committed(empty_database: Database) -> None:
    """Neither a change nor a document nor a notification."""
    town = await found_town(empty_database)
    partner = await town.partner()
    service = await town.service(partner.id)
    head = (await changes(empty_database, 0))[-1].sequence
    try:
        async with empty_database.work(SYSTEM) as work:
            await hide_service(work, service.id, expected_version=service.version)
            await work.finish()
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass

    assert await changes(empty_database, head) == []
    async with empty_database.reader.acquire() as connection:
        assert (
            await connection.fetchval("SELECT state FROM service_document WHERE id = $1", service.id)
            == "PUBLISHED"
        )


async def test_a_change_wakes_who_listens(empty_database: Database, app_url: str) -> None:
    """NOTIFY comes with the commit."""
    town = await found_town(empty_database)
    woken = asyncio.Event()
    async with empty_database.view(SYSTEM) as session:
        name = await session.scalar(text("SELECT current_database()"))
    url = app_url.replace(app_url.rsplit("/", 1)[1].split("?")[0], str(name), 1)
    connection: asyncpg.Connection = await asyncpg.connect(url)
    try:
        await connection.add_listener(feed.CHANNEL, lambda *_: woken.set())
        await town.partner()
        await asyncio.wait_for(woken.wait(), 60)
    finally:
        await connection.close()


async def test_the_feed_names_kinds_and_versions(empty_database: Database) -> None:
    """A document stands in the feed once, with its newest version."""
    town = await found_town(empty_database)
    partner = await town.partner()
    service = await town.service(partner.id)

    found = {(change.kind, change.id): change for change in await changes(empty_database, 0)}

    assert found[DocumentKind.PARTNER, partner.id].version == partner.version
    assert found[DocumentKind.SERVICE, service.id].version == service.version
    assert not any(change.tombstone for change in found.values())
    assert len(found) == 3


def test_a_service_is_seen_only_while_its_partner_is() -> None:
    """All nine combinations."""
    for partner in PublicationState:
        for service in PublicationState:
            seen = visible_state(service, partner) is PublicationState.PUBLISHED
            assert seen is (service is partner is PublicationState.PUBLISHED)
