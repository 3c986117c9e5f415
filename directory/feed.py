"""The change feed: every changed document in commit order, for whoever keeps up (DESIGN 3.5).

A writer takes one advisory lock as its last step before it adds to the feed, so the sequence is the commit
order. A follower keeps its cursor (feed id, sequence) with what it follows; a cursor of another feed, or one
ahead of the feed, means: rebuild from zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.documents import DocumentKind

CHANNEL: Final = "spurwechsel_change"
"""NOTIFY channel that wakes followers; the payload is empty."""

WRITER_LOCK: Final = 0x53505552  # "SPUR"
"""Key of the advisory lock that makes the sequence the commit order."""


class Cursor(msgspec.Struct, frozen=True):
    """How far a follower has come in which feed; sequence 0 is the beginning."""

    feed: UUID
    sequence: int


class Changed(msgspec.Struct, frozen=True):
    """A document that has a new version, or (tombstone) is gone."""

    sequence: int
    kind: DocumentKind
    id: UUID
    version: int
    tombstone: bool


async def append(session: AsyncSession, changes: Sequence[tuple[DocumentKind, UUID, int, bool]]) -> None:
    """Add (kind, id, version, tombstone) to the feed; call it last in the transaction, it takes the lock."""
    if not changes:
        return
    await append_selected(
        session,
        "SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS uuid[]), CAST(:versions AS int[]),"
        " CAST(:tombstones AS bool[])) AS c(kind, id, version, tombstone)",
        {
            "kinds": [kind.value for kind, _, _, _ in changes],
            "ids": [id_ for _, id_, _, _ in changes],
            "versions": [version for _, _, version, _ in changes],
            "tombstones": [tombstone for _, _, _, tombstone in changes],
        },
    )


async def append_selected(session: AsyncSession, changes: str, parameters: Mapping[str, object]) -> None:
    """Add what the query ``changes`` selects (kind, id, version, tombstone), however many rows; like append.

    ``changes`` is SQL of our own, never made of what somebody sent.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER_LOCK})
    insert = (
        "WITH added AS (INSERT INTO change (kind, id, sequence, version, tombstone, changed_at, shown,"  # noqa: S608
        " facets, ever_facets, source, exported_as)"
        " SELECT changes.kind, changes.id, nextval('change_sequence_seq'), version, tombstone,"
        " clock_timestamp(), f.facets IS NOT NULL, coalesce(f.facets, '{}'), coalesce(f.facets, '{}'),"
        f" f.source, f.exported_as FROM ({changes}) AS changes"
        " LEFT JOIN LATERAL entry_facets(changes.kind, changes.id) f ON true"
        " ON CONFLICT (kind, id) DO UPDATE SET"
        " sequence = excluded.sequence, version = excluded.version, tombstone = excluded.tombstone,"
        " changed_at = excluded.changed_at, shown = change.shown OR excluded.shown,"
        " facets = excluded.facets, ever_facets = change.ever_facets"
        " || ARRAY(SELECT unnest(excluded.facets) EXCEPT SELECT unnest(change.ever_facets)),"
        " source = coalesce(excluded.source, change.source),"
        " exported_as = CASE WHEN excluded.shown THEN excluded.exported_as ELSE change.exported_as END"
        " RETURNING 1) SELECT count(*) FROM added"
    )
    added = await session.execute(text(insert), dict(parameters))
    if added.scalar_one():
        await session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


async def head(connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy) -> Cursor:
    """Return the feed's identity and its newest sequence."""
    row = await connection.fetchrow(
        "SELECT feed.id, coalesce((SELECT max(sequence) FROM change), 0) AS sequence FROM feed"
    )
    if row is None:
        raise RuntimeError("The database has no feed: run the migrations (spurwechsel migrate).")
    return Cursor(feed=row["id"], sequence=row["sequence"])


async def changes_after(
    connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy, sequence: int, limit: int = 1_000
) -> list[Changed]:
    """Return at most ``limit`` changes after ``sequence``, oldest first."""
    rows = await connection.fetch(
        "SELECT sequence, kind, id, version, tombstone FROM change"
        " WHERE sequence > $1 ORDER BY sequence LIMIT $2",
        sequence,
        limit,
    )
    return [
        Changed(
            sequence=row["sequence"],
            kind=DocumentKind(row["kind"]),
            id=row["id"],
            version=row["version"],
            tombstone=row["tombstone"],
        )
        for row in rows
    ]
