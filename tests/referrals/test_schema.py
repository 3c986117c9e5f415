"""The migrated database is what the models say, and stands under forced row-level security everywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

import directory.importing.tables  # noqa: F401 - its tables belong to the same metadata, in every test worker
import search.models  # noqa: F401 - and these
from directory.models import Base
from referrals import models

OPEN_TABLES = ("code_attempt", "rule_set")
"""Tables of the exchange that hold nothing about anybody."""


def table_names() -> list[str]:
    return sorted(
        str(table.__table__)
        for table in vars(models).values()
        if isinstance(table, type) and issubclass(table, Base) and table.__module__ == models.__name__
    )


PERSONAL_TABLES = [name for name in table_names() if name not in OPEN_TABLES]


@pytest.fixture(scope="module")
async def owner(owner_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(owner_url)
    yield connection
    await connection.close()


async def test_models_and_migrations_agree(owner_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_object": lambda _o, name, kind, _r, _c: (
                    not (kind == "table" and str(name).startswith(("pgqueuer", "schema_version")))
                ),
                "compare_type": True,
            },
        )
        return list(compare_metadata(context, Base.metadata))

    engine = create_async_engine(owner_url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()

    assert found == []


async def test_every_table_is_known_to_this_test(owner: asyncpg.Connection) -> None:
    """A new table that mentions a client, a referral, a consent or a member's view must be listed here."""
    names = await owner.fetch(
        """SELECT DISTINCT c.oid::regclass::text AS name
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
          AND (a.attname IN ('client_id', 'referral_id', 'consent_id', 'booking_id')
               OR a.attname LIKE 'sealed%'
               OR c.relname = 'audit')"""
    )

    assert {row["name"] for row in names} <= {*PERSONAL_TABLES, "audit"}


@pytest.mark.parametrize("table", [*PERSONAL_TABLES, "audit"])
async def test_row_level_security_is_forced(owner: asyncpg.Connection, table: str) -> None:
    row = await owner.fetchrow(
        "SELECT relrowsecurity, relforcerowsecurity,"
        " (SELECT count(*) FROM pg_policy WHERE polrelid = pg_class.oid) AS policies,"
        " (SELECT bool_and(polroles = ARRAY['spurwechsel_app'::regrole::oid])"
        "    FROM pg_policy WHERE polrelid = pg_class.oid) AS only_app"
        " FROM pg_class WHERE oid = $1::regclass",
        table,
    )

    assert row is not None
    assert (row["relrowsecurity"], row["relforcerowsecurity"], row["policies"] > 0, row["only_app"]) == (
        True,
        True,
        True,
        True,
    )


async def test_the_owner_of_the_tables_sees_no_rows(owner: asyncpg.Connection) -> None:
    for table in PERSONAL_TABLES:
        assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 0


@pytest.mark.parametrize("table", [*PERSONAL_TABLES, "audit", *OPEN_TABLES])
async def test_the_reader_has_no_rights_at_all(owner: asyncpg.Connection, table: str) -> None:
    held = await owner.fetchval(
        "SELECT bool_or(has_table_privilege('spurwechsel_reader', $1, right_)"
        " OR has_any_column_privilege('spurwechsel_reader', $1, column_right))"
        " FROM unnest(ARRAY['SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER']) right_,"
        " unnest(ARRAY['SELECT','INSERT','UPDATE','REFERENCES']) column_right",
        table,
    )

    assert held is False


@pytest.mark.parametrize(
    "table", ["client", "consent", "referral", "referral_event", "audit", "client_phase_change"]
)
async def test_only_the_deletion_job_can_delete_what_must_remain(
    owner: asyncpg.Connection, table: str
) -> None:
    """Whatever other policies say: a restrictive one is asked beside them."""
    rules = await owner.fetch(
        "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy"
        " WHERE polrelid = $1::regclass AND NOT polpermissive AND polcmd = 'd'",
        table,
    )

    assert [row[0] for row in rules] == ["acting_for_deletion()"]


@pytest.mark.parametrize("column", ["client_id", "sender_partner_id", "recipient_partner_id"])
async def test_who_sends_whom_never_changes(owner: asyncpg.Connection, column: str) -> None:
    """Where to only follows a merging of services: ``test_merging`` tries it."""
    held = await owner.fetchval(
        "SELECT has_column_privilege('spurwechsel_app', 'referral', $1, 'UPDATE')", column
    )

    assert held is False
