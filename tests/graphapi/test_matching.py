"""Matching, suggesting and counting what is missing, through GraphQL; a profile stays where it is."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest
import structlog
from sqlalchemy import text
from structlog.testing import capture_logs

from directory import figures
from directory.actors import SYSTEM
from directory.database import Database
from directory.days import local_day
from directory.figures import PartnerFigure
from directory.values import (
    Capacity,
    EligibilityRule,
    InterpretedLanguage,
    InterpretingFacts,
    LanguageOffered,
)
from directory.vocabulary import (
    Acceptance,
    Answer,
    CapacityState,
    ResidenceStatus,
    ResponseTime,
    ServiceKind,
)
from graphapi.app import application
from graphapi.context import Services
from graphapi.embedded import OWNER, READER, Access
from graphapi.limits import Limits
from search.follower import Follower
from search.local import LocalEngine
from tests.graphapi.asking import Api
from tests.graphapi.conftest import Maker, make_topic
from tests.graphapi.test_canary import dump

MATCH = Path("graphql/operations/match-services.graphql").read_text(encoding="utf-8")
SUGGEST = Path("graphql/operations/suggest.graphql").read_text(encoding="utf-8")
UNMET = Path("graphql/operations/read-unmet-searches.graphql").read_text(encoding="utf-8")
TODAY = local_day(datetime.now(UTC))  # what expires is made relative to the day on which the test runs


class Searching(NamedTuple):
    """The application with an engine of its own, and what makes entries."""

    api: Api
    make: Maker
    follower: Follower
    services: Services


@pytest.fixture
async def searching(
    empty_database: Database, empty_database_name: str, cluster: Access, tmp_path: Path
) -> AsyncIterator[Searching]:
    engine = LocalEngine(tmp_path / "index")
    follower = Follower(engine, empty_database, cluster.dsn(READER, empty_database_name))
    services = Services(database=empty_database, limits=Limits(), engines=(engine,))
    app = application(services)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:  # type: ignore[arg-type]
        yield Searching(Api(http), Maker(empty_database), follower, services)
    engine.resign()


PROFILE = {"residenceStatus": "SECTION_104C", "languages": ["ti"]}


async def test_matches_are_ranked_and_explain_themselves(
    searching: Searching, empty_database: Database
) -> None:
    api, make, follower, _ = searching
    world = await make.world()
    open_to = EligibilityRule(statuses=(ResidenceStatus.SECTION_104C,), answer=Answer.FITS)
    closed = EligibilityRule(statuses=(ResidenceStatus.SECTION_104C,), answer=Answer.DOES_NOT_FIT)
    free = Capacity(state=CapacityState.OPEN, expires_on=TODAY + timedelta(days=9))
    german = (LanguageOffered(language="de"),)
    speaks = (LanguageOffered(language="ti"),)
    shut = await make.service(
        world.partner, "Beratung zu", eligibility=[closed], capacity=free, languages=speaks
    )
    asked = await make.service(world.partner, "Beratung frei", capacity=free, languages=german)
    best = await make.service(
        world.partner, "Beratung offen", eligibility=[open_to], capacity=free, languages=speaks
    )
    bridge = await make.service(
        world.partner,
        "Sprachmittlung Tigrinya",
        kind=ServiceKind.LANGUAGE_MEDIATION,
        interpreting=InterpretingFacts(languages=(InterpretedLanguage(language="ti"),)),
    )
    async with empty_database.work(SYSTEM) as work:
        found = PartnerFigure(
            partner_id=world.partner,
            response_time=ResponseTime.WITHIN_2_DAYS,
            acceptance=Acceptance.MOSTLY,
            since=date(2025, 7, 1),
            until=date(2026, 6, 30),
        )
        await figures.publish(work, found.until, [found])
    await follower.catch_up()

    given = {"input": {"profile": PROFILE, "text": "Beratung"}}
    page = (await api(MATCH, given)).data["matchServices"]

    assert [edge["node"]["id"] for edge in page["edges"]] == [
        world.id("Service", key) for key in (best, asked, shut)
    ]
    assert [edge["answer"] for edge in page["edges"]] == ["FITS", "ASK", "DOES_NOT_FIT"]
    assert (page["totalCount"], page["consideredCount"], page["fittingCount"]) == (3, 3, 2)
    assert [one["id"] for one in page["bridges"]] == [world.id("Service", bridge)]
    codes = [
        {one["criterion"]: (one["standing"], one["reason"]["code"]) for one in edge["criteria"]}
        for edge in page["edges"]
    ]
    assert codes[0]["LANGUAGE"] == ("MET", "language-offered")
    assert codes[1]["LANGUAGE"] == ("PARTLY", "language-through-bridge")
    assert codes[1]["ELIGIBILITY"] == ("UNKNOWN", "no-rule-applies")
    assert codes[2]["ELIGIBILITY"] == ("NOT_MET", "rules-do-not-fit")
    assert codes[0]["RESPONSE_TIME"] == ("MET", "answers-within-2-days")
    assert codes[0]["ACCEPTANCE"] == ("MET", "accepts-mostly")

    first = (await api(MATCH, {**given, "first": 1})).data["matchServices"]
    second = (await api(MATCH, {**given, "first": 1, "after": first["pageInfo"]["endCursor"]})).data[
        "matchServices"
    ]
    assert second["edges"][0]["place"] == 2
    for wrong in ({"first": 0}, {"after": "x"}, {"after": world.id("Service", bridge)}):
        assert (await api(MATCH, {**given, **wrong})).codes == ["INVALID_INPUT"]


async def test_a_match_takes_three_statements_however_many_there_are(
    searching: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, make, follower, _ = searching
    world = await make.world()
    for number in range(12):
        await make.service(world.partner, f"Beratung {number}")
    await follower.catch_up()
    said: list[str] = []
    fetch = asyncpg.Connection.fetch

    async def counted(self: asyncpg.Connection, query: str, *values: Any, **more: Any) -> Any:
        said.append(query)
        return await fetch(self, query, *values, **more)

    monkeypatch.setattr(asyncpg.Connection, "fetch", counted)
    query = "query($i: MatchServicesInput!) { matchServices(input: $i, first: 10) { edges { score } } }"
    answer = await api(query, {"i": {"profile": {**PROFILE, "occupation": "http://esco/nurse"}}})

    assert len(answer.data["matchServices"]["edges"]) == 10
    assert len(said) == 3  # documents, figures; occupations, which are kept
    said.clear()
    await api(query, {"i": {"profile": {**PROFILE, "occupation": "http://esco/nurse"}}})
    assert len(said) == 2


async def test_suggestions(searching: Searching, empty_database: Database) -> None:
    api, make, follower, _ = searching
    world = await make.world()
    key = await make.service(world.partner, "Müttercafé")
    await follower.catch_up()

    found = (await api(SUGGEST, {"prefix": "muetter"})).data["suggest"]

    assert [(one["kind"], one["text"], one["services"]) for one in found] == [
        ("SERVICE", "Müttercafé (en)", 1)
    ]
    assert found[0]["id"] == world.id("Service", key)
    assert (await api(SUGGEST, {"prefix": "muetter", "kinds": ["TOPIC"]})).data["suggest"] == []
    assert (await api(SUGGEST, {"prefix": "x", "first": 99})).codes == ["INVALID_INPUT"]


# --- a profile comes in no address

IN_ADDRESSES = [
    ("query($i: MatchServicesInput!) { matchServices(input: $i) { totalCount } }", {"i": {"profile": {}}}),
    ("{ matchServices(input: {profile: {age: 30}}) { totalCount } }", {}),
    ("query($p: SituationInput!) { matchServices(input: {profile: $p}) { totalCount } }", {"p": {}}),
    (
        "query($i: SearchServicesInput!) { searchServices(input: $i) { totalCount } }",
        {"i": {"situation": {"age": 30}}},
    ),
    ("{ searchServices(input: {situation: {age: 30}}) { totalCount } }", {}),
    (
        "query($i: SearchServicesInput! = {situation: {age: 3}}) { searchServices(input: $i) { relaxed } }",
        {},
    ),
    (
        "query($s: SituationInput) { searchServices(input: {situation: $s}) { totalCount } }",
        {"s": {"age": 3}},
    ),
]


@pytest.mark.parametrize(("query", "variables"), IN_ADDRESSES)
async def test_a_profile_comes_in_no_address(api: Api, query: str, variables: Any) -> None:
    """However it is written; what has no profile may come by GET."""
    asked = {"query": query, "variables": json.dumps(variables)}
    refused = await api.http.get("/graphql", params=asked)

    assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (
        405,
        "PROFILE_IN_ADDRESS",
    )


async def test_a_search_without_a_profile_may_come_in_an_address(searching: Searching) -> None:
    _, make, follower, _ = searching
    await make.world()
    await follower.catch_up()
    query = "query($i: SearchServicesInput!) { searchServices(input: $i) { totalCount } }"
    asked = {"query": query, "variables": json.dumps({"i": {"text": "a", "situation": None}})}

    assert (await searching.api.http.get("/graphql", params=asked)).status_code == 200


# --- and stands nowhere else

CANARY = {
    "residenceStatus": "SECTION_23_1_SYRIA",
    "statusValidUntil": "2031-03-17",
    "residence": "120710337337",
    "languages": ["qaa"],
    "occupation": "http://esco.example/kanarienvogel",
    "startsFrom": "2030-01-19",
    "age": 47,
    "legalCircle": "ASYLBLG",
}
WORDS = ("2031-03-17", "120710337337", "qaa", "kanarie", "kanarienvogel", "2030-01-19")


async def test_a_profile_stands_in_no_log_no_problem_and_no_table(
    searching: Searching,
    empty_database_name: str,
    cluster: Access,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever becomes of the question: hits, none, a mistake, a mistake of GraphQL itself."""
    api, make, follower, services = searching
    world = await make.world()
    await make.service(world.partner, "Beratung")
    await follower.catch_up()
    caplog.set_level(logging.DEBUG)
    structlog.reset_defaults()
    status = next(status.value for status in ResidenceStatus if "23_1" in status.value)
    profile = {**CANARY, "residenceStatus": status}
    refused: list[Any] = []
    search = "query($i: SearchServicesInput!) { searchServices(input: $i) { totalCount } }"
    with capture_logs() as logged:
        for text in ("Beratung", "gibtesnicht"):
            answer = await api(MATCH, {"input": {"profile": profile, "text": text}}, token=world.staff)
            refused.append(answer.body)
            refused.append((await api(search, {"i": {"situation": profile, "text": text}})).body)
        for wrong in (
            {"residence": "kanarie"},
            {"age": "kanarie"},
            {"kanarie": 1},
            {"languages": ["x" * 9000]},
        ):
            answer = await api(MATCH, {"input": {"profile": {**profile, **wrong}}})
            assert answer.codes
            refused.append(answer.body)
        assert await services.unmet.write(services.database)
    out, err = capfd.readouterr()

    # an occupation that nobody knows is a value of the question; the answer names only what the service says
    told = json.dumps(refused, ensure_ascii=False)
    tables = await dump(cluster.dsn(OWNER, empty_database_name))
    for word in (*WORDS, "ASYLBLG"):
        for where in (json.dumps(logged, default=str), caplog.text, out, err):
            assert word not in where
        for table, rows in tables.items():
            assert word not in rows, table
    for word in ("120710337337", "kanarienvogel"):
        assert word not in told
    assert logged


