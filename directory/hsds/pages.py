"""The read path of HSDS: from checked parameters to stored documents, published ones only.

Read through the pool of the reader role, whose row-level security shows nothing else. A page is one
statement, with its total and with the partners of its services; streams are read in chunks by key, so that
no connection waits for a slow reader and memory does not grow with the number of rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from directory.database import Database, reaching_the_database
from directory.documents import (
    DocumentKind,
    PartnerDocument,
    ServiceDocument,
    partner_decoder,
    service_decoder,
)
from directory.hsds.listing import unpacked_term
from directory.hsds.territories import LANDS
from directory.sortkey import folded
from directory.values import LocationValue, SourceTerm

PER_PAGE: Final = 50
LARGEST_PAGE: Final = 100
CHUNK: Final = 200
"""How many rows of a stream are read at once."""
MOST_NESTED: Final = 1_000
"""How many services one answer nests in organisations in full."""
MOST_PLACES: Final = 500
"""From how many entries it is told where a postcode lies."""
EARTH_RADIUS_M: Final = 6_371_008.8
"""Mean radius of the earth in metres (IUGG)."""

Row = Any  # asyncpg.Record, whose stubs know no column names


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """Within some metres of a point, as the crow flies; degrees WGS 84."""

    latitude: float
    longitude: float
    metres: float


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which services, organisations or services at locations; everything given must hold.

    ``found``: ids that a search found, ``best`` the first of them in order. ``words``: of the name or
    description of an organisation. ``territories``: ARS keys of a postcode; what serves none of them is left
    out.
    """

    found: tuple[UUID, ...] | None = None
    best: tuple[UUID, ...] = ()
    words: str | None = None
    terms: tuple[str, ...] = ()
    organization_id: UUID | None = None
    modified_after: datetime | None = None
    territories: tuple[str, ...] = ()
    near: Near | None = None


class ServiceRow:
    """A service with its partner as they are stored; decoded when asked for.

    ``place`` is the number of one of its places, from 0; ``modified_at`` when the service was changed.
    """

    __slots__ = ("_partner", "_partners", "_public", "modified_at", "place")

    def __init__(self, row: Row, partners: dict[str, PartnerDocument]) -> None:
        self._public: str = row["public"]
        self._partner: str | None = row["partner"]
        self._partners = partners  # of the page: a partner of several services is decoded once
        self.place: int = row["place"] - 1
        self.modified_at: datetime = row["modified_at"]

    @property
    def digest(self) -> bytes:
        """What is stored, in 16 bytes: another one as soon as service, partner or place are others."""
        parts = f"{self.place}\x1f{self._partner or ''}\x1f{self._public}"
        return blake2b(parts.encode(), digest_size=16).digest()

    @property
    def service(self) -> ServiceDocument:
        """The service's document."""
        return service_decoder.decode(self._public)

    @property
    def partner(self) -> PartnerDocument | None:
        """The partner's document; None when it was hidden a moment ago."""
        if self._partner is None:
            return None
        known = self._partners.get(self._partner)
        if known is None:
            known = self._partners[self._partner] = partner_decoder.decode(self._partner)
        return known


class ServiceRows(NamedTuple):
    """A page of services, and how many there are in all."""

    rows: list[ServiceRow]
    total: int


class PartnerRows(msgspec.Struct, frozen=True):
    """A page of organisations, and how many there are in all."""

    rows: list[PartnerDocument]
    total: int


class TooManyNested(Exception):
    """The organisations asked for have more services than one answer nests in full."""


class Postcode(msgspec.Struct, frozen=True, kw_only=True):
    """Where a postcode lies, as far as published places tell: their middle, the keys of their towns."""

    latitude: float | None = None
    longitude: float | None = None
    territories: tuple[str, ...] = ()


class _Arguments(list[object]):
    def add(self, value: object) -> str:
        self.append(value)
        return f"${len(self)}"


