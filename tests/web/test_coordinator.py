"""The coordinators' pages: clients, matching, referring step by step, the board, what is due, figures."""

from __future__ import annotations

import base64
import re
from html import unescape
from importlib.resources import files
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from directory.actors import SYSTEM, Role
from directory.database import Database
from directory.figures import LEAST_PEOPLE
from directory.values import LanguageOffered
from graphapi.relay import read_id
from graphapi.web.pages.clients import CARD_LANGUAGES, NOTICE_LANGUAGES
from graphapi.web.rendering import drawn_code
from referrals.models import Notice
from referrals.person import card_texts
from referrals.person.card_texts import texts_in
from referrals.vocabulary import NoticeState
from tests.graphapi.asking import Api
from tests.graphapi.conftest import api as api
from tests.graphapi.conftest import make_member
from tests.graphapi.exchanging import ACCEPTANCE, OUTCOME, REPORT_BACK, TODAY, Town, make_town
from tests.web.conftest import Web, number_of

SCRIPT = "<script>alert(1)</script>"
PAGES = ("/clients", "/clients/new", "/referrals", "/due")


@pytest.fixture
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def member(town: Town, role: Role = Role.COORDINATOR) -> UUID:
    """Return a new member of the coordination."""
    return (await make_member(town.database, town.world.coordination, role, name="Kim Kollege"))[0]


async def own(web: Web, town: Town) -> None:
    """Sign in as who looks after the people of the town."""
    answer = await town.ask("{ me { member { id } } }", who="coordinator")
    await web.sign_in(parse_id(answer.data["me"]["member"]["id"]))


def parse_id(given: str) -> UUID:
    """Return the key within an id of GraphQL."""
    return UUID(base64.b64decode(given + "==").decode().partition(":")[2])


def form_of(page: httpx.Response, action: str) -> dict[str, Any]:
    """Return what a form on a page would send as it stands."""
    found = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', page.text, re.S)
    assert found, f"no form to {action}: {page.status_code}"
    sent: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", found[0]):
        told = {name: unescape(value) for name, value in re.findall(r'(\w+)="([^"]*)"', tag)}
        if told.get("type") in {"checkbox", "radio"}:
            if " checked" in tag:
                sent.setdefault(told["name"], []).append(told["value"])
        else:
            sent[told["name"]] = told["value"]
    for name, inner in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', found[0], re.S):
        options = re.findall(r'<option value="([^"]*)"( selected)?', inner)
        sent[name] = next((unescape(v) for v, s in options if s), unescape(options[0][0]))
    for name, inner in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', found[0], re.S):
        sent[name] = unescape(inner)
    return sent


async def sent(web: Web, path: str, action: str, **given: Any) -> httpx.Response:
    """Open a page, fill its form in and send it."""
    page = await web.get(path)
    assert page.status_code == 200, (path, page.status_code, page.text[-600:])
    form = form_of(page, action)
    return await web.post(action, {**form, **given}, number=form.pop("number"))


async def goal(web: Web, answer: httpx.Response) -> httpx.Response:
    """Follow the redirect after something was done."""
    assert answer.status_code == 303, (
        answer.status_code,
        re.findall(r'id="errors".*?</ul>', answer.text, re.S),
    )
    return await web.get(answer.headers["location"])


# --- Who may ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PAGES, "/figures"])
async def test_nobody_sees_them_without_signing_in(web: Web, path: str) -> None:
    answer = await web.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


async def test_each_role_sees_what_is_its_own(web: Web, town: Town) -> None:
    client = await town.client()
    referral = await town.sent(clientId=client["id"])
    for role in (Role.COORDINATOR, Role.LEAD):
        await web.sign_in(await member(town, role))
        for path in (*PAGES, "/figures", f"/clients/{client['id']}", f"/referrals/{referral['id']}"):
            page = await web.get(path)
            assert page.status_code == 200, path
            assert page.headers["cache-control"] == "no-store"
    await web.sign_in(town.world.staff_member)
    assert [(await web.get(path)).status_code for path in PAGES] == [200] * 4
    assert (await web.get("/figures")).status_code == 403
    assert (await web.get(f"/clients/{client['id']}")).status_code == 404
    received = await web.get(f"/referrals/{referral['id']}")
    assert received.headers["location"] == f"/inbox/{referral['id']}"
    reading, _ = await make_member(town.database, town.world.coordination, Role.OTHER_MUNICIPALITY)
    await web.sign_in(reading)
    assert [(await web.get(path)).status_code for path in (*PAGES, "/figures")] == [403] * 5


