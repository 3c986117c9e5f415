"""Answers without an account: a one-time link per referral for the organisation that received it.

Whoever holds the code sees what a recipient sees before it opens the package, opens it by an explicit move,
and answers through the same functions and the same table as a member (``answering``). Looking changes
nothing. One answer that decides uses the link up; a new link ends the one before. A link lives in the stage
of the referral that it was made for, so whatever else decides ends it too; and while the consent covers the
referral, whether or not the clock has been there. A code that never was is CodeNotValid; a link that is over,
for whatever reason, is AnswerLinkClosed.

Beside the answers that move the referral its holder says with a link what a member says: that work goes on,
a new week on the waiting list, appointments, a no-show, how it stands. After the consent has ended a link
lets it say what it did with the data, and nothing else.

Who makes a link has read its code, and could look at the recipient's page with it. So where the person does
not let the recipient report everything back (REPORT_BACK), the sender makes no link once the recipient has
taken the person, a link of its own from that time is closed, and that such links were used is not listed.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final, TypeAlias
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor, Role
from directory.database import Work
from directory.days import local_day
from directory.models import Municipality, Partner, Service, Topic
from directory.problems import IdempotencyConflict, InvalidInput, NotFound
from directory.values import Instant, Value
from referrals import answering, appointments
from referrals.answering import AnyAnswer, RecipientAnswer
from referrals.appointments import AppointmentGiven, AppointmentView
from referrals.clock import ends_at
from referrals.codes import CodePurpose, derived_code, hash_of, new_code, present
from referrals.inbox import view_package, view_referral
from referrals.models import AnswerLink, AnswerLinkUse, ConsentPart, Referral, clock_facts
from referrals.moving import (
    REVOCATION_ANSWERED,
    Held,
    checked_text,
    depth_of,
    end_of,
    hold,
    note_down,
    part_of_referral,
    permit,
)
from referrals.noted import NOTES, TAKEN, Noted
from referrals.notices import promise
from referrals.package import Package
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import MasterKey
from referrals.problems import AnswerLinkClosed, CodeNotValid, TransitionNotAllowed
from referrals.reporting import moves_shown
from referrals.states import Move, allowed
from referrals.values import Kept
from referrals.vocabulary import (
    AppointmentState,
    DataCategory,
    EventActor,
    InterimResult,
    NoticeKind,
    Priority,
    ReferralState,
    ReportDepth,
)

_R = ReferralState

STAGES: Final[tuple[frozenset[ReferralState], ...]] = (
    frozenset({_R.SENT, _R.ACKNOWLEDGED, _R.INFO_REQUESTED}),
    frozenset({_R.WAITLISTED}),
    frozenset({_R.ACCEPTED}),
    frozenset({_R.IN_PROGRESS, _R.ON_HOLD}),
    frozenset({_R.CONSENT_REVOKED}),
)
"""In which a recipient is waited for; a link is made in one of them, and ends when the referral leaves it."""

LONGEST: Final = timedelta(days=30)
"""How long a link lives at most; it ends earlier when the clock ends what it is for."""

CALLS: Final = 3
"""How often one link can ask for a call."""

CALL_ME: Final = "CALL_ME"
"""Name of the event with which a recipient asks to be called; its number stands sealed beside it."""


class LinkNote(StrEnum):
    """What the holder of a link can say beside the moves; the words are those of the events."""

    SIGN_OF_LIFE = Noted.SIGN_OF_LIFE.value
    WAITLIST_UPDATED = Noted.WAITLIST_UPDATED.value
    APPOINTMENT_SET = Noted.APPOINTMENT_SET.value
    APPOINTMENT_MOVED = Noted.APPOINTMENT_MOVED.value
    APPOINTMENT_CANCELLED = Noted.APPOINTMENT_CANCELLED.value
    NO_SHOW = Noted.NO_SHOW.value
    INTERIM = Noted.INTERIM.value
    REVOCATION_ANSWERED = REVOCATION_ANSWERED


def notes_in(state: ReferralState) -> tuple[LinkNote, ...]:
    """Return what can be said beside the moves in a state, as ``noted`` says."""
    if state is ReferralState.CONSENT_REVOKED:
        return (LinkNote.REVOCATION_ANSWERED,)
    return tuple(
        note
        for note in LinkNote
        if note is not LinkNote.REVOCATION_ANSWERED and state in NOTES[Noted(note.value)].states
    )


LEAVES_OPEN: Final = frozenset({Move.ACKNOWLEDGE, Move.ASK, *LinkNote}) - {LinkNote.REVOCATION_ANSWERED}
"""Answers that decide nothing: the link stays."""

_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()/.-]{3,38}[0-9]")


class IssuedLink(Value, frozen=True, kw_only=True):
    """A new link; the code is shown once and stored nowhere."""

    id: UUID
    referral_id: UUID
    code: str
    expires_at: Instant


class LinkView(Value, frozen=True, kw_only=True):
    """A link as the sender sees it, without its code. ``live``: not used, revoked or past its end."""

    id: UUID
    issued_at: Instant
    expires_at: Instant
    used_at: Instant | None
    revoked_at: Instant | None
    issued_by: UUID | None
    live: bool


class AnswerPage(Value, frozen=True, kw_only=True):
    """What the holder of a link sees without opening anything: nothing that tells who the person is.

    ``allowed`` are the recipient's moves now, ``notable`` what it can say besides; CALL_ME is possible
    ``may_call`` times. ``appointments`` can still be changed; ``shared`` says which categories were shared,
    once the consent has ended. ``opened``: the package was opened; ``open_package`` shows it. ``language``
    is the person's, ``area`` a territory key, ``letters_in`` the language that the recipient is written to
    in.
    """

    sender: str
    recipient: str
    letters_in: str
    service: dict[str, str]
    topic: str
    topic_labels: dict[str, str]
    language: str | None
    area: str | None
    area_names: dict[str, str]
    priority: Priority
    state: ReferralState
    sent_at: Instant | None
    due_at: Instant | None
    expires_at: Instant
    allowed: tuple[Move, ...]
    notable: tuple[LinkNote, ...]
    appointments: tuple[AppointmentView, ...]
    shared: tuple[DataCategory, ...]
    may_call: int
    opened: bool


class CallMe(RecipientAnswer, frozen=True, kw_only=True, tag=CALL_ME):
    """They want to talk: the office's number, and when somebody is there."""

    phone: str
    when: str | None = None


