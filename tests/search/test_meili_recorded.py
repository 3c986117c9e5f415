"""Without a server: the adapter's requests are those that a real Meilisearch answered.

With one, the recording is compared with it; RECORD=1 writes it anew.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from directory.courses import CourseFilter
from directory.values import CourseFacts, CourseRun, EligibilityRule, LanguageOffered
from directory.vocabulary import Answer, PublicationState, ResidenceStatus
from search.engine import Facet, Filters, Near, ResidenceFilter, SearchResult
from search.expansion import Unit
from search.folder import IndexFolder
from search.matching import Situation
from search.meili import engine as meili_engine
from search.meili import searching
from search.meili.engine import MeiliEngine
from search.text import query_words
from tests.search.conftest import Reached
from tests.search.recorded import FILE, record, replayed
from tests.search.samples import TODAY, fill, find, place, put, service, topic

KEPT = [
    service(
        "Sprachmittlung bei Behörden",
        id=UUID(int=1 << 90),
        languages=(LanguageOffered(language="ti"),),
        locations=(place(51.76, 14.33),),
    ),
    service(
        "Deutschkurs B1",
        id=UUID(int=2 << 90),
        topics=(topic("language-course"),),
        course=CourseFacts(runs=(CourseRun(starts_on=TODAY + timedelta(days=9)),), childcare=True),
        locations=(place(51.76, 14.33), place(52.5, 13.4)),
    ),
    service(
        "Deutschkurs am Abend",
        id=UUID(int=3 << 90),
        course=CourseFacts(runs=(CourseRun(starts_on=TODAY - timedelta(days=9)),)),
        eligibility=(EligibilityRule(statuses=(ResidenceStatus.SECTION_104C,), answer=Answer.FITS),),
    ),
]
HIDDEN = service("Geheim", id=KEPT[0].id, version=2, state=PublicationState.HIDDEN)


def told(result: SearchResult) -> dict[str, Any]:
    """Return what of an answer is recorded."""
    return {
        "ids": [str(hit.id) for hit in result.hits],
        "counts": [result.total, result.fitting],
        "relaxed": result.relaxed,
        "facets": {
            facet.value: {count.value: count.count for count in counts}
            for facet, counts in sorted(result.facets.items())
        },
        "marked": [[light.fragment for light in hit.highlights] for hit in result.hits],
    }


def _scenario(engine: MeiliEngine) -> list[Any]:
    """Build, change and search an index in every way that sends other requests."""
    fill(engine, KEPT)
    near = Near(latitude=51.76, longitude=14.33, radius_km=5)
    residence = ResidenceFilter(status=ResidenceStatus.SECTION_104C, on=TODAY, fits_only=True)
    results = [
        find(engine),
        find(engine, "Deutschkurs", facets=frozenset(Facet)),
        find(engine, "Sprachmitlung"),
        find(engine, "kurs arabisch"),
        find(engine, "Kurs", situation=Situation(on=TODAY, childcare=True)),
        find(engine, filters=Filters(near=near)),
        find(engine, filters=Filters(residence=residence)),
        find(engine, filters=Filters(course=CourseFilter(bookable_on=TODAY))),
        find(engine, "Deutschkurs", first=1),
    ]
    results.append(find(engine, "Deutschkurs", first=1, after=results[-1].hits[-1].cursor))
    put(engine, HIDDEN, removed=[KEPT[2].id])
    results.append(find(engine))
    position = engine.position()
    return [*map(told, results), position.sequence if position else None, len(engine.versions())]


def scenario(engine: MeiliEngine) -> list[Any]:
    """Ask, without other names of things: words can be added to the vocabulary without a new recording."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(searching, "units", lambda text: tuple(Unit((word,)) for word in query_words(text)))
        return _scenario(engine)


def test_requests_and_answers_are_the_recorded_ones(tmp_path: Path) -> None:
    """Every request, in order, and what is made of every answer."""
    engine = MeiliEngine("http://127.0.0.1:1", "key", IndexFolder(tmp_path / "lock", "-"))
    with replayed(engine.index) as server:
        engine = MeiliEngine(server.url, "key", IndexFolder(tmp_path / "lock", "-"))
        try:
            results = scenario(engine)
        finally:
            engine.resign()
            assert server.different == []
    recorded = json.loads(FILE.read_text())

    assert json.loads(json.dumps(results)) == recorded["results"]
    assert server.next == len(recorded["exchanges"])


def test_the_recording_is_what_a_server_says(meili: Reached, tmp_path: Path) -> None:
    """Else the adapter has changed: record anew."""
    engine = MeiliEngine(meili.url, meili.key, IndexFolder(tmp_path / "lock", "-"), prefix="recorded")
    engine.server.drop(engine.index)
    version = engine.server.ask("version")["pkgVersion"]
    session = record(engine)
    results = json.loads(json.dumps(scenario(engine)))
    exchanges = list(session.exchanges)
    engine.server.drop_later(engine.index)
    engine.resign()
    if os.environ.get("RECORD"):
        kept = {"server": f"Meilisearch {version}", "results": results, "exchanges": exchanges}
        FILE.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n")
    recorded = json.loads(FILE.read_text())

    assert results == recorded["results"]
    assert [one["request"] for one in json.loads(json.dumps(exchanges))] == [
        one["request"] for one in recorded["exchanges"]
    ]


@pytest.mark.parametrize("changed", ["/multi-search", "/documents"])
def test_a_request_that_differs_is_noticed(
    tmp_path: Path, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison itself: a recording of another adapter does not pass."""
    monkeypatch.setattr(meili_engine, "PAUSE_SECONDS", 0.0)  # else it is tried again for six seconds
    engine = MeiliEngine("http://127.0.0.1:1", "key", IndexFolder(tmp_path / "lock", "-"))
    with replayed(engine.index) as server:
        for one in server.exchanges:
            if changed in one["request"][1]:
                one["request"][2] = "something else"
        engine = MeiliEngine(server.url, "key", IndexFolder(tmp_path / "lock", "-"))
        with pytest.raises(Exception):  # noqa: B017 - whatever comes of an answer that is none
            scenario(engine)
        engine.resign()
        assert server.different
