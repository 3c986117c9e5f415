"""Interpreter bookings: no name before the confirmation, nobody confirmed twice at a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from msgspec import structs
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from directory.actors import SYSTEM, Actor
from directory.database import Database
from directory.models import Service
from directory.problems import InvalidInput, NotAllowed, NotFound, StaleVersion
from directory.values import InterpretedLanguage, InterpretingFacts
from directory.vocabulary import InterpretingMode, ServiceKind
from referrals import bookings
from referrals.bookings import TABLE, BookingGiven, BookingMove, BookingView, allowed_moves
from referrals.personal_data.keystore import KeyStore
from referrals.problems import BookingTooLate, TransitionNotAllowed
from referrals.vocabulary import BookingState, GenderWish, LateReason
from tests.referrals.desk import at
from tests.referrals.town import Town

TOMORROW = datetime.now(UTC) + timedelta(days=1)


class Counter:
    """Books and answers in one town; the counselling centre interprets."""

    def __init__(self, database: Database, keys: KeyStore, town: Town) -> None:
        self.database, self.keys, self.town = database, keys, town
        self.interpreters = town.counselling.member

    async def request(self, starts_at: datetime = TOMORROW, **changes: object) -> BookingView:
        given: dict[str, object] = {
            "service_id": self.town.counselling.service,
            "language": "ti",
            "mode": InterpretingMode.ON_SITE,
            "starts_at": starts_at,
            "minutes": 60,
            "place": "Rathaus, Zimmer 3",
            "topic": "health",
            "gender_wish": GenderWish.WOMAN,
            **changes,
        }
        async with self.database.work(self.town.coordinator) as work:
            return await bookings.request_booking(work, self.keys, BookingGiven(**given))  # type: ignore[arg-type]

    async def confirm(self, booking: BookingView, interpreter: str | None = None) -> BookingView:
        async with self.database.work(self.interpreters) as work:
            return await bookings.confirm_booking(work, booking.id, booking.version, interpreter=interpreter)

    async def decline(self, booking: BookingView) -> BookingView:
        async with self.database.work(self.interpreters) as work:
            return await bookings.decline_booking(work, booking.id, booking.version)

    async def name(self, actor: Actor, booking: BookingView) -> str | None:
        async with self.database.view(actor) as session:
            return await bookings.view_booked_person(session, actor, self.keys, booking.id)

    async def raw_people(self, actor: Actor) -> int:
        async with self.database.view(actor) as session:
            found = await session.execute(text("SELECT count(*) FROM booking_person"))
            return int(found.scalar_one())


@pytest.fixture
async def counter(database: Database, keys: KeyStore, town: Town) -> Counter:
    async with database.work(SYSTEM) as work:
        service = await work.session.get_one(Service, town.counselling.service)
        service.kind = ServiceKind.LANGUAGE_MEDIATION
        service.interpreting = InterpretingFacts(
            languages=(InterpretedLanguage(language="ti"), InterpretedLanguage(language="ar")),
            modes=(InterpretingMode.ON_SITE, InterpretingMode.PHONE),
        )
    return Counter(database, keys, town)


@pytest.mark.parametrize("state", BookingState)
@pytest.mark.parametrize("move", BookingMove)
def test_only_the_stated_moves_lead_anywhere(state: BookingState, move: BookingMove) -> None:
    specified = {
        BookingState.REQUESTED: {BookingMove.CONFIRM, BookingMove.DECLINE, BookingMove.CANCEL},
        BookingState.CONFIRMED: {
            BookingMove.DECLINE,
            BookingMove.CANCEL,
            BookingMove.COMPLETE,
            BookingMove.NO_SHOW,
        },
    }
    assert ((state, move) in TABLE) is (move in specified.get(state, set()))
    assert (move in allowed_moves(state, recipient=True)) is ((state, move) in TABLE)


async def test_the_name_is_there_only_while_the_booking_is_confirmed(
    counter: Counter, town: Town, client_id: UUID
) -> None:
    asked = await counter.request(client_id=client_id, person_agreed=True)
    with pytest.raises(NotFound):
        await counter.name(counter.interpreters, asked)
    assert await counter.raw_people(counter.interpreters) == 0

    confirmed = await counter.confirm(asked)
    assert await counter.name(counter.interpreters, confirmed) == "Musterfrau, Erika Änn"
    assert await counter.name(town.coordinator, confirmed) == "Musterfrau, Erika Änn"

    async with at(counter.database, TOMORROW + timedelta(hours=2)):
        async with counter.database.work(counter.interpreters) as work:
            done = await bookings.finish_booking(work, confirmed.id, confirmed.version)
        assert done.state is BookingState.DONE
    with pytest.raises(NotFound):
        await counter.name(counter.interpreters, done)
    assert await counter.raw_people(counter.interpreters) == 0


async def test_what_the_interpreters_read_before_names_nobody(
    counter: Counter, town: Town, client_id: UUID
) -> None:
    asked = await counter.request(client_id=client_id, person_agreed=True)
    async with counter.database.view(counter.interpreters) as session:
        page = await bookings.list_bookings(session, counter.interpreters, received=True)

    seen = page.items[0]
    assert (seen.id, seen.language, seen.gender_wish, seen.topic) == (
        asked.id,
        "ti",
        GenderWish.WOMAN,
        "health",
    )
    assert str(client_id) not in repr(seen)
    assert "Musterfrau" not in repr(seen)
    assert str(town.coordinator.member_id) not in repr(seen)


async def test_a_name_is_handed_over_only_if_the_person_agreed(counter: Counter, client_id: UUID) -> None:
    with pytest.raises(InvalidInput):
        await counter.request(client_id=client_id)
    asked = await counter.request()
    confirmed = await counter.confirm(asked)
    assert await counter.name(counter.interpreters, confirmed) is None
    with pytest.raises(InvalidInput):
        async with counter.database.work(counter.town.coordinator) as work:
            await bookings.hand_over_name(work, counter.keys, asked.id, client_id, person_agreed=False)
    assert await counter.raw_people(counter.town.coordinator) == 0
    async with counter.database.work(counter.town.coordinator) as work:
        await bookings.hand_over_name(work, counter.keys, asked.id, client_id, person_agreed=True)
    assert await counter.name(counter.interpreters, confirmed) == "Musterfrau, Erika Änn"


async def test_declining_tells_no_reason(counter: Counter) -> None:
    asked = await counter.request()
    async with counter.database.work(counter.interpreters) as work:
        declined = await bookings.decline_booking(work, asked.id, asked.version)

    assert (declined.state, declined.allowed) == (BookingState.DECLINED, ())
    with pytest.raises(TransitionNotAllowed) as refused:
        await counter.confirm(declined)
    assert refused.value.allowed == ()


async def test_who_knows_the_person_declines_like_everybody_else(
    counter: Counter, town: Town, client_id: UUID
) -> None:
    """Only the confirmed see the name, so only they know the person; what they do then tells no reason."""
    soon = TOMORROW + timedelta(days=1)
    ill = await counter.confirm(await counter.request(), "Frau A")
    knows = await counter.confirm(
        await counter.request(soon, client_id=client_id, person_agreed=True), "Frau A"
    )
    assert await counter.name(counter.interpreters, knows) == "Musterfrau, Erika Änn"
    declined = [await counter.decline(booking) for booking in (ill, knows)]

    with pytest.raises(NotFound):
        await counter.name(counter.interpreters, knows)
    assert await counter.raw_people(counter.interpreters) == 0
    left_behind = []
    for booking in declined:
        async with counter.database.view(town.coordinator) as session:
            seen = await bookings.view_booking(session, town.coordinator, booking.id)
        assert (seen.state, seen.interpreter) == (BookingState.DECLINED, None)
        async with counter.database.view(SYSTEM) as session:
            row = (
                await session.execute(
                    text(
                        "SELECT to_jsonb(b) - ARRAY['id', 'starts_at', 'created_at', 'updated_at']"
                        " FROM booking b WHERE id = :id"
                    ),
                    {"id": booking.id},
                )
            ).scalar_one()
            told = await session.execute(
                text("SELECT kind, addressee, dedupe FROM notice WHERE about_id = :id ORDER BY kind"),
                {"id": booking.id},
            )
            audit = await session.execute(
                text(
                    "SELECT action, details::text FROM audit WHERE object_id = :id"
                    " AND action IN ('booking.confirm', 'booking.decline') ORDER BY id"
                ),
                {"id": booking.id},
            )
            left_behind.append((row, [tuple(r) for r in told], [tuple(r) for r in audit]))
    assert left_behind[0] == left_behind[1]


async def test_nobody_declines_once_the_appointment_has_begun(counter: Counter) -> None:
    confirmed = await counter.confirm(await counter.request())
    async with at(counter.database, TOMORROW):
        with pytest.raises(InvalidInput) as refused:
            await counter.decline(confirmed)
    assert (refused.value.field, refused.value.reason) == ("startsAt", "in-the-past")


async def test_the_declined_appointment_frees_the_interpreter(counter: Counter) -> None:
    first, second = await counter.request(), await counter.request()
    await counter.decline(await counter.confirm(first))
    assert (await counter.confirm(second)).state is BookingState.CONFIRMED


async def test_the_database_itself_refuses_what_overlaps(counter: Counter, town: Town) -> None:
    """For one named interpreter in the whole organisation, and for a service that names nobody."""
    for name in ("Frau A", None):
        first, second = await counter.request(), await counter.request()
        await counter.confirm(first, name)
        with pytest.raises(IntegrityError) as refused:
            async with counter.database.work(counter.interpreters) as work:
                await work.session.execute(
                    text("UPDATE booking SET state = 'CONFIRMED', interpreter = :name WHERE id = :id"),
                    {"id": second.id, "name": name and name.upper()},
                )
        assert "booking_no_overlap" in str(refused.value.orig)


async def test_one_interpreter_is_booked_once_over_all_services_of_the_organisation(
    counter: Counter, town: Town
) -> None:
    async with counter.database.work(SYSTEM) as work:
        known = await work.session.get_one(Service, town.counselling.service)
        columns = [column.name for column in Service.__table__.columns if column.name != "id"]
        other = Service(id=uuid4(), **{name: getattr(known, name) for name in columns})
        work.session.add(other)
    first, second = await counter.request(), await counter.request(service_id=other.id)
    third = await counter.request(service_id=other.id)
    await counter.confirm(first, "Frau A")
    with pytest.raises(InvalidInput):
        await counter.confirm(second, "Frau  A")
    assert (await counter.confirm(third)).state is BookingState.CONFIRMED


async def test_who_asks_too_late_is_told_when_or_says_why(counter: Counter) -> None:
    async with counter.database.work(SYSTEM) as work:
        service = await work.session.get_one(Service, counter.town.counselling.service)
        assert service.interpreting is not None
        service.interpreting = structs.replace(service.interpreting, lead_time_hours=48)
    now = datetime.now(UTC)
    async with at(counter.database, now):
        with pytest.raises(BookingTooLate) as refused:
            await counter.request(now + timedelta(hours=47, minutes=59))
        assert refused.value.earliest == now + timedelta(hours=48)
        on_time = await counter.request(refused.value.earliest, late_reason=LateReason.EMERGENCY)
        urgent = await counter.request(now + timedelta(hours=3), late_reason=LateReason.EMERGENCY)

    assert (on_time.late_reason, urgent.late_reason) == (None, LateReason.EMERGENCY)


async def test_of_fifty_parallel_confirmations_of_one_booking_one_counts(counter: Counter) -> None:
    asked = await counter.request()

    results = await asyncio.gather(*(counter.confirm(asked) for _ in range(50)), return_exceptions=True)

    assert len([r for r in results if isinstance(r, BookingView)]) == 1
    assert {type(r) for r in results if not isinstance(r, BookingView)} == {StaleVersion}


async def test_of_fifty_parallel_bookings_of_one_interpreter_at_a_time_one_is_confirmed(
    counter: Counter,
) -> None:
    asked = [await counter.request(TOMORROW + timedelta(minutes=number)) for number in range(50)]

    results = await asyncio.gather(*(counter.confirm(b) for b in asked), return_exceptions=True)

    assert len([r for r in results if isinstance(r, BookingView)]) == 1
    refused = [r for r in results if isinstance(r, InvalidInput)]
    assert {(r.field, r.reason) for r in refused} == {("interpreter", "overlap")}
    assert len(refused) == 49


async def test_several_interpreters_work_at_the_same_time_but_each_once(counter: Counter) -> None:
    first, second, third, after = [
        await counter.request(TOMORROW + timedelta(minutes=minutes)) for minutes in (0, 30, 30, 60)
    ]
    await counter.confirm(first, "Frau A")
    await counter.confirm(second, "Herr B")
    with pytest.raises(InvalidInput):
        await counter.confirm(third, "frau a ")
    assert (await counter.confirm(after, "Frau A")).state is BookingState.CONFIRMED


async def test_a_cancelled_appointment_frees_the_interpreter(counter: Counter) -> None:
    first, second = await counter.request(), await counter.request()
    confirmed = await counter.confirm(first)
    async with counter.database.work(counter.town.coordinator) as work:
        await bookings.cancel_booking(work, confirmed.id, confirmed.version)

    assert (await counter.confirm(second)).state is BookingState.CONFIRMED


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"starts_at": datetime(2020, 1, 1, tzinfo=UTC)}, "startsAt", "in-the-past"),
        ({"minutes": 5}, "minutes", "too-small"),
        ({"minutes": 6_000}, "minutes", "too-large"),
        ({"language": "fa"}, "language", "not-offered"),
        ({"mode": InterpretingMode.VIDEO}, "mode", "not-offered"),
        ({"topic": "no-such-topic"}, "topic", "unknown-value"),
        ({"service_id": UUID(int=7)}, "serviceId", "not-published"),
    ],
)
async def test_what_cannot_be_booked(
    counter: Counter, change: dict[str, object], field: str, reason: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await counter.request(**change)  # type: ignore[arg-type]

    assert (refused.value.field, refused.value.reason) == (field, reason)


async def test_others_find_nothing_and_the_requester_confirms_nothing(counter: Counter, town: Town) -> None:
    asked = await counter.request()
    for actor, problem in (
        (town.coordinator, NotAllowed),
        (town.business.member, NotFound),
        (town.jobcenter.member, NotFound),
    ):
        with pytest.raises(problem):
            async with counter.database.work(actor) as work:
                await bookings.confirm_booking(work, asked.id, asked.version)
    with pytest.raises(InvalidInput):
        confirmed = await counter.confirm(asked)
        async with counter.database.work(counter.interpreters) as work:
            await bookings.finish_booking(work, confirmed.id, confirmed.version, no_show=True)

    async with counter.database.view(town.coordinator) as session:
        seen = await bookings.view_booking(session, town.coordinator, asked.id)
    assert (seen.state, seen.version) == (BookingState.CONFIRMED, 2)
