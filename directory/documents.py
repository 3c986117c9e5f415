"""What readers of the directory see: one document per partner and one per service (DESIGN 3.3).

Pure: no SQLAlchemy, no clock, no reader. A document holds dates, never "today". The ``public`` part is
indexed, exported and sent to others; the ``internal`` part is for the partner and the coordination only.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from directory.values import (
    Capacity,
    ContactPoint,
    CourseFacts,
    EligibilityRule,
    Instant,
    InterpretingFacts,
    LanguageOffered,
    LanguageTag,
    LocationValue,
    MunicipalitySummary,
    PartnerSummary,
    Provenance,
    RecognitionFacts,
    ReferralFacts,
    RequiredDocument,
    SourceTerm,
    TerritoryKey,
    Texts,
    Titles,
    TopicTerm,
    Value,
)
from directory.vocabulary import DataKind, PartnerKind, PublicationState, Responsibility, ServiceKind

SHAPE: Final = 2
"""Number of the documents' shape; a release that changes it brings a rebuild (``spurwechsel migrate``)."""


class DocumentKind(StrEnum):
    """Which aggregate a document is of."""

    PARTNER = "PARTNER"
    SERVICE = "SERVICE"


class PartnerDocument(Value, frozen=True, kw_only=True):
    """The public part of a partner's entry (HSDS organization).

    ``stale``: by field, the languages whose text is older than what it was translated from. ``said_at``: when
    the source of an imported entry last said something new of it; ``updated_at``, when anything here changed.
    """

    id: UUID
    version: int
    municipality: MunicipalitySummary
    kind: PartnerKind
    name: str
    description: Texts = {}
    source_language: LanguageTag = "de"
    stale: dict[str, tuple[LanguageTag, ...]] = {}
    website: str | None = None
    contact_points: tuple[ContactPoint, ...] = ()
    locations: tuple[LocationValue, ...] = ()
    languages: tuple[LanguageOffered, ...] = ()
    state: PublicationState
    active: bool = True
    coordinates: bool = False
    public_body: bool = False
    assured_at: Instant | None = None
    assured_kinds: dict[DataKind, Instant] = {}
    provenance: Provenance | None = None
    said_at: Instant | None = None
    updated_at: Instant


class ServiceDocument(Value, frozen=True, kw_only=True):
    """The public part of a service's entry (HSDS service); its partner appears as a summary."""

    id: UUID
    version: int
    partner: PartnerSummary
    municipality: MunicipalitySummary
    kind: ServiceKind | None = None
    title: Titles
    description: Texts = {}
    source_language: LanguageTag = "de"
    stale: dict[str, tuple[LanguageTag, ...]] = {}
    website: str | None = None
    topics: tuple[TopicTerm, ...] = ()
    source_terms: tuple[SourceTerm, ...] = ()
    languages: tuple[LanguageOffered, ...] = ()
    eligibility: tuple[EligibilityRule, ...] = ()
    area: tuple[TerritoryKey, ...] = ()
    responsibility: Responsibility = Responsibility.FREE
    locations: tuple[LocationValue, ...] = ()
    contact_points: tuple[ContactPoint, ...] = ()
    capacity: Capacity = Capacity()
    course: CourseFacts | None = None
    recognition: RecognitionFacts | None = None
    interpreting: InterpretingFacts | None = None
    referral_facts: ReferralFacts | None = None
    application_process: Texts = {}
    required_documents: tuple[RequiredDocument, ...] = ()
    state: PublicationState
    assured_at: Instant | None = None
    assured_kinds: dict[DataKind, Instant] = {}
    provenance: Provenance | None = None
    said_at: Instant | None = None
    updated_at: Instant


class InternalDocument(Value, frozen=True, kw_only=True):
    """The internal part of an entry: a note that only its partner and the coordination read."""

    note: str | None = None


def licence_of(document: PartnerDocument | ServiceDocument) -> str | None:
    """Return under which licence an entry may be used on: its source's if it was imported, else its town's.

    SPDX identifier or address; None when nobody has said.
    """
    if document.provenance is not None:
        return document.provenance.licence
    return document.municipality.licence


encoder: Final = msgspec.json.Encoder()
partner_decoder: Final = msgspec.json.Decoder(PartnerDocument)
service_decoder: Final = msgspec.json.Decoder(ServiceDocument)
