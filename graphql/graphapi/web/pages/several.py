"""One thing done to several referrals at once: drafts sent, outcomes closed, a cancelled course declined.

Each is done on its own: what is refused is named with its reason and stays ticked, the rest is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from graphapi.web.entering import Entered
from graphapi.web.pages.clients import topics_of
from graphapi.web.pages.inbox import VIEWS as INBOX
from graphapi.web.pages.referrals import VIEWS as SENT
from graphapi.web.routes import ORGANISATIONS, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

MOST: Final = 100
"""Referrals at once: as many as the schema takes."""
ASKED: Final = ["AWAITING_CONSENT"]
"""Drafts that can be sent together: a consent was asked for, so each says on which one it rests."""
PAGES: Final = 5
"""Pages of referrals that are looked through for those the move is allowed for."""


class Several(NamedTuple):
    """What can be done to several: its document, its move, where to look, its texts, the choices it takes."""

    document: str
    move: str
    views: Sequence[str]
    title: str
    says: str
    text: str
    choices: Sequence[tuple[str, str, str, bool]] = ()
    """Field, its text, its enum, whether it must be chosen."""
    asks: str = ""
    """What has to be confirmed, where it cannot be taken back."""


RECEIVED: Final[dict[str, Several]] = {
    "acknowledge": Several(
        "acknowledge-referrals",
        "ACKNOWLEDGE",
        ("unanswered",),
        N_("Confirm receipt of several"),
        N_("The senders see that the referrals have arrived. The packages are opened by this."),
        N_("Confirm receipt"),
    ),
    "decline": Several(
        "decline-referrals",
        "DECLINE",
        ("unanswered", "waiting", "working"),
        N_("Decline several"),
        N_("For example when a course does not take place. The senders are told your reason."),
        N_("Decline"),
        (
            ("reason", N_("Reason"), "DeclineReason", True),
            ("declinedBy", N_("Who declined"), "DeclinedBy", True),
        ),
        N_("I want to decline all that are ticked"),
    ),
}
"""What a receiving organisation does; the key stands in the address."""

SENDING: Final[dict[str, Several]] = {
    "send": Several(
        "send-referrals",
        "SEND",
        (),
        N_("Send several drafts"),
        N_("Drafts for which a consent was asked. They are sent where the person agreed, else stay drafts."),
        N_("Send"),
        (("capacityReason", N_("Reason, where the service has no free places"), "CapacityReason", False),),
    ),
    "close": Several(
        "close-referrals",
        "CLOSE",
        ("reported",),
        N_("Close several"),
        N_("Whose outcome was reported, and who was asked how it went."),
        N_("Close"),
        (("feedbackAsked", N_("The people were asked how it went"), "FeedbackAsked", True),),
    ),
    "cancel": Several(
        "cancel-referrals",
        "CANCEL",
        ("open",),
        N_("Take several back"),
        N_("The partners are told, and lose access to the data at once."),
        N_("Take back"),
        (("reason", N_("Reason"), "Reason", True),),
        N_("I want to take back all that are ticked"),
    ),
}
"""What a sending organisation does; the key stands in the address."""


@page("/referrals/several/{name:str}", roles=ORGANISATIONS)
async def sending(visit: Visit, name: str) -> Answer:
    """Show own referrals that the move is allowed for, to be ticked."""
    return await _shown(visit, "/referrals", name)


@action("/referrals/several/{name:str}", roles=ORGANISATIONS)
async def send(visit: Visit, name: str) -> Answer:
    """Do it to what was ticked."""
    return await _done(visit, "/referrals", name)


@page("/inbox/several/{name:str}", roles=ORGANISATIONS)
async def received(visit: Visit, name: str) -> Answer:
    """Show received referrals that the move is allowed for, to be ticked."""
    return await _shown(visit, "/inbox", name)


@action("/inbox/several/{name:str}", roles=ORGANISATIONS)
async def answer(visit: Visit, name: str) -> Answer:
    """Do it to what was ticked."""
    return await _done(visit, "/inbox", name)


def _several(base: str, name: str) -> Several:
    found = (RECEIVED if base == "/inbox" else SENDING).get(name)
    if found is None:
        raise Stopped(404, "NOT_FOUND")
    return found


async def _possible(visit: Visit, base: str, several: Several) -> tuple[list[dict[str, Any]], bool]:
    """Return what the move is allowed for, and whether there is more than can be shown."""
    if base == "/inbox":
        document = "browse-inbox"
        states: list[str] = sorted({state for view in several.views for state in INBOX[view][1] or ()})
    else:
        document = "browse-sent-referrals"
        states = sorted({state for view in several.views for state in SENT[view][1]["states"]}) or ASKED
    found: list[dict[str, Any]] = []
    after = None
    for _ in range(PAGES):
        listed = await visit.find(document, filter={"states": states}, first=MOST, after=after)
        found += [one for one in listed["nodes"] if several.move in one["allowedMoves"]]
        after = listed["pageInfo"]["endCursor"]
        if len(found) >= MOST or not listed["pageInfo"]["hasNextPage"]:
            break
    return found[:MOST], len(found) > MOST or listed["pageInfo"]["hasNextPage"]


async def _shown(
    visit: Visit, base: str, name: str, refused: Sequence[tuple[str, str]] = (), done: str = ""
) -> Answer:
    several = _several(base, name)
    found, more = await _possible(visit, base, several)
    services = {one["service"]["id"]: one["service"]["title"]["text"] for one in found if one["service"]}
    chosen = visit.form.get("service") or visit.query.get("service")
    if chosen in services:
        found = [one for one in found if one["service"] and one["service"]["id"] == chosen]
    if not found and visit.errors:
        visit.errors = {"": next(iter(visit.errors.values()))}
    return visit.page(
        "coordinator/several.html",
        base=base,
        name=name,
        several=several,
        found=found,
        more=more,
        services=services,
        chosen=chosen if chosen in services else "",
        topics=await topics_of(visit),
        refused=refused,
        done=done,
        ticked={given.rpartition(".")[0] for given in visit.form.all("items")},
    )


async def _done(visit: Visit, base: str, name: str) -> Answer:
    several = _several(base, name)
    entered = Entered(visit)
    items = [_item(one) for one in visit.form.all("items")[:MOST]]
    if not items:
        entered.refuse("items", visit.gettext("Please choose."))
    given: dict[str, Any] = {"items": items}
    for field, _, enum, required in several.choices:
        value = entered.choice(field, enum, required=required)
        if value is not None:
            given[field] = value
    if several.asks and not entered.yes("sure"):
        entered.refuse("sure", visit.gettext("Please confirm."))
    if not entered.right:
        return await _shown(visit, base, name)
    outcome = await visit.change(several.document, given)
    if not outcome.done:
        return await _shown(visit, base, name)
    count = outcome.payload["done"]
    said = visit.ngettext("Done for %(number)s referral.", "Done for %(number)s referrals.", count)
    said %= {"number": count}
    refused = [
        (one["id"], one["result"]["message"])
        for one in outcome.payload["items"]
        if "message" in one["result"]
    ]
    if not refused:
        return visit.go(base, said=said)
    visit.refuse("items", visit.gettext("Some were not done; the reason stands at each."))
    return await _shown(visit, base, name, refused, said if count else "")


def _item(given: str) -> dict[str, Any]:
    key, _, version = given.rpartition(".")
    return {"id": key, "expectedVersion": int(version) if version.isascii() and version.isdigit() else 0}
