"""From a client and a service to a referral that is sent: depth, package, consent, sending.

The draft is the state: every step can be left and taken up again from the referral's page.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from graphapi.web.entering import Entered
from graphapi.web.labels import options, tongue
from graphapi.web.pages.clients import LANGUAGES, NOTICE_LANGUAGES, topics_of
from graphapi.web.routes import ORGANISATIONS, action, page
from graphapi.web.running import Stopped
from graphapi.web.visiting import Answer, Visit

USUAL: Final = ("IDENTITY", "CONTACT", "LANGUAGE", "NEEDS")
"""Categories that are ticked at first, where the recipient may have them."""
UNSENT: Final = frozenset({"DRAFT", "AWAITING_CONSENT"})


@page("/clients/{id:str}/refer", roles=ORGANISATIONS)
async def refer(visit: Visit, id: str) -> Answer:  # noqa: A002 - as in the address
    """Let the depth be chosen: information, signpost, booking or referral."""
    chosen = visit.form.get("serviceId") or visit.query.get("service")
    person = await visit.find("read-client", id=id)
    service = await visit.find("read-service", id=chosen)
    needed = (await visit.ask("prepare-referral", clientId=id, serviceId=chosen, categories=["IDENTITY"]))[
        "referralRequirements"
    ]
    categories = [pair for pair in options("DataCategory", visit.language) if pair[0] not in needed["never"]]
    topics = await topics_of(visit)
    first = [code for code in person["needs"] if code in topics]
    return visit.page(
        "coordinator/refer.html",
        client=person,
        service=service,
        needed=needed,
        categories=categories,
        usual=[code for code in USUAL if code not in needed["never"]],
        topics=[(code, topics[code]) for code in first]
        + sorted(((c, t) for c, t in topics.items() if c not in first), key=lambda pair: pair[1]),
        spoken=[(tag, tongue(tag, visit.language)) for tag in person["languages"]],
    )


@action("/clients/{id:str}/refer", roles=ORGANISATIONS)
async def draft(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Begin a referral: a draft, nothing leaves."""
    entered = Entered(visit)
    given = {
        "clientId": id,
        "serviceId": visit.form.get("serviceId"),
        "topic": entered.text("topic", required=True),
        "categories": list(entered.choices("categories", "DataCategory", required=True)),
        "priority": entered.choice("priority", "Priority"),
        "language": visit.form.given("language"),
        "fileNumber": visit.form.given("fileNumber"),
    }
    if not entered.right:
        return await refer(visit, id)
    outcome = await visit.change("draft-referral", given)
    if not outcome.done:
        return await refer(visit, id)
    saved = outcome.payload["referral"]["id"]
    return visit.go(f"/referrals/{saved}", said=visit.gettext("The draft was saved. Nothing was sent yet."))


