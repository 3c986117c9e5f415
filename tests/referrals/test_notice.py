"""What a person is shown: complete in every language, the same for ever, and hashed as it was shown."""

from __future__ import annotations

import hashlib
import io
import json
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from directory.problems import InvalidInput
from directory.vocabulary import DataProtectionLaw, PartnerKind
from referrals.consent.notice import (
    BINDING,
    CURRENT,
    TEXT_ID,
    LineKind,
    Notice,
    SectionKey,
    language_for,
    languages,
    printout,
    public_bodies,
    render_notice,
    render_receipt,
    render_section_87,
    versions,
)
from referrals.consent.rules import decided, reduced, terms_of
from referrals.printing import render
from referrals.values import ConsentTerms, Party, PurposeTerms, Withdrawal
from referrals.vocabulary import (
    Channel,
    DataCategory,
    Purpose,
    ReportDepth,
    WithdrawalScope,
)

TEXTS = Path(__file__).parents[2] / "referrals" / "consent" / "consent_texts"
GOLDEN = Path(__file__).with_name("consent_texts.json")


def party(number: int, name: str, **facts: object) -> Party:
    given = {"kind": PartnerKind.FREE_PROVIDER, "contact": f"stelle{number}@example.org", **facts}
    return Party(partner_id=UUID(int=number), name=name, **given)  # type: ignore[arg-type]


CITY = party(
    1, "Stadt Cottbus", kind=PartnerKind.MUNICIPAL_PROJECT, public_body=True, professional_secrecy=True
)
PROVIDER = party(2, "Verein (Cottbus) e. V.")
CARITAS = party(3, "Caritas Cottbus", law=DataProtectionLaw.KDG, professional_secrecy=True)
DIAKONIE = party(4, "Diakonie Cottbus", law=DataProtectionLaw.DSG_EKD)
BUSINESS = party(5, "Tischlerei Noack & Söhne", kind=PartnerKind.BUSINESS)
SCHOOL = party(6, "Volkshochschule", public_body=True, school=True)

EVERYTHING = tuple(
    PurposeTerms(
        purpose=purpose,
        categories=tuple(DataCategory) if purpose in {Purpose.REFERRAL, Purpose.HANDOVER} else (),
        report_depth=ReportDepth.OUTCOME if purpose is Purpose.REPORT_BACK else ReportDepth.NOTHING,
        ends_on=date(2027, 1, 31) if purpose.startswith("FOLLOW_UP") else None,
    )
    for purpose in Purpose
)
FULL = terms_of(CITY, [PROVIDER, CARITAS, DIAKONIE, BUSINESS], EVERYTHING)


def plain(controller: Party, *recipients: Party) -> ConsentTerms:
    return terms_of(
        controller,
        recipients,
        [PurposeTerms(purpose=Purpose.REFERRAL, categories=(DataCategory.IDENTITY, DataCategory.CONTACT))],
    )


def keys_of(notice: Notice) -> list[SectionKey]:
    return [section.key for section in notice.sections]


def words(version: str, language: str) -> dict[str, str]:
    table = tomllib.loads((TEXTS / version / f"{language}.toml").read_text(encoding="utf-8"))
    flat = {name: text for name, text in table.items() if isinstance(text, str)}
    for section, texts in table.items():
        if isinstance(texts, dict):
            flat.update({f"{section}.{name}": text for name, text in texts.items()})
    return flat


