"""What everybody may read of the rules that the network goes by: who is supported, how matches are ranked."""

from __future__ import annotations

from graphapi.web.routes import page
from graphapi.web.visiting import Answer, Visit
from graphapi.web.written_days import read_day


@page("/support")
async def support(visit: Visit) -> Answer:
    """Show the project's rule for its own support, as it is in force on a day."""
    asked = visit.query.get("on")
    wanted = read_day(asked) if asked else visit.today
    if wanted is None:
        visit.refuse("on", visit.gettext("Please enter a day, for example 31.12.2026."))
    on = wanted or visit.today
    found = (await visit.ask("read-support-rules", on=on.isoformat()))["supportRules"]
    for rule in found["rules"] if found else ():
        rule["why"] = (rule["reason"] or {}).get("text")
    return visit.page("public/support.html", set=found, on=on)


@page("/ranking")
async def ranking(visit: Visit) -> Answer:
    """Show by which weights matches are ranked, and why."""
    found = await visit.find("read-match-weights")
    by = {one["criterion"]: one for one in found["weights"]}
    both = by["LANGUAGE"]["points"] + by["CAPACITY"]["points"]
    unknown = by["CAPACITY"]["points"] * (1 - by["CAPACITY"]["worthUnknown"])
    return visit.page(
        "public/ranking.html",
        table=found,
        weights=sorted(found["weights"], key=lambda one: -one["points"]),
        most=max(one["points"] for one in found["weights"]),
        example={"most": both, "some": both - unknown},
    )
