"""The contract of every search engine: what is found, in which order, counted and marked how."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from directory.courses import CourseFilter
from directory.documents import ServiceDocument
from directory.problems import InvalidInput
from directory.values import (
    Capacity,
    CourseFacts,
    CourseRun,
    EligibilityRule,
    InterpretedLanguage,
    InterpretingFacts,
    LanguageOffered,
    SourceTerm,
)
from directory.vocabulary import (
    Answer,
    CapacityState,
    CefrLevel,
    CourseFormat,
    PartnerKind,
    PublicationState,
    ResidenceStatus,
    ServiceKind,
)
from search.engine import (
    Batch,
    Facet,
    Filters,
    FollowingEngine,
    Near,
    ResidenceFilter,
    SearchQuery,
    SearchUnavailable,
    checked,
)
from search.matching import Situation
from tests.search.samples import (
    BARNIM,
    COURSE_CASES,
    TODAY,
    VOCABULARY,
    fill,
    find,
    ids,
    place,
    position,
    put,
    service,
    topic,
)

NewEngine = Callable[[], FollowingEngine]
S104C = ResidenceStatus.SECTION_104C


# --- words


MEDIATION = "Sprachmittlung bei Behörden"
RECOGNITION = "Anerkennungsberatung für Ärzte"
COURSE = "Berufssprachkurs B1"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Sprachmittlung", MEDIATION),
        ("mittlung", MEDIATION),
        ("Sprachm", MEDIATION),
        ("Sprachmitlung", MEDIATION),
        ("Sprahcmittlung", MEDIATION),
        ("behoerden", MEDIATION),
        ("BEHÖRDE", MEDIATION),
        ("anerkenung", RECOGNITION),
        ("Anerkennung", RECOGNITION),
        ("aerzte", RECOGNITION),
        ("Arzt", RECOGNITION),
        ("Sprachkurse", COURSE),
        ("kurs b1", COURSE),
        ("Kurse für den Beruf", COURSE),
    ],
)
def test_german_words_are_found(engine: FollowingEngine, text: str, title: str) -> None:
    """Typos, prefixes, inflected forms, umlauts either way and parts of compounds find the service first."""
    services = [service(MEDIATION), service(RECOGNITION), service(COURSE), service("Wohnungssuche")]
    fill(engine, services)
    wanted = next(one for one in services if one.title["de"] == title)

    assert ids(find(engine, text))[:1] == [wanted.id]


@pytest.mark.parametrize("name", ["Cottbus", "Chóśebuz", "Chosebuz", "Chósebus", "chosebus"])
@pytest.mark.parametrize("written", ["Cottbus", "Chóśebuz"])
def test_all_names_of_cottbus_are_one(engine: FollowingEngine, name: str, written: str) -> None:
    """Whichever name a text has, each finds it."""
    wanted = service(f"Treff in {written}", municipality=BARNIM)
    fill(engine, [wanted, service("Treff in Bernau", municipality=BARNIM)])

    assert ids(find(engine, name)) == [wanted.id]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"description": {"de": "Hilfe bei Schulden"}}, "Schuldenhilfe"),
        ({"description": {"en": "Advice about debts"}}, "debt advice"),
        ({"partner": "Handwerkskammer"}, "Handwerkskammer"),
        ({"partner": "Handwerkskammer"}, "Kammer"),
        ({"kind": ServiceKind.LANGUAGE_MEDIATION}, "Kulturmittlung"),
        ({"kind": ServiceKind.LANGUAGE_MEDIATION}, "Sprachmittlung"),
        ({"kind": ServiceKind.LANGUAGE_MEDIATION}, "cultural mediation"),
        ({"topics": (topic("identity-papers"),)}, "Papiere verlängern"),
        ({"topics": (topic("language-course"),)}, "learn german"),
        ({"topics": (topic("language-course"),)}, "Sprachkurse"),
        ({"languages": (LanguageOffered(language="ti"),)}, "Tigrinya"),
        ({"languages": (LanguageOffered(language="ti"),)}, "ትግርኛ"),
        ({"description": {"ar": "خدمات الترجمة الشفوية"}}, "ترجمه شفويه الترجمة"),
        ({"description": {"ru": "Помощь переводчика"}}, "переводчика"),
        ({"source_terms": (SourceTerm(code="1", name="Food Pantries", vocabulary="x"),)}, "food pantry"),
        ({"title": {"de": "Chancen-Aufenthaltsrecht"}}, "Chancenaufenthalt"),
        ({"title": {"de": "Beratung § 104c"}}, "104 c"),
    ],
)
def test_every_text_of_a_service_is_searched(
    engine: FollowingEngine, fields: dict[str, Any], text: str
) -> None:
    """Titles, descriptions, partners, kinds, topics with synonyms, languages and source terms are found."""
    wanted = service(**fields)
    fill(engine, [wanted, service("Fahrradwerkstatt")])

    assert ids(find(engine, text)) == [wanted.id]


def test_exact_words_rank_above_prefixes_and_typos(engine: FollowingEngine) -> None:
    """Even where the exact word is common and the other rare."""
    exact = [service("Mediation") for _ in range(5)]
    near = service("Meditation")
    fill(engine, [near, *exact])

    assert ids(find(engine, "Mediation"))[:5] == ids(find(engine, "mediation"))[:5]
    assert set(ids(find(engine, "Mediation"))[:5]) == {one.id for one in exact}


@pytest.mark.parametrize("text", ["Sprachmittlung", "Sprachmitlung", "Sprachmit", "mittlung"])
def test_titles_count_more_than_names_and_descriptions(engine: FollowingEngine, text: str) -> None:
    """Also for typos, prefixes and parts of compounds."""
    described = service("Begleitung", description={"de": "Auch Sprachmittlung."})
    named = service("Termine", partner="Stelle für Sprachmittlung")
    titled = service("Sprachmittlung", description={"de": "Zu Terminen"})
    fill(engine, [described, named, titled])

    assert ids(find(engine, text)) == [titled.id, named.id, described.id]


def test_all_words_of_a_short_search_are_needed(engine: FollowingEngine) -> None:
    """What has one word only is shown when nothing has both, and the result says so."""
    both, one = service("Kurs für Frauen"), service("Kurs für alle")
    fill(engine, [both, one])

    strict, relaxed = find(engine, "Kurs Frauen"), find(engine, "Kurs Männer")

    assert (ids(strict), strict.relaxed) == ([both.id], False)
    assert (set(ids(relaxed)), relaxed.relaxed) == ({both.id, one.id}, True)


@pytest.mark.parametrize(
    "text",
    [
        "title:x",
        "*",
        "meta:position",
        "position",
        "a AND (b",
        '"unclosed',
        "id:[* TO *]",
        "+ - && || ! ( ) { } [ ] ^ ~ ? : \\ /",
        "IN [a b]",
        "\x00\x01",
        "\u202e\u200f",
        "' OR 1=1 --",
        "<script>alert(1)</script>",
        "a" * 500,
        "😀😀",
        ".*",
        "kurs~9",
    ],
)
def test_no_text_reaches_a_parser(engine: FollowingEngine, text: str) -> None:
    """Syntax of any query language is only words, and the index's own bookkeeping is never found."""
    fill(engine, [service("Deutschkurs")])

    result = find(engine, text, facets=frozenset(Facet))

    assert result.total <= 1
    assert len(result.hits) == result.total


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"text": "x" * 501}, "text"),
        ({"text": " ".join(f"wort{n}" for n in range(41))}, "text"),
        ({"first": 0}, "first"),
        ({"first": 101}, "first"),
        ({"after": "nonsense"}, "after"),
        ({"after": "é"}, "after"),
        ({"filters": Filters(municipality="x")}, "filters.municipality"),
        ({"filters": Filters(near=Near(latitude=91, longitude=0, radius_km=1))}, "filters.near.latitude"),
        (
            {"filters": Filters(near=Near(latitude=0, longitude=float("nan"), radius_km=1))},
            "filters.near.longitude",
        ),
        ({"filters": Filters(near=Near(latitude=0, longitude=0, radius_km=-1))}, "filters.near.radiusKm"),
        ({"filters": Filters(topics=("x",) * 101)}, "filters.topics"),
        ({"filters": Filters(open_capacity_on=date(1, 1, 1))}, "filters.openCapacityOn"),
        ({"situation": Situation(on=date(9999, 1, 1))}, "situation.on"),
        ({"situation": Situation(on=TODAY, residence="Cottbus")}, "situation.residence"),
        ({"situation": Situation(on=TODAY, residence="12071304")}, "situation.residence"),
        ({"filters": Filters(municipality="12071304")}, "filters.municipality"),
    ],
)
def test_input_out_of_bounds_is_refused(query: dict[str, Any], field: str) -> None:
    """Size, depth and values are bounded; the problem names the field."""
    with pytest.raises(InvalidInput) as refused:
        checked(SearchQuery(**({"today": TODAY} | query)))

    assert refused.value.field == field


