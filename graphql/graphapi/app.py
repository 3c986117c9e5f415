"""The application: Litestar around the GraphQL endpoint, the query page and the health checks.

``create_app`` is what servers load (``granian --factory graphapi.app:create_app``). It starts and stops what
all requests share; nothing here decides anything about the domain.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Annotated, Any, Final

from litestar import Litestar, Request, Response, asgi, get
from litestar.datastructures import ResponseHeader, State
from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.params import PathParameter
from litestar.types import Receive, Scope, Send

from directory.actors import Actor
from directory.database import Database, Unavailable
from directory.membership import authenticate
from graphapi import query_page
from graphapi.addresses import networks
from graphapi.answer_page import AnswerPages
from graphapi.connecting import key_store, master_key_text
from graphapi.context import Services
from graphapi.endpoint import GraphQLEndpoint, log_unexpected
from graphapi.feed_route import feed_of
from graphapi.formats.lists import routes as lists_of
from graphapi.formats.routes import routes as formats_of
from graphapi.health import Readiness, metrics, readiness
from graphapi.hsds.face import ROOT as HSDS
from graphapi.hsds.face import HsdsFace
from graphapi.limits import Limits
from graphapi.logs import configure_logging
from graphapi.mailbox_page import MailboxPages
from graphapi.migrating import newest_revision
from graphapi.opening import Opening
from graphapi.saved_searches import MAILBOX
from graphapi.schema import schema
from graphapi.searching import engines_of
from graphapi.settings import Environment, Settings, SettingsRefused, read_settings
from graphapi.subscriptions import Bounds, SubscriptionsFace
from graphapi.types.answer_link import PATH
from graphapi.types.upkeep import UPKEEP
from graphapi.upkeep_page import UpkeepPages
from graphapi.watching import Watchers
from graphapi.web.options import Options, SignOn, Tiles
from graphapi.web.site import Site
from search.engine import PASSED_OVER
from search.follower import Follower
from search.unmet import Tally

FOLLOW_AGAIN_SECONDS: Final = 5.0
COUNT_SECONDS: Final = 60.0
"""How often searches without a hit that were counted in memory are written."""

SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}


def address_key(settings: Settings) -> bytes:
    """Return the key that client addresses are hashed with: of the master key, so alike in all processes."""
    master = base64.b64decode(master_key_text(settings))
    return hmac.digest(master, b"spurwechsel client addresses", "sha256")


def unmet_key(settings: Settings) -> bytes:
    """Return the key that tells who was counted as finding nothing: of the master key, alike everywhere."""
    master = base64.b64decode(master_key_text(settings))
    return hmac.digest(master, b"spurwechsel searches without a hit", "sha256")


def limits_of(settings: Settings) -> Limits:
    """Return the limits that the settings give; the rest are defaults."""
    return Limits(body_bytes=settings.max_body_bytes, depth=settings.max_depth, cost=settings.max_cost)


def web_options(settings: Settings) -> Options:
    """Return how the pages are run by these settings."""
    public = settings.public_url or ""
    return Options(
        secure=settings.environment is Environment.PRODUCTION or public.startswith("https://"),
        demo=settings.demo_sign_in,
        idle=timedelta(minutes=settings.session_idle_minutes),
        life=timedelta(hours=settings.session_hours),
        sign_on=_sign_on(settings),
        assets=settings.web_assets,
        tiles=Tiles(address=settings.map_tiles, credit=settings.map_credit or "")
        if settings.map_tiles
        else None,
    )


def _sign_on(settings: Settings) -> SignOn | None:
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None
    if settings.oidc_client_secret_file is not None:
        secret = settings.oidc_client_secret_file.read_text(encoding="utf-8").strip()
    return SignOn(issuer=settings.oidc_issuer, client_id=settings.oidc_client_id, client_secret=secret)


async def _following(follower: Follower) -> None:
    """Follow until cancelled; an error nobody expected is logged, and following begins again."""
    while True:
        try:
            await follower.run()
        except Exception as error:
            log_unexpected(error, "follower")
        await asyncio.sleep(FOLLOW_AGAIN_SECONDS)


async def _write_unmet(services: Services) -> None:
    """Write what was counted; what cannot be written now is kept for the next time."""
    try:
        await services.unmet.write(services.database)
    except Unavailable:
        return
    except Exception as error:
        log_unexpected(error, "unmet searches")


async def _counting(services: Services) -> None:
    """Write from time to time until cancelled."""
    while True:
        await asyncio.sleep(COUNT_SECONDS)
        await _write_unmet(services)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def create_app(settings: Settings | None = None) -> Litestar:
    """Return the application for these settings (left out: from the environment).

    Raises SettingsRefused when the settings name no database: the application never starts one itself.
    """
    settings = settings or read_settings()
    if (
        settings.database_url is None
        or settings.database_reader_url is None
        or settings.keys_database_url is None
    ):
        raise SettingsRefused("DATABASE_URL must be set; `spurwechsel serve` and `demo` set it by themselves")
    configure_logging(settings.log_level)
    database = Database(
        settings.database_url.get_secret_value(),
        settings.database_reader_url.get_secret_value(),
        pool_size=settings.pool_size,
    )
    reader = settings.database_reader_url.get_secret_value()
    kept = engines_of(settings, reader)
    services = Services(
        database=database,
        limits=limits_of(settings),
        keys=key_store(settings, settings.keys_database_url.get_secret_value()),
        engines=tuple(one.engine for one in kept),
        address_key=address_key(settings),
        unmet=Tally(unmet_key(settings)),
        trusted_proxies=networks(settings.trusted_proxies),
        public_url=settings.public_url,
        web=web_options(settings),
    )
    return application(services, [one.follower(database, reader) for one in kept])


def application(
    services: Services, followers: Sequence[Follower] = (), *, watching_bounds: Bounds | None = None
) -> Litestar:
    """Return the application around services that are made but not started; tests bring their own.

    ``followers`` keep the search indexes up while the application runs.
    """
    database = services.database
    newest = newest_revision()

    opening = Opening(database, services.keys)

    async def authenticated(token: str) -> Actor | None:
        await opening.wait()
        return await authenticate(database, token)

    endpoint = GraphQLEndpoint(
        schema,
        services,
        authenticated,
        opened=opening.wait,
        page=query_page.PAGE.encode(),
        page_headers=query_page.PAGE_HEADERS,
    )

    watchers = Watchers(database.engine.url.render_as_string(hide_password=False))
    watching = SubscriptionsFace(
        schema, services, authenticated, watchers, endpoint.documents, bounds=watching_bounds
    )

    @asgi("/graphql", copy_scope=True)
    async def graphql(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoint(scope, receive, send)

    site = Site(schema, services, opening.wait)
    answer_pages = AnswerPages(site.operations, services)

    @asgi(PATH.rstrip("/"), is_mount=True, copy_scope=True)
    async def answer_page(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_pages(scope, receive, send)

    upkeep_pages = UpkeepPages(site.operations, services)

    @asgi(UPKEEP.rstrip("/"), is_mount=True, copy_scope=True)
    async def upkeep_page(scope: Scope, receive: Receive, send: Send) -> None:
        await upkeep_pages(scope, receive, send)

    mailbox_pages = MailboxPages(site.operations, services)

    @asgi(MAILBOX.rstrip("/"), is_mount=True, copy_scope=True)
    async def mailbox_page(scope: Scope, receive: Receive, send: Send) -> None:
        await mailbox_pages(scope, receive, send)

    hsds_face = HsdsFace(services)

    @asgi(HSDS, is_mount=True, copy_scope=True)
    async def hsds(scope: Scope, receive: Receive, send: Send) -> None:
        await hsds_face(scope, receive, send)

    @asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await database.start()
            stack.push_async_callback(database.stop)
            if services.keys is not None:
                stack.push_async_callback(services.keys.stop)
            stack.push_async_callback(_write_unmet, services)
            stack.push_async_callback(_ended, asyncio.create_task(_counting(services)))
            try:
                await opening.wait()
            except Unavailable:  # no error at the start: a dead database may come back
                stack.push_async_callback(_ended, asyncio.create_task(opening.keep_trying()))
            stack.push_async_callback(_ended, asyncio.create_task(watchers.run()))
            for follower in followers:
                stack.push_async_callback(_ended, asyncio.create_task(_following(follower)))
            yield

    @get("/health/live", sync_to_thread=False)
    def live() -> dict[str, bool]:
        """Answer as long as the process does."""
        return {"live": True}

    @get("/health/ready")
    async def ready() -> Response[Readiness]:
        """Answer 200 when requests can be served, else 503 with the reasons."""
        lags = {follower.name: follower.lag() for follower in followers}
        found = await readiness(database, newest, lags, opening)
        return Response(found, status_code=200 if found.ready else 503, headers={"cache-control": "no-store"})

    @get("/metrics", sync_to_thread=False)
    def figures() -> Response[str]:
        """Give what ``/health/ready`` says of the search to a program that watches."""
        said = metrics({follower.name: follower.lag() for follower in followers}, PASSED_OVER.counts())
        headers = {"cache-control": "no-store"}
        return Response(said, media_type="text/plain; version=0.0.4", headers=headers)

    @get("/query", sync_to_thread=False)
    def page() -> Response[str]:
        """Show the query page."""
        headers = {name.decode(): value.decode() for name, value in query_page.PAGE_HEADERS}
        return Response(query_page.PAGE, media_type="text/html", headers=headers)

    @get(f"{query_page.ASSETS_PATH}/{{name:str}}", sync_to_thread=False)
    def query_asset(
        name: Annotated[str, PathParameter()], request: Request[Any, Any, State]
    ) -> Response[bytes]:
        """Give a file of the query page."""
        found = query_page.asset(name)
        if found is None:
            raise NotFoundException
        content, kind, etag = found
        headers = {"etag": etag, "cache-control": "public, max-age=3600"}
        if request.headers.get("if-none-match") == etag:
            return Response(b"", status_code=304, headers=headers, media_type=kind)
        return Response(content, media_type=kind, headers=headers)

    return Litestar(
        [
            graphql,
            watching.handler(),
            live,
            ready,
            figures,
            page,
            query_asset,
            answer_page,
            upkeep_page,
            mailbox_page,
            *formats_of(services),
            *lists_of(services),
            feed_of(services),
            hsds,
            *site.handlers(),
        ],
        lifespan=[running],
        exception_handlers={NotFoundException: site.refused, MethodNotAllowedException: site.refused},
        state=State({"watchers": watchers}),
        openapi_config=None,
        response_headers=[ResponseHeader(name=name, value=value) for name, value in SECURITY_HEADERS.items()],
    )
