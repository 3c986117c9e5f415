"""For whom an own service is: its rules in words, and what another rule would change before it is saved."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any, Final

from directory.eligibility import territory
from graphapi.messages import beside_field
from graphapi.web import rows, territories
from graphapi.web.entering import Entered
from graphapi.web.labels import label, options
from graphapi.web.pages.own_facts import LEVELS
from graphapi.web.pages.own_services import own_service
from graphapi.web.routes import ORGANISATIONS, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

NEW: Final = "new"
DEEDS: Final = ("end", "remove", "up")
SAVED: Final = N_("The rule is saved. Everybody sees it with the next search.")
SAID: Final = {
    "end": N_("The rule ends. It stays in the list until you remove it."),
    "remove": N_("The rule is removed."),
    "up": N_("The order is changed."),
}
EXAMPLES: Final[tuple[dict[str, Any], ...]] = (
    {
        "residenceStatus": "SECTION_60A",
        "legalCircle": "ASYLBLG",
        "workPermission": "WITH_PERMISSION",
        "level": "A2",
        "age": 30,
        "gender": "MAN",
        "residence": "own",
    },
    {
        "residenceStatus": "SECTION_60A",
        "legalCircle": "ASYLBLG",
        "workPermission": "WITH_PERMISSION",
        "level": "A2",
        "age": 30,
        "gender": "MAN",
        "residence": "other",
    },
    {
        "residenceStatus": "SECTION_104C",
        "legalCircle": "SGB_II",
        "workPermission": "YES",
        "level": "B1",
        "age": 28,
        "gender": "WOMAN",
        "residence": "own",
    },
    {
        "residenceStatus": "SECTION_55_ASYLG",
        "legalCircle": "ASYLBLG",
        "level": "A1",
        "age": 19,
        "gender": "MAN",
        "residence": "own",
    },
    {
        "residenceStatus": "SECTION_24",
        "legalCircle": "SGB_II",
        "workPermission": "YES",
        "level": "A2",
        "age": 58,
        "gender": "WOMAN",
        "residence": "own",
    },
    {"residenceStatus": "SECTION_25_5", "level": "A0", "age": 16, "gender": "WOMAN", "residence": "own"},
    {"residenceStatus": "SECTION_60B", "residence": "own"},
    {},
)
"""People as they come, and one of whom nothing is known yet: rules are tried with them, nobody is meant."""

PEOPLE: Final = {"MAN": N_("a man"), "WOMAN": N_("a woman")}
_BESIDE: Final = {"12052": "12071"}
"""A district beside a town, for the person who lives elsewhere."""


def rule_input(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a rule that was read as it is sent."""
    left = {name: value for name, value in rule.items() if name not in {"answerLabel", "reasonTexts"}}
    reason = [{"language": one["language"], "text": one["text"]} for one in rule["reasonTexts"]]
    return {**left, "reason": reason}


