"""Between two answers: reminding, codes that end, files, taking over, appointments, names said later."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from directory import catalogue
from directory.actors import SYSTEM, Role
from directory.database import Database
from directory.models import Partner
from graphapi.relay import global_id
from tests.graphapi.asking import Api
from tests.graphapi.conftest import api as api
from tests.graphapi.conftest import make_member
from tests.graphapi.exchanging import TODAY, Town, make_town
from tests.web.conftest import Web
from tests.web.test_coordinator import form_of, goal, own, sent


@pytest.fixture
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def test_a_partner_is_reminded_with_words_that_can_be_changed(web: Web, town: Town) -> None:
    await own(web, town)
    referral = f"/referrals/{(await town.sent())['id']}"
    page = await web.get(referral)
    assert f'href="{referral}?remind=1#remark"' in page.text
    assert re.search(r'href="/partner/[0-9a-f-]{36}"', page.text)
    assert not form_of(page, f"{referral}/remark")["text"]
    form = form_of(await web.get(f"{referral}?remind=1"), f"{referral}/remark")
    assert "Could you please answer" in form["text"]
    done = await goal(web, await sent(web, f"{referral}?remind=1", f"{referral}/remark"))
    assert "The person is waiting" in done.text


async def test_a_code_for_answering_is_ended_and_made_anew(web: Web, town: Town) -> None:
    await own(web, town)
    referral = f"/referrals/{(await town.sent())['id']}"
    end = f"{referral}/answer-link/end"
    assert end not in (await web.get(referral)).text
    first = await sent(web, referral, f"{referral}/answer-link")
    page = await web.get(referral)
    assert "A code made on" in page.text
    page = await goal(web, await sent(web, referral, end))
    assert "nobody can answer with it" in page.text
    assert end not in page.text
    second = await sent(web, referral, f"{referral}/answer-link")
    codes = [re.findall(r"/answer/([A-Z0-9-]{8,})", one.text) for one in (first, second)]
    assert codes[0] and codes[1] and codes[0] != codes[1]
    assert (await web.get(referral)).text.count("A code made on") == 1


async def test_a_referral_is_taken_as_paper_and_file_by_its_sides_only(web: Web, town: Town) -> None:
    referral = (await town.on("staff", "acknowledgeReferral", await town.sent()))["id"]
    await own(web, town)
    paper, file = (
        await web.get(f"/referrals/{referral}/file"),
        await web.get(f"/referrals/{referral}/file?format=JSON"),
    )
    assert paper.content[:5] == b"%PDF-"
    assert "json" in file.headers["content-type"]
    assert {one.headers["cache-control"] for one in (paper, file)} == {"no-store"}
    await web.sign_in(town.world.staff_member)
    assert f"/inbox/{referral}/file" in (await web.get(f"/inbox/{referral}")).text
    assert "Tesfay" in (await web.get(f"/inbox/{referral}/file?format=JSON")).text
    stranger, _ = await make_member(town.database, town.jobcenter_partner, Role.PARTNER_MEMBER)
    await web.sign_in(stranger)
    for path in (f"/referrals/{referral}/file", f"/inbox/{referral}/file"):
        assert (await web.get(path)).status_code == 404


async def test_a_recipient_takes_a_person_in_as_its_own_client_once(web: Web, town: Town) -> None:
    referral = (await town.accepted())["id"]
    await web.sign_in(town.world.staff_member)
    path = f"/inbox/{referral}"
    page = await goal(web, await sent(web, path, f"{path}/take-over"))
    assert "The person is among your clients now" in page.text
    assert f"{path}/take-over" not in page.text
    link = re.search(r'href="(/clients/[^"/]+)"', page.text)
    assert link
    assert "Tesfay" in (await web.get(link[1])).text


async def test_appointments_stand_by_day_without_names(web: Web, town: Town) -> None:
    await own(web, town)
    assert "Nothing is planned" in (await web.get("/appointments", weeks="1")).text
    accepted = await town.accepted()
    at = f"{(TODAY + timedelta(days=10)).isoformat()}T10:00:00+01:00"
    await town.on("staff", "setAppointment", accepted, startsAt=at, minutes=45, place="Raum 3")
    assert "Raum 3" not in (await web.get("/appointments", weeks="1")).text
    page = await web.get("/appointments")
    assert f'href="/referrals/{accepted["id"]}"' in page.text
    assert "Raum 3" in page.text and "45 minutes" in page.text
    calendar = await web.get("/appointments/calendar", weeks="4")
    assert calendar.headers["content-type"].startswith("text/calendar")
    assert "BEGIN:VEVENT" in calendar.text
    for one in (page, calendar):
        assert "Tesfay" not in one.text
        assert one.headers["cache-control"] == "no-store"
    await web.sign_in(town.world.staff_member)
    assert f'href="/inbox/{accepted["id"]}"' in (await web.get("/appointments")).text
    await web.sign_in((await make_member(town.database, town.world.partner, Role.OTHER_MUNICIPALITY))[0])
    assert (await web.get("/appointments")).status_code == 403


async def test_an_appointment_at_a_place_of_the_directory_names_it(web: Web, town: Town) -> None:
    async with town.database.work(SYSTEM) as work:
        version = (await work.session.get_one(Partner, town.world.partner)).version
        draft = catalogue.LocationDraft(
            name="Haus am Markt", street="Markt 5", postcode="03046", city="Cottbus"
        )
        place, _ = await catalogue.add_location(work, town.world.partner, draft, expected_version=version)
    accepted = await town.accepted()
    at = f"{(TODAY + timedelta(days=11)).isoformat()}T10:00:00+01:00"
    await town.on(
        "staff", "setAppointment", accepted, startsAt=at, minutes=45, locationId=global_id("Location", place)
    )
    await own(web, town)
    assert "Haus am Markt, Markt 5, 03046 Cottbus" in (await web.get("/appointments")).text
    await web.sign_in(town.world.staff_member)
    assert "Haus am Markt, Markt 5, 03046 Cottbus" in (await web.get("/appointments")).text


async def test_who_is_booked_for_is_named_later_and_only_with_their_consent(web: Web, town: Town) -> None:
    await own(web, town)
    person = await town.client()
    asked = f"/clients/{person['id']}/refer?service={town.interpreting}"
    at = f"{TODAY.year + 1}-03-02T10:00"
    await goal(web, await sent(web, asked, f"/clients/{person['id']}/book", startsAt=at, mode="ON_SITE"))
    listed = await web.get("/bookings", show="own")
    booking = re.findall(r'href="(/bookings/[^"?]+)"', listed.text)[0]
    unasked = await sent(web, booking, f"{booking}/person", clientId=person["id"])
    assert unasked.status_code == 422
    assert 'href="#field-personAgreed"' in unasked.text
    given = {"clientId": person["id"], "personAgreed": "true"}
    page = await goal(web, await sent(web, booking, f"{booking}/person", **given))
    assert "The name is noted" in page.text
    assert "Tesfay, Almaz" in page.text
    assert f"{booking}/person" not in page.text
