"""Consent records: asking, recording what the person decided, withdrawing, expiring, superseding.

The rules are in ``rules``; here they meet the tables. Withdrawal and expiry end, in the same
transaction, every open referral that rests on the consent: this is the only place that does so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Select, exists, func, insert, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor, Role
from directory.catalogue import give_back_place
from directory.database import Work, seen
from directory.days import ZONE, local_day
from directory.models import Partner, Service
from directory.problems import InvalidInput, NotFound, StaleVersion
from directory.vocabulary import PublicationState
from referrals import notices, policy
from referrals.consent import notice as words
from referrals.consent.rules import (
    ConsentFacts,
    covers,
    decided,
    flaws,
    in_force,
    longest_end,
    reduced,
    section_87_applies,
    terms_of,
)
from referrals.models import Client, Consent, ConsentPart, Referral, ReferralEvent
from referrals.person.follow_ups import cancel_uncovered
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import Place
from referrals.problems import ConsentNotOpen
from referrals.states import Move
from referrals.troubles import Due, Task
from referrals.values import (
    ConsentEvidence,
    ConsentRecord,
    ConsentTerms,
    Identity,
    Party,
    PurposeTerms,
    Withdrawal,
)
from referrals.vocabulary import (
    OPEN_STATES,
    OPENED_STATES,
    AnswerSource,
    Channel,
    ConsentMedium,
    ConsentState,
    ConsentWarning,
    EventActor,
    GivenBy,
    Purpose,
    Reason,
    ReferralState,
    WithdrawalScope,
)

RENEWAL_DAYS: Final = 30
"""So many days before its end a renewal is offered."""

REVOCATION_ANSWER_DAYS: Final = 14
"""So many days a recipient has to say what it did with the data after the consent ended."""

CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""How far ahead of ours the clock of whoever records a consent may be."""


class ConsentView(msgspec.Struct, frozen=True, kw_only=True):
    """A consent record as it is read; ``state`` is judged at reading: EXPIRED as soon as it has ended.

    ``evidence_kept`` says whether there is sealed evidence (``open_evidence``). A recipient sees its own
    part of the terms only.
    """

    id: UUID
    client_id: UUID
    partner_id: UUID
    subject: str
    state: ConsentState
    terms: ConsentTerms
    record: ConsentRecord | None
    evidence_kept: bool
    decided_at: datetime | None
    recorded_by: UUID | None
    valid_from: datetime | None
    valid_until: datetime | None
    renewal_from: datetime | None
    renewal_offered_at: datetime | None
    withdrawal: Withdrawal | None
    supersedes_id: UUID | None
    superseded_by_id: UUID | None
    receipt: UUID | None
    version: int
    created_at: datetime


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """What a withdrawal did: its receipt, the record that remains (partial only), the referrals it ended."""

    receipt: UUID
    remaining_consent_id: UUID | None
    ended_referrals: tuple[UUID, ...]


def facts_of(consent: Consent | ConsentPart) -> ConsentFacts:
    """Return what of a stored record, or of a recipient's part of it, decides about coverage."""
    return ConsentFacts(
        state=consent.state,
        terms=consent.terms,
        record=consent.record,
        valid_from=consent.valid_from,
        valid_until=consent.valid_until,
    )


def _state_at(consent: Consent | ConsentPart, at: datetime) -> ConsentState:
    ended = consent.valid_until is not None and at >= consent.valid_until
    return ConsentState.EXPIRED if consent.state is ConsentState.GIVEN and ended else consent.state


def view_of(consent: Consent, at: datetime) -> ConsentView:
    """Return the record as its controller sees it at this moment."""
    return ConsentView(
        id=consent.id,
        client_id=consent.client_id,
        partner_id=consent.partner_id,
        subject=consent.subject,
        state=_state_at(consent, at),
        terms=consent.terms,
        record=consent.record,
        evidence_kept=consent.sealed_evidence is not None,
        decided_at=consent.decided_at,
        recorded_by=consent.recorded_by,
        valid_from=consent.valid_from,
        valid_until=consent.valid_until,
        renewal_from=consent.valid_until - timedelta(days=RENEWAL_DAYS) if consent.valid_until else None,
        renewal_offered_at=consent.renewal_offered_at,
        withdrawal=consent.withdrawal,
        supersedes_id=consent.supersedes_id,
        superseded_by_id=consent.superseded_by_id,
        receipt=consent.receipt,
        version=consent.version,
        created_at=consent.created_at,
    )


