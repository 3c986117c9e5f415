"""The translations that are older than their source: who keeps the entry finds them, and says they are right.

What counts as stale is decided in ``directory.translations``, when an entry changes.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import text

from directory import checking as check
from directory.actors import Actor
from directory.catalogue import Saved, entry_to_change, texts_of
from directory.database import Database, Work
from directory.documents import DocumentKind
from directory.paging import check_size
from directory.policy import Rule
from directory.problems import InvalidInput, NotAllowed, NotSignedIn
from directory.sources import Page
from directory.translations import confirmed
from directory.values import Value

MOST: Final = 100
"""Largest page of stale translations."""


class StaleEntry(Value, frozen=True, kw_only=True):
    """An entry with translations that are older than their source; ``stale``: languages by field."""

    kind: DocumentKind
    id: UUID
    source_language: str
    stale: dict[str, tuple[str, ...]]


_STALE: Final = """
WITH e AS (
  SELECT 'PARTNER' AS kind, p.id, p.source_language, p.text_dates -> 'stale' AS stale
    FROM partner p WHERE {partners} AND p.text_dates ? 'stale' AND p.ended_at IS NULL
  UNION ALL
  SELECT 'SERVICE', s.id, s.source_language, s.text_dates -> 'stale'
    FROM service s JOIN partner p ON p.id = s.partner_id
    WHERE {partners} AND s.text_dates ? 'stale' AND s.ended_at IS NULL
)
SELECT e.*, (SELECT count(*) FROM e) AS total FROM e
WHERE CAST(:after AS uuid) IS NULL OR e.id > :after ORDER BY e.id LIMIT :many"""


async def stale_translations(
    database: Database, actor: Actor, *, first: int = 20, after: UUID | None = None
) -> Page[StaleEntry]:
    """Return a page of the entries with stale translations that the actor keeps, by id; one statement.

    For a partner its own, for the coordination those of its municipality. Raises NotSignedIn, NotAllowed,
    InvalidInput.
    """
    if not actor.signed_in:
        raise NotSignedIn
    check_size(first, MOST)
    if actor.coordinates:
        partners, mine = "p.municipality_id = :mine", actor.municipality_id
    elif actor.partner_id is not None and actor.role.value == "PARTNER_MEMBER":
        partners, mine = "p.id = :mine", actor.partner_id
    else:
        raise NotAllowed(Rule.OWN_ENTRY_ONLY)
    async with database.view(actor) as session:
        rows = (
            await session.execute(
                text(_STALE.format(partners=partners)), {"mine": mine, "after": after, "many": first + 1}
            )
        ).all()
    shown = tuple(
        StaleEntry(
            kind=DocumentKind(row.kind),
            id=row.id,
            source_language=row.source_language,
            stale={field: tuple(languages) for field, languages in row.stale.items()},
        )
        for row in rows[:first]
    )
    return Page(
        nodes=shown,
        cursors=tuple(str(entry.id) for entry in shown),
        has_next=len(rows) > first,
        total=rows[0].total if rows else 0,
    )


async def confirm_translation(
    work: Work, kind: DocumentKind, id_: UUID, language: str, *, expected_version: int
) -> Saved:
    """Say that the texts of an entry in this language still say what their source says.

    Raises NotFound, NotSignedIn, NotAllowed, StaleVersion; InvalidInput when there is no text in it, or it is
    the source itself.
    """
    tag = check.language(language, "language")
    entry = await entry_to_change(work, kind, id_, expected_version)
    texts = texts_of(entry)
    if not any(tag in of_field for of_field in texts.values()) or tag == entry.source_language:
        raise InvalidInput("language", "unknown-value")
    dates = confirmed(texts, entry.text_dates, entry.source_language, tag, work.now)
    if dates.stale == entry.text_dates.stale:
        return Saved(entry.id, entry.version)
    entry.text_dates = dates
    entry.version += 1
    entry.updated_at = work.now
    work.touch_document(kind, id_)
    work.record(f"{kind.value.lower()}.confirm_translation", kind.value.lower(), id_, {"language": tag})
    return Saved(entry.id, entry.version)
