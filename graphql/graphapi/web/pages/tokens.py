"""Access tokens of members, for programs that act in their name: made, shown once, ended."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from directory.days import ZONE
from graphapi.web.entering import Entered
from graphapi.web.pages.inbox import own_id
from graphapi.web.routes import MEMBERS, action, page
from graphapi.web.running import Stopped
from graphapi.web.visiting import Answer, Visit

LONGEST_DAYS = 365
USUAL_DAYS = 90


@page("/members/tokens", roles=MEMBERS)
async def tokens(visit: Visit) -> Answer:
    """Show whose programs may act for the organisation, to who administers it."""
    members = await _members(visit)
    now = visit.now
    return visit.page(
        "partner/tokens.html",
        members=[(one["id"], one["name"]) for one in members],
        living=[
            (one, token)
            for one in members
            for token in one["tokens"] or ()
            if token["revokedAt"] is None and datetime.fromisoformat(token["expiresAt"]) > now
        ],
        asked=visit.query.get("ask"),
        usual=(visit.today + timedelta(days=USUAL_DAYS)).isoformat(),
        latest=(visit.today + timedelta(days=LONGEST_DAYS - 1)).isoformat(),
    )


async def _members(visit: Visit) -> list[dict[str, Any]]:
    if not visit.actor.administers:
        raise Stopped(403, "NOT_ALLOWED")
    found: list[dict[str, Any]] = await visit.find("browse-members", partnerId=own_id(visit))
    return found


@action("/members/tokens", roles=MEMBERS)
async def make(visit: Visit) -> Answer:
    """Make a token; it is shown once, here."""
    entered = Entered(visit)
    given = {
        "memberId": entered.text("memberId", required=True),
        "label": entered.text("label", required=True),
    }
    if (until := entered.day("expiresAt", required=False)) is not None:
        last = datetime.combine(datetime.fromisoformat(until).date(), time(23, 59), ZONE)
        given["expiresAt"] = last.isoformat()
    if not entered.right or not (outcome := await visit.change("create-token", given)).done:
        return await tokens(visit)
    return visit.page("partner/token.html", secret=outcome.payload["secret"], token=outcome.payload["token"])


@action("/members/tokens/{key:str}/end", roles=MEMBERS)
async def end(visit: Visit, key: str) -> Answer:
    """End a token at once."""
    if (await visit.change("revoke-token", {"id": key})).done:
        said = visit.gettext("The token has ended: nothing can be done with it any more.")
        return visit.go("/members/tokens", said=said)
    return await tokens(visit)
