"""How it went, in the person's own view: a one-time code, an anonymous answer, exactly once.

The code is long and random, kept as SHA-256 only, and ends. A wrong code, a used one and one that has ended
look the same. Limiting how often somebody may try is the edge's work: it needs nothing from here.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import exists, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.database import Work
from directory.problems import InvalidInput, NotAllowed, NotFound
from directory.values import Instant, Value
from referrals.inbox import seen
from referrals.models import Feedback, FeedbackCode, Referral
from referrals.moving import NOBODYS, checked_text, facts_of, hold, permit
from referrals.policy import Rule, parties, see_referral
from referrals.problems import TransitionNotAllowed
from referrals.sealing import DataKey, MasterKey, Place, key_of
from referrals.states import allowed
from referrals.vocabulary import AnswerSource, EventActor, FeedbackAnswer, ReferralState

ALPHABET: Final = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""Letters and digits that are not mistaken for one another, in print or read aloud."""

GROUPS: Final = 5
GROUP_LENGTH: Final = 5
"""25 signs of 30: 122 bits."""

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


def _new_code() -> str:
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))


def hash_of(code: str) -> bytes:
    """Return the hash under which a code is kept, however it was typed (case, blanks, hyphens)."""
    plain = "".join(c for c in code.upper() if c.isalnum())
    return hashlib.sha256(b"spurwechsel feedback\0" + plain.encode()).digest()


def _place(feedback_id: UUID) -> Place:
    return Place("feedback", "sealed_text", feedback_id)


async def issue_code(work: Work, referral_id: UUID) -> IssuedCode:
    """Make a one-time code for the person; an earlier code that was not used dies with it.

    For whoever looks after the person on the sender's side. Raises TransitionNotAllowed before anything
    can be said, InvalidInput when the person has answered already.
    """
    held = await hold(work, referral_id)
    permit(work, held, EventActor.SENDER)
    referral = held.referral
    if referral.state not in ASKED_IN:
        raise TransitionNotAllowed(referral.state, allowed(referral.state, EventActor.SENDER))
    answered = exists().where(Feedback.referral_id == referral_id)
    if (await work.session.execute(select(answered))).scalar():
        raise InvalidInput("referralId", "answered-already")
    await work.session.execute(
        update(FeedbackCode)
        .where(FeedbackCode.referral_id == referral_id, FeedbackCode.used_at.is_(None))
        .values(used_at=work.now)
        .execution_options(synchronize_session=False)
    )
    code = _new_code()
    issued = FeedbackCode(
        id=uuid4(),
        code_hash=hash_of(code),
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
    master: MasterKey,
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
    hashed = hash_of(code)
    await work.session.execute(
        text("SELECT set_config('app.code_hash', :hash, true)"), {"hash": hashed.hex()}
    )
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
    key = await key_of(work.session, master, client_id) if note else None
    feedback_id = _add(
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
    master: MasterKey,
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
    if held.referral.state not in ASKED_IN:
        raise TransitionNotAllowed(held.referral.state, allowed(held.referral.state, EventActor.SENDER))
    if source in {AnswerSource.MEMBER, AnswerSource.SYSTEM, AnswerSource.CODE}:
        raise InvalidInput("source", "unknown-value")
    answered = exists().where(Feedback.referral_id == referral_id)
    if (await work.session.execute(select(answered))).scalar():
        raise InvalidInput("referralId", "answered-already")
    note = checked_text(text_given, "text") if text_given else None
    key = await key_of(work.session, master, held.referral.client_id) if note else None
    await work.session.execute(
        update(FeedbackCode)
        .where(FeedbackCode.referral_id == referral_id, FeedbackCode.used_at.is_(None))
        .values(used_at=work.now)
        .execution_options(synchronize_session=False)
    )
    feedback_id = _add(
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


def _add(
    work: Work,
    referral_id: UUID,
    partner_id: UUID,
    answer: FeedbackAnswer,
    source: AnswerSource,
    language: str | None,
    note: tuple[DataKey, str] | None,
    code_id: UUID | None,
) -> UUID:
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
    session: AsyncSession, actor: Actor, master: MasterKey, referral_id: UUID
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
        await seen(session, actor, "feedback.view", "referral", referral_id)
    key: DataKey | None = None
    if any(row.sealed_text for row in rows):
        key = await key_of(session, master, referral.client_id)
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
