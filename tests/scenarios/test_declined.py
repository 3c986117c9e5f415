"""Scenario 5: a partner declines; the follow-up goes to the next best service, with a new consent."""

from __future__ import annotations

from typing import Any

from tests.scenarios.conftest import COTTBUS, Demo
from tests.scenarios.declared import REPORT_BACK, explained

PACKAGE = ["IDENTITY", "LANGUAGE", "LEVEL", "FAMILY_CARE"]
SITUATION = {
    "residenceStatus": "SECTION_104C",
    "statusValidUntil": "2027-06-22",
    "residence": COTTBUS,
    "level": "A2",
    "wishedLevel": "B1",
    "childcare": True,
    "gender": "WOMAN",
    "placeNeeded": True,
}


async def fitting(network: Demo) -> list[str]:
    """Return the keys of what fits her, the best first."""
    found = await network.ask(
        "find-fitting-services",
        "coordinator",
        input={
            "text": "Deutsch B1 Kinderbetreuung",
            "filters": {"topics": ["language-course"], "course": {"levelTo": "B1", "childcare": True}},
            "situation": SITUATION,
            "onlyFitting": True,
        },
    )
    return [network.key(hit["node"]["id"]) for hit in found["edges"] if hit["answer"] == "FITS"]


async def consent_to(network: Demo, client: str, partner: str, **given: Any) -> Any:
    """Let her consent to one recipient."""
    asked = await network.changed(
        "request-consent",
        "coordinator",
        clientId=client,
        recipientIds=[network.partner(partner)],
        purposes=[{"purpose": "REFERRAL", "categories": PACKAGE}, REPORT_BACK],
    )
    notice = await network.shown("coordinator", asked, "ru")
    record = explained(notice, section_87=network.clock.now)
    return await network.moved(
        "record-consent", "coordinator", asked, granted=["REFERRAL", "REPORT_BACK"], record=record
    )


async def test_the_next_best_gets_it_with_a_new_consent(network: Demo) -> None:
    best = await fitting(network)
    assert set(best) == {"vhs-b1-kinder-vormittag", "frauen-b1-kinder"}
    client = await network.changed(
        "take-in-client",
        "coordinator",
        identity={"familyName": "Testperson Fünf"},
        profile={"level": "A2", "familyCare": "Ein Kind, drei Jahre."},
        residenceStatus="SECTION_104C",
        statusValidUntil="2027-06-22",
        languages=["ru"],
        needs=["language-course", "childcare"],
    )
    first = await consent_to(network, client["id"], "volkshochschule")
    draft = await network.changed(
        "draft-referral",
        "coordinator",
        clientId=client["id"],
        serviceId=network.service("vhs-b1-kinder-vormittag"),
        topic="language-course",
        categories=PACKAGE,
    )
    sent = await network.moved("send-referral", "coordinator", draft, consentId=first["id"])

    network.clock.move_to(2026, 11, 25)
    declined = await network.moved(
        "record-partner-answer",
        "coordinator",
        sent,
        source="PHONE",
        on="2026-11-25",
        answer={
            "decline": {
                "reason": "NO_CAPACITY",
                "betterServiceId": network.service("frauen-b1-kinder"),
                "note": "Kinderbetreuung ist voll.",
            }
        },
    )
    assert declined["stateLabel"] == "abgelehnt"
    assert declined["declineReason"] == "NO_CAPACITY"
    assert declined["betterService"]["title"]["text"] == "Deutsch B1 nur für Frauen, mit Kinderbetreuung"
    assert "FOLLOW_UP" not in declined["allowedMoves"]

    follow_up = await network.changed(
        "follow-up-referral", "coordinator", id=sent["id"], serviceId=declined["betterService"]["id"]
    )
    assert follow_up["stateLabel"] == "Entwurf"
    assert follow_up["parent"]["id"] == sent["id"]
    assert follow_up["parent"]["declineReason"] == "NO_CAPACITY"
    assert follow_up["categories"] == PACKAGE
    assert follow_up["topic"] == "language-course"

    # what she allowed the first course does not reach the second one
    refused = await network.change(
        "send-referral",
        "coordinator",
        id=follow_up["id"],
        expectedVersion=follow_up["version"],
        consentId=first["id"],
    )
    assert refused["__typename"] == "ConsentMissingProblem"
    assert refused["missing"] == ["RECIPIENT"]
    assert (await network.ask("read-referral", "coordinator", id=follow_up["id"]))["state"] == "DRAFT"

    second = await consent_to(network, client["id"], "frauenzentrum")
    sent_again = await network.moved("send-referral", "coordinator", follow_up, consentId=second["id"])
    assert sent_again["state"] == "SENT"
    assert sent_again["recipient"]["name"] == "Frauenzentrum"
    assert sent_again["consentId"] == second["id"] != first["id"]

    before = await network.ask("read-referral", "coordinator", id=sent["id"])
    assert [after["id"] for after in before["followUps"]] == [follow_up["id"]]
    file = await network.ask("read-client", "coordinator", id=client["id"])
    assert [consent["stateLabel"] for consent in file["consents"]] == ["erteilt", "erteilt"]
    assert {one["stateLabel"] for one in file["referrals"]["nodes"]} == {"abgelehnt", "gesendet"}

    # nobody is sent twice to the same service: the open referral is named
    again = await network.change(
        "draft-referral",
        "coordinator",
        clientId=client["id"],
        serviceId=network.service("frauen-b1-kinder"),
        topic="language-course",
        categories=PACKAGE,
    )
    assert again["__typename"] == "DuplicateReferralProblem"
    assert again["referralId"] == follow_up["id"]
