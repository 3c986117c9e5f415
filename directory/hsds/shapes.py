"""The objects of HSDS 3.2.3 as structs, for what is read and for what is written.

Field for field those of the published schemas, required where these require them; what is absent is left
out when written, never null. Unknown members of what is read are ignored. Identifiers are texts here: what
others publish is not always a UUID (``directory.hsds.ids`` makes one of it). Where the compiled schemas nest
more than the object's own (``Organization.services``, ``ServiceAtLocation.service``), the member is here too.

Source: https://docs.openreferral.org/en/latest/hsds/schema_reference.html (version 3.2.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

VERSION: Final = "3.2.3"
"""The version of the specification that is read and written."""

Identifier: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
Uri: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uri"})]
Email: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "email"})]
Instant: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""RFC 3339 date and time with its offset."""
Day: TypeAlias = str
"""ISO 8601 date, ``YYYY-MM-DD``; the published schemas only call it a text."""
Time: TypeAlias = str
"""Time of a day, ``HH:MM`` with an offset or ``Z``; the published schemas only call it a text."""
Number: TypeAlias = int | float

Place: TypeAlias = Literal["physical", "postal", "virtual"]
Weekday: TypeAlias = Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
Frequency: TypeAlias = Literal["WEEKLY", "MONTHLY"]
Status: TypeAlias = Literal["active", "inactive", "defunct", "temporarily closed"]


