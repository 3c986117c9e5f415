"""Nothing is served before the master key is proven and both sides know what the other one erased."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar
from sqlalchemy import select

from directory.actors import SYSTEM
from directory.database import Database, utc_now
from graphapi.app import application
from graphapi.context import Services
from graphapi.embedded import APP, KEYS, OWNER, READER, Access
from graphapi.jobs import run_jobs
from graphapi.limits import Limits
from graphapi.opening import Opening
from referrals.clients import create_client, find_clients, import_clients
from referrals.models import Client, Erasure
from referrals.personal_data.erasing import agree, erase_client, sweep_orphans
from referrals.personal_data.keystore import KeyStore, MasterKeyWrong
from referrals.personal_data.sealing import MasterKey, generate_master_key
from referrals.problems import Erased
from tests.referrals.town import Town, draft, make_town

ANONYMOUS_QUERY = {"query": "{ __typename }"}


@pytest.fixture
async def own_keys(cluster: Access, empty_keys_database: str) -> AsyncIterator[KeyStore]:
    """A key store of this test's own."""
    opened = KeyStore(MasterKey.parse(generate_master_key()), cluster.dsn(KEYS, empty_keys_database))
    yield opened
    await opened.stop()


@pytest.fixture
async def person(empty_database: Database, own_keys: KeyStore) -> tuple[Town, UUID]:
    """A person in a database of this test's own, taken in while both sides were open."""
    await agree(empty_database, own_keys)
    town = await make_town(empty_database)
    async with empty_database.work(town.coordinator) as work:
        return town, await create_client(work, own_keys, draft())


def app_with(database: Database, keys: KeyStore) -> Litestar:
    return application(Services(database=database, limits=Limits(), keys=keys))


