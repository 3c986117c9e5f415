"""Entries are merged and deleted without anything about a person changing hands; both can be undone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from directory import feed, sources
from directory.actors import ANONYMOUS, SYSTEM, Actor, Role
from directory.catalogue import (
    LocationDraft,
    PartnerChange,
    Saved,
    ServiceChange,
    ServiceDraft,
    add_location,
    change_partner,
    change_service,
    create_service,
    hide_partner,
    hide_service,
    publish_service,
)
from directory.change_requests import Proposal, propose
from directory.corrections import Suggestion, propose_for
from directory.database import Database
from directory.documents import DocumentKind
from directory.ending import (
    delete_partner,
    delete_service,
    merge_partners,
    merge_services,
    restore_partner,
    restore_service,
)
from directory.feed import Changed
from directory.history import entry_history
from directory.importing import import_source
from directory.models import ChangeRequest, Member, Partner
from directory.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn, Problem, StaleVersion
from directory.values import Capacity, CourseFacts, CourseRun
from directory.vocabulary import (
    CapacityState,
    ChangeField,
    ChangeReason,
    ChangeRequestState,
    ChangeSource,
    ServiceKind,
)
from referrals.merging import Exchange
from tests.directory.towns import Town

GUARD = Exchange()
P, S = DocumentKind.PARTNER, DocumentKind.SERVICE


async def merged_services(town: Town, actor: Actor | None = None) -> tuple[Saved, Saved, Saved]:
    partner = await town.partner()
    survivor, merged = await town.service(partner.id, "Kurs"), await town.service(partner.id, "Kurs ")
    async with town.database.work(actor or town.coordinator) as work:
        await merge_services(
            work,
            survivor.id,
            merged.id,
            expected_version=survivor.version,
            merged_expected_version=merged.version,
            guard=GUARD,
            reason="doppelt",
        )
    return partner, survivor, merged


async def changed(database: Database, id_: UUID) -> Changed:
    found = [c for c in await feed.changes_after(database.reader, 0, 100_000) if c.id == id_]  # type: ignore[arg-type]
    return found[0]


async def test_the_old_id_of_a_service_leads_to_the_survivor(database: Database, town: Town) -> None:
    """For everybody, in one step, also after the survivor was merged itself; the feed has a tombstone."""
    partner, survivor, merged = await merged_services(town)

    found = await sources.service(database, ANONYMOUS, merged.id)
    assert found is not None
    assert found.id == survivor.id
    assert found.version == survivor.version + 1
    tombstone = await changed(database, merged.id)
    assert (tombstone.tombstone, tombstone.version) == (True, merged.version + 1)
    assert not (await changed(database, survivor.id)).tombstone

    last = await town.service(partner.id, "Noch einer")
    async with database.work(town.lead) as work:
        await merge_services(
            work,
            last.id,
            survivor.id,
            expected_version=last.version,
            merged_expected_version=survivor.version + 1,
            guard=GUARD,
            reason="doppelt",
        )
    both = await sources.services_by_id(database, ANONYMOUS, [merged.id, survivor.id])
    assert [service.id if service else None for service in both] == [last.id, last.id]


async def test_a_merged_service_comes_back_hidden(database: Database, town: Town) -> None:
    _, _, merged = await merged_services(town)
    async with database.view(town.lead) as session:
        versions = (await entry_history(session, town.lead, S, merged.id)).nodes
    assert [(v.action, v.reason) for v in versions[:1]] == [("service.merged_into", "doppelt")]

    async with database.work(town.coordinator) as work:
        await restore_service(
            work, merged.id, versions[-1].version, expected_version=merged.version + 1, guard=GUARD
        )

    assert await sources.service(database, ANONYMOUS, merged.id) is None
    found = await sources.service(database, town.coordinator, merged.id)
    assert found is not None
    assert (found.id, found.title, found.state.value) == (merged.id, {"de": "Kurs"}, "HIDDEN")
    assert not (await changed(database, merged.id)).tombstone


async def test_restoring_brings_back_what_was_said_and_no_figure_of_then(
    database: Database, town: Town
) -> None:
    """Content comes back; how much room there was, and whether it was published, were facts of that day."""
    first, second = date(2031, 1, 7), date(2031, 9, 1)
    partner = await town.partner()
    service = await town.service(
        partner.id,
        "Alt",
        capacity=Capacity(state=CapacityState.OPEN, places=20),
        course=CourseFacts(
            exam="DTZ", runs=(CourseRun(starts_on=first, places=9), CourseRun(starts_on=second, full=True))
        ),
    )
    async with database.work(town.lead) as work:
        change = ServiceChange(
            title={"de": "Neu"},
            capacity=Capacity(state=CapacityState.FEW, places=1),
            course=CourseFacts(runs=(CourseRun(starts_on=first, places=2),)),
        )
        saved = await change_service(work, service.id, change, expected_version=service.version)
    before = await sources.service(database, ANONYMOUS, service.id)
    assert before is not None

    async with database.work(town.lead) as work:
        await restore_service(work, service.id, service.version, expected_version=saved.version, guard=GUARD)
    found = await sources.service(database, ANONYMOUS, service.id)
    assert found is not None and found.course is not None, "it stays published"
    assert (found.title, found.course.exam) == ({"de": "Alt"}, "DTZ")
    assert found.capacity == before.capacity
    # the first run has its places of now; of the other, which nobody plans now, they are not known
    assert [(run.places, run.full) for run in found.course.runs] == [(2, False), (None, False)]

    async with database.work(town.lead) as work:
        hidden = await hide_service(work, service.id, expected_version=found.version)
    async with database.work(town.lead) as work:
        back = await restore_service(
            work, service.id, saved.version, expected_version=hidden.version, guard=GUARD
        )
    assert await sources.service(database, ANONYMOUS, service.id) is None, "restoring never publishes"
    async with database.work(town.lead) as work:
        shown = await publish_service(work, service.id, expected_version=back.version)
        await restore_service(work, service.id, hidden.version, expected_version=shown.version, guard=GUARD)
    assert await sources.service(database, ANONYMOUS, service.id) is not None, "and never hides"


async def test_restoring_a_partner_never_publishes_it(database: Database, town: Town) -> None:
    partner = await town.partner("Alt")
    async with database.work(town.lead) as work:
        named = await change_partner(
            work, partner.id, PartnerChange(name="Neu"), expected_version=partner.version
        )
        hidden = await hide_partner(work, partner.id, expected_version=named.version)
    async with database.work(town.lead) as work:
        await restore_partner(work, partner.id, partner.version, expected_version=hidden.version, guard=GUARD)
    assert await sources.partner(database, ANONYMOUS, partner.id) is None
    found = await sources.partner(database, town.lead, partner.id)
    assert found is not None
    assert (found.name, found.state.value) == ("Alt", "HIDDEN")


@asynccontextmanager
async def refused(problem: type[Problem], **expected: object) -> AsyncIterator[None]:
    with pytest.raises(problem) as caught:
        yield
    for name, value in expected.items():
        assert getattr(caught.value, name) == value


async def test_what_cannot_be_merged(database: Database, town: Town, new_town: Any) -> None:
    """Other partners' services, other municipalities, the coordination, what has ended, what is stale."""
    partner, other, elsewhere = await town.partner(), await town.partner("Andere"), await new_town()
    foreign = await elsewhere.partner()
    one, two = await town.service(partner.id), await town.service(other.id)
    member = town.actor(Role.PARTNER_MEMBER, partner.id)

    async def services(actor: Actor, a: Saved, b: Saved, reason: str = "x") -> None:
        async with database.work(actor) as work:
            await merge_services(
                work,
                a.id,
                b.id,
                expected_version=a.version,
                merged_expected_version=b.version,
                guard=GUARD,
                reason=reason,
            )

    async def partners(actor: Actor, a: Saved, b: Saved) -> None:
        async with database.work(actor) as work:
            await merge_partners(
                work,
                a.id,
                b.id,
                expected_version=a.version,
                merged_expected_version=b.version,
                guard=GUARD,
                reason="x",
            )

    async with refused(InvalidInput, field="mergedId", reason="other-partner"):
        await services(town.lead, one, two)
    async with refused(InvalidInput, field="mergedId", reason="same-entry"):
        await services(town.lead, one, one)
    async with refused(InvalidInput, field="reason", reason="empty"):
        await services(town.lead, one, two, " ")
    async with refused(StaleVersion):
        await services(town.lead, one, Saved(two.id, 99))
    async with refused(NotAllowed, rule="coordination-of-the-municipality-only"):
        await services(member, one, await town.service(partner.id))
    async with refused(NotSignedIn):
        await services(ANONYMOUS, one, two)
    async with refused(NotAllowed):
        await partners(town.lead, partner, foreign)
    async with refused(InvalidInput, field="mergedId", reason="other-municipality"):
        await partners(SYSTEM, partner, foreign)
    async with refused(InvalidInput, field="mergedId", reason="coordination"):
        async with database.view(SYSTEM) as session:
            version = await session.scalar(
                text("SELECT version FROM partner WHERE id = :id"), {"id": town.coordination_id}
            )
        await partners(town.lead, partner, Saved(town.coordination_id, version or 0))
    _, _, gone = await merged_services(town)
    async with refused(NotFound):
        await services(town.lead, one, gone)


