"""Searching through GraphQL, with the local engine following a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from directory.database import Database
from directory.days import local_day
from directory.values import CourseFacts, CourseRun, EligibilityRule, LanguageOffered
from directory.vocabulary import Answer, CefrLevel, ResidenceStatus
from graphapi.app import application
from graphapi.context import Services
from graphapi.embedded import READER, Access
from graphapi.limits import Limits
from graphapi.relay import target_id
from search.follower import Follower
from search.local import LocalEngine
from tests.graphapi.asking import Api
from tests.graphapi.conftest import Maker

SEARCH = """query($input: SearchServicesInput!, $first: Int! = 20, $after: String) {
  searchServices(input: $input, first: $first, after: $after) {
    totalCount fittingCount relaxed degraded
    pageInfo { hasNextPage endCursor }
    facets { facet values { value count } }
    edges {
      cursor answer distanceKm
      reasons { criterion answer answerLabel code message }
      highlights { field language fragment ranges { start end } }
      node { id title { text } partner { name } }
    }
    nodes { id }
  }
}"""
TODAY = local_day(datetime.now(UTC))  # courses are made relative to the day on which the test runs


@pytest.fixture
async def searching(
    empty_database: Database, empty_database_name: str, cluster: Access, tmp_path: Path
) -> AsyncIterator[tuple[Api, Maker, Follower]]:
    engine = LocalEngine(tmp_path / "index")
    follower = Follower(engine, empty_database, cluster.dsn(READER, empty_database_name))
    app = application(Services(database=empty_database, limits=Limits(), engines=(engine,)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:  # type: ignore[arg-type]
        yield Api(http), Maker(empty_database), follower
    engine.resign()


async def found(api: Api, given: dict[str, Any], **variables: Any) -> Any:
    return (await api(SEARCH, {"input": given, **variables})).data["searchServices"]


def course(ends: int, *, childcare: bool | None, starts: int = 10) -> dict[str, Any]:
    return {
        "course": CourseFacts(
            level_from=CefrLevel.A2,
            level_to=CefrLevel.B1,
            runs=(CourseRun(starts_on=TODAY + timedelta(days=starts), ends_on=TODAY + timedelta(days=ends)),),
            childcare=childcare,
        ),
        "eligibility": [EligibilityRule(statuses=(ResidenceStatus.SECTION_104C,), answer=Answer.FITS)],
    }


async def test_words_filters_situation_and_reasons(searching: tuple[Api, Maker, Follower]) -> None:
    api, make, follower = searching
    world = await make.world()
    fits = await make.service(world.partner, "Deutschkurs B1 mit Kindern", **course(100, childcare=True))
    late = await make.service(world.partner, "Deutschkurs B1 lang", **course(400, childcare=True))
    without = await make.service(world.partner, "Deutschkurs B1 abends", **course(100, childcare=False))
    await make.service(world.partner, "Schuldnerberatung")
    await follower.catch_up()

    given = {
        "text": "deutschkurz",  # a typing error is forgiven
        "situation": {
            "residenceStatus": "SECTION_104C",
            "statusValidUntil": (TODAY + timedelta(days=210)).isoformat(),
            "childcare": True,
            "wishedLevel": "B1",
        },
        "facets": ["KIND", "RESIDENCE_STATUS"],
    }
    page = await found(api, given)
    by_id = {edge["node"]["id"]: edge for edge in page["edges"]}

    assert (page["totalCount"], page["fittingCount"], page["degraded"]) == (3, 1, False)
    assert page["edges"][0]["node"]["id"] == world.id("Service", fits)
    assert page["edges"][0]["answer"] == "FITS"
    codes = {
        key: {reason["code"] for reason in by_id[world.id("Service", key)]["reasons"]}
        for key in (late, without)
    }
    assert "ends-after-status" in codes[late]
    assert "no-childcare" in codes[without]
    message = next(
        reason["message"]
        for reason in by_id[world.id("Service", without)]["reasons"]
        if reason["code"] == "no-childcare"
    )
    assert message == "Without childcare."
    assert {one["facet"] for one in page["facets"]} == {"KIND", "RESIDENCE_STATUS"}
    assert page["edges"][0]["highlights"]

    only = await found(api, {**given, "onlyFitting": True})
    assert [node["id"] for node in only["nodes"]] == [world.id("Service", fits)]


async def test_pages(searching: tuple[Api, Maker, Follower]) -> None:
    api, make, follower = searching
    world = await make.world()
    for number in range(5):
        await make.service(world.partner, f"Beratung {number}")
    await follower.catch_up()

    seen: list[str] = []
    after = None
    for _ in range(3):
        page = await found(api, {"text": "beratung"}, first=2, after=after)
        seen += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert len(set(seen)) == len(seen) == 5
    assert page["pageInfo"]["hasNextPage"] is False


INSTEAD = """query($input: SearchServicesInput!) {
  searchServices(input: $input) {
    totalCount
    instead { spellings filters { filter count } topics { code count } entryPoints { id title { text } } }
  }
}"""


async def test_what_finds_nothing_offers_something(searching: tuple[Api, Maker, Follower]) -> None:
    """The filter that excluded everything, by its name; and nothing where something was found."""
    api, make, follower = searching
    world = await make.world()
    await make.service(world.partner, "Schweißkurs", **course(100, childcare=False))
    await follower.catch_up()

    async def asked(**given: Any) -> Any:
        return (await api(INSTEAD, {"input": given})).data["searchServices"]

    nothing = await asked(text="Schweißkurs", filters={"course": {"childcare": True}})
    assert nothing["totalCount"] == 0
    assert nothing["instead"]["filters"] == [{"filter": "course", "count": 1}]
    assert nothing["instead"]["entryPoints"] == []  # nobody offers any here
    assert (await asked(text="Schweißkurs"))["instead"] is None


async def test_what_is_hidden_is_not_found(searching: tuple[Api, Maker, Follower]) -> None:
    api, make, follower = searching
    world = await make.world()
    key = await make.service(world.partner, "Verschwindet")
    await follower.catch_up()
    assert (await found(api, {"text": "verschwindet"}))["totalCount"] == 1
    await api.change(
        "hideService", {"id": world.id("Service", key), "expectedVersion": 2}, "", token=world.staff
    )

    assert (await found(api, {"text": "verschwindet"}))["nodes"] == []  # before the index knows


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"text": "x" * 10_000}, "text"),
        ({"filters": {"municipality": "Cottbus"}}, "filters.municipality"),
        ({"filters": {"near": {"latitude": 100, "longitude": 0, "radiusKm": 1}}}, "filters.near.latitude"),
        ({"situation": {"residence": "x"}}, "situation.residence"),
        ({"situation": {"languages": ["Deutsch bitte"]}}, "situation.languages"),
    ],
)
async def test_bad_input_names_the_field(
    searching: tuple[Api, Maker, Follower], given: dict[str, Any], field: str
) -> None:
    api, _, follower = searching
    await follower.catch_up()
    answer = await api(SEARCH, {"input": given})

    assert answer.codes == ["INVALID_INPUT"]
    assert answer.body["errors"][0]["extensions"]["field"].startswith(field)


async def test_what_a_search_finds_is_a_spreadsheet_too(searching: tuple[Api, Maker, Follower]) -> None:
    """Words, languages and residence status as in searches; the filters of lists hold besides."""
    api, make, follower = searching
    world = await make.world()
    tigrinya = [LanguageOffered(language="ti")]
    rule = [EligibilityRule(statuses=(ResidenceStatus.SECTION_60A,), answer=Answer.DOES_NOT_FIT)]
    await make.service(world.partner, "Nähwerkstatt Kolibri", languages=tigrinya)
    await make.service(world.other_partner, "Nähwerkstatt Kolibri", eligibility=rule)
    await make.service(world.partner, "Schuldnerberatung")
    await follower.catch_up()

    async def rows(**asked: str) -> int:
        answer = await api.http.get("/services.csv", params=asked)
        assert answer.status_code == 200, answer.text
        return len(answer.text.splitlines()) - 1

    assert await rows(text="Nähwerkstatt") == 2
    assert await rows(text="Nähwerkstatt", partner=str(world.partner)) == 1
    assert await rows(language="ti") == 1
    assert await rows(text="Nähwerkstatt", residence_status="SECTION_60A") == 1
    assert await rows(text="Nähwerkstatt", residence_status="SECTION_60A", fits_only="true") == 0
    assert await rows(text="Nähwerkstatt", topic="job") == 0


async def test_hsds_lists_on_where_searches_end(
    searching: tuple[Api, Maker, Follower], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that was found is counted and paged, and filters choose among all; here a search ends at 4."""
    for module in ("graphapi.hsds.face", "search.local", "search.engine"):
        monkeypatch.setattr(f"{module}.DEEPEST", 4)
    monkeypatch.setattr("graphapi.hsds.face.LARGEST_SEARCH", 2)
    api, make, follower = searching
    world = await make.world()
    mine = [await make.service(world.partner, f"Nähkurs {n}") for n in range(5)]
    other = [await make.service(world.other_partner, "Nähkurs Nähkurs") for _ in range(4)]
    await make.service(world.partner, "Schuldnerberatung")
    await follower.catch_up()

    async def listed(**asked: str) -> list[str]:
        found: list[str] = []
        for page in range(1, 20):
            answer = await api.http.get(
                "/hsds/services", params={"search": "nähkurs", "per_page": "2", "page": str(page), **asked}
            )
            envelope = answer.json()
            found += [one["id"] for one in envelope["contents"]]
            if envelope["last_page"]:
                assert (envelope["total_items"], envelope["total_pages"]) == (len(found), page)
                return found
        raise AssertionError("no page was the last")

    found = await listed()
    assert sorted(found) == sorted(map(str, [*mine, *other]))
    first = await found_ids(api, "nähkurs")
    assert (found[:4], found[4:]) == (first, sorted(found[4:])), "the best first, the rest by id"
    for partner, services in ((world.partner, mine), (world.other_partner, other)):
        assert sorted(await listed(organization_id=str(partner))) == sorted(map(str, services))
    streamed = await api.http.get("/hsds/services", params={"search": "nähkurs", "format": "ndjson"})
    assert len(streamed.text.splitlines()) == 9


async def found_ids(api: Api, words: str) -> list[str]:
    """The services that a search gives, by their UUIDs, as deep as it goes."""
    ids: list[str] = []
    after = None
    while True:
        page = await found(api, {"text": words}, first=2, after=after)
        ids += [str(target_id(edge["node"]["id"], "Service")) for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return ids


async def test_without_an_index_it_is_503(searching: tuple[Api, Maker, Follower]) -> None:
    api, _, _ = searching
    assert (await api.http.get("/services.csv", params={"text": "x"})).status_code == 503
    answer = await api(SEARCH, {"input": {"text": "x"}})

    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
