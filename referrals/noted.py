"""What is noted beside the state: appointments, no-shows, signs of life, remarks; who may note it, and when.

Pure. The moves that change the state are in ``states``; these events change facts, and the state stays.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final

import msgspec

from referrals.problems import TransitionNotAllowed
from referrals.states import allowed
from referrals.vocabulary import READABLE_STATES, EventActor, ReferralState


class Noted(StrEnum):
    """An event that moves nothing."""

    APPOINTMENT_SET = "APPOINTMENT_SET"
    APPOINTMENT_MOVED = "APPOINTMENT_MOVED"
    APPOINTMENT_CANCELLED = "APPOINTMENT_CANCELLED"
    NO_SHOW = "NO_SHOW"
    INTERIM = "INTERIM"
    SIGN_OF_LIFE = "SIGN_OF_LIFE"
    WAITLIST_UPDATED = "WAITLIST_UPDATED"
    REMARK = "REMARK"
    FILE_NUMBER_SET = "FILE_NUMBER_SET"
    REASSIGNED = "REASSIGNED"
    CLIENT_TAKEN_OVER = "CLIENT_TAKEN_OVER"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Who may note something, and in which states."""

    who: frozenset[EventActor]
    states: frozenset[ReferralState]


_R = ReferralState
_P: Final = frozenset({EventActor.RECIPIENT})
_BOTH: Final = frozenset({EventActor.SENDER, EventActor.RECIPIENT})
COURSE: Final = frozenset({_R.IN_PROGRESS, _R.ON_HOLD})
"""The recipient works with the person."""
TAKEN: Final = COURSE | {_R.ACCEPTED}
"""The recipient has taken the person, and no outcome is reported yet."""
_ANSWERED: Final = TAKEN | {_R.ACKNOWLEDGED, _R.WAITLISTED}

NOTES: Final[dict[Noted, Note]] = {
    Noted.APPOINTMENT_SET: Note(who=_P, states=_ANSWERED),
    Noted.APPOINTMENT_MOVED: Note(who=_P, states=_ANSWERED),
    Noted.APPOINTMENT_CANCELLED: Note(who=_P, states=_ANSWERED),
    Noted.NO_SHOW: Note(who=_P, states=_ANSWERED),
    Noted.INTERIM: Note(who=_P, states=TAKEN),
    Noted.SIGN_OF_LIFE: Note(who=_P, states=TAKEN),
    Noted.WAITLIST_UPDATED: Note(who=_P, states=frozenset({_R.WAITLISTED})),
    Noted.REMARK: Note(who=_BOTH, states=READABLE_STATES),
    Noted.FILE_NUMBER_SET: Note(who=_BOTH, states=frozenset(_R) - {_R.ENTERED_IN_ERROR}),
    Noted.REASSIGNED: Note(who=_BOTH, states=frozenset(_R) - {_R.ENTERED_IN_ERROR}),
    Noted.CLIENT_TAKEN_OVER: Note(who=_P, states=TAKEN | {_R.OUTCOME_REPORTED}),
}
"""The table: everything that can be noted."""


def check_note(
    noted: Noted, states: Collection[ReferralState], shown: ReferralState, as_: EventActor
) -> None:
    """Raise TransitionNotAllowed unless this may be noted in each of ``states``; ``shown`` is then named."""
    if not set(states) <= NOTES[noted].states:
        raise TransitionNotAllowed(shown, allowed(shown, as_))