class AnswerSignOfLife(RecipientAnswer, frozen=True, kw_only=True, tag=Noted.SIGN_OF_LIFE.value):
    """They are still at it."""


class AnswerWaiting(RecipientAnswer, frozen=True, kw_only=True, tag=Noted.WAITLIST_UPDATED.value):
    """There may be a place in another week."""

    expected_week: date


class AnswerAppointment(RecipientAnswer, frozen=True, kw_only=True, tag=Noted.APPOINTMENT_SET.value):
    """They have given the person an appointment."""

    given: AppointmentGiven


class AnswerAppointmentMoved(RecipientAnswer, frozen=True, kw_only=True, tag=Noted.APPOINTMENT_MOVED.value):
    """An appointment has moved."""

    appointment_id: UUID
    given: AppointmentGiven


class AnswerAppointmentCancelled(
    RecipientAnswer, frozen=True, kw_only=True, tag=Noted.APPOINTMENT_CANCELLED.value
):
    """An appointment does not happen."""

    appointment_id: UUID


class AnswerNoShow(RecipientAnswer, frozen=True, kw_only=True, tag=Noted.NO_SHOW.value):
    """The person did not come."""

    on: date
    appointment_id: UUID | None = None


class AnswerInterim(RecipientAnswer, frozen=True, kw_only=True, tag=Noted.INTERIM.value):
    """How it stands meanwhile."""

    result: InterimResult
    on: date


BesideAnswer: TypeAlias = (
    AnswerSignOfLife
    | AnswerWaiting
    | AnswerAppointment
    | AnswerAppointmentMoved
    | AnswerAppointmentCancelled
    | AnswerNoShow
    | AnswerInterim
)
LinkAnswer: TypeAlias = AnyAnswer | CallMe | BesideAnswer


