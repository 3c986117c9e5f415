"""The demo network covers what the scenarios and the first look need, and names nobody real."""

import re
from collections import Counter
from datetime import date
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from directory import checking
from directory.courses import is_open, next_run
from directory.eligibility import Profile, judge_rules
from directory.hours import parse_hours
from directory.network import LocationEntry, NetworkFile, PartnerEntry, ServiceEntry, decoder
from directory.values import OpeningHours
from directory.vocabulary import (
    Answer,
    CapacityState,
    CefrLevel,
    ContactKind,
    DataProtectionLaw,
    Gender,
    InterpretingMode,
    LegalCircle,
    PartnerKind,
    PublicationState,
    ResidenceStatus,
    Responsibility,
    ServiceKind,
)

FILE = files("graphapi") / "demo" / "network.json"
COTTBUS = "120520000000"
SPREE_NEISSE = "12071"
WRITTEN_ON = date(2026, 11, 22)
"""The day for which the dates of the courses were chosen."""
FICTION = re.compile(r"\+49(3023125|6990009|4066969|2214710|8999998)[0-9]{3}")
"""Numbers that the Bundesnetzagentur keeps free for films and stories."""
PHASES = {"IN_SUPPORT": 31, "CLEARING": 12, "NO_NEEDS": 38, "APPOINTMENT_PENDING": 32, "NO_CAPACITY": 12}
NURSE = "http://data.europa.eu/esco/isco/C2221"


@cache
def text() -> str:
    return FILE.read_text(encoding="utf-8")


@cache
def network() -> NetworkFile:
    return decoder.decode(text())


@cache
def clients() -> list[dict[str, Any]]:
    return msgspec.json.decode(network().clients, type=list[dict[str, Any]])


def partners() -> tuple[PartnerEntry, ...]:
    return network().partners


def services() -> list[ServiceEntry]:
    return [service for partner in partners() for service in partner.services]


def locations() -> list[LocationEntry]:
    return [location for partner in partners() for location in partner.locations]


def service(key: str) -> ServiceEntry:
    return next(service for service in services() if service.key == key)


def answer(key: str, status: ResidenceStatus, day: date = WRITTEN_ON) -> Answer:
    for rule in service(key).eligibility:
        begun = rule.valid_from is None or rule.valid_from <= day
        if status in rule.statuses and begun and (rule.valid_to is None or day <= rule.valid_to):
            return rule.answer
    return Answer.ASK


def test_it_names_its_format_and_source() -> None:
    assert (network().format, network().source) == ("spurwechsel-network/1", "spurwechsel-demo")


def test_every_reference_resolves() -> None:
    """Topics, their parents, occupations, and locations of the same partner; none is named twice."""
    codes = {topic.code for topic in network().topics}
    occupations = {occupation.esco for occupation in network().occupations}

    assert len(codes) == len(network().topics)
    assert len(occupations) == len(network().occupations)
    assert {topic.parent for topic in network().topics} - {None} <= codes
    for partner in partners():
        places = {location.key for location in partner.locations}
        for one in partner.services:
            assert set(one.topics) <= codes, one.key
            assert one.topics, one.key
            assert set(one.locations) <= places, one.key
            assert len(set(one.topics)) == len(one.topics), one.key
            assert len(set(one.locations)) == len(one.locations), one.key
            if one.recognition is not None:
                assert set(one.recognition.occupations) <= occupations, one.key


def test_it_is_readable_by_people() -> None:
    assert text().startswith('{\n "format": "spurwechsel-network/1",\n')
    assert "Chóśebuz" in text()


def test_keys_are_unique_over_all_sorts() -> None:
    keys = [entry.key for entry in partners()] + [entry.key for entry in services()]
    keys += [entry.key for entry in locations()] + [network().municipality.key]
    keys += [client["key"] for client in clients()]
    assert [key for key, count in Counter(keys).items() if count > 1] == []


def test_the_municipality_and_its_coordination() -> None:
    municipality = network().municipality

    assert municipality.ars == COTTBUS
    assert municipality.kind_labels[PartnerKind.MUNICIPAL_PROJECT]["de"] == "Projekte FB 15"
    coordination = next(p for p in partners() if p.key == municipality.coordination)
    assert "clearing" in {service.key for service in coordination.services}


