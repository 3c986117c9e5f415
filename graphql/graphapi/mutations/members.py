"""Members of organisations and their access tokens: add, change, remove, create, revoke."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory import membership
from directory.actors import Role
from directory.database import Work
from graphapi.context import Info
from graphapi.mutations.running import ChangeProblems, CreateProblems, Given, run
from graphapi.relay import target_id
from graphapi.types.member import AccessToken, Member
from referrals.clients import pass_on


@strawberry.type(description="The member as they are now.")
class MemberSaved:
    """The member as they are now."""

    member: Member = strawberry.field(graphql_type=Member, description="The member.")


async def member_saved(info: Info, member_id: UUID) -> MemberSaved | None:
    """Read the member with the actor's rights."""
    found = await info.context.loaders.member.load(member_id)
    return None if found is None else MemberSaved(member=found)  # type: ignore[arg-type]


@strawberry.type(description="The new token. The secret is in this answer only: not even a replay has it.")
class TokenCreated:
    """The new token."""

    token: AccessToken = strawberry.field(graphql_type=AccessToken, description="The token.")
    secret: str | None = strawberry.field(
        description="What to send as `Authorization: Bearer …`; null when the key is used again."
    )


@strawberry.type(description="The token as it is now.")
class TokenRevoked:
    """The token as it is now."""

    token: AccessToken | None = strawberry.field(
        graphql_type=AccessToken | None, description="The token, for who may list it."
    )


@strawberry.input(description="A new member of an organisation.")
class AddMemberInput:
    """A new member of an organisation."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    partner_id: strawberry.ID = strawberry.field(description="The organisation.")
    name: str = strawberry.field(description="What colleagues see.")
    role: Role = strawberry.field(default=Role.PARTNER_MEMBER, description="What they may do at most.")
    administers: bool = strawberry.field(default=False, description="Whether they keep the members.")
    deputy_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Who takes over when they are removed."
    )
    sign_in_email: str | None = strawberry.field(
        default=strawberry.UNSET, description="The address that the town's sign-on says is theirs."
    )
    sign_in_subject: str | None = strawberry.field(
        default=strawberry.UNSET, description="Their account's own name there (OpenID Connect `sub`)."
    )


@strawberry.input(description="What changes of a member; what is left out stays.")
class ChangeMemberInput:
    """What changes of a member."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The member.")
    expected_version: int = strawberry.field(description="The version you read.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="What colleagues see.")
    role: Role | None = strawberry.field(default=strawberry.UNSET, description="What they may do at most.")
    administers: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether they keep the members."
    )
    deputy_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Who takes over when they are removed; null: nobody."
    )
    sign_in_email: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The address that the town's sign-on says is theirs; null: none.",
    )
    sign_in_subject: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Their account's own name there (OpenID Connect `sub`); null: none.",
    )


@strawberry.input(description="The member to remove.")
class RemoveMemberInput:
    """The member to remove."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The member.")
    expected_version: int = strawberry.field(description="The version you read.")


@strawberry.input(description="A new token of a member.")
class CreateTokenInput:
    """A new token of a member."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    member_id: strawberry.ID = strawberry.field(description="Whose.")
    label: str = strawberry.field(description="What it is for.")
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it ends; left out: in 90 days. A year at most."
    )


@strawberry.input(description="The token to revoke.")
class RevokeTokenInput:
    """The token to revoke."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The token.")


AddMemberResult: TypeAlias = Annotated[MemberSaved | CreateProblems, strawberry.union(name="AddMemberResult")]
ChangeMemberResult: TypeAlias = Annotated[
    MemberSaved | ChangeProblems, strawberry.union(name="ChangeMemberResult")
]
CreateTokenResult: TypeAlias = Annotated[
    TokenCreated | CreateProblems, strawberry.union(name="CreateTokenResult")
]
RevokeTokenResult: TypeAlias = Annotated[
    TokenRevoked | CreateProblems, strawberry.union(name="RevokeTokenResult")
]


@strawberry.type
class MemberMutations:
    """Members and their tokens."""

    @strawberry.mutation(graphql_type=AddMemberResult, description="Add a member to an organisation.")
    async def add_member(self, info: Info, input: AddMemberInput) -> object:
        """Add a member."""

        async def act(work: Work, given: Given) -> UUID:
            draft = given.read(
                membership.MemberDraft, ids={"deputy_id": "Member"}, without=frozenset({"partner_id"})
            )
            partner_id = target_id(input.partner_id, "Partner")
            return (await membership.add_member(work, partner_id, draft)).id

        return await run(info, input, act, read=member_saved)

    @strawberry.mutation(graphql_type=ChangeMemberResult, description="Change a member.")
    async def change_member(self, info: Info, input: ChangeMemberInput) -> object:
        """Change a member."""

        async def act(work: Work, given: Given) -> UUID:
            change = given.read(membership.MemberChange, ids={"deputy_id": "Member"})
            saved = await membership.change_member(
                work, target_id(input.id, "Member"), change, expected_version=input.expected_version
            )
            return saved.id

        return await run(info, input, act, read=member_saved)

    @strawberry.mutation(
        graphql_type=ChangeMemberResult,
        description="Remove a member: tokens end at once, clients and open referrals go to the deputy.",
    )
    async def remove_member(self, info: Info, input: RemoveMemberInput) -> object:
        """Remove a member."""

        async def act(work: Work, given: Given) -> UUID:
            member_id = target_id(input.id, "Member")
            # before the removal, which forgets the deputy; if that is refused, nothing of this stays
            await pass_on(work, member_id)
            await membership.remove_member(work, member_id, expected_version=input.expected_version)
            return member_id

        return await run(info, input, act, read=member_saved)

    @strawberry.mutation(graphql_type=CreateTokenResult, description="Give a member a new access token.")
    async def create_token(self, info: Info, input: CreateTokenInput) -> object:
        """Give a member a new token; the secret is in this answer only."""
        secrets: list[str] = []

        async def act(work: Work, given: Given) -> UUID:
            made = await membership.create_token(
                work, target_id(input.member_id, "Member"), input.label, expires_at=input.expires_at
            )
            secrets.append(made.secret)
            return made.id

        async def read(info: Info, token_id: UUID) -> TokenCreated | None:
            token = await _token(info, target_id(input.member_id, "Member"), token_id)
            if token is None:
                return None
            return TokenCreated(token=token, secret=secrets[0] if secrets else None)  # type: ignore[arg-type]

        return await run(info, input, act, read=read)

    @strawberry.mutation(graphql_type=RevokeTokenResult, description="End a token at once.")
    async def revoke_token(self, info: Info, input: RevokeTokenInput) -> object:
        """End a token at once."""

        async def act(work: Work, given: Given) -> UUID:
            revoked = await membership.revoke_token(work, target_id(input.id, "AccessToken"))
            return revoked.member_id

        async def read(info: Info, member_id: UUID) -> TokenRevoked:
            token_id = target_id(input.id, "AccessToken")
            return TokenRevoked(token=await _token(info, member_id, token_id))  # type: ignore[arg-type]

        return await run(info, input, act, read=read)


async def _token(info: Info, member_id: UUID, token_id: UUID) -> membership.TokenEntry | None:
    async with info.context.database.view(info.context.actor) as session:
        for token in await membership.tokens(session, info.context.actor, member_id):
            if token.id == token_id:
                return token
    return None