class Taken(Value, frozen=True, kw_only=True):
    """That an answer was taken: which, when, and whether the link goes on."""

    answer: str
    at: Instant
    link_ended: bool


# --- The sender's side --------------------------------------------------------------------------------------


async def issue(work: Work, referral_id: UUID, *, master: MasterKey | None = None) -> IssuedLink:
    """Make a link for the recipient of a referral; the one before dies with it.

    For whoever looks after the person on the sender's side, and for SYSTEM (when a notice is sent). With
    ``master`` the code follows from the link's id: as long as the link lives, every mail carries the same
    one, so that neither a mail sent twice nor a reminder that never arrives kills what somebody holds.
    Raises NotFound, NotAllowed, and TransitionNotAllowed when nobody waits for the recipient.
    """
    held = await hold(work, referral_id)
    party = EventActor.CLOCK if work.actor.role is Role.SYSTEM else EventActor.SENDER
    permit(work, held, party)
    stage = _stage(held)
    if party is EventActor.SENDER and held.covered and _withheld(held.referral.state, held.readable):
        raise TransitionNotAllowed(
            held.shown_state, moves_shown(held.shown_state, held.readable, EventActor.SENDER)
        )
    if stage is None:
        state = held.state_for(Move.ACKNOWLEDGE)
        raise TransitionNotAllowed(state, allowed(state, party))
    if master is not None and (same := await _mailed_before(work, held.referral, master)) is not None:
        return same
    await _end_live(work, referral_id)
    id_ = uuid4()
    code = new_code() if master is None else _code_of(id_, master)
    link = AnswerLink(
        id=id_,
        code_hash=hash_of(code, CodePurpose.ANSWER_LINK),
        referral_id=referral_id,
        partner_id=held.referral.sender_partner_id,
        recipient_partner_id=held.referral.recipient_partner_id,
        states=tuple(sorted(stage)),
        issued_by=work.actor.member_id,
        issued_at=work.now,
        expires_at=expiry(held.referral, work.now),
    )
    work.session.add(link)
    await work.session.flush()
    work.record("answer_link.issue", "referral", referral_id)
    return IssuedLink(id=link.id, referral_id=referral_id, code=code, expires_at=link.expires_at)


def _stage(held: Held) -> frozenset[ReferralState] | None:
    """Return the stage in which the recipient is waited for now; None: it is not, or not any more."""
    if not _waited_for(held.referral.state, held.referral.revocation_answer, covered=held.covered):
        return None
    sent = held.referral.sent_at is not None
    return next((stage for stage in STAGES if sent and held.referral.state in stage), None)


def _waited_for(state: ReferralState, told: Kept | None, *, covered: bool) -> bool:
    """Whether an answer can be waited for: under a consent; after its end, what was done with the data."""
    return told is None if state is ReferralState.CONSENT_REVOKED else covered


def _code_of(link_id: UUID, master: MasterKey) -> str:
    return derived_code(master.derive(CodePurpose.ANSWER_LINK, link_id))


async def _mailed_before(work: Work, referral: Referral, master: MasterKey) -> IssuedLink | None:
    """Return the link that earlier mails carry, while it lives and the master key is the one that made it."""
    link = await work.session.scalar(
        select(AnswerLink).where(
            AnswerLink.referral_id == referral.id,
            AnswerLink.used_at.is_(None),
            AnswerLink.revoked_at.is_(None),
        )
    )
    if link is None or not _lives(link, work.now) or referral.state not in link.states:
        return None
    code = _code_of(link.id, master)
    if hash_of(code, CodePurpose.ANSWER_LINK) != link.code_hash:
        return None
    return IssuedLink(id=link.id, referral_id=referral.id, code=code, expires_at=link.expires_at)


def _withheld(state: ReferralState, depth: ReportDepth) -> bool:
    """Whether the recipient's page would tell the sender in this state what it may not know."""
    return state in TAKEN and depth is not ReportDepth.OUTCOME


