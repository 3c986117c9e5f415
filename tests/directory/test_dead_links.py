"""Websites that do not answer: asked politely, told after three different days, once."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from sqlalchemy import text

from directory.actors import SYSTEM
from directory.catalogue import PartnerChange, ServiceChange, change_partner, change_service
from directory.change_requests import ChangeRequestView
from directory.database import Database, Work
from directory.dead_links import Checked, check_links
from directory.vocabulary import ChangeField, ChangeReason, ChangeSource
from tests.directory.test_reaching import HERE, Site, site, status
from tests.directory.towns import Town, found_town

START = datetime(2026, 3, 2, 2, 23, tzinfo=UTC)


class Nights:
    """A directory whose websites are looked at night after night."""

    def __init__(self, database: Database, town: Town) -> None:
        self.database, self.town, self.told = database, town, list[ChangeRequestView]()

    async def tell(self, work: Work, request: ChangeRequestView) -> None:
        self.told.append(request)

    async def night(self, number: int) -> Checked:
        self.database.clock = lambda: START + timedelta(days=number)
        return await check_links(self.database, HERE, self.tell, pause=0)

    async def website(self, partner: UUID, url: str, version: int = 2) -> int:
        async with self.database.work(SYSTEM) as work:
            change = PartnerChange(website=url)
            return (await change_partner(work, partner, change, expected_version=version)).version

    async def checks(self) -> dict[str, int]:
        async with self.database.view(SYSTEM) as session:
            rows = await session.execute(text("SELECT url, failed_days FROM link_check"))
            return {row.url: row.failed_days for row in rows}


@pytest.fixture
async def nights(empty_database: Database) -> Nights:
    empty_database.clock = lambda: START
    return Nights(empty_database, await found_town(empty_database))


async def test_three_different_days_and_told_once(nights: Nights) -> None:
    partner = await nights.town.partner()
    async with site(lambda method, path: status(404)) as dead:
        await nights.website(partner.id, dead.url())
        for night in (0, 0, 1, 1):
            await nights.night(night)
        assert nights.told == []
        for night in (2, 2, 3, 4, 5, 20):
            await nights.night(night)

    [request] = nights.told
    assert (request.field, request.reason, request.source) == (
        ChangeField.WEBSITE,
        ChangeReason.LINK_DEAD,
        ChangeSource.LINK_CHECK,
    )
    assert (request.partner_id, request.service_id, request.before) == (
        partner.id,
        None,
        {"value": dead.url()},
    )


async def test_an_answer_between_begins_the_count_anew(nights: Nights) -> None:
    partner = await nights.town.partner()
    codes = iter([404, 404, 404, 404, 200, 404, 404, 404, 404])
    async with site(lambda method, path: status(next(codes))) as shaky:
        await nights.website(partner.id, shaky.url())
        for night in (0, 1, 2):
            await nights.night(night)
        assert await nights.checks() == {shaky.url(): 0}
        await nights.night(9)
        await nights.night(10)
        assert await nights.checks() == {shaky.url(): 2}

    assert nights.told == []


async def test_what_answers_is_left_alone_for_a_week(nights: Nights) -> None:
    partner = await nights.town.partner()
    async with site(lambda method, path: status(200)) as alive:
        await nights.website(partner.id, alive.url())
        for night in range(8):
            await nights.night(night)

    assert alive.asked == [("HEAD", "/")] * 2


async def test_one_address_of_many_entries_is_asked_once_and_each_is_told(nights: Nights) -> None:
    partner = await nights.town.partner()
    async with site(lambda method, path: status(410)) as dead:
        services = [await nights.town.service(partner.id, website=dead.url("/x")) for _ in range(3)]
        for night in (0, 1, 2):
            await nights.night(night)

    assert len(dead.asked) == 2 * 3
    assert {request.service_id for request in nights.told} == {service.id for service in services}


async def test_a_new_address_settles_it_and_is_counted_anew(nights: Nights) -> None:
    partner = await nights.town.partner()
    async with site(lambda method, path: status(404)) as dead:
        service = await nights.town.service(partner.id, website=dead.url("/alt"))
        for night in (0, 1, 2):
            await nights.night(night)
        async with nights.database.work(SYSTEM) as work:
            change = ServiceChange(website=dead.url("/neu"))
            await change_service(work, service.id, change, expected_version=service.version)
        await nights.night(3)

    async with nights.database.view(SYSTEM) as session:
        state = await session.scalar(text("SELECT state FROM change_request"))
    assert state == "ACCEPTED"
    assert await nights.checks() == {dead.url("/neu"): 1}


async def test_when_nothing_can_be_reached_it_is_our_own_network(nights: Nights) -> None:
    async with AsyncExitStack() as stack:
        down: list[Site] = [
            await stack.enter_async_context(site(lambda method, path: status(200))) for _ in range(3)
        ]
        urls = [one.url(host=f"127.0.0.{number}") for number, one in enumerate(down, 2)]
    for number, url in enumerate(urls):
        partner = await nights.town.partner(f"Träger {number}")
        await nights.website(partner.id, url)

    checked = await nights.night(0)

    assert len({urlsplit(url).hostname for url in urls}) == 3
    assert (checked.offline, checked.looked_at) == (True, 3)
    assert await nights.checks() == {}


async def test_what_is_not_ours_to_ask_is_neither_alive_nor_dead(nights: Nights) -> None:
    partner = await nights.town.partner()
    await nights.website(partner.id, "http://[fe80::1]/")

    for night in (0, 1, 2, 3):
        await nights.night(night)

    assert nights.told == []
    assert await nights.checks() == {"http://[fe80::1]/": 0}


async def test_drafts_and_hidden_entries_are_not_asked(nights: Nights) -> None:
    def answer(method: str, path: str) -> Any:
        return status(404)

    partner = await nights.town.partner(published=False)
    shown = await nights.town.partner("Anderer")
    async with site(answer) as dead:
        await nights.town.service(partner.id, website=dead.url())
        await nights.town.service(shown.id, website=dead.url(), published=False)
        assert (await nights.night(0)).looked_at == 0

    assert dead.asked == []
