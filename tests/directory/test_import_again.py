"""Imports that come again: after a kill in the middle, after Ctrl-C, and when the source has lost entries."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from directory.actors import SYSTEM
from directory.catalogue import PartnerChange, change_partner
from directory.database import Database
from directory.days import local_day
from directory.documents import service_decoder
from directory.freshness import INTERVALS, due_days
from directory.importing import ImportRefused, ImportReport, Phase, Refusal, import_source
from directory.models import Municipality, Partner, PartnerDocumentRow, Service, ServiceDocumentRow
from directory.vocabulary import DataKind, PublicationState
from graphapi.embedded import APP, READER, Access

ARS = "120520000000"
ROOT = Path(__file__).parents[2]
MIAMI = ROOT.parent / "shared" / "data" / "miami211_hsds11"

RUN = """
import asyncio, json, os, re, signal, sys
from pathlib import Path
from directory.database import Database
from directory.importing import Phase, import_source

phases = []

def told(phase, done, total):
    if not phases or phases[-1][0] != phase.value:
        phases.append([phase.value, done])
    if len(sys.argv) > 4 and phase is Phase(sys.argv[4]) and done >= int(sys.argv[5]):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    database = Database(sys.argv[1], sys.argv[2])
    await database.start()
    report = await import_source(database, Path(sys.argv[3]), municipality="120520000000", progress=told)
    await database.stop()
    peak = int(re.search("VmHWM:\\\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])
    print(json.dumps({
        "phases": phases, "continued": report.continued, "peak": peak // 1024,
        "partners": [report.partners.new, report.partners.unchanged],
        "services": [report.services.new, report.services.unchanged],
        "files": {f.file: [f.read, f.taken, f.repaired, f.rejected] for f in report.files},
    }))

asyncio.run(main())
"""


async def start(addresses: tuple[str, str], path: Path, *kill: str) -> tuple[int, dict[str, Any]]:
    """Run an import in a process of its own; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, *addresses, str(path), *kill, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'graphql'}"},
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 170)
    assert process.returncode is not None
    return process.returncode, json.loads(out) if out else {}


async def add_town(database: Database) -> None:
    async with database.work(SYSTEM) as work:
        work.session.add(Municipality(ars=ARS, name={"de": "Stadt"}, kind_labels={}))


async def everything(database: Database) -> dict[str, Any]:
    """All that an import leaves, without the moment of it."""
    found: dict[str, Any] = {}
    async with database.view(SYSTEM) as session:
        for table in (PartnerDocumentRow, ServiceDocumentRow):
            for row in await session.execute(select(table.id, table.public)):
                found[str(row.id)] = row.public[: row.public.rindex('"said_at"')]
        for table_name in ("change", "import_origin", "location", "service_location", "import_original"):
            found[table_name] = await session.scalar(text(f"SELECT count(*) FROM {table_name}"))
        found["staged"] = await session.scalar(
            text("SELECT (SELECT count(*) FROM import_row) + (SELECT count(*) FROM import_staging)")
        )
    return found


def big_package(folder: Path, organizations: int) -> Path:
    """An HSDS 1.1 package with two services each, some rows of which are to be rejected or repaired."""
    data = folder / "data"
    data.mkdir(parents=True)
    (folder / "datapackage.json").write_text(json.dumps({"name": "big"}))
    numbers = range(1, organizations + 1)
    header = "id,name,description,url,email,tax_status,legal_status\n"
    (data / "organizations.csv").write_text(
        header + "".join(f"{n},Org {n},Text\\nmore,www.x{n}.example.org,,,\n" for n in numbers) + "x,,,,,,\n"
    )
    (data / "services.csv").write_text(
        "id,organization_id,name,status\n"
        + "".join(f"{n}a,{n},A {n},active\n{n}b,{n},B {n},\n" for n in numbers)
        + "z,none,Orphan,active\n"
    )
    (data / "phones.csv").write_text(
        "id,organization_id,number\n"
        + "".join(f"p{n},{n},+4935561{n:04}\n" for n in numbers)
        + "bad,1,911\nworse,nobody,+493556120\n"
    )
    return folder


