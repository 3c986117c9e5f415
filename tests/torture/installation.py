"""A whole installation that can be killed: PostgreSQL, server, jobs; each is started again when it died.

Every process is a child of the test and dies with it, however the test ends (``PR_SET_PDEATHSIG``).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import asyncpg
import httpx

from directory import feed
from directory.database import OUT_OF_REACH
from graphapi.connecting import DATABASE, Addresses, prepare
from graphapi.embedded import SUPERUSER, Cluster, Profile

ROOT: Final = Path(__file__).parents[2]
OURS: Final = ("SPURWECHSEL_", "DATABASE_", "KEYS_DATABASE_")
"""How the names of our settings begin: the run takes none from outside."""

WATCHERS: Final = "spurwechsel_watchers"
"""Channel on which the database tells of every committed event of a referral."""

_LAUNCH: Final = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9);"
    " os.getppid() == int(sys.argv[1]) or sys.exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)
"""Becomes the program, which the kernel kills when the test ends. Not a ``preexec_fn``: there are threads."""


class Process:
    """One of our commands; started again as soon as it is seen dead."""

    def __init__(self, command: str, environment: dict[str, str], folder: Path) -> None:
        self.command = command
        self.log = folder / f"{command}.log"
        self.starts = 0
        self._retired = False
        self._environment = environment
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def watch(self) -> None:
        """Start it when it does not run."""
        if self._retired or (self._process is not None and self._process.poll() is None):
            return
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())),
                    *(sys.executable, "-m", "graphapi", self.command),
                ],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def children(self) -> list[int]:
        """Return its workers."""
        found: list[int] = []
        with suppress(OSError):
            for task in Path(f"/proc/{self.pid}/task").iterdir():
                found.extend(int(number) for number in (task / "children").read_text().split())
        return sorted(found)

    def kill(self, *pids: int) -> bool:
        """Send SIGKILL to these at once (left out: to itself); return whether all of them still lived."""
        lived = True
        for pid in pids or (self.pid,):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                lived = False
        return lived

    def said(self, word: str) -> str:
        """Return the lines of its log that hold a word."""
        return "\n".join(line for line in self.log.read_text().splitlines() if word in line)

    async def end(self) -> None:
        """End it for good, its workers too."""
        self._retired = True
        if self._process is None:
            return
        workers = self.children()
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, 15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


class Commits:
    """Hears of every commit the moment it is made, on a connection of its own; a lost one is opened again."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.count: Counter[str] = Counter()
        self._heard = asyncio.Condition()
        self._telling: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            with suppress(*OUT_OF_REACH):
                connection = await asyncpg.connect(self._dsn, timeout=5)
                try:
                    lost = asyncio.Event()
                    connection.add_termination_listener(lambda *_, lost=lost: lost.set())
                    for channel in (WATCHERS, feed.CHANNEL):
                        await connection.add_listener(channel, self._hear)
                    await lost.wait()
                finally:
                    connection.terminate()
            await asyncio.sleep(0.05)

    def _hear(self, _connection: object, _pid: int, channel: str, _payload: object) -> None:
        self.count[channel] += 1
        task = asyncio.ensure_future(self._tell())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self) -> None:
        async with self._heard:
            self._heard.notify_all()

    async def wait(self, channel: str, count: int = 1, within: float = 5.0) -> bool:
        """Wait for so many commits from now on; return whether they came in time."""
        until = self.count[channel] + count
        with suppress(TimeoutError):
            async with asyncio.timeout(within), self._heard:
                await self._heard.wait_for(lambda: self.count[channel] >= until)
        return self.count[channel] >= until


