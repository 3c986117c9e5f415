"""The queries of the directory: each is a source's page, checked and mapped, and nothing more."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from directory import membership, sources
from directory.sources import PartnerFilter, ServiceFilter
from directory.vocabulary import PartnerKind, PublicationState, ServiceKind
from graphapi.context import Info
from graphapi.relay import parse_id, read_id, require_id
from graphapi.types.course_filter import CourseFilterInput, course_filter
from graphapi.types.member import Me, Member
from graphapi.types.node import Node
from graphapi.types.paging import PAGE_SIZE, After, Connection, First, connection
from graphapi.types.partner import Partner
from graphapi.types.places import Municipality
from graphapi.types.service import Service
from graphapi.types.topic import Occupation, TopicInVocabulary


@strawberry.input(description="Which partners; what is left out does not matter.")
class PartnerFilterInput:
    """Which partners."""

    kinds: list[PartnerKind] | None = strawberry.field(default=None, description="One of these kinds.")
    municipality_id: strawberry.ID | None = strawberry.field(default=None, description="Of its directory.")
    name_prefix: str | None = strawberry.field(
        default=None, description="Names that begin so; case, accents and punctuation do not matter."
    )
    states: list[PublicationState] | None = strawberry.field(
        default=None, description="Left out: published. Others show only what you work on."
    )


@strawberry.input(description="Which services; what is left out does not matter.")
class ServiceFilterInput:
    """Which services."""

    kinds: list[ServiceKind] | None = strawberry.field(default=None, description="One of these kinds.")
    topics: list[str] | None = strawberry.field(default=None, description="About one of these topics.")
    partner_id: strawberry.ID | None = strawberry.field(default=None, description="Of this partner.")
    municipality_id: strawberry.ID | None = strawberry.field(default=None, description="Of its directory.")
    course: CourseFilterInput | None = strawberry.field(default=None, description="Facts of a course.")
    states: list[PublicationState] | None = strawberry.field(
        default=None, description="Left out: published. Others show only what you work on."
    )


ThingId = Annotated[strawberry.ID, strawberry.argument(description="Global id.")]
PUBLISHED = (PublicationState.PUBLISHED,)


@strawberry.type
class DirectoryQueries:
    """What can be read of the directory."""

    @strawberry.field(graphql_type=Node | None, description="Find something by its global id.")
    async def node(self, info: Info, id: ThingId) -> object | None:
        """Return what has this id, or None when there is no such thing for the actor."""
        found = parse_id(id)
        if found is None:
            return None
        type_name, key = found
        load = NODES.get(type_name)
        return None if load is None else await load(info, key)

    @strawberry.field(graphql_type=Partner | None, description="One partner, or null.")
    async def partner(self, info: Info, id: ThingId) -> object | None:
        """Return the partner, or None when the actor may not know of it."""
        key = read_id(id, "Partner")
        return None if key is None else await info.context.loaders.partner.load(key)

    @strawberry.field(graphql_type=Connection[Partner], description="Partners in the order of their names.")
    async def partners(
        self,
        info: Info,
        filter: PartnerFilterInput | None = None,
        first: First = PAGE_SIZE,
        after: After = None,
    ) -> Connection[Any]:
        """Return a page of partners."""
        wanted = filter or PartnerFilterInput()
        given = PartnerFilter(
            kinds=wanted.kinds,
            municipality_id=(
                require_id(wanted.municipality_id, "Municipality", "filter.municipalityId")
                if wanted.municipality_id
                else None
            ),
            name_prefix=wanted.name_prefix,
            states=wanted.states or PUBLISHED,
        )
        page = await sources.partners(
            info.context.database,
            info.context.actor,
            given,
            first=first,
            after=after,
            total=info.context.asks("PartnerConnection", "totalCount"),
        )
        return connection(page, after=after)

    @strawberry.field(graphql_type=Service | None, description="One service, or null.")
    async def service(self, info: Info, id: ThingId) -> object | None:
        """Return the service, or None when the actor may not know of it."""
        key = read_id(id, "Service")
        return None if key is None else await info.context.loaders.service.load(key)

    @strawberry.field(graphql_type=Connection[Service], description="Services in the order of their titles.")
    async def services(
        self,
        info: Info,
        filter: ServiceFilterInput | None = None,
        first: First = PAGE_SIZE,
        after: After = None,
    ) -> Connection[Any]:
        """Return a page of services."""
        wanted = filter or ServiceFilterInput()
        given = ServiceFilter(
            kinds=wanted.kinds,
            topics=wanted.topics,
            partner_id=(
                require_id(wanted.partner_id, "Partner", "filter.partnerId") if wanted.partner_id else None
            ),
            municipality_id=(
                require_id(wanted.municipality_id, "Municipality", "filter.municipalityId")
                if wanted.municipality_id
                else None
            ),
            course=course_filter(wanted.course, "filter.course"),
            states=wanted.states or PUBLISHED,
        )
        page = await sources.services(
            info.context.database,
            info.context.actor,
            given,
            first=first,
            after=after,
            total=info.context.asks("ServiceConnection", "totalCount"),
        )
        return connection(page, after=after)

    @strawberry.field(
        graphql_type=list[TopicInVocabulary], description="The topics, in the order of their labels."
    )
    async def topics(self, info: Info) -> object:
        """Return the whole vocabulary of topics."""
        return await sources.topics(info.context.database)

    @strawberry.field(
        graphql_type=list[Occupation], description="The occupations, in the order of their labels."
    )
    async def occupations(self, info: Info) -> object:
        """Return the occupations that recognition services name."""
        return await sources.occupations(info.context.database)

    @strawberry.field(graphql_type=list[Municipality], description="The municipalities that run the project.")
    async def municipalities(self, info: Info) -> object:
        """Return the municipalities."""
        return await sources.municipalities(info.context.database)

    @strawberry.field(graphql_type=Me, description="Who is asking.")
    def me(self, info: Info) -> object:
        """Return the actor."""
        return info.context.actor

    @strawberry.field(
        graphql_type=list[Member],
        description="The members of an organisation, by name; for its members and the lead.",
    )
    async def members(
        self,
        info: Info,
        partner_id: ThingId,
        removed: Annotated[bool, strawberry.argument(description="Those who are gone too.")] = False,
    ) -> object:
        """Return the members of an organisation."""
        key = require_id(partner_id, "Partner", "partnerId")
        async with info.context.database.view(info.context.actor) as session:
            return await membership.members(session, info.context.actor, key, removed=removed)


async def _municipality(info: Info, key: Any) -> object | None:
    return await info.context.loaders.municipality.load(key)


NODES = {
    "Partner": lambda info, key: info.context.loaders.partner.load(key),
    "Service": lambda info, key: info.context.loaders.service.load(key),
    "Member": lambda info, key: info.context.loaders.member.load(key),
    "Municipality": _municipality,
}
"""How a global id's type finds its thing; rooms add theirs."""
