"""A service of a partner, resolved field by field over its document."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry import Parent

from directory.documents import ServiceDocument, licence_of
from directory.vocabulary import PublicationState, Responsibility, ServiceKind
from graphapi.context import Info
from graphapi.formats import json_ld
from graphapi.relay import global_id
from graphapi.types.facts import (
    Capacity,
    CourseFacts,
    EligibilityRule,
    InterpretingFacts,
    LanguageOffered,
    Provenance,
    RecognitionFacts,
    ReferralFacts,
    RequiredDocument,
    SourceTerm,
)
from graphapi.types.freshness import Freshness, freshness_of
from graphapi.types.node import Node
from graphapi.types.places import ContactPoint, Location, Municipality
from graphapi.types.texts import LanguageArgument, Text, choose, every, translated
from graphapi.types.topic import Topic
from graphapi.types.words import label

if TYPE_CHECKING:
    from graphapi.types.partner import Partner


def _id(root: Parent[ServiceDocument]) -> strawberry.ID:
    return global_id("Service", root.id)


def _title(root: Parent[ServiceDocument], info: Info, language: LanguageArgument = None) -> Text:
    found = choose(root.title, language, info.context.languages)
    return translated(found, "title", root) if found is not None else Text(text="", language="und")


def _titles(root: Parent[ServiceDocument]) -> list[Text]:
    return [translated(text, "title", root) for text in every(root.title)]


def _description(root: Parent[ServiceDocument], info: Info, language: LanguageArgument = None) -> Text | None:
    found = choose(root.description, language, info.context.languages)
    return None if found is None else translated(found, "description", root)


def _descriptions(root: Parent[ServiceDocument]) -> list[Text]:
    return [translated(text, "description", root) for text in every(root.description)]


def _application_process(
    root: Parent[ServiceDocument], info: Info, language: LanguageArgument = None
) -> Text | None:
    found = choose(root.application_process, language, info.context.languages)
    return None if found is None else translated(found, "application_process", root)


def _application_processes(root: Parent[ServiceDocument]) -> list[Text]:
    return [translated(text, "application_process", root) for text in every(root.application_process)]


def _kind_label(root: Parent[ServiceDocument], info: Info) -> str | None:
    return None if root.kind is None else label(root.kind, info.context.language)


def _note(root: Parent[ServiceDocument], info: Info) -> Any:
    return info.context.loaders.service_note.load(root.id)


def _json_ld(root: Parent[ServiceDocument], info: Info) -> str:
    public_url = info.context.services.public_url
    here = json_ld.address(public_url, "services", root.id)
    keeper = json_ld.address(public_url, "partners", root.partner.id)
    return json_ld.encode(json_ld.of_service(root, here, keeper)).decode()


def _freshness(root: Parent[ServiceDocument], info: Info) -> Any:
    return freshness_of(root, info)


@strawberry.type(description="What a partner offers (Angebot; HSDS service).")
class Service(Node):
    """What a partner offers."""

    id: strawberry.ID = strawberry.field(resolver=_id, description="Global id.")
    version: int = strawberry.field(description="Rises with every change; give it as expectedVersion.")
    partner: Annotated[Partner, strawberry.lazy("graphapi.types.partner")] = strawberry.field(
        description="Who offers it."
    )
    municipality: Municipality = strawberry.field(description="In whose directory it stands.")
    kind: ServiceKind | None = strawberry.field(
        description="What it does; null for imported services that fit none of the kinds."
    )
    kind_label: str | None = strawberry.field(resolver=_kind_label, description="The kind, for people.")
    title: Text = strawberry.field(resolver=_title, description="What it is called.")
    titles: list[Text] = strawberry.field(resolver=_titles, description="The title in all its languages.")
    description: Text | None = strawberry.field(resolver=_description, description="What it is.")
    descriptions: list[Text] = strawberry.field(
        resolver=_descriptions, description="The description in all its languages."
    )
    website: str | None = strawberry.field(description="Web address.")
    topics: list[Topic] = strawberry.field(description="What it is about.")
    source_terms: list[SourceTerm] = strawberry.field(description="Terms of the source it was imported from.")
    languages: list[LanguageOffered] = strawberry.field(description="Languages it is offered in.")
    eligibility: list[EligibilityRule] = strawberry.field(
        description="For whom; the first rule that applies decides, when none does: ask."
    )
    area: list[str] = strawberry.field(description="Official keys (ARS, prefixes) of where it is offered.")
    responsibility: Responsibility = strawberry.field(
        description="Whether the place of residence decides who is responsible."
    )
    locations: list[Location] = strawberry.field(description="Where it is offered.")
    contact_points: list[ContactPoint] = strawberry.field(description="How to reach it.")
    capacity: Capacity = strawberry.field(description="Room for more people.")
    course: CourseFacts | None = strawberry.field(description="Facts of a course.")
    recognition: RecognitionFacts | None = strawberry.field(description="Facts of a recognition service.")
    interpreting: InterpretingFacts | None = strawberry.field(description="Facts of an interpreting service.")
    referral_facts: ReferralFacts | None = strawberry.field(
        description="How it wants people to be sent to it; null: not known."
    )
    application_process: Text | None = strawberry.field(
        resolver=_application_process, description="How to get it: the next steps of a person."
    )
    application_process_texts: list[Text] = strawberry.field(
        resolver=_application_processes, description="How to get it, in all its languages."
    )
    required_documents: list[RequiredDocument] = strawberry.field(
        description="What people are asked to bring."
    )
    state: PublicationState = strawberry.field(description="Who may see it; its partner's state counts too.")
    assured_at: datetime | None = strawberry.field(description="When the partner last said: still right.")
    freshness: Freshness = strawberry.field(
        graphql_type=Freshness,
        resolver=_freshness,
        description="How sure one can be of it today.",
    )
    provenance: Provenance | None = strawberry.field(
        description="Where it was imported from; null: it was entered here, its history says by whom."
    )
    licence: str | None = strawberry.field(
        resolver=lambda root: licence_of(root),
        graphql_type=str | None,
        description="Under which it may be used on (SPDX identifier or address): its source's, else its "
        "municipality's; null: nobody has said.",
    )
    source_language: str = strawberry.field(
        description="Language that its texts are translated from (BCP 47)."
    )
    updated_at: datetime = strawberry.field(description="When it last changed.")
    json_ld: str = strawberry.field(
        resolver=_json_ld, description="The entry in the words of schema.org, as JSON-LD 1.1."
    )
    note: str | None = strawberry.field(
        graphql_type=str | None,
        resolver=_note,
        description="Internal note; null for all but its partner and the coordination.",
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell services from other nodes: behind the type stands the stored document."""
        return isinstance(value, ServiceDocument | cls)
