"""What each side reads of a referral: one, the partner's inbox, what was sent, the history, the package.

Everything is judged at the moment of reading: a consent that has ended gives no package and no new outcome,
whether or not the clock has moved the referral. Row-level security stands beneath and says the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from directory.actors import Actor, Role
from directory.courses import next_run
from directory.database import seen
from directory.days import local_day
from directory.models import Service
from directory.paging import check_size, cursor_of, place_of
from directory.problems import InvalidInput, NotAllowed, NotFound
from directory.values import Instant, Value
from referrals.clock import Action, MakeMove, Remind, upcoming
from referrals.consent.consents import facts_of as consent_facts
from referrals.models import Client, ConsentPart, Referral, ReferralEvent, ReferralPackage, clock_facts
from referrals.moving import (
    NOBODYS,
    course_of,
    covered,
    depth_expression,
    depth_of,
    facts_of,
    happened,
    history_if_needed,
    part_of_referral,
    shown_state_expression,
    since_of,
    text_place,
)
from referrals.noted import TAKEN, Noted
from referrals.package import Package, decoder
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import Place
from referrals.policy import act_on_referral, must_work_with_people, see_referral
from referrals.problems import Erased, PackageClosed
from referrals.reporting import (
    HIDDEN_REASONS,
    Course,
    Happened,
    Told,
    moves_shown,
    reason_shown,
    shown_events,
    shown_to_sender,
    who_reported_is_hidden,
)
from referrals.states import FOLLOW_UP_STATES, Move, RemindedParty, Step, allowed
from referrals.useful_start import LatestUsefulStart, latest_useful_start, start_warnings
from referrals.values import Kept
from referrals.vocabulary import (
    OPEN_STATES,
    OPENED_STATES,
    READABLE_STATES,
    UNSENT_STATES,
    AnswerSource,
    CapacityReason,
    ClientPhase,
    ConsentState,
    DataCategory,
    DeclinedBy,
    DeclineReason,
    EventActor,
    FeedbackAsked,
    NextStepKind,
    OutcomeCode,
    OutcomeReason,
    Priority,
    Reason,
    ReferralState,
    ReportDepth,
    Warned,
)

MOST: Final = 100
"""Entries on a page at most."""


class NextStep(Value, frozen=True, kw_only=True):
    """What happens next when nobody does anything, and when."""

    what: NextStepKind
    at: Instant


class ReferralView(Value, frozen=True, kw_only=True):
    """A referral as one side may see it; what that side may not see is None or empty.

    ``state`` is judged at reading. Before the package is opened the recipient sees topic, language and area
    of the person only. ``allowed``: the reader's own moves now; ``recordable``: moves of the recipient that
    the sender may record. ``outcome_withheld``: the person does not let the sender know outcomes (any more);
    then the sender reads everything as if what it may not know had not happened (``referrals.reporting``).
    ``no_shows`` is None where it is not told. ``unread``: questions, answers and remarks of the other side.
    ``client_id``, ``consent_id``, ``parent_id`` and ``latest_useful_start``, which tells when the status
    ends, are the sender's alone; so is ``waits_for_sender``: it has to answer, to confirm, or to see what
    becomes of a need for which there was no place. ``next_step``: what the clock does next, as far as this
    side is concerned.
    """

    id: UUID
    version: int
    seen_as: EventActor
    state: ReferralState
    state_since: Instant
    allowed: tuple[Move, ...]
    recordable: tuple[Move, ...] = ()
    warnings: tuple[Warned, ...] = ()
    latest_useful_start: LatestUsefulStart | None = None
    next_step: NextStep | None = None
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
    follow_up_offered: bool = False
    waits_for_sender: bool = False
    appointment_at: Instant | None = None
    interim_report_on: date | None = None
    last_sign_of_life: date | None = None
    no_shows: int | None = None
    unread: int = 0
    taken_over_client_id: UUID | None = None
    overdue: bool = False
    disputed: bool = False
    unconfirmed: bool = False
    created_at: Instant
    updated_at: Instant

    @property
    def cursor(self) -> str:
        """Where this entry stands in a list, for the next page."""
        return cursor_of(self.updated_at, self.id)


_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""Where what waits for nothing stands when what is due first comes first."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ReferralPage(Value, frozen=True, kw_only=True):
    """A page of referrals in the order asked for, each with its place; ``total`` only when asked for."""

    items: tuple[ReferralView, ...]
    cursors: tuple[str, ...]
    has_next: bool
    total: int | None = None


class EventView(Told, frozen=True, kw_only=True):
    """One event as a side may see it; ``member_id`` only of the own organisation."""

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


TEXTS: Final = (Move.ASK.value, Move.REPLY.value, Move.DECLINE.value, Noted.REMARK.value)
"""Events with a text for the other side."""


class Box(StrEnum):
    """Which side's list: what came in, or what was sent."""

    INBOX = "INBOX"
    SENT = "SENT"