# --- Clients ----------------------------------------------------------------------------------------------


async def test_a_person_is_taken_in_found_by_name_changed_and_moved(web: Web, town: Town) -> None:
    await web.sign_in(await member(town))
    empty = await sent(web, "/clients/new", "/clients/new")
    assert empty.status_code == 422
    assert 'href="#field-identity.familyName"' in empty.text
    taken = await sent(
        web,
        "/clients/new",
        "/clients/new",
        **{
            "identity.familyName": f"Tesfay {SCRIPT}",
            "contact.phone": "0355 1234567",
            "languages": ["ti"],
            "needs": [town.topic],
            "residenceStatus": "SECTION_104C",
            "profile.competences": f"Kochen\n{SCRIPT}",
        },
    )
    page = await goal(web, taken)
    assert "&lt;script&gt;" in page.text
    assert SCRIPT not in page.text
    assert "Tigrinya" in page.text
    assert "SECTION_104C" not in page.text.split("<form")[0]
    client = taken.headers["location"]

    number = number_of(await web.get("/clients"))
    listed = await web.post("/clients/find", {"name": "tesfay"}, number=number)
    assert listed.status_code == 200
    assert client in listed.text
    assert "tesfay" not in str(listed.url)
    assert client not in (await web.post("/clients/find", {"name": "Niemand"}, number=number)).text

    changed = await goal(
        web, await sent(web, f"{client}/change", f"{client}/change", **{"profile.level": "B1"})
    )
    assert "B1" in changed.text
    moved = await goal(web, await sent(web, client, f"{client}/phase", phase="NO_CAPACITY"))
    assert "The phase was changed" in moved.text
    stale = await web.post(f"{client}/phase", {"phase": "CLEARING", "expectedVersion": "1"}, number=number)
    assert stale.status_code == 409
    assert client in (await web.get("/clients", phase="NO_CAPACITY")).text


async def test_where_a_public_body_takes_in_the_notice_comes_first(web: Web, town: Town) -> None:
    staff, _ = await make_member(town.database, town.jobcenter_partner, Role.PARTNER_MEMBER)
    await web.sign_in(staff)
    page = await web.get("/clients/new", noticeLanguage="ti")
    assert "§ 87" in page.text
    assert 'lang="ti"' in page.text
    given = {"identity.familyName": "Tesfay"}
    unseen = await sent(web, "/clients/new?noticeLanguage=ti", "/clients/new", **given)
    assert unseen.status_code == 422
    assert "Please show the notice" in unseen.text
    seen = await sent(web, "/clients/new?noticeLanguage=ti", "/clients/new", noticeShown="true", **given)
    assert "Tesfay" in (await goal(web, seen)).text


async def test_services_are_matched_with_reasons(web: Web, town: Town) -> None:
    service = await town.new_service(topics=[town.topic])
    client = await town.client()
    await web.found_by_search()
    await web.sign_in(await member(town))
    page = await web.get(f"/clients/{client['id']}/match")
    assert page.status_code == 200
    assert f"/clients/{client['id']}/refer?service={service}" in unescape(page.text).replace("%3D", "=")
    assert "Criterion by criterion" in page.text or "criterion by criterion" in page.text
    assert "SECTION_104C" not in str(page.url)


