"""Pairs of entries that may be the same: for the coordination, of its municipality, the most alike first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import select, text

from directory import duplicate_pairs as module
from directory.actors import ANONYMOUS, SYSTEM, Actor, Role
from directory.catalogue import PartnerChange, Saved, change_partner
from directory.database import Database
from directory.documents import DocumentKind, PartnerDocument
from directory.duplicate_pairs import (
    SHARED,
    DuplicatePair,
    duplicate_pairs,
    pairs_statement,
    told_apart,
)
from directory.ending import delete_partner, merge_partners
from directory.look_alikes import look_alikes_of, pairs_among
from directory.models import Audit
from directory.not_duplicates import mark_not_duplicates, view_not_duplicates, withdraw_not_duplicates
from directory.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn
from directory.sources import partner as partner_document
from directory.vocabulary import Likeness
from graphapi.embedded import OWNER, Access
from referrals.merging import Exchange
from tests.directory.many_partners import FIRST_ID, TWICE, fill
from tests.directory.towns import Counted, Town

PARTNER = DocumentKind.PARTNER


async def all_pairs(database: Database, actor: Actor, kind: DocumentKind = PARTNER) -> list[DuplicatePair]:
    """Return all pairs, page by page."""
    found: list[DuplicatePair] = []
    after = None
    while True:
        page = await duplicate_pairs(database, actor, kind, first=100, after=after)
        found.extend(page.nodes)
        if not page.has_next:
            assert page.total == len(found)
            return found
        after = page.cursors[-1]


def names(pairs: Sequence[DuplicatePair]) -> list[set[str]]:
    """Return what the two of each pair are called."""
    return [
        {
            one.name if isinstance(one, PartnerDocument) else one.title["de"]
            for one in (pair.entry, pair.other)
        }
        for pair in pairs
    ]


async def test_each_pair_of_the_own_municipality_is_told_once_in_any_state(
    database: Database, town: Town, new_town: Callable[[], Awaitable[Town]]
) -> None:
    elsewhere = await new_town()
    await elsewhere.partner("Bildungswerk Ahorn")
    await town.partner("Bildungswerk Ahorn e. V.")
    await town.partner("Ahorn Bildungswerk", published=False)
    await town.partner("Schuldnerberatung Linde")
    pairs = await all_pairs(database, town.coordinator)
    assert names(pairs) == [{"Bildungswerk Ahorn e. V.", "Ahorn Bildungswerk"}]
    assert pairs[0].points >= 60 and Likeness.NAME in pairs[0].reasons
    assert pairs[0].entry.id < pairs[0].other.id
    assert await all_pairs(database, elsewhere.lead) == []


async def test_names_that_differ_in_a_number_are_different(database: Database, town: Town) -> None:
    provider = await town.partner()
    for title in ("Integrationskurs Ulme A1", "Integrationskurs Ulme B1", "Kurs Ulme Integrationskurs A1"):
        await town.service(provider.id, title)
    found = names(await all_pairs(database, town.lead, DocumentKind.SERVICE))
    assert {"Integrationskurs Ulme A1", "Integrationskurs Ulme B1"} not in found


async def test_it_takes_two_statements_however_many_and_is_bounded(
    counted: Counted, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked(first: int) -> tuple[int, int]:
        counted.sent.clear()
        page = await duplicate_pairs(counted.database, town.coordinator, PARTNER, first=first)
        return len(page.nodes), len([one for one in counted.sent if "_document" in one])

    await asked(1)  # the connection is made
    for _ in range(2):
        await town.partner("Eibenhof Werkstatt")
    assert await asked(100) == (1, 2)
    for _ in range(2):
        await town.partner("Eibenhof Werkstatt")
    assert await asked(100) == (6, 2)
    assert await asked(4) == (4, 2)
    monkeypatch.setattr(module, "CANDIDATES", 3)
    assert await asked(100) == (3, 2)
    monkeypatch.setattr(module, "SHARED", 3)  # four share each key: it tells nothing any more
    assert await asked(100) == (0, 1)


async def test_it_is_for_the_coordination(database: Database, town: Town) -> None:
    partner = await town.partner()
    for role in (Role.PARTNER_MEMBER, Role.OTHER_MUNICIPALITY):
        with pytest.raises(NotAllowed):
            await duplicate_pairs(database, town.actor(role, partner.id), PARTNER)
    with pytest.raises(NotSignedIn):
        await duplicate_pairs(database, ANONYMOUS, PARTNER)
    for first, after in ((0, None), (101, None), (5, "x"), (5, f"60|{'0' * 36}|{'0' * 36}")):
        for each in (duplicate_pairs, told_apart):
            with pytest.raises(InvalidInput):
                await each(database, town.lead, PARTNER, first=first, after=after)


async def test_pages_tell_each_pair_once_the_most_alike_first(database: Database, town: Town) -> None:
    for _ in range(4):
        await town.partner("Eibenhof Werkstatt")
    await town.partner("Werkstatt am Eibenhof")
    found: list[tuple[int, UUID, UUID]] = []
    after = None
    for size in (4, 3, 3):
        page = await duplicate_pairs(database, town.lead, PARTNER, first=size, after=after)
        assert (len(page.nodes), page.total, page.has_next) == (size, 10, len(found) + size < 10)
        found += [(-pair.points, pair.entry.id, pair.other.id) for pair in page.nodes]
        after = page.cursors[-1]
    assert found == sorted(set(found))


async def test_services_of_one_partner_come_before_those_of_others(
    database: Database, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many offer a "Sprachkurs": what is mostly different must not keep out what is mostly the same."""
    providers = [await town.partner(name) for name in ("Holunder e. V.", "Kornblume gGmbH", "Mohn AG")]
    for provider in providers:
        await town.service(provider.id, "Sprachkurs am Vormittag")
    await town.service(providers[2].id, "Sprachkurs am Vormittag und Nachmittag")
    await town.service(providers[2].id, "Sprachkurs Vormittag")
    monkeypatch.setattr(module, "CANDIDATES", 1)
    [pair] = (await duplicate_pairs(database, town.lead, DocumentKind.SERVICE)).nodes
    assert Likeness.SAME_PARTNER in pair.reasons


