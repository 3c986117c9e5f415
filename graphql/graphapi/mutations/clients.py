"""Clients: take in, change, move through the phases, exclude from the project's support, erase."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory.contacts import mail, phone
from directory.database import Work
from directory.vocabulary import CefrLevel, LegalCircle, ResidenceStatus, WorkPermission
from graphapi.context import Info
from graphapi.given import camel, converted, renaming
from graphapi.mutations.consents import NoticeShownInput
from graphapi.mutations.running import ChangeProblems, CreateProblems, Given, run
from graphapi.relay import global_id, require_id, target_id
from graphapi.types.client import Client
from graphapi.types.exchange_problems import ErasedProblem
from referrals import clients
from referrals.personal_data import erasing
from referrals.taking_in import take_in_client
from referrals.values import Section87Shown
from referrals.vocabulary import ClientPhase


@strawberry.type(description="The client as they are now.")
class ClientSaved:
    """The client as they are now."""

    client: Client = strawberry.field(graphql_type=Client, description="The client.")


@strawberry.type(description="The person's data are gone for good; pseudonym, phases and referrals stay.")
class ClientErased:
    """The person's data are gone for good."""

    client_id: strawberry.ID = strawberry.field(description="The id that the client had.")


async def client_saved(info: Info, client_id: UUID) -> ClientSaved | None:
    """Read the client with the actor's rights."""
    found = await info.context.people.client(client_id)
    return None if found is None else ClientSaved(client=found)  # type: ignore[arg-type]


async def _client_erased(info: Info, client_id: UUID) -> ClientErased:
    # Committed: the key goes now. Should that fail, the promised job does it.
    await info.context.people.keys.erase(client_id, info.context.clock())
    return ClientErased(client_id=global_id("Client", client_id))


@strawberry.input(description="Who the person is.")
class IdentityInput:
    """Who the person is."""

    family_name: str = strawberry.field(description="Family name.")
    given_names: str | None = strawberry.field(default=strawberry.UNSET, description="Given names.")
    other_names: list[str] = strawberry.field(
        default_factory=list, description="Other spellings under which they must be found."
    )
    date_of_birth: date | None = strawberry.field(default=strawberry.UNSET, description="Date of birth.")


@strawberry.input(description="How the person is reached.")
class ContactInput:
    """How the person is reached."""

    phone: str | None = strawberry.field(
        default=strawberry.UNSET, description="As it is dialled: 0355 123456, +49 355 123456; kept as E.164."
    )
    email: str | None = strawberry.field(default=strawberry.UNSET, description="Mail address.")
    address: str | None = strawberry.field(default=strawberry.UNSET, description="Postal address.")


@strawberry.input(description="What the person brings along; no case notes, no more than is needed.")
class ProfileInput:
    """What the person brings along."""

    competences: list[str] = strawberry.field(default_factory=list, description="What they can do.")
    work_permission: WorkPermission = strawberry.field(
        default=WorkPermission.ASK, description="Whether they may work."
    )
    level: CefrLevel | None = strawberry.field(default=strawberry.UNSET, description="Level of German.")
    qualifications: list[str] = strawberry.field(default_factory=list, description="Certificates, degrees.")
    experience: list[str] = strawberry.field(default_factory=list, description="Work experience.")
    family_care: str | None = strawberry.field(
        default=strawberry.UNSET, description="Children and care, as far as it matters; short."
    )
    health: str | None = strawberry.field(
        default=strawberry.UNSET, description="Health, as far as it matters; short."
    )
    documents: list[str] = strawberry.field(default_factory=list, description="Documents at hand.")


@strawberry.input(
    description=(
        "Which notice about § 87 AufenthG was shown, as `section87Notice` gave it, and when. A public body "
        "other than a school takes nobody in without it."
    )
)
class Section87ShownInput:
    """Which notice was shown before data were entered."""

    notice: NoticeShownInput = strawberry.field(description="Which text, in which language.")
    shown_at: datetime = strawberry.field(description="When; before data were entered.")
    service_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="As it was given to `section87Notice` (Service)."
    )
    recipient_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="As it was given to `section87Notice` (Partner)."
    )


