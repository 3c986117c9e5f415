"""Meilisearch through its troubles: away, killed, emptied, frozen; and what it refuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from directory.actors import SYSTEM
from directory.database import Database
from directory.models import Service
from directory.vocabulary import PublicationState
from graphapi.embedded import READER, Access
from search.engine import (
    Batch,
    Facet,
    FollowingEngine,
    Near,
    SearchQuery,
    SearchResult,
    SearchUnavailable,
    Vocabulary,
    first_answer,
)
from search.engine import Filters as Asked
from search.folder import IndexFolder
from search.follower import Follower
from search.leading import DatabaseLock
from search.local import LocalEngine
from search.meili import engine as meili_engine
from search.meili import server as meili_server
from search.meili import states
from search.meili.engine import MeiliEngine
from search.meili.fields import SHAPE, settings, settings_fingerprint
from search.meili.server import TaskFailed
from tests.search.conftest import Reached
from tests.search.meili import NONE_TO_STOP, OwnServer, program
from tests.search.samples import TODAY, VOCABULARY, Directory, fill, find, ids, place, position, put, service


@pytest.fixture
def remote(meili: Reached, tmp_path: Path) -> Iterator[MeiliEngine]:
    """An engine on the tests' server, with an index of its own."""
    lock = IndexFolder(tmp_path / "lock", "-")
    made = MeiliEngine(meili.url, meili.key, lock, prefix=f"test-{uuid4().hex}")
    yield made
    made.server.drop_later(made.index)
    made.resign()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnServer]:
    """A server of this test only, to be stopped and killed."""
    if program() is None:
        pytest.skip(NONE_TO_STOP)
    made = OwnServer(tmp_path / "meilisearch")
    made.start()
    yield made
    made.kill()


class Both:
    """Two engines that follow one directory, asked in the order of a running installation."""

    def __init__(self, server: OwnServer, folder: Path, database: Database, listen_url: str) -> None:
        self.remote = MeiliEngine(server.url, server.key, IndexFolder(folder / "lock", "-"))
        self.local = LocalEngine(folder / "index")
        self.followers = [
            Follower(engine, database, listen_url, poll_seconds=0.5) for engine in (self.remote, self.local)
        ]

    @property
    def lag(self) -> Any:
        """How far the one on the server is behind."""
        return self.followers[0].lag()

    def answer(self, text: str = "", **more: Any) -> SearchResult | None:
        """Return what people get; None: nobody answers."""
        try:
            query = SearchQuery(text=text, **({"today": TODAY} | more))
            return first_answer([self.remote, self.local], query)
        except SearchUnavailable:
            return None

    def alike(self) -> bool:
        """Whether both engines have the same services in the same versions, and answer alike."""
        try:
            return self.remote.versions() == self.local.versions() and all(
                self._told(self.remote, text) == self._told(self.local, text)
                for text in ("", "Kurs", "Deutschkurs", "Kurs 1 17", "Deutschkors")
            )
        except SearchUnavailable:
            return False

    def _told(self, engine: FollowingEngine, text: str) -> Any:
        found = find(engine, text, facets=frozenset(Facet), first=100)
        return found.total, found.facets, found.relaxed, set(ids(found)) if found.total <= 100 else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let both follow in the background."""
        tasks = [asyncio.create_task(follower.run()) for follower in self.followers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def both(
    own: OwnServer, tmp_path: Path, empty_database: Database, cluster: Access, empty_database_name: str
) -> Both:
    """Both engines over one directory."""
    return Both(own, tmp_path, empty_database, cluster.dsn(READER, empty_database_name))


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until the condition holds; it may block."""
    ends = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < ends, "not in time"
        await asyncio.sleep(0.05)


def answered(both: Both, text: str, total: int, *, degraded: bool) -> Callable[[], bool]:
    """Return whether people find so many, by the engine that is meant."""

    def check() -> bool:
        found = both.answer(text)
        return found is not None and (found.total, found.degraded) == (total, degraded)

    return check


async def test_a_server_that_was_away_loses_nothing(both: Both, own: OwnServer, directory: Directory) -> None:
    """Meanwhile the local index answers and says so; afterwards both have the same."""
    kept, gone = await directory.add("Deutschkurs", "Deutschkurs")
    async with both.running():
        await until(answered(both, "Deutschkurs", 2, degraded=False))

        own.stop()
        await directory.add("Deutschkurs am Abend")
        await directory.change(gone, state=PublicationState.HIDDEN)
        await directory.change(kept, title={"de": "Schwimmkurs"})
        await until(answered(both, "Deutschkurs", 1, degraded=True))
        await until(lambda: both.lag.trouble == "SearchUnavailable" and both.lag.behind >= 3)
        assert not both.lag.searchable

        own.start()
        await until(answered(both, "Deutschkurs", 1, degraded=False))
        await until(both.alike)
        assert find(both.remote, "Schwimmkurs").total == 1
        await until(lambda: both.lag.behind == 0 and both.lag.trouble is None)


