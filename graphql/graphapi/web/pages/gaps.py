"""What the network lacks: needs of the own people that nobody met, searches that found nothing; no names."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from graphapi.web.labels import label, tongue
from graphapi.web.pages.clients import topics_of
from graphapi.web.routes import COORDINATION, Entry, page
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

MONTHS: Final = {"3": 92, "12": 365, "24": 730}
"""How far the gaps of the own people can look back: what stands in the address, and the days of it."""

BREAKDOWNS: Final = {
    "TOPIC": N_("By topic"),
    "KIND": N_("By kind of service"),
    "LANGUAGE": N_("By language"),
    "TOPIC_AND_LANGUAGE": N_("By topic and language"),
}


@page(
    "/gaps",
    roles=COORDINATION,
    entry=Entry(N_("Gaps"), N_("Needs that nobody met, and searches that found nothing"), 30),
)
async def gaps(visit: Visit) -> Answer:
    """Show both reports; period, quarter and table stand in the address."""
    months, since = period(visit)
    needs = await unmet(visit, since)
    chosen = visit.query.get("by") if visit.query.get("by") in BREAKDOWNS else "TOPIC"
    quarters = quarters_over(visit)
    asked = {f"{year}-{number}": (year, number) for year, number in quarters}
    year, number = asked.get(visit.query.get("quarter"), quarters[0])
    report = await visit.find("read-unmet-searches", year=year, quarter=number, breakdown=chosen)
    return visit.page(
        "coordinator/gaps.html",
        months=months,
        periods=list(MONTHS),
        needs=needs,
        report=report,
        rows=await _rows(visit, report),
        place=await _place(visit, report["district"]),
        chosen=chosen,
        breakdowns=BREAKDOWNS,
        quarter=(year, number),
        quarters=quarters,
    )


def period(visit: Visit) -> tuple[str, str]:
    """Return how many months the address asks for, and the moment with which they begin."""
    months = visit.query.get("months") if visit.query.get("months") in MONTHS else "12"
    began = datetime.combine(visit.today - timedelta(days=MONTHS[months]), time.min, UTC)
    return months, began.isoformat()


async def unmet(visit: Visit, since: str) -> list[dict[str, Any]]:
    """Return the needs of the own people that the network did not meet."""
    found: list[dict[str, Any]] = (await visit.ask("find-gaps", since=since, first=50))["structuralGaps"]
    return [{**one, "name": _named(one)} for one in found]


def _named(need: dict[str, Any]) -> str:
    label_ = need["topic"] and need["topic"]["label"]
    return str(label_["text"] if label_ else need["code"])


def quarters_over(visit: Visit) -> list[tuple[int, int]]:
    """Return the last four quarters that are over, the newest first: year and number."""
    year, number = visit.today.year, (visit.today.month - 1) // 3 + 1
    found = []
    for _ in range(4):
        year, number = (year, number - 1) if number > 1 else (year - 1, 4)
        found.append((year, number))
    return found


async def _rows(visit: Visit, report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was looked for in words, and how often it found nothing or only something like it."""
    topics = await topics_of(visit)
    found: dict[str, dict[str, Any]] = {}
    for cell in report["cells"]:
        words = []
        if "TOPIC" in report["breakdown"]:
            words.append(topics.get(cell["topic"] or "", "") or visit.gettext("of no known topic"))
        if report["breakdown"] == "KIND":
            words.append(label("ServiceKind", cell["kind"], visit.language) or visit.gettext("of no kind"))
        if "LANGUAGE" in report["breakdown"]:
            tag = cell["language"]
            words.append(tongue(tag, visit.language) if tag else visit.gettext("in no named language"))
        row = found.setdefault(", ".join(words), {"NOTHING": None, "NEARLY": None})
        row[cell["outcome"]] = cell["searches"]
    return [{"what": what, **counts} for what, counts in found.items()]


async def _place(visit: Visit, district: str) -> str:
    """Return the name of the district as its municipalities are called; its key where there is none."""
    known = (await visit.ask("read-vocabulary"))["municipalities"]
    names = [one["name"]["text"] for one in known if one["ars"].startswith(district)]
    return ", ".join(names) if district and names else district
