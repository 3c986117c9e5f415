"""Services: create, change, publish, hide, assure, and say how much room there is."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory import catalogue
from directory.database import Work
from directory.values import Capacity
from directory.vocabulary import Responsibility, ServiceKind
from graphapi.context import Info
from graphapi.mutations.inputs import (
    CapacityInput,
    ContactPointInput,
    CourseFactsInput,
    EligibilityRuleInput,
    InterpretingFactsInput,
    LanguageOfferedInput,
    RecognitionFactsInput,
    ReferralFactsInput,
    RequiredDocumentInput,
)
from graphapi.mutations.running import ChangeProblems, CreateProblems, Given, run
from graphapi.relay import target_id
from graphapi.types.history import PossibleDuplicate, look_alikes_in
from graphapi.types.service import Service
from graphapi.types.texts import TextInput


@strawberry.type(description="The service as it is now.")
class ServiceSaved:
    """The service as it is now."""

    service: Service = strawberry.field(graphql_type=Service, description="The service.")
    possible_duplicates: list[PossibleDuplicate] = strawberry.field(
        graphql_type=list[PossibleDuplicate],
        resolver=look_alikes_in("service"),
        description="What may be the same, the most alike first; only of what you may see.",
    )


async def service_saved(info: Info, service_id: UUID) -> ServiceSaved | None:
    """Read the service with the actor's rights."""
    found = await info.context.loaders.service.load(service_id)
    return None if found is None else ServiceSaved(service=found)  # type: ignore[arg-type]


@strawberry.input(description="A new service of a partner; it begins as a draft.")
class CreateServiceInput:
    """A new service of a partner."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    partner_id: strawberry.ID = strawberry.field(description="Who offers it.")
    kind: ServiceKind = strawberry.field(description="What it does.")
    title: list[TextInput] = strawberry.field(description="What it is called; German is needed to publish.")
    description: list[TextInput] = strawberry.field(default_factory=list, description="What it is.")
    source_language: str | None = strawberry.field(
        default=strawberry.UNSET, description="Language that its texts are translated from; left out: de."
    )
    website: str | None = strawberry.field(default=strawberry.UNSET, description="Web address.")
    topics: list[str] = strawberry.field(default_factory=list, description="Codes of its topics.")
    languages: list[LanguageOfferedInput] = strawberry.field(
        default_factory=list, description="Languages it is offered in."
    )
    eligibility: list[EligibilityRuleInput] = strawberry.field(default_factory=list, description="For whom.")
    area: list[str] = strawberry.field(default_factory=list, description="Official keys (ARS, prefixes).")
    responsibility: Responsibility = strawberry.field(
        default=Responsibility.FREE, description="Whether the place of residence decides."
    )
    location_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Places of its partner where it is offered."
    )
    contact_points: list[ContactPointInput] = strawberry.field(
        default_factory=list, description="How to reach it."
    )
    capacity: CapacityInput | None = strawberry.field(default=strawberry.UNSET, description="Room.")
    course: CourseFactsInput | None = strawberry.field(default=strawberry.UNSET, description="If a course.")
    recognition: RecognitionFactsInput | None = strawberry.field(
        default=strawberry.UNSET, description="If it is about recognition."
    )
    interpreting: InterpretingFactsInput | None = strawberry.field(
        default=strawberry.UNSET, description="If it interprets."
    )
    referral_facts: ReferralFactsInput | None = strawberry.field(
        default=strawberry.UNSET, description="How people are sent to it."
    )
    application_process: list[TextInput] = strawberry.field(
        default_factory=list, description="How to get it: the next steps of a person."
    )
    required_documents: list[RequiredDocumentInput] = strawberry.field(
        default_factory=list, description="What people are asked to bring."
    )
    note: str | None = strawberry.field(default=strawberry.UNSET, description="Internal note.")


@strawberry.input(description="What changes of a service; what is left out stays, lists are replaced.")
class ChangeServiceInput:
    """What changes of a service."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The service.")
    expected_version: int = strawberry.field(description="The version you read.")
    kind: ServiceKind | None = strawberry.field(default=strawberry.UNSET, description="What it does.")
    title: list[TextInput] | None = strawberry.field(default=strawberry.UNSET, description="Its title.")
    description: list[TextInput] | None = strawberry.field(
        default=strawberry.UNSET, description="What it is."
    )
    source_language: str | None = strawberry.field(
        default=strawberry.UNSET, description="Language that its texts are translated from (BCP 47)."
    )
    website: str | None = strawberry.field(default=strawberry.UNSET, description="Web address.")
    topics: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Codes of its topics.")
    languages: list[LanguageOfferedInput] | None = strawberry.field(
        default=strawberry.UNSET, description="Languages it is offered in."
    )
    eligibility: list[EligibilityRuleInput] | None = strawberry.field(
        default=strawberry.UNSET, description="For whom."
    )
    area: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Official keys.")
    responsibility: Responsibility | None = strawberry.field(
        default=strawberry.UNSET, description="Whether the place of residence decides."
    )
    location_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Places of its partner where it is offered."
    )
    contact_points: list[ContactPointInput] | None = strawberry.field(
        default=strawberry.UNSET, description="How to reach it."
    )
    course: CourseFactsInput | None = strawberry.field(default=strawberry.UNSET, description="If a course.")
    recognition: RecognitionFactsInput | None = strawberry.field(
        default=strawberry.UNSET, description="If it is about recognition."
    )
    interpreting: InterpretingFactsInput | None = strawberry.field(
        default=strawberry.UNSET, description="If it interprets."
    )
    referral_facts: ReferralFactsInput | None = strawberry.field(
        default=strawberry.UNSET, description="How people are sent to it."
    )
    application_process: list[TextInput] | None = strawberry.field(
        default=strawberry.UNSET, description="How to get it: the next steps of a person."
    )
    required_documents: list[RequiredDocumentInput] | None = strawberry.field(
        default=strawberry.UNSET, description="What people are asked to bring."
    )
    note: str | None = strawberry.field(default=strawberry.UNSET, description="Internal note.")


