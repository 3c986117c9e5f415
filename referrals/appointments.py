"""Appointments of a recipient with the person: set, moved, cancelled, not kept; lists, and a calendar.

A no-show is an event and ends nothing. Where the person lets the recipient tell nothing, the sender knows of
the appointments before the work began only, and never what became of them (``referrals.reporting``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID, uuid4

import msgspec
from icalendar import Calendar, Event
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.database import Work
from directory.days import local_day
from directory.models import Location
from directory.paging import check_size
from directory.problems import InvalidInput, NotFound
from directory.values import Instant, ShortText, Value
from referrals.consent.consents import facts_of as consent_facts
from referrals.models import Appointment, ConsentPart, Referral
from referrals.moving import (
    Answered,
    Held,
    Moved,
    as_system,
    begin_note,
    checked_text,
    covered,
    depth_of,
    note_down,
    part_of_referral,
)
from referrals.noted import TAKEN, Noted
from referrals.personal_data.keystore import KeyStore
from referrals.policy import must_work_with_people
from referrals.vocabulary import (
    READABLE_STATES,
    AppointmentKind,
    AppointmentState,
    BringAlong,
    EventActor,
    ReportDepth,
    label,
)

AHEAD: Final = timedelta(days=2 * 366)
"""How far ahead an appointment may lie."""

MOST: Final = 200
"""Appointments in a list at most."""

LONGEST_PERIOD: Final = timedelta(days=100)
"""Of how many days appointments are listed at a time."""


class AppointmentGiven(Value, frozen=True, kw_only=True):
    """When, where and what for. ``location_id``: a place of the recipient in the directory; else ``place``.

    ``note``: what else the person should know; short, sealed, deleted with the package.
    """

    starts_at: Instant
    minutes: Annotated[int, msgspec.Meta(ge=5, le=600)] = 60
    kind: AppointmentKind = AppointmentKind.FIRST_CONTACT
    location_id: UUID | None = None
    place: ShortText | None = None
    bring: tuple[BringAlong, ...] = ()
    note: str | None = None


class AppointmentView(Value, frozen=True, kw_only=True):
    """An appointment as one side may see it; ``received``: the reader's organisation is the recipient."""

    id: UUID
    referral_id: UUID
    received: bool
    kind: AppointmentKind
    starts_at: Instant
    minutes: int
    location_id: UUID | None = None
    place: str | None = None
    bring: tuple[BringAlong, ...] = ()
    state: AppointmentState


# --- Setting, moving, cancelling ---------------------------------------------------------------------------


async def set_appointment(
    work: Work,
    keys: KeyStore,
    referral_id: UUID,
    expected_version: int,
    given: AppointmentGiven,
    *,
    answered: Answered | None = None,
) -> Moved:
    """Set an appointment with the person; the sender is told, as far as it may know.

    Raises InvalidInput for a moment that is past or too far ahead, and for a place of somebody else.
    """
    held = await begin_note(
        work, referral_id, expected_version, Noted.APPOINTMENT_SET, EventActor.RECIPIENT, answered
    )
    appointment = await _add(work, held, given)
    return await _note(work, keys, held, Noted.APPOINTMENT_SET, appointment, given.note, answered)


async def move_appointment(
    work: Work,
    keys: KeyStore,
    referral_id: UUID,
    expected_version: int,
    appointment_id: UUID,
    given: AppointmentGiven,
    *,
    answered: Answered | None = None,
) -> Moved:
    """Move an appointment that is planned, or was not kept: it gets a successor."""
    held = await begin_note(
        work, referral_id, expected_version, Noted.APPOINTMENT_MOVED, EventActor.RECIPIENT, answered
    )
    former = await _planned(work, held, appointment_id, also=AppointmentState.NO_SHOW)
    appointment = await _add(work, held, given)
    if former.state is AppointmentState.PLANNED:
        former.state = AppointmentState.MOVED
    if held.tells(Noted.APPOINTMENT_MOVED, EventActor.RECIPIENT, held.referral.state, work.now):
        former.sender_state = AppointmentState.MOVED
    former.successor_id = appointment.id
    former.updated_at = work.now
    return await _note(work, keys, held, Noted.APPOINTMENT_MOVED, appointment, given.note, answered)


