"""How many SQL statements the lists of the referral room take: the same for one element and for fifty."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from directory.database import Database
from tests.graphapi.exchanging import Town, make_town
from tests.graphapi.test_statements import Counted, counted

__all__ = ["counted"]

SENT = """query($first: Int!) { sentReferrals(first: $first) { nodes {
  id state stateLabel pseudonym allowedMoves warnings topic
  service { title { text } kind } recipient { name kind } sender { name } outcome answerDueAt } } }"""
NAMED = """query($first: Int!) { sentReferrals(first: $first) { nodes {
  id client { name phase } service { title { text } } recipient { name } } } }"""
INBOX = """query($first: Int!) { inbox(first: $first) { totalCount nodes {
  id state pseudonym service { title { text } } sender { name } priority answerDueAt } } }"""


pytestmark = pytest.mark.slow  # a full desk takes seconds to make


@pytest.fixture(scope="module")
async def full(counted: Counted, database: Database) -> Town:
    town = await make_town(database, counted.api)
    services = [await town.new_service() for _ in range(3)]
    for number in range(50):
        await town.sent(serviceId=services[number % 3])
    return town


def personal(statements: list[str]) -> list[str]:
    """Leave out what begins and ends a transaction, and who is asking."""
    return [
        text
        for text in statements
        if "set_config" not in text
        and "access_token" not in text
        and text.rstrip(";").upper() not in {"COMMIT", "ROLLBACK"}
        and not text.upper().startswith("BEGIN")
    ]


@pytest.mark.parametrize(
    ("query", "who", "most"),
    [(SENT, "coordinator", 3), (NAMED, "coordinator", 5), (INBOX, "staff", 4)],
    ids=[
        "sent: referrals, services, partners",
        "with names: and clients, audit",
        "inbox: referrals, count, services, partners",
    ],
)
async def test_a_page_of_50_takes_as_many_as_a_page_of_one(
    counted: Counted,
    full: Town,
    query: str,
    who: str,
    most: int,
) -> None:
    one, for_one = await counted(query, {"first": 1}, token=full.token(who))
    fifty, for_fifty = await counted(query, {"first": 50}, token=full.token(who))

    def nodes(data: Any) -> int:
        return len(next(iter(data.values()))["nodes"])

    assert (nodes(one), nodes(fifty)) == (1, 50)
    assert len(personal(for_fifty)) == len(personal(for_one)) <= most, personal(for_fifty)


async def test_a_page_of_50_clients_takes_as_many_as_a_page_of_one(
    counted: Counted,
    full: Town,
) -> None:
    query = "query($first: Int!) { clients(first: $first) { totalCount nodes { name phase needs } } }"
    one, for_one = await counted(query, {"first": 1}, token=full.token("coordinator"))
    fifty, for_fifty = await counted(query, {"first": 50}, token=full.token("coordinator"))

    assert (len(one["clients"]["nodes"]), len(fifty["clients"]["nodes"])) == (1, 50)
    # clients, how many there are, the audit rows
    assert len(personal(for_fifty)) == len(personal(for_one)) == 3


async def test_parallel_pages_wait_for_no_other(counted: Counted, full: Town) -> None:
    """With one connection in the pool: no request holds one while it waits for another."""
    answers = await asyncio.gather(
        *(counted.api(SENT, {"first": 5}, token=full.token("coordinator")) for _ in range(5))
    )

    assert {answer.status for answer in answers} == {200}
