"""Saved searches: what a member keeps, what has become of its hits, and what they have not been told yet.

A saved search has words and filters and no profile: the filter by residence status, which reads like one, is
refused. Only the member sees it (row-level security), and it goes with them. What it finds is looked at once
a day in the index of this process, whichever engine answers people: two engines that rank differently would
make news of nothing. A hit is new if it was not found before, and changed if what it says to people is not
the same; to be assured, or moved to another version, is no change.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import msgspec
import structlog
from msgspec import UNSET, UnsetType
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from directory import checking as check
from directory.actors import SYSTEM, Actor
from directory.database import Database, Work, reaching_the_database
from directory.days import ZONE, local_day
from directory.documents import ServiceDocument, service_decoder
from directory.problems import InvalidInput, NotFound, StaleVersion
from directory.values import Instant, Value
from search.engine import DEEPEST, Filters, SearchQuery, SearchUnavailable, checked
from search.models import SavedSearch
from search.policy import may_be_found, must_be_member
from search.suggesting import InProcess

MOST_SAVED: Final = 20
"""Searches that one member keeps at most."""

LONGEST_NAME: Final = 100
LOOK_AT: Final = time(5, 0)
"""When searches are looked at, local time; all of a member's at once, so that one mail a day has all."""

AGAIN_AFTER: Final = timedelta(hours=1)
"""When a search is looked at again that could not be looked at, or whose process died over it."""

BATCH: Final = 20
MOST_TOLD: Final = 25
"""Services of one search that a mail names; it says how many others there are."""

NEW: Final = "NEW"
CHANGED: Final = "CHANGED"

log: Final = structlog.get_logger(__name__)


class SearchDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A search to keep; ``notify``: mail about new and changed hits, once a mailbox has said yes."""

    name: str
    text: str = ""
    filters: Filters = Filters()
    notify: bool = False


class SearchChange(msgspec.Struct, frozen=True, kw_only=True):
    """What changes of a saved search; what it looks for does not: that would be another one."""

    name: str | UnsetType = UNSET
    notify: bool | UnsetType = UNSET


class Saved(Value, frozen=True, kw_only=True):
    """A saved search as its member sees it; ``news``: service to NEW or CHANGED, not told yet.

    ``too_broad``: it finds more than is watched, so nothing is told.
    """

    id: UUID
    name: str
    text: str
    filters: Filters
    notify: bool
    news: Mapping[UUID, str]
    too_broad: bool
    looked_at: Instant | None
    version: int
    created_at: Instant


def _view(row: SavedSearch) -> Saved:
    return Saved(
        id=row.id,
        name=row.name,
        text=row.text,
        filters=row.filters,
        notify=row.notify,
        news={UUID(key): what for key, what in row.news.items()},
        too_broad=row.too_broad,
        looked_at=row.looked_at,
        version=row.version,
        created_at=row.created_at,
    )


async def save_search(work: Work, draft: SearchDraft) -> UUID:
    """Keep a search; return its id. Raises NotSignedIn, and InvalidInput (also for one too many)."""
    member_id = must_be_member(work.actor)
    name = check.short_text(draft.name, "name", maximum=LONGEST_NAME)
    text = draft.text.strip()
    if draft.filters.residence is not None:
        raise InvalidInput("filters.residence", "no-profile")
    if not text and draft.filters == Filters():
        raise InvalidInput("text", "nothing-to-search")
    checked(SearchQuery(today=local_day(work.now), text=text, filters=draft.filters))
    # two that are saved at once wait for each other
    await work.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(member_id), 26))))
    kept = await work.session.scalar(select(func.count()).where(SavedSearch.member_id == member_id))
    if (kept or 0) >= MOST_SAVED:
        raise InvalidInput("name", "too-many", maximum=str(MOST_SAVED))
    made = SavedSearch(
        id=uuid4(),
        member_id=member_id,
        name=name,
        text=text,
        filters=draft.filters,
        notify=draft.notify,
        seen=None,
        news={},
        too_broad=False,
        next_look_at=work.now if draft.notify else None,
        version=1,
        created_at=work.now,
    )
    work.session.add(made)
    await work.session.flush()
    return made.id


async def _own(work: Work, search_id: UUID, expected_version: int) -> SavedSearch:
    member_id = must_be_member(work.actor)
    found: SavedSearch | None = await work.session.scalar(
        select(SavedSearch)
        .where(SavedSearch.id == search_id, SavedSearch.member_id == member_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound
    if found.version != expected_version:
        raise StaleVersion(found.version)
    return found


async def change_search(work: Work, search_id: UUID, change: SearchChange, *, expected_version: int) -> UUID:
    """Rename it, or begin or end to be told of it. Raises NotFound, StaleVersion, InvalidInput."""
    found = await _own(work, search_id, expected_version)
    if change.name is not UNSET:
        found.name = check.short_text(change.name, "name", maximum=LONGEST_NAME)
    if change.notify is not UNSET and change.notify != found.notify:
        found.notify = change.notify
        # what was found meanwhile is no news: it begins anew
        found.seen, found.news, found.too_broad = None, {}, False
        found.next_look_at = work.now if change.notify else None
    found.version += 1
    await work.session.flush()
    return found.id


async def delete_search(work: Work, search_id: UUID, *, expected_version: int) -> UUID:
    """Forget a saved search; return its id. Raises NotFound, StaleVersion."""
    found = await _own(work, search_id, expected_version)
    await work.session.delete(found)
    await work.session.flush()
    return search_id


async def saved_searches(session: AsyncSession, actor: Actor) -> tuple[Saved, ...]:
    """Return the own saved searches, oldest first; ``MOST_SAVED`` at most. One statement."""
    member_id = must_be_member(actor)
    rows = await session.scalars(
        select(SavedSearch)
        .where(SavedSearch.member_id == member_id)
        .order_by(SavedSearch.created_at, SavedSearch.id)
        .limit(MOST_SAVED)
        .execution_options(populate_existing=True)
    )
    return tuple(_view(row) for row in rows)


# --- what has become of the hits


def said(service: ServiceDocument) -> str:
    """Return a short digest of what a service says to people: not when it was assured, counted or written."""
    capacity = service.capacity
    told = (
        service.title,
        service.description,
        service.kind,
        sorted(topic.code for topic in service.topics),
        service.partner.name,
        service.website,
        service.languages,
        service.eligibility,
        service.area,
        service.responsibility,
        service.locations,
        service.contact_points,
        capacity.state,
        capacity.waiting_weeks,
        service.course,
        service.recognition,
        service.interpreting,
        service.referral_facts,
        service.application_process,
    )
    return hashlib.blake2b(msgspec.json.encode(told, order="deterministic"), digest_size=8).hexdigest()


def news_of(
    before: Mapping[str, str] | None, now: Mapping[str, str], untold: Mapping[str, str]
) -> dict[str, str]:
    """Return what there is to tell: what is found now and was not, or says something else, or is untold.

    ``before`` and ``now``: service to "version:digest". The first look (``before`` None) is no news; what is
    found no more is not told of.
    """
    if before is None:
        return {}
    news = {key: what for key, what in untold.items() if key in now}
    for key, value in now.items():
        if key not in before:
            news[key] = NEW
        elif before[key].partition(":")[2] != value.partition(":")[2]:
            news.setdefault(key, CHANGED)
    return news


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A search that is looked at now."""

    id: UUID
    member_id: UUID
    text: str
    filters: Filters
    seen: dict[str, str] | None
    version: int