POINTS = [("READ", 200), ("STAGE", 250), ("STAGE", 900), ("TAKE_OVER", 0), ("CLEAN", 1)]


@pytest.mark.slow
async def test_a_killed_import_goes_on_and_ends_as_if_it_had_never_been_killed(
    cluster: Access, empty_database: Database, empty_database_name: str, tmp_path: Path
) -> None:
    """Several kills in one import; each run goes on with the chunks that the ones before have staged."""
    path = big_package(tmp_path / "big", 400)
    addresses = cluster.dsn(APP, empty_database_name), cluster.dsn(READER, empty_database_name)
    await add_town(empty_database)
    runs = []
    for phase, done in POINTS:
        code, _ = await start(addresses, path, phase, str(done))
        assert code == -9
        async with empty_database.view(SYSTEM) as session:
            state = await session.execute(text("SELECT id, state FROM import_run"))
            runs.append(state.all())
        if phase != "CLEAN":
            assert (await everything(empty_database))["change"] == 0, "nothing is visible before the takeover"
    assert len({run.id for rows in runs for run in rows}) == 1, "it was the same run all the time"

    report = await import_source(empty_database, path, municipality=ARS)

    assert (report.partners.unchanged, report.services.unchanged) == (400, 800)  # it was taken over already
    left = await everything(empty_database)
    assert (left["change"], left["staged"]) == (1200, 0)


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(("READ", "200"), marks=pytest.mark.slow),
        pytest.param(("STAGE", "650"), marks=pytest.mark.slow),
    ],
)
async def test_the_run_after_a_kill_reports_what_an_undisturbed_one_reports(
    cluster: Access,
    empty_database: Database,
    empty_database_name: str,
    tmp_path: Path,
    point: tuple[str, str],
) -> None:
    path = big_package(tmp_path / "big", 400)
    addresses = cluster.dsn(APP, empty_database_name), cluster.dsn(READER, empty_database_name)
    await add_town(empty_database)
    assert (await start(addresses, path, *point))[0] == -9
    async with empty_database.view(SYSTEM) as session:
        staged = await session.scalar(text("SELECT count(*) FROM import_staging"))

    code, told = await start(addresses, path)

    assert code == 0
    assert told["continued"]
    assert (told["partners"], told["services"]) == ([400, 0], [800, 0])
    assert told["files"] == {
        "organizations.csv": [401, 400, 400, 1],
        "services.csv": [801, 800, 400, 1],
        "phones.csv": [402, 400, 0, 2],
    }
    assert told["phases"][0][0] == "CONTINUE"
    assert told["phases"][0][1] == staged
    if point[0] == "STAGE":
        assert staged == 650
        assert "READ" not in [phase for phase, _ in told["phases"]], "what was read is not read again"
    assert (await everything(empty_database))["staged"] == 0


@pytest.mark.slow
async def test_another_source_or_another_way_to_take_it_begins_anew(
    cluster: Access, empty_database: Database, empty_database_name: str, tmp_path: Path
) -> None:
    path = big_package(tmp_path / "big", 300)
    addresses = cluster.dsn(APP, empty_database_name), cluster.dsn(READER, empty_database_name)
    await add_town(empty_database)
    assert (await start(addresses, path, "STAGE", "500"))[0] == -9
    organizations = path / "data" / "organizations.csv"
    organizations.write_text(organizations.read_text().replace("Org 7,", "Org Seven,"))

    report = await import_source(empty_database, path, municipality=ARS)

    assert not report.continued
    assert (report.partners.new, report.services.new) == (300, 600)
    async with empty_database.view(SYSTEM) as session:
        names = await session.scalars(select(Partner.name).where(Partner.name.startswith("Org S")))
        assert names.all() == ["Org Seven"]
        states = await session.scalars(text("SELECT state FROM import_run ORDER BY started_at"))
        assert states.all() == ["FAILED", "DONE"]


