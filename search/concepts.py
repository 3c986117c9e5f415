"""The vocabulary of the domain: what people call a thing, in their languages (``search/words/*.json``).

Data and its reading only. ``search.text`` builds compounds from its German words, ``search.expansion`` lets
a search for one word also find what the others name.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from search.lexicon import LANGUAGE_NAMES

FOLDER: Final = Path(__file__).parent / "words"

_Entry = dict[str, str | list[str] | dict[str, list[str]]]
_decoder: Final = msgspec.json.Decoder(list[_Entry])


class Concept(msgspec.Struct, frozen=True):
    """A thing with its names; ``labels`` by language (the first German one is preferred).

    ``abbreviations`` are German unless a language is said; ``everyday`` are words people use without being
    exact ("Papiere").
    """

    id: str
    labels: dict[str, tuple[str, ...]]
    abbreviations: tuple[str, ...] = ()
    everyday: dict[str, tuple[str, ...]] = {}

    def names(self) -> list[tuple[str, str]]:
        """Return all names with their language: labels, abbreviations, everyday words."""
        found = [(language, name) for language, names in self.labels.items() for name in names]
        found += (("de", name) for name in self.abbreviations)
        found += ((language, name) for language, names in self.everyday.items() for name in names)
        return list(dict.fromkeys(found))


class BadWords(ValueError):
    """A file of words is not as it must be; says where."""


def read(text: bytes, where: str) -> list[Concept]:
    """Return the concepts of one file; raises BadWords."""
    try:
        entries = _decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise BadWords(f"{where}: {error}") from error
    return [_concept(entry, f"{where}, entry {number}") for number, entry in enumerate(entries, 1)]


def _names(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name.strip() for name in value):
        raise BadWords(f"{where}: a list of names is needed")
    return tuple(value)


def _concept(entry: _Entry, where: str) -> Concept:
    rest = dict(entry)
    id_ = rest.pop("id", "")
    if not isinstance(id_, str) or not id_:
        raise BadWords(f"{where}: no id")
    where = f"{where} ({id_})"
    abbreviations = _names(rest.pop("abbreviations", []), where)
    everyday = rest.pop("everyday", {})
    if not isinstance(everyday, dict):
        raise BadWords(f"{where}: everyday words are kept by language")
    labels = {language: _names(value, where) for language, value in rest.items()}
    for language in (*labels, *everyday):
        if language.split("-")[0] not in LANGUAGE_NAMES:
            raise BadWords(f"{where}: {language} is no language that is known here")
    if not labels.get("de"):
        raise BadWords(f"{where}: no German word")
    return Concept(id_, labels, abbreviations, {tag: _names(names, where) for tag, names in everyday.items()})


@lru_cache(maxsize=1)
def concepts() -> tuple[Concept, ...]:
    """Return all concepts of this release; raises BadWords."""
    found = [one for file in _files() for one in read(file.read_bytes(), file.name)]
    ids = [one.id for one in found]
    if twice := sorted({id_ for id_ in ids if ids.count(id_) > 1} if len(set(ids)) < len(ids) else ()):
        raise BadWords(f"these ids are there twice: {', '.join(twice)}")
    return tuple(found)


def _files() -> list[Path]:
    return sorted(FOLDER.glob("*.json"))


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Return a short text that changes when the words do; an index made with other words is rebuilt."""
    made = hashlib.sha256()
    for file in _files():
        made.update(file.read_bytes())
    return made.hexdigest()[:8]