# --- searches without a hit


async def test_what_is_not_found_is_counted_and_read_by_the_coordination(
    searching: Searching, empty_database: Database
) -> None:
    api, make, follower, services = searching
    world = await make.world()
    topic = await make_topic(empty_database, de="Dolmetschen")
    await make.service(world.partner, "Beratung")
    await follower.catch_up()
    search = "query($i: SearchServicesInput!) { searchServices(input: $i) { totalCount relaxed } }"
    words = {"text": "Dolmetschen", "filters": {"languages": ["ti"], "kinds": ["LANGUAGE_MEDIATION"]}}
    for _ in range(3):  # the same caller: once
        assert (await api(search, {"i": words}, token=world.staff)).data["searchServices"]["totalCount"] == 0
    await api(search, {"i": {"text": "Beratung"}}, token=world.staff)  # has a hit
    await services.unmet.write(empty_database)
    async with empty_database.view(SYSTEM) as session:
        rows = (
            await session.execute(text("SELECT breakdown, kind, topic, language, searches FROM unmet_search"))
        ).all()

    assert sorted(map(tuple, rows)) == [
        ("KIND", "LANGUAGE_MEDIATION", "", "", 1),
        ("LANGUAGE", "", "", "ti", 1),
        ("TOPIC", "", topic, "", 1),
        ("TOPIC_AND_LANGUAGE", "", topic, "ti", 1),
    ]
    quarter = (TODAY.month - 1) // 3 + 1
    now = {"year": TODAY.year, "quarter": quarter}
    assert (await api(UNMET, now, token=world.coordinator)).codes == ["INVALID_INPUT"]
    before = {"year": TODAY.year - 1, "quarter": quarter}
    answer = (await api(UNMET, before, token=world.coordinator)).data["unmetSearches"]
    assert (answer["cells"], answer["hidden"]) == ([], False)
