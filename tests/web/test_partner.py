"""Pages of partners: what came in, one referral with its moves; the own entry; members; bookings."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest

from directory.actors import Role
from directory.database import Database
from graphapi.relay import global_id, read_id
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


async def posted(web: Web, path: str, form: dict[str, Any]) -> Any:
    """Send a form that no page offers, with the number of this browser."""
    return await web.post(path, form, number=number_of(await web.get("/")))


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


@pytest.mark.slow
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


async def test_what_is_not_possible_any_more_says_so_and_asks_for_no_field(staff: Web, town: Town) -> None:
    path = f"/inbox/{(await town.accepted())['id']}"
    answer = await staff.post(f"{path}/waitlist", {}, number=number_of(await staff.get(path)))
    assert answer.status_code == 422
    assert "the referral has gone on meanwhile" in text_of(answer)
    assert "field-expectedWeek" not in answer.text


async def test_sent_twice_a_form_acts_once(staff: Web, town: Town) -> None:
    referral = await town.accepted()
    path = f"/inbox/{referral['id']}"
    shown = await staff.get(f"{path}?do=remark")
    form = {"text": "Einmal", "once": "form-12345678", "expectedVersion": str(referral["version"])}
    for _ in range(2):
        assert (await staff.post(f"{path}/remark", form, number=number_of(shown))).status_code == 303
    assert (await staff.get(path)).text.count("Einmal") == 1


@pytest.mark.slow
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
        answer = await posted(web, f"{path}/acknowledge", {"expectedVersion": "2"})
        assert answer.status_code == status, role
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


# --- Own entry ------------------------------------------------------------------------------------------


async def test_the_own_entry_is_confirmed_with_one_click(staff: Web, town: Town) -> None:
    page = await staff.get("/entry")
    assert page.status_code == 200
    assert "Träger A" in page.text
    assert "Sprachkurs" in page.text
    assert (await staff.get(f"/partner/{town.world.partner}")).status_code == 200
    assert f'href="/partner/{town.world.partner}"' in page.text
    for name, key in (("assure-partner", town.partner_id), ("assure-service", town.service)):
        deed = re.search(
            rf'action="(/entry/do/{name}/{key})"(.+?)</form>', (await staff.get("/entry")).text, re.S
        )
        assert deed, name
        version = re.search(r'name="expectedVersion" value="(\d+)"', deed[2])
        assert version
        form = {"expectedVersion": version[1], "once": f"form-{name}"}
        done = await staff.post(deed[1], form, number=number_of(page))
        assert done.status_code == 303, text_of(done)
    assert "counts as checked today" in (await staff.get("/entry")).text


async def test_texts_and_contacts_are_changed_and_what_the_form_does_not_show_stays(
    staff: Web, town: Town
) -> None:
    contact = {
        "kind": "PHONE",
        "value": "+49355123456",
        "extension": "12",
        "label": [{"language": "de", "text": "Büro"}, {"language": "ar", "text": "مكتب"}],
        "languages": ["de", "ar"],
    }
    query = """query ($id: ID!) { partner(id: $id) { id version descriptions { language text }
      contactPoints { kind value extension labels { language text } languages } } }"""

    async def now() -> Any:
        return (await town.ask(query, {"id": town.partner_id}, who="staff")).data["partner"]

    texts = [{"language": "de", "text": "Alt"}, {"language": "ar", "text": "قديم"}]
    await town.on("staff", "changePartner", await now(), description=texts, contactPoints=[contact])
    page = await staff.get("/entry/change")
    assert 'value="+49355123456"' in page.text
    form = {
        "name": "Träger A",
        "description.de": SCRIPT,
        "description.en": "New",
        "contactPoints.0.kind": "PHONE",
        "contactPoints.0.value": "+49355123456",
        "contactPoints.1.kind": "EMAIL",
        "contactPoints.1.value": "kein Briefkasten",
    }
    refused = await send(staff, "/entry/change", "/entry/change", form)
    assert refused.status_code == 422
    assert 'id="error-contactPoints.1.value"' in refused.text, text_of(refused)
    assert "contactPoints" not in text_of(refused)
    assert SCRIPT not in refused.text
    form["contactPoints.1.value"] = "kurse@example.org"
    done = await send(staff, "/entry/change", "/entry/change", form, step="again")
    assert done.status_code == 303, text_of(done)
    changed = await now()
    assert {one["language"]: one["text"] for one in changed["descriptions"]} == {
        "de": SCRIPT,
        "en": "New",
        "ar": "قديم",
    }
    first, second = changed["contactPoints"]
    assert first["extension"] == "12"
    assert {one["language"]: one["text"] for one in first["labels"]} == {"de": "Büro", "ar": "مكتب"}
    assert first["languages"] == ["de", "ar"]
    assert second["value"] == "kurse@example.org"
    assert SCRIPT not in (await staff.get("/entry")).text
    assert SCRIPT not in (await staff.get(f"/entry/history/{town.partner_id}")).text


async def test_the_history_of_places_is_read_by_people(staff: Web, town: Town) -> None:
    form = {
        "name": "Haus am Wehr",
        "street": "Uferweg 3",
        "postcode": "03046",
        "city": "Teststadt",
        "hours.Mo": "09:00-12:00",
        "hours.Tu": "09:00-12:00",
        "closedOnHolidays": "true",
    }
    done = await send(staff, "/entry/new-place", "/entry/new-place", form)
    assert done.status_code == 303, text_of(done)
    history = await staff.get(f"/entry/history/{town.partner_id}", language="de")
    told = unescape(history.text)
    assert "Haus am Wehr, Uferweg 3, 03046, Teststadt" in told
    assert "Montag–Dienstag 09:00–12:00" in told
    for code in (str(read_id(town.partner_id, "Partner")), "Europe/Berlin", "Mo 09:00", "weekday"):
        assert code not in told.replace(town.partner_id, "")
    assert not re.search(r">[^<]*[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}", told), "no id is shown"


async def test_places_say_when_they_are_open(staff: Web, town: Town) -> None:
    query = "query ($id: ID!) { partner(id: $id) { version locations { id hours { osm byAppointment } } } }"
    before = (await town.ask(query, {"id": town.partner_id}, who="staff")).data["partner"]
    await town.done(
        "staff", "addLocation", partnerId=town.partner_id, expectedVersion=before["version"], name="Haus"
    )
    place = (await town.ask(query, {"id": town.partner_id}, who="staff")).data["partner"]["locations"][0]
    path = f"/entry/places/{place['id']}"
    form = {
        "name": "Haus",
        "city": "Cottbus",
        "hours.Mo": "09:00-12:00, 13:00-16:00",
        "closedOnHolidays": "true",
    }
    refused = await send(staff, path, path, {**form, "hours.Tu": "morgens"})
    assert refused.status_code == 422, text_of(refused)
    assert 'value="morgens"' in refused.text
    assert (await send(staff, path, path, form, step="again")).status_code == 303
    page = await staff.get(path)
    assert 'value="09:00-12:00, 13:00-16:00"' in page.text
    assert (await staff.get("/entry/places/nonsense")).status_code == 404


async def test_places_say_how_people_get_in(staff: Web, town: Town) -> None:
    query = """query ($id: ID!) { partner(id: $id) { version locations { id name
        accessibilityTexts { language text } } } }"""

    async def place() -> Any:
        found = (await town.ask(query, {"id": town.partner_id}, who="staff")).data["partner"]["locations"]
        return next(one for one in found if one["name"] == "Haus mit Aufzug")

    form = {
        "name": "Haus mit Aufzug",
        "accessibility.de": f"Aufzug {SCRIPT}",
        "accessibility.en": "x" * 20_001,
    }
    new = "/entry/new-place"
    refused = await send(staff, new, new, form)
    assert refused.status_code == 422
    assert 'id="error-accessibility.en"' in refused.text
    assert (await send(staff, new, new, {**form, "accessibility.en": ""}, step="again")).status_code == 303
    added = await place()
    assert added["accessibilityTexts"] == [{"language": "de", "text": f"Aufzug {SCRIPT}"}]
    path = f"/entry/places/{added['id']}"
    shown = await staff.get(path)
    assert "Aufzug &lt;script&gt;" in shown.text
    assert SCRIPT not in shown.text
    assert 'name="accessibility.ar"' in (await staff.get(path, **{"with": "ar"})).text
    changed = {"name": "Haus mit Aufzug", "accessibility.ar": "مصعد"}
    assert (await send(staff, path, path, changed)).status_code == 303
    texts = {one["language"]: one["text"] for one in (await place())["accessibilityTexts"]}
    assert texts == {"de": f"Aufzug {SCRIPT}", "ar": "مصعد"}, "a language that the form did not have stays"


async def test_what_is_said_beside_the_times_of_a_place_is_kept(staff: Web, town: Town) -> None:
    query = """query ($id: ID!) { partner(id: $id) { version locations { id name
        hours { osm periods { weekday opens closes } byAppointment closedOnHolidays timezone } } } }"""

    async def places() -> list[Any]:
        found: list[Any] = (await town.ask(query, {"id": town.partner_id}, who="staff")).data["partner"][
            "locations"
        ]
        return found

    form = {
        "name": "Haus am Fluss",
        "hours.Fr": "22:00-24:00",
        "hours.Sa": "00:00-02:00",
        "byAppointment": "true",
    }
    assert (await send(staff, "/entry/new-place", "/entry/new-place", form)).status_code == 303
    (place,) = [one for one in await places() if one["name"] == "Haus am Fluss"]
    assert place["hours"]["byAppointment"]
    assert not place["hours"]["closedOnHolidays"]
    assert place["hours"]["periods"] == [
        {"weekday": 5, "opens": "22:00", "closes": "24:00"},
        {"weekday": 6, "opens": "00:00", "closes": "02:00"},
    ]

    version = (await town.ask(query, {"id": town.partner_id}, who="staff")).data["partner"]["version"]
    await town.done(
        "staff",
        "changeLocation",
        id=place["id"],
        expectedVersion=version,
        hours={"osm": "Mo 09:00-12:00", "timezone": "America/New_York"},
    )
    path = f"/entry/places/{place['id']}"
    unchanged = {"name": "Haus am Fluss", "hours.Mo": "09:00-12:00", "closedOnHolidays": "true"}
    assert (await send(staff, path, path, unchanged, step="again")).status_code == 303
    (place,) = [one for one in await places() if one["name"] == "Haus am Fluss"]
    assert place["hours"]["timezone"] == "America/New_York"

    assert "Really remove it?" not in (await staff.get(path)).text
    sure = await staff.get(f"{path}?remove=1")
    assert f'action="{path}/remove"' in sure.text
    gone = await send(staff, f"{path}?remove=1", f"{path}/remove", {}, step="gone")
    assert gone.status_code == 303, text_of(gone)
    assert [one for one in await places() if one["name"] == "Haus am Fluss"] == []


async def test_what_is_refused_of_a_text_stands_at_its_language(staff: Web, town: Town) -> None:
    path = f"/entry/services/{await town.new_service()}"
    form = {"title.de": "Kurs", "title.en": "Course \u202e", "contactPoints.0.value": ""}
    refused = await send(staff, path, path, form)
    assert refused.status_code == 422
    assert 'id="error-title.en"' in refused.text
    assert "title.1.text" not in refused.text


async def test_an_earlier_version_is_shown_whole_and_brought_back(staff: Web, town: Town) -> None:
    read = "query ($id: ID!) { service(id: $id) { version state website } }"
    key = await town.new_service()

    async def now() -> Any:
        return (await town.ask(read, {"id": key}, who="staff")).data["service"]

    before = await now()
    changed = {"title.de": SCRIPT, "website": "https://neu.example.org"}
    path = f"/entry/services/{key}"
    assert (await send(staff, path, path, changed)).status_code == 303
    assert (await now())["website"] == "https://neu.example.org"

    latest = await staff.get(f"/entry/history/{key}/{(await now())['version']}")
    assert "This is how the entry is now." in text_of(latest)
    assert SCRIPT not in latest.text
    old = f"/entry/history/{key}/{before['version']}"
    assert f'href="{old}"' in (await staff.get(f"/entry/history/{key}")).text
    form = {"kind": "Service", "reason": "war besser"}
    assert (await posted(staff, old, {**form, "kind": "Place"})).status_code == 404
    stale = await send(staff, old, old, {**form, "expectedVersion": str(before["version"])})
    assert stale.status_code == 409, text_of(stale)
    assert (await send(staff, old, old, form, step="again")).status_code == 303
    assert (await now())["website"] == before["website"]
    assert (await now())["state"] == before["state"]
    assert (await staff.get(f"/entry/history/{global_id('Service', uuid4())}/1")).status_code == 404


async def test_room_and_texts_of_a_service(staff: Web, town: Town) -> None:
    service = await town.new_service()
    path = f"/entry/services/{service}"
    form = {"capacity.state": "FEW", "capacity.places": "zwei"}
    refused = await send(staff, path, f"{path}/capacity", form)
    assert refused.status_code == 422
    assert 'id="error-capacity.places"' in refused.text
    done = await send(staff, path, f"{path}/capacity", {**form, "capacity.places": "2"}, step="again")
    assert done.status_code == 303, text_of(done)
    assert 'value="2"' in (await staff.get(path)).text
    assert (await send(staff, path, path, {"title.de": ""})).status_code == 422
    done = await send(staff, path, path, {"title.de": "Neuer Titel", "title.en": "New title"}, step="again")
    assert done.status_code == 303, text_of(done)
    entry = await staff.get("/entry", ask=service)
    assert "New title" in entry.text
    assert "Yes, hide this service" in entry.text
    hide = re.search(rf'action="(/entry/do/hide-service/{service})"(.+?)</form>', entry.text, re.S)
    assert hide
    version = re.search(r'name="expectedVersion" value="(\d+)"', hide[2])
    assert version
    hidden = {"expectedVersion": version[1], "once": "form-hide-it"}
    assert (await staff.post(hide[1], hidden, number=number_of(entry))).status_code == 303
    assert f"/entry/do/publish-service/{service}" in (await staff.get("/entry")).text
    history = await staff.get(f"/entry/history/{service}")
    assert history.status_code == 200
    assert "Title (German)" in history.text
    assert "Neuer Titel" in history.text
    assert "hidden" in history.text
    assert "HIDDEN" not in history.text
    assert "source_language" not in history.text


async def test_a_new_service_is_a_draft_and_says_what_it_is_about(staff: Web, town: Town) -> None:
    path = "/entry/new-service"
    refused = await send(staff, path, path, {"title.de": "", "title.en": SCRIPT})
    assert refused.status_code == 422
    assert 'id="error-title.de"' in refused.text
    assert 'id="error-kind"' in refused.text
    assert SCRIPT not in refused.text
    form = {"kind": "COUNSELLING", "title.de": f"Beratung {SCRIPT}", "description.de": "Ohne Termin."}
    made = await send(staff, path, path, form, step="again")
    assert made.status_code == 303, text_of(made)
    own = made.headers["location"]
    assert SCRIPT not in (await staff.get(own)).text
    key = own.split("/")[3]

    query = """query ($id: ID!) { service(id: $id) { version state kind responsibility topics { code }
        languages { language variety interpreted } } }"""

    async def now() -> Any:
        return (await town.ask(query, {"id": key}, who="staff")).data["service"]

    before = await now()
    assert before["state"] == "DRAFT"
    await town.done(
        "staff",
        "changeService",
        id=key,
        expectedVersion=before["version"],
        languages=[{"language": "ar", "variety": "Levantinisch"}, {"language": "ti", "interpreted": True}],
    )
    about = {
        "kind": "QUALIFICATION",
        "topics": town.topic,
        "languages": "ar",
        "interpreted": "fa",
        "responsibility": "BY_RESIDENCE",
    }
    wrong = await send(staff, own, own, {**about, "topics": "no-such-topic"}, step="topic")
    assert wrong.status_code == 422
    assert (await now())["topics"] == []
    done = await send(staff, own, own, about, step="again")
    assert done.status_code == 303, text_of(done)
    after = await now()
    assert (after["kind"], after["responsibility"]) == ("QUALIFICATION", "BY_RESIDENCE")
    assert after["topics"] == [{"code": town.topic}]
    assert sorted(after["languages"], key=lambda one: str(one["language"])) == [
        {"language": "ar", "variety": "Levantinisch", "interpreted": False},
        {"language": "fa", "variety": None, "interpreted": True},
    ]
    page = await staff.get(own)
    assert SCRIPT not in page.text
    late = {**about, "expectedVersion": str(before["version"]), "once": "form-too-late"}
    assert (await staff.post(own, late, number=number_of(page))).status_code == 409


async def test_a_merged_service_leads_to_the_other_for_good(staff: Web, town: Town) -> None:
    kept, merged = await town.new_service(), await town.new_service()
    await town.done(
        "lead",
        "mergeServices",
        survivorId=kept,
        expectedVersion=2,
        mergedId=merged,
        mergedExpectedVersion=2,
        reason="doppelt",
    )
    led = await staff.get(f"/service/{read_id(merged, 'Service')}")
    assert (led.status_code, led.headers["location"]) == (301, f"/service/{read_id(kept, 'Service')}")
    assert led.headers["cache-control"] == "no-store"


async def test_what_others_say_is_decided_with_a_reason(staff: Web, town: Town) -> None:
    assert (await staff.get("/entry/requests")).status_code == 200
    suggested = await town.do(
        "anonymous",
        "suggestCorrection",
        id=town.service,
        field="DESCRIPTION",
        value="Der Kurs findet im Rathaus statt.",
        language="de",
    )
    assert suggested["__typename"] == "CorrectionTaken", suggested
    page = await staff.get("/entry/requests")
    assert "im Rathaus" in page.text
    key = re.search(r'href="/entry/requests\?decide=([^"]+)"', page.text)
    assert key
    path = f"/entry/requests?decide={key[1]}"
    assert (await send(staff, path, f"/entry/requests/{key[1]}", {"reason": ""})).status_code == 422
    done = await send(staff, path, f"/entry/requests/{key[1]}", {"reason": "ENTRY_IS_RIGHT"}, step="again")
    assert done.status_code == 303, text_of(done)
    assert "im Rathaus" not in (await staff.get("/entry/requests")).text


async def test_old_translations_are_confirmed(staff: Web, town: Town) -> None:
    service = await town.new_service()
    text = [{"language": "de", "text": "Erst"}, {"language": "ar", "text": "نص"}]
    saved = await town.done("staff", "changeService", id=service, expectedVersion=2, title=text)
    text[0] = {"language": "de", "text": "Dann"}
    await town.on("staff", "changeService", saved, title=text)
    page = await staff.get("/entry/translations")
    assert "Arabic is still right" in page.text
    form = re.search(
        rf'action="/entry/translations/{service}".+?expectedVersion" value="(\d+)"', page.text, re.S
    )
    assert form
    given = {"expectedVersion": form[1], "language": "ar", "kind": "Service", "once": "form-translated"}
    done = await staff.post(f"/entry/translations/{service}", given, number=number_of(page))
    assert done.status_code == 303, text_of(done)
    assert f'action="/entry/translations/{service}"' not in (await staff.get("/entry/translations")).text


async def test_nobody_changes_the_entry_of_others(web: Web, town: Town, database: Database) -> None:
    member, _ = await make_member(database, town.world.other_partner, Role.PARTNER_MEMBER)
    await web.sign_in(member)
    assert (await web.get(f"/entry/services/{town.service}")).status_code == 404
    for name, key in (("hide-partner", town.partner_id), ("hide-service", town.service)):
        form = {"expectedVersion": "2", "once": "form-of-others"}
        refused = await posted(web, f"/entry/do/{name}/{key}", form)
        assert refused.status_code == 422
        assert "Only the partner itself and the coordination may do this." in text_of(refused)
    query = "query ($id: ID!) { service(id: $id) { state } }"
    state = (await town.ask(query, {"id": town.service}, who="staff")).data["service"]["state"]
    assert state == "PUBLISHED"
    reader, _ = await make_member(database, town.world.other_partner, Role.OTHER_MUNICIPALITY)
    await web.sign_in(reader)
    assert (await web.get("/entry")).status_code == 403


# --- Members and bookings -------------------------------------------------------------------------------


async def test_members_are_added_changed_and_removed(staff: Web) -> None:
    refused = await send(staff, "/members/new", "/members/new", {"name": "", "role": "PARTNER_MEMBER"})
    assert refused.status_code == 422
    form = {"name": SCRIPT, "role": "PARTNER_MEMBER", "signInEmail": "neu@example.org"}
    added = await send(staff, "/members/new", "/members/new", form, step="again")
    assert added.status_code == 303, text_of(added)
    page = await staff.get("/members")
    assert SCRIPT not in page.text
    assert "neu@example.org" in page.text
    row = next(row for row in page.text.split("<tr") if "neu@example.org" in row)
    key = re.search(r'href="/members/([^"?]+)"', row)
    assert key
    path = f"/members/{key[1]}"
    done = await send(staff, path, path, {**form, "name": "Neue Kollegin"})
    assert done.status_code == 303, text_of(done)
    asked = await staff.get("/members", ask=key[1])
    assert "Neue Kollegin" in asked.text
    form_ = re.search(rf'action="{path}/remove".+?expectedVersion" value="(\d+)"', asked.text, re.S)
    assert form_
    gone = {"expectedVersion": form_[1], "once": "form-remove-it"}
    assert (await staff.post(f"{path}/remove", gone, number=number_of(asked))).status_code == 303
    assert "Neue Kollegin" not in (await staff.get("/members")).text


async def test_who_does_not_administer_reads_only(web: Web, town: Town, database: Database) -> None:
    member, _ = await make_member(database, town.world.partner, Role.PARTNER_MEMBER)
    await web.sign_in(member)
    page = await web.get("/members")
    assert page.status_code == 200
    assert "/members/new" not in page.text
    assert (await web.get("/members/new")).status_code == 403
    refused = await posted(web, "/members/new", {"name": "Wer", "role": "PARTNER_MEMBER"})
    assert refused.status_code == 403


@pytest.mark.parametrize("deed", ["confirm", "decline"])
async def test_bookings_are_confirmed_or_declined_without_a_reason(staff: Web, town: Town, deed: str) -> None:
    booking = await town.booked()
    path = f"/bookings/{booking['id']}"
    assert path in (await staff.get("/bookings")).text
    done = await send(staff, path, f"{path}/{deed}", {"interpreter": SCRIPT})
    assert done.status_code == 303, text_of(done)
    page = await staff.get(path)
    assert SCRIPT not in page.text
    assert ("confirmed" if deed == "confirm" else "declined") in text_of(page)
    assert "You have not booked an interpreter" in (await staff.get("/bookings", show="own")).text
    assert (await posted(staff, f"{path}/nonsense", {})).status_code == 404
