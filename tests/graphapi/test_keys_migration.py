"""Keys of a former version, which stood in the main database, move into the key store and nothing is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from directory.database import utc_now
from graphapi.embedded import KEYS, OWNER, SUPERUSER, Access
from graphapi.migrating import _config, migrate, newest_revision
from referrals.personal_data.keystore import KeyStore, MasterKeyWrong, client_place, organisation_place
from referrals.personal_data.sealing import DataKey, IndexKey, MasterKey, Place, generate_master_key

pytestmark = pytest.mark.slow  # each makes a database of a former version

BEFORE = "0012_row_security"


@pytest.fixture
async def former(cluster: Access) -> AsyncIterator[str]:
    """Name of a database as the version before left it, with the roles' rights."""
    name = f"former_{uuid4().hex}"
    cluster.create_database(name)

    def upgrade(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)

    engine = create_async_engine(cluster.url(OWNER, name))
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()
    yield name
    cluster.drop_database(name)


async def add_keys(cluster: Access, name: str, master: MasterKey) -> tuple[dict[UUID, bytes], UUID, bytes]:
    """Write keys as the former version did; return what is sealed with them."""
    keys = {uuid4(): DataKey.generate() for _ in range(1_200)}
    partner, index = uuid4(), IndexKey.generate()
    connection = await asyncpg.connect(cluster.dsn(SUPERUSER, name))
    await connection.executemany(
        "INSERT INTO keystore.client_key (client_id, wrapped, master_key, created_at)"
        " VALUES ($1, $2, $3, now())",
        [(id_, master.wrap(key, client_place(id_)), master.id) for id_, key in keys.items()],
    )
    await connection.execute(
        "INSERT INTO keystore.organisation_key (partner_id, wrapped, master_key, created_at)"
        " VALUES ($1, $2, $3, now())",
        partner,
        master.wrap(index, organisation_place(partner)),
        master.id,
    )
    await connection.close()
    sealed = {id_: key.seal(b"about", Place("t", "c", id_)) for id_, key in keys.items()}
    return sealed, partner, index.digest("name")


async def all_open(keys: KeyStore, sealed: dict[UUID, bytes]) -> bool:
    found = await keys.of_many(list(sealed))
    return len(found) == len(sealed) and all(
        found[id_].open(value, Place("t", "c", id_)) == b"about" for id_, value in sealed.items()
    )


async def test_keys_move_into_the_key_store(cluster: Access, former: str, empty_keys_database: str) -> None:
    master = MasterKey.parse(generate_master_key())
    sealed, partner, digest = await add_keys(cluster, former, master)
    owner_url, keys_owner = cluster.dsn(OWNER, former), cluster.dsn(OWNER, empty_keys_database)

    with pytest.raises(RuntimeError, match="1201 keys are still in the main database"):
        await migrate(owner_url)  # without the key store nothing is dropped
    connection = await asyncpg.connect(cluster.dsn(SUPERUSER, former))
    assert await connection.fetchval("SELECT count(*) FROM keystore.client_key") == 1_200

    erased = next(iter(sealed))
    keys = KeyStore(master, cluster.dsn(KEYS, empty_keys_database))
    owner = await asyncpg.connect(keys_owner)
    await owner.execute("INSERT INTO erasure VALUES ($1, $2)", erased, utc_now())
    await owner.close()

    assert await migrate(owner_url, keys_owner) == newest_revision()
    assert await connection.fetchval("SELECT to_regclass('keystore.client_key')") is None
    await connection.close()
    assert await keys.of_many([erased]) == {}  # an old backup brings nobody back
    del sealed[erased]
    await keys.check()
    assert await all_open(keys, sealed)
    index = await keys.known_index_key(partner)
    assert index is not None
    assert index.digest("name") == digest
    assert await migrate(owner_url, keys_owner) == newest_revision()
    await keys.stop()


async def test_a_move_that_was_killed_is_done_again(
    cluster: Access, former: str, empty_keys_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys were committed in the key store, the main database was not: both have them then."""
    master = MasterKey.parse(generate_master_key())
    sealed, _, _ = await add_keys(cluster, former, master)
    owner_url, keys_owner = cluster.dsn(OWNER, former), cluster.dsn(OWNER, empty_keys_database)

    def killed(_connection: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("graphapi.migrating._upgrade", killed)
        with pytest.raises(ZeroDivisionError):
            await migrate(owner_url, keys_owner)
    connection = await asyncpg.connect(cluster.dsn(SUPERUSER, former))
    assert await connection.fetchval("SELECT count(*) FROM keystore.client_key") == 1_200
    await connection.close()

    await migrate(owner_url, keys_owner)
    keys = KeyStore(master, cluster.dsn(KEYS, empty_keys_database))
    assert await all_open(keys, sealed)
    await keys.stop()


async def test_keys_of_another_master_key_are_not_mixed_in(
    cluster: Access, former: str, empty_keys_database: str
) -> None:
    other = KeyStore(MasterKey.parse(generate_master_key()), cluster.dsn(KEYS, empty_keys_database))
    await other.check()
    await add_keys(cluster, former, MasterKey.parse(generate_master_key()))
    with pytest.raises(MasterKeyWrong):
        await migrate(cluster.dsn(OWNER, former), cluster.dsn(OWNER, empty_keys_database))
    connection = await asyncpg.connect(cluster.dsn(SUPERUSER, former))
    assert await connection.fetchval("SELECT count(*) FROM keystore.client_key") == 1_200
    await connection.close()
    await other.stop()
