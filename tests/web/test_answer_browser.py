"""The pages for people with a code from a letter, in a browser: answering, and keeping the entries right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar
from playwright.async_api import Browser, Page, Route, expect

from directory import upkeep_links
from directory.actors import SYSTEM
from directory.catalogue import LocationDraft, PartnerChange, add_location, change_partner
from directory.database import Database
from directory.values import ContactPoint
from directory.vocabulary import ContactKind
from referrals.codes import CodePurpose, hash_of, new_code
from search.follower import Follower
from tests.graphapi.conftest import make_municipality, make_partner, make_service
from tests.smoke.steps import day
from tests.smoke.test_demo import OPERATIONS
from tests.web.browsing import NARROW, Visitors, looked_at
from tests.web.test_partner_browser import refer_somebody

pytestmark = pytest.mark.browser


def answer_link(visitors: Visitors) -> str:
    """Refer a person of the demo; return the path of the link with which the course provider answers."""
    referral = refer_somebody(visitors)
    asked = {
        "query": (OPERATIONS / "issue-answer-link.graphql").read_text(encoding="utf-8"),
        "variables": {"input": {"idempotencyKey": str(uuid4()), "referralId": referral}},
    }
    headers = {
        "accept": "application/graphql-response+json",
        "authorization": f"Bearer {visitors.demo.tokens['jobcenter']}",
    }
    body = httpx.post(visitors.demo.graphql, json=asked, headers=headers, timeout=20).json()
    return str(body["data"]["issueAnswerLink"]["path"])


async def seen(page: Page, name: str, javascript: bool) -> None:
    """Look at a page; axe waits for ever where no script runs."""
    if javascript:
        await looked_at(page, name)


async def unfold(page: Page, word: str) -> None:
    await page.locator("summary", has_text=word).click()


@pytest.mark.parametrize("language", ["de", "en"])
async def test_pages_with_a_code_look_right(visitors: Visitors, language: str) -> None:
    async with visitors.page(language=language, expects_errors=True) as page:
        await page.goto("/answer")
        await looked_at(page, "answer-enter")
        await page.goto("/answer/AAAAA-AAAAA-AAAAA")
        await looked_at(page, "answer-wrong")
        await page.goto("/upkeep/AAAAA-AAAAA-AAAAA")
        await looked_at(page, "upkeep-wrong")


@pytest.mark.parametrize("javascript", [True, False])
async def test_somebody_without_an_account_accepts_with_a_date(visitors: Visitors, javascript: bool) -> None:
    path = answer_link(visitors)
    async with visitors.page(javascript=javascript, expects_errors=True) as page:
        await page.goto("/answer")
        await page.get_by_label("Der Code aus dem Schreiben").fill(path.removeprefix("/answer/").lower())
        await page.get_by_role("button", name="Weiter").click()
        await page.wait_for_url("**/answer/*")
        await expect(page.get_by_text("Probe", exact=True)).to_have_count(0)
        await seen(page, "answer", javascript)
        await page.get_by_role("button", name="Daten der Person öffnen").click()
        await expect(page.get_by_text("Probe", exact=True)).to_be_visible()
        await seen(page, "answer-opened", javascript)
        await unfold(page, "Ja, wir können")
        form = page.locator("details", has=page.locator("summary", has_text="Ja, wir können"))
        await form.get_by_label("Ansprechperson").fill("Anmeldung, Raum 2")
        await form.get_by_role("button", name="Antwort senden").click()
        await expect(page.locator("#errors")).to_be_focused()
        await seen(page, "answer-error", javascript)
        await page.locator("#errors a").first.click()
        await expect(form.get_by_label("Tag des ersten Kontakts")).to_be_focused()
        await expect(form.get_by_label("Ansprechperson")).to_have_value("Anmeldung, Raum 2")
        await form.get_by_label("Tag des ersten Kontakts").fill(day(7))
        await form.get_by_label("Voraussichtliches Ende").fill(day(90))
        await form.get_by_role("button", name="Antwort senden").click()
        await expect(page.get_by_role("status")).to_contain_text("Ihre Zusage ist angekommen")
        await seen(page, "answer-done", javascript)
        await page.goto(path)
        await seen(page, "answer-over", javascript)


@pytest.mark.parametrize("javascript", [True, False])
async def test_they_ask_in_english(visitors: Visitors, javascript: bool) -> None:
    path = answer_link(visitors)
    async with visitors.page(language="en", javascript=javascript) as page:
        await page.goto(path)
        await seen(page, "answer", javascript)
        await unfold(page, "We need more information")
        await page.get_by_label("Your question").fill("Which level?")
        await page.get_by_role("button", name="Send this answer").locator("visible=true").click()
        await expect(page.get_by_role("status")).to_contain_text("your question has arrived")
        await seen(page, "answer-asked", javascript)


@pytest.mark.parametrize("javascript", [True, False])
async def test_they_decline_with_a_reason(visitors: Visitors, javascript: bool) -> None:
    path = answer_link(visitors)
    async with visitors.page(javascript=javascript) as page:
        await page.goto(path)
        await unfold(page, "Nein, wir können nicht")
        form = page.locator("details", has=page.locator("summary", has_text="Nein, wir können nicht"))
        await form.get_by_label("Grund").select_option("NO_CAPACITY")
        await form.get_by_role("button", name="Antwort senden").click()
        await expect(page.get_by_role("status")).to_contain_text("Ihre Absage ist angekommen")


@pytest.mark.parametrize("javascript", [True, False])
async def test_they_put_the_person_on_a_waiting_list_on_a_phone(visitors: Visitors, javascript: bool) -> None:
    """The browser asks for Arabic, which the page does not speak: then it speaks the office's language."""
    path = answer_link(visitors)
    async with visitors.page(language="ar", javascript=javascript, narrow=True, expects_errors=True) as page:
        await page.goto(path)
        await expect(page.locator("html")).to_have_attribute("lang", "de")
        await expect(page.get_by_text("Berufssprachkurs B2", exact=True)).to_be_visible()
        await unfold(page, "Warteliste")
        await page.get_by_label("Ein Tag der Woche").fill(day(30))
        await seen(page, "answer-waiting-list", javascript)
        await page.get_by_role("button", name="Antwort senden").locator("visible=true").click()
        await expect(page.get_by_role("status")).to_contain_text("auf der Warteliste")
        await page.get_by_role("link", name="English").click()
        await expect(page.locator("html")).to_have_attribute("lang", "en")


