"""Signing on at a town's own provider: a real one (oidc-provider, in Node), on this machine."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import update

from directory.actors import SYSTEM, Role
from directory.database import Database
from directory.models import Member
from graphapi.app import application
from graphapi.context import Services
from graphapi.web import guarding, signing_on
from graphapi.web.options import Options, SignOn
from graphapi.web.signing_on import SignOnClient
from graphapi.web.visiting import LONGEST_TOKEN
from referrals.personal_data.keystore import KeyStore
from tests.graphapi.conftest import MANY, World, make_member
from tests.web.conftest import Web, number_of

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent / "provider"
BUILT = Path(__file__).parents[2] / "build"
TOWN = "http://town.test"
BACK = f"{TOWN}/sign-on/return"
SECRET = "s" * 40


def installed() -> Path:
    """Return where the provider is installed, as locked; skips where Node or the package cannot be had."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("Node is not installed")
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = BUILT / f"provider-{lock}"
    if not (folder / "node_modules" / "oidc-provider").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        if done.returncode:
            shutil.rmtree(folder)
            pytest.skip(f"oidc-provider could not be installed: {done.stderr[-300:]}")
    return folder


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The issuer of a running provider."""
    folder = installed()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["node", str(HERE / "provider.mjs"), str(folder), str(port), BACK]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert running.stdout is not None
    for line in running.stdout:
        if "listening" in line:
            break
    yield f"http://127.0.0.1:{port}"
    running.kill()
    running.wait()
    running.stdout.close()


class Town(Web):
    """The pages of a town whose sign-on is connected, and a browser that goes there and back."""

    async def leave(self, goal: str = "/search") -> str:
        """Begin to sign on; return where the browser is sent."""
        answer = await self.get("/sign-on/start", next=goal)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    async def at_provider(self, address: str, account: str) -> str:
        """Sign on there as an account; return the address that the browser is sent back to."""
        async with httpx.AsyncClient(timeout=60) as browser:
            for _ in range(10):
                if "/interaction/" in address:
                    address = f"{address}?account={account}"
                answer = await browser.get(address)
                assert answer.status_code in {302, 303}, answer.text
                address = str(httpx.URL(address).join(answer.headers["location"]))
                if address.startswith(BACK):
                    return address
        raise AssertionError(f"never came back: {address}")

    async def back(self, address: str) -> httpx.Response:
        """Come back."""
        return await self.http.get(address, headers={"accept": "text/html", "accept-language": "en"})

    async def sign_on(self, account: str) -> httpx.Response:
        """Go there and back."""
        return await self.back(await self.at_provider(await self.leave(), account))


def town_of(database: Database, keys: KeyStore, sign_on: SignOn) -> httpx.AsyncClient:
    options = Options(secure=False, sign_on=sign_on)
    services = Services(database=database, limits=MANY, keys=keys, public_url=TOWN, web=options)
    transport = httpx.ASGITransport(application(services))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=TOWN)


@pytest.fixture
async def town(provider: str, database: Database, keys: KeyStore) -> AsyncIterator[Town]:
    sign_on = SignOn(issuer=provider, client_id="spurwechsel", client_secret=SECRET)
    async with town_of(database, keys, sign_on) as http:
        yield Town(http, database)


async def named(
    database: Database, world: World, *, email: str | None = None, subject: str | None = None
) -> UUID:
    """Make a member who is named by an address or a subject, which nobody else is any more."""
    member, _ = await make_member(database, world.partner, Role.PARTNER_MEMBER, name=f"M {uuid4()}")
    async with database.work(SYSTEM) as work:
        for column, value in ((Member.sign_in_email, email), (Member.sign_in_subject, subject)):
            if value:
                await work.session.execute(update(Member).where(column == value).values({column.key: None}))
        await work.session.execute(
            update(Member).where(Member.sign_in_subject == "erika").values(sign_in_subject=None)
        )
        await work.session.execute(
            update(Member).where(Member.id == member).values(sign_in_email=email, sign_in_subject=subject)
        )
    return member


async def test_a_member_named_by_address_signs_on_and_is_bound_to_the_account(
    town: Town, database: Database, world: World
) -> None:
    member = await named(database, world, email="erika@town.example")
    answer = await town.sign_on("erika")
    assert (answer.status_code, answer.headers["location"]) == (303, "/search")
    assert "Sign out" in (await town.get("/")).text
    async with database.view(SYSTEM) as session:
        found = await session.get(Member, member)
        assert found is not None and found.sign_in_subject == "erika"


async def test_a_member_named_by_subject_needs_no_address(
    town: Town, database: Database, world: World
) -> None:
    await named(database, world, subject="unverified")
    assert (await town.sign_on("unverified")).status_code == 303
    assert "Sign out" in (await town.get("/")).text


async def test_an_address_that_is_not_verified_names_nobody(
    town: Town, database: Database, world: World
) -> None:
    await named(database, world, email="erika@town.example", subject=None)
    async with database.work(SYSTEM) as work:
        await work.session.execute(
            update(Member).where(Member.sign_in_subject == "unverified").values(sign_in_subject=None)
        )
    answer = await town.sign_on("unverified")
    assert answer.status_code == 403
    assert "Sign out" not in (await town.get("/")).text


async def test_who_got_the_address_later_is_not_the_member(
    town: Town, database: Database, world: World
) -> None:
    await named(database, world, email="stranger@town.example", subject="somebody-else")
    assert (await town.sign_on("stranger")).status_code == 403


async def test_who_is_not_named_is_told_what_to_do(town: Town) -> None:
    answer = await town.sign_on("stranger")
    assert answer.status_code == 403
    text = unescape(answer.text)
    assert "Ask who administers the members of your organisation" in text
    assert "stranger@town.example" in text
    assert answer.headers["cache-control"] == "no-store"


async def test_who_cancels_is_told_so(town: Town) -> None:
    answer = await town.sign_on("nobody")
    assert answer.status_code == 400
    assert "You cancelled it" in answer.text


async def test_a_removed_member_does_not_sign_on(town: Town, database: Database, world: World) -> None:
    member = await named(database, world, email="erika@town.example")
    async with database.work(SYSTEM) as work:
        await work.session.execute(update(Member).where(Member.id == member).values(active=False))
    assert (await town.sign_on("erika")).status_code == 403


async def test_the_way_there_has_state_nonce_and_pkce_and_the_way_back_needs_this_browser(
    town: Town, database: Database, world: World
) -> None:
    await named(database, world, email="erika@town.example")
    asked = parse_qs(urlsplit(await town.leave()).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert all(len(asked[name][0]) >= 32 for name in ("state", "nonce", "code_challenge"))
    back = await town.at_provider(await town.leave(), "erika")
    other = httpx.URL(back).copy_set_param("state", "x" * 32)
    assert (await town.back(str(other))).status_code == 400
    town.http.cookies.clear()  # somebody else's link, opened in another browser
    assert (await town.back(back)).status_code == 400
    assert "Sign out" not in (await town.get("/")).text


async def test_a_way_back_works_once(town: Town, database: Database, world: World) -> None:
    await named(database, world, email="erika@town.example")
    back = await town.at_provider(await town.leave(), "erika")
    assert (await town.back(back)).status_code == 303
    assert (await town.back(back)).status_code == 400


async def test_an_answer_said_to_be_of_another_provider_is_refused(
    town: Town, database: Database, world: World
) -> None:
    await named(database, world, email="erika@town.example")
    back = await town.at_provider(await town.leave(), "erika")
    other = httpx.URL(back).copy_set_param("iss", "https://evil.example")
    assert (await town.back(str(other))).status_code == 400


async def test_a_public_client_signs_on_with_pkce_alone(
    provider: str, database: Database, keys: KeyStore, world: World
) -> None:
    await named(database, world, email="erika@town.example")
    async with town_of(database, keys, SignOn(issuer=provider, client_id="public")) as http:
        assert (await Town(http, database).sign_on("erika")).status_code == 303


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9", "{provider}/"])
async def test_a_provider_that_does_not_answer_or_is_another_is_said(
    provider: str, database: Database, keys: KeyStore, issuer: str
) -> None:
    sign_on = SignOn(issuer=issuer.format(provider=provider), client_id="spurwechsel", client_secret=SECRET)
    async with town_of(database, keys, sign_on) as http:
        answer = await Town(http, database).get("/sign-on/start")
    assert answer.status_code == 503
    assert "does not answer" in answer.text


async def test_signing_on_leads_nowhere_else_afterwards(town: Town, database: Database, world: World) -> None:
    await named(database, world, email="erika@town.example")
    with suppress(KeyError):
        del town.http.cookies["spurwechsel"]
    back = await town.at_provider(await town.leave("//evil.example/x"), "erika")
    assert (await town.back(back)).headers["location"] == "/"


# --- Signing out ----------------------------------------------------------------------------------------


async def at_the_provider(browser: httpx.AsyncClient, address: str, account: str) -> tuple[str, bool]:
    """Go where a browser is sent; return where it comes back to, and whether it had to sign on there."""
    asked = False
    for _ in range(10):
        if address.startswith(TOWN):
            return address, asked
        if "/interaction/" in address:
            asked, address = True, f"{address}?account={account}"
        answer = await browser.get(address)
        assert answer.status_code in {302, 303}, answer.text
        address = str(httpx.URL(address).join(answer.headers["location"]))
    raise AssertionError(f"never came back: {address}")


async def test_signing_out_ends_the_session_at_the_provider_too(
    town: Town, database: Database, world: World
) -> None:
    """Who comes next to the same browser has to sign on; before, the provider let them in unasked."""
    await named(database, world, email="erika@town.example")
    async with httpx.AsyncClient(timeout=60) as browser:
        back, asked = await at_the_provider(browser, await town.leave(), "erika")
        assert asked
        assert (await town.back(back)).status_code == 303
        _, asked = await at_the_provider(browser, await town.leave(), "erika")
        assert not asked  # it still knows them
        page = await town.get("/")
        assert "Sign out" in page.text
        left = await town.post("/sign-out", number=number_of(page))
        assert left.status_code == 200
        assert left.headers["cache-control"] == "no-store"
        assert "Sign out<" not in left.text
        away = unescape(re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', left.text)[0])
        said = parse_qs(urlsplit(away).query)
        assert said["post_logout_redirect_uri"] == [f"{TOWN}/"]
        assert said["id_token_hint"][0].count(".") == 2
        assert "Sign out<" not in (await town.get("/")).text  # ours has ended already
        confirm = await browser.get(away)
        assert confirm.status_code == 200, confirm.text
        form = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', confirm.text))
        goes = re.findall(r'action="([^"]+)"', confirm.text)[0]
        done = await browser.post(goes, data={**form, "logout": "yes"})
        assert httpx.URL(done.headers["location"]) == httpx.URL(f"{TOWN}/")
        _, asked = await at_the_provider(browser, await town.leave(), "erika")
        assert asked


async def test_what_ends_the_session_there_is_of_this_session_only(
    town: Town, database: Database, world: World
) -> None:
    """A cookie that somebody else put into the browser names no other account to the provider."""
    member = await named(database, world, email="erika@town.example")
    await town.sign_on("erika")
    cookie = town.http.cookies["spurwechsel-signed-on"]
    await town.sign_in(member)  # another session, which did not begin there
    town.http.cookies.set("spurwechsel-signed-on", cookie)
    left = await town.post("/sign-out", number=number_of(await town.get("/")))
    assert (left.status_code, left.headers["location"]) == (303, "/")


@pytest.mark.parametrize("endpoint", [None, "javascript:alert(1)"])
async def test_a_provider_without_such_a_place_is_left_alone(endpoint: str | None) -> None:
    client = SignOnClient(SignOn(issuer="https://town.example", client_id="a"), TOWN)
    client._provider = signing_on._Provider(
        issuer="https://town.example",
        authorization_endpoint="https://town.example/auth",
        token_endpoint="https://town.example/token",
        jwks_uri="https://town.example/jwks",
        end_session_endpoint=endpoint,
    )
    client._asked_at = now = datetime.now(UTC)
    assert await client.leave("a.b.c", now) is None


async def test_a_token_too_long_for_a_cookie_is_left_out(
    town: Town, database: Database, world: World
) -> None:
    client = SignOnClient(SignOn(issuer="http://127.0.0.1:9", client_id="a"), TOWN)
    assert (
        await client.leave("a.b.c", datetime.now(UTC)) is None
    )  # it does not answer: ours ends all the same
    sealed = guarding.sealed(bytes(32), "x" * LONGEST_TOKEN)
    assert len(f"__Host-spurwechsel-signed-on={sealed}; Path=/; HttpOnly; Secure; SameSite=lax") < 4_096
