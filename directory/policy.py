"""Who may do what with partners, services, members and tokens. Pure: an actor, the facts, a verdict.

An object that the actor may not see is NotFound; one that is seen but not theirs to change is NotAllowed
with the rule that says so (``Rule``). Rules of DESIGN section 1: partner staff keep their own entry right,
the coordination of a municipality keeps the directory of its municipality, everybody else reads what is
published.
"""

from __future__ import annotations

from collections.abc import Set
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from directory.actors import Actor, Role
from directory.problems import NotAllowed, NotFound, NotSignedIn
from directory.vocabulary import PartnerKind, PublicationState


class Rule(StrEnum):
    """Why something is not allowed; each has a sentence for people in ``graphapi.messages``."""

    COORDINATION_ONLY = "coordination-of-the-municipality-only"
    OWN_ENTRY_ONLY = "own-entry-only"
    FIELDS_OF_THE_COORDINATION = "fields-of-the-coordination"
    OWN_ORGANISATION_ONLY = "members-of-own-organisation-only"
    WHO_ADMINISTERS = "who-administers-only"
    LEAD_GRANTS = "lead-grants-coordination-roles"
    ROLE_OF_COORDINATION = "coordination-roles-in-the-coordination-only"
    ROLE_OF_MUNICIPALITY = "role-for-other-municipalities-only"
    ROLE_UNKNOWN = "no-role-of-members"
    OWN_ROLE = "own-role-unchanged"
    LAST_LEAD = "last-lead-stays"
    OWN_TOKENS = "organisation-makes-its-own-tokens"
    LEAD_MERGES_STAFFED = "lead-merges-partners-with-members"
    LEAD_ONLY = "lead-only"
    ORGANISATION_ENDED = "organisation-merged-or-deleted"


OF_THE_COORDINATION: Final = frozenset({"kind", "municipalityId", "coordinates", "active"})
"""Fields of a partner that only the coordination changes."""

COORDINATING: Final = frozenset({Role.COORDINATOR, Role.LEAD})
MEMBER_ROLES: Final = frozenset({*COORDINATING, Role.PARTNER_MEMBER, Role.OTHER_MUNICIPALITY})


class EntryFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What decides about an entry: whose it is, where it stands, and the state that readers go by."""

    partner_id: UUID
    municipality_id: UUID
    state: PublicationState


class OrganisationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What decides about the members of an organisation."""

    partner_id: UUID
    municipality_id: UUID
    kind: PartnerKind
    coordinates: bool = False
    state: PublicationState = PublicationState.PUBLISHED


class MemberFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What decides about one member."""

    id: UUID
    role: Role
    organisation: OrganisationFacts


def is_system(actor: Actor) -> bool:
    """Whether this is the import, the clock or the command line: they may all."""
    return actor.role is Role.SYSTEM


def coordinates_there(actor: Actor, municipality_id: UUID) -> bool:
    """Whether the actor belongs to the coordination of this municipality."""
    return actor.coordinates and actor.municipality_id == municipality_id


def leads_there(actor: Actor, municipality_id: UUID) -> bool:
    """Whether the actor leads the coordination of this municipality."""
    return actor.role is Role.LEAD and actor.municipality_id == municipality_id


def _is_staff_of(actor: Actor, partner_id: UUID) -> bool:
    """Whether the actor keeps this partner's entry; other municipalities only read, their own entry too."""
    return actor.role in {Role.PARTNER_MEMBER, *COORDINATING} and actor.partner_id == partner_id


def works_on_entry(actor: Actor, entry: EntryFacts) -> bool:
    """Whether the entry is the actor's to keep: drafts, hidden entries and internal notes are for them."""
    return (
        is_system(actor)
        or _is_staff_of(actor, entry.partner_id)
        or coordinates_there(actor, entry.municipality_id)
    )


def sees_entry(actor: Actor, entry: EntryFacts) -> bool:
    """Whether the actor may read the entry: what is published everybody, the rest who works on it."""
    return entry.state is PublicationState.PUBLISHED or works_on_entry(actor, entry)


def _require_signed_in(actor: Actor) -> None:
    if not (actor.signed_in or is_system(actor)):
        raise NotSignedIn


def _require_own(actor: Actor, entry: EntryFacts) -> None:
    _require_signed_in(actor)
    if not sees_entry(actor, entry):
        raise NotFound
    if not works_on_entry(actor, entry):
        raise NotAllowed(Rule.OWN_ENTRY_ONLY)


def require_create_partner(actor: Actor, municipality_id: UUID) -> None:
    """Only the coordination of the municipality adds partners to its directory."""
    _require_signed_in(actor)
    if not (is_system(actor) or coordinates_there(actor, municipality_id)):
        raise NotAllowed(Rule.COORDINATION_ONLY)


def require_set_licence(actor: Actor) -> UUID:
    """Only a municipality's lead says under which licence its entries may be used on; return which it is."""
    _require_signed_in(actor)
    if actor.municipality_id is None or not leads_there(actor, actor.municipality_id):
        raise NotAllowed(Rule.LEAD_ONLY)
    return actor.municipality_id


def require_change_partner(actor: Actor, entry: EntryFacts, fields: Set[str] = frozenset()) -> None:
    """Staff and coordination change an entry; ``fields`` of the coordination only the latter.

    Also asked before a partner is published, hidden, assured, or its locations are changed. Which
    organisation coordinates a municipality, and in which municipality an entry stands, only the system
    changes: it decides who may do what.
    """
    _require_own(actor, entry)
    if is_system(actor):
        return
    if fields & {"coordinates", "municipalityId"} or (
        fields & OF_THE_COORDINATION and not coordinates_there(actor, entry.municipality_id)
    ):
        raise NotAllowed(Rule.FIELDS_OF_THE_COORDINATION)


