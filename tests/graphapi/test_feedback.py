"""How it went, in the person's own view: a code that is shown once, an anonymous answer, exactly once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from directory.database import Database
from tests.graphapi.asking import Api
from tests.graphapi.exchanging import Town, document, key, make_town

FEEDBACK = """query($id: ID!) { referral(id: $id) {
  feedback { answer answerLabel source language text } } }"""


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def said(town: Town, referral: Any, who: str = "coordinator") -> Any:
    return (await town.ask(FEEDBACK, {"id": referral["id"]}, who=who)).data["referral"]["feedback"]


async def code(town: Town, referral: Any) -> str:
    issued = await town.done("coordinator", "issueFeedbackCode", referralId=referral["id"])
    found: str = issued["feedbackCode"]
    return found


class TestACode:
    async def test_is_used_without_signing_in_and_the_sender_reads_the_answer(self, town: Town) -> None:
        begun = await town.started()
        found = await code(town, begun)
        typed = f" {found.lower().replace('-', ' ')} "
        given = await town.do(
            "anonymous", "giveFeedback", code=typed, answer="HELPED", text="Danke, es war gut.", language="de"
        )

        assert given == {"__typename": "FeedbackGiven", "thanks": True}
        assert await said(town, begun) == [
            {
                "answer": "HELPED",
                "answerLabel": "it helped",
                "source": "CODE",
                "language": "de",
                "text": "Danke, es war gut.",
            }
        ]
        assert await said(town, begun, "staff") == []

    async def test_acts_exactly_once_even_in_parallel(self, town: Town) -> None:
        begun = await town.started()
        found = await code(town, begun)
        answers = await asyncio.gather(
            *(town.do("anonymous", "giveFeedback", code=found, answer="HELPED") for _ in range(6))
        )
        kinds = sorted(answer["__typename"] for answer in answers)

        assert kinds == [*["CodeNotValidProblem"] * 5, "FeedbackGiven"]
        assert len(await said(town, begun)) == 1

    async def test_is_shown_once(self, town: Town) -> None:
        begun = await town.started()
        given = {"input": {"idempotencyKey": key(), "referralId": begun["id"]}}
        first = await town.ask(document("issueFeedbackCode"), given, who="coordinator")
        again = await town.ask(document("issueFeedbackCode"), given, who="coordinator")

        assert first.data["issueFeedbackCode"]["feedbackCode"] is not None
        assert again.data["issueFeedbackCode"]["feedbackCode"] is None

    async def test_dies_with_the_next_one(self, town: Town) -> None:
        begun = await town.started()
        first, second = await code(town, begun), await code(town, begun)

        assert (await town.do("anonymous", "giveFeedback", code=first, answer="HELPED"))["__typename"] == (
            "CodeNotValidProblem"
        )
        assert (await town.do("anonymous", "giveFeedback", code=second, answer="HELPED"))["thanks"] is True

    @pytest.mark.parametrize("wrong", ["", "AAAAA-AAAAA", "x" * 5_000, "' OR 1=1 --"])
    async def test_a_wrong_one_says_no_more_than_that(self, town: Town, wrong: str) -> None:
        refused = await town.do("anonymous", "giveFeedback", code=wrong, answer="HELPED")

        assert (refused["__typename"], refused["message"]) == (
            "CodeNotValidProblem",
            "This code is not valid, or not any more.",
        )

    async def test_is_issued_once_there_is_something_to_say(self, town: Town) -> None:
        sent = await town.sent()
        refused = await town.do("coordinator", "issueFeedbackCode", referralId=sent["id"])

        assert (refused["__typename"], refused["from"]) == ("TransitionNotAllowedProblem", "SENT")

    @pytest.mark.parametrize(
        ("who", "problem"),
        [
            ("staff", "NotAllowedProblem"),
            ("other_staff", "NotFoundProblem"),
            ("stranger", "NotFoundProblem"),
            ("colleague", "NotAllowedProblem"),
            ("anonymous", "NotSignedInProblem"),
        ],
    )
    async def test_is_issued_by_whom_looks_after_the_person(self, town: Town, who: str, problem: str) -> None:
        begun = await town.started()
        refused = await town.do(who, "issueFeedbackCode", problems_only=True, referralId=begun["id"])

        assert refused["__typename"] == problem


class TestToldToTheSender:
    async def test_is_recorded_once(self, town: Town) -> None:
        begun = await town.started()
        await town.done(
            "coordinator", "recordFeedback", referralId=begun["id"], answer="DID_NOT_HELP", source="PHONE"
        )
        again = await town.do("coordinator", "recordFeedback", referralId=begun["id"], answer="HELPED")

        assert (again["__typename"], again["reason"]) == ("InvalidInputProblem", "answered-already")
        assert [one["source"] for one in await said(town, begun)] == ["PHONE"]

    async def test_ends_the_code(self, town: Town) -> None:
        begun = await town.started()
        found = await code(town, begun)
        await town.done("coordinator", "recordFeedback", referralId=begun["id"], answer="HELPED")

        assert (await town.do("anonymous", "giveFeedback", code=found, answer="HELPED"))["__typename"] == (
            "CodeNotValidProblem"
        )

    @pytest.mark.parametrize(
        ("given", "field", "reason"),
        [
            ({"text": "x" * 601}, "text", "too-long"),
            ({"source": "CODE"}, "source", "unknown-value"),
            ({"language": "!!", "text": "x"}, "language", "format"),
        ],
    )
    async def test_what_is_wrong_is_named(
        self, town: Town, given: dict[str, Any], field: str, reason: str
    ) -> None:
        begun = await town.started()
        refused = await town.do(
            "coordinator", "recordFeedback", **{"referralId": begun["id"], "answer": "HELPED", **given}
        )

        assert (refused["__typename"], refused["field"], refused["reason"]) == (
            "InvalidInputProblem",
            field,
            reason,
        )
        assert await said(town, begun) == []
