"""Reads a plain spreadsheet (CSV or XLSX, ``directory.sheets``): all or nothing, as offices can correct it.

CSV: UTF-8 with or without BOM or Windows code page 1252; semicolon, comma or tab. XLSX: the first sheet,
values only; a formula is refused, an external entity or a bomb too. A row whose numbers are those of entries
here (as an export writes them) changes these, and of them only what the sheet says otherwise.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import warnings
import zipfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from directory import sheet_facts, sheets
from directory.actors import SYSTEM
from directory.database import Database
from directory.documents import (
    DocumentKind,
    PartnerDocument,
    ServiceDocument,
    partner_decoder,
    service_decoder,
)
from directory.exporting.files import unguarded
from directory.hsds.ids import as_uuid
from directory.importing.entries import (
    Checkpoint,
    Loose,
    PartnerGiven,
    ServiceGiven,
    entry_id,
    gone_given,
    source_namespace,
)
from directory.importing.packages import source_name
from directory.importing.report import ImportRefused, ImportReport, Phase, Progress, Refusal
from directory.importing.rows import StagedRow, StagedRows
from directory.models import Topic
from directory.network import MunicipalityEntry, OccupationEntry, TopicEntry
from directory.organisations import names_a_person
from directory.sortkey import folded
from directory.values import LocationValue
from directory.vocabulary import PartnerKind

LARGEST_FILE: Final = 256 * 1024**2
LARGEST_UNPACKED: Final = 512 * 1024**2
"""Bytes that the parts of a workbook may have together when unpacked."""
MOST_PARTS: Final = 1_000
MOST_COLUMNS: Final = 500
LARGEST_CELL: Final = 32_767
MOST_ROWS: Final = 1_048_576
"""What a sheet of Excel has at most."""

GONE: Final = "gone"
"""Under this name it is staged which entries the sheet says are gone."""

MOST_ABOVE: Final = 20
"""Rows among which the headings are looked for."""

_MARKS: Final = tuple(
    (re.compile(mark, re.DOTALL), encoding)
    for mark, encoding in (
        (rb"\xff\xfe\0\0|\0\0\xfe\xff", "utf-32"),
        (rb"(\xff\xfe|\xfe\xff).{0,2}", "utf-16"),
        (rb"[^\0]\0[^\0]\0", "utf-16-le"),
        (rb"\0[^\0]\0[^\0]", "utf-16-be"),
    )
)
"""How files begin that are not read byte by byte, with a mark for that or without one."""

_UTF_8_LETTER: Final = re.compile(rb"\xc3[\x80-\xbf]")
"""A letter of western Europe in UTF-8; in code page 1252 this is a sequence that no word has."""

_ERROR: Final = re.compile(
    r"#(REF!|BEZUG!|N/A|NV|VALUE!|WERT!|NAME\?|DIV/0!|NUM!|ZAHL!|NULL!|SPILL!|ÜBERLAUF!|CALC!|KALK!|#{2,})"
)
"""What spreadsheet programs show in a cell instead of its value, in English and German."""

_PROLOG: Final = 1 << 16
_NEEDED: Final = ("partner",)


def check_workbook(path: Path) -> None:
    """Refuse a workbook that would be read at great cost, or tells the reader to read elsewhere."""
    if path.stat().st_size > LARGEST_FILE:
        raise ImportRefused(Refusal.TOO_LARGE, path.name)
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST_UNPACKED:
                raise ImportRefused(Refusal.TOO_LARGE, path.name)
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    with archive.open(part) as opened:
                        _check_prolog(opened.read(_PROLOG), f"{path.name}: {part.filename}")
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError) as error:
        raise ImportRefused(Refusal.UNREADABLE, path.name) from error


def _check_prolog(begin: bytes, where: str) -> None:
    """Refuse a document type: no workbook has one, and entities need one."""
    root = re.search(rb"<[A-Za-z_]", begin)
    prolog = begin[: root.start()] if root else begin
    if b"\0" in begin[:256] or b"<!DOCTYPE" in prolog.upper() or (root is None and len(begin) == _PROLOG):
        raise ImportRefused(Refusal.INVALID, where)


def _workbook_rows(path: Path, left: list[str]) -> Iterator[list[str]]:
    from openpyxl import load_workbook  # costs every process that starts a fifth of a second

    check_workbook(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which nobody reads here
            book = load_workbook(path, read_only=True, data_only=False, keep_links=False)
            try:
                sheet, *others = book.worksheets
                left += [f"{path.name}: {other.title[:100]}" for other in others if _says_something(other)]
                sheet.reset_dimensions()  # programs say wrong ones, and the rest would be left out unsaid
                for number, row in enumerate(sheet.iter_rows(), start=1):
                    if len(row) > MOST_COLUMNS and any(cell.value is not None for cell in row[MOST_COLUMNS:]):
                        raise ImportRefused(Refusal.TOO_LARGE, f"{path.name}, row {number}: columns")
                    cells = []
                    for cell in row[:MOST_COLUMNS]:
                        if cell.data_type == "f":
                            raise ImportRefused(
                                Refusal.FORMULA, f"{path.name}, row {number}, column {cell.column}"
                            )
                        cells.append(_cell_text(cell.value))
                    yield cells
            finally:
                book.close()
    except ImportRefused:
        raise
    except Exception as error:  # the library raises whatever its parsers raise
        raise ImportRefused(Refusal.UNREADABLE, path.name) from error


def _says_something(sheet: Any) -> bool:
    """Whether a sheet has a cell that is not empty where somebody would begin to write."""
    sheet.reset_dimensions()
    begin = itertools.islice(sheet.iter_rows(), MOST_ABOVE)
    return any(cell.value is not None for row in begin for cell in row)


def _cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "ja" if value else "nein"
    if isinstance(value, float):
        return sheets.number(int(value) if value.is_integer() else value)
    return str(value)


def _csv_rows(path: Path, told: Any) -> Iterator[list[str]]:
    if path.stat().st_size > LARGEST_FILE:
        raise ImportRefused(Refusal.TOO_LARGE, path.name)
    encoding = _encoding(path)
    csv.field_size_limit(131_072)
    number = 0
    try:
        with path.open("rb") as binary, io.TextIOWrapper(binary, encoding, newline="") as lines:
            first = lines.readline(1 << 20)
            delimiter = max((";", ",", "\t"), key=first.count)
            for row in csv.reader(itertools.chain([first], lines), delimiter=delimiter, strict=True):
                number += 1
                if number % 500 == 0:
                    told(binary.tell())
                if len(row) > MOST_COLUMNS:
                    raise ImportRefused(Refusal.TOO_LARGE, f"{path.name}, row {number}: columns")
                yield row
    except UnicodeDecodeError as error:
        raise ImportRefused(Refusal.ENCODING, f"{path.name}, row {number + 1}") from error
    except csv.Error as error:
        raise ImportRefused(Refusal.CSV_BROKEN, f"{path.name}, row {number + 1}") from error


def _encoding(path: Path) -> str:
    """Return how a file is written: UTF-8, or else what German offices wrote before it.

    Raises ImportRefused for a file that is written in two ways: one of them would be read as nonsense.
    """
    with path.open("rb") as file:
        begin = file.read(4)
        for mark, encoding in _MARKS:
            if mark.fullmatch(begin):
                return encoding
        file.seek(0)
        decoder = io.TextIOWrapper(file, "utf-8-sig", newline="")
        try:
            while decoder.read(1 << 20):
                pass
            return "utf-8-sig"
        except UnicodeDecodeError:
            pass
        finally:
            decoder.detach()
        file.seek(0)
        mixed, other = False, 0
        for number, line in enumerate(iter(lambda: file.readline(1 << 20), b""), start=1):
            mixed = mixed or _UTF_8_LETTER.search(line) is not None
            if not other and line.decode("utf-8", "ignore").encode() != line:
                other = number
        if mixed:
            raise ImportRefused(Refusal.ENCODING, f"{path.name}, row {other}")
    return "cp1252"


def sheet_rows(
    path: Path, told: Any = lambda read: None, left: list[str] | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Yield (row number, cells) of a spreadsheet; raises ImportRefused for what is none.

    ``left`` is told with the first row which other sheets of a workbook say something: they are not read.
    """
    rows = (
        _workbook_rows(path, [] if left is None else left)
        if path.suffix.lower() == ".xlsx"
        else _csv_rows(path, told)
    )
    for number, row in enumerate(rows, start=1):
        if number > MOST_ROWS:
            raise ImportRefused(Refusal.TOO_LARGE, f"{path.name}: rows")
        if any(len(cell) > LARGEST_CELL for cell in row):
            raise ImportRefused(Refusal.TOO_LARGE, f"{path.name}, row {number}: a cell")
        yield number, [unguarded(cell.replace("\0", "")) for cell in row]


