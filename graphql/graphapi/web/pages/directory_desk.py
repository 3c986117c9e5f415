"""The coordination's desk for the directory of its municipality: all entries, not only the own one.

What is due and what to do next, new partners, what others report, entries that are there twice, and the end
of an entry. The forms of a partner's own entry serve here too: each page under ``/entry`` is there a second
time under ``/keep/<partner>``, for the entry of that partner; the schema judges who may.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from directory.vocabulary import ChangeDecision
from graphapi.relay import global_id, read_id
from graphapi.web import pages
from graphapi.web.entering import Entered
from graphapi.web.pages.entry import DEEDS
from graphapi.web.routes import COORDINATION, ROUTES, Entry, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

PAGE: Final = 25
STATES: Final = ("DRAFT", "PUBLISHED", "HIDDEN")
LISTED: Final = 20
"""Services that are named where an entry is merged or ended; of the others the number is told."""
KINDS: Final = ("PARTNER", "SERVICE")
DUE_DEEDS: Final = ("assure-partner", "assure-service", "hide-partner", "hide-service")
"""What one click does about an entry that is due."""


# --- The desk -------------------------------------------------------------------------------------------


@page(
    "/directory",
    roles=COORDINATION,
    entry=Entry(N_("All entries"), N_("The directory: what is due, new partners, what is there twice"), 31),
)
async def desk(visit: Visit) -> Answer:
    """List the partners of the own municipality, with what waits to be done about entries."""
    asked = visit.query.get("state")
    chosen: dict[str, Any] = {
        "municipalityId": await _municipality(visit),
        "states": [asked] if asked in STATES else list(STATES),
        "namePrefix": visit.query.given("name"),
    }
    found = await visit.find(
        "browse-kept-partners", filter=chosen, first=PAGE, after=visit.query.given("after")
    )
    due = await visit.find("browse-entries-due", first=1)
    reported = await visit.find("browse-change-requests", first=1)
    return visit.page(
        "coordinator/directory.html",
        found=found,
        states=STATES,
        state=asked,
        due=due["totalCount"],
        reported=reported["totalCount"],
        uuid=_uuid,
    )


async def _municipality(visit: Visit) -> str:
    me = (await visit.ask("who-am-i"))["me"]
    return str(me["municipality"]["id"])


def _uuid(id_: str) -> str:
    """Return the UUID of a partner: what stands in addresses."""
    found = read_id(id_, "Partner")
    return str(found) if found else ""


@page("/directory/due", roles=COORDINATION)
async def due(visit: Visit) -> Answer:
    """Show the entries that nobody has confirmed for too long, the longest first, each with the next step."""
    found = await visit.find("browse-entries-due", first=PAGE, after=visit.query.given("after"))
    return visit.page("coordinator/entries_due.html", found=found, asked=visit.query.get("hide"), uuid=_uuid)


@action("/directory/due/{name:str}/{key:str}", roles=COORDINATION)
async def do_due(visit: Visit, name: str, key: str) -> Answer:
    """Confirm an entry for its partner, who said so, or hide it."""
    if name not in DUE_DEEDS:
        raise Stopped(404, "NOT_FOUND")
    if (await visit.change(name, {"id": key})).done:
        return visit.go("/directory/due", said=visit.gettext(DEEDS[name][1]))
    return await due(visit)


@page("/directory/reports", roles=COORDINATION)
async def reports(visit: Visit, deciding: str = "") -> Answer:
    """Show what speaks against entries of the own municipality: suggestions, refusals, dead links."""
    found = await visit.find("browse-change-requests", first=PAGE, after=visit.query.given("after"))
    return visit.page(
        "coordinator/reports.html", found=found, deciding=deciding or visit.query.get("decide"), uuid=_uuid
    )


@action("/directory/reports/{key:str}", roles=COORDINATION)
async def decide(visit: Visit, key: str) -> Answer:
    """Take over what somebody says against an entry, or leave the entry as it is, with the reason."""
    entered = Entered(visit)
    reason = entered.choice("reason", "ChangeDecision")
    accept = reason == ChangeDecision.ENTRY_UPDATED
    entry_version = entered.number("entryVersion") if accept else None
    given = {"id": key, "accept": accept, "reason": reason, "entryVersion": entry_version}
    if entered.right and (await visit.change("decide-change-request", given)).done:
        return visit.go("/directory/reports", said=visit.gettext("Thank you, that is decided."))
    return await reports(visit, deciding=key)


# --- A new partner --------------------------------------------------------------------------------------


@page("/directory/new", roles=COORDINATION)
async def new_form(visit: Visit, alike: list[dict[str, Any]] | None = None) -> Answer:
    """Show the form for an organisation that is not in the directory yet."""
    return visit.page("coordinator/new_partner.html", alike=alike or [], uuid=_uuid)


@action("/directory/new", roles=COORDINATION)
async def create(visit: Visit) -> Answer:
    """Add an organisation as a draft; what may be the same is shown first."""
    entered = Entered(visit)
    contacts = [
        {"kind": kind, "value": value}
        for kind, value in (("PHONE", entered.text("phone")), ("EMAIL", entered.text("mail")))
        if value
    ]
    given = {
        "municipalityId": await _municipality(visit),
        "kind": entered.choice("kind", "PartnerKind"),
        "name": entered.text("name", required=True),
        "website": entered.text("website"),
        "contactPoints": contacts,
        "dataProtectionLaw": entered.choice("dataProtectionLaw", "DataProtectionLaw"),
        "publicBody": entered.yes("publicBody"),
        "school": entered.yes("school"),
        "professionalSecrecy": entered.yes("professionalSecrecy"),
        "note": entered.text("note"),
    }
    alike = await _alike(visit, given) if entered.right and not entered.yes("another") else []
    if alike:
        message = visit.gettext("Please look first at what may be the same organisation.")
        entered.refuse("another", message)
    if entered.right:
        outcome = await visit.change("create-partner", given)
        if outcome.done:
            said = visit.gettext("The entry is begun as a draft. Add places and services, then publish it.")
            return visit.go(f"/keep/{_uuid(outcome.payload['partner']['id'])}", said=said)
        _contacts_refused(visit, [point["kind"] for point in contacts])
    return await new_form(visit, alike)


async def _alike(visit: Visit, given: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what may be the same; nothing for what cannot be entered like that: that is refused anyway."""
    of_kind = {
        kind: [p["value"] for p in given["contactPoints"] if p["kind"] == kind] for kind in ("PHONE", "EMAIL")
    }
    sought = {
        "kind": "PARTNER",
        "name": given["name"],
        "municipalityId": given["municipalityId"],
        "phones": of_kind["PHONE"],
        "mails": of_kind["EMAIL"],
        "website": given["website"],
    }
    try:
        found = (await visit.ask("find-duplicates", entry=sought))["possibleDuplicates"]
    except Stopped as stopped:
        if stopped.status != 422:
            raise
        return []
    return [one for one in found if read_id(one["entry"]["id"], "Partner")]


