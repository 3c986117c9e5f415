"""Entries in the words of HSDS 3.2.3: its traps, and validity for whatever an entry says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory.documents import PartnerDocument, ServiceDocument
from directory.hours import parse_hours
from directory.hsds import ids, listing, parts, schemas, shapes, terms, territories, writing
from directory.hsds.conditions import ages, eligibility_description, eligible_attributes
from directory.hsds.parts import Reading
from directory.hsds.profile import EXTENDED
from directory.values import (
    Capacity,
    ContactPoint,
    CourseFacts,
    CourseRun,
    EligibilityRule,
    InterpretedLanguage,
    InterpretingFacts,
    LanguageOffered,
    LocationValue,
    MunicipalitySummary,
    OpeningHours,
    OpeningPeriod,
    PartnerSummary,
    Provenance,
    ReferralFacts,
    RequiredDocument,
    SourceTerm,
    TopicTerm,
)
from directory.vocabulary import (
    Answer,
    CapacityState,
    CefrLevel,
    ContactKind,
    CourseAccess,
    CourseFormat,
    Gender,
    InterpretingMode,
    LegalCircle,
    PartnerKind,
    PublicationState,
    ResidenceStatus,
    Responsibility,
    ServiceKind,
    WorkPermission,
)
from tests.hsds_validation import (
    check,
    needs_published,
    patched_validator,
    profile_validator,
    published,
    validator,
)

WINTER, SUMMER = date(2026, 11, 22), date(2027, 7, 1)
NOW = datetime(2026, 11, 22, 17, 30, 0, 123456, tzinfo=UTC)
GERMAN = Reading(today=WINTER)
COTTBUS = MunicipalitySummary(
    id=UUID(int=1), name={"de": "Cottbus", "en": "Cottbus/Chóśebuz"}, ars="120520000000"
)
PLACE = LocationValue(
    id=UUID(int=7), name="Haus", street="Am Markt 1", postcode="03046", city="Cottbus", ars="120520000000"
)


def service(**given: Any) -> ServiceDocument:
    values: dict[str, Any] = {
        "id": UUID(int=5),
        "version": 1,
        "partner": PartnerSummary(id=UUID(int=3), name="Träger", kind=PartnerKind.FREE_PROVIDER),
        "municipality": COTTBUS,
        "title": {"de": "Beratung", "en": "Counselling"},
        "state": PublicationState.PUBLISHED,
        "updated_at": NOW,
    }
    return ServiceDocument(**{**values, **given})


def partner(**given: Any) -> PartnerDocument:
    values: dict[str, Any] = {
        "id": UUID(int=3),
        "version": 1,
        "municipality": COTTBUS,
        "kind": PartnerKind.FREE_PROVIDER,
        "name": "Träger",
        "state": PublicationState.PUBLISHED,
        "updated_at": NOW,
    }
    return PartnerDocument(**{**values, **given})


def full(document: ServiceDocument, reading: Reading = GERMAN) -> Any:
    """Return a service as it is sent."""
    return msgspec.json.decode(shapes.encoder.encode(writing.full_service(document, partner(), reading)))


def at(place: LocationValue, reading: Reading = GERMAN, **given: Any) -> Any:
    """Return a place of a service as it is sent."""
    (linked,) = full(service(locations=(place,), **given), reading)["service_at_locations"]
    return linked["location"]


class TestTraps:
    def test_the_offset_of_hours_is_that_of_the_day(self) -> None:
        place = msgspec.structs.replace(PLACE, hours=parse_hours("Mo-Fr 08:00-16:00"))
        winter, summer = (at(place, Reading(today=day))["schedules"][0] for day in (WINTER, SUMMER))
        assert (winter["timezone"], winter["opens_at"], winter["closes_at"]) == (
            1,
            "08:00+01:00",
            "16:00+01:00",
        )
        assert (summer["timezone"], summer["opens_at"], summer["closes_at"]) == (
            2,
            "08:00+02:00",
            "16:00+02:00",
        )
        assert winter["byday"] == "MO,TU,WE,TH,FR"
        assert (winter["freq"], winter["interval"], winter["wkst"]) == ("WEEKLY", 1, "MO")
        (zone,) = winter["attributes"]
        assert zone["value"] == "Europe/Berlin"
        assert winter["id"] == summer["id"]

    def test_the_profile_has_wall_times_with_their_zone(self) -> None:
        place = msgspec.structs.replace(PLACE, hours=parse_hours("Mo 08:00-24:00; PH off"))
        for day in (WINTER, SUMMER):
            (schedule,) = at(place, Reading(today=day, profile=True))["schedules"]
            assert schedule["zone"] == "Europe/Berlin"
            assert (schedule["opens_at_wall"], schedule["closes_at_wall"]) == ("08:00", "24:00")
            assert schedule["closed_on_holidays"] is True

    def test_days_with_other_hours_are_schedules_of_their_own(self) -> None:
        hours = parse_hours("Tu 9:00-12:00,13:00-18:00; Th 9:00-12:00")
        found = at(msgspec.structs.replace(PLACE, hours=hours))["schedules"]
        assert [(one["byday"], one["opens_at"]) for one in found] == [
            ("TU,TH", "09:00+01:00"),
            ("TU", "13:00+01:00"),
        ]

    @pytest.mark.parametrize(
        ("zone", "hours", "text"),
        [
            ("Asia/Kolkata", 5.5, "09:00+05:30"),
            ("America/New_York", -5, "09:00-05:00"),
            ("nobody/knows", None, "09:00"),
            ("../../etc/passwd", None, "09:00"),
            ("", None, "09:00"),
        ],
    )
    def test_zones(self, zone: str, hours: float | None, text: str) -> None:
        given = OpeningHours(
            periods=(OpeningPeriod(weekday=1, opens="09:00", closes="10:00"),), timezone=zone
        )
        (schedule,) = at(msgspec.structs.replace(PLACE, hours=given))["schedules"]
        assert schedule.get("timezone") == hours
        assert schedule["opens_at"] == text

    @pytest.mark.parametrize(
        ("extension", "number", "kept"),
        [
            ("12", 12, False),
            ("0", 0, False),
            ("007", None, True),
            ("1" * 16, None, True),
            (None, None, False),
        ],
    )
    def test_an_extension_that_is_no_number_is_kept_as_text(
        self, extension: str | None, number: int | None, kept: bool
    ) -> None:
        point = ContactPoint(kind=ContactKind.PHONE, value="+4935561234", extension=extension)
        (phone,) = full(service(contact_points=(point,)))["phones"]
        assert phone.get("extension") == number
        assert [one["value"] for one in phone.get("attributes", ())] == ([extension] if kept else [])
        (phone,) = full(service(contact_points=(point,)), Reading(today=WINTER, profile=True))["phones"]
        assert phone.get("extension_text") == extension

    def test_the_land_is_that_of_the_place(self) -> None:
        (address,) = at(PLACE)["addresses"]
        assert (address["state_province"], address["country"]) == ("Brandenburg", "DE")
        (address,) = at(msgspec.structs.replace(PLACE, ars="146120000000"))["addresses"]
        assert address["state_province"] == "Sachsen"

    @pytest.mark.parametrize(
        ("changed", "given", "description"),
        [
            ({"street": None}, {}, "03046 Cottbus"),
            ({"postcode": None}, {}, "Am Markt 1, Cottbus"),
            ({"ars": None, "latitude": 25.8, "longitude": -80.2}, {}, "Am Markt 1, 03046 Cottbus"),
            (
                {"ars": None},
                {"provenance": Provenance(source="elsewhere", foreign_id="1")},
                "Am Markt 1, 03046 Cottbus",
            ),
        ],
    )
    def test_an_address_that_cannot_be_told_truthfully_is_a_description(
        self, changed: dict[str, Any], given: dict[str, Any], description: str
    ) -> None:
        found = at(msgspec.structs.replace(PLACE, **changed), **given)
        assert "addresses" not in found
        assert found["description"] == description

    def test_the_licence_of_the_data_is_not_a_licence_to_operate(self) -> None:
        found = full(service(provenance=Provenance(source="Miami", foreign_id="0017", licence="CC-BY-4.0")))
        assert "licenses" not in found
        origin = {one["field_name"]: one for one in found["metadata"]}
        assert (origin["id"]["previous_value"], origin["id"]["replacement_value"]) == ("0017", found["id"])
        assert origin["licence"]["replacement_value"] == "CC-BY-4.0"
        assert {one["updated_by"] for one in found["metadata"]} == {"Miami"}
        assert {one["last_action_date"] for one in found["metadata"]} == {"2026-11-22"}

    def test_own_entries_stand_under_the_licence_of_their_municipality(self) -> None:
        own = msgspec.structs.replace(COTTBUS, licence="CC0-1.0")
        (licence,) = full(service(municipality=own))["metadata"]
        assert (licence["field_name"], licence["replacement_value"]) == ("licence", "CC0-1.0")
        assert licence["updated_by"] == "Cottbus"
        foreign = Provenance(source="elsewhere", foreign_id="1")
        (origin,) = full(service(municipality=own, provenance=foreign))["metadata"]
        assert origin["field_name"] == "id"

    def test_languages_through_an_interpreter_are_not_spoken(self) -> None:
        found = full(
            service(
                languages=(
                    LanguageOffered(language="ti"),
                    LanguageOffered(language="ar", variety="Levantinisch", interpreted=True),
                )
            )
        )
        assert [(one["code"], one["name"]) for one in found["languages"]] == [("ti", "Tigrinya")]
        assert found["interpretation_services"] == "Über Dolmetscher: Arabisch (Levantinisch)"

    def test_what_changes_is_told_to_the_millisecond_and_assured_by_the_day_here(self) -> None:
        late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
        found = full(service(assured_at=late))
        assert found["last_modified"] == "2026-11-22T17:30:00.123Z"
        assert found["assured_date"] == "2026-11-22"

    def test_areas_have_their_names_and_addresses(self) -> None:
        found = full(service(area=("12", "12052", "120520000000", "12071", "14")))["service_areas"]
        assert [one["name"] for one in found] == ["Brandenburg", "Cottbus", "Cottbus", "ARS 12071", "Sachsen"]
        assert [one["extent"] for one in found] == ["12", "12052", "120520000000", "12071", "14"]
        assert {one["extent_type"] for one in found} == {"text"}
        assert found[3]["uri"].endswith("/districtKey/12071")

    def test_an_inactive_partner_has_inactive_services(self) -> None:
        found = writing.full_service(service(), partner(active=False), GERMAN)
        assert found.status == "inactive"

    def test_mails_and_web_addresses_go_where_they_belong(self) -> None:
        found = full(
            service(
                contact_points=(
                    ContactPoint(kind=ContactKind.EMAIL, value="info@example.org"),
                    ContactPoint(kind=ContactKind.EMAIL, value="kurse@example.org", label={"de": "Kursbüro"}),
                    ContactPoint(kind=ContactKind.WEB, value="https://example.org/straße"),
                    ContactPoint(kind=ContactKind.WEB, value="https://example.org/zwei"),
                )
            )
        )
        assert found["email"] == "info@example.org"
        assert [(one["email"], one["department"]) for one in found["contacts"]] == [
            ("kurse@example.org", "Kursbüro")
        ]
        assert found["url"] == "https://example.org/stra%C3%9Fe"
        assert [one["url"] for one in found["additional_urls"]] == ["https://example.org/zwei"]

    def test_papers_and_steps_to_apply(self) -> None:
        paper = RequiredDocument(name={"de": "Ausweis"}, url="https://example.org/formular")
        facts = ReferralFacts(requirements=({"de": "Meldebescheinigung"},), required=True)
        found = full(
            service(
                application_process={"de": "Bitte anrufen."},
                required_documents=(paper,),
                referral_facts=facts,
            )
        )
        assert found["application_process"].splitlines() == [
            "Bitte anrufen.",
            "Nur mit Überweisung durch eine andere Stelle.",
        ]
        assert [(one["document"], one.get("uri")) for one in found["required_documents"]] == [
            ("Ausweis", "https://example.org/formular"),
            ("Meldebescheinigung", None),
        ]

    def test_a_stale_translation_says_so_in_the_profile(self) -> None:
        german = Reading(today=WINTER, profile=True)
        found = full(service(stale={"title": ("en",)}), german)
        assert found["stale_translations"] == {"name": ["en"]}
        assert found["translations"]["name"] == {"de": "Beratung", "en": "Counselling"}

    def test_texts_come_in_the_language_wanted(self) -> None:
        english = Reading(today=WINTER, languages=("en-GB",))
        assert full(service(), english)["name"] == "Counselling"
        assert full(service(), Reading(today=WINTER, languages=("ti",)))["name"] == "Beratung"

    def test_an_organisation_without_a_description_says_what_it_is(self) -> None:
        assert writing.listed_organization(partner(), GERMAN).description == "Freier Träger"


class TestCapacity:
    def room(self, day: date = WINTER, **given: Any) -> Any:
        return full(service(capacity=Capacity(**given)), Reading(today=day))

    def test_what_was_counted(self) -> None:
        (found,) = self.room(state=CapacityState.FEW, places=3, as_of=WINTER)["capacities"]
        assert (found["available"], found["unit"]["name"]) == (3, "Platz")
        assert found["updated"] == "2026-11-21T23:00:00.000Z"

    def test_what_was_not_counted_is_no_number(self) -> None:
        assert "capacities" not in self.room(state=CapacityState.OPEN)

    def test_no_places(self) -> None:
        found = self.room(state=CapacityState.NONE, waiting_weeks=4, as_of=WINTER)
        assert found["capacities"][0]["available"] == 0
        assert found["alert"] == "Zurzeit keine freien Plätze (Stand 2026-11-22). Wartezeit etwa 4 Wochen."

    def test_an_old_figure_stops_counting(self) -> None:
        given: dict[str, Any] = {"state": CapacityState.NONE, "places": 0, "expires_on": WINTER}
        assert "alert" in self.room(WINTER, **given)
        over = self.room(WINTER + timedelta(days=1), **given)
        assert "alert" not in over
        assert "capacities" not in over


class TestCourses:
    def test_runs_that_are_over_are_left_out(self) -> None:
        course = CourseFacts(
            runs=(
                CourseRun(starts_on=date(2026, 1, 10), ends_on=date(2026, 6, 30)),
                CourseRun(starts_on=date(2027, 1, 10), ends_on=date(2027, 6, 30), places=5),
            ),
            cost_cents=12050,
            access=(CourseAccess.VOUCHER,),
        )
        found = full(service(course=course))
        assert [(one["dtstart"], one["until"]) for one in found["schedules"]] == [
            ("2027-01-10", "2027-06-30")
        ]
        assert "5" in found["schedules"][0]["description"]
        assert [(one["amount"], one["currency"]) for one in found["cost_options"]] == [(120.5, "EUR")]
        assert found["fees_description"] == "120,50 EUR"
        assert found["application_process"] == "Gutschein"

    def test_free_of_charge_and_not_known_are_told_apart(self) -> None:
        assert full(service(course=CourseFacts(cost_cents=0)))["fees_description"] == "kostenlos"
        unknown = full(service(course=CourseFacts()))
        assert "fees_description" not in unknown
        assert "cost_options" not in unknown


def rule(answer: Answer, *statuses: ResidenceStatus, **given: Any) -> EligibilityRule:
    return EligibilityRule(answer=answer, statuses=statuses, **given)


FITS, NOT, ASK = Answer.FITS, Answer.DOES_NOT_FIT, Answer.ASK
DULDUNG = ResidenceStatus.SECTION_60A
GESTATTUNG = ResidenceStatus.SECTION_55_ASYLG


class TestEligibility:
    @pytest.mark.parametrize(
        ("rules", "named"),
        [
            ([], []),
            ([rule(FITS, DULDUNG)], [DULDUNG]),
            ([rule(NOT, DULDUNG)], []),
            ([rule(ASK, DULDUNG)], []),
            ([rule(NOT, DULDUNG), rule(FITS, DULDUNG, GESTATTUNG)], [GESTATTUNG]),
            ([rule(NOT, DULDUNG, valid_to=WINTER), rule(FITS, DULDUNG)], [DULDUNG]),
            ([rule(NOT, DULDUNG, age_to=17), rule(FITS, DULDUNG)], [DULDUNG]),
            ([rule(NOT), rule(FITS, DULDUNG)], []),
            ([rule(NOT, age_to=17), rule(FITS, DULDUNG)], [DULDUNG]),
            (
                [rule(NOT, DULDUNG, legal_circles=(LegalCircle.SGB_II,)), rule(FITS, DULDUNG)],
                [DULDUNG],
            ),
        ],
    )
    def test_only_what_may_fit_is_named(
        self, rules: list[EligibilityRule], named: list[ResidenceStatus]
    ) -> None:
        assert list(listing.words_that_may_fit(rules)) == named

    def test_an_attribute_says_on_what_conditions(self) -> None:
        document = service(
            eligibility=(
                rule(FITS, DULDUNG, age_from=16, age_to=27, legal_circles=(LegalCircle.ASYLBLG,)),
                rule(FITS, DULDUNG, valid_from=date(2027, 1, 1)),
            )
        )
        values = {
            str(one.taxonomy_term.code): one.value
            for one in eligible_attributes(document, GERMAN)
            if one.taxonomy_term is not None
        }
        assert values["SECTION_60A"] == "passt; AsylbLG (Sozialamt); Alter 16–27 / passt (ab 2027-01-01)"
        assert values["ASYLBLG"] == "passt; Duldung (§ 60a AufenthG); Alter 16–27"

    @pytest.mark.parametrize(
        ("rules", "expected"),
        [
            ([rule(NOT, age_to=15)], (16, None)),
            ([rule(NOT, age_from=28)], (None, 27)),
            ([rule(NOT, age_to=15), rule(NOT, age_from=28), rule(FITS)], (16, 27)),
            ([rule(FITS, age_from=16)], (None, None)),
            ([rule(FITS, DULDUNG), rule(NOT, age_to=15)], (None, None)),
            ([rule(NOT, DULDUNG, age_to=15)], (None, None)),
            ([rule(NOT, age_to=15, valid_to=date(2026, 1, 1))], (None, None)),
        ],
    )
    def test_an_age_is_a_bound_only_where_everybody_beyond_is_excluded(
        self, rules: list[EligibilityRule], expected: tuple[int | None, int | None]
    ) -> None:
        assert ages(rules, WINTER) == expected

    def test_the_text_says_all_that_holds_today_or_later(self) -> None:
        said = eligibility_description(
            [
                rule(FITS, DULDUNG, level_from=CefrLevel.A2, residence=("12071", "120520000000")),
                rule(NOT, GESTATTUNG, valid_to=date(2026, 1, 1)),
                rule(ASK, work_permission=(WorkPermission.WITH_PERMISSION,), legal_basis="§ 16a AufenthG"),
                rule(NOT, genders=(Gender.MAN,), reason={"de": "Nur für Frauen."}),
            ],
            Responsibility.BY_RESIDENCE,
            COTTBUS,
            GERMAN,
        )
        assert said == (
            "Passt: Duldung (§ 60a AufenthG); Deutsch ab A2; Wohnort: ARS 12071, Cottbus.\n"
            "Beim Partner fragen: Arbeitserlaubnis: mit Erlaubnis. (§ 16a AufenthG)\n"
            "Passt nicht: Männer. Nur für Frauen.\n"
            "Sonst: beim Partner fragen.\n"
            "Zuständig ist, wer für den Wohnort zuständig ist."
        )

    def test_nothing_known_is_nothing_said(self) -> None:
        assert eligibility_description([], Responsibility.FREE, COTTBUS, GERMAN) is None


class TestIds:
    def test_they_never_change(self) -> None:
        """Others keep them: a change here breaks every reader's copies."""
        assert str(ids.derived_id("phone", "a")) == "d80f438a-8374-5673-aa2a-15b584ff05fd"
        assert terms.term_id(terms.TOPIC, "language-course") == "23a7dc57-0b70-5ea5-8dde-c7979c50a64a"
        assert listing.at_location_id(UUID(int=5), UUID(int=7)) == "719663e2-c249-56b3-b3db-64d0370f7ad0"

    @given(st.lists(st.tuples(st.text("ab", max_size=3), st.text("ab", max_size=3)), unique=True))
    @settings(max_examples=30)
    def test_parts_do_not_run_together(self, names: list[tuple[str, str]]) -> None:
        assert len({ids.derived_id("x", *name) for name in names}) == len(names)

    def test_a_foreign_id_that_is_a_uuid_stays(self) -> None:
        assert ids.foreign_uuid("s", "service", str(UUID(int=9))) == UUID(int=9)
        assert ids.foreign_uuid("s", "service", "9").version == 5
        assert ids.foreign_uuid("s", "service", "9") != ids.foreign_uuid("t", "service", "9")


