"""How every move of a referral is made: lock, rights, version, table, change, event, audit; one transaction.

``exchange``, ``approvals`` and the clock's jobs say what a move means; here is only how it happens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Date, and_, bindparam, case, func, not_, or_, select, text
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH, aggregate_order_by, insert

from directory.actors import Actor, Role
from directory.catalogue import give_back_place
from directory.database import Work
from directory.days import local_day
from directory.problems import InvalidInput, NotFound, StaleVersion
from directory.values import Value
from referrals.clock import end_of as end_of
from referrals.consent.consents import facts_of as consent_facts
from referrals.consent.rules import ConsentFacts, covers, report_depth
from referrals.models import ConsentPart, Referral, ReferralEvent
from referrals.noted import COURSE, Noted, check_note
from referrals.notices import Promise, after_move, promise_all
from referrals.personal_data.sealing import DataKey, Place
from referrals.policy import ReferralFacts, act_on_referral, record_answer, see_referral
from referrals.problems import ConsentMissing, TransitionNotAllowed
from referrals.reporting import (
    HIDDEN_MOVES,
    Course,
    Happened,
    moves_shown,
    reaches_sender,
    readable_depth,
    shown_to_sender,
    states_behind,
)
from referrals.states import Move, allowed, transition
from referrals.vocabulary import (
    READABLE_STATES,
    AnswerSource,
    ConsentState,
    EventActor,
    NoticeKind,
    Purpose,
    ReferralState,
    ReportDepth,
)

LONGEST_TEXT: Final = 600
"""Characters of a free text (question, answer, note); stored sealed only."""

FREES_PLACE: Final = frozenset(
    {
        ReferralState.DECLINED,
        ReferralState.CANCELLED,
        ReferralState.EXPIRED,
        ReferralState.CONSENT_REVOKED,
        ReferralState.ENTERED_IN_ERROR,
    }
)
"""Ends that give a taken place back; an outcome does not: the place was used."""


class Answered(Value, frozen=True, kw_only=True):
    """That the sender records what the recipient told them: on which way, on which day."""

    source: AnswerSource
    on: date


class Moved(Value, frozen=True, kw_only=True):
    """What a move left behind: ``allowed`` is what the same party can do next."""

    id: UUID
    state: ReferralState
    version: int
    allowed: tuple[Move, ...] = ()


@dataclass(slots=True)
class Held:
    """A referral locked for a move, with the consent that it rests on as it is at this instant."""

    referral: Referral
    consent: ConsentFacts | None
    covered: bool
    readable: ReportDepth = ReportDepth.NOTHING
    """How much of the course the sender may read now."""
    history: tuple[Happened, ...] = ()
    """What happened, where the state alone does not say what the sender reads."""

    @property
    def shown(self) -> Course:
        """The course as the sender reads it."""
        since = None if self.consent is None else self.consent.valid_from
        return shown_to_sender(course_of(self.referral), self.history, self.readable, since)

    @property
    def shown_state(self) -> ReferralState:
        """The state as the sender reads it."""
        return self.shown.state

    def tells(self, move: str, party: EventActor, state: ReferralState, at: datetime) -> bool:
        """Whether the sender is to know, at this moment, that this happened."""
        depth = report_depth(self.consent, self.referral.recipient_partner_id, at)
        return reaches_sender(move, party, state, depth)

    def state_for(self, move: Move) -> ReferralState:
        """Return the state to judge a move by: a sent referral without consent counts as revoked.

        Whether or not the clock has been there: access ends with the consent (DESIGN section 6). Only
        what ends it or takes it back looks at the stored state.
        """
        state = self.referral.state
        if move in {Move.CORRECT, Move.REVOKE, Move.EXPIRE} or self.covered:
            return state
        return ReferralState.CONSENT_REVOKED if state in READABLE_STATES else state


def facts_of(referral: Referral, *, approval_open: bool = False) -> ReferralFacts:
    """Return what the policy decides on."""
    return ReferralFacts(
        id=referral.id,
        client_id=referral.client_id,
        sender_partner_id=referral.sender_partner_id,
        recipient_partner_id=referral.recipient_partner_id,
        municipality_id=referral.municipality_id,
        sender_member_id=referral.sender_member_id,
        sender_deputy_id=referral.sender_deputy_id,
        sent=referral.sent_at is not None,
        approval_open=approval_open,
    )


async def hold(work: Work, referral_id: UUID, *, approval_open: bool = False) -> Held:
    """Lock a referral that this actor sees, else raise NotFound; one statement.

    The version that the caller expects is checked after this lock, so a consent that ended while this
    waited has raised the version too.
    """
    row = (
        await work.session.execute(
            select(Referral, ConsentPart, history_if_needed())
            .outerjoin(ConsentPart, part_of_referral())
            .where(Referral.id == referral_id)
            .with_for_update(of=Referral)
            .execution_options(populate_existing=True)
        )
    ).one_or_none()
    if row is None:
        # For somebody without an account it is NotSignedIn, as everywhere.
        see_referral(work.actor, NOBODYS)
        raise NotFound
    referral, stored, history = row
    see_referral(work.actor, facts_of(referral, approval_open=approval_open))
    consent = None if stored is None else consent_facts(stored)
    return Held(
        referral,
        consent,
        covered(referral, consent, work.now),
        depth_of(stored, work.now),
        happened(history),
    )


def part_of_referral() -> ColumnElement[bool]:
    """Return how to join a referral with its recipient's part of the consent that it rests on.

    Every side judges by that part: what other recipients are told is not in it, and decides nothing here.
    """
    return and_(
        ConsentPart.consent_id == Referral.consent_id,
        ConsentPart.recipient_partner_id == Referral.recipient_partner_id,
    )


def depth_of(part: ConsentPart | None, at: datetime) -> ReportDepth:
    """Return how much of the course the sender may read now, by the consent that the referral rests on."""
    if part is None or part.report_back_ended:
        return ReportDepth.NOTHING
    return readable_depth(consent_facts(part), None, part.recipient_partner_id, at)


def since_of(part: ConsentPart | None) -> datetime | None:
    """Return when the consent that a referral rests on began."""
    return None if part is None else part.valid_from


TODAY: Final = bindparam("today", type_=Date)
"""The day (Berlin) by which a statement judges: given when it is run, so that it is built once only."""


@cache
def depth_expression() -> ColumnElement[str]:
    """Return what ``depth_of`` says, as a column of a statement that joins referral and consent.

    Whoever runs the statement gives ``today``, the day in Brandenburg.
    """
    entry = func.jsonb_path_query_first(
        ConsentPart.terms,
        sql_cast('$.purposes[*] ? (@.purpose == "REPORT_BACK" && @.granted == true)', JSONPATH),
    )
    ends_on = sql_cast(entry.op("->>")("ends_on"), Date)
    over = or_(
        ConsentPart.consent_id.is_(None),
        ConsentPart.state == ConsentState.WITHDRAWN,
        ConsentPart.report_back_ended,
        ends_on < TODAY,
    )
    stated = func.coalesce(entry.op("->>")("report_depth"), ReportDepth.NOTHING.value)
    return case((func.coalesce(over, False), ReportDepth.NOTHING.value), else_=stated)


@cache
def shown_state_expression() -> ColumnElement[ReferralState]:
    """Return the state as the sender reads it, as ``reporting.shown_to_sender`` says, for a filter.

    Whoever runs the statement gives ``today``, the day in Brandenburg.
    """
    depth = depth_expression()
    hidden = [
        and_(depth == level.value, ReferralEvent.move.in_(sorted(moves)))
        for level, moves in HIDDEN_MOVES.items()
        if moves
    ]
    last = (
        select(ReferralEvent.to_state)
        .where(
            ReferralEvent.referral_id == Referral.id,
            ReferralEvent.move.in_([move.value for move in Move]),
            not_(or_(*hidden)),
        )
        .order_by(ReferralEvent.ordinal.desc())
        .limit(1)
        .scalar_subquery()
    )
    return case((Referral.state.in_(COURSE), last), else_=Referral.state)


@cache
def history_if_needed() -> ColumnElement[list[list[str]] | None]:
    """Return the column with what happened to a referral, in order, where ``reporting`` needs to know it."""
    event = func.jsonb_build_array(
        ReferralEvent.move, ReferralEvent.actor, ReferralEvent.to_state, ReferralEvent.at, ReferralEvent.told
    )
    events = (
        select(func.jsonb_agg(aggregate_order_by(event, ReferralEvent.ordinal), type_=JSONB))
        .where(ReferralEvent.referral_id == Referral.id)
        .scalar_subquery()
    )
    return case((or_(Referral.state.in_(COURSE), Referral.hidden_changes > 0), events)).label("history")


def happened(rows: list[list[str]] | None) -> tuple[Happened, ...]:
    """Return what ``history_if_needed`` has read."""
    return tuple(
        Happened(
            move=move,
            actor=EventActor(actor),
            to_state=ReferralState(to_state),
            at=datetime.fromisoformat(at),
            told=bool(told),
        )
        for move, actor, to_state, at, told in rows or ()
    )


def course_of(referral: Referral) -> Course:
    """Return the facts of which ``reporting`` says what the sender reads."""
    return Course(**{name: getattr(referral, name) for name in Course.__struct_fields__})


NOBODYS: Final = ReferralFacts(
    sender_partner_id=UUID(int=0), recipient_partner_id=UUID(int=0), municipality_id=UUID(int=0)
)


def covered(referral: Referral, consent: ConsentFacts | None, now: datetime) -> bool:
    """Whether the consent covers, at this instant, that the recipient has what the referral shares."""
    return not covers(
        consent,
        recipient=referral.recipient_partner_id,
        purpose=Purpose.REFERRAL,
        categories=referral.categories,
        at=now,
    )


def permit(work: Work, held: Held, party: EventActor, answered: Answered | None = None) -> None:
    """Check that the actor may act as ``party``: in person, or as the sender who records an answer."""
    facts = facts_of(held.referral)
    if answered is None:
        act_on_referral(work.actor, facts, party)
        return
    record_answer(work.actor, facts)
    if answered.source in {AnswerSource.MEMBER, AnswerSource.SYSTEM, AnswerSource.CODE, AnswerSource.LINK}:
        raise InvalidInput("answered.source", "unknown-value")
    sent = held.referral.sent_at
    if answered.on > local_day(work.now):
        raise InvalidInput("answered.on", "in-the-future")
    if sent is not None and answered.on < local_day(sent):
        raise InvalidInput("answered.on", "before-sending")


def version_for(referral: Referral, *, sender: bool) -> int:
    """Return the version as this side counts it: the sender's passes over what it may not know of."""
    return referral.version - (referral.hidden_changes if sender else 0)