class Looked(msgspec.Struct, kw_only=True):
    """What a round did: searches looked at, services that are news, members who are told."""

    searches: int = 0
    news: int = 0
    told: int = 0
    postponed: int = 0

    def __bool__(self) -> bool:
        """Whether anything was done."""
        return bool(self.searches or self.postponed)


Tell = Callable[[Work, UUID], Awaitable[bool]]
"""Promises a member the mail of a day, in the work that keeps the news; False: there is nowhere to write."""


def next_look(now: datetime) -> datetime:
    """Return the next morning after a moment."""
    today = now.astimezone(ZONE).date()
    morning = datetime.combine(today, LOOK_AT, tzinfo=ZONE)
    return morning if morning > now else datetime.combine(today + timedelta(days=1), LOOK_AT, tzinfo=ZONE)


async def look_at_searches(database: Database, engine: InProcess, tell: Tell) -> Looked:
    """Look at what is due, and promise what is new; for the jobs. Several processes may do it at once.

    While there is no index, what is due is postponed and nothing is lost. Raises Unavailable.
    """
    done = Looked()
    while True:
        batch = await _claimed(database)
        for one in batch:
            try:
                found = await _found(database.reader, engine, one, database.clock())
            except SearchUnavailable:
                done.postponed += 1
                continue
            await _kept(database, one, found, tell, done)
        if len(batch) < BATCH:
            return done


