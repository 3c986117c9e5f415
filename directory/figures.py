"""What is published of how a partner answers: coarse classes, of a fixed window, and only above thresholds.

The figures are counted where referrals are (``referrals.measuring``) and arrive here as classes; whoever
searches reads them without ever having seen a referral. A partner without a figure has answered too few: that
is never "slow" or "seldom". What was published of a window is never counted again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import delete, select

from directory.actors import SYSTEM
from directory.database import Work
from directory.models import FigureWindow, PartnerFigureRow
from directory.problems import NotAllowed
from directory.values import Value
from directory.vocabulary import Acceptance, ResponseTime

LEAST_DENOMINATOR: Final = 10
"""No rate is published of fewer answers than this (DESIGN 7)."""

LEAST_PEOPLE: Final = 5
"""No figure is published of fewer different people than this (DESIGN 7)."""

LEAST_PARTNERS: Final = 3
"""No figure is published of people whom fewer organisations than this have sent (DESIGN 7)."""

MONTHS: Final = 12
"""How long a window is; it ends with a quarter of the calendar."""


class PartnerFigure(Value, frozen=True, kw_only=True):
    """How a partner answered from ``since`` to ``until`` (both inclusive), in classes."""

    partner_id: UUID
    response_time: ResponseTime
    acceptance: Acceptance
    since: date
    until: date


def window(today: date) -> tuple[date, date]:
    """Return the first and the last day of the newest window that is over.

    >>> window(date(2026, 11, 22))
    (datetime.date(2025, 10, 1), datetime.date(2026, 9, 30))
    """
    quarter = date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
    last = date.fromordinal(quarter.toordinal() - 1)
    return quarter.replace(year=quarter.year - 1), last


async def is_published(work: Work, until: date) -> bool:
    """Whether the figures of the window that ends on this day stand already."""
    found = await work.session.scalar(select(FigureWindow.until).where(FigureWindow.until >= until).limit(1))
    return found is not None


async def publish(work: Work, until: date, figures: Sequence[PartnerFigure]) -> None:
    """Let these figures stand in place of all earlier ones. For SYSTEM; raises NotAllowed for others."""
    if work.actor != SYSTEM:
        raise NotAllowed("figures")
    await work.session.execute(delete(PartnerFigureRow).where(PartnerFigureRow.until <= until))
    work.session.add(FigureWindow(until=until, published_at=work.now, partners=len(figures)))
    work.session.add_all(
        PartnerFigureRow(
            partner_id=figure.partner_id,
            response_time=figure.response_time,
            acceptance=figure.acceptance,
            since=figure.since,
            until=figure.until,
        )
        for figure in figures
    )
    await work.session.flush()


async def figures_of(reader: asyncpg.Pool, partner_ids: Sequence[UUID]) -> dict[UUID, PartnerFigure]:
    """Return what is published of these partners; one statement. Who has no figure is not in it."""
    if not partner_ids:
        return {}
    rows = await reader.fetch(
        "SELECT partner_id, response_time, acceptance, since, until FROM partner_figure"
        " WHERE partner_id = ANY($1)",
        list(partner_ids),
    )
    return {
        row["partner_id"]: PartnerFigure(
            partner_id=row["partner_id"],
            response_time=ResponseTime(row["response_time"]),
            acceptance=Acceptance(row["acceptance"]),
            since=row["since"],
            until=row["until"],
        )
        for row in rows
    }
