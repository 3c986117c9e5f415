"""The prepared way answers as the executor does, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from directory.actors import ANONYMOUS, Actor
from directory.database import Database
from directory.membership import authenticate
from directory.values import Capacity, CourseFacts, CourseRun, LanguageOffered
from directory.vocabulary import CapacityState, CefrLevel
from graphapi.context import Context, Services
from graphapi.embedded import READER, Access
from graphapi.limits import Documents, Limits
from graphapi.prepared import PLANS, Prepared
from graphapi.schema import schema
from graphapi.web.running import document
from search.follower import Follower
from search.local import LocalEngine
from tests.graphapi.conftest import Maker, World


class Both:
    """Answers one request in both ways."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.documents = Documents(schema._schema, services.limits)
        self.prepared = Prepared(schema)

    async def actor(self, token: str | None) -> Actor:
        found = ANONYMOUS if token is None else await authenticate(self.services.database, token)
        assert found is not None
        return found

    def context(self, operation: Any, actor: Actor, languages: tuple[str, ...]) -> Context:
        return Context(
            services=self.services,
            actor=actor,
            language="de" if languages[0] == "de" else "en",
            languages=languages,
            request_id="test",
            operation=operation,
        )

    async def __call__(
        self,
        source: str,
        variables: dict[str, Any],
        *,
        token: str | None = None,
        languages: tuple[str, ...] = ("en",),
        name: str | None = None,
    ) -> tuple[Any, Any]:
        """Return what the prepared way says and what the executor does: data, and errors as they are told."""
        operation = self.documents.choose(self.documents.read(source), name, variables)
        actor = await self.actor(token)
        fast = await self.prepared.answer(operation, variables, self.context(operation, actor, languages))
        slow: Any = await schema.execute(
            source,
            variable_values=variables,
            context_value=self.context(operation, actor, languages),
            operation_name=name,
        )
        return None if fast is None else _told(fast), _told(slow)


def _told(result: Any) -> Any:
    errors = [{**one.formatted, "of": repr(one.original_error)} for one in result.errors or ()]
    return msgspec.json.encode((result.data, errors))


@pytest.fixture
async def both(
    empty_database: Database, empty_database_name: str, cluster: Access, tmp_path: Path
) -> AsyncIterator[Both]:
    engine = LocalEngine(tmp_path / "index")
    yield Both(Services(database=empty_database, limits=Limits(), engines=(engine,)))
    engine.resign()


@pytest.fixture
async def town(both: Both, empty_database_name: str, cluster: Access) -> tuple[World, list[UUID]]:
    """Return a network with three services that can be found and one that is hidden, the last."""
    database = both.services.database
    make = Maker(database)
    world = await make.world()
    today = both.context(None, ANONYMOUS, ("en",)).today
    runs = (CourseRun(starts_on=today + timedelta(days=10), ends_on=today + timedelta(days=90)),)
    course = CourseFacts(level_from=CefrLevel.A2, level_to=CefrLevel.B1, runs=runs, childcare=True)
    topic = await make.topic(de="Sprachkurs", en="Language course")
    services = [
        await make.service(world.partner, "Deutschkurs B1", course=course, topics=[topic]),
        await make.service(
            world.partner,
            "Deutschkurs am Abend",
            languages=[LanguageOffered(language="ar", interpreted=True), LanguageOffered(language="de")],
            capacity=Capacity(state=CapacityState.FEW, places=2),
        ),
        await make.service(world.other_partner, "Schuldnerberatung"),
        await make.service(world.partner, "Verborgenes", published=False),
    ]
    engine = both.services.engines[0]
    assert isinstance(engine, LocalEngine)
    await Follower(engine, database, cluster.dsn(READER, empty_database_name)).catch_up()
    return world, services


