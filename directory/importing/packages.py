"""Opens tabular packages (a folder or a zip with CSV files) and reads them row by row."""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from directory.importing.report import ImportRefused, Refusal

LARGEST_PACKAGE: Final = 4 * 1024**3
"""Bytes that all files of a package may have together when unpacked."""
LARGEST_FIELD: Final = 131_072
"""Characters that one field may have (the csv module's own limit)."""
LARGEST_DESCRIPTOR: Final = 4 * 1024 * 1024
BOM: Final = b"\xef\xbb\xbf"
TEMPLATE_NAMES: Final = frozenset({"human_services_data", "human-services-data"})
"""What ``datapackage.json`` is called when nobody has given the package a name of its own."""
NAME_MAXIMUM: Final = 300


def licence_of(descriptor: Mapping[str, Any]) -> str | None:
    """Return what a descriptor says of the licence, in either of the two ways of the specification."""
    said = descriptor.get("license") or descriptor.get("licenses")
    if isinstance(said, list):
        said = said[0] if said else None
    if isinstance(said, dict):
        said = said.get("type") or said.get("name") or said.get("url") or said.get("path")
    return said[:NAME_MAXIMUM] if isinstance(said, str) and said.strip() else None


def source_name(descriptor: Mapping[str, Any], path: Path) -> str:
    """Return what a source calls itself, or else the name of its file or folder, in plain letters."""
    said = descriptor.get("name")
    resolved = path.resolve()
    own = resolved.name if resolved.is_dir() else resolved.stem
    name = said if isinstance(said, str) and said not in TEMPLATE_NAMES and said else own
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")[:80] or "package"


class Package:
    """The CSV files of a package by their name; nothing is unpacked to the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sizes: dict[str, int] = {}
        self._inner: dict[str, str] = {}
        try:
            self._zip = zipfile.ZipFile(path) if path.is_file() else None
        except zipfile.BadZipFile as error:
            raise ImportRefused(Refusal.FORMAT_UNKNOWN, path.name) from error
        for inner, size in self._listed():
            parts = inner.split("/")
            # files stand at the top, in data/, or (zips often) in one folder around both
            if len(parts) <= 3 and parts[-1] not in self._inner:
                self._inner[parts[-1]] = inner
                self._sizes[parts[-1]] = size
        if sum(self._sizes.values()) > LARGEST_PACKAGE:
            raise ImportRefused(Refusal.TOO_LARGE, path.name)

    def _listed(self) -> Iterator[tuple[str, int]]:
        if self._zip is not None:
            for info in sorted(
                self._zip.infolist(), key=lambda info: (info.filename.count("/"), info.filename)
            ):
                if info.filename.endswith((".csv", "datapackage.json")):
                    yield info.filename, info.file_size
            return
        for folder in (self.path, self.path / "data"):
            if folder.is_dir():
                for file in sorted(folder.iterdir()):
                    if file.is_file() and (file.suffix == ".csv" or file.name == "datapackage.json"):
                        yield file.relative_to(self.path).as_posix(), file.stat().st_size

    @property
    def names(self) -> list[str]:
        """The names of the CSV files there are."""
        return [name for name in self._inner if name.endswith(".csv")]

    def size(self, name: str) -> int:
        """Return a file's size in bytes."""
        return self._sizes[name]

    def _open(self, name: str) -> IO[bytes]:
        inner = self._inner[name]
        try:
            return self._zip.open(inner) if self._zip is not None else (self.path / inner).open("rb")
        except (OSError, RuntimeError) as error:  # RuntimeError: encrypted, or a compression unknown here
            raise ImportRefused(Refusal.UNREADABLE, name) from error

    def descriptor(self) -> dict[str, Any]:
        """Return what ``datapackage.json`` says, nothing if there is none; raises ImportRefused."""
        if "datapackage.json" not in self._inner:
            return {}
        if self._sizes["datapackage.json"] > LARGEST_DESCRIPTOR:
            raise ImportRefused(Refusal.TOO_LARGE, "datapackage.json")
        with self._open("datapackage.json") as file:
            try:
                return msgspec.json.decode(file.read().removeprefix(BOM), type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise ImportRefused(Refusal.INVALID, f"datapackage.json: {error}") from error

    def rows(
        self,
        name: str,
        required: Sequence[str],
        read_bytes: Callable[[int], None],
        on_bom: Callable[[], None],
    ) -> Iterator[tuple[int, dict[str, str] | None]]:
        """Yield (row number, columns that are not blank) of a file; None for a row of another width.

        The header is row 1, as in a spreadsheet. ``read_bytes`` is told how far the file was read. Raises
        ImportRefused when the file as a whole cannot be read.
        """
        number = 1
        csv.field_size_limit(LARGEST_FIELD)
        with self._open(name) as binary:
            marked = binary.read(len(BOM)) == BOM
        try:
            with self._open(name) as binary, io.TextIOWrapper(binary, "utf-8-sig", newline="") as lines:
                reader = csv.reader(lines, strict=True)
                header = [column.strip() for column in next(reader, [])]
                if not any(header):
                    raise ImportRefused(Refusal.FILE_EMPTY, name)
                if marked:
                    on_bom()
                for column in required:
                    if column not in header:
                        raise ImportRefused(Refusal.COLUMN_MISSING, f"{name}: {column}")
                for row in reader:
                    number += 1
                    if number % 500 == 0:
                        read_bytes(binary.tell())
                    if not row:
                        continue
                    if len(row) != len(header):
                        yield number, None
                        continue
                    yield number, {c: v for c, v in zip(header, row, strict=True) if v and not v.isspace()}
        except UnicodeDecodeError as error:
            raise ImportRefused(Refusal.ENCODING, f"{name}, row {number + 1}") from error
        except (OSError, zlib.error) as error:
            raise ImportRefused(Refusal.UNREADABLE, name) from error
        except (csv.Error, zipfile.BadZipFile) as error:
            raise ImportRefused(Refusal.CSV_BROKEN, f"{name}, row {number + 1}") from error
