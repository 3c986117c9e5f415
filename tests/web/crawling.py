"""Goes over the pages as a visitor would: follows links, finds forms, fills them in, reads what came back.

``crawl`` opens what can be reached; ``Form.filled`` is what a browser would send; ``strange`` names what in a
page somebody else has put there: elements, attributes and addresses that none of our templates writes.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx

from graphapi.web.routes import ROUTES, load_pages
from tests.web.conftest import Web

MARK: Final = "xq7"
SCRIPT: Final = (
    f"{MARK}\"'><{MARK} on{MARK}=1></textarea></title></option><script>{MARK}()</script>{{{{7*7}}}}"
    f"<b {MARK}>عربي</b>"
)
BIDI: Final = f"\u202e{SCRIPT}\u2066\u200f"
LINK: Final = f"javascript:{MARK}()//https://example.org/"

TEXTS: Final = frozenset(
    {"text", "search", "textarea", "email", "url", "tel", "number", "date", "datetime-local"}
)
DATA: Final = "application/ld+json"
_HERE: Final = frozenset({"", "http", "https", "mailto", "tel"})
_ADDRESSES: Final = frozenset({"href", "src", "action", "formaction", "hx-get", "hx-post", "data", "poster"})
_NEVER: Final = frozenset({"base", "embed", "iframe", "object", "style", MARK})
_VOID: Final = frozenset({"input", "link", "meta", "br", "img", "hr", "wbr"})

load_pages()


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(
        re.sub(r"\\\{[^}]*\\\}|\{[^}]*\}", "[^/]+", re.escape(path).replace(r"\{", "{").replace(r"\}", "}"))
    )


PATTERNS: Final = [(method, path, _pattern(path)) for method, path in ROUTES]


def route_of(method: str, address: str) -> str | None:
    """Return the route that answers, one without parameters first; None for what is no page."""
    path = urlsplit(address).path
    if (method, path) in ROUTES:
        return path
    found = [route for how, route, pattern in PATTERNS if how == method and pattern.fullmatch(path)]
    return min(found, key=lambda route: route.count("{")) if found else None


@dataclasses.dataclass
class Field:
    """A control of a form."""

    name: str
    kind: str
    value: str = ""
    options: list[str] = dataclasses.field(default_factory=list)
    checked: bool = False

    @property
    def typed(self) -> bool:
        """Whether somebody types into it."""
        return self.kind in TEXTS


@dataclasses.dataclass
class Form:
    """A form on a page."""

    page: str
    method: str
    action: str
    fields: list[Field] = dataclasses.field(default_factory=list)

    @property
    def route(self) -> str | None:
        """The route that takes it."""
        return route_of(self.method, self.action)

    @property
    def what(self) -> tuple[str | None, tuple[str, ...]]:
        """What tells forms apart: where they go, and what they ask."""
        fixed = [
            f"{f.name}={f.value}"
            for f in self.fields
            if f.kind == "hidden" and f.name in {"do", "what", "move"}
        ]
        return self.route, (*sorted({f.name for f in self.fields}), *fixed)

    def named(self, name: str) -> list[Field]:
        """Return the controls of this name."""
        return [field for field in self.fields if field.name == name]

    def filled(self, **given: str) -> list[tuple[str, str]]:
        """Return what a browser sends: as the page has it, ``given`` typed over."""
        sent = []
        for field in self.fields:
            if field.name in given:
                sent.append((field.name, given[field.name]))
            elif field.kind in {"checkbox", "radio"}:
                sent += [(field.name, field.value)] if field.checked else []
            elif field.kind == "select":
                some = next((one for one in field.options if one), "")
                sent.append((field.name, field.value or some))
            elif field.kind != "submit" or field.name not in dict(sent):
                sent.append((field.name, field.value))
        return sent


class Parsed(HTMLParser):
    """What stands in a page."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.path = path
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.forms: list[Form] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.unlabelled: list[str] = []
        self._ids: dict[str, Form] = {}
        self._apart: list[tuple[str, Field]] = []
        self._open: Form | None = None
        self._select: Field | None = None
        self._text: Field | None = None
        self._in_script = False
        self.feed(text)
        self.close()
        for owner, field in self._apart:
            if owner in self._ids:
                self._ids[owner].fields.append(field)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.elements.append((tag, given))
        if tag == "script" and given.get("type") != DATA:
            self._in_script = True
        if tag == "form":
            action = urljoin(self.path, given.get("action") or self.path)
            self._open = Form(self.path, given.get("method", "get").upper(), action)
            self.forms.append(self._open)
            self._ids[given.get("id", "")] = self._open
        elif tag in {"input", "select", "textarea", "button"} and given.get("name"):
            kind = {"select": "select", "textarea": "textarea", "button": "submit"}.get(
                tag, given.get("type", "text")
            )
            field = Field(given["name"], kind, given.get("value", ""), checked="checked" in given)
            self._select = field if tag == "select" else None
            self._text = field if tag == "textarea" else None
            if "form" in given:
                self._apart.append((given["form"], field))
            elif self._open is not None:
                self._open.fields.append(field)
        elif tag == "option" and self._select is not None:
            self._select.options.append(given.get("value", ""))
            if "selected" in given:
                self._select.value = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._text = None
        elif tag == "script":
            self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)
        elif self._text is not None:
            self._text.value += data.removeprefix("\n")
        else:
            self.words.append(data)

    @property
    def links(self) -> list[str]:
        """Where its links lead."""
        return [given["href"] for tag, given in self.elements if tag == "a" and "href" in given]


