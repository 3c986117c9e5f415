"""Searches that a member keeps: saved from the search page, with what is new; renamed, forgotten.

A search says what is looked for, never for whom; its name is asked to hold no person either.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from graphapi.relay import read_id
from graphapi.web import labels
from graphapi.web.entering import Entered
from graphapi.web.pages.clients import topics_of
from graphapi.web.pages.directory import LEVELS, LONGEST, filters_of
from graphapi.web.routes import MEMBERS, Entry, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Fields, Visit

LONGEST_NAME: Final = 100
ASKED: Final = (
    "text",
    "kinds",
    "topics",
    "languages",
    "partnerKinds",
    "open",
    "childcare",
    "womenOnly",
    "level",
)
"""What of the search page's address is kept."""

_SHOWN_COURSE: Final = frozenset({"level_from", "level_to", "childcare", "women_only"})


def _kept(asked: Fields) -> list[tuple[str, str]]:
    return [(name, value) for name, value in asked.pairs() if name in ASKED and value][:60]


def _pairs(search: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a saved search as the search page's address has it."""
    filters, course = search["filters"], msgspec.json.decode(search["filters"]["course"] or "{}")
    pairs = [("text", search["text"])] if search["text"] else []
    pairs += [(n, v) for n in ("kinds", "topics", "languages", "partnerKinds") for v in filters[n]]
    if filters["openCapacityOn"]:
        pairs.append(("open", "true"))
    pairs += [
        (n, "true") for n, own in (("childcare", "childcare"), ("womenOnly", "women_only")) if course.get(own)
    ]
    if course.get("level_from") in LEVELS and course.get("level_from") == course.get("level_to"):
        pairs.append(("level", course["level_from"]))
    return pairs


def _beyond(search: dict[str, Any]) -> bool:
    """Whether a search, kept by another program, has filters that the search page does not know."""
    filters, course = search["filters"], msgspec.json.decode(search["filters"]["course"] or "{}")
    others = {name for name, value in course.items() if value and name not in _SHOWN_COURSE}
    one_level = course.get("level_from") == course.get("level_to")
    return bool(filters["municipality"] or filters["near"] or others or not one_level)


def _in_words(visit: Visit, pairs: list[tuple[str, str]], topics: dict[str, str]) -> list[str]:
    words = []
    flags = {
        "open": visit.gettext("with free places"),
        "childcare": visit.gettext("with childcare"),
        "womenOnly": visit.gettext("for women only"),
    }
    for name, value in pairs:
        if name == "text":
            words.append(f"„{value}“" if visit.language == "de" else f"“{value}”")
        elif name == "topics":
            words.append(topics.get(value, value))
        elif name == "languages":
            words.append(labels.tongue(value, visit.language))
        elif name == "level":
            words.append(visit.gettext("Level %(level)s") % {"level": value})
        elif name in flags:
            words.append(flags[name])
        else:
            enum = "ServiceKind" if name == "kinds" else "PartnerKind"
            words.append(labels.label(enum, value, visit.language))
    return words


async def _all(visit: Visit) -> dict[str, Any]:
    found = await visit.ask("browse-saved-searches")
    topics = await topics_of(visit)
    for one in found["savedSearches"]:
        pairs = _pairs(one)
        one["words"] = _in_words(visit, pairs, topics)
        one["address"] = f"/search?{urlencode(pairs)}"
        one["beyond"] = _beyond(one)
        for name in ("newHits", "changedHits"):
            for hit in one[name]:
                hit["address"] = f"/service/{read_id(hit['id'], 'Service')}"
    return found


@page(
    "/searches",
    roles=MEMBERS,
    entry=Entry(N_("Saved searches"), N_("What is new among what you look for again and again"), 11),
)
async def saved(visit: Visit, chosen: str = "") -> Answer:
    """List own saved searches with what is new; each can be renamed, told of by mail, and forgotten."""
    found = await _all(visit)
    chosen = chosen or visit.query.get("change") or visit.query.get("forget")
    return visit.page(
        "coordinator/saved_searches.html",
        searches=found["savedSearches"],
        mailbox=found["mailbox"],
        chosen=next((one for one in found["savedSearches"] if one["id"] == chosen), None),
        forgetting=bool(visit.query.get("forget")),
    )


@page("/searches/new", roles=MEMBERS)
async def new(visit: Visit) -> Answer:
    """Show what is to be kept, and ask for a name; comes from the search page with its address."""
    pairs = _kept(visit.form or visit.query)
    if not pairs:
        return visit.go("/search")
    words = _in_words(visit, pairs, await topics_of(visit))
    found = await visit.ask("browse-saved-searches")
    return visit.page(
        "coordinator/save_search.html",
        pairs=pairs,
        words=words,
        back=f"/search?{urlencode(pairs)}",
        suggested=", ".join(word.strip("„“”") for word in words)[:LONGEST_NAME],
        mailbox=found["mailbox"],
    )


@action("/searches/new", roles=MEMBERS)
async def save(visit: Visit) -> Answer:
    """Keep a search."""
    entered = Entered(visit)
    given = {
        "name": entered.text("name", required=True),
        "text": visit.form.get("text")[:LONGEST],
        "filters": filters_of(visit, visit.form)[1],
        "notify": entered.yes("notify"),
    }
    if entered.right and (await visit.change("save-search", given)).done:
        return visit.go("/searches", said=visit.gettext("The search is saved."))
    if visit.refusal is not None and visit.refusal.details.get("reason") == "too-many":
        visit.errors = {"": visit.gettext("You keep as many searches as one can. Forget one of them first.")}
    return await new(visit)


@action("/searches/{id:str}/change", roles=MEMBERS)
async def change(visit: Visit, id: str) -> Answer:  # noqa: A002 - as in the address
    """Rename a search, be told of it by mail or not."""
    entered = Entered(visit)
    given = {"id": id, "name": entered.text("name", required=True), "notify": entered.yes("notify")}
    if entered.right and (await visit.change("change-saved-search", given)).done:
        return visit.go("/searches", said=visit.gettext("The changes were saved."))
    return await saved(visit, id)


@action("/searches/{id:str}/forget", roles=MEMBERS)
async def forget(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Forget a search."""
    if (await visit.change("delete-saved-search", {"id": id})).done:
        return visit.go("/searches", said=visit.gettext("The search is forgotten."))
    return await saved(visit)


@action("/searches/mailbox/{name:str}", roles=MEMBERS)
async def mailbox(visit: Visit, name: str) -> Answer:
    """Name the address that news go to, or have it forgotten."""
    if name == "set":
        entered = Entered(visit)
        given = {"address": entered.text("address", required=True)}
        if entered.right and (await visit.change("set-mailbox", given)).done:
            said = visit.gettext("We have written to this address. Say yes there, then news come by mail.")
            return visit.go("/searches", said=said)
    elif name == "remove":
        if (await visit.change("remove-mailbox", {})).done:
            return visit.go("/searches", said=visit.gettext("The address is deleted. No more mail."))
    else:
        raise Stopped(404, "NOT_FOUND")
    return await saved(visit)
