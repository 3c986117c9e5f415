"""The sender's side of a referral: draft, consent, send, reply, close, contest, cancel, follow up.

Each function is one transaction's work for one actor (DESIGN sections 3.8 and 5). What a move needs is
checked here, how it happens is in ``moving``, which moves there are in ``states``. The recipient's moves are
in ``answering``, what is read in ``inbox``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import exists, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from directory.database import Work
from directory.days import local_day
from directory.models import Municipality, Partner, Service, Topic
from directory.problems import InvalidInput, NotFound
from directory.values import LanguageTag, ShortText, TerritoryKey, TopicCode, Value
from directory.vocabulary import CapacityState, PublicationState, ServiceKind
from referrals.clients import check_members
from referrals.consent.consents import facts_of as consent_facts
from referrals.consent.consents import record_consent, request_consent
from referrals.consent.rules import LARGEST, covers
from referrals.inbox import offers_follow_up, package_place
from referrals.models import Client, Consent, Referral, ReferralPackage
from referrals.moving import (
    Held,
    Moved,
    begin,
    begin_history,
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
from referrals.package import Package, PersonFacts, encoder, facts, package_for
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import DataKey, Place
from referrals.policy import ClientFacts, change_client, must_work_with_people
from referrals.problems import ConsentMissing, DuplicateReferral, Erased, TransitionNotAllowed
from referrals.reporting import moves_shown
from referrals.rule_sets import judge_client
from referrals.states import (
    Move,
    allowed,
    answer_due_on,
    due_after_reply,
)
from referrals.values import ConsentEvidence, ConsentRecord, Contact, Identity, Profile, PurposeTerms
from referrals.vocabulary import (
    OPEN_STATES,
    UNSENT_STATES,
    AnswerSource,
    CapacityReason,
    DataCategory,
    EventActor,
    FeedbackAsked,
    JudgedAt,
    Priority,
    Purpose,
    Reason,
    ReferralState,
)


class DraftGiven(Value, frozen=True, kw_only=True):
    """What a draft is made of. ``language``: BCP 47, the language to speak with the person.

    ``area``: territory key (ARS or a prefix) of where the person lives; without it the sender's municipality.
    """

    client_id: UUID
    service_id: UUID
    topic: TopicCode
    categories: tuple[DataCategory, ...]
    priority: Priority = Priority.NORMAL
    language: LanguageTag | None = None
    area: TerritoryKey | None = None
    file_number: ShortText | None = None


# --- Drafting and sending ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Ends:
    """The two ends of a referral, as they are now."""

    client: Client
    sender: Partner
    sender_ars: str
    service: Service
    recipient: Partner
    topic_known: bool
    open_referral_id: UUID | None
    """The client's open referral to this service; the unique index has the last word."""


_sender, _recipient = aliased(Partner), aliased(Partner)  # once: an alias costs more than the statement


async def _ends(work: Work, client_id: UUID, service_id: UUID, topic: str) -> _Ends:
    """Read client, service and both organisations in one statement; check that one may refer there at all."""
    must_work_with_people(work.actor)
    row = (
        await work.session.execute(
            select(
                Client,
                _sender,
                Municipality.ars,
                Service,
                _recipient,
                exists().where(Topic.code == topic).label("topic_known"),
                select(Referral.id)
                .where(
                    Referral.client_id == client_id,
                    Referral.service_id == service_id,
                    Referral.state.in_(OPEN_STATES),
                )
                .scalar_subquery(),
            )
            .join(_sender, _sender.id == Client.partner_id)
            .join(Municipality, Municipality.id == _sender.municipality_id)
            .outerjoin(Service, Service.id == service_id)
            .outerjoin(_recipient, _recipient.id == Service.partner_id)
            .where(Client.id == client_id)
            # whoever erases the person comes wholly before this or wholly after it
            .with_for_update(read=True, key_share=True, of=Client)
            .execution_options(populate_existing=True)
        )
    ).one_or_none()
    if row is None:
        raise NotFound
    client, from_partner, ars, service, to_partner, topic_known, open_referral_id = row
    change_client(
        work.actor,
        ClientFacts(
            partner_id=client.partner_id, responsible_id=client.responsible_id, deputy_id=client.deputy_id
        ),
    )
    if client.erased_at is not None:
        raise Erased
    # Unknown and unpublished look the same: a draft of somebody else does not exist.
    if (
        service is None
        or service.state is not PublicationState.PUBLISHED
        or to_partner.state is not PublicationState.PUBLISHED
    ):
        raise InvalidInput("serviceId", "not-published")
    if not to_partner.active:
        raise InvalidInput("serviceId", "partner-inactive")
    if to_partner.id == client.partner_id:
        # no data leave the organisation: there is nothing to consent to, and nobody to hear back from
        raise InvalidInput("serviceId", "own-service")
    if service.kind is ServiceKind.SIGNPOSTING_ADVICE:
        raise InvalidInput("serviceId", "signposting-moves-no-data")
    return _Ends(client, from_partner, ars, service, to_partner, topic_known, open_referral_id)