def in_words(visit: Visit, rule: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a rule asks for, in words; nothing for one that is for everybody."""
    said = [
        (visit.gettext("Residence status"), label("ResidenceStatus", rule["statuses"], visit.language)),
        (visit.gettext("Work"), label("WorkPermission", rule["workPermission"], visit.language)),
        (visit.gettext("Age"), _span(visit, rule["ageFrom"], rule["ageTo"])),
        (visit.gettext("Language level"), _span(visit, rule["levelFrom"], rule["levelTo"])),
        (visit.gettext("Place of residence"), ", ".join(territories.named(one) for one in rule["residence"])),
        (visit.gettext("Benefits law"), label("LegalCircle", rule["legalCircles"], visit.language)),
        (visit.gettext("Gender"), label("Gender", rule["genders"], visit.language)),
    ]
    return [(name, value) for name, value in said if value]


def _span(visit: Visit, first: Any, last: Any) -> str:
    if first is not None and last is not None:
        return visit.gettext("%(a)s to %(b)s") % {"a": first, "b": last} if first != last else str(first)
    if first is not None:
        return visit.gettext("from %(a)s") % {"a": first}
    return visit.gettext("up to %(b)s") % {"b": last} if last is not None else ""


def _example_in_words(visit: Visit, person: dict[str, Any]) -> str:
    if not person:
        return visit.gettext("Nothing is known of the person yet")
    who = PEOPLE.get(person.get("gender", ""), "")
    said = [
        label("ResidenceStatus", person["residenceStatus"], visit.language),
        visit.gettext(who) if who else "",
        visit.gettext("%(age)s years") % {"age": person["age"]} if "age" in person else "",
        visit.gettext("German %(level)s") % {"level": person["level"]} if "level" in person else "",
        visit.gettext("may work") + ": " + label("WorkPermission", person["workPermission"], visit.language)
        if "workPermission" in person
        else "",
        label("LegalCircle", person.get("legalCircle"), visit.language),
        visit.gettext("lives in %(place)s") % {"place": territories.named(person["residence"])},
    ]
    return "; ".join(one for one in said if one)


def examples(service: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the people that rules are tried with: most live where the service stands, one elsewhere."""
    own = service["municipality"]["ars"]
    other = _BESIDE.get(territory(own), "12052")
    homes = {"own": own, "other": other}
    return [
        {**one, "residence": homes[one["residence"]]} if "residence" in one else dict(one) for one in EXAMPLES
    ]


async def _tried(
    visit: Visit, service: dict[str, Any], rules: list[dict[str, Any]], on: str
) -> list[dict[str, Any]] | None:
    """Return what rules say of the examples beside what those in force say; None where they are refused."""
    people = examples(service)
    asked = {"serviceId": service["id"], "rules": rules, "profiles": people, "on": on}
    found = (await visit.ask("preview-eligibility", input=asked))["eligibilityPreview"]
    if found["__typename"] != "EligibilityPreview":
        field = found["field"] or ""
        visit.refuse(field, beside_field(found["message"], field, visit.language))
        return None
    return [
        {
            "who": _example_in_words(visit, person),
            "changes": one["changes"],
            **{side: {**one[side], "why": _why(visit, one[side])} for side in ("before", "after")},
        }
        for person, one in zip(people, found["people"], strict=True)
    ]


def _why(visit: Visit, judged: dict[str, Any]) -> str:
    """Return the reason of an answer in words."""
    if judged["missing"]:
        missing = label("EligibilityCriterion", judged["missing"], visit.language)
        return visit.gettext("not known: %(what)s") % {"what": missing}
    if judged["reason"]:
        return str(judged["reason"]["text"])
    if not judged["rules"]:
        return visit.gettext("no rule applies")
    if judged["criteria"]:
        return visit.gettext("because of: %(what)s") % {
            "what": label("EligibilityCriterion", judged["criteria"], visit.language)
        }
    return ""


def _digest(rules: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()


# --- Pages ----------------------------------------------------------------------------------------------


@page("/entry/services/{key:str}/rules", roles=ORGANISATIONS)
async def rules_page(visit: Visit, key: str) -> Answer:
    """Show for whom a service is, and what its rules say of examples; with a form where one is asked for."""
    service = await own_service(visit, key)
    name, deed = visit.query.get("rule"), visit.query.get("do")
    if deed in DEEDS and (place := _place(service, name)) is not None:
        return await _sure(visit, service, place, deed)
    return await _shown(visit, service, form=name)


async def _shown(
    visit: Visit,
    service: dict[str, Any],
    *,
    form: str = "",
    tried: list[dict[str, Any]] | None = None,
    digest: str = "",
    on: str = "",
) -> Answer:
    rules = service["eligibility"]
    place = _place(service, form)
    rule = rules[place] if place is not None else None
    today = visit.today.isoformat()
    now = [] if form else await _tried(visit, service, [rule_input(one) for one in rules], today)
    residence = rule["residence"] if rule else []
    tags = rows.tags_of(visit, rule["reasonTexts"] if rule else [])
    return visit.page(
        "partner/service_rules.html",
        service=service,
        rules=[{**one, "words": in_words(visit, one), "when": _when(one, today)} for one in rules],
        form=form if form == NEW or place is not None else "",
        place=place,
        rule=rule,
        now=now,
        tried=tried,
        none_changes=tried is not None and not any(one["changes"] for one in tried),
        digest=digest,
        on=on,
        positions=_positions(visit, len(rules)),
        tags=tags,
        more=rows.more_tags(tags),
        areas=territories.offered(residence),
        area=territories.ticked(residence),
        levels=options("CefrLevel", visit.language, LEVELS),
    )


def _positions(visit: Visit, many: int) -> list[tuple[str, str]]:
    """Return where a new rule may be put: before each of those there are, or at the end."""
    before = [
        (str(number), visit.gettext("before rule %(number)s") % {"number": number + 1})
        for number in range(many)
    ]
    return [*before, (str(many), visit.gettext("at the end"))]


def _when(rule: dict[str, Any], today: str) -> str:
    """Return whether a rule is of the past, of days to come, or holds."""
    if rule["validTo"] and rule["validTo"] < today:
        return "past"
    return "coming" if rule["validFrom"] and rule["validFrom"] > today else "now"


def _place(service: dict[str, Any], given: str) -> int | None:
    """Return the place of a rule as it stands in an address, from 0; None where there is no such rule."""
    if given.isascii() and given.isdigit() and len(given) < 4 and int(given) < len(service["eligibility"]):
        return int(given)
    return None


@action("/entry/services/{key:str}/rules/{name:str}", roles=ORGANISATIONS)
async def change_rule(visit: Visit, key: str, name: str) -> Answer:
    """Try a rule with the examples; save it when what was tried is what is saved."""
    service = await own_service(visit, key)
    place = _place(service, name)
    if place is None and name != NEW:
        return _gone(visit, key)
    entered = Entered(visit)
    before = service["eligibility"][place] if place is not None else None
    rule = _entered(visit, entered, before)
    rules = [rule_input(one) for one in service["eligibility"]]
    if place is None:
        place = min(entered.number("position") or 0, len(rules)) if "position" in visit.form else len(rules)
        rules.insert(place, rule)
    else:
        rules[place] = rule
    if not entered.right:
        return await _shown(visit, service, form=name)
    digest = _digest(rules)
    if visit.form.get("step") == "save" and visit.form.get("tried") == digest:
        if (await visit.change("change-service", {"id": key, "eligibility": rules})).done:
            return visit.go(f"/entry/services/{key}/rules", said=visit.gettext(SAVED))
        _at_fields(visit, "eligibility", place)
        return await _shown(visit, service, form=name)
    on = max(visit.today.isoformat(), rule["validFrom"] or "")
    tried = await _tried(visit, service, rules, on)
    _at_fields(visit, "rules", place)
    return await _shown(visit, service, form=name, tried=tried, digest=digest, on=on)


def _gone(visit: Visit, key: str) -> Answer:
    return visit.go(
        f"/entry/services/{key}/rules",
        said=visit.gettext("That rule is not there any more. Nothing was changed."),
    )


def _entered(visit: Visit, entered: Entered, before: dict[str, Any] | None) -> dict[str, Any]:
    """Return a rule as it was entered."""
    return {
        "answer": entered.choice("answer", "Answer"),
        "statuses": list(entered.choices("statuses", "ResidenceStatus")),
        "workPermission": list(entered.choices("workPermission", "WorkPermission")),
        "ageFrom": entered.number("ageFrom"),
        "ageTo": entered.number("ageTo"),
        "levelFrom": entered.choice("levelFrom", "CefrLevel", required=False),
        "levelTo": entered.choice("levelTo", "CefrLevel", required=False),
        "residence": territories.entered(visit, entered, "residence", before["residence"] if before else []),
        "legalCircles": list(entered.choices("legalCircles", "LegalCircle")),
        "genders": list(entered.choices("genders", "Gender")),
        "reason": rows.texts(visit, "reason", before["reasonTexts"] if before else []),
        "legalBasis": entered.text("legalBasis"),
        "validFrom": entered.day("validFrom", required=False),
        "validTo": entered.day("validTo", required=False),
    }


def _at_fields(visit: Visit, prefix: str, place: int) -> None:
    """Bring what is refused of a rule to the fields of its form; of another rule it stays with all."""
    own = f"{prefix}.{place}."
    for path in list(visit.errors):
        if path.startswith(own):
            field = path.removeprefix(own)
            first = field.partition(".")[0]
            if first == "residence":
                field = "residenceKeys"
            elif first in {"statuses", "workPermission", "legalCircles", "genders"}:
                field = first
            rows.move(visit, path, field)
        elif path.startswith(f"{prefix}."):
            rows.move(visit, path, "")
    rows.refused_texts(visit, "reason")


# --- Ending, removing, moving ---------------------------------------------------------------------------


def _after(visit: Visit, service: dict[str, Any], place: int, deed: str) -> tuple[list[dict[str, Any]], str]:
    """Return the rules after a deed, and the day from which they differ."""
    rules = [rule_input(one) for one in service["eligibility"]]
    if deed == "end":
        rules[place] = {**rules[place], "validTo": visit.today.isoformat()}
        return rules, (visit.today + timedelta(days=1)).isoformat()
    if deed == "remove":
        del rules[place]
    elif place:
        rules[place - 1], rules[place] = rules[place], rules[place - 1]
    return rules, visit.today.isoformat()


async def _sure(visit: Visit, service: dict[str, Any], place: int, deed: str) -> Answer:
    rules, on = _after(visit, service, place, deed)
    rule = service["eligibility"][place]
    return visit.page(
        "partner/service_rule_sure.html",
        service=service,
        place=place,
        rule=rule,
        words=in_words(visit, rule),
        deed=deed,
        on=on,
        tried=await _tried(visit, service, rules, on),
    )


@action("/entry/services/{key:str}/rules/{name:str}/{deed:str}", roles=ORGANISATIONS)
async def do(visit: Visit, key: str, name: str, deed: str) -> Answer:
    """End a rule, remove it, or have it come before the one above it."""
    if deed not in DEEDS:
        raise Stopped(404, "NOT_FOUND")
    service = await own_service(visit, key)
    place = _place(service, name)
    if place is None:
        return _gone(visit, key)
    rules, _ = _after(visit, service, place, deed)
    if (await visit.change("change-service", {"id": key, "eligibility": rules})).done:
        return visit.go(f"/entry/services/{key}/rules", said=visit.gettext(SAID[deed]))
    return await _sure(visit, service, place, deed)
