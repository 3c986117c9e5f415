"""Figures of one's own work as charts with their tables: phases, referrals, times, answers, gaps."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

from babel.numbers import format_decimal

from directory.exporting.files import guarded
from directory.figures import LEAST_DENOMINATOR, LEAST_PEOPLE
from graphapi.web.pages.gaps import MONTHS, period, unmet
from graphapi.web.pages.referrals import VIEWS
from graphapi.web.routes import COORDINATION, Entry, page
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

NEEDS: Final = 10
"""So many needs that nobody met have a bar; the page of gaps has all of them."""


@page(
    "/figures",
    roles=COORDINATION,
    entry=Entry(N_("Figures"), N_("Phases, referrals, times and answers, without names"), 30),
)
async def figures(visit: Visit) -> Answer:
    """Show figures; period and quarter stand in the address."""
    return visit.page("coordinator/figures.html", **await _counted(visit))


@page("/figures/file", roles=COORDINATION)
async def as_table(visit: Visit) -> Answer:
    """Return the same figures as a table for a spreadsheet (CSV, as German and English ones open it)."""
    found = await _counted(visit)
    year, number = found["quarter"]
    quarter = visit.gettext("Quarter %(number)s/%(year)s") % {"number": number, "year": year}
    said = visit.gettext("last %(number)s months") % {"number": found["months"]}
    text = io.StringIO()
    rows = csv.writer(text, delimiter=";", lineterminator="\r\n")
    rows.writerow([visit.gettext(one) for one in (N_("Figure"), N_("Period"), N_("What"), N_("Number"))])
    day = visit.today.isoformat()
    for title, when, counts in (
        (visit.gettext("Clients by phase"), day, found["phases"]),
        (visit.gettext("Referrals by state"), day, found["referrals"]),
        (visit.gettext("The partners say"), quarter, found["partner"]),
        (visit.gettext("You say"), quarter, found["sender"]),
        (visit.gettext("The people say"), quarter, found["person"]),
        (visit.gettext("People turned away, by need"), said, found["turned_away"]),
        (visit.gettext("People waiting, by need"), said, found["waiting"]),
    ):
        rows.writerows([title, when, guarded(what), count] for what, count in counts)
    for step in found["times"]["steps"]:
        name, half = step["stepLabel"], step["median"]
        nine = step["ninth"]
        rows.writerow([visit.gettext("Half within (median)"), said, name, _days(half, visit.language)])
        rows.writerow(
            [visit.gettext("Nine of ten within (90th percentile)"), said, name, _days(nine, visit.language)]
        )
    headers = {"content-disposition": f'attachment; filename="figures-{day}.csv"'}
    return Answer(body=text.getvalue().encode("utf-8-sig"), kind="text/csv", headers=headers, personal=True)


def _days(value: float | None, language: str) -> str:
    """Return days as a spreadsheet of the language reads them; nothing where too few are counted."""
    return "" if value is None else format_decimal(value, "0.#", locale=language)


async def _counted(visit: Visit) -> dict[str, Any]:
    """Return all figures of the page."""
    quarter = _quarter(visit)
    referrals: list[tuple[str, int]] = []
    for name in ("drafts", "sent", "waiting", "working", "reported", "ended"):
        text, wanted = VIEWS[name]
        found = await visit.find("browse-sent-referrals", filter=wanted, first=1)
        referrals.append((visit.gettext(text), found["totalCount"]))
    phases = (await visit.ask("count-clients"))["clientPhaseCounts"]
    voices = await visit.find("count-voices", year=quarter[0], quarter=quarter[1])
    months, since = period(visit)
    times = await visit.find("read-referral-times", since=since)
    needs = await unmet(visit, since)
    return {
        "turned_away": _largest(needs, "people"),
        "waiting": _largest(needs, "waiting"),
        "times": times,
        "months": months,
        "periods": list(MONTHS),
        "least_people": LEAST_PEOPLE,
        "least_referrals": LEAST_DENOMINATOR,
        "phases": [(one["phaseLabel"], one["count"]) for one in phases],
        "referrals": referrals,
        "voices": voices,
        "partner": _told(voices["partner"]),
        "sender": _told(voices["sender"]),
        "person": _told(voices["person"]),
        "quarter": quarter,
        "quarters": _quarters(visit),
    }


def _largest(needs: list[dict[str, Any]], name: str) -> list[tuple[str, int]]:
    """Return the needs with the most people, and how many those are."""
    counted = [(one["name"], one[name]) for one in needs if one[name]]
    return sorted(counted, key=lambda one: (-one[1], one[0]))[:NEEDS]


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
