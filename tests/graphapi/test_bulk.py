"""Many things at once over GraphQL: each on its own, in order, and complete after a call was cut off."""

from __future__ import annotations

from typing import Any

import pytest

from directory.database import Database
from referrals import answering
from tests.graphapi.asking import Api
from tests.graphapi.exchanging import Town, key, make_town


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


def items(*referrals: Any) -> list[dict[str, Any]]:
    return [{"id": one["id"], "expectedVersion": one["version"]} for one in referrals]


def said(answer: Any) -> list[tuple[str, str]]:
    return [(item["id"], item["result"]["__typename"]) for item in answer["items"]]


async def events(town: Town, referral: Any) -> list[str]:
    query = "query($id: ID!) { referral(id: $id) { events { move } } }"
    found = (await town.ask(query, {"id": referral["id"]}, who="coordinator")).data["referral"]
    return [event["move"] for event in found["events"]]


async def test_one_refused_item_stops_no_other_and_the_order_is_kept(town: Town) -> None:
    first, stale, third = [await town.sent() for _ in range(3)]
    foreign = await town.client()
    wanted = [*items(first), {"id": stale["id"], "expectedVersion": 99}, *items(foreign), *items(third)]

    answer = await town.do("staff", "declineReferrals", items=wanted, reason="NO_CAPACITY")

    assert (answer["done"], answer["failed"]) == (2, 2)
    assert said(answer) == [
        (first["id"], "ReferralSaved"),
        (stale["id"], "StaleVersionProblem"),
        (foreign["id"], "NotFoundProblem"),
        (third["id"], "ReferralSaved"),
    ]
    assert [await events(town, one) for one in (first, stale, third)] == [
        ["DRAFT", "SEND", "DECLINE"],
        ["DRAFT", "SEND"],
        ["DRAFT", "SEND", "DECLINE"],
    ]


async def test_a_call_that_was_cut_off_is_completed_by_sending_it_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    referrals = [await town.sent() for _ in range(4)]
    given: dict[str, Any] = {"items": items(*referrals), "idempotencyKey": key()}
    real, calls = answering.acknowledge, 0

    async def cut_off(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("the process is gone")
        return await real(*args, **named)

    monkeypatch.setattr(answering, "acknowledge", cut_off)
    document = "mutation($input: BulkInput!) { acknowledgeReferrals(input: $input) { __typename } }"
    broken = await town.ask(document, {"input": given}, who="staff")
    assert broken.codes == ["UNEXPECTED"]
    monkeypatch.undo()
    assert [len(await events(town, one)) for one in referrals] == [3, 3, 2, 2]

    for _ in range(2):
        again = await town.do("staff", "acknowledgeReferrals", **given)
        assert (again["done"], again["failed"]) == (4, 0)
        assert [await events(town, one) for one in referrals] == [["DRAFT", "SEND", "ACKNOWLEDGE"]] * 4

    other = await town.do("staff", "declineReferrals", **given, reason="OTHER")
    assert {kind for _, kind in said(other)} == {"StaleVersionProblem"}


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [([], "required"), ([{"id": "x", "expectedVersion": 1}] * 2, "duplicate")],
    ids=["none", "twice"],
)
async def test_what_a_call_needs(town: Town, wanted: list[Any], reason: str) -> None:
    answer = await town.do("staff", "acknowledgeReferrals", items=wanted)

    assert (answer["__typename"], answer["reason"]) == ("InvalidInputProblem", reason)


async def test_no_more_than_a_hundred_at_once(town: Town) -> None:
    many = [{"id": f"x{number}", "expectedVersion": 1} for number in range(101)]
    answer = await town.do("staff", "acknowledgeReferrals", items=many)

    assert (answer["__typename"], answer["reason"]) == ("InvalidInputProblem", "too-many")


async def test_whoever_leaves_hands_over_clients_and_referrals(town: Town) -> None:
    client = await town.client()
    sent = await town.sent(clientId=client["id"])
    me = (await town.ask("{ me { member { id } } }", who="colleague")).data["me"]["member"]["id"]

    for field, thing in (("reassignClients", client), ("reassignReferrals", sent)):
        answer = await town.do("lead", field, items=items(thing), responsibleId=me)
        assert (answer["done"], answer["failed"]) == (1, 0), answer
    done = await town.done(
        "colleague", "cancelReferral", id=sent["id"], expectedVersion=sent["version"] + 1, reason="OTHER"
    )
    assert done["state"] == "CANCELLED"


async def test_exporting_costs_more_than_showing(town: Town) -> None:
    sent = await town.sent()
    one = "query($id: ID!) { referral(id: $id) { export(format: TEXT) { mediaType text base64 } } }"
    found = (await town.ask(one, {"id": sent["id"]}, who="coordinator")).data["referral"]["export"]
    assert (found["mediaType"], found["base64"]) == ("text/plain; charset=utf-8", None)
    assert sent["pseudonym"] in found["text"]

    page = "{ sentReferrals(first: 50) { nodes { export(format: PDF) { mediaType } } } }"
    refused = await town.ask(page, who="coordinator")
    assert refused.codes == ["LIMIT_EXCEEDED"]
