"""Saved searches and the mailbox: save, change, delete; name an address, take it back."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory import mailboxes
from directory.database import Work
from directory.problems import InvalidInput, NotSignedIn
from graphapi.context import Info
from graphapi.mutations.running import ChangeProblems, CreateProblems, Given, run
from graphapi.relay import global_id, target_id
from graphapi.saved_searches import ask
from graphapi.types.saved_search import Mailbox, SavedSearch
from graphapi.types.search import SearchFiltersInput
from search import saving


@strawberry.type(description="The saved search as it is now.")
class SavedSearchSaved:
    """The saved search as it is now."""

    saved_search: SavedSearch = strawberry.field(graphql_type=SavedSearch, description="The saved search.")


@strawberry.type(description="The saved search is gone.")
class SavedSearchDeleted:
    """The saved search is gone."""

    deleted_id: strawberry.ID = strawberry.field(description="Its id.")


@strawberry.type(description="The mailbox as it is now.")
class MailboxSaved:
    """The mailbox as it is now."""

    mailbox: Mailbox | None = strawberry.field(
        graphql_type=Mailbox | None, description="The mailbox; null: there is none any more."
    )


@strawberry.input(description="A search to keep: words and filters, and nothing about a person.")
class SaveSearchInput:
    """A search to keep."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    name: str = strawberry.field(description="What you call it; no names of people.")
    text: str = strawberry.field(default="", description="Words; no names of people.")
    filters: SearchFiltersInput | None = strawberry.field(
        default=strawberry.UNSET, description="What must be; not by residence status."
    )
    notify: bool = strawberry.field(
        default=False, description="Whether to be told by mail, once a day at most, of new and changed hits."
    )


@strawberry.input(description="What changes of a saved search; what is left out stays.")
class ChangeSavedSearchInput:
    """What changes of a saved search."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The saved search.")
    expected_version: int = strawberry.field(description="The version you read.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="What you call it.")
    notify: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether to be told by mail."
    )


@strawberry.input(description="The saved search to forget.")
class DeleteSavedSearchInput:
    """The saved search to forget."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The saved search.")
    expected_version: int = strawberry.field(description="The version you read.")


@strawberry.input(description="Where you want to be written to.")
class SetMailboxInput:
    """Where a member wants to be written to."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    address: str = strawberry.field(description="Your own address; its reader is asked first.")


@strawberry.input(description="Your mailbox is forgotten.")
class RemoveMailboxInput:
    """The mailbox is forgotten."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")


SaveSearchResult: TypeAlias = Annotated[
    SavedSearchSaved | CreateProblems, strawberry.union(name="SaveSearchResult")
]
ChangeSavedSearchResult: TypeAlias = Annotated[
    SavedSearchSaved | ChangeProblems, strawberry.union(name="ChangeSavedSearchResult")
]
DeleteSavedSearchResult: TypeAlias = Annotated[
    SavedSearchDeleted | ChangeProblems, strawberry.union(name="DeleteSavedSearchResult")
]
MailboxResult: TypeAlias = Annotated[MailboxSaved | CreateProblems, strawberry.union(name="MailboxResult")]


async def search_saved(info: Info, search_id: UUID) -> SavedSearchSaved | None:
    """Read the saved search with the actor's rights."""
    context = info.context
    async with context.database.view(context.actor) as session:
        for one in await saving.saved_searches(session, context.actor):
            if one.id == search_id:
                return SavedSearchSaved(saved_search=one)  # type: ignore[arg-type]
    return None


async def mailbox_saved(info: Info, _member_id: UUID) -> MailboxSaved:
    """Read the own mailbox."""
    context = info.context
    async with context.database.view(context.actor) as session:
        return MailboxSaved(mailbox=await mailboxes.mailbox_of(session, context.actor))  # type: ignore[arg-type]


@strawberry.type
class SavedSearchMutations:
    """Saved searches, and where news of them goes."""

    @strawberry.mutation(graphql_type=SaveSearchResult, description="Keep a search; 20 at most.")
    async def save_search(self, info: Info, input: SaveSearchInput) -> object:
        """Keep a search."""

        async def act(work: Work, given: Given) -> UUID:
            if isinstance(filters := given.values.get("filters"), dict):
                if filters.pop("residence", None) is not None:
                    raise InvalidInput("filters.residence", "no-profile")
                for name in [name for name, value in filters.items() if value is None]:
                    del filters[name]
            elif "filters" in given.values:
                del given.values["filters"]
            return await saving.save_search(work, given.read(saving.SearchDraft))

        return await run(info, input, act, read=search_saved)

    @strawberry.mutation(
        graphql_type=ChangeSavedSearchResult, description="Rename a saved search, be told of it, or not."
    )
    async def change_saved_search(self, info: Info, input: ChangeSavedSearchInput) -> object:
        """Change a saved search."""

        async def act(work: Work, given: Given) -> UUID:
            return await saving.change_search(
                work,
                target_id(input.id, "SavedSearch"),
                given.read(saving.SearchChange),
                expected_version=input.expected_version,
            )

        return await run(info, input, act, read=search_saved)

    @strawberry.mutation(graphql_type=DeleteSavedSearchResult, description="Forget a saved search.")
    async def delete_saved_search(self, info: Info, input: DeleteSavedSearchInput) -> object:
        """Forget a saved search."""

        async def act(work: Work, given: Given) -> UUID:
            search_id = target_id(input.id, "SavedSearch")
            return await saving.delete_search(work, search_id, expected_version=input.expected_version)

        async def read(info: Info, search_id: UUID) -> SavedSearchDeleted:
            return SavedSearchDeleted(deleted_id=global_id("SavedSearch", search_id))

        return await run(info, input, act, read=read)

    @strawberry.mutation(
        graphql_type=MailboxResult,
        description="Name your address. It gets one mail that asks; others follow its reader's yes.",
    )
    async def set_mailbox(self, info: Info, input: SetMailboxInput) -> object:
        """Name the own address."""
        language = info.context.language

        async def act(work: Work, given: Given) -> UUID:
            mailbox = await mailboxes.set_mailbox(work, input.address, language)
            if work.actor.partner_id is None:
                raise NotSignedIn
            await ask(work, mailbox, work.actor.partner_id)
            return mailbox.member_id

        return await run(info, input, act, read=mailbox_saved)

    @strawberry.mutation(graphql_type=MailboxResult, description="Have your address forgotten: no more mail.")
    async def remove_mailbox(self, info: Info, input: RemoveMailboxInput) -> object:
        """Forget the own address."""

        async def act(work: Work, given: Given) -> UUID:
            return await mailboxes.remove_mailbox(work)

        return await run(info, input, act, read=mailbox_saved)
