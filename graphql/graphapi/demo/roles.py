"""The roles of the demo network that one can try, each a member with a known id."""

from __future__ import annotations

from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from directory.actors import Role


class DemoRole(msgspec.Struct, frozen=True):
    """A role that one can try: the partner it belongs to (key in the network file) and what it may do."""

    name: str
    partner: str
    role: Role
    administers: bool
    says: str


ROLES: Final = (
    DemoRole("coordinator", "koordination", Role.COORDINATOR, False, "Koordination"),
    DemoRole("lead", "koordination", Role.LEAD, True, "Leitung der Koordination"),
    DemoRole("jobcenter", "jobcenter", Role.PARTNER_MEMBER, True, "Jobcenter, Fallmanagement"),
    DemoRole("course_provider", "sprachkurstraeger", Role.PARTNER_MEMBER, True, "Kursträger, Anmeldung"),
    DemoRole(
        "interpreters", "eritreisch-aethiopischer-verein", Role.PARTNER_MEMBER, True, "Verein, Vermittlung"
    ),
    DemoRole("other_municipality", "landkreis-barnim", Role.OTHER_MUNICIPALITY, False, "Landkreis Barnim"),
)
"""One member per role; their tokens are made at the first start."""


def member_of(role: DemoRole) -> UUID:
    """Return the id of a role's member, the same in every demo."""
    return uuid5(NAMESPACE_URL, f"spurwechsel-demo/member/{role.name}")
