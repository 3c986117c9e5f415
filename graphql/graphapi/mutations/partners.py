"""Partners: create, change, publish, hide, assure; and their places."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory import catalogue
from directory.database import Work
from directory.documents import PartnerDocument
from directory.values import LocationValue
from directory.vocabulary import DataProtectionLaw, PartnerKind
from graphapi.context import Info
from graphapi.mutations.inputs import ContactPointInput, LanguageOfferedInput, OpeningHoursInput
from graphapi.mutations.running import ChangeProblems, CreateProblems, Given, run
from graphapi.relay import read_id, target_id
from graphapi.types.history import PossibleDuplicate, look_alikes_in
from graphapi.types.partner import Partner
from graphapi.types.places import Location
from graphapi.types.texts import TextInput


@strawberry.type(description="The partner as it is now.")
class PartnerSaved:
    """The partner as it is now."""

    partner: Partner = strawberry.field(graphql_type=Partner, description="The partner.")
    possible_duplicates: list[PossibleDuplicate] = strawberry.field(
        graphql_type=list[PossibleDuplicate],
        resolver=look_alikes_in("partner"),
        description="What may be the same, the most alike first; only of what you may see.",
    )


async def partner_saved(info: Info, partner_id: UUID) -> PartnerSaved | None:
    """Read the partner with the actor's rights."""
    found = await info.context.loaders.partner.load(partner_id)
    return None if found is None else PartnerSaved(partner=found)  # type: ignore[arg-type]


@strawberry.input(description="A new partner; it begins as a draft.")
class CreatePartnerInput:
    """A new partner."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    municipality_id: strawberry.ID = strawberry.field(description="In whose directory it will stand.")
    kind: PartnerKind = strawberry.field(description="What sort of organisation it is.")
    name: str = strawberry.field(description="Its name.")
    description: list[TextInput] = strawberry.field(default_factory=list, description="What it is.")
    website: str | None = strawberry.field(default=strawberry.UNSET, description="Web address.")
    contact_points: list[ContactPointInput] = strawberry.field(
        default_factory=list, description="How to reach it."
    )
    languages: list[LanguageOfferedInput] = strawberry.field(
        default_factory=list, description="Languages spoken there."
    )
    data_protection_law: DataProtectionLaw = strawberry.field(
        default=DataProtectionLaw.GDPR, description="Which data protection law binds it."
    )
    professional_secrecy: bool = strawberry.field(
        default=False, description="Whether its staff are bound by § 203 StGB."
    )
    public_body: bool = strawberry.field(default=False, description="Whether it is a public body.")
    school: bool = strawberry.field(default=False, description="Whether it is a school.")
    superior_contact: str | None = strawberry.field(
        default=strawberry.UNSET, description="Whom to ask when it does not answer."
    )
    correspondence_language: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Language that it is written to in (BCP 47); mails that do not exist in it are German.",
    )
    source_language: str | None = strawberry.field(
        default=strawberry.UNSET, description="Language that its texts are translated from; left out: de."
    )
    note: str | None = strawberry.field(default=strawberry.UNSET, description="Internal note.")


@strawberry.input(description="What changes of a partner; what is left out stays.")
class ChangePartnerInput:
    """What changes of a partner."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The partner.")
    expected_version: int = strawberry.field(description="The version you read.")
    kind: PartnerKind | None = strawberry.field(
        default=strawberry.UNSET, description="For the coordination only."
    )
    active: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether people can be referred to it; coordination only."
    )
    name: str | None = strawberry.field(default=strawberry.UNSET, description="Its name.")
    description: list[TextInput] | None = strawberry.field(
        default=strawberry.UNSET, description="What it is; replaces all languages."
    )
    website: str | None = strawberry.field(default=strawberry.UNSET, description="Web address.")
    contact_points: list[ContactPointInput] | None = strawberry.field(
        default=strawberry.UNSET, description="How to reach it; replaces all."
    )
    languages: list[LanguageOfferedInput] | None = strawberry.field(
        default=strawberry.UNSET, description="Languages spoken there; replaces all."
    )
    data_protection_law: DataProtectionLaw | None = strawberry.field(
        default=strawberry.UNSET, description="Which data protection law binds it."
    )
    professional_secrecy: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether its staff are bound by § 203 StGB."
    )
    public_body: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether it is a public body."
    )
    school: bool | None = strawberry.field(default=strawberry.UNSET, description="Whether it is a school.")
    superior_contact: str | None = strawberry.field(
        default=strawberry.UNSET, description="Whom to ask when it does not answer."
    )
    correspondence_language: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Language that it is written to in (BCP 47); mails that do not exist in it are German.",
    )
    source_language: str | None = strawberry.field(
        default=strawberry.UNSET, description="Language that its texts are translated from (BCP 47)."
    )
    note: str | None = strawberry.field(default=strawberry.UNSET, description="Internal note.")


