"""Suggestions while somebody types: titles, partners and topics that have words beginning so.

Always answered by the index in the process, whichever engine searches: a server away would be asked at every
key that is pressed. The index keeps the beginnings of words as terms of their own, so a letter is looked up
and not walked through; only published services are in it, and a partner is suggested only by its services.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final, Protocol, runtime_checkable
from uuid import UUID

import msgspec
from tantivy import Query, Searcher

from directory.problems import InvalidInput
from search.beginnings import LONGEST_BEGINNING, SEPARATOR, spellings, titles_decoder, words_in
from search.engine import Engine, SearchUnavailable, Vocabulary
from search.queries import every, with_term
from search.text import MAXIMUM_CHARACTERS, plain_fold

LARGEST: Final = 20
"""Suggestions in one answer at most: nobody reads more while typing."""

WORDS: Final = 6
"""Words of what was typed that count; the last ones, as they are being typed."""

CANDIDATES: Final = 100
"""How many different titles or names, the most frequent, are looked at for one answer."""


class SuggestionKind(StrEnum):
    """What is suggested: the title of a service, the name of a partner, a topic."""

    SERVICE = "SERVICE"
    PARTNER = "PARTNER"
    TOPIC = "TOPIC"


class SuggestQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed so far, in which languages texts are wanted (most wanted first), and how many."""

    prefix: str
    languages: tuple[str, ...] = ("de",)
    kinds: frozenset[SuggestionKind] = frozenset(SuggestionKind)
    first: int = 8


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A text to choose; ``services``: how many published services have this title, partner or topic.

    ``topic`` is a topic's code; ``id`` a partner's, or a service's where only one has this title.
    ``language`` None: a name, in no language.
    """

    kind: SuggestionKind
    text: str
    language: str | None
    services: int
    topic: str | None = None
    id: UUID | None = None


@runtime_checkable
class InProcess(Engine, Protocol):
    """An engine in this process: what it is asked leaves it for nowhere."""

    def suggest(self, query: SuggestQuery, vocabulary: Vocabulary) -> tuple[Suggestion, ...]:
        """Suggest for a checked query; raises SearchUnavailable while there is no index."""


def in_process(engines: Sequence[Engine]) -> InProcess:
    """Return the engine in this process; raises SearchUnavailable where there is none."""
    for engine in engines:
        if isinstance(engine, InProcess):
            return engine
    raise SearchUnavailable


class Seen(Protocol):
    """What is needed of an index's state."""

    searcher: Searcher


def checked(query: SuggestQuery) -> SuggestQuery:
    """Return the query if it is within bounds; raises InvalidInput naming the argument."""
    if len(query.prefix) > MAXIMUM_CHARACTERS:
        raise InvalidInput("prefix", "too-long", maximum=str(MAXIMUM_CHARACTERS))
    if not 1 <= query.first <= LARGEST:
        raise InvalidInput("first", "out-of-range", minimum="1", maximum=str(LARGEST))
    return query


def suggestions(seen: Seen, query: SuggestQuery, vocabulary: Vocabulary) -> tuple[Suggestion, ...]:
    """Return the best suggestions, of each wanted kind some if there are any.

    Those that begin as typed come before those in which a later word does; then the more frequent ones.
    """
    typed = [plain_fold(word) for word in words_in(query.prefix)][-WORDS:]
    if not typed:
        return ()
    found: dict[SuggestionKind, list[tuple[tuple[int, int, str], Suggestion]]] = {}
    if SuggestionKind.TOPIC in query.kinds:
        found[SuggestionKind.TOPIC] = _topics(seen.searcher, query, vocabulary, typed)
    if SuggestionKind.SERVICE in query.kinds:
        found[SuggestionKind.SERVICE] = _titles_like(seen.searcher, query, typed)
    if SuggestionKind.PARTNER in query.kinds:
        found[SuggestionKind.PARTNER] = _partners(seen.searcher, query, typed)
    return _mixed(
        [[one for _, one in sorted(many, key=lambda pair: pair[0])] for many in found.values()], query.first
    )


def _mixed(kinds: Sequence[Sequence[Suggestion]], first: int) -> tuple[Suggestion, ...]:
    """Share the places among the kinds: what one does not need, the others get; kinds stay together."""
    taken = [0] * len(kinds)
    while sum(taken) < first and any(t < len(many) for t, many in zip(taken, kinds, strict=True)):
        for number, many in enumerate(kinds):
            if taken[number] < len(many) and sum(taken) < first:
                taken[number] += 1
    return tuple(one for number, many in zip(taken, kinds, strict=True) for one in many[:number])


def _place(text: str, typed: Sequence[str]) -> int | None:
    """Return where a text has what was typed: 0 it begins so, 1 words do, 2 parts of words, None nowhere."""
    words = [spellings(word) for word in words_in(text)]
    inside = False
    for part in typed:
        if any(form.startswith(part) for whole, _ in words for form in whole):
            continue
        if not any(form.startswith(part) for _, parts in words for form in parts):
            return None
        inside = True
    if inside:
        return 2
    begins = len(words) >= len(typed) and all(
        any(form.startswith(part) for form in whole) for (whole, _), part in zip(words, typed, strict=False)
    )
    return 0 if begins else 1


