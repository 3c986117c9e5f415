"""The unit of work: all of it or nothing, once per key, and a clear word when the database is gone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from directory import building, sources
from directory import database as database_module
from directory.actors import ANONYMOUS, SYSTEM, Actor, Role
from directory.catalogue import PartnerChange, change_partner, hide_partner
from directory.database import Database, Unavailable
from directory.problems import IdempotencyConflict, InvalidInput
from directory.sources import ServiceFilter
from graphapi.embedded import Access
from tests.directory.towns import found_town


def somebody() -> Actor:
    return Actor(role=Role.PARTNER_MEMBER, member_id=uuid4(), partner_id=uuid4(), municipality_id=uuid4())


async def do_once(database: Database, actor: Actor, key: str, given: object) -> UUID:
    """Do what graphapi does around every mutation: claim the key, act, keep the id."""
    async with database.work(actor) as work:
        made = await work.once("make", key, given)
        if made is not None:
            return made
        id_ = uuid4()
        work.record("make", "thing", id_)
        await work.made("make", key, id_)
        return id_


async def deeds_of(database: Database, actor: Actor) -> int:
    async with database.view(SYSTEM) as session:
        return int(
            await session.scalar(
                text("SELECT count(*) FROM audit WHERE member_id = :id"), {"id": actor.member_id}
            )
            or 0
        )


@pytest.mark.parametrize(("patience", "waits"), [(0.1, False), (None, True)])
async def test_whoever_has_patience_waits_for_a_long_statement(
    database: Database, patience: float | None, waits: bool
) -> None:
    """A page gives up in the end; taking over a large directory on a busy machine must not."""
    url = database.engine.url.render_as_string(hide_password=False)
    patient = Database(url, url, patience=patience)
    try:
        async with patient.view(SYSTEM) as session:
            await session.execute(text("SELECT pg_sleep(0.4)"))
        waited = True
    except Unavailable:
        waited = False
    finally:
        await patient.stop()
    assert waited is waits


async def test_a_key_does_a_thing_once(database: Database) -> None:
    """The same key answers with the same id; another key, actor or operation is another thing."""
    actor, other = somebody(), somebody()
    first = await do_once(database, actor, "key-12345", {"a": 1, "b": 2})
    again = await do_once(database, actor, "key-12345", {"b": 2, "a": 1})
    another = await do_once(database, actor, "key-67890", {"a": 1, "b": 2})
    theirs = await do_once(database, other, "key-12345", {"a": 1, "b": 2})

    assert first == again
    assert len({first, another, theirs}) == 3
    assert await deeds_of(database, actor) == 2


async def test_a_key_with_other_input_is_a_problem(database: Database) -> None:
    """Nothing is done with it."""
    actor = somebody()
    await do_once(database, actor, "key-12345", {"a": 1})
    with pytest.raises(IdempotencyConflict):
        await do_once(database, actor, "key-12345", {"a": 2})
    assert await deeds_of(database, actor) == 1


async def test_twenty_calls_of_one_key_do_it_once(database: Database) -> None:
    """At the same time: the others wait, and get the same id."""
    actor = somebody()
    made = await asyncio.gather(*(do_once(database, actor, "key-12345", {"a": 1}) for _ in range(20)))

    assert len(set(made)) == 1
    assert await deeds_of(database, actor) == 1


async def test_a_key_whose_work_failed_is_free_again(database: Database) -> None:
    """The claim went with the work."""
    actor = somebody()
    with pytest.raises(ZeroDivisionError):
        async with database.work(actor) as work:
            await work.once("make", "key-12345", {"a": 1})
            raise ZeroDivisionError

    await do_once(database, actor, "key-12345", {"a": 2})


@pytest.mark.parametrize("key", ["", "short", "x" * 201])
async def test_a_key_has_a_length(database: Database, key: str) -> None:
    """Too short ones are not unique, too long ones are something else."""
    with pytest.raises(InvalidInput, match="idempotencyKey: length"):
        await do_once(database, somebody(), key, {})


async def jobs(database: Database, name: str) -> int:
    async with database.view(SYSTEM) as session:
        return int(
            await session.scalar(
                text("SELECT count(*) FROM pgqueuer WHERE entrypoint = :name"), {"name": name}
            )
            or 0
        )


async def test_a_job_exists_if_and_only_if_its_work_commits(empty_database: Database) -> None:
    """And once, if it is to be done only once."""
    for _ in range(2):
        async with empty_database.work(SYSTEM) as work:
            work.later("a_job", {"n": 1}, only_once="the-one")
    with pytest.raises(ZeroDivisionError):
        async with empty_database.work(SYSTEM) as work:
            work.later("another_job", {})
            await work.finish()
            raise ZeroDivisionError

    assert (await jobs(empty_database, "a_job"), await jobs(empty_database, "another_job")) == (1, 0)


async def test_a_partner_with_many_services_is_rewritten_in_chunks(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first chunk with the change itself, the rest by a job that goes on where it was."""
    here = await found_town(empty_database)
    partner = await here.partner("Alt")
    services = [await here.service(partner.id, f"Angebot {n}") for n in range(7)]
    monkeypatch.setattr(building, "CHUNK", 3)
    monkeypatch.setattr(database_module, "CHUNK", 3)

    async with empty_database.work(SYSTEM) as work:
        await change_partner(work, partner.id, PartnerChange(name="Neu"), expected_version=partner.version)
    mine = ServiceFilter(partner_id=partner.id)
    at_once = await sources.services(empty_database, ANONYMOUS, mine)
    assert sorted(node.partner.name for node in at_once.nodes) == ["Alt"] * 4 + ["Neu"] * 3
    assert await jobs(empty_database, "rewrite_services") == 1

    done: UUID | None = sorted(node.id for node in at_once.nodes)[2]
    rounds = 0
    while done is not None:
        async with empty_database.work(SYSTEM) as work:
            done = await work.rewrite_services(partner.id, done)
        rounds += 1
    in_the_end = await sources.services(empty_database, ANONYMOUS, mine)
    assert rounds == 2
    assert {node.partner.name for node in in_the_end.nodes} == {"Neu"}
    assert {node.version for node in in_the_end.nodes} == {services[0].version + 1}


