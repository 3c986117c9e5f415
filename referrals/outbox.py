"""The outbox as it is sent: what is due, where it goes, whether anybody still needs it, what became of it.

Knows no mail server. Whoever sends claims a batch, which nobody else then touches until the claim is over;
sends, outside any transaction; and says what became of each. So what was sent when a process dies between
sending and saying so is sent again, with the same id, and nothing is lost. A notice that cannot even be read
is set aside (``troubles``) and stops no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from directory import contacts
from directory.actors import SYSTEM, Actor
from directory.database import Database, Unavailable, Work
from directory.models import MemberMailbox, Partner, Service
from directory.problems import InvalidInput
from directory.values import ContactPoint, Instant, Value
from directory.vocabulary import ContactKind
from referrals import troubles
from referrals.consent.consents import facts_of as consent_facts
from referrals.models import Approval, Booking, Consent, Notice, Referral
from referrals.moving import covered
from referrals.policy import must_work_with_people
from referrals.troubles import Due, Task
from referrals.vocabulary import (
    READABLE_STATES,
    UNSENT_STATES,
    Addressee,
    ApprovalState,
    BookingState,
    ConsentState,
    NoticeAbout,
    NoticeKind,
    NoticeState,
    ReferralState,
)

CLAIM: Final = timedelta(minutes=10)
"""How long a claimed notice belongs to whoever claimed it."""

BATCH: Final = 50
"""Notices that are claimed at once."""

PAUSES: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
)
"""How long to wait after the first, second … attempt that failed for now; the last one from then on."""

LONGEST_OUTAGE_PAUSE: Final = timedelta(minutes=15)
"""How long to wait at most while our own mail server is out of reach: it says nothing about the notice."""

GIVE_UP_AFTER: Final = timedelta(days=5)
"""A recipient's server that refuses "for now" (4xx) this long has refused (RFC 5321, 4.5.4.1)."""

LISTED: Final = 100
"""Notices in a list at most."""

_R: Final = ReferralState
NEEDED_IN: Final[Mapping[NoticeKind, frozenset[ReferralState]]] = {
    NoticeKind.REFERRAL_WAITS: frozenset({_R.SENT}),
    NoticeKind.ANSWER_LINK: frozenset({_R.SENT, _R.ACKNOWLEDGED, _R.INFO_REQUESTED, _R.WAITLISTED}),
    NoticeKind.ANSWER_DUE_HALF: frozenset({_R.SENT, _R.ACKNOWLEDGED}),
    NoticeKind.ANSWER_OVERDUE: frozenset({_R.SENT, _R.ACKNOWLEDGED}),
    NoticeKind.QUESTION_ASKED: frozenset({_R.INFO_REQUESTED}),
    NoticeKind.QUESTION_OPEN: frozenset({_R.INFO_REQUESTED}),
    NoticeKind.QUESTION_ANSWERED: frozenset({_R.ACKNOWLEDGED}),
    NoticeKind.GOES_ON: frozenset({_R.IN_PROGRESS}),
    NoticeKind.TAKEN_BACK: frozenset({_R.CANCELLED, _R.ENTERED_IN_ERROR}),
    NoticeKind.CONSENT_ENDED: frozenset({_R.CONSENT_REVOKED}),
    NoticeKind.REVOCATION_UNANSWERED: frozenset({_R.CONSENT_REVOKED}),
    NoticeKind.DRAFT_IDLE: UNSENT_STATES,
    NoticeKind.WAITING_LIST: frozenset({_R.WAITLISTED}),
    NoticeKind.FIRST_CONTACT: frozenset({_R.ACCEPTED}),
    NoticeKind.SIGN_OF_LIFE: frozenset({_R.IN_PROGRESS, _R.ON_HOLD}),
    NoticeKind.CONFIRM_OUTCOME: frozenset({_R.OUTCOME_REPORTED}),
    NoticeKind.EXPIRED_NO_ANSWER: frozenset({_R.EXPIRED}),
}
"""In which states of its referral a notice is still needed, as judged when it is sent; else in every one."""

