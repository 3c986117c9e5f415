"""Creates and changes partners, their locations and their services; keeps the count of free places.

Every function takes the open work, checks rights (``directory.policy``) and input (``directory.checking``),
and answers with id and new version. Unknown or foreign: NotFound; a refused value: InvalidInput with its
path in the input; somebody was faster: StaleVersion. Knows no GraphQL.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import joinedload

from directory import checking as check
from directory.building import visible_state
from directory.change_requests import settle
from directory.contacts import url
from directory.database import Work
from directory.days import local_day
from directory.documents import DocumentKind
from directory.freshness import KIND_OF_FIELD
from directory.hours import format_hours, parse_hours
from directory.models import (
    Location,
    Municipality,
    Partner,
    Service,
    ServiceDocumentRow,
    ServiceLocation,
    ServiceTopic,
)
from directory.policy import (
    EntryFacts,
    coordinates_there,
    require_assure,
    require_change_partner,
    require_change_service,
    require_create_partner,
)
from directory.problems import InvalidInput, NoPlaceLeft, NotFound, StaleVersion
from directory.translations import TEXT_FIELDS, dated
from directory.values import (
    Capacity,
    ContactPoint,
    CourseFacts,
    EligibilityRule,
    InterpretingFacts,
    LanguageOffered,
    LanguageTag,
    OpeningHours,
    RecognitionFacts,
    ReferralFacts,
    RequiredDocument,
    TextDates,
)
from directory.vocabulary import (
    CapacityState,
    ChangeField,
    DataKind,
    DataProtectionLaw,
    HiddenBecause,
    PartnerKind,
    PublicationState,
    Responsibility,
    ServiceKind,
)

MOST_LOCATIONS: Final = 200
"""How many locations a partner has at most: its document lists them all."""

T = TypeVar("T")


class Saved(msgspec.Struct, frozen=True):
    """What was written: the id of the entry, and its version now."""

    id: UUID
    version: int


class _Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what callers give; in a change, a field that is UNSET stays as it is and None clears it."""


class LocationDraft(_Input, frozen=True, kw_only=True):
    """A new place of a partner; ``hours`` are periods or an OpenStreetMap text."""

    name: str
    street: str | None = None
    postcode: str | None = None
    city: str | None = None
    ars: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    accessibility: Mapping[str, str] = {}
    hours: OpeningHours | str | None = None


class LocationChange(_Input, frozen=True, kw_only=True):
    """What changes of a place."""

    name: str | UnsetType = UNSET
    street: str | UnsetType | None = UNSET
    postcode: str | UnsetType | None = UNSET
    city: str | UnsetType | None = UNSET
    ars: str | UnsetType | None = UNSET
    latitude: float | UnsetType | None = UNSET
    longitude: float | UnsetType | None = UNSET
    accessibility: Mapping[str, str] | UnsetType = UNSET
    hours: OpeningHours | str | UnsetType | None = UNSET


class PartnerDraft(_Input, frozen=True, kw_only=True):
    """A new partner; it begins as a draft."""

    municipality_id: UUID
    kind: PartnerKind
    name: str
    description: Mapping[str, str] = {}
    website: str | None = None
    contact_points: Sequence[ContactPoint] = ()
    languages: Sequence[LanguageOffered] = ()
    data_protection_law: DataProtectionLaw = DataProtectionLaw.GDPR
    professional_secrecy: bool = False
    public_body: bool = False
    school: bool = False
    superior_contact: str | None = None
    correspondence_language: LanguageTag = "de"
    source_language: LanguageTag = "de"
    note: str | None = None


class PartnerChange(_Input, frozen=True, kw_only=True):
    """What changes of a partner; ``kind`` and ``active`` are the coordination's to change."""

    kind: PartnerKind | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: Mapping[str, str] | UnsetType = UNSET
    website: str | UnsetType | None = UNSET
    contact_points: Sequence[ContactPoint] | UnsetType = UNSET
    languages: Sequence[LanguageOffered] | UnsetType = UNSET
    data_protection_law: DataProtectionLaw | UnsetType = UNSET
    professional_secrecy: bool | UnsetType = UNSET
    public_body: bool | UnsetType = UNSET
    school: bool | UnsetType = UNSET
    superior_contact: str | UnsetType | None = UNSET
    correspondence_language: LanguageTag | UnsetType = UNSET
    source_language: LanguageTag | UnsetType = UNSET
    note: str | UnsetType | None = UNSET


