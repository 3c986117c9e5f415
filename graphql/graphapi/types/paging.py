"""Connections after the Relay specification: edges, nodes, pageInfo and totalCount of a bounded list."""

from __future__ import annotations

from typing import Annotated, Any, Final, Generic, TypeAlias, TypeVar

import strawberry

from directory.sources import Page

N = TypeVar("N")

PAGE_SIZE: Final = 20

First: TypeAlias = Annotated[int, strawberry.argument(description="How many, 1 to 100.")]
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
    """A page of a list; how many there are altogether is only counted when the operation asks for it."""

    edges: list[Edge[N]] = strawberry.field(description="The elements of this page, with cursors.")
    nodes: list[N] = strawberry.field(description="The elements of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")
    total_count: int = strawberry.field(description="How many there are altogether.")


def connection(page: Page[Any], *, after: str | None = None) -> Connection[Any]:
    """Return a source's page as a connection; the stored documents stand behind the nodes."""
    return Connection(
        edges=[Edge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, page.nodes, strict=True)],
        nodes=list(page.nodes),
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=after is not None,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.cursors[-1] if page.cursors else None,
        ),
        # not counted means not asked for: nobody reads this
        total_count=-1 if page.total is None else page.total,
    )
