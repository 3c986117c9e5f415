"""How entries end and come back: restoring an old version, merging two entries, deleting one.

An entry that ends keeps its row, for the sake of what refers to it, and loses its document: nobody finds it,
the change feed says so with a tombstone, nothing new can begin at it (the database refuses that). Its id
leads on to the entry it was merged into (``directory.aliases``). Restoring takes an end back.

Merging, and why it moves so little. A consent names its recipient: one organisation, one controller. So no
merging may let somebody read what was consented to another:

- Two services are merged within one partner only. Who reads what does not change, so referrals and bookings
  move with them, open ones too.
- Two partners are merged within one municipality. What belongs to the directory moves: services and places.
  What belongs to persons does not: members, clients, consents, referrals and bookings stay with the row of
  the partner that ends. Its members go on reading what was closed there, until it is deleted in its time;
  nobody at the survivor does. What is under way cannot stay where nobody will look, so nothing may be under
  way: open referrals and bookings, consents in force and clients of the partner that ends refuse the merging
  and are named, so that they are ended or handed over first, each in its own way.
- A partner with members is merged by a lead only, who says that both are the same legal body; and even then
  no member is moved. Who works for the survivor is added there by who administers it.

What is open about an entry's fields (``change_requests``) is about nobody: it goes where the entry goes,
and is settled where an entry ends for good. That it is another one than one that looks like it
(``not_duplicates``) is forgotten with it.

To undo a merging is to restore the entry that ended: it comes back hidden, under its own id, and of a partner
the services and places that had moved come back with it, unless something is under way there.

This room does not know of referrals: whoever ends or brings back an entry says through a :class:`Guard` what
stands against it, and moves what leads to it (``referrals.merging``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import joinedload

from directory import checking as check
from directory import history
from directory.actors import Role
from directory.catalogue import (
    MOST_LOCATIONS,
    LocationDraft,
    PartnerChange,
    Saved,
    ServiceChange,
    change_partner,
    change_service,
    partner_facts,
    raise_services_at,
)
from directory.change_requests import follow_partner, follow_service, settle_partner, settle_service
from directory.database import Work
from directory.documents import DocumentKind
from directory.models import (
    EntryAlias,
    EntryVersion,
    Json,
    Location,
    Member,
    Partner,
    Service,
    ServiceLocation,
    Word,
)
from directory.not_duplicates import drop_not_duplicates
from directory.policy import (
    EntryFacts,
    require_change_partner,
    require_change_service,
    require_end_entry,
    require_end_staffed_partner,
)
from directory.problems import InvalidInput, NotFound, StaleVersion
from directory.values import CourseFacts, CourseRun
from directory.vocabulary import PublicationState


class Guard(Protocol):
    """What the exchange says to the end of an entry, within the same work."""

    async def require_nothing_open_at(self, work: Work, services: Sequence[UUID]) -> None:
        """Refuse with a Problem while referrals or bookings are open at one of these services."""

    async def require_nothing_open_with(self, work: Work, partner_id: UUID) -> None:
        """Refuse with a Problem while anything about persons is under way at this partner."""

    async def move(self, work: Work, merged_id: UUID, survivor_id: UUID) -> None:
        """Let referrals and bookings of a service lead to another one of the same partner."""


_NOT_RESTORED: Final = frozenset({"capacity"})
"""How much room there is now is not what it was then; nor are a run's places (``_with_places_of``).

