"""One request to a page: who visits, in which language, what they sent; what is run and answered for it."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID, uuid4

import msgspec
from litestar.datastructures import Cookie

from directory.actors import ANONYMOUS, Actor, Role
from directory.database import Database
from directory.days import local_day
from directory.languages import direction
from graphapi.messages import MessageLanguage, beside_field
from graphapi.web import guarding
from graphapi.web.options import Options
from graphapi.web.running import Operations, Outcome, Refusal, Stopped
from graphapi.web.translations import LANGUAGES

if TYPE_CHECKING:
    from graphapi.web.signing_on import SignOnClient
    from graphapi.web.site import Site

LANGUAGE_SECONDS: Final = 365 * 24 * 3600
SAID_SECONDS: Final = 60
LONGEST_TOKEN: Final = 2_600
"""Characters of an ID token that still fit into a cookie (4,096 bytes) once sealed."""

MOST_FIELDS: Final = 500
_STALE: Final = "STALE_VERSION"
_CONFLICTS: Final = frozenset({_STALE, "IDEMPOTENCY_CONFLICT", "TRANSITION_NOT_ALLOWED"})


class Fields:
    """What an address or a form says: texts without blanks around them, and with one sort of line end."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value.replace("\r\n", "\n").strip())

    @classmethod
    def read(cls, text: str) -> Fields:
        """Read a query string or the body of a form; raises ValueError when it is none."""
        return cls(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS))

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __bool__(self) -> bool:
        return bool(self._values)

    def get(self, name: str, otherwise: str = "") -> str:
        """Return the first value of a name."""
        return self._values.get(name, [otherwise])[0]

    def given(self, name: str) -> str | None:
        """Return a value, or None when it was left empty: what the schema takes as unsaid."""
        return self.get(name) or None

    def all(self, name: str) -> list[str]:
        """Return all values of a name (check boxes) that are not empty."""
        return [value for value in self._values.get(name, []) if value]

    def pairs(self) -> list[tuple[str, str]]:
        """Return everything, as in an address."""
        return [(name, value) for name, values in self._values.items() for value in values]


