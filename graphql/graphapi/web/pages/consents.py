"""One consent of a client: read, record, renew, withdraw for the person, print the receipt."""

from __future__ import annotations

from typing import Any

from graphapi.web.entering import Entered
from graphapi.web.labels import tongue
from graphapi.web.pages.clients import NOTICE_LANGUAGES
from graphapi.web.pages.referring import notice_language, printed, record_values, recorded
from graphapi.web.routes import ORGANISATIONS, action, page
from graphapi.web.running import Stopped
from graphapi.web.visiting import Answer, Visit


@page("/consents/{id:str}", roles=ORGANISATIONS)
async def consent(visit: Visit, id: str) -> Answer:  # noqa: A002 - as in the address
    """Show a consent: undecided, to be recorded; given, to be renewed or withdrawn."""
    found = await visit.find("read-consent", id=id)
    if found["clientId"] is None:
        raise Stopped(404, "NOT_FOUND")
    back = f"/clients/{found['clientId']}"
    if found["state"] != "REQUESTED":
        return visit.page(
            "coordinator/consent_kept.html",
            consent=found,
            back=back,
            purposes_given=[(p["purpose"], p["purposeLabel"]) for p in found["purposes"] if p["granted"]],
            tongues=[(tag, tongue(tag, visit.language)) for tag in NOTICE_LANGUAGES],
            read_in=_read_in(found),
        )
    shown = await _shown(visit, found)
    return visit.page(
        "coordinator/consent.html",
        **record_values(visit, {**found, **shown}, shown["notice"]),
        base=f"/consents/{id}",
        back=back,
    )


def _read_in(consent: dict[str, Any]) -> str:
    """Return the language in which the person has read what they agreed to."""
    language = consent["record"]["notice"]["language"] if consent["record"] else "de"
    return language if language in NOTICE_LANGUAGES else "de"


async def _shown(visit: Visit, consent: dict[str, Any]) -> dict[str, Any]:
    person = await visit.find("read-client", id=consent["clientId"])
    found: dict[str, Any] = await visit.find(
        "read-consent-notice", id=consent["id"], language=notice_language(visit, person["languages"])
    )
    return found


@page("/consents/{id:str}/print", roles=ORGANISATIONS)
async def consent_printed(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Return the notice as PDF."""
    found = await visit.find("read-consent", id=id)
    notice = (await _shown(visit, found))["notice"] if found["clientId"] else None
    if notice is None:
        raise Stopped(404, "NOT_FOUND")
    return printed(notice["pages"])


@action("/consents/{id:str}", roles=ORGANISATIONS)
async def record(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Record what the person decided."""
    if not await recorded(visit):
        if (await visit.find("read-consent", id=id))["state"] != "REQUESTED":
            visit.errors = {"": visit.gettext("The decision was recorded meanwhile.")}
        return await consent(visit, id)
    return visit.go(f"/consents/{id}", said=visit.gettext("The decision was recorded."))


@action("/consents/{id:str}/renew", roles=ORGANISATIONS)
async def renew(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Ask for the same again; the new record replaces this one once it is given."""
    outcome = await visit.change("renew-consent", {"id": id})
    if not outcome.done:
        return await consent(visit, id)
    return visit.go(f"/consents/{outcome.payload['consent']['id']}")


@action("/consents/{id:str}/withdraw", roles=ORGANISATIONS)
async def withdraw(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Withdraw for the person, all of it or one purpose; access ends at once."""
    entered = Entered(visit)
    purpose = entered.choice("purpose", "Purpose", required=False)
    given: dict[str, Any] = {
        "id": id,
        "channel": entered.choice("channel", "Channel"),
        "scope": "PURPOSE" if purpose else "ALL",
        "purpose": purpose,
        "language": visit.form.get("language", "de"),
    }
    if not entered.yes("sure"):
        entered.refuse("sure", visit.gettext("Please confirm."))
    if not entered.right or not (await visit.change("withdraw-consent", given)).done:
        return await consent(visit, id)
    return visit.go(f"/consents/{id}", said=visit.gettext("The consent was withdrawn. Access has ended."))


@page("/consents/{id:str}/receipt", roles=ORGANISATIONS)
async def receipt(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Return the receipt of a withdrawal as PDF, in the person's language."""
    found = await visit.find("read-withdrawal-receipt", id=id)
    if found["withdrawalReceipt"] is None:
        raise Stopped(404, "NOT_FOUND")
    return printed(found["withdrawalReceipt"]["pages"])
