"""What a search means besides its words: other names of the same thing, in other words and languages.

Both engines ask here. Names are found in the query as whole phrases, the longest first, in any of the
vocabulary's languages; what they stand for is looked for by its German and English names, which count less
than the words themselves and are never needed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence, Set
from functools import lru_cache
from typing import Final, NamedTuple

from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

from search.concepts import Concept, concepts
from search.text import (
    QueryWord,
    distance,
    is_stop_word,
    joined,
    query_words,
    split_compound,
    stem,
    tokens,
    typos_allowed,
)

OTHER_WEIGHT: Final = 0.5
"""What another name counts against the word itself, where services have the word."""

ONLY_WEIGHT: Final = 0.8
"""What it counts where no service has the word: it is of another language, or nobody writes it so."""

GUESSED_WEIGHT: Final = 0.003
"""What it counts where the word is only spelt nearly like a name: less than beginnings and typos of words."""

PHRASE_WEIGHT: Final = 0.5
"""What the names of a thing count whose words are in a search, but not side by side."""

EVERYDAY_WEIGHT: Final = 0.8
"""The same of words that people say for it ("Frau und Kinder nach Deutschland holen")."""

IN_PHRASE: Final = 0.6
"""What a word counts that is part of such a name."""

IN_EVERYDAY: Final = 0.4
"""The same of words that people say for something else than the words alone."""

PART_NAME_WEIGHT: Final = 0.3
"""What the names count of what a part of an unknown compound is called ("Bildungsberatungsstellen")."""

WITHIN_PHRASE: Final = 0.25
"""What a word counts that names a thing only with function words around it."""

MOST_OTHERS: Final = 12
"""How many other names of one thing are looked for."""

MOST_GERMAN: Final = 9
"""How many of these are German, if there are English ones too."""

MOST_PHRASES: Final = 2
"""How many things a search may mean by words that are not side by side."""

MOST_CONCEPTS: Final = 4
"""How many things one phrase may mean; what has more meanings says nothing."""

_SHORTEST_GUESSED: Final = 6
"""Letters of a word that may be a misspelt name; of shorter ones too many others are near."""

_SEARCHED: Final = ("de", "en")
"""In which languages the names are looked for: every service has German texts, many have English ones."""


_NEGATIONS: Final = frozenset({"nicht", "kein", "keine", "keinen", "not", "no", "without", "ohne"})
"""Function words without which the other words of a name say the opposite."""


MANDATORY_WORDS: Final = 2
"""Searches of up to so many words or names ask for all of them."""

LONGEST_SEARCH: Final = 5
"""Words, with those that say nothing, from which on a search is a sentence."""


class Unit(NamedTuple):
    """A word of a query, or a phrase that is the name of something.

    ``others``: what else it is called, each as stems that must all be there. ``guessed``: the word is only
    spelt nearly like a name, so that these count only where no service has the word itself. ``hint``: what
    the others count, if not what is usual: a unit without words of its own is never needed, and is there
    where several words of the search name a thing together, or a part of one does.
    """

    words: tuple[QueryWord, ...]
    others: tuple[tuple[str, ...], ...] = ()
    guessed: bool = False
    hint: float = 0.0


def is_question(text: str) -> bool:
    """Whether a query is asked in a sentence, or has more words and names than a search for all of them.

    Of a question any word counts, and the more the better; asking for more was measured, and loses answers.
    """
    return (
        sum(bool(unit.words) for unit in units(text)) > MANDATORY_WORDS
        or text.rstrip().endswith(("?", "؟", "፧"))
        or len(tokens(text)) > LONGEST_SEARCH
    )


def share_of_each(name: Sequence[str]) -> float:
    """Return what each word of another name counts: two common words are not twice a rare one."""
    return float(len(name) ** -0.5)


def weight_of_others(unit: Unit, *, there: bool) -> float:
    """Return what other names count; ``there``: whether some service has a word of the unit itself."""
    if unit.guessed:
        return GUESSED_WEIGHT
    if unit.hint:
        return unit.hint
    return OTHER_WEIGHT if there else ONLY_WEIGHT


_STEMMERS: Final = {
    name: TextAnalyzerBuilder(Tokenizer.whitespace()).filter(Filter.stemmer(name)).build()
    for name in ("arabic", "french", "russian")
}
_RULES: Final = {"de": "de", "en": "en", "fr": "french", "ru": "russian", "uk": "cyrillic", "ar": "arabic"}
_CYRILLIC_SUFFIXES: Final = (
    "ами", "ями", "ові", "еві", "ому", "ого", "ій", "ою", "ею", "ів", "им", "их", "ах", "ях",
)  # fmt: skip
_CYRILLIC_ENDINGS: Final = "аеєиіїйоуьюяыэё"


@lru_cache(maxsize=20_000)
def _key_word(word: str, rules: str) -> str:
    """Return the form in which a folded word of a name is compared, by the rules of its language."""
    if rules in {"de", "en"}:
        return stem(word, rules)
    if rules in _STEMMERS:
        found = _STEMMERS[rules].analyze(word)
        return found[0] if found else word
    if rules == "cyrillic" and len(word) > 5:
        # Ukrainian has no stemmer here; its nouns and adjectives change behind the stem.
        for ending in _CYRILLIC_SUFFIXES:
            if word.endswith(ending):
                return word[: -len(ending)].rstrip(_CYRILLIC_ENDINGS)
        return word.rstrip(_CYRILLIC_ENDINGS)
    return word


def _rules_for(word: str) -> tuple[str, ...]:
    """Return by which rules a folded word of a query may be compared: its language is not known."""
    name = unicodedata.name(word[0], "")
    if name.startswith("CYRILLIC"):
        return ("russian", "cyrillic", "")
    if name.startswith("ARABIC"):
        return ("arabic", "")
    if name.startswith("LATIN") or word[0].isdigit():  # "60a"
        return ("de", "en", "french", "")
    return ("",)


class Scattered(NamedTuple):
    """A name of several words, to be found wherever they stand: its stems, and what it names."""

    stems: frozenset[str]
    concept: int
    everyday: bool
    """Whether it is what people say ("Frau holen"), not what a thing is called."""


class _Names:
    """All names of the vocabulary, by their words."""

    def __init__(self, known: tuple[Concept, ...]) -> None:
        self.exact: dict[tuple[str, ...], list[int]] = {}
        self.meaning: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        self.scattered: dict[str, list[Scattered]] = {}
        self.others: list[list[tuple[str, ...]]] = []
        self.longest = 1
        self.single: dict[tuple[str, int], dict[str, list[int]]] = {}
        for number, concept in enumerate(known):
            by_language: dict[str, list[tuple[str, ...]]] = {language: [] for language in _SEARCHED}
            for language, name in concept.names():
                rules = _RULES.get(language.split("-")[0], "")
                everyday = name in concept.everyday.get(language, ())
                for words in _spellings(name):
                    key = self._add(words, rules, number, everyday=everyday)
                    # What people say in several words, services do not write.
                    said = everyday and len(words) > 1
                    if language.split("-")[0] in _SEARCHED and _says_it_alone(words, key) and not said:
                        by_language[language.split("-")[0]].append(key)
            german, english = (list(dict.fromkeys(by_language[language])) for language in _SEARCHED)
            room = max(MOST_GERMAN, MOST_OTHERS - len(english))
            self.others.append([*german[:room], *english, *german[room:]])

    def _add(self, words: tuple[str, ...], rules: str, number: int, *, everyday: bool) -> tuple[str, ...]:
        """Keep a name of a concept; return the stems of its words that say something."""
        key = tuple(_key_word(word, rules) for word in words)
        self.longest = max(self.longest, len(key))
        for names in (self.exact.setdefault(words, []), self.meaning.setdefault((rules, key), [])):
            if number not in names:
                names.append(number)
        if len(words) == 1 and len(words[0]) >= _SHORTEST_GUESSED:
            word = words[0]
            self.single.setdefault((word[0], len(word)), {}).setdefault(word, []).append(number)
        saying = tuple(dict.fromkeys(k for k, w in zip(key, words, strict=True) if not is_stop_word(w)))
        if len(saying) > 1 and rules in {"de", "en"}:
            longest = max(saying, key=len)
            self.scattered.setdefault(longest, []).append(Scattered(frozenset(saying), number, everyday))
        return saying or key

    def of(self, words: list[str]) -> list[int]:
        """Return the concepts that a phrase names: those that are called so, else those by its stems."""
        found: dict[int, None] = dict.fromkeys(self.exact.get(tuple(words), ()))
        if not found:
            for rules in _rules_for(words[0]):
                key = (rules, tuple(_key_word(word, rules) for word in words))
                found.update(dict.fromkeys(self.meaning.get(key, ())))
        return list(found) if len(found) <= MOST_CONCEPTS else []

    def among(self, stems: set[str]) -> list[Scattered]:
        """Return names of several words that are all there, one of each concept; everyday ones first."""
        found = [one for base in sorted(stems) for one in self.scattered.get(base, ()) if one.stems <= stems]
        found.sort(key=lambda one: (not one.everyday, -len(one.stems), one.concept))
        return list({one.concept: one for one in reversed(found)}.values())[::-1]

    def in_compound(self, word: str) -> list[list[int]]:
        """Return what the longest parts are called of a compound that is no name itself."""
        parts = split_compound(word)
        for length in range(len(parts) - 1, 0, -1):
            found = [
                meant
                for first in range(len(parts) - length + 1)
                if (meant := self.of([_piece(word, parts, first, first + length)]))
            ]
            if found:
                return found
        return []

    def nearly(self, word: str) -> list[int]:
        """Return the concepts whose names are a word but for a typo or two; of several the nearest."""
        if len(word) < _SHORTEST_GUESSED or not word.isalpha():
            return []
        best = typos_allowed(word)
        found: dict[int, None] = {}
        for length in range(len(word) - best, len(word) + best + 1):
            for name, numbers in self.single.get((word[0], length), {}).items():
                typos = distance(name, word, best)
                if typos < best:
                    best, found = typos, {}
                if typos == best:
                    found.update(dict.fromkeys(numbers))
        return list(found) if len(found) <= MOST_CONCEPTS else []


def _says_it_alone(words: tuple[str, ...], saying: tuple[str, ...]) -> bool:
    """Whether a name can be looked for without its function words: "darf ich arbeiten" is not any work."""
    return _NEGATIONS.isdisjoint(words) and (len(words) == 1 or len(saying) > 1)


def _piece(word: str, parts: tuple[str, ...], first: int, last: int) -> str:
    """Return the piece of a compound from one of its parts up to another, with the links between them."""
    at = 0
    start = end = 0
    for number, part in enumerate(parts[:last]):
        at = word.index(part, at)
        start = at if number == first else start
        at += len(part)
        end = at
    return word[start:end]


def _spellings(name: str) -> list[tuple[str, ...]]:
    """Return the words of a name, and those with hyphens also written as one ("Alpha-Kurs")."""
    words = tuple(token.word for token in tokens(name))
    return list(dict.fromkeys(one for one in (words, tuple(joined(name))) if one))


@lru_cache(maxsize=1)
def _names() -> _Names:
    return _Names(concepts())


@lru_cache(maxsize=2_000)
def units(text: str) -> tuple[Unit, ...]:
    """Return what a query looks for, in order: its words (see ``query_words``) with other names.

    >>> [len(unit.words) for unit in units("residence permit Cottbus")]
    [2, 1]
    """
    names = _names()
    asked = [token.word for token in tokens(text)]
    left = {word.word: word for word in query_words(text)}
    stems = {base for word in left.values() for base in word.stems}
    made: list[Unit] = []
    hints: list[Unit] = []
    named: set[int] = set()
    at = 0
    while at < len(asked):
        meant: list[int] = []
        end = at + 1
        for last in range(min(len(asked), at + names.longest), at, -1):
            phrase = asked[at:last]
            if len(phrase) > 1 or phrase[0] in left:
                meant = names.of(phrase)
            if meant:
                end = last
                break
        guessed = not meant and asked[at] in left
        if guessed:
            meant = names.nearly(asked[at])
            hints += [
                Unit((), _others(names, inside, []), hint=PART_NAME_WEIGHT)
                for inside in (names.in_compound(asked[at]) if not meant else ())
            ]
        else:
            named.update(meant)
        words = tuple(left.pop(word) for word in dict.fromkeys(asked[at:end]) if word in left)
        if words:
            own = [{word.word, *word.stems} for word in words]
            saying = end - at > len(words) == 1
            if saying:
                # "Darf ich arbeiten" is a name by the words around the one that other texts have too.
                words = tuple(word._replace(weight=word.weight * WITHIN_PHRASE) for word in words)
            others = _others(names, meant, own)
            made.append(Unit(words, others, guessed, ONLY_WEIGHT if saying and others else 0.0))
        at = end
    together = [one for one in names.among(stems) if one.concept not in named]
    together = [one for one in together if _others(names, [one.concept], [], stems)][:MOST_PHRASES]
    hints += [
        Unit(
            (),
            _others(names, [one.concept], [], stems),
            hint=EVERYDAY_WEIGHT if one.everyday else PHRASE_WEIGHT,
        )
        for one in together
    ]
    if together:
        made = [unit._replace(words=tuple(_covered(word, together) for word in unit.words)) for unit in made]
    return (*made, *(hint for hint in hints if hint.others)) if made else ()


def _covered(word: QueryWord, names: Sequence[Scattered]) -> QueryWord:
    """Return a word with what it counts beside names that it is a part of."""
    for name in names:
        if not name.stems.isdisjoint(word.stems):
            return word._replace(weight=word.weight * (IN_EVERYDAY if name.everyday else IN_PHRASE))
    return word


def _others(
    names: _Names, meant: list[int], own: list[set[str]], asked: Set[str] = frozenset()
) -> tuple[tuple[str, ...], ...]:
    """Return what else things are called: the preferred names of each before the further ones.

    Names of stems that are all ``asked`` for anyway are left out.
    """
    others: dict[tuple[str, ...], None] = {}
    lists = [names.others[number] for number in meant]
    for place in range(max(map(len, lists), default=0)):
        for one in lists:
            if place < len(one) and not _same(one[place], own) and not asked >= set(one[place]):
                others[one[place]] = None
    return tuple(others)[:MOST_OTHERS]


def _same(name: tuple[str, ...], own: list[set[str]]) -> bool:
    return len(name) == len(own) and all(one in forms for one, forms in zip(name, own, strict=True))
