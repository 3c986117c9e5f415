"""Own clients: found by name or phase, taken in, changed, moved between phases, matched with services.

A name is only ever sent in a form: addresses are kept by browsers and proxies.
"""

from __future__ import annotations

import base64
from typing import Any, Final

from directory.actors import Role
from graphapi.relay import global_id
from graphapi.web.entering import Entered
from graphapi.web.labels import tongue
from graphapi.web.pages.card import Days
from graphapi.web.routes import ORGANISATIONS, Entry, action, page
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit
from referrals.person import card_texts

PAGE: Final = 25
LANGUAGES: Final = (
    "ar", "de", "en", "fa", "fr", "kmr", "ckb", "ps", "ru", "so", "sq", "sr", "ti", "tr", "uk", "ur", "am",
    "es",
)  # fmt: skip
"""Languages offered first; any other tag that a client has is offered for this client too."""
NOTICE_LANGUAGES: Final = ("de", "en", "ar", "fa", "uk", "ru", "fr", "ti", "tr", "so")
"""Languages that the notices before a consent and about § 87 AufenthG are written in."""
CARD_LANGUAGES: Final = (*NOTICE_LANGUAGES, *sorted(card_texts.LANGUAGES - set(NOTICE_LANGUAGES)))
"""Languages that a person's own page speaks."""

MATCHED_BY: Final = ("topics", "text", "kinds", "childcare", "womenOnly", "placeNeeded")
"""What of the form of a match is kept when its next page is asked for."""


async def topics_of(visit: Visit) -> dict[str, str]:
    """Return the words for the codes of topics."""
    found = (await visit.ask("read-vocabulary"))["topics"]
    return {
        one["topic"]["code"]: (one["topic"]["label"] or {}).get("text") or one["topic"]["code"]
        for one in found
    }


async def colleagues_of(visit: Visit) -> dict[str, str]:
    """Return the names of the own organisation's members by id."""
    partner = (await visit.ask("who-am-i"))["me"]["partner"]
    if partner is None:
        return {}
    return {one["id"]: one["name"] for one in await visit.find("browse-colleagues", partnerId=partner["id"])}


@page(
    "/clients",
    roles=ORGANISATIONS,
    entry=Entry(N_("Clients"), N_("Everybody you work with: phase, needs, next steps"), 12),
)
async def clients(visit: Visit) -> Answer:
    """List own clients by phase and who looks after them."""
    wanted: dict[str, Any] = {}
    if phase := visit.query.given("phase"):
        wanted["phases"] = [phase]
    if responsible := visit.query.given("responsibleId"):
        wanted["responsibleId"] = responsible
    if need := visit.query.given("need"):
        wanted["need"] = need
    return await _listed(visit, wanted, visit.query.given("after"))


@action("/clients/find", roles=ORGANISATIONS)
async def find_client(visit: Visit) -> Answer:
    """Find by name: sent in the form, so that no address holds it."""
    return await _listed(visit, {"name": visit.form.get("name")[:200] or None}, None)


async def _listed(visit: Visit, wanted: dict[str, Any], after: str | None) -> Answer:
    found = await visit.find("find-clients", filter=wanted, first=PAGE, after=after)
    counts = (await visit.ask("count-clients"))["clientPhaseCounts"]
    return visit.page(
        "coordinator/clients.html",
        status=200,
        found=found,
        counts=counts,
        topics=await topics_of(visit),
        colleagues=await colleagues_of(visit),
        by_name="name" in wanted,
        leads=visit.actor.role is Role.LEAD,
    )


@page("/clients/new", roles=ORGANISATIONS)
async def new_client(visit: Visit) -> Answer:
    """Show the notice about § 87 AufenthG first where it is due, then the form."""
    language = visit.form.get("noticeLanguage") or visit.query.get("noticeLanguage", "de")
    notice = (await visit.ask("read-section-87-notice", language=language))["section87Notice"]
    return await _form(visit, None, notice)


