"""What only a lead does: a second pair of eyes, and the project's rule for its own support."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphapi.web import rows
from graphapi.web.entering import Entered
from graphapi.web.routes import COORDINATION, LEADS, Entry, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit


@page(
    "/approvals",
    roles=LEADS,
    entry=Entry(N_("Approvals"), N_("What waits for a second pair of eyes"), 60),
)
async def approvals(visit: Visit) -> Answer:
    """Show what other members asked for."""
    found = await visit.find("browse-approvals", first=50)
    return visit.page("lead/approvals.html", approvals=found)


@action("/approvals/{key:str}/{name:str}", roles=LEADS)
async def decide_approval(visit: Visit, key: str, name: str) -> Answer:
    """Confirm or refuse what another member asked for."""
    if name not in {"confirm", "refuse"}:
        raise Stopped(404, "NOT_FOUND")
    if (await visit.change(f"{name}-approval", {"id": key})).done:
        said = visit.gettext("Confirmed.") if name == "confirm" else visit.gettext("Refused.")
        return visit.go("/approvals", said=said)
    return await approvals(visit)


@page(
    "/rules",
    roles=COORDINATION,
    entry=Entry(N_("Rule for support"), N_("Who gets the project's own support"), 70),
)
async def rules(visit: Visit) -> Answer:
    """Show all versions of the rule; the one in force first."""
    found = await visit.find("browse-rule-sets", first=50)
    for one in found:
        for rule in one["rules"]:
            rule["why"] = (rule["reason"] or {}).get("text")
    return visit.page("lead/rules.html", sets=sorted(found, key=lambda one: not one["current"]))


async def _set(visit: Visit, key: str) -> Any:
    found = next((one for one in await visit.find("edit-rule-sets", first=50) if one["id"] == key), None)
    if found is None:
        raise Stopped(404, "NOT_FOUND")
    return found


def _as_sent(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a line of a version as it is sent for a new one."""
    kept = ("id", "statuses", "supportedBefore", "answer", "advice", "legalBasis", "validFrom", "validTo")
    texts = [{"language": one["language"], "text": one["text"]} for one in rule["reasonTexts"]]
    return {**{name: rule[name] for name in kept}, "reason": texts}


@action("/rules/draft", roles=LEADS)
async def draft(visit: Visit) -> Answer:
    """Begin a draft with the lines of a version."""
    base = await _set(visit, visit.form.get("from"))
    outcome = await visit.change("draft-rule-set", {"rules": [_as_sent(rule) for rule in base["rules"]]})
    if outcome.done:
        return visit.go(
            f"/rules/{outcome.payload['ruleSet']['id']}", said=visit.gettext("The draft is begun.")
        )
    return await rules(visit)


@page("/rules/{key:str}", roles=LEADS)
async def rule_set(visit: Visit, key: str, line: str = "") -> Answer:
    """Show a draft: its lines, what it would change, and from when it is to hold."""
    found = await _set(visit, key)
    if visit.errors and found["state"] != "DRAFT":  # its forms are gone
        visit.errors = {"": visit.gettext("This version was decided meanwhile: it stays as it is.")}
    for one in found["rules"]:
        texts = {text["language"]: text["text"] for text in one["reasonTexts"]}
        one["why"] = texts.get(visit.language) or texts.get("de")
    preview = await visit.find("preview-rule-set", id=key)
    chosen = line or visit.query.get("line")
    rule = next((one for one in found["rules"] if one["id"] == chosen), None)
    return visit.page("lead/rule_set.html", set=found, preview=preview, line=rule)


@action("/rules/{key:str}/line", roles=LEADS)
async def change_line(visit: Visit, key: str) -> Answer:
    """Change one line of a draft."""
    found = await _set(visit, key)
    entered = Entered(visit)
    chosen = visit.form.get("line")
    lines = [_as_sent(rule) for rule in found["rules"]]
    line = next((one for one in lines if one["id"] == chosen), None)
    if line is None:
        raise Stopped(404, "NOT_FOUND")
    line["answer"] = entered.choice("answer", "Answer")
    line["advice"] = entered.choice("advice", "SupportAdvice")
    line["legalBasis"] = entered.text("legalBasis")
    others = [one for one in line["reason"] if one["language"] not in {"de", "en"}]
    given = [{"language": tag, "text": entered.text(f"reason.{tag}", required=True)} for tag in ("de", "en")]
    line["reason"] = [*given, *others]
    if entered.right and (await visit.change("change-rule-set", {"id": key, "rules": lines})).done:
        return visit.go(f"/rules/{key}", said=visit.gettext("The line is changed."))
    _bring_to_fields(visit, f"rules.{lines.index(line)}.", [one["language"] for one in line["reason"]])
    return await rule_set(visit, key, line=chosen)


def _bring_to_fields(visit: Visit, line: str, languages: Sequence[str]) -> None:
    """Say what is wrong with a line at the fields of its form; of the others, above the form."""
    for path in [path for path in visit.errors if path.startswith("rules")]:
        name, _, place = path.removeprefix(line).partition(".")
        number = place.partition(".")[0]
        if name == "reason" and number.isdigit() and int(number) < len(languages):
            name = f"reason.{languages[int(number)]}"
        rows.move(visit, path, name if name in visit.form else "")


@action("/rules/{key:str}/decide", roles=LEADS)
async def decide(visit: Visit, key: str) -> Answer:
    """Put a draft into force from a day to come."""
    entered = Entered(visit)
    given = {"id": key, "validFrom": entered.day("validFrom")}
    if entered.right and (await visit.change("decide-rule-set", given)).done:
        return visit.go("/rules", said=visit.gettext("Decided. It holds from the day you named."))
    return await rule_set(visit, key)
