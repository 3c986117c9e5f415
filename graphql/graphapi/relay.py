"""Global ids, cursors and connections: how things are named and paged on the outside (Relay).

An id is the base64 of ``Type:uuid`` and its type is checked when it comes back; a cursor is opaque and
belongs to one list. Knows no database.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final
from uuid import UUID

import strawberry

from directory.problems import InvalidInput, NotFound


def global_id(type_name: str, id_: UUID) -> strawberry.ID:
    """Return the id of a thing as callers see it.

    >>> global_id("Partner", UUID(int=7))
    'UGFydG5lcjowMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDc'
    """
    return strawberry.ID(base64.urlsafe_b64encode(f"{type_name}:{id_}".encode()).decode().rstrip("="))


def parse_id(given: str) -> tuple[str, UUID] | None:
    """Return type name and UUID of a global id, or None if it is not one."""
    if len(given) > 120:
        return None
    try:
        padded = given.rstrip("=") + "=" * (-len(given.rstrip("=")) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        type_name, _, id_ = text.partition(":")
        parsed = UUID(id_)
    except (binascii.Error, ValueError):
        return None
    return (type_name, parsed) if str(parsed) == id_ else None


def read_id(given: str, type_name: str) -> UUID | None:
    """Return the UUID of an id of this type, or None: an id of another type names nothing here."""
    found = parse_id(given)
    return found[1] if found is not None and found[0] == type_name else None


def require_id(given: str, type_name: str, field: str) -> UUID:
    """Return the UUID of an id in an input; raises InvalidInput when it is not an id of this type."""
    found = parse_id(given)
    if found is None or found[0] != type_name:
        raise InvalidInput(field, "id", expected=type_name)
    return found[1]


def target_id(given: str, type_name: str) -> UUID:
    """Return the UUID of the thing an operation is about; raises NotFound when the id names no such thing."""
    found = read_id(given, type_name)
    if found is None:
        raise NotFound
    return found


_SEPARATOR: Final = "\x1f"


def encode_cursor(kind: str, *parts: str) -> str:
    """Return an opaque cursor; ``kind`` names the list it belongs to."""
    return base64.urlsafe_b64encode(_SEPARATOR.join((kind, *parts)).encode()).decode().rstrip("=")


def decode_cursor(given: str, kind: str, field: str = "after") -> tuple[str, ...]:
    """Return the parts of a cursor of this list; raises InvalidInput for any other text."""
    try:
        if len(given) > 2_000:
            raise ValueError
        padded = given.rstrip("=") + "=" * (-len(given.rstrip("=")) % 4)
        found, *parts = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(_SEPARATOR)
    except (binascii.Error, ValueError):
        raise InvalidInput(field, "cursor") from None
    if found != kind:
        raise InvalidInput(field, "cursor")
    return tuple(parts)
