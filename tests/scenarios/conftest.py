"""The demo network behind the real application, for each module anew, with a clock that tests move."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest
from litestar import Litestar

from directory.database import Database
from directory.importing.entries import entry_id, source_namespace
from graphapi import demo
from graphapi.app import application
from graphapi.context import Services
from graphapi.embedded import APP, READER, Access
from graphapi.importing import import_network
from graphapi.limits import Limits
from graphapi.relay import global_id
from graphapi.settings import Settings
from referrals.personal_data.keystore import KeyStore
from search.follower import Follower
from search.local import LocalEngine
from tests.conftest import TEMPLATE
from tests.scenarios.operations import document

BERLIN = ZoneInfo("Europe/Berlin")
BEGIN = datetime(2026, 11, 22, 9, 0, tzinfo=BERLIN)
"""When every scenario begins; the demo network was made for about this day."""

SOURCE = source_namespace("spurwechsel-demo")
INDEXED_WITHIN = 90.0
COTTBUS = "120520000000"


class Clock:
    """The time that the rules go by; it stands still until a test moves it."""

    def __init__(self, now: datetime = BEGIN) -> None:
        self._now = now

    def __call__(self) -> datetime:
        return self._now.astimezone(UTC)

    def move_to(self, year: int, month: int, day: int, hour: int = 9, minute: int = 0) -> datetime:
        """Move on to a moment in Cottbus; return it."""
        later = datetime(year, month, day, hour, minute, tzinfo=BERLIN)
        assert later >= self._now, "time does not go backwards"
        self._now = later
        return later

    @property
    def now(self) -> datetime:
        return self._now


@dataclasses.dataclass(frozen=True)
class Imported:
    """The demo network in a database that nobody is connected to, so that it can be copied."""

    name: str
    tokens: dict[str, str]
    settings: Settings


@pytest.fixture(scope="session")
async def imported(
    cluster: Access, keys: KeyStore, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Imported]:
    """Import the demo network once per worker, with a member and a token per role."""
    name = f"demo_{uuid4().hex}"
    cluster.create_database(name, template=TEMPLATE)
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        data=tmp_path_factory.mktemp("demo"),
    )
    database = Database(cluster.dsn(APP, name), cluster.dsn(READER, name), clock=Clock())
    await database.start()
    report = await import_network(database, keys, demo.NETWORK, publish=True)
    tokens = await demo._tokens(database, settings, report.source)
    await database.stop()
    yield Imported(name, tokens, settings)
    cluster.drop_database(name)


class Demo:
    """The demo network: ask as somebody (a role of the demo, or a token), by the name of a document."""

    def __init__(
        self, http: httpx.AsyncClient, tokens: dict[str, str], clock: Clock, services: Services
    ) -> None:
        self.http = http
        self.tokens = dict(tokens)
        self.clock = clock
        self.services = services
        network = msgspec.json.decode(demo.NETWORK.read_bytes())
        keys: list[str] = [entry["key"] for partner in network["partners"] for entry in partner["services"]]
        self.keys = {self.service(key): key for key in keys}

    def partner(self, key: str) -> str:
        """Return the global id of a partner of the network file."""
        return global_id("Partner", entry_id(SOURCE, "partner", key))

    def service(self, key: str) -> str:
        """Return the global id of a service of the network file."""
        return global_id("Service", entry_id(SOURCE, "service", key))

    def key(self, id_: str) -> str:
        """Return the key in the network file of a service that was found."""
        return self.keys[id_]

    async def post(self, name: str, variables: dict[str, Any], actor: str | None) -> dict[str, Any]:
        """Ask in German; return the whole body of the answer."""
        headers = {"accept": "application/graphql-response+json", "accept-language": "de"}
        if actor is not None:
            headers["authorization"] = f"Bearer {self.tokens[actor]}"
        response = await self.http.post(
            "/graphql", json={"query": document(name), "variables": variables}, headers=headers
        )
        body: dict[str, Any] = response.json()
        return body

    async def ask(self, name: str, actor: str | None = None, /, **variables: Any) -> Any:
        """Return what the document's one root field gives."""
        body = await self.post(name, variables, actor)
        assert "errors" not in body, body
        (answer,) = body["data"].values()
        return answer

    async def refused(self, name: str, actor: str | None = None, /, **variables: Any) -> str:
        """Return the code with which a query is refused as a whole."""
        body = await self.post(name, variables, actor)
        (error,) = body["errors"]
        code: str = error["extensions"]["code"]
        return code

    async def change(self, name: str, actor: str | None, /, **given: Any) -> Any:
        """Run a document that changes something; return the payload or the problem."""
        if name == "take-in-client":
            given = {"section87Notice": await self.warned(actor), **given}
        return await self.ask(name, actor, input={"idempotencyKey": str(uuid4()), **given})

    async def warned(self, actor: str | None) -> Any:
        """Show the notice that is due before data are entered; return what an intake says of it."""
        found = await self.ask("read-section-87-notice", actor, language="de")
        if found is None:
            return None
        notice = {name: found[name] for name in ("textId", "version", "sha256", "language")}
        return {"notice": notice, "shownAt": self.clock.now.isoformat()}

    async def changed(self, name: str, actor: str | None, /, **given: Any) -> Any:
        """Run a document that changes something, successfully; return the thing it gives back."""
        answer = await self.change(name, actor, **given)
        assert "code" not in answer, answer
        things = [value for field, value in answer.items() if field != "__typename"]
        return things[0] if len(things) == 1 else answer

    async def moved(self, name: str, actor: str, referral: dict[str, Any], /, **given: Any) -> Any:
        """Make a move with a referral (or booking, approval) in the version that was read."""
        return await self.changed(
            name, actor, id=referral["id"], expectedVersion=referral["version"], **given
        )

    async def planned(
        self, actor: str, service: str, language: str, categories: Sequence[str], *others: dict[str, Any]
    ) -> Any:
        """Return the notice that a person is shown before they are referred to a service (its key)."""
        offered = await self.ask("read-service", actor, id=self.service(service))
        return await self.ask(
            "plan-consent-notice",
            actor,
            recipientIds=[offered["partner"]["id"]],
            purposes=[{"purpose": "REFERRAL", "categories": categories}, *others],
            language=language,
        )

    async def shown(self, actor: str, consent: dict[str, Any], language: str) -> Any:
        """Return the notice of a consent that was asked for."""
        found = await self.ask("read-consent-notice", actor, id=consent["id"], language=language)
        return found["notice"]

    async def join(self, partner: str, name: str, actor: str) -> None:
        """Let the lead give an organisation a member; ``actor`` is what it is called from now on."""
        member = await self.changed("add-member", "lead", partnerId=self.partner(partner), name=name)
        end = self.clock.now + timedelta(days=360)
        made = await self.changed(
            "create-token", "lead", memberId=member["id"], label="Szenario", expiresAt=end.isoformat()
        )
        self.tokens[actor] = made["secret"]


