"""The tables of an HSDS 3 tabular package, and how its rows and the nested objects hang together. Pure.

Everything is told from the shapes: the columns of a table are an object's own members, in their order; what
it nests are other tables. So a package that is written always has exactly what the specification lists.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from directory.hsds import shapes

FILES: Final[Mapping[str, str]] = {
    "organization": "organizations",
    "program": "programs",
    "service": "services",
    "attribute": "attributes",
    "url": "url",
    "service_at_location": "service_at_location",
    "location": "locations",
    "phone": "phones",
    "contact": "contacts",
    "address": "addresses",
    "schedule": "schedules",
    "funding": "funding",
    "service_area": "service_areas",
    "required_document": "required_documents",
    "language": "languages",
    "accessibility": "accessibility",
    "taxonomy_term": "taxonomy_terms",
    "metadata": "metadata",
    "meta_table_description": "meta_table_descriptions",
    "cost_option": "cost_options",
    "organization_identifier": "organization_identifiers",
    "taxonomy": "taxonomies",
    "service_capacity": "service_capacity",
    "unit": "units",
}
"""Name of each object's table, which is also that of its file without ``.csv``."""

OBJECT_OF: Final[Mapping[str, str]] = {table: name for name, table in FILES.items()}

ALONE: Final = frozenset({"taxonomies", "taxonomy_terms", "units", "meta_table_descriptions"})
"""Tables whose rows belong to no entry, whoever refers to them."""

_TABLE_OF_SHAPE: Final = {shape: FILES[name] for name, shape in shapes.OBJECTS.items()}
_NEVER_A_COLUMN: Final = {"metadata", "attributes"}


class Column(msgspec.Struct, frozen=True):
    """A column: its name, its Frictionless type and format, and whether it must be filled."""

    name: str
    kind: str
    format: str | None
    needed: bool
    values: tuple[str, ...] = ()


class Nested(msgspec.Struct, frozen=True):
    """A member that holds rows of another table: several of them, or one."""

    member: str
    table: str
    many: bool


_DATES: Final = {"valid_from", "valid_to", "dtstart", "until", "last_action_date"}
_TIMES: Final = {"opens_at", "closes_at"}
_NEEDED_TOO: Final = {
    ("services", "organization_id"), ("service_at_location", "service_id"),
    ("service_at_location", "location_id"), ("cost_options", "service_id"),
    ("service_capacity", "service_id"), ("service_capacity", "unit_id"), ("programs", "organization_id"),
    ("organization_identifiers", "organization_id"), ("metadata", "resource_id"),
}  # fmt: skip
"""Columns that a table needs although the nested object may do without them."""


def _parts(given: Any) -> tuple[Any, ...]:
    return get_args(given) if get_origin(given) in (Union, types.UnionType) else (given,)


def _nested(given: Any) -> tuple[type, bool] | None:
    for part in _parts(given):
        if get_origin(part) is tuple:
            inner = get_args(part)[0]
            return (inner, True) if isinstance(inner, type) and issubclass(inner, shapes.Shape) else None
        if isinstance(part, type) and issubclass(part, shapes.Shape):
            return part, False
    return None


def _kind(table: str, name: str, given: Any) -> tuple[str, str | None, tuple[str, ...]]:
    parts = [part for part in _parts(given) if part is not type(None)]
    if name in _DATES:
        return "date", None, ()
    if name in _TIMES:
        return "string", None, ()  # wall times with an offset, which Frictionless knows no format for
    if name == "updated":
        return "string", None, ()
    literal = next(
        (
            part
            for part in parts
            if get_origin(part) is not None and str(get_origin(part)).endswith("Literal")
        ),
        None,
    )
    if literal is not None:
        return "string", None, tuple(get_args(literal))
    if int in parts or float in parts:
        return "number", None, ()
    if name == "id" or name.endswith("_id"):
        return "string", "uuid", ()
    return "string", None, ()


