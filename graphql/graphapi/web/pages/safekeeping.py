"""What only a lead does with a person's data: exclusion from support, hold on deletion, erasing for good."""

from __future__ import annotations

from typing import Any, Final

from graphapi.web.entering import Entered
from graphapi.web.pages.clients import colleagues_of
from graphapi.web.routes import LEADS, action, page
from graphapi.web.running import Stopped
from graphapi.web.visiting import Answer, Visit
from referrals.personal_data.access import period_text
from referrals.personal_data.retention import BY_KEY

STAYS: Final = ("client-skeleton", "referral", "consent", "audit")
"""Classes of what outlives an erased person, each with its reason in law."""


@page("/clients/{id:str}/safekeeping", roles=LEADS)
async def safekeeping(visit: Visit, id: str) -> Answer:  # noqa: A002 - as in the address
    """Show whether the person is excluded, what holds deletion up, and where erasing begins."""
    person = await visit.find("read-client", id=id)
    exclusion = (await visit.find("read-exclusion", id=id))["exclusion"]
    holds = await visit.find("browse-legal-holds", first=100)
    sent = {one["id"]: one for one in person["referrals"]["nodes"]}
    return visit.page(
        "lead/safekeeping.html",
        client=person,
        exclusion=exclusion,
        colleagues=await colleagues_of(visit),
        holds=[one for one in holds if one["clientId"] == id],
        sent=sent,
        referrals=[(key, _called(visit, one)) for key, one in sent.items()],
    )


def _called(visit: Visit, referral: dict[str, Any]) -> str:
    service = referral["service"]
    name = service["title"]["text"] if service else visit.gettext("Referral")
    return f"{name} ({referral['stateLabel']})"


@action("/clients/{id:str}/safekeeping/{name:str}", roles=LEADS)
async def keep(visit: Visit, id: str, name: str) -> Answer:  # noqa: A002
    """Exclude, lift the exclusion, hold deletion up, or let it go on."""
    entered = Entered(visit)
    if name == "exclude":
        said = visit.gettext("The exclusion is recorded.")
        document, given = "exclude-client", {"id": id, "decidedOn": entered.day("decidedOn")}
        if not entered.yes("sure"):
            entered.refuse("sure", visit.gettext("Please confirm."))
    elif name == "lift":
        said = visit.gettext("The exclusion is lifted; nothing of it is kept.")
        document, given = "lift-exclusion", {"id": id}
    elif name == "hold":
        said = visit.gettext("Deletion is held.")
        document = "set-legal-hold"
        given = {
            "clientId": id,
            "reason": entered.choice("reason", "HoldReason"),
            "until": entered.day("until"),
            "referralId": visit.form.given("referralId"),
        }
    elif name == "release":
        said = visit.gettext("Deletion goes on.")
        document, given = "lift-legal-hold", {"id": visit.form.get("holdId")}
    else:
        raise Stopped(404, "NOT_FOUND")
    if entered.right and (await visit.change(document, given)).done:
        return visit.go(f"/clients/{id}/safekeeping", said=said)
    return await safekeeping(visit, id)


@page("/clients/{id:str}/erase", roles=LEADS)
async def erasing(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Say what erasing takes away for good, and what stays by law and why; then ask once more."""
    person = await visit.find("read-client", id=id)
    tongue = visit.language
    return visit.page(
        "lead/erase.html",
        client=person,
        stays=[
            {
                "what": entry.what[tongue],
                "period": period_text(entry)[tongue],
                "since": entry.since[tongue],
                "reason": entry.reason[tongue],
            }
            for entry in (BY_KEY[key] for key in STAYS)
        ],
    )


@action("/clients/{id:str}/erase", roles=LEADS)
async def erase(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Erase the person."""
    entered = Entered(visit)
    if not entered.yes("sure"):
        entered.refuse("sure", visit.gettext("Please confirm."))
    if entered.right and (await visit.change("erase-client", {"id": id})).done:
        return visit.go("/clients", said=visit.gettext("The person was erased."))
    visit.errors = {name if name == "sure" else "": text for name, text in visit.errors.items()}
    return await erasing(visit, id)
