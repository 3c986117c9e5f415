"""Measures what search finds: R@1, R@5, R@10, MRR, and how long a search takes, for each engine.

What searches are like by default, with the model of meanings, comes before what words alone find.
``make search-quality``, with PAGES= and QUESTIONS= for other files of the same form (JSON lines: pages with
id, title, text; questions with page, question_de and perhaps question_en), ENGINE=local or meilisearch for
one engine only, PART=tune or check for half of the pages' questions, JSON=1 for figures as JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4, uuid5

import msgspec

from directory.documents import ServiceDocument
from directory.values import MunicipalitySummary, PartnerSummary
from directory.vocabulary import PartnerKind, PublicationState, ServiceKind
from search.engine import Batch, FollowingEngine, Position, SearchQuery, Vocabulary, checked
from search.folder import IndexFolder
from search.local import LocalEngine
from search.meaning import installed, model
from search.meili.engine import MeiliEngine
from tests.search.meili import ABSENT, OwnServer, program

BENCHMARK: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "search_benchmark"
LANGUAGES: Final = ("de", "en")
ENGINES: Final = ("local", "meilisearch")
PARTS: Final = ("all", "tune", "check")
DAY: Final = date(2026, 1, 1)
SPACE: Final = UUID(int=1)
DEPTH: Final = 10
BATCH: Final = 100


class Page(msgspec.Struct, frozen=True):
    """A page that answers questions."""

    id: str
    title: str = ""
    text: str = ""


class Question(msgspec.Struct, frozen=True):
    """A question, in one or two languages, with the page that people say answers it."""

    page: str
    question_de: str
    question_en: str = ""

    def text(self, language: str) -> str:
        """Return it in a language; empty where it is not asked in it."""
        return self.question_de if language == "de" else self.question_en


class Figures(msgspec.Struct, frozen=True):
    """How good the answers to the questions of one language are; times in milliseconds."""

    engine: str
    meaning: bool
    default: bool
    language: str
    part: str
    questions: int
    r_at_1: float
    r_at_5: float
    r_at_10: float
    mrr: float
    p50_ms: float
    p99_ms: float


def half(page: str) -> str:
    """Return in which half a page's questions are: what is tuned with, or what is only checked with."""
    return "tune" if hashlib.sha256(page.encode()).digest()[0] % 2 == 0 else "check"