# --- Upkeep -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def at(app: Litestar, browser: Browser, *, javascript: bool, language: str) -> AsyncIterator[Page]:
    """Open a browser whose requests this process answers: it knows the codes that letters would bring."""
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    context = await browser.new_context(
        base_url="http://test", locale=language, java_script_enabled=javascript, viewport=NARROW  # type: ignore[arg-type]
    )  # fmt: skip
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:

        async def answer(route: Route) -> None:
            asked = route.request
            headers = {**await asked.all_headers(), "host": "test"}
            got = await http.request(
                asked.method, asked.url, headers=headers, content=asked.post_data_buffer or b""
            )
            given: dict[str, Any] = {n: v for n, v in got.headers.items() if n != "content-encoding"}
            await route.fulfill(status=got.status_code, headers=given, body=got.content)

        await context.route("**/*", answer)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        try:
            yield page
        finally:
            await context.close()


async def upkeep_link(database: Database) -> str:
    """Make an organisation with an entry; return the path of the link with which it is kept right."""
    partner = await make_partner(database, await make_municipality(database), "Verein Beispiel e. V.")
    await make_service(database, partner, "Beratung am Nachmittag", description={"de": "Was wir tun."})
    code = new_code()
    async with database.work(SYSTEM) as work:
        phone = ContactPoint(kind=ContactKind.PHONE, value="+493551234567", label={"ar": "استقبال"})
        saved = await change_partner(
            work, partner, PartnerChange(contact_points=(phone,)), expected_version=2
        )
        place = LocationDraft(name="Haus 1", hours="Mo-Fr 09:00-12:00")
        await add_location(work, partner, place, expected_version=saved.version)
        await upkeep_links.issue(work, partner, hash_of(code, CodePurpose.UPKEEP))
    return f"/upkeep/{code}"


@pytest.mark.parametrize(("javascript", "language"), [(True, "de"), (False, "de"), (True, "en")])
async def test_entries_are_kept_right_without_an_account(
    served: tuple[Litestar, Follower],
    database: Database,
    chromium: Browser,
    javascript: bool,
    language: str,
) -> None:
    path = await upkeep_link(database)
    german = language == "de"
    async with at(served[0], chromium, javascript=javascript, language=language) as page:
        await page.goto("/upkeep")
        await seen(page, "upkeep-enter", javascript)
        await page.goto(path)
        await seen(page, "upkeep", javascript)
        await page.get_by_role("button", name="Stimmt noch alles" if german else "still right").first.click()
        await expect(page.get_by_role("status")).to_contain_text("Danke" if german else "Thank you")
        change = page.locator("section").first.locator("details")
        await change.locator("summary").click()
        await change.get_by_label("Telefon" if german else "phone").fill("keine Nummer")
        await change.get_by_role("button").click()
        await expect(page.locator("#errors")).to_be_focused()
        await expect(change.get_by_label("Telefon" if german else "phone")).to_have_value("keine Nummer")
        await seen(page, "upkeep-error", javascript)
        await change.get_by_label("Telefon" if german else "phone").fill("0355 999888")
        await change.get_by_role("button").click()
        await expect(page.get_by_role("status")).to_contain_text("geprüft" if german else "looked at")
        await seen(page, "upkeep-done", javascript)