# --- filters


def rule(answer: Answer, **dates: Any) -> EligibilityRule:
    """Return a rule for § 104c."""
    return EligibilityRule(statuses=(S104C,), answer=answer, **dates)


THROUGH_INTERPRETER = LanguageOffered(language="ar", interpreted=True)
MITTE = place(51.7606, 14.3342)
SPREMBERG = place(51.5715, 14.3796)  # 21 km to the south


def within(radius_km: float) -> Near:
    """Return a circle around the middle of Cottbus."""
    return Near(latitude=51.76, longitude=14.33, radius_km=radius_km)


RESIDENCE = ResidenceFilter(status=S104C, on=TODAY)


@pytest.mark.parametrize(
    ("filters", "fields", "passes"),
    [
        (Filters(kinds=(ServiceKind.MONITORING,)), {"kind": ServiceKind.MONITORING}, True),
        (Filters(kinds=(ServiceKind.MONITORING,)), {"kind": ServiceKind.COUNSELLING}, False),
        (
            Filters(kinds=(ServiceKind.MONITORING, ServiceKind.COUNSELLING)),
            {"kind": ServiceKind.COUNSELLING},
            True,
        ),
        (Filters(partner_kinds=(PartnerKind.CHAMBER,)), {"partner_kind": PartnerKind.CHAMBER}, True),
        (Filters(partner_kinds=(PartnerKind.CHAMBER,)), {"partner_kind": PartnerKind.BUSINESS}, False),
        (Filters(topics=("literacy-course",)), {"topics": (topic("literacy-course"),)}, True),
        (Filters(topics=("language-course",)), {"topics": (topic("literacy-course"),)}, True),
        (Filters(topics=("literacy-course",)), {"topics": (topic("language-course"),)}, False),
        (Filters(languages=("ar",)), {"languages": (LanguageOffered(language="ar-SY"),)}, True),
        (
            Filters(languages=("ar",)),
            {"languages": (LanguageOffered(language="ar", interpreted=True),)},
            True,
        ),
        (Filters(languages=("ti",)), {"languages": (LanguageOffered(language="ar"),)}, False),
        (
            Filters(languages=("ti",)),
            {"interpreting": InterpretingFacts(languages=(InterpretedLanguage(language="ti"),))},
            True,
        ),
        (Filters(municipality="12052"), {}, True),
        (Filters(municipality="12"), {"municipality": BARNIM}, True),
        (Filters(municipality="120520000000"), {"municipality": BARNIM}, False),
        (Filters(residence=RESIDENCE), {"eligibility": (rule(Answer.FITS),)}, True),
        (Filters(residence=RESIDENCE), {"eligibility": ()}, True),
        (Filters(residence=RESIDENCE), {"eligibility": (rule(Answer.DOES_NOT_FIT),)}, False),
        (
            Filters(residence=RESIDENCE),
            {"eligibility": (rule(Answer.ASK), rule(Answer.DOES_NOT_FIT))},
            True,
        ),
        (
            Filters(residence=RESIDENCE),
            {"eligibility": (rule(Answer.DOES_NOT_FIT, valid_from=TODAY + timedelta(days=1)),)},
            True,
        ),
        (
            Filters(residence=RESIDENCE),
            {"eligibility": (rule(Answer.DOES_NOT_FIT, valid_from=TODAY, valid_to=TODAY),)},
            False,
        ),
        (
            Filters(residence=ResidenceFilter(status=S104C, on=TODAY, fits_only=True)),
            {"eligibility": ()},
            False,
        ),
        (
            Filters(residence=ResidenceFilter(status=S104C, on=TODAY, fits_only=True)),
            {"eligibility": (rule(Answer.FITS, valid_to=TODAY), rule(Answer.DOES_NOT_FIT))},
            True,
        ),
        (
            Filters(near=Near(latitude=51.76, longitude=14.33, radius_km=5)),
            {"locations": (SPREMBERG, MITTE)},
            True,
        ),
        (
            Filters(near=Near(latitude=51.76, longitude=14.33, radius_km=20)),
            {"locations": (SPREMBERG,)},
            False,
        ),
        (
            Filters(near=Near(latitude=51.76, longitude=14.33, radius_km=22)),
            {"locations": (SPREMBERG,)},
            True,
        ),
        (Filters(near=Near(latitude=51.76, longitude=14.33, radius_km=5)), {"locations": ()}, False),
        (
            # One place has the latitude and another the longitude: neither is near.
            Filters(near=Near(latitude=50.0, longitude=10.0, radius_km=5)),
            {"locations": (place(50.0, 12.0), place(53.0, 10.0))},
            False,
        ),
        (Filters(open_capacity_on=TODAY), {"capacity": Capacity(state=CapacityState.FEW)}, True),
        (Filters(open_capacity_on=TODAY), {"capacity": Capacity()}, False),
        (Filters(open_capacity_on=TODAY), {"capacity": Capacity(state=CapacityState.NONE)}, False),
        (
            Filters(open_capacity_on=TODAY),
            {"capacity": Capacity(state=CapacityState.OPEN, expires_on=TODAY)},
            True,
        ),
        (
            Filters(open_capacity_on=TODAY),
            {"capacity": Capacity(state=CapacityState.OPEN, expires_on=TODAY - timedelta(days=1))},
            False,
        ),
    ],
)
def test_filters_decide(
    engine: FollowingEngine, filters: Filters, fields: dict[str, Any], passes: bool
) -> None:
    """Each filter lets pass what meets it, with words and without."""
    wanted = service("Angebot", **fields)
    fill(engine, [wanted])

    assert ids(find(engine, filters=filters)) == [wanted.id] * passes
    assert ids(find(engine, "Angebot", filters=filters)) == [wanted.id] * passes


