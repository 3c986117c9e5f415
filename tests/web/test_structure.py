"""The structure of pages as their HTML tells it, and that everything is three clicks from the start page.

That every page has it is checked wherever a test opens one (``conftest.looked_over``).
"""

from __future__ import annotations

import inspect
import re
from collections import deque
from importlib import import_module
from types import ModuleType
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from directory.actors import Role
from graphapi import answer_page, mailbox_page, pages, upkeep_page
from graphapi.web.routes import ROUTES, load_pages
from tests.graphapi.conftest import api as api
from tests.graphapi.exchanging import Town, days
from tests.web.conftest import Web
from tests.web.crawling import Seen, crawl, route_of
from tests.web.structure import wrong_in
from tests.web.test_scripts import PERSONS, member, undecided
from tests.web.test_scripts import town as town

FRAME: Final = (
    '<!doctype html><html lang="de"><head><title>Titel</title></head><body><a href="#main">Zum Inhalt</a>'
    '<header><p>Kopf</p></header><main id="main"><h1>Seite</h1>{}</main></body></html>'
)
RIGHT: Final = (
    '<h2>Teil</h2><h3>Kleiner</h3><h2>Teil</h2><label for="a">Name</label>'
    '<input id="a" name="a" autocomplete="off" aria-describedby="error-a"><p id="error-a">Fehlt</p>'
    '<form method="post" action="/x"><input type="hidden" name="number" value="1"><button>Weg</button></form>'
    '<table><caption>Liste</caption><tr><th scope="col">Tag</th></tr><tr><td>1</td></tr></table>'
    '<a href="/x"><img src="/x.svg" alt="Bild"></a><svg aria-hidden="true"></svg><details><summary>Mehr'
    "</summary><p>Text</p></details><ul><li>eins</li></ul><fieldset><legend>Was</legend></fieldset>"
)
WRONG: Final = {
    "<h1>Zweite</h1>": "2 main headings",
    "<h3>Sprung</h3>": "comes after a heading of level 1",
    "<h2> </h2>": "is empty",
    '<p id="a"></p><p id="a"></p>': "stands 2 times",
    '<input name="a" autocomplete="off">': "has no label",
    '<label for="b">B</label><input id="b" name="b">': "what a browser may fill in",
    '<select aria-label="x"></select><p id="error-b">Fehlt</p>': "is beside no field",
    '<input aria-label="x" autocomplete="off" aria-describedby="error-b">': "leads to nothing: error-b",
    '<a href="#field-b">Fehlt</a>': "leads to nothing",
    '<a href="/x"></a>': "has no name",
    '<a href="/x"><span aria-hidden="true">x</span></a>': "has no name",
    "<button> </button>": "has no name",
    '<img src="/x.png">': "has no alt",
    '<svg role="img"></svg>': "neither named nor hidden",
    "<table><tr><td>1</td></tr></table>": "has no caption",
    "<table><caption>x</caption><tr><th>1</th></tr></table>": "has no scope",
    '<form method="post" action="/x"><button>Weg</button></form>': "prove where they come from",
    "<fieldset><p>x</p></fieldset>": "has no legend",
    '<p style="color:red">x</p>': "has style",
    '<p onclick="x()">x</p>': "has onclick",
    "<script>x()</script>": "stands in the page",
    "<style>p{}</style>": "stands in the page",
    "<p><ul><li>x</li></ul></p>": "stands in",
    "<li>x</li>": "stands in <main>",
    '<a href="/x"><button>x</button></a>': "stands in",
    "<div><p>x</div>": "closes <p>",
    '<p class="a" class="b">x</p>': "twice",
    '<p tabindex="3">x</p>': "order of the keyboard",
    '<nav aria-label="x"></nav><nav aria-label="x"></nav>': "same name",
}


def test_a_page_as_it_should_be_is_let_through() -> None:
    assert wrong_in(FRAME.format(RIGHT)) == []


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_told(text: str) -> None:
    assert any(WRONG[text] in one for one in wrong_in(FRAME.format(text))), wrong_in(FRAME.format(text))


def test_the_frame_is_checked_too() -> None:
    plain = FRAME.format("")
    for part, other, told in (
        (' lang="de"', "", "no language"), ("Titel", "", "no title"), ('id="main"', "", "not one main"),
        ('<a href="#main">Zum Inhalt</a>', '<a href="/x">Woanders</a>', "first link"),
    ):  # fmt: skip
        assert any(told in one for one in wrong_in(plain.replace(part, other))), told


# --- Three clicks -----------------------------------------------------------------------------------------

