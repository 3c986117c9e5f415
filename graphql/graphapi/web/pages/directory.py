"""Public pages of the directory: search with filters and map, services, partners, "something is wrong here".

Everything that was chosen stands in the address, so that a search can be kept, sent and repeated.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from markupsafe import Markup

from graphapi.formats import handout
from graphapi.messages import preferred_languages
from graphapi.relay import global_id, read_id
from graphapi.web import guarding, labels, territories
from graphapi.web.routes import Entry, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import LANGUAGES, N_
from graphapi.web.visiting import Answer, Fields, Visit

PAGE: Final = 20
ON_MAP: Final = 200
"""Services whose places are shown on one map, at most; more markers tell nobody anything."""

AT_ONCE: Final = 100
"""The largest page that a search gives."""

LONGEST: Final = 200
"""Characters of what is searched for."""

SUGGESTED: Final = 8
SHOWN_VALUES: Final = 8
"""Values of a filter that are shown at once; the others wait behind "more"."""

_TAG: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
LEVELS: Final = ("A0", "A1", "A2", "B1", "B2", "C1", "C2")
FACETS: Final = ("TOPIC", "KIND", "LANGUAGE", "PARTNER_KIND")

CORRECTABLE: Final = {
    "SERVICE": ("CAPACITY", "ELIGIBILITY", "TITLE", "DESCRIPTION", "WEBSITE", "PHONE", "EMAIL", "EXISTENCE"),
    "PARTNER": ("TITLE", "DESCRIPTION", "WEBSITE", "PHONE", "EMAIL", "EXISTENCE"),
}

_TOPICS: dict[str, tuple[float, dict[str, str]]] = {}
TOPICS_KEPT: Final = 60.0
"""Seconds that the names of topics are kept; a search shows them with every answer."""


async def _topics(visit: Visit) -> Mapping[str, str]:
    until, found = _TOPICS.get(visit.language, (0.0, {}))
    if until < time.monotonic():
        told = await visit.ask("read-vocabulary")
        found = {
            one["topic"]["code"]: (one["topic"]["label"] or {}).get("text") or one["topic"]["code"]
            for one in told["topics"]
        }
        _TOPICS[visit.language] = (time.monotonic() + TOPICS_KEPT, found)
    return found


def _read_in(visit: Visit) -> str:
    """Have texts of entries in the reader's language, also one that the pages themselves do not speak.

    That is the one chosen on the page (``in``), else the browser's first; return it.
    """
    browser = preferred_languages(visit.headers.get("accept-language"))
    own = next((tag for tag in browser[:1] if tag.split("-")[0].lower() not in LANGUAGES), "")
    chosen = visit.query.get("in") if _TAG.fullmatch(visit.query.get("in")) else own
    if chosen:
        visit.languages = tuple(dict.fromkeys((chosen, *visit.languages)))
    return chosen or visit.language


# --- Search ---------------------------------------------------------------------------------------------


@page(
    "/search", entry=Entry(N_("Find services"), N_("Who offers what, with filters; works for everybody"), 10)
)
async def search(visit: Visit) -> Answer:
    """Show what was found; all that was chosen stands in the address."""
    _read_in(visit)
    asked = visit.query
    level, filters = filters_of(visit, asked)
    chosen = {name: filters[name] for name in ("kinds", "topics", "languages", "partnerKinds")}
    on_map = asked.get("view") == "map"
    given = {"text": asked.get("text")[:LONGEST], "filters": filters, "facets": list(FACETS)}
    first = AT_ONCE if on_map else PAGE
    after = asked.given("after")
    found = await visit.find("list-found-services", input=given, first=first, after=after, map=on_map)
    while on_map and found["pageInfo"]["hasNextPage"] and len(found["edges"]) < ON_MAP:
        more = await visit.find(
            "list-found-services",
            input={**given, "facets": []},
            first=first,
            after=found["pageInfo"]["endCursor"],
            map=True,
        )
        found = {**found, "edges": [*found["edges"], *more["edges"]], "pageInfo": more["pageInfo"]}
    topics = await _topics(visit)
    counts = {one["facet"]: one["values"] for one in found["facets"]}
    groups = [
        _group("topics", visit.gettext("Topic"), counts["TOPIC"], chosen["topics"], topics),
        _group(
            "languages", visit.gettext("Language"), counts["LANGUAGE"], chosen["languages"], _Tongues(visit)
        ),
        _group(
            "kinds",
            visit.gettext("What is done"),
            counts["KIND"],
            chosen["kinds"],
            _Words("ServiceKind", visit),
        ),
        _group(
            "partnerKinds",
            visit.gettext("Who offers it"),
            counts["PARTNER_KIND"],
            chosen["partnerKinds"],
            _Words("PartnerKind", visit),
        ),
    ]
    tiles = visit.options.tiles if on_map else None
    answer = visit.page(
        "public/search.html",
        part="public/_search.html",
        tiles=tiles,
        found=found,
        groups=groups,
        levels=[(one, labels.label("CefrLevel", one, visit.language)) for one in LEVELS],
        level=level or "",
        active=_active(visit, groups),
        offered=_offered(visit, found["instead"], topics),
        on_map=on_map,
        uuid=_uuid,
    )
    if tiles is not None:
        answer.headers["content-security-policy"] = guarding.policy_with_images(tiles.host)
    return answer


def filters_of(visit: Visit, asked: Fields) -> tuple[str | None, dict[str, Any]]:
    """Return the chosen language level, and all that was chosen as the schema's ``SearchFiltersInput``."""
    level = asked.get("level") if asked.get("level") in LEVELS else None
    course: dict[str, Any] = {"levelFrom": level, "levelTo": level} if level else {}
    course |= {name: True for name in ("childcare", "womenOnly") if asked.get(name) == "true"}
    filters: dict[str, Any] = {
        "kinds": _known("ServiceKind", asked.all("kinds")),
        "topics": asked.all("topics")[:20],
        "languages": asked.all("languages")[:20],
        "partnerKinds": _known("PartnerKind", asked.all("partnerKinds")),
    }
    if course:
        filters["course"] = course
    if asked.get("open") == "true":
        filters["openCapacityOn"] = visit.today.isoformat()
    return level, filters


