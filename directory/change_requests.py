"""Change requests: what speaks against an entry, put before whoever keeps it (Änderungsvorschläge).

They come from what happens (referrals that are declined, websites that do not answer), from the partner
through its link, and from anybody (``corrections``), and change no entry by themselves. Its partner or the
coordination decides, with a reason; whoever brings the field up to date has thereby accepted what proposes no
value of its own. Of who suggested something nothing is kept.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import ColumnElement, case, func, select, text, true, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.database import Work
from directory.models import ChangeRequest, Location, Partner, Service
from directory.paging import check_size, cursor_of, place_of
from directory.policy import EntryFacts, require_change_service
from directory.problems import InvalidInput, NotFound, NotSignedIn, StaleVersion
from directory.sources import Page
from directory.values import Instant, Value
from directory.vocabulary import (
    ChangeDecision,
    ChangeField,
    ChangeReason,
    ChangeRequestState,
    ChangeSource,
    PublicationState,
)

MOST: Final = 100
"""Largest page of requests."""


class ChangeRequestView(Value, frozen=True, kw_only=True):
    """A change request as its partner and the coordination read it."""

    id: UUID
    partner_id: UUID
    service_id: UUID | None
    target_id: UUID
    source: ChangeSource
    field: ChangeField
    proposed: dict[str, str] | None
    before: dict[str, str] | None
    remark: str | None
    reason: ChangeReason
    times: int
    state: ChangeRequestState
    opened_at: Instant
    last_at: Instant
    decided_at: Instant | None
    decided_by: UUID | None
    decision_reason: ChangeDecision | None
    version: int


def _view(row: ChangeRequest) -> ChangeRequestView:
    return ChangeRequestView(**{name: getattr(row, name) for name in ChangeRequestView.__struct_fields__})


async def last_decision(session: AsyncSession, service_id: UUID, field: ChangeField) -> datetime | None:
    """Return when a request about this field was last decided on; what came before it counts no more."""
    return await session.scalar(
        select(func.max(ChangeRequest.decided_at)).where(
            ChangeRequest.service_id == service_id, ChangeRequest.field == field
        )
    )


class Proposal(Value, frozen=True, kw_only=True):
    """What is said to be wrong with an entry: of which partner, service (None: the partner's own entry).

    ``target``: the service, the partner or the location. ``proposed`` and ``before``: the value as named
    texts, None where only the field is named.
    """

    partner_id: UUID
    target: UUID
    field: ChangeField
    reason: ChangeReason
    source: ChangeSource
    service_id: UUID | None = None
    proposed: dict[str, str] | None = None
    before: dict[str, str] | None = None
    remark: str | None = None

    @property
    def digest(self) -> bytes:
        """What two proposals of the same value have in common; empty without a value."""
        if self.proposed is None:
            return b""
        return hashlib.sha256(msgspec.json.encode(self.proposed, order="deterministic")).digest()


async def open_request(
    work: Work, service_id: UUID, field: ChangeField, reason: ChangeReason, *, times: int
) -> ChangeRequestView:
    """Open a request, or bring the one that is open up to date; the same again changes nothing.

    ``times``: how often it happened since the last decision. Raises NotFound for an unknown service.
    """
    partner_id = await work.session.scalar(select(Service.partner_id).where(Service.id == service_id))
    if partner_id is None:
        raise NotFound
    proposal = Proposal(
        partner_id=partner_id,
        target=service_id,
        service_id=service_id,
        field=field,
        reason=reason,
        source=ChangeSource.DECLINE,
    )
    return await propose(work, proposal, times=times)


async def propose(work: Work, proposal: Proposal, *, times: int | None = None) -> ChangeRequestView:
    """Open a request for a proposal, or count it again where the same one is open; see :class:`Proposal`.

    ``times``: how often it happened in all; None: once more.
    """
    counted = ChangeRequest.times + 1 if times is None else func.greatest(ChangeRequest.times, times)
    more = true() if times is None else ChangeRequest.times < times
    opened = insert(ChangeRequest).values(
        id=uuid4(),
        partner_id=proposal.partner_id,
        service_id=proposal.service_id,
        target_id=proposal.target,
        source=proposal.source,
        proposed=proposal.proposed,
        before=proposal.before,
        remark=proposal.remark,
        digest=proposal.digest,
        field=proposal.field,
        reason=proposal.reason,
        times=times or 1,
        state=ChangeRequestState.OPEN,
        opened_at=work.now,
        last_at=work.now,
        version=1,
    )
    row = (
        await work.session.scalars(
            opened.on_conflict_do_update(
                index_elements=[ChangeRequest.target_id, ChangeRequest.field, ChangeRequest.digest],
                index_where=text("state = 'OPEN'"),
                set_={
                    "times": counted,
                    "last_at": case((more, work.now), else_=ChangeRequest.last_at),
                    "version": ChangeRequest.version + case((more, 1), else_=0),
                },
            ).returning(ChangeRequest),
            execution_options={"populate_existing": True},
        )
    ).one()
    field, reason = proposal.field, proposal.reason
    work.record("change_request.open", "change_request", row.id, {"field": field, "reason": reason})
    return _view(row)


async def view_change_request(session: AsyncSession, actor: Actor, id_: UUID) -> ChangeRequestView | None:
    """Return one request to whoever keeps the entry; None for everybody else (row-level security)."""
    if not actor.signed_in:
        return None
    row = await session.get(ChangeRequest, id_)
    return None if row is None else _view(row)


async def list_change_requests(
    session: AsyncSession,
    actor: Actor,
    *,
    state: ChangeRequestState | None = ChangeRequestState.OPEN,
    source: ChangeSource | None = None,
    field: ChangeField | None = None,
    partner_id: UUID | None = None,
    first: int = 20,
    after: str | None = None,
    with_total: bool = False,
) -> Page[ChangeRequestView]:
    """Return a page of the requests that this actor decides on, the latest first; ``state`` None: all.

    For a partner its own, for the coordination those of its municipality. One statement, two with the total.
    Raises InvalidInput for a wrong cursor or page size.
    """
    if not actor.signed_in:
        raise NotSignedIn
    check_size(first, MOST)
    wanted = (
        (ChangeRequest.state, state),
        (ChangeRequest.source, source),
        (ChangeRequest.field, field),
        (ChangeRequest.partner_id, partner_id),
    )
    conditions = [column == value for column, value in wanted if value is not None]
    paged = list(conditions)
    if after is not None:
        moment, last = place_of(after)
        paged.append(tuple_(ChangeRequest.last_at, ChangeRequest.id) < tuple_(moment, last))
    rows = list(
        await session.scalars(
            select(ChangeRequest)
            .where(*paged)
            .order_by(ChangeRequest.last_at.desc(), ChangeRequest.id.desc())
            .limit(first + 1)
        )
    )
    total = None
    if with_total:
        total = await session.scalar(select(func.count()).select_from(ChangeRequest).where(*conditions))
    shown = tuple(_view(row) for row in rows[:first])
    return Page(
        nodes=shown,
        cursors=tuple(cursor_of(view.last_at, view.id) for view in shown),
        has_next=len(rows) > first,
        total=total,
    )


async def decide_change_request(
    work: Work, id_: UUID, *, expected_version: int, accept: bool, reason: ChangeDecision
) -> ChangeRequestView:
    """Accept or reject a request; the entry itself is changed by whoever keeps it, as ever.

    Raises NotFound, StaleVersion, InvalidInput when it was decided already or the reason contradicts.
    """
    request = await deciding(work, id_)
    if request.version != expected_version:
        raise StaleVersion(request.version)
    if request.state is not ChangeRequestState.OPEN:
        raise InvalidInput("id", "decided-already")
    if accept is not (reason is ChangeDecision.ENTRY_UPDATED):
        raise InvalidInput("reason", "contradicts-decision")
    request.state = ChangeRequestState.ACCEPTED if accept else ChangeRequestState.REJECTED
    request.decided_at = work.now
    request.decided_by = work.actor.member_id
    request.decision_reason = reason
    request.remark = None
    request.version += 1
    await work.session.flush()
    work.record("change_request.decide", "change_request", id_, {"state": request.state, "reason": reason})
    return _view(request)


async def deciding(work: Work, id_: UUID) -> ChangeRequest:
    """Return a request that the actor may decide on, locked until the work ends.

    Raises NotFound, NotSignedIn, NotAllowed.
    """
    found = (
        await work.session.execute(
            select(ChangeRequest, Partner)
            .join(Partner, Partner.id == ChangeRequest.partner_id)
            .where(ChangeRequest.id == id_)
            .with_for_update(of=ChangeRequest)
            .execution_options(populate_existing=True)
        )
    ).one_or_none()
    if found is None:
        if not work.actor.signed_in:
            raise NotSignedIn
        raise NotFound
    request, partner = found
    # who keeps the entry decides; for everybody else there is no request, whatever state its entry is in
    entry = EntryFacts(
        partner_id=partner.id, municipality_id=partner.municipality_id, state=PublicationState.HIDDEN
    )
    require_change_service(work.actor, entry)
    return request


async def settle(work: Work, service_id: UUID, field: ChangeField) -> None:
    """Accept what speaks against this field and proposes no value: the entry was just brought up to date."""
    await work.session.execute(
        update(ChangeRequest)
        .where(
            ChangeRequest.target_id == service_id,
            ChangeRequest.digest == b"",
            ChangeRequest.field == field,
            ChangeRequest.state == ChangeRequestState.OPEN,
        )
        .values(
            state=ChangeRequestState.ACCEPTED,
            decided_at=work.now,
            decided_by=work.actor.member_id,
            decision_reason=ChangeDecision.ENTRY_UPDATED,
            remark=None,
            version=ChangeRequest.version + 1,
        )
        .execution_options(synchronize_session=False)
    )


# --- When an entry ends -------------------------------------------------------------------------------------

_OPEN: Final = ChangeRequest.state == ChangeRequestState.OPEN


async def follow_service(work: Work, merged_id: UUID, survivor_id: UUID) -> None:
    """Let what is open about a service that was merged be open about the survivor of the same partner.

    What is open there already counts both together. That the merged one does not exist any more is true now,
    and says nothing about the survivor: it is settled.
    """
    found = list(
        await work.session.scalars(
            select(ChangeRequest)
            .where(ChangeRequest.service_id.in_([merged_id, survivor_id]), _OPEN)
            .order_by(ChangeRequest.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )
    there = {(row.field, row.digest): row for row in found if row.target_id == survivor_id}
    for row in found:
        if row.service_id != merged_id:
            continue
        twin = there.get((row.field, row.digest))
        if row.target_id != merged_id:  # about a place, which stays what it is
            row.service_id = survivor_id
        elif twin is None and row.field is not ChangeField.EXISTENCE:
            row.service_id = row.target_id = survivor_id
        else:
            if twin is not None and row.field is not ChangeField.EXISTENCE:
                twin.times += row.times
                twin.last_at = max(twin.last_at, row.last_at)
                twin.version += 1
            continue
        row.version += 1
    await work.session.flush()
    await _settle_ended(work, ChangeRequest.service_id == merged_id)


async def follow_partner(work: Work, from_id: UUID, to_id: UUID) -> None:
    """Let what is open about services and places of a partner come with those that have moved to another."""
    moved = update(ChangeRequest).execution_options(synchronize_session=False)
    moved = moved.where(ChangeRequest.partner_id == from_id, _OPEN)
    moved = moved.values(partner_id=to_id, version=ChangeRequest.version + 1)
    await work.session.flush()
    await work.session.execute(
        moved.where(ChangeRequest.service_id == Service.id, Service.partner_id == to_id)
    )
    await work.session.execute(
        moved.where(
            ChangeRequest.service_id.is_(None),
            ChangeRequest.target_id == Location.id,
            Location.partner_id == to_id,
        )
    )


async def settle_service(work: Work, service_id: UUID) -> None:
    """Settle what is open about a service that has ended."""
    await _settle_ended(work, ChangeRequest.service_id == service_id)


async def settle_partner(work: Work, partner_id: UUID) -> None:
    """Settle what is open about a partner that has ended, and about all that has ended with it."""
    await _settle_ended(work, ChangeRequest.partner_id == partner_id)


async def _settle_ended(work: Work, which: ColumnElement[bool]) -> None:
    """Reject what is open because its entry has ended; nobody has decided on it, so nobody is named."""
    settled = await work.session.scalars(
        update(ChangeRequest)
        .where(which, _OPEN)
        .values(
            state=ChangeRequestState.REJECTED,
            decided_at=work.now,
            decision_reason=ChangeDecision.ENTRY_ENDED,
            remark=None,
            version=ChangeRequest.version + 1,
        )
        .returning(ChangeRequest.id)
        .execution_options(synchronize_session=False)
    )
    said = {"state": ChangeRequestState.REJECTED, "reason": ChangeDecision.ENTRY_ENDED}
    for id_ in settled:
        work.record("change_request.decide", "change_request", id_, said)
