"""The published contract is up to date, and says what every field is."""

from __future__ import annotations

from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
)

from graphapi.endpoint import Schema
from graphapi.schema import print_schema, schema

PUBLISHED = Path(__file__).parents[2] / "graphql" / "schema.graphql"


def test_the_published_contract_is_up_to_date() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == print_schema(), (
        "The schema has changed: look at what, then run `spurwechsel schema > graphql/schema.graphql`."
    )


def test_the_schema_logs_nothing_by_itself() -> None:
    """Strawberry's own would log the message of every exception, and with it what somebody typed."""
    assert isinstance(schema, Schema)


def test_every_type_and_field_is_described() -> None:
    missing = []
    for name, type_ in schema._schema.type_map.items():
        if name.startswith("__"):
            continue
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            missing += [f"{name}.{field}" for field, one in type_.fields.items() if not one.description]
            missing += [name] if not type_.description else []
        if isinstance(type_, GraphQLEnumType) and not type_.description:
            missing.append(name)

    assert missing == []


def test_every_mutation_takes_one_input_and_answers_with_problems_as_data() -> None:
    mutation = schema._schema.mutation_type
    assert mutation is not None
    for name, field in mutation.fields.items():
        assert list(field.args) == ["input"], name
        answer = getattr(field.type, "of_type", field.type)
        assert isinstance(answer, GraphQLUnionType), name
        problems = [one for one in answer.types if any(i.name == "Problem" for i in one.interfaces)]
        assert len(problems) >= 2, name
        assert 1 <= len(answer.types) - len(problems) <= 2, name  # 2: done, or another lead must confirm


def test_every_list_of_things_that_grow_is_a_page() -> None:
    """A plain list holds what belongs to one document or a closed vocabulary; the others have ``first``."""
    connections = [name for name in schema._schema.type_map if name.endswith("Connection")]

    assert connections
    for type_ in schema._schema.type_map.values():
        if not isinstance(type_, GraphQLObjectType):
            continue
        for name, field in type_.fields.items():
            answer = getattr(field.type, "of_type", field.type)
            if getattr(answer, "name", None) in connections:
                assert "first" in field.args, f"{type_.name}.{name}"
