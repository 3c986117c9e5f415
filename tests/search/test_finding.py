"""Finding on a real database: documents, reasons, distances, what is gone, and the second engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from directory.actors import ANONYMOUS, SYSTEM
from directory.database import Database
from directory.models import Occupation
from directory.problems import InvalidInput
from directory.values import CourseFacts, CourseRun, RecognitionFacts
from directory.vocabulary import Answer, PublicationState, ServiceKind
from search.engine import PASSED_OVER, Facet, Filters, Near, SearchQuery, SearchResult, SearchUnavailable
from search.finding import FoundPage, MatchQuery, distance_km, match_services, search_services
from search.follower import Follower
from search.local import LocalEngine
from search.matching import Situation
from tests.search.samples import TODAY, Directory, place, service

NURSE = "http://data.europa.eu/esco/occupation/nurse"
BAKER = "http://data.europa.eu/esco/occupation/baker"


@pytest.fixture
def local(tmp_path: Path) -> LocalEngine:
    """An engine without an index."""
    return LocalEngine(tmp_path / "index")


@pytest.fixture
async def follower(local: LocalEngine, empty_database: Database) -> AsyncIterator[Follower]:
    """A follower that catches up when told."""
    yield Follower(local, empty_database, "")
    local.resign()


@pytest.fixture
def reader(empty_database: Database) -> asyncpg.Pool:
    """The pool of the role that reads the published directory."""
    return empty_database.reader


async def search(local: LocalEngine, reader: asyncpg.Pool, text: str = "", **query: Any) -> FoundPage:
    """Search as somebody without a token."""
    return await search_services(
        [local], reader, ANONYMOUS, SearchQuery(text=text, **({"today": TODAY} | query))
    )


async def test_hits_come_with_their_documents_in_order(
    local: LocalEngine, follower: Follower, directory: Directory, reader: asyncpg.Pool
) -> None:
    """And with highlights, counts and a cursor for the next page."""
    far, near = await directory.add("Kurs am Abend für viele andere Menschen", "Deutschkurs Deutschkurs")
    await follower.catch_up()

    page = await search(local, reader, "Deutschkurs Abend Kurs", facets=frozenset({Facet.KIND}))

    assert [found.service.id for found in page.services] == [near, far]
    assert [found.hit.id for found in page.services] == [near, far]
    assert (page.total, page.more, page.degraded) == (2, False, False)
    assert [(count.value, count.count) for count in page.facets[Facet.KIND]] == [("MONITORING", 2)]
    assert page.services[0].judgement is None


async def test_a_woman_whose_status_ends_in_seven_months(
    local: LocalEngine, follower: Follower, directory: Directory, reader: asyncpg.Pool
) -> None:
    """Courses that end too late, have no childcare or have begun are told by their reasons."""
    soon, late = TODAY + timedelta(days=20), TODAY + timedelta(days=400)
    facts = {
        "B1 passend": CourseFacts(
            runs=(CourseRun(starts_on=soon, ends_on=soon + timedelta(days=90)),), childcare=True
        ),
        "B1 zu lang": CourseFacts(runs=(CourseRun(starts_on=soon, ends_on=late),), childcare=True),
        "B1 ohne Betreuung": CourseFacts(runs=(CourseRun(starts_on=soon, ends_on=soon),), childcare=False),
        "B1 begonnen": CourseFacts(
            runs=(CourseRun(starts_on=TODAY - timedelta(days=1), ends_on=soon),), childcare=True
        ),
        "B1 ungewiss": CourseFacts(runs=(CourseRun(starts_on=soon),)),
    }
    for title, made in zip(facts, await directory.add(*facts), strict=True):
        await directory.change(made, course=facts[title])
    await follower.catch_up()
    situation = Situation(on=TODAY, status_valid_until=TODAY + timedelta(days=210), childcare=True)

    listed = await search(local, reader, "B1", situation=situation)
    fitting = await search(local, reader, "B1", situation=situation, only_fitting=True)

    reasons = {
        found.service.title["de"]: {
            one.code for one in found.judgement.reasons if one.answer is not Answer.FITS
        }
        for found in listed.services
        if found.judgement is not None
    }
    assert reasons == {
        "B1 passend": set(),
        "B1 ungewiss": {"end-unknown", "childcare-unknown"},
        "B1 zu lang": {"ends-after-status"},
        "B1 ohne Betreuung": {"no-childcare"},
        "B1 begonnen": {"already-begun"},
    }
    assert {found.service.title["de"] for found in listed.services[:2]} == {"B1 passend", "B1 ungewiss"}
    assert {found.service.title["de"] for found in fitting.services} == {"B1 passend", "B1 ungewiss"}
    assert (listed.total, listed.fitting, fitting.total) == (5, 2, 2)


async def test_a_regulated_occupation_is_told_from_others(
    local: LocalEngine,
    follower: Follower,
    directory: Directory,
    reader: asyncpg.Pool,
    empty_database: Database,
) -> None:
    """The table of occupations says whether law governs it."""
    async with empty_database.work(SYSTEM) as work:
        work.session.add(Occupation(esco=NURSE, labels={"de": "Pflegefachkraft"}, regulated=True))
    advice, authority, chamber = await directory.add("Beratung", "Landesamt", "Kammer")
    for made, occupations in ((advice, ()), (authority, (NURSE,)), (chamber, (BAKER,))):
        await directory.change(
            made,
            kind=ServiceKind.QUALIFICATION_RECOGNITION,
            recognition=RecognitionFacts(occupations=occupations),
        )
    await follower.catch_up()

    page = await search(local, reader, situation=Situation(on=TODAY, occupation=NURSE))
    answers = {
        found.service.id: (found.judgement.answer, found.judgement.reasons[0].code)
        for found in page.services
        if found.judgement is not None
    }

    assert answers == {
        advice: (Answer.FITS, "all-occupations"),
        authority: (Answer.FITS, "competent-for-occupation"),
        chamber: (Answer.DOES_NOT_FIT, "regulated-occupation-other-body"),
    }
    assert page.services[-1].service.id == chamber


async def test_what_was_hidden_a_moment_ago_is_left_out(
    local: LocalEngine, follower: Follower, directory: Directory, reader: asyncpg.Pool
) -> None:
    """Even before the index knows: the document is read as the published directory's reader."""
    hidden, shown = await directory.add("Deutschkurs", "Deutschkurs")
    await follower.catch_up()
    await directory.change(hidden, state=PublicationState.HIDDEN)

    page = await search(local, reader, "Deutschkurs")

    assert [found.service.id for found in page.services] == [shown]


