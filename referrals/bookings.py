"""Interpreter bookings: language, time, place, topic, wish; no name before the confirmation.

REQUESTED to CONFIRMED to DONE, NO_SHOW or CANCELLED. Only who has confirmed reads the name, and only then can
know the person: declining is possible up to the appointment, no reason is asked, stored or told, and it looks
like every other. That nobody is confirmed twice at a time is a rule of the database (``booking_no_overlap``).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import Text, cast, exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.database import Work, seen
from directory.models import Partner, Service, Topic
from directory.paging import check_size, cursor_of, place_of
from directory.problems import InvalidInput, NotFound, StaleVersion
from directory.values import Instant, LanguageTag, ShortText, TopicCode, Value
from directory.vocabulary import InterpretingMode, PublicationState, ServiceKind
from referrals.clients import display_name
from referrals.models import Booking, BookingPerson, Client
from referrals.notices import tell_of_booking
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import Place
from referrals.policy import (
    BookingFacts,
    ClientFacts,
    answer_booking,
    change_booking,
    change_client,
    must_work_with_people,
    see_booked_person,
    see_booking,
)
from referrals.problems import BookingTooLate, TransitionNotAllowed
from referrals.values import Identity
from referrals.vocabulary import BookingState, GenderWish, LateReason

MOST: Final = 100
SHORTEST: Final = 15
LONGEST: Final = 600
"""Minutes that an appointment may take."""

FARTHEST: Final = timedelta(days=366)
"""How far ahead an appointment may lie."""


class BookingMove(StrEnum):
    """What can be done with a booking."""

    CONFIRM = "CONFIRM"
    DECLINE = "DECLINE"
    CANCEL = "CANCEL"
    COMPLETE = "COMPLETE"
    NO_SHOW = "NO_SHOW"


TABLE: Final[dict[tuple[BookingState, BookingMove], BookingState]] = {
    (BookingState.REQUESTED, BookingMove.CONFIRM): BookingState.CONFIRMED,
    (BookingState.REQUESTED, BookingMove.DECLINE): BookingState.DECLINED,
    (BookingState.REQUESTED, BookingMove.CANCEL): BookingState.CANCELLED,
    (BookingState.CONFIRMED, BookingMove.DECLINE): BookingState.DECLINED,
    (BookingState.CONFIRMED, BookingMove.CANCEL): BookingState.CANCELLED,
    (BookingState.CONFIRMED, BookingMove.COMPLETE): BookingState.DONE,
    (BookingState.CONFIRMED, BookingMove.NO_SHOW): BookingState.NO_SHOW,
}
"""The whole table: what is not here is not allowed."""

OF_REQUESTER: Final = frozenset({BookingMove.CANCEL, BookingMove.COMPLETE, BookingMove.NO_SHOW})
OF_RECIPIENT: Final = frozenset(BookingMove)


def allowed_moves(state: BookingState, *, recipient: bool) -> tuple[BookingMove, ...]:
    """Return what a side can do in this state."""
    own = OF_RECIPIENT if recipient else OF_REQUESTER
    return tuple(move for move in BookingMove if move in own and (state, move) in TABLE)


class BookingGiven(Value, frozen=True, kw_only=True):
    """What is booked. ``client_id``: hand the name over once it is confirmed, if the person agreed to that.

    ``late_reason``: ask although the service wants to be asked earlier.
    ``place`` is where the appointment is (an office, a link), read before the confirmation too: no names.
    """

    service_id: UUID
    language: LanguageTag
    mode: InterpretingMode
    starts_at: Instant
    minutes: int
    variety: ShortText | None = None
    place: ShortText | None = None
    topic: TopicCode | None = None
    gender_wish: GenderWish = GenderWish.NONE
    late_reason: LateReason | None = None
    client_id: UUID | None = None
    person_agreed: bool = False


class BookingView(Value, frozen=True, kw_only=True):
    """A booking as both sides see it; for whom it is stands in ``view_booked_person``."""

    id: UUID
    version: int
    state: BookingState
    allowed: tuple[BookingMove, ...]
    requester_partner_id: UUID
    recipient_partner_id: UUID
    service_id: UUID
    language: str
    variety: str | None
    mode: InterpretingMode
    starts_at: Instant
    minutes: int
    place: str | None
    topic: str | None
    gender_wish: GenderWish
    interpreter: str | None
    late_reason: LateReason | None = None
    requester_member_id: UUID | None = None
    recipient_member_id: UUID | None = None
    created_at: Instant
    updated_at: Instant

    @property
    def cursor(self) -> str:
        """Where this booking stands in a list, for the next page."""
        return cursor_of(self.starts_at, self.id)


class BookingPage(Value, frozen=True, kw_only=True):
    """A page of bookings by appointment, earliest first; ``total`` is counted only when it was asked for."""

    items: tuple[BookingView, ...]
    has_next: bool
    total: int | None = None


def _facts(booking: Booking) -> BookingFacts:
    return BookingFacts(
        requester_partner_id=booking.requester_partner_id,
        recipient_partner_id=booking.recipient_partner_id,
        state=booking.state,
    )


def _view(booking: Booking, actor: Actor) -> BookingView:
    requests = actor.partner_id == booking.requester_partner_id
    answers = actor.partner_id == booking.recipient_partner_id
    return BookingView(
        id=booking.id,
        version=booking.version,
        state=booking.state,
        allowed=allowed_moves(booking.state, recipient=answers),
        requester_partner_id=booking.requester_partner_id,
        recipient_partner_id=booking.recipient_partner_id,
        service_id=booking.service_id,
        language=booking.language,
        variety=booking.variety,
        mode=booking.mode,
        starts_at=booking.starts_at,
        minutes=booking.minutes,
        place=booking.place,
        topic=booking.topic,
        gender_wish=booking.gender_wish,
        interpreter=booking.interpreter,
        late_reason=booking.late_reason,
        requester_member_id=booking.requester_member_id if requests else None,
        recipient_member_id=booking.recipient_member_id if answers else None,
        created_at=booking.created_at,
        updated_at=booking.updated_at,
    )


async def request_booking(work: Work, keys: KeyStore, given: BookingGiven) -> BookingView:
    """Ask an interpreting service for an appointment; nothing about the person but language, topic and wish.

    Raises InvalidInput for what cannot be booked, NotFound for a foreign client, and BookingTooLate when the
    service wants to be asked earlier and no reason is given why it is asked all the same.
    """
    must_work_with_people(work.actor)
    if given.starts_at <= work.now:
        raise InvalidInput("startsAt", "in-the-past")
    if given.starts_at > work.now + FARTHEST:
        raise InvalidInput("startsAt", "too-late", maximum=(work.now + FARTHEST).date().isoformat())
    if not SHORTEST <= given.minutes <= LONGEST:
        if given.minutes > LONGEST:
            raise InvalidInput("minutes", "too-large", maximum=str(LONGEST))
        raise InvalidInput("minutes", "too-small", minimum=str(SHORTEST))
    row = (
        await work.session.execute(
            select(Service, Partner, exists().where(Topic.code == (given.topic or "")))
            .join(Partner, Partner.id == Service.partner_id)
            .where(Service.id == given.service_id)
        )
    ).one_or_none()
    if (
        row is None
        or row[0].state is not PublicationState.PUBLISHED
        or row[1].state is not PublicationState.PUBLISHED
    ):
        raise InvalidInput("serviceId", "not-published")
    service, partner, topic_known = row
    if not partner.active:
        raise InvalidInput("serviceId", "partner-inactive")
    if service.kind is not ServiceKind.LANGUAGE_MEDIATION and service.interpreting is None:
        raise InvalidInput("serviceId", "not-interpreting")
    _check_offer(service, given)
    late = _too_late(service, given.starts_at, work.now)
    if late is not None and given.late_reason is None:
        raise late
    if given.topic is not None and not topic_known:
        raise InvalidInput("topic", "unknown-value")
    booking = Booking(
        id=uuid4(),
        requester_partner_id=work.actor.partner_id,
        requester_member_id=work.actor.member_id,
        service_id=service.id,
        recipient_partner_id=partner.id,
        state=BookingState.REQUESTED,
        language=given.language,
        variety=given.variety,
        mode=given.mode,
        starts_at=given.starts_at,
        minutes=given.minutes,
        place=given.place,
        topic=given.topic,
        gender_wish=given.gender_wish,
        late_reason=given.late_reason if late else None,
        version=1,
        created_at=work.now,
        updated_at=work.now,
    )
    work.session.add(booking)
    await work.session.flush()
    work.record("booking.request", "booking", booking.id)
    await tell_of_booking(work, booking)
    if given.client_id is not None:
        if not given.person_agreed:
            raise InvalidInput("personAgreed", "required")
        await _name(work, keys, booking.id, given.client_id)
    return _view(booking, work.actor)


def _check_offer(service: Service, given: BookingGiven) -> None:
    """Refuse a language or way that the service does not offer, where it says what it offers."""
    if service.interpreting is None:
        return
    primary = given.language.partition("-")[0]
    offered = {entry.language.partition("-")[0] for entry in service.interpreting.languages}
    if offered and primary not in offered:
        raise InvalidInput("language", "not-offered")
    if service.interpreting.modes and given.mode not in service.interpreting.modes:
        raise InvalidInput("mode", "not-offered")


def _too_late(service: Service, starts_at: datetime, now: datetime) -> BookingTooLate | None:
    """Return that the service wants to be asked earlier, or None."""
    facts = service.interpreting
    if facts is None or not facts.lead_time_hours:
        return None
    earliest = now + timedelta(hours=facts.lead_time_hours)
    return BookingTooLate(earliest) if starts_at < earliest else None


async def hand_over_name(
    work: Work, keys: KeyStore, booking_id: UUID, client_id: UUID, *, person_agreed: bool
) -> None:
    """Say for whom the interpreter is booked; the interpreter's organisation reads it while CONFIRMED.

    For the requester, once the person has agreed. Raises NotFound, NotAllowed, InvalidInput.
    """
    booking = await _hold(work, booking_id)
    change_booking(work.actor, _facts(booking))
    if not person_agreed:
        raise InvalidInput("personAgreed", "required")
    if booking.state not in {BookingState.REQUESTED, BookingState.CONFIRMED}:
        raise TransitionNotAllowed(booking.state, allowed_moves(booking.state, recipient=False))
    there = exists().where(BookingPerson.booking_id == booking_id)
    if (await work.session.execute(select(there))).scalar():
        raise InvalidInput("clientId", "duplicate")
    await _name(work, keys, booking_id, client_id)


async def _name(work: Work, keys: KeyStore, booking_id: UUID, client_id: UUID) -> None:
    client = await work.session.get(Client, client_id)
    if client is None:
        raise NotFound
    change_client(
        work.actor,
        ClientFacts(
            partner_id=client.partner_id, responsible_id=client.responsible_id, deputy_id=client.deputy_id
        ),
    )
    key = await keys.of(client_id)
    if client.sealed_identity is None:
        raise InvalidInput("clientId", "required")
    identity = key.open_value(client.sealed_identity, Identity, Place("client", "sealed_identity", client_id))
    work.session.add(
        BookingPerson(
            booking_id=booking_id,
            client_id=client_id,
            sealed_name=key.seal(display_name(identity).encode(), _place(booking_id)),
        )
    )
    await work.session.flush()
    work.record("booking.name", "booking", booking_id, {"person_agreed": "yes"})


def _place(booking_id: UUID) -> Place:
    return Place("booking_person", "sealed_name", booking_id)


async def _hold(work: Work, booking_id: UUID) -> Booking:
    must_work_with_people(work.actor)
    booking = await work.session.get(Booking, booking_id, with_for_update=True, populate_existing=True)
    if booking is None:
        raise NotFound
    see_booking(work.actor, _facts(booking))
    return booking


async def _move(work: Work, booking: Booking, expected_version: int, move: BookingMove) -> None:
    recipient = work.actor.partner_id == booking.recipient_partner_id
    if booking.version != expected_version:
        raise StaleVersion(booking.version)
    target = TABLE.get((booking.state, move))
    if target is None:
        raise TransitionNotAllowed(booking.state, allowed_moves(booking.state, recipient=recipient))
    booking.state = target
    booking.version += 1
    booking.updated_at = work.now
    if recipient:
        booking.recipient_member_id = work.actor.member_id
    await work.session.flush()
    work.record(f"booking.{move.value.lower()}", "booking", booking.id)
    await tell_of_booking(work, booking)


async def confirm_booking(
    work: Work, booking_id: UUID, expected_version: int, *, interpreter: str | None = None
) -> BookingView:
    """Move from REQUESTED to CONFIRMED, by the interpreter's organisation.

    ``interpreter``: who will come, if the organisation has several; nobody is confirmed for two appointments
    that overlap, for whichever of its services, and a service that names nobody counts as one interpreter.
    Parallel confirmations of an organisation wait for each other. Raises InvalidInput("interpreter",
    "overlap").
    """
    booking = await _hold(work, booking_id)
    answer_booking(work.actor, _facts(booking))
    named = " ".join((interpreter or "").split())
    if len(named) > 200:
        raise InvalidInput("interpreter", "too-long", maximum="200")
    if booking.version != expected_version:
        raise StaleVersion(booking.version)
    if booking.state is BookingState.REQUESTED:
        if booking.starts_at + timedelta(minutes=booking.minutes) <= work.now:
            raise InvalidInput("startsAt", "in-the-past")
        # One confirmation of an organisation at a time: the check below then sees every other one.
        await work.session.execute(
            select(Partner.id)
            .where(Partner.id == booking.recipient_partner_id)
            .with_for_update(key_share=True)
        )
        if await _taken(work, booking, named):
            raise InvalidInput("interpreter", "overlap")
        booking.interpreter = named or None
    await _move(work, booking, expected_version, BookingMove.CONFIRM)
    return _view(booking, work.actor)


async def _taken(work: Work, booking: Booking, interpreter: str) -> bool:
    ends_at = booking.starts_at + timedelta(minutes=booking.minutes)
    other_end = Booking.starts_at + func.make_interval(0, 0, 0, 0, 0, Booking.minutes)
    # as the constraint ``booking_no_overlap`` tells interpreters apart
    who = func.coalesce(func.lower(Booking.interpreter), cast(Booking.service_id, Text))
    found = await work.session.execute(
        select(
            exists().where(
                Booking.recipient_partner_id == booking.recipient_partner_id,
                Booking.id != booking.id,
                Booking.state == BookingState.CONFIRMED,
                who == (func.lower(interpreter) if interpreter else str(booking.service_id)),
                Booking.starts_at < ends_at,
                other_end > booking.starts_at,
            )
        )
    )
    return bool(found.scalar())


async def decline_booking(work: Work, booking_id: UUID, expected_version: int) -> BookingView:
    """Move from REQUESTED or CONFIRMED to DECLINED, up to the appointment; no reason is asked, none is told.

    The name is hidden again at once. Who was to come is forgotten, so that nothing tells why: to know the
    person is known after the confirmation only, and then this is what is done about it.
    """
    booking = await _hold(work, booking_id)
    answer_booking(work.actor, _facts(booking))
    if booking.state is BookingState.CONFIRMED and booking.starts_at <= work.now:
        raise InvalidInput("startsAt", "in-the-past")
    if booking.version == expected_version:
        booking.interpreter = None
    await _move(work, booking, expected_version, BookingMove.DECLINE)
    return _view(booking, work.actor)


async def cancel_booking(work: Work, booking_id: UUID, expected_version: int) -> BookingView:
    """Move from REQUESTED or CONFIRMED to CANCELLED, by either side."""
    booking = await _hold(work, booking_id)
    await _move(work, booking, expected_version, BookingMove.CANCEL)
    return _view(booking, work.actor)


async def finish_booking(
    work: Work, booking_id: UUID, expected_version: int, *, no_show: bool = False
) -> BookingView:
    """Move from CONFIRMED to DONE, or to NO_SHOW when the person did not come; either side, afterwards."""
    booking = await _hold(work, booking_id)
    if booking.state is BookingState.CONFIRMED and booking.starts_at > work.now:
        raise InvalidInput("startsAt", "in-the-future")
    await _move(work, booking, expected_version, BookingMove.NO_SHOW if no_show else BookingMove.COMPLETE)
    return _view(booking, work.actor)


# --- Reading ----------------------------------------------------------------------------------------------


async def view_booking(session: AsyncSession, actor: Actor, booking_id: UUID) -> BookingView:
    """Return a booking to either side; NotFound to everybody else."""
    must_work_with_people(actor)
    booking = await session.get(Booking, booking_id, populate_existing=True)
    if booking is None:
        raise NotFound
    see_booking(actor, _facts(booking))
    return _view(booking, actor)


async def list_bookings(
    session: AsyncSession,
    actor: Actor,
    *,
    received: bool,
    states: Collection[BookingState] = (),
    first: int = 50,
    after: str | None = None,
    with_total: bool = False,
) -> BookingPage:
    """Return the bookings that the own organisation received, or asked for; earliest appointment first."""
    must_work_with_people(actor)
    check_size(first, MOST)
    own = Booking.recipient_partner_id if received else Booking.requester_partner_id
    statement = select(Booking).where(own == actor.partner_id)
    if states:
        statement = statement.where(Booking.state.in_(list(states)))
    total: int | None = None
    if with_total:
        total = await session.scalar(select(func.count()).select_from(statement.subquery()))
    if after is not None:
        starts_at, last = place_of(after)
        statement = statement.where(tuple_(Booking.starts_at, Booking.id) > tuple_(starts_at, last))
    rows = list(
        await session.scalars(
            statement.order_by(Booking.starts_at, Booking.id)
            .limit(first + 1)
            .execution_options(populate_existing=True)
        )
    )
    return BookingPage(
        items=tuple(_view(booking, actor) for booking in rows[:first]),
        has_next=len(rows) > first,
        total=total,
    )


async def view_booked_person(
    session: AsyncSession, actor: Actor, keys: KeyStore, booking_id: UUID
) -> str | None:
    """Return the name of the person; writes an audit row. None when no name was handed over.

    For the requester; for the interpreter's organisation while the booking is CONFIRMED, before and after
    that it is NotFound.
    """
    must_work_with_people(actor)
    booking = await session.get(Booking, booking_id, populate_existing=True)
    if booking is None:
        raise NotFound
    see_booked_person(actor, _facts(booking))
    person = await session.get(BookingPerson, booking_id, populate_existing=True)
    await seen(session, actor, "booking.person", "booking", [booking_id])
    if person is None:
        return None
    key = await keys.of(person.client_id)
    return key.open(person.sealed_name, _place(booking_id)).decode()
