"""Private persons are never listed, as far as a name tells one."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select, text

from directory.actors import SYSTEM
from directory.checking import organisation_name
from directory.database import Database
from directory.importing import import_source
from directory.models import Municipality, Partner, Service
from directory.organisations import names_a_person
from directory.problems import InvalidInput

ARS = "120520000000"
PERSON = "Frau Maria Kanarienvogel"


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("Herr Nowak", True),
        ("Frau Maria Beispiel", True),
        ("Frau Dr. Maria Beispiel", True),
        ("Frau Jacqueline Beispiel-Muster", True),
        ("Mrs. Smith", True),
        ("Herr Ö. Özdemir", True),
        ("Frau Anna Maria Luise Kaffee Verein", False),
        ("Frauen in Arbeit e. V.", False),
        ("Frau und Beruf", False),
        ("Frau-Holle-Kita", False),
        ("Malermeister Hans Beispiel", False),
        ("Praxis Dr. Beispiel", False),
        ("Mr", False),
        ("", False),
    ],
)
def test_a_form_of_address_and_a_name_is_a_person(name: str, person: bool) -> None:
    assert names_a_person(name) is person


def test_a_person_is_refused_as_a_partner() -> None:
    """Volunteers appear through their organisation."""
    with pytest.raises(InvalidInput) as refused:
        organisation_name("Frau Maria Beispiel", "name")

    assert (refused.value.field, refused.value.reason) == ("name", "private-person")
    assert organisation_name("  Willkommen in Cottbus e. V. ", "name") == "Willkommen in Cottbus e. V."


def hsds11(folder: Path) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "datapackage.json").write_text(json.dumps({"name": "helping"}))
    for name, rows in {
        "organizations": f"id,name,email\n1,Verein,\n2,{PERSON},maria@kanarienvogel.example\n",
        "services": "id,organization_id,name,status\na,1,Kurs,active\nb,2,Kanarienvogelpflege,active\n",
        "phones": "id,organization_id,number\np,2,+4935561277\n",
    }.items():
        (folder / "data" / f"{name}.csv").write_text(rows)
    return folder


def hsds3(folder: Path) -> Path:
    """The person comes twice, once without the name, as a service names its organisation."""
    organization = {"id": "2", "name": PERSON, "email": "maria@kanarienvogel.example", "description": "d"}
    path = folder.with_suffix(".json")
    services = [
        {"id": "a", "name": "Kurs", "status": "active", "organization": {"id": "1", "name": "Verein"}},
        {"id": "b", "name": "Kanarienvogelpflege", "status": "active", "organization": organization},
        {"id": "c", "name": "Kanarienvogelzucht", "status": "active", "organization": {"id": "2"}},
    ]
    path.write_text(json.dumps({"contents": services}))
    return path


def advisor(folder: Path) -> Path:
    folder.mkdir()
    features = [
        {
            "type": "Feature", "id": id_, "geometry": None,
            "properties": {"partnerName": name, "activityName": title, "locationName": "Haus"},
        }
        for id_, name, title in ((1, "Verein", "Kurs"), (2, PERSON, "Kanarienvogelpflege"))
    ]  # fmt: skip
    for language in ("en", "ar"):
        written = json.dumps({"type": "FeatureCollection", "features": features})
        (folder / f"services_{language}.geojson").write_text(written)
    return folder


@pytest.mark.parametrize(
    ("source", "rejected"),
    [
        (hsds11, {"organizations.csv": {"PRIVATE_PERSON": 1}, "services.csv": {"PARENT_REJECTED": 1}}),
        (hsds3, {"helping.json": {"PRIVATE_PERSON": 1, "PARENT_REJECTED": 2}}),
        (advisor, {"services_en.geojson": {"PRIVATE_PERSON": 1}}),
    ],
    ids=["hsds11", "hsds3", "advisor"],
)
async def test_of_a_person_an_import_brings_nothing(
    empty_database: Database, tmp_path: Path, source: object, rejected: dict[str, dict[str, int]]
) -> None:
    """The report names the row and the reason, and nothing else of it is kept."""
    async with empty_database.work(SYSTEM) as work:
        work.session.add(Municipality(ars=ARS, name={"de": "Stadt"}, kind_labels={}))
    report = await import_source(
        empty_database,
        source(tmp_path / "helping"),  # type: ignore[operator]
        municipality=ARS,
        publish=True,
    )

    found = {file.file: file.rejected_by for file in report.files if file.file in rejected}
    assert found == rejected
    async with empty_database.view(SYSTEM) as session:
        names = list(await session.scalars(select(Partner.name)))
        services = len(list(await session.scalars(select(Service.id))))
        tables = await session.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        )
        for table in tables.all():
            allowed = await session.scalar(
                text("SELECT has_table_privilege(CAST(:table AS text), 'SELECT')"), {"table": table}
            )
            if allowed:
                kept = await session.scalar(text(f"SELECT string_agg(t::text, '') FROM {table} t"))
                assert "kanarienvogel" not in (kept or "").casefold(), table
    assert (names, services) == (["Verein"], 1)
    assert "Kanarienvogel" not in report.as_json().decode()
