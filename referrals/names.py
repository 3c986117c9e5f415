"""Names made comparable, so that a person is found whichever way their name was written down.

Pure: what of it is stored are keyed hashes only (``referrals.personal_data.sealing.IndexKey``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, TypeAlias

Spellings: TypeAlias = frozenset[str]
"""Comparable spellings of one written part; any of them may be in the index."""

_GERMAN: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_STROKES: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i"})
# Letters written for one another: Arabic alef, yeh, kaf, teh marbuta; Ethiopic h, s, ts, a.
_ARABIC: Final = str.maketrans(
    {"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "\u0640": ""}
)
_ETHIOPIC: Final = {
    ord(written) + order: chr(ord(read) + order)
    for written, read in (("ሐ", "ሀ"), ("ኀ", "ሀ"), ("ሠ", "ሰ"), ("ፀ", "ጸ"), ("ዐ", "አ"))
    for order in range(7)
}
_INSIDE: Final = re.compile("['’‘ʼ`´ʿʾ]")
_WORDS: Final = re.compile(r"[^\W_]+")


def _without_marks(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def name_parts(text: str) -> tuple[Spellings, ...]:
    """Return the parts of a written name, each in its comparable spellings.

    NFKC and casefold; accents and Arabic vowel signs are dropped, letters written for one another are made
    one, ä is ae and a (Öztürk, Oeztuerk, Ozturk). Apostrophes do not part a name, hyphens do.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    parts = []
    for word in _WORDS.findall(_without_marks_between(_INSIDE.sub("", folded))):
        spellings = {
            unicodedata.normalize(
                "NFKC", _without_marks(written).translate(_STROKES).translate(_ARABIC).translate(_ETHIOPIC)
            )
            for written in (word, word.translate(_GERMAN))
        }
        parts.append(frozenset(spellings - {""}))
    return tuple(part for part in parts if part)


def _without_marks_between(text: str) -> str:
    # A mark that composes with no letter (Arabic vowel signs) would part the word; umlauts have composed.
    return "".join(c for c in text if not unicodedata.combining(c))


def index_terms(names: Iterable[str]) -> frozenset[str]:
    """Return what a person is findable by: each part, and each two neighbours as one.

    Neighbours as one, because "Abdul Rahman" is written "Abdulrahman" too.
    """
    terms: set[str] = set()
    for name in names:
        parts = name_parts(name)
        terms.update(*parts)
        for first, second in pairwise(parts):
            terms.update(one + other for one in first for other in second)
    return frozenset(terms)


def search_options(query: str) -> tuple[tuple[Spellings, ...], ...]:
    """Return the ways in which what somebody typed may be found; empty when it names nobody.

    A person is found when, for one of the ways, of each of its parts some spelling is in the index.
    """
    parts = name_parts(query)
    if not parts:
        return ()
    joined = tuple(
        (*parts[:at], frozenset(a + b for a in first for b in second), *parts[at + 2 :])
        for at, (first, second) in enumerate(pairwise(parts))
    )
    return (parts, *joined)
