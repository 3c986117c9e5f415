"""History, duplicates, mergings and translations through HTTP: what each kind of reader gets."""

from __future__ import annotations

import json
from typing import Any

from directory.database import Database
from tests.graphapi.asking import Api
from tests.graphapi.conftest import make_service

HISTORY = """query($id: ID!, $after: String) {
  entryHistory(id: $id, first: 2, after: $after) {
    totalCount
    nodes { version action role memberId reason organisation { name } changes { field before after } }
    pageInfo { hasNextPage endCursor }
  }
}"""
LIKE = "possibleDuplicates { points reasons reasonLabels title { text } entry { id } }"
PARTNER = f"... on PartnerSaved {{ partner {{ id version }} {LIKE} }}"
SERVICE = f"... on ServiceSaved {{ service {{ id version }} {LIKE} }}"


async def made(api: Api, world: Any, name: str, token: str | None = None) -> Any:
    return await api.change(
        "createPartner",
        {
            "municipalityId": world.id("Municipality", world.municipality),
            "kind": "FREE_PROVIDER",
            "name": name,
        },
        PARTNER,
        token=token or world.coordinator,
    )


async def test_history_tells_colleagues_who_and_others_only_which_organisation(api: Api, world: Any) -> None:
    partner = world.id("Partner", world.partner)
    query = "query($id: ID!) { partner(id: $id) { version } }"
    version = (await api(query, {"id": partner})).data["partner"]["version"]
    for token, name in ((world.staff, "Von innen"), (world.coordinator, "Von der Koordination")):
        saved = await api.change(
            "changePartner", {"id": partner, "expectedVersion": version, "name": name}, PARTNER, token=token
        )
        version = saved["partner"]["version"]

    answer = await api(HISTORY, {"id": partner}, token=world.staff)
    page = answer.data["entryHistory"]

    newest, before = page["nodes"]
    assert page["totalCount"] >= 3
    assert page["pageInfo"]["hasNextPage"]
    assert (newest["role"], newest["memberId"]) == ("COORDINATOR", None)
    assert before["memberId"] == world.id("Member", world.staff_member)
    assert before["organisation"]["name"] == "Von der Koordination"
    [change] = [change for change in newest["changes"] if change["field"] == "name"]
    assert (json.loads(change["before"]), json.loads(change["after"])) == (
        "Von innen", "Von der Koordination",
    )  # fmt: skip
    rest = await api(
        HISTORY, {"id": partner, "after": page["pageInfo"]["endCursor"]}, token=world.coordinator
    )
    assert rest.data["entryHistory"]["nodes"][0]["version"] < before["version"]
    for token in (world.other_staff, world.stranger):
        assert (await api(HISTORY, {"id": partner}, token=token)).codes == ["NOT_ALLOWED"]
    for cursor in ("x", "dmVyc2lvbnMfeA"):
        wrong = await api(HISTORY, {"id": partner, "after": cursor}, token=world.staff)
        assert wrong.codes == ["INVALID_INPUT"]


async def test_who_enters_something_twice_is_told(api: Api, world: Any) -> None:
    first = await made(api, world, "Förderverein Sprachbrücke e. V.")
    second = await made(api, world, "Foerderverein Sprachbruecke")
    assert first["possibleDuplicates"] == []

    [like] = second["possibleDuplicates"]

    assert like["entry"]["id"] == first["partner"]["id"]
    assert (like["reasons"], like["reasonLabels"]) == (["NAME"], ["similar name"])
    assert like["title"]["text"] == "Förderverein Sprachbrücke e. V."

    given = {
        "survivorId": first["partner"]["id"],
        "expectedVersion": 1,
        "mergedId": second["partner"]["id"],
        "mergedExpectedVersion": 1,
        "reason": "doppelt eingetragen",
    }
    merged = await api.change("mergePartners", given, PARTNER, token=world.coordinator)
    assert merged["partner"] == {"id": first["partner"]["id"], "version": 2}
    for query in ("partner(id: $id) { id }", "node(id: $id) { id }"):
        found = await api(
            f"query($id: ID!) {{ {query} }}", {"id": second["partner"]["id"]}, token=world.coordinator
        )
        assert next(iter(found.data.values()))["id"] == first["partner"]["id"]
    history = await api(HISTORY, {"id": second["partner"]["id"]}, token=world.coordinator)
    newest = history.data["entryHistory"]["nodes"][0]
    assert (newest["action"], newest["reason"]) == ("partner.merged_into", "doppelt eingetragen")

    back = await api.change(
        "restorePartner",
        {"id": second["partner"]["id"], "expectedVersion": 2, "version": 1},
        PARTNER,
        token=world.coordinator,
    )
    assert back["partner"]["id"] == second["partner"]["id"]
    gone = await api.change(
        "deletePartner",
        {"id": second["partner"]["id"], "expectedVersion": 3, "reason": "war doppelt"},
        "... on EntryDeleted { deletedId }",
        token=world.coordinator,
    )
    assert gone["deletedId"] == second["partner"]["id"]


