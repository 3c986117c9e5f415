"""Everything that somebody can get out of the API, collected, and made comparable.

Documents are made from the schema: every field of every type that is reached, so a new field is asked too.
Which root field is asked with what is said by the test; a root field that it does not name fails the test.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLUnionType,
    Undefined,
    get_named_type,
)
from pypdf import PdfReader

from graphapi.schema import schema

SHALLOW = {"Partner", "Service", "Municipality", "Topic", "TopicInVocabulary", "Location"}
"""Public entries of the directory: their plain fields only."""

WITH_ARGUMENTS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("Referral", "export"): {
        "asPdf": "(format: PDF)",
        "asFhir": "(format: JSON)",
        "asText": '(format: TEXT, language: "en")',
    },
    ("Consent", "notice"): {"notice": '(language: "de")'},
}
"""Fields below the root that need arguments, and with what they are asked (by alias)."""

NOT_BELOW: Mapping[tuple[str, str], str] = {
    ("ConsentNotice", "pages"): "made from the paragraphs, which are asked, and from nothing else"
}


def _needs(field: GraphQLField) -> bool:
    return any(
        isinstance(argument.type, GraphQLNonNull) and argument.default_value is Undefined
        for argument in field.args.values()
    )


def selection(type_: GraphQLOutputType, path: tuple[str, ...] = ()) -> str:
    """Return the selection of everything below a type; a type within itself is asked for little only."""
    named = get_named_type(type_)
    if isinstance(named, GraphQLUnionType | GraphQLInterfaceType):
        kinds = schema._schema.get_possible_types(named)
        return (
            " { __typename "
            + " ".join(f"... on {kind.name} {_fields(kind, path, prefix=True)}" for kind in kinds)
            + " }"
        )
    return f" {_fields(named, path)}" if isinstance(named, GraphQLObjectType) else ""


def _fields(type_: GraphQLObjectType, path: tuple[str, ...], *, prefix: bool = False) -> str:
    found = ["__typename"]
    again = type_.name in path
    # the same resolvers stand behind a referral wherever it is: its depths are asked at one place
    plainly = type_.name in SHALLOW or (type_.name == "Referral" and len(path) > 0)
    for name, field in type_.fields.items():
        below = get_named_type(field.type)
        plain = not isinstance(below, GraphQLObjectType | GraphQLUnionType | GraphQLInterfaceType)
        if not plain and (again or plainly or len(path) > 6):
            continue
        if again and name not in {"id", "version", "state", "updatedAt"}:
            continue
        if (type_.name, name) in NOT_BELOW:
            continue
        asked = WITH_ARGUMENTS.get((type_.name, name))
        if asked is None:
            assert not _needs(field), f"{type_.name}.{name} needs arguments: name it in WITH_ARGUMENTS"
            asked = {f"{type_.name}_{name}" if prefix else name: ""}
        for alias, arguments in asked.items():
            found.append(f"{alias}: {name}{arguments}{selection(field.type, (*path, type_.name))}")
    return "{ " + " ".join(found) + " }"


@cache
def question(root: str, arguments: str, *, lean: str | None = None) -> str:
    """Return the document that asks a root field for everything, or for ``lean``.

    ``arguments`` as in GraphQL, with variables in place of what differs between two runs: ``$name_Type``.
    """
    query = schema._schema.query_type
    assert query is not None
    asked = selection(query.fields[root].type) if lean is None else f" {{ {lean} }}"
    needed = sorted(set(_VARIABLE.findall(arguments)))
    declared = ", ".join(f"${name}_{kind}: {kind}!" for name, kind in needed)
    return f"query {f'({declared})' if declared else ''} {{ {root}{arguments}{asked} }}"


def variables(arguments: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return what the variables of these arguments stand for."""
    return {f"{name}_{kind}": values[name] for name, kind in _VARIABLE.findall(arguments)}


_VARIABLE = re.compile(r"\$([a-z]+)_([A-Za-z]+)")


def root_fields() -> set[str]:
    """Return the names of the root fields of the query type."""
    query = schema._schema.query_type
    assert query is not None
    return set(query.fields)


def subscription_fields() -> set[str]:
    """Return the names of what can be watched."""
    watched = schema._schema.subscription_type
    assert watched is not None
    return set(watched.fields)


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ENCODED = re.compile(r"[A-Za-z0-9_-]{40,200}={0,2}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_REFERENCE = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}\b")
_HASH = re.compile(r"\b[0-9a-f]{64}\b")
"""Of pages on which such ids stand."""
_REQUEST = re.compile(r'"requestId": "[^"]*"')


class Comparable:
    """Gives what is chosen at random in one run the same names as in another.

    What is ``known`` by its own name, every other id as an id: which one it is differs from run to run.
    """

    def __init__(self, known: Iterable[tuple[str, str]], real_time_until: str) -> None:
        self._known = sorted(known, key=lambda one: -len(one[0]))
        self._until = real_time_until

    def know(self, value: str, name: str) -> None:
        """Give a random value a name."""
        self._known.append((value, name))

    def __call__(self, value: Any) -> Any:
        """Return JSON with the names in place of the random values, and pages as their text."""
        plain = json.dumps(_readable(value), ensure_ascii=False, sort_keys=True, default=str)
        return json.loads(self.text(plain))

    def text(self, found: str) -> str:
        """Return a text with the names in place of the random values."""
        for value, name in self._known:
            found = found.replace(value, name)
        found = _ENCODED.sub(self._decoded, found)
        found = _UUID.sub(lambda match: self._name(match.group(), "id"), found)
        found = _REFERENCE.sub(lambda match: self._name(match.group(), "reference"), found)
        found = _HASH.sub("<hash>", found)
        found = _REQUEST.sub('"requestId": ""', found)
        # what the database dates by itself (rows of the audit) is not on the clock of the experiment
        return _MOMENT.sub(
            lambda match: match.group() if match.group() >= self._until else "<real time>", found
        )

    def _decoded(self, match: re.Match[str]) -> str:
        given = match.group().rstrip("=")
        try:
            text = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)).decode("ascii")
        except (binascii.Error, ValueError):
            return match.group()
        return text if _UUID.search(text) else match.group()

    def _name(self, _: str, kind: str) -> str:
        return f"<{kind}>"


def _readable(value: Any) -> Any:
    """Return pages as what stands on them, and JSON in a text as JSON."""
    if isinstance(value, list):
        return [_readable(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if value.get("mediaType") == "application/pdf" and value.get("base64"):
        pages = PdfReader(io.BytesIO(base64.b64decode(value["base64"]))).pages
        # rows of the audit that one request wrote at once stand in any order
        return {**value, "base64": sorted(line for page in pages for line in page.extract_text().split("\n"))}
    if "fileName" in value and str(value.get("text", "")).startswith("{"):
        told = json.loads(value["text"])
        if "audit" in told:
            told["audit"] = sorted((row["action"], row["role"], row["organisation"]) for row in told["audit"])
        return {**value, "text": told}
    return {name: _readable(entry) for name, entry in value.items()}


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Return where two collections differ, with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = one.keys() | other.keys()
        return [d for n in sorted(names) for d in differences(one.get(n), other.get(n), f"{where}.{n}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [d for n, (a, b) in pairs for d in differences(a, b, f"{where}[{n}]")]
    return [] if one == other else [f"{where}: {str(one)[:300]} | {str(other)[:300]}"]