class ServiceDraft(_Input, frozen=True, kw_only=True):
    """A new service of a partner; it begins as a draft."""

    partner_id: UUID
    kind: ServiceKind
    title: Mapping[str, str]
    description: Mapping[str, str] = {}
    source_language: LanguageTag = "de"
    website: str | None = None
    topics: Sequence[str] = ()
    languages: Sequence[LanguageOffered] = ()
    eligibility: Sequence[EligibilityRule] = ()
    area: Sequence[str] = ()
    responsibility: Responsibility = Responsibility.FREE
    location_ids: Sequence[UUID] = ()
    contact_points: Sequence[ContactPoint] = ()
    capacity: Capacity = Capacity()
    course: CourseFacts | None = None
    recognition: RecognitionFacts | None = None
    interpreting: InterpretingFacts | None = None
    referral_facts: ReferralFacts | None = None
    application_process: Mapping[str, str] = {}
    required_documents: Sequence[RequiredDocument] = ()
    note: str | None = None


class ServiceChange(_Input, frozen=True, kw_only=True):
    """What changes of a service; a list or a set of facts is replaced as a whole."""

    kind: ServiceKind | UnsetType = UNSET
    title: Mapping[str, str] | UnsetType = UNSET
    description: Mapping[str, str] | UnsetType = UNSET
    source_language: LanguageTag | UnsetType = UNSET
    website: str | UnsetType | None = UNSET
    topics: Sequence[str] | UnsetType = UNSET
    languages: Sequence[LanguageOffered] | UnsetType = UNSET
    eligibility: Sequence[EligibilityRule] | UnsetType = UNSET
    area: Sequence[str] | UnsetType = UNSET
    responsibility: Responsibility | UnsetType = UNSET
    location_ids: Sequence[UUID] | UnsetType = UNSET
    contact_points: Sequence[ContactPoint] | UnsetType = UNSET
    capacity: Capacity | UnsetType = UNSET
    course: CourseFacts | UnsetType | None = UNSET
    recognition: RecognitionFacts | UnsetType | None = UNSET
    interpreting: InterpretingFacts | UnsetType | None = UNSET
    referral_facts: ReferralFacts | UnsetType | None = UNSET
    application_process: Mapping[str, str] | UnsetType = UNSET
    required_documents: Sequence[RequiredDocument] | UnsetType = UNSET
    note: str | UnsetType | None = UNSET


Checks = Mapping[str, Callable[[Any, str, date], object]]
"""For each field: from the given value, its path and today to the value that is stored."""


def _as_given(value: T, field: str, today: date) -> T:
    """Keep a value whose type says all there is to check."""
    return value


def _or_none(checker: Callable[[Any, str], object]) -> Callable[[Any, str, date], object]:
    return lambda value, field, today: None if value is None else checker(value, field)


def _hours(value: OpeningHours | str | None, field: str, today: date) -> OpeningHours | None:
    if value is None:
        return None
    if isinstance(value, str):
        return parse_hours(value, field)
    checked = check.opening_hours(value, field)
    if not value.osm:
        return checked
    # A text that came along is the truth about times; what is said beside it counts besides.
    read = parse_hours(value.osm, f"{field}.osm", checked.timezone)
    both = msgspec.structs.replace(
        read,
        by_appointment=read.by_appointment or value.by_appointment,
        closed_on_holidays=read.closed_on_holidays and value.closed_on_holidays,
    )
    return read if both == read else msgspec.structs.replace(both, osm=format_hours(both))


def _website(value: str | None, field: str, today: date) -> str | None:
    return url(value, field) if value is not None and value.strip() else None


_SHARED: Final[Checks] = {
    "description": lambda v, f, _: check.texts(v, f),
    "source_language": lambda v, f, _: check.language(v, f),
    "website": _website,
    "contact_points": lambda v, f, _: check.contact_points(v, f),
    "languages": lambda v, f, _: check.languages_offered(v, f),
    "note": lambda v, f, _: check.optional_note(v, f),
}

PARTNER_CHECKS: Final[Checks] = {
    **_SHARED,
    "kind": _as_given,
    "active": _as_given,
    "name": lambda v, f, _: check.organisation_name(v, f),
    "data_protection_law": _as_given,
    "professional_secrecy": _as_given,
    "public_body": _as_given,
    "school": _as_given,
    "superior_contact": lambda v, f, _: check.optional_text(v, f),
    "correspondence_language": _as_given,
}

