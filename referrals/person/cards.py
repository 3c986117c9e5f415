"""The person's code card: issued, replaced, revoked; and what its holder does with it, without an account.

The code (``referrals.codes``) is shown once. One card lives per person and organisation; a new one ends the
former at once: whoever acts with a card locks it first, so nothing is done with a card after it was replaced.
Unknown, replaced, revoked and expired codes are told apart by nothing: one look-up, one answer. The holder
acts for the person whose card it is: their own consents and referrals of this organisation, nothing else.
What the page shows is in ``card_page``.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor, Role
from directory.database import Work
from directory.problems import IdempotencyConflict, InvalidInput, NotFound
from directory.values import Instant, LanguageTag, Value
from referrals import exchange
from referrals.codes import CodePurpose, hash_of, new_code, present
from referrals.consent.consents import withdraw_held
from referrals.consent.rules import longest_end
from referrals.models import CardAct, Client, CodeCard, Consent, FollowUp, Referral
from referrals.moving import Moved, checked_text, hold
from referrals.notices import promise
from referrals.person import follow_ups
from referrals.person.feedback import ASKED_IN, add_feedback, end_codes
from referrals.personal_data.keystore import KeyStore
from referrals.policy import ClientFacts, change_client, see_client
from referrals.problems import CodeNotValid, TransitionNotAllowed
from referrals.states import Move, allowed
from referrals.vocabulary import (
    AnswerSource,
    CardEnd,
    Channel,
    ConsentState,
    EventActor,
    FeedbackAnswer,
    NeedNow,
    NoticeAbout,
    NoticeKind,
    OccupiedWith,
    Purpose,
    Reason,
    WithdrawalScope,
)

PERSONS_MOVES: Final[dict[Move, tuple[Reason, ...]]] = {
    Move.ABANDON: (Reason.PERSON_DOES_NOT_WANT, Reason.OTHER_SERVICE_FOUND),
    Move.CANCEL: (Reason.PERSON_DOES_NOT_WANT, Reason.OTHER_SERVICE_FOUND),
    Move.CONTEST: (Reason.OUTCOME_WRONG, Reason.NOT_FINISHED),
}
"""What the person can do with a referral, and the reasons to choose from; the first one if none is given."""


class IssuedCard(Value, frozen=True, kw_only=True):
    """A new card; the code is shown once and stored nowhere."""

    id: UUID
    client_id: UUID
    code: str
    expires_at: Instant


class CardView(Value, frozen=True, kw_only=True):
    """The living card of a person as their organisation sees it: never its code."""

    issued_at: Instant
    expires_at: Instant
    language: LanguageTag


class HeldCard(Value, frozen=True, kw_only=True):
    """A living card that was presented: whose it is."""

    id: UUID
    client_id: UUID
    partner_id: UUID
    language: LanguageTag
    expires_at: Instant

    @property
    def holder(self) -> Actor:
        """As whom the holder acts."""
        return Actor(role=Role.ANONYMOUS, partner_id=self.partner_id, person=self.client_id)


# --- The organisation's side ----------------------------------------------------------------------------


async def _to_change(work: Work, client_id: UUID) -> Client:
    """Lock the person, so that two cards issued at once end one another in turn."""
    client = (
        await work.session.execute(
            select(Client)
            .where(Client.id == client_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).scalar_one_or_none()
    if client is None:
        see_client(work.actor, ClientFacts(partner_id=UUID(int=0)))
        raise NotFound
    change_client(
        work.actor,
        ClientFacts(
            partner_id=client.partner_id, responsible_id=client.responsible_id, deputy_id=client.deputy_id
        ),
    )
    return client


async def issue_card(
    work: Work, client_id: UUID, language: LanguageTag, *, expires_at: datetime | None = None
) -> IssuedCard:
    """Make a card for a person of the own organisation; the one before is dead at once.

    For whoever looks after the person. ``expires_at``: at most, and by default, twelve months ahead. Raises
    NotFound, NotAllowed, InvalidInput.
    """
    client = await _to_change(work, client_id)
    if client.erased_at is not None:
        raise NotFound
    latest = longest_end(work.now)
    end = expires_at or latest
    if end <= work.now:
        raise InvalidInput("expiresAt", "in-the-past")
    if end > latest:
        raise InvalidInput("expiresAt", "too-late", maximum=latest.date().isoformat())
    await end_cards(work, client_id, CardEnd.REPLACED)
    code = new_code()
    card = CodeCard(
        id=uuid4(),
        code_hash=hash_of(code, CodePurpose.CODE_CARD),
        client_id=client_id,
        partner_id=client.partner_id,
        language=language,
        issued_by=work.actor.member_id,
        issued_at=work.now,
        expires_at=end,
    )
    work.session.add(card)
    await work.session.flush()
    work.record("code_card.issue", "client", client_id)
    return IssuedCard(id=card.id, client_id=client_id, code=code, expires_at=end)


async def revoke_card(work: Work, client_id: UUID) -> None:
    """End the card of a person, because it was lost; nothing happens when there is none."""
    await _to_change(work, client_id)
    if await end_cards(work, client_id, CardEnd.REVOKED):
        work.record("code_card.revoke", "client", client_id)


async def end_cards(work: Work, client_id: UUID, because: CardEnd) -> int:
    """End the living cards of a person; return how many. Who may do so is the caller's to check."""
    ended = await work.session.scalars(
        update(CodeCard)
        .where(CodeCard.client_id == client_id, CodeCard.ended_at.is_(None))
        .values(ended_at=work.now, ended_because=because)
        .returning(CodeCard.id)
        .execution_options(synchronize_session=False)
    )
    return len(ended.all())


