"""Finds what may be in the directory twice: at entry, for forms, and after an import (``duplicates`` judges).

Candidates share a key of likeness and stand in the same municipality; of them the actor only hears of those
that they may see: what is published, and what they work on. One statement per question, whatever the size of
the directory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from directory import sources
from directory.actors import SYSTEM, Actor
from directory.contacts import mail, phone, url
from directory.database import Database
from directory.documents import (
    DocumentKind,
    PartnerDocument,
    ServiceDocument,
    partner_decoder,
    service_decoder,
)
from directory.duplicates import (
    POSSIBLE,
    Score,
    Traits,
    keys,
    keys_of_partner,
    keys_of_service,
    partner_traits,
    score,
    service_traits,
    traits,
)
from directory.not_duplicates import different_from
from directory.problems import InvalidInput
from directory.values import ContactPoint, LocationValue, PartnerSummary, Value
from directory.vocabulary import ContactKind, Likeness

CANDIDATES: Final = 60
"""How many candidates, those that share most keys first, are compared with an entry."""

MOST: Final = 10
"""How many possible duplicates of one entry are pointed out."""


class LookAlike(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that may be the same as another one, how much so (0 to 100), and why."""

    entry: PartnerDocument | ServiceDocument
    points: int
    reasons: tuple[Likeness, ...]


class Sought(Value, frozen=True, kw_only=True):
    """What a form knows of an entry that is not there yet; contacts in any spelling."""

    name: str
    municipality_id: UUID | None = None
    partner_id: UUID | None = None
    phones: tuple[str, ...] = ()
    mails: tuple[str, ...] = ()
    website: str | None = None
    postcode: str | None = None
    street: str | None = None


async def _candidates(
    database: Database, actor: Actor, kind: DocumentKind, municipality_id: UUID, given: Sequence[str]
) -> list[PartnerDocument | ServiceDocument]:
    table = "partner_document" if kind is DocumentKind.PARTNER else "service_document"
    decoder = partner_decoder if kind is DocumentKind.PARTNER else service_decoder
    shared = list(given)

    def where(add: sources.Add) -> str:
        return f"d.likeness && {add(shared)}::text[] AND d.municipality_id = {add(municipality_id)}"

    def most_shared(add: sources.Add) -> str:
        counted = f"SELECT count(*) FROM unnest(d.likeness) k WHERE k = ANY({add(shared)}::text[])"  # noqa: S608
        return f"({counted}) DESC, d.id"

    column = "id" if kind is DocumentKind.PARTNER else "partner_id"
    rows = await sources.visible_rows(database, actor, table, column, where, most_shared, CANDIDATES)
    return [decoder.decode(row["public"]) for row in rows]


def _judged(one: Traits, candidates: Sequence[PartnerDocument | ServiceDocument]) -> list[LookAlike]:
    found = []
    for other in candidates:
        judged: Score = score(
            one, partner_traits(other) if isinstance(other, PartnerDocument) else service_traits(other)
        )
        if judged.points >= POSSIBLE:
            found.append(LookAlike(entry=other, points=judged.points, reasons=judged.reasons))
    found.sort(key=lambda like: (-like.points, str(like.entry.id)))
    return found[:MOST]


async def look_alikes_of(
    database: Database, actor: Actor, document: PartnerDocument | ServiceDocument
) -> list[LookAlike]:
    """Return what may be the same as this entry, the most alike first; at most MOST.

    What the coordination knows to be another one is not among them.
    """
    if isinstance(document, PartnerDocument):
        kind, one, by = DocumentKind.PARTNER, partner_traits(document), keys_of_partner(document)
    else:
        kind, one, by = DocumentKind.SERVICE, service_traits(document), keys_of_service(document)
    if not by:
        return []
    found = await _candidates(database, actor, kind, document.municipality.id, by)
    candidates = [other for other in found if other.id != document.id]
    if not candidates:
        return []
    different = await different_from(database, document.id)
    return _judged(one, [other for other in candidates if other.id not in different])


async def possible_duplicates(
    database: Database, actor: Actor, kind: DocumentKind, sought: Sought
) -> list[LookAlike]:
    """Return what may be the same as what somebody is about to enter, the most alike first.

    For a service ``partner_id`` says whose it will be. Raises InvalidInput for a name that is none, for
    contacts that cannot be, and where partner or municipality is missing or not to be seen.
    """
    if not 2 <= len(sought.name.strip()) <= 300:
        raise InvalidInput("name", "length", minimum="2", maximum="300")
    points = [ContactPoint(kind=ContactKind.PHONE, value=phone(p, "phones")) for p in sought.phones[:30]]
    points += [ContactPoint(kind=ContactKind.EMAIL, value=mail(m, "mails")) for m in sought.mails[:30]]
    website = url(sought.website, "website") if sought.website else None
    place = LocationValue(id=UUID(int=0), name="-", street=sought.street, postcode=sought.postcode)
    partner_name, municipality_id = None, sought.municipality_id
    if kind is DocumentKind.SERVICE:
        if sought.partner_id is None:
            raise InvalidInput("partnerId", "required")
        partner = await sources.partner(database, actor, sought.partner_id)
        if partner is None:
            raise InvalidInput("partnerId", "unknown-value")
        partner_name, municipality_id = partner.name, partner.municipality.id
    if municipality_id is None:
        raise InvalidInput("municipalityId", "required")
    one = traits(
        [sought.name], points, website, [place], partner_id=sought.partner_id, partner_name=partner_name
    )
    by = keys([sought.name], one)
    if not by:
        return []
    return _judged(one, await _candidates(database, actor, kind, municipality_id, by))


