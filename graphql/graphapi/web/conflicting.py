"""Somebody else saved in between: what was entered beside what is saved now, and choosing between them.

Works for every form with an ``expectedVersion``, without a word in its page: the page is rendered once more
as it is now, its form is read, and what differs is shown line by line (``conflict.html``). What is chosen
comes back to the same address as a form like any other: the own values under their names, the saved ones
under ``now.<name>``, the choice of a line under ``choose.<line>``. A line without a choice is asked again.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

import msgspec

from graphapi.web.visiting import Fields

MINE: Final = "mine"
THEIRS: Final = "theirs"
ASKED: Final = "asked"
"""The lines that a form of choices asks about; a form as a page has it has none."""

ALL: Final = "all"
"""One choice for every line."""

NOW: Final = "now."
CHOOSE: Final = "choose."
NEVER: Final = "0"
"""A version that no entry has: what is not decided is not saved."""

_NOT_COMPARED: Final = frozenset({"number", "once", "expectedVersion"})
_BOXES: Final = frozenset({"checkbox", "radio"})
_ROW: Final = re.compile(r"(.+?)\.[0-9]+(?:\.|$)")


class Control(msgspec.Struct, kw_only=True):
    """A field of a form as a page has it: what it is called, its values, and how each is read."""

    name: str
    kind: str
    label: str = ""
    values: list[str] = []
    words: dict[str, str] = {}

    def read(self, value: str) -> str | None:
        """Return a value as people read it; None for a box that says yes."""
        if self.kind == "checkbox" and value == "true":
            return None
        return self.words.get(value, value)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What differs, in one field or in all rows of a list: what each is called, and its values to read."""

    key: str
    label: str
    mine: list[tuple[str, list[str | None]]]
    theirs: list[tuple[str, list[str | None]]]


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """What ``conflict.html`` shows: the lines to choose, and the values that go with any choice."""

    action: str
    version: str
    lines: list[Line]
    hidden: list[tuple[str, str]]
    undecided: bool


def line_of(name: str) -> str:
    """Return the line that a field stands in: all rows of a list are one, languages of a text are not.

    >>> line_of("title.de"), line_of("contactPoints.0.value"), line_of("runs.2.startsOn")
    ('title.de', 'contactPoints', 'runs')
    """
    row = _ROW.match(name)
    return row[1] if row else name


class _Reader(HTMLParser):
    """Reads the forms of a page: for each its address and its fields, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, Control]]] = []
        self._form: dict[str, Control] | None = None
        self._legends: list[str] = []
        self._labels: dict[str, str] = {}
        self._ids: dict[str, tuple[Control, str | None]] = {}
        self._reading = ""
        self._text: list[str] = []
        self._about = ""
        """What the text that is read is about: the id of a label, the value of an option."""
        self._control: Control | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = {}
            self.forms.append((given.get("action", ""), self._form))
        elif tag == "fieldset":
            self._legends.append("")
        elif tag == "input":
            self._input(given)
        elif tag == "select":
            self._control = self._field(given, tag)
        elif tag == "textarea":
            self._control = self._field(given, tag)
            self._begin(tag)
        elif tag == "option":
            self._begin(tag, given.get("value", ""))
            if self._control is not None and ("selected" in given or not self._control.values):
                self._control.values = [given.get("value", "")]
        elif tag == "label":
            self._begin(tag, given.get("for", ""))
        elif tag == "legend":
            self._begin(tag)
        elif "kern-label__optional" in given.get("class", ""):
            self._end()

    def handle_endtag(self, tag: str) -> None:
        if tag == self._reading:
            self._end()
        if tag == "form":
            self._form = None
        elif tag == "fieldset" and self._legends:
            self._legends.pop()

    def handle_data(self, data: str) -> None:
        if self._reading:
            self._text.append(data)

    def close(self) -> None:
        super().close()
        for id_, (control, value) in self._ids.items():
            said = self._labels.get(id_, "")
            control.label = control.label or said
            if value is not None:
                control.words[value] = said

    def _begin(self, tag: str, about: str = "") -> None:
        self._reading, self._about, self._text = tag, about, []

    def _end(self) -> None:
        tag, self._reading = self._reading, ""
        said = "".join(self._text)
        words = " ".join(said.split())
        if tag == "legend" and self._legends:
            self._legends[-1] = words
        elif tag == "label":
            self._labels.setdefault(self._about, words)
        elif tag == "option" and self._control is not None:
            self._control.words[self._about] = words
        elif tag == "textarea" and self._control is not None:
            self._control.values = [said.strip()]

    def _field(self, given: dict[str, str], kind: str) -> Control | None:
        name = given.get("name")
        if self._form is None or not name:
            return None
        control = self._form.setdefault(name, Control(name=name, kind=kind))
        if kind in _BOXES and self._legends and given.get("value") != "true":
            control.label = self._legends[-1]
        self._ids[given.get("id", "")] = (control, given.get("value", "") if kind in _BOXES else None)
        return control

    def _input(self, given: dict[str, str]) -> None:
        kind, value = given.get("type", "text"), given.get("value", "")
        control = self._field(given, kind)
        if control is None:
            return
        if kind not in _BOXES:
            control.values = [value.strip()]
        elif "checked" in given:
            control.values = [*control.values, value]


def _controls(page: str, action: str) -> dict[str, Control] | None:
    """Return the fields of the form on a page that goes to an address and has a version, if there is one."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    found = (controls for to, controls in reader.forms if to == action and "expectedVersion" in controls)
    return next(found, None)


