"""What the network lacks, as coordinators read it: gaps of their own people, searches that found nothing."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import update

from directory.actors import SYSTEM, Role
from directory.database import Database
from directory.models import Municipality, Topic
from graphapi.web.pages.gaps import quarters_over
from search.models import UnmetSearch
from search.unmet import UnmetBreakdown, UnmetOutcome, quarter
from tests.graphapi.asking import Api
from tests.graphapi.conftest import api as api
from tests.graphapi.conftest import make_member
from tests.graphapi.exchanging import Town, make_town
from tests.web.conftest import Web

NEEDS = """query($since: DateTime!) { structuralGaps(since: $since) {
  topic { label { text } } people waiting } }"""


@pytest.fixture
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


class Today:
    """As much of a visit as quarters need."""

    def __init__(self, today: date) -> None:
        self.today = today


@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        (date(2026, 1, 1), (2025, 4), (2025, 1)),
        (date(2026, 3, 31), (2025, 4), (2025, 1)),
        (date(2026, 4, 1), (2026, 1), (2025, 2)),
        (date(2026, 12, 31), (2026, 3), (2025, 4)),
    ],
)
def test_quarters_that_are_over(today: date, first: tuple[int, int], last: tuple[int, int]) -> None:
    found = quarters_over(Today(today))  # type: ignore[arg-type]
    assert (found[0], found[-1], len(found)) == (first, last, 4)


async def test_only_the_coordination_reads_them(web: Web, town: Town) -> None:
    assert (await web.get("/gaps")).headers["location"].startswith("/sign-in")
    for role, status in (
        (Role.COORDINATOR, 200), (Role.LEAD, 200), (Role.PARTNER_MEMBER, 403), (Role.OTHER_MUNICIPALITY, 403),
    ):  # fmt: skip
        await web.sign_in((await make_member(town.database, town.world.coordination, role))[0])
        assert (await web.get("/gaps")).status_code == status, role


async def test_searches_without_a_hit_stand_in_words_and_small_numbers_do_not(web: Web, town: Town) -> None:
    await web.sign_in((await make_member(town.database, town.world.coordination, Role.LEAD))[0])
    today = town.database.clock().date()
    (year, number), *_ = quarters_over(Today(today))  # type: ignore[arg-type]
    since, _ = quarter(year, number)
    async with town.database.work(SYSTEM) as work:
        home = await work.session.get_one(Municipality, town.world.municipality)
        said = [
            (UnmetBreakdown.TOPIC, {"topic": town.topic}, UnmetOutcome.NOTHING, 12),
            (UnmetBreakdown.TOPIC, {"topic": town.topic}, UnmetOutcome.NEARLY, 7),
            (UnmetBreakdown.TOPIC, {"topic": ""}, UnmetOutcome.NOTHING, 3),
            (UnmetBreakdown.KIND, {"kind": "JOB_PLACEMENT"}, UnmetOutcome.NOTHING, 9),
            (UnmetBreakdown.LANGUAGE, {"language": "ti"}, UnmetOutcome.NEARLY, 21),
        ]
        for breakdown, named, outcome, searches in said:
            cell = {"kind": "", "topic": "", "language": "", **named}
            work.session.add(
                UnmetSearch(
                    month=since,
                    district=home.ars[:5],
                    breakdown=breakdown.value,
                    outcome=outcome.value,
                    searches=searches,
                    **cell,
                )
            )
    asked = f"{year}-{number}"
    page = (await web.get("/gaps", quarter=asked)).text
    row = page.partition("Looked for")[2]
    assert ">10<" in row and ">5<" in row
    assert ">12<" not in page and ">3<" not in row
    assert "It is not zero" in page
    assert any(name in page for name in home.name.values())
    assert "Job placement" in (await web.get("/gaps", quarter=asked, by="KIND")).text
    languages = (await web.get("/gaps", quarter=asked, by="LANGUAGE")).text
    assert "Tigrinya" in languages and ">20<" in languages
    assert (
        "Every search found something"
        in (await web.get("/gaps", quarter=asked, by="TOPIC_AND_LANGUAGE")).text
    )
    for odd in ({"quarter": "1999-9"}, {"by": "NAME"}, {"months": "9999"}):
        assert (await web.get("/gaps", **odd)).status_code == 200


async def test_needs_that_nobody_met_stand_with_the_reasons(web: Web, town: Town) -> None:
    await web.sign_in((await make_member(town.database, town.world.coordination, Role.COORDINATOR))[0])
    await town.on("staff", "declineReferral", await town.sent(), reason="NO_CAPACITY")
    page = (await web.get("/gaps", months="3")).text
    assert "no capacity" in page.lower()
    assert "Tesfay" not in page


async def test_gaps_stand_on_the_dashboard_as_charts_with_their_tables(web: Web, town: Town) -> None:
    await web.sign_in((await make_member(town.database, town.world.coordination, Role.COORDINATOR))[0])
    for _ in range(2):
        await town.on("staff", "declineReferral", await town.sent(), reason="NO_CAPACITY")
    needs = (await town.ask(NEEDS, {"since": "2026-01-01T00:00:00Z"}, who="coordinator")).data
    met = {one["topic"]["label"]["text"]: one for one in needs["structuralGaps"]}
    page = (await web.get("/figures", months="24")).text
    for title, name in (("People turned away, by need", "people"), ("People waiting, by need", "waiting")):
        shown = page.partition(f"Bar chart: {title}.")[2].partition("</section>")[0]
        chart, _, table = shown.partition("</svg>")
        expected = [(need, one[name]) for need, one in met.items() if one[name]]
        assert expected
        for need, count in expected:
            assert f">{need}</text><rect" in chart and f">{count}</text>" in chart, title
            assert f"{need}</span></th>" in table
    file = (await web.get("/figures/file", months="24")).text
    assert "People turned away, by need;last 24 months;" in file


async def test_a_need_is_no_formula_in_the_file(web: Web, town: Town) -> None:
    async with town.database.work(SYSTEM) as work:
        await work.session.execute(
            update(Topic).where(Topic.code == town.topic).values(labels={"de": "=2+3", "en": "=2+3"})
        )
    await web.sign_in((await make_member(town.database, town.world.coordination, Role.COORDINATOR))[0])
    await town.on("staff", "declineReferral", await town.sent(), reason="NO_CAPACITY")

    rows = (await web.get("/figures/file", months="24")).text.splitlines()

    assert "People turned away, by need;last 24 months;'=2+3;1" in rows
