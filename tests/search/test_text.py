"""How search sees words: spellings that are one, compounds taken apart, any script unharmed."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from search.concepts import concepts
from search.text import (
    Wanted,
    distance,
    fold,
    fragment,
    pieces_within,
    query_words,
    split_compound,
    stem,
    tokens,
    typos_allowed,
)


@pytest.mark.parametrize(
    "spellings",
    [
        ("Ärzte", "Aerzte", "ärzte", "A\u0308rzte", "ARZTE"),
        ("Straße", "Strasse", "STRASSE"),
        ("Übersetzung", "Uebersetzung", "uebersetzung"),
        ("Behörde", "Behoerde", "behorde"),
        ("Cottbus", "Chóśebuz", "Chosebuz", "Chósebus", "CHÓŚEBUZ", "Kottbus"),
        ("Łódź", "Lodz"),
        ("الشَّفَوِيَّة", "الشفوية"),
        ("می‌خواهم", "ميخواهم"),
        ("أحمد", "احمد"),
        ("Ёлка", "елка"),
    ],
)
def test_spellings_of_one_word_are_equal(spellings: tuple[str, ...]) -> None:
    """Case, accents, umlauts either way, Arabic letter forms and the names of Cottbus fall together."""
    assert len({fold(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("Steuer", "Stur"), ("neue", "neu"), ("Frauen", "Fraun"), ("Quelle", "Qulle")]
)
def test_ue_that_is_no_umlaut_stays(one: str, other: str) -> None:
    """After a vowel and after q, "ue" is no umlaut."""
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("§ 104c und §25b, § 104 c", ["104c", "und", "25b", "104c"]),
        ("Deutsch-B1-Kurs", ["deutsch", "b1", "kurs"]),
        ("Sprach- und Kulturmittlung", ["sprach", "und", "kulturmittlung", "sprachmittlung"]),
        ("ትርጉም አገልግሎት፣ ግዕዝ", ["ትርጉም", "አገልግሎት", "ግዕዝ"]),
        ("خدمات الترجمة، عربي", ["خدمات", "الترجمه", "عربي"]),
        ("перекладач та консультація", ["перекладач", "та", "консультація"]),
        ("!?*:()\"'\\\x00~^", []),
    ],
)
def test_a_text_has_words(text: str, words: list[str]) -> None:
    """Any script is taken apart by words; paragraph numbers and half words are completed."""
    assert [token.word for token in tokens(text)] == words


@pytest.mark.parametrize(
    ("compound", "parts"),
    [
        ("Sprachmittlung", ("sprach", "mittlung")),
        ("Arbeitsmarktintegration", ("arbeits", "markt", "integration")),
        ("Ausländerbehörde", ("auslander", "behorde")),
        ("Berufssprachkurse", ("berufs", "sprach", "kurse")),
        ("Handwerkskammer", ("handwerks", "kammer")),
        ("Aufenthaltstitel", ("aufenthalts", "titel")),
        ("Beratung", ("beratung",)),
        ("Kurs", ("kurs",)),
        ("international", ("international",)),
    ],
)
def test_compounds_have_parts(compound: str, parts: tuple[str, ...]) -> None:
    """German compounds are split where the last part is a word of the field; others stay whole."""
    assert split_compound(fold(compound)) == parts


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("beratungen", "beratung", "de"),
        ("kurse", "kursen", "de"),
        ("kurs", "kurse", "de"),
        ("qualifikationen", "qualifikation", "de"),
        ("courses", "course", "en"),
        ("recognised", "recognise", "en"),
    ],
)
def test_forms_of_a_word_share_a_stem(one: str, other: str, language: str) -> None:
    """Singular and plural, and the forms of a verb, are one."""
    assert stem(one, language) == stem(other, language)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=5, max_size=14).map(fold))
@example("auuen")
def test_stems_begin_like_their_words(word: str) -> None:
    """By this most words are known to be no building words before they are stemmed."""
    found = stem(word)

    assert word[: min(len(found), 3)] == found[:3]


def test_stop_words_count_only_when_there_is_nothing_else() -> None:
    """A question's function words are left out; a query of nothing else keeps them."""
    assert [word.word for word in query_words("Wo finde ich einen Deutschkurs?")] == ["deutschkurs"]
    assert [word.word for word in query_words("wer wo")] == ["wer", "wo"]


