"""The index folder that the processes of one host share: who writes, which index serves, and is it sound.

``lock`` is held (flock) by the one process that writes and free at once when it dies; ``asked`` was touched
a moment ago by a process that wants to write now, for which the one that does steps aside; ``current`` names
the index that serves, "<shape> <name>", and is replaced in one step; ``index-<random>/`` is an index: another
one is filled beside it and takes its place.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Final, TypeAlias

Stamp: TypeAlias = tuple[int, int, int]
"""What changes when a file is replaced: inode, time and size."""

ASKED_SECONDS: Final = 5.0
"""How long a wish to write is one."""

_FOOTER_MAGIC: Final = 1337
_PARTS: Final = ("idx", "pos", "term", "store", "fast", "fieldnorm")


def stamp(path: Path) -> Stamp | None:
    """Return the file's stamp, or None when there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


class IndexFolder:
    """One folder; ``shape`` names what the indexes in it must be like, others are foreign and not opened."""

    def __init__(self, path: Path, shape: str) -> None:
        self.path = path
        self.shape = shape
        self._lock: int | None = None
        self._asking = False

    @property
    def _lock_path(self) -> Path:
        return self.path / "lock"

    @property
    def pointer(self) -> Path:
        """The file that names the index that serves."""
        return self.path / "current"

    def lead(self) -> bool:
        """Take the lock if it is free, or see that it is still held; never waits."""
        if not self._asking and self._is_asked():
            self.resign()
            return False
        if self._lock is not None:
            held = os.fstat(self._lock)
            with contextlib.suppress(OSError):
                there = self._lock_path.stat()
                if (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino):
                    return True
            # The folder was deleted under us: the lock we hold is nobody's any more.
            self.resign()
        self.path.mkdir(parents=True, exist_ok=True)
        taken = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(taken, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(taken)
            return False
        self._lock = taken
        return True

    def ask(self) -> None:
        """Ask whoever has the lock to give it back to this process."""
        self._asking = True
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "asked").touch()

    def _is_asked(self) -> bool:
        try:
            return time.time() - (self.path / "asked").stat().st_mtime < ASKED_SECONDS
        except OSError:
            return False

    def resign(self) -> None:
        """Give the lock back."""
        if self._asking:
            self._asking = False
            (self.path / "asked").unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def current(self) -> Path | None:
        """Return the index that serves; None when there is none of our shape."""
        try:
            shape, _, name = self.pointer.read_text().strip().partition(" ")
        except (OSError, UnicodeDecodeError):
            return None
        if shape != self.shape or not name.startswith("index-") or "/" in name:
            return None
        found = self.path / name
        return found if found.is_dir() else None

    def new(self) -> Path:
        """Return the folder for another index; it does not serve yet."""
        made = self.path / f"index-{token_hex(8)}"
        made.mkdir(parents=True)
        return made

    def publish(self, index: Path) -> None:
        """Let this index serve, in one step, and remove the others; who has them open can still read them."""
        waiting = self.path / f"current.{token_hex(4)}"
        waiting.write_text(f"{self.shape} {index.name}\n")
        waiting.replace(self.pointer)
        self.sweep()

    def sweep(self) -> None:
        """Remove what crashed rebuilds and former indexes left; only the leader may."""
        serving = self.current()
        for found in self.path.glob("index-*"):
            if found != serving:
                shutil.rmtree(found, ignore_errors=True)
        for found in self.path.glob("current.*"):
            found.unlink(missing_ok=True)

    def report(self, index: Path) -> None:
        """Tell the leader, which may be another process, that an index is broken."""
        with contextlib.suppress(OSError):
            (index / "broken").touch()


def is_sound(index: Path, *, thorough: bool) -> bool:
    """Whether every file of an index is there and whole; ``thorough`` reads them all and checks their sums.

    A search must not touch a cut-off file: it is mapped into memory, and the process would die of SIGBUS.
    """
    if (index / "broken").exists():
        return False
    for _ in range(5):
        before = stamp(index / "meta.json")
        try:
            good = all(_whole(file, thorough=thorough) for file in _files(index))
        except (OSError, ValueError, KeyError, TypeError):
            good = False
        if good or before is None or stamp(index / "meta.json") == before:
            return good
        # The writer committed meanwhile, so files that were listed may rightly be gone: look again.
    return False


def _files(index: Path) -> Iterator[Path]:
    for segment in json.loads((index / "meta.json").read_bytes())["segments"]:
        name = segment["segment_id"].replace("-", "")
        for part in _PARTS:
            yield index / f"{name}.{part}"
        if segment["deletes"] is not None:
            yield index / f"{name}.{segment['deletes']['opstamp']}.del"


def _whole(path: Path, *, thorough: bool) -> bool:
    """Whether a file ends in the footer that tantivy writes last, and (thorough) has the sum it states."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(size - 8)
        tail = file.read(8)
        length = int.from_bytes(tail[:4], "little")
        if int.from_bytes(tail[4:], "little") != _FOOTER_MAGIC or length > min(size - 8, 4096):
            return False
        file.seek(size - 8 - length)
        footer = json.loads(file.read(length))
        if not thorough:
            return True
        file.seek(0)
        rest, sum_ = size - 8 - length, 0
        while rest > 0:
            block = file.read(min(rest, 1 << 20))
            if not block:
                return False
            sum_, rest = zlib.crc32(block, sum_), rest - len(block)
    return bool(sum_ == footer["crc"])
