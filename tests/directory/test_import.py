"""The importer on a real database: what comes in, what stays, what nobody ever sees half."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from sqlalchemy import func, select, text, update

from directory import feed
from directory.actors import SYSTEM
from directory.building import rebuild_partners, rebuild_services
from directory.database import Database
from directory.importing import ImportRefused, ImportReport, Phase, Refusal, import_source
from directory.importing.report import Progress
from directory.importing.run import IMPORT_LOCK
from directory.models import Municipality, Partner, PartnerDocumentRow, Service, ServiceDocumentRow
from directory.vocabulary import CapacityState, PublicationState
from graphapi.embedded import APP, OWNER, READER, Access

ARS = "120520000000"
ROOT = Path(__file__).parents[2]
MIAMI = ROOT.parent / "shared" / "data" / "miami211_hsds11"


def network(**changes: Any) -> dict[str, Any]:
    """A small network with everything that entries can have."""
    return {
        "format": "spurwechsel-network/1",
        "source": "small",
        "licence": "CC0-1.0",
        "municipality": {
            "key": "town",
            "name": {"en": "Town", "dsb": "Město", "de": "Stadt"},
            "ars": ARS,
            "coordination": "coordination",
            "kind_labels": {"MUNICIPAL_PROJECT": {"de": "Projekte FB 15"}},
        },
        "topics": [
            {"code": "b1", "labels": {"en": "B1 course", "de": "B1-Kurs"}, "parent": "language"},
            {"code": "language", "labels": {"de": "Sprache", "en": "Language"}, "synonyms": {"de": ["Kurs"]}},
        ],
        "occupations": [
            {"esco": "http://data.europa.eu/esco/isco/C2221", "labels": {"de": "Pflege"}, "regulated": True}
        ],
        "partners": [
            {
                "key": "coordination",
                "kind": "MUNICIPAL_PROJECT",
                "name": "Koordination",
                "public_body": True,
                "services": [{"key": "clearing", "kind": "COUNSELLING", "title": {"de": "Clearing"}}],
            },
            {
                "key": "school",
                "kind": "FREE_PROVIDER",
                "name": "Sprachschule",
                "description": {"en": "We teach.", "de": "Wir unterrichten."},
                "website": "https://school.example.org",
                "contact_points": [
                    {"kind": "PHONE", "value": "+493556120", "label": {"en": "Desk", "de": "Büro"}}
                ],
                "languages": [{"language": "de"}, {"language": "ar", "variety": "Levantinisch"}],
                "locations": [
                    {
                        "key": "house",
                        "name": "Haus",
                        "city": "Stadt",
                        "latitude": 51.76,
                        "longitude": 14.33,
                        "accessibility": {"en": "Lift", "de": "Aufzug"},
                        "hours": {"periods": [{"weekday": 1, "opens": "09:00", "closes": "17:00"}]},
                    },
                    {"key": "annexe", "name": "Anbau"},
                ],
                "assured_at": "2026-10-01T12:00:00+02:00",
                "services": [
                    {
                        "key": "course",
                        "kind": "QUALIFICATION",
                        "title": {"en": "Course B1", "de": "Kurs B1", "dsb": "Kurs"},
                        "topics": ["language", "b1"],
                        "locations": ["house", "annexe"],
                        "area": ["12052"],
                        "eligibility": [
                            {
                                "statuses": ["SECTION_104C"],
                                "answer": "FITS",
                                "reason": {"en": "Yes", "de": "Ja"},
                            }
                        ],
                        "capacity": {"state": "OPEN", "places": 5, "as_of": "2026-10-01"},
                        "course": {"level_to": "B1", "childcare": True, "starts_on": "2027-01-10"},
                        "note": "internal",
                        "assured_at": "2026-10-01T12:00:00+02:00",
                    },
                    {"key": "advice", "kind": "COUNSELLING", "title": {"de": "Beratung"}, "state": "DRAFT"},
                ],
            },
        ],
        "clients": [{"code": "C-1", "anything": True}],
        **changes,
    }


def write(folder: Path, content: object) -> Path:
    path = folder / "network.json"
    path.write_text(json.dumps(content))
    return path


async def head(database: Database) -> int:
    async with database.reader.acquire() as connection:
        return (await feed.head(connection)).sequence


async def changed_after(database: Database, sequence: int) -> list[str]:
    async with database.reader.acquire() as connection:
        return sorted(change.kind.value for change in await feed.changes_after(connection, sequence))


async def counts(database: Database) -> dict[str, int]:
    """How many rows there are in every table that an import fills."""
    async with database.view(SYSTEM) as session:
        return {
            table: await session.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in (
                "partner", "service", "location", "service_topic", "service_location", "topic", "occupation",
                "partner_document", "service_document", "change", "import_row", "import_staging",
                "import_origin",
            )
        }  # fmt: skip


async def service(database: Database, key: str) -> Service:
    async with database.view(SYSTEM) as session:
        found = await session.scalars(select(Service).where(Service.provenance["foreign_id"].astext == key))
        return found.one()


async def documents(database: Database) -> dict[UUID, str]:
    async with database.view(SYSTEM) as session:
        rows = [
            *await session.execute(select(PartnerDocumentRow.id, PartnerDocumentRow.public)),
            *await session.execute(select(ServiceDocumentRow.id, ServiceDocumentRow.public)),
        ]
    return {row.id: row.public for row in rows}


async def add_town(database: Database) -> None:
    async with database.work(SYSTEM) as work:
        work.session.add(Municipality(ars=ARS, name={"de": "Stadt"}, kind_labels={}))


async def test_a_network_comes_in_with_everything_it_says(empty_database: Database, tmp_path: Path) -> None:
    report = await import_source(empty_database, write(tmp_path, network()))

    assert (report.partners.new, report.services.new, report.topics.new) == (2, 3, 2)
    assert bytes(report.clients) == b'[{"code": "C-1", "anything": true}]'
    assert report.municipality is not None
    course = await service(empty_database, "course")
    assert course.provenance is not None
    assert (course.provenance.source, course.provenance.licence) == ("small", "CC0-1.0")
    document = msgspec.json.decode((await documents(empty_database))[course.id])
    assert [topic["code"] for topic in document["topics"]] == ["language", "b1"]
    assert [place["name"] for place in document["locations"]] == ["Haus", "Anbau"]
    assert document["course"] == {
        "level_to": "B1",
        "childcare": True,
        "runs": [{"starts_on": "2027-01-10"}],
    }
    assert document["version"] == 1
    async with empty_database.view(SYSTEM) as session:
        coordinating = await session.scalars(select(Partner.name).where(Partner.coordinates))
        assert coordinating.all() == ["Koordination"]
    async with empty_database.reader.acquire() as connection:
        assert (
            await connection.fetchval("SELECT count(*) FROM service_document") == 2
        )  # the draft stays inside
    assert await changed_after(empty_database, 0) == ["PARTNER"] * 2 + ["SERVICE"] * 3
    left = await counts(empty_database)
    assert (left["import_row"], left["import_staging"]) == (0, 0)


async def test_prepared_documents_are_those_that_the_rows_give(
    empty_database: Database, tmp_path: Path
) -> None:
    await import_source(empty_database, write(tmp_path, network()))
    changed = network(municipality={**network()["municipality"], "name": {"de": "Neustadt", "en": "New"}})
    await import_source(empty_database, write(tmp_path, changed))
    prepared = await documents(empty_database)

    async with empty_database.work(SYSTEM) as work:
        await rebuild_partners(work.session, list(await work.session.scalars(select(Partner.id))))
        await rebuild_services(work.session, list(await work.session.scalars(select(Service.id))))

    assert await documents(empty_database) == prepared


async def test_a_second_run_changes_nothing(empty_database: Database, tmp_path: Path) -> None:
    path = write(tmp_path, network())
    await import_source(empty_database, path)

    async def everything() -> tuple[object, ...]:
        return await head(empty_database), await documents(empty_database), await counts(empty_database)

    before = await everything()

    report = await import_source(empty_database, path)

    assert (report.partners.unchanged, report.services.unchanged) == (2, 3)
    assert (
        await head(empty_database),
        await documents(empty_database),
        await counts(empty_database),
    ) == before


def _course_title(content: dict[str, Any]) -> None:
    content["partners"][1]["services"][0]["title"]["de"] = "Anderer Kurs"


def _partner_note(content: dict[str, Any]) -> None:
    content["partners"][1]["note"] = "new"


def _partner_name(content: dict[str, Any]) -> None:
    content["partners"][1]["name"] = "Neue Schule"


def _place(content: dict[str, Any]) -> None:
    content["partners"][1]["locations"][0]["street"] = "Neuer Weg 1"


def _place_removed(content: dict[str, Any]) -> None:
    del content["partners"][1]["locations"][1]
    content["partners"][1]["services"][0]["locations"] = ["house"]


def _topic_label(content: dict[str, Any]) -> None:
    content["topics"][0]["labels"]["de"] = "Kurs auf B1"


def _same_in_other_order(content: dict[str, Any]) -> None:
    title = content["partners"][1]["services"][0]["title"]
    content["partners"][1]["services"][0]["title"] = dict(reversed(title.items()))


def _town_name(content: dict[str, Any]) -> None:
    content["municipality"]["name"]["de"] = "Neustadt"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_course_title, ["SERVICE"]),
        (_partner_note, ["PARTNER"]),
        (_partner_name, ["PARTNER", "SERVICE", "SERVICE"]),
        (_place, ["PARTNER", "SERVICE"]),
        (_place_removed, ["PARTNER", "SERVICE"]),
        (_topic_label, ["SERVICE"]),
        (_town_name, ["PARTNER", "PARTNER", "SERVICE", "SERVICE", "SERVICE"]),
        (_same_in_other_order, []),
    ],
)
async def test_only_what_changed_gets_a_version_and_a_feed_entry(
    empty_database: Database,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    expected: list[str],
) -> None:
    await import_source(empty_database, write(tmp_path, network()))
    before = await head(empty_database)
    content = network()
    change(content)

    await import_source(empty_database, write(tmp_path, content))

    assert await changed_after(empty_database, before) == expected
    async with empty_database.reader.acquire() as connection:
        versions = await connection.fetch("SELECT version FROM change WHERE sequence > $1", before)
    assert {row["version"] for row in versions} <= {2}
    again = await head(empty_database)
    await import_source(empty_database, write(tmp_path, content))
    assert await head(empty_database) == again
    prepared = await documents(empty_database)
    async with empty_database.work(SYSTEM) as work:
        await rebuild_partners(work.session, list(await work.session.scalars(select(Partner.id))))
        await rebuild_services(work.session, list(await work.session.scalars(select(Service.id))))
    assert await documents(empty_database) == prepared


async def _edit(database: Database, key: str, **values: object) -> None:
    found = await service(database, key)
    async with database.work(SYSTEM) as work:
        changed = update(Service).where(Service.id == found.id).values(version=found.version + 1, **values)
        await work.session.execute(changed)
        work.touch_service(found.id)


async def test_what_people_changed_here_stays_while_the_source_says_nothing_new(
    empty_database: Database, tmp_path: Path
) -> None:
    path = write(tmp_path, network())
    await import_source(empty_database, path)
    await _edit(empty_database, "course", title={"de": "Von Hand"}, state=PublicationState.HIDDEN)

    await import_source(empty_database, path, publish=True)

    course = await service(empty_database, "course")
    assert (course.title, course.state) == ({"de": "Von Hand"}, PublicationState.HIDDEN)
    assert (await service(empty_database, "advice")).state is PublicationState.PUBLISHED  # by publish


async def test_a_newer_source_wins_but_never_over_places_taken_or_what_was_hidden(
    empty_database: Database, tmp_path: Path
) -> None:
    await import_source(empty_database, write(tmp_path, network()))
    taken = msgspec.structs.replace((await service(empty_database, "course")).capacity, places=2)
    await _edit(empty_database, "course", capacity=taken, state=PublicationState.HIDDEN)
    content = network()
    _course_title(content)

    await import_source(empty_database, write(tmp_path, content))

    course = await service(empty_database, "course")
    assert course.title["de"] == "Anderer Kurs"
    assert (course.capacity.state, course.capacity.places) == (CapacityState.OPEN, 2)
    assert (course.state, course.version) == (PublicationState.HIDDEN, 3)


def stop_at(stop: Phase, error: Exception) -> Progress:
    def told(phase: Phase, done: int, total: int | None) -> None:
        if phase is stop and (done or stop is Phase.TAKE_OVER):
            raise error

    return told


@pytest.mark.parametrize("phase", [Phase.STAGE, Phase.TAKE_OVER])
async def test_an_error_on_the_way_leaves_nothing(
    empty_database: Database, tmp_path: Path, phase: Phase
) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        await import_source(
            empty_database, write(tmp_path, network()), progress=stop_at(phase, RuntimeError("stop"))
        )

    assert set((await counts(empty_database)).values()) == {0}
    async with empty_database.view(SYSTEM) as session:
        assert (await session.scalars(text("SELECT state FROM import_run"))).all() == ["FAILED"]


async def test_who_changes_an_entry_while_the_import_runs_is_not_overwritten(
    cluster: Access, empty_database: Database, empty_database_name: str, tmp_path: Path
) -> None:
    await import_source(empty_database, write(tmp_path, network()))
    content = network()
    _course_title(content)
    _partner_note(content)
    content["partners"][0]["services"][0]["title"]["de"] = "Neues Clearing"

    async def rename() -> None:
        connection = await asyncpg.connect(cluster.dsn(OWNER, empty_database_name))
        await connection.execute(
            "UPDATE partner SET name = 'Meanwhile', version = version + 1 WHERE name = 'Sprachschule'"
        )
        await connection.close()

    def told(phase: Phase, done: int, total: int | None) -> None:
        if phase is Phase.TAKE_OVER:
            thread = threading.Thread(target=lambda: asyncio.run(rename()))
            thread.start()
            thread.join()

    report = await import_source(empty_database, write(tmp_path, content), progress=told)

    assert (report.partners.skipped, report.services.skipped, report.services.changed) == (1, 1, 1)
    assert (await service(empty_database, "clearing")).title["de"] == "Neues Clearing"
    assert (await service(empty_database, "course")).title["de"] == "Kurs B1"
    again = await import_source(empty_database, write(tmp_path, content))
    assert (again.partners.changed, again.services.changed) == (1, 1)
    assert (await service(empty_database, "course")).title["de"] == "Anderer Kurs"


async def test_an_import_that_was_taken_for_dead_takes_nothing_over(
    cluster: Access, empty_database: Database, empty_database_name: str, tmp_path: Path
) -> None:
    async def clean() -> None:
        connection = await asyncpg.connect(cluster.dsn(OWNER, empty_database_name))
        await connection.execute("UPDATE import_run SET state = 'FAILED'")
        await connection.close()

    def told(phase: Phase, done: int, total: int | None) -> None:
        if phase is Phase.TAKE_OVER:
            thread = threading.Thread(target=lambda: asyncio.run(clean()))
            thread.start()
            thread.join()

    with pytest.raises(ImportRefused) as refused:
        await import_source(empty_database, write(tmp_path, network()), progress=told)
    assert refused.value.reason is Refusal.ANOTHER_IMPORT_RUNS
    assert set((await counts(empty_database)).values()) == {0}


async def test_a_service_that_its_source_ended_is_hidden(empty_database: Database, tmp_path: Path) -> None:
    await add_town(empty_database)
    ended = FILES["services.csv"].replace("service,,active", "service,,inactive")
    await import_source(
        empty_database, package(tmp_path / "dirty", services=ended), municipality=ARS, publish=True
    )
    assert (await service(empty_database, "11")).state is PublicationState.HIDDEN
    assert (await service(empty_database, "10")).state is PublicationState.PUBLISHED


async def test_a_zip_with_a_password_is_no_database_that_is_gone(
    empty_database: Database, tmp_path: Path
) -> None:
    zipped = tmp_path / "locked.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("organizations.csv", FILES["organizations.csv"])
        archive.writestr("services.csv", FILES["services.csv"])
    content = bytearray(zipped.read_bytes())
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        content[at + 8] |= 1  # "encrypted", in each entry of the table of contents
        at = content.find(b"PK\x01\x02", at + 1)
    zipped.write_bytes(content)
    await add_town(empty_database)
    with pytest.raises(ImportRefused) as refused:
        await import_source(empty_database, zipped, municipality=ARS)
    assert (refused.value.reason, refused.value.where) == (Refusal.UNREADABLE, "organizations.csv")


async def test_one_import_at_a_time(empty_database: Database, tmp_path: Path) -> None:
    path = write(tmp_path, network())
    async with empty_database.view(SYSTEM) as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": IMPORT_LOCK})
        with pytest.raises(ImportRefused) as refused:
            await import_source(empty_database, path)
        assert refused.value.reason is Refusal.ANOTHER_IMPORT_RUNS
    await import_source(empty_database, path)


KILLED = """
import asyncio, json, os, signal, sys
from pathlib import Path
from directory.database import Database
from directory.importing import Phase, import_source