def test_the_last_word_may_be_being_typed() -> None:
    """Only a last word that the text ends with may be unfinished."""
    assert [word.last for word in query_words("kurs sprachm")] == [False, True]
    assert [word.last for word in query_words("kurs sprachm ")] == [False, False]


@pytest.mark.parametrize(
    ("one", "other", "typos"),
    [("kurs", "kurs", 0), ("kurs", "kusr", 1), ("anerkenung", "anerkennung", 1), ("abc", "xyz", 3)],
)
def test_typos_are_counted(one: str, other: str, typos: int) -> None:
    """A letter wrong, missing, too many or swapped is one typo each."""
    assert distance(one, other, 2) == typos


@given(st.text("abcd", max_size=7), st.text("abcde", max_size=7), st.integers(0, 3))
def test_typos_are_counted_up_to_a_number(one: str, other: str, most: int) -> None:
    """Whatever is known beforehand of words that are far apart."""
    assert distance(one, other, most) == min(distance(one, other, 20), most + 1) == distance(other, one, most)


def test_short_words_have_no_typos() -> None:
    """Of short words every other letter would be another word."""
    assert [typos_allowed(word) for word in ("job", "kurs", "beratung")] == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "words", "marked"),
    [
        ("Übersetzung für Ärzte", {"arzte"}, ["Ärzte"]),
        ("😀 Cho\u0301śebuz und Cottbus", {"cottbus"}, ["Cho\u0301śebuz", "Cottbus"]),
        ("مركز الترجمة الشفوية", {"الترجمه"}, ["الترجمة"]),
    ],
)
def test_fragments_mark_characters(text: str, words: set[str], marked: list[str]) -> None:
    """Ranges count characters of the fragment, whatever their length in bytes."""
    found = fragment(text, Wanted(words=words))
    assert found is not None
    piece, ranges = found

    assert [piece[start:end] for start, end in ranges] == marked


def test_words_are_left_aside_only_where_nothing_matches() -> None:
    """What may not match is not taken apart; of the vocabulary's words none is missed for it."""
    names = (name for concept in concepts() for language, name in concept.names() if language in {"de", "en"})
    words = {token.word for name in names for token in tokens(name)} | {"dying", "hoping", "cry", "happy"}
    assert len(words) > 1_000
    for word in words:
        for rules in ("de", "en"):
            parts = (word, *split_compound(word))
            assert all(Wanted(stems={stem(part, rules)})._may_have(word) for part in parts), word


def test_a_long_text_is_cut_around_its_matches() -> None:
    """The fragment is short, holds the match, and its ranges are the fragment's own."""
    text = "Füllwort " * 200 + "Anerkennung ist hier. " + "Füllwort " * 200
    found = fragment(text, Wanted(words={"anerkennung"}))
    assert found is not None
    piece, ranges = found

    assert len(piece) <= 220
    assert [piece[start:end] for start, end in ranges] == ["Anerkennung"]


@given(st.text(max_size=300))
@example("a\u0300\u0301" * 50)
@example("\u202eabc\ufeff\U0010ffff")
def test_no_text_breaks_the_words(text: str) -> None:
    """Every token stands where it says, is folded already, and has no blank that would tear it apart."""
    for token in tokens(text):
        assert 0 <= token.start < token.end <= len(text)
        assert token.word
        assert not any(letter.isspace() for letter in token.word)
        assert len(token.word) <= 120
    cut = fragment(text, Wanted(prefixes={""}))
    if cut is not None:
        assert all(0 <= start < end <= len(cut[0]) for start, end in cut[1])


@given(st.text(alphabet=st.characters(categories=["L", "M", "N"]), min_size=1, max_size=40))
@example("ÆEE")
def test_folding_twice_changes_nothing_for_words_of_letters(word: str) -> None:
    """What the index holds and what the query asks are folded alike, however often."""
    assert fold(fold(word)) == fold(fold(fold(word)))


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("geschlechtergleichstellung", {"gleichstell", "geschlecht"}, ("gleichstell", "geschlecht")),
        ("geschlechtergleichstellung", {"gleichstell", "stellung"}, ("gleichstell",)),  # the longest
        ("fallschirm", {"fall"}, ()),  # too short to be what is meant
        ("fallschirm", set(), ()),
        ("курсы", {"курсы"}, ()),
    ],
)
def test_pieces_of_an_unknown_compound_are_words_of_their_own(
    word: str, known: set[str], found: tuple[str, ...]
) -> None:
    """Of a compound that no text has, its longest end and beginning that texts have are looked for."""
    assert pieces_within(word, known.__contains__) == found