def holes(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


ALL = [(version, language) for version in versions() for language in languages(version)]


def test_the_languages_of_the_project_are_there() -> None:
    assert {"de", "en", "ar", "fa", "ti", "so", "ru", "uk", "tr", "fr"} <= set(languages())


@pytest.mark.parametrize(("version", "language"), ALL)
def test_every_language_says_all_that_the_german_text_says(version: str, language: str) -> None:
    german, other = words(version, BINDING), words(version, language)
    assert other.keys() == german.keys()
    for name, text in german.items():
        assert other[name].strip() or name == "and", name
        assert set(holes(other[name])) == set(holes(text)), name
        if language != BINDING and name not in {"no", "and", "receipt.at"}:
            assert other[name] != text or len(text) < 12, f"{name} is not translated"


@pytest.mark.parametrize(("version", "language"), ALL)
def test_every_text_is_printed_and_every_letter_has_a_glyph(version: str, language: str) -> None:
    pdf = render(printout(render_notice(FULL, language, version)))
    assert str(PdfReader(io.BytesIO(pdf)).root_object["/Lang"]) == language


def test_what_was_published_is_never_changed() -> None:
    """The hash in a consent record proves what was shown only while its version gives the same text."""
    made = {
        f"{version}/{language}": {
            "notice": render_notice(FULL, language, version).sha256,
            "section87": render_section_87([CITY], language, version).sha256,
            "receipt": render_receipt(
                FULL, withdrawal(language=language, text_version=version), None, answer_days=14
            ).sha256,
        }
        for version, language in ALL
    }
    published = json.loads(GOLDEN.read_text(encoding="utf-8"))
    # a new language or version is added to the file; what is in it stays
    assert {name: made[name] for name in published} == published
    assert made.keys() == published.keys()


def test_the_hash_is_that_of_the_text_shown_and_stands_on_the_paper() -> None:
    for language in ("de", "ar"):
        notice = render_notice(FULL, language)
        assert notice.sha256 == hashlib.sha256(notice.text.encode("utf-8")).hexdigest()
        footer = printout(notice).footer
        assert notice.sha256[:16] in footer
        assert CURRENT in footer
        assert TEXT_ID in footer
        paper = PdfReader(io.BytesIO(render(printout(notice)))).pages[0].extract_text()
        assert notice.sha256[:16] in paper


def test_the_page_text_has_everything_that_the_parts_have() -> None:
    notice = render_notice(FULL, "ti")
    for section in (*notice.sections, *notice.binding):
        assert section.heading in notice.text
        for line in section.lines:
            assert line.text in notice.text
            assert all(option in notice.text for option in line.options)


def test_the_german_text_stands_beside_every_other_one() -> None:
    german, arabic = render_notice(FULL, "de"), render_notice(FULL, "ar")
    assert german.binding == ()
    assert [section.heading for section in arabic.binding] == [s.heading for s in german.sections]
    assert arabic.right_to_left
    assert not german.right_to_left
    boxes = [line for section in arabic.binding for line in section.lines if line.options]
    assert boxes == [], "one set of boxes only: two answers could differ"


@pytest.mark.parametrize(
    ("parties", "due"),
    [
        ((CITY, PROVIDER), ["Stadt Cottbus"]),
        ((PROVIDER, CITY), ["Stadt Cottbus"]),
        ((PROVIDER, SCHOOL), []),
        ((SCHOOL, PROVIDER), []),
        ((SCHOOL, CITY), ["Stadt Cottbus"]),
        ((PROVIDER, BUSINESS), []),
        ((PROVIDER, BUSINESS, CITY), ["Stadt Cottbus"]),
    ],
)
def test_section_87_comes_first_where_a_public_body_other_than_a_school_takes_part(
    parties: tuple[Party, ...], due: list[str]
) -> None:
    terms = plain(parties[0], *parties[1:])
    assert [one.name for one in public_bodies(terms)] == due
    notice = render_notice(terms, "de")
    assert (keys_of(notice)[0] is SectionKey.SECTION_87) is bool(due)
    assert ("§ 87" in notice.text) is bool(due)


def test_the_second_declaration_has_a_signature_of_its_own_and_says_who_about_what() -> None:
    notice = render_notice(FULL, "de")
    release = next(section for section in notice.sections if section.key is SectionKey.RELEASE)
    text = "\n".join(line.text for line in release.lines)
    assert "Stadt Cottbus gegenüber Verein (Cottbus) e. V.: Name und Geburtsdatum" in text
    assert "Caritas Cottbus gegenüber Stadt Cottbus: was aus der Überleitung geworden ist" in text
    assert [line.kind for line in release.lines][-2:] == [LineKind.CHOICE, LineKind.SIGNATURE]
    to_business = next(line.text for line in release.lines if f"gegenüber {BUSINESS.name}" in line.text)
    assert "Gesundheit" not in to_business
    assert SectionKey.RELEASE not in keys_of(render_notice(plain(PROVIDER, SCHOOL), "de"))


@pytest.mark.parametrize(
    ("controller", "cited"),
    [
        (PROVIDER, ("DSGVO", "Art. 6 Abs. 1 Buchst. a DSGVO", "Art. 15–20, 77 DSGVO", "Bundeslandes")),
        (CARITAS, ("KDG", "§ 6 Abs. 1 Buchst. b KDG", "§§ 17–22, 48 KDG", "Bistums")),
        (DIAKONIE, ("DSG-EKD", "§ 6 Nr. 2 DSG-EKD", "§§ 19–24, 46 DSG-EKD", "Evangelischen Kirche")),
    ],
)
def test_the_law_that_binds_the_controller_stands_in_the_text(
    controller: Party, cited: tuple[str, ...]
) -> None:
    text = render_notice(plain(controller, SCHOOL), "de").text
    for words_ in cited:
        assert words_ in text


def test_the_law_of_each_recipient_stands_beside_its_name() -> None:
    recipients = next(s for s in render_notice(FULL, "de").sections if s.key is SectionKey.RECIPIENTS)
    lines = {line.text.split(" · ")[0]: line.text for line in recipients.lines}
    assert "(KDG)" in lines["Caritas Cottbus"]
    assert "(DSG-EKD)" in lines["Diakonie Cottbus"]
    assert "stelle2@example.org" in lines["Verein (Cottbus) e. V."]
    assert f"{BUSINESS.name} bekommt niemals: Aufenthaltsstatus" in render_notice(FULL, "de").text


def test_each_purpose_is_decided_on_by_itself() -> None:
    purposes = next(s for s in render_notice(FULL, "en").sections if s.key is SectionKey.PURPOSES)
    choices = [line for line in purposes.lines if line.kind is LineKind.CHOICE]
    assert len(choices) == len(Purpose)
    assert all(line.options == ("yes / ja", "no / nein") for line in choices)
    assert any("31.01.2027" in line.text for line in choices)


def test_decisions_do_not_change_what_was_shown() -> None:
    shown = render_notice(FULL, "fa")
    after = decided(FULL, [Purpose.REFERRAL], released=False)
    assert render_notice(after, "fa") == shown
    assert render_notice(msgspec.json.decode(msgspec.json.encode(after), type=ConsentTerms), "fa") == shown


def test_any_other_recipient_purpose_category_or_language_is_another_text() -> None:
    base = render_notice(FULL, "de").sha256
    other = [
        render_notice(reduced(decided(FULL, list(Purpose), released=True), WithdrawalScope.RECIPIENT,
                              recipient=BUSINESS.partner_id) or FULL, "de"),
        render_notice(terms_of(CITY, FULL.recipients, EVERYTHING[:-1]), "de"),
        render_notice(terms_of(CITY, FULL.recipients, [
            msgspec.structs.replace(EVERYTHING[0], categories=(DataCategory.IDENTITY,)), *EVERYTHING[1:]
        ]), "de"),
        render_notice(terms_of(CITY, [party(2, "Andere"), *FULL.recipients[1:]], EVERYTHING), "de"),
        render_notice(FULL, "en"),
    ]  # fmt: skip
    assert len({base, *(notice.sha256 for notice in other)}) == len(other) + 1


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("ar-SY", "ar"),
        ("prs", "fa"),
        ("fa-AF", "fa"),
        ("ti", "ti"),
        ("xx", None),
    ],
)
def test_which_text_a_reader_is_shown(tag: str, expected: str | None) -> None:
    assert language_for(tag) == expected


