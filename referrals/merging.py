"""What stands against the end of an entry of the directory, and what leads on to another one (DESIGN 6).

A consent names its recipient, so nothing about a person ever changes hands by a merging: see
``directory.ending`` for the whole reasoning. Here is the exchange's part of it, asked within the same work.

The rows are those of other offices, which whoever merges does not see; they are looked at all the same, and
what comes back is only *that* something is under way, never what, whose or how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import text

from directory.database import Work
from directory.ending import seeing_everything
from directory.problems import Problem
from referrals.vocabulary import OPEN_STATES, BookingState


class UnderWay(StrEnum):
    """What must end, or go to somebody else, before an entry can end."""

    OPEN_REFERRALS = "OPEN_REFERRALS"
    OPEN_BOOKINGS = "OPEN_BOOKINGS"
    CONSENTS_IN_FORCE = "CONSENTS_IN_FORCE"
    REVOCATIONS_UNANSWERED = "REVOCATIONS_UNANSWERED"
    CLIENTS = "CLIENTS"
    SAME_PERSON_AT_BOTH = "SAME_PERSON_AT_BOTH"


class StillUnderWay(Problem):
    """The entry cannot end yet; ``under_way`` names what must end first."""

    code = "STILL_UNDER_WAY"

    def __init__(self, under_way: Sequence[UnderWay]) -> None:
        super().__init__(", ".join(under_way))
        self.under_way = tuple(under_way)

    @property
    def values(self) -> dict[str, str]:
        """What fills the template."""
        return {"underWay": ", ".join(self.under_way)}


_OPEN: Final = sorted(state.value for state in OPEN_STATES)
_OPEN_BOOKINGS: Final = [BookingState.REQUESTED.value, BookingState.CONFIRMED.value]

_AT_SERVICES: Final = text(
    "SELECT EXISTS (SELECT FROM referral r WHERE r.service_id = ANY (CAST(:services AS uuid[]))"
    "  AND r.state = ANY (:open)),"
    " EXISTS (SELECT FROM booking b WHERE b.service_id = ANY (CAST(:services AS uuid[]))"
    "  AND b.state = ANY (:bookings))"
)

_WITH_PARTNER: Final = text(
    "SELECT EXISTS (SELECT FROM referral r WHERE r.recipient_partner_id = :partner AND r.state = ANY (:open))"
    "  OR EXISTS (SELECT FROM referral r WHERE r.sender_partner_id = :partner AND r.state = ANY (:open)),"
    " EXISTS (SELECT FROM booking b WHERE b.recipient_partner_id = :partner AND b.state = ANY (:bookings))"
    "  OR EXISTS (SELECT FROM booking b WHERE b.requester_partner_id = :partner"
    "   AND b.state = ANY (:bookings)),"
    " EXISTS (SELECT FROM consent_part c WHERE (c.recipient_partner_id = :partner OR c.partner_id = :partner)"
    "  AND c.state = 'GIVEN' AND c.valid_until > :now),"
    " EXISTS (SELECT FROM referral r WHERE r.recipient_partner_id = :partner"
    "  AND r.state = 'CONSENT_REVOKED' AND r.revocation_due_at IS NOT NULL AND r.revocation_answer IS NULL),"
    " EXISTS (SELECT FROM client c WHERE c.partner_id = :partner AND c.erased_at IS NULL)"
)

_SAME_PERSON: Final = text(
    "SELECT EXISTS (SELECT FROM referral a JOIN referral b ON b.client_id = a.client_id"
    " WHERE a.service_id = :merged AND b.service_id = :survivor"
    " AND a.state = ANY (:open) AND b.state = ANY (:open))"
)


class Exchange:
    """The exchange's guard over the end of entries (``directory.ending.Guard``)."""

    async def require_nothing_open_at(self, work: Work, services: Sequence[UUID]) -> None:
        """Refuse while referrals (drafts too) or bookings are open at one of these services."""
        if not services:
            return
        async with seeing_everything(work):
            row = (
                await work.session.execute(
                    _AT_SERVICES,
                    {"services": list(services), "open": _OPEN, "bookings": _OPEN_BOOKINGS},
                )
            ).one()
        _refuse(zip((UnderWay.OPEN_REFERRALS, UnderWay.OPEN_BOOKINGS), row, strict=True))

    async def require_nothing_open_with(self, work: Work, partner_id: UUID) -> None:
        """Refuse while anything about persons is under way at this partner, on whichever side it stands."""
        async with seeing_everything(work):
            row = (
                await work.session.execute(
                    _WITH_PARTNER,
                    {"partner": partner_id, "open": _OPEN, "bookings": _OPEN_BOOKINGS, "now": work.now},
                )
            ).one()
        kinds = (
            UnderWay.OPEN_REFERRALS,
            UnderWay.OPEN_BOOKINGS,
            UnderWay.CONSENTS_IN_FORCE,
            UnderWay.REVOCATIONS_UNANSWERED,
            UnderWay.CLIENTS,
        )
        _refuse(zip(kinds, row, strict=True))

    async def move(self, work: Work, merged_id: UUID, survivor_id: UUID) -> None:
        """Let the referrals and bookings of a service lead to another one of the same partner.

        Sender, recipient, consent and state stay as they are: the same two offices know the same as before.
        Refuses when one person has open referrals to both, which one of them must end first.
        """
        both = {"merged": merged_id, "survivor": survivor_id}
        async with seeing_everything(work):
            if await work.session.scalar(_SAME_PERSON, {**both, "open": _OPEN}):
                raise StillUnderWay([UnderWay.SAME_PERSON_AT_BOTH])
            for table, column in (
                ("referral", "service_id"),
                ("referral", "better_service_id"),
                ("booking", "service_id"),
            ):
                await work.session.execute(
                    text(f"UPDATE {table} SET {column} = :survivor WHERE {column} = :merged"),  # noqa: S608
                    both,
                )


def _refuse(found: zip[tuple[UnderWay, bool]]) -> None:
    under_way = [kind for kind, there in found if there]
    if under_way:
        raise StillUnderWay(under_way)
