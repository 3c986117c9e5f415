"""The recipient's answers: acknowledge, ask, put on a waiting list, accept, decline, work on, report.

Each function is one transaction's work for one actor (DESIGN sections 3.8 and 5). With ``answered`` the
sender records what the recipient told them by phone, by mail or in person, and the event says so.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from sqlalchemy import exists, select

from directory.catalogue import take_place
from directory.database import Work
from directory.days import local_day
from directory.models import Service
from directory.problems import InvalidInput
from directory.values import ShortText, Value
from directory.vocabulary import PublicationState
from referrals.consent.rules import report_depth
from referrals.moving import (
    REVOCATION_ANSWERED,
    Answered,
    Held,
    Moved,
    begin,
    begin_note,
    check_version,
    checked_text,
    end_of,
    hold,
    make,
    note_down,
    permit,
)
from referrals.noted import Noted
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import DataKey
from referrals.problems import TransitionNotAllowed
from referrals.reporting import moves_shown
from referrals.states import (
    HOLD_AT_MOST,
    Move,
    add_working_days,
    allowed,
)
from referrals.upkeep import JOB as LEARN
from referrals.upkeep import TELLS
from referrals.values import Kept
from referrals.vocabulary import (
    DataCategory,
    DeclinedBy,
    DeclineReason,
    EventActor,
    InterimResult,
    OutcomeCode,
    OutcomeReason,
    Reason,
    ReferralState,
    ReportDepth,
    RevocationAnswer,
)

LONGEST_COURSE: Final = timedelta(days=10 * 366)
"""How far ahead the end may be expected: the clock counts on from there, and must not leave the calendar."""

QUESTION_DAYS: Final = 5
"""Working days after which an unanswered question is given back to the recipient."""


def report_depth_of(work: Work, held: Held) -> ReportDepth:
    """Return how much the recipient may tell the sender at this instant."""
    return report_depth(held.consent, held.referral.recipient_partner_id, work.now)


async def acknowledge(
    work: Work, referral_id: UUID, expected_version: int, *, answered: Answered | None = None
) -> Moved:
    """SENT to ACKNOWLEDGED: the recipient opens the package (read it with ``inbox.package``)."""
    held = await begin(work, referral_id, expected_version, Move.ACKNOWLEDGE, EventActor.RECIPIENT, answered)
    changes = _taken_over(work, answered)
    return await make(work, held, Move.ACKNOWLEDGE, EventActor.RECIPIENT, changes, answered=answered)


async def ask(
    work: Work,
    keys: KeyStore,
    referral_id: UUID,
    expected_version: int,
    question: str,
    *,
    categories: Collection[DataCategory] = (),
    answered: Answered | None = None,
) -> Moved:
    """SENT, ACKNOWLEDGED to INFO_REQUESTED: the recipient asks; its clock stands still until the reply.

    ``categories``: which data the question asks for; what was not sent needs the person's consent again.
    """
    held = await begin(work, referral_id, expected_version, Move.ASK, EventActor.RECIPIENT, answered)
    note = checked_text(question, "question")
    key = await _key_to_write(keys, held)
    changes = {
        **_taken_over(work, answered),
        "clock_stopped_at": work.now,
        "question_due_at": end_of(add_working_days(local_day(work.now), QUESTION_DAYS)),
    }
    return await make(
        work,
        held,
        Move.ASK,
        EventActor.RECIPIENT,
        changes,
        answered=answered,
        facts={"categories": " ".join(c for c in DataCategory if c in categories)} if categories else {},
        note=(key, note),
    )


async def _key_to_write(keys: KeyStore, held: Held) -> DataKey:
    """Return the person's key to seal what the recipient writes, before it has opened the package too."""
    return await keys.of(held.referral.client_id)


async def waitlist(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    expected_week: date,
    *,
    answered: Answered | None = None,
) -> Moved:
    """SENT, ACKNOWLEDGED to WAITLISTED; ``expected_week``: any day of the week in which there may be a place.

    The sender is warned (``inbox``) when that is later than the person's status ends.
    """
    held = await begin(work, referral_id, expected_version, Move.WAITLIST, EventActor.RECIPIENT, answered)
    monday = _expected_monday(work, expected_week)
    changes = {**_taken_over(work, answered), "expected_week": monday, "answer_due_at": None}
    return await make(
        work,
        held,
        Move.WAITLIST,
        EventActor.RECIPIENT,
        changes,
        answered=answered,
        facts={"expectedWeek": monday.isoformat()},
    )


