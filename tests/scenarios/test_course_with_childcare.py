"""Scenario 1: a woman with § 104c that ends in seven months needs a B1 course with childcare.

The courses that do not fit are found out by filters and by reasons; then she is referred with her consent,
accepted, comes, passes, and says how it went.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.conftest import COTTBUS, Demo
from tests.scenarios.declared import FEEDBACK, REPORT_BACK, explained

STATUS_END = "2027-06-22"

SITUATION = {
    "residenceStatus": "SECTION_104C",
    "statusValidUntil": STATUS_END,
    "residence": COTTBUS,
    "level": "A2",
    "wishedLevel": "B1",
    "childcare": True,
    "gender": "WOMAN",
    "placeNeeded": True,
}
COURSES = {"topics": ["language-course"], "course": {"levelTo": "B1"}}

FITTING = {"vhs-b1-kinder-vormittag", "frauen-b1-kinder"}
UNFIT = [
    ("vhs-b1-kinder-teilzeit", "COURSE_END", "Endet am 17.09.2027, nach dem Ende des Status am 22.06.2027."),
    ("vhs-b1-kinder-herbst-2027", "COURSE_END", "nach dem Ende des Status"),
    ("sprachkurs-b1-intensiv", "CHILDCARE", "Ohne Kinderbetreuung."),
    ("sprachkurs-b1-herbst", "COURSE_START", "Hat schon begonnen (05.10.2026)."),
    (
        "elternintegrationskurs-b1",
        "ELIGIBILITY",
        "Nicht offen nach den Regeln des Angebots (Aufenthaltsstatus).",
    ),
]

PACKAGE = ["IDENTITY", "CONTACT", "LANGUAGE", "STATUS_END", "LEVEL", "FAMILY_CARE"]


async def hits(network: Demo, **given: Any) -> dict[str, Any]:
    """Search for her; return the hits by the key of their service."""
    found = await network.ask("find-fitting-services", "coordinator", input=given, first=100)
    return {network.key(hit["node"]["id"]): hit for hit in found["edges"]}


# --- Which course ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("course", "criterion", "sentence"), UNFIT)
async def test_what_does_not_fit_says_why(network: Demo, course: str, criterion: str, sentence: str) -> None:
    found = await hits(network, text="Deutschkurs B1", filters=COURSES, situation=SITUATION)

    hit = found[course]
    assert hit["answer"] == "DOES_NOT_FIT"
    (reason,) = [reason for reason in hit["reasons"] if reason["answer"] == "DOES_NOT_FIT"]
    assert reason["criterion"] == criterion
    assert sentence in reason["message"]
    assert reason["answerLabel"] == "passt nicht"


async def test_what_fits_comes_first_and_says_why_too(network: Demo) -> None:
    found = await hits(network, text="Deutschkurs B1", filters=COURSES, situation=SITUATION)

    assert set(list(found)[:2]) == FITTING
    for course in FITTING:
        assert found[course]["answer"] == "FITS"
        said = {reason["criterion"]: reason["message"] for reason in found[course]["reasons"]}
        assert said["CHILDCARE"] == "Mit Kinderbetreuung."
        assert said["COURSE_END"].startswith("Endet am")
        assert said.keys() >= {"ELIGIBILITY", "LEVEL", "COURSE_START", "CAPACITY", "WOMEN_ONLY"}


async def test_a_full_course_is_asked_about_and_not_hidden(network: Demo) -> None:
    found = await hits(network, text="Deutschkurs B1", filters=COURSES, situation=SITUATION)

    said = {reason["criterion"]: reason for reason in found["vhs-b1-abend"]["reasons"]}
    assert found["vhs-b1-abend"]["answer"] == "ASK"
    assert said["CAPACITY"]["message"] == "Warteliste: etwa 8 Wochen."


async def test_what_does_not_fit_can_be_left_out(network: Demo) -> None:
    found = await hits(network, text="Deutschkurs B1", filters=COURSES, situation=SITUATION, onlyFitting=True)

    assert set(found) >= FITTING
    assert not {course for course, _, _ in UNFIT} & set(found)


async def test_filters_alone_find_the_same_two(network: Demo) -> None:
    found = await hits(
        network,
        filters={
            "topics": ["language-course"],
            "course": {
                "levelTo": "B1", "childcare": True, "startsAfter": "2026-11-22", "endsBefore": STATUS_END,
            },
            "residence": {"status": "SECTION_104C", "fitsOnly": True},
            "openCapacityOn": "2026-11-22",
        },
    )  # fmt: skip

    assert set(found) == FITTING


# --- Referred, accepted, passed -------------------------------------------------------------------------


async def test_from_the_search_to_how_it_went(network: Demo) -> None:
    await network.join("volkshochschule", "Volkshochschule, Anmeldung", "vhs")
    course = network.service("vhs-b1-kinder-vormittag")

    # the coordinator opens her file, and adds what the course needs to know
    (line,) = (await network.ask("find-clients", "coordinator", filter={"name": "demo-person 001"}))["nodes"]
    client = await network.ask("read-client", "coordinator", id=line["id"])
    assert client["residenceStatus"] == "SECTION_104C"
    assert client["statusValidUntil"] == STATUS_END
    assert client["needs"] == ["language-course", "childcare"]
    assert client["eligibility"]["answer"] == "FITS"
    client = await network.changed(
        "change-client",
        "coordinator",
        id=client["id"],
        expectedVersion=client["version"],
        contact={"phone": "+493551234501"},
        profile={
            "level": "A2",
            "familyCare": "Zwei Kinder, zwei und vier Jahre: Betreuung in der Kurszeit.",
            "health": "geht den Kurs nichts an",
            "competences": client["profile"]["competences"],
        },
    )
    assert client["contact"]["phone"] == "+493551234501"

    # before anything is asked of her: what would it need, what would the course read?
    needs = await network.ask(
        "prepare-referral", "coordinator", clientId=client["id"], serviceId=course, categories=PACKAGE
    )
    assert needs["missing"] == ["CONSENT"]
    assert needs["section87Notice"] is True, "the coordination is a public body"
    assert needs["releases"] == [], "nobody here is bound by § 203 StGB"
    assert needs["preview"]["person"]["familyName"] == "Demo-Person 001"
    assert needs["preview"]["person"]["statusValidUntil"] == STATUS_END
    assert needs["preview"]["person"]["residenceStatus"] is None
    assert needs["preview"]["person"]["health"] is None

    draft = await network.changed(
        "draft-referral", "coordinator",
        clientId=client["id"], serviceId=course, topic="language-course", categories=PACKAGE,
    )  # fmt: skip
    assert draft["stateLabel"] == "Entwurf"

    # nothing leaves without her consent
    refused = await network.change(
        "send-referral", "coordinator", id=draft["id"], expectedVersion=draft["version"]
    )
    assert refused["__typename"] == "ConsentMissingProblem"
    assert refused["missing"] == ["CONSENT"]
    assert (await network.ask("browse-inbox", "vhs"))["totalCount"] == 0

    asked = await network.changed(
        "request-consent", "coordinator",
        clientId=client["id"],
        recipientIds=[network.partner("volkshochschule")],
        purposes=[{"purpose": "REFERRAL", "categories": PACKAGE}, REPORT_BACK, FEEDBACK],
    )  # fmt: skip
    assert asked["stateLabel"] == "angefragt"
    waiting = await network.moved("await-consent", "coordinator", draft, consentId=asked["id"])
    assert waiting["state"] == "AWAITING_CONSENT"

    notice = await network.shown("coordinator", asked, "ar")
    assert (notice["rightToLeft"], notice["pages"]["mediaType"]) == (True, "application/pdf")

    # without the notice about § 87 AufenthG her signature does not count
    unwarned = await network.change(
        "record-consent", "coordinator",
        id=asked["id"], expectedVersion=asked["version"], granted=["REFERRAL"], record=explained(notice),
    )  # fmt: skip
    assert (unwarned["code"], unwarned["field"]) == ("INVALID_INPUT", "record.section87NoticeAt")

    given = await network.changed(
        "record-consent", "coordinator",
        id=asked["id"],
        expectedVersion=asked["version"],
        granted=["REFERRAL", "REPORT_BACK", "FEEDBACK"],
        record=explained(notice, section_87=network.clock.now, interpreter="MEDIATOR"),
        evidence={"reference": "Ordner Einwilligungen 2026, Blatt 12"},
    )  # fmt: skip
    assert given["state"] == "GIVEN"
    assert given["validUntil"].startswith("2027-11-2")
    kept = await network.ask("read-consent", "coordinator", id=given["id"])
    assert kept["record"]["interpreter"] == {"kind": "MEDIATOR", "language": "ar"}
    assert kept["evidence"]["reference"] == "Ordner Einwilligungen 2026, Blatt 12"

    sent = await network.moved("send-referral", "coordinator", waiting)
    assert sent["state"] == "SENT"
    assert sent["answerDueAt"].startswith("2026-12-04"), "ten working days"

    # before it acknowledges, the course sees topic, language and area only
    (line,) = (await network.ask("browse-inbox", "vhs"))["nodes"]
    assert (line["topic"], line["language"], line["area"]) == ("language-course", "ar", COTTBUS)
    assert (line["pseudonym"], line["clientId"]) == (None, None)
    closed = await network.ask("read-package", "vhs", id=line["id"])
    assert closed["package"] is None
    assert closed["packageClosedBecause"]

    network.clock.move_to(2026, 11, 24)
    opened = await network.moved("acknowledge-referral", "vhs", line)
    assert opened["package"]["categories"] == PACKAGE
    person = opened["package"]["person"]
    assert person["familyName"] == "Demo-Person 001"
    assert person["phone"] == "+493551234501"
    assert person["level"] == "A2"
    assert person["familyCare"].startswith("Zwei Kinder")
    for never_consented in ("residenceStatus", "legalCircle", "workPermission", "health"):
        assert person[never_consented] is None
    assert person["needs"] == person["competences"] == person["experience"] == []

    # a question costs the course no time
    question = await network.moved("ask-about-referral", "vhs", opened, question="Beide Kinder täglich?")
    assert question["state"] == "INFO_REQUESTED"
    mine = await network.ask("read-referral", "coordinator", id=sent["id"])
    assert mine["events"][-1]["text"] == "Beide Kinder täglich?"
    answered = await network.moved("answer-question", "coordinator", mine, answer="Ja, beide.")
    assert answered["state"] == "ACKNOWLEDGED"

    before = (await network.ask("read-service", id=course))["capacity"]["places"]
    accepted = await network.moved(
        "accept-referral", "vhs", answered,
        contact="Anmeldung, Zimmer 2", firstContactOn="2027-01-18", expectedEnd="2027-05-07",
    )  # fmt: skip
    assert accepted["state"] == "ACCEPTED"
    assert (await network.ask("read-service", id=course))["capacity"]["places"] == before - 1 == 3
    mine = await network.ask("read-referral", "coordinator", id=sent["id"])
    assert mine["recipientContact"] == "Anmeldung, Zimmer 2"
    assert mine["warnings"] == [], "the course ends before her status does"

    # it begins; nobody else hears of it
    network.clock.move_to(2027, 1, 18, 14)
    started = await network.moved("start-referral", "vhs", accepted, firstContactMadeOn="2027-01-18")
    assert started["stateLabel"] == "läuft"
    assert await network.ask("read-referral", "jobcenter", id=sent["id"]) is None

    network.clock.move_to(2027, 5, 10)
    reported = await network.moved(
        "report-outcome", "vhs", started, outcome="NEED_MET", outcomeOn="2027-05-07"
    )
    assert reported["state"] == "OUTCOME_REPORTED"
    (line,) = (await network.ask("browse-sent-referrals", "coordinator"))["nodes"]
    assert line["outcomeLabel"] == "Bedarf gedeckt"

    # she says how it went: with a code, without an account, once
    code = await network.changed("issue-feedback-code", "coordinator", referralId=sent["id"])
    said = {
        "code": code["feedbackCode"].lower(), "answer": "HELPED",
        "text": "B1 geschafft. Die Kinder gingen gern hin.", "language": "de",
    }  # fmt: skip
    assert await network.change("give-feedback", None, **said) == {
        "__typename": "FeedbackGiven",
        "thanks": True,
    }
    again = await network.change("give-feedback", None, **said)
    assert again["__typename"] == "CodeNotValidProblem"

    line = await network.ask("read-referral", "coordinator", id=sent["id"])
    done = await network.moved("close-referral", "coordinator", line, feedbackAsked="ANSWERED")
    assert done["stateLabel"] == "abgeschlossen"

    mine = await network.ask("read-referral", "coordinator", id=sent["id"])
    (feedback,) = mine["feedback"]
    assert (feedback["answerLabel"], feedback["source"]) == ("hat geholfen", "CODE")
    assert feedback["text"] == "B1 geschafft. Die Kinder gingen gern hin."
    moves = [event["move"] for event in mine["events"]]
    states = ["DRAFT", "AWAIT_CONSENT", "SEND", "ACKNOWLEDGE", "ASK", "REPLY", "ACCEPT", "START"]
    assert [move for move in moves if move not in {"FEEDBACK"}] == [*states, "REPORT_OUTCOME", "CLOSE"]
    assert [event["ordinal"] for event in mine["events"]] == list(range(1, len(moves) + 1))

    # the course keeps no open door: what she said is not its to read, and the package is closed
    theirs = await network.ask("read-referral", "vhs", id=sent["id"])
    assert theirs["feedback"] == []
    assert theirs["clientId"] is None
    assert (await network.ask("read-package", "vhs", id=sent["id"]))["package"] is None
