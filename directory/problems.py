"""Expected failures: what went wrong, on which field, and what the caller can do next.

A problem is data for the caller, never a bug. It carries codes and plain values only; the sentence in the
caller's language is made at the edge (``graphapi.messages``). No personal data may go into a problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar


class Problem(Exception):
    """Base of every expected failure; ``code`` is stable and part of the published contract."""

    code: ClassVar[str] = "PROBLEM"

    @property
    def values(self) -> Mapping[str, str]:
        """The values that the message's template is filled with."""
        return MappingProxyType({})


class NotFound(Problem):
    """The thing does not exist, or this actor may not know that it does; the two look the same."""

    code = "NOT_FOUND"


class NotSignedIn(Problem):
    """The operation needs an actor and there is none."""

    code = "NOT_SIGNED_IN"


class NotAllowed(Problem):
    """The actor sees the thing but may not do this with it; ``rule`` names the rule that says so."""

    code = "NOT_ALLOWED"

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule

    @property
    def values(self) -> Mapping[str, str]:
        """What fills the template."""
        return {"rule": self.rule}


class InvalidInput(Problem):
    """A value was refused: ``field`` is its path in the input, ``reason`` a code with its own message.

    ``details`` fill the reason's template (e.g. ``maximum``); never the refused value itself.
    """

    code = "INVALID_INPUT"

    def __init__(self, field: str, reason: str, **details: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.details = details

    @property
    def values(self) -> Mapping[str, str]:
        """What fills the template."""
        return {"field": self.field, **self.details}


class StaleVersion(Problem):
    """Somebody else changed the thing since the caller read it; ``current`` is its version now."""

    code = "STALE_VERSION"

    def __init__(self, current: int) -> None:
        super().__init__(str(current))
        self.current = current

    @property
    def values(self) -> Mapping[str, str]:
        """What fills the template."""
        return {"current": str(self.current)}


class IdempotencyConflict(Problem):
    """The idempotency key was used before by this actor in this operation, with other input."""

    code = "IDEMPOTENCY_CONFLICT"


class NoPlaceLeft(Problem):
    """The service's last counted place has been taken."""

    code = "NO_PLACE_LEFT"
