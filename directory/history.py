"""The history of entries: what each version said, what differs between two, and putting an old one back.

A version is kept wherever documents are rebuilt (``directory.building``), by the database's function
``keep_versions``, in the same transaction: who, when, which action, and the entry's own fields as they were
then. What a document shows of other entries (its partner's name) is no change of the entry. Counts of places
and assurances change often: they are kept as a patch on the last whole snapshot.

Read by who keeps the entry and by the coordination of its municipality; the public sees nothing of it. Who it
was is told as the organisation; the member only to colleagues of the same office and to the coordination.

The history of a living entry stays as long as the entry; one year after its end (merged or deleted) the
deletion run takes it away, and only the tombstone in the change feed remains (id, kind, version, when).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.documents import DocumentKind
from directory.models import EntryVersion, Partner, Service
from directory.paging import check_size
from directory.policy import EntryFacts, require_see_history
from directory.problems import InvalidInput, NotFound
from directory.sources import Page
from directory.values import Instant, Value

MOST: Final = 50
"""Largest page of versions."""

_BY_LANGUAGE: Final = frozenset({"title", "description"})
"""Fields that are told language by language."""
_BY_PART: Final = frozenset({"capacity", "course", "recognition", "interpreting", "referral_facts"})
"""Fields that are told part by part."""

_UNTOLD: Final = frozenset({"assured_kinds"})
"""Fields that follow from the change of another one: whoever changes a text thereby assures it."""


class FieldChange(Value, frozen=True, kw_only=True):
    """What changed in one field: ``before`` and ``after`` are JSON values, None where there was nothing.

    ``field`` is a path: a column, and the language or part of it behind a dot (``title.ar``).
    """

    field: str
    before: Any
    after: Any


class VersionView(Value, frozen=True, kw_only=True):
    """A version of an entry as its keepers read it.

    ``partner_id`` is the organisation of who made it, ``member_id`` who (None for the system, for others,
    and for what followed from something else). ``snapshot``: all fields as they were.
    """

    kind: DocumentKind
    id: UUID
    version: int
    at: Instant
    action: str
    role: str
    partner_id: UUID | None
    member_id: UUID | None
    reason: str | None
    changes: tuple[FieldChange, ...]
    snapshot: dict[str, Any]


def _parts(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Return a snapshot by paths: texts by language, facts by part, places by their id.

    >>> _parts({"title": {"de": "Rat"}, "area": []})
    {'title.de': 'Rat', 'area': []}
    """
    found: dict[str, Any] = {}
    for name, value in snapshot.items():
        if name in _UNTOLD:
            continue
        if name in _BY_LANGUAGE | _BY_PART and isinstance(value, dict):
            found.update({f"{name}.{part}": inner for part, inner in value.items()})
        elif name == "locations" and isinstance(value, list):
            found.update({f"locations.{place['id']}": place for place in value})
        else:
            found[name] = value
    return found


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """Return what changed between two snapshots, by path; nothing for equal ones. Pure.

    Empty and missing are the same: a field that came with a release and is empty has not been changed.
    """
    was, now = _parts(before), _parts(after)
    return tuple(
        FieldChange(field=path, before=was.get(path), after=now.get(path))
        for path in sorted(was.keys() | now.keys())
        if was.get(path) != now.get(path) and not (_nothing(was.get(path)) and _nothing(now.get(path)))
    )


def _nothing(value: Any) -> bool:
    return value is None or value in ([], {})


def applied(snapshot: Mapping[str, Any], changes: tuple[FieldChange, ...]) -> dict[str, Any]:
    """Return the paths of a snapshot after these changes (the other direction of ``differences``). Pure."""
    paths = _parts(snapshot)
    for change in changes:
        if change.after is None:
            paths.pop(change.field, None)
        else:
            paths[change.field] = change.after
    return paths


