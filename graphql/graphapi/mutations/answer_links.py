"""Answer links: the sender makes and ends them; who holds one opens and answers without an account."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry

from directory.database import Work
from directory.problems import InvalidInput
from graphapi.context import Info
from graphapi.given import camel, converted, renaming
from graphapi.mutations.referrals import (
    AcceptanceInput,
    DataKeptInput,
    FirstContactInput,
    OutcomeInput,
    PauseInput,
    QuestionInput,
    ReferralSaved,
    RefusalInput,
    WaitingListInput,
    referral_saved,
)
from graphapi.mutations.running import CreateProblems, Given, run, with_code
from graphapi.relay import require_id, target_id
from graphapi.types.answer_link import PATH
from graphapi.types.exchange_problems import (
    AnswerLinkClosedProblem,
    CodeNotValidProblem,
    ErasedProblem,
    NoPlaceLeftProblem,
    PackageClosedProblem,
    TooManyAttemptsProblem,
    TransitionNotAllowedProblem,
)
from graphapi.types.problems import IdempotencyConflictProblem, InvalidInputProblem, NotFoundProblem
from graphapi.types.referral import Package
from referrals import answer_links
from referrals.answer_links import IssuedLink, LinkAnswer, Taken
from referrals.appointments import AppointmentGiven
from referrals.vocabulary import AppointmentKind, BringAlong, InterimResult


@strawberry.type(description="A one-time link for the recipient. It is shown once and stored nowhere.")
class AnswerLinkIssued:
    """A one-time link for the recipient."""

    answer_code: str | None = strawberry.field(
        description="For a letter or the phone; null when this is a replay: issue another one."
    )
    path: str | None = strawberry.field(description="The page of the link, under this server's address.")
    expires_at: datetime | None = strawberry.field(description="Until when it can be used.")


@strawberry.type(description="What was sent about the person; opening it is recorded.")
class PackageOpened:
    """What was sent about the person."""

    package: Package = strawberry.field(graphql_type=Package, description="Exactly what was consented to.")


@strawberry.type(description="The answer was taken.")
class AnswerTaken:
    """The answer was taken."""

    answer: str = strawberry.field(description="Which: the move, or CALL_ME.")
    at: datetime = strawberry.field(description="When.")
    link_ended: bool = strawberry.field(description="It decided, so the link is used up.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell it by the room's value."""
        return isinstance(value, Taken | cls)


