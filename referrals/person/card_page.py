"""The person's own page: what was shared with whom, why and until when; no name, no status, no pseudonym.

Everything is said in words of the person's language (``card_texts``) and judged at the moment of reading. A
referral is shown as its sender reads it: whoever issued the card has seen its code, so the page tells no
more of an outcome than the person lets the sender know (REPORT_BACK).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Role
from directory.database import seen
from directory.languages import direction
from directory.models import Location, Partner, Service
from directory.values import Instant, LanguageTag, Value
from directory.vocabulary import ContactKind
from referrals.consent.consents import facts_of as consent_facts
from referrals.consent.rules import in_force, running
from referrals.models import Appointment, Consent, ConsentPart, Feedback, FollowUp, Referral
from referrals.moving import (
    course_of,
    covered,
    depth_of,
    happened,
    history_if_needed,
    part_of_referral,
    since_of,
)
from referrals.person import follow_ups
from referrals.person.card_texts import CardTexts, texts_in
from referrals.person.cards import PERSONS_MOVES, HeldCard, presented
from referrals.person.feedback import ASKED_IN
from referrals.problems import CodeNotValid
from referrals.reporting import moves_shown, shown_to_sender
from referrals.states import Move
from referrals.values import Kept, Withdrawal
from referrals.vocabulary import (
    READABLE_STATES,
    AppointmentState,
    ConsentState,
    EventActor,
    FeedbackAnswer,
    FollowUpState,
    NeedNow,
    OccupiedWith,
    Purpose,
    ReferralState,
    RevocationAnswer,
)

MOST: Final = 100
"""Referrals, and consents, on one page."""


class Said(Value, frozen=True, kw_only=True):
    """A text with the language that it was found in."""

    text: str
    language: LanguageTag


class Option(Value, frozen=True, kw_only=True):
    """One answer to choose: its code, and what it says."""

    code: str
    text: str


class Question(Value, frozen=True, kw_only=True):
    """What the person is asked, and the answers to choose from."""

    text: str
    options: tuple[Option, ...]


class Office(Value, frozen=True, kw_only=True):
    """Whom to ask: an organisation and how its office is reached; never an employee."""

    partner_id: UUID
    name: str
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    website: str | None = None


class CardAppointment(Value, frozen=True, kw_only=True):
    """When and where the person is expected."""

    at: Instant
    place: str | None
    street: str | None
    postcode: str | None
    city: str | None
    bring: str


class Offer(Value, frozen=True, kw_only=True):
    """A move that the person can make, the words on its button, and the reasons to choose from."""

    move: Move
    text: str
    reasons: tuple[Option, ...]


class CardReferral(Value, frozen=True, kw_only=True):
    """A referral in the person's words; ``version`` goes with a move, ``until`` is the consent's end."""

    id: UUID
    version: int
    service: Said
    partner_id: UUID
    partner: str
    state: str
    shared: tuple[str, ...]
    purposes: tuple[str, ...]
    until: Instant | None
    sent_at: Instant | None
    after_the_end: str | None
    appointment: CardAppointment | None
    offers: tuple[Offer, ...]
    how_it_went: Question | None
    your_answer: str | None


class CardPurpose(Value, frozen=True, kw_only=True):
    """One purpose that the person has granted; it can be withdrawn by itself."""

    purpose: Purpose
    text: str
    shared: tuple[str, ...]
    until: Instant | date | None


class CardRecipient(Value, frozen=True, kw_only=True):
    """An organisation that may receive something; it can be withdrawn by itself."""

    partner_id: UUID
    name: str
    contact: str | None


class CardConsent(Value, frozen=True, kw_only=True):
    """A consent in force, with what can be withdrawn of it."""

    id: UUID
    given_at: Instant | None
    until: Instant | None
    recipients: tuple[CardRecipient, ...]
    purposes: tuple[CardPurpose, ...]


class CardFollowUp(Value, frozen=True, kw_only=True):
    """A later question about a referral that is over."""

    id: UUID
    referral_id: UUID
    service: Said
    need: Question
    occupation: Question


class Receipt(Value, frozen=True, kw_only=True):
    """What the person keeps of a withdrawal: number, moment, and what it means, in their language."""

    number: UUID
    at: Instant
    language: LanguageTag
    direction: str
    title: str
    lines: tuple[str, ...]


class CardPage(Value, frozen=True, kw_only=True):
    """The person's own page; ``wanted`` is the language asked for, ``language`` the one that was found."""

    wanted: LanguageTag
    language: LanguageTag
    direction: str
    title: str
    introduction: str
    lost_card: str
    nothing_shared: str | None
    withdraw_all: str | None
    expires_at: Instant
    ask: Office
    ask_text: str
    headings: dict[str, str]
    referrals: tuple[CardReferral, ...]
    consents: tuple[CardConsent, ...]
    follow_ups: tuple[CardFollowUp, ...]
    receipts: tuple[Receipt, ...]