async def _form(visit: Visit, client: dict[str, Any] | None, notice: Any = None) -> Answer:
    topics, colleagues = await topics_of(visit), await colleagues_of(visit)
    spoken = [*LANGUAGES, *(tag for tag in (client or {}).get("languages", ()) if tag not in LANGUAGES)]
    return visit.page(
        "coordinator/client_form.html",
        client=client,
        notice=notice,
        notice_languages=NOTICE_LANGUAGES,
        topics=topics,
        colleagues=colleagues,
        oneself=global_id("Member", visit.actor.member_id) if visit.actor.member_id else "",
        spoken=[(tag, tongue(tag, visit.language)) for tag in spoken],
    )


def _lines(visit: Visit, name: str) -> list[str]:
    return [line.strip() for line in visit.form.get(name).splitlines() if line.strip()]


def _entered(visit: Visit, entered: Entered) -> dict[str, Any]:
    form = visit.form
    return {
        "identity": {
            "familyName": form.get("identity.familyName"),
            "givenNames": form.given("identity.givenNames"),
            "otherNames": _lines(visit, "identity.otherNames"),
            "dateOfBirth": entered.day("identity.dateOfBirth", required=False),
        },
        "contact": {
            "phone": form.given("contact.phone"),
            "email": form.given("contact.email"),
            "address": form.given("contact.address"),
        },
        "profile": {
            "competences": _lines(visit, "profile.competences"),
            "qualifications": _lines(visit, "profile.qualifications"),
            "experience": _lines(visit, "profile.experience"),
            "documents": _lines(visit, "profile.documents"),
            "workPermission": entered.choice("profile.workPermission", "WorkPermission", required=False)
            or "ASK",
            "level": entered.choice("profile.level", "CefrLevel", required=False),
            "familyCare": form.given("profile.familyCare"),
            "health": form.given("profile.health"),
        },
        "languages": form.all("languages"),
        "needs": form.all("needs"),
        "residenceStatus": entered.choice("residenceStatus", "ResidenceStatus", required=False),
        "statusValidUntil": entered.day("statusValidUntil", required=False),
        "legalCircle": entered.choice("legalCircle", "LegalCircle", required=False),
    }


def _looking_after(visit: Visit) -> dict[str, Any]:
    return {name: visit.form.given(name) for name in ("responsibleId", "deputyId") if name in visit.form}


@action("/clients/new", roles=ORGANISATIONS)
async def take_in(visit: Visit) -> Answer:
    """Take a person in."""
    entered = Entered(visit)
    given = _entered(visit, entered) | _looking_after(visit)
    if sha := visit.form.get("notice.sha256"):
        if not entered.yes("noticeShown"):
            entered.refuse("noticeShown", visit.gettext("Please show the notice before you enter anything."))
        given["section87Notice"] = {
            "notice": {
                "textId": visit.form.get("notice.textId"),
                "version": visit.form.get("notice.version"),
                "sha256": sha,
                "language": visit.form.get("noticeLanguage"),
            },
            "shownAt": visit.now.isoformat(),
        }
    if not given["identity"]["familyName"]:
        entered.refuse("identity.familyName", visit.gettext("Please fill this in."))
    if not entered.right:
        return await new_client(visit)
    outcome = await visit.change("take-in-client", given)
    if not outcome.done:
        return await new_client(visit)
    return visit.go(
        f"/clients/{outcome.payload['client']['id']}", said=visit.gettext("The person was taken in.")
    )


@page("/clients/{id:str}", roles=ORGANISATIONS)
async def client(visit: Visit, id: str) -> Answer:  # noqa: A002 - as in the address
    """Show one client: what is known, what is due, what was begun."""
    found = await visit.find("read-client", id=id)
    topics = await topics_of(visit)
    return visit.page(
        "coordinator/client.html",
        client=found,
        card_languages=[(tag, tongue(tag, visit.language)) for tag in CARD_LANGUAGES],
        leads=visit.actor.role is Role.LEAD,
        needs=", ".join(topics.get(need, need) for need in found["needs"]),
        spoken=", ".join(tongue(tag, visit.language) for tag in found["languages"]),
        colleagues=await colleagues_of(visit),
    )