async def main(app, reader, path, at, after):
    def told(phase, done, total):
        if phase is Phase(at) and done >= after:
            os.kill(os.getpid(), signal.SIGKILL)
    database = Database(app, reader)
    await database.start()
    await import_source(database, Path(path), municipality="120520000000", progress=told)

for line in sys.stdin:
    if not (child := os.fork()):
        asyncio.run(main(*json.loads(line)))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""For each line it reads, one process imports; it has loaded everything once for all of them."""


@pytest.fixture(scope="module")
def killer() -> Iterator[subprocess.Popen[str]]:
    """Takes lines with where to import what, and when to die; answers how the process ended."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'graphql'}"}
    command = [sys.executable, "-c", KILLED]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
    ) as process:
        yield process


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "done"), [("READ", 1), ("STAGE", 3), ("TAKE_OVER", 0), ("CLEAN", 1)])
async def test_a_killed_import_leaves_nothing_visible_and_the_next_one_completes(
    cluster: Access,
    killer: subprocess.Popen[str],
    empty_database: Database,
    empty_database_name: str,
    tmp_path: Path,
    phase: str,
    done: int,
) -> None:
    await add_town(empty_database)
    path = package(tmp_path / "dirty")
    addresses = cluster.dsn(APP, empty_database_name), cluster.dsn(READER, empty_database_name)
    assert killer.stdin is not None and killer.stdout is not None
    killer.stdin.write(json.dumps([*addresses, str(path), phase, done]) + "\n")
    assert await asyncio.wait_for(asyncio.to_thread(killer.stdout.readline), 300) == "-9\n"

    left = await counts(empty_database)
    assert left["import_row"] + left["import_staging"] > 0
    visible = 0 if phase != "CLEAN" else 4  # it was taken over before cleaning began
    assert left["change"] == left["partner_document"] + left["service_document"] == visible

    report = await import_source(empty_database, path, municipality=ARS)

    assert report.partners.new + report.partners.unchanged == 2
    left = await counts(empty_database)
    assert (left["partner"], left["service"], left["change"]) == (2, 2, 4)
    assert left["import_row"] == left["import_staging"] == 0


