"""What the person's page says: every language complete, the same names to fill in; the fallback is told."""

from __future__ import annotations

import re

import pytest

from directory.languages import PROJECT, direction
from referrals.person.card_texts import LANGUAGES, found, texts_in
from referrals.person.cards import PERSONS_MOVES
from referrals.vocabulary import (
    DataCategory,
    FeedbackAnswer,
    FollowUpKind,
    NeedNow,
    OccupiedWith,
    Purpose,
    ReferralState,
    WithdrawalScope,
)

GERMAN = texts_in("de").texts
NAMES = re.compile(r"\{(\w+)\}")


def test_the_page_speaks_all_languages_of_the_project() -> None:
    assert set(PROJECT) <= LANGUAGES


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_language_is_complete(language: str) -> None:
    texts = texts_in(language)

    assert texts.language == language
    assert set(texts.texts) == set(GERMAN)
    for key, german in GERMAN.items():
        assert sorted(NAMES.findall(texts.texts[key])) == sorted(NAMES.findall(german)), (language, key)
        assert texts.texts[key].strip(), (language, key)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_name_keeps_its_direction(language: str) -> None:
    said = texts_in(language).say("ask", organisation="Amt – Haus 1.")
    isolated = "\u2068Amt – Haus 1.\u2069" in said
    assert "Amt – Haus 1." in said
    assert isolated == (direction(language) == "rtl")


def test_a_list_has_the_comma_of_its_script() -> None:
    assert {texts_in(language).comma for language in ("ar", "fa")} == {"، "}
    assert texts_in("ti").comma == "፣ "
    assert texts_in("uk").comma == ", "


@pytest.mark.parametrize(
    ("language", "script"),
    [
        ("ar", "؀-ۿ"),
        ("fa", "؀-ۿ"),
        ("ti", "ሀ-፿"),
        ("am", "ሀ-፿"),
        ("ru", "Ѐ-ӿ"),
        ("uk", "Ѐ-ӿ"),
    ],
)
def test_a_language_is_written_in_its_script(language: str, script: str) -> None:
    for key, text in texts_in(language).texts.items():
        assert re.search(f"[{script}]", text), (language, key)


def test_every_word_of_the_vocabulary_can_be_said() -> None:
    wanted = {
        *(f"state.{s}" for s in ReferralState if s is not ReferralState.ENTERED_IN_ERROR),
        *(f"category.{c}" for c in DataCategory),
        *(f"purpose.{p}" for p in Purpose),
        *(f"answer.{a}" for a in FeedbackAnswer),
        *(f"need.{n}" for n in NeedNow),
        *(f"occupied.{o}" for o in OccupiedWith),
        *(f"question.{k}" for k in FollowUpKind),
        *(f"receipt.{s}" for s in WithdrawalScope),
        *(f"move.{m}" for m in PERSONS_MOVES),
        *(f"reason.{r}" for reasons in PERSONS_MOVES.values() for r in reasons),
    }

    assert wanted <= set(GERMAN)


@pytest.mark.parametrize(
    ("wanted", "spoken", "written"),
    [
        ("de", "de", "ltr"),
        ("en-GB", "en", "ltr"),
        ("ar-SY", "ar", "rtl"),
        ("prs", "fa", "rtl"),
        ("dsb-DE", "dsb", "ltr"),
        ("zh-Hant", "de", "ltr"),
        ("xx", "de", "ltr"),
    ],
)
def test_the_language_that_was_found_is_told(wanted: str, spoken: str, written: str) -> None:
    texts = texts_in(wanted)

    assert (texts.wanted, texts.language, found(wanted)) == (wanted, spoken, spoken)
    assert direction(texts.language) == written
