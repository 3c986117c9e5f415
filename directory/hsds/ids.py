"""Identifiers of HSDS objects: always UUIDs, always the same for the same thing.

Our partners, services, locations and municipalities keep their own ids. What has none of its own (a phone
number, a line of opening hours, a term) gets a UUIDv5 (RFC 9562) of what it belongs to and what tells it
apart there. What comes from elsewhere under an id that is no UUID gets one of its source and that id.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

NAMESPACE: Final = UUID("881cea63-06c0-4ea4-95c0-ff8c16c20ed3")
"""Namespace of all ids that are made here; it never changes, or every id would."""

_APART: Final = "\x1f"
"""Stands between the parts of a name: a character that no id or text of ours contains."""


def derived_id(entity: str, *parts: object) -> UUID:
    """Return the id of an HSDS object (``entity``: its name in HSDS) that these parts tell apart.

    >>> derived_id("phone", "a", "b") == derived_id("phone", "a", "b")
    True
    >>> derived_id("phone", "a", "b") == derived_id("phone", "ab")
    False
    """
    return uuid5(NAMESPACE, _APART.join([entity, *(str(part) for part in parts)]))


def foreign_uuid(source: str, entity: str, foreign_id: str) -> UUID:
    """Return the UUID of an object that its source calls ``foreign_id``: that id itself if it is a UUID.

    Keep the foreign id beside it (``Provenance.foreign_id``): the way back is not in the UUID.

    >>> str(foreign_uuid("x", "service", "AC148810-D857-441C-9679-408F346DE14B"))
    'ac148810-d857-441c-9679-408f346de14b'
    >>> foreign_uuid("x", "service", "17") == foreign_uuid("x", "organization", "17")
    False
    """
    given = as_uuid(foreign_id)
    return derived_id("foreign", source, entity, foreign_id) if given is None else given


def as_uuid(text: str) -> UUID | None:
    """Return the UUID that a text is in its usual form of 36 characters, or None.

    >>> as_uuid("17") is None, as_uuid("{ac148810-d857-441c-9679-408f346de14b}") is None
    (True, True)
    """
    if len(text) != 36:
        return None
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None