def _chosen(categories: Collection[DataCategory], recipient: Partner) -> tuple[DataCategory, ...]:
    if not categories:
        raise InvalidInput("categories", "required")
    never = [c.value for c in DataCategory if c in categories and c not in LARGEST[recipient.kind]]
    if never:
        raise InvalidInput("categories", "never-for-this-partner", categories=", ".join(never))
    return tuple(category for category in DataCategory if category in categories)


async def draft_referral(work: Work, given: DraftGiven, *, parent_id: UUID | None = None) -> Moved:
    """Begin a referral of an own client to a published service of an active partner (DRAFT).

    Nothing leaves the sender yet. Raises NotFound for a foreign client, InvalidInput for a service to which
    nobody can be referred, DuplicateReferral when the client has an open referral to it.
    """
    ends = await _ends(work, given.client_id, given.service_id, given.topic)
    if not ends.topic_known:
        raise InvalidInput("topic", "unknown-value")
    categories = _chosen(given.categories, ends.recipient)
    if ends.open_referral_id is not None:
        raise DuplicateReferral(ends.open_referral_id)
    client = ends.client
    referral = Referral(
        id=uuid4(),
        municipality_id=ends.sender.municipality_id,
        sender_partner_id=client.partner_id,
        sender_member_id=client.responsible_id or work.actor.member_id,
        sender_deputy_id=client.deputy_id,
        sender_file_number=given.file_number,
        client_id=client.id,
        pseudonym=client.pseudonym,
        service_id=ends.service.id,
        recipient_partner_id=ends.recipient.id,
        topic=given.topic,
        language=_language(given.language, client, categories),
        area=given.area or ends.sender_ars,
        priority=given.priority,
        categories=categories,
        state=ReferralState.DRAFT,
        state_since=work.now,
        parent_id=parent_id,
        created_at=work.now,
        updated_at=work.now,
        version=1,
    )
    work.session.add(referral)
    try:
        await begin_history(work, referral)
    except IntegrityError as error:
        if "referral_one_open" in str(error.orig):
            raise DuplicateReferral from None
        raise
    return Moved(
        id=referral.id,
        state=referral.state,
        version=referral.version,
        allowed=allowed(referral.state, EventActor.SENDER),
    )


def _language(wanted: str | None, client: Client, categories: Collection[DataCategory]) -> str | None:
    """Return the language that the recipient reads before it opens the package; none without consent."""
    if DataCategory.LANGUAGE not in categories:
        return None
    return wanted or next((language for language in client.languages), None)


class DraftChange(Value, frozen=True, kw_only=True):
    """What changes of a draft; None leaves a field as it is."""

    topic: TopicCode | None = None
    categories: tuple[DataCategory, ...] | None = None
    priority: Priority | None = None
    language: LanguageTag | None = None
    area: TerritoryKey | None = None
    file_number: ShortText | None = None


