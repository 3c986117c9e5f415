"""What keeps the pages safe: sessions, forms, headers, redirects, what somebody types."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urljoin

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from directory import membership, sessions
from directory.actors import SYSTEM, Role
from directory.database import Database
from directory.membership import hash_token
from directory.models import WebSession
from graphapi.app import application
from graphapi.context import Services
from graphapi.web.guarding import form_number, of_this_site, opened, own_path, sealed
from graphapi.web.options import Options
from referrals.personal_data.keystore import KeyStore
from tests.graphapi.conftest import MANY, World, make_member
from tests.web.conftest import Web, number_of

SCRIPTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "{{7*7}}",
    "‮<b>عربي",
)


# --- Sessions -------------------------------------------------------------------------------------------


async def test_a_session_shows_who_is_signed_in_and_ends_at_sign_out(web: Web, world: World) -> None:
    secret = await web.sign_in(world.staff_member)
    page = await web.get("/")
    assert "Sign out" in page.text
    assert page.headers["cache-control"] == "no-store"
    left = await web.post("/sign-out", number=number_of(page))
    assert (left.status_code, left.headers["location"]) == (303, "/")
    web.http.cookies.set("spurwechsel", secret)
    assert "Sign out" not in (await web.get("/")).text


async def test_the_database_keeps_no_secret_of_a_session(web: Web, world: World, database: Database) -> None:
    secret = await web.sign_in(world.staff_member)
    async with database.view(SYSTEM) as session:
        hashes = await session.scalars(
            select(WebSession.session_hash).where(WebSession.member_id == world.staff_member)
        )
        kept = hashes.all()
        assert hash_token(secret) in kept
        assert secret.encode() not in b"".join(kept)


async def test_a_session_ends_unused_and_in_any_case(database: Database, world: World) -> None:
    now = datetime.now(UTC)
    clock = database.clock
    idle = timedelta(minutes=30)
    async with database.work(SYSTEM) as work:
        secret = await sessions.begin_session(work, world.staff_member, life=timedelta(hours=12))

    async def holds(after: timedelta) -> bool:
        database.clock = lambda: now + after
        try:
            return await sessions.holder(database, secret, idle=idle) is not None
        finally:
            database.clock = clock

    assert await holds(timedelta(minutes=29))
    assert await holds(timedelta(minutes=58)), "in use since"
    assert not await holds(timedelta(minutes=89)), "31 minutes without use"
    for minutes in range(60, 12 * 60, 25):
        await holds(timedelta(minutes=minutes))
    assert not await holds(timedelta(hours=12, minutes=1)), "its longest life"


async def test_a_session_ends_with_its_member(web: Web, world: World, database: Database) -> None:
    member, _ = await make_member(database, world.partner, Role.PARTNER_MEMBER)
    secret = await web.sign_in(member)
    idle = timedelta(minutes=30)
    assert await sessions.holder(database, secret, idle=idle) is not None
    async with database.work(SYSTEM) as work:
        await membership.remove_member(work, member, expected_version=1)
    assert await sessions.holder(database, secret, idle=idle) is None
    async with database.view(SYSTEM) as session:
        kept = await session.scalars(select(WebSession).where(WebSession.member_id == member))
        assert kept.first() is None


async def test_signing_in_takes_no_secret_that_somebody_else_chose(web: Web) -> None:
    chosen = "A" * 43
    web.http.cookies.set("spurwechsel", chosen)
    page = await web.get("/sign-in")
    cookies = page.headers.get_list("set-cookie")
    assert any(one.startswith("spurwechsel=") and "Max-Age=0" in one for one in cookies)


@pytest.mark.parametrize("secure", [True, False])
async def test_cookies_are_bound_to_host_and_site(database: Database, keys: KeyStore, secure: bool) -> None:
    services = Services(database=database, limits=MANY, keys=keys, web=Options(secure=secure, demo=True))
    transport = httpx.ASGITransport(application(services))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="https://test") as http:
        page = await http.get("/sign-in?language=de", headers={"accept": "text/html"})
    cookies = page.headers.get_list("set-cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        lowered = cookie.lower()
        assert "httponly" in lowered
        assert "samesite=lax" in lowered
        assert "path=/" in lowered
        assert "domain" not in lowered
        assert ("; secure" in lowered) is secure
        assert cookie.startswith("__Host-") is secure


# --- Forms ----------------------------------------------------------------------------------------------


async def test_a_form_without_its_number_does_nothing(web: Web, world: World) -> None:
    await web.sign_in(world.staff_member)
    for number in ("", "x", "A" * 43, form_number(b"other key", "secret")):
        refused = await web.post("/sign-out", number=number)
        assert refused.status_code == 403
        assert "did not come from this page" in unescape(refused.text)
    assert "Sign out" in (await web.get("/")).text


async def test_a_form_with_the_number_of_another_session_does_nothing(web: Web, world: World) -> None:
    await web.sign_in(world.staff_member)
    number = number_of(await web.get("/"))
    await web.sign_in(world.staff_member)
    assert (await web.post("/sign-out", number=number)).status_code == 403


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "https://netz.example.org"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://netz.example.org"}, False),
        ({}, True),
    ],
)
def test_where_a_form_may_come_from(headers: dict[str, str], allowed: bool) -> None:
    assert of_this_site({"host": "netz.example.org", **headers}) is allowed


async def test_a_form_from_another_site_does_nothing_whatever_it_knows(web: Web, world: World) -> None:
    await web.sign_in(world.staff_member)
    number = number_of(await web.get("/"))
    refused = await web.post("/sign-out", number=number, headers={"sec-fetch-site": "cross-site"})
    assert refused.status_code == 403
    assert "Sign out" in (await web.get("/")).text


async def test_reading_a_page_never_changes_anything(web: Web, world: World) -> None:
    await web.sign_in(world.staff_member)
    answer = await web.get("/sign-out")
    assert answer.status_code == 404
    assert "Sign out" in (await web.get("/")).text


async def test_other_bodies_than_forms_are_not_read(web: Web) -> None:
    headers = {"accept": "text/html", "sec-fetch-site": "same-origin", "content-type": "application/json"}
    assert (await web.http.post("/sign-out", content=b"{}", headers=headers)).status_code == 415
    long = await web.post("/sign-out", {"x": "y" * 300_000}, number="z")
    assert long.status_code == 413


async def test_the_demo_signs_nobody_in_elsewhere(database: Database, keys: KeyStore) -> None:
    services = Services(database=database, limits=MANY, keys=keys, web=Options(secure=False))
    transport = httpx.ASGITransport(application(services))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        elsewhere = Web(http, database)
        assert "Koordination" not in (await elsewhere.get("/sign-in")).text
        refused = await elsewhere.post("/sign-in/demo", {"role": "lead"}, number="")
        assert refused.status_code == 403
        page = await elsewhere.get("/sign-in")
        assert "Nobody can sign in here yet" in page.text


# --- Headers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/search", "/sign-in", "/no-such-page"])
async def test_every_page_carries_the_headers_that_protect_it(web: Web, path: str) -> None:
    page = await web.get(path)
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cache-control"] in {"no-store", "private, no-cache"}


# --- Redirects ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "///evil.example",
        "/\t/evil.example", "/\n//evil.example", " /x", "http:evil.example", "", "/x\\y", "x",
        "javascript:alert(1)",
    ],
)  # fmt: skip
def test_nobody_is_sent_to_another_site(given: str) -> None:
    assert own_path(given) == "/"


@given(st.text(max_size=60))
def test_own_paths_stay_here_whatever_is_given(text: str) -> None:
    found = httpx.URL("https://netz.example.org/").join(own_path(text))
    assert found.host == "netz.example.org"
    assert found.scheme == "https"


async def test_after_signing_in_one_goes_on_here_only(web: Web, world: World) -> None:
    await web.sign_in(world.staff_member)
    for given_, goal in (("/search?text=x", "/search?text=x"), ("//evil.example", "/")):
        assert (await web.get("/sign-in", next=given_)).headers["location"] == goal


@given(st.text(max_size=40), st.binary(min_size=8, max_size=8))
def test_sealed_cookies_are_read_with_their_key_only(text: str, key: bytes) -> None:
    text = text.encode("utf-8", "replace").decode()
    value = sealed(key, text)
    assert opened(key, value) == text
    assert opened(key + b"x", value) is None
    assert opened(key, value[:-1] + ("A" if value[-1] != "A" else "B")) is None or text == opened(key, value)


# --- What somebody types --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", SCRIPTS)
async def test_what_is_typed_into_the_address_is_text(web: Web, text: str) -> None:
    page = await web.get("/search", text=text)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert ">49<" not in page.text
    assert "\u202e<b>" not in page.text


async def test_a_wrong_cursor_is_said_and_not_a_failure_of_ours(web: Web) -> None:
    page = await web.get("/search", after="not-a-cursor")
    assert page.status_code == 422
    assert "To the start page" in page.text


async def test_an_unknown_page_is_a_page_for_browsers_and_data_for_programs(web: Web) -> None:
    page = await web.get("/no-such-page")
    assert page.status_code == 404
    assert "This page is not here" in page.text
    data = await web.http.get("/no-such-page", headers={"accept": "application/json"})
    assert data.status_code == 404
    assert data.headers["content-type"].startswith("application/json")


async def test_whatever_a_style_asks_for_comes_from_here(web: Web) -> None:
    """Fonts and pictures too, among them letters for Tigrinya, which many computers have no font for."""
    page = await web.get("/card", language="ti")
    asked: set[str] = set()
    for sheet in re.findall(r'href="(/assets/[^"]+\.css)"', page.text):
        style = (await web.http.get(sheet)).text
        named = {address.strip("\"'") for address in re.findall(r"url\(([^)]+)\)", style)}
        asked |= {urljoin(sheet, address) for address in named if not address.startswith("data:")}
    assert any(address.endswith("/noto-sans-ethiopic.ttf") for address in asked)
    for address in sorted(asked):
        assert address.startswith("/assets/"), address
        found = await web.http.get(address, headers={"accept-encoding": "gzip"})
        assert (found.status_code, len(found.content) > 1_000) == (200, True), address
        if address.endswith(".ttf"):
            assert found.headers["content-type"] == "font/ttf"
            assert found.headers["content-encoding"] == "gzip"
