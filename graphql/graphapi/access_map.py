"""Who may touch which field of the schema: one rule for every (type, field); what is not listed is denied.

A rule is the *door*: it decides by the actor alone, before anything is read. What depends on the object
(is it mine, is it published) is decided behind the door by each room's ``policy.py`` and the sources. A test
introspects the schema and fails on a field that is missing here, stale, or listed twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from directory.actors import Actor, Role
from directory.problems import NotAllowed, NotSignedIn, Problem
from graphql import ExecutionResult, GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.utils.await_maybe import AsyncIteratorOrIterator


class Rule(StrEnum):
    """What the door asks of the actor.

    OWN lets everybody through: the value is null except for whom the room's policy shows it.
    """

    PUBLIC = "PUBLIC"
    OWN = "OWN"
    SIGNED_IN = "SIGNED_IN"
    MEMBER = "MEMBER"
    COORDINATION = "COORDINATION"
    LEAD = "LEAD"
    ADMINISTERS = "ADMINISTERS"


class Entry(NamedTuple):
    """One rule for some fields of one type, separated by blanks."""

    rule: Rule
    type_name: str
    fields: str


ENTRIES: Final[tuple[Entry, ...]] = ()


def flatten(entries: Iterable[Entry]) -> list[tuple[tuple[str, str], Rule]]:
    """Return one ((type, field), rule) per field, doubles included."""
    return [
        ((entry.type_name, field), entry.rule) for entry in entries for field in entry.fields.split()
    ]


ACCESS: Final[dict[tuple[str, str], Rule]] = dict(flatten(ENTRIES))


def door(rule: Rule, actor: Actor) -> Problem | None:
    """Return why the actor may not pass, or None."""
    if rule in {Rule.PUBLIC, Rule.OWN}:
        return None
    if not actor.signed_in:
        return NotSignedIn()
    passes = {
        Rule.SIGNED_IN: True,
        Rule.MEMBER: actor.coordinates or actor.role is Role.PARTNER_MEMBER,
        Rule.COORDINATION: actor.coordinates,
        Rule.LEAD: actor.role is Role.LEAD,
        Rule.ADMINISTERS: actor.administers,
    }[rule]
    return None if passes else NotAllowed(rule.value.lower().replace("_", "-"))


def require(type_name: str, field: str, actor: Actor) -> None:
    """Raise NotSignedIn or NotAllowed unless the actor may touch the field; unlisted fields are denied."""
    rule = ACCESS.get((type_name, field))
    refused = NotAllowed("not-listed") if rule is None else door(rule, actor)
    if refused is not None:
        raise refused


def first_refusal(fields: Iterable[tuple[str, str]], actor: Actor) -> Problem | None:
    """Return the refusal of an operation that touches these fields, or None.

    Mutations are not looked at here: each answers its refusal as data (``mutations.running``). An unlisted
    field is refused even to those who have every right.
    """
    refusals: list[Problem] = []
    for type_name, field in fields:
        rule = ACCESS.get((type_name, field))
        if rule is None:
            return NotAllowed("not-listed")
        if type_name != "Mutation" and (refused := door(rule, actor)) is not None:
            refusals.append(refused)
    # to sign in comes first: what is missing after that is only known then
    return next((r for r in refusals if isinstance(r, NotSignedIn)), next(iter(refusals), None))


class Doors(SchemaExtension):
    """Refuses, before anything runs, an operation with a field that is closed to the actor."""

    def on_execute(self) -> AsyncIteratorOrIterator[None]:
        """Stand at the door."""
        from graphapi.messages import message_for

        context = self.execution_context.context
        operation = context.operation
        if operation is None:
            raise RuntimeError("The operation was not judged: graphapi.endpoint does that first.")
        refused = first_refusal(operation.fields, context.actor)
        if refused is not None:
            extensions: dict[str, str] = {"code": refused.code}
            if isinstance(refused, NotAllowed):
                extensions["rule"] = refused.rule
            error = GraphQLError(message_for(refused, context.language), extensions=extensions)
            self.execution_context.result = ExecutionResult(data=None, errors=[error])
        yield
