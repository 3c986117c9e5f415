"""Handing people and their open referrals over to a colleague, many at once: when somebody leaves."""

from __future__ import annotations

from typing import Any, Final

from graphapi.relay import global_id
from graphapi.web.entering import Entered
from graphapi.web.pages.clients import colleagues_of
from graphapi.web.pages.referrals import VIEWS
from graphapi.web.routes import ORGANISATIONS, action, page
from graphapi.web.visiting import Answer, Visit

MOST: Final = 100
"""People, or referrals, that are handed over at once: as many as the schema takes."""


@page("/clients/reassign", roles=ORGANISATIONS)
async def reassigning(visit: Visit) -> Answer:
    """Show whom somebody looks after, with their open referrals, to hand them over."""
    colleagues = await colleagues_of(visit)
    asked = visit.form.get("from") or visit.query.get("from")
    oneself = global_id("Member", visit.actor.member_id) if visit.actor.member_id else ""
    chosen = asked if asked in colleagues else oneself
    people = await visit.find("find-clients", filter={"responsibleId": chosen}, first=MOST)
    open_ = VIEWS["open"][1]["states"] + VIEWS["drafts"][1]["states"]
    sent = await visit.find("browse-sent-referrals", filter={"states": open_}, first=MOST)
    return visit.page(
        "coordinator/reassign.html",
        chosen=chosen,
        colleagues=colleagues,
        people=[one for one in people["nodes"] if one["responsibleId"] == chosen and one["name"]],
        more_people=people["pageInfo"]["hasNextPage"],
        more_referrals=sent["pageInfo"]["hasNextPage"],
        referrals=[one for one in sent["nodes"] if one["senderMemberId"] == chosen],
    )


@action("/clients/reassign/{what:str}", roles=ORGANISATIONS)
async def reassign(visit: Visit, what: str) -> Answer:
    """Hand over what was ticked; what was refused is named, the rest is done."""
    entered = Entered(visit)
    items = [_item(one) for one in visit.form.all("items")[:MOST]]
    if not items:
        entered.refuse("items", visit.gettext("Please choose."))
    given = {
        "items": items,
        "responsibleId": entered.text("responsibleId", required=True),
        "deputyId": entered.text("deputyId"),
    }
    document = "reassign-referrals" if what == "referrals" else "reassign-clients"
    if not entered.right or not (done := await visit.change(document, given)).done:
        return await reassigning(visit)
    count = done.payload["done"]
    said = visit.ngettext("%(number)s was handed over.", "%(number)s were handed over.", count)
    said %= {"number": count}
    refused = [one["result"]["message"] for one in done.payload["items"] if "message" in one["result"]]
    if not refused:
        return visit.go(f"/clients/reassign?from={visit.form.get('from')}", said=said)
    visit.refuse("", " ".join([said, *dict.fromkeys(refused)] if count else dict.fromkeys(refused)))
    return await reassigning(visit)


def _item(given: str) -> dict[str, Any]:
    key, _, version = given.rpartition(".")
    return {"id": key, "expectedVersion": int(version) if version.isascii() and version.isdigit() else 0}
