"""The WebSocket face at /graphql/ws: graphql-transport-ws, subscriptions only, for members only.

Strawberry's handler speaks the protocol; around it stand the same limits, doors and masking as around POST
(``endpoint``). Who a connection stands for is asked anew at every event and twice a minute, so a revoked or
expired token ends it. Strawberry's own controller is not used: it would answer queries past the limits.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from typing import Annotated, Any, Final, cast
from uuid import UUID, uuid4

import msgspec
import structlog
from graphql import GraphQLError, OperationType
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived, WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    Operation as WsOperation,
)
from strawberry.types.execution import ExecutionResult
from strawberry.types.unset import UNSET
from strawberry.utils.aio import aclosing

from directory.actors import ANONYMOUS, Actor, Role
from directory.problems import InvalidInput, NotAllowed, NotSignedIn, Problem
from graphapi.access_map import first_refusal
from graphapi.addresses import client_address, unit_of
from graphapi.context import Context, Services
from graphapi.endpoint import Authenticate, Schema, is_unavailable, log_unexpected, without_values
from graphapi.limits import Documents, Refused, Unreadable
from graphapi.limits import Operation as JudgedOperation
from graphapi.messages import (
    message_for,
    message_language,
    preferred_languages,
    reason_code,
    refusal,
)
from graphapi.watching import Watcher, Watchers

PATH: Final = "/graphql/ws"

NOT_ACCEPTABLE: Final = 4406
FORBIDDEN: Final = 4403
TIMED_OUT: Final = 4408
TOO_MANY: Final = 4429
TOO_LARGE: Final = 1009
TRY_LATER: Final = 1013
"""Close codes: of RFC 6455 below 4000, of the protocol graphql-transport-ws from 4400 on."""

log: Final = structlog.get_logger("watching")

_encoder: Final = msgspec.json.Encoder()


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection may do at most; ``connections`` per member and server process.

    ``silence_seconds``: a connection that has said nothing for so long, not even a pong, or taken nothing, is
    closed. ``unsigned``, ``unsigned_in_total``: connections that have not signed in yet, of one client
    address and of all, per server process.
    ``judge_seconds``: how often it is asked anew who the connection stands for.
    """

    connections: int = 10
    subscriptions: int = 20
    unsigned: int = 20
    unsigned_in_total: int = 500
    messages_per_minute: int = 120
    init_seconds: float = 10.0
    ping_seconds: float = 20.0
    silence_seconds: float = 60.0
    judge_seconds: float = 25.0


@dataclasses.dataclass(slots=True, kw_only=True)
class WatchingContext(Context):
    """The context of one subscription; ``again`` says who the connection stands for now, None: nobody."""

    watchers: Watchers
    again: Callable[[], Awaitable[Actor | None]]
    forbid: Callable[[], Awaitable[None]]

    def watch(self) -> AbstractContextManager[Watcher]:
        """Watch what the actor's organisation has a part in."""
        return self.watchers.watch(self.actor)

    async def judge_again(self) -> None:
        """Ask who this is now, and forget what was read: called before every event.

        Raises the problem of the door that has closed; a token that is no more ends the connection.
        """
        actor = await self.again()
        if actor is None:
            await self.forbid()
            raise NotSignedIn
        if self.operation is not None:
            refused = first_refusal(self.operation.fields, actor)
            if refused is not None:
                raise refused
        self.actor = actor
        self.fresh()


