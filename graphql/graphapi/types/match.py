"""Matching a profile: ranked services, each with its standing by every criterion, and the weights."""

from __future__ import annotations

from typing import Any

import strawberry
from msgspec.structs import replace
from strawberry import Parent

from directory.problems import InvalidInput
from directory.vocabulary import Answer, Standing
from graphapi.context import Info
from graphapi.given import converted, plain
from graphapi.relay import global_id, read_id
from graphapi.types.ids import labelled
from graphapi.types.paging import PAGE_SIZE, After, First, PageInfo
from graphapi.types.search import FitReason, NearInput, SearchFiltersInput, SituationInput, without_none
from graphapi.types.service import Service
from graphapi.types.texts import LanguageArgument, Text, choose
from graphapi.types.unmet import count_unmet
from graphapi.types.words import label
from search.engine import LARGEST_PAGE
from search.finding import Match, MatchQuery, match_services
from search.matching import Criterion
from search.rating import WEIGHTS, WORTH, Rating, Weight


@strawberry.input(description="A profile to match. Ask with POST; it is never logged, stored or counted.")
class MatchServicesInput:
    """A profile to match."""

    profile: SituationInput = strawberry.field(description="What is known of a person; the rest is asked.")
    text: str = strawberry.field(default="", description="Words that services are to have.")
    filters: SearchFiltersInput | None = strawberry.field(default=None, description="What must be.")
    origin: NearInput | None = strawberry.field(
        default=None, description="From where ways are measured; its radius is no limit."
    )


def _reason(root: Parent[Rating]) -> Any:
    return root.reason


@strawberry.type(description="How a service stands by one criterion, what that is worth, and why.")
class MatchCriterion:
    """How a service stands by one criterion."""

    criterion: Criterion = strawberry.field(description="What is rated.")
    standing: Standing = strawberry.field(description="How it stands; UNKNOWN is never NOT_MET.")
    standing_label: str | None = strawberry.field(
        resolver=labelled("standing"), graphql_type=str | None, description="The same, for people."
    )
    worth: float = strawberry.field(description="What that is worth, 0 to 1.")
    points: int = strawberry.field(description="What the criterion weighs.")
    reason: FitReason = strawberry.field(
        graphql_type=FitReason, resolver=_reason, description="The reason, as a sentence and as a code."
    )


def _service(root: Parent[Match]) -> Any:
    return root.service


def _answer(root: Parent[Match]) -> Answer:
    return root.rated.answer


def _score(root: Parent[Match]) -> int:
    return root.rated.score


def _criteria(root: Parent[Match]) -> Any:
    return root.rated.ratings


def _cursor(root: Parent[Match]) -> str:
    return global_id("Service", root.service.id)


def _answer_label(root: Parent[Match], info: Info) -> str | None:
    return label(root.rated.answer, info.context.language)


@strawberry.type(description="A service as it matches the profile.")
class ServiceMatch:
    """A service as it matches the profile."""

    cursor: str = strawberry.field(resolver=_cursor, description="Give it as `after` to go on from here.")
    place: int = strawberry.field(description="Its place among the matches, from 1.")
    node: Service = strawberry.field(graphql_type=Service, resolver=_service, description="The service.")
    answer: Answer = strawberry.field(
        resolver=_answer, graphql_type=Answer, description="Comes before every score."
    )
    answer_label: str | None = strawberry.field(
        resolver=_answer_label, graphql_type=str | None, description="The same, for people."
    )
    score: int = strawberry.field(
        resolver=_score, graphql_type=int, description="0 to 1,000, of what concerns it and the profile."
    )
    criteria: list[MatchCriterion] = strawberry.field(
        graphql_type=list[MatchCriterion], resolver=_criteria, description="One by one."
    )
    distance_km: float | None = strawberry.field(description="To its nearest place, as the crow flies.")


@strawberry.type(description="Matches in order: what fits, what is to be asked, what does not fit.")
class ServiceMatchConnection:
    """Matches in order."""

    edges: list[ServiceMatch] = strawberry.field(description="The matches, the best first.")
    nodes: list[Service] = strawberry.field(description="Their services.")
    page_info: PageInfo = strawberry.field(description="Where this page stands.")
    total_count: int = strawberry.field(description="How many services have the words and meet the filters.")
    considered_count: int = strawberry.field(
        description="How many of them were rated: 300 at most, the likeliest. Narrow the filters for others."
    )
    fitting_count: int = strawberry.field(description="Of these, how many are not known not to fit.")
    bridges: list[Service] = strawberry.field(
        description="Interpreting services for the profile's languages, 5 at most."
    )
    relaxed: bool = strawberry.field(description="True: no service has all the words, these have some.")
    weights_version: int = strawberry.field(description="Which weights ranked: `matchWeights`.")


