"""What each side reads of a referral: one, the partner's inbox, what was sent, the history, the package.

Everything is judged at the moment of reading: a consent that has ended gives no package and no new outcome,
whether or not the clock has moved the referral. Row-level security stands beneath and says the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, insert, literal, not_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor, Role
from directory.models import Audit
from directory.problems import InvalidInput, NotAllowed, NotFound
from directory.values import Instant, Value
from referrals.consents import facts_of as consent_facts
from referrals.models import Client, Consent, Referral, ReferralEvent, ReferralPackage
from referrals.moving import NOBODYS, covered, facts_of, text_place
from referrals.package import Package, decoder
from referrals.paging import cursor_of, place_of
from referrals.policy import act_on_referral, must_work_with_people, see_referral
from referrals.problems import Erased, PackageClosed
from referrals.sealing import MasterKey, Place, key_of
from referrals.states import Move, Step, allowed
from referrals.values import Kept
from referrals.vocabulary import (
    READABLE_STATES,
    UNSENT_STATES,
    AnswerSource,
    CapacityReason,
    ConsentState,
    DataCategory,
    DeclinedBy,
    DeclineReason,
    EventActor,
    FeedbackAsked,
    OutcomeCode,
    OutcomeReason,
    Priority,
    Purpose,
    Reason,
    ReferralState,
    WithdrawalScope,
)

MOST: Final = 100
"""Entries on a page at most."""


class Warned(StrEnum):
    """What the sender is warned about."""

    WAIT_AFTER_STATUS_END = "WAIT_AFTER_STATUS_END"
    END_AFTER_STATUS_END = "END_AFTER_STATUS_END"
    ANSWER_OVERDUE = "ANSWER_OVERDUE"


class ReferralView(Value, frozen=True, kw_only=True):
    """A referral as one side may see it; what that side may not see is None or empty.

    ``state`` is judged at reading. Before the package is opened the recipient sees topic, language and area
    of the person only. ``allowed``: the reader's own moves now; ``recordable``: moves of the recipient that
    the sender may record. ``outcome_withheld``: the person does not let the sender know outcomes (any more).
    ``client_id``, ``consent_id`` and ``parent_id`` are the sender's alone.
    """

    id: UUID
    version: int
    seen_as: EventActor
    state: ReferralState
    state_since: Instant
    allowed: tuple[Move, ...]
    recordable: tuple[Move, ...] = ()
    warnings: tuple[Warned, ...] = ()
    sender_partner_id: UUID
    recipient_partner_id: UUID
    service_id: UUID
    topic: str
    language: str | None = None
    area: str | None = None
    priority: Priority
    categories: tuple[DataCategory, ...] = ()
    package_readable: bool = False
    client_id: UUID | None = None
    pseudonym: str | None = None
    consent_id: UUID | None = None
    parent_id: UUID | None = None
    sender_member_id: UUID | None = None
    sender_deputy_id: UUID | None = None
    recipient_member_id: UUID | None = None
    sender_file_number: str | None = None
    recipient_file_number: str | None = None
    recipient_contact: str | None = None
    capacity_reason: CapacityReason | None = None
    sent_at: Instant | None = None
    answer_due_at: Instant | None = None
    question_due_at: Instant | None = None
    expected_week: date | None = None
    first_contact_on: date | None = None
    first_contact_made_on: date | None = None
    expected_end: date | None = None
    resume_on: date | None = None
    decline_reason: DeclineReason | None = None
    declined_by: DeclinedBy | None = None
    better_service_id: UUID | None = None
    reason: Reason | None = None
    outcome: OutcomeCode | None = None
    outcome_withheld: bool = False
    outcome_on: date | None = None
    outcome_reason: OutcomeReason | None = None
    feedback_asked: FeedbackAsked | None = None
    closed_at: Instant | None = None
    revocation_due_at: Instant | None = None
    revocation_answer: Kept | None = None
    overdue: bool = False
    disputed: bool = False
    unconfirmed: bool = False
    created_at: Instant
    updated_at: Instant

    @property
    def cursor(self) -> str:
        """Where this entry stands in a list, for the next page."""
        return cursor_of(self.updated_at, self.id)


class ReferralPage(Value, frozen=True, kw_only=True):
    """A page of referrals, latest change first; ``total`` is counted only when it was asked for."""

    items: tuple[ReferralView, ...]
    has_next: bool
    total: int | None = None


class EventView(Value, frozen=True, kw_only=True):
    """One event as a side may see it; ``member_id`` only of the own organisation."""

    ordinal: int
    at: Instant
    move: str
    from_state: ReferralState | None
    to_state: ReferralState
    actor: EventActor
    partner_id: UUID | None
    member_id: UUID | None
    source: AnswerSource
    source_on: date | None
    reason: str | None
    facts: dict[str, str]
    text: str | None = None


def steps(events: Iterable[EventView]) -> tuple[Step, ...]:
    """Return the events as ``states.replay`` reads them; what moves nothing has no move."""
    moves = set(Move)
    return tuple(
        Step(sequence=e.ordinal, move=Move(e.move) if e.move in moves else None, party=e.actor)
        for e in events
    )


class Box(StrEnum):
    """Which side's list: what came in, or what was sent."""

    INBOX = "INBOX"
    SENT = "SENT"


