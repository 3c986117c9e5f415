"""Resolvers that many types share: an id as a global id, a word as its label for people."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry import Parent

from graphapi.context import Info
from graphapi.relay import global_id
from graphapi.types.words import label


def named(type_name: str, attribute: str) -> Any:
    """Return a resolver that shows an id (or none) of the parent as a global id."""

    def resolve(root: Parent[Any]) -> strawberry.ID | None:
        found = getattr(root, attribute)
        return None if found is None else global_id(type_name, found)

    return resolve


def labelled(attribute: str) -> Any:
    """Return a resolver that shows the label of one of the parent's words for people."""

    def resolve(root: Parent[Any], info: Info) -> str | None:
        found = getattr(root, attribute)
        return None if found is None else label(found, info.context.language)

    return resolve
