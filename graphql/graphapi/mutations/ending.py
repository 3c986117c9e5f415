"""Entries: bring an old version back, merge two or tell them apart, delete one, confirm a translation."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory import ending, translating
from directory.database import Work
from directory.documents import DocumentKind
from directory.not_duplicates import mark_not_duplicates, view_not_duplicates, withdraw_not_duplicates
from directory.problems import InvalidInput
from graphapi.context import Info
from graphapi.mutations.partners import PartnerSaved, partner_saved
from graphapi.mutations.running import ChangeProblems, CreateProblems, Given, run
from graphapi.mutations.services import ServiceSaved, service_saved
from graphapi.relay import global_id, require_id, target_id
from graphapi.types.exchange_problems import StillUnderWayProblem
from graphapi.types.history import NotDuplicates, entry_of
from referrals.merging import Exchange

GUARD = Exchange()
PARTNER = DocumentKind.PARTNER


@strawberry.type(description="What is no longer in the directory; its tombstone is in the feed.")
class EntryDeleted:
    """What is no longer in the directory."""

    deleted_id: strawberry.ID = strawberry.field(description="Its id, with which it can be restored.")


async def _partner_deleted(info: Info, id_: UUID) -> EntryDeleted:
    return EntryDeleted(deleted_id=global_id("Partner", id_))


async def _service_deleted(info: Info, id_: UUID) -> EntryDeleted:
    return EntryDeleted(deleted_id=global_id("Service", id_))


@strawberry.type(description="Two entries are different ones: they are not pointed out any more.")
class NotDuplicatesSaved:
    """Two entries are different ones."""

    not_duplicates: NotDuplicates = strawberry.field(
        graphql_type=NotDuplicates, description="What was said, when and by whom."
    )


@strawberry.type(description="What was said of two entries is withdrawn.")
class NotDuplicatesWithdrawn:
    """What was said of two entries is withdrawn."""

    withdrawn_id: strawberry.ID = strawberry.field(description="The id it had.")


async def _not_duplicates(info: Info, id_: UUID) -> NotDuplicatesSaved | None:
    async with info.context.database.view(info.context.actor) as session:
        found = await view_not_duplicates(session, info.context.actor, id_)
    return None if found is None else NotDuplicatesSaved(not_duplicates=found)  # type: ignore[arg-type]


async def _withdrawn(info: Info, id_: UUID) -> NotDuplicatesWithdrawn:
    return NotDuplicatesWithdrawn(withdrawn_id=global_id("NotDuplicates", id_))


@strawberry.input(description="Two entries of one kind that look alike and are different ones.")
class MarkNotDuplicatesInput:
    """Two entries of one kind that look alike and are different ones."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    entry_id: strawberry.ID = strawberry.field(description="A partner or a service.")
    other_id: strawberry.ID = strawberry.field(description="The other one, of the same kind.")


@strawberry.input(description="What was said of two entries and is withdrawn.")
class WithdrawNotDuplicatesInput:
    """What was said of two entries and is withdrawn."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="From duplicatePairs.")


@strawberry.input(description="An entry, and the version of it that is to come back.")
class RestoreEntryInput:
    """An entry, and the version of it that is to come back."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The entry; also one that was merged or deleted.")
    expected_version: int = strawberry.field(description="The version that the entry has now.")
    version: int = strawberry.field(description="The version that is to come back, from entryHistory.")
    reason: str | None = strawberry.field(default=strawberry.UNSET, description="Why; kept in the history.")


@strawberry.input(description="Two services of one partner that are the same.")
class MergeServicesInput:
    """Two services of one partner that are the same."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    survivor_id: strawberry.ID = strawberry.field(description="The one that stays and answers for both.")
    expected_version: int = strawberry.field(description="Its version that you read.")
    merged_id: strawberry.ID = strawberry.field(description="The one that ends; its id leads to the other.")
    merged_expected_version: int = strawberry.field(description="Its version that you read.")
    reason: str = strawberry.field(description="Why; kept in the history of both.")


@strawberry.input(description="Two partners of one municipality that are the same.")
class MergePartnersInput:
    """Two partners of one municipality that are the same."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    survivor_id: strawberry.ID = strawberry.field(description="The one that stays and answers for both.")
    expected_version: int = strawberry.field(description="Its version that you read.")
    merged_id: strawberry.ID = strawberry.field(description="The one that ends; its id leads to the other.")
    merged_expected_version: int = strawberry.field(description="Its version that you read.")
    reason: str = strawberry.field(description="Why; kept in the history of both.")
    same_legal_body: bool = strawberry.field(
        default=False,
        description="That both are one legal body; needed, and a lead's to say, where the one that ends has "
        "members. They are not moved.",
    )


