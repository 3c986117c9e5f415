"""Files of the Ohana API: every wrong row is named with its column and what to do, and nothing is written."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from directory.actors import SYSTEM
from directory.database import Database
from directory.importing import ImportRefused, Refusal, import_source
from directory.importing.ohana import OhanaSource, table_of
from directory.importing.report import ROW_ADVICE, ImportReport
from directory.models import Municipality, Partner, Service

ARS = "120520000000"
FIXTURES = Path(__file__).parents[2].parent / "shared" / "data" / "ohana_csv" / "fixtures"
with_fixtures = pytest.mark.skipif(not FIXTURES.is_dir(), reason="needs ../shared/data/ohana_csv")

GIVEN = {
    "organizations": "id,accreditations,alternate_name,date_incorporated,description,email,funding_sources,"
    "legal_status,licenses,name,tax_id,tax_status,website\n1,,,1/24/70,Food,,,,,Bank,,,\n"
    "2,,,,Food too,,,,,Other,,,\n",
    "programs": "id,organization_id,name,alternate_name\n1,1,Meals,\n",
    "locations": "id,organization_id,accessibility,admin_emails,alternate_name,description,email,languages,"
    "latitude,longitude,name,transportation,virtual,website\n1,1,ramp,,,Hall,,English,,,Hall,,true,\n"
    "2,1,,,,Hall,,,,,Hall two,,true,\n3,2,,,,Hall,,,,,Hall three,,true,\n",
    "services": "id,location_id,program_id,accepted_payments,alternate_name,description,eligibility,email,"
    "fees,funding_sources,application_process,keywords,languages,name,required_documents,service_areas,status,"
    "wait_time,website\n1,1,1,,,Hot meals,,,,,,,Spanish,Meals,,,active,,\n",
    "contacts": "id,location_id,organization_id,service_id,name,title,email,department\n"
    "1,,1,,Jane Private,Manager,jane@food.example.org,Desk\n2,,1,,Joan Private,,joan@food.example.org,\n",
    "phones": "id,contact_id,location_id,organization_id,service_id,number,extension,department,number_type,"
    "vanity_number,country_prefix\n1,1,,,,703-555-1212,12,,voice,,\n",
    "taxonomy": "taxonomy_id,name,parent_id,parent_name\n101,Food,,\n102,Meals,101,Food\n",
}
"""Rows to which those of a fixture may belong, under the names of their tables."""

MAY_BE_TWO_WAYS = {"services.csv", "taxonomy.csv"}


def write(folder: Path, **changes: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, content in {**GIVEN, **changes}.items():
        (folder / f"{name}.csv").write_text(content)
    return sorted(folder.iterdir())


async def add_town(database: Database) -> None:
    async with database.work(SYSTEM) as work:
        work.session.add(Municipality(ars=ARS, name={"de": "Stadt"}, kind_labels={}))


async def nothing_was_written(database: Database) -> None:
    async with database.view(SYSTEM) as session:
        for table in ("partner", "service", "location", "change", "import_row", "import_staging"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table


async def test_a_directory_comes_in_without_names_of_persons(
    empty_database: Database, tmp_path: Path
) -> None:
    await add_town(empty_database)
    report = await import_source(empty_database, write(tmp_path / "bank"), municipality=ARS, publish=True)
    assert (report.format, report.partners.new, report.services.new) == ("ohana", 2, 1)
    assert report.file("organizations.csv").repaired_by == {"YEAR_COMPLETED": 1}
    async with empty_database.view(SYSTEM) as session:
        bank = (await session.scalars(select(Partner).where(Partner.name == "Bank"))).one()
        meals = (await session.scalars(select(Service))).one()
        everything = await session.scalar(
            text("SELECT string_agg(public, '') FROM partner_document")
        ) + await session.scalar(text("SELECT string_agg(data, '') FROM import_original"))
    assert bank.description == {"en": "Food\n\nFounded: 1970-01-24"}
    assert [(one.value, one.extension, one.label) for one in bank.contact_points] == [
        ("jane@food.example.org", None, {"en": "Desk"}),
        ("+17035551212", "12", {"en": "Desk"}),
    ]
    assert meals.description == {"en": "Hot meals\n\nProgramme: Meals"}
    assert meals.source_language == "en"
    assert "Private" not in everything
    assert "joan@" not in everything, "a person without a function is not listed"
    again = await import_source(empty_database, write(tmp_path / "bank"), municipality=ARS, publish=True)
    assert (again.partners.unchanged, again.services.unchanged) == (2, 1)


@pytest.mark.parametrize(
    ("table", "row", "expected"),
    [
        ("organizations", "9,,,1/2/2014,Text,,,,,,,,", (4, "FIELD_MISSING", "name")),
        ("organizations", "9,,,24/2/70,Text,,,,,Name,,,", (4, "DATE_UNREADABLE", "date_incorporated")),
        ("organizations", "9,,,,Text,,,,,Mrs. Jane Private,,,", (4, "PRIVATE_PERSON", "name")),
        ("organizations", "1,,,,Text,,,,,Twice,,,", (4, "DUPLICATE_ID", "id")),
        ("organizations", ",,,,Text,,,,,Nameless,,,", (4, "ID_MISSING", "id")),
        ("organizations", "9,,,,Text,no mail,,,,Name,,,", (4, "MAIL_UNREADABLE", "email")),
        ("programs", "9,,Name,", (3, "PARENT_MISSING", "organization_id")),
        ("programs", "9,77,Name,", (3, "PARENT_UNKNOWN", "organization_id")),
        ("locations", "9,1,,,,Hall,,,991,2,Hall,,true,", (5, "COORDINATE_OUT_OF_BOUNDS", "latitude")),
        ("phones", "9,,1,,,123,,,voice,,", (3, "PHONE_UNREADABLE", "number")),
        ("phones", "9,,1,,,703-555-1212,,,horn,,", (3, "VALUE_UNKNOWN", "number_type")),
        ("taxonomy", "103,Soup,999,Nothing", (4, "PARENT_UNKNOWN", "parent_id")),
        ("programs", "9,1,Name,,,", (3, "COLUMN_COUNT", None)),
    ],
)
async def test_a_wrong_row_is_named_and_nothing_written(
    empty_database: Database, tmp_path: Path, table: str, row: str, expected: tuple[int, str, str | None]
) -> None:
    await add_town(empty_database)
    paths = write(tmp_path / "bank", **{table: f"{GIVEN[table]}{row}\n"})
    with pytest.raises(ImportRefused) as refused:
        await import_source(empty_database, paths, municipality=ARS)
    assert refused.value.reason is Refusal.ROWS_INVALID
    assert refused.value.report is not None
    found = refused.value.report.file(f"{table}.csv").rejections
    assert [(one.row, one.reason, one.field) for one in found] == [expected]
    column = f", column {expected[2]}" if expected[2] else ""
    assert f"{table}.csv, row {expected[0]}{column}: {expected[1]}. {ROW_ADVICE[expected[1]]}" in str(
        refused.value
    )
    await nothing_was_written(empty_database)


def invalid(name: str) -> bool:
    return name.startswith(("invalid", "missing")) or "no_parent" in name or "invalid_date" in name


@with_fixtures
async def test_every_invalid_fixture_alone_is_refused_with_a_reason_for_a_row(
    empty_database: Database,
) -> None:
    await add_town(empty_database)
    seen = 0
    for path in sorted(FIXTURES.glob("*.csv")):
        if not invalid(path.name):
            continue
        seen += 1
        with pytest.raises(ImportRefused) as refused:
            await import_source(empty_database, path, municipality=ARS)
        assert refused.value.reason is Refusal.ROWS_INVALID, path.name
        assert refused.value.report is not None
        wrong = refused.value.report.file(path.name).rejections
        assert wrong, path.name
        assert all(one.row >= 1 and one.reason in ROW_ADVICE for one in wrong)
        assert all(one.field or one.reason == "COLUMN_COUNT" for one in wrong)
    assert seen == 24
    await nothing_was_written(empty_database)


REASONS = {
    "contact_with_no_parent.csv": (2, "PARENT_MISSING", "location_id"),
    "holiday_schedule_with_no_parent.csv": (2, "PARENT_MISSING", "location_id"),
    "hs_with_invalid_date.csv": (2, "DATE_UNREADABLE", "end_date"),
    "invalid_address.csv": (2, "FIELD_MISSING", "city"),
    "invalid_category.csv": (2, "FIELD_MISSING", "name"),
    "invalid_contact.csv": (2, "FIELD_MISSING", "name"),
    "invalid_holiday_schedule.csv": (2, "FIELD_MISSING", "closed"),
    "invalid_location.csv": (2, "FIELD_MISSING", "name"),
    "invalid_location_org.csv": (2, "PARENT_UNKNOWN", "organization_id"),
    "invalid_mail_address.csv": (2, "FIELD_MISSING", "address_1"),
    "invalid_mail_address_location.csv": (2, "PARENT_UNKNOWN", "location_id"),
    "invalid_org.csv": (2, "FIELD_MISSING", "name"),
    "invalid_parent_category.csv": (2, "PARENT_UNKNOWN", "parent_id"),
    "invalid_phone.csv": (2, "FIELD_MISSING", "number_type"),
    "invalid_program.csv": (2, "FIELD_MISSING", "name"),
    "invalid_program_headers.csv": (1, "COLUMN_MISSING", "alternate_name"),
    "invalid_regular_schedule.csv": (2, "FIELD_MISSING", "closes_at"),
    "invalid_service.csv": (2, "FIELD_MISSING", "name"),
    "invalid_service_location.csv": (2, "PARENT_UNKNOWN", "location_id"),
    "missing_address.csv": (2, "FIELD_MISSING", "city"),
    "org_with_invalid_date.csv": (2, "DATE_UNREADABLE", "date_incorporated"),
    "phone_with_no_parent.csv": (2, "PARENT_MISSING", "contact_id"),
    "program_with_no_parent.csv": (2, "PARENT_MISSING", "organization_id"),
    "regular_schedule_with_no_parent.csv": (2, "PARENT_MISSING", "location_id"),
}


def with_given(folder: Path, fixture: Path) -> list[Path]:
    """A fixture in the place of its table among the files that its rows may belong to."""
    table = table_of(fixture)
    assert table is not None, fixture.name
    paths = [path for path in write(folder) if path.stem != table]
    if table == "contacts":  # whose phone would be nobody's
        paths = [path for path in paths if path.stem != "phones"]
    if table == "programs":
        paths = [path for path in paths if path.stem != "services"]
    return [fixture, *paths]


@with_fixtures
@pytest.mark.parametrize("name", sorted(REASONS))
def test_fixtures_and_their_first_reason(tmp_path: Path, name: str) -> None:
    """Among rows that they may belong to, what is wrong with them is what their name says."""
    report = ImportReport(run=uuid4(), source="", format="")
    with pytest.raises(ImportRefused):
        OhanaSource(with_given(tmp_path / "bank", FIXTURES / name), report)
    first = report.file(name).rejections[0]
    assert (first.row, first.reason, first.field) == REASONS[name]


def with_what_it_needs(folder: Path, path: Path) -> list[Path]:
    """A valid fixture among the rows that its rows may belong to."""
    if table_of(path) == "organizations":  # the others' rows belong to organisations with other ids
        return [path]
    paths = with_given(folder / path.stem, path)
    if table_of(path) in {"locations", "services", "taxonomy"}:
        paths = [one for one in paths if table_of(one) not in {"contacts", "phones"}]
    if table_of(path) == "locations":
        address = FIXTURES / "valid_address.csv"
        paths = [one for one in paths if table_of(one) in {"locations", "organizations"}]
        paths.append(address if path.name == "locations.csv" else _only(address, folder, "1"))
    return paths


VALID = [path for path in sorted(FIXTURES.glob("*.csv")) if not invalid(path.name)]


@with_fixtures
def test_every_valid_fixture_is_read(tmp_path: Path) -> None:
    assert len(VALID) == 27
    for path in VALID:
        report = ImportReport(run=uuid4(), source="", format="")
        OhanaSource(with_what_it_needs(tmp_path, path), report)
        assert report.files, path.name
        assert not any(file.rejected for file in report.files), path.name


@pytest.mark.slow
@with_fixtures
async def test_every_valid_fixture_comes_in(empty_database: Database, tmp_path: Path) -> None:
    await add_town(empty_database)
    for path in VALID:
        report = await import_source(empty_database, with_what_it_needs(tmp_path, path), municipality=ARS)
        assert not any(file.rejected for file in report.files), path.name


def _only(path: Path, folder: Path, location: str) -> Path:
    """The addresses of one location."""
    heading, *rows = path.read_text().splitlines()
    chosen = folder / f"only-{path.name}"
    kept = [row for row in rows if row.split(",")[1] == location]
    chosen.write_text("\n".join([heading, *kept]) + "\n")
    return chosen


async def test_files_of_an_older_release_have_two_columns_more(
    empty_database: Database, tmp_path: Path
) -> None:
    """The sample that Ohana's own documentation leads to has them: it is no package of HSDS 1.1."""
    await add_town(empty_database)
    services = GIVEN["services"].replace("alternate_name,", "alternate_name,audience,", 1)
    services = services.replace("1,1,1,,,Hot", "1,1,1,,,Seniors,Hot", 1)
    places = GIVEN["locations"].replace(",name,", ",name,short_desc,", 1)
    lines = places.splitlines()
    at = lines[0].split(",").index("short_desc")
    rows = [line.split(",") for line in lines[1:]]
    places = "\n".join([lines[0], *(",".join([*row[:at], "Short", *row[at:]]) for row in rows)]) + "\n"

    folder = tmp_path / "older"
    write(folder, services=services, locations=places)
    report = await import_source(empty_database, folder, municipality=ARS)

    assert (report.format, report.partners.new, report.services.new) == ("ohana", 2, 1)
    async with empty_database.view(SYSTEM) as session:
        meals = (await session.scalars(select(Service))).one()
    assert "For: Seniors" in meals.description["en"]


SAMPLE = FIXTURES.parent / "sample"


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="needs ../shared/data/ohana_csv/sample")
async def test_the_sample_comes_in_whole(empty_database: Database) -> None:
    await add_town(empty_database)
    report = await import_source(empty_database, SAMPLE, municipality=ARS)
    assert (report.format, report.partners.new, report.services.new) == ("ohana", 8, 23)
    assert not any(file.rejected for file in report.files)
