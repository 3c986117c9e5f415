"""What leaves the sender: exactly the fields of the consented categories, nothing else.

Pure. The preview that the person is shown and the package that is sent come from the same function.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final

import msgspec

from directory.values import LanguageTag, ShortText, TopicCode, Value
from directory.vocabulary import CefrLevel, LegalCircle, ResidenceStatus, WorkPermission
from referrals.values import Contact, Identity, NoteText, Phone, Profile
from referrals.vocabulary import DataCategory


class PersonFacts(Value, frozen=True, kw_only=True):
    """Everything about a person that a category can share, flat; an absent fact is None or empty."""

    family_name: ShortText | None = None
    given_names: ShortText | None = None
    date_of_birth: date | None = None
    phone: Phone | None = None
    email: str | None = None
    address: ShortText | None = None
    languages: tuple[LanguageTag, ...] = ()
    residence_status: ResidenceStatus | None = None
    legal_circle: LegalCircle | None = None
    status_valid_until: date | None = None
    work_permission: WorkPermission | None = None
    level: CefrLevel | None = None
    qualifications: tuple[ShortText, ...] = ()
    competences: tuple[ShortText, ...] = ()
    experience: tuple[ShortText, ...] = ()
    needs: tuple[TopicCode, ...] = ()
    family_care: NoteText | None = None
    health: NoteText | None = None
    documents: tuple[ShortText, ...] = ()


FIELDS: Final[dict[DataCategory, tuple[str, ...]]] = {
    DataCategory.IDENTITY: ("family_name", "given_names", "date_of_birth"),
    DataCategory.CONTACT: ("phone", "email", "address"),
    DataCategory.LANGUAGE: ("languages",),
    DataCategory.STATUS: ("residence_status", "legal_circle"),
    DataCategory.STATUS_END: ("status_valid_until",),
    DataCategory.WORK_PERMISSION: ("work_permission",),
    DataCategory.LEVEL: ("level",),
    DataCategory.QUALIFICATION: ("qualifications", "competences"),
    DataCategory.EXPERIENCE: ("experience",),
    DataCategory.NEEDS: ("needs",),
    DataCategory.FAMILY_CARE: ("family_care",),
    DataCategory.HEALTH: ("health",),
    DataCategory.DOCUMENTS: ("documents",),
}
"""Which fields each category shares: every field of PersonFacts in exactly one category."""


class Package(Value, frozen=True, kw_only=True):
    """What a recipient reads about a person: the categories that were consented, and their fields."""

    categories: tuple[DataCategory, ...]
    person: PersonFacts


decoder: Final = msgspec.json.Decoder(Package)
encoder: Final = msgspec.json.Encoder()


def facts(
    *,
    identity: Identity | None,
    contact: Contact | None,
    profile: Profile | None,
    languages: tuple[str, ...] = (),
    residence_status: ResidenceStatus | None = None,
    legal_circle: LegalCircle | None = None,
    status_valid_until: date | None = None,
    needs: tuple[str, ...] = (),
) -> PersonFacts:
    """Lay out what is known of a client flat, as the categories share it."""
    named = identity
    reached = contact or Contact()
    known = profile or Profile()
    return PersonFacts(
        family_name=named.family_name if named else None,
        given_names=named.given_names if named else None,
        date_of_birth=named.date_of_birth if named else None,
        phone=reached.phone,
        email=reached.email,
        address=reached.address,
        languages=languages,
        residence_status=residence_status,
        legal_circle=legal_circle,
        status_valid_until=status_valid_until,
        work_permission=known.work_permission,
        level=known.level,
        qualifications=known.qualifications,
        competences=known.competences,
        experience=known.experience,
        needs=needs,
        family_care=known.family_care,
        health=known.health,
        documents=known.documents,
    )


def package_for(person: PersonFacts, categories: Collection[DataCategory]) -> Package:
    """Return the package with the fields of these categories only; the order is the vocabulary's."""
    chosen = tuple(category for category in DataCategory if category in categories)
    return Package(
        categories=chosen,
        person=PersonFacts(
            **{field: getattr(person, field) for category in chosen for field in FIELDS[category]}
        ),
    )