@pytest.fixture(scope="module")
async def network(
    cluster: Access, keys: KeyStore, imported: Imported, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Demo]:
    """A copy of the demo network of the module's own, served by the real application with a real index."""
    name = f"demo_{uuid4().hex}"
    cluster.create_database(name, template=imported.name)
    clock = Clock()
    database = Database(cluster.dsn(APP, name), cluster.dsn(READER, name), clock=clock)
    engine = LocalEngine(_index(tmp_path_factory))
    services = Services(
        database=database,
        limits=Limits(),
        engines=(engine,),
        keys=keys,
    )
    follower = Follower(engine, database, cluster.dsn(READER, name))
    app = application(services, [follower])
    async with (
        running(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http,  # type: ignore[arg-type]
    ):
        async with asyncio.timeout(INDEXED_WITHIN):
            while not _searchable(await http.get("/health/ready")):  # noqa: ASYNC110 - as a supervisor asks
                await asyncio.sleep(0.05)
        yield Demo(http, imported.tokens, clock, services)
    cluster.drop_database(name)


@asynccontextmanager
async def running(app: Litestar) -> AsyncIterator[None]:
    """Run the application's lifespan in a task of its own: a fixture ends in another one than it began in."""
    up, end = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            up.set()
            await end.wait()

    living = asyncio.create_task(live())
    await asyncio.wait({living, waiting := asyncio.create_task(up.wait())}, return_when="FIRST_COMPLETED")
    if living.done():
        waiting.cancel()
        living.result()
    yield
    end.set()
    await living


def _index(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("index")


def _searchable(answer: httpx.Response) -> bool:
    search = answer.json()["search"]["local"]
    return answer.status_code == 200 and search["searchable"] and search["behind"] == 0
