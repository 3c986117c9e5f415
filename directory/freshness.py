"""How long what an entry says counts as right, and what is done when nobody says so any more. Pure.

Facts of a document and a day in; state, day due and next step out. Intervals and chains are data. A day ends
at midnight where the network works. What nobody has ever assured counts from the day on which its
source last said something new of it, or else from the entry's last change.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from directory.days import ZONE, local_day
from directory.documents import PartnerDocument, ServiceDocument
from directory.values import Capacity, Instant, Value
from directory.vocabulary import CapacityState, DataKind, FreshnessState, UpkeepStep

Entry: TypeAlias = PartnerDocument | ServiceDocument
"""What ages."""


class Chain(StrEnum):
    """FIGURES age in weeks and stop counting by themselves; the ENTRY itself is hidden in the end."""

    FIGURES = "FIGURES"
    ENTRY = "ENTRY"


class Interval(Value, frozen=True, kw_only=True):
    """How long one kind of data counts as right, and which chain follows."""

    weeks: int = 0
    months: int = 0
    chain: Chain

    def end(self, day: date) -> date:
        """Return the first day on which what was right on ``day`` is to be looked at again.

        A month later is the same day of it, or its last.

        >>> Interval(months=6, chain=Chain.ENTRY).end(date(2026, 8, 31))
        datetime.date(2027, 2, 28)
        """
        month = day.month - 1 + self.months
        year, month = day.year + month // 12, month % 12 + 1
        return date(year, month, min(day.day, calendar.monthrange(year, month)[1])) + timedelta(
            weeks=self.weeks
        )


INTERVALS: Final[Mapping[DataKind, Interval]] = {
    DataKind.CAPACITY: Interval(weeks=4, chain=Chain.FIGURES),
    DataKind.COURSE: Interval(weeks=4, chain=Chain.FIGURES),
    DataKind.CONTACT: Interval(months=6, chain=Chain.ENTRY),
    DataKind.DESCRIPTION: Interval(months=12, chain=Chain.ENTRY),
}
"""How long each kind of data counts as right."""


class Gap(Value, frozen=True, kw_only=True):
    """A step, so many days after the one before it was done (the first: after the day that it was due)."""

    step: UpkeepStep
    days: int


CHAINS: Final[Mapping[Chain, tuple[Gap, ...]]] = {
    Chain.FIGURES: (
        Gap(step=UpkeepStep.REMIND, days=0),
        Gap(step=UpkeepStep.REMIND_AGAIN, days=7),
        Gap(step=UpkeepStep.QUEUE, days=7),
    ),
    Chain.ENTRY: (
        Gap(step=UpkeepStep.REMIND, days=0),
        Gap(step=UpkeepStep.REMIND_AGAIN, days=14),
        Gap(step=UpkeepStep.QUEUE, days=14),
        Gap(step=UpkeepStep.ANNOUNCE, days=14),
        Gap(step=UpkeepStep.HIDE, days=28),
    ),
}
"""What is done, in order. Days count from when the step before was really done: after a stop of weeks nothing
is skipped and nobody is hidden without having been told as long before as everybody else."""

OVERDUE_AFTER: Final = timedelta(
    days=sum(gap.days for gap in CHAINS[Chain.ENTRY][:3])  # up to and with QUEUE
)
"""How long after it was due an entry is called overdue, to everybody (old figures only stop counting)."""

CAPACITY_EXPIRES_AFTER: Final = timedelta(weeks=INTERVALS[DataKind.CAPACITY].weeks)
"""How long a capacity counts that was said without an end."""


def with_end(capacity: Capacity) -> Capacity:
    """Return a capacity with the last day on which it counts, where its day is known and nobody named one."""
    if capacity.state is CapacityState.UNKNOWN or capacity.as_of is None or capacity.expires_on is not None:
        return capacity
    last = capacity.as_of + CAPACITY_EXPIRES_AFTER - timedelta(days=1)
    return msgspec.structs.replace(capacity, expires_on=last)


KIND_OF_FIELD: Final[Mapping[str, DataKind]] = {
    "capacity": DataKind.CAPACITY,
    "course": DataKind.COURSE,
    "contact_points": DataKind.CONTACT,
    "website": DataKind.CONTACT,
    "locations": DataKind.CONTACT,
    "location_ids": DataKind.CONTACT,
    "description": DataKind.DESCRIPTION,
    "eligibility": DataKind.DESCRIPTION,
}
"""Which kind of data somebody has looked at who changes a field."""

_NEVER: Final = 1900
"""An entry that an import only prepares says no moment yet: its year is before this one."""


class Progress(Value, frozen=True, kw_only=True):
    """How far a chain has come in the round that began on the day ``due_on``."""

    due_on: date
    step: UpkeepStep
    on: date


class Freshness(Value, frozen=True, kw_only=True):
    """What is known of an entry's freshness on a day.

    ``assured_at``: when it was last said to be right as a whole. ``kinds``: what is to be looked at again.
    ``hide_on``: the day that was announced, if it was.
    """

    state: FreshnessState
    assured_at: Instant | None
    due_on: date
    kinds: tuple[DataKind, ...] = ()
    hide_on: date | None = None


def due_days(entry: Entry) -> dict[DataKind, date]:
    """Return for each kind of data that the entry has the first day on which it is to be looked at again.

    A capacity with an end is due on the day after it, whoever assured the entry since; without figures (and
    for an entry that is no course) there is nothing that could age. Empty for an entry without a moment.
    """
    whole = entry.assured_at or entry.said_at or entry.updated_at
    if whole.year < _NEVER:
        return {}
    kinds = [DataKind.CONTACT, DataKind.DESCRIPTION]
    due: dict[DataKind, date] = {}
    if isinstance(entry, ServiceDocument):
        capacity = entry.capacity
        if capacity.state is not CapacityState.UNKNOWN:
            if capacity.expires_on is not None:
                due[DataKind.CAPACITY] = capacity.expires_on + timedelta(days=1)
            else:
                said = capacity.as_of or local_day(whole)
                due[DataKind.CAPACITY] = said + CAPACITY_EXPIRES_AFTER
        if entry.course is not None:
            kinds.append(DataKind.COURSE)
    for kind in kinds:
        known = [moment for moment in (entry.assured_at, entry.assured_kinds.get(kind)) if moment is not None]
        due[kind] = INTERVALS[kind].end(local_day(max(known, default=whole)))
    return due


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=ZONE)


def due_at(entry: Entry) -> datetime | None:
    """Return the moment from which something of the entry is due; None for one without a moment."""
    days = due_days(entry)
    return _midnight(min(days.values())) if days else None


def hide_on(progress: Mapping[Chain, Progress], due: Mapping[DataKind, date]) -> date | None:
    """Return the day on which the entry is hidden unless somebody assures it; None: it was not announced."""
    done = progress.get(Chain.ENTRY)
    if done is None or done.step is not UpkeepStep.ANNOUNCE or done.due_on != _due_on(Chain.ENTRY, due):
        return None
    return done.on + timedelta(days=CHAINS[Chain.ENTRY][-1].days)


def freshness(entry: Entry, today: date, progress: Mapping[Chain, Progress] | None = None) -> Freshness:
    """Return how fresh an entry is on a day; only with the chain's progress can it be announced to be hidden.

    Never called for an entry that an import only prepares.
    """
    due = due_days(entry)
    first = min(due.values())
    hidden = hide_on(progress or {}, due)
    if today < first:
        state = FreshnessState.FRESH
    elif hidden is not None:
        state = FreshnessState.ANNOUNCED if today < hidden else FreshnessState.TO_BE_HIDDEN
    elif any(kind is not DataKind.CAPACITY and day + OVERDUE_AFTER <= today for kind, day in due.items()):
        state = FreshnessState.OVERDUE
    else:  # figures that are too old count no more, which says enough
        state = FreshnessState.DUE
    return Freshness(
        state=state,
        assured_at=entry.assured_at,
        due_on=first,
        kinds=tuple(kind for kind in DataKind if kind in due and due[kind] <= today),
        hide_on=hidden if today >= first else None,
    )


def _due_on(chain: Chain, due: Mapping[DataKind, date]) -> date | None:
    return min((day for kind, day in due.items() if INTERVALS[kind].chain is chain), default=None)


def next_step(
    chain: Chain, due: Mapping[DataKind, date], done: Progress | None, *, hides: bool = True
) -> tuple[UpkeepStep, date] | None:
    """Return the next step of a chain and the day from which it is due; None: nothing follows.

    What was done in an earlier round (before somebody assured the entry) counts no more. ``hides`` False: the
    chain ends before the announcement, for entries that nobody but a human may hide.
    """
    due_on = _due_on(chain, due)
    if due_on is None:
        return None
    steps = [gap for gap in CHAINS[chain] if hides or gap.step not in {UpkeepStep.ANNOUNCE, UpkeepStep.HIDE}]
    if done is None or done.due_on != due_on:
        return steps[0].step, due_on + timedelta(days=steps[0].days)
    names = [gap.step for gap in steps]
    if done.step not in names or done.step is names[-1]:
        return None
    following = steps[names.index(done.step) + 1]
    return following.step, done.on + timedelta(days=following.days)


def next_day(due: Mapping[DataKind, date], progress: Mapping[Chain, Progress], *, hides: bool) -> date | None:
    """Return the day on which the entry is to be looked at again; None: nothing follows unless it changes."""
    steps = (next_step(chain, due, progress.get(chain), hides=hides) for chain in Chain)
    return min((found[1] for found in steps if found is not None), default=None)


def round_of(chain: Chain, due: Mapping[DataKind, date]) -> date:
    """Return the day that names a chain's present round: the one from which it was due."""
    due_on = _due_on(chain, due)
    if due_on is None:
        raise ValueError(f"nothing of the chain {chain} is due")
    return due_on
