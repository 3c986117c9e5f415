"""What the importer can put right in real packages, and what it leaves as unreadable."""

from __future__ import annotations

import re
from datetime import date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory.importing import repairs
from directory.importing.hsds11 import partner_kind
from directory.importing.staging import next_capacity, next_state
from directory.values import Capacity, LanguageOffered, OpeningPeriod
from directory.vocabulary import PublicationState


@pytest.mark.parametrize(
    ("opens", "closes", "expected"),
    [
        ("9:00am", "5:00pm", [(0, "09:00", "17:00")]),
        ("09:00", "17:30", [(0, "09:00", "17:30")]),
        ("7:30 am ", "6:00 pm", [(0, "07:30", "18:00")]),
        ("9am", "12:00pm", [(0, "09:00", "12:00")]),
        ("830am", "5p", [(0, "08:30", "17:00")]),
        ("9:00 a.m.", "4:00 p.m.", [(0, "09:00", "16:00")]),
        ("12:00am", "12:00am", [(0, "00:00", "24:00")]),
        ("00:00", "24:00", [(0, "00:00", "24:00")]),
        ("08:00:00", "12:00:00", [(0, "08:00", "12:00")]),
        ("10:00pm", "2:00am", [(0, "22:00", "24:00"), (1, "00:00", "02:00")]),
        ("9:00am", "5:00", None),  # five in the morning or in the afternoon
        ("9:00am", "9:00am", None),
        ("13:00pm", "5:00pm", None),
        ("25:00", "26:00", None),
        ("9", "17", None),
        ("9:3am", "5:00pm", None),
        ("9:00am", "5:00pm Mon", None),
        ("Dismissal Bell", "6:00pm", None),
    ],
)
def test_opening_times(opens: str, closes: str, expected: list[tuple[int, str, str]] | None) -> None:
    assert repairs.opening(opens, closes)[0] == expected


@pytest.mark.parametrize(
    ("written", "region", "expected"),
    [
        ("305-253-4841", "US", ("+13052534841", None)),
        ("305-573-4200 x57471", "US", ("+13055734200", "57471")),
        ("+49 355 6120", None, ("+493556120", None)),
        ("0355 612-0", "DE", ("+493556120", None)),
        ("305-253-4841", None, None),
        ("253-4841", "US", None),
        ("911", "US", None),
        ("305-253-*841", "US", None),
        ("call us", "US", None),
    ],
)
def test_phone_numbers(written: str, region: str | None, expected: tuple[str, str | None] | None) -> None:
    assert repairs.phone(written, "", region)[0] == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("English", [("en", False)]),
        ("tigrinya", [("ti", False)]),
        ("de", [("de", False)]),
        ("English and Spanish", [("en", False), ("es", False)]),
        ("Spanish\\nCreole (limited)", [("es", False), ("ht", False)]),
        ("French with translators available", [("fr", True)]),
        ("American Sign Language", [("ase", False)]),
        ("Spanish (website)", []),
        ("other languages available upon request", []),
        ("Klingon", []),
        ("", []),
    ],
)
def test_languages(said: str, expected: list[tuple[str, bool]]) -> None:
    assert repairs.languages(said)[0] == expected


def test_the_table_of_languages_holds_valid_tags_only() -> None:
    for tag in repairs.LANGUAGES.values():
        msgspec.convert({"language": tag}, LanguageOffered)


@pytest.mark.parametrize(
    ("value", "expected", "how"),
    [
        (" plain ", "plain", ()),
        ("one\\ntwo", "one\ntwo", ("LINE_BREAKS",)),
        ("StateGÇÖs GÇ£textGÇ¥", "State’s “text”", ("MOJIBAKE",)),
        ("a\x07b\x9fc", "abc", ("CONTROL_CHARACTERS",)),
        ("x" * 30, "x" * 19 + "…", ("CUT",)),
    ],
)
def test_texts(value: str, expected: str, how: tuple[str, ...]) -> None:
    assert repairs.text(value, 20) == (expected, how)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("www.example.org", "http://www.example.org"),
        ("https://example.org/a?b=c", "https://example.org/a?b=c"),
        ("javascript:alert(1)", None),
        ("http:/example.org", None),
        ("https://somebody:secret@example.org", None),
        ("example dot org", None),
    ],
)
def test_web_addresses(value: str, expected: str | None) -> None:
    assert repairs.web_address(value)[0] == expected


@pytest.mark.parametrize(
    ("tax_status", "legal_status", "expected"),
    [
        ("", "", "FREE_PROVIDER"),
        ("501(c)(3)", "Corporation", "FREE_PROVIDER"),
        ("", "Nonprofit", "FREE_PROVIDER"),
        ("", "Government agency", "AUTHORITY"),
        ("for-profit", "LLC", "BUSINESS"),
    ],
)
def test_kind_of_an_organisation(tax_status: str, legal_status: str, expected: str) -> None:
    assert partner_kind(tax_status, legal_status)[0].value == expected