async def update_waiting(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    *,
    expected_week: date | None = None,
    position: int | None = None,
    answered: Answered | None = None,
) -> Moved:
    """Say anew when there may be a place, or at which position the person waits; the sender is told."""
    held = await begin_note(
        work, referral_id, expected_version, Noted.WAITLIST_UPDATED, EventActor.RECIPIENT, answered
    )
    facts: dict[str, str] = {}
    changes: dict[str, object] = {}
    if expected_week is not None:
        changes["expected_week"] = monday = _expected_monday(work, expected_week)
        facts["expectedWeek"] = monday.isoformat()
    if position is not None:
        if not 1 <= position <= 10_000:
            raise InvalidInput("position", "out-of-range", minimum="1", maximum="10000")
        facts["position"] = str(position)
    if not facts:
        raise InvalidInput("expectedWeek", "required")
    return await note_down(
        work,
        held,
        Noted.WAITLIST_UPDATED,
        EventActor.RECIPIENT,
        changes,
        answered=answered,
        facts=facts,
        tell_other_side=True,
    )


def _expected_monday(work: Work, expected_week: date) -> date:
    latest = local_day(work.now) + timedelta(days=3 * 366)
    if expected_week > latest:
        raise InvalidInput("expectedWeek", "too-late", maximum=latest.isoformat())
    monday = expected_week - timedelta(days=expected_week.weekday())
    if monday + timedelta(days=6) < local_day(work.now):
        raise InvalidInput("expectedWeek", "in-the-past")
    return monday


async def accept(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    *,
    contact: str,
    first_contact_on: date,
    expected_end: date,
    file_number: str | None = None,
    answered: Answered | None = None,
) -> Moved:
    """SENT, ACKNOWLEDGED, WAITLISTED to ACCEPTED: with a named contact, and one place of the service taken.

    Raises NoPlaceLeft when the service counts its places and somebody else took the last one.
    """
    held = await begin(work, referral_id, expected_version, Move.ACCEPT, EventActor.RECIPIENT, answered)
    contact = contact.strip()
    if not contact:
        raise InvalidInput("contact", "empty")
    if len(contact) > 300:
        raise InvalidInput("contact", "too-long", maximum="300")
    said_on = answered.on if answered else local_day(work.now)
    if first_contact_on < said_on:
        raise InvalidInput("firstContactOn", "in-the-past")
    if expected_end < first_contact_on:
        raise InvalidInput("expectedEnd", "dates-order")
    latest = said_on + LONGEST_COURSE
    if expected_end > latest:
        raise InvalidInput("expectedEnd", "too-late", maximum=latest.isoformat())
    counted = await take_place(work, held.referral.service_id)
    changes = {
        **_taken_over(work, answered),
        "recipient_contact": contact,
        "first_contact_on": first_contact_on,
        "expected_end": expected_end,
        "place_taken": counted,
        "answer_due_at": None,
        **({"recipient_file_number": file_number} if file_number else {}),
    }
    return await make(
        work,
        held,
        Move.ACCEPT,
        EventActor.RECIPIENT,
        changes,
        answered=answered,
        facts={"firstContactOn": first_contact_on.isoformat(), "expectedEnd": expected_end.isoformat()},
    )


async def decline(
    work: Work,
    keys: KeyStore,
    referral_id: UUID,
    expected_version: int,
    *,
    reason: DeclineReason,
    declined_by: DeclinedBy = DeclinedBy.PARTNER,
    better_service_id: UUID | None = None,
    note: str | None = None,
    answered: Answered | None = None,
) -> Moved:
    """SENT to ACCEPTED (before the first contact) to DECLINED, with a reason and perhaps a better service.

    A place that was taken is given back. ``note`` is sealed and deleted with the package.
    """
    held = await begin(work, referral_id, expected_version, Move.DECLINE, EventActor.RECIPIENT, answered)
    if reason is DeclineReason.PERSON_DECLINED and declined_by is not DeclinedBy.PERSON:
        raise InvalidInput("declinedBy", "contradicts-reason")
    if better_service_id is not None:
        if better_service_id == held.referral.service_id:
            raise InvalidInput("betterServiceId", "same-service")
        published = exists().where(
            Service.id == better_service_id, Service.state == PublicationState.PUBLISHED
        )
        if not (await work.session.execute(select(published))).scalar():
            raise InvalidInput("betterServiceId", "not-published")
    text = checked_text(note, "note") if note is not None else None
    key = await _key_to_write(keys, held) if text else None
    changes = {
        **_taken_over(work, answered),
        "decline_reason": reason,
        "declined_by": declined_by,
        "better_service_id": better_service_id,
        "answer_due_at": None,
    }
    facts = {"declinedBy": declined_by.value}
    if better_service_id is not None:
        facts["betterService"] = str(better_service_id)
    if reason in TELLS and declined_by is DeclinedBy.PARTNER:
        work.later(LEARN, referral_id)
    return await make(
        work,
        held,
        Move.DECLINE,
        EventActor.RECIPIENT,
        changes,
        answered=answered,
        reason=reason.value,
        facts=facts,
        note=(key, text) if key and text else None,
    )


