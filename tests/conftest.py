"""One real PostgreSQL for the whole run, one database per test worker, copied from a migrated template."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import uvloop
from hypothesis import HealthCheck, settings

from directory.database import Database
from graphapi.embedded import APP, KEYS, OWNER, READER, Access, Cluster, Profile
from graphapi.migrating import migrate, migrate_keys
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import MasterKey, generate_master_key

TEMPLATE = "template_spurwechsel"
KEYS_TEMPLATE = "template_spurwechsel_keys"
FOLDER = pytest.StashKey[Path]()
MEMORY = "/dev/shm"
ROOM_FOR_CLUSTER = 3_000_000_000

# What is imported and collected stays to the end: looking for garbage in it again and again finds none.
gc.disable()

# Its line for each request was a tenth of it; what the pages log themselves stays.
logging.getLogger("httpx").setLevel(logging.WARNING)

# The loop that the server runs on. Python 3.14 no longer likes to be told of it in this way.
if sys.version_info < (3, 14):
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

# How long one example takes says more about who else uses the machine than about what is tested.
settings.register_profile("tests", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

# Else each process compiles anew all that it imports: every worker all tests, and what the tests start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Tests go by words: the model of meanings takes 150 MB in each process. Its own tests load it.
os.environ["SEARCH_MEANING"] = "false"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the cluster in the controller (or the only process); its workers attach to it."""
    config = session.config
    if hasattr(config, "workerinput"):
        config.stash[FOLDER] = Path(config.workerinput["cluster"])
        return
    folder = Path(tempfile.mkdtemp(prefix="spurwechsel-tests-", dir=_memory()))
    cluster = Cluster(folder, profile=Profile.TESTS)
    config.stash[FOLDER] = folder
    config.add_cleanup(lambda: _end(cluster, folder))
    cluster.start()
    cluster.create_database(TEMPLATE)
    cluster.create_database(KEYS_TEMPLATE)
    asyncio.run(migrate_keys(cluster.dsn(OWNER, KEYS_TEMPLATE)))
    asyncio.run(migrate(cluster.url(OWNER, TEMPLATE)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave modules, schema and tests to the end of the process: each full collection looked at all of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Look for garbage from here on."""
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell an xdist worker where the cluster is."""
    node.workerinput["cluster"] = str(node.config.stash[FOLDER])  # type: ignore[attr-defined]


def _memory() -> str | None:
    """Return a folder in memory with room for a cluster, else None: on a disk all that is written costs more.

    Containers often have a small one.
    """
    try:
        return MEMORY if shutil.disk_usage(MEMORY).free > ROOM_FOR_CLUSTER else None
    except OSError:
        return None


def _end(cluster: Cluster, folder: Path) -> None:
    cluster.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Access:
    """The running PostgreSQL of this test run."""
    return Cluster.attach(request.config.stash[FOLDER])


@pytest.fixture(scope="session")
def worker_database(cluster: Access) -> Iterator[str]:
    """Name of this worker's own migrated database."""
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    cluster.create_database(name, template=TEMPLATE)
    yield name
    cluster.drop_database(name)


def create_key_database(cluster: Access, name: str) -> None:
    """Make a migrated key database; rights to connect do not come along with the template."""
    cluster.create_database(name, template=KEYS_TEMPLATE)
    cluster.run_sql(
        f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC; GRANT CONNECT ON DATABASE "{name}" TO {KEYS}'
    )


@pytest.fixture(scope="session")
def keys_database(cluster: Access) -> Iterator[str]:
    """Name of this worker's own key database."""
    name = f"keys_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    create_key_database(cluster, name)
    yield name
    cluster.drop_database(name)


@pytest.fixture
def empty_keys_database(cluster: Access) -> Iterator[str]:
    """Name of a fresh, migrated key database of this test only, which no master key has been used with."""
    name = f"keys_{uuid4().hex}"
    create_key_database(cluster, name)
    yield name
    cluster.drop_database(name)


@pytest.fixture(scope="session")
async def keys(cluster: Access, keys_database: str) -> AsyncIterator[KeyStore]:
    """The worker's key store, for all databases of the worker."""
    opened = KeyStore(MasterKey.parse(generate_master_key()), cluster.dsn(KEYS, keys_database), pool_size=20)
    yield opened
    await opened.stop()


@pytest.fixture(scope="session")
def owner_url(cluster: Access, worker_database: str) -> str:
    """The worker's database as the owner of its tables."""
    return cluster.dsn(OWNER, worker_database)


@pytest.fixture(scope="session")
def app_url(cluster: Access, worker_database: str) -> str:
    """The worker's database as the role that serves."""
    return cluster.dsn(APP, worker_database)


@pytest.fixture(scope="session")
def reader_url(cluster: Access, worker_database: str) -> str:
    """The worker's database as the role that reads the published directory."""
    return cluster.dsn(READER, worker_database)


@pytest.fixture(scope="session")
async def database(app_url: str, reader_url: str) -> AsyncIterator[Database]:
    """The worker's database, shared by its tests: each test makes what it needs under fresh ids."""
    opened = Database(app_url, reader_url, pool_size=60)
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture
def empty_database_name(cluster: Access) -> Iterator[str]:
    """Name of a fresh, empty, migrated database of this test only."""
    name = f"test_{uuid4().hex}"
    cluster.create_database(name, template=TEMPLATE)
    yield name
    cluster.drop_database(name)


@pytest.fixture
async def empty_database(cluster: Access, empty_database_name: str) -> AsyncIterator[Database]:
    """A fresh, empty, migrated database for this test only."""
    opened = Database(cluster.dsn(APP, empty_database_name), cluster.dsn(READER, empty_database_name))
    await opened.start()
    yield opened
    await opened.stop()
