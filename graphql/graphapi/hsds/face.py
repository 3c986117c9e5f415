"""The ASGI face at /hsds/: from a request to pages, entries, streams and descriptions of HSDS 3.2.3.

For everybody and for reading only: no token is looked at, and nothing is read but published entries through
the role reader. Pages are built from stored documents; streams hold one chunk at a time.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from email.utils import format_datetime
from hashlib import blake2b
from typing import Any, Final, TypeAlias
from urllib.parse import unquote
from uuid import UUID, uuid4

import msgspec
import structlog
from litestar.types import Receive, Scope, Send

from directory import sources
from directory.days import ZONE
from directory.documents import DocumentKind, PartnerDocument
from directory.hsds import pages, schemas, shapes, terms, writing
from directory.hsds.ids import as_uuid
from directory.hsds.pages import MOST_NESTED, PER_PAGE, Near, ServiceRow, Wanted
from directory.hsds.parts import Reading
from directory.hsds.profile import NAME as GERMAN
from directory.problems import InvalidInput
from directory.sortkey import folded
from directory.values import SourceTerm
from graphapi.context import Services
from graphapi.endpoint import is_unavailable, log_unexpected
from graphapi.hsds.answers import PROBLEM_TYPE, problem
from graphapi.hsds.openapi import DESCRIPTION, extended_names, openapi, profile_info
from graphapi.hsds.parameters import LISTS, LONGEST, SINGLES, Asked, Refused, read_parameters
from graphapi.messages import message_language, preferred_languages
from graphapi.rendered import Rendered
from search.engine import DEEPEST, SearchQuery, SearchUnavailable, first_answer
from search.engine import LARGEST_PAGE as LARGEST_SEARCH
from search.suggesting import in_process

ROOT: Final = "/hsds"
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
RETRY_AFTER_SECONDS: Final = 5
STREAMS: Final = 4
"""How many whole lists a process sends at the same time."""
PIECE_BYTES: Final = 64_000
"""How much of a stream is collected before it is sent."""
MAX_AGE: Final = "public, max-age=60"

_OPEN: Final = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"ETag, Last-Modified, Link, Retry-After"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
    (b"access-control-allow-headers", b"Accept, Accept-Language, Accept-Profile, If-None-Match"),
    (b"access-control-max-age", b"86400"),
)
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")

Row: TypeAlias = shapes.Shape

log: Final = structlog.stdlib.get_logger("hsds")


class Answer(msgspec.Struct, kw_only=True):
    """What goes back: a body, or pieces of one as they are made."""

    body: bytes = b""
    pieces: AsyncGenerator[bytes, None] | None = None
    status: int = 200
    media_type: str = JSON
    modified: datetime | None = None
    headers: list[tuple[bytes, bytes]] = []


class Visit:
    """One request: its path, parameters, languages, and whether the profile is wanted."""

    def __init__(self, scope: Scope, services: Services) -> None:
        self.headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self.method = str(scope.get("method", ""))
        raw = bytes(scope.get("raw_path") or b"").split(b"?")[0].decode("latin-1")
        path = unquote(raw) if raw else str(scope.get("path", ""))
        # the application is mounted: the path may or may not begin with where
        self.path = tuple(part for part in path.removeprefix(ROOT).split("/") if part)
        self.query = bytes(scope.get("query_string", b""))
        self.languages = preferred_languages(self.headers.get("accept-language"))
        self.language = message_language(self.languages)
        self.today = services.database.clock().astimezone(ZONE).date()
        host = self.headers.get("host", "")
        base = services.public_url
        if base is None:
            scheme = "https" if scope.get("scheme") == "https" else "http"
            base = f"{scheme}://{host if _HOST.fullmatch(host) else 'localhost'}"
        self.root = f"{base.rstrip('/')}{ROOT}"

    @property
    def has_body(self) -> bool:
        """Whether something is sent besides the address: it would not be read."""
        length = self.headers.get("content-length", "0").strip()
        return length != "0" or "transfer-encoding" in self.headers

    def asked(self, allowed: tuple[str, ...]) -> Asked:
        """Return the parameters; raises Refused."""
        if len(self.query) > LONGEST:
            raise Refused(414, "query-too-long", maximum=LONGEST)
        return read_parameters(self.query, allowed)

    def reading(self, asked: Asked) -> Reading:
        """Return for whom is written; raises Refused for a profile that there is not."""
        return Reading(today=self.today, languages=self.languages, profile=self._profile(asked))

    def _profile(self, asked: Asked) -> bool:
        known = {GERMAN, f"{self.root}/profile"}
        if asked.profile is not None:
            if asked.profile not in known:
                raise Refused(400, "profile", "profile")
            return True
        # what a header prefers is a wish, not a demand: one that is not known changes nothing
        wished = f"{self.headers.get('accept-profile', '')},{self.headers.get('accept', '')}"
        return f"{self.root}/profile" in wished


class HsdsFace:
    """The face; ``services`` is what all requests share."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.database = services.database
        self._streams = 0
        self._rendered = Rendered()
        self._terms: tuple[tuple[UUID, int], list[SourceTerm]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        visit = Visit(scope, self.services)
        request_id = uuid4().hex
        try:
            answer = await self._answer(visit)
        except Refused as refused:
            answer = _refusal(visit, refused)
        except Exception as error:  # whatever it is, the caller gets JSON, and the server's log no query
            if is_unavailable(error) or isinstance(error, SearchUnavailable):
                answer = _refusal(visit, Refused(503, "unavailable", seconds=RETRY_AFTER_SECONDS))
            else:
                log_unexpected(error, request_id)
                answer = _refusal(visit, Refused(500, "unexpected"))
        if answer.pieces is not None:
            await self._stream(visit, answer, answer.pieces, receive, send)
        else:
            await self._send(visit, answer, send)
        log.info(
            "hsds",
            method=visit.method,
            path=visit.path[0][:40] if visit.path else "",
            status=answer.status,
            request_id=request_id,
            duration_ms=round((time.perf_counter() - began) * 1000, 1),
        )

    async def _send(self, visit: Visit, answer: Answer, send: Send) -> None:
        headers = [*_OPEN, *answer.headers]
        if answer.modified is not None:
            stamp = format_datetime(answer.modified.replace(microsecond=0), usegmt=True)
            headers.append((b"last-modified", stamp.encode()))
        if answer.status == 200:
            etag = f'"{blake2b(answer.body, digest_size=16).hexdigest()}"'
            headers += [
                (b"etag", etag.encode()),
                (b"cache-control", MAX_AGE.encode()),
                (b"vary", b"Accept, Accept-Language, Accept-Profile"),
            ]
            if visit.method != "POST" and _matches(visit.headers.get("if-none-match"), etag):
                answer.status, answer.body = 304, b""
        if answer.status not in {204, 304}:
            headers += [
                (b"content-type", answer.media_type.encode()),
                (b"content-length", str(len(answer.body)).encode()),
            ]
        body = b"" if visit.method == "HEAD" else answer.body
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _stream(
        self,
        visit: Visit,
        answer: Answer,
        pieces: AsyncGenerator[bytes, None],
        receive: Receive,
        send: Send,
    ) -> None:
        """Send the pieces as they are made, until the caller has gone.

        What fails on the way breaks the answer off, so that nobody takes a part for the whole.
        """
        headers = [
            *_OPEN,
            *answer.headers,
            (b"content-type", answer.media_type.encode()),
            (b"cache-control", b"no-store"),
            (b"vary", b"Accept, Accept-Language, Accept-Profile"),
        ]
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if visit.method != "HEAD":
                piece = answer.body
                while piece and not gone.done():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    piece = await anext(pieces, b"")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._streams -= 1
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            await pieces.aclose()

    async def _answer(self, visit: Visit) -> Answer:
        if visit.method == "OPTIONS":
            return Answer(status=204, headers=[(b"allow", _methods(visit.path).encode()), *_PREFLIGHT])
        if visit.method not in _methods(visit.path).split(", "):
            raise Refused(405, "method", methods=_methods(visit.path))
        if visit.method == "POST" and visit.has_body:
            raise Refused(400, "body")
        match visit.path:
            case ():
                visit.asked(())
                return _json(
                    {
                        "version": shapes.VERSION,
                        "profile": f"{visit.root}/profile",
                        "openapi_url": f"{visit.root}/openapi.json",
                        "description": DESCRIPTION,
                    }
                )
            case ("openapi.json",):
                return _json(openapi(visit.root))
            case ("profile" | "schema" as folder, *rest):
                return _described(visit, folder, rest)
            case (name,) if name in LISTS:
                return await self._list(visit, name)
            case (name, id_) if name in SINGLES:
                return await self._single(visit, name, id_)
        raise Refused(404, "not-found")

    # --- Lists --------------------------------------------------------------------------------------------

    async def _list(self, visit: Visit, name: str) -> Answer:
        asked = visit.asked(LISTS[name])
        reading = visit.reading(asked)
        match name:
            case "services":
                answer = await self._services(asked, reading)
            case "service_at_locations":
                answer = await self._at_locations(asked, reading)
            case "organizations":
                answer = await self._organizations(asked, reading)
            case "taxonomies":
                found = terms.taxonomies(await self._foreign_terms(), reading.languages)
                answer = await self._vocabulary(asked, found)
            case _:
                answer = await self._vocabulary(asked, await self._all_terms(asked, reading))
        return _profiled(visit, reading, answer)

    async def _found(
        self, asked: Asked, reading: Reading
    ) -> tuple[tuple[UUID, ...] | None, tuple[UUID, ...]]:
        """Return all services that a search finds, and the best of them in order; None: not searched.

        Searches give their best 1,000 in order. Where they find more, the index in this process tells the
        rest, so that every other filter chooses among all of them and no page is the last one too early.
        """
        if asked.search is None:
            return None, ()
        best: dict[UUID, None] = {}
        after: str | None = None
        total = 0
        while len(best) < DEEPEST:
            query = SearchQuery(
                today=reading.today,
                text=asked.search,
                language=reading.languages[0] if reading.languages else "de",
                highlights=False,
                first=LARGEST_SEARCH,
                after=after,
            )
            try:
                result = await asyncio.to_thread(first_answer, self.services.engines, query)
            except InvalidInput:
                raise Refused(400, "search", "search") from None
            total = max(total, result.total)
            best.update(dict.fromkeys(hit.id for hit in result.hits))
            if not result.more or not result.hits:
                break
            after = result.hits[-1].cursor
        if total <= len(best):
            return tuple(best), tuple(best)
        engine = in_process(self.services.engines)
        every = await asyncio.to_thread(engine.every_id, msgspec.structs.replace(query, after=None))
        return tuple({**best, **dict.fromkeys(every)}), tuple(best)

    async def _wanted(self, asked: Asked, reading: Reading) -> Wanted:
        found, best = await self._found(asked, reading)
        wanted = Wanted(
            found=found,
            best=best,
            terms=(*asked.taxonomy_term_id, *asked.taxonomy_id),
            organization_id=asked.organization_id,
            modified_after=asked.modified_after,
        )
        if asked.postcode is not None:
            place = await pages.postcode(self.database, asked.postcode)
            if asked.proximity is None:
                if place is None or not place.territories:
                    raise Refused(400, "postcode-unknown", "postcode")
                wanted = msgspec.structs.replace(wanted, territories=place.territories)
            else:
                if place is None or place.latitude is None or place.longitude is None:
                    raise Refused(400, "postcode-unknown", "postcode")
                near = Near(latitude=place.latitude, longitude=place.longitude, metres=asked.proximity)
                wanted = msgspec.structs.replace(wanted, near=near)
        return wanted

    def _written(
        self, how: str, row: ServiceRow, reading: Reading, shown: Callable[[ServiceRow], Row]
    ) -> msgspec.Raw:
        """Return an entry as it is sent; written anew only if something that it says is new."""
        key = (how, row.digest, reading)
        return msgspec.Raw(self._rendered.give(key, lambda: shapes.encoder.encode(shown(row))))

    async def _services(self, asked: Asked, reading: Reading) -> Answer:
        wanted = await self._wanted(asked, reading)
        write = writing.full_service if asked.full else writing.listed_service
        if asked.minimal:

            def shown(row: ServiceRow) -> Row:
                return writing.brief_service(row.service, row.partner, reading)

        else:

            def shown(row: ServiceRow) -> Row:
                return write(row.service, row.partner, reading)

        if asked.ndjson or asked.all_at_once:
            chunks = pages.services_in_chunks(self.database, wanted)
            rows = (map(shown, chunk) async for chunk in chunks)  # one at a time, not a chunk
            return await self._streamed(asked, rows)
        page, per_page = _paging(asked)
        found = await pages.services(self.database, wanted, page=page, per_page=per_page)
        how = "brief" if asked.minimal else write.__name__
        return _page(
            [self._written(how, row, reading, shown) for row in found.rows],
            found.total,
            page,
            per_page,
            _youngest(row.modified_at for row in found.rows),
        )

    async def _at_locations(self, asked: Asked, reading: Reading) -> Answer:
        wanted = await self._wanted(asked, reading)
        write = writing.full_at_location if asked.full else writing.listed_at_location

        def shown(row: ServiceRow) -> Row:
            return write(row.service, row.place, row.partner, reading)

        if asked.ndjson:
            chunks = pages.at_locations_in_chunks(self.database, wanted)
            rows = (map(shown, chunk) async for chunk in chunks)  # one at a time, not a chunk
            return await self._streamed(asked, rows)
        page, per_page = _paging(asked)
        found = await pages.at_locations(self.database, wanted, page=page, per_page=per_page)
        return _page(
            [self._written(write.__name__, row, reading, shown) for row in found.rows],
            found.total,
            page,
            per_page,
            _youngest(row.modified_at for row in found.rows),
        )

    async def _organizations(self, asked: Asked, reading: Reading) -> Answer:
        wanted = Wanted(words=asked.search, terms=(*asked.taxonomy_term_id, *asked.taxonomy_id))
        nested = asked.full or asked.full_service

        async def shown(rows: Sequence[PartnerDocument]) -> list[Row]:
            if not nested:
                return [writing.listed_organization(row, reading) for row in rows]
            return await self._with_services(rows, reading, in_full=asked.full_service)

        if asked.ndjson:
            # fewer at once where each brings its services along
            chunks = pages.organizations_in_chunks(self.database, wanted, chunk=1 if nested else pages.CHUNK)
            rows = _each(chunks, shown)
            return await self._streamed(asked, rows)
        page, per_page = _paging(asked)
        found = await pages.organizations(self.database, wanted, page=page, per_page=per_page)
        return _page(
            await shown(found.rows),
            found.total,
            page,
            per_page,
            _youngest(row.updated_at for row in found.rows),
        )

    async def _with_services(
        self,
        rows: Sequence[PartnerDocument],
        reading: Reading,
        *,
        in_full: bool,
        most: int | None = MOST_NESTED,
    ) -> list[Row]:
        try:
            services = await pages.services_of(self.database, [row.id for row in rows], most=most)
        except pages.TooManyNested:
            raise Refused(400, "too-many-services", maximum=MOST_NESTED) from None
        return [
            writing.full_organization(
                row,
                reading,
                [
                    writing.full_service(service, row, reading, organization=False)
                    if in_full
                    else writing.brief_service(service, row, reading)
                    for service in services[row.id]
                ],
            )
            for row in rows
        ]

    async def _foreign_terms(self) -> list[SourceTerm]:
        """Return the terms of sources; looked up again only when a document has changed."""
        state = await pages.state(self.database)
        if self._terms is None or self._terms[0] != state:
            self._terms = (state, await pages.foreign_terms(self.database))
        return self._terms[1]

    async def _all_terms(self, asked: Asked, reading: Reading) -> list[shapes.TaxonomyTerm]:
        topics = await sources.topics(self.database)
        found = [
            *(
                terms.topic_term(topic.code, topic.labels, reading.languages, topic.parent)
                for topic in topics
            ),
            *terms.word_terms(reading.languages),
            *(terms.source_term(term) for term in await self._foreign_terms()),
        ]
        taxonomies = {
            taxonomy.id: taxonomy
            for taxonomy in terms.taxonomies(await self._foreign_terms(), reading.languages)
        }
        return [
            msgspec.structs.replace(term, taxonomy_detail=taxonomies.get(str(term.taxonomy_id)))
            for term in found
            if (not asked.taxonomy_id or {str(term.taxonomy_id)} == set(asked.taxonomy_id))
            and not (asked.top_only and term.parent_id is not None)
            and asked.parent_id in {None, term.parent_id}
        ]

    async def _vocabulary(
        self, asked: Asked, given: Sequence[shapes.Taxonomy] | Sequence[shapes.TaxonomyTerm]
    ) -> Answer:
        words = folded(asked.search or "").split()
        found = [one for one in given if not words or _says(one, words)]
        if asked.ndjson:

            async def rows() -> AsyncIterator[Iterable[Row]]:
                yield list(found)

            return await self._streamed(asked, rows())
        page, per_page = _paging(asked)
        return _page(found[(page - 1) * per_page : page * per_page], len(found), page, per_page, None)

    async def _streamed(self, asked: Asked, rows: AsyncIterator[Iterable[Row]]) -> Answer:
        """Return a stream: lines, or one page of everything whose totals stand at its end."""
        if self._streams >= STREAMS:
            raise Refused(503, "busy", seconds=RETRY_AFTER_SECONDS)
        self._streams += 1  # given back at the end of ``_stream``
        pieces = _lines(rows) if asked.ndjson else _one_page(rows)
        try:
            # the first piece before the status: what cannot begin is a problem, not half an answer
            first = await anext(pieces, b"")
        except BaseException:
            self._streams -= 1
            raise
        return Answer(body=first, pieces=pieces, media_type=NDJSON if asked.ndjson else JSON)

    # --- Single entries -----------------------------------------------------------------------------------

    async def _single(self, visit: Visit, name: str, given: str) -> Answer:
        asked = visit.asked(SINGLES[name])
        reading = visit.reading(asked)
        id_ = as_uuid(given)
        if id_ is None:
            raise Refused(404, "not-found")
        found: Row | None = None
        modified: datetime | None = None
        kind: DocumentKind | None = None
        match name:
            case "services":
                row, kind = await pages.service(self.database, id_), DocumentKind.SERVICE
                if row is not None:
                    found = writing.full_service(row.service, row.partner, reading)
                    modified = row.service.updated_at
            case "service_at_locations":
                row = await pages.at_location(self.database, id_)
                if row is not None:
                    found = writing.full_at_location(row.service, row.place, row.partner, reading)
                    modified = row.service.updated_at
            case "organizations":
                partner, kind = await pages.organization(self.database, id_), DocumentKind.PARTNER
                if partner is not None:
                    most = MOST_NESTED if asked.full_service else None
                    nested = await self._with_services(
                        [partner], reading, in_full=asked.full_service, most=most
                    )
                    found, modified = nested[0], partner.updated_at
            case "taxonomies":
                taxonomies = terms.taxonomies(await self._foreign_terms(), reading.languages)
                found = next((one for one in taxonomies if one.id == str(id_)), None)
            case _:
                every = await self._all_terms(Asked(), reading)
                found = next((one for one in every if one.id == str(id_)), None)
        if found is None:
            end = False if kind is None else await pages.ended(self.database, kind, id_)
            if isinstance(end, UUID):
                query = f"?{visit.query.decode('ascii')}" if visit.query else ""
                return Answer(
                    status=301, headers=[(b"location", f"{visit.root}/{name}/{end}{query}".encode())]
                )
            raise Refused(410, "gone") if end else Refused(404, "not-found")
        return _profiled(visit, reading, Answer(body=shapes.encoder.encode(found), modified=modified))


# --- Parts of answers -------------------------------------------------------------------------------------


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _matches(given: str | None, etag: str) -> bool:
    if given is None:
        return False
    return given.strip() == "*" or etag in (one.strip().removeprefix("W/") for one in given.split(","))


def _json(value: object, media_type: str = JSON) -> Answer:
    return Answer(body=msgspec.json.encode(value), media_type=media_type)


def _methods(path: tuple[str, ...]) -> str:
    """Return how a path is asked; HSDS lets its lists be asked with POST too, parameters in the address."""
    return f"GET, HEAD, {'POST, ' if len(path) == 1 and path[0] in LISTS else ''}OPTIONS"


def _refusal(visit: Visit, refused: Refused) -> Answer:
    headers: list[tuple[bytes, bytes]] = [(b"cache-control", b"no-store")]
    if refused.status == 405:
        headers.append((b"allow", _methods(visit.path).encode()))
    if refused.status == 503:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    return Answer(
        status=refused.status,
        body=problem(refused, visit.language),
        media_type=PROBLEM_TYPE,
        headers=headers,
    )


def _profiled(visit: Visit, reading: Reading, answer: Answer) -> Answer:
    """Say in the headers that the profile was followed."""
    if reading.profile:
        profile = f"{visit.root}/profile"
        if answer.media_type == JSON:
            answer.media_type = f'{JSON}; profile="{profile}"'
        answer.headers = [*answer.headers, (b"link", f'<{profile}>; rel="profile"'.encode())]
    return answer


def _paging(asked: Asked) -> tuple[int, int]:
    return asked.page or 1, asked.per_page or PER_PAGE


def _youngest(moments: Iterable[datetime]) -> datetime | None:
    return max(moments, default=None)


def _page(
    rows: Sequence[Row | msgspec.Raw],
    total: int,
    page: int,
    per_page: int,
    modified: datetime | None,
) -> Answer:
    pages_in_all = -(-total // per_page)
    envelope = shapes.Page(
        total_items=total,
        total_pages=pages_in_all,
        page_number=page,
        size=len(rows),
        first_page=page == 1,
        last_page=page >= pages_in_all,
        empty=not rows,
        contents=rows,
    )
    return Answer(body=shapes.encoder.encode(envelope), modified=modified)


def _says(one: shapes.Taxonomy | shapes.TaxonomyTerm, words: Sequence[str]) -> bool:
    code = one.code if isinstance(one, shapes.TaxonomyTerm) else None
    text = folded(" ".join([one.name, one.description, code or ""]))
    return all(word in text for word in words)


async def _each(
    chunks: AsyncIterator[list[PartnerDocument]],
    shown: Callable[[Sequence[PartnerDocument]], Awaitable[list[Row]]],
) -> AsyncIterator[Iterable[Row]]:
    async for chunk in chunks:
        yield await shown(chunk)


async def _lines(rows: AsyncIterator[Iterable[Row]]) -> AsyncGenerator[bytes, None]:
    """Yield one JSON object a line, in pieces."""
    piece = bytearray()
    async for chunk in rows:
        for row in chunk:
            piece += shapes.encoder.encode(row)
            piece += b"\n"
            if len(piece) >= PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
    if piece:
        yield bytes(piece)


async def _one_page(rows: AsyncIterator[Iterable[Row]]) -> AsyncGenerator[bytes, None]:
    """Yield one page of everything; its totals come last, when they are known."""
    piece = bytearray(b'{"contents":[')
    count = 0
    async for chunk in rows:
        for row in chunk:
            if count:
                piece += b","
            piece += shapes.encoder.encode(row)
            count += 1
            if len(piece) >= PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
    totals = {
        "total_items": count,
        "total_pages": 1 if count else 0,
        "page_number": 1,
        "size": count,
        "first_page": True,
        "last_page": True,
        "empty": not count,
    }
    piece += b"]," + msgspec.json.encode(totals)[1:]
    yield bytes(piece)


# --- The profile ------------------------------------------------------------------------------------------


def _described(visit: Visit, folder: str, rest: Sequence[str]) -> Answer:
    """Return the profile or its schemas: an index, or one document of them."""
    base = f"{visit.root}/{folder}"
    if not rest:
        return _json(_index(visit) if folder == "profile" else _schemas(base))
    name, dot, ending = rest[0].partition(".")
    if len(rest) > 1 or not dot or ending != "json":
        raise Refused(404, "not-found")
    try:
        if folder == "schema":
            return _json(
                schemas.described(schemas.profile_schema(name), f"{base}/"), "application/schema+json"
            )
        patch = profile_info(visit.root) if name == "openapi" else schemas.patch(name)
    except KeyError:
        raise Refused(404, "not-found") from None
    return _json(patch, "application/merge-patch+json")


def _schemas(base: str) -> dict[str, Any]:
    return {"schemas": {name: f"{base}/{name}.json" for name in schemas.schema_names()}}


def _index(visit: Visit) -> dict[str, Any]:
    """Return what the profile is: ask for it with ``profile=de``."""
    base = f"{visit.root}/profile"
    return {
        "name": GERMAN,
        "title": "German profile of HSDS: residence status, municipality key, provenance, translations",
        "hsds_version": shapes.VERSION,
        "hsds_schemas": schemas.SPECIFICATION,
        "description": (
            "JSON Merge Patches (RFC 7386) for the published schemas of HSDS. The profile adds members and "
            "changes none: what is served without it is plain HSDS, and what is served with it is valid for "
            "whoever ignores members that they do not know. Ask with profile=de or with the header "
            f"Accept-Profile: <{base}>."
        ),
        "patches": {name: f"{base}/{name}.json" for name in (*extended_names(), "openapi")},
        **_schemas(f"{visit.root}/schema"),
        "openapi_url": f"{visit.root}/openapi.json",
    }