@strawberry.input(description="An entry that is to leave the directory.")
class DeleteEntryInput:
    """An entry that is to leave the directory."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The entry.")
    expected_version: int = strawberry.field(description="The version you read.")
    reason: str = strawberry.field(description="Why; kept in its history.")


@strawberry.input(description="An entry, and a language in which its texts are still right.")
class ConfirmTranslationInput:
    """An entry, and a language in which its texts are still right."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The entry.")
    expected_version: int = strawberry.field(description="The version you read.")
    language: str = strawberry.field(description="BCP 47; not the language they were translated from.")


RestorePartnerResult: TypeAlias = Annotated[
    PartnerSaved | ChangeProblems | StillUnderWayProblem, strawberry.union(name="RestorePartnerResult")
]
RestoreServiceResult: TypeAlias = Annotated[
    ServiceSaved | ChangeProblems | StillUnderWayProblem, strawberry.union(name="RestoreServiceResult")
]
MergePartnersResult: TypeAlias = Annotated[
    PartnerSaved | ChangeProblems | StillUnderWayProblem, strawberry.union(name="MergePartnersResult")
]
MergeServicesResult: TypeAlias = Annotated[
    ServiceSaved | ChangeProblems | StillUnderWayProblem, strawberry.union(name="MergeServicesResult")
]
DeleteEntryResult: TypeAlias = Annotated[
    EntryDeleted | ChangeProblems | StillUnderWayProblem, strawberry.union(name="DeleteEntryResult")
]
MarkNotDuplicatesResult: TypeAlias = Annotated[
    NotDuplicatesSaved | CreateProblems, strawberry.union(name="MarkNotDuplicatesResult")
]
WithdrawNotDuplicatesResult: TypeAlias = Annotated[
    NotDuplicatesWithdrawn | CreateProblems, strawberry.union(name="WithdrawNotDuplicatesResult")
]
ConfirmPartnerTranslationResult: TypeAlias = Annotated[
    PartnerSaved | ChangeProblems, strawberry.union(name="ConfirmPartnerTranslationResult")
]
ConfirmServiceTranslationResult: TypeAlias = Annotated[
    ServiceSaved | ChangeProblems, strawberry.union(name="ConfirmServiceTranslationResult")
]


