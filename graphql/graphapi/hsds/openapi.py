"""The OpenAPI 3.1 description of the HSDS face, made from its lists, parameters and schemas."""

from __future__ import annotations

from typing import Any, Final

from directory.hsds.pages import CHUNK
from directory.hsds.schemas import DIALECT, SPECIFICATION, patch, schema_names
from directory.hsds.shapes import VERSION
from graphapi.hsds.parameters import LISTS, PARAMETERS, SINGLES

DESCRIPTION: Final = (
    "The published partners and services of a Spurwechsel network, as Open Referral's Human Services Data "
    "Specification has them. Reading only, for everybody, without a token."
)

TITLE: Final = "HSDS face of the Spurwechsel directory"

_COMPILED: Final = {
    "services": "compiled/service.json",
    "organizations": "compiled/organization.json",
    "service_at_locations": "compiled/service_at_location.json",
    "taxonomies": "taxonomy.json",
    "taxonomy_terms": "taxonomy_term.json",
}
_LISTED: Final = {
    **_COMPILED,
    "services": "compiled/service_list.json",
    "organizations": "compiled/organization_list.json",
    "service_at_locations": "compiled/service_at_location_list.json",
}
ONE: Final = {
    "services": "service",
    "organizations": "organization",
    "service_at_locations": "service_at_location",
    "taxonomies": "taxonomy",
    "taxonomy_terms": "taxonomy_term",
}
"""What an entry of each list is called."""

_IDS: Final = {
    "services": ("getPaginatedListOfServices", "getFullyNestedServiceById"),
    "organizations": ("getPaginatedListOfOrganizations", "getOrganizationById"),
    "service_at_locations": (
        "getPaginatedListOfServiceAtLocation",
        "getServiceAtLocationWithNestedDataById",
    ),
    "taxonomies": ("getPaginatedListOfTaxonomies", "getTaxonomyById"),
    "taxonomy_terms": ("getPaginatedListOfTaxonomyTerms", "getTaxonomyTermById"),
}

_PAGE: Final[dict[str, Any]] = {
    "type": "object",
    "description": "The envelope of a list.",
    "properties": {
        "total_items": {"type": "integer", "description": "How many entries there are on all pages."},
        "total_pages": {"type": "integer", "description": "How many pages there are."},
        "page_number": {"type": "integer", "description": "Which page this is, from 1."},
        "size": {"type": "integer", "description": "How many entries are on this page."},
        "first_page": {"type": "boolean", "description": "Whether this is the first page."},
        "last_page": {"type": "boolean", "description": "Whether no page follows."},
        "empty": {"type": "boolean", "description": "Whether there is nothing on this page."},
        "contents": {"type": "array", "description": "The entries of this page."},
    },
    "required": [
        "total_items",
        "total_pages",
        "page_number",
        "size",
        "first_page",
        "last_page",
        "empty",
        "contents",
    ],
}

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "What is wrong (RFC 9457).",
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people, in German or English."},
        "code": {"type": "string", "description": "For programs; stable."},
        "parameter": {"type": "string", "description": "The parameter that is refused."},
    },
    "required": ["title", "status", "detail", "code"],
}

_TAGS: Final = [
    {"name": "required", "description": "Required by the HSDS API specification."},
    {"name": "optional", "description": "Optional in the HSDS API specification."},
    {"name": "profile", "description": "The German profile, and this description."},
]


