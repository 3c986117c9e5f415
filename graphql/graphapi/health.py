"""Whether the process lives, and whether it can serve: for supervisors and load balancers.

Nothing is remembered between two questions, so it recovers by itself when the database is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import asyncpg
import msgspec
import structlog
from sqlalchemy import text

from directory.actors import SYSTEM
from directory.database import OUT_OF_REACH, Database, Unavailable
from graphapi.opening import Opening
from referrals.troubles import set_aside_now
from search.follower import Lag

PATIENCE_SECONDS: Final = 4.0
"""How long the database may take to answer before it counts as gone."""

log: Final = structlog.get_logger("health")


class SearchLag(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far a search index is behind: changes not yet searchable, age of the oldest in seconds.

    ``set_aside``: how many services could not be indexed; the log names each. ``meaning``: searches also
    find by meaning, see SEARCH_MEANING.
    """

    searchable: bool
    behind: int
    seconds: float
    set_aside: int
    trouble: str | None
    meaning: bool


class ClockState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many rows the clock and the outbox have set aside, unable to do them; seconds since the oldest.

    More than none is somebody's task: the log names each (``set aside``), and it is tried again by itself.
    """

    set_aside: int
    seconds: float


class Readiness(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether requests can be served; ``reasons`` are codes of what is wrong.

    ``search`` tells of each engine how far its index is behind, ``clock`` what it could not do: these are no
    reason to stop serving.
    """

    ready: bool
    reasons: tuple[str, ...] = ()
    schema_revision: str | None = None
    search: dict[str, SearchLag] = {}
    clock: ClockState | None = None


async def readiness(
    database: Database,
    newest_revision: str,
    lags: Mapping[str, Lag],
    opening: Opening | None = None,
) -> Readiness:
    """Ask both roles' connections and compare the schema's revision with the one this release needs."""
    reasons: list[str] = []
    if opening is not None:
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await opening.wait()
        if opening.reason is not None:
            reasons.append(opening.reason)
    revision: str | None = None
    clock: ClockState | None = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await database.reader.fetchval("SELECT 1 FROM feed")
            async with database.engine.connect() as connection:
                revision = await connection.scalar(text("SELECT version_num FROM schema_version"))
            if revision == newest_revision:
                clock = await _clock(database)
    except asyncpg.UndefinedTableError:
        reasons.append("schema-missing")
    except Exception as error:
        # whatever it is, this process cannot serve: the log says which kind, the answer only that
        if not isinstance(error, (*OUT_OF_REACH, OSError, Unavailable)):
            log.warning("not ready", error=type(error).__name__)
        reasons.append("database-unreachable")
    else:
        if revision != newest_revision:
            reasons.append("schema-not-newest")
    return Readiness(
        ready=not reasons,
        reasons=tuple(reasons),
        schema_revision=revision,
        search={name: _lag(lag) for name, lag in lags.items()},
        clock=clock,
    )


def metrics(lags: Mapping[str, Lag], passed_over: Mapping[str, int]) -> str:
    """Return how far each search index is behind, and how many searches its engine did not answer.

    For Prometheus (text format 0.0.4). ``passed_over``: of this process, by engine; another one answered, or
    none.
    """
    figures: tuple[tuple[str, str, Callable[[Lag], float]], ...] = (
        ("behind_changes", "Changes of the directory that are not yet searchable.", lambda lag: lag.behind),
        ("behind_seconds", "Age of the oldest of them.", lambda lag: lag.seconds),
        ("set_aside_services", "Services that could not be indexed.", lambda lag: len(lag.set_aside)),
        ("searchable", "Whether there is an index that answers.", lambda lag: lag.searchable),
        ("trouble", "Whether the last look failed.", lambda lag: lag.trouble is not None),
    )
    lines: list[str] = []
    for name, meaning, value in figures:
        lines += [f"# HELP spurwechsel_search_{name} {meaning}", f"# TYPE spurwechsel_search_{name} gauge"]
        lines += (
            f'spurwechsel_search_{name}{{engine="{engine}"}} {float(value(lag)):g}'
            for engine, lag in lags.items()
        )
    name = "spurwechsel_search_passed_over_total"
    lines += [f"# HELP {name} Searches that the engine did not answer.", f"# TYPE {name} counter"]
    lines += (f'{name}{{engine="{engine}"}} {passed_over.get(engine, 0)}' for engine in lags)
    return "".join(f"{line}\n" for line in lines)


async def _clock(database: Database) -> ClockState:
    async with database.view(SYSTEM) as session:
        found = await set_aside_now(session)
    age = 0.0 if found.since is None else (database.clock() - found.since).total_seconds()
    return ClockState(set_aside=found.rows, seconds=round(max(age, 0.0), 1))


def _lag(lag: Lag) -> SearchLag:
    return SearchLag(
        searchable=lag.searchable,
        behind=lag.behind,
        seconds=round(lag.seconds, 1),
        set_aside=len(lag.set_aside),
        trouble=lag.trouble,
        meaning=lag.meaning,
    )
