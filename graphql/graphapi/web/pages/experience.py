"""Other municipalities: who shares experience and monitoring in the network, and whom to ask."""

from __future__ import annotations

from graphapi.relay import read_id
from graphapi.web.routes import COORDINATION, OTHER_MUNICIPALITIES, Entry, page
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

PAGE = 20


@page(
    "/experience",
    roles=OTHER_MUNICIPALITIES | COORDINATION,
    entry=Entry(N_("Experience"), N_("Who shares experience and figures, and whom to ask"), 50),
)
async def experience(visit: Visit) -> Answer:
    """Show what is published for other municipalities."""
    found = await visit.find("compare-experience", first=PAGE, after=visit.query.given("after"))
    public = {one["id"]: f"/service/{read_id(one['id'], 'Service')}" for one in found["nodes"]}
    return visit.page("lead/experience.html", found=found, public=public)
