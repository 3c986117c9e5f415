"""Structural gaps: needs of the own clients that the network does not meet, by topic (Angebotslücken).

For the office's own planning: exact, of its own clients only, and never leaving the office. Counted is what
partners said of their services (no place, not for this group, no answer), never what became of a person.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.paging import check_size
from directory.problems import InvalidInput
from directory.values import Value
from referrals.policy import must_work_with_people
from referrals.vocabulary import DeclineReason

OF_THE_SERVICE: Final = (
    DeclineReason.NO_CAPACITY,
    DeclineReason.NOT_RESPONSIBLE,
    DeclineReason.NOT_ELIGIBLE,
    DeclineReason.WRONG_LEVEL,
    DeclineReason.LANGUAGE_MISSING,
    DeclineReason.DATES_DO_NOT_FIT,
)
"""Reasons of a decline that lie with the service; the others say something about the person or the papers."""


class DeclineCount(Value, frozen=True, kw_only=True):
    """How often services declined for this reason."""

    reason: DeclineReason
    count: int


class Gap(Value, frozen=True, kw_only=True):
    """A topic for which people of the own office found no place.

    ``people``: different clients whose referrals on the topic were declined or never answered and who were
    taken nowhere else; ``unanswered``: referrals that ended without an answer; ``waiting``: clients with this
    need and no referral on it that is open or was taken; ``services``: published ones of the municipality
    on the topic, ``with_room`` those that do not say that they are full.
    """

    topic: str
    people: int
    declines: tuple[DeclineCount, ...]
    unanswered: int
    waiting: int
    services: int
    with_room: int


_STATEMENT: Final = text("""
WITH taken AS (
  SELECT DISTINCT r.client_id, r.topic FROM referral r
  WHERE r.sender_partner_id = :partner
    AND r.state IN ('ACCEPTED', 'IN_PROGRESS', 'ON_HOLD', 'OUTCOME_REPORTED', 'CLOSED')
), unmet AS (
  SELECT r.client_id, r.topic, CASE WHEN r.state = 'DECLINED' THEN r.decline_reason END AS reason
  FROM referral r
  WHERE r.sender_partner_id = :partner AND r.state_since >= :since AND r.state_since < :until
    AND (r.state = 'DECLINED' AND r.declined_by = 'PARTNER' AND r.decline_reason = ANY(:reasons)
      OR r.state = 'EXPIRED' AND r.first_contact_on IS NULL)
    AND NOT EXISTS (SELECT FROM taken t WHERE t.client_id = r.client_id AND t.topic = r.topic)
), failed AS (
  SELECT topic, count(DISTINCT client_id) AS people, count(*) FILTER (WHERE reason IS NULL) AS unanswered
  FROM unmet GROUP BY topic
), declined AS (
  SELECT topic, jsonb_object_agg(reason, times) AS declines
  FROM (SELECT topic, reason, count(*) AS times FROM unmet WHERE reason IS NOT NULL GROUP BY topic, reason) d
  GROUP BY topic
), waiting AS (
  SELECT need AS topic, count(*) AS waiting FROM client c, unnest(c.needs) AS need
  WHERE c.partner_id = :partner AND c.erased_at IS NULL
    AND NOT EXISTS (SELECT FROM taken t WHERE t.client_id = c.id AND t.topic = need)
    AND NOT EXISTS (SELECT FROM referral r WHERE r.client_id = c.id AND r.topic = need
      AND r.sender_partner_id = :partner
      AND r.state IN ('DRAFT', 'AWAITING_CONSENT', 'SENT', 'ACKNOWLEDGED', 'INFO_REQUESTED', 'WAITLISTED'))
  GROUP BY need
), offered AS (
  SELECT topic, count(*) AS services,
    count(*) FILTER (WHERE s.capacity->>'state' IS DISTINCT FROM 'NONE') AS with_room
  FROM service_document d JOIN service s ON s.id = d.id, unnest(d.topics) AS topic
  WHERE d.state = 'PUBLISHED' AND d.municipality_id = :municipality
  GROUP BY topic
)
SELECT t.code AS topic, coalesce(f.people, 0) AS people, coalesce(f.unanswered, 0) AS unanswered,
  coalesce(d.declines, '{}'::jsonb) AS declines, coalesce(w.waiting, 0) AS waiting,
  coalesce(o.services, 0) AS services, coalesce(o.with_room, 0) AS with_room
FROM topic t LEFT JOIN failed f ON f.topic = t.code LEFT JOIN declined d ON d.topic = t.code
  LEFT JOIN waiting w ON w.topic = t.code LEFT JOIN offered o ON o.topic = t.code
WHERE f.people > 0 OR w.waiting > 0
ORDER BY coalesce(f.people, 0) + coalesce(w.waiting, 0) DESC, t.code LIMIT :most
""")

MOST: Final = 100
"""Topics at most; the worst gaps come first."""


async def structural_gaps(
    session: AsyncSession, actor: Actor, since: datetime, until: datetime, *, first: int = MOST
) -> tuple[Gap, ...]:
    """Return the topics with unmet needs between two moments, the worst first; one statement.

    ``waiting``, ``services`` and ``with_room`` are as of now. Raises InvalidInput for a period that ends
    before it begins and for a page that is too large, NotAllowed and NotSignedIn as for clients.
    """
    must_work_with_people(actor)
    if until <= since:
        raise InvalidInput("until", "before-start")
    check_size(first, MOST)
    rows = await session.execute(
        _STATEMENT,
        {
            "partner": actor.partner_id,
            "municipality": actor.municipality_id,
            "since": since,
            "until": until,
            "reasons": [reason.value for reason in OF_THE_SERVICE],
            "most": first,
        },
    )
    return tuple(
        Gap(
            topic=row.topic,
            people=row.people,
            declines=tuple(
                DeclineCount(reason=reason, count=row.declines[reason.value])
                for reason in OF_THE_SERVICE
                if reason.value in row.declines
            ),
            unanswered=row.unanswered,
            waiting=row.waiting,
            services=row.services,
            with_room=row.with_room,
        )
        for row in rows
    )
