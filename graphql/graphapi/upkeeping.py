"""Brings upkeep and the outbox together: which step of the chain, and which proposal, tells whom by mail.

The directory knows no mail, and the exchange no upkeep; both meet here, in one transaction.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import Final
from uuid import UUID

from directory.change_requests import ChangeRequestView
from directory.database import Work
from directory.days import ZONE, local_day
from directory.models import ChangeRequest, Partner
from directory.upkeep import Told
from directory.vocabulary import ChangeRequestState, ChangeSource, UpkeepStep
from referrals.notices import leads_of, promise
from referrals.vocabulary import NoticeAbout, NoticeKind

JOB: Final = "tell_of_proposal"
"""Name of the job that tells of a change request; its payload is the request's id."""

_TOLD: Final = {
    UpkeepStep.REMIND: NoticeKind.UPKEEP_DUE,
    UpkeepStep.REMIND_AGAIN: NoticeKind.UPKEEP_REMINDER,
    UpkeepStep.ANNOUNCE: NoticeKind.UPKEEP_ANNOUNCED,
    UpkeepStep.HIDE: NoticeKind.UPKEEP_HIDDEN,
}
"""What a partner is told after a step; QUEUE tells the coordination."""


async def tell(work: Work, told: Told) -> None:
    """Promise the mail of a step: one a day for all entries of a partner (of a municipality, for QUEUE)."""
    if told.step is UpkeepStep.QUEUE:
        if told.coordination is not None:
            await promise(
                work,
                NoticeKind.ENTRIES_DUE,
                told.coordination,
                about=told.coordination,
                about_kind=NoticeAbout.PARTNER,
                dedupe=told.on.isoformat(),
            )
        return
    due = None if told.hide_on is None else datetime.combine(told.hide_on, time.min, tzinfo=ZONE)
    await promise(
        work,
        _TOLD[told.step],
        told.partner_id,
        about=told.partner_id,
        about_kind=NoticeAbout.PARTNER,
        waiting=told.coordination if told.coordination != told.partner_id else None,
        due=due,
        dedupe=told.on.isoformat(),
    )


async def tell_of_request(work: Work, request: ChangeRequestView) -> None:
    """Promise who keeps an entry that something was proposed for it, once per request; for SYSTEM."""
    about, kind = request.partner_id, NoticeAbout.PARTNER
    if request.service_id is not None:
        about, kind = request.service_id, NoticeAbout.SERVICE
    await promise(
        work,
        NoticeKind.CHANGE_REQUESTED,
        request.partner_id,
        about=about,
        about_kind=kind,
        dedupe=str(request.id),
    )


async def tell_coordination(work: Work, request_id: UUID) -> None:
    """Promise the coordination that a partner has proposed a change through its link; for SYSTEM, idempotent.

    The partner itself has just typed it; who can accept it without its password is the coordination.
    """
    request = await work.session.get(ChangeRequest, request_id)
    if (
        request is None
        or request.state is not ChangeRequestState.OPEN
        or request.source is not ChangeSource.PARTNER
    ):
        return
    partner = await work.session.get_one(Partner, request.partner_id)
    coordination = await leads_of(work, partner.municipality_id)
    if coordination is not None:
        await promise(
            work,
            NoticeKind.CHANGE_REQUESTED,
            coordination,
            about=request.partner_id,
            about_kind=NoticeAbout.PARTNER,
            dedupe=str(local_day(work.now)),
        )
