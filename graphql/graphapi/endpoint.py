"""The ASGI endpoint at /graphql: GraphQL over HTTP, with limits, sign-in, masking and logging around it.

Speaks the GraphQL-over-HTTP specification (media types, status codes). The order is fixed: media types,
body, document and limits, actor, cost, then the answer. Whatever answers (a prepared plan, else the executor;
DESIGN 3.4) comes after all of these and before the one encoder; see ``_answer``.
"""

from __future__ import annotations

import asyncio
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl
from uuid import uuid4

import msgspec
import strawberry
import structlog
from graphql import GraphQLError, OperationType
from litestar.types import Receive, Scope, Send
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from strawberry.types.execution import ExecutionContext, ExecutionResult

from directory.actors import ANONYMOUS, Actor
from directory.database import OUT_OF_REACH, Unavailable
from directory.problems import InvalidInput, NotAllowed, Problem
from graphapi.addresses import client_address
from graphapi.context import Context, Services
from graphapi.limits import Documents, Operation, Refused, Unreadable
from graphapi.messages import (
    MessageLanguage,
    message_for,
    message_language,
    preferred_languages,
    reason_code,
    refusal,
)
from graphapi.prepared import Prepared
from search.engine import SearchUnavailable

Authenticate: TypeAlias = Callable[[str], Awaitable[Actor | None]]
"""From a token as sent to the actor it stands for, or None when it does not (or not any more)."""

GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
JSON: Final = "application/json"
RETRY_AFTER_SECONDS: Final = 5
DRAIN_BYTES: Final = 4_000_000
DRAIN_SECONDS: Final = 5.0

log: Final = structlog.stdlib.get_logger("graphql")


class Schema(strawberry.Schema):
    """A schema that logs nothing by itself: Strawberry would log what somebody typed with every error."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Leave the errors to the endpoint, which knows what may be logged and shown."""


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A GraphQL request as the specification of GraphQL over HTTP has it; unknown keys are ignored."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


_request_decoder: Final = msgspec.json.Decoder(Request)
_variables_decoder: Final = msgspec.json.Decoder(dict[str, Any] | None)
_encoder: Final = msgspec.json.Encoder()


class _Turned(Exception):
    """The request is answered here and now: a status, an error, and headers that say what to do."""

    def __init__(
        self,
        status: int,
        errors: list[dict[str, Any]],
        headers: Iterable[tuple[bytes, bytes]] = (),
        *,
        media_type: str | None = None,
    ) -> None:
        super().__init__(status)
        self.status = status
        self.errors = errors
        self.headers = tuple(headers)
        self.media_type = media_type


class _Asked:
    """What the headers of a request say."""

    def __init__(self, scope: Scope) -> None:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key = name.decode("latin-1").lower()
            text = value.decode("latin-1")
            headers[key] = f"{headers[key]},{text}" if key in headers else text
        self.headers: Final = headers
        self.method: Final = str(scope.get("method", ""))
        client = scope.get("client")
        self.peer: Final[str | None] = client[0] if client else None
        self.query_string: Final = bytes(scope.get("query_string", b""))
        self.languages: Final = preferred_languages(headers.get("accept-language"))
        self.language: Final[MessageLanguage] = message_language(self.languages)
        given = headers.get("x-request-id", "")
        self.request_id: Final = given if _REQUEST_ID.fullmatch(given) else uuid4().hex

    def error(
        self, code: str, /, *, extensions: Mapping[str, Any] | None = None, **values: str
    ) -> dict[str, Any]:
        """Return an error in the caller's language, with its code."""
        return {
            "message": refusal(code, self.language, **values),
            "extensions": {"code": code, **(extensions or {})},
        }


_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")


