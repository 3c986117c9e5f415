"""Members of organisations and their access tokens: adds, changes, removes, and says who a token is.

A token is shown once and kept as SHA-256 only. Removing a member revokes every token in the same
transaction. Who may do it is decided in ``directory.policy``; a token never appears in a log or an error.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from directory import checking as check
from directory import contacts
from directory.actors import Actor, Role
from directory.database import Database, Work, reaching_the_database
from directory.models import AccessToken, Member, Partner, WebSession
from directory.policy import (
    MemberFacts,
    OrganisationFacts,
    Rule,
    is_system,
    require_administer_member,
    require_grant,
    require_keep_tokens,
    require_make_token,
    require_see_members,
)
from directory.problems import InvalidInput, NotAllowed, NotFound, StaleVersion

PREFIX: Final = "spw_"
"""What every token begins with, so that scanners for leaked secrets find it."""

TOKEN_LIFE: Final = timedelta(days=90)
LONGEST_LIFE: Final = timedelta(days=366)
MOST_MEMBERS: Final = 1_000
MOST_TOKENS: Final = 100

_TOKEN: Final = re.compile(r"spw_[A-Za-z0-9_-]{43}")


class MemberDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A new member of an organisation; the town's sign-on knows them by a verified address or a subject."""

    name: str
    role: Role = Role.PARTNER_MEMBER
    administers: bool = False
    deputy_id: UUID | None = None
    sign_in_email: str | None = None
    sign_in_subject: str | None = None


class MemberChange(msgspec.Struct, frozen=True, kw_only=True):
    """What changes of a member; UNSET stays, None clears."""

    name: str | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    administers: bool | UnsetType = UNSET
    deputy_id: UUID | UnsetType | None = UNSET
    sign_in_email: str | UnsetType | None = UNSET
    sign_in_subject: str | UnsetType | None = UNSET


class MemberEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A member as those see it who may."""

    id: UUID
    partner_id: UUID
    name: str
    role: Role
    administers: bool
    deputy_id: UUID | None
    active: bool
    version: int
    sign_in_email: str | None = None
    sign_in_subject: str | None = None


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """A member who is gone; the caller passes their open referrals on to the deputy (None: nobody named)."""

    member_id: UUID
    partner_id: UUID
    deputy_id: UUID | None
    version: int
    revoked_tokens: int


class TokenEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a token besides the token itself."""

    id: UUID
    member_id: UUID
    label: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A new token; ``secret`` is in this answer and nowhere else."""

    id: UUID
    secret: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Show everything but the secret: a repr ends up in logs."""
        return f"NewToken(id={self.id}, expires_at={self.expires_at.isoformat()})"


def _facts(partner: Partner) -> OrganisationFacts:
    return OrganisationFacts(
        partner_id=partner.id,
        municipality_id=partner.municipality_id,
        kind=partner.kind,
        coordinates=partner.coordinates,
        state=partner.state,
    )


def _entry(member: Member) -> MemberEntry:
    return MemberEntry(
        id=member.id,
        partner_id=member.partner_id,
        name=member.name,
        role=Role(member.role),
        administers=member.administers,
        deputy_id=member.deputy_id,
        active=member.active,
        version=member.version,
        sign_in_email=member.sign_in_email,
        sign_in_subject=member.sign_in_subject,
    )


def sees_sign_in(actor: Actor, entry: MemberEntry) -> bool:
    """Whether the actor, who sees the member, may read how they sign in: themselves, and who administers."""
    own = actor.partner_id == entry.partner_id
    return actor.member_id == entry.id or (own and actor.administers) or actor.role is Role.LEAD


def _sign_in_email(given: str | None) -> str | None:
    """Return the address as it is compared: in small letters."""
    return None if given is None else contacts.mail(given, "signInEmail").lower()


def _sign_in_subject(given: str | None) -> str | None:
    return None if given is None else check.short_text(given, "signInSubject", maximum=255)


async def _flushed(work: Work) -> None:
    """Write the member; whom somebody else signs in as already is refused, whoever that is."""
    try:
        async with work.session.begin_nested():
            await work.session.flush()
    except IntegrityError as error:
        for field in ("email", "subject"):
            if f"member_sign_in_{field}_key" in str(error.orig):
                raise InvalidInput(f"signIn{field.capitalize()}", "taken") from None
        raise


