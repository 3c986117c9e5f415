"""What the clock does, as both sides read it: what happens next, what is overdue, what is to be renewed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from pgqueuer import PgQueuer

from directory.database import Database
from graphapi.jobs import register
from referrals.clock import end_of, morning_of
from referrals.personal_data.keystore import KeyStore
from referrals.states import add_working_days
from referrals.ticking import run_the_clock
from tests.graphapi.asking import Api
from tests.graphapi.exchanging import TODAY, Town, days, make_town

READ = """query($id: ID!) { referral(id: $id) {
  state overdue warnings warningTexts nextStep { what whatLabel at }
  latestUsefulStart { on durationDays neededDays reckoned reason source } } }"""
SENT = "query($late: Boolean) { sentReferrals(filter: {overdue: $late}, first: 100) { nodes { id } } }"
INBOX = "query($late: Boolean) { inbox(filter: {overdue: $late}, first: 100) { nodes { id } } }"
RENEWALS = "{ renewalsDue(first: 100) { id clientId validUntil renewalOfferedAt } }"


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


@contextmanager
def at(database: Database, moment: datetime) -> Iterator[None]:
    former, database.clock = database.clock, lambda: moment
    try:
        yield
    finally:
        database.clock = former


async def read(town: Town, referral: Any, who: str, language: str = "en") -> Any:
    answer = await town.api(READ, {"id": referral["id"]}, token=town.token(who), language=language)
    return answer.data["referral"]


async def test_each_side_reads_what_happens_next_on_its_side(town: Town) -> None:
    sent = await town.sent()
    half = morning_of(add_working_days(TODAY, 5)).astimezone(UTC)
    whole = end_of(add_working_days(TODAY, 10)).astimezone(UTC)

    recipient = (await read(town, sent, "staff", "de"))["nextStep"]
    sender = (await read(town, sent, "coordinator"))["nextStep"]

    assert (recipient["what"], recipient["whatLabel"]) == ("REMINDER", "Sie werden erinnert")
    assert datetime.fromisoformat(recipient["at"]) == half
    assert (sender["what"], sender["whatLabel"]) == ("OVERDUE", "the answer is overdue")
    assert datetime.fromisoformat(sender["at"]) == whole


async def test_whether_work_has_begun_does_not_show_in_what_happens_next(town: Town) -> None:
    quiet = [{"purpose": "REPORT_BACK", "reportDepth": "NOTHING"}]
    accepted = await town.accepted(others=quiet)
    started = await town.started(others=quiet)

    assert [(await read(town, r, "coordinator"))["nextStep"] for r in (accepted, started)] == [None, None]
    assert (await read(town, started, "staff"))["nextStep"]["what"] == "REMINDER"


async def test_a_consent_that_ends_first_is_what_happens_next(town: Town) -> None:
    client = await town.client()
    draft = await town.draft(client["id"])
    consent = await town.consent(client["id"], validUntil=days(2))
    sent = await town.on("coordinator", "sendReferral", draft, consentId=consent["id"])

    step = (await read(town, sent, "coordinator"))["nextStep"]

    assert (step["what"], step["whatLabel"]) == ("CONSENT_ENDS", "the consent ends")


async def test_what_is_overdue_can_be_listed_on_both_sides(town: Town, database: Database) -> None:
    late = await town.sent(priority="URGENT")
    early = await town.sent(priority="NORMAL")

    async def listed(query: str, who: str, wanted: bool) -> set[str]:
        answer = await town.ask(query, {"late": wanted}, who=who)
        ((_, page),) = answer.data.items()
        return {node["id"] for node in page["nodes"]} & {late["id"], early["id"]}

    assert await listed(SENT, "coordinator", True) == set()
    with at(database, end_of(add_working_days(TODAY, 1)) + timedelta(minutes=1)):
        await run_the_clock(database)
        for query, who in ((SENT, "coordinator"), (INBOX, "staff")):
            assert await listed(query, who, True) == {late["id"]}
            assert await listed(query, who, False) == {early["id"]}
        assert (await read(town, late, "coordinator"))["warningTexts"] == ["The answer is overdue."]
        assert (await read(town, late, "coordinator", "de"))["warnings"] == ["ANSWER_OVERDUE"]


async def test_the_latest_useful_start_is_the_senders_alone_and_warns(town: Town) -> None:
    client = await town.client(statusValidUntil=days(210))
    sent = await town.sent(clientId=client["id"])

    seen = await read(town, sent, "coordinator")
    hidden = await read(town, sent, "staff")

    latest = seen["latestUsefulStart"]
    assert date.fromisoformat(latest["on"]) == TODAY + timedelta(
        days=210 - latest["durationDays"] - latest["neededDays"]
    )
    assert latest["reason"]
    assert latest["source"]
    assert seen["warnings"] == []
    assert (hidden["latestUsefulStart"], hidden["warnings"], hidden["warningTexts"]) == (None, [], [])
    listed = await town.on("staff", "waitlistReferral", sent, expectedWeek=days(150))
    warned = await read(town, listed, "coordinator", "de")
    assert warned["warnings"] == ["START_AFTER_LATEST_USEFUL"]
    assert warned["warningTexts"] == [
        "Es beginnt später, als es nützt: Das Ergebnis kommt voraussichtlich zu spät."
    ]
    assert (await read(town, listed, "staff"))["warnings"] == []


async def test_a_start_that_is_too_late_warns_before_and_after_drafting_and_never_blocks(town: Town) -> None:
    client = await town.client(statusValidUntil=days(5))
    service = await town.new_service()
    asked = await town.ask(
        """query($client: ID!, $service: ID!) { referralRequirements(
          clientId: $client, serviceId: $service, categories: [CONTACT]) {
            warnings warningTexts latestUsefulStart { on } } }""",
        {"client": client["id"], "service": service},
        who="coordinator",
    )

    assert asked.data["referralRequirements"]["warnings"] == ["LATEST_USEFUL_START_PASSED"]
    draft = await town.draft(client["id"], service)
    assert (await read(town, draft, "coordinator"))["warnings"] == ["LATEST_USEFUL_START_PASSED"]
    consent = await town.consent(client["id"])
    sent = await town.on("coordinator", "sendReferral", draft, consentId=consent["id"])
    assert (await read(town, sent, "coordinator"))["warnings"] == ["LATEST_USEFUL_START_PASSED"]


async def test_consents_that_end_within_30_days_are_listed_for_their_controller_only(
    town: Town, database: Database
) -> None:
    client = await town.client()
    soon = await town.consent(client["id"], validUntil=days(20))
    await town.consent(client["id"], validUntil=days(200))

    async def listed(who: str) -> list[Any]:
        found = (await town.ask(RENEWALS, who=who)).data["renewalsDue"]
        return [consent for consent in found if consent["clientId"] in {client["id"], None}]

    assert [(c["id"], c["renewalOfferedAt"]) for c in await listed("coordinator")] == [(soon["id"], None)]
    await run_the_clock(database)

    (offered,) = await listed("coordinator")
    assert offered["renewalOfferedAt"] is not None
    for who in ("staff", "other_staff", "jobcenter"):
        assert await listed(who) == []


async def test_the_jobs_process_runs_the_clock_each_minute(
    town: Town, database: Database, keys: KeyStore, app_url: str
) -> None:
    sent = await town.sent(priority="URGENT")
    connection = await asyncpg.connect(app_url)
    try:
        queue = PgQueuer.from_asyncpg_connection(connection)
        register(queue, database, keys=keys)
        scheduled: dict[str, tuple[Any, Any]] = {
            str(key.entrypoint): (key, run) for key, run in queue.sm.registry.items()
        }
        key, run = scheduled["run_the_clock"]

        assert key.expression.split()[:5] == ["*"] * 5
        with at(database, end_of(add_working_days(TODAY, 2)) + timedelta(minutes=1)):
            await run.parameters.func(None)
    finally:
        await connection.close()

    assert (await read(town, sent, "staff"))["state"] == "EXPIRED"
