"""What is done with a referral beside its state: appointments, reports, remarks, taking over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory.database import Work
from directory.problems import InvalidInput
from graphapi.context import Info
from graphapi.given import renaming
from graphapi.mutations.clients import ClientSaved, client_saved
from graphapi.mutations.referrals import (
    ConsentGivenInput,
    FollowUpReferralInput,
    ReferralSaved,
    ReferralVersionInput,
    consent_fields,
    referral_saved,
)
from graphapi.mutations.running import ChangeProblems, CreateProblems, Given, run
from graphapi.relay import target_id
from graphapi.types.exchange_problems import (
    ConsentMissingProblem,
    ConsentNotOpenProblem,
    DuplicateReferralProblem,
    ErasedProblem,
    PackageClosedProblem,
    TransitionNotAllowedProblem,
)
from referrals import answering, appointments, exchange, taking_over, thread
from referrals.appointments import AppointmentGiven
from referrals.exchange import ConsentGiven, FollowUp
from referrals.moving import Answered, Moved
from referrals.vocabulary import AnswerSource, AppointmentKind, BringAlong, CapacityReason, InterimResult

NoteReferralResult: TypeAlias = Annotated[
    ReferralSaved | ChangeProblems | TransitionNotAllowedProblem | ConsentMissingProblem | ErasedProblem,
    strawberry.union(name="NoteReferralResult"),
]
MarkThreadReadResult: TypeAlias = Annotated[
    ReferralSaved | CreateProblems, strawberry.union(name="MarkThreadReadResult")
]
TakeOverClientResult: TypeAlias = Annotated[
    ClientSaved | CreateProblems | TransitionNotAllowedProblem | PackageClosedProblem | ErasedProblem,
    strawberry.union(name="TakeOverClientResult"),
]

ReferOnResult: TypeAlias = Annotated[
    ReferralSaved
    | CreateProblems
    | DuplicateReferralProblem
    | ErasedProblem
    | TransitionNotAllowedProblem
    | ConsentMissingProblem
    | ConsentNotOpenProblem,
    strawberry.union(name="ReferOnResult"),
]


@strawberry.input(description="That the sender records what the partner told it.")
class ToldByPartnerInput:
    """That the sender records what it was told."""

    source: AnswerSource = strawberry.field(description="PHONE, EMAIL, LETTER or IN_PERSON.")
    on: date = strawberry.field(description="On which day they said so.")


@strawberry.input(description="What the recipient notes; the sender may note it as told by the partner.")
class RecipientNoteInput(ReferralVersionInput):
    """What the recipient notes about a referral."""

    told: ToldByPartnerInput | None = strawberry.field(
        default=strawberry.UNSET, description="For the sender: the partner told you so."
    )


@strawberry.input(description="An appointment with the person.")
class SetAppointmentInput(RecipientNoteInput):
    """An appointment to set."""

    starts_at: datetime = strawberry.field(description="When, with zone.")
    minutes: int = strawberry.field(default=60, description="How long: 5 to 600 minutes.")
    kind: AppointmentKind = strawberry.field(default=AppointmentKind.FIRST_CONTACT, description="What for.")
    location_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Where: a place of the recipient (Location)."
    )
    place: str | None = strawberry.field(
        default=strawberry.UNSET, description="Or a room or an address; nothing about the person."
    )
    bring: list[BringAlong] = strawberry.field(
        default_factory=list, description="What the person is to bring."
    )
    note: str | None = strawberry.field(
        default=strawberry.UNSET, description="What else they should know; short, sealed and deleted."
    )


@strawberry.input(description="An appointment that takes the place of another one.")
class MoveAppointmentInput(SetAppointmentInput):
    """An appointment to move."""

    appointment_id: strawberry.ID = strawberry.field(description="Which one is moved (Appointment).")


@strawberry.input(description="An appointment that does not happen.")
class CancelAppointmentInput(RecipientNoteInput):
    """An appointment to cancel."""

    appointment_id: strawberry.ID = strawberry.field(description="Which one (Appointment).")


@strawberry.input(description="That the person did not come.")
class NoteNoShowInput(RecipientNoteInput):
    """That the person did not come."""

    on: date = strawberry.field(description="On which day.")
    appointment_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="To which appointment (Appointment)."
    )


@strawberry.input(description="How it stands meanwhile.")
class ReportInterimInput(RecipientNoteInput):
    """How it stands meanwhile."""

    result: InterimResult = strawberry.field(
        description="Without a consent to report back it is not kept, whatever is said."
    )
    on: date = strawberry.field(description="On which day.")


@strawberry.input(description="What is new on the waiting list; at least one of both.")
class UpdateWaitingListInput(RecipientNoteInput):
    """What is new on the waiting list."""

    expected_week: date | None = strawberry.field(
        default=strawberry.UNSET, description="Any day of the week in which there may be a place."
    )
    position: int | None = strawberry.field(
        default=strawberry.UNSET, description="At which position the person waits, from 1."
    )


@strawberry.input(description="A remark to the other side.")
class WriteRemarkInput(RecipientNoteInput):
    """A remark to the other side."""

    text: str = strawberry.field(
        description=(
            "At most 600 characters; about the person only what is needed. Sealed, deleted with the package."
        )
    )


@strawberry.input(description="Your own sign for a referral.")
class SetFileNumberInput(ReferralVersionInput):
    """The own side's sign for a referral."""

    file_number: str | None = strawberry.field(
        description="The sign (Aktenzeichen); the other side reads it. Null removes it."
    )


