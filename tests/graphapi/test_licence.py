"""A municipality's lead says the licence of its entries, and everybody who reads or copies them sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from directory.actors import SYSTEM
from directory.database import Database
from directory.exporting import Format, export_directory
from directory.importing import import_source
from directory.municipalities import REWRITE, checked_licence, rewrite_entries
from directory.problems import InvalidInput
from tests.graphapi.asking import Api
from tests.graphapi.conftest import Maker, World

SET = """mutation($input: SetMunicipalityLicenceInput!) {
  setMunicipalityLicence(input: $input) {
    __typename
    ... on MunicipalitySaved { municipality { licence } }
    ... on Problem { code }
    ... on NotAllowedProblem { rule }
  }
}"""
READ = (
    "query($id: ID!) { service(id: $id) { licence provenance { source licence } municipality { licence } } }"
)


async def jobs_waiting(database: Database, municipality: UUID) -> list[Any]:
    async with database.view(SYSTEM) as session:
        found = await session.scalars(
            text("SELECT payload FROM pgqueuer WHERE entrypoint = :job AND status = 'queued'"),
            {"job": REWRITE},
        )
        waiting = [json.loads(bytes(payload)) for payload in found]
    return [job for job in waiting if job[0] == str(municipality)]


async def rewrite(database: Database, world: World) -> None:
    """What the job does."""
    after = None
    while True:
        async with database.work(SYSTEM) as work:
            after = await rewrite_entries(work, world.municipality, after)
        if after is None:
            return


async def said(api: Api, token: str, key: str, **given: Any) -> dict[str, Any]:
    answer = await api(SET, {"input": {"idempotencyKey": key, **given}}, token=token)
    found: dict[str, Any] = answer.data["setMunicipalityLicence"]
    return found


async def test_the_lead_says_it_and_entries_show_it(
    api: Api, make: Maker, world: World, database: Database, tmp_path: Path
) -> None:
    own = await make.service(world.partner, "Eigenes")
    saved = await said(api, world.lead, "licence-1", licence="CC-BY-4.0")
    assert saved == {"__typename": "MunicipalitySaved", "municipality": {"licence": "CC-BY-4.0"}}
    assert await jobs_waiting(database, world.municipality) == [[str(world.municipality), None]]
    await rewrite(database, world)

    found = (await api(READ, {"id": _global(own)})).data["service"]
    assert found == {
        "licence": "CC-BY-4.0", "provenance": None, "municipality": {"licence": "CC-BY-4.0"}
    }  # fmt: skip
    path = tmp_path / "out.json"
    await export_directory(database, path, Format.HSDS_JSON, profile=True)
    records = {one["id"]: one for one in json.loads(path.read_text())["services"]}
    assert "CC-BY-4.0" in {one["replacement_value"] for one in records[str(own)]["metadata"]}
    # the same again changes nothing; nothing said takes it back
    await said(api, world.lead, "licence-2", licence=" CC-BY-4.0 ")
    assert len(await jobs_waiting(database, world.municipality)) == 1
    assert (await said(api, world.lead, "licence-3"))["municipality"] == {"licence": None}


async def test_only_the_lead_says_it(api: Api, world: World) -> None:
    for token in (world.staff, world.coordinator):
        refused = await api(
            SET, {"input": {"idempotencyKey": "licence-x", "licence": "CC0-1.0"}}, token=token
        )
        assert "NOT_ALLOWED" in json.dumps(refused.body)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("CC0-1.0", "CC0-1.0"),
        ("dl-de/by-2-0", None),
        ("https://www.govdata.de/dl-de/by-2-0", "https://www.govdata.de/dl-de/by-2-0"),
        ("javascript:alert(1)", None),
        ("frei verwendbar", None),
    ],
)
def test_a_licence_is_an_identifier_or_an_address(given: str, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(InvalidInput):
            checked_licence(given)
    else:
        assert checked_licence(given) == kept


async def test_a_network_file_that_says_nothing_of_it_leaves_it(
    empty_database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "network.json"
    network: dict[str, Any] = {
        "format": "spurwechsel-network/1", "source": "x",
        "municipality": {"key": "town", "name": {"de": "Stadt"}, "ars": "120520000000"}, "partners": [],
    }  # fmt: skip
    path.write_text(json.dumps({**network, "topics": [{"code": "job", "labels": {"de": "Arbeit"}}]}))
    await import_source(empty_database, path)
    async with empty_database.work(SYSTEM) as work:
        await work.session.execute(text("UPDATE municipality SET licence = 'CC-BY-4.0'"))
    network["municipality"]["name"] = {"de": "Neue Stadt"}
    path.write_text(json.dumps({**network, "topics": [{"code": "job", "labels": {"de": "Arbeit"}}]}))
    await import_source(empty_database, path)
    async with empty_database.view(SYSTEM) as session:
        found = (await session.execute(text("SELECT name->>'de', licence FROM municipality"))).one()
    assert tuple(found) == ("Neue Stadt", "CC-BY-4.0")


def _global(id_: Any) -> str:
    from graphapi.relay import global_id

    return str(global_id("Service", id_))