def _why(root: Parent[Weight], info: Info, language: LanguageArgument = None) -> Text | None:
    return choose(root.why, language, info.context.languages)


def _unknown(root: Parent[Weight]) -> float:
    return root.unknown


@strawberry.type(description="What a criterion weighs when matches are ranked, and why.")
class MatchWeight:
    """What a criterion weighs."""

    criterion: Criterion = strawberry.field(description="The criterion.")
    points: int = strawberry.field(description="Points; what counts is their share of all that concern.")
    worth_unknown: float = strawberry.field(
        resolver=_unknown, graphql_type=float, description="What it is worth not to know, 0 to 1."
    )
    why: Text | None = strawberry.field(resolver=_why, description="Why it counts.")


@strawberry.type(description="What a finding is worth, 0 to 1.")
class FindingWorth:
    """What a finding is worth."""

    code: str = strawberry.field(description="Code of the reason.")
    worth: float = strawberry.field(description="0 to 1.")


@strawberry.type(description="The whole table by which matches are ranked, for everybody to read.")
class MatchWeights:
    """The whole table by which matches are ranked."""

    version: int = strawberry.field(description="Raised with every change.")
    weights: list[MatchWeight] = strawberry.field(description="By criterion.")
    findings: list[FindingWorth] = strawberry.field(
        description="By reason; what is not listed is worth what not knowing is, or by its size."
    )


@strawberry.type
class MatchQueries:
    """What can be matched."""

    @strawberry.field(
        graphql_type=ServiceMatchConnection,
        description=(
            "Rank services for a profile, each explained criterion by criterion. The profile stays in this "
            "process; GET is refused."
        ),
    )
    async def match_services(
        self, info: Info, input: MatchServicesInput, first: First = PAGE_SIZE, after: After = None
    ) -> object:
        """Match a profile; InvalidInput names what is out of bounds."""
        context = info.context
        given = without_none(plain(input, kept=False))
        profile = given.pop("profile")
        profile.setdefault("on", context.today)
        residence = given.get("filters", {}).get("residence")
        if residence is not None:
            residence.setdefault("on", context.today)
        behind = None
        if after is not None:
            behind = read_id(after, "Service")
            if behind is None:
                raise InvalidInput("after", "cursor")
        if not 1 <= first <= LARGEST_PAGE:
            raise InvalidInput("first", "out-of-range", minimum="1", maximum=str(LARGEST_PAGE))
        query = converted(
            {
                **given,
                "situation": profile,
                "language": (*context.languages, context.language)[0],
                "first": first,
            },
            MatchQuery,
        )
        if behind is not None:
            query = replace(query, after=behind)
        found = await match_services(context.services.engines, context.database.reader, context.actor, query)
        if after is None:
            await count_unmet(context, query.filters, query.text, found.total, found.relaxed)
        cursors = [global_id("Service", one.service.id) for one in found.matches]
        return ServiceMatchConnection(
            edges=list(found.matches),  # type: ignore[arg-type]
            nodes=[one.service for one in found.matches],  # type: ignore[misc]
            page_info=PageInfo(
                has_next_page=found.more,
                has_previous_page=after is not None,
                start_cursor=cursors[0] if cursors else None,
                end_cursor=cursors[-1] if cursors else None,
            ),
            total_count=found.total,
            considered_count=found.considered,
            fitting_count=found.fitting,
            bridges=list(found.bridges),  # type: ignore[arg-type]
            relaxed=found.relaxed,
            weights_version=found.weights,
        )

    @strawberry.field(description="The weights by which matches are ranked, as they are now.")
    def match_weights(self) -> MatchWeights:
        """Return the table."""
        return MatchWeights(
            version=WEIGHTS.version,
            weights=list(WEIGHTS.weights),  # type: ignore[arg-type]
            findings=[FindingWorth(code=code, worth=worth) for code, worth in WORTH.items()],
        )
