"""What one operation carries with it: who asks, in which language, and where answers come from.

Typed, so that resolvers are. Made once per request by the endpoint; loaders live exactly as long.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeAlias

import strawberry

from directory.actors import Actor
from directory.database import Database
from directory.days import local_day
from graphapi.addresses import Network
from graphapi.limits import Limits, Operation
from graphapi.loaders import Loaders
from graphapi.messages import MessageLanguage
from graphapi.people import People
from graphapi.throttle import Throttle
from graphapi.web.options import Options
from referrals.personal_data.keystore import KeyStore
from search.engine import Engine
from search.unmet import Tally


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the process has started and every request uses; ``engines``: the first that answers is asked.

    ``address_key`` hashes client addresses for the throttle, alike in every process of a server.
    ``public_url``: where people reach this installation (no slash at the end), if anybody has said so.
    ``unmet``: searches without a hit that this process has counted and not written yet.
    """

    database: Database
    limits: Limits
    engines: tuple[Engine, ...] = ()
    address_key: bytes = dataclasses.field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    trusted_proxies: tuple[Network, ...] = ()
    keys: KeyStore | None = None
    public_url: str | None = None
    web: Options = dataclasses.field(default_factory=Options)
    unmet: Tally = dataclasses.field(default_factory=Tally, repr=False)

    @property
    def throttle(self) -> Throttle:
        """What limits how often codes are presented."""
        limits = self.limits
        return Throttle(
            self.database,
            self.address_key,
            wrong=limits.wrong_codes,
            presented=limits.presented_codes,
            wrong_total=limits.wrong_codes_in_total,
        )


@dataclasses.dataclass(slots=True, kw_only=True)
class Context:
    """One request: the actor, the wanted languages, the rooms, and loaders that batch its reads.

    ``language`` is that of messages (de, en); ``languages`` are all that the caller wants texts in, most
    wanted first. ``operation`` is what was judged before anything ran. ``address``: where it came from.
    """

    services: Services
    actor: Actor
    language: MessageLanguage
    languages: tuple[str, ...]
    request_id: str
    operation: Operation | None = None
    address: str = ""
    loaders: Loaders = dataclasses.field(init=False)
    people: People = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.fresh()

    def fresh(self) -> None:
        """Forget what this request has read: something has changed."""
        self.loaders = Loaders(self.services.database, self.actor)
        self.people = People(self.services.database, self.actor, self.services.keys)

    @property
    def database(self) -> Database:
        """The service's connections."""
        return self.services.database

    def asks(self, type_name: str, field: str) -> bool:
        """Whether the operation reads this field anywhere: what nobody reads is not worked out."""
        return self.operation is None or (type_name, field) in self.operation.fields

    @property
    def throttle(self) -> Throttle:
        """What limits how often codes are presented."""
        return self.services.throttle

    @property
    def clock(self) -> Callable[[], datetime]:
        """The clock that rules go by; never ask the system's."""
        return self.services.database.clock

    @property
    def today(self) -> date:
        """The day it is where the network works."""
        return local_day(self.clock())


Info: TypeAlias = strawberry.Info[Context, Any]
"""What resolvers get: ``info.context`` is a :class:`Context`."""