class Shape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of all: immutable, named arguments only, what is absent is left out when written."""


class Metadata(Shape, frozen=True, kw_only=True):
    """A change of one field, or where the data came from."""

    id: Identifier
    resource_id: Identifier | None = None
    resource_type: str | None = None
    last_action_date: Day
    last_action_type: str
    field_name: str
    previous_value: str
    replacement_value: str
    updated_by: str


class Taxonomy(Shape, frozen=True, kw_only=True):
    """A vocabulary that terms are taken from."""

    id: Identifier
    name: str
    description: str
    uri: Uri | None = None
    version: str | None = None
    metadata: tuple[Metadata, ...] = ()


class TaxonomyTerm(Shape, frozen=True, kw_only=True):
    """A term of a vocabulary."""

    id: Identifier
    code: str | None = None
    name: str
    description: str
    parent_id: Identifier | None = None
    taxonomy: str | None = None
    taxonomy_detail: Taxonomy | None = None
    language: str | None = None
    taxonomy_id: Identifier | None = None
    term_uri: Uri | None = None
    metadata: tuple[Metadata, ...] = ()


class Attribute(Shape, frozen=True, kw_only=True):
    """A term, or a labelled value, said of the object that carries it."""

    id: Identifier
    link_id: Identifier | None = None
    taxonomy_term_id: Identifier | None = None
    link_type: str | None = None
    link_entity: str | None = None
    value: str | None = None
    taxonomy_term: TaxonomyTerm | None = None
    metadata: tuple[Metadata, ...] = ()
    label: str | None = None


class Described(Shape, frozen=True, kw_only=True):
    """Base of the objects that carry attributes and metadata."""

    id: Identifier
    attributes: tuple[Attribute, ...] = ()
    metadata: tuple[Metadata, ...] = ()


class Url(Described, frozen=True, kw_only=True):
    """A further web address."""

    label: str | None = None
    url: Uri
    organization_id: Identifier | None = None
    service_id: Identifier | None = None


class Language(Described, frozen=True, kw_only=True):
    """A language that is spoken (ISO 639-1 or 639-3)."""

    service_id: Identifier | None = None
    location_id: Identifier | None = None
    phone_id: Identifier | None = None
    name: str | None = None
    code: str | None = None
    note: str | None = None


class Phone(Described, frozen=True, kw_only=True):
    """A telephone number; HSDS makes its extension a number, so leading zeros are lost in it."""

    location_id: Identifier | None = None
    service_id: Identifier | None = None
    organization_id: Identifier | None = None
    contact_id: Identifier | None = None
    service_at_location_id: Identifier | None = None
    number: str
    extension: Number | None = None
    type: str | None = None
    description: str | None = None
    languages: tuple[Language, ...] = ()


class Contact(Described, frozen=True, kw_only=True):
    """A point of contact."""

    organization_id: Identifier | None = None
    service_id: Identifier | None = None
    service_at_location_id: Identifier | None = None
    location_id: Identifier | None = None
    name: str | None = None
    title: str | None = None
    department: str | None = None
    email: Email | None = None
    phones: tuple[Phone, ...] = ()


class Schedule(Described, frozen=True, kw_only=True):
    """When something is open, after the recurrence rules of RFC 5545.

    ``timezone``: hours from UTC, a number, so right on some dates only.
    """

    service_id: Identifier | None = None
    location_id: Identifier | None = None
    service_at_location_id: Identifier | None = None
    valid_from: Day | None = None
    valid_to: Day | None = None
    dtstart: Day | None = None
    timezone: Number | None = None
    until: Day | None = None
    count: Number | None = None
    wkst: Weekday | None = None
    freq: Frequency | None = None
    interval: Number | None = None
    byday: str | None = None
    byweekno: str | None = None
    bymonthday: str | None = None
    byyearday: str | None = None
    description: str | None = None
    opens_at: Time | None = None
    closes_at: Time | None = None
    schedule_link: Uri | None = None
    attending_type: str | None = None
    notes: str | None = None


class ServiceArea(Described, frozen=True, kw_only=True):
    """An area that a service is there for."""

    service_id: Identifier | None = None
    service_at_location_id: Identifier | None = None
    name: str | None = None
    description: str | None = None
    extent: str | None = None
    extent_type: str | None = None
    uri: str | None = None


class Address(Described, frozen=True, kw_only=True):
    """An address; ``state_province`` is the land in Germany, ``country`` an ISO 3166-1 code."""

    location_id: Identifier | None = None
    attention: str | None = None
    address_1: str
    address_2: str | None = None
    city: str
    region: str | None = None
    state_province: str
    postal_code: str
    country: str
    address_type: Place


class Accessibility(Described, frozen=True, kw_only=True):
    """What a place offers to people with disabilities."""

    location_id: Identifier | None = None
    description: str | None = None
    details: str | None = None
    url: Uri | None = None


class Location(Described, frozen=True, kw_only=True):
    """A place; degrees of WGS 84."""

    location_type: Place
    url: Uri | None = None
    organization_id: Identifier | None = None
    name: str | None = None
    alternate_name: str | None = None
    description: str | None = None
    transportation: str | None = None
    latitude: Number | None = None
    longitude: Number | None = None
    external_identifier: str | None = None
    external_identifier_type: str | None = None
    languages: tuple[Language, ...] = ()
    addresses: tuple[Address, ...] = ()
    contacts: tuple[Contact, ...] = ()
    accessibility: tuple[Accessibility, ...] = ()
    phones: tuple[Phone, ...] = ()
    schedules: tuple[Schedule, ...] = ()


class Funding(Described, frozen=True, kw_only=True):
    """Where the money comes from."""

    organization_id: Identifier | None = None
    service_id: Identifier | None = None
    source: str | None = None


class CostOption(Described, frozen=True, kw_only=True):
    """What a service costs between two dates; ``amount`` in ``currency`` (ISO 4217)."""

    service_id: Identifier | None = None
    valid_from: Day | None = None
    valid_to: Day | None = None
    option: str | None = None
    currency: str | None = None
    amount: Number | None = None
    amount_description: str | None = None


class Program(Described, frozen=True, kw_only=True):
    """A group of services of an organisation."""

    organization_id: Identifier | None = None
    name: str
    alternate_name: str | None = None
    description: str


class RequiredDocument(Described, frozen=True, kw_only=True):
    """A paper to bring."""

    service_id: Identifier | None = None
    document: str | None = None
    uri: Uri | None = None


class OrganizationIdentifier(Described, frozen=True, kw_only=True):
    """What others call an organisation."""

    organization_id: Identifier | None = None
    identifier_scheme: str | None = None
    identifier_type: str
    identifier: str


class Unit(Described, frozen=True, kw_only=True):
    """What capacity is counted in."""

    name: str
    scheme: str | None = None
    identifier: str | None = None
    uri: Uri | None = None


class ServiceCapacity(Described, frozen=True, kw_only=True):
    """How many more a service can take, as of ``updated``."""

    service_id: Identifier | None = None
    unit: Unit
    unit_id: Identifier | None = None
    available: Number
    maximum: Number | None = None
    description: str | None = None
    updated: Instant


class Organization(Described, frozen=True, kw_only=True):
    """An organisation."""

    name: str
    alternate_name: str | None = None
    description: str
    email: Email | None = None
    website: Uri | None = None
    additional_websites: tuple[Url, ...] = ()
    tax_status: str | None = None
    tax_id: str | None = None
    year_incorporated: Number | None = None
    legal_status: str | None = None
    logo: str | None = None
    uri: Uri | None = None
    parent_organization_id: Identifier | None = None
    funding: tuple[Funding, ...] = ()
    contacts: tuple[Contact, ...] = ()
    phones: tuple[Phone, ...] = ()
    locations: tuple[Location, ...] = ()
    programs: tuple[Program, ...] = ()
    organization_identifiers: tuple[OrganizationIdentifier, ...] = ()
    services: tuple[Service, ...] = ()


class ServiceAtLocation(Described, frozen=True, kw_only=True):
    """That a service is offered at a place, and what holds there only."""

    service_id: Identifier | None = None
    location_id: Identifier | None = None
    description: str | None = None
    service_areas: tuple[ServiceArea, ...] = ()
    contacts: tuple[Contact, ...] = ()
    phones: tuple[Phone, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    location: Location | None = None
    service: Service | None = None


class Service(Described, frozen=True, kw_only=True):
    """A service of an organisation."""

    organization_id: Identifier | None = None
    program_id: Identifier | None = None
    name: str
    alternate_name: str | None = None
    description: str | None = None
    url: Uri | None = None
    additional_urls: tuple[Url, ...] = ()
    email: Email | None = None
    status: Status
    interpretation_services: str | None = None
    application_process: str | None = None
    fees_description: str | None = None
    wait_time: str | None = None
    fees: str | None = None
    accreditations: str | None = None
    eligibility_description: str | None = None
    minimum_age: Number | None = None
    maximum_age: Number | None = None
    assured_date: Day | None = None
    assurer_email: Email | None = None
    licenses: str | None = None
    alert: str | None = None
    last_modified: Instant | None = None
    phones: tuple[Phone, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    service_areas: tuple[ServiceArea, ...] = ()
    service_at_locations: tuple[ServiceAtLocation, ...] = ()
    languages: tuple[Language, ...] = ()
    organization: Organization | None = None
    funding: tuple[Funding, ...] = ()
    cost_options: tuple[CostOption, ...] = ()
    program: Program | None = None
    required_documents: tuple[RequiredDocument, ...] = ()
    contacts: tuple[Contact, ...] = ()
    capacities: tuple[ServiceCapacity, ...] = ()


class MetaTableDescription(Described, frozen=True, kw_only=True):
    """A remark about a table of a tabular package."""

    name: str | None = None
    language: str | None = None
    character_set: str | None = None


class Page(Shape, frozen=True, kw_only=True):
    """The envelope of a list; every member is always written."""

    total_items: int
    total_pages: int
    page_number: int
    size: int
    first_page: bool
    last_page: bool
    empty: bool
    contents: Sequence[Any]


OBJECTS: Final[Mapping[str, type[Shape]]] = {
    "accessibility": Accessibility,
    "address": Address,
    "attribute": Attribute,
    "contact": Contact,
    "cost_option": CostOption,
    "funding": Funding,
    "language": Language,
    "location": Location,
    "meta_table_description": MetaTableDescription,
    "metadata": Metadata,
    "organization": Organization,
    "organization_identifier": OrganizationIdentifier,
    "phone": Phone,
    "program": Program,
    "required_document": RequiredDocument,
    "schedule": Schedule,
    "service": Service,
    "service_area": ServiceArea,
    "service_at_location": ServiceAtLocation,
    "service_capacity": ServiceCapacity,
    "taxonomy": Taxonomy,
    "taxonomy_term": TaxonomyTerm,
    "unit": Unit,
    "url": Url,
}
"""Every object of the specification under its name there."""

encoder: Final = msgspec.json.Encoder()
organization_decoder: Final = msgspec.json.Decoder(Organization)
service_decoder: Final = msgspec.json.Decoder(Service)
