"""Runs one mutation: door, input, unit of work, idempotency, commit, and the result read with its rights.

Every mutation of every room goes through ``run``; see the package's docstring for the pattern.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import msgspec
import strawberry

from directory.database import Work
from directory.problems import InvalidInput, NotFound, Problem
from graphapi.access_map import require
from graphapi.context import Info
from graphapi.relay import require_id
from graphapi.types.problems import (
    IdempotencyConflictProblem,
    InvalidInputProblem,
    NotAllowedProblem,
    NotFoundProblem,
    NotSignedInProblem,
    StaleVersionProblem,
    as_data,
)
from graphapi.types.texts import TextInput

S = TypeVar("S")

CreateProblems: TypeAlias = (
    InvalidInputProblem
    | NotFoundProblem
    | NotAllowedProblem
    | NotSignedInProblem
    | IdempotencyConflictProblem
)
"""What every mutation that makes something can answer instead."""
ChangeProblems: TypeAlias = CreateProblems | StaleVersionProblem
"""What every mutation that changes a versioned thing can answer instead."""


class Given:
    """The input of a mutation as plain values, by the names of the domain's structs.

    What the caller left out is absent, an explicit null is None: ``read`` with msgspec's UNSET tells them
    apart.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values: Final = values

    def read(
        self,
        struct: type[S],
        *,
        ids: Mapping[str, str] = MappingProxyType({}),
        without: frozenset[str] = frozenset(),
    ) -> S:
        """Return the input as a domain struct; raises InvalidInput with the field's path and a reason.

        ``ids``: fields that hold global ids (or lists of them), with the type they must be of. ``without``:
        names that are not of the struct, besides the idempotency key, the expected version and the id.
        """
        left_out = _NOT_OF_THE_THING | without
        values = {name: value for name, value in self.values.items() if name not in left_out}
        for name, type_name in ids.items():
            if isinstance(found := values.get(name), list):
                values[name] = [
                    require_id(one, type_name, f"{camel(name)}.{position}")
                    for position, one in enumerate(found)
                ]
            elif found is not None:
                values[name] = require_id(found, type_name, camel(name))
        return _converted(values, struct)

    def part(self, name: str, struct: type[S]) -> S:
        """Return one field of the input as a domain struct; the paths of its problems begin with its name."""
        return _converted(self.values[name], struct, camel(name))


def _converted(values: object, struct: type[S], under: str = "") -> S:
    try:
        return msgspec.convert(values, type=struct)
    except msgspec.ValidationError as error:
        raise refused(error, under) from None


_NOT_OF_THE_THING: Final = frozenset({"idempotency_key", "expected_version", "id"})


async def run(
    info: Info,
    input_: Any,
    act: Callable[[Work, Given], Awaitable[UUID]],
    *,
    read: Callable[[Info, UUID], Awaitable[object | None]],
) -> object:
    """Run one mutation; return what ``read`` gives, or the problem as data.

    ``act`` changes something and returns the id of what it made or changed; ``read`` gets that id after
    the commit (None means the actor may not see it: NotFound).
    """
    context = info.context
    operation = info.field_name
    try:
        require("Mutation", operation, context.actor)
        given = Given(plain(input_))
        key = input_.idempotency_key
        if not 8 <= len(key) <= 200:
            raise InvalidInput("idempotencyKey", "length", minimum="8", maximum="200")
        async with context.database.work(context.actor) as work:
            made = await work.once(operation, key, given.values)
            if made is None:
                made = await act(work, given)
                await work.made(operation, key, made)
        result = await read(info, made)
        if result is None:
            raise NotFound
        return result
    except Problem as problem:
        return as_data(problem, context.language)


def plain(value: Any) -> Any:
    """Return an input as plain values: what was left out is absent, lists of texts are maps by language."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list):
        return [plain(element) for element in value]
    if dataclasses.is_dataclass(value):
        found: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            content = getattr(value, field.name)
            if content is strawberry.UNSET:
                continue
            if isinstance(content, list) and "TextInput" in str(field.type):
                found[field.name] = _by_language(content, camel(field.name))
            else:
                found[field.name] = plain(content)
        return found
    return value


def _by_language(texts: list[TextInput], name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        if text.language in found:
            raise InvalidInput(f"{name}.{text.language[:20]}", "duplicate")
        found[text.language] = text.text
    return found


_PATH: Final = re.compile(r" - at `(?:key in )?\$(?P<path>.*)`$")
_BOUND: Final = re.compile(r"(?P<sign>[<>]=?) (?P<bound>-?[0-9.]+)")


def camel(name: str) -> str:
    """Return a name as callers write it.

    >>> camel("contact_points")
    'contactPoints'
    """
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def refused(error: msgspec.ValidationError, under: str = "") -> InvalidInput:
    """Return what a struct refused as a problem: the field's path, a reason, and the bound if there is one.

    ``under``: where the struct stands in the input. The struct's own text is not shown: it may repeat the
    value, and it is English only.
    """
    said = str(error)
    found = _PATH.search(said)
    path = found["path"].strip(".") if found else ""
    path = re.sub(r"\[([0-9]+)\]", r".\1", path.replace("[...]", ""))
    field = (
        ".".join([*([under] if under else []), *(camel(part) for part in path.split(".") if part)]) or "input"
    )
    missing = re.search(r"missing required field `(?P<name>\w+)`", said)
    if missing:
        name = camel(missing["name"])
        return InvalidInput(name if field == "input" else f"{field}.{name}", "required")
    if "unknown field" in said:
        return InvalidInput(field, "unknown-field")
    if "Invalid enum value" in said:
        return InvalidInput(field, "unknown-value")
    if "matching regex" in said or "Invalid " in said:
        return InvalidInput(field, "format")
    bound = _BOUND.search(said)
    if bound:
        of_length = "of length" in said
        if bound["sign"].startswith("<"):
            return InvalidInput(field, "too-long" if of_length else "too-large", maximum=bound["bound"])
        return InvalidInput(field, "too-short" if of_length else "too-small", minimum=bound["bound"])
    if "got `null`" in said:
        return InvalidInput(field, "required")
    return InvalidInput(field, "wrong-type")