def check_version(referral: Referral, expected: int, *, sender: bool) -> None:
    """Raise StaleVersion if somebody changed the referral since the caller, on this side, has read it."""
    current = version_for(referral, sender=sender)
    if current != expected:
        raise StaleVersion(current)


_SENDERS: Final = frozenset({EventActor.SENDER, EventActor.PERSON})


def on_senders_side(party: EventActor, answered: Answered | None) -> bool:
    """Whether the sender acts: in its own name, for the person, or recording what it was told."""
    return party in _SENDERS or answered is not None


async def begin(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    move: Move,
    party: EventActor,
    answered: Answered | None = None,
) -> Held:
    """Lock, check rights and version, and that the table has this move: what every move begins with."""
    held = await hold(work, referral_id)
    permit(work, held, party, answered)
    sends = on_senders_side(party, answered)
    check_version(held.referral, expected_version, sender=sends)
    state = held.state_for(move)
    if sends and state in READABLE_STATES:
        shown = held.shown_state
        possible = moves_shown(shown, held.readable, party)
        if move not in possible:
            raise TransitionNotAllowed(shown, possible)
    row = transition(state, move, party)
    if row.four_eyes:
        raise TransitionNotAllowed(state, [m for m in allowed(state, party) if m is not move])
    return held


def checked_text(value: str, field: str) -> str:
    """Return a short free text without blanks around it; raise InvalidInput when empty or too long."""
    value = value.strip()
    if not value:
        raise InvalidInput(field, "empty")
    if len(value) > LONGEST_TEXT:
        raise InvalidInput(field, "too-long", maximum=str(LONGEST_TEXT))
    return value