def holds_link(actor: Actor, partner_id: UUID) -> bool:
    """Whether the actor presents the link with which this partner keeps its entries fresh."""
    return actor.role is Role.ANONYMOUS and actor.presents == actor.partner_id == partner_id


def require_assure(actor: Actor, entry: EntryFacts, *, stale: bool) -> None:
    """Decide who says that an entry is right, or how much room there is: who keeps it, or holds its link.

    The link is for what everybody sees, and for what was hidden for being ``stale``: nothing else.
    """
    if holds_link(actor, entry.partner_id):
        if entry.state is not PublicationState.PUBLISHED and not stale:
            raise NotFound
        return
    _require_own(actor, entry)


def require_change_service(actor: Actor, entry: EntryFacts) -> None:
    """Staff and coordination create, change, publish, hide and assure the services of a partner."""
    _require_own(actor, entry)


def _own_organisation(actor: Actor, organisation: OrganisationFacts) -> bool:
    return (
        is_system(actor)
        or (actor.signed_in and actor.partner_id == organisation.partner_id)
        or leads_there(actor, organisation.municipality_id)
    )


def require_see_history(actor: Actor, entry: EntryFacts) -> None:
    """Let who keeps the entry read its history, notes included; others see what is published."""
    _require_own(actor, entry)


def require_end_entry(actor: Actor, entry: EntryFacts) -> None:
    """Let only the coordination of the municipality merge and delete entries, and take that back."""
    _require_own(actor, entry)
    if not (is_system(actor) or coordinates_there(actor, entry.municipality_id)):
        raise NotAllowed(Rule.COORDINATION_ONLY)


def require_end_staffed_partner(actor: Actor, entry: EntryFacts) -> None:
    """Let only a lead merge a partner that has members, asserting that both are the same legal body."""
    require_end_entry(actor, entry)
    if not (is_system(actor) or leads_there(actor, entry.municipality_id)):
        raise NotAllowed(Rule.LEAD_MERGES_STAFFED)


def _require_organisation(actor: Actor, organisation: OrganisationFacts) -> None:
    _require_signed_in(actor)
    if _own_organisation(actor, organisation):
        return
    visible = sees_entry(
        actor,
        EntryFacts(
            partner_id=organisation.partner_id,
            municipality_id=organisation.municipality_id,
            state=organisation.state,
        ),
    )
    if not visible:
        raise NotFound
    raise NotAllowed(Rule.OWN_ORGANISATION_ONLY)


def require_see_members(actor: Actor, organisation: OrganisationFacts) -> None:
    """Members see their colleagues; the lead sees the members of the municipality's partners."""
    _require_organisation(actor, organisation)


def require_administer(actor: Actor, organisation: OrganisationFacts) -> None:
    """Who administers keeps the members of the own organisation, the lead those of the municipality."""
    _require_organisation(actor, organisation)
    if not (is_system(actor) or actor.administers or leads_there(actor, organisation.municipality_id)):
        raise NotAllowed(Rule.WHO_ADMINISTERS)


def require_grant(actor: Actor, organisation: OrganisationFacts, role: Role) -> None:
    """Decide whether a member of this organisation may be given this role by this actor.

    COORDINATOR and LEAD exist in the municipality's coordination only, and only its lead grants them;
    OTHER_MUNICIPALITY exists in partners of the kind MUNICIPALITY only.
    """
    require_administer(actor, organisation)
    if role not in MEMBER_ROLES:
        raise NotAllowed(Rule.ROLE_UNKNOWN)
    if role in COORDINATING and not organisation.coordinates:
        raise NotAllowed(Rule.ROLE_OF_COORDINATION)
    if role is Role.OTHER_MUNICIPALITY and organisation.kind is not PartnerKind.MUNICIPALITY:
        raise NotAllowed(Rule.ROLE_OF_MUNICIPALITY)
    leads = is_system(actor) or leads_there(actor, organisation.municipality_id)
    if role in COORDINATING and not leads:
        raise NotAllowed(Rule.LEAD_GRANTS)
    # a reader who administers does not make writers, themselves least of all
    if not leads and actor.role is Role.OTHER_MUNICIPALITY and role is not Role.OTHER_MUNICIPALITY:
        raise NotAllowed(Rule.OWN_ROLE)


def require_administer_member(actor: Actor, member: MemberFacts) -> None:
    """Decide whether the actor may change, remove or give a token to this member.

    Somebody who coordinates is administered by a lead only: a token for them is their role. Members are not
    published: for outsiders they do not exist.
    """
    _require_signed_in(actor)
    if not _own_organisation(actor, member.organisation):
        raise NotFound
    require_administer(actor, member.organisation)
    leads = is_system(actor) or leads_there(actor, member.organisation.municipality_id)
    if member.role in COORDINATING and not leads:
        raise NotAllowed(Rule.LEAD_GRANTS)


def require_make_token(actor: Actor, member: MemberFacts, *, administered: bool) -> None:
    """Decide whether the actor may give this member a token.

    ``administered``: somebody who administers the organisation holds a valid token. Then the lead of the
    municipality makes none there: with it they could act as that office, which is another controller. The
    first token of an organisation is the lead's to give, and one to an office that has lost all of its own.
    """
    require_administer_member(actor, member)
    if administered and not is_system(actor) and actor.partner_id != member.organisation.partner_id:
        raise NotAllowed(Rule.OWN_TOKENS)


def require_keep_tokens(actor: Actor, member: MemberFacts) -> None:
    """Decide whether the actor may list and revoke a member's tokens: the own ones, or who administers."""
    if actor.signed_in and actor.member_id == member.id:
        return
    require_administer_member(actor, member)