# --- One referral -------------------------------------------------------------------------------------------

_opened = exists().where(ReferralEvent.referral_id == Referral.id, ReferralEvent.to_state.in_(OPENED_STATES))


READER: Final = bindparam("reader", type_=Uuid)
"""The organisation that reads: given when a statement is run, so that it is built once only."""


def _unread() -> ColumnElement[int]:
    """Return the column with how many texts of the other side the reader's side has not read.

    Those that the sender may not read (``reporting``) are not counted for it.
    """
    sends = Referral.sender_partner_id == READER
    depth = depth_expression()
    remark = and_(
        depth != ReportDepth.OUTCOME.value,
        ReferralEvent.move == Noted.REMARK.value,
        ReferralEvent.to_state.in_(TAKEN | {ReferralState.OUTCOME_REPORTED, ReferralState.CLOSED}),
    )
    personal = or_(
        *(
            and_(
                depth == level.value,
                ReferralEvent.move == Move.DECLINE.value,
                ReferralEvent.reason.in_(sorted(reasons)),
            )
            for level, reasons in HIDDEN_REASONS.items()
            if reasons
        )
    )
    read = case((sends, Referral.sender_read), else_=Referral.recipient_read)
    return (
        select(func.count())
        .select_from(ReferralEvent)
        .where(
            ReferralEvent.referral_id == Referral.id,
            ReferralEvent.ordinal > read,
            ReferralEvent.move.in_(TEXTS),
            or_(not_(sends), and_(ReferralEvent.told, not_(remark), not_(func.coalesce(personal, False)))),
            # a decline need not say more than its reason
            or_(ReferralEvent.move != Move.DECLINE.value, ReferralEvent.sealed_text.is_not(None)),
            # whoever recorded a question for the other side has read it
            ReferralEvent.partner_id.is_distinct_from(READER),
        )
        .scalar_subquery()
        .label("unread")
    )


_WAITING: Final = (ReferralState.INFO_REQUESTED, ReferralState.OUTCOME_REPORTED)
"""States in which the next move is the sender's."""

_NO_PLACE: Final = (ReferralState.DECLINED, ReferralState.EXPIRED)
_SAYS_NOTHING: Final = (ReferralState.ABANDONED, ReferralState.ENTERED_IN_ERROR)


