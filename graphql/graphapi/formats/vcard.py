"""Partners and services as vCard 4.0 (RFC 6350), for people's address books."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from icalendar import Component, vText, vUri
from icalendar.prop import vAdr

from directory.documents import PartnerDocument, ServiceDocument
from directory.languages import choose
from directory.values import ContactPoint, LanguageOffered, LocationValue
from directory.vocabulary import ContactKind

MEDIA_TYPE: Final = "text/vcard"


class VCard(Component):
    """A component of its own kind: the content lines of RFC 6350 are those of iCalendar."""

    name = "VCARD"


def of_partner(partner: PartnerDocument, address: str) -> bytes:
    """Return the card of a partner; ``address`` is where the entry is read (property SOURCE)."""
    card = _card(f"urn:uuid:{partner.id}", partner.name, partner.name)
    _reach(card, partner.contact_points, partner.website, partner.locations, partner.languages)
    return _written(card, address, partner.updated_at.strftime("%Y%m%dT%H%M%SZ"))


def of_service(service: ServiceDocument, address: str, language: str) -> bytes:
    """Return the card of a service in a language, with its partner as the organisation.

    ``address`` is where the entry is read (property SOURCE).
    """
    title = choose(service.title, (language,))
    card = _card(f"urn:uuid:{service.id}", title[1] if title else "", service.partner.name)
    website = service.website or service.partner.website
    _reach(card, service.contact_points, website, service.locations, service.languages)
    return _written(card, address, service.updated_at.strftime("%Y%m%dT%H%M%SZ"))


def _card(uid: str, name: str, organisation: str) -> VCard:
    card = VCard()
    card.add("VERSION", vText("4.0"))
    card.add("UID", vUri(uid))
    card.add("KIND", vText("org"))
    card.add("FN", vText(name))
    card.add("ORG", vText(organisation))
    return card


def _reach(
    card: VCard,
    points: Iterable[ContactPoint],
    website: str | None,
    places: Iterable[LocationValue],
    languages: Iterable[LanguageOffered],
) -> None:
    sites = [website] if website else []
    for point in points:
        if point.kind is ContactKind.PHONE:
            extension = f";ext={point.extension}" if point.extension else ""
            card.add(
                "TEL", vUri(f"tel:{point.value}{extension}"), parameters={"VALUE": "uri", "TYPE": "work"}
            )
        elif point.kind is ContactKind.EMAIL:
            card.add("EMAIL", vText(point.value), parameters={"TYPE": "work"})
        elif point.value not in sites:
            sites.append(point.value)
    for site in sites:
        card.add("URL", vUri(site))
    for place in places:
        parameters = {"TYPE": "work"}
        if place.latitude is not None and place.longitude is not None:
            parameters["GEO"] = f"geo:{place.latitude},{place.longitude}"
        parts = ("", "", place.street or "", place.city or "", "", place.postcode or "", "Deutschland")
        card.add("ADR", vAdr(parts), parameters=parameters)
    for language in dict.fromkeys(offer.language for offer in languages):
        card.add("LANG", vText(language))


def _written(card: VCard, address: str, revised: str) -> bytes:
    card.add("SOURCE", vUri(address))
    card.add("REV", vText(revised))
    written: bytes = card.to_ical(sorted=False)
    return written
