"""Where the database is: the one of the settings, or the embedded one in the data folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from graphapi.embedded import APP, OWNER, READER, Access, Cluster, NotRunningError
from graphapi.migrating import migrate
from graphapi.settings import Environment, Settings, SettingsRefused
from referrals.sealing import generate_master_key

DATABASE: Final = "spurwechsel"
"""Name of the database in the embedded cluster."""


class Addresses(msgspec.Struct, frozen=True):
    """The database as each of its three roles (DESIGN 3.1); ``owner`` is None where it is not known."""

    app: str
    reader: str
    owner: str | None


def cluster_folder(settings: Settings) -> Path:
    """Return the folder of the embedded PostgreSQL."""
    return settings.data / "postgresql"


def addresses_in(access: Access) -> Addresses:
    """Return the addresses of the exchange's database in a running embedded cluster."""
    return Addresses(
        app=access.dsn(APP, DATABASE), reader=access.dsn(READER, DATABASE), owner=access.dsn(OWNER, DATABASE)
    )


def prepare(access: Access) -> Addresses:
    """Make the exchange's database in an embedded cluster, if need be, and migrate it."""
    access.create_database(DATABASE, exist_ok=True)
    addresses = addresses_in(access)
    if addresses.owner is not None:
        asyncio.run(migrate(addresses.owner))
    return addresses


def master_key_text(settings: Settings) -> str:
    """Return the master key in base64: the configured one, else the demo's, made once in the data folder.

    Raises SettingsRefused in production without a key: a key that appears by itself could be lost by itself.
    """
    if settings.master_key is not None:
        return settings.master_key.get_secret_value()
    if settings.environment is Environment.PRODUCTION:
        raise SettingsRefused("SPURWECHSEL_MASTER_KEY must be set in production")
    file = settings.data / "master.key"
    settings.data.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    key = generate_master_key()
    with os.fdopen(descriptor, "w") as opened:
        opened.write(key + "\n")
    return key


@contextmanager
def reached_database(settings: Settings) -> Iterator[Addresses]:
    """Give the database's addresses; an embedded PostgreSQL runs as long as the block, if none ran before.

    Raises what the launcher raises when the embedded PostgreSQL cannot be started, and SettingsRefused when
    a production configuration names no database.
    """
    if settings.database_url is not None and settings.database_reader_url is not None:
        owner = settings.database_owner_url
        yield Addresses(
            app=settings.database_url.get_secret_value(),
            reader=settings.database_reader_url.get_secret_value(),
            owner=owner.get_secret_value() if owner else None,
        )
        return
    if settings.environment is Environment.PRODUCTION:
        raise SettingsRefused("DATABASE_URL must be set in production")
    folder = cluster_folder(settings)
    try:
        yield addresses_in(Cluster.attach(folder))
    except NotRunningError:
        with Cluster(folder) as cluster:
            yield prepare(cluster)