class _Organisation:
    """An organisation and all its members, locked until the work ends.

    All of them, because what one may do depends on the others: who is whose deputy, who leads last.
    Organisations have tens of members.
    """

    def __init__(self, partner: Partner, members: Sequence[Member]) -> None:
        self.partner = partner
        self.facts = _facts(partner)
        self.members = {member.id: member for member in members}

    def facts_of(self, member: Member) -> MemberFacts:
        return MemberFacts(id=member.id, role=Role(member.role), organisation=self.facts)

    def require_deputy(self, deputy_id: UUID | None, member_id: UUID | None) -> None:
        """Refuse a deputy who is not an active colleague."""
        if deputy_id is None:
            return
        deputy = self.members.get(deputy_id)
        if deputy is None or not deputy.active or deputy_id == member_id:
            raise InvalidInput("deputyId", "not-a-colleague")

    def require_other_lead(self, actor: Actor, member: Member) -> None:
        """Refuse to take the last lead from a coordination: nobody could grant the role again."""
        others = (
            other.id
            for other in self.members.values()
            if other.active and other.role == Role.LEAD and other.id != member.id
        )
        if member.role == Role.LEAD and not is_system(actor) and next(others, None) is None:
            raise NotAllowed(Rule.LAST_LEAD)


async def _organisation(work: Work, partner_id: UUID) -> _Organisation:
    # the partner's row stands for "the members of this organisation": additions wait for it too
    partner: Partner | None = await work.session.scalar(
        select(Partner)
        .where(Partner.id == partner_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if partner is None:
        raise NotFound
    members = await work.session.scalars(
        select(Member).where(Member.partner_id == partner_id).execution_options(populate_existing=True)
    )
    return _Organisation(partner, members.all())


async def _member(work: Work, member_id: UUID) -> tuple[_Organisation, Member]:
    partner_id = await work.session.scalar(select(Member.partner_id).where(Member.id == member_id))
    if partner_id is None:
        raise NotFound
    organisation = await _organisation(work, partner_id)
    return organisation, organisation.members[member_id]


async def add_member(work: Work, partner_id: UUID, draft: MemberDraft) -> MemberEntry:
    """Add a member to an organisation; who may grant which role is the policy's."""
    organisation = await _organisation(work, partner_id)
    require_grant(work.actor, organisation.facts, draft.role)
    if organisation.partner.ended_at is not None:
        # what was closed there is read by those who were there, and by nobody else
        raise NotAllowed(Rule.ORGANISATION_ENDED)
    name = check.short_text(draft.name, "name", maximum=200)
    organisation.require_deputy(draft.deputy_id, None)
    if len(organisation.members) >= MOST_MEMBERS:
        raise InvalidInput("partnerId", "too-many", maximum=str(MOST_MEMBERS))
    member = Member(
        id=uuid4(),
        partner_id=partner_id,
        name=name,
        role=draft.role.value,
        administers=draft.administers,
        deputy_id=draft.deputy_id,
        active=True,
        version=1,
        sign_in_email=_sign_in_email(draft.sign_in_email),
        sign_in_subject=_sign_in_subject(draft.sign_in_subject),
    )
    work.session.add(member)
    await _flushed(work)
    work.record("member.add", "member", member.id, {"role": draft.role.value})
    return _entry(member)


def _require_current(member: Member, expected_version: int) -> None:
    if not member.active:
        raise NotFound
    if member.version != expected_version:
        raise StaleVersion(member.version)


async def change_member(
    work: Work, member_id: UUID, change: MemberChange, *, expected_version: int
) -> MemberEntry:
    """Change a member's name, deputy, role or whether they administer."""
    organisation, member = await _member(work, member_id)
    require_administer_member(work.actor, organisation.facts_of(member))
    _require_current(member, expected_version)
    changed: set[str] = set()
    if change.role is not UNSET and change.role != member.role:
        require_grant(work.actor, organisation.facts, change.role)
        organisation.require_other_lead(work.actor, member)
        member.role = change.role.value
        changed.add("role")
    if change.name is not UNSET:
        name = check.short_text(change.name, "name", maximum=200)
        if name != member.name:
            member.name = name
            changed.add("name")
    if change.administers is not UNSET and change.administers != member.administers:
        member.administers = change.administers
        changed.add("administers")
    if change.deputy_id is not UNSET and change.deputy_id != member.deputy_id:
        organisation.require_deputy(change.deputy_id, member_id)
        member.deputy_id = change.deputy_id
        changed.add("deputyId")
    if change.sign_in_email is not UNSET:
        email = _sign_in_email(change.sign_in_email)
        if email != member.sign_in_email:
            # another address is another account, until it has been signed in with once
            member.sign_in_email, member.sign_in_subject = email, None
            changed.add("signInEmail")
    if change.sign_in_subject is not UNSET:
        subject = _sign_in_subject(change.sign_in_subject)
        if subject != member.sign_in_subject:
            member.sign_in_subject = subject
            changed.add("signInSubject")
    if changed:
        member.version += 1
        await _flushed(work)
        work.record("member.change", "member", member_id, {"fields": ",".join(sorted(changed))})
    if {"signInEmail", "signInSubject"} & changed:
        await end_sessions(work, member_id)
    return _entry(member)


async def end_sessions(work: Work, member_id: UUID) -> None:
    """End every session of a member in a browser."""
    await work.session.execute(
        delete(WebSession)
        .where(WebSession.member_id == member_id)
        .execution_options(synchronize_session=False)
    )


async def remove_member(work: Work, member_id: UUID, *, expected_version: int) -> Removed:
    """Remove a member: every token and session ends at once, and who had them as deputy gets theirs.

    The row stays, inactive: events and audit name it.
    """
    organisation, member = await _member(work, member_id)
    require_administer_member(work.actor, organisation.facts_of(member))
    _require_current(member, expected_version)
    organisation.require_other_lead(work.actor, member)
    deputy_id = member.deputy_id
    for other in organisation.members.values():
        if other.deputy_id == member_id:
            # no active member ever has a deputy who is gone
            other.deputy_id = deputy_id if deputy_id != other.id else None
            other.version += 1
    member.active = False
    member.deputy_id = None
    member.version += 1
    revoked = await work.session.scalars(
        update(AccessToken)
        .where(AccessToken.member_id == member_id, AccessToken.revoked_at.is_(None))
        .values(revoked_at=work.now)
        .returning(AccessToken.id)
        .execution_options(synchronize_session=False)
    )
    count = len(revoked.all())
    member.sign_in_email, member.sign_in_subject = None, None
    await end_sessions(work, member_id)
    await work.session.flush()
    work.record("member.remove", "member", member_id, {"tokens": str(count)})
    return Removed(
        member_id=member_id,
        partner_id=member.partner_id,
        deputy_id=deputy_id,
        version=member.version,
        revoked_tokens=count,
    )


async def members(
    session: AsyncSession, actor: Actor, partner_id: UUID, *, removed: bool = False
) -> list[MemberEntry]:
    """Return the members of an organisation by name; ``removed``: those who are gone too."""
    partner = await session.get(Partner, partner_id)
    if partner is None:
        raise NotFound
    require_see_members(actor, _facts(partner))
    found = select(Member).where(Member.partner_id == partner_id)
    if not removed:
        found = found.where(Member.active)
    rows = await session.scalars(found.order_by(Member.name, Member.id).limit(MOST_MEMBERS))
    return [_entry(member) for member in rows]


async def member(session: AsyncSession, actor: Actor, member_id: UUID) -> MemberEntry:
    """Return one member to who may see the organisation's members; else NotFound: names are not published."""
    found, facts = await _with_organisation(session, member_id)
    if actor.member_id != member_id:
        try:
            require_see_members(actor, facts.organisation)
        except NotAllowed:
            raise NotFound from None
    return _entry(found)


def hash_token(secret: str) -> bytes:
    """Return what is stored of a token. A fast hash is right: the secret has 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()


async def create_token(
    work: Work, member_id: UUID, label: str, *, expires_at: datetime | None = None
) -> NewToken:
    """Give a member a new token; 90 days unless said otherwise, a year at most. The secret is shown once."""
    # locked: nobody removes the member while a token is made, and leaves it valid
    member, facts = await _with_organisation(work.session, member_id, locked=True)
    require_make_token(work.actor, facts, administered=await _is_administered(work, member.partner_id))
    if not member.active:
        raise NotFound
    ends = expires_at or work.now + TOKEN_LIFE
    if ends.tzinfo is None:
        raise InvalidInput("expiresAt", "format")
    if not work.now < ends <= work.now + LONGEST_LIFE:
        raise InvalidInput("expiresAt", "token-life", maximum=str(LONGEST_LIFE.days))
    secret = PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    token = AccessToken(
        id=uuid4(),
        member_id=member_id,
        token_hash=hash_token(secret),
        label=check.short_text(label, "label", maximum=100),
        created_at=work.now,
        expires_at=ends,
    )
    work.session.add(token)
    await work.session.flush()
    work.record("token.create", "token", token.id, {"member": str(member_id)})
    return NewToken(id=token.id, secret=secret, expires_at=ends)


async def _with_organisation(
    session: AsyncSession, member_id: UUID, *, locked: bool = False
) -> tuple[Member, MemberFacts]:
    """Return a member and what policies decide by; ``locked``: nobody changes the member until the end."""
    statement = (
        select(Member, Partner).join(Partner, Partner.id == Member.partner_id).where(Member.id == member_id)
    )
    if locked:
        statement = statement.with_for_update(read=True, of=Member).execution_options(populate_existing=True)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound
    facts = MemberFacts(id=member_id, role=Role(row.Member.role), organisation=_facts(row.Partner))
    return row.Member, facts


async def _is_administered(work: Work, partner_id: UUID) -> bool:
    """Whether somebody who administers the organisation holds a valid token."""
    found = await work.session.scalar(
        select(AccessToken.id)
        .join(Member, Member.id == AccessToken.member_id)
        .where(
            Member.partner_id == partner_id,
            Member.active,
            Member.administers,
            AccessToken.revoked_at.is_(None),
            AccessToken.expires_at > work.now,
        )
        .limit(1)
    )
    return found is not None


def _token_entry(token: AccessToken) -> TokenEntry:
    return TokenEntry(
        id=token.id,
        member_id=token.member_id,
        label=token.label,
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
    )


async def tokens(session: AsyncSession, actor: Actor, member_id: UUID) -> list[TokenEntry]:
    """Return a member's tokens without their secrets, newest first; for the member and who administers."""
    _, facts = await _with_organisation(session, member_id)
    require_keep_tokens(actor, facts)
    rows = await session.scalars(
        select(AccessToken)
        .where(AccessToken.member_id == member_id)
        .order_by(AccessToken.created_at.desc(), AccessToken.id)
        .limit(MOST_TOKENS)
    )
    return [_token_entry(token) for token in rows]


async def revoke_token(work: Work, token_id: UUID) -> TokenEntry:
    """End a token at once; revoking it again changes nothing."""
    row = (
        await work.session.execute(
            select(AccessToken, Member, Partner)
            .join(Member, Member.id == AccessToken.member_id)
            .join(Partner, Partner.id == Member.partner_id)
            .where(AccessToken.id == token_id)
            .with_for_update(of=AccessToken)
        )
    ).one_or_none()
    if row is None:
        raise NotFound
    try:
        require_keep_tokens(
            work.actor,
            MemberFacts(id=row.Member.id, role=Role(row.Member.role), organisation=_facts(row.Partner)),
        )
    except NotAllowed:
        # that a token of somebody else exists is nobody's business
        raise NotFound from None
    token: AccessToken = row.AccessToken
    if token.revoked_at is None:
        token.revoked_at = work.now
        await work.session.flush()
        work.record("token.revoke", "token", token_id, {"member": str(token.member_id)})
    return _token_entry(token)


_WHO: Final = text(
    "SELECT id, role, administers, partner_id, municipality_id FROM holder_of_access_token(:hash, :now)"
)


async def authenticate(database: Database, token: str) -> Actor | None:
    """Return who a token is, or None for one that is unknown, revoked, expired or of somebody gone.

    One indexed statement outside a transaction; the database opens the token's own row and its member's to
    it, no other. The token is looked up by its hash: how long that takes says nothing about the tokens there
    are. Raises Unavailable when the database does not answer.
    """
    if not _TOKEN.fullmatch(token):
        return None
    async with reaching_the_database(), database.engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        row = (await alone.execute(_WHO, {"hash": hash_token(token), "now": database.clock()})).one_or_none()
    if row is None:
        return None
    return Actor(
        role=Role(row.role),
        member_id=row.id,
        partner_id=row.partner_id,
        municipality_id=row.municipality_id,
        administers=row.administers,
    )