async def test_merging_partners_moves_services_and_places_and_nobody(database: Database, town: Town) -> None:
    """And restoring the merged one brings exactly those back."""
    survivor, merged = await town.partner("Brücke e.V."), await town.partner("Bruecke")
    own = await town.service(survivor.id, "Beratung")
    async with database.work(town.lead) as work:
        place, saved = await add_location(
            work, merged.id, LocationDraft(name="Haus A"), expected_version=merged.version
        )
    moved = await town.service(merged.id, "Kurs", location_ids=[place])
    async with database.work(SYSTEM) as work:
        member = Member(id=uuid4(), partner_id=merged.id, name="A", role="PARTNER_MEMBER")
        work.session.add(member)
    given = {
        "expected_version": survivor.version,
        "merged_expected_version": saved.version,
        "guard": GUARD,
        "reason": "derselbe Verein",
    }
    async with (
        refused(NotAllowed, rule="lead-merges-partners-with-members"),
        database.work(town.coordinator) as work,
    ):
        await merge_partners(work, survivor.id, merged.id, **given, same_legal_body=True)  # type: ignore[arg-type]
    async with (
        refused(InvalidInput, field="sameLegalBody", reason="required"),
        database.work(town.lead) as work,
    ):
        await merge_partners(work, survivor.id, merged.id, **given)  # type: ignore[arg-type]

    async with database.work(town.lead) as work:
        after = await merge_partners(work, survivor.id, merged.id, **given, same_legal_body=True)  # type: ignore[arg-type]

    service = await sources.service(database, ANONYMOUS, moved.id)
    assert service is not None
    assert (service.partner.id, [p.id for p in service.locations]) == (survivor.id, [place])
    partner = await sources.partner(database, ANONYMOUS, merged.id)
    assert partner is not None
    assert (partner.id, [p.id for p in partner.locations]) == (survivor.id, [place])
    assert (await changed(database, merged.id)).tombstone
    async with database.view(SYSTEM) as session:
        kept = await session.get(Member, member.id)
        row = await session.get(Partner, merged.id)
        assert kept is not None
        assert row is not None
        assert (kept.partner_id, kept.active, row.ended_at is None) == (merged.id, True, False)

    async with database.work(town.lead) as work:
        await restore_partner(work, merged.id, saved.version, expected_version=saved.version + 1, guard=GUARD)
    back = await sources.partner(database, town.lead, merged.id)
    assert back is not None
    assert (back.id, back.name, [p.id for p in back.locations]) == (merged.id, "Bruecke", [place])
    service = await sources.service(database, town.lead, moved.id)
    assert service is not None
    assert (service.partner.id, [p.id for p in service.locations]) == (merged.id, [place])
    stays = await sources.service(database, ANONYMOUS, own.id)
    assert stays is not None
    assert stays.partner.id == survivor.id
    again = await sources.partner(database, ANONYMOUS, survivor.id)
    assert again is not None
    assert (again.locations, again.version > after.version) == ((), True)


