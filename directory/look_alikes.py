"""Finds what may be in the directory twice: at entry, for forms, and after an import (``duplicates`` judges).

Candidates share a key of likeness and stand in the same municipality; of them the actor only hears of those
that they may see: what is published, and what they work on. One statement per question, whatever the size of
the directory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
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
from directory.problems import InvalidInput
from directory.values import ContactPoint, LocationValue, Value
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


def _judged(
    one: Traits, candidates: Sequence[PartnerDocument | ServiceDocument], but: UUID | None
) -> list[LookAlike]:
    found = []
    for other in candidates:
        if other.id == but:
            continue
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
    """Return what may be the same as this entry, the most alike first; at most MOST."""
    if isinstance(document, PartnerDocument):
        kind, one, by = DocumentKind.PARTNER, partner_traits(document), keys_of_partner(document)
    else:
        kind, one, by = DocumentKind.SERVICE, service_traits(document), keys_of_service(document)
    if not by:
        return []
    candidates = await _candidates(database, actor, kind, document.municipality.id, by)
    return _judged(one, candidates, document.id)


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
    return _judged(one, await _candidates(database, actor, kind, municipality_id, by), None)


class Pair(Value, frozen=True, kw_only=True):
    """Two entries that may be the same; ``first`` is the one that was looked at."""

    kind: DocumentKind
    first: UUID
    second: UUID
    points: int
    reasons: tuple[Likeness, ...]


_SET: Final = 200

_PAIRS: Final = """
SELECT one.id AS one_id, other.id AS other_id, one.public AS one_public, other.public AS other_public
FROM {table} one CROSS JOIN LATERAL (
  SELECT d.id, d.public FROM {table} d
  WHERE d.likeness && one.likeness AND d.municipality_id = one.municipality_id AND d.id <> one.id
  LIMIT {candidates}) other
WHERE one.id = ANY (CAST(:ids AS uuid[])) AND cardinality(one.likeness) > 0"""


async def pairs_among(database: Database, kind: DocumentKind, ids: Sequence[UUID]) -> AsyncIterator[Pair]:
    """Yield each pair of these entries with any entry of the municipality that may be the same, once.

    For the import, which sees everything; chunk by chunk, so that memory does not grow.
    """
    table = "partner_document" if kind is DocumentKind.PARTNER else "service_document"
    statement = text(_PAIRS.format(table=table, candidates=CANDIDATES))
    given = set(ids)
    for begin in range(0, len(ids), _SET):
        async with database.view(SYSTEM) as session:
            rows = (await session.execute(statement, {"ids": list(ids[begin : begin + _SET])})).all()
        known: dict[UUID, Traits] = {}
        for row in rows:
            if row.other_id in given and row.other_id < row.one_id:
                continue  # that pair comes, or came, the other way round
            for id_, public in ((row.one_id, row.one_public), (row.other_id, row.other_public)):
                if id_ not in known:
                    known[id_] = (
                        partner_traits(partner_decoder.decode(public))
                        if kind is DocumentKind.PARTNER
                        else service_traits(service_decoder.decode(public))
                    )
            judged = score(known[row.one_id], known[row.other_id])
            if judged.points >= POSSIBLE:
                yield Pair(
                    kind=kind,
                    first=row.one_id,
                    second=row.other_id,
                    points=judged.points,
                    reasons=judged.reasons,
                )
