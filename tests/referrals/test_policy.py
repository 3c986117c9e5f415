"""Who may what: actor, object, operation, and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from directory.actors import ANONYMOUS, SYSTEM, Actor, Role
from directory.problems import NotAllowed, NotFound, NotSignedIn
from referrals import policy
from referrals.policy import ApprovalFacts, BookingFacts, ClientFacts, ReferralFacts
from referrals.vocabulary import BookingState, EventActor

TOWN, OTHER_TOWN = uuid4(), uuid4()
SENDER, RECIPIENT, THIRD = uuid4(), uuid4(), uuid4()


def actor(role: Role, partner: UUID, town: UUID = TOWN) -> Actor:
    return Actor(role=role, member_id=uuid4(), partner_id=partner, municipality_id=town)


RESPONSIBLE = actor(Role.COORDINATOR, SENDER)
DEPUTY = actor(Role.COORDINATOR, SENDER)
COLLEAGUE = actor(Role.COORDINATOR, SENDER)
LEAD = actor(Role.LEAD, SENDER)
LEAD_BESIDE = actor(Role.LEAD, THIRD)
LEAD_ELSEWHERE = actor(Role.LEAD, THIRD, OTHER_TOWN)
STAFF = actor(Role.PARTNER_MEMBER, RECIPIENT)
OUTSIDER = actor(Role.PARTNER_MEMBER, THIRD)
OTHER_MUNICIPALITY = actor(Role.OTHER_MUNICIPALITY, SENDER, OTHER_TOWN)

CLIENT = ClientFacts(partner_id=SENDER, responsible_id=RESPONSIBLE.member_id, deputy_id=DEPUTY.member_id)
UNATTENDED = ClientFacts(partner_id=SENDER)
DRAFT = ReferralFacts(
    sender_partner_id=SENDER,
    recipient_partner_id=RECIPIENT,
    municipality_id=TOWN,
    sender_member_id=RESPONSIBLE.member_id,
    sender_deputy_id=DEPUTY.member_id,
)
SENT = ReferralFacts(
    sender_partner_id=SENDER,
    recipient_partner_id=RECIPIENT,
    municipality_id=TOWN,
    sender_member_id=RESPONSIBLE.member_id,
    sender_deputy_id=DEPUTY.member_id,
    sent=True,
)
ASKED = ReferralFacts(
    sender_partner_id=SENDER,
    recipient_partner_id=RECIPIENT,
    municipality_id=TOWN,
    sent=True,
    approval_open=True,
)
APPROVAL = ApprovalFacts(partner_id=SENDER, municipality_id=TOWN, requested_by=RESPONSIBLE.member_id or TOWN)
APPROVAL_OF_LEAD = ApprovalFacts(partner_id=SENDER, municipality_id=TOWN, requested_by=LEAD.member_id or TOWN)


def as_party(party: EventActor) -> Callable[[Actor, ReferralFacts], None]:
    return lambda who, referral: policy.act_on_referral(who, referral, party)


def booking(state: BookingState) -> BookingFacts:
    return BookingFacts(requester_partner_id=SENDER, recipient_partner_id=RECIPIENT, state=state)


REQUESTED, CONFIRMED = booking(BookingState.REQUESTED), booking(BookingState.CONFIRMED)
S, P, C, L = EventActor.SENDER, EventActor.RECIPIENT, EventActor.PERSON, EventActor.LEAD
YES, NOT_FOUND, SIGN_IN = "yes", "not found", "sign in"

TABLE = [
    # clients
    ("the responsible member sees", policy.see_client, RESPONSIBLE, CLIENT, YES),
    ("a colleague sees", policy.see_client, COLLEAGUE, CLIENT, YES),
    ("another organisation does not know", policy.see_client, STAFF, CLIENT, NOT_FOUND),
    ("a lead of another organisation does not know", policy.see_client, LEAD_BESIDE, CLIENT, NOT_FOUND),
    ("nobody signs in", policy.see_client, ANONYMOUS, CLIENT, SIGN_IN),
    ("other municipalities keep no clients", policy.see_client, OTHER_MUNICIPALITY, CLIENT, "keeps-clients"),
    ("the responsible member changes", policy.change_client, RESPONSIBLE, CLIENT, YES),
    ("the deputy changes", policy.change_client, DEPUTY, CLIENT, YES),
    ("a lead changes", policy.change_client, LEAD, CLIENT, YES),
    ("a colleague does not", policy.change_client, COLLEAGUE, CLIENT, "responsible-or-deputy"),
    ("anybody while nobody is named", policy.change_client, COLLEAGUE, UNATTENDED, YES),
    ("another organisation does not change", policy.change_client, OUTSIDER, CLIENT, NOT_FOUND),
    ("the clock may", policy.change_client, SYSTEM, CLIENT, YES),
    ("a lead excludes", policy.decide_exclusion, LEAD, CLIENT, YES),
    ("nobody else excludes", policy.decide_exclusion, RESPONSIBLE, CLIENT, "lead-only"),
    # drafts
    ("the sender sees a draft", policy.see_referral, COLLEAGUE, DRAFT, YES),
    ("the recipient knows no draft", policy.see_referral, STAFF, DRAFT, NOT_FOUND),
    ("outsiders know no draft", policy.see_referral, OUTSIDER, DRAFT, NOT_FOUND),
    # referrals
    ("the recipient sees what was sent", policy.see_referral, STAFF, SENT, YES),
    ("outsiders do not", policy.see_referral, OUTSIDER, SENT, NOT_FOUND),
    ("nobody", policy.see_referral, ANONYMOUS, SENT, SIGN_IN),
    ("other municipalities do not", policy.see_referral, OTHER_MUNICIPALITY, SENT, NOT_FOUND),
    ("a lead beside does not", policy.see_referral, LEAD_BESIDE, SENT, NOT_FOUND),
    ("but does when four eyes are asked for", policy.see_referral, LEAD_BESIDE, ASKED, YES),
    ("a lead elsewhere never", policy.see_referral, LEAD_ELSEWHERE, ASKED, NOT_FOUND),
    ("the responsible member sends", as_party(S), RESPONSIBLE, SENT, YES),
    ("the deputy sends", as_party(S), DEPUTY, SENT, YES),
    ("a lead sends", as_party(S), LEAD, SENT, YES),
    ("a colleague does not", as_party(S), COLLEAGUE, SENT, "responsible-or-deputy"),
    ("the recipient does not send", as_party(S), STAFF, SENT, "sender-only"),
    ("the sender speaks for the person", as_party(C), RESPONSIBLE, SENT, YES),
    ("the recipient does not", as_party(C), STAFF, SENT, "sender-only"),
    ("the recipient answers", as_party(P), STAFF, SENT, YES),
    ("the sender does not answer", as_party(P), RESPONSIBLE, SENT, "recipient-only"),
    ("outsiders do not answer", as_party(P), OUTSIDER, SENT, NOT_FOUND),
    ("the sender records an answer", policy.record_answer, RESPONSIBLE, SENT, YES),
    ("the recipient records none", policy.record_answer, STAFF, SENT, "sender-only"),
    ("a lead acts as lead when asked", as_party(L), LEAD_BESIDE, ASKED, YES),
    ("a lead who was not asked", as_party(L), LEAD, SENT, "another-lead"),
    ("the clock is no member", as_party(EventActor.CLOCK), RESPONSIBLE, SENT, "clock-only"),
    ("the clock is the clock", as_party(EventActor.CLOCK), SYSTEM, SENT, YES),
    # four eyes
    ("the asking organisation sees", policy.see_approval, COLLEAGUE, APPROVAL, YES),
    ("a lead of the town sees", policy.see_approval, LEAD_BESIDE, APPROVAL, YES),
    ("a lead elsewhere does not", policy.see_approval, LEAD_ELSEWHERE, APPROVAL, NOT_FOUND),
    ("the recipient does not", policy.see_approval, STAFF, APPROVAL, NOT_FOUND),
    ("a lead decides", policy.decide_approval, LEAD, APPROVAL, YES),
    ("a lead beside decides", policy.decide_approval, LEAD_BESIDE, APPROVAL, YES),
    ("who asked does not decide", policy.decide_approval, LEAD, APPROVAL_OF_LEAD, "another-lead"),
    ("a coordinator does not decide", policy.decide_approval, DEPUTY, APPROVAL, "another-lead"),
    ("nobody decides unsigned", policy.decide_approval, ANONYMOUS, APPROVAL, SIGN_IN),
    # bookings
    ("the requester sees", policy.see_booking, RESPONSIBLE, REQUESTED, YES),
    ("the interpreters see", policy.see_booking, STAFF, REQUESTED, YES),
    ("others do not", policy.see_booking, OUTSIDER, REQUESTED, NOT_FOUND),
    ("the interpreters answer", policy.answer_booking, STAFF, REQUESTED, YES),
    ("the requester does not answer", policy.answer_booking, RESPONSIBLE, REQUESTED, "recipient-only"),
    ("the interpreters hand over no name", policy.change_booking, STAFF, CONFIRMED, "requester-only"),
    ("the requester reads the name", policy.see_booked_person, RESPONSIBLE, REQUESTED, YES),
    ("no name before the confirmation", policy.see_booked_person, STAFF, REQUESTED, NOT_FOUND),
    ("the name after it", policy.see_booked_person, STAFF, CONFIRMED, YES),
    (
        "no name when it is over",
        policy.see_booked_person,
        STAFF,
        booking(BookingState.DONE),
        NOT_FOUND,
    ),
]


@pytest.mark.parametrize(("_case", "door", "who", "facts", "verdict"), TABLE)
def test_who_may_what(
    _case: str, door: Callable[[Actor, object], object], who: Actor, facts: object, verdict: str
) -> None:
    try:
        door(who, facts)
    except NotFound:
        assert verdict == NOT_FOUND
    except NotSignedIn:
        assert verdict == SIGN_IN
    except NotAllowed as refused:
        assert verdict == refused.rule
    else:
        assert verdict == YES


def test_every_rule_refuses_somebody_in_the_table() -> None:
    assert set(policy.Rule) == {
        *(verdict for *_, verdict in TABLE if verdict not in {YES, NOT_FOUND, SIGN_IN})
    }