@pytest.mark.parametrize(("wanted", "course", "passes"), COURSE_CASES)
def test_course_filters_leave_out_what_is_known_to_differ(
    engine: FollowingEngine, wanted: CourseFilter, course: CourseFacts | None, passes: bool
) -> None:
    """A fact that is not known passes; what is no course does not."""
    fill(engine, [service(course=course)])

    assert find(engine, filters=Filters(course=wanted)).total == passes


# --- situations, facets, marks


def test_what_does_not_fit_comes_last_or_not_at_all(engine: FollowingEngine) -> None:
    """However well its words match; counts tell both."""
    begun = service(
        "Deutschkurs Deutschkurs", course=CourseFacts(runs=(CourseRun(starts_on=TODAY - timedelta(days=9)),))
    )
    later = service(
        "Deutschkurs am Abend", course=CourseFacts(runs=(CourseRun(starts_on=TODAY + timedelta(days=9)),))
    )
    fill(engine, [begun, later])
    situation = Situation(on=TODAY)

    for text in ("Deutschkurs", ""):
        listed = find(engine, text, situation=situation)
        fitting = find(engine, text, situation=situation, only_fitting=True)

        assert (ids(listed), listed.total, listed.fitting) == ([later.id, begun.id], 2, 1)
        assert (ids(fitting), fitting.total, fitting.fitting) == ([later.id], 1, 1)