async def test_deleting_leaves_a_tombstone_and_the_history(database: Database, town: Town) -> None:
    partner = await town.partner()
    service = await town.service(partner.id)
    draft = await town.service(partner.id, "Entwurf", published=False)
    async with database.work(town.coordinator) as work:
        gone = await delete_partner(
            work, partner.id, expected_version=partner.version, guard=GUARD, reason="aufgelöst"
        )

    assert await sources.partner(database, SYSTEM, partner.id) is None
    assert await sources.services_by_id(database, SYSTEM, [service.id, draft.id]) == [None, None]
    for id_, version in ((partner.id, gone.version), (service.id, service.version + 1), (draft.id, 2)):
        tombstone = await changed(database, id_)
        assert (tombstone.tombstone, tombstone.version) == (True, version)
    async with database.view(town.lead) as session:
        newest = (await entry_history(session, town.lead, P, partner.id)).nodes[0]
    assert (newest.action, newest.reason) == ("partner.delete", "aufgelöst")
    async with refused(NotFound), database.work(town.lead) as work:
        await create_service(
            work, ServiceDraft(partner_id=partner.id, kind=ServiceKind.COUNSELLING, title={"de": "x"})
        )
    async with refused(NotFound), database.work(town.lead) as work:
        await publish_service(work, draft.id, expected_version=2)
    async with refused(NotFound), database.work(town.lead) as work:
        await delete_service(work, service.id, expected_version=2, guard=GUARD, reason="x")
    async with (
        refused(InvalidInput, field="id", reason="partner-ended"),
        database.work(town.lead) as work,
    ):
        await restore_service(
            work, service.id, service.version, expected_version=service.version + 1, guard=GUARD
        )
    async with database.work(town.lead) as work:
        await restore_partner(work, partner.id, 2, expected_version=gone.version, guard=GUARD)
    assert await sources.partner(database, town.lead, partner.id) is not None


