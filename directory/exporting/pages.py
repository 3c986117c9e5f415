"""Streams the published directory, entry by entry with what its source said, as the reader role sees it.

Keyset pages in the order of partners and, of each partner, of its services: memory does not grow with the
number of entries, and no long transaction is held.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from directory.database import Database, reaching_the_database
from directory.documents import PartnerDocument, ServiceDocument, partner_decoder, service_decoder
from directory.hsds.ids import as_uuid

PARTNERS_AT_ONCE: Final = 100
SERVICES_AT_ONCE: Final = 500


class Original(msgspec.Struct, frozen=True):
    """What a source said of an entry, as it was kept when it was imported."""

    source: str
    format: str
    data: str

    @property
    def record(self) -> dict[str, Any]:
        """The record."""
        decoded: dict[str, Any] = msgspec.json.decode(self.data)
        return decoded


class Service(msgspec.Struct, frozen=True):
    """A published service."""

    document: ServiceDocument
    original: Original | None


class Partner(msgspec.Struct, frozen=True):
    """A published partner with its published services."""

    document: PartnerDocument
    original: Original | None
    services: tuple[Service, ...]


def _original(row: Any) -> Original | None:
    return None if row["data"] is None else Original(row["source"], row["format"], row["data"])


async def count(database: Database, source: str | None = None) -> int:
    """Return how many partners are published (of a source)."""
    async with reaching_the_database():
        found: int = await database.reader.fetchval(
            "SELECT count(*) FROM partner_document WHERE state = 'PUBLISHED'"
            " AND ($1::text IS NULL OR public::json->'provenance'->>'source' = $1)",
            source,
        )
    return found


async def partners(database: Database, source: str | None = None) -> AsyncIterator[Partner]:
    """Yield every published partner (of a source) with its services, one after the other.

    A partner with very many services comes several times, each time with the next of them.
    """
    after: tuple[bytes, UUID] = (b"", UUID(int=0))
    while True:
        async with reaching_the_database():
            rows = await database.reader.fetch(
                "SELECT d.id, d.sort_key, d.public, o.source, o.format, o.data FROM partner_document d"
                " LEFT JOIN import_original o ON o.kind = 'PARTNER' AND o.id = d.id"
                " WHERE d.state = 'PUBLISHED' AND (d.sort_key, d.id) > ($1, $2)"
                " AND ($3::text IS NULL OR d.public::json->'provenance'->>'source' = $3)"
                " ORDER BY d.sort_key, d.id LIMIT $4",
                *after,
                source,
                PARTNERS_AT_ONCE,
            )
        for row in rows:
            document = partner_decoder.decode(row["public"])
            async for services in _services(database, row["id"]):
                yield Partner(document, _original(row), services)
        if len(rows) < PARTNERS_AT_ONCE:
            return
        after = (rows[-1]["sort_key"], rows[-1]["id"])


async def _services(database: Database, partner_id: UUID) -> AsyncIterator[tuple[Service, ...]]:
    """Yield a partner's services in chunks, at least one, which may be empty."""
    after: tuple[bytes, UUID] = (b"", UUID(int=0))
    first = True
    while True:
        async with reaching_the_database():
            rows = await database.reader.fetch(
                "SELECT d.id, d.sort_key, d.public, o.source, o.format, o.data FROM service_document d"
                " LEFT JOIN import_original o ON o.kind = 'SERVICE' AND o.id = d.id"
                " WHERE d.state = 'PUBLISHED' AND d.partner_id = $1 AND (d.sort_key, d.id) > ($2, $3)"
                " ORDER BY d.sort_key, d.id LIMIT $4",
                partner_id,
                *after,
                SERVICES_AT_ONCE,
            )
        if rows or first:
            yield tuple(Service(service_decoder.decode(row["public"]), _original(row)) for row in rows)
        first = False
        if len(rows) < SERVICES_AT_ONCE:
            return
        after = (rows[-1]["sort_key"], rows[-1]["id"])


async def loose(
    database: Database, tables: Sequence[str] | None = None, source: str | None = None
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Yield (table, record) of what sources had that belongs to no entry, each UUID once."""
    after: tuple[str, UUID] = ("", UUID(int=0))
    seen: set[tuple[str, UUID]] = set()
    while True:
        async with reaching_the_database():
            rows = await database.reader.fetch(
                "SELECT kind, id, data FROM import_original WHERE kind NOT IN ('PARTNER', 'SERVICE')"
                " AND (kind, id) > ($1, $2) AND ($3::text[] IS NULL OR kind = ANY($3))"
                " AND ($4::text IS NULL OR source = $4) ORDER BY kind, id LIMIT $5",
                *after,
                None if tables is None else list(tables),
                source,
                SERVICES_AT_ONCE,
            )
        for row in rows:
            record = msgspec.json.decode(row["data"])
            key = as_uuid(str(record.get("id")))
            if key is None or (row["kind"], key) not in seen:
                yield row["kind"], record
            if key is not None:
                seen.add((row["kind"], key))
        if len(rows) < SERVICES_AT_ONCE:
            return
        after = (rows[-1]["kind"], rows[-1]["id"])