CLICKS: Final = 3
FARTHER: Final = {
    "/sign-on/start": "begins where somebody must sign in",
    "/sign-on/return": "where the town's provider leads back to",
    "/sign-in": "for who is not signed in",
    "/search/suggestions": "a part of the search page, while somebody types",
    "/clients/{id:str}/erase": "a step: for good, so it is asked on a page of its own behind the safekeeping",
    "/referrals/{id:str}/consent/print": "a step: the consent's own page comes before the sheet to sign",
    "/consents/{id:str}/print": "a step: the consent's own page comes before",
    "/consents/{id:str}/receipt": "a step: after a withdrawal, from the consent's own page",
}
"""Pages that are farther from the start page, or that no way leads to, and why."""
OTHERS: Final = ("/keep/", "/directory/merge/", "/directory/end/")
"""Other organisations' entries: one of hundreds, so it is looked for before it is opened."""
ROLES: Final = {
    "staff": Role.PARTNER_MEMBER,
    "coordinator": Role.COORDINATOR,
    "lead": Role.LEAD,
    "other municipality": Role.OTHER_MUNICIPALITY,
    None: Role.ANONYMOUS,
}


def clicks(seen: list[Seen]) -> dict[str, int]:
    """Return how many clicks each route is away from the start page."""
    pages = {one.path: one for one in seen}
    away: dict[str, int] = {"/": 0}
    waiting, known = deque([("/", 0)]), {"/"}
    while waiting:
        path, far = waiting.popleft()
        if (page := pages.get(path)) is None:
            continue
        goals = [urljoin(path, link) for link in page.parsed.links]
        goals += [
            f"{form.action}?{urlencode([pair for pair in form.filled() if pair[1]])}"
            for form in page.parsed.forms
            if form.method == "GET"
        ]
        for goal in goals:
            parts = urlsplit(goal)
            address = parts.path + (f"?{parts.query}" if parts.query else "")
            route = None if parts.netloc else route_of("GET", address)
            if route is None or address in known:
                continue
            known.add(address)
            away[route] = min(far + 1, away.get(route, far + 1))
            waiting.append((address, far + 1))
    return away


@pytest.mark.slow
async def test_everything_is_three_clicks_from_the_start_page(web: Web, town: Town) -> None:
    """Each page that a role is led to at all; and every page is one that somebody is led to."""
    await undecided(town, (await town.client())["id"])
    waits = await town.sent()
    await town.on("staff", "waitlistReferral", waits, expectedWeek=days(30))
    at = f"{days(9)}T10:00:00+01:00"
    await town.on("staff", "setAppointment", await town.accepted(), startsAt=at, minutes=45, place="Raum 3")
    await town.client("staff", residenceStatus="SECTION_104C")
    await web.found_by_search()
    reached: set[str] = set()
    far: dict[tuple[str, str], int] = {}
    for who, role in ROLES.items():
        web.http.cookies.clear()
        if who is not None:
            await web.sign_in(await member(town, PERSONS[who]))
        away = clicks(await crawl(web, alike=2, most=300))
        reached |= set(away)
        far |= {
            (role.value, path): count
            for path, count in away.items()
            if count > CLICKS and path not in FARTHER and not path.startswith(OTHERS)
        }
    assert not far, far
    pages = {path for method, path in ROUTES if method == "GET"} - set(FARTHER)
    lost = {path for path in pages - reached if not path.startswith(OTHERS)}
    assert not lost, lost


# --- Data -------------------------------------------------------------------------------------------------

SESSIONS: Final = frozenset({"graphapi.web.pages.start", "graphapi.web.pages.sign_on"})
"""Begin and end sessions, before there is an actor who could run an operation."""
ROOMS: Final = ("directory", "search", "referrals")


def reaching_data(page: ModuleType) -> set[str]:
    """Return by what a page could come to data other than by a ready operation."""
    found = set(re.findall(r"\.(database|_site|services|engine)\b", inspect.getsource(page)))
    for name, value in vars(page).items():
        if isinstance(value, ModuleType):
            inner = value.__name__.partition(".")[0] in ROOMS
            asks = inner and any(inspect.iscoroutinefunction(one) for one in vars(value).values())
        else:
            home = str(getattr(value, "__module__", None) or "")
            asks = inspect.iscoroutinefunction(value) and not home.startswith("graphapi.web.")
            asks = asks or home in {"directory.database", "graphapi.context", "sqlalchemy.sql.expression"}
        if asks:
            found.add(name)
    return found


def test_a_page_has_no_path_of_its_own_to_data() -> None:
    load_pages()
    modules = {route.handler.__module__ for route in ROUTES.values()}
    assert len(modules) > 25
    for name in sorted(modules):
        expected = {"database", "sessions"} if name in SESSIONS else set()
        assert reaching_data(import_module(name)) == expected, name


@pytest.mark.parametrize("page", [answer_page, mailbox_page, upkeep_page])
def test_neither_has_a_page_behind_a_code(page: ModuleType) -> None:
    frame = {"Services", "ask", "code_entered", "form_of", "serve"}
    assert reaching_data(page) <= frame
    assert reaching_data(pages) - frame == {"database"}, "for its clock"
