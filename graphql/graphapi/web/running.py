"""Runs the documents of ``graphql/operations`` for pages: the schema is their only way to data.

A page names a document by its file (``"read-client"``) and gives variables. What comes back is the data of
its fields; an expected failure comes back as :class:`Refusal` with the field it is about. The same limits
hold as at the endpoint.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import strawberry
from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLObjectType,
    get_named_type,
    type_from_ast,
)
from strawberry.types.execution import ExecutionResult

from directory.actors import Actor
from directory.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn, Problem
from graphapi.context import Context, Services
from graphapi.endpoint import is_unavailable, log_unexpected
from graphapi.limits import Documents, Refused, Unreadable
from graphapi.messages import MessageLanguage, message_for
from graphapi.prepared import Prepared

_PACKAGED: Final = Path(__file__).parents[1] / "operations"
_IN_THE_REPOSITORY: Final = Path(__file__).parents[2] / "operations"

NOT_FOUND: Final = "NOT_FOUND"
NOT_ALLOWED: Final = "NOT_ALLOWED"
NOT_SIGNED_IN: Final = "NOT_SIGNED_IN"


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An expected failure: a sentence for people, its code, the field of the input that it is about.

    ``details`` has the fields that this kind of problem has besides (``current``, ``allowed``, ``missing``).
    """

    code: str
    message: str
    field: str | None = None
    details: dict[str, Any] = {}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a change gave: its payload, or why it was refused (then nothing was changed)."""

    payload: dict[str, Any] = {}
    refusal: Refusal | None = None

    @property
    def done(self) -> bool:
        """Whether it was done."""
        return self.refusal is None


class Stopped(Exception):
    """The page cannot be shown: nobody is signed in, it is not there, or this actor may not see it."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


@cache
def document(name: str) -> str:
    """Return the text of a ready document; raises LookupError for a name that there is not."""
    folder = _PACKAGED if _PACKAGED.exists() else _IN_THE_REPOSITORY
    file = folder / f"{name}.graphql"
    if not file.is_file() or file.parent != folder:
        raise LookupError(name)
    return file.read_text(encoding="utf-8")


def _root(error: GraphQLError) -> BaseException | None:
    original: BaseException | None = error
    while isinstance(original, GraphQLError):
        original = original.original_error
    return original


class Operations:
    """Runs ready documents, and tells what was refused from what was done."""

    def __init__(self, schema: strawberry.Schema, services: Services) -> None:
        self._schema = schema
        self._services = services
        self._documents = Documents(schema._schema, services.limits, keep_bytes=8_000_000)
        self._prepared = Prepared(schema)
        problem = schema._schema.get_type("Problem")
        self._problems = {
            name
            for name, kind in schema._schema.type_map.items()
            if isinstance(kind, GraphQLObjectType) and problem in kind.interfaces
        }

    def input_fields(self, name: str) -> frozenset[str]:
        """Return the names of the fields of a document's ``$input``; none without one."""
        return self._inputs(document(name))

    @cache  # noqa: B019 - there is one of us per process
    def _inputs(self, source: str) -> frozenset[str]:
        operation = next(iter(self._documents.read(source).operations.values()))
        for variable in operation.variable_definitions or ():
            if variable.variable.name.value == "input":
                kind = get_named_type(type_from_ast(self._schema._schema, variable.type))
                return frozenset(kind.fields) if isinstance(kind, GraphQLInputObjectType) else frozenset()
        return frozenset()

    async def run(
        self,
        name: str,
        variables: dict[str, Any],
        *,
        actor: Actor,
        language: MessageLanguage,
        languages: tuple[str, ...],
        request_id: str,
        address: str,
    ) -> dict[str, Any]:
        """Run a document; return the data of its root fields.

        Raises Stopped where the actor may not (401, 403), the thing is not there (404), or the variables do
        not fit the schema (422: what somebody typed into the address); Unavailable comes through as it is.
        """
        source = document(name)
        try:
            read = self._documents.read(source)
            operation = self._documents.choose(read, None, variables)
        except (Refused, Unreadable) as refused:
            raise Stopped(422, "LIMIT_EXCEEDED") from refused
        context = Context(
            services=self._services,
            actor=actor,
            language=language,
            languages=languages,
            request_id=request_id,
            operation=operation,
            address=address,
        )
        result: Any = await self._prepared.answer(operation, variables, context)
        if result is None:
            result = await self._schema.execute(source, variable_values=variables, context_value=context)
        if not isinstance(result, ExecutionResult):
            raise TypeError("incremental delivery is not enabled")
        for error in result.errors or ():
            self._stop(error, language, request_id)
        return result.data or {}

    def _stop(self, error: GraphQLError, language: MessageLanguage, request_id: str) -> None:
        original = _root(error)
        if original is None:
            raise Stopped(422, "REQUEST_NOT_VALID")
        if is_unavailable(original):
            raise original
        if isinstance(original, NotSignedIn):
            raise Stopped(401, NOT_SIGNED_IN)
        if isinstance(original, NotFound):
            raise Stopped(404, NOT_FOUND)
        if isinstance(original, NotAllowed):
            raise Stopped(403, NOT_ALLOWED, message_for(original, language))
        if isinstance(original, InvalidInput):
            raise Stopped(422, original.code, message_for(original, language))
        if isinstance(original, Problem):
            raise Stopped(409, original.code, message_for(original, language))
        log_unexpected(original, request_id)
        raise Stopped(500, "UNEXPECTED")

    def refusal_of(self, found: Any) -> Refusal | None:
        """Return the refusal that a field's answer is, if it is one."""
        if not isinstance(found, dict) or found.get("__typename") not in self._problems:
            return None
        details = {
            name: value
            for name, value in found.items()
            if name not in {"__typename", "code", "message", "field"}
        }
        return Refusal(
            code=found["code"], message=found["message"], field=found.get("field"), details=details
        )
