"""Signing on at the town's own provider: there, and back again."""

from __future__ import annotations

import msgspec

from directory import sessions
from directory.actors import SYSTEM
from graphapi.web import guarding
from graphapi.web.pages.start import begin
from graphapi.web.routes import page
from graphapi.web.running import Stopped
from graphapi.web.signing_on import RETURN_PATH, WITHIN, Pending, SignOnFailed
from graphapi.web.visiting import Answer, Visit


@page("/sign-on/start")
async def start(visit: Visit) -> Answer:
    """Send the browser to the provider; what must be remembered goes into a sealed cookie."""
    client = visit.sign_on_client
    if client is None:
        raise Stopped(404, "NOT_FOUND")
    try:
        address, pending = await client.begin(guarding.own_path(visit.query.get("next")), visit.now)
    except SignOnFailed as failed:
        return refused(visit, failed.reason)
    visit.remember_sign_on(msgspec.json.encode(pending).decode(), int(WITHIN.total_seconds()))
    return Answer(status=303, headers={"location": address}, personal=True)


@page(RETURN_PATH)
async def back(visit: Visit) -> Answer:
    """Take who comes back from the provider, and begin their session."""
    client = visit.sign_on_client
    if client is None:
        raise Stopped(404, "NOT_FOUND")
    remembered = visit.remembered_sign_on()
    pending = None if remembered is None else msgspec.json.decode(remembered, type=Pending)
    given = {name: visit.query.get(name) for name in ("state", "code", "error", "iss")}
    try:
        person = await client.finish(given, pending, visit.now)
    except SignOnFailed as failed:
        return refused(visit, failed.reason)
    async with visit.database.work(SYSTEM) as work:
        member = await sessions.member_to_sign_in(work, subject=person.subject, email=person.email)
    if member is None:
        return visit.page("sign_on.html", reason="unknown", person=person, status=403, personal=True)
    answer = await begin(visit, member, pending.goal if pending else "/")
    visit.remember_signed_on(person.id_token)
    return answer


def refused(visit: Visit, reason: str) -> Answer:
    """Return the page that says why nobody was signed on."""
    status = 503 if reason == "away" else 400
    return visit.page("sign_on.html", reason=reason, person=None, status=status, personal=True)
