"""Reads the network file: all or nothing, because it is our own format and its author can correct it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from directory import contacts
from directory.eligibility import is_municipality_key
from directory.importing.entries import (
    CHUNK,
    Checkpoint,
    Loose,
    PartnerGiven,
    ServiceGiven,
    entry_id,
    nothing_loose,
    source_namespace,
)
from directory.importing.report import ROW_ADVICE, ImportRefused, ImportReport, Refusal
from directory.network import LocationEntry, NetworkFile, PartnerEntry, ServiceEntry, decoder
from directory.organisations import names_a_person
from directory.problems import InvalidInput
from directory.values import LocationValue

LARGEST: Final = 64 * 1024 * 1024
"""Bytes that a network file may have; larger networks come as packages."""


_BEGINNING: Final = 1 << 20


def is_network(path: Path) -> bool:
    """Whether a JSON file is a network file, as its beginning says."""
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    return b"spurwechsel-network" in beginning or b'"partners"' in beginning


def read_network(path: Path) -> NetworkFile:
    """Return the file's network with every reference checked; raises ImportRefused."""
    if path.stat().st_size > LARGEST:
        raise ImportRefused(Refusal.TOO_LARGE, path.name)
    try:
        network = decoder.decode(path.read_bytes())
    except UnicodeDecodeError as error:
        raise ImportRefused(Refusal.ENCODING, path.name) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImportRefused(Refusal.INVALID, f"{path.name}: {error}") from error
    _check_references(network)
    _check_territories(network)
    try:
        _check_contacts(network)
    except InvalidInput as error:
        raise ImportRefused(Refusal.INVALID, f"{path.name}: {error}") from error
    return network


def _unique(what: Iterable[str], where: str) -> set[str]:
    seen: set[str] = set()
    for key in what:
        if key in seen:
            raise ImportRefused(Refusal.DUPLICATE_KEY, f"{where}: {key}")
        seen.add(key)
    return seen


def _known(key: str | None, known: set[str], where: str) -> None:
    if key is not None and key not in known:
        raise ImportRefused(Refusal.REFERENCE_UNKNOWN, f"{where}: {key}")


def _check_references(network: NetworkFile) -> None:
    topics = _unique((topic.code for topic in network.topics), "topics")
    for topic in network.topics:
        _known(topic.parent, topics, f"topics: {topic.code}: parent")
    parents = {topic.code: topic.parent for topic in network.topics}
    for code in parents:
        above: str | None = code
        for _ in parents:
            above = parents.get(above) if above is not None else None
        if above is not None:  # longer than there are topics: it goes round in a circle
            raise ImportRefused(Refusal.INVALID, f"topics: {code}: parent")
    _unique((occupation.esco for occupation in network.occupations), "occupations")
    partners = _unique((partner.key for partner in network.partners), "partners")
    _known(network.municipality.coordination, partners, "municipality.coordination")
    _unique((service.key for partner in network.partners for service in partner.services), "services")
    _unique((location.key for partner in network.partners for location in partner.locations), "locations")
    for partner in network.partners:
        if not partner.name.strip():
            raise ImportRefused(Refusal.INVALID, f"partners: {partner.key}: name")
        if names_a_person(partner.name):
            raise ImportRefused(Refusal.PRIVATE_PERSON, f"partners: {partner.key}: name")
        places = {location.key for location in partner.locations}
        for service in partner.services:
            where = f"services: {service.key}"
            if not service.title:
                raise ImportRefused(Refusal.INVALID, f"{where}: title")
            for code in service.topics:
                _known(code, topics, f"{where}: topics")
            _unique(service.topics, f"{where}: topics")
            for place in service.locations:
                _known(place, places, f"{where}: locations")
            _unique(service.locations, f"{where}: locations")


def _check_territories(network: NetworkFile) -> None:
    """Refuse municipalities' short keys (AGS): no place of residence would ever match one."""
    for partner in network.partners:
        for service in partner.services:
            areas = [("area", key) for key in service.area]
            areas += [
                (f"eligibility[{at}].residence", key)
                for at, rule in enumerate(service.eligibility)
                for key in rule.residence
            ]
            for field, key in areas:
                if is_municipality_key(key):
                    raise ImportRefused(
                        Refusal.INVALID,
                        f"services: {service.key}: {field}: {key}: {ROW_ADVICE['TERRITORY_IS_AGS']}",
                    )


