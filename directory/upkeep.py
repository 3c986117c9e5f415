"""Upkeep: who is reminded of an entry that nobody has said to be right for long, and what happens in the end.

What is due when is said by ``freshness``; here it happens: one entry per transaction, as SYSTEM, each step
once. Several processes may do this at once: who has locked an entry reads anew how far its chain has come. An
entry at which something goes wrong holds up no other. What a step tells whom is for the caller to send.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import TextClause, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import SYSTEM, Actor
from directory.catalogue import hide_stale_partner, hide_stale_service
from directory.database import Database, Work
from directory.days import local_day
from directory.documents import DocumentKind, partner_decoder, service_decoder
from directory.freshness import (
    Chain,
    Entry,
    Freshness,
    Progress,
    due_days,
    freshness,
    hide_on,
    next_day,
    next_step,
    round_of,
)
from directory.models import (
    ChangeRequest,
    Partner,
    PartnerDocumentRow,
    Service,
    ServiceDocumentRow,
    Upkeep,
    UpkeepLink,
)
from directory.paging import check_size, cursor_of, place_of
from directory.problems import NotSignedIn
from directory.sources import Page
from directory.values import Value
from directory.vocabulary import PublicationState, UpkeepStep

log: Final = structlog.get_logger("upkeep")

BATCH: Final = 200
"""Entries that are looked for at once."""

MOST: Final = 100
"""Largest page of entries that are due."""

REMARKS_KEPT: Final = timedelta(days=180)
"""How long the remark of a suggestion is kept that nobody decides on: what people write may name somebody."""


class Told(Value, frozen=True, kw_only=True):
    """That a step was made about an entry of a partner; ``coordination``: who looks after its municipality.

    ``hide_on``: the day that is announced.
    """

    step: UpkeepStep
    entry_id: UUID
    partner_id: UUID
    coordination: UUID | None
    on: date
    hide_on: date | None = None


Tell: TypeAlias = Callable[[Work, Told], Awaitable[None]]
"""Promises the mail of a step, in the work that makes it."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What one run did: how many entries were looked at, and the steps made, hidden ones and failures."""

    looked_at: int = 0
    steps: int = 0
    hidden: int = 0
    failed: int = 0

    def __bool__(self) -> bool:
        """Whether anything was done."""
        return self.looked_at > 0


_CANDIDATES: Final = {
    kind: text(
        f"SELECT d.id FROM {table} d LEFT JOIN upkeep u ON u.entry_id = d.id"  # noqa: S608 - our own names
        " WHERE d.state = 'PUBLISHED' AND d.due_at <= :now AND d.id > :after"
        " AND (u.entry_id IS NULL OR u.version <> d.version OR u.next_on <= :today)"
        " ORDER BY d.id LIMIT :most"
    )
    for kind, table in (
        (DocumentKind.SERVICE, "service_document"),
        (DocumentKind.PARTNER, "partner_document"),
    )
}
"""Services come first: with its partner hidden, a service is nobody's concern any more."""

_UNDATED: Final = text(
    """
    SELECT 'PARTNER' AS kind, id FROM partner_document WHERE due_at IS NULL AND id > :after
    UNION ALL SELECT 'SERVICE', id FROM service_document WHERE due_at IS NULL AND id > :after
    ORDER BY id LIMIT :most"""
)

_NOBODY: Final = UUID(int=0)


async def date_entries(database: Database, *, most: int = BATCH) -> int:
    """Rebuild the documents that do not say yet when they are due (imported, or of an older release)."""
    done, after = 0, _NOBODY
    while True:
        async with database.work(SYSTEM) as work:
            rows = (await work.session.execute(_UNDATED, {"after": after, "most": most})).all()
            for row in rows:
                work.touch_document(DocumentKind(row.kind), row.id)
        done += len(rows)
        if len(rows) < most:
            return done
        after = rows[-1].id


async def run_upkeep(database: Database, tell: Tell, *, batch: int = BATCH) -> Kept:
    """Make every step that is due; return what was done."""
    await date_entries(database)
    looked_at = steps = hidden = failed = 0
    for kind, candidates in _CANDIDATES.items():
        async for entry_id in _each(database, candidates, batch):
            looked_at += 1
            try:
                async with database.work(SYSTEM) as work:
                    made = await advance(work, kind, entry_id, tell)
            except Exception as error:
                # one entry that cannot be read must not keep all others from being looked after
                log.error(
                    "an entry could not be looked after", entry=str(entry_id), error=type(error).__name__
                )
                failed += 1
                continue
            steps += len(made)
            hidden += UpkeepStep.HIDE in made
    async with database.work(SYSTEM) as work:
        await _sweep(work)
    return Kept(looked_at=looked_at, steps=steps, hidden=hidden, failed=failed)