def _contacts_refused(visit: Visit, kinds: list[str]) -> None:
    """Bring what is refused of the n-th contact to the field in which it was entered."""
    for number, kind in enumerate(kinds):
        message = visit.errors.pop(f"contactPoints.{number}.value", None)
        if message is not None:
            visit.refuse("phone" if kind == "PHONE" else "mail", message)


# --- There twice ----------------------------------------------------------------------------------------


@page("/directory/duplicates", roles=COORDINATION)
async def duplicates(visit: Visit) -> Answer:
    """Show pairs of entries that may be the same, with the reasons; ``apart``: those that are not."""
    kind = visit.query.get("kind") if visit.query.get("kind") in KINDS else KINDS[0]
    apart, after = visit.query.get("apart") == "1", visit.query.given("after")
    found = await visit.find("find-duplicate-pairs", kind=kind, notDuplicates=apart, first=PAGE, after=after)
    return visit.page("coordinator/duplicates.html", found=found, kind=kind, kinds=KINDS, apart=apart)


def _pairs(kind: str, apart: str = "", after: str = "") -> str:
    """Return the address of a page of pairs."""
    said = {"kind": kind, "apart": apart, "after": after}
    return f"/directory/duplicates?{urlencode({name: value for name, value in said.items() if value})}"


@action("/directory/apart/{one:str}/{other:str}", roles=COORDINATION)
async def tell_apart(visit: Visit, one: str, other: str) -> Answer:
    """Say that two entries are different ones."""
    kind = _both(one, other).upper()
    if (await visit.change("mark-not-duplicates", {"entryId": one, "otherId": other})).done:
        return visit.go(
            _pairs(kind, after=visit.form.get("after")),
            said=visit.gettext("Noted: nobody is pointed to these two any more. It can be taken back."),
        )
    _refused_as_a_whole(visit, "entryId", "otherId")
    return await duplicates(visit)


@action("/directory/together/{key:str}", roles=COORDINATION)
async def take_back(visit: Visit, key: str) -> Answer:
    """Take back that two entries are different ones."""
    kind = visit.form.get("kind") if visit.form.get("kind") in KINDS else KINDS[0]
    if (await visit.change("withdraw-not-duplicates", {"id": key})).done:
        return visit.go(_pairs(kind, "1"), said=visit.gettext("Taken back: these two are compared again."))
    _refused_as_a_whole(visit, "id")
    return await duplicates(visit)


