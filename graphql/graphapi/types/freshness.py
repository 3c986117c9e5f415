"""How fresh an entry is: as everybody may see it, and for who keeps it what is done about it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import strawberry
from strawberry import Parent

from directory import freshness
from directory.freshness import Entry
from directory.vocabulary import DataKind, FreshnessState
from graphapi.context import Info
from graphapi.types.words import label


def _state_label(root: Parent[freshness.Freshness], info: Info) -> str:
    return label(root.state, info.context.language)


def _kind_labels(root: Parent[freshness.Freshness], info: Info) -> list[str]:
    return [label(kind, info.context.language) for kind in root.kinds]


@strawberry.type(description="How sure one can be of an entry today (HSDS assured_date).")
class Freshness:
    """How sure one can be of an entry today."""

    state: FreshnessState = strawberry.field(description="How fresh it is.")
    state_label: str = strawberry.field(resolver=_state_label, description="The same, for people.")
    assured_at: datetime | None = strawberry.field(
        description="When the partner last said of the whole entry: still right."
    )
    due_on: date = strawberry.field(description="From this day on something of it is to be looked at again.")
    kinds: list[DataKind] = strawberry.field(description="What is to be looked at again.")
    kind_labels: list[str] = strawberry.field(resolver=_kind_labels, description="The same, for people.")
    hide_on: date | None = strawberry.field(
        description="The day on which it is hidden unless somebody confirms it; null: not announced, or not "
        "yours to keep."
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell it by the room's value."""
        return isinstance(value, freshness.Freshness | cls)


def freshness_of(entry: Entry | None, info: Info) -> object | None:
    """Return how fresh an entry is today, as everybody may see it."""
    return None if entry is None else freshness.freshness(entry, info.context.today)
