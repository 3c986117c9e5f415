"""The page with which a partner keeps its entries, /upkeep/<code>: without JavaScript, in German and English.

It shows the entries as they are published, with a button "everything is still right" and a form for what
changes most. GET, HEAD and OPTIONS change nothing but the throttle's counters, so that a mail scanner may
follow the link as often as it likes; only a button's POST does. What is confirmed, and free places, count at
once; everything else becomes a change request that somebody who is signed in accepts. No word about a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from litestar.types import Receive, Scope, Send

from directory.corrections import Suggestion, proposed_value
from directory.problems import InvalidInput
from directory.vocabulary import CapacityState, ChangeField, DataKind, FreshnessState
from graphapi.context import Services
from graphapi.messages import beside_field, message_for
from graphapi.pages import (
    NOTHING,
    Extra,
    Markup,
    Visit,
    ask,
    button,
    code_entered,
    done,
    form_of,
    line,
    lines,
    listed,
    serve,
    tag,
)
from graphapi.types.upkeep import UPKEEP
from graphapi.types.words import label
from graphapi.web.rendering import day_of
from graphapi.web.running import Operations

PLACES: Final = 8
"""Locations whose opening hours the form has at most."""

LONGEST_TEXT: Final = 2_000
"""A longer description is changed by who signs in: a form this size is read by nobody."""

MOST_NAMED: Final = 60
"""Entries that a form names at most."""

JUST_NOW: Final = timedelta(hours=1)
"""A button that was pressed twice is answered the second time as it was the first."""

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Stimmen Ihre Einträge noch?", "Are your entries still right?"),
    "intro": (
        "So stehen Ihre Einträge im Verzeichnis. Bitte nennen Sie hier keine Namen von Privatpersonen.",
        "This is how your entries stand in the directory. Please name no private persons here.",
    ),
    "right": ("Stimmt noch alles", "Everything is still right"),
    "all_right": ("Stimmt noch alles, bei allen Einträgen", "Everything is still right, in all entries"),
    "change": ("Etwas ändern", "Change something"),
    "send": ("Änderung senden", "Send the change"),
    "hint": (
        "Freie Plätze gelten sofort. Alles andere prüft vorher jemand mit Anmeldung bei Ihnen oder in der "
        "Koordination.",
        "Free places count at once. Everything else is looked at first by somebody who is signed in, at your "
        "organisation or at the coordination.",
    ),
    "thanks": ("Danke, das ist bestätigt.", "Thank you, that is confirmed."),
    "counted": ("Danke, die freien Plätze sind eingetragen.", "Thank you, the free places are entered."),
    "proposed": (
        "Danke, Ihre Änderung ist angekommen und wird geprüft.",
        "Thank you, your change has arrived and will be looked at.",
    ),
    "nothing": ("Es wurde nichts geändert.", "Nothing was changed."),
    "stale": (
        "Der Eintrag wurde inzwischen geändert. Bitte sehen Sie ihn noch einmal an.",
        "The entry has changed meanwhile. Please look at it once more.",
    ),
    "hidden": (
        "Dieser Eintrag ist ausgeblendet, weil lange niemand bestätigt hat, dass er stimmt.",
        "This entry is hidden, because for long nobody has confirmed that it is right.",
    ),
    "state": ("Stand", "State"),
    "assured": ("Zuletzt bestätigt", "Last confirmed"),
    "never": ("noch nie", "never yet"),
    "check": ("Bitte prüfen", "Please check"),
    "hide_on": ("Wird ausgeblendet am", "Will be hidden on"),
    "description": ("Beschreibung", "Description"),
    "website": ("Internetseite", "Website"),
    "phone": ("Telefon der Stelle", "The office's phone"),
    "email": ("E-Mail der Stelle", "The office's e-mail"),
    "hours": ("Öffnungszeiten", "Opening hours"),
    "hours_hint": ("z. B. Mo-Fr 09:00-12:00; Di 14:00-18:00", "e.g. Mo-Fr 09:00-12:00; Tu 14:00-18:00"),
    "capacity": ("Freie Plätze", "Free places"),
    "weeks": ("Wartezeit in Wochen", "Weeks to wait"),
    "unsaid": ("keine Angabe", "not said"),
    "enter_weeks": ("Bitte geben Sie die Wochen als Zahl an.", "Please enter the weeks as a number."),
    "old_figure": (
        "{state} (vom {day}: zu alt, zählt nicht mehr)",
        "{state} (of {day}: too old, counts no more)",
    ),
    "code": ("Der Code aus der Nachricht", "The code from the message"),
}

_SENT: Final[Mapping[str, ChangeField]] = {
    "phone": ChangeField.PHONE,
    "email": ChangeField.EMAIL,
    "website": ChangeField.WEBSITE,
    "description": ChangeField.DESCRIPTION,
}
"""The form's controls that become change requests, beside opening hours."""


