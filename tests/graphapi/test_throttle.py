"""How often codes may be presented: per address and in total, over all processes, behind proxies too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from directory.actors import SYSTEM
from directory.database import Database
from graphapi.addresses import client_address, networks
from graphapi.limits import Limits
from graphapi.throttle import WINDOW, WRONG_WHILE_ATTACKED, Throttle, presenting, sweep
from referrals.models import CodeAttempt
from referrals.personal_data.keystore import KeyStore
from referrals.problems import CodeNotValid, TooManyAttempts
from tests.graphapi.asking import Api
from tests.graphapi.conftest import served
from tests.graphapi.exchanging import document, key

NOON = datetime(2030, 5, 6, 12, 0, tzinfo=UTC)
KEY = b"k" * 32


def throttle(database: Database, **limits: int) -> Throttle:
    """A throttle as each process has one: they share nothing but the key and the database."""
    return Throttle(database, KEY, **{"wrong": 5, "presented": 20, "wrong_total": 1_000, **limits})


@pytest.fixture
async def counted(empty_database: Database) -> Database:
    empty_database.clock = lambda: NOON + timedelta(minutes=1)
    return empty_database


async def refused(of: Throttle, address: str) -> bool:
    try:
        await of.begin(address)
    except TooManyAttempts as problem:
        assert 1 <= problem.retry_after <= WINDOW.total_seconds()
        return True
    return False


async def test_wrong_codes_of_one_address_are_counted_over_all_processes(counted: Database) -> None:
    processes = [throttle(counted) for _ in range(3)]
    results = await asyncio.gather(*(refused(processes[n % 3], "203.0.113.7") for n in range(30)))

    assert results.count(False) == 5
    assert not await refused(processes[0], "203.0.113.8")


async def test_a_right_code_is_not_held_against_its_address(counted: Database) -> None:
    one = throttle(counted)
    for _ in range(20):
        await one.right("2001:db8::1", await one.begin("2001:db8::1"))

    assert await refused(one, "2001:db8::1"), "even right ones are limited"
    assert await refused(one, "2001:db8::ffff"), "a /64 is one subscriber"
    assert not await refused(one, "2001:db8:0:1::1")


async def test_the_next_window_begins_anew(counted: Database) -> None:
    one = throttle(counted)
    for _ in range(5):
        await one.begin("203.0.113.7")
    with pytest.raises(TooManyAttempts) as stopped:
        await one.begin("203.0.113.7")
    assert stopped.value.retry_after == 9 * 60

    counted.clock = lambda: NOON + WINDOW
    assert not await refused(one, "203.0.113.7")


async def test_an_attack_from_many_addresses_slows_itself_and_shuts_nobody_out(counted: Database) -> None:
    one = throttle(counted, wrong_total=30)
    for n in range(31):
        await one.begin(f"198.51.100.{n}")

    tries = [await refused(one, "203.0.113.7") for _ in range(5)]
    assert tries == [False] * WRONG_WHILE_ATTACKED + [True, True]
    for _ in range(10):
        await one.right("203.0.113.9", await one.begin("203.0.113.9"))


async def test_what_is_kept_is_bounded_names_no_address_and_is_swept(counted: Database) -> None:
    one = throttle(counted)
    for n in range(20):
        await one.begin(f"203.0.113.{n}")
    async with counted.view(SYSTEM) as session:
        rows = (await session.execute(select(CodeAttempt.bucket))).scalars().all()
        assert all(-1 <= bucket < 2**18 for bucket in rows)
        assert await sweep(session, NOON + timedelta(minutes=9)) == 0
        assert await sweep(session, NOON + WINDOW) == len(rows)
        assert await session.scalar(select(func.count()).select_from(CodeAttempt)) == 0


async def test_another_key_counts_under_other_numbers(counted: Database) -> None:
    buckets = {
        Throttle(counted, bytes([n]) * 32, wrong=1, presented=1, wrong_total=1)._bucket("::1")
        for n in range(9)
    }
    assert len(buckets) > 5


async def test_an_attempt_that_fails_because_of_us_does_not_count(counted: Database) -> None:
    one = throttle(counted)

    async def broken() -> object:
        raise ZeroDivisionError

    async def wrong() -> object:
        return CodeNotValid()

    for _ in range(8):
        with pytest.raises(ZeroDivisionError):
            await presenting(one, "203.0.113.7", broken, CodeNotValid)
    for _ in range(5):
        await presenting(one, "203.0.113.7", wrong, CodeNotValid)
    with pytest.raises(TooManyAttempts):
        await presenting(one, "203.0.113.7", wrong, CodeNotValid)


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("203.0.113.7", "198.51.100.1", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "10.0.0.0/8", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", "10.0.0.0/8", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "10.0.0.0/8", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "10.0.0.0/8", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1:4711", "10.0.0.0/8", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::5]:4711", "10.0.0.0/8", "2001:db8::5"),
        ("10.0.0.1", "198.51.100.1, not an address", "10.0.0.0/8", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.0/8", "10.0.0.1"),
        ("::1", "2001:db8::5", "10.0.0.0/8, ::1/128", "2001:db8::5"),
        ("::ffff:10.0.0.1", "198.51.100.1", "10.0.0.0/8", "198.51.100.1"),
        (None, "198.51.100.1", "10.0.0.0/8", ""),
    ],
)
def test_only_a_trusted_proxy_says_whom_it_speaks_for(
    peer: str | None, forwarded: str, trusted: str, address: str
) -> None:
    assert client_address(peer, {"x-forwarded-for": forwarded}, networks(trusted)) == address


@asynccontextmanager
async def strict(database: Database, keys: KeyStore) -> AsyncIterator[Api]:
    """The API with a narrow throttle, asked from an address of its own."""
    transport = httpx.ASGITransport(
        served(database, keys, limits=Limits(wrong_codes=3)),  # type: ignore[arg-type]
        client=("192.0.2.1", 1),
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield Api(http)


@pytest.mark.usefixtures("clock_stands")
async def test_the_api_says_how_long_to_wait(database: Database, keys: KeyStore) -> None:
    async with strict(database, keys) as api:

        async def give() -> Any:
            given = {"input": {"idempotencyKey": key(), "code": "AAAAA", "answer": "HELPED"}}
            return (await api(document("giveFeedback"), given)).data["giveFeedback"]

        answers = [await give() for _ in range(5)]
    kinds = [answer["__typename"] for answer in answers]

    assert kinds == ["CodeNotValidProblem"] * 3 + ["TooManyAttemptsProblem"] * 2
    assert 1 <= answers[-1]["retryAfter"] <= 600
    assert answers[-1]["message"].startswith("Too many attempts.")
