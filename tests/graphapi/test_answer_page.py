"""The page of an answer link: looking changes nothing, a button answers, nothing leaks, nothing runs."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from datetime import date, datetime
from html.parser import HTMLParser
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from directory.database import Database
from directory.days import ZONE
from graphapi import answer_page
from graphapi.limits import Limits
from graphapi.pages import BODY_BYTES, tag
from referrals.personal_data.keystore import KeyStore
from tests.graphapi.asking import GRAPHQL_RESPONSE, Api
from tests.graphapi.conftest import served
from tests.graphapi.exchanging import Town, days, key, make_town
from tests.graphapi.unchanged import Digest

NAME = "Kanarienvogelsang"
GERMAN_DAY = f"{date.fromisoformat(days(30)):%d.%m.%Y}"
"""A day as people type it who have no picker."""
SCRIPT = "<script>alert(1)</script>\"'&"


class Page(HTMLParser):
    """What stands in a page: forms with their fields, labelled controls, and which elements there are."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.status, self.text, self.headers = response.status_code, response.text, response.headers
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.forms: dict[str, dict[str, str]] = {}
        self._fields: dict[str, str] = {}
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        if tag == "form":
            self._fields = {}
        elif given.get("type") == "checkbox" and "checked" not in given:
            pass  # a browser does not send it
        elif given.get("name") and tag in {"input", "select", "textarea"}:
            self._fields[str(given["name"])] = given.get("value") or ""
            if given["name"] == "do":
                self.forms[str(given["value"])] = self._fields

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [given for tag, given in self.elements if tag == name]


class Office:
    """A receiving office with a browser: opens links and sends forms."""

    def __init__(self, http: httpx.AsyncClient, town: Town) -> None:
        self.http, self.town = http, town

    async def link(self, **given: Any) -> tuple[Any, str]:
        sent = await self.town.sent(**given)
        return sent, (await self.issue(sent))

    async def issue(self, referral: Any) -> str:
        issued = await self.town.done("coordinator", "issueAnswerLink", referralId=referral["id"])
        path: str = issued["path"]
        assert path == f"/answer/{issued['answerCode']}"
        return path

    async def get(self, path: str, language: str | None = "de", method: str = "GET") -> Page:
        headers = {} if language is None else {"accept-language": language}
        return Page(await self.http.request(method, path, headers=headers))

    async def post(self, path: str, data: Any, **headers: str) -> Page:
        return Page(await self.http.post(path, data=data, headers={"accept-language": "de", **headers}))

    async def send(self, path: str, do: str, **typed: str) -> Page:
        form = (await self.get(path)).forms[do]
        return await self.post(path, {**form, **{f"{do}.{name}": value for name, value in typed.items()}})

    async def in_stage(self, stage: str) -> Any:
        """Return a referral that has come so far."""
        town = self.town
        if stage in {"sent", "accepted", "started"}:
            return await getattr(town, stage)()
        if stage == "held":
            pause = {"reason": "PERSON_ILL", "resumeOn": days(9)}
            return await town.on("staff", "holdReferral", await town.started(), **pause)
        sent = await town.sent()
        if stage == "waitlisted":
            return await town.on("staff", "waitlistReferral", sent, expectedWeek=days(10))
        await town.done(
            "coordinator",
            "withdrawConsent",
            id=sent["consentId"],
            expectedVersion=2,
            channel="PHONE",
            scope="ALL",
            language="de",
        )
        return sent

    async def seen(self, referral: Any) -> Any:
        """Return what the sender reads of a referral."""
        query = """query($id: ID!) { referral(id: $id) { state expectedWeek noShows lastSignOfLife
          interimReportOn appointments { id startsAt place } events { move }
          revocationAnswer { answer what } } }"""
        answer = await self.town.ask(query, {"id": referral["id"]}, who="coordinator")
        return answer.data["referral"]

    async def state(self, referral: Any) -> str:
        query = "query($id: ID!) { referral(id: $id) { state } }"
        answer = await self.town.ask(query, {"id": referral["id"]}, who="coordinator")
        found: str = answer.data["referral"]["state"]
        return found


