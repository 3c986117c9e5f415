"""Every word that people see has a label in German and English."""

from enum import StrEnum

import pytest

from referrals import vocabulary
from referrals.vocabulary import (
    ANSWER_DAYS,
    OPEN_STATES,
    READABLE_STATES,
    TERMINAL_STATES,
    UNSENT_STATES,
    Priority,
    ReferralState,
)

UNSEEN = {"EventActor", "AnswerSource", "ApprovalMove", "ApprovalState"}
"""Words that no page shows as such."""

VOCABULARIES = [
    enum
    for enum in vars(vocabulary).values()
    if isinstance(enum, type) and issubclass(enum, StrEnum) and enum.__module__ == vocabulary.__name__
]


@pytest.mark.parametrize("enum", [enum for enum in VOCABULARIES if enum.__name__ not in UNSEEN])
def test_every_word_has_its_own_label(enum: type[StrEnum]) -> None:
    for language in ("de", "en"):
        labels = [vocabulary.label(word, language) for word in enum]
        assert all(labels)
        assert len(set(labels)) == len(labels)


def test_every_state_is_open_or_over() -> None:
    assert set(ReferralState) == OPEN_STATES | TERMINAL_STATES
    assert not OPEN_STATES & TERMINAL_STATES
    assert READABLE_STATES == OPEN_STATES - UNSENT_STATES


def test_the_more_urgent_the_sooner() -> None:
    assert [ANSWER_DAYS[priority] for priority in Priority] == [1, 3, 10]
