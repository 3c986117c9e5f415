"""Who may do what in the directory: one table over actor, object and action."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from directory.actors import ANONYMOUS, SYSTEM, Actor, Role
from directory.policy import (
    EntryFacts,
    MemberFacts,
    OrganisationFacts,
    Rule,
    require_administer,
    require_administer_member,
    require_change_partner,
    require_change_service,
    require_create_partner,
    require_grant,
    require_keep_tokens,
    require_see_members,
    sees_entry,
    works_on_entry,
)
from directory.problems import NotAllowed, NotFound, NotSignedIn, Problem
from directory.vocabulary import PartnerKind, PublicationState

HERE, THERE = UUID(int=1), UUID(int=2)
COORDINATION, OWN, OTHER, TWIN_TOWN, ABROAD = (UUID(int=n) for n in range(11, 16))


def actor(role: Role, partner_id: UUID, municipality_id: UUID = HERE, *, administers: bool = False) -> Actor:
    return Actor(
        role=role,
        member_id=UUID(int=99),
        partner_id=partner_id,
        municipality_id=municipality_id,
        administers=administers,
    )


ACTORS = {
    "anonymous": ANONYMOUS,
    "system": SYSTEM,
    "lead": actor(Role.LEAD, COORDINATION),
    "coordinator": actor(Role.COORDINATOR, COORDINATION),
    "administering coordinator": actor(Role.COORDINATOR, COORDINATION, administers=True),
    "member": actor(Role.PARTNER_MEMBER, OWN),
    "administering member": actor(Role.PARTNER_MEMBER, OWN, administers=True),
    "colleague": actor(Role.PARTNER_MEMBER, OTHER),
    "other municipality": actor(Role.OTHER_MUNICIPALITY, TWIN_TOWN),
    "administering other municipality": actor(Role.OTHER_MUNICIPALITY, TWIN_TOWN, administers=True),
    "foreign lead": actor(Role.LEAD, ABROAD, THERE),
}

STAFF = {"member", "administering member"}
COORDINATORS = {"lead", "coordinator", "administering coordinator"}
UNSEEN, SIGN_IN, DONE = "not found", "not signed in", "done"


def outcome(act: Callable[[], None]) -> str:
    """Return what came of it: done, not found, not signed in, or the rule that forbids it."""
    try:
        act()
    except NotFound:
        return UNSEEN
    except NotSignedIn:
        return SIGN_IN
    except NotAllowed as refused:
        return refused.rule
    return DONE


def entry(state: PublicationState) -> EntryFacts:
    return EntryFacts(partner_id=OWN, municipality_id=HERE, state=state)


@pytest.mark.parametrize("state", PublicationState)
@pytest.mark.parametrize("who", ACTORS)
def test_reading_an_entry(who: str, state: PublicationState) -> None:
    """Published entries are everybody's to read; drafts and hidden ones are for who works on them."""
    works_on_it = who in STAFF | COORDINATORS | {"system"}

    assert works_on_entry(ACTORS[who], entry(state)) is works_on_it
    assert sees_entry(ACTORS[who], entry(state)) is (works_on_it or state is PublicationState.PUBLISHED)


@pytest.mark.parametrize("state", PublicationState)
@pytest.mark.parametrize("who", ACTORS)
def test_changing_an_entry(who: str, state: PublicationState) -> None:
    """Who works on an entry changes it; others are told so only of what they see."""
    if who == "anonymous":
        expected = SIGN_IN
    elif who in STAFF | COORDINATORS | {"system"}:
        expected = DONE
    elif state is PublicationState.PUBLISHED:
        expected = Rule.OWN_ENTRY_ONLY
    else:
        expected = UNSEEN

    assert outcome(lambda: require_change_service(ACTORS[who], entry(state))) == expected
    assert outcome(lambda: require_change_partner(ACTORS[who], entry(state), {"name"})) == expected


