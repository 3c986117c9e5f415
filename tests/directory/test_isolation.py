"""The test rig itself: tests share a server, and still stand alone."""

from __future__ import annotations

from directory import sources
from directory.actors import ANONYMOUS
from directory.database import Database
from directory.sources import Page
from tests.directory.towns import found_town


async def test_a_fresh_database_is_empty(database: Database, empty_database: Database) -> None:
    """Whatever other tests wrote into the worker's database is not there, and the other way round."""
    town = await found_town(database)
    await town.partner("Nur hier")

    assert await sources.partners(empty_database, ANONYMOUS, total=True) == Page(total=0)

    await (await found_town(empty_database)).partner("Nur dort")
    names = {
        node.name
        for node in (
            await sources.partners(database, ANONYMOUS, sources.PartnerFilter(municipality_id=town.id))
        ).nodes
    }
    assert names == {"Nur hier", "Koordination Spurwechsel"}