async def test_what_has_ended_is_hidden_from_who_did_not_keep_it(
    database: Database, town: Town, new_town: Any
) -> None:
    """To others it is as if it had never been there, also its history."""
    partner, elsewhere = await town.partner(), await new_town()
    async with database.work(town.lead) as work:
        await delete_partner(work, partner.id, expected_version=partner.version, guard=GUARD, reason="x")
    for actor in (elsewhere.lead, town.actor(Role.PARTNER_MEMBER, (await town.partner("B")).id)):
        async with refused(NotFound), database.view(actor) as session:
            await entry_history(session, actor, P, partner.id)
        async with refused(NotFound), database.work(actor) as work:
            await restore_partner(work, partner.id, 1, expected_version=3, guard=GUARD)


async def test_an_import_brings_nothing_back(empty_database: Database) -> None:
    """What was deleted here stays so; what was merged is looked for at the survivor."""
    source = Path(__file__).parents[2] / "graphql" / "graphapi" / "demo" / "network.json"
    first = await import_source(empty_database, source, publish=True)
    async with empty_database.view(SYSTEM) as session:
        rows = (
            await session.execute(
                text(
                    "SELECT p.id, p.version, (SELECT count(*) FROM service s WHERE s.partner_id = p.id)"
                    " FROM partner p WHERE NOT p.coordinates ORDER BY p.id LIMIT 3"
                )
            )
        ).all()
    (gone, gone_version, lost), (merged, merged_version, moved), (survivor, survivor_version, _) = rows
    async with empty_database.work(SYSTEM) as work:
        await delete_partner(work, gone, expected_version=gone_version, guard=GUARD, reason="weg")
        await merge_partners(
            work,
            survivor,
            merged,
            expected_version=survivor_version,
            merged_expected_version=merged_version,
            guard=GUARD,
            reason="doppelt",
            same_legal_body=True,
        )
    before = await everything(empty_database)

    again = await import_source(empty_database, source, publish=True)

    assert (again.partners.ended, again.services.ended) == (2, lost)
    assert (again.partners.new, again.services.new) == (0, 0)
    assert await sources.partner(empty_database, SYSTEM, gone) is None
    after = await everything(empty_database)
    assert [row for row in after if row[0] in {gone, merged}] == [
        row for row in before if row[0] in {gone, merged}
    ]
    services = {owner: [row[0] for row in after if row[1] == owner != row[0]] for owner in (gone, merged)}
    assert (len(services[gone]), services[merged], moved > 0) == (lost, [], True)
    assert first.partners.ended == 0


