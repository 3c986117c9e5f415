"""Runs the demo as a user does: starts it, runs every document of ``graphql/operations``, ends it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from graphapi.demo import QUERIES
from tests.smoke.steps import TABLE, Seen, Step, given, nothing

pytestmark = pytest.mark.smoke

OPERATIONS: Final = Path(__file__).parents[2] / "graphql" / "operations"
FIRST_START_WITHIN: Final = 60.0
NEXT_START_WITHIN: Final = 30.0
GONE_WITHIN: Final = 15.0
OURS: Final = ("SPURWECHSEL_", "DATABASE_")
"""How the names of our settings begin: the run takes none from outside."""


# --- The demo as a process ------------------------------------------------------------------------------


class DemoProcess:
    """``spurwechsel demo`` on a free port of this machine, with a data folder of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.url = ""
        self.tokens: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None

    def start(self, within: float) -> None:
        """Start it, and read where it is and its tokens."""
        told = json.loads(self._started(within, "--json")[0])
        self.url, self.tokens = told["url"], told["tokens"]

    def start_for_people(self, within: float) -> list[str]:
        """Start it without ``--json``; return the lines that it prints for people."""
        return self._started(within)

    def _started(self, within: float, *options: str) -> list[str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        begun = time.monotonic()
        log = (self.data.parent / f"{self.data.name}.log").open("a")
        with log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "graphapi", "demo",
                 "--port", str(port), "--data", str(self.data), *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                env={name: text for name, text in os.environ.items() if not name.startswith(OURS)},
                cwd=self.data.parent,
            )  # fmt: skip
        assert self._process.stdout is not None
        lines = []
        for line in self._process.stdout:
            lines.append(line)
            if options or line.startswith("Ctrl-C"):
                break
        took = time.monotonic() - begun
        assert lines, f"the demo said nothing:\n{self.said()}"
        assert took < within, f"{took:.0f} s:\n{self.said()}"
        return lines

    def said(self) -> str:
        """Return the end of what it printed for people."""
        return (self.data.parent / f"{self.data.name}.log").read_text()[-3000:]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> int:
        """Send a signal; return with what the process ended."""
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(timeout=GONE_WITHIN)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def left(self) -> list[str]:
        """Return the command lines of every process that works on the data folder (or was started for it)."""
        mark = str(self.data).encode()
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or int(folder.name) == os.getpid():
                continue
            with suppress(OSError):
                command = (folder / "cmdline").read_bytes()
                if mark in command or mark in (folder / "environ").read_bytes():
                    found.append(f"{folder.name} {command.replace(bytes(1), b' ').decode()}")
        return found

    def child(self, command: str) -> int:
        """Return the id of the supervised child that runs this command; 0 when none does."""
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for number in listed:
            if f"\0graphapi\0{command}\0" in Path(f"/proc/{number}/cmdline").read_text():
                return int(number)
        return 0

    def wait_until_gone(self) -> None:
        """Wait until nothing is left of it; fail with what still is after 15 seconds."""
        deadline = time.monotonic() + GONE_WITHIN
        while left := self.left():
            assert time.monotonic() < deadline, "\n".join(left)
            time.sleep(0.1)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask for a path of the server."""
        return httpx.get(self.url.removesuffix("/graphql") + path, headers=headers, timeout=10)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    started = DemoProcess(tmp_path_factory.mktemp("demo") / "data")
    started.start(FIRST_START_WITHIN)
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.send(signal.SIGTERM)


def until(condition: Callable[[], bool], within: float = 20.0) -> None:
    """Wait until something holds; a server that is not there yet is no reason to give up."""
    deadline = time.monotonic() + within
    while True:
        with suppress(httpx.TransportError):
            if condition():
                return
        assert time.monotonic() < deadline
        time.sleep(0.2)


# --- Every document ---------------------------------------------------------------------------------------


def test_every_document_is_in_the_table() -> None:
    documents = {file.stem for file in OPERATIONS.glob("*.graphql")}

    assert documents == {step.document for step in TABLE}


def run(demo: DemoProcess, http: httpx.Client, step: Step, seen: Seen) -> Any:
    """Run one step; return what its first root field gives."""
    text = (OPERATIONS / f"{step.document}.graphql").read_text(encoding="utf-8")
    variables = step.variables(seen)
    if "\nmutation " in text:
        variables = {"input": {"idempotencyKey": str(uuid4()), **variables}}
    headers = {"accept": "application/graphql-response+json", "accept-language": "de"}
    if step.role is not None:
        headers["authorization"] = f"Bearer {demo.tokens[step.role]}"
    response = http.post(demo.url, json={"query": text, "variables": variables}, headers=headers)
    body = response.json()
    assert response.status_code == 200, (step.document, body)
    assert "errors" not in body, (step.document, body)
    assert all(value is not None for value in body["data"].values()), (step.document, body)
    return next(iter(body["data"].values()))


def as_expected(step: Step, answer: Any) -> bool:
    if step.expected not in {"-", "none"}:
        return bool(answer["__typename"] == step.expected)
    if not isinstance(answer, dict):
        return bool(answer) is (step.expected == "-")
    # a total that is counted a moment after the page may know more than the page
    count = min(answer.get("totalCount", 1), len(answer.get("nodes", "1")))
    return bool(count > 0) is (step.expected == "-")


def kept(step: Step, answer: Any) -> Any:
    """Return the thing in an answer: of a payload with one field, that field."""
    if step.expected in {"-", "none"}:
        return answer
    fields = [value for name, value in answer.items() if name not in {"__typename", "possibleDuplicates"}]
    return fields[0] if len(fields) == 1 and isinstance(fields[0], dict) else answer


def test_every_document_runs(demo: DemoProcess) -> None:
    seen = Seen(demo.tokens)
    with httpx.Client(timeout=20) as http:
        for number, step in enumerate(TABLE):
            answer = run(demo, http, step, seen)
            deadline = time.monotonic() + 15
            while step.retry and not as_expected(step, answer) and time.monotonic() < deadline:
                time.sleep(0.5)
                answer = run(demo, http, step, seen)
            assert as_expected(step, answer), (number, step.document, answer)
            if step.keep is not None:
                seen.kept[step.keep] = kept(step, answer)


# --- The server, and its supervisor ---------------------------------------------------------------------


def test_it_is_ready(demo: DemoProcess) -> None:
    ready = demo.get("/health/ready")

    assert ready.status_code == 200
    assert ready.json()["ready"] is True
    assert demo.get("/health/live").status_code == 200


def test_the_query_page_asks_no_other_host(demo: DemoProcess) -> None:
    page = demo.get("/graphql", accept="text/html")
    assert page.headers["content-type"].startswith("text/html")
    assets = re.findall(r"(?:src|href)=\"([^\"]+)\"", page.text)
    assert len(assets) >= 4
    for asset in assets:
        address = urlsplit(asset)
        assert address.netloc == ""
        if address.scheme != "data":
            assert demo.get(asset).status_code == 200, asset
    assert not re.search(r"https?://", page.text)
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_directory_is_there_as_hsds(demo: DemoProcess) -> None:
    about = demo.get("/hsds/").json()
    assert about["version"] == "3.2.3"
    page = demo.get("/hsds/services?search=Sprachkurs&per_page=3").json()
    assert page["size"] == 3
    assert not page["empty"]
    for service in page["contents"]:
        whole = demo.get(f"/hsds/services/{service['id']}").json()
        assert whole["organization"]["id"] == service["organization_id"]
    lines = demo.get("/hsds/services?format=ndjson").content.splitlines()
    assert len(lines) == demo.get("/hsds/services").json()["total_items"]


def test_a_killed_server_is_started_again(demo: DemoProcess) -> None:
    server = demo.child("serve")
    os.kill(server, signal.SIGKILL)

    until(lambda: demo.child("serve") not in {0, server} and demo.get("/health/ready").status_code == 200)
    assert demo.child("jobs")
    assert not [line for line in demo.left() if line.startswith(f"{server} ")]


def test_terminated_it_leaves_nothing_and_starts_again_with_its_data(demo: DemoProcess) -> None:
    tokens = dict(demo.tokens)
    assert demo.left()
    demo.send(signal.SIGTERM)
    demo.wait_until_gone()

    demo.start(NEXT_START_WITHIN)

    assert demo.tokens == tokens
    seen = Seen(tokens)
    with httpx.Client(timeout=20) as http:
        step = Step("find-clients", "coordinator", given(filter={"name": "Probeperson"}))
        assert run(demo, http, step, seen)["totalCount"] == 1
        counted = run(demo, http, Step("count-clients", "coordinator", nothing), seen)
    assert sum(row["count"] for row in counted) == 127


def test_interrupted_it_leaves_nothing(demo: DemoProcess) -> None:
    demo.send(signal.SIGINT)
    demo.wait_until_gone()


def test_it_tells_people_where_it_is_and_what_to_try(demo: DemoProcess) -> None:
    said = "".join(demo.start_for_people(NEXT_START_WITHIN))

    address = re.search(r"http://127\.0\.0\.1:\d+/graphql", said)
    assert address is not None
    assert "browser" in said
    demo.url = address[0]
    for role, token in demo.tokens.items():
        assert re.search(rf"^  {role} +{re.escape(token)}$", said, re.MULTILINE)
    queries = [line for line in said.splitlines() if line.startswith("{")]
    assert len(queries) == len(QUERIES) == 3
    for query in queries:
        answer = httpx.post(
            demo.url,
            json={"query": query},
            headers={"authorization": f"Bearer {demo.tokens['coordinator']}"},
            timeout=20,
        ).json()
        assert "errors" not in answer, (query, answer)
        (found,) = answer["data"].values()
        assert found.get("edges") or found["totalCount"] > 0, query


def test_killed_it_leaves_nothing_either(demo: DemoProcess) -> None:
    assert len(demo.left()) >= 4, "supervisor, database, server, jobs"

    assert demo.send(signal.SIGKILL) == -signal.SIGKILL

    demo.wait_until_gone()
