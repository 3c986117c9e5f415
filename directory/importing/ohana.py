"""Reads the CSV files of the Ohana API (HSDS 1.0 as Code for America used it): all or nothing.

A folder with the files, or the files one by one: each is known by its heading, whatever its name is. Every
row is checked; one that is wrong is named with file, row, column and what to do, and nothing is written.
Names of persons are asked for by the format and not taken: a contact is its function.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from directory.importing import repairs
from directory.importing.entries import (
    CHUNK,
    Checkpoint,
    Loose,
    PartnerGiven,
    ServiceGiven,
    entry_id,
    nothing_loose,
    source_namespace,
)
from directory.importing.hsds11 import partner_kind
from directory.importing.packages import LARGEST_FIELD, source_name
from directory.importing.report import FileReport, ImportRefused, ImportReport, Refusal
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

MOST_ROWS: Final = 200_000
"""Rows of all files together: they are read whole; larger directories come as HSDS packages."""
LARGEST_FILE: Final = 64 * 1024**2


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the format: its columns, those that must say something, and to what its rows belong.

    ``known_by``: columns that no other file has. ``parents``: columns that name a row of another file; one of
    them must. ``kinds``: how cells are checked.
    """

    columns: tuple[str, ...]
    known_by: frozenset[str]
    filled: tuple[str, ...] = ()
    parents: Mapping[str, str] = {}
    kinds: Mapping[str, str] = {}
    key: str = "id"


_OF_ANY: Final = {"location_id": "locations", "organization_id": "organizations", "service_id": "services"}
_OF_TWO: Final = {"location_id": "locations", "service_id": "services"}

TABLES: Final[Mapping[str, Table]] = {
    "organizations": Table(
        columns=("id", "accreditations", "alternate_name", "date_incorporated", "description", "email",
                 "funding_sources", "legal_status", "licenses", "name", "tax_id", "tax_status", "website"),
        known_by=frozenset({"date_incorporated", "tax_status"}),
        filled=("name", "description"),
        kinds={"date_incorporated": "date", "email": "mail", "website": "web"},
    ),
    "programs": Table(
        columns=("id", "organization_id", "name", "alternate_name"),
        known_by=frozenset({"organization_id", "name"}),
        filled=("name",),
        parents={"organization_id": "organizations"},
    ),
    "locations": Table(
        columns=("id", "organization_id", "accessibility", "admin_emails", "alternate_name", "description",
                 "email", "languages", "latitude", "longitude", "name", "transportation", "virtual",
                 "website"),
        known_by=frozenset({"virtual", "transportation"}),
        filled=("name", "description"),
        parents={"organization_id": "organizations"},
        kinds={"latitude": "latitude", "longitude": "longitude", "email": "mail", "website": "web"},
    ),
    "addresses": Table(
        columns=("id", "location_id", "address_1", "address_2", "city", "state_province", "postal_code",
                 "country"),
        known_by=frozenset({"address_1", "postal_code"}),
        filled=("address_1", "city", "state_province", "postal_code", "country"),
        parents={"location_id": "locations"},
    ),
    "mail_addresses": Table(
        columns=("id", "location_id", "attention", "address_1", "address_2", "city", "state_province",
                 "postal_code", "country"),
        known_by=frozenset({"attention", "address_1"}),
        filled=("address_1", "city", "state_province", "postal_code", "country"),
        parents={"location_id": "locations"},
    ),
    "services": Table(
        columns=("id", "location_id", "program_id", "accepted_payments", "alternate_name", "description",
                 "eligibility", "email", "fees", "funding_sources", "application_process", "keywords",
                 "languages", "name", "required_documents", "service_areas", "status", "wait_time",
                 "website"),
        known_by=frozenset({"accepted_payments", "application_process"}),
        filled=("name", "description", "status"),
        parents={"location_id": "locations"},
        kinds={"email": "mail", "website": "web", "status": "status"},
    ),
    "contacts": Table(
        columns=("id", "location_id", "organization_id", "service_id", "name", "title", "email",
                 "department"),
        known_by=frozenset({"title", "department"}),
        filled=("name",),
        parents=_OF_ANY,
        kinds={"email": "mail"},
    ),
    "phones": Table(
        columns=("id", "contact_id", "location_id", "organization_id", "service_id", "number", "extension",
                 "department", "number_type", "vanity_number", "country_prefix"),
        known_by=frozenset({"number", "number_type"}),
        filled=("number", "number_type"),
        parents={"contact_id": "contacts", **_OF_ANY},
        kinds={"number": "phone", "number_type": "number_type"},
    ),
    "regular_schedules": Table(
        columns=("id", "location_id", "service_id", "weekday", "opens_at", "closes_at"),
        known_by=frozenset({"weekday", "opens_at"}),
        filled=("weekday", "opens_at", "closes_at"),
        parents=_OF_TWO,
        kinds={"weekday": "weekday", "opens_at": "time", "closes_at": "time"},
    ),
    "holiday_schedules": Table(
        columns=("id", "location_id", "service_id", "start_date", "end_date", "closed", "opens_at",
                 "closes_at"),
        known_by=frozenset({"start_date", "closed"}),
        filled=("start_date", "end_date", "closed"),
        parents=_OF_TWO,
        kinds={"start_date": "date", "end_date": "date", "closed": "flag", "opens_at": "time",
               "closes_at": "time"},
    ),
    "taxonomy": Table(
        columns=("taxonomy_id", "name", "parent_id", "parent_name"),
        known_by=frozenset({"taxonomy_id", "parent_name"}),
        filled=("taxonomy_id", "name"),
        parents={},
        key="taxonomy_id",
    ),
}  # fmt: skip

