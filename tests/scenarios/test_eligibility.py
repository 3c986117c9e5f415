"""Scenario: who fits, by more than the status, and what a lead's change of the project's rule would do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.conftest import COTTBUS, Demo

TOLERATED = {"residenceStatus": "SECTION_60A", "residence": COTTBUS}


async def hit(network: Demo, service: str, text: str, **situation: Any) -> dict[str, Any]:
    """Search with a situation; return one service of what is found."""
    found = await network.ask(
        "find-fitting-services", "coordinator", input={"text": text, "situation": situation}, first=100
    )
    return next(one for one in found["edges"] if network.key(one["node"]["id"]) == service)


def said(found: dict[str, Any], criterion: str) -> dict[str, Any]:
    """Return the reason for one criterion."""
    return next(reason for reason in found["reasons"] if reason["criterion"] == criterion)


async def test_the_neighbouring_districts_authority_never_fits(network: Demo) -> None:
    """However near it is: residence decides."""
    here = await hit(network, "spn-sozialamt", "Sozialamt", **TOLERATED)
    unknown = await hit(network, "spn-sozialamt", "Sozialamt", residenceStatus="SECTION_60A")

    assert (here["answer"], said(here, "PLACE_OF_RESIDENCE")["answer"]) == ("DOES_NOT_FIT", "DOES_NOT_FIT")
    assert (unknown["answer"], said(unknown, "PLACE_OF_RESIDENCE")["code"]) == ("ASK", "residence-unknown")


@pytest.mark.parametrize(
    ("service", "text", "situation", "answer", "missing"),
    [
        ("sozialamt-asylblg", "Asylbewerberleistungsgesetz", {"legalCircle": "ASYLBLG"}, "FITS", []),
        ("jmd-begleitung", "Jugendmigrationsdienst", {"age": 40}, "DOES_NOT_FIT", []),
        ("jmd-begleitung", "Jugendmigrationsdienst", {}, "ASK", ["AGE"]),
        ("frauengruppe-arabisch", "Frauengruppe", {"gender": "MAN"}, "DOES_NOT_FIT", []),
        ("frauengruppe-arabisch", "Frauengruppe", {}, "ASK", ["GENDER"]),
    ],
)
async def test_rules_ask_for_more_than_the_status(
    network: Demo, service: str, text: str, situation: dict[str, Any], answer: str, missing: list[str]
) -> None:
    """And an answer that depends on what is not known says what that is."""
    found = await hit(network, service, text, **TOLERATED, **situation)
    rules = said(found, "ELIGIBILITY")

    assert (rules["answer"], rules["missing"]) == (answer, missing)


async def test_a_past_run_does_not_match_and_the_next_one_does(network: Demo) -> None:
    found = await hit(network, "frauen-b1-kinder", "Deutsch B1 Frauen", **TOLERATED, gender="WOMAN")

    assert said(found, "COURSE_START")["message"] == "Beginnt am 01.02.2027."
    assert found["node"]["course"]["nextRun"]["startsOn"] == "2027-02-01"


async def test_a_lead_sees_what_a_change_of_the_rule_would_do(network: Demo) -> None:
    """Small numbers are shown inside the own office; nobody's answer changes by looking."""
    now = await network.ask("read-support-rules", "coordinator")
    line = {
        "id": "nobody-else",
        "answer": "ASK",
        "advice": "SIGNPOSTING",
        "reason": [{"language": "de", "text": "Erst prüfen"}, {"language": "en", "text": "Check first"}],
    }
    drafted = await network.changed("draft-rule-set", "lead", rules=[line])
    preview = await network.ask("preview-rule-set", "lead", id=drafted["id"])

    assert preview["people"] == sum(change["people"] for change in preview["changes"]) > 100
    assert preview["changing"] == sum(
        change["people"]
        for change in preview["changes"]
        if (change["before"], change["beforeAdvice"]) != (change["after"], change["afterAdvice"])
    )
    assert {change["after"] for change in preview["changes"]} == {"ASK"}
    assert await network.ask("read-support-rules", "coordinator") == now
