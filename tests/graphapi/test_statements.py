"""How many SQL statements an operation takes, counted at the driver (issue: a page of services takes one)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from directory import catalogue, upkeep_links
from directory.actors import SYSTEM
from directory.database import Database
from directory.values import EligibilityRule, LanguageOffered
from directory.vocabulary import Answer, ResidenceStatus
from graphapi.web.running import document
from referrals.codes import CodePurpose, hash_of, new_code
from referrals.personal_data.keystore import KeyStore
from tests.graphapi.asking import Api
from tests.graphapi.conftest import World, make_partner, make_service, make_world, served
from tests.graphapi.test_directory_queries import PAGE


class Counted:
    """Asks, and tells the statements that it took."""

    def __init__(self, database: Database, api: Api) -> None:
        self.database = database
        self.statements: list[str] = []
        self.api = api

    async def watch(self) -> None:
        """Hear every statement of both pools (of one connection each)."""

        def hear(record: Any) -> None:
            self.statements.append(record.query)

        async with self.database.reader.acquire() as connection:
            connection._con.add_query_logger(hear)  # type: ignore[attr-defined]
        await self.database.engine.dispose()

        # what goes through SQLAlchemy is prepared, which the driver's logger hears only of many rows at once
        @event.listens_for(self.database.engine.sync_engine, "before_cursor_execute")
        def on_execute(
            connection: object, cursor: object, statement: str, values: object, context: object, many: bool
        ) -> None:
            if not many:
                self.statements.append(statement)

        @event.listens_for(self.database.engine.sync_engine, "connect")
        def on_connect(adapted: Any, record: object) -> None:
            adapted.driver_connection.add_query_logger(hear)

    async def __call__(self, *given: Any, **named: Any) -> tuple[Any, list[str]]:
        await self.api(*given, **named)  # types and plans are looked up once per connection
        self.statements.clear()
        answer = await self.api(*given, **named)
        return answer.data, list(self.statements)


@pytest.fixture(scope="module")
async def counted(app_url: str, reader_url: str, keys: KeyStore) -> AsyncIterator[Counted]:
    database = Database(app_url, reader_url, pool_size=1)
    await database.start()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(served(database, keys)),  # type: ignore[arg-type]
        base_url="http://test",
    ) as http:
        counted = Counted(database, Api(http))
        await counted.watch()
        await counted(
            "{ topics { topic { code } } }"
        )  # the first operation of a process brings erasures up to date
        yield counted
    await database.stop()


@pytest.fixture(scope="module")
async def town(database: Database) -> World:
    world = await make_world(database)
    async with database.work(SYSTEM) as work:
        location, _ = await catalogue.add_location(
            work,
            world.partner,
            catalogue.LocationDraft(name="Haus", city="Cottbus", latitude=51.76, longitude=14.33),
            expected_version=2,
        )
    for number in range(50):
        await make_service(
            database,
            world.partner,
            f"Kurs {number:02}",
            languages=[LanguageOffered(language="de"), LanguageOffered(language="ti", interpreted=True)],
            eligibility=[EligibilityRule(statuses=(ResidenceStatus.SECTION_104C,), answer=Answer.FITS)],
            location_ids=[location],
        )
    return world


async def test_a_page_of_50_services_with_what_belongs_to_it_takes_one(counted: Counted, town: World) -> None:
    data, statements = await counted(PAGE, {"partner": town.id("Partner", town.partner)})

    page = data["services"]
    assert page["totalCount"] == len(page["nodes"]) == 50
    assert page["nodes"][0]["locations"][0]["city"] == "Cottbus"
    assert len(statements) == 1


async def test_and_one_more_with_a_token(counted: Counted, town: World) -> None:
    _, statements = await counted(PAGE, {"partner": town.id("Partner", town.partner)}, token=town.staff)

    assert len(statements) == 2
    assert "access_token" in statements[0]


async def test_more_of_the_partners_of_a_page_takes_one_more(counted: Counted, town: World) -> None:
    query = """query($partner: ID!) { services(filter: {partnerId: $partner}, first: 50) {
      nodes { id partner { description { text } languages { language } locations { city } version } }
    } }"""
    _, statements = await counted(query, {"partner": town.id("Partner", town.partner)})

    assert len(statements) == 2


async def test_partners_with_their_services_take_two_however_many(counted: Counted, town: World) -> None:
    query = """query($town: ID!) { partners(filter: {municipalityId: $town}, first: 100) {
      nodes { name services(first: 10) { totalCount nodes { title { text } partner { name } } } }
    } }"""
    data, statements = await counted(query, {"town": town.id("Municipality", town.municipality)})

    assert len(data["partners"]["nodes"]) == 4
    assert len(statements) == 2


async def test_one_partner_with_its_services_takes_two(counted: Counted, town: World) -> None:
    query = "query($id: ID!) { partner(id: $id) { name services(first: 20) { nodes { id } } } }"
    _, statements = await counted(query, {"id": town.id("Partner", town.partner)})

    assert len(statements) == 2


async def test_what_costs_no_statement(counted: Counted) -> None:
    assert (await counted("{ me { role } }"))[1] == []
    assert (await counted("{ __schema { queryType { name } } }"))[1] == []


async def test_a_refused_operation_takes_none(counted: Counted, town: World) -> None:
    counted.statements.clear()
    await counted.api("{ services(first: 101) { nodes { id } } }", token=town.staff)
    await counted.api("query($id: ID!) { members(partnerId: $id) { name } }", {"id": "x"})

    assert counted.statements == []


async def test_the_page_of_an_upkeep_link_takes_as_many_however_much_it_shows(
    counted: Counted, town: World, database: Database
) -> None:
    few = await make_partner(database, town.municipality, "Mit einem Angebot")
    await make_service(database, few)
    taken = []
    for partner in (few, town.partner):
        code = new_code()
        async with database.work(SYSTEM) as work:
            await upkeep_links.issue(work, partner, hash_of(code, CodePurpose.UPKEEP))
        data, statements = await counted(document("read-upkeep-page"), {"code": code})
        taken.append((len(data["upkeepPage"]["entries"]), len(statements)))

    assert [entries for entries, _ in taken] == [2, 51]
    assert len({statements for _, statements in taken}) == 1, taken
