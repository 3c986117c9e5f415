"""The tables of the directory (SQLAlchemy). Things with an identity have tables; their values are JSON.

Names follow HSDS; the German word of the administration stands in each docstring.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from directory.freshness import Chain, Progress
from directory.values import (
    Capacity,
    ContactPoint,
    CourseFacts,
    EligibilityRule,
    InterpretingFacts,
    LanguageOffered,
    OpeningHours,
    Provenance,
    RecognitionFacts,
    ReferralFacts,
    RequiredDocument,
    SourceTerm,
    TextDates,
)
from directory.vocabulary import (
    Acceptance,
    ChangeDecision,
    ChangeField,
    ChangeReason,
    ChangeRequestState,
    ChangeSource,
    DataKind,
    DataProtectionLaw,
    HiddenBecause,
    PartnerKind,
    PublicationState,
    ResponseTime,
    Responsibility,
    ServiceKind,
)

T = TypeVar("T")


class Json(TypeDecorator[T], Generic[T]):
    """A msgspec value stored as JSONB; reading checks its shape, so a wrong row is found at once."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def __init__(self, value_type: object) -> None:
        super().__init__()
        self.value_type = value_type

    def process_bind_param(self, value: T | None, dialect: Dialect) -> object:
        """Turn the value into what the driver writes."""
        return None if value is None else msgspec.to_builtins(value)

    def process_result_value(self, value: object | None, dialect: Dialect) -> T | None:
        """Turn what the driver read into the value."""
        if value is None:
            return None
        read: T = msgspec.convert(value, type=self.value_type)
        return read


