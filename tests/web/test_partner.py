"""Pages of partners: what came in, one referral with its moves; the own entry; members; bookings."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from directory.actors import Role
from directory.database import Database
from graphapi.web.pages.inbox import BESIDE, DOING
from tests.graphapi.asking import Api
from tests.graphapi.conftest import api as api
from tests.graphapi.conftest import make_member
from tests.graphapi.exchanging import ACCEPTANCE, TODAY, Town, days, make_town
from tests.web.conftest import Web, number_of

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


@pytest.fixture
async def staff(web: Web, town: Town) -> Web:
    """A browser in which somebody of the receiving organisation is signed in."""
    await web.sign_in(town.world.staff_member)
    return web


async def send(web: Web, path: str, to: str, form: dict[str, Any], *, step: str = "") -> Any:
    """Send a form as the page has it: number, one-time number and version of the page."""
    shown = await web.get(path)
    assert shown.status_code == 200, shown.text
    version = re.search(r'name="expectedVersion" value="(\d+)"', shown.text)
    given = {"once": f"form-{abs(hash((path, to, str(form), step)))}", **form}
    if version:
        given.setdefault("expectedVersion", version[1])
    return await web.post(to, given, number=number_of(shown))


async def do(web: Web, referral: dict[str, Any], name: str, **form: Any) -> Any:
    """Do something on a referral by its form."""
    path = f"/inbox/{referral['id']}"
    return await send(web, f"{path}?do={name}", f"{path}/{name}", form)


def text_of(page: Any) -> str:
    """Return what a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


# --- Inbox ----------------------------------------------------------------------------------------------


async def test_an_inbox_without_referrals_says_what_to_do(web: Web, database: Database, town: Town) -> None:
    member, _ = await make_member(database, town.world.other_partner, Role.PARTNER_MEMBER)
    await web.sign_in(member)
    page = await web.get("/inbox")
    assert page.status_code == 200
    assert "Nothing is waiting for you" in page.text
    assert 'href="/entry"' in page.text


async def test_before_opening_topic_language_and_area_are_all_that_is_seen(staff: Web, town: Town) -> None:
    referral = await town.sent()
    inbox = await staff.get("/inbox")
    assert f"/inbox/{referral['id']}" in inbox.text
    page = await staff.get(f"/inbox/{referral['id']}")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    for said in (inbox.text, page.text):
        assert "Tesfay" not in said
        assert "+493551234567" not in said
    assert "Confirm receipt and open" in page.text


async def test_confirming_receipt_opens_the_package_and_accepting_takes_the_person(
    staff: Web, town: Town
) -> None:
    referral = await town.sent()
    path = f"/inbox/{referral['id']}"
    done = await send(staff, path, f"{path}/acknowledge", {})
    assert (done.status_code, done.headers["location"]) == (303, path)
    page = await staff.get(path)
    assert "Receipt is confirmed" in page.text
    assert "Tesfay" in page.text
    form = await staff.get(path, do="accept")
    assert 'name="contact"' in form.text
    refused = await do(staff, referral, "accept", contact="", firstContactOn="soon", expectedEnd="")
    assert refused.status_code == 422
    assert refused.text.count('aria-invalid="true"') == 3
    assert 'value="soon"' in refused.text
    done = await do(staff, referral, "accept", **ACCEPTANCE)
    assert done.status_code == 303
    assert "First contact has happened" in (await staff.get(path)).text


