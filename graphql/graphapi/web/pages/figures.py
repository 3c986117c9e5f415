"""Figures of one's own work as charts with their tables: phases, referrals, answers. No names."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from directory.figures import LEAST_DENOMINATOR, LEAST_PEOPLE
from graphapi.web.pages.gaps import MONTHS
from graphapi.web.pages.referrals import VIEWS
from graphapi.web.routes import COORDINATION, Entry, page
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit


@page(
    "/figures",
    roles=COORDINATION,
    entry=Entry(N_("Figures"), N_("Phases, referrals, times and answers, without names"), 30),
)
async def figures(visit: Visit) -> Answer:
    """Show figures; the quarter stands in the address."""
    quarter = _quarter(visit)
    referrals: list[tuple[str, int]] = []
    for name in ("drafts", "sent", "waiting", "working", "reported", "ended"):
        text, wanted = VIEWS[name]
        found = await visit.find("browse-sent-referrals", filter=wanted, first=1)
        referrals.append((visit.gettext(text), found["totalCount"]))
    phases = (await visit.ask("count-clients"))["clientPhaseCounts"]
    voices = await visit.find("count-voices", year=quarter[0], quarter=quarter[1])
    months = visit.query.get("months") if visit.query.get("months") in MONTHS else "12"
    since = datetime.combine(visit.today - timedelta(days=MONTHS[months]), time.min, UTC).isoformat()
    times = await visit.find("read-referral-times", since=since)
    return visit.page(
        "coordinator/figures.html",
        times=times,
        months=months,
        periods=list(MONTHS),
        least_people=LEAST_PEOPLE,
        least_referrals=LEAST_DENOMINATOR,
        phases=[(one["phaseLabel"], one["count"]) for one in phases],
        referrals=referrals,
        voices=voices,
        partner=_told(voices["partner"]),
        sender=_told(voices["sender"]),
        person=_told(voices["person"]),
        quarter=quarter,
        quarters=_quarters(visit),
    )


def _told(counts: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(one["label"], one["count"]) for one in counts]


def _quarters(visit: Visit) -> list[tuple[int, int]]:
    year, number = visit.today.year, (visit.today.month - 1) // 3 + 1
    found = []
    for _ in range(4):
        found.append((year, number))
        year, number = (year, number - 1) if number > 1 else (year - 1, 4)
    return found


def _quarter(visit: Visit) -> tuple[int, int]:
    known = {f"{year}-{number}": (year, number) for year, number in _quarters(visit)}
    return known.get(visit.query.get("quarter"), _quarters(visit)[0])
