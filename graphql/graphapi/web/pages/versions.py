"""An earlier version of an own entry: all that it said, and bringing it back."""

from __future__ import annotations

from typing import Final

from graphapi.relay import read_id
from graphapi.web.pages.entry import said_in_words
from graphapi.web.routes import ORGANISATIONS, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

RESTORING: Final = {"Partner": "restore-partner", "Service": "restore-service"}
"""The document that brings a version back, by the kind of entry."""
BACK: Final = N_("The version is back. Free places and publication stay as they were: check both.")


@page("/entry/history/{key:str}/{number:str}", roles=ORGANISATIONS)
async def version(visit: Visit, key: str, number: str) -> Answer:
    """Show all that an entry said in one version, and offer to bring it back."""
    found = await visit.find("read-version", id=key, version=_number(number))
    latest = await visit.find("read-history", id=key, first=1)
    told = [said_in_words(visit, one["field"], one["after"]) for one in found["fields"]]
    return visit.page(
        "partner/version.html",
        version=found,
        fields=[(field, said) for field, said in told if field and said],
        kind="Service" if read_id(key, "Service") else "Partner",
        current=latest["nodes"][0]["version"],
    )


@action("/entry/history/{key:str}/{number:str}", roles=ORGANISATIONS)
async def restore(visit: Visit, key: str, number: str) -> Answer:
    """Bring a version back."""
    kind = visit.form.get("kind")
    if kind not in RESTORING:
        raise Stopped(404, "NOT_FOUND")
    given = {"id": key, "version": _number(number), "reason": visit.form.given("reason")}
    if (await visit.change(RESTORING[kind], given)).done:
        return visit.go("/entry", said=visit.gettext(BACK))
    return await version(visit, key, number)


def _number(given: str) -> int:
    """Return the number of a version as it stands in an address; raises Stopped (404)."""
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise Stopped(404, "NOT_FOUND")
    return int(given)