def test_counts() -> None:
    published = [
        s for p in partners() for s in p.services if s.state is p.state is PublicationState.PUBLISHED
    ]

    assert len(partners()) >= 34
    assert len(published) >= 110
    assert len(network().topics) >= 30
    assert len(network().occupations) >= 12
    assert {partner.kind for partner in partners()} == set(PartnerKind)
    assert {service.kind for service in published} == set(ServiceKind)


def test_every_state_of_publication_occurs() -> None:
    assert {service.state for service in services()} == set(PublicationState)
    assert {partner.state for partner in partners()} == {PublicationState.PUBLISHED, PublicationState.DRAFT}


def test_every_topic_is_used_and_has_words_for_it() -> None:
    used = {code for service in services() for code in service.topics}

    assert used == {topic.code for topic in network().topics}
    for topic in network().topics:
        assert {"de", "en"} <= set(topic.labels), topic.code
        assert topic.synonyms["de"], topic.code
        assert topic.synonyms["en"], topic.code


def test_occupations_of_recognition_are_known_and_regulated_as_said() -> None:
    regulated = {occupation.esco: occupation.regulated for occupation in network().occupations}

    for one in services():
        if one.recognition is not None:
            for esco in one.recognition.occupations:
                assert regulated[esco] == one.recognition.regulated, (one.key, esco)


def test_texts() -> None:
    """German everywhere; English for at least half, and for a service of every kind."""
    assert [s.key for s in services() if not (s.title.get("de") and s.description.get("de"))] == []
    english = [s for s in services() if s.title.get("en") and s.description.get("en")]
    assert len(english) * 2 >= len(services())
    assert {s.kind for s in english} == set(ServiceKind)
    assert {"ar", "uk", "ti", "fa", "ru", "fr", "dsb"} <= {tag for s in services() for tag in s.title}


def test_rules_cover_every_status_and_say_why() -> None:
    rules = [rule for service in services() for rule in service.eligibility]

    assert {status for rule in rules for status in rule.statuses} == set(ResidenceStatus)
    assert {rule.answer for rule in rules} == set(Answer)
    assert [rule for rule in rules if set(rule.reason) != {"de", "en"}] == []
    assert sum(rule.legal_basis is not None for rule in rules) >= 100
    for one in services():  # a status stands once in the rules that are valid on a day
        for status in ResidenceStatus:
            valid = [r for r in one.eligibility if status in r.statuses and r.valid_from is None]
            assert len(valid) <= 1, (one.key, status)


@pytest.mark.parametrize(
    ("key", "person", "expected"),
    [
        ("sozialamt-asylblg", Profile(legal_circles=(LegalCircle.ASYLBLG,)), Answer.FITS),
        ("sozialamt-asylblg", Profile(status=ResidenceStatus.SECTION_60A), Answer.FITS),
        ("sozialamt-asylblg", Profile(), Answer.ASK),
        ("frauengruppe-arabisch", Profile(gender=Gender.MAN), Answer.DOES_NOT_FIT),
        (
            "frauengruppe-arabisch",
            Profile(gender=Gender.WOMAN, status=ResidenceStatus.SECTION_104C),
            Answer.FITS,
        ),
        ("jmd-begleitung", Profile(age=28), Answer.DOES_NOT_FIT),
        ("jmd-begleitung", Profile(age=27), Answer.FITS),
        ("wohnungslotsen", Profile(residence="120710000000"), Answer.ASK),
        (
            "wohnungslotsen",
            Profile(residence="120520000000", status=ResidenceStatus.SECTION_104C),
            Answer.FITS,
        ),
    ],
)
def test_rules_by_more_than_the_status(key: str, person: Profile, expected: Answer) -> None:
    assert judge_rules(service(key).eligibility, person, WRITTEN_ON).answer is expected


