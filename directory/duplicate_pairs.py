"""Finds pairs of entries of one municipality that may be the same, for its coordination to look at and merge.

Candidates are entries that share keys of likeness (``duplicates``). Each entry is a candidate by its rarest
keys only, until those have been shared by SHARED entries: so there are never more candidates than entries
times half of SHARED, however many entries one website or one street has. The candidates that have most in
common are compared, so the answer stays bounded and the likeliest come first. Pairs of which the coordination
has said that they are different ones (``not_duplicates``) are not among them: their list is its own.
"""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.database import Database
from directory.documents import (
    DocumentKind,
    PartnerDocument,
    ServiceDocument,
    partner_decoder,
    service_decoder,
)
from directory.duplicates import POSSIBLE, Score, score
from directory.look_alikes import stored_traits
from directory.models import NotDuplicates
from directory.not_duplicates import NotDuplicatesView, require_coordination, view_of
from directory.paging import check_size, cursor_of, place_of
from directory.problems import InvalidInput
from directory.sources import Page
from directory.vocabulary import Likeness

MOST: Final = 100
"""Largest page of pairs."""

CANDIDATES: Final = 1_000
"""How many pairs, those that have most in common first, are compared."""

SHARED: Final = 50
"""How many entries may share the keys by which an entry is a candidate, added up from the rarest key on."""


class DuplicatePair(msgspec.Struct, frozen=True, kw_only=True):
    """Two entries that may be the same, how much so (60 to 100), and why. ``entry`` has the lower id.

    ``not_duplicates``: they are different ones, says the coordination; then ``points`` may be any.
    """

    entry: PartnerDocument | ServiceDocument
    other: PartnerDocument | ServiceDocument
    points: int
    reasons: tuple[Likeness, ...]
    not_duplicates: NotDuplicatesView | None = None


# Keys as numbers: millions of them are sorted. Services of one partner come first: other ones of the same
# name ("Beratung") are mostly different. `likely`: which part of both entries' keys is shared.
_PAIRS: Final = """
WITH every AS MATERIALIZED (
  SELECT d.id, {owner} AS owner, cardinality(d.likeness) AS keys, hashtextextended(k.key, 0) AS key
  FROM {table} d, unnest(d.likeness) AS k(key) WHERE d.municipality_id = :municipality
), counted AS (
  SELECT id, owner, keys, key, CAST(count(*) OVER (PARTITION BY key) AS integer) AS many FROM every
), added_up AS (
  SELECT id, owner, keys, key,
    sum(many) OVER (PARTITION BY id ORDER BY many, key ROWS UNBOUNDED PRECEDING) AS shared
  FROM counted WHERE many BETWEEN 2 AND :shared
), rare AS MATERIALIZED (
  SELECT id, owner, keys, key FROM added_up WHERE shared <= :shared
), pairs AS (
  SELECT a.id AS one, b.id AS other, bool_and(a.owner = b.owner) AS house,
    CAST(count(*) AS float8) / (min(a.keys) + min(b.keys)) AS likely
  FROM rare a JOIN rare b ON a.key = b.key AND a.id < b.id
  WHERE NOT EXISTS (SELECT FROM not_duplicates n WHERE n.one = a.id AND n.other = b.id)
  GROUP BY a.id, b.id ORDER BY house DESC, likely DESC, one, other LIMIT :most
)
SELECT one, other FROM pairs"""


def _table(kind: DocumentKind) -> str:
    return "partner_document" if kind is DocumentKind.PARTNER else "service_document"


def pairs_statement(kind: DocumentKind) -> str:
    """Return the statement that finds the candidates; it takes municipality, shared, and most."""
    owner = "d.municipality_id" if kind is DocumentKind.PARTNER else "d.partner_id"
    return _PAIRS.format(table=_table(kind), owner=owner)


