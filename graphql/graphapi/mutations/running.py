"""Runs one mutation: door, input, unit of work, idempotency, commit, and the result read with its rights.

Every mutation of every room goes through ``run``; see the package's docstring for the pattern.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from directory.actors import Actor
from directory.database import Database, Work
from directory.problems import InvalidInput, NotFound, Problem
from graphapi.access_map import require
from graphapi.context import Info
from graphapi.given import Given as Given
from graphapi.given import plain
from graphapi.throttle import presenting
from graphapi.types.exchange_problems import CodeNotValidProblem
from graphapi.types.problems import (
    IdempotencyConflictProblem,
    InvalidInputProblem,
    NotAllowedProblem,
    NotFoundProblem,
    NotSignedInProblem,
    StaleVersionProblem,
    as_data,
)
from referrals.problems import TooManyAttempts

CreateProblems: TypeAlias = (
    InvalidInputProblem
    | NotFoundProblem
    | NotAllowedProblem
    | NotSignedInProblem
    | IdempotencyConflictProblem
)
"""What every mutation that makes something can answer instead."""
ChangeProblems: TypeAlias = CreateProblems | StaleVersionProblem
"""What every mutation that changes a versioned thing can answer instead."""


async def run(
    info: Info,
    input_: Any,
    act: Callable[[Work, Given], Awaitable[UUID]],
    *,
    read: Callable[[Info, UUID], Awaitable[object | None]],
    actor: Actor | None = None,
) -> object:
    """Run one mutation; return what ``read`` gives, or the problem as data.

    ``act`` changes something and returns the id of what it made or changed; ``read`` gets that id after
    the commit (None means the actor may not see it: NotFound). ``actor``: as whom in place of who asks
    (ANONYMOUS for what a code alone decides; the idempotency key is then kept by ``act``).
    """
    context = info.context
    operation = info.field_name
    try:
        require("Mutation", operation, context.actor)
        given = Given(plain(input_))
        key = input_.idempotency_key
        if not 8 <= len(key) <= 200:
            raise InvalidInput("idempotencyKey", "length", minimum="8", maximum="200")
        made = await _committed(context.database, actor or context.actor, operation, key, given, act)
        context.fresh()
        result = await read(info, made)
        if result is None:
            raise NotFound
        return result
    except Problem as problem:
        return as_data(problem, context.language)


async def with_code(info: Info, attempt: Callable[[], Awaitable[object]]) -> object:
    """Run an operation that presents a one-time code, counted by the throttle; return what it answers.

    The code was wrong if that is a CodeNotValidProblem. Too many attempts are a problem as data, unanswered.
    """
    context = info.context
    try:
        return await presenting(context.throttle, context.address, attempt, CodeNotValidProblem)
    except TooManyAttempts as problem:
        return as_data(problem, context.language)


ATTEMPTS: Final = 4
"""How often a mutation is tried that the database ended because it stood in another one's way."""

_IN_THE_WAY: Final = frozenset({"40001", "40P01"})
"""SQLSTATEs of a transaction that lost to a parallel one, and did nothing: it is tried again."""


async def _committed(
    database: Database,
    actor: Actor,
    operation: str,
    key: str,
    given: Given,
    act: Callable[[Work, Given], Awaitable[UUID]],
) -> UUID:
    """Run the mutation once in a transaction of its own; return the id of what it made or changed."""
    attempt = 1
    while True:
        try:
            async with database.work(actor) as work:
                made = await work.once(operation, key, given.values)
                if made is None:
                    made = await act(work, given)
                    await work.made(operation, key, made)
            return made
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _IN_THE_WAY or attempt == ATTEMPTS:
                raise
            await asyncio.sleep(random.uniform(0.0, 0.05) * attempt)  # noqa: S311 - not a secret
            attempt += 1
