"""Questions, answers and remarks of a referral as a thread: what both sides write to each other about it.

Short, sealed with the person's key, and deleted with the package. A question stops the recipient's clock
(``answering.ask``), a remark changes nothing. Where the person does not let the recipient report back, the
recipient writes no remarks once it has taken the person: a free text would be a way around it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.database import Work
from directory.values import Instant, Value
from referrals.consent.rules import report_depth
from referrals.inbox import list_events
from referrals.models import Referral, ReferralEvent
from referrals.moving import Answered, Moved, begin_note, checked_text, hold, note_down
from referrals.noted import Noted
from referrals.personal_data.keystore import KeyStore
from referrals.problems import ConsentMissing
from referrals.states import Move
from referrals.vocabulary import EventActor, ReportDepth


class TextKind(StrEnum):
    """What an entry of a thread is."""

    QUESTION = "QUESTION"
    ANSWER = "ANSWER"
    REMARK = "REMARK"
    NOTE = "NOTE"


_KINDS: Final[dict[str, TextKind]] = {
    Move.ASK: TextKind.QUESTION,
    Move.REPLY: TextKind.ANSWER,
    Noted.REMARK: TextKind.REMARK,
}


class Entry(Value, frozen=True, kw_only=True):
    """One text; ``text`` is None once it was deleted, and while the reader may not open it.

    ``side``: SENDER or RECIPIENT, in whose name it was written; for a question that nobody answered in time
    CLOCK. ``asks_for``: data categories that a question asks for, or that an answer added.
    """

    ordinal: int
    at: Instant
    side: EventActor
    kind: TextKind
    text: str | None
    asks_for: tuple[str, ...] = ()


async def remark(
    work: Work,
    keys: KeyStore,
    referral_id: UUID,
    expected_version: int,
    text: str,
    *,
    answered: Answered | None = None,
) -> Moved:
    """Write to the other side; no state changes, no clock stops. The other side is told that there is news.

    Raises InvalidInput for an empty or too long text, TransitionNotAllowed when the referral is over,
    ConsentMissing (``PURPOSE:REPORT_BACK``) for a recipient who may not report back any more.
    """
    held = await hold(work, referral_id)
    sends = work.actor.partner_id == held.referral.sender_partner_id and answered is None
    party = EventActor.SENDER if sends else EventActor.RECIPIENT
    held = await begin_note(work, referral_id, expected_version, Noted.REMARK, party, answered)
    note = checked_text(text, "text")
    depth = report_depth(held.consent, held.referral.recipient_partner_id, work.now)
    if (
        party is EventActor.RECIPIENT
        and depth is not ReportDepth.OUTCOME
        and not held.tells(Noted.REMARK, party, held.referral.state, work.now)
    ):
        raise ConsentMissing({"PURPOSE:REPORT_BACK"})
    key = await keys.of(held.referral.client_id)
    return await note_down(
        work, held, Noted.REMARK, party, {}, answered=answered, note=(key, note), tell_other_side=True
    )


async def read_thread(
    session: AsyncSession, actor: Actor, keys: KeyStore, referral_id: UUID, at: datetime
) -> tuple[Entry, ...]:
    """Return the thread as this actor may read it, oldest first; opening it writes an audit row."""
    events = await list_events(session, actor, keys, referral_id, at)
    return tuple(
        Entry(
            ordinal=event.ordinal,
            at=event.at,
            side=event.actor,
            kind=_KINDS.get(event.move, TextKind.NOTE),
            text=event.text,
            asks_for=tuple((event.facts.get("categories") or event.facts.get("added") or "").split()),
        )
        for event in events
        if event.move in _KINDS or event.text is not None
    )


async def mark_read(work: Work, referral_id: UUID) -> UUID:
    """Remember that the own side has read the thread up to now; nobody else sees that it has."""
    held = await hold(work, referral_id)
    referral = held.referral
    sends = work.actor.partner_id == referral.sender_partner_id
    last = select(func.coalesce(func.max(ReferralEvent.ordinal), 0)).where(
        ReferralEvent.referral_id == referral_id
    )
    column = "sender_read" if sends else "recipient_read"
    await work.session.execute(
        update(Referral)
        .where(Referral.id == referral_id)
        .values({column: last.scalar_subquery()})
        .execution_options(synchronize_session=False)
    )
    work.record("referral.thread_read", "referral", referral_id)
    return referral_id
