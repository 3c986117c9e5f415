"""The same thing done to many referrals or clients at once: each on its own, each with its own result.

Every item is one transaction with an idempotency key of its own, made from the call's key and the item's
place. So what went wrong with one item stops no other, a call that was cut off is sent again and does only
what is left, and nothing happens twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import strawberry

from directory.database import Work
from directory.problems import InvalidInput, Problem
from graphapi.context import Info
from graphapi.given import plain
from graphapi.mutations.clients import ClientSaved, client_saved
from graphapi.mutations.referrals import ReferralSaved, referral_saved
from graphapi.mutations.running import ChangeProblems, Given, run
from graphapi.relay import require_id, target_id
from graphapi.types.exchange_problems import (
    ConsentMissingProblem,
    ErasedProblem,
    TransitionNotAllowedProblem,
)
from graphapi.types.problems import as_data
from referrals import answering, clients, exchange
from referrals.moving import Moved
from referrals.vocabulary import CapacityReason, DeclinedBy, DeclineReason, FeedbackAsked, Reason

MOST: Final = 100
"""Items of one call at most."""

BulkReferralResult: TypeAlias = Annotated[
    ReferralSaved | ChangeProblems | TransitionNotAllowedProblem | ConsentMissingProblem | ErasedProblem,
    strawberry.union(name="BulkReferralResult"),
]
BulkClientResult: TypeAlias = Annotated[
    ClientSaved | ChangeProblems | ErasedProblem, strawberry.union(name="BulkClientResult")
]


@strawberry.input(description="One item: a thing in the version you read.")
class BulkItemInput:
    """One item of a call."""

    id: strawberry.ID = strawberry.field(description="The referral (or client).")
    expected_version: int = strawberry.field(description="The version you read.")


@strawberry.input(description="Many items at once.")
class BulkInput:
    """Many items at once."""

    idempotency_key: str = strawberry.field(
        description=(
            "Chosen by you, 8 to 200 characters: each item acts once, also when the call is sent again after "
            "it was cut off."
        )
    )
    items: list[BulkItemInput] = strawberry.field(description="1 to 100 items; they are done in this order.")


@strawberry.input(description="Drafts to send, each on the consent that was asked for.")
class SendReferralsInput(BulkInput):
    """Drafts to send."""

    capacity_reason: CapacityReason | None = strawberry.field(
        default=strawberry.UNSET, description="Needed when the service has no places."
    )


@strawberry.input(description="Referrals that are not taken, for one reason (the course is cancelled).")
class DeclineReferralsInput(BulkInput):
    """Referrals to decline."""

    reason: DeclineReason = strawberry.field(description="Why.")
    declined_by: DeclinedBy = strawberry.field(default=DeclinedBy.PARTNER, description="Who declined.")
    better_service_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="A service that fits better."
    )


@strawberry.input(description="Referrals to close.")
class CloseReferralsInput(BulkInput):
    """Referrals to close."""

    feedback_asked: FeedbackAsked = strawberry.field(description="Whether the persons were asked.")


@strawberry.input(description="Referrals to take back.")
class CancelReferralsInput(BulkInput):
    """Referrals to take back."""

    reason: Reason = strawberry.field(description="Why.")


@strawberry.input(description="Who looks after them from now on.")
class ReassignInput(BulkInput):
    """Who looks after referrals or clients."""

    responsible_id: strawberry.ID = strawberry.field(description="A member of your organisation (Member).")
    deputy_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Their deputy (Member); left out: none."
    )


@strawberry.type(description="What came of one item.")
class BulkReferralItem:
    """What came of one referral."""

    id: strawberry.ID = strawberry.field(description="The item's id, as it was given.")
    result: BulkReferralResult = strawberry.field(description="The referral as it is now, or the problem.")


@strawberry.type(description="What came of each item, in the order of the call.")
class BulkReferrals:
    """What came of each referral."""

    items: list[BulkReferralItem] = strawberry.field(description="One per item.")
    done: int = strawberry.field(description="How many were done.")
    failed: int = strawberry.field(description="How many were not.")


@strawberry.type(description="What came of one item.")
class BulkClientItem:
    """What came of one client."""

    id: strawberry.ID = strawberry.field(description="The item's id, as it was given.")
    result: BulkClientResult = strawberry.field(description="The client as they are now, or the problem.")


@strawberry.type(description="What came of each item, in the order of the call.")
class BulkClients:
    """What came of each client."""

    items: list[BulkClientItem] = strawberry.field(description="One per item.")
    done: int = strawberry.field(description="How many were done.")
    failed: int = strawberry.field(description="How many were not.")


BulkReferralsResult: TypeAlias = Annotated[
    BulkReferrals | ChangeProblems, strawberry.union(name="BulkReferralsResult")
]
BulkClientsResult: TypeAlias = Annotated[
    BulkClients | ChangeProblems, strawberry.union(name="BulkClientsResult")
]


@dataclasses.dataclass(frozen=True)
class _Single:
    """One item with what is said for all of them: what ``running.run`` takes as a mutation's input."""

    idempotency_key: str
    id: strawberry.ID
    expected_version: int
    shared: dict[str, Any]


