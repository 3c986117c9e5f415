"""Who may do what with clients, consents, referrals, bookings and approvals.

Pure: an actor and the few facts of an object that decide. Each door returns or raises: ``NotSignedIn``
for nobody, ``NotFound`` for what this actor may not know of, ``NotAllowed(rule)`` for what they
see but may not do this with. Row-level security says the same once more in the database.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import msgspec

from directory.actors import Actor, Role
from directory.problems import NotAllowed, NotFound, NotSignedIn
from referrals.vocabulary import BookingState, EventActor


class Rule(StrEnum):
    """The rules that a refusal can name."""

    KEEPS_CLIENTS = "keeps-clients"
    RESPONSIBLE_OR_DEPUTY = "responsible-or-deputy"
    LEAD_ONLY = "lead-only"
    SENDER_ONLY = "sender-only"
    RECIPIENT_ONLY = "recipient-only"
    CLOCK_ONLY = "clock-only"
    REQUESTER_ONLY = "requester-only"
    ANOTHER_LEAD = "another-lead"


class ClientFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What decides about a client: whose client it is, and who looks after them."""

    partner_id: UUID
    responsible_id: UUID | None = None
    deputy_id: UUID | None = None


class ReferralFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What decides about a referral; ``sent``: it has left the sender, so the recipient knows of it."""

    id: UUID | None = None
    client_id: UUID | None = None
    sender_partner_id: UUID
    recipient_partner_id: UUID
    municipality_id: UUID
    sender_member_id: UUID | None = None
    sender_deputy_id: UUID | None = None
    sent: bool = False
    approval_open: bool = False


class BookingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What decides about an interpreter booking."""

    requester_partner_id: UUID
    recipient_partner_id: UUID
    state: BookingState


class ApprovalFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What decides about a request for four eyes."""

    partner_id: UUID
    municipality_id: UUID
    requested_by: UUID


def must_work_with_people(actor: Actor) -> None:
    """Let members of a coordination or a partner pass: who may keep clients, refer and book at all."""
    if actor.role is Role.ANONYMOUS:
        raise NotSignedIn
    if (
        actor.role not in {Role.COORDINATOR, Role.LEAD, Role.PARTNER_MEMBER}
        or actor.member_id is None
        or actor.partner_id is None
    ):
        raise NotAllowed(Rule.KEEPS_CLIENTS)


def _of(actor: Actor, partner_id: UUID) -> bool:
    return actor.signed_in and actor.partner_id == partner_id


def _looks_after(actor: Actor, responsible_id: UUID | None, deputy_id: UUID | None) -> bool:
    """Whether a colleague may act here: responsible, deputy, a LEAD, or anybody while nobody is named."""
    return actor.role is Role.LEAD or responsible_id is None or actor.member_id in {responsible_id, deputy_id}


# --- Clients and consents -------------------------------------------------------------------------------


def see_client(actor: Actor, client: ClientFacts) -> None:
    """Let the client's own organisation pass; for everybody else the client does not exist."""
    if actor.role is Role.SYSTEM:
        return
    must_work_with_people(actor)
    if not _of(actor, client.partner_id):
        raise NotFound


def change_client(actor: Actor, client: ClientFacts) -> None:
    """Let who looks after the client pass (responsible, deputy, LEAD); consents count as changes."""
    see_client(actor, client)
    if actor.role is not Role.SYSTEM and not _looks_after(actor, client.responsible_id, client.deputy_id):
        raise NotAllowed(Rule.RESPONSIBLE_OR_DEPUTY)


def decide_exclusion(actor: Actor, client: ClientFacts) -> None:
    """Let a LEAD of the client's own organisation pass (GDPR Art. 10: nobody else knows of exclusions)."""
    see_client(actor, client)
    if actor.role is not Role.LEAD:
        raise NotAllowed(Rule.LEAD_ONLY)


# --- Referrals ------------------------------------------------------------------------------------------


def parties(actor: Actor, referral: ReferralFacts) -> frozenset[EventActor]:
    """Return as whom this actor knows the referral; empty: for them it does not exist."""
    if actor.role is Role.SYSTEM:
        return frozenset({EventActor.CLOCK, EventActor.CONSENT})
    if _presents(actor, referral):
        return frozenset({EventActor.RECIPIENT})
    if _is_about(actor, referral):
        return frozenset({EventActor.PERSON})
    if actor.role not in {Role.COORDINATOR, Role.LEAD, Role.PARTNER_MEMBER} or not actor.signed_in:
        return frozenset()
    known = set()
    if _of(actor, referral.sender_partner_id):
        known.add(EventActor.SENDER)
    if referral.sent and _of(actor, referral.recipient_partner_id):
        known.add(EventActor.RECIPIENT)
    if (
        referral.approval_open
        and actor.role is Role.LEAD
        and actor.municipality_id == referral.municipality_id
    ):
        known.add(EventActor.LEAD)
    return frozenset(known)


