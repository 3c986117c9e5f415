"""Words of a text as search compares them: folded, stemmed, taken apart; and which of them a query means.

Pure: no index, no database, no clock. The same functions serve the index and the query, so both sides agree.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

from search.concepts import concepts, fingerprint
from search.lexicon import ASKING_WORDS, BUILDING_WORDS, OTHER_STOP_WORDS, PLACES, STOP_WORDS

NORMALISER: Final = f"2-{fingerprint()}"
"""Number of these rules, and of the words they know; an index made by other rules is rebuilt."""

MAXIMUM_CHARACTERS: Final = 500
MAXIMUM_WORDS: Final = 40
WORDS_KEPT: Final = 50_000
"""How many words' forms are remembered; a language's common words are far fewer."""

LONGEST_WORD: Final = 60
"""Longer words are cut: nobody means them, and they would swell the index."""

# Letters and digits of any script, with the marks that belong inside words: accents, Arabic vowel signs,
# signs of Indian and other scripts, and the joiners that Persian writes between parts of a word.
_MARKS: Final = "".join(
    rf"\u{first:04x}-\u{last:04x}"
    for first, last in (
        (0x0300, 0x036F),
        (0x0483, 0x0487),
        (0x0591, 0x05BD),
        (0x0610, 0x061A),
        (0x064B, 0x065F),
        (0x0670, 0x0670),
        (0x06D6, 0x06DC),
        (0x0900, 0x0903),
        (0x093A, 0x094F),
        (0x0981, 0x0983),
        (0x09BC, 0x09CD),
        (0x0A3C, 0x0A51),
        (0x0BBE, 0x0BCD),
        (0x0E31, 0x0E3A),
        (0x0E47, 0x0E4E),
        (0x135D, 0x135F),
        (0x200C, 0x200D),
    )
)
_WORD: Final = re.compile(rf"[^\W_][^\W_{_MARKS}]*(?:[{_MARKS}]+[^\W_]*)*")
_PARAGRAPH: Final = re.compile(r"(?<![\w])(\d{1,3}) ([a-z])(?![\w])", re.IGNORECASE)
_LONE_LETTER: Final = re.compile(r"\d [a-zA-Z](?!\w)")
_HYPHENATED: Final = re.compile(r"[^\W_]+(?:-[^\W_]+)+")
_HALF_ENDS: Final = re.compile(r"-,? (?:und|oder|bzw|sowie|u\.)", re.IGNORECASE)
_HALF: Final = re.compile(r"([^\W\d_]{3,})-,? (?:und|oder|bzw\.?|sowie|u\.) ([^\W\d_]{6,})", re.IGNORECASE)

_LETTERS: Final = str.maketrans(
    {
        "ł": "l", "đ": "d", "ø": "o", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ŧ": "t", "ħ": "h",
        "ʻ": None, "ʼ": None, "\u200c": None, "\u200d": None, "\u0640": None,  # joiners, Arabic tatweel
        "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ۀ": "ه", "ە": "ه",  # one letter, Arabic and Persian
    }
)  # fmt: skip
_UMLAUT: Final = re.compile(r"ae+|oe+|(?<![aeiouyq])ue+")


class Token(NamedTuple):
    """A word of a text in folded form, and where it stands (characters, end exclusive)."""

    word: str
    start: int
    end: int


@lru_cache(maxsize=WORDS_KEPT)
def fold(word: str) -> str:
    """Return the form in which spellings of one word are equal.

    Case, accents, ß, and umlauts written either way fall together; so do the spellings of Cottbus.

    >>> fold("Ärzte") == fold("Aerzte") == fold("ARZTE"), fold("Straße"), fold("Chóśebuz")
    (True, 'strasse', 'cottbus')
    """
    text = plain_fold(word)
    return PLACES.get(text, text)


@lru_cache(maxsize=WORDS_KEPT)
def plain_fold(word: str) -> str:
    """Return the folded form of a word that may be the beginning of one: places keep the name as it is.

    >>> plain_fold("Chóśe"), plain_fold("Mün"), plain_fold("Muen")
    ('chose', 'mun', 'mun')
    """
    text = word.casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_LETTERS))
        text = "".join(c for c in text if not unicodedata.combining(c)).translate(_LETTERS).casefold()
    return _UMLAUT.sub(lambda found: found[0][0], text)[:LONGEST_WORD]


def tokens(text: str) -> list[Token]:
    """Return the words of a text in order; safe for any script and any input.

    A number and the letter after it are one word ("§ 104 c" is "104c"). Half words are completed: "Sprach-
    und Kulturmittlung" also has "Sprachmittlung".
    """
    found: list[Token] = []
    joined = {}
    if _LONE_LETTER.search(text):
        joined = {match.start(): match for match in _PARAGRAPH.finditer(text)}
    skip = -1
    for match in _WORD.finditer(text):
        start, end = match.span()
        if start < skip:
            continue
        if joined and (paragraph := joined.get(start)):
            found.append(Token(fold(paragraph[1] + paragraph[2]), start, paragraph.end()))
            skip = paragraph.end()
            continue
        word = fold(match[0])
        if word:
            found.append(Token(word, start, end))
    if "-" in text:
        found += _completed(text)
    return found


def _completed(text: str) -> Iterator[Token]:
    if not _HALF_ENDS.search(text):  # looking for whole pairs is slow
        return
    for match in _HALF.finditer(text):
        parts = split_compound(fold(match[2]))
        if len(parts) > 1:
            yield Token(fold(match[1]) + parts[-1], match.start(1), match.end(2))


def words_of(text: str) -> list[str]:
    """Return the words of ``tokens``, and those written with hyphens also as one ("Chancen-Aufenthalt")."""
    if "-" not in text and not _LONE_LETTER.search(text):
        return [word for word in map(fold, _WORD.findall(text)) if word]
    found = [token.word for token in tokens(text)]
    found += (fold(match[0].replace("-", "")) for match in _HYPHENATED.finditer(text))
    return found


def joined(text: str) -> list[str]:
    """Return the words of ``tokens``, those with hyphens written as one only ("Chancen-Aufenthalt")."""
    return [token.word for token in tokens(_HYPHENATED.sub(lambda match: match[0].replace("-", ""), text))]


_GERMAN: Final = TextAnalyzerBuilder(Tokenizer.whitespace()).filter(Filter.stemmer("german")).build()
_ENGLISH: Final = TextAnalyzerBuilder(Tokenizer.whitespace()).filter(Filter.stemmer("english")).build()


@lru_cache(maxsize=WORDS_KEPT)
def stem(word: str, language: str = "de") -> str:
    """Return the stem of a folded word, by the English rules for ``en`` and the German ones else.

    >>> stem("beratungen"), stem("anerkennung"), stem("courses", "en")
    ('berat', 'anerkenn', 'cours')
    """
    if not word.isascii() or not word.isalpha():
        return word
    if language == "en":
        return _ENGLISH.analyze(word)[0]
    while True:
        # Until nothing changes: once leaves "Kurs" and "Kurse" apart.
        shorter = _GERMAN.analyze(word)[0]
        if shorter == word:
            return word
        word = shorter


_LINKS: Final = ("", "s", "es", "n", "en", "er", "e", "-")
_SHORTEST_PART: Final = 3
_LONGEST_PART: Final = 12
"""Longer words of the vocabulary are taken for compounds themselves."""

_PARTS: Final = frozenset(fold(word) for word in BUILDING_WORDS)
_PART_STEMS: Final = frozenset(stem(word) for word in _PARTS if len(word) > 3)
_SHORTEST_COMPOUND: Final = 8

_HEAD: Final = 3
"""Letters at the beginning of a word that stemming never changes; no stem is shorter."""


def _heads(stems: Iterable[str]) -> set[str]:
    """Return how words with these stems begin: most words need not be stemmed to see that they are others."""
    return {one[:_HEAD] for one in stems}


_PART_HEADS: Final = _heads(_PART_STEMS)
_BEGINNINGS: Final = _PART_HEADS | _heads(_PARTS)
"""How building words and all their forms begin."""


def _is_part(word: str) -> bool:
    if word in _PARTS:
        return True
    if len(word) <= 4 or word[:_HEAD] not in _PART_HEADS:
        return False
    return stem(word) in _PART_STEMS


class _Parts:
    """The building words and those of the vocabulary that are no compounds of others, with their stems."""

    def __init__(self) -> None:
        self.words = set(_PARTS)
        self.stems = set(_PART_STEMS)
        self.heads = set(_BEGINNINGS)
        names = (name for concept in concepts() for name in concept.labels["de"])
        # Names as they are written: adjectives and verbs, in small letters, build few compounds.
        words = {fold(word) for name in names for word in _WORD.findall(name) if word[0].isupper()}
        for word in sorted(words, key=lambda word: (len(word), word)):
            if 4 <= len(word) <= _LONGEST_PART and word.isalpha() and word.isascii() and not self._made(word):
                self.words.add(word)
                self.heads.add(word[:_HEAD])
                if len(word) > 4:
                    self.stems.add(stem(word))
                    self.heads |= _heads([stem(word)])

    def _made(self, word: str) -> bool:
        return len(_split_by_last(word)) > 1 or self.halves(word) is not None

    def has(self, word: str) -> bool:
        """Whether a folded word is one of these, in any form."""
        if word in self.words:
            return True
        if len(word) <= 4 or word[:_HEAD] not in self.heads:
            return False
        return stem(word) in self.stems

    def halves(self, word: str) -> tuple[str, str] | None:
        """Return the two halves of a compound of these words, cut so that the shorter one is longest."""
        best: tuple[int, str, str] | None = None
        for cut in range(4, len(word) - 3):
            last = word[cut:]
            if last[:_HEAD] not in self.heads or not self.has(last):
                continue
            for link in _LINKS[:-1]:
                first = word[: cut - len(link)] if word[:cut].endswith(link) else ""
                if len(first) >= _SHORTEST_PART and self.has(first):
                    shorter = min(len(first), len(last))
                    if best is None or shorter > best[0]:
                        best = (shorter, first, last)
        return best[1:] if best is not None else None


@lru_cache(maxsize=1)
def _parts() -> _Parts:
    return _Parts()


def _modifiers(word: str, depth: int = 4) -> list[str] | None:
    """Return the parts of what stands before the last part of a compound; None when it is none."""
    if depth == 0:
        return None
    for link in _LINKS:
        if word.endswith(link):
            rest = word[: len(word) - len(link)]
            if len(rest) >= _SHORTEST_PART and _is_part(rest):
                return [rest]
    for cut in range(len(word) - _SHORTEST_PART, _SHORTEST_PART - 1, -1):
        tail = word[cut:]
        if tail[:_HEAD] not in _BEGINNINGS:
            continue
        for link in _LINKS:
            last = tail[: len(tail) - len(link)] if tail.endswith(link) else ""
            if (
                len(last) >= _SHORTEST_PART
                and _is_part(last)
                and (before := _modifiers(word[:cut], depth - 1)) is not None
            ):
                return [*before, last]
    return None


def _split_by_last(word: str) -> tuple[str, ...]:
    """Return the parts of a compound whose last is a building word; what stands before may be unknown."""
    if len(word) < _SHORTEST_COMPOUND or _is_part(word):
        return (word,)
    unknown: tuple[str, ...] | None = None
    for cut in range(_SHORTEST_PART, len(word) - 3):
        last = word[cut:]
        if last[:_HEAD] not in _BEGINNINGS or not _is_part(last):
            continue
        if (before := _modifiers(word[:cut])) is not None:
            return (*before, last)
        if unknown is None and cut >= 4 and len(last) >= 4:
            unknown = (word[:cut], last)
    return unknown or (word,)


@lru_cache(maxsize=WORDS_KEPT)
def split_compound(word: str) -> tuple[str, ...]:
    """Return the parts of a folded German compound, or the word itself when it is none that is known.

    >>> split_compound("sprachmittlung"), split_compound("arbeitsmarktintegration"), split_compound("kurs")
    (('sprach', 'mittlung'), ('arbeits', 'markt', 'integration'), ('kurs',))
    """
    if len(word) < _SHORTEST_COMPOUND or not word.isascii() or not word.isalpha():
        return (word,)
    known = _parts()
    if known.has(word):
        return (word,)
    halves = known.halves(word)
    if halves is None:
        return _split_by_last(word)
    return (*split_compound(halves[0]), *split_compound(halves[1]))


class Forms(NamedTuple):
    """The words of a text in the forms an index keeps: as they are, stemmed, and with parts of compounds."""

    words: list[str]
    stems: list[str]
    parts: list[str]
    found_by: set[str]
    """Words and unstemmed parts of compounds: what prefixes, endings and typos are compared with."""


@lru_cache(maxsize=WORDS_KEPT)
def _word_forms(word: str, rules: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return a word's stem, its stem with those of its parts, and what it is found by."""
    base = stem(word, rules)
    pieces = split_compound(word)
    if len(pieces) == 1:
        return base, (base,), (word,)
    return base, (base, *(stem(piece) for piece in pieces)), (word, *pieces)


