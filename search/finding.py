"""Finds services for a person's situation: one search, one statement for the documents, reasons per hit.

``search_services`` keeps the engine's order; ``match_services`` ranks by what each criterion is worth. What
is said of a person stays in this process: only the engine in it is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from directory.actors import Actor
from directory.database import reaching_the_database
from directory.documents import ServiceDocument, service_decoder
from directory.figures import PartnerFigure, figures_of
from directory.problems import InvalidInput, NotAllowed
from directory.vocabulary import Answer, ServiceKind
from search.cells import kilometres
from search.engine import (
    Engine,
    Facet,
    FacetCount,
    Filters,
    Near,
    SearchHit,
    SearchQuery,
    Vocabulary,
    checked,
    first_answer,
)
from search.follower import read_vocabulary
from search.instead import WithoutFilter, instead
from search.matching import Judgement, Situation, judge
from search.policy import may_be_found, may_search
from search.rating import WEIGHTS, Rated, WeightTable, rank, rate
from search.suggesting import Suggestion, SuggestQuery, in_process
from search.suggesting import checked as checked_prefix

MOST_CONSIDERED: Final = 300
"""How many services, the likeliest by the index, are rated for one answer; the answer says how many."""

MOST_BRIDGES: Final = 5
"""How many interpreting services are named as bridges."""

KEPT_SECONDS: Final = 60.0
"""How long a process keeps what hardly changes: the vocabulary, districts, occupations."""

T = TypeVar("T")


class FoundService(msgspec.Struct, frozen=True, kw_only=True):
    """A hit with its document; ``judgement`` if a situation was given, ``distance_km`` if a place was."""

    service: ServiceDocument
    hit: SearchHit
    judgement: Judgement | None = None
    distance_km: float | None = None


class FoundPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what was found; the counts are explained at SearchResult."""

    services: tuple[FoundService, ...]
    total: int
    fitting: int
    more: bool
    facets: Mapping[Facet, tuple[FacetCount, ...]]
    relaxed: bool
    degraded: bool


async def search_services(
    engines: Sequence[Engine], reader: asyncpg.Pool, actor: Actor, query: SearchQuery
) -> FoundPage:
    """Answer a search with published services in order, with a reason per criterion of the situation.

    The first engine that answers is asked; with a situation only the one in this process, so that nothing
    about a person leaves it. Raises InvalidInput for a query out of bounds, SearchUnavailable when no engine
    answers, Unavailable when the database does not. A service that was hidden a moment ago and is still in
    the index is left out.
    """
    if not may_search(actor):
        raise NotAllowed("search")
    query = checked(query)
    if query.situation is not None:
        engines = [in_process(engines)]
    result = await asyncio.to_thread(first_answer, engines, query)
    async with reaching_the_database():
        documents = await _documents(reader, [hit.id for hit in result.hits])
        regulated = await _regulated(reader, query.situation) if documents else {}
    found = []
    for hit in result.hits:
        wanted = documents.get(hit.id)
        if wanted is None:
            continue
        judgement = judge(wanted, query.situation, regulated) if query.situation is not None else None
        if query.only_fitting and judgement is not None and judgement.answer is Answer.DOES_NOT_FIT:
            continue  # it changed since it was indexed
        found.append(
            FoundService(
                service=wanted,
                hit=hit,
                judgement=judgement,
                distance_km=distance_km(wanted, query.filters.near),
            )
        )
    return FoundPage(
        services=tuple(found),
        total=result.total,
        fitting=result.fitting,
        more=result.more,
        facets=result.facets,
        relaxed=result.relaxed,
        degraded=result.degraded,
    )


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """What is offered where nothing was found (see ``search.instead``), with the services themselves."""

    spellings: tuple[str, ...]
    filters: tuple[WithoutFilter, ...]
    topics: tuple[FacetCount, ...]
    entry_points: tuple[ServiceDocument, ...]