class Pair(Value, frozen=True, kw_only=True):
    """Two entries that may be the same; ``first`` is the one that was looked at."""

    kind: DocumentKind
    first: UUID
    second: UUID
    points: int
    reasons: tuple[Likeness, ...]


_SET: Final = 1_000
"""New entries whose candidates are found by one statement, which reads the keys of the whole directory."""
_READ: Final = 10
"""New entries whose candidates are read at once: the documents of a set's would be tens of megabytes."""
_COMMON: Final = 100
"""A key that more entries of a municipality share tells nothing."""
_FEWER: Final = 30
"""How many candidates an import compares with each new entry."""


class _Compared(msgspec.Struct):
    """What of a stored document is compared, so that an import need not decode the rest."""

    name: str = ""
    title: dict[str, str] = {}
    contact_points: tuple[ContactPoint, ...] = ()
    website: str | None = None
    locations: tuple[LocationValue, ...] = ()
    partner: PartnerSummary | None = None


_compared: Final = msgspec.json.Decoder(_Compared)


def stored_traits(public: str) -> Traits:
    """Return what is compared of an entry, from the public part of its stored document."""
    given = _compared.decode(public)
    return traits(
        given.title.values() or [given.name],
        given.contact_points,
        given.website,
        given.locations,
        partner_id=given.partner.id if given.partner else None,
        partner_name=given.partner.name if given.partner else None,
    )


# Keys are joined with keys: an index of arrays that has just been filled is slow to ask a thousand times.
# They are unnested once, before any join: of tables that have just been filled the planner knows nothing.
_PAIRS: Final = """
WITH asked AS (
  SELECT d.id, d.municipality_id, k.key FROM {table} d, unnest(d.likeness) AS k(key)
  WHERE d.id = ANY (CAST(:ids AS uuid[]))
), said AS MATERIALIZED (
  SELECT d.id, d.municipality_id, k.key FROM {table} d, unnest(d.likeness) AS k(key)
), every AS (
  SELECT id, municipality_id, key FROM said
  WHERE (municipality_id, key) IN (SELECT municipality_id, key FROM asked)
), rare AS (
  SELECT municipality_id, key FROM every GROUP BY municipality_id, key
  HAVING count(*) BETWEEN 2 AND :common
), pairs AS (
  SELECT a.id AS one, b.id AS other, row_number() OVER (PARTITION BY a.id ORDER BY count(*) DESC, b.id) AS n
  FROM asked a JOIN rare r ON r.key = a.key AND r.municipality_id = a.municipality_id
  JOIN every b ON b.key = a.key AND b.municipality_id = a.municipality_id AND b.id <> a.id
  WHERE NOT EXISTS (SELECT FROM not_duplicates n
    WHERE n.one = least(a.id, b.id) AND n.other = greatest(a.id, b.id))
  GROUP BY a.id, b.id
)
SELECT one, array_agg(other ORDER BY other) AS others
FROM pairs LEFT JOIN ({chosen}) AS c(id) ON c.id = other
WHERE n <= :most AND (one < other OR c.id IS NULL) GROUP BY one ORDER BY one"""


async def pairs_among(
    database: Database, kind: DocumentKind, chosen: str, given: Mapping[str, object]
) -> AsyncIterator[Pair]:
    """Yield each pair of these entries with any entry of the municipality that may be the same, once.

    ``chosen``: a SELECT of ids with the parameters ``given``, so that nobody holds them all. For the import,
    which sees everything; chunk by chunk, so that memory does not grow. A key that very many share (a service
    called "Beratung" a hundred times) makes no
    candidates, nor do two of which the coordination knows that they are different ones.
    """
    table = "partner_document" if kind is DocumentKind.PARTNER else "service_document"
    # a pair of two chosen ones comes twice, or in two chunks: it is looked at once
    paired = text(_PAIRS.format(table=table, chosen=chosen))
    following = text(f"SELECT id FROM ({chosen}) AS c(id) WHERE id > :after ORDER BY id LIMIT :many")  # noqa: S608
    documents = text(f"SELECT id, public FROM {table} WHERE id = ANY (CAST(:ids AS uuid[]))")  # noqa: S608
    after = UUID(int=0)
    while True:
        async with database.view(SYSTEM) as session:
            some = list(await session.scalars(following, {**given, "after": after, "many": _SET}))
            if not some:
                return
            found = await session.execute(paired, {**given, "ids": some, "common": _COMMON, "most": _FEWER})
            likely: list[tuple[UUID, list[UUID]]] = [(one, others) for one, others in found]
        after = some[-1]
        for at in range(0, len(likely), _READ):
            part = [(one, other) for one, others in likely[at : at + _READ] for other in others]
            async with database.view(SYSTEM) as session:
                rows = await session.execute(documents, {"ids": list({id_ for pair in part for id_ in pair})})
                known = {id_: stored_traits(public) for id_, public in rows}
            for one, other in part:
                if one not in known or other not in known:
                    continue  # it ended in the meantime
                judged = score(known[one], known[other])
                if judged.points >= POSSIBLE:
                    yield Pair(
                        kind=kind, first=one, second=other, points=judged.points, reasons=judged.reasons
                    )
