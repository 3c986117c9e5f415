"""What Meilisearch's published OpenAPI description says of the requests that the adapter sends.

MEILISEARCH_REQUESTS.json holds the facts only (paths, parameters, members, types), without texts. They are
written anew from a description, which every release of Meilisearch publishes as meilisearch-openapi.json, and
which its openapi-generator prints: ``python tests/search/openapi.py DESCRIPTION``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator

FILE: Final = Path(__file__).parent / "meilisearch_requests.json"
SENT: Final = (
    ("get", "/indexes"),
    ("post", "/indexes"),
    ("get", "/indexes/{index_uid}"),
    ("delete", "/indexes/{index_uid}"),
    ("post", "/indexes/{index_uid}/documents"),
    ("post", "/indexes/{index_uid}/documents/delete"),
    ("post", "/indexes/{index_uid}/documents/fetch"),
    ("post", "/indexes/{index_uid}/facet-search"),
    ("post", "/indexes/{index_uid}/search"),
    ("patch", "/indexes/{index_uid}/settings"),
    ("get", "/keys"),
    ("post", "/keys"),
    ("post", "/multi-search"),
    ("post", "/swap-indexes"),
    ("get", "/tasks/{task_id}"),
)
_TEXTS: Final = frozenset({"description", "summary", "title", "example", "examples", "tags", "default"})


MISDESCRIBED: Final = {"AttributePatterns": {"type": "array", "items": {"type": "string"}}}
"""Where the description is wrong: the server takes facets as a list of names, not as an object with one."""


def facts(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a description says of the requests that are sent."""
    operations: dict[str, Any] = {}
    for method, path in SENT:
        said = description["paths"][path][method]
        body = said.get("requestBody", {}).get("content", {}).get("application/json", {})
        operations[f"{method} {path}"] = {
            "parameters": sorted(
                parameter["name"] for parameter in said.get("parameters", ()) if parameter["in"] == "query"
            ),
            "body": _bare(body["schema"]) if "schema" in body else None,
        }
    schemas: dict[str, Any] = {}
    wanted = _named(operations)
    while wanted:
        name = wanted.pop()
        schemas[name] = _bare(description["components"]["schemas"][name])
        wanted |= _named(schemas[name]) - schemas.keys()
    return {
        "source": f"OpenAPI description of Meilisearch {description['info']['version']} (MIT)",
        "operations": operations,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _bare(schema: Any, *, members: bool = False) -> Any:
    """Return a schema without its texts; ``members``: its names are those of members, whatever they are."""
    if isinstance(schema, list):
        return [_bare(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    bare = {
        name: _bare(value, members=name == "properties" and not members)
        for name, value in schema.items()
        if members or name not in _TEXTS
    }
    if not members and "properties" in bare:
        # Of a few the description does not say it; the server refuses what it does not know in all.
        bare.setdefault("additionalProperties", False)
    return bare


def _named(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_named, schema))
    if not isinstance(schema, dict):
        return set()
    here = {schema["$ref"].rpartition("/")[2]} if isinstance(schema.get("$ref"), str) else set()
    return here.union(*map(_named, schema.values()))


def _is(operation: str, method: str, path: str) -> bool:
    of, _, pattern = operation.partition(" ")
    return of == method.lower() and bool(re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", pattern), path))


class Requests:
    """Checks requests against the facts."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self.source: str = known["source"]
        self._operations = known["operations"]
        self._components = {"schemas": known["components"]["schemas"] | MISDESCRIBED}

    @classmethod
    def kept(cls) -> Requests:
        """Return those of the file."""
        return cls(json.loads(FILE.read_text()))

    def wrong(self, method: str, path: str, body: Any) -> list[str]:
        """Return what a request has that the description does not allow."""
        bare, _, asked = path.partition("?")
        name = next((known for known in self._operations if _is(known, method, bare)), None)
        if name is None:
            return [f"{method} {bare}: no such operation"]
        said = self._operations[name]
        found = [
            f"{name}: no parameter {parameter}"
            for parameter, _ in parse_qsl(asked)
            if parameter not in said["parameters"]
        ]
        if said["body"] is None:
            return found if body is None else [*found, f"{name}: takes no body"]
        schema = {**said["body"], "components": self._components}
        errors = Draft202012Validator(schema).iter_errors(body)
        return found + [f"{name}: {error.json_path}: {error.message[:200]}" for error in errors]


if __name__ == "__main__":
    FILE.write_text(json.dumps(facts(json.loads(Path(sys.argv[1]).read_text())), indent=1) + "\n")