def overlaid(whole: Mapping[str, Any], patch: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a snapshot with a patch laid over it; null takes a field away. Pure."""
    return {name: value for name, value in {**whole, **(patch or {})}.items() if value is not None}


async def _facts(session: AsyncSession, actor: Actor, kind: DocumentKind, id_: UUID) -> EntryFacts:
    """Return what decides about an entry, ended ones too; raises NotFound and NotAllowed."""
    if kind is DocumentKind.PARTNER:
        wanted = select(Partner.id, Partner.municipality_id, Partner.state).where(Partner.id == id_)
    else:
        wanted = (
            select(Service.partner_id, Partner.municipality_id, Service.state)
            .join(Partner, Partner.id == Service.partner_id)
            .where(Service.id == id_)
        )
    row = (await session.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound
    facts = EntryFacts(partner_id=row[0], municipality_id=row[1], state=row[2])
    require_see_history(actor, facts)
    return facts


_VERSIONS: Final = """
SELECT v.version, v.at, v.action, v.role, v.member_id, v.partner_id, v.reason,
  coalesce(v.snapshot, f.snapshot) AS whole, v.patch
FROM entry_version v LEFT JOIN entry_version f
  ON f.kind = v.kind AND f.id = v.id AND f.version = v.base AND v.snapshot IS NULL
WHERE v.kind = :kind AND v.id = :id AND v.version <= :upto ORDER BY v.version DESC LIMIT :many"""


async def _read(
    session: AsyncSession, actor: Actor, kind: DocumentKind, id_: UUID, upto: int, many: int
) -> list[VersionView]:
    """Return versions, the newest first; one more is read, to say what the oldest changed."""
    facts = await _facts(session, actor, kind, id_)
    rows = (
        await session.execute(
            text(_VERSIONS), {"kind": kind.value, "id": id_, "upto": upto, "many": many + 1}
        )
    ).all()
    snapshots = [overlaid(row.whole, row.patch) for row in rows]
    found = []
    for position, row in enumerate(rows[:many]):
        earlier = snapshots[position + 1] if position + 1 < len(rows) else {}
        colleagues = actor.coordinates and actor.municipality_id == facts.municipality_id
        known = colleagues or (row.partner_id is not None and row.partner_id == actor.partner_id)
        found.append(
            VersionView(
                kind=kind,
                id=id_,
                version=row.version,
                at=row.at,
                action=row.action,
                role=row.role,
                partner_id=row.partner_id,
                member_id=row.member_id if known else None,
                reason=row.reason,
                changes=differences(earlier, snapshots[position]),
                snapshot=snapshots[position],
            )
        )
    return found


_LATEST: Final = 2**31 - 1


async def entry_history(
    session: AsyncSession,
    actor: Actor,
    kind: DocumentKind,
    id_: UUID,
    *,
    first: int = 20,
    after: int | None = None,
    with_total: bool = False,
) -> Page[VersionView]:
    """Return a page of an entry's versions, the newest first; ``after``: older than this version.

    Two statements, three with the total. Raises NotFound, NotSignedIn, NotAllowed, InvalidInput.
    """
    check_size(first, MOST)
    found = await _read(session, actor, kind, id_, _LATEST if after is None else after - 1, first + 1)
    shown = tuple(found[:first])
    total = None
    if with_total:
        total = await session.scalar(
            select(func.count())
            .select_from(EntryVersion)
            .where(EntryVersion.kind == kind.value, EntryVersion.id == id_)
        )
    return Page(
        nodes=shown,
        cursors=tuple(str(view.version) for view in shown),
        has_next=len(found) > first,
        total=total,
    )


async def entry_version(
    session: AsyncSession, actor: Actor, kind: DocumentKind, id_: UUID, version: int
) -> VersionView:
    """Return an entry as it was in this version (or in the last one before it that changed the entry).

    Raises NotFound, NotSignedIn, NotAllowed; InvalidInput when there is no such version.
    """
    found = await _read(session, actor, kind, id_, min(version, _LATEST), 1)
    if not found:
        raise InvalidInput("version", "unknown-value")
    return found[0]