async def test_what_a_person_needs_is_in_no_address_of_a_match(web: Web, town: Town) -> None:
    """Needs and wishes go in the form: what is looked for is told by no link, redirect or referrer."""
    await town.new_service(topics=[town.topic])
    client = await town.client(needs=[town.topic])
    await web.found_by_search()
    await web.sign_in(await member(town))
    path = f"/clients/{client['id']}/match"
    page = await web.get(path)
    form = form_of(page, path)
    assert form["topics"] == [town.topic]
    number = form.pop("number")
    wished = {"text": "Kurs", "childcare": "true", "womenOnly": "true", "kinds": "QUALIFICATION"}
    again = await web.post(path, {**form, **wished}, number=number)
    assert again.status_code == 200
    assert again.headers["cache-control"] == "no-store"
    for shown in (page, again):
        told = re.findall(r'(?:href|action|src|hx-[a-z-]+)="([^"]*)"', shown.text)
        assert any(path in address for address in told)
        for word in (town.topic, "Kurs", "childcare", "womenOnly", "topics", "SECTION_104C", "Tesfay"):
            assert not [address for address in told if word in unescape(address)], word
    assert not [one for one in re.findall(r'<form method="get"[^>]*>', again.text) if path in one]
    kept = form_of(again, path)
    assert (kept["text"], kept["kinds"]) == ("Kurs", "QUALIFICATION")
    none = await web.post(path, {"topics": "no-such-topic"}, number=number)
    assert "Nothing fits" in none.text
    asked = await web.get(path, topics="no-such-topic", chosen="1")
    assert form_of(asked, path)["topics"] == [town.topic]


async def test_a_match_says_languages_in_words(web: Web, town: Town) -> None:
    await town.new_service(topics=[town.topic], languages=[LanguageOffered(language="ti")])
    client = await town.client(languages=["ti"])
    await web.found_by_search()
    await web.sign_in(await member(town))
    page = await web.get(f"/clients/{client['id']}/match")
    assert "Offered in this language (Tigrinya)" in page.text
    assert "(ti)" not in page.text


# --- Referring --------------------------------------------------------------------------------------------


async def drafted(web: Web, town: Town) -> tuple[str, str]:
    """Draft a referral over the pages; return the addresses of client and draft."""
    client = f"/clients/{(await town.client())['id']}"
    answer = await sent(web, f"{client}/refer?service={town.service}", f"{client}/refer", topic=town.topic)
    page = await goal(web, answer)
    assert "This is what the partner will see" in page.text
    return client, answer.headers["location"]


@pytest.mark.slow
async def test_a_referral_is_drafted_consented_and_sent_step_by_step(web: Web, town: Town) -> None:
    await own(web, town)
    client, referral = await drafted(web, town)
    page = await web.get(referral)
    assert "Almaz" in page.text
    assert f"{referral}/send" not in page.text
    kept = form_of(page, f"{referral}/package")["categories"]
    without = [one for one in kept if one != "CONTACT"]
    page = await goal(web, await sent(web, referral, f"{referral}/package", categories=without))
    assert "+493551234567" not in page.text
    none = await sent(web, referral, f"{referral}/package", categories=[])
    assert none.status_code == 422

    asked = await sent(web, referral, f"{referral}/consent/request", purposes=["FOLLOW_UP_28_DAYS"])
    assert asked.headers["location"] == f"{referral}/consent"
    assert "Go on with the consent" in (await web.get(referral)).text
    notice = await web.get(f"{referral}/consent")
    assert 'lang="ti"' in notice.text
    pdf = await web.get(f"{referral}/consent/print", noticeLanguage="ti")
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    assert pdf.headers["cache-control"] == "no-store"

    undecided = await sent(web, f"{referral}/consent", f"{referral}/consent")
    assert undecided.status_code == 422
    assert 'href="#field-decision"' in undecided.text
    granted = {"decision": "agrees", "granted": ["REFERRAL", "REPORT_BACK"]}
    hidden = await sent(web, f"{referral}/consent", f"{referral}/consent", **granted)
    assert hidden.status_code == 422
    shown = {"record.noDisadvantageShown": "true", "record.section87NoticeAt": "true"}
    told = {"interpreter.kind": "MEDIATOR", "interpreter.language": "ti"}
    recorded = await sent(web, f"{referral}/consent", f"{referral}/consent", **granted, **shown, **told)
    page = await goal(web, recorded)
    assert "A valid consent covers everything" in page.text
    page = await goal(web, await sent(web, referral, f"{referral}/send"))
    assert "The referral was sent" in page.text
    assert referral in (await web.get("/referrals")).text
    assert referral in (await web.get(client)).text


