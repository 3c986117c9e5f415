"""Public pages of the directory: search."""

from __future__ import annotations

from typing import Any

from graphapi.web.routes import Entry, page
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

PAGE: int = 20


@page(
    "/search", entry=Entry(N_("Find services"), N_("Who offers what, with filters; works for everybody"), 10)
)
async def search(visit: Visit) -> Answer:
    """Show what was found; all that was chosen stands in the address."""
    input_: dict[str, Any] = {"text": visit.query.get("text")[:200]}
    found = await visit.find("search-services", input=input_, first=PAGE, after=visit.query.given("after"))
    return visit.page("public/search.html", part="public/_found.html", found=found)