async def card_of(session: AsyncSession, actor: Actor, client_id: UUID, at: datetime) -> CardView | None:
    """Return the living card of a person of the own organisation, if there is one."""
    card = await session.scalar(
        select(CodeCard).where(
            CodeCard.client_id == client_id,
            CodeCard.partner_id == actor.partner_id,
            CodeCard.ended_at.is_(None),
            CodeCard.expires_at > at,
        )
    )
    if card is None or not actor.signed_in:
        return None
    return CardView(issued_at=card.issued_at, expires_at=card.expires_at, language=card.language)


# --- The holder's side ----------------------------------------------------------------------------------


async def presented(session: AsyncSession, code: str, at: datetime, *, lock: bool = False) -> HeldCard:
    """Say which card is presented; raises CodeNotValid for every code that opens nothing, whatever it was.

    ``lock``: until the transaction ends the card is neither replaced nor revoked; if it has just been, the
    code is not valid.
    """
    hashed = hash_of(code, CodePurpose.CODE_CARD)
    await present(session, hashed)
    statement = select(CodeCard).where(
        CodeCard.code_hash == hashed, CodeCard.ended_at.is_(None), CodeCard.expires_at > at
    )
    if lock:
        statement = statement.with_for_update(read=True)
    card = await session.scalar(statement.execution_options(populate_existing=True))
    if card is None:
        raise CodeNotValid
    return HeldCard(
        id=card.id,
        client_id=card.client_id,
        partner_id=card.partner_id,
        language=card.language,
        expires_at=card.expires_at,
    )


async def _enter(
    work: Work, code: str, operation: str, key: str, given: object
) -> tuple[HeldCard, UUID | None]:
    """Lock the card, act as its holder, claim the idempotency key; return what its first use made, if any.

    Of parallel uses of one key the others wait, and find what the first has made.
    """
    if not 8 <= len(key) <= 200:
        raise InvalidInput("idempotencyKey", "length", minimum="8", maximum="200")
    card = await presented(work.session, code, work.now, lock=True)
    work.actor = card.holder
    digest = sha256(msgspec.json.encode(given, order="deterministic")).digest()
    hashed = _key_hash(key)
    claimed = await work.session.execute(
        insert(CardAct)
        .values(
            card_id=card.id,
            operation=operation,
            key_hash=hashed,
            input_hash=digest,
            result_id=UUID(int=0),
            at=work.now,
        )
        .on_conflict_do_nothing()
        .returning(CardAct.card_id)
    )
    if claimed.scalar_one_or_none() is not None:
        return card, None
    former = await work.session.get_one(CardAct, (card.id, operation, hashed), populate_existing=True)
    if former.input_hash != digest:
        raise IdempotencyConflict
    return card, former.result_id


