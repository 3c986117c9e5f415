"""How a partner keeps a service in a browser: rules with their preview, and both sides of a conflict."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.web.browsing import Visitors, looked_at

pytestmark = pytest.mark.browser

PAGES = ("about", "rules", "steps", "referring", "course", "recognition", "interpreting", "end")


async def test_a_partner_keeps_a_service(visitors: Visitors) -> None:
    async with visitors.page("course_provider", expects_errors=True) as page:
        await page.goto("/entry")
        await looked_at(page, "partner-entry-hours")
        await page.locator("a[href^='/entry/services/']").first.click()
        address = page.url
        for name in PAGES:
            answer = await page.goto(f"{address}/{name}")
            assert answer is not None
            assert answer.status == 200
            await looked_at(page, f"partner-service-{name}")

        # a rule: looked at first, then left unsaved
        await page.goto(f"{address}/rules?rule=new")
        await page.get_by_role("button", name="Ansehen, was sich ändern würde").click()
        await expect(page.locator("#errors")).to_be_focused()
        await looked_at(page, "partner-service-rule-refused")
        await page.get_by_label("Was gilt für diese Menschen?").select_option("DOES_NOT_FIT")
        await page.get_by_label("§ 60a", exact=False).first.check()
        await page.get_by_role("button", name="Ansehen, was sich ändern würde").click()
        await expect(page.get_by_role("status")).to_contain_text("Gespeichert ist noch nichts")
        await looked_at(page, "partner-service-rule-tried")

        # two who change the same text at once
        await page.goto(address)
        async with visitors.page("course_provider") as other:
            await other.goto(address)
            await other.get_by_label("Titel (Englisch)").fill("A title of theirs")
            await other.get_by_role("button", name="Texte und Kontakte speichern").click()
            await expect(other.get_by_role("status")).to_be_visible()
        before = await page.get_by_label("Titel (Englisch)").input_value()
        await page.get_by_label("Titel (Englisch)").fill("A title of mine")
        await page.get_by_role("button", name="Texte und Kontakte speichern").click()
        await expect(
            page.get_by_role("heading", name="Inzwischen hat jemand anderes gespeichert")
        ).to_be_visible()
        await looked_at(page, "partner-service-conflict")
        await page.get_by_label("Ihre Eingabe behalten").check()
        await page.get_by_role("button", name="Auswahl speichern").click()
        await expect(page.get_by_role("status")).to_be_visible()
        await page.goto(address)
        await expect(page.get_by_label("Titel (Englisch)")).to_have_value("A title of mine")
        await page.get_by_label("Titel (Englisch)").fill(before)
        await page.get_by_role("button", name="Texte und Kontakte speichern").click()
