"""Mailbox links: who reads an address says, without an account, that mail may go there, or no more of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory import mailboxes
from directory.actors import SYSTEM
from directory.database import Work
from directory.problems import NotFound
from graphapi.context import Info
from graphapi.mutations.running import Given, run, with_code
from graphapi.types.exchange_problems import CodeNotValidProblem, TooManyAttemptsProblem
from graphapi.types.mailbox_link import MailboxPage, held, look
from graphapi.types.problems import InvalidInputProblem, as_data
from referrals.problems import CodeNotValid


@strawberry.input(description="The code of the link.")
class MailboxByLinkInput:
    """The code of the link."""

    idempotency_key: str = strawberry.field(description="8 to 200 characters; saying it again does nothing.")
    code: str = strawberry.field(description="The code, however it was typed.")


MailboxByLinkResult: TypeAlias = Annotated[
    MailboxPage | CodeNotValidProblem | TooManyAttemptsProblem | InvalidInputProblem,
    strawberry.union(name="MailboxByLinkResult"),
]

_Say: TypeAlias = Callable[[Work, UUID, str], Awaitable[None]]


async def _by_link(info: Info, input_: MailboxByLinkInput, say: _Say) -> object:
    async def attempt() -> object:
        try:
            member_id, address = await held(info, input_.code)
        except CodeNotValid as problem:
            return as_data(problem, info.context.language)

        async def act(work: Work, given: Given) -> UUID:
            try:
                await say(work, member_id, address)
            except NotFound:  # the member has taken the address back
                raise CodeNotValid from None
            return member_id

        async def read(info: Info, _: UUID) -> MailboxPage | None:
            try:
                return await look(info, input_.code)
            except CodeNotValid:  # whoever says no ends the link with the address
                return MailboxPage(asked=False, confirmed_at=None, letters_in=None)

        # whoever reads the address is no member: the link alone decides
        return await run(info, input_, act, read=read, actor=SYSTEM)

    return await with_code(info, attempt)


@strawberry.type
class MailboxLinkMutations:
    """What the holder of a mailbox link can do."""

    @strawberry.mutation(
        graphql_type=MailboxByLinkResult, description="The holder of a mailbox link: yes, please write."
    )
    async def confirm_mailbox(self, info: Info, input: MailboxByLinkInput) -> object:
        """Say yes to mail."""
        return await _by_link(info, input, mailboxes.confirm)

    @strawberry.mutation(
        graphql_type=MailboxByLinkResult,
        description="The holder of a mailbox link: no mail, or no more of it; the address is deleted.",
    )
    async def stop_mailbox(self, info: Info, input: MailboxByLinkInput) -> object:
        """Say no to mail."""
        return await _by_link(info, input, mailboxes.stop)