async def change_draft(work: Work, referral_id: UUID, expected_version: int, change: DraftChange) -> Moved:
    """Change a referral that has not been sent; another service is another draft."""
    held = await hold(work, referral_id)
    permit(work, held, EventActor.SENDER)
    check_version(held.referral, expected_version, sender=True)
    referral = held.referral
    if referral.state not in UNSENT_STATES:
        raise TransitionNotAllowed(
            held.shown_state, moves_shown(held.shown_state, held.readable, EventActor.SENDER)
        )
    topic = change.topic or referral.topic
    ends = await _ends(work, referral.client_id, referral.service_id, topic)
    if not ends.topic_known:
        raise InvalidInput("topic", "unknown-value")
    categories = (
        referral.categories if change.categories is None else _chosen(change.categories, ends.recipient)
    )
    referral.topic = topic
    referral.categories = categories
    referral.priority = change.priority or referral.priority
    referral.language = _language(change.language or referral.language, ends.client, categories)
    referral.area = change.area or referral.area
    referral.sender_file_number = change.file_number or referral.sender_file_number
    referral.version += 1
    referral.updated_at = work.now
    work.record("referral.change_draft", "referral", referral.id)
    return Moved(
        id=referral.id,
        state=referral.state,
        version=referral.version,
        allowed=allowed(referral.state, EventActor.SENDER),
    )


async def await_consent(
    work: Work, referral_id: UUID, expected_version: int, consent_id: UUID | None = None
) -> Moved:
    """DRAFT to AWAITING_CONSENT; ``consent_id``: the record that was put before the person."""
    held = await begin(work, referral_id, expected_version, Move.AWAIT_CONSENT, EventActor.SENDER)
    if consent_id is not None:
        consent = await work.session.get(Consent, consent_id)
        if consent is None or consent.client_id != held.referral.client_id:
            raise NotFound
    changes = {} if consent_id is None else {"consent_id": consent_id}
    return await make(work, held, Move.AWAIT_CONSENT, EventActor.SENDER, changes)


async def send(
    work: Work,
    keys: KeyStore,
    referral_id: UUID,
    expected_version: int,
    *,
    consent_id: UUID | None = None,
    capacity_reason: CapacityReason | None = None,
) -> Moved:
    """DRAFT, AWAITING_CONSENT to SENT: seal and store the package with exactly the consented categories.

    ``consent_id``: the consent it rests on (default: the one that was asked for). ``capacity_reason`` is
    needed when the service has no places. Raises ConsentMissing with the codes of ``consent.covers``, or
    NEW_CONSENT for a follow-up that rests on its parent's consent.
    """
    consent = await _lock_consent(work, referral_id, consent_id)
    held = await begin(work, referral_id, expected_version, Move.SEND, EventActor.SENDER)
    return await _send(work, keys, held, consent, capacity_reason)


async def _lock_consent(work: Work, referral_id: UUID, consent_id: UUID | None) -> Consent | None:
    """Lock the consent before the referral, as a withdrawal does: so either comes wholly before the other."""
    rests_on = select(Referral.consent_id).where(Referral.id == referral_id).scalar_subquery()
    return (
        await work.session.execute(
            select(Consent)
            .where(Consent.id == (rests_on if consent_id is None else consent_id))
            .with_for_update(read=True)
            .execution_options(populate_existing=True)
        )
    ).scalar_one_or_none()


async def _send(
    work: Work,
    keys: KeyStore,
    held: Held,
    consent: Consent | None,
    capacity_reason: CapacityReason | None,
) -> Moved:
    referral = held.referral
    ends = await _ends(work, referral.client_id, referral.service_id, referral.topic)
    categories = _chosen(referral.categories, ends.recipient)
    if consent is not None and consent.client_id != referral.client_id:
        raise NotFound
    missing = set(
        covers(
            consent_facts(consent) if consent else None,
            recipient=referral.recipient_partner_id,
            purpose=Purpose.REFERRAL,
            categories=categories,
            at=work.now,
        )
    )
    if missing or consent is None:
        raise ConsentMissing(missing or {"CONSENT"})
    if referral.parent_id is not None:
        parents = select(Referral.consent_id).where(Referral.id == referral.parent_id)
        if (await work.session.execute(parents)).scalar() == consent.id:
            raise ConsentMissing({"NEW_CONSENT"})
    today = local_day(work.now)
    if _capacity_state(ends.service, today) is CapacityState.NONE and capacity_reason is None:
        raise InvalidInput("capacityReason", "required")
    key = await keys.of(referral.client_id)
    package = package_for(facts_of_client(key, ends.client), categories)
    await judge_client(work, ends.client, ends.sender.municipality_id, JudgedAt.SENDING)
    work.session.add(
        ReferralPackage(
            referral_id=referral.id,
            client_id=referral.client_id,
            consent_id=consent.id,
            categories=categories,
            sealed=key.seal(encoder.encode(package), package_place(referral.id)),
            made_at=work.now,
        )
    )
    return await make(
        work,
        held,
        Move.SEND,
        EventActor.SENDER,
        {
            "consent_id": consent.id,
            "capacity_reason": capacity_reason,
            "sent_at": work.now,
            "answer_due_at": end_of(answer_due_on(today, referral.priority)),
        },
        facts={"consent": str(consent.id), "categories": " ".join(categories)},
    )


