"""GET /feed: the directory's published changes as JSON, for other municipalities (``published_feed``)."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from directory.database import Unavailable
from directory.problems import InvalidInput
from directory.published_feed import PAGE, RebuildNeeded, published_changes, read_cursor
from graphapi.context import Services

HEADERS = {"access-control-allow-origin": "*", "cache-control": "public, no-cache"}


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
    ) -> Response[bytes]:
        """Give the published changes after a cursor: at most ``limit`` (100, at most 500), oldest first.

        410: the cursor is of another feed; begin anew without one. An unchanged page is a 304.
        """
        try:
            page = await published_changes(
                services.database,
                None if cursor is None else read_cursor(cursor),
                modified_after=_moment(modified_after),
                limit=_count(limit),
            )
        except InvalidInput as problem:
            return _refused(400, problem.reason, f"The parameter {problem.field} cannot be read.")
        except RebuildNeeded as needed:
            return _refused(
                410,
                "rebuild",
                "This cursor is not of this feed. Drop your copy and begin without a cursor.",
                feed=str(needed.feed),
            )
        except Unavailable:
            return _refused(503, "unavailable", "Try again in a moment.")
        content = msgspec.json.encode(page)
        etag = f'"{sha256(content).hexdigest()[:32]}"'
        headers = {**HEADERS, "etag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(b"", status_code=304, headers=headers, media_type="application/json")
        return Response(content, headers=headers, media_type="application/json")

    return feed