# --- One referral -------------------------------------------------------------------------------------------

_opened = exists().where(
    ReferralEvent.referral_id == Referral.id, ReferralEvent.to_state == ReferralState.ACKNOWLEDGED
)


def _statement() -> Select[Referral, Consent, bool, date | None]:
    # For a recipient row-level security leaves the client's column empty: the status end is the sender's.
    return (
        select(Referral, Consent, _opened.label("opened"), Client.status_valid_until)
        .outerjoin(Consent, Consent.id == Referral.consent_id)
        .outerjoin(Client, Client.id == Referral.client_id)
    )


async def view_referral(session: AsyncSession, actor: Actor, referral_id: UUID, at: datetime) -> ReferralView:
    """Return a referral as this actor may see it; NotFound for everybody who has no part in it."""
    row = (
        await session.execute(
            _statement().where(Referral.id == referral_id).execution_options(populate_existing=True)
        )
    ).one_or_none()
    if row is None:
        see_referral(actor, NOBODYS)
        raise NotFound
    return _view(row, actor, at, None)


def outcome_shown(referral: Referral, consent: Consent | None) -> bool:
    """Whether the sender may see the stored outcome: not once the person has withdrawn reporting back.

    What may not be reported is never stored (``answering.report_outcome``); this is for a later withdrawal.
    A referral, closed ones too, rests on the record that remains of a partial withdrawal.
    """
    if consent is None:
        return referral.outcome in {OutcomeCode.UNKNOWN, OutcomeCode.NOT_DISCLOSED}
    if consent.state is ConsentState.WITHDRAWN:
        return False
    gone = consent.withdrawal
    if gone is not None and gone.scope is WithdrawalScope.RECIPIENT:
        return gone.recipient != referral.recipient_partner_id
    if gone is not None and gone.purpose is Purpose.REPORT_BACK:
        return False
    return any(entry.purpose is Purpose.REPORT_BACK and entry.granted for entry in consent.terms.purposes)


def _readable(referral: Referral, state: ReferralState, opened: bool) -> bool:
    """Whether the recipient has the package open in this state."""
    if state in {ReferralState.SENT, ReferralState.INFO_REQUESTED}:
        return state is ReferralState.INFO_REQUESTED and opened
    return state in READABLE_STATES


def _state_at(referral: Referral, consent: Consent | None, at: datetime) -> ReferralState:
    state = referral.state
    if state in READABLE_STATES and not covered(referral, consent_facts(consent) if consent else None, at):
        return ReferralState.CONSENT_REVOKED
    return state


