"""Keeps an engine up with the change feed: woken by NOTIFY, polling slowly as a fallback (DESIGN 3.5).

It reads through the role that sees the published directory only: a changed service that this role does not
see leaves the index. Everything that blocks runs in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
import structlog

from directory import feed
from directory.database import OUT_OF_REACH, Database
from directory.documents import DocumentKind, ServiceDocument, service_decoder
from search.engine import (
    Batch,
    FollowingEngine,
    Position,
    SearchUnavailable,
    TopicWords,
    Vocabulary,
)
from search.leading import DatabaseLock

BATCH: Final = 500
"""Changes that are applied in one commit."""

POLL_SECONDS: Final = 5.0
"""How often the feed is looked at without being woken."""

LOOK_SECONDS: Final = 0.5
"""How often the folder is looked at: has the leader died, is the index still there? Costs no query."""

GATHER_SECONDS: Final = 0.05
"""How long to wait after being woken, so that changes close together share a commit."""

COUNT_SECONDS: Final = 5.0
"""How often it is counted how far behind an index is while a round lasts: a rebuild, a hanging server."""

LONGEST_PAUSE_SECONDS: Final = 5.0
"""The longest pause between attempts while the database or the index is out of reach."""

log = structlog.get_logger(__name__)

_RETRIED: Final = (*OUT_OF_REACH, asyncpg.PostgresError, SearchUnavailable)


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """How far the index is behind the feed, as this process last saw it.

    ``behind``: changes that are not yet searchable; ``seconds``: age of the oldest of them. ``searchable``:
    there is an index that answers. ``leading``: this process writes. ``set_aside``: documents that could not
    be indexed. ``trouble``: kind of the last error, None when the last look went well. ``seen_at``: monotonic
    clock of the last look that went well. ``meaning``: searches also find by meaning.
    """

    searchable: bool = False
    leading: bool = False
    behind: int = 0
    seconds: float = 0.0
    set_aside: tuple[UUID, ...] = ()
    trouble: str | None = None
    seen_at: float | None = None
    meaning: bool = False


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What differed between the published directory and the index; ``meaning``: it finds by meaning too.

    ``set_aside``: not in the index because they could not be indexed, with the kind of error; with a repair
    what is still so after they were tried again. They are no difference: there is nothing to catch up on.
    """

    checked: int
    missing: tuple[UUID, ...]
    set_aside: dict[UUID, str]
    outdated: tuple[UUID, ...]
    unwanted: tuple[UUID, ...]
    repaired: bool
    meaning: bool

    @property
    def same(self) -> bool:
        """Whether nothing differed."""
        return not (self.missing or self.outdated or self.unwanted)


async def read_vocabulary(reader: asyncpg.Pool) -> Vocabulary:
    """Read the topics with their labels and synonyms."""
    rows = await reader.fetch("SELECT code, labels, synonyms, parent FROM topic ORDER BY code")
    return Vocabulary(
        {
            row["code"]: TopicWords(
                msgspec.json.decode(row["labels"], type=dict[str, str]),
                msgspec.json.decode(row["synonyms"], type=dict[str, tuple[str, ...]]),
                row["parent"],
            )
            for row in rows
        }
    )


class Published(msgspec.Struct, frozen=True):
    """The published services among some ids: those that can be read, that cannot, and that are not there."""

    documents: list[ServiceDocument]
    unreadable: dict[UUID, str]
    absent: list[UUID]


async def read_published(reader: asyncpg.Pool, ids: Sequence[UUID]) -> Published:
    """Read the published documents of these services."""
    rows = await reader.fetch("SELECT id, public FROM service_document WHERE id = ANY($1)", ids)
    documents: list[ServiceDocument] = []
    unreadable: dict[UUID, str] = {}
    for row in rows:
        try:
            document = service_decoder.decode(row["public"])
        except (msgspec.MsgspecError, ValueError) as error:
            unreadable[row["id"]] = type(error).__name__
            continue
        if document.id == row["id"]:
            documents.append(document)
        else:
            unreadable[row["id"]] = "OtherId"
    seen = {row["id"] for row in rows}
    return Published(documents, unreadable, [id_ for id_ in ids if id_ not in seen])