async def test_both_ways_say_the_same(both: Both, town: tuple[World, list[UUID]]) -> None:
    """Every ready document that reads the directory, for several readers, languages and variables."""
    world, services = town
    found: dict[str, Any] = {"text": "deutschkurs", "facets": ["KIND", "TOPIC", "LANGUAGE", "CAPACITY"]}
    near = {"latitude": 51.7, "longitude": 14.3, "radiusKm": 50.0}
    asked: list[tuple[str, dict[str, Any]]] = [
        *(
            (name, {"input": given, "first": first})
            for name in ("search-services", "list-found-services")
            for first in (1, 20)
            for given in (
                found,
                {**found, "filters": {"near": near, "course": {"childcare": True}}},
                {"text": "gibtesnicht", "filters": {"languages": ["ti"]}},
            )
        ),
        ("list-found-services", {"input": found, "map": True}),
        ("find-fitting-services", {"input": {**found, "situation": {"wishedLevel": "B1"}}}),
        ("browse-services", {"first": 2}),
        ("browse-services", {}),
        ("browse-partners", {"first": 3}),
        *(("read-service", {"id": world.id("Service", id_)}) for id_ in services),
        ("read-partner", {"id": world.id("Partner", world.partner)}),
    ]
    prepared = 0
    for number, (name, variables) in enumerate(asked):
        token, languages = ((None, ("de",)), (world.staff, ("ar", "en")))[number % 2]
        fast, slow = await both(document(name), variables, token=token, languages=languages)
        assert fast in (None, slow), name
        prepared += fast is not None
    assert prepared > len(asked) * 0.8


async def test_a_plan_knows_nobody(both: Both, town: tuple[World, list[UUID]]) -> None:
    """What one actor may see by a plan, another does not get by the same."""
    world, services = town
    hidden = {"id": world.id("Service", services[-1])}
    source = "query($id: ID!) { service(id: $id) { title { text } note } }"
    for token, sees in ((None, False), (world.staff, True), (world.other_staff, False), (None, False)):
        fast, slow = await both(source, hidden, token=token)
        assert fast == slow
        assert (b"Verborgenes" in fast) is sees


async def test_errors_are_told_alike(both: Both, town: tuple[World, list[UUID]]) -> None:
    """What the root refuses is refused in the same words and at the same place."""
    source = "query($text: String!) { all: searchServices(input: {text: $text}) { totalCount } }"
    fast, slow = await both(source, {"text": "x" * 501})
    assert fast == slow
    assert b"InvalidInput" in fast


@pytest.mark.parametrize(
    "source",
    [
        "{ services(first: 1) { totalCount } topics { topic { code } } }",  # two roots
        "{ __schema { types { name } } }",
        "{ me { role } }",  # another root
        "{ services(first: 1) { totalCount } __typename }",
        'mutation { publishPartner(input: {idempotencyKey: "12345678", id: "x", expectedVersion: 1})'
        " { __typename } }",
    ],
)
async def test_what_is_special_is_left_to_the_executor(both: Both, source: str) -> None:
    operation = both.documents.choose(both.documents.read(source), None, {})
    assert await both.prepared.answer(operation, {}, both.context(operation, ANONYMOUS, ("en",))) is None


async def test_closed_fields_stay_closed(both: Both, town: tuple[World, list[UUID]]) -> None:
    """An operation that touches what is closed to the actor is not answered, plan or not."""
    world, _ = town
    source = "{ services(first: 1) { nodes { id } } }"
    operation = both.documents.choose(both.documents.read(source), None, {})
    touching = msgspec.structs.replace(operation, fields=operation.fields | {("Query", "inbox")})
    for token, answered in ((world.staff, True), (None, False), (world.reader, False)):
        context = both.context(touching, await both.actor(token), ("en",))
        assert (await both.prepared.answer(touching, {}, context) is not None) is answered


async def test_conditions_and_names_of_types(both: Both, town: tuple[World, list[UUID]]) -> None:
    """Fields that depend on a variable are there or not, request by request; so are names and fragments."""
    source = """query Q($more: Boolean!) {
        found: services(first: 2) { __typename nodes { ...A ...B @skip(if: $more) ... on Node { id } } }
      }
      fragment A on Service { title(language: "de") { text __typename } kindLabel @include(if: $more) }
      fragment B on Service { title(language: "de") { language } languages { language } }"""
    for more in (True, False, True):
        fast, slow = await both(source, {"more": more})
        assert fast == slow
        assert (b"kindLabel" in fast) is more
    fast, slow = await both(source, {"more": "perhaps"})
    assert fast is None and b"cannot represent" in slow


async def test_plans_are_bounded(both: Both, town: tuple[World, list[UUID]]) -> None:
    """Whoever sends ever new documents does not fill the memory."""
    for number in range(PLANS + 5):
        source = f"query Q{number} {{ topics {{ topic {{ code }} }} }}"
        operation = both.documents.choose(both.documents.read(source), None, {})
        await both.prepared.answer(operation, {}, both.context(operation, ANONYMOUS, ("en",)))
    assert len(both.prepared) == PLANS