class Installation:
    """Everything of one installation, in a folder of its own, on a free port of this machine."""

    def __init__(self, folder: Path, port: int, smtp_port: int) -> None:
        self.folder = folder
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self.cluster = Cluster(folder / "postgresql", profile=Profile.SAFE)
        self.master_key = b64encode(secrets.token_bytes(32)).decode()
        self.data = folder / "data"
        self._smtp_port = smtp_port
        self.addresses: Addresses
        self.superuser = ""
        """The main database without any policy: for checks, and to let time pass."""
        self.server: Process
        self.jobs: Process
        self.commits: Commits
        self.database_starts = 0
        self._starting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start PostgreSQL, with migrated databases."""
        await asyncio.to_thread(self.cluster.start)
        self.addresses = await asyncio.to_thread(prepare, self.cluster)
        self.superuser = self.cluster.dsn(SUPERUSER, DATABASE)
        self.commits = Commits(self.superuser)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
            "PYTHONPATH": f"{ROOT}:{ROOT / 'graphql'}",
            "DATABASE_URL": self.addresses.app,
            "DATABASE_READER_URL": self.addresses.reader,
            "KEYS_DATABASE_URL": self.addresses.keys,
            "SPURWECHSEL_ENVIRONMENT": "production",
            "SPURWECHSEL_MASTER_KEY": self.master_key,
            "SPURWECHSEL_DATA": str(self.data),
            "SPURWECHSEL_PORT": str(self.port),
            "SPURWECHSEL_WORKERS": "2",
            "SPURWECHSEL_POOL_SIZE": "5",
            "SPURWECHSEL_SMTP_URL": f"smtp://127.0.0.1:{self._smtp_port}",
            "SPURWECHSEL_MAIL_FROM": "netz@example.org",
            "SPURWECHSEL_PUBLIC_URL": "https://netz.example.org",
        }
        self.server = Process("serve", environment, self.folder)
        self.jobs = Process("jobs", environment, self.folder)

    async def supervise(self) -> None:
        """Start again whatever died, until cancelled."""
        while True:
            self.server.watch()
            self.jobs.watch()
            if self.cluster.poll() is not None:
                self.database_starts += 1
                await asyncio.to_thread(self.cluster.start)
            await asyncio.sleep(0.1)

    def serving(self) -> list[int]:
        """Return the workers that are answering somebody at this moment."""
        held = set()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[1] == f"0100007F:{self.port:04X}" and columns[3] == "01":
                held.add(f"socket:[{columns[9]}]")
        found = []
        for worker in self.server.children():
            with suppress(OSError):
                files = Path(f"/proc/{worker}/fd").iterdir()
                if any(str(file.readlink()) in held for file in files):
                    found.append(worker)
        return found

    async def ready(self, within: float = 180.0) -> httpx.Response:
        """Wait until the health check says that requests can be served and searched; return what it says."""
        until = time.monotonic() + within
        said = "nothing"
        async with httpx.AsyncClient(base_url=self.address, timeout=5) as http:
            while time.monotonic() < until:
                with suppress(httpx.TransportError):
                    answer = await http.get("/health/ready")
                    said = answer.text
                    if answer.status_code == 200 and answer.json()["search"]["local"]["searchable"]:
                        return answer
                await asyncio.sleep(0.1)
        raise AssertionError(f"not ready: {said}\n{self.server.log.read_text()[-3000:]}")

    async def close(self) -> None:
        """End everything."""
        for process in (self.server, self.jobs):
            await process.end()
        await asyncio.to_thread(self.cluster.stop)


def age(pid: int) -> float:
    """Return for how many seconds a process has been running; 0 for one that is gone."""
    with suppress(OSError):
        started = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")
    return 0.0


def _fresh_folder() -> Path:
    """Make a folder for this run; those of runs that were killed themselves go."""
    for left in Path(tempfile.gettempdir()).glob("spurwechsel-torture-*-*"):
        if not Path(f"/proc/{left.name.split('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"spurwechsel-torture-{os.getpid()}-"))


@asynccontextmanager
async def installation(port: int, smtp_port: int) -> AsyncIterator[Installation]:
    """Run PostgreSQL for an installation; nothing of it is left behind."""
    folder = _fresh_folder()
    made = Installation(folder, port, smtp_port)
    try:
        await made.open()
        yield made
    finally:
        with suppress(AttributeError):
            await made.close()
        made.cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
