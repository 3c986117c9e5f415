"""Where a member is written to about what they have asked for: by their own yes, and until their no.

A member names an address; whoever reads it says yes with a link, on a page whose button does it. Before that
nothing but the question goes there, and it is asked seldom. Every mail has a link that ends them. Codes are
made and hashed by the caller; only the hash is kept. A mailbox goes with its member.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from directory import contacts
from directory.actors import SYSTEM, Actor
from directory.database import Work
from directory.models import MailboxLink, Member, MemberMailbox
from directory.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn
from directory.values import Instant, Value

LIFETIME: Final = timedelta(days=30)
"""How long a link of a mail lives."""

ASK_AGAIN_AFTER: Final = timedelta(minutes=10)
"""How long a member waits before another address, or the same once more, is asked."""

LANGUAGES: Final = ("de", "en")
"""Languages that there are mails in; whoever wants another gets the first."""


class Mailbox(Value, frozen=True, kw_only=True):
    """A member's mailbox; ``confirmed_at`` None: its reader has not said yes."""

    member_id: UUID
    address: str
    language: str
    asked_at: Instant
    confirmed_at: Instant | None


def _view(row: MemberMailbox) -> Mailbox:
    return Mailbox(
        member_id=row.member_id,
        address=row.address,
        language=row.language,
        asked_at=row.asked_at,
        confirmed_at=row.confirmed_at,
    )


def _own(actor: Actor) -> UUID:
    if actor.member_id is None:
        raise NotSignedIn
    return actor.member_id


async def mailbox_of(session: AsyncSession, actor: Actor) -> Mailbox | None:
    """Return the own mailbox; nobody reads another one's. Raises NotSignedIn."""
    row = await session.get(MemberMailbox, _own(actor), populate_existing=True)
    return None if row is None else _view(row)


async def set_mailbox(work: Work, address: str, language: str) -> Mailbox:
    """Name the own address; the caller promises the mail that asks it. An address that said yes stays so.

    Raises NotSignedIn, and InvalidInput for what is no address, or asked again too soon.
    """
    member_id = _own(work.actor)
    plain = contacts.mail(address, "address")
    spoken = language if language in LANGUAGES else LANGUAGES[0]
    row = await work.session.get(MemberMailbox, member_id, with_for_update=True, populate_existing=True)
    if row is not None and row.address == plain and row.confirmed_at is not None:
        row.language = spoken
        return _view(row)
    if row is None:
        row = MemberMailbox(member_id=member_id, address=plain, language=spoken, asked_at=work.now)
        work.session.add(row)
    else:
        if work.now - row.asked_at < ASK_AGAIN_AFTER:
            raise InvalidInput("address", "asked-just-now")
        row.address, row.language, row.asked_at, row.confirmed_at = plain, spoken, work.now, None
    await work.session.flush()
    work.record("mailbox.ask", "member", member_id)
    return _view(row)


async def remove_mailbox(work: Work) -> UUID:
    """Forget the own address and its links, if there is one; return the member's id. Raises NotSignedIn."""
    member_id = _own(work.actor)
    if await _forget(work, member_id):
        work.record("mailbox.remove", "member", member_id)
    return member_id


async def _forget(work: Work, member_id: UUID) -> bool:
    gone = await work.session.execute(
        delete(MemberMailbox)
        .where(MemberMailbox.member_id == member_id)
        .returning(MemberMailbox.member_id)
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        delete(MailboxLink)
        .where(MailboxLink.member_id == member_id)
        .execution_options(synchronize_session=False)
    )
    return gone.first() is not None


async def issue(work: Work, member_id: UUID, address: str, code_hash: bytes) -> datetime:
    """Make a link for who reads this address, under the hash of its code; return until when. For SYSTEM.

    Links that are over are deleted on the way.
    """
    _only_system(work)
    await work.session.execute(
        delete(MailboxLink)
        .where(MailboxLink.expires_at <= work.now)
        .execution_options(synchronize_session=False)
    )
    link = MailboxLink(
        id=uuid4(),
        code_hash=code_hash,
        member_id=member_id,
        address=address,
        issued_at=work.now,
        expires_at=work.now + LIFETIME,
    )
    work.session.add(link)
    await work.session.flush()
    return link.expires_at


async def holds(session: AsyncSession, code_hash: bytes) -> tuple[UUID, str]:
    """Return whose link this is, and which address it went to; who presents it has said so to the database.

    Raises NotFound for one that never was, and for one that is over.
    """
    row = (
        await session.execute(
            select(MailboxLink.member_id, MailboxLink.address).where(MailboxLink.code_hash == code_hash)
        )
    ).one_or_none()
    if row is None:
        raise NotFound
    return row.member_id, row.address


async def read(session: AsyncSession, member_id: UUID, address: str) -> Mailbox | None:
    """Return a member's mailbox if it still is at this address, else None. For SYSTEM."""
    row = await session.get(MemberMailbox, member_id, populate_existing=True)
    return _view(row) if row is not None and row.address == address else None


async def confirm(work: Work, member_id: UUID, address: str) -> None:
    """Take the yes of who reads the address. For SYSTEM, after ``holds``; raises NotFound if it is over."""
    _only_system(work)
    row = await work.session.get(MemberMailbox, member_id, with_for_update=True, populate_existing=True)
    if row is None or row.address != address:
        raise NotFound
    if row.confirmed_at is None:
        row.confirmed_at = work.now
        work.record("mailbox.confirm", "member", member_id)


async def stop(work: Work, member_id: UUID, address: str) -> None:
    """Take the no of who reads the address: it is forgotten. For SYSTEM, after ``holds``; idempotent."""
    _only_system(work)
    row = await work.session.get(MemberMailbox, member_id, with_for_update=True, populate_existing=True)
    if row is not None and row.address == address:
        await _forget(work, member_id)
        work.record("mailbox.stop", "member", member_id)


async def partner_of(session: AsyncSession, member_id: UUID) -> UUID | None:
    """Return where an active member works. For SYSTEM."""
    found: UUID | None = await session.scalar(
        select(Member.partner_id).where(Member.id == member_id, Member.active)
    )
    return found


def _only_system(work: Work) -> None:
    if work.actor != SYSTEM:
        raise NotAllowed("mailboxes")
