"""What others read of the change feed: published entries in commit order, and what is published no more.

For other municipalities and whoever else keeps a copy of the directory. Read as the role that sees the
published directory only. An entry that is hidden, merged or deleted appears as a tombstone if it was ever
published; what never was does not appear at all. A follower asks on from its cursor (feed id, sequence), and
never misses a change: the sequence is the commit order. A cursor of another feed (the directory was restored
from a backup) or one ahead of it means: drop the copy, begin from zero.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from directory.database import Database, reaching_the_database
from directory.documents import SHAPE, DocumentKind
from directory.feed import Cursor
from directory.problems import InvalidInput

LARGEST_PAGE: Final = 500
"""How many changes a page has at most."""

PAGE: Final = 100

_EVER: Final = datetime(1, 1, 1, tzinfo=UTC)


class RebuildNeeded(Exception):
    """The cursor is of another feed, or ahead of this one: the copy is to be built anew from zero."""

    def __init__(self, feed: UUID) -> None:
        super().__init__(str(feed))
        self.feed = feed


class PublishedChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry's latest change: its public document, or a tombstone.

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
    coalesce(p.public, s.public) AS public
  FROM change c
  LEFT JOIN partner_document p ON c.kind = 'PARTNER' AND p.id = c.id AND p.state = 'PUBLISHED'
  LEFT JOIN service_document s ON c.kind = 'SERVICE' AND s.id = c.id AND s.state = 'PUBLISHED'
  LEFT JOIN entry_alias a ON a.id = c.id
  WHERE c.sequence > $1 AND c.changed_at >= $2 AND (c.shown OR p.id IS NOT NULL OR s.id IS NOT NULL)
  ORDER BY c.sequence LIMIT $3) c ON true
ORDER BY c.sequence"""


def cursor_text(cursor: Cursor) -> str:
    """Return a cursor as followers keep it."""
    return f"{cursor.feed}.{cursor.sequence}"


def read_cursor(given: str) -> Cursor:
    """Return the cursor that a follower kept; raises InvalidInput for anything else."""
    feed, _, sequence = given.partition(".")
    try:
        if not (sequence.isascii() and sequence.isdigit() and len(sequence) <= 18):
            raise ValueError
        return Cursor(feed=UUID(feed), sequence=int(sequence))
    except ValueError:
        raise InvalidInput("cursor", "cursor") from None


async def published_changes(
    database: Database,
    cursor: Cursor | None = None,
    *,
    modified_after: datetime | None = None,
    limit: int = PAGE,
) -> FeedPage:
    """Return the published changes after the cursor, oldest first; one statement.

    ``modified_after``: only what changed at or after this moment. Raises RebuildNeeded; InvalidInput for a
    limit that is not 1 to LARGEST_PAGE.
    """
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput("limit", "too-large" if limit > 0 else "too-small", minimum="1", maximum="500")
    async with reaching_the_database():
        rows = await database.reader.fetch(
            _PAGE, 0 if cursor is None else cursor.sequence, modified_after or _EVER, limit + 1
        )
    feed, newest = rows[0]["feed"], rows[0]["newest"]
    if cursor is not None and (cursor.feed != feed or cursor.sequence > newest):
        raise RebuildNeeded(feed)
    found = [row for row in rows if row["id"] is not None]
    shown = found[:limit]
    more = len(found) > limit
    at = shown[-1]["sequence"] if more else newest
    return FeedPage(
        feed=feed,
        next=cursor_text(Cursor(feed=feed, sequence=at)),
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
