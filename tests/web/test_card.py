"""The person's own page: opened with the code of a card, in their language, and kept by nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from directory.database import Database
from directory.days import ZONE
from referrals.person.card_texts import LANGUAGES
from tests.graphapi.asking import Api
from tests.graphapi.conftest import api as api
from tests.graphapi.exchanging import Town, make_town
from tests.web.conftest import Web, number_of

CANARY = "Kanarienvogel"


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def card(town: Town, client: dict[str, Any], language: str = "ar") -> str:
    """Issue a card; return its code."""
    issued = await town.done("coordinator", "issueCodeCard", clientId=client["id"], language=language)
    code: str = issued["cardCode"]
    return code


async def a_person(town: Town) -> dict[str, Any]:
    found: dict[str, Any] = await town.client(
        identity={"familyName": CANARY, "givenNames": "Gelbe", "dateOfBirth": "1991-07-23"}
    )
    return found


async def send(web: Web, **form: str) -> Any:
    number = number_of(await web.get("/card"))
    return await web.post("/card", form, number=number)


def form_of(page: str, what: str) -> dict[str, str]:
    """Return the hidden fields of the form that holds these words."""
    found = next(form for form in re.findall(r"<form.*?</form>", page, re.S) if what in form)
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found))


def at_the_field(page: str, said: str) -> str:
    """Return which field a refusal is about: the summary leads to it, and it is said beside it."""
    goal = re.search(r'id="errors".*?href="#([^"]+)">([^<]+)', page, re.S)
    assert goal is not None and said in goal[2]
    control = re.search(rf'<(?:input|fieldset)[^>]* id="{goal[1]}"[^>]*>', page)
    assert control is not None and 'aria-invalid="true"' in control[0]
    beside = re.search(r'aria-describedby="([^"]+)"', control[0])
    assert beside is not None and said in page.partition(f'id="{beside[1]}"')[2].partition("</p>")[0]
    return goal[1]


async def test_the_page_speaks_the_persons_language_and_names_nobody(web: Web, town: Town) -> None:
    client = await a_person(town)
    await town.started(clientId=client["id"])
    code = await card(town, client)
    page = await send(web, code=code)

    assert page.status_code == 200
    assert '<html lang="ar" dir="rtl"' in page.text
    assert "صفحتك" in page.text
    for hidden in (CANARY, "Gelbe", "1991", client["pseudonym"], client["id"], "Sign in", "Spurwechsel"):
        assert hidden not in page.text, hidden
    assert page.headers["cache-control"] == "no-store"
    assert "location" not in page.headers
    assert not any(code in cookie for cookie in page.headers.get_list("set-cookie"))
    assert f"/card/{code}" not in page.text and f"={code}" not in page.text


@pytest.mark.parametrize("language", sorted(LANGUAGES))
async def test_the_code_is_asked_for_in_every_language_of_the_project(web: Web, language: str) -> None:
    for page in (await web.get("/card", language=language), await web.get("/card", language="en")):
        assert page.status_code == 200
    page = await web.get(f"/card?language={language}", language="de")
    assert f'<html lang="{language}"' in page.text
    assert page.headers["cache-control"] == "no-store"
    browser = await web.get("/card", language=language)
    assert f'<html lang="{language}"' in browser.text


@pytest.mark.parametrize(
    "code", ["", "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA", '"><script>alert(1)</script>', "x" * 5_000]
)
async def test_a_code_that_opens_nothing_is_said_so(web: Web, code: str) -> None:
    page = await send(web, code=code, language="en")
    assert page.status_code in {404, 422}
    assert "<script>alert" not in page.text
    assert at_the_field(page.text, "not valid") == "field-code"


async def test_a_form_of_another_site_is_refused(web: Web, town: Town) -> None:
    code = await card(town, await a_person(town))
    refused = await web.post("/card", {"code": code, "language": "ar"}, number="wrong")
    assert refused.status_code == 403
    assert '<html lang="ar" dir="rtl"' in refused.text and "لم ينجح ذلك" in refused.text
    assert 'id="field-code"' in refused.text, "what to do next: once more"
    assert code not in refused.text
    assert (await web.get("/card", code=code)).text.count(code) == 0


async def test_what_stops_the_page_is_said_in_the_persons_language(web: Web) -> None:
    said = {"sec-fetch-site": "same-origin", "accept-language": "uk", "content-type": "text/plain"}
    stopped = await web.http.post("/card", content=b"no form", headers=said)
    assert stopped.status_code == 415
    assert '<html lang="uk"' in stopped.text and "Не вдалося. Спробуйте ще раз." in stopped.text
    assert stopped.headers["cache-control"] == "no-store"


async def test_withdrawing_is_asked_once_more_and_gives_a_receipt(
    web: Web, town: Town, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    client = await a_person(town)
    sent = await town.sent(clientId=client["id"])
    code = await card(town, client, "en")
    page = await send(web, code=code)
    wish = form_of(page.text, "Stop everything")

    asked = await web.post("/card", wish, number=wish["number"])
    assert "Are you sure?" in asked.text
    query = "query($id: ID!) { referral(id: $id) { state } }"
    state = (await town.ask(query, {"id": sent["id"]}, who="coordinator")).data["referral"]["state"]
    assert state == "SENT", "nothing happened yet"
    yes = form_of(asked.text, "Yes")
    answers = [await web.post("/card", yes, number=yes["number"]) for _ in range(2)]

    for answer in answers:
        assert answer.status_code == 200
        assert "does not end because of this" in answer.text
        assert "At the moment nobody may" in answer.text or "Stop everything" not in answer.text
    state = (await town.ask(query, {"id": sent["id"]}, who="coordinator")).data["referral"]["state"]
    assert state == "CONSENT_REVOKED"
    said = capsys.readouterr()
    assert code not in said.out + said.err + caplog.text


async def test_a_referral_is_taken_back_and_says_what_changed_meanwhile(web: Web, town: Town) -> None:
    client = await a_person(town)
    sent = await town.sent(clientId=client["id"])
    code = await card(town, client, "en")
    page = await send(web, code=code)
    wish = {**form_of(page.text, "I do not want this any more"), "reason": "OTHER_SERVICE_FOUND"}
    asked = await web.post("/card", wish, number=wish["number"])
    yes = form_of(asked.text, "Yes")
    assert yes["reason"] == "OTHER_SERVICE_FOUND"
    late = await web.post(
        "/card", {**yes, "expectedVersion": "99", "once": "another-one"}, number=yes["number"]
    )
    assert late.status_code == 409
    assert "Something has changed" in late.text
    done = await web.post("/card", yes, number=yes["number"])
    assert done.status_code == 200
    query = "query($id: ID!) { referral(id: $id) { state } }"
    state = (await town.ask(query, {"id": sent["id"]}, who="coordinator")).data["referral"]["state"]
    assert state == "CANCELLED"


async def test_somebody_elses_things_are_not_moved(web: Web, town: Town) -> None:
    theirs = await town.sent()
    code = await card(town, await a_person(town), "en")
    given = {
        "code": code,
        "do": "move",
        "sure": "yes",
        "referralId": theirs["id"],
        "expectedVersion": str(theirs["version"]),
        "move": "CANCEL",
    }
    refused = await send(web, **given)
    assert refused.status_code == 409
    assert theirs["id"] not in refused.text


async def test_telling_how_it_went_needs_an_answer(web: Web, town: Town) -> None:
    client = await a_person(town)
    begun = await town.started(clientId=client["id"])
    code = await card(town, client, "de")
    page = await send(web, code=code)
    wish = form_of(page.text, "Es hat mir geholfen.")
    assert wish["referralId"] == begun["id"]
    missing = await web.post("/card", wish, number=wish["number"])
    assert missing.status_code == 422
    assert at_the_field(missing.text, "Bitte wählen Sie eine Antwort.").startswith("field-r")
    told = await web.post("/card", {**wish, "answer": "HELPED"}, number=wish["number"])
    assert told.status_code == 200
    assert "Danke für Ihre Antwort." in told.text
    assert told.text.count("Es hat mir geholfen.") == 1


async def test_an_appointment_stands_first_with_when_where_and_what_to_bring(web: Web, town: Town) -> None:
    client = await a_person(town)
    begun = await town.started(clientId=client["id"])
    at = (datetime.now(UTC) + timedelta(days=9)).replace(hour=9, minute=0, second=0, microsecond=0)
    await town.done(
        "staff",
        "setAppointment",
        id=begun["id"],
        expectedVersion=begun["version"],
        startsAt=at.isoformat(),
        place="Zimmer <b>12</b>",
    )
    code = await card(town, client, "en")
    page = (await send(web, code=code)).text
    assert "Zimmer &lt;b&gt;12&lt;/b&gt;" in page
    assert f"{at:%Y}, {at.astimezone(ZONE):%H:%M}" in page
    assert page.index("Zimmer") < page.index("Here you see"), "before everything else"
    assert "Please bring" in page