class Word(TypeDecorator[T], Generic[T]):
    """A member of a ``StrEnum`` stored as text, so that a new member needs no migration of a type."""

    impl = Text
    cache_ok = True

    def __init__(self, enum: type[T]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: T | None, dialect: Dialect) -> str | None:
        """Turn the member into its text."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> T | None:
        """Turn the text into the member; an unknown word raises ValueError."""
        return None if value is None else self.enum(value)  # type: ignore[call-arg]


Moment: Final = TIMESTAMP(timezone=True)
NOW: Final = text("clock_timestamp()")


class Base(AsyncAttrs, DeclarativeBase):
    """Base of all tables of the exchange."""

    type_annotation_map: dict[Any, Any] = {
        datetime: Moment,
        str: Text,
        tuple[str, ...]: ARRAY(Text, as_tuple=True),
        tuple[float | None, ...]: ARRAY(Double, as_tuple=True),
        PartnerKind: Word(PartnerKind),
        ServiceKind: Word(ServiceKind),
        PublicationState: Word(PublicationState),
        Responsibility: Word(Responsibility),
        DataProtectionLaw: Word(DataProtectionLaw),
        ChangeField: Word(ChangeField),
        ChangeReason: Word(ChangeReason),
        ChangeRequestState: Word(ChangeRequestState),
        ChangeDecision: Word(ChangeDecision),
        ChangeSource: Word(ChangeSource),
        HiddenBecause: Word(HiddenBecause),
        ResponseTime: Word(ResponseTime),
        Acceptance: Word(Acceptance),
        dict[DataKind, datetime]: Json(dict[DataKind, datetime]),
        dict[str, str]: Json(dict[str, str]),
        tuple[ContactPoint, ...]: Json(tuple[ContactPoint, ...]),
        tuple[LanguageOffered, ...]: Json(tuple[LanguageOffered, ...]),
        tuple[EligibilityRule, ...]: Json(tuple[EligibilityRule, ...]),
        tuple[SourceTerm, ...]: Json(tuple[SourceTerm, ...]),
        tuple[RequiredDocument, ...]: Json(tuple[RequiredDocument, ...]),
        Capacity: Json(Capacity),
        CourseFacts: Json(CourseFacts),
        RecognitionFacts: Json(RecognitionFacts),
        InterpretingFacts: Json(InterpretingFacts),
        ReferralFacts: Json(ReferralFacts),
        OpeningHours: Json(OpeningHours),
        Provenance: Json(Provenance),
        TextDates: Json(TextDates),
    }


class Municipality(Base):
    """A town or district that runs the project (Kommune); ``ars`` is its official key.

    ``licence``: under which the entries that are kept here may be used on; imported ones have their own.
    """

    __tablename__ = "municipality"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    ars: Mapped[str] = mapped_column(unique=True)
    name: Mapped[dict[str, str]]
    kind_labels: Mapped[dict[str, dict[str, str]]] = mapped_column(Json(dict[str, dict[str, str]]))
    licence: Mapped[str | None]


class Topic(Base):
    """A topic of the open vocabulary that classifies services and needs (Thema)."""

    __tablename__ = "topic"

    code: Mapped[str] = mapped_column(primary_key=True)
    labels: Mapped[dict[str, str]]
    synonyms: Mapped[dict[str, tuple[str, ...]]] = mapped_column(Json(dict[str, tuple[str, ...]]))
    parent: Mapped[str | None] = mapped_column(ForeignKey("topic.code"))


class Occupation(Base):
    """An occupation by ESCO URI (Beruf), regulated by law or not (reglementiert)."""

    __tablename__ = "occupation"

    esco: Mapped[str] = mapped_column(primary_key=True)
    labels: Mapped[dict[str, str]]
    regulated: Mapped[bool]


class Partner(Base):
    """An organisation in the network (Partner; HSDS organization).

    ``source_language``: of its texts, what the others are translated from. ``ended_at``: it was merged or
    deleted; the row stays for what refers to it, and nobody finds it any more. ``said_at``: when the source
    of an imported entry last said something new of it.
    """

    __tablename__ = "partner"
    __table_args__ = (
        Index("partner_municipality", "municipality_id"),
        Index("partner_stale_texts", "municipality_id", "id", postgresql_where=text("text_dates ? 'stale'")),
        Index(
            "partner_one_coordination",
            "municipality_id",
            unique=True,
            postgresql_where=text("coordinates"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    municipality_id: Mapped[UUID] = mapped_column(ForeignKey("municipality.id"))
    kind: Mapped[PartnerKind]
    name: Mapped[str]
    description: Mapped[dict[str, str]]
    website: Mapped[str | None]
    contact_points: Mapped[tuple[ContactPoint, ...]]
    languages: Mapped[tuple[LanguageOffered, ...]]
    state: Mapped[PublicationState]
    active: Mapped[bool] = mapped_column(default=True)
    coordinates: Mapped[bool] = mapped_column(default=False)
    data_protection_law: Mapped[DataProtectionLaw] = mapped_column(default=DataProtectionLaw.GDPR)
    professional_secrecy: Mapped[bool] = mapped_column(default=False)
    public_body: Mapped[bool] = mapped_column(default=False)
    school: Mapped[bool] = mapped_column(default=False)
    superior_contact: Mapped[str | None]
    correspondence_language: Mapped[str] = mapped_column(default="de", server_default="de")
    note: Mapped[str | None]
    assured_at: Mapped[datetime | None]
    assured_kinds: Mapped[dict[DataKind, datetime] | None]
    hidden_because: Mapped[HiddenBecause | None]
    provenance: Mapped[Provenance | None]
    source_language: Mapped[str] = mapped_column(default="de", server_default="de")
    text_dates: Mapped[TextDates] = mapped_column(default=TextDates, server_default=text("'{}'"))
    ended_at: Mapped[datetime | None]
    said_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime]

    municipality: Mapped[Municipality] = relationship(lazy="raise")
    locations: Mapped[list[Location]] = relationship(
        lazy="raise", order_by="Location.name, Location.id", back_populates="partner"
    )


class Location(Base):
    """A place of a partner (Standort; HSDS location); coordinates in degrees WGS 84."""

    __tablename__ = "location"
    __table_args__ = (Index("location_partner", "partner_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    name: Mapped[str]
    street: Mapped[str | None]
    postcode: Mapped[str | None]
    city: Mapped[str | None]
    ars: Mapped[str | None]
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    accessibility: Mapped[dict[str, str]]
    hours: Mapped[OpeningHours | None]

    partner: Mapped[Partner] = relationship(lazy="raise", back_populates="locations")


class ServiceTopic(Base):
    """Which topics a service is about; ``position`` keeps the order in which they were given."""

    __tablename__ = "service_topic"

    service_id: Mapped[UUID] = mapped_column(ForeignKey("service.id"), primary_key=True)
    topic_code: Mapped[str] = mapped_column(ForeignKey("topic.code"), primary_key=True)
    position: Mapped[int] = mapped_column(default=0)


class ServiceLocation(Base):
    """Where a service is offered (HSDS service_at_location)."""

    __tablename__ = "service_location"

    service_id: Mapped[UUID] = mapped_column(ForeignKey("service.id"), primary_key=True)
    location_id: Mapped[UUID] = mapped_column(ForeignKey("location.id"), primary_key=True)
    position: Mapped[int] = mapped_column(default=0)


class Service(Base):
    """What a partner offers (Angebot; HSDS service).

    ``kind`` is None only for imported services that fit none of the eleven kinds; they keep their
    ``source_terms``. ``capacity.places`` is what can still be taken: accepting a referral takes one.
    """

    __tablename__ = "service"
    __table_args__ = (
        Index("service_partner", "partner_id"),
        Index("service_stale_texts", "partner_id", "id", postgresql_where=text("text_dates ? 'stale'")),
        CheckConstraint("kind IS NOT NULL OR provenance IS NOT NULL", name="service_kind_known_or_imported"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    kind: Mapped[ServiceKind | None]
    title: Mapped[dict[str, str]]
    description: Mapped[dict[str, str]]
    website: Mapped[str | None]
    source_terms: Mapped[tuple[SourceTerm, ...]]
    languages: Mapped[tuple[LanguageOffered, ...]]
    eligibility: Mapped[tuple[EligibilityRule, ...]]
    area: Mapped[tuple[str, ...]]
    responsibility: Mapped[Responsibility] = mapped_column(default=Responsibility.FREE)
    contact_points: Mapped[tuple[ContactPoint, ...]]
    capacity: Mapped[Capacity]
    course: Mapped[CourseFacts | None]
    recognition: Mapped[RecognitionFacts | None]
    interpreting: Mapped[InterpretingFacts | None]
    referral_facts: Mapped[ReferralFacts | None]
    application_process: Mapped[dict[str, str]] = mapped_column(default=dict, server_default=text("'{}'"))
    required_documents: Mapped[tuple[RequiredDocument, ...]] = mapped_column(
        default=(), server_default=text("'[]'")
    )
    state: Mapped[PublicationState]
    note: Mapped[str | None]
    assured_at: Mapped[datetime | None]
    assured_kinds: Mapped[dict[DataKind, datetime] | None]
    hidden_because: Mapped[HiddenBecause | None]
    provenance: Mapped[Provenance | None]
    source_language: Mapped[str] = mapped_column(default="de", server_default="de")
    text_dates: Mapped[TextDates] = mapped_column(default=TextDates, server_default=text("'{}'"))
    ended_at: Mapped[datetime | None]
    said_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime]

    partner: Mapped[Partner] = relationship(lazy="raise")
    topics: Mapped[list[Topic]] = relationship(
        lazy="raise", secondary="service_topic", order_by="ServiceTopic.position, Topic.code", viewonly=True
    )
    locations: Mapped[list[Location]] = relationship(
        lazy="raise",
        secondary="service_location",
        order_by="ServiceLocation.position, Location.id",
        viewonly=True,
    )


class PartnerDocumentRow(Base):
    """A partner's stored document beside the few columns that lists filter and sort by.

    ``modified_at`` and what follows it: what HSDS lists filter by (``directory.hsds.listing``).
    """

    __tablename__ = "partner_document"
    __table_args__ = (
        Index("partner_document_order", "sort_key", "id"),
        Index("partner_document_municipality", "municipality_id"),
        Index("partner_document_likeness", "likeness", postgresql_using="gin"),
        Index("partner_document_due", "due_at", "id"),
        Index("partner_document_modified", "modified_at", "id"),
        Index("partner_document_postcodes", "postcodes", postgresql_using="gin"),
    )

    id: Mapped[UUID] = mapped_column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    municipality_id: Mapped[UUID]
    kind: Mapped[PartnerKind]
    state: Mapped[PublicationState]
    sort_key: Mapped[bytes] = mapped_column(LargeBinary)
    version: Mapped[int]
    shape: Mapped[int]
    due_at: Mapped[datetime | None]
    likeness: Mapped[tuple[str, ...]] = mapped_column(default=(), server_default=text("'{}'"))
    modified_at: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    terms: Mapped[tuple[str, ...]] = mapped_column(server_default=text("'{}'"))
    words: Mapped[str] = mapped_column(server_default=text("''"))
    postcodes: Mapped[tuple[str, ...]] = mapped_column(server_default=text("'{}'"))
    public: Mapped[str]
    internal: Mapped[str]


class ServiceDocumentRow(Base):
    """A service's stored document beside the few columns that lists filter and sort by.

    ``state`` is PUBLISHED only if its partner is published too: what readers may see, in one column.
    ``modified_at`` and what follows it: what HSDS lists filter by (``directory.hsds.listing``).
    """

    __tablename__ = "service_document"
    __table_args__ = (
        Index("service_document_order", "sort_key", "id"),
        Index("service_document_partner", "partner_id", "sort_key", "id"),
        Index("service_document_municipality", "municipality_id"),
        Index("service_document_topics", "topics", postgresql_using="gin"),
        Index("service_document_likeness", "likeness", postgresql_using="gin"),
        Index("service_document_due", "due_at", "id"),
        Index("service_document_modified", "modified_at", "id"),
        Index("service_document_terms", "terms", postgresql_using="gin"),
        Index("service_document_at_locations", "at_locations", postgresql_using="gin"),
        Index("service_document_postcodes", "postcodes", postgresql_using="gin"),
    )

    id: Mapped[UUID] = mapped_column(ForeignKey("service.id", ondelete="CASCADE"), primary_key=True)
    partner_id: Mapped[UUID]
    municipality_id: Mapped[UUID]
    kind: Mapped[ServiceKind | None]
    topics: Mapped[tuple[str, ...]]
    course: Mapped[CourseFacts | None]
    state: Mapped[PublicationState]
    sort_key: Mapped[bytes] = mapped_column(LargeBinary)
    version: Mapped[int]
    shape: Mapped[int]
    due_at: Mapped[datetime | None]
    likeness: Mapped[tuple[str, ...]] = mapped_column(default=(), server_default=text("'{}'"))
    modified_at: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    terms: Mapped[tuple[str, ...]] = mapped_column(server_default=text("'{}'"))
    foreign_terms: Mapped[tuple[str, ...]] = mapped_column(server_default=text("'{}'"))
    area: Mapped[tuple[str, ...]] = mapped_column(server_default=text("'{}'"))
    at_locations: Mapped[tuple[str, ...]] = mapped_column(server_default=text("'{}'"))
    postcodes: Mapped[tuple[str, ...]] = mapped_column(server_default=text("'{}'"))
    latitudes: Mapped[tuple[float | None, ...]] = mapped_column(server_default=text("'{}'"))
    longitudes: Mapped[tuple[float | None, ...]] = mapped_column(server_default=text("'{}'"))
    public: Mapped[str]
    internal: Mapped[str]


class EntryVersion(Base):
    """A version of a partner's or service's entry: what it said then, who made it, and why (append only).

    Either the whole ``snapshot`` of the entry's own fields, or a ``patch`` on that of the version ``base``.
    Written by the database beside the documents (``directory.building``); see ``directory.history``.
    """

    __tablename__ = "entry_version"
    __table_args__ = (
        CheckConstraint("(snapshot IS NULL) <> (patch IS NULL)", name="entry_version_whole_or_patch"),
        CheckConstraint("snapshot IS NULL OR base = version", name="entry_version_base"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    municipality_id: Mapped[UUID] = mapped_column(ForeignKey("municipality.id"))
    action: Mapped[str]
    role: Mapped[str]
    member_id: Mapped[UUID | None]
    partner_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    base: Mapped[int]
    snapshot: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    patch: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class EntryAlias(Base):
    """The id of an entry that was merged into another one, which answers for it; one step, never a chain."""

    __tablename__ = "entry_alias"
    __table_args__ = (Index("entry_alias_survivor", "survivor_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    survivor_id: Mapped[UUID]
    merged_at: Mapped[datetime]


class NotDuplicates(Base):
    """Two entries of one kind that look alike and are two different ones: the coordination has said so.

    ``one`` is the lower id. Readable for the coordination of the municipality only.
    """

    __tablename__ = "not_duplicates"
    __table_args__ = (
        CheckConstraint("one < other", name="not_duplicates_ordered"),
        UniqueConstraint("one", "other", name="not_duplicates_once"),
        Index("not_duplicates_other", "other"),
        Index("not_duplicates_latest", "municipality_id", "at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str]
    one: Mapped[UUID]
    other: Mapped[UUID]
    municipality_id: Mapped[UUID] = mapped_column(ForeignKey("municipality.id"))
    member_id: Mapped[UUID | None]
    at: Mapped[datetime]


class Feed(Base):
    """The identity of the change feed; it changes when a backup is restored, and followers rebuild."""

    __tablename__ = "feed"
    __table_args__ = (CheckConstraint("singleton", name="feed_is_one_row"),)

    singleton: Mapped[bool] = mapped_column(primary_key=True, default=True)
    id: Mapped[UUID]


class Change(Base):
    """The latest change of each document, in commit order by ``sequence`` (DESIGN 3.5).

    ``shown``: it has been published at some time, so who follows from outside must hear that it is gone.
    ``facets``: what the published entry is chosen by in the feed; ``ever_facets``: by what it ever was, '*'
    for what is not known. ``source``: it was imported from; ``exported_as``: the id under which HSDS exports
    give it back, where that is its source's.
    """

    __tablename__ = "change"
    __table_args__ = (
        Index("change_sequence", "sequence", unique=True),
        Index("change_exported_as", "exported_as", postgresql_where=text("exported_as IS NOT NULL")),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int]
    tombstone: Mapped[bool] = mapped_column(default=False)
    shown: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    facets: Mapped[tuple[str, ...]] = mapped_column(default=(), server_default=text("'{}'"))
    ever_facets: Mapped[tuple[str, ...]] = mapped_column(default=(), server_default=text("'{}'"))
    source: Mapped[str | None]
    exported_as: Mapped[str | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Member(Base):
    """Somebody who acts for an organisation (Mitglied); ``name`` is what colleagues see.

    ``deputy_id`` takes over their open referrals when they are removed (Vertretung).
    """

    __tablename__ = "member"
    __table_args__ = (Index("member_partner", "partner_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    name: Mapped[str]
    role: Mapped[str]
    administers: Mapped[bool] = mapped_column(default=False)
    deputy_id: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    sign_in_email: Mapped[str | None] = mapped_column(unique=True)
    sign_in_subject: Mapped[str | None] = mapped_column(unique=True)


class WebSession(Base):
    """A session of a member in a browser, kept as SHA-256 only; ``seen_at`` is exact to a minute."""

    __tablename__ = "web_session"
    __table_args__ = (Index("web_session_member", "member_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    member_id: Mapped[UUID] = mapped_column(ForeignKey("member.id"))
    session_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class AccessToken(Base):
    """A token of a member, kept as SHA-256 only; revoked at once, never longer than its end."""

    __tablename__ = "access_token"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    member_id: Mapped[UUID] = mapped_column(ForeignKey("member.id"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    label: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Idempotency(Base):
    """That an actor has done an operation under a key: the input's hash and the id of what it made."""

    __tablename__ = "idempotency"

    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    input_hash: Mapped[bytes] = mapped_column(LargeBinary)
    result_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=NOW)


