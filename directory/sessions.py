"""Sessions of members who use the pages: begins, recognises and ends them; finds who signs in.

The browser holds 256 random bits, the database their SHA-256 only. A session ends when it is not used for a
while, after its longest life, at sign-out, and with its member.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import Interval, bindparam, delete, or_, select, text

from directory.actors import Actor, Role
from directory.database import Database, Work, reaching_the_database
from directory.membership import hash_token
from directory.models import Member, Partner, WebSession
from directory.problems import NotFound

SECRET_LENGTH: Final = 43
"""Characters of a session's secret: 256 bits in base64."""

_WHO: Final = text(
    "SELECT id, role, administers, partner_id, municipality_id FROM holder_of_web_session(:hash, :now, :idle)"
).bindparams(bindparam("idle", type_=Interval()))


async def begin_session(work: Work, member_id: UUID, *, life: timedelta) -> str:
    """Begin a session of an active member; return its secret, which is in this answer and nowhere else.

    Raises NotFound for a member who is unknown or gone, or whose organisation is.
    """
    found = await work.session.scalar(
        select(Member.id)
        .join(Partner, Partner.id == Member.partner_id)
        .where(Member.id == member_id, Member.active, Partner.active)
    )
    if found is None:
        raise NotFound
    secret = secrets.token_urlsafe(32)
    session = WebSession(
        id=uuid4(),
        member_id=member_id,
        session_hash=hash_token(secret),
        created_at=work.now,
        seen_at=work.now,
        expires_at=work.now + life,
    )
    work.session.add(session)
    await work.session.flush()
    work.record("session.begin", "member", member_id)
    return secret


async def end_session(work: Work, secret: str) -> bool:
    """End the session of this secret; return whether there was one."""
    ended = await work.session.scalar(
        delete(WebSession)
        .where(WebSession.session_hash == hash_token(secret))
        .returning(WebSession.member_id)
    )
    if ended is not None:
        work.record("session.end", "member", ended)
    return ended is not None


async def holder(database: Database, secret: str, *, idle: timedelta) -> Actor | None:
    """Return whose session it is, or None when it has ended; one statement, which notes that it is in use.

    ``idle``: how long it may go unused. Raises Unavailable when the database does not answer.
    """
    if len(secret) != SECRET_LENGTH or not secret.isascii():
        return None
    given = {"hash": hash_token(secret), "now": database.clock(), "idle": idle}
    async with reaching_the_database(), database.engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        row = (await alone.execute(_WHO, given)).one_or_none()
    if row is None:
        return None
    return Actor(
        role=Role(row.role),
        member_id=row.id,
        partner_id=row.partner_id,
        municipality_id=row.municipality_id,
        administers=row.administers,
    )


async def member_to_sign_in(work: Work, *, subject: str, email: str | None) -> UUID | None:
    """Return the member whom the town's sign-on means, or None: nobody was named so.

    ``email`` is given only if the provider says that it is verified. Who was named by an address is bound to
    the subject at the first sign-in: when the provider gives the address to somebody else later, that is not
    the same person.
    """
    named = [Member.sign_in_subject == subject]
    if email:
        named.append((Member.sign_in_email == email.lower()) & Member.sign_in_subject.is_(None))
    rows = await work.session.scalars(
        select(Member)
        .join(Partner, Partner.id == Member.partner_id)
        .where(or_(*named), Member.active, Partner.active)
        .order_by(Member.sign_in_subject.nulls_last())
        .limit(1)
        .with_for_update(of=Member)
    )
    found = rows.first()
    if found is None:
        return None
    if found.sign_in_subject is None:
        found.sign_in_subject = subject
        await work.session.flush()
        work.record("member.bind-sign-in", "member", found.id)
    return found.id
