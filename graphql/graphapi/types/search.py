"""Searching: words, filters, a person's situation; hits with the reason for each criterion."""

from __future__ import annotations

import datetime
from typing import Any

import strawberry
from strawberry import Parent

from directory.vocabulary import (
    Answer,
    CefrLevel,
    EligibilityCriterion,
    Gender,
    LegalCircle,
    PartnerKind,
    ResidenceStatus,
    ServiceKind,
    WorkPermission,
)
from graphapi.context import Info
from graphapi.given import converted, plain
from graphapi.messages import finding
from graphapi.types.course_filter import CourseFilterInput
from graphapi.types.paging import PAGE_SIZE, After, First, PageInfo
from graphapi.types.service import Service
from graphapi.types.texts import LanguageArgument, Text, choose
from graphapi.types.unmet import count_unmet
from graphapi.types.words import describe, label, tongue
from search.engine import Facet, SearchQuery
from search.finding import FoundService, offer_instead, search_services
from search.matching import Criterion, Reason

describe(Facet, "What hits can be counted by.")
describe(Criterion, "What a service is judged by.")


@strawberry.input(description="Services whose rules do not exclude a residence status on a day.")
class ResidenceFilterInput:
    """Services whose rules do not exclude a residence status on a day."""

    status: ResidenceStatus = strawberry.field(description="The status.")
    on: datetime.date | None = strawberry.field(default=None, description="Left out: today.")
    fits_only: bool = strawberry.field(default=False, description="Only services whose rules include it.")


@strawberry.input(description="Within a radius of a point, as the crow flies.")
class NearInput:
    """Within a radius of a point."""

    latitude: float = strawberry.field(description="Degrees north, WGS 84.")
    longitude: float = strawberry.field(description="Degrees east, WGS 84.")
    radius_km: float = strawberry.field(description="Kilometres, 1,000 at most.")


@strawberry.input(description="What every hit must meet; values of one filter mean any of them.")
class SearchFiltersInput:
    """What every hit must meet."""

    kinds: list[ServiceKind] = strawberry.field(default_factory=list, description="What it does.")
    topics: list[str] = strawberry.field(
        default_factory=list, description="Codes of topics; those below them too."
    )
    languages: list[str] = strawberry.field(
        default_factory=list, description="Offered or interpreted (BCP 47)."
    )
    partner_kinds: list[PartnerKind] = strawberry.field(default_factory=list, description="Who offers it.")
    residence: ResidenceFilterInput | None = strawberry.field(default=None, description="For whom.")
    municipality: str | None = strawberry.field(default=None, description="Official key (ARS) or a prefix.")
    near: NearInput | None = strawberry.field(default=None, description="Where.")
    open_capacity_on: datetime.date | None = strawberry.field(
        default=None, description="Known to have room on this day."
    )
    course: CourseFilterInput | None = strawberry.field(default=None, description="Facts of a course.")


@strawberry.input(
    description="What about a person decides; what is left out is not known. Never logged or stored."
)
class SituationInput:
    """What about a person decides which services fit."""

    on: datetime.date | None = strawberry.field(default=None, description="Day that is judged: today.")
    residence_status: ResidenceStatus | None = strawberry.field(default=None, description="The status.")
    status_valid_until: datetime.date | None = strawberry.field(default=None, description="Its last day.")
    residence: str | None = strawberry.field(default=None, description="Official key (ARS) of the home.")
    languages: list[str] = strawberry.field(default_factory=list, description="Spoken (BCP 47).")
    level: CefrLevel | None = strawberry.field(default=None, description="Level the person has.")
    wished_level: CefrLevel | None = strawberry.field(default=None, description="Level to reach.")
    starts_from: datetime.date | None = strawberry.field(default=None, description="From when they can.")
    childcare: bool = strawberry.field(default=False, description="Whether childcare is needed.")
    gender: Gender | None = strawberry.field(default=None, description="Left out: not said.")
    age: int | None = strawberry.field(default=None, description="In completed years.")
    work_permission: WorkPermission | None = strawberry.field(
        default=None, description="Whether they may work; ASK is the same as left out."
    )
    women_only: bool = strawberry.field(default=False, description="Whether for women only is wished.")
    legal_circle: LegalCircle | None = strawberry.field(default=None, description="Who pays benefits.")
    occupation: str | None = strawberry.field(default=None, description="ESCO URI.")
    place_needed: bool = strawberry.field(default=False, description="Whether a place is needed now.")


