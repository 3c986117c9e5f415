"""Who watches is told at once, whichever process made the change; nobody is told what they may not see."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text
from websockets import ConnectionClosed, Subprotocol, connect

from directory.actors import SYSTEM, Role
from directory.database import Database
from graphapi.app import application
from graphapi.context import Services
from graphapi.embedded import APP, KEYS, READER, Access
from graphapi.subscriptions import Bounds
from referrals.personal_data.keystore import KeyStore
from tests.graphapi.asking import Api
from tests.graphapi.conftest import MANY, make_member
from tests.graphapi.exchanging import OUTCOME, Town, make_town
from tests.graphapi.postoffice import free_port
from tests.graphapi.test_server import ROOT, wait_for
from tests.graphapi.watcher import INBOX, PATIENCE, PROTOCOL, Socket, connected

ONE = "subscription($id: ID!) { referralChanged(id: $id) { missed referral { id state seenAs } } }"


@asynccontextmanager
async def living(app: Litestar) -> AsyncIterator[None]:
    """Let an application live; begins and ends it in one task, as a server does."""
    begun, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            begun.set()
            await over.wait()

    alive = asyncio.create_task(live())
    await asyncio.wait({alive, asyncio.ensure_future(begun.wait())}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        over.set()
        await alive


@pytest.fixture(scope="module")
async def watched(app_url: str, reader_url: str, keys: KeyStore) -> AsyncIterator[Litestar]:
    """An application of its own that listens: another process than the one that ``town`` asks."""
    app = application(Services(database=Database(app_url, reader_url, pool_size=10), limits=MANY, keys=keys))
    async with living(app):
        await listening(app)
        yield app


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def watching(socket: Socket, town: Town, who: str, query: str = INBOX, **variables: Any) -> None:
    await socket.sign_in(town.token(who))
    await socket.watches(query, **variables)


async def test_both_sides_are_told_what_each_may_see(watched: Litestar, town: Town) -> None:
    async with connected(watched) as sender, connected(watched) as recipient, connected(watched) as other:
        await watching(sender, town, "coordinator")
        await watching(recipient, town, "staff")
        await watching(other, town, "other_staff")
        draft = await town.draft()
        assert (await sender.change())["referral"]["state"] == "DRAFT"
        assert await recipient.silent()

        referral = await town.sent()
        # drafted and sent: one thing that changed, told once or twice
        seen = await sender.change()
        while seen["referral"]["state"] != "SENT":
            seen = await sender.change()
        assert seen["referral"]["seenAs"] == "SENDER"
        told = (await recipient.change())["referral"]
        assert (told["id"], told["state"], told["seenAs"]) == (referral["id"], "SENT", "RECIPIENT")
        assert told["pseudonym"] is None  # not before the package was opened
        assert await other.silent()
        assert other.frames == [json.dumps({"type": "connection_ack"}, separators=(",", ":"))]
        assert draft["id"] not in "".join(recipient.frames)


async def test_an_outcome_that_may_not_be_reported_is_in_no_frame(watched: Litestar, town: Town) -> None:
    referral = await town.started(others=())
    async with connected(watched) as sender:
        await watching(sender, town, "coordinator")
        await town.on("staff", "reportOutcome", referral, **OUTCOME)
        states: list[str] = []
        while "OUTCOME_REPORTED" not in states:
            seen = await sender.change()
            states.append(seen["referral"]["state"])

    frames = "".join(sender.frames)
    assert "NOT_DISCLOSED" in frames
    assert "NOT_MET" not in frames


async def test_after_a_withdrawal_the_recipient_is_told_that_it_ended_and_nothing_else(
    watched: Litestar, town: Town
) -> None:
    client = await town.client()
    referral = await town.sent(clientId=client["id"])
    async with connected(watched) as recipient:
        await watching(recipient, town, "staff")
        consent = referral["consentId"]
        await town.done("coordinator", "withdrawConsent", id=consent, channel="PHONE")
        seen = await recipient.change()

    assert seen["referral"]["state"] == "CONSENT_REVOKED"
    assert client["pseudonym"] not in "".join(recipient.frames)


async def test_one_referral_can_be_watched_by_who_has_a_part_in_it(watched: Litestar, town: Town) -> None:
    referral = await town.sent()
    async with connected(watched) as recipient, connected(watched) as other:
        await watching(recipient, town, "staff", ONE, id=referral["id"])
        await watching(other, town, "other_staff", ONE, id=referral["id"])
        refused = await other.receive()
        assert refused is not None
        assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "NOT_FOUND")

        await town.sent()  # another one: not watched
        await town.on("staff", "acknowledgeReferral", referral)
        assert (await recipient.change())["referral"]["state"] == "ACKNOWLEDGED"


async def test_bookings_and_requests_for_four_eyes_are_told(watched: Litestar, town: Town) -> None:
    closed = await town.closed()
    async with connected(watched) as interpreter, connected(watched) as lead:
        await watching(interpreter, town, "staff")
        await watching(lead, town, "second_lead")
        booked = await town.booked()
        assert (await interpreter.change())["booking"]["id"] == booked["id"]
        await town.on("coordinator", "reopenReferral", closed, reason="NOT_FINISHED")
        seen = await lead.change()
        while "approval" not in seen:
            seen = await lead.change()
        assert seen["approval"]["state"] == "REQUESTED"


# --- Who may watch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "spw_unknown", "reader"])
async def test_nobody_watches_without_being_a_member(
    watched: Litestar, town: Town, token: str | None
) -> None:
    given = town.token(token) if token == "reader" else token
    async with connected(watched) as socket:
        socket.send({"type": "connection_init", "payload": {"authorization": f"Bearer {given}"}})
        assert await socket.receive() is None
        assert socket.code == 4403


async def test_who_did_not_sign_in_cannot_subscribe(watched: Litestar) -> None:
    async with connected(watched) as socket:
        socket.subscribe()
        assert await socket.receive() is None
        assert socket.code == 4401


async def test_a_revoked_token_ends_the_connection_at_the_next_event(watched: Litestar, town: Town) -> None:
    member, token = await make_member(town.database, town.world.partner, Role.PARTNER_MEMBER)
    async with connected(watched) as socket:
        await socket.sign_in(token)
        await socket.watches()
        await remove(town.database, member)
        await town.sent()
        while await socket.receive() is not None:
            pass

    assert socket.code == 4403
    assert "referral" not in "".join(socket.frames)


async def remove(database: Database, member: Any) -> None:
    async with database.work(SYSTEM) as work:
        await work.session.execute(text("UPDATE member SET active = false WHERE id = :id"), {"id": member})


@pytest.fixture
async def short(app_url: str, reader_url: str, keys: KeyStore) -> AsyncIterator[Litestar]:
    """An application whose connections may do little."""
    bounds = Bounds(
        connections=2,
        subscriptions=2,
        messages_per_minute=15,
        init_seconds=0.3,
        ping_seconds=0.1,
        silence_seconds=0.6,
        judge_seconds=0.2,
    )
    database = Database(app_url, reader_url, pool_size=5)
    app = application(Services(database=database, limits=MANY, keys=keys), watching_bounds=bounds)
    async with living(app):
        yield app


async def test_a_revoked_token_ends_the_connection_without_any_event(short: Litestar, town: Town) -> None:
    member, token = await make_member(town.database, town.world.other_partner, Role.PARTNER_MEMBER)
    async with connected(short) as socket:
        await socket.sign_in(token)
        await remove(town.database, member)
        while await socket.receive() is not None:
            pass

    assert socket.code == 4403


# --- Limits -------------------------------------------------------------------------------------------------


async def test_queries_and_mutations_are_sent_elsewhere(watched: Litestar, town: Town) -> None:
    async with connected(watched) as socket:
        await socket.sign_in(town.token("staff"))
        for query in ("{ me { name } }", "{ __schema { types { name } } }", "mutation { x }", "{"):
            socket.subscribe(query)
            refused = await socket.receive()
            assert refused is not None
            assert refused["type"] == "error"
            assert "data" not in refused["payload"][0]


@pytest.mark.parametrize(
    ("query", "limit"),
    [
        (
            "subscription { " + " ".join(f"a{n}: inboxChanged {{ missed }}" for n in range(40)) + " }",
            "aliases",
        ),
        (
            "subscription { inboxChanged { referral " + "{ parent " * 20 + "{ id }" + " }" * 20 + " } }",
            "depth",
        ),
        ("subscription { inboxChanged { missed } } #" + "x" * 60_000, "documentBytes"),
    ],
)
async def test_the_limits_of_the_endpoint_hold_here_too(
    watched: Litestar, town: Town, query: str, limit: str
) -> None:
    async with connected(watched) as socket:
        await socket.sign_in(town.token("staff"))
        socket.subscribe(query)
        refused = await socket.receive()

    assert refused is not None
    assert refused["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert refused["payload"][0]["extensions"]["limit"] in {limit, "rootFields", "tokens"}


async def test_a_connection_has_so_many_subscriptions_and_a_member_so_many_connections(
    short: Litestar, town: Town
) -> None:
    async with connected(short) as first, connected(short) as second, connected(short) as third:
        for socket in (first, second):
            await socket.sign_in(town.token("staff"))
        third.send({"type": "connection_init", "payload": {"authorization": f"Bearer {town.token('staff')}"}})
        assert await third.receive() is None
        assert third.code == 4429
        for number in range(3):
            first.subscribe(id_=str(number))
        refused = await first.receive()
        while refused is not None and refused["type"] != "error":
            refused = await first.receive()
        assert refused is not None
        assert refused["payload"][0]["extensions"]["limit"] == "subscriptions"
    async with connected(short) as again:  # what has ended counts no more
        await again.sign_in(town.token("staff"))


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([], 4408),
        (["not json"], 4400),
        (["[]"], 4400),
        (["{}"], 4400),
        (['{"type": "unheard-of"}'], 4400),
        (["x" * 3_000_000], 1009),
        ([{"type": "ping"}] * 20, 4429),
    ],
    ids=["silence", "text", "list", "nothing", "unknown", "large", "many"],
)
async def test_what_is_not_the_protocol_ends_the_connection(
    short: Litestar, messages: list[Any], code: int
) -> None:
    async with connected(short) as socket:
        for message in messages:
            socket.send(message)
        while await socket.receive() is not None:
            pass

    assert socket.code == code


@pytest.mark.parametrize("payload", [None, [], {"query": 7}, {"query": INBOX, "variables": [1]}])
async def test_a_subscription_that_cannot_be_read_ends_the_connection(
    watched: Litestar, town: Town, payload: Any
) -> None:
    async with connected(watched) as socket:
        await socket.sign_in(town.token("staff"))
        socket.send({"id": "1", "type": "subscribe", "payload": payload})
        assert await socket.receive() is None
        assert socket.code == 4400


async def test_another_protocol_is_not_spoken(watched: Litestar) -> None:
    async with connected(watched, protocol="graphql-ws") as socket:
        assert await socket.receive() is None
        assert socket.code == 4406


async def test_who_says_nothing_any_more_is_let_go(short: Litestar, town: Town) -> None:
    async with connected(short) as socket:
        await socket.sign_in(town.token("other_staff"))
        async with asyncio.timeout(PATIENCE):
            while (event := await socket.to_client.get())["type"] != "websocket.close":
                pass  # pings that nobody answers

    assert event["code"] == 4408


async def test_posts_to_the_socket_are_not_answered(watched: Litestar, town: Town) -> None:
    """Strawberry's own controller would answer queries here, past every limit."""
    transport = httpx.ASGITransport(watched)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        for answer in (
            await http.post("/graphql/ws", json={"query": "{ __typename }"}),
            await http.get("/graphql/ws", params={"query": "{ __typename }"}),
        ):
            assert answer.status_code >= 400
            assert "data" not in answer.text