def view_of_part(part: ConsentPart, at: datetime) -> ConsentView:
    """Return the record as its recipient sees it at this moment: its own part."""
    return ConsentView(
        id=part.consent_id,
        client_id=part.client_id,
        partner_id=part.partner_id,
        subject=part.subject,
        state=_state_at(part, at),
        terms=part.terms,
        record=part.record,
        evidence_kept=False,
        decided_at=part.decided_at,
        recorded_by=None,
        valid_from=part.valid_from,
        valid_until=part.valid_until,
        renewal_from=part.valid_until - timedelta(days=RENEWAL_DAYS) if part.valid_until else None,
        renewal_offered_at=None,
        withdrawal=None,
        supersedes_id=None,
        superseded_by_id=None,
        receipt=None,
        version=part.version,
        created_at=part.created_at,
    )


def party_of(partner: Partner) -> Party:
    """Return an organisation as it stands in a consent."""
    return Party(
        partner_id=partner.id,
        name=partner.name,
        kind=partner.kind,
        law=partner.data_protection_law,
        contact=partner.contact_points[0].value if partner.contact_points else partner.website,
        professional_secrecy=partner.professional_secrecy,
        public_body=partner.public_body,
        school=partner.school,
    )


async def _client(work: Work, client_id: UUID) -> Client:
    client = await work.session.get(Client, client_id)
    if client is None:
        raise NotFound
    policy.change_client(
        work.actor,
        policy.ClientFacts(
            partner_id=client.partner_id, responsible_id=client.responsible_id, deputy_id=client.deputy_id
        ),
    )
    return client


async def _own(work: Work, consent_id: UUID, expected_version: int | None) -> Consent:
    policy.must_work_with_people(work.actor)
    consent = await work.session.get(Consent, consent_id, with_for_update=True, populate_existing=True)
    if consent is None or consent.partner_id != work.actor.partner_id:
        raise NotFound
    await _client(work, consent.client_id)
    if expected_version is not None and consent.version != expected_version:
        raise StaleVersion(consent.version)
    return consent


async def terms_between(
    session: AsyncSession,
    controller_id: UUID,
    recipients: Sequence[UUID],
    purposes: Sequence[PurposeTerms],
    *,
    known: Collection[UUID] = (),
) -> ConsentTerms:
    """Return the terms for these organisations as they are today; refuse terms that have a flaw.

    ``known``: may be named although they are not published (any more). Whoever else is not, does not exist:
    the terms would tell its name.
    """
    rows = await session.scalars(select(Partner).where(Partner.id.in_({controller_id, *recipients})))
    partners = {partner.id: partner for partner in rows}
    for number, recipient in enumerate(recipients):
        partner = partners.get(recipient)
        if (
            partner is None
            or not partner.active
            or (partner.state is not PublicationState.PUBLISHED and recipient not in known)
        ):
            raise InvalidInput(f"recipients.{number}", "unknown-value")
    terms = terms_of(
        party_of(partners[controller_id]),
        [party_of(partners[recipient]) for recipient in recipients],
        purposes,
    )
    for field, reason in flaws(terms):
        raise InvalidInput(field, reason)
    return terms


async def request_consent(
    work: Work,
    *,
    client_id: UUID,
    recipients: Sequence[UUID],
    purposes: Sequence[PurposeTerms],
    supersedes_id: UUID | None = None,
) -> UUID:
    """Put a consent before a person of the own organisation; nothing is shared by this.

    ``supersedes_id``: a record in force of the same person that this one replaces once it is given.
    Raises NotFound (client), InvalidInput (terms), ConsentNotOpen (the one to supersede is over).
    """
    policy.must_work_with_people(work.actor)
    client = await _client(work, client_id)
    known = {client.partner_id}
    if supersedes_id is not None:
        former = await _own(work, supersedes_id, None)
        if former.client_id != client_id:
            raise NotFound
        if former.state is not ConsentState.GIVEN:
            raise ConsentNotOpen(former.state)
        known |= {party.partner_id for party in former.terms.recipients}
    terms = await terms_between(work.session, client.partner_id, recipients, purposes, known=known)
    consent = Consent(
        id=uuid4(),
        client_id=client_id,
        partner_id=client.partner_id,
        subject=client.pseudonym,
        state=ConsentState.REQUESTED,
        terms=terms,
        supersedes_id=supersedes_id,
        created_at=work.now,
        updated_at=work.now,
    )
    work.session.add(consent)
    await work.session.flush()
    work.record("consent.request", "consent", consent.id)
    return consent.id