async def start(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    first_contact_made_on: date,
    *,
    answered: Answered | None = None,
) -> Moved:
    """Move from ACCEPTED to IN_PROGRESS: the first contact happened on that day.

    The day is kept only if the consent lets the recipient report at least that contact was made.
    """
    held = await begin(work, referral_id, expected_version, Move.START, EventActor.RECIPIENT, answered)
    if first_contact_made_on > local_day(work.now):
        raise InvalidInput("firstContactMadeOn", "in-the-future")
    told = report_depth_of(work, held) is not ReportDepth.NOTHING
    changes: dict[str, object] = {"last_sign_of_life": local_day(work.now)}
    if told:
        changes["first_contact_made_on"] = first_contact_made_on
    return await make(
        work,
        held,
        Move.START,
        EventActor.RECIPIENT,
        changes,
        answered=answered,
        facts={"firstContactMadeOn": first_contact_made_on.isoformat()} if told else {},
    )


async def pause(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    *,
    reason: Reason,
    resume_on: date,
    answered: Answered | None = None,
) -> Moved:
    """IN_PROGRESS to ON_HOLD until a day within 12 months.

    The reason tells something about the person, so it is kept only if the outcome may be reported back.
    """
    held = await begin(work, referral_id, expected_version, Move.HOLD, EventActor.RECIPIENT, answered)
    today = local_day(work.now)
    if resume_on <= today:
        raise InvalidInput("resumeOn", "in-the-past")
    if resume_on > today + HOLD_AT_MOST:
        raise InvalidInput("resumeOn", "too-late", maximum=(today + HOLD_AT_MOST).isoformat())
    told = reason if report_depth_of(work, held) is ReportDepth.OUTCOME else None
    return await make(
        work,
        held,
        Move.HOLD,
        EventActor.RECIPIENT,
        {"reason": told, "resume_on": resume_on, "last_sign_of_life": today},
        answered=answered,
        reason=told.value if told else None,
        facts={"resumeOn": resume_on.isoformat()},
    )


async def resume(
    work: Work, referral_id: UUID, expected_version: int, *, answered: Answered | None = None
) -> Moved:
    """ON_HOLD to IN_PROGRESS."""
    held = await begin(work, referral_id, expected_version, Move.RESUME, EventActor.RECIPIENT, answered)
    changes = {"reason": None, "resume_on": None, "last_sign_of_life": local_day(work.now)}
    return await make(work, held, Move.RESUME, EventActor.RECIPIENT, changes, answered=answered)


async def report_interim(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    *,
    result: InterimResult,
    on: date,
    answered: Answered | None = None,
) -> Moved:
    """Report how it stands meanwhile; a sign of life too.

    Without a REPORT_BACK consent for the outcome only the day of the report is kept, for the recipient.
    """
    held = await begin_note(
        work, referral_id, expected_version, Noted.INTERIM, EventActor.RECIPIENT, answered
    )
    if on > local_day(work.now):
        raise InvalidInput("on", "in-the-future")
    told = report_depth_of(work, held) is ReportDepth.OUTCOME
    return await note_down(
        work,
        held,
        Noted.INTERIM,
        EventActor.RECIPIENT,
        {"interim_report_on": on, "last_sign_of_life": local_day(work.now)},
        answered=answered,
        facts={"on": on.isoformat(), **({"result": result.value} if told else {})},
        tell_other_side=True,
    )


async def sign_of_life(
    work: Work, referral_id: UUID, expected_version: int, *, answered: Answered | None = None
) -> Moved:
    """Say with one click that the recipient is still at it; the clock counts on from today."""
    held = await begin_note(
        work, referral_id, expected_version, Noted.SIGN_OF_LIFE, EventActor.RECIPIENT, answered
    )
    return await note_down(
        work,
        held,
        Noted.SIGN_OF_LIFE,
        EventActor.RECIPIENT,
        {"last_sign_of_life": local_day(work.now)},
        answered=answered,
    )


