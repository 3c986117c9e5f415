"""What declined referrals tell the directory: places that are out of date, target groups that are not right.

So that the next person is not sent where nobody is taken. Only codes and counts reach the directory, never
who was declined. A decline that was an exception is rejected there with one click and counts no more.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from directory.change_requests import last_decision, open_request
from directory.database import Work
from directory.days import ZONE
from directory.models import Service
from directory.vocabulary import CapacityState, ChangeField, ChangeReason
from referrals.models import Referral
from referrals.notices import promise
from referrals.vocabulary import DeclinedBy, DeclineReason, NoticeAbout, NoticeKind, ReferralState

JOB: Final = "learn_from_decline"
"""Name of the job; its payload is the referral's id."""

CAPACITY_DECLINES: Final = 2
"""So many declines for want of a place, since the entry last said how much room there is, ask its owner."""

TELLS: Final = {
    DeclineReason.NO_CAPACITY: (ChangeField.CAPACITY, ChangeReason.DECLINED_NO_CAPACITY),
    DeclineReason.NOT_ELIGIBLE: (ChangeField.ELIGIBILITY, ChangeReason.DECLINED_NOT_ELIGIBLE),
}
"""Which reasons say something about the entry, and about what of it."""

_TOLD: Final = {
    ChangeField.CAPACITY: NoticeKind.CAPACITY_ASKED,
    ChangeField.ELIGIBILITY: NoticeKind.CHANGE_REQUESTED,
}


async def learn_from_decline(work: Work, referral_id: UUID) -> UUID | None:
    """Open a change request if this decline says that the entry is wrong; return its id, else None.

    For the jobs (SYSTEM); running twice changes nothing. "No capacity" counts from the second decline on,
    and only while the entry does not say itself that there are no places.
    """
    referral = await work.session.get(Referral, referral_id)
    if (
        referral is None
        or referral.state is not ReferralState.DECLINED
        or referral.declined_by is not DeclinedBy.PARTNER
        or referral.decline_reason not in TELLS
    ):
        return None
    field, reason = TELLS[referral.decline_reason]
    service = await work.session.get_one(Service, referral.service_id)
    since = await last_decision(work.session, service.id, field)
    if field is ChangeField.CAPACITY:
        if service.capacity.state is CapacityState.NONE:
            return None
        if service.capacity.as_of is not None:
            said = datetime.combine(service.capacity.as_of, time.min, tzinfo=ZONE)
            since = said if since is None else max(since, said)
    declined = select(func.count()).where(
        Referral.service_id == service.id,
        Referral.state == ReferralState.DECLINED,
        Referral.declined_by == DeclinedBy.PARTNER,
        Referral.decline_reason == referral.decline_reason,
    )
    if since is not None:
        declined = declined.where(Referral.state_since > since)
    times = await work.session.scalar(declined) or 0
    if times < (CAPACITY_DECLINES if field is ChangeField.CAPACITY else 1):
        return None
    request = await open_request(work, service.id, field, reason, times=times)
    await promise(
        work,
        _TOLD[field],
        service.partner_id,
        about=service.id,
        about_kind=NoticeAbout.SERVICE,
        dedupe=str(request.id),
    )
    return request.id
