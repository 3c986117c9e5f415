"""Reads an HSDS 1.1 tabular package (Human Services Data Specification) row by row.

Rows are checked one by one and kept in the staging table ``import_row``; files are joined there, a chunk of
organisations or services at a time, so that memory does not grow with the number of rows. Names of persons
(``contacts.name``, ``attention``) are never taken: private persons are not listed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import SYSTEM
from directory.database import Database
from directory.exporting.tombstones import gone_entry
from directory.importing import repairs
from directory.importing.entries import (
    CHUNK,
    Checkpoint,
    Loose,
    PartnerGiven,
    ServiceGiven,
    entry_id,
    gone_given,
    source_namespace,
)
from directory.importing.packages import Package, licence_of, source_name
from directory.importing.report import ImportRefused, ImportReport, Phase, Progress, Refusal
from directory.importing.staging import analyze
from directory.network import MunicipalityEntry, OccupationEntry, TopicEntry
from directory.organisations import names_a_person
from directory.values import (
    ContactPoint,
    LanguageOffered,
    LocationValue,
    OpeningHours,
    OpeningPeriod,
    SourceTerm,
)
from directory.vocabulary import ContactKind, PartnerKind, PublicationState

ORGANIZATIONS: Final = "organizations.csv"
SERVICES: Final = "services.csv"
LOCATIONS: Final = "locations.csv"
AT_LOCATION: Final = "services_at_location.csv"
ADDRESSES: Final = "physical_addresses.csv"
ACCESSIBILITY: Final = "accessibility_for_disabilities.csv"
PHONES: Final = "phones.csv"
CONTACTS: Final = "contacts.csv"
SCHEDULES: Final = "regular_schedules.csv"
LANGUAGES: Final = "languages.csv"
ELIGIBILITY: Final = "eligibility.csv"
SERVICE_TAXONOMY: Final = "services_taxonomy.csv"
TAXONOMY: Final = "taxonomy.csv"
DOCUMENTS: Final = "required_documents.csv"
AREAS: Final = "service_areas.csv"
METADATA: Final = "metadata.csv"
"""Records of changes; only those that say that an entry is gone are taken."""

ROWS_AT_ONCE: Final = 2_000

NAME_MAXIMUM: Final = 300
TEXT_MAXIMUM: Final = 20_000


class File(msgspec.Struct, frozen=True, kw_only=True):
    """What a row of a file needs: ``columns`` must exist, ``filled`` must say something.

    ``parents``: columns that name the row it belongs to, with the file that row is in; the first filled one
    counts. ``keyed``: others refer to its rows by ``id``.
    """

    columns: tuple[str, ...]
    filled: tuple[str, ...] = ()
    parents: tuple[tuple[str, str], ...] = ()
    keyed: bool = False
    orphan_ok: bool = False


_SECOND: Final = {AT_LOCATION: "location_id", SERVICE_TAXONOMY: "taxonomy_id"}
"""The second row that a link names."""

_OF_SERVICE: Final = (("service_id", SERVICES),)
FILES: Final[Mapping[str, File]] = {
    ORGANIZATIONS: File(columns=("id", "name"), filled=("name",), keyed=True),
    SERVICES: File(
        columns=("id", "organization_id", "name"),
        filled=("name",),
        parents=(("organization_id", ORGANIZATIONS),),
        keyed=True,
    ),
    LOCATIONS: File(
        columns=("id",), parents=(("organization_id", ORGANIZATIONS),), keyed=True, orphan_ok=True
    ),
    AT_LOCATION: File(
        columns=("service_id", "location_id"), filled=("service_id", "location_id"), parents=_OF_SERVICE
    ),
    ADDRESSES: File(columns=("location_id",), parents=(("location_id", LOCATIONS),)),
    ACCESSIBILITY: File(
        columns=("location_id", "accessibility"),
        filled=("accessibility",),
        parents=(("location_id", LOCATIONS),),
    ),
    CONTACTS: File(
        columns=(),
        parents=(
            ("service_id", SERVICES),
            ("organization_id", ORGANIZATIONS),
            ("service_at_location_id", AT_LOCATION),
        ),
    ),
    PHONES: File(
        columns=("number",),
        filled=("number",),
        parents=(
            ("service_id", SERVICES),
            ("organization_id", ORGANIZATIONS),
            ("service_at_location_id", AT_LOCATION),
            ("location_id", LOCATIONS),
            ("contact_id", CONTACTS),
        ),
    ),
    SCHEDULES: File(
        columns=("weekday", "opens_at", "closes_at"),
        filled=("weekday", "opens_at", "closes_at"),
        parents=(
            ("location_id", LOCATIONS),
            ("service_id", SERVICES),
            ("service_at_location_id", AT_LOCATION),
        ),
    ),
    LANGUAGES: File(
        columns=("language",),
        filled=("language",),
        parents=(("service_id", SERVICES), ("location_id", LOCATIONS)),
    ),
    ELIGIBILITY: File(columns=("service_id", "eligibility"), filled=("eligibility",), parents=_OF_SERVICE),
    TAXONOMY: File(columns=("id", "name"), filled=("name",), keyed=True),
    SERVICE_TAXONOMY: File(
        columns=("service_id", "taxonomy_id"), filled=("taxonomy_id",), parents=_OF_SERVICE
    ),
    DOCUMENTS: File(columns=("service_id", "document"), filled=("document",), parents=_OF_SERVICE),
    AREAS: File(columns=("service_id", "service_area"), filled=("service_area",), parents=_OF_SERVICE),
    METADATA: File(columns=("resource_id", "last_action_type", "field_name")),
}
"""The files that are taken; others of the package are named in the report as ignored."""

_PARAGRAPHS: Final = (
    ("application_process", "How to apply"),
    ("fees", "Fees"),
    ("wait_time", "Waiting time"),
    ("interpretation_services", "Interpretation"),
    ("accreditations", "Accreditations"),
    ("licenses", "Licences"),
)
_CHILD_PARAGRAPHS: Final = (
    (ELIGIBILITY, "eligibility", "Eligibility"),
    (DOCUMENTS, "document", "Documents to bring"),
    (AREAS, "service_area", "Area"),
)
_HIDDEN: Final = {"inactive", "defunct", "temporarily closed"}

Row = tuple[int, dict[str, str]]


def is_hsds11(package: Package) -> bool:
    """Whether a package has what every HSDS 1.1 package has."""
    return ORGANIZATIONS in package.names or SERVICES in package.names


def partner_kind(tax_status: str, legal_status: str) -> tuple[PartnerKind, repairs.Repairs]:
    """Return an organisation's kind by its legal form; without one it counts as a free provider.

    >>> partner_kind("", "Government Agency")[0].value, partner_kind("", "")[0].value
    ('AUTHORITY', 'FREE_PROVIDER')
    """
    said = f"{tax_status} {legal_status}".casefold()
    if re.search(r"non-?profit|not.for.profit|501\(?c|charit|gemeinnützig", said):
        return PartnerKind.FREE_PROVIDER, ()
    if re.search(r"\b(government|public (body|agency|authority)|municipal|county|state agency)\b", said):
        return PartnerKind.AUTHORITY, ()
    if re.search(r"\b(for.profit|corporation|llc|inc|gmbh|business)\b", said):
        return PartnerKind.BUSINESS, ()
    return PartnerKind.FREE_PROVIDER, ("KIND_ASSUMED",)


class Hsds11Source:
    """An HSDS 1.1 package as a source of entries."""

    format = "hsds-1.1"
    municipality: MunicipalityEntry | None = None
    coordination: UUID | None = None
    may_be_ours = False
    topics: Sequence[TopicEntry] = ()
    occupations: Sequence[OccupationEntry] = ()
    clients = msgspec.Raw(b"[]")

    def __init__(self, package: Package, database: Database, report: ImportReport, told: Progress) -> None:
        for needed in (ORGANIZATIONS, SERVICES):
            if needed not in package.names:
                raise ImportRefused(Refusal.FILE_MISSING, needed)
        descriptor = package.descriptor()
        self.name = source_name(descriptor, package.path)
        self.licence = licence_of(descriptor)
        self._namespace = source_namespace(self.name)
        self._package = package
        self._database = database
        self._report = report
        self._told = told
        self._run = report.run
        self._region: str | None = None
        report.ignored_files = sorted(set(package.names) - FILES.keys())

    # reading

    async def prepare(self, checkpoint: Checkpoint | None) -> int | None:
        """Read every file into the staging table and join them there; return how many entries come."""
        if checkpoint is not None:
            await self._read_all(checkpoint)
        async with self._database.view(SYSTEM) as session:
            counted = await session.execute(
                text(
                    "SELECT count(*) FROM import_row WHERE run_id = :run AND NOT rejected"
                    " AND file IN ('organizations.csv', 'services.csv')"
                ),
                {"run": self._run},
            )
            self._region = await self._usual_region(session)
            return int(counted.scalar_one())

    async def _read_all(self, checkpoint: Checkpoint) -> None:
        present = [name for name in FILES if name in self._package.names]
        total = sum(self._package.size(name) for name in present)
        done = 0
        for name in present:
            self._report.file(name)
            if self._package.size(name) == 0 and name not in (ORGANIZATIONS, SERVICES):
                continue
            await self._read(name, done, total)
            done += self._package.size(name)
            self._told(Phase.READ, done, total)
        async with self._database.work(SYSTEM) as work:
            await self._join(work.session)
            # in the same transaction, because what joining rejects is told once only
            await checkpoint(work.session, "PARTNERS", 0)

    async def _read(self, name: str, done: int, total: int) -> None:
        report = self._report.file(name)
        rows = self._package.rows(
            name,
            FILES[name].columns,
            lambda read: self._told(Phase.READ, done + min(read, self._package.size(name)), total),
            lambda: report.repair(1, "", "BOM_REMOVED"),
        )
        # what a run that was killed has staged of this file need not be staged again, only counted
        async with self._database.view(SYSTEM) as session:
            staged = await session.scalar(
                text("SELECT max(number) FROM import_row WHERE run_id = :run AND file = :file"),
                {"run": self._run, "file": name},
            )
        kept = (row for row in self._checked(name, rows) if row["number"] > (staged or 0))
        while chunk := list(islice(kept, ROWS_AT_ONCE)):
            async with self._database.work(SYSTEM) as work:
                await work.session.execute(
                    text(
                        "INSERT INTO import_row (run_id, file, number, key, parent_file, parent_key, owner,"
                        " rejected, data) SELECT :run, :file, number, key, parent_file, parent_key, owner,"
                        " rejected, data FROM unnest(CAST(:number AS int[]), CAST(:key AS text[]),"
                        " CAST(:parent_file AS text[]), CAST(:parent_key AS text[]), CAST(:owner AS text[]),"
                        " CAST(:rejected AS bool[]), CAST(:data AS text[]))"
                        " AS c(number, key, parent_file, parent_key, owner, rejected, data)"
                    ),
                    {
                        "run": self._run,
                        "file": name,
                        **{column: [row[column] for row in chunk] for column in chunk[0]},
                    },
                )

    def _checked(
        self, name: str, rows: Iterator[tuple[int, dict[str, str] | None]]
    ) -> Iterator[dict[str, Any]]:
        """Yield what is kept of a file: good rows, and rejected ones that other rows may refer to."""
        file, report = FILES[name], self._report.file(name)
        for number, row in rows:
            if name == METADATA and (row is None or gone_entry(row) is None):
                continue
            report.read += 1
            if row is None:
                report.reject(number, "COLUMN_COUNT")
                continue
            row = {column: value.replace("\0", "") for column, value in row.items()}
            key = row.get("id", "").strip() or None
            parent_file, parent_key = next(
                ((parent, row[column].strip()) for column, parent in file.parents if column in row),
                (None, None),
            )
            rejected = True
            if file.keyed and key is None:
                report.reject(number, "ID_MISSING", "id")
                continue
            if empty := next((column for column in file.filled if column not in row), None):
                report.reject(number, "FIELD_MISSING", empty)
            elif file.parents and parent_key is None and not file.orphan_ok:
                report.reject(number, "PARENT_MISSING", file.parents[0][0])
            elif name == ORGANIZATIONS and names_a_person(row["name"]):
                report.reject(number, "PRIVATE_PERSON", "name")
                row = {}
            else:
                rejected = False
            if rejected and not file.keyed:
                continue
            yield {
                "number": number,
                "key": key,
                "parent_file": parent_file,
                "parent_key": parent_key,
                "owner": row[second].strip() if (second := _SECOND.get(name)) in row else None,
                "rejected": rejected,
                "data": msgspec.json.encode(row).decode(),
            }

    # joining

    async def _each(self, session: AsyncSession, statement: str, **more: object) -> list[Any]:
        return list(await session.execute(text(statement), {"run": self._run, **more}))

    def _rejected(self, found: Iterable[Any]) -> None:
        for file, number, reason in sorted(found):
            self._report.file(file).reject(number, reason)

    async def _join(self, session: AsyncSession) -> None:
        """Find every row's parent, through other files where needed; reject what belongs to nothing."""
        await analyze(session)
        self._rejected(
            await self._each(
                session,
                "UPDATE import_row r SET rejected = true FROM (SELECT file, number, row_number()"
                " OVER (PARTITION BY file, key ORDER BY number) AS nth FROM import_row WHERE run_id = :run"
                " AND NOT rejected AND key IS NOT NULL AND file IN ('organizations.csv', 'services.csv',"
                " 'locations.csv', 'taxonomy.csv')) d WHERE r.run_id = :run AND r.file = d.file"
                " AND r.number = d.number AND d.nth > 1 RETURNING r.file, r.number, 'DUPLICATE_ID'",
            )
        )
        await self._find_organizations_of_services(session)
        for through in (CONTACTS, AT_LOCATION):
            await self._each(
                session,
                "UPDATE import_row r SET parent_file = t.parent_file, parent_key = t.parent_key"
                " FROM import_row t WHERE r.run_id = :run AND t.run_id = :run AND r.parent_file = :through"
                " AND t.file = :through AND t.key = r.parent_key AND t.parent_key IS NOT NULL"
                " RETURNING r.number",
                through=through,
            )
        await analyze(session)
        await self._find_organizations_of_locations(session)
        await analyze(session)
        orphans = (
            "UPDATE import_row r SET rejected = true WHERE r.run_id = :run AND NOT r.rejected"
            " AND r.file <> ALL(ARRAY['organizations.csv', 'services.csv', 'locations.csv', 'taxonomy.csv',"
            " 'metadata.csv'])"
            " AND NOT EXISTS (SELECT FROM import_row p WHERE p.run_id = :run AND NOT p.rejected"
            " AND p.file = {file} AND p.key = {key}) AND {which} RETURNING r.file, r.number,"
            " CASE WHEN EXISTS (SELECT FROM import_row p WHERE p.run_id = :run AND p.file = {file}"
            " AND p.key = {key})"
            " THEN 'PARENT_REJECTED' ELSE 'PARENT_UNKNOWN' END"
        )
        self._rejected(
            await self._each(session, orphans.format(file="r.parent_file", key="r.parent_key", which="true"))
        )
        self._rejected(
            await self._each(
                session,
                orphans.format(
                    file="'locations.csv'", key="r.owner", which="r.file = 'services_at_location.csv'"
                ),
            )
        )
        self._rejected(
            await self._each(
                session,
                "UPDATE import_row r SET rejected = true WHERE r.run_id = :run AND NOT r.rejected"
                " AND r.file = 'services_taxonomy.csv' AND NOT EXISTS (SELECT FROM import_row t"
                " WHERE t.run_id = :run AND t.file = 'taxonomy.csv' AND NOT t.rejected AND t.key = r.owner)"
                " RETURNING r.file, r.number, 'TERM_UNKNOWN'",
            )
        )
        # Hours are kept at places. A service's hours are its place's only where nothing else is offered.
        self._rejected(
            await self._each(
                session,
                "WITH own AS (SELECT owner, min(parent_key) AS service FROM import_row WHERE run_id = :run"
                " AND file = 'services_at_location.csv' AND NOT rejected GROUP BY owner"
                " HAVING count(DISTINCT parent_key) = 1)"
                " UPDATE import_row r SET rejected = true WHERE r.run_id = :run AND NOT r.rejected"
                " AND r.file = 'regular_schedules.csv' AND r.parent_file = 'services.csv'"
                " AND r.parent_key NOT IN (SELECT service FROM own)"
                " RETURNING r.file, r.number, 'NO_PLACE_OF_ITS_OWN'",
            )
        )

    async def _find_organizations_of_services(self, session: AsyncSession) -> None:
        await self._each(
            session,
            "UPDATE import_row s SET owner = o.key FROM import_row o WHERE s.run_id = :run"
            " AND o.run_id = :run AND s.file = 'services.csv' AND NOT s.rejected"
            " AND o.file = 'organizations.csv' AND NOT o.rejected AND o.key = s.parent_key"
            " RETURNING s.number",
        )
        # Programmes of big organisations stand among the services; what hangs on one belongs to its
        # organisation.
        for _ in range(5):
            found = await self._each(
                session,
                "UPDATE import_row s SET owner = p.owner FROM import_row p WHERE s.run_id = :run"
                " AND p.run_id = :run AND s.file = 'services.csv' AND NOT s.rejected AND s.owner IS NULL"
                " AND p.file = 'services.csv' AND NOT p.rejected AND p.owner IS NOT NULL"
                " AND p.key = s.parent_key AND NOT EXISTS (SELECT FROM import_row o WHERE o.run_id = :run"
                " AND o.file = 'organizations.csv' AND o.key = s.parent_key) RETURNING s.number",
            )
            for (number,) in sorted(found):
                self._report.file(SERVICES).repair(number, "organization_id", "ORGANIZATION_THROUGH_SERVICE")
            if not found:
                break
        self._rejected(
            await self._each(
                session,
                "UPDATE import_row s SET rejected = true WHERE s.run_id = :run AND s.file = 'services.csv'"
                " AND NOT s.rejected AND s.owner IS NULL RETURNING s.file, s.number, CASE WHEN EXISTS"
                " (SELECT FROM import_row o WHERE o.run_id = :run AND o.file = 'organizations.csv'"
                " AND o.key = s.parent_key) THEN 'PARENT_REJECTED' ELSE 'PARENT_UNKNOWN' END",
            )
        )

    async def _find_organizations_of_locations(self, session: AsyncSession) -> None:
        await self._each(
            session,
            "UPDATE import_row l SET owner = o.key FROM import_row o WHERE l.run_id = :run"
            " AND o.run_id = :run AND l.file = 'locations.csv' AND NOT l.rejected"
            " AND o.file = 'organizations.csv' AND NOT o.rejected AND o.key = l.parent_key"
            " RETURNING l.number",
        )
        found = await self._each(
            session,
            "UPDATE import_row l SET owner = f.owner FROM (SELECT DISTINCT ON (a.owner) a.owner AS location,"
            " s.owner FROM import_row a JOIN import_row s ON s.run_id = :run AND s.file = 'services.csv'"
            " AND s.key = a.parent_key AND NOT s.rejected WHERE a.run_id = :run"
            " AND a.file = 'services_at_location.csv' AND NOT a.rejected ORDER BY a.owner, a.number) f"
            " WHERE l.run_id = :run AND l.file = 'locations.csv' AND NOT l.rejected AND l.owner IS NULL"
            " AND l.key = f.location RETURNING l.number",
        )
        for (number,) in sorted(found):
            self._report.file(LOCATIONS).repair(number, "organization_id", "ORGANIZATION_FROM_SERVICE")
        self._rejected(
            await self._each(
                session,
                "UPDATE import_row l SET rejected = true WHERE l.run_id = :run AND l.file = 'locations.csv'"
                " AND NOT l.rejected AND l.owner IS NULL RETURNING l.file, l.number,"
                " CASE WHEN l.parent_key IS NULL THEN 'PARENT_MISSING' ELSE 'PARENT_UNKNOWN' END",
            )
        )

    async def _usual_region(self, session: AsyncSession) -> str | None:
        """Return the country of the first address that says one: how a number without a place is read."""
        found = await self._each(
            session,
            "SELECT data FROM import_row WHERE run_id = :run AND file = 'physical_addresses.csv'"
            " AND NOT rejected ORDER BY number LIMIT 200",
        )
        for (data,) in found:
            row = _decode(data)
            region, _ = repairs.region(row.get("country", ""), row.get("state_province", ""))
            if region is not None:
                return region
        return None

    # entries

    async def _main_rows(self, session: AsyncSession, file: str, after: int) -> list[Any]:
        """Return the next rows of a file that have not been rejected."""
        return await self._each(
            session,
            "SELECT number, key, owner, data FROM import_row WHERE run_id = :run AND file = :file"
            " AND NOT rejected AND number > :after ORDER BY number LIMIT :many",
            file=file,
            after=after,
            many=CHUNK,
        )

    async def _children(
        self, session: AsyncSession, parent_file: str, keys: Sequence[str]
    ) -> Mapping[tuple[str, str], list[Row]]:
        """Return the rows that belong to these, by (parent's key, file)."""
        found = await self._each(
            session,
            "SELECT parent_key, file, number, data FROM import_row WHERE run_id = :run AND NOT rejected"
            " AND parent_file = :parent AND parent_key = ANY(CAST(:keys AS text[])) ORDER BY file, number",
            parent=parent_file,
            keys=list(keys),
        )
        children: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        for parent, file, number, data in found:
            children[parent, file].append((number, _decode(data)))
        return children

    async def partners(self, after: int) -> AsyncIterator[tuple[int, list[PartnerGiven]]]:
        """Yield every organisation with its places."""
        while True:
            async with self._database.view(SYSTEM) as session:
                rows = await self._main_rows(session, ORGANIZATIONS, after)
                given = await self._partners(session, rows)
            if not rows:
                return
            after = rows[-1].number
            yield after, given

    async def _partners(self, session: AsyncSession, rows: Sequence[Any]) -> list[PartnerGiven]:
        keys = [row.key for row in rows]
        places = await self._each(
            session,
            "SELECT number, key, owner, data FROM import_row WHERE run_id = :run AND NOT rejected"
            " AND file = 'locations.csv' AND owner = ANY(CAST(:keys AS text[])) ORDER BY number",
            keys=keys,
        )
        of_places = await self._children(session, LOCATIONS, [place.key for place in places])
        of_partners = await self._children(session, ORGANIZATIONS, keys)
        hours = await self._hours_of_services(session, [place.key for place in places])
        by_owner: defaultdict[str, list[Any]] = defaultdict(list)
        for place in places:
            by_owner[place.owner].append(place)
        return [self._partner(row, by_owner[row.key], of_places, of_partners, hours) for row in rows]

    async def _hours_of_services(
        self, session: AsyncSession, places: Sequence[str]
    ) -> Mapping[str, list[tuple[bool, Row]]]:
        """Return services' hours by the place where only that service is; whether to report, and the row."""
        found = await self._each(
            session,
            "SELECT a.owner, a.number = (SELECT min(f.number) FROM import_row f WHERE f.run_id = :run"
            " AND f.file = 'services_at_location.csv' AND NOT f.rejected AND f.parent_key = a.parent_key"
            " AND f.parent_file = 'services.csv') AS first, r.number, r.data"
            " FROM (SELECT owner, min(parent_key) AS parent_key, min(number) AS number FROM import_row"
            " WHERE run_id = :run AND file = 'services_at_location.csv' AND NOT rejected"
            " AND owner = ANY(CAST(:places AS text[])) GROUP BY owner"
            " HAVING count(DISTINCT parent_key) = 1) a JOIN import_row r ON r.run_id = :run"
            " AND r.file = 'regular_schedules.csv' AND NOT r.rejected"
            " AND r.parent_file = 'services.csv' AND r.parent_key = a.parent_key ORDER BY r.number",
            places=list(places),
        )
        hours: defaultdict[str, list[tuple[bool, Row]]] = defaultdict(list)
        for place, first, number, data in found:
            hours[place].append((first, (number, _decode(data))))
        return hours

    def _partner(
        self,
        row: Any,
        places: Sequence[Any],
        of_places: Mapping[tuple[str, str], list[Row]],
        of_partners: Mapping[tuple[str, str], list[Row]],
        hours: Mapping[str, list[tuple[bool, Row]]],
    ) -> PartnerGiven:
        data = _decode(row.data)
        kind, how = partner_kind(data.get("tax_status", ""), data.get("legal_status", ""))
        self._repaired(ORGANIZATIONS, row.number, "legal_status", how)
        region = self._region
        locations = []
        phones = [(number, phone) for number, phone in of_partners.get((row.key, PHONES), ())]
        spoken = list(of_partners.get((row.key, LANGUAGES), ()))
        for place in places:
            location, region_of_place = self._location(place, of_places, hours.get(place.key, ()))
            locations.append(location)
            region = region_of_place or region
            phones += of_places.get((place.key, PHONES), ())
            spoken += of_places.get((place.key, LANGUAGES), ())
        contacts = of_partners.get((row.key, CONTACTS), ())
        values: dict[str, Any] = {
            "name": self._text(ORGANIZATIONS, row.number, data, "name", NAME_MAXIMUM),
            "kind": kind,
            "public_body": kind is PartnerKind.AUTHORITY,
            "description": self._description(ORGANIZATIONS, row.number, data),
            "website": self._web(ORGANIZATIONS, row.number, data),
            "contact_points": self._reach(ORGANIZATIONS, row.number, data, phones, contacts, region),
            "languages": self._languages(spoken),
        }
        return PartnerGiven(
            id=entry_id(self._namespace, "partner", row.key),
            foreign_id=row.key,
            values=values,
            locations=tuple(locations),
        )

    def _location(
        self,
        place: Any,
        of_places: Mapping[tuple[str, str], list[Row]],
        service_hours: Sequence[tuple[bool, Row]],
    ) -> tuple[LocationValue, str | None]:
        data = _decode(place.data)
        addresses = of_places.get((place.key, ADDRESSES), [])
        for number, _ in addresses[1:]:
            self._report.file(ADDRESSES).reject(number, "SECOND_ADDRESS")
        number, address = addresses[0] if addresses else (0, {})
        region, how = repairs.region(address.get("country", ""), address.get("state_province", ""))
        if addresses:
            self._repaired(ADDRESSES, number, "country", how)
        street = ", ".join(
            address[column].strip()
            for column in ("address_1", "address_2", "address_3", "address_4")
            if column in address
        )
        latitude, longitude = self._coordinates(place.number, data)
        said = [
            self._text(ACCESSIBILITY, child, row, "accessibility", 1_000)
            for child, row in of_places.get((place.key, ACCESSIBILITY), ())
        ]
        zone = repairs.zone(region or self._region, address.get("state_province", ""))
        schedules = [(True, row) for row in of_places.get((place.key, SCHEDULES), ())]
        name = self._text(LOCATIONS, place.number, data, "name", NAME_MAXIMUM)
        return LocationValue(
            id=entry_id(self._namespace, "location", place.key),
            name=name or street[:NAME_MAXIMUM] or "–",
            street=street[:NAME_MAXIMUM] or None,
            postcode=address.get("postal_code", "").strip()[:20] or None,
            city=address.get("city", "").strip()[:NAME_MAXIMUM] or None,
            latitude=latitude,
            longitude=longitude,
            accessibility={"en": "; ".join(said)} if said else {},
            hours=self._hours([*schedules, *service_hours], zone),
        ), region

    def _coordinates(self, number: int, data: Mapping[str, str]) -> tuple[float | None, float | None]:
        written = data.get("latitude", ""), data.get("longitude", "")
        if written == ("", ""):
            return None, None
        try:
            latitude, longitude = float(written[0]), float(written[1])
        except ValueError:
            latitude = longitude = float("nan")
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180) or (latitude, longitude) == (0, 0):
            self._repaired(LOCATIONS, number, "latitude", ("COORDINATES_DROPPED",))
            return None, None
        return latitude, longitude

    def _hours(self, rows: Sequence[tuple[bool, Row]], zone: str | None) -> OpeningHours | None:
        """Read schedules; a row that serves several places is reported once (``first``)."""
        periods: set[tuple[int, str, str]] = set()
        report = self._report.file(SCHEDULES)
        for first, (number, row) in rows:
            day, _ = repairs.weekday(row["weekday"])
            times, how = repairs.opening(row["opens_at"], row["closes_at"])
            reason = (
                "WEEKDAY_UNREADABLE"
                if day is None
                else "TIME_UNREADABLE"
                if times is None
                else "ZONE_UNKNOWN"
                if zone is None
                else None
            )
            if reason is not None or day is None or times is None:
                if first:
                    report.reject(number, reason or "")
                continue
            if first:
                self._repaired(SCHEDULES, number, "opens_at", how)
            for later, opens, closes in times:
                periods.add(((day - 1 + later) % 7 + 1, opens, closes))
        if not periods or zone is None:
            return None
        return OpeningHours(
            periods=tuple(OpeningPeriod(weekday=d, opens=o, closes=c) for d, o, c in sorted(periods)),
            timezone=zone,
        )

    async def services(self, after: int) -> AsyncIterator[tuple[int, list[ServiceGiven]]]:
        """Yield every service."""
        while True:
            async with self._database.view(SYSTEM) as session:
                rows = await self._main_rows(session, SERVICES, after)
                given = await self._services(session, rows)
            if not rows:
                return
            after = rows[-1].number
            yield after, given

    async def _services(self, session: AsyncSession, rows: Sequence[Any]) -> list[ServiceGiven]:
        children = await self._children(session, SERVICES, [row.key for row in rows])
        codes: set[str] = set()
        places: set[str] = set()
        for (_, file), of_service in children.items():
            if file == SERVICE_TAXONOMY:
                codes.update(row["taxonomy_id"].strip() for _, row in of_service)
            elif file == AT_LOCATION:
                places.update(row["location_id"].strip() for _, row in of_service)
        terms = await self._terms(session, codes)
        regions = await self._regions(session, sorted(places))
        return [self._service(row, children, terms, regions) for row in rows]

    async def _terms(self, session: AsyncSession, codes: set[str]) -> Mapping[str, SourceTerm]:
        found = await self._each(
            session,
            "SELECT key, data FROM import_row WHERE run_id = :run AND file = 'taxonomy.csv' AND NOT rejected"
            " AND key = ANY(CAST(:codes AS text[]))",
            codes=sorted(codes),
        )
        terms = {}
        for key, data in found:
            row = _decode(data)
            name, _ = repairs.text(row["name"], NAME_MAXIMUM)
            terms[key] = SourceTerm(code=key, name=name, vocabulary=row.get("vocabulary", "").strip())
        return terms

    async def _regions(self, session: AsyncSession, places: Sequence[str]) -> Mapping[str, str]:
        addresses = await self._each(
            session,
            "SELECT parent_key, data FROM import_row WHERE run_id = :run AND file = 'physical_addresses.csv'"
            " AND NOT rejected AND parent_file = 'locations.csv'"
            " AND parent_key = ANY(CAST(:places AS text[])) ORDER BY number DESC",
            places=list(places),
        )
        regions = {}
        for place, data in addresses:
            row = _decode(data)
            region, _ = repairs.region(row.get("country", ""), row.get("state_province", ""))
            if region is not None:
                regions[place] = region
        return regions

    def _service(
        self,
        row: Any,
        children: Mapping[tuple[str, str], list[Row]],
        terms: Mapping[str, SourceTerm],
        regions: Mapping[str, str],
    ) -> ServiceGiven:
        data = _decode(row.data)
        places = list(
            dict.fromkeys(link["location_id"].strip() for _, link in children.get((row.key, AT_LOCATION), ()))
        )
        region = next((regions[place] for place in places if place in regions), self._region)
        status = data.get("status", "").strip().casefold()
        if not status:
            self._repaired(SERVICES, row.number, "status", ("STATUS_ASSUMED_ACTIVE",))
        paragraphs = [
            (title, self._text(SERVICES, row.number, data, column, 4_000)) for column, title in _PARAGRAPHS
        ]
        for file, column, title in _CHILD_PARAGRAPHS:
            said = [
                self._text(file, number, child, column, 4_000)
                for number, child in children.get((row.key, file), ())
            ]
            paragraphs.append((title, "; ".join(said)))
        values: dict[str, Any] = {
            "title": {"en": self._text(SERVICES, row.number, data, "name", NAME_MAXIMUM)},
            "description": self._description(SERVICES, row.number, data, paragraphs),
            "website": self._web(SERVICES, row.number, data),
            "source_terms": self._source_terms(children.get((row.key, SERVICE_TAXONOMY), ()), terms),
            "languages": self._languages(children.get((row.key, LANGUAGES), ())),
            "contact_points": self._reach(
                SERVICES,
                row.number,
                data,
                children.get((row.key, PHONES), ()),
                children.get((row.key, CONTACTS), ()),
                region,
            ),
        }
        return ServiceGiven(
            id=entry_id(self._namespace, "service", row.key),
            foreign_id=row.key,
            partner_id=entry_id(self._namespace, "partner", row.owner),
            values=values,
            state=PublicationState.HIDDEN if status in _HIDDEN else None,
            locations=tuple(entry_id(self._namespace, "location", place) for place in places),
        )

    async def loose(self, after: int) -> AsyncIterator[tuple[int, list[Loose]]]:
        """Yield what is gone; whatever else belongs to no entry was rejected with its reason."""
        while True:
            async with self._database.view(SYSTEM) as session:
                rows = await self._main_rows(session, METADATA, after)
            if not rows:
                return
            after = rows[-1].number
            told = [gone_entry(_decode(row.data)) for row in rows]
            yield after, [gone_given(self._namespace, *gone) for gone in told if gone is not None]

    # fields

    def _repaired(self, file: str, number: int, field: str, how: Iterable[str]) -> None:
        for code in how:
            self._report.file(file).repair(number, field, code)

    def _text(self, file: str, number: int, data: Mapping[str, str], column: str, maximum: int) -> str:
        if column not in data:
            return ""
        value, how = repairs.text(data[column], maximum)
        self._repaired(file, number, column, how)
        return value

    def _description(
        self,
        file: str,
        number: int,
        data: Mapping[str, str],
        paragraphs: Iterable[tuple[str, str]] = (),
    ) -> dict[str, str]:
        """Return the description with everything that has no field of its own, each under its name."""
        parts = [self._text(file, number, data, "description", TEXT_MAXIMUM)]
        alternate = self._text(file, number, data, "alternate_name", NAME_MAXIMUM)
        if alternate:
            parts.append(f"Also known as: {alternate}")
        parts += [f"{title}: {said}" for title, said in paragraphs if said]
        whole = "\n\n".join(part for part in parts if part)
        if len(whole) > TEXT_MAXIMUM:
            self._repaired(file, number, "description", ("CUT",))
            whole = whole[: TEXT_MAXIMUM - 1] + "…"
        return {"en": whole} if whole else {}

    def _web(self, file: str, number: int, data: Mapping[str, str]) -> str | None:
        if "url" not in data:
            return None
        value, how = repairs.web_address(data["url"].strip())
        self._repaired(file, number, "url", how)
        return value

    def _reach(
        self,
        file: str,
        number: int,
        data: Mapping[str, str],
        phones: Iterable[Row],
        contacts: Iterable[Row],
        region: str | None,
    ) -> tuple[ContactPoint, ...]:
        """Return how to reach somebody: numbers first, then addresses, each once."""
        points: dict[tuple[ContactKind, str, str | None], ContactPoint] = {}

        def add(kind: ContactKind, value: str, extension: str | None = None, label: str = "") -> None:
            titles = {"en": label} if label else {}
            points.setdefault(
                (kind, value, extension),
                ContactPoint(kind=kind, value=value, extension=extension, label=titles),
            )

        for row_number, row in phones:
            reached, how = repairs.phone(row["number"].strip(), row.get("extension", "").strip()[:10], region)
            if reached is None:
                self._report.file(PHONES).reject(row_number, "PHONE_UNREADABLE", "number")
                continue
            self._repaired(PHONES, row_number, "number", how)
            label = self._text(PHONES, row_number, row, "description", NAME_MAXIMUM)
            add(ContactKind.PHONE, *reached, label)
        if "email" in data:
            address, how = repairs.mail_address(data["email"].strip())
            self._repaired(file, number, "email", how)
            if address is not None:
                add(ContactKind.EMAIL, address)
        for row_number, row in contacts:
            address, how_mail = repairs.mail_address(row["email"].strip()) if "email" in row else (None, ())
            written = row.get("phone_areacode", "").strip() + row.get("phone_number", "").strip()
            reached, how = (
                repairs.phone(written, row.get("phone_extension", "").strip()[:10], region)
                if written
                else (None, ())
            )
            if address is None and reached is None:
                reason = "PHONE_UNREADABLE" if written else "NOTHING_TO_REACH"
                self._report.file(CONTACTS).reject(row_number, reason)
                continue
            self._repaired(CONTACTS, row_number, "email", how_mail)
            label = self._text(CONTACTS, row_number, row, "department", NAME_MAXIMUM) or self._text(
                CONTACTS, row_number, row, "title", NAME_MAXIMUM
            )
            if address is not None:
                add(ContactKind.EMAIL, address, None, label)
            if reached is not None:
                self._repaired(CONTACTS, row_number, "phone_number", how)
                add(ContactKind.PHONE, *reached, label)
        return tuple(points.values())

    def _languages(self, rows: Iterable[Row]) -> tuple[LanguageOffered, ...]:
        spoken: dict[str, bool] = {}
        for number, row in rows:
            found, how = repairs.languages(row["language"].strip())
            if not found:
                self._report.file(LANGUAGES).reject(number, "LANGUAGE_UNKNOWN", "language")
                continue
            self._repaired(LANGUAGES, number, "language", how)
            for tag, interpreted in found:
                spoken[tag] = interpreted and spoken.get(tag, True)
        return tuple(LanguageOffered(language=tag, interpreted=only) for tag, only in spoken.items())

    def _source_terms(self, rows: Iterable[Row], terms: Mapping[str, SourceTerm]) -> tuple[SourceTerm, ...]:
        kept: dict[str, SourceTerm] = {}
        for number, row in rows:
            code = row["taxonomy_id"].strip()
            if code in kept:
                self._report.file(SERVICE_TAXONOMY).reject(number, "DUPLICATE_LINK")
            else:
                kept[code] = terms[code]
        return tuple(kept.values())


_row_decoder: Final = msgspec.json.Decoder(dict[str, str])


def _decode(data: str) -> dict[str, str]:
    return _row_decoder.decode(data)
