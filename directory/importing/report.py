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
    MUNICIPALITY_NEEDED = "MUNICIPALITY_NEEDED"
    MUNICIPALITY_UNKNOWN = "MUNICIPALITY_UNKNOWN"
    MUNICIPALITY_DIFFERS = "MUNICIPALITY_DIFFERS"
    COORDINATION_TAKEN = "COORDINATION_TAKEN"
    ANOTHER_IMPORT_RUNS = "ANOTHER_IMPORT_RUNS"


WHAT_TO_DO: Final[dict[Refusal, str]] = {
    Refusal.NOT_FOUND: "There is no such file or folder. Check the path.",
    Refusal.FORMAT_UNKNOWN: "Neither a network file (.json) nor an HSDS 1.1 package (folder or .zip with"
    " organizations.csv and services.csv).",
    Refusal.UNREADABLE: "The file cannot be read. Check its permissions, and that a zip has no password.",
    Refusal.TOO_LARGE: "The file is larger than the importer accepts. Split it.",
    Refusal.INVALID: "The file does not have the expected shape. Correct the place named.",
    Refusal.REFERENCE_UNKNOWN: "A key is used that the file does not define. Define it or remove its use.",
    Refusal.DUPLICATE_KEY: "A key is defined twice. Give each entry its own.",
    Refusal.FILE_MISSING: "The package lacks a file that it cannot do without. Add it.",
    Refusal.FILE_EMPTY: "The file has no header and no rows. Export it again.",
    Refusal.COLUMN_MISSING: "The file lacks a column that it cannot do without. Check its header line.",
    Refusal.ENCODING: "The file is not UTF-8. Save it as UTF-8 (with or without BOM).",
    Refusal.CSV_BROKEN: "The file is not well-formed CSV there (quotes not closed, a field too large?).",
    Refusal.NOTHING_USABLE: "No row of the package could be taken. The report says why for each.",
    Refusal.MUNICIPALITY_NEEDED: "Say for which municipality: --municipality and its official key (ARS);"
    " where there is none yet, import its network file first.",
    Refusal.MUNICIPALITY_UNKNOWN: "No municipality has this official key (ARS). Import its network first.",
    Refusal.MUNICIPALITY_DIFFERS: "This source belongs to another municipality already. Leave"
    " --municipality away or name that one.",
    Refusal.COORDINATION_TAKEN: "Another partner coordinates this municipality already.",
    Refusal.ANOTHER_IMPORT_RUNS: "Another import is running. Wait until it has ended, then try again.",
}


class ImportRefused(Problem):
    """The source as a whole cannot be taken; nothing of it was written.

    ``where`` names a file, row or path in the source. ``str`` is an English sentence with what to do next.
    ``report`` is there when rows were read before (NOTHING_USABLE).
    """

    code = "IMPORT_REFUSED"

    def __init__(self, reason: Refusal, where: str = "", report: ImportReport | None = None) -> None:
        super().__init__(f"{where}: {WHAT_TO_DO[reason]}" if where else WHAT_TO_DO[reason])
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
    ``ended``: merged or deleted here; an import never brings that back.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    dependent: int = 0
    ended: int = 0


class Missing(msgspec.Struct, frozen=True):
    """An entry that the source no longer has, under its id there."""

    kind: str
    foreign_id: str
    id: UUID


class Absent(msgspec.Struct):
    """What became of entries that came from the source before and are no longer in it.

    They are counted, the first ones named (``KEPT``), and stay as they are; ``withdrawn``: those that were
    hidden because the import was told to (``withdraw_missing``).
    """

    partners: int = 0
    services: int = 0
    withdrawn: int = 0
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
    """

    run: UUID
    source: str
    format: str
    licence: str | None = None
    municipality: UUID | None = None
    files: list[FileReport] = []
    ignored_files: list[str] = []
    partners: Outcome = msgspec.field(default_factory=Outcome)
    services: Outcome = msgspec.field(default_factory=Outcome)
    topics: Outcome = msgspec.field(default_factory=Outcome)
    occupations: Outcome = msgspec.field(default_factory=Outcome)
    missing: Absent = msgspec.field(default_factory=Absent)
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
