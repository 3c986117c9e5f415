"""How partners, leads and other municipalities go in a browser: answer a referral, keep the entry, decide."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.smoke.steps import COURSE, PACKAGE, REPORT_BACK, Seen, day, explained, partner, taken_in
from tests.smoke.test_demo import OPERATIONS
from tests.web.browsing import Visitors, looked_at

pytestmark = pytest.mark.browser

ENTRY = {
    "inbox": "/inbox",
    "inbox-ended": "/inbox?show=ended",
    "entry": "/entry",
    "entry-change": "/entry/change",
    "entry-requests": "/entry/requests",
    "entry-translations": "/entry/translations",
    "members": "/members",
    "members-new": "/members/new",
}
LEAD = {"approvals": "/approvals", "rules": "/rules"}


async def see(page: Page, places: dict[str, str], who: str) -> None:
    for name, path in places.items():
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        await looked_at(page, f"{who}-{name}")


@pytest.mark.parametrize("language", ["de", "en"])
async def test_pages_of_a_partner(visitors: Visitors, language: str) -> None:
    async with visitors.page("course_provider", language=language) as page:
        if language == "en":  # the words differ, the pages do not
            await see(
                page, {"inbox": "/inbox", "entry": "/entry", "entry-change": "/entry/change"}, "partner"
            )
            return
        await see(page, ENTRY, "partner")
        await page.goto("/entry")
        await page.locator("a[href^='/entry/services/']").first.click()
        await looked_at(page, "partner-service")
        await page.goto("/entry")
        await page.locator("a[href^='/entry/history/']").first.click()
        await looked_at(page, "partner-history")
        await page.goto("/entry")
        await page.locator("a[href^='/entry/places/']").first.click()
        await looked_at(page, "partner-place")


def refer_somebody(visitors: Visitors) -> str:
    """Refer a person of the demo to the course provider, as the Jobcenter; return the referral's id."""
    seen = Seen(visitors.demo.tokens)

    def run(document: str, variables: dict[str, Any]) -> Any:
        text = (OPERATIONS / f"{document}.graphql").read_text(encoding="utf-8")
        if "\nmutation " in text:
            variables = {"input": {"idempotencyKey": str(uuid4()), **variables}}
        headers = {
            "accept": "application/graphql-response+json",
            "authorization": f"Bearer {visitors.demo.tokens['jobcenter']}",
        }
        asked = {"query": text, "variables": variables}
        body = httpx.post(visitors.demo.graphql, json=asked, headers=headers, timeout=20).json()
        assert "errors" not in body, body
        return next(iter(body["data"].values()))

    seen.kept["warned"] = run("read-section-87-notice", {"language": "de"})
    name = {"familyName": "Probe", "givenNames": "Person"}
    client = run("take-in-client", taken_in(identity=name, languages=["ar", "de"])(seen))["client"]
    purposes = [{"purpose": "REFERRAL", "categories": PACKAGE}, REPORT_BACK]
    to = [partner("sprachkurstraeger")]
    planned = run("plan-consent-notice", {"recipientIds": to, "purposes": purposes, "language": "ar"})
    sent = run(
        "refer-client",
        {
            "clientId": client["id"],
            "serviceId": COURSE,
            "topic": "language-course",
            "categories": PACKAGE,
            "consent": {"record": explained(planned), "purposes": [REPORT_BACK]},
            "capacityReason": "AGREED_WITH_PARTNER",
        },
    )
    assert "referral" in sent, sent
    return str(sent["referral"]["id"])


async def test_a_partner_answers_a_referral_without_javascript(visitors: Visitors) -> None:
    key = refer_somebody(visitors)
    async with visitors.page("course_provider", javascript=False, expects_errors=True) as page:
        await page.goto("/inbox")
        await page.locator(f"#found a[href='/inbox/{key}']").first.click()
        await expect(page.get_by_role("heading", name="Was jetzt zu tun ist")).to_be_visible()
        await page.get_by_role("button", name="Eingang bestätigen und öffnen").click()
        await expect(page.get_by_text("Probe", exact=True)).to_be_visible()
        await page.get_by_role("link", name="Annehmen").click()
        await page.get_by_role("button", name="Annehmen").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.get_by_label("Wer kümmert sich um die Person?").fill("Anmeldung, Raum 2")
        await page.get_by_label("Erster Kontakt am").fill(day(7))
        await page.get_by_label("Voraussichtliches Ende").fill(day(90))
        await page.get_by_role("button", name="Annehmen").click()
        await expect(page.get_by_role("status")).to_contain_text("Angenommen")


async def test_one_referral_with_its_forms(visitors: Visitors) -> None:
    key = refer_somebody(visitors)
    async with visitors.page("course_provider", expects_errors=True) as page:
        await page.goto("/inbox")
        await looked_at(page, "partner-inbox-filled")
        await page.goto(f"/inbox/{key}")
        await looked_at(page, "partner-referral-unopened")
        await page.locator("form[action$='/acknowledge'] button").click()
        await page.wait_for_load_state()
        await looked_at(page, "partner-referral")
        await page.goto(f"/inbox/{key}?do=decline")
        await looked_at(page, "partner-referral-decline")
        await page.goto(f"/inbox/{key}?do=appointment")
        await page.locator("#doing-form button[type=submit]").click()
        await expect(page.locator("#errors")).to_be_focused()
        await looked_at(page, "partner-referral-refused")


async def test_hiding_is_asked_once_more(visitors: Visitors) -> None:
    async with visitors.page("course_provider") as page:
        await page.goto("/entry")
        await page.get_by_role("link", name="Eintrag und Angebote verbergen").click()
        await expect(page.get_by_role("alert")).to_contain_text("Wirklich verbergen?")
        await looked_at(page, "partner-entry-asked")
        await page.get_by_role("link", name="Nein, so lassen").first.click()
        await expect(page.get_by_role("button", name="Ja, alles verbergen")).to_have_count(0)


async def test_pages_of_interpreters_leads_and_other_municipalities(visitors: Visitors) -> None:
    async with visitors.page("interpreters") as page:
        await see(page, {"bookings": "/bookings", "bookings-own": "/bookings?show=own"}, "interpreters")
    async with visitors.page("lead") as page:
        await see(page, LEAD, "lead")
        if await page.locator("form[action='/rules/draft'] button").count():
            await page.locator("form[action='/rules/draft'] button").first.click()
        else:
            await page.locator("a[href^='/rules/']").first.click()
        await page.wait_for_url("**/rules/*")
        await looked_at(page, "lead-rule-draft")
        await page.locator("a[href*='?line=']").first.click()
        await looked_at(page, "lead-rule-line")
    async with visitors.page("other_municipality") as page:
        await see(page, {"experience": "/experience"}, "other-municipality")