_MAY_BE: Final = frozenset({"taxonomy_ids", "interpretation_services", "audience", "short_desc"})
"""Columns that services and locations need not have; the last two are of older releases."""

_ORDER: Final = ("mail_addresses", "addresses", "holiday_schedules", "regular_schedules", "phones",
                 "contacts", "services", "locations", "organizations", "taxonomy", "programs")  # fmt: skip
"""In which order headings are compared: first what has more columns of its own."""

_STATUS: Final = {"active", "inactive", "defunct"}
_NUMBER_TYPES: Final = {"voice", "fax", "tty", "hotline", "sms"}
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
         "november", "december"), start=1)
}  # fmt: skip


def american_date(written: str) -> date | None:
    """Return a date as these files write it; a year of two digits is the last one that has begun since 1970.

    >>> american_date("1/24/70"), american_date("January 20, 1970"), american_date("24/2/70")
    (datetime.date(1970, 1, 24), datetime.date(1970, 1, 20), None)
    """
    given = written.strip()
    slashes = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}|[0-9]{2})", given)
    words = re.fullmatch(r"([A-Za-z]+)\s+([0-9]{1,2}),\s*([0-9]{4})", given)
    try:
        if slashes is not None:
            year = int(slashes[3])
            if len(slashes[3]) == 2:
                year += 1900 if year >= 70 else 2000
            return date(year, int(slashes[1]), int(slashes[2]))
        if words is not None and words[1].casefold() in _MONTHS:
            return date(int(words[3]), _MONTHS[words[1].casefold()], int(words[2]))
        return datetime.strptime(given, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None


def _bounded(bound: float) -> Callable[[str], str | None]:
    def check(cell: str) -> str | None:
        try:
            value = float(cell)
        except ValueError:
            return "NUMBER_UNREADABLE"
        return None if -bound <= value <= bound else "COORDINATE_OUT_OF_BOUNDS"

    return check


_CHECKS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "date": lambda cell: None if american_date(cell) is not None else "DATE_UNREADABLE",
    "mail": lambda cell: None if repairs.mail_address(cell)[0] is not None else "MAIL_UNREADABLE",
    "web": lambda cell: None if repairs.web_address(cell)[0] is not None else "WEB_ADDRESS_UNREADABLE",
    "phone": lambda cell: None if repairs.phone(cell, "", "US")[0] is not None else "PHONE_UNREADABLE",
    "latitude": _bounded(90),
    "longitude": _bounded(180),
    "weekday": lambda cell: None if repairs.weekday(cell)[0] is not None else "WEEKDAY_UNREADABLE",
    "time": lambda cell: None if _time(cell) is not None else "TIME_UNREADABLE",
    "flag": lambda cell: None if cell.casefold() in {"true", "false"} else "VALUE_UNKNOWN",
    "status": lambda cell: None if cell.casefold() in _STATUS else "VALUE_UNKNOWN",
    "number_type": lambda cell: None if cell.casefold() in _NUMBER_TYPES else "VALUE_UNKNOWN",
}


def _time(cell: str) -> int | None:
    found, _ = repairs.wall_time(cell)
    return None if found is None else found[0]