FILES = {
    "organizations.csv": """\
id,name,description,url,email,tax_status,legal_status
1,"Help, Inc.",We help.\\nAlways.,www.help.example.org,office@help.example.org,,
2,Town Hall,,not a url,not a mail,,Government agency
2,Town Hall again,,,,,
,Nameless id,,,,,
4,,No name,,,,
5,"Too",many,columns,in,this,row,really
""",
    "services.csv": """\
id,organization_id,name,description,url,status,application_process,fees
10,1,Advice,Good advice,http://help.example.org/advice,,Call first,none
11,10,Sub programme,Belongs to a service,,active,,
12,99,Orphan,,,active,,
13,4,Of a rejected organisation,,,active,,
14,1,,No name,,active,,
10,1,Twice,,,active,,
""",
    "locations.csv": """\
id,organization_id,name,latitude,longitude
20,1,Office,25.77,-80.19
21,77,Annexe,,
22,77,Nobody's,,
23,1,Wrong place,123.4,-80.1
""",
    "services_at_location.csv": """\
id,service_id,location_id,description
30,10,20,
31,11,21,
32,12,20,
33,10,88,
""",
    "physical_addresses.csv": """\
id,location_id,attention,address_1,address_2,city,state_province,postal_code,country
40,20,Mrs Private,1 Main Street,Suite 2,Miami,FL ,33133,{blank}
41,20,,2 Other Street,,Miami,FL,33133,US
42,21,,3 Third Street,,Atlanta,GA,30301,US
""".replace("{blank}", "   "),
    "phones.csv": """\
id,location_id,service_id,organization_id,contact_id,service_at_location_id,number,extension,type,description
50,,10,,,,305-253-4841,,,Desk
51,,10,,,,305-573-4200 x57471,,,
52,,10,,,,911,,,
53,,10,,,,,,,
54,,,1,,,(305) 253-4842,,,
55,,,,60,,305-253-4843,12,,
56,,,,,31,404-253-4844,,,
57,,,,,,305-253-4845,,,
58,,999,,,,305-253-4846,,,
""",
    "contacts.csv": """\
id,organization_id,service_id,name,title,email
60,1,,Jane Private,Director,director@help.example.org
61,1,,John Private,Clerk,
""",
    "regular_schedules.csv": """\
id,service_id,location_id,weekday,opens_at,closes_at
70,10,,Monday,9:00am,5:00pm
71,10,,Friday,10:00pm,2:00am
72,10,,Tuesday,9:00am,5:00
73,10,,Someday,9:00am,5:00pm
74,10,,Wednesday,,5:00pm
75,,21,Thursday,08:00,12:00
76,12,,Thursday,08:00,12:00
""",
    "languages.csv": """\
id,service_id,location_id,language
80,10,,English
81,10,,Spanish and Creole
82,10,,Klingon
83,,20,French
""",
    "eligibility.csv": """\
id,service_id,eligibility
,,Crime victims
90,10,Adults only
""",
    "accessibility_for_disabilities.csv": """\
id,location_id,accessibility
1,20,Lift
2,21,
""",
    "taxonomy.csv": """\
id,name,parent_id,parent_name,vocabulary
PX-1,Volunteering,,,AIRS
PX-1,Volunteering twice,,,AIRS
""",
    "services_taxonomy.csv": """\
id,service_id,taxonomy_id,taxonomy_detail
1,10,PX-1,
2,10,PX-1,
3,10,PX-9,
""",
    "funding.csv": "id,organization_id,service_id,source\n1,1,,City\n",
}

