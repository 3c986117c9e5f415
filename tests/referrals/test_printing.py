"""Pages to print: real PDF, right to left too, the same bytes each time, never an empty box."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader

from referrals.printing import (
    Beside,
    Bullets,
    Choice,
    Heading,
    Notice,
    NotPrintable,
    Option,
    PageBreak,
    Paragraph,
    Printout,
    Rows,
    SignatureLine,
    Title,
    isolated,
    render,
)

SENTENCES = {
    "ar": "الموافقة على مشاركة البيانات",
    "fa": "رضایت‌نامه برای اشتراک گذاری داده‌ها: پ چ ژ گ",
    "ti": "ፍቓድ ንምክፋል ሓበሬታ።",
    "am": "መረጃ ለማጋራት ፈቃድ።",
    "ru": "Согласие на передачу данных",
    "uk": "Згода на передачу даних: ґ є і ї",
    "tr": "Verilerin paylaşılmasına onay: ğ ı İ ş",
    "so": "Oggolaansho xog wadaag",
    "pl": "Zgoda na udostępnienie: ą ę ł ź",
    "vi": "Đồng ý chia sẻ dữ liệu",
    "ps": "د معلوماتو شریکولو رضایت: ټ ډ ړ ږ ښ ګ ڼ ې",
    "ckb": "ڕەزامەندی: ڤ ێ ۆ ڵ",
    "kmr": "Razîbûna parvekirina daneyan: ç ê î ş û",
    "dsb": "Zwólenje: ć ě ł ń ŕ ś ź",
    "ka": "თანხმობა",
    "hy": "Համաձայնություն",
    "hi": "सहमति",
}


def page(language: str, *blocks: object, **more: str) -> Printout:
    return Printout(language=language, blocks=(Title(text="T"), *blocks), **more)  # type: ignore[arg-type]


def text_of(pdf: bytes) -> str:
    return " ".join(one.extract_text() for one in PdfReader(io.BytesIO(pdf)).pages)


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_every_language_is_printed_with_glyphs_for_each_letter(language: str) -> None:
    everything = page(
        language,
        Heading(text=SENTENCES[language]),
        Paragraph(text=SENTENCES[language], strong=True),
        Notice(heading=SENTENCES[language], text=isolated("§ 87 AufenthG")),
    )
    pdf = render(everything)
    assert pdf.startswith(b"%PDF-")
    assert len(PdfReader(io.BytesIO(pdf)).pages) == 1


@pytest.mark.parametrize("language", ["ti", "am", "ru", "uk", "tr", "so"])
def test_the_text_can_be_read_out_of_the_page(language: str) -> None:
    assert SENTENCES[language] in text_of(render(page(language, Paragraph(text=SENTENCES[language]))))


def test_arabic_is_joined_and_keeps_its_words() -> None:
    words = text_of(render(page("ar", Paragraph(text=SENTENCES["ar"])))).split()
    assert set(SENTENCES["ar"].split()) <= set(words)


def test_a_character_without_a_glyph_is_refused_and_not_repeated() -> None:
    with pytest.raises(NotPrintable) as problem:
        render(page("de", Paragraph(text="Frau 李 aus Cottbus")))
    assert "李" not in f"{problem.value!r}{problem.value}"
    assert problem.value.__cause__ is None
    assert problem.value.__suppress_context__


def test_the_same_printout_is_the_same_bytes() -> None:
    printout = page("ar", Rows(rows=(("الهاتف", isolated("+49 355 123")),)), footer="v1")
    assert render(printout) == render(printout)
    assert render(printout) != render(page("ar", Rows(rows=(("الهاتف", isolated("+49 355 124")),))))


def test_text_is_never_read_as_markup() -> None:
    hostile = '#panic("x") = a *b* $x^2$ `c` <d> @e //f \\ #sys.inputs https://example.org'
    found = text_of(render(page("de", Paragraph(text=hostile), Bullets(items=(hostile,)))))
    assert found.count('#panic("x") = a *b* $x^2$ `c` <d> @e //f') == 2


def test_all_blocks_stand_on_the_page_in_order() -> None:
    pdf = render(
        page(
            "de",
            Heading(text="H1"),
            Paragraph(text="klein", small=True),
            Rows(rows=(("Name", "Wert"),)),
            Choice(text="Zweck", options=(Option(text="ja", checked=True), Option(text="nein"))),
            Beside(left=(Paragraph(text="links"),), right=(Paragraph(text="rechts", language="ru"),)),
            SignatureLine(labels=("Ort", "Unterschrift")),
            PageBreak(),
            Bullets(items=("eins", "zwei")),
            footer="Fassung 7",
        )
    )
    reader = PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) == 2
    found = text_of(pdf)
    for word in [
        "H1",
        "klein",
        "Name",
        "Wert",
        "Zweck",
        "ja",
        "nein",
        "links",
        "rechts",
        "Ort",
        "eins",
        "zwei",
    ]:
        assert word in found
    assert found.count("Fassung 7") == 2
    assert reader.metadata is not None
    assert reader.metadata.title == "T"
    assert str(reader.root_object["/Lang"]) == "de"


def test_a_printout_without_a_title_is_a_bug() -> None:
    with pytest.raises(ValueError, match="title"):
        render(Printout(language="de", blocks=(Paragraph(text="x"),)))