async def _fetch(database: Database, sql: str, arguments: Sequence[object]) -> list[Row]:
    async with reaching_the_database():
        rows: list[Row] = await database.reader.fetch(sql, *arguments)
        return rows


def prefixes(territory: str) -> list[str]:
    """Return a key and the keys of everything that it lies in.

    >>> prefixes("12052")
    ['12', '120', '1205', '12052']
    """
    return [territory[:length] for length in range(2, len(territory) + 1)]


def _conditions(wanted: Wanted, arguments: _Arguments) -> list[str]:
    """Return what services must meet."""
    found = ["d.state = 'PUBLISHED'"]
    if wanted.found is not None:
        ids = arguments.add([str(id_) for id_ in wanted.found])
        found.append(f"d.id = ANY({ids}::text[]::uuid[])")
    if wanted.terms:
        found.append(f"d.terms @> {arguments.add(list(wanted.terms))}::text[]")
    if wanted.organization_id is not None:
        found.append(f"d.partner_id = {arguments.add(wanted.organization_id)}")
    if wanted.modified_after is not None:
        found.append(f"d.modified_at >= {arguments.add(wanted.modified_after)}")
    if wanted.territories:
        above = sorted({key for territory in wanted.territories for key in prefixes(territory)})
        below = [f"{territory}%" for territory in wanted.territories]
        found.append(
            f"(d.area = '{{}}' OR d.area && {arguments.add(above)}::text[]"
            f" OR EXISTS (SELECT FROM unnest(d.area) AS a(key) WHERE a.key LIKE ANY({arguments.add(below)})))"
        )
    return found


def _order(wanted: Wanted, arguments: _Arguments) -> str:
    if wanted.found is None:
        return "d.sort_key, d.id"
    ids = arguments.add([str(id_) for id_ in wanted.best])
    return f"array_position({ids}::text[], d.id::text) NULLS LAST, d.id"


def _rows(rows: Iterable[Row]) -> list[ServiceRow]:
    partners: dict[str, PartnerDocument] = {}
    return [ServiceRow(row, partners) for row in rows]


_WITH_PARTNER: Final = "LEFT JOIN partner_document p ON p.id = s.partner_id"


async def services(database: Database, wanted: Wanted, *, page: int, per_page: int) -> ServiceRows:
    """Return a page (from 1) of services in the order of their titles, or of the search; one statement."""
    arguments = _Arguments()
    where = " AND ".join(_conditions(wanted, arguments))
    order = _order(wanted, arguments)
    # every part of the text is ours; what callers give is an argument
    sql = (
        f"SELECT s.*, p.public AS partner FROM (SELECT d.partner_id, d.modified_at, d.public, 1 AS place,"  # noqa: S608
        f" row_number() OVER (ORDER BY {order}) AS n FROM service_document d WHERE {where}"
        f" ORDER BY {order} LIMIT {arguments.add(per_page)} OFFSET {arguments.add((page - 1) * per_page)}) s"
        f" {_WITH_PARTNER} ORDER BY s.n"
    )
    return await _counted(
        database,
        sql,
        f"SELECT count(*) FROM service_document d WHERE {where}",  # noqa: S608
        arguments,
    )


async def _counted(database: Database, page: str, count: str, arguments: _Arguments) -> ServiceRows:
    """Return the page with the total; the arguments of the count are the first of those of the page."""
    rows = await _fetch(
        database,
        f"SELECT t.total, r.* FROM ({count}) t(total) LEFT JOIN ({page}) r ON true ORDER BY r.n",  # noqa: S608
        arguments,
    )
    return ServiceRows(_rows(row for row in rows if row["public"] is not None), rows[0]["total"])


