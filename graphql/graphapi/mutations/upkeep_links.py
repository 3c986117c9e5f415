"""Upkeep links: who holds one says, without an account, that entries are right, or what they should say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import strawberry

from directory import upkeep_links
from directory.corrections import Suggestion, proposed_value
from directory.database import Work
from directory.problems import InvalidInput, NotFound
from directory.upkeep_links import Said
from directory.values import Capacity
from directory.vocabulary import ChangeField
from graphapi.context import Info
from graphapi.given import renaming
from graphapi.mutations.inputs import CapacityInput
from graphapi.mutations.running import Given, run, with_code
from graphapi.relay import parse_id, require_id
from graphapi.types.exchange_problems import CodeNotValidProblem, TooManyAttemptsProblem
from graphapi.types.problems import (
    InvalidInputProblem,
    NotFoundProblem,
    StaleVersionProblem,
    as_data,
)
from graphapi.types.upkeep_link import UpkeepPage, look
from graphapi.upkeeping import JOB
from referrals.codes import CodePurpose, hash_of, present
from referrals.problems import CodeNotValid

MOST_SUGGESTIONS: Final = 20
"""How much can be proposed for an entry at once."""


@strawberry.input(description="An entry in the version that was shown.")
class EntryVersionInput:
    """An entry in the version that was shown."""

    id: strawberry.ID = strawberry.field(description="The partner or the service (UpkeepPage.entries).")
    expected_version: int = strawberry.field(description="The version you read.")


@strawberry.input(description="Which entries are right as they stand.")
class AssureByLinkInput:
    """Which entries are right as they stand."""

    idempotency_key: str = strawberry.field(
        description="8 to 200 characters; a repetition is told by the entries' versions."
    )
    code: str = strawberry.field(description="The code, however it was typed.")
    entries: list[EntryVersionInput] = strawberry.field(description="1 to 51 entries.")


@strawberry.input(description="What a field of an entry should say; no names of private persons, please.")
class EntrySuggestionInput:
    """What a field of an entry should say."""

    field: ChangeField = strawberry.field(description="What of the entry.")
    value: str = strawberry.field(
        description="What it should say: a text, an address, or opening hours in OpenStreetMap's form."
    )
    language: str | None = strawberry.field(
        default=strawberry.UNSET, description="Language of a description (BCP 47); left out: de."
    )
    location_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Whose opening hours."
    )


@strawberry.input(description="What an entry should say: capacity counts at once, the rest is proposed.")
class SuggestByLinkInput:
    """What an entry should say."""

    idempotency_key: str = strawberry.field(
        description="8 to 200 characters; what is proposed again is counted, not doubled."
    )
    code: str = strawberry.field(description="The code, however it was typed.")
    entry: EntryVersionInput = strawberry.field(description="Which entry.")
    capacity: CapacityInput | None = strawberry.field(
        default=strawberry.UNSET, description="Of a service: how much room it has."
    )
    suggestions: list[EntrySuggestionInput] = strawberry.field(
        default_factory=list, description="Up to 20; what the entry says already is no suggestion."
    )


@strawberry.type(description="What became of what was said, and the entries as they are now.")
class SuggestionsTaken:
    """What became of what was said."""

    capacity_counts: bool = strawberry.field(description="The capacity was written down and counts.")
    proposed: list[ChangeField] = strawberry.field(
        description="What somebody who is signed in looks at before it counts."
    )
    page: UpkeepPage = strawberry.field(graphql_type=UpkeepPage, description="The entries as they are now.")


AssureByLinkResult: TypeAlias = Annotated[
    UpkeepPage
    | CodeNotValidProblem
    | TooManyAttemptsProblem
    | NotFoundProblem
    | StaleVersionProblem
    | InvalidInputProblem,
    strawberry.union(name="AssureByLinkResult"),
]
SuggestByLinkResult: TypeAlias = Annotated[
    SuggestionsTaken
    | CodeNotValidProblem
    | TooManyAttemptsProblem
    | NotFoundProblem
    | StaleVersionProblem
    | InvalidInputProblem,
    strawberry.union(name="SuggestByLinkResult"),
]

_Act: TypeAlias = Callable[[Work, Given, bytes], Awaitable[UUID]]


async def _by_link(
    info: Info,
    input_: Any,
    act: _Act,
    read: Callable[[Info, UUID], Awaitable[object | None]],
    entries: Mapping[UUID, int],
) -> object:
    """Run what the holder of a link does with entries that its page shows; for this partner alone."""
    hashed = hash_of(input_.code, CodePurpose.UPKEEP)

    async def attempt() -> object:
        try:
            page = await look(info, input_.code)
            if not {shown.entry.id for shown in page.entries} >= set(entries):
                raise NotFound
        except (CodeNotValid, NotFound) as problem:
            return as_data(problem, info.context.language)

        async def as_holder(work: Work, given: Given) -> UUID:
            await present(work.session, hashed)
            return await act(work, given, hashed)

        return await run(info, input_, as_holder, read=read, actor=upkeep_links.holder(page.partner.id))

    return await with_code(info, attempt)


def _entry(entry: EntryVersionInput) -> UUID:
    """Return which entry is meant; raises NotFound for what is none."""
    found = parse_id(entry.id)
    if found is None or found[0] not in {"Partner", "Service"}:
        raise NotFound
    return found[1]


@strawberry.type
class UpkeepLinkMutations:
    """What the holder of an upkeep link can do."""

    @strawberry.mutation(
        graphql_type=AssureByLinkResult,
        description="The holder of an upkeep link: these entries are right as they stand.",
    )
    async def assure_by_link(self, info: Info, input: AssureByLinkInput) -> object:
        """Say that entries are right."""
        try:
            if not 1 <= len(input.entries) <= upkeep_links.MOST_SHOWN + 1:
                raise InvalidInput("entries", "length", minimum="1", maximum=str(upkeep_links.MOST_SHOWN + 1))
            entries = {_entry(one): one.expected_version for one in input.entries}
        except (InvalidInput, NotFound) as problem:
            return as_data(problem, info.context.language)

        async def act(work: Work, given: Given, hashed: bytes) -> UUID:
            return (await upkeep_links.assure(work, hashed, entries))[0]

        async def read(info: Info, _: UUID) -> object:
            return await look(info, input.code)

        return await _by_link(info, input, act, read, entries)

    @strawberry.mutation(
        graphql_type=SuggestByLinkResult,
        description="The holder of an upkeep link: what an entry should say. Capacity counts at once, the "
        "rest becomes change requests, which somebody who is signed in accepts.",
    )
    async def suggest_by_link(self, info: Info, input: SuggestByLinkInput) -> object:
        """Say what an entry should say."""
        said: list[Said] = []
        try:
            if len(input.suggestions) > MOST_SUGGESTIONS:
                raise InvalidInput("suggestions", "length", minimum="0", maximum=str(MOST_SUGGESTIONS))
            entry = _entry(input.entry)
            suggestions = [_suggestion(number, one) for number, one in enumerate(input.suggestions)]
        except (InvalidInput, NotFound) as problem:
            return as_data(problem, info.context.language)

        async def act(work: Work, given: Given, hashed: bytes) -> UUID:
            capacity = given.values.get("capacity") and given.part("capacity", Capacity)
            taken = await upkeep_links.say(
                work,
                hashed,
                entry,
                capacity=capacity or None,
                expected_version=input.entry.expected_version,
                suggestions=suggestions,
            )
            for request in taken.proposed:
                work.later(JOB, request.id, only_once=str(request.id))
            said.append(taken)
            return entry

        async def read(info: Info, _: UUID) -> SuggestionsTaken:
            # the last: what was tried before in the same call was rolled back
            return SuggestionsTaken(
                capacity_counts=said[-1].capacity,
                proposed=[request.field for request in said[-1].proposed],
                page=await look(info, input.code),  # type: ignore[arg-type]
            )

        return await _by_link(info, input, act, read, {entry: input.entry.expected_version})


def _suggestion(number: int, given: EntrySuggestionInput) -> Suggestion:
    """Return what is proposed; what cannot be is refused with its place in the list."""
    under = f"suggestions.{number}"
    place = given.location_id or None
    said = Suggestion(
        field=given.field,
        value=given.value,
        language=given.language or None,
        location_id=None if place is None else require_id(place, "Location", f"{under}.locationId"),
    )
    with renaming({name: f"{under}.{name}" for name in ("field", "value", "language", "locationId")}):
        proposed_value(said)
    return said