def test_a_course_repeats_as_runs() -> None:
    """One has ended, one can be applied for, one is planned."""
    course = service("frauen-b1-kinder").course

    assert course is not None
    assert course.women_only
    assert course.repeats
    assert [is_open(run, WRITTEN_ON) for run in course.runs] == [False, True, True]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ResidenceStatus.SECTION_104C, Answer.FITS),
        (ResidenceStatus.SECTION_25_5, Answer.FITS),
        (ResidenceStatus.SECTION_23_1_ADMISSION, Answer.FITS),
        (ResidenceStatus.SECTION_60A, Answer.FITS),
        (ResidenceStatus.SECTION_55_ASYLG, Answer.FITS),
        (ResidenceStatus.SECTION_81, Answer.FITS),
        (ResidenceStatus.SECTION_60B, Answer.ASK),
        (ResidenceStatus.SECTION_60C, Answer.ASK),
        (ResidenceStatus.SECTION_60D, Answer.ASK),
        (ResidenceStatus.SECTION_23_1_OTHER, Answer.ASK),
        (ResidenceStatus.SECTION_24, Answer.ASK),
        (ResidenceStatus.SECTION_25_1_2, Answer.ASK),
        (ResidenceStatus.SECTION_25A, Answer.ASK),
        (ResidenceStatus.SECTION_25B, Answer.ASK),
        (ResidenceStatus.OTHER, Answer.ASK),
    ],
)
def test_clearing_is_for_whom_the_project_says(status: ResidenceStatus, expected: Answer) -> None:
    assert answer("clearing", status) is expected


def test_newcomers_with_a_provisional_document_begin_with_clearing() -> None:
    rule = next(r for r in service("clearing").eligibility if ResidenceStatus.SECTION_81 in r.statuses)

    assert "Clearing" in rule.reason["de"]
    assert answer("spurwechsel-begleitung", ResidenceStatus.SECTION_81) is Answer.ASK


def test_new_applications_for_opportunity_residence_have_ended() -> None:
    before = answer("abh-104c-antrag", ResidenceStatus.SECTION_60A, date(2025, 12, 31))
    after = answer("abh-104c-antrag", ResidenceStatus.SECTION_60A, date(2026, 1, 1))
    assert (before, after) == (Answer.FITS, Answer.DOES_NOT_FIT)


def test_all_contacts_are_fictitious() -> None:
    points = [point for partner in partners() for point in partner.contact_points]
    points += [point for service in services() for point in service.contact_points]
    numbers = [point.value for point in points if point.kind is ContactKind.PHONE]

    assert [number for number in numbers if not FICTION.fullmatch(number)] == []
    assert len(set(numbers)) == len(numbers) > 0
    assert [host for host in re.findall(r"[\w.+-]+@([\w.-]+)", text()) if host != "example.org"] == []
    hosts = set(re.findall(r"https?://([^/\"\s]+)", text())) - {"data.europa.eu"}
    assert [host for host in hosts if host != "example.org" and not host.endswith(".example.org")] == []
    # no number in a text that somebody could dial
    assert re.findall(r"(?:\+49|\b0)[0-9]{2,4}[ /-][0-9]{4,}", text()) == []
    for partner in partners():
        assert partner.superior_contact is not None, partner.key
        assert partner.superior_contact.endswith("@example.org")


def test_law_and_secrecy() -> None:
    assert {partner.data_protection_law for partner in partners()} == set(DataProtectionLaw)
    for partner in partners():
        if partner.kind in {PartnerKind.AUTHORITY, PartnerKind.CHAMBER, PartnerKind.MUNICIPALITY}:
            assert partner.public_body, partner.key
        if partner.kind in {
            PartnerKind.FREE_PROVIDER,
            PartnerKind.BUSINESS,
            PartnerKind.MIGRANT_ORGANISATION,
        }:
            assert not partner.public_body, partner.key
    assert sum(partner.professional_secrecy for partner in partners()) >= 5
    assert sum(partner.school for partner in partners()) >= 2


def test_places_in_cottbus() -> None:
    in_cottbus = [location for location in locations() if location.ars == COTTBUS]

    assert len(in_cottbus) >= 30
    for location in in_cottbus:
        assert location.city == "Cottbus/Chóśebuz", location.key
        assert location.postcode is not None, location.key
        assert "03042" <= location.postcode <= "03055", location.key
        assert location.latitude is not None and 51.72 <= location.latitude <= 51.79, location.key
        assert location.longitude is not None and 14.28 <= location.longitude <= 14.37, location.key
        assert {"de", "en"} == set(location.accessibility), location.key


