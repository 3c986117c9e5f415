"""What is refused at the border, with the path of the field and the reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import checking as check
from directory.contacts import mail, phone, url
from directory.problems import InvalidInput
from directory.values import (
    Capacity,
    ContactPoint,
    CourseFacts,
    CourseRun,
    EligibilityRule,
    InterpretedLanguage,
    InterpretingFacts,
    LanguageOffered,
    OpeningHours,
    OpeningPeriod,
    RecognitionFacts,
)
from directory.vocabulary import (
    Answer,
    CapacityState,
    CefrLevel,
    ContactKind,
    Gender,
    ResidenceStatus,
    WorkPermission,
)

TODAY = date(2026, 3, 2)


def refusal(act: Callable[[], object]) -> tuple[str, str]:
    """Return field and reason of the refusal."""
    with pytest.raises(InvalidInput) as refused:
        act()
    return refused.value.field, refused.value.reason


@pytest.mark.parametrize(
    ("given_number", "e164"),
    [
        ("0355 612-0", "+493556120"),
        ("(0355) 612 12 34", "+493556121234"),
        ("+49 (0) 355 6121234", "+493556121234"),
        ("0049 355 6121234", "+493556121234"),
        ("0800 1110111", "+498001110111"),
        ("+48 22 500 10 00", "+48225001000"),
        ("+1 305-555-0100", "+13055550100"),
    ],
)
def test_a_phone_number_becomes_e164(given_number: str, e164: str) -> None:
    """A number without a country is a German one."""
    assert phone(given_number, "value") == e164


@pytest.mark.parametrize(
    "wrong",
    ["", "abc", "12", "0355 612 12 34 56 78 90 12", "+999 123456", "0355 6120 ext. 12", "1" * 70, "\x00"],
)
def test_what_is_no_phone_number(wrong: str) -> None:
    """An extension has a field of its own."""
    assert refusal(lambda: phone(wrong, "value")) == ("value", "phone")


@pytest.mark.parametrize(
    "right", ["a@example.org", "a.b+c@sub.example.org", "a@müller.example", "x_y@a-b.de"]
)
def test_a_plausible_mail_address(right: str) -> None:
    """Names of hosts may have umlauts."""
    assert mail(right, "value") == right


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "a",
        "a@b",
        "@example.org",
        "a@",
        "a b@example.org",
        "a@exa mple.org",
        "a..b@example.org",
        ".a@example.org",
        "a@example.org\nBcc: b@example.org",
        "a@-example.org",
        "a@example..org",
        "a@1.2.3.4",
        "x" * 65 + "@example.org",
        "a@" + "b" * 250 + ".org",
    ],
)
def test_what_is_no_mail_address(wrong: str) -> None:
    """Two addresses, lines and hosts without a dot are refused."""
    assert refusal(lambda: mail(wrong, "value")) == ("value", "mail")


@pytest.mark.parametrize(
    "right",
    [
        "https://example.org",
        "http://example.org:8080/a?b=c#d",
        "https://müller.example/ä",
        "HTTPS://EXAMPLE.ORG",
    ],
)
def test_a_web_address(right: str) -> None:
    """It stays as it was written."""
    assert url(right, "website") == right


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "example.org",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.org",
        "//example.org",
        "https://",
        "https://nodots",
        "https://user:secret@example.org",
        "https://example.org/a b",
        "https://example.org/\nx",
        "https://example.org\\@evil.example",
        "http://[::1",
        "https://example.org:99999",
        "https://example.org/" + "a" * 2_000,
    ],
)
def test_what_is_no_web_address(wrong: str) -> None:
    """Only what a browser may open as a page, and nothing that hides where it leads."""
    assert refusal(lambda: url(wrong, "website")) == ("website", "url")


@given(st.text(max_size=80))
def test_any_text_is_a_contact_or_refused(text: str) -> None:
    """No text crashes the checks, and what passes once passes again unchanged."""
    for checker in (phone, mail, url):
        try:
            normal = checker(text, "value")
        except InvalidInput:
            continue
        assert checker(normal, "value") == normal


@pytest.mark.parametrize(
    ("tag", "spelled"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("de-de", "de-DE"),
        ("zh_hant", "zh-Hant"),
        ("KMR", "kmr"),
        ("es-419", "es-419"),
    ],
)
def test_a_language_tag_is_brought_into_its_spelling(tag: str, spelled: str) -> None:
    """BCP 47: language, script, region."""
    assert check.language(tag, "language") == spelled


@pytest.mark.parametrize("tag", ["", "d", "german", "de-", "de--DE", "12", "de-1", "ä"])
def test_what_is_no_language_tag(tag: str) -> None:
    """Names of languages are no tags."""
    assert refusal(lambda: check.language(tag, "language")) == ("language", "language")


@pytest.mark.parametrize(
    ("act", "field", "reason"),
    [
        (lambda: check.short_text("  ", "name"), "name", "empty"),
        (lambda: check.short_text("x" * 301, "name"), "name", "too-long"),
        (lambda: check.short_text("a\nb", "name"), "name", "control-character"),
        (lambda: check.short_text("a\x00b", "name"), "name", "control-character"),
        (lambda: check.long_text("a\ud800b", "note"), "note", "control-character"),
        (lambda: check.long_text("Amt\u202etmA", "note"), "note", "control-character"),
        (lambda: check.short_text("\u2066Amt\u2069", "name"), "name", "control-character"),
        (lambda: check.long_text("a\x85b", "note"), "note", "control-character"),
        (lambda: check.long_text("a\uffffb", "note"), "note", "control-character"),
        (lambda: check.long_text("x" * 20_001, "note"), "note", "too-long"),
        (lambda: check.titles({}, "title", needed=True), "title", "required"),
        (lambda: check.titles({"de": " "}, "title"), "title.de", "empty"),
        (lambda: check.titles({"deutsch": "x"}, "title"), "title.deutsch", "language"),
        (lambda: check.titles({"de": "x", "DE": "y"}, "title"), "title", "duplicate"),
        (
            lambda: check.texts({f"a{chr(97 + n // 26)}{chr(97 + n % 26)}": "x" for n in range(61)}, "d"),
            "d",
            "too-many",
        ),
        (lambda: check.territory("1205x", "area.0"), "area.0", "territory"),
        (lambda: check.territory("1", "area.0"), "area.0", "territory"),
        (lambda: check.territory("١٢", "area.0"), "area.0", "territory"),
        (lambda: check.territory("12071304", "area.0"), "area.0", "municipality-key"),
        (lambda: check.territory("12 071 304", "area.0"), "area.0", "municipality-key"),
        (
            lambda: check.eligibility(
                [EligibilityRule(answer=Answer.FITS, residence=("12071304",))], "eligibility"
            ),
            "eligibility.0.residence.0",
            "municipality-key",
        ),
        (lambda: check.topic_code("Kurs!", "topics.0"), "topics.0", "unknown-value"),
        (lambda: check.different([1, 2, 1], "topics"), "topics.2", "duplicate"),
        (
            lambda: check.languages_offered([LanguageOffered(language="x")], "languages"),
            "languages.0.language",
            "language",
        ),
        (
            lambda: check.contact_points(
                [
                    ContactPoint(kind=ContactKind.PHONE, value="0355 6120"),
                    ContactPoint(kind=ContactKind.EMAIL, value="a"),
                ],
                "contactPoints",
            ),
            "contactPoints.1.value",
            "mail",
        ),
        (
            lambda: check.contact_points(
                [ContactPoint(kind=ContactKind.EMAIL, value="a@example.org", extension="1")], "contactPoints"
            ),
            "contactPoints.0.extension",
            "format",
        ),
        (
            lambda: check.contact_points(
                [ContactPoint(kind=ContactKind.WEB, value="https://example.org/" + "a" * 300)],
                "contactPoints",
            ),
            "contactPoints.0.value",
            "too-long",
        ),
        (
            lambda: check.eligibility(
                [EligibilityRule(work_permission=(WorkPermission.ASK,), answer=Answer.FITS)], "eligibility"
            ),
            "eligibility.0.workPermission",
            "unknown-value",
        ),
        (
            lambda: check.eligibility(
                [EligibilityRule(age_from=18, age_to=17, answer=Answer.FITS)], "eligibility"
            ),
            "eligibility.0.ageTo",
            "ages-order",
        ),
        (
            lambda: check.eligibility(
                [EligibilityRule(level_from=CefrLevel.B1, level_to=CefrLevel.A1, answer=Answer.FITS)],
                "eligibility",
            ),
            "eligibility.0.levelTo",
            "levels-order",
        ),
        (
            lambda: check.eligibility(
                [EligibilityRule(residence=("Cottbus",), answer=Answer.FITS)], "eligibility"
            ),
            "eligibility.0.residence.0",
            "territory",
        ),
        (
            lambda: check.eligibility(
                [EligibilityRule(genders=(Gender.MAN, Gender.MAN), answer=Answer.FITS)], "eligibility"
            ),
            "eligibility.0.genders.1",
            "duplicate",
        ),
        (
            lambda: check.eligibility(
                [
                    EligibilityRule(
                        statuses=(ResidenceStatus.SECTION_104C,),
                        answer=Answer.FITS,
                        valid_from=date(2026, 2, 1),
                        valid_to=date(2026, 1, 31),
                    )
                ],
                "eligibility",
            ),
            "eligibility.0.validTo",
            "dates-order",
        ),
        (
            lambda: check.capacity(Capacity(state=CapacityState.OPEN, places=0), "capacity", TODAY),
            "capacity.state",
            "places-contradict-state",
        ),
        (
            lambda: check.capacity(Capacity(state=CapacityState.NONE, places=3), "capacity", TODAY),
            "capacity.state",
            "places-contradict-state",
        ),
        (
            lambda: check.capacity(Capacity(state=CapacityState.OPEN, places=-1), "capacity", TODAY),
            "capacity.places",
            "too-small",
        ),
        (
            lambda: check.capacity(Capacity(waiting_weeks=521), "capacity", TODAY),
            "capacity.waitingWeeks",
            "too-large",
        ),
        (
            lambda: check.capacity(Capacity(expires_on=date(2026, 3, 1)), "capacity", TODAY),
            "capacity.expiresOn",
            "dates-order",
        ),
        (
            lambda: check.course(CourseFacts(level_from=CefrLevel.B2, level_to=CefrLevel.A1), "course"),
            "course.levelTo",
            "levels-order",
        ),
        (
            lambda: check.course(
                CourseFacts(runs=(CourseRun(starts_on=date(2026, 3, 2), ends_on=date(2026, 3, 1)),)), "course"
            ),
            "course.runs.0.endsOn",
            "dates-order",
        ),
        (
            lambda: check.course_runs(
                [CourseRun(apply_by=date(2026, 3, 2), ends_on=date(2026, 3, 1))], "runs"
            ),
            "runs.0.applyBy",
            "dates-order",
        ),
        (
            lambda: check.course_runs([CourseRun(full=True, places=2)], "runs"),
            "runs.0.full",
            "places-contradict-state",
        ),
        (lambda: check.course_runs([CourseRun(), CourseRun()], "runs"), "runs.0", "duplicate"),
        (lambda: check.course_runs([CourseRun()] * 61, "runs"), "runs", "too-many"),
        (lambda: check.course(CourseFacts(lessons=0), "course"), "course.lessons", "too-small"),
        (lambda: check.course(CourseFacts(cost_cents=-1), "course"), "course.costCents", "too-small"),
        (
            lambda: check.recognition(RecognitionFacts(occupations=("nurse",)), "recognition"),
            "recognition.occupations.0",
            "unknown-value",
        ),
        (
            lambda: check.interpreting(InterpretingFacts(), "interpreting"),
            "interpreting.languages",
            "required",
        ),
        (
            lambda: check.interpreting(
                InterpretingFacts(languages=(InterpretedLanguage(language="tigrinya"),)), "interpreting"
            ),
            "interpreting.languages.0.language",
            "language",
        ),
        (
            lambda: check.opening_hours(
                OpeningHours(periods=(OpeningPeriod(weekday=1, opens="10:00", closes="09:00"),)), "hours"
            ),
            "hours.periods.0.closes",
            "times-order",
        ),
        (
            lambda: check.opening_hours(
                OpeningHours(periods=(OpeningPeriod(weekday=8, opens="10:00", closes="12:00"),)), "hours"
            ),
            "hours.periods.0.weekday",
            "too-large",
        ),
        (
            lambda: check.opening_hours(
                OpeningHours(periods=(OpeningPeriod(weekday=1, opens="9", closes="12:00"),)), "hours"
            ),
            "hours.periods.0.opens",
            "time",
        ),
        (
            lambda: check.opening_hours(
                OpeningHours(
                    periods=(
                        OpeningPeriod(weekday=1, opens="09:00", closes="12:00"),
                        OpeningPeriod(weekday=1, opens="11:00", closes="13:00"),
                    )
                ),
                "hours",
            ),
            "hours.periods.1.opens",
            "overlap",
        ),
        (lambda: check.opening_hours(OpeningHours(timezone="Mars"), "hours"), "hours.timezone", "timezone"),
        (lambda: check.opening_hours(OpeningHours(timezone="Europe"), "hours"), "hours.timezone", "timezone"),
        (lambda: check.opening_hours(OpeningHours(timezone="../x"), "hours"), "hours.timezone", "timezone"),
        (lambda: check.opening_hours(OpeningHours(timezone=""), "hours"), "hours.timezone", "timezone"),
        (lambda: check.coordinate(float("nan"), "latitude", 90), "latitude", "too-small"),
        (lambda: check.coordinate(91.0, "latitude", 90), "latitude", "too-large"),
        (lambda: list(check.elements([0] * 101, "area")), "area", "too-many"),
    ],
)
def test_what_is_refused(act: Callable[[], object], field: str, reason: str) -> None:
    """Each wrong value names its place in the input."""
    assert refusal(act) == (field, reason)


def test_unpaired_values_are_left_alone() -> None:
    """What is not known is not wrong."""
    assert check.course(CourseFacts(level_to=CefrLevel.B1, runs=(CourseRun(ends_on=TODAY),)), "course").runs
    assert check.eligibility([EligibilityRule(answer=Answer.FITS)], "eligibility")


def test_runs_are_kept_in_the_order_in_which_they_begin() -> None:
    """A run without a beginning comes last; one without places left is full."""
    given = [CourseRun(), CourseRun(starts_on=date(2026, 9, 1), places=0), CourseRun(starts_on=TODAY)]

    assert check.course_runs(given, "runs") == (
        CourseRun(starts_on=TODAY),
        CourseRun(starts_on=date(2026, 9, 1), places=0, full=True),
        CourseRun(),
    )
    assert check.capacity(Capacity(), "capacity", TODAY) == Capacity(as_of=TODAY)
    assert check.optional_text("  ", "exam") is None


def test_the_refused_value_is_not_repeated() -> None:
    """A problem goes into logs and answers."""
    with pytest.raises(InvalidInput) as refused:
        mail("secret.person", "value")

    assert "secret" not in f"{refused.value!r}{refused.value.values}"


def test_uuids_may_be_checked_for_being_different() -> None:
    """The check is for anything that can be compared."""
    assert check.different([UUID(int=1), UUID(int=2)], "locationIds") == (UUID(int=1), UUID(int=2))