async def test_a_server_that_hangs_is_left_alone(
    both: Both, own: OwnServer, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes connections and says nothing: one search waits for it, the next ones ask nothing of it."""
    monkeypatch.setattr(meili_server, "REST_SECONDS", 3_600.0)
    await directory.add("Deutschkurs")
    async with both.running():
        await until(answered(both, "Deutschkurs", 1, degraded=False))
        own.freeze()
        await until(answered(both, "Deutschkurs", 1, degraded=True))
        with monkeypatch.context() as changed:
            changed.setattr(both.remote.server, "_asking", None)  # who asked now would fail by it
            assert await asyncio.to_thread(answered(both, "Deutschkurs", 1, degraded=True))

        own.thaw()
        assert await asyncio.to_thread(answered(both, "Deutschkurs", 1, degraded=True))
        monkeypatch.setattr(meili_server, "REST_SECONDS", 0.0)
        monkeypatch.setattr(both.remote.server, "_resting_until", 0.0)  # the rest is over
        await until(answered(both, "Deutschkurs", 1, degraded=False))


async def test_a_server_killed_in_the_middle_of_batches_ends_whole(
    both: Both, own: OwnServer, directory: Directory
) -> None:
    """Document and position are one commit: what was not committed comes again."""
    await directory.add("Anfang")
    async with both.running():
        await until(answered(both, "Anfang", 1, degraded=False))
        for number in range(3):
            await directory.add(*(f"Kurs {number} {n}" for n in range(300)))
            await asyncio.sleep(0.15)
            own.kill()
            own.start()
        await until(both.alike, 40)
        await until(answered(both, "Kurs", 900, degraded=False))
    for follower in both.followers:
        assert (await follower.verify()).same


async def test_a_deleted_index_comes_back_by_itself(both: Both, directory: Directory) -> None:
    """Nobody has to ask; until then the local index answers."""
    await directory.add("Deutschkurs")
    async with both.running():
        await until(answered(both, "Deutschkurs", 1, degraded=False))
        await asyncio.to_thread(both.remote.server.drop, both.remote.index)
        found = both.answer("Deutschkurs")
        assert found is not None
        assert found.total == 1
        await until(answered(both, "Deutschkurs", 1, degraded=False))
        await until(both.alike)


async def test_a_transaction_that_commits_late_is_not_passed_over(
    both: Both, directory: Directory, empty_database: Database
) -> None:
    """One that began earlier and commits after a later one arrives in both engines."""
    early, late = await directory.add("Eins", "Zwei")
    async with both.running():
        await until(both.alike)
        async with empty_database.work(SYSTEM) as work:
            found = await work.session.get_one(Service, early)
            found.title, found.version = {"de": "Spät"}, found.version + 1
            await work.session.flush()
            await directory.change(late, title={"de": "Früh"})
            await until(answered(both, "Früh", 1, degraded=False))
            work.touch_service(early)
        await until(answered(both, "Spät", 1, degraded=False))
        await until(both.alike)


async def test_two_hosts_write_one_after_the_other(
    own: OwnServer, empty_database: Database, directory: Directory, cluster: Access, empty_database_name: str
) -> None:
    """The lock of the database says which; when its host ends, the other goes on."""
    url = cluster.dsn(READER, empty_database_name)

    def host() -> tuple[MeiliEngine, Follower]:
        lock = DatabaseLock(url, "index")
        engine = MeiliEngine(own.url, own.key, lock)
        return engine, Follower(engine, empty_database, url, poll_seconds=0.5, lock=lock)

    (one, first), (other, second) = host(), host()
    await directory.add("Deutschkurs")
    ending = asyncio.create_task(first.run())
    await until(lambda: first.lag().leading and first.lag().searchable)
    staying = asyncio.create_task(second.run())
    await until(lambda: second.lag().searchable)
    assert not second.lag().leading
    assert find(other, "Deutschkurs").total == 1

    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)
    await until(lambda: second.lag().leading)
    await directory.add("Deutschkurs")
    await until(lambda: find(one, "Deutschkurs").total == 2)
    staying.cancel()
    await asyncio.gather(staying, return_exceptions=True)


# --- what the server refuses, and what it is set up with


def test_what_the_server_refuses_is_set_aside(remote: MeiliEngine) -> None:
    """One document that it does not take stops no other, and is counted with the position."""
    bad = service("Schlecht", locations=(place(float("nan"), 14.0),))
    good = [service("Gut") for _ in range(5)]
    fill(remote, [service("Alt")])

    refused = remote.apply(
        Batch(documents=[*good[:2], bad, *good[2:]], removed=[], position=position(2)), VOCABULARY
    )

    kept = remote.position()
    assert set(refused) == {bad.id}
    assert kept is not None
    assert (kept.sequence, set(kept.set_aside)) == (2, {bad.id})
    assert (find(remote, "Gut").total, find(remote, "Schlecht").total) == (5, 0)


@pytest.mark.parametrize("at_once", [1, meili_engine.TASK_SERVICES])
def test_what_the_server_refuses_stops_no_rebuild(
    remote: MeiliEngine, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Batches are handed over without waiting; the bad one of them is found all the same, and named."""
    monkeypatch.setattr(meili_engine, "TASK_SERVICES", at_once)
    bad = service("Schlecht", locations=(place(float("nan"), 14.0),))
    again = service("Kurs alt")
    assert remote.lead()
    rebuild = remote.rebuild(VOCABULARY)
    batches = [[service("Kurs"), bad, again], [service("Kurs")], [replace(again, title={"de": "Kurs neu"})]]
    for sequence, documents in enumerate(batches, 1):
        rebuild.apply(Batch(documents=documents, removed=[], position=position(sequence)))
    rebuild.finish()

    kept = remote.position()
    assert kept is not None
    assert (kept.sequence, set(kept.set_aside)) == (3, {bad.id})
    assert (find(remote, "Kurs").total, find(remote, "neu").total, find(remote, "Schlecht").total) == (
        3,
        1,
        0,
    )


@pytest.mark.parametrize("lost", [1, meili_engine.HAND_OVERS])
def test_a_rebuild_hands_over_again_what_was_not_taken(
    remote: MeiliEngine, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """A busy server that takes nothing, or whose answer is lost; not for ever."""
    fill(remote, [service("Alt")])
    monkeypatch.setattr(meili_engine, "PAUSE_SECONDS", 0.0)
    hand_over, times = remote.server.put_later, 0

    def losing(index: str, documents: bytes) -> int:
        nonlocal times
        times += 1
        task = hand_over(index, documents)
        if times <= lost:
            raise SearchUnavailable("lost")
        return task

    monkeypatch.setattr(remote.server, "put_later", losing)
    rebuild = remote.rebuild(VOCABULARY)
    rebuild.apply(Batch(documents=[service("Kurs"), service("Kurs")], removed=[], position=position(7)))
    if lost < meili_engine.HAND_OVERS:
        rebuild.finish()
        assert (find(remote, "Kurs").total, find(remote, "Alt").total) == (2, 0)
    else:
        with pytest.raises(SearchUnavailable):
            rebuild.finish()
        rebuild.abandon()
        assert (find(remote, "Kurs").total, find(remote, "Alt").total) == (0, 1)
    assert times == min(lost + 1, meili_engine.HAND_OVERS)


def test_a_failed_rebuild_leaves_the_old_index(remote: MeiliEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that the server refuses reach no index that serves."""
    fill(remote, [service("Alt")])
    with monkeypatch.context() as changed:
        changed.setattr(meili_engine, "settings", lambda _: {"rankingRules": ["nonsense:up"]})
        with pytest.raises(SearchUnavailable):
            remote.rebuild(VOCABULARY)

    assert find(remote, "Alt").total == 1
    assert remote.position() == position(1)


def test_changed_settings_mean_a_rebuild_and_no_gap(
    remote: MeiliEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old index answers until the new one takes its place."""
    fill(remote, [service("Alt")])
    declared = settings_fingerprint
    monkeypatch.setattr(meili_engine, "settings_fingerprint", lambda words: f"other {declared(words)}")

    assert remote.position() is None
    assert find(remote, "Alt").total == 1
    fill(remote, [service("Neu")], sequence=2)
    assert (remote.position(), find(remote, "Neu").total) == (position(2), 1)


def test_an_index_that_the_server_made_by_itself_is_none(remote: MeiliEngine) -> None:
    """Documents that arrive after an index was deleted make another one, which is not whole."""
    fill(remote, [service("Alt")])
    remote.server.drop(remote.index)
    remote.server.put(remote.index, [{"id": "position", "meta": "position", "made": "x", "stored": ""}])

    assert remote.position() is None
    with pytest.raises(SearchUnavailable):
        find(remote)
    with pytest.raises(SearchUnavailable):
        put(remote, service("Neu"))


def test_what_a_crashed_rebuild_left_is_swept(remote: MeiliEngine) -> None:
    """By the next rebuild, and nothing else is."""
    fill(remote, [service("Alt")])
    crashed = remote.rebuild(VOCABULARY)._index  # and then its process died
    other = f"{remote.index[: -len(SHAPE)]}0-0-0"
    remote.server.create(other)

    fill(remote, [service("Neu")])

    left = {found["uid"] for found in remote.server.indexes()}
    assert {remote.index, other} <= left
    assert crashed not in left
    remote.server.drop(other)


def test_the_servers_settings_are_the_declared_ones(remote: MeiliEngine) -> None:
    """What is declared is what the server says back."""
    fill(remote, [service()])
    said = remote.server.ask(f"indexes/{remote.index}/settings")
    declared = settings(VOCABULARY)

    for name in ("searchableAttributes", "rankingRules", "pagination", "searchCutoffMs"):
        assert said[name] == declared[name]
    assert set(said["stopWords"]) == set(declared["stopWords"])
    assert {"identitatspapiere", "pass"} <= set(said["synonyms"]["papiere verlangern"])
    assert {"bamf", "pass"} & set(said["synonyms"]) == {"bamf", "pass"}
    typos = said["typoTolerance"]
    assert typos["disableOnNumbers"] is True
    assert typos["disableOnAttributes"] == ["codes"]
    assert {"104c", "avgs"} <= set(typos["disableOnWords"])
    assert len(said["localizedAttributes"]) == len(declared["localizedAttributes"])


def test_hidden_services_leave_nothing_behind(remote: MeiliEngine) -> None:
    """Not their bare ids either, once the batch is done."""
    hidden = service("Geheimnis")
    fill(remote, [hidden, service("Alt")])
    put(remote, service("Geheimnis", id=hidden.id, version=2, state=PublicationState.HIDDEN))

    assert remote.server.documents(remote.index, ids=[str(hidden.id)]) == []
    assert find(remote, "Geheimnis").total == 0


def test_a_wrong_key_is_an_engine_that_is_away(meili: Reached, tmp_path: Path) -> None:
    """Not an error of the search."""
    stranger = MeiliEngine(meili.url, "not the key", IndexFolder(tmp_path / "lock", "-"))
    with pytest.raises(SearchUnavailable):
        find(stranger)
    with pytest.raises((SearchUnavailable, TaskFailed)):
        stranger.rebuild(Vocabulary())


# --- beyond what can be looked at, and at its edges


def test_the_best_of_very_many_are_found(remote: MeiliEngine) -> None:
    """More hits than can be paged through: those with rare words and those with titles are not lost."""
    many = [service("Kurs", description={"de": "Deutsch im Alltag"}) for _ in range(1_200)]
    rare = service("Kurs", description={"de": "Deutsch und Schweißen im Alltag"})
    titled = service("Alltag Deutsch")
    fill(remote, [*many, rare, titled])

    result = find(remote, "Deutsch Alltag Schweißen")

    assert result.total == 1_202
    assert ids(result)[0] == rare.id
    assert ids(find(remote, "Deutsch Alltag"))[0] == titled.id


@pytest.mark.parametrize("number", [1, 2])
def test_circles_agree_with_the_local_engine(remote: MeiliEngine, tmp_path: Path, number: int) -> None:
    """For services with one place, and with several, of which one is enough."""
    local: FollowingEngine = LocalEngine(tmp_path / "index")
    services = [
        service(locations=tuple(place(51.5 + n * 0.013, 14.0 + m * 9.0) for m in range(number)))
        for n in range(40)
    ]
    fill(remote, services)
    fill(local, services)
    for radius in (0.5, 5.0, 23.0):
        near = Asked(near=Near(latitude=51.76, longitude=14.0, radius_km=radius))
        assert set(ids(find(remote, filters=near, first=100))) == set(
            ids(find(local, filters=near, first=100))
        )
    local.resign()


def test_a_rim_with_more_places_than_the_server_tells_of_is_told_more_finely(
    remote: MeiliEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = [service(locations=(place(51.5 + n * 0.001, 14.0),)) for n in range(100)]
    fill(remote, services)
    near = Asked(near=Near(latitude=51.55, longitude=14.0, radius_km=3.5))
    expected = find(remote, filters=near, first=100).total
    monkeypatch.setattr(states, "MOST_VALUES", 4)
    fill(remote, services)  # another commit: what was known is forgotten

    assert find(remote, filters=near, first=100).total == expected > 50
    monkeypatch.setattr(states, "MOST_VALUES", 1)
    with pytest.raises(SearchUnavailable, match="rim"):
        find(remote, filters=Asked(near=Near(latitude=51.5, longitude=14.0, radius_km=0.001)))
