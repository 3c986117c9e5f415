"""Brings a database to the newest schema, as its owner; never run by the service itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from directory.database import reaching_the_database

_PACKAGED: Final = Path(__file__).parent / "migrations"
_IN_THE_REPOSITORY: Final = Path(__file__).parents[2] / "migrations"

MIGRATION_LOCK: Final = 0x4D494752  # "MIGR"
"""Key of the advisory lock that lets one process migrate at a time."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_PACKAGED if _PACKAGED.exists() else _IN_THE_REPOSITORY))
    return config


def newest_revision() -> str:
    """Return the revision that this release needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("The installation has no migrations: install it again.")
    return head


def _upgrade(connection: Connection) -> None:
    config = _config()
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def migrate(owner_url: str) -> str:
    """Apply every missing migration in one transaction; return the revision reached.

    ``owner_url``: the database as its owner, who may create tables. Running it twice changes nothing; two
    at once wait for each other. Raises Unavailable when the database cannot be reached.
    """
    engine = create_async_engine(owner_url.replace("postgresql://", "postgresql+asyncpg://"))
    try:
        async with reaching_the_database(), engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()
    return newest_revision()