@action("/clients/{id:str}/book", roles=ORGANISATIONS)
async def book(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Ask for an interpreter: no name leaves."""
    entered = Entered(visit)
    given = {
        "serviceId": visit.form.get("serviceId"),
        "language": entered.text("bookingLanguage", required=True),
        "mode": entered.choice("mode", "InterpretingMode"),
        "startsAt": entered.moment("startsAt"),
        "minutes": entered.number("minutes", required=True),
        "place": visit.form.given("place"),
        "genderWish": entered.choice("genderWish", "GenderWish"),
        "lateReason": entered.choice("lateReason", "LateReason", required=False),
    }
    if not entered.right or not (await visit.change("request-booking", given)).done:
        return await refer(visit, id)
    return visit.go(f"/clients/{id}", said=visit.gettext("The interpreter was asked for. No name was sent."))


async def draft_values(visit: Visit, referral: dict[str, Any], topics: dict[str, str]) -> dict[str, Any]:
    """Return what the page of a draft shows: what the partner would see, and which consent there is."""
    needed = (
        await visit.ask(
            "prepare-referral",
            clientId=referral["clientId"],
            serviceId=referral["service"]["id"],
            categories=referral["categories"],
            reportDepth="NOTHING",
        )
    )["referralRequirements"]
    person = await visit.find("read-client", id=referral["clientId"])
    return {
        "needed": needed,
        "client": person,
        "needs": ", ".join(topics.get(need, need) for need in needed["preview"]["person"]["needs"]),
        "spoken": ", ".join(tongue(tag, visit.language) for tag in needed["preview"]["person"]["languages"]),
        "latest": (visit.today + timedelta(days=360)).isoformat(),
        "open_consent": _open_consent(person, referral),
        "covered": bool(needed["consentId"]) and not needed["missing"],
        "categories": [
            pair for pair in options("DataCategory", visit.language) if pair[0] not in needed["never"]
        ],
    }


def _open_consent(person: dict[str, Any], referral: dict[str, Any]) -> dict[str, Any] | None:
    """Return the consent that was put before the person for just this, if it is undecided."""
    wanted = set(referral["categories"])
    for one in person["consents"]:
        named = {recipient["partnerId"] for recipient in one["recipients"]}
        if one["state"] != "REQUESTED" or referral["recipient"]["id"] not in named:
            continue
        asked = next((p for p in one["purposes"] if p["purpose"] == "REFERRAL"), None)
        if asked is not None and wanted <= set(asked["categories"]):
            return dict(one)
    return None


async def _own_draft(visit: Visit, id: str) -> dict[str, Any]:  # noqa: A002
    referral: dict[str, Any] = await visit.find("read-referral", id=id)
    if referral["state"] not in UNSENT or referral["seenAs"] != "SENDER" or not referral["service"]:
        raise Stopped(404, "NOT_FOUND")
    return referral


@action("/referrals/{id:str}/package", roles=ORGANISATIONS)
async def change_package(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Change what the partner is to see."""
    entered = Entered(visit)
    given = {"id": id, "categories": list(entered.choices("categories", "DataCategory", required=True))}
    if not entered.right or not (await visit.change("change-draft-referral", given)).done:
        return await _again(visit, id)
    return visit.go(f"/referrals/{id}", said=visit.gettext("The package was changed."))


async def _again(visit: Visit, id: str) -> Answer:  # noqa: A002
    from graphapi.web.pages.referrals import referral

    return await referral(visit, id)


@action("/referrals/{id:str}/consent/request", roles=ORGANISATIONS)
async def ask_consent(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Put a consent before the person for just this referral; nothing is shared by it."""
    referral = await _own_draft(visit, id)
    entered = Entered(visit)
    purposes: list[dict[str, Any]] = [{"purpose": "REFERRAL", "categories": referral["categories"]}]
    depth = entered.choice("reportDepth", "ReportDepth")
    if depth not in {None, "NOTHING"}:
        purposes.append({"purpose": "REPORT_BACK", "reportDepth": depth})
    ends = entered.day("endsOn", required=False)
    for one in entered.choices("purposes", "Purpose"):
        again = one in {"FOLLOW_UP_28_DAYS", "FOLLOW_UP_6_MONTHS"}
        if again and ends is None:
            entered.refuse("endsOn", visit.gettext("Please enter a day."))
        purposes.append({"purpose": one, "endsOn": ends} if again else {"purpose": one})
    if not entered.right:
        return await _again(visit, id)
    asked = await visit.change(
        "request-consent",
        {
            "clientId": referral["clientId"],
            "recipientIds": [referral["recipient"]["id"]],
            "purposes": purposes,
        },
    )
    if not asked.done:
        return await _again(visit, id)
    if "AWAIT_CONSENT" in referral["allowedMoves"]:
        waits = {
            "id": id,
            "expectedVersion": referral["version"],
            "consentId": asked.payload["consent"]["id"],
        }
        if not (await visit.change("await-consent", waits)).done:
            return await _again(visit, id)
    return visit.go(f"/referrals/{id}/consent")


async def _notice(visit: Visit, id: str) -> tuple[dict[str, Any], dict[str, Any], Any]:  # noqa: A002
    referral = await _own_draft(visit, id)
    person = await visit.find("read-client", id=referral["clientId"])
    consent = _open_consent(person, referral)
    if consent is None:
        raise Stopped(404, "NOT_FOUND")
    shown = await visit.find(
        "read-consent-notice", id=consent["id"], language=notice_language(visit, person["languages"])
    )
    return referral, {**consent, **shown}, shown["notice"]


def notice_language(visit: Visit, spoken: Sequence[str]) -> str:
    """Return the language to show a notice in: the one asked for, else the first that the person speaks."""
    asked = visit.form.get("noticeLanguage") or visit.query.get("noticeLanguage")
    return next((tag for tag in (asked, *spoken) if tag in NOTICE_LANGUAGES), "de")


@page("/referrals/{id:str}/consent", roles=ORGANISATIONS)
async def consent_page(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Read the notice with the person, print it, and record what they decide."""
    referral, consent, notice = await _notice(visit, id)
    told = await visit.find("read-consent", id=consent["id"])
    return visit.page(
        "coordinator/consent.html",
        **record_values(visit, {**told, **consent}, notice),
        base=f"/referrals/{id}/consent",
        back=f"/referrals/{referral['id']}",
    )


def record_values(visit: Visit, consent: dict[str, Any], notice: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown to read a notice together and to record the decision."""
    return {
        "consent": consent,
        "purposes": [(one["purpose"], one["purposeLabel"]) for one in consent["purposes"]],
        "notice": notice,
        "notice_languages": NOTICE_LANGUAGES,
        "section_87": any(part["key"] == "SECTION_87" for part in notice["sections"]),
        "releases": consent["releases"],
        "spoken": [(tag, tongue(tag, visit.language)) for tag in LANGUAGES],
    }


def printed(pages: dict[str, Any]) -> Answer:
    """Return pages to print as what they are (PDF)."""
    return Answer(
        body=base64.b64decode(pages["base64"]),
        kind=pages["mediaType"],
        headers={"content-disposition": 'inline; filename="consent.pdf"'},
        personal=True,
    )


@page("/referrals/{id:str}/consent/print", roles=ORGANISATIONS)
async def consent_print(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Return the notice as PDF, to print and to sign."""
    return printed((await _notice(visit, id))[2]["pages"])


async def recorded(visit: Visit) -> bool:
    """Record what the person decided, purpose by purpose; tells whether that was possible."""
    form, entered = visit.form, Entered(visit)
    kind = entered.choice("interpreter.kind", "InterpreterKind", required=False)
    speaks = form.given("interpreter.language")
    if kind and not speaks:
        entered.refuse("interpreter.language", visit.gettext("Please choose."))
    record: dict[str, Any] = {
        "notice": {
            "textId": form.get("notice.textId"),
            "version": form.get("notice.version"),
            "sha256": form.get("notice.sha256"),
            "language": form.get("noticeLanguage"),
            "readAloud": entered.yes("readAloud"),
        },
        "medium": entered.choice("medium", "ConsentMedium"),
        "givenBy": entered.choice("givenBy", "GivenBy"),
        "noDisadvantageShown": entered.yes("record.noDisadvantageShown"),
        "section87NoticeAt": visit.now.isoformat() if entered.yes("record.section87NoticeAt") else None,
        "interpreter": {"kind": kind, "language": speaks} if kind else None,
    }
    given: dict[str, Any] = {
        "id": form.get("consentId"),
        "granted": list(entered.choices("granted", "Purpose")),
        "record": record,
        "released": entered.yes("released"),
        "evidence": {
            "reference": form.given("evidence.reference"),
            "witness": form.given("evidence.witness"),
            "representative": form.given("evidence.representative"),
            "representationProof": form.given("evidence.representationProof"),
        },
    }
    decision = form.get("decision")
    if decision not in {"agrees", "refuses"}:
        entered.refuse("decision", visit.gettext("Please choose."))
    elif decision == "refuses":
        given["granted"] = []
    elif not given["granted"]:
        entered.refuse("granted", visit.gettext("Please choose."))
    return entered.right and (await visit.change("record-consent", given)).done


@action("/referrals/{id:str}/consent", roles=ORGANISATIONS)
async def record_consent(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Record the decision on the consent for a draft."""
    if not await recorded(visit):
        return await consent_page(visit, id)
    return visit.go(f"/referrals/{id}", said=visit.gettext("The decision was recorded."))


@action("/referrals/{id:str}/send", roles=ORGANISATIONS)
async def send(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Send: the partner gets exactly what the person agreed to."""
    reason = Entered(visit).choice("capacityReason", "CapacityReason", required=False)
    given = {"id": id, "consentId": visit.form.given("consentId"), "capacityReason": reason}
    if not (await visit.change("send-referral", given)).done:
        return await _again(visit, id)
    return visit.go(f"/referrals/{id}", said=visit.gettext("The referral was sent."))