async def renew_consent(work: Work, consent_id: UUID, expected_version: int | None = None) -> UUID:
    """Ask for the same again: a REQUESTED record that supersedes this one once it is given.

    With today's organisations, and only what was granted; purposes whose own end has passed are left out,
    and FOLLOW_UP, which is not asked for any more. Possible while it is in force. Raises NotFound,
    StaleVersion, ConsentNotOpen (over, or a renewal is waiting), InvalidInput (nothing left to ask, a
    recipient that takes nobody any more).
    """
    former = await _own(work, consent_id, expected_version)
    if not in_force(facts_of(former), work.now):
        raise ConsentNotOpen(_state_at(former, work.now))
    waiting = await work.session.scalar(
        select(Consent.id).where(Consent.supersedes_id == consent_id, Consent.state == ConsentState.REQUESTED)
    )
    if waiting is not None:
        raise ConsentNotOpen(ConsentState.REQUESTED)
    today = local_day(work.now)
    purposes = [
        msgspec.structs.replace(entry, granted=None)
        for entry in former.terms.purposes
        if entry.granted and entry.purpose is not Purpose.FOLLOW_UP and (entry.ends_on or today) >= today
    ]
    return await request_consent(
        work,
        client_id=former.client_id,
        recipients=[party.partner_id for party in former.terms.recipients],
        purposes=purposes,
        supersedes_id=consent_id,
    )


async def record_consent(
    work: Work,
    keys: KeyStore,
    *,
    consent_id: UUID,
    expected_version: int,
    granted: Collection[Purpose],
    record: ConsentRecord,
    released: bool = True,
    evidence: ConsentEvidence | None = None,
    decided_at: datetime | None = None,
    valid_until: date | None = None,
) -> ConsentState:
    """Record what the person decided: GIVEN when a purpose is granted, else REFUSED. Final either way.

    ``released``: released from professional secrecy too (§ 203 StGB). ``valid_until`` is the last day
    (Berlin), at most twelve months after ``decided_at`` (default: now). Raises NotFound, StaleVersion,
    ConsentNotOpen, InvalidInput.
    """
    consent = await _own(work, consent_id, expected_version)
    if consent.state is not ConsentState.REQUESTED:
        raise ConsentNotOpen(consent.state)
    moment = decided_at or work.now
    if moment > work.now:
        raise InvalidInput("decidedAt", "in-the-future")
    if moment < consent.created_at and moment < work.now - timedelta(days=90):
        raise InvalidInput("decidedAt", "too-long-ago", days="90")
    asked = {entry.purpose for entry in consent.terms.purposes}
    if not set(granted) <= asked:
        raise InvalidInput("granted", "not-asked")
    given = bool(granted)
    end: datetime | None = None
    _check_representation(record, evidence)
    if given:
        _check_record(consent.terms, record, evidence)
        _check_shown_before(record, moment, work.now)
        end = _end(moment, valid_until)
    _check_notice(consent.terms, record)
    # Everything that reads comes before the first change: a decided record is written in one statement.
    sealed = None
    if evidence is not None:
        key = await keys.of(consent.client_id)
        sealed = key.seal_value(evidence, _evidence_place(consent.id))
    consent.terms = decided(consent.terms, granted, released=released)
    consent.state = ConsentState.GIVEN if given else ConsentState.REFUSED
    consent.record = record
    consent.sealed_evidence = sealed
    consent.decided_at = moment
    consent.recorded_by = work.actor.member_id
    consent.receipt = uuid4()
    consent.valid_from = moment if given else None
    consent.valid_until = end
    _change(consent, work.now)
    work.record(
        "consent.record",
        "consent",
        consent.id,
        {"state": consent.state, "granted": " ".join(sorted(granted))},
    )
    if given:
        await _supersede(work, consent)
    return consent.state


def _check_record(terms: ConsentTerms, record: ConsentRecord, evidence: ConsentEvidence | None) -> None:
    if not record.no_disadvantage_shown:
        raise InvalidInput("record.noDisadvantageShown", "must-be-shown")
    if record.section_87_notice_at is None and any(
        section_87_applies(terms.controller, recipient) for recipient in terms.recipients
    ):
        raise InvalidInput("record.section87NoticeAt", "must-be-shown")
    if record.medium is ConsentMedium.ORAL and (evidence is None or evidence.witness is None):
        raise InvalidInput("evidence.witness", "required-when-oral")


