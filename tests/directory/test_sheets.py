"""The plain spreadsheet: out as German offices read it, in as they write it, and nothing in it ever runs."""

from __future__ import annotations

import asyncio
import csv
import re
import zipfile
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from sqlalchemy import select, text

from directory.actors import SYSTEM
from directory.database import Database
from directory.exporting import Format, export_directory
from directory.exporting.files import LEADING, guarded, unguarded, whole_file, whole_folder
from directory.importing import ImportRefused, ImportReport, Refusal, import_source, sheet
from directory.importing.report import ROW_ADVICE
from directory.importing.sheet import sheet_rows
from directory.models import Municipality, Partner, Service, Topic
from directory.sheets import READERS, column_of, contact_points
from directory.values import ContactPoint
from directory.vocabulary import (
    CapacityState,
    ContactKind,
    CourseFormat,
    PartnerKind,
    Responsibility,
    ServiceKind,
    label,
)

ARS = "120520000000"

ROWS = [
    ["Partner", "Telefon", "Angebot (de)", "Angebot (en)", "Straße", "PLZ", "Stadt", "Breite", "Länge",
     "Kosten (Euro)", "Öffnungszeiten", "Sprachen", "Beginn", "Freie Plätze", "Lieblingsfarbe"],
    ["Büro Süd", "0355 612-0", "Beratung", "Advice", "Straße 1", "03046", "Cottbus", "51,7606", "14,3342", "",
     "Mo-Fr 09:00-17:00", "Deutsch, ar (dolmetscht)", "", "", "blau"],
    ["Büro Süd", "", "Kurs B1", "", "", "", "", "", "", "1.234,50", "", "", "01.03.2027", "5", ""],
    ["Nur Partner", "", "", "", "", "", "", "", "", "", "", "", "", "", ""],
]  # fmt: skip


def as_csv(rows: list[list[str]] = ROWS, delimiter: str = ";") -> str:
    return "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)


def as_xlsx(path: Path, rows: Sequence[Any] = ROWS) -> Path:
    book = Workbook()
    page = book.active
    assert page is not None
    for row in rows:
        page.append(row)
    book.save(path)
    return path


async def add_town(database: Database) -> None:
    async with database.work(SYSTEM) as work:
        work.session.add(Municipality(ars=ARS, name={"de": "Stadt"}, kind_labels={}))


async def take(database: Database, path: Path, **options: Any) -> ImportReport:
    return await import_source(database, path, municipality=ARS, publish=True, **options)


async def services(database: Database) -> dict[str, Service]:
    async with database.view(SYSTEM) as session:
        return {one.title.get("de", ""): one for one in await session.scalars(select(Service))}


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [
        *(("utf-8", ";"), ("utf-8-sig", ";"), ("cp1252", ";"), ("utf-8", ","), ("utf-8", "\t")),
        *((encoding, ";") for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
    ],
)
async def test_office_files_are_read_whatever_their_dialect(
    empty_database: Database, tmp_path: Path, encoding: str, delimiter: str
) -> None:
    await add_town(empty_database)
    path = tmp_path / "angebote.csv"
    path.write_bytes(as_csv(delimiter=delimiter).encode(encoding))
    report = await take(empty_database, path)
    assert (report.partners.new, report.services.new, report.source) == (2, 2, "angebote")
    assert report.ignored_files == ["angebote.csv: Lieblingsfarbe"]
    found = await services(empty_database)
    assert found["Beratung"].title == {"de": "Beratung", "en": "Advice"}
    assert [one.value for one in found["Beratung"].contact_points] == ["+493556120"]
    assert [(one.language, one.interpreted) for one in found["Beratung"].languages] == [
        ("de", False),
        ("ar", True),
    ]
    course = found["Kurs B1"]
    assert course.course is not None
    assert (course.course.cost_cents, course.course.runs[0].starts_on) == (123450, date(2027, 3, 1))
    assert course.capacity.places == 5


async def test_a_workbook_is_read_and_comes_again_unchanged(empty_database: Database, tmp_path: Path) -> None:
    await add_town(empty_database)
    path = as_xlsx(tmp_path / "angebote.xlsx")
    report = await take(empty_database, path)
    assert (report.partners.new, report.services.new) == (2, 2)
    async with empty_database.view(SYSTEM) as session:
        place = (await session.execute(text("SELECT street, latitude, longitude FROM location"))).one()
    assert tuple(place) == ("Straße 1", 51.7606, 14.3342)
    again = await take(empty_database, path)
    assert (again.partners.unchanged, again.services.unchanged) == (2, 2)


