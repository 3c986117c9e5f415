"""What people type finds what they mean: suites of searches over the demo network, with pass marks.

The searches were written for the purpose. A case passes where one of the first hits has one of its keys or
topics; ``python -m pytest tests/search/test_suites.py -rA`` shows the share of each suite and what it missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from search.engine import Batch, FollowingEngine, Position, SearchUnavailable
from search.folder import IndexFolder
from search.local import LocalEngine
from search.meili.engine import MeiliEngine
from tests.search.demo import read
from tests.search.samples import find

FOLDER = Path(__file__).parent / "suites"
SUITES = sorted(file.stem for file in FOLDER.glob("*.json"))


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A search, and what of it must be among the first hits: one of these services, or of these topics.

    ``relaxed``: and the result says that nothing has all that was asked for.
    """

    query: str
    keys: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    relaxed: bool = False


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Searches of one sort; ``pass``: the least share of cases for each engine."""

    about: str
    within: int
    passes: dict[str, float] = msgspec.field(name="pass")
    cases: tuple[Case, ...]


def suite(name: str) -> Suite:
    """Return a suite by its name."""
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Suite)


class Demo(msgspec.Struct):
    """An engine with the demo network."""

    engine: FollowingEngine
    keys: dict[UUID, str]
    topics: dict[UUID, frozenset[str]]

    def meets(self, case: Case, within: int) -> bool:
        """Whether one of the first hits is as the case wants it."""
        found = find(self.engine, case.query, first=within)
        if case.relaxed and not found.relaxed:
            return False
        hits = [hit.id for hit in found.hits]
        return any(
            self.keys[id_] in case.keys or not self.topics[id_].isdisjoint(case.topics) for id_ in hits
        )


def _fill(engine: FollowingEngine) -> Demo:
    services, vocabulary, keys = read()
    assert engine.lead()
    rebuild = engine.rebuild(vocabulary)
    position = Position(feed=UUID(int=12), sequence=1, vocabulary=vocabulary.fingerprint)
    assert not rebuild.apply(Batch(documents=services, removed=[], position=position))
    rebuild.finish()
    return Demo(engine, keys, {one.id: frozenset(topic.code for topic in one.topics) for one in services})


@pytest.fixture(scope="module", params=["local", "meilisearch"])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Each engine that can be had, filled with the demo network."""
    folder = tmp_path_factory.mktemp("suites")
    engine: LocalEngine | MeiliEngine
    if request.param == "local":
        engine = LocalEngine(folder / "index")
    else:
        server = request.getfixturevalue("meili")
        lock = IndexFolder(folder / "lock", "-")
        engine = MeiliEngine(server.url, server.key, lock, prefix=f"suites-{uuid4().hex}")
    yield _fill(engine)
    if isinstance(engine, MeiliEngine):
        with suppress(SearchUnavailable):
            engine.server.drop_later(engine.index)
    engine.resign()


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_reaches_its_mark(demo: Demo, name: str) -> None:
    """So many of a suite's searches have among their first hits what they mean."""
    asked = suite(name)
    missed = [case.query for case in asked.cases if not demo.meets(case, asked.within)]
    share = 1 - len(missed) / len(asked.cases)

    print(
        f"{demo.engine.name} {name}: {share:.3f} of {len(asked.cases)}; missed: {', '.join(missed) or 'none'}"
    )
    assert share >= asked.passes[demo.engine.name]


def test_what_nobody_offers_finds_nothing(demo: Demo) -> None:
    """No hit is made up: it is told that there is none, so that it can be counted as missing."""
    for query in ("Pinguine", "Fallschirm", "qqqqq zzzzz"):
        found = find(demo.engine, query)
        assert (found.total, found.relaxed) == (0, False)


def test_suites_name_what_there_is() -> None:
    """Every key and topic that a case wants is in the demo network, and no search is there twice."""
    _, vocabulary, keys = read()
    for name in SUITES:
        cases = suite(name).cases
        assert {key for case in cases for key in case.keys} <= set(keys.values())
        assert {topic for case in cases for topic in case.topics} <= set(vocabulary.topics)
        assert all(case.keys or case.topics for case in cases)
        assert len({case.query for case in cases}) == len(cases)