DESCRIPTOR = {"name": "dirty-town", "license": {"type": "CC-BY-SA-4.0"}, "resources": []}


def package(folder: Path, **changes: str | bytes | None) -> Path:
    """Write an HSDS 1.1 package with every sort of dirt; ``changes`` by the file's stem, None removes it."""
    (folder / "data").mkdir(parents=True)
    (folder / "datapackage.json").write_text(json.dumps(DESCRIPTOR))
    for name, content in FILES.items():
        given = changes.get(name.removesuffix(".csv"), content)
        if given is not None:
            data = given if isinstance(given, bytes) else given.encode()
            (folder / "data" / name).write_bytes(data)
    return folder


def told_of(report: ImportReport, name: str) -> dict[str, Any]:
    file = report.file(name)
    return {
        "read": file.read,
        "taken": file.taken,
        "repaired": [(r.row, r.field, r.how) for r in file.repairs],
        "rejected": [(r.row, r.reason) for r in file.rejections],
    }


async def test_a_dirty_package_comes_in_with_a_reason_for_every_row(
    empty_database: Database, tmp_path: Path
) -> None:
    await add_town(empty_database)

    report = await import_source(empty_database, package(tmp_path / "dirty"), municipality=ARS)

    assert (report.source, report.licence, report.ignored_files) == (
        "dirty-town",
        "CC-BY-SA-4.0",
        ["funding.csv"],
    )
    assert told_of(report, "organizations.csv") == {
        "read": 6,
        "taken": 2,
        "repaired": [
            (2, "legal_status", "KIND_ASSUMED"),
            (2, "description", "LINE_BREAKS"),
            (2, "url", "SCHEME_ADDED"),
            (3, "url", "WEB_ADDRESS_DROPPED"),
            (3, "email", "MAIL_ADDRESS_DROPPED"),
        ],
        "rejected": [(5, "ID_MISSING"), (6, "FIELD_MISSING"), (7, "COLUMN_COUNT"), (4, "DUPLICATE_ID")],
    }
    assert told_of(report, "services.csv") == {
        "read": 6,
        "taken": 2,
        "repaired": [
            (3, "organization_id", "ORGANIZATION_THROUGH_SERVICE"),
            (2, "status", "STATUS_ASSUMED_ACTIVE"),
        ],
        "rejected": [
            (6, "FIELD_MISSING"),
            (7, "DUPLICATE_ID"),
            (4, "PARENT_UNKNOWN"),
            (5, "PARENT_REJECTED"),
        ],
    }
    assert told_of(report, "locations.csv")["rejected"] == [(4, "PARENT_UNKNOWN")]
    assert told_of(report, "locations.csv")["repaired"] == [
        (3, "organization_id", "ORGANIZATION_FROM_SERVICE"),
        (5, "latitude", "COORDINATES_DROPPED"),
    ]
    rejected = {name: told_of(report, name)["rejected"] for name in FILES if name != "funding.csv"}
    assert rejected["services_at_location.csv"] == [(4, "PARENT_REJECTED"), (5, "PARENT_UNKNOWN")]
    assert rejected["physical_addresses.csv"] == [(3, "SECOND_ADDRESS")]
    assert rejected["phones.csv"] == [
        (5, "FIELD_MISSING"),
        (9, "PARENT_MISSING"),
        (10, "PARENT_UNKNOWN"),
        (4, "PHONE_UNREADABLE"),
    ]
    assert rejected["contacts.csv"] == [(3, "NOTHING_TO_REACH")]
    assert rejected["regular_schedules.csv"] == [
        (6, "FIELD_MISSING"),
        (8, "PARENT_REJECTED"),
        (4, "TIME_UNREADABLE"),
        (5, "WEEKDAY_UNREADABLE"),
    ]
    assert rejected["languages.csv"] == [(4, "LANGUAGE_UNKNOWN")]
    assert rejected["eligibility.csv"] == [(2, "PARENT_MISSING")]
    assert rejected["accessibility_for_disabilities.csv"] == [(3, "FIELD_MISSING")]
    assert rejected["taxonomy.csv"] == [(3, "DUPLICATE_ID")]
    assert rejected["services_taxonomy.csv"] == [(4, "TERM_UNKNOWN"), (3, "DUPLICATE_LINK")]
    assert msgspec.json.decode(report.as_json())["files"][0]["taken"] == 2


