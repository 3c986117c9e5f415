"""The expected failures of the referral exchange as data; see ``types.problems`` for the pattern."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

import strawberry

from directory import problems as directory_problems
from graphapi.relay import global_id
from graphapi.types import exchange_words as exchange_words
from graphapi.types.problems import Problem, presents
from referrals import merging, problems
from referrals.vocabulary import ConsentState, ReferralState


@presents(problems.TransitionNotAllowed)
@strawberry.type(
    description="The move is not possible from this state, or not for you; `allowed` says what is."
)
class TransitionNotAllowedProblem(Problem):
    """The move is not possible from the state in which the thing is."""

    from_: str = strawberry.field(name="from", description="The state now.")
    allowed: list[str] = strawberry.field(description="The moves (or states) that are possible for you.")

    @classmethod
    def of(cls, problem: Any, message: str) -> Self:
        """Return the problem as callers see it."""
        return cls(
            message=message,
            code=problem.code,
            from_=problem.state.value,
            allowed=[word.value for word in problem.allowed],
        )


@presents(merging.StillUnderWay)
@strawberry.type(description="An entry cannot end while something about persons is under way there.")
class StillUnderWayProblem(Problem):
    """An entry cannot end while something about persons is under way there."""

    under_way: list[merging.UnderWay] = strawberry.field(
        description="What must end, or go to somebody else, first."
    )

    @classmethod
    def of(cls, problem: Any, message: str) -> Self:
        """Return the problem as callers see it."""
        return cls(message=message, code=problem.code, under_way=list(problem.under_way))


@presents(problems.ConsentMissing)
@strawberry.type(description="The person's consent does not cover what was asked.")
class ConsentMissingProblem(Problem):
    """The consent does not cover what was asked."""

    missing: list[str] = strawberry.field(
        description=(
            "What is missing: CONSENT (none in force), RECIPIENT, PURPOSE:…, CATEGORY:…, NEVER:… (this kind "
            "of partner never gets it), SPECIAL_BASIS, SECTION_87_NOTICE, RELEASE_OF_SENDER, "
            "RELEASE_OF_RECIPIENT (§ 203 StGB)."
        )
    )

    @classmethod
    def of(cls, problem: Any, message: str) -> Self:
        """Return the problem as callers see it."""
        return cls(message=message, code=problem.code, missing=list(problem.missing))


@presents(problems.ConsentNotOpen)
@strawberry.type(description="The consent record is not in a state in which this can be done with it.")
class ConsentNotOpenProblem(Problem):
    """The consent record is not in a state in which this can be done with it."""

    state: ConsentState = strawberry.field(description="The state of the record.")

    @classmethod
    def of(cls, problem: Any, message: str) -> Self:
        """Return the problem as callers see it."""
        return cls(message=message, code=problem.code, state=problem.state)


@presents(problems.DuplicateReferral)
@strawberry.type(description="The same person already has an open referral to the same service.")
class DuplicateReferralProblem(Problem):
    """The same client already has an open referral to the same service."""

    referral_id: strawberry.ID | None = strawberry.field(description="The open referral.")

    @classmethod
    def of(cls, problem: Any, message: str) -> Self:
        """Return the problem as callers see it."""
        known = problem.referral_id
        return cls(
            message=message,
            code=problem.code,
            referral_id=global_id("Referral", known) if known is not None else None,
        )


@presents(directory_problems.NoPlaceLeft)
@strawberry.type(description="Somebody else took the last place of the service.")
class NoPlaceLeftProblem(Problem):
    """Somebody else took the last place of the service."""


@presents(problems.CodeNotValid)
@strawberry.type(description="The code is unknown, used or past its end; which of these is not told.")
class CodeNotValidProblem(Problem):
    """The person's code is unknown, used or past its end."""


@presents(problems.BookingTooLate)
@strawberry.type(description="The service wants to be asked earlier; give lateReason to ask all the same.")
class BookingTooLateProblem(Problem):
    """The service wants to be asked earlier."""

    earliest: datetime = strawberry.field(description="The first moment for which it can be asked now.")

    @classmethod
    def of(cls, problem: Any, message: str) -> Self:
        """Return the problem as callers see it."""
        return cls(message=message, code=problem.code, earliest=problem.earliest)


@presents(problems.AnswerLinkClosed)
@strawberry.type(description="The answer link was used, replaced or taken back, or its time is over.")
class AnswerLinkClosedProblem(Problem):
    """The answer link is over; not told why."""


@presents(problems.TooManyAttempts)
@strawberry.type(description="Too many codes were tried from your address, or too many wrong ones.")
class TooManyAttemptsProblem(Problem):
    """Too many codes were tried from one address."""

    retry_after: int = strawberry.field(description="Seconds until you may try again.")

    @classmethod
    def of(cls, problem: Any, message: str) -> Self:
        """Return the problem as callers see it."""
        return cls(message=message, code=problem.code, retry_after=problem.retry_after)


@presents(problems.ApprovalLapsed)
@strawberry.type(description="The request for four eyes was confirmed, refused or has lapsed.")
class ApprovalLapsedProblem(Problem):
    """The request for four eyes is settled."""


@presents(problems.Erased)
@strawberry.type(description="The data of this person were erased; nobody can read them any more.")
class ErasedProblem(Problem):
    """The person's data were erased."""


@presents(problems.PackageClosed)
@strawberry.type(description="The data about the person cannot be read (any more).")
class PackageClosedProblem(Problem):
    """The package is not readable."""

    state: ReferralState = strawberry.field(description="The state of the referral.")

    @classmethod
    def of(cls, problem: Any, message: str) -> Self:
        """Return the problem as callers see it."""
        return cls(message=message, code=problem.code, state=problem.state)