def expiry(referral: Referral, now: datetime) -> datetime:
    """Return until when a link made now lives: 30 days, or until the clock ends what it waits for.

    To the end of the day at least: what the clock is about to end can still be answered.
    """
    latest = now + LONGEST
    # a question stops the recipient's clock, and its answer opens the time again
    ends = None if referral.state is ReferralState.INFO_REQUESTED else ends_at(clock_facts(referral))
    return max(min(ends or latest, latest), end_of(local_day(now)))


async def revoke(work: Work, referral_id: UUID) -> None:
    """End the live links of a referral; for whoever looks after the person on the sender's side."""
    held = await hold(work, referral_id)
    permit(work, held, EventActor.SENDER)
    if await _end_live(work, referral_id):
        work.record("answer_link.revoke", "referral", referral_id)


async def _end_live(work: Work, referral_id: UUID) -> int:
    ended = await work.session.scalars(
        update(AnswerLink)
        .where(
            AnswerLink.referral_id == referral_id,
            AnswerLink.used_at.is_(None),
            AnswerLink.revoked_at.is_(None),
        )
        .values(revoked_at=work.now)
        .returning(AnswerLink.id)
        .execution_options(synchronize_session=False)
    )
    return len(ended.all())


async def list_links(
    session: AsyncSession, actor: Actor, referral_id: UUID, at: datetime
) -> tuple[LinkView, ...]:
    """Return the links of a referral, newest first, to its sender; to everybody else there are none."""
    if actor.partner_id is None or not actor.signed_in:
        return ()
    rows = (
        await session.scalars(
            select(AnswerLink)
            .where(AnswerLink.referral_id == referral_id, AnswerLink.partner_id == actor.partner_id)
            .order_by(AnswerLink.issued_at.desc(), AnswerLink.id)
            .limit(100)
        )
    ).all()
    view = await view_referral(session, actor, referral_id, at) if rows else None
    # once the recipient has taken the person, a newer link (of a reminder's mail, too) is not the sender's to
    # know of: neither itself, nor that it ended the one before
    over = view is not None and view.outcome_withheld and view.first_contact_on is not None
    if over:
        rows = [row for row in rows if not TAKEN & set(row.states)]
    return tuple(
        LinkView(
            id=row.id,
            issued_at=row.issued_at,
            expires_at=row.expires_at,
            used_at=row.used_at,
            revoked_at=None if over else row.revoked_at,
            issued_by=row.issued_by,
            live=not over and _lives(row, at),
        )
        for row in rows
    )


# --- The holder's side --------------------------------------------------------------------------------------


def _lives(link: AnswerLink, at: datetime) -> bool:
    return link.used_at is None and link.revoked_at is None and at < link.expires_at


def _holder(link: AnswerLink) -> Actor:
    return Actor(role=Role.ANONYMOUS, partner_id=link.recipient_partner_id, presents=link.referral_id)


async def _presented(session: AsyncSession, code: str, *, lock: bool = False) -> AnswerLink:
    hashed = hash_of(code, CodePurpose.ANSWER_LINK)
    await present(session, hashed)
    statement = select(AnswerLink).where(AnswerLink.code_hash == hashed)
    if lock:
        statement = statement.with_for_update()
    link = await session.scalar(statement.execution_options(populate_existing=True))
    if link is None:
        raise CodeNotValid
    return link


