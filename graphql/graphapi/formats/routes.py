"""Where entries are read in other formats: /partners/<id>.<format> and /services/<id>.<format>.

For everybody, so only what is published; nothing is read but through the role reader. A changed entry has
another ETag; what is unknown, hidden or foreign is the same 404, and what was published once and has ended is
a 410, as on the pages and at /hsds/: who keeps a copy may drop it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from hashlib import sha256
from typing import Annotated, Any, Final, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter, QueryParameter

from directory import sources
from directory.actors import ANONYMOUS
from directory.database import Unavailable
from directory.days import ZONE, local_day
from directory.documents import DocumentKind, PartnerDocument, ServiceDocument, encoder
from directory.published_feed import gone
from graphapi.context import Services
from graphapi.formats import calendar, handout, json_ld, vcard
from graphapi.messages import preferred_languages
from graphapi.rendered import Rendered
from referrals.printing import NotPrintable

MOST_HANDOUT_BYTES: Final = 8_000_000
"""How much of the handouts made last is kept; each is some 40 kB, and setting its page some 20 ms of work."""

MOST_SERVICES: Final = 30
"""Services that are read for the handout of a partner."""

PUBLIC: Final = "public, max-age=300"

File: TypeAlias = Annotated[str, PathParameter(max_length=60)]
Language: TypeAlias = Annotated[str | None, QueryParameter(max_length=35)]
T = TypeVar("T")

AnyRequest: TypeAlias = Request[Any, Any, State]


def routes(services: Services) -> list[HTTPRouteHandler]:
    """Return the handlers; ``services`` is what all requests share."""
    handouts, one_at_a_time = Rendered(MOST_HANDOUT_BYTES), asyncio.Semaphore(1)
    database = services.database

    def address(kind: str, id_: UUID) -> str:
        return json_ld.address(services.public_url, kind, id_)

    async def published(kind: DocumentKind, id_: UUID, reading: Awaitable[T | None]) -> T:
        if (found := await _all_there(reading)) is not None:
            return found
        if await _all_there(gone(database, kind, id_)):
            raise HTTPException(status_code=410, detail="This entry has ended.")
        raise NotFoundException(detail="No such entry.")

    async def partner(id_: UUID) -> PartnerDocument:
        return await published(DocumentKind.PARTNER, id_, sources.partner(database, ANONYMOUS, id_))

    async def service(id_: UUID) -> ServiceDocument:
        return await published(DocumentKind.SERVICE, id_, sources.service(database, ANONYMOUS, id_))

    async def reachable(id_: UUID) -> ServiceDocument:
        """Return a service; one that names no contact is reached where its partner is."""
        found = await service(id_)
        if found.contact_points:
            return found
        keeper = await partner(found.partner.id)
        return msgspec.structs.replace(found, contact_points=keeper.contact_points)

    async def handed_out(
        request: AnyRequest, key: tuple[bytes, str, date], made: Callable[[], bytes]
    ) -> Response[bytes]:
        """Answer with a handout, made anew only if something that it says is new."""
        try:
            async with one_at_a_time:
                page = await asyncio.to_thread(handouts.give, key, made)
        except NotPrintable:
            raise HTTPException(
                status_code=422, detail="This entry has a character that cannot be printed."
            ) from None
        return _answer(request, page, handout.MEDIA_TYPE)

    @get("/partners/{file:str}")
    async def partner_file(file: File, request: AnyRequest, language: Language = None) -> Response[bytes]:
        """Give a partner as .jsonld, .vcf (vCard 4.0), .ics (opening hours) or .pdf (handout)."""
        if (page := _page("partner", file)) is not None:
            return page
        id_, suffix = _parsed(file)
        at = database.clock()
        spoken = _spoken(request, language)
        if suffix == "jsonld":
            keeper = await partner(id_)
            entry = json_ld.of_partner(keeper, address("partners", keeper.id))
            return _answer(request, json_ld.encode(entry), json_ld.MEDIA_TYPE)
        if suffix == "vcf":
            keeper = await partner(id_)
            card = vcard.of_partner(keeper, address("partners", keeper.id))
            return _answer(request, card, vcard.MEDIA_TYPE)
        if suffix == "ics":
            midnight = at.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
            return _answer(
                request, calendar.of_partner(await partner(id_), spoken, midnight), calendar.MEDIA_TYPE
            )
        if suffix == "pdf":
            found, today = await partner(id_), local_day(at)
            offered = await _all_there(
                sources.services_by_partner(database, ANONYMOUS, [found.id], first=MOST_SERVICES)
            )
            more = address("partners", found.id) if services.public_url else None
            shown = offered[0].nodes
            return await handed_out(
                request,
                (sha256(b"".join(encoder.encode(one) for one in (found, *shown))).digest(), spoken, today),
                lambda: handout.of_partner(found, shown, spoken, more, today),
            )
        raise NotFoundException(detail="The formats of a partner are .jsonld, .vcf, .ics and .pdf.")

    @get("/services/{file:str}")
    async def service_file(file: File, request: AnyRequest, language: Language = None) -> Response[bytes]:
        """Give a service as .jsonld, .vcf (vCard 4.0), .ics (hours and runs) or .pdf (handout)."""
        if (page := _page("service", file)) is not None:
            return page
        id_, suffix = _parsed(file)
        at = database.clock()
        spoken = _spoken(request, language)
        if suffix == "jsonld":
            found = await service(id_)
            keeper = address("partners", found.partner.id)
            entry = json_ld.of_service(found, address("services", found.id), keeper)
            return _answer(request, json_ld.encode(entry), json_ld.MEDIA_TYPE)
        if suffix == "vcf":
            found = await reachable(id_)
            card = vcard.of_service(found, address("services", found.id), spoken)
            return _answer(request, card, vcard.MEDIA_TYPE)
        if suffix == "ics":
            midnight = at.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
            return _answer(
                request, calendar.of_service(await service(id_), spoken, midnight), calendar.MEDIA_TYPE
            )
        if suffix == "pdf":
            found, today = await reachable(id_), local_day(at)
            more = address("services", found.id) if services.public_url else None
            return await handed_out(
                request,
                (sha256(encoder.encode(found)).digest(), spoken, today),
                lambda: handout.of_service(found, spoken, more, today),
            )
        raise NotFoundException(detail="The formats of a service are .jsonld, .vcf, .ics and .pdf.")

    return [partner_file, service_file]


async def _all_there(reading: Awaitable[T]) -> T:
    try:
        return await reading
    except Unavailable:
        raise HTTPException(status_code=503, detail="Try again in a moment.") from None


def _page(kind: str, file: str) -> Response[bytes] | None:
    """Lead who names no format to the page for people: an entry's own address is one to look at."""
    try:
        return Response(b"", status_code=303, headers={"location": f"/{kind}/{UUID(file)}"})
    except ValueError:
        return None


def _parsed(file: str) -> tuple[UUID, str]:
    name, _, suffix = file.rpartition(".")
    try:
        return UUID(name), suffix
    except ValueError:
        raise NotFoundException(detail="An entry is read at <id>.<format>.") from None


def _spoken(request: AnyRequest, language: str | None) -> str:
    """Return the language of an answer: the one asked for, else the reader's first, else German."""
    preferred = preferred_languages(language or request.headers.get("accept-language"))
    return preferred[0] if preferred else "de"


def _answer(request: AnyRequest, content: bytes, media_type: str) -> Response[bytes]:
    etag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {
        "etag": etag,
        "cache-control": PUBLIC,
        "vary": "accept-language",
        "access-control-allow-origin": "*",
    }
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers=headers, media_type=media_type)
    return Response(content, headers=headers, media_type=media_type)
