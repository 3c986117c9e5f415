"""Brings a database to the newest schema, as its owner; never run by the service itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from directory.database import reaching_the_database
from referrals.personal_data.keystore import bring_up, take_over_master_keys

_PACKAGED: Final = Path(__file__).parent / "migrations"
_IN_THE_REPOSITORY: Final = Path(__file__).parents[2] / "migrations"

MIGRATION_LOCK: Final = 0x4D494752  # "MIGR"
"""Key of the advisory lock that lets one process migrate at a time."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_PACKAGED if _PACKAGED.exists() else _IN_THE_REPOSITORY))
    return config


@cache
def newest_revision() -> str:
    """Return the revision that this release needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("The installation has no migrations: install it again.")
    return head


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def migrate(owner_url: str, keys_owner_url: str | None = None) -> str:
    """Apply every missing migration in one transaction; return the revision reached.

    ``owner_url``: the database as its owner, who may create tables. ``keys_owner_url``: the key database,
    migrated before, to which keys of a former version are carried; a database that holds such keys is not
    migrated without it. Running it twice changes nothing; two at once wait for each other. Raises Unavailable
    when the database cannot be reached.
    """
    engine = create_async_engine(owner_url.replace("postgresql://", "postgresql+asyncpg://"))
    try:
        async with reaching_the_database(), engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            if keys_owner_url is not None:
                await _carry_keys_over(connection, keys_owner_url)
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()
    return newest_revision()


async def migrate_keys(keys_owner_url: str) -> int:
    """Bring the key database to its newest schema, as its owner; return its version. Raises Unavailable."""
    async with reaching_the_database():
        connection = await asyncpg.connect(keys_owner_url, timeout=5)
        try:
            return await bring_up(connection)
        finally:
            await connection.close()


async def _carry_keys_over(connection: AsyncConnection, keys_owner_url: str) -> None:
    """Move the keys that a former version kept in the main database (schema ``keystore``).

    They are committed in the key database before the transaction of ``connection``, which removes them here,
    can commit; a run that was killed in between is simply done again.
    """
    if not await connection.scalar(text("SELECT to_regclass('keystore.client_key') IS NOT NULL")):
        return
    for table in ("client_key", "organisation_key"):
        await connection.execute(text(f"LOCK TABLE keystore.{table}"))
        # row-level security is forced on the owner too
        await connection.execute(text(f"ALTER TABLE keystore.{table} NO FORCE ROW LEVEL SECURITY"))
    names = (
        await connection.execute(
            text(
                "SELECT master_key FROM keystore.client_key"
                " UNION SELECT master_key FROM keystore.organisation_key"
            )
        )
    ).scalars()
    masters = list(names)
    keys = await asyncpg.connect(keys_owner_url, timeout=5)
    try:
        async with keys.transaction():
            await take_over_master_keys(keys, masters)
            for table, id_column in (("client_key", "client_id"), ("organisation_key", "partner_id")):
                columns = f"{id_column}, wrapped, master_key, created_at"
                # page by page: a cursor that is still open would keep the table from being dropped
                page = text(
                    f"SELECT {columns} FROM keystore.{table}"  # noqa: S608
                    f" WHERE CAST(:after AS uuid) IS NULL OR {id_column} > :after"
                    f" ORDER BY {id_column} LIMIT 1000"
                )
                after: UUID | None = None
                while rows := (await connection.execute(page, {"after": after})).all():
                    after = rows[-1][0]
                    await keys.executemany(
                        f"INSERT INTO {table} ({columns}) SELECT $1, $2, $3, $4"  # noqa: S608
                        " WHERE NOT EXISTS (SELECT FROM erasure WHERE client_id = $1) ON CONFLICT DO NOTHING",
                        [tuple(row) for row in rows],
                    )
    finally:
        await keys.close()
    for table in ("client_key", "organisation_key"):
        await connection.execute(text(f"DELETE FROM keystore.{table}"))  # noqa: S608