@strawberry.input(description="A referral.")
class ReferralInput:
    """A referral."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The referral.")


@strawberry.input(description="Follow a referral up and send it in one operation, with a new consent.")
class ReferOnInput(FollowUpReferralInput):
    """Follow a referral up and send it in one operation."""

    consent: ConsentGivenInput = strawberry.field(
        description="What the person consented to, for the new recipient."
    )
    capacity_reason: CapacityReason | None = strawberry.field(
        default=strawberry.UNSET, description="Needed when the service has no places."
    )


def answered_by(input_: RecipientNoteInput) -> Answered | None:
    """Return that the sender records what it was told, if it does."""
    return Answered(source=input_.told.source, on=input_.told.on) if input_.told else None


_TOLD = {"answered.on": "told.on", "answered.source": "told.source"}
_BESIDE = frozenset({"told", "appointment_id"})


async def _noted(
    info: Info,
    input_: ReferralVersionInput,
    note: Callable[[Work, Given, UUID], Awaitable[Moved]],
) -> object:
    async def act(work: Work, given: Given) -> UUID:
        with renaming(_TOLD):
            return (await note(work, given, target_id(input_.id, "Referral"))).id

    return await run(info, input_, act, read=referral_saved)


def _appointment(given: Given) -> AppointmentGiven:
    starts_at = given.values["starts_at"]
    if starts_at.tzinfo is None:
        raise InvalidInput("startsAt", "wrong-type")
    return given.read(AppointmentGiven, ids={"location_id": "Location"}, without=_BESIDE)


@strawberry.type
class NoteMutations:
    """What can be done with a referral beside its state."""

    @strawberry.mutation(
        graphql_type=NoteReferralResult, description="Recipient: set an appointment with the person."
    )
    async def set_appointment(self, info: Info, input: SetAppointmentInput) -> object:
        """Set an appointment."""

        async def note(work: Work, given: Given, referral_id: UUID) -> Moved:
            return await appointments.set_appointment(
                work,
                info.context.people.keys,
                referral_id,
                input.expected_version,
                _appointment(given),
                answered=answered_by(input),
            )

        return await _noted(info, input, note)

    @strawberry.mutation(
        graphql_type=NoteReferralResult,
        description="Recipient: move an appointment, or make a new one after the person did not come.",
    )
    async def move_appointment(self, info: Info, input: MoveAppointmentInput) -> object:
        """Move an appointment."""

        async def note(work: Work, given: Given, referral_id: UUID) -> Moved:
            return await appointments.move_appointment(
                work,
                info.context.people.keys,
                referral_id,
                input.expected_version,
                target_id(input.appointment_id, "Appointment"),
                _appointment(given),
                answered=answered_by(input),
            )

        return await _noted(info, input, note)

    @strawberry.mutation(
        graphql_type=NoteReferralResult, description="Recipient: cancel an appointment; the referral goes on."
    )
    async def cancel_appointment(self, info: Info, input: CancelAppointmentInput) -> object:
        """Cancel an appointment."""

        async def note(work: Work, given: Given, referral_id: UUID) -> Moved:
            return await appointments.cancel_appointment(
                work,
                info.context.people.keys,
                referral_id,
                input.expected_version,
                target_id(input.appointment_id, "Appointment"),
                answered=answered_by(input),
            )

        return await _noted(info, input, note)

    @strawberry.mutation(
        graphql_type=NoteReferralResult,
        description="Recipient: the person did not come; it is counted, and ends nothing.",
    )
    async def note_no_show(self, info: Info, input: NoteNoShowInput) -> object:
        """Note that the person did not come."""

        async def note(work: Work, given: Given, referral_id: UUID) -> Moved:
            return await appointments.no_show(
                work,
                referral_id,
                input.expected_version,
                input.on,
                appointment_id=target_id(input.appointment_id, "Appointment")
                if input.appointment_id
                else None,
                answered=answered_by(input),
            )

        return await _noted(info, input, note)

    @strawberry.mutation(
        graphql_type=NoteReferralResult,
        description="Recipient: report how it stands meanwhile, as far as the person lets you.",
    )
    async def report_interim(self, info: Info, input: ReportInterimInput) -> object:
        """Report how it stands meanwhile."""

        async def note(work: Work, given: Given, referral_id: UUID) -> Moved:
            return await answering.report_interim(
                work,
                referral_id,
                input.expected_version,
                result=input.result,
                on=input.on,
                answered=answered_by(input),
            )

        return await _noted(info, input, note)

    @strawberry.mutation(
        graphql_type=NoteReferralResult, description="Recipient: you are still at it (one click)."
    )
    async def give_sign_of_life(self, info: Info, input: RecipientNoteInput) -> object:
        """Give a sign of life."""

        async def note(work: Work, given: Given, referral_id: UUID) -> Moved:
            return await answering.sign_of_life(
                work, referral_id, input.expected_version, answered=answered_by(input)
            )

        return await _noted(info, input, note)

    @strawberry.mutation(
        graphql_type=NoteReferralResult,
        description="Recipient: another week or position on the waiting list; the sender is told.",
    )
    async def update_waiting_list(self, info: Info, input: UpdateWaitingListInput) -> object:
        """Say what is new on the waiting list."""

        async def note(work: Work, given: Given, referral_id: UUID) -> Moved:
            return await answering.update_waiting(
                work,
                referral_id,
                input.expected_version,
                expected_week=input.expected_week or None,
                position=None if input.position is strawberry.UNSET else input.position,
                answered=answered_by(input),
            )

        return await _noted(info, input, note)

    @strawberry.mutation(
        graphql_type=NoteReferralResult,
        description="Both sides: write to the other one; nothing else changes.",
    )
    async def write_remark(self, info: Info, input: WriteRemarkInput) -> object:
        """Write a remark."""

        async def note(work: Work, given: Given, referral_id: UUID) -> Moved:
            return await thread.remark(
                work,
                info.context.people.keys,
                referral_id,
                input.expected_version,
                input.text,
                answered=answered_by(input),
            )

        return await _noted(info, input, note)

    @strawberry.mutation(
        graphql_type=MarkThreadReadResult,
        description=(
            "You have read the thread up to now; nobody else sees that. After DECLINED or EXPIRED it says "
            "that you have nothing more to do there (waitsForSender)."
        ),
    )
    async def mark_thread_read(self, info: Info, input: ReferralInput) -> object:
        """Remember that the thread was read."""

        async def act(work: Work, given: Given) -> UUID:
            return await thread.mark_read(work, target_id(input.id, "Referral"))

        return await run(info, input, act, read=referral_saved)

    @strawberry.mutation(graphql_type=NoteReferralResult, description="Both sides: your own sign for it.")
    async def set_file_number(self, info: Info, input: SetFileNumberInput) -> object:
        """Set the own file number."""

        async def note(work: Work, given: Given, referral_id: UUID) -> Moved:
            number = (input.file_number or "").strip() or None
            if number is not None and len(number) > 300:
                raise InvalidInput("fileNumber", "too-long", maximum="300")
            return await exchange.set_file_number(work, referral_id, input.expected_version, number)

        return await _noted(info, input, note)

    @strawberry.mutation(
        graphql_type=TakeOverClientResult,
        description=(
            "Recipient: take the person into your own clients, from exactly what was sent. Once: every "
            "further call answers with the same client."
        ),
    )
    async def take_over_client(self, info: Info, input: ReferralInput) -> object:
        """Take the person into the own clients."""

        async def act(work: Work, given: Given) -> UUID:
            return await taking_over.take_over_client(
                work, info.context.people.keys, target_id(input.id, "Referral")
            )

        return await run(info, input, act, read=client_saved)

    @strawberry.mutation(
        graphql_type=ReferOnResult,
        description=(
            "Sender: after a referral that was declined, has expired or did not meet the need, refer to the "
            "next service in one operation; without serviceId to the better one that was named."
        ),
    )
    async def refer_on(self, info: Info, input: ReferOnInput) -> object:
        """Follow a referral up and send it."""

        async def act(work: Work, given: Given) -> UUID:
            wanted = given.read(
                FollowUp,
                ids={"service_id": "Service"},
                without=frozenset({"consent", "capacity_reason"}),
            )
            consent = given.part("consent", ConsentGiven)
            with renaming(consent_fields()):
                moved = await exchange.refer_on(
                    work,
                    info.context.people.keys,
                    target_id(input.id, "Referral"),
                    wanted,
                    consent,
                    capacity_reason=input.capacity_reason or None,
                )
            return moved.id

        return await run(info, input, act, read=referral_saved)
