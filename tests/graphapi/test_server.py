"""The application in a real server process: starts from the environment, follows the feed, ends cleanly."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from directory.database import Database
from graphapi.embedded import APP, KEYS, READER, Access
from tests.graphapi.conftest import Maker

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def server(
    cluster: Access, empty_database_name: str, empty_keys_database: str, tmp_path: Path
) -> Iterator[tuple[str, Path]]:
    """Address of a granian process on a database of its own, and the file it logs to."""
    port = free_port()
    log = tmp_path / "server.log"
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'graphql'}",
        "SPURWECHSEL_ENVIRONMENT": "production",
        "DATABASE_URL": cluster.dsn(APP, empty_database_name),
        "DATABASE_READER_URL": cluster.dsn(READER, empty_database_name),
        "KEYS_DATABASE_URL": cluster.dsn(KEYS, empty_keys_database),
        "SPURWECHSEL_MASTER_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "SPURWECHSEL_DATA": str(tmp_path / "data"),
    }
    command = [
        *(sys.executable, "-m", "granian", "--factory", "--interface", "asgi"),
        *("--host", "127.0.0.1", "--port", str(port), "graphapi.app:create_app"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, process, log)
        yield address, log
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    with httpx.Client(base_url=address, timeout=30) as http:  # one for all: each makes a TLS context
        while time.monotonic() < until and process.poll() is None:
            with suppress(httpx.TransportError):
                if http.get("/health/ready").status_code == 200:
                    return
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.mark.slow
async def test_a_server(server: tuple[str, Path], empty_database: Database) -> None:
    address, log = server
    make = Maker(empty_database)
    world = await make.world()
    key = await make.service(world.partner, "Sprachmittlung")
    began = time.monotonic()
    async with httpx.AsyncClient(base_url=address, timeout=60) as http:
        query = '{ searchServices(input: {text: "sprachmitlung"}) { nodes { id } } }'
        while True:
            answer = await http.post(
                "/graphql", json={"query": query}, headers={"authorization": f"Bearer {world.staff}"}
            )
            nodes = answer.json().get("data", {}).get("searchServices", {}).get("nodes")
            if nodes or time.monotonic() - began > 60:
                break
            await asyncio.sleep(0.1)
        assert nodes == [{"id": world.id("Service", key)}]

        ready = (await http.get("/health/ready")).json()
        assert ready["search"]["local"]["searchable"]

        large = await http.post(
            "/graphql", content=b"x" * 1_000_000, headers={"content-type": "application/json"}
        )
        assert large.status_code == 413
        page = await http.get("/graphql", headers={"accept": "text/html"})
        assert "GraphiQL" in page.text
        options = [await http.request(method, "/graphql") for method in ("PUT", "OPTIONS", "HEAD")]
        assert [one.status_code for one in options] == [405, 405, 405]

    written = log.read_text()
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    assert any(
        line["event"] == "operation" and line["role"] == "PARTNER_MEMBER" for line in lines if "role" in line
    )
    assert world.staff not in written
    assert "sprachmitlung" not in written
