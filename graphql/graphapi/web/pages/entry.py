"""The own entry in the directory: what is due, what changes most, what others say against it, what it was."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from babel.dates import get_day_names

from directory.languages import PROJECT
from directory.vocabulary import ChangeDecision
from graphapi.web import rows, territories
from graphapi.web.entering import Entered
from graphapi.web.labels import enum_of, label, tongue
from graphapi.web.pages.inbox import own_id
from graphapi.web.pages.own_services import own_service
from graphapi.web.rendering import day_of
from graphapi.web.routes import ORGANISATIONS, Entry, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

PAGE: Final = 20
STATES: Final = ("DRAFT", "PUBLISHED", "HIDDEN")
DEEDS: Final[dict[str, tuple[str, str]]] = {
    "assure-partner": ("assure-partner", N_("Thank you. The entry counts as checked today.")),
    "publish-partner": ("publish-partner", N_("The entry is published. It can be found in a few seconds.")),
    "hide-partner": ("hide-partner", N_("The entry is out of sight, with all its services.")),
    "assure-service": ("assure-service", N_("Thank you. The service counts as checked today.")),
    "publish-service": ("publish-service", N_("The service is published. It can be found in a few seconds.")),
    "hide-service": ("hide-service", N_("The service is out of sight.")),
}
"""What one click does: the document and what is said after it."""


@page(
    "/entry",
    roles=ORGANISATIONS,
    entry=Entry(N_("Own entry"), N_("What others read about you; keep it right"), 30),
)
async def entry(visit: Visit) -> Answer:
    """Show the own organisation and its services, with what is due."""
    own = own_id(visit)
    found = await visit.ask("read-own-entry", id=own, services={"partnerId": own, "states": STATES})
    if found["partner"] is None:
        raise Stopped(404, "NOT_FOUND")
    services = found["services"]["nodes"]
    due = [one for one in (found["partner"], *services) if one["freshness"]["state"] != "FRESH"]
    return visit.page(
        "partner/entry.html",
        partner=found["partner"],
        services=services,
        public=f"/partner/{visit.keeps or visit.actor.partner_id}",
        requests=found["changeRequests"]["totalCount"],
        due=due,
        asked=visit.query.get("ask"),
        week=week_in_words,
    )


@action("/entry/do/{name:str}/{key:str}", roles=ORGANISATIONS)
async def deed(visit: Visit, name: str, key: str) -> Answer:
    """Do one thing to the entry or one of its services."""
    if name not in DEEDS:
        raise Stopped(404, "NOT_FOUND")
    document, said = DEEDS[name]
    outcome = await visit.change(document, {"id": key})
    if outcome.done:
        return visit.go("/entry", said=visit.gettext(said))
    return await entry(visit)


@page("/entry/change", roles=ORGANISATIONS)
async def change_form(visit: Visit) -> Answer:
    """Show the form for name, description, website and contacts."""
    partner = await _own(visit)
    tags = rows.tags_of(visit, partner["descriptions"])
    return visit.page(
        "partner/change_partner.html",
        partner=partner,
        rows=_rows(visit, partner),
        tags=tags,
        more=rows.more_tags(tags),
    )


@action("/entry/change", roles=ORGANISATIONS)
async def change(visit: Visit) -> Answer:
    """Change name, description, website and contacts."""
    partner = await _own(visit)
    entered = Entered(visit)
    sent, contacts = _contacts(entered, visit, partner["contactPoints"])
    given = {
        "id": partner["id"],
        "name": entered.text("name", required=True),
        "website": entered.text("website"),
        "description": rows.texts(visit, "description", partner["descriptions"]),
        "contactPoints": contacts,
    }
    if entered.right and (await visit.change("change-partner", given)).done:
        return visit.go("/entry", said=visit.gettext("Your entry is changed."))
    _refused(visit, sent, "description")
    return await change_form(visit)


async def _own(visit: Visit) -> Any:
    own = own_id(visit)
    found = await visit.ask("read-own-entry", id=own, services={"partnerId": own, "states": STATES}, first=1)
    if found["partner"] is None:
        raise Stopped(404, "NOT_FOUND")
    return found["partner"]


def _rows(visit: Visit, of: dict[str, Any]) -> int:
    """Return how many rows for contacts a form has."""
    return rows.count(visit, "contactPoints", len(of["contactPoints"]))


def _refused(visit: Visit, sent: list[int], *texts: str) -> None:
    """Bring what is refused of texts and contacts to the fields where it was entered."""
    for name in texts:
        rows.refused_texts(visit, name)
    rows.refused_rows(visit, "contactPoints", sent, ("value", "kind"))


def _contacts(
    entered: Entered, visit: Visit, before: list[dict[str, Any]]
) -> tuple[list[int], list[dict[str, Any]]]:
    """Return the rows that were filled in, and their contacts.

    What the form does not show of a row stays (label, languages).
    """
    sent: list[int] = []
    found: list[dict[str, Any]] = []
    for row in range(_rows(visit, {"contactPoints": before})):
        value = visit.form.given(f"contactPoints.{row}.value")
        if value is None:
            continue
        kind = entered.choice(f"contactPoints.{row}.kind", "ContactKind")
        old = before[row] if row < len(before) and before[row]["kind"] == kind else None
        kept: dict[str, Any] = {}
        if old is not None:
            labels = [{"language": one["language"], "text": one["text"]} for one in old["labels"]]
            kept = {"label": labels, "languages": old["languages"]}
            if old["value"] == value:
                kept["extension"] = old["extension"]
        sent.append(row)
        found.append({"kind": kind, "value": value, **kept})
    return sent, found


@page("/entry/places/{key:str}", roles=ORGANISATIONS)
async def place_form(visit: Visit, key: str) -> Answer:
    """Show the form for a place: its address and when it is open."""
    partner, place = await _place(visit, key)
    return _place_shown(visit, partner, place)


def _place_shown(visit: Visit, partner: Any, place: Any) -> Answer:
    tags = rows.tags_of(visit, place["accessibilityTexts"] if place else [])
    return visit.page(
        "partner/place.html",
        partner=partner,
        place=place,
        week=_week(place),
        tags=tags,
        more=rows.more_tags(tags),
        removing=place is not None and bool(visit.query.get("remove")),
    )


@action("/entry/places/{key:str}", roles=ORGANISATIONS)
async def change_place(visit: Visit, key: str) -> Answer:
    """Change a place."""
    _, place = await _place(visit, key)
    entered = Entered(visit)
    given = {
        "id": key,
        **_address(entered),
        "accessibility": rows.texts(visit, "accessibility", place["accessibilityTexts"]),
        "hours": _hours(visit, entered, place["hours"]),
    }
    if entered.right and (await visit.change("change-location", given)).done:
        return visit.go("/entry", said=visit.gettext("The place is changed."))
    rows.refused_texts(visit, "accessibility")
    return await place_form(visit, key)


@action("/entry/places/{key:str}/remove", roles=ORGANISATIONS)
async def remove_place(visit: Visit, key: str) -> Answer:
    """Remove a place; what was offered there is offered there no longer."""
    if (await visit.change("remove-location", {"id": key})).done:
        return visit.go("/entry", said=visit.gettext("The place is removed."))
    return await place_form(visit, key)


@page("/entry/new-place", roles=ORGANISATIONS)
async def new_place_form(visit: Visit) -> Answer:
    """Show the form for a place that is not there yet."""
    return _place_shown(visit, await _own(visit), None)


@action("/entry/new-place", roles=ORGANISATIONS)
async def add_place(visit: Visit) -> Answer:
    """Add a place."""
    entered = Entered(visit)
    given = {
        "partnerId": own_id(visit),
        **_address(entered),
        "accessibility": rows.texts(visit, "accessibility", []),
        "hours": _hours(visit, entered, None),
    }
    if entered.right and (await visit.change("add-location", given)).done:
        return visit.go(
            "/entry", said=visit.gettext("The place is added. Say of each service if it is there.")
        )
    rows.refused_texts(visit, "accessibility")
    return await new_place_form(visit)


async def _place(visit: Visit, key: str) -> tuple[Any, Any]:
    """Return the own entry and the place of this id in it."""
    partner = await _own(visit)
    place = next((one for one in partner["locations"] if one["id"] == key), None)
    if place is None:
        raise Stopped(404, "NOT_FOUND")
    return partner, place


DAYS: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
"""The weekdays as OpenStreetMap writes them."""


def week_in_words(visit: Visit, hours: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return when a place is open as people say it: days that are alike in one line, then the times.

    Nothing where no times are known; what the times do not say (by appointment) is the template's.
    """
    periods = (hours or {}).get("periods", [])
    days = [
        ", ".join(f"{p['opens']}–{p['closes']}" for p in periods if p["weekday"] == number)
        for number in range(1, len(DAYS) + 1)
    ]
    names = get_day_names("wide", locale=visit.language)
    found: list[tuple[str, str]] = []
    first = 0
    while first < len(days):
        last = first
        while last + 1 < len(days) and days[last + 1] == days[first]:
            last += 1
        if days[first]:
            said = names[first] if last == first else f"{names[first]}–{names[last]}"
            found.append((said, days[first]))
        first = last + 1
    return found


