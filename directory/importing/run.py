"""Runs an import: recognise the format, stage in committed chunks, take over at once, clean up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import text

from directory.actors import SYSTEM
from directory.database import Database
from directory.importing.entries import Source
from directory.importing.hsds11 import Hsds11Source, is_hsds11
from directory.importing.network import NetworkSource
from directory.importing.packages import Package
from directory.importing.report import ImportRefused, ImportReport, Phase, Progress, Refusal
from directory.importing.staging import Stage
from directory.importing.takeover import Takeover
from directory.look_alikes import pairs_among

IMPORT_LOCK: Final = 0x494D504F  # "IMPO"
"""Key of the advisory lock that lets one import run at a time."""

_AT_ONCE: Final = 20_000
"""Rows that cleaning deletes in one transaction."""


def _silent(phase: Phase, done: int, total: int | None) -> None:
    pass


async def import_source(
    database: Database,
    path: Path | str,
    *,
    municipality: str | None = None,
    publish: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Take a network file (.json) or an HSDS 1.1 package (folder, .zip) into the directory.

    ``municipality``: official key (ARS) of one that exists; a package needs it where there is not exactly
    one, a network file brings its own. ``publish``: entries come as published, not as drafts. Raises
    ImportRefused, having written nothing.

    Everything becomes visible at once at the end. Running it twice changes nothing; an entry whose source
    says nothing new keeps what was changed here.
    """
    told = progress or _silent
    path = Path(path)
    report = ImportReport(run=uuid4(), source="", format="")
    async with _only_import(database):
        await _clean(database, told)
        begun = monotonic()
        source = _open(database, path, report, told)
        report.source, report.format, report.licence = source.name, source.format, source.licence
        report.clients = source.clients
        stage = Stage(database, report.run, source, report, publish=publish)
        await stage.prepare(municipality)
        await _begin(database, report)
        try:
            total = await source.prepare()
            report.read_seconds = monotonic() - begun
            begun = monotonic()
            await _stage(stage, source, told, total)
            report.stage_seconds = monotonic() - begun
            begun = monotonic()
            told(Phase.TAKE_OVER, 0, None)
            async with database.work(SYSTEM) as work:
                await Takeover(work, stage).run()
            report.take_over_seconds = monotonic() - begun
            await _point_out_duplicates(database, report)
        except BaseException:
            await _give_up(database, report.run)
            raise
        await _keep_report(database, report)
        await _clean(database, told)
    return report


def _open(database: Database, path: Path, report: ImportReport, told: Progress) -> Source:
    try:
        if not path.exists():
            raise ImportRefused(Refusal.NOT_FOUND, path.name)
        return _recognised(database, path, report, told)
    except OSError as error:  # here, because further out it would look like a database that is gone
        raise ImportRefused(Refusal.UNREADABLE, path.name) from error


def _recognised(database: Database, path: Path, report: ImportReport, told: Progress) -> Source:
    if path.is_file() and path.suffix.lower() == ".json":
        return NetworkSource(path, report)
    if path.is_dir() or path.suffix.lower() == ".zip":
        package = Package(path)
        if is_hsds11(package):
            return Hsds11Source(package, database, report, told)
    raise ImportRefused(Refusal.FORMAT_UNKNOWN, path.name)


async def _stage(stage: Stage, source: Source, told: Progress, total: int | None) -> None:
    done = taken = 0
    told(Phase.STAGE, 0, total)
    async for partners in source.partners():
        await stage.partners(partners)
        done += len(partners)
        told(Phase.STAGE, done, total)
    taken = done
    async for services in source.services():
        await stage.services(services)
        done += len(services)
        told(Phase.STAGE, done, total)
    if not taken and stage.report.files and any(file.read for file in stage.report.files):
        raise ImportRefused(Refusal.NOTHING_USABLE, source.name, stage.report)


@asynccontextmanager
async def _only_import(database: Database) -> AsyncIterator[None]:
    """Hold the importers' lock in a transaction of its own: it ends with this process, however that ends."""
    async with database.view(SYSTEM) as session:
        # the transaction waits as long as the import takes, whatever the server thinks of idle ones
        await session.execute(text("SELECT set_config('idle_in_transaction_session_timeout', '0', true)"))
        free = await session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": IMPORT_LOCK})
        if not free:
            raise ImportRefused(Refusal.ANOTHER_IMPORT_RUNS)
        yield


async def _begin(database: Database, report: ImportReport) -> None:
    async with database.work(SYSTEM) as work:
        await work.session.execute(
            text(
                "INSERT INTO import_run (id, source, format, state, started_at)"
                " VALUES (:id, :source, :format, 'STAGING', :now)"
            ),
            {"id": report.run, "source": report.source, "format": report.format, "now": work.now},
        )


async def _point_out_duplicates(database: Database, report: ImportReport) -> None:
    """Look whether what is new may be there twice: what is staged still says what is new."""
    for kind in DocumentKind:
        async with database.view(SYSTEM) as session:
            found = await session.scalars(
                text(
                    "SELECT id FROM import_staging WHERE run_id = :run AND kind = :kind"
                    " AND base_version = 0 AND row IS NOT NULL ORDER BY id"
                ),
                {"run": report.run, "kind": kind.value},
            )
            new = list(found)
        async for pair in pairs_among(database, kind, new):
            report.duplicates.note(pair)


async def _keep_report(database: Database, report: ImportReport) -> None:
    async with database.work(SYSTEM) as work:
        await work.session.execute(
            text("UPDATE import_run SET report = CAST(:report AS jsonb) WHERE id = :id"),
            {"id": report.run, "report": report.as_json().decode()},
        )


async def _give_up(database: Database, run: UUID) -> None:
    """Mark a run as failed; if even that fails, the next run finds it STAGING and cleans up."""
    try:
        async with database.work(SYSTEM) as work:
            await work.session.execute(
                text("UPDATE import_run SET state = 'FAILED', ended_at = :now WHERE id = :id"),
                {"id": run, "now": work.now},
            )
        await _clean(database, _silent)
    except Exception:  # noqa: S110 - the first error is the one to report
        pass


async def _clean(database: Database, told: Progress) -> None:
    """Delete what runs have staged; under the lock nobody is staging, so whoever was has died."""
    # first, so that a run that has lost the lock without noticing takes nothing over
    async with database.work(SYSTEM) as work:
        await work.session.execute(
            text("UPDATE import_run SET state = 'FAILED', ended_at = :now WHERE state = 'STAGING'"),
            {"now": work.now},
        )
    deleted = 0
    for table in ("import_row", "import_staging"):
        while True:
            async with database.work(SYSTEM) as work:
                gone = await work.session.execute(
                    text(
                        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} LIMIT :many))"  # noqa: S608
                        " RETURNING 1"
                    ),
                    {"many": _AT_ONCE},
                )
                count = len(gone.all())
            deleted += count
            if count:
                told(Phase.CLEAN, deleted, None)
            if count < _AT_ONCE:
                break
