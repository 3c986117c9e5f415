"""Taking in a person at the own desk: after the notice about § 87 AufenthG was shown, where it is due.

A public body other than a school must tell the foreigners' authority what it learns of a stay without a
title (§ 87(2) AufenthG). So people are told before they are asked; the file keeps what was shown and when.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.database import Work
from directory.problems import InvalidInput
from referrals import policy
from referrals.clients import ClientDraft, create_client
from referrals.consent import notice as words
from referrals.consent.consents import CLOCKS_DIFFER, section_87_bodies
from referrals.personal_data.keystore import KeyStore
from referrals.values import Section87Shown

_FIELD = "section87Notice"


async def take_in_client(
    work: Work, keys: KeyStore, draft: ClientDraft, shown: Section87Shown | None = None
) -> UUID:
    """Take in a person; ``shown``: the notice about § 87 AufenthG as it was read to them before.

    A public body other than a school takes nobody in without it; another organisation may give it because of
    where the person is to be sent. Raises NotSignedIn, NotAllowed, InvalidInput: "show-before-entry" when it
    is due and missing, "notice-changed" when its hash is not that of the text for these organisations.
    """
    policy.must_work_with_people(work.actor)
    await _check(work.session, work.actor, shown)
    if shown is not None and shown.shown_at > work.now + CLOCKS_DIFFER:
        raise InvalidInput(f"{_FIELD}.shownAt", "in-the-future")
    return await create_client(work, keys, draft, section_87_notice=shown)


async def _check(session: AsyncSession, actor: Actor, shown: Section87Shown | None) -> None:
    bodies = await section_87_bodies(
        session,
        actor,
        service_id=None if shown is None else shown.service_id,
        recipient_id=None if shown is None else shown.recipient_id,
        under=f"{_FIELD}.",
    )
    if shown is None:
        if bodies:
            raise InvalidInput(_FIELD, "show-before-entry")
        return
    notice = shown.notice
    if not bodies or notice.text_id != words.TEXT_ID or notice.version not in words.versions():
        raise InvalidInput(f"{_FIELD}.notice.version", "notice-unknown")
    if words.language_for(notice.language, notice.version) is None:
        known = ", ".join(words.languages(notice.version))
        raise InvalidInput(f"{_FIELD}.notice.language", "no-notice-text", languages=known)
    if words.render_section_87(bodies, notice.language, notice.version).sha256 != notice.sha256:
        raise InvalidInput(f"{_FIELD}.notice.sha256", "notice-changed")
