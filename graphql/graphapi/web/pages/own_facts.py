"""Facts of an own service: the way there, being referred, course, recognition, interpreting; and its end."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from directory.actors import Role
from graphapi.web import rows
from graphapi.web.entering import Entered
from graphapi.web.labels import options, tongue
from graphapi.web.pages.own_services import SPOKEN, own_service
from graphapi.web.routes import COORDINATION, ORGANISATIONS, action, page
from graphapi.web.visiting import Answer, Visit

MOST_RUNS: Final = 60
LEVELS: Final = ("A0", "A1", "A2", "B1", "B2", "C1", "C2")
PHRASES: Final = {
    "methods": "methodPhrases",
    "nextSteps": "nextStepPhrases",
    "feedback": "feedbackPhrases",
    "intakeCriteria": "intakeCriteriaPhrases",
    "requirements": "requirementPhrases",
}
"""Lists of things said about referring: the name in the input, and where all languages are read."""


def _of(service: dict[str, Any], name: str, field: str, otherwise: Any = ()) -> Any:
    """Return a part of facts that may not be there."""
    return otherwise if service[name] is None else service[name][field]


async def _save(visit: Visit, key: str, entered: Entered, given: dict[str, Any]) -> Answer | None:
    """Change the service; None where something was refused."""
    if entered.right and (await visit.change("change-service", {"id": key, **given})).done:
        return visit.go(f"/entry/services/{key}", said=visit.gettext("The service is changed."))
    return None


# --- The way there --------------------------------------------------------------------------------------


@page("/entry/services/{key:str}/steps", roles=ORGANISATIONS)
async def steps_form(visit: Visit, key: str) -> Answer:
    """Show the form for how to apply and what to bring."""
    service = await own_service(visit, key)
    documents = service["requiredDocuments"]
    tags = rows.tags_of(visit, service["applicationProcessTexts"], *(one["nameTexts"] for one in documents))
    return visit.page(
        "partner/service_steps.html",
        service=service,
        tags=tags,
        more=rows.more_tags(tags),
        rows=rows.count(visit, "requiredDocuments", len(documents)),
    )


@action("/entry/services/{key:str}/steps", roles=ORGANISATIONS)
async def change_steps(visit: Visit, key: str) -> Answer:
    """Change how to apply and what to bring."""
    service = await own_service(visit, key)
    entered = Entered(visit)
    before = service["requiredDocuments"]
    sent: list[int] = []
    documents: list[dict[str, Any]] = []
    for row in range(rows.count(visit, "requiredDocuments", len(before))):
        name = f"requiredDocuments.{row}"
        texts = rows.texts(visit, f"{name}.name", before[row]["nameTexts"] if row < len(before) else [])
        address = visit.form.given(f"{name}.url")
        if any(visit.form.get(f"{name}.name.{one['language']}") for one in texts):
            sent.append(row)
            documents.append({"name": texts, "url": address})
        elif address:
            entered.refuse(f"{name}.name.de", visit.gettext("Please say what the paper is called."))
    given = {
        "applicationProcess": rows.texts(visit, "applicationProcess", service["applicationProcessTexts"]),
        "requiredDocuments": documents,
    }
    if saved := await _save(visit, key, entered, given):
        return saved
    rows.refused_texts(visit, "applicationProcess")
    languages = rows.tags_of(visit)
    rows.refused_rows(visit, "requiredDocuments", sent, [*(f"name.{tag}" for tag in languages), "url"])
    return await steps_form(visit, key)


# --- Being referred -------------------------------------------------------------------------------------


@page("/entry/services/{key:str}/referring", roles=ORGANISATIONS)
async def referring_form(visit: Visit, key: str) -> Answer:
    """Show the form for how people are referred to a service, and what becomes of that."""
    service = await own_service(visit, key)
    facts = service["referralFacts"]
    said = [
        text
        for field in PHRASES.values()
        for phrase in _of(service, "referralFacts", field)
        for text in (phrase["texts"],)
    ]
    said += [_of(service, "referralFacts", field) for field in ("responseTexts", "feedbackDelayTexts")]
    tags = rows.tags_of(visit, *said)
    return visit.page(
        "partner/service_referring.html",
        service=service,
        facts=facts,
        tags=tags,
        more=rows.more_tags(tags),
        lines={
            name: {tag: rows.lines(_of(service, "referralFacts", field), tag) for tag in tags}
            for name, field in PHRASES.items()
        },
    )


@action("/entry/services/{key:str}/referring", roles=ORGANISATIONS)
async def change_referring(visit: Visit, key: str) -> Answer:
    """Change how people are referred to a service."""
    service = await own_service(visit, key)
    entered = Entered(visit)
    facts: dict[str, Any] = {
        "required": rows.yes_or_no(visit, "required"),
        "accepted": rows.yes_or_no(visit, "accepted"),
        "responseDays": entered.number("responseDays"),
        "response": rows.texts(visit, "response", _of(service, "referralFacts", "responseTexts", [])),
        "feedbackDays": entered.number("feedbackDays"),
        "feedbackDelay": rows.texts(
            visit, "feedbackDelay", _of(service, "referralFacts", "feedbackDelayTexts", [])
        ),
        **{
            name: rows.phrases(visit, name, _of(service, "referralFacts", field))
            for name, field in PHRASES.items()
        },
    }
    given = {"referralFacts": facts if _says_something(facts) else None}
    if saved := await _save(visit, key, entered, given):
        return saved
    _without(visit, "referralFacts")
    for name in PHRASES:
        rows.refused_phrases(visit, name)
    for name in ("response", "feedbackDelay"):
        rows.refused_texts(visit, name)
    return await referring_form(visit, key)


def _says_something(facts: dict[str, Any]) -> bool:
    """Whether anything is known: nothing said is no fact."""
    return any(value is not None and value is not False and value != [] for value in facts.values()) or any(
        facts.get(name) is False for name in ("required", "accepted", "childcare", "womenOnly", "regulated")
    )


def _without(visit: Visit, prefix: str) -> None:
    """Bring what is refused of a part to its fields, which bear their own names only."""
    for path in list(visit.errors):
        if path.startswith(f"{prefix}."):
            rows.move(visit, path, path.removeprefix(f"{prefix}."))


# --- A course -------------------------------------------------------------------------------------------


@page("/entry/services/{key:str}/course", roles=ORGANISATIONS)
async def course_form(visit: Visit, key: str) -> Answer:
    """Show the form for a course: its level, what it costs, and when it is held."""
    service = await own_service(visit, key)
    runs = _of(service, "course", "runs", [])
    tags = rows.tags_of(visit, *(run["noteTexts"] for run in runs))
    today = visit.today.isoformat()
    return visit.page(
        "partner/service_course.html",
        service=service,
        course=service["course"],
        cost=_euros(_of(service, "course", "costCents", None), visit),
        runs=runs,
        rows=min(rows.count(visit, "runs", len(runs)), MOST_RUNS),
        tags=tags,
        more=rows.more_tags(tags),
        past=[bool(run["startsOn"] and run["startsOn"] < today) for run in runs],
        levels=options("CefrLevel", visit.language, LEVELS),
    )


def _euros(cents: int | None, visit: Visit) -> str:
    """Return an amount as it is entered: 12,50 in German, 12.50 in English."""
    if cents is None:
        return ""
    said = f"{Decimal(cents) / 100:.2f}".removesuffix(".00")
    return said.replace(".", ",") if visit.language == "de" else said


def _cents(entered: Entered, visit: Visit, name: str) -> int | None:
    """Return an amount in cents, as it was entered in euros."""
    given = visit.form.get(name).replace("€", "").replace(" ", "").replace(",", ".")
    if not given:
        return None
    try:
        if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,2})?", given, re.ASCII):
            raise InvalidOperation
        return int(Decimal(given) * 100)
    except InvalidOperation:
        entered.refuse(name, visit.gettext("Please enter an amount in euros, for example 12.50; 0: free."))
        return None


@action("/entry/services/{key:str}/course", roles=ORGANISATIONS)
async def change_course(visit: Visit, key: str) -> Answer:
    """Change the facts of a course and when it is held."""
    service = await own_service(visit, key)
    entered = Entered(visit)
    sent, runs = _runs(entered, visit, _of(service, "course", "runs", []))
    facts: dict[str, Any] = {
        "levelFrom": entered.choice("levelFrom", "CefrLevel", required=False),
        "levelTo": entered.choice("levelTo", "CefrLevel", required=False),
        "lessons": entered.number("lessons"),
        "format": entered.choice("format", "CourseFormat", required=False),
        "childcare": rows.yes_or_no(visit, "childcare"),
        "womenOnly": rows.yes_or_no(visit, "womenOnly"),
        "exam": entered.text("exam"),
        "costCents": _cents(entered, visit, "cost"),
        "access": list(entered.choices("access", "CourseAccess")),
        "runs": runs,
        "repeats": entered.yes("repeats"),
    }
    given = {"course": facts if _says_something(facts) else None}
    if saved := await _save(visit, key, entered, given):
        return saved
    _without(visit, "course")
    rows.move(visit, "costCents", "cost")
    notes = tuple(f"note.{tag}" for tag in rows.tags_of(visit))
    rows.refused_rows(visit, "runs", sent, ("startsOn", "endsOn", "applyBy", "places", "full", *notes))
    return await course_form(visit, key)


def _runs(
    entered: Entered, visit: Visit, before: list[dict[str, Any]]
) -> tuple[list[int], list[dict[str, Any]]]:
    """Return the rows that were filled in, and the runs that they say."""
    sent: list[int] = []
    found: list[dict[str, Any]] = []
    for row in range(min(rows.count(visit, "runs", len(before)), MOST_RUNS)):
        name = f"runs.{row}"
        run: dict[str, Any] = {
            "startsOn": entered.day(f"{name}.startsOn", required=False),
            "endsOn": entered.day(f"{name}.endsOn", required=False),
            "applyBy": entered.day(f"{name}.applyBy", required=False),
            "places": entered.number(f"{name}.places"),
            "full": entered.yes(f"{name}.full"),
        }
        note = rows.texts(visit, f"{name}.note", before[row]["noteTexts"] if row < len(before) else [])
        if not note and not any(value not in (None, False) for value in run.values()):
            continue
        run["note"] = note
        sent.append(row)
        found.append(run)
    return sent, found


# --- Recognition and interpreting -----------------------------------------------------------------------


@page("/entry/services/{key:str}/recognition", roles=ORGANISATIONS)
async def recognition_form(visit: Visit, key: str) -> Answer:
    """Show the form for what a service recognises."""
    service = await own_service(visit, key)
    told = await visit.ask("read-vocabulary")
    known = {one["esco"]: (one["label"] or {}).get("text") or one["esco"] for one in told["occupations"]}
    chosen = _of(service, "recognition", "occupations")
    tags = rows.tags_of(visit, _of(service, "recognition", "competentBodyTexts"))
    return visit.page(
        "partner/service_recognition.html",
        service=service,
        facts=service["recognition"],
        occupations=sorted(
            [(esco, known.get(esco, esco)) for esco in dict.fromkeys((*known, *chosen))],
            key=lambda pair: pair[1].casefold(),
        ),
        tags=tags,
        more=rows.more_tags(tags),
    )


@action("/entry/services/{key:str}/recognition", roles=ORGANISATIONS)
async def change_recognition(visit: Visit, key: str) -> Answer:
    """Change what a service recognises."""
    service = await own_service(visit, key)
    facts = {
        "occupations": visit.form.all("occupations"),
        "regulated": rows.yes_or_no(visit, "regulated"),
        "competentBody": rows.texts(
            visit, "competentBody", _of(service, "recognition", "competentBodyTexts", [])
        ),
    }
    given = {"recognition": facts if _says_something(facts) else None}
    if saved := await _save(visit, key, Entered(visit), given):
        return saved
    _without(visit, "recognition")
    rows.refused_texts(visit, "competentBody")
    for path in list(visit.errors):
        if path.startswith("occupations."):
            rows.move(visit, path, "occupations")
    return await recognition_form(visit, key)


@page("/entry/services/{key:str}/interpreting", roles=ORGANISATIONS)
async def interpreting_form(visit: Visit, key: str) -> Answer:
    """Show the form for what a service interprets."""
    service = await own_service(visit, key)
    chosen = [one["language"] for one in _of(service, "interpreting", "languages")]
    return visit.page(
        "partner/service_interpreting.html",
        service=service,
        facts=service["interpreting"],
        chosen=list(dict.fromkeys(chosen)),
        spoken=sorted(
            [(tag, tongue(tag, visit.language)) for tag in dict.fromkeys((*SPOKEN, *chosen))],
            key=lambda pair: pair[1].casefold(),
        ),
    )


@action("/entry/services/{key:str}/interpreting", roles=ORGANISATIONS)
async def change_interpreting(visit: Visit, key: str) -> Answer:
    """Change what a service interprets; varieties of languages that stay ticked stay."""
    service = await own_service(visit, key)
    entered = Entered(visit)
    before = _of(service, "interpreting", "languages")
    languages: list[dict[str, Any]] = []
    for tag in visit.form.all("languages"):
        languages += [dict(one) for one in before if one["language"] == tag] or [{"language": tag}]
    facts = {
        "languages": languages,
        "modes": list(entered.choices("modes", "InterpretingMode")),
        "leadTimeHours": entered.number("leadTimeHours"),
    }
    given = {"interpreting": facts if _says_something(facts) else None}
    if saved := await _save(visit, key, entered, given):
        return saved
    _without(visit, "interpreting")
    for path in list(visit.errors):
        if path.startswith("languages."):
            rows.move(visit, path, "languages")
    return await interpreting_form(visit, key)


# --- The end --------------------------------------------------------------------------------------------


@page("/entry/services/{key:str}/end", roles=ORGANISATIONS)
async def end_form(visit: Visit, key: str) -> Answer:
    """Ask once more whether a service is to be hidden, or deleted for good."""
    return visit.page(
        "partner/service_end.html",
        service=await own_service(visit, key),
        deletes=visit.role in {Role.COORDINATOR, Role.LEAD},
    )


@action("/entry/services/{key:str}/hide", roles=ORGANISATIONS)
async def hide(visit: Visit, key: str) -> Answer:
    """Take a service out of sight."""
    await own_service(visit, key)
    if (await visit.change("hide-service", {"id": key})).done:
        return visit.go(f"/entry/services/{key}", said=visit.gettext("The service is out of sight."))
    return await end_form(visit, key)


@action("/entry/services/{key:str}/publish", roles=ORGANISATIONS)
async def publish(visit: Visit, key: str) -> Answer:
    """Let everybody find a service."""
    await own_service(visit, key)
    if (await visit.change("publish-service", {"id": key})).done:
        said = visit.gettext("The service is published. It can be found in a few seconds.")
        return visit.go(f"/entry/services/{key}", said=said)
    return await end_form(visit, key)


@action("/entry/services/{key:str}/delete", roles=COORDINATION)
async def delete(visit: Visit, key: str) -> Answer:
    """Delete a service for good; the coordination only."""
    await own_service(visit, key)
    entered = Entered(visit)
    given = {"id": key, "reason": entered.text("reason", required=True)}
    if entered.right and (await visit.change("delete-service", given)).done:
        return visit.go("/entry", said=visit.gettext("The service is deleted."))
    return await end_form(visit, key)