@strawberry.type
class EndingMutations:
    """How entries end and come back."""

    @strawberry.mutation(
        graphql_type=RestorePartnerResult,
        description="Make a partner's entry say again what it said in an old version: a new version. What it "
        "says comes back, not whether it is published: that stays as it is now, so nothing is published or "
        "hidden by it. One that was merged or deleted comes back hidden, with the services that had moved.",
    )
    async def restore_partner(self, info: Info, input: RestoreEntryInput) -> object:
        """Restore a partner's entry."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await ending.restore_partner(
                work,
                target_id(input.id, "Partner"),
                input.version,
                expected_version=input.expected_version,
                guard=GUARD,
                reason=given.values.get("reason"),
            )
            return saved.id

        return await run(info, input, act, read=partner_saved)

    @strawberry.mutation(
        graphql_type=RestoreServiceResult,
        description="Make a service's entry say again what it said in an old version: a new version. What it "
        "says comes back. Not whether it is published, which stays as it is now; not its capacity and the "
        "free places of a course's runs, which are facts of a day: those of now stay, and of a run that is "
        "not there now they are unknown. One that was merged or deleted comes back hidden.",
    )
    async def restore_service(self, info: Info, input: RestoreEntryInput) -> object:
        """Restore a service's entry."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await ending.restore_service(
                work,
                target_id(input.id, "Service"),
                input.version,
                expected_version=input.expected_version,
                guard=GUARD,
                reason=given.values.get("reason"),
            )
            return saved.id

        return await run(info, input, act, read=service_saved)

    @strawberry.mutation(
        graphql_type=MergePartnersResult,
        description="Merge a partner into another one of the municipality: services and places move, the old "
        "id leads on. Members and what concerns persons never move: while any of it is under way at the one "
        "that ends, it is refused.",
    )
    async def merge_partners(self, info: Info, input: MergePartnersInput) -> object:
        """Merge two partners."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await ending.merge_partners(
                work,
                target_id(input.survivor_id, "Partner"),
                require_id(input.merged_id, "Partner", "mergedId"),
                expected_version=input.expected_version,
                merged_expected_version=input.merged_expected_version,
                guard=GUARD,
                reason=input.reason,
                same_legal_body=input.same_legal_body,
            )
            return saved.id

        return await run(info, input, act, read=partner_saved)

    @strawberry.mutation(
        graphql_type=MergeServicesResult,
        description="Merge a service into another one of the same partner: referrals and bookings move, the "
        "old id leads on.",
    )
    async def merge_services(self, info: Info, input: MergeServicesInput) -> object:
        """Merge two services."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await ending.merge_services(
                work,
                target_id(input.survivor_id, "Service"),
                require_id(input.merged_id, "Service", "mergedId"),
                expected_version=input.expected_version,
                merged_expected_version=input.merged_expected_version,
                guard=GUARD,
                reason=input.reason,
            )
            return saved.id

        return await run(info, input, act, read=service_saved)

    @strawberry.mutation(
        graphql_type=MarkNotDuplicatesResult,
        description="Say that two entries of your municipality which look alike are different ones: they are "
        "pointed out nowhere any more, until that is withdrawn or one of them is merged or deleted.",
    )
    async def mark_not_duplicates(self, info: Info, input: MarkNotDuplicatesInput) -> object:
        """Say that two entries are different ones."""

        async def act(work: Work, given: Given) -> UUID:
            kind, entry_id = entry_of(input.entry_id, "entryId")
            other_kind, other_id = entry_of(input.other_id, "otherId")
            if other_kind is not kind:
                raise InvalidInput("otherId", "id", expected="Partner" if kind is PARTNER else "Service")
            return await mark_not_duplicates(work, kind, entry_id, other_id)

        return await run(info, input, act, read=_not_duplicates)

    @strawberry.mutation(
        graphql_type=WithdrawNotDuplicatesResult,
        description="Withdraw that two entries are different ones: if they look alike they are pointed out "
        "again.",
    )
    async def withdraw_not_duplicates(self, info: Info, input: WithdrawNotDuplicatesInput) -> object:
        """Withdraw that two entries are different ones."""

        async def act(work: Work, given: Given) -> UUID:
            return await withdraw_not_duplicates(work, target_id(input.id, "NotDuplicates"))

        return await run(info, input, act, read=_withdrawn)

    @strawberry.mutation(
        graphql_type=DeleteEntryResult,
        description="Delete a partner and its services; refused while anything is under way there.",
    )
    async def delete_partner(self, info: Info, input: DeleteEntryInput) -> object:
        """Delete a partner."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await ending.delete_partner(
                work,
                target_id(input.id, "Partner"),
                expected_version=input.expected_version,
                guard=GUARD,
                reason=input.reason,
            )
            return saved.id

        return await run(info, input, act, read=_partner_deleted)

    @strawberry.mutation(
        graphql_type=DeleteEntryResult,
        description="Delete a service; refused while referrals or bookings are open there.",
    )
    async def delete_service(self, info: Info, input: DeleteEntryInput) -> object:
        """Delete a service."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await ending.delete_service(
                work,
                target_id(input.id, "Service"),
                expected_version=input.expected_version,
                guard=GUARD,
                reason=input.reason,
            )
            return saved.id

        return await run(info, input, act, read=_service_deleted)

    @strawberry.mutation(
        graphql_type=ConfirmPartnerTranslationResult,
        description="Say that a partner's texts in a language still say what their source says.",
    )
    async def confirm_partner_translation(self, info: Info, input: ConfirmTranslationInput) -> object:
        """Confirm a translation of a partner's texts."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await translating.confirm_translation(
                work,
                DocumentKind.PARTNER,
                target_id(input.id, "Partner"),
                input.language,
                expected_version=input.expected_version,
            )
            return saved.id

        return await run(info, input, act, read=partner_saved)

    @strawberry.mutation(
        graphql_type=ConfirmServiceTranslationResult,
        description="Say that a service's texts in a language still say what their source says.",
    )
    async def confirm_service_translation(self, info: Info, input: ConfirmTranslationInput) -> object:
        """Confirm a translation of a service's texts."""

        async def act(work: Work, given: Given) -> UUID:
            saved = await translating.confirm_translation(
                work,
                DocumentKind.SERVICE,
                target_id(input.id, "Service"),
                input.language,
                expected_version=input.expected_version,
            )
            return saved.id

        return await run(info, input, act, read=service_saved)