def _problems(*statuses: int) -> dict[str, Any]:
    reasons = {
        400: "A parameter is refused.",
        404: "Nothing is published under this id.",
        410: "The entry was deleted.",
        503: "Try again after the seconds in Retry-After.",
    }
    return {
        str(status): {
            "description": reasons[status],
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def _paged(reference: str) -> dict[str, Any]:
    return {
        "allOf": [
            {"$ref": "#/components/schemas/Page"},
            {
                "type": "object",
                "properties": {"contents": {"type": "array", "items": {"$ref": reference}}},
                "required": ["contents"],
            },
        ]
    }


def _parameters(names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _list(name: str, root: str) -> dict[str, Any]:
    one = ONE[name]
    listed = one if name.startswith("taxonom") else f"{one}_list"
    official = {"anyOf": [{"$ref": SPECIFICATION + _LISTED[name]}, {"$ref": SPECIFICATION + _COMPILED[name]}]}
    entries: dict[str, Any] = official if _LISTED[name] != _COMPILED[name] else official["anyOf"][0]
    plain = _paged("")
    plain["allOf"][1]["properties"]["contents"]["items"] = entries
    german = _paged("")
    german["allOf"][1]["properties"]["contents"]["items"] = {
        "anyOf": [{"$ref": f"{root}/schema/{listed}.json"}, {"$ref": f"{root}/schema/{one}.json"}]
    }
    headers = ["ETag", "Last-Modified", "Link"]
    asked: dict[str, Any] = {
        "summary": f"A page of {name.replace('_', ' ')}, or all of them as ndjson.",
        "operationId": _IDS[name][0],
        "tags": ["required" if name == "services" else "optional"],
        "parameters": _parameters(LISTS[name]),
        "responses": {
            "200": {
                "description": "The entries that meet every parameter. With `full` (or `full_service`) "
                "they are fully nested, else they have one-to-one members only.",
                "headers": _headers(*headers),
                "content": {
                    "application/json": {"schema": plain},
                    f'application/json; profile="{root}/profile"': {"schema": german},
                    "application/x-ndjson": {
                        "schema": {
                            "type": "string",
                            "description": f"One entry a line, by id, read {CHUNK} at a time.",
                        }
                    },
                },
            },
            **_problems(400, 503),
        },
    }
    posted = {"summary": "The same; the parameters stand in the address here too, and there is no body."}
    return {"get": asked, "post": {**asked, **posted, "operationId": f"{_IDS[name][0]}ByPost"}}


def _single(name: str, root: str) -> dict[str, Any]:
    one = ONE[name]
    return {
        "parameters": [
            {
                "in": "path",
                "name": "id",
                "required": True,
                "description": "The id of the entry.",
                "schema": {"type": "string", "format": "uuid"},
            }
        ],
        "get": {
            "summary": f"One {one.replace('_', ' ')} with everything that belongs to it.",
            "operationId": _IDS[name][1],
            "tags": ["required" if name == "services" else "optional"],
            "parameters": _parameters(SINGLES[name]),
            "responses": {
                "200": {
                    "description": "The entry.",
                    "headers": _headers("ETag", "Last-Modified", "Link"),
                    "content": {
                        "application/json": {"schema": {"$ref": SPECIFICATION + _COMPILED[name]}},
                        f'application/json; profile="{root}/profile"': {
                            "schema": {"$ref": f"{root}/schema/{one}.json"}
                        },
                    },
                },
                **_problems(400, 404, 410, 503),
            },
        },
    }


def _document(summary: str, operation: str, media_type: str = "application/json") -> dict[str, Any]:
    return {
        "get": {
            "summary": summary,
            "operationId": operation,
            "tags": ["profile"],
            "responses": {
                "200": {
                    "description": "The document.",
                    "content": {media_type: {"schema": {"type": "object"}}},
                },
                **_problems(404),
            },
        }
    }


def _named(path: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {
        "parameters": [
            {
                "in": "path",
                "name": "name",
                "required": True,
                "description": "Name of an object of HSDS.",
                "schema": {"type": "string", "enum": names},
            }
        ],
        **path,
    }


def extended_names() -> list[str]:
    """Return the objects of HSDS that the profile extends."""
    return [name for name in schema_names() if not name.endswith("_list") and _extends(name)]


def _extends(name: str) -> bool:
    try:
        return bool(patch(name))
    except KeyError:
        return False


def profile_info(root: str) -> dict[str, Any]:
    """Return the patch that the profile makes to the OpenAPI description of HSDS; ``root``: our URL."""
    return {
        "info": {
            "title": TITLE,
            "version": VERSION,
            "summary": "Partners and services of a Spurwechsel network",
            "description": DESCRIPTION,
            "contact": None,
            "license": {"name": "Each entry names its own licence in its metadata (field_name: licence)"},
        },
        "servers": [{"url": root}],
    }


def openapi(root: str) -> dict[str, Any]:
    """Return the description of everything that is served under ``root`` (a URL without a last slash)."""
    info = {name: value for name, value in profile_info(root)["info"].items() if value is not None}
    paths: dict[str, Any] = {
        "/": {
            "get": {
                "summary": "About this API and how it relates to HSDS.",
                "operationId": "getAPIMetaInformation",
                "tags": ["required"],
                "responses": {
                    "200": {
                        "description": "The version of HSDS, the profile, and where this description is.",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "properties": {
                                        "version": {"type": "string"},
                                        "profile": {"type": "string", "format": "uri"},
                                        "openapi_url": {"type": "string", "format": "uri"},
                                        "description": {"type": "string"},
                                    },
                                    "required": ["version", "profile", "openapi_url"],
                                }
                            }
                        },
                    }
                },
            }
        }
    }
    for name in LISTS:
        paths[f"/{name}"] = _list(name, root)
        paths[f"/{name}/{{id}}"] = _single(name, root)
    paths["/openapi.json"] = _document("This description.", "getOpenAPI")
    paths["/profile"] = _document("What the German profile is, and where its parts are.", "getProfile")
    paths["/profile/{name}.json"] = _named(
        _document(
            "The profile's JSON Merge Patch (RFC 7386) of an object's schema.",
            "getProfilePatch",
            "application/merge-patch+json",
        ),
        [*extended_names(), "openapi"],
    )
    paths["/schema"] = _document("Where the profile's schemas are.", "getSchemas")
    paths["/schema/{name}.json"] = _named(
        _document("The schema of an object with the profile.", "getSchema", "application/schema+json"),
        schema_names(),
    )
    return {
        "openapi": "3.1.0",
        "info": info,
        "jsonSchemaDialect": DIALECT,
        "servers": [{"url": root}],
        "tags": _TAGS,
        "paths": paths,
        "components": {
            "schemas": {"Page": _PAGE, "Problem": _PROBLEM},
            "parameters": {
                name: {
                    "name": name,
                    "in": "query",
                    "required": False,
                    "description": parameter.description,
                    "schema": {"type": "array", "items": parameter.schema}
                    if parameter.repeated
                    else parameter.schema,
                }
                for name, parameter in PARAMETERS.items()
            },
            "headers": {
                "ETag": {
                    "description": "Of exactly these bytes; send it in If-None-Match.",
                    "schema": {"type": "string"},
                },
                "Last-Modified": {
                    "description": "When the youngest entry shown was changed. Hours and capacity depend "
                    "on the day too, so go by the ETag.",
                    "schema": {"type": "string"},
                },
                "Link": {
                    "description": "The profile (rel=profile) where it was asked for.",
                    "schema": {"type": "string"},
                },
            },
        },
    }