@pytest.fixture(scope="module")
async def office(database: Database, keys: KeyStore, api: Api) -> AsyncIterator[Office]:
    transport = httpx.ASGITransport(served(database, keys))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield Office(http, await make_town(database, api))


class TestLooking:
    @pytest.mark.slow
    async def test_a_hundred_times_changes_no_row_of_any_table(self, office: Office, digest: Digest) -> None:
        referral, path = await office.link()
        before = await digest(with_audit=True)
        for method, times, status in (("GET", 100, 200), ("HEAD", 10, 200), ("OPTIONS", 10, 204)):
            pages = await asyncio.gather(*(office.get(path, method=method) for _ in range(times)))
            assert {page.status for page in pages} == {status}

        assert await digest(with_audit=True) == before
        assert await office.state(referral) == "SENT"

    async def test_says_what_is_asked_and_not_about_whom(self, office: Office) -> None:
        client = await office.town.client(identity={"familyName": NAME, "givenNames": "Zwitschera"})
        _, path = await office.link(clientId=client["id"])
        page = await office.get(path)

        assert (page.status, set(page.forms)) == (
            200,
            {"OPEN", "ACCEPT", "WAITLIST", "DECLINE", "ASK", "CALL_ME"},
        )
        assert all(text in page.text for text in ("Koordination", "Träger A", "Sprachkurs"))
        assert not any(text in page.text for text in (NAME, "Zwitschera", client["pseudonym"]))

    async def test_is_not_kept_framed_indexed_or_passed_on_and_runs_nothing(self, office: Office) -> None:
        _, path = await office.link()
        for page in (
            await office.get(path),
            await office.get("/answer/AAAAA"),
            await office.send(path, "OPEN"),
        ):
            assert page.headers["cache-control"] == "no-store"
            assert page.headers["referrer-policy"] == "no-referrer"
            assert page.headers["x-robots-tag"].startswith("noindex")
            assert page.headers["x-frame-options"] == "DENY"
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy and "script-src" not in policy
            assert not page.all("script") and not page.all("style") and "set-cookie" not in page.headers
            assert not any(
                name.startswith("on") or name == "style" for _, given in page.elements for name in given
            )
            assert path.removeprefix("/answer/") not in page.text
        for link in page.all("link"):
            found = await office.http.get(str(link["href"]))
            assert found.status_code == 200
            assert found.headers["content-type"].partition(";")[0] in {"text/css", "image/svg+xml"}

    async def test_can_be_used_with_a_keyboard_and_a_screen_reader(self, office: Office) -> None:
        _, path = await office.link()
        page = await office.get(path, language="en")
        assert page.all("html")[0]["lang"] == "en"
        assert len(page.all("h1")) == len(page.all("title")) == len(page.all("main")) == 1
        labelled = {given["for"] for given in page.all("label")}
        controls = [*page.all("input"), *page.all("select"), *page.all("textarea")]
        shown = {given["id"] for given in controls if given.get("type") != "hidden"}
        assert shown == labelled
        assert len(page.all("legend")) == len(page.all("fieldset")) == 5

    @pytest.mark.parametrize(("wanted", "language"), [("en-GB, de;q=0.5", "en"), ("ti", "de"), (None, "de")])
    async def test_is_in_german_or_english(self, office: Office, wanted: str | None, language: str) -> None:
        _, path = await office.link()
        assert (await office.get(path, language=wanted)).all("html")[0]["lang"] == language

    @pytest.mark.parametrize(
        ("letters", "topic", "place"),
        [("de", "Sprachkurs", "Teststadt"), ("en", "language course", "Test Town")],
    )
    async def test_speaks_one_language_where_the_browser_wants_another(
        self, office: Office, owner_url: str, letters: str, topic: str, place: str
    ) -> None:
        """What has no text in the page's language says which it is in: it is read out and turned right."""
        _, path = await office.link()
        owner = await asyncpg.connect(owner_url)
        own = office.town.topic
        before = await owner.fetchval("SELECT labels FROM topic WHERE code = $1", own)
        write = "UPDATE topic SET labels = $2 WHERE code = $1"
        office_writes = "UPDATE partner SET correspondence_language = $2 WHERE id = $1"
        await owner.execute(write, own, json.dumps({**json.loads(before), "ar": "دورة لغة"}))
        await owner.execute(office_writes, office.town.world.partner, letters)
        page = await office.get(path, language="ar")
        await owner.execute(write, own, json.dumps({"ar": "دورة لغة"}))
        only_arabic = await office.get(path, language="ar")
        await owner.execute(write, own, before)
        await owner.execute(office_writes, office.town.world.partner, "de")
        await owner.close()

        assert page.all("html")[0]["lang"] == letters
        assert f">{topic}</dd>" in page.text
        assert f">{place}</dd>" in page.text
        assert "دورة" not in page.text
        assert '<span lang="ar" dir="rtl">دورة لغة</span></dd>' in only_arabic.text

    async def test_is_in_the_language_of_the_office_if_its_browser_wants_neither(
        self, office: Office, owner_url: str
    ) -> None:
        _, path = await office.link()
        owner = await asyncpg.connect(owner_url)
        change = "UPDATE partner SET correspondence_language = $2 WHERE id = $1"
        await owner.execute(change, office.town.world.partner, "en")
        assert (await office.get(path, language="ti")).all("html")[0]["lang"] == "en"
        assert (await office.get(path, language="de")).all("html")[0]["lang"] == "de"
        await owner.execute(change, office.town.world.partner, "de")
        await owner.close()


