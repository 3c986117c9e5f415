"""Code cards: issued and revoked by the organisation; what the person does with one, without an account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry

from directory.actors import ANONYMOUS
from directory.database import Work
from directory.values import Instant, LanguageTag
from graphapi.context import Info
from graphapi.mutations.running import CreateProblems, Given, run, with_code
from graphapi.relay import global_id, require_id, target_id
from graphapi.types.card import CardPage, CardReceipt
from graphapi.types.exchange_problems import (
    CodeNotValidProblem,
    ConsentMissingProblem,
    ConsentNotOpenProblem,
    ErasedProblem,
    TooManyAttemptsProblem,
    TransitionNotAllowedProblem,
)
from graphapi.types.problems import (
    IdempotencyConflictProblem,
    InvalidInputProblem,
    NotFoundProblem,
    StaleVersionProblem,
)
from referrals.person import cards
from referrals.person.cards import IssuedCard
from referrals.states import Move
from referrals.vocabulary import (
    FeedbackAnswer,
    NeedNow,
    OccupiedWith,
    Purpose,
    Reason,
    WithdrawalScope,
)

KEY = "8 to 200 characters: acts once."


@strawberry.type(description="A code card for the person. Its code is shown once and stored nowhere.")
class CodeCardIssued:
    """A code card for the person."""

    card_code: str | None = strawberry.field(
        description="Print it on the card; null when this is a replay: issue another one."
    )
    expires_at: datetime | None = strawberry.field(description="Until when it can be used.")
    client_id: strawberry.ID = strawberry.field(description="Whose card it is (Client).")


@strawberry.type(description="The person's card is dead; without a card nothing happened.")
class CodeCardRevoked:
    """The person's card is dead."""

    client_id: strawberry.ID = strawberry.field(description="Whose card it was (Client).")


@strawberry.type(description="What was withdrawn is over: access ended with this answer.")
class WithdrawnByCard:
    """What was withdrawn is over."""

    receipt: CardReceipt = strawberry.field(graphql_type=CardReceipt, description="What the person keeps.")
    page: CardPage = strawberry.field(graphql_type=CardPage, description="The page as it is now.")


@strawberry.type(description="The page as it is after what the person did.")
class CardSaved:
    """The page as it is now."""

    page: CardPage = strawberry.field(graphql_type=CardPage, description="The page.")


@strawberry.input(description="For whom a card is made; an earlier card of theirs is dead at once.")
class IssueCodeCardInput:
    """For whom a card is made."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    client_id: strawberry.ID = strawberry.field(description="The person.")
    language: str = strawberry.field(description="In which language its page speaks (BCP 47).")
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Left out, and at most: twelve months ahead."
    )


@strawberry.input(description="Whose card is lost.")
class RevokeCodeCardInput:
    """Whose card is lost."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    client_id: strawberry.ID = strawberry.field(description="The person.")


@strawberry.input(description="What the person withdraws with their card.")
class WithdrawByCardInput:
    """What the person withdraws with their card."""

    idempotency_key: str = strawberry.field(description=KEY)
    code: str = strawberry.field(description="The code, however it was typed.")
    scope: WithdrawalScope = strawberry.field(default=WithdrawalScope.ALL, description="How much.")
    purpose: Purpose | None = strawberry.field(default=strawberry.UNSET, description="For PURPOSE: which.")
    recipient_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="For RECIPIENT: which (Partner)."
    )
    consent_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Of one consent only; left out: of all that are in force."
    )
    language: str | None = strawberry.field(
        default=strawberry.UNSET, description="Language of the receipt; left out: the card's."
    )


@strawberry.input(description="What the person does with a referral.")
class MoveByCardInput:
    """What the person does with a referral."""

    idempotency_key: str = strawberry.field(description=KEY)
    code: str = strawberry.field(description="The code, however it was typed.")
    referral_id: strawberry.ID = strawberry.field(description="The referral, as on the page.")
    expected_version: int = strawberry.field(description="The version on the page.")
    move: Move = strawberry.field(description="ABANDON, CANCEL or CONTEST.")
    reason: Reason | None = strawberry.field(
        default=strawberry.UNSET, description="One of those on the page; none is needed."
    )


