"""Searching, reading an entry and saying what is wrong, in a browser."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Route, expect

from tests.web.browsing import Visitors, broken_rules, looked_at

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["de", "en"])
async def test_the_public_pages_look_right(visitors: Visitors, language: str) -> None:
    async with visitors.page(language=language) as page:
        await page.goto("/search?text=Sprachkurs&childcare=true&topics=language-course")
        await looked_at(page, "search-filters")
        await page.goto("/search?text=Zahnarzt&childcare=true&level=C2")
        await looked_at(page, "search-nothing-with-filters")
        await page.goto("/search?view=map&topics=language-course")
        await expect(page.locator(".leaflet-marker-icon").first).to_be_visible()
        await looked_at(page, "search-map")
        await page.locator(".results h3 a").first.click()
        await page.wait_for_url("**/service/**")
        await looked_at(page, "service")
        await page.locator("main a[href^='/partner/']").first.click()
        await page.wait_for_url("**/partner/**")
        await looked_at(page, "partner")


@pytest.mark.parametrize("javascript", [True, False])
async def test_filters_are_chosen_and_taken_away(visitors: Visitors, javascript: bool) -> None:
    async with visitors.page(javascript=javascript) as page:
        await page.goto("/search?text=Kurs")
        before = await page.locator(".results > li").count()
        await page.get_by_text("Eingrenzen").click()
        await page.get_by_label("mit Kinderbetreuung").check()
        if not javascript:
            await page.get_by_role("button", name="Ergebnisse zeigen").click()
        await page.wait_for_url("**childcare=true**")
        chosen = page.get_by_role("link", name="mit Kinderbetreuung (diesen Filter entfernen)")
        await expect(chosen).to_be_visible()
        assert await page.locator(".results > li").count() <= before
        await chosen.click()
        await page.wait_for_url(lambda address: "childcare" not in address)
        await expect(page.locator(".results > li")).to_have_count(before)


@pytest.mark.parametrize("status", [422, 503, None], ids=["422", "503", "away"])
async def test_a_search_that_fails_is_not_silent(visitors: Visitors, status: int | None) -> None:
    """What htmx cannot bring the browser asks for itself, and shows what it is told."""
    async with visitors.page(expects_errors=True) as page:
        await page.goto("/search")
        asked = []

        async def answer(route: Route) -> None:
            enhanced = "hx-request" in route.request.headers
            asked.append(enhanced)
            if enhanced and status is None:
                await route.abort()
            elif enhanced:
                await route.fulfill(status=status, content_type="text/html", body="<main>part</main>")
            else:
                await route.fulfill(status=503, content_type="text/html", body="<h1>What to do next</h1>")

        await page.route("**/search?text=**", answer)
        await page.get_by_label("Was suchen Sie?").fill("Kurs")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="What to do next")).to_be_visible()
        assert asked == [True, False]
        assert "/search?text=Kurs" in page.url


async def test_the_map_speaks_the_page_s_language_and_needs_no_mouse(visitors: Visitors) -> None:
    async with visitors.page() as page:
        await page.goto("/search?view=map&topics=language-course")
        ground = page.locator("#map")
        await expect(ground.get_by_role("button", name="Vergrößern")).to_be_visible()
        await expect(ground.get_by_role("button", name="Verkleinern")).to_be_visible()
        several = ground.get_by_role("button", name=re.compile(r"^\d+ Angebote an diesem Ort")).first
        await several.focus()
        await page.keyboard.press("Enter")
        inside = ground.locator(".leaflet-popup")
        await expect(inside.get_by_role("link").first).to_be_focused()
        await expect(inside.get_by_role("button", name="Orte schließen")).to_be_visible()
        assert await broken_rules(page) == []
        await page.keyboard.press("Escape")
        await expect(inside).to_have_count(0)
        await expect(several).to_be_focused()


async def test_without_scripts_nothing_is_said_of_a_map(visitors: Visitors) -> None:
    async with visitors.page(javascript=False) as page:
        await page.goto("/search?view=map&topics=language-course")
        await expect(page.locator(".results > li").first).to_be_visible()
        for gone in ("#map", "#map-note"):
            await expect(page.locator(gone)).to_be_hidden()


async def test_words_are_suggested_while_typing(visitors: Visitors) -> None:
    async with visitors.page() as page:
        await page.goto("/search")
        await page.get_by_label("Was suchen Sie?").press_sequentially("Spra")
        await expect(page.locator(".suggestions a").first).to_be_visible()
        await looked_at(page, "search-suggestions")
        await page.locator(".suggestions a").first.click()
        await expect(page.locator("h1")).to_be_visible()


async def test_an_arabic_reader_gets_what_there_is_in_arabic(visitors: Visitors) -> None:
    async with visitors.page(language="ar") as page:
        await page.goto("/search?text=Clearing")
        await page.locator(".results h3 a:has([lang='ar'][dir='rtl'])").first.click()
        await page.wait_for_url("**/service/**")
        await expect(page.locator("main [lang='ar'][dir='rtl']").first).to_be_visible()
        await looked_at(page, "service-for-arabic-reader")


@pytest.mark.parametrize("javascript", [True, False])
async def test_somebody_without_an_account_says_what_is_wrong(visitors: Visitors, javascript: bool) -> None:
    async with visitors.page(javascript=javascript, expects_errors=True) as page:
        await page.goto("/search?text=Beratung")
        await page.locator(".results h3 a").first.click()
        await page.wait_for_url("**/service/**")
        await page.get_by_text("Hier stimmt etwas nicht").click()
        await page.get_by_role("button", name="Senden").click()
        await expect(page.locator("#errors")).to_contain_text("Bitte sagen Sie, was nicht stimmt.")
        if javascript:  # axe needs it
            await looked_at(page, "service-correction-error")
        await page.get_by_label("Was stimmt nicht?").select_option("WEBSITE")
        await page.get_by_label("Was soll dort stehen?").fill("https://example.org/neu")
        await page.get_by_role("button", name="Senden").click()
        await expect(page.locator(".kern-alert--success")).to_contain_text("Danke.")
