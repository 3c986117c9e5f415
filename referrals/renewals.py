"""Renewal of consents: offered to the sender 30 days before the end, and listed until then.

A renewal is a new record that supersedes (``consents.request_consent``); nothing is prolonged by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from directory.actors import Actor
from directory.database import Work
from referrals.consents import RENEWAL_DAYS, ConsentView, view_of
from referrals.inbox import seen
from referrals.models import Client, Consent
from referrals.notices import Promise, promise_all
from referrals.policy import must_work_with_people
from referrals.vocabulary import ConsentState, NoticeAbout, NoticeKind

BEFORE: Final = timedelta(days=RENEWAL_DAYS)


def _ending(at: datetime) -> tuple[ColumnElement[bool], ...]:
    """Consents in force that end within 30 days, of people who are known, not being renewed already."""
    newer = aliased(Consent)
    renewed = exists().where(
        newer.supersedes_id == Consent.id,
        newer.state.in_([ConsentState.REQUESTED, ConsentState.GIVEN]),
    )
    erased = exists().where(Client.id == Consent.client_id, Client.erased_at.is_not(None))
    return (
        Consent.state == ConsentState.GIVEN,
        Consent.valid_until > at,
        Consent.valid_until <= at + BEFORE,
        ~renewed,
        ~erased,
    )


async def offer_renewals(work: Work, limit: int) -> int:
    """Offer the renewal of consents that end within 30 days, once each; return how many were offered.

    For the clock (SYSTEM). The offer changes neither terms nor version: who is just withdrawing is not held
    up by it.
    """
    chosen = (
        select(Consent.id)
        .where(Consent.renewal_offered_at.is_(None), *_ending(work.now))
        .order_by(Consent.valid_until, Consent.id)
        .limit(limit)
        .with_for_update(of=Consent, skip_locked=True)
        .cte("chosen")
        .prefix_with("MATERIALIZED")
    )
    rows = (
        await work.session.execute(
            update(Consent)
            .where(Consent.id.in_(select(chosen.c.id)))
            .values(renewal_offered_at=work.now)
            .returning(Consent.id, Consent.partner_id, Consent.valid_until)
            .execution_options(synchronize_session=False)
        )
    ).all()
    for consent_id, _, _ in rows:
        work.record("consent.offer_renewal", "consent", consent_id)
    await promise_all(
        work,
        [
            Promise(
                kind=NoticeKind.CONSENT_RENEWAL,
                to=partner_id,
                about=consent_id,
                about_kind=NoticeAbout.CONSENT,
                due=ends,
            )
            for consent_id, partner_id, ends in rows
        ],
    )
    return len(rows)


async def list_renewals(
    session: AsyncSession, actor: Actor, at: datetime, *, first: int = 100
) -> tuple[ConsentView, ...]:
    """Return the own organisation's consents that end within 30 days, the next to end first (at most 100).

    Those whose renewal is under way are left out. Reading them is recorded.
    """
    must_work_with_people(actor)
    rows = await session.scalars(
        select(Consent)
        .where(Consent.partner_id == actor.partner_id, *_ending(at))
        .order_by(Consent.valid_until, Consent.id)
        .limit(max(1, min(first, 100)))
        .execution_options(populate_existing=True)
    )
    found = tuple(view_of(consent, actor.partner_id, at) for consent in rows)
    for consent in found:
        await seen(session, actor, "consent.renewals", "consent", consent.id)
    return found
