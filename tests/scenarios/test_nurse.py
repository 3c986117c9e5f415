"""Scenario 3: a Syrian nurse: who recognises what she has learned, and who does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.conftest import COTTBUS, Demo

NURSE = "http://data.europa.eu/esco/isco/C2221"
SITUATION = {
    "residenceStatus": "SECTION_23_1_ADMISSION",
    "residence": COTTBUS,
    "languages": ["ar"],
    "level": "B1",
    "occupation": NURSE,
}
OTHER_BODY = "Reglementierter Beruf, andere Stelle zuständig."


@pytest.fixture(scope="module")
async def recognition(network: Demo) -> dict[str, Any]:
    """The recognition services for her, by key, in the order in which they were found."""
    found = await network.ask(
        "find-fitting-services",
        "coordinator",
        input={"filters": {"kinds": ["QUALIFICATION_RECOGNITION"]}, "situation": SITUATION},
        first=50,
    )
    return {network.key(hit["node"]["id"]): hit for hit in found["edges"]}


async def test_the_vocabulary_knows_her_occupation(network: Demo) -> None:
    body = await network.post("read-vocabulary", {}, None)

    (nurse,) = [one for one in body["data"]["occupations"] if one["esco"] == NURSE]
    assert nurse["regulated"] is True
    assert "Pflege" in nurse["label"]["text"]


async def test_advice_and_the_state_authority_fit(recognition: dict[str, Any]) -> None:
    assert list(recognition)[:2] == ["anerkennung-beratung", "anerkennung-pflege"]
    assert occupation(recognition["anerkennung-beratung"])["answer"] == "FITS"
    authority = recognition["anerkennung-pflege"]
    assert occupation(authority)["answer"] == "FITS"
    assert occupation(authority)["message"] == "Für diesen Beruf zuständig."
    body = authority["node"]["recognition"]["competentBody"]["text"]
    assert body == "Landesamt für Gesundheit, Dezernat Gesundheitsberufe"


@pytest.mark.parametrize("chamber", ["ihk-anerkennung", "hwk-anerkennung", "anerkennung-ingenieure"])
async def test_the_chambers_do_not(recognition: dict[str, Any], chamber: str) -> None:
    assert recognition[chamber]["answer"] == "DOES_NOT_FIT"
    assert occupation(recognition[chamber])["message"] == OTHER_BODY


async def test_for_a_cook_the_chamber_is_right(network: Demo) -> None:
    found = await network.ask(
        "find-fitting-services",
        input={
            "text": "Anerkenung IHK",
            "filters": {"kinds": ["QUALIFICATION_RECOGNITION"]},
            "situation": {**SITUATION, "occupation": "http://data.europa.eu/esco/isco/C5120"},
        },
    )

    hits = {network.key(hit["node"]["id"]): hit for hit in found["edges"]}
    assert occupation(hits["ihk-anerkennung"])["answer"] == "FITS"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("Anerkennung Pflege", "anerkennung-pflege"),
        ("anerkenung pflege", "anerkennung-pflege"),
        ("Pflegefachfrau Anerkennung", "anerkennung-pflege"),
        ("Krankenschwester", "anerkennung-pflege"),
        ("Anerkenung Krankenschwester", "anerkennung-pflege"),
        ("Anerkennungsberatung", "anerkennung-beratung"),
    ],
)
async def test_words_lead_there(network: Demo, words: str, wanted: str) -> None:
    found = await network.ask("search-services", input={"text": words}, first=10)

    assert wanted in [network.key(hit["node"]["id"]) for hit in found["edges"]][:5]


def occupation(hit: dict[str, Any]) -> dict[str, Any]:
    (reason,) = [reason for reason in hit["reasons"] if reason["criterion"] == "OCCUPATION"]
    found: dict[str, Any] = reason
    return found
