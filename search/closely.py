"""Reads the best hits of a search closely: what stands in titles, in one passage, and side by side.

Both engines order hits by what the words of a search count for anywhere in a service. Of the first ones the
texts are read: a service that says all that is asked in three sentences answers better than one that has the
words here and there. Pure: it needs texts, and how many services have a word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from search.expansion import WITHIN_PHRASE, Unit, weight_of_others
from search.text import QueryWord, stems_of

MOST_READ: Final = 50
"""How many hits, the best by their words, are read."""

LONGEST_READ: Final = 6_000
"""Characters of a description that are read."""

PASSAGE: Final = 3
"""Sentences of a passage."""

IN_HEAD: Final = 1.0
"""What is asked and stands in the title, the topics or the partner's name counts so much besides."""

OF_TITLE: Final = 0.5
"""What a title counts that says nothing but what is asked."""

IN_PASSAGE: Final = 1.0
"""What is asked and stands in one passage counts so much besides."""

SIDE_BY_SIDE: Final = 0.5
"""What counts that neighbours in the search stand in one sentence.

All four were chosen on the tuning half of what tests/search/measure.py asks, by fitting on random halves of
it; between half and twice as much the figures hardly differ.
"""

ALL_PARTS: Final = 0.8
SOME_PARTS: Final = 0.7
GUESSED: Final = 0.9
ONLY_NAMED: Final = 0.8
MOST_NAMED: Final = 6.0
"""What other names count at most where no service has the word itself."""

NEIGHBOUR: Final = 0.4
"""From which share on a word counts as standing beside another."""

KEPT: Final = 2_000
"""How many read texts are remembered."""

READING: Final = 1
"""Number of what ``read`` returns for a text; an index keeps readings, and is rebuilt for others."""

_SENTENCE: Final = re.compile(r"(?<=[.!?:;])\s+")

Texts = tuple[tuple[str, str], ...]
"""Texts with their languages."""


class Reading(NamedTuple):
    """What stands where in a service: a bit for the heads, and one for each sentence of its description."""

    where: Mapping[str, int]
    titles: tuple[tuple[tuple[str, ...], ...], ...]
    sentences: int


HEADS: Final = 1


def read_once(title: Texts, heads: Texts, description: Texts) -> Reading:
    """Return what stands where; ``heads``: topics and the partner's name, which stand beside the title."""
    where: dict[str, int] = {}
    titles = []
    for language, text in title:
        words = tuple(stems_of(text, language))
        titles.append(words)
        where.update((base, HEADS) for stems in words for base in stems)
    for language, text in heads:
        where.update((base, HEADS) for stems in stems_of(text, language) for base in stems)
    number = 0
    for language, text in description:
        for sentence in _SENTENCE.split(text[:LONGEST_READ]):
            number += 1
            bit = 1 << number
            for stems in stems_of(sentence, language):
                for base in stems:
                    where[base] = where.get(base, 0) | bit
        number += PASSAGE  # no passage goes from one language into another
    return Reading(where, tuple(titles), number)


read: Final = lru_cache(maxsize=KEPT)(read_once)
"""The same, remembered for texts that are read again and again."""


class _Packed(msgspec.Struct, array_like=True):
    """A reading as an index keeps it; places of more than 63 bits are bytes, the lowest first."""

    where: dict[str, int | bytes]
    titles: tuple[tuple[tuple[str, ...], ...], ...]
    sentences: int


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(_Packed).decode
_MOST_BITS: Final = 63