def test_facets_count_all_hits(engine: FollowingEngine) -> None:
    """Not only those of the page; status and capacity as of today; more than ten values."""
    kinds = list(ServiceKind)
    services = [
        service(
            "Angebot",
            kind=kind,
            topics=(topic("literacy-course"),),
            languages=(LanguageOffered(language="ar"), LanguageOffered(language="ti")),
            eligibility=(rule(Answer.FITS, valid_to=TODAY),) if number < 3 else (),
            capacity=Capacity(
                state=CapacityState.OPEN, expires_on=TODAY if number < 2 else TODAY - timedelta(days=1)
            ),
            course=CourseFacts(level_to=CefrLevel.B1, format=CourseFormat.ONLINE, childcare=number == 0)
            if number < 2
            else None,
        )
        for number, kind in enumerate(kinds)
    ]
    fill(engine, [*services, service("Etwas anderes")])

    facets = find(engine, "Angebot", first=1, facets=frozenset(Facet)).facets
    counted = {facet: {count.value: count.count for count in counts} for facet, counts in facets.items()}

    assert counted == {
        Facet.KIND: {kind.value: 1 for kind in kinds},
        Facet.TOPIC: {"literacy-course": 11},
        Facet.LANGUAGE: {"ar": 11, "ti": 11},
        Facet.RESIDENCE_STATUS: {"SECTION_104C": 3},
        Facet.MUNICIPALITY: {"120520000000": 11},
        Facet.CAPACITY: {"OPEN": 2, "UNKNOWN": 9},
        Facet.COURSE_LEVEL: {"B1": 2},
        Facet.COURSE_FORMAT: {"ONLINE": 2},
        Facet.COURSE_CHILDCARE: {"yes": 1, "no": 1},
        Facet.COURSE_WOMEN_ONLY: {},
        Facet.PARTNER_KIND: {"FREE_PROVIDER": 11},
    }


