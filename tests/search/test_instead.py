"""A search that finds nothing offers what does: spellings, a filter less, topics, and where to begin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from uuid import UUID, uuid4

import pytest

from directory.vocabulary import ServiceKind
from search.engine import (
    Batch,
    FacetCount,
    Filters,
    FollowingEngine,
    Position,
    SearchQuery,
    SearchUnavailable,
    Vocabulary,
    checked,
)
from search.folder import IndexFolder
from search.instead import Instead, WithoutFilter, instead
from search.local import LocalEngine
from search.meili.engine import MeiliEngine
from tests.search.demo import key_of, read
from tests.search.samples import TODAY


@pytest.fixture(scope="module", params=["local", "meilisearch"])
def demo(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[FollowingEngine, Vocabulary]]:
    """Each engine that can be had, filled with the demo network."""
    folder = tmp_path_factory.mktemp("instead")
    engine: LocalEngine | MeiliEngine
    if request.param == "local":
        engine = LocalEngine(folder / "index")
    else:
        server = request.getfixturevalue("meili")
        lock = IndexFolder(folder / "lock", "-")
        engine = MeiliEngine(server.url, server.key, lock, prefix=f"instead-{uuid4().hex}")
    services, vocabulary, _ = read()
    assert engine.lead()
    rebuild = engine.rebuild(vocabulary)
    position = Position(feed=UUID(int=13), sequence=1, vocabulary=vocabulary.fingerprint)
    assert not rebuild.apply(Batch(documents=services, removed=[], position=position))
    rebuild.finish()
    yield engine, vocabulary
    if isinstance(engine, MeiliEngine):
        with suppress(SearchUnavailable):
            engine.server.drop_later(engine.index)
    engine.resign()


def offered(demo: tuple[FollowingEngine, Vocabulary], text: str = "", **filters: object) -> Instead:
    """Return what is offered for a search; it finds nothing itself."""
    engine, vocabulary = demo
    query = checked(SearchQuery(today=TODAY, text=text, filters=Filters(**filters)))  # type: ignore[arg-type]
    assert engine.search(query).total == 0
    return instead(engine.search, query, vocabulary)


def test_the_filter_that_excludes_everything_is_named(demo: tuple[FollowingEngine, Vocabulary]) -> None:
    """Alone, with how many there are without it; the others are not blamed."""
    found = offered(demo, "Schuldnerberatung", municipality="09772", kinds=(ServiceKind.COUNSELLING,))
    (without,) = found.filters
    assert (without.filter, without.count > 0) == ("municipality", True)


def test_filters_that_exclude_everything_together_are_named_together(
    demo: tuple[FollowingEngine, Vocabulary],
) -> None:
    """Where no filter alone is the reason."""
    found = offered(demo, municipality="09772", topics=("no-such-topic",))
    engine, _ = demo
    everything = engine.search(SearchQuery(today=TODAY)).total
    assert found.filters == (WithoutFilter("filters", everything),)


def test_what_may_have_been_meant_is_spelt_so_that_it_finds(
    demo: tuple[FollowingEngine, Vocabulary],
) -> None:
    """More letters are wrong than a search forgives; what is offered was tried."""
    engine, _ = demo
    found = offered(demo, "Schldnrbratng")
    assert "Schuldenberatung" in found.spellings
    for text in found.spellings:
        assert engine.search(SearchQuery(today=TODAY, text=text)).total > 0


def test_topics_near_to_the_words_are_offered_within_the_other_filters(
    demo: tuple[FollowingEngine, Vocabulary],
) -> None:
    """Related ones where there are any, and only with the number of services that meet the filters."""
    found = offered(demo, "Deutschkurs", languages=("ckb",), partner_kinds=())
    related = offered(demo, "Deutschkurs", municipality="09772")
    assert related.topics == ()  # nobody is there
    engine, _ = demo
    for one in found.topics:
        hits = engine.search(
            SearchQuery(today=TODAY, filters=Filters(topics=(one.value,), languages=("ckb",)))
        )
        assert hits.total >= one.count > 0


def test_where_to_begin_is_always_said(demo: tuple[FollowingEngine, Vocabulary]) -> None:
    """The clearing comes first, also where nothing resembles what was asked."""
    found = offered(demo, "qqqqq zzzzz")
    assert key_of("clearing") in found.entry_points
    assert (found.spellings, found.filters) == ((), ())
    assert all(isinstance(one, FacetCount) for one in found.topics)
    assert found.topics