def _check_notice(terms: ConsentTerms, record: ConsentRecord) -> None:
    """Refuse a record of another notice than the one that these terms give in this language and version.

    It may be an older version: what counts is what the person was shown. Its hash is proof only while it is
    that of the text (GDPR Art. 7(1)).
    """
    shown = record.notice
    if shown.text_id != words.TEXT_ID or shown.version not in words.versions():
        raise InvalidInput("record.notice.version", "notice-unknown")
    if words.language_for(shown.language, shown.version) is None:
        raise InvalidInput(
            "record.notice.language", "no-notice-text", languages=", ".join(words.languages(shown.version))
        )
    if words.render_notice(terms, shown.language, shown.version).sha256 != shown.sha256:
        raise InvalidInput("record.notice.sha256", "notice-changed")


def _check_representation(record: ConsentRecord, evidence: ConsentEvidence | None) -> None:
    if record.given_by is GivenBy.SELF:
        return
    if evidence is None or evidence.representative is None:
        raise InvalidInput("evidence.representative", "required-when-represented")
    if evidence.representation_proof is None:
        raise InvalidInput("evidence.representationProof", "required-when-represented")


def _check_shown_before(record: ConsentRecord, decided_at: datetime, now: datetime) -> None:
    # the clock of the desk where the notice was shown may run ahead a little
    shown = record.section_87_notice_at
    if shown is None:
        return
    if shown > now + CLOCKS_DIFFER:
        raise InvalidInput("record.section87NoticeAt", "in-the-future")
    if shown > decided_at + CLOCKS_DIFFER:
        raise InvalidInput("record.section87NoticeAt", "after-the-decision")


def _end(valid_from: datetime, last_day: date | None) -> datetime:
    latest = longest_end(valid_from)
    if last_day is None:
        return latest
    if last_day > local_day(latest):
        raise InvalidInput("validUntil", "too-late", maximum=local_day(latest).isoformat())
    end = min(datetime.combine(last_day + timedelta(days=1), time.min, tzinfo=ZONE), latest)
    if end <= valid_from:
        raise InvalidInput("validUntil", "before-start")
    return end


def _evidence_place(consent_id: UUID) -> Place:
    return Place("consent", "sealed_evidence", consent_id)


def _change(consent: Consent, now: datetime) -> None:
    consent.version += 1
    consent.updated_at = now


async def withdraw_consent(
    work: Work,
    *,
    consent_id: UUID,
    channel: Channel,
    scope: WithdrawalScope = WithdrawalScope.ALL,
    purpose: Purpose | None = None,
    recipient: UUID | None = None,
    language: str = "de",
    expected_version: int | None = None,
) -> Withdrawn:
    """Withdraw a consent, or one purpose or recipient of it; always possible while it is in force.

    In one transaction: what is withdrawn is over, open referrals that rest on it are CONSENT_REVOKED, their
    packages are gone, recipients are asked what they did with the data. What remains of a partial withdrawal
    is a new record that supersedes. Raises NotFound, StaleVersion, ConsentNotOpen, InvalidInput.
    """
    consent = await _own(work, consent_id, expected_version)
    return await withdraw_held(
        work,
        consent,
        channel=channel,
        scope=scope,
        purpose=purpose,
        recipient=recipient,
        language=language,
    )


async def withdraw_held(
    work: Work,
    consent: Consent,
    *,
    channel: Channel,
    scope: WithdrawalScope = WithdrawalScope.ALL,
    purpose: Purpose | None = None,
    recipient: UUID | None = None,
    language: str = "de",
    receipt: UUID | None = None,
) -> Withdrawn:
    """Withdraw a locked consent for whoever may: its controller, or the person with their card.

    ``receipt``: one number for several records that are withdrawn in one go.
    """
    if consent.state is not ConsentState.GIVEN:
        raise ConsentNotOpen(consent.state)
    if (scope is WithdrawalScope.PURPOSE) != (purpose is not None):
        raise InvalidInput("purpose", "fits-scope")
    if (scope is WithdrawalScope.RECIPIENT) != (recipient is not None):
        raise InvalidInput("recipient", "fits-scope")
    if purpose is not None and not any(e.purpose is purpose and e.granted for e in consent.terms.purposes):
        raise InvalidInput("purpose", "not-granted")
    if recipient is not None and recipient not in {party.partner_id for party in consent.terms.recipients}:
        raise InvalidInput("recipient", "not-named")
    rest = reduced(consent.terms, scope, purpose=purpose, recipient=recipient)
    receipt = receipt or uuid4()
    remaining: Consent | None = None
    if rest is not None:
        remaining = Consent(
            id=uuid4(),
            client_id=consent.client_id,
            partner_id=consent.partner_id,
            subject=consent.subject,
            state=ConsentState.GIVEN,
            terms=rest,
            record=consent.record,
            decided_at=consent.decided_at,
            recorded_by=consent.recorded_by,
            valid_from=consent.valid_from,
            valid_until=consent.valid_until,
            supersedes_id=consent.id,
            receipt=uuid4(),
            created_at=work.now,
            updated_at=work.now,
        )
        work.session.add(remaining)
        await work.session.flush()
        consent.superseded_by_id = remaining.id
    consent.state = ConsentState.WITHDRAWN if remaining is None else ConsentState.SUPERSEDED
    consent.withdrawal = Withdrawal(
        at=work.now,
        channel=channel,
        scope=scope,
        purpose=purpose,
        recipient=recipient,
        receipt=receipt,
        language=language,
        text_version=words.CURRENT,
    )
    _change(consent, work.now)
    await work.session.flush()
    work.record("consent.withdraw", "consent", consent.id, {"scope": scope, "channel": channel})
    ended = await _move_referrals(work, [consent.id], remaining, Reason.CONSENT_WITHDRAWN)
    await cancel_uncovered(work, consent.client_id)
    return Withdrawn(
        receipt=receipt,
        remaining_consent_id=None if remaining is None else remaining.id,
        ended_referrals=tuple(ended),
    )


