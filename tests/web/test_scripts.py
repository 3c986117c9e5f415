"""Whatever somebody types, anywhere, comes back as text: found by going over all pages and their forms."""

from __future__ import annotations

import re
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import pytest

from directory.database import Database
from graphapi.relay import read_id
from graphapi.web.routes import ROUTES, load_pages
from tests.graphapi.asking import Api
from tests.graphapi.conftest import api as api
from tests.graphapi.exchanging import CATEGORIES, Town, days, make_town
from tests.smoke.steps import RULES
from tests.web.conftest import Web
from tests.web.crawling import BIDI, LINK, MARK, SCRIPT, Form, Parsed, crawl, forms_of, strange

PERSONS: Final = {
    "staff": "staff",
    "coordinator": "coordinator",
    "lead": "lead",
    "other municipality": "reader",
}

FITTING: Final = {
    "email": "probe@example.org",
    "url": "https://example.org/",
    "tel": "+493551234567",
    "number": "1",
    "date": days(20),
    "datetime-local": f"{days(20)}T10:00",
}
"""Per type of control what it takes."""


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    """A town in which there is something of everything."""
    town = await make_town(database, api)
    client = await town.client()
    await town.draft()
    await town.done("lead", "draftRuleSet", rules=RULES)
    answer = await town.ask(
        "query($id: ID!) { partner(id: $id) { id version } }", {"id": town.partner_id}, who="staff"
    )
    own = answer.data["partner"]
    await town.done("staff", "addLocation", partnerId=own["id"], expectedVersion=own["version"], name="Haus")
    await town.sent(clientId=client["id"])
    await town.accepted()
    await town.started()
    await town.reported()
    await town.booked()
    await town.done("coordinator", "issueCodeCard", clientId=client["id"], language="ar")
    await town.done(
        "staff", "suggestCorrection", id=town.service, field="WEBSITE", value="https://example.org/x"
    )
    return town


async def undecided(town: Town, client: str) -> str:
    """Draft a referral that waits for what the person says to its consent; return the consent's id."""
    draft = await town.draft(client)
    purposes = [{"purpose": "REFERRAL", "categories": CATEGORIES}]
    asked = {"clientId": client, "recipientIds": [town.partner_id], "purposes": purposes}
    consent = await town.done("coordinator", "requestConsent", **asked)
    await town.on("coordinator", "awaitConsent", draft, consentId=consent["id"])
    return str(consent["id"])


async def member(town: Town, who: str) -> UUID:
    answer = await town.ask("{ me { member { id } } }", who=who)
    found = read_id(answer.data["me"]["member"]["id"], "Member")
    assert found is not None
    return found


def refused(parsed: Parsed) -> list[str]:
    """Return the fields that a page says something is wrong with."""
    return [
        g["href"].removeprefix("#field-")
        for t, g in parsed.elements
        if t == "a" and g.get("href", "").startswith("#field-")
    ]


async def typed_into(web: Web, form: Form) -> tuple[set[str], list[str]]:
    """Type scripts into every field of a form; what is refused gets something that fits, until it is taken.

    Return the fields that took a script, and what was strange in the answers.
    """
    wrong: list[str] = []
    given = {f.name: LINK if f.kind == "url" else BIDI for f in form.fields if f.typed}
    for attempt in range(7):
        number = next((field.value for field in form.fields if field.name == "number"), "")
        body: dict[str, list[str]] = {}
        for name, value in form.filled(**given):
            if name != "number":
                body.setdefault(name, []).append(value)
        answer = await web.post(form.action, body, number=number)
        if answer.status_code >= 500:
            return set(), [*wrong, f"{form.action}: {answer.status_code}"]
        if answer.status_code in {303, 204}:
            return {name for name, value in given.items() if MARK in value}, wrong
        parsed = Parsed(form.page, answer.text)
        wrong += [f"{form.action}: {one}" for one in strange(parsed)]
        if answer.status_code == 409:  # somebody was faster: the form as it is now
            again = Parsed(form.page, (await web.get(form.page)).text)
            form = next((one for one in again.forms if one.what == form.what), form)
        names = refused(parsed)
        if answer.status_code == 200 and not names:
            return set(), wrong  # it answers at once, and keeps nothing
        for field in form.fields:
            hit = field.name in names
            if (
                hit
                and field.kind in {"checkbox", "radio"}
                and not any(f.checked for f in form.named(field.name))
            ):
                field.checked = True
            elif field.typed and (hit or attempt > 4):
                given[field.name] = {BIDI: SCRIPT}.get(given[field.name], FITTING.get(field.kind, "Wort"))
        if attempt == 1:
            given = {name: SCRIPT if value == BIDI else value for name, value in given.items()}
    return set(), wrong


NO_TEXT: Final = frozenset(
    {
        "/approvals/{key:str}/{name:str}", "/clients/{id:str}/card/end",
        "/directory/due/{name:str}/{key:str}", "/directory/together/{key:str}",
        "/due/follow-up/{id:str}", "/entry/history/{key:str}/{number:str}",
        "/entry/places/{key:str}/remove", "/entry/services/{key:str}/publish",
        "/entry/services/{key:str}/rules/{name:str}/{deed:str}", "/entry/translations/{key:str}",
        "/inbox/{key:str}/read", "/referrals/{id:str}/answer-link/end", "/rules/{key:str}/decide",
    }
)  # fmt: skip
"""Forms that this town need not have: they are buttons and choices, nobody types into them."""


