"""Expected failures as data: one GraphQL type per ``Problem`` class, each with ``message`` and ``code``.

Adding one: write a type that extends ``Problem``, decorate it with ``@presents(TheProblemClass)``, give it a
``of`` classmethod when it has fields of its own, list it in the unions of the mutations that can give it,
and add its sentence to ``graphapi.messages``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

import strawberry

from directory import problems
from graphapi.messages import MessageLanguage, message_for, reason_code


@strawberry.interface(description="An expected failure: what went wrong and what can be done next.")
class Problem:
    """An expected failure; nothing was changed."""

    message: str = strawberry.field(description="A sentence for people, in the language of Accept-Language.")
    code: str = strawberry.field(description="A stable code for programs.")

    @classmethod
    def of(cls, problem: Any, message: str) -> Self:
        """Return the problem as callers see it."""
        return cls(message=message, code=problem.code)


T = TypeVar("T", bound=type[Problem])
PRESENTED: Final[dict[type[problems.Problem], type[Problem]]] = {}
"""Which GraphQL type shows which problem; filled by ``presents``."""


def presents(problem: type[problems.Problem]) -> Callable[[T], T]:
    """Register the decorated GraphQL type as the face of a problem class."""

    def register(shown: T) -> T:
        PRESENTED[problem] = shown
        return shown

    return register


def as_data(problem: problems.Problem, language: MessageLanguage) -> Problem:
    """Return a problem as data; one without a GraphQL type of its own is raised again."""
    for kind in type(problem).__mro__:
        shown = PRESENTED.get(kind)
        if shown is not None:
            return shown.of(problem, message_for(problem, language))
    raise problem


@presents(problems.NotFound)
@strawberry.type(description="The thing does not exist, or you may not know that it does.")
class NotFoundProblem(Problem):
    """The thing does not exist, or the caller may not know that it does."""


@presents(problems.NotSignedIn)
@strawberry.type(description="The operation needs an access token.")
class NotSignedInProblem(Problem):
    """The operation needs an access token."""


@presents(problems.NotAllowed)
@strawberry.type(description="You see the thing but may not do this with it.")
class NotAllowedProblem(Problem):
    """The caller sees the thing but may not do this with it."""

    rule: str = strawberry.field(description="Code of the rule that says so.")

    @classmethod
    def of(cls, problem: Any, message: str) -> Self:
        """Return the problem as callers see it."""
        return cls(message=message, code=problem.code, rule=problem.rule)


@presents(problems.InvalidInput)
@strawberry.type(description="A value was refused.")
class InvalidInputProblem(Problem):
    """A value was refused."""

    field: str = strawberry.field(description="Path of the value within the input, e.g. title.de.")
    reason: str = strawberry.field(description="Code of the reason.")

    @classmethod
    def of(cls, problem: Any, message: str) -> Self:
        """Return the problem as callers see it."""
        return cls(message=message, code=problem.code, field=problem.field, reason=reason_code(problem))


@presents(problems.StaleVersion)
@strawberry.type(description="Somebody else has changed the thing since you read it.")
class StaleVersionProblem(Problem):
    """Somebody else changed the thing since the caller read it."""

    current: int = strawberry.field(description="The version of the thing now.")

    @classmethod
    def of(cls, problem: Any, message: str) -> Self:
        """Return the problem as callers see it."""
        return cls(message=message, code=problem.code, current=problem.current)


@presents(problems.IdempotencyConflict)
@strawberry.type(description="The idempotency key was used before, with other input.")
class IdempotencyConflictProblem(Problem):
    """The idempotency key was used before by this actor in this operation, with other input."""