def _week(place: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return when a place is open, by weekday, as it is entered: 09:00-12:00, 13:00-16:00."""
    periods = (place["hours"] or {}).get("periods", []) if place else []
    return [
        (day, ", ".join(f"{p['opens']}-{p['closes']}" for p in periods if p["weekday"] == number))
        for number, day in enumerate(DAYS, start=1)
    ]


def _address(entered: Entered) -> dict[str, Any]:
    return {
        "name": entered.text("name", required=True),
        "street": entered.text("street"),
        "postcode": entered.text("postcode"),
        "city": entered.text("city"),
    }


def _hours(visit: Visit, entered: Entered, before: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the hours as entered, in the time zone that they were in; None when nothing is said."""
    week = [(day, said) for day in DAYS if (said := visit.form.get(f"hours.{day}"))]
    by_appointment = entered.yes("byAppointment")
    if not week and not by_appointment:
        return None
    return {
        "osm": "; ".join(f"{day} {','.join(said.replace(' ', '').split(','))}" for day, said in week),
        "byAppointment": by_appointment,
        "closedOnHolidays": entered.yes("closedOnHolidays"),
        **({"timezone": before["timezone"]} if before else {}),
    }


@page("/entry/services/{key:str}", roles=ORGANISATIONS)
async def service_form(visit: Visit, key: str) -> Answer:
    """Show the forms for a service: how much room there is, and its texts and contacts."""
    service = await own_service(visit, key)
    tags = rows.tags_of(visit, service["titles"], service["descriptions"])
    return visit.page(
        "partner/change_service.html",
        service=service,
        rows=_rows(visit, service),
        tags=tags,
        more=rows.more_tags(tags),
    )


@action("/entry/services/{key:str}", roles=ORGANISATIONS)
async def change_service(visit: Visit, key: str) -> Answer:
    """Change texts, website and contacts of a service."""
    service = await own_service(visit, key)
    entered = Entered(visit)
    sent, contacts = _contacts(entered, visit, service["contactPoints"])
    given = {
        "id": key,
        "title": rows.texts(visit, "title", service["titles"]),
        "description": rows.texts(visit, "description", service["descriptions"]),
        "website": entered.text("website"),
        "contactPoints": contacts,
    }
    entered.text("title.de", required=True)
    if entered.right and (await visit.change("change-service", given)).done:
        return visit.go("/entry", said=visit.gettext("The service is changed."))
    _refused(visit, sent, "title", "description")
    return await service_form(visit, key)


@action("/entry/services/{key:str}/capacity", roles=ORGANISATIONS)
async def set_capacity(visit: Visit, key: str) -> Answer:
    """Say how much room a service has."""
    entered = Entered(visit)
    capacity = {
        "state": entered.choice("capacity.state", "CapacityState"),
        "places": entered.number("capacity.places"),
        "waitingWeeks": entered.number("capacity.waitingWeeks"),
        "expiresOn": entered.day("capacity.expiresOn", required=False),
    }
    if entered.right and (await visit.change("set-capacity", {"id": key, "capacity": capacity})).done:
        return visit.go("/entry", said=visit.gettext("Thank you. Everybody sees the new number of places."))
    return await service_form(visit, key)


@page("/entry/requests", roles=ORGANISATIONS)
async def requests(visit: Visit, deciding: str = "") -> Answer:
    """Show what others say against the own entry."""
    found = await visit.find(
        "browse-change-requests", partnerId=own_id(visit), first=PAGE, after=visit.query.given("after")
    )
    return visit.page("partner/requests.html", found=found, deciding=deciding or visit.query.get("decide"))


@action("/entry/requests/{key:str}", roles=ORGANISATIONS)
async def decide(visit: Visit, key: str) -> Answer:
    """Accept or reject what somebody says against the entry."""
    entered = Entered(visit)
    reason = entered.choice("reason", "ChangeDecision")
    accept = reason == ChangeDecision.ENTRY_UPDATED
    entry_version = entered.number("entryVersion") if accept else None
    given = {"id": key, "accept": accept, "reason": reason, "entryVersion": entry_version}
    if entered.right and (await visit.change("decide-change-request", given)).done:
        return visit.go("/entry/requests", said=visit.gettext("Thank you, that is decided."))
    return await requests(visit, deciding=key)


FIELDS: Final[dict[str, str]] = {
    "name": N_("Name"),
    "title": N_("Title"),
    "description": N_("Description"),
    "website": N_("Website"),
    "contact_points": N_("Contacts"),
    "locations": N_("Places"),
    "hours": N_("Opening hours"),
    "languages": N_("Languages"),
    "kind": N_("Kind"),
    "state": N_("Publication"),
    "active": N_("Takes part"),
    "topics": N_("Topics"),
    "eligibility": N_("For whom?"),
    "area": N_("Area"),
    "responsibility": N_("Responsibility"),
    "location_ids": N_("Places"),
    "capacity": N_("Free places"),
    "course": N_("The course"),
    "recognition": N_("Recognition"),
    "interpreting": N_("Interpreting"),
    "referral_facts": N_("How to get there"),
    "application_process": N_("How to apply"),
    "required_documents": N_("What is needed"),
    "note": N_("Internal note"),
    "assured_at": N_("Last checked on"),
    "source_language": N_("Language of the original"),
}
"""What the history calls the fields of an entry; others say nothing to people and are left out."""


PARTS: Final[dict[str, str]] = {
    "level_from": N_("Level it begins at"),
    "level_to": N_("Level it leads to"),
    "lessons": N_("Lessons of 45 minutes"),
    "format": N_("How it is held"),
    "exam": N_("Exam at the end"),
    "access": N_("What is needed to get a place"),
    "childcare": N_("Is there childcare?"),
    "women_only": N_("For women only?"),
    "repeats": N_("The course begins again and again; more dates will follow"),
    "runs": N_("When it is held"),
    "starts_on": N_("First day"),
    "ends_on": N_("Last day"),
    "apply_by": N_("Apply by"),
    "places": N_("Free places"),
    "full": N_("Nobody else is taken"),
    "waiting_weeks": N_("Weeks to wait"),
    "expires_on": N_("Holds until"),
    "lead_time_hours": N_("Hours ahead that it must be ordered"),
    "by_appointment": N_("Only by appointment"),
    "closed_on_holidays": N_("Closed on public holidays"),
}
"""What the history calls parts of a value that say little alone: a number, a day, yes or no."""


def said_in_words(visit: Visit, path: str, given: str | None) -> tuple[str, str]:
    """Return what the history calls a field, and what it said there; empty where that says nothing."""
    return _field(visit, path), _plain(visit, path, given)


def _field(visit: Visit, path: str) -> str:
    """Return the words for a field of an entry; behind a dot stands a language or a part of it."""
    name, _, part = path.partition(".")
    said = visit.gettext(FIELDS[name]) if name in FIELDS else ""
    if said and part in PARTS:
        return f"{said}: {visit.gettext(PARTS[part])}"
    spoken = tongue(part, visit.language) if part else ""
    return f"{said} ({spoken})" if said and spoken != part else said


def _plain(visit: Visit, path: str, given: str | None) -> str:
    """Return a value of the history (JSON) as it is read: a text without quotes, a list with commas."""
    if given is None:
        return ""
    value = msgspec.json.decode(given)
    if isinstance(value, bool):
        return visit.gettext("yes") if value else visit.gettext("no")
    if isinstance(value, str) and path in {"kind", "state", "responsibility"}:
        for enum in ENUMS:
            if value in enum_of(enum).__members__:
                return label(enum, value, visit.language)
    return _facts(visit, value, path.rpartition(".")[2])


ENUMS: Final = ("PublicationState", "PartnerKind", "ServiceKind", "Responsibility")
"""Whose values stand in the history as they are kept."""


WORDS: Final[dict[str, str]] = {
    "statuses": "ResidenceStatus",
    "answer": "Answer",
    "work_permission": "WorkPermission",
    "legal_circles": "LegalCircle",
    "genders": "Gender",
    "level_from": "CefrLevel",
    "level_to": "CefrLevel",
    "format": "CourseFormat",
    "access": "CourseAccess",
    "modes": "InterpretingMode",
    "state": "CapacityState",
    "kind": "ContactKind",
}
"""Whose values stand inside a value of the history, by the name they stand under."""


UNSAID: Final = frozenset({"id", "ars", "latitude", "longitude", "osm", "timezone", "periods"})
"""Parts of a value that tell people nothing, or that are told in other words."""

FIRST: Final = ("name", "street", "postcode", "city")
"""Parts of a place in the order of an address."""


def _facts(visit: Visit, value: Any, under: str) -> str:
    """Return what a value says, part by part, in words."""
    if isinstance(value, dict):
        week = [f"{days} {times}" for days, times in week_in_words(visit, value)]
        ordered = [name for name in FIRST if name in value] + [name for name in value if name not in FIRST]
        parts = week + [
            _called(visit, name, said)
            for name in ordered
            if name not in UNSAID and (said := _facts(visit, value[name], name))
        ]
    elif isinstance(value, list):
        parts = [_facts(visit, one, under) for one in value]
    elif isinstance(value, bool):
        return visit.gettext("yes") if value else visit.gettext("no")
    elif isinstance(value, str):
        return _said(visit, value, under)
    else:
        return "" if value is None else str(value)
    return ", ".join(part for part in parts if part)


TONGUES: Final = frozenset({"language", "languages", "source_language"})
_DATED: Final = re.compile(r"20\d\d-[01]\d-[0-3]\d(T[0-9:.]+(Z|[+-][0-9:]+))?")


def _called(visit: Visit, name: str, said: str) -> str:
    """Return a part of a value with what it is called, where that is needed to understand it."""
    if name in PROJECT:
        return f"{tongue(name, visit.language)}: {said}"
    return f"{visit.gettext(PARTS[name]).rstrip('?')}: {said}" if name in PARTS else said


def _said(visit: Visit, value: str, under: str) -> str:
    if under in WORDS and value in enum_of(WORDS[under]).__members__:
        return label(WORDS[under], value, visit.language)
    if under in {"area", "residence"}:
        return territories.named(value)
    if _DATED.fullmatch(value):
        return day_of(value, visit.language)
    return tongue(value, visit.language) if under in TONGUES else value


@page("/entry/history/{key:str}", roles=ORGANISATIONS)
async def history(visit: Visit, key: str) -> Answer:
    """Show who changed an entry, when, and what it said before."""
    found = await visit.find("read-history", id=key, first=PAGE, after=visit.query.given("after"))
    for version in found["nodes"]:
        version["changes"] = [
            {
                "field": words,
                "before": _plain(visit, one["field"], one["before"]),
                "after": _plain(visit, one["field"], one["after"]),
            }
            for one in version["changes"]
            if (words := _field(visit, one["field"]))
        ]
    return visit.page("partner/history.html", found=found, entry=key)


@page("/entry/translations", roles=ORGANISATIONS)
async def translations(visit: Visit) -> Answer:
    """Show translations that are older than the text they were made from."""
    found = await visit.find("browse-stale-translations", first=PAGE, after=visit.query.given("after"))
    for entry_ in found["nodes"]:
        for text in entry_["texts"]:
            text["field"] = _field(visit, text["field"])
    return visit.page("partner/translations.html", found=found)


@action("/entry/translations/{key:str}", roles=ORGANISATIONS)
async def confirm_translation(visit: Visit, key: str) -> Answer:
    """Say that a translation is still right."""
    kind = "partner" if visit.form.get("kind") == "Partner" else "service"
    given = {"id": key, "language": visit.form.get("language")}
    if (await visit.change(f"confirm-{kind}-translation", given)).done:
        return visit.go(
            "/entry/translations", said=visit.gettext("Thank you. The translation counts as checked.")
        )
    return await translations(visit)