# --- However many there are -----------------------------------------------------------------------------


async def test_among_thousands_those_that_are_there_twice_are_found(
    cluster: Access, empty_database: Database, empty_database_name: str
) -> None:
    town = await fill(cluster.dsn(OWNER, empty_database_name), 2_000)
    lead = Actor(role=Role.LEAD, member_id=uuid4(), partner_id=uuid4(), municipality_id=town)
    pairs = {(pair.entry.id.int, pair.other.id.int) for pair in await all_pairs(empty_database, lead)}
    twice = {(FIRST_ID + at - 1, FIRST_ID + at) for at in range(TWICE - 1, 2_000, TWICE)}
    assert len(twice & pairs) >= 95  # of 100


async def test_candidates_grow_with_the_entries_however_many_share_their_keys(
    cluster: Access, empty_database: Database, empty_database_name: str
) -> None:
    many, owner_url = 1_000, cluster.dsn(OWNER, empty_database_name)
    town = await fill(owner_url, many)
    owner = await asyncpg.connect(owner_url)
    await owner.execute(  # ten keys each, each shared by forty, by each with others: 200,000 pairs
        "WITH numbered AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM partner_document)"
        " UPDATE partner_document d SET likeness = ARRAY(SELECT format('n:%s %s', j, (n * j / 40) % 25)"
        " FROM generate_series(1, 19, 2) j) FROM numbered WHERE numbered.id = d.id"
    )
    await owner.close()
    async with empty_database.view(SYSTEM) as session:
        found = await session.execute(
            text(pairs_statement(PARTNER)), {"municipality": town, "shared": SHARED, "most": 10**7}
        )
        candidates = len(found.all())
    assert 0 < candidates <= many * SHARED / 2


# --- "These are different ones" -------------------------------------------------------------------------


async def two(town: Town, name: str = "Haselnuss Bildungswerk") -> tuple[Saved, Saved]:
    return await town.partner(name), await town.partner(f"{name} e. V.")


async def mark(database: Database, actor: Actor, one: UUID, other: UUID) -> UUID:
    async with database.work(actor) as work:
        return await mark_not_duplicates(work, PARTNER, one, other)


