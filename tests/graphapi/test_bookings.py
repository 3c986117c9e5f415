"""Interpreter bookings through HTTP: no name before the confirmation, nobody booked twice at a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from directory.database import Database
from tests.graphapi.asking import Api
from tests.graphapi.exchanging import Town, make_town

BOOKING = """query($id: ID!) { booking(id: $id) {
  id state allowedMoves person language interpreter service { title { text } } requester { name }
  recipient { name } requesterMemberId recipientMemberId } }"""
BOOKINGS = """query($received: Boolean!, $f: BookingFilterInput, $first: Int! = 100, $after: String) {
  bookings(received: $received, filter: $f, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } nodes { id state } } }"""


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def seen(town: Town, booking: Any, who: str) -> Any:
    return (await town.ask(BOOKING, {"id": booking["id"]}, who=who)).data["booking"]


def later(**given: int) -> str:
    return (datetime.now(UTC) + timedelta(**given)).isoformat()


class TestTheCourse:
    async def test_requested_confirmed_and_read_by_both_sides(self, town: Town) -> None:
        booking = await town.booked(startsAt=later(days=3))
        confirmed = await town.on("staff", "confirmBooking", booking, interpreter="Frau M.")

        assert (booking["state"], confirmed["state"]) == ("REQUESTED", "CONFIRMED")
        asked = await seen(town, booking, "coordinator")
        came = await seen(town, booking, "staff")
        assert (asked["interpreter"], asked["allowedMoves"]) == ("Frau M.", ["CANCEL", "COMPLETE", "NO_SHOW"])
        assert (asked["requester"]["name"], asked["recipient"]["name"]) == ("Koordination", "Träger A")
        assert (asked["recipientMemberId"], came["requesterMemberId"]) == (None, None)

    async def test_declining_needs_no_reason(self, town: Town) -> None:
        booking = await town.booked(startsAt=later(days=4))
        declined = await town.on("staff", "declineBooking", booking)
        again = await town.do(
            "staff", "confirmBooking", id=booking["id"], expectedVersion=declined["version"]
        )

        assert declined["state"] == "DECLINED"
        assert (again["__typename"], again["from"], again["allowed"]) == (
            "TransitionNotAllowedProblem",
            "DECLINED",
            [],
        )

    async def test_either_side_cancels(self, town: Town) -> None:
        for who in ("coordinator", "staff"):
            booking = await town.booked(startsAt=later(days=5))
            assert (await town.on(who, "cancelBooking", booking))["state"] == "CANCELLED"

    async def test_nothing_is_finished_before_it_took_place(self, town: Town) -> None:
        booking = await town.on("staff", "confirmBooking", await town.booked(startsAt=later(days=6)))
        refused = await town.do("staff", "finishBooking", id=booking["id"], expectedVersion=2, noShow=True)

        assert (refused["__typename"], refused["field"], refused["reason"]) == (
            "InvalidInputProblem",
            "startsAt",
            "in-the-future",
        )

    async def test_parallel_confirmations_of_one_time_give_one(self, town: Town) -> None:
        at = later(days=8)
        asked = [await town.booked(startsAt=at) for _ in range(4)]
        answers = await asyncio.gather(
            *(town.do("staff", "confirmBooking", id=one["id"], expectedVersion=1) for one in asked)
        )

        assert sorted(answer["__typename"] for answer in answers) == [
            "BookingSaved",
            *["InvalidInputProblem"] * 3,
        ]


class TestTheName:
    async def test_is_read_by_the_interpreters_side_only_while_confirmed(self, town: Town) -> None:
        client = await town.client(identity={"familyName": "Haile", "givenNames": "Sara"})
        booking = await town.booked(startsAt=later(days=10), clientId=client["id"], personAgreed=True)
        assert (await seen(town, booking, "staff"))["person"] is None
        assert (await seen(town, booking, "coordinator"))["person"] == "Haile, Sara"
        confirmed = await town.on("staff", "confirmBooking", booking)
        assert (await seen(town, booking, "staff"))["person"] == "Haile, Sara"
        await town.on("coordinator", "cancelBooking", confirmed)

        assert (await seen(town, booking, "staff"))["person"] is None

    async def test_is_handed_over_only_when_the_person_agreed(self, town: Town) -> None:
        client = await town.client()
        booking = await town.booked(startsAt=later(days=11))
        refused = await town.do(
            "coordinator", "nameBookedPerson", id=booking["id"], clientId=client["id"], personAgreed=False
        )
        assert (refused["__typename"], refused["field"]) == ("InvalidInputProblem", "personAgreed")
        await town.done(
            "coordinator", "nameBookedPerson", id=booking["id"], clientId=client["id"], personAgreed=True
        )

        assert (await seen(town, booking, "coordinator"))["person"] == "Tesfay, Almaz"


class TestLists:
    async def test_both_sides_page_by_page(self, town: Town) -> None:
        made = [await town.booked(startsAt=later(days=40 + number)) for number in range(3)]
        received = (await town.ask(BOOKINGS, {"received": True}, who="staff")).data["bookings"]
        asked = (await town.ask(BOOKINGS, {"received": False}, who="coordinator")).data["bookings"]
        first = (await town.ask(BOOKINGS, {"received": True, "first": 2}, who="staff")).data["bookings"]
        after = first["pageInfo"]["endCursor"]
        rest = (await town.ask(BOOKINGS, {"received": True, "after": after}, who="staff")).data["bookings"]

        assert [node["id"] for node in received["nodes"]][-3:] == [one["id"] for one in made]
        assert received["nodes"] == asked["nodes"] == first["nodes"] + rest["nodes"]
        assert received["totalCount"] == len(received["nodes"]) == rest["totalCount"]
        assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)

    async def test_by_state(self, town: Town) -> None:
        await town.booked(startsAt=later(days=60))
        given = {"received": True, "f": {"states": ["REQUESTED"]}}
        page = (await town.ask(BOOKINGS, given, who="staff")).data["bookings"]

        assert {node["state"] for node in page["nodes"]} == {"REQUESTED"}


class TestForeigners:
    async def test_they_find_nothing(self, town: Town) -> None:
        booking = await town.booked(startsAt=later(days=70))
        for who in ("other_staff", "stranger"):
            assert await seen(town, booking, who) is None
            refused = await town.do(who, "confirmBooking", id=booking["id"], expectedVersion=1)
            assert refused["__typename"] == "NotFoundProblem"

        assert (await seen(town, booking, "staff"))["state"] == "REQUESTED"

    async def test_the_requester_confirms_nothing(self, town: Town) -> None:
        booking = await town.booked(startsAt=later(days=71))
        refused = await town.do("coordinator", "confirmBooking", id=booking["id"], expectedVersion=1)

        assert (refused["__typename"], refused["rule"]) == ("NotAllowedProblem", "recipient-only")


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({"startsAt": later(days=-1)}, "startsAt", "in-the-past"),
        ({"startsAt": "2090-01-01T10:00:00"}, "startsAt", "wrong-type"),
        ({"startsAt": "9999-12-31T20:00:00Z"}, "startsAt", "too-late"),
        ({"minutes": 5}, "minutes", "too-small"),
        ({"language": "fr"}, "language", "not-offered"),
        ({"mode": "PHONE"}, "mode", "not-offered"),
        ({"topic": "no-such-topic"}, "topic", "unknown-value"),
        ({"serviceId": "x"}, "serviceId", "id"),
    ],
)
async def test_what_cannot_be_booked_is_named(
    town: Town, given: dict[str, Any], field: str, reason: str
) -> None:
    plain = {
        "serviceId": town.interpreting,
        "language": "ti",
        "mode": "ON_SITE",
        "startsAt": later(days=80),
        "minutes": 60,
    }
    refused = await town.do("coordinator", "requestBooking", **{**plain, **given})

    assert (refused["__typename"], refused["field"], refused["reason"]) == (
        "InvalidInputProblem",
        field,
        reason,
    )
