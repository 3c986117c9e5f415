"""What an import says: its progress, its report per file, and why it was refused as a whole."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol
from uuid import UUID

import msgspec

from directory.documents import DocumentKind
from directory.look_alikes import Pair
from directory.problems import Problem

NAMED: Final = 20
"""How many sources are named under which entries are here already."""

KEPT: Final = 100
"""How many repairs and how many rejections per file are kept with their row; all are counted."""


class Phase(StrEnum):
    """What an import is doing."""

    CONTINUE = "CONTINUE"
    READ = "READ"
    STAGE = "STAGE"
    TAKE_OVER = "TAKE_OVER"
    CLEAN = "CLEAN"


class Progress(Protocol):
    """Is told how far a phase has come; ``total`` is None while nobody knows it."""

    def __call__(self, phase: Phase, done: int, total: int | None) -> None:
        """Take note."""


class Refusal(StrEnum):
    """Why a source was refused as a whole; nothing was written."""

    NOT_FOUND = "NOT_FOUND"
    FORMAT_UNKNOWN = "FORMAT_UNKNOWN"
    UNREADABLE = "UNREADABLE"
    TOO_LARGE = "TOO_LARGE"
    INVALID = "INVALID"
    REFERENCE_UNKNOWN = "REFERENCE_UNKNOWN"
    DUPLICATE_KEY = "DUPLICATE_KEY"
    FILE_MISSING = "FILE_MISSING"
    FILE_EMPTY = "FILE_EMPTY"
    COLUMN_MISSING = "COLUMN_MISSING"
    ENCODING = "ENCODING"
    CSV_BROKEN = "CSV_BROKEN"
    NOTHING_USABLE = "NOTHING_USABLE"
    ROWS_INVALID = "ROWS_INVALID"
    FORMULA = "FORMULA"
    MUNICIPALITY_NEEDED = "MUNICIPALITY_NEEDED"
    MUNICIPALITY_UNKNOWN = "MUNICIPALITY_UNKNOWN"
    MUNICIPALITY_DIFFERS = "MUNICIPALITY_DIFFERS"
    COORDINATION_TAKEN = "COORDINATION_TAKEN"
    PRIVATE_PERSON = "PRIVATE_PERSON"
    ANOTHER_IMPORT_RUNS = "ANOTHER_IMPORT_RUNS"
    TOO_MUCH_MISSING = "TOO_MUCH_MISSING"


WHAT_TO_DO: Final[dict[Refusal, str]] = {
    Refusal.NOT_FOUND: "There is no such file or folder. Check the path.",
    Refusal.FORMAT_UNKNOWN: "Nothing that is known here: a network file or HSDS 3 (.json, .ndjson), an HSDS"
    " package (folder or .zip), a spreadsheet (.csv, .xlsx), Ohana files, or a Services Advisor's folder.",
    Refusal.UNREADABLE: "The file cannot be read. Check its permissions, that it is whole (is it empty?), and"
    " that a zip has no password.",
    Refusal.TOO_LARGE: "The file is larger than the importer accepts. Split it.",
    Refusal.INVALID: "The file does not have the expected shape. Correct the place named.",
    Refusal.REFERENCE_UNKNOWN: "A key is used that the file does not define. Define it or remove its use.",
    Refusal.DUPLICATE_KEY: "A key is defined twice. Give each entry its own.",
    Refusal.FILE_MISSING: "The package lacks a file that it cannot do without. Add it.",
    Refusal.FILE_EMPTY: "The file has no header and no rows. Export it again.",
    Refusal.COLUMN_MISSING: "The file lacks a column that it cannot do without. Check its header line.",
    Refusal.ENCODING: "The file is not UTF-8, or only in part. Save it as UTF-8 (with or without BOM).",
    Refusal.CSV_BROKEN: "The file is not well-formed CSV there (quotes not closed, a field too large?).",
    Refusal.NOTHING_USABLE: "Nothing in it could be taken. Rows that were refused are named with"
    " their reason; where none is, the file holds nothing of this format.",
    Refusal.ROWS_INVALID: "Rows are wrong, so nothing was taken. The report says row, column and what to do.",
    Refusal.FORMULA: "A cell holds a formula. Paste it as its value, then try again.",
    Refusal.MUNICIPALITY_NEEDED: "There are several municipalities here. Say for which one: type the same"
    " again with --municipality and one of the keys named.",
    Refusal.MUNICIPALITY_UNKNOWN: "No municipality has this official key (ARS). Import its network first.",
    Refusal.MUNICIPALITY_DIFFERS: "This source belongs to another municipality already. Leave"
    " --municipality away or name that one.",
    Refusal.COORDINATION_TAKEN: "Another partner coordinates this municipality already.",
    Refusal.PRIVATE_PERSON: "Private persons are not listed. Name the organisation through which they help.",
    Refusal.TOO_MUCH_MISSING: "More than a third of what was there from this source is missing in it, so"
    " nothing was taken. Check that the source is whole; if all that may really go, say --withdraw-most too.",
    Refusal.ANOTHER_IMPORT_RUNS: "Another import is running. Wait until it has ended, then try again.",
}


ROW_ADVICE: Final[dict[str, str]] = {
    "ADDRESS_MISSING": "The place has no address. Add one, or say that it is virtual.",
    "CITY_MISSING": "Fill in the city.",
    "COLUMN_COUNT": "The row has another number of cells than the heading. Quote texts with separators.",
    "COLUMN_MISSING": "The heading lacks this column. Add it, even if it stays empty.",
    "CONTACT_UNREADABLE": "Write one number or address a line, its label in brackets behind it.",
    "COORDINATE_OUT_OF_BOUNDS": "Degrees go from -90 to 90 (latitude) and from -180 to 180 (longitude).",
    "DATES_ORDER": "It ends before it begins. Correct one of the dates.",
    "DATE_UNREADABLE": "Write the date as 31.12.2026 or 2026-12-31 (in Ohana files as 12/31/2026).",
    "DUPLICATE_ID": "Another row has this id or title already. Give each its own.",
    "ERROR_VALUE": "The cell holds an error of the spreadsheet program. Write the value itself.",
    "FACTS_OUT_OF_BOUNDS": "A text is too long, a word is unknown, or something ends before it begins.",
    "FACTS_UNREADABLE": "Write name=value with semicolons, texts in quotes; an export shows how.",
    "FIELD_MISSING": "The cell is empty, and an entry needs it. Fill it in.",
    "GONE_SAYS_MORE": "With this day a row says only that the entry is gone. Empty the others, or the day.",
    "HOURS_UNREADABLE": "Write hours as in OpenStreetMap: Mo-Fr 09:00-17:00; Sa 10:00-12:00.",
    "ID_MISSING": "The row has no id. Give it one.",
    "LANGUAGE_UNKNOWN": "Write languages as codes (de, ar, ti) or by their usual names, with commas.",
    "MAIL_UNREADABLE": "This is no mail address. Write name@example.org.",
    "NUMBER_OUT_OF_BOUNDS": "The number is too small or too large to be right.",
    "NUMBER_UNREADABLE": "Write a number, such as 12 or 51,76.",
    "PARENT_FILE_MISSING": "The file with the rows that it belongs to was not given. Give it as well.",
    "PARENT_MISSING": "The row does not say to what it belongs. Fill in one of the columns that name it.",
    "PARENT_UNKNOWN": "No row has this id. Correct it, or add the row.",
    "PHONE_UNREADABLE": "This is no phone number. Write it with its area code, such as 0355 612-0.",
    "PLACES_CONTRADICT_CAPACITY": "No places and capacity NONE belong together. Correct one of them.",
    "PRIVATE_PERSON": "Private persons are not listed. Name the organisation through which they help.",
    "TERRITORY_IS_AGS": "Eight digits are a municipality's short key (AGS). Write its regional key (ARS,"
    " twelve digits), or five digits for the whole district.",
    "TERRITORY_UNREADABLE": "An official key (ARS) has 2 to 12 digits.",
    "TEXT_CONTROL_CHARACTER": "The text has characters that nobody can see. Type it anew.",
    "TEXT_TOO_LONG": "The text is too long. Shorten it.",
    "TIME_UNREADABLE": "Write the time as 9:30 or 5:00 PM.",
    "TOPIC_AMBIGUOUS": "Several topics are called so. Write the code of the one that is meant.",
    "TOPIC_UNKNOWN": "The directory has no such topic. Write its code or label as the directory has it.",
    "VALUE_UNKNOWN": "This is none of the words that the column may have.",
    "WEB_ADDRESS_UNREADABLE": "This is no web address. Write https://example.org.",
    "WEEKDAY_UNREADABLE": "Write the weekday by its name.",
    "WORD_UNKNOWN": "This is none of the words that the column may have; an export shows them.",
    "YES_OR_NO_UNREADABLE": "Write ja or nein.",
}
"""What to do about a row that was not taken, by the reason."""


class ImportRefused(Problem):
    """The source as a whole cannot be taken; nothing of it was written.

    ``where`` names a file, row or path in the source. ``str`` is an English sentence with what to do next.
    ``report`` is there when rows were read before (NOTHING_USABLE).
    """

    code = "IMPORT_REFUSED"

    def __init__(self, reason: Refusal, where: str = "", report: ImportReport | None = None) -> None:
        said = f"{where}: {WHAT_TO_DO[reason]}" if where else WHAT_TO_DO[reason]
        if reason is Refusal.ROWS_INVALID and report is not None:
            said = "\n".join([said, *report.wrong_rows()])
        super().__init__(said)
        self.reason = reason
        self.where = where
        self.report = report

    @property
    def values(self) -> Mapping[str, str]:
        """What fills the template."""
        return MappingProxyType({"reason": self.reason.value, "where": self.where})


class Repair(msgspec.Struct, frozen=True):
    """A field of a row that was put right; ``how`` is a code."""

    row: int
    field: str
    how: str


class Rejection(msgspec.Struct, frozen=True):
    """A row that was not taken, and why; ``field`` where one field is to blame."""

    row: int
    reason: str
    field: str | None = None


class FileReport(msgspec.Struct):
    """What became of a file's rows. Rows are counted as a spreadsheet shows them: the header is row 1.

    ``repaired`` counts rows among those ``taken``; the two maps count by code; the two lists are the
    first of each (``KEPT``).
    """

    file: str
    read: int = 0
    rejected: int = 0
    repaired: int = 0
    repaired_by: dict[str, int] = {}
    rejected_by: dict[str, int] = {}
    repairs: list[Repair] = []
    rejections: list[Rejection] = []
    _repaired_rows: bytearray = msgspec.field(default_factory=bytearray)

    @property
    def taken(self) -> int:
        """How many rows were taken."""
        return self.read - self.rejected

    def repair(self, row: int, field: str, how: str) -> None:
        """Note that a field of a row was put right."""
        byte, bit = divmod(row, 8)
        if byte >= len(self._repaired_rows):
            self._repaired_rows.extend(bytes(byte + 1024 - len(self._repaired_rows)))
        if not self._repaired_rows[byte] >> bit & 1:
            self._repaired_rows[byte] |= 1 << bit
            self.repaired += 1
        self.repaired_by[how] = self.repaired_by.get(how, 0) + 1
        if len(self.repairs) < KEPT:
            self.repairs.append(Repair(row, field, how))

    def also(self, row: int, reason: str, field: str | None = None) -> None:
        """Note a further reason why a row was not taken."""
        self.rejected -= 1
        self.reject(row, reason, field)

    def reject(self, row: int, reason: str, field: str | None = None) -> None:
        """Note that a row was not taken."""
        self.rejected += 1
        self.rejected_by[reason] = self.rejected_by.get(reason, 0) + 1
        if len(self.rejections) < KEPT:
            self.rejections.append(Rejection(row, reason, field))


class Outcome(msgspec.Struct):
    """What became of one kind of entry in the directory.

    ``skipped``: somebody changed the entry while the import ran; the next run takes it.
    ``dependent``: entries that only show something else that changed (a service its partner's name).
    ``ended``: merged or deleted here; an import never brings that back. ``here``: it has the id of an entry
    that is here, and not from this source, or is a service of one; it was left as it is.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    dependent: int = 0
    ended: int = 0
    here: int = 0


class Missing(msgspec.Struct, frozen=True):
    """An entry that the source no longer has, under its id there."""

    kind: str
    foreign_id: str
    id: UUID


class Absent(msgspec.Struct):
    """What became of entries that came from the source before and are no longer in it.

    They are counted, the first ones named (``KEPT``), and stay as they are; ``withdrawn``: those that were
    hidden because the import was told to (``withdraw_missing``). ``gone``: those that were hidden because the
    source itself says that they are gone; they are not among the others.
    """

    partners: int = 0
    services: int = 0
    withdrawn: int = 0
    gone: int = 0
    first: list[Missing] = []


class Duplicates(msgspec.Struct):
    """New entries that may be in the directory twice; nothing is merged by itself.

    ``first`` are the first of them (``KEPT``), all are counted.
    """

    partners: int = 0
    services: int = 0
    first: list[Pair] = []

    def note(self, pair: Pair) -> None:
        """Note a pair."""
        if pair.kind is DocumentKind.PARTNER:
            self.partners += 1
        else:
            self.services += 1
        if len(self.first) < KEPT:
            self.first.append(pair)


class ImportReport(msgspec.Struct):
    """What an import did. ``clients`` is the network file's untouched part for ``referrals``.

    ``continued``: it went on where the same import had been ended before (killed, Ctrl-C).
    ``municipality_key``: official key (ARS) of the municipality that the entries belong to.
    ``here_from``: names of sources under which entries of this one are here already, the first of them.
    """

    run: UUID
    source: str
    format: str
    licence: str | None = None
    municipality: UUID | None = None
    municipality_key: str | None = None
    municipality_name: dict[str, str] = {}
    files: list[FileReport] = []
    ignored_files: list[str] = []
    partners: Outcome = msgspec.field(default_factory=Outcome)
    services: Outcome = msgspec.field(default_factory=Outcome)
    topics: Outcome = msgspec.field(default_factory=Outcome)
    occupations: Outcome = msgspec.field(default_factory=Outcome)
    missing: Absent = msgspec.field(default_factory=Absent)
    here_from: list[str] = []
    continued: bool = False
    duplicates: Duplicates = msgspec.field(default_factory=Duplicates)
    read_seconds: float = 0
    stage_seconds: float = 0
    take_over_seconds: float = 0
    clients: msgspec.Raw = msgspec.Raw(b"[]")

    def file(self, name: str) -> FileReport:
        """Return the report of a file, begun if there is none yet."""
        for report in self.files:
            if report.file == name:
                return report
        report = FileReport(file=name)
        self.files.append(report)
        return report

    def wrong_rows(self) -> list[str]:
        """Return a sentence for each row that was not taken: file, row, column, what is wrong, what to do."""
        sentences = []
        for file in self.files:
            for one in file.rejections:
                column = f", column {one.field}" if one.field else ""
                advice = ROW_ADVICE.get(one.reason, "")
                sentences.append(f"{file.file}, row {one.row}{column}: {one.reason}. {advice}".rstrip())
        return sentences

    def packed(self) -> bytes:
        """Return the report as it is kept while the import goes on; ``unpacked`` makes it again."""
        return zlib.compress(
            msgspec.json.encode(msgspec.structs.replace(self, clients=msgspec.Raw(b"[]"))), level=1
        )

    @classmethod
    def unpacked(cls, kept: bytes) -> ImportReport:
        """Return the report that was kept."""
        return msgspec.json.decode(zlib.decompress(kept), type=cls)

    def as_json(self) -> bytes:
        """Return the report as JSON, without the clients."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "clients"}
        shown = msgspec.to_builtins(fields)
        for shown_file, file in zip(shown["files"], self.files, strict=True):
            shown_file.pop("_repaired_rows")
            shown_file["taken"] = file.taken
        return msgspec.json.encode(shown)