async def answers(app: Litestar) -> tuple[int, int, list[str]]:
    """Return the status of an anonymous operation, the status of the health check, and its reasons."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:  # type: ignore[arg-type]
        asked = await http.post("/graphql", json=ANONYMOUS_QUERY)
        health = await http.get("/health/ready")
    return asked.status_code, health.status_code, health.json()["reasons"]


async def test_another_master_key_serves_nothing(
    cluster: Access, empty_database: Database, empty_keys_database: str, own_keys: KeyStore
) -> None:
    await own_keys.check()
    other = KeyStore(MasterKey.parse(generate_master_key()), cluster.dsn(KEYS, empty_keys_database))
    app = app_with(empty_database, other)
    async with app.lifespan():
        assert await answers(app) == (503, 503, ["master-key-wrong"])


async def test_the_jobs_refuse_another_master_key(
    cluster: Access, empty_database_name: str, empty_keys_database: str, own_keys: KeyStore
) -> None:
    await own_keys.check()
    other = KeyStore(MasterKey.parse(generate_master_key()), cluster.dsn(KEYS, empty_keys_database))
    app_url, reader_url = cluster.dsn(APP, empty_database_name), cluster.dsn(READER, empty_database_name)
    with pytest.raises(MasterKeyWrong) as refused:
        await run_jobs(app_url, reader_url, asyncio.Event(), keys=other)
    assert own_keys.master.id in str(refused.value)
    assert "master-key rotate" in str(refused.value)


async def test_a_key_store_without_its_schema_serves_nothing(
    cluster: Access, empty_database: Database, empty_keys_database: str, own_keys: KeyStore
) -> None:
    connection = await asyncpg.connect(cluster.dsn(OWNER, empty_keys_database))
    await connection.execute("DELETE FROM key_store_version")
    await connection.close()
    assert await answers(app_with(empty_database, own_keys)) == (503, 503, ["key-store-not-newest"])


async def test_a_key_store_that_comes_back_opens_the_door(
    cluster: Access, empty_database: Database, empty_keys_database: str
) -> None:
    """While it is away nothing is served; when it answers again the next request is."""
    cluster.run_sql(f'REVOKE CONNECT ON DATABASE "{empty_keys_database}" FROM {KEYS}')
    nowhere = KeyStore(MasterKey.parse(generate_master_key()), "postgresql://k@127.0.0.1:9/k")
    assert await answers(app_with(empty_database, nowhere)) == (503, 503, ["erasures-not-applied"])

    opening = Opening(empty_database, nowhere)
    before: str | None = opening.reason
    assert before == "erasures-not-applied"
    nowhere._url = cluster.dsn(OWNER, empty_keys_database)
    await nowhere.stop()
    await opening.ensure()
    after: str | None = opening.reason
    assert after is None
    await nowhere.stop()


async def test_a_person_erased_since_is_gone_before_anything_is_served(
    empty_database: Database, own_keys: KeyStore, person: tuple[Town, UUID]
) -> None:
    """A restored database knows nothing of the erasure, the key store does."""
    town, client_id = person
    erased_at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert await own_keys.erase(client_id, erased_at)
    async with empty_database.view(SYSTEM) as session:
        assert await session.scalar(select(Client.sealed_identity).where(Client.id == client_id))

    app = app_with(empty_database, own_keys)
    async with app.lifespan():
        assert await answers(app) == (200, 200, [])

    await empty_database.start()
    async with empty_database.view(SYSTEM) as session:
        row = await session.get_one(Client, client_id)
        assert (row.sealed_identity, row.sealed_contact, row.sealed_profile) == (None, None, None)
        assert (row.name_index, row.languages, row.residence_status) == ((), (), None)
        assert row.erased_at == erased_at
        assert await session.scalar(select(Erasure.at).where(Erasure.client_id == client_id)) == erased_at
    async with empty_database.view(town.lead) as session:
        page = await find_clients(session, town.lead, own_keys)
    assert [(line.id, line.name) for line in page.rows] == [(client_id, None)]


async def test_a_key_that_came_back_is_destroyed_again(
    cluster: Access,
    empty_database: Database,
    empty_keys_database: str,
    own_keys: KeyStore,
    person: tuple[Town, UUID],
) -> None:
    """The key store was restored from before the erasure: it has the key, and its list does not."""
    town, client_id = person
    owner = await asyncpg.connect(cluster.dsn(OWNER, empty_keys_database))
    before = await owner.fetchrow("SELECT * FROM client_key WHERE client_id = $1", client_id)
    async with empty_database.work(town.lead) as work:
        await erase_client(work, client_id, 1)
    await own_keys.erase(client_id)
    assert before is not None
    await owner.execute("DELETE FROM erasure")
    await owner.execute(
        "INSERT INTO client_key SELECT ($1::uuid), $2, $3, $4, $5",
        client_id,
        before["wrapped"],
        before["master_key"],
        before["made_for"],
        before["created_at"],
    )
    await owner.close()
    await own_keys.of(client_id)

    done = await agree(empty_database, own_keys)

    assert (done.cleared, done.destroyed) == (0, 1)
    with pytest.raises(Erased):
        await own_keys.of(client_id)
    assert await agree(empty_database, own_keys) == type(done)(cleared=0, destroyed=0)


async def test_a_process_killed_after_the_commit_leaves_the_key_to_the_job(
    cluster: Access,
    empty_database: Database,
    empty_database_name: str,
    own_keys: KeyStore,
    person: tuple[Town, UUID],
) -> None:
    town, client_id = person
    async with empty_database.work(town.lead) as work:
        await erase_client(work, client_id, 1)
    await own_keys.of(client_id)  # killed here: the key is still there, and its job is in the queue

    store = KeyStore(own_keys.master, own_keys._url)
    stop = asyncio.Event()
    app_url, reader_url = cluster.dsn(APP, empty_database_name), cluster.dsn(READER, empty_database_name)
    running = asyncio.create_task(run_jobs(app_url, reader_url, stop, keys=store))
    try:
        async with asyncio.timeout(60):
            while await own_keys.of_many([client_id]):  # noqa: ASYNC110 - nobody tells when a job is done
                await asyncio.sleep(0.02)
    finally:
        stop.set()
        await running


async def test_keys_of_a_work_that_failed_are_swept_after_a_day(
    cluster: Access, empty_database: Database, empty_keys_database: str, own_keys: KeyStore
) -> None:
    moment = [utc_now()]
    empty_database.clock = lambda: moment[0]
    await agree(empty_database, own_keys)
    town = await make_town(empty_database)
    async with empty_database.work(town.coordinator) as work:
        kept = await create_client(work, own_keys, draft())
    lost = uuid4()
    await own_keys.make([lost], moment[0])

    moment[0] += timedelta(hours=23)
    assert await sweep_orphans(empty_database, own_keys) == 0
    moment[0] += timedelta(hours=2)
    restored = KeyStore(own_keys.master, cluster.dsn(KEYS, empty_keys_database))
    restored.made_for = uuid4()
    assert await sweep_orphans(empty_database, restored) == 0  # not made for that database
    await restored.stop()
    assert await sweep_orphans(empty_database, own_keys) == 1
    assert set(await own_keys.of_many([kept, lost])) == {kept}


async def test_an_import_done_again_finds_the_keys_of_the_one_that_failed(
    empty_database: Database, own_keys: KeyStore
) -> None:
    town = await make_town(empty_database)
    raw = b'[{"key": "p1", "name": "Person 1"}]'
    given = {"partner_id": town.coordination.id, "source": "test", "raw": raw}
    with pytest.raises(ZeroDivisionError):
        async with empty_database.work(SYSTEM) as work:
            await import_clients(work, own_keys, **given)  # type: ignore[arg-type]
            raise ZeroDivisionError
    async with empty_database.work(SYSTEM) as work:
        assert (await import_clients(work, own_keys, **given)).taken == 1  # type: ignore[arg-type]
    async with empty_database.view(town.lead) as session:
        page = await find_clients(session, town.lead, own_keys)
    assert [line.name for line in page.rows] == ["Person 1"]
