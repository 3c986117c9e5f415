"""Every page there is, found by its links and opened in a browser: axe, small screens, spacing, focus, paper.

Other tests look at the states of single pages; this one sees to it that no page is left out.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from playwright.async_api import Page, expect

from graphapi.web.routes import ROUTES
from tests.smoke.steps import COURSE, PACKAGE, REPORT_BACK, RULES, day, moment, partner, service
from tests.web.browsing import MOVING, NARROW, SIDEWAYS, WIDE, Visitors, looked_at
from tests.web.crawling import Parsed, route_of
from tests.web.test_card_browser import taken_in
from tests.web.test_partner_browser import refer_somebody

pytestmark = pytest.mark.browser

VISITORS: Final = (None, "jobcenter", "course_provider", "lead")
"""Who goes over the pages: these see all that the others see."""
ALIKE: Final = 6
"""So many pages of one route each of them opens, for links to others and to judge the one with most on it."""

NO_PAGE: Final = {
    "/appointments/calendar": "a calendar file",
    "/clients/{id:str}/kept": "a file",
    "/consents/{id:str}/print": "pages to print (PDF)",
    "/consents/{id:str}/receipt": "pages to print (PDF)",
    "/referrals/{id:str}/consent/print": "pages to print (PDF)",
    "/figures/file": "a file",
    "/inbox/{key:str}/file": "a file",
    "/referrals/{id:str}/file": "a file",
    "/search/suggestions": "a part of the search page",
    "/sign-on/start": "leads to the town's provider",
    "/sign-on/return": "leads on from the town's provider",
}
"""Addresses that answer with no page of ours."""
PAGES: Final = frozenset(path for how, path in ROUTES if how == "GET") - set(NO_PAGE)
_FOCUS_NOT_DRAWN = """() => {
  const unseen = [], clear = /^transparent$|[,/] ?0\\)$/;
  for (const e of document.querySelectorAll(
      "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")) {
    if (!e.checkVisibility() || e.disabled) continue;
    const s = getComputedStyle(e), shadow = s.boxShadow;
    e.focus();
    if (document.activeElement !== e) continue;
    const drawn = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 && !clear.test(s.outlineColor);
    if (!drawn && s.boxShadow === shadow) unseen.push(e.outerHTML.slice(0, 160));
    e.blur();
  }
  return unseen;
}"""
_SPACED = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: 0.12em !important;"
    + " word-spacing: 0.16em !important; } p { margin-bottom: 2em !important; }");
  document.adoptedStyleSheets = [sheet];
}"""
_CUT = """() => [...document.querySelectorAll("main *")].filter((e) => {
  const s = getComputedStyle(e);
  return e.checkVisibility() && e.clientHeight > 2 && s.overflowY === "hidden" && s.position !== "absolute"
    && e.scrollHeight > e.clientHeight + 2;
}).map((e) => e.outerHTML.slice(0, 120))"""
_NOT_FOR_PAPER = """() => [...document.querySelectorAll(
    "header, footer, body > nav, nav a:not([aria-current]), main button, .skip-link")]
  .filter((e) => e.checkVisibility()).map((e) => e.outerHTML.slice(0, 120))"""


async def something_of_everything(visitors: Visitors) -> list[str]:
    """Bring the demo into states whose pages no link leads to else; return addresses to begin at."""
    demo = visitors.demo
    key = refer_somebody(visitors)
    for move, given in (("acknowledge-referral", {}), ("waitlist-referral", {"expectedWeek": day(30)})):
        now = await demo.ask("course_provider", "read-referral", id=key)
        await demo.change("course_provider", move, id=key, expectedVersion=now["version"], **given)
    refer_somebody(visitors)
    client = await taken_in(demo)
    about = {"clientId": client, "serviceId": COURSE, "topic": "language-course", "categories": PACKAGE}
    draft = (await demo.change("jobcenter", "draft-referral", **about))["referral"]
    purposes = [{"purpose": "REFERRAL", "categories": PACKAGE}, REPORT_BACK]
    asked = {"clientId": client, "recipientIds": [partner("sprachkurstraeger")], "purposes": purposes}
    consent = (await demo.change("jobcenter", "request-consent", **asked))["consent"]
    await demo.change(
        "jobcenter",
        "await-consent",
        id=draft["id"],
        expectedVersion=draft["version"],
        consentId=consent["id"],
    )
    interpreter = {"serviceId": service("sprachmittlung-tigrinya"), "language": "ti", "mode": "PHONE"}
    when = {"startsAt": moment(days=3), "minutes": 30, "lateReason": "AGREED_WITH_SERVICE"}
    await demo.change("jobcenter", "request-booking", **interpreter, **when)
    await demo.change("lead", "draft-rule-set", rules=RULES)
    one, other = partner("jobcenter"), partner("sprachkurstraeger")
    return [
        f"/clients/{client}", f"/referrals/{draft['id']}/consent", f"/consents/{consent['id']}",
        f"/directory/merge/{one}/{other}", "/inbox/waiting",
    ]  # fmt: skip


