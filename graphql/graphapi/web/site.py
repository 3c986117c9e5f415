"""Serves the pages: from a request to who visits, through the guards to the handler, and back with headers.

What is logged names the route, never the address, and nothing that somebody typed.
"""

from __future__ import annotations

import asyncio
import gzip
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote

import strawberry
import structlog
from litestar import HttpMethod, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ControllerRouterHandler

from directory import sessions
from directory.languages import direction
from graphapi.addresses import client_address
from graphapi.context import Services
from graphapi.endpoint import is_unavailable, log_unexpected
from graphapi.endpoint import wants_page as wants_html
from graphapi.messages import message_language, preferred_languages
from graphapi.web import guarding
from graphapi.web.assets import Assets
from graphapi.web.conflicting import Conflict, conflict_of, settled
from graphapi.web.rendering import Pages, naming_fields
from graphapi.web.routes import ROUTES, Route, load_pages, navigation
from graphapi.web.running import Operations, Stopped
from graphapi.web.signing_on import SignOnClient
from graphapi.web.translations import LANGUAGES
from graphapi.web.visiting import Answer, Fields, Me, Visit

SIGN_IN: Final = "/sign-in"
SMALL: Final = 1_000
"""Bytes of a page that are not worth packing."""
NAMES: Final = {"de": "Deutsch", "en": "English"}
log: Final = structlog.stdlib.get_logger("web")
_REQUEST: Final = Request[Any, Any, State]
_RESPONSE: Final = Response[bytes]