@cache
def _left_over() -> ColumnElement[bool]:
    """Return the column that says whether a referral came to no place and nothing was done about it yet.

    A refusal is the last word of its referral, not of the need: that is left over until the sender goes on
    with it (another referral of the person follows this one or is for the same topic, and is open or had a
    change after the refusal), the person has no needs any more or is erased, or somebody at the sender has
    marked the end as read. A draft that was given up, or an error, is no going on.
    """
    other, person = aliased(Referral), aliased(Client)
    goes_on = exists().where(
        other.client_id == Referral.client_id,
        other.id != Referral.id,
        or_(other.parent_id == Referral.id, other.topic == Referral.topic),
        other.state.not_in(_SAYS_NOTHING),
        or_(other.state.in_(OPEN_STATES), other.state_since > Referral.state_since),
    )
    has_needs = exists().where(
        person.id == Referral.client_id,
        person.erased_at.is_(None),
        person.phase != ClientPhase.NO_NEEDS,
    )
    unread = exists().where(
        ReferralEvent.referral_id == Referral.id,
        ReferralEvent.ordinal > Referral.sender_read,
        ReferralEvent.move.in_((Move.DECLINE.value, Move.EXPIRE.value)),
    )
    return case((Referral.state.in_(_NO_PLACE), and_(unread, has_needs, not_(goes_on))), else_=literal(False))


@cache
def _statement() -> Select[*tuple[Any, ...]]:
    # For a recipient row-level security leaves the sender's client empty: the status end is the sender's.
    # What a recipient has taken over is its own client.
    own = aliased(Client)
    taken_over = select(own.id).where(own.from_referral_id == Referral.id).scalar_subquery()
    return (
        select(
            Referral,
            ConsentPart,
            _opened.label("opened"),
            Client.status_valid_until,
            Service.kind.label("service_kind"),
            Service.course,
            history_if_needed(),
            _unread(),
            _left_over().label("left_over"),
            taken_over.label("taken_over"),
        )
        .outerjoin(ConsentPart, part_of_referral())
        .outerjoin(Client, Client.id == Referral.client_id)
        .join(Service, Service.id == Referral.service_id)
    )


def _given(actor: Actor, at: datetime) -> dict[str, object]:
    """Return what ``_statement`` is run with."""
    return {"reader": actor.partner_id, "today": local_day(at)}


async def view_referral(session: AsyncSession, actor: Actor, referral_id: UUID, at: datetime) -> ReferralView:
    """Return a referral as this actor may see it; NotFound for everybody who has no part in it."""
    row = (
        await session.execute(
            _statement().where(Referral.id == referral_id).execution_options(populate_existing=True),
            _given(actor, at),
        )
    ).one_or_none()
    if row is None:
        see_referral(actor, NOBODYS)
        raise NotFound
    return _view(row, actor, at, None)


def _readable(referral: Referral, state: ReferralState, opened: bool) -> bool:
    """Whether the recipient has the package open in this state."""
    if state in {ReferralState.SENT, ReferralState.INFO_REQUESTED}:
        return state is ReferralState.INFO_REQUESTED and opened
    return state in READABLE_STATES


def _state_at(
    referral: Referral, consent: ConsentPart | None, at: datetime, state: ReferralState
) -> ReferralState:
    if state in READABLE_STATES and not covered(referral, consent_facts(consent) if consent else None, at):
        return ReferralState.CONSENT_REVOKED
    return state


