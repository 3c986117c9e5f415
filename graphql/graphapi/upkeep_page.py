"""The page with which a partner keeps its entries, /upkeep/<code>: without JavaScript, in German and English.

It shows the entries as they are published, with a button "everything is still right" and a form for what
changes most. GET, HEAD and OPTIONS change nothing but the throttle's counters, so that a mail scanner may
follow the link as often as it likes; only a button's POST does. What is confirmed, and free places, count at
once; everything else becomes a change request that somebody who is signed in accepts. No word about a person.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from litestar.types import Receive, Scope, Send

from directory import upkeep_links
from directory.actors import ANONYMOUS
from directory.building import title_of
from directory.corrections import Suggestion, proposed_value
from directory.days import local_day
from directory.documents import PartnerDocument, ServiceDocument
from directory.hours import format_hours
from directory.problems import InvalidInput, NotFound, Problem, StaleVersion
from directory.upkeep_links import EntryShown, UpkeepPage
from directory.values import Capacity, ContactPoint, OpeningHours
from directory.vocabulary import CapacityState, ChangeField, ContactKind
from graphapi.context import Services
from graphapi.messages import beside_field, message_for
from graphapi.pages import NOTHING, Markup, Visit, button, done, form_of, line, lines, listed, serve, tag
from graphapi.throttle import presenting
from graphapi.types.upkeep import UPKEEP
from graphapi.types.words import label
from graphapi.upkeeping import JOB
from graphapi.web.rendering import day_of
from referrals.codes import ALPHABET, LONGEST, CodePurpose, hash_of, present
from referrals.problems import CodeNotValid, TooManyAttempts

PLACES: Final = 8
"""Locations whose opening hours the form has at most."""

LONGEST_TEXT: Final = 2_000
"""A longer description is changed by who signs in: a form this size is read by nobody."""

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

Extra: TypeAlias = list[tuple[bytes, bytes]]


class _Wrong:
    """What a wrong code is answered with."""


class UpkeepPages:
    """The ASGI application behind /upkeep/<code>."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._database = services.database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is logged names neither the path nor the code."""
        visit = _Visit(scope, self._services)
        await serve(visit, send, lambda extra: self._answer(visit, receive, extra), "upkeep page")

    async def _answer(self, visit: _Visit, receive: Receive, extra: Extra) -> tuple[int, str]:
        if not visit.code and visit.method in {"GET", "HEAD", "POST"}:
            return await self._entry(visit, receive, extra)
        if visit.method == "OPTIONS":
            extra.append((b"allow", b"GET, HEAD, POST, OPTIONS"))
            return 204, ""
        if visit.method in {"GET", "HEAD"}:
            return await self._counted(visit, extra, lambda: self._shown(visit))
        if visit.method != "POST":
            extra.append((b"allow", b"GET, HEAD, POST, OPTIONS"))
            return 405, visit.page(visit.problem(visit.w("method")))
        form = await form_of(visit, receive) if visit.of_this_site() else None
        if form is None:
            return 403, visit.page(visit.problem(visit.w("foreign")))
        taken = form
        return await self._counted(visit, extra, lambda: self._posted(visit, taken))

    async def _entry(self, visit: _Visit, receive: Receive, extra: Extra) -> tuple[int, str]:
        """Let somebody type the code of a message; what they typed leads to the link's own page."""
        form = await form_of(visit, receive) if visit.method == "POST" and visit.of_this_site() else None
        typed = "".join(c for c in (form or {}).get("code", "").upper() if c in ALPHABET)
        if typed:
            extra.append((b"location", f"{UPKEEP}{typed[:LONGEST]}".encode()))
            return 303, visit.page()
        return 200, visit.page(visit.code_form(UPKEEP.rstrip("/")))

    async def _counted(
        self, visit: _Visit, extra: Extra, attempt: Callable[[], Awaitable[tuple[int, str]]]
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
            wrong = visit.problem(message_for(CodeNotValid(), visit.language))
            return 404, visit.page(wrong, visit.try_again(UPKEEP))
        return found  # type: ignore[return-value]

    async def _look(self, visit: _Visit) -> UpkeepPage:
        hashed = hash_of(visit.code, CodePurpose.UPKEEP)
        async with self._database.view(ANONYMOUS) as session:
            await present(session, hashed)
            page = await upkeep_links.look(session, hashed, self._database.clock())
        visit.write_in(page.letters_in)
        return page

    async def _shown(
        self, visit: _Visit, *, above: Markup | None = None, status: int = 200
    ) -> tuple[int, str]:
        page = await self._look(visit)
        return status, visit.page(above, *visit.entries(page))

    async def _posted(self, visit: _Visit, form: Mapping[str, str]) -> tuple[int, str]:
        page = await self._look(visit)
        hashed = hash_of(visit.code, CodePurpose.UPKEEP)
        try:
            if form.get("do") == "RIGHT":
                versions = _versions(form.get("entries", ""), page)
                async with self._database.work(upkeep_links.holder(page.partner.id)) as work:
                    await present(work.session, hashed)
                    await upkeep_links.assure(work, hashed, versions)
                return await self._shown(visit, above=visit.done("thanks"))
            if form.get("do") == "CHANGE":
                entry, version = next(iter(_versions(form.get("entries", ""), page).items()))
                shown = next(one for one in page.entries if one.entry.id == entry)
                capacity, suggestions = visit.read(form, shown)
                if visit.errors:
                    visit.typed = form
                    return await self._shown(visit, status=422)
                async with self._database.work(upkeep_links.holder(page.partner.id)) as work:
                    await present(work.session, hashed)
                    said = await upkeep_links.say(
                        work,
                        hashed,
                        entry,
                        capacity=capacity,
                        expected_version=version,
                        suggestions=suggestions,
                    )
                    for request in said.proposed:
                        work.later(JOB, request.id, only_once=str(request.id))
                words = [
                    *(("counted",) if said.capacity else ()),
                    *(("proposed",) if said.proposed else ()),
                ]
                return await self._shown(visit, above=visit.done(*words or ["nothing"]))
        except StaleVersion:
            again = await self._look(visit)
            named = {part.partition(":")[0] for part in form.get("entries", "").split(",")}
            if form.get("do") == "RIGHT" and all(
                self._just_assured(one) for one in again.entries if str(one.entry.id) in named
            ):
                return 200, visit.page(visit.done("thanks"), *visit.entries(again))
            return 409, visit.page(visit.problem(visit.w("stale")), *visit.entries(again))
        except InvalidInput as problem:
            return await self._shown(visit, above=visit.refused(problem), status=422)
        return await self._shown(visit)

    def _just_assured(self, shown: EntryShown) -> bool:
        at = shown.entry.assured_at
        return at is not None and self._database.clock() - at < JUST_NOW


def _versions(given: str, page: UpkeepPage) -> dict[UUID, int]:
    """Return the entries and versions that a form names; raises NotFound for what its page does not show."""
    shown = {one.entry.id for one in page.entries}
    versions: dict[UUID, int] = {}
    for part in given.split(","):
        id_, _, version = part.partition(":")
        try:
            versions[UUID(id_)] = int(version)
        except ValueError:
            raise NotFound from None
    if not versions or not shown >= set(versions) or not all(0 < v < 2**31 for v in versions.values()):
        raise NotFound
    return versions


def _capacity(form: Mapping[str, str], shown: EntryShown) -> Capacity | None:
    """Return the capacity that was chosen, if it was and the entry is a service."""
    chosen, weeks = form.get("capacity", ""), form.get("weeks", "").strip()
    if not chosen or not isinstance(shown.entry, ServiceDocument):
        return None
    if chosen not in {state.value for state in CapacityState}:
        raise InvalidInput("capacity", "unknown-value")
    if weeks and not (weeks.isascii() and weeks.isdigit() and len(weeks) <= 4):
        raise InvalidInput("waitingWeeks", "unknown-value")
    return Capacity(state=CapacityState(chosen), waiting_weeks=int(weeks) if weeks else None)


_DAYS: Final = {"Di": "Tu", "Mi": "We", "Do": "Th", "So": "Su"}
"""Weekdays that Germans write otherwise than OpenStreetMap; typed either way they are understood."""
_GERMAN: Final = re.compile(rf"\b({'|'.join(_DAYS)})\b")
_OSM: Final = re.compile(rf"\b({'|'.join(_DAYS.values())})\b")


def _suggestions(form: Mapping[str, str], shown: EntryShown) -> dict[str, Suggestion]:
    """Return per control what the form says differently from what it showed; what was emptied is not said."""
    said = {
        name: Suggestion(field=field, value=value, language=_language(shown.entry, form))
        for name, field in _SENT.items()
        if (value := _typed(form, name)) and value != form.get(f"{name}.was", "").strip()
    }
    for place in shown.entry.locations[:PLACES] if isinstance(shown.entry, PartnerDocument) else ():
        name = f"hours.{place.id}"
        value = form.get(name, "").strip()
        if value and value != form.get(f"{name}.was", "").strip():
            hours = _GERMAN.sub(lambda day: _DAYS[day[0]], value)
            said[name] = Suggestion(field=ChangeField.HOURS, value=hours, location_id=place.id)
    return said


def _typed(form: Mapping[str, str], name: str) -> str:
    """Return what was typed; browsers send the lines of a text with CRLF (WHATWG form submission)."""
    return form.get(name, "").replace("\r\n", "\n").strip()


def _language(entry: PartnerDocument | ServiceDocument, form: Mapping[str, str]) -> str:
    return form.get("language") or _written_in(entry)


def _written_in(entry: PartnerDocument | ServiceDocument) -> str:
    """Return the language of the description that the form shows."""
    return "de" if "de" in entry.description or not entry.description else next(iter(entry.description))


def _first(points: tuple[ContactPoint, ...], kind: ContactKind) -> str | None:
    return next((point.value for point in points if point.kind is kind), None)


class _Visit(Visit):
    """One request to the page of a link, and the parts of its page."""

    def __init__(self, scope: Scope, services: Services) -> None:
        super().__init__(scope, services, UPKEEP, _WORDS)
        self.typed: Mapping[str, str] = {}
        """What was typed and refused, to be put right."""

    def read(self, form: Mapping[str, str], shown: EntryShown) -> tuple[Capacity | None, list[Suggestion]]:
        """Return what a form says of an entry; what cannot be taken is in ``errors``, at its control."""
        capacity, suggestions = None, _suggestions(form, shown)
        try:
            capacity = _capacity(form, shown)
        except InvalidInput as problem:
            name = "weeks" if problem.field == "waitingWeeks" else "capacity"
            self.errors[f"{shown.entry.id}.{name}"] = self._wrong(problem)
        for name, said in suggestions.items():
            try:
                proposed_value(said)
            except InvalidInput as problem:
                self.errors[f"{shown.entry.id}.{name}"] = self._wrong(problem)
        return capacity, list(suggestions.values())

    def _wrong(self, problem: InvalidInput) -> str:
        return beside_field(message_for(problem, self.language), problem.field, self.language)

    def hours(self, hours: OpeningHours) -> str:
        """Return opening hours in one line, with the weekdays of the page's language."""
        osm = hours.osm or format_hours(hours)
        german = {day: said for said, day in _DAYS.items()}
        return _OSM.sub(lambda day: german[day[0]], osm) if self.language == "de" else osm

    def day(self, day: date) -> str:
        """Return a day as people of the page's language write it."""
        return day_of(day, self.language)

    def done(self, *words: str) -> Markup:
        """Return a box that says what was done."""
        return done(*(self.w(word) for word in words))

    def refused(self, problem: Problem) -> Markup:
        """Return a box that says which value was refused."""
        return self.problem(message_for(problem, self.language))

    def entries(self, page: UpkeepPage) -> list[Markup]:
        """Return everything that the page shows and asks."""
        made = [
            tag("p", self.w("intro"), class_="kern-body"),
            listed([(self.w("until"), self.day(local_day(page.expires_at)))]),
        ]
        due = [one for one in page.entries if one.due or one.hidden]
        if len(due) > 1:
            made.append(self._right(due, "all_right"))
        made += [self._entry(one) for one in page.entries]
        return made

    def _named(self, entries: list[EntryShown]) -> Markup:
        named = ",".join(f"{one.entry.id}:{one.entry.version}" for one in entries)
        return tag("input", type="hidden", name="entries", value=named)

    def _right(self, entries: list[EntryShown], words: str) -> Markup:
        return tag(
            "form",
            tag("input", type="hidden", name="do", value="RIGHT"),
            self._named(entries),
            button(self.w(words)),
            method="post",
            class_="form",
        )

    def _entry(self, shown: EntryShown) -> Markup:
        entry = shown.entry
        title = entry.name if isinstance(entry, PartnerDocument) else title_of(entry.title)
        wrong = any(field.startswith(f"{entry.id}.") for field in self.errors)
        return tag(
            "section",
            tag("h2", title, class_="kern-heading-large", dir="auto"),
            self.notice(self.w("hidden")) if shown.hidden else None,
            listed(self._facts(shown)),
            self._right([shown], "right"),
            self.unfolding(self.w("change"), self._form(shown), opened=wrong),
        )

    def _facts(self, shown: EntryShown) -> list[tuple[str, str | None]]:
        entry, known = shown.entry, shown.freshness
        assured = known.assured_at
        rows: list[tuple[str, str | None]] = [
            (self.w("state"), label(known.state, self.language)),
            (self.w("assured"), self.w("never") if assured is None else self.day(local_day(assured))),
            (self.w("check"), ", ".join(label(kind, self.language) for kind in known.kinds) or None),
            (self.w("hide_on"), None if known.hide_on is None else self.day(known.hide_on)),
            (self.w("description"), entry.description.get(_written_in(entry))),
            (self.w("website"), entry.website),
        ]
        for kind, word in ((ContactKind.PHONE, "phone"), (ContactKind.EMAIL, "email")):
            values = [point.value for point in entry.contact_points if point.kind is kind]
            rows.append((self.w(word), ", ".join(values) or None))
        if isinstance(entry, ServiceDocument):
            rows.append((self.w("capacity"), self._room(entry.capacity)))
        else:
            rows += [
                (f"{self.w('hours')}: {place.name}", self.hours(place.hours))
                for place in entry.locations
                if place.hours is not None
            ]
        return rows

    def _room(self, capacity: Capacity) -> str:
        said = label(capacity.state, self.language)
        if capacity.expires_on is None or self.today <= capacity.expires_on or capacity.as_of is None:
            return said
        return self.w("old_figure").format(state=said, day=self.day(capacity.as_of))

    def _form(self, shown: EntryShown) -> Markup:
        entry = shown.entry
        prefix = str(entry.id)
        controls: list[Markup] = []
        if isinstance(entry, ServiceDocument):
            states = [
                (state.value, label(state, self.language))
                for state in CapacityState
                if state is not CapacityState.UNKNOWN
            ]
            chosen = self._typed(shown, "capacity") or ""
            control = self.choice("capacity", chosen, states, empty=self.w("unsaid"))
            controls.append(self.field(f"{prefix}.capacity", self.w("capacity"), control, required=False))
            controls.append(self._control(shown, "weeks", self.w("weeks"), "", kind="number"))
        points = entry.contact_points
        phone, mail = _first(points, ContactKind.PHONE), _first(points, ContactKind.EMAIL)
        controls.append(self._control(shown, "phone", self.w("phone"), phone, kind="tel"))
        controls.append(self._control(shown, "email", self.w("email"), mail, kind="email"))
        controls.append(self._control(shown, "website", self.w("website"), entry.website, kind="url"))
        if isinstance(entry, PartnerDocument):
            for place in entry.locations[:PLACES]:
                said = None if place.hours is None else self.hours(place.hours)
                named = f"{self.w('hours')}: {place.name}"
                hint = self.w("hours_hint")
                controls.append(self._control(shown, f"hours.{place.id}", named, said, hint=hint))
        text = entry.description.get(_written_in(entry), "")
        if len(text) <= LONGEST_TEXT:
            controls.append(self._control(shown, "description", self.w("description"), text))
        return tag(
            "form",
            tag("p", self.w("hint"), class_="kern-body"),
            tag("input", type="hidden", name="do", value="CHANGE"),
            tag("input", type="hidden", name="language", value=_written_in(entry)),
            self._named([shown]),
            *controls,
            button(self.w("send")),
            method="post",
            novalidate=True,
            class_="form",
        )

    def _typed(self, shown: EntryShown, name: str) -> str | None:
        """Return what was typed here and refused; None where nothing was."""
        here = self.typed.get("entries", "").startswith(f"{shown.entry.id}:")
        return self.typed.get(name) if here else None

    def _control(
        self,
        shown: EntryShown,
        name: str,
        named: str,
        value: str | None,
        *,
        kind: str = "text",
        hint: str = "",
    ) -> Markup:
        """Return a control with what it shows now beside it, so that only what was changed is taken."""
        typed = self._typed(shown, name)
        now = value if typed is None else typed
        before = NOTHING
        if name == "description":
            control = lines(name, now or "", rows="5", maxlength=str(LONGEST_TEXT))
        else:
            longest = None if kind == "number" else "500"
            control = line(name, now, kind=kind, maxlength=longest, dir="auto")
            before = tag("input", type="hidden", name=f"{name}.was", value=value) if value else NOTHING
        field = self.field(f"{shown.entry.id}.{name}", named, control, required=False, hint=hint)
        return Markup(field + before)