async def _sweep(work: Work) -> None:
    """Delete links that are over, and remarks that nobody has decided on for long."""
    await work.session.execute(
        delete(UpkeepLink)
        .where(UpkeepLink.expires_at < work.now)
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        update(ChangeRequest)
        .where(ChangeRequest.remark.is_not(None), ChangeRequest.opened_at < work.now - REMARKS_KEPT)
        .values(remark=None)
        .execution_options(synchronize_session=False)
    )


async def _each(database: Database, candidates: TextClause, batch: int) -> AsyncIterator[UUID]:
    """Give the ids of what is due, in their order, however many there are."""
    after = _NOBODY
    while True:
        async with database.view(SYSTEM) as session:
            now = database.clock()
            found = await session.scalars(
                candidates, {"now": now, "today": local_day(now), "after": after, "most": batch}
            )
            ids = found.all()
        for id_ in ids:
            yield id_
        if len(ids) < batch:
            return
        after = ids[-1]


async def advance(work: Work, kind: DocumentKind, entry_id: UUID, tell: Tell) -> tuple[UpkeepStep, ...]:
    """Make the steps of an entry that are due, at most one of each chain; return which. For SYSTEM.

    An entry that somebody else holds just now is left to them, or to the next run.
    """
    table = Partner if kind is DocumentKind.PARTNER else Service
    locked = await work.session.scalar(
        select(table.id).where(table.id == entry_id).with_for_update(skip_locked=True)
    )
    if locked is None:
        return ()
    # only what is read from here on is what nobody else is changing
    found = await _entry(work.session, kind, entry_id)
    if found is None:
        return ()
    entry, partner_id, version, keeper = found
    row = await work.session.get(Upkeep, entry_id, populate_existing=True)
    progress = dict(row.progress) if row is not None else {}
    due, today = due_days(entry), local_day(work.now)
    made: list[UpkeepStep] = []
    for chain in Chain:
        following = next_step(chain, due, progress.get(chain), hides=not keeper.coordinates)
        if following is None or following[1] > today:
            continue
        step, _ = following
        progress[chain] = Progress(due_on=round_of(chain, due), step=step, on=today)
        made.append(step)
    for step in made:
        await tell(
            work,
            Told(
                step=step,
                entry_id=entry_id,
                partner_id=partner_id,
                coordination=keeper.coordination,
                on=today,
                hide_on=hide_on(progress, due) if step is UpkeepStep.ANNOUNCE else None,
            ),
        )
        work.record(f"upkeep.{step.value.lower()}", kind.value.lower(), entry_id)
    if UpkeepStep.HIDE in made:
        hide = hide_stale_partner if kind is DocumentKind.PARTNER else hide_stale_service
        version = (await hide(work, entry_id)).version
    kept = {
        "entry_kind": kind.value,
        "partner_id": partner_id,
        "version": version,
        "progress": progress,
        "next_on": next_day(due, progress, hides=not keeper.coordinates),
    }
    await work.session.execute(
        insert(Upkeep)
        .values(entry_id=entry_id, **kept)
        .on_conflict_do_update(index_elements=[Upkeep.entry_id], set_=kept)
    )
    return tuple(made)


class _Keeper(msgspec.Struct, frozen=True):
    """Who looks after an entry: whether its partner coordinates itself, and who does."""

    coordinates: bool
    coordination: UUID | None


async def _entry(
    session: AsyncSession, kind: DocumentKind, entry_id: UUID
) -> tuple[Entry, UUID, int, _Keeper] | None:
    """Return the published entry, its partner, its version and who looks after it."""
    table = PartnerDocumentRow if kind is DocumentKind.PARTNER else ServiceDocumentRow
    owner = PartnerDocumentRow.id if kind is DocumentKind.PARTNER else ServiceDocumentRow.partner_id
    coordination = (
        select(Partner.id)
        .where(Partner.municipality_id == table.municipality_id, Partner.coordinates)
        .correlate(table)
        .scalar_subquery()
    )
    row = (
        await session.execute(
            select(table.public, table.version, owner.label("partner_id"), coordination.label("coordination"))
            .where(table.id == entry_id, table.state == PublicationState.PUBLISHED)
            .execution_options(populate_existing=True)
        )
    ).one_or_none()
    if row is None:
        return None
    decoder = partner_decoder if kind is DocumentKind.PARTNER else service_decoder
    own = row.coordination == row.partner_id and kind is DocumentKind.PARTNER
    return decoder.decode(row.public), row.partner_id, row.version, _Keeper(own, row.coordination)


