"""Referrals: draft, send, every move of sender and recipient, answers recorded by the sender, follow-ups."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import strawberry

from directory.database import Work
from directory.problems import InvalidInput
from graphapi.context import Info
from graphapi.given import camel, converted, renaming
from graphapi.mutations.consents import ConsentEvidenceInput, ConsentPurposeInput, ConsentRecordInput
from graphapi.mutations.running import ChangeProblems, CreateProblems, Given, run
from graphapi.relay import require_id, target_id
from graphapi.types.approval import Approval
from graphapi.types.exchange_problems import (
    ConsentMissingProblem,
    ConsentNotOpenProblem,
    DuplicateReferralProblem,
    ErasedProblem,
    NoPlaceLeftProblem,
    TransitionNotAllowedProblem,
)
from graphapi.types.referral import Referral
from referrals import answering, approvals, exchange, moving, states
from referrals.answering import AnyAnswer
from referrals.exchange import ConsentGiven, DraftChange, DraftGiven, FollowUp
from referrals.moving import Answered, Moved
from referrals.values import Kept
from referrals.vocabulary import (
    AnswerSource,
    ApprovalMove,
    ApprovalState,
    CapacityReason,
    DataCategory,
    DeclinedBy,
    DeclineReason,
    EventActor,
    FeedbackAsked,
    OutcomeCode,
    OutcomeReason,
    Priority,
    Reason,
    RevocationAnswer,
)


@strawberry.type(description="The referral as it is now.")
class ReferralSaved:
    """The referral as it is now."""

    referral: Referral = strawberry.field(graphql_type=Referral, description="The referral.")


@strawberry.type(description="What needs four eyes was asked for; the referral itself has not changed yet.")
class ApprovalRequested:
    """What needs four eyes was asked for."""

    approval: Approval = strawberry.field(graphql_type=Approval, description="The request.")


async def referral_saved(info: Info, referral_id: UUID) -> ReferralSaved | None:
    """Read the referral with the actor's rights."""
    found = await info.context.people.referral.load(referral_id)
    return None if found is None else ReferralSaved(referral=found)  # type: ignore[arg-type]


@strawberry.input(description="A referral to draft; nothing leaves you yet.")
class DraftReferralInput:
    """A referral to draft."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    client_id: strawberry.ID = strawberry.field(description="The person.")
    service_id: strawberry.ID = strawberry.field(description="Where to: a published service.")
    topic: str = strawberry.field(description="What it is about: topic code.")
    categories: list[DataCategory] = strawberry.field(description="Which data the partner will get.")
    priority: Priority = strawberry.field(default=Priority.NORMAL, description="How soon to answer.")
    language: str | None = strawberry.field(
        default=strawberry.UNSET, description="Language to speak with the person (BCP 47)."
    )
    area: str | None = strawberry.field(
        default=strawberry.UNSET, description="Where they live: territory key; left out: your municipality."
    )
    file_number: str | None = strawberry.field(default=strawberry.UNSET, description="Your own sign for it.")


@strawberry.input(description="What changes of a referral that has not been sent; what is left out stays.")
class ChangeDraftReferralInput:
    """What changes of a draft."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The referral.")
    expected_version: int = strawberry.field(description="The version you read.")
    topic: str | None = strawberry.field(default=strawberry.UNSET, description="Topic code.")
    categories: list[DataCategory] | None = strawberry.field(
        default=strawberry.UNSET, description="Which data; replaces all."
    )
    priority: Priority | None = strawberry.field(default=strawberry.UNSET, description="How soon to answer.")
    language: str | None = strawberry.field(default=strawberry.UNSET, description="BCP 47.")
    area: str | None = strawberry.field(default=strawberry.UNSET, description="Territory key.")
    file_number: str | None = strawberry.field(default=strawberry.UNSET, description="Your own sign for it.")


@strawberry.input(description="A referral, in the version you read.")
class ReferralVersionInput:
    """A referral, in the version that was read."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The referral.")
    expected_version: int = strawberry.field(description="The version you read.")


@strawberry.input(description="A draft that waits for the person's consent.")
class AwaitConsentInput(ReferralVersionInput):
    """A draft that waits for the person's consent."""

    consent_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The record that was put before the person."
    )