class Answer(msgspec.Struct, kw_only=True):
    """What is sent back."""

    status: int = 200
    body: str | bytes = ""
    kind: str = "text/html"
    headers: dict[str, str] = {}
    personal: bool = False


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in, as the head of the page shows it."""

    role: str
    name: str
    organisation: str
    administers: bool


class Visit:
    """One request; handlers get it first.

    ``actor``: who acts (ANONYMOUS without a session). ``query`` and ``form``: what was sent. ``errors``: what
    was refused, by field (``""``: the whole form); filled by ``change`` and ``refuse``, shown by the macros.
    ``partial``: htmx asks for a part of the page only.
    """

    def __init__(
        self,
        site: Site,
        *,
        method: str,
        path: str,
        query: Fields,
        headers: Mapping[str, str],
        cookies: Mapping[str, str],
        address: str,
        languages: tuple[str, ...],
        accepted: MessageLanguage,
    ) -> None:
        self._site = site
        self.method = method
        self.path = path
        self.query = query
        self.form = Fields([])
        self.headers = headers
        self.cookies = cookies
        self.address = address
        self.request_id = uuid4().hex
        self.actor: Actor = ANONYMOUS
        self.errors: dict[str, str] = {}
        self.refusal: Refusal | None = None
        self.numbered = False
        """Whether a form's number is in the page, which must not be packed beside what others choose."""
        self.set_cookies: list[Cookie] = []
        self.me: Me | None = None
        self.keeps: UUID | None = None
        """Whose entry the coordination keeps on this page; None: that of the own organisation."""
        self.kept: dict[str, Any] = {}
        """That partner, as far as the head of the page shows it."""
        self.session = ""
        wanted = query.get("language") or cookies.get(site.cookies.language, "")
        self.language: MessageLanguage = "de" if wanted == "de" else "en" if wanted == "en" else accepted
        self.languages = tuple(dict.fromkeys((self.language, *languages)))
        if query.get("language") in LANGUAGES:
            kept = site.cookies.set(site.cookies.language, self.language, seconds=LANGUAGE_SECONDS)
            self.set_cookies.append(kept)
        said = site.pages.translations(self.language)
        self.gettext = said.gettext
        self.ngettext = said.ngettext
        self.pgettext = said.pgettext

    # --- Who, when, where -------------------------------------------------------------------------------

    @property
    def partial(self) -> bool:
        """Whether htmx asks for a part of the page (a boosted link wants all of it)."""
        return self.headers.get("hx-request") == "true" and self.headers.get("hx-boosted") != "true"

    @property
    def now(self) -> datetime:
        """The moment, by the clock that rules go by."""
        return self._site.services.database.clock()

    @property
    def today(self) -> date:
        """The day it is where the network works."""
        return local_day(self.now)

    @property
    def here(self) -> str:
        """The address of the page that is shown, without a choice of language."""
        if self.method == "GET":
            return self.address_with(language=None)
        came = urlsplit(self.headers.get("referer", ""))
        if came.netloc != self.headers.get("host"):
            return "/"
        return guarding.own_path(came.path + (f"?{came.query}" if came.query else ""))

    def address_with(self, **changed: str | list[str] | None) -> str:
        """Return this page's address with some parameters changed: a list for several, None for none."""
        pairs = [(name, value) for name, value in self.query.pairs() if name not in changed and value]
        for name, values in changed.items():
            given = [] if values is None else values if isinstance(values, list) else [values]
            pairs += [(name, value) for value in given if value]
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    def address_of(self, path: str) -> str:
        """Return the whole address of a page of this site, to write down or to give away.

        That of the installation; without one, the one in the browser that asks.
        """
        site = self._site.services.public_url
        if site is None:
            scheme = "https" if self.options.secure else "http"
            site = f"{scheme}://{self.headers.get('host', 'localhost')}"
        return f"{site}{path}"

    def in_language(self, language: str) -> str:
        """Return the address of the same page in another language."""
        joint = "&" if "?" in self.here else "?"
        return f"{self.here}{joint}language={language}"

    # --- Data -------------------------------------------------------------------------------------------

    @property
    def _operations(self) -> Operations:
        return self._site.operations

    async def ask(self, name: str, /, **variables: Any) -> dict[str, Any]:
        """Run a ready query; return the data of its root fields.

        What it may not see, or what is not there, becomes the page that says so (raises Stopped).
        """
        return await self._operations.run(
            name,
            variables,
            actor=self.actor,
            language=self.language,
            languages=self.languages,
            request_id=self.request_id,
            address=self.address,
        )

    async def find(self, name: str, /, **variables: Any) -> Any:
        """Run a ready query with one root field; return what it found. Not found is the 404 page."""
        found = next(iter((await self.ask(name, **variables)).values()))
        refusal = self._operations.refusal_of(found)
        if refusal is not None:
            status = 404 if refusal.code in {"NOT_FOUND", "CODE_NOT_VALID"} else 409
            raise Stopped(status, refusal.code, refusal.message)
        if found is None:
            raise Stopped(404, "NOT_FOUND")
        return found

    async def change(self, name: str, input: dict[str, Any]) -> Outcome:  # noqa: A002 - as in the documents
        """Run a ready mutation with its ``$input``; what was refused stands in ``errors`` too.

        The form's one-time number becomes the idempotency key, its ``expectedVersion`` is added, each where
        the input has such a field and the caller does not give it.
        """
        takes = self._operations.input_fields(name)
        given = dict(input)
        if "idempotencyKey" in takes:
            given.setdefault("idempotencyKey", self.once)
        version = self.form.get("expectedVersion")
        if "expectedVersion" in takes and version.isascii() and version.isdigit() and len(version) < 10:
            given.setdefault("expectedVersion", int(version))
        found = next(iter((await self.ask(name, input=given)).values()))
        refusal = self._operations.refusal_of(found)
        if refusal is None:
            return Outcome(payload=found or {})
        self.refusal = refusal
        field = refusal.field or ""
        self.refuse(field, beside_field(refusal.message, field, self.language))
        return Outcome(refusal=refusal)

    def refuse(self, field: str, message: str) -> None:
        """Say that a field of the form (``""``: all of it) is not right; the page then shows it."""
        self.errors.setdefault(field, message)

    @property
    def once(self) -> str:
        """The form's one-time number: sent twice, it acts once."""
        given = self.form.get("once")
        return given if 8 <= len(given) <= 100 and given.isascii() else f"form-{uuid4()}"

    # --- Answers ----------------------------------------------------------------------------------------

    def page(
        self,
        template: str,
        /,
        *,
        part: str | None = None,
        status: int = 0,
        personal: bool = False,
        in_language: str | None = None,
        **values: Any,
    ) -> Answer:
        """Return a page; where htmx asks for a part, only the template ``part``.

        ``personal``: shows something about a person though nobody is signed in (a card, a link), so no
        browser keeps it. ``in_language``: a language of persons that the page itself does not speak; its
        texts come from the caller (``layout.html``).

        After something was refused its status is 422, or 409 when the thing has changed meanwhile.
        """
        if not status:
            overtaken = self.refusal is not None and self.refusal.code in _CONFLICTS
            status = 200 if not self.errors else 409 if overtaken else 422
        chosen = part if part and self.partial else template
        said = "" if chosen is part else self._take_said()
        values["said"] = said
        if in_language:
            values |= {"language": in_language, "direction_of_page": direction(in_language)}
        elif chosen is template and self.refusal is not None and self.refusal.code == _STALE:
            conflict = self._site.conflict(self, template, values)
            if conflict is not None:
                chosen, values = "conflict.html", {"said": said, "conflict": conflict}
        body = self._site.render(self, chosen, values)
        vary = "Accept-Language, Cookie, HX-Request"
        return Answer(status=status, body=body, personal=personal or self.personal, headers={"vary": vary})

    @property
    def personal(self) -> bool:
        """Whether what is shown is for this visitor only."""
        return self.actor.signed_in or self.method != "GET"

    def go(self, path: str, *, said: str = "") -> Answer:
        """Return a redirect to a page of this site (303); ``said`` is shown there once: no personal data."""
        if said:
            value = guarding.sealed(self._said_key, said)
            self.set_cookies.append(
                self._site.cookies.set(self._site.cookies.said, value, seconds=SAID_SECONDS)
            )
        goal = guarding.own_path(path)
        if self.partial:
            return Answer(status=204, headers={"hx-redirect": goal}, personal=True)
        return Answer(status=303, headers={"location": goal}, personal=True)

    @property
    def _said_key(self) -> bytes:
        return hmac.digest(self._site.key, b"said " + self._secret().encode(), "sha256")

    def _take_said(self) -> str:
        name = self._site.cookies.said
        if not (value := self.cookies.get(name)):
            return ""
        self.set_cookies.append(self._site.cookies.drop(name))
        return guarding.opened(self._said_key, value) or ""

    # --- Forms ------------------------------------------------------------------------------------------

    def _secret(self) -> str:
        return self.session or self.cookies.get(self._site.cookies.form, "")

    @property
    def form_number(self) -> str:
        """The number that proves that a form is ours; a browser without a session gets a cookie for it."""
        self.numbered = True
        secret = self._secret()
        if not guarding.is_secret(secret):
            secret = secrets.token_urlsafe(32)
            name = self._site.cookies.form
            self.cookies = {**self.cookies, name: secret}
            self.set_cookies.append(self._site.cookies.set(name, secret))
        return guarding.form_number(self._site.key, secret)

    def proves(self, number: str) -> bool:
        """Whether a form's number is the one of this browser."""
        secret = self._secret()
        if not guarding.is_secret(secret) or not number.isascii():
            return False
        return hmac.compare_digest(number, guarding.form_number(self._site.key, secret))

    def new_number(self) -> str:
        """Return a one-time number for a form."""
        return f"form-{uuid4()}"

    # --- Sessions ---------------------------------------------------------------------------------------

    @property
    def options(self) -> Options:
        """How this installation is run."""
        return self._site.options

    @property
    def database(self) -> Database:
        """The service's connections: for sessions only, data come through operations."""
        return self._site.services.database

    def sign_on_start(self, goal: str) -> str | None:
        """Return where signing on at the town's provider begins, if one is connected."""
        return f"/sign-on/start?{urlencode({'next': goal})}" if self.options.sign_on else None

    @property
    def sign_on_client(self) -> SignOnClient | None:
        """Who talks to the town's provider, if one is connected."""
        return self._site.sign_on

    def remember_sign_on(self, text: str, seconds: int) -> None:
        """Keep in the browser what must be known when it comes back from the provider."""
        cookies = self._site.cookies
        sealed = guarding.sealed(self._sign_on_key, text)
        self.set_cookies.append(cookies.set(cookies.sign_on, sealed, seconds=seconds))

    def remembered_sign_on(self) -> str | None:
        """Return what was kept, once."""
        cookies = self._site.cookies
        self.set_cookies.append(cookies.drop(cookies.sign_on))
        return guarding.opened(self._sign_on_key, self.cookies.get(cookies.sign_on, ""))

    def remember_signed_on(self, id_token: str) -> None:
        """Keep in the browser what ends the provider's session at sign-out; bound to our own session.

        One that is too long for a cookie is left out: the provider then asks who is there.
        """
        cookies = self._site.cookies
        kept = guarding.sealed(self._signed_on_key, id_token if len(id_token) <= LONGEST_TOKEN else "")
        seconds = int(self.options.life.total_seconds())
        self.set_cookies.append(cookies.set(cookies.signed_on, kept, seconds=seconds))

    def signed_on(self) -> str | None:
        """Return what was kept when this session began at the provider; None: it did not begin there."""
        return guarding.opened(self._signed_on_key, self.cookies.get(self._site.cookies.signed_on, ""))

    @property
    def _signed_on_key(self) -> bytes:
        return hmac.digest(self._site.key, b"signed on " + self.session.encode(), "sha256")

    @property
    def _sign_on_key(self) -> bytes:
        return hmac.digest(self._site.key, b"sign-on", "sha256")

    def signed_in_with(self, secret: str) -> None:
        """Give the browser a session; what it had before it is of no use any more."""
        cookies = self._site.cookies
        self.session = secret
        self.set_cookies.append(
            cookies.set(cookies.session, secret, seconds=int(self.options.life.total_seconds()))
        )
        self.set_cookies.append(cookies.drop(cookies.form))

    def signed_out(self) -> None:
        """Take the session from the browser."""
        cookies = self._site.cookies
        self.session = ""
        self.set_cookies += [
            cookies.drop(cookies.session),
            cookies.drop(cookies.said),
            cookies.drop(cookies.signed_on),
        ]

    @property
    def role(self) -> Role:
        """The role of who visits."""
        return self.actor.role
