"""What an import says on a terminal, beside its report as JSON."""

from __future__ import annotations

from io import StringIO
from uuid import UUID, uuid4

import pytest
from rich.console import Console

from directory.documents import DocumentKind
from directory.importing import ImportReport
from directory.look_alikes import Pair
from graphapi.importing import sentences_of, tables_of


def told(report: ImportReport) -> str:
    written = StringIO()
    console = Console(file=written, width=200)
    for table in tables_of(report):
        console.print(table)
    return written.getvalue() + "\n".join(sentences_of(report, published=True))


@pytest.mark.parametrize("pairs", [1, 25])
def test_possible_duplicates_are_pointed_out(pairs: int) -> None:
    report = ImportReport(run=uuid4(), source="liste", format="spreadsheet")
    for at in range(pairs):
        report.duplicates.note(
            Pair(kind=DocumentKind.SERVICE, first=UUID(int=at), second=UUID(int=1_000), points=80, reasons=())
        )
    said = told(report)
    assert f"{UUID(int=0)}" in said
    assert f"{UUID(int=1_000)}" in said
    assert f"{pairs} pairs of entries may be the same" in said
    assert ("5 more" in said) is (pairs == 25)


def test_where_there_are_none_nothing_is_said_of_them() -> None:
    assert "pairs" not in told(ImportReport(run=uuid4(), source="liste", format="spreadsheet"))


def test_what_is_here_already_is_told_with_what_to_do() -> None:
    report = ImportReport(run=uuid4(), source="out", format="hsds-3", here_from=["miami", "zwei Worte"])
    report.partners.here, report.services.here = 3, 7
    said = told(report)
    assert "3 partners and 7 services are here already" in said
    assert "import a spreadsheet that was exported here" in said
    assert "--name miami; --name 'zwei Worte'" in said
    assert "here already" not in told(ImportReport(run=uuid4(), source="liste", format="spreadsheet"))
