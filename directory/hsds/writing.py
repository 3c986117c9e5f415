"""From documents of the directory to HSDS 3.2.3. Pure; the day it is and the reader's languages are given.

Known traps of the specification, and what is done about them:

- ``schedule.timezone`` is a number: the hours from UTC on the day of writing. Wall times and the zone stay in
  the document, in an attribute, and in the German profile.
- ``phone.extension`` is a number: what would lose its leading zeros stands in an attribute and the profile.
- ``address.state_province`` is required: the land, by the key (ARS) of the place. Where an address cannot be
  told completely, and truthfully, what is known stands in the location's description.
- ``service.licenses`` is what somebody needs to operate; the licence of the data stands in the metadata.
- ``languages`` are those spoken; those through an interpreter stand in ``interpretation_services``.
- ``service_capacity.available`` is a number: only what was counted, and not longer than it is valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any

import msgspec

from directory.days import ZONE, local_day
from directory.documents import PartnerDocument, ServiceDocument
from directory.hsds import shapes
from directory.hsds.conditions import ages, eligibility_description, eligible_attributes
from directory.hsds.ids import derived_id
from directory.hsds.listing import at_location_id
from directory.hsds.parts import (
    Reach,
    Reading,
    attribute,
    came_from,
    first_reach,
    from_to,
    location,
    moment,
    named_languages,
    reach_of,
    spoken_languages,
    uri_of,
    word_attribute,
)
from directory.hsds.profile import (
    GermanOrganization,
    GermanSchedule,
    GermanService,
    GermanServiceArea,
)
from directory.hsds.terms import (
    source_term,
    topic_term,
    word_label,
)
from directory.hsds.territories import land, territory_name, territory_uri
from directory.values import (
    Capacity,
    CourseRun,
    LanguageOffered,
    LocationValue,
    Texts,
)
from directory.vocabulary import (
    CapacityState,
    PublicationState,
)

# --- Capacity, costs, courses -----------------------------------------------------------------------------


def capacity_today(given: Capacity, today: date) -> Capacity:
    """Return what counts of a capacity today: after its last day, or without a word, nothing is known."""
    if given.expires_on is not None and given.expires_on < today:
        return Capacity()
    return given


def _capacities(document: ServiceDocument, reading: Reading) -> tuple[shapes.ServiceCapacity, ...]:
    given = capacity_today(document.capacity, reading.today)
    if given.state is CapacityState.UNKNOWN:
        return ()
    available = 0 if given.state is CapacityState.NONE else given.places
    if available is None:
        return ()
    unit_id = str(derived_id("unit", "place"))
    as_of = document.updated_at if given.as_of is None else datetime.combine(given.as_of, time(), tzinfo=ZONE)
    said = [word_label(given.state, reading.label_language)]
    if given.waiting_weeks:
        said.append(reading.say("waiting", weeks=given.waiting_weeks))
    return (
        shapes.ServiceCapacity(
            id=str(derived_id("service_capacity", document.id)),
            service_id=str(document.id),
            unit=shapes.Unit(id=unit_id, name=reading.say("place")),
            unit_id=unit_id,
            available=available,
            description=". ".join(part.rstrip(".") for part in said),
            updated=moment(as_of),
        ),
    )


def _alert(document: ServiceDocument, reading: Reading) -> str | None:
    given = capacity_today(document.capacity, reading.today)
    if given.state is not CapacityState.NONE:
        return None
    said = (
        reading.say("no_places_undated")
        if given.as_of is None
        else reading.say("no_places", day=given.as_of.isoformat())
    )
    return f"{said} {reading.say('waiting', weeks=given.waiting_weeks)}" if given.waiting_weeks else said


def _costs(document: ServiceDocument) -> tuple[shapes.CostOption, ...]:
    course = document.course
    if course is None or course.cost_cents is None:
        return ()
    euros, cents = divmod(course.cost_cents, 100)
    return (
        shapes.CostOption(
            id=str(derived_id("cost_option", document.id)),
            service_id=str(document.id),
            currency="EUR",
            amount=euros + cents / 100 if cents else euros,
        ),
    )


def _fees(document: ServiceDocument, reading: Reading) -> str | None:
    course = document.course
    if course is None or course.cost_cents is None:
        return None
    if course.cost_cents == 0:
        return reading.say("free_of_charge")
    mark = "," if reading.label_language == "de" else "."
    return f"{course.cost_cents // 100}{mark}{course.cost_cents % 100:02} EUR"


def _runs(document: ServiceDocument, reading: Reading) -> tuple[shapes.Schedule, ...]:
    """Return the runs of a course that are not over."""
    if document.course is None:
        return ()
    return tuple(
        _run(document, at, run, reading)
        for at, run in enumerate(document.course.runs)
        if run.ends_on is None or run.ends_on >= reading.today
    )


def _run(document: ServiceDocument, at: int, run: CourseRun, reading: Reading) -> shapes.Schedule:
    said = [reading.say("run")]
    if run.starts_on is not None or run.ends_on is not None:
        said[0] += f" {from_to(run.starts_on, run.ends_on, reading)}"
    if run.apply_by is not None:
        said.append(reading.say("apply_by", day=run.apply_by.isoformat()))
    if run.full:
        said.append(reading.say("full"))
    elif run.places is not None:
        said.append(reading.say("places", places=run.places))
    begins = None if run.starts_on is None else run.starts_on.isoformat()
    ends = None if run.ends_on is None else run.ends_on.isoformat()
    make = GermanSchedule if reading.profile else shapes.Schedule
    return make(
        id=str(derived_id("schedule", document.id, "run", at, begins, ends)),
        service_id=str(document.id),
        valid_from=begins,
        valid_to=ends,
        dtstart=begins,
        until=ends,
        description=", ".join(said),
        notes=reading.text(run.note),
    )


def _areas(document: ServiceDocument, reading: Reading) -> tuple[shapes.ServiceArea, ...]:
    name = reading.text(document.municipality.name) or ""
    found: list[shapes.ServiceArea] = []
    for key in document.area:
        state = land(key)
        said = reading.say("area", key=key)
        values: dict[str, Any] = {
            "id": str(derived_id("service_area", document.id, key)),
            "service_id": str(document.id),
            "name": territory_name(key, document.municipality, name),
            "description": said if state is None else f"{said}, {state}",
            "extent": key,
            "extent_type": "text",
            "uri": territory_uri(key),
        }
        if reading.profile:
            found.append(GermanServiceArea(municipality_key=key, **values))
        else:
            found.append(shapes.ServiceArea(**values))
    return tuple(found)


def _interpreting(document: ServiceDocument, reading: Reading) -> str | None:
    said = []
    interpreted = [offered for offered in document.languages if offered.interpreted]
    if interpreted:
        said.append(reading.say("interpreted", languages=named_languages(interpreted, reading)))
    facts = document.interpreting
    if facts is not None and facts.languages:
        offered = [LanguageOffered(language=one.language, variety=one.variety) for one in facts.languages]
        said.append(reading.say("interprets", languages=named_languages(offered, reading)))
    return ". ".join(said) or None


def _application(document: ServiceDocument, reading: Reading) -> str | None:
    own = reading.text(document.application_process)
    said = [own] if own else []
    facts = document.referral_facts
    if facts is not None:
        if facts.required:
            said.append(reading.say("referral_required"))
        if facts.accepted is False:
            said.append(reading.say("referral_not_accepted"))
        said += [text for texts in (*facts.methods, *facts.next_steps) if (text := reading.text(texts))]
    if document.course is not None:
        said += [word_label(access, reading.label_language) for access in document.course.access]
    return "\n".join(said) or None


def _documents(document: ServiceDocument, reading: Reading) -> tuple[shapes.RequiredDocument, ...]:
    asked = [(paper.name, paper.url) for paper in document.required_documents]
    if document.referral_facts is not None:
        asked += [(texts, None) for texts in document.referral_facts.requirements]
    return tuple(
        shapes.RequiredDocument(
            id=str(derived_id("required_document", document.id, at)),
            service_id=str(document.id),
            document=text,
            uri=None if url is None else uri_of(url),
        )
        for at, (texts, url) in enumerate(asked)
        if (text := reading.text(texts))
    )


# --- Services ---------------------------------------------------------------------------------------------


def _service_attributes(document: ServiceDocument, reading: Reading) -> tuple[shapes.Attribute, ...]:
    id_ = document.id
    found: list[shapes.Attribute] = []
    if document.kind is not None:
        found.append(word_attribute("service", id_, document.kind, reading))
    for topic in document.topics:
        term = topic_term(topic.code, topic.labels, reading.languages)
        found.append(attribute("service", id_, link_type="topic", term=term, value=topic.code))
    found.append(word_attribute("service", id_, document.responsibility, reading))
    found += eligible_attributes(document, reading)
    course = document.course
    if course is not None:
        words: list[StrEnum] = [
            word
            for word in (course.level_from, course.level_to, course.format, *course.access)
            if word is not None
        ]
        found += [word_attribute("service", id_, word, reading) for word in dict.fromkeys(words)]
    if document.interpreting is not None:
        found += [word_attribute("service", id_, word, reading) for word in document.interpreting.modes]
    for foreign in document.source_terms:
        term = source_term(foreign)
        found.append(attribute("service", id_, link_type=foreign.vocabulary, term=term, value=foreign.code))
    return tuple({attribute.id: attribute for attribute in found}.values())


def _service_values(
    document: ServiceDocument, partner: PartnerDocument | None, reading: Reading, reach: Reach
) -> dict[str, Any]:
    """Return the one-to-one members of a service."""
    lowest, highest = ages(document.eligibility, reading.today)
    values: dict[str, Any] = {
        "id": str(document.id),
        "organization_id": str(document.partner.id),
        "name": reading.text(document.title) or str(document.id),
        "description": reading.text(document.description),
        "url": reach.url,
        "email": reach.email,
        "status": status(document, partner),
        "interpretation_services": _interpreting(document, reading),
        "application_process": _application(document, reading),
        "fees_description": _fees(document, reading),
        "eligibility_description": eligibility_description(
            document.eligibility, document.responsibility, document.municipality, reading
        ),
        "minimum_age": lowest,
        "maximum_age": highest,
        "assured_date": None if document.assured_at is None else local_day(document.assured_at).isoformat(),
        "alert": _alert(document, reading),
        "last_modified": moment(document.updated_at),
    }
    if reading.profile:
        values |= {
            "eligibility_rules": document.eligibility,
            "responsibility": document.responsibility,
            "municipality_key": document.municipality.ars,
            "provenance": document.provenance,
            "translations": _translations(
                name=document.title,
                description=document.description,
                application_process=document.application_process,
            ),
            "stale_translations": _stale(document.stale),
            "capacity": None if document.capacity == Capacity() else document.capacity,
            "course": document.course,
            "recognition": document.recognition,
            "interpreting": document.interpreting,
            "referral_facts": document.referral_facts,
        }
    return values


def _translations(**texts: Texts) -> dict[str, Texts]:
    return {name: languages for name, languages in texts.items() if languages}


def _stale(fields: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return what is stale under the names of HSDS."""
    return {"name" if field == "title" else field: languages for field, languages in fields.items()}


