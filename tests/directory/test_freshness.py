"""How long what an entry says counts, and what follows: tables of intervals and steps, and their limits."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory.days import ZONE
from directory.documents import PartnerDocument, ServiceDocument
from directory.freshness import (
    CHAINS,
    INTERVALS,
    Chain,
    Progress,
    due_at,
    due_days,
    freshness,
    hide_on,
    next_day,
    next_step,
    round_of,
)
from directory.values import Capacity, CourseFacts, MunicipalitySummary, PartnerSummary
from directory.vocabulary import (
    CapacityState,
    DataKind,
    FreshnessState,
    PartnerKind,
    PublicationState,
    ServiceKind,
    UpkeepStep,
)

ID = UUID(int=1)
TOWN = MunicipalitySummary(id=ID, name={"de": "Ort"}, ars="120520000000")
ASSURED = date(2026, 3, 2)
UNKNOWN = Capacity()


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), tzinfo=UTC)


def service(
    assured: date | None = ASSURED,
    *,
    capacity: Capacity = UNKNOWN,
    course: CourseFacts | None = None,
    changed: date = ASSURED,
    **kinds: date,
) -> ServiceDocument:
    return ServiceDocument(
        id=ID,
        version=1,
        partner=PartnerSummary(id=ID, name="Träger", kind=PartnerKind.FREE_PROVIDER),
        municipality=TOWN,
        kind=ServiceKind.COUNSELLING,
        title={"de": "Beratung"},
        capacity=capacity,
        course=course,
        state=PublicationState.PUBLISHED,
        assured_at=None if assured is None else noon(assured),
        assured_kinds={DataKind(kind): noon(day) for kind, day in kinds.items()},
        updated_at=noon(changed),
    )


def partner(assured: date | None = ASSURED, changed: date = ASSURED) -> PartnerDocument:
    return PartnerDocument(
        id=ID,
        version=1,
        municipality=TOWN,
        kind=PartnerKind.FREE_PROVIDER,
        name="Träger",
        state=PublicationState.PUBLISHED,
        assured_at=None if assured is None else noon(assured),
        updated_at=noon(changed),
    )


OPEN = Capacity(state=CapacityState.OPEN, as_of=date(2026, 3, 2))
ENDS = Capacity(state=CapacityState.FEW, as_of=date(2026, 3, 2), expires_on=date(2026, 3, 9))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (partner(), {"CONTACT": date(2026, 9, 2), "DESCRIPTION": date(2027, 3, 2)}),
        (partner(None, date(2026, 8, 31)), {"CONTACT": date(2027, 2, 28), "DESCRIPTION": date(2027, 8, 31)}),
        (service(), {"CONTACT": date(2026, 9, 2), "DESCRIPTION": date(2027, 3, 2)}),
        (service(capacity=OPEN), {"CAPACITY": date(2026, 3, 30)}),
        (service(capacity=ENDS), {"CAPACITY": date(2026, 3, 10)}),
        (service(course=CourseFacts()), {"COURSE": date(2026, 3, 30)}),
        (service(course=CourseFacts(), COURSE=date(2026, 4, 1)), {"COURSE": date(2026, 4, 29)}),
        (service(CONTACT=date(2026, 6, 1)), {"CONTACT": date(2026, 12, 1)}),
        # what was said of the whole entry later counts for its parts
        (service(CONTACT=date(2025, 6, 1)), {"CONTACT": date(2026, 9, 2)}),
        # who assures an entry says nothing of an old figure: that is due when it ends
        (service(date(2026, 3, 20), capacity=ENDS), {"CAPACITY": date(2026, 3, 10)}),
    ],
)
def test_each_kind_of_data_ages_at_its_own_pace(
    entry: PartnerDocument | ServiceDocument, expected: dict[str, date]
) -> None:
    due = due_days(entry)

    assert {kind: due[DataKind(kind)] for kind in expected} == expected
    if not isinstance(entry, ServiceDocument) or entry.course is None:
        assert DataKind.COURSE not in due
    assert (DataKind.CAPACITY in due) is (
        isinstance(entry, ServiceDocument) and entry.capacity.state != "UNKNOWN"
    )


def test_it_is_due_from_midnight_where_the_network_works() -> None:
    assert due_at(partner()) == datetime(2026, 9, 2, tzinfo=ZONE)


def test_an_entry_that_is_only_prepared_is_not_due() -> None:
    assert due_at(partner(None, date(1, 1, 1))) is None


@pytest.mark.parametrize(
    ("entry", "today", "state", "kinds"),
    [
        (partner(), date(2026, 9, 1), "FRESH", ()),
        (partner(), date(2026, 9, 2), "DUE", ("CONTACT",)),
        (partner(), date(2026, 9, 29), "DUE", ("CONTACT",)),
        (partner(), date(2026, 9, 30), "OVERDUE", ("CONTACT",)),
        (partner(), date(2027, 3, 2), "OVERDUE", ("CONTACT", "DESCRIPTION")),
        # an old figure counts no more, which says enough: the entry is not called overdue for it
        (service(capacity=ENDS), date(2026, 8, 1), "DUE", ("CAPACITY",)),
        (service(course=CourseFacts()), date(2026, 6, 1), "OVERDUE", ("COURSE",)),
    ],
)
def test_what_everybody_sees(
    entry: PartnerDocument | ServiceDocument, today: date, state: str, kinds: tuple[str, ...]
) -> None:
    found = freshness(entry, today)

    assert (found.state, found.kinds, found.hide_on) == (state, kinds, None)


def test_the_chain_of_an_entry_day_by_day() -> None:
    due = due_days(partner())
    progress: dict[Chain, Progress] = {}
    seen = []
    for number in range(200):
        today = date(2026, 9, 1) + timedelta(days=number)
        found = next_step(Chain.ENTRY, due, progress.get(Chain.ENTRY))
        if found is not None and found[1] <= today:
            progress[Chain.ENTRY] = Progress(due_on=round_of(Chain.ENTRY, due), step=found[0], on=today)
            seen.append((today, found[0].value))

    assert seen == [
        (date(2026, 9, 2), "REMIND"),
        (date(2026, 9, 16), "REMIND_AGAIN"),
        (date(2026, 9, 30), "QUEUE"),
        (date(2026, 10, 14), "ANNOUNCE"),
        (date(2026, 11, 11), "HIDE"),
    ]


@pytest.mark.parametrize(
    ("today", "state"), [(date(2026, 11, 10), "ANNOUNCED"), (date(2026, 11, 11), "TO_BE_HIDDEN")]
)
def test_the_announced_day(today: date, state: str) -> None:
    announced = {
        Chain.ENTRY: Progress(due_on=date(2026, 9, 2), step=UpkeepStep.ANNOUNCE, on=date(2026, 10, 14))
    }

    found = freshness(partner(), today, announced)

    assert (found.state, found.hide_on) == (FreshnessState(state), date(2026, 11, 11))


def test_an_assurance_begins_a_new_round() -> None:
    announced = {
        Chain.ENTRY: Progress(due_on=date(2026, 9, 2), step=UpkeepStep.ANNOUNCE, on=date(2026, 10, 14))
    }
    again = partner(date(2026, 10, 20))

    assert hide_on(announced, due_days(again)) is None
    assert freshness(again, date(2026, 11, 20), announced).state is FreshnessState.FRESH
    assert next_step(Chain.ENTRY, due_days(again), announced[Chain.ENTRY]) == (
        UpkeepStep.REMIND,
        date(2027, 4, 20),
    )


def test_figures_alone_never_hide_an_entry() -> None:
    assert {gap.step for gap in CHAINS[Chain.FIGURES]}.isdisjoint({UpkeepStep.ANNOUNCE, UpkeepStep.HIDE})
    assert {kind for kind, interval in INTERVALS.items() if interval.chain is Chain.FIGURES} == {
        DataKind.CAPACITY,
        DataKind.COURSE,
    }


@settings(max_examples=80)
@given(
    starts=st.lists(st.integers(0, 500), min_size=1, max_size=25, unique=True).map(sorted),
    hides=st.booleans(),
    with_figures=st.booleans(),
)
def test_whenever_the_jobs_run_no_step_is_skipped_repeated_or_hurried(
    starts: list[int], hides: bool, with_figures: bool
) -> None:
    """The jobs run on any days whatever (after stops of months, too): the order and the gaps stay."""
    due = due_days(service(capacity=OPEN) if with_figures else partner())
    progress: dict[Chain, Progress] = {}
    made: dict[Chain, list[tuple[UpkeepStep, date]]] = {chain: [] for chain in Chain}
    for number in starts:
        today = ASSURED + timedelta(days=number)
        waiting = next_day(due, progress, hides=hides)
        for chain in Chain:
            found = next_step(chain, due, progress.get(chain), hides=hides)
            if found is not None and found[1] <= today:
                assert waiting is not None
                assert waiting <= today
                progress[chain] = Progress(due_on=round_of(chain, due), step=found[0], on=today)
                made[chain].append((found[0], today))
    for chain, steps in made.items():
        table = CHAINS[chain]
        assert [step for step, _ in steps] == [gap.step for gap in table][: len(steps)]
        for (_, before), (step, on) in pairwise(steps):
            assert on - before >= timedelta(days=next(gap.days for gap in table if gap.step is step))
        if not hides:
            assert not {step for step, _ in steps} & {UpkeepStep.ANNOUNCE, UpkeepStep.HIDE}