def text_place(referral_id: UUID) -> Place:
    """Return the place that an event's sealed text is bound to."""
    return Place("referral_event", "sealed_text", referral_id)


async def make(
    work: Work,
    held: Held,
    move: Move,
    party: EventActor,
    changes: Mapping[str, object] | None = None,
    *,
    answered: Answered | None = None,
    source: AnswerSource | None = None,
    reason: str | None = None,
    facts: Mapping[str, str] | None = None,
    note: tuple[DataKey, str] | None = None,
    asked_by: tuple[UUID, UUID] | None = None,
) -> Moved:
    """Make the move: change the row, raise its version, append event and audit row, promise the notices.

    ``note`` is a free text with the key that seals it. ``facts`` and ``reason`` are codes and dates; both
    sides read them, so an outcome that may not be reported back must not be among them. ``asked_by``:
    (member, organisation) that asked for a move which another member has confirmed.
    """
    referral = held.referral
    before = referral.state
    target = transition(held.state_for(move), move, party).target
    for name, value in (changes or {}).items():
        setattr(referral, name, value)
    referral.state = target
    referral.state_since = work.now
    told = held.tells(move.value, party, target, work.now)
    _count(referral, work.now, told=told)
    if target in FREES_PLACE and referral.place_taken:
        await give_back_place(work, referral.service_id)
        referral.place_taken = False
    await _append(
        work,
        referral,
        move=move.value,
        from_state=before,
        party=party,
        answered=answered,
        source=source,
        reason=reason,
        facts=facts,
        note=note,
        asked_by=asked_by,
        told=told,
    )
    work.record(f"referral.{move.value.lower()}", "referral", referral.id, {"state": target.value})
    await promise_all(work, after_move(referral, move, party, acting_partner=work.actor.partner_id))
    next_party = EventActor.SENDER if answered is not None or party is EventActor.PERSON else party
    return Moved(
        id=referral.id,
        state=target,
        version=version_for(referral, sender=on_senders_side(party, answered)),
        allowed=allowed(target, next_party),
    )


