"""Pages of the desk in a browser: several at once, waiting list, tokens, licence, rules; the menu, paper."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.web.browsing import NARROW, SHOTS, Visitors, looked_at

pytestmark = pytest.mark.browser

LEAD = {
    "licence": "/licence",
    "tokens": "/members/tokens",
    "several-send": "/referrals/several/send",
    "deletions": "/deletions",
}
PARTNER = {
    "several-decline": "/inbox/several/decline",
    "several-acknowledge": "/inbox/several/acknowledge",
    "waiting": "/inbox/waiting",
    "new-service": "/entry/new-service",
}
PUBLIC = {"support": "/support", "ranking": "/ranking"}


@pytest.mark.parametrize("language", ["de", "en"])
async def test_pages_of_the_desk(visitors: Visitors, language: str) -> None:
    for who, paths in (("lead", LEAD), ("course_provider", PARTNER), (None, PUBLIC)):
        async with visitors.page(who, language=language) as page:
            for name, path in paths.items():
                answer = await page.goto(path)
                assert answer is not None
                assert answer.status == 200, path
                await looked_at(page, f"desk-{name}")


async def test_what_was_refused_is_seen(visitors: Visitors) -> None:
    async with visitors.page("lead", expects_errors=True) as page:
        await page.goto("/licence")
        await page.get_by_label("Andere Lizenz").fill("keine Lizenz!")
        await page.get_by_role("button", name="Speichern").click()
        await expect(page.locator("#errors")).to_be_focused()
        await looked_at(page, "desk-licence-error")
        await page.goto("/members/tokens")
        await page.get_by_role("button", name="Zugangsschlüssel erstellen").click()
        await expect(page.locator("#errors")).to_be_visible()
        await looked_at(page, "desk-tokens-error")
        await page.get_by_label("Im Namen von").select_option(index=1)
        await page.get_by_label("Wofür").fill("Fachverfahren")
        await page.get_by_role("button", name="Zugangsschlüssel erstellen").click()
        await expect(page.get_by_text("Er wird nur jetzt gezeigt")).to_be_visible()
        await looked_at(page, "desk-token")
        await page.get_by_role("link", name="Zu allen Zugangsschlüsseln").click()
        await page.get_by_role("link", name="Fachverfahren beenden").click()
        await looked_at(page, "desk-token-ending")
        await page.get_by_role("button", name="Ja, beenden").click()
        await expect(page.get_by_text("Der Zugangsschlüssel ist beendet")).to_be_visible()


async def test_the_menu_is_closed_on_a_telephone_and_open_without_scripts(visitors: Visitors) -> None:
    async with visitors.page("coordinator", narrow=True) as page:
        link = page.get_by_role("link", name="Gesendete Überleitungen").first
        menu = page.locator(".head__menu")
        await expect(menu.get_by_role("link", name="Termine")).to_be_hidden()
        await menu.locator("summary").focus()
        await page.keyboard.press("Enter")
        await expect(menu.get_by_role("link", name="Termine")).to_be_visible()
        await link.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Gesendete Überleitungen")
    async with visitors.page("coordinator", narrow=True, javascript=False) as page:
        await expect(page.locator(".head__menu").get_by_role("link", name="Termine")).to_be_visible()


async def test_pages_on_paper(visitors: Visitors) -> None:
    """Navigation, buttons and the demo's note stay off the paper; what was asked for stands on it."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    async with visitors.page("coordinator") as page:
        await page.emulate_media(media="print")
        for path in ("/clients", "/figures", "/gaps", "/support", "/ranking", "/referrals"):
            await page.goto(path)
            await expect(page.locator("header")).to_be_hidden()
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            name = f"paper-{path.strip('/')}"
            await page.screenshot(path=SHOTS / f"{name}-de.png", full_page=True)
        await page.goto("/clients")
        await page.locator("tbody a").first.click()
        await page.wait_for_url("**/clients/*")
        await page.screenshot(path=SHOTS / "paper-client-de.png", full_page=True)


async def test_a_search_in_arabic(visitors: Visitors) -> None:
    async with visitors.page(language="de") as page:
        await page.goto("/search?text=دورة+لغة")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await looked_at(page, "search-in-arabic")
        await page.set_viewport_size(NARROW)  # type: ignore[arg-type]
        await page.locator(".results a").first.click()
        await looked_at(page, "service-found-in-arabic")
