"""Counts how partners answer, and publishes it in coarse classes (``directory.figures``).

Counted are referrals sent in a window that is over, of people whose consent has the purpose STATISTICS and
was not withdrawn. Recorded answers (by phone, by link) count as given. What the person declined, and what is
still open, is no answer; what expired unanswered is a late one, and no "yes". A partner with too few answers,
people or senders gets no figure at all (DESIGN 7). Each window is counted once, so the same question always
gets the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from statistics import median
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from directory import figures
from directory.actors import SYSTEM
from directory.database import Database
from directory.days import ZONE, local_day
from directory.figures import LEAST_DENOMINATOR, LEAST_PARTNERS, LEAST_PEOPLE, PartnerFigure
from directory.values import Value
from directory.vocabulary import Acceptance, ResponseTime
from referrals.vocabulary import ReferralState

MOSTLY: Final = 0.75
OFTEN: Final = 1 / 3
"""From which share of answers on a partner is said to say yes mostly, or often."""

DAYS: Final = (
    (2.0, ResponseTime.WITHIN_2_DAYS),
    (5.0, ResponseTime.WITHIN_5_DAYS),
    (10.0, ResponseTime.WITHIN_10_DAYS),
)
"""Up to which median of days which class holds; above all, LATER."""


class Answered(Value, frozen=True, kw_only=True):
    """One referral that was answered, or never: who sent whom, after how many days, whether it was a yes."""

    sender: UUID
    client: UUID
    days: float | None
    accepted: bool


def classes(answers: Sequence[Answered]) -> tuple[ResponseTime, Acceptance] | None:
    """Return the classes of a partner's answers; None when they are too few to say anything.

    What was never answered (``days`` None) counts as later than all others.
    """
    if (
        len(answers) < LEAST_DENOMINATOR
        or len({one.client for one in answers}) < LEAST_PEOPLE
        or len({one.sender for one in answers}) < LEAST_PARTNERS
    ):
        return None
    middle = median(one.days if one.days is not None else float("inf") for one in answers)
    response = next((name for most, name in DAYS if middle <= most), ResponseTime.LATER)
    share = sum(one.accepted for one in answers) / len(answers)
    said_yes = Acceptance.MOSTLY if share >= MOSTLY else Acceptance.OFTEN if share >= OFTEN else None
    return response, said_yes or Acceptance.SELDOM


_STATEMENT: Final = text("""
SELECT r.recipient_partner_id AS partner, r.sender_partner_id AS sender, r.client_id AS client, r.sent_at,
  r.state, r.declined_by,
  min(coalesce(e.source_on::timestamptz, e.at))
    FILTER (WHERE e.to_state IN ('WAITLISTED', 'ACCEPTED', 'DECLINED')) AS answered_at,
  coalesce(bool_or(e.to_state = 'ACCEPTED'), false) AS accepted
FROM referral r JOIN consent c ON c.id = r.consent_id
  LEFT JOIN referral_event e ON e.referral_id = r.id
WHERE r.sent_at >= :since AND r.sent_at < :until AND r.state <> 'ENTERED_IN_ERROR'
  AND c.withdrawal IS NULL AND c.terms @> '{"purposes": [{"purpose": "STATISTICS", "granted": true}]}'
GROUP BY r.id
""")


def answered(row: Mapping[str, Any]) -> Answered | None:
    """Return what a referral says of its recipient; None when it was no answer of theirs."""
    state, accepted = row["state"], row["accepted"]
    if state == ReferralState.DECLINED and row["declined_by"] != "PARTNER" and not accepted:
        return None
    if not accepted and state not in {ReferralState.DECLINED, ReferralState.EXPIRED}:
        return None
    days = None
    if row["answered_at"] is not None:
        days = max(0.0, (row["answered_at"] - row["sent_at"]) / timedelta(days=1))
    return Answered(sender=row["sender"], client=row["client"], days=days, accepted=accepted)


async def measure(database: Database) -> int | None:
    """Publish the figures of the newest window that is over; return how many, or None if they stand already.

    For the jobs; running it again changes nothing.
    """
    async with database.work(SYSTEM) as work:
        since, last = figures.window(local_day(work.now))
        if await figures.is_published(work, last):
            return None
        rows = await work.session.execute(
            _STATEMENT,
            {
                "since": datetime.combine(since, time.min, tzinfo=ZONE),
                "until": datetime.combine(last + timedelta(days=1), time.min, tzinfo=ZONE),
            },
        )
        by_partner: dict[UUID, list[Answered]] = {}
        for row in rows:
            said = answered(row._asdict())
            if said is not None:
                by_partner.setdefault(row.partner, []).append(said)
        made = []
        for partner_id, answers in by_partner.items():
            found = classes(answers)
            if found is not None:
                made.append(
                    PartnerFigure(
                        partner_id=partner_id,
                        response_time=found[0],
                        acceptance=found[1],
                        since=since,
                        until=last,
                    )
                )
        await figures.publish(work, last, made)
        return len(made)