class ChangeRequest(Base):
    """That something in an entry seems to be wrong (Änderungsvorschlag); no word about a person.

    ``target_id`` is the service, the partner or (opening hours) the partner's location that it is about.
    At most one is open per target, field and proposal (``digest``, empty without one): ``times`` counts what
    speaks for it, the last time at ``last_at``. ``before`` is the value that was proposed against. Its
    partner or the coordination decides; then ``remark`` is deleted.
    """

    __tablename__ = "change_request"
    __table_args__ = (
        Index(
            "change_request_one_open",
            "target_id",
            "field",
            "digest",
            unique=True,
            postgresql_where=text("state = 'OPEN'"),
        ),
        Index("change_request_partner", "partner_id", "last_at", "id"),
        Index("change_request_service", "service_id"),
        CheckConstraint("times > 0", name="change_request_times_positive"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    service_id: Mapped[UUID | None] = mapped_column(ForeignKey("service.id"))
    target_id: Mapped[UUID]
    source: Mapped[ChangeSource] = mapped_column(server_default="DECLINE")
    proposed: Mapped[dict[str, str] | None]
    before: Mapped[dict[str, str] | None]
    remark: Mapped[str | None]
    digest: Mapped[bytes] = mapped_column(LargeBinary, server_default="")
    field: Mapped[ChangeField]
    reason: Mapped[ChangeReason]
    times: Mapped[int] = mapped_column(default=1)
    state: Mapped[ChangeRequestState]
    opened_at: Mapped[datetime]
    last_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("member.id"))
    decision_reason: Mapped[ChangeDecision | None]
    version: Mapped[int] = mapped_column(default=1)


class Upkeep(Base):
    """How far the chain has come about an entry that is due (``freshness.CHAINS``); one row per such entry.

    ``progress``: per chain the round and the last step of it. ``version``: of the document that it was judged
    by. ``next_on``: the day on which it is looked at again.
    """

    __tablename__ = "upkeep"

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    entry_kind: Mapped[str]
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id", ondelete="CASCADE"))
    version: Mapped[int]
    progress: Mapped[dict[Chain, Progress]] = mapped_column(Json(dict[Chain, Progress]))
    next_on: Mapped[date | None]


class UpkeepLink(Base):
    """A link with which a partner says, without an account, that its entries are right; kept as a hash."""

    __tablename__ = "upkeep_link"
    __table_args__ = (Index("upkeep_link_partner", "partner_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class PartnerFigureRow(Base):
    """How a partner answered in a window, in classes (``directory.figures``); readable by everybody."""

    __tablename__ = "partner_figure"

    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    response_time: Mapped[ResponseTime]
    acceptance: Mapped[Acceptance]
    since: Mapped[date]
    until: Mapped[date]


class FigureWindow(Base):
    """That the figures of the window that ends on ``until`` stand, of so many partners; never done again."""

    __tablename__ = "figure_window"

    until: Mapped[date] = mapped_column(primary_key=True)
    published_at: Mapped[datetime]
    partners: Mapped[int]


class MemberMailbox(Base):
    """Where a member is written to, in which language; nothing but the question before ``confirmed_at``."""

    __tablename__ = "member_mailbox"

    member_id: Mapped[UUID] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), primary_key=True)
    address: Mapped[str]
    language: Mapped[str]
    asked_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]


class MailboxLink(Base):
    """A link with which whoever reads a mailbox says yes to mail, or no more; kept as a hash."""

    __tablename__ = "mailbox_link"
    __table_args__ = (Index("mailbox_link_member", "member_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    member_id: Mapped[UUID] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"))
    address: Mapped[str]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class LinkCheck(Base):
    """What became of the last looks at a published website; ``failed_days`` in a row, each on another day."""

    __tablename__ = "link_check"

    target_id: Mapped[UUID] = mapped_column(primary_key=True)
    url: Mapped[str]
    checked_on: Mapped[date]
    failed_days: Mapped[int]
    outcome: Mapped[str]


class Audit(Base):
    """Who did what to which object, when; ids and codes only, never personal data (append only)."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_object", "object_kind", "object_id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    role: Mapped[str]
    member_id: Mapped[UUID | None]
    partner_id: Mapped[UUID | None]
    action: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[UUID]
    details: Mapped[dict[str, str]]
