"""What the holder of a mailbox link sees, without an account: whether mail goes to their address."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry

from directory import mailboxes
from directory.actors import ANONYMOUS, SYSTEM
from directory.mailboxes import Mailbox
from directory.problems import NotFound
from graphapi.context import Info
from graphapi.mutations.running import with_code
from graphapi.types.exchange_problems import CodeNotValidProblem, TooManyAttemptsProblem
from graphapi.types.problems import as_data
from referrals.codes import CodePurpose, hash_of, present
from referrals.problems import CodeNotValid


@strawberry.type(description="Whether mail goes to the address that a link was sent to; not which one.")
class MailboxPage:
    """Whether mail goes to the address that a link was sent to."""

    asked: bool = strawberry.field(description="Somebody wants mail there. No: it was refused or taken back.")
    confirmed_at: datetime | None = strawberry.field(description="When its reader said yes.")
    letters_in: str | None = strawberry.field(description="Language of the mails (BCP 47), if there are any.")


MailboxPageResult: TypeAlias = Annotated[
    MailboxPage | CodeNotValidProblem | TooManyAttemptsProblem, strawberry.union(name="MailboxPageResult")
]

Code: TypeAlias = Annotated[str, strawberry.argument(description="The code of the link, however typed.")]


async def held(info: Info, code: str) -> tuple[UUID, str]:
    """Return whose mailbox a link is about, and its address; raises CodeNotValid."""
    hashed = hash_of(code, CodePurpose.MAILBOX)
    async with info.context.database.view(ANONYMOUS) as session:
        await present(session, hashed)
        try:
            return await mailboxes.holds(session, hashed)
        except NotFound:
            raise CodeNotValid from None


async def look(info: Info, code: str) -> MailboxPage:
    """Return what the holder of a link sees; writes nothing. Raises CodeNotValid."""
    member_id, address = await held(info, code)
    async with info.context.database.view(SYSTEM) as session:
        found: Mailbox | None = await mailboxes.read(session, member_id, address)
    return MailboxPage(
        asked=found is not None,
        confirmed_at=None if found is None else found.confirmed_at,
        letters_in=None if found is None else found.language,
    )


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
class MailboxLinkQueries:
    """What the holder of a mailbox link can read."""

    @strawberry.field(
        graphql_type=MailboxPageResult,
        description="The holder of a mailbox link, without an account: what goes to this address. Changes "
        "nothing.",
    )
    async def mailbox_page(self, info: Info, code: Code) -> Any:
        """Return whether mail goes to the address."""
        return await with_code(info, _Looking(info, code))