def packed(reading: Reading) -> bytes:
    """Return a reading as an index keeps it, so that no search has to take texts apart."""
    where: dict[str, int | bytes] = {
        base: mask if mask.bit_length() <= _MOST_BITS else mask.to_bytes(mask.bit_length() // 8 + 1, "little")
        for base, mask in reading.where.items()
    }
    return _pack(_Packed(where, reading.titles, reading.sentences))


def unpacked(kept: bytes) -> Reading:
    """Return the reading that was packed."""
    found = _unpack(kept)
    where = {
        base: mask if isinstance(mask, int) else int.from_bytes(mask, "little")
        for base, mask in found.where.items()
    }
    return Reading(where, found.titles, found.sentences)


class Wish(NamedTuple):
    """A unit of a search with what it counts; ``there``: whether any service has a word of it."""

    unit: Unit
    counts: float
    there: bool


def wishes(units: Sequence[Unit], services: int, having: Callable[[str], int]) -> list[Wish]:
    """Return what the units count; ``having``: how many of all services have a stem."""

    def rare(base: str) -> float:
        number = having(base)
        return math.log(1 + max(services - number + 0.5, 0.0) / (number + 0.5)) if number else 0.0

    made = []
    for unit in units:
        own = sum(word.weight * max(map(rare, (*word.stems, *word.parts))) for word in unit.words)
        named = max((_all_rare(rare, other) for other in unit.others), default=0.0)
        if unit.hint:
            own = max(own, unit.hint * min(named, MOST_NAMED))
        elif not own:
            own = ONLY_NAMED * min(named, MOST_NAMED)
        there = any(having(base) for word in unit.words for base in word.stems)
        made.append(Wish(unit, own, there))
    return made


def _all_rare(rare: Callable[[str], float], other: Sequence[str]) -> float:
    counts = [rare(base) for base in other]
    return sum(counts) if all(counts) else 0.0


def closeness(wanted: Sequence[Wish], reading: Reading) -> float:
    """Return what a service counts besides its score for how closely it meets a search; never below 0."""
    met = [_met(wish, reading.where) for wish in wanted]
    whole = sum(wish.counts for wish in wanted)
    if not whole:
        return 0.0
    in_head = sum(wish.counts * _best(found, HEADS) for wish, found in zip(wanted, met, strict=True))
    score = IN_HEAD * in_head + OF_TITLE * whole * _said(wanted, reading)
    score += IN_PASSAGE * _passage(wanted, met)
    return score + SIDE_BY_SIDE * whole * _side_by_side(wanted, met)


_Met = list[tuple[float, int]]
"""Where a unit is met, and how well there; the best first."""


def _met(wish: Wish, where: Mapping[str, int]) -> _Met:
    found: _Met = []
    weights = sum(word.weight for word in wish.unit.words)
    if len(wish.unit.words) == 1:
        # A word that names a thing only with function words around it is not yet that thing.
        worth = WITHIN_PHRASE if wish.unit.hint else 1.0
        found += [(worth * share, mask) for share, mask in _word_met(wish.unit.words[0], where)]
    elif wish.unit.words:
        # Words of one phrase: each share of them where they stand.
        places = [(word.weight / weights, _word_met(word, where)) for word in wish.unit.words]
        everywhere = 0
        for _, each in places:
            for _, mask in each:
                everywhere |= mask
        shares: dict[float, int] = {}
        for bit in _bits(everywhere):
            share = round(sum(part * _best(each, bit) for part, each in places), 3)
            shares[share] = shares.get(share, 0) | bit
        found += shares.items()
    if wish.unit.others and not (wish.unit.guessed and wish.there):
        mask = 0
        for other in wish.unit.others:
            all_ = -1
            for base in other:
                all_ &= where.get(base, 0)
            mask |= all_
        if mask:
            worth = 1.0 if not wish.unit.words else weight_of_others(wish.unit, there=wish.there)
            found.append((GUESSED if wish.unit.guessed else worth, mask))
    return sorted(found, reverse=True)


def _word_met(word: QueryWord, where: Mapping[str, int]) -> _Met:
    mask = 0
    for base in word.stems:
        mask |= where.get(base, 0)
    found: _Met = [(1.0, mask)] if mask else []
    if word.parts:
        masks = [where.get(part, 0) for part in word.parts]
        everywhere = 0
        for one in masks:
            everywhere |= one
        shares: dict[float, int] = {}
        for bit in _bits(everywhere & ~mask):
            number = sum(bool(one & bit) for one in masks)
            share = ALL_PARTS if number == len(masks) else SOME_PARTS * number / len(masks)
            shares[share] = shares.get(share, 0) | bit
        found += shares.items()
    return found


def _bits(mask: int) -> Iterable[int]:
    while mask:
        bit = mask & -mask
        yield bit
        mask ^= bit


def _best(met: _Met, places: int) -> float:
    return max((share for share, mask in met if mask & places), default=0.0)


def _said(wanted: Sequence[Wish], reading: Reading) -> float:
    """Return how much of a title's words is asked for, each as long as it is; the best of its languages."""
    asked: set[str] = set()
    for wish in wanted:
        for word in wish.unit.words:
            asked.update(word.stems, word.parts)
        asked.update(base for other in wish.unit.others for base in other)
    best = 0.0
    for words in reading.titles:
        length = sum(len(stems[0]) for stems in words)
        if length:
            said = sum(len(stems[0]) for stems in words if not asked.isdisjoint(stems))
            best = max(best, said / length)
    return best


def _passage(wanted: Sequence[Wish], met: Sequence[_Met]) -> float:
    """Return what of the search the best passage says."""
    begun: dict[int, float] = {}
    for wish, found in zip(wanted, met, strict=True):
        seen = 0
        for share, mask in found:
            # Passages that begin here or up to two sentences earlier have it; the best of a unit counts.
            after = mask & ~HEADS
            passages = after
            for number in range(1, PASSAGE):
                passages |= after >> number
            for bit in _bits(passages & ~seen):
                begun[bit] = begun.get(bit, 0.0) + share * wish.counts
            seen |= passages
    return max(begun.values(), default=0.0)


def _side_by_side(wanted: Sequence[Wish], met: Sequence[_Met]) -> float:
    """Return the share of neighbours in the search that stand in one sentence, or both in the heads."""
    places = []
    for found in met:
        mask = 0
        for share, where in found:
            mask |= where if share > NEIGHBOUR else 0
        places.append(mask)
    pairs = together = 0.0
    for first in range(len(wanted) - 1):
        counts = wanted[first].counts + wanted[first + 1].counts
        pairs += counts
        together += counts if places[first] & places[first + 1] else 0.0
    return together / pairs if pairs else 0.0
