"""How partners answer, measured: which classes, from how many answers on, of whom, and never twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from directory.actors import SYSTEM
from directory.database import Database
from directory.figures import (
    LEAST_DENOMINATOR,
    LEAST_PARTNERS,
    LEAST_PEOPLE,
    figures_of,
    publish,
    window,
)
from directory.problems import NotAllowed
from directory.vocabulary import Acceptance, ResponseTime
from referrals import answering, measuring
from referrals.consent import consents
from referrals.measuring import Answered, classes, measure
from referrals.models import Referral
from referrals.personal_data.keystore import KeyStore
from referrals.values import PurposeTerms
from referrals.vocabulary import Channel, DeclineReason, Purpose
from tests.referrals.desk import Desk, accept, at
from tests.referrals.town import make_town, purposes

SENDERS = [UUID(int=number) for number in range(1, 4)]


def answers(*days: float | None, accepted: int | None = None) -> list[Answered]:
    """Return answers after so many days, of as many people, sent by three in turn."""
    yes = len(days) if accepted is None else accepted
    return [
        Answered(sender=SENDERS[n % 3], client=UUID(int=100 + n), days=after, accepted=n < yes)
        for n, after in enumerate(days)
    ]


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (answers(*[1.0] * 10), (ResponseTime.WITHIN_2_DAYS, Acceptance.MOSTLY)),
        (answers(*[4.0] * 10, accepted=7), (ResponseTime.WITHIN_5_DAYS, Acceptance.OFTEN)),
        (answers(*[9.0] * 10, accepted=3), (ResponseTime.WITHIN_10_DAYS, Acceptance.SELDOM)),
        (answers(*[30.0] * 10, accepted=8), (ResponseTime.LATER, Acceptance.MOSTLY)),
        (answers(*[1.0] * 4, *[None] * 6, accepted=4), (ResponseTime.LATER, Acceptance.OFTEN)),
        (answers(*[1.0] * 9), None),
        ([], None),
    ],
)
def test_classes(given_: list[Answered], expected: tuple[ResponseTime, Acceptance] | None) -> None:
    assert classes(given_) == expected


ANSWERS = st.lists(
    st.builds(
        Answered,
        sender=st.sampled_from(SENDERS),
        client=st.integers(1, 8).map(lambda number: UUID(int=number)),
        days=st.none() | st.floats(0, 90),
        accepted=st.booleans(),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(ANSWERS)
def test_nothing_is_said_below_any_threshold(found: list[Answered]) -> None:
    enough = (
        len(found) >= LEAST_DENOMINATOR
        and len({one.client for one in found}) >= LEAST_PEOPLE
        and len({one.sender for one in found}) >= LEAST_PARTNERS
    )

    assert (classes(found) is not None) == enough


def test_windows_are_whole_years_that_end_with_a_quarter() -> None:
    assert window(date(2026, 1, 1)) == (date(2025, 1, 1), date(2025, 12, 31))
    assert window(date(2026, 3, 31)) == (date(2025, 1, 1), date(2025, 12, 31))
    assert window(date(2026, 4, 1)) == (date(2025, 4, 1), date(2026, 3, 31))


STATISTICS = (*purposes(), PurposeTerms(purpose=Purpose.STATISTICS))
SENT, MEASURED = datetime(2026, 2, 2, 9, tzinfo=UTC), datetime(2026, 4, 1, 2, tzinfo=UTC)


async def test_only_people_who_let_themselves_be_counted_are(
    empty_database: Database, keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four answers, of which one is counted as a yes and one as a no; and each window is counted once."""
    monkeypatch.setattr(measuring, "LEAST_DENOMINATOR", 2)
    monkeypatch.setattr(measuring, "LEAST_PEOPLE", 2)
    monkeypatch.setattr(measuring, "LEAST_PARTNERS", 1)
    database = empty_database
    town = await make_town(database)
    desk = Desk(database, keys, town)
    to = town.provider

    async def answered(asked: tuple[PurposeTerms, ...], *, yes: bool, withdrawn: bool = False) -> None:
        async with at(database, SENT):
            referral = await desk.sent(await desk.client(), to, asked=asked)
        dates = {"first_contact_on": date(2026, 2, 20), "expected_end": date(2026, 4, 30)}
        async with at(database, SENT + timedelta(days=3)):
            if yes:
                await desk.as_(to.member, lambda work: accept(work, referral, **dates))
            else:
                reason = DeclineReason.NO_CAPACITY
                await desk.as_(
                    to.member,
                    lambda work: answering.decline(work, keys, referral.id, referral.version, reason=reason),
                )
        if withdrawn:
            async with at(database, SENT + timedelta(days=9)), database.work(town.coordinator) as work:
                consent = await work.session.scalar(
                    select(Referral.consent_id).where(Referral.id == referral.id)
                )
                assert consent is not None
                await consents.withdraw_consent(work, consent_id=consent, channel=Channel.IN_PERSON)

    await answered(STATISTICS, yes=True)
    await answered(STATISTICS, yes=False)
    await answered(purposes(), yes=True)
    await answered(STATISTICS, yes=True, withdrawn=True)
    async with at(database, MEASURED):
        assert await measure(database) == 1
        (figure,) = (await figures_of(database.reader, [to.id, uuid4()])).values()
        await answered(STATISTICS, yes=True)
        assert await measure(database) is None

    assert (figure.response_time, figure.acceptance) == (ResponseTime.WITHIN_5_DAYS, Acceptance.OFTEN)
    assert (figure.since, figure.until) == (date(2025, 4, 1), date(2026, 3, 31))
    monkeypatch.undo()
    async with at(database, MEASURED + timedelta(days=91)):
        assert await measure(database) == 0  # too few for the real thresholds: the old figure goes too
    assert await figures_of(database.reader, [to.id]) == {}


async def test_only_the_service_itself_publishes_figures(empty_database: Database) -> None:
    town = await make_town(empty_database)
    async with empty_database.work(town.lead) as work:
        with pytest.raises(NotAllowed):
            await publish(work, date(2026, 3, 31), [])
    async with empty_database.work(SYSTEM) as work:
        await publish(work, date(2026, 3, 31), [])
