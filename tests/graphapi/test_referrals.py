"""Referrals through HTTP: the whole loop, each actor's part, and what each side sees."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from directory.actors import SYSTEM
from directory.database import Database
from directory.models import Audit
from graphapi.relay import read_id
from tests.graphapi.asking import Api
from tests.graphapi.exchanging import (
    ACCEPTANCE,
    CATEGORIES,
    OUTCOME,
    RECORD,
    REPORT_BACK,
    TODAY,
    Town,
    days,
    document,
    key,
    make_town,
    one_place,
)

REFERRAL = """query($id: ID!) { referral(id: $id) {
  state seenAs allowedMoves recordableMoves outcome outcomeReason outcomeOn pseudonym clientId topic language
  packageClosedBecause warnings
  service { title { text } } sender { name } recipient { name }
  package { categories person { familyName phone languages residenceStatus needs } }
  events { ordinal move fromState toState actor source sourceOn reason memberId facts { name value } text }
} }"""


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def seen(town: Town, referral: Any, who: str) -> Any:
    return (await town.ask(REFERRAL, {"id": referral["id"]}, who=who)).data["referral"]


class TestTheWholeLoop:
    async def test_step_by_step_each_by_its_actor(self, town: Town) -> None:
        client = await town.client()
        draft = await town.draft(client["id"])
        assert (draft["state"], draft["seenAs"]) == ("DRAFT", "SENDER")
        waiting = await town.on("coordinator", "awaitConsent", draft)
        consent = await town.consent(client["id"])
        sent = await town.on("coordinator", "sendReferral", waiting, consentId=consent["id"])
        assert sent["state"] == "SENT"
        read = await town.on("staff", "acknowledgeReferral", sent)
        asked = await town.on("staff", "askAboutReferral", read, question="Welches Niveau?")
        answered = await town.on("coordinator", "answerQuestion", asked, answer="A2, Zertifikat liegt vor.")
        listed = await town.on("staff", "waitlistReferral", answered, expectedWeek=days(14))
        taken = await town.on("staff", "acceptReferral", listed, **ACCEPTANCE)
        begun = await town.on("staff", "startReferral", taken, firstContactMadeOn=TODAY.isoformat())
        held = await town.on("staff", "holdReferral", begun, reason="PERSON_ILL", resumeOn=days(30))
        again = await town.on("staff", "resumeReferral", held)
        told = await town.on("staff", "reportOutcome", again, **{**OUTCOME, "outcome": "NEED_MET"})
        contested = await town.on("coordinator", "contestOutcome", told, reason="NOT_FINISHED")
        assert contested["state"] == "IN_PROGRESS"
        told = await town.on("staff", "reportOutcome", contested, outcome="NEED_MET", outcomeOn=days(0))
        closed = await town.on("coordinator", "closeReferral", told, feedbackAsked="ANSWERED")

        found = await seen(town, closed, "coordinator")
        assert (found["state"], found["outcome"]) == ("CLOSED", "NEED_MET")
        assert [event["toState"] for event in found["events"]] == [
            "DRAFT",
            "AWAITING_CONSENT",
            "SENT",
            "ACKNOWLEDGED",
            "INFO_REQUESTED",
            "ACKNOWLEDGED",
            "WAITLISTED",
            "ACCEPTED",
            "IN_PROGRESS",
            "ON_HOLD",
            "IN_PROGRESS",
            "OUTCOME_REPORTED",
            "IN_PROGRESS",
            "OUTCOME_REPORTED",
            "CLOSED",
        ]
        assert [event["ordinal"] for event in found["events"]] == list(range(1, 16))

    async def test_the_jobcenter_refers_to_clearing_in_one_operation_and_hears_back(self, town: Town) -> None:
        client = await town.client("jobcenter")
        sent = await town.done(
            "jobcenter",
            "referClient",
            clientId=client["id"],
            serviceId=town.clearing,
            topic=town.topic,
            categories=CATEGORIES,
            consent={"record": RECORD, "purposes": [REPORT_BACK]},
        )
        taken = await town.on("coordinator", "acceptReferral", sent, **ACCEPTANCE)
        told = await town.on("coordinator", "reportOutcome", taken, outcome="PARTLY_MET", outcomeOn=days(0))

        heard = await seen(town, told, "jobcenter")

        assert (heard["state"], heard["outcome"]) == ("OUTCOME_REPORTED", "PARTLY_MET")
        assert heard["recipient"]["name"] == "Koordination"

    async def test_the_notice_about_section_87_must_have_been_shown(self, town: Town) -> None:
        client = await town.client("jobcenter")
        refused = await town.do(
            "jobcenter",
            "referClient",
            clientId=client["id"],
            serviceId=town.clearing,
            topic=town.topic,
            categories=CATEGORIES,
            consent={"record": {**RECORD, "section87NoticeAt": None}},
        )

        assert (refused["__typename"], refused["field"]) == (
            "InvalidInputProblem",
            "consent.record.section87NoticeAt",
        )
        assert (await sent_of(town, client, "jobcenter")) == []

    async def test_a_decline_and_its_follow_up_with_a_new_consent(self, town: Town) -> None:
        client = await town.client()
        sent = await town.sent(clientId=client["id"])
        declined = await town.on(
            "staff",
            "declineReferral",
            sent,
            reason="NO_CAPACITY",
            betterServiceId=town.other_service,
            note="Erst im Herbst wieder.",
        )
        assert declined["state"] == "DECLINED"
        next_one = await town.done(
            "coordinator", "followUpReferral", id=declined["id"], serviceId=town.other_service
        )
        refused = await town.do(
            "coordinator",
            "sendReferral",
            id=next_one["id"],
            expectedVersion=1,
            consentId=declined["consentId"],
        )
        assert refused["__typename"] == "ConsentMissingProblem"
        consent = await town.consent(client["id"], town.other_partner_id)
        again = await town.on("coordinator", "sendReferral", next_one, consentId=consent["id"])

        query = "query($id: ID!) { referral(id: $id) { parent { id } followUps { id state } } }"
        parent = (await town.ask(query, {"id": declined["id"]}, who="coordinator")).data["referral"]
        child = (await town.ask(query, {"id": again["id"]}, who="coordinator")).data["referral"]
        assert parent == {"parent": None, "followUps": [{"id": again["id"], "state": "SENT"}]}
        assert child["parent"] == {"id": declined["id"]}
        assert (await seen(town, again, "other_staff"))["state"] == "SENT"
        assert (await town.ask(query, {"id": again["id"]}, who="other_staff")).data["referral"] == {
            "parent": None,
            "followUps": [],
        }

    async def test_an_answer_by_phone_is_recorded_by_the_sender(self, town: Town) -> None:
        sent = await town.sent()
        taken = await town.on(
            "coordinator",
            "recordPartnerAnswer",
            sent,
            source="PHONE",
            on=TODAY.isoformat(),
            answer={"accept": ACCEPTANCE},
        )

        found = await seen(town, taken, "staff")
        last = found["events"][-1]
        assert found["state"] == "ACCEPTED"
        assert (last["actor"], last["source"], last["sourceOn"]) == ("RECIPIENT", "PHONE", TODAY.isoformat())
        assert "START" in (await seen(town, taken, "coordinator"))["recordableMoves"]

    @pytest.mark.parametrize(
        ("answer", "field", "reason"),
        [
            (
                {"decline": {"reason": "OTHER", "betterServiceId": "x"}},
                "answer.decline.betterServiceId",
                "id",
            ),
            ({"acknowledge": False}, "answer.acknowledge", "unknown-value"),
            ({"ask": {"question": " "}}, "answer.ask.question", "empty"),
            (
                {"accept": {**ACCEPTANCE, "expectedEnd": days(1)}},
                "answer.accept.expectedEnd",
                "dates-order",
            ),
        ],
    )
    async def test_what_is_wrong_in_a_recorded_answer_is_named(
        self, town: Town, answer: Any, field: str, reason: str
    ) -> None:
        sent = await town.sent()
        refused = await town.do(
            "coordinator",
            "recordPartnerAnswer",
            id=sent["id"],
            expectedVersion=sent["version"],
            source="PHONE",
            on=TODAY.isoformat(),
            answer=answer,
        )

        assert (refused["__typename"], refused["field"], refused["reason"]) == (
            "InvalidInputProblem",
            field,
            reason,
        )

    @pytest.mark.parametrize(("given", "field"), [({"on": days(1)}, "on"), ({"source": "CODE"}, "source")])
    async def test_how_it_was_told_is_checked(self, town: Town, given: Any, field: str) -> None:
        sent = await town.sent()
        plain = {"source": "PHONE", "on": days(0), "answer": {"acknowledge": True}}
        refused = await town.do(
            "coordinator",
            "recordPartnerAnswer",
            **{"id": sent["id"], "expectedVersion": sent["version"], **plain, **given},
        )

        assert (refused["__typename"], refused["field"]) == ("InvalidInputProblem", field)

    async def test_four_eyes_reopen_a_closed_referral(self, town: Town) -> None:
        closed = await town.closed()
        asked = await town.on("coordinator", "reopenReferral", closed, reason="NOT_FINISHED")
        assert (await seen(town, closed, "coordinator"))["state"] == "CLOSED"
        listed = (await town.ask("{ approvals { id state referral { id } } }", who="lead")).data["approvals"]
        assert {"id": asked["id"], "state": "REQUESTED", "referral": {"id": closed["id"]}} in listed
        done = await town.on("lead", "confirmApproval", asked)

        assert done["state"] == "CONFIRMED"
        assert done["referral"]["state"] == "IN_PROGRESS"
        again = await town.do("second_lead", "confirmApproval", id=asked["id"], expectedVersion=1)
        assert again["__typename"] == "ApprovalLapsedProblem"

    async def test_a_refused_request_changes_nothing(self, town: Town) -> None:
        closed = await town.closed()
        asked = await town.on("coordinator", "reopenReferral", closed, reason="NOT_FINISHED")
        refused = await town.on("lead", "refuseApproval", asked)

        assert refused["state"] == "REFUSED"
        assert (await seen(town, closed, "coordinator"))["state"] == "CLOSED"

    async def test_a_draft_in_error_is_erased_at_once_and_a_sent_one_with_four_eyes(self, town: Town) -> None:
        draft = await town.draft()
        gone = await town.on("coordinator", "correctReferral", draft, reason="WRONG_PERSON")
        assert gone["state"] == "ENTERED_IN_ERROR"
        sent = await town.sent()
        asked = await town.on("coordinator", "correctReferral", sent, reason="WRONG_PERSON")
        assert (asked["move"], asked["state"]) == ("ENTERED_IN_ERROR", "REQUESTED")
        await town.on("lead", "confirmApproval", asked)

        found = await seen(town, sent, "coordinator")
        assert found["state"] == "ENTERED_IN_ERROR"
        assert found["package"] is None


async def sent_of(town: Town, client: Any, who: str = "coordinator") -> Any:
    query = (
        "query($f: SentReferralsFilterInput) { sentReferrals(filter: $f, first: 100) { nodes { id state } } }"
    )
    answer = await town.ask(query, {"f": {"clientId": client["id"]}}, who=who)
    return answer.data["sentReferrals"]["nodes"]


class TestWhatEachSideSees:
    async def test_before_acknowledging_topic_language_and_area_only(self, town: Town) -> None:
        sent = await town.sent()
        before = await seen(town, sent, "staff")
        assert (before["topic"], before["language"]) == (town.topic, "ti")
        assert (before["package"], before["pseudonym"], before["clientId"]) == (None, None, None)
        assert before["packageClosedBecause"] == (
            "The data about the person cannot be read (state of the referral: SENT)."
        )
        await town.on("staff", "acknowledgeReferral", sent)

        after = await seen(town, sent, "staff")
        assert after["package"] == {
            "categories": CATEGORIES,
            "person": {
                "familyName": "Tesfay",
                "phone": "+493551234567",
                "languages": ["ti", "de"],
                "residenceStatus": None,
                "needs": [town.topic],
            },
        }
        assert after["packageClosedBecause"] is None
        assert (after["clientId"], after["seenAs"]) == (None, "RECIPIENT")
        assert after["events"][0]["move"] == "SEND"

    async def test_reading_the_package_is_recorded(self, town: Town, database: Database) -> None:
        read = await town.on("staff", "acknowledgeReferral", await town.sent())
        await seen(town, read, "staff")
        async with database.view(SYSTEM) as session:
            rows = await session.execute(
                select(Audit.action, Audit.partner_id)
                .where(Audit.object_id == read_id(read["id"], "Referral"))
                .order_by(Audit.id)
            )

        assert [(action, who == town.world.partner) for action, who in rows] == [
            ("referral.draft", False),
            ("referral.send", False),
            ("referral.acknowledge", True),
            ("package.view", True),
        ]

    async def test_without_report_back_no_outcome_reaches_the_sender(self, town: Town) -> None:
        reported = await town.reported(others=())

        found = await seen(town, reported, "coordinator")

        assert (found["outcome"], found["outcomeReason"], found["outcomeOn"]) == ("NOT_DISCLOSED", None, None)
        assert "NO_PLACE" not in str(found)
        # what the sender may not know of is not counted in the version that it reads
        query = "query($id: ID!) { referral(id: $id) { id version } }"
        mine = (await town.ask(query, {"id": reported["id"]}, who="coordinator")).data["referral"]
        closed = await town.on("coordinator", "closeReferral", mine, feedbackAsked="UNREACHABLE")
        assert closed["state"] == "CLOSED"

    async def test_texts_are_read_by_both_sides(self, town: Town) -> None:
        sent = await town.sent()
        read = await town.on("staff", "acknowledgeReferral", sent)
        asked = await town.on("staff", "askAboutReferral", read, question="Gibt es ein Zeugnis?")

        for who in ("staff", "coordinator"):
            assert (await seen(town, asked, who))["events"][-1]["text"] == "Gibt es ein Zeugnis?"

    async def test_the_sender_is_warned_of_a_wait_past_the_end_of_the_status(self, town: Town) -> None:
        sent = await town.sent()
        await town.on("staff", "waitlistReferral", sent, expectedWeek=days(300))

        assert (await seen(town, sent, "coordinator"))["warnings"] == ["WAIT_AFTER_STATUS_END"]
        assert (await seen(town, sent, "staff"))["warnings"] == []


class TestLists:
    async def test_the_inbox_by_state_page_by_page(self, town: Town) -> None:
        service = await town.new_service()
        sent = [await town.sent(serviceId=service) for _ in range(3)]
        await town.on("staff", "acknowledgeReferral", sent[0])
        query = """query($f: InboxFilterInput, $first: Int! = 2, $after: String) {
          inbox(filter: $f, first: $first, after: $after) {
            totalCount pageInfo { hasNextPage endCursor } nodes { id } } }"""
        given = {"f": {"serviceId": service}}
        first = (await town.ask(query, given, who="staff")).data["inbox"]
        second = (
            await town.ask(query, {**given, "after": first["pageInfo"]["endCursor"]}, who="staff")
        ).data["inbox"]
        open_ones = (
            await town.ask(query, {"f": {"serviceId": service, "states": ["SENT"]}}, who="staff")
        ).data["inbox"]

        found = [node["id"] for node in first["nodes"] + second["nodes"]]
        assert found == [sent[0]["id"], sent[2]["id"], sent[1]["id"]]
        assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (3, True)
        assert (second["totalCount"], second["pageInfo"]["hasNextPage"]) == (3, False)
        assert open_ones["totalCount"] == 2

    async def test_the_sender_reads_the_names_and_nobody_else(self, town: Town) -> None:
        sent = await town.sent()
        query = "query($id: ID!) { referral(id: $id) { client { id name } } }"
        own = (await town.ask(query, {"id": sent["id"]}, who="coordinator")).data["referral"]
        other = (await town.ask(query, {"id": sent["id"]}, who="staff")).data["referral"]

        assert own == {"client": {"id": sent["clientId"], "name": "Tesfay, Almaz"}}
        assert other == {"client": None}

    async def test_drafts_are_in_no_inbox(self, town: Town) -> None:
        service = await town.new_service()
        await town.draft(service=service)
        query = "query($f: InboxFilterInput) { inbox(filter: $f) { nodes { id } } }"
        answer = await town.ask(query, {"f": {"serviceId": service}}, who="staff")

        assert answer.data["inbox"]["nodes"] == []

    @pytest.mark.parametrize(
        ("arguments", "codes"),
        [
            ('after: "x"', ["INVALID_INPUT"]),
            ("first: 0", ["INVALID_INPUT"]),
            ("first: 101", ["LIMIT_EXCEEDED"]),
            ('filter: {serviceId: "x"}', ["INVALID_INPUT"]),
        ],
    )
    async def test_wrong_arguments_are_problems(self, town: Town, arguments: str, codes: list[str]) -> None:
        answer = await town.ask(f"{{ inbox({arguments}) {{ nodes {{ id }} }} }}", who="staff")

        assert answer.codes == codes


class TestNotTwice:
    async def test_the_same_key_in_parallel_makes_one(self, town: Town) -> None:
        client, service = await town.client(), await town.new_service()
        given: dict[str, Any] = {
            "idempotencyKey": key(),
            "clientId": client["id"],
            "serviceId": service,
            "topic": town.topic,
            "categories": CATEGORIES,
            "consent": {"record": RECORD},
        }
        given = await town.explained("coordinator", given)
        answers = await asyncio.gather(
            *(town.ask(document("referClient"), {"input": given}, who="coordinator") for _ in range(8))
        )

        assert len({answer.data["referClient"]["referral"]["id"] for answer in answers}) == 1
        assert len(await sent_of(town, client)) == 1

    async def test_the_same_key_with_other_input_is_a_problem(self, town: Town) -> None:
        sent = await town.sent()
        one = key()
        await town.done(
            "staff", "acknowledgeReferral", idempotencyKey=one, id=sent["id"], expectedVersion=sent["version"]
        )
        again = await town.do(
            "staff", "acknowledgeReferral", idempotencyKey=one, id=sent["id"], expectedVersion=99
        )

        assert again["__typename"] == "IdempotencyConflictProblem"

    async def test_another_actor_with_the_same_key_is_judged_for_themselves(self, town: Town) -> None:
        sent = await town.sent()
        given: dict[str, Any] = {
            "idempotencyKey": key(),
            "id": sent["id"],
            "expectedVersion": sent["version"],
        }
        await town.done("staff", "acknowledgeReferral", **given)

        assert (await town.do("other_staff", "acknowledgeReferral", **given))[
            "__typename"
        ] == "NotFoundProblem"

    async def test_a_stale_version_says_the_current_one(self, town: Town) -> None:
        sent = await town.sent()
        read = await town.on("staff", "acknowledgeReferral", sent)
        stale = await town.do(
            "staff", "acceptReferral", id=sent["id"], expectedVersion=sent["version"], **ACCEPTANCE
        )

        assert (stale["__typename"], stale["current"]) == ("StaleVersionProblem", read["version"])

    async def test_an_illegal_move_says_what_is_possible(self, town: Town) -> None:
        sent = await town.sent()
        refused = await town.do("staff", "resumeReferral", id=sent["id"], expectedVersion=sent["version"])

        assert refused["__typename"] == "TransitionNotAllowedProblem"
        assert refused["from"] == "SENT"
        assert {"ACKNOWLEDGE", "ACCEPT", "DECLINE"} <= set(refused["allowed"])

    async def test_a_second_open_referral_to_the_same_service_is_a_duplicate(self, town: Town) -> None:
        client, service = await town.client(), await town.new_service()
        first = await town.draft(client["id"], service)
        refused = await town.do(
            "coordinator",
            "draftReferral",
            clientId=client["id"],
            serviceId=service,
            topic=town.topic,
            categories=CATEGORIES,
        )

        assert (refused["__typename"], refused["referralId"]) == ("DuplicateReferralProblem", first["id"])

    async def test_parallel_accepts_of_the_last_place_give_one(self, town: Town) -> None:
        service = await town.new_service(capacity=one_place())
        sent = [await town.sent(serviceId=service) for _ in range(5)]
        answers = await asyncio.gather(
            *(
                town.do("staff", "acceptReferral", id=one["id"], expectedVersion=one["version"], **ACCEPTANCE)
                for one in sent
            )
        )

        assert sorted(answer["__typename"] for answer in answers) == [
            *["NoPlaceLeftProblem"] * 4,
            "ReferralSaved",
        ]


class TestForeigners:
    """For who has no part in it the referral does not exist."""

    async def test_they_find_nothing(self, town: Town) -> None:
        sent = await town.sent()
        for who in ("stranger", "other_staff"):
            assert await seen(town, sent, who) is None
            node = "query($id: ID!) { node(id: $id) { id } }"
            assert (await town.ask(node, {"id": sent["id"]}, who=who)).data["node"] is None
            moved = await town.do(who, "acceptReferral", id=sent["id"], expectedVersion=2, **ACCEPTANCE)
            assert moved["__typename"] == "NotFoundProblem"
        assert (await seen(town, sent, "coordinator"))["state"] == "SENT"

    async def test_without_a_token_there_is_nothing_to_see(self, town: Town) -> None:
        sent = await town.sent()
        answer = await town.ask(REFERRAL, {"id": sent["id"]}, who="anonymous")
        moved = await town.do(
            "anonymous", "acceptReferral", problems_only=True, id=sent["id"], expectedVersion=2, **ACCEPTANCE
        )

        assert (answer.status, answer.codes) == (401, ["NOT_SIGNED_IN"])
        assert moved["__typename"] == "NotSignedInProblem"

    async def test_a_draft_is_the_senders_alone(self, town: Town) -> None:
        draft = await town.draft()

        assert await seen(town, draft, "staff") is None


class TestWhatARandomWalkFound:
    """What a machine of all actors came upon (``test_machine``), each as a case of its own."""

    async def test_whoever_had_the_package_open_finds_what_it_must_delete(self, town: Town) -> None:
        sent = await town.sent()
        accepted = await town.on("staff", "acceptReferral", sent, **ACCEPTANCE)
        await town.do("coordinator", "withdrawConsent", id=sent["consentId"], channel="PHONE")

        read = await seen(town, sent, "staff")
        assert (accepted["pseudonym"], read["state"], read["package"]) == (
            sent["pseudonym"],
            "CONSENT_REVOKED",
            None,
        )
        assert read["pseudonym"] == sent["pseudonym"]

    async def test_asking_to_reopen_does_not_tell_whether_work_has_begun(self, town: Town) -> None:
        quiet = [{"purpose": "REPORT_BACK", "reportDepth": "NOTHING"}]
        answers = []
        for referral in (await town.accepted(others=quiet), await town.started(others=quiet)):
            version = (await town.ask(VERSION, {"id": referral["id"]}, who="coordinator")).data["referral"]
            refused = await town.do(
                "coordinator",
                "reopenReferral",
                id=referral["id"],
                expectedVersion=version["version"],
                reason="NOT_FINISHED",
            )
            answers.append(refused)

        assert answers[0]["from"] == "ACCEPTED"
        assert answers[0] == answers[1]

    async def test_a_withdrawal_is_the_latest_change_on_the_senders_side_too(self, town: Town) -> None:
        quiet = [{"purpose": "REPORT_BACK", "reportDepth": "NOTHING"}]
        started = await town.started(others=quiet)
        own = (await town.ask(VERSION, {"id": started["id"]}, who="coordinator")).data["referral"]
        await town.do("coordinator", "withdrawConsent", id=own["consentId"], channel="PHONE")

        both = [
            (await town.ask(VERSION, {"id": started["id"]}, who=who)).data["referral"]
            for who in ("coordinator", "staff")
        ]
        assert both[0]["updatedAt"] == both[1]["updatedAt"]
        assert own["updatedAt"] < both[0]["updatedAt"]


VERSION = "query($id: ID!) { referral(id: $id) { version updatedAt consentId } }"
