"""The person's card over GraphQL: no account, POST only, counted, repeats are safe, nobody's name on it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from directory.database import Database
from graphapi.limits import Limits
from tests.graphapi.asking import Api
from tests.graphapi.conftest import served
from tests.graphapi.exchanging import Town, document, key, make_town

PAGE = """query($code: String!, $language: String) { codeCard(code: $code, language: $language) { __typename
  ... on CodeCardOpened { page {
    wanted language direction title introduction lostCard nothingShared withdrawAll askText
    ask { name phones emails website } headings { name text }
    referrals { id version partner state shared purposes until afterTheEnd yourAnswer
      service { text language } appointment { at place } offers { move text reasons { code text } }
      howItWent { text options { code text } } }
    consents { id until recipients { partnerId name contact } purposes { purpose text shared until } }
    followUps { id } receipts { number at title lines } } }
  ... on CodeNotValidProblem { message code }
  ... on TooManyAttemptsProblem { message code retryAfter } } }"""


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def card(town: Town, client: str, language: str = "ar") -> str:
    issued = await town.done("coordinator", "issueCodeCard", clientId=client, language=language)
    found: str = issued["cardCode"]
    return found


async def opened(town: Town, code: str, **given: Any) -> Any:
    return (await town.ask(PAGE, {"code": code, **given}, who="anonymous")).data["codeCard"]


async def test_the_page_names_nobody_and_speaks_the_persons_language(town: Town) -> None:
    client = await town.client(
        identity={"familyName": "Kanarienvogel", "givenNames": "Gelbe", "dateOfBirth": "1991-07-23"}
    )
    await town.started(clientId=client["id"])
    code = await card(town, client["id"])
    told = await opened(town, code)

    assert (told["page"]["language"], told["page"]["direction"]) == ("ar", "rtl")
    assert told["page"]["title"] == "صفحتك"
    text = str(told) + str(await opened(town, code, language="de"))
    for canary in ("Kanarienvogel", "Gelbe", "1991", "104", client["pseudonym"], client["id"], "Mitglied"):
        assert canary not in text, canary


async def test_the_card_is_shown_once_and_never_again(town: Town) -> None:
    client = await town.client()
    given = {"input": {"idempotencyKey": key(), "clientId": client["id"], "language": "ti"}}
    first = await town.ask(document("issueCodeCard"), given, who="coordinator")
    again = await town.ask(document("issueCodeCard"), given, who="coordinator")

    assert first.data["issueCodeCard"]["cardCode"] is not None
    assert again.data["issueCodeCard"]["cardCode"] is None
    query = "query($id: ID!) { client(id: $id) { codeCard { issuedAt expiresAt language } } }"
    living = (await town.ask(query, {"id": client["id"]}, who="coordinator")).data["client"]["codeCard"]
    assert living["language"] == "ti"
    await town.done("coordinator", "revokeCodeCard", clientId=client["id"])
    assert (await town.ask(query, {"id": client["id"]}, who="coordinator")).data["client"]["codeCard"] is None
    dead = await opened(town, first.data["issueCodeCard"]["cardCode"])
    wrong = await opened(town, "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA")
    assert dead == wrong
    assert dead["__typename"] == "CodeNotValidProblem"


async def test_withdrawing_repeats_safely_and_ends_the_referral(town: Town) -> None:
    client = await town.client()
    sent = await town.sent(clientId=client["id"])
    code, once = await card(town, client["id"]), key()
    answers = [
        await town.do(who, "withdrawByCard", code=code, idempotencyKey=once)
        for who in ("anonymous", "anonymous", "coordinator", "staff")
    ]

    assert {answer["__typename"] for answer in answers} == {"WithdrawnByCard"}
    assert len({answer["receipt"]["number"] for answer in answers}) == 1
    query = "query($id: ID!) { referral(id: $id) { state } }"
    for who in ("coordinator", "staff"):
        found = await town.ask(query, {"id": sent["id"]}, who=who)
        assert found.data["referral"]["state"] == "CONSENT_REVOKED"
    [receipt] = (await opened(town, code, language="en"))["page"]["receipts"]
    assert receipt["number"] == answers[0]["receipt"]["number"]
    assert "does not end because of this" in receipt["lines"][-1]


async def test_a_card_moves_nothing_of_somebody_else(town: Town) -> None:
    mine, theirs = await town.client(), await town.sent()
    code = await card(town, mine["id"])
    for given in (
        {"referralId": theirs["id"], "expectedVersion": theirs["version"], "move": "CANCEL"},
        {"referralId": "nonsense", "expectedVersion": 1, "move": "CANCEL"},
    ):
        refused = await town.do("anonymous", "moveByCard", code=code, **given)
        assert refused["__typename"] == "NotFoundProblem"
    refused = await town.do("anonymous", "withdrawByCard", code=code, consentId=theirs["consentId"])
    assert refused["__typename"] == "NotFoundProblem"


async def test_it_is_not_read_by_get(town: Town) -> None:
    client = await town.client()
    code = await card(town, client["id"])
    response = await town.api.http.get(
        "/graphql",
        params={"query": f'{{ codeCard(code: "{code}") {{ __typename }} }}'},
        headers={"accept": "application/graphql-response+json"},
    )

    assert response.status_code == 405
    assert "data" not in response.json()


@pytest.mark.usefixtures("clock_stands")
async def test_guessing_is_stopped_and_the_right_code_is_not_shut_out_elsewhere(
    database: Database, town: Town
) -> None:
    client = await town.client()
    code = await card(town, client["id"])
    limits = Limits(wrong_codes=3)

    def asking_from(address: str) -> Api:
        transport = httpx.ASGITransport(served(database, limits=limits), client=(address, 1))  # type: ignore[arg-type]
        return Api(httpx.AsyncClient(transport=transport, base_url="http://test"))

    guesser = asking_from("203.0.113.77")
    kinds = [(await guesser(PAGE, {"code": f"{n:025d}"})).data["codeCard"]["__typename"] for n in range(6)]
    assert kinds == [*["CodeNotValidProblem"] * 3, *["TooManyAttemptsProblem"] * 3]
    assert (await guesser(PAGE, {"code": code})).data["codeCard"]["__typename"] == "TooManyAttemptsProblem"
    elsewhere = await asking_from("198.51.100.5")(PAGE, {"code": code})
    assert elsewhere.data["codeCard"]["__typename"] == "CodeCardOpened"


async def test_three_voices_stand_side_by_side(town: Town) -> None:
    client = await town.client()
    closed = await town.closed(clientId=client["id"])
    code = await card(town, client["id"])
    await town.do("anonymous", "answerByCard", code=code, referralId=closed["id"], answer="HELPED")
    query = """query($id: ID!) { referral(id: $id) {
      voices { partner sender person disagreement why } laterFollowUps { kind } } }"""
    seen = {
        who: (await town.ask(query, {"id": closed["id"]}, who=who)).data["referral"]["voices"]
        for who in ("coordinator", "staff")
    }

    assert seen["coordinator"] == {
        "partner": "NOT_MET",
        "sender": "AGREED",
        "person": "HELPED",
        "disagreement": True,
        "why": ["NOT_MET_BUT_HELPED"],
    }
    assert seen["staff"] == {
        "partner": "NOT_MET",
        "sender": "AGREED",
        "person": "NOT_DISCLOSED",
        "disagreement": False,
        "why": [],
    }


async def test_without_report_back_the_partners_voice_is_not_disclosed(town: Town) -> None:
    client = await town.client()
    reported = await town.reported(clientId=client["id"], others=())
    read = "query($id: ID!) { referral(id: $id) { id version } }"
    seen = (await town.ask(read, {"id": reported["id"]}, who="coordinator")).data["referral"]
    closed = await town.on("coordinator", "closeReferral", seen, feedbackAsked="ANSWERED")
    code = await card(town, client["id"])
    await town.do("anonymous", "answerByCard", code=code, referralId=closed["id"], answer="HELPED")
    query = "query($id: ID!) { referral(id: $id) { voices { partner person disagreement } } }"
    found = (await town.ask(query, {"id": closed["id"]}, who="coordinator")).data["referral"]["voices"]

    assert found == {"partner": "NOT_DISCLOSED", "person": "HELPED", "disagreement": False}
