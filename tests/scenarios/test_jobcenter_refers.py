"""The Jobcenter refers to "Clearing" in one operation and hears back; § 203 StGB; withdrawal."""

from __future__ import annotations

from typing import Any

from tests.scenarios.conftest import Demo
from tests.scenarios.declared import REPORT_BACK, explained

PACKAGE = ["IDENTITY", "CONTACT", "LANGUAGE", "STATUS", "STATUS_END", "NEEDS"]


async def taken_in(network: Demo, actor: str, name: str) -> Any:
    return await network.changed(
        "take-in-client",
        actor,
        identity={"familyName": name},
        contact={"phone": "+493551234506"},
        residenceStatus="SECTION_60A",
        statusValidUntil="2027-03-31",
        languages=["ti"],
        needs=["clearing", "debts"],
    )


async def test_one_operation_and_the_outcome_comes_back(network: Demo) -> None:
    person = await taken_in(network, "jobcenter", "Testperson Sechs")
    notice = await network.planned("jobcenter", "clearing", "ti", PACKAGE, REPORT_BACK)

    sent = await network.changed(
        "refer-client",
        "jobcenter",
        clientId=person["id"],
        serviceId=network.service("clearing"),
        topic="clearing",
        categories=PACKAGE,
        priority="SOON",
        fileNumber="BG 1234",
        consent={
            "record": explained(notice, section_87=network.clock.now, interpreter="PROFESSIONAL"),
            "purposes": [REPORT_BACK],
        },
    )
    assert sent["state"] == "SENT"
    assert sent["answerDueAt"].startswith("2026-11-25"), "three working days"

    # the coordination is a partner like any other: it finds it in its inbox
    (line,) = (await network.ask("browse-inbox", "coordinator"))["nodes"]
    assert line["sender"]["name"] == "Jobcenter"
    opened = await network.moved("acknowledge-referral", "coordinator", line)
    assert opened["package"]["person"]["familyName"] == "Testperson Sechs"
    assert opened["package"]["person"]["residenceStatus"] == "SECTION_60A"
    # whose client the person is stays with the Jobcenter
    found = await network.ask("find-clients", "coordinator", filter={"name": "Testperson Sechs"})
    assert found["totalCount"] == 0

    accepted = await network.moved(
        "accept-referral",
        "coordinator",
        opened,
        contact="Koordination, Zimmer 3",
        firstContactOn="2026-11-24",
        expectedEnd="2027-01-31",
    )
    network.clock.move_to(2026, 11, 24, 16)
    started = await network.moved("start-referral", "coordinator", accepted, firstContactMadeOn="2026-11-24")
    held = await network.moved(
        "hold-referral", "coordinator", started, reason="WAITING_FOR_DOCUMENTS", resumeOn="2026-12-10"
    )
    assert held["stateLabel"] == "pausiert"
    network.clock.move_to(2026, 12, 10)
    resumed = await network.moved("resume-referral", "coordinator", held)
    network.clock.move_to(2027, 1, 15)
    await network.moved(
        "report-outcome", "coordinator", resumed, outcome="PARTLY_MET", outcomeOn="2027-01-14"
    )

    (back,) = (await network.ask("browse-sent-referrals", "jobcenter"))["nodes"]
    assert (back["stateLabel"], back["outcomeLabel"]) == ("Ergebnis gemeldet", "teilweise gedeckt")
    mine = await network.ask("read-referral", "jobcenter", id=back["id"])
    assert mine["senderFileNumber"] == "BG 1234"
    await network.changed(
        "record-feedback", "jobcenter", referralId=back["id"], answer="HELPED_PARTLY", source="IN_PERSON"
    )
    mine = await network.ask("read-referral", "jobcenter", id=back["id"])
    closed = await network.moved("close-referral", "jobcenter", mine, feedbackAsked="ANSWERED")
    assert closed["stateLabel"] == "abgeschlossen"


async def test_the_same_key_refers_once(network: Demo) -> None:
    person = await taken_in(network, "jobcenter", "Testperson Sieben")
    notice = await network.planned("jobcenter", "clearing", "de", PACKAGE)
    given = {
        "idempotencyKey": "jobcenter-2026-0001",
        "clientId": person["id"],
        "serviceId": network.service("clearing"),
        "topic": "clearing",
        "categories": PACKAGE,
        "consent": {"record": explained(notice, section_87=network.clock.now)},
    }

    first = await network.changed("refer-client", "jobcenter", **given)
    again = await network.changed("refer-client", "jobcenter", **given)
    other = await network.change("refer-client", "jobcenter", **{**given, "topic": "debts"})

    assert first["id"] == again["id"]
    assert other["__typename"] == "IdempotencyConflictProblem"