def _heading(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            first = file.readline(1 << 16).removeprefix(b"\xef\xbb\xbf").decode()
        return [cell.strip() for cell in next(csv.reader([first]), [])]
    except (UnicodeDecodeError, csv.Error):
        return []


def table_of(path: Path) -> str | None:
    """Return the table that a file is by its heading, or None for another sort of file."""
    heading = set(_heading(path))
    for name in _ORDER:
        table = TABLES[name]
        if table.known_by <= heading <= {*table.columns, *_MAY_BE}:
            return name
    return None


def _files(paths: Sequence[Path]) -> list[Path]:
    if len(paths) == 1 and paths[0].is_dir():
        return sorted(file for file in paths[0].iterdir() if file.suffix == ".csv" and file.is_file())
    return list(paths)


def is_ohana(paths: Sequence[Path]) -> bool:
    """Whether every file (of a folder: locations, services and their like) has a heading of the format."""
    files = _files(paths)
    if len(paths) == 1 and paths[0].is_dir():
        named = {file.stem: table_of(file) for file in files}
        return (
            bool(named.keys() & {"mail_addresses", "regular_schedules", "addresses", "locations"})
            and all(named.get(name) == name for name in ("locations", "services") if name in named)
            and "locations" in named
            and not {"services_at_location", "physical_addresses"} & named.keys()
        )
    return bool(files) and all(table_of(file) is not None for file in files)


Row = dict[str, str]


class OhanaSource:
    """Files of the Ohana API as a source of entries."""

    format = "ohana"
    original_format = "ohana"
    municipality: MunicipalityEntry | None = None
    coordination: UUID | None = None
    may_be_ours = False
    topics: Sequence[TopicEntry] = ()
    occupations: Sequence[OccupationEntry] = ()
    clients = msgspec.Raw(b"[]")

    def __init__(
        self,
        paths: Sequence[Path],
        report: ImportReport,
        *,
        name: str | None = None,
        licence: str | None = None,
    ) -> None:
        self.name = name or (source_name({}, paths[0]) if paths[0].is_dir() else "ohana")
        self.licence = licence
        self._namespace = source_namespace(self.name)
        self._report = report
        self._rows: dict[str, dict[str, Row]] = {}
        self._files: dict[str, FileReport] = {}
        total = 0
        for path in _files(paths):
            table = table_of(path)
            if table is None or table in self._rows:
                report.ignored_files.append(path.name)
                continue
            self._rows[table] = {}
            self._files[table] = file = report.file(path.name)
            file.read, file.rejected, file.rejections, file.rejected_by = 0, 0, [], {}
            file.repairs, file.repaired_by, file.repaired = [], {}, 0
            for number, row in self._read(path, table, file):
                total += 1
                if total > MOST_ROWS:
                    raise ImportRefused(Refusal.TOO_LARGE, path.name)
                self._check(table, file, number, row)
        for table in self._rows:
            self._check_parents(table)
        if any(file.rejected for file in self._files.values()):
            wrong = next(file.file for file in self._files.values() if file.rejected)
            raise ImportRefused(Refusal.ROWS_INVALID, wrong, report)
        self._children: defaultdict[tuple[str, str, str], list[Row]] = defaultdict(list)
        for table, rows in self._rows.items():
            for row in rows.values():
                for column, parent in TABLES[table].parents.items():
                    if row.get(column):
                        self._children[parent, row[column], table].append(row)

    # checking

    def _read(self, path: Path, table: str, file: FileReport) -> Iterator[tuple[int, Row]]:
        if path.stat().st_size > LARGEST_FILE:
            raise ImportRefused(Refusal.TOO_LARGE, path.name)
        csv.field_size_limit(LARGEST_FIELD)
        number = 1
        try:
            with path.open("rb") as binary, io.TextIOWrapper(binary, "utf-8-sig", newline="") as lines:
                reader = csv.reader(lines, strict=True)
                heading = [cell.strip() for cell in next(reader, [])]
                for column in TABLES[table].columns:
                    if column not in heading:
                        file.reject(1, "COLUMN_MISSING", column)
                for cells in reader:
                    number += 1
                    if not any(cell.strip() for cell in cells):
                        continue
                    file.read += 1
                    if len(cells) != len(heading):
                        file.reject(number, "COLUMN_COUNT")
                        continue
                    yield (
                        number,
                        {
                            name: cell.replace("\0", "").strip()
                            for name, cell in zip(heading, cells, strict=True)
                            if cell.strip()
                        },
                    )
        except UnicodeDecodeError as error:
            raise ImportRefused(Refusal.ENCODING, f"{path.name}, row {number + 1}") from error
        except csv.Error as error:
            raise ImportRefused(Refusal.CSV_BROKEN, f"{path.name}, row {number + 1}") from error

    def _check(self, table: str, file: FileReport, number: int, row: Row) -> None:
        shape = TABLES[table]
        wrong: list[tuple[str, str]] = []
        key = row.get(shape.key)
        if key is None:
            wrong.append(("ID_MISSING", shape.key))
        elif key in self._rows[table]:
            wrong.append(("DUPLICATE_ID", shape.key))
        wrong += [
            ("FIELD_MISSING", column) for column in shape.filled if column not in row and column != shape.key
        ]
        if table == "organizations" and names_a_person(row.get("name", "")):
            wrong.append(("PRIVATE_PERSON", "name"))
        for column, kind in shape.kinds.items():
            reason = _CHECKS[kind](row[column]) if column in row else None
            if reason is not None:
                wrong.append((reason, column))
        for column in shape.kinds:
            if (
                shape.kinds[column] == "date"
                and column in row
                and "/" in row[column]
                and len(row[column].rsplit("/", 1)[1]) == 2
                and ("DATE_UNREADABLE", column) not in wrong
            ):
                file.repair(number, column, "YEAR_COMPLETED")
        if table == "holiday_schedules" and not wrong:
            starts, ends = american_date(row["start_date"]), american_date(row["end_date"])
            if starts is not None and ends is not None and ends < starts:
                wrong.append(("DATES_ORDER", "end_date"))
            if row["closed"].casefold() == "false":
                wrong += [("FIELD_MISSING", name) for name in ("opens_at", "closes_at") if name not in row]
        if shape.parents and not any(row.get(column) for column in shape.parents):
            wrong.append(("PARENT_MISSING", next(iter(shape.parents))))
        row["#"] = str(number)
        if key is not None and key not in self._rows[table]:
            self._rows[table][key] = row
        self._reject(file, number, wrong)

    def _reject(self, file: FileReport, number: int, wrong: Sequence[tuple[str, str]]) -> None:
        for reason, column in wrong:
            if any(one.row == number for one in file.rejections):
                file.also(number, reason, column)
            else:
                file.reject(number, reason, column)

    def _check_parents(self, table: str) -> None:
        file = self._files[table]
        for row in self._rows[table].values():
            number = int(row["#"])
            wrong: list[tuple[str, str]] = []
            for column, parent in TABLES[table].parents.items():
                if column not in row:
                    continue
                if parent not in self._rows:
                    wrong.append(("PARENT_FILE_MISSING", column))
                elif row[column] not in self._rows[parent]:
                    wrong.append(("PARENT_UNKNOWN", column))
            if (
                table == "taxonomy"
                and row.get("parent_id")
                and row["parent_id"] not in self._rows["taxonomy"]
            ):
                wrong.append(("PARENT_UNKNOWN", "parent_id"))
            if table == "services":
                known = self._rows.get("taxonomy")
                if known is not None and not set(_codes(row.get("taxonomy_ids", ""))) <= known.keys():
                    wrong.append(("PARENT_UNKNOWN", "taxonomy_ids"))
                if "programs" in self._rows and row.get("program_id") not in (None, *self._rows["programs"]):
                    wrong.append(("PARENT_UNKNOWN", "program_id"))
            if (
                table == "locations"
                and "addresses" in self._rows
                and row.get("virtual", "").casefold() != "true"
            ):
                addressed = {one.get("location_id") for one in self._rows["addresses"].values()}
                if row["id" if "id" in row else "#"] not in addressed:
                    wrong.append(("ADDRESS_MISSING", "virtual"))
            self._reject(file, number, wrong)

    # entries

    async def prepare(self, checkpoint: Checkpoint | None) -> int | None:
        """Return how many entries come; the files were read and checked whole."""
        return len(self._rows.get("organizations", {})) + len(self._rows.get("services", {}))

    def _of(self, parent: str, key: str, table: str) -> list[Row]:
        return self._children.get((parent, key, table), [])

    def _reach(self, row: Row, parent: str) -> tuple[ContactPoint, ...]:
        points: dict[tuple[ContactKind, str, str | None], ContactPoint] = {}

        def add(kind: ContactKind, value: str, extension: str | None, label: str) -> None:
            labels = {"en": label[:300]} if label else {}
            points.setdefault(
                (kind, value, extension),
                ContactPoint(kind=kind, value=value, extension=extension, label=labels),
            )

        def phones(rows: Sequence[Row], said: str = "") -> None:
            for phone in rows:
                reached, _ = repairs.phone(phone["number"], phone.get("extension", "")[:10], "US")
                if reached is not None:
                    kind = phone.get("number_type", "voice").casefold()
                    label = phone.get("department") or said
                    add(
                        ContactKind.PHONE, *reached, f"{label} ({kind})".strip() if kind != "voice" else label
                    )

        key = row["id"]
        phones(self._of(parent, key, "phones"))
        if "email" in row:
            add(ContactKind.EMAIL, repairs.mail_address(row["email"])[0] or row["email"], None, "")
        for contact in self._of(parent, key, "contacts"):
            label = contact.get("department") or contact.get("title") or ""
            if "email" in contact and (label or not _is_personal(contact)):
                address = repairs.mail_address(contact["email"])[0] or contact["email"]
                add(ContactKind.EMAIL, address, None, label)
            phones(self._of("contacts", contact["id"], "phones"), label)
        return tuple(points.values())[:30]

    async def partners(self, after: int) -> AsyncIterator[tuple[int, list[PartnerGiven]]]:
        """Yield every organisation with its locations."""
        rows = islice(self._rows.get("organizations", {}).values(), after, None)
        while chunk := list(islice(rows, CHUNK)):
            after += len(chunk)
            yield after, [self._partner(row) for row in chunk]

    def _partner(self, row: Row) -> PartnerGiven:
        kind, _ = partner_kind(row.get("tax_status", ""), row.get("legal_status", ""))
        places = self._of("organizations", row["id"], "locations")
        founded = american_date(row["date_incorporated"]) if "date_incorporated" in row else None
        more = [
            ("Also known as", row.get("alternate_name", "")),
            ("Founded", founded.isoformat() if founded is not None else ""),
            ("Accreditations", row.get("accreditations", "")),
            ("Licences", row.get("licenses", "")),
            ("Funding", row.get("funding_sources", "")),
        ]
        points = self._reach(row, "organizations")
        for place in places:
            points += tuple(one for one in self._reach(place, "locations") if one not in points)
        return PartnerGiven(
            id=entry_id(self._namespace, "partner", row["id"]),
            foreign_id=row["id"],
            values={
                "name": repairs.text(row["name"], 300)[0],
                "kind": kind,
                "public_body": kind is PartnerKind.AUTHORITY,
                "description": _description(row, more),
                "website": repairs.web_address(row["website"])[0] if "website" in row else None,
                "contact_points": points[:30],
                "languages": _languages([place.get("languages", "") for place in places]),
            },
            locations=tuple(self._place(place) for place in places),
            original=_kept(row),
        )

    def _place(self, row: Row) -> LocationValue:
        address = next(iter(self._of("locations", row["id"], "addresses")), {})
        street = ", ".join(address[name] for name in ("address_1", "address_2") if name in address)
        country, state = address.get("country", ""), address.get("state_province", "")
        zone = repairs.zone(repairs.region(country, state)[0], state)
        periods = {
            (repairs.weekday(one["weekday"])[0] or 1, opens, closes)
            for one in self._of("locations", row["id"], "regular_schedules")
            for later, opens, closes in repairs.opening(one["opens_at"], one["closes_at"])[0] or ()
            if not later
        }
        access = row.get("accessibility", "").replace("_", " ")
        return LocationValue(
            id=entry_id(self._namespace, "location", row["id"]),
            name=repairs.text(row["name"], 300)[0],
            street=street[:300] or None,
            postcode=address.get("postal_code", "")[:20] or None,
            city=address.get("city", "")[:300] or None,
            latitude=float(row["latitude"]) if "latitude" in row and "longitude" in row else None,
            longitude=float(row["longitude"]) if "latitude" in row and "longitude" in row else None,
            accessibility={"en": access[:1_000]} if access else {},
            hours=OpeningHours(
                periods=tuple(OpeningPeriod(weekday=d, opens=o, closes=c) for d, o, c in sorted(periods)),
                timezone=zone,
            )
            if periods and zone is not None
            else None,
        )

    async def services(self, after: int) -> AsyncIterator[tuple[int, list[ServiceGiven]]]:
        """Yield every service; it belongs to the organisation of its location."""
        rows = islice(self._rows.get("services", {}).values(), after, None)
        while chunk := list(islice(rows, CHUNK)):
            after += len(chunk)
            yield after, [self._service(row) for row in chunk]

    def _service(self, row: Row) -> ServiceGiven:
        place = self._rows["locations"][row["location_id"]]
        program = self._rows.get("programs", {}).get(row.get("program_id", ""), {})
        more = [
            ("Also known as", row.get("alternate_name", "")),
            ("Programme", program.get("name", "")),
            ("For", row.get("audience", "")),
            ("Eligibility", row.get("eligibility", "")),
            ("How to apply", row.get("application_process", "")),
            ("Fees", row.get("fees", "")),
            ("Payment", row.get("accepted_payments", "")),
            ("Waiting time", row.get("wait_time", "")),
            ("Documents to bring", row.get("required_documents", "")),
            ("Area", row.get("service_areas", "")),
            ("Funding", row.get("funding_sources", "")),
            ("Interpretation", row.get("interpretation_services", "")),
            ("Keywords", row.get("keywords", "")),
            ("Hours", "; ".join(_hours_said(self._of("services", row["id"], "regular_schedules")))),
            ("Holidays", "; ".join(_holidays(self._of("services", row["id"], "holiday_schedules")))),
        ]
        terms = self._rows.get("taxonomy", {})
        codes = _codes(row.get("taxonomy_ids", ""))
        return ServiceGiven(
            id=entry_id(self._namespace, "service", row["id"]),
            foreign_id=row["id"],
            partner_id=entry_id(self._namespace, "partner", place["organization_id"]),
            values={
                "title": {"en": repairs.text(row["name"], 300)[0]},
                "source_language": "en",
                "description": _description(row, more),
                "website": repairs.web_address(row["website"])[0] if "website" in row else None,
                "source_terms": tuple(
                    SourceTerm(
                        code=code, name=terms.get(code, {}).get("name", code), vocabulary="Open Eligibility"
                    )
                    for code in codes
                ),
                "languages": _languages([row.get("languages", "")]),
                "contact_points": self._reach(row, "services"),
            },
            state=PublicationState.HIDDEN if row["status"].casefold() != "active" else None,
            locations=(entry_id(self._namespace, "location", place["id"]),),
            original=_kept(row),
        )

    def loose(self, after: int) -> AsyncIterator[tuple[int, list[Loose]]]:
        """Yield nothing: every row belongs to an entry or a vocabulary of the source."""
        return nothing_loose(after)


def _is_personal(contact: Row) -> bool:
    """Whether a mail address is made of the name of a person, who then is nobody's function."""
    local = contact["email"].partition("@")[0].casefold()
    return any(
        part in local for part in re.split(r"\W+", contact.get("name", "").casefold()) if len(part) > 2
    )


def _kept(row: Row) -> str:
    return msgspec.json.encode({name: cell for name, cell in row.items() if name != "#"}).decode()


def _codes(cell: str) -> list[str]:
    return list(dict.fromkeys(code.strip() for code in cell.split(",") if code.strip()))


def _description(row: Row, more: Sequence[tuple[str, str]]) -> dict[str, str]:
    parts = [row.get("description", ""), *(f"{name}: {said}" for name, said in more if said)]
    whole = repairs.text("\n\n".join(part for part in parts if part), 20_000)[0]
    return {"en": whole} if whole else {}


def _languages(cells: Sequence[str]) -> tuple[LanguageOffered, ...]:
    spoken: dict[str, bool] = {}
    for cell in cells:
        for tag, interpreted in repairs.languages(cell)[0]:
            spoken.setdefault(tag, interpreted)
    return tuple(LanguageOffered(language=tag, interpreted=only) for tag, only in spoken.items())


def _hours_said(rows: Sequence[Row]) -> list[str]:
    return [f"{row['weekday']} {row['opens_at']}–{row['closes_at']}" for row in rows]


def _holidays(rows: Sequence[Row]) -> list[str]:
    said = []
    for row in rows:
        days = " – ".join(dict.fromkeys((row["start_date"], row["end_date"])))
        closed = row["closed"].casefold() == "true"
        said.append(f"{days}: closed" if closed else f"{days}: {row['opens_at']}–{row['closes_at']}")
    return said