@strawberry.input(description="A person at intake; the notice about § 87 AufenthG is shown before.")
class CreateClientInput:
    """A person at intake."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    identity: IdentityInput = strawberry.field(description="Who they are.")
    contact: ContactInput = strawberry.field(default_factory=ContactInput, description="How to reach them.")
    profile: ProfileInput = strawberry.field(default_factory=ProfileInput, description="What they bring.")
    phase: ClientPhase = strawberry.field(default=ClientPhase.CLEARING, description="Where they stand.")
    residence_status: ResidenceStatus | None = strawberry.field(
        default=strawberry.UNSET, description="Residence status."
    )
    status_valid_until: date | None = strawberry.field(
        default=strawberry.UNSET, description="Last day of the status."
    )
    legal_circle: LegalCircle | None = strawberry.field(
        default=strawberry.UNSET, description="Which benefits law applies."
    )
    languages: list[str] = strawberry.field(default_factory=list, description="BCP 47, best first.")
    needs: list[str] = strawberry.field(default_factory=list, description="Topic codes.")
    supported_before: bool = strawberry.field(
        default=False, description="Whether they were supported before."
    )
    applied_in_time: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="Whether the extension of the status was applied for before it ended; else unknown.",
    )
    responsible_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Who looks after them (Member); left out: you."
    )
    deputy_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Their deputy (Member)."
    )
    section_87_notice: Section87ShownInput | None = strawberry.field(
        default=strawberry.UNSET,
        name="section87Notice",
        description="What the person was shown before; needed where `section87Notice` is not null.",
    )


@strawberry.input(description="What changes of a client; what is left out stays, null clears.")
class ChangeClientInput:
    """What changes of a client."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The client.")
    expected_version: int = strawberry.field(description="The version you read.")
    identity: IdentityInput | None = strawberry.field(
        default=strawberry.UNSET, description="Who they are; replaces all of it."
    )
    contact: ContactInput | None = strawberry.field(
        default=strawberry.UNSET, description="How to reach them; replaces all of it."
    )
    profile: ProfileInput | None = strawberry.field(
        default=strawberry.UNSET, description="What they bring along; replaces all of it."
    )
    residence_status: ResidenceStatus | None = strawberry.field(
        default=strawberry.UNSET, description="Residence status."
    )
    status_valid_until: date | None = strawberry.field(
        default=strawberry.UNSET, description="Last day of the status."
    )
    legal_circle: LegalCircle | None = strawberry.field(
        default=strawberry.UNSET, description="Which benefits law applies."
    )
    languages: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="BCP 47, best first; replaces all."
    )
    needs: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="Topic codes; replaces all."
    )
    applied_in_time: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="Whether the extension of the status was applied for before it ended.",
    )
    supported_before: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether they were supported before and applied in time."
    )
    responsible_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Who looks after them (Member)."
    )
    deputy_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Their deputy (Member)."
    )


@strawberry.input(description="Into which phase a client moves.")
class MoveClientPhaseInput:
    """Into which phase a client moves."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The client.")
    expected_version: int = strawberry.field(description="The version you read.")
    phase: ClientPhase = strawberry.field(description="The phase; it is kept in the history.")


@strawberry.input(description="That a person is excluded from the project's support; why is kept nowhere.")
class ExcludeClientInput:
    """That a person is excluded from the project's support."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The client.")
    decided_on: date = strawberry.field(description="The day of the decision.")


@strawberry.input(description="Whose exclusion is lifted.")
class LiftExclusionInput:
    """Whose exclusion is lifted."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The client.")


@strawberry.input(description="Whose data are erased.")
class EraseClientInput:
    """Whose data are erased."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The client.")
    expected_version: int = strawberry.field(description="The version you read.")


CreateClientResult: TypeAlias = Annotated[
    ClientSaved | CreateProblems, strawberry.union(name="CreateClientResult")
]
ChangeClientResult: TypeAlias = Annotated[
    ClientSaved | ChangeProblems | ErasedProblem, strawberry.union(name="ChangeClientResult")
]
ExcludeClientResult: TypeAlias = Annotated[
    ClientSaved | CreateProblems | ErasedProblem, strawberry.union(name="ExcludeClientResult")
]
EraseClientResult: TypeAlias = Annotated[
    ClientErased | ChangeProblems | ErasedProblem, strawberry.union(name="EraseClientResult")
]

_SHOWN = "section_87_notice"