async def test_an_interrupted_import_keeps_what_it_has_staged(
    empty_database: Database, tmp_path: Path
) -> None:
    """Ctrl-C cancels the import's task; nothing is visible then, and the next run goes on."""
    path = big_package(tmp_path / "big", 300)
    await add_town(empty_database)

    def interrupt(phase: Phase, done: int, total: int | None) -> None:
        if phase is Phase.STAGE and done >= 500:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await import_source(empty_database, path, municipality=ARS, progress=interrupt)
    assert (await everything(empty_database))["change"] == 0

    report = await import_source(empty_database, path, municipality=ARS)

    assert report.continued
    assert (report.partners.new, report.services.new) == (300, 600)


async def _states(database: Database) -> dict[str, str]:
    async with database.view(SYSTEM) as session:
        found = [
            *await session.execute(select(Partner.provenance["foreign_id"].astext, Partner.state)),
            *await session.execute(select(Service.provenance["foreign_id"].astext, Service.state)),
        ]
    return {foreign_id: state.value for foreign_id, state in found}


async def test_what_vanished_from_the_source_is_reported_and_withdrawn_only_when_told(
    empty_database: Database, tmp_path: Path
) -> None:
    await add_town(empty_database)
    folder = big_package(tmp_path / "big", 3)
    shorter = big_package(tmp_path / "shorter" / "big", 2)

    async def run(path: Path, **options: Any) -> ImportReport:
        return await import_source(empty_database, path, municipality=ARS, publish=True, **options)

    await run(folder)
    report = await run(shorter)
    assert (report.missing.partners, report.missing.services, report.missing.withdrawn) == (1, 2, 0)
    assert {(one.kind, one.foreign_id) for one in report.missing.first} == {
        ("PARTNER", "3"),
        ("SERVICE", "3a"),
        ("SERVICE", "3b"),
    }
    assert set((await _states(empty_database)).values()) == {"PUBLISHED"}

    report = await run(shorter, withdraw_missing=True)

    assert report.missing.withdrawn == 3
    states = await _states(empty_database)
    assert {key for key, state in states.items() if state == "HIDDEN"} == {"3", "3a", "3b"}
    async with empty_database.reader.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM service_document") == 4
    again = await run(shorter, withdraw_missing=True)
    assert (again.missing.partners, again.missing.withdrawn) == (0, 0)

    back = await run(folder)

    assert back.missing.partners == 0
    assert set((await _states(empty_database)).values()) == {"PUBLISHED"}, "what comes back is shown again"


async def test_an_imported_entry_ages_whatever_its_partner_changes(
    empty_database: Database, tmp_path: Path
) -> None:
    """What its source says of it counts from the day on which it said so, not from its partner's new name."""
    await add_town(empty_database)
    path = tmp_path / "one.json"
    organization = {"id": "o", "name": "Verein", "description": "x"}
    record = {"id": "s", "name": "Kurs", "status": "active", "organization": organization}
    path.write_text(json.dumps(record))
    begun = empty_database.clock()

    async def due() -> tuple[date, datetime]:
        async with empty_database.work(SYSTEM) as work:
            found = (await work.session.scalars(select(ServiceDocumentRow))).one()
        document = service_decoder.decode(found.public)
        return due_days(document)[DataKind.CONTACT], document.updated_at

    await import_source(empty_database, path, publish=True)
    first, written = await due()
    assert first == INTERVALS[DataKind.CONTACT].end(local_day(begun))

    empty_database.clock = lambda: begun + timedelta(days=100)
    async with empty_database.work(SYSTEM) as work:
        partner = (await work.session.scalars(select(Partner))).one()
        await change_partner(work, partner.id, PartnerChange(name="Neu"), expected_version=partner.version)
    later, written_later = await due()
    assert (later, written_later - written > timedelta(days=99)) == (first, True)

    # the same again says nothing new; something new begins anew
    await import_source(empty_database, path, publish=True)
    assert (await due())[0] == first
    path.write_text(json.dumps({**record, "url": "https://example.org/"}))
    await import_source(empty_database, path, publish=True)
    assert (await due())[0] == INTERVALS[DataKind.CONTACT].end(local_day(begun + timedelta(days=100)))


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [(33, 22, None), (33, 21, "12 of 33 partners"), (10, 1, "18 of 20 services"), (5, 1, None)],
)
async def test_most_of_a_source_is_withdrawn_only_when_told_twice(
    empty_database: Database, tmp_path: Path, before: int, after: int, refused: str | None
) -> None:
    """A file that was cut off looks like one from which much has gone."""
    await add_town(empty_database)
    cut = big_package(tmp_path / "cut" / "big", after)

    async def run(path: Path, **options: Any) -> ImportReport:
        return await import_source(empty_database, path, municipality=ARS, publish=True, **options)

    await run(big_package(tmp_path / "big", before))
    if refused is not None:
        with pytest.raises(ImportRefused) as caught:
            await run(cut, withdraw_missing=True)
        assert caught.value.reason is Refusal.TOO_MUCH_MISSING
        assert refused in caught.value.where
        assert "--withdraw-most" in str(caught.value)
        assert set((await _states(empty_database)).values()) == {"PUBLISHED"}
        assert (await run(cut)).missing.withdrawn == 0, "to report them is never refused"

    report = await run(cut, withdraw_missing=True, withdraw_most=refused is not None)

    gone = 3 * (before - after)
    assert report.missing.withdrawn == gone
    states = list((await _states(empty_database)).values())
    assert (states.count("HIDDEN"), len(states)) == (gone, 3 * before)