class GraphQLEndpoint:
    """The ASGI application behind /graphql; ``opened`` raises Unavailable while nothing may be served yet."""

    def __init__(
        self,
        schema: strawberry.Schema,
        services: Services,
        authenticate: Authenticate,
        *,
        opened: Callable[[], Awaitable[None]] | None = None,
        page: bytes | None = None,
        page_headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        self._schema = schema
        self._services = services
        self._limits = services.limits
        self._authenticate = authenticate
        self._opened = opened
        self._page = page
        self._page_headers = tuple(page_headers)
        self.documents: Final = Documents(schema._schema, services.limits)
        self._prepared = Prepared(schema)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        asked = _Asked(scope)
        media_type = accepted_media_type(asked.headers.get("accept"))
        noted: dict[str, Any] = {}
        headers: list[tuple[bytes, bytes]] = []
        try:
            if asked.method == "GET" and self._page is not None and wants_page(asked.headers.get("accept")):
                await _send(send, 200, "text/html; charset=utf-8", self._page, [*self._page_headers])
                return
            if media_type is None:
                raise _Turned(406, [asked.error("NOT_ACCEPTABLE")], media_type=GRAPHQL_RESPONSE)
            request = await self._read(asked, receive)
            status, body = await self._handle(asked, request, media_type, noted)
        except _Turned as turned:
            status, headers = turned.status, list(turned.headers)
            media_type = turned.media_type or media_type or GRAPHQL_RESPONSE
            body = _encoder.encode({"errors": turned.errors})
            noted.setdefault("code", turned.errors[0].get("extensions", {}).get("code"))
        except Exception as error:
            if not is_unavailable(error):
                log_unexpected(error, asked.request_id)
                status, body = (
                    500,
                    _encoder.encode(
                        {"errors": [asked.error("UNEXPECTED", extensions={"requestId": asked.request_id})]}
                    ),
                )
                noted["code"] = "UNEXPECTED"
            else:
                status, headers, body = (
                    503,
                    [_RETRY],
                    _encoder.encode({"errors": [asked.error("UNAVAILABLE")]}),
                )
                noted["code"] = "UNAVAILABLE"
            media_type = media_type or GRAPHQL_RESPONSE
        headers.append((b"x-request-id", asked.request_id.encode()))
        headers.append((b"vary", b"Accept, Accept-Language, Authorization"))
        await _send(send, status, f"{media_type}; charset=utf-8", body, headers)
        log.info(
            "operation",
            status=status,
            request_id=asked.request_id,
            duration_ms=round((time.perf_counter() - began) * 1000, 1),
            **noted,
        )

    async def _read(self, asked: _Asked, receive: Receive) -> Request:
        if asked.method == "GET":
            return _from_query_string(asked, self._limits.body_bytes)
        if asked.method != "POST":
            raise _Turned(405, [asked.error("METHOD_NOT_ALLOWED")], [(b"allow", b"GET, POST")])
        content_type = asked.headers.get("content-type", "")
        if not is_json(content_type) or asked.headers.get("content-encoding", "identity") != "identity":
            raise _Turned(
                415, [asked.error("UNSUPPORTED_MEDIA_TYPE")], [(b"accept-post", b"application/json")]
            )
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                body = await self._body(asked, receive)
        except TimeoutError:
            late = asked.error("BAD_REQUEST", what="the body did not arrive in time")
            raise _Turned(408, [late], [(b"connection", b"close")]) from None
        if body.lstrip()[:1] == b"[":
            raise _bad(asked, "batches are not accepted")
        try:
            return _request_decoder.decode(body)
        except msgspec.ValidationError as error:
            raise _bad(asked, str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _bad(asked, "the body is not JSON in UTF-8") from None

    async def _body(self, asked: _Asked, receive: Receive) -> bytes:
        most = self._limits.body_bytes
        too_large = _Turned(
            413,
            [
                asked.error(
                    "LIMIT_EXCEEDED",
                    extensions={"limit": "bodyBytes", "maximum": most},
                    limit="bodyBytes",
                    maximum=str(most),
                )
            ],
            [(b"connection", b"close")],
        )
        said = asked.headers.get("content-length", "")
        if said.isascii() and said.isdigit() and (len(said) > 12 or int(said) > most):
            await _drain(receive)
            raise too_large
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _bad(asked, "the connection was closed")
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                if message.get("more_body", False):
                    await _drain(receive)
                raise too_large
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def _handle(
        self, asked: _Asked, request: Request, media_type: str, noted: dict[str, Any]
    ) -> tuple[int, bytes]:
        operation = self._judge(asked, request, media_type)
        noted["operation"] = (operation.name or "")[:60]
        noted["type"] = operation.type.value
        noted["document"] = operation.document_hash[:16]
        noted["cost"] = operation.cost
        if asked.method == "GET" and operation.type is not OperationType.QUERY:
            raise _Turned(405, [asked.error("METHOD_NOT_ALLOWED")], [(b"allow", b"POST")])
        if asked.method == "GET" and operation.presents_code:
            raise _Turned(405, [asked.error("CODE_IN_ADDRESS")], [(b"allow", b"POST")])
        if asked.method == "GET" and operation.tells_profile:
            raise _Turned(405, [asked.error("PROFILE_IN_ADDRESS")], [(b"allow", b"POST")])
        if self._opened is not None:
            await self._opened()
        actor = await self._actor(asked)
        noted["role"] = actor.role.value
        context = Context(
            services=self._services,
            actor=actor,
            language=asked.language,
            languages=asked.languages,
            request_id=asked.request_id,
            operation=operation,
            address=client_address(asked.peer, asked.headers, self._services.trusted_proxies),
        )
        return await self._answer(asked, request, context, media_type, noted)

    def _judge(self, asked: _Asked, request: Request, media_type: str) -> Operation:
        try:
            document = self.documents.read(request.query)
            return self.documents.choose(document, request.operation_name, request.variables or {})
        except Refused as refused:
            raise _Turned(
                400,
                [
                    asked.error(
                        "LIMIT_EXCEEDED",
                        extensions={"limit": refused.limit, "maximum": refused.maximum},
                        limit=refused.limit,
                        maximum=str(refused.maximum),
                    )
                ],
            ) from None
        except Unreadable as unreadable:
            errors = []
            for error in unreadable.errors:
                formatted = dict(error.formatted)
                formatted["message"] = without_values(error.message)
                formatted["extensions"] = {"code": "DOCUMENT_NOT_VALID"}
                errors.append(formatted)
            raise _Turned(_legacy(media_type), errors) from None

    async def _actor(self, asked: _Asked) -> Actor:
        given = asked.headers.get("authorization")
        if given is None:
            return ANONYMOUS
        scheme, _, token = given.partition(" ")
        token = token.strip()
        actor = None
        if scheme.lower() == "bearer" and token.startswith("spw_") and len(token) <= 200 and token.isascii():
            actor = await self._authenticate(token)
        if actor is None:
            challenge = (b"www-authenticate", b'Bearer realm="spurwechsel", error="invalid_token"')
            raise _Turned(401, [asked.error("TOKEN_NOT_VALID")], [challenge])
        return actor

    async def _answer(
        self, asked: _Asked, request: Request, context: Context, media_type: str, noted: dict[str, Any]
    ) -> tuple[int, bytes]:
        """Answer by a prepared plan, else by the executor; one encoder writes what either says."""
        result: Any = None
        if context.operation is not None:
            result = await self._prepared.answer(context.operation, request.variables, context)
        if result is None:
            result = await self._schema.execute(
                request.query,
                variable_values=request.variables,
                context_value=context,
                operation_name=request.operation_name,
            )
        if not isinstance(result, ExecutionResult):
            raise TypeError("incremental delivery is not enabled")
        errors = [self._shown(asked, error, noted) for error in result.errors or ()]
        if result.data is None and errors and all("path" not in error for error in errors):
            # never begun: the variables do not fit, or a field is closed to this actor
            codes = {error.get("extensions", {}).get("code") for error in errors}
            noted["code"] = next(iter(codes))
            if "NOT_SIGNED_IN" in codes:
                challenge = (b"www-authenticate", b'Bearer realm="spurwechsel"')
                raise _Turned(401, errors, [challenge])
            if "NOT_ALLOWED" in codes:
                raise _Turned(403, errors)
            raise _Turned(_legacy(media_type), errors)
        answer: dict[str, Any] = {"data": result.data}
        if errors:
            answer["errors"] = errors
            noted["errors"] = len(errors)
        return 200, _encoder.encode(answer)

    def _shown(self, asked: _Asked, error: GraphQLError, noted: dict[str, Any]) -> dict[str, Any]:
        """Return an error as the caller sees it: problems and the caller's own mistakes, else masked."""
        original = _root(error)
        if original is None:
            shown = dict(error.formatted)
            shown["message"] = without_values(error.message)
            shown.setdefault("extensions", {"code": "REQUEST_NOT_VALID"})
            return shown
        if is_unavailable(original):
            raise Unavailable from original
        shown = {key: value for key, value in error.formatted.items() if key in {"locations", "path"}}
        if isinstance(original, Problem):
            extensions: dict[str, Any] = {"code": original.code}
            if isinstance(original, InvalidInput):
                extensions |= {"field": original.field, "reason": reason_code(original)}
            if isinstance(original, NotAllowed):
                extensions["rule"] = original.rule
            return {"message": message_for(original, asked.language), **shown, "extensions": extensions}
        log_unexpected(original, asked.request_id)
        noted["code"] = "UNEXPECTED"
        masked = asked.error("UNEXPECTED", extensions={"requestId": asked.request_id})
        return {**masked, **shown}


_VALUES: Final = (
    (re.compile(r", found: .*$", re.DOTALL), "."),
    (re.compile(r"(cannot represent [^:]*): .*$", re.DOTALL), r"\1."),
    (
        re.compile(r"Value '.*' does not exist in '(\w+)' enum.*$", re.DOTALL),
        r"Value does not exist in '\1' enum.",
    ),
)


def without_values(message: str) -> str:
    """Return a message of GraphQL itself without the refused value, which may be about a person.

    >>> without_values("Variable '$n' has invalid value: String cannot represent a non string value: 7")
    "Variable '$n' has invalid value: String cannot represent a non string value."
    """
    for pattern, replacement in _VALUES:
        message = pattern.sub(replacement, message)
    return message


def _root(error: GraphQLError) -> Exception | None:
    """Return what a resolver raised, or None when GraphQL itself found the mistake."""
    original: Exception | None = error
    while isinstance(original, GraphQLError):
        original = original.original_error
    return original


async def _drain(receive: Receive) -> None:
    """Throw away what still comes, within bounds: who is cut off while sending never reads the answer."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while size < DRAIN_BYTES:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                size += len(message.get("body", b""))


_OUT_OF_REACH: Final = (
    Unavailable,
    PoolTimeout,
    *(kind for kind in OUT_OF_REACH if kind is not OSError),  # a missing file is a bug, not the database
    ConnectionError,
    SearchUnavailable,
)


def is_unavailable(error: BaseException | None) -> bool:
    """Whether an error means that the database is out of reach, however deep it is wrapped."""
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, _OUT_OF_REACH):
            return True
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__
        seen += 1
    return False


def log_unexpected(error: BaseException, request_id: str) -> None:
    """Log where it happened; never the message, which may hold what somebody typed."""
    frames = traceback.extract_tb(error.__traceback__)
    log.error(
        "unexpected",
        request_id=request_id,
        error=f"{type(error).__module__}.{type(error).__qualname__}",
        at=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]],
    )


_RETRY: Final = (b"retry-after", str(RETRY_AFTER_SECONDS).encode())


def _legacy(media_type: str) -> int:
    """Return the status of an operation that was understood but cannot run: 200 under application/json.

    The specification keeps 200 there for old clients; the newer media type has real status codes.
    """
    return 200 if media_type == JSON else 400


def _bad(asked: _Asked, what: str) -> _Turned:
    return _Turned(400, [asked.error("BAD_REQUEST", what=what)])


def _from_query_string(asked: _Asked, most: int) -> Request:
    if len(asked.query_string) > most:
        raise _Turned(414, [asked.error("BAD_REQUEST", what="the address is too long")])
    try:
        given = dict(
            parse_qsl(
                asked.query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20
            )
        )
    except ValueError:
        raise _bad(asked, "the address is not UTF-8") from None
    if "query" not in given:
        raise _bad(asked, "the parameter query is missing")
    try:
        variables = _variables_decoder.decode(given["variables"]) if given.get("variables") else None
    except (msgspec.DecodeError, RecursionError):
        raise _bad(asked, "the parameter variables is not a JSON object") from None
    return Request(
        query=given["query"], operation_name=given.get("operationName") or None, variables=variables
    )


def is_json(content_type: str) -> bool:
    """Whether a Content-Type is JSON in UTF-8.

    >>> is_json('application/json; charset="UTF-8"'), is_json("application/json; charset=latin-1")
    (True, False)
    """
    kind, *parameters = (part.strip() for part in content_type.split(";"))
    if kind.lower() != JSON:
        return False
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in {"utf-8", "utf8"}:
            return False
    return True


def _ranges(accept: str) -> list[tuple[str, float]]:
    found = []
    for part in accept[:2_000].split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        if kind:
            found.append((kind, quality))
    return found


def accepted_media_type(accept: str | None) -> str | None:
    """Return the media type to answer in, or None (406); without a wish the newer one is spoken.

    >>> accepted_media_type("application/json"), accepted_media_type("*/*")
    ('application/json', 'application/graphql-response+json')
    >>> accepted_media_type("text/html") is None
    True
    """
    if accept is None or not accept.strip():
        return GRAPHQL_RESPONSE
    ranges = _ranges(accept)

    def quality(media_type: str) -> float:
        for wanted in (media_type, "application/*", "*/*"):
            values = [q for kind, q in ranges if kind == wanted]
            if values:
                return max(values)
        return 0.0

    best = max((GRAPHQL_RESPONSE, JSON), key=lambda kind: (quality(kind), kind == GRAPHQL_RESPONSE))
    return best if quality(best) > 0 else None


def wants_page(accept: str | None) -> bool:
    """Whether a browser asks for a page rather than a program for data."""
    return accept is not None and any(kind == "text/html" and q > 0 for kind, q in _ranges(accept))


async def _send(
    send: Send, status: int, content_type: str, body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type.encode()),
                (b"content-length", str(len(body)).encode()),
                (b"x-content-type-options", b"nosniff"),
                (b"cache-control", b"no-store"),
                (b"referrer-policy", b"no-referrer"),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
