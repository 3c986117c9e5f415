"""Pages for people with a code and without an account: markup, frame, headers, forms.

They look like all pages (KERN, ``web/static``) and have no JavaScript at all. The code stands in the path, so
nothing here logs a path; what people typed is escaped by how markup is made. Which pages there are:
``answer_page``, ``upkeep_page``, ``mailbox_page``.
"""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

import structlog
from litestar.datastructures import Cookie
from litestar.types import Receive, Scope, Send

from directory.actors import ANONYMOUS
from directory.days import local_day
from directory.languages import direction
from graphapi.addresses import client_address
from graphapi.context import Services
from graphapi.endpoint import is_unavailable, log_unexpected
from graphapi.messages import MessageLanguage, message_language, preferred_languages
from graphapi.web.assets import Assets
from graphapi.web.guarding import Cookies
from graphapi.web.running import Operations, Stopped
from referrals.codes import ALPHABET, LONGEST

Extra: TypeAlias = list[tuple[bytes, bytes]]
"""Headers that one answer has besides those of every page."""

STATUS: Final = {
    "CodeNotValidProblem": 404,
    "NotFoundProblem": 404,
    "AnswerLinkClosedProblem": 410,
    "TooManyAttemptsProblem": 429,
    "InvalidInputProblem": 422,
    "ErasedProblem": 410,
}
"""What a problem is over HTTP; every other one is a conflict."""

BODY_BYTES: Final = 20_000
LANGUAGE_SECONDS: Final = 365 * 24 * 3600
_NAMES: Final = {"de": "Deutsch", "en": "English"}

HEADERS: Final = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=()"),
    (b"vary", b"Accept-Language, Cookie"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; form-action 'self'; "
        b"base-uri 'none'; frame-ancestors 'none'",
    ),
)
log: Final = structlog.stdlib.get_logger("pages")


# --- Markup -----------------------------------------------------------------------------------------------


class Markup(str):
    """Text that is HTML already; every other text is escaped when it becomes part of a page."""

    __slots__ = ()


NOTHING: Final = Markup("")
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


async def code_entered(visit: Visit, receive: Receive, extra: Extra, root: str) -> tuple[int, str]:
    """Let somebody with a code on paper type it; what they typed leads to the link's own page."""
    form = await form_of(visit, receive) if visit.method == "POST" and visit.of_this_site() else None
    typed = "".join(c for c in (form or {}).get("code", "").upper() if c in ALPHABET)
    if typed:
        extra.append((b"location", f"{root}{typed[:LONGEST]}".encode()))
        return 303, visit.page()
    if visit.method == "POST":
        visit.errors["code"] = visit.w("enter_code")
    return 422 if visit.errors else 200, visit.page(visit.code_form(root.rstrip("/")))


async def ask(operations: Operations, visit: Visit, name: str, variables: dict[str, Any]) -> Any:
    """Run a document of ``graphql/operations`` with nobody signed in; return what its field gives.

    That is a problem, too (``__typename``). Raises Failed where nothing was answered.
    """
    try:
        data = await operations.run(
            name,
            variables,
            actor=ANONYMOUS,
            language=visit.language,
            languages=tuple(dict.fromkeys((visit.language, *visit.languages))),
            request_id=visit.request_id,
            address=visit.address,
        )
    except Stopped as stopped:
        raise Failed(500) from stopped
    return next(iter(data.values()))


