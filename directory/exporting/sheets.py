"""Writes the plain spreadsheet, row by row: CSV as German offices open it, and XLSX."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from directory.documents import PartnerDocument, ServiceDocument
from directory.exporting.files import guarded
from directory.sheets import COLUMNS, row_of

if TYPE_CHECKING:
    from openpyxl.cell import Cell

LARGEST_CELL: Final = 32_767
"""Characters that a cell of an XLSX sheet has at most."""

Entries = AsyncIterator[tuple[PartnerDocument, ServiceDocument | None]]
Ended = AsyncIterator[dict[str, str]]
"""Rows that say only that an entry is gone: cells by column key."""


async def _rows(
    entries: Entries, ended: Ended | None, meant: Mapping[str, str] | None
) -> AsyncIterator[dict[str, str]]:
    async for partner, service in entries:
        yield row_of(partner, service, meant)
    if ended is not None:
        async for row in ended:
            yield row


async def write_csv(
    path: Path, entries: Entries, ended: Ended | None = None, *, meant: Mapping[str, str] | None = None
) -> None:
    """Write UTF-8 with BOM, semicolons and decimal commas; no cell is a formula (``files.guarded``).

    ``meant``: which topic a word means (``sheets.words_of_topics``).
    """
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        writer.writerow([column.de for column in COLUMNS])
        async for row in _rows(entries, ended, meant):
            writer.writerow([guarded(row.get(column.key, "")) for column in COLUMNS])


async def write_xlsx(
    path: Path, entries: Entries, ended: Ended | None = None, *, meant: Mapping[str, str] | None = None
) -> None:
    """Write a workbook of one sheet; every cell is a text, so that none is a formula."""
    from openpyxl import Workbook  # costs every process that starts a fifth of a second
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Angebote")
    sheet.freeze_panes = "A2"

    def cell(text: str) -> Cell:
        made = WriteOnlyCell(sheet, value=text[:LARGEST_CELL])
        made.data_type = "s"  # a text, whatever it begins with
        return made

    sheet.append([cell(column.de) for column in COLUMNS])
    async for row in _rows(entries, ended, meant):
        sheet.append([cell(guarded(row[c.key])) if c.key in row else None for c in COLUMNS])
    book.save(path)
    book.close()