DRAFT, PUBLISHED, HIDDEN = PublicationState.DRAFT, PublicationState.PUBLISHED, PublicationState.HIDDEN


@pytest.mark.parametrize(
    ("current", "said", "publish", "expected"),
    [
        (None, None, False, DRAFT),
        (None, None, True, PUBLISHED),
        (None, DRAFT, True, PUBLISHED),
        (None, HIDDEN, True, HIDDEN),
        (DRAFT, None, False, DRAFT),
        (DRAFT, None, True, PUBLISHED),
        (PUBLISHED, None, False, PUBLISHED),
        (PUBLISHED, DRAFT, False, PUBLISHED),
        (PUBLISHED, HIDDEN, False, HIDDEN),
        (HIDDEN, PUBLISHED, True, HIDDEN),
    ],
)
def test_an_import_never_takes_back_nor_shows_again(
    current: PublicationState | None,
    said: PublicationState | None,
    publish: bool,
    expected: PublicationState,
) -> None:
    assert next_state(current, said, publish) is expected


def capacity(**said: object) -> Capacity:
    return msgspec.convert(said, Capacity)


TODAY = date(2026, 2, 20)
NEW = capacity(state="FEW", places=1, as_of="2026-02-01", expires_on="2026-02-28")


@pytest.mark.parametrize(
    ("current", "said", "corrected", "expected"),
    [
        # an old figure never counts for ever: four weeks from the day it is of, or from its first reading
        (None, {"state": "OPEN", "as_of": "2020-01-01"}, False, ("OPEN", "2020-01-01", "2020-01-28")),
        (None, {"state": "OPEN"}, False, ("OPEN", "2026-02-20", "2026-03-19")),
        (None, {"state": "OPEN", "expires_on": "2026-02-21"}, False, ("OPEN", "2026-02-20", "2026-02-21")),
        (None, {}, False, ("UNKNOWN", None, None)),
        (Capacity(), {"state": "OPEN"}, False, ("OPEN", "2026-02-20", "2026-03-19")),
        # a live figure here gives way to a newer one only
        (NEW, {"state": "OPEN", "as_of": "2026-01-01"}, False, ("FEW", "2026-02-01", "2026-02-28")),
        (NEW, {"state": "OPEN"}, False, ("FEW", "2026-02-01", "2026-02-28")),
        (NEW, {"state": "OPEN", "as_of": "2026-02-02"}, False, ("OPEN", "2026-02-02", "2026-03-01")),
        # an export of ours in which the figure was corrected, and nobody thought of its day
        (NEW, {"state": "FEW", "places": 3, "as_of": "2026-02-01", "expires_on": "2026-02-28"}, True,
         ("FEW", "2026-02-20", "2026-03-19")),
        (NEW, {"state": "NONE"}, True, ("NONE", "2026-02-20", "2026-03-19")),
        (NEW, {"state": "FEW", "places": 1}, True, ("FEW", "2026-02-01", "2026-02-28")),
        (NEW, {"state": "OPEN", "as_of": "2026-01-01"}, True, ("FEW", "2026-02-01", "2026-02-28")),
    ],
)  # fmt: skip
def test_which_capacity_counts_after_an_import_and_until_when(
    current: Capacity | None,
    said: dict[str, object],
    corrected: bool,
    expected: tuple[str, str | None, str | None],
) -> None:
    kept = next_capacity(current, capacity(**said), TODAY, corrected=corrected)
    days = tuple(day and day.isoformat() for day in (kept.as_of, kept.expires_on))
    assert (kept.state, *days) == expected


@settings(max_examples=60)
@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["US", "DE", None]))
def test_no_text_makes_a_repair_fail(one: str, two: str, region: str | None) -> None:
    for days_later, opens, closes in repairs.opening(one, two)[0] or []:
        assert days_later in {0, 1}
        msgspec.convert({"weekday": 1, "opens": opens, "closes": closes}, OpeningPeriod)
        assert opens < closes
    reached, _ = repairs.phone(one, "", region)
    assert reached is None or re.fullmatch(r"\+[0-9]{4,15}", reached[0])
    for tag, _ in repairs.languages(one + two)[0]:
        msgspec.convert({"language": tag}, LanguageOffered)
    repairs.weekday(one)
    repairs.web_address(one)
    repairs.mail_address(one)
    assert "\0" not in repairs.text(one, 100)[0]


@settings(max_examples=60)
@given(st.integers(0, 24 * 60 - 1), st.booleans())
def test_every_time_of_the_day_is_read_in_both_ways_of_writing(minutes: int, spaced: bool) -> None:
    hour, minute = divmod(minutes, 60)
    half = ("" if not spaced else " ") + ("am" if hour < 12 else "pm")
    assert repairs.wall_time(f"{hour % 12 or 12}:{minute:02d}{half}")[0] == (minutes, True)
    assert repairs.wall_time(repairs.as_wall_time(minutes)) == ((minutes, False), ())
