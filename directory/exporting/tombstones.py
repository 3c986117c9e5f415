"""How each format says that an entry is published no more: id, kind and day, nothing of what it said. Pure.

HSDS has records of changes for that (``metadata``, in 1.1 too): one of the kind "delete" of the field "id".
Sheets have a row that has nothing but the number and the day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from directory.days import local_day
from directory.documents import DocumentKind
from directory.hsds.ids import derived_id
from directory.published_feed import Tombstone

DELETE: Final = "delete"
NOTHING: Final = "–"
"""Stands where no entry answers for the one that is gone: HSDS wants a value there."""

ENTITIES: Final = {DocumentKind.PARTNER: "organization", DocumentKind.SERVICE: "service"}
"""What HSDS calls our entries."""


def metadata_of(gone: Tombstone) -> dict[str, Any]:
    """Return a tombstone as a metadata record of HSDS, with exactly its members."""
    return {
        "id": str(derived_id("metadata", gone.id, DELETE, gone.version)),
        "resource_id": gone.exported_as,
        "resource_type": ENTITIES[gone.kind],
        "last_action_date": local_day(gone.changed_at).isoformat(),
        "last_action_type": DELETE,
        "field_name": "id",
        "previous_value": gone.exported_as,
        "replacement_value": gone.merged_into or NOTHING,
        "updated_by": "Spurwechsel network",
    }


def metadata_of_11(gone: Tombstone) -> dict[str, Any]:
    """Return a tombstone as a row of HSDS 1.1: entries have our own ids, the field's name says of what."""
    given = metadata_of(gone)
    del given["resource_type"]
    return {
        **given,
        "resource_id": str(gone.id),
        "field_name": f"{ENTITIES[gone.kind]}.id",
        "previous_value": str(gone.id),
        "replacement_value": NOTHING if gone.survivor is None else str(gone.survivor),
    }


def gone_entry(record: Mapping[str, Any]) -> tuple[DocumentKind, str, str] | None:
    """Return kind, id and day of the entry that a metadata record says is gone; None for any other record.

    A record of HSDS 1.1 says in the name of the field what it is of.

    >>> gone_entry({"resource_id": "7", "resource_type": "service", "last_action_type": "delete",
    ...     "field_name": "id", "last_action_date": "2026-11-22"})[1:]
    ('7', '2026-11-22')
    >>> gone_entry({"resource_id": "7", "resource_type": "service", "last_action_type": "delete",
    ...     "field_name": "fees"}) is None
    True
    """
    field = str(record.get("field_name") or "")
    of = field.removesuffix(".id") if field != "id" else record.get("resource_type")
    kind = next((kind for kind, name in ENTITIES.items() if name == of), None)
    if record.get("last_action_type") != DELETE or not (field == "id" or field.endswith(".id")):
        return None
    key = record.get("resource_id")
    if kind is None or not isinstance(key, str) or not key.strip():
        return None
    return kind, key.strip(), str(record.get("last_action_date") or "")


def row_of(gone: Tombstone, day: str) -> dict[str, str]:
    """Return a tombstone as cells of a plain sheet by column key."""
    column = "partner_id" if gone.kind is DocumentKind.PARTNER else "service_id"
    return {column: str(gone.id), "ended": day}


def day_of(gone: Tombstone) -> date:
    """Return the day since which the entry is published no more."""
    return local_day(gone.changed_at)
