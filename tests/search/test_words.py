"""The vocabulary of the domain (``search/words``): that its files can be trusted as data."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from search.concepts import FOLDER, concepts, read
from search.lexicon import LANGUAGE_NAMES
from search.text import is_stop_word, words_of

FILES = sorted(FOLDER.glob("*.json"))

KEYS = (
    "id",
    "de",
    "en",
    "abbreviations",
    "everyday",
    "ar",
    "fa",
    "uk",
    "ru",
    "fr",
    "ti",
    "kmr",
    "so",
    "tr",
    "es",
)
"""What a concept may have, in the order in which it is written."""

LANGUAGES = tuple(key for key in KEYS if key not in ("id", "abbreviations", "everyday"))
"""The languages that names are in."""

LETTERS = {
    "ar": r"[؀-ۿ\d /,-]+",
    "fa": r"[؀-ۿ\u200c\d /,-]+",
    "ti": r"[ሀ-፿\d /,-]+",
    "uk": r"[А-ЩЬЮЯЄІЇҐа-щьюяєіїґA-Z\d ',./-]+",
    "ru": r"[А-Яа-яЁё\d ',./-]+",
}
"""The alphabet of each language; Ukrainian and Russian lack letters of each other."""
LATIN = r"[A-Za-zÀ-ɏḀ-ỿ\d '’+.,&/()§-]+"
FOREIGN = {"ar": "پچژگکی", "fa": "يكة"}
"""Letters that look right and are another language's, so nobody would find the word."""

HOMONYMS = {
    ("abbreviations", "KI"),
    ("abbreviations", "LEA"),
    ("abbreviations", "MSA"),
    ("abbreviations", "TIN"),
    ("de", "karte"),
    ("de", "stärken"),
    ("en", "entry"),
    ("en", "flight"),
    ("en", "job"),
    ("en", "stop"),
}
"""Words that truly mean two things; any other word names one concept."""


def entries(file: Path) -> list[dict[str, Any]]:
    found = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(found, list)
    return found


def names(entry: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (language, name) of all names but everyday words, which only point somewhere."""
    return [(key, name) for key in entry if key not in ("id", "everyday") for name in entry[key]]


def all_names(entry: dict[str, Any]) -> list[tuple[str, str]]:
    return names(entry) + [
        (language, name) for language, words in entry.get("everyday", {}).items() for name in words
    ]


ALL = [(file.stem, entry) for file in FILES for entry in entries(file)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_files_are_sorted_with_a_concept_on_each_line(file: Path) -> None:
    found = entries(file)
    assert found == sorted(found, key=lambda entry: entry["id"])
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in found)
    assert file.read_text(encoding="utf-8") == f"[\n{lines}\n]\n"
    assert [one.id for one in read(file.read_bytes(), file.name)] == [entry["id"] for entry in found]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_concepts_have_german_and_english_names_and_nothing_unknown(file: Path) -> None:
    for entry in entries(file):
        assert [key for key in KEYS if key in entry] == list(entry), entry["id"]
        assert entry["de"], entry["id"]
        assert entry["en"], entry["id"]
        said = entry.get("everyday", {})
        assert [key for key in LANGUAGES if key in said] == list(said), entry["id"]
        assert all(said.values()), entry["id"]
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry["id"])
        assert all(entry[key] for key in entry), entry["id"]


def test_ids_are_there_once() -> None:
    assert [id_ for id_, times in Counter(entry["id"] for _, entry in ALL).items() if times > 1] == []


def test_names_are_composed_and_trimmed_and_there_once_in_a_concept() -> None:
    for _, entry in ALL:
        found = all_names(entry)
        for _, name in found:
            assert name
            assert name == " ".join(name.split()), name
            assert unicodedata.is_normalized("NFC", name), name
            assert not re.search(r"[\u202a-\u202e\u2066-\u2069\ufeff\ufb50-\ufdff\ufe70-\ufefc]", name), name
        twice = Counter((language, name.casefold()) for language, name in found)
        assert [key for key, times in twice.items() if times > 1] == [], entry["id"]


def test_a_word_names_one_concept_unless_it_has_two_meanings() -> None:
    used = defaultdict(set)
    for _, entry in ALL:
        for language, name in names(entry):
            used[language, name.casefold()].add(entry["id"])
    shared = {key for key, ids in used.items() if len(ids) > 1}
    assert shared == {(language, name.casefold()) for language, name in HOMONYMS}


def test_german_names_and_single_english_words_are_more_than_function_words() -> None:
    # They are looked for in texts: "war" would be in every German one, "die" in both.
    for one in concepts():
        for language, name in one.names():
            words = words_of(name)
            if language == "de" or (language == "en" and len(words) == 1):
                assert not all(map(is_stop_word, words)), (one.id, name)


def test_names_are_written_in_the_letters_of_their_language() -> None:
    for _, entry in ALL:
        for language, name in all_names(entry):
            pattern = LETTERS.get(language, LATIN)
            assert re.fullmatch(pattern, name), (entry["id"], language, name)
            assert not set(FOREIGN.get(language, "")) & set(name), (entry["id"], language, name)


@pytest.mark.parametrize(
    ("language", "at_least"),
    [("de", 1500), ("en", 1500), *((tag, 250) for tag in ("ar", "fa", "uk", "ru", "fr", "ti", "tr", "es"))],
)
def test_there_are_enough_concepts_in_a_language(language: str, at_least: int) -> None:
    assert sum(language in one.labels for one in concepts()) >= at_least


@pytest.mark.parametrize("tag", sorted(LANGUAGE_NAMES))
def test_every_language_that_search_knows_has_its_names(tag: str) -> None:
    german = LANGUAGE_NAMES[tag][0].casefold()
    found = [one for one in concepts() if german in (name.casefold() for name in one.labels["de"])]
    assert found, tag
    assert any({"uk", "ru", "fr"} <= set(one.labels) for one in found), tag


@pytest.mark.parametrize(
    "short",
    [
        "ABH",
        "AVGS",
        "B1",
        "BAMF",
        "BSK",
        "DTZ",
        "IQ",
        "JMD",
        "LiD",
        "MBE",
        "MSA",
        "§ 25a",
        "§ 25b",
        "§ 60a",
        "§ 60c",
        "§ 104c",
    ],
)
def test_abbreviations_of_the_field_are_there(short: str) -> None:
    assert any(short in one.abbreviations for one in concepts())


@pytest.mark.parametrize(
    ("word", "language", "german"),
    [
        ("residence permit", "en", "Aufenthaltserlaubnis"),
        ("work permit", "en", "Arbeitserlaubnis"),
        ("lawyer", "en", "Anwalt"),
        ("midwife", "en", "Hebamme"),
        ("طالب لجوء", "ar", "Asylbewerber"),
        ("تذکره", "fa", "Ausweis"),
        ("водійські права", "uk", "Führerschein"),
        ("вид на жительство", "ru", "Aufenthaltserlaubnis"),
        ("avocat", "fr", "Rechtsanwalt"),
        ("ስራሕ", "ti", "Arbeit"),
        ("tercüman", "tr", "Dolmetscher"),
        ("abogado", "es", "Anwältin"),
    ],
)
def test_a_foreign_word_stands_beside_the_german_ones(word: str, language: str, german: str) -> None:
    assert any(word in one.labels.get(language, ()) and german in one.labels["de"] for one in concepts())