@strawberry.input(description="A referral to send.")
class SendReferralInput(ReferralVersionInput):
    """A referral to send."""

    consent_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The consent it rests on; left out: the one asked for."
    )
    capacity_reason: CapacityReason | None = strawberry.field(
        default=strawberry.UNSET, description="Needed when the service has no places."
    )


@strawberry.input(description="A consent that the person gave on the spot; REFERRAL is always part of it.")
class ConsentGivenInput:
    """A consent that the person gave on the spot."""

    record: ConsentRecordInput = strawberry.field(description="How it was given.")
    purposes: list[ConsentPurposeInput] = strawberry.field(
        default_factory=list, description="Purposes granted beside REFERRAL, e.g. REPORT_BACK with its depth."
    )
    released: bool = strawberry.field(
        default=True, description="Whether they released from professional secrecy too (§ 203 StGB)."
    )
    evidence: ConsentEvidenceInput | None = strawberry.field(default=strawberry.UNSET, description="Proof.")
    valid_until: date | None = strawberry.field(
        default=strawberry.UNSET, description="Last day; left out, and at most: twelve months."
    )


@strawberry.input(description="Refer in one operation: draft, consent, send; all of it happens or nothing.")
class ReferClientInput(DraftReferralInput):
    """Refer in one operation."""

    consent: ConsentGivenInput = strawberry.field(description="What the person consented to.")
    capacity_reason: CapacityReason | None = strawberry.field(
        default=strawberry.UNSET, description="Needed when the service has no places."
    )


@strawberry.input(description="Where a follow-up goes; what is left out is as before.")
class FollowUpReferralInput:
    """Where a follow-up goes."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The referral that came before.")
    service_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="Where to now; left out: to the better service that the partner named.",
    )
    topic: str | None = strawberry.field(default=strawberry.UNSET, description="Topic code.")
    categories: list[DataCategory] | None = strawberry.field(
        default=strawberry.UNSET, description="Which data; left out: as before, as far as the partner may."
    )
    priority: Priority | None = strawberry.field(default=strawberry.UNSET, description="How soon to answer.")


# --- What a recipient answers ---------------------------------------------------------------------------


@strawberry.input(description="What the recipient needs to know.")
class QuestionInput:
    """What the recipient needs to know."""

    question: str = strawberry.field(
        description="At most 600 characters; about the person only what is needed."
    )
    categories: list[DataCategory] = strawberry.field(
        default_factory=list,
        description="Which data you ask for; what was not sent needs the person's consent again.",
    )


@strawberry.input(description="The waiting list.")
class WaitingListInput:
    """The waiting list."""

    expected_week: date = strawberry.field(description="Any day of the week in which there may be a place.")


@strawberry.input(description="How the person is taken.")
class AcceptanceInput:
    """How the person is taken."""

    contact: str = strawberry.field(description="Whom to turn to.")
    first_contact_on: date = strawberry.field(description="Day of the first contact.")
    expected_end: date = strawberry.field(description="When it is expected to end.")
    file_number: str | None = strawberry.field(
        default=strawberry.UNSET, description="The recipient's own sign for it."
    )


@strawberry.input(description="Why the person is not taken.")
class RefusalInput:
    """Why the person is not taken."""

    reason: DeclineReason = strawberry.field(description="Why.")
    declined_by: DeclinedBy = strawberry.field(default=DeclinedBy.PARTNER, description="Who declined.")
    better_service_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="A service that fits better."
    )
    note: str | None = strawberry.field(default=strawberry.UNSET, description="Short; sealed and deleted.")


@strawberry.input(description="That the first contact happened.")
class FirstContactInput:
    """That the first contact happened."""

    first_contact_made_on: date = strawberry.field(description="On which day.")


@strawberry.input(description="A pause.")
class PauseInput:
    """A pause."""

    reason: Reason = strawberry.field(description="Why.")
    resume_on: date = strawberry.field(description="Until when, within 12 months.")


@strawberry.input(description="What came of it.")
class OutcomeInput:
    """What came of it."""

    outcome: OutcomeCode = strawberry.field(
        description="Without a consent to report back it is kept as NOT_DISCLOSED, whatever is said."
    )
    outcome_on: date = strawberry.field(description="On which day.")
    reason: OutcomeReason | None = strawberry.field(
        default=strawberry.UNSET, description="Needed when the need was not met."
    )


@strawberry.input(description="The question, in the version of the referral you read.")
class AskAboutReferralInput(ReferralVersionInput, QuestionInput):
    """The recipient's question."""


