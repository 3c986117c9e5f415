"""A real directory of 4,089 services as HSDS: what it says is valid, and streams stay small in memory."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from directory.actors import SYSTEM
from directory.database import Database
from directory.importing import import_source
from directory.models import Municipality
from graphapi.embedded import APP, READER, Access
from tests.conftest import TEMPLATE
from tests.graphapi.conftest import served
from tests.hsds_validation import check, profile_validator, quick, quick_profile, validator

ROOT = Path(__file__).parents[2]
MIAMI = ROOT.parent / "shared" / "data" / "miami211_hsds11"
NAME = f"hsds_miami_{uuid4().hex}"
SERVICES, PARTNERS = 4089, 1074

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not MIAMI.is_dir(), reason="needs the HSDS 1.1 package ../shared/data/miami211_hsds11"
    ),
]


@pytest.fixture(scope="module")
async def miami(cluster: Access) -> AsyncIterator[Database]:
    cluster.create_database(NAME, template=TEMPLATE)
    database = Database(cluster.dsn(APP, NAME), cluster.dsn(READER, NAME))
    await database.start()
    async with database.work(SYSTEM) as work:
        work.session.add(Municipality(ars="120520000000", name={"de": "Cottbus"}, kind_labels={}))
    await import_source(database, MIAMI, municipality="120520000000", publish=True)
    yield database
    await database.stop()
    cluster.drop_database(NAME)


@pytest.fixture
async def http(miami: Database) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(served(miami))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client:
        yield client


async def lines(http: httpx.AsyncClient, path: str) -> list[Any]:
    answer = await http.get(f"/hsds/{path}")
    assert answer.status_code == 200
    return [msgspec.json.decode(line) for line in answer.content.splitlines()]


async def test_every_service_is_valid(http: httpx.AsyncClient) -> None:
    listed = await lines(http, "services?format=ndjson")
    assert len(listed) == SERVICES
    for entry in listed:
        check(quick("service_list"), entry)
    for entry in await lines(http, "services?format=ndjson&full=true"):
        check(quick("service"), entry)
    for entry in await lines(http, "services?format=ndjson&full=true&profile=de"):
        check(quick_profile("service"), entry)


def broken(entry: Any) -> list[Any]:
    """An entry with faults of every kind: a member too many, one too few, a wrong type, word and format."""
    return [
        {**entry, "colour": "blue"},
        {key: value for key, value in entry.items() if key != "name"},
        {**entry, "name": 7},
        {**entry, "status": "open"},
        {**entry, "id": "7"},
        {**entry, "last_modified": "yesterday"},
        {**entry, "organization": {**entry["organization"], "website": "no address at all"}},
    ]


async def test_what_checks_them_quickly_finds_what_the_other_finds(http: httpx.AsyncClient) -> None:
    (plain,) = (await http.get("/hsds/services?full=true&per_page=1")).json()["contents"]
    (german,) = (await http.get("/hsds/services?full=true&per_page=1&profile=de")).json()["contents"]
    for slow, fast, entry in (
        (validator("service"), quick("service"), plain),
        (profile_validator("service"), quick_profile("service"), german),
    ):
        assert fast.is_valid(entry)
        for wrong in broken(entry):
            assert (slow.is_valid(wrong), fast.is_valid(wrong)) == (False, False), wrong


async def test_every_organisation_is_valid(http: httpx.AsyncClient) -> None:
    listed = await lines(http, "organizations?format=ndjson")
    assert len(listed) == PARTNERS
    for entry in listed:
        check(quick("organization_list"), entry)
    for entry in await lines(http, "organizations?format=ndjson&full=true"):
        check(quick("organization"), entry)


async def test_no_place_of_theirs_lies_in_germany(http: httpx.AsyncClient) -> None:
    for linked in await lines(http, "service_at_locations?format=ndjson&full=true"):
        assert "addresses" not in linked["location"]


async def test_their_terms_are_theirs(http: httpx.AsyncClient) -> None:
    taxonomies = await lines(http, "taxonomies?format=ndjson")
    terms = await lines(http, "taxonomy_terms?format=ndjson")
    known = {one["id"] for one in taxonomies}
    assert all(one["taxonomy_id"] in known for one in terms)
    foreign = [one for one in terms if one["id"] not in {term["id"] for term in terms if "language" in term}]
    assert len(foreign) > 100
    for term in foreign[:20]:
        found = (await http.get(f"/hsds/services?per_page=1&taxonomy_term_id={term['id']}")).json()
        assert not found["empty"]


MEASURED = """
import asyncio, json, re, sys
from pathlib import Path
from directory.database import Database
from graphapi.context import Services
from graphapi.hsds.face import HsdsFace
from graphapi.limits import Limits
from graphapi.logs import configure_logging

def kilobytes():  # not getrusage: a child begins with its parent's peak
    return int(re.search("VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])

async def main():
    configure_logging("error")
    database = Database(sys.argv[1], sys.argv[2])
    await database.start()
    face = HsdsFace(Services(database=database, limits=Limits()))
    sent = 0

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        nonlocal sent
        sent += len(message.get("body", b""))

    def scope(query):
        return {"method": "GET", "headers": [], "path": "/hsds/services", "query_string": query}

    await face(scope(b"full=true&profile=de&per_page=100"), receive, send)  # what is needed once
    before, sent = kilobytes(), 0
    await face(scope(b"format=ndjson&full=true&profile=de"), receive, send)
    print(json.dumps({"sent_mb": sent // 10**6, "grown_mb": (kilobytes() - before) // 1000}))
    await database.stop()

asyncio.run(main())
"""


async def test_a_stream_does_not_grow_with_what_it_sends(miami: Database, cluster: Access) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MEASURED, cluster.dsn(APP, NAME), cluster.dsn(READER, NAME),
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'graphql'}"},
    )  # fmt: skip
    told, _ = await asyncio.wait_for(process.communicate(), 120)
    measured = msgspec.json.decode(told)
    print(measured)
    assert measured["sent_mb"] > 40
    assert measured["grown_mb"] < 16
