"""The key store: the data keys of persons, in a database of their own, apart from what they open.

Backups of the main database hold no key; deleting a person's key here erases what is sealed about them in
every backup. The store does not know who asks: whoever calls it has read the sealed row first, under
row-level security. Nothing session-level is used, so a pooler may stand in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from directory.database import Unavailable, reaching_the_database
from referrals.personal_data.sealing import DataKey, IndexKey, MasterKey, Place, SealBroken
from referrals.problems import Erased

Connection: TypeAlias = asyncpg.Connection | PoolConnectionProxy

VERSIONS: Final = (
    """
CREATE TABLE master_key (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('IN_USE', 'FORMER')),
  check_value BYTEA NOT NULL,
  sealed BYTEA,
  sealed_by TEXT,
  since TIMESTAMPTZ NOT NULL DEFAULT now(),
  CHECK ((sealed IS NULL) = (sealed_by IS NULL))
);
CREATE UNIQUE INDEX master_key_one_in_use ON master_key (state) WHERE state = 'IN_USE';
CREATE TABLE client_key (
  client_id UUID PRIMARY KEY,
  wrapped BYTEA NOT NULL,
  master_key TEXT NOT NULL REFERENCES master_key (id),
  made_for UUID,
  created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX client_key_master_key ON client_key (master_key, client_id);
CREATE INDEX client_key_made_for ON client_key (made_for, created_at, client_id);
CREATE TABLE organisation_key (
  partner_id UUID PRIMARY KEY,
  wrapped BYTEA NOT NULL,
  master_key TEXT NOT NULL REFERENCES master_key (id),
  created_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE erasure (
  client_id UUID PRIMARY KEY,
  at TIMESTAMPTZ NOT NULL
);
DO $$ BEGIN
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO spurwechsel_keys', current_database());
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO spurwechsel_keys;
GRANT SELECT, INSERT ON master_key, organisation_key, erasure TO spurwechsel_keys;
GRANT SELECT, INSERT, DELETE ON client_key TO spurwechsel_keys;
GRANT SELECT ON key_store_version TO spurwechsel_keys;
""",
)
"""The store's own schema: each entry leads from the version before it to the next; append only."""

ROTATING: Final = 0x4B455953  # "KEYS"
"""Key of the advisory lock that new keys share, and that the beginning of a rotation takes alone."""

_CHECK: Final = b"spurwechsel key store"


class MasterKeyWrong(Exception):
    """The master key given is not the one that the key store is sealed with; both are named by their ids."""

    def __init__(self, given: str, in_use: str) -> None:
        super().__init__(
            f"The key store is sealed with the master key {in_use}, but SPURWECHSEL_MASTER_KEY is {given}. "
            "Set the key that belongs to this key store; to change it, run: spurwechsel master-key rotate"
        )
        self.given, self.in_use = given, in_use


class KeyStoreOutdated(Exception):
    """The key store's schema is missing or older than this release needs."""

    def __init__(self) -> None:
        super().__init__("The key store is not at the newest schema. Run: spurwechsel migrate")


class Erasure(msgspec.Struct, frozen=True):
    """That a person's key was destroyed, and when."""

    client_id: UUID
    at: datetime


def client_place(client_id: UUID) -> Place:
    """Return the place that a person's wrapped key is bound to."""
    return Place("client_key", "wrapped", client_id)


def organisation_place(partner_id: UUID) -> Place:
    """Return the place that an organisation's wrapped key is bound to."""
    return Place("organisation_key", "wrapped", partner_id)


def _as_uuid(master_id: str) -> UUID:
    return UUID(hex=master_id.rjust(32, "0"))


def _check_place(master_id: str) -> Place:
    return Place("master_key", "check_value", _as_uuid(master_id))


def _sealed_place(master_id: str) -> Place:
    return Place("master_key", "sealed", _as_uuid(master_id))


def check_value(master: MasterKey) -> bytes:
    """Return what proves later that a master key is this one."""
    return master.seal(_CHECK, _check_place(master.id))


def hand_on(master: MasterKey, other: MasterKey) -> bytes:
    """Return another master key sealed under this one, so that either opens the store during a rotation."""
    return master.wrap(other, _sealed_place(other.id))


def handed_on(master: MasterKey, other_id: str, sealed: bytes) -> MasterKey:
    """Return the master key that ``hand_on`` sealed under this one; raise SealBroken for any other."""
    return MasterKey(master.open(sealed, _sealed_place(other_id)))


class KeyStore:
    """Gives and makes data keys; holds the master key and a pool that connects when it is first needed.

    ``url``: the key database as the role ``spurwechsel_keys``. Every method raises Unavailable when the
    database does not answer, and MasterKeyWrong when the store is sealed with another master key.
    ``made_for``: the main database (its feed's id) that new keys are made for; set when both were compared.
    """

    made_for: UUID | None = None

    def __init__(self, master: MasterKey, url: str, *, pool_size: int = 4) -> None:
        self.master = master
        self._url = url
        self._pool_size = pool_size
        self._opening = asyncio.Lock()
        self._pool: asyncpg.Pool | None = None
        self._ring = {master.id: master}

    async def stop(self) -> None:
        """Close every connection; the next call opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Give a connection of the pool; a lost database is Unavailable."""
        async with reaching_the_database():
            if self._pool is None:
                async with self._opening:
                    if self._pool is None:
                        self._pool = await asyncpg.create_pool(
                            self._url,
                            min_size=0,
                            max_size=self._pool_size,
                            reset=_no_reset,
                            timeout=5,
                            command_timeout=30,
                        )
            pool = self._pool
            async with pool.acquire(timeout=10) as connection:
                yield connection

    # --- Persons ----------------------------------------------------------------------------------------

    async def of(self, client_id: UUID) -> DataKey:
        """Return a person's data key; raise Erased when it is gone. The caller may see what it opens."""
        found = await self.of_many([client_id])
        if client_id not in found:
            raise Erased
        return found[client_id]

    async def of_many(self, client_ids: Collection[UUID]) -> dict[UUID, DataKey]:
        """Return the data keys of several persons in one statement; who was erased is not among them."""
        if not client_ids:
            return {}
        async with self.connection() as connection:
            return await self._read(connection, client_ids)

    async def _read(self, connection: Connection, client_ids: Collection[UUID]) -> dict[UUID, DataKey]:
        rows = await connection.fetch(
            "SELECT client_id, wrapped, master_key FROM client_key WHERE client_id = ANY($1::uuid[])",
            list(client_ids),
        )
        return {
            client_id: DataKey((await self._master(connection, name)).open(wrapped, client_place(client_id)))
            for client_id, wrapped, name in rows
        }

    async def make(self, client_ids: Collection[UUID], at: datetime) -> dict[UUID, DataKey]:
        """Make data keys for persons about to be taken in, and keep them before anything is sealed.

        Committed here at once: if the caller's transaction fails, a job sweeps them. A key that is there
        already (the same import once more) stays. Raises Erased for a person who was erased.
        """
        if not client_ids:
            return {}
        ids = list(dict.fromkeys(client_ids))
        async with self.connection() as connection, connection.transaction():
            master = await self._writing(connection)
            wrapped = [master.wrap(DataKey.generate(), client_place(client_id)) for client_id in ids]
            await connection.execute(
                "INSERT INTO client_key (client_id, wrapped, master_key, created_at, made_for)"
                " SELECT id, sealed, $3, $4, $5 FROM unnest($1::uuid[], $2::bytea[]) AS new (id, sealed)"
                " WHERE NOT EXISTS (SELECT FROM erasure e WHERE e.client_id = id)"
                " ON CONFLICT DO NOTHING",
                ids,
                wrapped,
                master.id,
                at,
                self.made_for,
            )
            made = await self._read(connection, ids)
        if len(made) != len(ids):
            raise Erased
        return made

    async def erase(self, client_id: UUID, at: datetime | None = None) -> bool:
        """Destroy a person's key for good and keep that it was; idempotent. False: it was gone before.

        ``at`` is when the person was erased; left out: now, by the key database's clock.
        """
        async with self.connection() as connection, connection.transaction():
            moment = at or await connection.fetchval("SELECT now()")
            return await _destroy(connection, [Erasure(client_id, moment)]) > 0

    async def erase_all(self, erased: Sequence[Erasure]) -> int:
        """Destroy the keys of persons who were erased; return how many were still there."""
        async with self.connection() as connection, connection.transaction():
            return await _destroy(connection, erased)

    async def erasures(self, after: UUID | None, most: int) -> Sequence[Erasure]:
        """Return up to ``most`` erasures in order of the client's id, from the one after ``after``."""
        async with self.connection() as connection:
            rows = await connection.fetch(
                "SELECT client_id, at FROM erasure WHERE $1::uuid IS NULL OR client_id > $1"
                " ORDER BY client_id LIMIT $2",
                after,
                most,
            )
        return [Erasure(row["client_id"], row["at"]) for row in rows]

    async def made_between(
        self, since: datetime, before: datetime, after: UUID | None, most: int
    ) -> list[UUID]:
        """Return persons, by id, whose keys were made for this database between two moments."""
        async with self.connection() as connection:
            rows = await connection.fetch(
                "SELECT client_id FROM client_key"
                " WHERE made_for = $1 AND created_at >= $2 AND created_at < $3"
                " AND ($4::uuid IS NULL OR client_id > $4) ORDER BY client_id LIMIT $5",
                self.made_for,
                since,
                before,
                after,
                most,
            )
        return [row["client_id"] for row in rows]

    async def sweep(self, client_ids: Collection[UUID]) -> None:
        """Delete keys that nothing was ever sealed with: what they were made for was not committed."""
        async with self.connection() as connection:
            await connection.execute(
                "DELETE FROM client_key WHERE client_id = ANY($1::uuid[]) AND made_for = $2",
                list(client_ids),
                self.made_for,
            )

    # --- Organisations ----------------------------------------------------------------------------------

    async def index_key(self, partner_id: UUID, at: datetime) -> IndexKey:
        """Return an organisation's key for its name index, made on first use; two first uses make one."""
        found = await self.known_index_key(partner_id)
        if found is not None:
            return found
        async with self.connection() as connection, connection.transaction():
            master = await self._writing(connection)
            await connection.execute(
                "INSERT INTO organisation_key (partner_id, wrapped, master_key, created_at)"
                " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                partner_id,
                master.wrap(IndexKey.generate(), organisation_place(partner_id)),
                master.id,
                at,
            )
        made = await self.known_index_key(partner_id)
        if made is None:
            raise Unavailable("organisation_key")
        return made

    async def known_index_key(self, partner_id: UUID) -> IndexKey | None:
        """Return an organisation's key for its name index; None as long as it has no clients."""
        async with self.connection() as connection:
            row = await connection.fetchrow(
                "SELECT wrapped, master_key FROM organisation_key WHERE partner_id = $1", partner_id
            )
            if row is None:
                return None
            master = await self._master(connection, row["master_key"])
        return IndexKey(master.open(row["wrapped"], organisation_place(partner_id)))

    # --- The master key ---------------------------------------------------------------------------------

    async def check(self) -> None:
        """Make sure that the store can be used: its schema is the newest and the master key is its own.

        A new store takes the master key given. Raises KeyStoreOutdated and MasterKeyWrong.
        """
        async with self.connection() as connection:
            if await connection.fetchval("SELECT to_regclass('key_store_version') IS NULL"):
                raise KeyStoreOutdated
            if await connection.fetchval("SELECT max(version) FROM key_store_version") != len(VERSIONS):
                raise KeyStoreOutdated
            async with connection.transaction():
                in_use = await self._writing(connection)
            proof = await connection.fetchval("SELECT check_value FROM master_key WHERE id = $1", in_use.id)
        if proof:  # empty: the keys came from a former version, which kept the id only
            try:
                in_use.open(proof, _check_place(in_use.id))
            except SealBroken as error:
                raise MasterKeyWrong(self.master.id, in_use.id) from error

    async def _writing(self, connection: Connection) -> MasterKey:
        """Return the master key that new keys are wrapped by, which stays so until this transaction ends."""
        await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", ROTATING)
        in_use = "SELECT id FROM master_key WHERE state = 'IN_USE'"
        name = await connection.fetchval(in_use)
        if name is None:
            await connection.execute(
                "INSERT INTO master_key (id, state, check_value) VALUES ($1, 'IN_USE', $2)"
                " ON CONFLICT DO NOTHING",
                self.master.id,
                check_value(self.master),
            )
            name = await connection.fetchval(in_use)
        return await self._master(connection, name)

    async def _master(self, connection: Connection, name: str) -> MasterKey:
        """Return a master key by its id: ours, or its neighbour in a rotation, which ours opens."""
        known = self._ring.get(name)
        if known is not None:
            return known
        sealed = await connection.fetchval(
            "SELECT sealed FROM master_key WHERE id = $1 AND sealed_by = $2", name, self.master.id
        )
        if sealed is None:
            raise MasterKeyWrong(self.master.id, name)
        try:
            found = handed_on(self.master, name, sealed)
        except SealBroken as error:
            raise MasterKeyWrong(self.master.id, name) from error
        self._ring[name] = found
        return found


async def _destroy(connection: Connection, erased: Sequence[Erasure]) -> int:
    ids = [erasure.client_id for erasure in erased]
    await connection.execute(
        "INSERT INTO erasure (client_id, at) SELECT * FROM unnest($1::uuid[], $2::timestamptz[])"
        " ON CONFLICT DO NOTHING",
        ids,
        [erasure.at for erasure in erased],
    )
    gone: str = await connection.execute("DELETE FROM client_key WHERE client_id = ANY($1::uuid[])", ids)
    return int(gone.removeprefix("DELETE "))


async def _no_reset(connection: object) -> None:
    """Skip the reset round trip: nothing is set on a connection."""


async def bring_up(connection: Connection) -> int:
    """Bring the key store to the newest schema, as its owner; return its version. Twice changes nothing."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", ROTATING)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS key_store_version ("
            " version INT PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT now())"
        )
        at = await connection.fetchval("SELECT coalesce(max(version), 0) FROM key_store_version")
        for version, statements in enumerate(VERSIONS[at:], at + 1):
            await connection.execute(statements)
            await connection.execute("INSERT INTO key_store_version (version) VALUES ($1)", version)
    return len(VERSIONS)


async def take_over_master_keys(connection: Connection, names: Collection[str]) -> None:
    """Make the master keys of taken-over keys known by their ids; the first start proves that it has them.

    A store that is in use already knows its master key; then only that one is accepted. Raises
    MasterKeyWrong when the keys taken over are wrapped by several master keys, or by another one.
    """
    in_use = await connection.fetchval("SELECT id FROM master_key WHERE state = 'IN_USE'")
    for name in names:
        if in_use is None:
            await connection.execute(
                "INSERT INTO master_key (id, state, check_value) VALUES ($1, 'IN_USE', '')", name
            )
            in_use = name
        elif name != in_use:
            raise MasterKeyWrong(name, in_use)