@strawberry.input(description="A search for services.")
class SearchServicesInput:
    """A search for services."""

    text: str = strawberry.field(default="", description="Words; typos and parts of words are forgiven.")
    filters: SearchFiltersInput | None = strawberry.field(default=None, description="What must be.")
    situation: SituationInput | None = strawberry.field(
        default=None, description="Services known not to fit come last, each with its reasons."
    )
    only_fitting: bool = strawberry.field(default=False, description="Leave out what is known not to fit.")
    facets: list[Facet] = strawberry.field(default_factory=list, description="What to count by.")


def _message(root: Parent[Reason], info: Info) -> str:
    language = info.context.language
    values = dict(root.values)
    for name, criteria in (("missing", root.missing), ("criteria", root.criteria)):
        if criteria:
            values[name] = ", ".join(label(criterion, language) for criterion in criteria)
    if "language" in values:
        values["language"] = tongue(values["language"], language)
    return finding(root.code, language, values)


def _explanation(root: Parent[Reason], info: Info, language: LanguageArgument = None) -> Text | None:
    return choose(root.texts, language, info.context.languages)


def _answer_label(root: Parent[Reason], info: Info) -> str:
    return label(root.answer, info.context.language)


@strawberry.type(description="Why a service fits, does not fit, or the partner must be asked.")
class FitReason:
    """Why a service fits, does not fit, or the partner must be asked."""

    criterion: Criterion = strawberry.field(description="What is judged.")
    answer: Answer = strawberry.field(description="What came out.")
    answer_label: str = strawberry.field(resolver=_answer_label, description="The same, for people.")
    code: str = strawberry.field(description="Stable code of the reason.")
    message: str = strawberry.field(resolver=_message, description="The reason as a sentence.")
    criteria: list[EligibilityCriterion] = strawberry.field(
        description="Of the service's own rules: what the answer rests on."
    )
    missing: list[EligibilityCriterion] = strawberry.field(
        description="Of the service's own rules: what would have to be known for a definite answer."
    )
    explanation: Text | None = strawberry.field(
        resolver=_explanation, description="The reason that the service's own rule gives."
    )
    legal_basis: str | None = strawberry.field(description="The law or decree that the rule rests on.")


@strawberry.type(description="Characters of a fragment that match, from `start` up to and without `end`.")
class HighlightRange:
    """Characters of a fragment that match."""

    start: int = strawberry.field(description="First character, from 0.")
    end: int = strawberry.field(description="Character behind the last one.")


def _ranges(root: Parent[Any]) -> list[HighlightRange]:
    return [HighlightRange(start=start, end=end) for start, end in root.ranges]


@strawberry.type(description="A piece of text in which the words were found.")
class Highlight:
    """A piece of text in which the words were found."""

    field: str = strawberry.field(description="title, partner, topic or description.")
    language: str | None = strawberry.field(description="Language of the text (BCP 47).")
    fragment: str = strawberry.field(description="The piece of text.")
    ranges: list[HighlightRange] = strawberry.field(resolver=_ranges, description="What matches in it.")


def _cursor(root: Parent[FoundService]) -> str:
    return root.hit.cursor


def _service(root: Parent[FoundService]) -> Any:
    return root.service


def _fits(root: Parent[FoundService]) -> Answer | None:
    return None if root.judgement is None else root.judgement.answer


def _reasons(root: Parent[FoundService]) -> Any:
    return () if root.judgement is None else root.judgement.reasons


def _highlights(root: Parent[FoundService]) -> Any:
    return root.hit.highlights


@strawberry.type(description="A service that was found.")
class ServiceHit:
    """A service that was found."""

    cursor: str = strawberry.field(resolver=_cursor, description="Give it as `after` to go on from here.")
    node: Service = strawberry.field(graphql_type=Service, resolver=_service, description="The service.")
    answer: Answer | None = strawberry.field(
        resolver=_fits, description="Whether it fits the situation; null when none was given."
    )
    reasons: list[FitReason] = strawberry.field(
        graphql_type=list[FitReason], resolver=_reasons, description="Why, one per criterion."
    )
    highlights: list[Highlight] = strawberry.field(
        graphql_type=list[Highlight], resolver=_highlights, description="Where the words were found."
    )
    distance_km: float | None = strawberry.field(description="To its nearest place, as the crow flies.")


@strawberry.type(description="How many hits have a value.")
class FacetValue:
    """How many hits have a value."""

    value: str = strawberry.field(description="The value.")
    count: int = strawberry.field(description="How many hits have it.")


@strawberry.type(description="The counts by one thing.")
class FacetCounts:
    """The counts by one thing."""

    facet: Facet = strawberry.field(description="What is counted by.")
    values: list[FacetValue] = strawberry.field(description="The counts, most frequent first.")


