"""Health, and what happens when the database goes away and comes back: clear 503, and recovery by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from directory.actors import SYSTEM
from directory.database import Database
from graphapi.embedded import APP, READER, Access
from graphapi.health import metrics
from search.follower import Lag
from tests.graphapi.asking import Api
from tests.graphapi.conftest import served


class Door:
    """A socket in front of PostgreSQL that can be shut: open connections are cut, new ones refused."""

    def __init__(self, target: Path, folder: Path) -> None:
        self.target = target
        self.path = folder / target.name
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._connect, str(self.path))

    async def shut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        self.path.unlink(missing_ok=True)
        await asyncio.sleep(0)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(str(self.target))
        self._open |= {writer, back}
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        self._open -= {writer, back}

    @staticmethod
    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()


@pytest.fixture
async def house(cluster: Access, worker_database: str) -> AsyncIterator[tuple[Api, Door]]:
    """The application on a database behind a door."""
    app, reader = (cluster.dsn(role, worker_database) for role in (APP, READER))
    socket = parse_qs(urlsplit(app).query)["host"][0]
    with TemporaryDirectory(prefix="spw-") as folder:
        port = parse_qs(urlsplit(app).query).get("port", ["5432"])[0]
        door = Door(Path(socket) / f".s.PGSQL.{port}", Path(folder))
        await door.open()
        old, new = quote(socket, safe=""), quote(folder, safe="")
        assert old in app
        database = Database(app.replace(old, new), reader.replace(old, new), pool_size=2)
        await database.start()
        transport = httpx.ASGITransport(served(database))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield Api(http), door
        await door.shut()
        await database.stop()


READ = "{ services(first: 1) { nodes { id } } }"
WRITE = (
    """mutation($i: SetCapacityInput!) { setCapacity(input: $i) { __typename ... on Problem { code } } }"""
)


async def test_live_and_ready(api: Api) -> None:
    live = await api.http.get("/health/live")
    ready = await api.http.get("/health/ready")

    assert (live.status_code, live.json()) == (200, {"live": True})
    assert (ready.status_code, ready.json()["ready"], ready.json()["reasons"]) == (200, True, [])
    assert ready.headers["cache-control"] == "no-store"


async def test_how_far_search_is_behind_is_a_metric(api: Api) -> None:
    """For Prometheus, by engine; the same numbers as in the health check, and nothing else."""
    answer = await api.http.get("/metrics")
    lines = answer.text.splitlines()
    names = {line.partition("{")[0] for line in lines if not line.startswith("#")}

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert names <= {
        f"spurwechsel_search_{name}"
        for name in (
            "behind_changes",
            "behind_seconds",
            "set_aside_services",
            "searchable",
            "trouble",
            "passed_over_total",
        )
    }
    assert len([line for line in lines if line.startswith("# TYPE") and line.endswith(" gauge")]) == 5


def test_the_metrics_of_search_are_numbers_by_engine() -> None:
    """Which services were set aside is in the log, not here."""
    aside = uuid4()
    lags = {
        "meilisearch": Lag(behind=3, seconds=12.5, set_aside=(aside,), trouble="SearchUnavailable"),
        "local": Lag(searchable=True, leading=True),
    }
    told = metrics(lags, {"meilisearch": 7})

    assert [line for line in told.splitlines() if "meilisearch" in line] == [
        'spurwechsel_search_behind_changes{engine="meilisearch"} 3',
        'spurwechsel_search_behind_seconds{engine="meilisearch"} 12.5',
        'spurwechsel_search_set_aside_services{engine="meilisearch"} 1',
        'spurwechsel_search_searchable{engine="meilisearch"} 0',
        'spurwechsel_search_trouble{engine="meilisearch"} 1',
        'spurwechsel_search_passed_over_total{engine="meilisearch"} 7',
    ]
    assert 'spurwechsel_search_passed_over_total{engine="local"} 0' in told
    assert 'spurwechsel_search_searchable{engine="local"} 1' in told
    assert str(aside) not in told


async def test_what_the_clock_had_to_set_aside_shows_in_the_health(api: Api, database: Database) -> None:
    assert (await api.http.get("/health/ready")).json()["clock"] == {"setAside": 0, "seconds": 0.0}
    about, since = uuid4(), database.clock() - timedelta(minutes=5)
    row = {"id": about, "since": since}
    async with database.work(SYSTEM) as work:
        await work.session.execute(
            text("INSERT INTO clock_trouble VALUES ('REFERRAL', :id, 'LookupError', 1, :since, :since)"), row
        )

    ready = await api.http.get("/health/ready")

    async with database.work(SYSTEM) as work:
        await work.session.execute(text("DELETE FROM clock_trouble WHERE about_id = :id"), {"id": about})
    told = ready.json()["clock"]
    assert (ready.status_code, ready.json()["reasons"]) == (200, [])
    assert told["setAside"] == 1
    assert 300 <= told["seconds"] < 330
    assert str(about) not in ready.text


async def test_an_old_schema_is_not_ready(database: Database) -> None:
    from graphapi.health import readiness

    found = await readiness(database, "9999_of_the_future", {})

    assert (found.ready, found.reasons) == (False, ("schema-not-newest",))


async def test_the_database_goes_and_comes_back(house: tuple[Api, Door], world: object) -> None:
    api, door = house
    token = world.staff  # type: ignore[attr-defined]
    assert (await api(READ, token=token)).status == 200
    assert (await api.http.get("/health/ready")).status_code == 200

    await door.shut()
    for _ in range(3):
        for answer in (
            await api(READ),
            await api(READ, token=token),
            await api(
                WRITE,
                {
                    "i": {
                        "idempotencyKey": "12345678",
                        "id": "x",
                        "expectedVersion": 1,
                        "capacity": {"state": "OPEN"},
                    }
                },
                token=token,
            ),
        ):
            assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
            assert answer.headers["retry-after"]
    ready = await api.http.get("/health/ready")
    assert (ready.status_code, ready.json()["reasons"]) == (503, ["database-unreachable"])
    assert (await api.http.get("/health/live")).status_code == 200
    assert (await api("{ __typename }")).status == 200

    await door.open()
    assert (await api(READ)).status == 200
    assert (await api(READ, token=token)).status == 200
    assert (await api.http.get("/health/ready")).status_code == 200
