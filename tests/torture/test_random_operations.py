"""Random operations by many actors at a time, against a model of who may know what; zero leaks."""

from __future__ import annotations

from time import monotonic

import httpx
import pytest

from directory.database import Database
from graphapi.embedded import APP, READER, Access
from referrals.personal_data.keystore import KeyStore
from tests.graphapi.asking import Api
from tests.graphapi.conftest import served
from tests.torture.random_town import Town


async def run(
    cluster: Access, name: str, keys: KeyStore, *, offices: int, members: int, operations: int, at_a_time: int
) -> str:
    """Run so many operations in a database of their own; return the figures, or fail on what is wrong."""
    database = Database(cluster.dsn(APP, name), cluster.dsn(READER, name), pool_size=at_a_time + 4)
    await database.start()
    try:
        transport = httpx.ASGITransport(served(database, keys))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            town = Town(database, Api(http), seed=20)
            await town.build(offices, members)
            longer = "UPDATE access_token SET expires_at = expires_at + interval '20 years'"
            cluster.run_sql(longer, database=name)
            began = monotonic()
            await town.run(operations, at_a_time)
            seconds = monotonic() - began
            figures = town.figures(seconds, await town.settle())
    finally:
        await database.stop()
    wrong = [*map(str, town.leaks[:20]), *town.errors[:20]]
    assert not wrong, "\n".join([*wrong, figures])
    assert town.operations >= operations
    assert town.found_own > operations / 10
    return figures


@pytest.mark.slow
async def test_a_few_random_operations_leak_nothing(
    cluster: Access, empty_database_name: str, keys: KeyStore
) -> None:
    await run(cluster, empty_database_name, keys, offices=5, members=3, operations=150, at_a_time=8)


@pytest.mark.torture
async def test_ten_thousand_random_operations_leak_nothing(
    cluster: Access, empty_database_name: str, keys: KeyStore, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = await run(
        cluster, empty_database_name, keys, offices=20, members=10, operations=10_000, at_a_time=16
    )
    with capsys.disabled():
        print(f"\n{figures}")
