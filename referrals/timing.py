"""How long it takes: from sending to acceptance, to the first appointment, and to closing. No names.

For the office's own planning, as ``gaps``: of what its own people were sent with, exact in days, and never
leaving the office. Counted is only what the sender may know at every depth of report (REPORT_BACK): that a
partner accepted, the day of the first contact that it named then, and that the sender's own referral is
closed. A median is told from five people on, the time within which nine of ten were served from ten cases on
(DESIGN 7): of fewer it would tell of one person.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.days import ZONE
from directory.figures import LEAST_DENOMINATOR, LEAST_PEOPLE
from directory.problems import InvalidInput
from directory.values import Value
from referrals.policy import must_work_with_people
from referrals.vocabulary import TimedStep


class StepTime(Value, frozen=True, kw_only=True):
    """How many days one step took, from the day of sending on.

    ``count`` referrals of ``people`` got so far. ``median`` is None for fewer than five people, ``ninth``
    (nine of ten took that long at most) also for fewer than ten referrals: too few to say.
    """

    step: TimedStep
    count: int
    people: int
    median: float | None
    ninth: float | None


class Times(Value, frozen=True, kw_only=True):
    """What was sent in a period, and how long the steps took of those who got there.

    Who has not got there yet is in ``sent`` only: short periods that have just ended look faster than they
    were.
    """

    since: datetime
    until: datetime
    sent: int
    steps: tuple[StepTime, ...]


_STATEMENT: Final = text("""
WITH sent AS (
  SELECT r.id, r.client_id, (r.sent_at AT TIME ZONE :zone)::date AS day, r.first_contact_on,
    CASE WHEN r.state = 'CLOSED' THEN (r.closed_at AT TIME ZONE :zone)::date END AS closed_on
  FROM referral r
  WHERE r.sender_partner_id = :partner AND r.sent_at >= :since AND r.sent_at < :until
    AND r.state <> 'ENTERED_IN_ERROR'
), accepted AS (
  SELECT e.referral_id, min(coalesce(e.source_on, (e.at AT TIME ZONE :zone)::date)) AS day
  FROM referral_event e JOIN sent s ON s.id = e.referral_id
  WHERE e.move = 'ACCEPT' AND e.told
  GROUP BY e.referral_id
), took AS (
  SELECT s.client_id, 'ACCEPTED' AS step, a.day - s.day AS days
  FROM sent s JOIN accepted a ON a.referral_id = s.id
  UNION ALL
  SELECT s.client_id, 'FIRST_APPOINTMENT', s.first_contact_on - s.day
  FROM sent s JOIN accepted a ON a.referral_id = s.id WHERE s.first_contact_on IS NOT NULL
  UNION ALL
  SELECT s.client_id, 'CLOSED', s.closed_on - s.day FROM sent s WHERE s.closed_on IS NOT NULL
)
SELECT step, count(*) AS referrals, count(DISTINCT client_id) AS people,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(days, 0)) AS median,
  percentile_disc(0.9) WITHIN GROUP (ORDER BY greatest(days, 0)) AS ninth,
  (SELECT count(*) FROM sent) AS sent
FROM took GROUP BY step
UNION ALL
SELECT NULL, 0, 0, NULL, NULL, count(*) FROM sent
""")


async def referral_times(session: AsyncSession, actor: Actor, since: datetime, until: datetime) -> Times:
    """Return how long the own organisation's referrals took that were sent in a period; one statement.

    Raises InvalidInput for a period that ends before it begins, NotAllowed and NotSignedIn as for clients.
    """
    must_work_with_people(actor)
    if until <= since:
        raise InvalidInput("until", "before-start")
    given = {"partner": actor.partner_id, "since": since, "until": until, "zone": ZONE.key}
    rows = (await session.execute(_STATEMENT, given)).all()
    found = {row.step: row for row in rows if row.step is not None}
    return Times(
        since=since,
        until=until,
        sent=rows[0].sent if rows else 0,
        steps=tuple(_told(step, found.get(step.value)) for step in TimedStep),
    )


def _told(step: TimedStep, row: Row[Any] | None) -> StepTime:
    if row is None:
        return StepTime(step=step, count=0, people=0, median=None, ninth=None)
    enough = row.people >= LEAST_PEOPLE
    return StepTime(
        step=step,
        count=row.referrals,
        people=row.people,
        median=float(row.median) if enough else None,
        ninth=float(row.ninth) if enough and row.referrals >= LEAST_DENOMINATOR else None,
    )
