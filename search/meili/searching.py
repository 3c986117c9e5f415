"""One search on a Meilisearch server.

What is found, counted and left out is decided by filters on the same forms of words that the local index has,
so totals and facets are exact. The server has no scores that add up over words, so it picks the hits that
have the most of the rare words, in titles before elsewhere, and what their words count for comes with these
only: it is added here, as BM25 does. (Ranked by Meilisearch's own rules, the same German questions find the
right page among the first five in 53 of 100 cases, ranked like this in 74.)
"""

from __future__ import annotations

import math
import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from directory.eligibility import Profile
from directory.vocabulary import Answer, CapacityState, ResidenceStatus
from search.cells import Circle
from search.closely import MOST_READ, Wish, closeness, read, wishes
from search.days import day_number
from search.engine import (
    DEEPEST,
    Facet,
    FacetCount,
    Highlight,
    Mark,
    SearchHit,
    SearchQuery,
    SearchResult,
    cursor_at,
    mark,
)
from search.expansion import PHRASE_WEIGHT, Unit, is_question, share_of_each, units, weight_of_others
from search.fields import SECTIONS
from search.local import LONGEST_MARKED, MOST_FACET_VALUES, reading_order
from search.meaning import LEAST_LIKENESS, NEAREST, POINTS, Model
from search.meili.fields import BOTH, SHORTEST_ENDING, Place, places_field, weights_field
from search.meili.filters import (
    NOTHING,
    SERVICES,
    Judged,
    Known,
    but_not,
    conditions,
    either,
    every,
    has_stem,
    has_word,
    has_word_like,
    is_any,
    is_one,
    misfits,
    needs_known,
    quoted,
)
from search.meili.server import Server
from search.meili.states import Form, State, States, counting, tick_of
from search.queries import (
    COMPLETE,
    ENDING_SCORE,
    EXACT_BONUS,
    INEXACT,
    PART_WEIGHT,
    wanted_in_titles,
)
from search.text import QueryWord, Wanted, distance, fragment, pieces_within, typos_allowed

MOST_WEIGHED: Final = 200
"""How many hits are ordered by what their words count for; those behind them by freshness only.

The server could list those behind by levels too, for a search more a page. But levels follow from how many
services have each word, which every commit changes: a page that goes on from a mark within them would repeat
some hits and hide others, and freshness stays with its service. The server's own ranking has no mark at all
but a number of hits to leave out. To weigh more of them grows with each page: 200 are a third of a search.
"""

MOST_ALIKE: Final = 60
"""How many words of the index a misspelt word may mean."""

MOST_ENDINGS: Final = 12
"""Of how many words that end as asked the places are looked at."""

MOST_RARE: Final = 4
"""By how many of its rarest words the best of many hits are picked."""

MOST_TITLED: Final = 1
"""How many of these are also looked for in titles."""

MOST_LEVELS: Final = 4
"""How finely hits are told apart before they are weighed: each costs the server 2 to 3 ms to count."""

TITLE_PICKED: Final = 0.6
"""What a rare word in a title counts besides, against one that stands anywhere."""

EMBEDDER: Final = "meaning"
"""What the server calls the model of meanings."""

PARTS_SHARE: Final = 0.65
"""How much of what the index keeps of a stem it counts for among the parts of words."""

_ROUNDED: Final = 1e-5

LEAST_SCORE: Final = 1e-6
"""What tells a hit that was weighed from one that was not."""

ATTEMPTS: Final = 3
"""How often a search begins anew because of a commit in the middle of it."""

_AS_IS: Final = [
    sum(weights[0] for number, weights in enumerate(SECTIONS.values()) if mask >> number & 1)
    for mask in range(16)
]
"""What a word as it is counts for, by the sections that have it (a bit each)."""

_INEXACT: Final = [
    sum(INEXACT[name] for number, name in enumerate(SECTIONS) if mask >> number & 1) for mask in range(16)
]


class Sign(NamedTuple):
    """What makes a service a good hit: how much it counts, that a service has it, and that its title has it.

    Between ``least`` and ``most`` services have it. ``word`` and ``unit``: what is met where it is there.
    """

    counts: float
    there: str
    titled: str
    least: int = 0
    most: int = sys.maxsize
    word: Meant | None = None
    unit: MeantUnit | None = None