async def services_in_chunks(database: Database, wanted: Wanted) -> AsyncIterator[list[ServiceRow]]:
    """Yield all services, by id, a chunk at a time; what changes meanwhile comes as it then is."""
    after = UUID(int=0)
    while True:
        arguments = _Arguments()
        where = " AND ".join(_conditions(wanted, arguments))
        rows = await _fetch(
            database,
            "SELECT s.*, p.public AS partner FROM"  # noqa: S608
            " (SELECT d.id, d.partner_id, d.modified_at, d.public, 1 AS place"
            f" FROM service_document d WHERE {where} AND d.id > {arguments.add(after)}"
            f" ORDER BY d.id LIMIT {arguments.add(CHUNK)}) s {_WITH_PARTNER} ORDER BY s.id",
            arguments,
        )
        if rows:
            yield _rows(rows)
        if len(rows) < CHUNK:
            return
        after = rows[-1]["id"]


async def service(database: Database, id_: UUID) -> ServiceRow | None:
    """Return one service, or None when it is not published (any more)."""
    rows = await _fetch(
        database,
        "SELECT s.partner_id, s.modified_at, s.public, 1 AS place, p.public AS partner"  # noqa: S608
        f" FROM service_document s {_WITH_PARTNER} WHERE s.id = $1 AND s.state = 'PUBLISHED'",
        [id_],
    )
    return _rows(rows)[0] if rows else None


_PLACES: Final = (
    "service_document d CROSS JOIN LATERAL unnest(d.at_locations, d.latitudes, d.longitudes)"
    " WITH ORDINALITY AS u(at_location, latitude, longitude, place)"
)


def _place_conditions(wanted: Wanted, arguments: _Arguments) -> list[str]:
    found = _conditions(wanted, arguments)
    if wanted.near is not None:
        latitude, longitude = arguments.add(wanted.near.latitude), arguments.add(wanted.near.longitude)
        # the haversine formula; a place without coordinates is near nothing
        found.append(
            f"2 * {EARTH_RADIUS_M} * asin(least(1, sqrt(power(sind((u.latitude - {latitude}::float) / 2), 2)"
            f" + cosd({latitude}::float) * cosd(u.latitude)"
            f" * power(sind((u.longitude - {longitude}::float) / 2), 2))))"
            f" <= {arguments.add(wanted.near.metres)}::float"
        )
    return found


async def at_locations(database: Database, wanted: Wanted, *, page: int, per_page: int) -> ServiceRows:
    """Return a page (from 1) of services at their places, in the order of the services; one statement."""
    arguments = _Arguments()
    where = " AND ".join(_place_conditions(wanted, arguments))
    order = f"{_order(wanted, arguments)}, u.place"
    sql = (
        f"SELECT s.*, p.public AS partner FROM (SELECT d.partner_id, d.modified_at, d.public, u.place,"  # noqa: S608
        f" row_number() OVER (ORDER BY {order}) AS n FROM {_PLACES} WHERE {where}"
        f" ORDER BY {order} LIMIT {arguments.add(per_page)} OFFSET {arguments.add((page - 1) * per_page)}) s"
        f" {_WITH_PARTNER} ORDER BY s.n"
    )
    return await _counted(
        database,
        sql,
        f"SELECT count(*) FROM {_PLACES} WHERE {where}",  # noqa: S608
        arguments,
    )


async def at_locations_in_chunks(database: Database, wanted: Wanted) -> AsyncIterator[list[ServiceRow]]:
    """Yield all services at their places, by the service's id, a chunk at a time."""
    after, place = UUID(int=0), 0
    while True:
        arguments = _Arguments()
        where = " AND ".join(_place_conditions(wanted, arguments))
        rows = await _fetch(
            database,
            "SELECT s.*, p.public AS partner FROM"  # noqa: S608
            " (SELECT d.id, d.partner_id, d.modified_at, d.public, u.place"
            f" FROM {_PLACES} WHERE {where} AND (d.id, u.place) > ({arguments.add(after)},"
            f" {arguments.add(place)}::bigint) AND d.id >= {arguments.add(after)}"
            f" ORDER BY d.id, u.place LIMIT {arguments.add(CHUNK)}) s {_WITH_PARTNER} ORDER BY s.id, s.place",
            arguments,
        )
        if rows:
            yield _rows(rows)
        if len(rows) < CHUNK:
            return
        after, place = rows[-1]["id"], rows[-1]["place"]


