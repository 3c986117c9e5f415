"""The first pages in a browser: start, sign-in, search; in both languages, with and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from graphapi.demo.roles import ROLES
from tests.web.browsing import Visitors, looked_at

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["de", "en"])
async def test_public_pages(visitors: Visitors, language: str) -> None:
    async with visitors.page(language=language) as page:
        await looked_at(page, "start")
        await page.goto("/sign-in")
        await looked_at(page, "sign-in")
        await page.goto("/search?text=Sprachkurs")
        await looked_at(page, "search")
        await page.goto("/search?text=xyzzyqwrtz")
        await looked_at(page, "search-nothing")


@pytest.mark.parametrize("javascript", [True, False])
async def test_searching_works_with_and_without_javascript(visitors: Visitors, javascript: bool) -> None:
    async with visitors.page(javascript=javascript) as page:
        await page.get_by_label("Was suchen Sie?").fill("Sprachmittlung")
        await page.get_by_role("button", name="Suchen").click()
        await page.wait_for_url("**/search?text=Sprachmittlung**")
        await expect(page.locator(".results li").first).to_be_visible()
        await page.get_by_label("Was suchen Sie?").fill("xyzzyqwrtz")
        await page.get_by_role("button", name="Suchen").click()
        await expect(page.get_by_text("Zu diesen Wörtern passt nichts")).to_be_visible()
        assert "xyzzyqwrtz" in page.url


@pytest.mark.parametrize("role", [role.name for role in ROLES])
async def test_each_role_signs_in_with_one_click_and_out_again(visitors: Visitors, role: str) -> None:
    async with visitors.page(role) as page:
        await expect(page.get_by_role("heading", level=1)).to_have_text("Willkommen")
        await looked_at(page, f"start-{role}")


async def test_signing_out_ends_it_at_once(visitors: Visitors) -> None:
    async with visitors.page(javascript=False) as page:
        await page.goto("/sign-in?next=/search")
        await page.get_by_role("button", name="Anmelden als Koordination", exact=True).click()
        await page.wait_for_url("**/search")
        kept = await page.context.cookies()
        await page.get_by_role("button", name="Abmelden").click()
        await expect(page.get_by_role("link", name="Anmelden")).to_be_visible()
        await page.context.add_cookies([c for c in kept if c["name"] == "spurwechsel"])  # type: ignore[misc]
        await page.goto("/")
        await expect(page.get_by_role("link", name="Anmelden")).to_be_visible()


async def test_by_keyboard_the_first_stop_leads_to_the_content(visitors: Visitors) -> None:
    async with visitors.page() as page:
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Zum Inhalt")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#main")).to_be_focused()


async def test_a_page_that_is_not_there_says_what_to_do(visitors: Visitors) -> None:
    async with visitors.page(expects_errors=True) as page:
        answer = await page.goto("/no-such-page")
        assert answer is not None and answer.status == 404
        await looked_at(page, "not-found")


async def test_the_other_language_keeps_the_page(visitors: Visitors) -> None:
    async with visitors.page(language="de") as page:
        await page.goto("/search?text=Kurs")
        await page.get_by_role("link", name="English").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Find services")
        await expect(page.get_by_label("What are you looking for?")).to_have_value("Kurs")
