"""An entry in the formats of people's tools, read back by other libraries."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import openpyxl
import pypdfium2
import pytest
import zxingcpp
from icalendar import Calendar, Component
from pypdf import PdfReader

from directory import catalogue
from directory.actors import SYSTEM
from directory.database import Database
from directory.documents import PartnerDocument, ServiceDocument
from directory.languages import PROJECT, right_to_left
from directory.models import Partner
from directory.sheets import row_of
from directory.values import (
    ContactPoint,
    CourseFacts,
    CourseRun,
    EligibilityRule,
    LanguageOffered,
    LocationValue,
    MunicipalitySummary,
    OpeningHours,
    OpeningPeriod,
    PartnerSummary,
    RequiredDocument,
    TopicTerm,
)
from directory.vocabulary import (
    Answer,
    CefrLevel,
    ContactKind,
    CourseFormat,
    PartnerKind,
    PublicationState,
    ResidenceStatus,
)
from graphapi.app import application
from graphapi.context import Services
from graphapi.formats import calendar, handout, json_ld, vcard
from graphapi.web.running import document
from referrals.printing import Printout, Rows, Title, page_count, render
from tests.graphapi.asking import Api
from tests.graphapi.conftest import MANY, Maker, World

CHANGED = datetime(2026, 10, 1, 8, 30, tzinfo=UTC)
TODAY = date(2026, 11, 23)
"""A Monday."""
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TOWN = MunicipalitySummary(id=UUID(int=1), name={"de": "Cottbus/Chóśebuz"}, ars="120520000000")
PLACE = LocationValue(
    id=UUID(int=4),
    name="Haus; der, Bildung",
    street="Berliner Straße 1",
    postcode="03046",
    city="Cottbus",
    latitude=51.76,
    longitude=14.33,
    hours=OpeningHours(
        osm="Mo 09:00-12:00; Fr 22:00-02:00; Su 08:00-24:00",
        periods=(
            OpeningPeriod(weekday=1, opens="09:00", closes="12:00"),
            OpeningPeriod(weekday=5, opens="22:00", closes="02:00"),
            OpeningPeriod(weekday=7, opens="08:00", closes="24:00"),
        ),
    ),
)
PHONE = ContactPoint(kind=ContactKind.PHONE, value="+49355123456", extension="007", label={"de": "Büro"})
MAIL = ContactPoint(kind=ContactKind.EMAIL, value="kurse@example.org")
PARTNER = PartnerDocument(
    id=UUID(int=2),
    version=3,
    municipality=TOWN,
    kind=PartnerKind.FREE_PROVIDER,
    name="Träger <script>alert(1)</script> e. V.",
    description={"de": "Hilft.", "ar": "يساعد."},
    website="https://example.org/",
    contact_points=(PHONE, MAIL),
    locations=(PLACE,),
    languages=(LanguageOffered(language="ti"),),
    state=PublicationState.PUBLISHED,
    updated_at=CHANGED,
)
SERVICE = ServiceDocument(
    id=UUID(int=3),
    version=5,
    partner=PartnerSummary(
        id=PARTNER.id, name=PARTNER.name, kind=PartnerKind.FREE_PROVIDER, website="https://example.org/"
    ),
    municipality=TOWN,
    title={"de": "Deutsch B1 für Frauen", "ar": "الألمانية ب1 للنساء", "ti": "ጀርመንኛ B1"},
    description={"de": "Lernen <b>mit</b> Kinderbetreuung.", "ar": "تعلّم مع رعاية الأطفال."},
    topics=(TopicTerm(code="language-course", labels={"de": "Sprachkurs"}),),
    languages=(LanguageOffered(language="de"), LanguageOffered(language="ar", interpreted=True)),
    eligibility=(
        EligibilityRule(
            statuses=(ResidenceStatus.SECTION_104C,), answer=Answer.FITS, reason={"de": "Mit § 104c."}
        ),
        EligibilityRule(
            statuses=(ResidenceStatus.SECTION_60B,),
            answer=Answer.ASK,
            reason={"de": "Galt früher."},
            valid_to=date(2026, 1, 1),
        ),
    ),
    locations=(PLACE,),
    contact_points=(PHONE,),
    course=CourseFacts(
        level_from=CefrLevel.A2,
        level_to=CefrLevel.B1,
        format=CourseFormat.ON_SITE,
        childcare=True,
        women_only=True,
        cost_cents=12_050,
        runs=(
            CourseRun(starts_on=date(2025, 9, 1), ends_on=date(2026, 2, 1)),
            CourseRun(starts_on=date(2027, 1, 11), ends_on=date(2027, 6, 30), apply_by=date(2026, 12, 18)),
        ),
    ),
    application_process={"de": "Kommen Sie zur Beratung."},
    required_documents=(RequiredDocument(name={"de": "Berechtigungsschein", "ar": "شهادة الاستحقاق"}),),
    state=PublicationState.PUBLISHED,
    assured_at=CHANGED,
    updated_at=CHANGED,
)
HERE = f"https://netz.example/services/{SERVICE.id}"
THERE = f"https://netz.example/partners/{PARTNER.id}"


def test_a_service_in_the_words_of_schema_org() -> None:
    entry = json.loads(json_ld.encode(json_ld.of_service(SERVICE, HERE, THERE)))

    assert entry["@type"] == ["Service", "Course"]
    assert entry["@id"] == HERE
    assert {"@language": "ti", "@value": "ጀርመንኛ B1"} in entry["name"]
    assert entry["provider"] == {
        "@type": "NGO",
        "@id": THERE,
        "name": PARTNER.name,
        "url": "https://example.org/",
        "contactPoint": entry["availableChannel"]["servicePhone"],
    }
    place = entry["availableChannel"]["serviceLocation"][0]
    assert place["address"]["streetAddress"] == "Berliner Straße 1"
    assert place["geo"] == {"@type": "GeoCoordinates", "latitude": 51.76, "longitude": 14.33}
    assert place["openingHoursSpecification"][0] == {
        "@type": "OpeningHoursSpecification",
        "dayOfWeek": "https://schema.org/Monday",
        "opens": "09:00",
        "closes": "12:00",
    }
    assert [run["startDate"] for run in entry["hasCourseInstance"]] == ["2025-09-01", "2027-01-11"]
    assert (entry["offers"]["price"], entry["educationalLevel"]) == ("120.50", "CEFR A2-B1")
    assert entry["mainEntityOfPage"]["lastReviewed"] == "2026-10-01"


@pytest.mark.parametrize("kind", list(PartnerKind))
def test_every_kind_of_partner_has_a_type_of_schema_org(kind: PartnerKind) -> None:
    assert json_ld.PARTNER_TYPES[kind] in {"GovernmentOrganization", "NGO", "Organization"}


def test_json_ld_can_stand_in_a_page_without_ending_its_script() -> None:
    written = json_ld.encode(json_ld.of_partner(PARTNER, THERE))

    assert not set(b"<>&") & set(written)
    assert json.loads(written)["name"] == PARTNER.name


def test_a_card_for_the_address_book() -> None:
    text = vcard.of_partner(PARTNER, THERE).decode()
    lines = text.replace("\r\n ", "").split("\r\n")

    assert lines[:2] == ["BEGIN:VCARD", "VERSION:4.0"]  # RFC 6350: the version comes first
    assert "TEL;VALUE=uri;TYPE=work:tel:+49355123456;ext=007" in lines
    assert "EMAIL;TYPE=work:kurse@example.org" in lines
    assert any(
        line.startswith("ADR;") and line.endswith(":;;Berliner Straße 1;Cottbus;;03046;Deutschland")
        for line in lines
    )
    assert f"UID:urn:uuid:{PARTNER.id}" in lines
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))


def test_a_line_in_a_name_makes_no_property() -> None:
    partner = msgspec.structs.replace(SERVICE.partner, name="Träger\r\nTEL:+1\nNOTE:x")
    evil = msgspec.structs.replace(SERVICE, partner=partner)

    read = Component.from_ical(vcard.of_service(evil, HERE, "de"))

    assert "NOTE" not in read
    assert str(read["TEL"]) == "tel:+49355123456;ext=007"


def events(written: bytes) -> dict[str, Any]:
    return {str(event["UID"]): event for event in Calendar.from_ical(written).walk("VEVENT")}


def test_opening_hours_repeat_each_week_without_the_holidays_of_the_land() -> None:
    found = events(calendar.of_partner(PARTNER, "de", NOW))
    monday = found[f"hours-{PLACE.id}-0@spurwechsel"]

    assert monday["DTSTART"].dt.isoformat() == "2026-11-23T09:00:00+01:00"
    assert monday["DTEND"].dt.isoformat() == "2026-11-23T12:00:00+01:00"
    assert monday["RRULE"]["FREQ"] == ["WEEKLY"]
    left_out = {moment.dt.date() for moment in monday["EXDATE"].dts}
    assert date(2027, 3, 29) in left_out, "Easter Monday"
    assert all(day.isoweekday() == 1 for day in left_out)
    assert monday["TRANSP"] == "TRANSPARENT"


def test_hours_past_midnight_and_until_the_end_of_a_day_end_on_the_next_day() -> None:
    found = events(calendar.of_partner(PARTNER, "de", NOW))

    friday, sunday = found[f"hours-{PLACE.id}-1@spurwechsel"], found[f"hours-{PLACE.id}-2@spurwechsel"]
    assert friday["DTEND"].dt.isoformat() == "2026-11-28T02:00:00+01:00"
    assert sunday["DTEND"].dt.isoformat() == "2026-11-30T00:00:00+01:00"


def test_a_calendar_brings_its_time_zone_and_the_runs_of_a_course() -> None:
    written = calendar.of_service(SERVICE, "de", NOW)
    found = events(written)

    assert b"BEGIN:VTIMEZONE" in written
    assert found[f"begins-{SERVICE.id}-1@spurwechsel"]["DTSTART"].dt == date(2027, 1, 11)
    assert found[f"deadline-{SERVICE.id}-1@spurwechsel"]["DTSTART"].dt == date(2026, 12, 18)
    assert str(found[f"begins-{SERVICE.id}-1@spurwechsel"]["SUMMARY"]) == "Deutsch B1 für Frauen: Beginn"


def test_a_calendar_without_dates_is_still_one() -> None:
    empty = msgspec.structs.replace(SERVICE, locations=(), course=None)
    read = Calendar.from_ical(calendar.of_service(empty, "de", NOW))

    assert [part.name for part in read.subcomponents] == ["VTIMEZONE"]


def test_a_service_says_in_words_of_schema_org_only_what_its_type_has() -> None:
    entry = json.loads(json_ld.encode(json_ld.of_service(SERVICE, HERE, THERE)))

    assert "contactPoint" not in entry, "organisations and persons have one, services have not"
    assert entry["provider"]["contactPoint"] == entry["availableChannel"]["servicePhone"]
    assert "@id" not in entry["mainEntityOfPage"], "the page is not the service"
    assert entry["mainEntityOfPage"]["url"] == HERE


async def test_an_old_id_gives_the_entry_under_the_one_that_holds(
    api: Api, make: Maker, world: World
) -> None:
    kept, gone = await make.service(world.partner, "Bleibt"), await make.service(world.partner, "Geht")
    await api.change(
        "mergeServices",
        {
            "survivorId": world.id("Service", kept),
            "expectedVersion": 2,
            "mergedId": world.id("Service", gone),
            "mergedExpectedVersion": 2,
            "reason": "doppelt",
        },
        "... on ServiceSaved { service { id } }",
        token=world.coordinator,
    )

    assert (await api.http.get(f"/services/{gone}.jsonld")).json()["@id"].endswith(str(kept))
    assert str(gone) not in (await api.http.get(f"/services/{gone}.vcf")).text


def test_the_same_calendar_is_the_same_bytes() -> None:
    assert calendar.of_service(SERVICE, "de", NOW) == calendar.of_service(SERVICE, "de", NOW)


def text_of(pdf: bytes) -> str:
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_a_handout_says_what_a_person_needs() -> None:
    made = handout.of_service(SERVICE, "de", HERE, TODAY)
    text = " ".join(text_of(made).split())

    for said in (
        "Deutsch B1 für Frauen",
        "Lernen <b>mit</b> Kinderbetreuung.",
        "Passt: Mit § 104c.",
        "Berliner Straße 1, 03046 Cottbus",
        "09:00–12:00",
        "Kommen Sie zur Beratung.",
        "Berechtigungsschein",
        "+49355123456",
        "Durchwahl 007",
        "Arabisch (mit Dolmetschen)",
        "Beginn 11. Januar 2027",
        "Anmeldung bis 18. Dezember 2026",
        "Stand 23. November 2026",
        HERE,
    ):
        assert said in text.replace("\u2068", "").replace("\u2069", ""), said
    assert "Galt früher" not in text, "a rule that is not in force any more"
    assert "2025" not in text, "a run that has begun"
    assert len(PdfReader(io.BytesIO(made)).pages) == 1


@pytest.mark.parametrize("language", PROJECT)
def test_a_handout_is_made_in_every_language_of_the_project(language: str) -> None:
    made = PdfReader(io.BytesIO(handout.of_service(SERVICE, language, HERE, TODAY)))

    assert handout.language_of(language) == language
    assert str(made.root_object["/Lang"]).split("-")[0] == language
    assert len(made.pages) == 1


LONG = "Wir beraten Menschen mit Duldung, Gestattung und neuem Titel. " * 60
CROWDED = msgspec.structs.replace(
    SERVICE,
    description={"de": LONG},
    application_process={"de": LONG},
    eligibility=tuple(
        EligibilityRule(answer=Answer.FITS, reason={"de": f"Regel {at}: {LONG}"[:900]}) for at in range(20)
    ),
    locations=tuple(
        msgspec.structs.replace(PLACE, id=UUID(int=100 + at), name=f"Haus {at}") for at in range(25)
    ),
    contact_points=tuple(
        msgspec.structs.replace(MAIL, value=f"eine-lange-adresse-{at}@example.org", label={"de": LONG[:200]})
        for at in range(20)
    ),
    required_documents=tuple(RequiredDocument(name={"de": f"Papier {at}: {LONG}"[:300]}) for at in range(20)),
)


@pytest.mark.parametrize("language", ["de", "ar", "ti"])
def test_a_handout_is_one_page_however_much_an_entry_says(language: str) -> None:
    made = handout.of_service(CROWDED, language, HERE, TODAY)
    text = text_of(made).replace("\u2068", "").replace("\u2069", "")

    assert len(PdfReader(io.BytesIO(made)).pages) == page_count(made) == 1
    for said in ("Haus 0", "eine-lange-adresse-0@example.org", "Papier 0", HERE):
        assert said in text, said
    assert "+18" in text or right_to_left(language), "how many rules are not shown"


def test_a_long_label_pushes_no_number_off_the_page() -> None:
    text = Rows(rows=(("Unsere Nummer am Empfang, von acht bis sechs. " * 4, "+493556120, Durchwahl 100"),))
    page = PdfReader(io.BytesIO(render(Printout(language="de", blocks=(Title(text="Seite"), text))))).pages[0]
    begins: dict[str, float] = {}

    def place(text: str, _: Any, matrix: Any, *rest: Any) -> None:
        if text.strip():
            begins.setdefault(text.strip()[:6], matrix[4])

    page.extract_text(visitor_text=place)
    assert begins["+49355"] < float(page.mediabox.width) / 2


def test_each_place_with_hours_of_its_own_says_them() -> None:
    other = msgspec.structs.replace(
        PLACE,
        id=UUID(int=9),
        name="Haus am See",
        hours=OpeningHours(
            osm="Th 15:00-18:00", periods=(OpeningPeriod(weekday=4, opens="15:00", closes="18:00"),)
        ),
    )
    two = text_of(
        handout.of_service(msgspec.structs.replace(SERVICE, locations=(PLACE, other)), "de", HERE, TODAY)
    )
    assert "15:00–18:00" in two.replace("\u2068", "").replace("\u2069", "")
    assert two.count("Haus am See") == 2


@pytest.mark.parametrize("language", PROJECT)
def test_a_partner_has_a_handout_too(language: str) -> None:
    made = handout.of_partner(PARTNER, (SERVICE, CROWDED), language, HERE, TODAY)
    text = text_of(made)

    assert page_count(made) == 1
    assert handout.words()[language]["services"] in text or right_to_left(language)
    for said in ("+49355123456", "kurse@example.org", HERE):
        assert said in text.replace("\u2068", "").replace("\u2069", ""), said


async def test_the_handout_of_a_partner_tells_what_is_published_only(
    api: Api, make: Maker, world: World
) -> None:
    await make.service(world.partner, "Sichtbares Angebot")
    await make.service(world.partner, "Entwurf davon", published=False)

    answer = await api.http.get(f"/partners/{world.partner}.pdf")
    text = text_of(answer.content)

    assert answer.headers["content-type"] == "application/pdf"
    assert "Sichtbares Angebot" in text
    assert "Entwurf" not in text


def test_every_language_has_every_word_of_a_handout() -> None:
    words = handout.words()

    assert set(words) >= set(PROJECT)
    for language, said in words.items():
        assert said.keys() == words["de"].keys(), language
        for key, text in said.items():
            assert text.count("{") == words["de"][key].count("{"), (language, key)


@pytest.mark.parametrize("field", ["title", "description", "application_process"])
def test_a_translation_that_is_older_than_its_source_says_so_on_paper(field: str) -> None:
    said = {"de": "Neu geschrieben", "fr": "Ancien texte"}
    fresh = msgspec.structs.replace(SERVICE, **{field: said})
    stale = msgspec.structs.replace(fresh, stale={field: ("fr",)})
    warning = handout.words()["fr"]["stale"][:40]

    def told(service: ServiceDocument, language: str) -> bool:
        return warning in " ".join(text_of(handout.of_service(service, language, None, TODAY)).split())

    assert told(stale, "fr")
    assert not told(fresh, "fr")
    assert not told(stale, "de")


def scanned(made: bytes) -> str:
    """What a phone reads from a handout, coarser than any printer prints it; there is one code on it."""
    page = pypdfium2.PdfDocument(made)[0].render(scale=150 / 72, grayscale=True).to_numpy()
    (found,) = zxingcpp.read_barcodes(page, try_rotate=False, try_downscale=False, try_invert=False)
    assert found.format is zxingcpp.BarcodeFormat.QRCode
    return str(found.text)


LONG_BASE = f"https://verzeichnis.{'stadtverwaltung-' * 3}cottbus.brandenburg.example:8443/ein/langer/pfad"


@pytest.mark.parametrize(("language", "base"), [("de", "https://netz.example"), ("ar", LONG_BASE)])
def test_the_code_of_a_handout_is_the_address_and_nothing_else(language: str, base: str) -> None:
    here, there = f"{base}/services/{SERVICE.id}", f"{base}/partners/{PARTNER.id}"
    full = msgspec.structs.replace(CROWDED, title=SERVICE.title)

    assert scanned(handout.of_service(SERVICE, language, here, TODAY)) == here
    assert scanned(handout.of_service(full, language, here, TODAY)) == here
    assert scanned(handout.of_partner(PARTNER, (SERVICE,), language, there, TODAY)) == there


async def test_the_code_of_a_handout_leads_to_the_page_of_the_entry(
    database: Database, make: Maker, world: World
) -> None:
    service = await make.service(world.partner, "Sprachkurs am Abend")
    app = application(Services(database=database, limits=MANY, public_url="http://test"))
    person = f"?language=ar&client={world.staff_member}"  # whatever stood in the address that asked for it
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:  # type: ignore[arg-type]
        for asked, said in (
            (f"/services/{service}", "Sprachkurs am Abend"),
            (f"/partners/{world.partner}", "Beschreibung von"),
        ):
            printed = await http.get(
                f"{asked}.pdf{person}", headers={"authorization": f"Bearer {world.staff}"}
            )
            address = scanned(printed.content)
            assert address == f"http://test{asked}"
            page = await http.get(address, follow_redirects=True, headers={"accept": "text/html"})
            assert (page.status_code, page.headers["content-type"][:9]) == (200, "text/html")
            assert said in page.text


def test_a_day_is_that_of_the_network_whatever_the_moments_zone() -> None:
    """Half an hour after midnight in Germany is still the day before in UTC."""
    late = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    service = msgspec.structs.replace(SERVICE, assured_at=late, updated_at=late)

    paper = text_of(handout.of_service(service, "de", HERE, TODAY)).replace("\u2068", "")
    assert "Zuletzt geprüft am 1. November 2026" in " ".join(paper.split())
    assert '"lastReviewed":"2026-11-01"' in json_ld.encode(json_ld.of_service(service, HERE, THERE)).decode()
    assert row_of(PARTNER, service)["updated"] == "01.11.2026"


def test_a_text_in_another_language_is_said_to_be_one() -> None:
    text = text_of(handout.of_service(SERVICE, "uk", None, TODAY))

    assert "Цей текст є лише іншою мовою." in " ".join(text.split())
    assert not right_to_left("uk")


def test_without_an_address_of_the_installation_the_code_leads_to_the_website() -> None:
    assert "https://example.org/" in text_of(handout.of_service(SERVICE, "de", None, TODAY))


FORMATS = [
    ("partners", "jsonld", "application/ld+json"),
    ("partners", "vcf", "text/vcard"),
    ("partners", "ics", "text/calendar"),
    ("services", "jsonld", "application/ld+json"),
    ("services", "vcf", "text/vcard"),
    ("services", "ics", "text/calendar"),
    ("services", "pdf", "application/pdf"),
]


@pytest.mark.parametrize(("room", "suffix", "kind"), FORMATS)
async def test_what_is_published_is_read_in_every_format(
    api: Api, make: Maker, world: World, room: str, suffix: str, kind: str
) -> None:
    id_ = world.partner if room == "partners" else await make.service(world.partner)
    address = f"/{room}/{id_}.{suffix}"

    given = await api.http.get(address, headers={"accept-language": "ar"})
    again = await api.http.get(
        address, headers={"accept-language": "ar", "if-none-match": given.headers["etag"]}
    )

    assert given.status_code == 200, given.text
    assert given.headers["content-type"].split(";")[0] == kind
    assert given.headers["access-control-allow-origin"] == "*"
    assert given.content
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(("room", "suffix", "kind"), FORMATS)
async def test_a_draft_and_nothing_look_the_same(
    api: Api, make: Maker, world: World, room: str, suffix: str, kind: str
) -> None:
    draft = (
        await make.service(world.partner, published=False)
        if room == "services"
        else await make.partner(world.municipality, "Noch nicht", published=False)
    )

    answers = [await api.http.get(f"/{room}/{id_}.{suffix}") for id_ in (draft, UUID(int=99))]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(("room", "suffix", "kind"), FORMATS)
async def test_what_has_ended_is_gone_in_every_format(
    api: Api, make: Maker, world: World, room: str, suffix: str, kind: str
) -> None:
    offered = await make.service(world.partner, "Bald zu Ende")
    type_, ends = ("Partner", world.partner) if room == "partners" else ("Service", offered)
    said = {
        "idempotencyKey": str(uuid4()),
        "id": world.id(type_, ends),
        "expectedVersion": 2,
        "reason": "aufgelöst",
    }
    ended = await api(document(f"delete-{type_.lower()}"), {"input": said}, token=world.lead)
    assert ended.data[f"delete{type_}"]["__typename"] == "EntryDeleted"

    answer = await api.http.get(f"/{room}/{ends}.{suffix}")

    assert (answer.status_code, answer.json()["detail"]) == (410, "This entry has ended.")


async def test_a_draft_that_was_deleted_never_was(api: Api, make: Maker, world: World) -> None:
    draft = await make.service(world.partner, "Entwurf", published=False)
    said = {"idempotencyKey": str(uuid4()), "id": world.id("Service", draft), "expectedVersion": 1}
    said["reason"] = "verworfen"
    ended = await api(document("delete-service"), {"input": said}, token=world.lead)
    assert ended.data["deleteService"]["__typename"] == "EntryDeleted"

    answers = [await api.http.get(f"/services/{id_}.jsonld") for id_ in (draft, uuid4())]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("file", ["x.pdf", ".pdf", f"{UUID(int=9)}.exe", "..%2f.pdf", "x" * 80])
async def test_what_is_no_entry_is_not_found(api: Api, file: str) -> None:
    assert (await api.http.get(f"/services/{file}")).status_code in {400, 404}


async def test_a_service_without_a_contact_is_reached_where_its_partner_is(
    api: Api, database: Database, make: Maker, world: World
) -> None:
    service = await make.service(world.partner)
    async with database.work(SYSTEM) as work:
        partner = await work.session.get_one(Partner, world.partner)
        change = catalogue.PartnerChange(contact_points=(PHONE,))
        await catalogue.change_partner(work, world.partner, change, expected_version=partner.version)

    card = (await api.http.get(f"/services/{service}.vcf")).text
    page = (await api.http.get(f"/services/{service}.pdf")).content

    assert "tel:+49355123456;ext=007" in card.replace("\r\n ", "")
    assert "+49355123456" in text_of(page)


async def test_a_changed_entry_has_another_tag(api: Api, make: Maker, world: World) -> None:
    service = await make.service(world.partner)
    before = await api.http.get(f"/services/{service}.pdf")

    global_id = world.id("Service", service)
    read = await api("query($id: ID!) { service(id: $id) { version } }", {"id": global_id})
    await api.change(
        "changeService",
        {
            "id": global_id,
            "expectedVersion": read.data["service"]["version"],
            "title": [{"language": "de", "text": "Anders"}],
        },
        "... on ServiceSaved { service { id } }",
        token=world.staff,
    )
    after = await api.http.get(f"/services/{service}.pdf", headers={"if-none-match": before.headers["etag"]})

    assert (after.status_code, before.headers["etag"] == after.headers["etag"]) == (200, False)


async def sheet(api: Api, of: str = "services", **filters: str | list[str]) -> list[dict[str, str]]:
    """Read the list as CSV and as XLSX; both say the same."""
    text = await api.http.get(f"/{of}.csv", params=filters)
    book = await api.http.get(f"/{of}.xlsx", params=filters)
    assert (text.status_code, book.status_code) == (200, 200), text.text
    assert text.content.startswith(b"\xef\xbb\xbf"), "offices open it with its umlauts"
    rows = list(csv.reader(io.StringIO(text.content.decode("utf-8-sig")), delimiter=";"))
    workbook = openpyxl.load_workbook(io.BytesIO(book.content), read_only=True)
    same = [["" if cell is None else cell for cell in row] for row in workbook.worksheets[0].values]
    assert [[cell.lstrip("'") for cell in row] for row in rows] == [
        [str(cell).lstrip("'") for cell in row] for row in same
    ]
    workbook.close()
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


async def test_a_filtered_list_is_a_spreadsheet_of_what_is_published(
    api: Api, make: Maker, world: World
) -> None:
    await make.service(world.partner, "Deutsch für Eltern")
    await make.service(world.other_partner, "Anderswo")
    await make.service(world.partner, "Noch nicht", published=False)

    rows = await sheet(api, partner=str(world.partner), kind="QUALIFICATION")

    assert len(rows) == 1
    assert "Deutsch für Eltern" in rows[0].values()
    assert await sheet(api, partner=str(world.partner), kind="MONITORING") == []
    assert await sheet(api, municipality="999999999999") == []


async def test_partners_are_a_list_of_their_own(api: Api, make: Maker, world: World) -> None:
    name = (await api.http.get(f"/partners/{world.partner}.jsonld")).json()["name"]
    named = await sheet(api, "partners", name=name)
    (row,) = [one for one in named if one["Partner-Nr."] == str(world.partner)]
    assert (row["Partner"], row["Angebots-Nr."]) == (name, "")
    assert row["Art des Partners"] == "Freier Träger"
    every = await sheet(api, "partners", kind=["FREE_PROVIDER", "CHAMBER"])
    assert {one["Art des Partners"] for one in every} <= {"Freier Träger", "Kammer"}
    assert str(world.partner) in {one["Partner-Nr."] for one in every}
    assert await sheet(api, "partners", kind="BUSINESS", name=name) == []
    assert await sheet(api, "partners", municipality="999999999999") == []


async def test_facts_of_a_course_filter_a_list(api: Api, make: Maker, world: World) -> None:
    facts = CourseFacts(childcare=True, level_to=CefrLevel.B1)
    await make.service(world.partner, "Ein Kurs", course=facts)
    await make.service(world.partner, "Keiner")
    here = {"partner": str(world.partner)}
    found = await sheet(api, **here, childcare="true", level_to="B1")
    assert [row["Angebot (de)"] for row in found] == ["Ein Kurs"]
    assert await sheet(api, **here, childcare="false") == []


@pytest.mark.parametrize("title", ["=1+1", "+49", "-x", "@SUM(A1)", "\t=1"])
async def test_no_cell_of_a_list_is_a_formula(api: Api, make: Maker, world: World, title: str) -> None:
    await make.service(world.partner, f"{title} Kurs")

    text = (await api.http.get("/services.csv", params={"partner": str(world.partner)})).text

    cells = [cell for row in csv.reader(io.StringIO(text), delimiter=";") for cell in row]
    assert any("Kurs" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.parametrize(
    ("wrong", "parameter", "code", "says"),
    [
        ({"kind": "NONSENSE"}, "kind", "one-of", "einer von diesen sein: COMPETENCE_POOLING, "),
        ({"municipality": "12"}, "municipality", "regional-key", "zwölf Ziffern"),
        ({"partner": "x"}, "partner", "uuid", "UUID"),
        ({"childcare": "maybe"}, "childcare", "one-of", "true, false"),
        ({"tema": "job"}, "tema", "unknown-parameter", "topic"),
        ({"text": "x" * 301}, "text", "too-long", "zu lang"),
        ({"starts_after": "morgen"}, "starts_after", "day", "2026-11-22"),
        ({"cost_at_most": "1,5"}, "cost_at_most", "not-a-number", "Zahl"),
        ({"language": ["de", "?"]}, "language", "language-tag", "BCP 47"),
        ({"latitude": "51.7"}, "latitude", "needs", "longitude, radius_km"),
        ({"radius_km": "5"}, "radius_km", "needs", "latitude, longitude"),
        ({"partner": [str(UUID(int=1)), str(UUID(int=2))]}, "partner", "doubled", "zu oft"),
        ({"topic": [f"t{n}" for n in range(51)]}, "topic", "doubled", "zu oft"),
        ({"latitude": "91", "longitude": "14", "radius_km": "5"}, "latitude", "out-of-range", "90"),
    ],
)
async def test_a_wrong_filter_is_refused(
    api: Api, wrong: dict[str, Any], parameter: str, code: str, says: str
) -> None:
    """By its name, and never overheard: who misspells one would get a list that is not what it seems."""
    answer = await api.http.get("/services.csv", params=wrong, headers={"accept-language": "de"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    said = answer.json()
    assert (said["parameter"], said["code"]) == (parameter, code)
    assert says in said["detail"]
    english = await api.http.get("/services.csv", params=wrong, headers={"accept-language": "en"})
    assert english.json()["detail"] != said["detail"]
    assert (await api.http.get("/partners.xlsx", params={"names": "x"})).status_code == 400
