"""The outbox: what somebody is to be told by mail, promised in the transaction that makes it true.

A notice is a row of codes and ids: who is told what kind of thing about which referral, booking, approval,
consent or service, by when an answer is due. It holds no address, no text and nothing about a person; both
are made at the moment of sending (``graphapi.mailing``). So nothing is sent for what did not commit, and
what committed is sent at least once. Whom which move tells is data here: ``AFTER_MOVE``.

What is told about outcomes: a sender reads in its mail only that there is news, in the same words after
every answer; START, HOLD and RESUME tell nobody, because where the person lets the recipient report nothing
back, a mail would.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import select, text, update

from directory.database import Work
from directory.models import Partner
from directory.values import Value
from referrals.models import Booking, Notice, Referral
from referrals.states import Move
from referrals.vocabulary import (
    Addressee,
    BookingState,
    EventActor,
    NoticeAbout,
    NoticeKind,
    NoticeState,
)

JOB: Final = "send_notices"
"""Name of the job that sends what is due; it needs no payload."""


class Promise(Value, frozen=True, kw_only=True):
    """What is to be told: ``kind`` to the organisation ``to``, about the object ``about``.

    ``waiting``: the organisation that waits for what the notice asks for; it sees whether it arrived.
    ``due``: by when. The same ``dedupe`` (kind, object, addressee) is promised once only, for ever: give a
    version or a date for what may come again.
    """

    kind: NoticeKind
    to: UUID
    about: UUID
    about_kind: NoticeAbout = NoticeAbout.REFERRAL
    addressee: Addressee = Addressee.ORGANISATION
    waiting: UUID | None = None
    due: datetime | None = None
    dedupe: str = ""


async def promise(
    work: Work,
    kind: NoticeKind,
    to: UUID,
    *,
    about: UUID,
    about_kind: NoticeAbout = NoticeAbout.REFERRAL,
    addressee: Addressee = Addressee.ORGANISATION,
    waiting: UUID | None = None,
    due: datetime | None = None,
    dedupe: str | None = None,
) -> UUID | None:
    """Promise one notice; see :class:`Promise`. Returns its id, or None when it was promised before."""
    made = await promise_all(
        work,
        [
            Promise(
                kind=kind,
                to=to,
                about=about,
                about_kind=about_kind,
                addressee=addressee,
                waiting=waiting,
                due=due,
                dedupe=dedupe or "",
            )
        ],
    )
    return made[0] if made else None


# The same statement for one notice and for five hundred, so that it is compiled and planned once. No
# RETURNING and no conflict target: who promises may not read what another organisation is told.
_PROMISE: Final = text(
    "INSERT INTO notice (id, kind, addressee, partner_id, waiting_partner_id, about_kind, about_id, dedupe,"
    " due_at, state, attempts, next_try_at, created_at, updated_at)"
    " SELECT v.id, v.kind, v.addressee, v.partner_id, v.waiting_partner_id, v.about_kind, v.about_id,"
    "  v.dedupe, v.due_at, :state, 0, :now, :now, :now"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v(id uuid, kind text, addressee text, partner_id uuid,"
    "  waiting_partner_id uuid, about_kind text, about_id uuid, dedupe text, due_at timestamptz)"
    " ON CONFLICT DO NOTHING"
)


async def promise_all(work: Work, promises: Sequence[Promise]) -> tuple[UUID, ...]:
    """Promise several notices in one statement; they are sent if and only if this work commits.

    Returns the ids of the rows, or nothing when every one of them had been promised before (several that
    were promised in part only: their ids all the same, the rows that were there stay as they are).
    """
    if not promises:
        return ()
    ids = tuple(uuid4() for _ in promises)
    rows = [
        {
            "id": id_,
            "kind": promised.kind,
            "addressee": promised.addressee,
            "partner_id": promised.to,
            "waiting_partner_id": promised.waiting,
            "about_kind": promised.about_kind,
            "about_id": promised.about,
            "dedupe": promised.dedupe,
            "due_at": promised.due,
        }
        for id_, promised in zip(ids, promises, strict=True)
    ]
    await work.session.flush()
    added = await work.session.execute(
        _PROMISE, {"rows": msgspec.json.encode(rows).decode(), "state": NoticeState.PENDING, "now": work.now}
    )
    if not added.rowcount:  # type: ignore[attr-defined]
        return ()
    work.later(JOB, None)
    return ids


async def cancel(work: Work, about: Collection[UUID]) -> None:
    """Cancel what is still to be told about these objects: one statement.

    For the withdrawal and the expiry of a consent. The actor cancels what its own organisation waits for or
    would be told; SYSTEM everything.
    """
    if not about:
        return
    await work.session.flush()
    await work.session.execute(
        update(Notice)
        .where(Notice.about_id.in_(about), Notice.state == NoticeState.PENDING)
        .values(state=NoticeState.CANCELLED, next_try_at=None, updated_at=work.now)
        .execution_options(synchronize_session=False)
    )


# --- Which move tells whom ----------------------------------------------------------------------------------

_S: Final = EventActor.SENDER
_P: Final = EventActor.RECIPIENT
_C: Final = EventActor.PERSON
_Y: Final = EventActor.CONSENT

AFTER_MOVE: Final[dict[tuple[Move, EventActor], tuple[EventActor, NoticeKind]]] = {
    (Move.SEND, _S): (_P, NoticeKind.REFERRAL_WAITS),
    (Move.ASK, _P): (_S, NoticeKind.QUESTION_ASKED),
    (Move.REPLY, _S): (_P, NoticeKind.QUESTION_ANSWERED),
    (Move.REPLY, EventActor.CLOCK): (_P, NoticeKind.QUESTION_ANSWERED),
    (Move.WAITLIST, _P): (_S, NoticeKind.NEWS),
    (Move.ACCEPT, _P): (_S, NoticeKind.NEWS),
    (Move.DECLINE, _P): (_S, NoticeKind.NEWS),
    (Move.REPORT_OUTCOME, _P): (_S, NoticeKind.NEWS),
    (Move.REPORT_OUTCOME, EventActor.CLOCK): (_S, NoticeKind.NEWS),
    (Move.CONTEST, _S): (_P, NoticeKind.GOES_ON),
    (Move.CONTEST, _C): (_P, NoticeKind.GOES_ON),
    (Move.REOPEN, _S): (_P, NoticeKind.GOES_ON),
    (Move.CANCEL, _S): (_P, NoticeKind.TAKEN_BACK),
    (Move.CANCEL, _C): (_P, NoticeKind.TAKEN_BACK),
    (Move.CORRECT, _S): (_P, NoticeKind.TAKEN_BACK),
    (Move.REVOKE, _Y): (_P, NoticeKind.CONSENT_ENDED),
}
"""Which move of which party tells whom what; a move that is not here tells nobody.

