"""What can be changed in the directory, through HTTP: results, problems, idempotency, versions, rights."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from directory.actors import Role
from directory.database import Database
from directory.days import ZONE
from tests.graphapi.asking import Api

SAVED = '... on PartnerSaved { partner { id name version state note description(language: "ti") { text } } }'
SERVICE = """... on ServiceSaved { service {
  id version state note titles { language text } topics { code } locations { id name }
  languages { language } eligibility { statuses answer } area capacity { state places expiresOn }
  course { levelTo childcare } recognition { regulated } interpreting { modes languages { language } }
  contactPoints { kind value } partner { name }
} }"""


async def version_of(api: Api, type_name: str, id_: str, token: str) -> int:
    query = f"query($id: ID!) {{ node(id: $id) {{ ... on {type_name} {{ version }} }} }}"
    version: int = (await api(query, {"id": id_}, token=token)).data["node"]["version"]
    return version


class TestPartners:
    async def test_the_coordination_adds_changes_publishes_hides(self, api: Api, world: Any) -> None:
        made = await api.change(
            "createPartner",
            {
                "municipalityId": world.id("Municipality", world.municipality),
                "kind": "MIGRANT_ORGANISATION",
                "name": "ማሕበር ኤርትራ",
                "description": [{"language": "ti", "text": "ሓገዝ"}, {"language": "ar", "text": "مساعدة"}],
                "contactPoints": [{"kind": "PHONE", "value": "0355 612-0"}],
                "note": "intern",
            },
            SAVED,
            token=world.coordinator,
        )
        partner = made["partner"]
        assert partner == {
            "id": partner["id"],
            "name": "ማሕበር ኤርትራ",
            "version": 1,
            "state": "DRAFT",
            "note": "intern",
            "description": {"text": "ሓገዝ"},
        }

        given = {"id": partner["id"], "expectedVersion": 1}
        changed = await api.change(
            "changePartner", {**given, "name": "جمعية", "note": None}, SAVED, token=world.coordinator
        )
        assert (changed["partner"]["name"], changed["partner"]["note"]) == ("جمعية", None)
        assert changed["partner"]["description"] == {"text": "ሓገዝ"}  # what is left out stays

        published = await api.change(
            "publishPartner", {"id": partner["id"], "expectedVersion": 2}, SAVED, token=world.coordinator
        )
        assert (published["partner"]["state"], published["partner"]["version"]) == ("PUBLISHED", 3)
        seen = await api("query($id: ID!) { partner(id: $id) { name } }", {"id": partner["id"]})
        assert seen.data == {"partner": {"name": "جمعية"}}

        await api.change("hidePartner", {"id": partner["id"], "expectedVersion": 3}, SAVED, token=world.lead)
        seen = await api("query($id: ID!) { partner(id: $id) { name } }", {"id": partner["id"]})
        assert seen.data == {"partner": None}

    async def test_settings_are_for_who_keeps_the_entry(self, api: Api, world: Any) -> None:
        payload = """... on PartnerSaved { partner { settings {
          dataProtectionLaw professionalSecrecy school superiorContact } } }"""
        id_ = world.id("Partner", world.partner)
        given = {"id": id_, "expectedVersion": 2, "dataProtectionLaw": "KDG", "professionalSecrecy": True}
        changed = await api.change(
            "changePartner", {**given, "superiorContact": "Leitung"}, payload, token=world.staff
        )
        assert changed["partner"]["settings"] == {
            "dataProtectionLaw": "KDG",
            "professionalSecrecy": True,
            "school": False,
            "superiorContact": "Leitung",
        }

        query = "query($id: ID!) { partner(id: $id) { name settings { superiorContact } } }"
        seen = {
            who: (await api(query, {"id": id_}, token=token)).data["partner"]["settings"]
            for who, token in {
                "nobody": None,
                "lead": world.lead,
                "other staff": world.other_staff,
                "stranger": world.stranger,
                "reader": world.reader,
            }.items()
        }
        contact = {"superiorContact": "Leitung"}
        nobody = dict.fromkeys(("nobody", "other staff", "stranger", "reader"))
        assert seen == {**nobody, "lead": contact}

    async def test_places(self, api: Api, world: Any) -> None:
        id_ = world.id("Partner", world.partner)
        added = await api.change(
            "addLocation",
            {
                "partnerId": id_,
                "expectedVersion": 2,
                "name": "Haus",
                "latitude": 51.7,
                "longitude": 14.3,
                "hours": {"osm": "Mo-Fr 09:00-12:00"},
            },
            """... on LocationAdded {
              location { id name hours { periods { weekday opens } } } partner { version } }""",
            token=world.staff,
        )
        assert added["location"]["hours"]["periods"][0] == {"weekday": 1, "opens": "09:00"}
        assert added["partner"]["version"] == 3

        place = {"id": added["location"]["id"]}
        changed = await api.change(
            "changeLocation",
            {**place, "expectedVersion": 3, "name": "Hof", "hours": None},
            "... on PartnerSaved { partner { locations { name hours { osm } } } }",
            token=world.staff,
        )
        assert changed["partner"]["locations"] == [{"name": "Hof", "hours": None}]

        foreign = await api.change(
            "removeLocation", {**place, "expectedVersion": 4}, "", token=world.stranger
        )
        assert foreign["code"] == "NOT_ALLOWED"  # the partner is published: it is seen, but not theirs
        removed = await api.change(
            "removeLocation",
            {**place, "expectedVersion": 4},
            "... on PartnerSaved { partner { locations { name } } }",
            token=world.staff,
        )
        assert removed["partner"]["locations"] == []


class TestServices:
    async def test_everything_about_a_service(self, api: Api, world: Any, make: Any) -> None:
        topic = await make.topic(de="Kurs")
        made = await api.change(
            "createService",
            {
                "partnerId": world.id("Partner", world.partner),
                "kind": "QUALIFICATION",
                "title": [{"language": "de", "text": "B1-Kurs"}, {"language": "ti", "text": "ኮርስ"}],
                "topics": [topic],
                "languages": [{"language": "de"}, {"language": "ti", "interpreted": True}],
                "eligibility": [{"statuses": ["SECTION_104C", "SECTION_60A"], "answer": "FITS"}],
                "area": ["12052"],
                "responsibility": "BY_RESIDENCE",
                "contactPoints": [{"kind": "EMAIL", "value": "kurs@example.org"}],
                "capacity": {"state": "FEW", "places": 2, "expiresOn": "2999-01-01"},
                "course": {
                    "levelFrom": "A2",
                    "levelTo": "B1",
                    "childcare": True,
                    "runs": [{"startsOn": "2999-01-01"}],
                },
                "interpreting": {"languages": [{"language": "ar"}], "modes": ["PHONE"]},
                "note": "intern",
            },
            SERVICE,
            token=world.staff,
        )
        service = made["service"]
        assert service.pop("id")
        assert service == {
            "version": 1,
            "state": "DRAFT",
            "note": "intern",
            "titles": [{"language": "de", "text": "B1-Kurs"}, {"language": "ti", "text": "ኮርስ"}],
            "topics": [{"code": topic}],
            "locations": [],
            "languages": [{"language": "de"}, {"language": "ti"}],
            "eligibility": [{"statuses": ["SECTION_104C", "SECTION_60A"], "answer": "FITS"}],
            "area": ["12052"],
            "capacity": {"state": "FEW", "places": 2, "expiresOn": "2999-01-01"},
            "course": {"levelTo": "B1", "childcare": True},
            "recognition": None,
            "interpreting": {"modes": ["PHONE"], "languages": [{"language": "ar"}]},
            "contactPoints": [{"kind": "EMAIL", "value": "kurs@example.org"}],
            "partner": {"name": "Träger A"},
        }

    async def test_publish_assure_capacity_hide(
        self, api: Api, database: Database, world: Any, make: Any
    ) -> None:
        key = await make.service(world.partner, published=False)
        id_ = world.id("Service", key)
        published = await api.change(
            "publishService", {"id": id_, "expectedVersion": 1}, SERVICE, token=world.staff
        )
        assert published["service"]["state"] == "PUBLISHED"
        assured = await api.change(
            "assureService",
            {"id": id_, "expectedVersion": 2},
            "... on ServiceSaved { service { assuredAt } }",
            token=world.staff,
        )
        assert assured["service"]["assuredAt"]
        room = await api.change(
            "setCapacity",
            {"id": id_, "expectedVersion": 3, "capacity": {"state": "OPEN", "places": 5}},
            SERVICE,
            token=world.staff,
        )
        last = database.clock().astimezone(ZONE).date() + timedelta(days=27)
        assert room["service"]["capacity"] == {
            "state": "OPEN",
            "places": 5,
            "expiresOn": last.isoformat(),  # what is said without an end counts for four weeks
        }
        hidden = await api.change(
            "hideService", {"id": id_, "expectedVersion": 4}, SERVICE, token=world.staff
        )
        assert hidden["service"]["state"] == "HIDDEN"
        assert (await api("query($id: ID!) { service(id: $id) { id } }", {"id": id_})).data["service"] is None

    async def test_a_change_keeps_what_is_left_out(self, api: Api, world: Any, make: Any) -> None:
        key = await make.service(world.partner, "Kurs", note="bleibt")
        changed = await api.change(
            "changeService",
            {
                "id": world.id("Service", key),
                "expectedVersion": 2,
                "title": [{"language": "de", "text": "Neu"}],
                "languages": [],
            },
            SERVICE,
            token=world.staff,
        )

        assert changed["service"]["titles"] == [{"language": "de", "text": "Neu"}]
        assert changed["service"]["note"] == "bleibt"

    async def test_how_people_are_sent_to_a_service(self, api: Api, world: Any, make: Any) -> None:
        """Written, left as it is, replaced as a whole, and taken away."""
        said = "{ text language }"
        facts = f"required accepted methods {said} responseDays response {{ text }} requirements {said}"
        saved = f"... on ServiceSaved {{ service {{ id version referralFacts {{ {facts} }} }} }}"
        given = {
            "required": True,
            "methods": [
                {"texts": [{"language": "de", "text": "Anruf"}]},
                {"texts": [{"language": "de", "text": "Mail"}, {"language": "en", "text": "mail"}]},
            ],
            "responseDays": 7,
            "response": [{"language": "de", "text": "Je nach Fall"}],
        }
        made = await api.change(
            "createService",
            {
                "partnerId": world.id("Partner", world.partner),
                "kind": "COUNSELLING",
                "title": [{"language": "de", "text": "Beratung"}],
                "referralFacts": given,
            },
            saved,
            token=world.staff,
        )
        written = {
            "required": True,
            "accepted": None,
            "methods": [{"text": "Anruf", "language": "de"}, {"text": "mail", "language": "en"}],
            "responseDays": 7,
            "response": {"text": "Je nach Fall"},
            "requirements": [],
        }
        assert made["service"]["referralFacts"] == written

        paper = {"requirements": [{"texts": [{"language": "de", "text": "Ausweis"}]}], "accepted": False}
        nothing = {**written, "required": None, "methods": [], "responseDays": None, "response": None}
        german = {"text": "Ausweis", "language": "de"}
        changes: list[tuple[dict[str, Any], Any]] = [
            ({"note": "neu"}, written),
            ({"referralFacts": paper}, {**nothing, "accepted": False, "requirements": [german]}),
            ({"referralFacts": None}, None),
        ]
        for version, (change, expected) in enumerate(changes, start=1):
            changed = await api.change(
                "changeService",
                {"id": made["service"]["id"], "expectedVersion": version, **change},
                saved,
                token=world.staff,
            )
            assert changed["service"]["referralFacts"] == expected


class TestBadInput:
    @pytest.mark.parametrize(
        ("given", "field", "reason"),
        [
            ({"title": []}, "title", "required"),
            ({"title": [{"language": "de", "text": " "}]}, "title.de", "empty"),
            ({"title": [{"language": "de", "text": "x" * 301}]}, "title.de", "too-long"),
            ({"title": [{"language": "deutsch!", "text": "x"}]}, "title.deutsch!", "language"),
            (
                {"title": [{"language": "de", "text": "a"}, {"language": "de", "text": "b"}]},
                "title.de",
                "duplicate",
            ),
            ({"topics": ["gibt-es-nicht"]}, "topics.0", "unknown-value"),
            ({"area": ["Cottbus"]}, "area.0", "territory"),
            ({"contactPoints": [{"kind": "PHONE", "value": "hallo"}]}, "contactPoints.0.value", "phone"),
            ({"contactPoints": [{"kind": "EMAIL", "value": "x"}]}, "contactPoints.0.value", None),
            ({"capacity": {"state": "OPEN", "places": -1}}, "capacity.places", "too-small"),
            ({"course": {"levelFrom": "B2", "levelTo": "A1"}}, "course.levelTo", "levels-order"),
            ({"referralFacts": {"responseDays": 1001}}, "referralFacts.responseDays", "too-large"),
            ({"referralFacts": {"methods": [{"texts": []}]}}, "referralFacts.methods.0", "required"),
            (
                {"referralFacts": {"nextSteps": [{"texts": [{"language": "de", "text": " "}]}]}},
                "referralFacts.nextSteps.0.de",
                "empty",
            ),
            (
                {"referralFacts": {"feedback": [{"texts": [{"language": "de", "text": "x"}]}] * 31}},
                "referralFacts.feedback",
                "too-many",
            ),
            ({"locationIds": ["x"]}, "locationIds.0", "id"),
            ({"idempotencyKey": "kurz"}, "idempotencyKey", "length"),
            ({"website": "javascript:alert(1)"}, "website", "url"),
            ({"note": "a\x00b"}, "note", "control-character"),
        ],
    )
    async def test_is_a_problem_with_field_and_reason_and_writes_nothing(
        self, api: Api, world: Any, given: dict[str, Any], field: str, reason: str | None
    ) -> None:
        before = await self.count(api, world)
        answer = await api.change(
            "createService",
            {
                "partnerId": world.id("Partner", world.partner),
                "kind": "COUNSELLING",
                "title": [{"language": "de", "text": "Beratung"}],
                **given,
            },
            SERVICE,
            token=world.staff,
        )

        assert answer["__typename"] == "InvalidInputProblem", answer
        assert answer["field"] == field
        assert reason is None or answer["reason"] == reason
        assert field in answer["message"]
        assert await self.count(api, world) == before

    @staticmethod
    async def count(api: Api, world: Any) -> int:
        query = """query($id: ID!) { services(filter: {partnerId: $id, states: [DRAFT, PUBLISHED]}) {
          totalCount } }"""
        answer = await api(query, {"id": world.id("Partner", world.partner)}, token=world.staff)
        total: int = answer.data["services"]["totalCount"]
        return total

    async def test_messages_come_in_the_callers_language(self, api: Api, world: Any) -> None:
        document = """mutation($input: CreateServiceInput!) { createService(input: $input) {
          ... on Problem { message } } }"""
        given = {
            "idempotencyKey": str(uuid4()),
            "partnerId": world.id("Partner", world.partner),
            "kind": "COUNSELLING",
            "title": [{"language": "de", "text": " "}],
        }
        german = await api(document, {"input": given}, token=world.staff, language="de")
        english = await api(document, {"input": given}, token=world.staff, language="en")

        assert german.data["createService"]["message"] == "„title.de“ darf nicht leer sein."
        assert english.data["createService"]["message"] == "“title.de” must not be empty."

    async def test_what_the_schema_does_not_know_is_a_4xx(self, api: Api, world: Any) -> None:
        document = "mutation($i: CreateServiceInput!) { createService(input: $i) { __typename } }"
        answer = await api(document, {"i": {"kind": "COOKING"}}, token=world.staff)

        assert (answer.status, set(answer.codes)) == (400, {"REQUEST_NOT_VALID"})


class TestVersionsAndKeys:
    async def test_a_stale_version_says_the_current_one(self, api: Api, world: Any, make: Any) -> None:
        key = await make.service(world.partner)
        answer = await api.change(
            "setCapacity",
            {
                "id": world.id("Service", key),
                "expectedVersion": 1,
                "capacity": {"state": "NONE", "places": 0},
            },
            SERVICE,
            token=world.staff,
        )

        assert (answer["__typename"], answer["current"]) == ("StaleVersionProblem", 2)

    async def test_of_parallel_changes_one_wins(self, api: Api, world: Any, make: Any) -> None:
        key = await make.service(world.partner)
        answers = await asyncio.gather(
            *(
                api.change(
                    "setCapacity",
                    {
                        "id": world.id("Service", key),
                        "expectedVersion": 2,
                        "capacity": {"state": "OPEN", "places": places},
                    },
                    SERVICE,
                    token=world.staff,
                )
                for places in range(1, 11)
            )
        )

        assert (
            sorted(answer["__typename"] for answer in answers)
            == ["ServiceSaved"] + ["StaleVersionProblem"] * 9
        )

    async def test_the_same_key_in_parallel_makes_one_thing(self, api: Api, world: Any) -> None:
        given = {
            "idempotencyKey": f"key-{uuid4()}",
            "partnerId": world.id("Partner", world.partner),
            "kind": "COUNSELLING",
            "title": [{"language": "de", "text": "Einmal"}],
        }
        answers = await asyncio.gather(
            *(api.change("createService", dict(given), SERVICE, token=world.staff) for _ in range(20))
        )

        assert len({answer["service"]["id"] for answer in answers}) == 1
        assert await TestBadInput.count(api, world) == 1

    async def test_a_replay_acts_once_and_shows_the_thing_as_it_is_now(
        self, api: Api, world: Any, make: Any
    ) -> None:
        id_ = world.id("Service", await make.service(world.partner))
        given = {
            "idempotencyKey": f"key-{uuid4()}",
            "id": id_,
            "expectedVersion": 2,
            "capacity": {"state": "OPEN", "places": 5},
        }
        first = await api.change("setCapacity", dict(given), SERVICE, token=world.staff)
        await api.change(
            "setCapacity",
            {"id": id_, "expectedVersion": 3, "capacity": {"state": "FEW", "places": 1}},
            SERVICE,
            token=world.staff,
        )
        replay = await api.change("setCapacity", dict(given), SERVICE, token=world.staff)

        assert first["service"]["version"] == 3
        assert (replay["service"]["version"], replay["service"]["capacity"]["places"]) == (4, 1)

    async def test_the_same_key_with_other_input_is_a_conflict(self, api: Api, world: Any, make: Any) -> None:
        id_ = world.id("Service", await make.service(world.partner))
        given = {"idempotencyKey": f"key-{uuid4()}", "id": id_, "expectedVersion": 2}
        await api.change("setCapacity", {**given, "capacity": {"state": "OPEN"}}, SERVICE, token=world.staff)
        answer = await api.change(
            "setCapacity", {**given, "capacity": {"state": "FEW"}}, SERVICE, token=world.staff
        )

        assert answer["code"] == "IDEMPOTENCY_CONFLICT"

    async def test_keys_belong_to_their_actor(self, api: Api, world: Any, make: Any) -> None:
        key = f"key-{uuid4()}"
        mine = world.id("Service", await make.service(world.partner))
        theirs = world.id("Service", await make.service(world.other_partner))
        for id_, token in ((mine, world.staff), (theirs, world.other_staff)):
            answer = await api.change(
                "setCapacity",
                {"idempotencyKey": key, "id": id_, "expectedVersion": 2, "capacity": {"state": "OPEN"}},
                SERVICE,
                token=token,
            )
            assert answer["service"]["id"] == id_

    async def test_two_mutations_in_one_document_see_each_other(
        self, api: Api, world: Any, make: Any
    ) -> None:
        id_ = world.id("Service", await make.service(world.partner))
        document = """mutation($a: SetCapacityInput!, $b: SetCapacityInput!) {
          a: setCapacity(input: $a) { ... on ServiceSaved { service { version } } }
          b: setCapacity(input: $b) { ... on ServiceSaved { service { version } } }
        }"""
        inputs = {
            name: {
                "idempotencyKey": str(uuid4()),
                "id": id_,
                "expectedVersion": version,
                "capacity": {"state": state},
            }
            for name, version, state in (("a", 2, "OPEN"), ("b", 3, "FEW"))
        }
        answer = await api(document, inputs, token=world.staff)

        assert answer.data == {"a": {"service": {"version": 3}}, "b": {"service": {"version": 4}}}


class TestWhoMay:
    @pytest.mark.parametrize(
        ("who", "expected"),
        [
            (None, "NOT_SIGNED_IN"),
            ("reader", "NOT_ALLOWED"),
            ("other_staff", "NOT_ALLOWED"),
            ("stranger", "NOT_ALLOWED"),
            ("staff", "ServiceSaved"),
            ("coordinator", "ServiceSaved"),
            ("lead", "ServiceSaved"),
        ],
    )
    async def test_change_a_published_service(
        self, api: Api, world: Any, make: Any, who: str | None, expected: str
    ) -> None:
        id_ = world.id("Service", await make.service(world.partner))
        token = getattr(world, who) if who else None
        answer = await api.change(
            "setCapacity",
            {"id": id_, "expectedVersion": 2, "capacity": {"state": "OPEN"}},
            SERVICE,
            token=token,
        )

        assert expected in {answer.get("code"), answer["__typename"]}
        unchanged = 2 if expected != "ServiceSaved" else 3
        assert await version_of(api, "Service", id_, world.staff) == unchanged

    @pytest.mark.parametrize("who", ["other_staff", "stranger"])
    async def test_a_foreign_draft_does_not_exist(self, api: Api, world: Any, make: Any, who: str) -> None:
        id_ = world.id("Service", await make.service(world.partner, published=False))
        answer = await api.change(
            "publishService", {"id": id_, "expectedVersion": 1}, SERVICE, token=getattr(world, who)
        )

        assert answer["__typename"] == "NotFoundProblem"
        assert await version_of(api, "Service", id_, world.staff) == 1

    @pytest.mark.parametrize("who", [None, "reader", "staff", "stranger"])
    async def test_only_the_coordination_adds_partners(self, api: Api, world: Any, who: str | None) -> None:
        answer = await api.change(
            "createPartner",
            {
                "municipalityId": world.id("Municipality", world.municipality),
                "kind": "BUSINESS",
                "name": f"Niemand {uuid4()}",
            },
            SAVED,
            token=getattr(world, who) if who else None,
        )

        assert answer["code"] == ("NOT_SIGNED_IN" if who is None else "NOT_ALLOWED")

    @pytest.mark.parametrize("id_", ["", "x", "UGFydG5lcjp4"])
    async def test_an_id_that_is_none_is_not_found(self, api: Api, world: Any, id_: str) -> None:
        answer = await api.change(
            "publishService", {"id": id_, "expectedVersion": 1}, SERVICE, token=world.staff
        )

        assert answer["code"] == "NOT_FOUND"

    async def test_a_replay_is_authorised_anew(
        self, api: Api, world: Any, make: Any, database: Database
    ) -> None:
        """Who may no longer see the thing does not see it through an old key either."""
        from sqlalchemy import update

        from directory.actors import SYSTEM
        from directory.models import Member

        member, token = await make.member(world.partner, Role.PARTNER_MEMBER)
        id_ = world.id("Service", await make.service(world.partner, published=False))
        given = {"idempotencyKey": f"key-{uuid4()}", "id": id_, "expectedVersion": 1}
        document = {**given, "capacity": {"state": "OPEN"}}
        assert (await api.change("setCapacity", document, SERVICE, token=token))["service"]
        async with database.work(SYSTEM) as work:
            await work.session.execute(
                update(Member).where(Member.id == member).values(partner_id=world.other_partner)
            )

        assert (await api.change("setCapacity", document, SERVICE, token=token))["code"] == "NOT_FOUND"


class TestMembers:
    MEMBER = "... on MemberSaved { member { id name role administers active version deputy { id } } }"

    async def test_add_change_remove(self, api: Api, world: Any) -> None:
        organisation = {"partnerId": world.id("Partner", world.partner)}
        deputy = world.id("Member", world.staff_member)
        added = await api.change(
            "addMember",
            {**organisation, "name": "Neu", "deputyId": deputy},
            self.MEMBER,
            token=world.staff,
        )
        member = added["member"]
        assert member == {
            "id": member["id"],
            "name": "Neu",
            "role": "PARTNER_MEMBER",
            "administers": False,
            "active": True,
            "version": 1,
            "deputy": {"id": deputy},
        }
        token = await api.change(
            "createToken",
            {"memberId": member["id"], "label": "Laptop"},
            "... on TokenCreated { secret token { id label revokedAt } }",
            token=world.staff,
        )
        assert (await api("{ me { role } }", token=token["secret"])).status == 200

        changed = await api.change(
            "changeMember",
            {"id": member["id"], "expectedVersion": 1, "deputyId": None, "name": "Anders"},
            self.MEMBER,
            token=world.staff,
        )
        assert (changed["member"]["name"], changed["member"]["deputy"]) == ("Anders", None)

        removed = await api.change(
            "removeMember", {"id": member["id"], "expectedVersion": 2}, self.MEMBER, token=world.staff
        )
        assert removed["member"]["active"] is False
        assert (await api("{ me { role } }", token=token["secret"])).status == 401
        query = "query($id: ID!, $r: Boolean!) { members(partnerId: $id, removed: $r) { name } }"
        names = []
        for gone in (False, True):
            found = await api(query, {"id": organisation["partnerId"], "r": gone}, token=world.staff)
            names.append([one["name"] for one in found.data["members"]])
        assert ("Anders" in names[0], "Anders" in names[1]) == (False, True)

    async def test_a_secret_is_shown_once(self, api: Api, world: Any) -> None:
        given = {
            "idempotencyKey": f"key-{uuid4()}",
            "memberId": world.id("Member", world.staff_member),
            "label": "x",
        }
        payload = "... on TokenCreated { secret token { id } }"
        first = await api.change("createToken", dict(given), payload, token=world.staff)
        again = await api.change("createToken", dict(given), payload, token=world.staff)

        assert first["secret"].startswith("spw_")
        assert (again["secret"], again["token"]) == (None, first["token"])
        revoked = await api.change(
            "revokeToken",
            {"id": first["token"]["id"]},
            "... on TokenRevoked { token { revokedAt } }",
            token=world.staff,
        )
        assert revoked["token"]["revokedAt"]
        assert (await api("{ me { role } }", token=first["secret"])).status == 401

    @pytest.mark.parametrize(
        ("who", "code"),
        [(None, "NOT_SIGNED_IN"), ("other_staff", "NOT_ALLOWED"), ("reader", "NOT_ALLOWED")],
    )
    async def test_members_are_their_organisations(
        self, api: Api, world: Any, who: str | None, code: str
    ) -> None:
        token = getattr(world, who) if who else None
        answer = await api.change(
            "addMember",
            {"partnerId": world.id("Partner", world.partner), "name": "Fremd"},
            self.MEMBER,
            token=token,
        )
        assert answer["code"] == code
        query = "query($id: ID!) { members(partnerId: $id) { name } }"
        seen = await api(query, {"id": world.id("Partner", world.partner)}, token=token)
        assert seen.codes == [code]

    async def test_who_does_not_administer_makes_no_coordinator(self, api: Api, world: Any) -> None:
        answer = await api.change(
            "addMember",
            {"partnerId": world.id("Partner", world.partner), "name": "X", "role": "LEAD"},
            self.MEMBER,
            token=world.staff,
        )

        assert (answer["code"], answer["rule"]) == (
            "NOT_ALLOWED",
            "coordination-roles-in-the-coordination-only",
        )