def _known(enum: str, given: list[str]) -> list[str]:
    names = {member.name for member in labels.enum_of(enum)}
    return [name for name in dict.fromkeys(given) if name in names]


class _Words(dict[str, str]):
    """The words for the values of an enum, where they are needed."""

    def __init__(self, enum: str, visit: Visit) -> None:
        super().__init__(labels.options(enum, visit.language))


class _Tongues(dict[str, str]):
    """The names of languages, where they are needed."""

    def __init__(self, visit: Visit) -> None:
        super().__init__()
        self._language = visit.language

    def get(self, tag: str, otherwise: Any = None) -> Any:
        return labels.tongue(tag, self._language)


def _group(
    name: str, legend: str, counts: list[dict[str, Any]], chosen: list[str], words: Mapping[str, str]
) -> dict[str, Any]:
    """Return a filter with its values: what is chosen first, then by number; nothing that finds nothing."""
    number = {one["value"]: one["count"] for one in counts}
    values = [*dict.fromkeys(chosen), *(value for value in number if value not in chosen)]
    options = [
        {"value": v, "text": words.get(v, v), "count": number.get(v, 0), "chosen": v in chosen}
        for v in values
    ]
    shown = max(SHOWN_VALUES, len(chosen))
    return {"name": name, "legend": legend, "first": options[:shown], "more": options[shown:]}


_IN_ADDRESS: Final[Mapping[str, tuple[str, ...]]] = {
    "topics": ("topics",),
    "languages": ("languages",),
    "kinds": ("kinds",),
    "partnerKinds": ("partnerKinds",),
    "course": ("level", "childcare", "womenOnly"),
    "openCapacityOn": ("open",),
}
"""The filters of a search, and what says them in this page's address."""