# --- Losing the connection to the database ------------------------------------------------------------------


async def listening(app: Litestar) -> None:
    async with asyncio.timeout(PATIENCE):
        await app.state.watchers.listening.wait()


async def test_who_watches_is_told_when_something_may_have_been_missed(watched: Litestar, town: Town) -> None:
    async with connected(watched) as socket:
        await watching(socket, town, "staff")
        await app_listener_dies(town.database)
        message = await socket.receive(15)
        assert message is not None
        assert message["payload"]["data"]["inboxChanged"]["missed"] is True
        await listening(watched)
        referral = await town.sent()
        assert (await socket.change())["referral"]["id"] == referral["id"]


async def app_listener_dies(database: Database) -> None:
    """Cut the listeners' connections, as a restart of the database does."""
    async with database.view(SYSTEM) as session:
        ended = await session.scalar(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename = current_user AND query = 'SELECT 1'"
                " AND pid <> pg_backend_pid()"
            )
        )
    assert ended


# --- Real servers -------------------------------------------------------------------------------------------


def start(port: int, settings: dict[str, str], folder: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a server process; return it and the file it logs to."""
    log = folder / f"{port}.log"
    environment = {
        **os.environ,
        **settings,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'graphql'}",
        "SPURWECHSEL_ENVIRONMENT": "production",
        "SPURWECHSEL_DATA": str(folder / str(port)),
    }
    command = [
        *(sys.executable, "-m", "granian", "--factory", "--interface", "asgi"),
        *("--host", "127.0.0.1", "--port", str(port), "graphapi.app:create_app"),
    ]
    with log.open("wb") as output:
        return subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output), log


@pytest.mark.slow
async def test_two_server_processes_tell_each_others_changes(
    cluster: Access, worker_database: str, keys_database: str, keys: KeyStore, town: Town, tmp_path: Path
) -> None:
    """Watched at two granian processes; the change is made in this one."""
    settings = {
        "DATABASE_URL": cluster.dsn(APP, worker_database),
        "DATABASE_READER_URL": cluster.dsn(READER, worker_database),
        "KEYS_DATABASE_URL": cluster.dsn(KEYS, keys_database),
        "SPURWECHSEL_MASTER_KEY": base64.b64encode(keys.master._bytes).decode(),
    }
    ports = [free_port(), free_port()]
    processes, logs = zip(*(start(port, settings, tmp_path) for port in ports), strict=True)
    try:
        for port, process, log in zip(ports, processes, logs, strict=True):
            await asyncio.to_thread(wait_for, f"http://127.0.0.1:{port}", process, log)
        told = []
        async with AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(
                    connect(f"ws://127.0.0.1:{port}/graphql/ws", subprotocols=[Subprotocol(PROTOCOL)])
                )
                for port in ports
            ]
            token = town.token("staff")
            for socket in sockets:
                payload = {"authorization": f"Bearer {token}"}
                await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
                assert json.loads(await socket.recv()) == {"type": "connection_ack"}
                await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": INBOX}}))
            await asyncio.sleep(0.5)
            referral = await town.sent()
            for socket in sockets:
                async with asyncio.timeout(PATIENCE):
                    while True:
                        message = json.loads(await socket.recv())
                        data = message.get("payload", {}).get("data", {}).get("inboxChanged", {})
                        if data.get("referral"):
                            told.append(data["referral"]["id"])
                            break
            await sockets[0].send("not json")
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    await sockets[0].recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4400
        assert told == [referral["id"]] * 2
        assert not any(str(token) in log.read_text() for log in logs)
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            process.wait(15)
