"""What the tests of the directory begin with: a municipality of their own with its coordination."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event

from directory.database import Database
from tests.directory.towns import Counted, Town, found_town


@pytest.fixture
async def town(database: Database) -> Town:
    """A municipality of this test's own, in the worker's database."""
    return await found_town(database)


@pytest.fixture
def new_town(database: Database) -> Callable[[], Awaitable[Town]]:
    """Make further municipalities."""
    return lambda: found_town(database)


@pytest.fixture
async def counted(app_url: str, reader_url: str) -> AsyncIterator[Counted]:
    """The worker's database with every statement noted."""
    opened = Database(app_url, reader_url, pool_size=1)
    await opened.start()
    noted = Counted(opened)
    async with opened.reader.acquire() as connection:
        connection.add_query_logger(noted.note)

    @event.listens_for(opened.engine.sync_engine, "connect")
    def _note_too(adapted: Any, record: object) -> None:
        adapted.driver_connection.add_query_logger(noted.note)

    # the driver's logger hears what is sent without a prepared statement, the engine's event the rest
    @event.listens_for(opened.engine.sync_engine, "before_cursor_execute")
    def _note_prepared(connection: object, cursor: object, statement: str, *rest: object) -> None:
        noted.sent.append(statement)

    yield noted
    await opened.stop()
