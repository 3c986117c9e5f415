"""What a source said, with what was changed here laid over it. Pure.

Three records of one entry: ``original`` as the source gave it, ``base`` as we would write what we read from
that, ``ours`` as we write the entry now. Where base and ours are equal nothing was changed here, and the
original stands, with everything that our entries have no place for. Where they differ, ours stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MODIFIED: Final = "last_modified"
"""Says when the record changed: the source's moment as long as nothing else was changed here."""

_ABSENT: Final = object()


def merged(original: Mapping[str, Any], base: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return the original with the differences between base and ours applied.

    >>> merged({"name": "A", "fees": "5"}, {"name": "A", "url": None}, {"name": "B", "url": None})
    {'name': 'B', 'fees': '5'}
    >>> merged({"id": "7", "tags": [1]}, {"id": "x", "tags": [2]}, {"id": "x", "tags": [2, 3]})
    {'id': '7', 'tags': [1, 3]}
    """
    result = dict(original)
    changed = False
    for key in dict.fromkeys([*base, *ours]):
        if key in {"id", MODIFIED}:
            continue
        before, now = base.get(key, _ABSENT), ours.get(key, _ABSENT)
        if before == now:
            continue
        changed = True
        given = original.get(key, _ABSENT)
        if now is _ABSENT:
            result.pop(key, None)
        elif isinstance(given, dict) and isinstance(before, dict) and isinstance(now, dict):
            result[key] = merged(given, before, now)
        elif isinstance(given, list) and isinstance(before, list) and isinstance(now, list):
            result[key] = _merged_lists(given, before, now)
        else:
            result[key] = now
    if changed and MODIFIED in ours:
        result[MODIFIED] = ours[MODIFIED]
    return result


def _merged_lists(original: list[Any], base: list[Any], ours: list[Any]) -> list[Any]:
    """Return a list with what was added here; where things were taken away or changed, ours as it is.

    When base tells of each of the original's elements, those that stayed are given back as they were.
    """
    if all(one in ours for one in base):
        return [*original, *(one for one in ours if one not in base)]
    if len(base) != len(original):
        return ours
    return [original[base.index(one)] if one in base else one for one in ours]
