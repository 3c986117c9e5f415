"""Every table and column is declared, every personal table is guarded, and the register follows from it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from referrals.personal_data.access import AccessExport
from referrals.personal_data.holdings import (
    ACTIVITIES,
    HOLDINGS,
    PUBLISHED,
    WITHOUT_PERSONS,
    About,
    Kind,
    Protection,
)
from referrals.personal_data.register import LABELS, as_json, as_markdown, as_printout, register
from referrals.personal_data.retention import BY_KEY
from referrals.printing import render

PERSONAL = [holding.table for holding in HOLDINGS if holding.protection is Protection.ROWS]


@pytest.fixture(scope="module")
async def owner(owner_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(owner_url)
    yield connection
    await connection.close()


async def columns(owner: asyncpg.Connection) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in await owner.fetch(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')"
        " AND a.attnum > 0 AND NOT a.attisdropped"
    ):
        found.setdefault(row[0], set()).add(row[1])
    return found


async def test_every_table_is_declared_once(owner: asyncpg.Connection) -> None:
    """A new table stands in ``holdings``: with its columns, or among those that hold nobody's data."""
    declared = [*(holding.table for holding in HOLDINGS), *PUBLISHED, *WITHOUT_PERSONS]

    assert sorted(declared) == sorted(set(declared))
    assert set(await columns(owner)) == set(declared)


async def test_every_column_of_a_personal_table_is_declared_once(owner: asyncpg.Connection) -> None:
    there = await columns(owner)
    for holding in HOLDINGS:
        names = [name for column in holding.columns for name in column.names]
        assert len(names) == len(set(names)), holding.table
        assert set(names) == there[holding.table], holding.table
    for table, published in PUBLISHED.items():
        assert set(published) <= there[table], table


def test_what_is_called_sealed_is_sealed() -> None:
    for holding in HOLDINGS:
        for column in holding.columns:
            for name in column.names:
                assert column.sealed == name.startswith("sealed"), (holding.table, name)


POINTS_TO_PERSONS = """SELECT DISTINCT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
    AND NOT a.attisdropped AND (
      a.attname ~ '^sealed|_hash$|^(client|referral|consent|booking|member|card|link|code)_id$|_by$'
      OR EXISTS (SELECT FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'
        AND f.confrelid = ANY (ARRAY['client', 'referral', 'consent', 'booking', 'member', 'feedback_code',
          'code_card', 'answer_link', 'approval']::regclass[]))
      OR c.relname ~ 'client|consent|referral|event|person|member|feedback|audit')"""


async def test_whatever_leads_to_a_person_is_guarded(owner: asyncpg.Connection) -> None:
    """Found by its columns, keys and name, whatever the lists say: a new table cannot slip past them."""
    found = {row[0] for row in await owner.fetch(POINTS_TO_PERSONS)}

    assert {"consent_part", "access_token", "idempotency", "change_request", "audit"} <= found
    assert found <= set(PERSONAL)


async def test_every_guarded_table_is_declared(owner: asyncpg.Connection) -> None:
    """And the other way round: it is personal, a proof of deletion, or the clock's own book-keeping by id."""
    forced = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relforcerowsecurity AND relnamespace = 'public'::regnamespace"
    )

    assert {row[0] for row in forced} == {*PERSONAL, "deletion_run", "deletion_count", "clock_trouble"}


@pytest.mark.parametrize("table", PERSONAL)
async def test_a_personal_table_is_guarded(owner: asyncpg.Connection, table: str) -> None:
    """Forced row-level security, policies for the service alone, nothing for the reader or everybody."""
    row = await owner.fetchrow(
        "SELECT relrowsecurity AND relforcerowsecurity AS forced,"
        " (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) AS policies,"
        " (SELECT bool_and(polroles = ARRAY['spurwechsel_app'::regrole::oid]) FROM pg_policy"
        "   WHERE polrelid = c.oid) AS only_app,"
        " has_table_privilege('spurwechsel_reader', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') OR"
        " has_any_column_privilege('spurwechsel_reader', c.oid, 'SELECT, INSERT, UPDATE') AS read,"
        " EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = 0) AS everybody"
        " FROM pg_class c WHERE oid = $1::regclass",
        table,
    )

    assert row is not None
    assert row["policies"] > 0
    assert (row["forced"], row["only_app"], row["read"], row["everybody"]) == (True, True, False, False)


async def test_jobs_carry_ids_only(owner: asyncpg.Connection) -> None:
    """The queue is no personal table: its payloads are read by everybody who serves."""
    assert await owner.fetchval("SELECT to_regclass('pgqueuer') IS NOT NULL")


def test_everything_about_clients_is_in_the_export_or_says_why_not() -> None:
    sections = set(AccessExport.__struct_fields__)
    for holding in HOLDINGS:
        about_clients = any(column.about is About.CLIENT for column in holding.columns)
        if not about_clients:
            continue
        assert (holding.export is None) != (holding.no_export is None), holding.table
        assert holding.export is None or holding.export in sections | {"person"}, holding.table


def test_every_holding_has_its_activity_and_its_period() -> None:
    for holding in HOLDINGS:
        assert holding.retention in BY_KEY, holding.table
        assert holding.activity in {activity.key for activity in ACTIVITIES}, holding.table


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_register_tells_all_that_is_declared(language: str) -> None:
    found = register(language)
    page = as_markdown(found)

    assert {word for word in (*About, *Kind) if word not in LABELS} == set()
    for holding in HOLDINGS:
        assert holding.table in page
    for entry in found.entries:
        assert all((entry.title, entry.purpose, entry.legal_basis, entry.recipients, entry.periods))
    assert msgspec.json.decode(as_json(found))["language"] == language
    assert render(as_printout(found)).startswith(b"%PDF")