def _view(row: Any, actor: Actor, at: datetime, box: Box | None) -> ReferralView:
    referral: Referral = row[0]
    consent: Consent | None = row[1]
    known = see_referral(actor, facts_of(referral, approval_open=True))
    sends = EventActor.SENDER in known and box is not Box.INBOX
    receives = EventActor.RECIPIENT in known and not sends
    # Who confirms for another organisation does not see its consents; the stored state must do.
    state = _state_at(referral, consent, at) if sends or receives else referral.state
    shown: dict[str, Any] = {
        "id": referral.id,
        "version": referral.version,
        "seen_as": _seen_as(sends, receives, actor),
        "state": state,
        "state_since": referral.state_since,
        "allowed": _own_moves(actor, referral, state, known),
        "sender_partner_id": referral.sender_partner_id,
        "recipient_partner_id": referral.recipient_partner_id,
        "service_id": referral.service_id,
        "topic": referral.topic,
        "priority": referral.priority,
        "sent_at": referral.sent_at,
        "closed_at": referral.closed_at,
        "overdue": referral.overdue,
        "disputed": referral.disputed,
        "unconfirmed": referral.unconfirmed,
        "created_at": referral.created_at,
        "updated_at": referral.updated_at,
    }
    if not sends and not receives:
        return ReferralView(**shown)
    for name in _BOTH:
        shown[name] = getattr(referral, name)
    if sends:
        for name in _SENDERS:
            shown[name] = getattr(referral, name)
        shown["recordable"] = allowed(state, EventActor.RECIPIENT) if shown["allowed"] else ()
        shown["package_readable"] = referral.sent_at is not None and state in READABLE_STATES
        shown["warnings"] = _warnings(referral, state, row[3], at)
        if not outcome_shown(referral, consent):
            # earlier outcomes, contested since, are in the events
            shown["outcome_withheld"] = True
            if referral.outcome is not None:
                shown |= {"outcome": OutcomeCode.NOT_DISCLOSED, "outcome_on": None, "outcome_reason": None}
        return ReferralView(**shown)
    shown["recipient_member_id"] = referral.recipient_member_id
    open_now = _readable(referral, state, row[2])
    shown["package_readable"] = open_now
    if open_now or row[2]:
        # Once opened, the recipient knows whom it is about, and must be able to find what it deletes.
        shown["pseudonym"] = referral.pseudonym
        shown["sender_file_number"] = referral.sender_file_number
    if state is ReferralState.CONSENT_REVOKED:
        shown |= {"language": None, "area": None}
    return ReferralView(**shown)


_BOTH: Final = (
    "language",
    "area",
    "categories",
    "recipient_file_number",
    "recipient_contact",
    "answer_due_at",
    "question_due_at",
    "expected_week",
    "first_contact_on",
    "first_contact_made_on",
    "expected_end",
    "resume_on",
    "decline_reason",
    "declined_by",
    "better_service_id",
    "reason",
    "outcome",
    "outcome_on",
    "outcome_reason",
    "revocation_due_at",
    "revocation_answer",
)
_SENDERS: Final = (
    "client_id",
    "pseudonym",
    "consent_id",
    "parent_id",
    "sender_member_id",
    "sender_deputy_id",
    "sender_file_number",
    "capacity_reason",
    "feedback_asked",
)


def _seen_as(sends: bool, receives: bool, actor: Actor) -> EventActor:
    if sends:
        return EventActor.SENDER
    if receives:
        return EventActor.RECIPIENT
    return EventActor.CLOCK if actor.role is Role.SYSTEM else EventActor.LEAD


def _own_moves(
    actor: Actor, referral: Referral, state: ReferralState, known: Collection[EventActor]
) -> tuple[Move, ...]:
    moves: list[Move] = []
    for party in (EventActor.SENDER, EventActor.RECIPIENT):
        if party in known:
            try:
                act_on_referral(actor, facts_of(referral), party)
            except NotAllowed:
                continue
            moves.extend(allowed(state, party))
    return tuple(dict.fromkeys(moves))


