"""Consents through HTTP: asked, decided, withdrawn; access ends in the same moment."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from directory.actors import Role
from directory.database import Database, utc_now
from graphapi.relay import global_id
from referrals.personal_data.keystore import KeyStore
from tests.graphapi.asking import Api
from tests.graphapi.conftest import make_member, served
from tests.graphapi.exchanging import CATEGORIES, OUTCOME, RECORD, REPORT_BACK, Town, days, make_town

PACKAGE = """query($id: ID!) { referral(id: $id) {
  state packageClosedBecause package { person { familyName } } pseudonym allowedMoves } }"""
CONSENT = """query($id: ID!) { consent(id: $id) {
  id state version subject clientId stateLabel controller { name } recipients { name partnerId }
  purposes { purpose purposeLabel granted categories reportDepth } legalBasis releases { aboutOutcome }
  record { medium notice { language readAloud } interpreter { kind } } evidenceKept evidence { witness }
  validUntil renewalFrom withdrawal { scope channel receipt } supersedesId supersededById receipt } }"""


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def read(town: Town, consent: Any, who: str) -> Any:
    return (await town.ask(CONSENT, {"id": consent["id"]}, who=who)).data["consent"]


async def package(town: Town, referral: Any, who: str = "staff") -> Any:
    return (await town.ask(PACKAGE, {"id": referral["id"]}, who=who)).data["referral"]


class TestDeciding:
    async def test_each_purpose_is_decided_by_itself(self, town: Town) -> None:
        client = await town.client()
        consent = await town.consent(client["id"], granted=["REFERRAL"])
        file = await read(town, consent, "coordinator")

        assert file["state"] == "GIVEN"
        assert {entry["purpose"]: entry["granted"] for entry in file["purposes"]} == {
            "REFERRAL": True,
            "REPORT_BACK": False,
        }
        assert (file["legalBasis"], file["controller"]["name"]) == ("GDPR_6_1_A", "Koordination")
        assert file["record"] == {
            "medium": "PAPER",
            "notice": {"language": "ti", "readAloud": True},
            "interpreter": {"kind": "MEDIATOR"},
        }
        assert file["receipt"] is not None

    async def test_nothing_granted_is_refused_and_final(self, town: Town) -> None:
        client = await town.client()
        consent = await town.consent(client["id"], granted=[])
        again = await town.do(
            "coordinator",
            "recordConsent",
            id=consent["id"],
            expectedVersion=consent["version"],
            granted=["REFERRAL"],
            record=RECORD,
        )

        assert consent["state"] == "REFUSED"
        assert (again["__typename"], again["refusedIn"]) == ("ConsentNotOpenProblem", "REFUSED")

    async def test_evidence_is_the_controllers(self, town: Town) -> None:
        client = await town.client()
        record = {**RECORD, "medium": "ORAL"}
        consent = await town.consent(client["id"], record=record, evidence={"witness": "Frau W."})
        draft = await town.draft(client["id"])
        sent = await town.on("coordinator", "sendReferral", draft, consentId=consent["id"])
        await town.on("staff", "acknowledgeReferral", sent)

        assert (await read(town, consent, "coordinator"))["evidence"] == {"witness": "Frau W."}
        partner = await read(town, consent, "staff")
        assert (partner["evidenceKept"], partner["evidence"], partner["clientId"]) == (False, None, None)

    @pytest.mark.parametrize(
        ("given", "field", "reason"),
        [
            (
                {"record": {**RECORD, "noDisadvantageShown": False}},
                "record.noDisadvantageShown",
                "must-be-shown",
            ),
            ({"record": {**RECORD, "medium": "ORAL"}}, "evidence.witness", "required-when-oral"),
            ({"validUntil": days(500)}, "validUntil", "too-late"),
            ({"granted": ["STATISTICS"]}, "granted", "not-asked"),
            ({"decidedAt": "2020-01-01T10:00:00"}, "decidedAt", "wrong-type"),
            (
                {"record": {**RECORD, "notice": {**RECORD["notice"], "sha256": "x"}}},  # type: ignore[dict-item]
                "record.notice.sha256",
                "format",
            ),
        ],
    )
    async def test_what_is_missing_is_named(
        self, town: Town, given: dict[str, Any], field: str, reason: str
    ) -> None:
        client = await town.client()
        asked = await town.done(
            "coordinator",
            "requestConsent",
            clientId=client["id"],
            recipientIds=[town.partner_id],
            purposes=[{"purpose": "REFERRAL", "categories": CATEGORIES}],
        )
        refused = await town.do(
            "coordinator",
            "recordConsent",
            **{
                "id": asked["id"],
                "expectedVersion": 1,
                "granted": ["REFERRAL"],
                "record": RECORD,
                **given,
            },
        )

        assert (refused["__typename"], refused["field"], refused["reason"]) == (
            "InvalidInputProblem",
            field,
            reason,
        )
        assert (await read(town, asked, "coordinator"))["state"] == "REQUESTED"


class TestSending:
    async def test_without_consent_nothing_leaves(self, town: Town) -> None:
        draft = await town.draft()
        refused = await town.do("coordinator", "sendReferral", id=draft["id"], expectedVersion=1)

        assert (refused["__typename"], refused["missing"]) == ("ConsentMissingProblem", ["CONSENT"])
        assert await package(town, draft) is None

    async def test_a_category_that_was_not_consented_to_is_named(self, town: Town) -> None:
        client = await town.client()
        draft = await town.draft(client["id"], categories=[*CATEGORIES, "STATUS"])
        consent = await town.consent(client["id"])
        refused = await town.do(
            "coordinator", "sendReferral", id=draft["id"], expectedVersion=1, consentId=consent["id"]
        )

        assert refused["missing"] == ["CATEGORY:STATUS"]

    async def test_a_consent_for_another_recipient_does_not_count(self, town: Town) -> None:
        client = await town.client()
        draft = await town.draft(client["id"])
        consent = await town.consent(client["id"], town.other_partner_id)
        refused = await town.do(
            "coordinator", "sendReferral", id=draft["id"], expectedVersion=1, consentId=consent["id"]
        )

        assert refused["missing"] == ["RECIPIENT"]


class TestWithdrawing:
    async def test_closes_the_package_at_once(self, town: Town) -> None:
        sent = await town.sent()
        taken = await town.on("staff", "acknowledgeReferral", sent)
        assert (await package(town, taken))["package"] == {"person": {"familyName": "Tesfay"}}
        withdrawn = await town.done("coordinator", "withdrawConsent", id=sent["consentId"], channel="PHONE")

        after = await package(town, taken)
        assert withdrawn["state"] == "WITHDRAWN"
        assert withdrawn["withdrawal"]["receipt"]
        assert (after["state"], after["package"]) == ("CONSENT_REVOKED", None)
        assert after["packageClosedBecause"]
        assert (await package(town, taken, "coordinator"))["state"] == "CONSENT_REVOKED"
        moved = await town.do("staff", "reportOutcome", id=taken["id"], expectedVersion=4, **OUTCOME)
        assert moved["__typename"] in {"TransitionNotAllowedProblem", "StaleVersionProblem"}

    async def test_of_one_purpose_leaves_the_rest_as_a_new_record(self, town: Town) -> None:
        sent = await town.sent()
        result = await town.do(
            "coordinator",
            "withdrawConsent",
            id=sent["consentId"],
            channel="IN_PERSON",
            scope="PURPOSE",
            purpose="REPORT_BACK",
        )
        told = await town.on(
            "staff",
            "acceptReferral",
            {**sent, "version": sent["version"] + 1},
            contact="Empfang",
            firstContactOn=days(1),
            expectedEnd=days(60),
        )
        told = await town.on("staff", "reportOutcome", told, **OUTCOME)

        assert result["consent"]["state"] == "SUPERSEDED"
        assert result["remaining"]["state"] == "GIVEN"
        query = "query($id: ID!) { referral(id: $id) { outcome outcomeReason } }"
        seen = (await town.ask(query, {"id": told["id"]}, who="coordinator")).data["referral"]
        assert seen == {"outcome": "NOT_DISCLOSED", "outcomeReason": None}

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"scope": "PURPOSE"}, "purpose"),
            ({"scope": "RECIPIENT", "recipientId": "x"}, "recipientId"),
            ({"language": "!"}, "language"),
        ],
    )
    async def test_what_does_not_fit_is_named(self, town: Town, given: dict[str, Any], field: str) -> None:
        client = await town.client()
        consent = await town.consent(client["id"])
        refused = await town.do("coordinator", "withdrawConsent", id=consent["id"], channel="PHONE", **given)

        assert (refused["__typename"], refused["field"]) == ("InvalidInputProblem", field)
        assert (await read(town, consent, "coordinator"))["state"] == "GIVEN"

    async def test_twice_is_a_problem_but_a_replay_is_not(self, town: Town) -> None:
        client = await town.client()
        consent = await town.consent(client["id"])
        given: dict[str, Any] = {
            "idempotencyKey": "withdraw-" + consent["id"],
            "id": consent["id"],
            "channel": "LETTER",
        }
        first = await town.do("coordinator", "withdrawConsent", **given)
        replay = await town.do("coordinator", "withdrawConsent", **given)
        again = await town.do("coordinator", "withdrawConsent", id=consent["id"], channel="LETTER")

        assert first == replay
        assert again["__typename"] == "ConsentNotOpenProblem"


class TestWhoSeesIt:
    async def test_a_recipient_sees_its_own_part_once_it_has_acknowledged(self, town: Town) -> None:
        client = await town.client()
        asked = await town.done(
            "coordinator",
            "requestConsent",
            clientId=client["id"],
            recipientIds=[town.partner_id, town.other_partner_id],
            purposes=[{"purpose": "REFERRAL", "categories": CATEGORIES}, REPORT_BACK],
        )
        consent = await town.on(
            "coordinator", "recordConsent", asked, granted=["REFERRAL", "REPORT_BACK"], record=RECORD
        )
        assert await read(town, consent, "staff") is None
        draft = await town.draft(client["id"])
        sent = await town.on("coordinator", "sendReferral", draft, consentId=consent["id"])
        assert await read(town, consent, "staff") is None
        await town.on("staff", "acknowledgeReferral", sent)

        part = await read(town, consent, "staff")
        assert [party["partnerId"] for party in part["recipients"]] == [town.partner_id]
        assert len((await read(town, consent, "coordinator"))["recipients"]) == 2
        assert await read(town, consent, "other_staff") is None
        assert await read(town, consent, "stranger") is None

    async def test_a_colleague_who_does_not_look_after_the_person_may_not_decide(self, town: Town) -> None:
        client = await town.client()
        consent = await town.consent(client["id"])
        refused = await town.do("colleague", "withdrawConsent", id=consent["id"], channel="PHONE")

        assert (refused["__typename"], refused["rule"]) == ("NotAllowedProblem", "responsible-or-deputy")
        assert (await read(town, consent, "colleague"))["state"] == "GIVEN"


class TestTime:
    """The consent's end closes access by itself, whether or not the clock's job has run."""

    async def test_an_ended_consent_gives_no_package(
        self, app_url: str, reader_url: str, keys: KeyStore
    ) -> None:
        now = utc_now()
        moment: list[datetime] = [now]
        database = Database(app_url, reader_url, clock=lambda: moment[0])
        await database.start()
        transport = httpx.ASGITransport(served(database, keys))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            town = await make_town(database, Api(http))
            sent = await town.sent()
            taken = await town.on("staff", "acknowledgeReferral", sent)
            assert (await package(town, taken))["package"] is not None
            moment[0] = now + timedelta(days=370)
            # their tokens have ended long since: others of the same organisations look
            _, staff = await make_member(database, town.world.partner, Role.PARTNER_MEMBER)
            _, coordinator = await make_member(database, town.world.coordination, Role.COORDINATOR)
            town.world = dataclasses.replace(town.world, staff=staff, coordinator=coordinator)

            after = await package(town, taken)
            assert (after["state"], after["package"], after["allowedMoves"]) == ("CONSENT_REVOKED", None, [])
            assert (await read(town, {"id": sent["consentId"]}, "coordinator"))["state"] == "EXPIRED"
        await database.stop()


NOTICE = """query ($id: ID!, $language: String) { consent(id: $id) { version state warnings
  notice(language: $language) { textId version language sha256 rightToLeft title text
    sections { key heading lines { kind text options } } binding { key } pages { mediaType fileName base64 } }
  withdrawalReceipt { language text sha256 pages { base64 } } } }"""


async def asked_of(town: Town, client: str) -> Any:
    return await town.done(
        "coordinator",
        "requestConsent",
        clientId=client,
        recipientIds=[town.partner_id],
        purposes=[{"purpose": "REFERRAL", "categories": CATEGORIES}],
    )


async def shown(town: Town, consent: Any, who: str = "coordinator", language: str | None = None) -> Any:
    return (await town.ask(NOTICE, {"id": consent["id"], "language": language}, who=who)).data["consent"]


class TestNotices:
    async def test_what_is_shown_is_what_is_hashed_printed_and_recorded(self, town: Town) -> None:
        consent = await asked_of(town, (await town.client())["id"])
        notice = (await shown(town, consent, language="ar-SY"))["notice"]
        assert (notice["language"], notice["rightToLeft"]) == ("ar", True)
        assert notice["sha256"] == hashlib.sha256(notice["text"].encode()).hexdigest()
        assert [part["key"] for part in notice["sections"]] == [part["key"] for part in notice["binding"]]
        assert notice["pages"]["mediaType"] == "application/pdf"
        assert base64.b64decode(notice["pages"]["base64"]).startswith(b"%PDF-")
        assert "Tesfay" not in notice["text"]
        record = {
            **RECORD,
            "notice": {name: notice[name] for name in ("textId", "version", "sha256", "language")},
        }
        saved = await town.done(
            "coordinator",
            "recordConsent",
            id=consent["id"],
            expectedVersion=1,
            granted=["REFERRAL"],
            record=record,
        )
        assert saved["state"] == "GIVEN"
        assert (await shown(town, consent))["notice"] == notice

    async def test_another_hash_is_refused_with_what_to_do(self, town: Town) -> None:
        consent = await asked_of(town, (await town.client())["id"])
        notice = (await shown(town, consent))["notice"]
        wrong = {"textId": notice["textId"], "version": notice["version"], "language": "ar"}
        refused = await town.do(
            "coordinator",
            "recordConsent",
            id=consent["id"],
            expectedVersion=1,
            granted=["REFERRAL"],
            record={**RECORD, "notice": {**wrong, "sha256": notice["sha256"]}},
        )
        assert (refused["field"], refused["reason"]) == ("record.notice.sha256", "notice-changed")

    async def test_section_87_is_shown_before_there_is_a_client(self, town: Town) -> None:
        query = """query ($to: ID) { section87Notice(language: "ti", recipientId: $to) {
          title text binding { key } } }"""
        to = global_id("Partner", town.jobcenter_partner)
        found = (await town.ask(query, {"to": to}, who="staff")).data["section87Notice"]
        assert "§ 87" in found["text"]
        assert [part["key"] for part in found["binding"]] == ["SECTION_87"]

    async def test_a_language_without_a_text_is_named(self, town: Town) -> None:
        consent = await asked_of(town, (await town.client())["id"])
        answer = await town.ask(NOTICE, {"id": consent["id"], "language": "xx"}, who="coordinator")
        assert answer.codes == ["INVALID_INPUT"]

    async def test_the_receipt_is_the_controllers_in_the_language_of_the_person(self, town: Town) -> None:
        client = await town.client()
        consent = await town.consent(client["id"])
        await town.done("coordinator", "withdrawConsent", id=consent["id"], channel="PHONE", language="tr")
        receipt = (await shown(town, consent))["withdrawalReceipt"]
        assert receipt["language"] == "tr"
        assert base64.b64decode(receipt["pages"]["base64"]).startswith(b"%PDF-")