async def test_what_a_package_says_stands_in_the_directory(empty_database: Database, tmp_path: Path) -> None:
    await add_town(empty_database)
    await import_source(empty_database, package(tmp_path / "dirty"), municipality=ARS)

    advice = await service(empty_database, "10")
    document = msgspec.json.decode((await documents(empty_database))[advice.id])

    assert advice.state is PublicationState.DRAFT
    assert advice.kind is None
    assert document["source_terms"] == [{"code": "PX-1", "name": "Volunteering", "vocabulary": "AIRS"}]
    assert [spoken["language"] for spoken in document["languages"]] == ["en", "es", "ht"]
    assert document["contact_points"] == [
        {"kind": "PHONE", "value": "+13052534841", "label": {"en": "Desk"}},
        {"kind": "PHONE", "value": "+13055734200", "extension": "57471"},
    ]
    assert document["description"]["en"] == (
        "Good advice\n\nHow to apply: Call first\n\nFees: none\n\nEligibility: Adults only"
    )
    (place,) = document["locations"]
    assert (place["street"], place["city"], place["postcode"]) == ("1 Main Street, Suite 2", "Miami", "33133")
    assert place["hours"] == {
        "periods": [
            {"weekday": 1, "opens": "09:00", "closes": "17:00"},
            {"weekday": 5, "opens": "22:00", "closes": "24:00"},
            {"weekday": 6, "opens": "00:00", "closes": "02:00"},
        ],
        "timezone": "America/New_York",
    }
    async with empty_database.view(SYSTEM) as session:
        kinds = await session.execute(
            select(Partner.name, Partner.kind, Partner.public_body).order_by(Partner.name)
        )
        assert [(name, kind.value, public) for name, kind, public in kinds] == [
            ("Help, Inc.", "FREE_PROVIDER", False),
            ("Town Hall", "AUTHORITY", True),
        ]
    everything = "".join((await documents(empty_database)).values())
    assert "Private" not in everything  # names of persons stay where they are
    assert "director@help.example.org" in everything


