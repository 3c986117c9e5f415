"""A WebSocket client for tests, speaking ASGI to an application in the same process: no sockets between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from litestar import Litestar

from graphapi.watching import Watcher, Watchers

PROTOCOL = "graphql-transport-ws"
PATIENCE = 60.0
"""Seconds to wait for what comes at once, unless the machine is very busy."""
INBOX = """subscription { inboxChanged { missed referral { id state seenAs pseudonym outcome }
  booking { id state } approval { id state } } }"""


class Socket:
    """One connection; ``frames`` is everything that the server sent, as text."""

    def __init__(self, app: Litestar) -> None:
        self._watchers: Watchers = app.state.watchers
        self.to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.to_client: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.frames: list[str] = []
        self.code: int | None = None

    def send(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        self.to_server.put_nowait({"type": "websocket.receive", "text": text, "bytes": None})

    async def receive(self, within: float = PATIENCE) -> dict[str, Any] | None:
        """Return the next message that is no ping; None when the server has closed the connection."""
        async with asyncio.timeout(within):
            while self.code is None:
                event = await self.to_client.get()
                if event["type"] == "websocket.close":
                    self.code = event.get("code", 1000)
                    return None
                if event["type"] != "websocket.send":
                    continue
                text = event.get("text") or (event.get("bytes") or b"").decode()
                self.frames.append(text)
                message: dict[str, Any] = json.loads(text)
                if message["type"] == "ping":
                    self.send({"type": "pong"})
                    continue
                return message
        return None

    async def silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes for a while."""
        with suppress(TimeoutError):
            return await self.receive(seconds) is None
        return True

    async def sign_in(self, token: str | None) -> None:
        self.send({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        assert await self.receive() == {"type": "connection_ack"}

    async def watches(self, query: str = INBOX, id_: str = "1", **variables: Any) -> None:
        """Subscribe, and wait until it has begun, or was refused: what happens before is not told."""
        before = self._watching()
        self.subscribe(query, id_, **variables)
        async with asyncio.timeout(PATIENCE):
            while self._watching() == before and self.to_client.empty():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)

    def _watching(self) -> set[Watcher]:
        """Return who watches in this process."""
        known = (*self._watchers._partners.values(), *self._watchers._leads.values())
        return {watcher for place in known for watcher in place}

    def subscribe(self, query: str = INBOX, id_: str = "1", **variables: Any) -> None:
        payload = {"query": query, "variables": variables}
        self.send({"id": id_, "type": "subscribe", "payload": payload})

    async def change(self, within: float = PATIENCE) -> dict[str, Any]:
        """Return the data of the next event, past what only says that something was missed."""
        while True:
            message = await self.receive(within)
            assert message is not None, self.code
            assert message["type"] == "next", message
            assert "errors" not in message["payload"], message
            (data,) = message["payload"]["data"].values()
            if not data["missed"]:
                return {key: value for key, value in data.items() if value and key != "missed"}


@asynccontextmanager
async def connected(app: Litestar, *, protocol: str | None = PROTOCOL) -> AsyncIterator[Socket]:
    """Open a connection to /graphql/ws; ends it, and waits for the server to notice."""
    socket = Socket(app)
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/graphql/ws",
        "raw_path": b"/graphql/ws",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"test"), (b"accept-language", b"en")],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
        "subprotocols": [protocol] if protocol else [],
        "state": {},
    }
    socket.to_server.put_nowait({"type": "websocket.connect"})
    running = asyncio.create_task(app(scope, socket.to_server.get, socket.to_client.put))  # type: ignore[arg-type]
    try:
        yield socket
    finally:
        socket.to_server.put_nowait({"type": "websocket.disconnect", "code": 1000})
        async with asyncio.timeout(PATIENCE):
            await running
