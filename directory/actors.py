"""Who acts: the plain value that every policy decides on."""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec


class Role(StrEnum):
    """What a member of an organisation may do at most; policies narrow it to objects.

    COORDINATOR and LEAD belong to a municipality's coordination; PARTNER_MEMBER to any partner;
    OTHER_MUNICIPALITY reads what is published; ANONYMOUS is everybody without a token.
    """

    COORDINATOR = "COORDINATOR"
    LEAD = "LEAD"
    PARTNER_MEMBER = "PARTNER_MEMBER"
    OTHER_MUNICIPALITY = "OTHER_MUNICIPALITY"
    ANONYMOUS = "ANONYMOUS"
    SYSTEM = "SYSTEM"


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts, for which organisation; ids are None for ANONYMOUS and SYSTEM (clock, import, jobs).

    ``administers``: may add and remove members of the own organisation. ``presents``: the one thing that an
    ANONYMOUS actor may act on, because of a one-time code; ``partner_id`` is then whom the code was made for.
    ``person``: the one whose code card an ANONYMOUS actor presents, to the organisation ``partner_id``.
    """

    role: Role
    member_id: UUID | None = None
    partner_id: UUID | None = None
    municipality_id: UUID | None = None
    administers: bool = False
    presents: UUID | None = None
    person: UUID | None = None

    @property
    def coordinates(self) -> bool:
        """Whether the actor belongs to a municipality's coordination."""
        return self.role in {Role.COORDINATOR, Role.LEAD}

    @property
    def signed_in(self) -> bool:
        """Whether a member stands behind the actor."""
        return self.member_id is not None


ANONYMOUS: Final = Actor(role=Role.ANONYMOUS)
SYSTEM: Final = Actor(role=Role.SYSTEM)
