"""The parameters of the HSDS endpoints: what each takes, and how it is read. Pure.

Everything given must hold (cumulative AND). What is unknown, doubled or malformed is refused with its name:
a filter that is silently ignored would return what nobody asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from directory.hsds.ids import as_uuid
from directory.hsds.pages import LARGEST_PAGE, PER_PAGE

LAST_PAGE: Final = 1_000_000
FARTHEST_M: Final = 1_000_000
LONGEST: Final = 2_000
"""Characters of a query string."""
MOST_TERMS: Final = 20


class Refused(Exception):
    """The request is answered with a status and a reason (a key of ``answers.REASONS``)."""

    def __init__(self, status: int, reason: str, parameter: str | None = None, **values: object) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.parameter = parameter
        self.values = {name: str(value) for name, value in values.items()}


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter as the description of the face has it; ``repeated``: may be given several times."""

    description: str
    schema: dict[str, Any]
    repeated: bool = False


PARAMETERS: Final[Mapping[str, Parameter]] = {
    "search": Parameter(
        description="Words to look for. Services and services at locations: full text in all languages, with "
        "synonyms and typing errors: the best 1,000 in order, then the rest by id, so that every page is "
        "there. Organisations: all words, in name or description. Taxonomies and terms: all words, in name, "
        "code or description.",
        schema={"type": "string", "maxLength": 500},
    ),
    "page": Parameter(
        description="Number of the page, from 1.",
        schema={"type": "integer", "minimum": 1, "maximum": LAST_PAGE, "default": 1},
    ),
    "per_page": Parameter(
        description="Entries on a page.",
        schema={"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PER_PAGE},
    ),
    "format": Parameter(
        description="`json` (a page), or `ndjson`: all results without pages, one JSON object a line, by id.",
        schema={"type": "string", "enum": ["json", "ndjson"], "default": "json"},
    ),
    "taxonomy_term_id": Parameter(
        description="Only what carries this term; given several times: all of them. Organisations also if "
        "one of their services does.",
        schema={"type": "string", "format": "uuid"},
        repeated=True,
    ),
    "taxonomy_id": Parameter(
        description="Only what carries a term of this taxonomy; given several times: of each of them.",
        schema={"type": "string", "format": "uuid"},
        repeated=True,
    ),
    "organization_id": Parameter(
        description="Only services of this organisation.", schema={"type": "string", "format": "uuid"}
    ),
    "modified_after": Parameter(
        description="Only what was changed at or after this moment (RFC 3339; a date alone is its midnight "
        "in UTC).",
        schema={"type": "string", "format": "date-time"},
    ),
    "minimal": Parameter(
        description="Only id, name, status and last_modified of each service: the least that is valid. "
        "Without page and per_page all services come in one page, as a stream, by id.",
        schema={"type": "boolean", "default": False},
    ),
    "full": Parameter(
        description="With everything that belongs to each entry.",
        schema={"type": "boolean", "default": False},
    ),
    "full_service": Parameter(
        description="With all services of the organisation in full, instead of their id, name and status.",
        schema={"type": "boolean", "default": False},
    ),
    "postcode": Parameter(
        description="Without `proximity`: only services that serve this postcode, or whose area is not "
        "given. With it: the middle from which is measured. Known are the postcodes of published places.",
        schema={"type": "string", "maxLength": 20},
    ),
    "proximity": Parameter(
        description="Only places within this many metres of the middle of `postcode`, as the crow flies.",
        schema={"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"},
    ),
    "top_only": Parameter(
        description="Only terms at the top of their hierarchy, without a parent.",
        schema={"type": "boolean", "default": False},
    ),
    "parent_id": Parameter(
        description="Only terms whose parent this is.", schema={"type": "string", "format": "uuid"}
    ),
    "profile": Parameter(
        description="`de` (or the profile's URL): with the members of the German profile. It can be asked "
        "for with the header `Accept-Profile` as well.",
        schema={"type": "string"},
    ),
}

_LIST: Final = ("search", "page", "per_page", "format", "profile")
_TERMS: Final = ("taxonomy_term_id", "taxonomy_id")
LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "services": (*_LIST, *_TERMS, "organization_id", "modified_after", "minimal", "full"),
    "organizations": (*_LIST, *_TERMS, "full", "full_service"),
    "service_at_locations": (
        *_LIST,
        *_TERMS,
        "organization_id",
        "modified_after",
        "full",
        "postcode",
        "proximity",
    ),
    "taxonomies": _LIST,
    "taxonomy_terms": (*_LIST, "taxonomy_id", "top_only", "parent_id"),
}
"""The parameters of each list."""

