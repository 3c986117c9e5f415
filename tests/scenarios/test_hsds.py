"""The whole demo network as HSDS 3.2.3: what is served is valid, every parameter does its work."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from sqlalchemy import text

from directory.actors import SYSTEM
from directory.hsds import schemas
from graphapi import demo
from tests.hsds_validation import check, needs_published, patched_validator, profile_validator, validator
from tests.scenarios.conftest import COTTBUS, Demo

LISTS = ("services", "organizations", "service_at_locations", "taxonomies", "taxonomy_terms")
ONE = {
    "services": "service",
    "organizations": "organization",
    "service_at_locations": "service_at_location",
    "taxonomies": "taxonomy",
    "taxonomy_terms": "taxonomy_term",
}


SAMPLE = 5
"""How many entries of a list are validated each time; all of them in the slow test."""


class Hsds:
    """Asks the face; what goes wrong is said."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str, **parameters: Any) -> Any:
        answer = await self.http.get(f"/hsds/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def all(self, path: str, **parameters: Any) -> list[Any]:
        """Return what all pages have, after making sure that the pages fit together."""
        found: list[Any] = []
        page = 1
        while True:
            got = await self.get(path, page=page, per_page=60, **parameters)
            found += got["contents"]
            assert got["page_number"] == page
            assert got["size"] == len(got["contents"])
            assert got["first_page"] is (page == 1)
            assert got["empty"] is (not got["contents"])
            if got["last_page"]:
                assert got["total_items"] == len(found)
                assert got["total_pages"] == -(-len(found) // 60)
                return found
            page += 1

    async def lines(self, path: str, **parameters: Any) -> list[Any]:
        answer = await self.http.get(f"/hsds/{path}", params={"format": "ndjson", **parameters})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [msgspec.json.decode(line) for line in answer.content.splitlines()]


@pytest.fixture(scope="module")
async def hsds(network: Demo) -> AsyncIterator[Hsds]:
    yield Hsds(network.http)


@pytest.fixture(scope="module")
def file() -> Any:
    return msgspec.json.decode(demo.NETWORK.read_bytes())


class TestEverythingIsValid:
    """Against the published schemas where they are, with no member that they do not name."""

    @pytest.mark.parametrize("name", LISTS)
    async def test_lists_and_their_entries(self, hsds: Hsds, name: str) -> None:
        one = ONE[name]
        listed = one if name.startswith("taxonom") else f"{one}_list"
        entries = await hsds.all(name)
        assert entries
        assert len({entry["id"] for entry in entries}) == len(entries)
        for entry in entries:
            check(validator(listed), entry)
        single = await hsds.get(f"{name}/{entries[-1]['id']}")
        check(validator(one), single)
        assert single["id"] == entries[-1]["id"]

    @pytest.mark.parametrize(
        ("name", "parameters"),
        [
            ("services", {"full": "true"}),
            ("service_at_locations", {"full": "true"}),
            ("organizations", {"full": "true"}),
            ("organizations", {"full_service": "true"}),
        ],
    )
    async def test_in_full(self, hsds: Hsds, name: str, parameters: dict[str, str]) -> None:
        some = await hsds.all(name, **parameters)
        for entry in some[:: len(some) // SAMPLE + 1]:
            check(validator(ONE[name]), entry)

    @pytest.mark.parametrize("name", ["services", "organizations", "service_at_locations"])
    async def test_with_the_profile(self, hsds: Hsds, name: str) -> None:
        listed = await hsds.all(name, profile="de")
        for entry in listed[:: len(listed) // SAMPLE + 1]:
            check(profile_validator(f"{ONE[name]}_list"), entry)
        full = await hsds.lines(name, full="true", profile="de")
        for entry in full[:: len(full) // SAMPLE + 1]:
            check(profile_validator(ONE[name]), entry)

    @needs_published
    async def test_the_profile_patches_the_published_schemas(self, hsds: Hsds) -> None:
        some = await hsds.lines("organizations", full_service="true", profile="de")
        for entry in some[:: len(some) // SAMPLE + 1]:
            check(patched_validator("organization"), entry)

    @pytest.mark.slow
    async def test_without_exception(self, hsds: Hsds) -> None:
        """Validate every entry in every way: validators written in Python take their time."""
        for name in ("services", "organizations", "service_at_locations"):
            for entry in await hsds.lines(name, full="true"):
                check(validator(ONE[name]), entry)
            for entry in await hsds.lines(name, full="true", profile="de"):
                check(profile_validator(ONE[name]), entry)
        for entry in await hsds.lines("organizations", full_service="true"):
            check(validator("organization"), entry)

    async def test_minimal(self, hsds: Hsds) -> None:
        everything = await hsds.get("services", minimal="true")
        assert everything["total_pages"] == 1
        assert everything["total_items"] == everything["size"] == len(everything["contents"])
        for entry in everything["contents"]:
            check(validator("service_list"), entry)
            assert entry.keys() == {"id", "name", "status", "last_modified"}
        paged = await hsds.all("services", minimal="true")
        assert sorted(paged, key=lambda one: one["id"]) == everything["contents"]

    async def test_the_schemas_are_as_they_are_served(self, hsds: Hsds) -> None:
        index = await hsds.get("schema")
        assert set(index["schemas"]) == set(schemas.schema_names())
        for name in index["schemas"]:
            served = await hsds.get(f"schema/{name}.json")
            assert served["$id"] == index["schemas"][name]
            profile_validator(name).check_schema(served)


class TestParameters:
    async def test_streams_have_what_pages_have(self, hsds: Hsds) -> None:
        for name in LISTS:
            paged = {entry["id"]: entry for entry in await hsds.all(name)}
            streamed = await hsds.lines(name)
            assert {entry["id"]: entry for entry in streamed} == paged

    async def test_search_finds_what_the_search_finds_in_its_order(self, hsds: Hsds, network: Demo) -> None:
        found = await hsds.get("services", search="Sprachkurs", per_page=5)
        ours = await network.ask("search-services", None, input={"text": "Sprachkurs"}, first=5)
        assert [entry["name"] for entry in found["contents"]] == [
            edge["node"]["title"]["text"] for edge in ours["edges"]
        ]

    async def test_terms_and_taxonomies_add_up(self, hsds: Hsds) -> None:
        everything = await hsds.lines("services", full="true")
        terms = {
            service["id"]: {attribute["taxonomy_term_id"] for attribute in service["attributes"]}
            for service in everything
        }
        topic = next(
            attribute
            for service in everything
            for attribute in service["attributes"]
            if attribute["link_type"] == "topic"
        )
        status = next(
            attribute
            for service in everything
            for attribute in service["attributes"]
            if attribute["link_type"] == "eligibility"
        )
        for wanted in ([topic], [status], [topic, status]):
            ids = [one["taxonomy_term_id"] for one in wanted]
            expected = {id_ for id_, carried in terms.items() if carried.issuperset(ids)}
            assert {entry["id"] for entry in await hsds.all("services", taxonomy_term_id=ids)} == expected
        taxonomy = status["taxonomy_term"]["taxonomy_id"]
        carrying = await hsds.all("services", taxonomy_id=taxonomy)
        assert {entry["id"] for entry in carrying} == {
            service["id"]
            for service in everything
            if any(one["taxonomy_term"]["taxonomy_id"] == taxonomy for one in service["attributes"])
        }
        organisations = await hsds.all("organizations", taxonomy_term_id=topic["taxonomy_term_id"])
        assert {entry["id"] for entry in organisations} == {
            service["organization_id"]
            for service in everything
            if topic["taxonomy_term_id"] in terms[service["id"]]
        }

    async def test_services_of_an_organisation(self, hsds: Hsds) -> None:
        organisations = await hsds.all("organizations", full="true")
        biggest = max(organisations, key=lambda one: len(one.get("services", ())))
        mine = await hsds.all("services", organization_id=biggest["id"])
        assert [one["id"] for one in mine] == [one["id"] for one in biggest["services"]]
        places = await hsds.all("service_at_locations", organization_id=biggest["id"])
        assert {one["service_id"] for one in places} <= {one["id"] for one in mine}

    async def test_modified_after(self, hsds: Hsds) -> None:
        everything = await hsds.all("services")
        moments = sorted(one["last_modified"] for one in everything)
        assert len(await hsds.all("services", modified_after=moments[0])) == len(everything)
        assert await hsds.all("services", modified_after="2099-01-01") == []

    async def test_postcode_and_proximity(self, hsds: Hsds) -> None:
        places = await hsds.lines("service_at_locations", full="true", profile="de")
        middle = next(
            place["location"]
            for place in places
            if "latitude" in place["location"]
            and place["location"].get("municipality_key") == COTTBUS
            and "addresses" in place["location"]
        )
        postcode = middle["addresses"][0]["postal_code"]
        near = await hsds.all("service_at_locations", postcode=postcode, proximity="1000")
        far = await hsds.all("service_at_locations", postcode=postcode, proximity="1000000")
        assert 0 < len(near) < len(far)
        assert {one["id"] for one in near} <= {one["id"] for one in far}
        assert all("latitude" in one["location"] for one in far)
        serving = {one["id"] for one in await hsds.all("service_at_locations", postcode=postcode)}
        for place in places:
            areas = {area["extent"] for area in place["service"].get("service_areas", ())}
            if place["id"] not in serving:
                assert areas
                assert not any(COTTBUS.startswith(area) for area in areas)

    async def test_organisations_by_their_words(self, hsds: Hsds, file: Any) -> None:
        name = file["partners"][0]["name"]
        word = max(name.split(), key=len)
        found = await hsds.all("organizations", search=word.upper())
        assert name in {one["name"] for one in found}
        assert await hsds.all("organizations", search="xyzzyplugh") == []

    async def test_terms_by_taxonomy_and_parent(self, hsds: Hsds) -> None:
        topics = next(one for one in await hsds.all("taxonomies") if one["name"] == "Themen")
        terms = await hsds.all("taxonomy_terms", taxonomy_id=topics["id"])
        assert terms
        assert all(one["taxonomy_detail"] == topics for one in terms)
        top = await hsds.all("taxonomy_terms", taxonomy_id=topics["id"], top_only="true")
        assert [one for one in terms if "parent_id" not in one] == top
        parent = next((one["parent_id"] for one in terms if "parent_id" in one), None)
        if parent is not None:
            below = await hsds.all("taxonomy_terms", parent_id=parent)
            assert below == [one for one in terms if one.get("parent_id") == parent]

    async def test_nothing_found_is_an_empty_page(self, hsds: Hsds) -> None:
        found = await hsds.get("services", organization_id=str(uuid4()))
        assert found == {
            "total_items": 0,
            "total_pages": 0,
            "page_number": 1,
            "size": 0,
            "first_page": True,
            "last_page": True,
            "empty": True,
            "contents": [],
        }


async def test_exactly_what_is_published_is_there(hsds: Hsds, network: Demo) -> None:
    async with network.services.database.view(SYSTEM) as session:
        services = await session.scalars(
            text(
                "SELECT s.id FROM service s JOIN partner p ON p.id = s.partner_id"
                " WHERE s.state = 'PUBLISHED' AND p.state = 'PUBLISHED'"
            )
        )
        partners = await session.scalars(text("SELECT id FROM partner WHERE state = 'PUBLISHED'"))
    assert {one["id"] for one in await hsds.all("services")} == {str(id_) for id_ in services}
    assert {one["id"] for one in await hsds.all("organizations")} == {str(id_) for id_ in partners}


async def test_what_the_readme_shows(network: Demo) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    lines = re.findall(r"curl '?http://127\.0\.0\.1:8000(/hsds/[^' \n]*)", readme)
    assert len(lines) == 6
    for line in lines:
        answer = await network.http.get(line)
        assert answer.status_code == 200, answer.text
        assert "ndjson" in line or answer.json().get("empty") is not True


async def test_in_another_language(network: Demo) -> None:
    german = await network.http.get("/hsds/services", params={"per_page": "100"})
    english = await network.http.get(
        "/hsds/services", params={"per_page": "100"}, headers={"accept-language": "en"}
    )
    names = [{one["id"]: one["name"] for one in got.json()["contents"]} for got in (german, english)]
    assert names[0].keys() == names[1].keys()
    assert names[0] != names[1]
