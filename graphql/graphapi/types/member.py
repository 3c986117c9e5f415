"""Members of organisations, their access tokens, and who is asking."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry import Parent

from directory import membership
from directory.actors import Actor, Role
from directory.membership import MemberEntry, TokenEntry
from graphapi.context import Info
from graphapi.relay import global_id
from graphapi.types.node import Node
from graphapi.types.partner import Partner
from graphapi.types.places import Municipality


def _member_id(root: Parent[MemberEntry]) -> strawberry.ID:
    return global_id("Member", root.id)


async def _deputy(
    root: Parent[MemberEntry], info: Info
) -> Annotated[Member, strawberry.lazy("graphapi.types.member")] | None:
    if root.deputy_id is None:
        return None
    return await info.context.loaders.member.load(root.deputy_id)  # type: ignore[return-value]


async def _organisation(root: Parent[MemberEntry], info: Info) -> Any:
    return await info.context.loaders.partner.load(root.partner_id)


async def _tokens(root: Parent[MemberEntry], info: Info) -> Any:
    async with info.context.database.view(info.context.actor) as session:
        return await membership.tokens(session, info.context.actor, root.id)


def _sign_in_email(root: Parent[MemberEntry], info: Info) -> str | None:
    return root.sign_in_email if membership.sees_sign_in(info.context.actor, root) else None


def _sign_in_subject(root: Parent[MemberEntry], info: Info) -> str | None:
    return root.sign_in_subject if membership.sees_sign_in(info.context.actor, root) else None


def _token_id(root: Parent[TokenEntry]) -> strawberry.ID:
    return global_id("AccessToken", root.id)


@strawberry.type(description="An access token, without the secret: that is shown once, when it is made.")
class AccessToken:
    """An access token, without the secret."""

    id: strawberry.ID = strawberry.field(resolver=_token_id, description="Global id.")
    label: str = strawberry.field(description="What it is for.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime = strawberry.field(description="When it ends.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked.")


@strawberry.type(description="Somebody who acts for an organisation (Mitglied); seen by colleagues.")
class Member(Node):
    """Somebody who acts for an organisation."""

    id: strawberry.ID = strawberry.field(resolver=_member_id, description="Global id.")
    name: str = strawberry.field(description="What colleagues see.")
    role: Role = strawberry.field(description="What they may do at most.")
    administers: bool = strawberry.field(description="Whether they add and remove members.")
    active: bool = strawberry.field(description="False when they were removed.")
    version: int = strawberry.field(description="Rises with every change; give it as expectedVersion.")
    partner: Partner | None = strawberry.field(
        graphql_type=Partner | None, resolver=_organisation, description="The organisation."
    )
    tokens: list[AccessToken] | None = strawberry.field(
        graphql_type=list[AccessToken] | None,
        resolver=_tokens,
        description="Their tokens, newest first; for themselves and who administers.",
    )

    sign_in_email: str | None = strawberry.field(
        resolver=_sign_in_email,
        description="The address that the town's sign-on knows them by; for themselves and who administers.",
    )
    sign_in_subject: str | None = strawberry.field(
        resolver=_sign_in_subject,
        description="Their account's own name there; for themselves and who administers.",
    )
    deputy: Annotated[Member, strawberry.lazy("graphapi.types.member")] | None = strawberry.field(
        resolver=_deputy, description="Who takes over when they are removed (Vertretung)."
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell members from other nodes: behind the type stands the entry."""
        return isinstance(value, MemberEntry | cls)


async def _me_member(root: Parent[Actor], info: Info) -> Any:
    return None if root.member_id is None else await info.context.loaders.member.load(root.member_id)


async def _me_partner(root: Parent[Actor], info: Info) -> Any:
    return None if root.partner_id is None else await info.context.loaders.partner.load(root.partner_id)


async def _me_municipality(root: Parent[Actor], info: Info) -> Any:
    if root.municipality_id is None:
        return None
    return await info.context.loaders.municipality.load(root.municipality_id)


@strawberry.type(description="Who is asking.")
class Me:
    """Who is asking."""

    role: Role = strawberry.field(description="What you may do at most.")
    administers: bool = strawberry.field(description="Whether you add and remove members.")
    member: Member | None = strawberry.field(
        graphql_type=Member | None, resolver=_me_member, description="You; null when not signed in."
    )
    partner: Partner | None = strawberry.field(
        graphql_type=Partner | None, resolver=_me_partner, description="Your organisation."
    )
    municipality: Municipality | None = strawberry.field(
        graphql_type=Municipality | None, resolver=_me_municipality, description="Its municipality."
    )