@page("/directory/merge/{one:str}/{other:str}", roles=COORDINATION)
async def merge_form(visit: Visit, one: str, other: str, *, sure: bool = False) -> Answer:
    """Show two entries side by side, and ask which one stays; ``sure``: ask once more, with what happens."""
    partners = _both(one, other) == "Partner"
    sides = [await (_partner_side if partners else _service_side)(visit, key) for key in (one, other)]
    if not partners and sides[0]["partner_id"] != sides[1]["partner_id"]:
        raise Stopped(409, "NOT_MERGED", visit.gettext("These services belong to different organisations."))
    stays = next((side for side in sides if side["id"] == visit.form.get("survivorId")), sides[0])
    ends = next(side for side in sides if side is not stays)
    return visit.page(
        "coordinator/merge.html",
        sides=sides,
        rows=_compared(visit, sides),
        stays=stays,
        ends=ends,
        partners=partners,
        sure=sure,
        here=f"/directory/merge/{one}/{other}",
        leads=visit.role == "LEAD",
    )


@action("/directory/merge/{one:str}/{other:str}", roles=COORDINATION)
async def merge(visit: Visit, one: str, other: str) -> Answer:
    """Merge two entries, asked once more."""
    kind = _both(one, other)
    entered = Entered(visit)
    stays = visit.form.get("survivorId")
    if stays not in {one, other}:
        entered.refuse("survivorId", visit.gettext("Please choose."))
    reason = entered.text("reason", required=True)
    versions = {key: entered.number(f"version.{at}") for at, key in enumerate((one, other))}
    if not entered.right or None in versions.values():
        return await merge_form(visit, one, other)
    if not entered.yes("sure"):
        return await merge_form(visit, one, other, sure=True)
    ends = other if stays == one else one
    given = {
        "survivorId": stays,
        "expectedVersion": versions[stays],
        "mergedId": ends,
        "mergedExpectedVersion": versions[ends],
        "reason": reason,
    }
    if kind == "Partner":
        given["sameLegalBody"] = entered.yes("sameLegalBody")
    if (await visit.change(f"merge-{kind.lower()}s", given)).done:
        return visit.go(
            f"/directory/duplicates?kind={kind.upper()}",
            said=visit.gettext("Merged. The old address leads to the entry that stays."),
        )
    _refused_as_a_whole(visit, "mergedId")
    return await merge_form(visit, one, other)


def _both(one: str, other: str) -> str:
    """Return of which kind two entries are; raises Stopped (404) unless they are two of one kind."""
    for kind in ("Partner", "Service"):
        if one != other and read_id(one, kind) and read_id(other, kind):
            return kind
    raise Stopped(404, "NOT_FOUND")


def _refused_as_a_whole(visit: Visit, *fields: str) -> None:
    """Say of the whole form what is refused of a field that it does not show."""
    for name in fields:
        message = visit.errors.pop(name, None)
        if message is not None:
            visit.refuse("", message)


async def _partner_side(visit: Visit, key: str) -> dict[str, Any]:
    """Return what is compared of a partner; raises Stopped (404) for one that is not ours to keep."""
    found = await _kept(visit, key)
    partner = found["partner"]
    town = [", ".join(filter(None, (p["name"], p["street"], p["city"]))) for p in partner["locations"]]
    return {
        "id": key,
        "title": partner["name"],
        "version": partner["version"],
        "services": [one["title"]["text"] for one in found["services"]["nodes"]],
        "count": found["services"]["totalCount"],
        "places": len(partner["locations"]),
        "entry": f"/keep/{_uuid(key)}",
        "said": {
            "kind": partner["kindLabel"],
            "state": partner["state"],
            "texts": _lines(one["text"] for one in partner["descriptions"]),
            "website": partner["website"],
            "contacts": _lines(one["value"] for one in partner["contactPoints"]),
            "places": _lines(town),
            "services": found["services"]["totalCount"],
            "checked": partner["assuredAt"],
        },
    }


