"""Plain HTML pages for people with a code and without an account: markup, frame, headers, forms.

Without JavaScript. The code stands in the path, so nothing here logs a path; what people typed is escaped by
how markup is made. Which pages there are: ``answer_page``, ``upkeep_page``.
"""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

import structlog
from litestar.types import Receive, Scope, Send

from directory.days import local_day
from graphapi.addresses import client_address
from graphapi.context import Services
from graphapi.endpoint import is_unavailable, log_unexpected
from graphapi.messages import MessageLanguage, message_language, preferred_languages

STYLE_PATH: Final = "/style/answer.css"
BODY_BYTES: Final = 20_000

STYLE: Final = """*, *::before, *::after { box-sizing: border-box; }
body { font: 1.125rem/1.5 "Fira Sans", system-ui, sans-serif; margin: 0; color: #171a2b; background: #fff; }
main { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 2rem; line-height: 1.2; } h1, h2, p, dd { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) minmax(0, 1fr); gap: .4rem 1.25rem;
  padding: 1rem; border: 1px solid #a5aac3; border-radius: 4px; }
dt { font-weight: 600; } dd { margin: 0; }
form { margin: 1.5rem 0; }
fieldset { border: 1px solid #a5aac3; border-radius: 4px; padding: 1rem; min-width: 0; }
legend, h1, h2 { font-weight: 600; } label { display: block; margin-top: .75rem; font-weight: 600; }
input, select, textarea { font: inherit; padding: .6rem 1rem; width: 100%;
  color: #171a2b; background: #f3f4f7;
  border: 0; border-bottom: 2px solid #171a2b; border-radius: 4px 4px 0 0; }
input[type=checkbox] { width: 1.5rem; height: 1.5rem; }
button { font: inherit; font-weight: 600; margin-top: 1rem; padding: .6rem 1.4rem; min-height: 2.75rem;
  background: #1a3da5; color: #fff; border: 2px solid #1a3da5; border-radius: 4px; }
:focus-visible { outline: 3px solid #1a3da5; outline-offset: 2px; }
.problem, .done { border: 2px solid #a4000f; border-radius: 4px; padding: .6rem 1rem; }
.done { border-color: #1d6b2a; }
@media (max-width: 30rem) { dl { grid-template-columns: minmax(0, 1fr); } dd { margin-bottom: .6rem; } }
@media print { form { display: none; } }
"""

HEADERS: Final = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"vary", b"Accept-Language"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
)
log: Final = structlog.stdlib.get_logger("pages")


# --- Markup -----------------------------------------------------------------------------------------------


class Markup(str):
    """Text that is HTML already; every other text is escaped when it becomes part of a page."""

    __slots__ = ()


_VOID: Final = frozenset({"input", "link", "meta"})


def tag(element: str, /, *inside: str | None, **attributes: str | bool | None) -> Markup:
    """Return an element; texts and attribute values are escaped, only ``Markup`` is taken as it is.

    >>> tag("p", "<b>", class_="x&y")
    '<p class="x&amp;y">&lt;b&gt;</p>'
    """
    shown = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if element in _VOID:
        return Markup(f"<{element}{shown}>")
    content = "".join(
        part if isinstance(part, Markup) else html.escape(part) for part in inside if part is not None
    )
    return Markup(f"<{element}{shown}>{content}</{element}>")


# --- Requests ---------------------------------------------------------------------------------------------


class Failed(Exception):
    """The request was not answered at all: 503 or 500, or 408 when the form did not arrive."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def key_of(form: Mapping[str, str]) -> str:
    """Return the form's one-time number: sent twice, it acts once. A form without one is new each time."""
    given = form.get("once", "")
    return given if 8 <= len(given) <= 100 and given.isascii() else f"form-{uuid4()}"


async def form_of(visit: Visit, receive: Receive) -> dict[str, str] | None:
    """Return the fields of a form; None if the body is none, or too long. Raises Failed when it is late."""
    kind = visit.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    body = b""
    try:
        async with asyncio.timeout(visit.body_seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += message.get("body", b"")
                if len(body) > BODY_BYTES:
                    return None
                if not message.get("more_body", False):
                    break
    except TimeoutError:  # whoever sends a form byte by byte holds nothing open
        raise Failed(408) from None
    try:
        return dict(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=30)
        )
    except ValueError:
        return None


_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "until": ("Dieser Link gilt bis", "This link is valid until"),
    "go_on": ("Weiter", "Continue"),
    "problem": ("Das ging nicht", "That did not work"),
    "unavailable": (
        "Der Dienst ist gerade nicht erreichbar. Bitte versuchen Sie es in einigen Minuten wieder.",
        "The service cannot be reached just now. Please try again in a few minutes.",
    ),
    "unexpected": ("Unerwarteter Fehler.", "Unexpected error."),
    "foreign": (
        "Dieses Formular kam nicht von dieser Seite. Bitte öffnen Sie den Link noch einmal.",
        "This form did not come from this page. Please open the link again.",
    ),
    "method": ("Diese Methode geht hier nicht.", "This method is not possible here."),
    "late": (
        "Das Formular ist nicht rechtzeitig angekommen. Bitte senden Sie es noch einmal.",
        "The form did not arrive in time. Please send it again.",
    ),
}
"""What every page says, per key German and English."""


