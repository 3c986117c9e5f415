"""What declines tell the directory, and where the network has gaps."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from directory import change_requests
from directory.actors import ANONYMOUS, SYSTEM
from directory.catalogue import set_capacity
from directory.change_requests import ChangeRequestView, decide_change_request, list_change_requests
from directory.database import Database
from directory.models import Service
from directory.problems import InvalidInput, NotFound, NotSignedIn, StaleVersion
from directory.values import Capacity
from directory.vocabulary import (
    CapacityState,
    ChangeDecision,
    ChangeField,
    ChangeReason,
    ChangeRequestState,
)
from referrals import answering
from referrals.gaps import Gap, structural_gaps
from referrals.upkeep import learn_from_decline
from referrals.vocabulary import DeclinedBy, DeclineReason
from tests.referrals.desk import Desk, at
from tests.referrals.town import Organisation


async def declined(
    desk: Desk, to: Organisation, reason: DeclineReason, by: DeclinedBy = DeclinedBy.PARTNER
) -> UUID:
    """A referral of a new client that was declined; what the job learned from it is in the directory."""
    sent = await desk.sent(await desk.client(), to)
    await desk.as_(
        to.member,
        lambda w: answering.decline(w, desk.keys, sent.id, sent.version, reason=reason, declined_by=by),
    )
    async with desk.database.work(SYSTEM) as work:
        await learn_from_decline(work, sent.id)
    return sent.id


async def open_requests(desk: Desk, of: Organisation) -> tuple[ChangeRequestView, ...]:
    async with desk.database.view(of.member) as session:
        return (await list_change_requests(session, of.member, with_total=True)).nodes


async def test_the_second_decline_for_want_of_a_place_asks_the_owner_for_its_places(desk: Desk) -> None:
    provider = desk.town.provider
    await declined(desk, provider, DeclineReason.NO_CAPACITY)
    assert await open_requests(desk, provider) == ()
    await declined(desk, provider, DeclineReason.NO_CAPACITY)
    (request,) = await open_requests(desk, provider)
    assert (request.field, request.reason, request.times) == (
        ChangeField.CAPACITY,
        ChangeReason.DECLINED_NO_CAPACITY,
        2,
    )
    await declined(desk, provider, DeclineReason.NO_CAPACITY)
    (request,) = await open_requests(desk, provider)
    assert request.times == 3


async def test_saying_the_places_anew_settles_the_request_and_starts_the_count_again(desk: Desk) -> None:
    provider = desk.town.provider
    for _ in range(2):
        await declined(desk, provider, DeclineReason.NO_CAPACITY)
    async with desk.database.work(provider.member) as work:
        version = (await work.session.get_one(Service, provider.service)).version
        await set_capacity(
            work, provider.service, Capacity(state=CapacityState.FEW), expected_version=version
        )
    assert await open_requests(desk, provider) == ()
    await declined(desk, provider, DeclineReason.NO_CAPACITY)
    assert await open_requests(desk, provider) == ()


async def test_no_places_as_the_entry_says_are_no_news(desk: Desk) -> None:
    provider = desk.town.provider
    sent = [await desk.sent(await desk.client(), provider) for _ in range(2)]
    async with desk.database.work(SYSTEM) as work:
        (await work.session.get_one(Service, provider.service)).capacity = Capacity(state=CapacityState.NONE)
    for each in sent:
        await desk.as_(
            provider.member,
            lambda w, each=each: answering.decline(  # type: ignore[misc]
                w, desk.keys, each.id, each.version, reason=DeclineReason.NO_CAPACITY
            ),
        )
        async with desk.database.work(SYSTEM) as work:
            assert await learn_from_decline(work, each.id) is None


@pytest.mark.parametrize(
    ("reason", "by", "opened"),
    [
        (DeclineReason.NOT_ELIGIBLE, DeclinedBy.PARTNER, 1),
        (DeclineReason.NOT_ELIGIBLE, DeclinedBy.PERSON, 0),
        (DeclineReason.NO_CAPACITY, DeclinedBy.PERSON, 0),
        (DeclineReason.PERSON_DECLINED, DeclinedBy.PERSON, 0),
        (DeclineReason.NOT_RESPONSIBLE, DeclinedBy.PARTNER, 0),
        (DeclineReason.OTHER, DeclinedBy.PARTNER, 0),
    ],
)
async def test_which_declines_say_something_about_the_entry(
    desk: Desk, reason: DeclineReason, by: DeclinedBy, opened: int
) -> None:
    await declined(desk, desk.town.provider, reason, by)
    assert len(await open_requests(desk, desk.town.provider)) == opened


async def test_learning_twice_from_one_decline_changes_nothing(desk: Desk) -> None:
    referral_id = await declined(desk, desk.town.provider, DeclineReason.NOT_ELIGIBLE)
    (before,) = await open_requests(desk, desk.town.provider)
    async with desk.database.work(SYSTEM) as work:
        await learn_from_decline(work, referral_id)
    assert await open_requests(desk, desk.town.provider) == (before,)


async def test_who_decides_on_a_change_request(desk: Desk) -> None:
    town = desk.town
    await declined(desk, town.provider, DeclineReason.NOT_ELIGIBLE)
    (request,) = await open_requests(desk, town.provider)
    assert await open_requests(desk, town.coordination) == (request,), "the coordination keeps the directory"
    assert await open_requests(desk, town.jobcenter) == ()

    async def decide(actor: object, version: int, accept: bool, reason: ChangeDecision) -> ChangeRequestView:
        async with desk.database.work(actor) as work:  # type: ignore[arg-type]
            return await decide_change_request(
                work, request.id, expected_version=version, accept=accept, reason=reason
            )

    with pytest.raises(NotFound):
        await decide(town.jobcenter.member, 1, False, ChangeDecision.EXCEPTION)
    with pytest.raises(NotSignedIn):
        await decide(ANONYMOUS, 1, False, ChangeDecision.EXCEPTION)
    with pytest.raises(StaleVersion):
        await decide(town.provider.member, 7, False, ChangeDecision.EXCEPTION)
    with pytest.raises(InvalidInput, match="contradicts-decision"):
        await decide(town.provider.member, 1, True, ChangeDecision.EXCEPTION)
    rejected = await decide(town.provider.member, 1, False, ChangeDecision.EXCEPTION)
    assert rejected.state is ChangeRequestState.REJECTED
    with pytest.raises(InvalidInput, match="decided-already"):
        await decide(town.provider.member, rejected.version, False, ChangeDecision.EXCEPTION)
    # What was decided on counts no more: the next decline opens a new request, which counts from one.
    await declined(desk, town.provider, DeclineReason.NOT_ELIGIBLE)
    (again,) = await open_requests(desk, town.provider)
    assert (again.times, again.id != request.id) == (1, True)


async def test_requests_come_in_pages_and_only_to_who_is_signed_in(desk: Desk) -> None:
    for to in (desk.town.provider, desk.town.business):
        await declined(desk, to, DeclineReason.NOT_ELIGIBLE)
    async with desk.database.view(desk.town.coordinator) as session:
        first = await list_change_requests(session, desk.town.coordinator, first=1, with_total=True)
        second = await list_change_requests(
            session, desk.town.coordinator, first=1, after=first.cursors[0], with_total=True
        )
    assert (first.has_next, first.total, second.has_next, second.total) == (True, 2, False, 2)
    assert {first.nodes[0].partner_id, second.nodes[0].partner_id} == {
        desk.town.provider.id,
        desk.town.business.id,
    }
    async with desk.database.view(ANONYMOUS) as session:
        with pytest.raises(NotSignedIn):
            await list_change_requests(session, ANONYMOUS)
        with pytest.raises(InvalidInput):
            await list_change_requests(session, desk.town.coordinator, first=change_requests.MOST + 1)


# --- Structural gaps ----------------------------------------------------------------------------------------


async def gaps(desk: Desk, of: Organisation, database: Database) -> dict[str, Gap]:
    now = database.clock()
    async with database.view(of.member) as session:
        found = await structural_gaps(session, of.member, now - timedelta(days=30), now + timedelta(days=1))
    return {gap.topic: gap for gap in found}


async def test_a_need_that_nobody_took_is_a_gap_until_somebody_takes_it(
    desk: Desk, database: Database
) -> None:
    town = desk.town
    person = await desk.client(needs=("language-course",))
    other = await desk.client(needs=("language-course", "childcare"))
    for client in (person, other):
        sent = await desk.sent(client, town.provider)
        await desk.as_(
            town.provider.member,
            lambda w, sent=sent: answering.decline(  # type: ignore[misc]
                w, desk.keys, sent.id, sent.version, reason=DeclineReason.NO_CAPACITY
            ),
        )
    found = await gaps(desk, town.coordination, database)
    course = found["language-course"]
    assert (course.people, course.waiting, course.unanswered) == (2, 2, 0)
    assert [(d.reason, d.count) for d in course.declines] == [(DeclineReason.NO_CAPACITY, 2)]
    assert (found["childcare"].people, found["childcare"].waiting) == (0, 1)
    await desk.accepted(person, town.school)
    course = (await gaps(desk, town.coordination, database))["language-course"]
    assert (course.people, course.waiting) == (1, 1)
    assert await gaps(desk, town.jobcenter, database) == {}, "another office's people are not counted"


async def test_what_says_something_about_the_person_is_no_gap(desk: Desk, database: Database) -> None:
    client = await desk.client(needs=())
    sent = await desk.sent(client, desk.town.provider)
    await desk.as_(
        desk.town.provider.member,
        lambda w: answering.decline(
            w, desk.keys, sent.id, sent.version, reason=DeclineReason.PERSON_NOT_REACHED
        ),
    )
    assert "language-course" not in await gaps(desk, desk.town.coordination, database)


async def test_a_period_has_a_beginning_before_its_end(desk: Desk, database: Database) -> None:
    now = database.clock()
    async with at(database, now), database.view(desk.town.coordinator) as session:
        with pytest.raises(InvalidInput, match="before-start"):
            await structural_gaps(session, desk.town.coordinator, now, now)