async def everything(database: Database) -> list[tuple[UUID, UUID, int, bool]]:
    async with database.view(SYSTEM) as session:
        rows = await session.execute(
            text(
                "SELECT id, id, version, ended_at IS NOT NULL FROM partner"
                " UNION ALL SELECT id, partner_id, version, ended_at IS NOT NULL FROM service ORDER BY 1"
            )
        )
    return [tuple(row) for row in rows]


async def say(
    database: Database,
    partner: UUID,
    service: UUID | None,
    field: ChangeField,
    value: str | None = None,
    times: int = 1,
) -> UUID:
    """Open a change request about a partner's own entry or about a service of it."""
    async with database.work(SYSTEM) as work:
        proposal = Proposal(
            partner_id=partner,
            target=service or partner,
            service_id=service,
            field=field,
            reason=ChangeReason.SUGGESTED,
            source=ChangeSource.PUBLIC,
            proposed=None if value is None else {"value": value},
            remark="so sagte jemand",
        )
        return (await propose(work, proposal, times=times)).id


async def said(database: Database, id_: UUID) -> tuple[UUID, UUID | None, UUID, int, str | None]:
    """Where a change request is, how often it was said, and why it was settled if it was."""
    async with database.view(SYSTEM) as session:
        row = await session.get_one(ChangeRequest, id_)
        settled = row.state is not ChangeRequestState.OPEN
        assert settled is (row.decided_at is not None)
        assert not (settled and row.remark)
        reason = row.decision_reason
        return row.partner_id, row.service_id, row.target_id, row.times, reason.value if reason else None


async def test_what_is_open_about_a_merged_service_is_open_about_the_survivor(
    database: Database, town: Town
) -> None:
    """The same said of both counts together; that the merged one is gone says nothing about the survivor."""
    partner = await town.partner()
    stays, goes = await town.service(partner.id, "Kurs"), await town.service(partner.id, "Kurs ")
    both = await say(database, partner.id, stays.id, ChangeField.PHONE, "0355 1", times=3)
    twin = await say(database, partner.id, goes.id, ChangeField.PHONE, "0355 1", times=4)
    other = await say(database, partner.id, goes.id, ChangeField.PHONE, "0355 2")
    bare = await say(database, partner.id, goes.id, ChangeField.ELIGIBILITY, times=2)
    gone = await say(database, partner.id, goes.id, ChangeField.EXISTENCE)

    async with database.work(town.coordinator) as work:
        await merge_services(
            work, stays.id, goes.id, expected_version=stays.version,
            merged_expected_version=goes.version, guard=GUARD, reason="doppelt",
        )  # fmt: skip

    assert await said(database, both) == (partner.id, stays.id, stays.id, 7, None)
    assert await said(database, twin) == (partner.id, goes.id, goes.id, 4, "ENTRY_ENDED")
    assert await said(database, other) == (partner.id, stays.id, stays.id, 1, None)
    assert await said(database, bare) == (partner.id, stays.id, stays.id, 2, None)
    assert await said(database, gone) == (partner.id, goes.id, goes.id, 1, "ENTRY_ENDED")
    # and whoever says it again is counted at the survivor
    assert await say(database, partner.id, stays.id, ChangeField.PHONE, "0355 2", times=2) == other