async def look(session: AsyncSession, code: str, at: datetime) -> AnswerPage:
    """Return what may be seen before anything is opened; writes nothing, not even an audit row.

    Raises CodeNotValid, AnswerLinkClosed.
    """
    link = await _presented(session, code)
    if not _lives(link, at):
        raise AnswerLinkClosed
    actor = _holder(link)
    try:
        seen = await view_referral(session, actor, link.referral_id, at)
    except NotFound:
        raise AnswerLinkClosed from None
    if EventActor.RECIPIENT is not seen.seen_as or seen.state not in link.states:
        raise AnswerLinkClosed
    revoked = seen.state is ReferralState.CONSENT_REVOKED
    if revoked and seen.revocation_answer is not None:
        raise AnswerLinkClosed
    if link.issued_by is not None and _withheld(seen.state, await _depth(session, link, at)):
        raise AnswerLinkClosed
    sender, recipient, service, topic, area = (
        await session.execute(
            select(
                select(Partner.name).where(Partner.id == seen.sender_partner_id).scalar_subquery(),
                Partner,
                select(Service.title).where(Service.id == seen.service_id).scalar_subquery(),
                select(Topic.labels).where(Topic.code == seen.topic).scalar_subquery(),
                select(Municipality.name).where(Municipality.ars == (seen.area or "")).scalar_subquery(),
            ).where(Partner.id == seen.recipient_partner_id)
        )
    ).one()
    return AnswerPage(
        sender=sender,
        recipient=recipient.name,
        letters_in=recipient.correspondence_language,
        service=dict(service or {}),
        topic=seen.topic,
        topic_labels=dict(topic or {}),
        language=seen.language,
        area=seen.area,
        area_names=dict(area or {}),
        priority=seen.priority,
        state=seen.state,
        sent_at=seen.sent_at,
        due_at=seen.answer_due_at,
        expires_at=link.expires_at,
        allowed=seen.allowed,
        notable=notes_in(seen.state),
        appointments=() if revoked else await _planned(session, actor, link.referral_id, at),
        shared=seen.categories if revoked else (),
        may_call=0 if revoked else CALLS - await _calls(session, link),
        opened=seen.package_readable,
    )


async def _planned(
    session: AsyncSession, actor: Actor, referral_id: UUID, at: datetime
) -> tuple[AppointmentView, ...]:
    found = (await appointments.list_appointments(session, actor, [referral_id], at))[referral_id]
    return tuple(one for one in found if one.state is AppointmentState.PLANNED)


async def _depth(session: AsyncSession, link: AnswerLink, at: datetime) -> ReportDepth:
    part = await session.scalar(
        select(ConsentPart).join(Referral, part_of_referral()).where(Referral.id == link.referral_id)
    )
    return depth_of(part, at)


async def _calls(session: AsyncSession, link: AnswerLink) -> int:
    return (
        await session.execute(
            select(func.count())
            .select_from(AnswerLinkUse)
            .where(AnswerLinkUse.link_id == link.id, AnswerLinkUse.answer == CALL_ME)
        )
    ).scalar_one()


async def _enter(work: Work, code: str, key: str, given: object) -> tuple[AnswerLink, Held] | Taken:
    """Lock the referral and the link, and act as its holder; or return what the same key did before.

    The referral is locked before the link, as whoever issues and revokes does. Raises CodeNotValid,
    AnswerLinkClosed, and IdempotencyConflict when the key came with another answer before.
    """
    link = await _presented(work.session, code)
    work.actor = _holder(link)
    try:
        held: Held | None = await hold(work, link.referral_id)
    except NotFound:  # used, revoked or past its end: row-level security shows nothing any more
        held = None
    digest = sha256(msgspec.json.encode(given, order="deterministic")).digest()
    use = await work.session.get(AnswerLinkUse, (link.id, _key_hash(key)))
    if use is not None:
        if use.input_hash != digest:
            raise IdempotencyConflict
        return Taken(answer=use.answer, at=use.at, link_ended=use.ended)
    link = await _presented(work.session, code, lock=True)
    if held is None or not _lives(link, work.now):
        raise AnswerLinkClosed
    told = held.referral.revocation_answer
    if not _waited_for(held.referral.state, told, covered=held.covered):
        raise AnswerLinkClosed
    if held.referral.state not in link.states:
        raise AnswerLinkClosed
    if link.issued_by is not None and _withheld(held.referral.state, held.readable):
        raise AnswerLinkClosed
    return link, held


def _key_hash(key: str) -> bytes:
    return sha256(b"spurwechsel answer\0" + key.encode("utf-8", "replace")).digest()


def _keep(work: Work, link: AnswerLink, key: str, given: object, taken: Taken) -> None:
    digest = sha256(msgspec.json.encode(given, order="deterministic")).digest()
    work.session.add(
        AnswerLinkUse(
            link_id=link.id,
            key_hash=_key_hash(key),
            input_hash=digest,
            answer=taken.answer,
            ended=taken.link_ended,
            at=taken.at,
        )
    )


