"""A second opinion on referrals: the design's table as data of the tests, and a model of one referral.

Written from the design, not from the code: nothing here may import ``referrals``. The model predicts what an
operation does or is refused for, and what each side then reads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import holidays

ZONE: Final = ZoneInfo("Europe/Berlin")
_INSTANT: Final = timedelta(microseconds=1)

ROWS = """
# from (; between several)                     move            to                who
-                                              DRAFT           DRAFT             SENDER
DRAFT                                          AWAIT_CONSENT   AWAITING_CONSENT  SENDER
DRAFT;AWAITING_CONSENT                         SEND            SENT              SENDER
DRAFT;AWAITING_CONSENT                         ABANDON         ABANDONED         SENDER;PERSON;CLOCK
SENT                                           ACKNOWLEDGE     ACKNOWLEDGED      RECIPIENT
SENT;ACKNOWLEDGED                              ASK             INFO_REQUESTED    RECIPIENT
INFO_REQUESTED                                 REPLY           ACKNOWLEDGED      SENDER;CLOCK
SENT;ACKNOWLEDGED                              WAITLIST        WAITLISTED        RECIPIENT
SENT;ACKNOWLEDGED;WAITLISTED                   ACCEPT          ACCEPTED          RECIPIENT
SENT;ACKNOWLEDGED;WAITLISTED;ACCEPTED          DECLINE         DECLINED          RECIPIENT
SENT;ACKNOWLEDGED;WAITLISTED;ACCEPTED          EXPIRE          EXPIRED           CLOCK
ACCEPTED                                       START           IN_PROGRESS       RECIPIENT
IN_PROGRESS                                    HOLD            ON_HOLD           RECIPIENT
ON_HOLD                                        RESUME          IN_PROGRESS       RECIPIENT
ACCEPTED                                       REPORT_OUTCOME  OUTCOME_REPORTED  RECIPIENT
IN_PROGRESS;ON_HOLD                            REPORT_OUTCOME  OUTCOME_REPORTED  RECIPIENT;CLOCK
OUTCOME_REPORTED                               CLOSE           CLOSED            SENDER;CLOCK
OUTCOME_REPORTED                               CONTEST         IN_PROGRESS       SENDER;PERSON
CLOSED                                         REOPEN          IN_PROGRESS       SENDER+LEAD
open, after SENT                               CANCEL          CANCELLED         SENDER;PERSON
open                                           REVOKE          CONSENT_REVOKED   CONSENT
DRAFT;AWAITING_CONSENT                         CORRECT         ENTERED_IN_ERROR  SENDER
other                                          CORRECT         ENTERED_IN_ERROR  SENDER+LEAD
"""

UNSENT: Final = frozenset({"DRAFT", "AWAITING_CONSENT"})
TAKEN: Final = frozenset({"ACCEPTED", "IN_PROGRESS", "ON_HOLD"})
COURSE: Final = frozenset({"IN_PROGRESS", "ON_HOLD"})
RUNNING: Final = TAKEN | {"SENT", "ACKNOWLEDGED", "INFO_REQUESTED", "WAITLISTED", "OUTCOME_REPORTED"}
"""Open, and sent: the recipient may read the package, once it has opened it."""
OPEN: Final = UNSENT | RUNNING
ENDS: Final = frozenset(
    {"CLOSED", "ABANDONED", "DECLINED", "EXPIRED", "CANCELLED", "CONSENT_REVOKED", "ENTERED_IN_ERROR"}
)
GIVES_BACK: Final = ENDS - {"CLOSED", "ABANDONED"}
"""Ends that give a place back that was taken."""
OPENED: Final = RUNNING - {"SENT", "INFO_REQUESTED"}

_SOURCES: Final = {
    "open, after SENT": RUNNING,
    "open": OPEN,
    "other": (RUNNING | ENDS) - {"ENTERED_IN_ERROR"},
}

HIDDEN: Final = {
    "NOTHING": frozenset({"START", "HOLD", "RESUME"}),
    "CONTACT_MADE": frozenset({"HOLD", "RESUME"}),
    "OUTCOME": frozenset[str](),
}
"""What a sender that may not know how it went does not get to know of."""


def _table() -> dict[tuple[str | None, str, str], tuple[str, bool]]:
    found: dict[tuple[str | None, str, str], tuple[str, bool]] = {}
    for line in ROWS.strip().splitlines()[1:]:
        sources, (move, target, who) = line[:47].strip(), line[47:].split()
        states: Collection[str | None] = _SOURCES.get(sources) or sources.split(";")
        for state in states:
            for party in who.split(";"):
                row = (target, party == "SENDER+LEAD")
                found[None if state == "-" else state, move, party.removesuffix("+LEAD")] = row
    return found


TABLE: Final = _table()
MOVES: Final = frozenset(move for _, move, _ in TABLE)


def moves(state: str, party: str) -> frozenset[str]:
    """Return the moves that this party has in this state."""
    return frozenset(move for source, move, who in TABLE if source == state and who == party)


def behind(shown: str, depth: str) -> frozenset[str]:
    """Return the states that look alike to a sender."""
    if depth == "OUTCOME" or shown not in TAKEN:
        return frozenset({shown})
    if shown == "ACCEPTED":
        return TAKEN if depth == "NOTHING" else frozenset({shown})
    return COURSE


def senders_moves(shown: str, depth: str, party: str) -> frozenset[str]:
    """Return the moves that are possible in all of the states that look alike."""
    found = frozenset.intersection(*(moves(state, party) for state in behind(shown, depth)))
    return found - HIDDEN[depth] if party == "RECIPIENT" else found


# --- Days ---------------------------------------------------------------------------------------------------

_FREE: Final = holidays.country_holidays("DE", subdiv="BB")


def day_of(moment: datetime) -> date:
    return moment.astimezone(ZONE).date()


def last_second(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), tzinfo=ZONE)


def is_working(day: date) -> bool:
    return day.isoweekday() < 6 and day not in _FREE


def working_day(day: date, count: int) -> date:
    while count:
        day += timedelta(days=1)
        count -= is_working(day)
    return day


def working_between(start: date, end: date) -> int:
    return sum(is_working(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))


# --- Consents and referrals ---------------------------------------------------------------------------------


@dataclasses.dataclass
class Consent:
    """A consent as the person gave it."""

    id: str
    client: str
    recipients: frozenset[str]
    purposes: frozenset[str]
    categories: frozenset[str]
    depth: str
    until: datetime
    version: int
    state: str = "GIVEN"
    taken_back: frozenset[str] = frozenset()
    """Recipients and purposes that a withdrawal of this record named."""

    def in_force(self, at: datetime) -> bool:
        return self.state == "GIVEN" and at < self.until

    def covers(self, recipient: str, categories: Collection[str], at: datetime) -> bool:
        return (
            self.in_force(at)
            and recipient in self.recipients
            and "REFERRAL" in self.purposes
            and set(categories) <= self.categories
        )

    def depth_now(self, recipient: str, at: datetime) -> str:
        """Return what the recipient may tell at this moment."""
        told = self.in_force(at) and recipient in self.recipients and "REPORT_BACK" in self.purposes
        return self.depth if told else "NOTHING"

    def depth_readable(self, recipient: str) -> str:
        """Return what the sender may still read of what it was told."""
        over = self.state == "WITHDRAWN" or {recipient, "REPORT_BACK"} & self.taken_back
        return "NOTHING" if over or "REPORT_BACK" not in self.purposes else self.depth


@dataclasses.dataclass
class Link:
    """A one-time link for the recipient."""

    code: str
    stage: frozenset[str]
    expires: datetime
    live: bool = True


STAGES: Final = (
    frozenset({"SENT", "ACKNOWLEDGED", "INFO_REQUESTED"}),
    frozenset({"WAITLISTED"}),
    frozenset({"ACCEPTED"}),
    COURSE,
    frozenset({"CONSENT_REVOKED"}),
)


@dataclasses.dataclass
class Case:
    """A referral as it ought to be."""

    id: str
    client: str
    service: str
    recipient: str
    categories: frozenset[str]
    made: datetime
    state: str = "DRAFT"
    since: datetime = dataclasses.field(init=False)
    version: int = 1
    hidden: int = 0
    """Changes that the sender does not get to know of."""
    changed: datetime = dataclasses.field(init=False)
    told: datetime = dataclasses.field(init=False)
    """The last change that the sender knows of."""
    consent: Consent | None = None
    sent: bool = False
    history: list[tuple[str, str]] = dataclasses.field(default_factory=lambda: [("DRAFT", "DRAFT")])
    due_on: date | None = None
    stopped_on: date | None = None
    question_due: datetime | None = None
    week: date | None = None
    first_contact: date | None = None
    expected_end: date | None = None
    resume_on: date | None = None
    sign: date | None = None
    outcome: str | None = None
    closed_at: datetime | None = None
    place_taken: bool = False
    revocation_answered: bool = False
    link: Link | None = None

    def __post_init__(self) -> None:
        self.since = self.changed = self.told = self.made

    # --- What is read -------------------------------------------------------------------------------------

    def covered(self, at: datetime) -> bool:
        return self.consent is not None and self.consent.covers(self.recipient, self.categories, at)

    def judged(self, state: str, at: datetime) -> str:
        """Return a state as it counts at this moment: without a consent nothing runs."""
        return "CONSENT_REVOKED" if state in RUNNING and not self.covered(at) else state

    @property
    def depth(self) -> str:
        return "NOTHING" if self.consent is None else self.consent.depth_readable(self.recipient)

    @property
    def shown(self) -> str:
        """The state as the sender knows it: the last that it was told."""
        if self.state not in COURSE:
            return self.state
        return next(state for move, state in reversed(self.history) if move not in HIDDEN[self.depth])

    @property
    def opened(self) -> bool:
        return any(state in OPENED for _, state in self.history)

    def open_for_recipient(self, at: datetime) -> bool:
        state = self.judged(self.state, at)
        return state in OPENED or (state == "INFO_REQUESTED" and self.opened)

    def outcome_for_sender(self) -> str | None:
        return self.outcome if self.depth == "OUTCOME" or self.outcome is None else "NOT_DISCLOSED"

    # --- What happens -------------------------------------------------------------------------------------

    def go(self, move: str, party: str, at: datetime, *, told: bool = True) -> None:
        """Make a move of the table."""
        target, _ = TABLE[self.state, move, party]
        self.state, self.since = target, at
        self.history.append((move, target))
        self.count(at, told=told)

    def count(self, at: datetime, *, told: bool = True) -> None:
        self.version += 1
        self.changed = at
        if told:
            self.told = at
        else:
            self.hidden += 1

    def continue_clock(self, at: datetime) -> None:
        """Let the recipient's clock go on after a question."""
        if self.due_on is not None and self.stopped_on is not None:
            self.due_on = working_day(self.due_on, working_between(self.stopped_on, day_of(at)))
        self.stopped_on = self.question_due = None

    def ends_at(self) -> datetime | None:
        """Return when the clock makes its own move."""
        match self.state:
            case "DRAFT" | "AWAITING_CONSENT":
                return last_second(day_of(self.changed) + timedelta(days=30))
            case "SENT" | "ACKNOWLEDGED":
                assert self.due_on is not None
                return last_second(working_day(self.due_on, 5))
            case "INFO_REQUESTED":
                return self.question_due
            case "WAITLISTED":
                assert self.week is not None
                return last_second(self.week + timedelta(weeks=8))
            case "ACCEPTED":
                assert self.first_contact is not None
                return last_second(max(self.first_contact, self.sign or date.min) + timedelta(weeks=4))
            case "IN_PROGRESS" | "ON_HOLD":
                assert self.expected_end is not None
                heard = max(self.expected_end, day_of(self.since), self.sign or date.min)
                if self.state == "ON_HOLD" and self.resume_on is not None:
                    heard = max(heard, self.resume_on)
                return last_second(heard + timedelta(days=90))
            case "OUTCOME_REPORTED":
                return last_second(day_of(self.since) + timedelta(days=14))
            case _:
                return None

    def tick(self, now: datetime) -> bool:
        """Let the clock do what is due; return whether a place is given back."""
        until = now
        if self.consent is not None and self.consent.state == "GIVEN":
            until = min(now, self.consent.until - _INSTANT)
        while (end := self.ends_at()) is not None and end <= until:
            move = {
                "INFO_REQUESTED": "REPLY",
                "OUTCOME_REPORTED": "CLOSE",
                **dict.fromkeys(UNSENT, "ABANDON"),
                **dict.fromkeys(COURSE, "REPORT_OUTCOME"),
            }.get(self.state, "EXPIRE")
            if move == "REPLY":
                self.continue_clock(end)
            if move == "REPORT_OUTCOME":
                self.outcome, self.resume_on = "UNKNOWN", None
            if move == "CLOSE":
                self.closed_at = now
            self.go(move, "CLOCK", end)
            self.changed = self.told = now
        ended = self.consent is not None and self.consent.state == "GIVEN" and self.consent.until <= now
        if ended and self.state in OPEN:
            self.go("REVOKE", "CONSENT", now)
        return self.give_back()

    def give_back(self) -> bool:
        freed = self.place_taken and self.state in GIVES_BACK
        self.place_taken = self.place_taken and not freed
        return freed
