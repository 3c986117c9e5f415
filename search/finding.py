"""Finds services for a person's situation: one search, one statement for the documents, reasons per hit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg
import msgspec

from directory.actors import Actor
from directory.database import reaching_the_database
from directory.documents import ServiceDocument, service_decoder
from directory.problems import NotAllowed
from directory.vocabulary import Answer
from search.engine import Engine, Facet, FacetCount, Near, SearchHit, SearchQuery, checked, first_answer
from search.matching import Judgement, judge
from search.policy import may_be_found, may_search
from search.queries import kilometres


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

    The first engine that answers is asked. Raises InvalidInput for a query out of bounds, SearchUnavailable
    when no engine answers, Unavailable when the database does not. A service that was hidden a moment ago
    and is still in the index is left out.
    """
    if not may_search(actor):
        raise NotAllowed("search")
    query = checked(query)
    result = await asyncio.to_thread(first_answer, engines, query)
    documents: dict[object, ServiceDocument] = {}
    regulated: dict[str, bool] = {}
    async with reaching_the_database():
        if result.hits:
            rows = await reader.fetch(
                "SELECT public FROM service_document WHERE id = ANY($1)", [hit.id for hit in result.hits]
            )
            for row in rows:
                service = service_decoder.decode(row["public"])
                if may_be_found(service):
                    documents[service.id] = service
        if query.situation is not None and query.situation.occupation is not None and documents:
            known = await reader.fetchval(
                "SELECT regulated FROM occupation WHERE esco = $1", query.situation.occupation
            )
            if known is not None:
                regulated[query.situation.occupation] = known
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