async def withdraw(database: Database, actor: Actor, id_: UUID) -> None:
    async with database.work(actor) as work:
        await withdraw_not_duplicates(work, id_)


async def pointed_out(database: Database, town: Town, one: UUID, actor: Actor) -> tuple[int, int, int]:
    """Return how often an entry is pointed out: in the list of pairs, at its entry, and by an import."""
    listed = [pair for pair in await all_pairs(database, town.lead) if one in {pair.entry.id, pair.other.id}]
    document = await partner_document(database, actor, one)
    assert document is not None
    imported = [
        pair
        async for pair in pairs_among(
            database, PARTNER, "SELECT id FROM partner_document WHERE id = CAST(:one AS uuid)", {"one": one}
        )
    ]
    return len(listed), len(await look_alikes_of(database, actor, document)), len(imported)


async def test_different_ones_are_pointed_out_nowhere_until_that_is_withdrawn(
    database: Database, town: Town
) -> None:
    one, other = await two(town)
    staff = town.actor(Role.PARTNER_MEMBER, one.id)
    for actor in (town.coordinator, staff):
        assert await pointed_out(database, town, one.id, actor) == (1, 1, 1)
    said = await mark(database, town.coordinator, other.id, one.id)
    assert await mark(database, town.lead, one.id, other.id) == said, "said once"
    for id_ in (one.id, other.id):
        for actor in (town.coordinator, staff, SYSTEM):
            assert await pointed_out(database, town, id_, actor) == (0, 0, 0)
    page = await told_apart(database, town.lead, PARTNER, with_total=True)
    [pair] = page.nodes
    assert page.total == 1 and names([pair]) == [{"Haselnuss Bildungswerk", "Haselnuss Bildungswerk e. V."}]
    assert pair.not_duplicates is not None and pair.not_duplicates.id == said
    assert pair.not_duplicates.member_id == town.coordinator.member_id
    assert (await told_apart(database, town.lead, DocumentKind.SERVICE)).nodes == ()

    await withdraw(database, town.lead, said)
    assert await pointed_out(database, town, one.id, staff) == (1, 1, 1)
    assert (await told_apart(database, town.lead, PARTNER)).nodes == ()


async def test_a_third_one_is_pointed_out_all_the_same(database: Database, town: Town) -> None:
    one, other = await two(town)
    third = await town.partner("Bildungswerk Haselnuss")
    await mark(database, town.lead, one.id, other.id)
    pairs = await all_pairs(database, town.lead)
    assert {frozenset((pair.entry.id, pair.other.id)) for pair in pairs} == {
        frozenset((one.id, third.id)),
        frozenset((other.id, third.id)),
    }


async def test_services_are_told_apart_too(database: Database, town: Town) -> None:
    provider = await town.partner()
    one, other = [await town.service(provider.id, "Elternkurs am Abend") for _ in range(2)]
    assert len(await all_pairs(database, town.lead, DocumentKind.SERVICE)) == 1
    async with database.work(town.lead) as work:
        await mark_not_duplicates(work, DocumentKind.SERVICE, one.id, other.id)
    assert await all_pairs(database, town.lead, DocumentKind.SERVICE) == []


async def test_it_is_the_coordinations_to_say_of_its_own_entries(
    database: Database, town: Town, new_town: Callable[[], Awaitable[Town]]
) -> None:
    elsewhere = await new_town()
    one, other = await two(town)
    hidden = await town.partner("Haselnuss Bildungswerk Süd", published=False)
    theirs = await elsewhere.partner("Haselnuss Bildungswerk")
    staff = town.actor(Role.PARTNER_MEMBER, one.id)
    for actor, pair, problem in (
        (ANONYMOUS, (one, other), NotSignedIn),
        (staff, (one, other), NotAllowed),
        (elsewhere.lead, (one, other), NotAllowed),
        (elsewhere.lead, (hidden, theirs), NotFound),
        (town.lead, (one, theirs), NotAllowed),
        (town.lead, (one, one), InvalidInput),
        (SYSTEM, (one, theirs), InvalidInput),
        (town.lead, (one, Saved(uuid4(), 1)), NotFound),
    ):
        with pytest.raises(problem):
            await mark(database, actor, pair[0].id, pair[1].id)
    said = await mark(database, town.lead, one.id, other.id)
    for actor, problem in ((ANONYMOUS, NotSignedIn), (staff, NotAllowed), (elsewhere.lead, NotFound)):
        with pytest.raises(problem):
            await withdraw(database, actor, said)
        async with database.view(actor) as session:
            assert await view_not_duplicates(session, actor, said) is None
    with pytest.raises(NotFound):
        await withdraw(database, town.lead, uuid4())
    for actor, problem in ((ANONYMOUS, NotSignedIn), (staff, NotAllowed)):
        with pytest.raises(problem):
            await told_apart(database, actor, PARTNER)


