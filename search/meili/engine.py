"""The engine on a Meilisearch server, for directories and hosts beyond what a local index serves.

A batch is one task of the server: the services, and what is no longer there as bare ids without content, and
the position of the follower, so that what searches see and how far it has come change together. One follower
writes: the lock says which (``search.leading``).
"""

from __future__ import annotations

import base64
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

import msgspec
import structlog

from directory.documents import ServiceDocument
from search.engine import (
    Batch,
    Position,
    SearchQuery,
    SearchResult,
    SearchUnavailable,
    Vocabulary,
)
from search.meaning import DIMENSIONS, Model
from search.meili.fields import SHAPE, settings, settings_fingerprint, to_documents
from search.meili.filters import SERVICES, is_one
from search.meili.searching import EMBEDDER, Search
from search.meili.server import Server, TaskFailed
from search.meili.states import PAGE, States
from search.policy import may_be_found

log = structlog.get_logger(__name__)

POSITION: Final = "position"
WHOLE: Final = "whole"
GONE: Final = "gone"
TASK_SERVICES: Final = 5_000
TASK_BYTES: Final = 50_000_000
"""How much a rebuild hands over at once: each task costs the server a walk over all words that are there.

Half of what Meilisearch takes in one request if nobody allows it more.
"""

MOST_WAITING: Final = 4
"""How many tasks of a rebuild the server may have before it, while the next is made.

It does those that wait together: a large index is walked over less often.
"""

HAND_OVERS: Final = 4
PAUSE_SECONDS: Final = 1.0
"""How often a rebuild hands the same over when the server does not take it, and how long it rests between."""

REBUILD_SECONDS: Final = 3_600.0
"""How long the server may take for a task of a rebuild; nobody waits for it."""

OUTDATED_DAYS: Final = 7
"""After so many days without a change, an index of another shape belongs to no release that still runs."""

Made: TypeAlias = dict[str, list[dict[str, Any]]]
"""The documents of each service, by its id."""

Encoded: TypeAlias = dict[str, tuple[bytes, ...]]
"""The same as it is sent: a fifth of the memory."""

_position_decoder: Final = msgspec.msgpack.Decoder(Position)


class Lock(Protocol):
    """Says who writes."""

    def lead(self) -> bool:
        """Try to become, or stay, the one that writes; never waits."""

    def ask(self) -> None:
        """Ask the one that writes to step aside for this one."""

    def resign(self) -> None:
        """Let another write."""


