"""Writes entries as HSDS 3 records: what their source said, changed where it was changed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from directory.documents import PartnerDocument, ServiceDocument
from directory.exporting.merging import merged
from directory.exporting.pages import Original, Partner, Service
from directory.freshness import with_end
from directory.hsds import reading as hsds_reading
from directory.hsds.ids import derived_id
from directory.hsds.parts import Reading
from directory.hsds.tables import ALONE, COLUMNS, NESTED, OBJECT_OF, REFERENCES, link_column
from directory.hsds.terms import VOCABULARIES, source_key, taxonomy_id
from directory.hsds.writing import full_organization, full_service
from directory.importing.entries import source_namespace
from directory.values import Capacity, LocationValue
from directory.vocabulary import Responsibility

FORMAT: Final = "hsds-3"


def _built(shape: Any) -> dict[str, Any]:
    """Return a struct as plain JSON values."""
    built: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shape))
    return built


def _of_hsds3(original: Original | None) -> tuple[dict[str, Any], str] | None:
    """Return an original record and the language of its texts, where it is one of HSDS 3."""
    if original is None or not original.format.startswith(FORMAT):
        return None
    return original.record, original.format.partition(" ")[2] or "en"


def _places_said(
    document: PartnerDocument | ServiceDocument,
    records: Mapping[str, Any],
    owner: str,
    namespace: UUID,
    language: str,
) -> tuple[LocationValue, ...]:
    """Return a document's places as their source says them; those that were added here are left out."""
    said = {}
    for record in records.values():
        try:
            place = hsds_reading.as_shape({"name": "", **record}, hsds_reading.ReadLocation)
        except hsds_reading.Unreadable:
            continue
        value = hsds_reading.read_location(place, namespace, owner, language)
        said[value.id] = value
    return tuple(said[place.id] for place in document.locations if place.id in said)


