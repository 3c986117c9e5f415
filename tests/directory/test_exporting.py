"""Exports of entries that were made here: complete, valid by the standard's own tools, streamed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from directory.actors import SYSTEM
from directory.catalogue import publish_partner
from directory.database import Database
from directory.ending import delete_partner, delete_service, restore_partner
from directory.exporting import ExportRefused, Format, export_directory
from directory.exporting.merging import merged
from directory.importing import ImportRefused, Reading, import_source, json_stream
from directory.models import Municipality, Topic
from graphapi.embedded import APP, READER, Access
from referrals.merging import Exchange
from tests.hsds_validation import check, validator

ARS = "120520000000"
ROOT = Path(__file__).parents[2]

NETWORK: dict[str, Any] = {
    "format": "spurwechsel-network/1",
    "source": "small",
    "licence": "CC0-1.0",
    "municipality": {"key": "town", "name": {"de": "Stadt"}, "ars": ARS},
    "topics": [{"code": "language", "labels": {"de": "Sprache", "en": "Language"}}],
    "partners": [
        {
            "key": "school",
            "kind": "MIGRANT_ORGANISATION",
            "name": "Sprachschule",
            "description": {"de": "Wir unterrichten.", "en": "We teach."},
            "website": "https://school.example.org",
            "contact_points": [
                {"kind": "PHONE", "value": "+493556120", "extension": "007", "label": {"de": "Büro"}},
                {"kind": "EMAIL", "value": "info@school.example.org"},
            ],
            "locations": [
                {
                    "key": "house",
                    "name": "Haus",
                    "street": "Straße 1",
                    "postcode": "03046",
                    "city": "Cottbus",
                    "ars": ARS,
                    "latitude": 51.76,
                    "longitude": 14.33,
                    "accessibility": {"de": "Aufzug"},
                    "hours": {"periods": [{"weekday": 1, "opens": "09:00", "closes": "17:00"}]},
                }
            ],
            "services": [
                {
                    "key": "course",
                    "kind": "QUALIFICATION",
                    "title": {"de": "Kurs B1", "ar": "دورة"},
                    "description": {"de": "Ein Kurs.", "ar": "دورة"},
                    "topics": ["language"],
                    "locations": ["house"],
                    "area": ["12052"],
                    "languages": [{"language": "de"}],
                    "eligibility": [{"statuses": ["SECTION_104C"], "answer": "FITS"}],
                    "capacity": {"state": "OPEN", "places": 5, "as_of": "2026-10-01"},
                    "course": {"level_to": "B1", "childcare": True, "runs": [{"starts_on": "2027-01-10"}]},
                    "referral_facts": {"required": True, "response_days": 7},
                }
            ],
        },
        {"key": "alone", "kind": "CHAMBER", "name": "Kammer"},
    ],
}


@pytest.fixture
async def filled(empty_database: Database, tmp_path: Path) -> Database:
    path = tmp_path / "network.json"
    path.write_text(json.dumps(NETWORK))
    await import_source(empty_database, path, publish=True)
    return empty_database


def fields(document: str, *left_out: str) -> dict[str, Any]:
    """A document without what is this directory's: ids, versions, origin."""
    decoded = msgspec.json.decode(document)
    out = {
        "id",
        "version",
        "municipality",
        "partner",
        "provenance",
        "said_at",
        "updated_at",
        "source_language",
        *left_out,
    }

    def without_ids(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_ids(child) for key, child in value.items() if key != "id"}
        return [without_ids(one) for one in value] if isinstance(value, list) else value

    return {key: without_ids(value) for key, value in decoded.items() if key not in out}


async def entries(database: Database, *left_out: str) -> dict[str, dict[str, Any]]:
    async with database.view(SYSTEM) as session:
        found = await session.scalars(
            text("SELECT public FROM partner_document UNION ALL SELECT public FROM service_document")
        )
        read = [fields(one, *left_out) for one in found]
    return {str(one.get("name") or one["title"]): one for one in read}