async def offer_instead(
    engines: Sequence[Engine], reader: asyncpg.Pool, actor: Actor, query: SearchQuery
) -> Offered:
    """Return what to offer for a search that found nothing; everything offered finds something.

    Some twenty searches at most, and one statement. A situation stays with the engine in this process. Raises
    as ``search_services`` does.
    """
    if not may_search(actor):
        raise NotAllowed("search")
    query = checked(msgspec.structs.replace(query, after=None))
    asked = [in_process(engines)] if query.situation is not None else engines
    vocabulary = await kept_vocabulary(reader)
    found = await asyncio.to_thread(instead, partial(first_answer, asked), query, vocabulary)
    async with reaching_the_database():
        documents = await _documents(reader, found.entry_points)
    return Offered(
        spellings=found.spellings,
        filters=found.filters,
        topics=found.topics,
        entry_points=tuple(documents[id_] for id_ in found.entry_points if id_ in documents),
    )


async def _documents(reader: asyncpg.Pool, ids: Sequence[UUID]) -> dict[UUID, ServiceDocument]:
    """Return the published documents of these services; one statement, none for no service."""
    if not ids:
        return {}
    rows = await reader.fetch("SELECT public FROM service_document WHERE id = ANY($1)", list(ids))
    found = (service_decoder.decode(row["public"]) for row in rows)
    return {service.id: service for service in found if may_be_found(service)}


async def _regulated(reader: asyncpg.Pool, situation: Situation | None) -> Mapping[str, bool]:
    """Return which occupations law governs, if one was named.

    All of them, kept: which one a person has is not asked of the database either, whose log may hold it.
    """
    if situation is None or situation.occupation is None:
        return {}
    return await _kept(_occupations, reader, _read_occupations)


class MatchQuery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A profile to match: what is known of a person (``situation``), and what is looked for.

    ``origin``: from where ways are measured; its radius is no limit (``filters.near`` is). ``after``: the
    service behind which to go on.
    """

    situation: Situation
    text: str = ""
    filters: Filters = Filters()
    origin: Near | None = None
    language: str = "de"
    first: int = 20
    after: UUID | None = None


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A service as it matches the profile, at its place (1 is the best)."""

    place: int
    service: ServiceDocument
    rated: Rated
    distance_km: float | None = None


class MatchPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of matches. ``considered`` of ``total`` were rated; ``fitting`` are not known not to fit.

    ``bridges``: interpreting services for the profile's languages. ``weights``: the version that ranked.
    """

    matches: tuple[Match, ...]
    bridges: tuple[ServiceDocument, ...]
    total: int
    considered: int
    fitting: int
    more: bool
    relaxed: bool
    weights: int


async def match_services(
    engines: Sequence[Engine],
    reader: asyncpg.Pool,
    actor: Actor,
    query: MatchQuery,
    weights: WeightTable = WEIGHTS,
) -> MatchPage:
    """Rank published services for a profile, each with its standing by every criterion.

    The profile is asked of the engine in this process only, and kept nowhere. Two searches in the index, at
    most three statements. Raises as ``search_services`` does, and InvalidInput for an ``after`` that is not
    among the matches any more.
    """
    if not may_search(actor):
        raise NotAllowed("search")
    engine = in_process(engines)
    situation = query.situation
    asked = checked(
        SearchQuery(
            today=situation.on,
            text=query.text,
            language=query.language,
            filters=query.filters,
            situation=situation,
            first=query.first,
        )
    )
    if query.origin is not None:
        checked(SearchQuery(today=situation.on, filters=Filters(near=query.origin)))
    result = await asyncio.to_thread(
        engine.search, msgspec.structs.replace(asked, first=MOST_CONSIDERED, highlights=False)
    )
    near_by: Sequence[SearchHit] = ()
    if situation.languages:
        interpreting = SearchQuery(
            today=situation.on,
            filters=Filters(kinds=(ServiceKind.LANGUAGE_MEDIATION,), languages=situation.languages),
            first=MOST_BRIDGES,
        )
        near_by = (await asyncio.to_thread(engine.search, interpreting)).hits
    async with reaching_the_database():
        ids = [hit.id for hit in result.hits]
        documents = await _documents(reader, list({*ids, *(hit.id for hit in near_by)}))
        regulated = await _regulated(reader, situation) if documents else {}
        figures = await figures_of(reader, list({one.partner.id for one in documents.values()}))
    bridges = tuple(documents[hit.id] for hit in near_by if hit.id in documents)
    origin = query.origin or query.filters.near
    services = [documents[id_] for id_ in ids if id_ in documents]
    ranked = _ranked(services, situation, regulated, figures, origin, bridges, weights)
    start = 0
    if query.after is not None:
        places = {one.service.id: one.place for one in ranked}
        if query.after not in places:
            raise InvalidInput("after", "cursor")
        start = places[query.after]
    return MatchPage(
        matches=tuple(ranked[start : start + query.first]),
        bridges=bridges,
        total=result.total,
        considered=len(ranked),
        fitting=sum(one.rated.answer is not Answer.DOES_NOT_FIT for one in ranked),
        more=start + query.first < len(ranked),
        relaxed=result.relaxed,
        weights=weights.version,
    )


def _ranked(
    services: Sequence[ServiceDocument],
    situation: Situation,
    regulated: Mapping[str, bool],
    figures: Mapping[UUID, PartnerFigure],
    origin: Near | None,
    bridges: Sequence[ServiceDocument],
    weights: WeightTable,
) -> list[Match]:
    rated = []
    for service in services:
        way = distance_km(service, origin)
        value = rate(
            service,
            situation,
            regulated,
            figure=figures.get(service.partner.id),
            distance_km=way,
            distance_asked=origin is not None,
            bridges=[bridge for bridge in bridges if bridge.id != service.id],
            weights=weights,
        )
        rated.append((rank(value, service.id), service, value, way))
    rated.sort(key=lambda one: one[0])
    return [
        Match(place=place, service=service, rated=value, distance_km=way)
        for place, (_, service, value, way) in enumerate(rated, 1)
    ]


_Keeping: TypeAlias = dict[int, tuple[asyncpg.Pool, float, T]]
_vocabularies: Final[_Keeping[Vocabulary]] = {}
_districts: Final[_Keeping[dict[UUID, str]]] = {}
_occupations: Final[_Keeping[dict[str, bool]]] = {}


async def _kept(
    keeping: _Keeping[T], reader: asyncpg.Pool, read: Callable[[asyncpg.Pool], Awaitable[T]]
) -> T:
    """Return what was read at most ``KEPT_SECONDS`` ago; else it is read anew, in one statement.

    A process has one pool, tests have several: what is kept belongs to the pool (which weak references
    cannot hold) and goes with the next one.
    """
    known = keeping.get(id(reader))
    if known is None or known[0] is not reader or known[1] < time.monotonic():
        async with reaching_the_database():
            known = reader, time.monotonic() + KEPT_SECONDS, await read(reader)
        keeping.clear()
        keeping[id(reader)] = known
    return known[2]


async def _read_districts(reader: asyncpg.Pool) -> dict[UUID, str]:
    rows = await reader.fetch("SELECT id, ars FROM municipality")
    return {row["id"]: row["ars"][:5] for row in rows}


async def _read_occupations(reader: asyncpg.Pool) -> dict[str, bool]:
    rows = await reader.fetch("SELECT esco, regulated FROM occupation")
    return {row["esco"]: row["regulated"] for row in rows}


async def kept_vocabulary(reader: asyncpg.Pool) -> Vocabulary:
    """Return the topics with their words, at most ``KEPT_SECONDS`` old."""
    return await _kept(_vocabularies, reader, read_vocabulary)


async def kept_districts(reader: asyncpg.Pool) -> dict[UUID, str]:
    """Return the district (five digits) of each municipality, at most ``KEPT_SECONDS`` old."""
    return await _kept(_districts, reader, _read_districts)


async def suggest(
    engines: Sequence[Engine], reader: asyncpg.Pool, actor: Actor, query: SuggestQuery
) -> tuple[Suggestion, ...]:
    """Suggest texts while somebody types: of published services only, always from the index in this process.

    Raises InvalidInput for what is out of bounds, SearchUnavailable while there is no index.
    """
    if not may_search(actor):
        raise NotAllowed("search")
    query = checked_prefix(query)
    engine = in_process(engines)
    vocabulary = await kept_vocabulary(reader)
    return await asyncio.to_thread(engine.suggest, query, vocabulary)


def distance_km(service: ServiceDocument, near: Near | None) -> float | None:
    """Return the distance to the nearest place of a service; None when none is known."""
    if near is None:
        return None
    middle = (near.latitude, near.longitude)
    return min(
        (
            kilometres(middle, (place.latitude, place.longitude))
            for place in service.locations
            if place.latitude is not None and place.longitude is not None
        ),
        default=None,
    )
