"""The JSON Schemas of what is written: HSDS 3.2.3 as our structs have it, and the German profile of it.

Generated from the structs. The published schemas of HSDS stand under a licence of their own and are not
repeated here: ``SPECIFICATION`` says where they are. The profile is a set of JSON Merge Patches (RFC 7386)
that holds for those as well as for these, and its schemas are what comes of applying them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from directory.hsds import shapes
from directory.hsds.profile import EXTENDED

SPECIFICATION: Final = "https://raw.githubusercontent.com/openreferral/specification/3.2/schema/"
"""Where the schemas of HSDS 3.2 are published."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

LISTED: Final = ("location", "organization", "service", "service_at_location")
"""The objects that lists show with their one-to-one members only."""

_NAMES: Final[Mapping[type, str]] = {
    **{kind: name for name, kind in shapes.OBJECTS.items()},
    **{kind: name for name, kind in EXTENDED.items()},
}
_NOT_OWN: Final[Mapping[str, frozenset[str]]] = {
    "organization": frozenset({"services"}),
    "service_at_location": frozenset({"service"}),
}
"""Members that only the compiled schemas of HSDS have, by object."""

_SHAPE_1: Final = frozenset({"starts_on", "ends_on"})
"""Members of a course that are read from documents of shape 1 and never written."""


def merge_patch(target: Any, patch: Any) -> Any:
    """Return ``target`` after a JSON Merge Patch (RFC 7386, section 2); nothing given is changed.

    >>> merge_patch({"a": "b", "c": {"d": 1}}, {"a": None, "c": {"e": 2}})
    {'c': {'d': 1, 'e': 2}}
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _plain(given: Any, name_of: Callable[[str], str | None]) -> Any:
    """Return a generated schema as HSDS writes schemas: what is absent is left out, never null."""
    if isinstance(given, list):
        return [_plain(one, name_of) for one in given]
    if not isinstance(given, dict):
        return given
    if "anyOf" in given:
        choices = [choice for choice in given["anyOf"] if choice != {"type": "null"}]
        if {"type": "integer"} in choices and {"type": "number"} in choices:
            choices = [{"type": "number"}]
        rest = {key: value for key, value in given.items() if key not in {"anyOf", "default"}}
        if len(choices) == 1:
            return _plain({**rest, **choices[0]}, name_of)
        return {**rest, "anyOf": [_plain(choice, name_of) for choice in choices]}
    if "$ref" in given:
        struct = given["$ref"].rpartition("/")[2]
        other = name_of(struct)
        return {"$ref": f"#/$defs/{struct}" if other is None else f"{other}.json"}
    plain = {key: _plain(value, name_of) for key, value in given.items() if key not in {"default", "title"}}
    if isinstance(given.get("properties"), dict):
        # a property may be called "default" or "title" itself
        plain["properties"] = {
            key: _plain(value, name_of)
            for key, value in given["properties"].items()
            if given.get("title") != "CourseFacts" or key not in _SHAPE_1
        }
    if isinstance(plain.get("description"), str):
        plain["description"] = " ".join(plain["description"].replace("``", "`").split())
    if isinstance(plain.get("enum"), list):
        plain.setdefault("type", "string")
    return plain


def _generated(kind: type[shapes.Shape], *, profile: bool) -> dict[str, Any]:
    """Return the schema of a struct, with references to the files of other objects of HSDS."""
    objects = {struct.__name__: name for struct, name in _NAMES.items()}
    _, components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    schema: dict[str, Any] = _plain(components[kind.__name__], objects.get)
    name = _NAMES[kind]
    hidden = _NOT_OWN.get(name, frozenset())
    schema["properties"] = {
        member: value for member, value in schema["properties"].items() if member not in hidden
    }
    found: dict[str, Any] = {}
    waiting = _references(schema)
    while waiting:
        struct = waiting.pop()
        if struct not in found:
            found[struct] = _plain(components[struct], objects.get)
            waiting |= _references(found[struct])
    if found and profile:
        schema["$defs"] = {struct: found[struct] for struct in sorted(found)}
    return {"name": name, **schema}


def _references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*(_references(one) for one in schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    found = set().union(*(_references(value) for value in schema.values())) if schema else set()
    if isinstance(given := schema.get("$ref"), str) and given.startswith("#/$defs/"):
        found.add(given.rpartition("/")[2])
    return found


@cache
def hsds_schema(name: str) -> dict[str, Any]:
    """Return the schema of an object of HSDS (its name there), as our struct has it; without the profile.

    Raises KeyError for what is no object of HSDS. Do not change what is returned.
    """
    return _generated(shapes.OBJECTS[name], profile=False)


@cache
def patch(name: str) -> dict[str, Any]:
    """Return the JSON Merge Patch with which the profile extends an object of HSDS.

    Raises KeyError for an object that the profile leaves as it is. Do not change what is returned.
    """
    extended = _generated(EXTENDED[name], profile=True)
    own = hsds_schema(name)["properties"]
    added = {member: value for member, value in extended["properties"].items() if member not in own}
    found: dict[str, Any] = {"properties": added}
    if "$defs" in extended:
        found["$defs"] = extended["$defs"]
    return found


@cache
def profile_schema(name: str) -> dict[str, Any]:
    """Return the schema of an object of HSDS with the profile's patch applied. Raises KeyError.

    ``<name>_list`` for what lists have: one-to-one members only. Do not change what is returned.
    """
    base = name.removesuffix("_list")
    if base != name and base not in LISTED:
        raise KeyError(name)
    schema = hsds_schema(base)
    if base in EXTENDED:
        schema = merge_patch(schema, patch(base))
    if base == name:
        own = _NOT_OWN.get(base, frozenset())
        nested = {"services": {"type": "array", "items": {"$ref": "service.json"}}, "service": _SERVICE}
        schema = merge_patch(schema, {"properties": {member: nested[member] for member in own}})
    else:
        schema = {**schema, "name": name, "properties": _one_to_one(base, schema["properties"])}
    return {"$schema": DIALECT, **schema}


_SERVICE: Final = {"$ref": "service.json"}


def _one_to_one(name: str, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of an object that lists have."""
    added = patch(name)["properties"] if name in EXTENDED else {}
    found = {
        member: schema
        for member, schema in members.items()
        if member in added or ("$ref" not in schema and schema.get("type") != "array")
    }
    if name == "service":
        found["organization"] = {"$ref": "organization_list.json"}
        found["program"] = {"$ref": "program.json"}
    if name == "service_at_location":
        found["service"] = {"$ref": "service_list.json"}
        found["location"] = {"$ref": "location_list.json"}
    return found


def schema_names() -> list[str]:
    """Return the names of all schemas of the profile."""
    return sorted([*shapes.OBJECTS, *(f"{name}_list" for name in LISTED)])


def described(schema: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return a schema with its address: ``base`` ends with a slash."""
    return {"$id": f"{base}{schema['name']}.json", **schema}