class UpkeepPages:
    """The ASGI application behind /upkeep/<code>."""

    def __init__(self, operations: Operations, services: Services) -> None:
        self._operations = operations
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is logged names neither the path nor the code."""
        visit = _Visit(scope, self._services)
        await serve(visit, send, lambda extra: self._answer(visit, receive, extra), "upkeep page")

    async def _answer(self, visit: _Visit, receive: Receive, extra: Extra) -> tuple[int, str]:
        if not visit.code and visit.method in {"GET", "HEAD", "POST"}:
            return await code_entered(visit, receive, extra, UPKEEP)
        if visit.method == "OPTIONS":
            extra.append((b"allow", b"GET, HEAD, POST, OPTIONS"))
            return 204, ""
        if visit.method in {"GET", "HEAD"}:
            return await self._shown(visit, extra)
        if visit.method != "POST":
            extra.append((b"allow", b"GET, HEAD, POST, OPTIONS"))
            return 405, visit.page(visit.problem(visit.w("method")))
        form = await form_of(visit, receive) if visit.of_this_site() else None
        if form is None:
            return 403, visit.page(visit.problem(visit.w("foreign")))
        entries = _versions(form.get("entries", ""))
        given: dict[str, Any] = {"idempotencyKey": f"form-{uuid4()}", "code": visit.code}
        if form.get("do") == "RIGHT":
            given |= {"entries": entries}
            found = await ask(self._operations, visit, "assure-by-link", {"input": given})
            if found["__typename"] != "UpkeepPage":
                return await self._refused(visit, extra, found, form)
            return self._page(visit, found, done(visit.w("thanks")))
        if form.get("do") == "CHANGE" and entries:
            suggestions = _suggestions(form)
            given |= {"entry": entries[0], "suggestions": list(suggestions.values())}
            given |= visit.capacity(form, entries[0]["id"])
            visit.check(suggestions, entries[0]["id"])
            if visit.errors:
                return await self._shown(visit, extra, form=form, status=422)
            found = await ask(self._operations, visit, "suggest-by-link", {"input": given})
            if found["__typename"] != "SuggestionsTaken":
                named = dict(enumerate(suggestions))
                return await self._refused(visit, extra, found, form, named)
            words = [
                *(("counted",) if found["capacityCounts"] else ()),
                *(("proposed",) if found["proposed"] else ()),
            ]
            said = done(*(visit.w(word) for word in words or ["nothing"]))
            return self._page(visit, found["page"], said)
        return await self._shown(visit, extra)

    async def _shown(
        self,
        visit: _Visit,
        extra: Extra,
        *,
        above: Markup | None = None,
        form: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> tuple[int, str]:
        """Return the page as it is now, with ``above`` before it and what was typed kept."""
        found = await ask(self._operations, visit, "read-upkeep-page", {"code": visit.code})
        if found["__typename"] != "UpkeepPage":
            return visit.closed(found, extra)
        visit.typed = form or {}
        return self._page(visit, found, above, status)

    @staticmethod
    def _page(
        visit: _Visit, found: Mapping[str, Any], above: Markup | None = None, status: int = 200
    ) -> tuple[int, str]:
        visit.write_in(found["lettersIn"])
        return status, visit.page(above, *visit.entries(found))

    async def _refused(
        self,
        visit: _Visit,
        extra: Extra,
        found: Mapping[str, Any],
        form: Mapping[str, str],
        named: Mapping[int, str] | None = None,
    ) -> tuple[int, str]:
        """Say what was refused: at its control, where there is one; ``named``: those of the suggestions."""
        match found["__typename"]:
            case "InvalidInputProblem":
                control = _control_of(found["field"], named or {})
                if control is None:
                    return await self._shown(
                        visit, extra, above=visit.problem(found["message"]), form=form, status=422
                    )
                entry = form.get("entries", "").partition(":")[0]
                visit.errors[f"{entry}.{control}"] = found["message"]
                return await self._shown(visit, extra, form=form, status=422)
            case "StaleVersionProblem":
                again = await ask(self._operations, visit, "read-upkeep-page", {"code": visit.code})
                if again["__typename"] != "UpkeepPage":
                    return visit.closed(again, extra)
                if form.get("do") == "RIGHT" and _just_assured(again, form, visit.now):
                    return self._page(visit, again, done(visit.w("thanks")))
                return self._page(visit, again, visit.problem(visit.w("stale")), 409)
            case _:
                return visit.closed(found, extra)


def _just_assured(found: Mapping[str, Any], form: Mapping[str, str], now: datetime) -> bool:
    """Whether the same button has been pressed a moment ago."""
    named = {entry["id"] for entry in _versions(form.get("entries", ""))}
    said = {
        _entry(one)["id"]: datetime.fromisoformat(one["freshness"]["assuredAt"])
        for one in found["entries"]
        if one["freshness"]["assuredAt"]
    }
    return all(one in said and now - said[one] < JUST_NOW for one in named)


def _entry(shown: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the entry that stands in a line of the page: a partner, or a service."""
    found: Mapping[str, Any] = shown["partner"] or shown["service"]
    return found


