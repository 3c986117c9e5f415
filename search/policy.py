"""Who may find what: search knows the published directory only, for everybody alike."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from directory.actors import Actor, Role
from directory.documents import ServiceDocument
from directory.policy import Rule
from directory.problems import NotAllowed, NotSignedIn
from directory.vocabulary import PublicationState

SEARCHERS: Final = frozenset(Role)
"""Who may search: everybody, also without a token."""


def may_search(actor: Actor) -> bool:
    """Whether the actor may search."""
    return actor.role in SEARCHERS


def may_be_found(service: ServiceDocument) -> bool:
    """Whether a service may be in an index at all.

    Drafts and hidden services are in none, so that neither hits nor counts, facets, highlights or suggestions
    can tell of them: not even to their own partner, who has lists for that. Whether its partner is published
    the database decides (role reader); this is the second lock on the same door.
    """
    return service.state is PublicationState.PUBLISHED


def must_plan(actor: Actor) -> None:
    """Let pass who plans for a municipality: its coordination. Raises NotSignedIn, NotAllowed."""
    if not actor.signed_in:
        raise NotSignedIn
    if not actor.coordinates:
        raise NotAllowed(Rule.COORDINATION_ONLY)


def must_be_member(actor: Actor) -> UUID:
    """Return the member who acts: searches are saved by people who are signed in. Raises NotSignedIn."""
    if actor.member_id is None:
        raise NotSignedIn
    return actor.member_id
