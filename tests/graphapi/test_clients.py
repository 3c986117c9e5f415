"""Clients through HTTP: found by name in the own organisation only, judged by the project's rule."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from directory.actors import SYSTEM
from directory.database import Database
from directory.models import Audit
from graphapi.relay import read_id
from tests.graphapi.asking import Api
from tests.graphapi.exchanging import CATEGORIES, REPORT_BACK, Town, days, make_town

CLIENT = """query($id: ID!) { client(id: $id) {
  id version pseudonym phase phaseLabel identity { familyName givenNames otherNames dateOfBirth }
  contact { phone email } profile { workPermission competences health }
  phases { fromPhase toPhase } residenceStatus statusValidUntil legalCircle languages needs
  eligibility { answer advice adviceLabel reason { text } legalBasis rule } exclusion { decidedOn }
  consents { id state } referrals { totalCount nodes { id state } }
} }"""
CLIENTS = """query($f: ClientFilterInput, $first: Int! = 50, $after: String) {
  clients(filter: $f, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } nodes { id name pseudonym phase } } }"""


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def opened(town: Town, client: Any, who: str = "coordinator") -> Any:
    return (await town.ask(CLIENT, {"id": client["id"]}, who=who)).data["client"]


async def found(town: Town, who: str = "coordinator", **wanted: Any) -> Any:
    return (await town.ask(CLIENTS, {"f": wanted}, who=who)).data["clients"]


class TestAFile:
    async def test_holds_what_was_entered(self, town: Town) -> None:
        made = await town.client(
            identity={"familyName": "Öztürk", "givenNames": "Ayşe", "dateOfBirth": "1990-05-01"},
            profile={"workPermission": "YES", "competences": ["Pflege"], "health": "Rücken"},
            legalCircle="SGB_II",
        )
        file = await opened(town, made)

        assert file["identity"] == {
            "familyName": "Öztürk",
            "givenNames": "Ayşe",
            "otherNames": [],
            "dateOfBirth": "1990-05-01",
        }
        assert file["profile"] == {"workPermission": "YES", "competences": ["Pflege"], "health": "Rücken"}
        assert (file["phase"], file["phaseLabel"], file["legalCircle"]) == ("CLEARING", "clearing", "SGB_II")
        assert file["phases"] == [{"fromPhase": None, "toPhase": "CLEARING"}]
        assert (file["consents"], file["referrals"]["totalCount"]) == ([], 0)

    async def test_changes_keep_what_is_left_out_and_clear_what_is_null(self, town: Town) -> None:
        made = await town.client(legalCircle="SGB_II")
        changed = await town.on("coordinator", "changeClient", made, legalCircle=None, languages=["ti"])
        file = await opened(town, changed)

        assert changed["version"] == made["version"] + 1
        assert (file["legalCircle"], file["languages"], file["residenceStatus"]) == (
            None,
            ["ti"],
            "SECTION_104C",
        )
        assert file["identity"]["familyName"] == "Tesfay"

    @pytest.mark.parametrize("dialled", ["0355 1234567", "+49 355 1234567", "0355/12 34 567"])
    async def test_keeps_a_phone_number_however_it_was_written(self, town: Town, dialled: str) -> None:
        made = await town.client(contact={"phone": dialled, "email": " Almaz@Example.org "})
        assert (await opened(town, made))["contact"] == {
            "phone": "+493551234567",
            "email": "Almaz@example.org",
        }
        changed = await town.on("coordinator", "changeClient", made, contact={"phone": "0176 12345678"})
        assert (await opened(town, changed))["contact"] == {"phone": "+4917612345678", "email": None}

    async def test_shows_consents_and_referrals(self, town: Town) -> None:
        made = await town.client()
        sent = await town.sent(clientId=made["id"])
        file = await opened(town, made)

        assert [consent["state"] for consent in file["consents"]] == ["GIVEN"]
        assert file["referrals"] == {"totalCount": 1, "nodes": [{"id": sent["id"], "state": "SENT"}]}

    async def test_every_reading_is_recorded(self, town: Town, database: Database) -> None:
        made = await town.client()
        client_id = read_id(made["id"], "Client")
        await opened(town, made)
        async with database.view(SYSTEM) as session:
            seen = await session.scalars(
                select(Audit.action).where(Audit.object_id == client_id).order_by(Audit.id)
            )

            assert list(seen) == ["client.create", "client.view", "client.view", "consent.list"]


class TestThePhase:
    async def test_moves_and_is_kept(self, town: Town) -> None:
        made = await town.client()
        moved = await town.on("coordinator", "moveClientPhase", made, phase="IN_SUPPORT")

        assert moved["phase"] == "IN_SUPPORT"
        assert [step["toPhase"] for step in (await opened(town, made))["phases"]] == [
            "CLEARING",
            "IN_SUPPORT",
        ]

    async def test_counts_are_the_own_organisations(self, town: Town) -> None:
        query = "{ clientPhaseCounts { phase phaseLabel count } }"
        before = (await town.ask(query, who="jobcenter")).data["clientPhaseCounts"]
        await town.client("jobcenter", phase="NO_NEEDS")
        after = (await town.ask(query, who="jobcenter")).data["clientPhaseCounts"]

        assert len(after) == 5
        changed = [new for old, new in zip(before, after, strict=True) if old != new]
        assert [(one["phase"], one["phaseLabel"]) for one in changed] == [("NO_NEEDS", "no needs")]


class TestFinding:
    @pytest.mark.parametrize("name", ["oezmen", "OZMEN", "Özmen", "Şermin özmen"])
    async def test_by_name_in_any_spelling(self, town: Town, name: str) -> None:
        await town.client(identity={"familyName": "Özmen", "givenNames": "Şermin"})
        page = await found(town, name=name)

        assert "Özmen, Şermin" in [node["name"] for node in page["nodes"]]

    async def test_never_in_another_organisation(self, town: Town) -> None:
        made = await town.client(identity={"familyName": "Unverwechselbar"})

        assert (await found(town, name="Unverwechselbar"))["totalCount"] == 1
        for who in ("jobcenter", "staff", "stranger"):
            assert (await found(town, who, name="Unverwechselbar"))["totalCount"] == 0
            assert (await found(town, who, name=made["pseudonym"]))["totalCount"] == 0
            assert await opened(town, made, who) is None

    async def test_by_phase_page_by_page(self, town: Town) -> None:
        made = [await town.client("jobcenter", phase="NO_CAPACITY") for _ in range(3)]
        given = {"f": {"phases": ["NO_CAPACITY"]}, "first": 2}
        first = (await town.ask(CLIENTS, given, who="jobcenter")).data["clients"]
        rest = (
            await town.ask(CLIENTS, {**given, "after": first["pageInfo"]["endCursor"]}, who="jobcenter")
        ).data["clients"]

        assert first["totalCount"] == 3
        assert {node["id"] for node in first["nodes"] + rest["nodes"]} == {one["id"] for one in made}
        assert [first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]] == [True, False]

    async def test_by_who_looks_after_them(self, town: Town) -> None:
        page = await found(town, "staff", responsibleId=town.world.id("Member", town.world.staff_member))
        await town.client("staff")
        after = await found(town, "staff", responsibleId=town.world.id("Member", town.world.staff_member))

        assert after["totalCount"] == page["totalCount"] + 1

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ('filter: {name: "  "}', "name"),
            ('filter: {responsibleId: "x"}', "filter.responsibleId"),
            ('after: "%%%"', "after"),
        ],
    )
    async def test_wrong_arguments_are_problems(self, town: Town, arguments: str, field: str) -> None:
        answer = await town.ask(f"{{ clients({arguments}) {{ totalCount }} }}", who="coordinator")

        assert [error["extensions"]["field"] for error in answer.body["errors"]] == [field]


class TestTheProjectsRule:
    @pytest.mark.parametrize(
        ("status", "answer", "advice"),
        [
            ("SECTION_104C", "FITS", "SUPPORT"),
            ("SECTION_60B", "ASK", "ASK"),
            ("SECTION_81", "ASK", "CLEARING"),
            (None, "ASK", "CLEARING"),
        ],
    )
    async def test_answers_with_its_reason(
        self, town: Town, status: str | None, answer: str, advice: str
    ) -> None:
        made = await town.client(residenceStatus=status)
        said = (await opened(town, made))["eligibility"]

        assert (said["answer"], said["advice"]) == (answer, advice)
        assert said["reason"]["text"]


class TestAnExclusion:
    async def test_is_a_leads_alone(self, town: Town) -> None:
        made = await town.client()
        refused = await town.do("coordinator", "excludeClient", id=made["id"], decidedOn=days(0))
        assert (refused["__typename"], refused["rule"]) == ("NotAllowedProblem", "lead")
        await town.done("lead", "excludeClient", id=made["id"], decidedOn=days(0))

        assert (await opened(town, made, "lead"))["exclusion"] == {"decidedOn": days(0)}
        assert (await opened(town, made, "coordinator"))["exclusion"] is None
        await town.done("lead", "liftExclusion", id=made["id"])
        assert (await opened(town, made, "lead"))["exclusion"] is None


class TestErasing:
    async def test_takes_the_data_for_good(self, town: Town) -> None:
        made = await town.client(identity={"familyName": "Vergessen"})
        await town.on("lead", "eraseClient", made)

        answer = await town.ask(CLIENT, {"id": made["id"]}, who="coordinator")
        assert answer.codes == ["ERASED"]
        assert (await found(town, name="Vergessen"))["totalCount"] == 0

    async def test_waits_until_no_referral_is_open(self, town: Town) -> None:
        made = await town.client()
        await town.sent(clientId=made["id"])
        refused = await town.do("lead", "eraseClient", id=made["id"], expectedVersion=made["version"])

        assert (refused["__typename"], refused["reason"]) == ("InvalidInputProblem", "open-referrals")


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("given", "field", "reason"),
        [
            ({"identity": {"familyName": ""}}, "identity.familyName", "too-short"),
            ({"contact": {"phone": "kommt noch"}}, "contact.phone", "phone"),
            ({"contact": {"phone": "+49 355 " + "1" * 60}}, "contact.phone", "phone"),
            ({"contact": {"email": "almaz(at)example.org"}}, "contact.email", "mail"),
            ({"needs": ["no-such-topic"]}, "needs.0", "unknown-value"),
            ({"responsibleId": "x"}, "responsibleId", "id"),
            ({"languages": ["!!"]}, "languages.0", "format"),
            ({"languages": ["de"] * 31}, "languages", "too-long"),
            ({"identity": {"familyName": "A", "otherNames": ["B"] * 51}}, "identity.otherNames", "too-long"),
        ],
    )
    async def test_names_field_and_reason_and_writes_nothing(
        self, town: Town, given: dict[str, Any], field: str, reason: str
    ) -> None:
        before = (await found(town))["totalCount"]
        plain = {"identity": {"familyName": "Niemand"}}
        refused = await town.do("coordinator", "createClient", **{**plain, **given})

        assert (refused["__typename"], refused["field"], refused["reason"]) == (
            "InvalidInputProblem",
            field,
            reason,
        )
        assert (await found(town))["totalCount"] == before


REQUIREMENTS = """query($client: ID!, $service: ID!, $categories: [DataCategory!]!) {
  referralRequirements(clientId: $client, serviceId: $service, categories: $categories) {
    categories never missing consentId openReferralId section87Notice legalBasis specialBasis
    recipients { name } releases { aboutOutcome } purposes { purpose categories reportDepth }
    preview { categories person { familyName residenceStatus needs health } }
  }
}"""


class TestWhatASendingWouldNeed:
    async def ask(self, town: Town, client: Any, service: str, categories: Any, who: str) -> Any:
        given = {"client": client["id"], "service": service, "categories": categories}
        answer = await town.ask(REQUIREMENTS, given, who=who)
        return answer.data["referralRequirements"]

    async def test_is_told_with_the_preview_of_the_package(self, town: Town) -> None:
        client = await town.client()
        needed = await self.ask(town, client, town.service, CATEGORIES, "coordinator")

        assert (needed["missing"], needed["consentId"], needed["section87Notice"]) == (
            ["CONSENT"],
            None,
            False,
        )
        assert needed["preview"] == {
            "categories": CATEGORIES,
            "person": {
                "familyName": "Tesfay",
                "residenceStatus": None,
                "needs": [town.topic],
                "health": None,
            },
        }
        assert [purpose["purpose"] for purpose in needed["purposes"]] == ["REFERRAL", "REPORT_BACK"]
        consent = await town.consent(client["id"])
        needed = await self.ask(town, client, town.service, CATEGORIES, "coordinator")
        assert (needed["missing"], needed["consentId"]) == ([], consent["id"])
        more = await self.ask(town, client, town.service, [*CATEGORIES, "HEALTH"], "coordinator")
        assert more["missing"] == ["CATEGORY:HEALTH", "SPECIAL_BASIS"]
        assert more["specialBasis"] == "GDPR_9_2_A"

    async def test_the_notice_about_section_87_where_an_authority_takes_part(self, town: Town) -> None:
        client = await town.client("jobcenter")
        needed = await self.ask(town, client, town.clearing, CATEGORIES, "jobcenter")

        assert needed["section87Notice"] is True

    async def test_a_business_never_gets_status_or_needs(self, town: Town, make: Any) -> None:
        business = await make.partner(town.world.municipality, "Bäckerei", kind="BUSINESS")
        job = town.world.id("Service", await make.service(business, "Ausbildung"))
        client = await town.client()
        needed = await self.ask(town, client, job, ["IDENTITY", "STATUS", "NEEDS"], "coordinator")

        assert (needed["categories"], needed["never"]) == (["IDENTITY"], ["STATUS", "NEEDS"])
        assert needed["preview"]["person"]["needs"] == []

    async def test_for_a_foreign_client_there_is_no_answer(self, town: Town) -> None:
        client = await town.client()
        given = {"client": client["id"], "service": town.service, "categories": CATEGORIES}
        for who, codes in (("staff", ["NOT_FOUND"]), ("anonymous", ["NOT_SIGNED_IN"])):
            assert (await town.ask(REQUIREMENTS, given, who=who)).codes == codes

    async def test_an_open_referral_is_named(self, town: Town) -> None:
        client = await town.client()
        draft = await town.draft(client["id"], town.service)
        needed = await self.ask(town, client, town.service, CATEGORIES, "coordinator")

        assert needed["openReferralId"] == draft["id"]
        assert REPORT_BACK["reportDepth"] in str(needed["purposes"])
