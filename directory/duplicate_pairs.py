"""Finds pairs of entries of one municipality that may be the same, for its coordination to look at and merge.

Candidates are entries that share a key of likeness which few have (``duplicates``). Of those the pairs that
share most keys are compared, so the answer stays bounded and the likeliest come first.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from directory.actors import Actor
from directory.database import Database
from directory.documents import (
    DocumentKind,
    PartnerDocument,
    ServiceDocument,
    partner_decoder,
    service_decoder,
)
from directory.duplicates import POSSIBLE, partner_traits, score, service_traits
from directory.paging import check_size
from directory.policy import Rule
from directory.problems import NotAllowed, NotSignedIn
from directory.vocabulary import Likeness

MOST: Final = 100
"""How many pairs are told at once, at most."""

CANDIDATES: Final = 1_000
"""How many pairs, those that share most keys first, are compared."""

COMMON: Final = 100
"""A key that more entries of a municipality share tells nothing."""


class DuplicatePair(msgspec.Struct, frozen=True, kw_only=True):
    """Two entries that may be the same, how much so (60 to 100), and why. ``entry`` has the lower id."""

    entry: PartnerDocument | ServiceDocument
    other: PartnerDocument | ServiceDocument
    points: int
    reasons: tuple[Likeness, ...]


_PAIRS: Final = """
WITH every AS (
  SELECT d.id, k.key FROM {table} d, unnest(d.likeness) AS k(key) WHERE d.municipality_id = :municipality
), rare AS (
  SELECT key FROM every GROUP BY key HAVING count(*) BETWEEN 2 AND :common
), pairs AS (
  SELECT a.id AS one, b.id AS other, count(*) AS shared
  FROM rare r JOIN every a ON a.key = r.key JOIN every b ON b.key = r.key AND a.id < b.id
  GROUP BY a.id, b.id ORDER BY shared DESC, a.id, b.id LIMIT :most
)
SELECT one, other FROM pairs ORDER BY shared DESC, one, other"""


async def duplicate_pairs(
    database: Database, actor: Actor, kind: DocumentKind, *, first: int = MOST
) -> list[DuplicatePair]:
    """Return pairs of the actor's municipality that may be the same, the most alike first; two statements.

    Drafts and hidden entries are among them. For the coordination: raises NotSignedIn, NotAllowed, and
    InvalidInput for a ``first`` that is not 1 to MOST.
    """
    check_size(first, MOST)
    if not actor.signed_in:
        raise NotSignedIn
    if not actor.coordinates or actor.municipality_id is None:
        raise NotAllowed(Rule.COORDINATION_ONLY)
    table = "partner_document" if kind is DocumentKind.PARTNER else "service_document"
    async with database.view(actor) as session:
        found = await session.execute(
            text(_PAIRS.format(table=table)),
            {"municipality": actor.municipality_id, "common": COMMON, "most": CANDIDATES},
        )
        pairs = [(one, other) for one, other in found]
        if not pairs:
            return []
        rows = await session.execute(
            text(f"SELECT id, public FROM {table} WHERE id = ANY (CAST(:ids AS uuid[]))"),  # noqa: S608
            {"ids": sorted({id_ for pair in pairs for id_ in pair})},
        )
        documents = {row.id: row.public for row in rows}
    judged = [_judged(kind, documents, one, other) for one, other in pairs]
    alike = [pair for pair in judged if pair is not None]
    alike.sort(key=lambda pair: (-pair.points, str(pair.entry.id), str(pair.other.id)))
    return alike[:first]


def _judged(kind: DocumentKind, documents: dict[UUID, str], one: UUID, other: UUID) -> DuplicatePair | None:
    """Return the pair if it is alike enough; None also when one of the two ended in the meantime."""
    if one not in documents or other not in documents:
        return None
    if kind is DocumentKind.PARTNER:
        partners = [partner_decoder.decode(documents[id_]) for id_ in (one, other)]
        found = score(partner_traits(partners[0]), partner_traits(partners[1]))
        entry: PartnerDocument | ServiceDocument = partners[0]
        second: PartnerDocument | ServiceDocument = partners[1]
    else:
        services = [service_decoder.decode(documents[id_]) for id_ in (one, other)]
        found = score(service_traits(services[0]), service_traits(services[1]))
        entry, second = services
    if found.points < POSSIBLE:
        return None
    return DuplicatePair(entry=entry, other=second, points=found.points, reasons=found.reasons)
