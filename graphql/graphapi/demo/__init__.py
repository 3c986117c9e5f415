"""The demo: the whole exchange on one machine, supervised, with the demo network loaded.

Three children: the embedded PostgreSQL, the server and the jobs. Each is started again when it dies; all end
when this process ends, however it ends.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Final
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec
from rich.console import Console

from directory import membership
from directory.actors import SYSTEM
from directory.database import Database
from directory.importing.entries import entry_id, source_namespace
from directory.models import Member
from graphapi.connecting import Addresses, cluster_folder, key_store, master_key_text, prepare
from graphapi.demo.roles import ROLES, member_of
from graphapi.embedded import Cluster
from graphapi.importing import import_network
from graphapi.opening import Opening
from graphapi.settings import Environment, Settings, SettingsRefused

NETWORK: Final = Path(__file__).parent / "network.json"
"""The demo network: a data file, loaded by the same import that users use."""

TOKEN_LIFE: Final = timedelta(days=365)
READY_WITHIN: Final = 180.0
"""Seconds that the server has to become ready."""

notes: Final = Console(stderr=True)


QUERIES: Final = (
    (
        "Search, without a token",
        '{ searchServices(input: {text: "Sprachmitlung"}) { totalCount nodes { title { text } } } }',
    ),
    (
        "A B1 course with childcare for somebody whose title ends in seven months, with the reasons",
        '{ searchServices(input: {text: "B1 Deutschkurs", situation: {residenceStatus: SECTION_104C,'
        ' statusValidUntil: "STATUS_END", childcare: true, wishedLevel: B1}})'
        " { edges { answer reasons { message } node { title { text } partner { name } } } } }",
    ),
    (
        "Clients in clearing, with the coordinator's token",
        "{ clients(filter: {phases: [CLEARING]}, first: 5)"
        " { totalCount nodes { pseudonym residenceStatus } } }",
    ),
)
"""Queries to try, each with what it shows; STATUS_END becomes a day in seven months."""


class DemoFailed(Exception):
    """The demo could not be started; the message says why and what to do."""


class _Child:
    """A process that is started again, with growing pauses, when it dies."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._pause = 0.5
        self._not_before = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self) -> None:
        """Start the process if it does not run and its pause is over."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            notes.print(f"{self.name} ended with {self._process.returncode}; starting it again.")
            self._process = None
            self._not_before = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, 30.0)
        if time.monotonic() >= self._not_before:
            self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                preexec_fn=_end_with_parent,
            )

    def end(self) -> None:
        """Ask the process to end, and insist after ten seconds."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _end_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def run(settings: Settings, *, as_json: bool) -> None:
    """Start everything, print how to use it, and supervise until Ctrl-C or SIGTERM.

    Raises SettingsRefused for a production configuration, DemoFailed when something else uses the port or
    the server does not get ready, and what the launcher raises.
    """
    if settings.environment is Environment.PRODUCTION or settings.database_url is not None:
        raise SettingsRefused(
            "the demo brings its own database: unset DATABASE_URL and SPURWECHSEL_ENVIRONMENT"
        )
    _check_port(settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    begun = time.monotonic()
    settings.data.mkdir(parents=True, exist_ok=True)
    with Cluster(cluster_folder(settings)) as cluster:
        addresses = prepare(cluster)
        notes.print(f"PostgreSQL runs ({time.monotonic() - begun:.1f} s).")
        tokens = asyncio.run(_load(settings, addresses))
        notes.print(f"The demo network is loaded ({time.monotonic() - begun:.1f} s).")
        children = _children(settings, addresses)
        try:
            for child in children:
                child.watch()
            _wait_until_ready(settings, children)
            notes.print(f"The server is ready ({time.monotonic() - begun:.1f} s).")
            _say(settings, tokens, as_json=as_json)
            while True:
                time.sleep(0.5)
                if cluster.poll() is not None:
                    notes.print("PostgreSQL ended; starting it again.")
                    cluster.stop()
                    cluster.start()
                for child in children:
                    child.watch()
        except KeyboardInterrupt:
            notes.print("Ending: server, jobs, PostgreSQL.")
        finally:
            for child in children:
                child.end()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _check_port(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            raise DemoFailed(
                f"Port {settings.port} is in use. Choose another one: make demo PORT=8010"
            ) from None


def _children(settings: Settings, addresses: Addresses) -> list[_Child]:
    environment = os.environ | {
        "DATABASE_URL": addresses.app,
        "DATABASE_READER_URL": addresses.reader,
        "KEYS_DATABASE_URL": addresses.keys,
        "SPURWECHSEL_MASTER_KEY": master_key_text(settings),
        "SPURWECHSEL_DATA": str(settings.data.resolve()),
        "SPURWECHSEL_HOST": settings.host,
        "SPURWECHSEL_PORT": str(settings.port),
        "SPURWECHSEL_DEMO_SIGN_IN": "true",
        # so that the codes on its handouts lead to its own pages
        "SPURWECHSEL_PUBLIC_URL": settings.public_url or _address(settings),
    }
    return [
        _Child(name, [sys.executable, "-m", "graphapi", command], environment)
        for name, command in (("The server", "serve"), ("The jobs process", "jobs"))
    ]


def _wait_until_ready(settings: Settings, children: list[_Child]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    reason: str | None = None
    while time.monotonic() < deadline:
        reason = _not_ready(settings)
        if reason is None:
            return
        for child in children:
            child.watch()
        time.sleep(0.1)
    raise DemoFailed(f"The server was not ready within {READY_WITHIN:.0f} s: {reason}")


def _not_ready(settings: Settings) -> str | None:
    """Say why the server or its search index is not ready (the first query to try is a search), if so."""
    try:
        with urlopen(f"{_address(settings)}/health/ready", timeout=2) as answer:  # noqa: S310
            searchable = json.load(answer)["search"]["local"]["searchable"]
            return None if searchable else "its search index is being built"
    except HTTPError as refused:
        return refused.read(1_000).decode(errors="replace")
    except OSError:
        return "it does not answer"


def _address(settings: Settings) -> str:
    return f"http://{settings.host}:{settings.port}"


def _say(settings: Settings, tokens: dict[str, str], *, as_json: bool) -> None:
    address = f"{_address(settings)}/graphql"
    if as_json:
        sys.stdout.write(json.dumps({"url": address, "tokens": tokens}) + "\n")
        sys.stdout.flush()
        return
    ends = (datetime.now(UTC) + timedelta(days=212)).date().isoformat()
    shown = Console(highlight=False, soft_wrap=True)
    shown.print(f"\n[bold]Spurwechsel network[/]: open [bold]{_address(settings)}/[/] in a browser;")
    shown.print("one click there signs you in as any role.\n")
    shown.print(f"GraphQL answers at [bold]{address}[/], with a query page; paste a token there.\n")
    for name, token in tokens.items():
        shown.print(f"  {name:<18} {token}")
    for says, query in QUERIES:
        shown.print(f"\n[bold]{says}[/]")
        shown.print(query.replace("STATUS_END", ends), markup=False)
    shown.print("\nCtrl-C ends everything; the data stay in", str(settings.data))


async def _load(settings: Settings, addresses: Addresses) -> dict[str, str]:
    database = Database(addresses.app, addresses.reader, pool_size=2)
    keys = key_store(settings, addresses.keys)
    await database.start()
    try:
        await Opening(database, keys).ensure()
        report = await import_network(database, keys, NETWORK, publish=True)
        return await _tokens(database, settings, report.source)
    finally:
        await keys.stop()
        await database.stop()


async def _tokens(database: Database, settings: Settings, source: str) -> dict[str, str]:
    """Return one valid token per role, the same as last time where they still hold."""
    file = settings.data / "tokens.json"
    known: dict[str, str] = {}
    if file.exists():
        known = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    tokens: dict[str, str] = {}
    namespace = source_namespace(source)
    async with database.work(SYSTEM) as work:
        for role in ROLES:
            secret = known.get(role.name, "")
            if secret and await membership.authenticate(database, secret) is not None:
                tokens[role.name] = secret
                continue
            member_id = member_of(role)
            if await work.session.get(Member, member_id) is None:
                work.session.add(
                    Member(
                        id=member_id,
                        partner_id=entry_id(namespace, "partner", role.partner),
                        name=role.says,
                        role=role.role.value,
                        administers=role.administers,
                    )
                )
                await work.session.flush()
            token = await membership.create_token(work, member_id, "demo", expires_at=work.now + TOKEN_LIFE)
            tokens[role.name] = token.secret
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(msgspec.json.encode(tokens))
    return tokens
