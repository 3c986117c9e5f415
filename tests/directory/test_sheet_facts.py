"""What services say in parts stands in the plain spreadsheet and comes back from it, whole."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from directory import checking as check
from directory import sheet_facts, sheets
from directory.actors import SYSTEM
from directory.database import Database
from directory.documents import PartnerDocument, ServiceDocument
from directory.exporting import Format, export_directory
from directory.importing import ImportRefused, import_source
from directory.importing.report import ROW_ADVICE
from directory.models import Service
from directory.problems import InvalidInput
from directory.values import (
    Capacity,
    CourseFacts,
    CourseRun,
    EligibilityRule,
    InterpretedLanguage,
    InterpretingFacts,
    MunicipalitySummary,
    PartnerSummary,
    RecognitionFacts,
    ReferralFacts,
    RequiredDocument,
)
from directory.vocabulary import (
    Answer,
    CapacityState,
    CefrLevel,
    CourseAccess,
    Gender,
    InterpretingMode,
    LegalCircle,
    PartnerKind,
    PublicationState,
    ResidenceStatus,
    WorkPermission,
)
from tests.directory.towns import found_town

ARS = "120520000000"
DAY = st.dates(date(2020, 1, 1), date(2035, 12, 31))
LINE = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12).map(
    lambda text: f"{text} {text}"
)
AWKWARD = st.sampled_from(
    ['a;b="c"', "ja", "31.12.2026", "=1+1", 'de="x"', "en: y", "\\n", "x; y=z", "5", "null"]
)
SHORT = LINE | AWKWARD
LONG = SHORT | st.just("Erste Zeile\nzweite; Zeile = 2")
TITLES = st.dictionaries(st.sampled_from(["de", "en", "ti", "zh-Hant"]), SHORT, min_size=1, max_size=3)
TEXTS = st.dictionaries(st.sampled_from(["de", "en", "ar"]), LONG, max_size=3)


def some(words: Any) -> Any:
    return st.lists(st.sampled_from(list(words)), max_size=3, unique=True).map(tuple)


RULE = st.builds(
    EligibilityRule,
    statuses=some(ResidenceStatus), work_permission=some([WorkPermission.YES]),
    age_from=st.none() | st.integers(0, 30), age_to=st.none() | st.integers(30, 120),
    level_from=st.none() | st.sampled_from(CefrLevel), level_to=st.none() | st.sampled_from(CefrLevel),
    residence=st.lists(st.sampled_from(["12", "12052", ARS]), unique=True).map(tuple),
    legal_circles=some(LegalCircle), genders=some(Gender), answer=st.sampled_from(Answer), reason=TEXTS,
    legal_basis=st.none() | SHORT, valid_from=st.none() | DAY, valid_to=st.none() | DAY,
)  # fmt: skip
RUN = st.builds(
    CourseRun, starts_on=st.none() | DAY, ends_on=st.none() | DAY, apply_by=st.none() | DAY,
    places=st.none() | st.integers(1, 50), note=TEXTS,
)  # fmt: skip
LISTS = st.lists(TITLES, max_size=3).map(tuple)
FACTS = st.fixed_dictionaries(
    {
        "eligibility": st.lists(RULE, max_size=2).map(tuple),
        "course": st.none()
        | st.builds(
            CourseFacts, runs=st.lists(RUN, max_size=2).map(tuple), repeats=st.booleans(),
            exam=st.none() | SHORT, access=some(CourseAccess), childcare=st.none() | st.booleans(),
        ),
        "recognition": st.none()
        | st.builds(
            RecognitionFacts,
            occupations=some([f"http://data.europa.eu/esco/occupation/{UUID(int=n)}" for n in range(3)]),
            regulated=st.none() | st.booleans(), competent_body=TITLES,
        ),
        "interpreting": st.none()
        | st.builds(
            InterpretingFacts,
            languages=st.lists(
                st.builds(
                    InterpretedLanguage, language=st.sampled_from(["ar", "ti", "kmr"]),
                    variety=st.none() | st.sampled_from(["Levantinisch", "Ost, West", "a (b)"]),
                ), min_size=1, max_size=3, unique=True,
            ).map(tuple),
            modes=some(InterpretingMode), lead_time_hours=st.none() | st.integers(0, 2_000),
        ),
        "referral_facts": st.none()
        | st.builds(
            ReferralFacts, required=st.none() | st.booleans(), accepted=st.none() | st.booleans(),
            methods=LISTS, response_days=st.none() | st.integers(0, 1_000), response=TITLES,
            feedback_days=st.none() | st.integers(0, 1_000), feedback_delay=TITLES, requirements=LISTS,
        ),
        "application_process": TEXTS,
        "required_documents": st.lists(
            st.builds(RequiredDocument, name=TITLES, url=st.none() | st.just("https://example.org/a?b=c;d")),
            max_size=2,
        ).map(tuple),
    }
)  # fmt: skip
CHECKS: dict[str, Any] = {
    "eligibility": check.eligibility, "course": check.course, "recognition": check.recognition,
    "interpreting": check.interpreting, "referral_facts": check.referral_facts,
    "application_process": check.texts, "required_documents": check.required_documents,
}  # fmt: skip


ENTRY: dict[str, Any] = {
    "id": UUID(int=1), "version": 1, "state": PublicationState.PUBLISHED,
    "municipality": MunicipalitySummary(id=UUID(int=2), name={"de": "Stadt"}, ars=ARS),
    "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
}  # fmt: skip
PARTNER = PartnerDocument(kind=PartnerKind.CHAMBER, name="A", **ENTRY)


def service(**facts: Any) -> ServiceDocument:
    summary = PartnerSummary(id=PARTNER.id, name="A", kind=PARTNER.kind)
    return ServiceDocument(title={"de": "T"}, partner=summary, **ENTRY, **facts)


@example({"course": CourseFacts(runs=(CourseRun(),))})
@settings(max_examples=20)
@given(FACTS)
def test_whatever_a_service_says_is_read_back(facts: dict[str, Any]) -> None:
    try:  # as it would be after somebody entered it
        facts = {name: value and CHECKS[name](value, name) for name, value in facts.items()}
    except InvalidInput:
        assume(False)
    row = sheets.row_of(PARTNER, service(**facts))
    wrong: list[tuple[str, str]] = []
    values = sheet_facts.values_of(sheets.read_row(row, lambda key, why: wrong.append((key, why))), None)
    assert wrong == []
    nothing = {"course": CourseFacts(), "recognition": RecognitionFacts(), "referral_facts": ReferralFacts()}
    for name, value in facts.items():
        assert values.get(name) == (value if value not in ((), {}, nothing.get(name)) else None), name


FULL: dict[str, Any] = {
    "eligibility": (
        EligibilityRule(statuses=(ResidenceStatus.SECTION_60A,), age_from=18, answer=Answer.FITS,
                        reason={"de": "Ab 18.", "en": "From 18."}, legal_basis="§ 60a AufenthG"),
        EligibilityRule(answer=Answer.ASK),
    ),
    "course": CourseFacts(
        level_to=CefrLevel.B1, runs=(CourseRun(starts_on=date(2027, 1, 11), places=3), CourseRun(full=True)),
        repeats=True, exam="DTZ", access=(CourseAccess.VOUCHER,), cost_cents=1050,
    ),
    "recognition": RecognitionFacts(regulated=True, competent_body={"de": "IHK"}),
    "interpreting": InterpretingFacts(
        languages=(InterpretedLanguage(language="ar", variety="Levantinisch"),)
    ),
    "referral_facts": ReferralFacts(
        required=True, methods=({"de": "Telefon", "en": "Phone"},), response_days=3,
        next_steps=({"de": "Warten"}, {"de": "Kommen"}), feedback=({"de": "=Anruf"},),
        intake_criteria=({"en": "Women"},),
    ),
    "application_process": {"de": "Anrufen.\nDann kommen."},
    "required_documents": (RequiredDocument(name={"de": "Ausweis"}, url="https://example.org/a"),),
}  # fmt: skip


async def facts_of(database: Database) -> dict[str, Any]:
    async with database.view(SYSTEM) as session:
        found = (await session.scalars(select(Service))).one()
        return {name: getattr(found, name) for name in (*FULL, "capacity")}


@pytest.mark.parametrize("kind", [Format.CSV, Format.XLSX])
async def test_a_sheet_takes_everything_to_another_place_and_back(
    empty_database: Database, tmp_path: Path, kind: Format
) -> None:
    """Out, corrected in its own place, and in where nobody knows it: no fact is lost on the way."""
    town = await found_town(empty_database)
    owner = await town.partner("Verein")
    capacity = Capacity(state=CapacityState.FEW, places=2, expires_on=date(2999, 1, 1))
    saved = await town.service(owner.id, "Kurs", capacity=capacity, **FULL)
    before = await facts_of(empty_database)
    assert {name: before[name] for name in FULL} == FULL
    path = tmp_path / f"out.{kind.value}"
    await export_directory(empty_database, path, kind)

    report = await import_source(empty_database, path)
    assert (report.services.unchanged, report.services.changed, report.services.new) == (1, 0, 0)

    async with empty_database.work(SYSTEM) as work:
        await work.session.execute(
            text(
                "UPDATE service SET recognition = NULL, eligibility = '[]',"
                " referral_facts = NULL, course = NULL, required_documents = '[]'"
            )
        )
        await work.session.execute(
            text("UPDATE service SET version = version + 1, interpreting = NULL, application_process = '{}'")
        )
        work.touch_service(saved.id)
    report = await import_source(empty_database, path)
    assert report.services.changed == 1
    assert await facts_of(empty_database) == before


async def test_who_corrects_the_first_day_means_that_run_and_nothing_else(
    empty_database: Database, tmp_path: Path
) -> None:
    town = await found_town(empty_database)
    await town.service((await town.partner("Verein")).id, "Kurs", **FULL)
    path = tmp_path / "out.csv"
    await export_directory(empty_database, path, Format.CSV)
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter=";"))
    few = ("Partner-Nr.", "Partner", "Angebots-Nr.", "Angebot (de)", "Beginn", "Antwort (Tage)")
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, few, delimiter=";", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(
            {**row, "Beginn": "18.01.2027", "Antwort (Tage)": "5"} for row in rows if row["Angebots-Nr."]
        )

    await import_source(empty_database, path)

    course, first = FULL["course"], FULL["course"].runs[0]
    moved = (msgspec.structs.replace(first, starts_on=date(2027, 1, 18)), *course.runs[1:])
    after = await facts_of(empty_database)
    assert after["course"] == msgspec.structs.replace(course, runs=moved)
    assert after["referral_facts"] == msgspec.structs.replace(FULL["referral_facts"], response_days=5)
    assert after["eligibility"] == FULL["eligibility"]


WRONG = (
    ("Regeln (für wen)", "Erwachsene", "FACTS_UNREADABLE"),
    ("Regeln (für wen)", "answer=MAYBE", "FACTS_UNREADABLE"),
    ("Regeln (für wen)", "answer=FITS; agefrom=18", "FACTS_UNREADABLE"),
    ("Regeln (für wen)", "answer=FITS; age_from=30; age_to=20", "FACTS_OUT_OF_BOUNDS"),
    ("Kursläufe", "starts_on=2027-02-01; ends_on=31.01.2027", "FACTS_OUT_OF_BOUNDS"),
    ("Berufe (ESCO)", "Bäcker", "FACTS_OUT_OF_BOUNDS"),
    ("Dolmetschsprachen", "Tigrinya (Nord) und mehr", "LANGUAGE_UNKNOWN"),
    ("Dolmetschen wie", "PHONE", "FIELD_MISSING"),
    ("Vorlauf (Stunden)", "2001", "NUMBER_OUT_OF_BOUNDS"),
    ("Nur mit Überweisung", "vielleicht", "YES_OR_NO_UNREADABLE"),
    ("Zugang", "VOUCHER, MAGIC", "WORD_UNKNOWN"),
)
"""Column, cell, and why it is not taken."""


async def test_every_wrong_fact_is_named(empty_database: Database, tmp_path: Path) -> None:
    await found_town(empty_database)
    path = tmp_path / "x.csv"
    columns = sorted({column for column, _, _ in WRONG})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["Partner", "Angebot", *columns], delimiter=";")
        writer.writeheader()
        for number, (column, cell, _) in enumerate(WRONG):
            writer.writerow({"Partner": "Verein", "Angebot": f"Kurs {number}", column: cell})
    with pytest.raises(ImportRefused) as refused:
        await import_source(empty_database, path)
    lines = str(refused.value).splitlines()[1:]
    assert len(lines) == len(WRONG)
    for row, (line, (column, _, reason)) in enumerate(zip(lines, WRONG, strict=True), start=2):
        named = "Dolmetschsprachen" if reason == "FIELD_MISSING" else column
        assert line == f"x.csv, row {row}, column {named}: {reason}. {ROW_ADVICE[reason]}"


def test_each_heading_means_one_column() -> None:
    for column in sheets.COLUMNS:
        for heading in (column.key, column.de, column.en):
            assert sheets.column_of(heading) == column.key, heading