@page("/clients/{id:str}/change", roles=ORGANISATIONS)
async def changing(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Show what is kept, to be changed."""
    return await _form(visit, await visit.find("read-client", id=id))


@action("/clients/{id:str}/change", roles=ORGANISATIONS)
async def change(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Change what is kept."""
    entered = Entered(visit)
    given = {"id": id, **_entered(visit, entered), **_looking_after(visit)}
    if not given["identity"]["familyName"]:
        entered.refuse("identity.familyName", visit.gettext("Please fill this in."))
    if not entered.right or not (await visit.change("change-client", given)).done:
        return await changing(visit, id)
    return visit.go(f"/clients/{id}", said=visit.gettext("The changes were saved."))


@action("/clients/{id:str}/phase", roles=ORGANISATIONS)
async def move_phase(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Move into another phase."""
    phase = Entered(visit).choice("phase", "ClientPhase")
    if phase is None or not (await visit.change("move-client-phase", {"id": id, "phase": phase})).done:
        return await client(visit, id)
    return visit.go(f"/clients/{id}", said=visit.gettext("The phase was changed."))


@page("/clients/{id:str}/match", roles=ORGANISATIONS)
async def match(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Rank services for what is known of a client, which goes to the schema and never into an address."""
    return await _matched(visit, id)


@action("/clients/{id:str}/match", roles=ORGANISATIONS)
async def match_again(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Rank for what was chosen: needs and wishes are sent in the form, so that no address holds them."""
    return await _matched(visit, id)


async def _matched(visit: Visit, id: str) -> Answer:  # noqa: A002
    person = await visit.find("read-client", id=id)
    topics = await topics_of(visit)
    chosen = visit.form.all("topics") if visit.form else person["needs"]
    profile: dict[str, Any] = {
        "residenceStatus": person["residenceStatus"],
        "statusValidUntil": person["statusValidUntil"],
        "legalCircle": person["legalCircle"],
        "languages": person["languages"],
        "level": person["profile"]["level"],
        "workPermission": person["profile"]["workPermission"],
        "childcare": visit.form.get("childcare") == "true",
        "womenOnly": visit.form.get("womenOnly") == "true",
        "placeNeeded": visit.form.get("placeNeeded") == "true",
    }
    wanted: dict[str, Any] = {
        "profile": profile,
        "text": visit.form.get("text")[:200],
        "filters": {"topics": chosen, "kinds": visit.form.all("kinds")},
    }
    found = await visit.find("match-services", input=wanted, first=10, after=visit.form.given("after"))
    kept = [(name, value) for name, value in visit.form.pairs() if name in MATCHED_BY and value]
    return visit.page(
        "coordinator/match.html",
        client=person,
        found=found,
        topics=topics,
        chosen=chosen,
        kept=kept or [("topics", code) for code in chosen],
    )


@action("/clients/{id:str}/card/end", roles=ORGANISATIONS)
async def end_card(visit: Visit, id: str) -> Answer:  # noqa: A002
    """End the code card of a person who has lost it."""
    if not (await visit.change("revoke-code-card", {"clientId": id})).done:
        return await client(visit, id)
    return visit.go(f"/clients/{id}", said=visit.gettext("The card has ended: its code opens nothing."))


@page("/clients/{id:str}/kept", roles=ORGANISATIONS)
async def everything_kept(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Return everything kept about a person, to hand to them (Art. 15, 20 GDPR); it is recorded."""
    wanted = "JSON" if visit.query.get("format") == "JSON" else "PDF"
    made = await visit.find("export-access", clientId=id, format=wanted, language=visit.language)
    body = base64.b64decode(made["base64"]) if made["base64"] else made["text"]
    name = "kept.json" if wanted == "JSON" else "kept.pdf"
    return Answer(
        body=body,
        kind=made["mediaType"],
        headers={"content-disposition": f'attachment; filename="{name}"'},
        personal=True,
    )


@action("/clients/{id:str}/card", roles=ORGANISATIONS)
async def code_card(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Make a code card for the person; the code is shown once, here. An earlier card ends."""
    language = visit.form.get("cardLanguage")
    known = language if language in CARD_LANGUAGES else "de"
    outcome = await visit.change("issue-code-card", {"clientId": id, "language": known})
    if not outcome.done:
        return await client(visit, id)
    texts = card_texts.texts_in(known)
    return visit.page(
        "coordinator/code_card.html",
        id=id,
        card=outcome.payload,
        spoken=texts.language,
        say=texts.say,
        until=Days(texts.language).day(outcome.payload["expiresAt"]),
    )
