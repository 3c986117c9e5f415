"""What the coordination says of entries that look alike: these are two different ones (Sind nicht dasselbe).

Such a pair is pointed out to nobody any more, until the coordination withdraws that, or one of the two
ends: it was said of two entries, and says nothing of the one that answers for a merged one. Only the
coordination of the municipality reads who said it; that a pair is not pointed out goes for everybody.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID, uuid4

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from directory.actors import SYSTEM, Actor
from directory.catalogue import partner_facts, service_facts
from directory.database import Database, Work
from directory.documents import DocumentKind
from directory.models import NotDuplicates, Partner, Service
from directory.policy import EntryFacts, Rule, require_end_entry
from directory.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn
from directory.values import Instant, Value


class NotDuplicatesView(Value, frozen=True, kw_only=True):
    """That two entries are different ones, since when, and who said so; ``one`` has the lower id."""

    id: UUID
    kind: DocumentKind
    one: UUID
    other: UUID
    at: Instant
    member_id: UUID | None


def view_of(row: NotDuplicates) -> NotDuplicatesView:
    """Return a stored decision as it is read."""
    return NotDuplicatesView(
        id=row.id,
        kind=DocumentKind(row.kind),
        one=row.one,
        other=row.other,
        at=row.at,
        member_id=row.member_id,
    )


async def _facts(work: Work, kind: DocumentKind, id_: UUID) -> EntryFacts:
    """Return what decides about an entry, which does not end before this work does; raises NotFound."""
    if kind is DocumentKind.PARTNER:
        partner = await work.session.get(Partner, id_, with_for_update={"read": True}, populate_existing=True)
        if partner is None or partner.ended_at is not None:
            raise NotFound
        return partner_facts(partner)
    service = await work.session.get(
        Service,
        id_,
        options=[joinedload(Service.partner, innerjoin=True)],
        with_for_update={"read": True, "of": Service},
        populate_existing=True,
    )
    if service is None or service.ended_at is not None:
        raise NotFound
    return service_facts(service)


def require_coordination(actor: Actor) -> UUID:
    """Return the municipality that the actor coordinates; raises NotSignedIn, NotAllowed."""
    if not actor.signed_in:
        raise NotSignedIn
    if not actor.coordinates or actor.municipality_id is None:
        raise NotAllowed(Rule.COORDINATION_ONLY)
    return actor.municipality_id


async def mark_not_duplicates(work: Work, kind: DocumentKind, entry_id: UUID, other_id: UUID) -> UUID:
    """Say that two entries of one municipality are different ones; return the id of that, also of the first.

    For the coordination. Raises NotFound, NotSignedIn, NotAllowed, InvalidInput.
    """
    if entry_id == other_id:
        raise InvalidInput("otherId", "same-entry")
    one, other = sorted((entry_id, other_id))
    facts = [await _facts(work, kind, id_) for id_ in (one, other)]
    for of_one in facts:
        require_end_entry(work.actor, of_one)
    if facts[0].municipality_id != facts[1].municipality_id:
        raise InvalidInput("otherId", "other-municipality")
    made: UUID | None = await work.session.scalar(
        insert(NotDuplicates)
        .values(
            id=uuid4(),
            kind=kind.value,
            one=one,
            other=other,
            municipality_id=facts[0].municipality_id,
            member_id=work.actor.member_id,
            at=work.now,
        )
        .on_conflict_do_nothing(index_elements=[NotDuplicates.one, NotDuplicates.other])
        .returning(NotDuplicates.id)
    )
    if made is None:
        said = select(NotDuplicates.id).where(NotDuplicates.one == one, NotDuplicates.other == other)
        return (await work.session.scalars(said)).one()
    _record(work, "not_duplicates.mark", made, kind, one, other)
    return made


def _record(work: Work, action: str, id_: UUID, kind: DocumentKind, one: UUID, other: UUID) -> None:
    work.record(action, "not_duplicates", id_, {"kind": kind.value, "one": str(one), "other": str(other)})


async def withdraw_not_duplicates(work: Work, id_: UUID) -> UUID:
    """Take back that two entries are different ones; they are pointed out again, if they look alike.

    For the coordination. Raises NotFound, NotSignedIn, NotAllowed.
    """
    require_coordination(work.actor)
    gone = await work.session.scalar(
        delete(NotDuplicates).where(NotDuplicates.id == id_).returning(NotDuplicates)
    )
    if gone is None:  # for everybody but the coordination there is none (row-level security)
        raise NotFound
    _record(work, "not_duplicates.withdraw", id_, DocumentKind(gone.kind), gone.one, gone.other)
    return id_


async def drop_not_duplicates(work: Work, ended: Collection[UUID]) -> None:
    """Delete what was said of entries that have ended."""
    ids = list(ended)
    await work.session.execute(
        delete(NotDuplicates)
        .where(or_(NotDuplicates.one.in_(ids), NotDuplicates.other.in_(ids)))
        .execution_options(synchronize_session=False)
    )


async def view_not_duplicates(session: AsyncSession, actor: Actor, id_: UUID) -> NotDuplicatesView | None:
    """Return what was said of a pair to the coordination; None for everybody else (row-level security)."""
    row = await session.get(NotDuplicates, id_) if actor.signed_in else None
    return None if row is None else view_of(row)


async def different_from(database: Database, entry_id: UUID) -> frozenset[UUID]:
    """Return the entries that are known to be others than this one, whoever asks; one statement."""
    async with database.view(SYSTEM) as session:
        rows = await session.execute(
            select(NotDuplicates.one, NotDuplicates.other).where(
                or_(NotDuplicates.one == entry_id, NotDuplicates.other == entry_id)
            )
        )
        return frozenset(id_ for row in rows for id_ in row) - {entry_id}