def _best_text(
    texts: Mapping[str, str], typed: Sequence[str], wanted: Sequence[str]
) -> tuple[int, str, str] | None:
    """Return (place, language, text) of the text to show: in a wanted language if that has what was typed."""
    matching = {
        language: place for language, text in texts.items() if (place := _place(text, typed)) is not None
    }
    if not matching:
        return None
    order = {tag: number for number, tag in enumerate(_chain(wanted))}
    language = min(matching, key=lambda tag: (order.get(tag, len(order)), tag))
    return matching[language], language, texts[language]


@lru_cache(maxsize=1_000)
def _chain_of(wanted: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([part for tag in wanted for part in (tag, tag.split("-")[0])] + ["de", "en"]))


def _chain(wanted: Sequence[str]) -> tuple[str, ...]:
    return _chain_of(tuple(wanted))


def _buckets(searcher: Searcher, query: Query, field: str) -> list[tuple[str, int]]:
    asked = {"values": {"terms": {"field": field, "size": CANDIDATES}}}
    buckets = searcher.aggregate(query, asked)["values"]["buckets"]
    return [(bucket["key"], int(bucket["doc_count"])) for bucket in buckets]


def _beginning(field: str, typed: Sequence[str]) -> Query:
    asked = [with_term(field, part[:LONGEST_BEGINNING]) for part in dict.fromkeys(typed)]
    return asked[0] if len(asked) == 1 else every(asked)


def _titles_like(
    searcher: Searcher, query: SuggestQuery, typed: Sequence[str]
) -> list[tuple[tuple[int, int, str], Suggestion]]:
    merged: dict[tuple[str, str], tuple[int, int, str | None]] = {}
    for key, count in _buckets(searcher, _beginning("title_begins", typed), "title_key"):
        shown = _best_text(titles_decoder.decode(key), typed, query.languages)
        if shown is not None:
            place, language, text = shown
            known = merged.get((text, language))
            # the same text with other translations beside it is the same suggestion
            merged[text, language] = (
                (place, count, key) if known is None else (min(place, known[0]), known[1] + count, None)
            )
    made = []
    for (text, language), (place, count, sole) in merged.items():
        suggestion = Suggestion(kind=SuggestionKind.SERVICE, text=text, language=language, services=count)
        made.append(((place, -count, text), suggestion, sole))
    made.sort(key=lambda one: one[0])
    return [
        (
            order,
            one
            if sole is None or one.services > 1
            else _with_id(searcher, one, with_term("title_key", sole)),
        )
        for order, one, sole in made[: query.first]
    ]


def _with_id(searcher: Searcher, suggestion: Suggestion, only: Query) -> Suggestion:
    hits = searcher.search(only, 1, count=False).hits
    if not hits:
        return suggestion
    return msgspec.structs.replace(suggestion, id=UUID(searcher.doc(hits[0][1]).get_first("id")))


def _partners(
    searcher: Searcher, query: SuggestQuery, typed: Sequence[str]
) -> list[tuple[tuple[int, int, str], Suggestion]]:
    made = []
    for key, count in _buckets(searcher, _beginning("partner_begins", typed), "partner_key"):
        id_, _, name = key.partition(SEPARATOR)
        place = _place(name, typed)
        if place is not None:
            suggestion = Suggestion(
                kind=SuggestionKind.PARTNER, text=name, language=None, services=count, id=UUID(id_)
            )
            made.append(((place, -count, name), suggestion))
    return made


class _Spoken(msgspec.Struct, frozen=True):
    """The texts of a vocabulary's topics: labels, and beside them the words people use for them."""

    labels: tuple[tuple[str, Mapping[str, str]], ...]
    synonyms: Mapping[str, tuple[str, ...]]


_spoken: dict[int, tuple[Vocabulary, _Spoken]] = {}


def _spoken_of(vocabulary: Vocabulary) -> _Spoken:
    known = _spoken.get(id(vocabulary))
    if known is None or known[0] is not vocabulary:
        _spoken.clear()
        known = (
            vocabulary,
            _Spoken(
                tuple((code, words.labels) for code, words in vocabulary.topics.items()),
                {
                    code: tuple(text for texts in words.synonyms.values() for text in texts)
                    for code, words in vocabulary.topics.items()
                },
            ),
        )
        _spoken[id(vocabulary)] = known
    return known[1]


def _topics(
    searcher: Searcher, query: SuggestQuery, vocabulary: Vocabulary, typed: Sequence[str]
) -> list[tuple[tuple[int, int, str], Suggestion]]:
    """Return the topics with a label, or a word people use for it, that begins so and that services have."""
    spoken = _spoken_of(vocabulary)
    made = []
    for code, labels in spoken.labels:
        shown = _best_text(labels, typed, query.languages)
        if shown is None:
            if all(_place(text, typed) is None for text in spoken.synonyms[code]):
                continue
            language = next((tag for tag in _chain(query.languages) if tag in labels), None)
            if language is None:
                continue
            shown = 3, language, labels[language]
        place, language, text = shown
        count = int(searcher.search(with_term("topic_or_above", code), 1, count=True).count)  # type: ignore[attr-defined]
        if count:
            suggestion = Suggestion(
                kind=SuggestionKind.TOPIC, text=text, language=language, services=count, topic=code
            )
            made.append(((place, -count, text), suggestion))
    return sorted(made, key=lambda one: one[0])[: query.first]
