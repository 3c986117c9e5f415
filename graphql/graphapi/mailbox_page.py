"""The page behind the links of mails to members, /mailbox/<code>: a yes to mail, or no more of it.

GET, HEAD and OPTIONS change nothing but the throttle's counters, so that a mail scanner may follow the link
as often as it likes; only a button's POST does, or the one click of a mail program (RFC 8058), which can only
end the mails.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias
from uuid import UUID

from litestar.types import Receive, Scope, Send

from directory import mailboxes
from directory.actors import ANONYMOUS, SYSTEM
from directory.mailboxes import Mailbox
from directory.problems import NotFound
from graphapi.context import Services
from graphapi.messages import message_for
from graphapi.pages import Markup, Visit, button, done, form_of, serve, tag
from graphapi.saved_searches import MAILBOX
from graphapi.throttle import presenting
from referrals.codes import CodePurpose, hash_of, present
from referrals.problems import CodeNotValid, TooManyAttempts

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

Extra: TypeAlias = list[tuple[bytes, bytes]]


class _Wrong:
    """What a wrong code is answered with."""


class MailboxPages:
    """The ASGI application behind /mailbox/<code>."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._database = services.database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is logged names neither the path nor the code."""
        visit = Visit(scope, self._services, MAILBOX, _WORDS)
        await serve(visit, send, lambda extra: self._answer(visit, receive, extra), "mailbox page")

    async def _answer(self, visit: Visit, receive: Receive, extra: Extra) -> tuple[int, str]:
        if visit.method == "OPTIONS":
            extra.append((b"allow", b"GET, HEAD, POST, OPTIONS"))
            return 204, ""
        if visit.method in {"GET", "HEAD"}:
            return await self._counted(visit, extra, lambda: self._shown(visit))
        if visit.method != "POST":
            extra.append((b"allow", b"GET, HEAD, POST, OPTIONS"))
            return 405, visit.page(visit.problem(visit.w("method")))
        form = await form_of(visit, receive)
        if form is None or not (visit.of_this_site() or _one_click(form)):
            return 403, visit.page(visit.problem(visit.w("foreign")))
        said = form
        return await self._counted(visit, extra, lambda: self._posted(visit, said))

    async def _counted(
        self, visit: Visit, extra: Extra, attempt: Callable[[], Awaitable[tuple[int, str]]]
    ) -> tuple[int, str]:
        """Run what presents the code, counted by the throttle; a wrong code looks like one that is over."""

        async def tried() -> tuple[int, str] | _Wrong:
            try:
                return await attempt()
            except NotFound:
                return _Wrong()

        try:
            found = await presenting(self._services.throttle, visit.address, tried, _Wrong)
        except TooManyAttempts as problem:
            extra.append((b"retry-after", str(problem.retry_after).encode()))
            return 429, visit.page(visit.problem(message_for(problem, visit.language)))
        if isinstance(found, _Wrong):
            return 404, visit.page(visit.problem(message_for(CodeNotValid(), visit.language)))
        return found  # type: ignore[return-value]

    async def _look(self, visit: Visit) -> tuple[UUID, str, Mailbox | None]:
        hashed = hash_of(visit.code, CodePurpose.MAILBOX)
        async with self._database.view(ANONYMOUS) as session:
            await present(session, hashed)
            member_id, address = await mailboxes.holds(session, hashed)
        async with self._database.view(SYSTEM) as session:
            mailbox = await mailboxes.read(session, member_id, address)
        if mailbox is not None:
            visit.write_in(mailbox.language)
        return member_id, address, mailbox

    async def _shown(self, visit: Visit) -> tuple[int, str]:
        _, _, mailbox = await self._look(visit)
        if mailbox is None:
            return 200, visit.page(tag("p", visit.w("stopped"), class_="kern-body"))
        if mailbox.confirmed_at is None:
            buttons = [_button("YES", visit.w("yes")), _button("STOP", visit.w("no"))]
            return 200, visit.page(tag("p", visit.w("ask"), class_="kern-body"), *buttons)
        return 200, visit.page(
            tag("p", visit.w("told"), class_="kern-body"), _button("STOP", visit.w("stop"))
        )

    async def _posted(self, visit: Visit, form: Mapping[str, str]) -> tuple[int, str]:
        member_id, address, mailbox = await self._look(visit)
        if _one_click(form) or form.get("do") == "STOP":
            if mailbox is not None:
                async with self._database.work(SYSTEM) as work:
                    await mailboxes.stop(work, member_id, address)
            return 200, visit.page(done(visit.w("stopped")))
        if form.get("do") == "YES":
            async with self._database.work(SYSTEM) as work:
                await mailboxes.confirm(work, member_id, address)
            return 200, visit.page(done(visit.w("confirmed")), _button("STOP", visit.w("stop")))
        return await self._shown(visit)


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