def stems_of(text: str, language: str) -> Iterator[tuple[str, ...]]:
    """Return for each word of a text that is no stop word its stem, with the stems of its parts."""
    rules = "en" if language.split("-")[0] == "en" else "de"
    if "-" not in text and not _LONE_LETTER.search(text):
        for written in _WORD.findall(text):
            if stems := _stems_written(written, rules):
                yield stems
        return
    for word in words_of(text):
        if word not in _STOP:
            yield _word_forms(word, rules)[1]


@lru_cache(maxsize=WORDS_KEPT)
def _stems_written(written: str, rules: str) -> tuple[str, ...]:
    """Return the stems of a word as it is written; none of a stop word."""
    word = fold(written)
    return () if not word or word in _STOP else _word_forms(word, rules)[1]


def _forms(language: str, text: str) -> Forms:
    rules = "en" if language.split("-")[0] == "en" else "de"
    made = Forms(words_of(text), [], [], set())
    for word in made.words:
        base, parts, found_by = _word_forms(word, rules)
        made.stems.append(base)
        made.parts.extend(parts)
        made.found_by.update(found_by)
    return made


_short_forms = lru_cache(maxsize=20_000)(_forms)
_SHORT: Final = 100
"""Texts up to so many characters (labels, synonyms, names) come again and again and are kept."""