@pytest.mark.parametrize("kind", [Format.HSDS_JSON, pytest.param(Format.HSDS_NDJSON, marks=pytest.mark.slow)])
async def test_with_the_profile_everything_comes_into_another_directory(
    cluster: Access, filled: Database, tmp_path: Path, kind: Format
) -> None:
    path = tmp_path / f"out.{'json' if kind is Format.HSDS_JSON else 'ndjson'}"
    report = await export_directory(filled, path, kind, profile=True)
    assert (report.partners, report.services) == (2, 1)
    before = await entries(filled)
    name = "test_elsewhere_" + kind.name.lower()
    cluster.create_database(name, template="template_spurwechsel")
    other = Database(cluster.dsn(APP, name), cluster.dsn(READER, name))
    await other.start()
    try:
        async with other.work(SYSTEM) as work:
            work.session.add(Municipality(ars=ARS, name={"de": "Stadt"}, kind_labels={}))
        (tmp_path / "topics.json").write_text(json.dumps({**NETWORK, "source": "topics", "partners": []}))
        await import_source(other, tmp_path / "topics.json")
        # labels stand in one language in HSDS, which the file does not say
        await import_source(other, path, municipality=ARS, publish=True, reading=Reading(language="de"))
        found = await entries(other)
        assert found.keys() == before.keys()
        for key, entry in found.items():
            assert entry == before[key], key
    finally:
        await other.stop()
        cluster.drop_database(name)


def _another(folder: Path) -> Path:
    """A partner more, so that there are two again."""
    path = folder / "another.json"
    path.write_text(
        json.dumps(
            {**NETWORK, "source": "more", "partners": [{"key": "x", "kind": "CHAMBER", "name": "Zweite"}]}
        )
    )
    return path