async def test_without_report_back_no_outcome_reaches_the_sender(network: Demo) -> None:
    person = await taken_in(network, "jobcenter", "Testperson Neun")
    notice = await network.planned("jobcenter", "clearing", "de", PACKAGE)
    sent = await network.changed(
        "refer-client",
        "jobcenter",
        clientId=person["id"],
        serviceId=network.service("clearing"),
        topic="clearing",
        categories=PACKAGE,
        consent={"record": explained(notice, section_87=network.clock.now)},
    )
    opened = await network.moved("acknowledge-referral", "coordinator", sent)
    day = network.clock.now.date().isoformat()
    accepted = await network.moved(
        "accept-referral", "coordinator", opened, contact="Zimmer 3", firstContactOn=day, expectedEnd=day
    )
    started = await network.moved("start-referral", "coordinator", accepted, firstContactMadeOn=day)
    reported = await network.moved(
        "report-outcome", "coordinator", started, outcome="NEED_MET", outcomeOn=day
    )

    assert reported["outcome"] == "NOT_DISCLOSED"
    mine = await network.ask("read-referral", "jobcenter", id=reported["id"])
    assert mine["outcomeLabel"] == "nicht mitgeteilt"
    assert "NEED_MET" not in str(mine)


# --- § 203 StGB, and withdrawal -------------------------------------------------------------------------


async def test_who_is_bound_by_secrecy_must_be_released_to_report(network: Demo) -> None:
    debts = network.service("schulden-beratung")
    person = await taken_in(network, "coordinator", "Testperson Acht")
    categories = ["IDENTITY", "CONTACT", "LANGUAGE"]

    needs = await network.ask(
        "prepare-referral",
        "coordinator",
        clientId=person["id"],
        serviceId=debts,
        categories=categories,
    )
    assert needs["recipients"][0]["professionalSecrecy"] is True
    (release,) = needs["releases"]
    assert release["released"] == network.partner("schuldnerberatung")
    assert release["towards"] == network.partner("koordination")
    assert release["aboutOutcome"] is True

    given = {
        "clientId": person["id"],
        "serviceId": debts,
        "topic": "debts",
        "categories": categories,
    }
    notice = await network.planned("coordinator", "schulden-beratung", "ti", categories, REPORT_BACK)
    consent = {"record": explained(notice, section_87=network.clock.now), "purposes": [REPORT_BACK]}
    bound = await network.change(
        "refer-client", "coordinator", **given, consent={**consent, "released": False}
    )
    assert bound["missing"] == ["RELEASE_OF_RECIPIENT"]
    file = await network.ask("read-client", "coordinator", id=person["id"])
    assert (file["consents"], file["referrals"]["nodes"]) == ([], []), "all of it happens or nothing"

    sent = await network.changed("refer-client", "coordinator", **given, consent=consent)
    assert sent["state"] == "SENT"
    ready = await network.ask(
        "prepare-referral",
        "coordinator",
        clientId=person["id"],
        serviceId=debts,
        categories=categories,
    )
    assert ready["missing"] == []
    assert ready["openReferralId"] == sent["id"]


async def test_withdrawn_means_closed_at_once(network: Demo) -> None:
    await network.join("migrationsberatung", "Migrationsberatung, Anmeldung", "advice")
    person = await taken_in(network, "coordinator", "Testperson Zehn")
    notice = await network.planned("coordinator", "mbe-beratung", "ti", ["IDENTITY", "CONTACT"], REPORT_BACK)
    await network.changed(
        "refer-client",
        "coordinator",
        clientId=person["id"],
        serviceId=network.service("mbe-beratung"),
        topic="residence-advice",
        categories=["IDENTITY", "CONTACT"],
        consent={"record": explained(notice, section_87=network.clock.now), "purposes": [REPORT_BACK]},
    )
    (line,) = (await network.ask("browse-inbox", "advice"))["nodes"]
    opened = await network.moved("acknowledge-referral", "advice", line)
    assert opened["package"]["person"]["phone"] == "+493551234506"
    mine = await network.ask("read-referral", "coordinator", id=line["id"])

    withdrawn = await network.changed(
        "withdraw-consent", "coordinator", id=mine["consentId"], channel="IN_PERSON", language="ti"
    )

    consent = withdrawn["consent"]
    assert consent["stateLabel"] == "widerrufen"
    assert (consent["withdrawal"]["scope"], consent["withdrawal"]["language"]) == ("ALL", "ti")
    assert consent["withdrawal"]["receipt"]
    assert withdrawn["remaining"] is None
    closed = await network.ask("read-package", "advice", id=line["id"])
    assert closed["package"] is None
    assert closed["stateLabel"] == "Einwilligung beendet"
    late = await network.change(
        "accept-referral",
        "advice",
        id=line["id"],
        expectedVersion=closed["version"],
        contact="Zimmer 1",
        firstContactOn="2027-02-01",
        expectedEnd="2027-03-01",
    )
    assert late["__typename"] == "TransitionNotAllowedProblem"
    assert (late["from"], late["allowed"]) == ("CONSENT_REVOKED", [])

    # the person's right: deleted, or said what is kept and why
    assert closed["version"] == (await network.ask("read-referral", "advice", id=line["id"]))["version"]
    answered = await network.moved("answer-revocation", "advice", closed, answer="DELETED")
    assert answered["revocationAnswer"]["answer"] == "DELETED"
    mine = await network.ask("read-referral", "coordinator", id=line["id"])
    assert mine["revocationAnswer"]["answer"] == "DELETED"
