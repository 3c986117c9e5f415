"""What others read of the change feed: published entries in commit order, and what is published no more.

For other municipalities and whoever else keeps a copy of the directory. Read as the role that sees the
published directory only. An entry that is hidden, merged or deleted appears as a tombstone if it was ever
published; what never was does not appear at all. A follower asks on from its cursor (feed id, sequence), and
never misses a change: the sequence is the commit order. A cursor of another feed (the directory was restored
from a backup) or one ahead of it means: drop the copy, begin from zero.

Who wants a part of it names what an entry must be (``FeedFilter``). An entry that was once of that part and
is not any more is told as gone, like one that is published no more. A cursor knows for which part it is: with
another one it is as if of another feed, because what was left out before it must come too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec

from directory.database import Database, reaching_the_database
from directory.documents import SHAPE, DocumentKind
from directory.feed import Cursor
from directory.problems import InvalidInput
from directory.vocabulary import PartnerKind, ServiceKind

LARGEST_PAGE: Final = 500
"""How many changes a page has at most."""

PAGE: Final = 100

_EVER: Final = datetime(1, 1, 1, tzinfo=UTC)


ANYTHING: Final = "*"
"""Stands for whatever an entry may have been before that was noted."""


class FeedFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of the feed; several of one are any of them, and all that is given must hold.

    ``municipalities`` and ``partners``: ids. A partner and its services have its kind. ``kinds`` and
    ``topics`` are of services only: with them, no partner is told.
    """

    municipalities: Sequence[UUID] = ()
    partners: Sequence[UUID] = ()
    partner_kinds: Sequence[PartnerKind] = ()
    kinds: Sequence[ServiceKind] = ()
    topics: Sequence[str] = ()

    def facets(self) -> list[list[str]]:
        """Return the facets of which an entry must have one, group by group (``entry_facets``)."""
        groups = (
            ("municipality", self.municipalities),
            ("partner", self.partners),
            ("partner-kind", self.partner_kinds),
            ("kind", self.kinds),
            ("topic", self.topics),
        )
        return [sorted({f"{name}:{one}" for one in given}) for name, given in groups if given]

    def mark(self) -> str:
        """Return what tells a cursor of this part from others; empty for the whole feed."""
        groups = self.facets()
        return sha256(msgspec.json.encode(groups)).hexdigest()[:16] if groups else ""


class RebuildNeeded(Exception):
    """The cursor is of another feed or part, or ahead of this one: the copy is to be built anew from zero."""

    def __init__(self, feed: UUID) -> None:
        super().__init__(str(feed))
        self.feed = feed


class PublishedChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry's latest change: its public document, or a tombstone (gone from what was asked for).

    ``mergedInto``: the entry that answers for it now.
    """

    sequence: int
    kind: DocumentKind
    id: UUID
    version: int
    changed_at: datetime = msgspec.field(name="changedAt")
    tombstone: bool = False
    merged_into: UUID | None = msgspec.field(name="mergedInto", default=None)
    document: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class FeedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the feed: ``next`` is the cursor to go on from, ``more`` whether something is there already.

    ``shape`` is the number of the documents' shape.
    """

    feed: UUID
    next: str
    more: bool
    shape: int
    changes: tuple[PublishedChange, ...]


_PAGE: Final = """
WITH head AS (SELECT feed.id, coalesce((SELECT max(sequence) FROM change), 0) AS sequence FROM feed)
SELECT head.id AS feed, head.sequence AS newest, c.* FROM head LEFT JOIN LATERAL (
  SELECT c.sequence, c.kind, c.id, c.version, c.changed_at, a.survivor_id,
    CASE WHEN {now} THEN coalesce(p.public, s.public) END AS public
  FROM change c
  LEFT JOIN partner_document p ON c.kind = 'PARTNER' AND p.id = c.id AND p.state = 'PUBLISHED'
  LEFT JOIN service_document s ON c.kind = 'SERVICE' AND s.id = c.id AND s.state = 'PUBLISHED'
  LEFT JOIN entry_alias a ON a.id = c.id
  WHERE c.sequence > $1 AND c.changed_at >= $2 AND (c.shown OR p.id IS NOT NULL OR s.id IS NOT NULL)
    AND {ever}
  ORDER BY c.sequence LIMIT $3) c ON true
ORDER BY c.sequence"""

_FIRST: Final = 4
"""Number of the first argument that the filter adds."""


def _page(groups: int) -> str:
    """Return the statement for a filter of so many groups, each one more argument."""
    now = [f"c.facets && ${_FIRST + at}::text[]" for at in range(groups)]
    ever = [f"c.ever_facets && (${_FIRST + at}::text[] || '{{{ANYTHING}}}')" for at in range(groups)]
    return _PAGE.format(now=" AND ".join(now) or "true", ever=" AND ".join(ever) or "true")


class PartCursor(msgspec.Struct, frozen=True):
    """How far a follower has come in which part of the feed (``FeedFilter.mark``)."""

    at: Cursor
    part: str = ""