def _count(referral: Referral, now: datetime, *, told: bool) -> None:
    """Raise the version; what the sender is not told of changes nothing that it reads."""
    if told:
        referral.sender_updated_at = None
    else:
        referral.hidden_changes += 1
        referral.sender_updated_at = referral.sender_updated_at or referral.updated_at
    referral.version += 1
    referral.updated_at = now


REVOCATION_ANSWERED: Final = "REVOCATION_ANSWERED"
"""Name of the event with which a recipient says what it did with the data after the consent ended."""


async def note_down(
    work: Work,
    held: Held,
    what: str,
    party: EventActor,
    changes: Mapping[str, object],
    *,
    answered: Answered | None = None,
    facts: Mapping[str, str] | None = None,
    note: tuple[DataKey, str] | None = None,
    tell_other_side: bool = False,
) -> Moved:
    """Change facts beside the state: the row, an event of that name, the audit row; the state stays.

    ``tell_other_side``: by a notice that there is news, unless it is the sender and may not know of it.
    """
    referral = held.referral
    for name, value in changes.items():
        setattr(referral, name, value)
    told = held.tells(what, party, referral.state, work.now)
    _count(referral, work.now, told=told)
    await _append(
        work,
        referral,
        move=what,
        from_state=referral.state,
        party=party,
        answered=answered,
        source=None,
        reason=None,
        facts=facts,
        note=note,
        asked_by=None,
        told=told,
    )
    work.record(f"referral.{what.lower()}", "referral", referral.id)
    sends = on_senders_side(party, answered)
    if tell_other_side and (sends or told) and referral.sent_at is not None and answered is None:
        news = Promise(
            kind=NoticeKind.NEWS,
            to=referral.recipient_partner_id if sends else referral.sender_partner_id,
            about=referral.id,
            dedupe=str(version_for(referral, sender=not sends)),
        )
        await promise_all(work, (news,))
    shown = held.shown_state if sends else referral.state
    return Moved(
        id=referral.id,
        state=shown,
        version=version_for(referral, sender=sends),
        allowed=moves_shown(shown, held.readable, EventActor.SENDER) if sends else allowed(shown, party),
    )


