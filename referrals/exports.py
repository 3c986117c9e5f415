"""Reads what an export of a referral is made of, with the rights of who asks, and records the making."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.database import seen
from directory.models import Partner, Service, Topic
from directory.problems import NotFound
from referrals.appointments import list_appointments, places_of
from referrals.export import Office, Sheet
from referrals.inbox import list_events, view_package, view_referral
from referrals.package import Package
from referrals.personal_data.keystore import KeyStore
from referrals.problems import Erased, PackageClosed
from referrals.vocabulary import EventActor

_SIDES: Final = frozenset({EventActor.SENDER, EventActor.RECIPIENT})


async def read_sheet(
    session: AsyncSession, actor: Actor, keys: KeyStore, referral_id: UUID, at: datetime, language: str
) -> Sheet:
    """Return what this side may see of a referral now; reading the package is recorded, and the export.

    Raises NotFound for everybody who is on neither side.
    """
    view = await view_referral(session, actor, referral_id, at)
    if view.seen_as not in _SIDES:
        raise NotFound
    package: Package | None = None
    if view.package_readable:
        try:
            package = await view_package(session, actor, keys, referral_id, at)
        except (PackageClosed, Erased):
            package = None
    events = await list_events(session, actor, keys, referral_id, at)
    appointments = (await list_appointments(session, actor, [referral_id], at))[referral_id]
    names = await session.execute(
        select(Partner.id, Partner.name).where(
            Partner.id.in_([view.sender_partner_id, view.recipient_partner_id])
        )
    )
    named = {row[0]: Office(id=row[0], name=row[1]) for row in names}
    titles = await session.scalar(select(Service.title).where(Service.id == view.service_id))
    topic = await session.scalar(select(Topic.labels).where(Topic.code == view.topic))
    await seen(session, actor, "referral.export", "referral", [referral_id])
    return Sheet(
        at=at,
        view=view,
        sender=named[view.sender_partner_id],
        recipient=named[view.recipient_partner_id],
        service=_text(titles, language) or str(view.service_id),
        topic=_text(topic, language) or view.topic,
        events=events,
        appointments=appointments,
        places=await places_of(session, appointments),
        package=package,
    )


def _text(texts: dict[str, str] | None, language: str) -> str | None:
    if not texts:
        return None
    return texts.get(language) or texts.get("de") or next(iter(texts.values()))
