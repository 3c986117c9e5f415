"""What the clock or the outbox cannot do: set aside row by row, counted, tried again; one stops no other.

A batch that fails is done once more one by one; what still fails gets a row here and is left out of the
batches. It is tried again with growing pauses, and its row goes as soon as it is done, or not due any more.
Nothing of a person is kept or logged: the id of what was due, and of the error its kind only, because the
text of an error may repeat a row.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from directory.actors import SYSTEM
from directory.database import Database, Work
from referrals.models import ClockTrouble

log: Final = structlog.get_logger("clock")

FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=6)

RETRIED: Final = 100
"""How many set aside rows are tried again in one run."""

_PASSING: Final = frozenset({"40001", "40P01", "55P03", "57014"})
"""SQLSTATEs of what passes by itself: two at once, a lock, a statement that was cancelled."""


class Task(StrEnum):
    """What is done; ``about_id`` is the referral, consent, request, follow-up or notice that is due."""

    REFERRAL = "REFERRAL"
    CONSENT_END = "CONSENT_END"
    RENEWAL = "RENEWAL"
    APPROVAL_LAPSE = "APPROVAL_LAPSE"
    APPROVAL_REMINDER = "APPROVAL_REMINDER"
    FOLLOW_UP_PLAN = "FOLLOW_UP_PLAN"
    FOLLOW_UP = "FOLLOW_UP"
    NOTICE = "NOTICE"


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """Which of what is due is done: at most ``limit`` that are not set aside, or ``only`` this one."""

    limit: int = 500
    only: UUID | None = None

    def of(self, task: Task, id_: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
        """Return the condition on the id of what is due."""
        if self.only is not None:
            return id_ == self.only
        return id_.not_in(select(ClockTrouble.about_id).where(ClockTrouble.task == task.value))


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows are set aside now, and since when the oldest is; for the health of the service."""

    rows: int
    since: datetime | None = None


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is tried again now."""

    task: Task
    about_id: UUID
    attempts: int


def pause_after(attempts: int) -> timedelta:
    """Return how long after so many attempts the next one comes: a minute, doubled each time, at most 6 h."""
    doubled: int = 2 ** min(attempts - 1, 20)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def kind_of(error: Exception) -> str:
    """Return what sort of error it is, without its text: its class, and the SQLSTATE where it has one."""
    state = _sqlstate(error)
    return type(error).__name__ if state is None else f"{type(error).__name__} {state}"


def passes(error: Exception) -> bool:
    """Whether it lies in no row: it passes by itself, and is tried again in the next run."""
    return _sqlstate(error) in _PASSING


def _sqlstate(error: Exception) -> str | None:
    state = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)
    return state if isinstance(state, str) else None


async def set_aside(database: Database, task: Task, about_id: UUID, error: Exception) -> bool:
    """Keep that this cannot be done now; False if another process has said so already."""
    async with database.work(SYSTEM) as work:
        made = await work.session.execute(
            insert(ClockTrouble)
            .values(
                task=task.value,
                about_id=about_id,
                error=kind_of(error),
                attempts=1,
                since=work.now,
                next_try_at=work.now + pause_after(1),
            )
            .on_conflict_do_nothing()
            .returning(ClockTrouble.about_id)
        )
        new = made.scalar_one_or_none() is not None
    if new:
        log.error("set aside", task=task.value, about=str(about_id), error=kind_of(error))
    return new


async def claim(database: Database, tasks: Collection[Task]) -> tuple[Claimed, ...]:
    """Take what is to be tried again now; another process that asks at the same time gets other rows.

    The next attempt is planned at once, so that a process that dies meanwhile loses nothing.
    """
    async with database.work(SYSTEM) as work:
        rows = list(
            await work.session.scalars(
                select(ClockTrouble)
                .where(ClockTrouble.task.in_(tasks), ClockTrouble.next_try_at <= work.now)
                .order_by(ClockTrouble.next_try_at)
                .limit(RETRIED)
                .with_for_update(skip_locked=True)
            )
        )
        for row in rows:
            row.attempts += 1
            row.next_try_at = work.now + pause_after(row.attempts)
        return tuple(Claimed(task=Task(r.task), about_id=r.about_id, attempts=r.attempts) for r in rows)


async def solved(work: Work, claimed: Claimed) -> None:
    """Forget a trouble, in the transaction that has done what was due."""
    await work.session.execute(
        delete(ClockTrouble).where(
            ClockTrouble.task == claimed.task.value, ClockTrouble.about_id == claimed.about_id
        )
    )


def failed_again(claimed: Claimed, error: Exception) -> None:
    """Log that it could not be done this time either."""
    log.error(
        "still set aside",
        task=claimed.task.value,
        about=str(claimed.about_id),
        error=kind_of(error),
        attempts=claimed.attempts,
    )


async def set_aside_now(session: AsyncSession) -> SetAside:
    """Return what is set aside, as SYSTEM."""
    rows, since = (await session.execute(select(func.count(), func.min(ClockTrouble.since)))).one()
    return SetAside(rows=rows, since=since)
