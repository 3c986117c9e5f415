"""Own services: adding one, and saying what it is about, where and in which languages."""

from __future__ import annotations

from typing import Any, Final

from directory.languages import PROJECT
from graphapi.relay import read_id
from graphapi.web import territories
from graphapi.web.entering import Entered
from graphapi.web.labels import tongue
from graphapi.web.pages.inbox import own_id
from graphapi.web.routes import ORGANISATIONS, action, page
from graphapi.web.rows import move, refused_texts
from graphapi.web.running import Stopped
from graphapi.web.translations import LANGUAGES
from graphapi.web.visiting import Answer, Visit

STATES: Final = ("DRAFT", "PUBLISHED", "HIDDEN")
SPOKEN: Final = (
    *PROJECT,
    "am",
    "ckb",
    "prs",
    "ps",
    "tr",
    "es",
    "pt",
    "pl",
    "ro",
    "bg",
    "sq",
    "vi",
    "zh",
    "ur",
)
"""Languages that a form offers to tick; one that a service has besides is offered too."""


@page("/entry/new-service", roles=ORGANISATIONS)
async def new_service_form(visit: Visit) -> Answer:
    """Show the form for a service that is not there yet."""
    own_id(visit)
    return visit.page("partner/new_service.html")


@action("/entry/new-service", roles=ORGANISATIONS)
async def add_service(visit: Visit) -> Answer:
    """Add a service; it is a draft until it is published."""
    entered = Entered(visit)
    entered.text("title.de", required=True)
    given = {
        "partnerId": own_id(visit),
        "kind": entered.choice("kind", "ServiceKind"),
        "title": _texts(visit, "title"),
        "description": _texts(visit, "description"),
    }
    if entered.right:
        outcome = await visit.change("create-service", given)
        if outcome.done:
            said = visit.gettext("The service is a draft. Say more about it, then publish it.")
            if outcome.payload["possibleDuplicates"]:
                said = visit.gettext(
                    "The service is a draft. One like it seems to be there already: please compare."
                )
            return visit.go(f"/entry/services/{outcome.payload['service']['id']}/about", said=said)
    for name in ("title", "description"):
        refused_texts(visit, name)
    return await new_service_form(visit)


@page("/entry/services/{key:str}/about", roles=ORGANISATIONS)
async def about_form(visit: Visit, key: str) -> Answer:
    """Show the form for what a service is about, where and in which languages."""
    service = await own_service(visit, key)
    own = own_id(visit)
    found = await visit.ask("read-own-entry", id=own, services={"partnerId": own, "states": STATES}, first=1)
    told = await visit.ask("read-vocabulary")
    tags = dict.fromkeys((*SPOKEN, *(one["language"] for one in service["languages"])))
    return visit.page(
        "partner/service_about.html",
        service=service,
        topics=_by_words([(one["topic"]["code"], _called(one["topic"])) for one in told["topics"]]),
        spoken=_by_words([(tag, tongue(tag, visit.language)) for tag in tags]),
        places=[
            (one["id"], ", ".join(filter(None, (one["name"], one["city"]))))
            for one in found["partner"]["locations"]
        ],
        areas=territories.offered(service["area"]),
        area=territories.ticked(service["area"]),
    )


@action("/entry/services/{key:str}/about", roles=ORGANISATIONS)
async def change_about(visit: Visit, key: str) -> Answer:
    """Change what a service is about."""
    service = await own_service(visit, key)
    entered = Entered(visit)
    given = {
        "id": key,
        "kind": entered.choice("kind", "ServiceKind"),
        "topics": visit.form.all("topics"),
        "languages": _spoken(visit, service["languages"]),
        "locationIds": visit.form.all("locationIds"),
        "responsibility": entered.choice("responsibility", "Responsibility"),
        "area": territories.entered(visit, entered, "area", service["area"]),
    }
    if entered.right and (await visit.change("change-service", given)).done:
        return visit.go(f"/entry/services/{key}", said=visit.gettext("The service is changed."))
    for path in [one for one in visit.errors if "." in one]:
        field = path.partition(".")[0]
        move(visit, path, "areaKeys" if field == "area" else field)
    return await about_form(visit, key)


async def own_service(visit: Visit, key: str) -> Any:
    """Return a service of the own organisation with all that a form needs; raises Stopped (404)."""
    service = await visit.find("read-own-service", id=key)
    if service["partner"]["id"] != own_id(visit):
        raise Stopped(404, "NOT_FOUND")
    service["public"] = f"/service/{read_id(service['id'], 'Service')}"
    return service


def _called(topic: dict[str, Any]) -> str:
    """Return what a topic is called; one that nobody has named yet by its code."""
    return str((topic["label"] or {}).get("text") or topic["code"])


def _by_words(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(pairs, key=lambda pair: pair[1].casefold())


def _texts(visit: Visit, name: str) -> list[dict[str, Any]]:
    """Return a new text in the languages that it was entered in."""
    return [
        {"language": tag, "text": text} for tag in LANGUAGES if (text := visit.form.given(f"{name}.{tag}"))
    ]


def _spoken(visit: Visit, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the languages as ticked; varieties of those that were there stay."""
    found: list[dict[str, Any]] = []
    for name, interpreted in (("languages", False), ("interpreted", True)):
        for tag in visit.form.all(name):
            old = [one for one in before if one["language"] == tag and one["interpreted"] == interpreted]
            found += [dict(one) for one in old] or [{"language": tag, "interpreted": interpreted}]
    return found