def _capacity_state(service: Service, today: date) -> CapacityState:
    """Return what the service says of its places; after its end that counts as UNKNOWN."""
    capacity = service.capacity
    if capacity.expires_on is not None and capacity.expires_on < today:
        return CapacityState.UNKNOWN
    return capacity.state


def facts_of_client(key: DataKey, client: Client) -> PersonFacts:
    """Open what is sealed about a client and lay it out as the categories share it."""

    def place(column: str) -> Place:
        return Place("client", column, client.id)

    return facts(
        identity=key.open_value(client.sealed_identity, Identity, place("sealed_identity"))
        if client.sealed_identity
        else None,
        contact=key.open_value(client.sealed_contact, Contact, place("sealed_contact"))
        if client.sealed_contact
        else None,
        profile=key.open_value(client.sealed_profile, Profile, place("sealed_profile"))
        if client.sealed_profile
        else None,
        languages=client.languages,
        residence_status=client.residence_status,
        legal_circle=client.legal_circle,
        status_valid_until=client.status_valid_until,
        needs=client.needs,
    )


async def preview(
    work: Work, keys: KeyStore, client_id: UUID, service_id: UUID, categories: Collection[DataCategory]
) -> Package:
    """Return the package that these categories would make, to show the person before they decide."""
    must_work_with_people(work.actor)
    ends = await _ends(work, client_id, service_id, "")
    chosen = _chosen(categories, ends.recipient)
    key = await keys.of(client_id)
    work.record("package.preview", "client", client_id)
    return package_for(facts_of_client(key, ends.client), chosen)


class ConsentGiven(Value, frozen=True, kw_only=True):
    """A consent that the person gave on the spot, as it is recorded with the referral.

    REFERRAL with the referral's categories is always part of it; ``purposes`` are those granted beside it
    (REPORT_BACK with its depth, FEEDBACK …). ``released``: from professional secrecy too (§ 203 StGB).
    """

    record: ConsentRecord
    purposes: tuple[PurposeTerms, ...] = ()
    released: bool = True
    evidence: ConsentEvidence | None = None
    valid_until: date | None = None


async def refer(
    work: Work,
    keys: KeyStore,
    given: DraftGiven,
    consent: ConsentGiven,
    *,
    capacity_reason: CapacityReason | None = None,
    parent_id: UUID | None = None,
) -> Moved:
    """Draft, record the consent, send: one operation, one transaction (SENT, or nothing has happened)."""
    drafted = await draft_referral(work, given, parent_id=parent_id)
    referral = await work.session.get_one(Referral, drafted.id)
    others = tuple(entry for entry in consent.purposes if entry.purpose is not Purpose.REFERRAL)
    asked = PurposeTerms(purpose=Purpose.REFERRAL, categories=referral.categories)
    consent_id = await request_consent(
        work,
        client_id=referral.client_id,
        recipients=[referral.recipient_partner_id],
        purposes=[asked, *others],
    )
    await record_consent(
        work,
        keys,
        consent_id=consent_id,
        expected_version=1,
        granted=[Purpose.REFERRAL, *(entry.purpose for entry in others)],
        record=consent.record,
        released=consent.released,
        evidence=consent.evidence,
        valid_until=consent.valid_until,
    )
    return await send(
        work,
        keys,
        referral.id,
        drafted.version,
        consent_id=consent_id,
        capacity_reason=capacity_reason,
    )


LONGEST_CHAIN: Final = 10
"""Referrals that may follow one another."""