_REPORTABLE: Final = frozenset(OutcomeCode) - {OutcomeCode.UNKNOWN}


async def report_outcome(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    *,
    outcome: OutcomeCode,
    outcome_on: date,
    reason: OutcomeReason | None = None,
    answered: Answered | None = None,
) -> Moved:
    """Move to OUTCOME_REPORTED; ``reason`` is needed when the need was not met.

    Without a REPORT_BACK consent for the outcome nothing of it is stored: it is NOT_DISCLOSED, so that no
    path can bring it to the sender (DESIGN section 6).
    """
    held = await begin(
        work, referral_id, expected_version, Move.REPORT_OUTCOME, EventActor.RECIPIENT, answered
    )
    if outcome not in _REPORTABLE:
        raise InvalidInput("outcome", "unknown-value")
    if outcome_on > local_day(work.now):
        raise InvalidInput("outcomeOn", "in-the-future")
    if outcome is OutcomeCode.NOT_MET and reason is None:
        raise InvalidInput("outcomeReason", "required")
    changes: dict[str, object] = {
        "outcome": OutcomeCode.NOT_DISCLOSED,
        "outcome_on": None,
        "outcome_reason": None,
        "resume_on": None,
        "reason": None,
    }
    facts = {"outcome": OutcomeCode.NOT_DISCLOSED.value}
    told = report_depth_of(work, held) is ReportDepth.OUTCOME and outcome is not OutcomeCode.NOT_DISCLOSED
    if told:
        changes |= {"outcome": outcome, "outcome_on": outcome_on, "outcome_reason": reason}
        facts = {"outcome": outcome.value, "outcomeOn": outcome_on.isoformat()}
    return await make(
        work,
        held,
        Move.REPORT_OUTCOME,
        EventActor.RECIPIENT,
        changes,
        answered=answered,
        reason=reason.value if told and reason else None,
        facts=facts,
    )


async def answer_revocation(
    work: Work, referral_id: UUID, expected_version: int, answer: Kept, *, answered: Answered | None = None
) -> Moved:
    """Say what was done with the data after the consent ended: deleted, or what is kept, why, until when.

    GDPR Art. 7(3), 17(3). The state stays CONSENT_REVOKED. What is kept needs its legal basis and an end.
    Where nothing was ever sent there is nothing to answer.
    """
    held = await hold(work, referral_id)
    permit(work, held, EventActor.RECIPIENT, answered)
    check_version(held.referral, expected_version, sender=answered is not None)
    referral = held.referral
    answerable = referral.state is ReferralState.CONSENT_REVOKED and referral.sent_at is not None
    if not answerable or referral.revocation_answer is not None:
        if answered is None:
            raise TransitionNotAllowed(referral.state, allowed(referral.state, EventActor.RECIPIENT))
        shown = held.shown_state
        raise TransitionNotAllowed(shown, moves_shown(shown, held.readable, EventActor.RECIPIENT))
    if answer.answer is RevocationAnswer.KEPT:
        if not answer.what:
            raise InvalidInput("what", "required")
        if not set(answer.what) <= set(referral.categories):
            raise InvalidInput("what", "not-shared")
        if answer.legal_basis is None:
            raise InvalidInput("legalBasis", "required")
        if answer.until is None:
            raise InvalidInput("until", "required")
        if answer.until < local_day(work.now):
            raise InvalidInput("until", "in-the-past")
    elif answer.what or answer.legal_basis is not None or answer.until is not None:
        raise InvalidInput("answer", "contradicts-deletion")
    return await note_down(
        work,
        held,
        REVOCATION_ANSWERED,
        EventActor.RECIPIENT,
        {"revocation_answer": answer, "revocation_due_at": None},
        answered=answered,
        facts={"answer": answer.answer.value},
    )


def _taken_over(work: Work, answered: Answered | None) -> dict[str, object]:
    """Return who on the recipient's side looks after the referral from now on: whoever answers in person."""
    by_nobody_known = answered is not None or work.actor.member_id is None
    return {} if by_nobody_known else {"recipient_member_id": work.actor.member_id}


# --- Answers that the sender records -----------------------------------------------------------------------


class RecipientAnswer(Value, frozen=True, kw_only=True, tag_field="move"):
    """What a recipient can answer, as the sender records it."""


