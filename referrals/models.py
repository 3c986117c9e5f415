"""The tables of the referral exchange (SQLAlchemy): clients, consents, referrals and what belongs to them.

Every table here that holds something about a person stands under forced row-level security; who sees which
row is written in the migration ``0002_referrals``. Columns named ``sealed_…`` hold what only the person's
data key opens (``sealing``); keys live in a database of their own (``keystore``).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from directory.models import Base, Json, Word
from directory.vocabulary import Answer, InterpretingMode, LegalCircle, ResidenceStatus
from referrals.clock import ClockFacts, keeps_overdue, next_tick
from referrals.eligibility import Judged, SupportRule
from referrals.values import ConsentRecord, ConsentTerms, Kept, Section87Shown, Withdrawal
from referrals.vocabulary import (
    OPEN_STATES,
    Addressee,
    AnswerSource,
    AppointmentKind,
    AppointmentState,
    ApprovalMove,
    ApprovalState,
    BookingState,
    BringAlong,
    CapacityReason,
    CardEnd,
    ClientPhase,
    ConsentState,
    DataCategory,
    DeclinedBy,
    DeclineReason,
    EventActor,
    FeedbackAnswer,
    FeedbackAsked,
    FollowUpKind,
    FollowUpState,
    GenderWish,
    HoldReason,
    LateReason,
    NeedNow,
    NoticeAbout,
    NoticeKind,
    NoticeState,
    OccupiedWith,
    OutcomeCode,
    OutcomeReason,
    Priority,
    Reason,
    ReferralState,
    RuleSetState,
)

T = TypeVar("T")


class Words(TypeDecorator[tuple[T, ...]], Generic[T]):
    """Members of a ``StrEnum`` stored as an array of texts."""

    impl = ARRAY(Text)
    cache_ok = True

    def __init__(self, enum: type[T]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: tuple[T, ...] | None, dialect: Dialect) -> list[str] | None:
        """Turn the members into their texts."""
        return None if value is None else [str(member) for member in value]

    def process_result_value(self, value: list[str] | None, dialect: Dialect) -> tuple[T, ...] | None:
        """Turn the texts into members; an unknown word raises ValueError."""
        return None if value is None else tuple(self.enum(word) for word in value)  # type: ignore[call-arg]


Base.registry.update_type_annotation_map(
    {
        **{
            enum: Word(enum)
            for enum in (
                Addressee,
                Answer,
                AnswerSource,
                AppointmentKind,
                AppointmentState,
                ApprovalMove,
                ApprovalState,
                BookingState,
                CapacityReason,
                CardEnd,
                ClientPhase,
                ConsentState,
                DeclineReason,
                DeclinedBy,
                EventActor,
                FeedbackAnswer,
                FeedbackAsked,
                FollowUpKind,
                FollowUpState,
                GenderWish,
                HoldReason,
                InterpretingMode,
                LateReason,
                LegalCircle,
                NoticeAbout,
                NoticeKind,
                NoticeState,
                NeedNow,
                OccupiedWith,
                OutcomeCode,
                OutcomeReason,
                Priority,
                Reason,
                ReferralState,
                ResidenceStatus,
                RuleSetState,
            )
        },
        tuple[BringAlong, ...]: Words(BringAlong),
        tuple[DataCategory, ...]: Words(DataCategory),
        tuple[ReferralState, ...]: Words(ReferralState),
        tuple[ResidenceStatus, ...]: Words(ResidenceStatus),
        tuple[SupportRule, ...]: Json(tuple[SupportRule, ...]),
        tuple[Judged, ...]: Json(tuple[Judged, ...]),
        tuple[bytes, ...]: postgresql.ARRAY(LargeBinary, as_tuple=True),
        ConsentTerms: Json(ConsentTerms),
        ConsentRecord: Json(ConsentRecord),
        Section87Shown: Json(Section87Shown),
        Withdrawal: Json(Withdrawal),
        Kept: Json(Kept),
    }
)


class Client(Base):
    """A person who is accompanied by an organisation (Teilnehmende); no case notes.

    ``pseudonym`` is what others see. ``name_index`` holds keyed hashes of name parts, so that a person is
    found by name inside the own organisation only. ``source_key`` is set for imported clients,
    ``from_referral_id`` for who was taken over from a referral that came in.
    ``applied_in_time``: whether the extension of the status was applied for before it ended. ``judged``: what
    the project's rule said at intake and at sending (``eligibility.Judged``), the latest last.
    ``erased_at``: the data key is gone; the row stays for the referrals' sake.
    """

    __tablename__ = "client"
    __table_args__ = (
        Index("client_phase_order", "partner_id", "phase", "pseudonym"),
        Index("client_order", "partner_id", "pseudonym"),
        Index("client_responsible", "responsible_id"),
        Index("client_name_index", "name_index", postgresql_using="gin"),
        Index("client_from_referral", "from_referral_id", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    responsible_id: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    deputy_id: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    pseudonym: Mapped[str] = mapped_column(unique=True)
    phase: Mapped[ClientPhase]
    residence_status: Mapped[ResidenceStatus | None]
    status_valid_until: Mapped[date | None]
    legal_circle: Mapped[LegalCircle | None]
    languages: Mapped[tuple[str, ...]]
    needs: Mapped[tuple[str, ...]]
    supported_before: Mapped[bool] = mapped_column(default=False)
    applied_in_time: Mapped[bool | None]
    judged: Mapped[tuple[Judged, ...] | None]
    sealed_identity: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_contact: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_profile: Mapped[bytes | None] = mapped_column(LargeBinary)
    name_index: Mapped[tuple[bytes, ...]]
    section_87_notice: Mapped[Section87Shown | None]
    source_key: Mapped[str | None]
    from_referral_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("referral.id", name="client_from_referral_id_fkey", use_alter=True)
    )
    erased_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Erasure(Base):
    """That a person was erased, and when; the key store keeps the same list, each side mends the other."""

    __tablename__ = "erasure"

    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class ClientPhaseChange(Base):
    """That a client came into a phase (Verlauf); the first row is the intake, ``from_phase`` None."""

    __tablename__ = "client_phase_change"
    __table_args__ = (Index("client_phase_change_client", "client_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("client.id"))
    from_phase: Mapped[ClientPhase | None]
    to_phase: Mapped[ClientPhase]
    at: Mapped[datetime]
    member_id: Mapped[UUID | None]


class Exclusion(Base):
    """That a person is excluded from the project's support: who decided, when; nothing else (Art. 10 GDPR).

    Only a LEAD of the own organisation sees that the row exists.
    """

    __tablename__ = "exclusion"

    client_id: Mapped[UUID] = mapped_column(ForeignKey("client.id"), primary_key=True)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class RuleSet(Base):
    """A version of the project's rule for its own support; dated data, no personal data (Förderregel).

    ``municipality_id`` None: the project's own, which holds wherever a municipality has decided none. Of
    those decided the one that began last is in force. ``valid_from`` None: ever since; else a day after the
    one on which it was decided, because a rule never works backwards. A decided version never changes any
    more. ``remark``: why it is changed.
    """

    __tablename__ = "rule_set"
    __table_args__ = (
        Index("rule_set_municipality", "municipality_id", "valid_from"),
        CheckConstraint("(state = 'DRAFT') = (decided_at IS NULL)", name="rule_set_decided"),
        CheckConstraint(
            "valid_from IS NULL OR valid_from > (decided_at AT TIME ZONE 'Europe/Berlin')::date",
            name="rule_set_not_backwards",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    municipality_id: Mapped[UUID | None] = mapped_column(ForeignKey("municipality.id"))
    state: Mapped[RuleSetState]
    valid_from: Mapped[date | None]
    rules: Mapped[tuple[SupportRule, ...]]
    remark: Mapped[str | None]
    drafted_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class Consent(Base):
    """A consent record (Einwilligung): one person, one set of purposes; unchangeable once given.

    ``partner_id`` is the controller that keeps it; ``subject`` the person's pseudonym. In force from
    ``valid_from`` until before ``valid_until``.
    """

    __tablename__ = "consent"
    __table_args__ = (
        Index("consent_client", "client_id"),
        Index("consent_supersedes", "supersedes_id", postgresql_where=text("supersedes_id IS NOT NULL")),
        Index("consent_end", "valid_until", postgresql_where=text("state = 'GIVEN'")),
        Index(
            "consent_renewal",
            "valid_until",
            postgresql_where=text("state = 'GIVEN' AND renewal_offered_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("client.id"))
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    subject: Mapped[str]
    state: Mapped[ConsentState]
    terms: Mapped[ConsentTerms]
    record: Mapped[ConsentRecord | None]
    sealed_evidence: Mapped[bytes | None] = mapped_column(LargeBinary)
    decided_at: Mapped[datetime | None]
    recorded_by: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    withdrawal: Mapped[Withdrawal | None]
    supersedes_id: Mapped[UUID | None] = mapped_column(ForeignKey("consent.id"))
    superseded_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("consent.id"))
    receipt: Mapped[UUID | None]
    renewal_offered_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ConsentPart(Base):
    """What one recipient may read of a consent: its part of the terms, and what decides if they hold.

    The database keeps it beside each record, in the transaction that changes the record; nothing else writes
    it. So the recipient of a referral never reads who else is named, and a withdrawal shows at once.
    ``partner_id`` is the controller; ``report_back_ended``: the person took back that this recipient reports.
    """

    __tablename__ = "consent_part"

    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consent.id", ondelete="CASCADE"), primary_key=True)
    recipient_partner_id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID]
    client_id: Mapped[UUID]
    subject: Mapped[str]
    state: Mapped[ConsentState]
    terms: Mapped[ConsentTerms]
    record: Mapped[ConsentRecord | None]
    decided_at: Mapped[datetime | None]
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    report_back_ended: Mapped[bool]
    version: Mapped[int]
    created_at: Mapped[datetime]


_OPEN = ", ".join(f"'{state}'" for state in sorted(OPEN_STATES))


class Referral(Base):
    """That a person is sent to a service of a partner (Vermittlung), with their consent, and what came of it.

    Before SENT (``sent_at`` None) only the sender sees the row. It holds no data about the person except
    what the recipient needs to look at it before opening the package: ``topic``, ``language``, ``area``
    (territory key); all else is in :class:`ReferralPackage`. ``municipality_id`` is the sender's.
    ``recipient_contact`` is the named contact at the recipient (an office address or an employee's name).
    Who sends whom where never changes: another service or recipient is another referral.
    ``clock_stopped_at`` is set while the recipient's clock stands still; ``answer_due_at`` is moved on
    when it goes on. ``overdue`` … ``unconfirmed`` are facts beside the state. ``next_tick_at``: when the
    clock has to look at it again (``clock.next_tick``); it sets itself with every change of the row.
    """

    __tablename__ = "referral"
    __table_args__ = (
        Index(
            "referral_one_open",
            "client_id",
            "service_id",
            unique=True,
            postgresql_where=text(f"state IN ({_OPEN})"),
        ),
        Index("referral_outbox", "sender_partner_id", "updated_at", "id"),
        Index("referral_inbox", "recipient_partner_id", "updated_at", "id"),
        Index("referral_client", "client_id"),
        Index("referral_consent", "consent_id"),
        Index("referral_next_tick", "next_tick_at", "id", postgresql_where=text("next_tick_at IS NOT NULL")),
        Index("referral_service", "service_id"),
        Index("referral_parent", "parent_id"),
        Index(
            "referral_waiting",
            "service_id",
            "sent_at",
            "id",
            postgresql_where=text("state = 'WAITLISTED'"),
        ),
        Index("referral_closed", "closed_at", postgresql_where=text("state = 'CLOSED'")),
        Index(
            "referral_sender_ended",
            "sender_partner_id",
            "state_since",
            postgresql_where=text("state IN ('CLOSED', 'DECLINED', 'EXPIRED')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    municipality_id: Mapped[UUID] = mapped_column(ForeignKey("municipality.id"))
    sender_partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    sender_member_id: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    sender_deputy_id: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    sender_file_number: Mapped[str | None]
    client_id: Mapped[UUID] = mapped_column(ForeignKey("client.id"))
    pseudonym: Mapped[str]
    service_id: Mapped[UUID] = mapped_column(ForeignKey("service.id"))
    recipient_partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    recipient_member_id: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    recipient_contact: Mapped[str | None]
    recipient_file_number: Mapped[str | None]
    topic: Mapped[str] = mapped_column(ForeignKey("topic.code"))
    language: Mapped[str | None]
    area: Mapped[str | None]
    priority: Mapped[Priority] = mapped_column(default=Priority.NORMAL)
    categories: Mapped[tuple[DataCategory, ...]]
    state: Mapped[ReferralState]
    state_since: Mapped[datetime]
    consent_id: Mapped[UUID | None] = mapped_column(ForeignKey("consent.id"))
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("referral.id"))
    capacity_reason: Mapped[CapacityReason | None]
    sent_at: Mapped[datetime | None]
    answer_due_at: Mapped[datetime | None]
    clock_stopped_at: Mapped[datetime | None]
    question_due_at: Mapped[datetime | None]
    expected_week: Mapped[date | None]
    first_contact_on: Mapped[date | None]
    first_contact_made_on: Mapped[date | None]
    expected_end: Mapped[date | None]
    resume_on: Mapped[date | None]
    last_sign_of_life: Mapped[date | None]
    place_taken: Mapped[bool] = mapped_column(default=False)
    decline_reason: Mapped[DeclineReason | None]
    declined_by: Mapped[DeclinedBy | None]
    better_service_id: Mapped[UUID | None] = mapped_column(ForeignKey("service.id"))
    reason: Mapped[Reason | None]
    outcome: Mapped[OutcomeCode | None]
    outcome_on: Mapped[date | None]
    outcome_reason: Mapped[OutcomeReason | None]
    feedback_asked: Mapped[FeedbackAsked | None]
    closed_at: Mapped[datetime | None]
    revocation_due_at: Mapped[datetime | None]
    revocation_answer: Mapped[Kept | None]
    overdue: Mapped[bool] = mapped_column(default=False)
    appointment_at: Mapped[datetime | None]
    interim_report_on: Mapped[date | None]
    no_shows: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    disputed: Mapped[bool] = mapped_column(default=False)
    unconfirmed: Mapped[bool] = mapped_column(default=False)
    next_tick_at: Mapped[datetime | None]
    sender_read: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    recipient_read: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    hidden_changes: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    sender_updated_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


def clock_facts(referral: Referral) -> ClockFacts:
    """Return what of a referral its clocks go by."""
    return ClockFacts(
        state=referral.state,
        state_since=referral.state_since,
        updated_at=referral.updated_at,
        priority=referral.priority or Priority.NORMAL,
        sent_at=referral.sent_at,
        answer_due_at=referral.answer_due_at,
        clock_stopped_at=referral.clock_stopped_at,
        question_due_at=referral.question_due_at,
        expected_week=referral.expected_week,
        first_contact_on=referral.first_contact_on,
        appointment_at=referral.appointment_at,
        expected_end=referral.expected_end,
        resume_on=referral.resume_on,
        last_sign_of_life=referral.last_sign_of_life,
        revocation_due_at=referral.revocation_due_at,
        revocation_answered=referral.revocation_answer is not None,
        overdue=bool(referral.overdue),
    )


@event.listens_for(Referral, "before_insert")
@event.listens_for(Referral, "before_update")
def _set_the_clock(mapper: object, connection: object, referral: Referral) -> None:
    """Set when the clock has to look again, whoever changed what: no move can forget it.

    What was due and has not been done yet (the jobs stood still) stays due.
    """
    facts = clock_facts(referral)
    if facts.overdue and not keeps_overdue(facts):
        referral.overdue = False
        facts = clock_facts(referral)
    waiting, changed_at = referral.next_tick_at, facts.updated_at
    referral.next_tick_at = next_tick(
        facts, changed_at if waiting is None else min(changed_at, waiting - timedelta.resolution)
    )


class ReferralPackage(Base):
    """What leaves the sender: exactly the consented categories, sealed with the person's key.

    The recipient reads the row only in the states that allow it and while the consent is in force; the
    database itself refuses it otherwise.
    """

    __tablename__ = "referral_package"
    __table_args__ = (Index("referral_package_client", "client_id"),)

    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"), primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("client.id"))
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consent.id"))
    categories: Mapped[tuple[DataCategory, ...]]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]


class ReferralEvent(Base):
    """What happened to a referral, in order (append only); replaying the events gives the state.

    ``ordinal`` counts from 1 per referral. ``facts`` are codes and dates, never personal data; the short
    free text is sealed and deleted with the package. ``source_on``: the day on which an answer that the
    sender recorded was given. ``message_id``: the same message never counts twice. ``told``: the sender was
    to know of it when it happened.
    """

    __tablename__ = "referral_event"
    __table_args__ = (
        UniqueConstraint("referral_id", "message_id", name="referral_event_message"),
        CheckConstraint("ordinal > 0", name="referral_event_ordinal_positive"),
    )

    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    move: Mapped[str]
    from_state: Mapped[ReferralState | None]
    to_state: Mapped[ReferralState]
    actor: Mapped[EventActor]
    member_id: Mapped[UUID | None]
    partner_id: Mapped[UUID | None]
    source: Mapped[AnswerSource]
    source_on: Mapped[date | None]
    reason: Mapped[str | None]
    facts: Mapped[dict[str, str]]
    sealed_text: Mapped[bytes | None] = mapped_column(LargeBinary)
    message_id: Mapped[UUID | None]
    told: Mapped[bool] = mapped_column(default=True, server_default=text("true"))


class Appointment(Base):
    """An appointment of the recipient with the person (Termin): when, where, what to bring; no name.

    ``place``: a room or an address that is no location of the directory. ``told``: the sender was to know of
    it; ``sender_state`` is what it was told of the state. A moved appointment has a successor.
    """

    __tablename__ = "appointment"
    __table_args__ = (
        Index("appointment_referral", "referral_id", "starts_at"),
        Index("appointment_sender", "sender_partner_id", "starts_at"),
        Index("appointment_recipient", "recipient_partner_id", "starts_at"),
        CheckConstraint("minutes > 0", name="appointment_takes_time"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"))
    sender_partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    recipient_partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    kind: Mapped[AppointmentKind]
    starts_at: Mapped[datetime]
    minutes: Mapped[int]
    location_id: Mapped[UUID | None] = mapped_column(ForeignKey("location.id", ondelete="SET NULL"))
    place: Mapped[str | None]
    bring: Mapped[tuple[BringAlong, ...]]
    state: Mapped[AppointmentState]
    told: Mapped[bool]
    sender_state: Mapped[AppointmentState]
    successor_id: Mapped[UUID | None] = mapped_column(ForeignKey("appointment.id"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Booking(Base):
    """An interpreter booking (Sprachmittlung): language, time, place, topic, wish; no name in this row.

    The database excludes that confirmed ones of one interpreter overlap (``booking_no_overlap``).
    """

    __tablename__ = "booking"
    __table_args__ = (
        Index("booking_requester", "requester_partner_id", "starts_at"),
        Index("booking_recipient", "recipient_partner_id", "starts_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    requester_partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    requester_member_id: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    service_id: Mapped[UUID] = mapped_column(ForeignKey("service.id"))
    recipient_partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    recipient_member_id: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    state: Mapped[BookingState]
    language: Mapped[str]
    variety: Mapped[str | None]
    mode: Mapped[InterpretingMode]
    starts_at: Mapped[datetime]
    minutes: Mapped[int]
    place: Mapped[str | None]
    topic: Mapped[str | None] = mapped_column(ForeignKey("topic.code"))
    gender_wish: Mapped[GenderWish] = mapped_column(default=GenderWish.NONE)
    interpreter: Mapped[str | None]
    late_reason: Mapped[LateReason | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class BookingPerson(Base):
    """For whom an interpreter is booked; the recipient sees the row only once the booking is confirmed."""

    __tablename__ = "booking_person"
    __table_args__ = (Index("booking_person_client", "client_id"),)

    booking_id: Mapped[UUID] = mapped_column(ForeignKey("booking.id"), primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("client.id"))
    sealed_name: Mapped[bytes] = mapped_column(LargeBinary)


class FeedbackCode(Base):
    """A one-time code with which the person says how it went; kept as SHA-256 only.

    Whoever presents the code acts without an account: the setting ``app.code_hash`` (hex of this hash) lets
    them see this row and its referral, and add the feedback.
    """

    __tablename__ = "feedback_code"
    __table_args__ = (Index("feedback_code_referral", "referral_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"))
    client_id: Mapped[UUID] = mapped_column(ForeignKey("client.id"))
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AnswerLink(Base):
    """A one-time link with which the receiving organisation answers without an account (Antwortlink).

    Kept as SHA-256 of its code only. ``partner_id`` is the sender's. It lives in ``states`` of its referral,
    until ``expires_at``, ``used_at`` (an answer that decides) or ``revoked_at`` (a newer one, the sender).
    """

    __tablename__ = "answer_link"
    __table_args__ = (
        Index(
            "answer_link_one_live",
            "referral_id",
            unique=True,
            postgresql_where=text("used_at IS NULL AND revoked_at IS NULL"),
        ),
        Index("answer_link_referral", "referral_id", "issued_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"))
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    recipient_partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    states: Mapped[tuple[ReferralState, ...]]
    issued_by: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


class AnswerLinkUse(Base):
    """That a link answered something, under which key: the same key answers the same again."""

    __tablename__ = "answer_link_use"

    link_id: Mapped[UUID] = mapped_column(ForeignKey("answer_link.id"), primary_key=True)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    input_hash: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[str]
    ended: Mapped[bool]
    at: Mapped[datetime]


class CodeAttempt(Base):
    """How many codes were presented in a window of time, by one bucket of client addresses (-1: by all).

    Counters only: a bucket is a few bits of a keyed hash. Swept when the window is over.
    """

    __tablename__ = "code_attempt"
    __table_args__ = {"prefixes": ["UNLOGGED"]}

    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    window: Mapped[datetime] = mapped_column(primary_key=True)
    presented: Mapped[int]
    wrong: Mapped[int]


class ClockTrouble(Base):
    """Something due that the clock could not do: left out of its batches, and tried again (``troubles``)."""

    __tablename__ = "clock_trouble"

    task: Mapped[str] = mapped_column(primary_key=True)
    about_id: Mapped[UUID] = mapped_column(primary_key=True)
    error: Mapped[str]
    attempts: Mapped[int]
    since: Mapped[datetime]
    next_try_at: Mapped[datetime]


class Feedback(Base):
    """How it went, in the person's own words; only the sender sees it (Rückmeldung)."""

    __tablename__ = "feedback"
    __table_args__ = (Index("feedback_referral", "referral_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"))
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    code_id: Mapped[UUID | None] = mapped_column(ForeignKey("feedback_code.id"))
    answer: Mapped[FeedbackAnswer]
    sealed_text: Mapped[bytes | None] = mapped_column(LargeBinary)
    source: Mapped[AnswerSource]
    language: Mapped[str | None]
    at: Mapped[datetime]


class Approval(Base):
    """A request for four eyes (Vier-Augen-Prinzip): asked by one member, confirmed by another, a LEAD.

    ``municipality_id`` and ``partner_id`` are the sender's; a LEAD of that municipality sees the request,
    and while it is open its referral.
    """

    __tablename__ = "approval"
    __table_args__ = (
        Index(
            "approval_one_open",
            "referral_id",
            "move",
            unique=True,
            postgresql_where=text("state = 'REQUESTED'"),
        ),
        Index("approval_municipality", "municipality_id", "state"),
        Index("approval_waiting", "lapses_at", postgresql_where=text("state = 'REQUESTED'")),
        CheckConstraint("decided_by IS NULL OR decided_by <> requested_by", name="approval_is_by_another"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"))
    municipality_id: Mapped[UUID] = mapped_column(ForeignKey("municipality.id"))
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    move: Mapped[ApprovalMove]
    reason: Mapped[Reason]
    state: Mapped[ApprovalState]
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("member.id"))
    requested_at: Mapped[datetime]
    remind_at: Mapped[datetime | None]
    lapses_at: Mapped[datetime]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    decided_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


# --- Notices ------------------------------------------------------------------------------------------------


class Notice(Base):
    """What an organisation is to be told by mail (Benachrichtigung), and what became of it: codes and ids.

    ``partner_id`` is told; ``waiting_partner_id`` waits for what the notice asks for, and sees whether it
    arrived. ``next_try_at``: when it is sent, or tried again; while it is being sent, until when nobody else
    tries (None once it is decided). ``attempts`` is raised by whoever begins to send, so that only the last
    one who began says what became of it. ``reply_code``: what the mail server said last (SMTP).
    """

    __tablename__ = "notice"
    __table_args__ = (
        Index("notice_once", "about_id", "kind", "partner_id", "addressee", "dedupe", unique=True),
        Index("notice_due", "next_try_at", postgresql_where=text("state = 'PENDING'")),
        Index("notice_partner", "partner_id", "created_at"),
        Index("notice_waiting", "waiting_partner_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[NoticeKind]
    addressee: Mapped[Addressee]
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    waiting_partner_id: Mapped[UUID | None] = mapped_column(ForeignKey("partner.id"))
    about_kind: Mapped[NoticeAbout]
    about_id: Mapped[UUID]
    dedupe: Mapped[str]
    due_at: Mapped[datetime | None]
    state: Mapped[NoticeState]
    attempts: Mapped[int]
    next_try_at: Mapped[datetime | None]
    reply_code: Mapped[int | None]
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


# --- Retention: holds, and the proof of what was deleted (``personal_data.retention``) ----------------------


class LegalHold(Base):
    """That nothing of a person, or of one of their referrals, is deleted for now (Löschsperre).

    Set by a LEAD of the person's own organisation, with a coded reason; in force up to and with ``until``.
    """

    __tablename__ = "legal_hold"
    __table_args__ = (
        Index("legal_hold_client", "client_id", postgresql_where=text("lifted_at IS NULL")),
        Index("legal_hold_partner", "partner_id", "set_at"),
        CheckConstraint("(lifted_by IS NULL) = (lifted_at IS NULL)", name="legal_hold_lifted_by_somebody"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    client_id: Mapped[UUID] = mapped_column(ForeignKey("client.id"))
    referral_id: Mapped[UUID | None] = mapped_column(ForeignKey("referral.id"))
    reason: Mapped[HoldReason]
    set_by: Mapped[UUID]
    set_at: Mapped[datetime]
    until: Mapped[date]
    lifted_by: Mapped[UUID | None]
    lifted_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class DeletionRun(Base):
    """One run of the deletion job (Löschlauf): by which version of the rules, from when to when.

    ``ended_at`` None: it is running, or was cut off and the next run goes on with it. No ids of persons.
    """

    __tablename__ = "deletion_run"
    __table_args__ = (
        Index(
            "deletion_run_one_open",
            text("(ended_at IS NULL)"),
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("deletion_run_order", "started_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    rules: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class DeletionCount(Base):
    """What a run deleted of one retention class in one municipality, and how much a hold kept.

    Written in the transaction that deletes, so it is never more and never less than what is gone.
    ``municipality_id`` None: technical records that belong to none. The due moments are those of the rows
    deleted: the proof that nothing was deleted early, and how late it was.
    """

    __tablename__ = "deletion_count"
    __table_args__ = (
        UniqueConstraint(
            "run_id",
            "municipality_id",
            "retention_class",
            name="deletion_count_once",
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("deletion_run.id"))
    municipality_id: Mapped[UUID | None] = mapped_column(ForeignKey("municipality.id"))
    retention_class: Mapped[str]
    deleted: Mapped[int]
    held: Mapped[int]
    oldest_due: Mapped[datetime | None]
    newest_due: Mapped[datetime | None]


# --- The person's card, and later follow-ups ----------------------------------------------------------------


class CodeCard(Base):
    """The card with which a person opens their own page (Codekarte); the code is kept as SHA-256 only.

    One living card per person and organisation: a new one ends the former at once (``ended_because``
    REPLACED). Whoever presents the code acts without an account; what that opens is written in the migration
    ``0008_cards``. ``language``: in which the page speaks (BCP 47).
    """

    __tablename__ = "code_card"
    __table_args__ = (
        Index(
            "code_card_one_living",
            "client_id",
            "partner_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="code_card_ended_because"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("client.id"))
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    language: Mapped[str]
    issued_by: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[CardEnd | None]


class CardAct(Base):
    """That something was done with a card under an idempotency key, so that a repetition acts once.

    ``result_id``: the id of what it made. Keys and inputs are kept as SHA-256 only.
    """

    __tablename__ = "card_act"

    card_id: Mapped[UUID] = mapped_column(ForeignKey("code_card.id"), primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    input_hash: Mapped[bytes] = mapped_column(LargeBinary)
    result_id: Mapped[UUID]
    at: Mapped[datetime]


class FollowUp(Base):
    """That a person is asked again some time after a referral was closed (spätere Nachfrage).

    One row per referral and kind, planned only while the person's consent to exactly this asking is in
    force. ``due_at`` counts from ``closed_at``; ``ended_at``: answered, cancelled, or 30 days without an
    answer. Answers are codes, never texts. ``source``: by the card, or told to the sender who recorded it.
    """

    __tablename__ = "follow_up"
    __table_args__ = (
        Index("follow_up_once", "referral_id", "kind", unique=True),
        Index("follow_up_open", "due_at", postgresql_where=text("state IN ('PLANNED', 'ASKED')")),
        Index("follow_up_asked", "partner_id", "asked_at", postgresql_where=text("state = 'ASKED'")),
        Index("follow_up_client", "client_id"),
        CheckConstraint("(state = 'ANSWERED') = (need_now IS NOT NULL)", name="follow_up_answered"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"))
    client_id: Mapped[UUID] = mapped_column(ForeignKey("client.id"))
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    kind: Mapped[FollowUpKind]
    state: Mapped[FollowUpState]
    closed_at: Mapped[datetime]
    due_at: Mapped[datetime]
    asked_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    need_now: Mapped[NeedNow | None]
    occupied_with: Mapped[OccupiedWith | None]
    source: Mapped[AnswerSource | None]
    recorded_by: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
