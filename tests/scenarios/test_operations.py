"""The documents that we hand out are valid, say whose task they are, and together use all of the API."""

from __future__ import annotations

import re
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    parse,
    print_ast,
    validate,
)

from graphapi.schema import schema
from tests.scenarios.operations import document, names

SCHEMA: GraphQLSchema = schema._schema


def operation(name: str) -> OperationDefinitionNode:
    """Return the one operation of a document."""
    (found,) = [one for one in parse(document(name)).definitions if isinstance(one, OperationDefinitionNode)]
    return found


def roots(name: str) -> list[str]:
    return [one.name.value for one in operation(name).selection_set.selections if isinstance(one, FieldNode)]


@pytest.mark.parametrize("name", names())
def test_is_valid_and_has_its_own_name(name: str) -> None:
    assert validate(SCHEMA, parse(document(name))) == []
    named = operation(name).name
    assert named is not None
    assert named.value == "".join(word.capitalize() for word in name.split("-"))


@pytest.mark.parametrize("name", names())
def test_says_whose_task_it_is(name: str) -> None:
    first = document(name).splitlines()[0]

    assert re.fullmatch(r"# [A-Z][^:]+: [a-z].*\.", first)
    assert len(first) <= 140


@pytest.mark.parametrize("name", [name for name in names() if "\nmutation " in document(name)])
def test_what_changes_something_shows_every_problem(name: str) -> None:
    (field,) = operation(name).selection_set.selections
    assert isinstance(field, FieldNode)
    assert field.selection_set is not None
    asked = {print_ast(part) for part in field.selection_set.selections}

    assert "__typename" in asked
    assert any(part.startswith("...") and part.endswith("ProblemDetails") for part in asked)
    payloads = [part for part in field.selection_set.selections if isinstance(part, InlineFragmentNode)]
    assert payloads


@pytest.mark.parametrize("kind", ["query_type", "mutation_type"])
def test_every_field_of_the_api_has_a_document(kind: str) -> None:
    fields: dict[str, GraphQLField] = getattr(SCHEMA, kind).fields
    used: set[Any] = {root for name in names() for root in roots(name)}

    assert set(fields) - used == set()