class Site:
    """All that the pages share: services, operations, templates, files, cookies."""

    def __init__(
        self, schema: strawberry.Schema, services: Services, opened: Callable[[], Awaitable[None]]
    ) -> None:
        self.services = services
        self.options = services.web
        self.operations = Operations(schema, services)
        self.pages = Pages()
        self.assets = Assets(self.options.assets)
        self.cookies = guarding.Cookies(secure=self.options.secure)
        self.key = hmac.digest(services.address_key, b"spurwechsel pages", "sha256")
        self.sign_on = (
            SignOnClient(self.options.sign_on, services.public_url)
            if self.options.sign_on and services.public_url
            else None
        )
        self._opened = opened
        load_pages()

    # --- Litestar ---------------------------------------------------------------------------------------

    def handlers(self) -> list[ControllerRouterHandler]:
        """Return the routes of all pages and of their files."""
        made: list[ControllerRouterHandler] = [self._asset_route()]
        made += [self._handler(route) for route in ROUTES.values()]
        return made

    def _handler(self, route: Route) -> HTTPRouteHandler:
        async def handle(request: Request[Any, Any, State]) -> Response[bytes]:
            return await self._serve(request, route)

        handle.__name__ = f"{route.method.lower()}_{getattr(route.handler, '__name__', 'page')}"
        handle.__annotations__ = {"request": _REQUEST, "return": _RESPONSE}  # else compiled for each of them
        methods = [HttpMethod.GET, HttpMethod.HEAD] if route.method == "GET" else [HttpMethod.POST]
        return HTTPRouteHandler(route.path, http_method=methods, status_code=200)(handle)

    def _asset_route(self) -> HTTPRouteHandler:
        async def asset(request: Request[Any, Any, State]) -> Response[bytes]:
            name = request.path_params["path"].lstrip("/")
            found = self.assets.get(name)
            if found is None or not request.url.path.startswith(f"{self.assets.root}/"):
                raise NotFoundException
            headers = {
                "cache-control": "public, max-age=31536000, immutable",
                "x-content-type-options": "nosniff",
                "vary": "Accept-Encoding",
            }
            content = found.content
            if found.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
                content, headers["content-encoding"] = found.packed, "gzip"
            return Response(content, media_type=found.kind, headers=headers)

        return HTTPRouteHandler("/assets/{release:str}/{path:path}", http_method=["GET"])(asset)

    def refused(self, request: Request[Any, Any, State], error: HTTPException) -> Response[Any]:
        """Answer what no route took (404, 405): with a page, where somebody looks with a browser."""
        if request.method not in {"GET", "HEAD"} or not wants_html(request.headers.get("accept")):
            content = {"status_code": error.status_code, "detail": error.detail}
            return Response(content, status_code=error.status_code, headers=error.headers)
        visit = self._visit(request)
        return self._sent(visit, self.problem(visit, Stopped(404, "NOT_FOUND")))

    # --- A request --------------------------------------------------------------------------------------

    def _visit(self, request: Request[Any, Any, State]) -> Visit:
        headers = {name.lower(): value for name, value in request.headers.items()}
        languages = preferred_languages(headers.get("accept-language"))
        raw = request.scope.get("query_string", b"")
        try:
            query = Fields.read(raw.decode("ascii"))
        except ValueError:
            query = Fields([])
        client = request.scope.get("client")
        return Visit(
            self,
            method="GET" if request.method == "HEAD" else request.method,
            path=request.url.path,
            query=query,
            headers=headers,
            cookies=request.cookies,
            address=client_address(client[0] if client else None, headers, self.services.trusted_proxies),
            languages=tuple(languages),
            accepted=message_language(languages),
        )

    async def _serve(self, request: Request[Any, Any, State], route: Route) -> Response[bytes]:
        began = time.perf_counter()
        visit = self._visit(request)
        problem = route.stopped or self.problem
        try:
            answer = await self._answer(visit, request, route)
        except Stopped as stopped:
            answer = problem(visit, stopped)
        except Exception as error:
            if is_unavailable(error):
                answer = problem(visit, Stopped(503, "UNAVAILABLE"))
            else:
                log_unexpected(error, visit.request_id)
                answer = problem(visit, Stopped(500, "UNEXPECTED"))
        response = self._sent(visit, answer, head=request.method == "HEAD")
        log.info(
            "page",
            route=route.path,
            method=request.method,
            status=answer.status,
            role=visit.actor.role.value,
            request_id=visit.request_id,
            duration_ms=round((time.perf_counter() - began) * 1000, 1),
        )
        return response

    async def _answer(self, visit: Visit, request: Request[Any, Any, State], route: Route) -> Answer:
        await self._opened()
        await self._recognise(visit)
        if route.method == "POST":
            if not guarding.of_this_site(visit.headers):
                raise Stopped(403, "FOREIGN_FORM")
            visit.form = settled(await self._form(request))
            if not visit.proves(visit.form.get("number") or visit.headers.get("x-form-number", "")):
                raise Stopped(403, "FOREIGN_FORM")
        if visit.actor.role not in route.roles:
            if not visit.actor.signed_in:
                raise Stopped(401, "NOT_SIGNED_IN")
            raise Stopped(403, "NOT_ALLOWED")
        if visit.actor.signed_in and not visit.partial:
            await self._introduce(visit)
        answer: Answer = await route.handler(visit, **request.path_params)
        return answer

    async def _recognise(self, visit: Visit) -> None:
        secret = visit.cookies.get(self.cookies.session, "")
        if not guarding.is_secret(secret):
            return
        actor = await sessions.holder(self.services.database, secret, idle=self.options.idle)
        if actor is None:
            visit.set_cookies.append(self.cookies.drop(self.cookies.session))
            return
        visit.actor, visit.session = actor, secret

    async def _introduce(self, visit: Visit) -> None:
        me = (await visit.ask("who-am-i"))["me"]
        visit.me = Me(
            role=me["role"],
            name=(me["member"] or {}).get("name", ""),
            organisation=(me["partner"] or {}).get("name", ""),
            administers=me["administers"],
        )

    async def _form(self, request: Request[Any, Any, State]) -> Fields:
        limits = self.services.limits
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise Stopped(415, "FORM_NOT_READ")
        body = b""
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for part in request.stream():
                    body += part
                    if len(body) > limits.body_bytes:
                        raise Stopped(413, "FORM_TOO_LONG")
        except TimeoutError:
            raise Stopped(408, "FORM_LATE") from None
        try:
            return Fields.read(body.decode("ascii"))
        except ValueError:
            raise Stopped(400, "FORM_NOT_READ") from None

    # --- An answer --------------------------------------------------------------------------------------

    def render(self, visit: Visit, template: str, values: dict[str, Any]) -> str:
        """Return a template filled in, with what every page has."""
        shared = {
            "visit": visit,
            "me": visit.me,
            "signed_in": visit.actor.signed_in,
            "language": visit.language,
            "languages": [(tag, NAMES[tag]) for tag in LANGUAGES],
            "direction_of_page": direction(visit.language),
            "navigation": navigation(visit.actor.role),
            "assets": self.assets,
            "demo": self.options.demo,
            "today": visit.today,
        }
        page = self.pages.render(template, visit.language, {**shared, **values})
        return naming_fields(page) if visit.errors else page

    def conflict(self, visit: Visit, template: str, values: dict[str, Any]) -> Conflict | None:
        """Return what differs between the form that was sent and the same page as it is now, if it has it."""
        sent, errors = visit.form, visit.errors
        visit.form, visit.errors = Fields([]), {}
        try:
            page = self.render(visit, template, values)
        finally:
            visit.form, visit.errors = sent, errors
        return conflict_of(page, visit.path, sent)

    def problem(self, visit: Visit, stopped: Stopped) -> Answer:
        """Return the page that says what is wrong and what to do next; who must sign in is led there."""
        if stopped.status == 401 and visit.method == "GET":
            goal = f"{SIGN_IN}?next={quote(visit.here, safe='')}"
            if visit.partial:
                return Answer(status=401, headers={"hx-redirect": goal}, personal=True)
            return Answer(status=303, headers={"location": goal}, personal=True)
        body = self.render(visit, "problem.html", {"stopped": stopped, "said": ""})
        headers = {"vary": "Accept-Language, Cookie"}
        if stopped.status == 503:
            headers["retry-after"] = "5"
        return Answer(status=stopped.status, body=body, headers=headers, personal=True)

    def _sent(self, visit: Visit, answer: Answer, *, head: bool = False) -> Response[bytes]:
        content = answer.body.encode() if isinstance(answer.body, str) else answer.body
        personal = answer.personal or bool(visit.set_cookies)
        headers = {
            **guarding.HEADERS,
            "cache-control": guarding.PERSONAL if personal else guarding.SHARED,
            "x-request-id": visit.request_id,
            **answer.headers,
        }
        if not personal and not visit.numbered and len(content) > SMALL:
            # Never a page with a secret: how well it packs would tell of it (BREACH).
            headers["vary"] = ", ".join(filter(None, (headers.get("vary"), "Accept-Encoding")))
            if "gzip" in visit.headers.get("accept-encoding", ""):
                content = gzip.compress(content, 4, mtime=0)
                headers["content-encoding"] = "gzip"
        return Response(
            b"" if head else content,
            status_code=answer.status,
            media_type=answer.kind,
            headers=headers,
            cookies=visit.set_cookies,
        )
