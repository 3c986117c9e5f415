"""How a coordinator keeps the directory in a browser: begin, be warned, keep, compare, merge, end."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from tests.web.browsing import Visitors, looked_at

pytestmark = pytest.mark.browser

DESK = {
    "directory": "/directory",
    "directory-due": "/directory/due",
    "directory-reports": "/directory/reports",
    "directory-duplicates": "/directory/duplicates",
    "directory-new": "/directory/new",
}


async def begin(page: Page, name: str) -> None:
    """Enter a new organisation as far as its name."""
    await page.goto("/directory")
    await page.get_by_role("link", name="Organisation hinzufügen").click()
    await page.locator("#field-name").fill(name)
    await page.locator("#field-kind").select_option("FREE_PROVIDER")
    await page.get_by_role("button", name="Als Entwurf hinzufügen").click()


async def data_of(page: Page) -> Any:
    """Return the data that a page carries for machines."""
    block = "document.querySelector('script[type=\"application/ld+json\"]')"
    return await page.evaluate(f"JSON.parse({block}.textContent)")


async def test_the_coordination_keeps_the_directory(visitors: Visitors) -> None:
    name = f"Lesepaten {uuid4().hex[:6]} Fichtenweg"
    async with visitors.page("coordinator", expects_errors=True) as page:
        await page.get_by_role("link", name="Alle Einträge").first.click()
        for shot, path in DESK.items():
            await page.goto(path)
            await looked_at(page, f"coordinator-{shot}")

        await begin(page, f"{name} e. V.")
        await expect(page.get_by_text("Sie pflegen diesen Eintrag für")).to_be_visible()
        await looked_at(page, "coordinator-keep")
        first = page.url
        await page.get_by_role("link", name="Texte und Kontakte ändern").click()
        await page.locator("[name='description.de']").fill("Liest mit Kindern und Eltern. </script><!--")
        await page.get_by_role("button", name="Speichern").click()
        assert page.url == first
        await page.get_by_role("button", name="Veröffentlichen").first.click()
        await page.get_by_role("link", name="So sehen es andere").click()
        public = page.url
        data = await data_of(page)
        assert data["name"] == f"{name} e. V."
        assert "</script><!--" in data["description"][0]["@value"]
        assert await page.locator("h1").inner_text() == f"{name} e. V."

        await begin(page, name)
        await expect(page.get_by_text("Das gibt es vielleicht schon")).to_be_visible()
        await looked_at(page, "coordinator-directory-alike")
        await page.locator("#field-another").check()
        await page.get_by_role("button", name="Als Entwurf hinzufügen").click()
        await expect(page.get_by_text("Sie pflegen diesen Eintrag für")).to_be_visible()

        await page.goto("/directory/duplicates")
        await looked_at(page, "coordinator-directory-duplicates-found")
        await page.locator(f"a[aria-label*='{name}']").first.click()
        await page.get_by_label(f"{name} e. V.").check()
        await page.locator("#field-reason").fill("derselbe Verein")
        await looked_at(page, "coordinator-directory-compare")
        await page.get_by_role("button", name="Weiter").click()
        await expect(page.get_by_text("Wirklich zusammenführen?")).to_be_visible()
        await looked_at(page, "coordinator-directory-merge")
        await page.get_by_role("button", name="Ja, zusammenführen").click()
        await expect(page.get_by_text("Zusammengeführt. Die alte")).to_be_visible()

        await page.goto(first)
        await page.get_by_role("link", name="Ganzen Eintrag beenden").click()
        await looked_at(page, "coordinator-directory-end")
        await page.locator("#field-reason").fill("aufgelöst")
        await page.get_by_role("button", name="Ja, diesen Eintrag beenden").click()
        await expect(page.get_by_text("Der Eintrag steht nicht mehr im Verzeichnis.")).to_be_visible()
    async with visitors.page(None, language="en", expects_errors=True) as page:
        answer = await page.goto(public)
        assert answer is not None and answer.status == 410
        await looked_at(page, "public-gone")
        await page.goto("/directory")
        assert "/sign-in" in page.url


async def test_the_desk_in_english(visitors: Visitors) -> None:
    async with visitors.page("lead", language="en") as page:
        for shot in ("directory", "directory-due", "directory-duplicates"):
            await page.goto(DESK[shot])
            await looked_at(page, f"lead-{shot}")
