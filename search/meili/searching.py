"""One search on a Meilisearch server.

What is found, counted and left out is decided by filters on the same forms of words that the local index has,
so totals and facets are exact. The server has no scores that add up over words, so the weights of the words
come with the documents and are added here, as BM25 does; of more hits than can be paged through, those are
looked at that the server's own ranking, the rarest words and the titles put first.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from directory.eligibility import Profile
from directory.vocabulary import Answer, CapacityState, ResidenceStatus
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
    SearchUnavailable,
    cursor_at,
    mark,
)
from search.fields import SECTIONS
from search.local import LONGEST_MARKED, MOST_FACET_VALUES, reading_order
from search.meili.fields import Place, bucket
from search.meili.filters import (
    SERVICES,
    Judged,
    Known,
    but_not,
    conditions,
    either,
    every,
    is_any,
    is_one,
    misfits,
    needs_known,
    quoted,
)
from search.meili.server import Server
from search.queries import (
    COMPLETE,
    ENDING_SCORE,
    EXACT_BONUS,
    INEXACT,
    MANDATORY_WORDS,
    PART_WEIGHT,
    SHORT_SEARCH,
)
from search.text import QueryWord, Wanted, distance, fragment, query_words, typos_allowed

MOST_LOOKED_UP: Final = 60
"""How many words of the index count for a prefix, an ending or a typo of one word of a query."""

MOST_RARE: Final = 4
"""By how many of its rarest words the best of a very wide search are looked for."""

_NUMBERS: Final = {section: number for number, section in enumerate(SECTIONS)}


class Meant(NamedTuple):
    """A word of a query, and what of the index it means."""

    word: QueryWord
    idf: Mapping[str, float]
    prefixed: tuple[str, ...] | None
    ending: tuple[str, ...] | None
    nearly: tuple[str, ...]
    services: int
    """How many services have the word; none: it may be misspelt, or only a part of words."""

    @property
    def exact(self) -> str:
        """The condition that the word is there as asked."""
        return either([is_any("stems", self.word.stems), is_one("words", self.word.word)])

    @property
    def strict(self) -> str:
        """The condition that the word is met in any way."""
        made = [self.exact]
        if self.word.parts:
            made.append(every([is_one("stems", part) for part in self.word.parts]))
        if self.prefixed is not None:
            made.append(f"words STARTS WITH {quoted(self.word.word)}")
        if self.ending is not None:
            made.append(f"backwards STARTS WITH {quoted(self.word.word[::-1])}")
        if self.nearly:
            made.append(is_any("words", self.nearly))
        return either(made)

    @property
    def loose(self) -> str:
        """The condition that the word or a part of it is met."""
        if not self.word.parts:
            return self.strict
        return either([self.strict, is_any("stems", self.word.parts)])

    def forms(self) -> Iterable[str]:
        """Return the words of the index whose weights count."""
        yield self.word.word
        yield from self.word.stems
        yield from self.word.parts
        yield from self.prefixed or ()
        yield from self.ending or ()
        yield from self.nearly


class Found(NamedTuple):
    """A hit before its texts are read; ``fitting`` tells which part of the result it is in."""

    score: float
    rank: int
    id: UUID
    fitting: bool


class Search:
    """One search; ``known`` reads what conditions are judged on, as of a commit."""

    def __init__(
        self, server: Server, index: str, query: SearchQuery, known: Callable[[str], Judged]
    ) -> None:
        self.server = server
        self.index = index
        self.query = query
        self.after: Mark | None = mark(query) if query.after is not None else None
        self.words = query_words(query.text)
        self.nothing = bool(query.text.strip()) and not self.words
        self.known = known
        self.judged = Judged(Known())
        self.meant: list[Meant] = []
        self.needed: list[str] = []
        self.wrong: list[str] = []

    def result(self) -> SearchResult:
        """Return the answer."""
        query = self.query
        if self.nothing:
            self.server.searches([self._counting(SERVICES)])  # it answers, and its index is there
            return SearchResult(
                hits=(), total=0, fitting=0, more=False, facets=dict.fromkeys(query.facets, ())
            )
        self._prepare()
        relaxed = self.after.relaxed if self.after is not None else False
        parts = self._parts(relaxed)
        answers = self._asked(parts)
        total = sum(answer["totalHits"] for answer in answers)
        if total == 0 and not relaxed and self.after is None and self.meant:
            relaxed = True
            parts = self._parts(relaxed)
            answers = self._asked(parts)
            total = sum(answer["totalHits"] for answer in answers)
        found, more = self._page(parts, answers)
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
            fitting=answers[0]["totalHits"],
            more=more,
            facets=self._facets(self._everything(relaxed)),
            relaxed=relaxed and total > 0,
        )

    # --- what is asked for

    def _counting(self, condition: str, **more: Any) -> dict[str, Any]:
        """Return the search that counts, exactly, what meets a condition."""
        asked = {"indexUid": self.index, "q": "", "filter": condition, "page": 1, "hitsPerPage": 0}
        return asked | {"attributesToRetrieve": ["id"]} | more

    def _listing(self, condition: str, number: int) -> dict[str, Any]:
        return self._counting(condition, hitsPerPage=number, attributesToRetrieve=self._fields())

    def _fields(self) -> list[str]:
        if not self.meant:
            return ["id", "assured", "room", "order"]
        spread = {bucket(form) for meant in self.meant for form in meant.forms()}
        return ["id", "assured", "room", "order", "title_stems", "name_stems", *sorted(spread)]

    def _prepare(self) -> None:
        """Ask what the index knows of the query's words, and build the conditions."""
        query = self.query
        forms: dict[tuple[str, str], None] = {}
        for word in self.words:
            forms["words", word.word] = None
            for form in (*word.stems, *word.parts):
                forms["stems", form] = None
        asked = [
            self._counting('id = "position"', hitsPerPage=1, attributesToRetrieve=["tick"]),
            self._counting(SERVICES),
            *(self._counting(is_one(field, form)) for field, form in forms),
        ]
        kept, counted, *counts = self.server.searches(asked)
        if not kept["hits"]:
            raise SearchUnavailable("there is no whole index")
        there = dict(zip(forms, (int(count["totalHits"]) for count in counts), strict=True))
        services = int(counted["totalHits"])
        self.meant = [self._meant(word, there, services) for word in self.words]
        if needs_known(query.filters, query.situation) or Facet.RESIDENCE_STATUS in query.facets:
            self.judged = self.known(kept["hits"][0]["tick"])
        self.needed = [SERVICES, *conditions(query.filters, self.judged)]
        self.wrong = misfits(query.situation, self.judged) if query.situation is not None else []

    def _meant(self, word: QueryWord, there: Mapping[tuple[str, str], int], services: int) -> Meant:
        count = max([there["words", word.word], *(there["stems", stem] for stem in word.stems)])
        idf = {
            form: math.log(1 + (services - n + 0.5) / (n + 0.5))
            for form, n in (
                (word.word, there["words", word.word]),
                *((form, there["stems", form]) for form in (*word.stems, *word.parts)),
            )
        }
        prefixed: tuple[str, ...] | None = None
        ending: tuple[str, ...] | None = None
        nearly: tuple[str, ...] = ()
        if (word.last or not count) and len(word.word) >= (4 if count else 3):
            prefixed = ()
        typos = typos_allowed(word.word) if not count else 0
        if prefixed is not None or typos:
            alike = self._look_up("words", word.word)
            if prefixed is not None:
                prefixed = tuple(one for one in alike if one.startswith(word.word))[:MOST_LOOKED_UP]
            if typos:
                nearly = tuple(one for one in alike if distance(one, word.word, typos) <= typos)
                nearly = nearly[:MOST_LOOKED_UP]
        if not count and len(word.word) >= 5:
            back = word.word[::-1]
            alike = self._look_up("backwards", back)
            ending = tuple(one[::-1] for one in alike if one.startswith(back))[:MOST_LOOKED_UP]
        return Meant(word, idf, prefixed, ending, nearly, count)

    def _look_up(self, field: str, start: str) -> list[str]:
        """Return words of the index that begin like this, give or take typos; the commonest first."""
        asked = {"facetName": field, "facetQuery": start}
        answer = self.server.ask(f"indexes/{self.index}/facet-search", asked)
        return [hit["value"] for hit in sorted(answer["facetHits"], key=lambda hit: -hit["count"])]

    def _everything(self, relaxed: bool) -> str:
        whole = every([*self.needed, *self._by_words(relaxed)])
        return but_not(whole, self.wrong) if self.query.only_fitting else whole

    def _by_words(self, relaxed: bool) -> list[str]:
        if not self.meant:
            return []
        if relaxed or len(self.meant) > MANDATORY_WORDS:
            return [either([meant.loose for meant in self.meant])]
        return [meant.strict for meant in self.meant]

    def _parts(self, relaxed: bool) -> list[tuple[bool, str]]:
        """Return the conditions of what may fit, and of what is known not to."""
        whole = every([*self.needed, *self._by_words(relaxed)])
        parts = [(True, but_not(whole, self.wrong))]
        if self.wrong and not self.query.only_fitting:
            parts.append((False, every([whole, either(self.wrong)])))
        return parts

    def _asked(self, parts: Sequence[tuple[bool, str]]) -> list[dict[str, Any]]:
        """Return how many services each part has, and (with words) those that are looked at."""
        if not self.meant:
            return self.server.searches([self._counting(part) for _, part in parts])
        return self.server.searches([self._listing(part, DEEPEST) for _, part in parts])

    # --- pages

    def _page(
        self, parts: Sequence[tuple[bool, str]], answers: Sequence[Mapping[str, Any]]
    ) -> tuple[list[Found], bool]:
        """Return the hits of the page: first those that may fit, then those that are known not to."""
        seen = self.after.seen if self.after is not None else 0
        room = min(self.query.first, DEEPEST - seen)
        found: list[Found] = []
        for (fitting, part), answer in zip(parts, answers, strict=True):
            after = self.after
            if after is not None and after.fitting != fitting:
                if fitting:
                    continue  # the cursor is beyond this part
                after = None
            if len(found) <= room:
                number = room + 1 - len(found)
                if self.meant:
                    found += self._by_score(part, answer, fitting, after, number)
                else:
                    found += self._by_rank(part, fitting, after, number)
        return found[:room], len(found) > room and seen + room < DEEPEST

    def _by_rank(self, part: str, fitting: bool, after: Mark | None, number: int) -> list[Found]:
        if after is not None:
            at = Place.of_rank(after.rank)
            same_day = every([f"assured = {at.assured}", f"room < {at.room}"])
            same = every([f"assured = {at.assured}", f"room = {at.room}", f"order > {at.order}"])
            part = every([part, either([f"assured < {at.assured}", same_day, same])])
        (answer,) = self.server.searches([self._listing(part, number)])
        return [Found(1.0, _rank(hit), UUID(hit["id"]), fitting) for hit in answer["hits"]]

    def _by_score(
        self, part: str, answer: Mapping[str, Any], fitting: bool, after: Mark | None, number: int
    ) -> list[Found]:
        """Return hits by (score, rank)."""
        hits = {hit["id"]: hit for hit in answer["hits"]}
        if answer["totalHits"] > len(hits):
            hits |= self._best_of_many(part)
        ordered = sorted((-self._score(hit), _rank(hit), hit["id"]) for hit in hits.values())
        first = 0
        if after is not None:
            # Scores move when others change, so the hit itself is the better mark, if it is still there.
            marked = (place for place, (_, rank, _) in enumerate(ordered, 1) if rank == after.rank)
            first = next(marked, bisect_right(ordered, (-after.score, after.rank, "~")))
        return [
            Found(-score, rank, UUID(id_), fitting) for score, rank, id_ in ordered[first : first + number]
        ]

    def _best_of_many(self, part: str) -> dict[str, dict[str, Any]]:
        """Return those of too many hits that can be the best: by Meilisearch, by rare words, by title."""
        rarest = sorted((meant for meant in self.meant if meant.services), key=lambda meant: meant.services)
        by_title = every([part, *(is_any("title_stems", meant.word.stems) for meant in self.meant)])
        lists = [
            {**self._listing(part, DEEPEST), "q": self.query.text, "matchingStrategy": "last"},
            self._listing(by_title, DEEPEST),
            *(self._listing(every([part, meant.exact]), DEEPEST) for meant in rarest[:MOST_RARE]),
        ]
        return {hit["id"]: hit for answer in self.server.searches(lists) for hit in answer["hits"]}

    def _score(self, hit: Mapping[str, Any]) -> float:
        weight, where = _weights(hit)
        score = sum(_word_score(meant, weight, where) for meant in self.meant)
        if len(self.meant) <= SHORT_SEARCH:
            for section, bonus in COMPLETE.items():
                there = set(hit[f"{section}_stems"])
                if all(not there.isdisjoint(meant.word.stems) for meant in self.meant):
                    score += bonus
        return round(score, 6)

    # --- marks and counts

    def _wanted(self) -> Wanted:
        wanted = Wanted()
        for meant in self.meant:
            wanted.words.add(meant.word.word)
            wanted.stems.update(meant.word.stems)
            wanted.stems.update(meant.word.parts)
            if meant.prefixed is not None:
                wanted.prefixes.add(meant.word.word)
            if meant.ending is not None:
                wanted.endings.add(meant.word.word)
            if not meant.services and typos_allowed(meant.word.word):
                wanted.nearly.add(meant.word.word)
        return wanted

    def _texts(self, found: Sequence[Found]) -> dict[UUID, dict[str, Any]]:
        if not self.meant or not found:
            return {}
        fields = ["id", "title", "partner", "topics", "description"]
        ids = [str(hit.id) for hit in found]
        documents = self.server.documents(self.index, ids=ids, fields=fields, limit=len(ids))
        return {UUID(document["id"]): document for document in documents}

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

    def _facets(self, condition: str) -> dict[Facet, tuple[FacetCount, ...]]:
        facets = sorted(self.query.facets)
        if not facets:
            return {}
        today = self.query.today
        names = {Facet.CAPACITY: "capacity", Facet.RESIDENCE_STATUS: "rules"}
        fields = {facet: names.get(facet, facet.value.lower()) for facet in facets}
        valid = every([condition, f"capacity_until >= {day_number(today)}"])
        counted, dated = self.server.searches(
            [
                self._counting(condition, facets=sorted(set(fields.values()))),
                self._counting(valid, facets=["capacity"]),
            ]
        )
        made = {}
        for facet in facets:
            counts: dict[str, int] = dict(counted["facetDistribution"].get(fields[facet], {}))
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


