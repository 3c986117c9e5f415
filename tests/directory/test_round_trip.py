"""HSDS 3 in and out again: what a source said comes back, whether our entries have a place for it or not."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from sqlalchemy import select, text

from directory.actors import SYSTEM
from directory.database import Database
from directory.exporting import Format, export_directory
from directory.hsds.reading import tabular_value
from directory.hsds.tables import COLUMNS
from directory.importing import ImportReport, import_source
from directory.models import Municipality, Partner, Service

ARS = "120520000000"
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT.parent / "shared" / "data" / "hsds" / "v3.2.3" / "examples"
with_examples = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="needs the official examples in ../shared/data/hsds"
)

EXCEPTIONS = {
    "contacts[].name",  # persons are not listed: a contact is its function
    "addresses[].attention",
    "metadata[].updated_by",
}
"""What does not come back, and why. This list may only shrink."""


def excepted(value: Any, path: str = "") -> Any:
    """Return a record without what is in the list of exceptions."""
    if isinstance(value, dict):
        return {
            key: excepted(child, key) for key, child in value.items() if f"{path}[].{key}" not in EXCEPTIONS
        }
    if isinstance(value, list):
        return [excepted(child, path) for child in value]
    return value


def canonical(value: Any) -> str:
    """RFC 8785, indented for a difference that can be read."""
    return json.dumps(json.loads(rfc8785.dumps(value)), indent=1, sort_keys=True)


async def add_town(database: Database) -> None:
    async with database.work(SYSTEM) as work:
        work.session.add(Municipality(ars=ARS, name={"de": "Stadt"}, kind_labels={}))


async def take(database: Database, path: Path) -> ImportReport:
    return await import_source(database, path, municipality=ARS, publish=True)


async def give(database: Database, folder: Path, of: str) -> list[Any]:
    path = folder / f"{of}.json"
    await export_directory(database, path, Format.HSDS_JSON, of=of)
    given: list[Any] = json.loads(path.read_text())
    return given


def records_of(path: Path) -> list[Any]:
    given = json.loads(path.read_text())
    contents: list[Any] = given.get("contents", [given])
    return contents


@with_examples
@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("service_full", "services"),
        ("service_list", "services"),
        ("organization_full", "organizations"),
        ("organization_list", "organizations"),
        ("service_at_location_full", "service_at_locations"),
        ("service_at_location_list", "service_at_locations"),
        ("location", "locations"),
        ("taxonomy", "taxonomies"),
        ("taxonomy_list", "taxonomies"),
        ("taxonomy_term", "taxonomy_terms"),
        ("taxonomy_term_list", "taxonomy_terms"),
    ],
)
async def test_official_examples_come_back_equal_and_again(
    empty_database: Database, tmp_path: Path, name: str, of: str
) -> None:
    await add_town(empty_database)
    path = EXAMPLES / f"{name}.json"
    report = await take(empty_database, path)
    assert not any(file.rejected for file in report.files)
    expected = canonical(excepted(records_of(path)))

    given = await give(empty_database, tmp_path, of)

    assert canonical(excepted(given)) == expected
    # once more, from what was written: the same source, so the same entries
    again = tmp_path / path.name
    again.write_text(json.dumps({"contents": given} if "list" in name else given[0]))
    report = await take(empty_database, again)
    assert (report.partners.new, report.services.new) == (0, 0)
    assert canonical(excepted(await give(empty_database, tmp_path, of))) == expected


def table_rows(text_: str, table: str) -> list[dict[str, Any]]:
    kinds = {column.name: column.kind for column in COLUMNS[table]}
    return [
        {name: tabular_value(kinds.get(name, "string"), cell) for name, cell in row.items() if cell}
        for row in csv.DictReader(io.StringIO(text_))
    ]


@with_examples
async def test_the_official_tables_come_back_equal(empty_database: Database, tmp_path: Path) -> None:
    await add_town(empty_database)
    report = await take(empty_database, EXAMPLES / "csv")
    assert {file.file: file.rejected_by for file in report.files if file.rejected} == {}

    await export_directory(empty_database, tmp_path / "out", Format.HSDS_TABULAR)

    for table in COLUMNS:
        official = table_rows((EXAMPLES / "csv" / f"{table}.csv").read_text(), table)
        written = table_rows((tmp_path / "out" / f"{table}.csv").read_text(), table)
        assert canonical(excepted({table: written})) == canonical(excepted({table: official})), table


def _with_stated_exceptions_only(value: Any) -> None:
    if isinstance(value, dict):
        for child in value.values():
            _with_stated_exceptions_only(child)
    elif isinstance(value, list):
        for child in value:
            _with_stated_exceptions_only(child)
    elif isinstance(value, str):
        assert "Persona" not in value


@with_examples
async def test_no_name_of_a_person_is_kept_anywhere(empty_database: Database, tmp_path: Path) -> None:
    await add_town(empty_database)
    await take(empty_database, EXAMPLES / "service_full.json")
    _with_stated_exceptions_only(await give(empty_database, tmp_path, "services"))
    async with empty_database.view(SYSTEM) as session:
        for table in ("partner", "service", "partner_document", "service_document", "import_original",
                      "import_run"):  # fmt: skip
            found = await session.scalar(
                text(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%Persona%'")
            )
            assert found == 0, table


@with_examples
async def test_readers_see_originals_of_published_entries_only(empty_database: Database) -> None:
    await add_town(empty_database)
    await import_source(empty_database, EXAMPLES / "service_full.json", municipality=ARS)  # as drafts
    count = "SELECT count(*) FROM import_original WHERE kind IN ('PARTNER', 'SERVICE')"
    async with empty_database.reader.acquire() as connection:
        assert await connection.fetchval(count) == 0
    await take(empty_database, EXAMPLES / "service_full.json")
    async with empty_database.reader.acquire() as connection:
        assert await connection.fetchval(count) == 2


@with_examples
async def test_what_is_changed_here_is_given_with_the_rest_of_the_original(
    empty_database: Database, tmp_path: Path
) -> None:
    await add_town(empty_database)
    await take(empty_database, EXAMPLES / "service_full.json")
    async with empty_database.work(SYSTEM) as work:
        service = (await work.session.scalars(select(Service))).one()
        service.title = {"en": "Another name"}
        service.version += 1
        partner = (await work.session.scalars(select(Partner))).one()
        partner.website = "https://new.example.org"
        partner.version += 1
        work.touch_service(service.id)
        work.touch_partner(partner.id)

    (given,) = await give(empty_database, tmp_path, "services")

    (expected,) = excepted(records_of(EXAMPLES / "service_full.json"))
    expected["name"] = "Another name"
    expected["organization"]["website"] = "https://new.example.org"
    expected["last_modified"] = given["last_modified"]
    assert given["last_modified"] > "2026"
    assert canonical(excepted(given)) == canonical(expected)