def _shared(call: BulkInput) -> dict[str, Any]:
    return {name: value for name, value in plain(call).items() if name not in {"items", "idempotency_key"}}


def _key_of(key: str, place: int) -> str:
    """Return the key of one item: as unguessable and as long-lived as the call's own."""
    return f"bulk-{place}-{hashlib.sha256(key.encode()).hexdigest()}"


def _checked(call: BulkInput) -> Sequence[BulkItemInput]:
    if not 8 <= len(call.idempotency_key) <= 200:
        raise InvalidInput("idempotencyKey", "length", minimum="8", maximum="200")
    if not call.items:
        raise InvalidInput("items", "required")
    if len(call.items) > MOST:
        raise InvalidInput("items", "too-many", maximum=str(MOST))
    if len({item.id for item in call.items}) != len(call.items):
        raise InvalidInput("items", "duplicate")
    return call.items


Act: TypeAlias = Callable[[Work, _Single], Awaitable[UUID]]


async def _each(
    info: Info, call: BulkInput, act: Act, read: Callable[[Info, UUID], Awaitable[object | None]]
) -> list[tuple[strawberry.ID, object]] | object:
    """Do every item in order; return (id, result) each, or the problem of the call as a whole."""
    try:
        items = _checked(call)
        shared = _shared(call)
    except Problem as problem:
        return as_data(problem, info.context.language)
    results: list[tuple[strawberry.ID, object]] = []
    for place, item in enumerate(items):
        single = _Single(_key_of(call.idempotency_key, place), item.id, item.expected_version, shared)

        async def one(work: Work, given: Given, single: _Single = single) -> UUID:
            return await act(work, single)

        results.append((item.id, await run(info, single, one, read=read)))
    return results


async def _referrals(info: Info, call: BulkInput, act: Act) -> object:
    found = await _each(info, call, act, referral_saved)
    if not isinstance(found, list):
        return found
    done = sum(isinstance(result, ReferralSaved) for _, result in found)
    return BulkReferrals(
        items=[BulkReferralItem(id=id_, result=result) for id_, result in found],  # type: ignore[arg-type]
        done=done,
        failed=len(found) - done,
    )


def _member(given: strawberry.ID | None, field: str) -> UUID | None:
    return require_id(given, "Member", field) if given else None


