"""Runs an export: streams the published directory into a file or folder that appears whole or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Final, TypeAlias
from uuid import UUID

import msgspec

from directory import sources
from directory.database import Database
from directory.days import local_day
from directory.documents import PartnerDocument, ServiceDocument
from directory.exporting import pages
from directory.exporting.files import CsvTables, whole_file, whole_folder
from directory.exporting.hsds3 import (
    Flattening,
    at_locations,
    organization_record,
    service_record,
    with_organization,
)
from directory.exporting.hsds11 import COLUMNS as COLUMNS_11
from directory.exporting.hsds11 import descriptor as descriptor_11
from directory.exporting.hsds11 import rows as rows_11
from directory.exporting.sheets import write_csv, write_xlsx
from directory.exporting.tombstones import day_of, metadata_of, metadata_of_11, row_of
from directory.hsds.parts import Reading
from directory.hsds.tables import COLUMNS, datapackage
from directory.problems import Problem
from directory.published_feed import Tombstone, tombstones
from directory.sheets import day, words_of_topics

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many partners of how many are written."""


class Format(StrEnum):
    """What is written."""

    HSDS_JSON = "hsds-json"
    HSDS_NDJSON = "hsds-ndjson"
    HSDS_TABULAR = "hsds-tabular"
    HSDS_11 = "hsds-1.1"
    CSV = "csv"
    XLSX = "xlsx"


EXPORTS: Final[Mapping[str, str]] = {
    Format.HSDS_JSON: "HSDS 3.2.3 as one JSON file",
    Format.HSDS_NDJSON: "HSDS 3.2.3, one JSON record a line",
    Format.HSDS_TABULAR: "HSDS 3.2.3 tabular data package (folder or .zip)",
    Format.HSDS_11: "HSDS 1.1 tabular data package (folder or .zip)",
    Format.CSV: "plain spreadsheet as CSV, as German offices read it",
    Format.XLSX: "plain spreadsheet as XLSX",
}
"""The formats for people."""

OBJECTS: Final = (
    "all", "services", "organizations", "service_at_locations", "locations", "taxonomies", "taxonomy_terms",
    "metadata",
)  # fmt: skip
"""What a JSON export may be of; with "all" and "metadata" it says what is gone."""


class ExportRefused(Problem):
    """Nothing was written; ``str`` is an English sentence with what to do next."""

    code = "EXPORT_REFUSED"


class ExportReport(msgspec.Struct):
    """What was written: how many partners, services, tombstones and, in packages, rows of each table."""

    path: str
    format: str
    partners: int = 0
    services: int = 0
    gone: int = 0
    rows: dict[str, int] = {}


async def export_directory(
    database: Database,
    path: Path,
    kind: Format,
    *,
    of: str = "all",
    source: str | None = None,
    languages: tuple[str, ...] = (),
    profile: bool = False,
    progress: Progress | None = None,
) -> ExportReport:
    """Write what is published to ``path``; raises ExportRefused.

    What was published once and is not any more is told as gone (``tombstones``), in every format, with its id
    and the day only. ``source``: only what was imported from it. ``of``: which objects a JSON export has.
    ``languages``: of texts, where a format has room for one. ``profile``: JSON with the German profile, which
    says all that the directory knows. What stood at ``path`` is replaced at the end, in one step; after an
    interruption it is as it was.
    """
    _check(path, kind)
    export = _Export(database, path, kind, source, languages, profile, progress or _silent)
    if kind in {Format.HSDS_JSON, Format.HSDS_NDJSON}:
        with whole_file(path) as part, part.open("wb") as file:
            await export.json(file, of)
    elif kind is Format.HSDS_TABULAR:
        with whole_folder(path) as folder:
            await export.tabular(folder)
    elif kind is Format.HSDS_11:
        with whole_folder(path) as folder:
            await export.hsds11(folder)
    else:
        with whole_file(path) as part:
            await export.sheet(part)
    return export.report