def _rank(hit: Mapping[str, Any]) -> int:
    return Place(hit["assured"], hit["room"], hit["order"]).rank


def _weights(hit: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, int]]:
    """Return what stems count for in a service, and where its words stand (see ``fields.bucket``)."""
    weight: dict[str, float] = {}
    where: dict[str, int] = {}
    for name, entries in hit.items():
        if name[0] == "w" and name[1:].isdigit():
            for entry in entries.split(" "):
                word, equals, number = entry.rpartition("=")
                if equals:
                    weight[word] = float(number)
                else:
                    word, _, number = entry.rpartition(":")
                    where[word] = int(number)
    return weight, where


def _word_score(meant: Meant, weight: Mapping[str, float], where: Mapping[str, int]) -> float:
    """Return what a word of the query adds: as in ``search.queries``, exact words before resemblances."""
    word, idf = meant.word, meant.idf
    score = sum(idf[stem] * weight.get(stem, 0.0) for stem in word.stems)
    mask = where.get(word.word, 0)
    score += sum(idf[word.word] * SECTIONS[name][0] for name, n in _NUMBERS.items() if mask >> (n + 4) & 1)
    exact = score > 0
    if word.parts:
        pieces = [idf[part] * weight.get(part, 0.0) for part in word.parts]
        exact = exact or all(pieces)
        score += PART_WEIGHT * sum(pieces)
    looks = meant.prefixed is not None or meant.ending is not None or bool(meant.nearly)
    if not looks:
        return score
    if exact:
        score += EXACT_BONUS
    for alike, factor in ((meant.prefixed, 1.0), (meant.nearly, 0.5)):
        sections = 0
        for one in alike or ():
            sections |= where.get(one, 0)
        score += factor * sum(INEXACT[name] for name, n in _NUMBERS.items() if sections >> n & 1)
    if any(one in where for one in meant.ending or ()):
        score += ENDING_SCORE
    return score