@strawberry.input(description="The waiting list, in the version of the referral you read.")
class WaitlistReferralInput(ReferralVersionInput, WaitingListInput):
    """The recipient's waiting list."""


@strawberry.input(description="How the person is taken, in the version of the referral you read.")
class AcceptReferralInput(ReferralVersionInput, AcceptanceInput):
    """The recipient takes the person."""


@strawberry.input(description="Why the person is not taken, in the version of the referral you read.")
class DeclineReferralInput(ReferralVersionInput, RefusalInput):
    """The recipient does not take the person."""


@strawberry.input(description="The first contact, in the version of the referral you read.")
class StartReferralInput(ReferralVersionInput, FirstContactInput):
    """The first contact happened."""


@strawberry.input(description="A pause, in the version of the referral you read.")
class HoldReferralInput(ReferralVersionInput, PauseInput):
    """There is a pause."""


@strawberry.input(description="What came of it, in the version of the referral you read.")
class ReportOutcomeInput(ReferralVersionInput, OutcomeInput):
    """The recipient reports what came of it."""


@strawberry.input(description="What was done with the data after the consent ended.")
class DataKeptInput:
    """What was done with the data after the consent ended."""

    answer: RevocationAnswer = strawberry.field(description="Deleted, or kept.")
    what: list[DataCategory] = strawberry.field(default_factory=list, description="What is kept.")
    legal_basis: str | None = strawberry.field(
        default=strawberry.UNSET, description="On which basis it is kept (Art. 17(3) GDPR)."
    )
    until: date | None = strawberry.field(default=strawberry.UNSET, description="Until when it is kept.")


@strawberry.input(one_of=True, description="What the partner answered: exactly one of these.")
class PartnerAnswerInput:
    """What the partner answered; the names are those of the moves."""

    acknowledge: bool | None = strawberry.field(default=strawberry.UNSET, description="They have it: true.")
    ask: QuestionInput | None = strawberry.field(default=strawberry.UNSET, description="A question.")
    waitlist: WaitingListInput | None = strawberry.field(
        default=strawberry.UNSET, description="They have a waiting list."
    )
    accept: AcceptanceInput | None = strawberry.field(
        default=strawberry.UNSET, description="They take the person."
    )
    decline: RefusalInput | None = strawberry.field(
        default=strawberry.UNSET, description="They do not take the person."
    )
    start: FirstContactInput | None = strawberry.field(
        default=strawberry.UNSET, description="The first contact happened."
    )
    hold: PauseInput | None = strawberry.field(default=strawberry.UNSET, description="There is a pause.")
    resume: bool | None = strawberry.field(default=strawberry.UNSET, description="The pause is over: true.")
    report_outcome: OutcomeInput | None = strawberry.field(
        default=strawberry.UNSET, description="What came of it."
    )
    revocation_answered: DataKeptInput | None = strawberry.field(
        default=strawberry.UNSET,
        description="After the consent ended: what they did with the data (Art. 7(3) GDPR).",
    )


@strawberry.input(description="What the partner told you by phone, by mail or in person.")
class RecordPartnerAnswerInput(ReferralVersionInput):
    """What the partner told the sender."""

    source: AnswerSource = strawberry.field(description="PHONE, EMAIL, LETTER or IN_PERSON.")
    on: date = strawberry.field(description="On which day they said so.")
    answer: PartnerAnswerInput = strawberry.field(description="What they said.")


@strawberry.input(description="What was done with the data, in the version of the referral you read.")
class AnswerRevocationInput(ReferralVersionInput, DataKeptInput):
    """What the recipient did with the data after the consent ended."""


# --- What a sender does ---------------------------------------------------------------------------------


@strawberry.input(description="The answer to the partner's question.")
class AnswerQuestionInput(ReferralVersionInput):
    """The answer to the partner's question."""

    answer: str = strawberry.field(
        description="At most 600 characters; about the person only what is needed."
    )
    adds: list[DataCategory] = strawberry.field(
        default_factory=list, description="Data that the package gets too; the consent must cover them."
    )
    consent_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The consent that covers them; left out: the one it rests on."
    )


