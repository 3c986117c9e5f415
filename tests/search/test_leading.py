"""Who leads an index that several hosts share: one at a time, whatever happens to the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import asyncpg
import pytest

from graphapi.embedded import READER, Access
from search import leading
from search.leading import DatabaseLock

pytestmark = pytest.mark.slow  # leaders come and go in seconds

NAME = f"test {uuid4()}"


@pytest.fixture
def url(cluster: Access, worker_database: str) -> str:
    """Where locks are held."""
    return cluster.dsn(READER, worker_database)


@asynccontextmanager
async def running(*locks: DatabaseLock) -> AsyncIterator[None]:
    """Let locks hold their connections."""
    tasks = [asyncio.create_task(lock.run()) for lock in locks]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until the condition holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "not in time"
        await asyncio.sleep(0.02)


async def test_one_leads_and_the_next_follows(url: str) -> None:
    """The second leads when the first resigns or ends, and never both."""
    one, other = DatabaseLock(url, NAME), DatabaseLock(url, NAME)
    async with running(other):
        async with running(one):
            await until(one.lead)
            for _ in range(20):
                assert not (other.lead() and one.lead())
                await asyncio.sleep(0.03)
            assert not other.lead()

            one.resign()
            await until(other.lead)
            assert not one.lead()
            other.resign()
            await until(one.lead)
        assert not one.lead()
        await until(other.lead)


async def test_who_asks_is_let_in(url: str) -> None:
    """The one that leads steps aside for a command, and leads again after it."""
    server, command = DatabaseLock(url, NAME), DatabaseLock(url, NAME)
    async with running(server, command):
        await until(server.lead)
        command.ask()
        await until(lambda: command.lead() and not server.lead())

        command.resign()
        await until(server.lead)


async def test_a_cut_connection_ends_leading_until_it_is_back(url: str) -> None:
    """Nobody believes to lead without the database's word, not even for the length of a lease."""
    lock = DatabaseLock(url, NAME)
    async with running(lock):
        await until(lock.lead)
        killer = await asyncpg.connect(url)
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            " WHERE locktype = 'advisory' AND classid = $1 AND pid <> pg_backend_pid()",
            leading.SPACE,
        )
        await until(lambda: not lock.lead())
        await killer.close()
        await until(lock.lead)


async def test_a_database_that_does_not_answer_leads_nobody() -> None:
    """And waiting for it ends nothing."""
    lock = DatabaseLock("postgresql://nobody@127.0.0.1:1/none", NAME)
    async with running(lock):
        lock.lead()
        await asyncio.sleep(0.2)
        assert not lock.lead()


def test_a_lease_ends_before_the_database_gives_the_lock_away() -> None:
    """Else two hosts could write while the net between them is cut."""
    assert leading.LEASE_SECONDS + leading.LOOK_SECONDS < leading.DEAD_AFTER_SECONDS
