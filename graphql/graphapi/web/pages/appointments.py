"""Appointments of the own organisation, as sender and as recipient, by day; for a calendar program too."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, Final

from directory.days import ZONE
from graphapi.web.routes import ORGANISATIONS, Entry, page
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

WEEKS: Final = (1, 4, 12)
"""How far one can look ahead; the first shown is four weeks."""

MOST: Final = 100


def _period(visit: Visit) -> tuple[int, dict[str, str]]:
    asked = visit.query.get("weeks")
    weeks = next((one for one in WEEKS if asked == str(one)), 4)
    first = datetime.combine(visit.today, time.min, ZONE)
    last = datetime.combine(visit.today + timedelta(weeks=weeks), time.min, ZONE)
    return weeks, {"from": first.isoformat(), "to": last.isoformat()}


def _listed_place(appointment: dict[str, Any]) -> str:
    """Return name and address of a place of the directory; nothing where that is not to be seen any more."""
    service = (appointment["referral"] or {}).get("service")
    places = service["partner"]["locations"] if service else []
    place = next((one for one in places if one["id"] == appointment["locationId"]), None)
    if place is None:
        return ""
    town = " ".join(filter(None, (place["postcode"], place["city"])))
    return ", ".join(filter(None, (place["name"], place["street"], town)))


@page(
    "/appointments",
    roles=ORGANISATIONS,
    entry=Entry(N_("Appointments"), N_("Who is expected when, with you and with partners"), 16),
)
async def appointments(visit: Visit) -> Answer:
    """List what is planned, by day; who it is stands behind the link only."""
    weeks, period = _period(visit)
    found = await visit.find("browse-appointments", period=period, first=MOST)
    days: dict[date, list[dict[str, Any]]] = {}
    for one in found:
        one["where"] = one["place"] or _listed_place(one)
        days.setdefault(datetime.fromisoformat(one["startsAt"]).astimezone(ZONE).date(), []).append(one)
    return visit.page(
        "coordinator/appointments.html", days=days, weeks=weeks, choices=WEEKS, full=len(found) == MOST
    )


@page("/appointments/calendar", roles=ORGANISATIONS)
async def calendar(visit: Visit) -> Answer:
    """Return the same as iCalendar; it names no person."""
    made = await visit.find("take-calendar", period=_period(visit)[1])
    headers = {"content-disposition": 'attachment; filename="appointments.ics"'}
    return Answer(body=made["text"], kind=made["mediaType"], headers=headers, personal=True)