@strawberry.input(description="That the person was asked how it went.")
class CloseReferralInput(ReferralVersionInput):
    """That the person was asked how it went."""

    feedback_asked: FeedbackAsked = strawberry.field(description="They answered, declined, or unreachable.")


@strawberry.input(description="A reason, and whether the person said so.")
class SenderReasonInput(ReferralVersionInput):
    """A reason, and whether the person said so."""

    reason: Reason = strawberry.field(description="Why.")
    told_by_person: AnswerSource | None = strawberry.field(
        default=strawberry.UNSET, description="The person said so, on this way; left out: the sender decides."
    )


@strawberry.input(description="A reason, in the version of the referral you read.")
class ReasonInput(ReferralVersionInput):
    """A reason."""

    reason: Reason = strawberry.field(description="Why.")


DraftProblems: TypeAlias = CreateProblems | DuplicateReferralProblem | ErasedProblem
MoveProblems: TypeAlias = ChangeProblems | TransitionNotAllowedProblem
SealedMoveProblems: TypeAlias = MoveProblems | ErasedProblem

DraftReferralResult: TypeAlias = Annotated[
    ReferralSaved | DraftProblems, strawberry.union(name="DraftReferralResult")
]
FollowUpReferralResult: TypeAlias = Annotated[
    ReferralSaved | DraftProblems | TransitionNotAllowedProblem,
    strawberry.union(name="FollowUpReferralResult"),
]
ReferClientResult: TypeAlias = Annotated[
    ReferralSaved | DraftProblems | ConsentMissingProblem | ConsentNotOpenProblem,
    strawberry.union(name="ReferClientResult"),
]
SendReferralResult: TypeAlias = Annotated[
    ReferralSaved | SealedMoveProblems | ConsentMissingProblem, strawberry.union(name="SendReferralResult")
]
MoveReferralResult: TypeAlias = Annotated[
    ReferralSaved | SealedMoveProblems, strawberry.union(name="MoveReferralResult")
]
AcceptReferralResult: TypeAlias = Annotated[
    ReferralSaved | MoveProblems | NoPlaceLeftProblem, strawberry.union(name="AcceptReferralResult")
]
RecordPartnerAnswerResult: TypeAlias = Annotated[
    ReferralSaved | SealedMoveProblems | NoPlaceLeftProblem,
    strawberry.union(name="RecordPartnerAnswerResult"),
]
AnswerQuestionResult: TypeAlias = Annotated[
    ReferralSaved | SealedMoveProblems | ConsentMissingProblem, strawberry.union(name="AnswerQuestionResult")
]
ReopenReferralResult: TypeAlias = Annotated[
    ApprovalRequested | MoveProblems | ConsentMissingProblem, strawberry.union(name="ReopenReferralResult")
]
CorrectReferralResult: TypeAlias = Annotated[
    ReferralSaved | ApprovalRequested | MoveProblems, strawberry.union(name="CorrectReferralResult")
]

_OF_CONSENT: Final = {
    name: f"consent.{name}" for name in ("record", "evidence", "validUntil", "granted", "released")
}
_ENDS: Final = {"client_id": "Client", "service_id": "Service"}


def consent_fields() -> dict[str, str]:
    """Return where fields of a consent given on the spot stand in an input, by their name in the room."""
    return _OF_CONSENT | {f"purposes.{n + 1}": f"consent.purposes.{n}" for n in range(10)}


async def _answer(
    info: Info,
    input_: ReferralVersionInput,
    struct: type[AnyAnswer],
    ids: Mapping[str, str] = MappingProxyType({}),
) -> object:
    """Make a move of the recipient, in person."""

    async def act(work: Work, given: Given) -> UUID:
        moved = await answering.record_answer(
            work,
            info.context.people.keys,
            target_id(input_.id, "Referral"),
            input_.expected_version,
            given.read(struct, ids=ids),
            None,
        )
        return moved.id

    return await run(info, input_, act, read=referral_saved)