def _key_hash(key: str) -> bytes:
    return sha256(b"spurwechsel card\0" + key.encode("utf-8", "replace")).digest()


async def _keep(work: Work, card: HeldCard, operation: str, key: str, result_id: UUID) -> UUID:
    await work.session.execute(
        update(CardAct)
        .where(CardAct.card_id == card.id, CardAct.operation == operation, CardAct.key_hash == _key_hash(key))
        .values(result_id=result_id)
        .execution_options(synchronize_session=False)
    )
    return result_id


class Wish(Value, frozen=True, kw_only=True):
    """What the person withdraws: everything, one purpose or one recipient; of one consent, or of all."""

    scope: WithdrawalScope
    purpose: Purpose | None = None
    recipient_id: UUID | None = None
    consent_id: UUID | None = None


async def withdraw_by_card(
    work: Work, code: str, wish: Wish, *, language: LanguageTag | None = None, key: str
) -> UUID:
    """Withdraw what the person wishes, in one transaction; return the number of the receipt (``receipt_of``).

    Without ``consent_id`` every consent in force is meant that names the purpose or the recipient; they are
    withdrawn under one number. ``language``: of the receipt; by default the card's. The organisation hears
    of it. Raises CodeNotValid, NotFound (another person's consent), InvalidInput (nothing of that kind is
    in force), IdempotencyConflict.
    """
    if (wish.scope is WithdrawalScope.PURPOSE) != (wish.purpose is not None):
        raise InvalidInput("purpose", "fits-scope")
    if (wish.scope is WithdrawalScope.RECIPIENT) != (wish.recipient_id is not None):
        raise InvalidInput("recipientId", "fits-scope")
    card, done = await _enter(work, code, "withdraw", key, wish)
    if done is not None:
        return done
    wanted = select(Consent).where(
        Consent.client_id == card.client_id,
        Consent.partner_id == card.partner_id,
        Consent.state == ConsentState.GIVEN,
    )
    if wish.consent_id is not None:
        wanted = wanted.where(Consent.id == wish.consent_id)
    # in one order for everybody, and before the referrals, as whoever sends locks them
    in_force = (
        await work.session.scalars(
            wanted.order_by(Consent.id).with_for_update().execution_options(populate_existing=True)
        )
    ).all()
    if wish.consent_id is not None and not in_force:
        known = exists().where(
            Consent.id == wish.consent_id,
            Consent.client_id == card.client_id,
            Consent.partner_id == card.partner_id,
        )
        if not await work.session.scalar(select(known)):
            raise NotFound
    meant = [consent for consent in in_force if _names(consent, wish)]
    if not meant:
        raise InvalidInput("scope", "nothing-in-force")
    receipt = uuid4()
    for consent in meant:
        await withdraw_held(
            work,
            consent,
            channel=Channel.CODE,
            scope=wish.scope,
            purpose=wish.purpose,
            recipient=wish.recipient_id,
            language=language or card.language,
            receipt=receipt,
        )
        await promise(
            work,
            NoticeKind.NEWS,
            card.partner_id,
            about=consent.id,
            about_kind=NoticeAbout.CONSENT,
            dedupe=str(receipt),
        )
    return await _keep(work, card, "withdraw", key, receipt)


def _names(consent: Consent, wish: Wish) -> bool:
    """Whether the consent grants the purpose, or names the recipient, that is withdrawn."""
    if wish.purpose is not None:
        return any(entry.purpose is wish.purpose and entry.granted for entry in consent.terms.purposes)
    if wish.recipient_id is not None:
        return any(party.partner_id == wish.recipient_id for party in consent.terms.recipients)
    return True


