"""Every change of an entry is in its history: who, when, field, before, after; any version can come back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from directory import sources
from directory.actors import ANONYMOUS, SYSTEM, Actor, Role
from directory.catalogue import (
    LocationChange,
    LocationDraft,
    PartnerChange,
    ServiceChange,
    add_location,
    change_location,
    change_partner,
    change_service,
    hide_partner,
    publish_partner,
    remove_location,
    set_capacity,
    take_place,
)
from directory.database import Database
from directory.documents import DocumentKind
from directory.ending import restore_partner, restore_service
from directory.history import FieldChange, VersionView, applied, differences, entry_history, entry_version
from directory.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn, Problem, StaleVersion
from directory.values import Capacity
from directory.vocabulary import CapacityState, PartnerKind
from referrals.merging import Exchange
from tests.directory.test_catalogue import partner_document, service_document
from tests.directory.towns import Counted, Town

P, S = DocumentKind.PARTNER, DocumentKind.SERVICE
GUARD = Exchange()


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({}, {}, []),
        ({"name": "a"}, {"name": "a"}, []),
        ({"name": "a"}, {"name": "b"}, [("name", "a", "b")]),
        ({"note": "a"}, {}, [("note", "a", None)]),
        ({"title": {"de": "a", "ar": "x"}}, {"title": {"de": "b", "ar": "x"}}, [("title.de", "a", "b")]),
        ({"title": {"de": "a"}}, {"title": {"de": "a", "ti": "b"}}, [("title.ti", None, "b")]),
        ({"capacity": {"places": 3}}, {"capacity": {"places": 2}}, [("capacity.places", 3, 2)]),
        ({"languages": []}, {}, []),
        (
            {"locations": [{"id": "1", "name": "a"}]},
            {"locations": []},
            [("locations.1", {"id": "1", "name": "a"}, None)],
        ),
    ],
)
def test_differences(
    before: dict[str, Any], after: dict[str, Any], changes: list[tuple[str, Any, Any]]
) -> None:
    assert differences(before, after) == tuple(
        FieldChange(field=field, before=was, after=now) for field, was, now in changes
    )


VALUES = st.one_of(st.text(min_size=1), st.integers(), st.booleans(), st.lists(st.integers(), min_size=1))
SNAPSHOTS = st.fixed_dictionaries(
    {},
    optional={
        "name": VALUES,
        "area": VALUES,
        "title": st.dictionaries(st.sampled_from(["de", "ar"]), st.text(min_size=1)),
        "capacity": st.dictionaries(st.sampled_from(["state", "places"]), st.integers()),
    },
)


@given(SNAPSHOTS, SNAPSHOTS)
def test_the_differences_lead_from_one_to_the_other(one: dict[str, Any], other: dict[str, Any]) -> None:
    forth, back = differences(one, other), differences(other, one)

    assert applied(one, forth) == applied(other, ())
    assert [(c.field, c.before, c.after) for c in forth] == [(c.field, c.after, c.before) for c in back]
    assert bool(forth) == (applied(one, ()) != applied(other, ()))


async def history(
    database: Database, actor: Actor, kind: DocumentKind, id_: UUID, **more: Any
) -> tuple[VersionView, ...]:
    async with database.view(actor) as session:
        return (await entry_history(session, actor, kind, id_, **more)).nodes


async def test_every_change_is_there_with_who_and_what(database: Database, town: Town) -> None:
    partner = await town.partner("Alt", published=False)
    async with database.work(town.coordinator) as work:
        partner = await publish_partner(work, partner.id, expected_version=1)
    member = town.actor(Role.PARTNER_MEMBER, partner.id)
    async with database.work(member) as work:
        saved = await change_partner(
            work,
            partner.id,
            PartnerChange(name="Neu", description={"de": "Text"}, note="intern"),
            expected_version=partner.version,
        )
    async with database.work(town.lead) as work:
        place, saved = await add_location(
            work, partner.id, LocationDraft(name="Haus A"), expected_version=saved.version
        )

    newest, change, publish, create = await history(database, town.lead, P, partner.id)

    assert [v.version for v in (create, publish, change, newest)] == [1, 2, 3, 4]
    assert [v.action for v in (create, publish, change, newest)] == [
        "partner.create", "partner.publish", "partner.change", "partner.add_location",
    ]  # fmt: skip
    assert change.changes == (
        FieldChange(field="description.de", before=None, after="Text"),
        FieldChange(field="name", before="Alt", after="Neu"),
        FieldChange(field="note", before=None, after="intern"),
    )
    assert (change.role, change.partner_id, change.member_id) == (
        "PARTNER_MEMBER", partner.id, member.member_id,
    )  # fmt: skip
    assert [c.field for c in newest.changes] == [f"locations.{place}"]
    assert (create.role, create.partner_id) == ("SYSTEM", None)
    # colleagues of the same office are told who it was; who else it was is told as the organisation
    [by_lead, by_colleague, *_] = await history(database, member, P, partner.id)
    assert (by_lead.partner_id, by_lead.member_id) == (town.coordination_id, None)
    assert by_colleague.member_id == member.member_id


async def test_a_capacity_is_kept_as_a_patch_and_nobody_is_told_whose_referral_it_was(
    database: Database, town: Town
) -> None:
    partner = await town.partner()
    service = await town.service(
        partner.id, capacity=Capacity(state=CapacityState.OPEN, places=3), published=False
    )
    member = town.actor(Role.PARTNER_MEMBER, partner.id)
    for _ in range(2):
        async with database.work(member) as work:
            await take_place(work, service.id)
    async with database.work(member) as work:
        saved = await set_capacity(
            work, service.id, Capacity(state=CapacityState.OPEN, places=9), expected_version=3
        )
        assert saved.version == 4
    async with database.work(member) as work:
        await change_service(work, service.id, ServiceChange(note="x"), expected_version=4)

    found = await history(database, member, S, service.id)

    places = [[(c.before, c.after) for c in v.changes if c.field == "capacity.places"] for v in found]
    assert places == [
        [], [(1, 9)], [(2, 1)], [(3, 2)], [(None, 3)],
    ]  # fmt: skip
    assert [v.member_id for v in found] == [member.member_id, member.member_id, None, None, None]
    async with database.view(SYSTEM) as session:
        stored = (
            await session.execute(
                text(
                    "SELECT version, base, snapshot IS NOT NULL, patch FROM entry_version"
                    " WHERE id = :id ORDER BY version"
                ),
                {"id": service.id},
            )
        ).all()
    assert [(row.version, row.base, row[2]) for row in stored] == [
        (1, 1, True), (2, 1, False), (3, 1, False), (4, 1, False), (5, 5, True),
    ]  # fmt: skip
    assert set(stored[1].patch) == {"capacity"}


async def test_what_an_entry_only_shows_is_no_change_of_it(database: Database, town: Town) -> None:
    """A partner's new name raises its services' versions; their own history stays as it was."""
    partner = await town.partner("Alt")
    service = await town.service(partner.id)
    async with database.work(town.lead) as work:
        await change_partner(work, partner.id, PartnerChange(name="Neu"), expected_version=partner.version)
    document = await service_document(database, service.id)
    assert (document.partner.name, document.version) == ("Neu", service.version + 1)

    assert len(await history(database, town.lead, S, service.id)) == 1
    async with database.view(town.lead) as session:
        shown = await entry_version(session, town.lead, S, service.id, document.version)
    assert shown.version == service.version


async def test_history_is_for_who_keeps_the_entry(database: Database, town: Town, new_town: Any) -> None:
    partner = await town.partner(note="geheim")
    draft = await town.partner("Entwurf", published=False)
    service = await town.service(partner.id)
    elsewhere = await new_town()
    allowed = (town.lead, town.coordinator, town.actor(Role.PARTNER_MEMBER, partner.id), SYSTEM)
    for actor in allowed:
        assert await history(database, actor, P, partner.id)
        assert await history(database, actor, S, service.id)
    refused: tuple[tuple[Actor, type[Problem], type[Problem]], ...] = (
        (ANONYMOUS, NotSignedIn, NotSignedIn),
        (town.actor(Role.PARTNER_MEMBER, draft.id), NotAllowed, NotFound),
        (elsewhere.lead, NotAllowed, NotFound),
        (town.actor(Role.OTHER_MUNICIPALITY, partner.id), NotAllowed, NotFound),
    )
    for actor, published, hidden in refused:
        with pytest.raises(published):
            await history(database, actor, P, partner.id)
        if actor.partner_id != draft.id:
            with pytest.raises(hidden):
                await history(database, actor, P, draft.id)
        # and were there no rule of ours: the database shows them nothing
        async with database.view(actor) as session:
            seen = await session.scalar(
                text("SELECT count(*) FROM entry_version WHERE id = :id"), {"id": partner.id}
            )
        assert seen == 0, actor.role


async def test_pages_of_versions(database: Database, town: Town) -> None:
    partner = await town.partner("0")
    version = partner.version
    for n in range(5):
        async with database.work(town.lead) as work:
            saved = await change_partner(
                work, partner.id, PartnerChange(name=f"Name {n}"), expected_version=version
            )
            version = saved.version
    first = await history(database, town.lead, P, partner.id, first=3)
    rest = await history(database, town.lead, P, partner.id, first=50, after=first[-1].version)

    assert [v.version for v in (*first, *rest)] == [7, 6, 5, 4, 3, 2]
    assert [len(v.changes) for v in first] == [1, 1, 1], "the oldest of a page knows the one before it"
    for version in (0, -1):
        with pytest.raises(InvalidInput):
            async with database.view(town.lead) as session:
                await entry_version(session, town.lead, P, partner.id, version)


async def test_an_old_version_comes_back_as_a_new_one(database: Database, town: Town) -> None:
    """Texts, notes and places say again what they said; what is published stays published."""
    partner = await town.partner("Alt", note="erste")
    member = town.actor(Role.PARTNER_MEMBER, partner.id)
    async with database.work(member) as work:
        place, then = await add_location(
            work,
            partner.id,
            LocationDraft(name="Haus A", latitude=51.7, longitude=14.3, hours="Mo-Fr 08:00-16:00"),
            expected_version=partner.version,
        )
    before = await partner_document(database, partner.id)
    async with database.work(member) as work:
        saved = await remove_location(work, place, expected_version=then.version)
        saved = await change_partner(
            work,
            partner.id,
            PartnerChange(name="Neu", description={"de": "x"}, note=None, professional_secrecy=True),
            expected_version=saved.version,
        )
        later, saved = await add_location(
            work, partner.id, LocationDraft(name="Haus B"), expected_version=saved.version
        )
        saved = await hide_partner(work, partner.id, expected_version=saved.version)

    async with database.work(member) as work:
        restored = await restore_partner(
            work, partner.id, then.version, expected_version=saved.version, guard=GUARD, reason="Versehen"
        )

    document = await partner_document(database, partner.id)
    assert document.version == restored.version > saved.version
    assert (document.name, document.description) == (before.name, before.description)
    assert {p.id: p for p in document.locations}[place] == before.locations[0]
    assert later in {p.id for p in document.locations}
    assert document.state.value == "HIDDEN"
    assert await sources.partner_notes(database, member, [partner.id]) == ["erste"]
    newest, *_ = await history(database, member, P, partner.id)
    assert (newest.action, newest.reason) == ("partner.restore", f"version {then.version}: Versehen")
    assert newest.snapshot["professional_secrecy"] is False


async def test_a_service_comes_back_without_its_old_capacity(database: Database, town: Town) -> None:
    partner = await town.partner()
    member = town.actor(Role.PARTNER_MEMBER, partner.id)
    service = await town.service(
        partner.id,
        {"de": "Kurs", "ar": "دورة"},
        topics=["language-course", "job"],
        area=["12052"],
        capacity=Capacity(state=CapacityState.OPEN, places=5),
    )
    async with database.work(member) as work:
        saved = await change_service(
            work,
            service.id,
            ServiceChange(
                title={"de": "Anderes"},
                topics=["childcare"],
                area=[],
                capacity=Capacity(state=CapacityState.FEW, places=1),
            ),
            expected_version=service.version,
        )
    async with database.work(member) as work:
        await restore_service(work, service.id, service.version, expected_version=saved.version, guard=GUARD)

    document = await service_document(database, service.id)
    assert document.title == {"de": "Kurs", "ar": "دورة"}
    assert [topic.code for topic in document.topics] == ["language-course", "job"]
    assert (document.area, document.capacity.places) == (("12052",), 1)


async def test_who_may_not_change_may_not_restore(database: Database, town: Town, new_town: Any) -> None:
    partner = await town.partner()
    elsewhere = await new_town()
    for actor, problem in ((ANONYMOUS, NotSignedIn), (elsewhere.lead, NotAllowed)):
        with pytest.raises(problem):
            async with database.work(actor) as work:
                await restore_partner(work, partner.id, 1, expected_version=2, guard=GUARD)
    with pytest.raises(StaleVersion):
        async with database.work(town.lead) as work:
            await restore_partner(work, partner.id, 1, expected_version=1, guard=GUARD)
    member = town.actor(Role.PARTNER_MEMBER, partner.id)
    async with database.work(town.lead) as work:
        saved = await change_partner(
            work, partner.id, PartnerChange(kind=PartnerKind.CHAMBER), expected_version=2
        )
    with pytest.raises(NotAllowed) as refused:  # the kind is the coordination's
        async with database.work(member) as work:
            await restore_partner(work, partner.id, 2, expected_version=saved.version, guard=GUARD)
    assert refused.value.rule == "fields-of-the-coordination"


async def test_the_history_costs_a_change_one_statement(counted: Counted, town: Town) -> None:
    partner = await town.partner()
    async with counted.database.work(town.lead) as work:
        await change_partner(work, partner.id, PartnerChange(note="a"), expected_version=2)
    await_history = [query for query in counted.sent if "keep_versions" in query]

    assert len(await_history) == 1
    async with counted.expecting(2), counted.database.view(town.lead) as session:
        assert (await entry_history(session, town.lead, P, partner.id)).nodes


async def test_a_places_change_is_the_partners(database: Database, town: Town) -> None:
    partner = await town.partner()
    async with database.work(town.lead) as work:
        place, saved = await add_location(
            work, partner.id, LocationDraft(name="A"), expected_version=partner.version
        )
    async with database.work(town.lead) as work:
        await change_location(work, place, LocationChange(city="Cottbus"), expected_version=saved.version)

    newest, *_ = await history(database, town.lead, P, partner.id)
    [change] = [c for c in newest.changes if c.field.startswith("locations")]
    assert change.field == f"locations.{place}"
    assert (change.before.get("city"), change.after["city"]) == (None, "Cottbus")