async def cancel_appointment(
    work: Work,
    keys: KeyStore,
    referral_id: UUID,
    expected_version: int,
    appointment_id: UUID,
    *,
    answered: Answered | None = None,
) -> Moved:
    """Cancel an appointment that is planned; the referral goes on."""
    held = await begin_note(
        work, referral_id, expected_version, Noted.APPOINTMENT_CANCELLED, EventActor.RECIPIENT, answered
    )
    appointment = await _planned(work, held, appointment_id)
    appointment.state = AppointmentState.CANCELLED
    if held.tells(Noted.APPOINTMENT_CANCELLED, EventActor.RECIPIENT, held.referral.state, work.now):
        appointment.sender_state = AppointmentState.CANCELLED
    appointment.updated_at = work.now
    return await _note(work, keys, held, Noted.APPOINTMENT_CANCELLED, appointment, None, answered)


async def no_show(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    on: date,
    *,
    appointment_id: UUID | None = None,
    answered: Answered | None = None,
) -> Moved:
    """Note that the person did not come on that day; it is counted, and ends nothing."""
    held = await begin_note(
        work, referral_id, expected_version, Noted.NO_SHOW, EventActor.RECIPIENT, answered
    )
    if on > local_day(work.now):
        raise InvalidInput("on", "in-the-future")
    sent = held.referral.sent_at
    if sent is not None and on < local_day(sent):
        raise InvalidInput("on", "before-sending")
    facts = {"on": on.isoformat()}
    if appointment_id is not None:
        appointment = await _planned(work, held, appointment_id)
        if appointment.starts_at > work.now:
            raise InvalidInput("appointmentId", "in-the-future")
        appointment.state = AppointmentState.NO_SHOW
        if held.tells(Noted.NO_SHOW, EventActor.RECIPIENT, held.referral.state, work.now):
            appointment.sender_state = AppointmentState.NO_SHOW
        appointment.updated_at = work.now
        facts["appointment"] = str(appointment.id)
    return await note_down(
        work,
        held,
        Noted.NO_SHOW,
        EventActor.RECIPIENT,
        {
            "no_shows": held.referral.no_shows + 1,
            "appointment_at": await _next(work, held),
            **sign_of_life(work, held),
        },
        answered=answered,
        facts=facts,
        tell_other_side=True,
    )


def sign_of_life(work: Work, held: Held) -> dict[str, object]:
    """Return the change with which anything that the recipient notes counts as a sign of life."""
    return {"last_sign_of_life": local_day(work.now)} if held.referral.state in TAKEN else {}


async def _add(work: Work, held: Held, given: AppointmentGiven) -> Appointment:
    if given.starts_at.tzinfo is None:
        raise InvalidInput("startsAt", "wrong-type")
    if given.starts_at <= work.now:
        raise InvalidInput("startsAt", "in-the-past")
    if given.starts_at > work.now + AHEAD:
        raise InvalidInput("startsAt", "too-late", maximum=local_day(work.now + AHEAD).isoformat())
    if given.location_id is not None:
        if given.place is not None:
            raise InvalidInput("place", "location-given")
        there = await work.session.get(Location, given.location_id)
        if there is None or there.partner_id != held.referral.recipient_partner_id:
            raise InvalidInput("locationId", "not-offered")
    referral = held.referral
    appointment = Appointment(
        id=uuid4(),
        referral_id=referral.id,
        sender_partner_id=referral.sender_partner_id,
        recipient_partner_id=referral.recipient_partner_id,
        kind=given.kind,
        starts_at=given.starts_at,
        minutes=given.minutes,
        location_id=given.location_id,
        place=given.place,
        bring=tuple(dict.fromkeys(given.bring)),
        state=AppointmentState.PLANNED,
        told=held.tells(Noted.APPOINTMENT_SET, EventActor.RECIPIENT, referral.state, work.now),
        sender_state=AppointmentState.PLANNED,
        created_at=work.now,
        updated_at=work.now,
    )
    async with as_system(work):
        planned = await work.session.scalar(
            select(func.count()).select_from(Appointment).where(Appointment.referral_id == referral.id)
        )
    if planned is not None and planned >= MOST:
        raise InvalidInput("startsAt", "too-many", maximum=str(MOST))
    work.session.add(appointment)
    await work.session.flush()
    return appointment