async def test_the_whole_course_of_a_referral_by_forms(staff: Web, town: Town) -> None:
    referral = await town.sent()
    path = f"/inbox/{referral['id']}"
    today = TODAY.isoformat()

    async def step(name: str, **form: Any) -> str:
        answer = await do(staff, referral, name, **form)
        assert answer.status_code == 303, (name, text_of(answer))
        return text_of(await staff.get(path))

    await step("acknowledge")
    assert "waiting list" in (await step("waitlist", expectedWeek=days(14))).lower()
    await step("week", expectedWeek=days(21))
    await step("accept", **ACCEPTANCE)
    said = await step(
        "appointment",
        startsAt=f"{days(7)}T14:30",
        minutes="45",
        kind="FIRST_CONTACT",
        place="Raum 4",
        bring=["IDENTITY_PAPER", "LETTERS"],
    )
    assert "14:30" in said
    assert "Raum 4" in said
    about = re.search(r"do=cancel-appointment&(?:amp;)?about=([^\"&]+)", (await staff.get(path)).text)
    assert about
    assert "15:00" in await step(
        "move-appointment",
        appointmentId=about[1],
        startsAt=f"{days(8)}T15:00",
        minutes="30",
        kind="COUNSELLING",
        place="Raum 5",
    )
    about = re.search(r"do=cancel-appointment&(?:amp;)?about=([^\"&]+)", (await staff.get(path)).text)
    assert about
    await step("cancel-appointment", appointmentId=about[1])
    await step("no-show", on=today)
    await step("start", firstContactMadeOn=today)
    await step("alive")
    await step("interim", result="ATTENDS", on=today)
    assert "Aktenzeichen 7" in await step("file-number", fileNumber="Aktenzeichen 7")
    assert SCRIPT in await step("remark", text=SCRIPT)
    assert SCRIPT not in (await staff.get(path)).text
    await step("hold", reason="PERSON_ILL", resumeOn=days(14))
    await step("resume")
    said = await step("report", outcome="NEED_MET", outcomeOn=today)
    assert "Outcome" in said
    assert "_" not in re.sub(r"https?://\S+", "", said), "no code is shown"


async def test_declining_asks_for_a_reason_and_offers_other_services(staff: Web, town: Town) -> None:
    better = await town.new_service(town.world.other_partner, topics=[town.topic])
    referral = await town.sent()
    form = await staff.get(f"/inbox/{referral['id']}", do="decline")
    assert better in form.text
    refused = await do(staff, referral, "decline", reason="", declinedBy="PARTNER", note=SCRIPT)
    assert refused.status_code == 422
    assert SCRIPT not in refused.text
    assert SCRIPT in unescape(refused.text)
    done = await do(
        staff, referral, "decline", reason="NO_CAPACITY", declinedBy="PARTNER", betterServiceId=better
    )
    assert done.status_code == 303
    assert "this referral has ended" in (await staff.get(f"/inbox/{referral['id']}")).text


async def test_a_question_goes_out_and_its_answer_comes_back(staff: Web, town: Town) -> None:
    referral = await town.sent()
    path = f"/inbox/{referral['id']}"
    await send(staff, path, f"{path}/acknowledge", {})
    assert (await do(staff, referral, "ask", question="Ab wann?")).status_code == 303
    page = await staff.get(f"/inbox/{referral['id']}")
    assert "Ab wann?" in page.text
    assert "deadline stands still" in page.text
    now = await town.ask(
        "query ($id: ID!) { referral(id: $id) { id version } }", {"id": referral["id"]}, who="staff"
    )
    await town.on("coordinator", "answerQuestion", now.data["referral"], answer="Sofort.")
    page = await staff.get(f"/inbox/{referral['id']}")
    assert "Sofort." in page.text
    assert "Mark as read" in page.text
    assert (await send(staff, path, f"{path}/read", {})).status_code == 303
    assert "Mark as read" not in (await staff.get(path)).text


