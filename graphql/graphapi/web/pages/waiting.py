"""Who waits for a place of an own service, in the fair order; a place that is free goes to the first."""

from __future__ import annotations

from typing import Any, Final

from graphapi.web.pages.clients import topics_of
from graphapi.web.routes import ORGANISATIONS, page
from graphapi.web.running import Stopped
from graphapi.web.visiting import Answer, Visit

MOST: Final = 100
"""People of one list that are shown: those first in order."""
PAGES: Final = 5


@page("/inbox/waiting", roles=ORGANISATIONS)
async def waiting(visit: Visit) -> Answer:
    """Show the waiting lists of the own organisation, or the one that was chosen, in its order."""
    lists = await _lists(visit)
    asked = visit.query.get("service")
    if asked and asked not in lists:
        raise Stopped(404, "NOT_FOUND")
    chosen = asked or (next(iter(lists)) if len(lists) == 1 else "")
    people = await visit.find("read-waiting-list", serviceId=chosen, first=MOST) if chosen else []
    return visit.page(
        "partner/waiting.html",
        lists=lists,
        chosen=chosen,
        people=people,
        most=MOST,
        topics=await topics_of(visit),
    )


async def _lists(visit: Visit) -> dict[str, dict[str, Any]]:
    """Return the services somebody waits for: title and how many wait, by id, in order of title."""
    found: dict[str, dict[str, Any]] = {}
    after = None
    for _ in range(PAGES):
        listed = await visit.find("browse-inbox", filter={"states": ["WAITLISTED"]}, first=MOST, after=after)
        for one in listed["nodes"]:
            if service := one["service"]:
                known = found.setdefault(service["id"], {"title": service["title"], "waiting": 0})
                known["waiting"] += 1
        after = listed["pageInfo"]["endCursor"]
        if not listed["pageInfo"]["hasNextPage"]:
            break
    return dict(sorted(found.items(), key=lambda pair: str(pair[1]["title"]["text"])))
