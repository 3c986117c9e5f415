"""What a source hands over, whatever its format: entries that say only what the source says.

What a source is silent about keeps the value that the directory has (or the default, for a new entry).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID, uuid5

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from directory.documents import DocumentKind
from directory.network import MunicipalityEntry, OccupationEntry, TopicEntry
from directory.values import LocationValue
from directory.vocabulary import PublicationState

SOURCES: Final = UUID("6d1ac0a4-4c1e-5f0f-9d0b-6b1f6f1c2a57")
"""Namespace of the sources' namespaces."""

CHUNK: Final = 250
"""How many entries are read, compared and staged at once."""


def source_namespace(source: str) -> UUID:
    """Return the namespace in which a source's entries get their ids."""
    return uuid5(SOURCES, source)


def entry_id(namespace: UUID, kind: str, foreign_id: str) -> UUID:
    """Return the id of a source's entry: always the same for the same source, kind and foreign id."""
    return uuid5(namespace, f"{kind}:{foreign_id}")


class PartnerGiven(msgspec.Struct, kw_only=True):
    """A partner as its source gives it; ``values`` are columns, ``state`` None means: not said.

    ``locations``: all of its places that the source knows. ``original``: the JSON text of what the source
    says, kept beside the entry so that an export can give it back (UNSET: nothing is kept). ``ours``: it is
    an entry of this directory that comes back changed, and it stays where it came from.
    """

    id: UUID
    foreign_id: str
    values: dict[str, Any]
    state: PublicationState | None = None
    locations: tuple[LocationValue, ...] = ()
    original: str | UnsetType = UNSET
    ours: bool | UnsetType = UNSET


class ServiceGiven(msgspec.Struct, kw_only=True):
    """A service as its source gives it; ``topics`` None means: not said. ``original`` as for partners."""

    id: UUID
    foreign_id: str
    partner_id: UUID
    values: dict[str, Any]
    state: PublicationState | None = None
    topics: tuple[str, ...] | None = None
    locations: tuple[UUID, ...] = ()
    original: str | UnsetType = UNSET
    ours: bool | UnsetType = UNSET


class LooseGiven(msgspec.Struct, kw_only=True):
    """What a source has that belongs to no entry (a taxonomy, a unit): kept to be given back, never shown."""

    id: UUID
    table: str
    original: str


class GoneGiven(msgspec.Struct, kw_only=True):
    """That a source itself says an entry is gone, and since when: a tombstone."""

    id: UUID
    kind: DocumentKind
    since: str


def gone_given(namespace: UUID, kind: DocumentKind, key: str, since: str) -> GoneGiven:
    """Return the tombstone of a source's entry by the id that the source gives it."""
    return GoneGiven(id=entry_id(namespace, kind.value.lower(), key), kind=kind, since=since)


Loose: TypeAlias = LooseGiven | GoneGiven
"""What comes after the entries."""

Checkpoint: TypeAlias = Callable[[AsyncSession, str, int], Awaitable[None]]
"""Keeps within a transaction how far an import has come: phase, and the position in it."""


class Source(Protocol):
    """A format's reader: first ``prepare``, then partners, then services, in chunks.

    Reading the same source again gives the same chunks with the same positions, so that an import that was
    killed goes on ``after`` the last position that was staged.
    """

    @property
    def format(self) -> str:
        """Name of the format."""

    @property
    def name(self) -> str:
        """What the source calls itself; its entries' ids depend on it."""

    @property
    def licence(self) -> str | None:
        """The licence under which the source gives its entries."""

    @property
    def municipality(self) -> MunicipalityEntry | None:
        """The municipality it brings, if it does."""

    @property
    def coordination(self) -> UUID | None:
        """The partner that coordinates the municipality."""

    @property
    def may_be_ours(self) -> bool:
        """Whether its entries may be some of this directory that come back, by the numbers they have here."""

    @property
    def topics(self) -> Sequence[TopicEntry]:
        """The topics it brings."""

    @property
    def occupations(self) -> Sequence[OccupationEntry]:
        """The occupations it brings."""

    @property
    def clients(self) -> msgspec.Raw:
        """What it says of clients, which the directory does not read."""

    async def prepare(self, checkpoint: Checkpoint | None) -> int | None:
        """Read what must be read before the first entry; return how many entries come, if known.

        ``checkpoint`` None: that was done by the run that this one goes on with.
        """

    def partners(self, after: int) -> AsyncIterator[tuple[int, list[PartnerGiven]]]:
        """Yield every partner once, with the position after it."""

    def services(self, after: int) -> AsyncIterator[tuple[int, list[ServiceGiven]]]:
        """Yield every service once, with the position after it; its partner was yielded before."""

    def loose(self, after: int) -> AsyncIterator[tuple[int, list[Loose]]]:
        """Yield what belongs to no entry, or tells that one is gone, with the position after it."""


async def nothing_loose(after: int) -> AsyncIterator[tuple[int, list[Loose]]]:
    """Yield nothing: for sources whose every row belongs to an entry."""
    nothing: tuple[tuple[int, list[Loose]], ...] = ()
    for one in nothing:
        yield one
