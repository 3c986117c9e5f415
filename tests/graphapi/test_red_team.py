"""What an attack on the finished service found: each test is one finding that must not come back."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any
from uuid import uuid4

import pytest

from directory.database import Database
from directory.values import Capacity
from directory.vocabulary import CapacityState
from graphapi.app import application
from graphapi.context import Services
from graphapi.limits import Limits
from graphapi.relay import global_id
from graphapi.subscriptions import Bounds
from referrals.personal_data.keystore import KeyStore
from tests.graphapi.asking import Api
from tests.graphapi.conftest import MANY, make_partner, served
from tests.graphapi.exchanging import ACCEPTANCE, RECORD, REPORT_BACK, Town, days, make_town
from tests.graphapi.test_subscriptions import living
from tests.graphapi.watcher import PROTOCOL


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


def refused(found: Any) -> tuple[str, str]:
    assert found["__typename"] == "InvalidInputProblem", found
    return found["field"], found["reason"]


class TestWhatPostgresqlCannotStore:
    async def test_a_nul_in_a_file_number(self, town: Town) -> None:
        sent = await town.sent()
        given = {"id": sent["id"], "expectedVersion": sent["version"], **ACCEPTANCE, "fileNumber": "a\0b"}
        assert refused(await town.do("staff", "acceptReferral", **given)) == (
            "fileNumber",
            "control-character",
        )

    async def test_a_nul_deep_in_the_record_of_a_consent(self, town: Town) -> None:
        client = await town.client()
        purposes = [{"purpose": "REFERRAL", "categories": ["IDENTITY"]}]
        asked = await town.done(
            "coordinator",
            "requestConsent",
            clientId=client["id"],
            recipientIds=[town.partner_id],
            purposes=purposes,
        )
        record: dict[str, Any] = deepcopy(RECORD)
        record["notice"]["version"] = "\0"
        found = await town.do(
            "coordinator",
            "recordConsent",
            id=asked["id"],
            expectedVersion=1,
            granted=["REFERRAL"],
            record=record,
        )
        assert refused(found) == ("record.notice.version", "control-character")

    async def test_a_nul_in_an_idempotency_key(self, town: Town) -> None:
        found = await town.do(
            "coordinator", "createClient", idempotencyKey="key\0key\0key", identity={"familyName": "X"}
        )
        assert refused(found) == ("idempotencyKey", "control-character")

    @pytest.mark.parametrize(
        ("field", "filter_"),
        [("clients", {"need": "\0"}), ("clients", {"name": "a\0b"}), ("services", {"topics": ["\0"]})],
    )
    async def test_a_nul_in_a_filter(self, town: Town, field: str, filter_: dict[str, Any]) -> None:
        kind = {"clients": "ClientFilterInput", "services": "ServiceFilterInput"}[field]
        answer = await town.ask(
            f"query($f: {kind}) {{ {field}(filter: $f) {{ nodes {{ id }} }} }}",
            {"f": filter_},
            who="coordinator",
        )
        assert answer.codes == ["INVALID_INPUT"]

    @pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
    async def test_a_moment_that_is_none_in_utc(self, town: Town, moment: str) -> None:
        answer = await town.ask(
            "query($m: DateTime) { inbox(filter: {dueBefore: $m}) { nodes { id } } }",
            {"m": moment},
            who="coordinator",
        )
        assert (answer.status, answer.codes) == (400, ["REQUEST_NOT_VALID"])

    @pytest.mark.parametrize("field", ["inbox", "sentReferrals", "bookings"])
    @pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
    async def test_a_cursor_with_such_a_moment(self, town: Town, field: str, moment: str) -> None:
        cursor = base64.urlsafe_b64encode(f"{moment}|{uuid4()}".encode()).decode()
        answer = await town.ask(
            f"query($a: String) {{ {field}(after: $a) {{ nodes {{ id }} }} }}",
            {"a": cursor},
            who="coordinator",
        )
        assert answer.codes == ["INVALID_INPUT"]

    async def test_a_cursor_of_clients_with_a_nul(self, town: Town) -> None:
        cursor = base64.urlsafe_b64encode(b"K-\0").decode()
        answer = await town.ask(
            "query($a: String) { clients(after: $a) { nodes { id } } }", {"a": cursor}, who="coordinator"
        )
        assert answer.codes == ["INVALID_INPUT"]

    async def test_an_end_at_the_end_of_the_calendar(self, town: Town) -> None:
        """The clock would count 90 days on from there."""
        sent = await town.sent()
        given = {**ACCEPTANCE, "expectedEnd": "9999-12-31"}
        found = await town.do(
            "staff", "acceptReferral", id=sent["id"], expectedVersion=sent["version"], **given
        )
        assert refused(found) == ("expectedEnd", "too-late")

    @pytest.mark.parametrize("week", ["9999-12-27", "9999-12-31"])
    async def test_a_waiting_list_at_the_end_of_the_calendar(self, town: Town, week: str) -> None:
        sent = await town.sent()
        found = await town.do(
            "staff", "waitlistReferral", id=sent["id"], expectedVersion=sent["version"], expectedWeek=week
        )
        assert refused(found) == ("expectedWeek", "too-late")


HISTORY = """query($id: ID!) { referral(id: $id) {
  outcome outcomeOn outcomeReason consentId events { move reason facts { name value } }
} }"""
FEEDBACK = {"purpose": "FEEDBACK"}


async def withdraw(town: Town, consent: str, **given: Any) -> Any:
    found = (
        await town.ask("query($id: ID!) { consent(id: $id) { version } }", {"id": consent}, who="coordinator")
    ).data["consent"]
    return await town.do(
        "coordinator",
        "withdrawConsent",
        id=consent,
        expectedVersion=found["version"],
        channel="PHONE",
        language="de",
        **given,
    )


class TestTheOutcomeAfterReportingBackWasWithdrawn:
    async def told(self, town: Town, referral: Any) -> Any:
        return (await town.ask(HISTORY, {"id": referral["id"]}, who="coordinator")).data["referral"]

    async def withheld(self, town: Town, referral: Any) -> bool:
        found = await self.told(town, referral)
        events = [event for event in found["events"] if event["move"] == "REPORT_OUTCOME"]
        assert events
        assert (found["outcomeOn"], found["outcomeReason"]) == (None, None)
        assert all((event["reason"], event["facts"]) == (None, []) for event in events)
        return found["outcome"] in {"NOT_DISCLOSED", None}

    async def test_of_a_referral_that_is_not_closed_yet(self, town: Town) -> None:
        reported = await town.reported()
        consent = (await self.told(town, reported))["consentId"]
        await withdraw(town, consent, scope="PURPOSE", purpose="REPORT_BACK")
        assert await self.withheld(town, reported)

    async def test_of_a_closed_one_after_another_purpose_was_withdrawn_before(self, town: Town) -> None:
        closed = await town.closed(others=(REPORT_BACK, FEEDBACK))
        first = await withdraw(town, closed["consentId"], scope="PURPOSE", purpose="FEEDBACK")
        assert (await self.told(town, closed))["outcome"] == "NOT_MET"
        await withdraw(town, first["remaining"]["id"], scope="ALL")
        assert await self.withheld(town, closed)

    async def test_of_an_outcome_that_was_contested(self, town: Town) -> None:
        reported = await town.reported()
        contested = await town.on("coordinator", "contestOutcome", reported, reason="NOT_FINISHED")
        await withdraw(town, contested["consentId"], scope="PURPOSE", purpose="REPORT_BACK")
        assert await self.withheld(town, reported)

    async def test_no_move_tells_it_either(self, town: Town) -> None:
        """A follow-up is offered unless the need was met: what may not be told must not decide that."""
        started = await town.started()
        told = await town.on("staff", "reportOutcome", started, outcome="NEED_MET", outcomeOn=days(0))
        closed = await town.on("coordinator", "closeReferral", told, feedbackAsked="ANSWERED")
        other = await town.new_service()
        found = await town.do("coordinator", "followUpReferral", id=closed["id"], serviceId=other)
        assert found["__typename"] == "TransitionNotAllowedProblem"
        await withdraw(town, closed["consentId"], scope="PURPOSE", purpose="REPORT_BACK")
        found = await town.do("coordinator", "followUpReferral", id=closed["id"], serviceId=other)
        assert found["__typename"] == "ReferralSaved"


class TestBeforeThePackageIsOpened:
    async def test_the_recipient_asks_a_question(self, town: Town) -> None:
        sent = await town.sent()
        asked = await town.on("staff", "askAboutReferral", sent, question="Welches Niveau?")
        assert (asked["state"], asked["pseudonym"]) == ("INFO_REQUESTED", None)
        answered = await town.on("coordinator", "answerQuestion", asked, answer="A2")
        assert answered["state"] == "ACKNOWLEDGED"

    async def test_the_recipient_declines_with_a_note(self, town: Town) -> None:
        sent = await town.sent()
        declined = await town.on("staff", "declineReferral", sent, reason="NO_CAPACITY", note="Leider voll")
        assert declined["state"] == "DECLINED"

    async def test_the_consent_does_not_tell_the_recipient_whom_it_is_about(self, town: Town) -> None:
        """The consent's id stands in the events, and its subject is the person's pseudonym."""
        consent = "query($id: ID!) { consent(id: $id) { subject } }"
        sent = await town.sent()
        found = await town.ask(consent, {"id": sent["consentId"]}, who="staff")
        assert found.data["consent"] is None
        opened = await town.on("staff", "acknowledgeReferral", sent)
        found = await town.ask(consent, {"id": sent["consentId"]}, who="staff")
        assert found.data["consent"]["subject"] == opened["pseudonym"]


async def test_a_consent_does_not_tell_of_a_partner_that_is_not_published(
    town: Town, database: Database
) -> None:
    """The terms hold name, kind and contact of every recipient."""
    draft = await make_partner(database, town.world.municipality, "Geheimer Träger", published=False)
    client = await town.client()
    found = await town.do(
        "coordinator",
        "requestConsent",
        clientId=client["id"],
        recipientIds=[global_id("Partner", draft)],
        purposes=[{"purpose": "REFERRAL", "categories": ["IDENTITY"]}],
    )
    assert refused(found) == ("recipientIds.0", "unknown-value")


@pytest.mark.slow
class TestAtTheSameTime:
    async def test_two_exclusions_of_a_person(self, town: Town) -> None:
        client = await town.client("lead")
        decided: dict[str, Any] = {"decidedOn": days(0)}
        for field, given in (("excludeClient", decided), ("liftExclusion", {})):
            found = await asyncio.gather(
                *(town.do("lead", field, id=client["id"], **given) for _ in range(4))
            )
            kinds = sorted(answer["__typename"] for answer in found)
            problem = {"excludeClient": "InvalidInputProblem", "liftExclusion": "NotFoundProblem"}[field]
            assert kinds == sorted(["ClientSaved", *[problem] * 3])

    async def test_nobody_is_referred_who_is_being_erased(self, town: Town) -> None:
        for _ in range(3):
            client = await town.client("lead")
            service = await town.new_service()
            draft = {
                "clientId": client["id"],
                "serviceId": service,
                "topic": town.topic,
                "categories": ["IDENTITY"],
            }
            found = await asyncio.gather(
                town.do("lead", "eraseClient", id=client["id"], expectedVersion=1),
                *(town.do("lead", "draftReferral", **draft) for _ in range(4)),
            )
            kinds = {answer["__typename"] for answer in found}
            assert len(kinds & {"ClientErased", "ReferralSaved"}) == 1, kinds

    async def test_withdrawals_that_give_back_places_of_the_same_services(self, town: Town) -> None:
        """Each service is asked for in another order; none of the withdrawals is lost, nor any place."""
        capacity = Capacity(state=CapacityState.FEW, places=10)
        services = [await town.new_service(capacity=capacity) for _ in range(2)]
        consents = []
        for number in range(6):
            client = await town.client()
            consent = await town.consent(client["id"])
            for service in services if number % 2 else services[::-1]:
                draft = await town.draft(client["id"], service)
                sent = await town.on("coordinator", "sendReferral", draft, consentId=consent["id"])
                await town.on("staff", "acceptReferral", sent, **ACCEPTANCE)
            consents.append(consent["id"])
        found = await asyncio.gather(*(withdraw(town, consent) for consent in consents))
        assert {answer["__typename"] for answer in found} == {"ConsentWithdrawn"}
        for service in services:
            assert await places(town, service) == 10

    async def test_a_partner_is_hidden_while_places_of_it_are_taken(self, town: Town) -> None:
        """One of them locks documents first, the other services: whoever loses is tried again."""
        service = await town.new_service(capacity=Capacity(state=CapacityState.FEW, places=100))
        referrals = [await town.sent(serviceId=service) for _ in range(8)]
        version = "query($id: ID!) { partner(id: $id) { version } }"
        found = (await town.ask(version, {"id": town.partner_id}, who="staff")).data["partner"]
        hide = town.do("staff", "hidePartner", id=town.partner_id, expectedVersion=found["version"])
        accepts = (
            town.do("staff", "acceptReferral", id=r["id"], expectedVersion=r["version"], **ACCEPTANCE)
            for r in referrals
        )
        answers = await asyncio.gather(*accepts, hide)
        assert [answer["__typename"] for answer in answers] == [*["ReferralSaved"] * 8, "PartnerSaved"]
        assert await places(town, service) == 92
        back = answers[-1]["partner"]
        await town.done("staff", "publishPartner", id=back["id"], expectedVersion=back["version"])


async def places(town: Town, service: str) -> int:
    query = "query($id: ID!) { service(id: $id) { capacity { places } } }"
    found: int = (await town.ask(query, {"id": service}, who="staff")).data["service"]["capacity"]["places"]
    return found


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/graphql", b"application/json"), ("/answer/AAAAA", b"application/x-www-form-urlencoded")],
)
async def test_a_body_that_never_ends_is_given_up(database: Database, path: str, kind: bytes) -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"", "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"test"), (b"content-type", kind)],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    app: Any = served(database, limits=Limits(body_seconds=0.2))
    await asyncio.wait_for(app(scope, receive, send), 60)
    assert sent[0]["status"] == 408


OVERRIDE, ISOLATE, NEXT_LINE, SEPARATOR = "\u202e", "\u2066", "\x85", "\u2028"


class TestWhatIsNotSeen:
    """A direction that is turned makes a name look like another one; a line break adds a line to a letter."""

    @pytest.mark.parametrize(
        "character", [OVERRIDE, "\u202a", ISOLATE, "\u2069", "\x1b", NEXT_LINE, SEPARATOR]
    )
    async def test_is_refused_in_every_text_of_a_person_and_a_referral(
        self, town: Town, character: str
    ) -> None:
        bad = f"Amt{character}tmA"
        for given, field in (
            ({"identity": {"familyName": bad}}, "identity.familyName"),
            ({"identity": {"familyName": "A", "otherNames": ["B", bad]}}, "identity.otherNames.1"),
            ({"identity": {"familyName": "A"}, "contact": {"address": bad}}, "contact.address"),
            ({"identity": {"familyName": "A"}, "profile": {"health": bad}}, "profile.health"),
        ):
            found = await town.do("coordinator", "createClient", **given)
            assert refused(found) == (field, "control-character")
        sent = await town.sent()
        at = {"id": sent["id"], "expectedVersion": sent["version"]}
        for verb, more, field in (
            ("askAboutReferral", {"question": bad}, "question"),
            ("declineReferral", {"reason": "OTHER", "note": bad}, "note"),
            ("acceptReferral", {**ACCEPTANCE, "contact": bad}, "contact"),
            ("acceptReferral", {**ACCEPTANCE, "fileNumber": bad}, "fileNumber"),
        ):
            assert refused(await town.do("staff", verb, **at, **more)) == (field, "control-character")

    async def test_is_refused_in_every_text_of_a_partner_and_a_service(self, town: Town) -> None:
        bad = f"Amt{OVERRIDE}tmA"
        partner = (await town.ask(PARTNER, {"id": town.partner_id}, who="staff")).data["partner"]
        at = {"id": town.partner_id, "expectedVersion": partner["version"]}
        for given, field in (
            ({"name": bad}, "name"),
            ({"description": [{"language": "ar", "text": bad}]}, "description.0.text"),
            ({"website": f"https://example.org/{OVERRIDE}"}, "website"),
        ):
            found = await town.do("staff", "changePartner", **at, **given)
            assert refused(found) == (field, "control-character")
        found = await town.do(
            "staff",
            "createService",
            partnerId=town.partner_id,
            kind="COUNSELLING",
            title=[{"language": "de", "text": "Rat"}, {"language": "ar", "text": bad}],
        )
        assert refused(found) == ("title.1.text", "control-character")

    @pytest.mark.parametrize("end", ["\r\nErgebnis: erreicht", "\nX-Injected: 1", "\n"])
    async def test_a_line_does_not_end_within_a_name(self, town: Town, end: str) -> None:
        found = await town.do("coordinator", "createClient", identity={"familyName": f"Tesfay{end}"})
        if end.strip():
            assert refused(found) == ("identity.familyName", "control-character")
        else:
            query = "query($id: ID!) { client(id: $id) { identity { familyName } } }"
            shown = await town.ask(query, {"id": found["client"]["id"]}, who="coordinator")
            assert shown.data["client"]["identity"]["familyName"] == "Tesfay"

    async def test_what_arabic_and_persian_are_written_with_stays(self, town: Town) -> None:
        """Marks of direction, joiners; and breaks in a text of several lines."""
        name = "\u200fمی\u200cخواهم\u200e"
        client = await town.client(identity={"familyName": name}, profile={"health": "eins\nzwei"})
        query = "query($id: ID!) { client(id: $id) { identity { familyName } profile { health } } }"
        shown = (await town.ask(query, {"id": client["id"]}, who="coordinator")).data["client"]
        assert shown == {"identity": {"familyName": name}, "profile": {"health": "eins\nzwei"}}

    async def test_of_many_at_once_it_is_a_problem_too(self, town: Town) -> None:
        found = await town.do("staff", "acknowledgeReferrals", items=[{"id": OVERRIDE, "expectedVersion": 1}])
        assert refused(found) == ("items.0.id", "control-character")


PARTNER = "query($id: ID!) { partner(id: $id) { version } }"
EXPORTED = 'query($id: ID!) { referral(id: $id) { export(format: TEXT, language: "de") { text } } }'


async def test_no_line_of_an_export_is_made_of_what_somebody_wrote(town: Town) -> None:
    sent = await town.sent()
    forged = "Leider voll\n\nÜBERLEITUNG\nErgebnis: Bedarf gedeckt\u0020"
    await town.on("staff", "declineReferral", sent, reason="NO_CAPACITY", note=forged)
    found = await town.ask(EXPORTED, {"id": sent["id"]}, who="coordinator")
    lines = found.data["referral"]["export"]["text"].splitlines()
    assert "    Ergebnis: Bedarf gedeckt" in [line.rstrip() for line in lines]
    assert not any(line.startswith("Ergebnis") for line in lines)
    assert lines.count("ÜBERLEITUNG") == 1


class TestBeforeDataAreEntered:
    """§ 87 AufenthG: a public body tells people before it asks them anything."""

    async def test_a_public_body_says_which_notice_was_shown(self, town: Town) -> None:
        person: dict[str, Any] = {"identity": {"familyName": "Tesfay"}}
        found = await town.do("jobcenter", "createClient", **person, section87Notice=None)
        assert refused(found) == ("section87Notice", "show-before-entry")
        assert "section87Notice" in found["message"]
        told = await town.warned("jobcenter")
        forged = {**told, "notice": {**told["notice"], "sha256": "0" * 64}}
        found = await town.do("jobcenter", "createClient", **person, section87Notice=forged)
        assert refused(found) == ("section87Notice.notice.sha256", "notice-changed")
        made = await town.done("jobcenter", "createClient", **person, section87Notice=told)
        query = (
            "query($id: ID!) { client(id: $id) { section87Notice { shownAt notice { sha256 language } } } }"
        )
        kept = (await town.ask(query, {"id": made["id"]}, who="jobcenter")).data["client"]["section87Notice"]
        assert kept["notice"] == {"sha256": told["notice"]["sha256"], "language": "ti"}

    async def test_whoever_is_to_be_sent_there_is_told_by_others_too(self, town: Town) -> None:
        there = global_id("Partner", town.jobcenter_partner)
        told = await town.warned("staff", recipientId=there)
        await town.done("staff", "createClient", identity={"familyName": "B"}, section87Notice=told)
        wrong = {**told, "recipientId": town.service}
        found = await town.do("staff", "createClient", identity={"familyName": "B"}, section87Notice=wrong)
        assert refused(found)[0] == "section87Notice.recipientId"


# --- The socket ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def narrow(app_url: str, reader_url: str, keys: KeyStore) -> AsyncIterator[Any]:
    """An application whose connections are few and patient for half a second."""
    bounds = Bounds(unsigned=3, init_seconds=30, ping_seconds=0.1, silence_seconds=0.5, judge_seconds=30)
    services = Services(database=Database(app_url, reader_url, pool_size=3), limits=MANY, keys=keys)
    app = application(services, watching_bounds=bounds)
    async with living(app):
        yield app


def handshake(client: str) -> dict[str, Any]:
    return {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/graphql/ws",
        "raw_path": b"/graphql/ws",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"test")],
        "subprotocols": [PROTOCOL],
        "client": (client, 1),
        "server": ("127.0.0.1", 2),
    }


async def test_who_takes_nothing_is_let_go(app_url: str, reader_url: str, keys: KeyStore, town: Town) -> None:
    """The reader has signed in, and then its window is full: whoever sends waits, and must not for ever."""
    init = {"type": "connection_init", "payload": {"authorization": f"Bearer {town.token('staff')}"}}
    coming = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": json.dumps(init)}]
    taken: list[str] = []

    async def receive() -> dict[str, Any]:
        if coming:
            return coming.pop(0)
        await asyncio.sleep(0.05)  # it speaks on, so it is not silent
        return {"type": "websocket.receive", "text": '{"type": "pong"}', "bytes": None}

    async def send(message: dict[str, Any]) -> None:
        if len(taken) == 2:
            await asyncio.Event().wait()
        taken.append(message["type"])

    async with narrow(app_url, reader_url, keys) as app:
        await asyncio.wait_for(app(handshake("192.0.2.1"), receive, send), 60)
    assert taken == ["websocket.accept", "websocket.send"]


async def test_few_wait_without_signing_in(app_url: str, reader_url: str, keys: KeyStore, town: Town) -> None:
    """Of one address; a /64 is one. Who has signed in, and who has gone, does not count."""

    async def open_(client: str, *, token: str | None = None) -> tuple[asyncio.Task[None], list[Any]]:
        coming = [{"type": "websocket.connect"}]
        if token is not None:
            init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
            coming.append({"type": "websocket.receive", "text": json.dumps(init)})
        sent: list[Any] = []
        enough = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if coming:
                return coming.pop(0)
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])
            if len(sent) == 2 or token is None:
                enough.set()

        task = asyncio.create_task(app(handshake(client), receive, send))
        await asyncio.wait_for(enough.wait(), 60)
        return task, sent

    async with narrow(app_url, reader_url, keys) as app:
        tasks = []
        for number in range(3):
            task, sent = await open_(f"2001:db8::{number}")
            tasks.append(task)
            assert sent == ["websocket.accept"]
        task, sent = await open_("2001:db8::9")
        assert sent == ["websocket.close"]
        for client in ("2001:db8:0:1::1", "192.0.2.1"):
            task, sent = await open_(client)
            tasks.append(task)
            assert sent == ["websocket.accept"]
        for _ in range(5):
            task, sent = await open_("192.0.2.2", token=town.token("other_staff"))
            assert sent == ["websocket.accept", "websocket.send"]
            tasks.append(task)
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
        task, sent = await open_("2001:db8::9")
        assert sent == ["websocket.accept"]
        for one in (*tasks, task):
            one.cancel()
        await asyncio.gather(*tasks, task, return_exceptions=True)