# --- The queue ----------------------------------------------------------------------------------------------


class EntryDue(Value, frozen=True, kw_only=True):
    """An entry that is due, for who keeps it: a partner's own one, or (``service_id``) one of its services.

    ``steps``: what was done about it in this round, per chain the last. ``hidden``: it was hidden for it.
    """

    id: UUID
    partner_id: UUID
    service_id: UUID | None
    due_at: datetime
    freshness: Freshness
    steps: tuple[UpkeepStep, ...]
    hidden: bool


_QUEUE: Final = """
  SELECT d.id, {partner} AS partner_id, {service} AS service_id, d.due_at, d.public,
    e.hidden_because IS NOT NULL AS hidden, u.progress
  FROM {table}_document d JOIN {table} e ON e.id = d.id LEFT JOIN upkeep u ON u.entry_id = d.id
  WHERE d.due_at <= :now AND (d.state = 'PUBLISHED' OR e.hidden_because IS NOT NULL)
    AND ({partner} = :own OR d.municipality_id = :municipality)"""

_DUE: Final = f"""
  SELECT * FROM ({_QUEUE.format(table="partner", partner="d.id", service="CAST(NULL AS uuid)")}
  UNION ALL {_QUEUE.format(table="service", partner="d.partner_id", service="d.id")}) AS due"""  # noqa: S608 - names of our own

_NEXT_PAGE: Final = text(
    f"{_DUE} WHERE CAST(:moment AS timestamptz) IS NULL OR (due_at, id) > (:moment, CAST(:after AS uuid))"
    " ORDER BY due_at, id LIMIT :most"
)
_TOTAL: Final = text(f"SELECT count(*) FROM ({_DUE}) AS all_due")  # noqa: S608 - statements of our own


async def entries_due(
    session: AsyncSession,
    actor: Actor,
    now: datetime,
    *,
    first: int = 20,
    after: str | None = None,
    with_total: bool = False,
) -> Page[EntryDue]:
    """Return a page of the entries that are due and this actor's to keep, the longest due first.

    For a partner its own, for the coordination those of its municipality; what was hidden for being stale is
    among them. One statement, two with the total. Raises NotSignedIn, InvalidInput.
    """
    if not actor.signed_in:
        raise NotSignedIn
    check_size(first, MOST)
    moment, last = place_of(after) if after is not None else (None, None)
    scope = {
        "now": now,
        "own": actor.partner_id,
        "municipality": actor.municipality_id if actor.coordinates else None,
    }
    found = await session.execute(_NEXT_PAGE, {**scope, "moment": moment, "after": last, "most": first + 1})
    rows = found.all()
    total = await session.scalar(_TOTAL, scope) if with_total else None
    shown = tuple(_due(row, local_day(now)) for row in rows[:first])
    return Page(
        nodes=shown,
        cursors=tuple(cursor_of(entry.due_at, entry.id) for entry in shown),
        has_next=len(rows) > first,
        total=total,
    )


def _due(row: object, today: date) -> EntryDue:
    decoder = service_decoder if row.service_id is not None else partner_decoder  # type: ignore[attr-defined]
    entry: Entry = decoder.decode(row.public)  # type: ignore[attr-defined]
    progress = msgspec.convert(row.progress or {}, dict[Chain, Progress])  # type: ignore[attr-defined]
    due = due_days(entry)
    return EntryDue(
        id=entry.id,
        partner_id=row.partner_id,  # type: ignore[attr-defined]
        service_id=row.service_id,  # type: ignore[attr-defined]
        due_at=row.due_at,  # type: ignore[attr-defined]
        freshness=freshness(entry, today, progress),
        steps=tuple(
            progress[chain].step
            for chain in Chain
            if chain in progress
            and next_step(chain, due, None) is not None
            and progress[chain].due_on == round_of(chain, due)
        ),
        hidden=row.hidden,  # type: ignore[attr-defined]
    )
