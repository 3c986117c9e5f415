"""The follower on a real database: nothing lost, nothing hidden shown, searchable once announced."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import select, update

from directory.actors import SYSTEM
from directory.database import Database
from directory.models import ServiceDocumentRow
from directory.vocabulary import PublicationState
from graphapi.embedded import OWNER, READER, Access
from search import follower as follower_module
from search.engine import Batch, Vocabulary
from search.follower import Follower
from search.local import LocalEngine
from tests.search.samples import Directory, find, service


@pytest.fixture
def listen_url(cluster: Access, empty_database_name: str) -> str:
    """Where the follower's own connection goes."""
    return cluster.dsn(READER, empty_database_name)


@pytest.fixture
def local(tmp_path: Path) -> LocalEngine:
    """An engine without an index."""
    return LocalEngine(tmp_path / "index")


@pytest.fixture
def follower(local: LocalEngine, empty_database: Database, listen_url: str) -> Follower:
    """A follower that is not running: each test says when it catches up."""
    return Follower(local, empty_database, listen_url)


@pytest.fixture
async def owner(cluster: Access, empty_database_name: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the owner of the tables."""
    connection = await asyncpg.connect(cluster.dsn(OWNER, empty_database_name))
    yield connection
    await connection.close()


@asynccontextmanager
async def running(follower: Follower) -> AsyncIterator[None]:
    """Let a follower run in the background."""
    task = asyncio.create_task(follower.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until the condition holds; fail after ``seconds``."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "not in time"
        await asyncio.sleep(0.02)


def total(engine: LocalEngine, text: str) -> int:
    """Return how many services are found; none where there is no index yet."""
    return find(engine, text).total if engine.position() is not None else -1


async def test_it_indexes_what_is_published(
    follower: Follower, local: LocalEngine, directory: Directory
) -> None:
    """Drafts and hidden services are not in the index at all."""
    published, _ = await directory.add("Deutschkurs", "Deutschkurs")
    await directory.add("Deutschkurs geheim", state=PublicationState.DRAFT)
    await follower.catch_up()
    assert find(local, "Deutschkurs").total == 2
    assert find(local, "geheim").relaxed is False
    assert len(local.versions()) == 2

    await directory.change(published, state=PublicationState.HIDDEN)
    await follower.catch_up()
    assert find(local, "Deutschkurs").total == 1

    await directory.hide_partner()
    await follower.catch_up()
    assert find(local, "Deutschkurs").total == 0
    assert local.versions() == {}
    assert (follower.lag().behind, follower.lag().searchable) == (0, True)


async def test_catching_up_twice_changes_nothing(
    follower: Follower, local: LocalEngine, directory: Directory
) -> None:
    """And nothing is applied when nothing changed."""
    await directory.add("Deutschkurs")
    assert await follower.catch_up() > 0
    before = local.position()

    assert await follower.catch_up() == 0
    assert local.position() == before


@pytest.mark.slow
async def test_more_changes_than_a_batch_holds(
    follower: Follower, local: LocalEngine, directory: Directory
) -> None:
    """All of them arrive, at the rebuild and after it."""
    await directory.add(*(f"Kurs {number}" for number in range(600)))
    await follower.catch_up()
    assert find(local, "Kurs").total == 600

    await directory.add(*(f"Treff {number}" for number in range(600)))
    assert await follower.catch_up() == 600
    assert find(local, "Treff").total == 600


async def test_a_change_is_searchable_once_it_is_announced(
    local: LocalEngine, empty_database: Database, listen_url: str, directory: Directory
) -> None:
    """Woken by NOTIFY: the clock would come after an hour."""
    waiting = Follower(local, empty_database, listen_url, poll_seconds=3_600)
    async with running(waiting):
        await until(lambda: local.position() is not None)
        (made,) = await directory.add("Deutschkurs")
        await until(lambda: total(local, "Deutschkurs") == 1)

        await directory.change(made, title={"de": "Schwimmen"})
        await until(lambda: total(local, "Schwimmen") == 1)
        assert total(local, "Deutschkurs") == 0


@pytest.mark.slow
async def test_the_poll_finds_what_no_notify_told(
    local: LocalEngine, empty_database: Database, directory: Directory
) -> None:
    """Without its listening connection it is slower, not deaf."""
    deaf = Follower(local, empty_database, "postgresql://nobody@127.0.0.1:1/none", poll_seconds=0.6)
    async with running(deaf):
        await until(lambda: local.position() is not None)
        await directory.add("Deutschkurs")
        await until(lambda: total(local, "Deutschkurs") == 1)


async def test_a_cut_connection_is_opened_again(
    follower: Follower, local: LocalEngine, directory: Directory, listen_url: str
) -> None:
    """The database ends all connections of readers: searches go on, then it follows again."""
    await directory.add("Alt")
    async with running(follower):
        await until(lambda: total(local, "Alt") == 1)
        await asyncio.sleep(0.3)
        killer = await asyncpg.connect(listen_url)
        cut = await killer.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        )
        await killer.close()
        assert len(cut) >= 2
        assert total(local, "Alt") == 1

        await directory.add("Neu")
        await until(lambda: total(local, "Neu") == 1)
        await until(lambda: follower.lag().trouble is None)


async def test_another_feed_means_a_rebuild(
    follower: Follower, local: LocalEngine, directory: Directory, owner: asyncpg.Connection
) -> None:
    """A restored backup has a new feed id: what it does not know leaves the index."""
    await directory.add("Deutschkurs")
    await follower.catch_up()
    await owner.execute("DELETE FROM change WHERE kind = 'SERVICE'")
    await owner.execute("DELETE FROM service_document")
    await owner.execute("UPDATE feed SET id = $1", uuid4())

    await follower.catch_up()

    assert find(local, "Deutschkurs").total == 0


async def test_a_cursor_ahead_of_the_feed_means_a_rebuild(
    follower: Follower, local: LocalEngine, directory: Directory, owner: asyncpg.Connection
) -> None:
    """The feed was set back and nobody told."""
    await directory.add("Eins")
    await directory.add("Zwei")
    await follower.catch_up()
    await owner.execute("DELETE FROM change WHERE sequence = (SELECT max(sequence) FROM change)")

    await follower.catch_up()

    assert (find(local, "Eins").total, find(local, "Zwei").total) == (1, 0)


async def test_new_words_for_a_topic_are_searched(
    follower: Follower, local: LocalEngine, directory: Directory, owner: asyncpg.Connection
) -> None:
    """The vocabulary is read again when it changed."""
    (made,) = await directory.add("Angebot")
    await directory.add_topic("papers", {"de": "Identitätspapiere"}, {})
    await directory.give_topic(made, "papers")
    await follower.catch_up()
    assert find(local, "Reisepass").total == 0
    assert find(local, "Identitaetspapiere").total == 1

    await owner.execute("""UPDATE topic SET synonyms = '{"de": ["Reisepass"]}' WHERE code = 'papers'""")
    await follower.catch_up()

    assert find(local, "Reisepass").total == 1


async def test_a_document_nobody_can_read_is_set_aside(
    follower: Follower, local: LocalEngine, directory: Directory, empty_database: Database
) -> None:
    """It is counted and named, blocks nothing, and comes back when it is mended."""
    bad, good = await directory.add("Schlecht", "Gut")
    async with empty_database.work(SYSTEM) as work:
        await work.session.execute(
            update(ServiceDocumentRow).where(ServiceDocumentRow.id == bad).values(public='{"id": 1}')
        )
    await follower.catch_up()

    assert (find(local, "Gut").total, find(local, "Schlecht").total) == (1, 0)
    assert follower.lag().set_aside == (bad,)
    assert follower.lag().behind == 0

    await directory.change(good, title={"de": "Besser"})
    await follower.catch_up()
    assert follower.lag().set_aside == (bad,)

    await directory.change(bad, title={"de": "Geheilt"})
    await follower.catch_up()
    assert find(local, "Geheilt").total == 1
    assert follower.lag().set_aside == ()


async def test_an_error_nobody_thought_of_ends_nothing(
    follower: Follower, local: LocalEngine, directory: Directory, owner: asyncpg.Connection
) -> None:
    """It is shown as trouble, searches go on, and when the cause is gone it follows again."""
    await directory.add_topic("papers", {"de": "Pass"}, {})
    await directory.add("Alt")
    async with running(follower):
        await until(lambda: total(local, "Alt") == 1)
        await owner.execute("""UPDATE topic SET labels = '["not a map"]'""")
        await directory.add("Neu")
        await until(lambda: follower.lag().trouble == "ValidationError")
        assert total(local, "Alt") == 1

        await owner.execute("""UPDATE topic SET labels = '{"de": "Pass"}'""")
        await until(lambda: total(local, "Neu") == 1)
        await until(lambda: follower.lag().trouble is None)


async def test_a_document_under_another_id_is_set_aside(
    follower: Follower, local: LocalEngine, directory: Directory, empty_database: Database
) -> None:
    """A hit must lead to what it says."""
    bad, good = await directory.add("Schlecht", "Gut")
    async with empty_database.work(SYSTEM) as work:
        text = await work.session.scalar(
            select(ServiceDocumentRow.public).where(ServiceDocumentRow.id == good)
        )
        await work.session.execute(
            update(ServiceDocumentRow).where(ServiceDocumentRow.id == bad).values(public=text)
        )
    await follower.catch_up()

    assert follower.lag().set_aside == (bad,)
    assert local.versions() == {good: 1}


async def test_verify_finds_and_repairs_what_differs(
    follower: Follower, local: LocalEngine, directory: Directory
) -> None:
    """Versions are compared one by one; repaired is only when asked."""
    missing, newer, _ = await directory.add("Eins", "Zwei", "Drei")
    await directory.change(newer, title={"de": "Zwei, neu"})
    await follower.catch_up()
    assert (await follower.verify()).same
    reached = local.position()
    assert reached is not None
    unwanted = service("Fremd")
    older = service("Zwei", id=newer, version=1)
    local.apply(
        Batch(documents=[older, unwanted], removed=[missing], position=reached, forced=True), Vocabulary()
    )

    for repair in (False, True):
        found = await follower.verify(repair=repair)
        assert (found.missing, found.outdated, found.unwanted) == ((missing,), (newer,), (unwanted.id,))
        assert found.repaired is repair

    assert (await follower.verify()).same
    assert find(local, "neu").total == 1
    assert local.position() == reached


async def test_verify_tells_what_was_set_aside_from_what_is_missing(
    follower: Follower, local: LocalEngine, directory: Directory, empty_database: Database
) -> None:
    """A repair tries it again: what can be indexed meanwhile comes back, the rest stays set aside."""
    healed, bad, missing = await directory.add("Geheilt", "Schlecht", "Weg")

    async def write(id_: UUID, public: str) -> str:
        async with empty_database.work(SYSTEM) as work:
            row = await work.session.get_one(ServiceDocumentRow, id_)
            before, row.public = row.public, public
            return before

    good = await write(healed, "{}")
    await write(bad, "{}")
    await follower.catch_up()
    found = await follower.verify()
    assert found.same
    assert (found.missing, set(found.set_aside)) == ((), {healed, bad})

    await write(healed, good)
    reached = local.position()
    assert reached is not None
    local.apply(Batch(documents=[], removed=[missing], position=reached), Vocabulary())
    found = await follower.verify(repair=True)
    assert (found.missing, set(found.set_aside)) == ((missing,), {bad})

    assert set(local.versions()) == {healed, missing}
    found = await follower.verify()
    assert found.same
    assert (set(found.set_aside), found.repaired) == ({bad}, False)


async def test_rebuild_tells_how_far_it_is(
    follower: Follower, local: LocalEngine, directory: Directory
) -> None:
    """For a progress bar; afterwards the new index serves."""
    await directory.add(*(f"Kurs {number}" for number in range(510)))
    told: list[tuple[int, int]] = []

    await follower.rebuild(lambda done, of: told.append((done, of)))

    assert told[-1][0] == told[-1][1] == 511
    assert find(local, "Kurs").total == 510


async def test_it_tells_how_far_behind_it_is_while_a_batch_lasts(
    empty_database: Database,
    listen_url: str,
    directory: Directory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that hangs takes a minute to be given up: its index is not up to date meanwhile."""
    monkeypatch.setattr(follower_module, "COUNT_SECONDS", 0.05)
    goes_on = threading.Event()

    class Hanging(LocalEngine):
        def apply(self, batch: Batch, vocabulary: Vocabulary) -> Mapping[UUID, str]:
            goes_on.wait(20)
            return super().apply(batch, vocabulary)

    engine = Hanging(tmp_path / "index")
    follower = Follower(engine, empty_database, listen_url)
    await directory.add("Alt")
    async with running(follower):
        await until(lambda: total(engine, "Alt") == 1 and follower.lag().behind == 0)
        try:
            await directory.add("Neu", "Neu")
            await until(lambda: follower.lag().behind == 2 and follower.lag().seconds > 0)
        finally:
            goes_on.set()
        await until(lambda: follower.lag().behind == 0)
    assert find(engine, "Neu").total == 2


async def test_the_next_process_takes_over(
    local: LocalEngine, empty_database: Database, listen_url: str, directory: Directory, tmp_path: Path
) -> None:
    """Two processes share the folder; when the one that writes ends, the other goes on."""
    second = LocalEngine(tmp_path / "index")
    one, other = (
        Follower(local, empty_database, listen_url),
        Follower(second, empty_database, listen_url),
    )
    async with running(other):
        await until(lambda: other.lag().leading)
        async with running(one):
            await directory.add("Deutschkurs")
            await until(lambda: total(local, "Deutschkurs") == 1)
            assert not one.lag().leading
            assert one.lag().searchable
    async with running(one):
        await until(lambda: one.lag().leading)
        await directory.add("Schwimmen")
        await until(lambda: total(second, "Schwimmen") == 1)


@pytest.mark.slow
async def test_a_command_takes_over_from_the_server(
    local: LocalEngine, empty_database: Database, listen_url: str, directory: Directory, tmp_path: Path
) -> None:
    """It asks the process that writes to step aside, builds anew, and gives the place back."""
    await directory.add("Deutschkurs")
    server = Follower(local, empty_database, listen_url)
    command_engine = LocalEngine(tmp_path / "index")
    command = Follower(command_engine, empty_database, listen_url)
    async with running(server):
        await until(lambda: server.lag().leading and total(local, "Deutschkurs") == 1)

        await command.take_over(5)
        assert await command.rebuild() > 0
        assert not local.lead()
        command_engine.resign()

        await until(lambda: server.lag().leading and local.lead())
        await directory.add("Schwimmen")
        await until(lambda: total(local, "Schwimmen") == 1)


async def test_a_deleted_folder_is_rebuilt_by_itself(
    follower: Follower, local: LocalEngine, directory: Directory, tmp_path: Path
) -> None:
    """Without a change in the directory and without anybody asking; searches go on meanwhile."""
    await directory.add("Deutschkurs")
    async with running(follower):
        await until(lambda: total(local, "Deutschkurs") == 1)
        shutil.rmtree(tmp_path / "index")
        assert find(local, "Deutschkurs").total == 1
        await until(lambda: total(local, "Deutschkurs") == 1)
        assert (tmp_path / "index" / "current").exists()