@pytest.mark.parametrize("field", ["kind", "active", "municipalityId", "coordinates"])
@pytest.mark.parametrize("who", ["system", *sorted(STAFF | COORDINATORS)])
def test_fields_of_a_partner_that_are_not_its_own_to_change(who: str, field: str) -> None:
    """Kind and activity belong to the coordination; who coordinates a municipality only the system sets."""
    allowed = who == "system" or (who in COORDINATORS and field in {"kind", "active"})

    found = outcome(
        lambda: require_change_partner(ACTORS[who], entry(PublicationState.DRAFT), {"name", field})
    )

    assert found == (DONE if allowed else Rule.FIELDS_OF_THE_COORDINATION)


def test_a_member_of_another_municipality_does_not_change_its_own_entry() -> None:
    """They read what is published, their own entry too; the coordination keeps it."""
    own = EntryFacts(partner_id=TWIN_TOWN, municipality_id=HERE, state=PublicationState.PUBLISHED)
    draft = EntryFacts(partner_id=TWIN_TOWN, municipality_id=HERE, state=PublicationState.DRAFT)
    reader = ACTORS["other municipality"]

    assert outcome(lambda: require_change_partner(reader, own)) == Rule.OWN_ENTRY_ONLY
    assert not sees_entry(reader, draft)


@pytest.mark.parametrize("who", ACTORS)
def test_creating_a_partner(who: str) -> None:
    """Only the coordination of the municipality adds partners to its directory."""
    expected = DONE if who in COORDINATORS | {"system"} else Rule.COORDINATION_ONLY
    if who == "anonymous":
        expected = SIGN_IN

    assert outcome(lambda: require_create_partner(ACTORS[who], HERE)) == expected


PARTNER = OrganisationFacts(partner_id=OWN, municipality_id=HERE, kind=PartnerKind.FREE_PROVIDER)
DRAFTED = OrganisationFacts(
    partner_id=OWN,
    municipality_id=HERE,
    kind=PartnerKind.FREE_PROVIDER,
    state=PublicationState.DRAFT,
)
COORDINATING = OrganisationFacts(
    partner_id=COORDINATION,
    municipality_id=HERE,
    kind=PartnerKind.MUNICIPAL_PROJECT,
    coordinates=True,
)
TOWN = OrganisationFacts(partner_id=TWIN_TOWN, municipality_id=HERE, kind=PartnerKind.MUNICIPALITY)


@pytest.mark.parametrize(
    ("who", "see", "administer"),
    [
        ("anonymous", SIGN_IN, SIGN_IN),
        ("system", DONE, DONE),
        ("lead", DONE, DONE),
        ("coordinator", Rule.OWN_ORGANISATION_ONLY, Rule.OWN_ORGANISATION_ONLY),
        ("administering coordinator", Rule.OWN_ORGANISATION_ONLY, Rule.OWN_ORGANISATION_ONLY),
        ("member", DONE, Rule.WHO_ADMINISTERS),
        ("administering member", DONE, DONE),
        ("colleague", Rule.OWN_ORGANISATION_ONLY, Rule.OWN_ORGANISATION_ONLY),
        ("other municipality", Rule.OWN_ORGANISATION_ONLY, Rule.OWN_ORGANISATION_ONLY),
        ("foreign lead", Rule.OWN_ORGANISATION_ONLY, Rule.OWN_ORGANISATION_ONLY),
    ],
)
def test_members_of_a_partner(who: str, see: str, administer: str) -> None:
    """Colleagues see each other, who administers keeps them, the lead keeps those of the municipality."""
    assert outcome(lambda: require_see_members(ACTORS[who], PARTNER)) == see
    assert outcome(lambda: require_administer(ACTORS[who], PARTNER)) == administer


@pytest.mark.parametrize("who", ["colleague", "other municipality", "foreign lead"])
def test_an_organisation_that_is_not_seen_has_no_members_either(who: str) -> None:
    """A draft's existence is not told by its members."""
    assert outcome(lambda: require_see_members(ACTORS[who], DRAFTED)) == UNSEEN
    assert outcome(lambda: require_administer(ACTORS[who], DRAFTED)) == UNSEEN