async def test_a_refused_consent_sends_nothing(web: Web, town: Town) -> None:
    await own(web, town)
    _, referral = await drafted(web, town)
    await sent(web, referral, f"{referral}/consent/request", reportDepth="NOTHING")
    recorded = await sent(
        web,
        f"{referral}/consent",
        f"{referral}/consent",
        decision="refuses",
        **{"record.noDisadvantageShown": "true", "record.section87NoticeAt": "true"},
    )
    page = await goal(web, recorded)
    assert f"{referral}/send" not in page.text
    page = await goal(web, await sent(web, referral, f"{referral}/do/abandon", reason="CONSENT_REFUSED"))
    assert "Draft given up" in page.text


async def test_an_interpreter_is_booked_without_a_name(web: Web, town: Town) -> None:
    await own(web, town)
    client = f"/clients/{(await town.client())['id']}"
    page = f"{client}/refer?service={town.interpreting}"
    late = await sent(web, page, f"{client}/book")
    assert late.status_code == 422
    assert 'href="#field-startsAt"' in late.text
    moment = f"{TODAY.year + 1}-03-02T10:00"
    done = await sent(web, page, f"{client}/book", startsAt=moment, mode="ON_SITE")
    assert "The interpreter was asked for" in (await goal(web, done)).text


# --- What became of it ------------------------------------------------------------------------------------


async def test_an_answer_by_phone_is_recorded_and_the_referral_is_closed(web: Web, town: Town) -> None:
    await own(web, town)
    referral = f"/referrals/{(await town.sent(others=(REPORT_BACK, {'purpose': 'FEEDBACK'})))['id']}"
    assert "Accepted" not in (await web.get(referral)).text
    missing = await sent(web, f"{referral}?do=told-accept", f"{referral}/do/told-accept")
    assert missing.status_code == 422
    assert 'href="#field-contact"' in missing.text
    said = await sent(web, f"{referral}?do=told-accept", f"{referral}/do/told-accept", **ACCEPTANCE)
    assert "by phone" in (await goal(web, said)).text
    day = {"firstContactMadeOn": TODAY.isoformat()}
    await goal(web, await sent(web, f"{referral}?do=told-start", f"{referral}/do/told-start", **day))
    ended = await sent(web, f"{referral}?do=told-outcome", f"{referral}/do/told-outcome", **OUTCOME)
    await goal(web, ended)
    assert referral in (await web.get("/referrals", show="answers")).text
    assert referral in (await web.get("/due")).text
    asked = await sent(web, referral, f"{referral}/feedback", feedbackAnswer="DID_NOT_HELP")
    assert "What the person says was recorded" in (await goal(web, asked)).text
    closed = await sent(web, f"{referral}?do=close", f"{referral}/do/close", feedbackAsked="ANSWERED")
    page = await goal(web, closed)
    assert "Closed" in page.text


async def test_the_board_stands_by_when_an_answer_is_due(web: Web, town: Town) -> None:
    await own(web, town)
    urgent = await town.sent(priority="URGENT")
    normal = await town.sent()
    for view in ("open", "sent"):
        page = (await web.get("/referrals", show=view)).text
        assert 0 < page.find(urgent["id"]) < page.find(normal["id"]), view


async def test_a_refusal_stays_due_until_something_is_done_about_it(web: Web, town: Town) -> None:
    await own(web, town)
    decline = {"reason": "NO_CAPACITY", "declinedBy": "PARTNER"}
    seen, followed = [f"/referrals/{(await town.sent())['id']}" for _ in range(2)]
    for referral in (seen, followed):
        assert "Nothing more to do here" not in (await web.get(referral)).text
        told = await sent(web, f"{referral}?do=told-decline", f"{referral}/do/told-decline", **decline)
        await goal(web, told)
        for place in (web.get("/referrals", show="answers"), web.get("/due")):
            assert referral in (await place).text

    page = await goal(web, await sent(web, seen, f"{seen}/read"))
    assert "Done." in page.text
    assert "Nothing more to do here" not in page.text
    client = re.search(r'href="(/clients/[^"/?]+)"', (await web.get(followed)).text)
    assert client
    begun = await sent(
        web, f"{client[1]}/refer?service={town.other_service}", f"{client[1]}/refer", topic=town.topic
    )
    draft = begun.headers["location"]
    for place in (web.get("/referrals", show="answers"), web.get("/due")):
        text = (await place).text
        assert seen not in text
        assert followed not in text
    assert seen in (await web.get("/referrals", show="ended")).text

    await goal(web, await sent(web, f"{draft}?do=abandon", f"{draft}/do/abandon", reason="OTHER"))
    assert followed in (await web.get("/due")).text