def _make_service(values: Mapping[str, Any], reading: Reading) -> shapes.Service:
    return GermanService(**values) if reading.profile else shapes.Service(**values)


def listed_service(
    document: ServiceDocument, partner: PartnerDocument | None, reading: Reading
) -> shapes.Service:
    """Return a service as lists have it: one-to-one members only."""
    reach = first_reach(document.contact_points, document.website)
    values = _service_values(document, partner, reading, reach)
    if partner is not None:
        values["organization"] = listed_organization(partner, reading)
    return _make_service(values, reading)


def full_service(
    document: ServiceDocument,
    partner: PartnerDocument | None,
    reading: Reading,
    *,
    places: bool = True,
    organization: bool = True,
) -> shapes.Service:
    """Return a service with all that belongs to it; without what nests it already."""
    id_ = str(document.id)
    reach = reach_of(document.contact_points, document.website, reading, service_id=id_)
    values = _service_values(document, partner, reading, reach) | {
        "additional_urls": reach.more_urls,
        "phones": reach.phones,
        "contacts": reach.contacts,
        "schedules": _runs(document, reading),
        "service_areas": _areas(document, reading),
        "languages": spoken_languages(document.languages, reading, service_id=id_),
        "cost_options": _costs(document),
        "required_documents": _documents(document, reading),
        "capacities": _capacities(document, reading),
        "attributes": _service_attributes(document, reading),
        "metadata": came_from("service", document),
    }
    if places:
        values["service_at_locations"] = tuple(
            _at_location(document, place, reading) for place in document.locations
        )
    if organization and partner is not None:
        values["organization"] = full_organization(partner, reading)
    return _make_service(values, reading)


