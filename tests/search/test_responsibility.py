"""Authorities responsible by residence: one for another district never fits, however near; not knowing asks.

What a key means stands here as the towns that lie in it, written out by hand and not derived from its digits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory.actors import ANONYMOUS, SYSTEM
from directory.database import Database
from directory.models import Location, Service, ServiceLocation
from directory.values import EligibilityRule
from directory.vocabulary import Answer, Gender, LegalCircle, ResidenceStatus, Responsibility
from search.engine import Filters, Near, SearchQuery
from search.finding import MatchQuery, match_services, search_services
from search.follower import Follower
from search.local import LocalEngine
from search.matching import Criterion, Situation, judge
from tests.search.samples import TODAY, Directory, service

FITS, NOT, ASK = Answer.FITS, Answer.DOES_NOT_FIT, Answer.ASK

COTTBUS, FORST, BERNAU, BRITZ = "120520000000", "120710076076", "120600020020", "120605003024"
BERLIN, HAMBURG, DUSSELDORF, DRESDEN = "110000000000", "020000000000", "051110000000", "146120000000"
BRITZ_CHORIN = {BRITZ, "elsewhere in Britz-Chorin-Oderberg"}
BARNIM = {BERNAU, "elsewhere in Barnim"} | BRITZ_CHORIN
BRANDENBURG = {COTTBUS, FORST, "elsewhere in Spree-Neiße", "elsewhere in Brandenburg"} | BARNIM

TOWNS: dict[str, set[str]] = {
    "12": BRANDENBURG,
    "120": BRANDENBURG,
    "120000000000": BRANDENBURG,
    "12052": {COTTBUS},
    COTTBUS: {COTTBUS},
    "12071": {FORST, "elsewhere in Spree-Neiße"},
    "120710000000": {FORST, "elsewhere in Spree-Neiße"},
    FORST: {FORST},
    "12060": BARNIM,
    "120600000000": BARNIM,
    "120605003": BRITZ_CHORIN,
    "120605003000": BRITZ_CHORIN,
    BRITZ: {BRITZ},
    BERNAU: {BERNAU},
    "11": {BERLIN},
    "11000": {BERLIN},
    BERLIN: {BERLIN},
    "02": {HAMBURG},
    HAMBURG: {HAMBURG},
    "05": {DUSSELDORF, "elsewhere in the district of Düsseldorf", "elsewhere in North Rhine-Westphalia"},
    "051": {DUSSELDORF, "elsewhere in the district of Düsseldorf"},
    "051000000000": {DUSSELDORF, "elsewhere in the district of Düsseldorf"},
    "05111": {DUSSELDORF},
    DUSSELDORF: {DUSSELDORF},
    DRESDEN: {DRESDEN},
}
"""The towns in the territory of each key: land, government district, district, association, municipality."""

KEYS = st.sampled_from(sorted(TOWNS))


def responsible(area: tuple[str, ...], home: str | None) -> Answer:
    """What the towns say: all of the home's in the area, none of them, or it cannot be known."""
    if home is None or not area:
        return ASK
    covered = set().union(*(TOWNS[key] for key in area))
    if any(TOWNS[home] <= TOWNS[key] for key in area):
        return FITS
    return ASK if TOWNS[home] & covered else NOT


RULES = st.lists(
    st.builds(
        EligibilityRule,
        statuses=st.sampled_from([(), (ResidenceStatus.SECTION_104C,)]),
        genders=st.sampled_from([(), (Gender.WOMAN,)]),
        residence=st.lists(KEYS, max_size=1).map(tuple),
        answer=st.sampled_from(Answer),
    ),
    max_size=2,
).map(tuple)