@strawberry.input(description="For which referral.")
class AnswerLinkInput:
    """For which referral."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    referral_id: strawberry.ID = strawberry.field(description="The referral.")


@strawberry.input(description="The code of the link.")
class OpenAsRecipientInput:
    """The code of the link."""

    idempotency_key: str = strawberry.field(description="8 to 200 characters; opening again shows it again.")
    code: str = strawberry.field(description="The code, however it was typed.")


@strawberry.input(description="That you would like to talk.")
class CallMeInput:
    """That the office would like to talk."""

    phone: str = strawberry.field(description="The office's number.")
    when: str | None = strawberry.field(
        default=strawberry.UNSET, description="When somebody is there; no names of persons."
    )


@strawberry.input(description="An appointment with the person.")
class LinkAppointmentInput:
    """An appointment with the person."""

    starts_at: datetime = strawberry.field(description="When, with zone.")
    minutes: int = strawberry.field(default=60, description="How long: 5 to 600 minutes.")
    kind: AppointmentKind = strawberry.field(default=AppointmentKind.FIRST_CONTACT, description="What for.")
    place: str | None = strawberry.field(
        default=strawberry.UNSET, description="A room or an address; nothing about the person."
    )
    bring: list[BringAlong] = strawberry.field(
        default_factory=list, description="What the person is to bring."
    )


@strawberry.input(description="An appointment that takes the place of another one.")
class LinkAppointmentMovedInput(LinkAppointmentInput):
    """An appointment that takes the place of another one."""

    appointment_id: strawberry.ID = strawberry.field(
        description="Which one is moved (AnswerPage.appointments)."
    )


@strawberry.input(description="An appointment that does not happen.")
class LinkAppointmentCancelledInput:
    """An appointment that does not happen."""

    appointment_id: strawberry.ID = strawberry.field(description="Which one (AnswerPage.appointments).")


@strawberry.input(description="That the person did not come.")
class LinkNoShowInput:
    """That the person did not come."""

    on: date = strawberry.field(description="On which day.")
    appointment_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="To which appointment (AnswerPage.appointments)."
    )


@strawberry.input(description="How it stands meanwhile.")
class LinkInterimInput:
    """How it stands meanwhile."""

    result: InterimResult = strawberry.field(
        description="Without a consent to report back it is not kept, whatever is said."
    )
    on: date = strawberry.field(description="On which day.")


@strawberry.input(one_of=True, description="What you answer: exactly one of these.")
class LinkAnswerInput:
    """What the holder of a link answers; the names are those of the moves."""

    accept: AcceptanceInput | None = strawberry.field(
        default=strawberry.UNSET, description="We take the person."
    )
    waitlist: WaitingListInput | None = strawberry.field(
        default=strawberry.UNSET, description="We have a waiting list."
    )
    decline: RefusalInput | None = strawberry.field(
        default=strawberry.UNSET, description="We do not take the person."
    )
    call_me: CallMeInput | None = strawberry.field(
        default=strawberry.UNSET, description="Please call us; the link stays."
    )
    ask: QuestionInput | None = strawberry.field(
        default=strawberry.UNSET, description="We need to know something; the link stays."
    )
    start: FirstContactInput | None = strawberry.field(
        default=strawberry.UNSET, description="The first contact happened."
    )
    hold: PauseInput | None = strawberry.field(default=strawberry.UNSET, description="There is a pause.")
    resume: bool | None = strawberry.field(default=strawberry.UNSET, description="The pause is over: true.")
    report_outcome: OutcomeInput | None = strawberry.field(
        default=strawberry.UNSET, description="What came of it."
    )
    sign_of_life: bool | None = strawberry.field(
        default=strawberry.UNSET, description="We are still at it: true. The link stays."
    )
    waitlist_updated: WaitingListInput | None = strawberry.field(
        default=strawberry.UNSET, description="There may be a place in another week; the link stays."
    )
    appointment_set: LinkAppointmentInput | None = strawberry.field(
        default=strawberry.UNSET, description="The person has an appointment; the link stays."
    )
    appointment_moved: LinkAppointmentMovedInput | None = strawberry.field(
        default=strawberry.UNSET, description="An appointment has moved; the link stays."
    )
    appointment_cancelled: LinkAppointmentCancelledInput | None = strawberry.field(
        default=strawberry.UNSET, description="An appointment does not happen; the link stays."
    )
    no_show: LinkNoShowInput | None = strawberry.field(
        default=strawberry.UNSET, description="The person did not come; the link stays."
    )
    interim: LinkInterimInput | None = strawberry.field(
        default=strawberry.UNSET, description="How it stands meanwhile; the link stays."
    )
    revocation_answered: DataKeptInput | None = strawberry.field(
        default=strawberry.UNSET,
        description="After the consent ended: what you did with the data (Art. 7(3) GDPR).",
    )


@strawberry.input(description="The code of the link, and what you answer.")
class AnswerByLinkInput:
    """The code of the link, and the answer."""

    idempotency_key: str = strawberry.field(description="8 to 200 characters: the same one acts once.")
    code: str = strawberry.field(description="The code, however it was typed.")
    answer: LinkAnswerInput = strawberry.field(description="What you answer.")


IssueAnswerLinkResult: TypeAlias = Annotated[
    AnswerLinkIssued | CreateProblems | TransitionNotAllowedProblem,
    strawberry.union(name="IssueAnswerLinkResult"),
]
RevokeAnswerLinkResult: TypeAlias = Annotated[
    ReferralSaved | CreateProblems, strawberry.union(name="RevokeAnswerLinkResult")
]
OpenAsRecipientResult: TypeAlias = Annotated[
    PackageOpened
    | CodeNotValidProblem
    | AnswerLinkClosedProblem
    | TooManyAttemptsProblem
    | PackageClosedProblem
    | ErasedProblem
    | InvalidInputProblem,
    strawberry.union(name="OpenAsRecipientResult"),
]
AnswerByLinkResult: TypeAlias = Annotated[
    AnswerTaken
    | CodeNotValidProblem
    | AnswerLinkClosedProblem
    | TooManyAttemptsProblem
    | TransitionNotAllowedProblem
    | NoPlaceLeftProblem
    | NotFoundProblem
    | IdempotencyConflictProblem
    | ErasedProblem
    | InvalidInputProblem,
    strawberry.union(name="AnswerByLinkResult"),
]


def link_answer(given: Given) -> tuple[str, LinkAnswer]:
    """Return where the answer stands in the input, and the answer: the one that was given."""
    name, said = next(iter(given.values["answer"].items()))
    under = f"answer.{camel(name)}"
    if said is False:
        raise InvalidInput(under, "unknown-value")
    values: dict[str, Any] = {} if said is True else dict(said)
    for field, type_name in (("better_service_id", "Service"), ("appointment_id", "Appointment")):
        if values.get(field) is not None:
            values[field] = require_id(values[field], type_name, f"{under}.{camel(field)}")
    if name in {"appointment_set", "appointment_moved"}:
        given_ = {field: value for field, value in values.items() if field != "appointment_id"}
        converted(given_, AppointmentGiven, under)  # what is refused is named as it was given
        values = {field: value for field, value in values.items() if field not in given_} | {"given": given_}
    answer: LinkAnswer = converted({**values, "move": name.upper()}, LinkAnswer, under)  # type: ignore[arg-type]
    return under, answer


_NOBODYS = UUID(int=0)


@strawberry.type
class AnswerLinkMutations:
    """What can be done with answer links."""

    @strawberry.mutation(
        graphql_type=IssueAnswerLinkResult,
        description="Sender: make a link with which the recipient answers without an account; the one before "
        "dies with it.",
    )
    async def issue_answer_link(self, info: Info, input: AnswerLinkInput) -> object:
        """Make a link for the recipient."""
        issued: list[IssuedLink] = []

        async def act(work: Work, given: Given) -> UUID:
            referral_id = target_id(input.referral_id, "Referral")
            issued.append(await answer_links.issue(work, referral_id))
            return referral_id

        async def read(info: Info, referral_id: UUID) -> AnswerLinkIssued | None:
            if await referral_saved(info, referral_id) is None:
                return None
            # the last: what was tried before in the same call was rolled back
            new = issued[-1] if issued else None
            return AnswerLinkIssued(
                answer_code=new.code if new else None,
                path=PATH + new.code if new else None,
                expires_at=new.expires_at if new else None,
            )

        return await run(info, input, act, read=read)

    @strawberry.mutation(
        graphql_type=RevokeAnswerLinkResult, description="Sender: end the recipient's link of a referral."
    )
    async def revoke_answer_link(self, info: Info, input: AnswerLinkInput) -> object:
        """End the recipient's link."""

        async def act(work: Work, given: Given) -> UUID:
            referral_id = target_id(input.referral_id, "Referral")
            await answer_links.revoke(work, referral_id)
            return referral_id

        return await run(info, input, act, read=referral_saved)

    @strawberry.mutation(
        graphql_type=OpenAsRecipientResult,
        description="The holder of an answer link: open what was sent about the person; it is recorded.",
    )
    async def open_as_recipient(self, info: Info, input: OpenAsRecipientInput) -> object:
        """Open what was sent about the person."""
        opened: list[Any] = []

        async def act(work: Work, given: Given) -> UUID:
            opened.append(await answer_links.open_package(work, info.context.people.keys, input.code))
            return _NOBODYS

        async def read(info: Info, _: UUID) -> PackageOpened:
            return PackageOpened(package=opened[-1])

        return await with_code(info, lambda: run(info, input, act, read=read))

    @strawberry.mutation(
        graphql_type=AnswerByLinkResult,
        description="The holder of an answer link: answer as the recipient. One that decides uses it up.",
    )
    async def answer_by_link(self, info: Info, input: AnswerByLinkInput) -> object:
        """Answer as the recipient."""
        taken: list[Taken] = []

        async def act(work: Work, given: Given) -> UUID:
            under, answer = link_answer(given)
            fields = (*type(answer).__struct_fields__, *AppointmentGiven.__struct_fields__)
            said = {camel(name): f"{under}.{camel(name)}" for name in fields}
            with renaming(said):
                taken.append(
                    await answer_links.answer(
                        work, info.context.people.keys, input.code, answer, key=input.idempotency_key
                    )
                )
            return _NOBODYS

        async def read(info: Info, _: UUID) -> Taken:
            return taken[-1]

        return await with_code(info, lambda: run(info, input, act, read=read))