_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "network": ("Netzwerk Spurwechsel", "Spurwechsel network"),
    "skip": ("Zum Inhalt", "To the content"),
    "language_of_page": ("Sprache", "Language"),
    "demo": (
        "Demo: alle Personen und Einträge sind erfunden. Geben Sie keine echten Daten ein.",
        "Demo: all people and entries are invented. Enter no real data.",
    ),
    "error": ("Fehler", "Error"),
    "check": ("Bitte prüfen Sie Ihre Eingaben", "Please check what you entered"),
    "optional": ("freiwillig", "optional"),
    "choose": ("Bitte wählen", "Please choose"),
    "fill_in": ("Bitte füllen Sie das aus.", "Please fill this in."),
    "enter_code": (
        "Bitte geben Sie den Code ein, wie er im Schreiben steht.",
        "Please enter the code as it stands in the letter.",
    ),
    "enter_day": (
        "Bitte geben Sie einen Tag an, zum Beispiel 31.12.2026.",
        "Please enter a day, for example 31.12.2026.",
    ),
    "enter_moment": (
        "Bitte geben Sie Tag und Uhrzeit an, zum Beispiel 31.12.2026 14:30.",
        "Please enter day and time, for example 31.12.2026 14:30.",
    ),
    "choose_listed": ("Bitte wählen Sie aus der Liste.", "Please choose from the list."),
    "until": ("Dieser Link gilt bis", "This link is valid until"),
    "go_on": ("Weiter", "Continue"),
    "problem": ("Das ging nicht", "That did not work"),
    "unavailable": (
        "Der Dienst ist gerade nicht erreichbar. Bitte versuchen Sie es in einigen Minuten wieder.",
        "The service cannot be reached just now. Please try again in a few minutes.",
    ),
    "unexpected": (
        "Auf unserer Seite ist etwas schiefgegangen. Bitte versuchen Sie es noch einmal. Wenn es wieder"
        " geschieht, nennen Sie der Stelle, von der Sie den Link oder Code haben, diese Nummer:",
        "Something went wrong on our side. Please try again. If it happens again, tell the organisation that"
        " you have the link or code from this number:",
    ),
    "check_code": (
        "Bitte prüfen Sie den Link oder den Code, oder fragen Sie die Stelle, von der Sie ihn haben.",
        "Please check the link or the code, or ask the organisation that you have it from.",
    ),
    "another_code": ("Einen Code eingeben", "Enter a code"),
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
        self._root = root
        self._assets = _assets(services.web.assets)
        self._demo = services.web.demo
        self.errors: dict[str, str] = {}
        """What was refused, per field (its id in the page), in words; ``""``: all of it."""
        self._called: dict[str, str] = {}
        """What the fields of the page are called, by their ids."""
        self.set_cookies: list[Cookie] = []
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
        self._choose_language(scope, Cookies(secure=services.web.secure))
        self.request_id = uuid4().hex
        client = scope.get("client")
        self.address = client_address(client[0] if client else None, self.headers, services.trusted_proxies)
        self.now = services.database.clock()
        self.today = local_day(self.now)
        self.body_seconds = services.limits.body_seconds

    def _choose_language(self, scope: Scope, cookies: Cookies) -> None:
        """Take the language that was chosen on a page, here or earlier, rather than the browser's."""
        asked = dict(parse_qsl(bytes(scope.get("query_string") or b"").decode("latin-1"))).get("language", "")
        chosen = asked if asked in _NAMES else _cookie(self.headers.get("cookie", ""), cookies.language)
        if chosen not in _NAMES:
            return
        self.language = "de" if chosen == "de" else "en"
        self.chooses = True
        self.languages = tuple(dict.fromkeys((self.language, *self.languages)))
        if asked == chosen:
            self.set_cookies.append(cookies.set(cookies.language, chosen, seconds=LANGUAGE_SECONDS))

    def w(self, key: str) -> str:
        """Return a word of the page in the visitor's language."""
        return self._words[key][0 if self.language == "de" else 1]

    def has(self, key: str) -> bool:
        """Whether this page has such a word."""
        return key in self._words

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
        """Return the whole page around its parts; what was refused stands above them."""
        style = ["fonts.css", "kern.css"] if self._assets.styled else []
        title = f"{self.w('error')}: {self.w('title')}" if self.errors else self.w("title")
        head = tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="robots", content="noindex"),
            tag("title", f"{title} – {self.w('network')}"),
            *(
                tag("link", rel="stylesheet", href=self._assets.url(name))
                for name in (*style, "site.css", "letter.css")
            ),
            tag("link", rel="icon", href=self._assets.url("sign.svg"), type="image/svg+xml"),
        )
        heading = tag("h1", self.w("title"), class_="kern-heading-x-large")
        main = tag(
            "main", heading, self._refused(), *parts, id="main", class_="kern-container", tabindex="-1"
        )
        skip = tag("a", self.w("skip"), href="#main", class_="skip-link kern-link")
        whole = tag("html", head, tag("body", skip, self._head(), main), lang=self.language, dir="ltr",
                    class_=None if self._assets.styled else "plain")  # fmt: skip
        return "<!doctype html>\n" + whole

    def _head(self) -> Markup:
        languages = [
            tag(
                "li",
                tag(
                    "a",
                    name,
                    href=f"?language={one}",
                    lang=one,
                    hreflang=one,
                    class_="kern-link kern-link--small",
                    aria_current="true" if one == self.language else None,
                ),
            )
            for one, name in _NAMES.items()
        ]
        named = tag("a", self.w("network"), href="/", class_="kern-link")
        line = tag(
            "div",
            tag("p", named, class_="head__name"),
            tag("ul", *languages, class_="head__languages", aria_label=self.w("language_of_page")),
            class_="kern-container head__line",
        )
        note = tag("p", self.w("demo"), class_="demo-note") if self._demo else None
        return tag("header", line, note, class_="head")

    def _refused(self) -> Markup | None:
        if not self.errors:
            return None
        said = []
        for field, message in self.errors.items():
            word = self._called.get(field)
            named = f"{word.rstrip(':?')}: {message}" if word else message
            said.append(
                tag("li", tag("a", named, href=f"#{field}", class_="kern-link") if field else message)
            )
        body = tag("ul", *said, class_="kern-list")
        title = self.w("check")
        return _alert("danger", title, body, role="alert", id="errors", tabindex="-1", autofocus=True)

    def told(self, text: Mapping[str, str | None] | None) -> str | None:
        """Return a text that GraphQL gives with its language, marked where it is not the page's."""
        said = text and text.get("text")
        if text is None or not said:
            return None
        tongue = text.get("language") or self.language
        return said if tongue == self.language else tag("span", said, lang=tongue, dir=direction(tongue))

    def problem(self, message: str) -> Markup:
        """Return a box that says what went wrong."""
        return _alert("danger", self.w("problem"), tag("p", message, class_="kern-body"), role="alert")

    def failed(self, status: int) -> Markup:
        """Return a box that says what to do after a request that was not answered."""
        word = {408: "late", 503: "unavailable"}.get(status)
        return self.problem(self.w(word) if word else f"{self.w('unexpected')} {self.request_id}")

    def notice(self, message: str) -> Markup:
        """Return a box that says what to mind."""
        return _alert("warning", message, None, role="note")

    # --- Forms ------------------------------------------------------------------------------------------

    def field(
        self, id_: str, word: str, control: Control, *, required: bool = True, hint: str = ""
    ) -> Markup:
        """Return a control with its label, what helps to fill it in, and what was wrong with it."""
        self._called[id_] = word
        wrong = self.errors.get(id_)
        described = " ".join([*([f"{id_}.hint"] if hint else []), *([f"{id_}.error"] if wrong else [])])
        described_by = {"aria_describedby": described or None, "aria_invalid": "true" if wrong else None}
        optional = tag("span", f" ({self.w('optional')})", class_="kern-label__optional")
        return tag(
            "div",
            tag("label", word, None if required else optional, for_=id_, class_="kern-label"),
            tag("div", hint, class_="kern-hint", id=f"{id_}.hint") if hint else None,
            control(id=id_, required=required, **described_by),
            self.error(id_),
            class_="kern-form-input kern-form-input--error" if wrong else "kern-form-input",
        )

    def error(self, id_: str) -> Markup | None:
        """Return what was wrong with a field, to stand beside it."""
        if id_ not in self.errors:
            return None
        sign = tag("span", class_="kern-icon kern-icon--danger", aria_hidden="true")
        said = tag("span", self.errors[id_], class_="kern-body")
        return tag("p", sign, " ", said, class_="kern-error", id=f"{id_}.error")

    def choice(self, name: str, value: str, choices: Iterable[tuple[str, str]], empty: str = "") -> Control:
        """Return a list to choose from; ``empty``: what stands for nothing chosen."""
        options = [tag("option", empty or self.w("choose"), value="")]
        options += [tag("option", said, value=one, selected=one == value) for one, said in choices]

        def control(**given: str | bool | None) -> Markup:
            select = tag("select", *options, name=name, class_="kern-form-input__select", **given)
            return tag("div", select, class_="kern-form-input__select-wrapper")

        return control

    def unfolding(self, word: str, *inside: Markup | None, opened: bool = False) -> Markup:
        """Return something that is folded away under a word until it is asked for."""
        summary = tag("summary", tag("span", word, class_="kern-title"), class_="kern-accordion__header")
        body = tag("div", *inside, class_="kern-accordion__body")
        return tag("details", summary, body, class_="kern-accordion", open=opened)

    def closed(self, found: Mapping[str, Any], extra: Extra) -> tuple[int, str]:
        """Return the page of a link that opens nothing (any more), or not now."""
        if "retryAfter" in found:
            extra.append((b"retry-after", str(found["retryAfter"]).encode()))
        kind = found["__typename"]
        more = self.try_again() if kind == "CodeNotValidProblem" else None
        return STATUS.get(kind, 409), self.page(self.problem(found["message"]), more)

    def try_again(self) -> Markup:
        """Return the way to where a code is typed, for somebody whose link opened nothing."""
        link = tag("a", self.w("another_code"), href=self._root.rstrip("/"), class_="kern-link")
        return Markup(tag("p", self.w("check_code"), class_="kern-body") + tag("p", link))

    def code_form(self, action: str) -> Markup:
        """Return the form in which a code on paper is typed."""
        field = self.field("code", self.w("code"), line("code", "", maxlength="60"))
        return tag(
            "form",
            field,
            button(self.w("go_on")),
            method="post",
            action=action,
            class_="form",
            novalidate=True,
        )