async def _planned(
    work: Work, held: Held, appointment_id: UUID, *, also: AppointmentState = AppointmentState.PLANNED
) -> Appointment:
    """Return an appointment of this referral that can still change; a foreign one does not exist."""
    found = await work.session.get(Appointment, appointment_id, populate_existing=True)
    if found is None or found.referral_id != held.referral.id:
        raise NotFound
    if found.state not in {AppointmentState.PLANNED, also} or found.successor_id is not None:
        raise InvalidInput("appointmentId", "over")
    return found


async def _next(work: Work, held: Held) -> datetime | None:
    """Return when the next planned appointment is, whoever asks."""
    async with as_system(work):
        return (
            await work.session.execute(
                select(func.min(Appointment.starts_at)).where(
                    Appointment.referral_id == held.referral.id,
                    Appointment.state == AppointmentState.PLANNED,
                    Appointment.starts_at > work.now,
                )
            )
        ).scalar()


async def _note(
    work: Work,
    keys: KeyStore,
    held: Held,
    noted: Noted,
    appointment: Appointment,
    note: str | None,
    answered: Answered | None,
) -> Moved:
    text = checked_text(note, "note") if note is not None else None
    key = await keys.of(held.referral.client_id) if text else None
    return await note_down(
        work,
        held,
        noted,
        EventActor.RECIPIENT,
        {"appointment_at": await _next(work, held), **sign_of_life(work, held)},
        answered=answered,
        facts={
            "appointment": str(appointment.id),
            "appointmentKind": appointment.kind.value,
            "startsAt": appointment.starts_at.isoformat(),
        },
        note=(key, text) if key and text else None,
        tell_other_side=True,
    )


# --- Reading ------------------------------------------------------------------------------------------------


def _view(row: Appointment, actor: Actor, depth: ReportDepth) -> AppointmentView:
    received = row.recipient_partner_id == actor.partner_id
    # what the sender was not to know when it happened, it does not learn later either
    state = row.state if received else row.sender_state
    if not received and depth is not ReportDepth.OUTCOME and state is AppointmentState.NO_SHOW:
        # what became of it is what the person keeps from the sender
        state = AppointmentState.PLANNED
    return AppointmentView(
        id=row.id,
        referral_id=row.referral_id,
        received=received,
        kind=row.kind,
        starts_at=row.starts_at,
        minutes=row.minutes,
        location_id=row.location_id,
        place=row.place,
        bring=row.bring,
        state=state,
    )


async def list_appointments(
    session: AsyncSession, actor: Actor, referral_ids: Sequence[UUID], at: datetime
) -> dict[UUID, tuple[AppointmentView, ...]]:
    """Return the appointments of referrals, as far as this actor may know of them, in order of time."""
    rows = await session.execute(
        select(Appointment, Referral, ConsentPart)
        .join(Referral, Referral.id == Appointment.referral_id)
        .outerjoin(ConsentPart, part_of_referral())
        .where(
            Appointment.referral_id.in_(referral_ids),
            or_(
                Referral.sender_partner_id == actor.partner_id,
                Referral.recipient_partner_id == actor.partner_id,
            ),
        )
        .order_by(Appointment.starts_at, Appointment.id)
        .limit(MOST * max(1, len(referral_ids)))
        .execution_options(populate_existing=True)
    )
    found: dict[UUID, list[AppointmentView]] = {referral_id: [] for referral_id in referral_ids}
    for appointment, referral, consent in rows:
        view = _shown(appointment, referral, consent, actor, at)
        if view is not None:
            found[referral.id].append(view)
    return {referral_id: tuple(views) for referral_id, views in found.items()}