async def test_what_was_said_is_read_last_first_and_in_pages(database: Database, town: Town) -> None:
    entries = [await town.partner("Vogelbeere Beratung") for _ in range(4)]
    said = [await mark(database, town.lead, entries[0].id, other.id) for other in entries[1:]]
    first = await told_apart(database, town.lead, PARTNER, first=2)
    rest = await told_apart(database, town.lead, PARTNER, first=2, after=first.cursors[-1])
    assert (first.has_next, first.total, rest.has_next) == (True, None, False)
    found = [pair.not_duplicates.id for pair in (*first.nodes, *rest.nodes) if pair.not_duplicates]
    assert found == said[::-1]


async def test_it_stays_whatever_the_entries_say_later(database: Database, town: Town) -> None:
    one, other = await two(town)
    await mark(database, town.lead, one.id, other.id)
    async with database.work(town.lead) as work:
        change = PartnerChange(name="Haselnuss Bildungswerk e. V. Cottbus")
        await change_partner(work, other.id, change, expected_version=other.version)
    assert await all_pairs(database, town.lead) == []


@pytest.mark.parametrize("end", ["merge", "delete"])
async def test_it_ends_with_the_entry_of_which_it_was_said(database: Database, town: Town, end: str) -> None:
    """What was said of the merged one says nothing of the survivor, which looks as it did before."""
    one, other = await two(town)
    third = await town.partner("Bildungswerk Haselnuss")
    said = [await mark(database, town.lead, other.id, each.id) for each in (one, third)]
    async with database.work(town.lead) as work:
        if end == "merge":
            await merge_partners(
                work,
                one.id,
                other.id,
                expected_version=one.version,
                merged_expected_version=other.version,
                guard=Exchange(),
                reason="doppelt",
            )
        else:
            await delete_partner(
                work, other.id, expected_version=other.version, guard=Exchange(), reason="weg"
            )
    assert (await told_apart(database, town.lead, PARTNER)).nodes == ()
    async with database.view(town.lead) as session:
        assert [await view_not_duplicates(session, town.lead, id_) for id_ in said] == [None, None]
    [pair] = await all_pairs(database, town.lead)
    assert {pair.entry.id, pair.other.id} == {one.id, third.id}


async def test_the_services_of_a_partner_that_is_deleted_end_with_it(database: Database, town: Town) -> None:
    provider = await town.partner()
    one, other = [await town.service(provider.id, "Elternkurs am Abend") for _ in range(2)]
    async with database.work(town.lead) as work:
        said = await mark_not_duplicates(work, DocumentKind.SERVICE, one.id, other.id)
    async with database.work(town.lead) as work:
        await delete_partner(
            work, provider.id, expected_version=provider.version, guard=Exchange(), reason="aufgelöst"
        )
    async with database.view(town.lead) as session:
        assert await view_not_duplicates(session, town.lead, said) is None


async def test_the_audit_knows_who_said_and_who_withdrew_it(database: Database, town: Town) -> None:
    one, other = await two(town)
    said = await mark(database, town.coordinator, one.id, other.id)
    await mark(database, town.lead, one.id, other.id)
    await withdraw(database, town.lead, said)
    async with database.view(SYSTEM) as session:
        audit = select(Audit.action, Audit.member_id).where(Audit.object_id == said).order_by(Audit.id)
        rows = (await session.execute(audit)).all()
    assert [tuple(row) for row in rows] == [
        ("not_duplicates.mark", town.coordinator.member_id),
        ("not_duplicates.withdraw", town.lead.member_id),
    ]