class AnswerAcknowledge(RecipientAnswer, frozen=True, kw_only=True, tag="ACKNOWLEDGE"):
    """They have it."""


class AnswerAsk(RecipientAnswer, frozen=True, kw_only=True, tag="ASK"):
    """They need to know something."""

    question: str
    categories: tuple[DataCategory, ...] = ()


class AnswerWaitlist(RecipientAnswer, frozen=True, kw_only=True, tag="WAITLIST"):
    """They have a waiting list."""

    expected_week: date


class AnswerAccept(RecipientAnswer, frozen=True, kw_only=True, tag="ACCEPT"):
    """They take the person."""

    contact: str
    first_contact_on: date
    expected_end: date
    file_number: ShortText | None = None


class AnswerDecline(RecipientAnswer, frozen=True, kw_only=True, tag="DECLINE"):
    """They do not take the person, or the person did not want to."""

    reason: DeclineReason
    declined_by: DeclinedBy = DeclinedBy.PARTNER
    better_service_id: UUID | None = None
    note: str | None = None


class AnswerStart(RecipientAnswer, frozen=True, kw_only=True, tag="START"):
    """The first contact happened."""

    first_contact_made_on: date


class AnswerHold(RecipientAnswer, frozen=True, kw_only=True, tag="HOLD"):
    """There is a pause."""

    reason: Reason
    resume_on: date


class AnswerResume(RecipientAnswer, frozen=True, kw_only=True, tag="RESUME"):
    """The pause is over."""


class AnswerOutcome(RecipientAnswer, frozen=True, kw_only=True, tag="REPORT_OUTCOME"):
    """They say what came of it."""

    outcome: OutcomeCode
    outcome_on: date
    reason: OutcomeReason | None = None


class AnswerRevocation(RecipientAnswer, frozen=True, kw_only=True, tag=REVOCATION_ANSWERED):
    """They say what they did with the data after the consent ended."""

    answer: RevocationAnswer
    what: tuple[DataCategory, ...] = ()
    legal_basis: ShortText | None = None
    until: date | None = None


AnyAnswer: TypeAlias = (
    AnswerAcknowledge
    | AnswerAsk
    | AnswerWaitlist
    | AnswerAccept
    | AnswerDecline
    | AnswerStart
    | AnswerHold
    | AnswerResume
    | AnswerOutcome
    | AnswerRevocation
)


async def record_answer(
    work: Work,
    keys: KeyStore,
    referral_id: UUID,
    expected_version: int,
    answer: AnyAnswer,
    answered: Answered | None,
) -> Moved:
    """Make the recipient's move that ``answer`` names.

    With ``answered`` the sender records what it was told (by phone, on that day), and the event says so;
    without it the recipient answers in person.
    """
    match answer:
        case AnswerAcknowledge():
            return await acknowledge(work, referral_id, expected_version, answered=answered)
        case AnswerAsk():
            return await ask(
                work,
                keys,
                referral_id,
                expected_version,
                answer.question,
                categories=answer.categories,
                answered=answered,
            )
        case AnswerWaitlist():
            return await waitlist(
                work, referral_id, expected_version, answer.expected_week, answered=answered
            )
        case AnswerAccept():
            return await accept(
                work,
                referral_id,
                expected_version,
                contact=answer.contact,
                first_contact_on=answer.first_contact_on,
                expected_end=answer.expected_end,
                file_number=answer.file_number,
                answered=answered,
            )
        case AnswerDecline():
            return await decline(
                work,
                keys,
                referral_id,
                expected_version,
                reason=answer.reason,
                declined_by=answer.declined_by,
                better_service_id=answer.better_service_id,
                note=answer.note,
                answered=answered,
            )
        case AnswerStart():
            return await start(
                work, referral_id, expected_version, answer.first_contact_made_on, answered=answered
            )
        case AnswerHold():
            return await pause(
                work,
                referral_id,
                expected_version,
                reason=answer.reason,
                resume_on=answer.resume_on,
                answered=answered,
            )
        case AnswerResume():
            return await resume(work, referral_id, expected_version, answered=answered)
        case AnswerOutcome():
            return await report_outcome(
                work,
                referral_id,
                expected_version,
                outcome=answer.outcome,
                outcome_on=answer.outcome_on,
                reason=answer.reason,
                answered=answered,
            )
        case AnswerRevocation():
            kept = Kept(
                answer=answer.answer, what=answer.what, legal_basis=answer.legal_basis, until=answer.until
            )
            return await answer_revocation(work, referral_id, expected_version, kept, answered=answered)