class Follower:
    """Follows the feed for one engine; ``listen_url`` is where its one connection outside the pools goes.

    ``lock``: what the engine leads by, if it is held by a connection; it is kept while the follower runs.
    """

    def __init__(
        self,
        engine: FollowingEngine,
        database: Database,
        listen_url: str,
        *,
        poll_seconds: float = POLL_SECONDS,
        lock: DatabaseLock | None = None,
    ) -> None:
        self._engine = engine
        self._lock = lock
        self._database = database
        self._listen_url = listen_url.replace("postgresql+asyncpg://", "postgresql://")
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._lag = Lag(meaning=engine.meaning is not None)
        self._reached = 0
        self._round = asyncio.Lock()

    @property
    def name(self) -> str:
        """The engine's name."""
        return self._engine.name

    def lag(self) -> Lag:
        """Return how far the index was behind when last looked at; while a round lasts, a few seconds ago."""
        return self._lag

    async def run(self) -> None:
        """Follow until cancelled; whatever is out of reach is tried again."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._keep_up())
                tasks.create_task(self._keep_counting())
                if self._lock is not None:
                    tasks.create_task(self._lock.run())
        finally:
            self._engine.resign()

    async def catch_up(self) -> int:
        """Apply what the feed has beyond the index, if this process may write; return the changes applied.

        Raises what the database or the index raise when they are out of reach; nothing is lost then.
        """
        async with self._round:
            applied = 0
            leading = self._engine.lead()
            if leading:
                vocabulary = await read_vocabulary(self._database.reader)
                head = await self._head()
                position = await asyncio.to_thread(self._engine.position)
                if position is None or must_rebuild(position, head, vocabulary):
                    applied = await self._rebuild(vocabulary)
                else:
                    applied = await self._follow(position, vocabulary)
            await self._look(leading)
            return applied

    async def rebuild(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Build a new index from the whole feed and let it serve; return the changes applied.

        Raises SearchUnavailable if another process is the one that writes. ``progress`` is told
        (changes done, changes in all).
        """
        async with self._round:
            if not self._engine.lead():
                raise SearchUnavailable("another process writes")
            applied = await self._rebuild(await read_vocabulary(self._database.reader), progress)
            await self._look(leading=True)
            return applied

    async def take_over(self, seconds: float) -> None:
        """Ask whoever writes to step aside, for a command; raises SearchUnavailable if that takes longer."""
        until = time.monotonic() + seconds
        while not self._engine.lead():
            if time.monotonic() > until:
                raise SearchUnavailable("another process writes")
            self._engine.ask()
            await asyncio.sleep(0.1)

    async def verify(self, *, repair: bool = False) -> Verification:
        """Compare every published document's version with the index, and repair what differs if asked.

        A repair also tries again what was set aside. Compares two moments: on a busy directory the newest
        changes may show as different.
        """
        async with self._round:
            position = await asyncio.to_thread(self._engine.position)
            aside = position.set_aside if position is not None else {}
            indexed = await asyncio.to_thread(self._engine.versions)
            rows = await self._database.reader.fetch("SELECT id, version FROM service_document")
            published = {row["id"]: row["version"] for row in rows}
            missing = sorted(published.keys() - indexed.keys() - aside.keys())
            unwanted = sorted(indexed.keys() - published.keys())
            outdated = sorted(
                id_ for id_, version in published.items() if indexed.get(id_, version) != version
            )
            repaired = repair and bool(missing or unwanted or outdated)
            if repair and (repaired or aside):
                aside = await self._repair(sorted({*missing, *outdated, *aside}), unwanted)
            return Verification(
                checked=len(published),
                missing=tuple(missing),
                set_aside=aside,
                outdated=tuple(outdated),
                unwanted=tuple(unwanted),
                repaired=repaired,
                meaning=self._engine.meaning is not None,
            )

    # --- rounds

    async def _head(self) -> feed.Cursor:
        async with self._database.reader.acquire() as connection:
            return await feed.head(connection)

    async def _changes(self, sequence: int) -> list[feed.Changed]:
        async with self._database.reader.acquire() as connection:
            return await feed.changes_after(connection, sequence, BATCH)

    async def _batch(self, changes: Sequence[feed.Changed], position: Position) -> Batch:
        """Read what the changed services are now; partners' own entries are not searched."""
        ids = [change.id for change in changes if change.kind is DocumentKind.SERVICE]
        published = await read_published(self._database.reader, ids) if ids else Published([], {}, [])
        touched = set(ids)
        aside = {id_: kind for id_, kind in position.set_aside.items() if id_ not in touched}
        if published.unreadable:
            log.warning("search.set_aside", services=[str(id_) for id_ in published.unreadable])
        return Batch(
            documents=published.documents,
            removed=[*published.absent, *published.unreadable],
            position=msgspec.structs.replace(
                position, sequence=changes[-1].sequence, set_aside={**aside, **published.unreadable}
            ),
        )

    async def _follow(self, position: Position, vocabulary: Vocabulary) -> int:
        applied = 0
        while self._engine.lead() and (changes := await self._changes(position.sequence)):
            batch = await self._batch(changes, position)
            refused = await asyncio.to_thread(self._engine.apply, batch, vocabulary)
            position = _beyond(batch, refused)
            self._reached = position.sequence
            applied += len(changes)
        return applied

    async def _rebuild(
        self, vocabulary: Vocabulary, progress: Callable[[int, int], None] | None = None
    ) -> int:
        """Follow from zero into a new index; the old one serves until the new one takes its place."""
        started, applied = time.monotonic(), 0
        head = await self._head()
        async with self._database.reader.acquire() as connection:
            total = await connection.fetchval("SELECT count(*) FROM change")
        position = Position(feed=head.feed, sequence=0, vocabulary=vocabulary.fingerprint)
        new = await asyncio.to_thread(self._engine.rebuild, vocabulary)
        try:
            while changes := await self._changes(position.sequence):
                batch = await self._batch(changes, position)
                position = _beyond(batch, await asyncio.to_thread(new.apply, batch))
                applied += len(changes)
                if progress is not None:
                    progress(applied, max(total, applied))
            end = Batch(documents=[], removed=[], position=position)
            await asyncio.to_thread(new.apply, end)
            await asyncio.to_thread(new.finish)
        except BaseException:
            # Not in a thread: on cancellation there is no time to wait for one.
            new.abandon()
            raise
        log.info("search.rebuilt", changes=applied, seconds=round(time.monotonic() - started, 1))
        return applied

    async def _repair(self, ids: Sequence[UUID], unwanted: Sequence[UUID]) -> dict[UUID, str]:
        """Index these services anew, and no longer those that nobody may find; return what is set aside."""
        if not self._engine.lead():
            raise SearchUnavailable("another process writes")
        position = await asyncio.to_thread(self._engine.position)
        if position is None:
            raise SearchUnavailable("there is no index")
        vocabulary = await read_vocabulary(self._database.reader)
        for start in range(0, max(len(ids), 1), BATCH):
            tried = ids[start : start + BATCH]
            published = await read_published(self._database.reader, tried)
            aside = {id_: kind for id_, kind in position.set_aside.items() if id_ not in set(tried)}
            batch = Batch(
                documents=published.documents,
                removed=[*published.absent, *published.unreadable, *(unwanted if start == 0 else ())],
                position=msgspec.structs.replace(position, set_aside={**aside, **published.unreadable}),
                forced=True,
            )
            refused = await asyncio.to_thread(self._engine.apply, batch, vocabulary)
            position = _beyond(batch, refused)
        return position.set_aside

    async def _look(self, leading: bool) -> None:
        """Note how far behind the index is."""
        position = await asyncio.to_thread(self._engine.position)
        self._reached = position.sequence if position is not None else 0
        behind, seconds = await self._behind()
        self._lag = Lag(
            searchable=position is not None,
            leading=leading,
            behind=behind,
            seconds=seconds,
            set_aside=tuple(sorted(position.set_aside)) if position is not None else (),
            seen_at=time.monotonic(),
            meaning=self._engine.meaning is not None,
        )

    async def _keep_counting(self) -> None:
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            last = self._lag
            if not self._round.locked():
                continue
            try:
                behind, seconds = await self._behind()
            except Exception as error:
                # The round itself meets it too, and says so.
                log.warning("search.count_waits", trouble=type(error).__name__)
                continue
            if self._lag is last:  # else the round has ended and knows better
                self._lag = msgspec.structs.replace(last, behind=behind, seconds=seconds)

    async def _note(self, error: Exception) -> None:
        """Note what is wrong, and how far behind the index is meanwhile, as far as that can be known."""
        behind, seconds = self._lag.behind, self._lag.seconds
        with contextlib.suppress(Exception):
            behind, seconds = await self._behind()
        self._lag = msgspec.structs.replace(
            self._lag,
            searchable=self._lag.searchable and not isinstance(error, SearchUnavailable),
            behind=behind,
            seconds=seconds,
            trouble=type(error).__name__,
        )

    async def _behind(self) -> tuple[int, float]:
        """Return how many changes are beyond what the index reached, and the age of the oldest."""
        row = await self._database.reader.fetchrow(
            "SELECT count(*) AS behind, coalesce(extract(epoch FROM clock_timestamp() - min(changed_at)), 0)"
            "::float8 AS seconds FROM change WHERE sequence > $1",
            self._reached,
        )
        return (row["behind"], max(0.0, row["seconds"])) if row is not None else (0, 0.0)

    # --- waiting

    async def _keep_up(self) -> None:
        pause = 0.1
        while True:
            self._wake.clear()
            try:
                await self.catch_up()
                pause = 0.1
            except Exception as error:
                # What is out of reach comes back; a bug must not end the following for good either.
                await self._note(error)
                log.warning(
                    "search.follower_waits",
                    engine=self.name,
                    trouble=type(error).__name__,
                    why=str(error) if isinstance(error, SearchUnavailable) else None,
                    seconds=pause,
                    exc_info=not isinstance(error, _RETRIED),
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                continue
            await self._until_due()

    async def _until_due(self) -> None:
        """Return when there is something to do: a change, the leader's place, a missing index, or time."""
        leading = self._lag.leading
        until = time.monotonic() + self._poll_seconds
        while time.monotonic() < until:
            # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            if self._wake.is_set():
                await asyncio.sleep(GATHER_SECONDS)
                return
            if self._engine.lead() != leading:
                return
            try:
                if leading and await asyncio.to_thread(self._engine.position) is None:
                    return
            except SearchUnavailable:
                return  # the next round says so

    async def _listen(self) -> None:
        """Hold the connection that NOTIFY arrives on; a lost one is opened again."""
        pause = 0.1
        while True:
            connection: asyncpg.Connection | None = None
            try:
                connection = await asyncpg.connect(self._listen_url, timeout=5)
                lost = asyncio.Event()
                connection.add_termination_listener(_setter(lost))
                await connection.add_listener(feed.CHANNEL, lambda *_: self._wake.set())
                # What was announced while nobody listened is looked up now.
                self._wake.set()
                pause = 0.1
                await lost.wait()
            except Exception as error:
                log.warning(
                    "search.listener_waits",
                    trouble=type(error).__name__,
                    seconds=pause,
                    exc_info=not isinstance(error, _RETRIED),
                )
            finally:
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def must_rebuild(position: Position, head: feed.Cursor, vocabulary: Vocabulary) -> bool:
    """Whether an index can't go on: another feed, ahead of it (a restored backup), or other words."""
    return (
        position.feed != head.feed
        or position.sequence > head.sequence
        or position.vocabulary != vocabulary.fingerprint
    )


def _setter(event: asyncio.Event) -> Callable[[object], None]:
    return lambda _: event.set()


def _beyond(batch: Batch, refused: object) -> Position:
    """Return the position after a batch; what the engine refused is set aside with the unreadable."""
    position = batch.position
    if isinstance(refused, dict) and refused:
        log.warning("search.set_aside", services=[str(id_) for id_ in refused])
        position = msgspec.structs.replace(position, set_aside={**position.set_aside, **refused})
    return position