def cursor_text(cursor: PartCursor) -> str:
    """Return a cursor as followers keep it."""
    return f"{cursor.at.feed}.{cursor.at.sequence}" + (f".{cursor.part}" if cursor.part else "")


def read_cursor(given: str) -> PartCursor:
    """Return the cursor that a follower kept; raises InvalidInput for anything else."""
    feed, _, rest = given.partition(".")
    sequence, _, part = rest.partition(".")
    try:
        if not (sequence.isascii() and sequence.isdigit() and len(sequence) <= 18):
            raise ValueError
        return PartCursor(Cursor(feed=UUID(feed), sequence=int(sequence)), part)
    except ValueError:
        raise InvalidInput("cursor", "cursor") from None


async def gone(database: Database, kind: DocumentKind, id_: UUID) -> bool:
    """Return whether an entry was published once and has ended: its tombstone is in the feed for everybody.

    What is hidden, what never was published, and what does not exist are not told apart.
    """
    async with reaching_the_database():
        found: bool = await database.reader.fetchval(
            "SELECT EXISTS (SELECT FROM change WHERE kind = $1 AND id = $2 AND tombstone AND shown)",
            kind.value,
            id_,
        )
    return found


async def published_changes(
    database: Database,
    cursor: PartCursor | None = None,
    *,
    part: FeedFilter | None = None,
    modified_after: datetime | None = None,
    limit: int = PAGE,
) -> FeedPage:
    """Return the published changes (of a part) after the cursor, oldest first; one statement.

    ``modified_after``: only what changed at or after this moment. Raises RebuildNeeded; InvalidInput for a
    limit that is not 1 to LARGEST_PAGE.
    """
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput("limit", "too-large" if limit > 0 else "too-small", minimum="1", maximum="500")
    part = part or FeedFilter()
    groups, mark = part.facets(), part.mark()
    async with reaching_the_database():
        rows = await database.reader.fetch(
            _page(len(groups)),
            0 if cursor is None else cursor.at.sequence,
            modified_after or _EVER,
            limit + 1,
            *groups,
        )
    feed, newest = rows[0]["feed"], rows[0]["newest"]
    if cursor is not None and (cursor.at.feed != feed or cursor.at.sequence > newest or cursor.part != mark):
        raise RebuildNeeded(feed)
    found = [row for row in rows if row["id"] is not None]
    shown = found[:limit]
    more = len(found) > limit
    at = shown[-1]["sequence"] if more else newest
    return FeedPage(
        feed=feed,
        next=cursor_text(PartCursor(Cursor(feed=feed, sequence=at), mark)),
        more=more,
        shape=SHAPE,
        changes=tuple(
            PublishedChange(
                sequence=row["sequence"],
                kind=DocumentKind(row["kind"]),
                id=row["id"],
                version=row["version"],
                changed_at=row["changed_at"],
                tombstone=row["public"] is None,
                merged_into=row["survivor_id"],
                document=msgspec.UNSET if row["public"] is None else msgspec.Raw(row["public"].encode()),
            )
            for row in shown
        ),
    )


class Tombstone(msgspec.Struct, frozen=True):
    """An entry that was published once and is not any more.

    ``exported_as``: the id under which HSDS exports gave it. ``survivor`` is what answers for it now, and
    ``merged_into`` the id under which exports give that.
    """

    kind: DocumentKind
    id: UUID
    version: int
    changed_at: datetime
    exported_as: str
    survivor: UUID | None
    merged_into: str | None


async def tombstones(database: Database, source: str | None = None) -> AsyncIterator[Tombstone]:
    """Yield what is published no more (of a source), in the order of the feed; memory stays small."""
    after = 0
    while True:
        async with reaching_the_database():
            rows = await database.reader.fetch(
                "SELECT c.sequence, c.kind, c.id, c.version, c.changed_at,"
                " coalesce(c.exported_as, c.id::text) AS exported_as,"
                " m.id AS survivor, coalesce(m.exported_as, m.id::text) AS merged_into FROM change c"
                " LEFT JOIN entry_alias a ON a.id = c.id"
                " LEFT JOIN change m ON m.kind = c.kind AND m.id = a.survivor_id AND m.facets <> '{}'"
                " WHERE c.sequence > $1 AND c.shown AND ($2::text IS NULL OR c.source = $2)"
                " AND NOT EXISTS (SELECT FROM partner_document d WHERE d.id = c.id AND d.state = 'PUBLISHED')"
                " AND NOT EXISTS (SELECT FROM service_document d WHERE d.id = c.id AND d.state = 'PUBLISHED')"
                " ORDER BY c.sequence LIMIT $3",
                after,
                source,
                LARGEST_PAGE,
            )
        for row in rows:
            yield Tombstone(
                kind=DocumentKind(row["kind"]),
                id=row["id"],
                version=row["version"],
                changed_at=row["changed_at"],
                exported_as=row["exported_as"],
                survivor=row["survivor"],
                merged_into=row["merged_into"],
            )
        if len(rows) < LARGEST_PAGE:
            return
        after = rows[-1]["sequence"]