@strawberry.input(description="A partner, in the version you read.")
class PartnerVersionInput:
    """A partner, in the version that was read."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The partner.")
    expected_version: int = strawberry.field(description="The version you read.")


@strawberry.input(description="A new place of a partner.")
class AddLocationInput:
    """A new place of a partner."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    partner_id: strawberry.ID = strawberry.field(description="The partner.")
    expected_version: int = strawberry.field(description="The version of the partner that you read.")
    name: str = strawberry.field(description="What the place is called.")
    street: str | None = strawberry.field(default=strawberry.UNSET, description="Street and number.")
    postcode: str | None = strawberry.field(default=strawberry.UNSET, description="Postcode.")
    city: str | None = strawberry.field(default=strawberry.UNSET, description="Town.")
    ars: str | None = strawberry.field(default=strawberry.UNSET, description="Official key (ARS).")
    latitude: float | None = strawberry.field(default=strawberry.UNSET, description="Degrees, WGS 84.")
    longitude: float | None = strawberry.field(default=strawberry.UNSET, description="Degrees, WGS 84.")
    accessibility: list[TextInput] = strawberry.field(default_factory=list, description="How accessible.")
    hours: OpeningHoursInput | None = strawberry.field(default=strawberry.UNSET, description="When open.")


@strawberry.input(description="What changes of a place; what is left out stays.")
class ChangeLocationInput:
    """What changes of a place."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The place.")
    expected_version: int = strawberry.field(description="The version of its partner that you read.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="What it is called.")
    street: str | None = strawberry.field(default=strawberry.UNSET, description="Street and number.")
    postcode: str | None = strawberry.field(default=strawberry.UNSET, description="Postcode.")
    city: str | None = strawberry.field(default=strawberry.UNSET, description="Town.")
    ars: str | None = strawberry.field(default=strawberry.UNSET, description="Official key (ARS).")
    latitude: float | None = strawberry.field(default=strawberry.UNSET, description="Degrees, WGS 84.")
    longitude: float | None = strawberry.field(default=strawberry.UNSET, description="Degrees, WGS 84.")
    accessibility: list[TextInput] | None = strawberry.field(
        default=strawberry.UNSET, description="How accessible; replaces all languages."
    )
    hours: OpeningHoursInput | None = strawberry.field(default=strawberry.UNSET, description="When open.")


@strawberry.input(description="A place, and the version of its partner that you read.")
class RemoveLocationInput:
    """A place, and the version of its partner that was read."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The place.")
    expected_version: int = strawberry.field(description="The version of its partner that you read.")


@strawberry.type(description="The new place, and its partner as it is now.")
class LocationAdded:
    """The new place, and its partner as it is now."""

    location: Location = strawberry.field(graphql_type=Location, description="The new place.")
    partner: Partner = strawberry.field(graphql_type=Partner, description="The partner.")


def _location_added(partner: PartnerDocument, location: LocationValue) -> LocationAdded:
    return LocationAdded(location=location, partner=partner)  # type: ignore[arg-type]


CreatePartnerResult: TypeAlias = Annotated[
    PartnerSaved | CreateProblems, strawberry.union(name="CreatePartnerResult")
]
ChangePartnerResult: TypeAlias = Annotated[
    PartnerSaved | ChangeProblems, strawberry.union(name="ChangePartnerResult")
]
AddLocationResult: TypeAlias = Annotated[
    LocationAdded | ChangeProblems, strawberry.union(name="AddLocationResult")
]


