"""The HSDS face over HTTP: who may see what, refusals, caches, other origins, streams, statements."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from sqlalchemy import text

from directory import catalogue
from directory.actors import SYSTEM
from directory.database import Database
from directory.hsds import pages
from directory.hsds.schemas import SPECIFICATION
from directory.models import EntryAlias
from directory.values import LanguageOffered, SourceTerm
from graphapi.app import application
from graphapi.context import Services
from graphapi.hsds import face
from graphapi.hsds.answers import REASONS
from graphapi.hsds.parameters import LISTS, PARAMETERS, SINGLES, Refused, read_parameters
from graphapi.limits import Limits
from graphapi.rendered import OVERHEAD, Rendered
from tests.graphapi.asking import Api
from tests.graphapi.conftest import World, make_partner, make_service, make_topic, make_world, served
from tests.hsds_validation import DATA, check, needs_published, published, validator


@pytest.fixture(scope="module")
async def town(database: Database) -> World:
    return await make_world(database)


@pytest.fixture
def http(api: Api) -> httpx.AsyncClient:
    return api.http


async def refused(http: httpx.AsyncClient, path: str, **parameters: Any) -> tuple[int, str, str | None]:
    """Return status, code and parameter of a refusal, after making sure that it can be read."""
    answer = await http.get(f"/hsds/{path}", params=parameters or None)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["detail"]
    assert "{" not in body["detail"]
    return answer.status_code, body["code"], body.get("parameter")


class TestWhoSeesWhat:
    async def test_drafts_hidden_ones_and_what_a_hidden_partner_offers_are_not_there(
        self, database: Database, http: httpx.AsyncClient, town: World
    ) -> None:
        draft = await make_service(database, town.partner, "Entwurf", published=False)
        hidden_partner = await make_partner(database, town.municipality, "Verborgen", published=False)
        theirs = await make_service(database, hidden_partner, "Von Verborgenen")
        for id_ in (draft, theirs, uuid4()):
            assert await refused(http, f"services/{id_}") == (404, "not-found", None)
        assert await refused(http, f"organizations/{hidden_partner}") == (404, "not-found", None)
        for list_ in ("services", "service_at_locations"):
            found = await http.get(f"/hsds/{list_}", params={"organization_id": str(hidden_partner)})
            assert found.json()["contents"] == []

    async def test_a_token_shows_nothing_more(
        self, database: Database, http: httpx.AsyncClient, town: World
    ) -> None:
        draft = await make_service(database, town.partner, "Entwurf", published=False)
        answer = await http.get(f"/hsds/services/{draft}", headers={"authorization": f"Bearer {town.staff}"})
        assert answer.status_code == 404

    async def test_hidden_later_it_is_gone_at_once(
        self, database: Database, http: httpx.AsyncClient, town: World
    ) -> None:
        shown = await make_service(database, town.partner, "Bald weg")
        assert (await http.get(f"/hsds/services/{shown}")).status_code == 200
        async with database.work(SYSTEM) as work:
            await catalogue.hide_service(work, shown, expected_version=2)
        assert await refused(http, f"services/{shown}") == (404, "not-found", None)

    async def test_a_deleted_one_says_so(
        self, database: Database, http: httpx.AsyncClient, town: World
    ) -> None:
        shown = await make_service(database, town.partner, "Gelöscht")
        async with database.work(SYSTEM) as work:
            await catalogue.hide_service(work, shown, expected_version=2)
        async with database.work(SYSTEM) as work:
            await work.session.execute(
                text("UPDATE change SET tombstone = true WHERE kind = 'SERVICE' AND id = :id"), {"id": shown}
            )
        assert await refused(http, f"services/{shown}") == (410, "gone", None)

    async def test_a_merged_one_leads_to_what_it_was_merged_into(
        self, database: Database, http: httpx.AsyncClient, town: World
    ) -> None:
        survivor = await make_service(database, town.partner, "Bleibt")
        merged = uuid4()
        async with database.work(SYSTEM) as work:
            work.session.add(EntryAlias(id=merged, kind="SERVICE", survivor_id=survivor, merged_at=work.now))
        answer = await http.get(f"/hsds/services/{merged}?profile=de")
        assert answer.status_code == 301
        assert answer.headers["location"] == f"http://test/hsds/services/{survivor}?profile=de"

    async def test_notes_are_for_nobody_here(
        self, database: Database, http: httpx.AsyncClient, town: World
    ) -> None:
        noted = await make_service(database, town.partner, "Mit Notiz", note="streng-intern-4711")
        for profile in ({}, {"profile": "de"}):
            answer = await http.get(f"/hsds/services/{noted}", params=profile)
            assert answer.status_code == 200
            assert "streng-intern" not in answer.text


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "parameters", "expected"),
        [
            ("services", {"per_page": "0"}, (400, "number", "per_page")),
            ("services", {"per_page": "101"}, (400, "number", "per_page")),
            ("services", {"per_page": "ten"}, (400, "number", "per_page")),
            ("services", {"page": "-1"}, (400, "number", "page")),
            ("services", {"page": "99999999999"}, (400, "number", "page")),
            ("services", {"format": "xml"}, (400, "one-of", "format")),
            ("services", {"full": "maybe"}, (400, "one-of", "full")),
            ("services", {"full": "1", "minimal": "1"}, (400, "not-together", "minimal")),
            ("services", {"format": "ndjson", "page": "2"}, (400, "not-together", "format")),
            ("services", {"taxonomy_term_id": "food"}, (400, "uuid", "taxonomy_term_id")),
            ("services", {"organization_id": "1"}, (400, "uuid", "organization_id")),
            ("services", {"organization_id": [str(uuid4())] * 2}, (400, "doubled", "organization_id")),
            ("services", {"modified_after": "yesterday"}, (400, "moment", "modified_after")),
            ("services", {"modified_after": "0001-01-01T00:00:00+14:00"}, (400, "moment", "modified_after")),
            ("services", {"postcode": "03046"}, (400, "unknown-parameter", "postcode")),
            ("services", {"sort": "name"}, (400, "unknown-parameter", "sort")),
            ("services", {"search": "x\0y"}, (400, "too-long", "search")),
            ("services", {"search": "x" * 501}, (400, "too-long", "search")),
            ("services", {"search": "x" * 3000}, (414, "query-too-long", None)),
            ("services", {"profile": "fr"}, (400, "profile", "profile")),
            ("service_at_locations", {"proximity": "100"}, (400, "needs", "proximity")),
            (
                "service_at_locations",
                {"postcode": "03046", "proximity": "near"},
                (400, "number", "proximity"),
            ),
            ("service_at_locations", {"postcode": "99999"}, (400, "postcode-unknown", "postcode")),
            (
                "service_at_locations",
                {"postcode": "99999", "proximity": "5"},
                (400, "postcode-unknown", "postcode"),
            ),
            ("taxonomy_terms", {"parent_id": "x"}, (400, "uuid", "parent_id")),
            ("services/not-a-uuid", {}, (404, "not-found", None)),
            ("services/" + "0" * 36, {}, (404, "not-found", None)),
            ("nothing", {}, (404, "not-found", None)),
            ("schema/nothing.json", {}, (404, "not-found", None)),
            ("schema/service", {}, (404, "not-found", None)),
            ("profile/address.json", {}, (404, "not-found", None)),
            ("", {"page": "1"}, (400, "unknown-parameter", "page")),
        ],
    )
    async def test_they_name_the_parameter(
        self,
        http: httpx.AsyncClient,
        path: str,
        parameters: dict[str, Any],
        expected: tuple[int, str, str | None],
    ) -> None:
        assert await refused(http, path, **parameters) == expected

    async def test_broken_bytes(self, http: httpx.AsyncClient) -> None:
        answer = await http.get("/hsds/services?search=%ff%fe")
        assert (answer.status_code, answer.json()["code"]) == (400, "query")

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    async def test_nothing_can_be_changed(self, http: httpx.AsyncClient, method: str) -> None:
        answer = await http.request(method, "/hsds/services")
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"
        assert answer.json()["code"] == "method"

    @pytest.mark.parametrize("path", ["", f"services/{UUID(int=1)}", "openapi.json", "profile"])
    async def test_what_is_no_list_is_not_posted_to(self, http: httpx.AsyncClient, path: str) -> None:
        answer = await http.post(f"/hsds/{path}")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert (await http.options(f"/hsds/{path}")).headers["allow"] == "GET, HEAD, OPTIONS"

    @pytest.mark.parametrize(
        "name", ["services", "organizations", "service_at_locations", "taxonomies", "taxonomy_terms"]
    )
    async def test_a_list_is_asked_with_post_as_the_specification_has_it(
        self, http: httpx.AsyncClient, name: str
    ) -> None:
        asked = f"/hsds/{name}?per_page=2"
        read = await http.get(asked)
        posted = await http.post(asked, headers={"if-none-match": read.headers["etag"]})
        assert (posted.status_code, posted.json()) == (200, read.json())

    async def test_parameters_that_would_not_be_read_are_refused(self, http: httpx.AsyncClient) -> None:
        answer = await http.post("/hsds/services", json={"search": "Kurs"})
        assert (answer.status_code, answer.json()["code"]) == (400, "body")

    async def test_they_are_in_the_callers_language(self, http: httpx.AsyncClient) -> None:
        answers = [
            (await http.get("/hsds/services?page=0", headers={"accept-language": tag})).json()["detail"]
            for tag in ("de", "en")
        ]
        assert answers[0] != answers[1]

    def test_each_has_both_languages_and_fills_the_same_blanks(self) -> None:
        for texts in REASONS.values():
            assert texts.keys() == {"de", "en"}
            german, english = (set(re.findall(r"\{(\w+)\}", texts[tag])) for tag in ("de", "en"))
            assert german == english

    async def test_without_an_index_a_search_says_to_come_back(self, http: httpx.AsyncClient) -> None:
        answer = await http.get("/hsds/services?search=Beratung")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0

    async def test_a_database_that_is_away_says_to_come_back(self) -> None:
        away = Database(
            "postgresql://spurwechsel_app@127.0.0.1:9/x", "postgresql://spurwechsel_reader@127.0.0.1:9/x"
        )
        await away.start()
        transport = httpx.ASGITransport(application(Services(database=away, limits=Limits())))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            for path in ("services", "services?format=ndjson", f"services/{uuid4()}", "taxonomies"):
                assert await refused(http, path) == (503, "unavailable", None)
        await away.stop()

    @pytest.mark.parametrize(
        ("given", "moment"),
        [
            ("2026-11-22", "2026-11-22T00:00:00+00:00"),
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00+00:00"),
            ("2026-11-22T10:00:00%2B01:00", "2026-11-22T09:00:00+00:00"),
            ("2026-11-22T10:00:00+01:00", "2026-11-22T09:00:00+00:00"),
            ("2026-11-22T10:00:00.123Z", "2026-11-22T10:00:00.123000+00:00"),
        ],
    )
    def test_moments(self, given: str, moment: str) -> None:
        asked = read_parameters(f"modified_after={given}".encode(), LISTS["services"])
        assert asked.modified_after is not None
        assert asked.modified_after.isoformat() == moment

    def test_an_empty_value_is_none(self) -> None:
        assert read_parameters(b"search=&page=&organization_id=&full=", LISTS["services"]).search is None

    def test_a_query_of_many_fields_is_refused(self) -> None:
        with pytest.raises(Refused):
            read_parameters(b"&".join([b"page=1"] * 61), LISTS["services"])


class TestHeaders:
    async def test_every_origin_may_read_and_nothing_else(self, http: httpx.AsyncClient) -> None:
        asked = {"origin": "https://elsewhere.example", "access-control-request-method": "GET"}
        answer = await http.options("/hsds/services", headers=asked)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST, OPTIONS"
        for got in (answer, await http.get("/hsds/", headers=asked)):
            assert got.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in got.headers

    async def test_an_unchanged_answer_is_not_sent_again(
        self, database: Database, http: httpx.AsyncClient, town: World
    ) -> None:
        mine = await make_service(database, town.partner, "Unverändert")
        path = f"/hsds/services/{mine}"
        first = await http.get(path)
        etag = first.headers["etag"]
        assert first.headers["cache-control"] == "public, max-age=60"
        assert first.headers["last-modified"].endswith("GMT")
        again = await http.get(path, headers={"if-none-match": f'"other", W/{etag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        async with database.work(SYSTEM) as work:
            changed = catalogue.ServiceChange(title={"de": "Verändert"})
            await catalogue.change_service(work, mine, changed, expected_version=2)
        again = await http.get(path, headers={"if-none-match": etag})
        assert again.status_code == 200
        assert again.json()["name"] == "Verändert"

    async def test_head_has_the_headers_only(self, http: httpx.AsyncClient) -> None:
        for path in ("/hsds/services", "/hsds/", "/hsds/services?format=ndjson"):
            head, whole = await http.head(path), await http.get(path)
            assert head.content == b""
            for name in ("content-type", "access-control-allow-origin"):
                assert head.headers[name] == whole.headers[name]

    async def test_the_profile_is_followed_only_where_it_is_asked_for(
        self, database: Database, http: httpx.AsyncClient, town: World
    ) -> None:
        mine = await make_service(database, town.partner, "Mit Profil")
        path = f"/hsds/services/{mine}"
        plain = await http.get(path, headers={"accept": "application/json"})
        assert plain.headers["content-type"] == "application/json"
        assert "municipality_key" not in plain.json()
        assert "link" not in plain.headers
        profile = (await http.get("/hsds/")).json()["profile"]
        for given in (
            {"params": {"profile": "de"}},
            {"params": {"profile": profile}},
            {"headers": {"accept-profile": f"<{profile}>"}},
            {"headers": {"accept": f'application/json; profile="{profile}"'}},
        ):
            answer = await http.get(path, **given)
            assert answer.json()["municipality_key"]
            assert answer.headers["link"] == f'<{profile}>; rel="profile"'
            assert answer.headers["content-type"] == f'application/json; profile="{profile}"'
            assert answer.headers["etag"] != plain.headers["etag"]
            assert "Accept-Profile" in answer.headers["vary"]


class TestRendered:
    def test_it_keeps_what_was_used_last(self) -> None:
        kept = Rendered(3 * (OVERHEAD + 1))
        written: list[str] = []

        def ask(key: str) -> bytes:
            def write() -> bytes:
                written.append(key)
                return key.encode()

            return kept.give(key, write)

        for key in ("a", "b", "c", "a", "d", "a", "b"):
            assert ask(key) == key.encode()
        assert written == ["a", "b", "c", "d", "b"]

    async def test_a_page_follows_a_change_of_the_partner(
        self, database: Database, http: httpx.AsyncClient, town: World
    ) -> None:
        partner = await make_partner(database, town.municipality, "Alter Name")
        await make_service(database, partner)
        path = f"/hsds/services?organization_id={partner}"
        before = (await http.get(path)).json()["contents"]
        async with database.work(SYSTEM) as work:
            change = catalogue.PartnerChange(name="Neuer Name")
            await catalogue.change_partner(work, partner, change, expected_version=2)
        after = (await http.get(path)).json()["contents"]
        assert [one["organization"]["name"] for one in (*before, *after)] == ["Alter Name", "Neuer Name"]


class TestAbout:
    async def test_it_names_version_profile_and_description(self, http: httpx.AsyncClient) -> None:
        for path in ("/hsds", "/hsds/"):
            about = (await http.get(path)).json()
            assert about["version"] == "3.2.3"
            for url in (about["profile"], about["openapi_url"]):
                assert (await http.get(url)).status_code == 200

    async def test_a_host_that_is_none_is_not_repeated(self, http: httpx.AsyncClient) -> None:
        answer = await http.get("/hsds/", headers={"host": 'x"><script>'})
        assert "script" not in answer.text

    async def test_the_public_address_counts_where_it_is_known(self, database: Database) -> None:
        services = Services(database=database, limits=Limits(), public_url="https://netz.example")
        transport = httpx.ASGITransport(application(services))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://inside:8000") as http:
            assert (await http.get("/hsds/")).json()[
                "openapi_url"
            ] == "https://netz.example/hsds/openapi.json"

    async def test_the_description_describes_exactly_what_is_served(self, http: httpx.AsyncClient) -> None:
        described = (await http.get("/hsds/openapi.json")).json()
        assert described["openapi"] == "3.1.0"
        for name, allowed in LISTS.items():
            listed = described["paths"][f"/{name}"]
            assert listed.keys() == {"get", "post"}
            assert listed["post"]["parameters"] == listed["get"]["parameters"]
            names = [one["$ref"].rpartition("/")[2] for one in listed["get"]["parameters"]]
            assert sorted(names) == sorted(allowed)
            single = described["paths"][f"/{name}/{{id}}"]["get"]["parameters"]
            assert [one["$ref"].rpartition("/")[2] for one in single] == list(SINGLES[name])
            assert (await http.get(f"/hsds/{name}")).status_code == 200
        assert set(described["components"]["parameters"]) == set(PARAMETERS)
        for reference in set(re.findall(r'"\$ref": *"([^"]+)"', msgspec.json.encode(described).decode())):
            if reference.startswith("#/"):
                found: Any = described
                for step in reference[2:].split("/"):
                    found = found[step]
            elif not reference.startswith(SPECIFICATION):
                assert (await http.get(reference)).status_code == 200

    @needs_published
    async def test_nothing_of_the_specification_is_missing(self, http: httpx.AsyncClient) -> None:
        theirs = published("schema/openapi.json")
        ours = (await http.get("/hsds/openapi.json")).json()
        for path, methods in theirs["paths"].items():
            assert methods.keys() - {"parameters"} <= ours["paths"][path].keys()
            wanted = {
                one.get("name") or one["$ref"].rpartition("/")[2]
                for one in methods["get"].get("parameters", ())
            }
            have = {
                one["$ref"].rpartition("/")[2] for one in ours["paths"][path]["get"].get("parameters", ())
            }
            assert wanted <= have, path
            assert ours["paths"][path]["get"]["operationId"] == methods["get"]["operationId"]
            assert ours["paths"][path]["get"]["tags"] == methods["get"]["tags"]

    async def test_the_parts_of_the_profile(self, http: httpx.AsyncClient) -> None:
        index = (await http.get("/hsds/profile")).json()
        for url in (*index["patches"].values(), index["openapi_url"], *index["schemas"].values()):
            answer = await http.get(url)
            assert answer.status_code == 200
            assert isinstance(answer.json(), dict)
        patch = await http.get(index["patches"]["service"])
        assert patch.headers["content-type"] == "application/merge-patch+json"
        assert "eligibility_rules" in patch.json()["properties"]


class TestStreams:
    async def test_too_many_at_once_are_told_to_come_back(
        self, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(face, "STREAMS", 0)
        for path in ("services?format=ndjson", "services?minimal=true", "taxonomies?format=ndjson"):
            assert await refused(http, path) == (503, "busy", None)

    async def test_a_place_is_given_back(self, http: httpx.AsyncClient, town: World) -> None:
        for _ in range(face.STREAMS + 1):
            answer = await http.get(
                "/hsds/services", params={"format": "ndjson", "organization_id": str(town.partner)}
            )
            assert answer.status_code == 200

    async def test_whoever_goes_away_is_sent_no_more(self, database: Database) -> None:
        """The next piece after the disconnect is the last that is made."""
        made = 0

        async def rows() -> AsyncIterator[list[Any]]:
            nonlocal made
            for made in range(1_000):  # noqa: B007 - told afterwards
                yield [{"x": "y" * face.PIECE_BYTES}]

        served_face = face.HsdsFace(Services(database=database, limits=Limits()))
        answer = await served_face._streamed(read_parameters(b"format=ndjson", LISTS["services"]), rows())
        sent = 0
        leaving = asyncio.Event()

        async def receive() -> Any:
            await leaving.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal sent
            sent += 1
            if sent == 4:
                leaving.set()
            await asyncio.sleep(0)

        scope: Any = {"method": "GET", "headers": [], "path": "/hsds/services", "query_string": b""}
        visit = face.Visit(scope, served_face.services)
        assert answer.pieces is not None
        await served_face._stream(visit, answer, answer.pieces, receive, send)
        assert made < 10
        assert served_face._streams == 0

    async def test_chunks_fit_together(
        self, database: Database, town: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        partner = await make_partner(database, town.municipality, "Viele")
        made = {await make_service(database, partner, f"Angebot {n}") for n in range(7)}
        monkeypatch.setattr(pages, "CHUNK", 3)
        wanted = pages.Wanted(organization_id=partner)
        chunks = [chunk async for chunk in pages.services_in_chunks(database, wanted)]
        assert [len(chunk) for chunk in chunks] == [3, 3, 1]
        assert [row.service.id for chunk in chunks for row in chunk] == sorted(made)


async def test_an_organisation_with_too_many_services_says_what_to_do(
    database: Database, http: httpx.AsyncClient, town: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = await make_partner(database, town.municipality, "Zu viele")
    for n in range(3):
        await make_service(database, partner, f"Angebot {n}")
    monkeypatch.setattr(face, "MOST_NESTED", 2)
    path = f"organizations/{partner}"
    assert await refused(http, path, full_service="true") == (400, "too-many-services", None)
    simple = (await http.get(f"/hsds/{path}")).json()
    assert len(simple["services"]) == 3
    check(validator("organization"), simple)


async def test_terms_of_a_source_become_a_taxonomy(
    database: Database, http: httpx.AsyncClient, town: World
) -> None:
    vocabulary = f"Quelle {uuid4().hex[:8]}"
    mine = await make_service(database, town.partner, "Aus einer Quelle")
    async with database.work(SYSTEM) as work:
        await work.session.execute(
            text("UPDATE service SET source_terms = CAST(:terms AS jsonb) WHERE id = :id"),
            {
                "id": mine,
                "terms": msgspec.json.encode(
                    [SourceTerm(code="BD-1800", name="Food", vocabulary=vocabulary)]
                ).decode(),
            },
        )
        work.touch_service(mine)
    (taxonomy,) = (await http.get("/hsds/taxonomies", params={"search": vocabulary})).json()["contents"]
    assert taxonomy["name"] == vocabulary
    terms = (await http.get("/hsds/taxonomy_terms", params={"taxonomy_id": taxonomy["id"]})).json()
    (term,) = terms["contents"]
    assert (term["code"], term["name"], term["taxonomy_detail"]) == ("BD-1800", "Food", taxonomy)
    for parameters in ({"taxonomy_id": taxonomy["id"]}, {"taxonomy_term_id": term["id"]}):
        found = (await http.get("/hsds/services", params=parameters)).json()
        assert [one["id"] for one in found["contents"]] == [str(mine)]
    single = (await http.get(f"/hsds/taxonomy_terms/{term['id']}")).json()
    assert single == term
    check(validator("taxonomy_term"), single)


async def test_a_new_topic_is_a_term(database: Database, http: httpx.AsyncClient) -> None:
    code = await make_topic(database, de="Neues Thema", en="New topic")
    found = (await http.get("/hsds/taxonomy_terms", params={"search": code})).json()["contents"]
    assert [(one["code"], one["name"], one["description"]) for one in found] == [
        (code, "Neues Thema", "New topic")
    ]


async def test_postcodes_are_told_by_published_places(
    database: Database, http: httpx.AsyncClient, town: World
) -> None:
    partner = await make_partner(database, town.municipality, "An zwei Orten")
    postcode = f"{uuid4().int % 10**9:09d}"
    ids: list[UUID] = []
    async with database.work(SYSTEM) as work:
        version = 2
        for name, latitude in (("Nord", 51.77), ("Süd", 51.75)):
            location, saved = await catalogue.add_location(
                work,
                partner,
                catalogue.LocationDraft(
                    name=name, postcode=postcode, city="Cottbus", latitude=latitude, longitude=14.33
                ),
                expected_version=version,
            )
            ids.append(location)
            version = saved.version
    mine = await make_service(database, partner, "Hier", location_ids=tuple(ids))

    async def near(metres: int) -> list[str]:
        answer = await http.get(
            "/hsds/service_at_locations",
            params={"postcode": postcode, "proximity": str(metres), "organization_id": str(partner)},
        )
        return [one["location"]["name"] for one in answer.json()["contents"]]

    # the middle lies 0.01 degrees of latitude from both, some 1,112 metres
    assert await near(1_100) == []
    assert await near(1_125) == ["Nord", "Süd"]
    (first, _) = (
        await http.get("/hsds/service_at_locations", params={"organization_id": str(partner)})
    ).json()["contents"]
    whole = (await http.get(f"/hsds/service_at_locations/{first['id']}")).json()
    check(validator("service_at_location"), whole)
    assert (whole["service"]["id"], whole["location"]["name"]) == (str(mine), "Nord")


@pytest.fixture(scope="module")
async def asking(
    app_url: str, reader_url: str, town: World, database: Database
) -> AsyncIterator[tuple[httpx.AsyncClient, list[str]]]:
    for n in range(5):
        await make_service(
            database, town.partner, f"Gezählt {n}", languages=(LanguageOffered(language="ti"),)
        )
    opened = Database(app_url, reader_url, pool_size=1)
    await opened.start()
    statements: list[str] = []

    def hear(record: Any) -> None:
        statements.append(record.query)

    async with opened.reader.acquire() as connection:
        connection._con.add_query_logger(hear)  # type: ignore[attr-defined]
    transport = httpx.ASGITransport(served(opened))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http, statements
    await opened.stop()


class TestStatements:
    """A page is one statement, however many entries it has and however much belongs to them."""

    @pytest.mark.parametrize(
        ("path", "most"),
        [
            ("services", 1),
            ("services?full=true", 1),
            ("services?minimal=true", 1),
            ("services?taxonomy_id=881cea63-06c0-4ea4-95c0-ff8c16c20ed3&modified_after=2020-01-01", 1),
            ("service_at_locations?full=true", 1),
            ("organizations", 1),
            ("organizations?full=true", 2),
            ("organizations?full_service=true", 2),
            ("services/{service}", 1),
            ("organizations/{partner}", 2),
        ],
    )
    async def test_of_a_page(
        self,
        asking: tuple[httpx.AsyncClient, list[str]],
        town: World,
        database: Database,
        path: str,
        most: int,
    ) -> None:
        http, statements = asking
        if "{service}" in path:
            mine = await make_service(database, town.partner, "Einzeln")
            path = path.replace("{service}", str(mine))
        path = path.replace("{partner}", str(town.partner))
        if "?" in path and "organization" not in path:
            path += f"&organization_id={town.partner}"
        await http.get(f"/hsds/{path}")
        statements.clear()
        answer = await http.get(f"/hsds/{path}")
        assert answer.status_code == 200, answer.text
        assert len(statements) == most, statements


def test_the_published_schemas_are_not_in_this_repository() -> None:
    """They stand under a licence of their own; ours are generated."""
    root = Path(__file__).parents[2]
    assert not DATA.is_relative_to(root)
    for folder in ("directory/hsds", "graphql/graphapi/hsds"):
        assert {one.suffix for one in (root / folder).iterdir() if one.is_file()} == {".py"}