CARRIES_LINK: Final = frozenset(
    {
        NoticeKind.REFERRAL_WAITS,
        NoticeKind.ANSWER_LINK,
        NoticeKind.ANSWER_DUE_HALF,
        NoticeKind.ANSWER_OVERDUE,
        NoticeKind.QUESTION_ANSWERED,
        NoticeKind.GOES_ON,
        NoticeKind.WAITING_LIST,
        NoticeKind.FIRST_CONTACT,
        NoticeKind.SIGN_OF_LIFE,
        NoticeKind.CONSENT_ENDED,
        NoticeKind.REVOCATION_UNANSWERED,
    }
)
"""What goes to a recipient with a one-time link to answer; the code is made at the moment of sending."""

CARRIES_UPKEEP: Final = frozenset(
    {
        NoticeKind.UPKEEP_DUE,
        NoticeKind.UPKEEP_REMINDER,
        NoticeKind.UPKEEP_ANNOUNCED,
        NoticeKind.UPKEEP_HIDDEN,
    }
)
"""What goes to a partner with a link to keep its entries; its code too is made at the moment of sending."""

BOOKING_STATE: Final[Mapping[NoticeKind, BookingState]] = {
    NoticeKind.BOOKING_REQUESTED: BookingState.REQUESTED,
    NoticeKind.BOOKING_CONFIRMED: BookingState.CONFIRMED,
    NoticeKind.BOOKING_DECLINED: BookingState.DECLINED,
    NoticeKind.BOOKING_CANCELLED: BookingState.CANCELLED,
}

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that can be taken for a digit."""


def reference_of(about_id: UUID) -> str:
    """Return the short reference by which two offices speak of a referral or booking on the phone.

    Made of the first 40 bits of its random id: the same everywhere, and it says nothing about anybody.

    >>> reference_of(UUID("12345678-9abc-4def-8123-456789abcdef"))
    '28T5-CY4T'
    """
    bits = about_id.int >> 88
    letters = "".join(_ALPHABET[(bits >> shift) & 31] for shift in range(35, -5, -5))
    return f"{letters[:4]}-{letters[4:]}"


class Claimed(Value, frozen=True, kw_only=True):
    """A notice that is to be sent now, with all that its text is made of.

    ``about_id`` is the referral's (or booking's, service's) id; ``asking``: name of the organisation on whose
    behalf it is sent, None for what comes from the exchange itself. ``answers``: it goes to the recipient of
    the referral ``about_id``, with a link to answer; ``keeps``: to the partner ``about_id``, with a link to
    keep its entries. ``attempt`` says which claim this is.
    """

    id: UUID
    attempt: int
    kind: NoticeKind
    addressee: Addressee
    partner_id: UUID
    about_kind: NoticeAbout
    about_id: UUID
    address: str
    language: str
    asking: str | None
    due_at: datetime | None
    created_at: datetime
    answers: bool = False
    keeps: bool = False


class Batch(Value, frozen=True, kw_only=True):
    """What is to be sent now; how many rows could be looked at, and how many were set aside."""

    claimed: tuple[Claimed, ...] = ()
    looked_at: int = 0
    set_aside: int = 0


class NoticeView(Value, frozen=True, kw_only=True):
    """A notice as the organisation that is told, or the one that waits, may see it."""

    id: UUID
    kind: NoticeKind
    addressee: Addressee
    state: NoticeState
    partner_id: UUID
    about_kind: NoticeAbout
    about_id: UUID
    at: Instant
    sent_at: Instant | None = None
    due_at: Instant | None = None


# --- Claiming -----------------------------------------------------------------------------------------------


class _Objects:
    """What a batch of notices is about, read in one statement per kind of object."""

    def __init__(self) -> None:
        self.referrals: dict[UUID, tuple[Referral, Consent | None]] = {}
        self.bookings: dict[UUID, Booking] = {}
        self.approvals: dict[UUID, Approval] = {}
        self.consents: dict[UUID, Consent] = {}
        self.services: dict[UUID, Service] = {}
        self.partners: dict[UUID, Partner] = {}
        self.mailboxes: dict[UUID, MemberMailbox] = {}


async def _objects(session: AsyncSession, notices: Sequence[Notice]) -> _Objects:
    found = _Objects()

    def about(kind: NoticeAbout) -> set[UUID]:
        return {notice.about_id for notice in notices if notice.about_kind is kind}

    fresh = {"populate_existing": True}
    if ids := about(NoticeAbout.APPROVAL):
        rows = await session.scalars(select(Approval).where(Approval.id.in_(ids)).execution_options(**fresh))
        found.approvals = {row.id: row for row in rows}
    referral_ids = about(NoticeAbout.REFERRAL) | {a.referral_id for a in found.approvals.values()}
    if referral_ids:
        joined = await session.execute(
            select(Referral, Consent)
            .outerjoin(Consent, Consent.id == Referral.consent_id)
            .where(Referral.id.in_(referral_ids))
            .execution_options(**fresh)
        )
        found.referrals = {row[0].id: (row[0], row[1]) for row in joined}
    if ids := about(NoticeAbout.BOOKING):
        bookings = await session.scalars(
            select(Booking).where(Booking.id.in_(ids)).execution_options(**fresh)
        )
        found.bookings = {row.id: row for row in bookings}
    if ids := about(NoticeAbout.CONSENT):
        consents = await session.scalars(
            select(Consent).where(Consent.id.in_(ids)).execution_options(**fresh)
        )
        found.consents = {row.id: row for row in consents}
    service_ids = (
        about(NoticeAbout.SERVICE)
        | {referral.service_id for referral, _ in found.referrals.values()}
        | {booking.service_id for booking in found.bookings.values()}
    )
    if service_ids:
        services = await session.scalars(
            select(Service).where(Service.id.in_(service_ids)).execution_options(**fresh)
        )
        found.services = {row.id: row for row in services}
    if ids := about(NoticeAbout.MEMBER):
        mailboxes = await session.scalars(
            select(MemberMailbox).where(MemberMailbox.member_id.in_(ids)).execution_options(**fresh)
        )
        found.mailboxes = {row.member_id: row for row in mailboxes}
    partner_ids = {notice.partner_id for notice in notices} | {
        notice.waiting_partner_id for notice in notices if notice.waiting_partner_id is not None
    }
    partners = await session.scalars(
        select(Partner).where(Partner.id.in_(partner_ids)).execution_options(**fresh)
    )
    found.partners = {row.id: row for row in partners}
    return found


async def claim_batch(database: Database, *, limit: int = BATCH, for_long: timedelta = CLAIM) -> Batch:
    """Claim a batch of what is due, or if that fails one by one, and set aside what cannot be.

    Nothing looked at and nothing set aside: nothing is due. Raises Unavailable.
    """
    try:
        async with database.work(SYSTEM) as work:
            return await claim(work, Due(limit=limit), for_long=for_long)
    except Unavailable:
        raise
    except Exception as error:  # whatever it is, it must not keep everybody else's mail
        kind = troubles.kind_of(error)
        troubles.log.warning("a batch failed, now one by one", error=kind, tasks=[Task.NOTICE.value])
    async with database.view(SYSTEM) as session:
        ids = (await session.scalars(_due(database.clock(), Due(limit=limit)))).all()
    done = Batch()
    for id_ in ids:
        try:
            async with database.work(SYSTEM) as work:
                done = _both(done, await claim(work, Due(only=id_), for_long=for_long))
        except Unavailable:
            raise
        except Exception as error:
            if not troubles.passes(error):
                await troubles.set_aside(database, Task.NOTICE, id_, error)
                done = _both(done, Batch(set_aside=1))
    return done


async def claim_again(database: Database, *, for_long: timedelta = CLAIM) -> Batch:
    """Claim what was set aside and whose pause is over; what is not due any more is forgotten.

    Raises Unavailable.
    """
    done = Batch()
    for again in await troubles.claim(database, (Task.NOTICE,)):
        try:
            async with database.work(SYSTEM) as work:
                claimed = await claim(work, Due(only=again.about_id), for_long=for_long)
                await troubles.solved(work, again)
        except Unavailable:
            raise
        except Exception as error:
            troubles.failed_again(again, error)
        else:
            done = _both(done, claimed)
    return done


def _both(one: Batch, other: Batch) -> Batch:
    return Batch(
        claimed=one.claimed + other.claimed,
        looked_at=one.looked_at + other.looked_at,
        set_aside=one.set_aside + other.set_aside,
    )


def _due(at: datetime, which: Due) -> Select[UUID]:
    return (
        select(Notice.id)
        .where(
            Notice.state == NoticeState.PENDING, Notice.next_try_at <= at, which.of(Task.NOTICE, Notice.id)
        )
        .order_by(Notice.next_try_at, Notice.id)
        .limit(which.limit)
    )


async def claim(work: Work, which: Due, *, for_long: timedelta = CLAIM) -> Batch:
    """Claim what is due (for SYSTEM); return what is to be sent, and how many rows were looked at.

    Several processes never claim the same. What nobody needs any more is CANCELLED here, what has no address
    UNDELIVERABLE; both are among the rows looked at: none means that nothing is due.
    """
    # materialised: a plain subquery with LIMIT may be run more than once
    due = _due(work.now, which).with_for_update(skip_locked=True, of=Notice).cte("due")
    rows = await work.session.scalars(
        update(Notice)
        .where(Notice.id.in_(select(due.c.id)))
        .values(attempts=Notice.attempts + 1, next_try_at=work.now + for_long, updated_at=work.now)
        .returning(Notice)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    notices = sorted(rows, key=lambda notice: (notice.created_at, notice.id))
    if not notices:
        return Batch()
    found = await _objects(work.session, notices)
    claimed: list[Claimed] = []
    for notice in notices:
        address = _address(notice, found)
        if not _needed(notice, found, work.now):
            _decide(notice, NoticeState.CANCELLED, work.now)
        elif address is None:
            _decide(notice, NoticeState.UNDELIVERABLE, work.now)
        else:
            claimed.append(_claimed(notice, found, address))
    await work.session.flush()
    return Batch(claimed=tuple(claimed), looked_at=len(notices))


def _decide(notice: Notice, state: NoticeState, at: datetime) -> None:
    notice.state = state
    notice.next_try_at = None
    notice.updated_at = at


def _needed(notice: Notice, found: _Objects, at: datetime) -> bool:
    """Whether anybody still needs it: its object is still where the notice says it is."""
    match notice.about_kind:
        case NoticeAbout.REFERRAL:
            if notice.about_id not in found.referrals:
                return False
            referral, consent = found.referrals[notice.about_id]
            state = referral.state
            if state in READABLE_STATES and not covered(
                referral, consent_facts(consent) if consent else None, at
            ):
                state = ReferralState.CONSENT_REVOKED
            answered = state is ReferralState.CONSENT_REVOKED and referral.revocation_answer is not None
            return state in NEEDED_IN.get(notice.kind, frozenset(ReferralState)) and not (
                answered and notice.kind in NEEDED_IN
            )
        case NoticeAbout.BOOKING:
            booking = found.bookings.get(notice.about_id)
            return booking is not None and booking.state is BOOKING_STATE.get(notice.kind, booking.state)
        case NoticeAbout.APPROVAL:
            approval = found.approvals.get(notice.about_id)
            return (
                approval is not None and approval.state is ApprovalState.REQUESTED and at < approval.lapses_at
            )
        case NoticeAbout.CONSENT:
            asked = found.consents.get(notice.about_id)
            renewable = asked is not None and asked.state is ConsentState.GIVEN
            return asked is not None and (renewable or notice.kind is not NoticeKind.CONSENT_RENEWAL)
        case NoticeAbout.SERVICE:
            return notice.about_id in found.services
        case NoticeAbout.PARTNER:
            partner = found.partners.get(notice.partner_id)
            return partner is not None and partner.active
        case NoticeAbout.MEMBER:
            mailbox = found.mailboxes.get(notice.about_id)
            question = notice.kind is NoticeKind.MAILBOX_ASKED
            return mailbox is not None and (mailbox.confirmed_at is None) == question


_MAIL_IN_TEXT: Final = re.compile(r"[^\s<>()\[\],;:\"']+@[^\s<>()\[\],;:\"']+")


def _address(notice: Notice, found: _Objects) -> str | None:
    """Return where to write: the service's mail address, else the partner's; or its superior contact's.

    The superior contact is a free text ("Frau …, Tel. …"): the first mail address in it counts.
    """
    if notice.about_kind is NoticeAbout.MEMBER:
        mailbox = found.mailboxes.get(notice.about_id)
        return None if mailbox is None else _valid(mailbox.address)
    partner = found.partners.get(notice.partner_id)
    if partner is None:
        return None
    if notice.addressee is Addressee.SUPERIOR:
        for part in _MAIL_IN_TEXT.findall(partner.superior_contact or ""):
            if (address := _valid(part.rstrip("."))) is not None:
                return address
        return None
    service: Service | None = None
    if notice.addressee is Addressee.ORGANISATION:
        match notice.about_kind:
            case NoticeAbout.REFERRAL if notice.about_id in found.referrals:
                service = found.services.get(found.referrals[notice.about_id][0].service_id)
            case NoticeAbout.BOOKING if notice.about_id in found.bookings:
                service = found.services.get(found.bookings[notice.about_id].service_id)
            case NoticeAbout.SERVICE:
                service = found.services.get(notice.about_id)
    if service is not None and service.partner_id == partner.id:
        own = _first_mail(service.contact_points)
        if own is not None:
            return own
    return _first_mail(partner.contact_points)


def _first_mail(points: Sequence[ContactPoint]) -> str | None:
    for point in points:
        if point.kind is ContactKind.EMAIL and (address := _valid(point.value)) is not None:
            return address
    return None


def _valid(address: str) -> str | None:
    """Return a plausible address in its one form; what an import brought in may be none."""
    try:
        return contacts.mail(address, "value")
    except InvalidInput:
        return None


def _claimed(notice: Notice, found: _Objects, address: str) -> Claimed:
    about_id = notice.about_id
    if notice.about_kind is NoticeAbout.APPROVAL:
        about_id = found.approvals[about_id].referral_id
    asking = found.partners.get(notice.waiting_partner_id) if notice.waiting_partner_id else None
    partner = found.partners[notice.partner_id]
    mailbox = found.mailboxes.get(about_id) if notice.about_kind is NoticeAbout.MEMBER else None
    receives = (
        notice.about_kind is NoticeAbout.REFERRAL
        and notice.about_id in found.referrals
        and found.referrals[notice.about_id][0].recipient_partner_id == notice.partner_id
    )
    return Claimed(
        id=notice.id,
        attempt=notice.attempts,
        kind=notice.kind,
        addressee=notice.addressee,
        partner_id=notice.partner_id,
        about_kind=notice.about_kind,
        about_id=about_id,
        address=address,
        language=partner.correspondence_language if mailbox is None else mailbox.language,
        asking=asking.name if asking is not None else None,
        due_at=notice.due_at,
        created_at=notice.created_at,
        # who writes to a superior asks them to see to it; the link to answer is the office's alone
        answers=receives and notice.kind in CARRIES_LINK and notice.addressee is Addressee.ORGANISATION,
        keeps=notice.about_kind is NoticeAbout.PARTNER
        and notice.kind in CARRIES_UPKEEP
        and notice.about_id == notice.partner_id,
    )


async def still_to_send(session: AsyncSession, claimed: Claimed) -> bool:
    """Whether a claimed notice is still ours to send: it was neither cancelled nor claimed by another."""
    found = await session.scalar(
        select(Notice.id).where(
            Notice.id == claimed.id,
            Notice.state == NoticeState.PENDING,
            Notice.attempts == claimed.attempt,
        )
    )
    return found is not None


# --- What became of it --------------------------------------------------------------------------------------


async def _close(
    work: Work, claimed: Claimed, state: NoticeState, *, sent_at: datetime | None = None, code: int | None
) -> None:
    await work.session.execute(
        update(Notice)
        .where(
            Notice.id == claimed.id,
            Notice.attempts == claimed.attempt,
            # What was cancelled while it went out was sent all the same, and says so.
            or_(
                Notice.state == NoticeState.PENDING,
                and_(Notice.state == NoticeState.CANCELLED, literal(sent_at is not None)),
            ),
        )
        .values(state=state, next_try_at=None, sent_at=sent_at, reply_code=code, updated_at=work.now)
        .execution_options(synchronize_session=False)
    )


async def sent(work: Work, claimed: Claimed) -> None:
    """Say that the mail server took it."""
    await _close(work, claimed, NoticeState.SENT, sent_at=work.now, code=250)


async def bounced(work: Work, claimed: Claimed, code: int | None) -> None:
    """Say that it was refused for good; whoever waits for it has to phone."""
    await _close(work, claimed, NoticeState.BOUNCED, code=code)


async def without_mail(work: Work, claimed: Sequence[Claimed]) -> None:
    """Say that nothing was sent because this installation sends no mail."""
    for one in claimed:
        await _close(work, one, NoticeState.NOT_SENT_NO_MAIL, code=None)


async def again(work: Work, claimed: Claimed, code: int | None) -> bool:
    """Say that the recipient's server refused it for now: it is tried again later, for some days.

    Returns False, and changes nothing, when these days are over.
    """
    if work.now - claimed.created_at >= GIVE_UP_AFTER:
        return False
    await _put_off(work, claimed, PAUSES[min(claimed.attempt, len(PAUSES)) - 1], code)
    return True


async def out_of_reach(work: Work, claimed: Sequence[Claimed]) -> None:
    """Say that our own mail server did not answer: everything is tried again until it does."""
    for one in claimed:
        pause = min(PAUSES[min(one.attempt, len(PAUSES)) - 1], LONGEST_OUTAGE_PAUSE)
        await _put_off(work, one, pause, None)


async def release(work: Work, claimed: Sequence[Claimed]) -> None:
    """Give back what was claimed and not begun: it is due at once."""
    for one in claimed:
        await _put_off(work, one, timedelta(0), None)


async def _put_off(work: Work, claimed: Claimed, pause: timedelta, code: int | None) -> None:
    await work.session.execute(
        update(Notice)
        .where(
            Notice.id == claimed.id,
            Notice.attempts == claimed.attempt,
            Notice.state == NoticeState.PENDING,
        )
        .values(next_try_at=work.now + pause, reply_code=code, updated_at=work.now)
        .execution_options(synchronize_session=False)
    )


# --- Reading ------------------------------------------------------------------------------------------------


def _view(notice: Notice) -> NoticeView:
    return NoticeView(
        id=notice.id,
        kind=notice.kind,
        addressee=notice.addressee,
        state=notice.state,
        partner_id=notice.partner_id,
        about_kind=notice.about_kind,
        about_id=notice.about_id,
        at=notice.created_at,
        sent_at=notice.sent_at,
        due_at=notice.due_at,
    )


async def notices_about(
    session: AsyncSession, actor: Actor, about_ids: Sequence[UUID]
) -> dict[UUID, tuple[NoticeView, ...]]:
    """Return per object what the own organisation is told about it, and whether what it waits for arrived.

    Oldest first, the newest ``LISTED`` of each; one statement for all objects.
    """
    must_work_with_people(actor)
    place = func.row_number().over(partition_by=Notice.about_id, order_by=Notice.created_at.desc())
    placed = (
        select(Notice.id, place.label("place"))
        .where(
            Notice.about_id.in_(about_ids),
            or_(Notice.partner_id == actor.partner_id, Notice.waiting_partner_id == actor.partner_id),
        )
        .subquery()
    )
    rows = await session.scalars(
        select(Notice)
        .join(placed, placed.c.id == Notice.id)
        .where(placed.c.place <= LISTED)
        .order_by(Notice.created_at, Notice.id)
        .execution_options(populate_existing=True)
    )
    found: dict[UUID, list[NoticeView]] = {}
    for notice in rows:
        found.setdefault(notice.about_id, []).append(_view(notice))
    return {about_id: tuple(found.get(about_id, ())) for about_id in about_ids}


NOT_ARRIVED: Final = (NoticeState.UNDELIVERABLE, NoticeState.BOUNCED, NoticeState.NOT_SENT_NO_MAIL)
"""What became of a notice that nobody read: whoever waits has to phone."""


def _still_to_be_told() -> ColumnElement[bool]:
    """Whether the referral or booking of a notice is still where it says: ``_needed`` for a list."""
    of_referrals = [
        and_(Notice.kind == kind, Referral.state.in_(states)) for kind, states in NEEDED_IN.items()
    ]
    of_bookings = [and_(Notice.kind == kind, Booking.state == state) for kind, state in BOOKING_STATE.items()]
    return or_(
        Notice.kind.not_in([*NEEDED_IN, *BOOKING_STATE]),
        exists().where(
            Referral.id == Notice.about_id, Referral.revocation_answer.is_(None), or_(*of_referrals)
        ),
        exists().where(Booking.id == Notice.about_id, or_(*of_bookings)),
    )


async def list_not_arrived(
    session: AsyncSession, actor: Actor, *, first: int = LISTED
) -> tuple[NoticeView, ...]:
    """Return what the own organisation waits for and could not be delivered, newest first.

    What somebody has learned meanwhile, or nobody needs any more, is not among them.
    """
    must_work_with_people(actor)
    rows = await session.scalars(
        select(Notice)
        .where(
            Notice.waiting_partner_id == actor.partner_id, Notice.state.in_(NOT_ARRIVED), _still_to_be_told()
        )
        .order_by(Notice.created_at.desc(), Notice.id)
        .limit(max(1, min(first, LISTED)))
        .execution_options(populate_existing=True)
    )
    return tuple(_view(notice) for notice in rows)