def strange(parsed: Parsed) -> list[str]:
    """Return what in a page none of our templates has written: what somebody typed has become markup."""
    found = [f"<{tag}>" for tag, _ in parsed.elements if tag in _NEVER]
    for tag, given in parsed.elements:
        for name, value in given.items():
            if MARK in name or name.startswith("on") or name == "style":
                found.append(f"<{tag} {name}>")
            if name in _ADDRESSES and urlsplit(value.strip()).scheme.lower() not in _HERE:
                found.append(f"<{tag} {name}={value[:40]}>")
        data = tag == "script" and given.get("type") == DATA  # no browser runs it
        if tag == "script" and not data and not given.get("src", "").startswith("/assets/"):
            found.append("<script>")
        if tag == "meta" and given.get("http-equiv"):
            found.append("<meta http-equiv>")
    found += [f"script: {one[:40]}" for one in parsed.scripts if one.strip()]
    text = " ".join(parsed.words)
    if "</script>49" in text:
        found.append("a template ran what was typed")
    return found


@dataclasses.dataclass
class Seen:
    """A page that was opened."""

    path: str
    route: str
    answer: httpx.Response
    parsed: Parsed


def _kind(address: str) -> tuple[str | None, tuple[str, ...]]:
    """Return what tells pages apart: ids do not, what to do on a page does."""
    route = route_of("GET", address)
    pairs = parse_qsl(urlsplit(address).query)
    if route == "/search":
        return route, tuple(sorted({name for name, _ in pairs})[:1])
    said = [f"{n}={v}" if re.fullmatch(r"[A-Za-z_-]{1,24}", v) else n for n, v in pairs if n != "language"]
    return route, tuple(sorted(said))


async def crawl(web: Web, *starts: str, alike: int = 2, most: int = 150) -> list[Seen]:
    """Open every page that links and GET forms lead to; ``alike``: so many of those that differ by an id."""
    waiting = ["/", *starts]
    known, count = set(waiting), Counter[Any]()
    seen: list[Seen] = []
    while waiting and len(seen) < most:
        path = waiting.pop(0)
        answer = await web.get(path)
        if answer.is_redirect:
            found = [answer.headers["location"]]
        elif answer.headers["content-type"].startswith("text/html"):
            parsed = Parsed(path, answer.text)
            seen.append(Seen(path, route_of("GET", path) or "", answer, parsed))
            found = [urljoin(path, link) for link in parsed.links]
            for form in parsed.forms:
                if form.method == "GET" and form.route:
                    found.append(f"{form.action}?{urlencode([p for p in form.filled() if p[1]])}")
        else:
            continue
        for address in found:
            parts = urlsplit(address)
            goal = parts.path + (f"?{parts.query}" if parts.query else "")
            if parts.netloc or goal in known or "language=" in goal or route_of("GET", goal) is None:
                continue
            known.add(goal)
            count[_kind(goal)] += 1
            if count[_kind(goal)] <= alike:
                waiting.append(goal)
    return seen


def forms_of(seen: list[Seen], *, method: str = "POST") -> list[Form]:
    """Return the forms on these pages, one of each kind."""
    found: dict[Any, Form] = {}
    for page in seen:
        for form in page.parsed.forms:
            if form.method == method and form.route:
                found.setdefault(form.what, form)
    return list(found.values())