class Visit:
    """One request to a page under ``root`` (``/answer/``): who asks in which language, and the page's frame.

    ``words``: what this page says besides, or otherwise; it has ``title``.
    """

    def __init__(
        self, scope: Scope, services: Services, root: str, words: Mapping[str, tuple[str, str]]
    ) -> None:
        self._words = {**_WORDS, **words}
        self.headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self.method = str(scope.get("method", ""))
        # the application is mounted: the path may begin anywhere, the code is its last part
        raw = bytes(scope.get("raw_path") or b"").split(b"?")[0].decode("latin-1")
        path = unquote(raw) if raw else str(scope.get("path", ""))
        last = path.rstrip("/").rpartition("/")[2]
        self.code = "" if last == root.strip("/") else last[:200]
        self.languages = preferred_languages(self.headers.get("accept-language"))
        self.chooses = any(one.split("-")[0].lower() in {"de", "en"} for one in self.languages)
        self.language: MessageLanguage = message_language(self.languages)
        self.request_id = uuid4().hex
        client = scope.get("client")
        self.address = client_address(client[0] if client else None, self.headers, services.trusted_proxies)
        self.today = local_day(services.database.clock())
        self.body_seconds = services.limits.body_seconds

    def w(self, key: str) -> str:
        """Return a word of the page in the visitor's language."""
        return self._words[key][0 if self.language == "de" else 1]

    def write_in(self, language: str) -> None:
        """Write in the language of the letters, unless the browser asks for one of ours."""
        if not self.chooses:
            self.language = "en" if language.split("-")[0].lower() == "en" else "de"

    def of_this_site(self) -> bool:
        """Whether a form was sent from this very page, as far as the browser says.

        With ``no-referrer`` browsers send ``Origin: null``; Sec-Fetch-Site says it nevertheless. Who can name
        the code could open the page themselves, so nobody else's browser is to be protected from much.
        """
        fetched = self.headers.get("sec-fetch-site")
        if fetched is not None:
            return fetched == "same-origin"
        origin = self.headers.get("origin")
        return origin in {None, "null"} or urlsplit(origin or "").netloc == self.headers.get("host")

    def page(self, *parts: Markup | None) -> str:
        """Return the whole page around its parts."""
        head = tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="robots", content="noindex"),
            tag("title", self.w("title")),
            tag("link", rel="stylesheet", href=STYLE_PATH),
        )
        body = tag("body", tag("main", tag("h1", self.w("title")), *parts))
        return "<!doctype html>\n" + tag("html", head, body, lang=self.language)

    def problem(self, message: str) -> Markup:
        """Return a box that says what went wrong."""
        return tag("div", tag("h2", self.w("problem")), tag("p", message), class_="problem", role="alert")


def listed(pairs: Iterable[tuple[str, str | None]]) -> Markup:
    """Return a list of names and values; what has no value is left out."""
    parts = [
        part
        for name, value in pairs
        if value is not None
        # each value turns by itself: an Arabic name moves nothing that stands beside it
        for part in (tag("dt", name), tag("dd", value, dir="auto"))
    ]
    return tag("dl", *parts)


async def serve(
    visit: Visit,
    send: Send,
    answer: Callable[[list[tuple[bytes, bytes]]], Awaitable[tuple[int, str]]],
    name: str,
) -> None:
    """Send what ``answer`` gives (status and page; it may add headers); what fails is a page too.

    What is logged names neither the path nor the code.
    """
    began = time.perf_counter()
    extra: list[tuple[bytes, bytes]] = []
    try:
        status, body = await answer(extra)
    except Failed as failed:
        status = failed.status
        if status == 408:
            extra.append((b"connection", b"close"))
        body = visit.page(visit.problem(visit.w({408: "late", 503: "unavailable"}.get(status, "unexpected"))))
    except Exception as error:  # the path must not reach a server's own error log
        status = 503 if is_unavailable(error) else 500
        if status == 500:
            log_unexpected(error, visit.request_id)
        body = visit.page(visit.problem(visit.w("unavailable" if status == 503 else "unexpected")))
    content = b"" if visit.method == "HEAD" or status == 204 else body.encode()
    headers = [*HEADERS, *extra, (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": False})
    log.info(
        name,
        method=visit.method,
        status=status,
        request_id=visit.request_id,
        duration_ms=round((time.perf_counter() - began) * 1000, 1),
    )