def _versions(given: str) -> list[dict[str, Any]]:
    """Return the entries and versions that a form names; what is none of both is left out."""
    pairs = (part.partition(":") for part in given.split(",")[:MOST_NAMED])
    return [
        {"id": id_, "expectedVersion": int(version)}
        for id_, _, version in pairs
        if version.isascii() and version.isdigit() and len(version) < 10
    ]


def _suggestions(form: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return per control what the form says differently from what it showed; what was emptied is not said."""
    said = {
        name: {"field": field.value, "value": value}
        for name, field in _SENT.items()
        if (value := _typed(form, name)) and value != _typed(form, f"{name}.was")
    }
    if "description" in said and (language := form.get("language")):
        said["description"]["language"] = language
    for name in sorted(name for name in form if name.startswith("hours.") and not name.endswith(".was")):
        value = _typed(form, name)
        if value and value != _typed(form, f"{name}.was"):
            hours = _GERMAN.sub(lambda day: _DAYS[day[0]], value)
            place = name.removeprefix("hours.")
            said[name] = {"field": ChangeField.HOURS.value, "value": hours, "locationId": place}
    return said


def _control_of(field: str, named: Mapping[int, str]) -> str | None:
    """Return the control of a refused field: ``suggestions.0.value`` is the one that stood there."""
    if field.startswith("capacity"):
        return "weeks" if field.endswith("waitingWeeks") else "capacity"
    found = re.fullmatch(r"suggestions\.(\d+)\..*", field)
    return named.get(int(found[1])) if found else None


def _typed(form: Mapping[str, str], name: str) -> str:
    """Return what was typed; browsers send the lines of a text with CRLF (WHATWG form submission)."""
    return form.get(name, "").replace("\r\n", "\n").strip()


def _first(entry: Mapping[str, Any], kind: str) -> str | None:
    return next((point["value"] for point in entry["contactPoints"] if point["kind"] == kind), None)


def _title(entry: Mapping[str, Any]) -> str:
    return str(entry["name"] if "name" in entry else entry["title"]["text"])


def _description(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return the description and its language; German, where there is none yet."""
    found = entry["description"] or {"text": "", "language": "de"}
    return found["text"], found["language"]


_DAYS: Final = {"Di": "Tu", "Mi": "We", "Do": "Th", "So": "Su"}
"""Weekdays that Germans write otherwise than OpenStreetMap; typed either way they are understood."""
_GERMAN: Final = re.compile(rf"\b({'|'.join(_DAYS)})\b")
_OSM: Final = re.compile(rf"\b({'|'.join(_DAYS.values())})\b")


class _Visit(Visit):
    """One request to the page of a link, and the parts of its page."""

    def __init__(self, scope: Scope, services: Services) -> None:
        super().__init__(scope, services, UPKEEP, _WORDS)
        self.typed: Mapping[str, str] = {}
        """What was typed and refused, to be put right."""

    def capacity(self, form: Mapping[str, str], entry: str) -> dict[str, Any]:
        """Return the capacity that was chosen, if it was; weeks that are no number are in ``errors``."""
        chosen, weeks = form.get("capacity", ""), form.get("weeks", "").strip()
        if not chosen:
            return {}
        if chosen not in {state.value for state in CapacityState}:
            self.errors[f"{entry}.capacity"] = self.w("choose_listed")
            return {}
        if weeks and not (weeks.isascii() and weeks.isdigit() and len(weeks) <= 4):
            self.errors[f"{entry}.weeks"] = self.w("enter_weeks")
            return {}
        return {"capacity": {"state": chosen, "waitingWeeks": int(weeks) if weeks else None}}

    def check(self, suggestions: Mapping[str, Mapping[str, str]], entry: str) -> None:
        """Note in ``errors`` what would be refused, all of it at once, each at its control."""
        for name, said in suggestions.items():
            field = ChangeField(said["field"])
            try:
                proposed_value(Suggestion(field=field, value=said["value"], language=said.get("language")))
            except InvalidInput as problem:
                message = message_for(problem, self.language)
                self.errors[f"{entry}.{name}"] = beside_field(message, problem.field, self.language)

    def hours(self, osm: str) -> str:
        """Return opening hours in one line, with the weekdays of the page's language."""
        german = {day: said for said, day in _DAYS.items()}
        return _OSM.sub(lambda day: german[day[0]], osm) if self.language == "de" else osm

    def day(self, day: str | None) -> str | None:
        """Return a day or moment as people of the page's language write the day."""
        return None if day is None else day_of(day, self.language)

    def entries(self, page: Mapping[str, Any]) -> list[Markup]:
        """Return everything that the page shows and asks."""
        made = [
            tag("p", self.w("intro"), class_="kern-body"),
            listed([(self.w("until"), self.day(page["expiresAt"]))]),
        ]
        due = [one for one in page["entries"] if one["freshness"]["kinds"] or one["hidden"]]
        if len(due) > 1:
            made.append(self._right(due, "all_right"))
        made += [self._entry(one) for one in page["entries"]]
        return made

    def _named(self, shown: list[Mapping[str, Any]]) -> Markup:
        entries = [_entry(one) for one in shown]
        named = ",".join(f"{entry['id']}:{entry['version']}" for entry in entries)
        return tag("input", type="hidden", name="entries", value=named)

    def _right(self, shown: list[Mapping[str, Any]], words: str) -> Markup:
        return tag(
            "form",
            tag("input", type="hidden", name="do", value="RIGHT"),
            self._named(shown),
            button(self.w(words)),
            method="post",
            class_="form",
        )

    def _entry(self, shown: Mapping[str, Any]) -> Markup:
        entry = _entry(shown)
        wrong = any(field.startswith(f"{entry['id']}.") for field in self.errors)
        return tag(
            "section",
            tag("h2", _title(entry), class_="kern-heading-large", dir="auto"),
            self.notice(self.w("hidden")) if shown["hidden"] else None,
            listed(self._facts(shown)),
            self._right([shown], "right"),
            self.unfolding(self.w("change"), self._form(shown), opened=wrong),
        )

    def _facts(self, shown: Mapping[str, Any]) -> list[tuple[str, str | None]]:
        entry, known = _entry(shown), shown["freshness"]
        kinds = ", ".join(label(DataKind(kind), self.language) for kind in known["kinds"])
        rows: list[tuple[str, str | None]] = [
            (self.w("state"), label(FreshnessState(known["state"]), self.language)),
            (self.w("assured"), self.day(known["assuredAt"]) or self.w("never")),
            (self.w("check"), kinds or None),
            (self.w("hide_on"), self.day(known["hideOn"])),
            (self.w("description"), _description(entry)[0] or None),
            (self.w("website"), entry["website"]),
        ]
        for kind, word in (("PHONE", "phone"), ("EMAIL", "email")):
            values = [point["value"] for point in entry["contactPoints"] if point["kind"] == kind]
            rows.append((self.w(word), ", ".join(values) or None))
        if "capacity" in entry:
            rows.append((self.w("capacity"), self._room(entry["capacity"])))
        rows += [
            (f"{self.w('hours')}: {place['name']}", self.hours(place["hours"]["osm"]))
            for place in entry.get("locations", ())
            if place["hours"] is not None
        ]
        return rows

    def _room(self, capacity: Mapping[str, Any]) -> str:
        said = label(CapacityState(capacity["state"]), self.language)
        if capacity["isCurrent"] or capacity["asOf"] is None:
            return said
        return self.w("old_figure").format(state=said, day=self.day(capacity["asOf"]))

    def _form(self, shown: Mapping[str, Any]) -> Markup:
        entry = _entry(shown)
        controls: list[Markup] = []
        if "capacity" in entry:
            states = [
                (state.value, label(state, self.language))
                for state in CapacityState
                if state is not CapacityState.UNKNOWN
            ]
            chosen = self._typed(entry, "capacity") or ""
            control = self.choice("capacity", chosen, states, empty=self.w("unsaid"))
            name = f"{entry['id']}.capacity"
            controls.append(self.field(name, self.w("capacity"), control, required=False))
            controls.append(self._control(entry, "weeks", self.w("weeks"), "", kind="number"))
        phone, mail = _first(entry, "PHONE"), _first(entry, "EMAIL")
        controls.append(self._control(entry, "phone", self.w("phone"), phone, kind="tel"))
        controls.append(self._control(entry, "email", self.w("email"), mail, kind="email"))
        controls.append(self._control(entry, "website", self.w("website"), entry["website"], kind="url"))
        for place in entry.get("locations", ())[:PLACES]:
            said = None if place["hours"] is None else self.hours(place["hours"]["osm"])
            named = f"{self.w('hours')}: {place['name']}"
            hint = self.w("hours_hint")
            controls.append(self._control(entry, f"hours.{place['id']}", named, said, hint=hint))
        text, language = _description(entry)
        if len(text) <= LONGEST_TEXT:
            controls.append(self._control(entry, "description", self.w("description"), text))
        return tag(
            "form",
            tag("p", self.w("hint"), class_="kern-body"),
            tag("input", type="hidden", name="do", value="CHANGE"),
            tag("input", type="hidden", name="language", value=language),
            self._named([shown]),
            *controls,
            button(self.w("send")),
            method="post",
            novalidate=True,
            class_="form",
        )

    def _typed(self, entry: Mapping[str, Any], name: str) -> str | None:
        """Return what was typed here and refused; None where nothing was."""
        here = self.typed.get("entries", "").startswith(f"{entry['id']}:")
        return self.typed.get(name) if here else None

    def _control(
        self,
        entry: Mapping[str, Any],
        name: str,
        named: str,
        value: str | None,
        *,
        kind: str = "text",
        hint: str = "",
    ) -> Markup:
        """Return a control with what it shows now beside it, so that only what was changed is taken."""
        typed = self._typed(entry, name)
        now = value if typed is None else typed
        before = NOTHING
        if name == "description":
            control = lines(name, now or "", rows="5", maxlength=str(LONGEST_TEXT))
        else:
            longest = None if kind == "number" else "500"
            control = line(name, now, kind=kind, maxlength=longest, dir="auto")
            before = tag("input", type="hidden", name=f"{name}.was", value=value) if value else NOTHING
        field = self.field(f"{entry['id']}.{name}", named, control, required=False, hint=hint)
        return Markup(field + before)
