"""The link with which a partner keeps its entries fresh, without an account: what its holder sees and says.

A link is one partner's, lives for ``LIFETIME`` and is for this alone: to say that entries are right or how
much room there is (which counts at once), and to propose other values, which somebody who is signed in
accepts. Looking changes nothing. Codes are made and hashed by the caller; only the hash is kept, and who
presents one has said so to the database (``app.code_hash``) before anything here is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from directory import corrections
from directory.actors import Actor, Role
from directory.catalogue import assure_partner, assure_service, set_capacity
from directory.change_requests import ChangeRequestView
from directory.corrections import Suggestion
from directory.database import Work
from directory.days import local_day
from directory.documents import PartnerDocument, ServiceDocument, partner_decoder, service_decoder
from directory.freshness import Freshness, freshness
from directory.models import (
    Partner,
    PartnerDocumentRow,
    Service,
    ServiceDocumentRow,
    Upkeep,
    UpkeepLink,
)
from directory.problems import NotFound
from directory.values import Capacity, Instant, Value
from directory.vocabulary import ChangeSource, PublicationState

LIFETIME: Final = timedelta(days=60)
"""How long a link lives: from the first reminder until well after an entry was hidden."""

MOST_SHOWN: Final = 50
"""Services on one page at most; what is due comes first."""


class EntryShown(Value, frozen=True, kw_only=True):
    """An entry as it is published, or was until it was hidden for being stale (``hidden``)."""

    entry: PartnerDocument | ServiceDocument
    freshness: Freshness
    hidden: bool

    @property
    def due(self) -> bool:
        """Whether something of it is to be looked at again."""
        return bool(self.freshness.kinds)


class UpkeepPage(Value, frozen=True, kw_only=True):
    """What the holder of a link sees: the partner's published entries, those that are due first."""

    partner: PartnerDocument
    letters_in: str
    expires_at: Instant
    entries: tuple[EntryShown, ...]


async def issue(work: Work, partner_id: UUID, code_hash: bytes) -> datetime:
    """Make a link for a partner under the hash of its code; return until when it lives. For SYSTEM.

    Links made before go on living, so that the mail somebody opens works, whichever it is.
    """
    link = UpkeepLink(
        id=uuid4(),
        code_hash=code_hash,
        partner_id=partner_id,
        issued_at=work.now,
        expires_at=work.now + LIFETIME,
    )
    work.session.add(link)
    await work.session.flush()
    work.record("upkeep_link.issue", "partner", partner_id)
    return link.expires_at


def holder(partner_id: UUID) -> Actor:
    """Return who acts with the link of a partner: nobody who is signed in, for this partner alone."""
    return Actor(role=Role.ANONYMOUS, partner_id=partner_id, presents=partner_id)


async def holds(session: AsyncSession, code_hash: bytes) -> UUID:
    """Return whose link this is; raises NotFound for one that never was, and for one that is over."""
    found: UUID | None = await session.scalar(
        select(UpkeepLink.partner_id)
        .join(Partner, Partner.id == UpkeepLink.partner_id)
        .where(UpkeepLink.code_hash == code_hash, Partner.active)
    )
    if found is None:
        raise NotFound
    return found


async def look(session: AsyncSession, code_hash: bytes, now: datetime) -> UpkeepPage:
    """Return what the holder of a link sees; writes nothing. Raises NotFound. Three statements."""
    today = local_day(now)
    row = (
        await session.execute(
            select(
                UpkeepLink.expires_at,
                Partner.correspondence_language,
                Partner.hidden_because,
                PartnerDocumentRow.public,
                PartnerDocumentRow.state,
                Upkeep.progress,
            )
            .join(Partner, Partner.id == UpkeepLink.partner_id)
            .join(PartnerDocumentRow, PartnerDocumentRow.id == Partner.id)
            .outerjoin(Upkeep, Upkeep.entry_id == Partner.id)
            .where(UpkeepLink.code_hash == code_hash, UpkeepLink.expires_at > now, Partner.active)
        )
    ).one_or_none()
    if row is None or (row.state is not PublicationState.PUBLISHED and row.hidden_because is None):
        raise NotFound
    partner = partner_decoder.decode(row.public)
    stale = row.hidden_because is not None
    shown = [EntryShown(entry=partner, freshness=freshness(partner, today, row.progress), hidden=stale)]
    services = await session.execute(
        select(ServiceDocumentRow.public, Service.hidden_because, Upkeep.progress)
        .join(Service, Service.id == ServiceDocumentRow.id)
        .outerjoin(Upkeep, Upkeep.entry_id == Service.id)
        .where(
            ServiceDocumentRow.partner_id == partner.id,
            (Service.state == PublicationState.PUBLISHED) | Service.hidden_because.is_not(None),
        )
        .order_by(ServiceDocumentRow.due_at, ServiceDocumentRow.id)
        .limit(MOST_SHOWN)
    )
    for found in services:
        service = service_decoder.decode(found.public)
        shown.append(
            EntryShown(
                entry=service,
                freshness=freshness(service, today, found.progress),
                hidden=stale or found.hidden_because is not None,
            )
        )
    return UpkeepPage(
        partner=partner,
        letters_in=row.correspondence_language,
        expires_at=row.expires_at,
        entries=tuple(sorted(shown, key=lambda one: not (one.due or one.hidden))),
    )


async def assure(work: Work, code_hash: bytes, versions: Mapping[UUID, int]) -> tuple[UUID, ...]:
    """Say that these entries (by id, in the version that was shown) are right; return which.

    The partner's own entry comes first: what was hidden with it is there again. Raises NotFound for a link
    that is over and for an entry that is not its partner's, StaleVersion.
    """
    partner_id = await holds(work.session, code_hash)
    if work.actor != holder(partner_id):
        raise NotFound
    for entry_id in sorted(versions, key=lambda id_: id_ != partner_id):
        if entry_id == partner_id:
            await assure_partner(work, entry_id, expected_version=versions[entry_id])
            await work.session.flush()
            continue
        await _require_own(work, partner_id, entry_id)
        await assure_service(work, entry_id, expected_version=versions[entry_id])
    return tuple(versions)


async def _require_own(work: Work, partner_id: UUID, service_id: UUID) -> None:
    owner = await work.session.scalar(select(Service.partner_id).where(Service.id == service_id))
    if owner != partner_id:
        raise NotFound


class Said(Value, frozen=True, kw_only=True):
    """What became of what the holder of a link said: whether room counts at once, what was proposed."""

    capacity: bool
    proposed: tuple[ChangeRequestView, ...]


async def say(
    work: Work,
    code_hash: bytes,
    entry_id: UUID,
    *,
    capacity: Capacity | None = None,
    expected_version: int,
    suggestions: Sequence[Suggestion] = (),
) -> Said:
    """Take what the holder of a link says about an entry: room counts at once, the rest is proposed.

    What says the same as the entry is no proposal. Raises NotFound, InvalidInput, StaleVersion.
    """
    partner_id = await holds(work.session, code_hash)
    if work.actor != holder(partner_id):
        raise NotFound
    service_id = None if entry_id == partner_id else entry_id
    if service_id is not None:
        await _require_own(work, partner_id, service_id)
        if capacity is not None:
            await set_capacity(work, service_id, capacity, expected_version=expected_version)
    proposed = []
    for suggestion in suggestions:
        made = await corrections.propose_for(
            work, partner_id, service_id, suggestion, ChangeSource.PARTNER, unchanged_is_nothing=True
        )
        if made is not None:
            proposed.append(made)
    return Said(capacity=capacity is not None and service_id is not None, proposed=tuple(proposed))
