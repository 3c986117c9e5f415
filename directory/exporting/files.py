"""Files that appear whole or not at all: written beside their place, put there at the end in one step."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

LEADING: Final = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is run as a formula by spreadsheet programs."""
GUARD: Final = "'"
"""Stands before such a cell, so that it is a text; taken off again when such a file is read."""


def guarded(text: str) -> str:
    """Return a cell that no spreadsheet program runs (OWASP, CSV injection).

    A cell that begins with the guard and one of these signs already gets another guard, so that reading it
    back (``unguarded``) always gives what was written.

    >>> guarded("=1+1"), guarded("a=1"), guarded("'=1+1")
    ("'=1+1", 'a=1', "''=1+1")
    """
    return GUARD + text if text.lstrip(GUARD).startswith(LEADING) else text


def unguarded(cell: str) -> str:
    """Return what ``guarded`` was given.

    >>> unguarded("'=1+1"), unguarded("'quoted'")
    ('=1+1', "'quoted'")
    """
    return cell[1:] if cell.startswith(GUARD) and cell.lstrip(GUARD).startswith(LEADING) else cell


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; what stands there at the end takes the place of ``path`` in one step.

    When the block fails or is interrupted, ``path`` is as it was and nothing is left beside it.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write into; it becomes ``path`` (or, for ``.zip``, a zip of it) at the end."""
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        yield part
        if path.suffix.lower() == ".zip":
            with whole_file(path) as zipped, zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(part.iterdir()):
                    archive.write(file, file.name)
            return
        part.chmod(0o755)
        old = None
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
            path.replace(old / path.name)
        part.replace(path)
        if old is not None:
            shutil.rmtree(old)
    finally:
        shutil.rmtree(part, ignore_errors=True)


class CsvTables:
    """The tables of a package, each open for appending rows; closed together."""

    def __init__(self, folder: Path, columns: dict[str, Sequence[str]]) -> None:
        self._files: list[IO[str]] = []
        self._writers: dict[str, Any] = {}
        self.rows: dict[str, int] = {}
        for name, header in columns.items():
            file = (folder / f"{name}.csv").open("w", encoding="utf-8", newline="")
            self._files.append(file)
            self._writers[name] = csv.writer(file, lineterminator="\r\n")
            self._writers[name].writerow(header)
            self.rows[name] = 0

    def add(self, name: str, row: Sequence[object]) -> None:
        """Append a row; None is an empty cell."""
        self._writers[name].writerow(["" if cell is None else cell for cell in row])
        self.rows[name] += 1

    def close(self) -> None:
        """Close every file."""
        for file in self._files:
            file.close()
