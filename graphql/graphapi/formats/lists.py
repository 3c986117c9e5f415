"""Filtered lists of what is published, as spreadsheets: /services.csv|xlsx and /partners.csv|xlsx.

The columns are those that ``spurwechsel import`` reads back. No cell is a formula, whatever it begins with.
The filters are those of the GraphQL lists and searches. A list is whole or refused: one that would be cut off
answers 413. Refusals are problems (RFC 9457), in the reader's language.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from directory import sources
from directory.actors import ANONYMOUS
from directory.courses import CourseFilter
from directory.database import Database, Unavailable
from directory.days import local_day
from directory.documents import PartnerDocument, ServiceDocument
from directory.exporting.sheets import write_csv, write_xlsx
from directory.problems import InvalidInput
from directory.sheets import words_of_topics
from directory.sources import LARGEST_PAGE, PartnerFilter, ServiceFilter
from directory.values import LanguageTag
from directory.vocabulary import (
    CefrLevel,
    CourseAccess,
    CourseFormat,
    PartnerKind,
    ResidenceStatus,
    ServiceKind,
)
from graphapi.context import Services
from graphapi.hsds.answers import PROBLEM_TYPE, problem
from graphapi.hsds.parameters import Refused
from graphapi.messages import MessageLanguage, message_for, message_language, preferred_languages
from search import engine as search
from search.engine import DEEPEST, SearchUnavailable
from search.finding import search_services

MOST_ROWS: Final = 5_000
"""Rows of a list at most; whoever needs the whole directory follows ``/feed`` or ``/hsds/``."""

MOST_VALUES: Final = 50
"""How many values of one filter are taken at most."""

RETRY_AFTER_SECONDS: Final = 5

TYPES: Final = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

Row: TypeAlias = tuple[PartnerDocument, ServiceDocument | None]
Territory: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9]{12}$")]
Word: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Code: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
T = TypeVar("T")
Few: TypeAlias = tuple[T, ...]


class PartnersAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The filters of /partners: ``kind`` any of these, ``name``: how it begins, ``municipality``: ARS."""

    kind: Few[PartnerKind] = ()
    municipality: Territory | None = None
    name: Word | None = None


class ServicesAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The filters of /services: all must hold, several values of one mean any of them.

    ``text``, ``language``, ``partner_kind``, ``residence_status`` (with ``fits_only``), ``room_on`` and a
    circle (``latitude``, ``longitude``, ``radius_km``) are those of searches; such a list has at most 1,000
    rows. From ``level_from`` on: facts of a course, what is not known passes.
    """

    kind: Few[ServiceKind] = ()
    topic: Few[Code] = ()
    municipality: Territory | None = None
    partner: UUID | None = None
    text: Word | None = None
    language: Few[LanguageTag] = ()
    partner_kind: Few[PartnerKind] = ()
    residence_status: ResidenceStatus | None = None
    fits_only: bool = False
    room_on: date | None = None
    latitude: float | None = None
    longitude: float | None = None
    radius_km: float | None = None
    level_from: CefrLevel | None = None
    level_to: CefrLevel | None = None
    starts_after: date | None = None
    ends_before: date | None = None
    bookable_on: date | None = None
    childcare: bool | None = None
    women_only: bool | None = None
    format: CourseFormat | None = None
    access: Few[CourseAccess] = ()
    exam: Word | None = None
    cost_at_most: int | None = None

    def course(self) -> CourseFilter | None:
        """Return the facts of a course that are asked for, or None: it need not be one."""
        given = {name: getattr(self, name) for name in CourseFilter.__struct_fields__}
        return CourseFilter(**given) if any(value not in (None, ()) for value in given.values()) else None

    def searched(self) -> bool:
        """Whether only a search can tell."""
        return bool(self.text or self.language or self.partner_kind) or any(
            value is not None
            for value in (self.residence_status, self.room_on, self.latitude, self.longitude, self.radius_km)
        )

    def near(self) -> search.Near | None:
        """Return the circle; raises Refused for a part of one."""
        given = {"latitude": self.latitude, "longitude": self.longitude, "radius_km": self.radius_km}
        missing = [name for name, value in given.items() if value is None]
        if len(missing) == len(given):
            return None
        if missing:
            named = next(name for name in given if name not in missing)
            raise Refused(400, "needs", named, other=", ".join(missing))
        return search.Near(**given)  # type: ignore[arg-type]


A = TypeVar("A", PartnersAsked, ServicesAsked)


_FORMS: Final = {"municipality": "regional-key", "language": "language-tag"}
"""Why a text cannot be taken that has a form of its own, by parameter; other texts are too long."""


def _read(request: Request[Any, Any, State], shape: type[A]) -> A:
    """Return the filters of a request; raises Refused (400), which names what is unknown or malformed."""
    fields = {field.name: field for field in msgspec.structs.fields(shape)}
    given: dict[str, Any] = {}
    for name, values in request.query_params.dict().items():
        if name not in fields:
            raise Refused(400, "unknown-parameter", name[:60], known=", ".join(sorted(fields)))
        several = fields[name].default == ()
        if len(values) > (MOST_VALUES if several else 1):
            raise Refused(400, "doubled", name)
        try:
            given[name] = msgspec.convert(values if several else values[0], fields[name].type, strict=False)
        except msgspec.ValidationError:
            raise _not_taken(name, fields[name].type) from None
    return shape(**given)


def _not_taken(name: str, shape: Any) -> Refused:
    """Say what a parameter of this type wants; what was sent is not repeated."""
    wants = msgspec.inspect.type_info(shape)
    if isinstance(wants, msgspec.inspect.VarTupleType):
        wants = wants.item_type
    if isinstance(wants, msgspec.inspect.UnionType):
        wants = next(one for one in wants.types if not isinstance(one, msgspec.inspect.NoneType))
    if isinstance(wants, msgspec.inspect.EnumType):
        return Refused(400, "one-of", name, values=", ".join(one.value for one in wants.cls))
    if isinstance(wants, msgspec.inspect.BoolType):
        return Refused(400, "one-of", name, values="true, false")
    if isinstance(wants, msgspec.inspect.UUIDType):
        return Refused(400, "uuid", name)
    if isinstance(wants, msgspec.inspect.DateType):
        return Refused(400, "day", name)
    if isinstance(wants, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        return Refused(400, "not-a-number", name)
    return Refused(400, _FORMS.get(name, "too-long"), name)


def routes(services: Services) -> list[HTTPRouteHandler]:
    """Return the handlers; one sheet is written at a time, in a thread."""
    database = services.database
    one = asyncio.Semaphore(1)

    async def answered(
        request: Request[Any, Any, State], name: str, rows: Callable[[], Awaitable[list[Row]]]
    ) -> Response[bytes]:
        suffix = request.url.path.rpartition(".")[2]
        language = message_language(preferred_languages(request.headers.get("accept-language")))
        try:
            found = await rows()
            topics = await sources.topics(database)
        except (Unavailable, SearchUnavailable):
            return _refusal(Refused(503, "unavailable", seconds=RETRY_AFTER_SECONDS), language)
        except InvalidInput as wrong:
            named = _parameter(wrong.field)
            again = InvalidInput(named, wrong.reason, **wrong.details)
            said = {
                "title": "Bad Request", "status": 400, "detail": message_for(again, language),
                "code": wrong.reason, "parameter": named,
            }  # fmt: skip
            return _as_problem(400, msgspec.json.encode(said))
        except Refused as refused:
            return _refusal(refused, language)
        async with one:
            meant, _ = words_of_topics((topic.code, topic.labels) for topic in topics)
            content = await asyncio.to_thread(_written, found, suffix, meant)
        headers = {
            "content-disposition": f'attachment; filename="{name}.{suffix}"',
            "cache-control": "public, max-age=60",
        }
        return Response(content, headers=headers, media_type=TYPES[suffix])

    @get(["/services.csv", "/services.xlsx"])
    async def service_list(request: Request[Any, Any, State]) -> Response[bytes]:
        """Give the published services that the filters choose (``ServicesAsked``)."""
        return await answered(request, "services", lambda: _services(services, _read(request, ServicesAsked)))

    @get(["/partners.csv", "/partners.xlsx"])
    async def partner_list(request: Request[Any, Any, State]) -> Response[bytes]:
        """Give the published partners that the filters choose (``PartnersAsked``), without their services."""
        return await answered(request, "partners", lambda: _partners(database, _read(request, PartnersAsked)))

    return [service_list, partner_list]


_NAMED: Final = {"kinds": "kind", "topics": "topic", "languages": "language", "partner_kinds": "partner_kind",
                 "open_capacity_on": "room_on", "name_prefix": "name"}  # fmt: skip
"""What a parameter is called where it is looked into, if not alike."""


def _parameter(field: str) -> str:
    """Return the parameter that a problem of a list or search is about.

    >>> _parameter("filters.near.radiusKm"), _parameter("namePrefix"), _parameter("text")
    ('radius_km', 'name', 'text')
    """
    name = re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", field.rpartition(".")[2])
    return _NAMED.get(name, name)


def _refusal(refused: Refused, language: MessageLanguage) -> Response[bytes]:
    return _as_problem(refused.status, problem(refused, language))


def _as_problem(status: int, body: bytes) -> Response[bytes]:
    headers = {"cache-control": "no-store"}
    if status == 503:
        headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    return Response(body, status_code=status, headers=headers, media_type=PROBLEM_TYPE)


def _too_many(most: int) -> Refused:
    return Refused(413, "too-many-rows", maximum=most)


async def _town(database: Database, ars: str) -> UUID | None:
    towns = await sources.municipalities(database)
    return next((term.id for term in towns if term.ars == ars), None)


async def _partners(database: Database, asked: PartnersAsked) -> list[Row]:
    town = None
    if asked.municipality is not None:
        town = await _town(database, asked.municipality)
        if town is None:
            return []
    given = PartnerFilter(kinds=asked.kind or None, municipality_id=town, name_prefix=asked.name)
    found: list[Row] = []
    after: str | None = None
    while True:
        page = await sources.partners(database, ANONYMOUS, given, first=LARGEST_PAGE, after=after)
        found.extend((partner, None) for partner in page.nodes)
        if not page.has_next:
            return found
        if len(found) >= MOST_ROWS:
            raise _too_many(MOST_ROWS)
        after = page.cursors[-1]


async def _services(services: Services, asked: ServicesAsked) -> list[Row]:
    database, town = services.database, None
    if asked.municipality is not None:
        town = await _town(database, asked.municipality)
        if town is None:
            return []
    if asked.searched():
        return await _searched(services, asked)
    given = ServiceFilter(
        kinds=asked.kind or None,
        topics=asked.topic or None,
        municipality_id=town,
        partner_id=asked.partner,
        course=asked.course(),
    )
    found: list[Row] = []
    after: str | None = None
    while True:
        page = await sources.services(database, ANONYMOUS, given, first=LARGEST_PAGE, after=after)
        found.extend(await _with_partners(database, page.nodes))
        if not page.has_next:
            return found
        if len(found) >= MOST_ROWS:
            raise _too_many(MOST_ROWS)
        after = page.cursors[-1]


async def _searched(services: Services, asked: ServicesAsked) -> list[Row]:
    """Return what a search finds, the best first; filters of lists mean there what they mean in lists."""
    today = local_day(services.database.clock())
    status = asked.residence_status
    query = search.SearchQuery(
        today=today,
        text=asked.text or "",
        filters=search.Filters(
            kinds=asked.kind,
            topics=asked.topic,
            languages=asked.language,
            partner_kinds=asked.partner_kind,
            residence=None
            if status is None
            else search.ResidenceFilter(status=status, on=today, fits_only=asked.fits_only),
            near=asked.near(),
            open_capacity_on=asked.room_on,
            course=asked.course(),
        ),
        highlights=False,
        first=LARGEST_PAGE,
    )
    found: list[Row] = []
    while True:
        page = await search_services(services.engines, services.database.reader, ANONYMOUS, query)
        if page.total > DEEPEST:
            raise _too_many(DEEPEST)
        hits = [one.service for one in page.services]
        found.extend(await _with_partners(services.database, [one for one in hits if _chosen(one, asked)]))
        if not (page.more and page.services):
            return found
        query = msgspec.structs.replace(query, after=page.services[-1].hit.cursor)


def _chosen(service: ServiceDocument, asked: ServicesAsked) -> bool:
    """Whether a hit meets what searches do not ask, or ask otherwise (topics with all that is below)."""
    return (
        (asked.partner is None or service.partner.id == asked.partner)
        and (asked.municipality is None or service.municipality.ars == asked.municipality)
        and (not asked.topic or any(topic.code in asked.topic for topic in service.topics))
    )


async def _with_partners(database: Database, found: Sequence[ServiceDocument]) -> list[Row]:
    ids = list(dict.fromkeys(service.partner.id for service in found))
    known = await sources.partners_by_id(database, ANONYMOUS, ids)
    partners = {partner.id: partner for partner in known if partner is not None}
    return [
        (partners[service.partner.id], service)
        for service in found
        if service.partner.id in partners  # else it was hidden in between
    ]


async def _one_by_one(rows: Sequence[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row


def _written(rows: Sequence[Row], suffix: str, meant: Mapping[str, str]) -> bytes:
    write: Callable[..., Any] = write_csv if suffix == "csv" else write_xlsx
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"list.{suffix}")
        asyncio.run(write(path, _one_by_one(rows), meant=meant))
        return path.read_bytes()