def _shown(
    appointment: Appointment, referral: Referral, consent: ConsentPart | None, actor: Actor, at: datetime
) -> AppointmentView | None:
    if referral.sender_partner_id == actor.partner_id and not appointment.told:
        return None
    return _view(appointment, actor, depth_of(consent, at))


async def appointments_between(
    session: AsyncSession, actor: Actor, start: datetime, end: datetime, at: datetime, *, first: int = MOST
) -> tuple[AppointmentView, ...]:
    """Return the planned appointments of the own organisation, on either side, in a period; bounded.

    Those of referrals that are over, or whose consent has ended, are not among them. Raises InvalidInput.
    """
    must_work_with_people(actor)
    for moment, field in ((start, "from"), (end, "to")):
        if moment.tzinfo is None:
            raise InvalidInput(field, "wrong-type")
    if end <= start:
        raise InvalidInput("to", "dates-order")
    if end - start > LONGEST_PERIOD:
        raise InvalidInput("to", "too-late", maximum=(start + LONGEST_PERIOD).date().isoformat())
    check_size(first, MOST)
    rows = await session.execute(
        select(Appointment, Referral, ConsentPart)
        .join(Referral, Referral.id == Appointment.referral_id)
        .outerjoin(ConsentPart, part_of_referral())
        .where(
            Appointment.starts_at >= start,
            Appointment.starts_at < end,
            or_(
                Appointment.sender_partner_id == actor.partner_id,
                Appointment.recipient_partner_id == actor.partner_id,
            ),
            Referral.state.in_(READABLE_STATES),
        )
        .order_by(Appointment.starts_at, Appointment.id)
        .limit(5 * MOST)
        .execution_options(populate_existing=True)
    )
    found: list[AppointmentView] = []
    for appointment, referral, consent in rows:
        if not covered(referral, consent_facts(consent) if consent else None, at):
            continue
        view = _shown(appointment, referral, consent, actor, at)
        if view is not None and view.state is AppointmentState.PLANNED:
            found.append(view)
    return tuple(found[:first])


async def places_of(session: AsyncSession, appointments: Iterable[AppointmentView]) -> dict[UUID, str]:
    """Return how the directory's places among these appointments are found: name, street, town."""
    wanted = {entry.location_id for entry in appointments if entry.location_id is not None}
    rows = await session.scalars(select(Location).where(Location.id.in_(wanted)))
    return {
        row.id: ", ".join(part for part in (row.name, row.street, row.postcode, row.city) if part)
        for row in rows
    }


def as_calendar(
    appointments: Iterable[AppointmentView], places: dict[UUID, str], language: str, at: datetime
) -> bytes:
    """Return appointments as iCalendar (RFC 5545): time, place of the directory, and the reference only.

    Nothing in it tells whom it is about; what was typed freely stays out.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Spurwechsel network//appointments//EN")
    calendar.add("version", "2.0")
    for entry in appointments:
        event = Event()
        event.add("uid", f"{entry.id}@spurwechsel")
        event.add("dtstamp", at)
        event.add("dtstart", entry.starts_at)
        event.add("dtend", entry.starts_at + timedelta(minutes=entry.minutes))
        event.add("summary", f"Spurwechsel: {label(entry.kind, language) or entry.kind.value}")
        event.add("description", f"{'Überleitung' if language == 'de' else 'Referral'} {entry.referral_id}")
        event.add("class", "CONFIDENTIAL")
        if entry.location_id is not None and entry.location_id in places:
            event.add("location", places[entry.location_id])
        calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written
