"""The order of names is the German dictionary's, and a cursor survives its trip."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from directory.problems import InvalidInput
from directory.sortkey import folded, prefix_range, sort_key
from directory.sources import decode_cursor, encode_cursor


def test_the_order_is_the_dictionarys() -> None:
    """DIN 5007-1: ä sorts with a, ß with ss; accents and case decide last."""
    names = [
        "Zebra",
        "Äpfel",
        "Apfel",
        "apfelmus",
        "Straße",
        "Strasse",
        "Straßen",
        "Ökumene",
        "Oder",
        "Chóśebuz",
    ]

    assert sorted(names, key=sort_key) == [
        "Apfel",
        "Äpfel",
        "apfelmus",
        "Chóśebuz",
        "Oder",
        "Ökumene",
        "Strasse",
        "Straße",
        "Straßen",
        "Zebra",
    ]


@given(st.text(), st.text())
def test_equal_words_sort_together(first: str, second: str) -> None:
    """The order of the keys is first of all the order of the folded words."""
    if folded(first) < folded(second):
        assert sort_key(first)[:400] <= sort_key(second)[:400]


@given(st.text())
@example("℻")
@example("ŉ")
@example("İ")
def test_folding_twice_is_folding_once(text: str) -> None:
    """Nothing is left that folding would change."""
    assert folded(folded(text)) == folded(text)
    assert folded(text) == folded(text.upper()) or any(ord(c) > 127 for c in text)


@given(st.text(max_size=3_000))
@example("\ufdfa" * 300)
def test_a_key_fits_an_index(text: str) -> None:
    """An index entry of PostgreSQL ends at about 2,700 bytes."""
    assert len(sort_key(text)) <= 1_001


@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_a_prefix_finds_what_begins_with_it(prefix: str, rest: str) -> None:
    """Typed with or without accents, case and punctuation."""
    low, high = prefix_range(prefix)
    if folded(prefix + rest).startswith(folded(prefix)):
        assert low <= sort_key(prefix + rest) < high


@given(st.binary(max_size=1_001), st.uuids())
def test_a_cursor_comes_back_as_it_went(key: bytes, id_: UUID) -> None:
    """Opaque outside, exact inside."""
    assert decode_cursor(encode_cursor(key, id_)) == (key, id_)


@given(st.text(max_size=60))
@example("A" * 3_000)
@example("AAAA")
@example("=" * 8)
def test_any_other_text_is_no_cursor(text: str) -> None:
    """It is refused as such, or was one."""
    try:
        key, id_ = decode_cursor(text)
    except InvalidInput as refused:
        assert (refused.field, refused.reason) == ("after", "cursor")
    else:
        assert encode_cursor(key, id_) == text


def test_a_cut_cursor_is_refused() -> None:
    """Half a cursor is not another position."""
    with pytest.raises(InvalidInput):
        decode_cursor(encode_cursor(b"abc", UUID(int=1))[:10])
