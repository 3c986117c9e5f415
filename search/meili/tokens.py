"""Tokens with which a browser may search a Meilisearch server by itself (tenant tokens).

A token is good for one index, for searching only, for a short time, and within a filter that stands in the
token and cannot be taken out of it. No page and no operation hands any out: searches go through the port,
which judges situations and falls back to the local index. Whoever lets browsers search calls this.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from search.cells import Circle
from search.engine import Filters
from search.meili.filters import SERVICES, Judged, Known, conditions, every, needs_known
from search.meili.server import Server

LASTS: Final = timedelta(minutes=15)
LONGEST: Final = timedelta(hours=1)
_NAME: Final = "Spurwechsel: searches from browsers"
_MOST_KEYS: Final = 1_000


def browser_token(
    server: Server, index: str, *, now: datetime, lasts: timedelta = LASTS, filters: Filters | None = None
) -> str:
    """Return a token for searching the published services of an index that meet ``filters``.

    It is signed with a key that may only search this index, which is made on the server where it is missing;
    the server's own key needs the rights keys.get and keys.create for that. Raises ValueError for a time
    that is not within LONGEST, and for filters that depend on what values an index has (residence status,
    circles, courses); SearchUnavailable when the server does not answer.
    """
    if not timedelta() < lasts <= LONGEST:
        raise ValueError(f"a token lasts at most {LONGEST}")
    wanted = filters or Filters()
    if needs_known(wanted, None) or wanted.near is not None:
        raise ValueError("these filters change with the index, and a token does not")
    condition = every([SERVICES, *conditions(wanted, Judged(Known()), Circle())])
    key = _key(server, index)
    return server.token(key["uid"], key["key"], {index: {"filter": condition}}, now + lasts)


def _key(server: Server, index: str) -> dict[str, Any]:
    """Return the key that may only search an index."""
    for key in server.ask(f"keys?limit={_MOST_KEYS}")["results"]:
        if (key["name"], key["actions"], key["indexes"], key["expiresAt"]) == (
            _NAME,
            ["search"],
            [index],
            None,
        ):
            return dict(key)
    return server.new_key({"name": _NAME, "actions": ["search"], "indexes": [index], "expiresAt": None})
