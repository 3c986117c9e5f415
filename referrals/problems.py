"""Expected failures of the referral exchange; like all problems they carry codes and ids only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from directory.problems import Problem
from referrals.vocabulary import ConsentState, ReferralState


class TransitionNotAllowed(Problem):
    """The move is not possible from the referral's state, or not for this actor; ``allowed`` says what is."""

    code = "TRANSITION_NOT_ALLOWED"

    def __init__(self, state: StrEnum, allowed: Collection[StrEnum]) -> None:
        super().__init__(f"{state.value}: {', '.join(sorted(a.value for a in allowed))}")
        self.state = state
        self.allowed = tuple(sorted(allowed))

    @property
    def values(self) -> Mapping[str, str]:
        """What fills the template."""
        return {"from": self.state.value, "allowed": ", ".join(self.allowed)}


class ConsentMissing(Problem):
    """The consent does not cover what was asked; ``missing`` are codes as ``consent.covers`` returns them."""

    code = "CONSENT_MISSING"

    def __init__(self, missing: Collection[str]) -> None:
        super().__init__(", ".join(sorted(missing)))
        self.missing = tuple(sorted(missing))

    @property
    def values(self) -> Mapping[str, str]:
        """What fills the template."""
        return {"missing": ", ".join(self.missing)}


class ConsentNotOpen(Problem):
    """The consent record is not in a state in which this can be done with it."""

    code = "CONSENT_NOT_OPEN"

    def __init__(self, state: ConsentState) -> None:
        super().__init__(state.value)
        self.state = state

    @property
    def values(self) -> Mapping[str, str]:
        """What fills the template."""
        return {"state": self.state.value}


class DuplicateReferral(Problem):
    """The same client already has an open referral to the same service."""

    code = "DUPLICATE_REFERRAL"

    def __init__(self, referral_id: UUID | None = None) -> None:
        super().__init__(str(referral_id or ""))
        self.referral_id = referral_id


class CodeNotValid(Problem):
    """The person's code is unknown, used or past its end; which of these is not told."""

    code = "CODE_NOT_VALID"


class BookingTooLate(Problem):
    """The service wants to be asked earlier; ``earliest``: the first moment for which it can be asked now."""

    code = "BOOKING_TOO_LATE"

    def __init__(self, earliest: datetime) -> None:
        super().__init__(earliest.isoformat())
        self.earliest = earliest

    @property
    def values(self) -> Mapping[str, str]:
        """What fills the template."""
        return {"earliest": self.earliest.isoformat()}


class AnswerLinkClosed(Problem):
    """The link was used, replaced or withdrawn, or what it was for is over; which of these is not told."""

    code = "ANSWER_LINK_CLOSED"


class TooManyAttempts(Problem):
    """Too many codes were presented from one place; ``retry_after``: seconds until it may be tried again."""

    code = "TOO_MANY_ATTEMPTS"

    def __init__(self, retry_after: int) -> None:
        super().__init__(str(retry_after))
        self.retry_after = retry_after

    @property
    def values(self) -> Mapping[str, str]:
        """What fills the template."""
        return {"seconds": str(self.retry_after)}


class ApprovalLapsed(Problem):
    """The request for four eyes was confirmed, refused or has lapsed."""

    code = "APPROVAL_LAPSED"


class Erased(Problem):
    """The person's data key is gone: the data were erased and cannot be read any more, by anybody."""

    code = "ERASED"


class PackageClosed(Problem):
    """Not readable: not acknowledged yet, or the consent has ended; ``state`` says where the referral is."""

    code = "PACKAGE_CLOSED"

    def __init__(self, state: ReferralState) -> None:
        super().__init__(state.value)
        self.state = state

    @property
    def values(self) -> Mapping[str, str]:
        """What fills the template."""
        return {"state": self.state.value}
