"""Runs one mutation: door, input, unit of work, idempotency, commit, and the result read with its rights.

Every mutation of every room goes through ``run``; see the package's docstring for the pattern.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID

from directory.database import Work
from directory.problems import InvalidInput, NotFound, Problem
from graphapi.access_map import require
from graphapi.context import Info
from graphapi.given import Given as Given
from graphapi.given import plain
from graphapi.types.problems import (
    IdempotencyConflictProblem,
    InvalidInputProblem,
    NotAllowedProblem,
    NotFoundProblem,
    NotSignedInProblem,
    StaleVersionProblem,
    as_data,
)

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
) -> object:
    """Run one mutation; return what ``read`` gives, or the problem as data.

    ``act`` changes something and returns the id of what it made or changed; ``read`` gets that id after
    the commit (None means the actor may not see it: NotFound).
    """
    context = info.context
    operation = info.field_name
    try:
        require("Mutation", operation, context.actor)
        given = Given(plain(input_))
        key = input_.idempotency_key
        if not 8 <= len(key) <= 200:
            raise InvalidInput("idempotencyKey", "length", minimum="8", maximum="200")
        async with context.database.work(context.actor) as work:
            made = await work.once(operation, key, given.values)
            if made is None:
                made = await act(work, given)
                await work.made(operation, key, made)
        context.fresh()
        result = await read(info, made)
        if result is None:
            raise NotFound
        return result
    except Problem as problem:
        return as_data(problem, context.language)
