"""Entries as they were last written: a page asked for again is put together from bytes, without decoding."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

MOST_BYTES: Final = 32_000_000
"""How much a process keeps."""
OVERHEAD: Final = 300
"""Bytes that an entry of the table takes beside what was written, roughly."""


class Rendered:
    """Keeps what was written last, up to a number of bytes; what was not used longest goes first.

    A key names everything that the bytes depend on, so nothing here can be out of date.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._size = 0

    def give(self, key: Hashable, write: Callable[[], bytes]) -> bytes:
        """Return what ``write`` returns, or what it returned before for this key."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        found = self._kept[key] = write()
        self._size += len(found) + OVERHEAD
        while self._size > self._most:
            _, gone = self._kept.popitem(last=False)
            self._size -= len(gone) + OVERHEAD
        return found
