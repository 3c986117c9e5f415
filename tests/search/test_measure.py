"""The tool that measures search: its figures are right, and it says what is missing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from search.meaning import installed
from tests.search.measure import Figures, fill, half, main, measure, opened, read_pages, read_questions

FOLDER = Path(__file__).parent / "quality"
PAGES, QUESTIONS = FOLDER / "pages.jsonl", FOLDER / "questions.jsonl"


def test_figures_are_what_was_found(tmp_path: Path) -> None:
    """Three of four German questions find their page first; of two English ones, one finds another page."""
    questions = read_questions(QUESTIONS)
    with opened("local", tmp_path) as engine:
        fill(engine, read_pages(PAGES))
        german = measure(engine, questions, language="de")
        english = measure(engine, questions, language="en")

    assert (german.questions, german.r_at_1, german.r_at_5, german.mrr) == (4, 0.75, 0.75, 0.75)
    assert (english.questions, english.r_at_1, english.r_at_10, english.mrr) == (2, 0.5, 0.5, 0.5)
    assert 0 < german.p50_ms <= german.p99_ms


def test_it_prints_figures_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has one entry for each engine, with and without the model of meanings, and language."""
    files = ["--pages", str(PAGES), "--questions", str(QUESTIONS)]

    assert main([*files, "--engine", "local", "--json"]) == 0

    found = msgspec.json.decode(capsys.readouterr().out, type=list[Figures])
    assert [(one.engine, one.meaning, one.language, one.questions) for one in found] == [
        ("local", meaning, language, questions)
        for meaning in ((True, False) if installed() else (False,))
        for language, questions in (("de", 4), ("en", 2))
    ]


def test_parts_share_no_page() -> None:
    """Each page's questions are in one half only, always the same one, and both halves have some."""
    halves = {page: half(page) for page in map(str, range(200))}

    assert halves == {page: half(page) for page in halves}
    assert 80 <= sum(part == "tune" for part in halves.values()) <= 120


def test_missing_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without pages it says which file is missing, and how to name another."""
    assert main(["--pages", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capsys.readouterr().err
