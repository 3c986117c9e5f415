"""Searches without a hit: which cells they are counted in, how often, and what of them leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from directory.actors import ANONYMOUS, SYSTEM, Actor, Role
from directory.database import Database, Unavailable
from directory.models import Audit
from directory.problems import InvalidInput, NotAllowed, NotSignedIn
from directory.vocabulary import ResidenceStatus, ServiceKind
from search.engine import Filters, ResidenceFilter
from search.models import UnmetMark, UnmetSearch
from search.unmet import (
    LEAST_SEARCHES,
    Cell,
    Counted,
    Tally,
    UnmetBreakdown,
    UnmetOutcome,
    cells_of,
    disclosed,
    district_of,
    quarter,
    sweep_marks,
    topics_meant,
    unmet_searches,
)
from tests.search.samples import TODAY, VOCABULARY, Directory

MONTH = date(2026, 4, 1)
NOTHING = UnmetOutcome.NOTHING
B = UnmetBreakdown


def cells(words: str = "", **filters: Any) -> list[tuple[B, str, str, str]]:
    made = cells_of(Filters(**filters), words, VOCABULARY, month=MONTH, district="12052", outcome=NOTHING)
    return [(one.breakdown, one.kind, one.topic, one.language) for one in made]


@pytest.mark.parametrize(
    ("words", "filters", "expected"),
    [
        ("", {}, [(B.TOPIC, "", "", "")]),
        ("Herr Mustermann aus Cottbus", {}, [(B.TOPIC, "", "", "")]),  # what was typed is not kept
        ("Sprachkurs", {}, [(B.TOPIC, "", "language-course", "")]),
        ("deutsch lernen für Herrn Mustermann", {}, [(B.TOPIC, "", "language-course", "")]),
        (
            "",
            {"kinds": (ServiceKind.JOB_PLACEMENT,)},
            [(B.KIND, "JOB_PLACEMENT", "", ""), (B.TOPIC, "", "", "")],
        ),
        (
            "Sprachkurs",
            {"topics": ("identity-papers", "no-topic-of-ours"), "languages": ("ti-ER", "TI", "mustermann")},
            [
                (B.TOPIC, "", "identity-papers", ""),
                (B.LANGUAGE, "", "", "ti"),
                (B.TOPIC_AND_LANGUAGE, "", "identity-papers", "ti"),
            ],
        ),
    ],
)
def test_only_words_of_the_network_are_counted(
    words: str, filters: dict[str, Any], expected: list[tuple[B, str, str, str]]
) -> None:
    assert cells(words, **filters) == expected


def test_who_ticks_everything_counts_little() -> None:
    assert len(cells(kinds=tuple(ServiceKind), languages=("ti", "ar", "fa", "uk", "ru"))) == 3 + 1 + 3


def test_a_filter_by_status_is_counted_nowhere() -> None:
    status = ResidenceFilter(status=ResidenceStatus.SECTION_104C, on=TODAY)

    assert cells("Sprachkurs", residence=status) == cells("Sprachkurs")


def test_topics_are_told_from_whole_labels() -> None:
    assert topics_meant("papiere verlängern", VOCABULARY) == ["identity-papers"]
    assert topics_meant("verlängern", VOCABULARY) == []
    assert topics_meant("", VOCABULARY) == []


@pytest.mark.parametrize(
    ("key", "district"),
    [("120520000000", "12052"), ("12052", "12052"), ("12", ""), ("99999", ""), (None, "")],
)
def test_districts_are_those_of_the_network(key: str | None, district: str) -> None:
    assert district_of(key, ["12052", "12060"]) == district


def cell(topic: str = "a", month: date = MONTH) -> Cell:
    return Cell(month=month, district="12052", breakdown=B.TOPIC, topic=topic, outcome=NOTHING)


async def counted(database: Database) -> dict[str, int]:
    async with database.view(SYSTEM) as session:
        rows = await session.execute(select(UnmetSearch.topic, UnmetSearch.searches))
        return {row[0]: row[1] for row in rows}


async def test_a_person_counts_once_in_a_month_whatever_they_try(empty_database: Database) -> None:
    tally = Tally()
    for _ in range(10):
        tally.note([cell()], "lea")
    tally.note([cell()], "noor")
    assert await tally.write(empty_database) == 1
    tally.note([cell()], "lea")  # also after it was written
    assert await tally.write(empty_database) == 0
    assert await counted(empty_database) == {"a": 2}

    tally.note([cell(), cell("b")], "omid")
    await tally.write(empty_database)
    assert await counted(empty_database) == {"a": 3, "b": 1}
    assert "lea" not in repr(vars(tally))


async def test_processes_count_a_person_once_between_them_and_lose_nobody(empty_database: Database) -> None:
    """Two workers, written at once, and one that began anew in the month: nobody lifts a cell by trying."""
    key = b"the same in every process"
    workers = [Tally(key), Tally(key)]
    for number in range(60):
        for worker in workers if number % 3 == 0 else [workers[number % 2]]:
            worker.note([cell(topic) for topic in "abc"], f"member {number}")
    await asyncio.gather(*(worker.write(empty_database) for worker in workers))
    assert await counted(empty_database) == {"a": 60, "b": 60, "c": 60}

    restarted = Tally(key)
    restarted.note([cell(topic) for topic in "ad"], "member 0")
    await restarted.write(empty_database)
    assert await counted(empty_database) == {"a": 60, "b": 60, "c": 60, "d": 1}


async def test_a_mark_tells_nobody_without_the_key_and_goes_with_its_month(empty_database: Database) -> None:
    """It is 20 bits that another key makes otherwise; the next month counts anew."""

    async def marks() -> list[tuple[date, int]]:
        async with empty_database.view(SYSTEM) as session:
            rows = await session.execute(select(UnmetMark.month, UnmetMark.bucket).order_by(UnmetMark.month))
            return [(row[0], row[1]) for row in rows]

    may = date(2026, 5, 1)
    for month in (MONTH, may):
        tally = Tally(b"one")
        tally.note([cell(month=month)], "lea")
        await tally.write(empty_database)
    other = Tally(b"two")
    other.note([cell()], "lea")
    await other.write(empty_database)
    found = await marks()
    assert [month for month, _ in found] == [MONTH, MONTH, may]
    assert len({bucket for _, bucket in found}) == 3
    assert all(0 <= bucket < 2**20 for _, bucket in found)

    async with empty_database.view(SYSTEM) as session:
        assert await sweep_marks(session, may) == 0  # a process may still have some of April to write
        assert await sweep_marks(session, date(2026, 5, 2)) == 2
    assert [month for month, _ in await marks()] == [may]


async def test_what_cannot_be_written_is_kept(empty_database: Database) -> None:
    tally = Tally()
    tally.note([cell()], "lea")
    broken = Database("postgresql://nobody@127.0.0.1:1/none", "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        await tally.write(broken)
    await broken.stop()

    assert await tally.write(empty_database) == 1


# --- what leaves

COUNTS: st.SearchStrategy[list[Counted]] = st.dictionaries(
    st.tuples(st.just(""), st.sampled_from("abc"), st.sampled_from(["ti", "ar", "fa"])),
    st.integers(1, 40),
    max_size=9,
).map(lambda found: [(*key, NOTHING, number) for key, number in found.items()])


@settings(max_examples=150, deadline=None)
@given(COUNTS)
def test_no_small_cell_leaves_and_none_can_be_computed(found: list[Counted]) -> None:
    shown = disclosed(found)
    true = {one[:4]: one[4] for one in found}
    hidden = [one for one in found if one[:4] not in {s[:4] for s in shown}]

    for one in shown:
        assert true[one[:4]] >= LEAST_SEARCHES
        assert one[4] % LEAST_SEARCHES == 0
        assert abs(one[4] - true[one[:4]]) <= LEAST_SEARCHES // 2 + 1
    for axis in (1, 2):  # a single hidden cell would be the total less the others
        for value in {one[axis] for one in hidden}:
            alone = [one for one in hidden if one[axis] == value]
            assert len(alone) != 1 or not [one for one in shown if one[axis] == value]
    assert disclosed(found) == shown


def test_cells_of_one_table_by_one_thing_hide_by_themselves() -> None:
    table: Sequence[Counted] = [
        ("", "a", "", NOTHING, 12),
        ("", "b", "", NOTHING, 4),
        ("", "c", "", UnmetOutcome.NEARLY, 5),
    ]

    assert disclosed(table) == [("", "a", "", NOTHING, 10), ("", "c", "", UnmetOutcome.NEARLY, 5)]


@pytest.mark.parametrize(
    ("year", "number", "expected"),
    [
        (2026, 1, (date(2026, 1, 1), date(2026, 4, 1))),
        (2026, 4, (date(2026, 10, 1), date(2027, 1, 1))),
        (2019, 1, None),
        (2026, 5, None),
        (2026, 0, None),
    ],
)
def test_quarters(year: int, number: int, expected: tuple[date, date] | None) -> None:
    if expected is None:
        with pytest.raises(InvalidInput):
            quarter(year, number)
    else:
        assert quarter(year, number) == expected


async def test_the_coordination_reads_its_own_district_of_a_quarter_that_is_over(
    directory: Directory, empty_database: Database
) -> None:
    """And each reading is recorded; the same question gets the same answer."""
    async with empty_database.work(SYSTEM) as work:
        town = await work.session.execute(text("SELECT id, ars FROM municipality LIMIT 1"))
        municipality, ars = town.one()
        for month, district, topic, searches in (
            (date(2026, 4, 1), ars[:5], "a", 3),
            (date(2026, 6, 1), ars[:5], "a", 4),
            (date(2026, 6, 1), ars[:5], "b", 4),
            (date(2026, 7, 1), ars[:5], "a", 90),
            (date(2026, 6, 1), "99999", "a", 90),
        ):
            work.session.add(
                UnmetSearch(
                    month=month, district=district, breakdown=B.TOPIC, kind="", topic=topic, language="",
                    outcome=NOTHING, searches=searches,
                )
            )  # fmt: skip
    office = {"member_id": UUID(int=5), "partner_id": UUID(int=6), "municipality_id": municipality}
    lead = Actor(role=Role.LEAD, **office)
    reports = []
    for _ in range(2):
        async with empty_database.view(lead) as session:
            reports.append(await unmet_searches(session, lead, date(2026, 7, 1), 2026, 2, B.TOPIC))

    assert reports[0] == reports[1]
    assert [(one.topic, one.searches) for one in reports[0].cells] == [("a", 5)]
    assert (reports[0].hidden, reports[0].district) == (True, ars[:5])
    async with empty_database.view(SYSTEM) as session:
        said = (await session.scalars(select(Audit).where(Audit.action == "unmet_searches.read"))).all()
        assert [row.details for row in said] == [{"quarter": "2026-2", "breakdown": "TOPIC"}] * 2
    for actor, problem in ((ANONYMOUS, NotSignedIn), (Actor(role=Role.PARTNER_MEMBER, **office), NotAllowed)):
        async with empty_database.view(actor) as session:
            with pytest.raises(problem):
                await unmet_searches(session, actor, date(2026, 7, 1), 2026, 2, B.TOPIC)
    async with empty_database.view(lead) as session:
        with pytest.raises(InvalidInput, match="not-over"):
            await unmet_searches(session, lead, date(2026, 6, 30), 2026, 2, B.TOPIC)