LOCATION_CHECKS: Final[Checks] = {
    "name": lambda v, f, _: check.short_text(v, f),
    "street": lambda v, f, _: check.optional_text(v, f),
    "postcode": lambda v, f, _: check.optional_text(v, f, maximum=20),
    "city": lambda v, f, _: check.optional_text(v, f, maximum=200),
    "ars": _or_none(check.territory),
    "latitude": lambda v, f, _: check.coordinate(v, f, 90),
    "longitude": lambda v, f, _: check.coordinate(v, f, 180),
    "accessibility": lambda v, f, _: check.texts(v, f),
    "hours": _hours,
}

SERVICE_CHECKS: Final[Checks] = {
    **_SHARED,
    "kind": _as_given,
    "title": lambda v, f, _: check.titles(v, f, needed=True),
    "topics": lambda v, f, _: check.different([check.topic_code(c, p) for p, c in check.elements(v, f)], f),
    "eligibility": lambda v, f, _: check.eligibility(v, f),
    "area": lambda v, f, _: check.territories(v, f),
    "responsibility": _as_given,
    "location_ids": lambda v, f, _: check.different([i for _, i in check.elements(v, f)], f),
    "capacity": check.capacity,
    "course": _or_none(check.course),
    "recognition": _or_none(check.recognition),
    "interpreting": _or_none(check.interpreting),
    "referral_facts": _or_none(check.referral_facts),
    "application_process": lambda v, f, _: check.texts(v, f),
    "required_documents": lambda v, f, _: check.required_documents(v, f),
}

SHOWN_BY_SERVICES: Final = frozenset({"kind", "name", "website", "state"})
"""What the documents of a partner's services depend on."""


def camel(name: str) -> str:
    """Return a field's name as callers of the API write it.

    >>> camel("contact_points")
    'contactPoints'
    """
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _checked(given: _Input, checks: Checks, today: date) -> dict[str, Any]:
    """Return the checked values of the fields that are given."""
    return {
        name: checker(value, camel(name), today)
        for name, checker in checks.items()
        if (value := getattr(given, name, UNSET)) is not UNSET
    }


def _today(work: Work) -> date:
    return local_day(work.now)


def _expect(version: int, expected: int) -> None:
    if version != expected:
        raise StaleVersion(version)


def partner_facts(partner: Partner) -> EntryFacts:
    """Return what the policy needs to know of a partner."""
    return EntryFacts(partner_id=partner.id, municipality_id=partner.municipality_id, state=partner.state)


def service_facts(service: Service) -> EntryFacts:
    """Return what the policy needs to know of a service; its partner is loaded."""
    return EntryFacts(
        partner_id=service.partner_id,
        municipality_id=service.partner.municipality_id,
        state=visible_state(service.state, service.partner.state),
    )


async def _partner(work: Work, partner_id: UUID, *, shared: bool = False) -> Partner:
    """Return the partner, locked until the work ends.

    ``shared``: others may add to it at the same time, but nobody may change it: a document built from it
    stays right until the commit.
    """
    partner: Partner | None = await work.session.scalar(
        select(Partner)
        .where(Partner.id == partner_id)
        .with_for_update(read=shared)
        .execution_options(populate_existing=True)
    )
    if partner is None or partner.ended_at is not None:
        raise NotFound
    return partner


async def _service(work: Work, service_id: UUID) -> Service:
    service: Service | None = await work.session.scalar(
        select(Service)
        .where(Service.id == service_id)
        .options(joinedload(Service.partner, innerjoin=True))
        .with_for_update(of=Service)
        .execution_options(populate_existing=True)
    )
    if service is None or service.ended_at is not None:
        raise NotFound
    return service


def _looked_at(work: Work, entry: Partner | Service, fields: Collection[str]) -> None:
    """Keep that somebody has just looked at the kinds of data whose fields were changed."""
    kinds = {KIND_OF_FIELD[field] for field in fields if field in KIND_OF_FIELD}
    if kinds:
        entry.assured_kinds = {**(entry.assured_kinds or {}), **dict.fromkeys(sorted(kinds), work.now)}


