"""Under which licence the municipality's own entries may be used on: its lead says it."""

from __future__ import annotations

from typing import Final

from graphapi.web.entering import Entered
from graphapi.web.routes import LEADS, Entry, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

USUAL: Final = (
    ("CC0-1.0", N_("CC0 1.0: everything is allowed, without naming the source")),
    ("CC-BY-4.0", N_("CC BY 4.0: everything is allowed, the source is named")),
    ("CC-BY-SA-4.0", N_("CC BY-SA 4.0: as CC BY, and what is made of it bears the same licence")),
    ("DL-DE-BY-2.0", N_("Data licence Germany 2.0, with attribution")),
    ("DL-DE-ZERO-2.0", N_("Data licence Germany 2.0, zero")),
)
"""Licences that administrations use, by their SPDX identifiers."""


@page(
    "/licence",
    roles=LEADS,
    entry=Entry(N_("Licence"), N_("How others may use your municipality's entries"), 85),
)
async def licence(visit: Visit) -> Answer:
    """Show what is said, to be changed."""
    own = (await visit.ask("who-am-i"))["me"]["municipality"]
    known = (await visit.ask("read-vocabulary"))["municipalities"]
    found = next((one for one in known if own and one["id"] == own["id"]), None)
    if found is None:
        raise Stopped(404, "NOT_FOUND")
    usual = [(key, visit.gettext(text)) for key, text in USUAL]
    now = found["licence"] or ""
    return visit.page("lead/licence.html", municipality=found, usual=usual, names=dict(usual), now=now)


@action("/licence", roles=LEADS)
async def say(visit: Visit) -> Answer:
    """Say it; an own address goes before what was chosen from the list."""
    entered = Entered(visit)
    chosen = entered.text("chosen")
    if chosen is not None and chosen not in dict(USUAL):
        entered.refuse("chosen", visit.gettext("Please choose from the list."))
    given = {"licence": entered.text("licence") or chosen}
    if entered.right and (await visit.change("set-municipality-licence", given)).done:
        said = visit.gettext("The licence is noted. It stands in all your entries within minutes.")
        return visit.go("/licence", said=said)
    return await licence(visit)
