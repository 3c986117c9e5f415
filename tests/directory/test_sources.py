"""Pages of stored documents: what is in them, for whom, in which order, and at what cost."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from directory import sources
from directory.actors import ANONYMOUS, SYSTEM, Actor, Role
from directory.catalogue import LocationDraft, add_location, hide_partner, hide_service
from directory.courses import CourseFilter
from directory.database import Database, Unavailable, reaching_the_database
from directory.policy import EntryFacts, sees_entry, works_on_entry
from directory.problems import InvalidInput
from directory.sources import Page, PartnerFilter, ServiceFilter
from directory.values import EligibilityRule, LanguageOffered
from directory.vocabulary import Answer, PartnerKind, PublicationState, ResidenceStatus, ServiceKind
from tests.directory.towns import Counted, Town, found_town
from tests.search.samples import COURSE_CASES

EVERY = tuple(PublicationState)


async def test_names_come_in_the_dictionarys_order(database: Database, town: Town) -> None:
    """ä with a, ß with ss, whatever their case."""
    for name in ("Zebra", "äpfel", "Apfelbaum", "Öl", "Ofen"):
        await town.partner(name)

    page = await sources.partners(database, ANONYMOUS, PartnerFilter(municipality_id=town.id), total=True)

    assert [node.name for node in page.nodes] == [
        "äpfel",
        "Apfelbaum",
        "Koordination Spurwechsel",
        "Ofen",
        "Öl",
        "Zebra",
    ]
    assert (page.total, page.has_next) == (6, False)


async def test_pages_follow_each_other_without_gap_or_repetition(database: Database, town: Town) -> None:
    """Also among equal titles, where the id decides."""
    partner = await town.partner()
    made = {(await town.service(partner.id, title)).id for title in ["B", "A", "A", "A", "Ä", "C", "A"]}
    seen: list[UUID] = []
    after, sizes = None, []
    for _ in range(10):
        page = await sources.services(
            database, ANONYMOUS, ServiceFilter(partner_id=partner.id), first=3, after=after, total=True
        )
        assert page.total == 7
        seen += [node.id for node in page.nodes]
        sizes.append(len(page.nodes))
        if not page.has_next:
            break
        after = page.cursors[-1]

    assert sizes == [3, 3, 1]
    assert set(seen) == made
    assert len(seen) == 7


async def test_the_total_is_counted_only_when_asked(database: Database, town: Town) -> None:
    """And also when the page itself is empty."""
    partner = await town.partner()
    await town.service(partner.id)
    mine = ServiceFilter(partner_id=partner.id)
    first = await sources.services(database, ANONYMOUS, mine)
    assert first.total is None

    beyond = await sources.services(database, ANONYMOUS, mine, after=first.cursors[-1], total=True)
    assert beyond == Page(total=1)


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("neue", ["Neue Wege e. V.", "Neuestart"]),
        ("NEUE W", ["Neue Wege e. V."]),
        ("chose", ["Chóśebuz hilft"]),
        ("Chóś", ["Chóśebuz hilft"]),
        ("stras", ["Straßensozialarbeit"]),
        ("„Neue", ["Neue Wege e. V.", "Neuestart"]),
        ("wege", []),
        ("neue%", ["Neue Wege e. V.", "Neuestart"]),
    ],
)
async def test_partners_are_found_by_the_beginning_of_their_name(
    database: Database, town: Town, prefix: str, found: list[str]
) -> None:
    """Without regard to case, accents and signs."""
    for name in ("Neue Wege e. V.", "Neuestart", "Chóśebuz hilft", "Straßensozialarbeit"):
        await town.partner(name)

    page = await sources.partners(
        database, ANONYMOUS, PartnerFilter(municipality_id=town.id, name_prefix=prefix)
    )

    assert [node.name for node in page.nodes] == found


async def test_filters_narrow_together(database: Database, town: Town) -> None:
    """Kinds, topics (any of them), partner, municipality."""
    one, two = await town.partner("Eins", kind=PartnerKind.CHAMBER), await town.partner("Zwei")
    course = await town.service(one.id, "Kurs", topics=["language-course", "childcare"])
    job = await town.service(two.id, "Arbeit", kind=ServiceKind.JOB_PLACEMENT, topics=["job"])

    async def titles(**given: object) -> list[UUID]:
        page = await sources.services(
            database,
            ANONYMOUS,
            ServiceFilter(municipality_id=town.id, **given),  # type: ignore[arg-type]
        )
        return [node.id for node in page.nodes]

    assert await titles() == [job.id, course.id]
    assert await titles(kinds=[ServiceKind.JOB_PLACEMENT]) == [job.id]
    assert await titles(kinds=[]) == []
    assert await titles(topics=["childcare", "job"]) == [job.id, course.id]
    assert await titles(topics=["childcare"], kinds=[ServiceKind.JOB_PLACEMENT]) == []
    assert await titles(partner_id=one.id) == [course.id]
    assert await titles(partner_id=uuid4()) == []
    chambers = await sources.partners(
        database, ANONYMOUS, PartnerFilter(municipality_id=town.id, kinds=[PartnerKind.CHAMBER])
    )
    assert [node.id for node in chambers.nodes] == [one.id]


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({"first": 0}, "first", "too-small"),
        ({"first": 101}, "first", "too-large"),
        ({"after": "x"}, "after", "cursor"),
        ({"after": ""}, "after", "cursor"),
        ({"after": "'; DROP TABLE partner; --"}, "after", "cursor"),
    ],
)
async def test_wrong_arguments_of_a_page(
    database: Database, given: dict[str, object], field: str, reason: str
) -> None:
    """Lists are bounded, cursors are ours."""
    for source in (sources.partners, sources.services):
        with pytest.raises(InvalidInput) as refused:
            await source(database, ANONYMOUS, **given)  # type: ignore[arg-type]
        assert (refused.value.field, refused.value.reason) == (field, reason)


async def test_wrong_filters(database: Database) -> None:
    """Lists in filters are bounded, a prefix has letters."""
    with pytest.raises(InvalidInput, match="namePrefix: empty"):
        await sources.partners(database, ANONYMOUS, PartnerFilter(name_prefix="--"))
    with pytest.raises(InvalidInput, match="topics: too-many"):
        await sources.services(database, ANONYMOUS, ServiceFilter(topics=["x"] * 201))
    with pytest.raises(InvalidInput, match="ids: too-many"):
        await sources.services_by_id(database, ANONYMOUS, [uuid4()] * 201)


async def test_lists_filter_courses_as_searches_do(database: Database, town: Town) -> None:
    """The same cases as of the engines: what is not known passes, and one run has to meet all."""
    partner = await town.partner()
    made = [await town.service(partner.id, course=course) for _, course, _ in COURSE_CASES]
    for (wanted, course, passes), service in zip(COURSE_CASES, made, strict=True):
        given = ServiceFilter(partner_id=partner.id, course=wanted)
        page = await sources.services(database, ANONYMOUS, given, first=100)
        found = {node.id for node in page.nodes}

        assert (service.id in found) is passes, (wanted, course)


@pytest.mark.parametrize(
    ("course", "field", "reason"),
    [
        (CourseFilter(exam="  "), "course.exam", "empty"),
        (CourseFilter(exam="a" * 301), "course.exam", "too-long"),
        (CourseFilter(cost_at_most=-1), "course.costAtMost", "out-of-range"),
    ],
)
async def test_wrong_course_filters(
    database: Database, course: CourseFilter, field: str, reason: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await sources.services(database, ANONYMOUS, ServiceFilter(course=course))

    assert (refused.value.field, refused.value.reason) == (field, reason)


@pytest.mark.parametrize("states", [(), EVERY, (PublicationState.DRAFT,), (PublicationState.HIDDEN,)])
async def test_rights_in_sql_are_the_policys(
    database: Database, town: Town, states: tuple[PublicationState, ...]
) -> None:
    """Every actor sees in lists, by id and in notes exactly what ``policy`` says of each entry."""
    own, other = await town.partner("Eigen", note="n"), await town.partner("Fremd", note="n")
    draft = await town.partner("Entwurf", published=False, note="n")
    services = [
        await town.service(partner.id, published=published, note="n")
        for partner in (own, other, draft)
        for published in (True, False)
    ]
    gone = await town.partner("Versteckt", note="n")
    services.append(await town.service(gone.id, note="n"))
    async with database.work(SYSTEM) as work:
        await hide_partner(work, gone.id, expected_version=gone.version)
        await hide_service(work, services[0].id, expected_version=services[0].version)
    twin = await town.partner("Landkreis", kind=PartnerKind.MUNICIPALITY, published=False)
    actors = [
        ANONYMOUS,
        SYSTEM,
        town.lead,
        town.coordinator,
        town.actor(Role.PARTNER_MEMBER, own.id),
        town.actor(Role.PARTNER_MEMBER, draft.id),
        town.actor(Role.PARTNER_MEMBER, gone.id),
        town.actor(Role.OTHER_MUNICIPALITY, twin.id),
        Actor(role=Role.LEAD, member_id=uuid4(), partner_id=uuid4(), municipality_id=uuid4()),
    ]
    async with database.engine.connect() as connection:
        partner_rows = (
            await connection.execute(
                text("SELECT id, id AS partner_id, state FROM partner_document WHERE municipality_id = :m"),
                {"m": town.id},
            )
        ).all()
        service_rows = (
            await connection.execute(
                text("SELECT id, partner_id, state FROM service_document WHERE municipality_id = :m"),
                {"m": town.id},
            )
        ).all()
    assert len(service_rows) == 7

    wanted = states or (PublicationState.PUBLISHED,)
    for actor in actors:
        for rows, page, by_id, notes in (
            (
                partner_rows,
                await sources.partners(
                    database, actor, PartnerFilter(municipality_id=town.id, states=states), total=True
                ),
                sources.partners_by_id,
                sources.partner_notes,
            ),
            (
                service_rows,
                await sources.services(
                    database, actor, ServiceFilter(municipality_id=town.id, states=states), total=True
                ),
                sources.services_by_id,
                sources.service_notes,
            ),
        ):
            facts = {
                row.id: EntryFacts(
                    partner_id=row.partner_id,
                    municipality_id=town.id,
                    state=PublicationState(row.state),
                )
                for row in rows
            }
            expected = {
                id_ for id_, fact in facts.items() if sees_entry(actor, fact) and fact.state in wanted
            }
            assert {node.id for node in page.nodes} == expected
            assert page.total == len(expected)
            ids = list(facts)
            assert [found is not None for found in await by_id(database, actor, ids)] == [
                sees_entry(actor, facts[id_]) for id_ in ids
            ]
            for id_, note in zip(ids, await notes(database, actor, ids), strict=True):
                assert note is None or works_on_entry(actor, facts[id_])
            if actor is SYSTEM:
                assert sum(note == "n" for note in await notes(database, actor, ids)) >= 4


async def test_services_of_many_partners_come_in_one_statement(counted: Counted, town: Town) -> None:
    """A page for each, in the order of the ids, repeated and unknown ids too."""
    database = counted.database
    one, two, none = await town.partner("Eins"), await town.partner("Zwei"), await town.partner("Keins")
    for title in ("C", "A", "B"):
        await town.service(one.id, title)
    await town.service(two.id, "Z")
    await town.service(two.id, "Entwurf", published=False)

    async with counted.expecting(1):
        pages = await sources.services_by_partner(
            database, ANONYMOUS, [two.id, none.id, one.id, uuid4(), two.id], first=2, total=True
        )

    assert [[node.title["de"] for node in page.nodes] for page in pages] == [
        ["Z"],
        [],
        ["A", "B"],
        [],
        ["Z"],
    ]
    assert [page.total for page in pages] == [1, 0, 3, 0, 1]
    assert [page.has_next for page in pages] == [False, False, True, False, False]
    more = await sources.services_by_partner(database, ANONYMOUS, [one.id], after=pages[2].cursors[-1])
    assert [node.title["de"] for node in more[0].nodes] == ["C"]
    staff = town.actor(Role.PARTNER_MEMBER, two.id)
    drafts = await sources.services_by_partner(database, staff, [two.id, one.id], ServiceFilter(states=EVERY))
    assert [len(page.nodes) for page in drafts] == [2, 3]


async def test_a_page_of_fifty_services_with_all_they_show_is_one_statement(
    counted: Counted, town: Town
) -> None:
    """Partner, languages, eligibility and locations are in the document."""
    partner = await town.partner()
    async with town.database.work(SYSTEM) as work:
        place, _ = await add_location(
            work, partner.id, LocationDraft(name="Haus A"), expected_version=partner.version
        )
    for number in range(51):
        await town.service(
            partner.id,
            f"Kurs {number}",
            location_ids=[place],
            languages=[LanguageOffered(language="ti")],
            eligibility=[EligibilityRule(statuses=(ResidenceStatus.SECTION_60A,), answer=Answer.ASK)],
        )
    mine = ServiceFilter(partner_id=partner.id)

    async with counted.expecting(1, framed=False):
        page = await sources.services(counted.database, ANONYMOUS, mine, first=50)
    assert len(page.nodes) == 50
    assert page.has_next
    for node in page.nodes:
        assert (node.partner.name, node.locations[0].name) == ("Verein Neue Wege", "Haus A")
        assert (node.languages[0].language, node.eligibility[0].answer) == ("ti", Answer.ASK)

    async with counted.expecting(1, framed=False):
        counted_page = await sources.services(counted.database, ANONYMOUS, mine, first=50, total=True)
    assert counted_page.total == 51
    async with counted.expecting(1):
        await sources.services(
            counted.database, town.lead, ServiceFilter(partner_id=partner.id, states=EVERY), total=True
        )
    async with counted.expecting(1, framed=False):
        await sources.services_by_id(counted.database, town.lead, [node.id for node in page.nodes])


async def test_by_id_answers_in_the_order_of_the_ids(database: Database, town: Town) -> None:
    """None for what is unknown; the same id twice is answered twice."""
    one, two = await town.partner("Eins"), await town.partner("Zwei")

    found = await sources.partners_by_id(database, ANONYMOUS, [two.id, uuid4(), one.id, two.id])

    assert [None if node is None else node.name for node in found] == ["Zwei", None, "Eins", "Zwei"]
    assert await sources.partners_by_id(database, ANONYMOUS, []) == []


async def test_the_vocabularies_are_listed(database: Database, town: Town) -> None:
    """In the order of their German labels."""
    topics = await sources.topics(database)
    occupations = await sources.occupations(database)
    municipalities = await sources.municipalities(database)

    assert {"language-course", "childcare", "job"} <= {topic.code for topic in topics}
    assert "http://data.europa.eu/esco/occupation/1" in {one.esco for one in occupations}
    assert town.id in {one.id for one in municipalities}


async def test_municipalities_by_id_keep_the_order_and_leave_gaps(database: Database, town: Town) -> None:
    other = await found_town(database)

    found = await sources.municipalities_by_id(database, [other.id, uuid4(), town.id, other.id])

    assert [one and one.id for one in found] == [other.id, None, town.id, other.id]
    assert await sources.municipalities_by_id(database, []) == []
    with pytest.raises(InvalidInput):
        await sources.municipalities_by_id(database, [uuid4()] * (sources.MOST_KEYS + 1))


async def test_a_killed_connection_is_an_outage_that_passes(empty_database: Database) -> None:
    """The caller hears "unavailable" at most once per connection, then it works again."""
    pid = await empty_database.reader.fetchval("SELECT pg_backend_pid()")
    async with empty_database.view(SYSTEM) as session:
        view_pid = await session.scalar(text("SELECT pg_backend_pid()"))
    os.kill(pid, signal.SIGTERM)
    os.kill(view_pid, signal.SIGTERM)
    await asyncio.sleep(0.3)

    for given in (PartnerFilter(), PartnerFilter(states=EVERY)):
        with suppress(Unavailable):
            await sources.partners(empty_database, SYSTEM, given)
        assert await sources.partners(empty_database, SYSTEM, given) == Page()


async def test_a_mistake_of_ours_is_no_outage(database: Database) -> None:
    """A wrong argument is a bug to be seen, not a reason to try again."""
    with pytest.raises(asyncpg.DataError):
        async with reaching_the_database():
            await database.reader.fetch("SELECT $1::uuid", 7)
    with pytest.raises(DBAPIError):
        async with database.view(SYSTEM) as session:
            await session.execute(text("SELECT CAST(:id AS uuid)"), {"id": 7})
