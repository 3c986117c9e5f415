"""Without a mouse, at 200 %, with less motion and on paper: the main flows in a browser."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Locator, Page, expect

from tests.web.browsing import MOVING, SIDEWAYS, Visitors, broken_rules
from tests.web.test_answer_browser import answer_link
from tests.web.test_card_browser import card

pytestmark = pytest.mark.browser

STOPS = 60
"""Stops of the Tab key within which a page's main thing is reached."""

_SEEN = """() => {
  const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
  const drawn = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none";
  const inside = r.bottom > 0 && r.top < innerHeight && r.right > 0 && r.left < innerWidth;
  return drawn && inside ? "" : e.outerHTML.slice(0, 200);
}"""


async def tab_to(page: Page, goal: Locator) -> None:
    """Go on with the Tab key until something has the focus, which is seen at every stop."""
    for _ in range(STOPS):
        await page.keyboard.press("Tab")
        assert await page.evaluate(_SEEN) == "", "the focus is drawn, and on the screen"
        if await goal.evaluate("e => e === document.activeElement"):
            return
    raise AssertionError(f"{goal} is not reached with the Tab key")


async def test_from_search_to_a_service_without_a_mouse(visitors: Visitors) -> None:
    async with visitors.page() as page:
        await tab_to(page, page.get_by_label("Was suchen Sie?"))
        await page.keyboard.type("Sprachkurs")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/search?text=Sprachkurs**")
        first = page.locator(".results h3 a").first
        title = await first.inner_text()
        await tab_to(page, first)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/service/**")
        await expect(page.locator("h1")).to_have_text(title)


async def test_suggestions_lie_over_the_page_and_are_chosen_with_arrows(visitors: Visitors) -> None:
    async with visitors.page() as page:
        await page.goto("/search")
        words, links = page.get_by_label("Was suchen Sie?"), page.locator(".suggestions a")
        button = page.get_by_role("button", name="Suchen", exact=True)
        below = page.get_by_role("heading", level=2)
        await page.evaluate("document.fonts.ready")
        before = [await one.bounding_box() for one in (words, button, below)]
        await words.press_sequentially("Spra")
        await expect(links.first).to_be_visible()
        assert [await one.bounding_box() for one in (words, button, below)] == before, "nothing moves"
        await expect(page.locator("#suggested-number")).to_contain_text("Vorschläge")
        await page.keyboard.press("ArrowDown")
        await expect(links.nth(0)).to_be_focused()
        await page.keyboard.press("ArrowDown")
        await expect(links.nth(1)).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(links.first).to_be_hidden()
        await expect(words).to_be_focused()
        await expect(words).to_have_value("Spra")
        await page.keyboard.press("ArrowDown")
        await expect(links.nth(0)).to_be_focused()
        await page.keyboard.press("ArrowUp")
        await expect(words).to_be_focused()
        await button.focus()
        await expect(links.first).to_be_hidden()
        await words.focus()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await page.wait_for_url(lambda address: not address.endswith("/search"))


async def test_a_search_closes_its_suggestions(visitors: Visitors) -> None:
    async with visitors.page() as page:
        await page.goto("/search")
        words = page.get_by_label("Was suchen Sie?")
        await words.press_sequentially("Spra")
        await expect(page.locator(".suggestions a").first).to_be_visible()
        await words.press("Enter")
        await page.wait_for_url("**text=Spra**")
        await expect(page.locator(".suggestions a").first).to_be_hidden()


async def test_an_answer_is_given_without_a_mouse(visitors: Visitors) -> None:
    path = answer_link(visitors)
    async with visitors.page() as page:
        await page.goto(path)
        await tab_to(page, page.locator("summary", has_text="Nein, wir können nicht"))
        await page.keyboard.press("Enter")
        form = page.locator("details", has=page.locator("summary", has_text="Nein, wir können nicht"))
        await tab_to(page, form.get_by_label("Grund"))
        await page.keyboard.press("ArrowDown")
        await tab_to(page, form.get_by_role("button", name="Antwort senden"))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("Ihre Absage ist angekommen")


async def test_a_person_ends_sharing_without_a_mouse(visitors: Visitors) -> None:
    code = await card(visitors, "dsb")
    async with visitors.page() as page:
        await page.goto("/card")
        await tab_to(page, page.locator("#field-code"))
        await page.keyboard.type(code)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Co sćo dowólili")).to_be_visible()
        await tab_to(page, page.get_by_role("button", name="Wšo skóńcyś"))
        await page.keyboard.press("Enter")
        await expect(page.locator("#what")).to_be_visible()
        await tab_to(page, page.get_by_role("button", name="Jo", exact=True))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("Gótowe.")


@pytest.mark.parametrize(
    ("role", "paths"),
    [
        (None, ["/", "/search?text=Deutsch", "/support", "/ranking", "/card", "/answer", "/sign-in"]),
        (
            "coordinator",
            ["/clients", "/clients/new", "/due", "/referrals", "/figures", "/gaps", "/directory"],
        ),
        ("course_provider", ["/inbox", "/entry", "/entry/change", "/entry/new-service", "/bookings"]),
        ("lead", ["/approvals", "/rules", "/members", "/members/tokens", "/licence"]),
    ],
)
async def test_at_200_percent_nothing_scrolls_sideways(
    visitors: Visitors, role: str | None, paths: list[str]
) -> None:
    """A window of 1280 pixels at 200 % has 640 of its own (WCAG 1.4.4); nothing moves that need not."""
    async with visitors.page(role) as page:
        await page.set_viewport_size({"width": 640, "height": 450})
        for path in paths:
            await page.goto(path)
            await expect(page.locator("h1")).to_be_visible()
            assert await page.evaluate(SIDEWAYS) == [], path
            assert await page.evaluate(MOVING) == [], path


_FAINT = """() => {
  const ink = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (colour) => {
    ink.clearRect(0, 0, 1, 1);
    ink.fillStyle = colour;
    ink.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...ink.getImageData(0, 0, 1, 1).data].map((one) => one / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (let one = e; one; one = one.parentElement) {
      const found = getComputedStyle(one).backgroundColor;
      if (found !== "transparent" && !/[,/] ?0\\)$/.test(found)) return found;
    }
    return "#fff";
  };
  const contrast = (colour, e) => {
    const [more, less] = [light(colour), light(ground(e))].sort((a, b) => b - a);
    return (more + 0.05) / (less + 0.05);
  };
  const faint = [];
  for (const e of document.querySelectorAll(
      "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")) {
    if (!e.checkVisibility() || e.disabled) continue;
    e.focus();
    const s = getComputedStyle(e);
    if (document.activeElement !== e || s.outlineStyle === "none") continue;
    if (contrast(s.outlineColor, e.parentElement) < 3) faint.push(`focus of ${e.outerHTML.slice(0, 120)}`);
  }
  for (const e of document.querySelectorAll("svg rect")) {
    if (contrast(getComputedStyle(e).fill, e.closest("svg")) < 3) faint.push(e.outerHTML);
  }
  return faint;
}"""
"""In a page: focus and bars that stand out less than 3:1 from what is behind them (WCAG 1.4.11)."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("role", "paths"),
    [
        (None, ["/", "/search?text=Deutsch", "/search?view=map&text=Deutsch", "/card", "/answer"]),
        ("coordinator", ["/figures", "/gaps", "/clients/new", "/referrals"]),
    ],
)
async def test_in_the_dark_too_everything_stands_out(
    visitors: Visitors, role: str | None, paths: list[str], scheme: Literal["light", "dark"]
) -> None:
    """The style goes with the machine's choice, and so does what the browser draws itself (calendars)."""
    async with visitors.page(role) as page:
        await page.emulate_media(color_scheme=scheme)
        for path in paths:
            await page.goto(path)
            await page.keyboard.press("Tab")
            assert await page.evaluate(_FAINT) == [], path
            schemes = await page.evaluate("getComputedStyle(document.documentElement).colorScheme")
            assert schemes == "light dark", path
            assert scheme == "light" or await broken_rules(page) == [], path


async def test_an_entry_on_paper_is_what_one_needs_on_the_way(visitors: Visitors) -> None:
    async with visitors.page() as page:
        await page.goto("/search?text=Sprachkurs")
        await page.locator(".results h3 a").first.click()
        await page.wait_for_url("**/service/**")
        await page.emulate_media(media="print")
        await expect(page.locator("h1")).to_be_visible()
        await expect(page.get_by_role("heading", name="So kommen Sie hin")).to_be_visible()
        for gone in ("header", "footer", "#correction", ".skip-link", "main button"):
            for one in await page.locator(gone).all():
                await expect(one).to_be_hidden()
        await expect(page.get_by_text("Zum Mitnehmen")).to_be_hidden()


async def test_on_paper_of_a_choice_only_what_was_chosen_stands(visitors: Visitors) -> None:
    async with visitors.page("coordinator") as page:
        await page.goto("/gaps")
        await page.emulate_media(media="print")
        await expect(page.get_by_role("link", name="letzte 12 Monate")).to_be_visible()
        await expect(page.get_by_role("link", name="letzte 3 Monate")).to_be_hidden()


async def test_ethiopic_letters_are_drawn_where_the_machine_has_none(visitors: Visitors) -> None:
    """The machine's own font must not come first: it draws a box for every letter that it lacks."""
    async with visitors.page() as page:
        await page.goto("/card?language=ti")
        session = await page.context.new_cdp_session(page)
        await session.send("DOM.enable")
        await session.send("CSS.enable")
        for selector in ("a[lang=am]", "a[lang=ti]", "h1"):
            root = (await session.send("DOM.getDocument"))["root"]["nodeId"]
            node = await session.send("DOM.querySelector", {"nodeId": root, "selector": selector})
            await page.evaluate("document.fonts.ready")
            drawn = await session.send("CSS.getPlatformFontsForNode", {"nodeId": node["nodeId"]})
            assert [font for font in drawn["fonts"] if "Ethiopic" in font["familyName"]], (selector, drawn)
