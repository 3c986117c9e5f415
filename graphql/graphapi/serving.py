"""Runs the server processes."""

from __future__ import annotations

import os

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from graphapi.connecting import master_key_text, reached_database
from graphapi.settings import Settings


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; the workers read the same settings from the environment.

    What was not in the environment but found (the embedded database, the demo's master key) is put there for
    the workers, never on a command line.
    """
    with reached_database(settings) as addresses:
        os.environ["DATABASE_URL"] = addresses.app
        os.environ["DATABASE_READER_URL"] = addresses.reader
        os.environ.pop("DATABASE_OWNER_URL", None)
        os.environ["SPURWECHSEL_MASTER_KEY"] = master_key_text(settings)
        Granian(
            "graphapi.app:create_app",
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
