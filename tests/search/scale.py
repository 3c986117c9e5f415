"""Measures an engine at size: time to build, size, p50 and p99 of searches with filters and facets.

``make search-scale SIZE=100000 ENGINE=local`` (or ``meilisearch``; ``ARGS=--meaning`` with the model, else
by words; ``--folder`` keeps the index, ``--minutes`` ends its building). Other programs on the machine make
the times longer; processor time (``cpu``: of this process, or of the server) suffers less from them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from math import inf
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

from msgspec import structs

from directory.vocabulary import Gender, ResidenceStatus, ServiceKind
from search.engine import (
    DEEPEST,
    LARGEST_PAGE,
    Batch,
    Facet,
    Filters,
    FollowingEngine,
    Near,
    Position,
    ResidenceFilter,
    SearchQuery,
    SearchUnavailable,
    checked,
)
from search.folder import IndexFolder
from search.local import LocalEngine
from search.matching import Situation
from search.meaning import Model, model
from search.meili.server import REST_SECONDS
from tests.search.generated import TODAY, TOWNS, VOCABULARY, frequent_texts, searches, services
from tests.search.meili import OwnServer

FEED: Final = UUID(int=5)
BATCH: Final = 500
FAR: Final = "words, 45th page of 20"
FAR_SEARCHES: Final = 60
SOME_FACETS: Final = frozenset({Facet.KIND, Facet.TOPIC, Facet.LANGUAGE, Facet.CAPACITY})


def _filters(random: Random) -> Filters:
    town = random.choice(TOWNS)
    return random.choice(
        (
            Filters(near=Near(latitude=town.latitude, longitude=town.longitude, radius_km=20)),
            Filters(municipality=town.district, languages=(random.choice(("ar", "ti", "uk")),)),
            Filters(
                residence=ResidenceFilter(status=ResidenceStatus.SECTION_60A, on=TODAY),
                open_capacity_on=TODAY,
            ),
            Filters(kinds=tuple(random.sample(list(ServiceKind), 2)), topics=("language-course",)),
        )
    )


def _somewhere(random: Random) -> Near:
    town = random.choice(TOWNS)
    return Near(
        latitude=town.latitude + random.gauss(0, 0.05),
        longitude=town.longitude + random.gauss(0, 0.08),
        radius_km=random.choice((5, 20, 80)),
    )


def kinds_of_searches(number: int) -> dict[str, list[SearchQuery]]:
    """Return the searches that are measured, by kind."""
    random = Random(1)
    texts = searches(number)
    situation = Situation(
        on=TODAY, residence_status=ResidenceStatus.SECTION_104C, childcare=True, gender=Gender.WOMAN
    )
    everywhere = [SearchQuery(today=TODAY, text=text) for text in texts]
    made = {
        "words": everywhere,
        "words, filters, facets": [
            SearchQuery(today=TODAY, text=text, filters=_filters(random), facets=SOME_FACETS)
            for text in texts
        ],
        "filters, facets": [
            SearchQuery(today=TODAY, filters=_filters(random), facets=SOME_FACETS) for _ in texts
        ],
        "words, every facet": [
            SearchQuery(today=TODAY, text=text, facets=frozenset(Facet)) for text in texts
        ],
        "frequent words, 4 facets": [
            SearchQuery(today=TODAY, text=text, facets=SOME_FACETS) for text in frequent_texts(number)
        ],
        "nothing, every facet": [SearchQuery(today=TODAY, facets=frozenset(Facet))] * number,
        "within 5 to 80 km": [
            SearchQuery(today=TODAY, filters=Filters(near=_somewhere(random)), facets=SOME_FACETS)
            for _ in texts
        ],
        "words, fitting first": [SearchQuery(today=TODAY, text=text, situation=situation) for text in texts],
        FAR: everywhere[:FAR_SEARCHES],
    }
    return {kind: [checked(query) for query in queries] for kind, queries in made.items()}


def build(engine: FollowingEngine, size: int, minutes: float = inf) -> tuple[int, float]:
    """Build the engine's index of so many services, or of as many as there is time for.

    Returns how many they are, and the seconds it took; after ``minutes`` nothing more is added.
    """
    started = time.perf_counter()
    assert engine.lead()
    rebuild = engine.rebuild(VOCABULARY)
    source = services(size)
    done = 0
    while time.perf_counter() - started < minutes * 60 and (documents := list(islice(source, BATCH))):
        done += len(documents)
        position = Position(feed=FEED, sequence=done, vocabulary=VOCABULARY.fingerprint)
        rebuild.apply(Batch(documents=documents, removed=[], position=position))
        if done % 10_000 == 0:
            print(f"{done:,} after {time.perf_counter() - started:,.0f} s", file=sys.stderr, flush=True)
    rebuild.finish()
    return done, time.perf_counter() - started


def measure(
    engine: FollowingEngine, number: int, cpu: Callable[[], float] = time.process_time
) -> dict[str, dict[str, float]]:
    """Return p50 and p99 (ms), processor time (ms), mean total, and how many got no answer, by kind."""
    figures: dict[str, dict[str, float]] = {}
    for kind, queries in kinds_of_searches(number).items():
        for query in queries[:6]:
            with suppress(SearchUnavailable):
                engine.search(query)  # what is judged once for a state is judged
        if kind == FAR:
            queries = [_last_page(engine, query) for query in queries]
        times = []
        total = away = 0
        before = cpu()
        for query in queries:
            started = time.perf_counter()
            before_away = away
            try:
                total += engine.search(query).total
            except SearchUnavailable:
                away += 1  # people would get the local engine's answer
            times.append((time.perf_counter() - started) * 1e3)
            if away > before_away:
                time.sleep(REST_SECONDS)  # else all that is asked meanwhile counts as away too
        used = (cpu() - before) * 1e3
        times.sort()
        figures[kind] = {
            "p50": times[len(times) // 2],
            "p99": times[len(times) * 99 // 100],
            "cpu": used / len(queries),
            "hits": total / len(queries),
            "away": away,
        }
        print(kind, figures[kind], file=sys.stderr, flush=True)
    return figures


def _last_page(engine: FollowingEngine, query: SearchQuery) -> SearchQuery:
    """Return the search for the page at whose end paging ends, or the last one with hits."""
    page = structs.replace(query, first=LARGEST_PAGE)
    seen = 0
    with suppress(SearchUnavailable):  # then it is the last one that could be had
        while seen < DEEPEST - LARGEST_PAGE and (found := engine.search(page)).more:
            page = structs.replace(page, after=found.hits[-1].cursor)
            seen += LARGEST_PAGE
    return structs.replace(page, first=20)


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


@contextmanager
def engine_of(
    name: str, folder: Path, meaning: Model | None = None
) -> Iterator[tuple[FollowingEngine, Path, Callable[[], float]]]:
    """Run an engine in a folder; return it, where its files are, and a clock of its processor time."""
    if name == "local":
        engine = LocalEngine(folder / "index", meaning)
        try:
            yield engine, folder / "index", time.process_time  # facets are counted in threads
        finally:
            engine.resign()
        return
    from search.meili.engine import MeiliEngine

    server = OwnServer(folder / "server")
    server.start(memory="2GiB")
    remote = MeiliEngine(server.url, server.key, IndexFolder(folder / "lock", "-"), meaning=meaning)

    def used() -> float:
        fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    try:
        yield remote, folder / "server" / "data", used
    finally:
        remote.resign()
        server.stop()


def main() -> None:
    """Build, measure and print."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--size", type=int, default=10_000)
    given.add_argument("--engine", choices=("local", "meilisearch"), default="local")
    given.add_argument("--minutes", type=float, default=inf, help="build with what was made until then")
    given.add_argument("--searches", type=int, default=300, help="searches of each kind")
    given.add_argument("--folder", type=Path, help="keep the index here, and use the one that is")
    given.add_argument("--meaning", action="store_true", help="with the model; else by words only")
    given.add_argument("--json", action="store_true")
    wanted = given.parse_args()
    folder = wanted.folder or Path(tempfile.mkdtemp(prefix="search-scale-"))
    try:
        with engine_of(wanted.engine, folder, model() if wanted.meaning else None) as (engine, files, cpu):
            load = os.getloadavg()[0]
            there = engine.lead() and engine.position() is not None
            size, seconds = (wanted.size, 0.0) if there else build(engine, wanted.size, wanted.minutes)
            found: dict[str, Any] = {
                "engine": wanted.engine,
                "services": size,
                "by": "words and meaning" if wanted.meaning else "words",
                "day": datetime.now(UTC).date().isoformat(),
                "load before, after": (round(load, 1), round(os.getloadavg()[0], 1)),
                "build_seconds": round(seconds, 1),
                "megabytes": round(size_of(files) / 1e6, 1),
                "searches": measure(engine, wanted.searches, cpu),
            }
            found["memory_megabytes"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
            found["load at the end"] = round(os.getloadavg()[0], 1)
    finally:
        if wanted.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    if wanted.json:
        print(json.dumps(found))
        return
    print(", ".join(f"{name} {value}" for name, value in found.items() if name != "searches"))
    for kind, figures in found["searches"].items():
        print(f"  {kind:26}" + "".join(f" {name} {value:9.1f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
