"""Reads the three voices (``voices``) about a referral for one side, and counts an organisation's own.

What the sender may not know (REPORT_BACK) goes in as the sender reads it everywhere: the counts, and what
they say of disagreement, are worked out from the same values that a single referral shows.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.database import seen
from directory.days import ZONE
from directory.problems import InvalidInput
from directory.values import Value
from referrals.inbox import view_referral
from referrals.models import ConsentPart, Feedback, FollowUp, Referral, ReferralEvent
from referrals.moving import (
    course_of,
    depth_of,
    happened,
    history_if_needed,
    part_of_referral,
    since_of,
)
from referrals.policy import must_work_with_people
from referrals.reporting import shown_to_sender
from referrals.states import Move
from referrals.vocabulary import (
    EventActor,
    FeedbackAnswer,
    FollowUpKind,
    FollowUpState,
    PartnerVoice,
    PersonVoice,
    ReferralState,
    SenderVoice,
)
from referrals.voices import SPEAKING_STATES, VoiceFacts, Voices, as_recipient, voices

COUNTED: Final = (ReferralState.CLOSED, ReferralState.DECLINED, ReferralState.EXPIRED)
"""Ends at which the voices are counted: whoever has not spoken by then has not answered."""


class FollowUpCount(Value, frozen=True, kw_only=True):
    """How many later follow-ups of one kind ended answered, and how many without an answer."""

    kind: FollowUpKind
    answered: int
    unanswered: int


class VoiceCounts(Value, frozen=True, kw_only=True):
    """What was heard about the own organisation's referrals that ended in one quarter.

    ``since`` (inclusive) and ``until`` (exclusive) are days in Brandenburg. Every value of each voice is
    there, with 0 too; NO_ANSWER among them.
    """

    since: date
    until: date
    referrals: int
    disagreements: int
    partner: dict[PartnerVoice, int]
    sender: dict[SenderVoice, int]
    person: dict[PersonVoice, int]
    follow_ups: tuple[FollowUpCount, ...]


async def voices_of(session: AsyncSession, actor: Actor, referral_id: UUID, at: datetime) -> Voices | None:
    """Return the three voices as this side may know them; None while there is nothing to say.

    Raises NotFound. That the sender hears the person is recorded.
    """
    view = await view_referral(session, actor, referral_id, at)
    if view.state not in SPEAKING_STATES or view.seen_as not in {EventActor.SENDER, EventActor.RECIPIENT}:
        return None
    sends = view.seen_as is EventActor.SENDER
    told: FeedbackAnswer | None = None
    if sends:
        told = await session.scalar(
            select(Feedback.answer).where(Feedback.referral_id == referral_id).order_by(Feedback.at).limit(1)
        )
        if told is not None:
            await seen(session, actor, "feedback.view", "referral", [referral_id])
    contested_by: EventActor | None = None
    if view.disputed and view.state in {ReferralState.IN_PROGRESS, ReferralState.ON_HOLD}:
        contested_by = await session.scalar(
            select(ReferralEvent.actor)
            .where(ReferralEvent.referral_id == referral_id, ReferralEvent.move == Move.CONTEST.value)
            .order_by(ReferralEvent.ordinal.desc())
            .limit(1)
        )
    found = voices(
        VoiceFacts(
            state=view.state,
            outcome=view.outcome,
            unconfirmed=view.unconfirmed,
            contested_by=contested_by,
            told=told,
            asked=view.feedback_asked if sends else None,
        )
    )
    return found if sends else as_recipient(found)


def quarter(year: int, number: int) -> tuple[date, date]:
    """Return first day, and the day after the last, of a calendar quarter; raises InvalidInput."""
    if not 2000 <= year <= 2999:
        raise InvalidInput("year", "unknown-value")
    if not 1 <= number <= 4:
        raise InvalidInput("quarter", "unknown-value")
    since = date(year, 3 * number - 2, 1)
    return since, date(year + 1, 1, 1) if number == 4 else date(year, 3 * number + 1, 1)


async def count_voices(
    session: AsyncSession, actor: Actor, year: int, number: int, at: datetime
) -> VoiceCounts:
    """Count what was heard about the own organisation's referrals that ended in a quarter.

    Exact, because they are the organisation's own; nothing here is for publishing. Raises InvalidInput.
    """
    must_work_with_people(actor)
    since, until = quarter(year, number)
    begins, ends = (datetime.combine(day, time.min, tzinfo=ZONE) for day in (since, until))
    rows = await session.execute(
        select(Referral, ConsentPart, history_if_needed(), Feedback.answer)
        .outerjoin(ConsentPart, part_of_referral())
        .outerjoin(Feedback, Feedback.referral_id == Referral.id)
        .where(
            Referral.sender_partner_id == actor.partner_id,
            Referral.state.in_(COUNTED),
            Referral.state_since >= begins,
            Referral.state_since < ends,
        )
        .execution_options(populate_existing=True)
    )
    heard: dict[UUID, Voices] = {}
    for referral, consent, history, answer in rows:
        depth, since_consent = depth_of(consent, at), since_of(consent)
        shown = shown_to_sender(course_of(referral), happened(history), depth, since_consent)
        heard[referral.id] = voices(
            VoiceFacts(
                state=shown.state,
                outcome=shown.outcome,
                unconfirmed=shown.unconfirmed,
                told=answer,
                asked=referral.feedback_asked,
            )
        )
    partner = Counter(one.partner for one in heard.values())
    sender = Counter(one.sender for one in heard.values())
    person = Counter(one.person for one in heard.values())
    return VoiceCounts(
        since=since,
        until=until,
        referrals=len(heard),
        disagreements=sum(one.disagreement for one in heard.values()),
        partner={voice: partner[voice] for voice in PartnerVoice},
        sender={voice: sender[voice] for voice in SenderVoice},
        person={voice: person[voice] for voice in PersonVoice},
        follow_ups=await _follow_ups(session, actor, begins, ends),
    )


async def _follow_ups(
    session: AsyncSession, actor: Actor, begins: datetime, ends: datetime
) -> tuple[FollowUpCount, ...]:
    rows = await session.execute(
        select(FollowUp.kind, FollowUp.state, func.count())
        .where(
            FollowUp.partner_id == actor.partner_id,
            FollowUp.state.in_((FollowUpState.ANSWERED, FollowUpState.NO_ANSWER)),
            FollowUp.ended_at >= begins,
            FollowUp.ended_at < ends,
        )
        .group_by(FollowUp.kind, FollowUp.state)
    )
    counted = {(row[0], row[1]): row[2] for row in rows}
    return tuple(
        FollowUpCount(
            kind=kind,
            answered=counted.get((kind, FollowUpState.ANSWERED), 0),
            unanswered=counted.get((kind, FollowUpState.NO_ANSWER), 0),
        )
        for kind in FollowUpKind
    )
