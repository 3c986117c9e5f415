"""Languages of texts: which one is read, which way it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.languages import PROJECT, choose, right_to_left


@pytest.mark.parametrize(
    ("language", "expected"),
    [("ar", True), ("fa", True), ("ckb", True), ("ku", False), ("ku-Arab", True), ("ar-Latn", False),
     ("ti", False), ("de", False), ("ar-SY", True), ("uz-Arab", True), ("prs", True)],
)  # fmt: skip
def test_which_languages_run_from_right_to_left(language: str, expected: bool) -> None:
    assert right_to_left(language) is expected


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (("ar",), "ar"),
        (("ar-SY",), "ar"),
        (("AR-sy",), "ar"),
        (("ti", "ar"), "ar"),
        (("ti",), "de"),
        ((), "de"),
    ],
)
def test_which_text_is_read(wanted: tuple[str, ...], found: str) -> None:
    texts = {"de": "Rat", "en": "advice", "ar": "مشورة"}

    assert choose(texts, wanted) == (found, texts[found])


@given(
    st.dictionaries(st.sampled_from(PROJECT), st.text(min_size=1, max_size=3), max_size=4),
    st.lists(st.sampled_from(PROJECT), max_size=3),
)
def test_any_text_is_better_than_none(texts: dict[str, str], wanted: list[str]) -> None:
    found = choose(texts, wanted)

    assert (found is None) is (not texts)
    assert found is None or texts[found[0]] == found[1]