def _view(row: Any, actor: Actor, at: datetime, box: Box | None) -> ReferralView:
    referral: Referral = row[0]
    consent: ConsentPart | None = row[1]
    known = see_referral(actor, facts_of(referral, approval_open=True))
    sends = EventActor.SENDER in known and box is not Box.INBOX
    receives = EventActor.RECIPIENT in known and not sends
    depth = depth_of(consent, at)
    course = course_of(referral)
    if not receives:
        course = shown_to_sender(course, happened(row.history), depth, since_of(consent))
    # Who confirms for another organisation does not see its consents; the stored state must do.
    state = _state_at(referral, consent, at, course.state) if sends or receives else course.state
    shown: dict[str, Any] = {
        "id": referral.id,
        "seen_as": _seen_as(sends, receives, actor),
        "allowed": _own_moves(actor, referral, state, known, depth),
        "sender_partner_id": referral.sender_partner_id,
        "recipient_partner_id": referral.recipient_partner_id,
        "service_id": referral.service_id,
        "topic": referral.topic,
        "priority": referral.priority,
        "sent_at": referral.sent_at,
        "closed_at": referral.closed_at,
        "disputed": referral.disputed,
        "created_at": referral.created_at,
    }
    told = _COURSE if sends or receives else _OUTSIDE
    shown |= {name: getattr(course, name) for name in told} | {"state": state}
    if not sends and not receives:
        return ReferralView(**shown)
    for name in _BOTH:
        shown[name] = getattr(referral, name)
    shown["unread"] = row.unread
    shown["next_step"] = _next_step(referral, consent, state, at, sends=sends, depth=depth)
    if sends:
        for name in _SENDERS:
            shown[name] = getattr(referral, name)
        possible = moves_shown(state, depth, EventActor.RECIPIENT)
        shown["recordable"] = possible if shown["allowed"] else ()
        shown["follow_up_offered"] = offers_follow_up(course) and _looks_after(actor, referral)
        shown["waits_for_sender"] = state in _WAITING or row.left_over
        shown["package_readable"] = referral.sent_at is not None and state in READABLE_STATES
        latest = latest_useful_start(row.status_valid_until, row.service_kind, row.course)
        shown["latest_useful_start"] = latest
        shown["warnings"] = _warnings(referral, state, row, latest, at)
        shown["outcome_withheld"] = depth is not ReportDepth.OUTCOME
        return ReferralView(**shown)
    shown["recipient_member_id"] = referral.recipient_member_id
    shown["taken_over_client_id"] = row.taken_over
    open_now = _readable(referral, state, row.opened)
    shown["package_readable"] = open_now
    if open_now or row.opened:
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
    "expected_end",
    "better_service_id",
    "revocation_due_at",
    "revocation_answer",
)
_COURSE: Final = tuple(
    name for name in Course.__struct_fields__ if name not in {"hidden_changes", "sender_updated_at"}
)
_OUTSIDE: Final = ("version", "state_since", "updated_at", "unconfirmed")
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


def offers_follow_up(course: Course) -> bool:
    """Whether what the sender reads offers the next service: it ended, and the need is not known as met."""
    return course.state in FOLLOW_UP_STATES and not (
        course.state is ReferralState.CLOSED and course.outcome is OutcomeCode.NEED_MET
    )


def _looks_after(actor: Actor, referral: Referral) -> bool:
    try:
        act_on_referral(actor, facts_of(referral), EventActor.SENDER)
    except NotAllowed:
        return False
    return True


def _own_moves(
    actor: Actor,
    referral: Referral,
    state: ReferralState,
    known: Collection[EventActor],
    depth: ReportDepth,
) -> tuple[Move, ...]:
    moves: list[Move] = []
    for party in (EventActor.SENDER, EventActor.RECIPIENT):
        if party in known:
            try:
                act_on_referral(actor, facts_of(referral), party)
            except NotAllowed:
                continue
            sends = party is EventActor.SENDER
            moves.extend(moves_shown(state, depth, party) if sends else allowed(state, party))
    return tuple(dict.fromkeys(moves))


_STEPS: Final[dict[Move, NextStepKind]] = {
    Move.REPLY: NextStepKind.QUESTION_RETURNED,
    Move.ABANDON: NextStepKind.ABANDONED,
    Move.EXPIRE: NextStepKind.EXPIRED,
    Move.REPORT_OUTCOME: NextStepKind.OUTCOME_UNKNOWN,
    Move.CLOSE: NextStepKind.CLOSED_UNCONFIRMED,
}


