"""A Meilisearch server for tests: the one that MEILI_URL names, or an own one where the program is there."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

ABSENT = "needs Meilisearch: MEILI_URL names no server, and no program meilisearch is on the PATH"
NONE_TO_STOP = "needs a Meilisearch to be stopped and killed: no program meilisearch is on the PATH"
PROGRAM = "meilisearch"
STARTS_WITHIN_SECONDS = 90.0


def program() -> str | None:
    """Return where the program is."""
    return shutil.which(PROGRAM)


class OwnServer:
    """A server of this test run: a free port of this machine, a data folder and a master key of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = secrets.token_urlsafe(24)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The number of its process; it must be running."""
        assert self._process is not None
        return self._process.pid

    def start(self, memory: str = "100MiB") -> None:
        """Start it, and wait until it answers; ``memory``: what indexing may take."""
        found = program()
        assert found is not None, NONE_TO_STOP
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MEILI_")}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    found,
                    f"--http-addr=127.0.0.1:{self.port}",
                    f"--db-path={self.folder / 'data'}",
                    f"--master-key={self.key}",
                    "--no-analytics",
                    "--max-indexing-threads=2",
                    f"--max-indexing-memory={memory}",
                    "--log-level=WARN",
                ],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + STARTS_WITHIN_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=1):
                    return
            except OSError:
                assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
                assert time.monotonic() < until, "Meilisearch does not start"
                time.sleep(0.05)

    def stop(self) -> None:
        """Let it end in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it take connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(20)
            self._process = None
