"""German sort keys (DIN 5007-1), made by us because the database has no ICU."""

from __future__ import annotations

import unicodedata
from typing import Final

LONGEST_PART: Final = 500
"""Bytes kept of each of a key's two parts: an index entry of PostgreSQL ends at about 2,700 bytes."""


def folded(text: str) -> str:
    """Return the words of ``text`` without accents, case and punctuation (ä becomes a, ß becomes ss).

    >>> folded("Chóśebuz – Straße")
    'chosebuz strasse'
    """
    # twice, because decomposing makes new capitals (℻) and folding makes new combinations (ŉ)
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).casefold()
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in letters).split())


def sort_key(text: str) -> bytes:
    """Return bytes whose order is the German dictionary order of ``text``.

    Letters first without accents and case (ä sorts with a, ß with ss), then the text itself as tie-breaker.
    Both parts are cut after 500 bytes; whoever needs a total order adds the id.
    """
    return folded(text).encode()[:LONGEST_PART] + b"\0" + text.encode()[:LONGEST_PART]


def prefix_range(prefix: str) -> tuple[bytes, bytes]:
    """Return the half-open range of sort keys of the texts whose folded words begin with ``prefix``.

    >>> low, high = prefix_range("Stra")
    >>> low <= sort_key("Straße") < high
    True
    """
    low = folded(prefix).encode()[:LONGEST_PART]
    return low, low + b"\xff"
