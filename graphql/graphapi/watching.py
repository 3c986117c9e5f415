"""Hears what has changed for whom: one LISTEN connection per server process, and who waits to be told.

The database calls with ids and organisations only, from whichever process the change came. What a watcher
may see of it is judged when it is read. A watcher that could not keep up, or a connection that was lost, is
told that something was missed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
import structlog

from directory.actors import Actor, Role
from directory.database import OUT_OF_REACH

CHANNEL: Final = "spurwechsel_watchers"
"""What the trigger ``call_watchers`` calls on."""

LOOK_SECONDS: Final = 20.0
"""How often the connection is asked whether it is still there."""

LONGEST_PAUSE_SECONDS: Final = 5.0

MOST_WAITING: Final = 500
"""Changes that wait for one watcher; beyond that it has missed something."""

log: Final = structlog.get_logger("watching")


class What(StrEnum):
    """What has changed; MISSED: something may have, it is not known what."""

    REFERRAL = "REFERRAL"
    BOOKING = "BOOKING"
    APPROVAL = "APPROVAL"
    MISSED = "MISSED"


class Change(msgspec.Struct, frozen=True):
    """That a thing has changed; no more than that."""

    what: What
    id: UUID | None = None


class _Call(msgspec.Struct, frozen=True):
    """What the database says: ids of the thing and of the organisations that have a part in it."""

    sender: UUID
    referral: UUID | None = None
    booking: UUID | None = None
    approval: UUID | None = None
    recipient: UUID | None = None
    municipality: UUID | None = None


_decoder: Final = msgspec.json.Decoder(_Call)


class Watcher:
    """What waits for one subscription: each thing once, however often it has changed."""

    def __init__(self) -> None:
        self._waiting: dict[Change, None] = {}
        self._some = asyncio.Event()

    def tell(self, change: Change) -> None:
        """Note a change down for whoever reads."""
        if change.what is MISSED.what or len(self._waiting) >= MOST_WAITING:
            self._waiting = {MISSED: None}
        elif MISSED not in self._waiting:
            self._waiting[change] = None
        self._some.set()

    async def changes(self) -> AsyncIterator[Change]:
        """Yield what has changed, as it comes, until the reader stops."""
        while True:
            await self._some.wait()
            self._some.clear()
            waiting, self._waiting = self._waiting, {}
            for change in waiting:
                yield change


MISSED: Final = Change(What.MISSED)


class Watchers:
    """Those who wait in this process; ``url`` is where the one connection outside the pools goes."""

    def __init__(self, url: str) -> None:
        self._url = url.replace("postgresql+asyncpg://", "postgresql://")
        self._partners: defaultdict[UUID, set[Watcher]] = defaultdict(set)
        self._leads: defaultdict[UUID, set[Watcher]] = defaultdict(set)
        self.listening = asyncio.Event()

    @contextmanager
    def watch(self, actor: Actor) -> Iterator[Watcher]:
        """Watch as a member: what their organisation has a part in; a LEAD also the town's requests."""
        watcher = Watcher()
        places: list[set[Watcher]] = []
        if actor.partner_id is not None:
            places.append(self._partners[actor.partner_id])
        if actor.role is Role.LEAD and actor.municipality_id is not None:
            places.append(self._leads[actor.municipality_id])
        for place in places:
            place.add(watcher)
        if not self.listening.is_set():
            watcher.tell(MISSED)
        try:
            yield watcher
        finally:
            for place in places:
                place.discard(watcher)
            for known in (self._partners, self._leads):
                for key in [key for key, place in known.items() if not place]:
                    del known[key]

    async def run(self) -> None:
        """Listen until cancelled; a lost connection is opened again, and everybody told that they missed."""
        pause, before = 0.2, False
        while True:
            try:
                connection = await asyncpg.connect(self._url, timeout=5, command_timeout=5)
                try:
                    await connection.add_listener(CHANNEL, self._called)
                    self.listening.set()
                    if before:
                        log.info("listening again")
                        self._tell_everybody(MISSED)
                    pause, before = 0.2, True
                    while not connection.is_closed():
                        await connection.fetchval("SELECT 1")
                        await self._lost_or(connection, LOOK_SECONDS)
                finally:
                    self.listening.clear()
                    with suppress(*OUT_OF_REACH, asyncpg.PostgresError):
                        await connection.close(timeout=2)
            except Exception as error:  # whatever it is, who watches must not be left waiting for ever
                log.warning("not listening", error=type(error).__name__, seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _lost_or(self, connection: asyncpg.Connection, seconds: float) -> None:
        """Wait so long, or until the connection is gone."""
        gone = asyncio.Event()

        def ended(_: object) -> None:
            gone.set()

        connection.add_termination_listener(ended)
        try:
            if not connection.is_closed():
                with suppress(TimeoutError):
                    await asyncio.wait_for(gone.wait(), seconds)
        finally:
            with suppress(asyncpg.InterfaceError):
                connection.remove_termination_listener(ended)

    def _called(self, connection: object, pid: int, channel: str, payload: object) -> None:
        try:
            call = _decoder.decode(str(payload))
        except msgspec.MsgspecError:
            log.error("a call that cannot be read")
            self._tell_everybody(MISSED)
            return
        if call.booking is not None:
            change = Change(What.BOOKING, call.booking)
        elif call.approval is not None:
            change = Change(What.APPROVAL, call.approval)
        else:
            change = Change(What.REFERRAL, call.referral)
        told: set[Watcher] = set()
        for partner_id in (call.sender, call.recipient):
            if partner_id is not None:
                told |= self._partners.get(partner_id, set())
        if call.municipality is not None:
            told |= self._leads.get(call.municipality, set())
        for watcher in told:
            watcher.tell(change)

    def _tell_everybody(self, change: Change) -> None:
        for known in (self._partners, self._leads):
            for place in list(known.values()):
                for watcher in place:
                    watcher.tell(change)