@dataclasses.dataclass
class Place:
    """Where a page is, for whom, and how much stands on it."""

    role: str | None
    path: str
    much: int


async def found(visitors: Visitors, role: str | None, starts: list[str]) -> dict[str, Place]:
    """Return per route that a role's links lead to the page of it with most on it."""
    cookies = await visitors.cookies(role)
    pages: dict[str, Place] = {}
    opened = Counter[str]()
    waiting, known = deque(["/", *starts]), {"/", *starts}
    async with httpx.AsyncClient(base_url=visitors.demo.url, cookies=cookies, timeout=30) as http:
        while waiting:
            path = waiting.popleft()
            route = route_of("GET", path) or ""
            if route in NO_PAGE or opened[route] == ALIKE:
                continue
            opened[route] += 1
            answer = await http.get(path, headers={"accept": "text/html", "accept-language": "de"})
            html = answer.headers.get("content-type", "").startswith("text/html")
            if answer.status_code != 200 or not html:
                continue
            if route not in pages or pages[route].much < len(answer.text):
                pages[route] = Place(role, path, len(answer.text))
            for link in Parsed(path, answer.text).links:
                parts = urlsplit(urljoin(path, link))
                goal = parts.path + (f"?{parts.query}" if parts.query else "")
                ours = not parts.netloc and route_of("GET", goal)
                if ours and goal not in known and "language=" not in goal:
                    known.add(goal)
                    waiting.append(goal)
    return pages


@pytest.fixture(scope="module")
async def places(visitors: Visitors) -> dict[str, Place]:
    """Return of each route the page with most on it."""
    starts = await something_of_everything(visitors)
    there: dict[str, Place] = {}
    for role in VISITORS:
        for route, place in (await found(visitors, role, starts)).items():
            there[route] = max(there.get(route, place), place, key=lambda one: one.much)
    return there


@pytest.fixture(scope="module")
async def windows(visitors: Visitors) -> AsyncIterator[dict[str | None, Page]]:
    """One window for each of them: it takes longer to open one than to open a page in it."""
    async with AsyncExitStack() as stack:
        yield {role: await stack.enter_async_context(visitors.page(role)) for role in VISITORS}


@pytest.mark.parametrize("route", sorted(PAGES))
async def test_everybody_can_use_every_page(
    windows: dict[str | None, Page], places: dict[str, Place], route: str
) -> None:
    assert route in places, "no link leads there: give its thing in something_of_everything"
    place = places[route]
    page = windows[place.role]
    await page.emulate_media(media="screen")
    await page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    answer = await page.goto(place.path)
    assert answer is not None and answer.status == 200
    await page.keyboard.press("Tab")  # whoever uses keys is shown where the focus is
    assert await page.evaluate(_FOCUS_NOT_DRAWN) == []
    assert await page.evaluate(MOVING) == []
    await looked_at(page, "every" + re.sub("[{}]|:str", "", route))
    await page.set_viewport_size({"width": 640, "height": 450})
    assert await page.evaluate(SIDEWAYS) == [], "200 %"
    await page.evaluate(_SPACED)
    for size in (WIDE, NARROW):
        await page.set_viewport_size(size)  # type: ignore[arg-type]
        assert await page.evaluate(SIDEWAYS) == [], "spaced"
        assert await page.evaluate(_CUT) == [], "spaced"
    await page.emulate_media(media="print")
    assert await page.evaluate(_NOT_FOR_PAPER) == []
    await expect(page.locator("h1")).to_be_visible()
