"""What another site could try: forged forms, fixed sessions, redirects, frames; and what caches keep.

Generated over all routes, so that a page added later is held to the same rules.
"""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

import httpx
import pytest

from directory import sessions
from directory.actors import SYSTEM, Role
from directory.database import Database
from directory.models import Member
from graphapi.app import application
from graphapi.context import Services
from graphapi.demo.roles import ROLES, member_of
from graphapi.web.options import Options
from graphapi.web.routes import ROUTES, Route, load_pages
from referrals.personal_data.keystore import KeyStore
from tests.graphapi.conftest import MANY, World, make_member
from tests.graphapi.conftest import digest as digest
from tests.graphapi.unchanged import Digest
from tests.web.conftest import Web, number_of

load_pages()
ACTIONS: Final = [route for (method, _), route in ROUTES.items() if method == "POST"]
PAGES: Final = [route for (method, _), route in ROUTES.items() if method == "GET"]
EVIL: Final = "evil.example"


def address(route: Route) -> str:
    """Return an address that the route answers, of a thing that there is not."""
    return re.sub(r"\{[^}]*\}", str(UUID(int=1)), route.path)


async def sign_in_as(web: Web, world: World, database: Database, role: Role) -> None:
    partner = world.partner if role is Role.PARTNER_MEMBER else world.coordination
    member, _ = await make_member(database, partner, role)
    await web.sign_in(member)


# --- Forms ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("role", [Role.LEAD, Role.PARTNER_MEMBER])
async def test_no_form_is_taken_without_the_number_of_this_session(
    web: Web, world: World, database: Database, digest: Digest, role: Role
) -> None:
    await sign_in_as(web, world, database, role)
    number = number_of(await web.get("/"))
    foreign = Web(httpx.AsyncClient(transport=web.http._transport, base_url="http://test"), database)
    nobodys = number_of(await foreign.get("/sign-in"))
    await sign_in_as(foreign, world, database, role)
    theirs = number_of(await foreign.get("/"))
    assert len({number, theirs, nobodys, ""}) == 4
    before = await digest(with_audit=True)
    from_here = {"sec-fetch-site": "same-origin"}
    for route in ACTIONS:
        for sent, headers in (
            ("-", from_here),
            (theirs, from_here),
            (nobodys, from_here),
            (number[::-1], from_here),
            (number, {"sec-fetch-site": "cross-site"}),
            (number, {"sec-fetch-site": "same-site"}),
            (number, {"sec-fetch-site": "none"}),
        ):
            answer = await web.post(
                address(route), {"once": "form-12345678", "sure": "true"}, number=sent, headers=headers
            )
            assert answer.status_code == 403, (route.path, sent, headers)
            assert answer.headers["cache-control"] == "no-store"
        body = await web.http.post(address(route), data={"sure": "true"}, headers=from_here)
        assert body.status_code == 403, route.path
        old = await web.http.post(
            address(route), data={"number": number}, headers={"origin": f"https://{EVIL}"}
        )
        assert old.status_code == 403, route.path
    assert await digest(with_audit=True) == before
    assert "Sign out" in (await web.get("/")).text, "nor was anybody signed out"


async def test_a_method_is_what_the_request_says(
    web: Web, world: World, database: Database, digest: Digest
) -> None:
    await sign_in_as(web, world, database, Role.LEAD)
    number = number_of(await web.get("/"))
    before = await digest(with_audit=True)
    only_posts = [route for route in ACTIONS if ("GET", route.path) not in ROUTES]
    for route in only_posts:
        for headers in ({"x-http-method-override": "POST"}, {"x-method-override": "POST"}):
            answer = await web.http.get(
                address(route),
                params={"_method": "POST", "number": number},
                headers={"accept": "text/html", **headers},
            )
            assert answer.status_code in {404, 405}, route.path
    for route in (*PAGES, *ACTIONS):
        for method in ("PUT", "PATCH", "DELETE", "TRACE"):
            answer = await web.http.request(method, address(route), headers={"x-form-number": number})
            assert answer.status_code in {404, 405}, (method, route.path)
    assert await digest(with_audit=True) == before


# --- Sessions -------------------------------------------------------------------------------------------


async def test_signing_in_makes_a_new_session_and_ends_the_old(
    web: Web, world: World, database: Database
) -> None:
    role = ROLES[0]
    async with database.work(SYSTEM) as work:
        if await work.session.get(Member, member_of(role)) is None:
            work.session.add(
                Member(
                    id=member_of(role), partner_id=world.coordination, name="Kim", role=role.role.value,
                    administers=False, active=True, version=1,
                )
            )  # fmt: skip
    planted = "A" * 43  # of the shape of ours, chosen by somebody else
    web.http.cookies.set("spurwechsel", planted)
    page = await web.get("/sign-in")
    assert "Sign out" not in page.text
    entered = await web.post("/sign-in/demo", {"role": role.name}, number=number_of(page))
    assert entered.status_code == 303
    first = entered.cookies["spurwechsel"]
    assert first != planted
    idle = Options().idle
    assert await sessions.holder(database, planted, idle=idle) is None
    web.http.cookies.clear()
    web.http.cookies.set("spurwechsel", first)
    number = number_of(await web.get("/"))
    again = await web.post("/sign-in/demo", {"role": role.name}, number=number)
    second = again.cookies["spurwechsel"]
    assert second not in {first, planted}
    assert await sessions.holder(database, first, idle=idle) is None, "the old one is dead"
    assert await sessions.holder(database, second, idle=idle) is not None
    web.http.cookies.clear()
    web.http.cookies.set("spurwechsel", second)
    assert number_of(await web.get("/")) != number, "and its number is of no use any more"
    refused = await web.post("/sign-out", number=number)
    assert refused.status_code == 403