@pytest.mark.parametrize("location", locations(), ids=lambda location: location.key)
def test_opening_hours_mean_what_their_text_says(location: LocationEntry) -> None:
    assert isinstance(location.hours, OpeningHours)
    assert location.hours == parse_hours(location.hours.osm)
    checking.opening_hours(location.hours, "hours")


@pytest.mark.parametrize("one", services(), ids=lambda one: one.key)
def test_values_pass_the_checks_of_the_directory(one: ServiceEntry) -> None:
    """What users may not write does not stand in the demo either."""
    checking.eligibility(one.eligibility, "eligibility")
    checking.languages_offered(one.languages, "languages")
    checking.contact_points(one.contact_points, "contactPoints")
    checking.capacity(one.capacity, "capacity", WRITTEN_ON)
    if one.course is not None:
        checking.course(one.course, "course")
    if one.recognition is not None:
        checking.recognition(one.recognition, "recognition")
    if one.interpreting is not None:
        checking.interpreting(one.interpreting, "interpreting")


def test_assurance_and_capacity_are_of_this_autumn() -> None:
    assured = {partner.key: partner.assured_at for partner in partners()}
    assured |= {service.key: service.assured_at for service in services()}
    for key, at in assured.items():
        assert at is not None, key
        assert (2026, 10) <= (at.year, at.month) <= (2026, 11), key
    for one in services():
        if one.capacity.state is not CapacityState.UNKNOWN:
            assert one.capacity.as_of is not None and one.capacity.as_of <= WRITTEN_ON, one.key
            assert one.capacity.expires_on is not None and one.capacity.expires_on > WRITTEN_ON, one.key
    assert {one.capacity.state for one in services()} == set(CapacityState)


def test_courses() -> None:
    """More than fifteen, and some for whoever starts the demo later."""
    courses = [one.course for one in services() if one.course is not None]
    runs = [run for course in courses for run in course.runs]
    starts = sorted(run.starts_on for run in runs if run.starts_on is not None)
    ends = [run.ends_on for run in runs if run.ends_on is not None]

    assert len(courses) >= 15
    assert len(starts) == len(ends) == len(runs) > len(courses)
    assert starts[0] >= date(2026, 8, 1)
    assert max(ends) <= date(2028, 6, 30)
    assert sum(start >= date(2027, 8, 1) for start in starts) >= 3
    levels = {course.level_to for course in courses}
    assert {CefrLevel.A1, CefrLevel.A2, CefrLevel.B1, CefrLevel.B2, CefrLevel.C1} <= levels


@pytest.mark.parametrize(
    ("key", "women_only"), [("vhs-b1-kinder-vormittag", False), ("frauen-b1-kinder", True)]
)
def test_b1_courses_that_fit_a_woman_with_104c_until_june(key: str, women_only: bool) -> None:
    one = service(key)

    assert one.course is not None
    assert (one.course.level_from, one.course.level_to) == (CefrLevel.A2, CefrLevel.B1)
    run = next_run(one.course, WRITTEN_ON)
    assert run is not None
    assert run.starts_on is not None and run.starts_on >= date(2027, 1, 1)
    assert run.ends_on is not None and run.ends_on <= date(2027, 5, 31)
    assert one.course.childcare is True
    assert one.course.women_only is women_only
    assert one.capacity.state is CapacityState.OPEN
    assert one.capacity.places is not None and 1 <= one.capacity.places <= 5
    assert answer(key, ResidenceStatus.SECTION_104C) is Answer.FITS


