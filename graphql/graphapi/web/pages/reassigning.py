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

NOBODY: Final = "nobody"
"""In the address, for people without anybody responsible."""

PAGES: Final = 5
"""Pages of people that are looked through for them."""


@page("/clients/reassign", roles=ORGANISATIONS)
async def reassigning(visit: Visit) -> Answer:
    """Show whom somebody looks after, with their open referrals, to hand them over."""
    colleagues = await colleagues_of(visit)
    asked = visit.form.get("from") or visit.query.get("from")
    oneself = global_id("Member", visit.actor.member_id) if visit.actor.member_id else ""
    chosen = asked if asked in {*colleagues, NOBODY} else oneself
    people, more_people = await _people(visit, chosen)
    open_ = VIEWS["open"][1]["states"] + VIEWS["drafts"][1]["states"]
    sent = await visit.find("browse-sent-referrals", filter={"states": open_}, first=MOST)
    return visit.page(
        "coordinator/reassign.html",
        chosen=chosen,
        colleagues=colleagues,
        nobody=NOBODY,
        people=people,
        more_people=more_people,
        more_referrals=sent["pageInfo"]["hasNextPage"],
        referrals=[one for one in sent["nodes"] if one["senderMemberId"] == chosen],
    )


async def _people(visit: Visit, chosen: str) -> tuple[list[dict[str, Any]], bool]:
    """Return for whom somebody, or nobody, is responsible, and whether there are more."""
    wanted = {} if chosen == NOBODY else {"responsibleId": chosen}
    responsible = None if chosen == NOBODY else chosen
    found: list[dict[str, Any]] = []
    after = None
    for _ in range(PAGES):
        listed = await visit.find("find-clients", filter=wanted, first=MOST, after=after)
        found += [one for one in listed["nodes"] if one["responsibleId"] == responsible and one["name"]]
        after = listed["pageInfo"]["endCursor"]
        if len(found) >= MOST or not listed["pageInfo"]["hasNextPage"]:
            break
    return found[:MOST], len(found) > MOST or listed["pageInfo"]["hasNextPage"]


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