class FollowUp(Value, frozen=True, kw_only=True):
    """Where a follow-up goes; what is None is taken from the referral that came before.

    Without ``service_id`` it goes to the better service that the recipient named when it declined.
    """

    service_id: UUID | None = None
    topic: TopicCode | None = None
    categories: tuple[DataCategory, ...] | None = None
    priority: Priority | None = None


async def follow_up(work: Work, referral_id: UUID, given: FollowUp) -> Moved:
    """Draft a referral to the next service after DECLINED, EXPIRED, or CLOSED with the need not met.

    It is linked to its parent and needs a new consent for the new recipient, who never learns that there was
    another referral before. Raises TransitionNotAllowed, InvalidInput when the chain comes back to a service
    or grows too long, DuplicateReferral.
    """
    parent, draft = await _next_draft(work, referral_id, given)
    return await draft_referral(work, draft, parent_id=parent)


async def refer_on(
    work: Work,
    keys: KeyStore,
    referral_id: UUID,
    given: FollowUp,
    consent: ConsentGiven,
    *,
    capacity_reason: CapacityReason | None = None,
) -> Moved:
    """Follow a referral up and send it, with the person's new consent, in one operation."""
    parent, draft = await _next_draft(work, referral_id, given)
    return await refer(work, keys, draft, consent, capacity_reason=capacity_reason, parent_id=parent)


async def _next_draft(work: Work, referral_id: UUID, given: FollowUp) -> tuple[UUID, DraftGiven]:
    held = await hold(work, referral_id)
    permit(work, held, EventActor.SENDER)
    parent = held.referral
    # An outcome that the sender may not read must not show in what the sender may do.
    course = held.shown
    if not offers_follow_up(course):
        raise TransitionNotAllowed(course.state, moves_shown(course.state, held.readable, EventActor.SENDER))
    service_id = given.service_id or parent.better_service_id
    if service_id is None:
        raise InvalidInput("serviceId", "required")
    before = await chain_before(work.session, parent.id)
    if len(before) >= LONGEST_CHAIN:
        raise InvalidInput("id", "chain-too-long", maximum=str(LONGEST_CHAIN))
    if service_id in {service for _, service in before} and service_id != parent.service_id:
        raise InvalidInput("serviceId", "in-the-chain")
    if service_id == parent.service_id and parent.state is not ReferralState.EXPIRED:
        # asking the same service once more makes sense only where nobody answered
        raise InvalidInput("serviceId", "same-service")
    if given.categories is None:
        recipient = aliased(Partner)
        kind = (
            await work.session.execute(
                select(recipient.kind)
                .join(Service, Service.partner_id == recipient.id)
                .where(Service.id == service_id)
            )
        ).scalar()
        largest = LARGEST[kind] if kind is not None else frozenset()
        categories = tuple(category for category in parent.categories if category in largest)
    else:
        categories = given.categories
    return parent.id, DraftGiven(
        client_id=parent.client_id,
        service_id=service_id,
        topic=given.topic or parent.topic,
        categories=categories,
        priority=given.priority or parent.priority,
        language=parent.language,
        area=parent.area,
        file_number=parent.sender_file_number,
    )


async def chain_before(session: AsyncSession, referral_id: UUID) -> list[tuple[UUID, UUID]]:
    """Return a referral and what came before it, latest first, as (referral, service); the sender's own."""
    link = (
        select(Referral.id, Referral.service_id, Referral.parent_id, literal(1).label("depth"))
        .where(Referral.id == referral_id)
        .cte("link", recursive=True)
    )
    former = aliased(Referral)
    link = link.union_all(
        select(former.id, former.service_id, former.parent_id, link.c.depth + 1).where(
            former.id == link.c.parent_id, link.c.depth < 5 * LONGEST_CHAIN
        )
    )
    rows = await session.execute(select(link.c.id, link.c.service_id).order_by(link.c.depth))
    return [(row[0], row[1]) for row in rows]


# --- The sender's moves ------------------------------------------------------------------------------------