async def at_location(database: Database, id_: UUID) -> ServiceRow | None:
    """Return one service at one of its places, or None when there is no such published one."""
    rows = await _fetch(
        database,
        "SELECT s.modified_at, s.public, p.public AS partner,"  # noqa: S608
        f" array_position(s.at_locations, $1) AS place FROM service_document s {_WITH_PARTNER}"
        " WHERE s.at_locations @> ARRAY[$1] AND s.state = 'PUBLISHED' LIMIT 1",
        [str(id_)],
    )
    return _rows(rows)[0] if rows else None


# --- Organisations ----------------------------------------------------------------------------------------


def _partner_conditions(wanted: Wanted, arguments: _Arguments) -> list[str]:
    found = ["d.state = 'PUBLISHED'"]
    # folded words have letters and digits only, so nothing in them is a wildcard
    words = folded(wanted.words or "").split()
    found += [f"d.words LIKE {arguments.add(f'%{word}%')}" for word in words]
    for term in wanted.terms:
        given = arguments.add([term])
        found.append(
            f"(d.terms @> {given}::text[] OR EXISTS (SELECT FROM service_document s WHERE s.partner_id = d.id"
            f" AND s.state = 'PUBLISHED' AND s.terms @> {given}::text[]))"
        )
    return found


async def organizations(database: Database, wanted: Wanted, *, page: int, per_page: int) -> PartnerRows:
    """Return a page (from 1) of organisations in the order of their names; one statement."""
    arguments = _Arguments()
    where = " AND ".join(_partner_conditions(wanted, arguments))
    rows = await _fetch(
        database,
        f"SELECT t.total, r.public FROM (SELECT count(*) AS total FROM partner_document d WHERE {where}) t"  # noqa: S608
        f" LEFT JOIN (SELECT d.sort_key, d.id, d.public FROM partner_document d WHERE {where}"
        f" ORDER BY d.sort_key, d.id LIMIT {arguments.add(per_page)}"
        f" OFFSET {arguments.add((page - 1) * per_page)}) r ON true ORDER BY r.sort_key, r.id",
        arguments,
    )
    found = [partner_decoder.decode(row["public"]) for row in rows if row["public"] is not None]
    return PartnerRows(found, rows[0]["total"])


async def organizations_in_chunks(
    database: Database, wanted: Wanted, *, chunk: int = CHUNK
) -> AsyncIterator[list[PartnerDocument]]:
    """Yield all organisations, by id, a chunk at a time."""
    after = UUID(int=0)
    while True:
        arguments = _Arguments()
        where = " AND ".join(_partner_conditions(wanted, arguments))
        rows = await _fetch(
            database,
            f"SELECT d.id, d.public FROM partner_document d WHERE {where} AND d.id > {arguments.add(after)}"  # noqa: S608
            f" ORDER BY d.id LIMIT {arguments.add(chunk)}",
            arguments,
        )
        if rows:
            yield [partner_decoder.decode(row["public"]) for row in rows]
        if len(rows) < chunk:
            return
        after = rows[-1]["id"]


async def organization(database: Database, id_: UUID) -> PartnerDocument | None:
    """Return one organisation, or None when it is not published (any more)."""
    rows = await _fetch(
        database, "SELECT public FROM partner_document WHERE id = $1 AND state = 'PUBLISHED'", [id_]
    )
    return partner_decoder.decode(rows[0]["public"]) if rows else None


