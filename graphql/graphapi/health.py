"""Whether the process lives, and whether it can serve: for supervisors and load balancers.

Nothing is remembered between two questions, so it recovers by itself when the database is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec
import structlog
from sqlalchemy import text

from directory.database import OUT_OF_REACH, Database

PATIENCE_SECONDS: Final = 4.0
"""How long the database may take to answer before it counts as gone."""

log: Final = structlog.get_logger("health")


class Readiness(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether requests can be served; ``reasons`` are codes of what is wrong.

    ``search_lag_seconds`` and ``search`` tell how far the local index is behind; a late index is no reason
    to stop serving.
    """

    ready: bool
    reasons: tuple[str, ...] = ()
    schema_revision: str | None = None
    search: dict[str, object] | None = None


async def readiness(
    database: Database, newest_revision: str, search_state: Callable[[], dict[str, object]] | None
) -> Readiness:
    """Ask both roles' connections and compare the schema's revision with the one this release needs."""
    reasons: list[str] = []
    revision: str | None = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await database.reader.fetchval("SELECT 1 FROM feed")
            async with database.engine.connect() as connection:
                revision = await connection.scalar(text("SELECT version_num FROM schema_version"))
    except asyncpg.UndefinedTableError:
        reasons.append("schema-missing")
    except Exception as error:
        # whatever it is, this process cannot serve: the log says which kind, the answer only that
        if not isinstance(error, (*OUT_OF_REACH, OSError)):
            log.warning("not ready", error=type(error).__name__)
        reasons.append("database-unreachable")
    else:
        if revision != newest_revision:
            reasons.append("schema-not-newest")
    return Readiness(
        ready=not reasons,
        reasons=tuple(reasons),
        schema_revision=revision,
        search=search_state() if search_state is not None else None,
    )