SINGLES: Final[Mapping[str, tuple[str, ...]]] = {
    "services": ("profile",),
    "organizations": ("full_service", "profile"),
    "service_at_locations": ("profile",),
    "taxonomies": ("profile",),
    "taxonomy_terms": ("profile",),
}
"""The parameters of each single entry."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a request's parameters say; see ``PARAMETERS``."""

    search: str | None = None
    page: int | None = None
    per_page: int | None = None
    ndjson: bool = False
    taxonomy_term_id: tuple[str, ...] = ()
    taxonomy_id: tuple[str, ...] = ()
    organization_id: UUID | None = None
    modified_after: datetime | None = None
    minimal: bool = False
    full: bool = False
    full_service: bool = False
    postcode: str | None = None
    proximity: float | None = None
    top_only: bool = False
    parent_id: str | None = None
    profile: str | None = None

    @property
    def all_at_once(self) -> bool:
        """Whether a minimal list is asked for without pages."""
        return self.minimal and self.page is None and self.per_page is None


def read_parameters(query: bytes, allowed: tuple[str, ...]) -> Asked:
    """Return what a query string asks for; raises Refused (400). An empty value is none."""
    try:
        pairs = parse_qsl(query.decode("ascii"), errors="strict", max_num_fields=60)
    except ValueError:
        raise Refused(400, "query") from None
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in allowed:
            raise Refused(400, "unknown-parameter", name[:60], known=", ".join(sorted(allowed)))
        given.setdefault(name, []).append(value)
    for name, values in given.items():
        if len(values) > (MOST_TERMS if PARAMETERS[name].repeated else 1):
            raise Refused(400, "doubled", name)
        if any(len(value) > 500 or "\0" in value for value in values):
            raise Refused(400, "too-long", name)
    single = {name: values[0].strip() for name, values in given.items() if not PARAMETERS[name].repeated}
    many = {name: values for name, values in given.items() if PARAMETERS[name].repeated}
    asked = Asked(
        search=single.get("search") or None,
        page=_whole(single, "page", LAST_PAGE),
        per_page=_whole(single, "per_page", LARGEST_PAGE),
        ndjson=_one_of(single, "format", ("json", "ndjson")) == "ndjson",
        taxonomy_term_id=tuple(_uuid("taxonomy_term_id", one) for one in many.get("taxonomy_term_id", ())),
        taxonomy_id=tuple(_uuid("taxonomy_id", one) for one in many.get("taxonomy_id", ())),
        organization_id=UUID(_uuid("organization_id", single["organization_id"]))
        if single.get("organization_id")
        else None,
        modified_after=_moment(single, "modified_after"),
        minimal=_truth(single, "minimal"),
        full=_truth(single, "full"),
        full_service=_truth(single, "full_service"),
        postcode=single.get("postcode") or None,
        proximity=_metres(single, "proximity"),
        top_only=_truth(single, "top_only"),
        parent_id=_uuid("parent_id", single["parent_id"]) if single.get("parent_id") else None,
        profile=single.get("profile") or None,
    )
    if asked.minimal and asked.full:
        raise Refused(400, "not-together", "minimal", other="full")
    if asked.proximity is not None and asked.postcode is None:
        raise Refused(400, "needs", "proximity", other="postcode")
    if asked.ndjson and (asked.page is not None or asked.per_page is not None):
        raise Refused(400, "not-together", "format", other="page, per_page")
    return asked


def _whole(given: Mapping[str, str], name: str, most: int) -> int | None:
    text = given.get(name)
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise Refused(400, "number", name, minimum=1, maximum=most)
    return int(text)


def _truth(given: Mapping[str, str], name: str) -> bool:
    text = given.get(name, "").lower()
    if text in {"", "false", "0"}:
        return False
    if text in {"true", "1"}:
        return True
    raise Refused(400, "one-of", name, values="true, false")


def _one_of(given: Mapping[str, str], name: str, values: tuple[str, ...]) -> str:
    text = given.get(name, "").lower() or values[0]
    if text not in values:
        raise Refused(400, "one-of", name, values=", ".join(values))
    return text


def _uuid(name: str, text: str) -> str:
    found = as_uuid(text.strip())
    if found is None:
        raise Refused(400, "uuid", name)
    return str(found)


def _moment(given: Mapping[str, str], name: str) -> datetime | None:
    text = given.get(name)
    if not text:
        return None
    # the + of an offset that was not written as %2B has become a blank
    text = re.sub(r" (?=[0-9]{2}:?[0-9]{2}$)", "+", text)
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(400, "moment", name) from None


def _metres(given: Mapping[str, str], name: str) -> float | None:
    text = given.get(name)
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or float(text) > FARTHEST_M:
        raise Refused(400, "number", name, minimum=0, maximum=FARTHEST_M)
    return float(text)