class Meant(NamedTuple):
    """A word of a query, and what of the index it means."""

    word: QueryWord
    idf: Mapping[str, float]
    prefixed: bool
    ending: tuple[str, ...] | None
    nearly: tuple[str, ...]
    services: int
    """How many services have the word; none: it may be misspelt, or only a part of words."""
    most: int = 0
    """How many have any of its forms, at most."""
    pieces: tuple[str, ...] = ()
    """Stems of pieces of it, where no service has the word."""

    @property
    def exact(self) -> str:
        """The condition that the word is there as asked."""
        word, stems = self.word.word, self.word.stems
        return either(
            [is_any("stems", stems), is_one("words", word), is_any(BOTH, list(dict.fromkeys([*stems, word])))]
        )

    @property
    def strict(self) -> str:
        """The condition that the word is met in any way."""
        made = [self.exact]
        if self.word.parts:
            made.append(every([has_stem([part]) for part in self.word.parts]))
        if self.prefixed:
            made.append(has_word_like(self.word.word))
        if self.ending is not None:
            made.append(f"backwards STARTS WITH {quoted(self.word.word[::-1])}")
        if self.nearly:
            made.append(has_word(self.nearly))
        return either(made)

    @property
    def loose(self) -> str:
        """The condition that the word or a part of it is met."""
        within = (*self.word.parts, *self.pieces)
        return either([self.strict, has_stem(within)]) if within else self.strict

    def fields(self) -> Iterable[str]:
        """Return the fields that tell what the word counts for, and where it stands."""
        yield from (weights_field(stem) for stem in (*self.word.stems, *self.word.parts, *self.pieces))
        for form in (self.word.word, *self.nearly, *(self.ending or ())[:MOST_ENDINGS]):
            yield places_field(form)

    def signs(self) -> Iterable[Sign]:
        """Return what makes a service a good hit."""
        if self.services:
            best = min(self.idf[form] for form in (self.word.word, *self.word.stems))  # its commonest form's
            titled = is_any("title_stems", self.word.stems)
            yield Sign(best, self.exact, titled, self.services, self.most, word=self)
        for part in (*self.word.parts, *self.pieces):
            yield Sign(self.idf[part], has_stem([part]), is_one("title_stems", part))


class MeantUnit(NamedTuple):
    """Words that name one thing, and those of its other names that the index has; the best of them counts."""

    words: tuple[Meant, ...]
    others: tuple[tuple[str, ...], ...]
    idf: Mapping[str, float]
    weight: float
    services: int
    """How many services have the commonest of all at most."""
    phrase: bool = False
    """Whether it has no words of its own: words of the search name it together."""

    def _named(self) -> list[str]:
        return [every([has_stem([base]) for base in other]) for other in self.others]

    def _titled(self) -> list[str]:
        return [every([is_one("title_stems", base) for base in other]) for other in self.others]

    @property
    def strict(self) -> str:
        """The condition that all words, or another name, are met."""
        if not self.words:
            return either(self._named())
        return either([every([word.strict for word in self.words]), *self._named()])

    @property
    def loose(self) -> str:
        """The condition that a word, a part of one, or another name is met."""
        return either([*(word.loose for word in self.words), *self._named()])

    def fields(self) -> Iterable[str]:
        """Return the fields that tell what words and names count for."""
        for word in self.words:
            yield from word.fields()
        yield from (weights_field(base) for other in self.others for base in other)

    def signs(self) -> Iterable[Sign]:
        """Return what makes a service a good hit."""
        for word in self.words:
            yield from word.signs()
        if self.others:
            best = max(share_of_each(other) * sum(self.idf[base] for base in other) for other in self.others)
            named, titled = either(self._named()), either(self._titled())
            yield Sign(self.weight * best, named, titled, unit=self)

    def score(self, hit: Mapping[str, Any]) -> float:
        """Return what the best of words and names adds to a hit's score."""
        best = sum(word.word.weight * _word_score(word, hit) for word in self.words)
        for other in self.others:
            values = [self.idf[base] * _value(hit, weights_field(base), base) for base in other]
            if all(values):
                best = max(best, self.weight * PARTS_SHARE * share_of_each(other) * sum(values))
        return best


class Fact(NamedTuple):
    """What is asked of a service, and how much it counts.

    ``implies``: the later facts (their places) that are there with it; ``meets``: the units of the search
    that are met with it (their places). Between ``least`` and ``most`` services have it.
    """

    counts: float
    condition: str
    implies: frozenset[int] = frozenset()
    meets: frozenset[int] = frozenset()
    least: int = 0
    most: int = sys.maxsize


class Level(NamedTuple):
    """A condition that between ``least`` and ``most`` services meet, and the units that are met with it."""

    condition: str
    least: int = 0
    most: int = sys.maxsize
    meets: frozenset[int] = frozenset()


