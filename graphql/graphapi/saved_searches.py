"""Brings saved searches, mailboxes and the outbox together: who is told of what they have found, and how.

Search knows no mail, and the exchange no search; both meet here, in one transaction.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from directory import mailboxes
from directory.database import Work
from directory.days import local_day
from directory.languages import choose
from directory.mailboxes import Mailbox
from directory.models import MemberMailbox
from graphapi.mail_texts import Found, FoundBy
from referrals.notices import promise
from referrals.vocabulary import NoticeAbout, NoticeKind
from search.saving import NEW, ToldSearch

MAILBOX: Final = "/mailbox/"
"""Where the page of a mailbox link is."""


async def ask(work: Work, mailbox: Mailbox, partner_id: UUID) -> None:
    """Promise the mail that asks a mailbox for its yes; none where it has said so."""
    if mailbox.confirmed_at is None:
        await promise(
            work,
            NoticeKind.MAILBOX_ASKED,
            partner_id,
            about=mailbox.member_id,
            about_kind=NoticeAbout.MEMBER,
            dedupe=mailbox.asked_at.isoformat(),
        )


async def tell(work: Work, member_id: UUID) -> bool:
    """Promise a member the mail of the day about their saved searches; False where there is no mailbox."""
    mailbox = await work.session.get(MemberMailbox, member_id)
    partner_id = await mailboxes.partner_of(work.session, member_id)
    if mailbox is None or mailbox.confirmed_at is None or partner_id is None:
        return False
    await promise(
        work,
        NoticeKind.SEARCH_NEWS,
        partner_id,
        about=member_id,
        about_kind=NoticeAbout.MEMBER,
        dedupe=local_day(work.now).isoformat(),
    )
    return True


def found_by(searches: tuple[ToldSearch, ...], language: str, public_url: str) -> tuple[FoundBy, ...]:
    """Return what a mail says of saved searches: public texts and addresses only."""
    return tuple(
        FoundBy(
            name=search.name,
            services=tuple(
                Found(
                    title=(choose(one.title, (language,)) or ("", ""))[1],
                    partner=one.partner,
                    link=f"{public_url}/services/{one.id}",
                    new=one.what == NEW,
                )
                for one in search.services
            ),
            others=search.others,
        )
        for search in searches
    )
