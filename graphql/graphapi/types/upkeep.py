"""The upkeep of the directory: what is due, change requests for who keeps an entry, and the office's gaps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import strawberry
from strawberry import Parent

from directory.change_requests import ChangeRequestView, list_change_requests, view_change_request
from directory.upkeep import EntryDue as EntryDueView
from directory.upkeep import entries_due
from directory.vocabulary import (
    ChangeDecision,
    ChangeField,
    ChangeReason,
    ChangeRequestState,
    ChangeSource,
    UpkeepStep,
)
from graphapi.context import Info
from graphapi.relay import global_id, require_id
from graphapi.types.freshness import Freshness
from graphapi.types.node import Node
from graphapi.types.paging import PAGE_SIZE, After, Connection, First, connection
from graphapi.types.partner import Partner
from graphapi.types.query import NODES
from graphapi.types.referral import labelled, named
from graphapi.types.service import Service
from graphapi.types.topic import Topic
from graphapi.types.words import label
from referrals import timing
from referrals.gaps import MOST, DeclineCount, Gap, structural_gaps
from referrals.vocabulary import DeclineReason, TimedStep

UPKEEP: Final = "/upkeep/"
"""Where the page stands with which a partner keeps its entries; a code follows."""


def _id(root: Parent[ChangeRequestView]) -> strawberry.ID:
    return global_id("ChangeRequest", root.id)


async def _service(root: Parent[ChangeRequestView | EntryDueView], info: Info) -> Any:
    return None if root.service_id is None else await info.context.loaders.service.load(root.service_id)


async def _partner(root: Parent[ChangeRequestView | EntryDueView], info: Info) -> Any:
    return await info.context.loaders.partner.load(root.partner_id)


def _service_id(root: Parent[ChangeRequestView | EntryDueView]) -> strawberry.ID | None:
    return None if root.service_id is None else global_id("Service", root.service_id)


def _said(value: Mapping[str, str] | None) -> str | None:
    """Return the text of a proposed value, whatever sort it is."""
    if value is None:
        return None
    return next((value[name] for name in ("text", "value", "osm", "state") if name in value), None)


def _location_id(root: Parent[ChangeRequestView]) -> strawberry.ID | None:
    if root.field is not ChangeField.HOURS:
        return None
    return global_id("Location", root.target_id)


@strawberry.type(
    description="That something in an entry seems to be wrong (Änderungsvorschlag); names nobody."
)
class ChangeRequest(Node):
    """That something in an entry seems to be wrong."""

    id: strawberry.ID = strawberry.field(resolver=_id, description="Global id.")
    version: int = strawberry.field(description="Rises with every change; give it as expectedVersion.")
    service: Service | None = strawberry.field(
        resolver=_service, graphql_type=Service | None, description="Whose entry."
    )
    service_id: strawberry.ID | None = strawberry.field(
        resolver=_service_id,
        graphql_type=strawberry.ID | None,
        description="Its id; null: the partner's own entry.",
    )
    partner: Partner | None = strawberry.field(
        resolver=_partner, graphql_type=Partner | None, description="Whose entry."
    )
    partner_id: strawberry.ID = strawberry.field(
        resolver=named("Partner", "partner_id"), graphql_type=strawberry.ID, description="Its id."
    )
    source: ChangeSource = strawberry.field(description="Who or what says so.")
    source_label: str = strawberry.field(
        resolver=labelled("source"), graphql_type=str, description="The same, for people."
    )
    proposed: str | None = strawberry.field(
        resolver=lambda root: _said(root.proposed),
        graphql_type=str | None,
        description="What it should say instead, as text; accepting writes it. Null: no value is proposed.",
    )
    before: str | None = strawberry.field(
        resolver=lambda root: _said(root.before),
        graphql_type=str | None,
        description="What it said when this was proposed.",
    )
    language: str | None = strawberry.field(
        resolver=lambda root: (root.proposed or {}).get("language"),
        graphql_type=str | None,
        description="The language of the value (BCP 47), where it has one.",
    )
    location_id: strawberry.ID | None = strawberry.field(
        resolver=_location_id,
        graphql_type=strawberry.ID | None,
        description="Whose opening hours.",
    )
    remark: str | None = strawberry.field(description="What was said to it; deleted with the decision.")
    field: ChangeField = strawberry.field(description="What of the entry.")
    field_label: str = strawberry.field(
        resolver=labelled("field"), graphql_type=str, description="The same, for people."
    )
    reason: ChangeReason = strawberry.field(description="Why.")
    reason_label: str = strawberry.field(
        resolver=labelled("reason"), graphql_type=str, description="Why, for people."
    )
    times: int = strawberry.field(description="How often it happened since the last decision.")
    state: ChangeRequestState = strawberry.field(description="What became of it.")
    opened_at: datetime = strawberry.field(description="When it happened first.")
    last_at: datetime = strawberry.field(description="When it was last brought up to date.")
    decided_at: datetime | None = strawberry.field(description="When somebody decided.")
    decided_by_id: strawberry.ID | None = strawberry.field(
        resolver=named("Member", "decided_by"), description="Who decided (Member)."
    )
    decision_reason: ChangeDecision | None = strawberry.field(description="Why it was decided so.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell change requests from other nodes: behind the type stands the view."""
        return isinstance(value, ChangeRequestView | cls)