class MeiliEngine:
    """Searches an index on a server, and keeps it up where its process leads.

    ``name`` of the index begins with ``prefix``: installations that share a server need different ones.
    """

    name = "meilisearch"

    def __init__(
        self,
        url: str,
        key: str | None,
        lock: Lock,
        *,
        prefix: str = "spurwechsel",
        meaning: Model | None = None,
    ) -> None:
        self.server = Server(url, key)
        self.meaning = meaning
        self._lock = lock
        self._prefix = f"{prefix}-services"
        shape = SHAPE if meaning is None else f"{SHAPE}-{meaning.name.replace('.', '_')}"
        self.index = f"{self._prefix}-{shape}"
        self._writing = threading.Lock()
        self._states = States(self.server, self.index)

    # --- searching

    def search(self, query: SearchQuery) -> SearchResult:
        """Answer a checked query; raises SearchUnavailable when the server or the index is away."""
        try:
            return Search(self.server, self.index, query, self._states, self.meaning).result()
        except (KeyError, TypeError, msgspec.MsgspecError) as error:
            raise SearchUnavailable(type(error).__name__) from error  # an answer of another shape

    def _all(self, condition: str, fields: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self.server.documents(
                self.index, filter=condition, fields=fields, offset=len(found), limit=PAGE
            )
            found += page
            if len(page) < PAGE:
                return found

    # --- following

    def lead(self) -> bool:
        """Try to become, or stay, the process that writes."""
        return self._lock.lead()

    def ask(self) -> None:
        """Ask the process that writes to step aside for this one."""
        self._lock.ask()

    def resign(self) -> None:
        """Let another process write, and close the connections; they open again when they are needed."""
        self._lock.resign()
        self.server.close()

    def position(self) -> Position | None:
        """Return how far the index has come; None when it is missing, not whole, or set up otherwise.

        Raises SearchUnavailable when the server does not answer: what is out of reach is not gone.
        """
        kept = self._kept()
        return None if kept is None else kept[0]

    def _kept(self) -> tuple[Position, dict[str, Any]] | None:
        """Return the position, and the document that keeps it."""
        try:
            found = self.server.documents(self.index, ids=[POSITION, WHOLE], limit=2)
        except SearchUnavailable as error:
            if error.args == ("index_not_found",):
                return None
            raise
        documents = {document["id"]: document for document in found}
        position, whole = documents.get(POSITION), documents.get(WHOLE)
        # An index that the server made by itself, for documents that came after its end, has no WHOLE.
        if position is None or whole is None or position.get("made") != whole.get("made"):
            return None
        try:
            kept = _position_decoder.decode(base64.b64decode(position["stored"]))
        except (KeyError, ValueError, msgspec.MsgspecError):
            return None
        if position.get("settings") != whole.get("settings") or whole.get("declared") != _declared():
            return None
        return kept, position

    def versions(self, ids: Sequence[UUID] | None = None) -> dict[UUID, int]:
        """Return the versions that are indexed, of these services or of all."""
        fields = ["id", "meta", "version"]
        try:
            if ids is None:
                found = self._all(SERVICES, fields)
            else:
                found = []
                for start in range(0, len(ids), PAGE):
                    some = [str(id_) for id_ in ids[start : start + PAGE]]
                    found += self.server.documents(self.index, ids=some, fields=fields, limit=PAGE)
        except SearchUnavailable as error:
            if error.args == ("index_not_found",):
                return {}
            raise
        return {
            UUID(document["id"]): document["version"]
            for document in found
            if document.get("meta") == "service"
        }

    def apply(self, batch: Batch, vocabulary: Vocabulary) -> Mapping[UUID, str]:
        """Apply a batch in one task with its position; an older version of a service changes nothing."""
        with self._writing:
            kept = self._kept()
            if kept is None:
                raise SearchUnavailable("there is no index")
            known = {} if batch.forced else self.versions([service.id for service in batch.documents])
            newer = [service for service in batch.documents if service.version > known.get(service.id, 0)]
            writer = _Writer(
                self.server, self.index, vocabulary, kept[1]["made"], kept[1]["settings"], self.meaning
            )
            refused = writer.write(newer, batch.removed, batch.position)
            if writer.left:
                self._sweep()
            return refused

    def _sweep(self) -> None:
        """Delete the bare ids of what is gone; they are never found, so it need not be the same commit."""
        try:
            self.server.delete(self.index, is_one("meta", GONE))
        except (SearchUnavailable, TaskFailed) as error:
            log.warning("search.sweep_waits", trouble=str(error))

    def rebuild(self, vocabulary: Vocabulary) -> MeiliRebuild:
        """Begin a new index beside the one that serves."""
        with self._writing:
            self._drop_leftovers()
            try:
                return MeiliRebuild(self, f"{self.index}-new-{token_hex(4)}", vocabulary)
            except TaskFailed as failed:
                raise SearchUnavailable(failed.code) from failed

    def _drop_leftovers(self) -> None:
        """Delete what crashed rebuilds left, and indexes of releases that no longer run."""
        before = datetime.now(UTC) - timedelta(days=OUTDATED_DAYS)
        for found in self.server.indexes():
            uid = str(found["uid"])
            ours = uid.startswith(f"{self._prefix}-")
            left = uid.startswith(f"{self.index}-new-")
            old = ours and uid != self.index and datetime.fromisoformat(found["updatedAt"]) < before
            if left or old:
                self.server.drop(uid)


def _declared() -> str:
    """Return the fingerprint of the settings as this release declares them, whatever the vocabulary."""
    return settings_fingerprint(Vocabulary())


VECTORS: Final = "_vectors"
EMBEDDERS: Final = {EMBEDDER: {"source": "userProvided", "dimensions": DIMENSIONS}}


class _Writer:
    """Writes services with the position into one index."""

    def __init__(
        self,
        server: Server,
        index: str,
        vocabulary: Vocabulary,
        made: str,
        set_up: str,
        meaning: Model | None,
    ) -> None:
        self._meaning = meaning
        self._server = server
        self._index = index
        self._vocabulary = vocabulary
        self._made = made
        self._settings = set_up
        self.left = False
        """Whether bare ids of what is gone are left to be deleted."""

    def write(
        self,
        services: Sequence[ServiceDocument],
        removed: Sequence[UUID],
        position: Position,
    ) -> dict[UUID, str]:
        """Write in one task; return what cannot be indexed, with the kind of error."""
        made, refused = self.make(services, removed)

        def last() -> list[dict[str, Any]]:
            return [self.position(position, refused)]

        try:
            self._put(made, last())
        except TaskFailed as failed:
            # The server takes a task whole or not at all: find what it does not take, then go on without it.
            log.warning("search.task_failed", code=failed.code, services=len(made))
            refused |= self.one_by_one(made)
            self._put({}, last())
        return refused

    def make(
        self, services: Sequence[ServiceDocument], removed: Sequence[UUID]
    ) -> tuple[Made, dict[UUID, str]]:
        """Return the documents of each service, and what cannot be indexed."""
        refused: dict[UUID, str] = {}
        made: Made = {}
        for service in services:
            if not may_be_found(service):
                made[str(service.id)] = [_gone(service.id)]
                continue
            try:
                made[str(service.id)] = to_documents(service, self._vocabulary)
            except Exception as error:  # one bad document must not stop the others
                refused[service.id] = type(error).__name__
                made[str(service.id)] = [_gone(service.id)]
        for id_ in removed:
            made.setdefault(str(id_), [_gone(id_)])
        self._add_meanings([one for one in services if may_be_found(one) and one.id not in refused], made)
        return made, refused

    def _add_meanings(self, services: Sequence[ServiceDocument], made: Made) -> None:
        if self._meaning is not None and services:
            vectors = self._meaning.of_services(services)
            for service, vector in zip(services, vectors, strict=True):
                made[str(service.id)][0][VECTORS] = {EMBEDDER: [round(float(one), 4) for one in vector]}

    def shaped(self, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return documents that say, where meanings are kept, also that they have none."""
        if self._meaning is not None:
            for one in documents:
                one.setdefault(VECTORS, {EMBEDDER: None})
        return documents

    def encoded(self, made: Made) -> Encoded:
        """Return the documents of each service as they are sent."""
        self._note_left(one for several in made.values() for one in several)
        return {id_: tuple(map(msgspec.json.encode, self.shaped(some))) for id_, some in made.items()}

    def put_later(self, encoded: Encoded) -> int:
        """Hand over without waiting; return the task."""
        # Many services have one rule set: it goes once.
        documents = dict.fromkeys(one for several in encoded.values() for one in several)
        return self._server.put_later(self._index, b"[" + b",".join(documents) + b"]")

    def _together(self, made: Made) -> list[dict[str, Any]]:
        documents = {one["id"]: one for several in made.values() for one in several}
        self._note_left(documents.values())
        return self.shaped(list(documents.values()))

    def _note_left(self, documents: Iterable[dict[str, Any]]) -> None:
        self.left = self.left or any(one["meta"] == GONE for one in documents)

    def _put(self, made: Made, last: Sequence[dict[str, Any]]) -> None:
        everything = [*self._together(made), *self.shaped(list(last))]
        if everything:
            self._server.put(self._index, everything)

    def one_by_one(self, made: Made) -> dict[UUID, str]:
        """Put ever smaller parts; return what is refused even alone, which is then not in the index."""
        if len(made) <= 1:
            for id_ in made:
                try:
                    self._put(made, [])
                except TaskFailed as failed:
                    self._put({id_: [_gone(UUID(id_))]}, [])
                    return {UUID(id_): failed.code}
            return {}
        entries = list(made.items())
        refused: dict[UUID, str] = {}
        for half in (entries[: len(entries) // 2], entries[len(entries) // 2 :]):
            part = dict(half)
            try:
                self._put(part, [])
            except TaskFailed:
                refused |= self.one_by_one(part)
        return refused

    def position(self, position: Position, refused: Mapping[UUID, str]) -> dict[str, Any]:
        """Return the document that keeps a position."""
        kept = msgspec.structs.replace(position, set_aside={**position.set_aside, **refused})
        return {
            "id": POSITION,
            "meta": "position",
            "made": self._made,
            "settings": self._settings,
            "tick": token_hex(8),
            "stored": base64.b64encode(msgspec.msgpack.encode(kept)).decode(),
        }


def _gone(id_: UUID) -> dict[str, Any]:
    return {"id": str(id_), "meta": GONE}


class MeiliRebuild:
    """A new index that is being filled; nobody searches it before ``finish``."""

    def __init__(self, engine: MeiliEngine, index: str, vocabulary: Vocabulary) -> None:
        self._engine = engine
        self._server = engine.server
        self._index = index
        self._position: Position | None = None
        self._refused: dict[UUID, str] = {}
        self._gathered: Encoded = {}
        self._bytes = 0
        self._waiting: deque[tuple[int, Encoded]] = deque()
        made, set_up = token_hex(8), settings_fingerprint(vocabulary)
        self._writer = _Writer(self._server, index, vocabulary, made, set_up, engine.meaning)
        self._server.create(index)
        embedders = {"embedders": EMBEDDERS} if engine.meaning is not None else {}
        self._server.set_up(index, settings(vocabulary) | embedders)
        self._whole = {"id": WHOLE, "meta": WHOLE, "made": made, "settings": set_up, "declared": _declared()}

    def apply(self, batch: Batch) -> Mapping[UUID, str]:
        """Add documents; return those that could not be made. What the server refuses is found later."""
        made, refused = self._writer.make(batch.documents, batch.removed)
        self._refused |= refused
        self._position = batch.position
        encoded = self._writer.encoded(made)
        self._gathered |= encoded
        self._bytes += sum(len(one) for several in encoded.values() for one in several)
        if len(self._gathered) >= TASK_SERVICES or self._bytes >= TASK_BYTES:
            self._hand_over()
            self._settle(MOST_WAITING)
        return refused

    def _hand_over(self) -> None:
        encoded, self._gathered, self._bytes = self._gathered, {}, 0
        if not encoded:
            return
        for attempt in range(1, HAND_OVERS + 1):
            try:
                self._waiting.append((self._writer.put_later(encoded), encoded))
            except TaskFailed:
                self._settle(0)
                self._again(encoded)
            except SearchUnavailable as error:
                # Twice is as good as once, as nothing newer was handed over: better than to begin anew.
                if attempt == HAND_OVERS:
                    raise
                log.warning("search.hand_over_again", trouble=str(error))
                time.sleep(attempt * PAUSE_SECONDS)
                continue
            return

    def _again(self, encoded: Encoded) -> None:
        made = {id_: [msgspec.json.decode(one) for one in several] for id_, several in encoded.items()}
        self._refused |= self._writer.one_by_one(made)

    def _settle(self, most: int) -> None:
        """Wait until at most so many tasks are not done; what was refused goes again, service by service."""
        while len(self._waiting) > most:
            task, encoded = self._waiting.popleft()
            try:
                self._server.wait(task, REBUILD_SECONDS)
            except TaskFailed as failed:
                log.warning("search.task_failed", code=failed.code, services=len(encoded))
                # What came again meanwhile is newer.
                later = {id_ for _, others in self._waiting for id_ in others}
                self._again({id_: some for id_, some in encoded.items() if id_ not in later})

    def finish(self) -> None:
        """Let the new index serve; raises SearchUnavailable if this process no longer leads."""
        if self._position is None:
            raise ValueError("A rebuild needs at least one batch: it brings the position.")
        try:
            self._hand_over()
            self._settle(0)
            if self._writer.left:
                self._server.delete(self._index, is_one("meta", GONE))
            last = [self._whole, self._writer.position(self._position, self._refused)]
            self._server.put(self._index, self._writer.shaped(last))
            if not self._engine.lead():
                raise SearchUnavailable("another process writes")
            self._server.swap(self._index, self._engine.index)
        except TaskFailed as failed:
            raise SearchUnavailable(failed.code) from failed
        self._server.drop_later(self._index)  # the former index, which now has this name

    def abandon(self) -> None:
        """Throw the new index away; what is left of it goes at the next rebuild."""
        self._server.drop_later(self._index)
