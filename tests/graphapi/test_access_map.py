"""Every field of the schema has exactly one rule, and what is not listed is denied."""

from __future__ import annotations

from collections import Counter
from uuid import uuid4

import pytest
from graphql import GraphQLObjectType

from directory.actors import ANONYMOUS, Actor, Role
from directory.problems import NotAllowed, NotSignedIn
from graphapi.access_map import ACCESS, ENTRIES, Rule, door, first_refusal, flatten, require
from graphapi.schema import schema


def fields_of_the_schema() -> set[tuple[str, str]]:
    return {
        (type_.name, field)
        for type_ in schema._schema.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for field in type_.fields
    }


def test_every_field_has_a_rule() -> None:
    assert sorted(fields_of_the_schema() - ACCESS.keys()) == []


def test_no_rule_is_stale() -> None:
    assert sorted(ACCESS.keys() - fields_of_the_schema()) == []


def test_no_field_is_listed_twice() -> None:
    assert [key for key, times in Counter(key for key, _ in flatten(ENTRIES)).items() if times > 1] == []


def test_node_can_be_asked_for_any_type() -> None:
    """``node(id:) { id }`` may be any of them, so the door of their ids is open."""
    node = schema._schema.type_map["Node"]
    closed = [
        possible.name
        for possible in schema._schema.get_possible_types(node)  # type: ignore[arg-type]
        if ACCESS[possible.name, "id"] not in {Rule.PUBLIC, Rule.OWN}
    ]

    assert closed == []


def actor(role: Role, *, administers: bool = False) -> Actor:
    return Actor(
        role=role, member_id=uuid4(), partner_id=uuid4(), municipality_id=uuid4(), administers=administers
    )


LEAD, COORDINATOR, STAFF, READER = (
    actor(role) for role in (Role.LEAD, Role.COORDINATOR, Role.PARTNER_MEMBER, Role.OTHER_MUNICIPALITY)
)


@pytest.mark.parametrize(
    ("rule", "passes"),
    [
        (Rule.PUBLIC, {"anonymous", "lead", "coordinator", "staff", "reader"}),
        (Rule.OWN, {"anonymous", "lead", "coordinator", "staff", "reader"}),
        (Rule.SIGNED_IN, {"lead", "coordinator", "staff", "reader"}),
        (Rule.MEMBER, {"lead", "coordinator", "staff"}),
        (Rule.COORDINATION, {"lead", "coordinator"}),
        (Rule.LEAD, {"lead"}),
        (Rule.ADMINISTERS, set()),
    ],
)
def test_who_passes_which_door(rule: Rule, passes: set[str]) -> None:
    actors = {
        "anonymous": ANONYMOUS,
        "lead": LEAD,
        "coordinator": COORDINATOR,
        "staff": STAFF,
        "reader": READER,
    }

    assert {name for name, who in actors.items() if door(rule, who) is None} == passes


def test_who_administers_passes() -> None:
    assert door(Rule.ADMINISTERS, actor(Role.PARTNER_MEMBER, administers=True)) is None


def test_without_a_token_the_answer_is_to_sign_in() -> None:
    assert isinstance(door(Rule.LEAD, ANONYMOUS), NotSignedIn)


def test_an_unlisted_field_is_denied_to_everybody() -> None:
    refused = first_refusal({("Service", "title"), ("Service", "secretNewField")}, LEAD)

    assert isinstance(refused, NotAllowed)
    with pytest.raises(NotAllowed):
        require("Mutation", "dropEverything", LEAD)