@pytest.mark.slow
async def test_the_tabular_package_is_valid_by_frictionless(filled: Database, tmp_path: Path) -> None:
    async with filled.work(SYSTEM) as work:
        alone = (
            await work.session.execute(text("SELECT id, version FROM partner WHERE name = 'Kammer'"))
        ).one()
        await delete_partner(work, alone.id, expected_version=alone.version, guard=Exchange(), reason="weg")
    await import_source(filled, _another(tmp_path), publish=True)
    report = await export_directory(filled, tmp_path / "package", Format.HSDS_TABULAR)
    assert report.gone == 1
    assert (report.rows["organizations"], report.rows["services"], report.rows["phones"]) == (2, 1, 1)
    # in a process of its own: the library is no part of ours, and prints and warns as it likes
    code = (
        "import sys; from frictionless import Package, system;"
        "report = Package(sys.argv[1]).validate();"
        "print(report.flatten(['type', 'rowNumber', 'fieldName', 'note'])); sys.exit(not report.valid)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path / "package" / "datapackage.json"), stdout=subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode == 0, out.decode()


@pytest.mark.parametrize("kind", [Format.HSDS_TABULAR, Format.HSDS_11])
async def test_packages_come_in_again(
    filled: Database, elsewhere: Database, tmp_path: Path, kind: Format
) -> None:
    path = tmp_path / "package.zip"
    await export_directory(filled, path, kind)
    report = await import_source(elsewhere, path, municipality=ARS)
    assert report.format == ("hsds-3" if kind is Format.HSDS_TABULAR else "hsds-1.1")
    assert (report.partners.new, report.services.new) == (2, 1)
    assert [file.rejected_by for file in report.files if file.rejected] == []
    async with elsewhere.view(SYSTEM) as session:
        points = await session.scalar(text("SELECT contact_points FROM partner WHERE name = 'Sprachschule'"))
        place = await session.execute(
            text("SELECT name, street, city, latitude, hours IS NOT NULL AS open FROM location ORDER BY id")
        )
        places = {tuple(row) for row in place}
    assert {one["value"] for one in points} == {"+493556120", "info@school.example.org"}
    assert places == {("Haus", "Straße 1", "Cottbus", 51.76, True)}


async def test_what_is_not_published_is_never_exported(filled: Database, tmp_path: Path) -> None:
    async with filled.work(SYSTEM) as work:
        await work.session.execute(text("UPDATE partner SET state = 'HIDDEN', version = version + 1"))
        for (id_,) in (await work.session.execute(text("SELECT id FROM partner"))).all():
            work.touch_partner(id_)
    for kind in Format:
        name = {Format.HSDS_TABULAR: "a.zip", Format.HSDS_11: "b.zip"}.get(kind, f"out.{kind.value}")
        report = await export_directory(filled, tmp_path / name, kind)
        assert (report.partners, report.services) == (0, 0)
        assert b"Sprachschule" not in (tmp_path / name).read_bytes()


PLACES_OF = {Format.HSDS_TABULAR: "t.zip", Format.HSDS_11: "e.zip", Format.HSDS_NDJSON: "n.ndjson",
             Format.HSDS_JSON: "j.json", Format.CSV: "c.csv", Format.XLSX: "x.xlsx"}  # fmt: skip


async def states(database: Database, source: str) -> dict[str, str]:
    """The state of each entry that came from a source, by its name or title."""
    async with database.view(SYSTEM) as session:
        found = await session.execute(
            text(
                "SELECT name, state FROM partner WHERE provenance->>'source' = :source UNION ALL"
                " SELECT coalesce(title->>'de', title->>'en'), state FROM service"
                " WHERE provenance->>'source' = :source"
            ),
            {"source": source},
        )
        return {row.name: row.state for row in found}


@pytest.fixture
async def elsewhere(cluster: Access) -> AsyncIterator[Database]:
    """Another installation, with the same town."""
    name = f"test_elsewhere_{uuid4().hex}"
    cluster.create_database(name, template="template_spurwechsel")
    other = Database(cluster.dsn(APP, name), cluster.dsn(READER, name))
    await other.start()
    async with other.work(SYSTEM) as work:
        work.session.add(Municipality(ars=ARS, name={"de": "Stadt"}, kind_labels={}))
        work.session.add(Topic(code="language", labels={"de": "Sprache"}, synonyms={}))
    yield other
    await other.stop()
    cluster.drop_database(name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "shown_again"), [*((kind, False) for kind in PLACES_OF), (Format.HSDS_NDJSON, True)], ids=str
)
async def test_what_is_deleted_at_the_source_goes_wherever_it_was_imported(
    filled: Database, elsewhere: Database, tmp_path: Path, kind: Format, shown_again: bool
) -> None:
    """In every format: out, in, deleted there, out, in. Of the deleted entry nothing but its id is told."""
    path = tmp_path / PLACES_OF[kind]

    async def give_and_take() -> int:
        await export_directory(filled, path, kind, source="small")
        report = await import_source(elsewhere, path, municipality=ARS, publish=True)
        assert [file.rejected_by for file in report.files if file.rejected] == []
        assert (report.missing.withdrawn, report.missing.partners) == (0, 0)
        return report.missing.gone

    assert await give_and_take() == 0
    shown = {"Sprachschule": "PUBLISHED", "Kammer": "PUBLISHED", "Kurs B1": "PUBLISHED"}
    assert await states(elsewhere, path.stem) == shown

    async with filled.work(SYSTEM) as work:
        school = (
            await work.session.execute(
                text("SELECT id, version FROM partner WHERE provenance->>'foreign_id' = 'school'")
            )
        ).one()
        await delete_partner(work, school.id, expected_version=school.version, guard=Exchange(), reason="weg")
    # the school, and with it its course
    assert await give_and_take() == 2
    assert await states(elsewhere, path.stem) == {**shown, "Sprachschule": "HIDDEN", "Kurs B1": "HIDDEN"}
    for content in unpacked(path):
        assert b"Sprachschule" not in content and b"weg" not in content
        assert b"Kurs B1" not in content

    # whoever shows it again here has heard that; and what is there again at the source comes back
    if shown_again:
        async with elsewhere.work(SYSTEM) as work:
            copy = (
                await work.session.execute(
                    text("SELECT id, version FROM partner WHERE name = 'Sprachschule'")
                )
            ).one()
            await publish_partner(work, copy.id, expected_version=copy.version)
        assert await give_and_take() == 0
        assert (await states(elsewhere, path.stem))["Sprachschule"] == "PUBLISHED"
    async with filled.work(SYSTEM) as work:
        back = await restore_partner(
            work, school.id, school.version, expected_version=school.version + 1, guard=Exchange()
        )
        await publish_partner(work, back.id, expected_version=back.version)
    await give_and_take()
    assert (await states(elsewhere, path.stem))["Sprachschule"] == "PUBLISHED"


def unpacked(path: Path) -> list[bytes]:
    """The content of a file, or of every file in a zip (a workbook is one)."""
    if not zipfile.is_zipfile(path):
        return [path.read_bytes()]
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in archive.namelist()]


