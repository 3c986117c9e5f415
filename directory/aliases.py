"""Ids of entries that were merged: each leads to the entry that answers for it now, in one step."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from directory.models import EntryAlias


async def survivors_of(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return for those of these ids that were merged the ids of what they were merged into."""
    if not ids:
        return {}
    found = await session.execute(
        select(EntryAlias.id, EntryAlias.survivor_id).where(EntryAlias.id.in_(list(ids)))
    )
    return {row.id: row.survivor_id for row in found}
