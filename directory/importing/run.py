"""Runs an import: recognise the format, stage in committed chunks, take over at once, clean up."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import SYSTEM
from directory.database import Database
from directory.documents import SHAPE, DocumentKind
from directory.importing.entries import Source
from directory.importing.hsds3 import Hsds3Source, is_hsds3
from directory.importing.hsds11 import Hsds11Source, is_hsds11
from directory.importing.network import NetworkSource, is_network
from directory.importing.ohana import OhanaSource, is_ohana
from directory.importing.packages import Package
from directory.importing.report import ImportRefused, ImportReport, Phase, Progress, Refusal
from directory.importing.services_advisor import ServicesAdvisorSource, is_services_advisor
from directory.importing.sheet import SheetSource
from directory.importing.staging import Stage, keep_progress
from directory.importing.takeover import Takeover
from directory.look_alikes import pairs_among

IMPORT_LOCK: Final = 0x494D504F  # "IMPO"
"""Key of the advisory lock that lets one import run at a time."""

STAGED_AS: Final = 5
"""Number of how sources are read and staged; a release that changes it never goes on with an older run."""

_AT_ONCE: Final = 20_000
"""Rows that cleaning deletes in one transaction."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a source does not say of itself: its name and licence, and the language of its texts (BCP 47)."""

    name: str | None = None
    licence: str | None = None
    language: str | None = None


def _silent(phase: Phase, done: int, total: int | None) -> None:
    pass


