"""How every move of a referral is made: lock, rights, version, table, change, event, audit; one transaction.

``exchange``, ``approvals`` and the clock's jobs say what a move means; here is only how it happens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from directory.actors import Actor, Role
from directory.catalogue import give_back_place
from directory.database import Work
from directory.problems import InvalidInput, NotFound, StaleVersion
from directory.values import Value
from referrals.clock import end_of as end_of
from referrals.clock import local_day as local_day
from referrals.consent import ConsentFacts, covers
from referrals.consents import facts_of as consent_facts
from referrals.models import Consent, Referral, ReferralEvent
from referrals.notices import after_move, promise_all
from referrals.policy import ReferralFacts, act_on_referral, record_answer, see_referral
from referrals.problems import TransitionNotAllowed
from referrals.sealing import DataKey, Place
from referrals.states import Move, allowed, transition
from referrals.vocabulary import READABLE_STATES, AnswerSource, EventActor, Purpose, ReferralState

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
            select(Referral, Consent)
            .outerjoin(Consent, Consent.id == Referral.consent_id)
            .where(Referral.id == referral_id)
            .with_for_update(of=Referral)
            .execution_options(populate_existing=True)
        )
    ).one_or_none()
    if row is None:
        # For somebody without an account it is NotSignedIn, as everywhere.
        see_referral(work.actor, NOBODYS)
        raise NotFound
    referral, stored = row
    see_referral(work.actor, facts_of(referral, approval_open=approval_open))
    consent = None if stored is None else consent_facts(stored)
    return Held(referral, consent, covered(referral, consent, work.now))


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


def check_version(referral: Referral, expected: int) -> None:
    """Raise StaleVersion if somebody changed the referral since the caller read it."""
    if referral.version != expected:
        raise StaleVersion(referral.version)


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
    check_version(held.referral, expected_version)
    state = held.state_for(move)
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
    referral.version += 1
    referral.updated_at = work.now
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
    )
    work.record(f"referral.{move.value.lower()}", "referral", referral.id, {"state": target.value})
    await promise_all(work, after_move(referral, move, party, acting_partner=work.actor.partner_id))
    next_party = EventActor.SENDER if answered is not None or party is EventActor.PERSON else party
    return Moved(id=referral.id, state=target, version=referral.version, allowed=allowed(target, next_party))


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
) -> Moved:
    """Change facts beside the state: the row, an event of that name, the audit row; the state stays."""
    referral = held.referral
    for name, value in changes.items():
        setattr(referral, name, value)
    referral.version += 1
    referral.updated_at = work.now
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
    )
    work.record(f"referral.{what.lower()}", "referral", referral.id)
    next_party = EventActor.SENDER if answered is not None else party
    return Moved(
        id=referral.id,
        state=referral.state,
        version=referral.version,
        allowed=allowed(referral.state, next_party),
    )


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