async def test_a_tombstone_is_a_metadata_record_of_hsds(filled: Database, tmp_path: Path) -> None:
    async with filled.work(SYSTEM) as work:
        course = (await work.session.execute(text("SELECT id, version FROM service"))).one()
        await delete_service(work, course.id, expected_version=course.version, guard=Exchange(), reason="alt")
    path = tmp_path / "out.json"
    report = await export_directory(filled, path, Format.HSDS_JSON)
    assert report.gone == 1
    given = json.loads(path.read_text())
    (record,) = given["metadata"]
    check(validator("metadata"), record)
    assert (record["resource_id"], record["resource_type"]) == (str(course.id), "service")
    assert (record["last_action_type"], record["field_name"]) == ("delete", "id")
    await export_directory(filled, path, Format.HSDS_JSON, of="metadata")
    assert json.loads(path.read_text()) == [record]
    await export_directory(filled, path, Format.HSDS_JSON, of="services")
    assert json.loads(path.read_text()) == []


async def test_a_tombstone_has_the_id_under_which_the_entry_was_given(
    filled: Database, tmp_path: Path
) -> None:
    """What came from HSDS goes out under its source's id, alive and gone; in HSDS 1.1 under ours."""
    record = {
        "id": "s-7", "name": "Elsewhere", "status": "active",
        "organization": {"id": "o-7", "name": "Other", "description": "x"},
    }  # fmt: skip
    (tmp_path / "theirs.json").write_text(json.dumps(record))
    await import_source(filled, tmp_path / "theirs.json", publish=True)
    async with filled.work(SYSTEM) as work:
        found = (
            await work.session.execute(
                text("SELECT id, version FROM service WHERE provenance->>'foreign_id' = 's-7'")
            )
        ).one()
        await delete_service(work, found.id, expected_version=found.version, guard=Exchange(), reason="weg")
    path = tmp_path / "out.json"
    await export_directory(filled, path, Format.HSDS_JSON, source="theirs")
    given = json.loads(path.read_text())
    assert [one["id"] for one in given["organizations"]] == ["o-7"]
    assert [one["resource_id"] for one in given["metadata"]] == ["s-7"]
    await export_directory(filled, tmp_path / "old.zip", Format.HSDS_11, source="theirs")
    with zipfile.ZipFile(tmp_path / "old.zip") as archive:
        rows = archive.read("metadata.csv").decode().splitlines()
    assert len(rows) == 2 and str(found.id) in rows[1] and "service.id" in rows[1]
    report = await export_directory(filled, path, Format.HSDS_JSON, source="small")
    assert report.gone == 0


async def test_only_one_source(filled: Database, tmp_path: Path) -> None:
    report = await export_directory(filled, tmp_path / "x.json", Format.HSDS_JSON, source="other")
    assert (report.partners, report.services) == (0, 0)
    report = await export_directory(filled, tmp_path / "x.json", Format.HSDS_JSON, source="small")
    assert (report.partners, report.services) == (2, 1)