async def open_card(
    session: AsyncSession, code: str, at: datetime, *, language: LanguageTag | None = None
) -> CardPage:
    """Return the page of whoever presents this code; ``language`` in place of the card's own.

    Changes nothing but the audit. Raises CodeNotValid.
    """
    card = await presented(session, code, at)
    texts = texts_in(language or card.language)
    referrals = await _referrals(session, card)
    consents = await _consents(session, card)
    shown = [row for row in referrals if row[0].state is not ReferralState.ENTERED_IN_ERROR]
    told = await _feedback(session, [row[0].id for row in shown])
    places = await _places(session, [row[0].id for row in shown if row[0].appointment_at], at)
    titles = {row[0].id: _title(row[3], texts) for row in shown}
    pages = tuple(
        _referral(referral, consent, happened(history), titles[referral.id], partner, told, places, texts, at)
        for referral, consent, history, _, partner in shown
    )
    in_force_now = [consent for consent in consents if in_force(consent_facts(consent), at)]
    office = await session.get(Partner, card.partner_id)
    if office is None:
        raise CodeNotValid
    await seen(session, card.holder, "code_card.open", "code_card", [card.id])
    return CardPage(
        wanted=texts.wanted,
        language=texts.language,
        direction=direction(texts.language),
        title=texts.say("title"),
        introduction=texts.say("introduction", organisation=office.name),
        lost_card=texts.say("lost_card", organisation=office.name),
        nothing_shared=None if in_force_now else texts.say("nothing_shared"),
        withdraw_all=texts.say("withdraw.ALL") if in_force_now else None,
        expires_at=card.expires_at,
        ask=_office(office),
        ask_text=texts.say("ask", organisation=office.name),
        headings=texts.group("heading"),
        referrals=pages,
        consents=tuple(_consent(consent, texts, at) for consent in in_force_now),
        follow_ups=await _follow_ups(session, card, titles, texts, at),
        receipts=_receipts(consents, texts),
    )


async def receipt_of(
    session: AsyncSession, code: str, number: UUID, at: datetime, *, language: LanguageTag | None = None
) -> Receipt:
    """Return the receipt of a withdrawal of this person; raises CodeNotValid for every other number.

    In the language asked for, else in the one that it was made in.
    """
    card = await presented(session, code, at)
    for consent in await _consents(session, card):
        if consent.withdrawal is not None and consent.withdrawal.receipt == number:
            return receipt(consent.withdrawal, texts_in(language or consent.withdrawal.language))
    raise CodeNotValid


# --- What is read ---------------------------------------------------------------------------------------


async def _referrals(session: AsyncSession, card: HeldCard) -> Sequence[Any]:
    rows = await session.execute(
        select(Referral, ConsentPart, history_if_needed(), Service.title, Partner.name)
        .join(Service, Service.id == Referral.service_id)
        .join(Partner, Partner.id == Referral.recipient_partner_id)
        .outerjoin(ConsentPart, part_of_referral())
        .where(Referral.client_id == card.client_id, Referral.sender_partner_id == card.partner_id)
        .order_by(Referral.created_at.desc(), Referral.id)
        .limit(MOST)
    )
    return rows.all()


async def _consents(session: AsyncSession, card: HeldCard) -> Sequence[Consent]:
    rows = await session.scalars(
        select(Consent)
        .where(
            Consent.client_id == card.client_id,
            Consent.partner_id == card.partner_id,
            Consent.state.not_in((ConsentState.REQUESTED, ConsentState.REFUSED)),
        )
        .order_by(Consent.created_at.desc(), Consent.id)
        .limit(MOST)
    )
    return rows.all()


async def _feedback(session: AsyncSession, referral_ids: Collection[UUID]) -> dict[UUID, FeedbackAnswer]:
    rows = await session.execute(
        select(Feedback.referral_id, Feedback.answer).where(Feedback.referral_id.in_(referral_ids))
    )
    return {row[0]: row[1] for row in rows}


