"""Four eyes: a member of the sender asks, another member with role LEAD of the municipality confirms.

For what cannot be undone or was over already: reopening a closed referral, and taking back one that was sent
in error. Leads are reminded after one working day; a request lapses after three: whether it has is judged
when somebody looks, whether or not the clock has been there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.database import Work
from directory.days import local_day
from directory.problems import InvalidInput, NotFound, StaleVersion
from directory.values import Instant, Value
from referrals.clock import morning_of
from referrals.consent.consents import facts_of as consent_facts
from referrals.exchange import ERASED
from referrals.models import Approval, Consent, Referral
from referrals.moving import Held, Moved, as_system, check_version, covered, end_of, hold, make, permit
from referrals.notices import Promise, leads_of, promise, promise_all
from referrals.policy import ApprovalFacts, decide_approval, must_work_with_people, see_approval
from referrals.problems import ApprovalLapsed, ConsentMissing, DuplicateReferral, TransitionNotAllowed
from referrals.reporting import moves_shown
from referrals.states import (
    APPROVAL_DAYS,
    REMIND_LEADS_AFTER,
    REOPEN_WITHIN,
    TABLE,
    Move,
    add_working_days,
)
from referrals.troubles import Due, Task
from referrals.vocabulary import (
    Addressee,
    ApprovalMove,
    ApprovalState,
    EventActor,
    NoticeAbout,
    NoticeKind,
    Reason,
)

MOVES: Final[dict[ApprovalMove, Move]] = {
    ApprovalMove.REOPEN: Move.REOPEN,
    ApprovalMove.ENTERED_IN_ERROR: Move.CORRECT,
}
"""Which move of the table each request is for."""

_FOUR_EYES: Final = frozenset((state, row.move) for row in TABLE if row.four_eyes for state in row.sources)


class ApprovalView(Value, frozen=True, kw_only=True):
    """A request for four eyes; ``state`` is judged at reading: LAPSED as soon as its time is over."""

    id: UUID
    version: int
    referral_id: UUID
    move: ApprovalMove
    reason: Reason
    state: ApprovalState
    requested_by: UUID
    requested_at: Instant
    lapses_at: Instant
    decided_by: UUID | None = None
    decided_at: Instant | None = None


def _view(approval: Approval, at: datetime) -> ApprovalView:
    lapsed = approval.state is ApprovalState.REQUESTED and at >= approval.lapses_at
    return ApprovalView(
        id=approval.id,
        version=approval.version,
        referral_id=approval.referral_id,
        move=approval.move,
        reason=approval.reason,
        state=ApprovalState.LAPSED if lapsed else approval.state,
        requested_by=approval.requested_by,
        requested_at=approval.requested_at,
        lapses_at=approval.lapses_at,
        decided_by=approval.decided_by,
        decided_at=approval.decided_at,
    )


async def request_approval(
    work: Work, referral_id: UUID, expected_version: int, move: ApprovalMove, reason: Reason
) -> ApprovalView:
    """Ask for four eyes; the referral does not change yet.

    Raises TransitionNotAllowed when the move is not possible now (a draft is corrected without four eyes,
    a referral is reopened within 30 days), ConsentMissing when the consent is over.
    """
    held = await hold(work, referral_id)
    permit(work, held, EventActor.SENDER)
    check_version(held.referral, expected_version, sender=True)
    _check(work, held, MOVES[move])
    if move is ApprovalMove.REOPEN and not held.covered:
        raise ConsentMissing({"CONSENT"})
    async with as_system(work):
        await work.session.execute(
            update(Approval)
            .where(
                Approval.referral_id == referral_id,
                Approval.move == move,
                Approval.state == ApprovalState.REQUESTED,
                Approval.lapses_at <= work.now,
            )
            .values(state=ApprovalState.LAPSED, version=Approval.version + 1)
            .execution_options(synchronize_session=False)
        )
    referral = held.referral
    approval = Approval(
        id=uuid4(),
        referral_id=referral_id,
        municipality_id=referral.municipality_id,
        partner_id=referral.sender_partner_id,
        move=move,
        reason=reason,
        state=ApprovalState.REQUESTED,
        requested_by=work.actor.member_id,
        requested_at=work.now,
        remind_at=morning_of(add_working_days(local_day(work.now), REMIND_LEADS_AFTER)),
        lapses_at=end_of(add_working_days(local_day(work.now), APPROVAL_DAYS)),
        version=1,
    )
    work.session.add(approval)
    try:
        await work.session.flush()
    except IntegrityError as error:
        if "approval_one_open" in str(error.orig):
            raise InvalidInput("move", "already-requested") from None
        raise
    work.record(
        "approval.request", "approval", approval.id, {"move": move.value, "referral": str(referral_id)}
    )
    leads = await leads_of(work, referral.municipality_id)
    if leads is not None:
        await promise(
            work,
            NoticeKind.APPROVAL_ASKED,
            leads,
            about=approval.id,
            about_kind=NoticeAbout.APPROVAL,
            addressee=Addressee.LEAD,
            waiting=approval.partner_id,
            due=approval.lapses_at,
        )
    return _view(approval, work.now)


def _check(work: Work, held: Held, move: Move) -> None:
    referral = held.referral
    too_late = move is Move.REOPEN and (
        referral.closed_at is None or work.now > referral.closed_at + REOPEN_WITHIN
    )
    if too_late or (referral.state, move) not in _FOUR_EYES:
        # named is the state that the sender reads: whether work has begun is not told by a refusal either
        shown = held.shown_state
        others = [
            m for m in moves_shown(shown, held.readable, EventActor.SENDER) if m is not move or not too_late
        ]
        raise TransitionNotAllowed(shown, others)


async def _open(work: Work, approval_id: UUID, expected_version: int) -> Approval:
    """Lock an open request that this actor may decide."""
    seen = await work.session.get(Approval, approval_id)
    if seen is None:
        must_work_with_people(work.actor)
        raise NotFound
    decide_approval(work.actor, _facts(seen))
    approval = await work.session.get_one(Approval, approval_id, with_for_update=True, populate_existing=True)
    if approval.state is not ApprovalState.REQUESTED or work.now >= approval.lapses_at:
        raise ApprovalLapsed
    if approval.version != expected_version:
        raise StaleVersion(approval.version)
    return approval


def _facts(approval: Approval) -> ApprovalFacts:
    return ApprovalFacts(
        partner_id=approval.partner_id,
        municipality_id=approval.municipality_id,
        requested_by=approval.requested_by,
    )


async def confirm_approval(work: Work, approval_id: UUID, expected_version: int) -> Moved:
    """Confirm a request as a LEAD who is not the one who asked; the move happens in this transaction.

    REOPEN leads to IN_PROGRESS. ENTERED_IN_ERROR erases package, texts and facts; the events stay.
    Raises ApprovalLapsed when it was decided or has lapsed, and what the move itself raises.
    """
    approval = await _open(work, approval_id, expected_version)
    approval.state = ApprovalState.CONFIRMED
    approval.decided_by = work.actor.member_id
    approval.decided_at = work.now
    approval.version += 1
    await work.session.flush()
    work.record("approval.confirm", "approval", approval.id, {"move": approval.move.value})
    held = await hold(work, approval.referral_id, approval_open=True)
    move = MOVES[approval.move]
    _check(work, held, move)
    if move is Move.REOPEN:
        await _check_consent(work, held.referral)
        changes: dict[str, object] = dict.fromkeys(_REOPENED) | {
            "unconfirmed": False,
            "last_sign_of_life": local_day(work.now),
        }
    else:
        changes = {**ERASED, "reason": approval.reason}
    try:
        moved = await make(
            work,
            held,
            move,
            EventActor.SENDER,
            changes,
            reason=approval.reason.value,
            facts={"approval": str(approval.id), "confirmedBy": str(work.actor.member_id)},
            asked_by=(approval.requested_by, approval.partner_id),
        )
    except IntegrityError as error:
        if "referral_one_open" in str(error.orig):
            raise DuplicateReferral from None
        raise
    if move is Move.CORRECT:
        await work.session.execute(text("SELECT erase_package(:id)"), {"id": approval.referral_id})
    return moved


async def lapse_due(work: Work, which: Due) -> int:
    """Let requests lapse that nobody decided on in time; return how many. For the clock (SYSTEM).

    They had lapsed already at the moment itself: it is judged whenever somebody looks.
    """
    rows = (
        await work.session.execute(
            update(Approval)
            .where(Approval.id.in_(_taken(to_lapse(work.now, which))))
            .values(state=ApprovalState.LAPSED, version=Approval.version + 1)
            .returning(Approval.id, Approval.move)
            .execution_options(synchronize_session=False)
        )
    ).all()
    for approval_id, move in rows:
        work.record("approval.lapse", "approval", approval_id, {"move": move.value})
    return len(rows)


async def remind_leads(work: Work, which: Due) -> int:
    """Remind the leads of requests that have waited for a working day, once; return how many requests.

    For the clock (SYSTEM).
    """
    rows = (
        await work.session.execute(
            update(Approval)
            .where(Approval.id.in_(_taken(to_remind(work.now, which))))
            .values(remind_at=None)
            .returning(Approval.id, Approval.municipality_id, Approval.partner_id, Approval.lapses_at)
            .execution_options(synchronize_session=False)
        )
    ).all()
    leads = {municipality: await leads_of(work, municipality) for municipality in {row[1] for row in rows}}
    told = []
    for approval_id, municipality, partner_id, lapses_at in rows:
        work.record("approval.remind", "approval", approval_id)
        to = leads[municipality]
        if to is not None and lapses_at > work.now:
            told.append(
                Promise(
                    kind=NoticeKind.FOUR_EYES,
                    to=to,
                    about=approval_id,
                    about_kind=NoticeAbout.APPROVAL,
                    addressee=Addressee.LEAD,
                    waiting=partner_id,
                    due=lapses_at,
                )
            )
    await promise_all(work, told)
    return len(rows)


def to_lapse(now: datetime, which: Due) -> Select[UUID]:
    """Return the statement for the ids of the requests that ``lapse_due`` ends."""
    return _waiting(Approval.lapses_at <= now, which.of(Task.APPROVAL_LAPSE, Approval.id), which.limit)


def to_remind(now: datetime, which: Due) -> Select[UUID]:
    """Return the statement for the ids of the requests that ``remind_leads`` reminds of."""
    return _waiting(Approval.remind_at <= now, which.of(Task.APPROVAL_REMINDER, Approval.id), which.limit)


def _waiting(due: ColumnElement[bool], which: ColumnElement[bool], limit: int) -> Select[UUID]:
    return (
        select(Approval.id)
        .where(Approval.state == ApprovalState.REQUESTED, due, which)
        .order_by(Approval.lapses_at, Approval.id)
        .limit(limit)
    )


def _taken(ids: Select[UUID]) -> Select[UUID]:
    """Lock what no other process holds; once, however often the plan would look."""
    waiting = ids.with_for_update(skip_locked=True).cte("waiting").prefix_with("MATERIALIZED")
    return select(waiting.c.id)


_REOPENED: Final = ("closed_at", "outcome", "outcome_on", "outcome_reason", "feedback_asked")


async def _check_consent(work: Work, referral: Referral) -> None:
    # A LEAD of another organisation does not see the sender's consents, but decides whether they hold.
    async with as_system(work):
        consent = (
            await work.session.execute(
                select(Consent)
                .where(Consent.id == referral.consent_id)
                .execution_options(populate_existing=True)
            )
        ).scalar_one_or_none()
    if consent is None or not covered(referral, consent_facts(consent), work.now):
        raise ConsentMissing({"CONSENT"})


async def refuse_approval(work: Work, approval_id: UUID, expected_version: int) -> ApprovalView:
    """Refuse a request as a LEAD who is not the one who asked; nothing else changes."""
    approval = await _open(work, approval_id, expected_version)
    approval.state = ApprovalState.REFUSED
    approval.decided_by = work.actor.member_id
    approval.decided_at = work.now
    approval.version += 1
    work.record("approval.refuse", "approval", approval.id, {"move": approval.move.value})
    return _view(approval, work.now)


async def list_approvals(
    session: AsyncSession, actor: Actor, at: datetime, *, referral_id: UUID | None = None, first: int = 100
) -> tuple[ApprovalView, ...]:
    """Return the requests that this actor sees, open ones first, newest first (at most ``first``, 100).

    For a LEAD those of the municipality, for everybody else those of the own organisation.
    """
    must_work_with_people(actor)
    statement = select(Approval)
    if referral_id is not None:
        statement = statement.where(Approval.referral_id == referral_id)
    rows = await session.scalars(
        statement.order_by(
            (Approval.state == ApprovalState.REQUESTED).desc(), Approval.requested_at.desc(), Approval.id
        )
        .limit(max(1, min(first, 100)))
        .execution_options(populate_existing=True)
    )
    found = []
    for approval in rows:
        try:
            see_approval(actor, _facts(approval))
        except NotFound:
            continue
        found.append(_view(approval, at))
    return tuple(found)
