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
from directory.ending import delete_partner
from directory.exporting import Format, export_directory
from directory.hsds.ids import derived_id
from directory.hsds.reading import without_persons
from directory.importing import ImportRefused, Reading, Refusal, import_source
from directory.importing.report import ROW_ADVICE
from directory.models import Municipality, Partner, Service, Topic
from directory.vocabulary import PublicationState
from graphapi.embedded import APP, READER, Access
from referrals.merging import Exchange

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


# --- What was exported here, under another name ----------------------------------------------------------


FILES = {
    Format.HSDS_JSON: "out.json",
    Format.HSDS_NDJSON: "out.ndjson",
    Format.HSDS_TABULAR: "out.zip",
    Format.HSDS_11: "old.zip",
}
EACH_FORMAT = [
    pytest.param(kind, marks=() if kind in {Format.HSDS_JSON, Format.HSDS_11} else pytest.mark.slow)
    for kind in FILES
]
"""With every run one of HSDS 3 and one of HSDS 1.1, which go apart most; the others with the slow tests."""
THEIRS: dict[str, Any] = {
    "id": "5f1c8a1e-6d0b-4c7e-9a53-0d7f5b7f9a01", "name": "Fremde Beratung", "description": "Text",
    "services": [{"id": "5f1c8a1e-6d0b-4c7e-9a53-0d7f5b7f9a02", "name": "Sprechzeit", "status": "active"}],
}  # fmt: skip


@pytest.fixture
async def own(empty_database: Database, tmp_path: Path) -> Database:
    """A directory with an entry of its own and one from elsewhere, each in a town of its own."""
    await add_towns(empty_database, ARS, OTHER)
    sheet = tmp_path / "liste.csv"
    sheet.write_text("Partner;Angebot (de)\nEigener Verein;Deutschkurs\n", encoding="utf-8")
    await import_source(empty_database, sheet, publish=True, municipality=ARS)
    given = as_file(tmp_path / "fremd.json", THEIRS)
    await import_source(empty_database, given, publish=True, municipality=OTHER)
    return empty_database


async def stored(database: Database) -> dict[str, str]:
    """Return all entries that stand in the directory, as they are stored."""
    async with database.view(SYSTEM) as session:
        found = await session.execute(
            text("SELECT id, public FROM partner_document UNION ALL SELECT id, public FROM service_document")
        )
        return {str(row.id): row.public for row in found}


async def at_head(database: Database) -> int:
    async with database.view(SYSTEM) as session:
        return int(await session.scalar(text("SELECT max(sequence) FROM change")) or 0)


@pytest.mark.parametrize("kind", EACH_FORMAT, ids=lambda kind: kind.value)
async def test_under_another_name_it_doubles_nothing_and_takes_nothing_over(
    own: Database, tmp_path: Path, kind: Format
) -> None:
    path = tmp_path / FILES[kind]
    await export_directory(own, path, kind)
    before, head = await stored(own), await at_head(own)
    report = await import_source(own, path, municipality=ARS, publish=True)
    assert (report.partners.new, report.partners.changed, report.partners.here) == (0, 0, 2)
    assert (report.services.new, report.services.changed, report.services.here) == (0, 0, 2)
    # in HSDS 1.1 all have the ids that they have here
    assert report.here_from == ([] if kind is Format.HSDS_11 else ["fremd"])
    assert (await stored(own), await at_head(own)) == (before, head)

    again = tmp_path / "again.json"
    await export_directory(own, again, Format.HSDS_JSON)
    assert {one["id"] for one in msgspec.json.decode(again.read_bytes())["services"]} == {
        THEIRS["services"][0]["id"],
        *(id_ for id_, said in before.items() if '"de":"Deutschkurs"' in said),
    }


