"""Who writes to an index that several hosts share: an advisory lock of the database says it.

The lock belongs to a connection of its own and is free at once when its process ends. The database notices a
host that is gone after DEAD_AFTER_SECONDS; a host that cannot ask the database stops believing that it leads
after LEASE_SECONDS, which is sooner, so that never two lead.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from typing import Final

import asyncpg
import structlog

from directory.database import OUT_OF_REACH

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.5
LEASE_SECONDS: Final = 4.0
_IDLE, _INTERVAL, _COUNT = 4, 2, 3
DEAD_AFTER_SECONDS: Final = _IDLE + _INTERVAL * _COUNT
PATIENCE_SECONDS: Final = 3.0
SPACE: Final = 0x5E41
"""First half of the keys of these locks; the second is made of what is led."""

_LEADING: Final = "SELECT pg_try_advisory_lock($1, $2)"
_FREE: Final = "SELECT pg_advisory_unlock($1, $2)"


class DatabaseLock:
    """Leads what ``name`` says, on one host of all that share a database; ``run`` must be running."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url.replace("postgresql+asyncpg://", "postgresql://")
        key = zlib.crc32(name.encode()) >> 1
        self._leading = (SPACE, key & ~1)
        self._asking = (SPACE, key | 1)
        self._wished = False
        self._asked = False
        self._sure_until = 0.0
        self._look = asyncio.Event()

    def lead(self) -> bool:
        """Wish to lead, and say whether this process does; never waits."""
        if not self._wished:
            self._wished = True
            self._look.set()
        return time.monotonic() < self._sure_until

    def ask(self) -> None:
        """Ask whoever leads to step aside for this process, until it resigns."""
        self._asked = True
        self._look.set()

    def resign(self) -> None:
        """Let another lead."""
        self._wished = self._asked = False
        self._sure_until = 0.0
        self._look.set()

    async def run(self) -> None:
        """Hold the lock while it is wished for, until cancelled; a lost connection is opened again."""
        while True:
            connection: asyncpg.Connection | None = None
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    connection = await asyncpg.connect(
                        self._url,
                        server_settings={
                            "tcp_keepalives_idle": str(_IDLE),
                            "tcp_keepalives_interval": str(_INTERVAL),
                            "tcp_keepalives_count": str(_COUNT),
                        },
                    )
                await self._hold(connection)
            except (*OUT_OF_REACH, asyncpg.PostgresError) as error:
                log.warning("search.lock_waits", trouble=type(error).__name__)
            finally:
                self._sure_until = 0.0
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(LOOK_SECONDS)

    async def _hold(self, connection: asyncpg.Connection) -> None:
        held = asking = False
        while True:
            self._look.clear()
            async with asyncio.timeout(PATIENCE_SECONDS):
                asked = time.monotonic()
                if self._asked and not asking:
                    asking = await connection.fetchval(_LEADING, *self._asking)
                elif asking and not self._asked:
                    await connection.execute(_FREE, *self._asking)
                    asking = False
                stepping_aside = not asking and await self._is_asked(connection)
                if held and (stepping_aside or not self._wished):
                    self._sure_until = 0.0
                    await connection.execute(_FREE, *self._leading)
                    held = False
                elif held:
                    await connection.execute("SELECT 1")
                elif self._wished and not stepping_aside:
                    held = await connection.fetchval(_LEADING, *self._leading)
                # The answer is as old as the question.
                self._sure_until = asked + LEASE_SECONDS if held and self._wished else 0.0
            # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._look.wait()

    async def _is_asked(self, connection: asyncpg.Connection) -> bool:
        """Whether another process wants to lead now: then it holds the lock for asking."""
        if not await connection.fetchval(_LEADING, *self._asking):
            return True
        await connection.execute(_FREE, *self._asking)
        return False
