"""Pages to print and sign: a few blocks become a PDF, in every script that the project's people read.

Pure: the same printout is the same bytes (no clock, no random id). typst shapes the text, in both directions,
and its fonts come from installed packages: nothing is looked up on the machine or fetched. The pages keep
PDF/UA-1 (ISO 14289-1): they are tagged for screen readers, and a character without a glyph is refused rather
than printed as an empty box. No text is ever read as markup.
"""

from __future__ import annotations

import hashlib
import io
import re
from functools import cache
from importlib import resources
from typing import Final, TypeAlias

import msgspec
import segno
import typst

from directory.languages import right_to_left
from directory.problems import Problem

FONT_PACKAGES: Final = ("manimgx_fonts", "fontpkg_ibm_plex_sans_arabic")
"""Installed packages of fonts, all under the SIL Open Font License."""

FACES: Final = (
    "Noto Sans",
    # its text can be searched and copied out of the page; that of Noto Sans Arabic cannot
    "IBM Plex Sans Arabic",
    "Noto Sans Ethiopic",
    "Noto Sans Arabic",
    "Noto Sans Armenian",
    "Noto Sans Bengali",
    "Noto Sans Devanagari",
    "Noto Sans Georgian",
    "Noto Sans Gurmukhi",
    "Noto Sans Hebrew",
    "Noto Sans Khmer",
    "Noto Sans Lao",
    "Noto Sans Myanmar",
    "Noto Sans Sinhala",
    "Noto Sans Tamil",
    "Noto Sans Thai",
    "Noto Sans Symbols",
)
"""In this order: a character is printed in the first face that has it."""

PDF: Final = "application/pdf"


class NotPrintable(Problem):
    """A text has a character that no font of ours can print; which one is not repeated: it may be a name."""

    code = "NOT_PRINTABLE"


class Title(msgspec.Struct, frozen=True, kw_only=True, tag="Title", tag_field="kind"):
    """What the page is; the first is the title of the file too. ``language``: left out, the printout's."""

    text: str
    language: str | None = None


class Heading(msgspec.Struct, frozen=True, kw_only=True, tag="Heading", tag_field="kind"):
    """The heading of a part."""

    text: str
    language: str | None = None


class Paragraph(msgspec.Struct, frozen=True, kw_only=True, tag="Paragraph", tag_field="kind"):
    """Running text; a newline breaks the line."""

    text: str
    strong: bool = False
    small: bool = False
    language: str | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True, tag="Notice", tag_field="kind"):
    """A framed notice that must not be overlooked."""

    heading: str
    text: str
    language: str | None = None


class Bullets(msgspec.Struct, frozen=True, kw_only=True, tag="Bullets", tag_field="kind"):
    """A list of points."""

    items: tuple[str, ...]
    language: str | None = None


class Rows(msgspec.Struct, frozen=True, kw_only=True, tag="Rows", tag_field="kind"):
    """A table of (label, value)."""

    rows: tuple[tuple[str, str], ...]
    language: str | None = None


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One box to tick."""

    text: str
    checked: bool = False


class Choice(msgspec.Struct, frozen=True, kw_only=True, tag="Choice", tag_field="kind"):
    """A line with boxes to tick."""

    text: str
    options: tuple[Option, ...]
    language: str | None = None


class SignatureLine(msgspec.Struct, frozen=True, kw_only=True, tag="SignatureLine", tag_field="kind"):
    """One line to fill in above each label, side by side: place and date, name, signature."""

    labels: tuple[str, ...]
    language: str | None = None


class PageBreak(msgspec.Struct, frozen=True, kw_only=True, tag="PageBreak", tag_field="kind"):
    """What follows begins on a new page."""

    language: str | None = None


class Code(msgspec.Struct, frozen=True, kw_only=True, tag="Code", tag_field="kind"):
    """A QR code (ISO/IEC 18004) of ``content`` beside what it is for, and under that what it holds in words.

    ``content``: at most some 1,000 characters.
    """

    content: str
    text: str
    below: str = ""
    language: str | None = None


Single: TypeAlias = (
    Title | Heading | Paragraph | Notice | Bullets | Rows | Choice | SignatureLine | PageBreak | Code
)


class Beside(msgspec.Struct, frozen=True, kw_only=True, tag="Beside", tag_field="kind"):
    """The same part in two languages, side by side: the first column is read first."""

    left: tuple[Single, ...]
    right: tuple[Single, ...]


Block: TypeAlias = Single | Beside


class Printout(msgspec.Struct, frozen=True, kw_only=True):
    """What is printed. ``language`` (BCP 47) also says the direction; ``footer`` stands on each page.

    ``points``: the size of the letters (1 point is 0.35 mm).
    """

    language: str
    blocks: tuple[Block, ...]
    footer: str = ""
    points: float = 10


def isolated(value: str) -> str:
    """Return a name, number or address so that it keeps its own direction within text of the other one.

    First strong isolate (Unicode Standard Annex #9).
    """
    return f"\u2068{value}\u2069"


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(resources.files(package)) for package in FONT_PACKAGES],
    )


@cache
def _page() -> bytes:
    return resources.files("referrals").joinpath("printing.typ").read_bytes()


def _language(tag: str | None) -> dict[str, object] | None:
    return None if tag is None else {"lang": tag.split("-")[0], "rtl": right_to_left(tag)}


def _drawn_code(content: str) -> str:
    """Return a QR code as SVG, with the error correction that paper needs."""
    drawn = io.BytesIO()
    segno.make_qr(content, error="m").save(drawn, kind="svg", xmldecl=False, border=0)
    return drawn.getvalue().decode()


def _prepared(value: object) -> object:
    if isinstance(value, dict):
        if value.get("kind") == "Code":
            value = value | {"drawn": _drawn_code(value["content"])}
        return {
            name: _language(part) if name == "language" else _prepared(part) for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_prepared(part) for part in value]
    return value


def _title(blocks: tuple[Block, ...]) -> str:
    for block in blocks:
        for one in (*block.left, *block.right) if isinstance(block, Beside) else (block,):
            if isinstance(one, Title):
                return one.text
    raise ValueError("A printout has a title.")


def page_count(pdf: bytes) -> int:
    """Return of how many pages a file made by ``render`` is."""
    found = re.search(rb"/Type/Pages/Count ([0-9]+)", pdf)
    if found is None:
        raise ValueError("This is no file that was made here.")
    return int(found[1])


def render(printout: Printout) -> bytes:
    """Return the pages as PDF, the same bytes for the same printout.

    Raises NotPrintable when a character has no glyph; ValueError when there is no title (a bug).
    """
    sheet = {
        "title": _title(printout.blocks),
        "language": _language(printout.language),
        "faces": FACES,
        "footer": printout.footer,
        "points": printout.points,
        "blocks": _prepared(msgspec.to_builtins(printout.blocks)),
    }
    encoded = msgspec.json.encode(sheet)
    try:
        return typst.compile(
            _page(),
            font_paths=_fonts(),
            ignore_system_fonts=True,
            sys_inputs={"sheet": encoded.decode()},
            pdf_standards=["ua-1"],
            timestamp=0,
        )
    except typst.TypstError as error:
        # its message repeats the text
        if "could not be displayed" in str(error):
            raise NotPrintable from None
        raise RuntimeError(f"page {hashlib.sha256(encoded).hexdigest()[:16]} is not set") from None