def _places_in(records: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for place in records.get("locations") or ():
        if isinstance(place, dict):
            yield place
    for at in records.get("service_at_locations") or ():
        if isinstance(at, dict) and isinstance(at.get("location"), dict):
            yield at["location"]


def organization_record(partner: Partner, reading: Reading) -> dict[str, Any]:
    """Return a partner as an HSDS organisation, without its services."""
    ours = _built(full_organization(partner.document, reading))
    ours.pop("services", None)
    given = _of_hsds3(partner.original)
    if given is None or partner.original is None:
        return ours
    original, language = given
    namespace = source_namespace(partner.original.source)
    key = str(original.get("id"))
    try:
        shape = hsds_reading.as_shape(original, hsds_reading.ReadOrganization)
    except hsds_reading.Unreadable:
        return ours
    said = hsds_reading.read_organization(shape, namespace, language)
    places = {str(place.get("id")): place for place in _places_in(original)}
    for service in partner.services:
        of_service = _of_hsds3(service.original)
        if of_service is not None:
            for place in _places_in(of_service[0]):
                places.setdefault(str(place.get("id")), place)
    known = _places_said(partner.document, places, key, namespace, language)
    base = msgspec.structs.replace(
        partner.document,
        **said.values,
        # what another page of its services says of a place cannot be compared here
        locations=_in_order(partner.document.locations, known),
    )
    result = merged(original, _without_services(_built(full_organization(base, reading))), ours)
    result.pop("services", None)
    return result


def _in_order(all_: tuple[LocationValue, ...], known: tuple[LocationValue, ...]) -> tuple[LocationValue, ...]:
    by_id = {place.id: place for place in known}
    return tuple(by_id.get(place.id, place) for place in all_)


def _without_services(record: dict[str, Any]) -> dict[str, Any]:
    record.pop("services", None)
    return record


_SAYS_NOTHING: Final[Mapping[str, Any]] = {
    "kind": None, "topics": (), "source_terms": (), "languages": (), "eligibility": (), "area": (),
    "responsibility": Responsibility.FREE, "contact_points": (), "capacity": Capacity(), "course": None,
    "recognition": None, "interpreting": None, "referral_facts": None, "assured_at": None,
}  # fmt: skip


def service_record(service: Service, partner: Partner, reading: Reading) -> dict[str, Any]:
    """Return a service as an HSDS service, without its organisation."""
    document = service.document
    ours = _built(full_service(document, None, reading, organization=False))
    given = _of_hsds3(service.original)
    if given is None or service.original is None:
        return ours
    original, language = given
    namespace = source_namespace(service.original.source)
    of_partner = _of_hsds3(partner.original)
    owner = str(of_partner[0].get("id")) if of_partner else ""
    alone = {name: value for name, value in original.items() if name != "organization"}
    try:
        shape = hsds_reading.as_shape(alone, hsds_reading.ReadService)
    except hsds_reading.Unreadable:
        return ours
    said = hsds_reading.read_service(shape, namespace, owner, language)
    places = {str(place.get("id")): place for place in _places_in(original)}
    known = _places_said(document, places, owner, namespace, language)
    topics = tuple(topic for topic in document.topics if topic.code in (said.topics or ()))
    fields = {**_SAYS_NOTHING, **said.values, "topics": topics}
    fields["locations"] = _in_order(
        tuple(place for place in document.locations if place.id in said.locations), known
    )
    # the end that an import gives a figure is no change of it
    fields["capacity"] = with_end(fields["capacity"])
    base = msgspec.structs.replace(document, **fields)
    result = merged(alone, _built(full_service(base, None, reading, organization=False)), ours)
    if partner.original is None or of_partner is None:
        result["organization_id"] = str(document.partner.id)
    return result


def with_organization(service: dict[str, Any], organization: dict[str, Any]) -> dict[str, Any]:
    """Return a service that nests its organisation, in the place where its source had it."""
    return {**service, "organization": organization}


def at_locations(service: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a service's records of it at its locations, each with the service."""
    alone = {name: value for name, value in service.items() if name != "service_at_locations"}
    for at in service.get("service_at_locations") or ():
        yield {**at, "service": alone}


# tables

_OURS: Final = frozenset(taxonomy_id(vocabulary.key) for vocabulary in VOCABULARIES)

Row = tuple[str, dict[str, Any]]


class Flattening:
    """Turns nested records into rows of tables: each row once, linked to what it belongs to.

    A row that stands nested in several places under one id is written once where its own columns name them
    all, else again under an id made of its own and the place, so that nothing is lost. Rows are remembered
    for one organisation at a time, those of vocabularies for the whole export.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()
        self._alone: set[tuple[str, str]] = set()

    def next_organization(self) -> None:
        """Forget the rows of the organisation before."""
        self._seen.clear()

    def _our_taxonomy(self, term: Mapping[str, Any]) -> Iterator[Row]:
        """Yield the taxonomy of a term that our own writing names without its row."""
        id_ = str(term.get("taxonomy_id", ""))
        name = str(term.get("taxonomy", ""))
        if ("taxonomies", id_) not in self._alone and id_ in {*_OURS, taxonomy_id(source_key(name))}:
            self._alone.add(("taxonomies", id_))
            yield "taxonomies", {"id": id_, "name": name or id_, "description": name or id_}

    def rows(
        self, table: str, record: Mapping[str, Any], parent: tuple[str, str] | None = None
    ) -> Iterator[Row]:
        """Yield the rows of a record and of all that is nested in it."""
        row = {
            column.name: record[column.name]
            for column in COLUMNS[table]
            if record.get(column.name) not in (None, "", [], {})
        }
        id_ = str(row.get("id", ""))
        link = link_column(parent[0], table) if parent is not None else None
        linked = link is not None and parent is not None and row.get(link) == parent[1]
        if link is not None and parent is not None:
            row.setdefault(link, parent[1])
            if table == "attributes":
                row.setdefault("link_entity", OBJECT_OF[parent[0]])
        seen = self._alone if table in ALONE else self._seen
        if (table, id_) in seen:
            if table in ALONE or linked or link is None or parent is None:
                return
            id_ = row["id"] = str(derived_id(OBJECT_OF[table], id_, *parent))
            row[link] = parent[1]
            if (table, id_) in seen:
                return
        seen.add((table, id_))
        for member, column in REFERENCES.get(table, {}).items():
            held = record.get(member)
            if isinstance(held, Mapping) and held.get("id"):
                row.setdefault(column, held["id"])
                if member not in {"organization", "service"}:
                    inner = dict(held)
                    if member == "program" and row.get("organization_id"):
                        inner.setdefault("organization_id", row["organization_id"])
                    yield from self.rows(
                        {"program": "programs", "location": "locations", "unit": "units"}.get(
                            member, "taxonomy_terms" if member == "taxonomy_term" else "taxonomies"
                        ),
                        inner,
                    )
        if table == "metadata":  # nothing stood there before, which the table's schema has no word for
            for name in ("previous_value", "replacement_value"):
                row.setdefault(name, "–")
        if table == "taxonomy_terms":
            yield from self._our_taxonomy(row)
        yield table, row
        for nested in NESTED[table]:
            held = record.get(nested.member)
            if not nested.many or not isinstance(held, list):
                continue
            if nested.table == "services":
                continue
            for one in held:
                if isinstance(one, Mapping):
                    yield from self.rows(nested.table, one, (table, id_))
