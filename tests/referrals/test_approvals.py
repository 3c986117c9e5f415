"""Four eyes: asked by one, confirmed by another."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from directory.actors import SYSTEM, Actor, Role
from directory.database import Database
from directory.problems import InvalidInput, NotAllowed, NotFound
from referrals import answering, approvals, exchange
from referrals.approvals import ApprovalView
from referrals.clients import create_client
from referrals.moving import Moved
from referrals.personal_data.keystore import KeyStore
from referrals.problems import ApprovalLapsed, ConsentMissing, PackageClosed, TransitionNotAllowed
from referrals.values import ConsentEvidence
from referrals.vocabulary import (
    ApprovalMove,
    ApprovalState,
    FeedbackAsked,
    OutcomeCode,
    Reason,
    ReferralState,
)
from tests.referrals.desk import TODAY, Desk, at, everything
from tests.referrals.town import ORDINARY, Town, draft, purposes, record, shown_before


async def closed(desk: Desk, client_id: UUID) -> Moved:
    town = desk.town
    running = await desk.running(client_id, town.provider)
    reported = await desk.as_(
        town.provider.member,
        lambda w: answering.report_outcome(
            w, running.id, running.version, outcome=OutcomeCode.PARTLY_MET, outcome_on=TODAY
        ),
    )
    return await desk.as_(
        town.coordinator,
        lambda w: exchange.close(w, reported.id, reported.version, FeedbackAsked.ANSWERED),
    )


async def asked(
    desk: Desk, actor: Actor, referral: Moved, move: ApprovalMove, reason: Reason = Reason.OTHER
) -> ApprovalView:
    async with desk.database.work(actor) as work:
        return await approvals.request_approval(work, referral.id, referral.version, move, reason)


async def confirm(desk: Desk, actor: Actor, approval: ApprovalView) -> Moved:
    async with desk.database.work(actor) as work:
        return await approvals.confirm_approval(work, approval.id, approval.version)


async def test_a_closed_referral_is_reopened_by_two(desk: Desk, town: Town, client_id: UUID) -> None:
    ended = await closed(desk, client_id)
    approval = await asked(desk, town.coordinator, ended, ApprovalMove.REOPEN, Reason.NOT_FINISHED)
    assert (await desk.view(town.coordinator, ended.id)).state is ReferralState.CLOSED

    moved = await confirm(desk, town.lead, approval)

    assert moved.state is ReferralState.IN_PROGRESS
    seen = await desk.view(town.coordinator, ended.id)
    assert (seen.outcome, seen.closed_at) == (None, None)
    told = (await desk.events(town.coordinator, ended.id))[-1]
    assert (told.move, told.member_id) == ("REOPEN", town.coordinator.member_id)
    assert told.facts["confirmedBy"] == str(town.lead.member_id)
    assert (await desk.package(town.provider.member, ended.id)).categories == ORDINARY


async def test_what_was_sent_in_error_is_erased_and_its_events_stay(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    accepted = await desk.accepted(client_id, town.provider)
    approval = await asked(
        desk, town.coordinator, accepted, ApprovalMove.ENTERED_IN_ERROR, Reason.WRONG_PERSON
    )
    await confirm(desk, town.other_lead, approval)

    seen = await desk.view(town.coordinator, accepted.id)
    assert (seen.state, seen.language, seen.recipient_contact) == (
        ReferralState.ENTERED_IN_ERROR, None, None,
    )  # fmt: skip
    assert [e.move for e in await desk.events(town.coordinator, accepted.id)] == [
        "DRAFT", "SEND", "ACCEPT", "CORRECT",
    ]  # fmt: skip
    with pytest.raises(PackageClosed):
        await desk.package(town.provider.member, accepted.id)
    async with database.view(SYSTEM) as session:
        left = await session.execute(
            text("SELECT count(*) FROM referral_package WHERE referral_id = :id"), {"id": accepted.id}
        )
        assert left.scalar() == 0
    assert (await everything(database, accepted.id))[3].places == 5  # type: ignore[attr-defined]


async def test_a_lead_confirms_for_another_organisation_without_seeing_the_person(
    database: Database, keys: KeyStore, desk: Desk, town: Town
) -> None:
    jobcenter = town.jobcenter.member
    async with database.work(jobcenter) as work:
        client_id = await create_client(work, keys, draft())
    async with database.work(jobcenter) as work:
        sent = await exchange.refer(
            work,
            keys,
            exchange.DraftGiven(
                client_id=client_id, service_id=town.provider.service, topic="job", categories=ORDINARY
            ),
            exchange.ConsentGiven(
                record=record(
                    work.now,
                    notice=await shown_before(work, town.jobcenter.id, town.provider.id, purposes()),
                ),
                purposes=purposes()[1:],
                evidence=ConsentEvidence(reference="7"),
            ),
        )
    with pytest.raises(NotFound):
        await desk.view(town.lead, sent.id)
    approval = await asked(desk, jobcenter, sent, ApprovalMove.ENTERED_IN_ERROR)
    seen = await desk.view(town.lead, sent.id)
    assert (seen.pseudonym, seen.language, seen.client_id, seen.categories) == (None, None, None, ())
    with pytest.raises(NotFound):
        await desk.package(town.lead, sent.id)

    moved = await confirm(desk, town.lead, approval)

    assert moved.state is ReferralState.ENTERED_IN_ERROR


async def test_only_another_lead_of_the_municipality_decides(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    ended = await closed(desk, client_id)
    approval = await asked(desk, town.lead, ended, ApprovalMove.REOPEN)
    elsewhere = Actor(
        role=Role.LEAD,
        member_id=town.other_lead.member_id,
        partner_id=town.business.id,
        municipality_id=town.business.id,
    )
    before = await everything(database, ended.id)

    for actor, problem in (
        (town.lead, NotAllowed),
        (town.coordinator, NotAllowed),
        (town.provider.member, NotFound),
        (elsewhere, NotFound),
    ):
        with pytest.raises(problem):
            await confirm(desk, actor, approval)

    assert await everything(database, ended.id) == before
    assert (await confirm(desk, town.other_lead, approval)).state is ReferralState.IN_PROGRESS


async def test_of_parallel_confirmations_one_counts(desk: Desk, town: Town, client_id: UUID) -> None:
    ended = await closed(desk, client_id)
    approval = await asked(desk, town.coordinator, ended, ApprovalMove.REOPEN)

    results = await asyncio.gather(
        *(confirm(desk, actor, approval) for actor in (town.lead, town.other_lead) * 5),
        return_exceptions=True,
    )

    assert len([r for r in results if isinstance(r, Moved)]) == 1
    assert {type(r) for r in results if not isinstance(r, Moved)} == {ApprovalLapsed}


async def test_a_request_lapses_after_three_working_days_and_can_be_asked_again(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    ended = await closed(desk, client_id)
    approval = await asked(desk, town.coordinator, ended, ApprovalMove.REOPEN)
    with pytest.raises(InvalidInput) as refused:
        await asked(desk, town.coordinator, ended, ApprovalMove.REOPEN)
    assert refused.value.reason == "already-requested"

    async with at(database, datetime.now(UTC) + timedelta(days=12)):
        with pytest.raises(ApprovalLapsed):
            await confirm(desk, town.lead, approval)
        again = await asked(desk, town.coordinator, ended, ApprovalMove.REOPEN)
        async with database.view(town.lead) as session:
            listed = await approvals.list_approvals(session, town.lead, database.clock())
        assert [(a.id, a.state) for a in listed] == [
            (again.id, ApprovalState.REQUESTED),
            (approval.id, ApprovalState.LAPSED),
        ]
        assert (await confirm(desk, town.lead, again)).state is ReferralState.IN_PROGRESS


async def test_a_refused_request_changes_nothing(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    ended = await closed(desk, client_id)
    approval = await asked(desk, town.coordinator, ended, ApprovalMove.REOPEN)
    before = await everything(database, ended.id)
    async with database.work(town.lead) as work:
        refused = await approvals.refuse_approval(work, approval.id, approval.version)

    assert refused.state is ApprovalState.REFUSED
    assert await everything(database, ended.id) == before


async def test_reopening_ends_after_thirty_days_and_with_the_consent(
    database: Database, desk: Desk, town: Town, client_id: UUID
) -> None:
    ended = await closed(desk, client_id)
    async with at(database, datetime.now(UTC) + timedelta(days=31)):
        with pytest.raises(TransitionNotAllowed):
            await asked(desk, town.coordinator, ended, ApprovalMove.REOPEN)
    async with database.work(SYSTEM) as work:
        await work.session.execute(
            text("UPDATE referral SET closed_at = closed_at + interval '364 days' WHERE id = :id"),
            {"id": ended.id},
        )
    async with at(database, datetime.now(UTC) + timedelta(days=366)):
        with pytest.raises(ConsentMissing):
            await asked(desk, town.coordinator, ended, ApprovalMove.REOPEN)


async def test_a_draft_is_corrected_without_four_eyes(desk: Desk, town: Town, client_id: UUID) -> None:
    drafted = await desk.draft(client_id, town.provider)
    with pytest.raises(TransitionNotAllowed):
        await asked(desk, town.coordinator, drafted, ApprovalMove.ENTERED_IN_ERROR)
    corrected = await desk.as_(
        town.coordinator, lambda w: exchange.correct(w, drafted.id, drafted.version, Reason.DUPLICATE)
    )
    assert corrected.state is ReferralState.ENTERED_IN_ERROR

    sent = await desk.sent(client_id, town.provider)
    with pytest.raises(TransitionNotAllowed):
        await desk.as_(
            town.coordinator, lambda w: exchange.correct(w, sent.id, sent.version, Reason.DUPLICATE)
        )