async def test_a_package_can_be_a_zip_and_come_again(empty_database: Database, tmp_path: Path) -> None:
    await add_town(empty_database)
    folder = package(tmp_path / "dirty")
    await import_source(empty_database, folder, municipality=ARS)
    before = await head(empty_database)
    zipped = tmp_path / "other-name.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, f"dirty/{file.relative_to(folder)}")

    report = await import_source(empty_database, zipped, municipality=ARS)

    assert (report.partners.unchanged, report.services.unchanged) == (2, 2)
    assert await head(empty_database) == before
    await import_source(empty_database, zipped, municipality=ARS, publish=True)
    assert await changed_after(empty_database, before) == ["PARTNER"] * 2 + ["SERVICE"] * 2
    assert (await service(empty_database, "10")).state is PublicationState.PUBLISHED
    after = await head(empty_database)
    await import_source(empty_database, zipped, municipality=ARS)  # takes nothing back
    assert await head(empty_database) == after


async def test_what_coordinators_added_to_an_imported_service_stays(
    empty_database: Database, tmp_path: Path
) -> None:
    """HSDS 1.1 knows no kinds and no notes, so an import does not touch them, not even when it changes."""
    await add_town(empty_database)
    await import_source(empty_database, package(tmp_path / "one"), municipality=ARS)
    await _edit(empty_database, "10", kind="COUNSELLING", note="called them", title={"en": "By hand"})
    again = package(tmp_path / "two", services=FILES["services.csv"].replace("Good advice", "Best advice"))

    report = await import_source(empty_database, again, municipality=ARS)

    assert report.services.changed == 1
    advice = await service(empty_database, "10")
    assert (advice.kind, advice.note, advice.title["en"]) == ("COUNSELLING", "called them", "Advice")
    assert advice.description["en"].startswith("Best advice")


async def test_a_mark_at_the_beginning_of_a_file_is_taken_off(
    empty_database: Database, tmp_path: Path
) -> None:
    await add_town(empty_database)
    marked = b"\xef\xbb\xbf" + FILES["organizations.csv"].encode()
    report = await import_source(
        empty_database, package(tmp_path / "dirty", organizations=marked), municipality=ARS
    )
    assert report.file("organizations.csv").repairs[0].how == "BOM_REMOVED"
    assert report.partners.new == 2