async def _service_side(visit: Visit, key: str) -> dict[str, Any]:
    """Return what is compared of a service; raises Stopped (404) for one that is not ours to keep."""
    service = await visit.find("read-own-service", id=key)
    partner = service["partner"]["id"]
    await _kept(visit, partner)
    return {
        "id": key,
        "title": service["title"]["text"],
        "version": service["version"],
        "partner_id": partner,
        "services": [],
        "count": 0,
        "places": 0,
        "entry": f"/keep/{_uuid(partner)}/services/{key}",
        "said": {
            "kind": service["kindLabel"],
            "state": service["state"],
            "texts": _lines(one["text"] for one in service["descriptions"]),
            "website": service["website"],
            "contacts": _lines(one["value"] for one in service["contactPoints"]),
            "room": service["capacity"]["currentLabel"],
            "checked": service["freshness"]["assuredAt"],
        },
    }


def _lines(texts: Any) -> str:
    return "\n".join(texts)


def _compared(visit: Visit, sides: list[dict[str, Any]]) -> list[tuple[str, str, list[Any], bool]]:
    """Return the rows of the comparison: key, heading, both values, and whether they are the same."""
    headings = {
        "kind": visit.gettext("Kind"),
        "state": visit.gettext("Publication"),
        "texts": visit.gettext("Description"),
        "website": visit.gettext("Website"),
        "contacts": visit.gettext("Contacts"),
        "places": visit.gettext("Places"),
        "room": visit.gettext("Free places"),
        "services": visit.gettext("Services"),
        "checked": visit.gettext("Last checked on"),
    }
    rows = []
    for key in sides[0]["said"]:
        values = [side["said"][key] for side in sides]
        rows.append((key, headings[key], values, values[0] == values[1]))
    return rows


# --- The end of an entry --------------------------------------------------------------------------------


@page("/directory/end/{key:str}", roles=COORDINATION)
async def end_form(visit: Visit, key: str) -> Answer:
    """Ask whether the entry of an organisation is to end, and say what happens then."""
    if read_id(key, "Partner") is None:
        raise Stopped(404, "NOT_FOUND")
    return visit.page("coordinator/end_entry.html", side=await _partner_side(visit, key))


@action("/directory/end/{key:str}", roles=COORDINATION)
async def end(visit: Visit, key: str) -> Answer:
    """End an entry: it leaves the directory, its tombstone tells everybody who kept a copy."""
    entered = Entered(visit)
    given = {"id": key, "reason": entered.text("reason", required=True)}
    if entered.right and (await visit.change("delete-partner", given)).done:
        return visit.go("/directory", said=visit.gettext("The entry has left the directory."))
    _refused_as_a_whole(visit, "id")
    return await end_form(visit, key)


# --- The forms of the own entry, for the entry of another partner ---------------------------------------


async def _kept(visit: Visit, key: str, *, services: int = LISTED) -> dict[str, Any]:
    """Return a partner whose entry the visitor keeps; raises Stopped (404) for every other one."""
    found = await visit.ask(
        "read-kept-partner", id=key, services={"partnerId": key, "states": STATES}, first=services
    )
    if found["partner"] is None or found["partner"]["settings"] is None:
        raise Stopped(404, "NOT_FOUND")
    return found


_OWN: Final = re.compile(r'( (?:href|action|hx-post|hx-get)=")/entry(?=["/?#])')
"""Where a page of the own entry leads to another one. Nothing typed looks so: its quotes are escaped."""


def _for_partner(handler: Any) -> Callable[..., Awaitable[Answer]]:
    """Return a handler that does for a partner named in the address what another does for the own one."""

    async def handle(visit: Visit, of: str, **parameters: str) -> Answer:
        try:
            partner = UUID(of)
        except ValueError:
            raise Stopped(404, "NOT_FOUND") from None
        found = await _kept(visit, global_id("Partner", partner), services=1)
        visit.keeps, visit.kept = partner, found["partner"]
        answer: Answer = await handler(visit, **parameters)
        here = f"/keep/{partner}"
        if isinstance(answer.body, str):
            answer.body = _OWN.sub(rf"\g<1>{here}", answer.body)
        for name in ("location", "hx-redirect"):
            goal = answer.headers.get(name, "")
            if re.match(r"/entry(?=$|[/?#])", goal):
                answer.headers[name] = here + goal.removeprefix("/entry")
        return answer

    handle.__name__ = f"kept_{handler.__name__}"
    handle.__module__ = handler.__module__
    return handle


def _mount() -> None:
    """Register each page of the own entry a second time; all modules that have some are loaded first."""
    for module in iter_modules(pages.__path__):
        if module.name != __name__.rpartition(".")[2]:
            import_module(f"{pages.__name__}.{module.name}")
    for (method, path), route in list(ROUTES.items()):
        if path == "/entry" or path.startswith("/entry/"):
            there = "/keep/{of:str}" + path.removeprefix("/entry")
            (page if method == "GET" else action)(there, roles=COORDINATION)(_for_partner(route.handler))


_mount()