def _at_location(
    document: ServiceDocument, place: LocationValue, reading: Reading, *, parts: bool = True
) -> shapes.ServiceAtLocation:
    return shapes.ServiceAtLocation(
        id=at_location_id(document.id, place.id),
        service_id=str(document.id),
        location_id=str(place.id),
        location=location(
            place,
            document.partner.id,
            document.municipality,
            reading,
            imported=document.provenance is not None,
            parts=parts,
        ),
    )


def listed_at_location(
    document: ServiceDocument, place: int, partner: PartnerDocument | None, reading: Reading
) -> shapes.ServiceAtLocation:
    """Return a service at its place number ``place`` (from 0) as lists have it."""
    linked = _at_location(document, document.locations[place], reading, parts=False)
    return msgspec.structs.replace(linked, service=listed_service(document, partner, reading))


def full_at_location(
    document: ServiceDocument, place: int, partner: PartnerDocument | None, reading: Reading
) -> shapes.ServiceAtLocation:
    """Return a service at its place number ``place`` (from 0) with all that belongs to both."""
    linked = _at_location(document, document.locations[place], reading)
    return msgspec.structs.replace(linked, service=full_service(document, partner, reading, places=False))


# --- Organisations ----------------------------------------------------------------------------------------


def _organization_values(document: PartnerDocument, reading: Reading, reach: Reach) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": str(document.id),
        "name": document.name,
        "description": reading.text(document.description)
        or word_label(document.kind, reading.label_language),
        "email": reach.email,
        "website": reach.url,
    }
    if reading.profile:
        values |= {
            "municipality_key": document.municipality.ars,
            "provenance": document.provenance,
            "translations": _translations(description=document.description),
            "stale_translations": _stale(document.stale),
        }
    return values