def levels(facts: Sequence[Fact], *, alone: bool = False) -> list[Level]:
    """Return conditions, each met by all that meet the one before: that facts add up to ever less.

    They are told apart most finely where it is not known whether MOST_WEIGHED services meet them.
    ``alone``: nothing else is asked of services.

    >>> [level.condition for level in levels([Fact(3.0, "a"), Fact(2.0, "b")])]
    ['(a AND b)', 'a', '(a OR b)']
    >>> [level.condition for level in levels([Fact(1.0, "in title", frozenset({1})), Fact(2.0, "anywhere")])]
    ['in title', 'anywhere']
    """
    together: dict[frozenset[int], float] = {frozenset(): 0.0}
    for at, fact in reversed(list(enumerate(facts))):
        for have in list(together):
            more = have | fact.implies | {at}
            together[more] = sum(facts[one].counts for one in more)
    steps = sorted({round(counts, 6) for have, counts in together.items() if have}, reverse=True)

    def level(step: float) -> Level:
        # Each step is a sum of facts, so there is always a condition.
        return _adding_up(facts, 0, frozenset(), step - _ROUNDED) or Level(NOTHING)

    if len(steps) > MOST_LEVELS and alone:
        many = [
            sum(facts[one].counts for one in fact.implies) + fact.counts
            for fact in facts
            if fact.least > MOST_WEIGHED
        ]
        steps = steps[: bisect_left(steps, -max(many, default=0.0), key=lambda step: -step) + 1]
    if len(steps) > MOST_LEVELS:
        few = bisect_right(steps, MOST_WEIGHED, key=lambda step: level(step).most)
        steps = steps[max(few - 1, 0) :]
    if len(steps) > MOST_LEVELS:
        steps = [steps[(at + 1) * len(steps) // MOST_LEVELS - 1] for at in range(MOST_LEVELS)]
    # A unit is met where the facts without it cannot add up to so much.
    units = frozenset(unit for fact in facts for unit in fact.meets)
    without = {unit: sum(fact.counts for fact in facts if unit not in fact.meets) for unit in units}
    return [
        level(step)._replace(meets=frozenset(one for one in units if without[one] < step - _ROUNDED))
        for step in steps
    ]


def _adding_up(facts: Sequence[Fact], at: int, have: frozenset[int], missing: float) -> Level | None:
    """Return the condition that facts from ``at`` on add up to what is missing; None: they cannot."""
    while at in have:
        at += 1
    if sum(fact.counts for number, fact in enumerate(facts) if number >= at and number not in have) < missing:
        return None
    fact = facts[at]
    now = have | fact.implies | {at}
    left = missing - sum(facts[one].counts for one in now - have)
    without = _adding_up(facts, at + 1, have, missing)
    if left + fact.counts <= 0:
        return without  # what it implies is enough
    with_: Level | None = Level(fact.condition, fact.least, fact.most)
    if left > 0:
        more = _adding_up(facts, at + 1, now, left)
        with_ = more and Level(every([fact.condition, more.condition]), most=min(fact.most, more.most))
    if with_ is None or without is None:
        return with_ or without
    either_one = either([with_.condition, without.condition])
    return Level(either_one, max(with_.least, without.least), with_.most + without.most)


class Found(NamedTuple):
    """A hit before its texts are read; ``fitting`` tells which part of the result it is in."""

    score: float
    rank: int
    id: UUID
    fitting: bool


class Part(NamedTuple):
    """A part of the result: those that may fit, or those known not to; and what was heard of it.

    ``sides``: what tells it from the other part.
    """

    fitting: bool
    condition: str
    total: int
    hits: Sequence[Mapping[str, Any]]
    sides: Sequence[str] = ()


class Search:
    """One search over one state of an index."""

    def __init__(
        self,
        server: Server,
        index: str,
        query: SearchQuery,
        states: States,
        meaning: Model | None = None,
    ) -> None:
        self.meaning = meaning
        self.near: dict[str, float] = {}
        self.server = server
        self.index = index
        self.query = query
        self.states = states
        self.after: Mark | None = mark(query) if query.after is not None else None
        self.asked = units(query.text)
        self.nothing = bool(query.text.strip()) and not self.asked
        self.judged = Judged(Known())
        self.wishes: list[Wish] = []
        self.units: list[MeantUnit] = []
        self.question = is_question(query.text)
        self.loosely = False
        self.meant: list[Meant] = []
        self.titled: list[QueryWord] = []
        self.needed: list[str] = []
        self.wrong: list[str] = []
        self.levels: list[int] = []
        self.relaxed = False
        self.read: dict[UUID, dict[str, Any]] = {}
        self.facets: dict[Facet, tuple[FacetCount, ...]] = {}

    def result(self) -> SearchResult:
        """Return the answer."""
        query = self.query
        if self.nothing:
            self.server.searches([self._counting(SERVICES)])  # it answers, and its index is there
            return SearchResult(
                hits=(), total=0, fitting=0, more=False, facets=dict.fromkeys(query.facets, ())
            )
        relaxed, parts = self._looked()
        total = sum(part.total for part in parts)
        found, more = self._page(parts)
        seen = self.after.seen if self.after is not None else 0
        texts = self._texts(found)
        wanted = self._wanted()
        hits = tuple(
            SearchHit(
                id=hit.id,
                score=hit.score,
                cursor=cursor_at(
                    query,
                    fitting=hit.fitting,
                    relaxed=relaxed,
                    score=hit.score,
                    rank=hit.rank,
                    service=hit.id,
                    seen=number,
                ),
                highlights=self._highlights(texts.get(hit.id), wanted),
            )
            for number, hit in enumerate(found, seen + 1)
        )
        return SearchResult(
            hits=hits,
            total=total,
            fitting=parts[0].total,
            more=more,
            facets=self.facets,
            relaxed=relaxed and total > 0,
        )

    # --- what is asked for

    def _counting(self, condition: str, **more: Any) -> dict[str, Any]:
        return counting(self.index, condition, **more)

    def _listing(self, condition: str, number: int) -> dict[str, Any]:
        return self._counting(condition, hitsPerPage=number, attributesToRetrieve=self._fields())

    def _fields(self) -> list[str]:
        if not self.meant:
            return ["id", "assured", "room", "order"]
        spread = {name for unit in self.units for name in unit.fields()}
        whole = [f"{section}_stems" for section in COMPLETE] if self.titled else []
        return ["id", "assured", "room", "order", *whole, *sorted(spread)]

    def _looked(self) -> tuple[bool, list[Part]]:
        """Return whether the words had to be relaxed, and what each part of the result has."""
        for attempt in range(1, ATTEMPTS + 1):
            state = self._prepare()
            relaxed = self.after.relaxed if self.after is not None else False
            tick, parts = self._ask(relaxed)
            if (
                not relaxed
                and self.after is None
                and self.units
                and not self.question
                and not any(part.total for part in parts)
            ):
                relaxed = True
                tick, parts = self._ask(relaxed)
            if tick == state.tick or attempt == ATTEMPTS:
                break
            self.states.last = None
        return relaxed, parts

    def _prepare(self) -> State:
        """Ask what the index knows of the query's words, and build the conditions."""
        query = self.query
        forms: dict[Form, None] = {}
        for unit in self.asked:
            for word in unit.words:
                forms["words", word.word] = None
                for form in (*word.stems, *word.parts):
                    forms["stems", form] = None
            for base in (base for other in unit.others for base in other):
                forms["stems", base] = None
        state, there = self.states.counted(list(forms))
        if pieces := self._pieces(there):
            state, there = self.states.counted([*forms, *pieces])
        self.wishes = wishes(self.asked, state.services, lambda base: there.get(("stems", base), 0))
        made = [self._unit(unit, state, there) for unit in self.asked]
        self.units = [unit for unit in made if unit.words or unit.others]
        self.meant = [meant for unit in self.units for meant in unit.words]
        self.titled = wanted_in_titles(self.asked)
        if needs_known(query.filters, query.situation) or Facet.RESIDENCE_STATUS in query.facets:
            self.judged = self.states.judged(state)
        near = query.filters.near
        circle = self.states.circle(state, near) if near is not None else Circle()
        self.needed = [SERVICES, *conditions(query.filters, self.judged, circle)]
        self.wrong = misfits(query.situation, self.judged) if query.situation is not None else []
        if self.meaning is not None and self.units:
            self.near = self._nearest(self.meaning)
        return state

    def _pieces(self, there: Mapping[Form, int]) -> dict[Form, None]:
        """Return the pieces of words that no service has, which may be words of their own."""
        found: dict[Form, None] = {}
        for word in (word for unit in self.asked for word in unit.words):
            if not _services(word, there) and not any(there["stems", part] for part in word.parts[-1:]):

                def asked(piece: str) -> bool:
                    found["stems", piece] = None
                    return False

                pieces_within(word.word, asked)
        return found

    def _nearest(self, meaning: Model) -> dict[str, float]:
        """Return what services nearest in meaning get for it, by id; only those that meet the filters."""
        asked = {
            "indexUid": self.index,
            "q": "",
            "vector": [round(float(one), 4) for one in meaning.question(self.query.text)],
            "hybrid": {"embedder": EMBEDDER, "semanticRatio": 1.0},
            "filter": every(self.needed),
            "limit": NEAREST + 1,
            "showRankingScore": True,
            "attributesToRetrieve": ["id"],
        }
        (answer,) = self.server.searches([asked])
        # The server tells half of one plus the cosine.
        likeness = {hit["id"]: 2 * float(hit["_rankingScore"]) - 1 for hit in answer["hits"]}
        edge = max(min(likeness.values(), default=0.0), 0.0)
        return {
            id_: POINTS * (one - edge)
            for id_, one in likeness.items()
            if one >= LEAST_LIKENESS and one > edge
        }

    def _unit(self, unit: Unit, state: State, there: Mapping[Form, int]) -> MeantUnit:
        others = tuple(other for other in unit.others if all(there["stems", base] for base in other))
        if unit.guessed and any(_services(word, there) for word in unit.words):
            others = ()
        named = bool(others) and not unit.guessed
        words = tuple(self._meant(word, state, there, named=named) for word in unit.words)
        counts = [0, *(word.services for word in words)]
        counts += [min(there["stems", base] for base in other) for other in others]
        return MeantUnit(
            words,
            others,
            {base: _idf(state, there["stems", base]) for other in others for base in other},
            weight_of_others(unit, there=any(word.services for word in words)),
            max(counts),
            not unit.words and unit.hint >= PHRASE_WEIGHT,
        )

    def _meant(self, word: QueryWord, state: State, there: Mapping[Form, int], *, named: bool) -> Meant:
        count = _services(word, there)
        pieces: tuple[str, ...] = ()
        if not count and not any(there["stems", part] for part in word.parts[-1:]):
            pieces = pieces_within(word.word, lambda piece: there.get(("stems", piece), 0) > 0)
        idf = {
            form: _idf(state, n)
            for form, n in (
                (word.word, there["words", word.word]),
                *((form, there["stems", form]) for form in (*word.stems, *word.parts, *pieces)),
            )
        }
        prefixed = (word.last or not count) and len(word.word) >= (4 if count else 3)
        ending: tuple[str, ...] | None = None
        nearly: tuple[str, ...] = ()
        unknown = not count and not named
        typos = typos_allowed(word.word) if unknown else 0
        if typos:
            alike = self.states.alike(state, ("words", BOTH), word.word)
            nearly = tuple(one for one in alike if distance(one, word.word, typos) <= typos)[:MOST_ALIKE]
        if unknown and len(word.word) >= SHORTEST_ENDING:
            back = word.word[::-1]
            alike = self.states.alike(state, ("backwards",), back)
            ending = tuple(one[::-1] for one in alike if one.startswith(back))[:MOST_ALIKE]
        most = there["words", word.word] + sum(there["stems", stem] for stem in word.stems)
        return Meant(word, idf, prefixed, ending, nearly, count, most, pieces)

    def _by_words(self, relaxed: bool) -> list[str]:
        if not self.meant:
            return []
        self.loosely = relaxed or self.question
        if self.loosely:
            found = [unit.loose for unit in self.units]
            return [either([*found, is_any("id", sorted(self.near))] if self.near else found)]
        return self._strictly(frozenset())

    def _strictly(self, met: frozenset[int]) -> list[str]:
        """Return what of the words a hit must meet, besides the units that are met anyway."""
        needed = [unit.strict for at, unit in enumerate(self.units) if unit.words and at not in met]
        phrases = [unit.strict for unit in self.units if unit.phrase]
        if phrases and needed:
            # What words mean together is as good as the words.
            return [either([every([unit.strict for unit in self.units if unit.words]), *phrases])]
        return needed if not phrases or met else phrases

    def _ask(self, relaxed: bool) -> tuple[str, list[Part]]:
        """Ask in one request how many services each part has, for the first of them, and for the facets."""
        query = self.query
        self.relaxed = relaxed
        whole = every([*self.needed, *self._by_words(relaxed)])
        right = [f"NOT {one}" for one in self.wrong]
        fitting = every([whole, *right])
        unfitting = bool(self.wrong) and not query.only_fitting
        some = self._levels() if self.meant and self._first_look() == 0 else []
        asked = [self.states.tick, self._listing(fitting, self._first_look())]
        if unfitting:
            # What is known not to fit is the rest: a situation's conditions are dear, so they come once.
            asked.append(self._counting(whole))
        # How many hits are how good; some may be of the other part, which only leaves fewer to weigh.
        open_ = self._uncounted(some)
        asked += [self._counting(self._good(level)) for level in open_]
        if query.facets:
            asked += self._facet_questions(fitting if query.only_fitting else whole)
        tick, first, *rest = self.server.searches(asked)
        total = int(first["totalHits"])
        others = int(rest.pop(0)["totalHits"]) - total if unfitting else 0
        self.levels = self._counts(some, open_, rest)
        if query.facets:
            self.facets = self._facets(*rest[len(open_) :])
        parts = [Part(True, fitting, total, first["hits"], right)]
        if unfitting:
            wrong = either(self.wrong)
            parts.append(Part(False, every([whole, wrong]), max(others, 0), (), [wrong]))
        return tick_of(tick), parts

    def _first_look(self) -> int:
        """Return how many hits to ask for at once: none where they would likely be in vain."""
        if self.after is not None:
            return 0
        if not self.meant:
            return self.query.first + 1
        counts = [unit.services for unit in self.units]
        return MOST_WEIGHED if max(counts) <= MOST_WEIGHED else 0

    # --- pages

    def _page(self, parts: Sequence[Part]) -> tuple[list[Found], bool]:
        """Return the hits of the page: first those that may fit, then those that are known not to."""
        seen = self.after.seen if self.after is not None else 0
        room = min(self.query.first, DEEPEST - seen)
        found: list[Found] = []
        for part in parts:
            after = self.after
            if after is not None and after.fitting != part.fitting:
                if part.fitting:
                    continue  # the cursor is beyond this part
                after = None
            if len(found) <= room and part.total:
                number = room + 1 - len(found)
                if self.meant:
                    found += self._by_score(part, after, number)
                else:
                    found += self._by_rank(part, after, number)
        return found[:room], len(found) > room and seen + room < DEEPEST

    def _by_rank(self, part: Part, after: Mark | None, number: int) -> list[Found]:
        hits = part.hits[:number]
        if after is not None or len(hits) < min(number, part.total):
            hits = self._listed(part.condition, after.rank if after is not None else None, number)
        return [Found(1.0, _rank(hit), UUID(hit["id"]), part.fitting) for hit in hits]

    def _listed(self, condition: str, rank: int | None, number: int) -> list[dict[str, Any]]:
        """Return hits by rank, from the one after ``rank``."""
        if rank is not None:
            at = Place.of_rank(rank)
            same_day = every([f"assured = {at.assured}", f"room < {at.room}"])
            same = every([f"assured = {at.assured}", f"room = {at.room}", f"order > {at.order}"])
            condition = every([condition, either([f"assured < {at.assured}", same_day, same])])
        (answer,) = self.server.searches([self._listing(condition, number)])
        return list(answer["hits"])

    def _by_score(self, part: Part, after: Mark | None, number: int) -> list[Found]:
        """Return hits by (score, rank): those that are weighed, then the others by rank alone."""
        head = self._weighed(part)
        ordered = sorted((-self._score(hit), _rank(hit), hit["id"]) for hit in head)
        ordered[:MOST_READ] = self._read_closely(ordered[:MOST_READ])
        in_head = after is None or after.score > 0
        first = 0
        if after is not None:
            # Scores move when others change, so the hit itself is the better mark, if it is still there.
            marked = (place for place, (_, rank, _) in enumerate(ordered, 1) if rank == after.rank)
            first = next(marked, bisect_right(ordered, (-after.score, after.rank, "~")))
        found = [
            Found(-score, rank, UUID(id_), part.fitting)
            for score, rank, id_ in (ordered[first : first + number] if in_head else ())
        ]
        if len(found) < number and part.total > len(ordered):
            rest = but_not(part.condition, [is_any("id", [id_ for _, _, id_ in ordered])])
            rank = after.rank if after is not None and not in_head else None
            found += [
                Found(0.0, _rank(hit), UUID(hit["id"]), part.fitting)
                for hit in self._listed(rest, rank, number - len(found))
            ]
        return found

    def _read_closely(self, best: Sequence[tuple[float, int, str]]) -> list[tuple[float, int, str]]:
        """Return the best hits with what they count besides for how closely their texts meet the search."""
        self._keep_texts([UUID(id_) for _, _, id_ in best])
        return sorted(
            (round(score - self._closeness(self.read.get(UUID(id_))), 6), rank, id_)
            for score, rank, id_ in best
        )

    def _closeness(self, texts: Mapping[str, Any] | None) -> float:
        if texts is None or "title" not in texts:
            return 0.0
        heads = (("", texts["partner"]), *texts["topics"].items())
        reading = read(tuple(texts["title"].items()), heads, tuple(texts["description"].items()))
        return closeness(self.wishes, reading)

    def _weighed(self, part: Part) -> Sequence[Mapping[str, Any]]:
        """Return the hits that are ordered: all of a few, of many those that can be best."""
        if part.total == len(part.hits):
            return part.hits
        if not (self.loosely and self.near):
            return self._weighed_by_words(part)
        near = self._listing(every([part.condition, is_any("id", sorted(self.near))]), NEAREST)
        (answer,) = self.server.searches([near])
        found = {hit["id"]: hit for hit in (*self._weighed_by_words(part), *answer["hits"])}
        return list(found.values())

    def _weighed_by_words(self, part: Part) -> Sequence[Mapping[str, Any]]:
        if part.total <= MOST_WEIGHED:
            return self._listed(part.condition, None, MOST_WEIGHED)
        some = self._levels()
        if not some:
            # Only beginnings and misspellings: the server's own rules know which stand in titles.
            asked = self._listing(part.condition, MOST_WEIGHED)
            (answer,) = self.server.searches([asked | {"q": self.query.text, "matchingStrategy": "last"}])
            return list(answer["hits"])
        counts = self.levels
        if not counts:
            open_ = self._uncounted(some)
            answers = self.server.searches([self._counting(self._good(level)) for level in open_])
            counts = self.levels = self._counts(some, open_, answers)
        whole = bisect_right(counts, MOST_WEIGHED)  # the levels that can be looked at whole
        best = [self._good(some[whole - 1], part)] if whole else []
        next_ = self._good(some[whole], part) if whole < len(some) else part.condition
        if whole:
            next_ = but_not(next_, [some[whole - 1].condition])
        left = MOST_WEIGHED - (counts[whole - 1] if whole else 0)
        lists = [*(self._listing(condition, MOST_WEIGHED) for condition in best), self._listing(next_, left)]
        return [hit for answer in self.server.searches(lists) for hit in answer["hits"]]

    def _levels(self) -> list[Level]:
        """Return conditions by which the best of many hits are told from the others (see ``levels``)."""
        signs = [(sign, at) for at, unit in enumerate(self.units) for sign in unit.signs()]
        found = sorted(signs, key=lambda one: (one[0].counts, one[0].there), reverse=True)[:MOST_RARE]
        sections = COMPLETE if found and self.titled else {}
        titled = range(len(sections), len(sections) + min(MOST_TITLED, len(found)))
        there = titled.stop
        words = frozenset(number for number, (sign, _) in enumerate(found) if sign.word is not None)
        met = [self._meets(sign, at) for sign, at in found]
        facts = []
        for section, bonus in sections.items():
            implied = {there + number for number in words}
            if section == "title":
                implied |= {titled.start + number for number in words if number < MOST_TITLED}
            complete = every([is_any(f"{section}_stems", word.stems) for word in self.titled])
            units = frozenset(at for at, unit in enumerate(self.units) if unit.words)
            most = min(meant.most for meant in self.meant)
            facts.append(Fact(bonus, complete, frozenset(implied), units, most=most))
        for number, (sign, _) in enumerate(found[:MOST_TITLED]):
            implies = frozenset({there + number})
            facts.append(Fact(TITLE_PICKED * sign.counts, sign.titled, implies, met[number], most=sign.most))
        for number, (sign, _) in enumerate(found):
            facts.append(Fact(sign.counts, sign.there, meets=met[number], least=sign.least, most=sign.most))
        return levels(facts, alone=len(self.needed) == 1 and self.loosely)

    def _meets(self, sign: Sign, at: int) -> frozenset[int]:
        """Return the unit that is met where a sign of it is there."""
        alone = sign.word is not None and len(self.units[at].words) == 1
        return frozenset({at} if alone or sign.unit is not None else ())

    def _good(self, level: Level, part: Part | None = None) -> str:
        """Return the condition that a hit is on a level; words that are met there anyway are left out."""
        words = [] if self.loosely else self._strictly(level.meets)
        sides = [] if part is None else part.sides
        return every([*self.needed, *words, level.condition, *sides])

    def _uncounted(self, some: Sequence[Level]) -> list[Level]:
        """Return the levels that must be counted to know which of them few enough services are on."""
        # The first are surely few, and only the last of these is asked for.
        few = sum(level.most <= MOST_WEIGHED for level in some)
        return [level for level in some[max(few - 1, 0) :] if not self._surely_many(level)]

    def _surely_many(self, level: Level) -> bool:
        alone = len(self.needed) == 1 and (self.loosely or not self._strictly(level.meets))
        return alone and level.least > MOST_WEIGHED

    def _counts(
        self, some: Sequence[Level], counted: Sequence[Level], answers: Sequence[Mapping[str, Any]]
    ) -> list[int]:
        """Return how many services are on each level; of those not counted, only whether they are many."""
        found = {level.condition: int(one["totalHits"]) for level, one in zip(counted, answers, strict=False)}
        many = MOST_WEIGHED + 1
        return [found.get(one.condition, many if self._surely_many(one) else 0) for one in some]

    def _score(self, hit: Mapping[str, Any]) -> float:
        score = sum(unit.score(hit) for unit in self.units if self.loosely or unit.words or unit.phrase)
        if self.loosely:
            score += self.near.get(hit["id"], 0.0)
        if self.titled:
            for section, bonus in COMPLETE.items():
                there = set(hit[f"{section}_stems"])
                if all(not there.isdisjoint(word.stems) for word in self.titled):
                    score += bonus
        return max(round(score, 6), LEAST_SCORE)

    # --- marks and counts

    def _wanted(self) -> Wanted:
        wanted = Wanted()
        wanted.stems.update(base for unit in self.units for other in unit.others for base in other)
        wanted.stems.update(piece for meant in self.meant for piece in meant.pieces)
        for meant in self.meant:
            wanted.words.add(meant.word.word)
            wanted.stems.update(meant.word.stems)
            wanted.stems.update(meant.word.parts)
            if meant.prefixed:
                wanted.prefixes.add(meant.word.word)
            if meant.ending is not None:
                wanted.endings.add(meant.word.word)
            if meant.nearly:
                wanted.nearly.add(meant.word.word)
        return wanted

    def _texts(self, found: Sequence[Found]) -> dict[UUID, dict[str, Any]]:
        if not self.meant or not found:
            return {}
        self._keep_texts([hit.id for hit in found])
        return self.read

    def _keep_texts(self, services: Sequence[UUID]) -> None:
        """Ask for the texts of these services, as far as they are not there yet."""
        ids = [str(id_) for id_ in services if id_ not in self.read]
        if not ids:
            return
        fields = ["id", "title", "partner", "topics", "description"]
        documents = self.server.documents(self.index, ids=ids, fields=fields, limit=len(ids))
        self.read |= {UUID(document["id"]): document for document in documents}

    def _highlights(self, texts: Mapping[str, Any] | None, wanted: Wanted) -> tuple[Highlight, ...]:
        if texts is None or "title" not in texts:
            return ()
        made = []
        for field, by_language in (
            ("title", texts["title"]),
            ("partner", {"": texts["partner"]}),
            ("topic", texts["topics"]),
            ("description", texts["description"]),
        ):
            for language in reading_order(by_language, self.query.language):
                cut = fragment(by_language[language][:LONGEST_MARKED], wanted)
                if cut is not None:
                    made.append(
                        Highlight(field=field, language=language or None, fragment=cut[0], ranges=cut[1])
                    )
                    break
        return tuple(made)

    def _facet_fields(self) -> dict[Facet, str]:
        names = {Facet.CAPACITY: "capacity", Facet.RESIDENCE_STATUS: "rules"}
        return {facet: names.get(facet, facet.value.lower()) for facet in sorted(self.query.facets)}

    def _facet_questions(self, condition: str) -> list[dict[str, Any]]:
        valid = every([condition, f"capacity_until >= {day_number(self.query.today)}"])
        return [
            self._counting(condition, facets=sorted(set(self._facet_fields().values()))),
            self._counting(valid, facets=["capacity"]),
        ]

    def _facets(
        self, counted: Mapping[str, Any], dated: Mapping[str, Any]
    ) -> dict[Facet, tuple[FacetCount, ...]]:
        made = {}
        for facet, field in self._facet_fields().items():
            counts: dict[str, int] = dict(counted["facetDistribution"].get(field, {}))
            if facet is Facet.CAPACITY:
                counts = dict(dated["facetDistribution"].get("capacity", {}))
                if unknown := counted["totalHits"] - sum(counts.values()):
                    counts[CapacityState.UNKNOWN.value] = unknown
            elif facet is Facet.RESIDENCE_STATUS:
                counts = self._by_status(counts)
            ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            made[facet] = tuple(FacetCount(value, number) for value, number in ordered[:MOST_FACET_VALUES])
        return made

    def _by_status(self, there: Mapping[str, int]) -> dict[str, int]:
        counts = {}
        for status in ResidenceStatus:
            fitting = self.judged.rules(Profile(status=status), self.query.today, Answer.FITS)
            if number := sum(there.get(key, 0) for key in fitting):
                counts[status.value] = number
        return counts


def _services(word: QueryWord, there: Mapping[Form, int]) -> int:
    """Return how many services have the word in its commonest form."""
    return max([there["words", word.word], *(there["stems", stem] for stem in word.stems)])


def _idf(state: State, services: int) -> float:
    return math.log(1 + max(state.services - services + 0.5, 0.0) / (services + 0.5))


def _rank(hit: Mapping[str, Any]) -> int:
    return Place(hit["assured"], hit["room"], hit["order"]).rank


def _value(hit: Mapping[str, Any], field: str, word: str) -> float:
    """Return what a field of a hit says of a word (see ``fields``); 0 if it has none."""
    entries = hit.get(field)
    if entries is None:
        return 0.0
    at = entries.find(f" {word}=")
    if at < 0:
        return 0.0
    at += len(word) + 2
    return float(entries[at : entries.index(" ", at)])


def _mask(hit: Mapping[str, Any], word: str) -> int:
    return int(_value(hit, places_field(word), word))


def _word_score(meant: Meant, hit: Mapping[str, Any]) -> float:
    """Return what a word of the query adds: as in ``search.queries``, exact words before resemblances."""
    word, idf = meant.word, meant.idf
    score = 0.0
    for stem in word.stems:
        score += idf[stem] * _value(hit, weights_field(stem), stem)
    if mask := _mask(hit, word.word):
        score += idf[word.word] * _AS_IS[mask >> 4]
    exact = score > 0
    if word.parts:
        values = [idf[part] * _value(hit, weights_field(part), part) for part in word.parts]
        exact = exact or all(values)
        score += PART_WEIGHT * sum(values)
    score += PART_WEIGHT * sum(
        idf[piece] * _value(hit, weights_field(piece), piece) for piece in meant.pieces
    )
    if not (meant.prefixed or meant.ending is not None or meant.nearly):
        return score
    if exact:
        score += EXACT_BONUS
    if meant.prefixed:
        sections = 0
        for entry in re.findall(
            f" {re.escape(word.word)}[^ =]*=([0-9]+)", hit.get(places_field(word.word), "")
        ):
            sections |= int(entry)
        score += _INEXACT[sections & 15]
    sections = 0
    for one in meant.nearly:
        sections |= _mask(hit, one)
    score += 0.5 * _INEXACT[sections & 15]
    if any(_mask(hit, one) for one in (meant.ending or ())[:MOST_ENDINGS]):
        score += ENDING_SCORE
    return score
