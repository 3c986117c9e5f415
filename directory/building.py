"""From rows to documents: builds and stores the document of every touched aggregate (DESIGN 3.2, 3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from sys import intern
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec
from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload

from directory.documents import (
    SHAPE,
    DocumentKind,
    InternalDocument,
    PartnerDocument,
    ServiceDocument,
    encoder,
)
from directory.duplicates import keys_of_partner, keys_of_service
from directory.freshness import due_at
from directory.hsds.listing import partner_listing, service_listing
from directory.models import (
    Location,
    Municipality,
    Partner,
    PartnerDocumentRow,
    Service,
    ServiceDocumentRow,
    Topic,
)
from directory.sortkey import sort_key
from directory.values import LocationValue, MunicipalitySummary, PartnerSummary, TopicTerm
from directory.vocabulary import PublicationState

CHUNK: Final = 500
"""How many documents are built at once, so that memory does not grow with their number."""

DocumentChange: TypeAlias = tuple[DocumentKind, UUID, int, bool]
"""What the feed is told: kind, id, version, tombstone."""

Told: TypeAlias = Mapping[str, Mapping[str, str]]
"""What the history is told: by id of the entry (or "*") the ``action``, and perhaps its ``reason``."""


def title_of(texts: dict[str, str]) -> str:
    """Return the text that lists sort by: German, else English, else the first there is."""
    return texts.get("de") or texts.get("en") or next(iter(texts.values()))


def municipality_summary(municipality: Municipality) -> MunicipalitySummary:
    """Return the part of a municipality that entries show."""
    return MunicipalitySummary(
        id=municipality.id, name=municipality.name, ars=municipality.ars, licence=municipality.licence
    )


def location_value(location: Location) -> LocationValue:
    """Return a location as documents show it."""
    return LocationValue(
        id=location.id,
        name=location.name,
        street=location.street,
        postcode=location.postcode,
        city=location.city,
        ars=location.ars,
        latitude=location.latitude,
        longitude=location.longitude,
        accessibility=location.accessibility,
        hours=location.hours,
    )


def partner_document(partner: Partner) -> PartnerDocument:
    """Build a partner's document; its municipality and locations are loaded."""
    return PartnerDocument(
        id=partner.id,
        version=partner.version,
        municipality=municipality_summary(partner.municipality),
        kind=partner.kind,
        name=partner.name,
        description=partner.description,
        source_language=intern(partner.source_language),  # equal defaults are left out only if identical
        stale=partner.text_dates.stale,
        website=partner.website,
        contact_points=partner.contact_points,
        locations=tuple(location_value(location) for location in partner.locations),
        languages=partner.languages,
        state=partner.state,
        active=partner.active,
        coordinates=partner.coordinates,
        public_body=partner.public_body,
        assured_at=partner.assured_at,
        assured_kinds=partner.assured_kinds or {},
        provenance=partner.provenance,
        said_at=partner.said_at,
        updated_at=partner.updated_at,
    )


def service_document(
    service: Service, partner: Partner, topics: Sequence[Topic], locations: Sequence[Location]
) -> ServiceDocument:
    """Build a service's document from its rows; the partner's municipality is loaded."""
    return ServiceDocument(
        id=service.id,
        version=service.version,
        partner=PartnerSummary(id=partner.id, name=partner.name, kind=partner.kind, website=partner.website),
        municipality=municipality_summary(partner.municipality),
        kind=service.kind,
        title=service.title,
        description=service.description,
        source_language=intern(service.source_language),
        stale=service.text_dates.stale,
        website=service.website,
        topics=tuple(TopicTerm(code=topic.code, labels=topic.labels) for topic in topics),
        source_terms=service.source_terms,
        languages=service.languages,
        eligibility=service.eligibility,
        area=service.area,
        responsibility=service.responsibility,
        locations=tuple(location_value(location) for location in locations),
        contact_points=service.contact_points,
        capacity=service.capacity,
        course=service.course,
        recognition=service.recognition,
        interpreting=service.interpreting,
        referral_facts=service.referral_facts,
        application_process=service.application_process,
        required_documents=service.required_documents,
        state=service.state,
        assured_at=service.assured_at,
        assured_kinds=service.assured_kinds or {},
        provenance=service.provenance,
        said_at=service.said_at,
        updated_at=service.updated_at,
    )


def visible_state(service: PublicationState, partner: PublicationState) -> PublicationState:
    """Return the state readers go by: a service is published only while its partner is.

    >>> visible_state(PublicationState.PUBLISHED, PublicationState.HIDDEN).value
    'HIDDEN'
    """
    return partner if service is PublicationState.PUBLISHED else service


def partner_row(partner: Partner) -> dict[str, Any]:
    """Return the stored form of a partner's document, as column values."""
    document = partner_document(partner)
    return {
        "id": partner.id,
        "municipality_id": partner.municipality_id,
        "kind": partner.kind,
        "state": partner.state,
        "sort_key": sort_key(partner.name),
        "version": partner.version,
        "shape": SHAPE,
        "due_at": due_at(document),
        "likeness": keys_of_partner(document),
        **partner_listing(document),
        "public": encoder.encode(document).decode(),
        "internal": encoder.encode(InternalDocument(note=partner.note)).decode(),
    }


