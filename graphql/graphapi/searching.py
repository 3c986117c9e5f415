"""The search engines that the settings name, and the commands that look after their indexes."""

from __future__ import annotations

import asyncio
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
    table = Table(
        Column("Engine", no_wrap=True),
        "Published",
        "Missing",
        "Outdated",
        "Unwanted",
        "Repaired",
        "Set aside",
        "By meaning",
    )
    for name, (result, aside) in found.items():
        numbers = (result.checked, len(result.missing), len(result.outdated), len(result.unwanted))
        said = ("yes" if result.repaired else "no", str(aside), "yes" if result.meaning else "no")
        table.add_row(name, *map(str, numbers), *said)
    if found:
        Console().print(table)
    _tell(away, "was not compared")
    if away or not all(result.same or result.repaired for result, _ in found.values()):
        raise typer.Exit(1)


@search_cli.command(epilog="Example: `spurwechsel search rebuild --engine local`")
def rebuild(
    engine: Annotated[str | None, typer.Option(help="Only this engine: local or meilisearch.")] = None,
) -> None:
    """Build the indexes anew beside those that serve, and let the new ones take their places."""
    names = {kept.engine.name for kept in engines_of(read_settings(), "")}
    with shown({name: f"Building the index of {name}" for name in names}) as show:

        async def build(follower: Follower) -> int:
            await follower.take_over(PATIENCE_SECONDS)
            return await follower.rebuild(lambda done, total: show(follower.name, done, total))

        found, away = _with_followers(engine, build)
    for name, (changes, aside) in found.items():
        typer.echo(f"{name}: built from {changes} changes, {aside} set aside.")
    _tell(away, "was not built; what was there goes on serving")
    if away:
        raise typer.Exit(1)


def _tell(away: Mapping[str, str], what: str) -> None:
    for name, trouble in away.items():
        typer.echo(f"{name} {what} ({trouble}). Does it run, and is another one building?", err=True)


def _with_followers(
    only: str | None, act: Callable[[Follower], Awaitable[T]]
) -> tuple[dict[str, tuple[T, int]], dict[str, str]]:
    """Return what each engine's follower did with how many services could not be indexed, and who is away.

    An engine that is away keeps no other from its turn.
    """
    settings = read_settings()
    away: dict[str, str] = {}

    async def done(app_url: str, reader_url: str) -> dict[str, tuple[T, int]]:
        wanted = [
            kept for kept in engines_of(settings, reader_url) if only is None or kept.engine.name == only
        ]
        if not wanted:
            raise typer.BadParameter("--engine must be local, or meilisearch where MEILI_URL is set")
        database = Database(app_url, reader_url, pool_size=4)
        await database.start()
        found: dict[str, tuple[T, int]] = {}
        try:
            for kept in wanted:
                try:
                    found[kept.engine.name] = await _led(kept, database, reader_url)
                except SearchUnavailable as error:
                    away[kept.engine.name] = str(error) or "there is no index"
        finally:
            await database.stop()
        return found

    async def _led(kept: KeptEngine, database: Database, reader_url: str) -> tuple[T, int]:
        follower = kept.follower(database, reader_url)
        holding = asyncio.create_task(kept.lock.run()) if kept.lock is not None else None
        try:
            result = await act(follower)
            position = await asyncio.to_thread(kept.engine.position)
            return result, len(position.set_aside) if position is not None else 0
        finally:
            kept.engine.resign()
            if holding is not None:
                holding.cancel()
                with suppress(asyncio.CancelledError):
                    await holding

    with reached_database(settings) as addresses:
        return asyncio.run(done(addresses.app, addresses.reader)), away
