"""Writes entries as rows of an HSDS 1.1 tabular package, for systems that have not moved on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from directory.documents import PartnerDocument, ServiceDocument
from directory.hsds.ids import derived_id
from directory.hsds.parts import Reading, language_name
from directory.hsds.terms import word_label
from directory.values import ContactPoint, LanguageOffered, LocationValue
from directory.vocabulary import ContactKind

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "organizations": (
        "id", "name", "alternate_name", "description", "email", "url", "tax_status", "tax_id",
        "year_incorporated", "legal_status",
    ),
    "services": (
        "id", "organization_id", "program_id", "name", "alternate_name", "description", "url", "email",
        "status", "interpretation_services", "application_process", "wait_time", "fees", "accreditations",
        "licenses",
    ),
    "locations": (
        "id", "organization_id", "name", "alternate_name", "description", "transportation", "latitude",
        "longitude",
    ),
    "services_at_location": ("id", "service_id", "location_id", "description"),
    "physical_addresses": (
        "id", "location_id", "attention", "address_1", "city", "region", "state_province", "postal_code",
        "country",
    ),
    "phones": (
        "id", "location_id", "service_id", "organization_id", "contact_id", "service_at_location_id",
        "number", "extension", "type", "language", "description",
    ),
    "contacts": ("id", "organization_id", "service_id", "service_at_location_id", "name", "title",
                 "department", "email"),
    "regular_schedules": (
        "id", "service_id", "location_id", "service_at_location_id", "weekday", "opens_at", "closes_at",
    ),
    "languages": ("id", "service_id", "location_id", "language"),
    "accessibility_for_disabilities": ("id", "location_id", "accessibility", "details"),
    "taxonomy": ("id", "name", "parent_id", "parent_name", "vocabulary"),
    "services_taxonomy": ("id", "service_id", "taxonomy_id", "taxonomy_detail"),
    "service_areas": ("id", "service_id", "service_area", "description"),
    "metadata": (
        "id", "resource_id", "last_action_date", "last_action_type", "field_name", "previous_value",
        "replacement_value", "updated_by",
    ),
}  # fmt: skip
"""The tables that are written, with the columns of the specification (version 1.1)."""

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Row = tuple[str, dict[str, Any]]


def descriptor(name: str) -> dict[str, Any]:
    """Return the package's descriptor (Frictionless Data Package)."""
    return {
        "profile": "data-package",
        "name": name,
        "title": "HSDS 1.1 data package",
        "resources": [
            {
                "name": table,
                "path": f"{table}.csv",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "schema": {
                    "primaryKey": "id",
                    "fields": [
                        {
                            "name": column,
                            "type": "number" if column in {"latitude", "longitude"} else "string",
                        }
                        for column in columns
                    ],
                },
            }
            for table, columns in COLUMNS.items()
        ],
    }


def rows(
    partner: PartnerDocument,
    services: Sequence[ServiceDocument],
    reading: Reading,
    terms: set[str],
    *,
    first: bool = True,
) -> Iterator[Row]:
    """Yield the rows of a partner and these of its services.

    ``first`` False: the partner itself was written with the services before. ``terms``: of the taxonomy that
    were written before; it grows.
    """
    id_ = str(partner.id)
    if first:
        yield (
            "organizations",
            {
                "id": id_,
                "name": partner.name,
                "description": reading.text(partner.description)
                or word_label(partner.kind, reading.label_language),
                "email": _mail(partner.contact_points),
                "url": partner.website,
                "legal_status": "Government agency" if partner.public_body else None,
            },
        )
        yield from _reach(partner.contact_points, reading, organization_id=id_)
        for place in partner.locations:
            yield from _place(place, id_, reading)
    for service in services:
        yield from _service(service, reading, terms)