async def test_a_row_that_is_broken_this_time_is_not_missing(
    empty_database: Database, tmp_path: Path
) -> None:
    await add_town(empty_database)
    folder = big_package(tmp_path / "big", 3)
    await import_source(empty_database, folder, municipality=ARS, publish=True)
    services = folder / "data" / "services.csv"
    services.write_text(services.read_text().replace("3a,3,A 3,active", "3a,3,,active"))

    report = await import_source(
        empty_database, folder, municipality=ARS, publish=True, withdraw_missing=True
    )

    assert report.file("services.csv").rejected_by["FIELD_MISSING"] == 1
    assert report.missing.services == 0
    assert (await _states(empty_database))["3a"] == PublicationState.PUBLISHED


@pytest.mark.slow
@pytest.mark.skipif(not MIAMI.is_dir(), reason="needs the HSDS 1.1 package ../shared/data/miami211_hsds11")
async def test_miami_is_killed_in_many_places_and_nothing_is_lost_or_doubled(
    cluster: Access, empty_database: Database, empty_database_name: str
) -> None:
    """The figures of an undisturbed import, reached by seven runs of which six are killed."""
    addresses = cluster.dsn(APP, empty_database_name), cluster.dsn(READER, empty_database_name)
    await add_town(empty_database)
    staged = 0
    for phase, done in (
        ("READ", "1500000"), ("READ", "6000000"), ("STAGE", "250"), ("STAGE", "1500"), ("STAGE", "4000"),
        ("TAKE_OVER", "0"),
    ):  # fmt: skip
        assert (await start(addresses, MIAMI, phase, done))[0] == -9
        async with empty_database.view(SYSTEM) as session:
            now = await session.scalar(
                text("SELECT count(*) FROM import_staging WHERE kind IN ('PARTNER', 'SERVICE')")
            )
        assert now >= staged, "no chunk is staged twice or forgotten"
        staged = now
    assert staged == 1074 + 4089
    code, told = await start(addresses, MIAMI)
    print(told)
    assert code == 0
    assert told["continued"]
    assert (told["partners"], told["services"]) == ([1074, 0], [4089, 0])
    assert told["files"]["eligibility.csv"] == [2244, 0, 0, 2244]
    assert told["files"]["services.csv"] == [4089, 4089, 4089, 0]
    left = await everything(empty_database)
    assert (left["change"], left["staged"]) == (1074 + 4089, 0)
    again = await start(addresses, MIAMI)
    assert (again[1]["partners"], again[1]["services"]) == ([0, 1074], [0, 4089])