def _just_entered(work: Work, values: Mapping[str, Any]) -> dict[DataKind, datetime]:
    """Return that whoever enters something has looked at all of it; a capacity says its day itself."""
    kinds = [DataKind.CONTACT, DataKind.DESCRIPTION]
    if values.get("course") is not None:
        kinds.append(DataKind.COURSE)
    return dict.fromkeys(kinds, work.now)


def _assured(work: Work, entry: Partner | Service) -> set[str]:
    """Keep that the whole entry is right as of now; show it again if it was hidden for want of that."""
    entry.assured_at, entry.assured_kinds = work.now, None
    if entry.hidden_because is None:
        return set()
    entry.hidden_because, entry.state = None, PublicationState.PUBLISHED
    return {"state"}


def _stale(service: Service) -> bool:
    """Whether it is hidden, itself or with its partner, because nobody said that the entry is right."""
    return service.hidden_because is not None or service.partner.hidden_because is not None


async def entry_to_change(work: Work, kind: DocumentKind, id_: UUID, expected: int) -> Partner | Service:
    """Return an entry that the actor may change, locked, in the version they have read."""
    if kind is DocumentKind.PARTNER:
        partner = await _partner(work, id_)
        require_change_partner(work.actor, partner_facts(partner))
        _expect(partner.version, expected)
        return partner
    service = await _service(work, id_)
    require_change_service(work.actor, service_facts(service))
    _expect(service.version, expected)
    return service


def _raise(work: Work, entry: Partner | Service) -> Saved:
    entry.version += 1
    entry.updated_at = work.now
    return Saved(entry.id, entry.version)


def _save_partner(work: Work, partner: Partner, action: str, fields: Collection[str] = ()) -> Saved:
    """Raise the version and have the document rebuilt; those of the services only if they show it."""
    _looked_at(work, partner, fields)
    saved = _raise(work, partner)
    if SHOWN_BY_SERVICES.isdisjoint(fields):
        work.touch_document(DocumentKind.PARTNER, partner.id)
    else:
        work.touch_partner(partner.id)
    work.record(action, "partner", partner.id, _named(fields))
    return saved


def _save_service(work: Work, service: Service, action: str, fields: Collection[str] = ()) -> Saved:
    _looked_at(work, service, fields)
    saved = _raise(work, service)
    work.touch_service(service.id)
    work.record(action, "service", service.id, _named(fields))
    return saved


def _named(fields: Collection[str]) -> dict[str, str]:
    return {"fields": ",".join(sorted(camel(field) for field in fields))} if fields else {}


def _assign(entry: Partner | Service | Location, values: Mapping[str, Any], now: datetime) -> set[str]:
    """Set what differs; return the names of what was changed. Texts that change are dated."""
    before = {} if isinstance(entry, Location) else texts_of(entry)
    changed = {name for name, value in values.items() if getattr(entry, name) != value}
    for name in changed:
        setattr(entry, name, values[name])
    if not isinstance(entry, Location) and not changed.isdisjoint({*TEXT_FIELDS, "source_language"}):
        entry.text_dates = dated(before, texts_of(entry), entry.text_dates, entry.source_language, now)
    return changed


def texts_of(entry: Partner | Service) -> dict[str, Mapping[str, str]]:
    """Return the texts of an entry that are translated: field to language to text."""
    return {name: getattr(entry, name) or {} for name in TEXT_FIELDS if hasattr(entry, name)}


def _first_dates(values: Mapping[str, Any], now: datetime) -> TextDates:
    texts = {name: values[name] for name in TEXT_FIELDS if name in values}
    return dated({}, texts, TextDates(), values["source_language"], now)


async def create_partner(work: Work, draft: PartnerDraft) -> Saved:
    """Add a partner to its municipality's directory, as a draft; for the coordination only."""
    require_create_partner(work.actor, draft.municipality_id)
    values = _checked(draft, PARTNER_CHECKS, _today(work))
    if (
        not coordinates_there(work.actor, draft.municipality_id)
        and await work.session.get(Municipality, draft.municipality_id) is None
    ):
        raise InvalidInput("municipalityId", "unknown-value")
    partner = Partner(
        id=uuid4(),
        municipality_id=draft.municipality_id,
        state=PublicationState.DRAFT,
        assured_kinds=_just_entered(work, values),
        text_dates=_first_dates(values, work.now),
        version=1,
        updated_at=work.now,
        **values,
    )
    work.session.add(partner)
    work.touch_document(DocumentKind.PARTNER, partner.id)
    work.record("partner.create", "partner", partner.id)
    return Saved(partner.id, partner.version)