def folded(route: str | None) -> str:
    """Return the route of the form: that of another organisation's entry is the one of the own."""
    return str(route).replace("/keep/{of:str}", "/entry")


@pytest.mark.slow
async def test_what_is_typed_into_any_form_comes_back_as_text(web: Web, town: Town) -> None:
    """In two rounds: what was kept in the first has pages, and forms, of its own in the second."""
    wrong: list[str] = []
    kept: set[tuple[str | None, str]] = set()
    seen: dict[Any, Form] = {}
    pages: set[str] = set()
    members = {who: await member(town, token) for who, token in PERSONS.items()}
    person = (await town.client())["id"]
    consent = await undecided(town, person)
    answer = await town.ask("{ sentReferrals(first: 50) { nodes { id } } }", who="coordinator")
    referrals = [one["id"] for one in answer.data["sentReferrals"]["nodes"]]
    starts = [
        f"/partner/{town.world.partner}", "/search?view=map", "/search?text=xq7",
        f"/clients/{person}/refer?service={town.interpreting}",
        f"/consents/{consent}",
        *(f"/{side}/{key}" for side in ("referrals", "inbox") for key in referrals),
    ]  # fmt: skip
    for most in (300, 200):
        for who in (*PERSONS, None):
            web.http.cookies.clear()
            if who is not None:
                await web.sign_in(members[who])
            opened = await crawl(web, *starts, most=most)
            for page in opened:
                pages |= {page.path} if MARK in page.answer.text else set()
                wrong += [f"{page.path}: {one}" for one in strange(page.parsed)]
                assert page.answer.status_code < 500, page.path
            for form in forms_of(opened):
                what = folded(form.route), form.what[1]
                if what not in seen and any(field.typed for field in form.fields):
                    took, strange_ = await typed_into(web, form)
                    kept |= {(form.route, name) for name in took}
                    wrong += strange_
                seen.setdefault(what, form)
        await web.found_by_search()
    assert not wrong, wrong
    forms = {folded(path) for method, path in ROUTES if method == "POST"}
    assert forms - {route for route, _ in seen} <= NO_TEXT, "give the town what has this form"
    assert {("/members/new", "name"), ("/searches/new", "name")} <= kept
    assert len(kept) > 8, sorted(map(str, kept))
    assert len(pages) > 10, "what was kept is shown somewhere"


def named_in(module: str) -> set[str]:
    """Return the parameters of addresses that the pages of a module read."""
    text = Path(str(import_module(module).__file__)).read_text(encoding="utf-8")
    return set(re.findall(r"""(?:query|asked)\.(?:get|given|all)\(["'](\w+)["']""", text))


@pytest.mark.slow
@pytest.mark.parametrize("who", ["lead", "staff", None])
async def test_what_is_in_the_address_comes_back_as_text(web: Web, town: Town, who: str | None) -> None:
    if who is not None:
        await web.sign_in(await member(town, PERSONS[who]))
    load_pages()
    asked = 0
    for (method, path), route in ROUTES.items():
        if method != "GET":
            continue
        address = re.sub(r"\{[^}]*\}", quote(SCRIPT.replace("/", ""), safe=""), path)
        names = named_in(route.handler.__module__) | {"language", "next", "after", "text"}
        each = (
            [{name: BIDI} for name in names] if path in {"/search", "/sign-in", "/referrals", "/card"} else []
        )
        for query in (dict.fromkeys(names, SCRIPT), dict.fromkeys(names, LINK), *each):
            page = await web.http.get(address, params=query, headers={"accept": "text/html"})
            asked += 1
            assert page.status_code < 500, (address, query)
            assert MARK not in page.headers.get("location", "").partition("?")[0].replace(
                quote(MARK), MARK
            ) or (page.headers["location"].startswith("/"))
            if page.headers.get("content-type", "").startswith("text/html"):
                assert not strange(Parsed(path, page.text)), (address, query)
    assert asked > 80


async def test_what_the_checks_look_for_is_seen() -> None:
    """The tests above would fail: each way in which typed text becomes markup is told."""
    for text in (
        f"<p>{SCRIPT}</p>", f'<input value="{SCRIPT}">', f"<textarea>{SCRIPT}</textarea>",
        f'<a href="{LINK}">x</a>',
        f"<title>{SCRIPT}</title>", "<p>xq7</script>49</p>".replace("</script>", "&lt;/script&gt;"),
        '<a href=" JavaScript:x">', '<form action="data:text/html,x">', "<p style=x>", "<svg onload=1>",
        '<script src="https://example.org/x.js"></script>', "<base href=/x>", '<iframe src="/x"></iframe>',
    ):  # fmt: skip
        assert strange(Parsed("/", text)), text
    assert not strange(Parsed("/", f"<p title=x>{escape(SCRIPT)}</p><a href='/x?y=javascript:1'>x</a>"))
