"""A partner of the network, resolved field by field over its document or, within a service, its summary."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias, TypeVar

import strawberry
from strawberry import Parent

from directory.documents import PartnerDocument, licence_of
from directory.values import PartnerSummary
from directory.vocabulary import DataProtectionLaw, PartnerKind, PublicationState
from graphapi.context import Info
from graphapi.formats import json_ld
from graphapi.relay import global_id
from graphapi.types.facts import LanguageOffered, Provenance
from graphapi.types.freshness import Freshness, freshness_of
from graphapi.types.node import Node
from graphapi.types.paging import PAGE_SIZE, Connection, First, connection
from graphapi.types.places import ContactPoint, Location, Municipality
from graphapi.types.service import Service
from graphapi.types.texts import LanguageArgument, Text, choose, every, translated
from graphapi.types.words import label

Known: TypeAlias = PartnerDocument | PartnerSummary
"""What may stand behind a partner: a service brings the summary, the rest is loaded when asked for."""

T = TypeVar("T")


def _id(root: Parent[Known]) -> strawberry.ID:
    return global_id("Partner", root.id)


async def _whole(root: Known, info: Info) -> PartnerDocument | None:
    """Return the partner's document: what is there already, else loaded, once per page of services."""
    if isinstance(root, PartnerDocument):
        return root
    return await info.context.loaders.partner.load(root.id)


def _of(name: str) -> Any:
    """Return a resolver for a field that the summary does not have; null when the partner is not visible."""

    async def resolve(root: Parent[Known], info: Info) -> Any:
        whole = await _whole(root, info)
        return None if whole is None else getattr(whole, name)

    return resolve


def _list_of(name: str) -> Any:
    async def resolve(root: Parent[Known], info: Info) -> Any:
        whole = await _whole(root, info)
        return () if whole is None else getattr(whole, name)

    return resolve


async def _json_ld(root: Parent[Known], info: Info) -> str | None:
    whole = await _whole(root, info)
    if whole is None:
        return None
    here = json_ld.address(info.context.services.public_url, "partners", whole.id)
    return json_ld.encode(json_ld.of_partner(whole, here)).decode()


async def _description(root: Parent[Known], info: Info, language: LanguageArgument = None) -> Text | None:
    whole = await _whole(root, info)
    found = None if whole is None else choose(whole.description, language, info.context.languages)
    return None if whole is None or found is None else translated(found, "description", whole)


async def _descriptions(root: Parent[Known], info: Info) -> list[Text]:
    whole = await _whole(root, info)
    if whole is None:
        return []
    return [translated(text, "description", whole) for text in every(whole.description)]


async def _licence(root: Parent[Known], info: Info) -> str | None:
    whole = await _whole(root, info)
    return None if whole is None else licence_of(whole)


async def _kind_label(root: Parent[Known], info: Info) -> str:
    whole = await _whole(root, info)
    if whole is not None:
        municipality = await info.context.loaders.municipality.load(whole.municipality.id)
        own = {} if municipality is None else municipality.kind_labels.get(root.kind, {})
        if text := own.get(info.context.language):
            return text
    return label(root.kind, info.context.language)


async def _services(root: Parent[Known], info: Info, first: First = PAGE_SIZE) -> Any:
    total = info.context.asks("ServiceConnection", "totalCount")
    return connection(await info.context.loaders.services_of(root.id, first, total=total))


async def _freshness(root: Parent[Known], info: Info) -> Any:
    return freshness_of(await _whole(root, info), info)


def _note(root: Parent[Known], info: Info) -> Any:
    return info.context.loaders.partner_note.load(root.id)


def _settings(root: Parent[Known], info: Info) -> Any:
    return info.context.loaders.partner_settings.load(root.id)


@strawberry.type(description="What decides how data may go to a partner; for who keeps its entry.")
class PartnerSettings:
    """What decides how data may go to a partner."""

    data_protection_law: DataProtectionLaw = strawberry.field(
        description="Which data protection law binds it."
    )
    professional_secrecy: bool = strawberry.field(description="Whether its staff are bound by § 203 StGB.")
    school: bool = strawberry.field(description="Whether it is a school: then § 87 AufenthG does not apply.")
    superior_contact: str | None = strawberry.field(description="Whom to ask when it does not answer.")
    correspondence_language: str = strawberry.field(description="Language that it is written to in (BCP 47).")