class _Payload(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class _Subscribe(msgspec.Struct, frozen=True, kw_only=True):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    payload: _Payload


class _Connection:
    """One open connection: its socket, who it stands for, and what its headers say."""

    connection_params: dict[str, Any] | None = None

    def __init__(self, socket: WebSocket[Any, Any, Any], face: SubscriptionsFace) -> None:
        self.socket: Final = socket
        self.face: Final = face
        self.languages: Final = preferred_languages(socket.headers.get("accept-language"))
        self.language: Final = message_language(self.languages)
        self.request_id: Final = uuid4().hex
        self.token: str | None = None
        self.actor: Actor = ANONYMOUS
        self.heard: float = time.monotonic()
        self.judged: float = time.monotonic()
        self.code: int | None = None
        self.counted: bool = False
        client = socket.scope.get("client")
        proxies = face.services.trusted_proxies
        self.address: Final = unit_of(client_address(client[0] if client else None, socket.headers, proxies))
        self._minute: tuple[int, int] = (0, 0)
        self._closed = asyncio.Event()
        self._sending = asyncio.Lock()

    # --- what Strawberry's handler asks of a socket

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        """Yield the messages until the connection ends, from whichever side."""
        while not self._closed.is_set():
            text = await self._received()
            if text is None:
                return
            self.heard = time.monotonic()
            bounds, limits = self.face.bounds, self.face.services.limits
            minute = int(self.heard // 60)
            self._minute = (minute, self._minute[1] + 1 if self._minute[0] == minute else 1)
            if self._minute[1] > bounds.messages_per_minute:
                await self.close(TOO_MANY, "Too many messages")
                return
            if text == "":  # not a text frame
                raise NonTextMessageReceived
            if len(text.encode("utf-8", "surrogatepass")) > limits.body_bytes:
                await self.close(TOO_LARGE, "Message too large")
                return
            try:
                message = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                raise NonJsonMessageReceived from None
            if not isinstance(message, dict):
                raise NonJsonMessageReceived
            yield message

    async def _received(self) -> str | None:
        receiving = asyncio.ensure_future(self.socket.receive_text())
        ending = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({receiving, ending}, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done() and not self._closed.is_set():
                return receiving.result()
        except WebSocketDisconnect:
            pass
        finally:
            for one in (receiving, ending):
                if one.done() and not one.cancelled():
                    one.exception()
                one.cancel()
        return None

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send one message; raises WebSocketDisconnected when nobody is there any more."""
        if self._closed.is_set():
            raise WebSocketDisconnected
        try:
            # whoever reads nothing holds neither the lock nor the connection for ever
            async with asyncio.timeout(self.face.bounds.silence_seconds), self._sending:
                await self.socket.send_data(_encoder.encode(message).decode(), mode="text")
        except (WebSocketDisconnect, RuntimeError, OSError) as error:  # TimeoutError is an OSError
            if isinstance(error, TimeoutError):
                self.code = TIMED_OUT
            self._closed.set()
            raise WebSocketDisconnected from None

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, once; the reason never repeats what was sent."""
        if self._closed.is_set():
            return
        self._closed.set()
        self.code = code
        with suppress(WebSocketDisconnect, RuntimeError, OSError):
            async with asyncio.timeout(self.face.bounds.silence_seconds):
                await self.socket.close(code=code, reason=_REASONS.get(code, reason)[:100])

    # --- who it is

    async def on_ws_connect(self, _: object) -> object:
        """Sign in with what came in connection_init: ``{"authorization": "Bearer spw_…"}``."""
        given = {str(name).lower(): value for name, value in (self.connection_params or {}).items()}
        scheme, _, token = str(given.get("authorization", "")).partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer" and len(token) <= 200 and token.isascii():
            self.token = token
        try:
            actor = await self.who()
        except Exception as error:
            if not is_unavailable(error):
                raise
            await self.close(TRY_LATER, "Unavailable")
            raise ConnectionRejectionError from None
        if actor is None:
            raise ConnectionRejectionError
        self.actor = actor
        if not self.face.let_in(self):
            await self.close(TOO_MANY, "Too many connections")
            raise ConnectionRejectionError
        return UNSET

    async def who(self) -> Actor | None:
        """Return the member that the token stands for now, or None; a member of an organisation here."""
        actor = None if self.token is None else await self.face.authenticate(self.token)
        self.judged = time.monotonic()
        if actor is None or actor.member_id is None or actor.role is Role.OTHER_MUNICIPALITY:
            return None
        return actor

    async def forbid(self) -> None:
        """End the connection of a token that is no more."""
        await self.close(FORBIDDEN, "Forbidden")

    async def keep(self) -> None:
        """Ping, close what has gone silent, and what stands for nobody any more; until cancelled."""
        bounds = self.face.bounds
        rest = min(bounds.ping_seconds, bounds.judge_seconds)
        pinged = time.monotonic()
        while not self._closed.is_set():
            await asyncio.sleep(rest)
            now = time.monotonic()
            if now - self.heard > bounds.silence_seconds:
                await self.close(TIMED_OUT, "Silent")
                return
            if self.token is None:
                continue
            try:
                if now - self.judged >= bounds.judge_seconds and await self.who() is None:
                    await self.forbid()
                    return
                if now - pinged >= bounds.ping_seconds:
                    pinged = now
                    await self.send_json({"type": "ping"})
            except WebSocketDisconnected:
                return
            except Exception as error:
                # Without the database nothing can be watched, and nobody can be judged.
                if not is_unavailable(error):
                    log_unexpected(error, self.request_id)
                await self.close(TRY_LATER, "Unavailable")
                return

    def error(
        self, code: str, /, extensions: Mapping[str, Any] | None = None, **values: str
    ) -> dict[str, Any]:
        """Return an error in the watcher's language, with its code."""
        return {
            "message": refusal(code, self.language, **values),
            "extensions": {"code": code, **(extensions or {})},
        }

    def problem(self, found: Problem) -> dict[str, Any]:
        """Return a problem as an error."""
        extensions: dict[str, Any] = {"code": found.code}
        if isinstance(found, InvalidInput):
            extensions |= {"field": found.field, "reason": reason_code(found)}
        if isinstance(found, NotAllowed):
            extensions["rule"] = found.rule
        return {"message": message_for(found, self.language), "extensions": extensions}

    def shown(self, error: BaseException) -> dict[str, Any]:
        """Return an error as the watcher sees it: problems and their own mistakes, else masked."""
        original: BaseException | None = error
        while isinstance(original, GraphQLError):
            original = original.original_error
        if original is None and isinstance(error, GraphQLError):
            shown = dict(error.formatted)
            shown["message"] = without_values(error.message)
            shown.setdefault("extensions", {"code": "REQUEST_NOT_VALID"})
            return shown
        if isinstance(original, Problem):
            return self.problem(original)
        if is_unavailable(original):
            return self.error("UNAVAILABLE")
        log_unexpected(original or error, self.request_id)
        return self.error("UNEXPECTED", {"requestId": self.request_id})


_REASONS: Final = {4400: "Invalid message", 4409: "Subscriber already exists"}
"""Strawberry's own reasons repeat what was sent; these do not."""


class _Handler(BaseGraphQLTransportWSHandler[Any, None]):
    """Strawberry's protocol handler, with our judgement before a subscription begins."""

    def __init__(self, connection: _Connection, schema: Schema) -> None:
        face = connection.face
        super().__init__(
            view=cast("Any", connection),
            websocket=cast("Any", connection),
            context=connection,
            root_value=None,
            schema=schema,
            connection_init_wait_timeout=timedelta(seconds=face.bounds.init_seconds),
            max_subscriptions_per_connection=face.bounds.subscriptions,
        )
        self._connection = connection
        self._face = face

    async def handle_task_exception(self, error: Exception) -> None:
        """Log where it happened and nothing of what was sent."""
        log_unexpected(error, self._connection.request_id)

    async def handle_subscribe(self, message: Any) -> None:
        """Judge the document and the actor, then let the subscription run in a task of its own."""
        connection = self._connection
        if not self.connection_acknowledged:
            await connection.close(4401, "Unauthorized")
            return
        try:
            given = msgspec.convert(message, _Subscribe)
        except msgspec.ValidationError:
            await self.handle_invalid_message("Invalid message")
            return
        if given.id in self.operations:
            await connection.close(4409, "Subscriber already exists")
            return
        if len(self.operations) >= self._face.bounds.subscriptions:
            limit = {"limit": "subscriptions", "maximum": str(self._face.bounds.subscriptions)}
            await self._refuse(given.id, [connection.error("LIMIT_EXCEEDED", limit, **limit)])
            return
        operation = self._judged(given)
        if isinstance(operation, list):
            await self._refuse(given.id, operation)
            return
        context = WatchingContext(
            services=self._face.services,
            actor=connection.actor,
            language=connection.language,
            languages=connection.languages,
            request_id=connection.request_id,
            operation=operation,
            watchers=self._face.watchers,
            again=connection.who,
            forbid=connection.forbid,
        )
        running = WsOperation(
            self, given.id, given.payload.query, given.payload.variables, given.payload.operation_name
        )
        running.task = asyncio.create_task(self._run(running, context))
        running.task.add_done_callback(self._task_done)
        self.operations[given.id] = running

    def _judged(self, given: _Subscribe) -> JudgedOperation | list[dict[str, Any]]:
        """Return the operation, or the errors that say why there is none."""
        connection, documents = self._connection, self._face.documents
        try:
            document = documents.read(given.payload.query)
            operation = documents.choose(
                document, given.payload.operation_name, given.payload.variables or {}
            )
        except Refused as refused:
            limit = {"limit": refused.limit, "maximum": str(refused.maximum)}
            return [connection.error("LIMIT_EXCEEDED", limit, **limit)]
        except Unreadable as unreadable:
            return [
                {
                    **error.formatted,
                    "message": without_values(error.message),
                    "extensions": {"code": "DOCUMENT_NOT_VALID"},
                }
                for error in unreadable.errors
            ]
        if operation.type is not OperationType.SUBSCRIPTION:
            return [connection.error("BAD_REQUEST", what="send queries and mutations by POST to /graphql")]
        closed = first_refusal(operation.fields, connection.actor)
        return operation if closed is None else [connection.problem(closed)]

    async def _refuse(self, id_: str, errors: list[dict[str, Any]]) -> None:
        await self._connection.send_json({"id": id_, "type": "error", "payload": errors})

    async def _run(self, running: WsOperation[Any, None], context: WatchingContext) -> None:
        operation = context.operation
        log.info(
            "subscription", operation=((operation and operation.name) or "")[:60], role=context.actor.role
        )
        try:
            stream = await self.schema.subscribe(
                running.query,
                variable_values=running.variables,
                context_value=context,
                operation_name=running.operation_name,
            )
            async with aclosing(stream):
                async for result in stream:
                    if not isinstance(result, ExecutionResult) or (result.data is None and result.errors):
                        await self._end(running, [self._connection.shown(e) for e in result.errors or ()])
                        return
                    payload: dict[str, Any] = {"data": result.data}
                    if result.errors:
                        payload["errors"] = [self._connection.shown(error) for error in result.errors]
                    await running.send_operation_message(
                        cast("Any", {"id": running.id, "type": "next", "payload": payload})
                    )
            await running.send_operation_message({"id": running.id, "type": "complete"})
        except WebSocketDisconnected:
            self.operations.pop(running.id, None)
        except Exception as error:
            await self._end(running, [self._connection.shown(error)])

    async def _end(self, running: WsOperation[Any, None], errors: list[dict[str, Any]]) -> None:
        with suppress(WebSocketDisconnected, KeyError):
            await running.send_operation_message(
                cast("Any", {"id": running.id, "type": "error", "payload": errors})
            )


class SubscriptionsFace:
    """What all connections of this process share."""

    def __init__(
        self,
        schema: Schema,
        services: Services,
        authenticate: Authenticate,
        watchers: Watchers,
        documents: Documents,
        *,
        bounds: Bounds | None = None,
    ) -> None:
        self.services: Final = services
        self.authenticate: Final = authenticate
        self.watchers: Final = watchers
        self.documents: Final = documents
        self.bounds: Final = bounds or Bounds()
        self._schema = schema
        self._open: Counter[UUID] = Counter()
        self._unsigned: Counter[str] = Counter()
        self._let_in: set[_Connection] = set()

    def let_in(self, connection: _Connection) -> bool:
        """Count a connection of a member; False when it has as many as it may have."""
        member_id = connection.actor.member_id
        if member_id is None or self._open[member_id] >= self.bounds.connections:
            return False
        self._open[member_id] += 1
        self._let_in.add(connection)
        self._signed(connection)
        return True

    def _signed(self, connection: _Connection) -> None:
        """Count a connection no longer among those that have not signed in."""
        if connection.counted:
            connection.counted = False
            self._unsigned[connection.address] -= 1
            self._unsigned += Counter()  # without those that are none

    async def serve(self, socket: WebSocket[Any, Any, Any]) -> None:
        """Serve one connection until it ends."""
        offered = socket.scope.get("subprotocols", [])
        if GRAPHQL_TRANSPORT_WS_PROTOCOL not in offered:
            await socket.accept()
            await socket.close(code=NOT_ACCEPTABLE, reason="Subprotocol not acceptable")
            return
        connection = _Connection(socket, self)
        if (
            self._unsigned[connection.address] >= self.bounds.unsigned
            or self._unsigned.total() >= self.bounds.unsigned_in_total
        ):
            await socket.close(code=TRY_LATER)  # before it is accepted: the handshake is refused
            return
        self._unsigned[connection.address] += 1
        connection.counted = True
        try:
            await socket.accept(subprotocols=GRAPHQL_TRANSPORT_WS_PROTOCOL)
            await self._speak(connection)
        finally:
            self._signed(connection)

    async def _speak(self, connection: _Connection) -> None:
        handler = _Handler(connection, self._schema)
        keeping = asyncio.create_task(connection.keep())
        began = time.monotonic()
        try:
            await handler.handle()
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            if connection in self._let_in:
                self._let_in.discard(connection)
                member_id = cast("UUID", connection.actor.member_id)
                self._open[member_id] -= 1
                if self._open[member_id] <= 0:
                    del self._open[member_id]
            log.info(
                "connection ended",
                code=connection.code,
                role=connection.actor.role.value,
                seconds=round(time.monotonic() - began, 1),
                request_id=connection.request_id,
            )

    def handler(self) -> Any:
        """Return the route of the application."""

        @websocket(PATH)
        async def graphql_ws(socket: WebSocket[Any, Any, Any]) -> None:
            await self.serve(socket)

        return graphql_ws