async def import_source(
    database: Database,
    path: Path | str | Sequence[Path | str],
    *,
    municipality: str | None = None,
    publish: bool = False,
    withdraw_missing: bool = False,
    withdraw_most: bool = False,
    reading: Reading | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Take a source into the directory, whatever its format (``FORMATS``); several files are one source.

    ``municipality``: official key (ARS) of one that exists; a package needs it where there is not exactly
    one, a network file brings its own. ``publish``: entries come as published, not as drafts.
    ``withdraw_missing``: entries that came from this source before and are not in it any more are hidden;
    without it they are only reported. That is refused when it would be more than a third of one kind (and
    more than ten), unless ``withdraw_most`` says so too. ``reading``: what the source does not say of itself.
    Raises ImportRefused, having written nothing.

    Everything becomes visible at once at the end. Running it twice changes nothing; an entry whose source
    says nothing new keeps what was changed here. A run that was killed or interrupted goes on where it was
    when the same source comes again in the same way; when the source has changed, it begins anew.
    """
    told = progress or _silent
    paths = [Path(one) for one in ([path] if isinstance(path, str | Path) else path)]
    reading = reading or Reading()
    async with _only_import(database):
        begun = monotonic()
        marked = await _fingerprint(database, paths, municipality, publish, reading)
        report, cursor = await _to_continue(database, marked)
        await _clean(database, told, spare=report.run)
        source = _open(database, paths, reading, report, told)
        report.source, report.format, report.licence = source.name, source.format, source.licence
        report.clients = source.clients
        stage = Stage(database, report.run, source, report, publish=publish)
        await stage.prepare(municipality)
        if report.continued:
            told(Phase.CONTINUE, await _staged_so_far(database, report.run), None)
        else:
            await _begin(database, report, marked)

        async def checkpoint(session: AsyncSession, phase: str, position: int) -> None:
            await keep_progress(session, report, phase, position)

        try:
            total = await source.prepare(checkpoint if cursor is None else None)
            report.read_seconds += monotonic() - begun
            begun = monotonic()
            await _stage(stage, source, told, total, cursor or ("PARTNERS", 0))
            report.stage_seconds += monotonic() - begun
            begun = monotonic()
            told(Phase.TAKE_OVER, 0, None)
            async with database.work(SYSTEM) as work:
                takeover = Takeover(
                    work, stage, withdraw_missing=withdraw_missing, withdraw_most=withdraw_most
                )
                await takeover.run()
            report.take_over_seconds = monotonic() - begun
            await _point_out_duplicates(database, report)
        except Exception:
            await _give_up(database, report.run)
            raise
        # an interruption (CancelledError, KeyboardInterrupt) leaves what is staged: the next run goes on
        await _keep_report(database, report)
        await _clean(database, told)
    return report


async def _fingerprint(
    database: Database, paths: Sequence[Path], municipality: str | None, publish: bool, reading: Reading
) -> bytes:
    """Return what two runs must have in common so that one can go on with what the other has staged.

    That is the content of the source, how it is imported, and what is staged beside entries (the names of
    municipalities and topics).
    """
    seen = hashlib.blake2b(digest_size=32)
    for part in (STAGED_AS, SHAPE, municipality, publish, reading):
        seen.update(msgspec.json.encode(part) + b"\n")
    try:
        for path in paths:
            await asyncio.to_thread(_digest_files, path, seen)
    except OSError as error:
        raise ImportRefused(Refusal.UNREADABLE, path.name) from error
    async with database.view(SYSTEM) as session:
        for table in ("municipality", "topic", "occupation"):
            lines = await session.scalar(
                text(f"SELECT md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) FROM {table} t")  # noqa: S608
            )
            seen.update(str(lines).encode())
    return seen.digest()


def _digest_files(path: Path, seen: hashlib.blake2b) -> None:
    """Add the content of a file, or of all files of a folder under their names."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if file.is_file():
            seen.update(str(file.relative_to(path.parent)).encode() + b"\0")
            with file.open("rb") as opened:
                while part := opened.read(1 << 20):
                    seen.update(part)


async def _to_continue(database: Database, marked: bytes) -> tuple[ImportReport, tuple[str, int] | None]:
    """Return the report of an unfinished run of the same source and where it was, or a new report."""
    async with database.view(SYSTEM) as session:
        found = (
            await session.execute(
                text(
                    "SELECT id, cursor, kept FROM import_run WHERE state = 'STAGING'"
                    " AND fingerprint = :marked ORDER BY started_at DESC LIMIT 1"
                ),
                {"marked": marked},
            )
        ).first()
    if found is None:
        return ImportReport(run=uuid4(), source="", format=""), None
    if found.cursor is None:  # it was reading: rows are counted again, those that are staged stay
        return ImportReport(run=found.id, source="", format="", continued=True), None
    phase, position = found.cursor.split()
    report = ImportReport.unpacked(found.kept)
    report.continued = True
    return report, (phase, int(position))


async def _staged_so_far(database: Database, run: UUID) -> int:
    async with database.view(SYSTEM) as session:
        staged = await session.scalar(
            text(
                "SELECT count(*) FROM import_staging WHERE run_id = :run AND kind IN ('PARTNER', 'SERVICE')"
            ),
            {"run": run},
        )
    return int(staged or 0)


def _open(
    database: Database, paths: Sequence[Path], reading: Reading, report: ImportReport, told: Progress
) -> Source:
    try:
        for path in paths:
            if not path.exists():
                raise ImportRefused(Refusal.NOT_FOUND, path.name)
        return _recognised(database, paths, reading, report, told)
    except OSError as error:  # here, because further out it would look like a database that is gone
        raise ImportRefused(Refusal.UNREADABLE, paths[0].name) from error


def _recognised(
    database: Database, paths: Sequence[Path], reading: Reading, report: ImportReport, told: Progress
) -> Source:
    path, given = paths[0], msgspec.structs.asdict(reading)
    suffix = path.suffix.lower()
    if path.is_file() and suffix == ".json":
        if is_network(path):
            return NetworkSource(path, report)
        return Hsds3Source(path, database, report, told, **given)
    if path.is_file() and suffix in {".ndjson", ".jsonl"}:
        return Hsds3Source(path, database, report, told, **given)
    if (path.is_file() and suffix in {".csv", ".xlsx"}) or len(paths) > 1:
        named = {"name": reading.name, "licence": reading.licence}
        if suffix != ".xlsx" and is_ohana(paths):
            return OhanaSource(paths, report, **named)
        if len(paths) == 1:
            return SheetSource(path, database, report, told, **named)
        raise ImportRefused(Refusal.FORMAT_UNKNOWN, path.name)
    if path.is_dir() and is_ohana([path]):
        return OhanaSource([path], report, name=reading.name, licence=reading.licence)
    if is_services_advisor(path):
        return ServicesAdvisorSource(path, report, name=reading.name, licence=reading.licence)
    if path.is_dir() or suffix == ".zip":
        package = Package(path)
        if is_hsds3(package):
            return Hsds3Source(package, database, report, told, **given)
        if is_hsds11(package):
            return Hsds11Source(package, database, report, told)
    raise ImportRefused(Refusal.FORMAT_UNKNOWN, path.name)


_PHASES: Final = ("PARTNERS", "SERVICES", "LOOSE")


async def _stage(
    stage: Stage, source: Source, told: Progress, total: int | None, begin: tuple[str, int]
) -> None:
    """Stage everything after the position where an earlier run ended."""
    phase, position = begin

    def after(here: str) -> int | None:
        """Return where to begin in this phase, or None when it is done already."""
        if _PHASES.index(here) < _PHASES.index(phase):
            return None
        return position if here == phase else 0

    done = await _staged_so_far(stage.database, stage.run_id) if stage.report.continued else 0
    told(Phase.STAGE, done, total)
    if (start := after("PARTNERS")) is not None:
        async for position_after, partners in source.partners(start):
            await stage.partners(partners, position_after)
            done += len(partners)
            told(Phase.STAGE, done, total)
    if (start := after("SERVICES")) is not None:
        async for position_after, services in source.services(start):
            await stage.services(services, position_after)
            done += len(services)
            told(Phase.STAGE, done, total)
    begun_with = after("LOOSE") or 0
    async for position_after, loose in source.loose(begun_with):
        await stage.loose(loose, position_after)
        done += len(loose)
    if not (done or begun_with) and any(file.read for file in stage.report.files):
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


async def _begin(database: Database, report: ImportReport, marked: bytes) -> None:
    async with database.work(SYSTEM) as work:
        await work.session.execute(
            text(
                "INSERT INTO import_run (id, source, format, state, started_at, fingerprint)"
                " VALUES (:id, :source, :format, 'STAGING', :now, :marked)"
            ),
            {
                "id": report.run,
                "source": report.source,
                "format": report.format,
                "now": work.now,
                "marked": marked,
            },
        )


_NEW: Final = (
    "SELECT id FROM import_staging WHERE run_id = :run AND kind = :kind"
    " AND base_version = 0 AND row IS NOT NULL"
)
"""What a run has brought: what is staged still says what is new."""


async def _point_out_duplicates(database: Database, report: ImportReport) -> None:
    """Look whether what is new may be there twice."""
    for kind in DocumentKind:
        given = {"run": report.run, "kind": kind.value}
        async for pair in pairs_among(database, kind, _NEW, given):
            report.duplicates.note(pair)


async def _keep_report(database: Database, report: ImportReport) -> None:
    async with database.work(SYSTEM) as work:
        await work.session.execute(
            text(
                "UPDATE import_run SET report = CAST(:report AS jsonb), cursor = NULL, kept = NULL"
                " WHERE id = :id"
            ),
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


async def _clean(database: Database, told: Progress, *, spare: UUID | None = None) -> None:
    """Delete what runs have staged, but ``spare``'s; under the lock nobody stages: who did has died."""
    # first, so that a run that has lost the lock without noticing takes nothing over
    async with database.work(SYSTEM) as work:
        await work.session.execute(
            text(
                "UPDATE import_run SET state = 'FAILED', ended_at = :now, cursor = NULL, kept = NULL"
                " WHERE state = 'STAGING' AND id IS DISTINCT FROM CAST(:spare AS uuid)"
            ),
            {"now": work.now, "spare": spare},
        )
    deleted = 0
    for table in ("import_row", "import_staging"):
        while True:
            async with database.work(SYSTEM) as work:
                gone = await work.session.execute(
                    text(
                        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table}"  # noqa: S608
                        " WHERE run_id IS DISTINCT FROM CAST(:spare AS uuid) LIMIT :many)) RETURNING 1"
                    ),
                    {"many": _AT_ONCE, "spare": spare},
                )
                count = len(gone.all())
            deleted += count
            if count:
                told(Phase.CLEAN, deleted, None)
            if count < _AT_ONCE:
                break
