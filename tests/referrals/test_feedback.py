"""The person's own answer by a one-time code."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from directory.actors import ANONYMOUS, SYSTEM
from directory.database import Database
from directory.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn
from referrals.codes import CodePurpose, hash_of, present
from referrals.models import Feedback
from referrals.moving import Moved
from referrals.person import feedback
from referrals.problems import TransitionNotAllowed
from referrals.vocabulary import AnswerSource, FeedbackAnswer
from tests.referrals.desk import Desk, at
from tests.referrals.town import Town


@pytest.fixture
async def running(desk: Desk, town: Town, client_id: UUID) -> Moved:
    return await desk.running(client_id, town.provider)


async def issued(desk: Desk, referral_id: UUID) -> str:
    async with desk.database.work(desk.town.coordinator) as work:
        return (await feedback.issue_code(work, referral_id)).code


async def give(desk: Desk, code: str, text_given: str | None = None) -> UUID:
    async with desk.database.work(ANONYMOUS) as work:
        return await feedback.give_feedback(
            work, desk.keys, code, FeedbackAnswer.HELPED_PARTLY, text_given=text_given, language="ti"
        )


async def count(database: Database, referral_id: UUID) -> int:
    async with database.view(SYSTEM) as session:
        found = await session.execute(
            select(func.count()).select_from(Feedback).where(Feedback.referral_id == referral_id)
        )
        return found.scalar_one()


async def test_the_person_answers_and_the_sender_reads_it(desk: Desk, town: Town, running: Moved) -> None:
    code = await issued(desk, running.id)
    await give(desk, f" {code.lower().replace('-', ' ')} ", "Der Kurs war gut.")

    async with desk.database.view(town.coordinator) as session:
        read = await feedback.list_feedback(session, town.coordinator, desk.keys, running.id)
    assert [(f.answer, f.source, f.text) for f in read] == [
        (FeedbackAnswer.HELPED_PARTLY, AnswerSource.CODE, "Der Kurs war gut.")
    ]
    with pytest.raises(NotAllowed):
        async with desk.database.view(town.provider.member) as session:
            await feedback.list_feedback(session, town.provider.member, desk.keys, running.id)
    for actor, problem in ((town.business.member, NotFound), (ANONYMOUS, NotSignedIn)):
        with pytest.raises(problem):
            async with desk.database.view(actor) as session:
                await feedback.list_feedback(session, actor, desk.keys, running.id)


async def test_of_many_parallel_uses_of_a_code_exactly_one_counts(desk: Desk, running: Moved) -> None:
    code = await issued(desk, running.id)

    results = await asyncio.gather(*(give(desk, code) for _ in range(30)), return_exceptions=True)

    assert len([r for r in results if isinstance(r, UUID)]) == 1
    assert {type(r) for r in results if not isinstance(r, UUID)} == {NotFound}
    assert await count(desk.database, running.id) == 1


async def test_wrong_used_old_and_ended_codes_look_the_same(desk: Desk, running: Moved) -> None:
    old = await issued(desk, running.id)
    code = await issued(desk, running.id)
    problems = []
    for tried in ("ABCDE-ABCDE-ABCDE-ABCDE-ABCDE", "", old):
        with pytest.raises(NotFound) as refused:
            await give(desk, tried)
        problems.append(refused.value.args)
    async with at(desk.database, datetime.now(UTC) + timedelta(days=61)):
        with pytest.raises(NotFound) as refused:
            await give(desk, code)
        problems.append(refused.value.args)
    await give(desk, code)
    with pytest.raises(NotFound) as refused:
        await give(desk, code)

    assert {*problems, refused.value.args} == {()}
    assert await count(desk.database, running.id) == 1


async def test_a_code_opens_nothing_but_its_own_answer(desk: Desk, running: Moved) -> None:
    code = await issued(desk, running.id)
    async with desk.database.work(ANONYMOUS) as work:
        await present(work.session, hash_of(code, CodePurpose.FEEDBACK))
        for table in ("client", "consent", "referral_package", "approval", "booking"):
            rows = await work.session.execute(text(f"SELECT count(*) FROM {table}"))
            assert rows.scalar() == 0


async def test_a_code_is_issued_when_there_is_something_to_say(
    desk: Desk, town: Town, client_id: UUID, running: Moved
) -> None:
    sent = await desk.sent(client_id, town.school)
    with pytest.raises(TransitionNotAllowed):
        await issued(desk, sent.id)
    with pytest.raises(NotAllowed):
        async with desk.database.work(town.provider.member) as work:
            await feedback.issue_code(work, running.id)
    await give(desk, await issued(desk, running.id))
    with pytest.raises(InvalidInput) as refused:
        await issued(desk, running.id)
    assert refused.value.reason == "answered-already"


async def test_what_the_person_said_in_person_is_recorded_once(
    desk: Desk, town: Town, running: Moved
) -> None:
    code = await issued(desk, running.id)
    async with desk.database.work(town.coordinator) as work:
        await feedback.record_feedback(work, desk.keys, running.id, FeedbackAnswer.HELPED)

    with pytest.raises(NotFound):
        await give(desk, code)
    assert await count(desk.database, running.id) == 1


async def test_the_code_is_stored_nowhere(desk: Desk, running: Moved) -> None:
    code = await issued(desk, running.id)
    async with desk.database.view(SYSTEM) as session:
        for table in ("feedback_code", "audit", "referral_event"):
            rows = await session.execute(text(f"SELECT to_jsonb(t)::text FROM {table} t"))
            assert not any(code in str(row) for row in rows.scalars())