def _warnings(
    referral: Referral, state: ReferralState, status_end: date | None, at: datetime
) -> tuple[Warned, ...]:
    found: list[Warned] = []
    if status_end is not None:
        if (
            state is ReferralState.WAITLISTED
            and referral.expected_week
            and referral.expected_week > status_end
        ):
            found.append(Warned.WAIT_AFTER_STATUS_END)
        if (
            state in {ReferralState.ACCEPTED, ReferralState.IN_PROGRESS, ReferralState.ON_HOLD}
            and referral.expected_end
            and referral.expected_end > status_end
        ):
            found.append(Warned.END_AFTER_STATUS_END)
    if (
        state in {ReferralState.SENT, ReferralState.ACKNOWLEDGED}
        and referral.answer_due_at is not None
        and referral.answer_due_at < at
    ):
        found.append(Warned.ANSWER_OVERDUE)
    return tuple(found)


# --- Lists --------------------------------------------------------------------------------------------------


async def list_referrals(
    session: AsyncSession,
    actor: Actor,
    at: datetime,
    box: Box,
    *,
    states: Collection[ReferralState] = (),
    due_before: datetime | None = None,
    client_id: UUID | None = None,
    service_id: UUID | None = None,
    first: int = 50,
    after: str | None = None,
    with_total: bool = False,
) -> ReferralPage:
    """Return a page of the own organisation's inbox, or of what it drafted and sent; latest change first.

    ``states`` are as judged at reading; ``due_before``: the recipient's answer is due before that moment.
    One statement (two with the total). Raises InvalidInput for a wrong cursor or page size.
    """
    must_work_with_people(actor)
    if not 1 <= first <= MOST:
        raise InvalidInput(
            "first", "too-large" if first > MOST else "too-small", maximum=str(MOST), minimum="1"
        )
    own = Referral.recipient_partner_id if box is Box.INBOX else Referral.sender_partner_id
    conditions: list[ColumnElement[bool]] = [own == actor.partner_id]
    if box is Box.INBOX:
        conditions.append(Referral.sent_at.is_not(None))
    elif client_id is not None:
        conditions.append(Referral.client_id == client_id)
    if service_id is not None:
        conditions.append(Referral.service_id == service_id)
    if due_before is not None:
        if due_before.tzinfo is None:
            raise InvalidInput("dueBefore", "wrong-type")
        conditions.append(Referral.answer_due_at < due_before)
    if states:
        in_force = and_(
            Consent.state == ConsentState.GIVEN, Consent.valid_from <= at, Consent.valid_until > at
        )
        judged = case(
            (
                and_(Referral.state.in_(READABLE_STATES), not_(func.coalesce(in_force, False))),
                literal(ReferralState.CONSENT_REVOKED, Referral.state.type),
            ),
            else_=Referral.state,
        )
        conditions.append(judged.in_(list(states)))
    paged = list(conditions)
    if after is not None:
        updated_at, last = place_of(after)
        paged.append(tuple_(Referral.updated_at, Referral.id) < tuple_(updated_at, last))
    rows = (
        await session.execute(
            _statement()
            .where(*paged)
            .order_by(Referral.updated_at.desc(), Referral.id.desc())
            .limit(first + 1)
            .execution_options(populate_existing=True)
        )
    ).all()
    total: int | None = None
    if with_total:
        total = (
            await session.execute(
                select(func.count())
                .select_from(Referral)
                .outerjoin(Consent, Consent.id == Referral.consent_id)
                .where(*conditions)
            )
        ).scalar_one()
    return ReferralPage(
        items=tuple(_view(row, actor, at, box) for row in rows[:first]),
        has_next=len(rows) > first,
        total=total,
    )


# --- History ------------------------------------------------------------------------------------------------


