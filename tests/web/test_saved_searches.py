"""Saved searches: kept from the search page, in words, with what is new; nobody else's."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from directory.actors import SYSTEM, Role
from directory.database import Database
from search.models import SavedSearch
from search.saving import MOST_SAVED
from tests.graphapi.conftest import Maker, World, make_member
from tests.graphapi.conftest import make as make
from tests.graphapi.conftest import world as world
from tests.web.conftest import Web, number_of
from tests.web.test_coordinator import SCRIPT, form_of, goal, sent


@pytest.fixture
async def signed_in(web: Web, database: Database, world: World) -> Web:
    """A browser of a member who has kept nothing yet."""
    await web.sign_in((await make_member(database, world.coordination, Role.COORDINATOR))[0])
    return web


async def test_only_members_keep_searches(web: Web, database: Database, world: World) -> None:
    assert (await web.get("/searches")).headers["location"].startswith("/sign-in")
    assert "Save this search" not in (await web.get("/search", text="Kurs")).text
    for role in (Role.PARTNER_MEMBER, Role.LEAD, Role.OTHER_MUNICIPALITY):
        await web.sign_in((await make_member(database, world.partner, role))[0])
        assert "No search is saved yet" in (await web.get("/searches")).text
        assert "Save this search" in (await web.get("/search", text="Kurs")).text


async def test_a_search_is_kept_as_it_stands_on_the_page_renamed_and_forgotten(signed_in: Web) -> None:
    web = signed_in
    asked = {
        "text": f"Kurs {SCRIPT}", "kinds": "QUALIFICATION", "languages": "ar", "level": "B1",
        "childcare": "true", "open": "true", "after": "x",
    }  # fmt: skip
    searching = f"/searches/new?{urlencode(asked)}"
    page = await web.get(searching)
    for word in ("Arabic", "Level B1", "with childcare", "with free places", "&lt;script&gt;"):
        assert word in page.text, word
    assert SCRIPT not in page.text
    kept = form_of(page, "/searches/new")
    assert "after" not in kept
    assert kept["name"].startswith(f"Kurs {SCRIPT}, "), "the words as a name, without the quotation marks"
    nameless = await sent(web, searching, "/searches/new", name="")
    assert nameless.status_code == 422
    assert 'href="#field-name"' in nameless.text
    page = await goal(web, await sent(web, searching, "/searches/new", name=f"Kurse {SCRIPT}"))
    assert "The search is saved" in page.text
    assert SCRIPT not in page.text
    shown = unescape(page.text)
    address = shown.partition('href="/search?')[2].partition('"')[0]
    del asked["after"]
    assert set(address.split("&")) == set(urlencode(asked).split("&"))

    change = shown.partition('href="/searches?change=')[2].partition('"')[0]
    one = f"/searches/{change.replace('%3D', '=')}"
    renamed = await sent(web, f"/searches?change={change}", f"{one}/change", name="Abendkurse", notify="true")
    page = await goal(web, renamed)
    assert "Abendkurse" in page.text
    assert "Nothing new since" in page.text
    stale = form_of(await web.get(f"/searches?change={change}"), f"{one}/change")
    number = stale.pop("number")
    again = await web.post(f"{one}/change", {**stale, "expectedVersion": "1"}, number=number)
    assert again.status_code == 409
    page = await goal(web, await sent(web, f"/searches?forget={change}", f"{one}/forget"))
    assert "No search is saved yet" in page.text


async def test_news_stand_with_their_names_until_they_are_told(
    signed_in: Web, database: Database, world: World, make: Maker
) -> None:
    web = signed_in
    await sent(web, "/searches/new?text=Kurs", "/searches/new", name="Meine Kurse", notify="true")
    services = [await make.service(world.partner, f"Kurs Nummer {number}") for number in range(7)]
    async with database.work(SYSTEM) as work:
        row = await work.session.scalar(select(SavedSearch).order_by(SavedSearch.created_at.desc()).limit(1))
        assert row is not None
        row.news = {str(one): "NEW" for one in services[:6]} | {str(services[6]): "CHANGED"}
        row.looked_at = work.now - timedelta(hours=1)
    page = (await web.get("/searches")).text
    assert page.count('href="/service/') == 6
    assert "Kurs Nummer 6" in page
    assert "1 more" in page
    stranger = (await make_member(database, world.coordination, Role.COORDINATOR))[0]
    await web.sign_in(stranger)
    assert "Meine Kurse" not in (await web.get("/searches")).text


async def test_an_address_is_asked_before_anything_goes_there(signed_in: Web) -> None:
    web = signed_in
    wrong = await sent(web, "/searches", "/searches/mailbox/set", address="kein Postfach")
    assert wrong.status_code == 422
    assert 'href="#field-address"' in wrong.text
    asked = await sent(web, "/searches", "/searches/mailbox/set", address="kim@example.org")
    assert "We asked kim@example.org" in (await goal(web, asked)).text
    gone = await goal(web, await sent(web, "/searches", "/searches/mailbox/remove"))
    assert "kim@example.org" not in gone.text
    number = number_of(await web.get("/searches"))
    assert (await web.post("/searches/mailbox/else", number=number)).status_code == 404


async def test_who_keeps_as_many_as_one_can_is_told_what_to_do(signed_in: Web) -> None:
    web = signed_in
    page = await web.get("/searches/new?text=Kurs")
    number = number_of(page)
    for one in range(MOST_SAVED):
        kept = await web.post("/searches/new", {"text": "Kurs", "name": f"Nummer {one}"}, number=number)
        assert kept.status_code == 303
    more = await web.post("/searches/new", {"text": "Kurs", "name": "Noch eine"}, number=number)
    assert more.status_code == 422
    assert "Forget one of them first" in more.text