async def _claimed(database: Database) -> list[Look]:
    async with database.work(SYSTEM) as work:
        due = (
            select(SavedSearch.id)
            .where(SavedSearch.next_look_at <= work.now)
            .order_by(SavedSearch.next_look_at, SavedSearch.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        rows = await work.session.scalars(
            update(SavedSearch)
            .where(SavedSearch.id.in_(select(due.c.id)))
            .values(next_look_at=work.now + AGAIN_AFTER)
            .returning(SavedSearch)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        return [
            Look(
                id=row.id,
                member_id=row.member_id,
                text=row.text,
                filters=row.filters,
                seen=row.seen,
                version=row.version,
            )
            for row in rows
        ]


async def _found(reader: asyncpg.Pool, engine: InProcess, one: Look, now: datetime) -> dict[str, str] | None:
    """Return what a search finds, service to "version:digest"; None where that is more than is watched.

    Hits that have only some of the words are none: a member who waits for a service is told when it is there.
    """
    today = local_day(now)
    filters = one.filters
    if filters.open_capacity_on is not None:
        filters = msgspec.structs.replace(filters, open_capacity_on=max(today, filters.open_capacity_on))
    query = SearchQuery(today=today, text=one.text, filters=filters, first=DEEPEST, highlights=False)
    result = await asyncio.to_thread(engine.search, query)
    if result.relaxed:
        return {}
    if result.total > DEEPEST:
        return None
    ids = [hit.id for hit in result.hits]
    async with reaching_the_database():
        rows = await reader.fetch("SELECT id, version FROM service_document WHERE id = ANY($1)", ids)
        versions = {str(row["id"]): row["version"] for row in rows}
        known = one.seen or {}
        same = {key: known[key] for key, v in versions.items() if known.get(key, "").startswith(f"{v}:")}
        others = [UUID(key) for key in versions if key not in same]
        read = await reader.fetch("SELECT public FROM service_document WHERE id = ANY($1)", others)
    documents = [service_decoder.decode(row["public"]) for row in read]
    return same | {
        str(document.id): f"{document.version}:{said(document)}"
        for document in documents
        if may_be_found(document)
    }


async def _kept(
    database: Database, one: Look, found: dict[str, str] | None, tell: Tell, done: Looked
) -> None:
    async with database.work(SYSTEM) as work:
        row: SavedSearch | None = await work.session.scalar(
            select(SavedSearch)
            .where(SavedSearch.id == one.id, SavedSearch.version == one.version)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if row is None or not row.notify:
            return  # changed or deleted meanwhile: it is looked at again if it is to be
        row.too_broad = found is None
        row.news = news_of(row.seen, found, row.news) if found is not None else {}
        row.seen = found
        row.looked_at, row.next_look_at = work.now, next_look(work.now)
        await work.session.flush()
        done.searches += 1
        done.news += len(row.news)
        if row.news and await tell(work, row.member_id):
            done.told += 1


# --- what is told


class ToldService(Value, frozen=True, kw_only=True):
    """A service that a mail names; ``what``: NEW or CHANGED."""

    id: UUID
    what: str
    title: Mapping[str, str]
    partner: str


class ToldSearch(Value, frozen=True, kw_only=True):
    """A search and what is new there; ``others``: how many more there are; ``keys``: all that it tells."""

    id: UUID
    name: str
    services: tuple[ToldService, ...]
    others: int
    keys: tuple[str, ...]


async def digest(work: Work, reader: asyncpg.Pool, member_id: UUID) -> tuple[ToldSearch, ...]:
    """Return what a member has not been told, as it is published now. For SYSTEM."""
    rows = (
        await work.session.scalars(
            select(SavedSearch)
            .where(SavedSearch.member_id == member_id, SavedSearch.notify)
            .order_by(SavedSearch.created_at, SavedSearch.id)
            .execution_options(populate_existing=True)
        )
    ).all()
    ids = {UUID(key) for row in rows for key in row.news}
    async with reaching_the_database():
        read = await reader.fetch("SELECT public FROM service_document WHERE id = ANY($1)", list(ids))
    documents = {
        document.id: document
        for document in (service_decoder.decode(row["public"]) for row in read)
        if may_be_found(document)
    }
    made = []
    for row in rows:
        there = [
            (documents[UUID(key)], what) for key, what in sorted(row.news.items()) if UUID(key) in documents
        ]
        if there:
            made.append(_told(row, there))
    return tuple(made)


def _told(row: SavedSearch, there: Sequence[tuple[ServiceDocument, str]]) -> ToldSearch:
    ordered = sorted(there, key=lambda pair: (pair[1] != NEW, pair[0].partner.name, str(pair[0].id)))
    return ToldSearch(
        id=row.id,
        name=row.name,
        services=tuple(
            ToldService(id=one.id, what=what, title=one.title, partner=one.partner.name)
            for one, what in ordered[:MOST_TOLD]
        ),
        others=max(0, len(ordered) - MOST_TOLD),
        keys=tuple(str(one.id) for one, _ in ordered),
    )


async def told(work: Work, searches: Sequence[ToldSearch]) -> None:
    """Say that a member has been told; what became news meanwhile stays. For SYSTEM."""
    for search in searches:
        row = await work.session.get(SavedSearch, search.id, with_for_update=True, populate_existing=True)
        if row is not None:
            row.news = {key: what for key, what in row.news.items() if key not in search.keys}
    await work.session.flush()
