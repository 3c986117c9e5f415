"""What the index keeps for suggestions: the beginnings of words, and the texts that are suggested by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from directory.documents import ServiceDocument
from search.text import fold, plain_fold, split_compound, tokens

LONGEST_BEGINNING: Final = 12
"""Letters of a word's beginning that the index keeps; what is typed beyond is compared afterwards."""


class Spellings(NamedTuple):
    """The folded forms under which a word may be typed: as it stands, and by the parts of a compound."""

    whole: tuple[str, ...]
    parts: tuple[str, ...]


@lru_cache(maxsize=50_000)
def spellings(word: str) -> Spellings:
    """Return how a word may be typed; a place also by its one name.

    >>> spellings("Chóśebuz").whole, spellings("Sprachkurs").parts
    (('cottbus', 'chosebuz'), ('kurs',))
    """
    one = fold(word)
    parts = split_compound(one)
    return Spellings(tuple(dict.fromkeys((one, plain_fold(word)))), parts[1:])


def words_in(text: str) -> list[str]:
    """Return the words of a text as they are written."""
    return [text[token.start : token.end] for token in tokens(text)]


@lru_cache(maxsize=50_000)
def _beginnings_of(word: str) -> dict[str, None]:
    whole, parts = spellings(word)
    lengths = range(1, LONGEST_BEGINNING + 1)
    return {form[:length]: None for form in (*whole, *parts) for length in lengths if length <= len(form)}


FIRST: Final = "^"
"""Marks the beginning of a text's first word."""


def beginnings(texts: Iterable[str]) -> list[str]:
    """Return the beginnings of all words of texts, in every spelling; those of first words marked too."""
    found: dict[str, None] = {}
    for text in texts:
        words = words_in(text)
        for word in words:
            found.update(_beginnings_of(word))
        for word in words[:1]:
            found.update((FIRST + beginning, None) for beginning in _beginnings_of(word))
    return list(found)


SEPARATOR: Final = "\x1f"
"""Between a partner's id and its name."""

LONGEST_KEY: Final = 60_000
"""Bytes of a term; the index takes no longer ones."""


def title_key(title: Mapping[str, str]) -> str:
    """Return a service's titles as one term: equal titles are one suggestion."""
    key = msgspec.json.encode(dict(title), order="deterministic")
    return key.decode() if len(key) <= LONGEST_KEY else "{}"


def partner_key(service: ServiceDocument) -> str:
    """Return a service's partner as one term."""
    return f"{service.partner.id}{SEPARATOR}{service.partner.name}"