# --- Whatever an entry says -------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20) | st.sampled_from(
    ["Beratung", "Sprachkurs für Frauen", "استشارة", "ምክር"]
)
TAGS = st.sampled_from(["de", "en", "ar", "fa", "ti", "kmr", "prs", "dsb", "zh-Hant", "xx"])
TEXTS = st.dictionaries(TAGS, TEXT, max_size=3)
TITLES = st.dictionaries(TAGS, TEXT, min_size=1, max_size=3)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1))
ARS = st.sampled_from(["12", "12052", "120520000000", "146120000000", "999999999999", "03", "1206"])
WEB = st.sampled_from(
    [
        "https://example.org/",
        "http://bücher.example/ä?ö=ü#ß",
        "https://[2001:db8::1]:8443/x",
        "https://a.b/%2F|",
    ]
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


POINTS = (
    st.builds(
        ContactPoint,
        kind=st.just(ContactKind.PHONE),
        value=st.sampled_from(["+493556120", "116117", "+1305"]),
        extension=maybe(st.text("0123456789", min_size=1, max_size=12)),
        label=TEXTS,
        languages=st.lists(TAGS, max_size=2, unique=True).map(tuple),
    )
    | st.builds(
        ContactPoint,
        kind=st.just(ContactKind.EMAIL),
        value=st.sampled_from(["a@example.org", "Ä@bücher.example"]),
        label=TEXTS,
    )
    | st.builds(ContactPoint, kind=st.just(ContactKind.WEB), value=WEB, label=TEXTS)
)
HOURS = st.builds(
    OpeningHours,
    periods=st.lists(
        st.builds(
            OpeningPeriod,
            weekday=st.integers(1, 7),
            opens=st.sampled_from(["00:00", "08:30"]),
            closes=st.sampled_from(["12:00", "24:00"]),
        ),
        max_size=4,
    ).map(tuple),
    by_appointment=st.booleans(),
    closed_on_holidays=st.booleans(),
    timezone=st.sampled_from(["Europe/Berlin", "Asia/Kolkata", "Mars/Olympus"]),
)
PLACES = st.builds(
    LocationValue,
    id=st.uuids(),
    name=TEXT,
    street=maybe(TEXT),
    postcode=maybe(st.sampled_from(["03046", "33157"])),
    city=maybe(TEXT),
    ars=maybe(ARS),
    latitude=maybe(st.floats(-90, 90)),
    longitude=maybe(st.floats(-180, 180)),
    accessibility=TEXTS,
    hours=maybe(HOURS),
)
RULES = st.builds(
    EligibilityRule,
    answer=st.sampled_from(Answer),
    statuses=st.lists(st.sampled_from(ResidenceStatus), max_size=2, unique=True).map(tuple),
    work_permission=st.lists(st.sampled_from(WorkPermission), max_size=1).map(tuple),
    age_from=maybe(st.integers(0, 20)),
    age_to=maybe(st.integers(20, 120)),
    level_from=maybe(st.sampled_from(CefrLevel)),
    residence=st.lists(ARS, max_size=2).map(tuple),
    legal_circles=st.lists(st.sampled_from(LegalCircle), max_size=2, unique=True).map(tuple),
    genders=st.lists(st.sampled_from(Gender), max_size=1).map(tuple),
    reason=TEXTS,
    legal_basis=maybe(TEXT),
    valid_from=maybe(DAYS),
    valid_to=maybe(DAYS),
)
COURSES = st.builds(
    CourseFacts,
    level_from=maybe(st.sampled_from(CefrLevel)),
    level_to=maybe(st.sampled_from(CefrLevel)),
    runs=st.lists(
        st.builds(
            CourseRun,
            starts_on=maybe(DAYS),
            ends_on=maybe(DAYS),
            apply_by=maybe(DAYS),
            places=maybe(st.integers(0, 50)),
            full=st.booleans(),
            note=TEXTS,
        ),
        max_size=3,
    ).map(tuple),
    format=maybe(st.sampled_from(CourseFormat)),
    cost_cents=maybe(st.integers(0, 10**7)),
    access=st.lists(st.sampled_from(CourseAccess), max_size=2, unique=True).map(tuple),
)
PROVENANCES = st.builds(Provenance, source=TEXT, foreign_id=TEXT, licence=maybe(TEXT))
OFFERED = st.lists(
    st.builds(LanguageOffered, language=TAGS, variety=maybe(TEXT), interpreted=st.booleans()), max_size=3
).map(tuple)
TEXT_LISTS = st.lists(TITLES, max_size=2).map(tuple)
SERVICES = st.builds(
    ServiceDocument,
    id=st.uuids(),
    version=st.just(1),
    partner=st.just(PartnerSummary(id=UUID(int=3), name="Träger", kind=PartnerKind.FREE_PROVIDER)),
    municipality=st.just(COTTBUS),
    kind=maybe(st.sampled_from(ServiceKind)),
    title=TITLES,
    description=TEXTS,
    website=maybe(WEB),
    topics=st.lists(
        st.builds(TopicTerm, code=st.sampled_from(["job", "housing"]), labels=TITLES), max_size=2
    ).map(tuple),
    source_terms=st.lists(
        st.builds(SourceTerm, code=TEXT, name=TEXT, vocabulary=st.sampled_from(["AIRS", "Z"])), max_size=2
    ).map(tuple),
    languages=OFFERED,
    eligibility=st.lists(RULES, max_size=3).map(tuple),
    area=st.lists(ARS, max_size=3, unique=True).map(tuple),
    responsibility=st.sampled_from(Responsibility),
    locations=st.lists(PLACES, max_size=2, unique_by=lambda place: place.id).map(tuple),
    contact_points=st.lists(POINTS, max_size=3).map(tuple),
    capacity=st.builds(
        Capacity,
        state=st.sampled_from(CapacityState),
        places=maybe(st.integers(0, 50)),
        waiting_weeks=maybe(st.integers(0, 50)),
        as_of=maybe(DAYS),
        expires_on=maybe(DAYS),
    ),
    course=maybe(COURSES),
    interpreting=maybe(
        st.builds(
            InterpretingFacts,
            languages=st.lists(
                st.builds(InterpretedLanguage, language=TAGS, variety=maybe(TEXT)), max_size=2
            ).map(tuple),
            modes=st.lists(st.sampled_from(InterpretingMode), max_size=2, unique=True).map(tuple),
        )
    ),
    referral_facts=maybe(
        st.builds(
            ReferralFacts,
            required=maybe(st.booleans()),
            accepted=maybe(st.booleans()),
            methods=TEXT_LISTS,
            next_steps=TEXT_LISTS,
            requirements=TEXT_LISTS,
        )
    ),
    application_process=TEXTS,
    required_documents=st.lists(st.builds(RequiredDocument, name=TITLES, url=maybe(WEB)), max_size=2).map(
        tuple
    ),
    stale=st.dictionaries(st.sampled_from(["title", "description"]), st.just(("en",)), max_size=1),
    state=st.just(PublicationState.PUBLISHED),
    assured_at=maybe(MOMENTS),
    provenance=maybe(PROVENANCES),
    updated_at=MOMENTS,
)
PARTNERS = st.builds(
    PartnerDocument,
    id=st.just(UUID(int=3)),
    version=st.just(1),
    municipality=st.just(COTTBUS),
    kind=st.sampled_from(PartnerKind),
    name=TEXT,
    description=TEXTS,
    website=maybe(WEB),
    contact_points=st.lists(POINTS, max_size=2).map(tuple),
    locations=st.lists(PLACES, max_size=2, unique_by=lambda place: place.id).map(tuple),
    languages=OFFERED,
    state=st.just(PublicationState.PUBLISHED),
    active=st.booleans(),
    provenance=maybe(PROVENANCES),
    updated_at=MOMENTS,
)
READINGS = st.builds(
    Reading, today=DAYS, languages=st.lists(TAGS, max_size=2).map(tuple), profile=st.booleans()
)


def sent(given: shapes.Shape) -> Any:
    return msgspec.json.decode(shapes.encoder.encode(given))


def ids_in(given: Any) -> list[str]:
    """Return the ids of all objects but of shared ones (terms and units)."""
    if isinstance(given, list):
        return [id_ for one in given for id_ in ids_in(one)]
    if not isinstance(given, dict):
        return []
    inside = [id_ for name, value in given.items() if name != "taxonomy_term" for id_ in ids_in(value)]
    return [given["id"], *inside] if "id" in given else inside


class TestWhateverAnEntrySays:
    @given(SERVICES, PARTNERS, READINGS)
    @settings(max_examples=25, deadline=None)
    def test_it_is_valid(self, document: ServiceDocument, owner: PartnerDocument, reading: Reading) -> None:
        of = profile_validator if reading.profile else validator
        whole = sent(writing.full_service(document, owner, reading))
        check(of("service"), whole)
        check(of("service_list"), sent(writing.listed_service(document, owner, reading)))
        for place in range(len(document.locations)):
            check(of("service_at_location"), sent(writing.full_at_location(document, place, owner, reading)))
            listed = writing.listed_at_location(document, place, owner, reading)
            check(of("service_at_location_list"), sent(listed))
        nested = [writing.full_service(document, owner, reading, organization=False)]
        check(of("organization"), sent(writing.full_organization(owner, reading, nested)))
        check(of("organization_list"), sent(writing.listed_organization(owner, reading)))
        check(validator("service_list"), sent(writing.brief_service(document, owner, reading)))

    def test_a_language_that_is_named_twice_is_written_once(self) -> None:
        german = LanguageOffered(language="de")

        written = parts.spoken_languages((german, german), Reading(today=date(2026, 11, 22)), service_id="x")

        assert [one.code for one in written] == ["de"]

    @given(SERVICES, READINGS)
    @settings(max_examples=30, deadline=None)
    def test_it_can_be_found_by_exactly_the_terms_it_shows(
        self, document: ServiceDocument, reading: Reading
    ) -> None:
        shown = writing.full_service(document, None, reading).attributes
        terms_shown = {str(one.taxonomy_term_id) for one in shown}
        taxonomies = {str(one.taxonomy_term.taxonomy_id) for one in shown if one.taxonomy_term is not None}
        assert set(listing.service_listing(document)["terms"]) == terms_shown | taxonomies

    @given(SERVICES, READINGS)
    @settings(max_examples=25, deadline=None)
    def test_no_two_things_have_one_id_and_no_id_depends_on_the_reader(
        self, document: ServiceDocument, reading: Reading
    ) -> None:
        found = ids_in(sent(writing.full_service(document, None, reading)))
        units = str(ids.derived_id("unit", "place"))
        assert len([id_ for id_ in found if id_ != units]) == len({*found} - {units})
        again = ids_in(
            sent(writing.full_service(document, None, Reading(today=reading.today, languages=("fr",))))
        )
        assert set(found) == set(again)

    @given(SERVICES)
    @settings(max_examples=30, deadline=None)
    def test_listing_has_a_value_for_each_place(self, document: ServiceDocument) -> None:
        found = listing.service_listing(document)
        count = len(document.locations)
        for column in ("at_locations", "postcodes", "latitudes", "longitudes"):
            assert len(found[column]) == count
        assert [listing.unpacked_term(one) for one in found["foreign_terms"]] == list(document.source_terms)


class TestSchemas:
    @pytest.mark.parametrize(
        ("target", "patch", "result"),
        [
            ({"a": "b"}, {"a": "c"}, {"a": "c"}),
            ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
            ({"a": "b"}, {"a": None}, {}),
            ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
            ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
            ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
            ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
            ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
            (["a", "b"], ["c", "d"], ["c", "d"]),
            ({"a": "b"}, ["c"], ["c"]),
            ({"a": "foo"}, None, None),
            ({"a": "foo"}, "bar", "bar"),
            ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
            ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
            ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ],
    )
    def test_merge_patch_does_what_the_standard_shows(self, target: Any, patch: Any, result: Any) -> None:
        """RFC 7386, appendix A."""
        before = msgspec.json.encode(target)
        assert schemas.merge_patch(target, patch) == result
        assert msgspec.json.encode(target) == before

    @needs_published
    @pytest.mark.parametrize("name", shapes.OBJECTS)
    def test_ours_say_what_the_published_ones_say(self, name: str) -> None:
        """Member for member: type, format, choices, references, and what is required."""
        theirs, ours = published(f"schema/{name}.json"), schemas.hsds_schema(name)
        assert set(theirs["required"]) == set(ours["required"])
        assert set(theirs["properties"]) == set(ours["properties"])
        for member, schema in theirs["properties"].items():
            assert _essence(ours["properties"][member]) == _essence(schema), member

    @pytest.mark.parametrize("name", EXTENDED)
    def test_the_profile_adds_members_and_changes_none(self, name: str) -> None:
        patch = schemas.patch(name)
        assert patch.keys() <= {"properties", "$defs"}
        assert patch["properties"]
        assert not patch["properties"].keys() & schemas.hsds_schema(name)["properties"].keys()
        assert None not in patch["properties"].values()

    @pytest.mark.parametrize("name", schemas.schema_names())
    def test_every_schema_is_one(self, name: str) -> None:
        profile_validator(name).check_schema(
            schemas.described(schemas.profile_schema(name), "https://x.test/")
        )

    @needs_published
    @given(SERVICES, PARTNERS)
    @settings(max_examples=15, deadline=None)
    def test_the_patches_hold_for_the_published_schemas(
        self, document: ServiceDocument, owner: PartnerDocument
    ) -> None:
        reading = Reading(today=WINTER, profile=True)
        check(patched_validator("service"), sent(writing.full_service(document, owner, reading)))

    def test_without_the_profile_its_members_are_refused(self) -> None:
        document = service(eligibility=(rule(FITS, DULDUNG),))
        german = sent(writing.full_service(document, None, Reading(today=WINTER, profile=True)))
        names = {fault.message.split("'")[1] for fault in validator("service").iter_errors(german)}
        assert names, "the strict validator must see what is not HSDS"


def _essence(schema: Any) -> Any:
    found = {name: schema[name] for name in ("type", "format", "$ref") if name in schema}
    if "enum" in schema:
        found["enum"] = sorted(schema["enum"])
    if "items" in schema:
        found["items"] = schema["items"].get("$ref")
    return found


def test_lands() -> None:
    assert len(territories.LANDS) == 16
    assert parts.language_name("xx", "de") == "xx"