@strawberry.input(description="A service, in the version you read.")
class ServiceVersionInput:
    """A service, in the version that was read."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The service.")
    expected_version: int = strawberry.field(description="The version you read.")


@strawberry.input(description="How much room a service has.")
class SetCapacityInput:
    """How much room a service has."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The service.")
    expected_version: int = strawberry.field(description="The version you read.")
    capacity: CapacityInput = strawberry.field(description="Room for more people.")


CreateServiceResult: TypeAlias = Annotated[
    ServiceSaved | CreateProblems, strawberry.union(name="CreateServiceResult")
]
ChangeServiceResult: TypeAlias = Annotated[
    ServiceSaved | ChangeProblems, strawberry.union(name="ChangeServiceResult")
]


@strawberry.type
class ServiceMutations:
    """Services."""

    @strawberry.mutation(graphql_type=CreateServiceResult, description="Add a service to a partner.")
    async def create_service(self, info: Info, input: CreateServiceInput) -> object:
        """Add a service, as a draft."""

        async def act(work: Work, given: Given) -> UUID:
            draft = given.read(
                catalogue.ServiceDraft, ids={"partner_id": "Partner", "location_ids": "Location"}
            )
            return (await catalogue.create_service(work, draft)).id

        return await run(info, input, act, read=service_saved)

    @strawberry.mutation(graphql_type=ChangeServiceResult, description="Change a service's entry.")
    async def change_service(self, info: Info, input: ChangeServiceInput) -> object:
        """Change a service's entry."""

        async def act(work: Work, given: Given) -> UUID:
            change = given.read(catalogue.ServiceChange, ids={"location_ids": "Location"})
            saved = await catalogue.change_service(
                work, target_id(input.id, "Service"), change, expected_version=input.expected_version
            )
            return saved.id

        return await run(info, input, act, read=service_saved)

    @strawberry.mutation(
        graphql_type=ChangeServiceResult,
        description="Let everybody read a service, as long as its partner is published too.",
    )
    async def publish_service(self, info: Info, input: ServiceVersionInput) -> object:
        """Publish a service."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await catalogue.publish_service(
                work, target_id(input.id, "Service"), expected_version=input.expected_version
            )
            return saved.id

        return await run(info, input, act, read=service_saved)

    @strawberry.mutation(graphql_type=ChangeServiceResult, description="Take a service out of sight.")
    async def hide_service(self, info: Info, input: ServiceVersionInput) -> object:
        """Hide a service."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await catalogue.hide_service(
                work, target_id(input.id, "Service"), expected_version=input.expected_version
            )
            return saved.id

        return await run(info, input, act, read=service_saved)

    @strawberry.mutation(
        graphql_type=ChangeServiceResult, description="Say that a service's entry is right as of now."
    )
    async def assure_service(self, info: Info, input: ServiceVersionInput) -> object:
        """Assure a service's entry."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await catalogue.assure_service(
                work, target_id(input.id, "Service"), expected_version=input.expected_version
            )
            return saved.id

        return await run(info, input, act, read=service_saved)

    @strawberry.mutation(graphql_type=ChangeServiceResult, description="Say how much room a service has.")
    async def set_capacity(self, info: Info, input: SetCapacityInput) -> object:
        """Say how much room a service has."""

        async def act(work: Work, given: Given) -> UUID:
            capacity = given.part("capacity", Capacity)
            saved = await catalogue.set_capacity(
                work, target_id(input.id, "Service"), capacity, expected_version=input.expected_version
            )
            return saved.id

        return await run(info, input, act, read=service_saved)