async def test_under_its_sources_name_it_is_compared_as_ever(own: Database, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    await export_directory(own, path, Format.HSDS_JSON)
    path.write_bytes(path.read_bytes().replace(b"Sprechzeit", b"Sprechstunde"))
    report = await import_source(own, path, reading=Reading(name="fremd"))
    assert (report.services.new, report.services.changed, report.services.here) == (0, 1, 1)
    assert report.here_from == []
    assert any("Sprechstunde" in said for said in (await stored(own)).values())


async def test_what_is_new_in_it_comes_in_beside_it(own: Database, tmp_path: Path) -> None:
    """But not a service of somebody who is kept elsewhere: it would be taken over with it."""
    path = tmp_path / "out.json"
    await export_directory(own, path, Format.HSDS_JSON, of="organizations")
    records = msgspec.json.decode(path.read_bytes())
    for record in records:
        record.setdefault("services", []).append(organization(f"bei {record['name']}")["services"][0])
    report = await import_source(own, as_file(path, *records, organization("Neu")), municipality=ARS)
    assert (report.partners.new, report.partners.here) == (1, 2)
    assert (report.services.new, report.services.here) == (1, 4)
    names = await titles(own)
    assert sorted(names) == ["Angebot von Neu", "Deutschkurs", "Sprechzeit"]


async def titles(database: Database) -> list[str]:
    async with database.view(SYSTEM) as session:
        found = await session.scalars(text("SELECT coalesce(title->>'de', title->>'en') FROM service"))
        return list(found)


@pytest.mark.parametrize("kind", [*EACH_FORMAT, Format.CSV], ids=lambda kind: kind.value)
async def test_what_was_deleted_since_is_not_brought_back(
    own: Database, tmp_path: Path, kind: Format
) -> None:
    path = tmp_path / FILES.get(kind, "tabelle.csv")
    await export_directory(own, path, kind)
    async with own.work(SYSTEM) as work:
        for partner in await work.session.scalars(select(Partner)):
            await delete_partner(
                work, partner.id, expected_version=partner.version, guard=Exchange(), reason="aufgelöst"
            )
    assert await stored(own) == {}
    report = await import_source(own, path, municipality=ARS, publish=True)
    assert (report.partners.ended, report.services.ended) == (2, 2)
    assert await stored(own) == {}


@pytest.mark.parametrize("kind", EACH_FORMAT, ids=lambda kind: kind.value)
async def test_its_tombstones_hide_nothing_that_is_shown_here_again(
    own: Database, tmp_path: Path, kind: Format
) -> None:
    async def show(state: str) -> None:
        async with own.work(SYSTEM) as work:
            for service in await work.session.scalars(select(Service)):
                service.state, service.version = PublicationState(state), service.version + 1
                work.touch_service(service.id)

    await show("HIDDEN")
    path = tmp_path / FILES[kind]
    assert (await export_directory(own, path, kind)).gone == 2
    await show("PUBLISHED")
    before = await stored(own)
    report = await import_source(own, path, municipality=ARS, publish=True)
    assert (report.missing.gone, report.partners.here) == (0, 2)
    assert await stored(own) == before


@pytest.mark.parametrize("kind", EACH_FORMAT, ids=lambda kind: kind.value)
async def test_in_another_network_it_is_new_once_and_finds_its_way_back(
    cluster: Access, own: Database, tmp_path: Path, kind: Format
) -> None:
    path = tmp_path / FILES[kind]
    await export_directory(own, path, kind)
    name = f"test_own_{kind.name.lower()}"
    cluster.create_database(name, template="template_spurwechsel")
    other = Database(cluster.dsn(APP, name), cluster.dsn(READER, name))
    await other.start()
    try:
        await add_towns(other, ARS)
        reading = Reading(name="nachbarn")
        there = await import_source(other, path, municipality=ARS, publish=True, reading=reading)
        assert (there.partners.new, there.services.new, there.partners.here) == (2, 2, 0)
        assert not (await stored(other)).keys() & (await stored(own)).keys(), "ids of their own"
        again = await import_source(other, path, reading=reading)
        assert (again.partners.unchanged, again.services.unchanged) == (2, 2)
        if kind is not Format.HSDS_11:  # entries of HSDS 1.1 are given on under the ids they have there
            under = await import_source(other, path, municipality=ARS, reading=Reading(name="anders"))
            assert (under.partners.new, under.partners.here, under.here_from) == (0, 2, ["nachbarn"])
            back = tmp_path / f"back-{FILES[kind]}"
            await export_directory(other, back, kind)
            before = await stored(own)
            home = await import_source(own, back, municipality=ARS, publish=True)
            assert (home.partners.new, home.partners.here, home.services.here) == (0, 2, 2)
            assert await stored(own) == before
        # what ends at home ends there, and nowhere else
        async with own.work(SYSTEM) as work:
            for partner in await work.session.scalars(select(Partner)):
                await delete_partner(
                    work, partner.id, expected_version=partner.version, guard=Exchange(), reason="weg"
                )
        await export_directory(own, path, kind)
        gone = await import_source(other, path, municipality=ARS, reading=reading)
        assert gone.missing.gone == 4
        async with other.view(SYSTEM) as session:
            states = await session.scalars(text("SELECT state FROM partner UNION SELECT state FROM service"))
            assert list(states) == ["HIDDEN"]
    finally:
        await other.stop()
        cluster.drop_database(name)


async def test_ids_that_are_no_uuids_tell_nothing(own: Database, tmp_path: Path) -> None:
    """Two sources may both have a number 1, beside such ids as tell something."""
    for name in ("eins", "zwei"):
        record = {**organization(name), "id": "1", "services": []}
        path = as_file(tmp_path / f"{name}.json", record, organization(f"Verein {name}"))
        report = await import_source(own, path, municipality=ARS, publish=True)
        assert (report.partners.new, report.partners.here) == (2, 0)


async def test_one_that_came_under_both_names_before_is_kept_under_both(
    empty_database: Database, tmp_path: Path
) -> None:
    """Of a draft nobody outside has the id: it may come from two sources."""
    await add_towns(empty_database, ARS)
    path = as_file(tmp_path / "in.json", THEIRS)
    for name in ("eins", "zwei"):
        report = await import_source(empty_database, path, reading=Reading(name=name))
        assert (report.partners.new, report.services.new) == (1, 1)
    await import_source(empty_database, path, publish=True, reading=Reading(name="eins"))
    changed = as_file(tmp_path / "in.json", {**THEIRS, "name": "Fremde Beratung e. V."})
    report = await import_source(empty_database, changed, reading=Reading(name="zwei"))
    assert (report.partners.changed, report.services.unchanged, report.partners.here) == (1, 1, 0)
    third = await import_source(empty_database, changed, reading=Reading(name="drei"))
    assert (third.partners.new, third.partners.here, third.here_from) == (0, 1, ["eins"])
