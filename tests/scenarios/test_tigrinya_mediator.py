"""Scenario 2: a Tigrinya mediator for an appointment is found, booked, confirmed; the name comes last."""

from __future__ import annotations

from tests.scenarios.conftest import COTTBUS, Demo


async def test_found_in_spite_of_a_typo(network: Demo) -> None:
    found = await network.ask(
        "find-fitting-services",
        "coordinator",
        input={
            "text": "Sprachmitlung Tigrinya",
            "filters": {"kinds": ["LANGUAGE_MEDIATION"], "languages": ["ti"]},
            "situation": {"languages": ["ti"], "residence": COTTBUS, "placeNeeded": True},
        },
    )

    hits = {network.key(hit["node"]["id"]): hit for hit in found["edges"]}
    assert set(hits) == {"sprachmittlung-tigrinya", "sprachmittlung-video", "sprachmittlung-somali-frauen"}
    mediator = hits["sprachmittlung-tigrinya"]
    assert mediator["answer"] == "FITS"
    assert mediator["node"]["partner"]["name"] == "Eritreisch-äthiopischer Verein"
    assert mediator["node"]["interpreting"]["leadTimeHours"] == 48
    assert {"language": "ti", "variety": "Eritrea"} in mediator["node"]["interpreting"]["languages"]
    assert "ON_SITE" in mediator["node"]["interpreting"]["modes"]
    assert found["relaxed"] is found["degraded"] is False


async def test_the_words_of_the_person_find_it_too(network: Demo) -> None:
    found = await network.ask("search-services", input={"text": "ትግርኛ", "facets": ["LANGUAGE"]})

    assert "sprachmittlung-tigrinya" in {network.key(hit["node"]["id"]) for hit in found["edges"]}


async def test_booked_confirmed_done(network: Demo) -> None:
    (client,) = (
        await network.ask("find-clients", "coordinator", filter={"name": "Demo-Person 007"}, first=1)
    )["nodes"]

    asked = await network.changed(
        "request-booking",
        "coordinator",
        serviceId=network.service("sprachmittlung-tigrinya"),
        language="ti",
        variety="Eritrea",
        mode="ON_SITE",
        startsAt="2026-11-26T10:00:00+01:00",
        minutes=90,
        place="Koordination, Zimmer 3",
        topic="residence-advice",
        genderWish="WOMAN",
    )
    assert asked["stateLabel"] == "angefragt"
    await network.changed(
        "name-booked-person", "coordinator", id=asked["id"], clientId=client["id"], personAgreed=True
    )

    # the association sees what it needs to decide, and no name
    (line,) = (await network.ask("browse-bookings", "interpreters", received=True))["nodes"]
    assert (line["language"], line["variety"], line["genderWish"]) == ("ti", "Eritrea", "WOMAN")
    assert set(line["allowedMoves"]) >= {"CONFIRM", "DECLINE"}
    assert (await network.ask("read-booking", "interpreters", id=asked["id"]))["person"] is None
    assert await network.ask("read-booking", "jobcenter", id=asked["id"]) is None

    confirmed = await network.moved("confirm-booking", "interpreters", line, interpreter="Mittlerin 2")
    assert confirmed["stateLabel"] == "bestätigt"
    theirs = await network.ask("read-booking", "interpreters", id=asked["id"])
    assert theirs["person"] == client["name"] == "Demo-Person 007"
    ours = await network.ask("read-booking", "coordinator", id=asked["id"])
    assert ours["interpreter"] == "Mittlerin 2"

    # not before the appointment is over
    early = await network.change(
        "finish-booking", "interpreters", id=asked["id"], expectedVersion=theirs["version"]
    )
    assert (early["code"], early["field"]) == ("INVALID_INPUT", "startsAt")
    network.clock.move_to(2026, 11, 26, 12)
    done = await network.moved("finish-booking", "interpreters", theirs)
    assert done["stateLabel"] == "durchgeführt"
    assert (await network.ask("read-booking", "interpreters", id=asked["id"]))["person"] is None


async def test_declined_without_a_reason_then_by_video(network: Demo) -> None:
    wanted = {
        "language": "ti", "startsAt": "2026-12-03T15:00:00+01:00", "minutes": 45, "topic": "health",
    }  # fmt: skip
    asked = await network.changed(
        "request-booking",
        "coordinator",
        serviceId=network.service("sprachmittlung-tigrinya"),
        mode="PHONE",
        **wanted,
    )
    declined = await network.moved("decline-booking", "interpreters", asked)
    assert declined["stateLabel"] == "abgelehnt"

    video = network.service("sprachmittlung-video")
    refused = await network.change(
        "request-booking", "coordinator", serviceId=video, mode="ON_SITE", **wanted
    )
    assert (refused["field"], refused["reason"]) == ("mode", "not-offered")
    asked = await network.changed("request-booking", "coordinator", serviceId=video, mode="VIDEO", **wanted)
    assert asked["recipient"]["name"] == "Vermittlungsstelle Sprachmittlung"
    cancelled = await network.moved("cancel-booking", "coordinator", asked)
    assert cancelled["stateLabel"] == "abgesagt"