def test_facets_are_counted_only_when_asked(engine: FollowingEngine) -> None:
    """They cost time."""
    fill(engine, [service()])

    assert find(engine).facets == {}


def test_highlights_mark_what_matched_in_the_callers_language(engine: FollowingEngine) -> None:
    """Ranges count characters, not bytes; compounds and typos are marked as the whole word they matched."""
    fill(
        engine,
        [
            service(
                title={"de": "Änderung: Sprachmittlung", "en": "Language mediation"},
                partner="Mittlung e. V.",
                description={"de": "Für Ämter – Mittlung ist kostenlos."},
            )
        ],
    )

    (hit,) = find(engine, "mittlung", language="de").hits
    marked = {
        light.field: [light.fragment[start:end] for start, end in light.ranges] for light in hit.highlights
    }
    (english,) = find(engine, "mediation", language="en").hits

    assert marked == {"title": ["Sprachmittlung"], "partner": ["Mittlung"], "description": ["Mittlung"]}
    assert [(light.field, light.language) for light in english.highlights] == [("title", "en")]


# --- order and pages


def walk(engine: FollowingEngine, first: int, **query: Any) -> list[UUID]:
    """Read all pages."""
    found: list[UUID] = []
    after = None
    while True:
        result = find(engine, first=first, after=after, **query)
        found += ids(result)
        if not result.more:
            return found
        after = result.hits[-1].cursor


def many(number: int) -> list[ServiceDocument]:
    """Return services of which many match equally well, in several commits' order."""
    return [
        service(
            "Deutschkurs" if number % 3 else "Deutschkurs am Abend",
            assured_at=datetime(2026, 1, 1 + number % 5, tzinfo=UTC) if number % 2 else None,
            course=CourseFacts(childcare=number % 4 != 0),
        )
        for number in range(number)
    ]


@pytest.mark.parametrize("text", ["", "Deutschkurs", "deutsch abend frauen"])
@pytest.mark.parametrize("situation", [None, Situation(on=TODAY, childcare=True)])
def test_pages_are_stable(engine: FollowingEngine, text: str, situation: Situation | None) -> None:
    """Pages of any size, one after the other, hold each hit once and in the same order."""
    services = many(60)
    fill(engine, services)
    whole = walk(engine, 100, text=text, situation=situation)

    assert sorted(whole) == sorted(one.id for one in services)
    for size in (1, 7, 50):
        assert walk(engine, size, text=text, situation=situation) == whole


@pytest.mark.parametrize("text", ["", "Deutschkurs"])
def test_pages_stay_stable_while_others_change(engine: FollowingEngine, text: str) -> None:
    """A commit between two pages neither repeats nor hides a service that did not change."""
    services = many(60)
    fill(engine, services)
    page = find(engine, text, first=20)
    put(engine, *(service("Neuer Deutschkurs am Morgen") for _ in range(5)), sequence=2)

    rest: list[UUID] = []
    after: str | None = page.hits[-1].cursor
    while after is not None:
        result = find(engine, text, first=20, after=after)
        rest += ids(result)
        after = result.hits[-1].cursor if result.more else None
    old = {one.id for one in services}

    assert len(rest) == len(set(rest))
    assert {one for one in rest if one in old} == old - set(ids(page))