Control: TypeAlias = Callable[..., Markup]
"""Makes a control from the attributes that tie it to its label."""


def line(name: str, value: str | None, *, kind: str = "text", **given: str | bool | None) -> Control:
    """Return a control of one line (or a day, a number)."""
    width = " field-date" if kind in {"date", "datetime-local"} else ""

    def control(**tied: str | bool | None) -> Markup:
        return tag("input", type=kind, name=name, value=value or None, autocomplete="off",
                   class_=f"kern-form-input__input{width}", **given, **tied)  # fmt: skip

    return control


def lines(name: str, value: str, *, rows: str = "4", maxlength: str) -> Control:
    """Return a control of several lines."""

    def control(**tied: str | bool | None) -> Markup:
        return tag("textarea", value, name=name, rows=rows, maxlength=maxlength, dir="auto",
                   class_="kern-form-input__input", **tied)  # fmt: skip

    return control


def button(word: str, kind: str = "primary") -> Markup:
    """Return the button that sends a form."""
    said = tag("span", word, class_="kern-label")
    return tag("button", said, type="submit", class_=f"kern-btn kern-btn--{kind}")


def done(*words: str) -> Markup:
    """Return a box that says what was done."""
    first, *more = words
    said = tag("div", *(tag("p", word, class_="kern-body") for word in more)) if more else None
    return _alert("success", first, said, role="status")


