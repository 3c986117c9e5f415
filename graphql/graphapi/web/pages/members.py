"""The members of the own organisation: who they are, what they may do, adding and removing them."""

from __future__ import annotations

from typing import Any

from directory.actors import Role
from graphapi.web.entering import Entered
from graphapi.web.pages.inbox import own_id
from graphapi.web.routes import MEMBERS, Entry, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

COORDINATION_ROLES = (Role.COORDINATOR, Role.LEAD)


@page("/members", roles=MEMBERS, entry=Entry(N_("Members"), N_("Who works here, and who may do what"), 80))
async def members(visit: Visit) -> Answer:
    """Show the members of the own organisation to who administers it; others read whom to ask."""
    administers = visit.actor.administers
    found = await visit.find("browse-members", partnerId=own_id(visit)) if administers else []
    return visit.page(
        "partner/members.html",
        members=found,
        administers=administers,
        asked=visit.query.get("ask"),
    )


@page("/members/new", roles=MEMBERS)
async def new_form(visit: Visit) -> Answer:
    """Show the form for a new member."""
    return await _form(visit, None)


@page("/members/{key:str}", roles=MEMBERS)
async def change_form(visit: Visit, key: str) -> Answer:
    """Show the form for a member."""
    return await _form(visit, key)


async def _form(visit: Visit, key: str | None) -> Answer:
    if not visit.actor.administers:
        raise Stopped(403, "NOT_ALLOWED")
    found = await visit.find("browse-members", partnerId=own_id(visit))
    member = next((one for one in found if one["id"] == key), None)
    if key is not None and member is None:
        raise Stopped(404, "NOT_FOUND")
    roles = COORDINATION_ROLES if visit.actor.coordinates else (visit.actor.role,)
    deputies = [(one["id"], one["name"]) for one in found if one["id"] != key]
    return visit.page("partner/member.html", member=member, roles=roles, deputies=deputies)


def _given(visit: Visit, entered: Entered) -> dict[str, Any]:
    return {
        "name": entered.text("name", required=True),
        "role": entered.choice("role", "Role"),
        "administers": entered.yes("administers"),
        "deputyId": entered.text("deputyId"),
        "signInEmail": entered.text("signInEmail"),
    }


@action("/members/new", roles=MEMBERS)
async def add(visit: Visit) -> Answer:
    """Add a member."""
    entered = Entered(visit)
    given = {"partnerId": own_id(visit), **_given(visit, entered)}
    if entered.right and (await visit.change("add-member", given)).done:
        return visit.go("/members", said=visit.gettext("The new member is added."))
    return await new_form(visit)


@action("/members/{key:str}", roles=MEMBERS)
async def change(visit: Visit, key: str) -> Answer:
    """Change a member."""
    entered = Entered(visit)
    given = {"id": key, **_given(visit, entered)}
    if entered.right and (await visit.change("change-member", given)).done:
        return visit.go("/members", said=visit.gettext("The member is changed."))
    return await change_form(visit, key)


@action("/members/{key:str}/remove", roles=MEMBERS)
async def remove(visit: Visit, key: str) -> Answer:
    """Remove a member."""
    if (await visit.change("remove-member", {"id": key})).done:
        return visit.go("/members", said=visit.gettext("The member is removed; their access has ended."))
    return await members(visit)