@strawberry.type(description="How many services the same search finds without one filter.")
class SearchWithoutFilter:
    """How many services the same search finds without one filter."""

    filter: str = strawberry.field(
        description="The filter as the input names it, `onlyFitting`, or `filters` for all of them together."
    )
    count: int = strawberry.field(description="How many services are found without it.")


@strawberry.type(description="A topic that services have.")
class TopicOffered:
    """A topic that services have."""

    code: str = strawberry.field(description="The topic's code.")
    count: int = strawberry.field(description="How many services within the other filters have it.")


@strawberry.type(description="What is offered where nothing was found; all of it finds something.")
class SearchInstead:
    """What is offered where nothing was found."""

    spellings: list[str] = strawberry.field(description="What may have been meant, spelt so that it finds.")
    filters: list[SearchWithoutFilter] = strawberry.field(
        description="Filters that exclude everything, each by itself; `filters`: only together."
    )
    topics: list[TopicOffered] = strawberry.field(
        description="Broader or related topics, else the commonest; six at most."
    )
    entry_points: list[Service] = strawberry.field(
        description="Services that sort out what somebody needs; three at most."
    )


@strawberry.type(description="A page of what was found.")
class ServiceSearchConnection:
    """A page of what was found."""

    edges: list[ServiceHit] = strawberry.field(description="The hits, the best first.")
    nodes: list[Service] = strawberry.field(description="The services of the hits.")
    page_info: PageInfo = strawberry.field(description="Where this page stands.")
    total_count: int = strawberry.field(description="How many were found.")
    fitting_count: int = strawberry.field(description="Of these, how many are not known not to fit.")
    facets: list[FacetCounts] = strawberry.field(description="The counts that were asked for.")
    relaxed: bool = strawberry.field(description="True: no service has all the words, these have some.")
    degraded: bool = strawberry.field(description="True: the first search engine did not answer.")
    query: strawberry.Private[SearchQuery]

    @strawberry.field(description="What is offered where nothing was found; null: something was.")
    async def instead(self, info: Info) -> SearchInstead | None:
        """Offer something only where it is asked for, and nothing was found."""
        if self.total_count:
            return None
        context = info.context
        found = await offer_instead(
            context.services.engines, context.database.reader, context.actor, self.query
        )
        return SearchInstead(
            spellings=list(found.spellings),
            filters=[SearchWithoutFilter(filter=one.filter, count=one.count) for one in found.filters],
            topics=[TopicOffered(code=one.value, count=one.count) for one in found.topics],
            entry_points=list(found.entry_points),  # type: ignore[arg-type]
        )


@strawberry.type
class SearchQueries:
    """What can be searched."""

    @strawberry.field(description="Find published services, with the reasons for a person's situation.")
    async def search_services(
        self,
        info: Info,
        input: SearchServicesInput,
        first: First = PAGE_SIZE,
        after: After = None,
    ) -> ServiceSearchConnection:
        """Find services; InvalidInput names what is out of bounds."""
        context = info.context
        query = _query(input, first, after, context.today, (*context.languages, context.language)[0])
        found = await search_services(context.services.engines, context.database.reader, context.actor, query)
        if after is None:
            await count_unmet(context, query.filters, query.text, found.total, found.relaxed)
        cursors = [one.hit.cursor for one in found.services]
        return ServiceSearchConnection(
            edges=list(found.services),  # type: ignore[arg-type]
            nodes=[one.service for one in found.services],  # type: ignore[misc]
            page_info=PageInfo(
                has_next_page=found.more,
                has_previous_page=after is not None,
                start_cursor=cursors[0] if cursors else None,
                end_cursor=cursors[-1] if cursors else None,
            ),
            total_count=found.total,
            fitting_count=found.fitting,
            facets=[
                FacetCounts(facet=facet, values=list(counts))  # type: ignore[arg-type]
                for facet, counts in sorted(found.facets.items())
            ],
            relaxed=found.relaxed,
            degraded=found.degraded,
            query=query,
        )


def _query(
    given: SearchServicesInput, first: int, after: str | None, today: datetime.date, language: str
) -> SearchQuery:
    values = without_none(plain(given, kept=False))
    for dated in (values.get("situation"), values.get("filters", {}).get("residence")):
        if dated is not None:
            dated.setdefault("on", today)
    return converted(
        {**values, "today": today, "language": language, "first": first, "after": after}, SearchQuery
    )


def without_none(value: Any) -> Any:
    """Return plain values without what is null: for a question, that is left out."""
    if isinstance(value, dict):
        return {name: without_none(part) for name, part in value.items() if part is not None}
    return value