WRONG = [
    ("Breite", "abc", "NUMBER_UNREADABLE"),
    ("Breite", "95", "COORDINATE_OUT_OF_BOUNDS"),
    ("Telefon", "12", "PHONE_UNREADABLE"),
    ("Beginn", "31.02.2027", "DATE_UNREADABLE"),
    ("Öffnungszeiten", "immer", "HOURS_UNREADABLE"),
    ("Sprachen", "Klingonisch", "LANGUAGE_UNKNOWN"),
    ("Partner", "", "FIELD_MISSING"),
    ("Partner", "Frau Maria Beispiel", "PRIVATE_PERSON"),
    ("Freie Plätze", "viele", "NUMBER_UNREADABLE"),
    ("Partner", "#BEZUG!", "ERROR_VALUE"),
    ("Angebot (de)", "#N/A", "ERROR_VALUE"),
    ("Beginn", "##########", "ERROR_VALUE"),
]


@pytest.mark.parametrize(("heading", "cell", "reason"), WRONG)
async def test_a_wrong_cell_is_named_and_nothing_is_written(
    empty_database: Database, tmp_path: Path, heading: str, cell: str, reason: str
) -> None:
    await add_town(empty_database)
    rows = [list(row) for row in ROWS]
    rows[1][ROWS[0].index(heading)] = cell
    path = tmp_path / "angebote.csv"
    path.write_text(as_csv(rows), encoding="utf-8")
    with pytest.raises(ImportRefused) as refused:
        await take(empty_database, path)
    assert refused.value.reason is Refusal.ROWS_INVALID
    assert f"angebote.csv, row 2, column {heading}: {reason}. {ROW_ADVICE[reason]}" in str(refused.value)
    async with empty_database.view(SYSTEM) as session:
        for table in ("partner", "service", "import_row", "import_staging"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


DANGEROUS = [
    "=1+1",
    "+49 (0)",
    "-2",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "'=1+1",
    "''+x",
    "'quoted'",
    "=cmd|' /C calc'!A0",
]


@pytest.mark.parametrize("cell", DANGEROUS)
def test_no_cell_runs_and_each_is_read_back_as_it_was(cell: str) -> None:
    assert not guarded(cell).startswith(LEADING)
    assert unguarded(guarded(cell)) == cell


@given(st.text(alphabet="'=+-@\t\rab", max_size=8))
def test_guarding_loses_nothing(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert not guarded(cell).startswith(LEADING)


@pytest.mark.parametrize("kind", [Format.CSV, Format.XLSX])
async def test_an_export_is_guarded_and_changes_nothing_when_it_comes_back(
    empty_database: Database, tmp_path: Path, kind: Format
) -> None:
    await add_town(empty_database)
    rows = [list(row) for row in ROWS]
    rows[1][2] = "=HYPERLINK(1)"
    rows[1][0] = rows[2][0] = "@Büro"
    (tmp_path / "angebote.csv").write_text(as_csv(rows), encoding="utf-8")
    await take(empty_database, tmp_path / "angebote.csv")
    path = tmp_path / f"out.{kind.value}"

    report = await export_directory(empty_database, path, kind)

    assert (report.partners, report.services) == (2, 2)
    if kind is Format.CSV:
        raw = path.read_bytes()
        assert raw.startswith(b"\xef\xbb\xbf")
        cells = [
            cell for row in csv.reader(raw.decode("utf-8-sig").splitlines(), delimiter=";") for cell in row
        ]
        assert "51,7606" in cells
    else:
        with closing(load_workbook(path, read_only=True)) as book:
            page = book.worksheets[0]
            found = [cell for row in page.iter_rows() for cell in row if cell.value is not None]
        assert {cell.data_type for cell in found} == {"s"}
        cells = [str(cell.value) for cell in found]
    assert not [cell for cell in cells if cell.startswith(LEADING)]
    assert "'=HYPERLINK(1)" in cells
    again = await take(empty_database, path)
    assert (again.partners.new, again.services.new) == (0, 0), "its rows are entries here"
    assert (again.partners.changed, again.services.changed) == (0, 0)
    async with empty_database.view(SYSTEM) as session:
        sources = await session.scalars(select(Partner.provenance["source"].astext).distinct())
        assert sources.all() == ["angebote"], "it stays where it came from"


async def test_what_is_changed_in_an_export_changes_that_and_nothing_else(
    empty_database: Database, tmp_path: Path
) -> None:
    await add_town(empty_database)
    (tmp_path / "angebote.csv").write_text(as_csv(), encoding="utf-8")
    await take(empty_database, tmp_path / "angebote.csv")
    async with empty_database.work(SYSTEM) as work:
        service = (
            await work.session.scalars(select(Service).where(Service.title["en"].astext == "Advice"))
        ).one()
        service.note, service.title, service.version = "internal", {**service.title, "tr": "Danışma"}, 2
        work.touch_service(service.id)
    path = tmp_path / "out.csv"
    await export_directory(empty_database, path, Format.CSV)
    path.write_text(
        path.read_text(encoding="utf-8-sig").replace("Beratung", "Beratung neu"), encoding="utf-8"
    )

    report = await take(empty_database, path)

    assert (report.services.changed, report.partners.changed) == (1, 0)
    changed = (await services(empty_database))["Beratung neu"]
    assert changed.title == {"de": "Beratung neu", "en": "Advice", "tr": "Danışma"}
    assert (changed.note, changed.provenance and changed.provenance.source) == ("internal", "angebote")


# no trust in files


def bomb(path: Path) -> Path:
    """A workbook whose parts say they are huge."""
    as_xlsx(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/big.bin", "w") as part:
        for _ in range(5):
            part.write(bytes(1 << 20))
    return path


def replaced(path: Path, change: Any) -> Path:
    """A workbook whose sheet was changed by hand."""
    as_xlsx(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = change(parts["xl/worksheets/sheet1.xml"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


ENTITIES = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("formula.xlsx", lambda p: as_xlsx(p, [["Partner"], ["=1+1"]]), Refusal.FORMULA),
        ("entities.xlsx", lambda p: replaced(p, lambda s: ENTITIES + s), Refusal.INVALID),
        (
            "late.xlsx",
            lambda p: replaced(p, lambda s: b"<!--" + b"x" * 70_000 + b"-->" + ENTITIES + s),
            Refusal.INVALID,
        ),
        ("utf16.xlsx", lambda p: replaced(p, lambda s: s.decode().encode("utf-16")), Refusal.INVALID),
        ("broken.xlsx", lambda p: replaced(p, lambda s: s[:-20]), Refusal.UNREADABLE),
        ("none.xlsx", lambda p: p.write_bytes(b"hello") and p, Refusal.UNREADABLE),
        ("wide.csv", lambda p: p.write_text("Partner" + ";x" * 1_000_000) and p, Refusal.TOO_LARGE),
        ("cell.csv", lambda p: p.write_text('Partner\n"' + "x" * 40_000 + '"') and p, Refusal.TOO_LARGE),
        ("giant.csv", lambda p: p.write_text('Partner\n"' + "x" * 140_000 + '"') and p, Refusal.CSV_BROKEN),
        ("open.csv", lambda p: p.write_text('Partner\n"x') and p, Refusal.CSV_BROKEN),
        ("empty.csv", lambda p: p.write_text("") or p, Refusal.FILE_EMPTY),
        (
            "mixed.csv",
            lambda p: p.write_bytes("Partner\nMüller\n".encode() + "Würfel\n".encode("latin-1")) and p,
            Refusal.ENCODING,
        ),
        (
            "aside.xlsx",
            lambda p: replaced(p, lambda s: s.replace(b'"O2"', b'"XFD2"')),
            Refusal.TOO_LARGE,
        ),
        ("other.csv", lambda p: p.write_text("a;b\n1;2") and p, Refusal.COLUMN_MISSING),
    ],
)
async def test_files_that_mean_harm_or_nothing_are_refused_quickly(
    empty_database: Database, tmp_path: Path, name: str, content: Any, reason: Refusal
) -> None:
    await add_town(empty_database)
    path = tmp_path / name
    content(path)
    async with asyncio.timeout(20):
        with pytest.raises(ImportRefused) as refused:
            await take(empty_database, path)
    assert refused.value.reason is reason


async def test_a_workbook_that_unpacks_to_half_a_gigabyte_is_refused(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is lowered here, so that the test need not make so much."""
    assert sheet.LARGEST_UNPACKED == 512 * 1024**2
    monkeypatch.setattr(sheet, "LARGEST_UNPACKED", 4 * 1024**2)
    await add_town(empty_database)
    with pytest.raises(ImportRefused) as refused:
        await take(empty_database, bomb(tmp_path / "bomb.xlsx"))
    assert refused.value.reason is Refusal.TOO_LARGE


async def test_nul_and_hidden_characters_do_not_reach_the_database(
    empty_database: Database, tmp_path: Path
) -> None:
    await add_town(empty_database)
    path = tmp_path / "nul.csv"
    path.write_bytes(b"Partner;Angebot (de)\nB\0uero;Rat\n")
    report = await take(empty_database, path)
    assert report.partners.new == 1
    async with empty_database.view(SYSTEM) as session:
        assert (await session.scalars(select(Partner.name))).all() == ["Buero"]


@pytest.mark.parametrize("said", ["A1", "A1:C2", "B2:XFD1048576"])
async def test_a_workbook_is_read_whole_whatever_size_it_says_it_has(
    empty_database: Database, tmp_path: Path, said: str
) -> None:
    """Programs that write row by row say the size of the sheet before they know it."""
    await add_town(empty_database)
    size = re.compile(rb'<dimension ref="[^"]*"')
    path = replaced(
        tmp_path / "angebote.xlsx", lambda s: size.sub(f'<dimension ref="{said}"'.encode(), s, count=1)
    )
    report = await take(empty_database, path)
    assert (report.partners.new, report.services.new) == (2, 2)
    assert (await services(empty_database))["Kurs B1"].capacity.places == 5


async def test_sheets_that_are_not_read_are_named(empty_database: Database, tmp_path: Path) -> None:
    """The first one is read; an empty one, as programs add them, is not worth a word."""
    await add_town(empty_database)
    path = as_xlsx(tmp_path / "angebote.xlsx")
    book = load_workbook(path)
    book.create_sheet("Tabelle2")
    book.create_sheet("Weitere Angebote").append(["Partner", "Angebot (de)"])
    book.save(path)
    report = await take(empty_database, path)
    assert report.ignored_files == ["angebote.xlsx: Weitere Angebote", "angebote.xlsx: Lieblingsfarbe"]
    assert (report.partners.new, report.services.new) == (2, 2)


def test_a_row_further_down_than_any_sheet_goes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not looked for through as many empty ones; the bound is lowered to be quick."""
    monkeypatch.setattr(sheet, "MOST_ROWS", 1_000)
    path = replaced(tmp_path / "x.xlsx", lambda s: re.sub(rb'(?<= r=")([A-Z]*)3"', rb'\g<1>999999999"', s))
    with pytest.raises(ImportRefused) as refused:
        list(sheet_rows(path))
    assert refused.value.reason is Refusal.TOO_LARGE


def test_rows_of_a_sheet_are_numbered_as_the_program_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("Partner\n\nB\n")
    assert [number for number, _ in sheet_rows(path)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("heading", "key"),
    [
        ("PLZ", "postcode"),
        ("strasse", "street"),
        ("Service (en)", "title:en"),
        ("E-Mail", "email"),
        ("", None),
    ],
)
def test_headings_in_german_and_english(heading: str, key: str | None) -> None:
    assert column_of(heading) == key


# whole or not at all


def test_an_interrupted_export_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert [file.name for file in tmp_path.iterdir()] == ["out.csv"]
    assert path.read_text() == "before"


@pytest.mark.parametrize("name", ["package", "package.zip"])
def test_an_interrupted_package_leaves_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / name) as folder:
        (folder / "services.csv").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


OFFICE = [
    ["Liste der Partner", "Stand: 22.11.2026"],
    [],
    ["Partner", "Art des Partners", "Angebot (de)", "Art des Angebots", "Themen", "Kursform", "PLZ", "Stadt",
     "Gebiet (ARS)", "Niveau von"],
    ["Verein Nord", "Migrantische Selbstorganisation", "Kurs", "Qualifikation", "Sprachkurs, housing",
     "Präsenz", 3046, "Cottbus", 9162, "b1"],
    ["Amt Süd", "Behörden", "Rat", "beratung", "", "", 80331, "München", "120520000000; 12", ""],
]  # fmt: skip


async def test_a_sheet_in_the_words_of_an_office_is_taken_in(
    empty_database: Database, tmp_path: Path
) -> None:
    """German words, a title above the headings, and numbers whose leading zero the program has eaten."""
    await add_town(empty_database)
    async with empty_database.work(SYSTEM) as work:
        work.session.add(Topic(code="language-course", labels={"de": "Sprachkurs"}, synonyms={}))
        work.session.add(Topic(code="housing", labels={"de": "Wohnen"}, synonyms={}))
    await take(empty_database, as_xlsx(tmp_path / "liste.xlsx", OFFICE))
    async with empty_database.view(SYSTEM) as session:
        partners = {one.name: one.kind for one in await session.scalars(select(Partner))}
        postcodes = set((await session.scalars(text("SELECT postcode FROM location"))).all())
        topics = set((await session.scalars(text("SELECT topic_code FROM service_topic"))).all())
    found = await services(empty_database)
    assert partners == {"Verein Nord": "MIGRANT_ORGANISATION", "Amt Süd": "AUTHORITY"}
    assert [found["Kurs"].kind, found["Rat"].kind] == ["QUALIFICATION", "COUNSELLING"]
    assert postcodes == {"03046", "80331"}
    assert topics == {"language-course", "housing"}
    assert list(found["Kurs"].area) == ["09162"]
    assert found["Kurs"].course is not None
    assert (found["Kurs"].course.level_from, found["Kurs"].course.format) == ("B1", "ON_SITE")


async def test_a_topic_that_there_is_not_is_said_and_nothing_is_written(
    empty_database: Database, tmp_path: Path
) -> None:
    await add_town(empty_database)
    path = tmp_path / "angebote.csv"
    path.write_text("Partner;Angebot (de);Themen\nBüro;Rat;Quatsch\n")
    with pytest.raises(ImportRefused) as refused:
        await take(empty_database, path)
    assert refused.value.reason is Refusal.ROWS_INVALID
    assert "row 2, column Themen: TOPIC_UNKNOWN" in str(refused.value)
    assert await services(empty_database) == {}


@pytest.mark.parametrize("words", [PartnerKind, ServiceKind, CourseFormat, CapacityState, Responsibility])
def test_each_word_of_the_vocabulary_is_read_by_its_code_and_by_its_labels(words: type[StrEnum]) -> None:
    column = {PartnerKind: "partner_kind", ServiceKind: "kind", CourseFormat: "format",
              CapacityState: "capacity", Responsibility: "responsibility"}[words]  # fmt: skip
    for word in words:
        for said in {word.value, word.value.lower(), label(word, "de"), label(word, "en")} - {None}:
            assert READERS[column](str(said)) is word, said


def test_a_number_that_was_corrected_leaves_the_others_as_they_are() -> None:
    here = (
        ContactPoint(kind=ContactKind.PHONE, value="+493556120", label={"de": "Zentrale", "ar": "مركز"}),
        ContactPoint(kind=ContactKind.PHONE, value="+493556121"),
        ContactPoint(kind=ContactKind.EMAIL, value="a@example.org", label={"de": "Büro", "en": "Office"}),
        ContactPoint(kind=ContactKind.WEB, value="https://example.org/"),
    )
    row = {"phone": "+493556120 (Zentrale)\n0355 612-9"}
    kept = contact_points(row, "", here)
    assert kept == (here[0], ContactPoint(kind=ContactKind.PHONE, value="+493556129"), here[2], here[3])


async def test_rows_that_say_the_same_place_make_one(empty_database: Database, tmp_path: Path) -> None:
    await add_town(empty_database)
    path = tmp_path / "orte.csv"
    rows = "".join(
        f"Verein;Kurs {at};{place}\n" for at, place in enumerate(["Haus B", "Haus A", "Haus B", ""])
    )
    path.write_text(f"Partner;Angebot (de);Ort\n{rows}")
    await take(empty_database, path)
    async with empty_database.view(SYSTEM) as session:
        places = (await session.scalars(text("SELECT name FROM location ORDER BY name"))).all()
        staged = await session.scalar(text("SELECT count(*) FROM service_location"))
    assert (list(places), staged) == (["Haus A", "Haus B"], 3)