@pytest.mark.parametrize("secure", [True, False])
async def test_cookies_are_for_this_site_and_no_script(
    database: Database, keys: KeyStore, world: World, secure: bool
) -> None:
    services = Services(
        database=database,
        limits=MANY,
        keys=keys,
        web=Options(secure=secure, demo=True),
        address_key=bytes(32),
    )
    scheme = "https" if secure else "http"
    transport = httpx.ASGITransport(application(services))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://test") as http:
        there = Web(http, database)
        found: list[str] = []
        for path in ("/sign-in", "/?language=en", "/card?language=ar", "/answer?language=en"):
            found += (await there.get(path)).headers.get_list("set-cookie")
        async with database.work(SYSTEM) as work:
            secret = await sessions.begin_session(work, world.staff_member, life=Options().life)
        http.cookies.set("__Host-spurwechsel" if secure else "spurwechsel", secret)
        page = await there.get("/")
        assert "Sign out" in page.text
        found += (await there.post("/sign-out", number=number_of(page))).headers.get_list("set-cookie")
    assert len(found) >= 4
    for cookie in found:
        parts = [part.strip().lower() for part in cookie.split(";")]
        assert "httponly" in parts, cookie
        assert "samesite=lax" in parts, cookie
        assert "path=/" in parts, cookie
        assert not any(part.startswith("domain=") for part in parts), cookie
        assert ("secure" in parts) is secure, cookie
        assert cookie.startswith("__Host-") is secure, cookie


# --- Redirects and hosts --------------------------------------------------------------------------------

ELSEWHERE: Final = (
    f"//{EVIL}", f"///{EVIL}", f"/\\{EVIL}", f"\\\\{EVIL}", f"https://{EVIL}/", f"https:{EVIL}",
    f"/\t/{EVIL}", f"/\r\n//{EVIL}", f" //{EVIL}", f"/%0d%0aLocation: https://{EVIL}", "javascript:alert(1)",
    "data:text/html,x", f"http://test@{EVIL}/", f"/.//{EVIL}", f"/%2f{EVIL}", f"/%5c{EVIL}", "ftp://x",
    f"//{EVIL}%2f..", "\x00", f"/search\u2028//{EVIL}", f"／／{EVIL}",
)  # fmt: skip


def stays(location: str) -> bool:
    """Whether a browser at our site stays there: resolved as WHATWG does, with backslashes as slashes."""
    cleaned = re.sub(r"[\t\r\n]", "", location.strip()).replace("\\", "/")
    there = httpx.URL("http://test/sign-in").join(cleaned)
    return there.host == "test" and there.scheme == "http" and not cleaned.startswith("//")


@pytest.mark.parametrize("goal", ELSEWHERE)
async def test_no_parameter_leads_to_another_site(web: Web, world: World, goal: str) -> None:
    names = ("next", "return", "back", "to", "url", "redirect", "goal")
    for path in ("/", "/sign-in", "/sign-on/start"):
        answer = await web.get(path, **dict.fromkeys(names, goal))
        assert answer.status_code < 500
        assert stays(answer.headers.get("location", "/")), path
    await web.sign_in(world.staff_member)
    answer = await web.get("/sign-in", **dict.fromkeys(names, goal))
    assert answer.status_code == 303
    assert stays(answer.headers["location"]), answer.headers["location"]
    web.http.cookies.clear()
    page = await web.get("/sign-in", next=goal)
    for hidden in re.findall(r'name="next" value="([^"]*)"', page.text):
        assert stays(hidden)


async def test_the_host_of_a_request_makes_no_address(web: Web, world: World) -> None:
    names = ("host", "x-forwarded-host", "x-original-url", "x-rewrite-url", "forwarded", "x-host")
    headers = {**dict.fromkeys(names, EVIL), "accept": "text/html", "accept-language": "en"}
    for signed_in in (False, True):
        if signed_in:
            await web.sign_in(world.staff_member)
        for path in ("/", "/sign-in?next=/clients", "/search", "/clients", "/no-such-page"):
            answer = await web.http.get(path, headers=headers)
            assert EVIL not in answer.text, path
            assert EVIL not in str(answer.headers), path


# --- Frames and caches ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("role", [None, Role.LEAD, Role.PARTNER_MEMBER])
async def test_every_answer_forbids_frames_and_says_who_may_keep_it(
    web: Web, world: World, database: Database, role: Role | None
) -> None:
    if role is not None:
        await sign_in_as(web, world, database, role)
    shared = set()
    for route in PAGES:
        answer = await web.get(address(route))
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], route.path
        assert answer.headers["x-frame-options"] == "DENY", route.path
        assert answer.headers["x-content-type-options"] == "nosniff", route.path
        assert "unsafe" not in answer.headers["content-security-policy"], route.path
        if answer.headers["cache-control"] != "no-store":
            shared.add(route.path)
            assert answer.headers["cache-control"] == "private, no-cache", route.path
            assert not answer.headers.get_list("set-cookie"), route.path
            assert "Sign out" not in answer.text, route.path
    if role is not None:
        assert not shared, "whoever is signed in leaves nothing in a browser"
    else:
        assert shared <= {
            "/support",
            "/ranking",
            "/",
            "/search",
            "/search/suggestions",
            "/service/{id:str}",
            "/partner/{id:str}",
            "/card",
            "/sign-in",
        }
        assert "/search" in shared


@pytest.mark.parametrize("path", ["/answer", "/answer/AAAAA", "/upkeep", "/upkeep/AAAAA", "/mailbox/AAAAA"])
async def test_pages_with_a_code_are_kept_by_nobody_and_tell_no_other_site(web: Web, path: str) -> None:
    for answer in (await web.get(path), await web.http.post(path, data={"do": "X"})):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        assert "<script" not in answer.text
