"""Checks what is written against the schemas of HSDS: the published ones where they are, else our own.

The published schemas stand under a licence of their own and are not in this repository. ``HSDS_DATA`` may
name a folder that has them (``v3.2.3/compiled``, ``v3.2.3/schema``); else they are looked for beside it.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from directory.hsds import schemas, shapes
from directory.hsds.profile import EXTENDED

DATA = Path(
    os.environ.get("HSDS_DATA") or Path(__file__).parents[2] / "shared" / "data" / "hsds"
).expanduser()
PUBLISHED = DATA / "v3.2.3"
needs_published = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="the published schemas of HSDS are not here (HSDS_DATA)"
)
COMPILED = {
    "service": "compiled/service.json.gz",
    "organization": "compiled/organization.json.gz",
    "service_at_location": "compiled/service_at_location.json.gz",
    "service_list": "compiled/service_list.json",
    "organization_list": "compiled/organization_list.json",
    "service_at_location_list": "compiled/service_at_location_list.json",
}


def closed(schema: Any) -> Any:
    """Return a schema in which no object may have members that are not named."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    if isinstance(found.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found


def published(path: str) -> Any:
    """Return a published schema; ``path`` under the folder of the version."""
    content = (PUBLISHED / path).read_bytes()
    return json.loads(gzip.decompress(content) if path.endswith(".gz") else content)


@cache
def validator(name: str) -> Draft202012Validator:
    """Return the strict validator of plain HSDS for an object, or for a list's (``service_list``)."""
    if PUBLISHED.is_dir():
        path = COMPILED.get(name, f"schema/{name}.json")
        if name in COMPILED:
            schema = published(path)
            # compiled list schemas are arrays of what a list contains in some editions
            return Draft202012Validator(closed(schema.get("items", schema)), format_checker=FormatChecker())
        return _of_files({key: published(f"schema/{key}.json") for key in shapes.OBJECTS}, name)
    own = {key: schemas.hsds_schema(key) for key in shapes.OBJECTS}
    with_nesting = {
        key: {**schema, "properties": {**schema["properties"], **_NESTED.get(key, {})}}
        for key, schema in own.items()
    }
    return _of_files(with_nesting, name.removesuffix("_list"))


_NESTED: Mapping[str, Any] = {
    "organization": {"services": {"type": "array", "items": {"$ref": "service.json"}}},
    "service_at_location": {"service": {"$ref": "service.json"}},
}


@cache
def profile_validator(name: str) -> Draft202012Validator:
    """Return the strict validator of an object with the German profile, from what is served."""
    return _of_files({key: schemas.profile_schema(key) for key in schemas.schema_names()}, name)


@cache
def patched_validator(name: str) -> Draft202012Validator:
    """Return the strict validator of an object of the published schemas after the profile's patches."""
    patched = {}
    for key in shapes.OBJECTS:
        schema = published(f"schema/{key}.json")
        schema = {**schema, "properties": {**schema["properties"], **_NESTED.get(key, {})}}
        if key in EXTENDED:
            schema = schemas.merge_patch(schema, schemas.patch(key))
        patched[key] = schema
    return _of_files(patched, name)


BASE = "https://schemas.test/"


def _named(files: Mapping[str, Any]) -> dict[str, Any]:
    """Return schemas as strict ones that know their names."""
    return {key: closed({**schema, "$id": f"{BASE}{key}.json"}) for key, schema in files.items()}


@cache
def quick(name: str) -> jsonschema_rs.Draft202012Validator:
    """Return what ``validator`` checks, in Rust: for thousands of records."""
    schema = validator(name).schema
    assert isinstance(schema, dict)
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


@cache
def quick_profile(name: str) -> jsonschema_rs.Draft202012Validator:
    """Return what ``profile_validator`` checks, in Rust."""
    given = _named({key: schemas.profile_schema(key) for key in schemas.schema_names()})
    registry = jsonschema_rs.Registry([(schema["$id"], schema) for schema in given.values()])
    return jsonschema_rs.Draft202012Validator(given[name], registry=registry, validate_formats=True)


def _of_files(files: Mapping[str, Any], name: str) -> Draft202012Validator:
    """Return the validator of one of several schemas that refer to each other by file name."""
    given = _named(files)
    registry: Registry[Any] = Registry().with_resources(
        (f"{BASE}{key}.json", Resource.from_contents(schema, default_specification=DRAFT202012))
        for key, schema in given.items()
    )
    return Draft202012Validator(given[name], registry=registry, format_checker=FormatChecker())


def check(validator: Draft202012Validator | jsonschema_rs.Draft202012Validator, given: Any) -> None:
    """Fail with every fault and where it is."""
    faults = [
        f"{'/'.join(map(str, getattr(fault, 'path', None) or fault.instance_path))}: {fault.message[:200]}"
        for fault in validator.iter_errors(given)
    ]
    assert not faults, faults[:10]