async def test_hiding_a_partner_with_many_services_hides_them_all_at_once(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Followers hear of it in chunks, but no reader sees one any more."""
    here = await found_town(empty_database)
    partner = await here.partner()
    for n in range(7):
        await here.service(partner.id, f"Angebot {n}")
    monkeypatch.setattr(building, "CHUNK", 3)
    monkeypatch.setattr(database_module, "CHUNK", 3)

    async with empty_database.work(SYSTEM) as work:
        await hide_partner(work, partner.id, expected_version=partner.version)

    assert (await sources.services(empty_database, ANONYMOUS, total=True)).total == 0


async def test_without_a_server_everything_says_unavailable(tmp_path: Path) -> None:
    """Reading, looking and changing; starting is no error."""
    nowhere = f"postgresql://nobody@/nothing?host={tmp_path}"
    gone = Database(nowhere, nowhere)
    await gone.start()
    with pytest.raises(Unavailable):
        await sources.services(gone, ANONYMOUS)
    with pytest.raises(Unavailable):
        async with gone.view(SYSTEM):
            pass
    with pytest.raises(Unavailable):
        async with gone.work(SYSTEM):
            pass
    await gone.stop()


@pytest.mark.slow  # SQLAlchemy waits two seconds for a goodbye
async def test_a_frozen_server_says_unavailable_before_people_give_up(
    app_url: str, reader_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the connection and never answers; the next transaction gets another connection."""
    monkeypatch.setattr(database_module, "FIRST_ANSWER", 0.1)
    database = Database(app_url, reader_url, pool_size=1)
    await database.start()
    async with database.view(SYSTEM) as session:
        frozen = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    os.kill(frozen, signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable):
            async with database.view(SYSTEM):
                pass
        async with database.view(SYSTEM) as session:
            assert (await session.execute(text("SELECT 1"))).scalar_one() == 1
    finally:
        os.kill(frozen, signal.SIGCONT)
    await database.stop()


async def test_who_finds_no_free_connection_is_told_that_too(
    app_url: str, reader_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "FIRST_ANSWER", 0.1)
    database = Database(app_url, reader_url, pool_size=1)
    async with database.view(SYSTEM):
        with pytest.raises(Unavailable):
            async with database.view(SYSTEM):
                pass
    await database.stop()


@asynccontextmanager
async def slow_goodbye(url: str, folder: Path) -> AsyncIterator[str]:
    """Stand between us and PostgreSQL: what it says is passed on at once, that it hung up never."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    name = f".s.PGSQL.{query['port']}"

    open_ends: list[asyncio.StreamWriter] = []
    passing: list[asyncio.Task[None]] = []

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while said := await source.read(65_536):
            target.write(said)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(Path(query["host"]) / name)
        open_ends.extend([writer, ours])
        passing.extend(asyncio.create_task(pass_on(*way)) for way in ((reader, ours), (theirs, writer)))

    server = await asyncio.start_unix_server(relay, folder / name)
    try:
        yield url.replace(quote(query["host"], safe=""), quote(str(folder), safe=""))
    finally:
        for task in passing:
            task.cancel()
        for writer in open_ends:
            writer.transport.abort()
        server.close()


@pytest.mark.parametrize("way", ["reader", "app"])
async def test_a_connection_that_is_being_ended_says_unavailable(
    cluster: Access, app_url: str, reader_url: str, way: str
) -> None:
    """PostgreSQL stops: its last message was read, the end of the connection not yet, and somebody asks."""
    url = reader_url if way == "reader" else app_url
    with TemporaryDirectory() as folder:  # shorter than tmp_path: the path of a socket has 107 bytes at most
        async with slow_goodbye(url, Path(folder)) as relayed:
            through = Database(relayed, relayed, pool_size=1)
            await through.start()

            async def ask() -> int:
                if way == "reader":
                    await sources.services(through, ANONYMOUS)
                    return int(await through.reader.fetchval("SELECT pg_backend_pid()"))
                async with through.view(SYSTEM) as session:
                    return int((await session.execute(text("SELECT pg_backend_pid()"))).scalar_one())

            pid = await ask()
            try:
                await asyncio.to_thread(cluster.run_sql, f"SELECT pg_terminate_backend({pid}, 5000)")
                await asyncio.sleep(0.05)  # until its last message is read
                with pytest.raises(Unavailable):
                    await ask()
            finally:
                through.reader.terminate()
                await through.stop()
