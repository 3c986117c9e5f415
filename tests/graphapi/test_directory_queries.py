"""What can be read of the directory, through HTTP."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest

from directory import catalogue
from directory.actors import SYSTEM
from directory.database import Database
from directory.values import Capacity, CourseFacts, EligibilityRule, LanguageOffered
from directory.vocabulary import Answer, CapacityState, CefrLevel, ResidenceStatus
from graphapi.types.facts import state_on
from tests.graphapi.asking import Api

PAGE = """query Page($partner: ID!, $first: Int! = 50, $after: String) {
  services(filter: { partnerId: $partner }, first: $first, after: $after) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { id } }
    nodes {
      id title { text language } kind kindLabel
      partner { id name kind website }
      languages { language interpreted }
      eligibility { statuses answer answerLabel reason { text } }
      locations { name city latitude }
      capacity { state current }
    }
  }
}"""
SERVICE = "query($id: ID!) { service(id: $id) { id title { text } note state partner { name } } }"
PARTNER = "query($id: ID!) { partner(id: $id) { id name note state kindLabel description { text } } }"
NODE = "query($id: ID!) { node(id: $id) { __typename id } }"


async def titles(api: Api, world: Any, **variables: Any) -> Any:
    answer = await api(PAGE, {"partner": world.id("Partner", world.partner), **variables}, language="de")
    return answer.data["services"]


class TestLists:
    async def test_in_german_order_page_by_page(self, api: Api, world: Any, make: Any) -> None:
        for title in ("Zebra", "Ärztliche Beratung", "Arbeit", "Österreich", "Oper"):
            await make.service(world.partner, title)

        first = await titles(api, world, first=2)
        second = await titles(api, world, first=2, after=first["pageInfo"]["endCursor"])
        third = await titles(api, world, first=2, after=second["pageInfo"]["endCursor"])

        found = [node["title"]["text"] for page in (first, second, third) for node in page["nodes"]]
        assert found == ["Arbeit", "Ärztliche Beratung", "Oper", "Österreich", "Zebra"]
        assert [page["totalCount"] for page in (first, second, third)] == [5, 5, 5]
        assert [page["pageInfo"]["hasNextPage"] for page in (first, second, third)] == [True, True, False]
        assert [page["pageInfo"]["hasPreviousPage"] for page in (first, second, third)] == [False, True, True]
        assert first["edges"][0]["cursor"] == first["pageInfo"]["startCursor"]
        assert [edge["node"]["id"] for edge in first["edges"]] == [node["id"] for node in first["nodes"]]

    async def test_an_empty_list(self, api: Api, world: Any) -> None:
        page = await titles(api, world)

        assert (page["nodes"], page["totalCount"]) == ([], 0)
        assert page["pageInfo"] == {
            "hasNextPage": False,
            "hasPreviousPage": False,
            "startCursor": None,
            "endCursor": None,
        }

    @pytest.mark.parametrize("after", ["", "x", "Ω", "A" * 3_000, "MTIz"])
    async def test_a_cursor_that_is_none(self, api: Api, world: Any, after: str) -> None:
        answer = await api(PAGE, {"partner": world.id("Partner", world.partner), "after": after})

        assert answer.codes == ["INVALID_INPUT"]
        assert answer.body["errors"][0]["extensions"] == {
            "code": "INVALID_INPUT",
            "field": "after",
            "reason": "cursor",
        }

    async def test_filters(self, api: Api, world: Any, make: Any) -> None:
        topic = await make.topic(de="Sprachkurs", en="Language course")
        wanted = await make.service(world.partner, "A", topics=[topic])
        await make.service(world.partner, "B")
        query = """query($filter: ServiceFilterInput) { services(filter: $filter) {
          nodes { id topics { code label { text } } } } }"""
        answer = await api(query, {"filter": {"topics": [topic], "kinds": ["QUALIFICATION"]}})

        assert answer.data["services"]["nodes"] == [
            {
                "id": world.id("Service", wanted),
                "topics": [{"code": topic, "label": {"text": "Language course"}}],
            }
        ]

    async def test_partners_by_the_beginning_of_their_name(self, api: Api, world: Any) -> None:
        query = """query($filter: PartnerFilterInput) { partners(filter: $filter) { nodes { name } } }"""
        given = {"municipalityId": world.id("Municipality", world.municipality), "namePrefix": "träger"}
        answer = await api(query, {"filter": given})

        assert [node["name"] for node in answer.data["partners"]["nodes"]] == ["Träger A", "Träger B"]

    async def test_drafts_show_only_to_who_works_on_them(self, api: Api, world: Any, make: Any) -> None:
        await make.service(world.partner, "Entwurf", published=False)
        query = """query($id: ID!) { services(filter: {partnerId: $id, states: [DRAFT]}) {
          totalCount nodes { title { text } } } }"""
        variables = {"id": world.id("Partner", world.partner)}
        seen = {
            name: (await api(query, variables, token=token)).data["services"]["totalCount"]
            for name, token in {
                "nobody": None,
                "staff": world.staff,
                "coordinator": world.coordinator,
                "other staff": world.other_staff,
                "stranger": world.stranger,
                "reader": world.reader,
            }.items()
        }

        assert seen == {
            "nobody": 0,
            "staff": 1,
            "coordinator": 1,
            "other staff": 0,
            "stranger": 0,
            "reader": 0,
        }


class TestOne:
    async def test_a_service_with_all_that_belongs_to_it(
        self, api: Api, world: Any, make: Any, database: Database
    ) -> None:
        key = await make.service(
            world.partner,
            "Kurs",
            languages=[LanguageOffered(language="ti", interpreted=True)],
            eligibility=[
                EligibilityRule(
                    statuses=(ResidenceStatus.SECTION_104C,),
                    answer=Answer.FITS,
                    reason={"de": "Gilt weiter"},
                    valid_to=date(2027, 1, 31),
                )
            ],
            area=["12052"],
            capacity=Capacity(state=CapacityState.OPEN, places=3, expires_on=date(2999, 1, 1)),
            course=CourseFacts(level_from=CefrLevel.A2, level_to=CefrLevel.B1, childcare=True, cost_cents=0),
        )
        query = """query($id: ID!) { service(id: $id) {
          version titles { language text } languages { language variety interpreted }
          eligibility { statuses answer answerLabel reason { text language } validTo legalBasis }
          area responsibility assuredAt website
          capacity { state current currentLabel places on2999: current(on: "2999-01-02") }
          course { levelFrom levelTo childcare womenOnly costCents access }
          recognition { regulated } interpreting { modes } provenance { source }
          municipality { name { text } ars } updatedAt
        } }"""
        answer = await api(query, {"id": world.id("Service", key)}, language="en")
        found = answer.data["service"]

        assert datetime.fromisoformat(found.pop("updatedAt")).tzinfo == UTC
        assert found.pop("municipality")["name"] == {"text": "Test Town"}
        assert found == {
            "version": 2,
            "titles": [{"language": "de", "text": "Kurs"}, {"language": "en", "text": "Kurs (en)"}],
            "languages": [{"language": "ti", "variety": None, "interpreted": True}],
            "eligibility": [
                {
                    "statuses": ["SECTION_104C"],
                    "answer": "FITS",
                    "answerLabel": "fits",
                    "reason": {"text": "Gilt weiter", "language": "de"},
                    "validTo": "2027-01-31",
                    "legalBasis": None,
                }
            ],
            "area": ["12052"],
            "responsibility": "FREE",
            "assuredAt": None,
            "website": None,
            "capacity": {
                "state": "OPEN",
                "current": "OPEN",
                "currentLabel": "open",
                "places": 3,
                "on2999": "UNKNOWN",
            },
            "course": {
                "levelFrom": "A2",
                "levelTo": "B1",
                "childcare": True,
                "womenOnly": None,
                "costCents": 0,
                "access": [],
            },
            "recognition": None,
            "interpreting": None,
            "provenance": None,
        }

    async def test_a_note_is_for_the_partner_and_the_coordination(
        self, api: Api, world: Any, make: Any
    ) -> None:
        key = await make.service(world.partner, "Kurs", note="intern")
        seen = {
            name: (await api(SERVICE, {"id": world.id("Service", key)}, token=token)).data["service"]["note"]
            for name, token in {
                "nobody": None,
                "staff": world.staff,
                "lead": world.lead,
                "other staff": world.other_staff,
                "stranger": world.stranger,
                "reader": world.reader,
            }.items()
        }

        assert seen == {
            "nobody": None,
            "staff": "intern",
            "lead": "intern",
            "other staff": None,
            "stranger": None,
            "reader": None,
        }

    async def test_what_is_hidden_looks_like_what_is_not(self, api: Api, world: Any, make: Any) -> None:
        draft = await make.service(world.partner, "Entwurf", published=False)
        for key in (
            world.id("Service", draft),
            world.id("Service", uuid4()),
            "Unsinn",
            world.municipality.hex,
        ):
            assert (await api(SERVICE, {"id": key}, token=world.other_staff)).data == {"service": None}
            assert (await api(NODE, {"id": key}, token=world.other_staff)).data == {"node": None}
        assert (await api(SERVICE, {"id": world.id("Service", draft)}, token=world.staff)).data["service"]

    async def test_an_id_of_another_type_names_nothing(self, api: Api, world: Any) -> None:
        answer = await api(SERVICE, {"id": world.id("Partner", world.partner)})

        assert answer.data == {"service": None}

    @pytest.mark.parametrize("type_name", ["Partner", "Municipality"])
    async def test_node(self, api: Api, world: Any, type_name: str) -> None:
        id_ = world.id(type_name, world.partner if type_name == "Partner" else world.municipality)

        assert (await api(NODE, {"id": id_})).data == {"node": {"__typename": type_name, "id": id_}}

    async def test_a_member_by_node_is_for_colleagues(self, api: Api, world: Any) -> None:
        id_ = world.id("Member", world.staff_member)

        assert (await api(NODE, {"id": id_})).data == {"node": None}
        assert (await api(NODE, {"id": id_}, token=world.other_staff)).data == {"node": None}
        assert (await api(NODE, {"id": id_}, token=world.staff)).data["node"]["__typename"] == "Member"

    async def test_a_kind_is_called_as_the_municipality_calls_it(self, api: Api, world: Any) -> None:
        id_ = world.id("Partner", world.partner)
        german, english = [
            (await api(PARTNER, {"id": id_}, language=language)).data["partner"]["kindLabel"]
            for language in ("de", "en")
        ]

        assert (german, english) == ("Träger der Stadt", "Provider of the town")


class TestTexts:
    @pytest.mark.parametrize(
        ("argument", "header", "expected"),
        [
            ("ti", "de", ("ti", "ቋንቋ")),
            ("ar-SY", "de", ("ar", "دورة لغة")),
            ("fr", "en", ("de", "Sprachkurs")),
            (None, "ar", ("ar", "دورة لغة")),
            (None, "fr, en;q=0.5, ti;q=0.4", ("en", "Language course")),
            (None, None, ("de", "Sprachkurs")),
        ],
    )
    async def test_the_chain(
        self,
        api: Api,
        world: Any,
        make: Any,
        argument: str | None,
        header: str | None,
        expected: tuple[str, str],
    ) -> None:
        key = await make.service(
            world.partner,
            title={"de": "Sprachkurs", "en": "Language course", "ar": "دورة لغة", "ti": "ቋንቋ"},
        )
        query = "query($id: ID!, $l: String) { service(id: $id) { title(language: $l) { text language } } }"
        variables = {"id": world.id("Service", key)} | ({"l": argument} if argument else {})
        answer = await api(query, variables, language=header)

        assert answer.data["service"]["title"] == {"language": expected[0], "text": expected[1]}

    async def test_without_any_german_or_english_some_language_is_given(
        self, api: Api, world: Any, database: Database, make: Any
    ) -> None:
        async with database.work(SYSTEM) as work:
            partner = await catalogue.change_partner(
                work,
                world.partner,
                catalogue.PartnerChange(description={"ti": "ሓበሬታ"}),
                expected_version=2,
            )
        assert partner.version == 3
        answer = await api(PARTNER, {"id": world.id("Partner", world.partner)})

        assert answer.data["partner"]["description"] == {"text": "ሓበሬታ"}


class TestVocabularies:
    async def test_topics_municipalities_occupations(self, api: Api, world: Any, make: Any) -> None:
        code = await make.topic(de="Kinderbetreuung", en="Childcare")
        answer = await api(
            "{ topics { topic { code label { text } } parent synonyms }"
            " municipalities { id ars name { text } } occupations { esco label { text } regulated } }"
        )

        topic = next(one for one in answer.data["topics"] if one["topic"]["code"] == code)
        assert topic == {
            "topic": {"code": code, "label": {"text": "Childcare"}},
            "parent": None,
            "synonyms": ["Wort"],
        }
        assert world.id("Municipality", world.municipality) in {
            one["id"] for one in answer.data["municipalities"]
        }


@pytest.mark.parametrize(
    ("expires_on", "day", "expected"),
    [
        (None, date(2999, 1, 1), CapacityState.OPEN),
        (date(2026, 5, 1), date(2026, 5, 1), CapacityState.OPEN),
        (date(2026, 5, 1), date(2026, 5, 2), CapacityState.UNKNOWN),
    ],
)
def test_capacity_lapses_after_its_last_day(
    expires_on: date | None, day: date, expected: CapacityState
) -> None:
    assert state_on(Capacity(state=CapacityState.OPEN, expires_on=expires_on), day) is expected
