"""The start page of every role, and signing in and out."""

from __future__ import annotations

from uuid import UUID

from directory import sessions
from directory.actors import ANONYMOUS, SYSTEM
from directory.problems import NotFound
from graphapi.demo.roles import ROLES, member_of
from graphapi.web.guarding import own_path
from graphapi.web.routes import Entry, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit


@page("/", entry=Entry(N_("Start"), N_("What there is for you"), order=0))
async def start(visit: Visit) -> Answer:
    """Show where to go from here."""
    return visit.page("start.html")


@page("/sign-in")
async def sign_in(visit: Visit) -> Answer:
    """Offer the ways to sign in that there are."""
    goal = own_path(visit.query.get("next"))
    if visit.actor.signed_in:
        return visit.go(goal)
    roles = ROLES if visit.options.demo else ()
    return visit.page("sign_in.html", next=goal, roles=roles, sign_on=visit.sign_on_start(goal))


@action("/sign-in/demo")
async def sign_in_as(visit: Visit) -> Answer:
    """Sign in as a role of the demo network; there is no such thing outside the demo."""
    if not visit.options.demo:
        raise Stopped(404, "NOT_FOUND")
    role = next((role for role in ROLES if role.name == visit.form.get("role")), None)
    if role is None:
        raise Stopped(404, "NOT_FOUND")
    return await begin(visit, member_of(role), visit.form.get("next"))


async def begin(visit: Visit, member_id: UUID, goal: str) -> Answer:
    """Begin a session under a new secret, end the one there was, and go on."""
    async with visit.database.work(SYSTEM) as work:
        if visit.session:
            await sessions.end_session(work, visit.session)
        try:
            secret = await sessions.begin_session(work, member_id, life=visit.options.life)
        except NotFound:
            raise Stopped(404, "NOT_FOUND") from None
    visit.signed_in_with(secret)
    return visit.go(own_path(goal))


@action("/sign-out")
async def sign_out(visit: Visit) -> Answer:
    """End the session, and the one at the town's provider, where it began there.

    The way to the provider is a page that goes on by itself: the content policy lets no form, nor what it is
    redirected to, lead to another host.
    """
    kept = visit.signed_on() if visit.session else None
    if visit.session:
        async with visit.database.work(SYSTEM) as work:
            await sessions.end_session(work, visit.session)
    visit.signed_out()
    client = visit.sign_on_client
    away = await client.leave(kept, visit.now) if client is not None and kept is not None else None
    if away is None:
        return visit.go("/")
    visit.actor, visit.me = ANONYMOUS, None
    return visit.page("signed_out.html", away=away, personal=True)
