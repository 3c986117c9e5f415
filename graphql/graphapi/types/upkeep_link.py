"""What the holder of an upkeep link sees, without an account: a partner's published entries."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import strawberry
from strawberry import Parent

from directory import upkeep_links
from directory.actors import ANONYMOUS
from directory.documents import PartnerDocument, ServiceDocument
from directory.problems import NotFound
from directory.upkeep_links import EntryShown
from graphapi.context import Info
from graphapi.mutations.running import with_code
from graphapi.types.exchange_problems import CodeNotValidProblem, TooManyAttemptsProblem
from graphapi.types.freshness import Freshness
from graphapi.types.partner import Partner
from graphapi.types.problems import as_data
from graphapi.types.service import Service
from referrals.codes import CodePurpose, hash_of, present
from referrals.problems import CodeNotValid


def _partner(root: Parent[EntryShown]) -> Any:
    return root.entry if isinstance(root.entry, PartnerDocument) else None


def _service(root: Parent[EntryShown]) -> Any:
    return root.entry if isinstance(root.entry, ServiceDocument) else None


@strawberry.type(description="An entry as it is published, or was until it was hidden for being stale.")
class UpkeepEntry:
    """An entry as it is published: a partner or a service."""

    partner: Partner | None = strawberry.field(
        resolver=_partner, graphql_type=Partner | None, description="The partner's own entry."
    )
    service: Service | None = strawberry.field(
        resolver=_service, graphql_type=Service | None, description="One of its services."
    )
    freshness: Freshness = strawberry.field(
        graphql_type=Freshness, description="What is to be looked at again, and when it would be hidden."
    )
    hidden: bool = strawberry.field(description="Hidden, because for long nobody has said that it is right.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell entries by the room's value."""
        return isinstance(value, EntryShown | cls)


@strawberry.type(description="What the holder of an upkeep link sees: no word about a person.")
class UpkeepPage:
    """What the holder of an upkeep link sees."""

    letters_in: str = strawberry.field(description="Language that the partner is written to in (BCP 47).")
    expires_at: datetime = strawberry.field(description="Until when the link can be used.")
    entries: list[UpkeepEntry] = strawberry.field(
        resolver=lambda root: list(root.entries),
        graphql_type=list[UpkeepEntry],
        description="The partner's published entries, at most 51; what is to be looked at again comes first.",
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell pages by the room's value."""
        return isinstance(value, upkeep_links.UpkeepPage | cls)


UpkeepPageResult: TypeAlias = Annotated[
    UpkeepPage | CodeNotValidProblem | TooManyAttemptsProblem, strawberry.union(name="UpkeepPageResult")
]

Code: TypeAlias = Annotated[str, strawberry.argument(description="The code of the link, however typed.")]


async def look(info: Info, code: str) -> upkeep_links.UpkeepPage:
    """Return what the holder of a link sees; writes nothing. Raises CodeNotValid."""
    hashed = hash_of(code, CodePurpose.UPKEEP)
    async with info.context.database.view(ANONYMOUS) as session:
        await present(session, hashed)
        try:
            return await upkeep_links.look(session, hashed, info.context.clock())
        except NotFound:
            raise CodeNotValid from None


@dataclasses.dataclass
class _Looking:
    info: Info
    code: str

    async def __call__(self) -> object:
        try:
            return await look(self.info, self.code)
        except CodeNotValid as problem:
            return as_data(problem, self.info.context.language)


@strawberry.type
class UpkeepLinkQueries:
    """What the holder of an upkeep link can read."""

    @strawberry.field(
        graphql_type=UpkeepPageResult,
        description="The holder of an upkeep link, without an account: the partner's entries. Changes "
        "nothing.",
    )
    async def upkeep_page(self, info: Info, code: Code) -> object:
        """Return the entries of the partner whose link this is."""
        return await with_code(info, _Looking(info, code))