def _offered(
    visit: Visit, instead: dict[str, Any] | None, topics: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return links to what is offered where nothing was found: texts with addresses, and services."""
    if instead is None:
        return None
    words = {
        "topics": visit.gettext("Topic"),
        "languages": visit.gettext("Language"),
        "kinds": visit.gettext("What is done"),
        "partnerKinds": visit.gettext("Who offers it"),
        "course": ", ".join(text for name, text in _simple(visit) if name != "open"),
        "openCapacityOn": visit.gettext("with free places"),
        "filters": visit.gettext("All filters"),
    }
    filters = []
    every = tuple(name for names in _IN_ADDRESS.values() for name in names)
    for one in instead["filters"]:
        names = _IN_ADDRESS.get(one["filter"], every)
        address = visit.address_with(**dict.fromkeys((*names, "after")))
        filters.append((words.get(one["filter"], one["filter"]), one["count"], address))
    return {
        "spellings": [(text, visit.address_with(text=text, after=None)) for text in instead["spellings"]],
        "filters": filters,
        "topics": [
            (topics.get(one["code"], one["code"]), one["count"], f"/search?topics={quote(one['code'])}")
            for one in instead["topics"]
        ],
        "services": instead["entryPoints"],
    }


def _simple(visit: Visit) -> list[tuple[str, str]]:
    """Return the chosen filters that have one value, by their names in the address, in words."""
    level = visit.query.get("level")
    words = {
        "level": visit.gettext("Level %(level)s") % {"level": level} if level in LEVELS else "",
        "open": visit.gettext("with free places"),
        "childcare": visit.gettext("with childcare"),
        "womenOnly": visit.gettext("for women only"),
    }
    return [
        (name, text)
        for name, text in words.items()
        if text and (name == "level" or visit.query.get(name) == "true")
    ]


def _active(visit: Visit, groups: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return what is chosen, in words, each with the address without it."""
    active = []
    for group in groups:
        for option in (*group["first"], *group["more"]):
            if option["chosen"]:
                left = [value for value in visit.query.all(group["name"]) if value != option["value"]]
                active.append((option["text"], visit.address_with(**{group["name"]: left, "after": None})))
    for name, text in _simple(visit):
        active.append((text, visit.address_with(**{name: None, "after": None})))
    return active


@page("/search/suggestions")
async def suggestions(visit: Visit) -> Answer:
    """Offer words while somebody types; comfort only, the search takes any words."""
    prefix = visit.query.get("text")[:60]
    offered = (
        (await visit.ask("suggest", prefix=prefix, first=SUGGESTED))["suggest"] if len(prefix) > 1 else []
    )
    return visit.page("public/_suggestions.html", offered=offered, uuid=_uuid)


# --- Entries --------------------------------------------------------------------------------------------


def _uuid(id_: str) -> str:
    """Return the UUID of a service or partner: what stands in addresses."""
    found = read_id(id_, "Service") or read_id(id_, "Partner")
    return str(found) if found else ""


def _asked(kind: str, given: str) -> str:
    """Return the global id of an entry whose UUID stands in an address; raises Stopped (404)."""
    try:
        return global_id(kind, UUID(given))
    except ValueError:
        raise Stopped(404, "NOT_FOUND") from None


async def _found(visit: Visit, document: str, kind: str, id_: str, **more: Any) -> Any:
    """Return an entry; raises Stopped: 410 for what was public and is gone for good, 404 for all else.

    Whether something exists that was never public, or is hidden just now, nobody is told.
    """
    asked = _asked(kind, id_)
    try:
        return await visit.find(document, id=asked, **more)
    except Stopped as stopped:
        if stopped.status == 404 and (await visit.ask("has-entry-ended", id=asked))["entryEnded"]:
            raise Stopped(410, "GONE") from None
        raise


def _gone(visit: Visit, kind: str, id_: str) -> Answer:
    """Say that an entry is gone for good, and where to look for something alike."""
    return visit.page("public/gone.html", status=410, kind=kind, key=_asked(kind, id_))


def _data_block(json: str | None) -> Markup:
    """Return JSON as it may stand in a ``script`` of a page: no browser runs it, nothing in it ends it.

    Written with escapes of JSON itself: ``</script`` and ``<!--`` would end the block or hide what follows.
    """
    said = json or "{}"
    for sign in "<>&\u2028\u2029":
        said = said.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(said)  # noqa: S704 - no sign that HTML knows is left


@page("/service/{id:str}")
async def service(visit: Visit, id: str) -> Answer:  # noqa: A002 - as in the address
    """Show a service; one that was merged into another leads there, one that is gone says so."""
    _read_in(visit)
    try:
        found = await _found(visit, "read-service", "Service", id)
    except Stopped as stopped:
        if stopped.status != 410:
            raise
        return _gone(visit, "Service", id)
    if _uuid(found["id"]) != str(UUID(id)):
        return _moved(f"/service/{_uuid(found['id'])}")
    return _service(visit, found)


def _moved(path: str) -> Answer:
    """Lead to what an entry was merged into, for good (301); nobody keeps it, as a merging can be undone."""
    return Answer(status=301, headers={"location": path}, personal=True)


def _service(visit: Visit, found: dict[str, Any]) -> Answer:
    return visit.page(
        "public/service.html",
        service=found,
        data=_data_block(found["jsonLd"]),
        id=_uuid(found["id"]),
        partner_id=_uuid(found["partner"]["id"]),
        lives_in=[
            ", ".join(territories.named(key) for key in rule["residence"]) for rule in found["eligibility"]
        ],
        written_in=[
            (one["language"], labels.tongue(one["language"], one["language"])) for one in found["titles"]
        ],
        handouts=_handouts(),
        fields=_fields(visit, "SERVICE"),
    )


@page("/partner/{id:str}")
async def partner(visit: Visit, id: str) -> Answer:  # noqa: A002 - as in the address
    """Show an organisation with its services; one that was merged into another leads there."""
    _read_in(visit)
    try:
        found = await _found(visit, "read-partner", "Partner", id, services=50)
    except Stopped as stopped:
        if stopped.status != 410:
            raise
        return _gone(visit, "Partner", id)
    if _uuid(found["id"]) != str(UUID(id)):
        return _moved(f"/partner/{_uuid(found['id'])}")
    return _partner(visit, found)


def _partner(visit: Visit, found: dict[str, Any]) -> Answer:
    return visit.page(
        "public/partner.html",
        partner=found,
        data=_data_block(found["jsonLd"]),
        id=_uuid(found["id"]),
        uuid=_uuid,
        handouts=_handouts(),
        fields=_fields(visit, "PARTNER"),
    )


def _handouts() -> list[tuple[str, str]]:
    """Return the languages of handouts, each by its own name."""
    return [(tag, labels.tongue(tag, tag)) for tag in handout.languages()]


def _fields(visit: Visit, kind: str) -> list[tuple[str, str]]:
    return labels.options("ChangeField", visit.language, CORRECTABLE[kind])


@action("/service/{id:str}/correction")
async def correct_service(visit: Visit, id: str) -> Answer:  # noqa: A002 - as in the address
    """Take what should stand there instead; from anybody."""
    if await _correct(visit, _asked("Service", id)):
        return visit.go(f"/service/{id}", said=_thanks(visit))
    return _service(visit, await visit.find("read-service", id=_asked("Service", id)))


@action("/partner/{id:str}/correction")
async def correct_partner(visit: Visit, id: str) -> Answer:  # noqa: A002 - as in the address
    """Take what should stand there instead; from anybody."""
    if await _correct(visit, _asked("Partner", id)):
        return visit.go(f"/partner/{id}", said=_thanks(visit))
    return _partner(visit, await visit.find("read-partner", id=_asked("Partner", id), services=50))


async def _correct(visit: Visit, id_: str) -> bool:
    field = visit.form.get("field")
    if field not in {member.name for member in labels.enum_of("ChangeField")}:
        visit.refuse("field", visit.gettext("Please say what is wrong."))
        return False
    if not visit.form.get("value") and not visit.form.get("remark"):
        visit.refuse("value", visit.gettext("Please say what should stand there instead."))
        return False
    given = {
        "id": id_,
        "field": field,
        "value": visit.form.given("value"),
        "remark": visit.form.given("remark"),
    }
    return (await visit.change("suggest-correction", given)).done


def _thanks(visit: Visit) -> str:
    return visit.gettext("Thank you. Who keeps this entry will look at it; until then it stays as it is.")
