"""Partners and services in the words of schema.org, as JSON-LD 1.1: for search engines and other programs.

What schema.org has no word for (who may use a service, whether there is room) stays out rather than being
pressed into a word that means something else. Every text keeps its language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from directory.days import local_day
from directory.documents import PartnerDocument, ServiceDocument
from directory.values import ContactPoint, CourseRun, LanguageOffered, LocationValue, OpeningHours, Provenance
from directory.vocabulary import ContactKind, CourseFormat, PartnerKind

MEDIA_TYPE: Final = "application/ld+json"

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json]"

PARTNER_TYPES: Final[Mapping[PartnerKind, str]] = {
    PartnerKind.MUNICIPAL_PROJECT: "GovernmentOrganization",
    PartnerKind.FREE_PROVIDER: "NGO",
    PartnerKind.CHAMBER: "Organization",
    PartnerKind.AUTHORITY: "GovernmentOrganization",
    PartnerKind.BUSINESS: "Organization",
    PartnerKind.MUNICIPALITY: "GovernmentOrganization",
    PartnerKind.MIGRANT_ORGANISATION: "NGO",
}
"""The type of schema.org for each kind of partner."""

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

COURSE_MODES: Final[Mapping[CourseFormat, str]] = {
    CourseFormat.ON_SITE: "onsite",
    CourseFormat.ONLINE: "online",
    CourseFormat.HYBRID: "blended",
}


SPDX: Final = "https://spdx.org/licenses/"


def address(public_url: str | None, kind: str, id_: UUID) -> str:
    """Return where an entry (``kind``: partners, services) is read, or its name as a URN.

    The latter when nobody has said where that is. The id is that of the entry that was found: who asked with
    an old one learns the one that holds.
    """
    return f"{public_url}/{kind}/{id_}" if public_url else f"urn:uuid:{id_}"


def of_partner(partner: PartnerDocument, address: str) -> dict[str, Json]:
    """Return a partner as schema.org Organization; ``address`` is where the entry is read (its ``@id``)."""
    return {
        "@context": "https://schema.org",
        "@type": PARTNER_TYPES[partner.kind],
        "@id": address,
        "identifier": str(partner.id),
        "name": partner.name,
        **_given("description", _texts(partner.description)),
        **_given("url", partner.website),
        **_given("contactPoint", _contacts(partner.contact_points)),
        **_given("location", [_place(place) for place in partner.locations]),
        **_given("knowsLanguage", _spoken(partner.languages)),
        "areaServed": _area(partner.municipality.ars),
        "mainEntityOfPage": _page(address, partner.updated_at, partner.assured_at, partner.provenance),
    }


def of_service(service: ServiceDocument, address: str, partner_address: str) -> dict[str, Json]:
    """Return a service as schema.org GovernmentService or Service, a course as Course too.

    ``address`` is where the entry is read (its ``@id``), ``partner_address`` where its partner's is.
    """
    provider = PARTNER_TYPES[service.partner.kind]
    kind = "GovernmentService" if provider == "GovernmentOrganization" else "Service"
    course = service.course
    languages = _spoken(service.languages)
    channel: dict[str, Json] = {
        "@type": "ServiceChannel",
        **_given("serviceUrl", service.website),
        **_given("servicePhone", _contacts(service.contact_points, ContactKind.PHONE)),
        **_given("serviceLocation", [_place(place) for place in service.locations]),
        **_given("availableLanguage", languages),
    }
    entry: dict[str, Json] = {
        "@context": "https://schema.org",
        "@type": kind if course is None else [kind, "Course"],
        "@id": address,
        "identifier": str(service.id),
        "name": _texts(service.title),
        **_given("description", _texts(service.description)),
        **_given("url", service.website),
        "serviceType": [_texts(topic.labels) for topic in service.topics],
        "provider": {
            "@type": provider,
            "@id": partner_address,
            "name": service.partner.name,
            **_given("url", service.partner.website),
            # a Service has no contactPoint in schema.org; its provider has
            **_given("contactPoint", _contacts(service.contact_points)),
        },
        "areaServed": [_area(key) for key in service.area] or _area(service.municipality.ars),
        "availableChannel": channel,
        "mainEntityOfPage": _page(address, service.updated_at, service.assured_at, service.provenance),
    }
    if course is not None:
        mode = COURSE_MODES.get(course.format) if course.format is not None else None
        level = "-".join(
            level.value for level in dict.fromkeys((course.level_from, course.level_to)) if level
        )
        entry |= {
            **_given("educationalLevel", f"CEFR {level}" if level else None),
            **_given("inLanguage", languages),
            "hasCourseInstance": [_instance(run, mode) for run in course.runs],
        }
        if course.cost_cents is not None:
            entry["offers"] = {
                "@type": "Offer",
                "price": f"{course.cost_cents // 100}.{course.cost_cents % 100:02}",
                "priceCurrency": "EUR",
                "category": "Free" if course.cost_cents == 0 else "Paid",
            }
    return entry


def encode(entry: Mapping[str, Json]) -> bytes:
    """Return JSON that may stand inside an HTML ``<script>`` too: no ``<``, ``>`` or ``&`` is in it."""
    encoded = msgspec.json.encode(entry)
    return encoded.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")


def _given(name: str, value: Json | None) -> dict[str, Json]:
    return {} if value is None or value in ("", [], {}) else {name: value}


def _texts(texts: Mapping[str, str]) -> list[Json]:
    return [{"@language": language, "@value": text} for language, text in sorted(texts.items())]


def _spoken(offers: Iterable[LanguageOffered]) -> list[Json]:
    return list(dict.fromkeys(offer.language for offer in offers))


def _contacts(points: Iterable[ContactPoint], kind: ContactKind | None = None) -> list[Json]:
    words = {ContactKind.PHONE: "telephone", ContactKind.EMAIL: "email", ContactKind.WEB: "url"}
    return [
        {
            "@type": "ContactPoint",
            words[point.kind]: point.value
            + (f";ext={point.extension}" if point.extension and point.kind is ContactKind.PHONE else ""),
            **_given("contactType", _texts(point.label)),
            **_given("availableLanguage", list(point.languages)),
        }
        for point in points
        if kind is None or point.kind is kind
    ]


def _area(ars: str) -> Json:
    return {
        "@type": "AdministrativeArea",
        "identifier": {"@type": "PropertyValue", "propertyID": "ARS", "value": ars},
    }


def _place(place: LocationValue) -> Json:
    address: dict[str, Json] = {
        "@type": "PostalAddress",
        "addressCountry": "DE",
        **_given("streetAddress", place.street),
        **_given("postalCode", place.postcode),
        **_given("addressLocality", place.city),
    }
    geo: dict[str, Json] = {}
    if place.latitude is not None and place.longitude is not None:
        geo = {"geo": {"@type": "GeoCoordinates", "latitude": place.latitude, "longitude": place.longitude}}
    return {
        "@type": "Place",
        "name": place.name,
        "address": address,
        **geo,
        **_given("openingHoursSpecification", _hours(place.hours)),
    }


def _hours(hours: OpeningHours | None) -> list[Json]:
    if hours is None:
        return []
    return [
        {
            "@type": "OpeningHoursSpecification",
            "dayOfWeek": f"https://schema.org/{DAYS[period.weekday - 1]}",
            "opens": period.opens,
            "closes": "23:59" if period.closes == "24:00" else period.closes,
        }
        for period in hours.periods
    ]


def _instance(run: CourseRun, mode: str | None) -> Json:
    return {
        "@type": "CourseInstance",
        **_given("startDate", run.starts_on.isoformat() if run.starts_on else None),
        **_given("endDate", run.ends_on.isoformat() if run.ends_on else None),
        **_given("courseMode", mode),
    }


def _page(address: str, changed: datetime, assured: datetime | None, provenance: Provenance | None) -> Json:
    # without an @id: that of the entry would make page and entry one and the same
    return {
        "@type": "WebPage",
        **_given("url", address if address.startswith("http") else None),
        "dateModified": changed.isoformat(),
        **_given("lastReviewed", local_day(assured).isoformat() if assured else None),
        **_given("license", _licence(provenance.licence) if provenance else None),
        **_given("isBasedOn", provenance.source if provenance else None),
    }


def _licence(said: str | None) -> str | None:
    """Return a licence as the address that schema.org asks for, where it is named as SPDX does.

    >>> _licence("CC0-1.0"), _licence("https://example.org/terms"), _licence("on request")
    ('https://spdx.org/licenses/CC0-1.0', 'https://example.org/terms', 'on request')
    """
    return f"{SPDX}{said}" if said and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", said) else said