@pytest.mark.parametrize(
    ("who", "organisation", "role", "expected"),
    [
        ("administering member", PARTNER, Role.PARTNER_MEMBER, DONE),
        ("administering member", PARTNER, Role.COORDINATOR, Rule.ROLE_OF_COORDINATION),
        ("administering member", PARTNER, Role.LEAD, Rule.ROLE_OF_COORDINATION),
        ("administering member", PARTNER, Role.OTHER_MUNICIPALITY, Rule.ROLE_OF_MUNICIPALITY),
        ("administering member", PARTNER, Role.SYSTEM, Rule.ROLE_UNKNOWN),
        ("administering member", PARTNER, Role.ANONYMOUS, Rule.ROLE_UNKNOWN),
        ("member", PARTNER, Role.PARTNER_MEMBER, Rule.WHO_ADMINISTERS),
        ("lead", PARTNER, Role.PARTNER_MEMBER, DONE),
        ("lead", PARTNER, Role.LEAD, Rule.ROLE_OF_COORDINATION),
        ("lead", COORDINATING, Role.LEAD, DONE),
        ("lead", COORDINATING, Role.COORDINATOR, DONE),
        ("system", COORDINATING, Role.LEAD, DONE),
        ("system", PARTNER, Role.LEAD, Rule.ROLE_OF_COORDINATION),
        ("administering coordinator", COORDINATING, Role.LEAD, Rule.LEAD_GRANTS),
        ("administering coordinator", COORDINATING, Role.COORDINATOR, Rule.LEAD_GRANTS),
        ("administering coordinator", COORDINATING, Role.PARTNER_MEMBER, DONE),
        ("coordinator", COORDINATING, Role.PARTNER_MEMBER, Rule.WHO_ADMINISTERS),
        ("lead", TOWN, Role.OTHER_MUNICIPALITY, DONE),
        ("administering other municipality", TOWN, Role.OTHER_MUNICIPALITY, DONE),
        ("administering other municipality", TOWN, Role.PARTNER_MEMBER, Rule.OWN_ROLE),
        ("foreign lead", COORDINATING, Role.LEAD, Rule.OWN_ORGANISATION_ONLY),
        ("anonymous", PARTNER, Role.PARTNER_MEMBER, SIGN_IN),
    ],
)
def test_granting_a_role(who: str, organisation: OrganisationFacts, role: Role, expected: str) -> None:
    """Roles that coordinate exist in the coordination only, and only its lead grants them."""
    assert outcome(lambda: require_grant(ACTORS[who], organisation, role)) == expected


@pytest.mark.parametrize(
    ("who", "role", "expected"),
    [
        ("lead", Role.LEAD, DONE),
        ("system", Role.LEAD, DONE),
        ("administering coordinator", Role.LEAD, Rule.LEAD_GRANTS),
        ("administering coordinator", Role.COORDINATOR, Rule.LEAD_GRANTS),
        ("administering coordinator", Role.PARTNER_MEMBER, DONE),
        ("coordinator", Role.PARTNER_MEMBER, Rule.WHO_ADMINISTERS),
    ],
)
def test_who_coordinates_is_administered_by_a_lead_only(who: str, role: Role, expected: str) -> None:
    """A token for a lead is the lead's role: nobody below makes one."""
    member = MemberFacts(id=UUID(int=7), role=role, organisation=COORDINATING)

    assert outcome(lambda: require_administer_member(ACTORS[who], member)) == expected


def test_a_member_keeps_the_own_tokens_but_makes_none() -> None:
    """Making one would prolong the own access without anybody's decision."""
    me = MemberFacts(id=UUID(int=99), role=Role.PARTNER_MEMBER, organisation=PARTNER)

    assert outcome(lambda: require_keep_tokens(ACTORS["member"], me)) == DONE
    assert outcome(lambda: require_administer_member(ACTORS["member"], me)) == Rule.WHO_ADMINISTERS


def test_every_refusal_is_a_problem() -> None:
    """What is refused is data for the caller, never a crash."""
    for who in ACTORS.values():
        for organisation in (PARTNER, DRAFTED, COORDINATING, TOWN):
            for role in Role:
                try:
                    require_grant(who, organisation, role)
                except Problem:
                    continue