async def test_what_no_longer_fits_is_left_out(
    local: LocalEngine, follower: Follower, directory: Directory, reader: asyncpg.Pool
) -> None:
    """Only fitting services were asked for, and this one changed since it was indexed."""
    (made,) = await directory.add("Deutschkurs")
    await follower.catch_up()
    await directory.change(made, course=CourseFacts(childcare=False))
    situation = Situation(on=TODAY, childcare=True)

    assert (await search(local, reader, situation=situation, only_fitting=True)).services == ()
    (found,) = (await search(local, reader, situation=situation)).services
    assert found.judgement is not None
    assert found.judgement.answer is Answer.DOES_NOT_FIT


async def test_the_distance_of_a_service_without_a_place_is_unknown(
    local: LocalEngine, follower: Follower, directory: Directory, reader: asyncpg.Pool
) -> None:
    """A circle holds only what is known to be in it."""
    await directory.add("Deutschkurs")
    await follower.catch_up()

    near = Filters(near=Near(latitude=51.7, longitude=14.3, radius_km=10))
    assert (await search(local, reader, filters=near)).total == 0


async def test_bad_input_is_a_problem(local: LocalEngine, reader: asyncpg.Pool) -> None:
    """Before any engine is asked."""
    with pytest.raises(InvalidInput):
        await search(local, reader, first=1_000)


class Away:
    """An engine whose server does not answer."""

    name = "away"

    def search(self, query: SearchQuery) -> SearchResult:
        """Fail."""
        raise SearchUnavailable("invalid_api_key")


async def test_the_next_engine_answers_and_says_so(
    local: LocalEngine, follower: Follower, directory: Directory, reader: asyncpg.Pool
) -> None:
    """And where none answers, that is no empty result."""
    await directory.add("Deutschkurs")
    await follower.catch_up()
    query = SearchQuery(text="Deutschkurs", today=TODAY)

    before = PASSED_OVER.counts().get("away", 0)
    with capture_logs() as logged:
        page = await search_services([Away(), local], reader, ANONYMOUS, query)
        await search_services([Away(), local], reader, ANONYMOUS, query)

    assert (page.total, page.degraded) == (1, True)
    assert PASSED_OVER.counts()["away"] == before + 2
    (line,) = [one for one in logged if one["event"] == "search.engine_passed_over"]  # not for each search
    assert (line["engine"], line["why"], "Deutschkurs" in str(line)) == ("away", "invalid_api_key", False)
    with pytest.raises(SearchUnavailable):
        await search_services([Away()], reader, ANONYMOUS, query)


async def test_a_situation_is_asked_of_the_engine_in_this_process_only(
    local: LocalEngine, follower: Follower, directory: Directory, reader: asyncpg.Pool
) -> None:
    """However many others come first: nothing about a person leaves the process."""

    class Listening(Away):
        def search(self, query: SearchQuery) -> SearchResult:
            raise AssertionError("it was asked")

    await directory.add("Deutschkurs")
    await follower.catch_up()
    query = SearchQuery(text="Deutschkurs", today=TODAY, situation=Situation(on=TODAY, age=30))

    page = await search_services([Listening(), local], reader, ANONYMOUS, query)
    matched = await match_services(
        [Listening(), local], reader, ANONYMOUS, MatchQuery(situation=Situation(on=TODAY, languages=("ti",)))
    )

    assert (page.total, page.degraded, matched.total) == (1, False, 1)


def test_the_distance_is_to_the_nearest_place() -> None:
    """In kilometres as the crow flies; the question has to name a middle."""
    spremberg, berlin = place(51.5715, 14.3796), place(52.52, 13.405)
    middle = Near(latitude=51.7606, longitude=14.3342, radius_km=50)

    assert distance_km(service(locations=(berlin, spremberg)), middle) == pytest.approx(21.3, abs=0.2)
    assert distance_km(service(), middle) is None
    assert distance_km(service(locations=(berlin,)), None) is None
