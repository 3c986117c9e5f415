"""Interpreter bookings: request, confirm, decline, cancel, finish, say for whom."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory.database import Work
from directory.vocabulary import InterpretingMode
from graphapi.context import Info
from graphapi.mutations.running import ChangeProblems, CreateProblems, Given, run
from graphapi.relay import require_id, target_id
from graphapi.types.booking import Booking
from graphapi.types.exchange_problems import (
    BookingTooLateProblem,
    ErasedProblem,
    TransitionNotAllowedProblem,
)
from referrals import bookings
from referrals.bookings import BookingGiven
from referrals.vocabulary import GenderWish, LateReason


@strawberry.type(description="The booking as it is now.")
class BookingSaved:
    """The booking as it is now."""

    booking: Booking = strawberry.field(graphql_type=Booking, description="The booking.")


async def booking_saved(info: Info, booking_id: UUID) -> BookingSaved | None:
    """Read the booking with the actor's rights."""
    found = await info.context.people.booking(booking_id)
    return None if found is None else BookingSaved(booking=found)  # type: ignore[arg-type]


@strawberry.input(description="What is booked; nothing about the person but language, topic and wish.")
class RequestBookingInput:
    """What is booked."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    service_id: strawberry.ID = strawberry.field(description="The interpreting service.")
    language: str = strawberry.field(description="BCP 47.")
    variety: str | None = strawberry.field(default=strawberry.UNSET, description="Variety.")
    mode: InterpretingMode = strawberry.field(description="By phone, by video, on site.")
    starts_at: datetime = strawberry.field(description="When it begins, with time zone.")
    minutes: int = strawberry.field(description="How long, 15 to 600.")
    place: str | None = strawberry.field(default=strawberry.UNSET, description="Where; no names of persons.")
    topic: str | None = strawberry.field(default=strawberry.UNSET, description="Topic code.")
    gender_wish: GenderWish = strawberry.field(default=GenderWish.NONE, description="Which interpreter.")
    late_reason: LateReason | None = strawberry.field(
        default=strawberry.UNSET, description="Ask although the service wants to be asked earlier."
    )
    client_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Hand over this person's name once it is confirmed."
    )
    person_agreed: bool = strawberry.field(
        default=False, description="The person agreed that their name is handed over."
    )


@strawberry.input(description="A booking, in the version you read.")
class BookingVersionInput:
    """A booking, in the version that was read."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The booking.")
    expected_version: int = strawberry.field(description="The version you read.")


@strawberry.input(description="Who will come.")
class ConfirmBookingInput(BookingVersionInput):
    """Who will come."""

    interpreter: str | None = strawberry.field(
        default=strawberry.UNSET, description="If the service has several; nobody is booked twice at a time."
    )


@strawberry.input(description="How the appointment ended.")
class FinishBookingInput(BookingVersionInput):
    """How the appointment ended."""

    no_show: bool = strawberry.field(default=False, description="The person did not come.")


@strawberry.input(description="For whom the interpreter comes.")
class NameBookedPersonInput:
    """For whom the interpreter comes."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The booking.")
    client_id: strawberry.ID = strawberry.field(description="The person.")
    person_agreed: bool = strawberry.field(description="The person agreed to that.")


RequestBookingResult: TypeAlias = Annotated[
    BookingSaved | CreateProblems | BookingTooLateProblem | ErasedProblem,
    strawberry.union(name="RequestBookingResult"),
]
MoveBookingResult: TypeAlias = Annotated[
    BookingSaved | ChangeProblems | TransitionNotAllowedProblem, strawberry.union(name="MoveBookingResult")
]
NameBookedPersonResult: TypeAlias = Annotated[
    BookingSaved | CreateProblems | TransitionNotAllowedProblem | ErasedProblem,
    strawberry.union(name="NameBookedPersonResult"),
]


@strawberry.type
class BookingMutations:
    """What can be done with interpreter bookings."""

    @strawberry.mutation(
        graphql_type=RequestBookingResult, description="Ask an interpreting service for an appointment."
    )
    async def request_booking(self, info: Info, input: RequestBookingInput) -> object:
        """Ask for an interpreter."""

        async def act(work: Work, given: Given) -> UUID:
            wanted = given.read(BookingGiven, ids={"service_id": "Service", "client_id": "Client"})
            return (await bookings.request_booking(work, info.context.people.keys, wanted)).id

        return await run(info, input, act, read=booking_saved)

    @strawberry.mutation(graphql_type=MoveBookingResult, description="Interpreter's side: we will come.")
    async def confirm_booking(self, info: Info, input: ConfirmBookingInput) -> object:
        """Confirm a booking."""

        async def act(work: Work, given: Given) -> UUID:
            booking = await bookings.confirm_booking(
                work,
                target_id(input.id, "Booking"),
                input.expected_version,
                interpreter=input.interpreter or None,
            )
            return booking.id

        return await run(info, input, act, read=booking_saved)

    @strawberry.mutation(
        graphql_type=MoveBookingResult,
        description="Interpreter's side: we cannot come, up to the appointment; no reason is asked. The name "
        "is hidden again at once.",
    )
    async def decline_booking(self, info: Info, input: BookingVersionInput) -> object:
        """Decline a booking."""

        async def act(work: Work, given: Given) -> UUID:
            booking = await bookings.decline_booking(
                work, target_id(input.id, "Booking"), input.expected_version
            )
            return booking.id

        return await run(info, input, act, read=booking_saved)

    @strawberry.mutation(graphql_type=MoveBookingResult, description="Either side: it does not take place.")
    async def cancel_booking(self, info: Info, input: BookingVersionInput) -> object:
        """Cancel a booking."""

        async def act(work: Work, given: Given) -> UUID:
            booking = await bookings.cancel_booking(
                work, target_id(input.id, "Booking"), input.expected_version
            )
            return booking.id

        return await run(info, input, act, read=booking_saved)

    @strawberry.mutation(
        graphql_type=MoveBookingResult,
        description="Either side, afterwards: done, or a no-show.",
    )
    async def finish_booking(self, info: Info, input: FinishBookingInput) -> object:
        """Finish a booking."""

        async def act(work: Work, given: Given) -> UUID:
            booking = await bookings.finish_booking(
                work, target_id(input.id, "Booking"), input.expected_version, no_show=input.no_show
            )
            return booking.id

        return await run(info, input, act, read=booking_saved)

    @strawberry.mutation(
        graphql_type=NameBookedPersonResult,
        description="Requester: hand over for whom it is; the interpreter's side reads it while CONFIRMED.",
    )
    async def name_booked_person(self, info: Info, input: NameBookedPersonInput) -> object:
        """Say for whom the interpreter is booked."""

        async def act(work: Work, given: Given) -> UUID:
            booking_id = target_id(input.id, "Booking")
            await bookings.hand_over_name(
                work,
                info.context.people.keys,
                booking_id,
                require_id(input.client_id, "Client", "clientId"),
                person_agreed=input.person_agreed,
            )
            return booking_id

        return await run(info, input, act, read=booking_saved)