async def test_a_translation_says_that_its_source_has_changed(api: Api, world: Any) -> None:
    """Readers see it at the text; who keeps the entry finds it in the list, and confirms it."""
    both = [{"language": "de", "text": "Beratung"}, {"language": "uk", "text": "Порада"}]
    service = await api.change(
        "createService",
        {"partnerId": world.id("Partner", world.partner), "kind": "COUNSELLING", "title": both},
        SERVICE,
        token=world.staff,
    )
    id_ = service["service"]["id"]
    both[0] = {"language": "de", "text": "Beratung nur noch donnerstags"}
    await api.change(
        "changeService", {"id": id_, "expectedVersion": 1, "title": both}, SERVICE, token=world.staff
    )
    query = """query($id: ID!) { service(id: $id) {
      sourceLanguage licence titles { language isStale sourceLanguage }
      title(language: "uk") { text isStale sourceLanguage } } }"""

    found = (await api(query, {"id": id_}, token=world.staff)).data["service"]

    assert found["title"] == {"text": "Порада", "isStale": True, "sourceLanguage": "de"}
    assert found["titles"] == [
        {"language": "de", "isStale": False, "sourceLanguage": None},
        {"language": "uk", "isStale": True, "sourceLanguage": "de"},
    ]
    listed = "{ staleTranslations(first: 100) { nodes { entryId texts { field languages } } } }"
    nodes = (await api(listed, token=world.staff)).data["staleTranslations"]["nodes"]
    assert {"entryId": id_, "texts": [{"field": "title", "languages": ["uk"]}]} in nodes
    await api.change(
        "confirmServiceTranslation",
        {"id": id_, "expectedVersion": 2, "language": "uk"},
        SERVICE,
        token=world.staff,
    )
    found = (await api(query, {"id": id_}, token=world.staff)).data["service"]
    assert found["title"]["isStale"] is False


PAIRS = """query($apart: Boolean, $first: Int, $after: String) {
  duplicatePairs(kind: PARTNER, notDuplicates: $apart, first: $first, after: $after) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage endCursor }
    nodes {
      points reasons entry { id } other { id } notDuplicates { id at memberId }
    }
  }
}"""
MARKED = "... on NotDuplicatesSaved { notDuplicates { id memberId } }"


async def pairs_of(api: Api, ids: set[str], token: str, **given: Any) -> list[Any]:
    """Return the pairs of these entries, from all pages."""
    found, after = [], None
    while True:
        page = (await api(PAIRS, {"first": 2, "after": after, **given}, token=token)).data["duplicatePairs"]
        assert page["totalCount"] >= len(page["nodes"]) <= 2
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        found += [one for one in page["nodes"] if {one["entry"]["id"], one["other"]["id"]} <= ids]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def test_the_coordination_says_that_two_are_different_ones_and_takes_it_back(
    api: Api, world: Any
) -> None:
    made_ones = [
        await made(api, world, name) for name in ("Hagebuttenhof e. V.", "Hof Hagebutten", "Hagebuttenhof")
    ]
    one, other, third = (each["partner"]["id"] for each in made_ones)
    ids = {one, other, third}
    before = await pairs_of(api, ids, world.coordinator)
    assert [pair["notDuplicates"] for pair in before] == [None] * len(before) and len(before) >= 1

    given = {"entryId": one, "otherId": third}
    said = (await api.change("markNotDuplicates", given, MARKED, token=world.coordinator))["notDuplicates"]
    assert said["memberId"] is not None
    left = await pairs_of(api, ids, world.coordinator)
    assert {frozenset((p["entry"]["id"], p["other"]["id"])) for p in before} - {
        frozenset((p["entry"]["id"], p["other"]["id"])) for p in left
    } == {frozenset((one, third))}
    [apart] = await pairs_of(api, ids, world.coordinator, apart=True)
    assert apart["notDuplicates"]["id"] == said["id"] and apart["points"] >= 60
    changed = await api.change(
        "changePartner",
        {"id": third, "expectedVersion": 1, "website": "https://example.org"},
        PARTNER,
        token=world.coordinator,
    )
    assert one not in {like["entry"]["id"] for like in changed["possibleDuplicates"]}

    gone = await api.change(
        "withdrawNotDuplicates",
        {"id": said["id"]},
        "... on NotDuplicatesWithdrawn { withdrawnId }",
        token=world.coordinator,
    )
    assert gone["withdrawnId"] == said["id"]
    assert len(await pairs_of(api, ids, world.coordinator)) == len(before)


async def test_what_is_told_apart_are_two_entries_of_one_kind(
    api: Api, world: Any, database: Database
) -> None:
    partner = world.id("Partner", world.partner)
    service = world.id("Service", await make_service(database, world.partner))
    for given, field in (
        ({"entryId": partner, "otherId": service}, "otherId"),
        ({"entryId": world.id("Member", world.partner), "otherId": partner}, "entryId"),
        ({"entryId": partner, "otherId": partner}, "otherId"),
    ):
        refused = await api.change("markNotDuplicates", given, MARKED, token=world.coordinator)
        assert (refused["__typename"], refused["field"]) == ("InvalidInputProblem", field)
    for after in ("x", "YWxpa2Ufbm9uc2Vuc2U"):
        answer = await api(PAIRS, {"after": after}, token=world.coordinator)
        assert [error["extensions"]["field"] for error in answer.body["errors"]] == ["after"]