async def test_after_the_end_of_a_consent_the_data_are_shut_and_an_answer_is_asked(
    staff: Web, town: Town
) -> None:
    client = await town.client()
    referral = await town.sent(clientId=client["id"])
    path = f"/inbox/{referral['id']}"
    await send(staff, path, f"{path}/acknowledge", {})
    assert "Tesfay" in (await staff.get(path)).text
    query = "query ($id: ID!) { referral(id: $id) { consentId } }"
    found = (await town.ask(query, {"id": referral["id"]}, who="coordinator")).data["referral"]
    consent = "query ($id: ID!) { consent(id: $id) { id version } }"
    given = (await town.ask(consent, {"id": found["consentId"]}, who="coordinator")).data["consent"]
    await town.done(
        "coordinator", "withdrawConsent", id=given["id"], expectedVersion=given["version"], channel="PHONE"
    )
    page = await staff.get(path)
    assert "Tesfay" not in page.text
    assert "consent has ended" in page.text
    assert f"{path}?do=revocation" in (await staff.get("/inbox")).text
    assert (await do(staff, referral, "revocation", answer="")).status_code == 422
    assert (await do(staff, referral, "revocation", answer="DELETED")).status_code == 303
    assert f"{path}?do=revocation" not in (await staff.get("/inbox")).text


async def test_a_form_of_an_older_version_changes_nothing(staff: Web, town: Town) -> None:
    referral = await town.sent()
    path = f"/inbox/{referral['id']}"
    number = number_of(await staff.get(path))
    stale = {"expectedVersion": str(referral["version"] - 1), "once": "form-of-yesterday"}
    answer = await staff.post(f"{path}/acknowledge", stale, number=number)
    assert answer.status_code == 409
    assert 'id="errors"' in answer.text
    assert "Tesfay" not in answer.text


async def test_sent_twice_a_form_acts_once(staff: Web, town: Town) -> None:
    referral = await town.accepted()
    path = f"/inbox/{referral['id']}"
    shown = await staff.get(f"{path}?do=remark")
    form = {"text": "Einmal", "once": "form-12345678", "expectedVersion": str(referral["version"])}
    for _ in range(2):
        assert (await staff.post(f"{path}/remark", form, number=number_of(shown))).status_code == 303
    assert (await staff.get(path)).text.count("Einmal") == 1


async def test_every_form_is_whole_in_both_languages(staff: Web, town: Town) -> None:
    referral = await town.accepted()
    for name, doing in (DOING | BESIDE).items():
        for language in ("de", "en"):
            page = await staff.get(f"/inbox/{referral['id']}", do=name, language=language)
            assert page.status_code == 200, (name, text_of(page))
            assert len(set(re.findall(r'\bid="([^"]+)"', page.text))) == len(
                re.findall(r'\bid="([^"]+)"', page.text)
            ), f"{name}: an id stands twice"
        assert doing.text


async def test_only_the_recipient_opens_a_referral_here(web: Web, town: Town, database: Database) -> None:
    referral = await town.sent()
    path = f"/inbox/{referral['id']}"
    anonymous = await web.get(path)
    assert anonymous.status_code == 303
    assert anonymous.headers["location"].startswith("/sign-in")
    for partner, role, status in (
        (town.world.other_partner, Role.PARTNER_MEMBER, 404),
        (town.world.coordination, Role.COORDINATOR, 404),
        (town.world.other_partner, Role.OTHER_MUNICIPALITY, 403),
    ):
        member, _ = await make_member(database, partner, role)
        await web.sign_in(member)
        assert (await web.get(path)).status_code == status, role
        answer = await web.post(f"{path}/acknowledge", {"expectedVersion": "2"})
        assert answer.status_code in {403, 404}, role
    assert (await web.get("/inbox/nonsense")).status_code in {403, 404, 422}


async def test_what_is_overdue_stands_on_top(staff: Web, town: Town, database: Database) -> None:
    old = await town.sent()
    clock = database.clock
    database.clock = lambda: clock() + timedelta(days=18)
    try:
        await staff.sign_in(town.world.staff_member)
        page = await staff.get("/inbox")
    finally:
        database.clock = clock
    assert "Overdue, or due in the next days" in page.text
    urgent = page.text[page.text.index("Overdue, or due") :]
    assert f"/inbox/{old['id']}" in urgent
    assert "overdue" in text_of(page)
