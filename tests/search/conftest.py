"""Engines under test, and a directory in a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from directory.database import Database
from search.engine import FollowingEngine
from search.local import LocalEngine
from tests.search.samples import Directory


@pytest.fixture(params=["local"])
def new_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], FollowingEngine]]:
    """Make engines that share one index; a second engine joins the contract by another parameter."""
    made: list[LocalEngine] = []

    def make() -> LocalEngine:
        made.append(LocalEngine(tmp_path / "index"))
        return made[-1]

    yield make
    for engine in made:
        engine.resign()


@pytest.fixture
def engine(new_engine: Callable[[], FollowingEngine]) -> FollowingEngine:
    """One engine, still without an index."""
    return new_engine()


@pytest.fixture
async def directory(empty_database: Database) -> Directory:
    """An empty directory with one published partner."""
    made = Directory(empty_database)
    await made.begin()
    return made