def _reached(given: Given) -> Given:
    """Bring phone number and mail address into the form in which they are kept; raises InvalidInput."""
    contact = given.values.get("contact") or {}
    reached = {
        name: written(contact[name], f"contact.{name}")
        for name, written in (("phone", phone), ("email", mail))
        if contact.get(name)
    }
    return Given({**given.values, "contact": {**contact, **reached}}) if reached else given


def _shown(given: Given) -> Section87Shown | None:
    values = given.values.get(_SHOWN)
    if values is None:
        return None
    ids = {
        name: require_id(values[name], kind, f"section87Notice.{camel(name)}")
        for name, kind in (("service_id", "Service"), ("recipient_id", "Partner"))
        if values.get(name) is not None
    }
    return converted({**values, **ids}, Section87Shown, "section87Notice")


_MEMBERS = {"responsible_id": "Member", "deputy_id": "Member"}


@strawberry.type
class ClientMutations:
    """What can be done with clients of the own organisation."""

    @strawberry.mutation(
        graphql_type=CreateClientResult,
        description=(
            "Take in a person; the own organisation is responsible. Where `section87Notice` is due, it is "
            "shown before, and given here."
        ),
    )
    async def create_client(self, info: Info, input: CreateClientInput) -> object:
        """Take in a person."""

        async def act(work: Work, given: Given) -> UUID:
            draft = _reached(given).read(clients.ClientDraft, ids=_MEMBERS, without=frozenset({_SHOWN}))
            return await take_in_client(work, info.context.people.keys, draft, _shown(given))

        return await run(info, input, act, read=client_saved)

    @strawberry.mutation(graphql_type=ChangeClientResult, description="Change what is kept about a client.")
    async def change_client(self, info: Info, input: ChangeClientInput) -> object:
        """Change what is kept about a client."""

        async def act(work: Work, given: Given) -> UUID:
            client_id = target_id(input.id, "Client")
            change = _reached(given).read(clients.ClientChange, ids=_MEMBERS)
            await clients.change_client(
                work, info.context.people.keys, client_id, input.expected_version, change
            )
            return client_id

        return await run(info, input, act, read=client_saved)

    @strawberry.mutation(graphql_type=ChangeClientResult, description="Move a client into a phase.")
    async def move_client_phase(self, info: Info, input: MoveClientPhaseInput) -> object:
        """Move a client into a phase."""

        async def act(work: Work, given: Given) -> UUID:
            client_id = target_id(input.id, "Client")
            await clients.move_phase(work, client_id, input.expected_version, input.phase)
            return client_id

        return await run(info, input, act, read=client_saved)

    @strawberry.mutation(
        graphql_type=ExcludeClientResult,
        description="Keep that a person is excluded from the project's support; for a LEAD (GDPR Art. 10).",
    )
    async def exclude_client(self, info: Info, input: ExcludeClientInput) -> object:
        """Keep that a person is excluded from the project's support."""

        async def act(work: Work, given: Given) -> UUID:
            client_id = target_id(input.id, "Client")
            with renaming({"clientId": "id"}):
                await clients.exclude(work, info.context.people.keys, client_id, input.decided_on)
            return client_id

        return await run(info, input, act, read=client_saved)

    @strawberry.mutation(
        graphql_type=ExcludeClientResult, description="Delete the exclusion of a person; for a LEAD."
    )
    async def lift_exclusion(self, info: Info, input: LiftExclusionInput) -> object:
        """Delete the exclusion of a person."""

        async def act(work: Work, given: Given) -> UUID:
            client_id = target_id(input.id, "Client")
            await clients.lift_exclusion(work, client_id)
            return client_id

        return await run(info, input, act, read=client_saved)

    @strawberry.mutation(
        graphql_type=EraseClientResult,
        description=(
            "Erase a person for good, in backups too (Art. 17 GDPR); for a LEAD, while no referral is open."
        ),
    )
    async def erase_client(self, info: Info, input: EraseClientInput) -> object:
        """Erase a person for good."""

        async def act(work: Work, given: Given) -> UUID:
            client_id = target_id(input.id, "Client")
            with renaming({"clientId": "id"}):
                await erasing.erase_client(work, client_id, input.expected_version)
            return client_id

        return await run(info, input, act, read=_client_erased)
