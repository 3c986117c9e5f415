"""What must be in order before anything is served: the right master key, and the same erasures on both sides.

A restored database may hold persons who were erased since; until they are cleared again, nothing is
answered. What cannot be mended by waiting (another master key) is refused at the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError

from directory.database import Database, Unavailable
from referrals.personal_data.erasing import agree
from referrals.personal_data.keystore import KeyStore, KeyStoreOutdated, MasterKeyWrong

log: Final = structlog.get_logger("opening")

TRY_AGAIN_SECONDS: Final = 1.0

REASONS: Final[Mapping[type[Exception], str]] = {
    MasterKeyWrong: "master-key-wrong",
    KeyStoreOutdated: "key-store-not-newest",
    Unavailable: "erasures-not-applied",
    DBAPIError: "erasures-not-applied",
}
"""What the health check says while this kind of error stands in the way."""


class Opening:
    """Whether key store and main database were compared; each process does it once, when it begins."""

    def __init__(self, database: Database, keys: KeyStore | None) -> None:
        self._database = database
        self._keys = keys
        self._one_at_a_time = asyncio.Lock()
        self._done = keys is None
        self.reason: str | None = None if keys is None else "erasures-not-applied"
        """Why nothing may be served yet, as the health check says it; None: it may."""

    async def ensure(self) -> None:
        """Compare them if that is still to be done; afterwards this costs nothing.

        Raises MasterKeyWrong and KeyStoreOutdated, and Unavailable as long as a database does not answer or
        is not migrated.
        """
        if self._done or self._keys is None:
            return
        async with self._one_at_a_time:
            if self.reason is None:  # somebody else did it while this one waited
                return
            try:
                done = await agree(self._database, self._keys)
            except (MasterKeyWrong, KeyStoreOutdated, Unavailable, DBAPIError) as error:
                self.reason = next(said for kind, said in REASONS.items() if isinstance(error, kind))
                if isinstance(error, DBAPIError):  # not migrated yet
                    raise Unavailable(type(error.orig).__name__) from error
                raise
            self.reason, self._done = None, True
        if done.cleared or done.destroyed:
            log.warning("erasures applied", cleared=done.cleared, destroyed=done.destroyed)

    async def wait(self) -> None:
        """Do the same for a request: whatever stands in the way, it cannot be served now (Unavailable)."""
        try:
            await self.ensure()
        except (KeyStoreOutdated, MasterKeyWrong) as error:
            raise Unavailable(type(error).__name__) from error

    async def keep_trying(self) -> None:
        """Try again until it is done; what waiting does not mend is logged each time its kind changes."""
        said = None
        while not self._done:
            try:
                await self.ensure()
            except (KeyStoreOutdated, MasterKeyWrong, Unavailable) as error:
                if said != self.reason:
                    # these messages name keys by their ids and say what to do; nothing personal is in them
                    log.error("nothing is served yet", reason=self.reason, error=str(error))
                said = self.reason
                await asyncio.sleep(TRY_AGAIN_SECONDS)


async def refuse_what_cannot_open(keys: KeyStore) -> None:
    """Refuse to start with the wrong master key or an outdated store; a store that is down may come back.

    Raises MasterKeyWrong and KeyStoreOutdated.
    """
    try:
        await keys.check()
    except Unavailable:
        log.warning("the key store does not answer yet")
    finally:
        await keys.stop()