def _next_step(
    referral: Referral,
    consent: ConsentPart | None,
    state: ReferralState,
    at: datetime,
    *,
    sends: bool,
    depth: ReportDepth,
) -> NextStep | None:
    """Return what happens next, for one side: the clock's next act, its own reminders, the consent's end.

    Where the sender may not know whether work has begun, it does not read what the clock waits for either.
    """
    if state is not referral.state or (sends and depth is not ReportDepth.OUTCOME and state in TAKEN):
        return None
    side = RemindedParty.SENDER if sends else RemindedParty.RECIPIENT
    for action in upcoming(clock_facts(referral), at):
        if isinstance(action, Remind) and side not in action.whom:
            continue
        found = NextStep(what=_kind(action), at=max(action.at, at))
        break
    else:
        return None
    ends = consent.valid_until if consent is not None and consent.state is ConsentState.GIVEN else None
    if ends is not None and ends < found.at:
        return NextStep(what=NextStepKind.CONSENT_ENDS, at=ends)
    return found


def _kind(action: Action) -> NextStepKind:
    if isinstance(action, MakeMove):
        return _STEPS[action.move]
    return NextStepKind.REMINDER if isinstance(action, Remind) else NextStepKind.OVERDUE


def _warnings(
    referral: Referral, state: ReferralState, row: Any, latest: LatestUsefulStart | None, at: datetime
) -> tuple[Warned, ...]:
    status_end: date | None = row.status_valid_until
    run = next_run(row.course, local_day(at))
    begins = run.starts_on if run is not None else None
    planned = {
        ReferralState.WAITLISTED: referral.expected_week,
        ReferralState.ACCEPTED: referral.first_contact_on,
    }.get(state, begins)
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
    if Warned.WAIT_AFTER_STATUS_END not in found:
        found.extend(start_warnings(latest, state, local_day(at), planned=(planned,)))
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
    overdue: bool | None = None,
    waits_for_sender: bool | None = None,
    client_id: UUID | None = None,
    service_id: UUID | None = None,
    soonest_first: bool = False,
    first: int = 50,
    after: str | None = None,
    with_total: bool = False,
) -> ReferralPage:
    """Return a page of the own organisation's inbox, or of what it drafted and sent; latest change first.

    ``soonest_first``: by the next deadline or reminder, and what waits for nothing last; of what was sent by
    when an answer is due, the sender's to a question or the recipient's, and what waits for none last, latest
    change first: the sender must not read from the order what else the clock waits for.
    ``states`` are as judged at reading; ``due_before``: the recipient's answer is due before that moment;
    ``overdue``: it was not there when it was due; ``client_id`` and ``waits_for_sender`` (``ReferralView``)
    are of what was sent only.
    One statement (two with the total). Raises InvalidInput for a wrong cursor or page size.
    """
    must_work_with_people(actor)
    check_size(first, MOST)
    own = Referral.recipient_partner_id if box is Box.INBOX else Referral.sender_partner_id
    conditions: list[ColumnElement[bool]] = [own == actor.partner_id]
    if box is Box.INBOX:
        conditions.append(Referral.sent_at.is_not(None))
        client_id = waits_for_sender = None
    if client_id is not None:
        conditions.append(Referral.client_id == client_id)
    if service_id is not None:
        conditions.append(Referral.service_id == service_id)
    if overdue is not None:
        conditions.append(Referral.overdue == overdue)
    if due_before is not None:
        if due_before.tzinfo is None:
            raise InvalidInput("dueBefore", "wrong-type")
        conditions.append(Referral.answer_due_at < due_before)
    if states or waits_for_sender is not None:
        in_force = and_(
            ConsentPart.state == ConsentState.GIVEN,
            ConsentPart.valid_from <= at,
            ConsentPart.valid_until > at,
        )
        judged = case(
            (
                and_(Referral.state.in_(READABLE_STATES), not_(func.coalesce(in_force, False))),
                literal(ReferralState.CONSENT_REVOKED, Referral.state.type),
            ),
            else_=Referral.state if box is Box.INBOX else shown_state_expression(),
        )
        if states:
            conditions.append(judged.in_(list(states)))
        if waits_for_sender is not None:
            waits = or_(judged.in_(_WAITING), _left_over())
            conditions.append(waits if waits_for_sender else not_(waits))
    place: ColumnElement[datetime] = Referral.updated_at.expression
    if box is Box.SENT:
        place = func.coalesce(Referral.sender_updated_at, Referral.updated_at)
    if soonest_first:
        never = literal(_NEVER, DateTime(timezone=True))
        if box is Box.INBOX:
            place = func.coalesce(Referral.next_tick_at, never)
        else:
            later = never - (place - literal(_EPOCH, DateTime(timezone=True)))  # the latest change first
            place = func.coalesce(Referral.question_due_at, Referral.answer_due_at, later)
    paged = list(conditions)
    if after is not None:
        here, there = tuple_(place, Referral.id), tuple_(*place_of(after))
        paged.append(here > there if soonest_first else here < there)
    rows = (
        await session.execute(
            _statement()
            .where(*paged)
            .add_columns(place.label("place"))
            .order_by(*((place, Referral.id) if soonest_first else (place.desc(), Referral.id.desc())))
            .limit(first + 1)
            .execution_options(populate_existing=True),
            _given(actor, at),
        )
    ).all()
    total: int | None = None
    if with_total:
        total = (
            await session.execute(
                select(func.count())
                .select_from(Referral)
                .outerjoin(ConsentPart, part_of_referral())
                .where(*conditions),
                _given(actor, at),
            )
        ).scalar_one()
    items = tuple(_view(row, actor, at, box) for row in rows[:first])
    return ReferralPage(
        items=items,
        cursors=tuple(
            cursor_of(row.place, item.id) if soonest_first else item.cursor
            for row, item in zip(rows[:first], items, strict=True)
        ),
        has_next=len(rows) > first,
        total=total,
    )


