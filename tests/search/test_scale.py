"""The generated services, and that searching them grows slower than they do (figures: make search-scale)."""

from __future__ import annotations

from pathlib import Path

import pytest

from directory.documents import encoder, service_decoder
from search.engine import Facet, SearchQuery, checked
from search.local import LocalEngine
from tests.search.generated import TODAY, searches, services
from tests.search.scale import build, kinds_of_searches, measure


def test_a_number_is_always_the_same_service() -> None:
    """However many there are and wherever one begins; each is sound, and no two are one."""
    some = list(services(60))

    assert list(services(20, first=40)) == some[40:]
    assert len({one.id for one in some}) == 60
    assert [service_decoder.decode(encoder.encode(one)) for one in some] == some


def test_generated_services_are_various() -> None:
    """Else a measurement would say little: places, courses, rules, capacities, and words of their own."""
    some = list(services(2_000))
    words = {word for one in some for word in one.description["de"].split()}

    assert len({place.latitude for one in some for place in one.locations}) > 200
    assert 0.1 < sum(one.course is not None for one in some) / 2_000 < 0.3
    assert len({encoder.encode(one.eligibility) for one in some}) > 20
    assert len({one.municipality.ars for one in some}) > 20
    assert len(words) > 10_000
    assert len(set(searches(300))) > 200


def test_what_is_measured_finds_something(tmp_path: Path) -> None:
    """Every kind of search, in an index that is built like the large ones."""
    engine = LocalEngine(tmp_path)
    build(engine, 200)
    try:
        assert engine.search(checked(SearchQuery(today=TODAY, facets=frozenset(Facet)))).total == 200
        for kind, queries in kinds_of_searches(6).items():
            assert sum(engine.search(query).total for query in queries) > 0, kind
    finally:
        engine.resign()


@pytest.mark.slow
def test_latency_grows_slower_than_the_directory(tmp_path: Path) -> None:
    """Ten times the services take less than six times the processor time, whatever is asked."""
    used = {}
    for size in (1_000, 10_000):
        engine = LocalEngine(tmp_path / str(size))
        build(engine, size)
        used[size] = {kind: found["cpu"] for kind, found in measure(engine, 40).items()}
        engine.resign()

    for kind, small in used[1_000].items():
        assert used[10_000][kind] < 6 * small, kind