@pytest.mark.parametrize(
    ("changes", "reason", "where"),
    [
        ({"organizations": None}, Refusal.FILE_MISSING, "organizations.csv"),
        ({"services": b""}, Refusal.FILE_EMPTY, "services.csv"),
        ({"services": "id,name\n1,x\n"}, Refusal.COLUMN_MISSING, "services.csv: organization_id"),
        ({"services": "id;organization_id;name\n"}, Refusal.COLUMN_MISSING, "services.csv: id"),
        (
            {"organizations": "id,name\n1,Büro\n".encode("latin-1")},
            Refusal.ENCODING,
            "organizations.csv, row 2",
        ),
        ({"organizations": "id,name\n1,x\n".encode("utf-16")}, Refusal.ENCODING, "organizations.csv, row 2"),
        ({"services": 'id,organization_id,name\n1,1,"open\n'}, Refusal.CSV_BROKEN, "services.csv, row 2"),
        (
            {"services": f"id,organization_id,name\n1,1,{'x' * 140_000}\n"},
            Refusal.CSV_BROKEN,
            "services.csv, row 2",
        ),
        ({"organizations": "id,name\n"}, Refusal.NOTHING_USABLE, "dirty-town"),
    ],
)
async def test_an_unusable_package_is_refused_and_nothing_written(
    empty_database: Database, tmp_path: Path, changes: dict[str, Any], reason: Refusal, where: str
) -> None:
    await add_town(empty_database)
    with pytest.raises(ImportRefused) as refused:
        await import_source(empty_database, package(tmp_path / "dirty", **changes), municipality=ARS)
    assert (refused.value.reason, refused.value.where) == (reason, where)
    assert str(refused.value).startswith(where)
    assert set((await counts(empty_database)).values()) == {0}


def _without(content: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != key}


def _partner_with(**values: Any) -> dict[str, Any]:
    school = {**network()["partners"][1], **values}
    return network(partners=[network()["partners"][0], school])


def _service_with(**values: Any) -> dict[str, Any]:
    return _partner_with(services=[{"key": "x", "kind": "COUNSELLING", "title": {"de": "x"}, **values}])


@pytest.mark.parametrize(
    ("content", "reason", "where"),
    [
        ("{", Refusal.INVALID, "network.json"),
        (network(format="spurwechsel-network/2"), Refusal.INVALID, "$.format"),
        (_without(network(), "source"), Refusal.INVALID, "source"),
        (_partner_with(surprise=1), Refusal.INVALID, "surprise"),
        (_partner_with(kind="CLUB"), Refusal.INVALID, "$.partners[1].kind"),
        (_partner_with(key="coordination"), Refusal.DUPLICATE_KEY, "coordination"),
        (_partner_with(name="Frau Maria Beispiel"), Refusal.PRIVATE_PERSON, "partners: school: name"),
        (_partner_with(website="javascript:x"), Refusal.INVALID, "school: website"),
        (
            _partner_with(contact_points=[{"kind": "PHONE", "value": "0355 6120"}]),
            Refusal.INVALID,
            "contact_points[0].value",
        ),
        (
            _partner_with(
                services=[{"key": "x", "kind": "COUNSELLING", "title": {"de": "x"}, "topics": ["?"]}]
            ),
            Refusal.INVALID,
            "topics",
        ),
        (
            _partner_with(
                services=[{"key": "x", "kind": "COUNSELLING", "title": {"de": "x"}, "topics": ["no"]}]
            ),
            Refusal.REFERENCE_UNKNOWN,
            "services: x: topics: no",
        ),
        (
            _service_with(title={}),
            Refusal.INVALID,
            "services: x: title",
        ),
        (network(topics=[{"code": "a", "labels": {}, "parent": "a"}]), Refusal.INVALID, "topics: a"),
    ],
)
async def test_an_unusable_network_file_is_refused_and_nothing_written(
    empty_database: Database, tmp_path: Path, content: Any, reason: Refusal, where: str
) -> None:
    path = write(tmp_path, content)
    if isinstance(content, str):
        path.write_text(content)
    with pytest.raises(ImportRefused) as refused:
        await import_source(empty_database, path)
    assert refused.value.reason is reason
    assert where in refused.value.where
    assert set((await counts(empty_database)).values()) == {0}


