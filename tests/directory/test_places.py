"""Counted places of a service: taken one by one, never more than there are."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from directory import sources
from directory.actors import SYSTEM
from directory.catalogue import give_back_place, take_place
from directory.database import Database
from directory.problems import NoPlaceLeft, NotFound
from directory.values import Capacity
from directory.vocabulary import CapacityState
from tests.directory.towns import Counted, Town


async def take(database: Database, service_id: object) -> bool:
    async with database.work(SYSTEM) as work:
        return await take_place(work, service_id)  # type: ignore[arg-type]


async def capacity_of(database: Database, service_id: object) -> Capacity:
    document = await sources.service(database, SYSTEM, service_id)  # type: ignore[arg-type]
    assert document is not None
    return document.capacity


async def service_with(town: Town, capacity: Capacity) -> object:
    partner = await town.partner()
    return (await town.service(partner.id, capacity=capacity)).id


async def test_fifty_want_the_last_place_and_one_gets_it(database: Database, town: Town) -> None:
    """At the same time, over fifty connections."""
    service_id = await service_with(town, Capacity(state=CapacityState.FEW, places=1))

    results = await asyncio.gather(*(take(database, service_id) for _ in range(50)), return_exceptions=True)

    assert results.count(True) == 1
    assert sum(isinstance(result, NoPlaceLeft) for result in results) == 49
    capacity = await capacity_of(database, service_id)
    assert (capacity.places, capacity.state) == (0, CapacityState.NONE)


async def test_the_state_follows_the_last_place_only(database: Database, town: Town) -> None:
    """What the partner said stays until nothing is left; giving back says few."""
    service_id = await service_with(town, Capacity(state=CapacityState.OPEN, places=2))
    seen = []
    assert await take(database, service_id)
    seen.append(await capacity_of(database, service_id))
    assert await take(database, service_id)
    seen.append(await capacity_of(database, service_id))
    async with database.work(SYSTEM) as work:
        await give_back_place(work, service_id)  # type: ignore[arg-type]
    seen.append(await capacity_of(database, service_id))

    assert [(capacity.places, capacity.state) for capacity in seen] == [
        (1, CapacityState.OPEN),
        (0, CapacityState.NONE),
        (1, CapacityState.FEW),
    ]


@pytest.mark.parametrize("state", CapacityState)
async def test_what_is_not_counted_is_not_limited(
    database: Database, town: Town, state: CapacityState
) -> None:
    """A partner who names no number decides by themselves; the entry stays as it is."""
    service_id = await service_with(town, Capacity(state=state))
    before = await sources.service(database, SYSTEM, service_id)  # type: ignore[arg-type]

    assert not await take(database, service_id)
    async with database.work(SYSTEM) as work:
        await give_back_place(work, service_id)  # type: ignore[arg-type]

    assert await sources.service(database, SYSTEM, service_id) == before  # type: ignore[arg-type]


async def test_a_count_that_has_expired_is_unknown(database: Database, town: Town) -> None:
    """After ``expires_on`` nobody knows; none left is then no reason to refuse."""
    yesterday = database.clock().date() - timedelta(days=2)
    service_id = await service_with(
        town, Capacity(state=CapacityState.NONE, places=0, as_of=yesterday, expires_on=yesterday)
    )

    assert not await take(database, service_id)


async def test_a_place_of_an_unknown_service(database: Database) -> None:
    """There is none to take."""
    with pytest.raises(NotFound):
        await take(database, uuid4())


async def test_a_place_comes_back_when_the_work_fails(database: Database, town: Town) -> None:
    """It is taken with the referral or not at all."""
    service_id = await service_with(town, Capacity(state=CapacityState.FEW, places=1))
    with pytest.raises(ZeroDivisionError):
        async with database.work(SYSTEM) as work:
            await take_place(work, service_id)  # type: ignore[arg-type]
            raise ZeroDivisionError

    assert (await capacity_of(database, service_id)).places == 1


async def test_taking_a_counted_place_is_one_statement(counted: Counted, town: Town) -> None:
    """The count is checked and changed at once."""
    service_id = await service_with(town, Capacity(state=CapacityState.FEW, places=5))
    async with counted.database.work(SYSTEM) as work, counted.expecting(1):
        await take_place(work, service_id)  # type: ignore[arg-type]