def recorded_answer(given: Given) -> tuple[str, AnyAnswer]:
    """Return where the partner's answer stands in the input, and the answer: the one that was given."""
    name, said = next(iter(given.values["answer"].items()))
    under = f"answer.{camel(name)}"
    if said is False:
        raise InvalidInput(under, "unknown-value")
    values: dict[str, Any] = {} if said is True else dict(said)
    better = values.get("better_service_id")
    if better is not None:
        values["better_service_id"] = require_id(better, "Service", f"{under}.betterServiceId")
    answer: AnyAnswer = converted({**values, "move": name.upper()}, AnyAnswer, under)  # type: ignore[arg-type]
    return under, answer


async def _requested(info: Info, approval_id: UUID) -> ApprovalRequested | None:
    found = await info.context.people.approval(approval_id)
    return None if found is None else ApprovalRequested(approval=found)  # type: ignore[arg-type]


@strawberry.type
class ReferralMutations:
    """What can be done with referrals."""

    @strawberry.mutation(
        graphql_type=DraftReferralResult, description="Draft a referral; nothing leaves you yet."
    )
    async def draft_referral(self, info: Info, input: DraftReferralInput) -> object:
        """Draft a referral."""

        async def act(work: Work, given: Given) -> UUID:
            return (await exchange.draft_referral(work, given.read(DraftGiven, ids=_ENDS))).id

        return await run(info, input, act, read=referral_saved)

    @strawberry.mutation(
        graphql_type=MoveReferralResult, description="Change a referral that has not been sent."
    )
    async def change_draft_referral(self, info: Info, input: ChangeDraftReferralInput) -> object:
        """Change a draft."""

        async def act(work: Work, given: Given) -> UUID:
            moved = await exchange.change_draft(
                work, target_id(input.id, "Referral"), input.expected_version, given.read(DraftChange)
            )
            return moved.id

        return await run(info, input, act, read=referral_saved)

    @strawberry.mutation(
        graphql_type=MoveReferralResult, description="Let a draft wait for the person's consent."
    )
    async def await_consent(self, info: Info, input: AwaitConsentInput) -> object:
        """Let a draft wait for the person's consent."""

        async def act(work: Work, given: Given) -> UUID:
            moved = await exchange.await_consent(
                work,
                target_id(input.id, "Referral"),
                input.expected_version,
                require_id(input.consent_id, "Consent", "consentId") if input.consent_id else None,
            )
            return moved.id

        return await run(info, input, act, read=referral_saved)

    @strawberry.mutation(
        graphql_type=SendReferralResult,
        description="Send: the partner gets exactly the consented categories, and nothing before.",
    )
    async def send_referral(self, info: Info, input: SendReferralInput) -> object:
        """Send a referral."""

        async def act(work: Work, given: Given) -> UUID:
            moved = await exchange.send(
                work,
                info.context.people.keys,
                target_id(input.id, "Referral"),
                input.expected_version,
                consent_id=require_id(input.consent_id, "Consent", "consentId") if input.consent_id else None,
                capacity_reason=input.capacity_reason or None,
            )
            return moved.id

        return await run(info, input, act, read=referral_saved)

    @strawberry.mutation(
        graphql_type=ReferClientResult,
        description="Refer in one operation: draft, record the consent, send. All of it happens or nothing.",
    )
    async def refer_client(self, info: Info, input: ReferClientInput) -> object:
        """Refer in one operation."""

        async def act(work: Work, given: Given) -> UUID:
            draft = given.read(DraftGiven, ids=_ENDS, without=frozenset({"consent", "capacity_reason"}))
            consent = given.part("consent", ConsentGiven)
            with renaming(consent_fields()):
                moved = await exchange.refer(
                    work,
                    info.context.people.keys,
                    draft,
                    consent,
                    capacity_reason=input.capacity_reason or None,
                )
            return moved.id

        return await run(info, input, act, read=referral_saved)

    @strawberry.mutation(
        graphql_type=FollowUpReferralResult,
        description=(
            "Draft a referral to the next service, after one that was declined, has expired, or did not meet "
            "the need; it needs a new consent for the new recipient."
        ),
    )
    async def follow_up_referral(self, info: Info, input: FollowUpReferralInput) -> object:
        """Draft a follow-up."""

        async def act(work: Work, given: Given) -> UUID:
            wanted = given.read(FollowUp, ids={"service_id": "Service"})
            return (await exchange.follow_up(work, target_id(input.id, "Referral"), wanted)).id

        return await run(info, input, act, read=referral_saved)

    # --- The recipient ----------------------------------------------------------------------------------

    @strawberry.mutation(
        graphql_type=MoveReferralResult, description="Recipient: acknowledge it; that opens the package."
    )
    async def acknowledge_referral(self, info: Info, input: ReferralVersionInput) -> object:
        """Acknowledge a referral."""
        return await _answer(info, input, answering.AnswerAcknowledge)

    @strawberry.mutation(
        graphql_type=MoveReferralResult,
        description="Recipient: ask; the clock stands still meanwhile.",
    )
    async def ask_about_referral(self, info: Info, input: AskAboutReferralInput) -> object:
        """Ask about a referral."""
        return await _answer(info, input, answering.AnswerAsk)

    @strawberry.mutation(graphql_type=MoveReferralResult, description="Recipient: there is a waiting list.")
    async def waitlist_referral(self, info: Info, input: WaitlistReferralInput) -> object:
        """Put a referral on the waiting list."""
        return await _answer(info, input, answering.AnswerWaitlist)

    @strawberry.mutation(
        graphql_type=AcceptReferralResult,
        description="Recipient: take the person, and a place.",
    )
    async def accept_referral(self, info: Info, input: AcceptReferralInput) -> object:
        """Accept a referral."""
        return await _answer(info, input, answering.AnswerAccept)

    @strawberry.mutation(
        graphql_type=MoveReferralResult, description="Recipient: do not take the person, with a reason."
    )
    async def decline_referral(self, info: Info, input: DeclineReferralInput) -> object:
        """Decline a referral."""
        return await _answer(info, input, answering.AnswerDecline, {"better_service_id": "Service"})

    @strawberry.mutation(
        graphql_type=MoveReferralResult, description="Recipient: the first contact was made."
    )
    async def start_referral(self, info: Info, input: StartReferralInput) -> object:
        """Start work on a referral."""
        return await _answer(info, input, answering.AnswerStart)

    @strawberry.mutation(graphql_type=MoveReferralResult, description="Recipient: there is a pause.")
    async def hold_referral(self, info: Info, input: HoldReferralInput) -> object:
        """Put a referral on hold."""
        return await _answer(info, input, answering.AnswerHold)

    @strawberry.mutation(graphql_type=MoveReferralResult, description="Recipient: the pause is over.")
    async def resume_referral(self, info: Info, input: ReferralVersionInput) -> object:
        """Resume a referral."""
        return await _answer(info, input, answering.AnswerResume)

    @strawberry.mutation(
        graphql_type=MoveReferralResult,
        description="Recipient: report what came of it; without consent to report back it is not disclosed.",
    )
    async def report_outcome(self, info: Info, input: ReportOutcomeInput) -> object:
        """Report the outcome of a referral."""
        return await _answer(info, input, answering.AnswerOutcome)

    @strawberry.mutation(
        graphql_type=MoveReferralResult,
        description="Recipient: after the consent ended, say what you did with the data (Art. 7(3) GDPR).",
    )
    async def answer_revocation(self, info: Info, input: AnswerRevocationInput) -> object:
        """Say what was done with the data after the consent ended."""

        async def act(work: Work, given: Given) -> UUID:
            moved = await answering.answer_revocation(
                work, target_id(input.id, "Referral"), input.expected_version, given.read(Kept)
            )
            return moved.id

        return await run(info, input, act, read=referral_saved)

    # --- The sender -------------------------------------------------------------------------------------

    @strawberry.mutation(
        graphql_type=RecordPartnerAnswerResult,
        description="Sender: record what the partner told you; the event says how and when.",
    )
    async def record_partner_answer(self, info: Info, input: RecordPartnerAnswerInput) -> object:
        """Record the partner's answer."""

        async def act(work: Work, given: Given) -> UUID:
            under, answer = recorded_answer(given)
            said = {camel(name): f"{under}.{camel(name)}" for name in type(answer).__struct_fields__}
            with renaming({"answered.on": "on", "answered.source": "source", **said}):
                moved = await answering.record_answer(
                    work,
                    info.context.people.keys,
                    target_id(input.id, "Referral"),
                    input.expected_version,
                    answer,
                    Answered(source=input.source, on=input.on),
                )
            return moved.id

        return await run(info, input, act, read=referral_saved)

    @strawberry.mutation(
        graphql_type=AnswerQuestionResult,
        description="Sender: answer the partner; new data go only where the person consented to them.",
    )
    async def answer_question(self, info: Info, input: AnswerQuestionInput) -> object:
        """Answer the partner's question."""

        async def act(work: Work, given: Given) -> UUID:
            moved = await exchange.reply(
                work,
                info.context.people.keys,
                target_id(input.id, "Referral"),
                input.expected_version,
                input.answer,
                adds=input.adds,
                consent_id=require_id(input.consent_id, "Consent", "consentId") if input.consent_id else None,
            )
            return moved.id

        return await run(info, input, act, read=referral_saved)

    @strawberry.mutation(
        graphql_type=MoveReferralResult,
        description="Sender: close it; the person was asked before.",
    )
    async def close_referral(self, info: Info, input: CloseReferralInput) -> object:
        """Close a referral."""

        async def act(work: Work, given: Given) -> UUID:
            moved = await exchange.close(
                work, target_id(input.id, "Referral"), input.expected_version, input.feedback_asked
            )
            return moved.id

        return await run(info, input, act, read=referral_saved)

    @strawberry.mutation(
        graphql_type=MoveReferralResult,
        description="Sender: you or the person do not agree.",
    )
    async def contest_outcome(self, info: Info, input: SenderReasonInput) -> object:
        """Contest an outcome."""
        return await _with_reason(info, input, exchange.contest)

    @strawberry.mutation(
        graphql_type=MoveReferralResult,
        description="Sender: take back what was sent.",
    )
    async def cancel_referral(self, info: Info, input: SenderReasonInput) -> object:
        """Cancel a referral."""
        return await _with_reason(info, input, exchange.cancel)

    @strawberry.mutation(graphql_type=MoveReferralResult, description="Sender: give up a draft.")
    async def abandon_referral(self, info: Info, input: SenderReasonInput) -> object:
        """Abandon a draft."""
        return await _with_reason(info, input, exchange.abandon)

    @strawberry.mutation(
        graphql_type=CorrectReferralResult,
        description=(
            "Sender: it was entered in error. A draft is erased at once; what was sent needs four eyes, "
            "and the answer is the request for them."
        ),
    )
    async def correct_referral(self, info: Info, input: ReasonInput) -> object:
        """Take back a referral that was entered in error."""

        async def act(work: Work, given: Given) -> UUID:
            referral_id = target_id(input.id, "Referral")
            held = await moving.hold(work, referral_id)
            moving.permit(work, held, EventActor.SENDER)
            row = states.transition(held.referral.state, states.Move.CORRECT, EventActor.SENDER)
            if row.four_eyes:
                await approvals.request_approval(
                    work, referral_id, input.expected_version, ApprovalMove.ENTERED_IN_ERROR, input.reason
                )
            else:
                await exchange.correct(work, referral_id, input.expected_version, input.reason)
            return referral_id

        async def read(info: Info, referral_id: UUID) -> object | None:
            for approval in await info.context.people.approvals(referral_id):
                if (
                    approval.move is ApprovalMove.ENTERED_IN_ERROR
                    and approval.state is ApprovalState.REQUESTED
                ):
                    return ApprovalRequested(approval=approval)  # type: ignore[arg-type]
            return await referral_saved(info, referral_id)

        return await run(info, input, act, read=read)

    @strawberry.mutation(
        graphql_type=ReopenReferralResult,
        description="Sender: ask to open a closed referral again; another member with role LEAD confirms.",
    )
    async def reopen_referral(self, info: Info, input: ReasonInput) -> object:
        """Ask to reopen a closed referral."""

        async def act(work: Work, given: Given) -> UUID:
            approval = await approvals.request_approval(
                work,
                target_id(input.id, "Referral"),
                input.expected_version,
                ApprovalMove.REOPEN,
                input.reason,
            )
            return approval.id

        return await run(info, input, act, read=_requested)


async def _with_reason(info: Info, input_: SenderReasonInput, move: Any) -> object:
    async def act(work: Work, given: Given) -> UUID:
        moved: Moved = await move(
            work,
            target_id(input_.id, "Referral"),
            input_.expected_version,
            input_.reason,
            told_by_person=input_.told_by_person or None,
        )
        return moved.id

    return await run(info, input_, act, read=referral_saved)
