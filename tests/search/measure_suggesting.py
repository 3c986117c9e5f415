"""Measures suggestions at size: p50, p99 and the longest time of an answer while somebody types.

``python -m tests.search.measure_suggesting 100000`` prints the figures (``--folder``: of the index that
``scale.py`` has kept there). What is typed are the beginnings of
titles and names of the generated services, one letter to twenty, each letter of the alphabet alone, and words
in the middle. Other programs on the machine make the times longer; processor time suffers less from them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final, NamedTuple
from uuid import UUID

from search.engine import Batch, Position
from search.local import LocalEngine
from search.suggesting import SuggestQuery
from tests.search.generated import VOCABULARY, service, services

LENGTHS: Final = (1, 2, 3, 4, 6, 9, 14, 20)
BATCH: Final = 2_000
SAMPLED: Final = 120
"""Titles, and as many names, that are typed letter by letter."""


class Figures(NamedTuple):
    """Seconds; ``cpu`` is processor time, the others what somebody waits."""

    asked: int
    p50: float
    p99: float
    longest: float
    cpu_p50: float
    cpu_p99: float


def filled(folder: Path, size: int) -> tuple[LocalEngine, list[str]]:
    """Return an engine with so many generated services, and some of their titles and names."""
    engine = LocalEngine(folder)
    engine.lead()
    random, texts, done = Random(size), [""], 0
    every = max(1, size // (SAMPLED * 4))
    if engine.position() is not None:
        for number in range(0, size, every):
            one = service(number)
            texts += [*one.title.values(), one.partner.name]
        return engine, random.sample(texts, min(len(texts), 2 * SAMPLED))
    rebuild = engine.rebuild(VOCABULARY)
    made = iter(services(size))
    while chunk := list(islice(made, BATCH)):
        done += len(chunk)
        for one in chunk[:: max(1, every)]:
            texts += [*one.title.values(), one.partner.name]
        place = Position(feed=UUID(int=5), sequence=done, vocabulary=VOCABULARY.fingerprint)
        rebuild.apply(Batch(documents=chunk, removed=[], position=place))
    rebuild.finish()
    return engine, random.sample(texts, min(len(texts), 2 * SAMPLED))


def typed(texts: list[str]) -> list[str]:
    """Return what is typed: beginnings of texts, of words in the middle, and single letters."""
    found = list("abcdefghijklmnopqrstuvwzäöü")
    for text in texts:
        found += [text[:length] for length in LENGTHS]
        found += [word[:3] for word in text.split()[1:2]]
    Random(7).shuffle(found)
    return [one for one in found if one.strip()]


def measured(folder: Path, size: int) -> Figures:
    """Fill an index and type."""
    engine, texts = filled(folder, size)
    waited, worked = [], []
    for prefix in typed(texts):
        began, before = time.perf_counter(), time.thread_time()
        engine.suggest(SuggestQuery(prefix=prefix), VOCABULARY)
        waited.append(time.perf_counter() - began)
        worked.append(time.thread_time() - before)
    engine.resign()
    waited.sort()
    worked.sort()
    middle, late = len(waited) // 2, int(len(waited) * 0.99)
    return Figures(len(waited), waited[middle], waited[late], waited[-1], worked[middle], worked[late])


def main() -> None:
    """Print the figures of one size in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", type=int, nargs="?", default=100_000)
    parser.add_argument("--folder", type=Path, help="measure the index that is kept here")
    wanted = parser.parse_args()
    size = wanted.size
    with tempfile.TemporaryDirectory() as folder:
        found = measured(wanted.folder / "index" if wanted.folder else Path(folder), size)
    shown = "  ".join(
        f"{name} {1000 * value:.2f}" for name, value in found._asdict().items() if name != "asked"
    )
    print(f"{size} services, {found.asked} times (ms): {shown}")


if __name__ == "__main__":
    main()