@strawberry.input(description="How it went, in the person's own view; once per referral.")
class AnswerByCardInput:
    """How it went, in the person's own view."""

    idempotency_key: str = strawberry.field(description=KEY)
    code: str = strawberry.field(description="The code, however it was typed.")
    referral_id: strawberry.ID = strawberry.field(description="The referral, as on the page.")
    answer: FeedbackAnswer = strawberry.field(description="How it went.")
    text: str | None = strawberry.field(
        default=strawberry.UNSET, description="In their own words, at most 600 characters; no names."
    )
    language: str | None = strawberry.field(default=strawberry.UNSET, description="Of the text (BCP 47).")


@strawberry.input(description="How it is now; once per question.")
class AnswerFollowUpByCardInput:
    """How it is now, in the person's own view."""

    idempotency_key: str = strawberry.field(description=KEY)
    code: str = strawberry.field(description="The code, however it was typed.")
    follow_up_id: strawberry.ID = strawberry.field(description="The question, as on the page.")
    need_now: NeedNow = strawberry.field(description="Whether the need is still met.")
    occupied_with: OccupiedWith | None = strawberry.field(
        default=strawberry.UNSET, description="What they do now."
    )


IssueCodeCardResult: TypeAlias = Annotated[
    CodeCardIssued | CreateProblems, strawberry.union(name="IssueCodeCardResult")
]
RevokeCodeCardResult: TypeAlias = Annotated[
    CodeCardRevoked | CreateProblems, strawberry.union(name="RevokeCodeCardResult")
]
ByCardProblems: TypeAlias = (
    CodeNotValidProblem
    | TooManyAttemptsProblem
    | NotFoundProblem
    | InvalidInputProblem
    | IdempotencyConflictProblem
)
WithdrawByCardResult: TypeAlias = Annotated[
    WithdrawnByCard | ByCardProblems | ConsentNotOpenProblem, strawberry.union(name="WithdrawByCardResult")
]
MoveByCardResult: TypeAlias = Annotated[
    CardSaved | ByCardProblems | StaleVersionProblem | TransitionNotAllowedProblem,
    strawberry.union(name="MoveByCardResult"),
]
AnswerByCardResult: TypeAlias = Annotated[
    CardSaved | ByCardProblems | TransitionNotAllowedProblem | ErasedProblem,
    strawberry.union(name="AnswerByCardResult"),
]
AnswerFollowUpByCardResult: TypeAlias = Annotated[
    CardSaved | ByCardProblems | TransitionNotAllowedProblem | ConsentMissingProblem,
    strawberry.union(name="AnswerFollowUpByCardResult"),
]


async def _by_card(
    info: Info,
    input_: Any,
    act: Callable[[Work, Given], Awaitable[UUID]],
    read: Callable[[Info, UUID], Awaitable[object | None]],
) -> object:
    """Run what a person does with their card: as nobody, whoever asks; counted by the throttle."""
    return await with_code(info, lambda: run(info, input_, act, read=read, actor=ANONYMOUS))


def _saved(code: str) -> Callable[[Info, UUID], Awaitable[CardSaved]]:
    async def read(info: Info, id_: UUID) -> CardSaved:
        return CardSaved(page=await info.context.people.card_page(code))  # type: ignore[arg-type]

    return read


