"""The German profile of HSDS: what is said of entries beyond HSDS 3.2.3, and only to whom asks for it.

Eligibility rules by residence status, the key of the municipality (ARS), where an entry came from, all
translations, and what HSDS cannot say exactly (extensions with leading zeros, wall times with their zone).
"""

from __future__ import annotations

from typing import Final

from directory.hsds import shapes
from directory.values import (
    Capacity,
    CourseFacts,
    EligibilityRule,
    InterpretingFacts,
    LanguageTag,
    Provenance,
    RecognitionFacts,
    ReferralFacts,
    TerritoryKey,
    Texts,
    WallTime,
)
from directory.vocabulary import Responsibility

NAME: Final = "de"
"""What callers ask for: ``profile=de``."""


class GermanPhone(shapes.Phone, frozen=True, kw_only=True):
    """A telephone number whose extension keeps its leading zeros."""

    extension_text: str | None = None


class GermanSchedule(shapes.Schedule, frozen=True, kw_only=True):
    """Opening hours as wall times of an IANA time zone: right on every date, summer and winter."""

    zone: str | None = None
    opens_at_wall: WallTime | None = None
    closes_at_wall: WallTime | None = None
    closed_on_holidays: bool | None = None
    by_appointment: bool | None = None


class GermanServiceArea(shapes.ServiceArea, frozen=True, kw_only=True):
    """An area by its official key (ARS) or a prefix of it."""

    municipality_key: TerritoryKey | None = None


class GermanLocation(shapes.Location, frozen=True, kw_only=True):
    """A place with the official key (ARS) of where it lies."""

    municipality_key: TerritoryKey | None = None


class GermanOrganization(shapes.Organization, frozen=True, kw_only=True):
    """An organisation with the municipality in whose directory it stands, and where its entry came from.

    ``translations``: name of an HSDS member to its text in every language (BCP 47); ``stale_translations``:
    by member, the languages whose text is older than what it was translated from.
    """

    municipality_key: TerritoryKey | None = None
    provenance: Provenance | None = None
    translations: dict[str, Texts] = {}
    stale_translations: dict[str, tuple[LanguageTag, ...]] = {}


class GermanService(shapes.Service, frozen=True, kw_only=True):
    """A service with its eligibility as rules, and everything else that the directory knows of it.

    ``eligibility_rules``: the first that applies on a day decides; when none does, ask the provider.
    ``responsibility``: whether the place of residence decides who is responsible.
    """

    eligibility_rules: tuple[EligibilityRule, ...] = ()
    responsibility: Responsibility | None = None
    municipality_key: TerritoryKey | None = None
    provenance: Provenance | None = None
    translations: dict[str, Texts] = {}
    stale_translations: dict[str, tuple[LanguageTag, ...]] = {}
    capacity: Capacity | None = None
    course: CourseFacts | None = None
    recognition: RecognitionFacts | None = None
    interpreting: InterpretingFacts | None = None
    referral_facts: ReferralFacts | None = None


EXTENDED: Final[dict[str, type[shapes.Shape]]] = {
    "location": GermanLocation,
    "organization": GermanOrganization,
    "phone": GermanPhone,
    "schedule": GermanSchedule,
    "service": GermanService,
    "service_area": GermanServiceArea,
}
"""The objects that the profile extends, under their names in HSDS."""