async def begin_note(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    noted: Noted,
    party: EventActor,
    answered: Answered | None = None,
) -> Held:
    """Lock, check rights and version, and that this may be noted now: what every note begins with.

    The sender records only what it may know of: else ConsentMissing with ``PURPOSE:REPORT_BACK``.
    """
    held = await hold(work, referral_id)
    permit(work, held, party, answered)
    sends = on_senders_side(party, answered)
    check_version(held.referral, expected_version, sender=sends)
    state = held.state_for(Move.ACKNOWLEDGE)
    if not sends or state not in READABLE_STATES:
        check_note(noted, {state}, state, party)
        return held
    shown = held.shown_state
    behind = states_behind(shown, held.readable)
    # judged by what the sender reads: that it is refused in some of those states only would tell which it is
    if answered is not None and not all(held.tells(noted, party, one, work.now) for one in behind):
        raise ConsentMissing({"PURPOSE:REPORT_BACK"})
    check_note(noted, behind, shown, EventActor.SENDER)
    return held


def _way_of(actor: Actor) -> AnswerSource:
    """Return on which way somebody acts who acts by themselves."""
    if actor.role is Role.SYSTEM:
        return AnswerSource.SYSTEM
    return AnswerSource.MEMBER if actor.presents is None else AnswerSource.LINK


async def _append(
    work: Work,
    referral: Referral,
    *,
    move: str,
    from_state: ReferralState | None,
    party: EventActor,
    answered: Answered | None,
    source: AnswerSource | None,
    reason: str | None,
    facts: Mapping[str, str] | None,
    note: tuple[DataKey, str] | None,
    asked_by: tuple[UUID, UUID] | None,
    told: bool = True,
) -> None:
    await work.session.flush()
    said = source or _way_of(work.actor)
    sealed = note[0].seal(note[1].encode(), text_place(referral.id)) if note else None
    ordinal = (
        select(func.coalesce(func.max(ReferralEvent.ordinal), 0) + 1)
        .where(ReferralEvent.referral_id == referral.id)
        .scalar_subquery()
    )
    # The row is locked, so the next ordinal is free; the database reads it in the same statement.
    await work.session.execute(
        insert(ReferralEvent)
        .inline()
        .values(
            referral_id=referral.id,
            ordinal=ordinal,
            at=work.now,
            move=move,
            from_state=from_state,
            to_state=referral.state,
            actor=party,
            member_id=asked_by[0] if asked_by else work.actor.member_id,
            partner_id=asked_by[1] if asked_by else work.actor.partner_id,
            source=answered.source if answered else said,
            source_on=answered.on if answered else None,
            reason=reason,
            facts=dict(facts or {}),
            sealed_text=sealed,
            told=told,
        )
    )


async def begin_history(work: Work, referral: Referral) -> None:
    """Append the first event of a new draft, and its audit row."""
    await _append(
        work,
        referral,
        move=Move.DRAFT.value,
        from_state=None,
        party=EventActor.SENDER,
        answered=None,
        source=None,
        reason=None,
        facts={} if referral.parent_id is None else {"parent": str(referral.parent_id)},
        note=None,
        asked_by=None,
    )
    work.record("referral.draft", "referral", referral.id)


@asynccontextmanager
async def as_system(work: Work) -> AsyncIterator[None]:
    """Let one statement look at rows that the actor may not read, to decide about what they may do.

    For facts only (is the consent in force?); nothing that is read so may reach the actor.
    """
    setting = text("SELECT set_config('app.role', :role, true)")
    await work.session.flush()
    await work.session.execute(setting, {"role": Role.SYSTEM.value})
    yield
    await work.session.execute(setting, {"role": work.actor.role.value})