def _make_organization(values: Mapping[str, Any], reading: Reading) -> shapes.Organization:
    return GermanOrganization(**values) if reading.profile else shapes.Organization(**values)


def listed_organization(document: PartnerDocument, reading: Reading) -> shapes.Organization:
    """Return a partner as lists have it: one-to-one members only."""
    reach = first_reach(document.contact_points, document.website)
    return _make_organization(_organization_values(document, reading, reach), reading)


def full_organization(
    document: PartnerDocument, reading: Reading, services: Iterable[shapes.Service] = ()
) -> shapes.Organization:
    """Return a partner with all that belongs to it, and with these services."""
    id_ = str(document.id)
    reach = reach_of(document.contact_points, document.website, reading, organization_id=id_)
    provenance = document.provenance
    values = _organization_values(document, reading, reach) | {
        "additional_websites": reach.more_urls,
        "phones": reach.phones,
        "contacts": reach.contacts,
        "locations": tuple(
            location(
                place, document.id, document.municipality, reading, imported=document.provenance is not None
            )
            for place in document.locations
        ),
        "organization_identifiers": ()
        if provenance is None
        else (
            shapes.OrganizationIdentifier(
                id=str(derived_id("organization_identifier", id_)),
                organization_id=id_,
                identifier_type=provenance.source,
                identifier=provenance.foreign_id,
            ),
        ),
        "attributes": (word_attribute("organization", id_, document.kind, reading),),
        "metadata": came_from("organization", document),
        "services": tuple(services),
    }
    return _make_organization(values, reading)


def brief_service(
    document: ServiceDocument, partner: PartnerDocument | None, reading: Reading
) -> shapes.Service:
    """Return the least that is a service: its id, what it is called, and when it was changed."""
    return shapes.Service(
        id=str(document.id),
        name=reading.text(document.title) or str(document.id),
        status=status(document, partner),
        last_modified=moment(document.updated_at),
    )


def status(document: ServiceDocument, partner: PartnerDocument | None) -> shapes.Status:
    """Return whether a service can be used: it is published, and its partner is active."""
    published = document.state is PublicationState.PUBLISHED and (partner is None or partner.active)
    return "active" if published else "inactive"