async def waiting_list(
    session: AsyncSession, actor: Actor, service_id: UUID, at: datetime, *, first: int = 50
) -> tuple[ReferralView, ...]:
    """Return who waits for a place of an own service, in the fair order: by priority, then by day of sending.

    Whoever's consent has ended does not wait any more. Raises InvalidInput for a wrong size.
    """
    must_work_with_people(actor)
    check_size(first, MOST)
    urgency = case(*((Referral.priority == priority, n) for n, priority in enumerate(Priority)))
    rows = await session.execute(
        _statement()
        .where(
            Referral.recipient_partner_id == actor.partner_id,
            Referral.service_id == service_id,
            Referral.state == ReferralState.WAITLISTED,
            ConsentPart.state == ConsentState.GIVEN,
            ConsentPart.valid_until > at,
        )
        .order_by(urgency, Referral.sent_at, Referral.id)
        .limit(first)
        .execution_options(populate_existing=True),
        _given(actor, at),
    )
    views = (_view(row, actor, at, Box.INBOX) for row in rows)
    return tuple(view for view in views if view.state is ReferralState.WAITLISTED)


async def lineage(
    session: AsyncSession, actor: Actor, referral_id: UUID, at: datetime
) -> tuple[ReferralView, ...]:
    """Return the sender's chain that a referral stands in, oldest first: what came before, and what followed.

    Empty for everybody else: a recipient never learns that there was another referral.
    """
    own = await view_referral(session, actor, referral_id, at)
    if own.seen_as is not EventActor.SENDER:
        return ()
    rows = await session.execute(
        _statement()
        .where(Referral.sender_partner_id == actor.partner_id, Referral.client_id == own.client_id)
        .order_by(Referral.created_at, Referral.id)
        .limit(5 * MOST)
        .execution_options(populate_existing=True),
        _given(actor, at),
    )
    known = {view.id: view for view in (_view(row, actor, at, Box.SENT) for row in rows)}
    root = own
    for _ in known:
        before = known.get(root.parent_id) if root.parent_id else None
        if before is None:
            break
        root = before
    chain = {root.id}
    for view in known.values():  # in order of time: a parent stands before what follows it
        if view.parent_id in chain:
            chain.add(view.id)
    return tuple(view for view in known.values() if view.id in chain)[:MOST]