def service_row(
    service: Service, partner: Partner, topics: Sequence[Topic], locations: Sequence[Location]
) -> dict[str, Any]:
    """Return the stored form of a service's document, as column values."""
    document = service_document(service, partner, topics, locations)
    return {
        "id": service.id,
        "partner_id": service.partner_id,
        "municipality_id": partner.municipality_id,
        "kind": service.kind,
        "topics": tuple(topic.code for topic in topics),
        "course": service.course,
        "state": visible_state(service.state, partner.state),
        "sort_key": sort_key(title_of(service.title)),
        "version": service.version,
        "shape": SHAPE,
        "due_at": due_at(document),
        "likeness": keys_of_service(document),
        **service_listing(document),
        "public": encoder.encode(document).decode(),
        "internal": encoder.encode(InternalDocument(note=service.note)).decode(),
    }


async def _store(
    session: AsyncSession, table: type[PartnerDocumentRow | ServiceDocumentRow], rows: list[dict[str, Any]]
) -> None:
    statement = insert(table)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={name: statement.excluded[name] for name in rows[0] if name != "id"},
        ),
        rows,
    )


def _chunks(ids: Sequence[UUID]) -> Iterator[list[UUID]]:
    rest = iter(ids)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


async def keep_versions(
    session: AsyncSession, kind: DocumentKind, ids: Sequence[UUID], told: Told | None = None
) -> None:
    """Keep in their history what these entries say now; one statement, nothing where nothing changed.

    Called here, where documents are rebuilt, and by the import, which writes prepared ones: so that no
    change of an entry can miss its history (``directory.history``). Who acts the transaction knows.
    """
    await session.execute(
        text("SELECT keep_versions(:kind, CAST(:ids AS uuid[]), CAST(:told AS jsonb))"),
        {"kind": kind.value, "ids": list(ids), "told": msgspec.json.encode(told or {}).decode()},
    )


async def _forget_ended(
    session: AsyncSession, table: type[PartnerDocumentRow | ServiceDocumentRow], ids: list[UUID]
) -> None:
    """Delete the documents of entries that have ended: nobody finds them from this commit on."""
    if ids:
        await session.execute(
            delete(table).where(table.id.in_(ids)).execution_options(synchronize_session=False)
        )


async def rebuild_services(
    session: AsyncSession, ids: Sequence[UUID], told: Told | None = None
) -> list[DocumentChange]:
    """Rebuild and store the documents of these services; return what the feed is to be told."""
    changes: list[DocumentChange] = []
    for chunk in _chunks(ids):
        await keep_versions(session, DocumentKind.SERVICE, chunk, told)
        services = await session.scalars(
            select(Service)
            .where(Service.id.in_(chunk))
            .options(
                joinedload(Service.partner).joinedload(Partner.municipality),
                selectinload(Service.topics),
                selectinload(Service.locations),
            )
            .execution_options(populate_existing=True)
        )
        found = list(services)
        ended = [service for service in found if service.ended_at is not None]
        rows = [
            service_row(service, service.partner, service.topics, service.locations)
            for service in found
            if service.ended_at is None
        ]
        if rows:
            await _store(session, ServiceDocumentRow, rows)
        await _forget_ended(session, ServiceDocumentRow, [service.id for service in ended])
        changes += [(DocumentKind.SERVICE, row["id"], row["version"], False) for row in rows]
        changes += [(DocumentKind.SERVICE, service.id, service.version, True) for service in ended]
    return changes


async def rebuild_partners(
    session: AsyncSession, ids: Sequence[UUID], told: Told | None = None
) -> list[DocumentChange]:
    """Rebuild and store the documents of these partners; return what the feed is to be told."""
    changes: list[DocumentChange] = []
    for chunk in _chunks(ids):
        await keep_versions(session, DocumentKind.PARTNER, chunk, told)
        partners = await session.scalars(
            select(Partner)
            .where(Partner.id.in_(chunk))
            .options(joinedload(Partner.municipality), selectinload(Partner.locations))
            .execution_options(populate_existing=True)
        )
        found = list(partners)
        ended = [partner for partner in found if partner.ended_at is not None]
        rows = [partner_row(partner) for partner in found if partner.ended_at is None]
        if rows:
            await _store(session, PartnerDocumentRow, rows)
        await _forget_ended(session, PartnerDocumentRow, [partner.id for partner in ended])
        changes += [(DocumentKind.PARTNER, row["id"], row["version"], False) for row in rows]
        changes += [(DocumentKind.PARTNER, partner.id, partner.version, True) for partner in ended]
    return changes


async def raise_services(
    session: AsyncSession, partner_id: UUID, now: datetime, *, after: UUID | None = None
) -> list[UUID]:
    """Raise the versions of at most CHUNK of a partner's services, by id after ``after``; return their ids.

    What a service's document shows of its partner has changed, so the service's entry has.
    """
    some = select(Service.id).where(Service.partner_id == partner_id, Service.ended_at.is_(None))
    if after is not None:
        some = some.where(Service.id > after)
    raised = await session.scalars(
        update(Service)
        .where(Service.id.in_(some.order_by(Service.id).limit(CHUNK).with_for_update()))
        .values(version=Service.version + 1, updated_at=now)
        .returning(Service.id)
        .execution_options(synchronize_session=False)
    )
    return sorted(raised)


async def outdated(session: AsyncSession) -> tuple[list[UUID], list[UUID]]:
    """Return some partners and some services whose documents have an older shape than this release's."""
    partners = await session.scalars(
        select(PartnerDocumentRow.id).where(PartnerDocumentRow.shape < SHAPE).limit(CHUNK)
    )
    services = await session.scalars(
        select(ServiceDocumentRow.id).where(ServiceDocumentRow.shape < SHAPE).limit(CHUNK)
    )
    return list(partners), list(services)
