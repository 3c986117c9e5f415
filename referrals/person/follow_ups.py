"""Asking again 28 days and 6 months after a referral was closed, each under a consent purpose of its own.

The clock plans a follow-up while the person's consent to exactly this asking is in force, asks when it is
due (on the person's card page, and as a task to ask by phone), counts 30 days without an answer as
NO_ANSWER, and cancels what is not consented to any more. A withdrawal cancels in its own transaction.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, and_, cast, or_, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.database import Work
from directory.days import ZONE
from directory.problems import InvalidInput, NotFound, StaleVersion
from directory.values import Instant, Value
from referrals.consent.rules import ConsentFacts, covers
from referrals.models import Consent, FollowUp, Referral
from referrals.policy import ReferralFacts, act_on_referral, must_work_with_people
from referrals.problems import ConsentMissing, TransitionNotAllowed
from referrals.troubles import Due, Task
from referrals.vocabulary import (
    AnswerSource,
    ConsentState,
    EventActor,
    FollowUpKind,
    FollowUpState,
    NeedNow,
    OccupiedWith,
    Purpose,
    ReferralState,
)

PURPOSES: Final = {
    FollowUpKind.DAYS_28: (Purpose.FOLLOW_UP_28_DAYS, Purpose.FOLLOW_UP),
    FollowUpKind.MONTHS_6: (Purpose.FOLLOW_UP_6_MONTHS, Purpose.FOLLOW_UP),
}
"""Under which purposes each may be asked; FOLLOW_UP stands in consents from before they were told apart."""

ANSWER_WITHIN: Final = timedelta(days=30)
"""Without an answer after so long it is NO_ANSWER."""

ASKED_LATE_AT_MOST: Final = timedelta(days=30)
"""What could not be asked for so long after its day is not asked any more."""

LONGEST: Final = {FollowUpKind.DAYS_28: timedelta(days=29), FollowUpKind.MONTHS_6: timedelta(days=185)}
"""From closing to the day of asking, at most."""

BATCH: Final = 500


class FollowUpView(Value, frozen=True, kw_only=True):
    """A later follow-up as the sender sees it."""

    id: UUID
    referral_id: UUID
    kind: FollowUpKind
    state: FollowUpState
    due_at: Instant
    version: int
    asked_at: Instant | None = None
    ended_at: Instant | None = None
    need_now: NeedNow | None = None
    occupied_with: OccupiedWith | None = None
    source: AnswerSource | None = None


class Ticked(Value, frozen=True, kw_only=True):
    """What one run of the clock did, in numbers."""

    planned: int = 0
    asked: int = 0
    unanswered: int = 0
    cancelled: int = 0

    def __add__(self, other: Ticked) -> Ticked:
        """Return both together."""
        return Ticked(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


def due_at(kind: FollowUpKind, closed_at: datetime) -> datetime:
    """Return when the person is asked: the same wall time, 28 days or 6 calendar months later, in Berlin.

    Where the sixth month has no such day (31 August), it is its last day.
    """
    local = closed_at.astimezone(ZONE)
    if kind is FollowUpKind.DAYS_28:
        return (local.replace(tzinfo=None) + timedelta(days=28)).replace(tzinfo=ZONE)
    months = local.year * 12 + local.month - 1 + 6
    year, month = divmod(months, 12)
    day = min(local.day, monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day, fold=0)


def may_ask(kind: FollowUpKind, consent: ConsentFacts | None, recipient: UUID, at: datetime) -> bool:
    """Whether the person's consent lets us ask this at this moment."""
    return any(
        not covers(consent, recipient=recipient, purpose=purpose, categories=(), at=at)
        for purpose in PURPOSES[kind]
    )


def _facts(consent: Consent | None) -> ConsentFacts | None:
    if consent is None:
        return None
    return ConsentFacts(
        state=consent.state,
        terms=consent.terms,
        record=consent.record,
        valid_from=consent.valid_from,
        valid_until=consent.valid_until,
    )


# --- The clock ------------------------------------------------------------------------------------------


async def tick(work: Work) -> Ticked:
    """Do what the clock does with follow-ups now (SYSTEM); idempotent, a bounded batch of each at a time."""
    return await plan(work, Due()) + await go_on(work, Due())


