"""What callers give, as plain values and then as the domain's structs; what does not fit is InvalidInput.

Pure; knows Strawberry's input classes only as dataclasses whose left out fields are UNSET.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_args

import msgspec
import strawberry

from directory.checking import unseen
from directory.problems import InvalidInput
from graphapi.relay import require_id
from graphapi.types.texts import PhraseInput, TextInput

S = TypeVar("S")


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
        return converted(values, struct)

    def part(self, name: str, struct: type[S]) -> S:
        """Return one field of the input as a domain struct; the paths of its problems begin with its name."""
        return converted(self.values[name], struct, camel(name))


def converted(values: object, struct: type[S], under: str = "") -> S:
    """Return plain values as a domain struct; raises InvalidInput for what the struct refuses."""
    try:
        return msgspec.convert(values, type=struct)
    except msgspec.ValidationError as error:
        raise refused(error, under) from None


_NOT_OF_THE_THING: Final = frozenset({"idempotency_key", "expected_version", "id"})


OF_SEVERAL_LINES: Final = frozenset(
    {"address", "answer", "code", "familyCare", "health", "note", "osm", "question", "text", "value"}
)
"""Texts in which a line may end (``value``: checked by what it is a value of); in every other one a line
break could only pass for the next line of a letter, a list or a calendar."""


def plain(value: Any, path: str = "", *, kept: bool = True) -> Any:
    """Return an input as plain values: what was left out is absent, lists of texts are maps by language.

    ``path``: where the value stands in the input. Raises InvalidInput(reason "control-character") for what
    no text holds that people wrote: nothing that is not seen, or turns what stands around it, comes in.
    ``kept`` False: what is asked for only may hold whatever was copied, but for what no database takes.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        lines = path.rstrip(".0123456789").rpartition(".")[2] in OF_SEVERAL_LINES
        if kept and unseen(value, lines=lines):
            value = value.strip()
        if unseen(value, lines=lines) if kept else "\0" in value:
            raise InvalidInput(path or "input", "control-character")
        return value
    if isinstance(value, list):
        return [
            plain(element, f"{path}.{number}" if path else "", kept=kept)
            for number, element in enumerate(value)
        ]
    if dataclasses.is_dataclass(value):
        found: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            content = getattr(value, field.name)
            if content is strawberry.UNSET:
                continue
            name = f"{path}.{camel(field.name)}" if path else camel(field.name)
            shown = plain(content, name, kept=kept)
            if isinstance(content, list) and _holds(field.type) is TextInput:
                shown = _by_language(content, camel(field.name))
            found[field.name] = shown
        return found["texts"] if isinstance(value, PhraseInput) else found
    return value


def _holds(type_: Any) -> Any:
    """Return what a list or an optional list holds, as Strawberry or as Python writes it down."""
    while True:
        if hasattr(type_, "of_type"):
            type_ = type_.of_type
        elif arguments := get_args(type_):
            type_ = arguments[0]
        else:
            return type_


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


@contextmanager
def renaming(names: Mapping[str, str]) -> Iterator[None]:
    """Let problems name a field as callers know it, where the room knows it by another path."""
    try:
        yield
    except InvalidInput as problem:
        for inner, outer in names.items():
            if problem.field == inner or problem.field.startswith(f"{inner}."):
                field = outer + problem.field.removeprefix(inner)
                raise InvalidInput(field, problem.reason, **problem.details) from None
        raise
