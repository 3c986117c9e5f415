"""Where the databases are: those of the settings, or the embedded ones in the data folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from graphapi.embedded import APP, KEYS, OWNER, READER, SUPERUSER, Access, Cluster, NotRunningError
from graphapi.migrating import migrate, migrate_keys
from graphapi.settings import Environment, Settings, SettingsRefused
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import MasterKey, generate_master_key

DATABASE: Final = "spurwechsel"
"""Name of the database in the embedded cluster."""
KEYS_DATABASE: Final = "spurwechsel_keys"
"""Name of the key store's database in the embedded cluster."""


class Addresses(msgspec.Struct, frozen=True):
    """The databases as each of their roles (DESIGN 3.1); an owner is None where it is not known.

    ``keys``: the key store, apart from the data; on a server of its own where that is wanted.
    """

    app: str
    reader: str
    keys: str
    owner: str | None
    keys_owner: str | None
    backup: str | None


def cluster_folder(settings: Settings) -> Path:
    """Return the folder of the embedded PostgreSQL."""
    return settings.data / "postgresql"


def addresses_in(access: Access) -> Addresses:
    """Return the addresses of the exchange's databases in a running embedded cluster."""
    return Addresses(
        app=access.dsn(APP, DATABASE),
        reader=access.dsn(READER, DATABASE),
        keys=access.dsn(KEYS, KEYS_DATABASE),
        owner=access.dsn(OWNER, DATABASE),
        keys_owner=access.dsn(OWNER, KEYS_DATABASE),
        backup=access.dsn(SUPERUSER, DATABASE),
    )


def prepare(access: Access, *, migrated: bool = True) -> Addresses:
    """Make the exchange's databases in an embedded cluster, if need be, and migrate them."""
    access.create_database(DATABASE, exist_ok=True)
    access.create_database(KEYS_DATABASE, exist_ok=True)
    addresses = addresses_in(access)
    if migrated:
        asyncio.run(migrate_all(addresses))
    return addresses


async def migrate_all(addresses: Addresses) -> str:
    """Bring the key store, then the main database, to the newest schema; return the revision reached.

    In this order: keys of a former version move from the main database into the key store. Raises
    SettingsRefused when an owner's address is missing, and Unavailable.
    """
    if addresses.owner is None:
        raise SettingsRefused("DATABASE_OWNER_URL must be set to migrate a database of your own")
    if addresses.keys_owner is None:
        raise SettingsRefused("KEYS_DATABASE_OWNER_URL must be set to migrate a key database of your own")
    await migrate_keys(addresses.keys_owner)
    return await migrate(addresses.owner, addresses.keys_owner)


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


def key_store(settings: Settings, url: str) -> KeyStore:
    """Return the key store at this address; it connects when it is first asked."""
    return KeyStore(MasterKey.parse(master_key_text(settings)), url, pool_size=settings.pool_size)


@contextmanager
def reached_database(settings: Settings, *, migrated: bool = True) -> Iterator[Addresses]:
    """Give the databases' addresses; an embedded PostgreSQL runs as long as the block, if none ran before.

    A new embedded database is migrated, unless ``migrated`` is False: then it stays empty, for a restore.

    Raises what the launcher raises when the embedded PostgreSQL cannot be started, and SettingsRefused when
    a production configuration names no database.
    """
    urls = (settings.database_url, settings.database_reader_url, settings.keys_database_url)
    if all(urls):
        app, reader, keys = (url.get_secret_value() for url in urls if url is not None)
        owner, keys_owner = settings.database_owner_url, settings.keys_database_owner_url
        backup = settings.database_backup_url
        yield Addresses(
            app=app,
            reader=reader,
            keys=keys,
            owner=owner.get_secret_value() if owner else None,
            keys_owner=keys_owner.get_secret_value() if keys_owner else None,
            backup=backup.get_secret_value() if backup else None,
        )
        return
    if settings.environment is Environment.PRODUCTION:
        raise SettingsRefused("DATABASE_URL must be set in production")
    folder = cluster_folder(settings)
    try:
        yield addresses_in(Cluster.attach(folder))
    except NotRunningError:
        with Cluster(folder) as cluster:
            yield prepare(cluster, migrated=migrated)