def test_a_language_without_text_is_refused_and_the_others_are_named() -> None:
    with pytest.raises(InvalidInput) as problem:
        render_notice(FULL, "xx")
    assert (problem.value.field, problem.value.reason) == ("language", "no-notice-text")
    assert "ar" in problem.value.details["languages"]
    with pytest.raises(InvalidInput):
        render_notice(FULL, "de", "1999-01")


def withdrawal(**changes: object) -> Withdrawal:
    given = {
        "at": datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        "channel": Channel.IN_PERSON,
        "scope": WithdrawalScope.ALL,
        "receipt": UUID(int=77),
        "language": "de",
        "text_version": CURRENT,
        **changes,
    }
    return Withdrawal(**given)  # type: ignore[arg-type]


GIVEN = decided(FULL, list(Purpose), released=True)


def test_the_receipt_says_what_ended_what_comes_and_that_a_course_goes_on() -> None:
    text = render_receipt(GIVEN, withdrawal(), None, answer_days=14).text
    assert str(UUID(int=77)) in text
    assert "22.11.2026 10:30" in text, "the moment in Berlin"
    assert "die ganze Einwilligung" in text
    for recipient in FULL.recipients:
        assert recipient.name in text
    assert "innerhalb von 14 Tagen" in text
    assert "laufender Kurs" in text
    assert "keine Einwilligung mehr" in text


