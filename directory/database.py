"""Connections, and the unit of work through which everything is written (DESIGN 3.1 to 3.5).

Two ways in: ``Database.reader`` is an asyncpg pool of the role that sees the published directory only;
``Database.work`` and ``Database.view`` are transactions of the app role that begin by saying who acts, so
that row-level security applies. Nothing session-level (SET, LISTEN, advisory locks) is used in a pool.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from directory import feed
from directory.actors import Actor
from directory.building import CHUNK, raise_services, rebuild_partners, rebuild_services
from directory.documents import DocumentKind
from directory.models import Audit, Idempotency
from directory.policy import Rule
from directory.problems import IdempotencyConflict, InvalidInput, NotAllowed, NotFound

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


class Unavailable(Exception):
    """The database does not answer; the caller may try again (HTTP 503)."""


OUT_OF_REACH: Final = (
    OSError,
    TimeoutError,
    PoolTimeout,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)
"""What the driver raises when the server is gone, starting, stopping or full.

``InternalClientError`` is what asking by a connection means of which the server's last message was read, and
the end not yet.
"""

FIRST_ANSWER: Final = 10.0
"""Seconds for the first statement of a transaction, a place in the pool and connecting included.

It reads no table: a server that does not answer it is frozen or full, and nobody is made to wait longer.
"""

_NOT_STORABLE: Final = frozenset({"22021", "22P05"})
"""SQLSTATEs of a text with NUL: only what a caller typed can hold one, so it is theirs to mend."""


_ORGANISATION_ENDED: Final = "SPE01"
_SERVICE_ENDED: Final = "SPE02"
"""Our own SQLSTATEs: something new was to begin at an entry that has been merged or deleted."""


@asynccontextmanager
async def reaching_the_database() -> AsyncIterator[None]:
    """Turn a lost or refused connection into :class:`Unavailable`; a text with NUL is InvalidInput.

    Everything else passes unchanged.
    """
    try:
        yield
    except OUT_OF_REACH as error:
        raise Unavailable(type(error).__name__) from error
    except asyncpg.PostgresError as error:
        if error.sqlstate in _NOT_STORABLE:
            raise InvalidInput("input", "control-character") from None
        raise
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in _NOT_STORABLE:
            raise InvalidInput("input", "control-character") from None
        if getattr(error.orig, "sqlstate", None) == _ORGANISATION_ENDED:
            raise NotAllowed(Rule.ORGANISATION_ENDED) from None
        if getattr(error.orig, "sqlstate", None) == _SERVICE_ENDED:
            raise NotFound from None
        if (
            error.connection_invalidated
            or isinstance(error.orig, OUT_OF_REACH)
            or isinstance(getattr(error.orig, "__cause__", None), OUT_OF_REACH)
        ):
            raise Unavailable(type(error).__name__) from error
        raise


def _audit_row(
    actor: Actor, action: str, object_kind: str, object_id: UUID, details: Mapping[str, str] | None
) -> dict[str, object]:
    return {
        "role": actor.role.value,
        "member_id": actor.member_id,
        "partner_id": actor.partner_id,
        "action": action,
        "object_kind": object_kind,
        "object_id": object_id,
        "details": dict(details or {}),
    }


async def seen(
    session: AsyncSession,
    actor: Actor,
    action: str,
    object_kind: str,
    object_ids: Collection[UUID],
    details: Mapping[str, str] | None = None,
) -> None:
    """Append the audit rows of a reading, in one statement however many were read."""
    if object_ids:
        rows = [_audit_row(actor, action, object_kind, id_, details) for id_ in object_ids]
        # inline: without RETURNING, because who writes the audit may not read it
        await session.execute(insert(Audit).inline(), rows)


class Work:
    """One transaction that changes something, for one actor at one moment.

    Say what was touched (``touch_service``, ``touch_partner``), what was done (``record``) and what is to
    happen later (``later``); when the block ends without an error, documents are rebuilt, the audit rows,
    jobs and feed entries are written, and everything is committed together. Else nothing is.
    """

    def __init__(self, session: AsyncSession, actor: Actor, now: datetime) -> None:
        self.session = session
        self.actor = actor
        self.now = now
        self._services: dict[UUID, None] = {}
        self._partners: dict[UUID, None] = {}
        self._shown_by_services: dict[UUID, None] = {}
        self._audit: list[dict[str, object]] = []
        self._reasons: dict[str, str] = {}
        self._jobs: dict[tuple[str, bytes, str | None], None] = {}

    async def rewrite_services(self, partner_id: UUID, after: UUID) -> UUID | None:
        """Rewrite the next chunk of a partner's services; return where to go on, or None at the end."""
        raised = await raise_services(self.session, partner_id, self.now, after=after)
        self._services.update(dict.fromkeys(raised))
        return raised[-1] if len(raised) == CHUNK else None

    def touch_document(self, kind: DocumentKind, id_: UUID) -> None:
        """Have one document rebuilt as it is, without raising any version (a new shape)."""
        (self._services if kind is DocumentKind.SERVICE else self._partners)[id_] = None

    def touch_service(self, service_id: UUID) -> None:
        """Have the service's document rebuilt; the caller has raised the service's version."""
        self._services[service_id] = None

    def touch_partner(self, partner_id: UUID) -> None:
        """Have the partner's document rebuilt, and those of all its services, which show the partner."""
        self._partners[partner_id] = None
        self._shown_by_services[partner_id] = None

    def record(
        self, action: str, object_kind: str, object_id: UUID, details: Mapping[str, str] | None = None
    ) -> None:
        """Append an audit row; ``details`` are codes and ids, never personal data."""
        self._audit.append(_audit_row(self.actor, action, object_kind, object_id, details))

    def explain(self, entry_id: UUID, reason: str) -> None:
        """Say why an entry is changed; its history keeps that beside what was recorded."""
        self._reasons[str(entry_id)] = reason

    def _told(self) -> dict[str, dict[str, str]]:
        """Return what the history is told of each entry that something was recorded about."""
        told: dict[str, dict[str, str]] = {}
        for row in self._audit:
            if row["object_kind"] in {"partner", "service"}:
                told[str(row["object_id"])] = {"action": str(row["action"])}
        for id_, reason in self._reasons.items():
            told.setdefault(id_, {})["reason"] = reason
        return told

    def later(self, job: str, payload: object, *, only_once: str | None = None) -> None:
        """Enqueue a job that exists only if this work commits; ``only_once`` is its deduplication key.

        What is said twice in one work is enqueued once.
        """
        self._jobs[(job, msgspec.json.encode(payload), only_once)] = None

    async def once(self, operation: str, key: str, given: object) -> UUID | None:
        """Claim an idempotency key of this actor; return the id that its first use made, or None if new.

        A parallel use of the same key waits until the first has committed. The caller stores the id of
        what it makes with ``made``. Raises IdempotencyConflict when the key came with other input before.
        """
        if self.actor.member_id is None:
            return None
        if not 8 <= len(key) <= 200:
            raise InvalidInput("idempotencyKey", "length", minimum="8", maximum="200")
        digest = hashlib.sha256(msgspec.json.encode(given, order="deterministic")).digest()
        nobody = UUID(int=0)
        claimed = await self.session.execute(
            insert(Idempotency)
            .values(
                member_id=self.actor.member_id,
                operation=operation,
                key=key,
                input_hash=digest,
                result_id=nobody,
            )
            .on_conflict_do_nothing()
            .returning(Idempotency.key)
        )
        if claimed.scalar_one_or_none() is not None:
            return None
        found = await self.session.get_one(Idempotency, (self.actor.member_id, operation, key))
        if found.input_hash != digest:
            raise IdempotencyConflict
        return found.result_id

    async def made(self, operation: str, key: str, result_id: UUID) -> None:
        """Keep the id of what the operation under this key made, for a replay."""
        if self.actor.member_id is None:
            return
        await self.session.execute(
            text(
                "UPDATE idempotency SET result_id = :result"
                " WHERE member_id = :member AND operation = :operation AND key = :key"
            ),
            {"result": result_id, "member": self.actor.member_id, "operation": operation, "key": key},
        )

    async def finish(self) -> None:
        """Rebuild documents, enqueue jobs, add to the feed (last: it takes the writers' lock).

        A partner's services show the partner: up to ``building.CHUNK`` of them are rewritten at once, the
        rest in chunks by the job ``rewrite_services``.
        """
        await self.session.flush()
        for partner_id in self._shown_by_services:
            raised = await raise_services(self.session, partner_id, self.now)
            self._services.update(dict.fromkeys(raised))
            if len(raised) == CHUNK:
                self.later("rewrite_services", [partner_id, raised[-1]])
        told = self._told()
        changes = await rebuild_partners(self.session, list(self._partners), told)
        changes += await rebuild_services(self.session, list(self._services), told)
        if self._audit:
            # inline: without RETURNING, because who writes the audit may not read it
            await self.session.execute(insert(Audit).inline(), self._audit)
        await self._enqueue()
        await feed.append(self.session, changes)

    async def _enqueue(self) -> None:
        if not self._jobs:
            return
        # Through the session's own connection, whose transaction has begun: so a job exists if and only if
        # the work commits.
        connection = await (await self.session.connection()).get_raw_connection()
        driver = connection.driver_connection
        if driver is None:
            raise Unavailable("no connection")
        await enqueue(driver, list(self._jobs))