def test_b1_courses_that_fail_do_so_for_one_reason_each() -> None:
    too_late, none_for_children, begun, for_others, full = (
        service("vhs-b1-kinder-teilzeit"),
        service("sprachkurs-b1-intensiv"),
        service("sprachkurs-b1-herbst"),
        service("elternintegrationskurs-b1"),
        service("vhs-b1-abend"),
    )

    for one in (too_late, none_for_children, begun, for_others, full):
        assert one.course is not None
        assert one.course.level_to is CefrLevel.B1
        (run,) = one.course.runs
        assert run.starts_on is not None
        assert run.ends_on is not None
        assert (run.ends_on > date(2027, 6, 30)) == (one is too_late), one.key
        assert (one.course.childcare is False) == (one is none_for_children), one.key
        assert (run.starts_on < WRITTEN_ON) == (one is begun), one.key
        does_not_fit = answer(one.key, ResidenceStatus.SECTION_104C) is Answer.DOES_NOT_FIT
        assert does_not_fit == (one is for_others), one.key
        assert (one.capacity.state is CapacityState.NONE) == (one is full), one.key


def test_languages() -> None:
    tags = {"ar", "fa", "prs", "ti", "am", "so", "uk", "ru", "fr", "en", "kmr", "vi", "pl", "tr", "dsb"}
    assert tags <= {offered.language for one in services() for offered in one.languages}


def test_a_tigrinya_mediator() -> None:
    facts = service("sprachmittlung-tigrinya").interpreting

    assert facts is not None
    assert "ti" in {language.language for language in facts.languages}
    assert set(facts.modes) == {InterpretingMode.ON_SITE, InterpretingMode.PHONE}
    assert facts.lead_time_hours == 48


def test_recognition_of_a_nurse() -> None:
    """The advice is for all occupations, the state authority for hers, the chambers for others."""
    advice, authority = service("anerkennung-beratung").recognition, service("anerkennung-pflege").recognition

    assert advice is not None and advice.occupations == ()
    assert authority is not None and authority.regulated and NURSE in authority.occupations
    assert authority.competent_body["de"].startswith("Landesamt")
    for key in ("ihk-anerkennung", "hwk-anerkennung"):
        chamber = service(key).recognition
        assert chamber is not None and chamber.occupations and NURSE not in chamber.occupations
        assert chamber.regulated is False


def test_responsible_by_residence() -> None:
    """The offices of the city and their counterparts in the neighbouring district."""
    for key in ("abh-verlaengerung", "jobcenter-vermittlung", "sozialamt-asylblg"):
        assert (service(key).responsibility, service(key).area) == (Responsibility.BY_RESIDENCE, (COTTBUS,))
    for key in ("spn-auslaenderbehoerde", "spn-jobcenter", "spn-sozialamt"):
        assert (service(key).responsibility, service(key).area) == (
            Responsibility.BY_RESIDENCE,
            (SPREE_NEISSE,),
        )
    areas = {one.area for one in services() if one.responsibility is Responsibility.FREE}
    assert {(), ("12",)} <= areas


def test_clients_stand_in_the_phases_of_the_project() -> None:
    assert Counter(client["phase"] for client in clients()) == PHASES


@pytest.mark.parametrize("client", clients(), ids=lambda client: client["key"])
def test_a_client_is_invented_and_complete(client: dict[str, Any]) -> None:
    topics = {topic.code for topic in network().topics}

    assert set(client) == {
        "key",
        "name",
        "phase",
        "residence_status",
        "status_valid_until",
        "legal_circle",
        "languages",
        "needs",
        "competences",
    }
    assert re.fullmatch(r"Demo-Person [0-9]{3}", client["name"])
    assert client["residence_status"] is None or ResidenceStatus(client["residence_status"])
    assert client["legal_circle"] is None or LegalCircle(client["legal_circle"])
    assert client["status_valid_until"] is None or date.fromisoformat(client["status_valid_until"])
    assert client["languages"]
    assert set(client["needs"]) <= topics
    assert len(set(client["needs"])) == len(client["needs"])
    assert all(isinstance(competence, str) and competence for competence in client["competences"])
    if client["phase"] != "NO_NEEDS":
        assert client["needs"]


def test_clients_cover_statuses_and_mostly_have_no_needs_where_counted_so() -> None:
    assert {client["residence_status"] for client in clients()} == {*ResidenceStatus, None}
    none = [client for client in clients() if client["phase"] == "NO_NEEDS"]
    assert sum(not client["needs"] for client in none) > len(none) / 2
    assert all(int(a["name"][-3:]) + 1 == int(b["name"][-3:]) for a, b in pairwise(clients()))
