"""Rotation of the master key: every data key is wrapped anew, while the service goes on.

The store knows both master keys from the first moment, each sealed under the other, so that a process with
either of them opens everything until the former one is retired. Works in batches that commit by themselves:
killed at any moment, it is simply run again. As the key database's owner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec

from directory.database import reaching_the_database
from referrals.personal_data.keystore import (
    ROTATING,
    MasterKeyWrong,
    check_value,
    client_place,
    hand_on,
    handed_on,
    organisation_place,
)
from referrals.personal_data.sealing import MasterKey, Place

BATCH: Final = 500
"""Keys wrapped anew in one transaction."""

_TABLES: Final = (
    ("client_key", "client_id", client_place),
    ("organisation_key", "partner_id", organisation_place),
)

Progress = Callable[[str, int, int], None]
"""Told what is done ("WRAP", "VERIFY"), how many keys so far, and of how many."""


class RotationRefused(Exception):
    """The rotation cannot be done as asked; the message says why and what to do."""


class Rotated(msgspec.Struct, frozen=True):
    """What a rotation did: the former and the new master key by their ids, and how many keys were proven."""

    former: str
    new: str
    wrapped: int
    proven: int


async def rotate(
    owner_url: str, current: MasterKey, new: MasterKey | None, progress: Progress | None = None
) -> Rotated:
    """Wrap every key by the new master key, and prove at the end that it opens all of them.

    ``current``: the master key set now. ``new`` may be left out to go on with a rotation after the new key
    has been set already. Raises RotationRefused, MasterKeyWrong, SealBroken (a key does not open: nothing of
    it was changed), Unavailable.
    """
    tell = progress or _nobody
    async with reaching_the_database():
        connection = await asyncpg.connect(owner_url, timeout=5)
        try:
            former, taking_over = await _begin(connection, current, new)
            wrapped = 0
            total = await _count(connection, former.id)
            for table, id_column, place in _TABLES:
                while done := await _wrap_batch(connection, table, id_column, place, former, taking_over):
                    wrapped += done
                    tell("WRAP", wrapped, total)
            proven = await _prove(connection, taking_over, tell)
            left = await _count(connection, former.id)
            if left:
                raise RotationRefused(f"{left} keys were not wrapped anew. Run the same command again.")
            return Rotated(former=former.id, new=taking_over.id, wrapped=wrapped, proven=proven)
        finally:
            await connection.close()


async def retire(owner_url: str, current: MasterKey) -> str:
    """Forget the former master key; return its id. From now on it opens nothing in this store.

    Raises RotationRefused while keys are still wrapped by it, or when there is none; MasterKeyWrong when
    ``current`` is not the new one.
    """
    async with reaching_the_database():
        connection = await asyncpg.connect(owner_url, timeout=5)
        try:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", ROTATING)
                in_use, former = await _known(connection)
                if in_use != current.id:
                    raise MasterKeyWrong(current.id, in_use or "none")
                if former is None:
                    raise RotationRefused("There is no former master key: nothing is to be retired.")
                if left := await _count(connection, former):
                    raise RotationRefused(
                        f"{left} keys are still wrapped by the former master key. Run:"
                        " spurwechsel master-key rotate"
                    )
                await connection.execute("DELETE FROM master_key WHERE id = $1", former)
                await connection.execute("UPDATE master_key SET sealed = NULL, sealed_by = NULL")
                return former
        finally:
            await connection.close()


async def _known(connection: asyncpg.Connection) -> tuple[str | None, str | None]:
    rows = {row["state"]: row["id"] for row in await connection.fetch("SELECT id, state FROM master_key")}
    return rows.get("IN_USE"), rows.get("FORMER")


async def _begin(
    connection: asyncpg.Connection, current: MasterKey, new: MasterKey | None
) -> tuple[MasterKey, MasterKey]:
    """Make the new master key the one that everybody wraps new keys by; return the former and the new one."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", ROTATING)
        in_use, former = await _known(connection)
        if in_use is None:
            raise RotationRefused("The key store is not in use yet: just set the new key.")
        if former is not None:
            return await _go_on(connection, current, new, in_use, former)
        if in_use != current.id:
            raise MasterKeyWrong(current.id, in_use)
        if new is None or new.id == current.id:
            raise RotationRefused(
                "Set SPURWECHSEL_NEW_MASTER_KEY to the new key; make one with: spurwechsel master-key"
            )
        await connection.execute(
            "UPDATE master_key SET state = 'FORMER', sealed = $2, sealed_by = $3 WHERE id = $1",
            current.id,
            hand_on(new, current),
            new.id,
        )
        await connection.execute(
            "INSERT INTO master_key (id, state, check_value, sealed, sealed_by)"
            " VALUES ($1, 'IN_USE', $2, $3, $4)",
            new.id,
            check_value(new),
            hand_on(current, new),
            current.id,
        )
        return current, new


async def _go_on(
    connection: asyncpg.Connection, current: MasterKey, new: MasterKey | None, in_use: str, former: str
) -> tuple[MasterKey, MasterKey]:
    if current.id not in {in_use, former}:
        raise MasterKeyWrong(current.id, in_use)
    if new is not None and new.id not in {in_use, current.id}:
        raise RotationRefused(
            f"The rotation to {in_use} is not finished, and {new.id} is another key. Finish it, then run:"
            " spurwechsel master-key retire"
        )
    other = former if current.id == in_use else in_use
    sealed = await connection.fetchval("SELECT sealed FROM master_key WHERE id = $1", other)
    neighbour = handed_on(current, other, sealed)
    return (neighbour, current) if current.id == in_use else (current, neighbour)


async def _count(connection: asyncpg.Connection, master_id: str) -> int:
    counted: int = await connection.fetchval(
        "SELECT (SELECT count(*) FROM client_key WHERE master_key = $1)"
        " + (SELECT count(*) FROM organisation_key WHERE master_key = $1)",
        master_id,
    )
    return counted


async def _wrap_batch(
    connection: asyncpg.Connection,
    table: str,
    id_column: str,
    place: Callable[..., Place],
    former: MasterKey,
    new: MasterKey,
) -> int:
    async with connection.transaction():
        rows = await connection.fetch(
            f"SELECT {id_column}, wrapped FROM {table} WHERE master_key = $1"  # noqa: S608 - names of our own
            f" ORDER BY {id_column} LIMIT $2 FOR UPDATE",
            former.id,
            BATCH,
        )
        await connection.execute(
            f"UPDATE {table} k SET wrapped = new.wrapped, master_key = $3"  # noqa: S608
            f" FROM unnest($1::uuid[], $2::bytea[]) AS new (id, wrapped) WHERE k.{id_column} = new.id",
            [row[0] for row in rows],
            [new.seal(former.open(row[1], place(row[0])), place(row[0])) for row in rows],
            new.id,
        )
    return len(rows)


async def _prove(connection: asyncpg.Connection, new: MasterKey, tell: Progress) -> int:
    total = await _count(connection, new.id)
    proven = 0
    for table, id_column, place in _TABLES:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = connection.cursor(
                f"SELECT {id_column}, wrapped FROM {table} WHERE master_key = $1",  # noqa: S608
                new.id,
                prefetch=BATCH,
            )
            async for row in found:
                new.open(row[1], place(row[0]))
                proven += 1
                if proven % BATCH == 0:
                    tell("VERIFY", proven, max(total, proven))
    tell("VERIFY", proven, max(total, proven))
    return proven


def _nobody(what: str, done: int, total: int) -> None:
    """Tell nobody."""