An old version has a publication state too. It does not come back either: what is published is decided for
what stands there now, so that restoring an old text neither publishes nor hides anything.
"""

MOVED: Final = "service.move"
"""The action with which history tells that a service went to another partner."""

_C = TypeVar("_C", PartnerChange, ServiceChange)


async def _locked_partner(work: Work, id_: UUID) -> Partner:
    """Return a partner, ended or not, locked against everything that would refer to it anew."""
    partner = await work.session.get(Partner, id_, with_for_update=True, populate_existing=True)
    if partner is None:
        raise NotFound
    return partner


async def _locked_service(work: Work, id_: UUID) -> Service:
    service: Service | None = await work.session.scalar(
        select(Service)
        .where(Service.id == id_)
        .options(joinedload(Service.partner, innerjoin=True))
        .with_for_update(of=Service)
        .execution_options(populate_existing=True)
    )
    if service is None:
        raise NotFound
    return service


def _facts(service: Service) -> EntryFacts:
    return EntryFacts(
        partner_id=service.partner_id, municipality_id=service.partner.municipality_id, state=service.state
    )


def _expect(entry: Partner | Service, expected: int) -> None:
    if entry.version != expected:
        raise StaleVersion(entry.version)


def _raised(work: Work, entry: Partner | Service, kind: DocumentKind) -> Saved:
    entry.version += 1
    entry.updated_at = work.now
    work.touch_document(kind, entry.id)
    return Saved(entry.id, entry.version)


@asynccontextmanager
async def seeing_everything(work: Work) -> AsyncIterator[None]:
    """Look at rows of all offices within this work: only to learn *whether* something stands against an end.

    A Problem raised within ends the whole work anyway.
    """
    become = text("SELECT set_config('app.role', :role, true)")
    await work.session.flush()
    await work.session.execute(become, {"role": Role.SYSTEM.value})
    yield
    await work.session.execute(become, {"role": work.actor.role.value})


def checked_reason(given: str) -> str:
    """Return why somebody merges, deletes or restores: one line; it stands in the history."""
    return check.short_text(given, "reason")


# --- Restoring ------------------------------------------------------------------------------------------


def change_to(model: type[Partner] | type[Service], change: type[_C], snapshot: Mapping[str, Any]) -> _C:
    """Return the change that makes an entry say again what a snapshot says. Pure.

    A field that the snapshot does not have had no value then. Raises InvalidInput for a snapshot that this
    release cannot read any more.
    """
    columns = model.__table__.columns
    given: dict[str, Any] = {}
    for name in change.__struct_fields__:
        stored = snapshot.get(name)
        if name in _NOT_RESTORED:
            continue
        if name in {"topics", "location_ids"}:
            given[name] = stored or ()
        elif name in columns and stored is None:
            given[name] = None if columns[name].nullable else UNSET
        elif name in columns:
            type_ = columns[name].type
            try:
                if isinstance(type_, Json):
                    stored = msgspec.convert(stored, type=type_.value_type)
                elif isinstance(type_, Word):
                    stored = type_.enum(stored)
            except (msgspec.ValidationError, ValueError):
                raise InvalidInput("version", "not-restorable") from None
            given[name] = tuple(stored) if isinstance(stored, list) else stored
    return change(**given)


async def restore_partner(
    work: Work, id_: UUID, version: int, *, expected_version: int, guard: Guard, reason: str | None = None
) -> Saved:
    """Make a partner's entry say again what it said in this version; return it with its new version.

    Whether it is published stays; places of then come back or say again what they said, those that came
    later stay. One that was merged or deleted comes back hidden; that is the coordination's to do. Raises
    NotFound, NotSignedIn, NotAllowed, StaleVersion, InvalidInput.
    """
    partner = await _locked_partner(work, id_)
    ended = partner.ended_at is not None
    (require_end_entry if ended else require_change_partner)(work.actor, partner_facts(partner))
    _expect(partner, expected_version)
    view = await history.entry_version(work.session, work.actor, DocumentKind.PARTNER, id_, version)
    if partner.ended_at is not None:
        ended_at, survivor_id = partner.ended_at, await _revive(work, partner)
        if survivor_id is not None:
            await _take_back(work, partner, survivor_id, ended_at, view.snapshot, guard)
    change = change_to(Partner, PartnerChange, view.snapshot)
    change = msgspec.structs.replace(
        change,
        # the coordination's fields: who may not change them may restore the rest
        kind=UNSET if change.kind is partner.kind else change.kind,
        active=UNSET if change.active is partner.active else change.active,
    )
    saved = await change_partner(work, id_, change, expected_version=expected_version)
    moved = await _restore_places(work, id_, view.snapshot.get("locations", []))
    if saved.version == expected_version and (moved or ended):
        saved = _raised(work, partner, DocumentKind.PARTNER)
    if saved.version != expected_version:
        work.touch_document(DocumentKind.PARTNER, id_)
        work.record("partner.restore", "partner", id_, {"version": str(view.version)})
        work.explain(id_, _because(view.version, reason))
    return saved


def _because(version: int, reason: str | None) -> str:
    said = f": {checked_reason(reason)}" if reason is not None and reason.strip() else ""
    return f"version {version}{said}"


async def _revive(work: Work, entry: Partner | Service) -> UUID | None:
    """Take the end of an entry back: who keeps it finds it again; return what it had been merged into."""
    entry.ended_at = None
    entry.state = PublicationState.HIDDEN
    await work.session.flush()
    survivor: UUID | None = await work.session.scalar(
        delete(EntryAlias).where(EntryAlias.id == entry.id).returning(EntryAlias.survivor_id)
    )
    return survivor


async def _take_back(
    work: Work,
    partner: Partner,
    survivor_id: UUID,
    ended_at: datetime,
    snapshot: Mapping[str, Any],
    guard: Guard,
) -> None:
    """Bring services and places back that had moved with the merging of ``ended_at``."""
    survivor = await _locked_partner(work, survivor_id)
    services = await work.session.scalars(
        select(Service)
        .join(
            EntryVersion,
            (EntryVersion.id == Service.id)
            & (EntryVersion.kind == DocumentKind.SERVICE.value)
            & (EntryVersion.action == MOVED)
            & (EntryVersion.at == ended_at),
        )
        .where(Service.partner_id == survivor_id)
        .order_by(Service.id)
        .with_for_update(of=Service)
    )
    back = list(services)
    await guard.require_nothing_open_at(work, [service.id for service in back])
    for service in back:
        service.partner_id = partner.id
        _raised(work, service, DocumentKind.SERVICE)
        work.record(MOVED, "service", service.id, {"from": str(survivor_id), "to": str(partner.id)})
    places = [UUID(place["id"]) for place in snapshot.get("locations", [])]
    mine = select(Location.id).where(Location.partner_id == survivor_id, Location.id.in_(places))
    others = await work.session.scalars(
        select(ServiceLocation.service_id)
        .join(Service, Service.id == ServiceLocation.service_id)
        .where(ServiceLocation.location_id.in_(mine), Service.partner_id == survivor_id)
        .distinct()
    )
    for service_id in sorted(set(others) - {service.id for service in back}):
        # offered there since, by the survivor: its place is no longer the survivor's
        await work.session.execute(
            delete(ServiceLocation)
            .where(ServiceLocation.service_id == service_id, ServiceLocation.location_id.in_(mine))
            .execution_options(synchronize_session=False)
        )
        _raised(work, await _locked_service(work, service_id), DocumentKind.SERVICE)
    await work.session.execute(
        update(Location)
        .where(Location.partner_id == survivor_id, Location.id.in_(places))
        .values(partner_id=partner.id)
        .execution_options(synchronize_session=False)
    )
    _raised(work, survivor, DocumentKind.PARTNER)
    await follow_partner(work, survivor_id, partner.id)


async def _restore_places(work: Work, partner_id: UUID, places: list[dict[str, Any]]) -> bool:
    """Bring places of then back, or to what they said; return whether anything changed."""
    there = {
        place.id: place
        for place in await work.session.scalars(
            select(Location).where(
                (Location.partner_id == partner_id) | Location.id.in_([UUID(p["id"]) for p in places])
            )
        )
    }
    changed = False
    mine = sum(place.partner_id == partner_id for place in there.values())
    for said in places:
        id_ = UUID(said["id"])
        values = {
            name: said.get(name, {} if name == "accessibility" else None)
            for name in LocationDraft.__struct_fields__
        }
        hours = Location.__table__.c.hours.type
        assert isinstance(hours, Json)  # noqa: S101 - tells the type checker only
        values["hours"] = (
            None if values["hours"] is None else msgspec.convert(values["hours"], hours.value_type)
        )
        place = there.get(id_)
        if place is None:
            mine += 1
            if mine > MOST_LOCATIONS:
                raise InvalidInput("version", "too-many", maximum=str(MOST_LOCATIONS))
            work.session.add(Location(id=id_, partner_id=partner_id, **values))
            changed = True
        elif place.partner_id == partner_id and any(getattr(place, n) != v for n, v in values.items()):
            for name, value in values.items():
                setattr(place, name, value)
            await raise_services_at(work, id_)
            changed = True
    return changed


async def restore_service(
    work: Work, id_: UUID, version: int, *, expected_version: int, guard: Guard, reason: str | None = None
) -> Saved:
    """Make a service's entry say again what it said in this version; return it with its new version.

    Whether it is published and how much room it has (``capacity``, the places of a course's runs) stay as
    they are: neither is content, and an old figure is not a new one. Places that are gone stay away. One that
    was merged or deleted comes back hidden; one that belonged to another partner then goes back to it:
    both are the coordination's to do. Raises NotFound, NotSignedIn, NotAllowed, StaleVersion, InvalidInput
    ("ended" when its partner has ended).
    """
    service = await _locked_service(work, id_)
    ended = service.ended_at is not None
    (require_end_entry if ended else require_change_service)(work.actor, _facts(service))
    _expect(service, expected_version)
    view = await history.entry_version(work.session, work.actor, DocumentKind.SERVICE, id_, version)
    if ended:
        await _revive(work, service)
        await _require_partner(work, service)
    returned = await _give_back(work, service, UUID(view.snapshot["partner_id"]), guard)
    change = change_to(Service, ServiceChange, view.snapshot)
    if isinstance(change.course, CourseFacts):
        change = msgspec.structs.replace(change, course=_with_places_of(service.course, change.course))
    known = set(
        await work.session.scalars(
            select(Location.id).where(
                Location.partner_id == service.partner_id,
                Location.id.in_([UUID(str(i)) for i in change.location_ids or ()]),
            )
        )
    )
    kept = [UUID(str(i)) for i in change.location_ids or () if UUID(str(i)) in known]
    change = msgspec.structs.replace(change, location_ids=kept)
    saved = await change_service(work, id_, change, expected_version=expected_version)
    if saved.version == expected_version and (ended or returned):
        saved = _raised(work, service, DocumentKind.SERVICE)
    if saved.version != expected_version:
        work.record("service.restore", "service", id_, {"version": str(view.version)})
        work.explain(id_, _because(view.version, reason))
    return saved


def _with_places_of(now: CourseFacts | None, then: CourseFacts) -> CourseFacts:
    """Return the facts of a course as they were, with the places that its runs have now. Pure.

    A run is the same while its days are. How many places a run had that is not held any more says nothing of
    one that is planned anew: then it is not known.
    """
    here = {(run.starts_on, run.ends_on): run for run in (now.runs if now is not None else ())}
    runs = []
    for run in then.runs:
        same = here.get((run.starts_on, run.ends_on), CourseRun())
        runs.append(msgspec.structs.replace(run, places=same.places, full=same.full))
    return msgspec.structs.replace(then, runs=tuple(runs))


async def _require_partner(work: Work, service: Service) -> None:
    """Refuse to bring a service back whose partner has ended: the partner comes first."""
    if service.partner.ended_at is not None:
        raise InvalidInput("id", "partner-ended")


async def _give_back(work: Work, service: Service, partner_id: UUID, guard: Guard) -> bool:
    """Return a service to the partner whose it was then, in the same municipality; whether it moved."""
    if service.partner_id == partner_id:
        return False
    require_end_entry(work.actor, _facts(service))
    await guard.require_nothing_open_at(work, [service.id])
    owner = await _locked_partner(work, partner_id)
    if owner.ended_at is not None or owner.municipality_id != service.partner.municipality_id:
        raise InvalidInput("version", "partner-ended")
    before, service.partner_id = service.partner_id, partner_id
    await follow_partner(work, before, partner_id)
    await work.session.refresh(service, ["partner"])
    return True


# --- Merging --------------------------------------------------------------------------------------------


async def _alias(work: Work, kind: DocumentKind, merged: UUID, survivor: UUID) -> None:
    """Let the old id lead to the survivor, and all that led to the old one: one step, never a chain."""
    await work.session.execute(
        update(EntryAlias)
        .where(EntryAlias.survivor_id == merged)
        .values(survivor_id=survivor)
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        insert(EntryAlias).values(id=merged, kind=kind.value, survivor_id=survivor, merged_at=work.now)
    )


def _end(work: Work, entry: Partner | Service, kind: DocumentKind) -> Saved:
    entry.ended_at = work.now
    entry.state = PublicationState.HIDDEN
    return _raised(work, entry, kind)


async def merge_services(
    work: Work,
    survivor_id: UUID,
    merged_id: UUID,
    *,
    expected_version: int,
    merged_expected_version: int,
    guard: Guard,
    reason: str,
) -> Saved:
    """Merge a service into another of the same partner; return the survivor, which says what it said before.

    For the coordination. Raises NotFound, NotSignedIn, NotAllowed, StaleVersion, InvalidInput, and what
    the guard raises.
    """
    reason = checked_reason(reason)
    if survivor_id == merged_id:
        raise InvalidInput("mergedId", "same-entry")
    found = {id_: await _locked_service(work, id_) for id_ in sorted({survivor_id, merged_id})}
    survivor, merged = found[survivor_id], found[merged_id]
    for service in (survivor, merged):
        if service.ended_at is not None:
            raise NotFound
        require_end_entry(work.actor, _facts(service))
    _expect(survivor, expected_version)
    _expect(merged, merged_expected_version)
    if survivor.partner_id != merged.partner_id:
        raise InvalidInput("mergedId", "other-partner")
    _end(work, merged, DocumentKind.SERVICE)
    saved = _raised(work, survivor, DocumentKind.SERVICE)
    await _alias(work, DocumentKind.SERVICE, merged_id, survivor_id)
    await guard.move(work, merged_id, survivor_id)
    await follow_service(work, merged_id, survivor_id)
    await drop_not_duplicates(work, [merged_id])
    for service, other in ((survivor, merged), (merged, survivor)):
        action = "service.merge" if service is survivor else "service.merged_into"
        work.record(action, "service", service.id, {"other": str(other.id)})
        work.explain(service.id, reason)
    return saved


async def merge_partners(
    work: Work,
    survivor_id: UUID,
    merged_id: UUID,
    *,
    expected_version: int,
    merged_expected_version: int,
    guard: Guard,
    reason: str,
    same_legal_body: bool = False,
) -> Saved:
    """Merge a partner into another of the municipality: its services and places move, its members do not.

    For the coordination; where the merged one has members for a lead, with ``same_legal_body``. Raises
    NotFound, NotSignedIn, NotAllowed, StaleVersion, InvalidInput, and what the guard raises.
    """
    reason = checked_reason(reason)
    if survivor_id == merged_id:
        raise InvalidInput("mergedId", "same-entry")
    found = {id_: await _locked_partner(work, id_) for id_ in sorted({survivor_id, merged_id})}
    survivor, merged = found[survivor_id], found[merged_id]
    for partner in (survivor, merged):
        if partner.ended_at is not None:
            raise NotFound
        require_end_entry(work.actor, partner_facts(partner))
    _expect(survivor, expected_version)
    _expect(merged, merged_expected_version)
    if survivor.municipality_id != merged.municipality_id:
        raise InvalidInput("mergedId", "other-municipality")
    if merged.coordinates:
        raise InvalidInput("mergedId", "coordination")
    if not survivor.active:
        raise InvalidInput("survivorId", "partner-inactive")
    await _require_lead_where_staffed(work, merged, same_legal_body)
    await guard.require_nothing_open_with(work, merged_id)
    await _move_services(work, merged_id, survivor_id)
    _end(work, merged, DocumentKind.PARTNER)
    saved = _raised(work, survivor, DocumentKind.PARTNER)
    await _alias(work, DocumentKind.PARTNER, merged_id, survivor_id)
    await follow_partner(work, merged_id, survivor_id)
    await settle_partner(work, merged_id)
    await drop_not_duplicates(work, [merged_id])
    for partner, other in ((survivor, merged), (merged, survivor)):
        action = "partner.merge" if partner is survivor else "partner.merged_into"
        work.record(action, "partner", partner.id, {"other": str(other.id)})
        work.explain(partner.id, reason)
    return saved


async def _require_lead_where_staffed(work: Work, partner: Partner, same_legal_body: bool | None) -> None:
    async with seeing_everything(work):
        staffed = await work.session.scalar(
            select(func.count()).select_from(Member).where(Member.partner_id == partner.id, Member.active)
        )
    if staffed:
        require_end_staffed_partner(work.actor, partner_facts(partner))
        if same_legal_body is False:
            raise InvalidInput("sameLegalBody", "required")


async def _move_services(work: Work, merged_id: UUID, survivor_id: UUID) -> None:
    places = await work.session.scalar(
        select(func.count()).select_from(Location).where(Location.partner_id.in_([merged_id, survivor_id]))
    )
    if (places or 0) > MOST_LOCATIONS:
        raise InvalidInput("mergedId", "too-many", maximum=str(MOST_LOCATIONS))
    await work.session.execute(
        update(Location)
        .where(Location.partner_id == merged_id)
        .values(partner_id=survivor_id)
        .execution_options(synchronize_session=False)
    )
    # ended ones too: whoever restores one finds it where its partner went
    theirs = select(Service.id).where(Service.partner_id == merged_id).order_by(Service.id).with_for_update()
    moved = await work.session.scalars(
        update(Service)
        .where(Service.id.in_(theirs))
        .values(partner_id=survivor_id, version=Service.version + 1, updated_at=work.now)
        .returning(Service.id)
        .execution_options(synchronize_session=False)
    )
    for service_id in moved:
        work.touch_service(service_id)
        work.record(MOVED, "service", service_id, {"from": str(merged_id), "to": str(survivor_id)})


# --- Deleting -------------------------------------------------------------------------------------------


async def delete_service(work: Work, id_: UUID, *, expected_version: int, guard: Guard, reason: str) -> Saved:
    """Delete a service from the directory; return its id and last version, which its tombstone carries.

    For the coordination. Raises NotFound, NotSignedIn, NotAllowed, StaleVersion, InvalidInput, and what the
    guard raises.
    """
    reason = checked_reason(reason)
    service = await _locked_service(work, id_)
    if service.ended_at is not None:
        raise NotFound
    require_end_entry(work.actor, _facts(service))
    _expect(service, expected_version)
    await guard.require_nothing_open_at(work, [id_])
    work.record("service.delete", "service", id_)
    work.explain(id_, reason)
    await settle_service(work, id_)
    await drop_not_duplicates(work, [id_])
    return _end(work, service, DocumentKind.SERVICE)


async def delete_partner(work: Work, id_: UUID, *, expected_version: int, guard: Guard, reason: str) -> Saved:
    """Delete a partner and its services from the directory; return its id and last version.

    For the coordination, one with members for a lead. Raises NotFound,
    NotSignedIn, NotAllowed, StaleVersion, InvalidInput, and what the guard raises.
    """
    reason = checked_reason(reason)
    partner = await _locked_partner(work, id_)
    if partner.ended_at is not None:
        raise NotFound
    require_end_entry(work.actor, partner_facts(partner))
    _expect(partner, expected_version)
    if partner.coordinates:
        raise InvalidInput("id", "coordination")
    await _require_lead_where_staffed(work, partner, None)
    await guard.require_nothing_open_with(work, id_)
    theirs = (
        select(Service.id)
        .where(Service.partner_id == id_, Service.ended_at.is_(None))
        .order_by(Service.id)
        .with_for_update()
    )
    ended = await work.session.scalars(
        update(Service)
        .where(Service.id.in_(theirs))
        .values(
            ended_at=work.now,
            state=PublicationState.HIDDEN,
            version=Service.version + 1,
            updated_at=work.now,
        )
        .returning(Service.id)
        .execution_options(synchronize_session=False)
    )
    gone = list(ended)
    for service_id in gone:
        work.touch_service(service_id)
        work.record("service.delete", "service", service_id, {"with": str(id_)})
        work.explain(service_id, reason)
    work.record("partner.delete", "partner", id_)
    work.explain(id_, reason)
    await settle_partner(work, id_)
    await drop_not_duplicates(work, [id_, *gone])
    return _end(work, partner, DocumentKind.PARTNER)