async def _hide_documents(work: Work, partner_id: UUID) -> None:
    """Take the documents of all of a partner's services from readers with this commit.

    They are rebuilt too, but of thousands only the first chunk now: hidden must not mean "soon". The services
    are locked before their documents, as by everybody: who takes a place meanwhile neither stands in the way
    nor writes a document of a partner that was still published.
    """
    await work.session.execute(
        select(Service.id)
        .where(Service.partner_id == partner_id)
        .order_by(Service.id)
        .with_for_update(key_share=True)
    )
    await work.session.execute(
        update(ServiceDocumentRow)
        .where(
            ServiceDocumentRow.partner_id == partner_id,
            ServiceDocumentRow.state == PublicationState.PUBLISHED,
        )
        .values(state=PublicationState.HIDDEN)
        .execution_options(synchronize_session=False)
    )


async def change_partner(
    work: Work, partner_id: UUID, change: PartnerChange, *, expected_version: int
) -> Saved:
    """Change a partner's entry; what is not given stays. Taking it out of service hides it too.

    A change that changes nothing leaves the version as it is.
    """
    partner = await _partner(work, partner_id)
    given = {camel(name) for name in PARTNER_CHECKS if getattr(change, name) is not UNSET}
    require_change_partner(work.actor, partner_facts(partner), given)
    _expect(partner.version, expected_version)
    values = _checked(change, PARTNER_CHECKS, _today(work))
    if values.get("active") is False and partner.state is PublicationState.PUBLISHED:
        # nobody would answer there any more
        values["state"] = PublicationState.HIDDEN
        await _hide_documents(work, partner_id)
    if values.get("active") is False:
        values["hidden_because"] = None  # no assurance shows it again: it is hidden for another reason now
    changed = _assign(partner, values, work.now)
    if not changed:
        return Saved(partner.id, partner.version)
    if "website" in changed:
        await settle(work, partner_id, ChangeField.WEBSITE)
    return _save_partner(work, partner, "partner.change", changed)


async def _set_partner_state(
    work: Work, partner_id: UUID, state: PublicationState, action: str, expected_version: int
) -> Saved:
    partner = await _partner(work, partner_id)
    require_change_partner(work.actor, partner_facts(partner))
    _expect(partner.version, expected_version)
    if state is PublicationState.PUBLISHED and not partner.active:
        raise InvalidInput("id", "partner-inactive")
    if partner.state is state and partner.hidden_because is None:
        return Saved(partner.id, partner.version)
    if state is not PublicationState.PUBLISHED:
        await _hide_documents(work, partner_id)
    partner.state, partner.hidden_because = state, None
    return _save_partner(work, partner, action, {"state"})


async def publish_partner(work: Work, partner_id: UUID, *, expected_version: int) -> Saved:
    """Let everybody read the partner and its published services."""
    return await _set_partner_state(
        work, partner_id, PublicationState.PUBLISHED, "partner.publish", expected_version
    )


async def hide_partner(work: Work, partner_id: UUID, *, expected_version: int) -> Saved:
    """Take the partner and all its services out of what everybody reads."""
    return await _set_partner_state(
        work, partner_id, PublicationState.HIDDEN, "partner.hide", expected_version
    )


async def assure_partner(work: Work, partner_id: UUID, *, expected_version: int) -> Saved:
    """Say that the partner's entry is right as of now (HSDS assured_date); who holds its link may, too.

    An entry that was hidden because nobody said so is shown again.
    """
    partner = await _partner(work, partner_id)
    require_assure(work.actor, partner_facts(partner), stale=partner.hidden_because is not None)
    _expect(partner.version, expected_version)
    return _save_partner(work, partner, "partner.assure", _assured(work, partner))


async def hide_stale_partner(work: Work, partner_id: UUID) -> Saved:
    """Hide a partner that nobody has said to be right for long, until somebody does; for the jobs."""
    partner = await _partner(work, partner_id)
    await _hide_documents(work, partner_id)
    partner.state, partner.hidden_because = PublicationState.HIDDEN, HiddenBecause.STALE
    return _save_partner(work, partner, "partner.hide_stale", {"state"})