async def reply(
    work: Work,
    keys: KeyStore,
    referral_id: UUID,
    expected_version: int,
    answer: str,
    *,
    adds: Collection[DataCategory] = (),
    consent_id: UUID | None = None,
) -> Moved:
    """INFO_REQUESTED to ACKNOWLEDGED: the sender answers; the recipient's clock goes on where it stood.

    ``adds``: data categories that the answer adds to the package, as the client's file has them now. They
    need the person's consent as much as those that were sent: raises ConsentMissing when the consent
    (``consent_id``, else the one that the referral rests on) does not cover them.
    """
    consent = await _lock_consent(work, referral_id, consent_id)
    held = await begin(work, referral_id, expected_version, Move.REPLY, EventActor.SENDER)
    note = checked_text(answer, "answer")
    key = await keys.of(held.referral.client_id)
    changes = clock_goes_on(work, held)
    facts: dict[str, str] = {}
    if adds:
        added = await _add_to_package(work, key, held, consent, adds)
        changes |= added
        facts = {"added": " ".join(category for category in DataCategory if category in adds)}
    return await make(work, held, Move.REPLY, EventActor.SENDER, changes, facts=facts, note=(key, note))


async def _add_to_package(
    work: Work, key: DataKey, held: Held, consent: Consent | None, adds: Collection[DataCategory]
) -> dict[str, object]:
    """Seal the package anew with more categories; return the referral's changes."""
    referral = held.referral
    client = await work.session.get_one(Client, referral.client_id, populate_existing=True)
    if client.erased_at is not None:
        raise Erased
    recipient = await work.session.get_one(Partner, referral.recipient_partner_id)
    categories = _chosen({*referral.categories, *adds}, recipient)
    if consent is not None and consent.client_id != referral.client_id:
        raise NotFound
    missing = covers(
        consent_facts(consent) if consent else None,
        recipient=referral.recipient_partner_id,
        purpose=Purpose.REFERRAL,
        categories=categories,
        at=work.now,
    )
    if missing or consent is None:
        raise ConsentMissing(missing or {"CONSENT"})
    package = package_for(facts_of_client(key, client), categories)
    await work.session.execute(
        update(ReferralPackage)
        .where(ReferralPackage.referral_id == referral.id)
        .values(
            consent_id=consent.id,
            categories=categories,
            sealed=key.seal(encoder.encode(package), package_place(referral.id)),
            made_at=work.now,
        )
    )
    return {"categories": categories, "consent_id": consent.id}


def clock_goes_on(work: Work, held: Held) -> dict[str, object]:
    """Return the changes with which the recipient's clock goes on after a question."""
    due, stopped = held.referral.answer_due_at, held.referral.clock_stopped_at
    changes: dict[str, object] = {"clock_stopped_at": None, "question_due_at": None}
    if due is not None and stopped is not None:
        moved_on = due_after_reply(local_day(due), local_day(stopped), local_day(work.now))
        changes["answer_due_at"] = end_of(moved_on)
    return changes


async def close(work: Work, referral_id: UUID, expected_version: int, feedback_asked: FeedbackAsked) -> Moved:
    """OUTCOME_REPORTED to CLOSED: the person was asked how it went (answered, declined or unreachable)."""
    held = await begin(work, referral_id, expected_version, Move.CLOSE, EventActor.SENDER)
    return await make(
        work,
        held,
        Move.CLOSE,
        EventActor.SENDER,
        {"feedback_asked": feedback_asked, "closed_at": work.now, "unconfirmed": False},
        facts={"feedbackAsked": feedback_asked.value},
    )


async def contest(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    reason: Reason,
    *,
    told_by_person: AnswerSource | None = None,
) -> Moved:
    """OUTCOME_REPORTED to IN_PROGRESS: sender or person do not agree with the outcome.

    ``told_by_person``: the person said so, on this way, and the sender records it.
    """
    held, party = await _begin_for(work, referral_id, expected_version, Move.CONTEST, told_by_person)
    changes = {
        "outcome": None,
        "outcome_on": None,
        "outcome_reason": None,
        "disputed": True,
        "last_sign_of_life": local_day(work.now),
    }
    return await make(work, held, Move.CONTEST, party, changes, reason=reason.value, source=told_by_person)


async def cancel(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    reason: Reason,
    *,
    told_by_person: AnswerSource | None = None,
) -> Moved:
    """Take a sent referral back; a taken place is given back, and the recipient reads the reason."""
    held, party = await _begin_for(work, referral_id, expected_version, Move.CANCEL, told_by_person)
    return await make(
        work,
        held,
        Move.CANCEL,
        party,
        {"reason": reason, "answer_due_at": None, "clock_stopped_at": None, "question_due_at": None},
        reason=reason.value,
        source=told_by_person,
    )


