"""Saved searches and the mailbox that is told of them: their member's, and nobody else's."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final

import msgspec
import strawberry
from strawberry import Parent

from directory import mailboxes
from directory.paging import check_size
from directory.vocabulary import PartnerKind, ServiceKind
from graphapi.context import Info
from graphapi.relay import global_id
from graphapi.types.service import Service
from search import saving
from search.saving import CHANGED, NEW

MOST_HITS: Final = 50
"""New or changed services that one search shows at once."""


def _search_id(root: Parent[saving.Saved]) -> strawberry.ID:
    return global_id("SavedSearch", root.id)


def _filters(root: Parent[saving.Saved]) -> Any:
    return root.filters


def _course(root: Parent[Any]) -> str | None:
    return None if root.course is None else msgspec.json.encode(root.course).decode()


@strawberry.type(description="Within a radius of a point.")
class SavedNear:
    """Within a radius of a point."""

    latitude: float = strawberry.field(description="Degrees north, WGS 84.")
    longitude: float = strawberry.field(description="Degrees east, WGS 84.")
    radius_km: float = strawberry.field(description="Kilometres.")


@strawberry.type(description="The filters of a saved search.")
class SavedFilters:
    """The filters of a saved search."""

    kinds: list[ServiceKind] = strawberry.field(description="What it does.")
    topics: list[str] = strawberry.field(description="Codes of topics.")
    languages: list[str] = strawberry.field(description="Offered or interpreted (BCP 47).")
    partner_kinds: list[PartnerKind] = strawberry.field(description="Who offers it.")
    municipality: str | None = strawberry.field(description="Official key (ARS) or a prefix.")
    near: SavedNear | None = strawberry.field(graphql_type=SavedNear | None, description="Where.")
    open_capacity_on: date | None = strawberry.field(
        description="Known to have room on this day; later, on the day that is looked at."
    )
    course: str | None = strawberry.field(
        resolver=_course, graphql_type=str | None, description="Facts of a course, as JSON."
    )


def _ids(what: str) -> Any:
    def resolve(root: Parent[saving.Saved]) -> list[strawberry.ID]:
        return [global_id("Service", key) for key, news in root.news.items() if news == what]

    return resolve


def _hits(what: str) -> Any:
    async def resolve(
        root: Parent[saving.Saved],
        info: Info,
        first: Annotated[int, strawberry.argument(description="How many at most, up to 50.")] = 5,
    ) -> Any:
        check_size(first, MOST_HITS)
        keys = [key for key, news in root.news.items() if news == what][:first]
        found = await info.context.loaders.service.load_many(keys)
        return [service for service in found if service is not None]

    return resolve


@strawberry.type(description="A search that you keep: words and filters, never a profile.")
class SavedSearch:
    """A search that a member keeps."""

    id: strawberry.ID = strawberry.field(
        resolver=_search_id, graphql_type=strawberry.ID, description="Global id."
    )
    name: str = strawberry.field(description="What you call it.")
    text: str = strawberry.field(description="Its words.")
    filters: SavedFilters = strawberry.field(
        graphql_type=SavedFilters, resolver=_filters, description="Its filters."
    )
    notify: bool = strawberry.field(description="Whether new and changed hits are told by mail.")
    new_services: list[strawberry.ID] = strawberry.field(
        resolver=_ids(NEW), graphql_type=list[strawberry.ID], description="New, and not told by mail yet."
    )
    changed_services: list[strawberry.ID] = strawberry.field(
        resolver=_ids(CHANGED), graphql_type=list[strawberry.ID], description="Changed, and not told yet."
    )
    new_hits: list[Service] = strawberry.field(
        resolver=_hits(NEW),
        graphql_type=list[Service],
        description="The first of what is new, as far as you may see it now.",
    )
    changed_hits: list[Service] = strawberry.field(
        resolver=_hits(CHANGED),
        graphql_type=list[Service],
        description="The first of what has changed, as far as you may see it now.",
    )
    too_broad: bool = strawberry.field(
        description="Whether it finds more than 1,000 services; then nothing is told."
    )
    looked_at: datetime | None = strawberry.field(description="When its hits were last looked at.")
    version: int = strawberry.field(description="Raised with every change that you make.")
    created_at: datetime = strawberry.field(description="When it was saved.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell it by the room's value."""
        return isinstance(value, saving.Saved | cls)


@strawberry.type(description="Where you are written to; nothing goes there before its reader says yes.")
class Mailbox:
    """Where a member is written to."""

    address: str = strawberry.field(description="The address.")
    language: str = strawberry.field(description="Language of the mails: de or en.")
    asked_at: datetime = strawberry.field(description="When it was asked.")
    confirmed_at: datetime | None = strawberry.field(description="When its reader said yes.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell it by the room's value."""
        return isinstance(value, mailboxes.Mailbox | cls)


@strawberry.type
class SavedSearchQueries:
    """What a member keeps."""

    @strawberry.field(
        graphql_type=list[SavedSearch], description="Your saved searches, oldest first; 20 at most."
    )
    async def saved_searches(self, info: Info) -> Any:
        """Return the own saved searches."""
        context = info.context
        async with context.database.view(context.actor) as session:
            return await saving.saved_searches(session, context.actor)

    @strawberry.field(graphql_type=Mailbox | None, description="Your mailbox; null: you have named none.")
    async def mailbox(self, info: Info) -> Any:
        """Return the own mailbox."""
        context = info.context
        async with context.database.view(context.actor) as session:
            return await mailboxes.mailbox_of(session, context.actor)
