"""What a page must have so that it can be read, heard and used by keyboard, told from its HTML alone.

``wrong_in`` is run over every page that a test of ``tests/web`` opens (see ``conftest.Web``): all states that
any of them reaches are checked, without a browser. Axe checks in a browser what only a browser knows.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Final

_VOID: Final = frozenset(
    {"input", "link", "meta", "br", "img", "hr", "wbr", "source", "col", "area", "base", "embed", "track"}
)
_BLOCKS: Final = frozenset(
    {"p", "div", "ul", "ol", "dl", "table", "form", "section", "fieldset", "details", "h1", "h2", "h3", "h4"}
)
_REFERENCES: Final = ("aria-describedby", "aria-labelledby", "aria-controls", "for", "list", "form")
_CODED: Final = ("/answer", "/upkeep", "/mailbox")
"""Pages behind a code: the form itself carries it, there is no session that a foreign form could use."""
_TYPED: Final = frozenset({"text", "email", "tel", "url", "search", "password"})


@dataclasses.dataclass
class _Element:
    tag: str
    given: dict[str, str]
    parents: tuple[str, ...]
    text: str = ""
    children: list[str] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """What it is called by, as far as the element says it itself."""
        return self.given.get("aria-label", "").strip() or self.text.strip() or self.given.get("title", "")

    def __str__(self) -> str:
        said = " ".join(f'{key}="{value[:40]}"' for key, value in list(self.given.items())[:4])
        return f"<{self.tag} {said}>".replace(" >", ">")


class _Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.all: list[_Element] = []
        self.wrong: list[str] = []
        self._open: list[_Element] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.wrong.append(f"<{tag}> says an attribute twice: {names}")
        given = {name: value or "" for name, value in attrs}
        made = _Element(tag, given, tuple(one.tag for one in self._open))
        if self._open:
            self._open[-1].children.append(tag)
        if "alt" in given:
            self._said(given["alt"])
        self.all.append(made)
        if tag not in _VOID:
            self._open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            inner = self._open[-1] if self._open else "nothing"
            self.wrong.append(f"</{tag}> closes {inner}")
            while self._open and self._open[-1].tag != tag:
                self._open.pop()
        if self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip():
            self._said(data)

    def _said(self, text: str) -> None:
        hidden = False
        for one in reversed(self._open):
            hidden = hidden or one.given.get("aria-hidden") == "true"
            if not hidden:
                one.text += text


def wrong_in(text: str) -> list[str]:
    """Return what is wrong with the structure of a page; nothing for a part of one."""
    if not text.lstrip().lower().startswith("<!doctype html>"):
        return []
    page = _Reader(text)
    found = page.wrong
    of: dict[str, list[_Element]] = {}
    for one in page.all:
        of.setdefault(one.tag, []).append(one)
    ids = Counter(one.given["id"] for one in page.all if "id" in one.given)
    found += [f"id {name!r} stands {count} times" for name, count in ids.items() if count > 1 or not name]
    found += _frame(of)
    found += _references(page.all, ids)
    found += _fields(page.all, of)
    found += _named(of)
    found += _tables(of)
    found += _nesting(page.all)
    found += _inline(page.all)
    return found


def _frame(of: dict[str, list[_Element]]) -> list[str]:
    found = []
    if not (lang := of["html"][0].given.get("lang")) or not re.fullmatch(r"[a-z]{2,3}(-\w+)*", lang):
        found.append("html has no language")
    if not of.get("title") or not of["title"][0].text.strip(" –"):
        found.append("the page has no title")
    levels = [int(one.tag[1]) for tag in ("h1", "h2", "h3", "h4", "h5", "h6") for one in of.get(tag, ())]
    if levels.count(1) != 1:
        found.append(f"{levels.count(1)} main headings")
    if len(of.get("main", ())) != 1 or of["main"][0].given.get("id") != "main":
        found.append("not one main")
    links = of.get("a", [])
    if links and of.get("header") and links[0].given.get("href") != "#main":
        found.append("the first link is not to the content")
    return found


def _references(every: list[_Element], ids: Counter[str]) -> list[str]:
    found = []
    for one in every:
        for name in _REFERENCES:
            goals = one.given.get(name, "").split()
            found += [f"{one} {name} leads to nothing: {goal}" for goal in goals if goal not in ids]
        href = one.given.get("href", "")
        if one.tag == "a" and len(href) > 1 and href[0] == "#" and href[1:] not in ids:
            found.append(f"{one} leads to nothing")
    described = {goal for one in every for goal in one.given.get("aria-describedby", "").split()}
    found += [
        f"{one} is beside no field"
        for one in every
        if one.given.get("id", "").startswith("error-") and one.given["id"] not in described
    ]
    last = 0
    for one in every:
        if re.fullmatch("h[1-6]", one.tag):
            level = int(one.tag[1])
            if level > last + 1:
                found.append(f"{one} {one.text.strip()[:30]!r} comes after a heading of level {last}")
            last = level
            if not one.name:
                found.append(f"{one} is empty")
    return found


def _fields(every: list[_Element], of: dict[str, list[_Element]]) -> list[str]:
    found = []
    labels = {one.given.get("for"): one for one in of.get("label", ()) if one.name}
    groups: Counter[tuple[str, str]] = Counter()
    for one in every:
        kind = one.given.get("type", "text") if one.tag == "input" else one.tag
        if one.tag not in {"input", "select", "textarea"} or kind in {"hidden", "submit"}:
            continue
        named = one.given.get("aria-label") or one.given.get("aria-labelledby") or "label" in one.parents
        if not named and one.given.get("id") not in labels:
            found.append(f"{one} has no label")
        if one.tag == "input" and kind in _TYPED and not one.given.get("autocomplete"):
            found.append(f"{one} does not say what a browser may fill in")
        if kind == "radio" and "fieldset" not in one.parents:
            groups["radio", one.given.get("name", "")] += 1
    found += [f"{kind} {name!r} stand in no group" for (kind, name), count in groups.items() if count > 1]
    found += [f"{one} has no legend" for one in of.get("fieldset", ()) if one.children[:1] != ["legend"]]
    for form in of.get("form", ()):
        if form.given.get("method", "get").lower() not in {"get", "post"}:
            found.append(f"{form} is sent in no known way")
    posts = [
        one
        for one in of.get("form", ())
        if one.given.get("method", "").lower() == "post"
        and not one.given.get("action", "").startswith(_CODED)
    ]
    numbers = [one for one in every if one.tag == "input" and one.given.get("name") == "number"]
    proved = [one for one in numbers if one.given.get("type") == "hidden" and one.given.get("value")]
    if len(proved) < len(posts):
        found.append(f"{len(posts)} forms change something, {len(proved)} prove where they come from")
    return found


def _named(of: dict[str, list[_Element]]) -> list[str]:
    unnamed = [one for tag in ("button", "summary", "legend", "option") for one in of.get(tag, ())]
    unnamed += [one for one in of.get("a", ()) if "href" in one.given]
    found = [f"{one} has no name" for one in unnamed if not one.name and "aria-labelledby" not in one.given]
    found += [f"{one} has no alt" for one in of.get("img", ()) if "alt" not in one.given]
    for one in of.get("svg", ()):
        if one.given.get("aria-hidden") != "true" and not (
            one.given.get("role") == "img" and one.given.get("aria-label")
        ):
            found.append(f"{one} is neither named nor hidden")
    names = [one.given.get("aria-label") or one.given.get("aria-labelledby") for one in of.get("nav", ())]
    if len(names) > 1 and len(set(names)) < len(names):
        found.append(f"navigations with the same name: {names}")
    return found


def _tables(of: dict[str, list[_Element]]) -> list[str]:
    found = [f"{one} has no caption" for one in of.get("table", ()) if one.children[:1] != ["caption"]]
    found += [
        f"{one} has no scope" for one in of.get("th", ()) if one.given.get("scope") not in {"col", "row"}
    ]
    return found + [f"{one} is empty" for one in of.get("caption", ()) if not one.name]


def _nesting(every: list[_Element]) -> list[str]:
    found = []
    for one in every:
        parent = one.parents[-1] if one.parents else ""
        if one.tag in _BLOCKS and set(one.parents) & {"p", "h1", "h2", "h3", "h4"}:
            found.append(f"{one} stands in {one.parents[-2:]}")
        if one.tag in {"a", "button", "input", "select", "textarea"} and set(one.parents) & {"a", "button"}:
            found.append(f"{one} stands in {one.parents[-2:]}")
        if one.tag == "li" and parent not in {"ul", "ol"}:
            found.append(f"{one} stands in <{parent}>")
        if parent in {"ul", "ol"} and one.tag != "li":
            found.append(f"{one} stands in <{parent}>")
        if one.tag in {"dt", "dd"} and parent not in {"dl", "div"}:
            found.append(f"{one} stands in <{parent}>")
        if one.tag == "form" and "form" in one.parents:
            found.append(f"{one} stands in a form")
    return found


def _inline(every: list[_Element]) -> list[str]:
    found = []
    for one in every:
        found += [f"{one} has {name}" for name in one.given if name == "style" or name.startswith("on")]
        data = one.given.get("type") == "application/ld+json"  # read by search engines, never run
        if one.tag == "style" or (one.tag == "script" and not data and not one.given.get("src")):
            found.append(f"{one} stands in the page")
        if "tabindex" in one.given and one.given["tabindex"] not in {"0", "-1"}:
            found.append(f"{one} changes the order of the keyboard")
    return found