def forms(texts: Iterable[tuple[str, str]]) -> Forms:
    """Return the forms of (language, text) pairs; texts that are not English are stemmed as German."""
    made = Forms([], [], [], set())
    for language, text in texts:
        own = (_short_forms if len(text) <= _SHORT else _forms)(language, text)
        made.words.extend(own.words)
        made.stems.extend(own.stems)
        made.parts.extend(own.parts)
        made.found_by.update(own.found_by)
    return made


class QueryWord(NamedTuple):
    """A word of a query: folded, its stems by German and English rules, and the stems of its parts."""

    word: str
    stems: tuple[str, ...]
    parts: tuple[str, ...]
    last: bool
    """Whether it is the last word, which may still be being typed."""
    weight: float = 1.0
    """What it counts for: words that only ask count less than those that say what for."""


_STOP: Final = frozenset(fold(word) for word in (*STOP_WORDS, *OTHER_STOP_WORDS))
_ASKING: Final = frozenset(stem(fold(word)) for word in ASKING_WORDS)
ASKING_WEIGHT: Final = 0.4


def is_stop_word(word: str) -> bool:
    """Whether a folded word is left out of a query that has others."""
    return word in _STOP


def query_words(text: str) -> list[QueryWord]:
    """Return the words a query means: without stop words (unless it has no others), each once."""
    found = [token.word for token in tokens(text)]
    ended = bool(text) and not (text[-1].isalnum() or unicodedata.combining(text[-1]))
    meant = dict.fromkeys(word for word in found if word not in _STOP) or dict.fromkeys(found)
    words = []
    for word in meant:
        pieces = split_compound(word)
        parts = tuple(base for base in map(stem, pieces) if base not in _STOP)
        words.append(
            QueryWord(
                word,
                # A stem that is a stop word ("nur" of "nurse") would be in every text.
                tuple(dict.fromkeys(base for base in (stem(word), stem(word, "en")) if base not in _STOP))
                or (word,),
                parts if len(pieces) > 1 and len(parts) == len(pieces) else (),
                word == found[-1] and not ended,
                ASKING_WEIGHT if stem(word) in _ASKING else 1.0,
            )
        )
    return words