async def test_what_is_open_goes_where_services_and_places_go_and_back(
    database: Database, town: Town
) -> None:
    survivor, merged = await town.partner("Brücke e.V."), await town.partner("Bruecke")
    async with database.work(town.lead) as work:
        place, saved = await add_location(
            work, merged.id, LocationDraft(name="Haus A"), expected_version=merged.version
        )
    moved = await town.service(merged.id, "Kurs", location_ids=[place])
    about_service = await say(database, merged.id, moved.id, ChangeField.TITLE, "Kurse")
    about_itself = await say(database, merged.id, None, ChangeField.PHONE, "0355 1")
    about_other = await say(database, survivor.id, None, ChangeField.PHONE, "0355 1")
    async with database.work(SYSTEM) as work:
        hours = Suggestion(field=ChangeField.HOURS, value="Mo 09:00-12:00", location_id=place)
        opened = await propose_for(work, merged.id, None, hours, ChangeSource.PUBLIC)
        assert opened is not None

    async with database.work(town.lead) as work:
        await merge_partners(
            work, survivor.id, merged.id, expected_version=survivor.version,
            merged_expected_version=saved.version, guard=GUARD, reason="derselbe Verein",
        )  # fmt: skip
    assert await said(database, about_service) == (survivor.id, moved.id, moved.id, 1, None)
    assert (await said(database, opened.id))[::2] == (survivor.id, place, None)
    assert await said(database, about_itself) == (merged.id, None, merged.id, 1, "ENTRY_ENDED")
    assert await said(database, about_other) == (survivor.id, None, survivor.id, 1, None)

    async with database.work(town.lead) as work:
        await restore_partner(work, merged.id, saved.version, expected_version=saved.version + 1, guard=GUARD)
    assert await said(database, about_service) == (merged.id, moved.id, moved.id, 1, None)
    assert (await said(database, opened.id))[::2] == (merged.id, place, None)
    assert await said(database, about_other) == (survivor.id, None, survivor.id, 1, None)


async def test_nothing_stays_open_about_what_was_deleted(database: Database, town: Town) -> None:
    partner, other = await town.partner(), await town.partner("Anderer")
    one, two = await town.service(partner.id, "Eins"), await town.service(partner.id, "Zwei")
    first = await say(database, partner.id, one.id, ChangeField.WEBSITE, "https://example.org/")
    second = await say(database, partner.id, two.id, ChangeField.WEBSITE, "https://example.org/")
    third = await say(database, partner.id, None, ChangeField.EXISTENCE)
    elsewhere = await say(database, other.id, None, ChangeField.EXISTENCE)

    async with database.work(town.lead) as work:
        await delete_service(work, one.id, expected_version=one.version, guard=GUARD, reason="gibt es nicht")
    assert [(await said(database, id_))[-1] for id_ in (first, second)] == ["ENTRY_ENDED", None]

    async with database.work(town.lead) as work:
        await delete_partner(
            work, partner.id, expected_version=partner.version, guard=GUARD, reason="aufgelöst"
        )
    settled = [(await said(database, id_))[-1] for id_ in (first, second, third, elsewhere)]
    assert settled == ["ENTRY_ENDED"] * 3 + [None]