def test_paging_ends_at_its_depth(engine: FollowingEngine) -> None:
    """A thousand hits deep and no deeper; the total still tells them all."""
    fill(engine, [service("Deutschkurs") for _ in range(1_005)])

    for text in ("", "Deutschkurs"):
        assert len(walk(engine, 100, text=text)) == 1_000
        assert find(engine, text).total == 1_005


def test_a_cursor_belongs_to_its_query(engine: FollowingEngine) -> None:
    """Another search can't be continued with it."""
    fill(engine, many(5))
    after = find(engine, "Deutschkurs", first=2).hits[-1].cursor

    for other in ({"text": "Abend"}, {"text": "Deutschkurs", "filters": Filters(municipality="12")}):
        with pytest.raises(InvalidInput) as refused:
            find(engine, after=after, **other)
        assert refused.value.reason == "cursor-of-another-query"


# --- following


def test_without_an_index_it_says_so(engine: FollowingEngine) -> None:
    """No answer is not an empty answer."""
    with pytest.raises(SearchUnavailable):
        find(engine)
    assert engine.position() is None


def test_a_batch_and_its_position_are_one_commit(engine: FollowingEngine) -> None:
    """Documents, removals and position appear together."""
    kept, gone = service("Kurs"), service("Kurs")
    fill(engine, [kept, gone])

    new = service("Kurs")
    put(engine, new, removed=[gone.id], sequence=9)

    assert set(ids(find(engine, "Kurs"))) == {kept.id, new.id}
    assert engine.position() == position(9)
    assert engine.versions() == {kept.id: 1, new.id: 1}


def test_only_a_higher_version_changes_anything(engine: FollowingEngine) -> None:
    """Applying twice, or an older document late, leaves the newer one; a repair may go back."""
    id_ = uuid4()
    fill(engine, [service("Zwei", id=id_, version=2)])

    put(engine, service("Eins", id=id_, version=1), sequence=2)
    put(engine, service("Zwei noch einmal", id=id_, version=2), sequence=3)
    assert (find(engine, "Zwei").total, find(engine, "Eins").total) == (1, 0)

    put(engine, service("Drei", id=id_, version=3), sequence=4)
    assert (find(engine, "Zwei").total, find(engine, "Drei").total) == (0, 1)

    put(engine, service("Eins", id=id_, version=1), sequence=4, forced=True)
    assert (find(engine, "Eins").total, engine.versions()) == (1, {id_: 1})


def test_what_is_not_published_never_enters(engine: FollowingEngine) -> None:
    """Not in hits, totals, facets or highlights; a service that is hidden leaves."""
    seen = service("Deutschkurs")
    fill(engine, [seen, *(service("Deutschkurs", state=state) for state in list(PublicationState)[::2])])
    assert find(engine, "Deutschkurs", facets=frozenset({Facet.KIND})).total == 1

    put(engine, service("Deutschkurs", id=seen.id, version=2, state=PublicationState.HIDDEN))
    result = find(engine, "Deutschkurs", facets=frozenset(Facet))

    assert (result.total, ids(result)) == (0, [])
    assert not any(result.facets.values())


def test_a_rebuild_serves_only_when_it_is_finished(engine: FollowingEngine) -> None:
    """Until then, and when it is abandoned, the old index answers."""
    fill(engine, [service("Alt")])

    for finish in (False, True):
        rebuild = engine.rebuild(VOCABULARY)
        rebuild.apply(Batch(documents=[service("Neu")], removed=[], position=position(5)))
        assert (find(engine, "Alt").total, find(engine, "Neu").total) == (1, 0)
        if finish:
            rebuild.finish()
        else:
            rebuild.abandon()

    assert (find(engine, "Alt").total, find(engine, "Neu").total) == (0, 1)
    assert engine.position() == position(5)


def test_one_writes_and_many_read(new_engine: NewEngine) -> None:
    """Who comes second reads at once what the first commits, and writes when the first is gone."""
    one, other = new_engine(), new_engine()
    fill(one, [service("Alt")])
    assert not other.lead()
    assert find(other, "Alt").total == 1

    put(one, service("Neu"))
    assert find(other, "Neu").total == 1

    one.resign()
    assert other.lead()
    assert not one.lead()
    put(other, service("Dritter"), sequence=3)
    assert find(one, "Dritter").total == 1
