"""What waits for the sender: questions, outcomes, and refusals until something was done about the need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

import pytest

from referrals import answering, exchange, inbox, thread
from referrals.clients import move_phase, view_client
from referrals.inbox import Box
from referrals.moving import Moved
from referrals.personal_data.erasing import erase_client
from referrals.ticking import run_the_clock
from referrals.vocabulary import ClientPhase, DeclineReason, FeedbackAsked, OutcomeCode, Reason, ReferralState
from tests.referrals.desk import TODAY, Desk, at
from tests.referrals.test_ticking import noon
from tests.referrals.town import Town

Deed: TypeAlias = "Callable[[Desk, Moved], Awaitable[object]]"


async def waiting(desk: Desk) -> list[UUID]:
    """Return what waits for the coordination, as its list says; each referral itself must say the same."""
    town, now = desk.town, desk.database.clock()
    async with desk.database.view(town.coordinator) as session:
        pages = [
            await inbox.list_referrals(
                session, town.coordinator, now, Box.SENT, waits_for_sender=wanted, with_total=True
            )
            for wanted in (True, False, None)
        ]
    yes, no, every = ([view.id for view in page.items] for page in pages)
    assert sorted([*yes, *no]) == sorted(every)
    assert [page.total for page in pages] == [len(yes), len(no), len(every)]
    assert yes == [view.id for view in pages[2].items if view.waits_for_sender]
    return yes


async def declined(desk: Desk, client_id: UUID | None = None, **changes: object) -> Moved:
    """A referral that the provider has declined."""
    town = desk.town
    sent = await desk.sent(client_id or await desk.client(), town.provider, **changes)  # type: ignore[arg-type]
    return await desk.as_(
        town.provider.member,
        lambda w: answering.decline(w, desk.keys, sent.id, sent.version, reason=DeclineReason.NO_CAPACITY),
    )


async def person(desk: Desk, referral: Moved) -> UUID:
    client_id = (await desk.view(desk.town.coordinator, referral.id)).client_id
    assert client_id is not None
    return client_id


async def test_a_question_waits_until_it_is_answered(desk: Desk, town: Town, client_id: UUID) -> None:
    provider = town.provider.member
    sent = await desk.sent(client_id, town.provider)
    assert await waiting(desk) == []
    asked = await desk.as_(provider, lambda w: answering.ask(w, desk.keys, sent.id, sent.version, "Niveau?"))
    assert await waiting(desk) == [sent.id]
    await desk.as_(town.coordinator, lambda w: exchange.reply(w, desk.keys, sent.id, asked.version, "A2"))
    assert await waiting(desk) == []


async def test_an_outcome_waits_until_it_is_confirmed(desk: Desk, town: Town, client_id: UUID) -> None:
    running = await desk.running(client_id, town.provider)
    assert await waiting(desk) == []
    told = await desk.as_(
        town.provider.member,
        lambda w: answering.report_outcome(
            w, running.id, running.version, outcome=OutcomeCode.NEED_MET, outcome_on=TODAY
        ),
    )
    assert await waiting(desk) == [running.id]
    seen = await desk.view(town.coordinator, told.id)
    await desk.as_(
        town.coordinator,
        lambda w: exchange.close(w, told.id, seen.version, FeedbackAsked.ANSWERED),
    )
    assert await waiting(desk) == []


async def test_a_question_whose_consent_has_ended_waits_for_nobody(desk: Desk, town: Town) -> None:
    sent = await desk.sent(await desk.client(), town.provider)
    await desk.as_(
        town.provider.member, lambda w: answering.ask(w, desk.keys, sent.id, sent.version, "Niveau?")
    )
    async with at(desk.database, noon(TODAY + timedelta(days=800))):
        assert await waiting(desk) == []


# --- Refusals ----------------------------------------------------------------------------------------------


async def test_a_silence_waits_as_a_refusal_does(desk: Desk, town: Town, client_id: UUID) -> None:
    sent = await desk.sent(client_id, town.provider)
    async with at(desk.database, noon(TODAY + timedelta(days=60))):
        await run_the_clock(desk.database)
        assert (await desk.view(town.coordinator, sent.id)).state is ReferralState.EXPIRED
        assert await waiting(desk) == [sent.id]


async def draft_follow_up(desk: Desk, former: Moved) -> Moved:
    given = exchange.FollowUp(service_id=desk.town.jobcenter.service)
    return await desk.as_(desk.town.coordinator, lambda w: exchange.follow_up(w, former.id, given))


async def draft_anew(desk: Desk, former: Moved) -> Moved:
    return await desk.draft(await person(desk, former), desk.town.jobcenter)


async def refer_for_another_need(desk: Desk, former: Moved) -> Moved:
    return await desk.draft(await person(desk, former), desk.town.jobcenter, topic="job")


async def refer_somebody_else(desk: Desk, former: Moved) -> Moved:
    return await desk.draft(await desk.client(), desk.town.jobcenter)


async def begin_and_give_up(desk: Desk, former: Moved) -> None:
    draft = await draft_follow_up(desk, former)
    await desk.as_(
        desk.town.coordinator, lambda w: exchange.abandon(w, draft.id, draft.version, Reason.OTHER)
    )


async def mark_as_seen(desk: Desk, former: Moved) -> None:
    async with desk.database.work(desk.town.coordination.colleague) as work:
        await thread.mark_read(work, former.id)


async def the_partner_reads_it(desk: Desk, former: Moved) -> None:
    async with desk.database.work(desk.town.provider.member) as work:
        await thread.mark_read(work, former.id)


async def move_to(desk: Desk, former: Moved, phase: ClientPhase) -> None:
    async with desk.database.work(desk.town.coordinator) as work:
        client_id = await person(desk, former)
        now = await view_client(work.session, desk.town.coordinator, desk.keys, client_id)
        await move_phase(work, client_id, now.version, phase)


async def need_nothing_more(desk: Desk, former: Moved) -> None:
    await move_to(desk, former, ClientPhase.NO_NEEDS)


async def find_no_place(desk: Desk, former: Moved) -> None:
    await move_to(desk, former, ClientPhase.NO_CAPACITY)


async def erase_the_person(desk: Desk, former: Moved) -> None:
    client_id = await person(desk, former)
    async with desk.database.view(desk.town.coordinator) as session:
        now = await view_client(session, desk.town.coordinator, desk.keys, client_id)
    async with desk.database.work(desk.town.lead) as work:
        await erase_client(work, client_id, now.version)


@pytest.mark.parametrize(
    ("deed", "leaves"),
    [
        (draft_follow_up, True),
        (draft_anew, True),
        (mark_as_seen, True),
        (need_nothing_more, True),
        (erase_the_person, True),
        (refer_for_another_need, False),
        (refer_somebody_else, False),
        (begin_and_give_up, False),
        (the_partner_reads_it, False),
        (find_no_place, False),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
async def test_a_refusal_waits_until_something_is_done_about_it(desk: Desk, deed: Deed, leaves: bool) -> None:
    former = await declined(desk)
    assert await waiting(desk) == [former.id]
    await deed(desk, former)
    assert await waiting(desk) == ([] if leaves else [former.id])


async def test_what_was_read_before_the_refusal_says_nothing_of_it(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    sent = await desk.sent(client_id, town.provider)
    await mark_as_seen(desk, sent)
    await desk.as_(
        town.provider.member,
        lambda w: answering.decline(w, desk.keys, sent.id, sent.version, reason=DeclineReason.NO_CAPACITY),
    )
    assert await waiting(desk) == [sent.id]


async def test_of_a_chain_of_refusals_the_last_one_waits(desk: Desk, town: Town, client_id: UUID) -> None:
    await declined(desk, client_id)
    second = await desk.sent(client_id, town.jobcenter)
    full = DeclineReason.NO_CAPACITY
    assert await waiting(desk) == []
    await desk.as_(
        town.jobcenter.member,
        lambda w: answering.decline(w, desk.keys, second.id, second.version, reason=full),
    )
    assert await waiting(desk) == [second.id]


async def test_one_of_two_asked_at_once_may_refuse(desk: Desk, town: Town, client_id: UUID) -> None:
    """As long as the other one stands, and once it came to its end after the refusal."""
    other = await desk.running(client_id, town.jobcenter)
    await declined(desk, client_id)
    assert await waiting(desk) == []
    told = await desk.as_(
        town.jobcenter.member,
        lambda w: answering.report_outcome(
            w, other.id, other.version, outcome=OutcomeCode.NEED_MET, outcome_on=TODAY
        ),
    )
    seen = await desk.view(town.coordinator, told.id)
    await desk.as_(
        town.coordinator, lambda w: exchange.close(w, told.id, seen.version, FeedbackAsked.ANSWERED)
    )
    assert await waiting(desk) == []


async def test_what_had_ended_before_says_nothing_of_a_refusal(
    desk: Desk, town: Town, client_id: UUID
) -> None:
    former = await desk.sent(client_id, town.jobcenter)
    await desk.as_(town.coordinator, lambda w: exchange.cancel(w, former.id, former.version, Reason.OTHER))
    refused = await declined(desk, client_id)
    assert await waiting(desk) == [refused.id]


async def test_nothing_of_it_is_told_to_the_recipient(desk: Desk, town: Town) -> None:
    refused = await declined(desk)
    assert not (await desk.view(town.provider.member, refused.id)).waits_for_sender
    async with desk.database.view(town.provider.member) as session:
        for wanted in (True, False):
            page = await inbox.list_referrals(
                session,
                town.provider.member,
                desk.database.clock(),
                Box.INBOX,
                waits_for_sender=wanted,
            )
            assert [view.id for view in page.items] == [refused.id]
