"""How long referrals take: days from sending, thresholds against small numbers, and nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from directory.actors import ANONYMOUS, SYSTEM, Actor, Role
from directory.days import local_day
from directory.problems import InvalidInput, NotAllowed, NotSignedIn
from referrals.timing import StepTime, Times, referral_times
from referrals.vocabulary import TimedStep
from tests.referrals.desk import Desk
from tests.referrals.town import Town

BEFORE = datetime(2020, 1, 1, tzinfo=UTC)


async def times(desk: Desk, actor: Actor, since: datetime = BEFORE, until: datetime | None = None) -> Times:
    async with desk.database.view(actor) as session:
        return await referral_times(session, actor, since, until or desk.database.clock() + timedelta(days=1))


def step(found: Times, which: TimedStep) -> StepTime:
    return next(one for one in found.steps if one.step is which)


async def took(
    desk: Desk, town: Town, days: int, client: UUID | None = None, *, closed: int | None = None
) -> None:
    """Have a referral sent, accepted after so many days with a first contact three days later, and closed."""
    sent = await desk.sent(client or await desk.client(), town.provider)
    async with desk.database.work(SYSTEM) as work:
        today = local_day(work.now)
        given = {
            "id": sent.id, "ago": work.now - timedelta(days=days), "contact": today + timedelta(days=3),
            "state": "ACCEPTED" if closed is None else "CLOSED",
            "closed": None if closed is None else work.now - timedelta(days=days - closed),
        }  # fmt: skip
        await work.session.execute(
            text(
                "UPDATE referral SET sent_at = :ago, first_contact_on = :contact, state = :state, "
                "closed_at = :closed WHERE id = :id"
            ),
            given,
        )
        await work.session.execute(
            text(
                "INSERT INTO referral_event (referral_id, ordinal, at, move, from_state, to_state, actor, "
                "source, facts, told) VALUES (:id, 90, now(), 'ACCEPT', 'SENT', 'ACCEPTED', 'RECIPIENT', "
                "'MEMBER', '{}', true)"
            ),
            {"id": sent.id},
        )


async def test_days_count_from_sending_and_small_numbers_say_nothing(desk: Desk, town: Town) -> None:
    for days in (1, 2, 3, 10):
        await took(desk, town, days)
    few = await times(desk, town.coordinator)
    assert few.sent == 4
    assert step(few, TimedStep.ACCEPTED) == StepTime(
        step=TimedStep.ACCEPTED, count=4, people=4, median=None, ninth=None
    )
    await took(desk, town, 20, closed=15)
    enough = await times(desk, town.coordinator)
    assert step(enough, TimedStep.ACCEPTED).median == 3
    assert step(enough, TimedStep.ACCEPTED).ninth is None  # five referrals: a tenth of them is nobody
    assert step(enough, TimedStep.FIRST_APPOINTMENT).median == 6
    assert step(enough, TimedStep.CLOSED) == StepTime(
        step=TimedStep.CLOSED, count=1, people=1, median=None, ninth=None
    )
    for days in (4, 5, 6, 7, 8):
        await took(desk, town, days)
    ten = step(await times(desk, town.coordinator), TimedStep.ACCEPTED)
    assert (ten.count, ten.people, ten.median, ten.ninth) == (10, 10, 5.5, 10)
    recent = await times(desk, town.coordinator, desk.database.clock() - timedelta(days=9, hours=12))
    assert recent.sent == 8


async def test_the_same_person_counts_once_for_the_threshold(desk: Desk, town: Town) -> None:
    client = await desk.client()
    await took(desk, town, 2, client, closed=1)
    for days in (3, 4, 5):
        await took(desk, town, days, closed=1)
    await took(desk, town, 6, client, closed=1)
    found = step(await times(desk, town.coordinator), TimedStep.CLOSED)
    assert (found.count, found.people, found.median) == (5, 4, None)


async def test_only_what_one_sent_is_counted_and_only_for_who_works_with_people(
    desk: Desk, town: Town
) -> None:
    await took(desk, town, 3)
    assert (await times(desk, town.provider.member)).sent == 0
    reader = Actor(role=Role.OTHER_MUNICIPALITY, member_id=UUID(int=1), partner_id=UUID(int=2))
    for actor, problem in ((ANONYMOUS, NotSignedIn), (reader, NotAllowed)):
        with pytest.raises(problem):
            await times(desk, actor)
    with pytest.raises(InvalidInput, match="before-start"):
        await times(desk, town.coordinator, BEFORE, BEFORE)
