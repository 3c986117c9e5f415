"""The search engines that the settings name, and the commands that look after their indexes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Annotated, Final, NamedTuple, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table

from directory.database import Database
from graphapi.connecting import reached_database
from graphapi.progress import shown
from graphapi.settings import Settings, read_settings
from search.engine import FollowingEngine, SearchUnavailable
from search.follower import Follower, Verification
from search.leading import DatabaseLock
from search.local import LocalEngine
from search.meaning import model_if

PATIENCE_SECONDS: Final = 60.0
"""How long a command waits for the process that writes to step aside: it may be rebuilding."""

MOST_NAMED: Final = 20
"""How many of the services that an engine cannot index are named."""

T = TypeVar("T")


class KeptEngine(NamedTuple):
    """An engine, and what it leads by where that is a connection."""

    engine: FollowingEngine
    lock: DatabaseLock | None

    def follower(self, database: Database, reader_url: str) -> Follower:
        """Return the follower that keeps the engine's index up."""
        return Follower(self.engine, database, reader_url, lock=self.lock)


def engines_of(settings: Settings, reader_url: str) -> list[KeptEngine]:
    """Return the engines in the order they are asked: Meilisearch where it is set, then the local."""
    kept: list[KeptEngine] = []
    meaning = model_if(settings.search_meaning)
    if settings.meili_url is not None:
        from search.meili.engine import (
            MeiliEngine,
        )  # its client is dear to load, and few installations need it

        key = settings.meili_key.get_secret_value() if settings.meili_key is not None else None
        # Hosts that share a server and a database are one installation: one of them writes.
        lock = DatabaseLock(reader_url, "search index on Meilisearch")
        kept.append(KeptEngine(MeiliEngine(settings.meili_url, key, lock, meaning=meaning), lock))
    return [*kept, KeptEngine(LocalEngine(settings.data / "search", meaning), None)]


def local_engine(settings: Settings) -> LocalEngine:
    """Return this host's engine with the index that its server keeps up: made by the same model."""
    return LocalEngine(settings.data / "search", model_if(settings.search_meaning))


search_cli = typer.Typer(no_args_is_help=True, help="Look after the search indexes.")


@search_cli.command(epilog="Examples: `spurwechsel search verify`, `spurwechsel search verify --dry-run`")
def verify(
    engine: Annotated[str | None, typer.Option(help="Only this engine: local or meilisearch.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only compare; repair nothing.")] = False,
) -> None:
    """Compare every published service's version with the indexes, and repair what differs."""

    async def compare(follower: Follower) -> Verification:
        if not dry_run:
            await follower.take_over(PATIENCE_SECONDS)
            await follower.catch_up()
        return await follower.verify(repair=not dry_run)

    found, away = _with_followers(engine, compare)
    if found:
        Console().print(_compared(found))
    for name, result in found.items():
        for id_, why in list(result.set_aside.items())[:MOST_NAMED]:
            typer.echo(f"{name} cannot index service {id_} ({why}).", err=True)
        if result.set_aside:
            typer.echo("What is set aside is tried again when it changes, and by each verify.", err=True)
    _tell(away, "was not compared")
    if away or not all(result.same or result.repaired for result in found.values()):
        raise typer.Exit(1)


@search_cli.command(epilog="Example: `spurwechsel search rebuild --engine local`")
def rebuild(
    engine: Annotated[str | None, typer.Option(help="Only this engine: local or meilisearch.")] = None,
) -> None:
    """Build the indexes anew beside those that serve, and let the new ones take their places."""
    names = {kept.engine.name for kept in engines_of(read_settings(), "")}
    with shown({name: f"Building the index of {name}" for name in names}) as show:

        async def build(follower: Follower) -> tuple[int, int]:
            await follower.take_over(PATIENCE_SECONDS)
            changes = await follower.rebuild(lambda done, total: show(follower.name, done, total))
            return changes, len(follower.lag().set_aside)

        try:
            found, away = _with_followers(engine, build)
        except KeyboardInterrupt:
            typer.echo("Stopped. What was not finished goes on serving as it was.", err=True)
            raise
    for name, (changes, aside) in found.items():
        typer.echo(f"{name}: built from {changes} changes, {aside} set aside.")
    _tell(away, "was not built; what was there goes on serving")
    if away:
        raise typer.Exit(1)


