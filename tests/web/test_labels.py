"""Words for codes: every value of the enums that pages show has words in both languages."""

from __future__ import annotations

import re
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

import pytest

import directory.actors
import directory.vocabulary
import referrals.vocabulary
from graphapi.web import labels
from graphapi.web.pages.entry import said_in_words
from graphapi.web.rendering import Pages

ENUMS = [
    name
    for module in (directory.vocabulary, referrals.vocabulary, directory.actors)
    for name, found in vars(module).items()
    if isinstance(found, type) and issubclass(found, StrEnum) and found is not StrEnum
]
SAME_IN_ANY = re.compile(r"[ABC][12]|GDPR")
"""Called so everywhere."""


@pytest.mark.parametrize("enum", ENUMS)
def test_every_value_has_words(enum: str) -> None:
    for language in ("de", "en"):
        for value, words in labels.options(enum, language):
            assert words and (words != value or SAME_IN_ANY.fullmatch(value)), value


def test_templates_say_labels() -> None:
    made = (
        Pages()
        .environment("de")
        .from_string(
            '{{ "OPEN" | label("CapacityState") }}|{{ ["B1", "B2"] | label("CefrLevel") }}'
            '|{{ "ar" | tongue }}|{{ none | label("Gender") }}|{{ options("CapacityState", ["NONE"])[0][0] }}'
        )
    )
    capacity, levels, tongue, nothing, first = made.render().split("|")
    assert capacity not in {"", "OPEN"}
    assert levels == "B1, B2"
    assert (tongue, nothing, first) == ("Arabisch", "", "NONE")


@pytest.mark.parametrize(
    ("path", "kept", "field", "words"),
    [
        ("course.format", '"ON_SITE"', "Der Kurs: Wie er stattfindet", "vor Ort"),
        ("course.access", '["BAMF_ADMISSION"]', "Der Kurs: Was man für einen Platz braucht", "Zulassung"),
        ("interpreting.modes", '["ON_SITE","PHONE"]', "Dolmetschen", "vor Ort, am Telefon"),
        ("course.lessons", "600", "Der Kurs: Unterrichtsstunden zu 45 Minuten", "600"),
        ("assured_at", '"2026-11-05T09:00:00Z"', "Zuletzt geprüft am", "5. November 2026"),
        (
            "course.runs",
            '[{"starts_on":"2027-01-11","ends_on":null,"full":true}]',
            "Der Kurs: Wann er stattfindet",
            "Erster Tag: 11. Januar 2027, Es wird niemand mehr aufgenommen: ja",
        ),
        ("course", '{"level_to":"B1","childcare":false}', "Der Kurs", "B1, Gibt es Kinderbetreuung: nein"),
        ("locations", '[{"accessibility":{"de":"Aufzug","en":"Lift"}}]', "Orte", "Deutsch: Aufzug, Englisch"),
        ("title.de", '"Kurs 2027-01-11"', "Titel (Deutsch)", "Kurs 2027-01-11"),
        ("kind", '"QUALIFICATION"', "Art", "Qualifikation"),
    ],
)  # fmt: skip
def test_the_history_says_values_in_words(path: str, kept: str, field: str, words: str) -> None:
    said = Pages().translations("de")
    visit: Any = SimpleNamespace(gettext=said.gettext, language="de")
    called, value = said_in_words(visit, path, kept)
    assert (called, words in value) == (field, True), (called, value)
    assert not re.search(r"[A-Z]{3,}_|T\d\d:", value)


def test_names_are_those_of_the_schema() -> None:
    with pytest.raises(LookupError):
        labels.enum_of("NoSuchEnum")
