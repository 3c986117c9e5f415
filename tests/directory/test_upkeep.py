"""The chain at work: each step once, whoever runs it and whenever; one assurance undoes it all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from directory import sources, upkeep_links
from directory.actors import ANONYMOUS, SYSTEM, Role
from directory.catalogue import (
    PartnerChange,
    Saved,
    ServiceChange,
    assure_partner,
    assure_service,
    change_partner,
    change_service,
    hide_service,
    publish_service,
    set_capacity,
)
from directory.corrections import Suggestion, suggest
from directory.database import Database, Work
from directory.documents import DocumentKind
from directory.problems import NotSignedIn
from directory.upkeep import Kept, Told, advance, date_entries, entries_due, run_upkeep
from directory.values import Capacity, ContactPoint, CourseFacts
from directory.vocabulary import (
    CapacityState,
    ChangeField,
    ContactKind,
    DataKind,
    PublicationState,
    UpkeepStep,
)
from tests.directory.towns import Counted, Town, found_town

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DUE = datetime(2026, 9, 2, 8, 0, tzinfo=UTC)
"""Half a year later: the morning on which contact data of START are due."""


class Year:
    """A directory whose clock the test turns, and what the chain has told."""

    def __init__(self, database: Database, town: Town) -> None:
        self.database, self.town, self.told = database, town, list[Told]()

    async def tell(self, work: Work, told: Told) -> None:
        self.told.append(told)

    async def on(self, day: datetime) -> Kept:
        self.database.clock = lambda: day
        return await run_upkeep(self.database, self.tell)

    async def days(self, first: datetime, number: int) -> None:
        """Run once a week: all that is ever due falls on one of these days."""
        for passed in range(0, number, 7):
            await self.on(first + timedelta(days=passed))

    def steps(self, entry_id: UUID) -> list[tuple[str, date]]:
        return [(told.step.value, told.on) for told in self.told if told.entry_id == entry_id]

    async def assured(self, partner: Saved) -> Saved:
        async with self.database.work(SYSTEM) as work:
            return await assure_partner(work, partner.id, expected_version=partner.version)

    async def hidden_because(self, table: str, id_: UUID) -> tuple[str, str | None]:
        async with self.database.view(SYSTEM) as session:
            row = await session.execute(
                text(f"SELECT state, hidden_because FROM {table} WHERE id = :id"),
                {"id": id_},
            )
            state, because = row.one()
        return state, because


@pytest.fixture
async def year(empty_database: Database) -> Year:
    empty_database.clock = lambda: START
    town = await found_town(empty_database)
    return Year(empty_database, town)


async def service_of(year: Year, id_: UUID) -> object | None:
    return await sources.service(year.database, ANONYMOUS, id_)


async def version(year: Year, table: str, id_: UUID) -> int:
    async with year.database.view(SYSTEM) as session:
        found: int = await session.scalar(
            text(f"SELECT version FROM {table} WHERE id = :id"),
            {"id": id_},
        )
    return found


async def test_a_whole_chain_each_step_once_until_nobody_sees_the_entry(year: Year) -> None:
    partner = await year.town.partner()
    service = await year.town.service(partner.id)
    async with year.database.work(SYSTEM) as work:
        await assure_service(work, service.id, expected_version=service.version)
    await year.on(DUE - timedelta(days=1))
    assert year.told == []

    await year.days(DUE, 80)
    await year.on(DUE + timedelta(days=77))

    expected = [
        ("REMIND", date(2026, 9, 2)),
        ("REMIND_AGAIN", date(2026, 9, 16)),
        ("QUEUE", date(2026, 9, 30)),
        ("ANNOUNCE", date(2026, 10, 14)),
        ("HIDE", date(2026, 11, 11)),
    ]
    assert year.steps(service.id) == expected
    assert year.steps(partner.id) == expected
    assert {told.partner_id for told in year.told} == {partner.id, year.town.coordination_id}
    announced = [told for told in year.told if told.step is UpkeepStep.ANNOUNCE]
    assert {told.hide_on for told in announced} == {date(2026, 11, 11)}
    assert await service_of(year, service.id) is None
    assert await year.hidden_because("service", service.id) == ("HIDDEN", "STALE")
    assert await year.hidden_because("partner", partner.id) == ("HIDDEN", "STALE")


async def test_one_assurance_shows_a_hidden_entry_again(year: Year) -> None:
    partner = await year.town.partner()
    service = await year.town.service(partner.id)
    await year.days(DUE, 80)
    assert await service_of(year, service.id) is None
    staff = year.town.actor(Role.PARTNER_MEMBER, partner.id)

    async with year.database.work(staff) as work:
        await assure_partner(work, partner.id, expected_version=await version(year, "partner", partner.id))
    async with year.database.work(staff) as work:
        await assure_service(work, service.id, expected_version=await version(year, "service", service.id))

    assert await service_of(year, service.id) is not None
    assert await year.hidden_because("service", service.id) == ("PUBLISHED", None)
    before = len(year.told)
    await year.on(DUE + timedelta(days=81))
    assert len(year.told) == before


async def test_no_assurance_shows_a_partner_again_that_has_given_up(year: Year) -> None:
    partner = await year.town.partner()
    await year.days(DUE, 80)
    async with year.database.work(year.town.coordinator) as work:
        given_up = await change_partner(
            work,
            partner.id,
            PartnerChange(active=False),
            expected_version=await version(year, "partner", partner.id),
        )
        await assure_partner(work, partner.id, expected_version=given_up.version)

    assert await year.hidden_because("partner", partner.id) == ("HIDDEN", None)


async def test_an_assurance_before_the_end_stops_the_chain(year: Year) -> None:
    partner = await year.town.partner()
    await year.days(DUE, 50)
    assert [step for step, _ in year.steps(partner.id)] == ["REMIND", "REMIND_AGAIN", "QUEUE", "ANNOUNCE"]

    async with year.database.work(year.town.coordinator) as work:
        await assure_partner(work, partner.id, expected_version=partner.version)
    await year.days(DUE + timedelta(days=56), 30)

    assert len(year.steps(partner.id)) == 4
    assert await year.hidden_because("partner", partner.id) == ("PUBLISHED", None)


async def test_after_months_without_jobs_everybody_is_told_as_long_before_as_ever(year: Year) -> None:
    partner = await year.town.partner()
    late = DUE + timedelta(days=400)

    await year.days(late, 71)

    first = late.date()
    assert year.steps(partner.id) == [
        ("REMIND", first),
        ("REMIND_AGAIN", first + timedelta(days=14)),
        ("QUEUE", first + timedelta(days=28)),
        ("ANNOUNCE", first + timedelta(days=42)),
        ("HIDE", first + timedelta(days=70)),
    ]


async def test_two_processes_at_once_make_each_step_once(year: Year) -> None:
    partner = await year.town.partner()
    services = [await year.town.service(partner.id, f"Angebot {number}") for number in range(6)]
    year.database.clock = lambda: DUE

    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(run_upkeep(year.database, year.tell)) for _ in range(2)]

    reminded = [told.entry_id for told in year.told]
    assert sorted(reminded) == sorted({partner.id, year.town.coordination_id, *(one.id for one in services)})
    assert sum(run.result().steps for run in runs) == len(reminded)


async def test_who_waits_for_the_lock_reads_anew_what_was_done(year: Year) -> None:
    partner = await year.town.partner()
    year.database.clock = lambda: DUE
    async with year.database.work(SYSTEM) as first:
        assert await advance(first, DocumentKind.PARTNER, partner.id, year.tell) == (UpkeepStep.REMIND,)
        async with year.database.work(SYSTEM) as second:  # held by the first: left to it
            assert await advance(second, DocumentKind.PARTNER, partner.id, year.tell) == ()
    async with year.database.work(SYSTEM) as third:
        assert await advance(third, DocumentKind.PARTNER, partner.id, year.tell) == ()
    assert len(year.told) == 1


async def test_an_entry_that_cannot_be_read_holds_up_no_other(year: Year) -> None:
    partner = await year.town.partner()
    broken = await year.town.service(partner.id, "Kaputt")
    sound = [await year.town.service(partner.id, f"Angebot {number}") for number in range(3)]
    async with year.database.work(SYSTEM) as work:
        await work.session.execute(
            text("UPDATE service_document SET public = '{' WHERE id = :id"), {"id": broken.id}
        )

    kept = await year.on(DUE)

    assert kept.failed == 1
    assert {one.id for one in sound} <= {told.entry_id for told in year.told}


async def test_a_mail_that_cannot_be_promised_leaves_the_step_to_be_made(year: Year) -> None:
    partner = await year.town.partner()
    year.database.clock = lambda: DUE

    async def fails(work: Work, told: Told) -> None:
        raise RuntimeError("outbox")

    assert (await run_upkeep(year.database, fails)).failed == 2
    await year.on(DUE)

    assert year.steps(partner.id) == [("REMIND", date(2026, 9, 2))]


async def test_the_coordination_itself_is_never_hidden(year: Year) -> None:
    await year.days(DUE, 80)

    assert year.steps(year.town.coordination_id) == [
        ("REMIND", date(2026, 9, 2)),
        ("REMIND_AGAIN", date(2026, 9, 16)),
        ("QUEUE", date(2026, 9, 30)),
    ]
    assert await year.hidden_because("partner", year.town.coordination_id) == ("PUBLISHED", None)


async def test_drafts_and_what_was_hidden_by_hand_are_nobodys_concern(year: Year) -> None:
    partner = await year.town.partner()
    draft = await year.town.service(partner.id, published=False)
    hidden = await year.town.service(partner.id)
    async with year.database.work(SYSTEM) as work:
        await hide_service(work, hidden.id, expected_version=hidden.version)

    await year.days(DUE, 3)

    assert year.steps(draft.id) == year.steps(hidden.id) == []


async def test_figures_are_asked_for_in_weeks_and_hide_nothing(year: Year) -> None:
    partner = await year.town.partner()
    service = await year.town.service(partner.id, capacity=Capacity(state=CapacityState.OPEN))
    course = await year.town.service(partner.id, course=CourseFacts())

    await year.days(START, 60)

    expected = [
        ("REMIND", date(2026, 3, 30)),
        ("REMIND_AGAIN", date(2026, 4, 6)),
        ("QUEUE", date(2026, 4, 13)),
    ]
    assert year.steps(service.id) == year.steps(course.id) == expected
    assert await service_of(year, service.id) is not None


async def test_whoever_changes_a_field_has_looked_at_its_kind_of_data(year: Year) -> None:
    partner = await year.town.partner()
    service = await year.town.service(partner.id, capacity=Capacity(state=CapacityState.OPEN))
    year.database.clock = lambda: DUE
    phone = ContactPoint(kind=ContactKind.PHONE, value="+493551234")
    async with year.database.work(SYSTEM) as work:
        saved = await change_partner(
            work, partner.id, PartnerChange(contact_points=(phone,)), expected_version=partner.version
        )
        await change_partner(work, partner.id, PartnerChange(note="x"), expected_version=saved.version)
        await set_capacity(
            work, service.id, Capacity(state=CapacityState.FEW), expected_version=service.version
        )

    found = await sources.partner(year.database, ANONYMOUS, partner.id)
    of_service = await sources.service(year.database, ANONYMOUS, service.id)

    assert found is not None
    assert of_service is not None
    assert found.assured_kinds == {DataKind.CONTACT: DUE, DataKind.DESCRIPTION: START}
    assert of_service.assured_kinds == {
        DataKind.CAPACITY: DUE,
        DataKind.CONTACT: START,
        DataKind.DESCRIPTION: START,
    }
    assert found.assured_at is None


async def test_a_capacity_without_an_end_gets_one_and_an_assurance_renews_it(year: Year) -> None:
    partner = await year.town.partner()
    service = await year.town.service(partner.id, capacity=Capacity(state=CapacityState.FEW, waiting_weeks=2))
    first = await sources.service(year.database, ANONYMOUS, service.id)
    year.database.clock = lambda: START + timedelta(days=40)
    async with year.database.work(SYSTEM) as work:
        await assure_service(work, service.id, expected_version=service.version)
    again = await sources.service(year.database, ANONYMOUS, service.id)

    assert first is not None
    assert again is not None
    assert (first.capacity.as_of, first.capacity.expires_on) == (date(2026, 3, 2), date(2026, 3, 29))
    assert (again.capacity.as_of, again.capacity.expires_on) == (date(2026, 4, 11), date(2026, 5, 8))
    assert (again.capacity.state, again.capacity.waiting_weeks) == (CapacityState.FEW, 2)


async def test_a_document_without_a_date_is_given_one(year: Year) -> None:
    partner = await year.town.partner()
    service = await year.town.service(partner.id)
    async with year.database.work(SYSTEM) as work:
        for table in ("partner_document", "service_document"):
            await work.session.execute(text(f"UPDATE {table} SET due_at = NULL"))

    assert await date_entries(year.database, most=1) == 3
    await year.on(DUE)

    assert year.steps(service.id) == [("REMIND", date(2026, 9, 2))]


class TestTheQueue:
    async def test_the_longest_due_first_in_pages_for_who_keeps_them(self, year: Year) -> None:
        partner = await year.town.partner()
        other = await year.town.partner("Anderer Träger")
        service = await year.town.service(partner.id, capacity=Capacity(state=CapacityState.OPEN))
        await year.assured(other)
        await year.days(DUE, 30)
        now = DUE + timedelta(days=30)
        async with year.database.view(year.town.coordinator) as session:
            first = await entries_due(session, year.town.coordinator, now, first=2, with_total=True)
            rest = await entries_due(session, year.town.coordinator, now, first=9, after=first.cursors[-1])
        staff = year.town.actor(Role.PARTNER_MEMBER, partner.id)
        async with year.database.view(staff) as session:
            own = await entries_due(session, staff, now)

        listed = [*first.nodes, *rest.nodes]
        assert [entry.id for entry in listed[:1]] == [service.id]
        assert {entry.id for entry in listed} == {
            service.id,
            partner.id,
            other.id,
            year.town.coordination_id,
        }
        assert (first.has_next, first.total, rest.has_next) == (True, 4, False)
        assert listed[0].steps == (UpkeepStep.QUEUE, UpkeepStep.QUEUE)
        assert {entry.id for entry in own.nodes} == {service.id, partner.id}

    async def test_what_was_hidden_stays_until_somebody_assures_it(self, year: Year) -> None:
        partner = await year.town.partner()
        service = await year.town.service(partner.id)
        await year.days(DUE, 80)
        now = DUE + timedelta(days=80)

        async def listed() -> dict[UUID, bool]:
            async with year.database.view(year.town.coordinator) as session:
                page = await entries_due(session, year.town.coordinator, now)
            return {entry.id: entry.hidden for entry in page.nodes}

        before = await listed()
        async with year.database.work(year.town.coordinator) as work:
            await publish_service(
                work, service.id, expected_version=await version(year, "service", service.id)
            )
            await work.session.flush()
            await assure_service(
                work, service.id, expected_version=await version(year, "service", service.id) + 1
            )

        assert before[service.id] is before[partner.id] is True
        assert service.id not in await listed()

    async def test_strangers_see_nothing_and_nobody_is_not_signed_in(self, year: Year) -> None:
        await year.town.partner()
        elsewhere = await found_town(year.database)
        async with year.database.view(elsewhere.coordinator) as session:
            page = await entries_due(session, elsewhere.coordinator, DUE)
        with pytest.raises(NotSignedIn):
            async with year.database.view(ANONYMOUS) as session:
                await entries_due(session, ANONYMOUS, DUE)

        assert {entry.id for entry in page.nodes} == {elsewhere.coordination_id}


async def test_what_is_over_is_deleted(year: Year) -> None:
    """Links past their end, and remarks that nobody decided on for half a year; the suggestion stays."""
    partner = await year.town.partner()
    async with year.database.work(SYSTEM) as work:
        await upkeep_links.issue(work, partner.id, b"x" * 32)
        said = Suggestion(field=ChangeField.PHONE, value="0355 12345", remark="Fragen Sie Frau Muster.")
        await suggest(work, partner.id, None, said)

    async def kept() -> list[object]:
        async with year.database.view(SYSTEM) as session:
            row = await session.execute(
                text("SELECT (SELECT count(*) FROM upkeep_link), remark, state FROM change_request")
            )
            return list(row.one())

    await year.on(START + timedelta(days=59))
    before = await kept()
    await year.on(START + timedelta(days=181))

    assert before == [1, "Fragen Sie Frau Muster.", "OPEN"]
    assert await kept() == [0, None, "OPEN"]


async def test_the_queue_is_one_statement(counted: Counted, new_town: Callable[[], Awaitable[Town]]) -> None:
    town = await new_town()
    partner = await town.partner()
    for number in range(3):
        await town.service(partner.id, f"Angebot {number}")
    later = town.database.clock() + timedelta(days=400)
    async with counted.database.view(town.coordinator) as session:
        async with counted.expecting(1):
            page = await entries_due(session, town.coordinator, later, first=2)
        async with counted.expecting(2):
            await entries_due(session, town.coordinator, later, first=2, with_total=True)

    assert len(page.nodes) == 2


async def test_an_unknown_entry_is_left_alone(year: Year) -> None:
    async with year.database.work(SYSTEM) as work:
        assert await advance(work, DocumentKind.SERVICE, uuid4(), year.tell) == ()


async def test_a_change_of_one_field_is_no_assurance_of_the_rest(year: Year) -> None:
    partner = await year.town.partner()
    service = await year.town.service(partner.id, course=CourseFacts())
    later = START + timedelta(days=100)
    year.database.clock = lambda: later
    async with year.database.work(SYSTEM) as work:
        await change_service(
            work, service.id, ServiceChange(description={"de": "Neu"}), expected_version=service.version
        )
        # what its services show of a partner is not theirs
        await change_partner(
            work, partner.id, PartnerChange(name="Neuer Name"), expected_version=partner.version
        )
    found = await sources.service(year.database, ANONYMOUS, service.id)

    assert found is not None
    assert found.state is PublicationState.PUBLISHED
    assert found.updated_at == later
    assert found.assured_kinds == {
        DataKind.DESCRIPTION: later,
        DataKind.CONTACT: START,
        DataKind.COURSE: START,
    }