async def test_what_is_written_is_text(web: Web, town: Town) -> None:
    await own(web, town)
    first = await town.sent()
    referral = f"/referrals/{first['id']}"
    page = await goal(web, await sent(web, referral, f"{referral}/remark", text=f"Bitte melden {SCRIPT}"))
    assert "&lt;script&gt;alert" in page.text
    assert SCRIPT not in page.text
    opened = await town.on("staff", "acknowledgeReferral", await town.sent())
    asked = await town.on("staff", "askAboutReferral", opened, question=SCRIPT)
    answering = f"/referrals/{asked['id']}"
    assert SCRIPT not in (await web.get(answering)).text
    empty = await sent(web, f"{answering}?do=reply", f"{answering}/do/reply")
    assert empty.status_code == 422
    done = await sent(web, f"{answering}?do=reply", f"{answering}/do/reply", answer="Ja")
    assert "Question answered" in (await goal(web, done)).text


async def test_a_code_for_answering_is_shown_once(web: Web, town: Town) -> None:
    await own(web, town)
    referral = f"/referrals/{(await town.sent())['id']}"
    page = await sent(web, referral, f"{referral}/answer-link")
    assert page.status_code == 200
    assert re.search(r"http://test/answer/[A-Z0-9-]{20,}", page.text)
    assert "This code is shown only now" in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_what_needs_four_eyes_waits(web: Web, town: Town) -> None:
    await own(web, town)
    referral = f"/referrals/{(await town.sent())['id']}"
    wrong = await sent(web, f"{referral}?do=correct", f"{referral}/do/correct", reason="WRONG_PERSON")
    assert "A lead was asked to confirm" in (await goal(web, wrong)).text
    await web.sign_in(await member(town, Role.LEAD))
    due = (await web.get("/due")).text
    assert "A second pair of eyes" in due
    link = re.search(r'href="/approvals#(approval-[^"]+)"', due)
    assert link and f'id="{link[1]}"' in (await web.get("/approvals")).text


async def test_who_is_to_be_phoned_leads_to_the_thing_and_to_the_number(
    web: Web, town: Town, database: Database
) -> None:
    await own(web, town)
    referral = await town.sent()
    async with database.work(SYSTEM) as work:
        await work.session.execute(
            update(Notice)
            .where(Notice.about_id == read_id(referral["id"], "Referral"))
            .values(state=NoticeState.UNDELIVERABLE, next_try_at=None)
        )
    line = next(one for one in (await web.get("/due")).text.split("<li>") if "no address" in one)
    thing, number = re.findall(r'href="([^"]+)"', line.partition("</li>")[0])
    assert thing == f"/referrals/{referral['id']}"
    contact = await web.get(number)
    assert contact.status_code == 200 and ">Contact</h2>" in contact.text


async def test_after_a_refusal_one_begins_anew(web: Web, town: Town) -> None:
    await own(web, town)
    referral = await town.sent()
    given = {"reason": "NO_CAPACITY", "betterServiceId": town.other_service}
    await town.on("staff", "declineReferral", referral, **given)
    due = (await web.get("/due")).text
    assert re.search(r'data-heading="Next step"><a class="kern-link" href="/clients/[^"]+/match">', due)
    page = await goal(
        web,
        await sent(web, f"/referrals/{referral['id']}", f"/referrals/{referral['id']}/follow-up"),
    )
    assert "This is what the partner will see" in page.text


async def test_figures_hold_no_names_and_stand_in_tables_too(web: Web, town: Town) -> None:
    await town.reported()
    await own(web, town)
    page = await web.get("/figures")
    assert page.text.count("<svg") == page.text.count('class="chart"') >= 2
    clients = (await town.ask("{ clients { totalCount } }", who="coordinator")).data["clients"]["totalCount"]
    assert re.search(rf">together</span></th><td[^>]*><strong>{clients}</strong></td>", page.text)
    assert "Tesfay" not in page.text
    assert (await web.get("/figures", quarter="1999-1", months="7")).status_code == 200


