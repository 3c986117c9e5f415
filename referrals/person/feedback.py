"""How it went, in the person's own view: a one-time code, an anonymous answer, exactly once.

The code (``referrals.codes``) ends. A wrong code, a used one and one that has ended look the same.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.database import Work, seen
from directory.problems import InvalidInput, NotAllowed, NotFound
from directory.values import Instant, Value
from referrals.codes import CodePurpose, hash_of, new_code, present
from referrals.models import Feedback, FeedbackCode, Referral
from referrals.moving import NOBODYS, checked_text, facts_of, hold, permit
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import DataKey, Place
from referrals.policy import Rule, parties, see_referral
from referrals.problems import TransitionNotAllowed
from referrals.states import allowed
from referrals.vocabulary import AnswerSource, EventActor, FeedbackAnswer, ReferralState

VALID_FOR: Final = timedelta(days=60)

ASKED_IN: Final = frozenset(
    {
        ReferralState.IN_PROGRESS,
        ReferralState.OUTCOME_REPORTED,
        ReferralState.CLOSED,
        ReferralState.DECLINED,
        ReferralState.EXPIRED,
    }
)
"""When a person can be asked how it went."""


class IssuedCode(Value, frozen=True, kw_only=True):
    """A new code; it is shown once and stored nowhere."""

    code: str
    expires_at: Instant


class FeedbackView(Value, frozen=True, kw_only=True):
    """What the person said; only the sender reads it."""

    id: UUID
    referral_id: UUID
    answer: FeedbackAnswer
    source: AnswerSource
    language: str | None
    at: Instant
    text: str | None = None


def _place(feedback_id: UUID) -> Place:
    return Place("feedback", "sealed_text", feedback_id)


async def end_codes(work: Work, referral_id: UUID) -> None:
    """End the referral's unused codes; raise InvalidInput when the person has answered already.

    Whoever uses a code at this moment holds its row: after this, either they have answered or they cannot.
    """
    await work.session.execute(
        update(FeedbackCode)
        .where(FeedbackCode.referral_id == referral_id, FeedbackCode.used_at.is_(None))
        .values(used_at=work.now)
        .execution_options(synchronize_session=False)
    )
    answered = exists().where(Feedback.referral_id == referral_id)
    if (await work.session.execute(select(answered))).scalar():
        raise InvalidInput("referralId", "answered-already")


async def issue_code(work: Work, referral_id: UUID) -> IssuedCode:
    """Make a one-time code for the person; an earlier code that was not used dies with it.

    For whoever looks after the person on the sender's side. Raises TransitionNotAllowed before anything
    can be said, InvalidInput when the person has answered already.
    """
    held = await hold(work, referral_id)
    permit(work, held, EventActor.SENDER)
    referral = held.referral
    if held.shown_state not in ASKED_IN:
        raise TransitionNotAllowed(held.shown_state, allowed(held.shown_state, EventActor.SENDER))
    await end_codes(work, referral_id)
    code = new_code()
    issued = FeedbackCode(
        id=uuid4(),
        code_hash=hash_of(code, CodePurpose.FEEDBACK),
        referral_id=referral_id,
        client_id=referral.client_id,
        partner_id=referral.sender_partner_id,
        created_at=work.now,
        expires_at=work.now + VALID_FOR,
    )
    work.session.add(issued)
    await work.session.flush()
    work.record("feedback.issue_code", "referral", referral_id)
    return IssuedCode(code=code, expires_at=issued.expires_at)


async def give_feedback(
    work: Work,
    keys: KeyStore,
    code: str,
    answer: FeedbackAnswer,
    *,
    text_given: str | None = None,
    language: str | None = None,
) -> UUID:
    """Take the person's answer, once; the actor is ANONYMOUS. Raises NotFound for every invalid code.

    Of parallel uses of one code exactly one wins: the row is claimed by one conditional UPDATE.
    """
    note = checked_text(text_given, "text") if text_given else None
    hashed = hash_of(code, CodePurpose.FEEDBACK)
    await present(work.session, hashed)
    claimed = (
        await work.session.execute(
            update(FeedbackCode)
            .where(
                FeedbackCode.code_hash == hashed,
                FeedbackCode.used_at.is_(None),
                FeedbackCode.expires_at > work.now,
            )
            .values(used_at=work.now)
            .returning(
                FeedbackCode.id, FeedbackCode.referral_id, FeedbackCode.client_id, FeedbackCode.partner_id
            )
            .execution_options(synchronize_session=False)
        )
    ).one_or_none()
    if claimed is None:
        raise NotFound
    code_id, referral_id, client_id, partner_id = claimed
    key = await keys.of(client_id) if note else None
    feedback_id = add_feedback(
        work,
        referral_id,
        partner_id,
        answer,
        AnswerSource.CODE,
        language,
        (key, note) if key and note else None,
        code_id,
    )
    await work.session.flush()
    work.record("feedback.give", "referral", referral_id)
    return feedback_id


async def record_feedback(
    work: Work,
    keys: KeyStore,
    referral_id: UUID,
    answer: FeedbackAnswer,
    *,
    source: AnswerSource = AnswerSource.IN_PERSON,
    text_given: str | None = None,
    language: str | None = None,
) -> UUID:
    """Record what the person told the sender; open codes of this referral die with it."""
    held = await hold(work, referral_id)
    permit(work, held, EventActor.SENDER)
    if held.shown_state not in ASKED_IN:
        raise TransitionNotAllowed(held.shown_state, allowed(held.shown_state, EventActor.SENDER))
    if source in {AnswerSource.MEMBER, AnswerSource.SYSTEM, AnswerSource.CODE}:
        raise InvalidInput("source", "unknown-value")
    note = checked_text(text_given, "text") if text_given else None
    await end_codes(work, referral_id)
    key = await keys.of(held.referral.client_id) if note else None
    feedback_id = add_feedback(
        work,
        referral_id,
        held.referral.sender_partner_id,
        answer,
        source,
        language,
        (key, note) if key and note else None,
        None,
    )
    await work.session.flush()
    work.record("feedback.record", "referral", referral_id)
    return feedback_id


def add_feedback(
    work: Work,
    referral_id: UUID,
    partner_id: UUID,
    answer: FeedbackAnswer,
    source: AnswerSource,
    language: str | None,
    note: tuple[DataKey, str] | None,
    code_id: UUID | None,
) -> UUID:
    """Add the person's answer; ``note``: their own words with the key that seals them."""
    feedback_id = uuid4()
    work.session.add(
        Feedback(
            id=feedback_id,
            referral_id=referral_id,
            partner_id=partner_id,
            code_id=code_id,
            answer=answer,
            sealed_text=note[0].seal(note[1].encode(), _place(feedback_id)) if note else None,
            source=source,
            language=language,
            at=work.now,
        )
    )
    return feedback_id


async def list_feedback(
    session: AsyncSession, actor: Actor, keys: KeyStore, referral_id: UUID
) -> tuple[FeedbackView, ...]:
    """Return what the person said about a referral, to its sender only; writes an audit row."""
    referral = await session.get(Referral, referral_id)
    if referral is None:
        see_referral(actor, NOBODYS)
        raise NotFound
    if EventActor.SENDER not in parties(actor, facts_of(referral)):
        raise NotAllowed(Rule.SENDER_ONLY)
    rows = list(
        await session.scalars(
            select(Feedback).where(Feedback.referral_id == referral_id).order_by(Feedback.at, Feedback.id)
        )
    )
    if rows:
        await seen(session, actor, "feedback.view", "referral", [referral_id])
    key: DataKey | None = None
    if any(row.sealed_text for row in rows):
        key = await keys.of(referral.client_id)
    return tuple(
        FeedbackView(
            id=row.id,
            referral_id=row.referral_id,
            answer=row.answer,
            source=row.source,
            language=row.language,
            at=row.at,
            text=key.open(row.sealed_text, _place(row.id)).decode() if key and row.sealed_text else None,
        )
        for row in rows
    )
