"""Asking the API in tests: ``await api(QUERY, {"id": id}, token=lea)``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx

Application = Callable[[Any, Any, Any], Awaitable[None]]
"""What ASGI calls an application."""

GRAPHQL_RESPONSE = "application/graphql-response+json"


@dataclasses.dataclass
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: httpx.Headers

    @property
    def data(self) -> Any:
        """The data, after making sure that nothing went wrong."""
        assert "errors" not in self.body, self.body
        assert self.status == 200
        return self.body["data"]

    @property
    def codes(self) -> list[str]:
        """The codes of the errors."""
        return [error["extensions"]["code"] for error in self.body.get("errors", [])]


class Api:
    """Asks the API as somebody: ``await api(QUERY, {"id": id}, token=lea)``.

    Given the application itself, queries go to it without ``http``, half of the work of a small request.
    """

    def __init__(self, http: httpx.AsyncClient, application: Application | None = None) -> None:
        self.http = http
        self.application = application

    async def __call__(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        language: str | None = "en",
        accept: str = GRAPHQL_RESPONSE,
    ) -> Answer:
        headers = {"accept": accept}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if language is not None:
            headers["accept-language"] = language
        body = {"query": query, "variables": variables}
        if self.application is not None:
            return await posted(self.application, headers, json.dumps(body, ensure_ascii=False).encode())
        response = await self.http.post("/graphql", json=body, headers=headers)
        return Answer(response.status_code, response.json(), response.headers)

    async def change(self, field: str, input_: dict[str, Any], payload: str, *, token: str | None) -> Any:
        """Run one mutation; return its payload or problem, with ``__typename``."""
        name = field[0].upper() + field[1:]
        document = f"""mutation Run($input: {INPUTS.get(field, name + "Input")}!) {{
          {field}(input: $input) {{
            __typename
            ... on Problem {{ message code }}
            ... on InvalidInputProblem {{ field reason }}
            ... on NotAllowedProblem {{ rule }}
            ... on Problem {{ ... on StaleVersionProblem {{ current }} }}
            {payload}
          }}
        }}"""
        given = {"idempotencyKey": f"test-{uuid4()}", **input_}
        answer = await self(document, {"input": given}, token=token)
        return answer.data[field]


async def posted(application: Application, headers: dict[str, str], body: bytes) -> Answer:
    """Post to an application's GraphQL endpoint as a server would hand it on."""
    said = {"host": "test", "content-type": "application/json", "content-length": str(len(body)), **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in said.items()],
        "server": ("test", None),
        "client": ("127.0.0.1", 123),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    start, *rest = sent
    text = b"".join(message.get("body", b"") for message in rest)
    return Answer(start["status"], json.loads(text), httpx.Headers(start["headers"]))


INPUTS = {
    **dict.fromkeys(("publishPartner", "hidePartner", "assurePartner"), "PartnerVersionInput"),
    **dict.fromkeys(("publishService", "hideService", "assureService"), "ServiceVersionInput"),
    **dict.fromkeys(("restorePartner", "restoreService"), "RestoreEntryInput"),
    **dict.fromkeys(("deletePartner", "deleteService"), "DeleteEntryInput"),
    **dict.fromkeys(("confirmPartnerTranslation", "confirmServiceTranslation"), "ConfirmTranslationInput"),
}
