"""What this directory has given away comes back as it was: nothing is taken for a stranger's, or lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import select, text

from directory.actors import SYSTEM
from directory.database import Database
from directory.exporting import Format, export_directory
from directory.hsds.ids import derived_id
from directory.hsds.reading import without_persons
from directory.importing import ImportRefused, Refusal, import_source
from directory.importing.report import ROW_ADVICE
from directory.models import Municipality, Service, Topic

ARS = "120520000000"
OTHER = "120600000000"


async def add_towns(database: Database, *keys: str) -> None:
    async with database.work(SYSTEM) as work:
        for ars in keys:
            work.session.add(Municipality(ars=ars, name={"de": f"Stadt {ars}"}, kind_labels={}))


def organization(name: str, **service: Any) -> dict[str, Any]:
    return {
        "id": str(derived_id("organization", name)), "name": name, "description": "Text",
        "services": [{
            "id": str(derived_id("service", name)), "name": f"Angebot von {name}", "status": "active",
            **service,
        }],
    }  # fmt: skip


def as_file(path: Path, *records: dict[str, Any]) -> Path:
    path.write_bytes(msgspec.json.encode(list(records)))
    return path


async def test_our_own_words_of_where_an_entry_came_from_name_no_person(
    empty_database: Database, tmp_path: Path
) -> None:
    """Who edited a record may be a person; what our exports write there is a source, and stays."""
    await add_towns(empty_database, ARS)
    sheet = tmp_path / "liste.csv"
    sheet.write_text("Partner;Angebot (de)\nVerein;Beratung\n", encoding="utf-8")
    await import_source(empty_database, sheet, publish=True, municipality=ARS)
    given = tmp_path / "given.json"
    await export_directory(empty_database, given, Format.HSDS_JSON)
    assert b'"updated_by"' in given.read_bytes()

    again = await import_source(empty_database, given, municipality=ARS)

    assert [file.repaired_by for file in again.files if "PERSON_DROPPED" in file.repaired_by] == []


def test_somebody_elses_words_may_name_a_person() -> None:
    said = {
        "id": str(UUID(int=1)), "resource_id": str(UUID(int=2)), "field_name": "id",
        "updated_by": "Ann Persona",
    }  # fmt: skip
    heard: list[tuple[str, str]] = []
    found = without_persons({"metadata": [said]}, lambda field, code: heard.append((field, code)))
    assert "Ann" not in str(found)
    assert heard == [("metadata.updated_by", "PERSON_DROPPED")]


@pytest.mark.parametrize(
    ("member", "where"),
    [
        ({"service_areas": [{"id": "1", "municipality_key": "12071304"}]}, "service_areas.municipality_key"),
        (
            {"eligibility_rules": [{"answer": "FITS", "residence": ["12071304"]}]},
            "eligibility_rules.residence",
        ),
    ],
)
async def test_a_municipalitys_short_key_is_refused_as_in_a_sheet(
    empty_database: Database, tmp_path: Path, member: dict[str, Any], where: str
) -> None:
    """No place of residence matches it; and without the key the service would be for everybody."""
    await add_towns(empty_database, ARS)
    path = as_file(tmp_path / "in.json", organization("Amt", **member), organization("Verein"))

    report = await import_source(empty_database, path, municipality=ARS)

    assert report.services.new == 1
    assert [(one.reason, one.field) for one in report.files[0].rejections] == [("TERRITORY_IS_AGS", where)]


async def test_a_districts_key_filled_up_is_none(empty_database: Database, tmp_path: Path) -> None:
    await add_towns(empty_database, ARS)
    given = organization("Amt", service_areas=[{"id": "1", "municipality_key": "12052000"}])
    await import_source(empty_database, as_file(tmp_path / "in.json", given), municipality=ARS)
    async with empty_database.view(SYSTEM) as session:
        assert (await session.scalars(select(Service))).one().area == ("12052000",)


async def test_a_sheet_of_several_municipalities_comes_back(empty_database: Database, tmp_path: Path) -> None:
    """Its rows tell by their numbers which entries they are: each stays where it is."""
    await add_towns(empty_database, ARS, OTHER)
    for ars, name in ((ARS, "Hier"), (OTHER, "Dort")):
        sheet = tmp_path / f"{name}.csv"
        sheet.write_text(f"Partner;Angebot (de)\n{name};Beratung\n", encoding="utf-8")
        await import_source(empty_database, sheet, publish=True, municipality=ars)
    whole = tmp_path / "alles.csv"
    await export_directory(empty_database, whole, Format.CSV)
    same = await import_source(empty_database, whole)
    assert (same.partners.unchanged, same.services.unchanged) == (2, 2)
    assert same.municipality_key is None
    whole.write_text(whole.read_text("utf-8-sig").replace("Beratung", "Sprechstunde"), encoding="utf-8")

    report = await import_source(empty_database, whole)

    assert (report.partners.new, report.services.new, report.services.changed) == (0, 0, 2)
    async with empty_database.view(SYSTEM) as session:
        found = await session.execute(
            text(
                "SELECT m.ars, p.name, s.title->>'de', d.public::json->'municipality'->>'ars'"
                " FROM service s JOIN partner p ON p.id = s.partner_id"
                " JOIN municipality m ON m.id = p.municipality_id"
                " JOIN service_document d ON d.id = s.id ORDER BY 1"
            )
        )
        rows = [tuple(row) for row in found]
    assert rows == [(ARS, "Hier", "Sprechstunde", ARS), (OTHER, "Dort", "Sprechstunde", OTHER)]


async def test_a_new_row_among_them_needs_to_be_told_where(empty_database: Database, tmp_path: Path) -> None:
    await add_towns(empty_database, ARS, OTHER)
    sheet = tmp_path / "neu.csv"
    sheet.write_text("Partner;Angebot (de)\nNeu;Beratung\n", encoding="utf-8")
    with pytest.raises(ImportRefused) as refused:
        await import_source(empty_database, sheet)
    assert refused.value.reason is Refusal.MUNICIPALITY_NEEDED
    assert refused.value.where.startswith(ARS)
    async with empty_database.view(SYSTEM) as session:
        for table in ("partner", "service", "import_staging", "import_row"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


async def test_a_label_of_two_topics_is_written_as_code(empty_database: Database, tmp_path: Path) -> None:
    """Else nobody could tell which of them a sheet means that comes back."""
    await add_towns(empty_database, ARS)
    async with empty_database.work(SYSTEM) as work:
        for code, label in (("job", "Arbeit"), ("work", "Arbeit "), ("housing", "Wohnen")):
            work.session.add(Topic(code=code, labels={"de": label}, synonyms={}))
    sheet = tmp_path / "liste.csv"
    sheet.write_text("Partner;Angebot (de);Themen\nVerein;Beratung;work, housing\n", encoding="utf-8")
    await import_source(empty_database, sheet, publish=True, municipality=ARS)
    given = tmp_path / "given.csv"
    await export_directory(empty_database, given, Format.CSV)
    assert "work, Wohnen" in given.read_text("utf-8-sig")
    again = await import_source(empty_database, given)
    assert (again.services.new, again.services.unchanged) == (0, 1)

    sheet.write_text("Partner;Angebot (de);Themen\nVerein;Beratung;Arbeit\n", encoding="utf-8")
    with pytest.raises(ImportRefused) as refused:
        await import_source(empty_database, sheet)
    assert f"row 2, column Themen: TOPIC_AMBIGUOUS. {ROW_ADVICE['TOPIC_AMBIGUOUS']}" in str(refused.value)
