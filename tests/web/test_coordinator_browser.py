"""A coordinator's way in a browser: take in, match, refer with consent, record the answer; looked at."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.web.browsing import Visitors, looked_at

pytestmark = pytest.mark.browser


async def pressed(page: Page, name: str) -> None:
    """Press a button of a form."""
    await page.get_by_role("button", name=name, exact=True).click()
    await page.wait_for_load_state()


@pytest.mark.parametrize("javascript", [True, False])
async def test_from_taking_in_to_an_answer_by_phone(visitors: Visitors, javascript: bool) -> None:
    async with visitors.page("coordinator", javascript=javascript, expects_errors=True) as page:

        async def seen(name: str) -> None:
            if javascript:
                await looked_at(page, f"coordinator-{name}")

        await page.goto("/clients/new")
        await seen("client-new")
        if await page.get_by_label("Die Person hat diesen Hinweis gesehen").count():
            await page.get_by_label("Die Person hat diesen Hinweis gesehen").check()
        await page.get_by_label("Familienname").fill("Beispielname")
        await page.get_by_label("Vornamen").fill("Almaz")
        await page.get_by_label("Aufenthaltsstatus").select_option("SECTION_104C")
        await page.get_by_label("Status gültig bis").fill("2028-03-01")
        await page.get_by_label("Arabisch", exact=True).check()
        await page.get_by_text("Bedarf auswählen").click()
        await page.get_by_label("Sprachkurs", exact=True).first.check()
        await pressed(page, "Speichern")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Almaz Beispielname")
        await seen("client")
        client = page.url

        await page.get_by_role("link", name="Passende Angebote finden").first.click()
        await expect(page.locator(".results li").first).to_be_visible()
        await page.locator(".results summary").first.click()
        await seen("match")
        await page.locator(".results").get_by_role("link").first.click()
        await seen("refer")
        await pressed(page, "Entwurf speichern")
        draft = page.url
        await seen("draft")
        await pressed(page, "Einwilligung schreiben")
        await seen("consent")
        await pressed(page, "Festhalten")
        await expect(page.locator("#errors")).to_be_visible()
        await seen("consent-errors")
        await page.get_by_label("Die Person willigt ein", exact=True).check()
        for box in await page.locator("input[name=granted]").all():
            await box.check()
        for name in ("record.noDisadvantageShown", "record.section87NoticeAt"):
            if await page.locator(f"[name='{name}']").count():
                await page.locator(f"[name='{name}']").check()
        await pressed(page, "Festhalten")
        await expect(page.get_by_text("Eine gültige Einwilligung deckt")).to_be_visible()
        await seen("draft-consented")
        reason = page.locator("[name=capacityReason]")
        if await reason.count():
            await reason.select_option("AGREED_WITH_PARTNER")
        await pressed(page, "Überleitung senden")
        await expect(page.get_by_text("Die Überleitung wurde gesendet.")).to_be_visible()
        assert page.url == draft
        await seen("referral")
        await page.get_by_role("link", name="Sie lehnen ab").click()
        await seen("referral-told")
        await page.get_by_label("Grund").select_option("NO_CAPACITY")
        await page.get_by_label("Wer abgelehnt hat").select_option("PARTNER")
        await pressed(page, "Sie lehnen ab")
        await expect(page.get_by_text("Erledigt.")).to_be_visible()
        await page.goto("/due")
        await expect(page.get_by_role("heading", name="Antworten für Sie")).to_be_visible()
        await seen("due")
        await page.goto(client)
        await expect(page.get_by_text("abgelehnt").first).to_be_visible()
        await seen("client-referred")
        await page.locator("a[href^='/consents/']").first.click()
        await page.get_by_text("Die Person widerruft").click()
        await seen("consent-kept")


@pytest.mark.parametrize("language", ["de", "en"])
async def test_lists_and_figures(visitors: Visitors, language: str) -> None:
    async with visitors.page("coordinator", language=language) as page:
        for path in (
            "clients", "referrals", "figures", "due", "gaps", "appointments", "clients/reassign", "searches",
        ):  # fmt: skip
            await page.goto(f"/{path}")
            await looked_at(page, f"coordinator-{path}")
        await page.goto("/clients")
        link = page.locator("tbody a").first
        if await link.count():
            await link.click()
            await looked_at(page, "coordinator-client-of-the-demo")
        await page.goto("/referrals")
        link = page.locator("tbody a").first
        if await link.count():
            await link.click()
            await looked_at(page, "coordinator-referral-of-the-demo")


async def test_a_search_is_saved_and_forgotten(visitors: Visitors) -> None:
    async with visitors.page("coordinator") as page:
        await page.goto("/search?text=Deutsch&childcare=true")
        await page.get_by_role("link", name="Diese Suche speichern").click()
        await looked_at(page, "coordinator-save-search")
        await page.get_by_label("Name der Suche").fill("Deutsch mit Kinderbetreuung")
        await page.get_by_label("Neue und geänderte Angebote").check()
        await pressed(page, "Speichern")
        await expect(page.get_by_text("Die Suche ist gespeichert.")).to_be_visible()
        await looked_at(page, "coordinator-searches-kept")
        await page.get_by_role("link", name=re.compile("Löschen.*Kinderbetreuung")).click()
        await looked_at(page, "coordinator-search-forget")
        await pressed(page, "Löschen")
        await expect(page.get_by_text("Noch keine Suche gespeichert")).to_be_visible()


@pytest.mark.parametrize("language", ["de", "en"])
async def test_what_a_lead_does_with_a_persons_data(visitors: Visitors, language: str) -> None:
    async with visitors.page("lead", language=language, expects_errors=True) as page:
        await page.goto("/clients")
        await page.locator("tbody a").first.click()
        await page.wait_for_url("**/clients/*")
        client = page.url
        await page.goto(f"{client}/safekeeping")
        for one in await page.locator("main details > summary").all():
            await one.click()
        await looked_at(page, "lead-safekeeping")
        await page.locator("#hold button[type=submit]").click()
        await expect(page.locator("#errors")).to_be_visible()
        await looked_at(page, "lead-safekeeping-errors")
        await page.goto(f"{client}/erase")
        await looked_at(page, "lead-erase")
        await page.locator("main form button[type=submit]").click()
        await expect(page.locator("#errors")).to_be_visible()
        await page.goto("/approvals")
        await looked_at(page, "lead-approvals")
