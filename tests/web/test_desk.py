"""Several at once, the waiting list, access tokens, the licence, and the rules that everybody may read."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest

from directory.actors import Role
from directory.database import Database
from graphapi.web.pages.several import RECEIVED, SENDING
from referrals.vocabulary import DeclineReason
from tests.graphapi.asking import Api
from tests.graphapi.conftest import api as api
from tests.graphapi.conftest import make_member
from tests.graphapi.exchanging import TODAY, Town, make_town
from tests.graphapi.test_access_table import follow_up
from tests.web.conftest import Web, number_of
from tests.web.test_coordinator import form_of, goal, own, sent

WHY = next(iter(DeclineReason)).value
WEEK = (TODAY + timedelta(days=30)).isoformat()


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


@pytest.fixture
async def staff(web: Web, town: Town) -> Web:
    """A browser in which the receiving organisation is signed in."""
    await web.sign_in(town.world.staff_member)
    return web


# --- Several at once --------------------------------------------------------------------------------------


async def state(town: Town, referral: str, who: str = "coordinator") -> str:
    answer = await town.ask("query ($id: ID!) { referral(id: $id) { state } }", {"id": referral}, who=who)
    return str(answer.data["referral"]["state"])


async def test_a_cancelled_course_is_declined_for_all_at_once(staff: Web, town: Town) -> None:
    course = await town.new_service()
    first, second, other = [await town.sent(serviceId=course) for _ in range(3)]
    path = "/inbox/several/decline"
    page = await staff.get(path, service=course)
    assert page.text.count('name="items"') == 3
    assert " checked" not in form_section(page.text)
    items = [f"{one['id']}.{one['version']}" for one in (first, second)]
    unsure = await sent(staff, path, path, items=items, reason=WHY)
    assert unsure.status_code == 422
    assert {'href="#field-sure"', 'href="#field-declinedBy"'} <= set(
        re.findall(r'href="#field-\w+"', unsure.text)
    )
    assert form_section(unsure.text).count(" checked") == 2, "what was ticked stays so"
    given = {"items": items, "reason": WHY, "declinedBy": "PARTNER", "sure": "true"}
    done = await goal(staff, await sent(staff, path, path, **given))
    assert "Done for 2 referrals." in done.text
    assert [await state(town, one["id"]) for one in (first, second, other)] == [
        "DECLINED",
        "DECLINED",
        "SENT",
    ]


def form_section(text: str) -> str:
    """Return the form of a page for several."""
    return text.partition('id="several"')[2].partition("</form>")[0]


async def test_what_is_refused_is_named_and_the_rest_is_done(staff: Web, town: Town) -> None:
    course = await town.new_service()
    first, second = [await town.sent(serviceId=course) for _ in range(2)]
    path = "/inbox/several/acknowledge"
    items = [f"{first['id']}.{first['version'] + 5}", f"{second['id']}.{second['version']}"]
    page = await sent(staff, path, path, items=items)
    assert page.status_code == 422
    assert "Done for 1 referral." in page.text
    assert page.text.count('id="why-') == 1, "the reason stands at the one that was not done"
    assert "Some were not done" in page.text
    assert await state(town, second["id"]) == "ACKNOWLEDGED"
    assert await state(town, first["id"]) == "SENT"


async def test_outcomes_are_closed_and_sent_ones_taken_back_together(web: Web, town: Town) -> None:
    reported = await town.reported()
    open_ = await town.sent()
    await own(web, town)
    assert "/referrals/several/close" in (await web.get("/referrals", show="reported")).text
    path = "/referrals/several/close"
    given = {"items": f"{reported['id']}.{reported['version']}", "feedbackAsked": "ANSWERED"}
    done = await goal(web, await sent(web, path, path, **given))
    assert "Done for 1 referral." in done.text
    assert await state(town, reported["id"]) == "CLOSED"
    path = "/referrals/several/cancel"
    given = {"items": f"{open_['id']}.{open_['version']}", "sure": "true"}
    listed = await web.get(path)
    choices = re.findall(r'<option value="(\w+)">', listed.text.partition('name="reason"')[2])
    given["reason"] = choices[0]
    await goal(web, await sent(web, path, path, **given))
    assert await state(town, open_["id"]) == "CANCELLED"


async def test_drafts_are_sent_on_the_consent_that_was_asked_for(web: Web, town: Town) -> None:
    person, other = await town.client(), await town.client()
    given = await town.consent(person["id"])
    agreed = await town.draft(person["id"])
    agreed = await town.on("coordinator", "awaitConsent", agreed, consentId=given["id"])
    waits = await town.on("coordinator", "awaitConsent", await town.draft(other["id"]))
    untouched = await town.draft()
    await own(web, town)
    path = "/referrals/several/send"
    offered = re.findall(r'name="items" value="([^".]+)\.', (await web.get(path)).text)
    assert {agreed["id"], waits["id"]} <= set(offered)
    assert untouched["id"] not in offered
    page = await sent(web, path, path, items=[f"{one['id']}.{one['version']}" for one in (agreed, waits)])
    assert page.status_code == 422
    assert "Done for 1 referral." in page.text
    assert page.text.count('id="why-') == 1
    assert await state(town, agreed["id"]) == "SENT"
    assert await state(town, waits["id"]) == "AWAITING_CONSENT"


@pytest.mark.parametrize(
    "path",
    [*(f"/inbox/several/{name}" for name in RECEIVED), *(f"/referrals/several/{name}" for name in SENDING)],
)
async def test_with_nothing_ticked_the_page_says_so(web: Web, town: Town, path: str, api: Api) -> None:
    stranger, _ = await make_member(town.database, town.jobcenter_partner, Role.PARTNER_MEMBER)
    await web.sign_in(stranger)
    page = await web.get(path)
    assert page.status_code == 200
    assert "no referral that this can be done for" in page.text
    refused = await web.post(path, {"once": "form-nothing-ticked"}, number=number_of(page))
    assert refused.status_code == 422
    assert (await web.get(path + "-or-not")).status_code == 404
    reading, _ = await make_member(town.database, town.world.coordination, Role.OTHER_MUNICIPALITY)
    await web.sign_in(reading)
    assert (await web.get(path)).status_code == 403


# --- Waiting list -----------------------------------------------------------------------------------------


async def test_the_waiting_list_stands_in_its_order_and_leads_to_accepting(staff: Web, town: Town) -> None:
    course = await town.new_service()
    plain = await town.on("staff", "waitlistReferral", await town.sent(serviceId=course), expectedWeek=WEEK)
    urgent = await town.sent(serviceId=course, priority="URGENT")
    urgent = await town.on("staff", "waitlistReferral", urgent, expectedWeek=WEEK)
    lists = await staff.get("/inbox/waiting")
    page = lists if "Who waits, in order" in lists.text else await staff.get("/inbox/waiting", service=course)
    assert page.status_code == 200
    assert "2 people wait" in page.text
    links = re.findall(r'href="/inbox/([^"?/]+)\?do=accept"', page.text)
    assert links == [urgent["id"], plain["id"]]
    assert "Tesfay" not in page.text
    assert 'name="firstContactOn"' in (await staff.get(f"/inbox/{links[0]}", do="accept")).text
    assert (await staff.get("/inbox/waiting", service="bogus")).status_code == 404


async def test_an_empty_waiting_list_says_what_it_is_for(web: Web, town: Town) -> None:
    stranger, _ = await make_member(town.database, town.jobcenter_partner, Role.PARTNER_MEMBER)
    await web.sign_in(stranger)
    assert "Nobody is waiting" in (await web.get("/inbox/waiting")).text


# --- Access tokens ----------------------------------------------------------------------------------------


async def test_a_token_is_shown_once_works_and_ends(web: Web, town: Town, api: Api) -> None:
    office, _ = await make_member(
        town.database, town.jobcenter_partner, Role.PARTNER_MEMBER, administers=True
    )
    await web.sign_in(office)
    assert 'href="/members/tokens"' in (await web.get("/members")).text
    path = "/members/tokens"
    empty = await sent(web, path, path)
    assert {'href="#field-memberId"', 'href="#field-label"'} <= set(
        re.findall(r'href="#field-\w+"', empty.text)
    )
    form = form_of(await web.get(path), path)
    members = re.findall(r'<option value="([^"]+)"', (await web.get(path)).text)
    given = {**form, "memberId": members[-1], "label": "Fachverfahren <b>"}
    made = await web.post(path, given, number=form["number"])
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    secret = re.search(r"<code[^>]*>(\S{30,})</code>", made.text)
    assert secret
    answer = await api("{ me { partner { id } } }", token=secret[1])
    assert answer.data["me"]["partner"]["id"]
    again = await web.post(path, given, number=form["number"])
    assert secret[1] not in again.text
    assert "shown already" in again.text
    listed = await web.get(path)
    assert secret[1] not in listed.text
    assert "Fachverfahren &lt;b&gt;" in listed.text
    ask = re.search(r'href="(/members/tokens\?ask=[^"]+)" aria-label="End Fachverfahren', listed.text)
    assert ask
    asked = await web.get(ask[1])
    ending = re.search(r'action="(/members/tokens/[^"]+/end)"', asked.text)
    assert ending
    ended = await goal(web, await sent(web, ask[1], ending[1]))
    assert "Fachverfahren" not in ended.text
    assert (await api("{ me { partner { id } } }", token=secret[1])).status == 401


async def test_only_who_administers_makes_tokens(web: Web, town: Town) -> None:
    plain, _ = await make_member(town.database, town.jobcenter_partner, Role.PARTNER_MEMBER)
    await web.sign_in(plain)
    assert (await web.get("/members/tokens")).status_code == 403
    number = number_of(await web.get("/members"))
    form = {"label": "x", "memberId": "y"}
    assert (await web.post("/members/tokens", form, number=number)).status_code == 403


# --- Licence ----------------------------------------------------------------------------------------------


async def test_a_lead_says_the_licence(web: Web, town: Town) -> None:
    lead, _ = await make_member(town.database, town.world.coordination, Role.LEAD)
    await web.sign_in(lead)
    said = await goal(web, await sent(web, "/licence", "/licence", chosen="CC-BY-4.0", licence=""))
    assert "The licence is noted" in said.text
    assert '<option value="CC-BY-4.0" selected>' in said.text
    refused = await sent(web, "/licence", "/licence", chosen="", licence="not a licence!")
    assert refused.status_code == 422
    assert 'href="#field-licence"' in refused.text
    own_ = await goal(
        web, await sent(web, "/licence", "/licence", chosen="CC-BY-4.0", licence="https://example.org/l")
    )
    assert "https://example.org/l" in own_.text, "the own one goes before the list"
    none = await goal(web, await sent(web, "/licence", "/licence", chosen="", licence=""))
    assert "nothing said" in none.text
    await own(web, town)
    assert (await web.get("/licence")).status_code == 403


# --- Rules to read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["de", "en"])
async def test_everybody_reads_who_is_supported_and_how_matches_are_ranked(web: Web, language: str) -> None:
    rule = await web.get("/support", language=language)
    assert rule.status_code == 200
    assert "104c" in rule.text
    assert not re.search(r">\s*(ELIGIBLE|SECTION_|DOES_NOT_FIT)", rule.text)
    assert (await web.get("/support", on="soon")).status_code == 422
    table = await web.get("/ranking", language=language)
    assert "Kinderbetreuung" in table.text if language == "de" else "Childcare" in table.text
    assert not re.search(r">\s*[A-Z]+_[A-Z_]+\s*<", table.text)
    start = await web.get("/", language=language)
    assert 'href="/support"' in start.text
    assert 'href="/ranking"' in start.text


async def test_the_example_of_the_ranking_is_the_tables_own(web: Web) -> None:
    """30 of 40 points: language 20 and places 20, of which half where nothing is known of the places."""
    assert "40 of 40 points" in (text := (await web.get("/ranking")).text)
    assert "30 of 40" in text


# --- Figures as a table, and who is asked again -------------------------------------------------------------


async def test_figures_are_given_as_a_table_for_a_spreadsheet(web: Web, town: Town) -> None:
    await town.client()
    await own(web, town)
    page = await web.get("/figures", months="3")
    link = re.search(r'href="(/figures/file[^"]+)"', page.text)
    assert link
    file = await web.get(unescape(link[1]))
    assert file.headers["content-type"].startswith("text/csv")
    assert file.headers["cache-control"] == "no-store"
    rows = list(csv.reader(io.StringIO(file.content.decode("utf-8-sig")), delimiter=";"))
    assert {len(row) for row in rows} == {4}
    shown = {row[2]: row[3] for row in rows if row[0] == "Clients by phase"}
    assert sum(map(int, shown.values())) >= 1
    assert all(f">{count}<" in page.text and what in page.text for what, count in shown.items())
    assert "Tesfay" not in file.text
    await web.sign_in(town.world.staff_member)
    assert (await web.get("/figures/file")).status_code == 403


async def test_what_is_missing_about_who_is_asked_again_is_said_at_its_form(web: Web, town: Town) -> None:
    asked = await follow_up(town)
    await own(web, town)
    action = f"/due/follow-up/{asked['id']}"
    refused = await sent(web, "/due", action, occupiedWith="COURSE")
    assert refused.status_code == 422
    assert (
        '<a class="kern-link" href="#field-needNow">Is the need still met: Please choose.</a>' in refused.text
    )
    beside = refused.text.partition('id="error-needNow"')
    assert beside[0].rindex('id="field-needNow"') > beside[0].rindex(action), "at its own form, of several"
    assert "Please choose." in beside[2].partition("</p>")[0]
    assert '<option value="COURSE" selected>' in refused.text, "what was chosen stays"
    before = refused.text.partition(f'action="{action}"')[0]
    assert before.rindex(" open>") > before.rindex("<details"), "the form that was sent is open"
    done = await goal(web, await sent(web, "/due", action, needNow="STILL_MET"))
    assert "was recorded" in done.text
