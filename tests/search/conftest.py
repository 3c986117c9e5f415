"""Engines under test, and a directory in a database of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple
from uuid import uuid4

import pytest

from directory.database import Database
from search.engine import FollowingEngine, SearchUnavailable
from search.folder import IndexFolder
from search.local import LocalEngine
from search.meili.engine import MeiliEngine
from tests.search.meili import ABSENT, OwnServer, program
from tests.search.samples import Directory

ROOM = 1_000_000_000


class Reached(NamedTuple):
    """Where a Meilisearch server is."""

    url: str
    key: str | None


@pytest.fixture(scope="session")
def meili(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    """A Meilisearch server for all tests; skips where there is none."""
    url = os.environ.get("MEILI_URL")
    if url:
        yield Reached(url, os.environ.get("MEILI_KEY"))
        return
    if program() is None:
        pytest.skip(ABSENT)
    # In memory where there is some: each task of the server waits for the disk several times.
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    folder = Path(mkdtemp(prefix="meilisearch-", dir=memory if roomy else tmp_path_factory.getbasetemp()))
    own = OwnServer(folder)
    try:
        own.start()
        yield Reached(own.url, own.key)
    finally:
        own.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["local", "meilisearch"])
def new_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], FollowingEngine]]:
    """Make engines that share one index; another engine joins the contract by another parameter."""
    made: list[FollowingEngine] = []
    if request.param == "local":

        def make() -> FollowingEngine:
            made.append(LocalEngine(tmp_path / "index"))
            return made[-1]

    else:
        server: Reached = request.getfixturevalue("meili")
        prefix = f"test-{uuid4().hex}"

        def make() -> FollowingEngine:
            lock = IndexFolder(tmp_path / "lock", "-")
            made.append(MeiliEngine(server.url, server.key, lock, prefix=prefix))
            return made[-1]

    yield make
    for engine in made:
        if isinstance(engine, MeiliEngine):
            with suppress(SearchUnavailable):
                engine.server.drop_later(engine.index)
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
