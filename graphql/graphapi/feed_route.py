"""GET /feed: the directory's published changes as JSON, for other municipalities (``published_feed``)."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from directory import sources
from directory.database import Database, Unavailable
from directory.problems import InvalidInput
from directory.published_feed import PAGE, FeedFilter, RebuildNeeded, published_changes, read_cursor
from directory.vocabulary import PartnerKind, ServiceKind
from graphapi.context import Services
from graphapi.hsds.answers import sentence
from graphapi.hsds.parameters import Refused
from graphapi.messages import message_for, message_language, preferred_languages

HEADERS = {"access-control-allow-origin": "*", "cache-control": "public, no-cache"}

MOST_VALUES: Final = 50
"""How many values of one filter are taken at most."""
PARAMETERS: Final = frozenset(
    {"cursor", "modified_after", "limit", "municipality", "partner", "partner_kind", "kind", "topic"}
)

RETRY_AFTER_SECONDS: Final = 5
REBUILD: Final = {
    "de": "Dieses Lesezeichen gehört zu einem anderen Bestand oder Teil. Verwerfen Sie Ihre Kopie und "
    "beginnen Sie ohne Lesezeichen.",
    "en": "This cursor is of another feed or part. Drop your copy and begin without a cursor.",
}

Several: TypeAlias = Annotated[list[str] | None, QueryParameter(max_items=MOST_VALUES)]


def _each(name: str, given: list[str] | None, read: Any) -> list[Any]:
    """Return the values of a filter; raises InvalidInput for one that cannot be."""
    if given is not None and len(given) > MOST_VALUES:
        raise InvalidInput(name, "too-many", maximum=str(MOST_VALUES))
    try:
        return [read(one) for one in given or ()]
    except (ValueError, KeyError):
        raise InvalidInput(name, "unknown-value") from None


async def _towns(database: Database, given: list[str] | None) -> list[UUID]:
    """Return the municipalities with these official keys; a wrong key would be a feed of nothing."""
    if not given:
        return []
    known = {town.ars: town.id for town in await sources.municipalities(database)}
    return _each("municipality", given, known.__getitem__)


def _topic(given: str) -> str:
    if not given or len(given) > 60:
        raise ValueError
    return given


def _moment(given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        moment = msgspec.convert(given, type=datetime)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        raise InvalidInput("modified_after", "format") from None


def _count(given: str | None) -> int:
    if given is None:
        return PAGE
    if not (given.isascii() and given.isdigit() and len(given) <= 6):
        raise InvalidInput("limit", "format")
    return int(given)


def _refused(status: int, code: str, detail: str, **more: str) -> Response[bytes]:
    content = msgspec.json.encode({"code": code, "detail": detail, **more})
    return Response(
        content,
        status_code=status,
        media_type="application/problem+json",
        headers={**HEADERS, "cache-control": "no-store"},
    )


def feed_of(services: Services) -> HTTPRouteHandler:
    """Return the handler of GET /feed."""

    @get("/feed")
    async def feed(
        request: Request[Any, Any, State],
        cursor: Annotated[str | None, QueryParameter(max_length=80)] = None,
        modified_after: Annotated[str | None, QueryParameter(max_length=40)] = None,
        limit: Annotated[str | None, QueryParameter(max_length=10)] = None,
        municipality: Several = None,
        partner: Several = None,
        partner_kind: Several = None,
        kind: Several = None,
        topic: Several = None,
    ) -> Response[bytes]:
        """Give the published changes after a cursor: at most ``limit`` (100, at most 500), oldest first.

        Of a part only, where it is named: municipality (ARS), partner (id), partner_kind, kind, topic; each
        may come several times, and any of its values will do. What has left the part comes as a tombstone.
        410: the cursor is of another feed or part; begin anew without one. An unchanged page is a 304.
        """
        language = message_language(preferred_languages(request.headers.get("accept-language")))
        for name in request.query_params:
            if name not in PARAMETERS:  # a part that is misspelt would be the whole directory
                wrong = Refused(400, "unknown-parameter", known=", ".join(sorted(PARAMETERS)))
                return _refused(400, "unknown-field", sentence(wrong, language), parameter=name[:40])
        try:
            part = FeedFilter(
                municipalities=await _towns(services.database, municipality),
                partners=_each("partner", partner, UUID),
                partner_kinds=_each("partner_kind", partner_kind, PartnerKind),
                kinds=_each("kind", kind, ServiceKind),
                topics=_each("topic", topic, _topic),
            )
            page = await published_changes(
                services.database,
                None if cursor is None else read_cursor(cursor),
                part=part,
                modified_after=_moment(modified_after),
                limit=_count(limit),
            )
        except InvalidInput as problem:
            detail = message_for(problem, language)
            return _refused(400, problem.reason, detail, parameter=problem.field)
        except RebuildNeeded as needed:
            return _refused(
                410,
                "rebuild",
                REBUILD[language],
                feed=str(needed.feed),
            )
        except Unavailable:
            again = Refused(503, "unavailable", seconds=RETRY_AFTER_SECONDS)
            return _refused(503, "unavailable", sentence(again, language))
        content = msgspec.json.encode(page)
        etag = f'"{sha256(content).hexdigest()[:32]}"'
        headers = {**HEADERS, "etag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(b"", status_code=304, headers=headers, media_type="application/json")
        return Response(content, headers=headers, media_type="application/json")

    return feed
