"""Corrections: anybody may suggest one, nobody learns what is not public, who keeps the entry decides."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from directory import sources
from directory.actors import ANONYMOUS, SYSTEM
from directory.catalogue import LocationDraft, add_location
from directory.database import Database
from directory.documents import DocumentKind
from directory.models import Service
from directory.values import Capacity, ContactPoint
from directory.vocabulary import CapacityState, ContactKind
from graphapi.limits import Limits
from graphapi.relay import global_id
from tests.graphapi.asking import Api
from tests.graphapi.conftest import Maker, World, make_world, served

REQUEST = "changeRequest { id version state }"
QUEUE = """query($source: ChangeSource, $field: ChangeField, $state: ChangeRequestState, $partnerId: ID) {
  changeRequests(source: $source, field: $field, state: $state, partnerId: $partnerId, first: 100) {
    totalCount nodes { id version field fieldLabel source sourceLabel proposed before language locationId
    remark times state serviceId partnerId service { id } partner { name } decisionReason } } }"""


@pytest.fixture(scope="module")
async def world(database: Database) -> World:
    """One town for all tests of this module: each has a service of its own."""
    return await make_world(database)


@pytest.fixture
async def service(make: Maker, world: World) -> UUID:
    return await make.service(
        world.partner,
        "Beratung",
        description={"de": "Alt"},
        website="https://alt.example.org/",
        contact_points=(
            ContactPoint(kind=ContactKind.PHONE, value="+493551111", label={"de": "Empfang"}),
            ContactPoint(kind=ContactKind.EMAIL, value="alt@example.org"),
        ),
    )


SUGGEST = """mutation($input: SuggestCorrectionInput!) { suggestCorrection(input: $input) { __typename
  ... on CorrectionTaken { about aboutLabel } ... on Problem { message }
  ... on InvalidInputProblem { field reason } } }"""


async def suggest(
    api: Api, id_: UUID, field: str, token: str | None = None, kind: str = "Service", **said: Any
) -> Any:
    given = {"idempotencyKey": f"test-{uuid4()}", "id": global_id(kind, id_), "field": field, **said}
    return (await api(SUGGEST, {"input": given}, token=token)).data["suggestCorrection"]


async def queue(api: Api, token: str, of: UUID | None = None, **wanted: Any) -> list[Any]:
    """Return the requests that somebody decides on, about one service or all."""
    nodes: list[Any] = (await api(QUEUE, {"state": "OPEN", **wanted}, token=token)).data["changeRequests"][
        "nodes"
    ]
    wanted_id = None if of is None else global_id("Service", of)
    return [node for node in nodes if wanted_id is None or node["serviceId"] == wanted_id]


async def decide(api: Api, token: str, request: Any, *, accept: bool = True, **more: Any) -> Any:
    given = {
        "id": request["id"],
        "expectedVersion": request["version"],
        "accept": accept,
        "reason": "ENTRY_UPDATED" if accept else "NOT_CONFIRMED",
        **more,
    }
    return await api.change(
        "decideChangeRequest", given, f"... on ChangeRequestSaved {{ {REQUEST} }}", token=token
    )


CASES = [
    ("TITLE", {"value": "Neue Beratung", "language": "en"}, "Neue Beratung", lambda s: s.title["en"]),
    ("DESCRIPTION", {"value": "Neuer\nText"}, "Neuer\nText", lambda s: s.description["de"]),
    ("WEBSITE", {"value": "https://neu.example.org/"}, "https://neu.example.org/", lambda s: s.website),
    ("PHONE", {"value": "0355 2222"}, "+493552222", lambda s: s.contact_points[0].value),
    ("EMAIL", {"value": "neu@example.org"}, "neu@example.org", lambda s: s.contact_points[1].value),
    ("CAPACITY", {"value": "NONE"}, "NONE", lambda s: s.capacity.state.value),
]


@pytest.mark.parametrize(("field", "said", "proposed", "read"), CASES, ids=[case[0] for case in CASES])
async def test_what_anybody_suggests_is_written_when_it_is_accepted(
    api: Api, database: Database, world: World, service: UUID, field: str, said: Any, proposed: str, read: Any
) -> None:
    before = await sources.service(database, ANONYMOUS, service)
    taken = await suggest(api, service, field, remark="Stand so am Aushang.", **said)
    assert (taken["__typename"], taken["about"]) == ("CorrectionTaken", field)
    unchanged = await sources.service(database, ANONYMOUS, service)
    [request] = await queue(api, world.staff, service, field=field)

    saved = await decide(api, world.staff, request, entryVersion=2)

    after = await sources.service(database, ANONYMOUS, service)
    assert unchanged == before
    assert (request["source"], request["proposed"], request["times"]) == ("PUBLIC", proposed, 1)
    assert request["remark"] == "Stand so am Aushang."
    assert saved["changeRequest"]["state"] == "ACCEPTED"
    assert after is not None
    assert read(after) == proposed
    assert after.version == 3
    [decided] = await queue(api, world.staff, service, field=field, state="ACCEPTED")
    assert (decided["remark"], decided["decisionReason"]) == (None, "ENTRY_UPDATED")


async def test_a_replaced_number_keeps_its_label_and_the_others_stay(
    api: Api, database: Database, world: World, service: UUID
) -> None:
    await suggest(api, service, "PHONE", value="0355 2222")
    [request] = await queue(api, world.staff, service)
    await decide(api, world.coordinator, request, entryVersion=2)

    found = await sources.service(database, ANONYMOUS, service)
    assert found is not None
    assert [(point.value, point.label) for point in found.contact_points] == [
        ("+493552222", {"de": "Empfang"}),
        ("alt@example.org", {}),
    ]


async def test_opening_hours_of_a_partners_place_and_its_name(
    api: Api, database: Database, make: Maker, world: World
) -> None:
    partner = await make.partner(world.municipality, "Träger Alt")
    async with database.work(SYSTEM) as work:
        place, saved = await add_location(
            work, partner, LocationDraft(name="Haus", hours="Mo 09:00-10:00"), expected_version=2
        )
    located = global_id("Location", place)
    await suggest(api, partner, "HOURS", kind="Partner", value="Tu 14:00-18:00", locationId=located)
    await suggest(api, partner, "TITLE", kind="Partner", value="Träger Neu")
    requests = {
        one["field"]: one
        for one in await queue(api, world.coordinator)
        if one["partnerId"] == global_id("Partner", partner)
    }
    assert requests["HOURS"]["before"] == "Mo 09:00-10:00"
    assert (requests["HOURS"]["locationId"], requests["HOURS"]["serviceId"]) == (located, None)

    await decide(api, world.coordinator, requests["HOURS"], entryVersion=saved.version)
    await decide(api, world.coordinator, requests["TITLE"], entryVersion=saved.version + 1)

    found = await sources.partner(database, ANONYMOUS, partner)
    assert found is not None
    assert found.name == "Träger Neu"
    assert found.locations[0].hours is not None
    assert found.locations[0].hours.osm == "Tu 14:00-18:00"


async def test_what_does_not_exist_any_more_is_hidden_when_accepted(
    api: Api, database: Database, world: World, service: UUID
) -> None:
    await suggest(api, service, "EXISTENCE", remark="Das Büro ist geschlossen.")
    [request] = await queue(api, world.coordinator, service, field="EXISTENCE")
    needs = await decide(api, world.coordinator, request)
    await decide(api, world.coordinator, request, entryVersion=2)

    assert (needs["field"], needs["reason"]) == ("entryVersion", "required")
    assert await sources.service(database, ANONYMOUS, service) is None


async def test_a_suggestion_without_a_value_is_settled_by_who_changes_the_entry(
    api: Api, world: World, service: UUID
) -> None:
    await suggest(api, service, "ELIGIBILITY", remark="Nehmen auch Menschen mit Duldung.")
    [request] = await queue(api, world.staff, service)
    saved = await decide(api, world.staff, request)

    assert request["proposed"] is None
    assert saved["changeRequest"]["state"] == "ACCEPTED"


async def test_a_rejected_one_changes_nothing_and_may_come_again(
    api: Api, database: Database, world: World, service: UUID
) -> None:
    before = await sources.service(database, ANONYMOUS, service)
    await suggest(api, service, "PHONE", value="0355 2222")
    [request] = await queue(api, world.staff, service)
    await decide(api, world.staff, request, accept=False)
    await suggest(api, service, "PHONE", value="0355 2222")
    [again] = await queue(api, world.staff, service)

    assert await sources.service(database, ANONYMOUS, service) == before
    assert again["id"] != request["id"]
    assert again["times"] == 1


async def test_the_same_suggestion_is_counted_not_doubled_another_stands_beside(
    api: Api, world: World, service: UUID
) -> None:
    for value in ("0355 2222", "+49 355 2222", "0355 3333"):
        await suggest(api, service, "PHONE", value=value)

    found = {one["proposed"]: one["times"] for one in await queue(api, world.staff, service)}
    assert found == {"+493552222": 2, "+493553333": 1}


async def test_who_was_slower_is_told_and_nothing_is_written(
    api: Api, database: Database, world: World, service: UUID
) -> None:
    await suggest(api, service, "PHONE", value="0355 2222")
    [request] = await queue(api, world.staff, service)
    stale = await decide(api, world.staff, request, entryVersion=1)
    twice = [await decide(api, world.staff, request, entryVersion=2) for _ in range(2)]

    assert (stale["__typename"], stale["current"]) == ("StaleVersionProblem", 2)
    assert [one["__typename"] for one in twice] == ["ChangeRequestSaved", "StaleVersionProblem"]
    found = await sources.service(database, ANONYMOUS, service)
    assert found is not None
    assert found.version == 3


async def test_what_is_not_public_is_not_there_for_anybody(
    api: Api, world: World, make: Maker, service: UUID
) -> None:
    draft = await make.service(world.partner, published=False)
    unpublished = await make.partner(world.municipality, "Entwurf", published=False)
    below = await make.service(unpublished)
    for token in (None, world.staff, world.lead):
        answers = [
            await suggest(api, draft, "PHONE", token, value="0355 2222"),
            await suggest(api, below, "PHONE", token, value="0355 2222"),
            await suggest(api, uuid4(), "PHONE", token, value="0355 2222"),
            await suggest(api, unpublished, "PHONE", token, kind="Partner", value="0355 2222"),
            await suggest(api, world.municipality, "PHONE", token, kind="Municipality", value="0355 2222"),
        ]
        assert len({(one["__typename"], one["message"]) for one in answers}) == 1
        assert answers[0]["__typename"] == "NotFoundProblem"
    for hidden in (draft, below):
        assert await queue(api, world.lead, hidden) == []


@pytest.mark.parametrize(
    ("field", "said", "where", "reason"),
    [
        ("PHONE", {"value": "x"}, "value", "phone"),
        ("PHONE", {}, "value", "required"),
        ("PHONE", {"value": "0355 1111"}, "value", "as-it-is"),
        ("EMAIL", {"value": "x"}, "value", "mail"),
        ("WEBSITE", {"value": "javascript:alert(1)"}, "value", "url"),
        ("DESCRIPTION", {"value": "x" * 5_001}, "value", "too-long"),
        ("DESCRIPTION", {"value": "x", "language": "Deutsch"}, "language", "language"),
        ("TITLE", {"value": "zwei\nZeilen"}, "value", "control-character"),
        ("CAPACITY", {"value": "VIELE"}, "value", "unknown-value"),
        ("HOURS", {"value": "Mo 09:00-10:00"}, "locationId", "required"),
        ("HOURS", {"value": "immer"}, "value", "hours"),
        ("ELIGIBILITY", {}, "remark", "required"),
        ("EXISTENCE", {"value": "x"}, "value", "not-possible"),
        ("PHONE", {"value": "0355 2222", "remark": "x" * 501}, "remark", "too-long"),
    ],
)
async def test_what_cannot_be_stored_is_refused(
    api: Api, world: World, service: UUID, field: str, said: Any, where: str, reason: str
) -> None:
    refused = await suggest(api, service, field, **said)

    assert (refused["__typename"], refused["field"]) == ("InvalidInputProblem", where)
    assert refused["reason"].lower().replace("_", "-") == reason
    assert await queue(api, world.staff, service) == []


async def test_a_flood_of_suggestions_waits(
    api: Api, world: World, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("directory.corrections.MOST_OPEN", 3)
    partner = await make.partner(world.municipality, "Vielbeachtet")
    service = await make.service(partner)
    found = [await suggest(api, service, "PHONE", value=f"0355 {20_000 + number}") for number in range(4)]

    assert [one["__typename"] for one in found] == [*["CorrectionTaken"] * 3, "InvalidInputProblem"]
    assert len(await queue(api, world.coordinator, service)) == 3


@pytest.mark.usefixtures("clock_stands")
async def test_how_often_one_address_suggests_something_is_limited(database: Database, service: UUID) -> None:
    limits = Limits(wrong_codes=100, presented_codes=3, wrong_codes_in_total=10**6)
    client = (f"203.0.113.{uuid4().int % 250}", 1)
    transport = httpx.ASGITransport(served(database, limits=limits), client=client)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        found = [await suggest(Api(http), service, "PHONE", value=f"0355 3{n}00") for n in range(4)]

    assert [one["__typename"] for one in found] == [*["CorrectionTaken"] * 3, "TooManyAttemptsProblem"]


async def test_the_queue_is_filtered_and_foreign_ones_are_not_in_it(
    api: Api, world: World, make: Maker, service: UUID
) -> None:
    other = await make.service(world.other_partner)
    await suggest(api, service, "PHONE", value="0355 2222")
    await suggest(api, service, "WEBSITE", value="https://neu.example.org/")
    await suggest(api, other, "PHONE", value="0355 2222")

    assert len(await queue(api, world.coordinator, service)) == 2
    assert len(await queue(api, world.coordinator, other, field="PHONE", source="PUBLIC")) == 1
    assert await queue(api, world.coordinator, service, source="PARTNER") == []
    assert len(await queue(api, world.staff, service)) == 2
    assert await queue(api, world.staff, other) == []
    of_other = await queue(api, world.coordinator, partnerId=global_id("Partner", world.other_partner))
    assert {one["partnerId"] for one in of_other} == {global_id("Partner", world.other_partner)}
    assert await queue(api, world.stranger) == []
    [foreign] = await queue(api, world.other_staff)
    refused = await decide(api, world.staff, foreign, entryVersion=2)
    assert refused["__typename"] == "NotFoundProblem"


async def test_freshness_is_public_and_old_figures_say_so(
    api: Api, database: Database, make: Maker, world: World
) -> None:
    service = await make.service(world.partner, capacity=Capacity(state=CapacityState.FEW))
    query = """query($id: ID!) { service(id: $id) {
      freshness { state stateLabel assuredAt dueOn kinds kindLabels hideOn }
      capacity { state current isCurrent currentLabel }
      partner { freshness { state } } } }"""
    fresh = (await api(query, {"id": global_id("Service", service)})).data["service"]
    async with database.work(SYSTEM) as work:
        row = await work.session.get_one(Service, service)
        long_ago = work.now - timedelta(days=400)
        row.assured_at, row.assured_kinds = long_ago, None
        row.capacity = Capacity(
            state=CapacityState.FEW, as_of=long_ago.date(), expires_on=(long_ago + timedelta(days=27)).date()
        )
        work.touch_document(DocumentKind.SERVICE, service)
    old = (await api(query, {"id": global_id("Service", service)})).data["service"]

    assert (fresh["freshness"]["state"], fresh["capacity"]["isCurrent"]) == ("FRESH", True)
    assert fresh["partner"]["freshness"]["state"] == "FRESH"
    assert old["freshness"]["state"] == "OVERDUE"
    assert old["freshness"]["kinds"] == ["CAPACITY", "CONTACT", "DESCRIPTION"]
    assert old["freshness"]["hideOn"] is None
    assert (old["capacity"]["state"], old["capacity"]["current"]) == ("FEW", "UNKNOWN")
    assert old["capacity"]["isCurrent"] is False
    assert "counts no more" in old["capacity"]["currentLabel"]


async def test_the_partner_is_told_once_of_a_suggestion(
    api: Api, database: Database, world: World, service: UUID
) -> None:
    for _ in range(3):
        await suggest(api, service, "PHONE", value="0355 2222")
    async with database.work(SYSTEM) as work:
        told = await work.session.scalar(
            text("SELECT count(*) FROM notice WHERE about_id = :id AND kind = 'CHANGE_REQUESTED'"),
            {"id": service},
        )

    assert told == 1