async def abandon(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    reason: Reason,
    *,
    told_by_person: AnswerSource | None = None,
) -> Moved:
    """DRAFT, AWAITING_CONSENT to ABANDONED: nothing was sent, nothing will be."""
    held, party = await _begin_for(work, referral_id, expected_version, Move.ABANDON, told_by_person)
    return await make(
        work, held, Move.ABANDON, party, {"reason": reason}, reason=reason.value, source=told_by_person
    )


async def correct(work: Work, referral_id: UUID, expected_version: int, reason: Reason) -> Moved:
    """DRAFT, AWAITING_CONSENT to ENTERED_IN_ERROR; what was sent takes four eyes (``approvals``)."""
    held = await begin(work, referral_id, expected_version, Move.CORRECT, EventActor.SENDER)
    changes = {**ERASED, "reason": reason}
    return await make(work, held, Move.CORRECT, EventActor.SENDER, changes, reason=reason.value)


ERASED: Final[dict[str, object]] = {
    "language": None,
    "area": None,
    "sender_file_number": None,
    "recipient_contact": None,
    "recipient_file_number": None,
    "expected_week": None,
    "first_contact_on": None,
    "first_contact_made_on": None,
    "expected_end": None,
    "resume_on": None,
    "answer_due_at": None,
    "clock_stopped_at": None,
    "question_due_at": None,
    "appointment_at": None,
    "outcome": None,
    "outcome_on": None,
    "outcome_reason": None,
    "categories": (),
}
"""What a referral that was entered in error keeps nothing of; its events stay."""


async def _begin_for(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    move: Move,
    told_by_person: AnswerSource | None,
) -> tuple[Held, EventActor]:
    party = EventActor.SENDER if told_by_person is None else EventActor.PERSON
    if told_by_person in {AnswerSource.MEMBER, AnswerSource.SYSTEM}:
        raise InvalidInput("toldByPerson", "unknown-value")
    return await begin(work, referral_id, expected_version, move, party), party


# --- Beside the state --------------------------------------------------------------------------------------


def _own_side(work: Work, held: Held) -> EventActor:
    """Return on which side the actor stands; who stands on none is refused as on the recipient's."""
    sends = work.actor.partner_id == held.referral.sender_partner_id
    return EventActor.SENDER if sends else EventActor.RECIPIENT


async def set_file_number(
    work: Work, referral_id: UUID, expected_version: int, file_number: ShortText | None
) -> Moved:
    """Set the own side's sign for the referral (Aktenzeichen); None removes it. The other side reads it."""
    party = _own_side(work, await hold(work, referral_id))
    held = await begin_note(work, referral_id, expected_version, Noted.FILE_NUMBER_SET, party)
    column = "sender_file_number" if party is EventActor.SENDER else "recipient_file_number"
    return await note_down(work, held, Noted.FILE_NUMBER_SET, party, {column: file_number})


async def reassign(
    work: Work,
    referral_id: UUID,
    expected_version: int,
    *,
    responsible_id: UUID,
    deputy_id: UUID | None = None,
) -> Moved:
    """Name who looks after the referral on the own side; on the recipient's side there is no deputy.

    Raises InvalidInput for somebody who is no active member of the own organisation.
    """
    party = _own_side(work, await hold(work, referral_id))
    held = await begin_note(work, referral_id, expected_version, Noted.REASSIGNED, party)
    sends = party is EventActor.SENDER
    if not sends and deputy_id is not None:
        raise InvalidInput("deputyId", "not-for-recipients")
    await check_members(
        work.session,
        held.referral.sender_partner_id if sends else held.referral.recipient_partner_id,
        {"responsibleId": responsible_id, "deputyId": deputy_id},
    )
    changes: dict[str, object] = {"recipient_member_id": responsible_id}
    if sends:
        changes = {"sender_member_id": responsible_id, "sender_deputy_id": deputy_id}
    return await note_down(work, held, Noted.REASSIGNED, party, changes)