async def move_by_card(
    work: Work,
    code: str,
    referral_id: UUID,
    expected_version: int,
    move: Move,
    *,
    reason: Reason | None = None,
    key: str,
) -> UUID:
    """Abandon a draft, cancel a referral that was sent, or contest its outcome; return the referral's id.

    ``expected_version`` is the one on the page. The organisation hears of it. Raises CodeNotValid, NotFound
    (another person's referral), StaleVersion, TransitionNotAllowed, InvalidInput, IdempotencyConflict.
    """
    reasons = PERSONS_MOVES.get(move)
    if reasons is None:
        raise InvalidInput("move", "unknown-value")
    because = reason or reasons[0]
    if because not in reasons:
        raise InvalidInput("reason", "unknown-value")
    given = [referral_id, expected_version, move, because]
    card, done = await _enter(work, code, "move", key, given)
    if done is not None:
        return done
    make = {Move.ABANDON: exchange.abandon, Move.CANCEL: exchange.cancel, Move.CONTEST: exchange.contest}[
        move
    ]
    moved: Moved = await make(work, referral_id, expected_version, because, told_by_person=AnswerSource.CODE)
    await promise(work, NoticeKind.NEWS, card.partner_id, about=referral_id, dedupe=f"card {moved.version}")
    return await _keep(work, card, "move", key, referral_id)


async def answer_by_card(
    work: Work,
    keys: KeyStore,
    code: str,
    referral_id: UUID,
    answer: FeedbackAnswer,
    *,
    text_given: str | None = None,
    language: LanguageTag | None = None,
    key: str,
) -> UUID:
    """Take the person's answer to how it went, once per referral; open one-time codes for it die with it.

    Raises CodeNotValid, NotFound (another person's referral), TransitionNotAllowed (nothing to say yet),
    InvalidInput (answered already), IdempotencyConflict.
    """
    note = checked_text(text_given, "text") if text_given else None
    card, done = await _enter(work, code, "answer", key, [referral_id, answer, note, language])
    if done is not None:
        return done
    held = await hold(work, referral_id)
    if held.shown_state not in ASKED_IN:
        raise TransitionNotAllowed(held.shown_state, allowed(held.shown_state, EventActor.PERSON))
    await end_codes(work, referral_id)
    data_key = await keys.of(card.client_id) if note else None
    feedback_id = add_feedback(
        work,
        referral_id,
        card.partner_id,
        answer,
        AnswerSource.CODE,
        language or card.language,
        (data_key, note) if data_key and note else None,
        None,
    )
    await work.session.flush()
    work.record("feedback.give", "referral", referral_id)
    return await _keep(work, card, "answer", key, feedback_id)


async def answer_follow_up_by_card(
    work: Work,
    code: str,
    follow_up_id: UUID,
    need_now: NeedNow,
    *,
    occupied_with: OccupiedWith | None = None,
    key: str,
) -> UUID:
    """Take the person's answer to a later follow-up, once; return its id.

    Raises CodeNotValid, NotFound (another person's), TransitionNotAllowed (not asked, or settled),
    ConsentMissing, IdempotencyConflict.
    """
    card, done = await _enter(work, code, "follow up", key, [follow_up_id, need_now, occupied_with])
    if done is not None:
        return done
    row = (
        await work.session.execute(
            select(FollowUp, Referral, Consent)
            .join(Referral, Referral.id == FollowUp.referral_id)
            .outerjoin(Consent, Consent.id == Referral.consent_id)
            .where(
                FollowUp.id == follow_up_id,
                FollowUp.client_id == card.client_id,
                FollowUp.partner_id == card.partner_id,
            )
            .with_for_update(of=FollowUp)
            .execution_options(populate_existing=True)
        )
    ).one_or_none()
    if row is None:
        settled = await work.session.scalar(
            select(FollowUp).where(
                FollowUp.id == follow_up_id,
                FollowUp.client_id == card.client_id,
                FollowUp.partner_id == card.partner_id,
            )
        )
        if settled is None:
            raise NotFound
        raise TransitionNotAllowed(settled.state, ())
    follow_up, referral, consent = row
    may = follow_ups.stands(follow_up, referral, consent, work.now)
    follow_ups.answer(work, follow_up, may, need_now, occupied_with, AnswerSource.CODE)
    await work.session.flush()
    work.record("follow_up.answer", "follow_up", follow_up.id)
    return await _keep(work, card, "follow up", key, follow_up.id)