async def list_events(
    session: AsyncSession, actor: Actor, master: MasterKey, referral_id: UUID, at: datetime
) -> tuple[EventView, ...]:
    """Return what happened, in order; the recipient sees it from the sending on.

    Questions and answers are opened for the sender, and for the recipient while the consent covers it.
    """
    view = await view_referral(session, actor, referral_id, at)
    rows = list(
        await session.scalars(
            select(ReferralEvent)
            .where(ReferralEvent.referral_id == referral_id)
            .order_by(ReferralEvent.ordinal)
        )
    )
    sends = view.seen_as is EventActor.SENDER
    receives = view.seen_as is EventActor.RECIPIENT
    opens = sends or (receives and view.state in READABLE_STATES)
    texts: dict[int, str] = {}
    if opens and any(event.sealed_text for event in rows):
        client_id = await session.scalar(select(Referral.client_id).where(Referral.id == referral_id))
        with suppress(Erased):  # the events stay when the person was erased, or the consent has just ended
            key = await key_of(session, master, client_id or UUID(int=0))
            place = text_place(referral_id)
            texts = {e.ordinal: key.open(e.sealed_text, place).decode() for e in rows if e.sealed_text}
        await seen(session, actor, "referral.texts", "referral", referral_id)
    hidden = sends and (view.outcome_withheld or view.outcome is OutcomeCode.NOT_DISCLOSED)
    # who only confirms a request for another organisation learns which moves there were, and no more
    outside = view.seen_as is EventActor.LEAD
    return tuple(
        EventView(
            ordinal=event.ordinal,
            at=event.at,
            move=event.move,
            from_state=event.from_state,
            to_state=event.to_state,
            actor=event.actor,
            partner_id=event.partner_id,
            member_id=event.member_id if event.partner_id == actor.partner_id else None,
            source=event.source,
            source_on=event.source_on,
            reason=None if outside or (hidden and event.move == Move.REPORT_OUTCOME) else event.reason,
            facts={} if outside or (hidden and event.move == Move.REPORT_OUTCOME) else event.facts,
            text=texts.get(event.ordinal),
        )
        for event in rows
        if not receives or event.to_state not in UNSENT_STATES
    )


# --- The package --------------------------------------------------------------------------------------------


async def view_package(
    session: AsyncSession, actor: Actor, master: MasterKey, referral_id: UUID, at: datetime
) -> Package:
    """Return what was sent about the person; writes an audit row.

    For the sender, and for the recipient once it has acknowledged and while the consent covers it at this
    instant. Raises NotFound, PackageClosed (with the state judged now), Erased.
    """
    view = await view_referral(session, actor, referral_id, at)
    if view.seen_as not in {EventActor.SENDER, EventActor.RECIPIENT}:
        raise NotFound
    if not view.package_readable:
        raise PackageClosed(view.state)
    stored = await session.get(ReferralPackage, referral_id, populate_existing=True)
    if stored is None:
        raise PackageClosed(view.state)
    try:
        key = await key_of(session, master, stored.client_id)
    except Erased:
        # The consent may have ended between two statements: then the key is out of reach, not erased.
        view = await view_referral(session, actor, referral_id, at)
        if view.package_readable:
            raise
        raise PackageClosed(view.state) from None
    await seen(session, actor, "package.view", "referral", referral_id)
    return decoder.decode(key.open(stored.sealed, package_place(referral_id)))


def package_place(referral_id: UUID) -> Place:
    """Return the place that a package's seal is bound to."""
    return Place("referral_package", "sealed", referral_id)


async def seen(session: AsyncSession, actor: Actor, action: str, kind: str, object_id: UUID) -> None:
    """Append the audit row of a reading."""
    await session.execute(
        insert(Audit)
        .inline()
        .values(
            role=actor.role.value,
            member_id=actor.member_id,
            partner_id=actor.partner_id,
            action=action,
            object_kind=kind,
            object_id=object_id,
            details={},
        )
    )