@strawberry.type(description="An organisation in the network (HSDS organization).")
class Partner(Node):
    """An organisation in the network."""

    id: strawberry.ID = strawberry.field(resolver=_id, description="Global id.")
    name: str = strawberry.field(description="Its name.")
    kind: PartnerKind = strawberry.field(description="What sort of organisation it is.")
    kind_label: str = strawberry.field(
        resolver=_kind_label, description="The kind, for people, as its municipality calls it."
    )
    website: str | None = strawberry.field(description="Web address.")
    version: int | None = strawberry.field(
        graphql_type=int | None,
        resolver=_of("version"),
        description="Rises with every change; give it as expectedVersion.",
    )
    municipality: Municipality | None = strawberry.field(
        graphql_type=Municipality | None,
        resolver=_of("municipality"),
        description="In whose directory it stands.",
    )
    description: Text | None = strawberry.field(resolver=_description, description="What it is.")
    descriptions: list[Text] = strawberry.field(
        resolver=_descriptions, description="The description in all its languages."
    )
    contact_points: list[ContactPoint] = strawberry.field(
        graphql_type=list[ContactPoint],
        resolver=_list_of("contact_points"),
        description="How to reach it.",
    )
    locations: list[Location] = strawberry.field(
        graphql_type=list[Location], resolver=_list_of("locations"), description="Its places."
    )
    languages: list[LanguageOffered] = strawberry.field(
        graphql_type=list[LanguageOffered],
        resolver=_list_of("languages"),
        description="Languages spoken there.",
    )
    state: PublicationState | None = strawberry.field(
        graphql_type=PublicationState | None, resolver=_of("state"), description="Who may see it."
    )
    active: bool | None = strawberry.field(
        graphql_type=bool | None,
        resolver=_of("active"),
        description="Whether people can be referred to it.",
    )
    coordinates: bool | None = strawberry.field(
        graphql_type=bool | None,
        resolver=_of("coordinates"),
        description="Whether it is its municipality's coordination.",
    )
    public_body: bool | None = strawberry.field(
        graphql_type=bool | None,
        resolver=_of("public_body"),
        description="Whether it is a public body: then the notice about § 87 AufenthG is shown.",
    )
    assured_at: datetime | None = strawberry.field(
        graphql_type=datetime | None,
        resolver=_of("assured_at"),
        description="When the partner last said: still right.",
    )
    freshness: Freshness | None = strawberry.field(
        graphql_type=Freshness | None, resolver=_freshness, description="How sure one can be of it today."
    )
    provenance: Provenance | None = strawberry.field(
        graphql_type=Provenance | None,
        resolver=_of("provenance"),
        description="Where it was imported from; null: it was entered here, its history says by whom.",
    )
    licence: str | None = strawberry.field(
        graphql_type=str | None,
        resolver=_licence,
        description="Under which it may be used on (SPDX identifier or address): its source's, else its "
        "municipality's; null: nobody has said.",
    )
    source_language: str | None = strawberry.field(
        graphql_type=str | None,
        resolver=_of("source_language"),
        description="Language that its texts are translated from (BCP 47).",
    )
    updated_at: datetime | None = strawberry.field(
        graphql_type=datetime | None, resolver=_of("updated_at"), description="When it last changed."
    )
    services: Connection[Service] = strawberry.field(
        graphql_type=Connection[Service],
        resolver=_services,
        description="What it offers, in the order of the alphabet; `services(filter:)` pages through all.",
    )
    json_ld: str | None = strawberry.field(
        resolver=_json_ld,
        graphql_type=str | None,
        description="The entry in the words of schema.org, as JSON-LD 1.1.",
    )
    note: str | None = strawberry.field(
        graphql_type=str | None,
        resolver=_note,
        description="Internal note; null for all but the partner itself and the coordination.",
    )
    settings: PartnerSettings | None = strawberry.field(
        graphql_type=PartnerSettings | None,
        resolver=_settings,
        description="Settings; null for all but the partner itself and the coordination.",
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell partners from other nodes: behind the type stands the stored document or the summary."""
        return isinstance(value, PartnerDocument | PartnerSummary | cls)
