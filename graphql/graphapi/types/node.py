"""The interface of everything that has a global id."""

from __future__ import annotations

import strawberry


@strawberry.interface(description="Something with a global id; `node(id:)` finds it again.")
class Node:
    """Something with a global id."""

    id: strawberry.ID = strawberry.field(description="Global id.")