async def duplicate_pairs(
    database: Database, actor: Actor, kind: DocumentKind, *, first: int = 20, after: str | None = None
) -> Page[DuplicatePair]:
    """Return a page of the pairs of the actor's municipality that may be the same, the most alike first.

    Drafts and hidden entries are among them. Of very many pairs CANDIDATES are compared, and ``total`` counts
    those that are alike; when they have been dealt with, others take their places. Two statements. For the
    coordination: raises NotSignedIn, NotAllowed, and InvalidInput for a wrong ``first`` or ``after``.
    """
    check_size(first, MOST)
    municipality_id = require_coordination(actor)
    behind = _place_of(after) if after is not None else None
    async with database.view(actor) as session:
        found = await session.execute(
            text(pairs_statement(kind)),
            {"municipality": municipality_id, "shared": SHARED, "most": CANDIDATES},
        )
        pairs = [(one, other) for one, other in found]
        documents = await _documents(session, kind, pairs)
    likely = [(judged, pair) for pair in pairs if (judged := _judged(documents, pair)).points >= POSSIBLE]
    likely.sort(key=lambda each: (-each[0].points, each[1]))
    rest = [each for each in likely if behind is None or (-each[0].points, each[1]) > behind]
    shown = rest[:first]
    return Page(
        nodes=tuple(_pair(kind, documents, pair, judged) for judged, pair in shown),
        cursors=tuple(f"{judged.points}|{one}|{other}" for judged, (one, other) in shown),
        has_next=len(rest) > first,
        total=len(likely),
    )


def _place_of(cursor: str) -> tuple[int, tuple[UUID, UUID]]:
    """Return where a pair stands in the list, as it is sorted by; raises InvalidInput."""
    found = re.fullmatch(r"(\d{1,3})\|([0-9a-f-]{36})\|([0-9a-f-]{36})", cursor, re.ASCII)
    try:
        if found is None:
            raise ValueError
        return -int(found[1]), (UUID(found[2]), UUID(found[3]))
    except ValueError:
        raise InvalidInput("after", "cursor") from None


async def _documents(
    session: AsyncSession, kind: DocumentKind, pairs: list[tuple[UUID, UUID]]
) -> dict[UUID, str]:
    if not pairs:
        return {}
    rows = await session.execute(
        text(f"SELECT id, public FROM {_table(kind)} WHERE id = ANY (CAST(:ids AS uuid[]))"),  # noqa: S608
        {"ids": sorted({id_ for pair in pairs for id_ in pair})},
    )
    return {row.id: row.public for row in rows}


def _judged(documents: dict[UUID, str], pair: tuple[UUID, UUID]) -> Score:
    """Return how alike two entries are; not at all when one of them has ended in the meantime."""
    one, other = (documents.get(id_) for id_ in pair)
    if one is None or other is None:
        return Score(points=0, reasons=())
    return score(stored_traits(one), stored_traits(other))


def _pair(
    kind: DocumentKind,
    documents: dict[UUID, str],
    pair: tuple[UUID, UUID],
    judged: Score,
    said: NotDuplicatesView | None = None,
) -> DuplicatePair:
    decoder = partner_decoder if kind is DocumentKind.PARTNER else service_decoder
    one, other = (decoder.decode(documents[id_]) for id_ in pair)
    return DuplicatePair(
        entry=one, other=other, points=judged.points, reasons=judged.reasons, not_duplicates=said
    )


async def told_apart(
    database: Database,
    actor: Actor,
    kind: DocumentKind,
    *,
    first: int = 20,
    after: str | None = None,
    with_total: bool = False,
) -> Page[DuplicatePair]:
    """Return a page of the pairs that the coordination knows to be different ones, what was said last first.

    For the coordination, of its municipality. Two statements, three with the total. Raises NotSignedIn,
    NotAllowed, InvalidInput.
    """
    check_size(first, MOST)
    require_coordination(actor)
    mine = [NotDuplicates.kind == kind.value]
    paged = list(mine)
    if after is not None:
        moment, last = place_of(after)
        paged.append(tuple_(NotDuplicates.at, NotDuplicates.id) < tuple_(moment, last))
    async with database.view(actor) as session:
        rows = list(
            await session.scalars(
                select(NotDuplicates)
                .where(*paged)
                .order_by(NotDuplicates.at.desc(), NotDuplicates.id.desc())
                .limit(first + 1)
            )
        )
        total = None
        if with_total:
            total = await session.scalar(select(func.count()).select_from(NotDuplicates).where(*mine))
        documents = await _documents(session, kind, [(row.one, row.other) for row in rows[:first]])
    # what is said of an entry ends with it, so there are documents of both
    shown = [row for row in rows[:first] if row.one in documents and row.other in documents]

    def pair(row: NotDuplicates) -> DuplicatePair:
        both = (row.one, row.other)
        return _pair(kind, documents, both, _judged(documents, both), view_of(row))

    return Page(
        nodes=tuple(pair(row) for row in shown),
        cursors=tuple(cursor_of(row.at, row.id) for row in shown),
        has_next=len(rows) > first,
        total=total,
    )