async def test_times_are_charts_with_tables_from_enough_people_on(web: Web, town: Town) -> None:
    await own(web, town)
    for _ in range(LEAST_PEOPLE - 1):
        await town.accepted()
    few = await web.get("/figures", months="3")
    assert "too few to say" in few.text
    assert "Bar chart: Days from sending" not in few.text
    await town.accepted()
    page = await web.get("/figures", months="3")
    chart = page.text.partition("Bar chart: Days from sending")[2].partition("</svg>")[0]
    assert "to acceptance" in chart and "0 days" in chart
    table = page.text.partition("Half within (median)")[2].partition("</table>")[0]
    assert table.count("too few to say") >= 2  # nine of ten: from ten referrals on
    assert "Tesfay" not in page.text


async def test_a_consent_is_renewed_recorded_and_withdrawn_for_the_person(web: Web, town: Town) -> None:
    await own(web, town)
    client = await town.client()
    given = await town.consent(client["id"])
    consent = f"/consents/{given['id']}"
    page = await web.get(f"/clients/{client['id']}")
    assert consent in page.text
    renewed = await sent(web, consent, f"{consent}/renew")
    again = renewed.headers["location"]
    undecided = await web.get(again)
    assert 'class="kern-card" lang="ti"' in undecided.text, (
        "in the person's language, unless another is asked for"
    )
    assert f'href="{again}/print?noticeLanguage=ti"' in undecided.text
    assert 'class="kern-card" lang="ar"' in (await web.get(again, noticeLanguage="ar")).text
    printed = [await web.get(f"{again}/print", **asked) for asked in ({}, {"noticeLanguage": "ti"})]
    assert [b"%PDF-" in one.content for one in printed] == [True, True]
    undecided = await sent(web, again, again)
    assert undecided.status_code == 422
    shown = {"record.noDisadvantageShown": "true", "record.section87NoticeAt": "true"}
    told = {"interpreter.kind": "MEDIATOR", "interpreter.language": "ti"}
    given = {"decision": "agrees", "granted": ["REFERRAL"], **shown, **told}
    number = number_of(await web.get(again))
    kept = await goal(web, await sent(web, again, again, **given))
    late = await web.post(again, {}, number=number)
    assert late.status_code == 422
    assert "recorded meanwhile" in late.text
    assert "language mediator, Tigrinya" in kept.text
    assert form_of(kept, f"{again}/withdraw")["language"] == "ti"
    unsure = await sent(web, again, f"{again}/withdraw", channel="PHONE")
    assert 'href="#field-sure"' in unsure.text
    page = await goal(web, await sent(web, again, f"{again}/withdraw", channel="PHONE", sure="true"))
    assert "Access has ended" in page.text
    assert (await web.get(f"{again}/receipt")).content[:5] == b"%PDF-"
    await web.sign_in(town.world.staff_member)
    assert (await web.get(consent)).status_code == 404


async def test_a_code_card_is_shown_once_and_holds_no_name(web: Web, town: Town) -> None:
    await own(web, town)
    client = f"/clients/{(await town.client())['id']}"
    form = form_of(await web.get(client), f"{client}/card")
    assert form["cardLanguage"] == "ti"
    number = form.pop("number")
    page = await web.post(f"{client}/card", form, number=number)
    assert "This code is shown only now" in page.text
    assert "Tesfay" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert '<section class="code-card" lang="ti" dir="ltr"' in page.text
    assert "http://test/card</bdi>" in page.text, "the whole address, to be typed on a telephone"
    assert texts_in("ti").say("page.code") in page.text
    drawn = re.search(r'src="(data:image/svg[^"]+)"', page.text)
    assert drawn is not None
    assert unescape(drawn[1]) == drawn_code("http://test/card?language=ti"), "no code of a card in a picture"
    again = await web.post(f"{client}/card", form, number=number)
    assert "The code was shown already" in again.text


def test_a_notice_is_offered_in_the_languages_it_is_written_in() -> None:
    texts = files("referrals.consent").joinpath("consent_texts")
    newest = max(entry.name for entry in texts.iterdir())
    written = {entry.name.removesuffix(".toml") for entry in texts.joinpath(newest).iterdir()}
    assert set(NOTICE_LANGUAGES) == written
    assert set(CARD_LANGUAGES) == card_texts.LANGUAGES
