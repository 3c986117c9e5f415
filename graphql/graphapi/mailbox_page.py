"""The page behind the links of mails to members, /mailbox/<code>: a yes to mail, or no more of it.

GET, HEAD and OPTIONS change nothing but the throttle's counters, so that a mail scanner may follow the link
as often as it likes; only a button's POST does, or the one click of a mail program (RFC 8058), which can only
end the mails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from litestar.types import Receive, Scope, Send

from graphapi.context import Services
from graphapi.pages import Extra, Markup, Visit, ask, button, done, form_of, serve, tag
from graphapi.saved_searches import MAILBOX
from graphapi.web.running import Operations

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Nachrichten zu gespeicherten Suchen", "Messages about saved searches"),
    "ask": (
        "Ein Mitglied des Netzwerks möchte an diese Adresse Nachrichten bekommen, höchstens eine am Tag. "
        "Sind das Sie, sagen Sie ja. Sonst sagen Sie nein, und die Adresse wird gelöscht.",
        "A member of the network would like to get messages at this address, one a day at most. If that is "
        "you, say yes. Otherwise say no, and the address is deleted.",
    ),
    "told": (
        "An diese Adresse gehen Nachrichten zu gespeicherten Suchen, höchstens eine am Tag.",
        "Messages about saved searches go to this address, one a day at most.",
    ),
    "yes": ("Ja, bitte schreiben", "Yes, please write"),
    "no": ("Nein, nicht schreiben", "No, do not write"),
    "stop": ("Nicht mehr schreiben", "No more mail"),
    "confirmed": ("Danke. Wir schreiben an diese Adresse.", "Thank you. We write to this address."),
    "stopped": (
        "Wir schreiben nicht mehr an diese Adresse; sie ist gelöscht.",
        "We do not write to this address any more; it is deleted.",
    ),
}

_ONE_CLICK: Final = ("List-Unsubscribe", "One-Click")


class MailboxPages:
    """The ASGI application behind /mailbox/<code>."""

    def __init__(self, operations: Operations, services: Services) -> None:
        self._operations = operations
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is logged names neither the path nor the code."""
        visit = Visit(scope, self._services, MAILBOX, _WORDS)
        await serve(visit, send, lambda extra: self._answer(visit, receive, extra), "mailbox page")

    async def _answer(self, visit: Visit, receive: Receive, extra: Extra) -> tuple[int, str]:
        if visit.method == "OPTIONS":
            extra.append((b"allow", b"GET, HEAD, POST, OPTIONS"))
            return 204, ""
        if visit.method in {"GET", "HEAD"}:
            return await self._run(visit, extra, "read-mailbox-page", {"code": visit.code})
        if visit.method != "POST":
            extra.append((b"allow", b"GET, HEAD, POST, OPTIONS"))
            return 405, visit.page(visit.problem(visit.w("method")))
        form = await form_of(visit, receive)
        if form is None or not (visit.of_this_site() or _one_click(form)):
            return 403, visit.page(visit.problem(visit.w("foreign")))
        said = {"input": {"idempotencyKey": f"form-{uuid4()}", "code": visit.code}}
        if _one_click(form) or form.get("do") == "STOP":
            return await self._run(visit, extra, "stop-mailbox", said)
        if form.get("do") == "YES":
            return await self._run(visit, extra, "confirm-mailbox", said, "confirmed")
        return await self._run(visit, extra, "read-mailbox-page", {"code": visit.code})

    async def _run(
        self, visit: Visit, extra: Extra, name: str, variables: dict[str, Any], thanks: str | None = None
    ) -> tuple[int, str]:
        """Run a document; return the page as it is then, or why there is none."""
        found = await ask(self._operations, visit, name, variables)
        if found["__typename"] != "MailboxPage":
            return visit.closed(found, extra)
        visit.write_in(found["lettersIn"] or "de")
        return 200, visit.page(*_parts(visit, found, thanks))


def _parts(visit: Visit, found: Mapping[str, Any], thanks: str | None) -> list[Markup]:
    if not found["asked"]:
        return [done(visit.w("stopped"))]
    if found["confirmedAt"] is None:
        said = tag("p", visit.w("ask"), class_="kern-body")
        return [said, _button("YES", visit.w("yes")), _button("STOP", visit.w("no"))]
    above = tag("p", visit.w("told"), class_="kern-body") if thanks is None else done(visit.w(thanks))
    return [above, _button("STOP", visit.w("stop"))]


def _one_click(form: Mapping[str, str]) -> bool:
    return form.get(_ONE_CLICK[0]) == _ONE_CLICK[1]


def _button(what: str, words: str) -> Markup:
    return tag(
        "form",
        tag("input", type="hidden", name="do", value=what),
        button(words, "primary" if what == "YES" else "secondary"),
        method="post",
        class_="form",
    )