async def _places(
    session: AsyncSession, referral_ids: Collection[UUID], at: datetime
) -> dict[UUID, tuple[Location | None, str | None]]:
    """Return where the next appointment of each of these referrals of the card is, as it was agreed.

    The appointments' own rows are for sender and recipient; of the card's referrals, which have been read as
    the holder, their place is looked up as SYSTEM.
    """
    if not referral_ids:
        return {}
    role = text("SELECT set_config('app.role', :role, true)")
    before = await session.scalar(text("SELECT current_setting('app.role', true)"))
    await session.execute(role, {"role": Role.SYSTEM.value})
    rows = await session.execute(
        select(Appointment.referral_id, Location, Appointment.place)
        .outerjoin(Location, Location.id == Appointment.location_id)
        .where(
            Appointment.referral_id.in_(referral_ids),
            Appointment.state == AppointmentState.PLANNED,
            Appointment.told,
            Appointment.starts_at >= at,
        )
        .order_by(Appointment.starts_at.desc())
    )
    found: dict[UUID, tuple[Location | None, str | None]] = {row[0]: (row[1], row[2]) for row in rows}
    await session.execute(role, {"role": before or ""})
    return found


async def _follow_ups(
    session: AsyncSession, card: HeldCard, titles: Mapping[UUID, Said], texts: CardTexts, at: datetime
) -> tuple[CardFollowUp, ...]:
    rows = await session.execute(
        select(FollowUp, Referral, Consent)
        .join(Referral, Referral.id == FollowUp.referral_id)
        .outerjoin(Consent, Consent.id == Referral.consent_id)
        .where(
            FollowUp.client_id == card.client_id,
            FollowUp.partner_id == card.partner_id,
            FollowUp.state == FollowUpState.ASKED,
        )
        .order_by(FollowUp.asked_at, FollowUp.id)
        .limit(MOST)
    )
    return tuple(
        CardFollowUp(
            id=found.id,
            referral_id=referral.id,
            service=titles[referral.id],
            need=Question(
                text=texts.say(f"question.{found.kind}"),
                options=_options(texts, "need", [word.value for word in NeedNow]),
            ),
            occupation=Question(
                text=texts.say("question.OCCUPATION"),
                options=_options(texts, "occupied", [word.value for word in OccupiedWith]),
            ),
        )
        for found, referral, consent in rows
        if referral.id in titles and follow_ups.stands(found, referral, consent, at)
    )


# --- How it is said -------------------------------------------------------------------------------------


def _title(titles: Mapping[str, str], texts: CardTexts) -> Said:
    """Return the service's title in the person's language, or the nearest that there is."""
    primary = texts.wanted.split("-")[0]
    for tag in (texts.wanted, primary, texts.language, "de", "en", *sorted(titles)):
        if tag in titles:
            return Said(text=titles[tag], language=tag)
    return Said(text=texts.say("service"), language=texts.language)


def _options(texts: CardTexts, group: str, codes: Collection[str]) -> tuple[Option, ...]:
    return tuple(Option(code=code, text=texts.say(f"{group}.{code}")) for code in codes)


def _office(partner: Partner) -> Office:
    points = partner.contact_points
    return Office(
        partner_id=partner.id,
        name=partner.name,
        phones=tuple(point.value for point in points if point.kind is ContactKind.PHONE),
        emails=tuple(point.value for point in points if point.kind is ContactKind.EMAIL),
        website=partner.website,
    )


