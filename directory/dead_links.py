"""Websites of published entries that do not answer: looked at now and then, told after three days.

Each address is asked once however many entries name it, one request per host at a time. What does not answer
on three different days in a row becomes a change request. When nothing at all can be reached, it is us.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from typing import Final, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from sqlalchemy import text

from directory.actors import SYSTEM
from directory.change_requests import ChangeRequestView, Proposal, propose
from directory.database import Database, Work
from directory.days import local_day
from directory.reaching import Guard, Reached, look
from directory.vocabulary import ChangeField, ChangeReason, ChangeSource

DEAD_AFTER_DAYS: Final = 3
"""On so many different days in a row an address must fail before somebody is told."""

AGAIN_AFTER: Final = timedelta(days=7)
"""How long an address that answered is left alone; one that failed is asked again the next day."""

MOST: Final = 500
"""Entries in one run at most."""

AT_ONCE: Final = 4
"""Hosts that are asked at the same time."""

PAUSE_SECONDS: Final = 1.0
"""How long to wait between two requests to one host."""

ENOUGH: Final = 3
"""From so many hosts on, none of which can be reached, it is our own network that is down."""

Tell: TypeAlias = Callable[[Work, ChangeRequestView], Awaitable[None]]
"""Tells who keeps an entry that a change was proposed for it."""


class Site(msgspec.Struct, frozen=True):
    """A website of a published entry: a service's, or (without) its partner's."""

    target: UUID
    partner_id: UUID
    service_id: UUID | None
    url: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a run found; counts of entries. ``told``: change requests that were opened."""

    looked_at: int = 0
    failed: int = 0
    told: int = 0
    offline: bool = False


_SITES: Final = text(
    """
    SELECT site.* FROM (
      SELECT p.id AS target, p.id AS partner_id, CAST(NULL AS uuid) AS service_id, p.website AS url
      FROM partner p WHERE p.state = 'PUBLISHED' AND p.website IS NOT NULL
      UNION ALL
      SELECT s.id, s.partner_id, s.id, s.website FROM service s JOIN partner p ON p.id = s.partner_id
      WHERE s.state = 'PUBLISHED' AND p.state = 'PUBLISHED' AND s.website IS NOT NULL) AS site
    LEFT JOIN link_check l ON l.target_id = site.target AND l.url = site.url
    WHERE l.target_id IS NULL OR l.checked_on <= :long_ago OR (l.failed_days > 0 AND l.checked_on < :today)
    ORDER BY l.checked_on NULLS FIRST, site.target LIMIT :most"""
)

# Twice on one day counts once, whoever looked; another address of the same entry begins anew.
_NOTE: Final = text(
    """
    INSERT INTO link_check AS l (target_id, url, checked_on, failed_days, outcome)
    VALUES (:target, :url, :today, :failed, :outcome)
    ON CONFLICT (target_id) DO UPDATE SET url = excluded.url, checked_on = excluded.checked_on,
      outcome = excluded.outcome, failed_days = CASE WHEN excluded.failed_days = 0 THEN 0
        WHEN l.url = excluded.url THEN l.failed_days + 1 ELSE 1 END
    WHERE l.checked_on < excluded.checked_on OR l.url <> excluded.url
    RETURNING failed_days"""
)

_FAILED: Final = frozenset({Reached.GONE, Reached.UNREACHABLE})


async def check_links(
    database: Database, guard: Guard, tell: Tell, *, most: int = MOST, pause: float = PAUSE_SECONDS
) -> Checked:
    """Look at the websites whose turn it is, note what was found, and tell what has been dead for days."""
    today = local_day(database.clock())
    async with database.view(SYSTEM) as session:
        rows = await session.execute(_SITES, {"today": today, "long_ago": today - AGAIN_AFTER, "most": most})
        sites = [Site(row.target, row.partner_id, row.service_id, row.url) for row in rows]
    found = await _look_at({site.url for site in sites}, guard, pause)
    asked = {url: reached for url, reached in found.items() if reached is not Reached.NOT_ASKED}
    hosts = {urlsplit(url).hostname for url in asked}
    if len(hosts) >= ENOUGH and set(asked.values()) == {Reached.UNREACHABLE}:
        return Checked(looked_at=len(sites), offline=True)
    failed = told = 0
    for site in sites:
        async with database.work(SYSTEM) as work:
            failed += found[site.url] in _FAILED
            told += await _note(work, site, found[site.url], today, tell)
    return Checked(looked_at=len(sites), failed=failed, told=told)


async def _look_at(urls: set[str], guard: Guard, pause: float) -> dict[str, Reached]:
    """Ask every address once: hosts at the same time, the addresses of a host one after the other."""
    by_host: dict[str, list[str]] = defaultdict(list)
    for url in sorted(urls):
        by_host[urlsplit(url).hostname or ""].append(url)
    room = asyncio.Semaphore(AT_ONCE)
    found: dict[str, Reached] = {}

    async def ask(addresses: Sequence[str]) -> None:
        async with room:
            for number, url in enumerate(addresses):
                if number:
                    await asyncio.sleep(pause)
                found[url] = await look(url, guard)

    async with asyncio.TaskGroup() as group:
        for addresses in by_host.values():
            group.create_task(ask(addresses))
    return found


async def _note(work: Work, site: Site, reached: Reached, today: date, tell: Tell) -> int:
    """Keep what was found about one entry's website; return how many requests were opened for it."""
    days = await work.session.scalar(
        _NOTE,
        {
            "target": site.target,
            "url": site.url,
            "today": today,
            "failed": int(reached in _FAILED),
            "outcome": reached.value,
        },
    )
    if days != DEAD_AFTER_DAYS:  # told once: who says that the address is right is not asked every day
        return 0
    proposal = Proposal(
        partner_id=site.partner_id,
        service_id=site.service_id,
        target=site.target,
        field=ChangeField.WEBSITE,
        reason=ChangeReason.LINK_DEAD,
        source=ChangeSource.LINK_CHECK,
        before={"value": site.url},
    )
    await tell(work, await propose(work, proposal, times=DEAD_AFTER_DAYS))
    return 1
