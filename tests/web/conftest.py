"""Pages in tests: ``web`` asks the application itself, ``visitors`` a real browser and the demo."""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from playwright.async_api import Browser, async_playwright

from directory import sessions
from directory.actors import SYSTEM
from directory.database import Database
from graphapi.app import application
from graphapi.context import Services
from graphapi.embedded import APP, READER, Access
from graphapi.web.options import Options
from referrals.personal_data.keystore import KeyStore
from search.follower import Follower
from search.local import LocalEngine
from tests.conftest import TEMPLATE
from tests.graphapi.conftest import MANY
from tests.graphapi.conftest import world as world
from tests.web import structure
from tests.web.browsing import CHROMIUM, Demo, Visitors


@dataclasses.dataclass
class Web:
    """Opens pages without a browser: ``await web.get("/search", text="Kurs")``."""

    http: httpx.AsyncClient
    database: Database
    follower: Follower | None = None

    async def found_by_search(self) -> None:
        """Bring the search index up to what was published."""
        assert self.follower is not None
        await self.follower.catch_up()

    async def sign_in(self, member: UUID) -> str:
        """Have a member signed in; return the session's secret."""
        async with self.database.work(SYSTEM) as work:
            secret = await sessions.begin_session(work, member, life=Options().life)
        self.http.cookies.set("spurwechsel", secret)
        return secret

    async def get(self, path: str, *, language: str = "en", **query: Any) -> httpx.Response:
        """Open a page."""
        headers = {"accept": "text/html", "accept-language": language}
        return await self.http.get(path, params=query or None, headers=headers)

    async def post(
        self,
        path: str,
        form: dict[str, Any] | None = None,
        *,
        number: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Send a form; ``number`` as on the page that has it (left out: that of the start page)."""
        if number is None:
            number = number_of(await self.get("/sign-in"))
        said = {"accept": "text/html", "accept-language": "en", "sec-fetch-site": "same-origin"}
        return await self.http.post(
            path, data={"number": number, **(form or {})}, headers=said | (headers or {})
        )


def number_of(response: httpx.Response) -> str:
    """Return the number of the forms on a page, or nothing."""
    found = re.search(r'name="number" value="([^"]+)"', response.text)
    return found[1] if found else ""


@pytest.fixture(scope="session")
def worker_database(cluster: Access) -> Iterator[str]:
    """Name of a database of the pages' own, in which vocabularies stay as short as a network's are.

    Nearly every page lists topics and municipalities, and each test of the others leaves some of its own: the
    pages' tests took three times as long beside them.
    """
    name = f"web_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    cluster.create_database(name, template=TEMPLATE)
    yield name
    cluster.drop_database(name)


@pytest.fixture(scope="session")
def reader_url(cluster: Access, worker_database: str) -> str:
    """The pages' database as the role that reads the published directory."""
    return cluster.dsn(READER, worker_database)


@pytest.fixture(scope="session")
async def database(cluster: Access, worker_database: str, reader_url: str) -> AsyncIterator[Database]:
    """The pages' database, shared by their tests: each test makes what it needs under fresh ids."""
    opened = Database(cluster.dsn(APP, worker_database), reader_url, pool_size=20)
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture(scope="session")
async def served(
    database: Database, keys: KeyStore, reader_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Litestar, Follower]]:
    """The application as the demo runs it (http), with a search index of its own."""
    engine = LocalEngine(tmp_path_factory.mktemp("web") / "index")
    follower = Follower(engine, database, reader_url)
    await follower.catch_up()
    services = Services(
        database=database,
        limits=MANY,
        keys=keys,
        engines=(engine,),
        web=Options(secure=False, demo=True),
        address_key=bytes(32),
    )
    yield application(services), follower
    engine.resign()


SAME: Final = 3
"""So many answers alike (address without ids, status, language) are looked over."""
_checked: Final = Counter[tuple[str, ...]]()


async def looked_over(response: httpx.Response) -> None:
    """Check the structure of every page that a test opens, in whatever state it is, and who may keep it.

    A cache keeps only what is the same for everybody.
    """
    if not response.headers.get("content-type", "").startswith("text/html"):
        return
    request = response.request
    path = re.sub(r"/[^/]{20,}", "/*", request.url.path)
    alike = (request.method, path, str(response.status_code), request.headers.get("accept-language", ""))
    _checked[alike] += 1
    if _checked[alike] <= SAME:
        await response.aread()
        wrong = structure.wrong_in(response.text)
        assert not wrong, f"{request.method} {request.url.path} ({response.status_code}): {wrong}"
        if 'action="/sign-out"' in response.text or request.method == "POST":
            assert response.headers["cache-control"] == "no-store", f"{request.method} {request.url.path}"


@pytest.fixture
async def web(served: tuple[Litestar, Follower], database: Database) -> AsyncIterator[Web]:
    """A browser's worth of cookies of its own."""
    app, follower = served
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    hooks = {"response": [looked_over]}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", event_hooks=hooks) as http:
        yield Web(http, database, follower)


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """The running demo."""
    if not Path(CHROMIUM).exists():
        pytest.skip("chromium is not installed (apt-get install chromium)")
    started = Demo()
    yield started
    started.end()


@pytest.fixture(scope="session")
async def chromium(demo: Demo) -> AsyncIterator[Browser]:
    """Debian's Chromium, headless."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def visitors(chromium: Browser, demo: Demo) -> Visitors:
    """People with a browser."""
    return Visitors(chromium, demo)