class SheetSource(StagedRows):
    """A spreadsheet as a source of entries."""

    format = "spreadsheet"
    municipality: MunicipalityEntry | None = None
    coordination: UUID | None = None
    may_be_ours = True
    topics: Sequence[TopicEntry] = ()
    occupations: Sequence[OccupationEntry] = ()
    clients = msgspec.Raw(b"[]")

    def __init__(
        self,
        path: Path,
        database: Database,
        report: ImportReport,
        told: Progress,
        *,
        name: str | None = None,
        licence: str | None = None,
    ) -> None:
        super().__init__(database, report.run)
        self.name = name or source_name({}, path)
        self.licence = licence
        self._namespace = source_namespace(self.name)
        self._path = path
        self._report = report
        self._file = report.file(path.name)
        self._told = told
        self._topics: Mapping[str, str] = {}
        self._shared: frozenset[str] = frozenset()

    async def prepare(self, checkpoint: Checkpoint | None) -> int | None:
        """Read and check every row; return how many entries come. Raises ImportRefused for a wrong cell."""
        if checkpoint is not None:
            async with self._database.view(SYSTEM) as session:
                topics = list(await session.scalars(select(Topic)))
            self._topics, self._shared = sheets.words_of_topics((one.code, one.labels) for one in topics)
            await self.stage_rows(self._rows())
            if self._file.rejected:
                raise ImportRefused(Refusal.ROWS_INVALID, self._path.name, self._report)
            async with self._database.work(SYSTEM) as work:
                await checkpoint(work.session, "PARTNERS", 0)
        return await self.count_entries()

    def _rows(self) -> Iterator[StagedRow]:
        size = self._path.stat().st_size
        left: list[str] = []
        rows = sheet_rows(self._path, lambda read: self._told(Phase.READ, min(read, size), size), left)
        heading = _heading(rows)
        keys = [sheets.column_of(cell) for cell in heading]
        if not any(keys):
            refusal = Refusal.COLUMN_MISSING if any(heading) else Refusal.FILE_EMPTY
            raise ImportRefused(refusal, f"{self._path.name}: {sheets.COLUMNS[1].de}")
        for needed in _NEEDED:
            if needed not in keys:
                wanted = next(column.de for column in sheets.COLUMNS if column.key == needed)
                raise ImportRefused(Refusal.COLUMN_MISSING, f"{self._path.name}: {wanted}")
        left += [
            f"{self._path.name}: {cell[:100]}"
            for cell, key in zip(heading, keys, strict=True)
            if cell and not key
        ]
        self._report.ignored_files = left[:100]
        headings = {key: cell for key, cell in zip(keys, heading, strict=True) if key}
        services: dict[bytes, int] = {}
        for number, cells in rows:
            row = {key: cell for key, cell in zip(keys, cells, strict=False) if key and cell.strip()}
            if not row:
                continue
            self._file.read += 1
            if any(cell.strip() for cell in cells[len(keys) :]):
                self._file.reject(number, "COLUMN_COUNT")
                continue
            yield from self._row_of(number, row, headings, services)

    def _row_of(
        self, number: int, row: dict[str, str], headings: Mapping[str, str], services: dict[bytes, int]
    ) -> Iterator[StagedRow]:
        wrong: dict[str, str] = {}

        def note(key: str, reason: str) -> None:
            wrong.setdefault(key, reason)

        if "ended" in row:
            if (gone := self._gone(number, row, headings)) is not None:
                yield gone
            return
        for key, cell in row.items():
            if _ERROR.fullmatch(cell.strip().upper()):
                note(key, "ERROR_VALUE")
        if "partner" not in row:
            note("partner", "FIELD_MISSING")
        elif names_a_person(row["partner"]):
            note("partner", "PRIVATE_PERSON")
        read = sheets.read_row(row, note)
        if "topics" in read:
            codes = [self._topics.get(folded(said)) for said in read["topics"]]
            if None in codes:
                shared = any(folded(said) in self._shared for said in read["topics"])
                note("topics", "TOPIC_AMBIGUOUS" if shared else "TOPIC_UNKNOWN")
            row["topics"] = ", ".join(code for code in codes if code is not None)
        partner = row.get("partner_id", "").strip()[:200] or folded(row.get("partner", ""))[:200]
        sheets.read_places(row, self._namespace, partner, note)
        for of, key in ((sheets.capacity_of, "places"), (sheets.course_of, "ends_on")):
            try:
                of(read)
            except sheet_facts.Wrong as error:
                note(key, error.reason)
        if (lacking := sheet_facts.check_row(read)) is not None:
            note(lacking, "FIELD_MISSING")
        titles = [key for key in read if key.startswith("title:")]
        service = row.get("service_id", "").strip()[:200]
        if titles and not service:
            service = f"{partner}/{folded(read[titles[0]])}"[:200]
        if service and not titles and "partner" not in wrong:
            note("title:de", "FIELD_MISSING")
        if service:
            key_of = service.encode()
            if key_of in services:
                note("service_id" if "service_id" in row else "title:de", "DUPLICATE_ID")
            services[key_of] = number
        if wrong:
            for at, (key, reason) in enumerate(wrong.items()):
                heading = headings.get(key) or next(c.de for c in sheets.COLUMNS if c.key == key)
                if at == 0:
                    self._file.reject(number, reason, heading)
                else:
                    self._file.also(number, reason, heading)
            return
        staged = self.row("organizations", row, partner, None)
        staged.number = number
        yield staged
        # the rows of a partner mostly say the same places again: read back as one, see partners()
        if place := {key: row[key] for key in row if key in sheets.PLACE_COLUMNS}:
            staged = self.row("places", place, str(number), ("organizations", partner))
            staged.number = number
            yield staged
        if service:
            staged = self.row("services", row, service, ("organizations", partner))
            staged.number = number
            yield staged

    def _gone(self, number: int, row: dict[str, str], headings: Mapping[str, str]) -> StagedRow | None:
        """Return the row that says that an entry is gone: a number, a day and nothing else."""
        reason = None
        try:
            since = sheets.READERS["capacity_as_of"](row["ended"])
        except sheet_facts.Wrong as error:
            reason = error.reason
        if row.keys() - {"ended", "partner_id", "service_id"}:
            reason = "GONE_SAYS_MORE"
        elif not row.keys() & {"partner_id", "service_id"}:
            reason = "ID_MISSING"
        if reason is not None:
            self._file.reject(number, reason, headings["ended"])
            return None
        kind = DocumentKind.SERVICE if "service_id" in row else DocumentKind.PARTNER
        key = row["service_id" if kind is DocumentKind.SERVICE else "partner_id"].strip()[:200]
        staged = self.row(GONE, {"kind": kind, "key": key, "since": f"{since}"}, f"{kind}:{key}", None)
        staged.number = number
        return staged

    # entries

    async def _here(
        self, session: AsyncSession, table: str, decoder: Any, keys: Sequence[str]
    ) -> dict[str, Any]:
        """Return the documents of the entries here that these ids name."""
        ids = [str(id_) for key in keys if (id_ := as_uuid(key)) is not None]
        if not ids:
            return {}
        found = await session.execute(
            text(
                f"SELECT d.id, d.public FROM {table}_document d JOIN {table} t ON t.id = d.id"  # noqa: S608
                " WHERE t.ended_at IS NULL AND d.id = ANY(CAST(:ids AS uuid[]))"
            ),
            {"ids": ids},
        )
        return {str(row.id): decoder.decode(row.public) for row in found}

    async def partners(self, after: int) -> AsyncIterator[tuple[int, list[PartnerGiven]]]:
        """Yield every partner with the places of all its rows."""
        while True:
            async with self._database.view(SYSTEM) as session:
                rows = await self.chosen(session, "organizations", after)
                if not rows:
                    return
                keys = [row.key for row in rows]
                here = await self._here(session, "partner", partner_decoder, keys)
                found = await session.execute(
                    text(
                        "SELECT parent_key, data FROM import_row WHERE run_id = :run AND file = 'places'"
                        " AND parent_key = ANY(CAST(:keys AS text[])) GROUP BY parent_key, data"
                        " ORDER BY min(number)"
                    ),
                    {"run": self._run, "keys": keys},
                )
                places: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
                for row in found:
                    places[row.parent_key].append(msgspec.json.decode(row.data))
                after = await self.last(session, "organizations", keys)
            yield (
                after,
                [
                    self._partner(row.key, msgspec.json.decode(row.data), places[row.key], here.get(row.key))
                    for row in rows
                ],
            )

    def _partner(
        self, key: str, row: dict[str, str], all_rows: list[dict[str, str]], here: PartnerDocument | None
    ) -> PartnerGiven:
        current = sheets.row_of(here, None) if here is not None else {}
        said = {name: cell for name, cell in row.items() if cell != current.get(name)}
        read = sheets.read_row(said, _ignore)
        values: dict[str, Any] = {}
        if "partner" in read:
            values["name"] = read["partner"]
        if here is None or "partner_kind" in read:
            values["kind"] = read.get("partner_kind", PartnerKind.FREE_PROVIDER)
        if "partner_description" in read:
            kept = here.description if here is not None else {}
            values["description"] = {**kept, "de": read["partner_description"]}
        if "partner_website" in read:
            values["website"] = read["partner_website"]
        if here is None or {"partner_phone", "partner_email"} & read.keys():
            values["contact_points"] = sheets.contact_points(
                row, "partner_", here.contact_points if here is not None else ()
            )
        locations: dict[UUID, LocationValue] = {}
        for one in all_rows:
            for place in self._places(one, key, here):
                locations.setdefault(place.id, place)
        return PartnerGiven(
            id=here.id if here is not None else entry_id(self._namespace, "partner", key),
            foreign_id=key,
            values=values,
            locations=tuple(locations.values()),
            ours=True if here is not None else UNSET,
        )

    def _places(
        self, row: Mapping[str, str], key: str, here: PartnerDocument | None
    ) -> tuple[LocationValue, ...]:
        """Return a row's places; one that stands here with this name and address keeps its id and rest."""
        read = sheets.read_places(row, self._namespace, key, _ignore)
        if here is None:
            return read
        known = {
            (one.name, one.street, sheets.postcode_of(one.postcode or ""), one.city): one
            for one in here.locations
        }
        found = []
        for place in read:
            same = known.get((place.name, place.street, place.postcode, place.city))
            if same is None:
                found.append(place)
                continue
            found.append(
                msgspec.structs.replace(
                    same,
                    latitude=place.latitude if "latitude" in row else same.latitude,
                    longitude=place.longitude if "longitude" in row else same.longitude,
                    hours=same.hours if _same_hours(same, place) else place.hours or same.hours,
                )
            )
        return tuple(found)

    async def services(self, after: int) -> AsyncIterator[tuple[int, list[ServiceGiven]]]:
        """Yield every service."""
        while True:
            async with self._database.view(SYSTEM) as session:
                rows = await self.chosen(session, "services", after)
                if not rows:
                    return
                here = await self._here(session, "service", service_decoder, [row.key for row in rows])
                owners = await self._here(
                    session, "partner", partner_decoder, list({row.parent_key for row in rows})
                )
                after = await self.last(session, "services", [row.key for row in rows])
            yield (
                after,
                [
                    self._service(
                        row.key,
                        row.parent_key,
                        msgspec.json.decode(row.data),
                        here.get(row.key),
                        owners.get(row.parent_key),
                    )
                    for row in rows
                ],
            )

    def _service(
        self,
        key: str,
        owner: str,
        row: dict[str, str],
        here: ServiceDocument | None,
        partner: PartnerDocument | None,
    ) -> ServiceGiven:
        current = sheets.row_of(partner, here) if here is not None and partner is not None else {}
        said = {name: cell for name, cell in row.items() if cell != current.get(name)}
        read, every = sheets.read_row(said, _ignore), sheets.read_row(row, _ignore)
        values: dict[str, Any] = {}
        for field in ("title", "description"):
            texts = {
                name.partition(":")[2]: cell for name, cell in read.items() if name.startswith(f"{field}:")
            }
            if texts or here is None:
                values[field] = {**(getattr(here, field) if here is not None else {}), **texts}
        for name in ("kind", "languages", "website", "area", "responsibility"):
            if name in read:
                values[name] = read[name]
        if {"phone", "email"} & read.keys():
            values["contact_points"] = sheets.contact_points(
                row, "", here.contact_points if here is not None else ()
            )
        capacity = sheets.capacity_of(every)
        if capacity is not None and sheets.capacity_of(read) is not None:
            values["capacity"] = capacity
        values |= sheet_facts.values_of(read, here)
        places = self._places(row, owner, partner)
        return ServiceGiven(
            id=here.id if here is not None else entry_id(self._namespace, "service", key),
            foreign_id=key,
            partner_id=partner.id if partner is not None else entry_id(self._namespace, "partner", owner),
            values=values,
            topics=read.get("topics"),
            locations=tuple(place.id for place in places),
            ours=True if here is not None else UNSET,
        )

    async def loose(self, after: int) -> AsyncIterator[tuple[int, list[Loose]]]:
        """Yield what is gone; every other row is of an entry."""
        while True:
            async with self._database.view(SYSTEM) as session:
                rows = await self.chosen(session, GONE, after)
                if not rows:
                    return
                after = await self.last(session, GONE, [row.key for row in rows])
            told = [msgspec.json.decode(row.data) for row in rows]
            yield (
                after,
                [
                    gone_given(self._namespace, DocumentKind(one["kind"]), one["key"], one["since"])
                    for one in told
                ],
            )


def _heading(rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    """Return the row of headings: above it offices leave rows empty, or write what the sheet is about."""
    first: list[str] = []
    for _, cells in itertools.islice(rows, MOST_ABOVE):
        if set(_NEEDED) <= {sheets.column_of(cell) for cell in cells}:
            return cells
        if not any(first):
            first = cells
    return first


def _ignore(key: str, reason: str) -> None:
    """Take no note: every cell was checked when it was read first."""


def _same_hours(here: LocationValue, said: LocationValue) -> bool:
    """Whether a sheet says the hours that stand here, in the words in which they are written."""
    if here.hours is None or said.hours is None:
        return said.hours is None
    return (here.hours.periods, here.hours.by_appointment) == (said.hours.periods, said.hours.by_appointment)
