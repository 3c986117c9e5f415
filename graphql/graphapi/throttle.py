"""How often codes may be presented: wrong and right ones, per client address and in total.

Counted in the database for all processes, in windows of fixed length, in transactions of their own: a wrong
code rolls back what it came with, never its own count. An address is kept as a few bits of a keyed hash (as
many counters as that gives, and no more, whoever comes); counters of past windows are swept by a job.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import ANONYMOUS
from directory.database import Database
from graphapi.addresses import unit_of
from referrals.models import CodeAttempt
from referrals.problems import TooManyAttempts

WINDOW: Final = timedelta(minutes=10)
"""How long attempts are counted together."""

WRONG_WHILE_ATTACKED: Final = 3
"""Wrong codes of one address while there are too many in total: who types theirs right is never shut out."""

BUCKET_BITS: Final = 18
"""An address is one of 262,144 counters; two addresses share one rarely, and none can be read back."""

EVERYBODY: Final = -1
"""The counter of all addresses together."""

_COUNT: Final = text(
    """
    INSERT INTO code_attempt AS a (bucket, "window", presented, wrong)
    VALUES (:bucket, :window, 1, 1), (:everybody, :window, 1, 1)
    ON CONFLICT (bucket, "window") DO UPDATE SET presented = a.presented + 1, wrong = a.wrong + 1
    RETURNING bucket, presented, wrong"""
)
_RIGHT: Final = text(
    """
    UPDATE code_attempt SET wrong = wrong - 1
    WHERE "window" = :window AND bucket = :bucket AND wrong > 0"""
)


class Throttle:
    """Counts presentations of codes; ``key`` (secret, the same in every process) hashes the addresses.

    ``wrong`` codes of one address, ``presented`` ones of one address (right ones too), and ``wrong_total``
    of all addresses together are accepted in a window.
    """

    def __init__(
        self, database: Database, key: bytes, *, wrong: int, presented: int, wrong_total: int
    ) -> None:
        self._database = database
        self._key = key
        self._wrong = wrong
        self._presented = presented
        self._wrong_total = wrong_total

    def _bucket(self, address: str) -> int:
        digest = hmac.digest(self._key, unit_of(address).encode(), "sha256")
        return int.from_bytes(digest[:4]) >> (32 - BUCKET_BITS)

    async def begin(self, address: str) -> datetime:
        """Count a presentation, as wrong until it proves right; return its window, for ``right``.

        Raises TooManyAttempts with the seconds until the window ends.
        """
        now = self._database.clock()
        window = _window(now)
        bucket = self._bucket(address)
        async with self._database.view(ANONYMOUS) as session:
            rows = await session.execute(_COUNT, {"bucket": bucket, "everybody": EVERYBODY, "window": window})
            counts = {row.bucket: (row.presented, row.wrong) for row in rows}
        presented, wrong = counts[bucket]
        attacked = counts[EVERYBODY][1] > self._wrong_total
        most = min(self._wrong, WRONG_WHILE_ATTACKED) if attacked else self._wrong
        if wrong > most or presented > self._presented:
            rest = window + WINDOW - now
            raise TooManyAttempts(max(1, -(-rest // timedelta(seconds=1))))
        return window

    async def right(self, address: str, window: datetime) -> None:
        """Take back that the presentation of this address, begun in this window, counts as wrong."""
        async with self._database.view(ANONYMOUS) as session:
            # in the order in which ``begin`` locks the two, so that nobody waits in a circle
            for bucket in (self._bucket(address), EVERYBODY):
                await session.execute(_RIGHT, {"window": window, "bucket": bucket})


def _window(moment: datetime) -> datetime:
    seconds = int(WINDOW.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, UTC)


async def sweep(session: AsyncSession, now: datetime) -> int:
    """Delete the counters of past windows; return how many."""
    gone = await session.scalars(
        delete(CodeAttempt).where(CodeAttempt.window < _window(now)).returning(CodeAttempt.bucket)
    )
    return len(gone.all())


# --- Around an operation ----------------------------------------------------------------------------------


async def presenting(
    throttle: Throttle, address: str, attempt: Callable[[], Awaitable[object]], wrong: type
) -> object:
    """Run what presents a code, counted; the attempt was wrong if it returns an instance of ``wrong``.

    An attempt that fails because of us (an exception) is not held against anybody. Raises TooManyAttempts
    without having run it.
    """
    window = await throttle.begin(address)
    try:
        result = await attempt()
    except BaseException:
        await throttle.right(address, window)
        raise
    if not isinstance(result, wrong):
        await throttle.right(address, window)
    return result