class TestAnswering:
    @pytest.mark.parametrize(
        ("do", "typed", "state"),
        [
            (
                "ACCEPT",
                {"contact": "Frau Beispiel", "firstContactOn": days(3), "expectedEnd": days(90)},
                "ACCEPTED",
            ),
            ("WAITLIST", {"expectedWeek": days(30)}, "WAITLISTED"),
            ("WAITLIST", {"expectedWeek": GERMAN_DAY}, "WAITLISTED"),
            ("DECLINE", {"reason": "NO_CAPACITY"}, "DECLINED"),
        ],
    )
    async def test_decides_and_uses_the_link_up(
        self, office: Office, do: str, typed: dict[str, str], state: str
    ) -> None:
        referral, path = await office.link()
        form = {
            **(await office.get(path)).forms[do],
            **{f"{do}.{name}": value for name, value in typed.items()},
        }
        first, again = await office.post(path, form), await office.post(path, form)

        assert (first.status, again.status) == (200, 200), "the same form sent twice answers the same"
        assert "Danke" in first.text and not first.forms
        assert await office.state(referral) == state
        assert (await office.get(path)).status == 410

    async def test_asks_and_asks_for_a_call_and_the_link_stays(self, office: Office) -> None:
        referral, path = await office.link()
        page = await office.send(path, "CALL_ME", phone="0355 123456", when="vormittags")
        assert (page.status, "CALL_ME" in page.forms) == (200, True)
        page = await office.send(path, "ASK", question="Welches Niveau?")
        assert page.status == 200
        assert await office.state(referral) == "INFO_REQUESTED"
        query = "query($id: ID!) { referral(id: $id) { events { move source text } } }"
        found = await office.town.ask(query, {"id": referral["id"]}, who="coordinator")
        assert [(e["move"], e["source"], e["text"]) for e in found.data["referral"]["events"]][-2:] == [
            ("CALL_ME", "LINK", "0355 123456; vormittags"),
            ("ASK", "LINK", "Welches Niveau?"),
        ]

    async def test_opens_the_data_by_a_button_only(self, office: Office) -> None:
        client = await office.town.client(identity={"familyName": NAME, "givenNames": SCRIPT})
        referral, path = await office.link(clientId=client["id"])
        page = await office.send(path, "OPEN")

        assert NAME in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text and not page.all("script")
        assert await office.state(referral) == "ACKNOWLEDGED"
        assert NAME not in (await office.get(path)).text

    async def test_goes_on_with_the_course(self, office: Office) -> None:
        accepted = await office.town.accepted()
        page = await office.send(await office.issue(accepted), "START", firstContactMadeOn=days(0))
        assert page.status == 200
        page = await office.send(
            await office.issue(accepted), "REPORT_OUTCOME", outcome="NEED_MET", outcomeOn=days(0)
        )
        assert (page.status, await office.state(accepted)) == (200, "OUTCOME_REPORTED")

    @pytest.mark.parametrize(
        ("stage", "offered"),
        [
            ("sent", "OPEN ACCEPT WAITLIST DECLINE ASK CALL_ME"),
            ("waitlisted", "OPEN ACCEPT DECLINE CALL_ME WAITLIST_UPDATED APPOINTMENT_SET NO_SHOW"),
            (
                "accepted",
                "OPEN SIGN_OF_LIFE DECLINE CALL_ME START REPORT_OUTCOME APPOINTMENT_SET NO_SHOW INTERIM",
            ),
            (
                "started",
                "OPEN SIGN_OF_LIFE CALL_ME REPORT_OUTCOME APPOINTMENT_SET NO_SHOW INTERIM HOLD",
            ),
            (
                "held",
                "OPEN SIGN_OF_LIFE CALL_ME RESUME REPORT_OUTCOME APPOINTMENT_SET NO_SHOW INTERIM",
            ),
            ("revoked", "REVOCATION_ANSWERED"),
        ],
    )
    async def test_offers_in_each_state_what_a_member_could_do_and_looking_changes_nothing(
        self, office: Office, digest: Digest, stage: str, offered: str
    ) -> None:
        path = await office.issue(await office.in_stage(stage))
        before = await digest(with_audit=True)
        page = await office.get(path)

        assert (page.status, set(page.forms)) == (200, set(offered.split()))
        assert await digest(with_audit=True) == before

    async def test_a_partner_that_never_signs_in_goes_through_a_whole_course(self, office: Office) -> None:
        """One click says that work goes on; pauses, appointments and the outcome need no account either."""
        referral = await office.in_stage("started")
        path = await office.issue(referral)
        page = await office.send(path, "SIGN_OF_LIFE")
        assert (page.status, "SIGN_OF_LIFE" in page.forms) == (200, True)
        page = await office.send(
            path, "APPOINTMENT_SET", startsAt=f"{date.fromisoformat(days(3)):%d.%m.%Y} 10:30", place="Haus 7"
        )
        assert "APPOINTMENT_MOVED" in page.forms, page.text
        (appointment,) = (await office.seen(referral))["appointments"]
        wall = datetime.fromisoformat(appointment["startsAt"]).astimezone(ZONE)
        assert (f"{wall:%Y-%m-%dT%H:%M}", appointment["place"]) == (f"{days(3)}T10:30", "Haus 7")
        moved = {"appointmentId": appointment["id"], "startsAt": f"{days(4)}T09:00"}
        assert (await office.send(path, "APPOINTMENT_MOVED", **moved)).status == 200
        assert (await office.send(path, "APPOINTMENT_MOVED", **moved)).status == 422
        page = await office.send(path, "INTERIM", result="ATTENDS", on=days(0))
        assert page.status == 200
        assert (await office.send(path, "NO_SHOW", on=days(0))).status == 200
        found = await office.seen(referral)
        assert (found["noShows"], found["lastSignOfLife"], found["interimReportOn"]) == (1, days(0), days(0))

        assert (await office.send(path, "HOLD", reason="PERSON_ILL", resumeOn=days(9))).status == 200
        assert await office.state(referral) == "ON_HOLD"
        assert (await office.get(path)).status == 410
        assert (await office.send(await office.issue(referral), "RESUME")).status == 200
        assert await office.state(referral) == "IN_PROGRESS"
        said = {"outcome": "NEED_MET", "outcomeOn": days(0)}
        assert (await office.send(await office.issue(referral), "REPORT_OUTCOME", **said)).status == 200
        assert await office.state(referral) == "OUTCOME_REPORTED"

    async def test_one_click_twice_is_one_sign_of_life(self, office: Office) -> None:
        referral = await office.in_stage("started")
        path = await office.issue(referral)
        form = (await office.get(path)).forms["SIGN_OF_LIFE"]
        for _ in range(3):
            assert (await office.post(path, form)).status == 200
        found = await office.seen(referral)
        assert [event["move"] for event in found["events"]].count("SIGN_OF_LIFE") == 1

    async def test_a_waiting_list_gets_another_week(self, office: Office) -> None:
        referral = await office.in_stage("waitlisted")
        page = await office.send(await office.issue(referral), "WAITLIST_UPDATED", expectedWeek=days(40))
        found = await office.seen(referral)
        assert (page.status, found["state"]) == (200, "WAITLISTED")
        assert found["expectedWeek"] > days(30)

    @pytest.mark.parametrize(
        ("typed", "status"),
        [
            ({"answer": "DELETED"}, 200),
            ({"answer": "KEPT", "what.IDENTITY": "yes", "legalBasis": "§ 147 AO", "until": days(400)}, 200),
            ({"answer": "KEPT", "legalBasis": "§ 147 AO", "until": days(400)}, 422),
            ({"answer": "KEPT", "what.HEALTH": "yes", "legalBasis": "§ 147 AO", "until": days(400)}, 422),
            ({"answer": "KEPT", "what.IDENTITY": "yes", "until": "bald"}, 422),
            ({"answer": "DELETED", "what.IDENTITY": "yes"}, 422),
            ({"answer": SCRIPT}, 422),
            ({}, 422),
        ],
    )
    async def test_what_was_done_with_the_data_is_told_by_link(
        self, office: Office, typed: dict[str, str], status: int
    ) -> None:
        referral = await office.in_stage("revoked")
        path = await office.issue(referral)
        page = await office.send(path, "REVOCATION_ANSWERED", **typed)

        assert page.status == status, page.text
        assert not page.all("script")
        told = (await office.seen(referral))["revocationAnswer"]
        assert (told is None) is (status != 200)
        if told is not None:
            assert (told["answer"], told["what"]) == (
                typed["answer"],
                ["IDENTITY"] if typed["answer"] == "KEPT" else [],
            )
            assert (await office.get(path)).status == 410

    @pytest.mark.parametrize(
        ("do", "typed"),
        [
            ("ACCEPT", {"contact": SCRIPT, "firstContactOn": days(3), "expectedEnd": days(2)}),
            ("ACCEPT", {"contact": SCRIPT, "firstContactOn": "morgen", "expectedEnd": days(2)}),
            ("ACCEPT", {"contact": SCRIPT}),
            ("DECLINE", {"reason": SCRIPT}),
            ("CALL_ME", {"phone": SCRIPT}),
            ("ASK", {"question": SCRIPT * 100}),
        ],
    )
    async def test_what_is_wrong_is_said_and_what_was_typed_stays(
        self, office: Office, do: str, typed: dict[str, str]
    ) -> None:
        referral, path = await office.link()
        page = await office.send(path, do, **typed)

        assert page.status == 422
        assert any(given.get("role") == "alert" for given in page.all("div"))
        assert not page.all("script")
        assert await office.state(referral) == "SENT"
        kept = page.forms[do]
        if "contact" in typed:
            assert kept["ACCEPT.contact"] == SCRIPT

    @pytest.mark.parametrize("typed", ["31.02.2027", "12/31/2026", "bald"])
    async def test_a_day_that_is_none_is_refused_with_an_example(self, office: Office, typed: str) -> None:
        _, path = await office.link()
        page = await office.send(path, "WAITLIST", expectedWeek=typed)
        assert page.status == 422
        assert "zum Beispiel 31.12.2026" in page.text

    async def test_the_summary_says_which_field_is_meant(self, office: Office) -> None:
        _, path = await office.link()
        page = await office.send(path, "ACCEPT", contact="Frau Muster")
        said = re.findall(r'<li><a href="#ACCEPT\.([^"]+)"[^>]*>([^<]+)</a></li>', page.text)
        assert [name for name, _ in said] == ["firstContactOn", "expectedEnd"]
        (_, first), (_, last) = said
        for name, line in said:
            label = re.search(rf'<label for="ACCEPT\.{name}"[^>]*>([^<]+)', page.text)
            assert label is not None
            assert line.startswith(f"{label[1]}: "), line
        assert first != last

    async def test_only_this_page_sends_its_forms(self, office: Office) -> None:
        referral, path = await office.link()
        form = {**(await office.get(path)).forms["DECLINE"], "DECLINE.reason": "OTHER"}
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
        ):
            assert (await office.post(path, form, **headers)).status == 403
        for body, kind in ((json.dumps(form), "application/json"), ("x" * BODY_BYTES * 2, None)):
            kind = kind or "application/x-www-form-urlencoded"
            response = await office.http.post(path, content=body, headers={"content-type": kind})
            assert response.status_code == 403
        assert (await office.http.put(path)).status_code == 405
        assert await office.state(referral) == "SENT"
        page = await office.post(path, form, **{"sec-fetch-site": "same-origin", "origin": "null"})
        assert (page.status, await office.state(referral)) == (200, "DECLINED")

    @pytest.mark.parametrize(
        "path", ["/answer/AAAAA-BBBBB", "/answer/%3Cscript%3E", "/answer/%00", "/answer/%ff"]
    )
    async def test_a_wrong_code_says_no_more_than_that(self, office: Office, path: str) -> None:
        page = await office.get(path)
        assert page.status == 404
        assert not page.forms and not page.all("script")
        assert 'href="/answer"' in page.text, "a code is often copied wrong: it can be typed again"

    async def test_a_code_on_paper_is_typed(self, office: Office) -> None:
        _, path = await office.link()
        entry = await office.get("/answer")
        assert entry.status == 200 and entry.all("form")[0]["action"] == "/answer"
        typed = f" {path.removeprefix('/answer/').lower()} \r\n"
        answer = await office.http.post("/answer", data={"code": typed})
        assert (answer.status_code, set(answer.headers["location"]) & {"\r", "\n", " "}) == (303, set())
        assert "DECLINE" in (await office.get(answer.headers["location"])).forms
        answer = await office.http.post("/answer", data={"code": "//evil.example"})
        assert answer.headers["location"].startswith("/answer/")

    @pytest.mark.parametrize("typed", [{"code": ""}, {"code": " –!/ "}, {}], ids=["empty", "signs", "none"])
    async def test_no_code_at_all_is_said_at_the_field(self, office: Office, typed: dict[str, str]) -> None:
        answer = await office.http.post("/answer", data=typed, headers={"accept-language": "de"})
        page = answer.text
        assert (answer.status_code, "location" in answer.headers) == (422, False)
        assert "<title>Fehler: Anfrage beantworten" in page
        said = "Bitte geben Sie den Code ein, wie er im Schreiben steht."
        assert f'<a href="#code" class="kern-link">Der Code aus dem Schreiben: {said}</a>' in page
        assert 'aria-describedby="code.error" aria-invalid="true"' in page
        assert said in page.partition('id="code.error"')[2]

    async def test_a_failure_of_ours_says_what_to_do(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def broken(*_: Any) -> Any:
            raise RuntimeError("inner secret")

        _, path = await office.link()
        monkeypatch.setattr(answer_page, "ask", broken)
        answer = await office.http.get(path, headers={"accept-language": "de"})
        assert answer.status_code == 500
        assert re.search("Bitte versuchen Sie es noch einmal.* diese Nummer: [0-9a-f]{32}<", answer.text)
        assert "inner secret" not in answer.text

    @pytest.mark.usefixtures("clock_stands")
    async def test_too_many_wrong_codes_are_stopped(self, database: Database, keys: KeyStore) -> None:
        application = served(database, keys, limits=Limits(wrong_codes=3))
        transport = httpx.ASGITransport(application, client=("192.0.2.77", 1))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            answers = [await http.get("/answer/AAAAA") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 600


async def test_what_was_done_with_the_data_is_recorded_by_phone_too(office: Office) -> None:
    town = office.town
    referral, path = await office.link()
    query = "query($id: ID!) { referral(id: $id) { consentId version } }"
    found = (await town.ask(query, {"id": referral["id"]}, who="coordinator")).data["referral"]
    await town.done(
        "coordinator", "withdrawConsent", id=found["consentId"], expectedVersion=2, channel="PHONE"
    )
    assert (await office.get(path)).status == 410

    version = (await town.ask(query, {"id": referral["id"]}, who="coordinator")).data["referral"]["version"]
    told = {"id": referral["id"], "expectedVersion": version, "source": "PHONE", "on": days(0)}
    kept = {"answer": "KEPT", "what": ["IDENTITY"], "until": days(30)}
    refused = await town.do("coordinator", "recordPartnerAnswer", **told, answer={"revocationAnswered": kept})
    assert (refused["reason"], refused["field"]) == ("required", "answer.revocationAnswered.legalBasis")
    deleted = {"revocationAnswered": {"answer": "DELETED"}}
    saved = await town.do("coordinator", "recordPartnerAnswer", **told, answer=deleted)
    assert (saved["__typename"], saved["referral"]["state"]) == ("ReferralSaved", "CONSENT_REVOKED")
    again = await town.do(
        "coordinator",
        "recordPartnerAnswer",
        **{**told, "expectedVersion": saved["referral"]["version"]},
        answer=deleted,
    )
    assert again["__typename"] == "TransitionNotAllowedProblem"


class TestTheCode:
    async def test_stands_in_no_log(
        self,
        office: Office,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        _, path = await office.link()
        code = path.removeprefix("/answer/")
        caplog.set_level(logging.DEBUG)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # the browser's own log, not the server's
        structlog.reset_defaults()
        with capture_logs() as logged:
            await office.get(path)
            await office.send(path, "ASK", question=NAME)
            await office.get(path + "X")
            await office.send(path, "CALL_ME", phone="0355 99887766")
            with monkeypatch.context() as broken:
                broken.setattr("referrals.answer_links.look", None)
                assert (await office.get(path)).status == 500
        logging.getLogger("httpx").setLevel(logging.NOTSET)
        out, err = capfd.readouterr()
        assert {entry["event"] for entry in logged} >= {"answer page", "unexpected"}
        for written in (json.dumps(logged, default=str), caplog.text, out, err):
            assert not any(text in written for text in (code, code.replace("-", ""), NAME, "99887766"))

    @pytest.mark.parametrize("form", ["inline", "variable"])
    async def test_is_not_taken_from_the_address_of_a_query(self, office: Office, form: str) -> None:
        _, path = await office.link()
        code = path.removeprefix("/answer/")
        asked = {
            "inline": {"query": f'{{ answerPage(code: "{code}") {{ __typename }} }}'},
            "variable": {
                "query": "query($c: String!) { ...P }"
                " fragment P on Query { answerPage(code: $c) { __typename } }",
                "variables": json.dumps({"c": code}),
            },
        }[form]
        headers = {"accept": GRAPHQL_RESPONSE}
        refused = await office.http.get("/graphql", params=asked, headers=headers)
        assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (
            405,
            "CODE_IN_ADDRESS",
        )
        assert refused.headers["allow"] == "POST"
        body = {**asked, "variables": {"c": code}} if form == "variable" else asked
        answered = await office.http.post("/graphql", json=body, headers=headers)
        assert answered.json()["data"]["answerPage"]["__typename"] == "AnswerPage"

    async def test_is_shown_once_and_the_same_key_answers_the_same(self, office: Office) -> None:
        referral = await office.town.sent()
        given = {"idempotencyKey": key(), "referralId": referral["id"]}
        first = await office.town.do("coordinator", "issueAnswerLink", **given)
        again = await office.town.do("coordinator", "issueAnswerLink", **given)
        assert first["answerCode"] and again["answerCode"] is None

        said = {
            "idempotencyKey": key(),
            "code": first["answerCode"],
            "answer": {"decline": {"reason": "OTHER"}},
        }
        answers = [await office.town.do("anonymous", "answerByLink", **said) for _ in range(2)]
        assert answers[0] == answers[1]
        other = {**said, "answer": {"decline": {"reason": "NO_CAPACITY"}}}
        conflict = await office.town.do("anonymous", "answerByLink", **other)
        assert conflict["__typename"] == "IdempotencyConflictProblem"
        refused = await office.town.do("anonymous", "answerByLink", **{**other, "idempotencyKey": key()})
        assert refused["__typename"] == "AnswerLinkClosedProblem"


def test_markup_escapes_whatever_is_not_markup() -> None:
    made = tag("p", SCRIPT, tag("b", SCRIPT), title=SCRIPT)
    assert re.findall(r"<(\w+)", made) == ["p", "b"]
    assert made.count("&lt;script&gt;") == 3
