"""Reads HSDS 3: JSON (a record, a list, a page), NDJSON, and tabular packages. Records are kept as they were.

Records (or the rows of a package's tables) are put into the staging table ``import_row`` one by one and put
together there, a chunk of organisations or services at a time, so that memory does not grow with their
number. Names of persons are taken out before a record is stored anywhere (``hsds.reading.without_persons``).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import SYSTEM
from directory.database import Database
from directory.documents import DocumentKind
from directory.exporting.tombstones import gone_entry
from directory.hsds import reading
from directory.hsds.tables import ALONE, BELONGS_BY, COLUMNS, LINKS, NESTED, REFERENCES, link_column
from directory.importing.entries import (
    CHUNK,
    Checkpoint,
    Loose,
    LooseGiven,
    PartnerGiven,
    ServiceGiven,
    entry_id,
    gone_given,
    source_namespace,
)
from directory.importing.json_stream import LARGEST_FILE, elements, lines
from directory.importing.packages import Package, licence_of, source_name
from directory.importing.report import FileReport, ImportRefused, ImportReport, Phase, Progress, Refusal
from directory.importing.rows import StagedRow, StagedRows
from directory.importing.staging import analyze
from directory.network import MunicipalityEntry, OccupationEntry, TopicEntry
from directory.organisations import names_a_person
from directory.values import LocationValue

PLACES: Final = "places"
"""Under this name the places of an organisation are staged, wherever in a record they stood."""

GONE: Final = "gone"
"""Under this name it is staged which entries the source says are gone."""

MARKS: Final = frozenset(
    {"service_at_location.csv", "taxonomy_terms.csv", "schedules.csv", "addresses.csv", "url.csv"}
    | {"cost_options.csv", "service_capacity.csv", "attributes.csv", "units.csv", "metadata.csv"}
)
"""Files that only packages of HSDS 3 have."""
OLDER: Final = frozenset(
    {"services_at_location.csv", "physical_addresses.csv", "regular_schedules.csv", "services_taxonomy.csv"}
    | {"taxonomy.csv", "eligibility.csv", "mail_addresses.csv", "postal_addresses.csv"}
)
"""Files that only packages of older kinds have."""

_DEPTH: Final = 6
"""How deep rows of a package are put into each other: service, place, contact, phone, language."""


def is_hsds3(package: Package) -> bool:
    """Whether a package has tables that only HSDS 3 has."""
    names = set(package.names)
    return bool(names & MARKS) and not names & OLDER


def kind_of(record: Mapping[str, Any], of_list: str = "") -> str:
    """Return the table that a record is a row of, by the list it stands in or else by its members.

    >>> kind_of({"id": "1", "name": "x", "status": "active"}), kind_of({"id": "1", "location": {}})
    ('services', 'service_at_location')
    """
    listed = of_list.removesuffix(".csv")
    if listed in {"organizations", "services", "locations", "taxonomies", "taxonomy_terms"}:
        return listed
    if listed in {"units", "meta_table_descriptions"}:
        return listed
    if listed == "service_at_locations":
        return "service_at_location"
    if listed == "metadata" or "last_action_type" in record:
        return "metadata"
    if "service" in record or ("location" in record and "name" not in record):
        return "service_at_location"
    if "location_type" in record:
        return "locations"
    if record.keys() & {"status", "organization", "service_at_locations", "organization_id", "last_modified"}:
        return "services"
    if record.keys() & {"taxonomy", "taxonomy_detail", "taxonomy_id", "term_uri", "code", "parent_id"}:
        return "taxonomy_terms"
    if "version" in record and "website" not in record:
        return "taxonomies"
    return "organizations"


class Hsds3Source(StagedRows):
    """HSDS 3 as a source of entries."""

    format = "hsds-3"
    municipality: MunicipalityEntry | None = None
    coordination: UUID | None = None
    may_be_ours = False
    topics: Sequence[TopicEntry] = ()
    occupations: Sequence[OccupationEntry] = ()
    clients = msgspec.Raw(b"[]")

    def __init__(
        self,
        path: Path | Package,
        database: Database,
        report: ImportReport,
        told: Progress,
        *,
        name: str | None = None,
        licence: str | None = None,
        language: str | None = None,
    ) -> None:
        self._package = path if isinstance(path, Package) else None
        self._path = path.path if isinstance(path, Package) else path
        descriptor = self._package.descriptor() if self._package is not None else {}
        self.name = name or source_name(descriptor, self._path)
        self.licence = licence or licence_of(descriptor)
        self._language = language or "en"
        self.original_format = f"{self.format} {self._language}"
        self._namespace = source_namespace(self.name)
        super().__init__(database, report.run)
        self._report = report
        self._told = told
        if self._package is not None:
            known = {f"{table}.csv" for table in COLUMNS}
            report.ignored_files = sorted(set(self._package.names) - known)
        elif self._path.stat().st_size > LARGEST_FILE:
            raise ImportRefused(Refusal.TOO_LARGE, self._path.name)
        else:  # what is no JSON at all is said at once, whatever else is missing
            with self._path.open("rb") as file:
                read = lines if self._path.suffix.lower() in {".ndjson", ".jsonl"} else elements
                next(iter(read(file, self._path.name)), None)

    # reading

    async def prepare(self, checkpoint: Checkpoint | None) -> int | None:
        """Read every record into the staging table; return how many entries come."""
        if checkpoint is not None:
            await self.stage_rows(self._tables() if self._package is not None else self._records())
            async with self._database.work(SYSTEM) as work:
                await self._reject(work.session)
                await checkpoint(work.session, "PARTNERS", 0)
        return await self.count_entries()

    # JSON

    def _records(self) -> Iterator[StagedRow]:
        name, size = self._path.name, self._path.stat().st_size
        report = self._report.file(name)

        def told(read: int) -> None:
            self._told(Phase.READ, min(read, size), size)

        with self._path.open("rb") as file:
            if self._path.suffix.lower() in {".ndjson", ".jsonl"}:
                given: Iterable[tuple[int, str, dict[str, Any]]] = (
                    (number, "", record) for number, record in lines(file, name, told)
                )
            else:
                given = (
                    (number, of_list, record)
                    for number, (of_list, record) in enumerate(elements(file, name, told), start=1)
                )
            for number, of_list, record in given:
                report.read += 1
                yield from self._record(report, number, kind_of(record, of_list), record)

    def _record(
        self, report: FileReport, number: int, table: str, given: dict[str, Any]
    ) -> Iterator[StagedRow]:
        def note(field: str, code: str) -> None:
            report.repair(number, field, code)

        key = _identifier(given)
        if key is None:
            report.reject(number, "ID_MISSING", "id")
            return
        if table == "metadata":
            if (gone := gone_entry(given)) is not None:
                yield self._gone(gone)
                return
            record = reading.without_persons({table: [given]}, note)[table][0]
        else:
            record = reading.without_persons(given, note)
        if table == "organizations":
            yield from self._organization(record, key)
        elif table == "services":
            owner = self._owner(record)
            if owner is None:
                report.reject(number, "ORGANIZATION_MISSING", "organization")
                return
            yield from self._service(record, key, owner)
        elif table == "service_at_location":
            service = record.get("service")
            service_key = _identifier(service) if isinstance(service, dict) else None
            owner = self._owner(service) if isinstance(service, dict) else None
            if not isinstance(service, dict) or service_key is None or owner is None:
                report.reject(number, "SERVICE_MISSING", "service")
                return
            at = {name: value for name, value in record.items() if name != "service"}
            yield from self._service(service, service_key, owner)
            yield self.row("service_at_location", at, key, ("services", service_key))
            yield from self._places_of(owner, [at.get("location")])
        else:
            parent = record.get("organization_id") if table == "locations" else None
            yield self.row(table, record, key, ("organizations", parent) if isinstance(parent, str) else None)
            if isinstance(parent, str):
                yield from self._places_of(parent, [record])

    def _owner(self, service: Mapping[str, Any]) -> str | None:
        organization = service.get("organization")
        if isinstance(organization, dict):
            return _identifier(organization)
        given = service.get("organization_id")
        return given if isinstance(given, str) and given else None

    def _organization(self, record: dict[str, Any], key: str) -> Iterator[StagedRow]:
        services = record.get("services")
        kept = dict(record)
        if isinstance(services, list):
            nested = [one for one in services if isinstance(one, dict) and _identifier(one) is not None]
            kept["services"] = [{"id": _identifier(one)} for one in nested]
            for one in nested:
                yield from self._service(one, str(_identifier(one)), key)
        yield self.row("organizations", kept, key, None)
        yield from self._places_of(key, record.get("locations"))

    def _service(self, record: dict[str, Any], key: str, owner: str) -> Iterator[StagedRow]:
        kept = dict(record)
        organization = record.get("organization")
        if isinstance(organization, dict):
            kept["organization"] = {"id": owner}
            yield from self._organization(organization, owner)
        yield self.row("services", kept, key, ("organizations", owner))
        at = record.get("service_at_locations")
        places = [one.get("location") for one in at if isinstance(one, dict)] if isinstance(at, list) else []
        yield from self._places_of(owner, places)

    def _places_of(self, owner: str, places: Any) -> Iterator[StagedRow]:
        for place in places if isinstance(places, list) else ():
            if isinstance(place, dict) and (key := _identifier(place)) is not None:
                yield self.row(PLACES, place, key, ("organizations", owner))

    def _gone(self, gone: tuple[DocumentKind, str, str]) -> StagedRow:
        """Return the row that says that an entry is gone; it is no part of any record."""
        kind, key, since = gone
        return self.row(GONE, {"kind": kind, "key": key, "since": since}, f"{kind}:{key}", None)

    # tabular packages

    def _tables(self) -> Iterator[StagedRow]:
        package = self._package
        assert package is not None  # noqa: S101 - tells the type checker only
        for needed in ("organizations.csv", "services.csv"):
            if needed not in package.names:
                raise ImportRefused(Refusal.FILE_MISSING, needed)
        present = [table for table in COLUMNS if f"{table}.csv" in package.names]
        total = sum(package.size(f"{table}.csv") for table in present)
        done = 0
        for table in present:
            name = f"{table}.csv"
            begun = done

            def told(read: int, begun: int = begun, name: str = name) -> None:
                self._told(Phase.READ, begun + min(read, package.size(name)), total)

            if package.size(name):
                yield from self._table(package, table, told)
            done += package.size(name)
            self._told(Phase.READ, done, total)

    def _table(self, package: Package, table: str, told: Any) -> Iterator[StagedRow]:
        name = f"{table}.csv"
        report = self._report.file(name)
        kinds = {column.name: column.kind for column in COLUMNS[table]}
        needed = ("id", "name") if table in {"organizations", "services"} else ("id",)
        for number, row in package.rows(name, needed, told, lambda: report.repair(1, "", "BOM_REMOVED")):
            report.read += 1
            if row is None:
                report.reject(number, "COLUMN_COUNT")
                continue
            key = row.get("id", "").strip()
            if not key:
                report.reject(number, "ID_MISSING", "id")
                continue
            record: dict[str, Any] = {
                column: reading.tabular_value(kinds.get(column, "string"), value.replace("\0", ""))
                for column, value in row.items()
            }
            if table == "metadata" and (gone := gone_entry(record)) is not None:
                yield self._gone(gone)
                continue
            record = reading.without_persons({table: [record]}, _noting(report, number))[table][0]
            for file, parent in self._linked(table, record):
                staged = self.row(table, record, key, parent)
                staged.file, staged.number = file, number
                yield staged
            if table == "locations" and isinstance(record.get("organization_id"), str):
                staged = self.row(PLACES, record, key, ("organizations", record["organization_id"]))
                staged.number = number
                yield staged

    def _linked(self, table: str, record: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str] | None]]:
        """Yield once for each row that a row belongs to; the first under the table's name."""
        parents: list[tuple[str, str]] = []
        if table == "services" and record.get("organization_id"):
            parents.append(("organizations", str(record["organization_id"])))
        elif table in BELONGS_BY and record.get(BELONGS_BY[table]):
            parents.append(("", str(record[BELONGS_BY[table]])))
        elif table not in ALONE:
            for column, parent in LINKS.items():
                nests = any(one.table == table and one.many for one in NESTED[parent])
                if column in record and nests and link_column(parent, table) == column:
                    parents.append((parent, str(record[column])))
        yield table, parents[0] if parents else None
        for at, parent_ in enumerate(parents[1:], start=1):
            yield f"{table}:{at}", parent_

    # rejecting

    def row(
        self, table: str, record: Mapping[str, Any], key: str | None, parent: tuple[str, str] | None
    ) -> StagedRow:
        """Return a row with the next number of its table; nothing is kept of what names a private person."""
        person = table == "organizations" and names_a_person(str(record.get("name") or ""))
        staged = super().row(table, {} if person else record, key, parent)
        staged.rejected = person
        return staged

    async def _reject(self, session: AsyncSession) -> None:
        """Reject persons, and services without their organisation; a record that comes twice counts once."""
        await analyze(session)
        persons = await session.execute(
            text(
                "UPDATE import_row r SET rejected = true, data = '{}' FROM (SELECT key, min(number) AS first"
                " FROM import_row WHERE run_id = :run AND file = 'organizations' AND rejected GROUP BY key) p"
                " WHERE r.run_id = :run AND r.file = 'organizations' AND r.key = p.key RETURNING p.first"
            ),
            {"run": self._run},
        )
        for number in sorted(set(persons.scalars())):
            self._report.file(self._file_of("organizations")).reject(number, "PRIVATE_PERSON", "name")
        found = await session.execute(
            text(
                "UPDATE import_row r SET rejected = true WHERE r.run_id = :run AND r.file = 'services'"
                " AND NOT r.rejected AND NOT EXISTS (SELECT FROM import_row o WHERE o.run_id = :run"
                " AND o.file = 'organizations' AND o.key = r.parent_key AND NOT o.rejected)"
                " RETURNING r.number, CASE WHEN EXISTS (SELECT FROM import_row o WHERE o.run_id = :run"
                " AND o.file = 'organizations' AND o.key = r.parent_key)"
                " THEN 'PARENT_REJECTED' ELSE 'PARENT_UNKNOWN' END"
            ),
            {"run": self._run},
        )
        for number, reason in sorted((row[0], row[1]) for row in found):
            self._report.file(self._file_of("services")).reject(number, reason, "organization_id")

    # entries

    async def _full(
        self, session: AsyncSession, table: str, records: Mapping[str, dict[str, Any]], depth: int = 0
    ) -> None:
        """Put into each record (by its key) the rows that belong to it and those that it refers to."""
        if not records or depth >= _DEPTH or self._package is None:
            return
        found = await session.execute(
            text(
                "SELECT DISTINCT ON (split_part(file, ':', 1), parent_key, number)"
                " split_part(file, ':', 1) AS tbl, parent_key, key, number, data FROM import_row"
                " WHERE run_id = :run AND parent_key = ANY(CAST(:keys AS text[]))"
                " AND parent_file IN (:table, '') AND file <> 'places'"
                " ORDER BY split_part(file, ':', 1), parent_key, number"
            ),
            {"run": self._run, "table": table, "keys": list(records)},
        )
        below: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        rows = [(row.tbl, row.parent_key, row.key, msgspec.json.decode(row.data)) for row in found]
        members = {one.table: one for one in NESTED[table] if one.many}
        if table == "organizations":
            members = {name: one for name, one in members.items() if name != "services"}
        for child, parent_key, key, record in rows:
            member = members.get(child)
            if member is None:
                continue
            same = below[child].setdefault(key, record)
            records[parent_key].setdefault(member.member, []).append(same)
        for member_name, column in REFERENCES.get(table, {}).items():
            if table == "services" and member_name == "organization":
                continue
            if table == "service_at_location" and member_name == "service":
                continue
            wanted = {str(r[column]) for r in records.values() if column in r}
            target = LINKS[column]
            for key, record in (await self._by_key(session, target, wanted)).items():
                same = below[target].setdefault(key, record)
                for holder in records.values():
                    if str(holder.get(column)) == key:
                        holder[member_name] = same
        for child, inner in below.items():
            await self._full(session, child, inner, depth + 1)

    async def _by_key(
        self, session: AsyncSession, table: str, keys: Iterable[str]
    ) -> dict[str, dict[str, Any]]:
        wanted = sorted(keys)
        if not wanted:
            return {}
        found = await session.execute(
            text(
                "SELECT key, data FROM import_row WHERE run_id = :run AND file = :table"
                " AND key = ANY(CAST(:keys AS text[])) ORDER BY number DESC"
            ),
            {"run": self._run, "table": table, "keys": wanted},
        )
        return {row.key: msgspec.json.decode(row.data) for row in found}

    async def partners(self, after: int) -> AsyncIterator[tuple[int, list[PartnerGiven]]]:
        """Yield every organisation with its places."""
        while True:
            async with self._database.view(SYSTEM) as session:
                rows = await self.chosen(session, "organizations", after)
                if not rows:
                    return
                records = {row.key: msgspec.json.decode(row.data) for row in rows}
                await self._full(session, "organizations", records)
                places = await self._places(session, list(records))
                after = await self.last(session, "organizations", list(records))
            given = []
            for row in rows:
                note = self._note("organizations", row.number)
                try:
                    given.append(self._partner(records[row.key], row.key, places[row.key], note))
                except reading.Unreadable as wrong:
                    self._reject_row("organizations", row.number, wrong)
            yield after, given

    async def _places(
        self, session: AsyncSession, owners: Sequence[str]
    ) -> defaultdict[str, dict[str, dict[str, Any]]]:
        found = await session.execute(
            text(
                "SELECT parent_key, key, data FROM (SELECT DISTINCT ON (parent_key, key) parent_key, key,"
                " data, number FROM import_row WHERE run_id = :run AND file = 'places'"
                " AND parent_key = ANY(CAST(:owners AS text[]))"
                " ORDER BY parent_key, key, length(data) DESC, number) p ORDER BY number"
            ),
            {"run": self._run, "owners": list(owners)},
        )
        places: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        for row in found:
            places[row.parent_key][row.key] = msgspec.json.decode(row.data)
        if self._package is not None:
            # of a package: also the places of its services, whoever owns them
            more = await session.execute(
                text(
                    "SELECT DISTINCT s.parent_key AS owner, l.key, l.data FROM import_row s"
                    " JOIN import_row a ON a.run_id = :run AND a.file LIKE 'service_at_location%'"
                    " AND a.parent_file = 'services' AND a.parent_key = s.key"
                    " JOIN import_row l ON l.run_id = :run AND l.file = 'locations'"
                    " AND l.key = a.data::json->>'location_id'"
                    " WHERE s.run_id = :run AND s.file = 'services' AND NOT s.rejected"
                    " AND s.parent_key = ANY(CAST(:owners AS text[])) ORDER BY l.key"
                ),
                {"run": self._run, "owners": list(owners)},
            )
            for row in more:
                places[row.owner].setdefault(row.key, msgspec.json.decode(row.data))
            for of_owner in places.values():
                await self._full(session, "locations", of_owner, 1)
        return places

    def _partner(
        self, record: dict[str, Any], key: str, places: Mapping[str, dict[str, Any]], note: reading.Note
    ) -> PartnerGiven:
        organization = reading.as_shape(record, reading.ReadOrganization, note)
        given = reading.read_organization(organization, self._namespace, self._language, note)
        given.locations = tuple(self._place(place, key, note) for place in places.values())
        given.original = msgspec.json.encode(record).decode()
        return given

    def _place(self, record: dict[str, Any], owner: str, note: reading.Note) -> LocationValue:
        # a place needs no name of its own
        place = reading.as_shape({"name": "", **record}, reading.ReadLocation, note)
        return reading.read_location(place, self._namespace, owner, self._language, note)

    async def services(self, after: int) -> AsyncIterator[tuple[int, list[ServiceGiven]]]:
        """Yield every service."""
        while True:
            async with self._database.view(SYSTEM) as session:
                rows = await self.chosen(session, "services", after)
                if not rows:
                    return
                records = {row.key: msgspec.json.decode(row.data) for row in rows}
                await self._full(session, "services", records)
                if self._package is None:
                    await self._at_locations(session, records)
                after = await self.last(session, "services", list(records))
            given = []
            for row in rows:
                note = self._note("services", row.number)
                try:
                    given.append(self._service_given(records[row.key], row.parent_key, note))
                except reading.Unreadable as wrong:
                    self._reject_row("services", row.number, wrong)
            yield after, given

    async def _at_locations(self, session: AsyncSession, records: Mapping[str, dict[str, Any]]) -> None:
        """Add what came as records of services at locations."""
        found = await session.execute(
            text(
                "SELECT parent_key, data FROM import_row WHERE run_id = :run AND file = 'service_at_location'"
                " AND parent_file = 'services' AND parent_key = ANY(CAST(:keys AS text[])) ORDER BY number"
            ),
            {"run": self._run, "keys": list(records)},
        )
        for row in found:
            here = records[row.parent_key].setdefault("service_at_locations", [])
            at = msgspec.json.decode(row.data)
            if isinstance(here, list) and at.get("id") not in [one.get("id") for one in here]:
                here.append(at)

    def _service_given(self, record: dict[str, Any], owner: str, note: reading.Note) -> ServiceGiven:
        # the organisation is read on its own, and is no part of what is checked here
        alone = {name: value for name, value in record.items() if name != "organization"}
        service = reading.as_shape(alone, reading.ReadService, note)
        given = reading.read_service(service, self._namespace, owner, self._language, note)
        given.original = msgspec.json.encode(record).decode()
        return given

    async def loose(self, after: int) -> AsyncIterator[tuple[int, list[Loose]]]:
        """Yield what belongs to no entry (vocabularies, units, places of nobody), and what is gone."""
        while True:
            async with self._database.view(SYSTEM) as session:
                found = await session.execute(
                    text(
                        "SELECT file, number, key, data FROM (SELECT r.*, row_number() OVER"
                        " (ORDER BY file, number) AS nth FROM import_row r WHERE r.run_id = :run"
                        " AND r.file NOT LIKE '%:%' AND r.file NOT IN ('organizations', 'services', 'places',"
                        " 'service_at_location') AND r.key IS NOT NULL AND (r.file = ANY(:alone)"
                        " OR NOT EXISTS (SELECT FROM import_row l JOIN import_row p ON p.run_id = :run"
                        " AND p.key = l.parent_key AND p.file NOT LIKE '%:%' AND p.file <> 'places'"
                        " AND (l.parent_file = '' OR p.file = l.parent_file) WHERE l.run_id = :run"
                        " AND l.number = r.number AND (l.file = r.file OR l.file LIKE r.file || ':%'))"
                        " AND NOT (r.file IN ('locations', 'programs') AND EXISTS (SELECT FROM import_row u"
                        " WHERE u.run_id = :run AND u.file IN ('service_at_location', 'services')"
                        " AND u.data::json->>CASE r.file WHEN 'locations' THEN 'location_id'"
                        " ELSE 'program_id' END = r.key)))) n WHERE nth > :after ORDER BY nth LIMIT :many"
                    ),
                    {"run": self._run, "after": after, "many": CHUNK, "alone": sorted(ALONE)},
                )
                rows = found.all()
            if not rows:
                return
            given: dict[UUID, Loose] = {}
            for row in rows:
                if row.file == GONE:
                    said = msgspec.json.decode(row.data)
                    gone = gone_given(self._namespace, DocumentKind(said["kind"]), said["key"], said["since"])
                    given[gone.id] = gone
                    continue
                id_ = entry_id(self._namespace, row.file, row.key)
                given[id_] = LooseGiven(id=id_, table=row.file, original=row.data)
            after += len(rows)
            yield after, list(given.values())

    # the report

    def _note(self, table: str, number: int) -> reading.Note:
        return _noting(self._report.file(self._file_of(table)), number)

    def _file_of(self, table: str) -> str:
        return f"{table}.csv" if self._package is not None else self._path.name

    def _reject_row(self, table: str, number: int, wrong: reading.Unreadable) -> None:
        self._report.file(self._file_of(table)).reject(number, wrong.reason, wrong.where or None)


def _noting(report: FileReport, number: int) -> reading.Note:
    def note(field: str, code: str) -> None:
        report.repair(number, re.sub(r"^[a-z_]+\.", "", field) if field.count(".") > 1 else field, code)

    return note


def _identifier(record: Mapping[str, Any]) -> str | None:
    given = record.get("id")
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    return given.strip()[:200] if isinstance(given, str) and given.strip() else None
