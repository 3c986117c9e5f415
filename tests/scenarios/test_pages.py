"""What reading pages cost, and what they show to whom, on the demo network."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from directory.database import Database
from graphapi.app import application
from tests.scenarios.conftest import Demo
from tests.scenarios.declared import explained

REACHED = {
    "IN_SUPPORT": 31,
    "CLEARING": 12,
    "NO_NEEDS": 38,
    "APPOINTMENT_PENDING": 32,
    "NO_CAPACITY": 12,
}
"""The project's figures as of 27 March 2024: 125 people reached."""


# --- The figures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("actor", ["coordinator", "lead"])
async def test_the_coordination_sees_its_phases(network: Demo, actor: str) -> None:
    counts = {row["phase"]: row["count"] for row in await network.ask("count-clients", actor)}

    assert counts == REACHED
    assert sum(counts.values()) == 125


@pytest.mark.parametrize("actor", ["jobcenter", "course_provider", "interpreters"])
async def test_partners_count_their_own_and_have_none(network: Demo, actor: str) -> None:
    assert {row["count"] for row in await network.ask("count-clients", actor)} == {0}
    assert (await network.ask("find-clients", actor))["totalCount"] == 0
    assert (await network.ask("find-clients", actor, filter={"name": "Demo-Person 001"}))["totalCount"] == 0


@pytest.mark.parametrize(("actor", "code"), [(None, "NOT_SIGNED_IN"), ("other_municipality", "NOT_ALLOWED")])
@pytest.mark.parametrize("name", ["count-clients", "find-clients", "browse-inbox", "browse-sent-referrals"])
async def test_nobody_else_asks_for_people(network: Demo, name: str, actor: str | None, code: str) -> None:
    assert await network.refused(name, actor) == code


@pytest.mark.parametrize("actor", ["jobcenter", "interpreters"])
async def test_a_file_of_somebody_else_does_not_exist(network: Demo, actor: str) -> None:
    (line,) = (await network.ask("find-clients", "coordinator", first=1))["nodes"]

    assert await network.ask("read-client", actor, id=line["id"]) is None
    refused = await network.change(
        "move-client-phase", actor, id=line["id"], expectedVersion=line["version"], phase="NO_NEEDS"
    )
    assert refused["__typename"] == "NotFoundProblem"


async def test_the_other_municipality_reads_experience(network: Demo) -> None:
    page = await network.ask("compare-experience", "other_municipality")

    found = {network.key(node["id"]) for node in page["nodes"]}
    assert found >= {"spurwechsel-austausch", "spurwechsel-monitoring", "barnim-austausch", "ffo-austausch"}


# --- The whole network ----------------------------------------------------------------------------------


async def test_every_page_is_reached_once(network: Demo) -> None:
    seen: list[str] = []
    after = None
    while True:
        page = await network.ask("browse-services", first=50, after=after)
        seen += [node["id"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]

    assert len(seen) == len(set(seen)) == page["totalCount"]
    assert page["totalCount"] >= 100
    assert (await network.ask("browse-partners"))["totalCount"] >= 30


# --- What it costs --------------------------------------------------------------------------------------


class Counting(Demo):
    """The same network, asked through one connection per pool, whose statements are counted."""

    statements: list[str]

    async def cost(self, name: str, actor: str | None = None, /, **variables: Any) -> tuple[Any, int]:
        """Return the answer and how many statements it took, once types and plans are known."""
        await self.ask(name, actor, **variables)
        self.statements.clear()
        return await self.ask(name, actor, **variables), len(self.statements)


@pytest.fixture(scope="module")
async def counting(network: Demo) -> AsyncIterator[Counting]:
    told = network.services.database
    app_url = told.engine.url.render_as_string(hide_password=False)
    database = Database(app_url, told._reader_url, clock=network.clock, pool_size=1)
    await database.start()
    heard: list[str] = []
    async with database.reader.acquire() as connection:
        connection._con.add_query_logger(lambda record: heard.append(record.query))  # type: ignore[attr-defined]

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def on_execute(connection: object, cursor: object, statement: str, *rest: object) -> None:
        heard.append(statement)

    app = application(dataclasses.replace(network.services, database=database))
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        counting = Counting(http, network.tokens, network.clock, network.services)
        counting.statements = heard
        yield counting
    await database.stop()


async def test_a_page_of_50_services_takes_one(counting: Counting) -> None:
    page, cost = await counting.cost("browse-services", first=50)

    assert len(page["nodes"]) == 50
    assert {"partner", "languages", "locations", "capacity", "topics"} <= page["nodes"][0].keys()
    assert cost == 1


async def test_a_token_takes_one_more(counting: Counting) -> None:
    _, cost = await counting.cost("browse-services", "coordinator", first=50)

    assert cost == 2


async def test_one_service_and_one_partner(counting: Counting) -> None:
    # what the municipality calls its partners' kinds is read beside them
    assert (await counting.cost("read-service", id=counting.service("clearing")))[1] <= 3
    assert (await counting.cost("read-partner", id=counting.partner("volkshochschule")))[1] <= 3


async def test_a_search_costs_the_same_however_many_it_shows(counting: Counting) -> None:
    asked = {"text": "Deutschkurs", "situation": {"residenceStatus": "SECTION_60A", "occupation": "x"}}
    few, cost_of_few = await counting.cost("find-fitting-services", input=asked, first=2)
    many, cost_of_many = await counting.cost("find-fitting-services", input=asked, first=40)

    assert len(few["edges"]) == 2 < len(many["edges"])
    assert cost_of_few == cost_of_many <= 3


async def test_lists_of_people_cost_the_same_however_many_they_show(counting: Counting) -> None:
    notice = await counting.planned("jobcenter", "clearing", "de", ["IDENTITY"])
    for number in range(4):
        person = await counting.changed(
            "take-in-client", "jobcenter", identity={"familyName": f"Testperson {number}"}
        )
        await counting.changed(
            "refer-client",
            "jobcenter",
            clientId=person["id"],
            serviceId=counting.service("clearing"),
            topic="clearing",
            categories=["IDENTITY"],
            consent={"record": explained(notice, section_87=counting.clock.now)},
        )
    for name, actor, most in (
        ("browse-inbox", "coordinator", 8),
        ("browse-sent-referrals", "jobcenter", 8),
        ("find-clients", "jobcenter", 8),
    ):
        few, cost_of_few = await counting.cost(name, actor, first=1)
        many, cost_of_many = await counting.cost(name, actor, first=50)

        assert (len(few["nodes"]), len(many["nodes"])) == (1, 4), name
        assert cost_of_few == cost_of_many <= most, name