def _like(name: str, controls: dict[str, Control]) -> Control | None:
    """Return a field of a form, or for a row that the page has no longer the same field of another row."""
    if name in controls or not _ROW.match(name):
        return controls.get(name)
    alike = re.compile(re.sub(r"\\\.[0-9]+", r"\\.[0-9]+", re.escape(name)))
    return next((control for other, control in controls.items() if alike.fullmatch(other)), None)


def _compared(controls: dict[str, Control], values: dict[str, list[str]]) -> dict[str, dict[str, list[str]]]:
    """Return what a form says, by line and field; without what is empty, and rows that nobody filled in."""
    rows: dict[str, bool] = {}
    for name, given in values.items():
        control = _like(name, controls)
        if (row := _ROW.match(name)) and (control is None or control.kind not in {*_BOXES, "select"}):
            rows[row[0]] = rows.get(row[0], False) or any(given)
    found: dict[str, dict[str, list[str]]] = {}
    for name, given in values.items():
        row = _ROW.match(name)
        if given and name not in _NOT_COMPARED and (row is None or rows.get(row[0], True)):
            found.setdefault(line_of(name), {})[name] = given
    return found


def conflict_of(page: str, action: str, form: Fields) -> Conflict | None:
    """Return what differs between a form that was sent and the one of the page as it is now.

    None when there is nothing to choose: no such form, or both say the same.
    """
    controls = _controls(page, action)
    if controls is None:
        return None
    shown = {name: one for name, one in controls.items() if one.kind != "hidden"}
    mine = {name: form.all(name) for name, _ in form.pairs() if name in shown or _ROW.match(name)}
    now = {name: [value for value in one.values if value] for name, one in shown.items()}
    entered, saved = _compared(shown, mine), _compared(shown, now)
    lines = [
        Line(
            key=key,
            label=_label(key, shown),
            mine=_read(entered.get(key, {}), shown),
            theirs=_read(saved.get(key, {}), shown),
        )
        for key in dict.fromkeys(line_of(name) for name in (*shown, *mine))
        if entered.get(key, {}) != saved.get(key, {})
    ]
    if not lines:
        return None
    keys = {line.key for line in lines}
    theirs = [(NOW + name, value) for name, given in now.items() if line_of(name) in keys for value in given]
    own = [(name, value) for name, value in form.pairs() if name not in _NOT_COMPARED]
    return Conflict(
        action=action,
        version=next(iter(controls["expectedVersion"].values), NEVER),
        lines=lines,
        hidden=[*own, *theirs],
        undecided=form.get("expectedVersion") == NEVER,
    )


def _label(key: str, controls: dict[str, Control]) -> str:
    """Return what a line is called; empty for a list, each field of which has its own name."""
    return controls[key].label if key in controls else ""


def _read(fields: dict[str, list[str]], controls: dict[str, Control]) -> list[tuple[str, list[str | None]]]:
    alike = {name: _like(name, controls) for name in fields}
    return [
        (control.label if control else "", [control.read(value) if control else value for value in given])
        for name, given in fields.items()
        for control in (alike[name],)
    ]


def settled(form: Fields) -> Fields:
    """Return a form of choices as the form that its page has; any other comes back as it is."""
    asked = set(form.all(ASKED))
    if not asked:
        return form
    everything = form.get(ALL)
    choices = {line: everything or form.get(CHOOSE + line) for line in asked}
    pairs: list[tuple[str, str]] = []
    for name, value in form.pairs():
        if name in {ASKED, ALL} or name.startswith(CHOOSE):
            continue
        saved = name.startswith(NOW)
        own = name.removeprefix(NOW)
        if (choices.get(line_of(own)) == THEIRS) == saved:
            pairs.append((own, value))
    if not set(choices.values()) <= {MINE, THEIRS}:
        pairs = [(name, NEVER if name == "expectedVersion" else value) for name, value in pairs]
    return Fields(pairs)