@strawberry.type
class PartnerMutations:
    """Partners and their places."""

    @strawberry.mutation(
        graphql_type=CreatePartnerResult, description="Add a partner to its municipality's directory."
    )
    async def create_partner(self, info: Info, input: CreatePartnerInput) -> object:
        """Add a partner, as a draft."""

        async def act(work: Work, given: Given) -> UUID:
            draft = given.read(catalogue.PartnerDraft, ids={"municipality_id": "Municipality"})
            return (await catalogue.create_partner(work, draft)).id

        return await run(info, input, act, read=partner_saved)

    @strawberry.mutation(graphql_type=ChangePartnerResult, description="Change a partner's entry.")
    async def change_partner(self, info: Info, input: ChangePartnerInput) -> object:
        """Change a partner's entry."""

        async def act(work: Work, given: Given) -> UUID:
            change = given.read(catalogue.PartnerChange)
            saved = await catalogue.change_partner(
                work, target_id(input.id, "Partner"), change, expected_version=input.expected_version
            )
            return saved.id

        return await run(info, input, act, read=partner_saved)

    @strawberry.mutation(
        graphql_type=ChangePartnerResult, description="Let everybody read a partner and its services."
    )
    async def publish_partner(self, info: Info, input: PartnerVersionInput) -> object:
        """Publish a partner."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await catalogue.publish_partner(
                work, target_id(input.id, "Partner"), expected_version=input.expected_version
            )
            return saved.id

        return await run(info, input, act, read=partner_saved)

    @strawberry.mutation(
        graphql_type=ChangePartnerResult, description="Take a partner and its services out of sight."
    )
    async def hide_partner(self, info: Info, input: PartnerVersionInput) -> object:
        """Hide a partner."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await catalogue.hide_partner(
                work, target_id(input.id, "Partner"), expected_version=input.expected_version
            )
            return saved.id

        return await run(info, input, act, read=partner_saved)

    @strawberry.mutation(
        graphql_type=ChangePartnerResult, description="Say that a partner's entry is right as of now."
    )
    async def assure_partner(self, info: Info, input: PartnerVersionInput) -> object:
        """Assure a partner's entry."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await catalogue.assure_partner(
                work, target_id(input.id, "Partner"), expected_version=input.expected_version
            )
            return saved.id

        return await run(info, input, act, read=partner_saved)

    @strawberry.mutation(graphql_type=AddLocationResult, description="Add a place to a partner.")
    async def add_location(self, info: Info, input: AddLocationInput) -> object:
        """Add a place to a partner."""

        async def act(work: Work, given: Given) -> UUID:
            draft = given.read(catalogue.LocationDraft, without=frozenset({"partner_id"}))
            location_id, _ = await catalogue.add_location(
                work,
                target_id(input.partner_id, "Partner"),
                draft,
                expected_version=input.expected_version,
            )
            return location_id

        async def read(info: Info, location_id: UUID) -> LocationAdded | None:
            partner_id = read_id(input.partner_id, "Partner")
            partner = None if partner_id is None else await info.context.loaders.partner.load(partner_id)
            for location in () if partner is None else partner.locations:
                if partner is not None and location.id == location_id:
                    return _location_added(partner, location)
            return None

        return await run(info, input, act, read=read)

    @strawberry.mutation(graphql_type=ChangePartnerResult, description="Change a place.")
    async def change_location(self, info: Info, input: ChangeLocationInput) -> object:
        """Change a place; the answer is its partner."""

        async def act(work: Work, given: Given) -> UUID:
            change = given.read(catalogue.LocationChange)
            saved = await catalogue.change_location(
                work, target_id(input.id, "Location"), change, expected_version=input.expected_version
            )
            return saved.id

        return await run(info, input, act, read=partner_saved)

    @strawberry.mutation(
        graphql_type=ChangePartnerResult,
        description="Remove a place; services that were offered there are offered there no longer.",
    )
    async def remove_location(self, info: Info, input: RemoveLocationInput) -> object:
        """Remove a place; the answer is its partner."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await catalogue.remove_location(
                work, target_id(input.id, "Location"), expected_version=input.expected_version
            )
            return saved.id

        return await run(info, input, act, read=partner_saved)