async def test_a_place_that_holds_something_else_is_left_alone(filled: Database, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("cat")
    for path, kind in (
        (tmp_path / "photos", Format.HSDS_TABULAR),
        (tmp_path / "photos", Format.CSV),
        (tmp_path / "nowhere" / "x.csv", Format.CSV),
        (tmp_path / "photos" / "cat.jpg", Format.HSDS_11),
    ):
        with pytest.raises(ExportRefused):
            await export_directory(filled, path, kind)
    assert [file.name for file in (tmp_path / "photos").iterdir()] == ["cat.jpg"]
    await export_directory(filled, tmp_path / "package", Format.HSDS_TABULAR)
    await export_directory(filled, tmp_path / "package", Format.HSDS_TABULAR)  # its own may be replaced


MEASURED = """
import asyncio, json, re, sys
from pathlib import Path
from directory.database import Database
from directory.exporting import Format, export_directory

def kilobytes():
    return int(re.search("VmHWM:\\\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])

async def main():
    database = Database(sys.argv[1], sys.argv[2])
    await database.start()
    await export_directory(database, Path(sys.argv[3]) / "warm.json", Format.HSDS_JSON, source="nobody")
    before, grown = kilobytes(), {}
    for kind in Format:
        name = {"hsds-tabular": "a.zip", "hsds-1.1": "b.zip"}.get(kind.value, "out." + kind.value)
        report = await export_directory(database, Path(sys.argv[3]) / name, kind)
        grown[kind.value] = [(kilobytes() - before) // 1024, report.partners, report.services]
    await database.stop()
    print(json.dumps(grown))

asyncio.run(main())
"""


@pytest.mark.torture
async def test_memory_does_not_grow_with_the_number_of_entries(
    cluster: Access, empty_database: Database, empty_database_name: str, tmp_path: Path
) -> None:
    """In and out with 3,000 partners and 12,000 services, as an NDJSON file of HSDS 3."""
    async with empty_database.work(SYSTEM) as work:
        work.session.add(Municipality(ars=ARS, name={"de": "Stadt"}, kind_labels={}))
    with (tmp_path / "big.ndjson").open("w") as file:
        for n in range(12_000):
            organization = {"id": f"o{n // 4}", "name": f"Org {n // 4}", "description": "x" * 500}
            record = {
                "id": f"s{n}",
                "name": f"Service {n}",
                "status": "active",
                "description": "y" * 1_000,
                "organization": organization,
            }
            file.write(json.dumps(record) + "\n")
    addresses = cluster.dsn(APP, empty_database_name), cluster.dsn(READER, empty_database_name)
    reading = (
        "import asyncio, re, sys; from pathlib import Path; from directory.database import Database;"
        "from directory.importing import import_source\n"
        "def kb(): return int(re.search('VmHWM:\\\\s+([0-9]+)', Path('/proc/self/status').read_text())[1])\n"
        "async def main():\n"
        "    database = Database(sys.argv[1], sys.argv[2]); await database.start(); before = kb()\n"
        f"    await import_source(database, sys.argv[3], municipality='{ARS}', publish=True)\n"
        "    print((kb() - before) // 1024); await database.stop()\n"
        "asyncio.run(main())"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'graphql'}"}

    async def run(code: str, path: Path) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, *addresses, str(path), stdout=subprocess.PIPE, env=environment
        )
        out, _ = await asyncio.wait_for(process.communicate(), 300)
        assert process.returncode == 0
        return out.decode()

    grown_reading = int(await run(reading, tmp_path / "big.ndjson"))
    grown = json.loads(await run(MEASURED, tmp_path))
    print(grown_reading, grown)
    assert grown_reading < 64
    assert {tuple(figures[1:]) for figures in grown.values()} == {(3_000, 12_000)}
    assert max(figures[0] for figures in grown.values()) < 64


# merging and streaming, pure

plain = st.recursive(
    st.none() | st.booleans() | st.integers(0, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
records = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), plain, max_size=4)


@settings(max_examples=40)
@given(records, records)
def test_what_nobody_changed_comes_back_as_it_was(original: dict[str, Any], ours: dict[str, Any]) -> None:
    assert merged(original, ours, ours) == original


@settings(max_examples=40)
@given(records, records, records)
def test_a_text_or_number_that_was_changed_here_stands(
    original: dict[str, Any], base: dict[str, Any], ours: dict[str, Any]
) -> None:
    result = merged(original, base, ours)
    for key, value in ours.items():
        if base.get(key) != value and not isinstance(value, dict | list):
            assert result[key] == value


texts = st.text(alphabet='a"\\[]{},:ü ', max_size=6)
values = st.recursive(
    st.none() | st.integers(-5, 5) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40)
@given(
    st.lists(st.dictionaries(texts, values, max_size=3), min_size=1, max_size=5),
    st.integers(1, 9),
    st.booleans(),
)
def test_a_large_file_is_split_where_its_elements_end(
    elements: list[dict[str, Any]], size: int, envelope: bool
) -> None:
    whole = {"total": 1, "x": {"services": [1]}, "contents": elements, "z": "["} if envelope else elements
    raw = json.dumps(whole).encode()
    parts = (raw[at : at + size] for at in range(0, len(raw), size))
    found = [(name, json.loads(one)) for name, one in json_stream._split(parts, "file")]
    assert found == [("contents" if envelope else "", one) for one in elements]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b"[{}",
        b'["\\',
        b"\xff\xfe{\0}\0",
        b'{"a":"\xff"}',
        b"[" * 100_000,
        b"nonsense",
        b"[{}]]",
    ],
)
async def test_broken_json_is_refused(elsewhere: Database, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(ImportRefused) as refused:
        await import_source(elsewhere, path, municipality=ARS)
    assert re.match("broken", refused.value.where)
