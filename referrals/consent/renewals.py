"""Renewal of consents: offered to the sender 30 days before the end, and listed until then.

A renewal is a new record that supersedes (``consents.request_consent``); nothing is prolonged by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from directory.actors import Actor
from directory.database import Work, seen
from referrals.consent.consents import RENEWAL_DAYS, ConsentView, view_of
from referrals.models import Client, Consent
from referrals.notices import Promise, promise_all
from referrals.policy import must_work_with_people
from referrals.troubles import Due, Task
from referrals.vocabulary import ConsentState, NoticeAbout, NoticeKind

BEFORE: Final = timedelta(days=RENEWAL_DAYS)


_UNDER_WAY: Final = (ConsentState.REQUESTED, ConsentState.GIVEN)


def _ending(at: datetime) -> tuple[ColumnElement[bool], ...]:
    """Consents in force that end within 30 days."""
    return (
        Consent.state == ConsentState.GIVEN,
        Consent.valid_until > at,
        Consent.valid_until <= at + BEFORE,
    )


_newer = aliased(Consent)
_RENEWED: Final = select(_newer.supersedes_id).where(_newer.state.in_(_UNDER_WAY))
"""Consents whose renewal is under way."""
_ERASED: Final = select(Client.id).where(Client.erased_at.is_not(None))
"""People who are not known any more."""


def to_offer(now: datetime, which: Due) -> Select[UUID]:
    """Return the statement for the ids of the consents that ``offer_renewals`` looks at."""
    return (
        select(Consent.id)
        .where(*_ending(now), Consent.renewal_offered_at.is_(None), which.of(Task.RENEWAL, Consent.id))
        .order_by(Consent.valid_until, Consent.id)
        .limit(which.limit)
    )


async def offer_renewals(work: Work, which: Due) -> int:
    """Offer the renewal of consents that end within 30 days, once each; return how many were looked at.

    For the clock (SYSTEM). Who is renewing already, and who looked after somebody that was erased, gets no
    notice. The offer changes neither terms nor version: who is just withdrawing is not held up by it.
    """
    # Three small statements: every table in one brings all of its row-level security to be planned anew.
    ending = (
        await work.session.execute(
            to_offer(work.now, which)
            .with_only_columns(Consent.id, Consent.client_id, Consent.partner_id, Consent.valid_until)
            .with_for_update(skip_locked=True)
        )
    ).all()
    if not ending:
        return 0
    ids = [row.id for row in ending]
    renewed = set(await work.session.scalars(_RENEWED.where(_newer.supersedes_id.in_(ids))))
    erased = set(await work.session.scalars(_ERASED.where(Client.id.in_([row.client_id for row in ending]))))
    await work.session.execute(
        update(Consent)
        .where(Consent.id.in_(ids))
        .values(renewal_offered_at=work.now)
        .execution_options(synchronize_session=False)
    )
    told = []
    for row in ending:
        if row.id in renewed or row.client_id in erased:
            continue
        work.record("consent.offer_renewal", "consent", row.id)
        told.append(
            Promise(
                kind=NoticeKind.CONSENT_RENEWAL,
                to=row.partner_id,
                about=row.id,
                about_kind=NoticeAbout.CONSENT,
                due=row.valid_until,
            )
        )
    await promise_all(work, told)
    return len(ending)


async def list_renewals(
    session: AsyncSession, actor: Actor, at: datetime, *, first: int = 100
) -> tuple[ConsentView, ...]:
    """Return the own organisation's consents that end within 30 days, the next to end first (at most 100).

    Those whose renewal is under way are left out. Reading them is recorded.
    """
    must_work_with_people(actor)
    rows = await session.scalars(
        select(Consent)
        .where(
            Consent.partner_id == actor.partner_id,
            *_ending(at),
            ~_RENEWED.where(_newer.supersedes_id == Consent.id).exists(),
            ~_ERASED.where(Client.id == Consent.client_id).exists(),
        )
        .order_by(Consent.valid_until, Consent.id)
        .limit(max(1, min(first, 100)))
        .execution_options(populate_existing=True)
    )
    found = tuple(view_of(consent, at) for consent in rows)
    await seen(session, actor, "consent.renewals", "consent", [consent.id for consent in found])
    return found