def _read(table: str) -> tuple[tuple[Column, ...], tuple[Nested, ...]]:
    shape = shapes.OBJECTS[OBJECT_OF[table]]
    hints = get_type_hints(shape)
    fields = {field.name: field for field in msgspec.structs.fields(shape)}
    columns, nested = [], []
    for name in fields:
        inner = _nested(hints[name])
        if inner is not None:
            if inner[0] in _TABLE_OF_SHAPE:
                nested.append(Nested(name, _TABLE_OF_SHAPE[inner[0]], inner[1]))
            continue
        kind, form, values = _kind(table, name, hints[name])
        needed = fields[name].required or (table, name) in _NEEDED_TOO
        columns.append(Column(name, kind, form, needed, values))
    return tuple(columns), tuple(nested)


_ALL: Final = {table: _read(table) for table in FILES.values()}

COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {table: _ALL[table][0] for table in _ALL}
"""The columns of each table."""
NESTED: Final[Mapping[str, tuple[Nested, ...]]] = {table: _ALL[table][1] for table in _ALL}
"""The members of each table's objects that are rows of other tables."""

LINKS: Final[Mapping[str, str]] = {
    "organization_id": "organizations",
    "service_id": "services",
    "location_id": "locations",
    "service_at_location_id": "service_at_location",
    "contact_id": "contacts",
    "phone_id": "phones",
    "program_id": "programs",
    "taxonomy_id": "taxonomies",
    "taxonomy_term_id": "taxonomy_terms",
    "unit_id": "units",
}
"""Columns that name a row of another table."""

REFERENCES: Final[Mapping[str, Mapping[str, str]]] = {
    "services": {"program": "program_id", "organization": "organization_id"},
    "service_at_location": {"location": "location_id", "service": "service_id"},
    "attributes": {"taxonomy_term": "taxonomy_term_id"},
    "taxonomy_terms": {"taxonomy_detail": "taxonomy_id"},
    "service_capacity": {"unit": "unit_id"},
}
"""Members that hold one row of another table, with the column that names it."""

BELONGS_BY: Final[Mapping[str, str]] = {"attributes": "link_id", "metadata": "resource_id"}
"""Tables whose rows may belong to a row of any other, with the column that says to which."""


def link_column(parent: str, child: str) -> str | None:
    """Return the column by which a row of ``child`` belongs to one of ``parent``.

    >>> link_column("services", "phones"), link_column("locations", "attributes")
    ('service_id', 'link_id')
    """
    if child in BELONGS_BY:
        return BELONGS_BY[child]
    column = f"{OBJECT_OF[parent]}_id"
    return column if any(one.name == column for one in COLUMNS[child]) else None


def datapackage(name: str, licence: str | None) -> dict[str, Any]:
    """Return the descriptor (Frictionless Data Package) of a tabular package with all tables."""
    resources = []
    for table, columns in COLUMNS.items():
        fields = []
        for column in columns:
            constraints: dict[str, Any] = {"required": column.needed}
            if column.name == "id":
                constraints["unique"] = True
            if column.values:
                constraints["enum"] = list(column.values)
            field: dict[str, Any] = {"name": column.name, "type": column.kind, "constraints": constraints}
            if column.format is not None:
                field["format"] = column.format
            fields.append(field)
        keys = [
            {"fields": column.name, "reference": {"resource": OBJECT_OF[LINKS[column.name]], "fields": "id"}}
            for column in columns
            if column.name in LINKS
        ]
        resources.append(
            {
                "profile": "tabular-data-resource",
                "name": OBJECT_OF[table],
                "path": f"{table}.csv",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "schema": {"primaryKey": "id", "fields": fields, **({"foreignKeys": keys} if keys else {})},
            }
        )
    described: dict[str, Any] = {
        "profile": "tabular-data-package",
        "name": name,
        "title": "HSDS 3.2.3 tabular data package",
        "resources": resources,
    }
    if licence:
        described["licenses"] = [{"name": licence}]
    return described