async def plan(work: Work, which: Due) -> Ticked:
    """Plan follow-ups of closed referrals whose person consented; a referral closed anew is planned anew."""
    planned = 0
    for kind in FollowUpKind:
        after: tuple[datetime, UUID] | None = None
        while True:
            rows = (await work.session.execute(_to_plan(kind, work.now, after, which))).all()
            for referral, consent in rows:
                planned += await _plan_one(work, kind, referral, consent)
            last = rows[-1][0] if len(rows) == BATCH else None
            if last is None or last.closed_at is None:
                break
            after = last.closed_at, last.id
    return Ticked(planned=planned)


def to_plan(now: datetime, which: Due) -> Select[UUID]:
    """Return the statement for the ids of the referrals that ``plan`` looks at: all, not only a batch."""
    each = [
        _to_plan(kind, now, None, which).with_only_columns(Referral.id).order_by(None).limit(None)
        for kind in FollowUpKind
    ]
    return select(Referral.id).where(or_(*(Referral.id.in_(one) for one in each)))


def _to_plan(
    kind: FollowUpKind, now: datetime, after: tuple[datetime, UUID] | None, which: Due
) -> Select[Referral, Consent]:
    """Return the statement for closed referrals without this follow-up, whose consent names its purpose."""
    wanted = (
        select(Referral, Consent)
        .join(Consent, Consent.id == Referral.consent_id)
        .outerjoin(FollowUp, and_(FollowUp.referral_id == Referral.id, FollowUp.kind == kind))
        .where(
            Referral.state == ReferralState.CLOSED,
            Referral.closed_at > now - LONGEST[kind] - ASKED_LATE_AT_MOST,
            Consent.state == ConsentState.GIVEN,
            Consent.valid_until > now,
            or_(FollowUp.id.is_(None), _closed_again(Referral.closed_at)),
            or_(*(cast(Consent.terms, JSONB).contains(_granted(purpose)) for purpose in PURPOSES[kind])),
            which.of(Task.FOLLOW_UP_PLAN, Referral.id),
        )
        .order_by(Referral.closed_at, Referral.id)
        .limit(BATCH)
    )
    return wanted if after is None else wanted.where(tuple_(Referral.closed_at, Referral.id) > after)


def _granted(purpose: Purpose) -> dict[str, object]:
    return {"purposes": [{"purpose": purpose.value, "granted": True}]}


def _closed_again(closed_at: object) -> ColumnElement[bool]:
    """Whether the referral was reopened, and closed again later than what was planned counts from."""
    return and_(
        FollowUp.state.in_((FollowUpState.PLANNED, FollowUpState.CANCELLED)), FollowUp.closed_at < closed_at
    )


async def _plan_one(work: Work, kind: FollowUpKind, referral: Referral, consent: Consent) -> int:
    closed_at = referral.closed_at
    if closed_at is None or not may_ask(kind, _facts(consent), referral.recipient_partner_id, work.now):
        return 0
    due = due_at(kind, closed_at)
    if due + ASKED_LATE_AT_MOST <= work.now:
        return 0
    made = insert(FollowUp).values(
        id=uuid4(),
        referral_id=referral.id,
        client_id=referral.client_id,
        partner_id=referral.sender_partner_id,
        kind=kind,
        state=FollowUpState.PLANNED,
        closed_at=closed_at,
        due_at=due,
        version=1,
        created_at=work.now,
        updated_at=work.now,
    )
    planned = await work.session.execute(
        made.on_conflict_do_update(
            index_elements=[FollowUp.referral_id, FollowUp.kind],
            set_={
                "state": FollowUpState.PLANNED,
                "closed_at": closed_at,
                "due_at": due,
                "asked_at": None,
                "ended_at": None,
                "version": FollowUp.version + 1,
                "updated_at": work.now,
            },
            where=_closed_again(closed_at),
        ).returning(FollowUp.id)
    )
    follow_up_id = planned.scalar_one_or_none()
    if follow_up_id is None:
        return 0
    work.record("follow_up.plan", "follow_up", follow_up_id, {"kind": kind})
    return 1


def to_go_on(now: datetime, which: Due) -> Select[UUID]:
    """Return the statement for the ids of the follow-ups that ``go_on`` asks, counts or cancels."""
    return (
        select(FollowUp.id)
        .where(
            or_(
                and_(FollowUp.state == FollowUpState.PLANNED, FollowUp.due_at <= now),
                and_(
                    FollowUp.state == FollowUpState.ASKED,
                    FollowUp.due_at <= now,
                    FollowUp.asked_at <= now - ANSWER_WITHIN,
                ),
            ),
            which.of(Task.FOLLOW_UP, FollowUp.id),
        )
        .order_by(FollowUp.due_at, FollowUp.id)
        .limit(which.limit)
    )


