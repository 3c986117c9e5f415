"""Runs the server processes."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import sys
from typing import Final

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from litestar import Litestar

from graphapi.app import create_app
from graphapi.connecting import key_store, master_key_text, reached_database
from graphapi.opening import refuse_what_cannot_open
from graphapi.settings import Settings

SERVER_PROCESS: Final = "SPURWECHSEL_SERVER_PROCESS"
"""Where workers find the id of the process that started them; no setting."""

COLLECT_AFTER: Final = (10_000, 20, 20)
"""How many new objects of a worker wait until garbage is looked for; a page or an answer makes thousands."""


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; the workers read the same settings from the environment.

    What was not in the environment but found (the embedded database, the demo's master key) is put there for
    the workers, never on a command line. Raises MasterKeyWrong and KeyStoreOutdated before it serves.
    """
    with reached_database(settings) as addresses:
        asyncio.run(refuse_what_cannot_open(key_store(settings, addresses.keys)))
        os.environ["DATABASE_URL"] = addresses.app
        os.environ["DATABASE_READER_URL"] = addresses.reader
        os.environ["KEYS_DATABASE_URL"] = addresses.keys
        os.environ.pop("DATABASE_OWNER_URL", None)
        os.environ.pop("KEYS_DATABASE_OWNER_URL", None)
        os.environ["SPURWECHSEL_MASTER_KEY"] = master_key_text(settings)
        os.environ[SERVER_PROCESS] = str(os.getpid())
        Granian(
            "graphapi.serving:worker",
            factory=True,
            interface=Interfaces.ASGI,
            address=settings.host,
            port=settings.port,
            workers=settings.workers,
            respawn_failed_workers=True,
            workers_kill_timeout=10,
            log_level=LogLevels(settings.log_level),
            log_access=False,
        ).serve()


def worker() -> Litestar:
    """Return the application in a worker, which ends when its server process does, SIGKILL included.

    A worker that outlived its server would keep the port, and answer beside the next one.
    """
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    if str(os.getppid()) != os.environ[SERVER_PROCESS]:
        sys.exit("the server process died before its worker began")
    app = create_app()
    # What is loaded now stays for good; to look for garbage in all of it would hold up every request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    # While a search reads hits closely, whoever only passes an answer on waits this long at most.
    sys.setswitchinterval(0.001)
    return app