What else ends by the clock (expiry, closing, abandoning) is told by the clock's own notices.
"""

BOOKING_TOLD: Final[dict[BookingState, NoticeKind]] = {
    BookingState.REQUESTED: NoticeKind.BOOKING_REQUESTED,
    BookingState.CONFIRMED: NoticeKind.BOOKING_CONFIRMED,
    BookingState.DECLINED: NoticeKind.BOOKING_DECLINED,
    BookingState.CANCELLED: NoticeKind.BOOKING_CANCELLED,
}
"""What the other side of a booking is told when it comes into a state; DONE and NO_SHOW tell nobody."""


def after_move(
    referral: Referral, move: Move, party: EventActor, *, acting_partner: UUID | None
) -> tuple[Promise, ...]:
    """Return what a move that has just been made tells; nobody is told what they did or recorded themselves.

    A recipient that the referral was never sent to knows nothing of it, and is told nothing.
    """
    told = AFTER_MOVE.get((move, party))
    if told is None:
        return ()
    whom, kind = told
    if whom is EventActor.RECIPIENT and referral.sent_at is None:
        return ()
    to = referral.recipient_partner_id if whom is EventActor.RECIPIENT else referral.sender_partner_id
    if to == acting_partner:
        return ()
    due = {
        NoticeKind.REFERRAL_WAITS: referral.answer_due_at,
        NoticeKind.QUESTION_ASKED: referral.question_due_at,
        NoticeKind.QUESTION_ANSWERED: referral.answer_due_at,
        NoticeKind.CONSENT_ENDED: referral.revocation_due_at,
    }.get(kind)
    return (
        Promise(
            kind=kind,
            to=to,
            about=referral.id,
            waiting=referral.sender_partner_id if whom is EventActor.RECIPIENT else None,
            due=due,
            dedupe=str(referral.version),
        ),
    )


async def tell_of_booking(work: Work, booking: Booking) -> None:
    """Promise the other side of a booking the notice about the state that it has just come into."""
    kind = BOOKING_TOLD.get(booking.state)
    if kind is None:
        return
    requests = work.actor.partner_id == booking.requester_partner_id
    to = booking.recipient_partner_id if requests else booking.requester_partner_id
    if to == work.actor.partner_id:
        return
    await promise(
        work,
        kind,
        to,
        about=booking.id,
        about_kind=NoticeAbout.BOOKING,
        waiting=booking.requester_partner_id if requests else None,
        dedupe=str(booking.version),
    )


async def leads_of(work: Work, municipality_id: UUID) -> UUID | None:
    """Return the partner where a municipality's leads work: its coordination, or None without one."""
    return (
        await work.session.execute(
            select(Partner.id).where(Partner.municipality_id == municipality_id, Partner.coordinates)
        )
    ).scalar_one_or_none()