async def hide_stale_service(work: Work, service_id: UUID) -> Saved:
    """Hide a service that nobody has said to be right for long, until somebody does; for the jobs."""
    service = await _service(work, service_id)
    service.state, service.hidden_because = PublicationState.HIDDEN, HiddenBecause.STALE
    return _save_service(work, service, "service.hide_stale", {"state"})


async def add_location(
    work: Work, partner_id: UUID, draft: LocationDraft, *, expected_version: int
) -> tuple[UUID, Saved]:
    """Add a place to a partner; return the place's id, and the partner."""
    partner = await _partner(work, partner_id)
    require_change_partner(work.actor, partner_facts(partner), {"locations"})
    _expect(partner.version, expected_version)
    values = _checked(draft, LOCATION_CHECKS, _today(work))
    _both_or_none(values["latitude"], values["longitude"])
    there = await work.session.scalars(
        select(Location.id).where(Location.partner_id == partner_id).limit(MOST_LOCATIONS)
    )
    if len(there.all()) == MOST_LOCATIONS:
        raise InvalidInput("partnerId", "too-many", maximum=str(MOST_LOCATIONS))
    location = Location(id=uuid4(), partner_id=partner_id, **values)
    work.session.add(location)
    return location.id, _save_partner(work, partner, "partner.add_location", {"locations"})


def _both_or_none(latitude: float | None, longitude: float | None) -> None:
    if (latitude is None) != (longitude is None):
        raise InvalidInput("latitude" if latitude is None else "longitude", "required")


