"""Searches without a hit: how they are counted on the way, and the report of a quarter."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import strawberry
from strawberry import Parent

from directory.vocabulary import ServiceKind
from graphapi.context import Context, Info
from graphapi.types.words import describe, label
from search import unmet
from search.engine import Filters
from search.finding import kept_districts, kept_vocabulary
from search.unmet import UnmetBreakdown, UnmetOutcome

describe(UnmetBreakdown, "The tables of the report on searches without a hit; there are no others.")
describe(UnmetOutcome, "What a search found: nothing at all, or only services with some of its words.")


async def count_unmet(context: Context, filters: Filters, words: str, total: int, relaxed: bool) -> None:
    """Count a search that found nothing, or only nearly: by its filters and topic, never by a profile.

    A search without a place counts for the district of the organisation that asks, if somebody is signed in.
    """
    if total and not relaxed:
        return
    reader = context.database.reader
    districts = await kept_districts(reader)
    district = unmet.district_of(filters.municipality, districts.values())
    if filters.municipality is None and filters.near is None and context.actor.municipality_id is not None:
        district = districts.get(context.actor.municipality_id, "")
    cells = unmet.cells_of(
        filters,
        words,
        await kept_vocabulary(reader),
        month=context.today.replace(day=1),
        district=district,
        outcome=UnmetOutcome.NEARLY if total else UnmetOutcome.NOTHING,
    )
    who = str(context.actor.member_id or context.address)
    context.services.unmet.note(cells, who)


def _kind(root: Parent[unmet.UnmetCount]) -> ServiceKind | None:
    return None if root.kind is None else ServiceKind(root.kind)


def _kind_label(root: Parent[unmet.UnmetCount], info: Info) -> str | None:
    return None if root.kind is None else label(ServiceKind(root.kind), info.context.language)


@strawberry.type(description="Searches without a hit of one sort, rounded to 5.")
class UnmetCount:
    """Searches without a hit of one sort."""

    kind: ServiceKind | None = strawberry.field(
        resolver=_kind, graphql_type=ServiceKind | None, description="The kind that was asked for."
    )
    kind_label: str | None = strawberry.field(
        resolver=_kind_label, graphql_type=str | None, description="The same, for people."
    )
    topic: str | None = strawberry.field(description="Code of the topic; null: of none that is known.")
    language: str | None = strawberry.field(description="The language (BCP 47).")
    outcome: UnmetOutcome = strawberry.field(description="What was found.")
    searches: int = strawberry.field(description="How many searches, each person once a month.")


@strawberry.type(
    description=(
        "One table of a quarter that is over, of the own district. Cells below 5 are not shown, nor what "
        "would tell them; they are not zero."
    )
)
class UnmetSearches:
    """One table of a quarter that is over."""

    since: date = strawberry.field(description="First day.")
    until: date = strawberry.field(description="The day after the last.")
    district: str = strawberry.field(description="Official key (ARS, five digits).")
    breakdown: UnmetBreakdown = strawberry.field(description="By what.")
    cells: list[UnmetCount] = strawberry.field(description="What may be shown, the most frequent first.")
    hidden: bool = strawberry.field(description="Whether there are cells that may not be shown.")


@strawberry.type
class UnmetQueries:
    """What can be read of searches without a hit."""

    @strawberry.field(
        graphql_type=UnmetSearches,
        description="Searches that found nothing, of a quarter and the own district: what is missing.",
    )
    async def unmet_searches(
        self,
        info: Info,
        year: Annotated[int, strawberry.argument(description="The year.")],
        quarter: Annotated[int, strawberry.argument(description="1 to 4; one that is over.")],
        breakdown: Annotated[
            UnmetBreakdown, strawberry.argument(description="By what.")
        ] = UnmetBreakdown.TOPIC,
    ) -> Any:
        """Return the table."""
        context = info.context
        async with context.database.view(context.actor) as session:
            return await unmet.unmet_searches(session, context.actor, context.today, year, quarter, breakdown)