def _step_labels(root: Parent[EntryDueView], info: Info) -> list[str]:
    return [label(step, info.context.language) for step in root.steps]


@strawberry.type(description="An entry that is to be looked at again, for who keeps it.")
class EntryDue:
    """An entry that is to be looked at again."""

    partner: Partner | None = strawberry.field(
        resolver=_partner, graphql_type=Partner | None, description="Whose entry."
    )
    partner_id: strawberry.ID = strawberry.field(
        resolver=named("Partner", "partner_id"), graphql_type=strawberry.ID, description="Its id."
    )
    service: Service | None = strawberry.field(
        resolver=_service,
        graphql_type=Service | None,
        description="The service; null: it is the partner's own entry.",
    )
    service_id: strawberry.ID | None = strawberry.field(
        resolver=_service_id, graphql_type=strawberry.ID | None, description="The service's id."
    )
    due_at: datetime = strawberry.field(description="Since when.")
    freshness: Freshness = strawberry.field(
        graphql_type=Freshness, description="What of it, and what follows."
    )
    steps: list[UpkeepStep] = strawberry.field(
        resolver=lambda root: list(root.steps),
        graphql_type=list[UpkeepStep],
        description="What was last done about it: for figures, and for the entry itself.",
    )
    step_labels: list[str] = strawberry.field(
        resolver=_step_labels, graphql_type=list[str], description="The same, for people."
    )
    hidden: bool = strawberry.field(description="It was hidden for it; one confirmation shows it again.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell it by the room's value."""
        return isinstance(value, EntryDueView | cls)


@strawberry.type(description="How often services declined for this reason.")
class GapDecline:
    """How often services declined for this reason."""

    reason: DeclineReason = strawberry.field(description="The reason.")
    reason_label: str = strawberry.field(
        resolver=labelled("reason"), graphql_type=str, description="The reason, for people."
    )
    count: int = strawberry.field(description="How often.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell counts from other values: behind the type stands the room's."""
        return isinstance(value, DeclineCount | cls)


async def _topic(root: Parent[Gap], info: Info) -> Any:
    return (await info.context.loaders.topics()).get(root.topic)


@strawberry.type(
    description="A topic on which people of the own office were taken nowhere (Angebotslücke). "
    "Exact, for the office's own planning; not to be passed on."
)
class StructuralGap:
    """A topic on which people of the own office were taken nowhere."""

    code: str = strawberry.field(
        resolver=lambda root: root.topic, graphql_type=str, description="Code of the topic."
    )
    topic: Topic | None = strawberry.field(
        resolver=_topic, graphql_type=Topic | None, description="The topic."
    )
    people: int = strawberry.field(
        description="Different people whose referrals were declined or never answered, and who were taken "
        "nowhere else."
    )
    declines: list[GapDecline] = strawberry.field(
        graphql_type=list[GapDecline], description="Why services declined; only what lies with the service."
    )
    unanswered: int = strawberry.field(description="Referrals that ended without an answer.")
    waiting: int = strawberry.field(
        description="People with this need and without a referral that is under way or was taken; as of now."
    )
    services: int = strawberry.field(description="Published services of the municipality on the topic.")
    with_room: int = strawberry.field(description="Those of them that do not say that they are full.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell gaps from other values: behind the type stands the room's."""
        return isinstance(value, Gap | cls)


@strawberry.type(description="How many days a step took, of the referrals that got so far.")
class StepTime:
    """How many days a step took."""

    step: TimedStep = strawberry.field(description="The step, counted from the day of sending.")
    step_label: str = strawberry.field(
        resolver=labelled("step"), graphql_type=str, description="The step, for people."
    )
    count: int = strawberry.field(description="Referrals that got so far.")
    people: int = strawberry.field(description="Different people among them.")
    median: float | None = strawberry.field(
        description="Days that half of them took at most; null for fewer than 5 people."
    )
    ninth: float | None = strawberry.field(
        description="Days that nine of ten took at most (90th percentile); null for fewer than 5 people or "
        "10 referrals."
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell it from other values: behind the type stands the room's."""
        return isinstance(value, timing.StepTime | cls)


@strawberry.type(
    description="How long referrals of the own office took. Exact, for its own planning; not to be passed on."
)
class ReferralTimes:
    """How long referrals of the own office took."""

    since: datetime = strawberry.field(description="Sent from here on.")
    until: datetime = strawberry.field(description="Sent before.")
    sent: int = strawberry.field(description="Referrals sent in the period, however far they got.")
    steps: list[StepTime] = strawberry.field(graphql_type=list[StepTime], description="The steps, in order.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell it from other values: behind the type stands the room's."""
        return isinstance(value, timing.Times | cls)


@strawberry.type
class UpkeepQueries:
    """What can be read about the upkeep of the directory."""

    @strawberry.field(
        graphql_type=Connection[ChangeRequest],
        description="Change requests that you decide on: for a partner its own, for the coordination its "
        "municipality's; the latest first.",
    )
    async def change_requests(
        self,
        info: Info,
        state: Annotated[
            ChangeRequestState | None, strawberry.argument(description="In this state; null: all.")
        ] = ChangeRequestState.OPEN,
        source: Annotated[
            ChangeSource | None, strawberry.argument(description="From this source; null: any.")
        ] = None,
        field: Annotated[
            ChangeField | None, strawberry.argument(description="About this; null: anything.")
        ] = None,
        partner_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Of this partner; null: any.")
        ] = None,
        first: First = PAGE_SIZE,
        after: After = None,
    ) -> Connection[Any]:
        """Return a page of change requests."""
        context = info.context
        async with context.database.view(context.actor) as session:
            page = await list_change_requests(
                session,
                context.actor,
                state=state,
                source=source,
                field=field,
                partner_id=None if partner_id is None else require_id(partner_id, "Partner", "partnerId"),
                first=first,
                after=after,
                with_total=context.asks("ChangeRequestConnection", "totalCount"),
            )
        return connection(page, after=after)

    @strawberry.field(
        graphql_type=Connection[EntryDue],
        description="Entries that nobody has confirmed for too long, the longest first: for a partner its "
        "own, for the coordination its municipality's; what was hidden for it is among them.",
    )
    async def entries_due(self, info: Info, first: First = PAGE_SIZE, after: After = None) -> Connection[Any]:
        """Return a page of the entries that are due."""
        context = info.context
        async with context.database.view(context.actor) as session:
            page = await entries_due(
                session,
                context.actor,
                context.clock(),
                first=first,
                after=after,
                with_total=context.asks("EntryDueConnection", "totalCount"),
            )
        return connection(page, after=after)

    @strawberry.field(
        graphql_type=list[StructuralGap],
        description="Needs of the own clients that the network does not meet, by topic, the worst first.",
    )
    async def structural_gaps(
        self,
        info: Info,
        since: Annotated[datetime, strawberry.argument(description="Referrals that ended from here on.")],
        until: Annotated[
            datetime | None, strawberry.argument(description="Up to before this moment; null: now.")
        ] = None,
        first: First = MOST,
    ) -> object:
        """Return the gaps."""
        context = info.context
        async with context.database.view(context.actor) as session:
            return await structural_gaps(session, context.actor, since, until or context.clock(), first=first)

    @strawberry.field(
        graphql_type=ReferralTimes,
        description="How long own referrals took: to acceptance, to the first appointment, to closing.",
    )
    async def referral_times(
        self,
        info: Info,
        since: Annotated[datetime, strawberry.argument(description="Sent from here on.")],
        until: Annotated[
            datetime | None, strawberry.argument(description="Sent before this moment; null: now.")
        ] = None,
    ) -> object:
        """Return the times."""
        context = info.context
        async with context.database.view(context.actor) as session:
            return await timing.referral_times(session, context.actor, since, until or context.clock())


async def _change_request(info: Info, key: UUID) -> object | None:
    async with info.context.database.view(info.context.actor) as session:
        return await view_change_request(session, info.context.actor, key)


NODES.update({"ChangeRequest": _change_request})