def _check_contacts(network: NetworkFile) -> None:
    """Refuse addresses that nobody can reach; numbers must stand there as E.164 already."""
    for partner in network.partners:
        entries: tuple[PartnerEntry | ServiceEntry, ...] = (partner, *partner.services)
        for entry in entries:
            where = f"{entry.key}: "
            if entry.website is not None:
                contacts.url(entry.website, f"{where}website")
            for number, point in enumerate(entry.contact_points):
                field = f"{where}contact_points[{number}]"
                if contacts.contact_point(point, field).value != point.value:
                    raise InvalidInput(f"{field}.value", "format")


class NetworkSource:
    """A network file as a source of entries."""

    format = "spurwechsel-network/1"
    may_be_ours = False

    def __init__(self, path: Path, report: ImportReport) -> None:
        network = read_network(path)
        self.name = network.source
        self.licence = network.licence
        self.municipality = network.municipality
        self.topics = network.topics
        self.occupations = network.occupations
        self.clients = network.clients
        self._network = network
        self._namespace = source_namespace(network.source)
        coordination = network.municipality.coordination
        self.coordination = entry_id(self._namespace, "partner", coordination) if coordination else None
        report.file(path.name).read = len(network.partners) + sum(
            len(partner.services) for partner in network.partners
        )

    async def prepare(self, checkpoint: Checkpoint | None) -> int | None:
        """Return how many entries come; the file was read whole."""
        return sum(1 + len(partner.services) for partner in self._network.partners)

    async def partners(self, after: int) -> AsyncIterator[tuple[int, list[PartnerGiven]]]:
        """Yield every partner once."""
        given = map(self._partner, self._network.partners[after:])
        while chunk := list(islice(given, CHUNK)):
            after += len(chunk)
            yield after, chunk

    async def services(self, after: int) -> AsyncIterator[tuple[int, list[ServiceGiven]]]:
        """Yield every service once."""
        given = islice(self._services(), after, None)
        while chunk := list(islice(given, CHUNK)):
            after += len(chunk)
            yield after, chunk

    def loose(self, after: int) -> AsyncIterator[tuple[int, list[Loose]]]:
        """Yield nothing: everything in the file belongs to an entry."""
        return nothing_loose(after)

    def _partner(self, entry: PartnerEntry) -> PartnerGiven:
        id_ = entry_id(self._namespace, "partner", entry.key)
        return PartnerGiven(
            id=id_,
            foreign_id=entry.key,
            values={
                "kind": entry.kind,
                "name": entry.name,
                "description": entry.description,
                "website": entry.website,
                "contact_points": entry.contact_points,
                "languages": entry.languages,
                "coordinates": id_ == self.coordination,
                "data_protection_law": entry.data_protection_law,
                "professional_secrecy": entry.professional_secrecy,
                "public_body": entry.public_body,
                "school": entry.school,
                "superior_contact": entry.superior_contact,
                "note": entry.note,
                "assured_at": entry.assured_at,
            },
            state=entry.state,
            locations=tuple(self._location(location) for location in entry.locations),
        )

    def _location(self, entry: LocationEntry) -> LocationValue:
        return LocationValue(
            id=entry_id(self._namespace, "location", entry.key),
            name=entry.name,
            street=entry.street,
            postcode=entry.postcode,
            city=entry.city,
            ars=entry.ars,
            latitude=entry.latitude,
            longitude=entry.longitude,
            accessibility=entry.accessibility,
            hours=entry.hours,
        )

    def _services(self) -> Iterator[ServiceGiven]:
        for partner in self._network.partners:
            for entry in partner.services:
                yield self._service(partner, entry)

    def _service(self, partner: PartnerEntry, entry: ServiceEntry) -> ServiceGiven:
        return ServiceGiven(
            id=entry_id(self._namespace, "service", entry.key),
            foreign_id=entry.key,
            partner_id=entry_id(self._namespace, "partner", partner.key),
            values={
                "kind": entry.kind,
                "title": entry.title,
                "description": entry.description,
                "website": entry.website,
                "languages": entry.languages,
                "eligibility": entry.eligibility,
                "area": entry.area,
                "responsibility": entry.responsibility,
                "contact_points": entry.contact_points,
                "capacity": entry.capacity,
                "course": entry.course,
                "recognition": entry.recognition,
                "interpreting": entry.interpreting,
                "referral_facts": entry.referral_facts,
                "application_process": entry.application_process,
                "required_documents": entry.required_documents,
                "note": entry.note,
                "assured_at": entry.assured_at,
            },
            state=entry.state,
            topics=entry.topics,
            locations=tuple(entry_id(self._namespace, "location", key) for key in entry.locations),
        )