async def _supersede(work: Work, consent: Consent) -> None:
    if consent.supersedes_id is None:
        return
    former = await work.session.get(
        Consent, consent.supersedes_id, with_for_update=True, populate_existing=True
    )
    if former is None or former.state is not ConsentState.GIVEN:
        return
    await work.session.flush()
    former.state = ConsentState.SUPERSEDED
    former.superseded_by_id = consent.id
    _change(former, work.now)
    await work.session.flush()
    work.record("consent.supersede", "consent", former.id)
    await _move_referrals(work, [former.id], consent, Reason.CONSENT_WITHDRAWN)
    await cancel_uncovered(work, consent.client_id)


async def expire_due(work: Work, which: Due | None = None) -> int:
    """Expire consents whose end has come, with the referrals that rest on them; return how many consents.

    For the clock (SYSTEM). Access had ended already at the moment itself: it is judged at each reading.
    """
    rows = await work.session.scalars(
        to_expire(work.now, which or Due())
        .with_only_columns(Consent)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    due = list(rows)
    for consent in due:
        consent.state = ConsentState.EXPIRED
        _change(consent, work.now)
        work.record("consent.expire", "consent", consent.id)
    await work.session.flush()
    if due:
        await _move_referrals(work, [consent.id for consent in due], None, Reason.CONSENT_EXPIRED)
    return len(due)


def to_expire(now: datetime, which: Due) -> Select[UUID]:
    """Return the statement for the ids of what ``expire_due`` expires."""
    return (
        select(Consent.id)
        .where(
            Consent.state == ConsentState.GIVEN,
            Consent.valid_until <= now,
            which.of(Task.CONSENT_END, Consent.id),
        )
        .order_by(Consent.valid_until)
        .limit(which.limit)
    )


async def end_of_person(work: Work, client_id: UUID) -> None:
    """End what a person who is erased had decided or was asked; the proof stays, without the evidence.

    EXPIRED, not WITHDRAWN: the person declared nothing. What was only asked can no longer be decided.
    """
    rows = await work.session.scalars(
        select(Consent)
        .where(
            Consent.client_id == client_id, Consent.state.in_([ConsentState.GIVEN, ConsentState.REQUESTED])
        )
        .order_by(Consent.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    ended = list(rows)
    for consent in ended:
        given = consent.state is ConsentState.GIVEN
        consent.state = ConsentState.EXPIRED if given else ConsentState.REFUSED
        _change(consent, work.now)
        work.record("consent.end_of_person", "consent", consent.id)
    await work.session.flush()
    if ended:
        await _move_referrals(work, [consent.id for consent in ended], None, Reason.CONSENT_EXPIRED)
    await cancel_uncovered(work, client_id)


async def _move_referrals(
    work: Work, consent_ids: Collection[UUID], remaining: Consent | None, reason: Reason
) -> list[UUID]:
    """Let open referrals rest on what remains where it covers them; end the others. Return those ended.

    The consent is locked already: whoever sends locks the consent before the referral too.
    """
    rows = await work.session.scalars(
        select(Referral)
        .where(Referral.consent_id.in_(consent_ids), Referral.state.in_(OPEN_STATES))
        .order_by(Referral.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if remaining is not None:
        # What is over rests on what remains too: it says whether the outcome may still be read.
        over = await work.session.scalars(
            select(Referral)
            .where(Referral.consent_id.in_(consent_ids), Referral.state.not_in(OPEN_STATES))
            .order_by(Referral.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        named = {party.partner_id for party in remaining.terms.recipients}
        for referral in over:
            if referral.recipient_partner_id in named and referral.state is not ReferralState.CONSENT_REVOKED:
                referral.consent_id = remaining.id
                referral.version += 1
                referral.updated_at = work.now
                referral.sender_updated_at = None
    ended: list[Referral] = []
    before: dict[UUID, ReferralState] = {}
    given_back: list[UUID] = []
    for referral in rows:
        referral.version += 1
        referral.updated_at = work.now
        referral.sender_updated_at = None
        if remaining is not None and not covers(
            facts_of(remaining),
            recipient=referral.recipient_partner_id,
            purpose=Purpose.REFERRAL,
            categories=referral.categories,
            at=work.now,
        ):
            referral.consent_id = remaining.id
            continue
        before[referral.id] = referral.state
        ended.append(referral)
        referral.state = ReferralState.CONSENT_REVOKED
        referral.state_since = work.now
        referral.reason = reason
        if referral.place_taken:
            given_back.append(referral.service_id)
            referral.place_taken = False
        if referral.sent_at is not None:
            referral.revocation_due_at = work.now + timedelta(days=REVOCATION_ANSWER_DAYS)
        work.record("referral.revoke", "referral", referral.id, {"reason": reason})
    await work.session.flush()
    # in one order for everybody: else two withdrawals lock each other's services and one of them is lost
    for service_id in sorted(given_back):
        await give_back_place(work, service_id)
    if ended:
        await _tell_of_the_end(work, ended, before, reason)
    return [referral.id for referral in ended]


async def _tell_of_the_end(
    work: Work, ended: Sequence[Referral], before: dict[UUID, ReferralState], reason: Reason
) -> None:
    session = work.session
    counted = await session.execute(
        select(ReferralEvent.referral_id, func.max(ReferralEvent.ordinal))
        .where(ReferralEvent.referral_id.in_(before))
        .group_by(ReferralEvent.referral_id)
    )
    last = {row[0]: row[1] for row in counted}
    await session.execute(
        insert(ReferralEvent),
        [
            {
                "referral_id": referral.id,
                "ordinal": last.get(referral.id, 0) + 1,
                "at": work.now,
                "move": "REVOKE",
                "from_state": before[referral.id],
                "to_state": ReferralState.CONSENT_REVOKED,
                "actor": EventActor.CONSENT,
                "member_id": work.actor.member_id,
                "partner_id": work.actor.partner_id,
                "source": _source(work.actor),
                "reason": reason.value,
                "facts": {},
            }
            for referral in ended
        ],
    )
    await session.execute(
        text("SELECT erase_packages(CAST(:ids AS uuid[]))"), {"ids": [referral.id for referral in ended]}
    )
    # What was still to be told about them is not told any more, but that they ended.
    await notices.cancel(work, [referral.id for referral in ended])
    told = [
        promised
        for referral in ended
        for promised in notices.after_move(
            referral, Move.REVOKE, EventActor.CONSENT, acting_partner=work.actor.partner_id
        )
    ]
    await notices.promise_all(work, told)


def _source(actor: Actor) -> AnswerSource:
    if actor.signed_in:
        return AnswerSource.MEMBER
    return AnswerSource.SYSTEM if actor.role is Role.SYSTEM else AnswerSource.CODE


# --- Reading --------------------------------------------------------------------------------------------


async def list_consents(
    session: AsyncSession, actor: Actor, client_id: UUID, at: datetime, *, limit: int = 100
) -> list[ConsentView]:
    """Return the consent records of a person of the own organisation, newest first (at most ``limit``)."""
    policy.must_work_with_people(actor)
    client = await session.get(Client, client_id)
    if client is None or client.partner_id != actor.partner_id:
        raise NotFound
    rows = await session.scalars(
        select(Consent)
        .where(Consent.client_id == client_id)
        .order_by(Consent.created_at.desc(), Consent.id)
        .limit(limit)
    )
    found = [view_of(consent, at) for consent in rows]
    await seen(session, actor, "consent.list", "client", [client_id])
    return found


async def view_consent(session: AsyncSession, actor: Actor, consent_id: UUID, at: datetime) -> ConsentView:
    """Return one record: the controller sees all of it, a recipient of a referral its own part.

    A recipient once it has opened a package: before that it does not know whom the referral is about.
    """
    if actor.role is not Role.SYSTEM:
        policy.must_work_with_people(actor)
    view: ConsentView
    consent = await session.get(Consent, consent_id)
    if consent is not None and (actor.role is Role.SYSTEM or consent.partner_id == actor.partner_id):
        view = view_of(consent, at)
    else:
        if actor.partner_id is None:
            raise NotFound
        part = await session.get(ConsentPart, (consent_id, actor.partner_id))
        if part is None:
            raise NotFound
        view = view_of_part(part, at)
        once = exists().where(
            ReferralEvent.referral_id == Referral.id, ReferralEvent.to_state.in_(OPENED_STATES)
        )
        opened = exists().where(
            Referral.consent_id == consent_id,
            Referral.recipient_partner_id == actor.partner_id,
            or_(Referral.state.in_(OPENED_STATES), once),
        )
        if not await session.scalar(select(opened)):
            raise NotFound
    await seen(session, actor, "consent.view", "consent", [consent_id])
    return view


# --- What is shown --------------------------------------------------------------------------------------


async def planned_notice(
    session: AsyncSession,
    actor: Actor,
    *,
    recipients: Sequence[UUID],
    purposes: Sequence[PurposeTerms],
    language: str,
) -> words.Notice:
    """Return the notice for a consent that the own organisation is going to ask for; nothing is stored.

    Its hash is what the record needs, also where asking, recording and sending are one operation. Raises
    InvalidInput (terms with a flaw, no text in this language).
    """
    policy.must_work_with_people(actor)
    own = _organisation(actor)
    terms = await terms_between(session, own, recipients, purposes, known={own})
    return words.render_notice(terms, language)


async def section_87_notice(
    session: AsyncSession,
    actor: Actor,
    *,
    language: str,
    service_id: UUID | None = None,
    recipient_id: UUID | None = None,
) -> words.Notice | None:
    """Return the notice about § 87 AufenthG to show before any data are entered; None when none is due.

    It needs no client: who may be at the other end is enough, and without anybody there the own organisation
    decides. Raises InvalidInput (service or recipient that is not published, no text in this language).
    """
    bodies = await section_87_bodies(session, actor, service_id=service_id, recipient_id=recipient_id)
    return words.render_section_87(bodies, language) if bodies else None


async def section_87_bodies(
    session: AsyncSession,
    actor: Actor,
    *,
    service_id: UUID | None = None,
    recipient_id: UUID | None = None,
    under: str = "",
) -> list[Party]:
    """Return the public bodies that make the notice due: the own organisation, and who may be sent to.

    ``under``: what the path of a field begins with. Raises InvalidInput (not published).
    """
    policy.must_work_with_people(actor)
    parties = [await session.get_one(Partner, _organisation(actor))]
    if service_id is not None:
        found = await session.scalar(
            select(Partner)
            .join(Service, Service.partner_id == Partner.id)
            .where(
                Service.id == service_id,
                Service.state == PublicationState.PUBLISHED,
                Partner.state == PublicationState.PUBLISHED,
            )
        )
        if found is None:
            raise InvalidInput(f"{under}serviceId", "unknown-value")
        parties.append(found)
    if recipient_id is not None:
        found = await session.get(Partner, recipient_id)
        if found is None or found.state is not PublicationState.PUBLISHED:
            raise InvalidInput(f"{under}recipientId", "unknown-value")
        parties.append(found)
    named = {partner.id: party_of(partner) for partner in parties}
    return [party for party in named.values() if section_87_applies(party, party)]


async def shown_notice(
    session: AsyncSession, actor: Actor, consent_id: UUID, language: str | None = None
) -> words.Notice:
    """Return the notice of a record of the own organisation: as it was shown, or as it is to be shown.

    Once decided, and in the language in which it was shown (the default), it is made in the version that was
    shown: its hash is the one in the record. Before that, and in other languages, it is in today's words.
    Raises NotFound, InvalidInput (no text in this language).
    """
    consent = await _kept(session, actor, consent_id)
    if consent.record is None:
        return words.render_notice(consent.terms, language or words.BINDING)
    shown = consent.record.notice
    if language is not None and language != shown.language:
        return words.render_notice(await _terms_shown(session, consent), language)
    return words.render_notice(await _terms_shown(session, consent), shown.language, shown.version)


async def _terms_shown(session: AsyncSession, consent: Consent) -> ConsentTerms:
    """Return the terms as they were shown: what remains of a partial withdrawal was shown as a whole."""
    found = consent
    while found.supersedes_id is not None:
        former = await session.get(Consent, found.supersedes_id)
        if former is None or former.withdrawal is None or former.superseded_by_id != found.id:
            break
        found = former
    return found.terms


async def withdrawal_receipt(
    session: AsyncSession, actor: Actor, consent_id: UUID, language: str | None = None
) -> words.Notice | None:
    """Return the person's receipt of a withdrawal to its controller; None when it was not withdrawn.

    In the language of the withdrawal unless another is asked for; it can be made again at any time, also
    after the person's data were erased: it names nobody. Raises NotFound.
    """
    consent = await _kept(session, actor, consent_id)
    if consent.withdrawal is None:
        return None
    rest = None
    if consent.superseded_by_id is not None:
        rest = await session.get(Consent, consent.superseded_by_id)
    withdrawal = consent.withdrawal
    if language is not None:
        withdrawal = msgspec.structs.replace(withdrawal, language=language)
    return words.render_receipt(
        consent.terms,
        withdrawal,
        None if rest is None else rest.terms,
        answer_days=REVOCATION_ANSWER_DAYS,
    )


async def warnings_of(
    session: AsyncSession, actor: Actor, keys: KeyStore, consent_id: UUID
) -> tuple[ConsentWarning, ...]:
    """Return what to think of before this record is decided; empty once it is, and when nothing is known.

    Minors (§ 2 BGB): under 18 the legal representative decides or decides too, under 16 nearly always. How
    much a young person understands is for those who sit with them to judge, so it is a warning only. Opening
    the date of birth is recorded. Raises NotFound, Erased.
    """
    consent = await _kept(session, actor, consent_id)
    if consent.state is not ConsentState.REQUESTED:
        return ()
    client = await session.get_one(Client, consent.client_id)
    if client.sealed_identity is None:
        return ()
    key = await keys.of(client.id)
    born = key.open_value(
        client.sealed_identity, Identity, Place("client", "sealed_identity", client.id)
    ).date_of_birth
    await seen(session, actor, "consent.age", "client", [client.id])
    return () if born is None else _minor(born, local_day(consent.created_at))


def _minor(born: date, on: date) -> tuple[ConsentWarning, ...]:
    age = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    if age < 16:
        return (ConsentWarning.UNDER_16,)
    return (ConsentWarning.UNDER_18,) if age < 18 else ()


async def unanswered_revocations(session: AsyncSession, actor: Actor, *, limit: int = 100) -> list[UUID]:
    """Return the own referrals whose consent ended and whose recipient has not answered, longest due first.

    Each has ``state_since`` (when the consent ended) and ``revocation_due_at``; the clock reminds them.
    """
    policy.must_work_with_people(actor)
    rows = await session.scalars(
        select(Referral.id)
        .where(
            Referral.sender_partner_id == actor.partner_id,
            Referral.state == ReferralState.CONSENT_REVOKED,
            Referral.revocation_due_at.is_not(None),
        )
        .order_by(Referral.revocation_due_at, Referral.id)
        .limit(limit)
    )
    return list(rows)


def _organisation(actor: Actor) -> UUID:
    if actor.partner_id is None:
        raise NotFound
    return actor.partner_id


async def _kept(session: AsyncSession, actor: Actor, consent_id: UUID) -> Consent:
    """Return a record of the own organisation; for everybody else it does not exist."""
    policy.must_work_with_people(actor)
    consent = await session.get(Consent, consent_id)
    if consent is None or consent.partner_id != actor.partner_id:
        raise NotFound
    return consent


async def open_evidence(
    session: AsyncSession, actor: Actor, keys: KeyStore, consent_id: UUID
) -> ConsentEvidence | None:
    """Return the evidence of a decision to the controller; None when none was kept. Raises Erased."""
    policy.must_work_with_people(actor)
    consent = await session.get(Consent, consent_id)
    if consent is None or consent.partner_id != actor.partner_id:
        raise NotFound
    await seen(session, actor, "consent.evidence", "consent", [consent_id])
    if consent.sealed_evidence is None:
        return None
    key = await keys.of(consent.client_id)
    return key.open_value(consent.sealed_evidence, ConsentEvidence, _evidence_place(consent_id))


async def consent_facts(session: AsyncSession, consent_ids: Iterable[UUID]) -> dict[UUID, ConsentFacts]:
    """Return what decides about coverage, for the records that this actor may see."""
    rows = await session.scalars(select(Consent).where(Consent.id.in_(set(consent_ids))))
    return {consent.id: facts_of(consent) for consent in rows}
