"""Suggestions while somebody types."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import Parent

from graphapi.context import Info
from graphapi.relay import global_id
from graphapi.types.words import describe
from search import suggesting
from search.finding import suggest
from search.suggesting import LARGEST, SuggestionKind, SuggestQuery

describe(SuggestionKind, "What is suggested.")


def _id(root: Parent[suggesting.Suggestion]) -> strawberry.ID | None:
    if root.id is None:
        return None
    return global_id("Partner" if root.kind is SuggestionKind.PARTNER else "Service", root.id)


@strawberry.type(description="A text to choose while typing; published things only.")
class Suggestion:
    """A text to choose while typing."""

    kind: SuggestionKind = strawberry.field(description="What it names.")
    text: str = strawberry.field(description="The text, in the language that has what was typed.")
    language: str | None = strawberry.field(description="Its language (BCP 47); null: a name.")
    services: int = strawberry.field(description="How many services have this title, partner or topic.")
    topic: str | None = strawberry.field(description="Code of the topic, to filter by.")
    id: strawberry.ID | None = strawberry.field(
        resolver=_id, graphql_type=strawberry.ID | None, description="The partner; the only service."
    )


@strawberry.type
class SuggestionQueries:
    """What is suggested."""

    @strawberry.field(
        graphql_type=list[Suggestion],
        description=(
            "Titles, partners and topics with words that begin as typed; always from the local index, also "
            "while another engine is away."
        ),
    )
    async def suggest(
        self,
        info: Info,
        prefix: Annotated[str, strawberry.argument(description="What was typed so far.")],
        first: Annotated[int, strawberry.argument(description=f"How many, 1 to {LARGEST}.")] = 8,
        kinds: Annotated[
            list[SuggestionKind] | None, strawberry.argument(description="Left out: all kinds.")
        ] = None,
    ) -> Any:
        """Suggest; InvalidInput names what is out of bounds."""
        context = info.context
        query = SuggestQuery(
            prefix=prefix,
            languages=(*context.languages, context.language),
            kinds=frozenset(kinds if kinds is not None else SuggestionKind),
            first=first,
        )
        return await suggest(context.services.engines, context.database.reader, context.actor, query)