# --- History ------------------------------------------------------------------------------------------------


async def list_events(
    session: AsyncSession, actor: Actor, keys: KeyStore, referral_id: UUID, at: datetime
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
    part = None if receives else await _part(session, referral_id)
    depth = ReportDepth.OUTCOME if receives else depth_of(part, at)
    readable = [event for event in rows if receives or _happened(event).shown(depth)]
    if opens and any(event.sealed_text for event in readable):
        # The recipient learns from the package whose key it is: it sees that only while the consent covers it
        whose = select(Referral.client_id).where(Referral.id == referral_id)
        if receives:
            whose = select(ReferralPackage.client_id).where(ReferralPackage.referral_id == referral_id)
        client_id = await session.scalar(whose)
        with suppress(Erased):  # the events stay when the person was erased
            if client_id is None:
                raise Erased
            key = await keys.of(client_id)
            place = text_place(referral_id)
            texts = {e.ordinal: key.open(e.sealed_text, place).decode() for e in readable if e.sealed_text}
        await seen(session, actor, "referral.texts", "referral", [referral_id])
    # who only confirms a request for another organisation learns which moves there were, and no more
    outside = view.seen_as is EventActor.LEAD
    events = tuple(
        EventView(
            ordinal=event.ordinal,
            at=event.at,
            move=event.move,
            from_state=event.from_state,
            to_state=event.to_state,
            actor=event.actor,
            told=event.told,
            partner_id=event.partner_id,
            member_id=event.member_id if event.partner_id == actor.partner_id else None,
            source=event.source,
            source_on=event.source_on,
            reason=None if outside else event.reason,
            facts={} if outside else event.facts,
            text=texts.get(event.ordinal),
        )
        for event in rows
        if not receives or event.to_state not in UNSENT_STATES
    )
    if receives:
        return events
    told = shown_events(events, depth, since_of(part))
    return tuple(_as_told(event, view, depth) for event in told)


def _happened(event: ReferralEvent) -> Happened:
    return Happened(move=event.move, actor=event.actor, to_state=event.to_state, at=event.at, told=event.told)


async def _part(session: AsyncSession, referral_id: UUID) -> ConsentPart | None:
    part: ConsentPart | None = await session.scalar(
        select(ConsentPart).join(Referral, part_of_referral()).where(Referral.id == referral_id)
    )
    return part


def _as_told(event: EventView, view: ReferralView, depth: ReportDepth) -> EventView:
    """Return what an event says to the sender: no outcome, and no reason that speaks of the person."""
    if not event.told:  # that it happened is told later, and nothing of what was said with it
        return replace(event, member_id=None, reason=None, facts={}, text=None, source_on=None)
    if who_reported_is_hidden(event.move, depth):
        if event.partner_id == view.sender_partner_id:  # what the sender recorded itself, it knows
            return replace(event, reason=None, facts={})
        return replace(
            event,
            actor=EventActor.RECIPIENT,
            partner_id=view.recipient_partner_id,
            member_id=None,
            source=AnswerSource.MEMBER,
            source_on=None,
            reason=None,
            facts={},
            text=None,
        )
    reason = reason_shown(event.move, event.reason, depth)
    if reason != event.reason:
        facts = {**event.facts, "declinedBy": DeclinedBy.PARTNER.value}
        return replace(event, reason=reason, facts=facts, text=None)
    return event


# --- The package --------------------------------------------------------------------------------------------


async def view_package(
    session: AsyncSession, actor: Actor, keys: KeyStore, referral_id: UUID, at: datetime
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
    key = await keys.of(stored.client_id)
    await seen(session, actor, "package.view", "referral", [referral_id])
    return decoder.decode(key.open(stored.sealed, package_place(referral_id)))


def package_place(referral_id: UUID) -> Place:
    """Return the place that a package's seal is bound to."""
    return Place("referral_package", "sealed", referral_id)