@strawberry.type
class BulkMutations:
    """The same thing done to many at once."""

    @strawberry.mutation(graphql_type=BulkReferralsResult, description="Sender: send many drafts.")
    async def send_referrals(self, info: Info, input: SendReferralsInput) -> object:
        """Send drafts."""

        async def act(work: Work, item: _Single) -> UUID:
            moved = await exchange.send(
                work,
                info.context.people.keys,
                target_id(item.id, "Referral"),
                item.expected_version,
                capacity_reason=input.capacity_reason or None,
            )
            return moved.id

        return await _referrals(info, input, act)

    @strawberry.mutation(graphql_type=BulkReferralsResult, description="Recipient: acknowledge many.")
    async def acknowledge_referrals(self, info: Info, input: BulkInput) -> object:
        """Acknowledge referrals."""

        async def act(work: Work, item: _Single) -> UUID:
            referral_id = target_id(item.id, "Referral")
            return (await answering.acknowledge(work, referral_id, item.expected_version)).id

        return await _referrals(info, input, act)

    @strawberry.mutation(
        graphql_type=BulkReferralsResult,
        description="Recipient: decline many for one reason, e.g. because the course is cancelled.",
    )
    async def decline_referrals(self, info: Info, input: DeclineReferralsInput) -> object:
        """Decline referrals."""

        async def act(work: Work, item: _Single) -> UUID:
            better = input.better_service_id
            moved: Moved = await answering.decline(
                work,
                info.context.people.keys,
                target_id(item.id, "Referral"),
                item.expected_version,
                reason=input.reason,
                declined_by=input.declined_by,
                better_service_id=require_id(better, "Service", "betterServiceId") if better else None,
            )
            return moved.id

        return await _referrals(info, input, act)

    @strawberry.mutation(graphql_type=BulkReferralsResult, description="Sender: close many.")
    async def close_referrals(self, info: Info, input: CloseReferralsInput) -> object:
        """Close referrals."""

        async def act(work: Work, item: _Single) -> UUID:
            referral_id = target_id(item.id, "Referral")
            return (await exchange.close(work, referral_id, item.expected_version, input.feedback_asked)).id

        return await _referrals(info, input, act)

    @strawberry.mutation(graphql_type=BulkReferralsResult, description="Sender: take many back.")
    async def cancel_referrals(self, info: Info, input: CancelReferralsInput) -> object:
        """Cancel referrals."""

        async def act(work: Work, item: _Single) -> UUID:
            referral_id = target_id(item.id, "Referral")
            return (await exchange.cancel(work, referral_id, item.expected_version, input.reason)).id

        return await _referrals(info, input, act)

    @strawberry.mutation(
        graphql_type=BulkReferralsResult,
        description="Both sides: name who looks after many referrals, e.g. when somebody leaves.",
    )
    async def reassign_referrals(self, info: Info, input: ReassignInput) -> object:
        """Name who looks after referrals."""

        async def act(work: Work, item: _Single) -> UUID:
            moved = await exchange.reassign(
                work,
                target_id(item.id, "Referral"),
                item.expected_version,
                responsible_id=require_id(input.responsible_id, "Member", "responsibleId"),
                deputy_id=_member(input.deputy_id, "deputyId"),
            )
            return moved.id

        return await _referrals(info, input, act)

    @strawberry.mutation(
        graphql_type=BulkClientsResult,
        description="Name who looks after many clients, e.g. when somebody leaves.",
    )
    async def reassign_clients(self, info: Info, input: ReassignInput) -> object:
        """Name who looks after clients."""

        async def act(work: Work, item: _Single) -> UUID:
            client_id = target_id(item.id, "Client")
            await clients.change_client(
                work,
                info.context.people.keys,
                client_id,
                item.expected_version,
                clients.ClientChange(
                    responsible_id=require_id(input.responsible_id, "Member", "responsibleId"),
                    deputy_id=_member(input.deputy_id, "deputyId"),
                ),
            )
            return client_id

        found = await _each(info, input, act, client_saved)
        if not isinstance(found, list):
            return found
        done = sum(isinstance(result, ClientSaved) for _, result in found)
        return BulkClients(
            items=[BulkClientItem(id=id_, result=result) for id_, result in found],  # type: ignore[arg-type]
            done=done,
            failed=len(found) - done,
        )
