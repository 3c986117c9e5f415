"""One-time codes: long, unmistakable, however they are typed, each for one purpose only."""

from __future__ import annotations

import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referrals.codes import ALPHABET, GROUP_LENGTH, GROUPS, LONGEST, CodePurpose, hash_of, new_code


def test_a_code_cannot_be_guessed_and_is_not_misread() -> None:
    codes = {new_code() for _ in range(200)}

    assert len(codes) == 200
    assert {len(code) for code in codes} == {GROUPS * GROUP_LENGTH + GROUPS - 1}
    assert GROUPS * GROUP_LENGTH * math.log2(len(ALPHABET)) > 122
    assert not set("0O1ILU") & set(ALPHABET)


@given(st.text(alphabet=ALPHABET, min_size=25, max_size=25), st.integers(1, 24), st.sampled_from(CodePurpose))
def test_a_code_means_the_same_however_it_is_typed(signs: str, cut: int, purpose: CodePurpose) -> None:
    assert hash_of(signs, purpose) == hash_of(f" {signs[:cut].lower()}-{signs[cut:]} ", purpose)


@given(st.text(max_size=LONGEST * 2))
def test_whatever_is_typed_has_a_hash_per_purpose(typed: str) -> None:
    assert len({hash_of(typed, purpose) for purpose in CodePurpose}) == len(CodePurpose)


@pytest.mark.parametrize("code", ["ABCDE-FGHJK-MNPQR-STVWX-YZ234"])
def test_hashes_that_are_stored_stay_valid(code: str) -> None:
    """What was issued before stays valid: the bytes that are hashed are part of the contract."""
    stored = hashlib.sha256(b"spurwechsel feedback\0ABCDEFGHJKMNPQRSTVWXYZ234").digest()

    assert hash_of(code, CodePurpose.FEEDBACK) == stored
