"""Scenario 4: the presentation's cases, "highly qualified specialist" and "activated by a prospect"."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.conftest import COTTBUS, Demo
from tests.scenarios.declared import REPORT_BACK, explained

ENGINEER = "http://data.europa.eu/esco/isco/C2142"
DEVELOPER = "http://data.europa.eu/esco/isco/C2512"
SPECIALIST = {
    "residenceStatus": "SECTION_104C",
    "statusValidUntil": "2027-11-30",
    "residence": COTTBUS,
    "languages": ["en"],
    "level": "B2",
    "occupation": ENGINEER,
}
TOLERATED = {"residenceStatus": "SECTION_60A", "residence": COTTBUS, "languages": ["de"]}


async def search(network: Demo, **given: Any) -> dict[str, Any]:
    found = await network.ask("find-fitting-services", "coordinator", input=given, first=100)
    return {network.key(hit["node"]["id"]): hit for hit in found["edges"]}


# --- Highly qualified specialist ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("Ingenieur", {"anerkennung-ingenieure", "planung-ingenieure", "karrierewege-ingenieure"}),
        ("Fachkräfte Qualifizierung", {"qualifizierung-fachkraefte"}),
        ("Software", {"software-jobs"}),
        ("Mentoring", {"mentoring-beruf"}),
        ("Anerkennungsberatung", {"anerkennung-beratung"}),
    ],
)
async def test_specialist_finds(network: Demo, words: str, wanted: set[str]) -> None:
    found = await search(network, text=words, situation=SPECIALIST)

    assert set(found) >= wanted
    for service in wanted:
        assert found[service]["answer"] in {"FITS", "ASK"}, found[service]["reasons"]


async def test_specialist_the_craft_chamber_is_not_competent(network: Demo) -> None:
    found = await search(network, filters={"kinds": ["QUALIFICATION_RECOGNITION"]}, situation=SPECIALIST)

    assert found["anerkennung-ingenieure"]["answer"] == "FITS"
    assert found["hwk-anerkennung"]["answer"] == "DOES_NOT_FIT"


async def test_specialist_an_employer_never_gets_the_status(network: Demo) -> None:
    office = network.service("planung-ingenieure")
    asked = ["IDENTITY", "CONTACT", "WORK_PERMISSION", "LEVEL", "QUALIFICATION", "EXPERIENCE", "STATUS"]
    client = await network.changed(
        "take-in-client",
        "coordinator",
        identity={"familyName": "Testperson Vier"},
        contact={"email": "testperson4@example.org"},
        profile={
            "level": "B2",
            "workPermission": "WITH_PERMISSION",
            "qualifications": ["Bauingenieurwesen, B. Sc."],
            "experience": ["Vier Jahre Straßenplanung"],
        },
        phase="IN_SUPPORT",
        residenceStatus="SECTION_104C",
        statusValidUntil="2027-11-30",
        legalCircle="SGB_II",
        languages=["ar", "en"],
        needs=["job"],
    )

    needs = await network.ask(
        "prepare-referral", "coordinator", clientId=client["id"], serviceId=office, categories=asked
    )
    assert needs["never"] == ["STATUS"]
    assert needs["preview"]["person"]["residenceStatus"] is None
    assert needs["preview"]["person"]["workPermission"] == "WITH_PERMISSION"

    notice = await network.planned(
        "coordinator", "planung-ingenieure", "en", needs["categories"], REPORT_BACK
    )
    consent = {"record": explained(notice, section_87=network.clock.now), "purposes": [REPORT_BACK]}
    refused = await network.change(
        "refer-client",
        "coordinator",
        clientId=client["id"],
        serviceId=office,
        topic="job",
        categories=asked,
        consent=consent,
    )
    assert (refused["field"], refused["reason"]) == ("categories", "never-for-this-partner")
    assert (await network.ask("browse-sent-referrals", "coordinator"))["totalCount"] == 0

    sent = await network.changed(
        "refer-client",
        "coordinator",
        clientId=client["id"],
        serviceId=office,
        topic="job",
        categories=needs["categories"],
        consent=consent,
    )
    assert sent["state"] == "SENT"

    # the office never logs in: it answers by phone, and the coordinator writes down that it did
    network.clock.move_to(2026, 11, 25)
    accepted = await network.moved(
        "record-partner-answer",
        "coordinator",
        sent,
        source="PHONE",
        on="2026-11-24",
        answer={
            "accept": {
                "contact": "Personalbüro", "firstContactOn": "2026-12-01", "expectedEnd": "2027-05-31",
            }
        },
    )  # fmt: skip
    assert accepted["state"] == "ACCEPTED"
    last = (await network.ask("read-referral", "coordinator", id=sent["id"]))["events"][-1]
    assert (last["actor"], last["source"], last["sourceOn"]) == ("RECIPIENT", "PHONE", "2026-11-24")


# --- Activated by a prospect ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topics", "wanted"),
    [
        (["clearing"], {"spurwechsel-perspektive", "clearing"}),
        (["literacy-course"], {"alpha-kurs", "spurwechsel-perspektive"}),
        (["internship"], {"logistik-probearbeit", "sozialamt-arbeitsgelegenheit", "msa-alltagstraining"}),
        (["job"], {"arbeit-und-deutsch-a2", "logistik-probearbeit"}),
    ],
)
async def test_with_a_duldung_there_are_beginnings(
    network: Demo, topics: list[str], wanted: set[str]
) -> None:
    found = await search(
        network,
        filters={"topics": topics, "residence": {"status": "SECTION_60A", "fitsOnly": True}},
        situation=TOLERATED,
        onlyFitting=True,
    )

    assert set(found) >= wanted
    for service in wanted:
        status = [r for r in found[service]["reasons"] if r["criterion"] == "ELIGIBILITY"]
        assert [reason["answer"] for reason in status] == ["FITS"]


async def test_from_no_capacity_to_a_first_course(network: Demo) -> None:
    page = await network.ask(
        "find-clients", "coordinator", filter={"phases": ["NO_CAPACITY"], "need": "literacy-course"}
    )
    line = next(client for client in page["nodes"] if client["residenceStatus"] == "SECTION_60A")
    client = await network.ask("read-client", "coordinator", id=line["id"])
    assert client["phaseLabel"] == "derzeit nicht vereinbar"
    assert client["eligibility"]["answerLabel"] == "passt"
    before = {row["phase"]: row["count"] for row in await network.ask("count-clients", "coordinator")}

    moved = await network.moved("move-client-phase", "coordinator", client, phase="CLEARING")
    network.clock.move_to(2026, 12, 7)
    moved = await network.moved("move-client-phase", "coordinator", moved, phase="IN_SUPPORT")

    steps = [(step["fromPhase"], step["toPhase"]) for step in moved["phases"]]
    assert steps == [(None, "NO_CAPACITY"), ("NO_CAPACITY", "CLEARING"), ("CLEARING", "IN_SUPPORT")]
    after = {row["phase"]: row["count"] for row in await network.ask("count-clients", "coordinator")}
    assert after == {
        **before,
        "NO_CAPACITY": before["NO_CAPACITY"] - 1,
        "IN_SUPPORT": before["IN_SUPPORT"] + 1,
    }
    notice = await network.planned("coordinator", "alpha-kurs", "fa", ["IDENTITY", "LANGUAGE", "LEVEL"])
    sent = await network.changed(
        "refer-client",
        "coordinator",
        clientId=client["id"],
        serviceId=network.service("alpha-kurs"),
        topic="literacy-course",
        categories=["IDENTITY", "LANGUAGE", "LEVEL"],
        consent={"record": explained(notice, section_87=network.clock.now, interpreter="PROFESSIONAL")},
    )
    assert sent["recipient"]["name"] == "Träger für Alphabetisierung und Grundbildung"