async def open_package(work: Work, keys: KeyStore, code: str) -> Package:
    """Open what was sent about the person (SENT to ACKNOWLEDGED the first time); every look is recorded.

    Raises CodeNotValid, AnswerLinkClosed, PackageClosed (asked before it was opened), Erased.
    """
    entered = await _enter(work, code, "", None)
    if isinstance(entered, Taken):
        raise AssertionError("opening keeps no key")
    link, held = entered
    if held.referral.state is ReferralState.SENT:
        await answering.acknowledge(work, link.referral_id, held.referral.version)
    return await view_package(work.session, work.actor, keys, link.referral_id, work.now)


async def answer(work: Work, keys: KeyStore, code: str, given: LinkAnswer, *, key: str) -> Taken:
    """Answer as the recipient; the event says that it came by link. The same ``key`` answers the same.

    An answer that decides uses the link up: of several at the same time exactly one wins. Raises
    CodeNotValid, AnswerLinkClosed, IdempotencyConflict, and what the answer raises for a member.
    """
    if not 8 <= len(key) <= 200:
        raise InvalidInput("idempotencyKey", "length", minimum="8", maximum="200")
    entered = await _enter(work, code, key, given)
    if isinstance(entered, Taken):
        return entered
    link, held = entered
    if isinstance(given, CallMe):
        if held.referral.state is ReferralState.CONSENT_REVOKED:
            raise TransitionNotAllowed(held.referral.state, ())
        await _call_me(work, keys, link, held, given)
        taken = Taken(answer=CALL_ME, at=work.now, link_ended=False)
        _keep(work, link, key, given, taken)
        return taken
    move = str(type(given).__struct_config__.tag)
    if isinstance(given, BesideAnswer):
        await _note(work, keys, link.referral_id, held.referral.version, given)
    else:
        await answering.record_answer(work, keys, link.referral_id, held.referral.version, given, None)
    taken = Taken(answer=move, at=work.now, link_ended=move not in LEAVES_OPEN)
    _keep(work, link, key, given, taken)
    await work.session.flush()
    if taken.link_ended:
        # last, because the holder sees nothing of the referral any more from here on
        link.used_at = work.now
        await work.session.flush()
    return taken


async def _note(work: Work, keys: KeyStore, referral_id: UUID, version: int, given: BesideAnswer) -> None:
    """Note beside the state what a member would note."""
    match given:
        case AnswerSignOfLife():
            await answering.sign_of_life(work, referral_id, version)
        case AnswerWaiting():
            await answering.update_waiting(work, referral_id, version, expected_week=given.expected_week)
        case AnswerAppointment():
            await appointments.set_appointment(work, keys, referral_id, version, given.given)
        case AnswerAppointmentMoved():
            which = given.appointment_id
            await appointments.move_appointment(work, keys, referral_id, version, which, given.given)
        case AnswerAppointmentCancelled():
            await appointments.cancel_appointment(work, keys, referral_id, version, given.appointment_id)
        case AnswerNoShow():
            which_one = given.appointment_id
            await appointments.no_show(work, referral_id, version, given.on, appointment_id=which_one)
        case AnswerInterim():
            await answering.report_interim(work, referral_id, version, result=given.result, on=given.on)


async def _call_me(work: Work, keys: KeyStore, link: AnswerLink, held: Held, given: CallMe) -> None:
    phone = given.phone.strip()
    if not _PHONE.fullmatch(phone):
        raise InvalidInput("phone", "format")
    when = checked_text(given.when, "when") if given.when else None
    if when is not None and len(when) > 200:
        raise InvalidInput("when", "too-long", maximum="200")
    if await _calls(work.session, link) >= CALLS:
        raise InvalidInput("phone", "too-many", maximum=str(CALLS))
    key = await keys.of(held.referral.client_id)
    text = phone if when is None else f"{phone}; {when}"
    moved = await note_down(work, held, CALL_ME, EventActor.RECIPIENT, {}, note=(key, text))
    await promise(
        work,
        NoticeKind.NEWS,
        held.referral.sender_partner_id,
        about=held.referral.id,
        dedupe=str(moved.version),
    )