SHORTEST_PIECE: Final = 5
"""Letters, without endings, of the end or the beginning of a compound that is looked for by itself."""


def pieces_within(word: str, has: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the stems of the longest end and the longest beginning of a word that texts have as words.

    German builds compounds as it goes; of one that no text has, ``has`` tells which pieces are known.

    >>> pieces_within("geschlechtergleichstellung", {"gleichstell", "geschlecht"}.__contains__)
    ('gleichstell', 'geschlecht')
    """
    if len(word) < _SHORTEST_COMPOUND or not word.isascii() or not word.isalpha():
        return ()
    ends = (word[cut:] for cut in range(3, len(word) - SHORTEST_PIECE + 1))
    found = [base for end in ends if len(base := stem(end)) >= SHORTEST_PIECE and has(base)][:1]
    rest = len(word) - (len(found[0]) if found else 3)
    beginnings = (word[:cut] for cut in range(rest, SHORTEST_PIECE - 1, -1))
    found += [
        base for beginning in beginnings if len(base := stem(beginning)) >= SHORTEST_PIECE and has(base)
    ][:1]
    return tuple(dict.fromkeys(base for base in found if base not in _STOP))


def typos_allowed(word: str) -> int:
    """Return how many letters of a word may be wrong: none below 4, one below 8, else two."""
    return 0 if len(word) < 4 else 1 if len(word) < 8 else 2


def distance(one: str, other: str, most: int) -> int:
    """Return how many letters are wrong, missing, too many or swapped between words; at most ``most`` + 1."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    # Most words are far apart, and a letter that only one of them has is an error each.
    if len(set(one).difference(other)) > most or len(set(other).difference(one)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _is_nearly(form: str, near: str) -> bool:
    most = typos_allowed(near)
    return abs(len(form) - len(near)) <= most and distance(form, near, most) <= most


@lru_cache(maxsize=WORDS_KEPT)
def _forms_by_any_rules(word: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return a word's stems by German and English rules, with those of its parts; and what it is found by."""
    _, german, found_by = _word_forms(word, "de")
    _, english, _ = _word_forms(word, "en")
    return frozenset((*german, *english)), frozenset(found_by)


_IRREGULAR: Final = {"die": "dying", "lie": "lying", "tie": "tying"}


def _stem_hints(base: str) -> tuple[str, ...]:
    """Return what every word with a stem, or with a part of this stem, has in it.

    German rules only cut endings off; English ones also change the last letter that is left, and more of
    three words.
    """
    begun = base[:-1] if len(base) > _HEAD else base[: _HEAD - 1]
    return (begun, _IRREGULAR[base]) if base in _IRREGULAR else (begun,)


class Wanted(msgspec.Struct):
    """Which words of a text a query has matched, so that they can be marked."""

    words: set[str] = msgspec.field(default_factory=set)
    stems: set[str] = msgspec.field(default_factory=set)
    prefixes: set[str] = msgspec.field(default_factory=set)
    endings: set[str] = msgspec.field(default_factory=set)
    nearly: set[str] = msgspec.field(default_factory=set)
    _seen: dict[str, bool] = msgspec.field(default_factory=dict)
    _hints: tuple[str, ...] | None = None

    def has(self, word: str) -> bool:
        """Whether a folded word of a text is one that was looked for."""
        known = self._seen.get(word)
        if known is None:
            known = self._seen[word] = self._has(word)
        return known

    def _has(self, word: str) -> bool:
        if word in self.words:
            return True
        if not self._may_have(word):
            return False
        stems, found_by = _forms_by_any_rules(word)
        if not self.stems.isdisjoint(stems) or not self.words.isdisjoint(found_by):
            return True
        if not (self.prefixes or self.endings or self.nearly):
            return False
        return any(self._resembles(form) for form in found_by)

    def _may_have(self, word: str) -> bool:
        """Whether a word is worth taking apart: most words have nothing of what was looked for in them."""
        if self._hints is None:
            begun = {hint for base in self.stems for hint in _stem_hints(base)}
            self._hints = tuple(begun | self.words | self.prefixes | self.endings)
        for hint in self._hints:
            if hint in word:
                return True
        for near in self.nearly:
            # A letter that the whole word lacks is an error in each of its parts.
            most = typos_allowed(near)
            if len(near) - len(word) <= most and len(set(near).difference(word)) <= most:
                return True
        return False

    def places(self, text: str) -> list[tuple[int, int]]:
        """Return where the words stand in a text that were looked for, in order."""
        if _LONE_LETTER.search(text):
            return sorted({(token.start, token.end) for token in tokens(text) if self.has(token.word)})
        marked = {word for word in set(_WORD.findall(text)) if self.has(fold(word))}
        found = {match.span() for match in _WORD.finditer(text) if match[0] in marked} if marked else set()
        if "-" in text:
            found |= {(token.start, token.end) for token in _completed(text) if self.has(token.word)}
        return sorted(found)

    def _resembles(self, form: str) -> bool:
        """Whether a word or a part of a compound begins, ends or is nearly as was looked for."""
        return (
            any(form.startswith(prefix) for prefix in self.prefixes)
            or any(form.endswith(ending) for ending in self.endings)
            or any(_is_nearly(form, near) for near in self.nearly)
        )


FRAGMENT: Final = 220
"""Characters of a fragment at most (a single long word may exceed it)."""


def fragment(
    text: str, wanted: Wanted, longest: int = FRAGMENT
) -> tuple[str, tuple[tuple[int, int], ...]] | None:
    """Return the piece of a text with most matches and their ranges in it; None when nothing matches."""
    places = wanted.places(text)
    if not places:
        return None
    marked: list[tuple[int, int]] = []
    for start, end in places:
        if not marked or start >= marked[-1][1]:
            marked.append((start, end))
    if len(text) <= longest:
        return text, tuple(marked)
    best = max(
        range(len(marked)),
        key=lambda i: (
            sum(marked[i][0] <= s and e <= marked[i][0] + longest * 3 // 4 for s, e in marked),
            -i,
        ),
    )
    first = _word_start(text, max(0, marked[best][0] - longest // 4))
    first = min(first, marked[best][0])
    last = max(_word_end(text, first + longest), marked[best][1])
    inside = [(s - first, e - first) for s, e in marked if first <= s and e <= last]
    return text[first:last], tuple(inside)


def _word_start(text: str, place: int) -> int:
    while 0 < place < len(text) and not text[place - 1].isspace():
        place += 1
    return place


def _word_end(text: str, place: int) -> int:
    if place >= len(text):
        return len(text)
    while place > 0 and not text[place].isspace():
        place -= 1
    return place