def _alert(kind: str, title: str, body: Markup | None, **given: str | bool | None) -> Markup:
    sign = tag("span", class_=f"kern-icon kern-icon--{kind}", aria_hidden="true")
    named = tag("h2" if kind == "danger" else "p", title, class_="kern-title")
    return tag(
        "div",
        tag("div", sign, named, class_="kern-alert__header"),
        tag("div", body, class_="kern-alert__body") if body else None,
        class_=f"kern-alert kern-alert--{kind}",
        **given,
    )


def listed(pairs: Iterable[tuple[str, str | None]]) -> Markup:
    """Return a list of names and values; what has no value is left out."""
    parts = [
        tag(
            "div",
            tag("dt", name, class_="kern-description-list-item__key"),
            # each value turns by itself: an Arabic name moves nothing that stands beside it
            tag("dd", value, dir="auto", class_="kern-description-list-item__value"),
            class_="kern-description-list-item",
        )
        for name, value in pairs
        if value is not None
    ]
    return tag("dl", *parts, class_="kern-description-list")


@lru_cache(maxsize=10)
def _assets(folder: Path | None) -> Assets:
    return Assets(folder)


def _cookie(header: str, name: str) -> str:
    """Return the value of a cookie, or nothing."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return next((value for key, _, value in pairs if key == name), "")


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
        body = visit.page(visit.failed(status))
    except Exception as error:  # the path must not reach a server's own error log
        status = 503 if is_unavailable(error) else 500
        if status == 500:
            log_unexpected(error, visit.request_id)
        body = visit.page(visit.failed(status))
    content = b"" if visit.method == "HEAD" or status == 204 else body.encode()
    extra += [cookie.to_encoded_header() for cookie in visit.set_cookies]
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
