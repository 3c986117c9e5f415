"""What declines tell the directory: change requests for who keeps an entry, and the office's own gaps."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import Parent

from directory.change_requests import ChangeRequestView, list_change_requests, view_change_request
from directory.vocabulary import ChangeDecision, ChangeField, ChangeReason, ChangeRequestState
from graphapi.context import Info
from graphapi.relay import global_id
from graphapi.types.node import Node
from graphapi.types.paging import PAGE_SIZE, After, Connection, First, connection
from graphapi.types.query import NODES
from graphapi.types.referral import labelled, named
from graphapi.types.service import Service
from graphapi.types.topic import Topic
from referrals.gaps import MOST, DeclineCount, Gap, structural_gaps
from referrals.vocabulary import DeclineReason


def _id(root: Parent[ChangeRequestView]) -> strawberry.ID:
    return global_id("ChangeRequest", root.id)


async def _service(root: Parent[ChangeRequestView], info: Info) -> Any:
    return await info.context.loaders.service.load(root.service_id)


@strawberry.type(
    description="That something in a service's entry seems to be wrong (Änderungsvorschlag); names nobody."
)
class ChangeRequest(Node):
    """That something in a service's entry seems to be wrong."""

    id: strawberry.ID = strawberry.field(resolver=_id, description="Global id.")
    version: int = strawberry.field(description="Rises with every change; give it as expectedVersion.")
    service: Service | None = strawberry.field(
        resolver=_service, graphql_type=Service | None, description="Whose entry."
    )
    service_id: strawberry.ID = strawberry.field(
        resolver=named("Service", "service_id"), graphql_type=strawberry.ID, description="Its id."
    )
    field: ChangeField = strawberry.field(description="What of the entry.")
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
                first=first,
                after=after,
                with_total=context.asks("ChangeRequestConnection", "totalCount"),
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


async def _change_request(info: Info, key: UUID) -> object | None:
    async with info.context.database.view(info.context.actor) as session:
        return await view_change_request(session, info.context.actor, key)


NODES.update({"ChangeRequest": _change_request})
