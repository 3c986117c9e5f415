"""Measures search on pages and questions (R@1, R@5, R@10, MRR): python tests/search/measure.py FOLDER."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID, uuid5

from directory.documents import ServiceDocument
from directory.values import MunicipalitySummary, PartnerSummary
from directory.vocabulary import PartnerKind, PublicationState, ServiceKind
from search.engine import Batch, Position, SearchQuery, Vocabulary, checked
from search.local import LocalEngine

SPACE = UUID(int=1)


def page(entry: dict[str, str]) -> ServiceDocument:
    """Return a page as a service: its title, and its text as description."""
    return ServiceDocument(
        id=uuid5(SPACE, entry["id"]),
        version=1,
        partner=PartnerSummary(id=SPACE, name="-", kind=PartnerKind.AUTHORITY),
        municipality=MunicipalitySummary(id=SPACE, name={"de": "-"}, ars="12052"),
        kind=ServiceKind.COUNSELLING,
        title={"de": entry["title"] or "-"},
        description={"de": entry["text"]} if entry["text"] else {},
        state=PublicationState.PUBLISHED,
        updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def measure(folder: Path, column: str) -> str:
    """Index the pages, ask the questions of one column, and return the figures as a line."""
    pages = [json.loads(line) for line in (folder / "pages_de.jsonl").read_text().splitlines()]
    questions = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    with tempfile.TemporaryDirectory() as index:
        engine = LocalEngine(Path(index))
        vocabulary = Vocabulary()
        engine.lead()
        rebuild = engine.rebuild(vocabulary)
        rebuild.apply(
            Batch(
                documents=[page(entry) for entry in pages],
                removed=[],
                position=Position(feed=SPACE, sequence=1, vocabulary=vocabulary.fingerprint),
            )
        )
        rebuild.finish()
        ranks: list[int | None] = []
        times: list[float] = []
        for question in questions:
            query = checked(SearchQuery(text=question[column], today=date(2026, 1, 1), first=10))
            started = time.perf_counter()
            hits = engine.search(query).hits
            times.append(time.perf_counter() - started)
            wanted = uuid5(SPACE, question["page"])
            ranks.append(next((n for n, hit in enumerate(hits, 1) if hit.id == wanted), None))
        engine.resign()
    asked = len(ranks)
    recall = {k: sum(rank is not None and rank <= k for rank in ranks) / asked for k in (1, 5, 10)}
    mrr = sum(1 / rank for rank in ranks if rank is not None) / asked
    times.sort()
    return (
        f"{column}: R@1 {recall[1]:.3f} R@5 {recall[5]:.3f} R@10 {recall[10]:.3f} MRR {mrr:.3f}"
        f" p50 {times[asked // 2] * 1e3:.1f} ms p99 {times[asked * 99 // 100] * 1e3:.1f} ms"
    )


if __name__ == "__main__":
    for name in ("question_de", "question_en"):
        print(measure(Path(sys.argv[1]), name))