async def enqueue(connection: asyncpg.Connection, jobs: Sequence[tuple[str, bytes, str | None]]) -> None:
    """Add (name, payload, deduplication key) to the queue within the connection's open transaction."""
    names = [name for name, _, _ in jobs]
    await Queries(AsyncpgDriver(connection)).enqueue(
        names,
        [payload for _, payload, _ in jobs],
        [0] * len(names),
        dedupe_key=[key for _, _, key in jobs],
        on_conflict="skip",
    )


PATIENCE: Final = 30.0
"""Seconds that a statement of the service may take."""


class Database:
    """The service's connections; ``clock`` gives the moment of each work, so that tests can set it.

    ``patience``: seconds that a statement may take; None where nobody waits for a page, as with imports.
    """

    def __init__(
        self,
        app_url: str,
        reader_url: str,
        *,
        clock: Clock = utc_now,
        pool_size: int = 8,
        patience: float | None = PATIENCE,
    ) -> None:
        self._reader_url = reader_url.replace("postgresql+asyncpg://", "postgresql://")
        self._pool_size = pool_size
        self._reader: asyncpg.Pool | None = None
        self._patience = patience
        self.clock = clock
        self.engine: AsyncEngine = create_async_engine(
            app_url.replace("postgresql://", "postgresql+asyncpg://"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=FIRST_ANSWER,
            pool_pre_ping=False,
            pool_use_lifo=True,  # the connection used last has the statements of today prepared and planned
            hide_parameters=True,  # an error that is logged must not repeat what is known about a person
            connect_args={"timeout": 5, "command_timeout": patience},
        )

    async def start(self) -> None:
        """Prepare the reader pool; connections are opened when first needed, so a dead server is no error."""
        self._reader = asyncpg.create_pool(
            self._reader_url,
            min_size=0,
            max_size=self._pool_size,
            reset=_no_reset,
            timeout=5,
            command_timeout=self._patience,
        )
        await self._reader

    async def stop(self) -> None:
        """Close every connection."""
        if self._reader is not None:
            await self._reader.close()
            self._reader = None
        await self.engine.dispose()

    @property
    def reader(self) -> asyncpg.Pool:
        """The pool of the role that sees the published directory only."""
        if self._reader is None:
            raise RuntimeError("Database.start() has not been awaited.")
        return self._reader

    @asynccontextmanager
    async def work(self, actor: Actor) -> AsyncIterator[Work]:
        """Open a transaction that changes something; it commits when the block ends without an error."""
        async with (
            reaching_the_database(),
            AsyncSession(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            now = self.clock()
            await _say_who_acts(session, actor, now)
            work = Work(session, actor, now)
            yield work
            await work.finish()

    @asynccontextmanager
    async def view(self, actor: Actor) -> AsyncIterator[AsyncSession]:
        """Open a transaction that only reads what row-level security lets this actor see.

        It may append to the audit (views of personal data are recorded), so it commits.
        """
        async with (
            reaching_the_database(),
            AsyncSession(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            await _say_who_acts(session, actor, self.clock())
            yield session


async def _no_reset(connection: object) -> None:
    """Skip the reset round trip: readers set nothing on their connection."""


_WHO_ACTS: Final = text(
    "SELECT set_config('app.role', :role, true), set_config('app.member', :member, true),"
    " set_config('app.partner', :partner, true), set_config('app.municipality', :municipality, true),"
    " set_config('app.administers', :administers, true), set_config('app.now', :now, true)"
)
"""Read once: it is the first statement of every transaction."""


async def _say_who_acts(session: AsyncSession, actor: Actor, now: datetime) -> None:
    said = {
        "role": actor.role.value,
        "member": str(actor.member_id or ""),
        "partner": str(actor.partner_id or ""),
        "municipality": str(actor.municipality_id or ""),
        "administers": "true" if actor.administers else "",
        "now": now.isoformat(),
    }
    async with asyncio.timeout(FIRST_ANSWER):
        await session.execute(_WHO_ACTS, said)
