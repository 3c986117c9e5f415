"""Interpreter bookings: what is asked of the own organisation, and what it booked itself."""

from __future__ import annotations

from graphapi.relay import global_id
from graphapi.web.entering import Entered
from graphapi.web.pages.inbox import own_id
from graphapi.web.routes import ORGANISATIONS, Entry, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

PAGE = 20
MOST = 100
"""People of one's own among whom somebody is named."""


@page(
    "/bookings",
    roles=ORGANISATIONS,
    entry=Entry(
        N_("Interpreters"), N_("Appointments with an interpreter: asked of you, and booked by you"), 40
    ),
)
async def bookings(visit: Visit) -> Answer:
    """Show bookings: those asked of the own organisation first."""
    received = visit.query.get("show") != "own"
    found = await visit.find(
        "browse-bookings", received=received, first=PAGE, after=visit.query.given("after")
    )
    return visit.page("partner/bookings.html", found=found, received=received)


@page("/bookings/{key:str}", roles=ORGANISATIONS)
async def booking(visit: Visit, key: str) -> Answer:
    """Show a booking, with the person's name where the visitor may read it."""
    found = await visit.find("read-booking", id=key)
    people: list[tuple[str, str]] = []
    ours = found["requester"] is not None and found["requester"]["id"] == own_id(visit)
    if ours and found["person"] is None and found["state"] in {"REQUESTED", "CONFIRMED"}:
        oneself = global_id("Member", visit.actor.member_id) if visit.actor.member_id else None
        own = await visit.find("find-clients", filter={"responsibleId": oneself}, first=MOST)
        people = [(one["id"], f"{one['name']} ({one['pseudonym']})") for one in own["nodes"] if one["name"]]
    return visit.page("partner/booking.html", booking=found, asked=visit.query.get("ask"), people=people)


@action("/bookings/{key:str}/{name:str}", roles=ORGANISATIONS)
async def act(visit: Visit, key: str, name: str) -> Answer:
    """Confirm, decline (no reason is asked), cancel, or say how it ended."""
    entered = Entered(visit)
    if name == "confirm":
        said = visit.gettext("Confirmed. Who booked is told.")
        outcome = await visit.change(
            "confirm-booking", {"id": key, "interpreter": entered.text("interpreter")}
        )
    elif name == "decline":
        said = visit.gettext("Declined. Who booked is told.")
        outcome = await visit.change("decline-booking", {"id": key})
    elif name == "cancel":
        said = visit.gettext("Cancelled. The interpreter's side is told.")
        outcome = await visit.change("cancel-booking", {"id": key})
    elif name == "person":
        said = visit.gettext("The name is noted. The interpreter's side reads it once it has confirmed.")
        given = {"id": key, "clientId": entered.text("clientId", required=True)}
        if not entered.yes("personAgreed"):
            entered.refuse("personAgreed", visit.gettext("Without the person's consent no name is sent."))
        if not entered.right:
            return await booking(visit, key)
        outcome = await visit.change("name-booked-person", {**given, "personAgreed": True})
    elif name in {"done", "no-show"}:
        said = visit.gettext("Thank you, that is noted.")
        outcome = await visit.change("finish-booking", {"id": key, "noShow": name == "no-show"})
    else:
        raise Stopped(404, "NOT_FOUND")
    if outcome.done:
        return visit.go(f"/bookings/{key}", said=said)
    return await booking(visit, key)
