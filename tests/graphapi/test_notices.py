"""What members read about notices: their own organisation's, and what they wait for that did not arrive."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from sqlalchemy import update

from directory.actors import SYSTEM
from directory.database import Database
from graphapi.relay import parse_id
from referrals.models import Notice
from referrals.vocabulary import NoticeState
from tests.graphapi.asking import Api
from tests.graphapi.exchanging import Town, make_town

READ = """query($id: ID!) { referral(id: $id) {
  reference notices { kind kindLabel addressee partnerId about aboutId reference state stateLabel dueAt }
} }"""
LIST = "{ noticesNotArrived(first: 50) { kind state stateLabel aboutId partnerId reference } }"


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


def key_of(global_id: str) -> UUID:
    found = parse_id(global_id)
    assert found is not None
    return found[1]


async def test_both_sides_see_their_notices_and_the_sender_whom_to_phone(town: Town) -> None:
    referral = await town.sent()
    async with town.database.work(SYSTEM) as work:
        await work.session.execute(
            update(Notice)
            .where(Notice.about_id == key_of(referral["id"]))
            .values(state=NoticeState.UNDELIVERABLE, next_try_at=None)
        )

    for who in ("coordinator", "staff"):
        found = (await town.ask(READ, {"id": referral["id"]}, who=who)).data["referral"]
        assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}", found["reference"])
        (notice,) = found["notices"]
        assert (notice["kind"], notice["state"]) == ("REFERRAL_WAITS", "UNDELIVERABLE")
        assert notice["stateLabel"] == "no address: please phone"
        assert notice["aboutId"] == referral["id"]
        assert notice["partnerId"] == town.partner_id
        assert notice["reference"] == found["reference"]
    listed = (await town.ask(LIST, who="coordinator")).data["noticesNotArrived"]
    assert [one["aboutId"] for one in listed] == [referral["id"]]
    for other in ("staff", "other_staff", "jobcenter", "stranger"):
        assert (await town.ask(LIST, who=other)).data["noticesNotArrived"] == []
    await town.on("staff", "acknowledgeReferral", referral)
    assert (await town.ask(LIST, who="coordinator")).data["noticesNotArrived"] == [], "they know of it now"


async def test_who_was_not_told_of_an_ended_consent_is_phoned_until_they_answer(town: Town) -> None:
    referral = await town.started()
    query = "query($id: ID!) { referral(id: $id) { consentId version } }"
    found = (await town.ask(query, {"id": referral["id"]}, who="coordinator")).data["referral"]
    await town.done(
        "coordinator", "withdrawConsent", id=found["consentId"], expectedVersion=2, channel="PHONE"
    )
    async with town.database.work(SYSTEM) as work:
        await work.session.execute(
            update(Notice)
            .where(Notice.about_id == key_of(referral["id"]))
            .values(state=NoticeState.UNDELIVERABLE, next_try_at=None)
        )
    listed = (await town.ask(LIST, who="coordinator")).data["noticesNotArrived"]
    assert [(one["kind"], one["aboutId"]) for one in listed] == [("CONSENT_ENDED", referral["id"])]
    found = (await town.ask(query, {"id": referral["id"]}, who="staff")).data["referral"]
    await town.done(
        "staff", "answerRevocation", id=referral["id"], expectedVersion=found["version"], answer="DELETED"
    )
    assert (await town.ask(LIST, who="coordinator")).data["noticesNotArrived"] == []


async def test_a_partner_chooses_the_language_it_is_written_to_in(town: Town) -> None:
    read = "query($id: ID!) { partner(id: $id) { version settings { correspondenceLanguage } } }"
    given = {"id": town.partner_id}
    before = (await town.ask(read, given, who="staff")).data["partner"]
    assert before["settings"] == {"correspondenceLanguage": "de"}

    refused = await town.do(
        "staff",
        "changePartner",
        id=town.partner_id,
        expectedVersion=before["version"],
        correspondenceLanguage="English please",
    )
    assert refused["__typename"] == "InvalidInputProblem"
    await town.done(
        "staff",
        "changePartner",
        id=town.partner_id,
        expectedVersion=before["version"],
        correspondenceLanguage="en",
    )

    after = (await town.ask(read, given, who="staff")).data["partner"]
    assert after["settings"] == {"correspondenceLanguage": "en"}
    for other in ("other_staff", "anonymous"):
        assert (await town.ask(read, given, who=other)).data["partner"]["settings"] is None