def _compared(found: Mapping[str, Verification]) -> Table:
    """Return the table of what was compared, an engine in each column: it fits a narrow terminal."""
    table = Table("Services", *(Column(name, no_wrap=True, justify="right") for name in found))
    results = found.values()

    def row(what: str, *values: object) -> None:
        table.add_row(what, *map(str, values))

    row("published", *(one.checked for one in results))
    row("missing", *(len(one.missing) for one in results))
    row("outdated", *(len(one.outdated) for one in results))
    row("unwanted", *(len(one.unwanted) for one in results))
    row("set aside", *(len(one.set_aside) for one in results))
    row("repaired", *("yes" if one.repaired else "no" for one in results))
    row("found by meaning", *("yes" if one.meaning else "no" for one in results))
    return table


def _tell(away: Mapping[str, str], what: str) -> None:
    for name, trouble in away.items():
        typer.echo(f"{name} {what} ({trouble}). {advice(trouble)}", err=True)


_ADVICE: Final = (
    (
        re.compile(r"another process writes"),
        "Another command or host is writing the index: try again when it is done.",
    ),
    (
        re.compile(r".*(api_key|authorization).*|401|403"),
        "MEILI_KEY must be a key of this server with the rights to search, documents, indexes, settings and "
        "tasks.",
    ),
    (
        re.compile(r"no_space_left_on_device|OSError|ValueError"),
        "Is there room on the disk, and may this user write to SPURWECHSEL_DATA?",
    ),
    (
        re.compile(r"bad_request|not_found|invalid_.*|4\d\d|JSONDecodeError|KeyError|TypeError"),
        "The server does not know what it was asked: it may be of an older release of Meilisearch than 1.50, "
        "which this one is tested with, or no Meilisearch.",
    ),
    (
        re.compile(r"Meilisearch.*|.*(Timeout|Connection).*|5\d\d|resting|task"),
        "Does the server at MEILI_URL run, and can this host reach it?",
    ),
)


def advice(trouble: str) -> str:
    """Return what to do about an engine that cannot do what it was asked, by the word it gives for it.

    >>> advice("invalid_api_key").split(" with ")[0]
    'MEILI_KEY must be a key of this server'
    """
    found = (said for pattern, said in _ADVICE if pattern.fullmatch(trouble))
    return next(found, "Does it run, and is another one building?")


def _with_followers(
    only: str | None, act: Callable[[Follower], Awaitable[T]]
) -> tuple[dict[str, T], dict[str, str]]:
    """Return what each engine's follower did, and who is away.

    An engine that is away keeps no other from its turn.
    """
    settings = read_settings()
    away: dict[str, str] = {}

    async def done(app_url: str, reader_url: str) -> dict[str, T]:
        wanted = [
            kept for kept in engines_of(settings, reader_url) if only is None or kept.engine.name == only
        ]
        if not wanted:
            raise typer.BadParameter("--engine must be local, or meilisearch where MEILI_URL is set")
        database = Database(app_url, reader_url, pool_size=4)
        await database.start()
        found: dict[str, T] = {}
        try:
            for kept in wanted:
                try:
                    found[kept.engine.name] = await _led(kept, database, reader_url)
                except SearchUnavailable as error:
                    away[kept.engine.name] = str(error) or "there is no index"
        finally:
            await database.stop()
        return found

    async def _led(kept: KeptEngine, database: Database, reader_url: str) -> T:
        follower = kept.follower(database, reader_url)
        holding = asyncio.create_task(kept.lock.run()) if kept.lock is not None else None
        try:
            return await act(follower)
        finally:
            kept.engine.resign()
            if holding is not None:
                holding.cancel()
                with suppress(asyncio.CancelledError):
                    await holding

    with reached_database(settings) as addresses:
        return asyncio.run(done(addresses.app, addresses.reader)), away