async def go_on(work: Work, which: Due) -> Ticked:
    """Ask what is due, count what nobody answered; what may not be asked any more is cancelled."""
    rows = await work.session.execute(
        to_go_on(work.now, which)
        .with_only_columns(FollowUp, Referral, Consent)
        .join(Referral, Referral.id == FollowUp.referral_id)
        .outerjoin(Consent, Consent.id == Referral.consent_id)
        .with_for_update(of=FollowUp, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    cancelled = asked = unanswered = 0
    for follow_up, referral, consent in rows:
        if not stands(follow_up, referral, consent, work.now) or (
            follow_up.state is FollowUpState.PLANNED and follow_up.due_at + ASKED_LATE_AT_MOST <= work.now
        ):
            end(follow_up, FollowUpState.CANCELLED, work.now)
            work.record("follow_up.cancel", "follow_up", follow_up.id)
            cancelled += 1
        elif follow_up.state is FollowUpState.PLANNED:
            follow_up.state = FollowUpState.ASKED
            follow_up.asked_at = work.now
            follow_up.version += 1
            follow_up.updated_at = work.now
            work.record("follow_up.ask", "follow_up", follow_up.id)
            asked += 1
        else:
            end(follow_up, FollowUpState.NO_ANSWER, work.now)
            work.record("follow_up.no_answer", "follow_up", follow_up.id)
            unanswered += 1
    await work.session.flush()
    return Ticked(cancelled=cancelled, asked=asked, unanswered=unanswered)


def stands(follow_up: FollowUp, referral: Referral, consent: Consent | None, at: datetime) -> bool:
    """Whether it may still be asked: the referral is closed as it was, the consent covers it now."""
    return (
        referral.state is ReferralState.CLOSED
        and referral.closed_at == follow_up.closed_at
        and may_ask(follow_up.kind, _facts(consent), referral.recipient_partner_id, at)
    )


def end(follow_up: FollowUp, state: FollowUpState, now: datetime) -> None:
    """Bring it to an end."""
    follow_up.state = state
    follow_up.ended_at = now
    follow_up.version += 1
    follow_up.updated_at = now


async def cancel_uncovered(work: Work, client_id: UUID) -> int:
    """Cancel what is planned or asked of a person and not consented to any more; return how many.

    Part of the transaction in which a consent is withdrawn, superseded or expires.
    """
    await work.session.flush()
    rows = await work.session.execute(
        select(FollowUp, Referral, Consent)
        .join(Referral, Referral.id == FollowUp.referral_id)
        .outerjoin(Consent, Consent.id == Referral.consent_id)
        .where(
            FollowUp.client_id == client_id,
            FollowUp.state.in_((FollowUpState.PLANNED, FollowUpState.ASKED)),
        )
        .order_by(FollowUp.id)
        .with_for_update(of=FollowUp)
        .execution_options(populate_existing=True)
    )
    cancelled = 0
    for follow_up, referral, consent in rows:
        if not stands(follow_up, referral, consent, work.now):
            end(follow_up, FollowUpState.CANCELLED, work.now)
            work.record("follow_up.cancel", "follow_up", follow_up.id)
            cancelled += 1
    await work.session.flush()
    return cancelled


# --- The sender --------------------------------------------------------------------------------------------


async def record_follow_up(
    work: Work,
    follow_up_id: UUID,
    expected_version: int,
    need_now: NeedNow,
    *,
    occupied_with: OccupiedWith | None = None,
    source: AnswerSource = AnswerSource.PHONE,
) -> UUID:
    """Record what the person told the sender when they were asked (by phone, in person …); return the id.

    For whoever looks after the person. Raises NotFound, NotAllowed, StaleVersion, InvalidInput (source),
    TransitionNotAllowed (not asked, or settled), ConsentMissing (the person does not want to be asked).
    """
    must_work_with_people(work.actor)
    row = (
        await work.session.execute(
            select(FollowUp, Referral, Consent)
            .join(Referral, Referral.id == FollowUp.referral_id)
            .outerjoin(Consent, Consent.id == Referral.consent_id)
            .where(FollowUp.id == follow_up_id)
            .with_for_update(of=FollowUp)
            .execution_options(populate_existing=True)
        )
    ).one_or_none()
    if row is None:
        raise NotFound
    follow_up, referral, consent = row
    act_on_referral(
        work.actor,
        ReferralFacts(
            sender_partner_id=referral.sender_partner_id,
            recipient_partner_id=referral.recipient_partner_id,
            municipality_id=referral.municipality_id,
            sender_member_id=referral.sender_member_id,
            sender_deputy_id=referral.sender_deputy_id,
            sent=referral.sent_at is not None,
        ),
        EventActor.SENDER,
    )
    if follow_up.version != expected_version:
        raise StaleVersion(follow_up.version)
    if source not in TOLD:
        raise InvalidInput("source", "unknown-value")
    answer(work, follow_up, stands(follow_up, referral, consent, work.now), need_now, occupied_with, source)
    follow_up.recorded_by = work.actor.member_id
    await work.session.flush()
    work.record("follow_up.record", "follow_up", follow_up.id)
    return follow_up.id


TOLD: Final = frozenset({AnswerSource.PHONE, AnswerSource.IN_PERSON, AnswerSource.EMAIL, AnswerSource.LETTER})
"""Ways on which a person tells the sender."""


def answer(
    work: Work,
    follow_up: FollowUp,
    may: bool,
    need_now: NeedNow,
    occupied_with: OccupiedWith | None,
    source: AnswerSource,
) -> None:
    """Take the answer to a locked follow-up, once; raises TransitionNotAllowed or ConsentMissing."""
    if follow_up.state is not FollowUpState.ASKED:
        raise TransitionNotAllowed(follow_up.state, ())
    if not may:
        raise ConsentMissing({f"PURPOSE:{PURPOSES[follow_up.kind][0]}"})
    follow_up.need_now = need_now
    follow_up.occupied_with = occupied_with
    follow_up.source = source
    end(follow_up, FollowUpState.ANSWERED, work.now)


def view_of(follow_up: FollowUp) -> FollowUpView:
    """Return a follow-up as the sender sees it."""
    return FollowUpView(
        id=follow_up.id,
        referral_id=follow_up.referral_id,
        kind=follow_up.kind,
        state=follow_up.state,
        due_at=follow_up.due_at,
        version=follow_up.version,
        asked_at=follow_up.asked_at,
        ended_at=follow_up.ended_at,
        need_now=follow_up.need_now,
        occupied_with=follow_up.occupied_with,
        source=follow_up.source,
    )


async def due_follow_ups(
    session: AsyncSession, actor: Actor, at: datetime, *, first: int = 100
) -> Sequence[FollowUpView]:
    """Return what the own organisation is to ask its people about now, longest waiting first.

    Only what the person's consent lets it ask at this moment, whether or not the clock has been there.
    """
    must_work_with_people(actor)
    rows = await session.execute(
        select(FollowUp, Referral, Consent)
        .join(Referral, Referral.id == FollowUp.referral_id)
        .outerjoin(Consent, Consent.id == Referral.consent_id)
        .where(FollowUp.partner_id == actor.partner_id, FollowUp.state == FollowUpState.ASKED)
        .order_by(FollowUp.asked_at, FollowUp.id)
        .limit(first)
    )
    return [view_of(found) for found, referral, consent in rows if stands(found, referral, consent, at)]


async def follow_ups_of(
    session: AsyncSession, actor: Actor, referral_ids: Collection[UUID]
) -> dict[UUID, list[FollowUpView]]:
    """Return the later follow-ups of own referrals; empty for everybody who is not their sender."""
    found: dict[UUID, list[FollowUpView]] = {referral_id: [] for referral_id in referral_ids}
    rows = await session.scalars(
        select(FollowUp)
        .where(FollowUp.referral_id.in_(found), FollowUp.partner_id == actor.partner_id)
        .order_by(FollowUp.due_at, FollowUp.id)
    )
    for follow_up in rows:
        found[follow_up.referral_id].append(view_of(follow_up))
    return found


async def view_follow_up(session: AsyncSession, actor: Actor, follow_up_id: UUID) -> FollowUpView:
    """Return one follow-up of the own organisation; NotFound for everybody else."""
    must_work_with_people(actor)
    found = await session.get(FollowUp, follow_up_id, populate_existing=True)
    if found is None or found.partner_id != actor.partner_id:
        raise NotFound
    return view_of(found)
