"""The best hits are read closely: titles, passages and neighbours count besides the score."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.closely import PASSAGE, READING, closeness, packed, read, read_once, unpacked, wishes
from search.expansion import units


def close(search: str, title: str, description: str = "", topic: str = "") -> float:
    """Return what a service with these texts counts besides, where every word is in ten services of 100."""
    reading = read((("de", title),), (("de", topic),), (("de", description),))
    return closeness(wishes(units(search), 100, lambda _: 10), reading)


FAR = " ".join(["Anderes steht hier."] * (PASSAGE + 1))


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        # What is asked in the title, rather than beside the point; a title that says nothing else.
        (("Schuldnerberatung", ""), ("Sprechstunde", "")),
        (("Schuldnerberatung", ""), ("Schuldnerberatung und vieles andere im Haus am Park", "")),
        # All in one passage, rather than here and there.
        (("Angebot", "Hilfe bei Schulden. Auch zur Miete."), ("Angebot", f"Schulden. {FAR} Miete.")),
        # Neighbours in one sentence, rather than in sentences that follow each other.
        (("Angebot", "Schulden durch Miete. Sonst nichts."), ("Angebot", "Schulden. Sonst nichts. Miete.")),
        # A part of a compound, rather than nothing; the whole, rather than a part.
        (("Beratung", ""), ("Sportverein", "")),
        (("Schuldnerberatung", ""), ("Beratung", "")),
    ],
)
def test_what_reads_better_counts_more(better: tuple[str, str], worse: tuple[str, str]) -> None:
    """Of two services with the same words the one that says it in one place is the better answer."""
    asked = "Schuldnerberatung Schulden Miete"
    assert close(asked, *better) > close(asked, *worse)


def test_a_topic_stands_in_the_head() -> None:
    """What only a topic says counts like a title that says it among other things."""
    assert close("Schulden", "Sprechstunde", topic="Schulden") > close("Schulden", "Sprechstunde") == 0.0


def test_another_name_counts_less_than_the_word() -> None:
    """Who writes what was asked comes before who writes the same in other words, and before who does not."""
    word, name, neither = (
        close("Rechtsanwältin", title) for title in ("Rechtsanwältin", "Anwalt", "Sportverein")
    )
    assert word > name > neither == 0.0


def test_passages_of_two_languages_are_not_one() -> None:
    """The end of a German text and the beginning of an English one are not side by side."""
    wanted = wishes(units("Schulden Miete"), 100, lambda _: 10)
    apart = closeness(wanted, read((), (), (("de", "Schulden."), ("en", "Miete."))))
    beside = closeness(wanted, read((), (), (("de", "Schulden. Miete."),)))
    assert beside > apart > 0.0


@given(st.text(max_size=80), st.text(max_size=200), st.text(max_size=80))
def test_reading_takes_nothing_away(search: str, description: str, title: str) -> None:
    """Closeness is never below 0, so what is not read never overtakes what is; nor is it without a word."""
    assert close(search, title, description) >= 0.0
    assert close(search, "", "") == 0.0


def test_words_that_no_service_has_count_nothing() -> None:
    """Nothing is divided by nothing where the index knows none of the words."""
    reading = read((("de", "Kurs"),), (), ())
    assert closeness(wishes(units("qqqqq"), 0, lambda _: 0), reading) == 0.0


@given(
    st.text(max_size=80), st.lists(st.sampled_from(["Miete.", "Schulden!", "Deutsch lernen:"]), max_size=150)
)
def test_an_index_keeps_readings_as_they_are(title: str, sentences: list[str]) -> None:
    """What comes out of an index is what was read, however many sentences there are."""
    reading = read_once(
        (("de", title),), (("", "Verein"),), (("de", " ".join(sentences)), ("en", "Rent. Debt."))
    )
    assert unpacked(packed(reading)) == reading


def test_other_readings_have_another_number() -> None:
    """Indexes keep readings: who changes what is read raises READING, so that they are built anew."""
    text = (("de", "Haus und Garten. Nach § 104 c: mit Kind!"), ("en", "The garden."))
    reading = packed(read_once((("de", "Haus am Park"),), (("", "Verein"), ("de", "Arzt")), text))
    assert (READING, hashlib.sha256(reading).hexdigest()[:12]) == (1, "82cc66662ca2")
