"""The two roles of the database: what the reader cannot see, what the service cannot do."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from directory.actors import SYSTEM
from directory.database import Database
from tests.directory.towns import Town

PERSONAL = ("partner", "service", "location", "member", "access_token", "idempotency", "audit")


async def test_the_reader_sees_what_is_published_and_nothing_else(database: Database, town: Town) -> None:
    """By row-level security: raw SQL of that role, without any filter of ours."""
    published, draft = await town.partner("Ja"), await town.partner("Nein", published=False)
    seen = await town.service(published.id)
    unseen = [
        await town.service(published.id, published=False),
        await town.service(draft.id),
    ]

    partners = {
        row["id"] for row in await database.reader.fetch("SELECT id FROM partner_document WHERE true")
    }
    services = {row["id"] for row in await database.reader.fetch("SELECT id, public FROM service_document")}

    assert published.id in partners
    assert draft.id not in partners
    assert seen.id in services
    assert services.isdisjoint(one.id for one in unseen)


@pytest.mark.parametrize("table", PERSONAL)
async def test_the_reader_has_no_way_to_other_tables(database: Database, table: str) -> None:
    """Members, tokens, audit: not even their number."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.reader.fetch(f"SELECT count(*) FROM {table}")


@pytest.mark.parametrize("table", ["partner_document", "service_document"])
async def test_the_reader_has_no_way_to_internal_notes(database: Database, table: str) -> None:
    """Those of published entries neither."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.reader.fetch(f"SELECT internal FROM {table}")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE partner_document SET state = 'PUBLISHED'",
        "DELETE FROM change",
        "INSERT INTO topic (code, labels, synonyms) VALUES ('x', '{}', '{}')",
        "CREATE TABLE mine (id int)",
        "SET ROLE spurwechsel_app",
        "SET ROLE spurwechsel_owner",
    ],
)
async def test_the_reader_changes_nothing(database: Database, statement: str) -> None:
    """It does not become somebody else either."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.reader.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET action = 'x'",
        "DELETE FROM partner",
        "DELETE FROM change",
        "UPDATE feed SET id = gen_random_uuid()",
        "DROP TABLE audit",
        "ALTER TABLE audit DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE mine (id int)",
        "SET ROLE spurwechsel_owner",
    ],
)
async def test_the_service_cannot_undo_what_was_recorded(database: Database, statement: str) -> None:
    """Not even the system: the audit is append only, and the tables are the owner's."""
    with pytest.raises((ProgrammingError, DBAPIError)) as refused:
        async with database.work(SYSTEM) as work:
            await work.session.execute(text(statement))
    assert isinstance(refused.value.orig, Exception)
    assert "permission denied" in str(refused.value.orig) or "must be owner" in str(refused.value.orig)


async def test_only_the_deletion_job_deletes_from_the_audit(database: Database, town: Town) -> None:
    await town.partner()
    async with database.work(SYSTEM) as work:
        gone = await work.session.execute(text("DELETE FROM audit RETURNING id"))

    assert gone.all() == []


async def test_the_audit_is_read_by_the_system_only(database: Database, town: Town) -> None:
    """A lead reads none of it through the service."""
    await town.partner()
    counts = []
    for actor in (town.lead, SYSTEM):
        async with database.view(actor) as session:
            counts.append(await session.scalar(text("SELECT count(*) FROM audit")))

    assert counts[0] == 0
    assert counts[1] > 0


async def test_who_acts_ends_with_the_transaction(database: Database, town: Town) -> None:
    """The next transaction on the same connection knows nothing of it."""
    async with database.engine.connect() as connection:
        for _ in range(3):
            async with database.view(town.lead) as session:
                assert (await session.scalar(text("SELECT current_setting('app.role', true)"))) == "LEAD"
        assert not await connection.scalar(text("SELECT nullif(current_setting('app.role', true), '')"))
