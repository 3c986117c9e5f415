"""Asking the API in tests: ``await api(QUERY, {"id": id}, token=lea)``."""

from __future__ import annotations

import dataclasses
from typing import Any
from uuid import uuid4

import httpx

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
    """Asks the API as somebody: ``await api(QUERY, {"id": id}, token=lea)``."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

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
        response = await self.http.post(
            "/graphql", json={"query": query, "variables": variables}, headers=headers
        )
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


INPUTS = {
    **dict.fromkeys(("publishPartner", "hidePartner", "assurePartner"), "PartnerVersionInput"),
    **dict.fromkeys(("publishService", "hideService", "assureService"), "ServiceVersionInput"),
    **dict.fromkeys(("restorePartner", "restoreService"), "RestoreEntryInput"),
    **dict.fromkeys(("deletePartner", "deleteService"), "DeleteEntryInput"),
    **dict.fromkeys(("confirmPartnerTranslation", "confirmServiceTranslation"), "ConfirmTranslationInput"),
}