def _check(path: Path, kind: Format) -> None:
    """Refuse a place where nothing can be written, or that holds something else."""
    if not path.parent.is_dir():
        raise ExportRefused(f"{path.parent}: There is no such folder. Make it first.")
    packed = kind in {Format.HSDS_TABULAR, Format.HSDS_11}
    if path.is_dir() and (not packed or (any(path.iterdir()) and not (path / "datapackage.json").is_file())):
        raise ExportRefused(f"{path}: This folder is no export. Name a file or folder that is not there yet.")
    if packed and path.is_file() and path.suffix.lower() != ".zip":
        raise ExportRefused(f"{path}: A package is a folder or a .zip. Name one of these.")


def _silent(done: int, total: int) -> None:
    pass


class _Export:
    """One export."""

    def __init__(
        self,
        database: Database,
        path: Path,
        kind: Format,
        source: str | None,
        languages: tuple[str, ...],
        profile: bool,
        told: Progress,
    ) -> None:
        self.database = database
        self.kind = kind
        self.source = source
        self.told = told
        self.name = path.stem
        self.reading = Reading(today=local_day(database.clock()), languages=languages, profile=profile)
        self.report = ExportReport(path=str(path), format=kind.value)

    async def _partners(self) -> AsyncIterator[pages.Partner]:
        """Yield the partners, and tell how far that is."""
        total = await pages.count(self.database, self.source)
        last: UUID | None = None
        self.report.partners = self.report.services = 0
        async for partner in pages.partners(self.database, self.source):
            if partner.document.id != last:
                last = partner.document.id
                self.report.partners += 1
                self.told(self.report.partners, total)
            self.report.services += len(partner.services)
            yield partner

    async def _gone(self) -> AsyncIterator[Tombstone]:
        """Yield what was published once and is not any more."""
        async for gone in tombstones(self.database, self.source):
            self.report.gone += 1
            yield gone

    # JSON

    async def json(self, file: IO[bytes], of: str) -> None:
        """Write one JSON text, or one a line."""
        if of not in OBJECTS:
            raise ExportRefused(f"{of}: not one of {', '.join(OBJECTS)}.")
        if self.kind is Format.HSDS_NDJSON:
            for part in ("services", "organizations-alone", "loose", "metadata") if of == "all" else (of,):
                async for _, record in self._records(part):
                    file.write(msgspec.json.encode(record) + b"\n")
            return
        if of != "all":
            await _write_list(file, self._records(of))
            return
        file.write(b'{"services":')
        await _write_list(file, self._records("services"))
        file.write(b',"organizations":')
        await _write_list(file, self._records("organizations-alone"))
        table = ""
        async for table_of, record in self._records("loose"):
            if table_of != table:
                file.write((b"]" if table else b"") + b"," + msgspec.json.encode(table_of) + b":[")
            else:
                file.write(b",")
            table = table_of
            file.write(b"\n" + msgspec.json.encode(record))
        file.write(b"]" if table else b"")
        file.write(b',"metadata":')
        await _write_list(file, self._records("metadata"))
        file.write(b"}\n")

    async def _records(self, of: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        if of in {"locations", "taxonomies", "taxonomy_terms"}:
            async for one in pages.loose(self.database, [of], self.source):
                yield one
        elif of == "loose":
            tables = ["locations", "taxonomies", "taxonomy_terms"]
            if self.kind is Format.HSDS_JSON:
                tables += ["units", "meta_table_descriptions"]
            async for one in pages.loose(self.database, tables, self.source):
                yield one
        elif of == "metadata":
            async for one in pages.loose(self.database, [of], self.source):
                yield one
            async for gone in self._gone():
                yield of, metadata_of(gone)
        elif of == "organizations":
            async for record in self._organizations():
                yield "organizations", record
        elif of == "organizations-alone":
            async for partner in pages.partners(self.database, self.source):
                if not partner.services:
                    yield "organizations", organization_record(partner, self.reading)
        else:
            async for partner in self._partners():
                organization = organization_record(partner, self.reading)
                for service in partner.services:
                    record = with_organization(service_record(service, partner, self.reading), organization)
                    for one_of in at_locations(record) if of == "service_at_locations" else (record,):
                        yield of, one_of

    async def _organizations(self) -> AsyncIterator[dict[str, Any]]:
        """Yield organisations with their services, where their source had them so or they are our own."""
        held: dict[str, Any] | None = None
        last: UUID | None = None
        async for partner in self._partners():
            if partner.document.id != last:
                if held is not None:
                    yield held
                held, last = organization_record(partner, self.reading), partner.document.id
            stubs = partner.original.record.get("services") if partner.original is not None else []
            if held is not None and isinstance(stubs, list) and partner.services:
                order = {str(stub.get("id")): at for at, stub in enumerate(stubs)}
                records = [service_record(one, partner, self.reading) for one in partner.services]
                records.sort(key=lambda record: order.get(str(record["id"]), len(order)))
                held.setdefault("services", []).extend(records)
        if held is not None:
            yield held

    # packages

    async def tabular(self, folder: Path) -> None:
        """Write an HSDS 3 tabular package with all its tables."""
        tables = CsvTables(folder, {name: [one.name for one in columns] for name, columns in COLUMNS.items()})
        flat = Flattening()
        last: UUID | None = None

        def add(table: str, row: Mapping[str, Any]) -> None:
            tables.add(table, [row.get(column.name) for column in COLUMNS[table]])

        try:
            licences = set()
            async for partner in self._partners():
                document = partner.document
                organization = organization_record(partner, self.reading)
                if document.provenance is not None and document.provenance.licence:
                    licences.add(document.provenance.licence)
                if document.id != last:
                    flat.next_organization()
                    last = document.id
                    for table, row in flat.rows("organizations", organization):
                        add(table, row)
                for service in partner.services:
                    record = service_record(service, partner, self.reading)
                    record["organization_id"] = organization["id"]
                    for table, row in flat.rows("services", record):
                        add(table, row)
            flat.next_organization()
            async for table, record in pages.loose(self.database, None, self.source):
                for of_table, row in flat.rows(table, record):
                    add(of_table, row)
            async for gone in self._gone():
                add("metadata", metadata_of(gone))
        finally:
            tables.close()
        self.report.rows = tables.rows
        described = datapackage(_plain(self.name), licences.pop() if len(licences) == 1 else None)
        (folder / "datapackage.json").write_bytes(_pretty(described))

    async def hsds11(self, folder: Path) -> None:
        """Write an HSDS 1.1 tabular package."""
        tables = CsvTables(folder, dict(COLUMNS_11))
        last: UUID | None = None
        terms: set[str] = set()
        try:
            async for partner in self._partners():
                first, last = partner.document.id != last, partner.document.id
                documents = [service.document for service in partner.services]
                for table, row in rows_11(partner.document, documents, self.reading, terms, first=first):
                    tables.add(table, [row.get(column) for column in COLUMNS_11[table]])
            async for gone in self._gone():
                said = metadata_of_11(gone)
                tables.add("metadata", [said.get(column) for column in COLUMNS_11["metadata"]])
        finally:
            tables.close()
        self.report.rows = tables.rows
        (folder / "datapackage.json").write_bytes(_pretty(descriptor_11(_plain(self.name))))

    # spreadsheets

    async def sheet(self, part: Path) -> None:
        """Write one row for each service."""
        ended = (row_of(gone, day(day_of(gone))) async for gone in self._gone())
        topics = await sources.topics(self.database)
        meant, _ = words_of_topics((topic.code, topic.labels) for topic in topics)
        if self.kind is Format.CSV:
            await write_csv(part, self._entries(), ended, meant=meant)
        else:
            await write_xlsx(part, self._entries(), ended, meant=meant)

    async def _entries(self) -> AsyncIterator[tuple[PartnerDocument, ServiceDocument | None]]:
        """Yield (partner, service); a partner without services once alone."""
        last: UUID | None = None
        async for partner in self._partners():
            if not partner.services and partner.document.id != last:
                yield partner.document, None
            for service in partner.services:
                yield partner.document, service.document
            last = partner.document.id


async def _write_list(file: IO[bytes], records: AsyncIterator[tuple[str, dict[str, Any]]]) -> None:
    begun = False
    file.write(b"[")
    async for _, record in records:
        file.write((b",\n" if begun else b"\n") + msgspec.json.encode(record))
        begun = True
    file.write(b"\n]")


def _plain(name: str) -> str:
    """Return a name as a descriptor may have it: small letters, digits, dots and dashes."""
    return (
        "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name.lower()) or "export"
    )


def _pretty(descriptor: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(descriptor), indent=2) + b"\n"