def as_service(page: Page) -> ServiceDocument:
    """Return a page as a service: its title, and its text as description."""
    return ServiceDocument(
        id=uuid5(SPACE, page.id),
        version=1,
        partner=PartnerSummary(id=SPACE, name="-", kind=PartnerKind.AUTHORITY),
        municipality=MunicipalitySummary(id=SPACE, name={"de": "-"}, ars="12052"),
        kind=ServiceKind.COUNSELLING,
        title={"de": page.title or "-"},
        description={"de": page.text} if page.text else {},
        state=PublicationState.PUBLISHED,
        updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def fill(engine: FollowingEngine, pages: Sequence[Page]) -> None:
    """Build the engine's index of the pages."""
    vocabulary = Vocabulary()
    if not engine.lead():
        raise RuntimeError("another process writes this index")
    rebuild = engine.rebuild(vocabulary)
    position = Position(feed=SPACE, sequence=1, vocabulary=vocabulary.fingerprint)
    for first in range(0, len(pages), BATCH):
        documents = [as_service(page) for page in pages[first : first + BATCH]]
        if refused := rebuild.apply(Batch(documents=documents, removed=[], position=position)):
            raise RuntimeError(f"pages that cannot be indexed: {len(refused)}")
    rebuild.finish()


def measure(
    engine: FollowingEngine, questions: Sequence[Question], *, language: str, part: str = "all"
) -> Figures:
    """Ask the questions of a language that are in a part; a page not among the first ten counts as missed."""
    asked = [
        question for question in questions if question.text(language) and part in ("all", half(question.page))
    ]
    if not asked:
        raise ValueError(f"no question in {language} in this part")
    ranks: list[int | None] = []
    times: list[float] = []
    for question in asked:
        query = checked(SearchQuery(text=question.text(language)[:500], today=DAY, first=DEPTH))
        started = time.perf_counter()
        hits = engine.search(query).hits
        times.append((time.perf_counter() - started) * 1e3)
        wanted = uuid5(SPACE, question.page)
        ranks.append(next((number for number, hit in enumerate(hits, 1) if hit.id == wanted), None))
    times.sort()

    def recall(most: int) -> float:
        return round(sum(rank is not None and rank <= most for rank in ranks) / len(ranks), 4)

    return Figures(
        engine=engine.name,
        meaning=engine.meaning is not None,
        default=(engine.meaning is not None) == installed(),
        language=language,
        part=part,
        questions=len(ranks),
        r_at_1=recall(1),
        r_at_5=recall(5),
        r_at_10=recall(10),
        mrr=round(sum(1 / rank for rank in ranks if rank is not None) / len(ranks), 4),
        p50_ms=round(times[len(times) // 2], 2),
        p99_ms=round(times[len(times) * 99 // 100], 2),
    )


@contextmanager
def opened(name: str, folder: Path, *, meaning: bool = False) -> Iterator[FollowingEngine]:
    """Open an engine with an empty index of its own; what it leaves behind is thrown away."""
    if name == "local":
        local = LocalEngine(folder / "index", model() if meaning else None)
        try:
            yield local
        finally:
            local.resign()
        return
    url, key = os.environ.get("MEILI_URL"), os.environ.get("MEILI_KEY")
    own = None
    if not url:
        own = OwnServer(folder / "server")
        own.start()
        url, key = own.url, own.key
    try:
        meili = MeiliEngine(
            url,
            key,
            IndexFolder(folder / "lock", "-"),
            prefix=f"quality-{uuid4().hex}",
            meaning=model() if meaning else None,
        )
        try:
            yield meili
        finally:
            meili.server.drop(meili.index)
            meili.resign()
    finally:
        if own is not None:
            own.kill()


def there() -> list[str]:
    """Return the engines that can be had here."""
    return [name for name in ENGINES if name == "local" or os.environ.get("MEILI_URL") or program()]


def _lines(file: Path, kind: type[Page] | type[Question]) -> list[object]:
    decoder = msgspec.json.Decoder(kind)
    return [decoder.decode(line) for line in file.read_bytes().splitlines() if line.strip()]


def read_pages(file: Path) -> list[Page]:
    """Return the pages of a file of JSON lines."""
    return [page for page in _lines(file, Page) if isinstance(page, Page)]


def read_questions(file: Path) -> list[Question]:
    """Return the questions of a file of JSON lines."""
    return [question for question in _lines(file, Question) if isinstance(question, Question)]


def line(figures: Figures) -> str:
    """Return figures as a line to read."""
    by = "+meaning" if figures.meaning else "words"
    default = "  (default)" if figures.default else ""
    return (
        f"{figures.engine:<12} {by:<8} {figures.language}  {figures.part:<5} {figures.questions:>5} asked  "
        f"R@1 {figures.r_at_1:.3f}  R@5 {figures.r_at_5:.3f}  R@10 {figures.r_at_10:.3f}  "
        f"MRR {figures.mrr:.3f}  p50 {figures.p50_ms:.1f} ms  p99 {figures.p99_ms:.1f} ms{default}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as the arguments say, and print the figures; 2 where files or an engine are missing."""
    parser = argparse.ArgumentParser(description="Measure what search finds.")
    parser.add_argument("--pages", type=Path, default=BENCHMARK / "pages_de.jsonl")
    parser.add_argument("--questions", type=Path, default=BENCHMARK / "questions.jsonl")
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--part", choices=PARTS, default="all")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    for file in (asked.pages, asked.questions):
        if not file.is_file():
            print(f"there is no file {file}: name it with PAGES= and QUESTIONS=", file=sys.stderr)
            return 2
    names = there()
    if asked.engine is not None and asked.engine not in names:
        print(ABSENT, file=sys.stderr)
        return 2
    pages, questions = read_pages(asked.pages), read_questions(asked.questions)
    found: list[Figures] = []
    for name in [asked.engine] if asked.engine is not None else names:
        for meaning in (True, False) if installed() else (False,):
            with (
                tempfile.TemporaryDirectory() as folder,
                opened(name, Path(folder), meaning=meaning) as engine,
            ):
                fill(engine, pages)
                for language in LANGUAGES:
                    if any(question.text(language) for question in questions):
                        found.append(measure(engine, questions, language=language, part=asked.part))
                        if not asked.json:
                            print(line(found[-1]), flush=True)
    if asked.json:
        print(msgspec.json.encode(found).decode())
    elif asked.engine is None and len(names) < len(ENGINES):
        print(f"meilisearch  {ABSENT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
