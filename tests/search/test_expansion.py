"""Other names of what a search names: phrases in any language, counted below the words, never needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.concepts import BadWords, concepts, fingerprint, read
from search.expansion import MOST_OTHERS, units
from search.local import LocalEngine
from search.text import query_words
from tests.search.samples import fill, find, ids, service


def others(text: str) -> set[tuple[str, ...]]:
    """Return all other names in a query."""
    return {other for unit in units(text) for other in unit.others}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("residence permit", ("aufenthaltserlaubnis",)),
        ("I need a German course", ("deutschkur",)),
        ("курсы немецкого языка", ("deutschkur",)),
        ("دورة اللغة الألمانية", ("deutschkur",)),
        ("переводчик", ("dolmetsch",)),
        ("interprète", ("dolmetsch",)),
        ("Rechtsanwald", ("anwalt",)),
        ("60a", ("duldung",)),
        ("§ 60a", ("duldung",)),
        ("Start-up", ("existenzgrund",)),  # with a hyphen it is a phrase, and one word too
        ("Startup", ("existenzgrund",)),
        ("Frau und Kinder nach Deutschland holen", ("familiennachzug",)),  # words that are not side by side
        ("darf ich arbeiten", ("arbeitserlaubnis",)),
        ("mein Mann schlägt mich", ("gewalt", "famili")),
        ("Rechtsberatungsstellen", ("rechtsberat",)),  # a part of a compound that is no name itself
    ],
)
def test_names_of_other_languages_mean_the_german_one(text: str, name: tuple[str, ...]) -> None:
    """Phrases count as wholes, whatever stands around them; a misspelt name is guessed."""
    assert name in others(text)


def test_a_guess_is_marked() -> None:
    """A name that is there is no guess; one with a typo is."""
    assert [unit.guessed for unit in units("Rechtsanwalt")] == [False]
    assert [unit.guessed for unit in units("Rechtsanwald")] == [True]


def test_names_that_say_the_opposite_without_their_function_words_are_not_looked_for() -> None:
    """Who asks for wages that were not paid is not sent to all who write of paid wages."""
    assert ("lohn", "gezahlt") not in others("unpaid wages")
    assert ("arbeit",) not in others("darf ich arbeiten")


def test_german_names_come_first_and_leave_room_for_english_ones() -> None:
    """Every service has German texts; some have English ones only."""
    (unit,) = units("Existenzgründung")
    assert unit.others[0] == ("grundung",)
    assert ("found", "compani") in unit.others


def test_words_beside_a_name_count_less() -> None:
    """Of "Kinder bald holen" no word means what it does alone; "darf ich" makes a name of "arbeiten"."""
    assert [word.weight for word in units("Kinder bald holen")[0].words] == [pytest.approx(0.4)]
    assert units("darf ich arbeiten")[0].words[0].weight < 1.0 == units("arbeiten")[0].words[0].weight


@given(st.text(max_size=120))
def test_no_word_gets_lost_or_doubled(text: str) -> None:
    """Units have the words of the query, each once, and no more other names than are looked for."""
    found = [word.word for unit in units(text) for word in unit.words]

    assert sorted(found) == sorted(word.word for word in query_words(text))
    assert all(len(unit.others) <= MOST_OTHERS for unit in units(text))


def test_other_names_rank_below_the_word_and_are_not_needed(tmp_path: Path) -> None:
    """Who has the word comes first, who has another name also comes, and who has neither does not."""
    engine = LocalEngine(tmp_path / "index")
    word, name, neither = service("Rechtsanwältin"), service("Hilfe vom Anwalt"), service("Sportverein")
    fill(engine, [neither, name, word])

    assert ids(find(engine, "Rechtsanwältin")) == [word.id, name.id]
    assert ids(find(engine, "lawyer"))[:2] in ([word.id, name.id], [name.id, word.id])
    engine.resign()


def test_words_of_this_release_are_read() -> None:
    """Ids differ, every thing has a German name, and the fingerprint tells which words an index has."""
    known = concepts()

    assert len({one.id for one in known}) == len(known) > 500
    assert all(one.labels["de"] for one in known)
    assert len(fingerprint()) == 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{}", "Expected"),
        (b'[{"de": ["Kurs"]}]', "no id"),
        (b'[{"id": "course", "en": ["course"]}]', "no German word"),
        (b'[{"id": "course", "de": [""]}]', "names"),
        (b'[{"id": "course", "de": ["Kurs"], "klingon": ["x"]}]', "klingon"),
    ],
)
def test_bad_words_are_refused_with_their_place(text: bytes, said: str) -> None:
    """A file that is not as it must be is named, with the entry."""
    with pytest.raises(BadWords, match=said) as refused:
        read(text, "courses.json")
    assert "courses.json" in str(refused.value)
