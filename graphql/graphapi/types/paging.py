"""Connections after the Relay specification: edges, nodes, pageInfo and totalCount of a bounded list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Generic, TypeAlias, TypeVar

import strawberry

N = TypeVar("N")

PAGE_SIZE = 20

First: TypeAlias = Annotated[int, strawberry.argument(description="How many, 0 to 100.")]
After: TypeAlias = Annotated[
    str | None, strawberry.argument(description="Cursor of the last one seen; the list goes on behind it.")
]


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool = strawberry.field(description="Whether more come after this page.")
    has_previous_page: bool = strawberry.field(description="Whether something came before this page.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first one on this page.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last one on this page.")


@strawberry.type(description="One element of a list, with its cursor.")
class Edge(Generic[N]):
    """One element of a list, with its cursor."""

    cursor: str = strawberry.field(description="Opaque; give it as `after` to go on from here.")
    node: N = strawberry.field(description="The element.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[N]):
    """A page of a list; how many there are altogether is only counted when asked for."""

    edges: list[Edge[N]] = strawberry.field(description="The elements of this page, with cursors.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="The elements of this page.")
    def nodes(self) -> list[N]:
        """Return the elements of this page."""
        return [edge.node for edge in self.edges]

    @strawberry.field(description="How many there are altogether.")
    async def total_count(self) -> int:
        """Count all elements of the list."""
        return await self.count()


def connection(
    nodes: list[tuple[str, N]],
    *,
    count: Callable[[], Awaitable[int]],
    has_next: bool,
    has_previous: bool,
) -> Connection[N]:
    """Return a page of (cursor, element) pairs."""
    return Connection(
        edges=[Edge(cursor=cursor, node=node) for cursor, node in nodes],
        page_info=PageInfo(
            has_next_page=has_next,
            has_previous_page=has_previous,
            start_cursor=nodes[0][0] if nodes else None,
            end_cursor=nodes[-1][0] if nodes else None,
        ),
        count=count,
    )