async def services_of(
    database: Database, partner_ids: Sequence[UUID], *, most: int | None = None
) -> dict[UUID, list[ServiceDocument]]:
    """Return the services of these organisations by organisation; one statement for all.

    Raises TooManyNested when they are more than ``most``.
    """
    found: dict[UUID, list[ServiceDocument]] = {id_: [] for id_ in partner_ids}
    rows = await _fetch(
        database,
        "SELECT partner_id, public FROM service_document WHERE partner_id = ANY($1::text[]::uuid[])"
        " AND state = 'PUBLISHED' ORDER BY partner_id, sort_key, id LIMIT $2",
        [[str(id_) for id_ in partner_ids], None if most is None else most + 1],
    )
    if most is not None and len(rows) > most:
        raise TooManyNested
    for row in rows:
        found[row["partner_id"]].append(service_decoder.decode(row["public"]))
    return found


# --- What else is asked -----------------------------------------------------------------------------------


async def state(database: Database) -> tuple[UUID, int]:
    """Return the feed's id and how far it has come: while both stay, no document has changed."""
    rows = await _fetch(
        database, "SELECT f.id, coalesce((SELECT max(sequence) FROM change), 0) AS sequence FROM feed f", []
    )
    return rows[0]["id"], rows[0]["sequence"]


async def foreign_terms(database: Database) -> list[SourceTerm]:
    """Return the terms that published services brought along from their sources."""
    rows = await _fetch(
        database,
        "SELECT DISTINCT t.term FROM service_document d CROSS JOIN LATERAL unnest(d.foreign_terms) AS t(term)"
        " WHERE d.state = 'PUBLISHED'",
        [],
    )
    terms = [unpacked_term(row["term"]) for row in rows]
    return sorted(terms, key=lambda term: (term.vocabulary, term.name, term.code))


async def ended(database: Database, kind: DocumentKind, id_: UUID) -> UUID | bool:
    """Return what became of an entry that was published: the one it was merged into, or True for deleted.

    False for one that is hidden, was never published, or does not exist: these are not told apart.
    """
    rows = await _fetch(
        database,
        "SELECT (SELECT survivor_id FROM entry_alias WHERE kind = $1 AND id = $2) AS survivor,"
        " EXISTS (SELECT FROM change WHERE kind = $1 AND id = $2 AND tombstone AND shown) AS deleted",
        [kind.value, id_],
    )
    survivor: UUID | None = rows[0]["survivor"]
    return bool(rows[0]["deleted"]) if survivor is None else survivor


async def postcode(database: Database, text: str) -> Postcode | None:
    """Return where a postcode lies, told by the published places in it; None when there is none.

    There is no free list of postcodes with their places that could be shipped; what the directory itself
    knows is enough to say who serves one.
    """
    rows = await _fetch(
        database,
        "(SELECT public, true AS service FROM service_document WHERE postcodes @> ARRAY[$1]"
        " AND state = 'PUBLISHED' ORDER BY id LIMIT $2)"
        " UNION ALL (SELECT public, false FROM partner_document WHERE postcodes @> ARRAY[$1]"
        " AND state = 'PUBLISHED' ORDER BY id LIMIT $2)",
        [text, MOST_PLACES],
    )
    if not rows:
        return None
    places: dict[UUID, LocationValue] = {}
    territories: dict[str, None] = {}
    for row in rows:
        document: ServiceDocument | PartnerDocument = (
            service_decoder.decode(row["public"]) if row["service"] else partner_decoder.decode(row["public"])
        )
        for place in document.locations:
            if place.postcode != text:
                continue
            places[place.id] = place
            own = document.municipality.ars if document.provenance is None else None
            key = place.ars or own
            if key is not None and key[:2] in LANDS:
                territories[key] = None
    located = [
        (place.latitude, place.longitude)
        for place in places.values()
        if place.latitude is not None and place.longitude is not None
    ]
    middle = (
        (sum(north for north, _ in located) / len(located), sum(east for _, east in located) / len(located))
        if located
        else (None, None)
    )
    return Postcode(latitude=middle[0], longitude=middle[1], territories=tuple(sorted(territories)))