@given(
    area=st.lists(KEYS, max_size=3).map(tuple),
    home=st.none() | KEYS,
    rules=RULES,
    status=st.sampled_from([None, ResidenceStatus.SECTION_104C]),
    circle=st.sampled_from([None, LegalCircle.ASYLBLG]),
)
@settings(max_examples=200)
def test_an_authority_of_another_district_never_fits_and_the_unknown_is_asked(
    area: tuple[str, ...],
    home: str | None,
    rules: tuple[EligibilityRule, ...],
    status: ResidenceStatus | None,
    circle: LegalCircle | None,
) -> None:
    """Whatever its own rules say of the person."""
    authority = service(area=area, responsibility=Responsibility.BY_RESIDENCE, eligibility=rules)
    person = Situation(on=TODAY, residence=home, residence_status=status, legal_circle=circle)
    judged = judge(authority, person, {})
    (of_place,) = [one for one in judged.reasons if one.criterion is Criterion.PLACE_OF_RESIDENCE]

    assert of_place.answer is responsible(area, home)
    assert of_place.answer is FITS or judged.answer is not FITS
    if home is None and not any(rule.answer is NOT for rule in rules):
        assert judged.answer is ASK


AREAS: tuple[tuple[str, ...], ...] = (
    (),
    *((key,) for key in TOWNS),
    (COTTBUS, "12060"),
    (BERNAU, BRITZ),
    (DRESDEN, "11000"),
)
HOMES = (None, "12", "120000000000", COTTBUS, "12060", BRITZ, "11000", HAMBURG)
HERE = Near(latitude=51.7567, longitude=14.3331, radius_km=5)


@pytest.fixture
async def local(tmp_path: Path, empty_database: Database, directory: Directory) -> AsyncIterator[LocalEngine]:
    """An index of one authority for each area, all in one house; whoever lives in the area fits."""
    made = LocalEngine(tmp_path / "index")
    ids = await directory.add(*(f"Amt {' '.join(area)}" for area in AREAS))
    async with empty_database.work(SYSTEM) as work:
        house = Location(
            partner_id=directory.partner_id,
            name="Rathaus",
            latitude=HERE.latitude,
            longitude=HERE.longitude,
            accessibility={},
        )
        work.session.add(house)
        await work.session.flush()
        for id_, area in zip(ids, AREAS, strict=True):
            authority = await work.session.get_one(Service, id_)
            authority.area, authority.responsibility = area, Responsibility.BY_RESIDENCE
            authority.eligibility = (EligibilityRule(answer=FITS),)
            authority.version += 1
            work.session.add(ServiceLocation(service_id=id_, location_id=house.id))
            work.touch_service(id_)
    await Follower(made, empty_database, "").catch_up()
    yield made
    made.resign()


async def test_neither_searches_nor_matches_show_it_as_fitting(
    local: LocalEngine, empty_database: Database
) -> None:
    reader = empty_database.reader
    for home in HOMES:
        situation = Situation(on=TODAY, residence=home)
        expected = {f"Amt {' '.join(area)}": responsible(area, home) for area in AREAS}
        not_excluded = {title for title, answer in expected.items() if answer is not NOT}
        for only_fitting in (False, True):
            page = await search_services(
                [local],
                reader,
                ANONYMOUS,
                SearchQuery(
                    text="Amt",
                    today=TODAY,
                    situation=situation,
                    only_fitting=only_fitting,
                    filters=Filters(near=HERE),
                    first=100,
                ),
            )
            found = {
                one.service.title["de"]: one.judgement.answer
                for one in page.services
                if one.judgement is not None
            }
            assert found == {
                title: answer
                for title, answer in expected.items()
                if not only_fitting or title in not_excluded
            }, home
            assert page.fitting == len(not_excluded), home
        matched = await match_services(
            [local],
            reader,
            ANONYMOUS,
            MatchQuery(situation=situation, text="Amt", filters=Filters(near=HERE), first=100),
        )
        answers = [(one.service.title["de"], one.rated.answer) for one in matched.matches]
        assert dict(answers) == expected, home
        assert matched.fitting == len(not_excluded)
        order = [(FITS, ASK, NOT).index(answer) for _, answer in answers]
        assert order == sorted(order), "what does not fit stands behind all else"