def _service(service: ServiceDocument, reading: Reading, terms: set[str]) -> Iterator[Row]:
    id_ = str(service.id)
    yield (
        "services",
        {
            "id": id_,
            "organization_id": str(service.partner.id),
            "name": reading.text(service.title) or id_,
            "description": reading.text(service.description),
            "url": service.website,
            "email": _mail(service.contact_points),
            "status": "active",
            "interpretation_services": ", ".join(
                language_name(one.language, "en") for one in service.languages if one.interpreted
            ),
        },
    )
    yield from _reach(service.contact_points, reading, service_id=id_)
    yield from _languages(service.languages, id_)
    for place in service.locations:
        yield (
            "services_at_location",
            {
                "id": str(derived_id("service_at_location", id_, place.id)),
                "service_id": id_,
                "location_id": str(place.id),
            },
        )
    for key in service.area:
        yield "service_areas", {
            "id": str(derived_id("service_area", id_, key)), "service_id": id_, "service_area": key,
        }  # fmt: skip
    labels = [(f"topic:{one.code}", reading.text(one.labels) or one.code, "topic") for one in service.topics]
    labels += [(one.code, one.name, one.vocabulary) for one in service.source_terms]
    for code, name, vocabulary in labels:
        if code not in terms:
            terms.add(code)
            yield "taxonomy", {"id": code, "name": name, "vocabulary": vocabulary}
        yield "services_taxonomy", {
            "id": str(derived_id("services_taxonomy", id_, code)), "service_id": id_, "taxonomy_id": code,
        }  # fmt: skip


def _place(place: LocationValue, owner: str, reading: Reading) -> Iterator[Row]:
    id_ = str(place.id)
    yield "locations", {
        "id": id_, "organization_id": owner, "name": place.name,
        "latitude": place.latitude, "longitude": place.longitude,
    }  # fmt: skip
    if place.street or place.city or place.postcode:
        yield (
            "physical_addresses",
            {
                "id": str(derived_id("address", id_)),
                "location_id": id_,
                "address_1": place.street,
                "city": place.city,
                "postal_code": place.postcode,
                "country": "DE" if place.ars else _country(place),
            },
        )
    access = reading.text(place.accessibility)
    if access:
        yield "accessibility_for_disabilities", {
            "id": str(derived_id("accessibility", id_)), "location_id": id_, "accessibility": access,
        }  # fmt: skip
    for at, period in enumerate(place.hours.periods if place.hours is not None else ()):
        yield (
            "regular_schedules",
            {
                "id": str(derived_id("schedule", id_, at)),
                "location_id": id_,
                "weekday": _DAYS[period.weekday - 1],
                "opens_at": period.opens,
                "closes_at": period.closes,
            },
        )


_COUNTRIES: Final = {"Europe/Berlin": "DE", "Europe/Vienna": "AT", "Europe/Warsaw": "PL"}


def _country(place: LocationValue) -> str | None:
    """Return the country that the place's hours tell of, where they do."""
    if place.hours is None:
        return None
    zone = place.hours.timezone
    return _COUNTRIES.get(zone) or ("US" if zone.startswith("America/") else None)


def _mail(points: Sequence[ContactPoint]) -> str | None:
    return next((one.value for one in points if one.kind is ContactKind.EMAIL and not one.label), None)


def _reach(points: Sequence[ContactPoint], reading: Reading, **owner: str) -> Iterator[Row]:
    (key,) = owner.values()
    for at, point in enumerate(points):
        label = reading.text(point.label)
        if point.kind is ContactKind.PHONE:
            yield "phones", {
                "id": str(derived_id("phone", key, at)), **owner, "number": point.value,
                "extension": point.extension, "type": "voice", "description": label,
            }  # fmt: skip
        elif point.kind is ContactKind.EMAIL and (label or point.value != _mail(points)):
            yield "contacts", {
                "id": str(derived_id("contact", key, at)), **owner, "department": label, "email": point.value,
            }  # fmt: skip


def _languages(offered: Sequence[LanguageOffered], service_id: str) -> Iterator[Row]:
    for one in offered:
        name = language_name(one.language, "en")
        yield (
            "languages",
            {
                "id": str(derived_id("language", service_id, one.language, one.interpreted)),
                "service_id": service_id,
                "language": f"{name} with interpreter" if one.interpreted else name,
            },
        )
