"""GraphQL over HTTP: media types, status codes, methods, sign-in, masking, logging."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
import strawberry
import structlog

from directory import membership
from directory.actors import SYSTEM, Actor, Role
from directory.database import Database, Unavailable
from directory.problems import InvalidInput
from graphapi.context import Info, Services
from graphapi.endpoint import GraphQLEndpoint, Schema, accepted_media_type, wants_page
from graphapi.limits import Judged, Limits
from tests.graphapi.asking import Api

RESPONSE = "application/graphql-response+json"
JSON = "application/json"
ME = "{ me { role } }"
MUTATION = (
    'mutation { createToken(input: {idempotencyKey: "12345678", memberId: "x", label: "y"}) { __typename } }'
)


@pytest.fixture
def http(api: Api) -> httpx.AsyncClient:
    return api.http


async def post(http: httpx.AsyncClient, content: bytes, **headers: str) -> httpx.Response:
    given = {"content-type": JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await http.post("/graphql", content=content, headers=given)


def code(response: httpx.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


class TestMediaTypes:
    @pytest.mark.parametrize(
        ("accept", "expected"),
        [
            (None, RESPONSE),
            ("*/*", RESPONSE),
            (RESPONSE, RESPONSE),
            (JSON, JSON),
            (f"{JSON}, {RESPONSE};q=0.9", JSON),
            (f"{RESPONSE}, {JSON};q=0.9", RESPONSE),
            ("application/*", RESPONSE),
            (f"{RESPONSE};q=0, {JSON}", JSON),
            ("application/json, multipart/mixed", JSON),
            ("text/html", None),
            ("application/xml", None),
            ("*/*;q=0", None),
        ],
    )
    def test_accept(self, accept: str | None, expected: str | None) -> None:
        assert accepted_media_type(accept) == expected

    def test_a_browser_wants_the_page(self) -> None:
        assert wants_page("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        assert not wants_page("*/*")

    @pytest.mark.parametrize("accept", [RESPONSE, JSON])
    async def test_the_answer_says_what_it_is(self, http: httpx.AsyncClient, accept: str) -> None:
        response = await http.post("/graphql", json={"query": ME}, headers={"accept": accept})

        assert response.status_code == 200
        assert response.headers["content-type"] == f"{accept}; charset=utf-8"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.json() == {"data": {"me": {"role": "ANONYMOUS"}}}

    async def test_not_acceptable(self, http: httpx.AsyncClient) -> None:
        response = await http.post("/graphql", json={"query": ME}, headers={"accept": "application/xml"})

        assert (response.status_code, code(response)) == (406, "NOT_ACCEPTABLE")

    @pytest.mark.parametrize(
        "content_type",
        ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""],
    )
    async def test_unsupported(self, http: httpx.AsyncClient, content_type: str) -> None:
        response = await post(http, b'{"query": "{ me { role } }"}', content_type=content_type)

        assert (response.status_code, code(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


class TestRequests:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"null",
            b'"text"',
            b"{}",
            b'{"query": 7}',
            b'{"query": null}',
            b'{"query": "{ me { role } }", "variables": []}',
            b'{"query": "{ me { role } }", "operationName": 3}',
            b'[{"query": "{ me { role } }"}]',
            b'{"query": "\xff\xfe"}',
            b'{"query": "{ me { role } }", "variables": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        ],
    )
    @pytest.mark.parametrize("accept", [RESPONSE, JSON])
    async def test_what_is_no_request_is_refused(
        self, http: httpx.AsyncClient, content: bytes, accept: str
    ) -> None:
        response = await post(http, content, accept=accept)

        assert (response.status_code, code(response)) == (400, "BAD_REQUEST")
        assert "data" not in response.json()

    @pytest.mark.parametrize(
        "query",
        ["", "{", "{ me { role }", "hello", "{ nothingLikeThis }", "{ me }", "{ me { role(a: 1) } }", "{ }"],
    )
    async def test_malformed_graphql_is_a_4xx_under_the_new_media_type(self, api: Api, query: str) -> None:
        answer = await api(query)

        assert (answer.status, answer.codes[0]) == (400, "DOCUMENT_NOT_VALID")

    async def test_and_200_under_the_old_one_as_the_specification_says(self, api: Api) -> None:
        answer = await api("{ nothingLikeThis }", accept=JSON)

        assert (answer.status, answer.codes) == (200, ["DOCUMENT_NOT_VALID"])

    async def test_variables_that_do_not_fit(self, api: Api) -> None:
        answer = await api("query($n: Int!) { services(first: $n) { nodes { id } } }", {"n": "zwei"})

        assert (answer.status, answer.codes) == (400, ["REQUEST_NOT_VALID"])

    async def test_which_operation_must_be_said(self, http: httpx.AsyncClient) -> None:
        document = "query A { me { role } } query B { me { administers } }"
        silent = await http.post("/graphql", json={"query": document})
        unknown = await http.post("/graphql", json={"query": document, "operationName": "C"})
        said = await http.post("/graphql", json={"query": document, "operationName": "B"})

        assert (silent.status_code, unknown.status_code) == (400, 400)
        assert said.json() == {"data": {"me": {"administers": False}}}

    async def test_extensions_and_unknown_keys_are_allowed(self, http: httpx.AsyncClient) -> None:
        response = await http.post("/graphql", json={"query": ME, "extensions": {"a": 1}, "other": 2})

        assert response.status_code == 200


class TestGet:
    async def test_a_query_by_get(self, http: httpx.AsyncClient) -> None:
        query = quote("query A($first: Int!) { services(first: $first) { nodes { id } } }")
        variables = quote('{"first": 1}')
        response = await http.get(f"/graphql?query={query}&variables={variables}&operationName=A")

        assert response.status_code == 200
        assert "data" in response.json()

    async def test_a_mutation_by_get_is_refused(self, http: httpx.AsyncClient) -> None:
        response = await http.get(f"/graphql?query={quote(MUTATION)}")

        assert (response.status_code, response.headers["allow"]) == (405, "POST")

    @pytest.mark.parametrize("parameters", ["", "?query=%FF", "?query=%7Bme%7Brole%7D%7D&variables=%5B%5D"])
    async def test_malformed(self, http: httpx.AsyncClient, parameters: str) -> None:
        response = await http.get(f"/graphql{parameters}")

        assert (response.status_code, code(response)) == (400, "BAD_REQUEST")

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
    async def test_other_methods(self, http: httpx.AsyncClient, method: str) -> None:
        response = await http.request(method, "/graphql")

        assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


class TestSize:
    async def test_a_large_body_is_refused(self, http: httpx.AsyncClient) -> None:
        response = await post(http, b'{"query": "' + b" " * 200_001 + b'"}')

        assert (response.status_code, code(response)) == (413, "LIMIT_EXCEEDED")

    async def test_while_it_streams_without_a_length(self, http: httpx.AsyncClient) -> None:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while sent < 10_000_000:
                sent += 10_000
                yield b" " * 10_000

        response = await http.post("/graphql", content=endless(), headers={"content-type": JSON})

        assert response.status_code == 413
        assert sent < 5_000_000


class TestSignIn:
    @pytest.mark.parametrize(
        "authorization",
        [
            "Bearer spw_" + "A" * 43,
            "Bearer spw_short",
            "Bearer something-else",
            "Bearer",
            "Basic dXNlcjpwYXNz",
            "Bearer spw_ä",
        ],
    )
    async def test_an_unknown_token_is_401(self, http: httpx.AsyncClient, authorization: str) -> None:
        response = await http.post(
            "/graphql", json={"query": ME}, headers={b"authorization": authorization.encode()}
        )

        assert (response.status_code, code(response)) == (401, "TOKEN_NOT_VALID")
        assert response.headers["www-authenticate"].startswith("Bearer")

    async def test_a_token_signs_in(self, api: Api, world: Any) -> None:
        answer = await api("{ me { role administers member { name } partner { id } } }", token=world.staff)

        assert answer.data["me"] == {
            "role": "PARTNER_MEMBER",
            "administers": True,
            "member": {"name": "Mitglied"},
            "partner": {"id": world.id("Partner", world.partner)},
        }

    async def test_a_revoked_token_ends_at_once(
        self, api: Api, world: Any, make: Any, database: Database
    ) -> None:

        member, secret = await make.member(world.partner, Role.PARTNER_MEMBER)
        assert (await api(ME, token=secret)).status == 200
        async with database.view(SYSTEM) as session:
            tokens = await membership.tokens(session, SYSTEM, member)
        async with database.work(SYSTEM) as work:
            await membership.revoke_token(work, tokens[0].id)

        assert (await api(ME, token=secret)).status == 401

    async def test_a_closed_field_is_401_without_a_token_and_runs_nothing(self, api: Api, world: Any) -> None:
        query = "query($id: ID!) { members(partnerId: $id) { name } }"
        answer = await api(query, {"id": world.id("Partner", world.partner)})

        assert (answer.status, answer.codes, answer.body.get("data")) == (401, ["NOT_SIGNED_IN"], None)


# --- an endpoint of its own, whose resolvers fail in all ways


@strawberry.type
class Failing:
    @strawberry.field
    def bug(self) -> str | None:
        raise RuntimeError("Fatma Yılmaz, 0355 1234")

    @strawberry.field
    def problem(self) -> str | None:
        raise InvalidInput("name", "too-long", maximum="5")

    @strawberry.field
    async def gone(self) -> str | None:
        raise Unavailable("no route")

    @strawberry.field
    async def slow(self, info: Info) -> str:
        await asyncio.sleep(0)
        return info.context.language


async def nobody(token: str) -> Actor | None:
    return None


@pytest.fixture
async def failing(database: Database) -> AsyncIterator[Api]:
    endpoint = GraphQLEndpoint(
        Schema(query=Failing, extensions=[Judged]),
        Services(database=database, limits=Limits()),
        nobody,
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(endpoint),  # type: ignore[arg-type]
        base_url="http://test",
    ) as http:
        yield Api(http)


class TestFailures:
    async def test_a_bug_is_masked_and_can_be_found_in_the_log(
        self, failing: Api, caplog: pytest.LogCaptureFixture
    ) -> None:
        with structlog.testing.capture_logs() as logs:
            answer = await failing("{ bug slow }")

        error = answer.body["errors"][0]
        assert answer.status == 200
        assert answer.body["data"] == {"bug": None, "slow": "en"}
        assert error["message"] == "Unexpected error."
        assert error["path"] == ["bug"]
        logged = next(entry for entry in logs if entry["event"] == "unexpected")
        assert logged["request_id"] == error["extensions"]["requestId"] == answer.headers["x-request-id"]
        assert logged["error"] == "builtins.RuntimeError"
        assert "Fatma" not in str(logs)
        assert "Fatma" not in caplog.text

    async def test_a_problem_is_shown_in_the_callers_language(self, failing: Api) -> None:
        german = await failing("{ problem }", language="de-DE, en;q=0.5")
        english = await failing("{ problem }", language="en")

        assert german.body["errors"][0]["message"] == "„name“ ist zu lang (höchstens 5)."
        assert english.body["errors"][0]["message"] == "“name” is too long (at most 5)."
        assert english.body["errors"][0]["extensions"] == {
            "code": "INVALID_INPUT",
            "field": "name",
            "reason": "too-long",
        }

    async def test_no_database_is_503_and_says_when_to_come_back(self, failing: Api) -> None:
        answer = await failing("{ slow gone }")

        assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
        assert answer.headers["retry-after"] == "5"
        assert "data" not in answer.body

    async def test_the_log_has_one_line_per_operation_without_what_was_typed(self, failing: Api) -> None:
        canary = f"canary{uuid4().hex}"
        with structlog.testing.capture_logs() as logs:
            await failing("query Named($x: String) { slow @include(if: true) __typename }", {"x": canary})
            await failing(f'query Named {{ slow(x: "{canary}") }}')
            await failing("{ slow }", token=f"spw_{canary}")

        assert [entry["event"] for entry in logs] == ["operation"] * 3
        assert canary not in str(logs)

    async def test_a_given_request_id_comes_back(self, failing: Api) -> None:
        response = await failing.http.post(
            "/graphql", json={"query": "{ slow }"}, headers={"x-request-id": "abc-12345678"}
        )
        forged = await failing.http.post(
            "/graphql", json={"query": "{ slow }"}, headers={"x-request-id": "a b\tc, evil"}
        )

        assert response.headers["x-request-id"] == "abc-12345678"
        assert len(forged.headers["x-request-id"]) == 32