def _referral(
    referral: Referral,
    consent: ConsentPart | None,
    history: Sequence[object],
    title: Said,
    partner: str,
    told: Mapping[UUID, FeedbackAnswer],
    places: Mapping[UUID, tuple[Location | None, str | None]],
    texts: CardTexts,
    at: datetime,
) -> CardReferral:
    facts = consent_facts(consent) if consent is not None else None
    depth = depth_of(consent, at)
    course = shown_to_sender(course_of(referral), history, depth, since_of(consent))  # type: ignore[arg-type]
    state = course.state
    covers_it = covered(referral, facts, at)
    if state in READABLE_STATES and not covers_it:
        state = ReferralState.CONSENT_REVOKED
    sent = referral.sent_at is not None
    given = consent is not None and in_force(facts, at)
    offers = tuple(move for move in moves_shown(state, depth, EventActor.PERSON) if move in PERSONS_MOVES)
    answer = told.get(referral.id)
    asks = answer is None and state in ASKED_IN and not _refused(consent)
    return CardReferral(
        id=referral.id,
        version=referral.version - referral.hidden_changes,
        service=title,
        partner_id=referral.recipient_partner_id,
        partner=partner,
        state=texts.say(f"state.{state}", partner=partner),
        shared=tuple(texts.say(f"category.{category}") for category in referral.categories) if sent else (),
        purposes=tuple(
            texts.say(f"purpose.{entry.purpose}")
            for entry in (consent.terms.purposes if consent is not None and given else ())
            if facts is not None and running(facts.terms, entry.purpose, at) is not None
        ),
        until=consent.valid_until if consent is not None and given else None,
        sent_at=referral.sent_at,
        after_the_end=_after_the_end(referral, state, partner, texts) if sent else None,
        appointment=_appointment(course.appointment_at, places.get(referral.id), texts, at),
        offers=tuple(
            Offer(
                move=move,
                text=texts.say(f"move.{move}"),
                reasons=_options(texts, "reason", [reason.value for reason in PERSONS_MOVES[move]]),
            )
            for move in offers
        ),
        how_it_went=Question(
            text=texts.say("question.HOW_IT_WENT"),
            options=_options(texts, "answer", [word.value for word in FeedbackAnswer]),
        )
        if asks
        else None,
        your_answer=texts.say(f"answer.{answer}") if answer is not None else None,
    )


def _refused(consent: ConsentPart | None) -> bool:
    """Whether the person was asked for FEEDBACK and does not want to be asked how it went."""
    if consent is None:
        return False
    return any(entry.purpose is Purpose.FEEDBACK and not entry.granted for entry in consent.terms.purposes)


def _after_the_end(referral: Referral, state: ReferralState, partner: str, texts: CardTexts) -> str | None:
    """Return what became of the data after the consent ended: the answer, or that it is awaited."""
    if state is not ReferralState.CONSENT_REVOKED:
        return None
    answered: Kept | None = referral.revocation_answer
    if answered is None:
        return texts.say("deletion.ASKED", partner=partner)
    if answered.answer is RevocationAnswer.DELETED:
        return texts.say("deletion.DELETED", partner=partner)
    until = answered.until.strftime("%d.%m.%Y") if answered.until else "–"
    return texts.say("deletion.KEPT", partner=partner, until=until)


def _appointment(
    moment: datetime | None,
    where: tuple[Location | None, str | None] | None,
    texts: CardTexts,
    at: datetime,
) -> CardAppointment | None:
    if moment is None or moment < at:
        return None
    place, said = where or (None, None)
    return CardAppointment(
        at=moment,
        place=place.name if place else said,
        street=place.street if place else None,
        postcode=place.postcode if place else None,
        city=place.city if place else None,
        bring=texts.say("bring"),
    )


def _consent(consent: Consent, texts: CardTexts, at: datetime) -> CardConsent:
    return CardConsent(
        id=consent.id,
        given_at=consent.decided_at,
        until=consent.valid_until,
        recipients=tuple(
            CardRecipient(partner_id=party.partner_id, name=party.name, contact=party.contact)
            for party in consent.terms.recipients
        ),
        purposes=tuple(
            CardPurpose(
                purpose=entry.purpose,
                text=texts.say(f"purpose.{entry.purpose}"),
                shared=tuple(texts.say(f"category.{category}") for category in entry.categories),
                until=entry.ends_on,
            )
            for entry in consent.terms.purposes
            if running(consent.terms, entry.purpose, at) is not None
        ),
    )


def _receipts(consents: Sequence[Consent], texts: CardTexts) -> tuple[Receipt, ...]:
    """Return the receipts of what was withdrawn, each number once, newest first."""
    found = {
        consent.withdrawal.receipt: consent.withdrawal
        for consent in consents
        if consent.withdrawal is not None
    }
    newest = sorted(found.values(), key=lambda withdrawal: withdrawal.at, reverse=True)
    return tuple(receipt(withdrawal, texts) for withdrawal in newest)


def receipt(withdrawal: Withdrawal, texts: CardTexts) -> Receipt:
    """Return what a withdrawal means for the person, in these texts."""
    return Receipt(
        number=withdrawal.receipt,
        at=withdrawal.at,
        language=texts.language,
        direction=direction(texts.language),
        title=texts.say("receipt.title"),
        lines=(
            texts.say(f"receipt.{withdrawal.scope}"),
            texts.say("receipt.access_ended"),
            texts.say("receipt.asked_to_delete"),
            texts.say("receipt.course_goes_on"),
        ),
    )
