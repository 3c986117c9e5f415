"""Exchanges with a real Meilisearch: recorded once, given again by a server of this machine, in order.

Indexes are named INDEX; what changes with every run (tokens, tasks, times) is not compared. Of documents and
settings only which ones are sent is compared, so that texts and words can be changed without a new recording.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from search.engine import Vocabulary
from search.meili.engine import MeiliEngine
from search.meili.fields import settings_fingerprint
from tests.search.samples import VOCABULARY

FILE = Path(__file__).parent / "meilisearch_exchanges.json"
VOLATILE = ("processingTimeMs", "requestUid", "startedAt", "finishedAt", "duration", "metadata", "details")
TIME = "2026-01-01T00:00:00.000000Z"


def compared(method: str, path: str, body: Any, index: str) -> list[Any]:
    """Return what of a request must be the same again."""
    path = re.sub(r"-new-[0-9a-f]{8}", "-new", path.replace(index, "INDEX"))
    path = re.sub(r"/tasks/[0-9]+", "/tasks/N", path)
    if path.endswith("/documents?primaryKey=id"):
        return [method, path, sorted([one["id"], one["meta"]] for one in body)]
    if method == "PATCH" or (method == "POST" and path == "/indexes"):
        return [method, path, sorted(body)]
    if path == "/swap-indexes":
        return [method, path, [one["rename"] for one in body]]
    return [method, path, json.loads(json.dumps(body).replace(index, "INDEX"))]


def _steady(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {
            name: TIME if name == "enqueuedAt" else _steady(value)
            for name, value in answer.items()
            if name not in VOLATILE
        }
    return [_steady(one) for one in answer] if isinstance(answer, list) else answer


def _fingerprints() -> dict[str, str]:
    """Return what stands in a recording for the settings, which change with every word of the vocabulary."""
    return {"DECLARED": settings_fingerprint(Vocabulary()), "SET_UP": settings_fingerprint(VOCABULARY)}


class Recording(requests.Session):
    """A session that notes what was asked and answered; of a task only that it ended."""

    def __init__(self, index: str) -> None:
        super().__init__()
        self.trust_env = False
        self.index = index
        self.exchanges: list[dict[str, Any]] = []

    def request(self, method: str, url: str, **given: Any) -> requests.Response:  # type: ignore[override]
        answer = super().request(method, url, **given)
        path = "/" + url.split("/", 3)[3]
        sent = given.get("data")
        body = json.loads(sent) if sent and sent != "null" else None
        said: Any = _steady(answer.json()) if answer.content else None
        if path.startswith("/tasks/") and said["status"] not in {"succeeded", "failed"}:
            return answer
        text = json.dumps(said).replace(self.index, "INDEX")
        for name, value in _fingerprints().items():
            text = text.replace(value, name)
        self.exchanges.append(
            {
                "request": compared(method.upper(), path, body, self.index),
                "status": answer.status_code,
                "answer": json.loads(text),
            }
        )
        return answer


class Replaying:
    """What a recorded server was asked, and what it was asked otherwise."""

    def __init__(self, exchanges: list[dict[str, Any]], index: str) -> None:
        self.exchanges = exchanges
        self.index = index
        self.next = 0
        self.asked: list[tuple[str, str, Any]] = []
        self.different: list[tuple[Any, Any]] = []
        self.url = ""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        """Return the next recorded answer, if the request is the recorded one."""
        self.asked.append((method, path, body))
        asked = json.loads(json.dumps(compared(method, path, body, self.index)))
        if self.next >= len(self.exchanges):
            self.different.append((asked, None))
            return 500, b"{}"
        wanted = self.exchanges[self.next]
        if asked != wanted["request"]:
            self.different.append((asked, wanted["request"]))
            return 500, b"{}"
        self.next += 1
        text = json.dumps(wanted["answer"]).replace("INDEX", self.index)
        for name, value in _fingerprints().items():
            text = text.replace(name, value)
        return wanted["status"], text.encode()


@contextmanager
def replayed(index: str) -> Iterator[Replaying]:
    """Run a server that gives the recorded answers."""
    state = Replaying(json.loads(FILE.read_text())["exchanges"], index)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # sent apart, the body would wait until the head was acknowledged: 40 ms each time

        def _any(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.loads(sent) if sent and sent != b"null" else None
            status, answer = state.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def record(engine: MeiliEngine) -> Recording:
    """Let an engine note its exchanges from now on."""
    session = Recording(engine.index)
    engine.server._session = session
    for connections in (engine.server._asking, engine.server._handing):
        connections._session = session
    return session
