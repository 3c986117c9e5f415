"""What those who keep a partner's entry see of it besides the document: settings for nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import select

from directory.actors import Actor
from directory.database import Database
from directory.models import Partner
from directory.policy import EntryFacts, works_on_entry
from directory.vocabulary import DataProtectionLaw


class PartnerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How data may go to a partner, and mails.

    ``superior_contact``: whom to ask when it does not answer; ``correspondence_language`` is BCP 47.
    """

    data_protection_law: DataProtectionLaw
    professional_secrecy: bool
    school: bool
    superior_contact: str | None
    correspondence_language: str


async def partner_settings(
    database: Database, actor: Actor, ids: Sequence[UUID]
) -> list[PartnerSettings | None]:
    """Return the settings of these partners in this order; None where the actor does not keep the entry."""
    if not actor.signed_in:
        return [None for _ in ids]
    async with database.view(actor) as session:
        rows = await session.execute(
            select(
                Partner.id,
                Partner.municipality_id,
                Partner.state,
                Partner.data_protection_law,
                Partner.professional_secrecy,
                Partner.school,
                Partner.superior_contact,
                Partner.correspondence_language,
            ).where(Partner.id.in_(list(ids)))
        )
        found = {
            row.id: PartnerSettings(
                data_protection_law=row.data_protection_law,
                professional_secrecy=row.professional_secrecy,
                school=row.school,
                superior_contact=row.superior_contact,
                correspondence_language=row.correspondence_language,
            )
            for row in rows
            if works_on_entry(
                actor,
                EntryFacts(partner_id=row.id, municipality_id=row.municipality_id, state=row.state),
            )
        }
    return [found.get(id_) for id_ in ids]
