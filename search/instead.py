"""What is offered where a search finds nothing: spellings, a filter less, topics, and where to begin.

Each offer is tried before it is made: nobody is sent from one search without a hit to another. Pure but for
the searches, which it is given.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

from search.concepts import concepts
from search.engine import Facet, FacetCount, Filters, SearchQuery, SearchResult, Vocabulary
from search.expansion import units
from search.text import fold, forms, is_stop_word

MOST_SPELLINGS: Final = 3
MOST_TRIED: Final = 6
"""How many spellings are tried."""

ALIKE: Final = 0.75
"""How alike a name is to what was typed at least: twice the letters in common by the letters of both."""

LONGEST_SPELT: Final = 60
MOST_TOPICS: Final = 6
MOST_ENTRY_POINTS: Final = 3

ENTRY_TOPICS: Final = ("clearing", "migration-advice")
"""Topics of the services that sort out what somebody needs; of the first that anybody offers."""

ALL_FILTERS: Final = "filters"

_WORD: Final = re.compile(r"\w+")


class WithoutFilter(msgspec.Struct, frozen=True):
    """How many services the same search finds without one filter, by its name in a search, or without all."""

    filter: str
    count: int


class Instead(msgspec.Struct, frozen=True, kw_only=True):
    """What is offered instead of nothing: all of it finds something."""

    spellings: tuple[str, ...] = ()
    filters: tuple[WithoutFilter, ...] = ()
    topics: tuple[FacetCount, ...] = ()
    entry_points: tuple[UUID, ...] = ()


def instead(
    search: Callable[[SearchQuery], SearchResult], query: SearchQuery, vocabulary: Vocabulary
) -> Instead:
    """Return what to offer for a search that found nothing."""
    bare = msgspec.structs.replace(query, first=1, after=None, facets=frozenset(), highlights=False)
    replace = msgspec.structs.replace
    spellings: list[str] = []
    if query.text.strip():
        for text in _spellings(query.text, query.language, vocabulary):
            if len(spellings) < MOST_SPELLINGS and search(replace(bare, text=text)).total:
                spellings.append(text)
    return Instead(
        spellings=tuple(spellings),
        filters=tuple(_without(search, bare)),
        topics=tuple(_topics(search, bare, vocabulary)),
        entry_points=_entry_points(search, bare),
    )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _without(search: Callable[[SearchQuery], SearchResult], query: SearchQuery) -> Iterator[WithoutFilter]:
    """Yield which filters exclude everything, each by itself; else all of them, if they do so together."""
    replace = msgspec.structs.replace
    less: dict[str, SearchQuery] = {}
    nothing = Filters()
    for name in Filters.__struct_fields__:
        default = getattr(nothing, name)
        if getattr(query.filters, name) != default:
            less[_camel(name)] = replace(query, filters=replace(query.filters, **{name: default}))
    if query.only_fitting:
        less["onlyFitting"] = replace(query, only_fitting=False)
    alone = [WithoutFilter(name, count) for name, one in less.items() if (count := search(one).total)]
    yield from sorted(alone, key=lambda one: (-one.count, one.filter))
    if not alone and len(less) > 1:
        count = search(replace(query, filters=nothing, only_fitting=False)).total
        if count:
            yield WithoutFilter(ALL_FILTERS, count)


def _topics(
    search: Callable[[SearchQuery], SearchResult], query: SearchQuery, vocabulary: Vocabulary
) -> list[FacetCount]:
    """Return topics that services have within the other filters: those that the words are near to, or all.

    Topics above one that was chosen come first: they are the broader ones.
    """
    replace = msgspec.structs.replace
    filters = replace(query.filters, topics=())
    asked = replace(query, text="", filters=filters, facets=frozenset({Facet.TOPIC}))
    offered = search(asked).facets.get(Facet.TOPIC, ())
    above = {
        code for topic in query.filters.topics for code in vocabulary.with_those_above(topic) if code != topic
    }
    wanted = {
        base
        for unit in units(query.text)
        for base in (
            *(base for word in unit.words for base in (*word.stems, *word.parts)),
            *(base for other in unit.others if len(other) == 1 for base in other),
        )
        if len(base) > 3
    }
    near = {code: _nearness(code, wanted, vocabulary) + 100 * (code in above) for code in vocabulary.topics}
    chosen = [one for one in offered if near.get(one.value, 0)] or list(offered)
    chosen = [one for one in chosen if one.value not in query.filters.topics or query.text]
    return sorted(chosen, key=lambda one: (-near.get(one.value, 0), -one.count, one.value))[:MOST_TOPICS]


def _nearness(code: str, wanted: set[str], vocabulary: Vocabulary) -> int:
    words = vocabulary.topics[code]
    texts = [*words.labels.items()]
    texts += [(language, text) for language, names in words.synonyms.items() for text in names]
    return len(wanted & set(forms(texts).parts)) if wanted else 0


def _entry_points(search: Callable[[SearchQuery], SearchResult], query: SearchQuery) -> tuple[UUID, ...]:
    """Return where somebody is helped to find the right place: in the municipality asked for, if there."""
    places = [query.filters.municipality, None] if query.filters.municipality else [None]
    for place in places:
        for topic in ENTRY_TOPICS:
            asked = SearchQuery(
                today=query.today,
                language=query.language,
                filters=Filters(topics=(topic,), municipality=place),
                highlights=False,
                first=MOST_ENTRY_POINTS,
            )
            if hits := search(asked).hits:
                return tuple(hit.id for hit in hits)
    return ()


@lru_cache(maxsize=8)
def _concept_names(language: str) -> Mapping[str, str]:
    return {
        fold(name): name
        for concept in concepts()
        for tag, name in concept.names()
        if tag in {"de", "en", language} and 3 < len(name) <= LONGEST_SPELT
    }


def _spellings(text: str, language: str, vocabulary: Vocabulary) -> list[str]:
    """Return names that are spelt nearly like the search, then the search with one word spelt like a name."""
    known = dict(_concept_names(language.split("-")[0]))
    for words in vocabulary.topics.values():
        for tag in {"de", "en", language} & {*words.labels, *words.synonyms}:
            for name in (words.labels.get(tag, ""), *words.synonyms.get(tag, ())):
                if 3 < len(name) <= LONGEST_SPELT:
                    known[fold(name)] = name

    def alike(typed: str) -> list[str]:
        folded = fold(typed)
        length = len(folded)
        near = [name for name in known if abs(len(name) - length) <= 3 and name[0] == folded[0]]
        close = difflib.get_close_matches(folded, near, n=MOST_SPELLINGS, cutoff=ALIKE)
        return [known[name] for name in close if name != folded]

    whole = text.strip()
    found = alike(whole) if 3 < len(whole) <= LONGEST_SPELT and fold(whole) else []
    words_typed = list(_WORD.finditer(whole[:LONGEST_SPELT]))
    if len(words_typed) > 1:
        for match in words_typed:
            if len(match[0]) > 3 and fold(match[0]) and not is_stop_word(fold(match[0])):
                found += [
                    whole[: match.start()] + name + whole[match.end() :] for name in alike(match[0])[:1]
                ]
    return list(dict.fromkeys(found))[:MOST_TRIED]
