"""What a municipality says of its directory as a whole: the licence under which its own entries stand."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from sqlalchemy import select, update

from directory import checking as check
from directory.contacts import url as web_address
from directory.database import Work
from directory.models import Municipality, Partner
from directory.policy import require_set_licence
from directory.problems import NotFound

REWRITE: Final = "rewrite_municipality"
"""The job that rewrites the documents of a municipality's entries, which show it."""

AT_ONCE: Final = 50
"""How many partners, with their services, are rewritten in one transaction."""

_SPDX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{1,63}")


def checked_licence(given: str | None) -> str | None:
    """Return a licence: an SPDX identifier (``CC-BY-4.0``) or a web address; raises InvalidInput.

    >>> checked_licence(" CC-BY-4.0 "), checked_licence(" ")
    ('CC-BY-4.0', None)
    """
    said = check.optional_text(given, "licence")
    if said is None or _SPDX.fullmatch(said):
        return said
    return web_address(said, "licence")


async def set_licence(work: Work, licence: str | None) -> UUID:
    """Say under which licence the entries that are kept in the actor's municipality may be used on.

    For its lead. Imported entries keep their source's. Everybody reads it with the next documents: a job
    rewrites them. None: nobody has said. Raises NotSignedIn, NotAllowed, InvalidInput.
    """
    municipality_id = require_set_licence(work.actor)
    licence = checked_licence(licence)
    before = await work.session.scalar(
        select(Municipality).where(Municipality.id == municipality_id).with_for_update()
    )
    if before is None:
        raise NotFound
    if before.licence == licence:
        return municipality_id
    before.licence = licence
    work.record("municipality.set_licence", "municipality", municipality_id, {"licence": licence or ""})
    work.later(REWRITE, [municipality_id, None])
    return municipality_id


async def rewrite_entries(work: Work, municipality_id: UUID, after: UUID | None) -> UUID | None:
    """Rewrite the next partners of a municipality with their services; return where to go on, None: done."""
    some = select(Partner.id).where(Partner.municipality_id == municipality_id, Partner.ended_at.is_(None))
    if after is not None:
        some = some.where(Partner.id > after)
    raised = await work.session.scalars(
        update(Partner)
        .where(Partner.id.in_(some.order_by(Partner.id).limit(AT_ONCE).with_for_update()))
        .values(version=Partner.version + 1, updated_at=work.now)
        .returning(Partner.id)
        .execution_options(synchronize_session=False)
    )
    ids = sorted(raised)
    for partner_id in ids:
        work.touch_partner(partner_id)
    return ids[-1] if len(ids) == AT_ONCE else None
