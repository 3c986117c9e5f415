"""The network file: the exchange's own import format, one JSON file per network.

Pure: structs and their reading only; taking a file over is the importer's work. Keys (``key``) are the
file's own stable names; ids are UUIDv5 of source and key, so that importing twice changes nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from directory.values import (
    Capacity,
    ContactPoint,
    CourseFacts,
    EligibilityRule,
    Instant,
    InterpretingFacts,
    LanguageOffered,
    OpeningHours,
    RecognitionFacts,
    ReferralFacts,
    RequiredDocument,
    ShortText,
    TerritoryKey,
    Texts,
    Titles,
    TopicCode,
    Value,
)
from directory.vocabulary import (
    DataProtectionLaw,
    PartnerKind,
    PublicationState,
    Responsibility,
    ServiceKind,
)

Key: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]


class MunicipalityEntry(Value, frozen=True, kw_only=True):
    """A municipality or district that runs the project; ``coordination`` is the key of its own partner.

    ``kind_labels``: how this municipality calls a partner kind, e.g. "Projekte FB 15". ``licence``: under
    which its own entries may be used on (SPDX identifier or address).
    """

    key: Key
    name: Titles
    ars: TerritoryKey
    coordination: Key | None = None
    kind_labels: dict[PartnerKind, Titles] = {}
    licence: ShortText | None = None


class TopicEntry(Value, frozen=True, kw_only=True):
    """A topic of the open vocabulary; ``synonyms`` per language are words people use for it."""

    code: TopicCode
    labels: Titles
    synonyms: dict[str, tuple[ShortText, ...]] = {}
    parent: TopicCode | None = None


class OccupationEntry(Value, frozen=True, kw_only=True):
    """An occupation by its ESCO URI; ``regulated`` by German law or not."""

    esco: Annotated[str, msgspec.Meta(pattern=r"^http://data\.europa\.eu/esco/", max_length=200)]
    labels: Titles
    regulated: bool


class LocationEntry(Value, frozen=True, kw_only=True):
    """A place of a partner (HSDS location)."""

    key: Key
    name: ShortText
    street: str | None = None
    postcode: str | None = None
    city: str | None = None
    ars: TerritoryKey | None = None
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    accessibility: Texts = {}
    hours: OpeningHours | None = None


class ServiceEntry(Value, frozen=True, kw_only=True):
    """A service of a partner (HSDS service)."""

    key: Key
    kind: ServiceKind
    title: Titles
    description: Texts = {}
    website: str | None = None
    topics: tuple[TopicCode, ...] = ()
    languages: tuple[LanguageOffered, ...] = ()
    eligibility: tuple[EligibilityRule, ...] = ()
    area: tuple[TerritoryKey, ...] = ()
    responsibility: Responsibility = Responsibility.FREE
    locations: tuple[Key, ...] = ()
    contact_points: tuple[ContactPoint, ...] = ()
    capacity: Capacity = Capacity()
    course: CourseFacts | None = None
    recognition: RecognitionFacts | None = None
    interpreting: InterpretingFacts | None = None
    referral_facts: ReferralFacts | None = None
    application_process: Texts = {}
    required_documents: tuple[RequiredDocument, ...] = ()
    state: PublicationState = PublicationState.PUBLISHED
    assured_at: Instant | None = None
    note: str | None = None


class PartnerEntry(Value, frozen=True, kw_only=True):
    """A partner with its places and services (HSDS organization).

    ``professional_secrecy``: staff are bound by § 203 StGB. ``public_body`` and ``school`` decide whether
    the notice about § 87 AufenthG is shown.
    """

    key: Key
    kind: PartnerKind
    name: ShortText
    description: Texts = {}
    website: str | None = None
    contact_points: tuple[ContactPoint, ...] = ()
    languages: tuple[LanguageOffered, ...] = ()
    locations: tuple[LocationEntry, ...] = ()
    services: tuple[ServiceEntry, ...] = ()
    state: PublicationState = PublicationState.PUBLISHED
    data_protection_law: DataProtectionLaw = DataProtectionLaw.GDPR
    professional_secrecy: bool = False
    public_body: bool = False
    school: bool = False
    superior_contact: str | None = None
    assured_at: Instant | None = None
    note: str | None = None


class NetworkFile(Value, frozen=True, kw_only=True):
    """One network: its municipality, vocabularies, partners with services; clients are for ``referrals``."""

    format: Literal["spurwechsel-network/1"]
    source: Key
    licence: str | None = None
    municipality: MunicipalityEntry
    topics: tuple[TopicEntry, ...] = ()
    occupations: tuple[OccupationEntry, ...] = ()
    partners: tuple[PartnerEntry, ...] = ()
    clients: msgspec.Raw = msgspec.Raw(b"[]")


decoder: msgspec.json.Decoder[NetworkFile] = msgspec.json.Decoder(NetworkFile)
