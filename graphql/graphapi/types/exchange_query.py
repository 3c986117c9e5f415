"""The queries of the referral room: each is the room's answer for this actor, and nothing more."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import Parent

from graphapi.context import Info
from graphapi.relay import read_id, require_id
from graphapi.types import exchange_words as exchange_words
from graphapi.types.appointment import Appointment, ExportedFile
from graphapi.types.approval import Approval
from graphapi.types.booking import Booking
from graphapi.types.client import Client, ClientPhaseCount, ClientSummary
from graphapi.types.consent import Consent, ConsentParty, ConsentPurpose, SecrecyRelease
from graphapi.types.notice import Notice
from graphapi.types.paging import PAGE_SIZE, After, Connection, First, connection
from graphapi.types.query import NODES, ThingId
from graphapi.types.referral import LatestUsefulStart, Package, Referral, named, texts_of_warnings
from graphapi.types.words import label
from referrals.inbox import Box
from referrals.requirements import Requirements
from referrals.vocabulary import (
    BookingState,
    ClientPhase,
    DataCategory,
    LegalBasis,
    ReferralState,
    ReportDepth,
    SpecialBasis,
    Warned,
)


def _controller(root: Parent[Requirements]) -> Any:
    return root.terms.controller


def _recipients(root: Parent[Requirements]) -> Any:
    return root.terms.recipients


def _purposes(root: Parent[Requirements]) -> Any:
    return root.terms.purposes


def _releases(root: Parent[Requirements]) -> Any:
    return root.terms.releases


def _legal_basis(root: Parent[Requirements]) -> LegalBasis:
    return root.terms.legal_basis


def _special_basis(root: Parent[Requirements]) -> SpecialBasis | None:
    return root.terms.special_basis


@strawberry.type(description="What sending somebody to a service would need; asked before data move.")
class ReferralRequirements:
    """What sending somebody to a service would need."""

    recipient_id: strawberry.ID = strawberry.field(
        resolver=named("Partner", "recipient_partner_id"),
        graphql_type=strawberry.ID,
        description="Who would receive (Partner).",
    )
    categories: list[DataCategory] = strawberry.field(description="Which data would go.")
    never: list[DataCategory] = strawberry.field(
        description="Asked for, but this kind of partner never gets it."
    )
    missing: list[str] = strawberry.field(
        description="What a consent lacks, as in ConsentMissingProblem; empty: it can be sent now."
    )
    consent_id: strawberry.ID | None = strawberry.field(
        resolver=named("Consent", "consent_id"), description="The consent that covers it already."
    )
    open_referral_id: strawberry.ID | None = strawberry.field(
        resolver=named("Referral", "open_referral_id"),
        description="The person's open referral to this service: another one would be a duplicate.",
    )
    section_87_notice: bool = strawberry.field(
        name="section87Notice",
        description="The notice about § 87 AufenthG must be shown, before data are entered.",
    )
    controller: ConsentParty = strawberry.field(
        resolver=_controller, graphql_type=ConsentParty, description="Who is responsible for the data."
    )
    recipients: list[ConsentParty] = strawberry.field(
        resolver=_recipients, graphql_type=list[ConsentParty], description="Who is to be named."
    )
    purposes: list[ConsentPurpose] = strawberry.field(
        resolver=_purposes, graphql_type=list[ConsentPurpose], description="What to ask for."
    )
    releases: list[SecrecyRelease] = strawberry.field(
        resolver=_releases,
        graphql_type=list[SecrecyRelease],
        description="Who must be released from professional secrecy (§ 203 StGB).",
    )
    legal_basis: LegalBasis = strawberry.field(resolver=_legal_basis, description="Legal basis.")
    special_basis: SpecialBasis | None = strawberry.field(
        resolver=_special_basis, description="Legal basis for special categories, when there are any."
    )
    latest_useful_start: LatestUsefulStart | None = strawberry.field(
        description="Until when beginning is useful before the residence status ends; null: not known."
    )
    warnings: list[Warned] = strawberry.field(description="Whether it would begin too late.")
    warning_texts: list[str] = strawberry.field(
        resolver=texts_of_warnings, graphql_type=list[str], description="The warnings, for people."
    )
    preview: Package = strawberry.field(
        graphql_type=Package, description="This is what the partner would see; showing it is recorded."
    )


@strawberry.input(description="Which clients of the own organisation; what is left out does not matter.")
class ClientFilterInput:
    """Which clients."""

    name: str | None = strawberry.field(
        default=None, description="A name in any spelling, or a pseudonym; within the own organisation only."
    )
    phases: list[ClientPhase] | None = strawberry.field(default=None, description="In one of these phases.")
    responsible_id: strawberry.ID | None = strawberry.field(
        default=None, description="Looked after by this Member, as responsible or deputy."
    )
    need: str | None = strawberry.field(default=None, description="With this need: topic code.")


@strawberry.input(description="Which referrals; what is left out does not matter.")
class InboxFilterInput:
    """Which referrals of the inbox."""

    states: list[ReferralState] | None = strawberry.field(default=None, description="In one of these states.")
    due_before: datetime | None = strawberry.field(
        default=None, description="The answer is due before this moment."
    )
    overdue: bool | None = strawberry.field(
        default=None, description="True: an answer was not there when it was due."
    )
    service_id: strawberry.ID | None = strawberry.field(default=None, description="To this service.")


@strawberry.input(description="Which referrals; what is left out does not matter.")
class SentReferralsFilterInput(InboxFilterInput):
    """Which referrals that were drafted or sent."""

    client_id: strawberry.ID | None = strawberry.field(default=None, description="Of this person.")
    waits_for_sender: bool | None = strawberry.field(
        default=None, description="True: you have to do something, as Referral.waitsForSender says."
    )


@strawberry.input(description="Which bookings; what is left out does not matter.")
class BookingFilterInput:
    """Which bookings."""

    states: list[BookingState] | None = strawberry.field(default=None, description="In one of these states.")


@strawberry.input(description="A period of at most 100 days.")
class PeriodInput:
    """A period."""

    from_: datetime = strawberry.field(name="from", description="From this moment on.")
    to: datetime = strawberry.field(description="Before this moment.")


def _wanted(given: strawberry.ID | None, type_name: str, field: str) -> UUID | None:
    return require_id(given, type_name, f"filter.{field}") if given else None


@strawberry.type
class ExchangeQueries:
    """What can be read of the referral exchange."""

    @strawberry.field(graphql_type=Client | None, description="One client of the own organisation, or null.")
    async def client(self, info: Info, id: ThingId) -> object | None:
        """Return the client's file, or None when the actor may not know of it."""
        key = read_id(id, "Client")
        return None if key is None else await info.context.people.client(key)

    @strawberry.field(
        graphql_type=Connection[ClientSummary],
        description="Clients of the own organisation, by pseudonym; every one shown is recorded.",
    )
    async def clients(
        self,
        info: Info,
        filter: ClientFilterInput | None = None,
        first: First = PAGE_SIZE,
        after: After = None,
    ) -> Connection[Any]:
        """Return a page of clients."""
        wanted = filter or ClientFilterInput()
        page = await info.context.people.clients(
            name=wanted.name,
            phases=wanted.phases or (),
            responsible_id=_wanted(wanted.responsible_id, "Member", "responsibleId"),
            need=wanted.need,
            first=first,
            after=after,
        )
        return connection(page, after=after)

    @strawberry.field(
        graphql_type=list[ClientPhaseCount],
        description="How many of the own organisation's clients stand in each phase.",
    )
    async def client_phase_counts(self, info: Info) -> list[ClientPhaseCount]:
        """Return the counts, every phase."""
        counted = await info.context.people.phase_counts()
        return [
            ClientPhaseCount(
                phase=phase, phase_label=label(phase, info.context.language), count=counted[phase]
            )
            for phase in ClientPhase
        ]

    @strawberry.field(graphql_type=Consent | None, description="One consent record, or null.")
    async def consent(self, info: Info, id: ThingId) -> object | None:
        """Return the record, or None when the actor may not know of it."""
        key = read_id(id, "Consent")
        return None if key is None else await info.context.people.consent(key)

    @strawberry.field(
        graphql_type=list[Consent],
        description="The own organisation's consents that end within 30 days, the next to end first.",
    )
    async def renewals_due(self, info: Info, first: First = 100) -> object:
        """Return the consents to renew."""
        return await info.context.people.renewals(first=first)

    @strawberry.field(
        graphql_type=ReferralRequirements,
        description=(
            "Before a referral: which consent, releases and notices it needs, and what the partner would see."
        ),
    )
    async def referral_requirements(
        self,
        info: Info,
        client_id: Annotated[strawberry.ID, strawberry.argument(description="The person.")],
        service_id: Annotated[strawberry.ID, strawberry.argument(description="Where to.")],
        categories: Annotated[list[DataCategory], strawberry.argument(description="Which data.")],
        report_depth: Annotated[
            ReportDepth, strawberry.argument(description="How much the partner is to tell you.")
        ] = ReportDepth.OUTCOME,
    ) -> object:
        """Return what the sending would need."""
        return await info.context.people.requirements(
            client_id=require_id(client_id, "Client", "clientId"),
            service_id=require_id(service_id, "Service", "serviceId"),
            categories=categories,
            report_depth=report_depth,
        )

    @strawberry.field(graphql_type=Referral | None, description="One referral as you may see it, or null.")
    async def referral(self, info: Info, id: ThingId) -> object | None:
        """Return the referral, or None when the actor has no part in it."""
        key = read_id(id, "Referral")
        return None if key is None else await info.context.people.referral.load(key)

    @strawberry.field(
        graphql_type=Connection[Referral],
        description="What the own organisation received, last changed first.",
    )
    async def inbox(
        self,
        info: Info,
        filter: InboxFilterInput | None = None,
        soonest_first: Annotated[
            bool,
            strawberry.argument(
                description="By the next deadline or reminder instead; what waits for nothing comes last."
            ),
        ] = False,
        first: First = PAGE_SIZE,
        after: After = None,
    ) -> Connection[Any]:
        """Return a page of what came in."""
        wanted = filter or InboxFilterInput()
        page = await info.context.people.referrals(
            Box.INBOX,
            states=wanted.states or (),
            due_before=wanted.due_before,
            overdue=wanted.overdue,
            service_id=_wanted(wanted.service_id, "Service", "serviceId"),
            soonest_first=soonest_first,
            first=first,
            after=after,
            total=info.context.asks("ReferralConnection", "totalCount"),
        )
        return connection(page, after=after)

    @strawberry.field(
        graphql_type=Connection[Referral],
        description="What the own organisation drafted and sent, last changed first.",
    )
    async def sent_referrals(
        self,
        info: Info,
        filter: SentReferralsFilterInput | None = None,
        soonest_first: Annotated[
            bool,
            strawberry.argument(
                description="By the day an answer is due instead; what waits for none comes last."
            ),
        ] = False,
        first: First = PAGE_SIZE,
        after: After = None,
    ) -> Connection[Any]:
        """Return a page of what was drafted and sent."""
        wanted = filter or SentReferralsFilterInput()
        page = await info.context.people.referrals(
            Box.SENT,
            states=wanted.states or (),
            due_before=wanted.due_before,
            overdue=wanted.overdue,
            waits_for_sender=wanted.waits_for_sender,
            client_id=_wanted(wanted.client_id, "Client", "clientId"),
            service_id=_wanted(wanted.service_id, "Service", "serviceId"),
            soonest_first=soonest_first,
            first=first,
            after=after,
            total=info.context.asks("ReferralConnection", "totalCount"),
        )
        return connection(page, after=after)

    @strawberry.field(
        graphql_type=list[Referral],
        description=(
            "Who waits for a place of an own service, in the fair order: by priority, then by day of sending."
        ),
    )
    async def waiting_list(
        self,
        info: Info,
        service_id: Annotated[strawberry.ID, strawberry.argument(description="The service.")],
        first: First = PAGE_SIZE,
    ) -> object:
        """Return the waiting list of an own service."""
        key = require_id(service_id, "Service", "serviceId")
        return await info.context.people.waiting_list(key, first=first)

    @strawberry.field(
        graphql_type=list[Appointment],
        description="Planned appointments of the own organisation, as sender and recipient, in a period.",
    )
    async def appointments(self, info: Info, period: PeriodInput, first: First = PAGE_SIZE) -> object:
        """Return the appointments of a period."""
        return await info.context.people.appointments_between(period.from_, period.to, first=first)

    @strawberry.field(
        graphql_type=ExportedFile,
        description="The same appointments as iCalendar; it names no person, only the reference.",
    )
    async def appointment_calendar(self, info: Info, period: PeriodInput) -> ExportedFile:
        """Return the appointments of a period as a calendar."""
        language = info.context.language
        written = await info.context.people.calendar(period.from_, period.to, language)
        return ExportedFile(
            media_type="text/calendar; charset=utf-8",
            file_name="appointments.ics",
            text=written.decode(),
            base64=None,
        )

    @strawberry.field(graphql_type=Booking | None, description="One interpreter booking, or null.")
    async def booking(self, info: Info, id: ThingId) -> object | None:
        """Return the booking, or None when the actor is on neither side."""
        key = read_id(id, "Booking")
        return None if key is None else await info.context.people.booking(key)

    @strawberry.field(
        graphql_type=Connection[Booking],
        description="Bookings that the own organisation asked for, or received; earliest appointment first.",
    )
    async def bookings(
        self,
        info: Info,
        received: Annotated[
            bool, strawberry.argument(description="True: those that you are to interpret at.")
        ] = False,
        filter: BookingFilterInput | None = None,
        first: First = PAGE_SIZE,
        after: After = None,
    ) -> Connection[Any]:
        """Return a page of bookings."""
        page = await info.context.people.bookings(
            received=received,
            states=(filter.states if filter else None) or (),
            first=first,
            after=after,
            total=info.context.asks("BookingConnection", "totalCount"),
        )
        return connection(page, after=after)

    @strawberry.field(
        graphql_type=list[Approval],
        description="Requests for four eyes that you see, open ones first; for a LEAD the municipality's.",
    )
    async def approvals(self, info: Info, first: First = 100) -> object:
        """Return the requests for four eyes."""
        return await info.context.people.approvals(first=first)

    @strawberry.field(
        graphql_type=list[Notice],
        description=(
            "What your organisation waits for and could not be sent by mail, newest first: phone these "
            "partners."
        ),
    )
    async def notices_not_arrived(self, info: Info, first: First = 100) -> object:
        """Return what could not be delivered."""
        return await info.context.people.notices_not_arrived(first=first)


NODES.update(
    {
        "Client": lambda info, key: info.context.people.client(key),
        "Consent": lambda info, key: info.context.people.consent(key),
        "Referral": lambda info, key: info.context.people.referral.load(key),
        "Booking": lambda info, key: info.context.people.booking(key),
    }
)