@strawberry.type
class CardMutations:
    """What is done with code cards."""

    @strawberry.mutation(
        graphql_type=IssueCodeCardResult,
        description="Make a code card for a person of the own organisation; the one before is dead at once.",
    )
    async def issue_code_card(self, info: Info, input: IssueCodeCardInput) -> object:
        """Make a code card for the person."""
        issued: list[IssuedCard] = []

        async def act(work: Work, given: Given) -> UUID:
            client_id = target_id(input.client_id, "Client")
            expires_at = given.part("expires_at", Instant) if input.expires_at else None
            language = given.part("language", LanguageTag)
            issued.append(await cards.issue_card(work, client_id, language, expires_at=expires_at))
            return client_id

        async def read(info: Info, client_id: UUID) -> CodeCardIssued | None:
            if await info.context.people.summary.load(client_id) is None:
                return None
            new = issued[-1] if issued else None
            return CodeCardIssued(
                card_code=new.code if new else None,
                expires_at=new.expires_at if new else None,
                client_id=global_id("Client", client_id),
            )

        return await run(info, input, act, read=read)

    @strawberry.mutation(
        graphql_type=RevokeCodeCardResult, description="End a person's code card, because it was lost."
    )
    async def revoke_code_card(self, info: Info, input: RevokeCodeCardInput) -> object:
        """End a person's code card."""

        async def act(work: Work, given: Given) -> UUID:
            client_id = target_id(input.client_id, "Client")
            await cards.revoke_card(work, client_id)
            return client_id

        async def read(info: Info, client_id: UUID) -> CodeCardRevoked:
            return CodeCardRevoked(client_id=global_id("Client", client_id))

        return await run(info, input, act, read=read)

    @strawberry.mutation(
        graphql_type=WithdrawByCardResult,
        description=(
            "The person: withdraw everything, one purpose or one recipient, without signing in. In the same "
            "moment recipients lose access, and open referrals that rest on it end."
        ),
    )
    async def withdraw_by_card(self, info: Info, input: WithdrawByCardInput) -> object:
        """Withdraw what the person wishes."""
        code = input.code[:200]

        async def act(work: Work, given: Given) -> UUID:
            wish = cards.Wish(
                scope=input.scope,
                purpose=input.purpose or None,
                recipient_id=require_id(input.recipient_id, "Partner", "recipientId")
                if input.recipient_id
                else None,
                consent_id=target_id(input.consent_id, "Consent") if input.consent_id else None,
            )
            language = given.part("language", LanguageTag) if input.language else None
            return await cards.withdraw_by_card(
                work, code, wish, language=language, key=input.idempotency_key
            )

        async def read(info: Info, number: UUID) -> WithdrawnByCard:
            people = info.context.people
            return WithdrawnByCard(
                receipt=await people.card_receipt(code, number),  # type: ignore[arg-type]
                page=await people.card_page(code),  # type: ignore[arg-type]
            )

        return await _by_card(info, input, act, read)

    @strawberry.mutation(
        graphql_type=MoveByCardResult,
        description="The person: do not send a draft, take a referral back, or contest its outcome.",
    )
    async def move_by_card(self, info: Info, input: MoveByCardInput) -> object:
        """Make a move as the person."""
        code = input.code[:200]

        async def act(work: Work, given: Given) -> UUID:
            return await cards.move_by_card(
                work,
                code,
                target_id(input.referral_id, "Referral"),
                input.expected_version,
                input.move,
                reason=input.reason or None,
                key=input.idempotency_key,
            )

        return await _by_card(info, input, act, _saved(code))

    @strawberry.mutation(
        graphql_type=AnswerByCardResult, description="The person: say how it went, once per referral."
    )
    async def answer_by_card(self, info: Info, input: AnswerByCardInput) -> object:
        """Say how it went."""
        code = input.code[:200]

        async def act(work: Work, given: Given) -> UUID:
            return await cards.answer_by_card(
                work,
                info.context.people.keys,
                code,
                target_id(input.referral_id, "Referral"),
                input.answer,
                text_given=input.text or None,
                language=given.part("language", LanguageTag) if input.language else None,
                key=input.idempotency_key,
            )

        return await _by_card(info, input, act, _saved(code))

    @strawberry.mutation(
        graphql_type=AnswerFollowUpByCardResult,
        description="The person: say how it is now, some time after a referral was closed; once.",
    )
    async def answer_follow_up_by_card(self, info: Info, input: AnswerFollowUpByCardInput) -> object:
        """Say how it is now."""
        code = input.code[:200]

        async def act(work: Work, given: Given) -> UUID:
            return await cards.answer_follow_up_by_card(
                work,
                code,
                target_id(input.follow_up_id, "FollowUp"),
                input.need_now,
                occupied_with=input.occupied_with or None,
                key=input.idempotency_key,
            )

        return await _by_card(info, input, act, _saved(code))