async def _location(work: Work, location_id: UUID, expected_version: int) -> tuple[Partner, Location]:
    """Return a place and its partner, locked, whose version is the expected one."""
    row = (
        await work.session.execute(
            select(Partner, Location)
            .join(Location, Location.partner_id == Partner.id)
            .where(Location.id == location_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).one_or_none()
    if row is None or row.Partner.ended_at is not None:
        raise NotFound
    require_change_partner(work.actor, partner_facts(row.Partner), {"locations"})
    _expect(row.Partner.version, expected_version)
    return row.Partner, row.Location


async def raise_services_at(work: Work, location_id: UUID) -> None:
    """Raise and rebuild the services offered at a place: their documents show it."""
    # in the order of the ids, like everybody who locks several services: so nobody waits in a circle
    there = select(Service.id).where(
        Service.id.in_(select(ServiceLocation.service_id).where(ServiceLocation.location_id == location_id))
    )
    raised = await work.session.scalars(
        update(Service)
        .where(Service.id.in_(there.order_by(Service.id).with_for_update()))
        .values(version=Service.version + 1, updated_at=work.now)
        .returning(Service.id)
        .execution_options(synchronize_session=False)
    )
    for service_id in raised:
        work.touch_service(service_id)


async def change_location(
    work: Work, location_id: UUID, change: LocationChange, *, expected_version: int
) -> Saved:
    """Change a place; ``expected_version`` is its partner's, and the partner is what is answered."""
    partner, location = await _location(work, location_id, expected_version)
    changed = _assign(location, _checked(change, LOCATION_CHECKS, _today(work)), work.now)
    _both_or_none(location.latitude, location.longitude)
    if not changed:
        return Saved(partner.id, partner.version)
    await raise_services_at(work, location_id)
    return _save_partner(work, partner, "partner.change_location", {"locations"})


async def remove_location(work: Work, location_id: UUID, *, expected_version: int) -> Saved:
    """Remove a place; services that were offered there are offered there no longer."""
    partner, location = await _location(work, location_id, expected_version)
    await raise_services_at(work, location_id)
    await work.session.execute(
        delete(ServiceLocation)
        .where(ServiceLocation.location_id == location_id)
        .execution_options(synchronize_session=False)
    )
    await work.session.delete(location)
    return _save_partner(work, partner, "partner.remove_location", {"locations"})


async def _require_known(work: Work, partner_id: UUID, values: Mapping[str, Any]) -> None:
    """Refuse topics and occupations that the vocabularies do not have, and places of other partners."""
    facts = values.get("recognition")
    wanted: dict[str, tuple[Any, ...]] = {
        "topics": values.get("topics", ()),
        "recognition.occupations": () if facts is None else facts.occupations,
        "locationIds": values.get("location_ids", ()),
    }
    if not any(wanted.values()):
        return
    row = (
        await work.session.execute(
            text(
                "SELECT ARRAY(SELECT code FROM topic WHERE code = ANY(CAST(:topics AS text[]))),"
                " ARRAY(SELECT esco FROM occupation WHERE esco = ANY(CAST(:occupations AS text[]))),"
                " ARRAY(SELECT id FROM location"
                "  WHERE partner_id = :partner AND id = ANY(CAST(:locations AS uuid[])))"
            ),
            {
                "topics": list(wanted["topics"]),
                "occupations": list(wanted["recognition.occupations"]),
                "locations": list(wanted["locationIds"]),
                "partner": partner_id,
            },
        )
    ).one()
    for (field, given), known in zip(wanted.items(), row, strict=True):
        for position, element in enumerate(given):
            if element not in known:
                raise InvalidInput(f"{field}.{position}", "unknown-value")


async def _set_topics(work: Work, service_id: UUID, topics: Sequence[str]) -> None:
    if topics:
        await work.session.execute(
            insert(ServiceTopic),
            [
                {"service_id": service_id, "topic_code": code, "position": position}
                for position, code in enumerate(topics)
            ],
        )


async def _set_locations(work: Work, service_id: UUID, location_ids: Sequence[UUID]) -> None:
    if location_ids:
        await work.session.execute(
            insert(ServiceLocation),
            [
                {"service_id": service_id, "location_id": location_id, "position": position}
                for position, location_id in enumerate(location_ids)
            ],
        )


async def create_service(work: Work, draft: ServiceDraft) -> Saved:
    """Add a service to a partner, as a draft."""
    # locked against changes: the service's document shows the partner, and a change of the partner that
    # runs at the same time would not see this service yet
    partner = await _partner(work, draft.partner_id, shared=True)
    require_change_service(work.actor, partner_facts(partner))
    if not partner.active:
        raise InvalidInput("partnerId", "partner-inactive")
    values = _checked(draft, SERVICE_CHECKS, _today(work))
    await _require_known(work, partner.id, values)
    topics, location_ids = values.pop("topics"), values.pop("location_ids")
    service = Service(
        id=uuid4(),
        partner_id=partner.id,
        state=PublicationState.DRAFT,
        assured_kinds=_just_entered(work, values),
        source_terms=(),
        text_dates=_first_dates(values, work.now),
        version=1,
        updated_at=work.now,
        **values,
    )
    work.session.add(service)
    await work.session.flush()
    await _set_topics(work, service.id, topics)
    await _set_locations(work, service.id, location_ids)
    work.touch_service(service.id)
    work.record("service.create", "service", service.id)
    return Saved(service.id, service.version)


async def change_service(
    work: Work, service_id: UUID, change: ServiceChange, *, expected_version: int
) -> Saved:
    """Change a service's entry; what is not given stays. A change of nothing leaves the version."""
    service = await _service(work, service_id)
    require_change_service(work.actor, service_facts(service))
    _expect(service.version, expected_version)
    values = _checked(change, SERVICE_CHECKS, _today(work))
    await _require_known(work, service.partner_id, values)
    topics, location_ids = values.pop("topics", None), values.pop("location_ids", None)
    changed = _assign(service, values, work.now)
    if service.state is PublicationState.PUBLISHED:
        _require_publishable(service)
    if topics is not None:
        await work.session.execute(delete(ServiceTopic).where(ServiceTopic.service_id == service_id))
        await _set_topics(work, service_id, topics)
        changed.add("topics")
    if location_ids is not None:
        await work.session.execute(delete(ServiceLocation).where(ServiceLocation.service_id == service_id))
        await _set_locations(work, service_id, location_ids)
        changed.add("location_ids")
    if not changed:
        return Saved(service.id, service.version)
    if "eligibility" in changed:
        await settle(work, service_id, ChangeField.ELIGIBILITY)
    if "website" in changed:
        await settle(work, service_id, ChangeField.WEBSITE)
    return _save_service(work, service, "service.change", changed)


def _require_publishable(service: Service) -> None:
    """Refuse to show readers a service without a German title or, unless imported, without a kind."""
    if not service.title.get("de"):
        raise InvalidInput("title", "german-needed")
    if service.kind is None and service.provenance is None:
        raise InvalidInput("kind", "required")


async def _set_service_state(
    work: Work, service_id: UUID, state: PublicationState, action: str, expected_version: int
) -> Saved:
    service = await _service(work, service_id)
    require_change_service(work.actor, service_facts(service))
    _expect(service.version, expected_version)
    if state is PublicationState.PUBLISHED:
        _require_publishable(service)
    if service.state is state and service.hidden_because is None:
        return Saved(service.id, service.version)
    service.state, service.hidden_because = state, None
    return _save_service(work, service, action, {"state"})


async def publish_service(work: Work, service_id: UUID, *, expected_version: int) -> Saved:
    """Let everybody read the service, as long as its partner is published too."""
    return await _set_service_state(
        work, service_id, PublicationState.PUBLISHED, "service.publish", expected_version
    )


async def hide_service(work: Work, service_id: UUID, *, expected_version: int) -> Saved:
    """Take the service out of what everybody reads."""
    return await _set_service_state(
        work, service_id, PublicationState.HIDDEN, "service.hide", expected_version
    )


async def assure_service(work: Work, service_id: UUID, *, expected_version: int) -> Saved:
    """Say that the service's entry is right as of now (HSDS assured_date), its free places too.

    Who holds its partner's link may, too. An entry that was hidden because nobody said so is shown again.
    """
    service = await _service(work, service_id)
    require_assure(work.actor, service_facts(service), stale=_stale(service))
    _expect(service.version, expected_version)
    said = service.capacity
    if said.state is not CapacityState.UNKNOWN:
        today = _today(work)
        again = msgspec.structs.replace(said, as_of=today, expires_on=None)
        service.capacity = check.capacity(again, "capacity", today)
        await settle(work, service_id, ChangeField.CAPACITY)
    return _save_service(work, service, "service.assure", _assured(work, service))


async def set_capacity(work: Work, service_id: UUID, capacity: Capacity, *, expected_version: int) -> Saved:
    """Say how much room there is; ``as_of`` is today unless given. Who holds the partner's link may, too."""
    service = await _service(work, service_id)
    require_assure(work.actor, service_facts(service), stale=_stale(service))
    _expect(service.version, expected_version)
    service.capacity = check.capacity(capacity, "capacity", _today(work))
    await settle(work, service_id, ChangeField.CAPACITY)
    return _save_service(work, service, "service.set_capacity", {"capacity"})


async def take_place(work: Work, service_id: UUID) -> bool:
    """Take one of the service's counted places; return whether one was counted.

    Asks no policy: the referral that takes the place did. A service that counts no places, or whose count
    has passed ``expires_on`` and is unknown by that, gives one without counting. The last place taken makes
    the state NONE. Raises NoPlaceLeft, NotFound.
    """
    # one conditional UPDATE: parallel takers wait for the row and see the count that is left
    taken = await work.session.scalar(
        text(
            "UPDATE service SET version = version + 1, updated_at = :now,"
            " capacity = capacity || jsonb_build_object('places', (capacity->>'places')::int - 1)"
            "  || CASE WHEN (capacity->>'places')::int = 1 THEN '{\"state\": \"NONE\"}'::jsonb"
            "     ELSE '{}'::jsonb END"
            " WHERE id = :id AND jsonb_typeof(capacity->'places') = 'number'"
            " AND (capacity->>'places')::int > 0"
            " AND coalesce((capacity->>'expires_on')::date >= :today, true) RETURNING id"
        ),
        {"id": service_id, "now": work.now, "today": _today(work)},
    )
    if taken is not None:
        work.touch_service(service_id)
        return True
    capacity = await work.session.scalar(
        select(Service.capacity).where(Service.id == service_id).execution_options(populate_existing=True)
    )
    if capacity is None:
        raise NotFound
    if capacity.places is None or (capacity.expires_on is not None and capacity.expires_on < _today(work)):
        return False
    raise NoPlaceLeft


async def give_back_place(work: Work, service_id: UUID, count: int = 1) -> None:
    """Give back places that ``take_place`` counted; a service that was full has few places again."""
    given = await work.session.scalar(
        text(
            "UPDATE service SET version = version + 1, updated_at = :now,"
            " capacity = capacity || jsonb_build_object('places', (capacity->>'places')::int + :count)"
            "  || CASE WHEN capacity->>'state' = 'NONE' THEN '{\"state\": \"FEW\"}'::jsonb"
            "     ELSE '{}'::jsonb END"
            " WHERE id = :id AND jsonb_typeof(capacity->'places') = 'number' RETURNING id"
        ),
        {"id": service_id, "now": work.now, "count": count},
    )
    if given is not None:
        work.touch_service(service_id)
