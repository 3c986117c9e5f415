"""The person's own page on a small phone: German, English and Arabic, with and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from referrals.person.card_texts import LANGUAGES
from tests.smoke.steps import PACKAGE, REPORT_BACK, day, explained, moment, partner, service
from tests.web.browsing import SIDEWAYS, Demo, Visitors, broken_rules, looked_at

pytestmark = pytest.mark.browser

_SQUEEZED = """() => [...document.querySelectorAll("input[type=radio]")]
  .filter((e) => e.offsetWidth !== e.offsetHeight).map((e) => e.id)"""
_BAR = """() => ["Start", "End"].map((side) =>
  getComputedStyle(document.querySelector("fieldset[aria-invalid]"))[`borderInline${side}Width`])"""
"""How broad the bar beside what was refused is, where a line begins and where it ends."""


async def taken_in(demo: Demo) -> str:
    """Take a new person in at the Jobcenter; return their id."""
    shown = await demo.ask("jobcenter", "read-section-87-notice", language="de")
    notice = {name: shown[name] for name in ("textId", "version", "sha256", "language")}
    taken = await demo.change(
        "jobcenter",
        "take-in-client",
        identity={"familyName": "Probeperson"},
        section87Notice={"notice": notice, "shownAt": moment(minutes=-2)},
    )
    return str(taken["client"]["id"])


async def card(visitors: Visitors, language: str, *, begun: bool = False) -> str:
    """Refer a new person who is then expected on a day; return the code of their card.

    ``begun``: they have been there already.
    """
    demo = visitors.demo
    client = await taken_in(demo)
    planned = await demo.ask(
        "jobcenter",
        "plan-consent-notice",
        recipientIds=[partner("koordination")],
        purposes=[{"purpose": "REFERRAL", "categories": PACKAGE}, REPORT_BACK],
        language="ar",
    )
    sent = await demo.change(
        "jobcenter",
        "refer-client",
        clientId=client,
        serviceId=service("clearing"),
        topic="clearing",
        categories=PACKAGE,
        consent={"record": explained(planned), "purposes": [REPORT_BACK]},
        capacityReason="AGREED_WITH_PARTNER",
    )
    accepted = {"contact": "Anmeldung", "firstContactOn": day(7), "expectedEnd": day(90)}
    told = await demo.change(
        "jobcenter",
        "record-partner-answer",
        id=sent["referral"]["id"],
        expectedVersion=sent["referral"]["version"],
        source="PHONE",
        on=day(0),
        answer={"accept": accepted},
    )
    assert told["referral"]["state"] == "ACCEPTED"
    if begun:
        await demo.change(
            "jobcenter",
            "record-partner-answer",
            id=sent["referral"]["id"],
            expectedVersion=told["referral"]["version"],
            source="PHONE",
            on=day(0),
            answer={"start": {"firstContactMadeOn": day(0)}},
        )
    code: str = (await demo.change("jobcenter", "issue-code-card", clientId=client, language=language))[
        "cardCode"
    ]
    return code


@pytest.mark.parametrize(
    ("language", "javascript"), [("de", True), ("en", True), ("ar", True), ("ar", False)]
)
async def test_a_person_opens_their_page_and_ends_sharing(
    visitors: Visitors, language: str, javascript: bool
) -> None:
    code = await card(visitors, language)
    async with visitors.page(language=language, javascript=javascript, narrow=True) as page:
        await page.goto("/card")
        if javascript:  # axe needs it
            await looked_at(page, "card-enter")
        await page.locator("#field-code").fill(code)
        await page.locator("form button").first.click()
        await expect(page.locator("h2").first).to_be_visible()
        assert page.url.endswith("/card")
        html = page.locator("html")
        await expect(html).to_have_attribute("lang", language)
        await expect(html).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
        if javascript:
            await looked_at(page, "card")
        await page.locator("form:has(input[name='scope'][value='ALL']) button").click()
        await expect(page.locator("#what")).to_be_visible()
        if javascript:  # axe needs it
            await looked_at(page, "card-sure")
        await page.locator("main form").nth(1).locator("button").click()
        await expect(page.locator("input[name='scope'][value='ALL']")).to_have_count(1)
        if javascript:
            return
        await page.locator("form:has(input[name='scope'][value='ALL']) button").click()
        await page.locator("main form").first.locator("button").click()
        await expect(page.locator(".kern-alert--success")).to_be_visible()


@pytest.mark.parametrize(("language", "javascript"), [("de", True), ("ar", True), ("en", False)])
async def test_a_person_tells_how_it_went(visitors: Visitors, language: str, javascript: bool) -> None:
    code = await card(visitors, language, begun=True)
    async with visitors.page(
        language=language, javascript=javascript, narrow=True, expects_errors=True
    ) as page:
        await page.goto("/card")
        await page.locator("#field-code").fill(code)
        await page.locator("form button").first.click()
        form = page.locator("form:has(input[name='do'][value='answer'])")
        await form.locator("button").click()
        missing = page.locator("#errors a")
        await missing.click()
        await expect(page.locator("fieldset[aria-invalid='true']")).to_be_focused()
        await expect(page.locator("fieldset .kern-error")).to_have_text(await missing.inner_text())
        if javascript:  # axe needs it
            await looked_at(page, "card-no-answer")
            assert await page.evaluate(_SQUEEZED) == []
            assert await page.evaluate(_BAR) == ["4px", "0px"]
        await form.locator("input[value='HELPED_PARTLY']").check()
        await form.locator("button").click()
        await expect(page.locator(".kern-alert--success")).to_be_visible()
        await expect(form).to_have_count(0)


async def test_the_page_is_right_on_a_phone_in_every_language(visitors: Visitors) -> None:
    code = await card(visitors, "ar")
    async with visitors.page(language="ar", narrow=True) as page:
        await page.goto("/card")
        await page.locator("#field-code").fill(code)
        await page.locator("form button").first.click()
        html = page.locator("html")
        for language in sorted(LANGUAGES):
            await page.locator("#field-language").select_option(language)
            await page.locator("form:has(#field-language) button").click()
            await expect(html).to_have_attribute("lang", language)
            await expect(html).to_have_attribute("dir", "rtl" if language in {"ar", "fa"} else "ltr")
            assert await page.evaluate(SIDEWAYS) == [], language
            assert await broken_rules(page) == [], language


async def test_a_wrong_code_is_said_in_the_persons_language(visitors: Visitors) -> None:
    async with visitors.page(language="ar", narrow=True, expects_errors=True) as page:
        await page.goto("/card")
        await page.locator("#field-code").fill("AAAAA-AAAAA")
        await page.locator("form button").first.click()
        await expect(page.locator("#errors")).to_contain_text("غير صالح")
        await looked_at(page, "card-wrong")