async def test_the_municipality_must_be_known_and_stay_the_same(
    empty_database: Database, tmp_path: Path
) -> None:
    dirty = package(tmp_path / "dirty")

    async def reason(path: Path, ars: str | None) -> Refusal:
        with pytest.raises(ImportRefused) as refused:
            await import_source(empty_database, path, municipality=ars)
        return refused.value.reason

    assert await reason(dirty, ARS) is Refusal.MUNICIPALITY_UNKNOWN
    assert await reason(write(tmp_path, network()), "12060") is Refusal.MUNICIPALITY_DIFFERS
    await import_source(empty_database, write(tmp_path, network()))
    report = await import_source(empty_database, dirty)
    assert report.municipality_key == ARS
    async with empty_database.work(SYSTEM) as work:
        only = await work.session.scalar(select(Municipality.id).where(Municipality.ars == ARS))
        assert report.municipality == only, "the only one there is needs no naming"
        work.session.add(Municipality(ars="12060", name={"de": "Barnim"}, kind_labels={}))
    with pytest.raises(ImportRefused) as refused:
        sheet = tmp_path / "new.csv"
        sheet.write_text("Partner;Angebot (de)\nVerein;Beratung\n")
        await import_source(empty_database, sheet)
    assert refused.value.reason is Refusal.MUNICIPALITY_NEEDED
    assert refused.value.where == "120520000000 (Stadt), 12060 (Barnim)"
    assert (await import_source(empty_database, dirty)).municipality_key == ARS, "it is there already"
    assert await reason(dirty, "12060") is Refusal.MUNICIPALITY_DIFFERS
    other = network(source="other", partners=[{**network()["partners"][0], "key": "coordination"}])
    assert await reason(write(tmp_path, other), None) is Refusal.COORDINATION_TAKEN


async def test_where_no_municipality_is_a_source_stands_without_one_until_it_is_given_to_one(
    empty_database: Database, tmp_path: Path
) -> None:
    dirty = package(tmp_path / "dirty")
    report = await import_source(empty_database, dirty, publish=True)
    assert (report.municipality_key, report.municipality_name["de"]) == ("00", "Ohne Kommune")
    before = await counts(empty_database)
    assert (report.partners.new, report.services.new) == (before["partner"], before["service"])
    await import_source(empty_database, write(tmp_path, network()), publish=True)
    again = await import_source(empty_database, dirty, publish=True)
    assert again.municipality_key == "00", "what nobody says again stays where it is"
    assert (again.partners.changed, again.services.changed, again.services.dependent) == (0, 0, 0)

    moved = await import_source(empty_database, dirty, municipality=ARS, publish=True)
    assert (moved.partners.changed, moved.services.dependent) == (report.partners.new, report.services.new)
    async with empty_database.view(SYSTEM) as session:
        documents = await session.scalars(select(ServiceDocumentRow.public))
        keys = {msgspec.json.decode(public)["municipality"]["ars"] for public in documents}
        left = await session.scalar(
            select(func.count()).select_from(Partner).where(Partner.municipality_id == report.municipality)
        )
    assert keys == {ARS}
    assert left == 0
    assert (await import_source(empty_database, dirty, publish=True)).municipality_key == ARS


@pytest.mark.parametrize("name", ["nothing-here", "text.txt", "empty-folder", "broken.zip"])
async def test_what_is_no_source_is_said_to_be_none(
    empty_database: Database, tmp_path: Path, name: str
) -> None:
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "broken.zip").write_text("hello")
    (tmp_path / "empty-folder").mkdir()
    with pytest.raises(ImportRefused) as refused:
        await import_source(empty_database, tmp_path / name)
    expected = Refusal.NOT_FOUND if name == "nothing-here" else Refusal.FORMAT_UNKNOWN
    assert refused.value.reason is expected


MEASURED = """
import asyncio, json, re, sys
from pathlib import Path
from directory.database import Database
from directory.importing import import_source

def kilobytes():  # not getrusage: a child begins with its parent's peak
    return int(re.search("VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])

async def main():
    database = Database(sys.argv[1], sys.argv[2])
    await database.start()
    before = kilobytes()
    runs = [await import_source(database, sys.argv[3], municipality="120520000000") for _ in range(2)]
    peak = kilobytes()
    await database.stop()
    print(json.dumps({
        "new": [[run.partners.new, run.services.new] for run in runs],
        "seconds": [[run.read_seconds, run.stage_seconds, run.take_over_seconds] for run in runs],
        "grown": (peak - before) // 1024, "peak": peak // 1024,
        "files": {file.file: [file.read, file.taken, file.repaired] for file in runs[0].files},
    }))

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(not MIAMI.is_dir(), reason="needs the HSDS 1.1 package ../shared/data/miami211_hsds11")
async def test_the_miami_package_comes_in_whole(
    cluster: Access, empty_database: Database, empty_database_name: str
) -> None:
    await add_town(empty_database)
    addresses = cluster.dsn(APP, empty_database_name), cluster.dsn(READER, empty_database_name)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MEASURED, *addresses, str(MIAMI), stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'graphql'}"},
    )  # fmt: skip
    told, _ = await asyncio.wait_for(process.communicate(), 170)
    measured = json.loads(told)
    print(measured)

    assert measured["new"] == [[1074, 4089], [0, 0]]
    assert 0 < measured["grown"] < 64  # megabytes
    assert measured["seconds"][0][2] < 20  # the takeover is short, however slow this machine
    assert measured["files"]["eligibility.csv"] == [2244, 0, 0]
    assert measured["files"]["services.csv"] == [4089, 4089, 4089]
    assert (await counts(empty_database))["change"] == 1074 + 4089
    async with empty_database.view(SYSTEM) as session:
        one = await session.scalar(select(Partner.id).limit(1))
        stored = await session.get_one(PartnerDocumentRow, one)
    async with empty_database.work(SYSTEM) as work:
        await rebuild_partners(work.session, [stored.id])
    async with empty_database.view(SYSTEM) as session:
        assert (await session.get_one(PartnerDocumentRow, one)).public == stored.public
