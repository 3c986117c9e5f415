"""Words for codes: every value of the enums that pages show has words in both languages."""

from __future__ import annotations

import re
from enum import StrEnum

import pytest

import directory.actors
import directory.vocabulary
import referrals.vocabulary
from graphapi.web import labels
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


def test_names_are_those_of_the_schema() -> None:
    with pytest.raises(LookupError):
        labels.enum_of("NoSuchEnum")