def _presents(actor: Actor, referral: ReferralFacts) -> bool:
    """Whether the actor holds the answer link of this referral: then they speak for its recipient."""
    return (
        actor.presents is not None
        and actor.role is Role.ANONYMOUS
        and referral.sent
        and actor.presents == referral.id
        and actor.partner_id == referral.recipient_partner_id
    )


def _is_about(actor: Actor, referral: ReferralFacts) -> bool:
    """Whether the actor presents the card of this person at its sender: then they speak for themselves."""
    return (
        actor.person is not None
        and actor.role is Role.ANONYMOUS
        and actor.person == referral.client_id
        and actor.partner_id == referral.sender_partner_id
    )


def see_referral(actor: Actor, referral: ReferralFacts) -> frozenset[EventActor]:
    """Return as whom the actor sees the referral; raises NotFound if they do not."""
    if actor.role is Role.ANONYMOUS and actor.presents is None and actor.person is None:
        raise NotSignedIn
    known = parties(actor, referral)
    if not known:
        raise NotFound
    return known


_ONLY = {
    EventActor.SENDER: Rule.SENDER_ONLY,
    EventActor.PERSON: Rule.SENDER_ONLY,
    EventActor.RECIPIENT: Rule.RECIPIENT_ONLY,
    EventActor.LEAD: Rule.ANOTHER_LEAD,
    EventActor.CLOCK: Rule.CLOCK_ONLY,
    EventActor.CONSENT: Rule.CLOCK_ONLY,
}


def act_on_referral(actor: Actor, referral: ReferralFacts, party: EventActor) -> None:
    """Let the actor act as ``party``; the person's own moves are made with their card, or by the sender.

    On the sender's side who looks after the person acts: responsible, deputy, or a LEAD.
    """
    known = see_referral(actor, referral)
    if party is EventActor.PERSON and party in known:
        return
    asked = EventActor.SENDER if party is EventActor.PERSON else party
    if asked not in known:
        raise NotAllowed(_ONLY[party])
    if asked is EventActor.SENDER and not _looks_after(
        actor, referral.sender_member_id, referral.sender_deputy_id
    ):
        raise NotAllowed(Rule.RESPONSIBLE_OR_DEPUTY)


def record_answer(actor: Actor, referral: ReferralFacts) -> None:
    """Let the sender record what the recipient said by phone, by mail or in person."""
    act_on_referral(actor, referral, EventActor.SENDER)


# --- Four eyes ------------------------------------------------------------------------------------------


def see_approval(actor: Actor, approval: ApprovalFacts) -> None:
    """Let the asking organisation and the LEADs of its municipality pass."""
    if actor.role is Role.ANONYMOUS:
        raise NotSignedIn
    if _of(actor, approval.partner_id):
        return
    if actor.role is Role.LEAD and actor.municipality_id == approval.municipality_id:
        return
    raise NotFound


def decide_approval(actor: Actor, approval: ApprovalFacts) -> None:
    """Let a LEAD of the sending municipality pass who is not the one who asked."""
    see_approval(actor, approval)
    if (
        actor.role is not Role.LEAD
        or actor.municipality_id != approval.municipality_id
        or actor.member_id == approval.requested_by
    ):
        raise NotAllowed(Rule.ANOTHER_LEAD)


# --- Bookings -------------------------------------------------------------------------------------------


def see_booking(actor: Actor, booking: BookingFacts) -> None:
    """Let both sides of a booking pass."""
    if actor.role is Role.ANONYMOUS:
        raise NotSignedIn
    if not (_of(actor, booking.requester_partner_id) or _of(actor, booking.recipient_partner_id)):
        raise NotFound


def answer_booking(actor: Actor, booking: BookingFacts) -> None:
    """Let the interpreter's organisation pass: it confirms, declines, reports."""
    see_booking(actor, booking)
    if not _of(actor, booking.recipient_partner_id):
        raise NotAllowed(Rule.RECIPIENT_ONLY)


def change_booking(actor: Actor, booking: BookingFacts) -> None:
    """Let the requester pass: it cancels."""
    see_booking(actor, booking)
    if not _of(actor, booking.requester_partner_id):
        raise NotAllowed(Rule.REQUESTER_ONLY)


def see_booked_person(actor: Actor, booking: BookingFacts) -> None:
    """Let the requester pass, and the interpreter's organisation once it has confirmed."""
    see_booking(actor, booking)
    if _of(actor, booking.requester_partner_id):
        return
    if booking.state is not BookingState.CONFIRMED:
        raise NotFound
