"""Suggestions while somebody types: titles, partners and topics that have words beginning so.

Always answered by the index in the process, whichever engine searches: a server away would be asked at every
key that is pressed. The index keeps the beginnings of words as terms of their own, so a letter is looked up
and not walked through; only published services are in it, and a partner is suggested only by its services.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

import msgspec
from tantivy import Order, Searcher

from directory.problems import InvalidInput
from search.beginnings import FIRST, LONGEST_BEGINNING, SEPARATOR, spellings, title_key, words_in
from search.engine import Engine, SearchQuery, SearchUnavailable, Vocabulary
from search.fields import StoredTexts, texts_decoder
from search.queries import every, with_any, with_term
from search.text import MAXIMUM_CHARACTERS, plain_fold

LARGEST: Final = 20
"""Suggestions in one answer at most: nobody reads more while typing."""

WORDS: Final = 6
"""Words of what was typed that count; the last ones, as they are being typed."""

ENOUGH: Final = 2
"""So many times the suggestions that are wanted are compared; then no more services are read."""

CANDIDATES: Final = 40
"""How many services are looked at for titles, or for names, that begin as typed; as many for later words."""


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

    def every_id(self, query: SearchQuery) -> tuple[UUID, ...]:
        """Return all that a checked query finds, in no order; raises SearchUnavailable without an index."""

    def suggest(self, query: SuggestQuery, vocabulary: Vocabulary) -> tuple[Suggestion, ...]:
        """Suggest for a checked query; raises SearchUnavailable while there is no index."""


def in_process(engines: Sequence[Engine]) -> InProcess:
    """Return the engine in this process; raises SearchUnavailable where there is none."""
    for engine in engines:
        if isinstance(engine, InProcess):
            return engine
    raise SearchUnavailable


_Placed: TypeAlias = tuple[tuple[int, int, str], Suggestion]
"""A suggestion with what it is sorted by: where the text has what was typed, how frequent it is, the text."""


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
    found: dict[SuggestionKind, list[_Placed]] = {}
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


class _Candidate(msgspec.Struct, frozen=True):
    """A service that has what was typed: its id, its texts and its partner."""

    id: UUID
    texts: StoredTexts
    partner: str


def _candidates(searcher: Searcher, field: str, typed: Sequence[str]) -> Iterator[_Candidate]:
    """Yield services whose title, or partner, has what was typed: those that begin so first, then freshest.

    A bounded number of each, whatever is typed, so one letter costs no more than a word; and they are read
    one by one, until whoever asks has enough.
    """
    parts = [part[:LONGEST_BEGINNING] for part in typed]
    known: set[str] = set()
    for asked in ([FIRST + parts[0], *parts[1:]], parts):
        terms = [with_term(field, part) for part in dict.fromkeys(asked)]
        query = terms[0] if len(terms) == 1 else every(terms)
        hits = searcher.search(query, CANDIDATES, count=False, order_by_field="rank", order=Order.Asc).hits
        for _, address in hits:
            document = searcher.doc(address)
            id_, stored = str(document.get_first("id")), document.get_first("stored")
            if id_ not in known and stored is not None:
                known.add(id_)
                texts = texts_decoder.decode(bytes(stored))
                yield _Candidate(UUID(id_), texts, document.get_first("partner_key") or "")


def _count(searcher: Searcher, field: str, values: Sequence[str]) -> int:
    query = with_term(field, values[0]) if len(values) == 1 else with_any(field, values)
    return int(searcher.search(query, 1, count=True).count)  # type: ignore[attr-defined]


def _titles_like(searcher: Searcher, query: SuggestQuery, typed: Sequence[str]) -> list[_Placed]:
    places: dict[tuple[str, str], int] = {}
    keys: dict[tuple[str, str], dict[str, UUID]] = {}
    for one in _candidates(searcher, "title_begins", typed):
        shown = _best_text(one.texts.title, typed, query.languages)
        if shown is not None:
            place, language, text = shown
            places[text, language] = min(place, places.get((text, language), place))
            # the same text with other translations beside it is the same suggestion
            keys.setdefault((text, language), {})[title_key(one.texts.title)] = one.id
            if len(places) >= ENOUGH * query.first:
                break
    made = []
    for (text, language), place in places.items():
        known = keys[text, language]
        count = _count(searcher, "title_key", list(known))
        suggestion = Suggestion(
            kind=SuggestionKind.SERVICE,
            text=text,
            language=language,
            services=count,
            id=next(iter(known.values())) if count == 1 else None,
        )
        made.append(((place, -count, text), suggestion))
    return made


def _partners(searcher: Searcher, query: SuggestQuery, typed: Sequence[str]) -> list[_Placed]:
    made: dict[str, _Placed] = {}
    for one in _candidates(searcher, "partner_begins", typed):
        id_, _, name = one.partner.partition(SEPARATOR)
        if one.partner in made or (place := _place(name, typed)) is None:
            continue
        count = _count(searcher, "partner_key", [one.partner])
        suggestion = Suggestion(
            kind=SuggestionKind.PARTNER, text=name, language=None, services=count, id=UUID(id_)
        )
        made[one.partner] = ((place, -count, name), suggestion)
        if len(made) >= ENOUGH * query.first:
            break
    return list(made.values())


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
) -> list[_Placed]:
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
        count = _count(searcher, "topic_or_above", [code])
        if count:
            suggestion = Suggestion(
                kind=SuggestionKind.TOPIC, text=text, language=language, services=count, topic=code
            )
            made.append(((place, -count, text), suggestion))
    return sorted(made, key=lambda one: one[0])[: query.first]
