"""What is entered about a person is read where it may be, and stands nowhere else."""

from __future__ import annotations

import json
import logging
from typing import Any

import asyncpg
import pytest
import structlog
from structlog.testing import capture_logs

from directory.database import Database
from directory.models import Base
from tests.graphapi.asking import Api
from tests.graphapi.exchanging import CATEGORIES, RECORD, Town, days, make_town

NAME, GIVEN, PHONE, ADDRESS, TEXT, WITNESS, QUESTION, ANSWER, WORDS = CANARIES = (
    "Kanarienvogelsang",
    "Zwitschera",
    "+493559988776",
    "Vogelweg 17, 03046 Cottbus",
    "Ruecken-Kanarie-Diagnose",
    "Zeugin Papageno",
    "Frage-Kanarie nach dem Zeugnis",
    "Antwort-Kanarie zum Zeugnis",
    "Kanarie sagt: es war gut",
)


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def everything(town: Town) -> list[Any]:
    """Enter, send, ask, answer and hear about a person, with every sort of mistake on the way."""
    problems: list[Any] = []
    person: dict[str, Any] = {
        "identity": {"familyName": NAME, "givenNames": GIVEN},
        "contact": {"phone": PHONE, "address": ADDRESS},
        "profile": {"health": TEXT},
    }
    client = await town.client(**person)
    problems.append(await town.do("coordinator", "createClient", **{**person, "needs": [TEXT]}))
    bad = {"familyName": NAME * 40, "givenNames": GIVEN}
    problems.append(await town.do("coordinator", "createClient", identity=bad))
    problems.append(
        await town.do("coordinator", "createClient", identity={"familyName": NAME}, contact={"phone": NAME})
    )
    problems.append(await town.do("stranger", "changeClient", id=client["id"], expectedVersion=1, **person))
    problems.append(
        await town.do("coordinator", "changeClient", id=client["id"], expectedVersion=9, **person)
    )
    # what GraphQL itself refuses: a variable of the wrong kind, an unknown field of an input
    for wrong in ({"identity": NAME}, {"identity": {"familyName": NAME, "x": TEXT}}):
        query = "mutation($i: CreateClientInput!) { createClient(input: $i) { __typename } }"
        answer = await town.ask(
            query, {"i": {"idempotencyKey": "canary-" + "x" * 8, **wrong}}, who="coordinator"
        )
        problems.append(answer.body)
    consent = await town.consent(
        client["id"],
        categories=[*CATEGORIES, "HEALTH"],
        record={**RECORD, "medium": "ORAL"},
        evidence={"witness": WITNESS},
    )
    draft = await town.draft(client["id"], categories=[*CATEGORIES, "HEALTH"])
    sent = await town.on("coordinator", "sendReferral", draft, consentId=consent["id"])
    read = await town.on("staff", "acknowledgeReferral", sent)
    asked = await town.on("staff", "askAboutReferral", read, question=QUESTION)
    problems.append(
        await town.do(
            "staff", "askAboutReferral", id=asked["id"], expectedVersion=asked["version"], question=QUESTION
        )
    )
    told = await town.on("coordinator", "answerQuestion", asked, answer=ANSWER)
    taken = await town.on(
        "staff", "acceptReferral", told, contact="Empfang", firstContactOn=days(1), expectedEnd=days(9)
    )
    begun = await town.on("staff", "startReferral", taken, firstContactMadeOn=days(0))
    issued = await town.done("coordinator", "issueFeedbackCode", referralId=begun["id"])
    await town.do("anonymous", "giveFeedback", code=issued["feedbackCode"], answer="HELPED", text=WORDS)
    problems.append(
        await town.do(
            "anonymous", "giveFeedback", code=issued["feedbackCode"], answer="HELPED", text=WORDS * 40
        )
    )
    problems.append({"code": issued["feedbackCode"]})
    booking = await town.booked(clientId=client["id"], personAgreed=True)
    await town.on("staff", "confirmBooking", booking)
    package = """query($id: ID!) { referral(id: $id) {
      package { person { familyName health } } events { text } feedback { text } } }"""
    shown = [await town.ask(package, {"id": begun["id"]}, who=who) for who in ("staff", "coordinator")]
    assert all(NAME in json.dumps(answer.body) and TEXT in json.dumps(answer.body) for answer in shown)
    clients = "query($n: String) { clients(filter: {name: $n}) { nodes { name } } }"
    assert NAME in json.dumps((await town.ask(clients, {"n": NAME}, who="coordinator")).body)
    return problems


async def test_what_is_entered_stands_in_no_log_no_problem_and_no_table(
    town: Town, owner_url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    structlog.reset_defaults()
    with capture_logs() as logged:
        problems = await everything(town)
    code = problems.pop()["code"]
    refused = problems
    out, err = capfd.readouterr()

    assert logged
    written = [json.dumps(logged, default=str), caplog.text, out, err]
    for text in (*CANARIES, code):
        for where in written:
            assert text not in where
        assert text not in json.dumps(refused, ensure_ascii=False)
    for table, rows in (await dump(owner_url)).items():
        for text in (*CANARIES, code):
            assert text not in rows, table
            assert text.encode().hex() not in rows, table


async def dump(owner_url: str) -> dict[str, str]:
    """Return every table as text, looking past row-level security."""
    owner = await asyncpg.connect(owner_url)
    look = owner.transaction()
    await look.start()
    try:
        names = [table.fullname for table in Base.metadata.sorted_tables]
        for name in names:
            await owner.execute(f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY")
        return {
            name: await owner.fetchval(f"SELECT coalesce(string_agg(t::text, chr(10)), '') FROM {name} t")
            for name in names
        }
    finally:
        await look.rollback()
        await owner.close()


@pytest.mark.parametrize(
    "given",
    [
        {"identity": NAME},
        {"identity": {"familyName": NAME, "x": TEXT}},
        {"identity": {"familyName": [NAME]}},
        {"identity": {"familyName": "A", "dateOfBirth": NAME}},
        {"identity": {"familyName": "A"}, "phase": NAME},
    ],
)
async def test_what_graphql_itself_refuses_is_not_repeated(town: Town, given: Any) -> None:
    query = "mutation($i: CreateClientInput!) { createClient(input: $i) { __typename } }"
    answer = await town.ask(query, {"i": {"idempotencyKey": "canary-12345", **given}}, who="coordinator")

    assert (answer.status, answer.codes) == (400, ["REQUEST_NOT_VALID"])
    assert not any(text in json.dumps(answer.body) for text in CANARIES)
    assert "Variable '$i' has invalid value at ." in answer.body["errors"][0]["message"]