def test_the_receipt_of_one_recipient_names_only_that_one_as_cut_off() -> None:
    wish = withdrawal(scope=WithdrawalScope.RECIPIENT, recipient=CARITAS.partner_id)
    rest = reduced(GIVEN, WithdrawalScope.RECIPIENT, recipient=CARITAS.partner_id)
    lines = [line.text for line in render_receipt(GIVEN, wish, rest, answer_days=14).sections[0].lines]
    cut_off = next(line for line in lines if "nicht mehr sehen" in line)
    assert "Caritas Cottbus" in cut_off
    assert "Diakonie" not in cut_off
    assert "Diakonie Cottbus" in next(line for line in lines if line.startswith("Weiter gilt"))


def test_the_receipt_of_one_purpose_cuts_nobody_off() -> None:
    wish = withdrawal(scope=WithdrawalScope.PURPOSE, purpose=Purpose.REPORT_BACK)
    rest = reduced(GIVEN, WithdrawalScope.PURPOSE, purpose=Purpose.REPORT_BACK)
    text = render_receipt(GIVEN, wish, rest, answer_days=14).text
    assert "nicht mehr sehen" not in text
    assert "Rückmeldung" in text
    assert "Weiter gilt Ihre Einwilligung für: Überleitung" in text


def test_a_receipt_in_a_language_without_text_is_german_and_says_so() -> None:
    assert render_receipt(GIVEN, withdrawal(language="xx"), None, answer_days=14).language == "de"


@pytest.mark.parametrize("language", languages())
def test_receipts_and_the_first_notice_are_printed_too(language: str) -> None:
    for notice in (
        render_receipt(GIVEN, withdrawal(language=language), None, answer_days=14),
        render_section_87([CITY], language),
    ):
        assert render(printout(notice)).startswith(b"%PDF-")


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([CITY, PROVIDER, CARITAS, SCHOOL]),
    st.lists(st.sampled_from([DIAKONIE, BUSINESS, CARITAS, PROVIDER]), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(EVERYTHING), min_size=1, max_size=5, unique=True),
    st.sampled_from(languages()),
    st.data(),
)
def test_what_was_shown_can_be_made_again_after_any_decision(
    controller: Party,
    recipients: list[Party],
    asked: list[PurposeTerms],
    language: str,
    data: st.DataObject,
) -> None:
    terms = terms_of(controller, recipients, asked)
    granted = data.draw(st.sets(st.sampled_from([entry.purpose for entry in asked])))
    stored = msgspec.json.decode(
        msgspec.json.encode(decided(terms, granted, released=data.draw(st.booleans()))), type=ConsentTerms
    )
    assert render_notice(stored, language) == render_notice(terms, language)
