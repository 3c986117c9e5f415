"""From words, filters and situations to tantivy queries over the fields of ``search.fields``.

User text never reaches a query parser: queries are built from our own tokens.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple, Protocol

from tantivy import FieldType, Occur, Query

from directory.courses import CourseFilter
from directory.eligibility import LEVELS, Profile, judge_rules, territory
from directory.vocabulary import Answer, CapacityState, Gender
from search.cells import Circle
from search.days import LAST_DAY, day_number
from search.engine import Filters, Near
from search.expansion import PHRASE_WEIGHT, Unit, share_of_each, weight_of_others
from search.fields import SCHEMA, SECTIONS, prefixes, rules_decoder
from search.matching import Situation
from search.meaning import LEAST_LIKENESS, Neighbour
from search.text import QueryWord, Wanted, pieces_within, typos_allowed

PART_WEIGHT: Final = 0.7
"""What a part of a compound in the query counts against the whole."""

INEXACT: Final = {"title": 0.2, "name": 0.12, "label": 0.12, "body": 0.06}
"""Constant scores of a prefix by where it stands; together no more than EXACT_BONUS. A typo has half."""

ENDING_SCORE: Final = 0.1
EXACT_BONUS: Final = 0.5
"""Added to words that are there as asked, so that prefixes and typos rank under them."""

COMPLETE: Final = {"title": 6.0, "name": 4.0}
"""Added where one of these has all words of a short search: who types a name looks for it."""

SHORT_SEARCH: Final = 4
"""How many words a short search has at most."""

MOST_JUDGED: Final = 64
"""How many people's judgements of an index's rule sets are kept at once."""


def with_term(field: str, value: str, option: str = "basic") -> Query:
    """Return the query for documents with this term."""
    return Query.term_query(SCHEMA, field, value, option)


def with_any(field: str, values: Sequence[str]) -> Query:
    """Return the query for documents with any of these terms."""
    return Query.term_set_query(SCHEMA, field, list(values))


def either(queries: Sequence[Query]) -> Query:
    """Return the query for documents that meet any of these; scores add up."""
    return Query.boolean_query([(Occur.Should, query) for query in queries])


def every(queries: Sequence[Query]) -> Query:
    """Return the query for documents that meet all of these; scores add up."""
    return Query.boolean_query([(Occur.Must, query) for query in queries])


def but_not(query: Query, unwanted: Sequence[Query]) -> Query:
    """Return the query for documents that meet one and none of the unwanted."""
    return Query.boolean_query([(Occur.Must, query), *((Occur.MustNot, one) for one in unwanted)])


def at_least(field: str, least: int) -> Query:
    """Return the query for documents with a number of at least this; those without a number are none."""
    return Query.range_query(SCHEMA, field, FieldType.Integer, least, None)


def at_most(field: str, most: int) -> Query:
    """Return the query for documents with a number of at most this; those without a number are none."""
    return Query.range_query(SCHEMA, field, FieldType.Integer, None, most)


SERVICES: Final = but_not(Query.all_query(), [with_term("meta", "position")])
"""Every document but the one that keeps the position."""


def known_capacity(states: Sequence[str], day: date) -> Query:
    """Return the query for documents whose capacity is known to be one of these on a day."""
    return every([with_any("capacity", states), at_least("capacity_until", day_number(day))])


def _by_rules(known: Known, person: Profile, day: date, answer: Answer) -> Query:
    return with_any("rules", known.rule_sets().with_answer(person, day, answer))


def _no_run(runs: Sequence[str]) -> Query:
    """Return the query for courses that none of these runs is of, though all their runs are listed."""
    return but_not(with_term("course", "dated"), [with_any("run", runs)])


def _not_in_course(wanted: CourseFilter, known: Known) -> list[Query]:
    """Return what is known to differ from the wanted course."""
    different: list[Query] = []
    if wanted.level_from is not None:
        different.append(at_least("level_from", LEVELS[wanted.level_from] + 1))
    if wanted.level_to is not None:
        different.append(at_most("level_to", LEVELS[wanted.level_to] - 1))
    if not (wanted.starts_after is wanted.ends_before is wanted.bookable_on is None):
        different.append(
            _no_run(
                known.runs().among(
                    begins_from=max(
                        (day for day in (wanted.starts_after, wanted.bookable_on) if day is not None),
                        default=None,
                    ),
                    apply_from=wanted.bookable_on,
                    ends_until=wanted.ends_before,
                    full=wanted.bookable_on is None,
                )
            )
        )
    if wanted.childcare is not None:
        different.append(with_term("course_childcare", "no" if wanted.childcare else "yes"))
    if wanted.women_only is not None:
        different.append(with_term("course_women_only", "no" if wanted.women_only else "yes"))
    if wanted.format is not None:
        # HYBRID is on site and online, so it differs from neither.
        others = {"ON_SITE", "ONLINE", "HYBRID"} - {wanted.format, "HYBRID"}
        different.append(with_any("course_format", sorted(others)))
    if wanted.access:
        different.append(
            but_not(with_term("course", "access"), [with_any("course_access", sorted(wanted.access))])
        )
    if wanted.exam is not None:
        part = wanted.exam.strip().casefold()
        other = [exam for exam in known.terms("course_exam") if part not in exam]
        different.append(with_any("course_exam", other))
    if wanted.cost_at_most is not None:
        different.append(at_least("course_cost", wanted.cost_at_most + 1))
    return different


def misfits(situation: Situation, known: Known) -> list[Query]:
    """Return what is known not to fit a situation: the same rules as ``search.matching``, as queries."""
    wrong: list[Query] = []
    wrong.append(_by_rules(known, situation.profile, situation.on, Answer.DOES_NOT_FIT))
    if situation.residence is not None:
        home = territory(situation.residence)
        right = [f"covers:{prefix}" for prefix in prefixes(home)]
        wrong.append(but_not(with_term("duty", "by-residence"), [with_any("duty", [*right, f"part:{home}"])]))
    for level in (situation.level, situation.wished_level):
        if level is not None:
            wrong += [at_least("level_from", LEVELS[level] + 1), at_most("level_to", LEVELS[level] - 1)]
    can_start = situation.on
    if situation.starts_from is not None:
        can_start = max(can_start, situation.starts_from)
    wrong.append(
        _no_run(
            known.runs().among(
                begins_from=can_start, apply_from=situation.on, ends_until=situation.status_valid_until
            )
        )
    )
    if situation.childcare:
        wrong.append(with_term("course_childcare", "no"))
    if situation.women_only:
        wrong.append(with_term("course_women_only", "no"))
    if situation.gender is Gender.MAN:
        wrong.append(with_term("course_women_only", "yes"))
    if situation.occupation is not None:
        competent = with_term("occupation", f"esco:{situation.occupation}")
        wrong.append(but_not(with_term("occupation", "some"), [competent]))
    if situation.place_needed:
        full = known_capacity([CapacityState.NONE], situation.on)
        wrong.append(every([full, with_term("full", "no-waiting-list")]))
    return wrong


class RuleSets:
    """The different rule sets of an index; few, so that each is judged once for all services that have it."""

    def __init__(self, terms: Sequence[str]) -> None:
        self._sets = [(term, rules_decoder.decode(term)) for term in terms]
        self._judged: dict[tuple[Profile, date], dict[Answer, list[str]]] = {}

    def with_answer(self, person: Profile, day: date, answer: Answer) -> list[str]:
        """Return the terms of the rule sets that give this answer for a person on a day."""
        judged = self._judged.get((person, day))
        if judged is None:
            judged = {one: [] for one in Answer}
            for term, rules in self._sets:
                judged[judge_rules(rules, person, day).answer].append(term)
            if len(self._judged) >= MOST_JUDGED:
                self._judged.clear()
            self._judged[person, day] = judged
        return judged[answer]


class Runs:
    """The different runs of courses in an index, the one that begins first before the others."""

    def __init__(self, terms: Sequence[str]) -> None:
        self._runs: list[tuple[int, int, int, bool, str]] = []
        for term in terms:
            begins, apply_by, ends, full = map(int, term.split("."))
            self._runs.append((begins, apply_by, ends, bool(full), term))
        self._runs.sort()
        self._begins = [run[0] for run in self._runs]

    def among(
        self,
        *,
        begins_from: date | None,
        apply_from: date | None,
        ends_until: date | None,
        full: bool = True,
    ) -> list[str]:
        """Return the terms of the runs that are not known to differ; ``full``: also those that are full."""
        first = 0 if begins_from is None else bisect_left(self._begins, day_number(begins_from))
        apply = 0 if apply_from is None else day_number(apply_from)
        until = LAST_DAY if ends_until is None else day_number(ends_until)
        return [
            term
            for _, apply_by, ends, is_full, term in self._runs[first:]
            if apply_by >= apply and ends <= until and (full or not is_full)
        ]


class Known(Protocol):
    """What the building of a query asks the index."""

    def terms(self, field: str) -> Sequence[str]:
        """Return the different terms of a field."""

    def rule_sets(self) -> RuleSets:
        """Return the rule sets of this state."""

    def runs(self) -> Runs:
        """Return the runs of courses of this state."""

    def has(self, field: str, word: str) -> bool:
        """Whether any document has this word in this field."""

    def circle(self, near: Near) -> Circle:
        """Return what of this state lies in a circle."""


class Compiled(NamedTuple):
    """The words of a query: what hits must have at first, what when there are none; and what to mark."""

    first: Query
    relaxed: Query
    wanted: Wanted


def compile_words(
    units: Sequence[Unit], known: Known, near: Sequence[Neighbour] = (), *, question: bool = False
) -> Compiled:
    """Build the query of own tokens: exact forms and other names, and where neither is known what resembles.

    Of a word and its other names the best counts, so that who has all of them is no better than who has one.
    A ``question`` needs none of its words; it, and a search that finds nothing, also finds what is ``near``
    in meaning.
    """
    wanted = Wanted()
    strict: list[Query] = []
    relaxed: list[Query] = []
    phrases: list[Query] = []
    for unit in units:
        there = {word.word: _is_there(word, known) for word in unit.words}
        guess_again = unit.guessed and any(there.values())
        others = [
            other
            for other in (() if guess_again else unit.others)
            if all(_any_section(known, "parts", base) for base in other)
        ]
        if not unit.words:
            if others:
                made_of = Query.disjunction_max_query([_named(other, unit.hint) for other in others])
                relaxed.append(made_of)
                phrases += [made_of] if unit.hint >= PHRASE_WEIGHT else []
                wanted.stems.update(base for other in others for base in other)
            continue
        named_so = bool(others) and not unit.guessed
        made = [_word(word, there[word.word], named_so, wanted, known) for word in unit.words]
        own = [Query.boost_query(one[0], word.weight) for one, word in zip(made, unit.words, strict=True)]
        loose = [Query.boost_query(one[1], word.weight) for one, word in zip(made, unit.words, strict=True)]
        whole = own[0] if len(own) == 1 else every(own)
        if not others:
            strict.append(whole)
            relaxed += loose
            continue
        for other in others:
            wanted.stems.update(other)
        weight = weight_of_others(unit, there=any(there.values()))
        named = [_named(other, weight) for other in others]
        strict.append(Query.disjunction_max_query([whole, *named]))
        relaxed.append(Query.disjunction_max_query([either(loose), *named]))
    words = wanted_in_titles(units)
    nearest = [
        Query.const_score_query(Query.term_query(SCHEMA, "rank", one.rank), one.points)
        for one in near
        if one.likeness >= LEAST_LIKENESS
    ]
    loosely = either([*relaxed, *_complete(words), *nearest])
    if question:
        return Compiled(loosely, loosely, wanted)
    # What words mean together is as good as the words.
    needed = [(Occur.Must, either([every(strict), *phrases]) if phrases else every(strict))]
    welcome = [(Occur.Should, query) for query in _complete(words)]
    return Compiled(Query.boolean_query([*needed, *welcome]), loosely, wanted)


def _named(name: Sequence[str], weight: float) -> Query:
    """Return the query for documents that have all stems of a name."""
    return Query.boost_query(every([either(_part(base)) for base in name]), weight * share_of_each(name))


def _any_section(known: Known, form: str, word: str) -> bool:
    return any(known.has(f"{section}_{form}", word) for section in SECTIONS)


def _is_there(word: QueryWord, known: Known) -> bool:
    """Whether any service has the word, as it is or in another form."""
    return _any_section(known, "any", word.word) or any(
        _any_section(known, "parts", base) for base in word.stems
    )


def _word(word: QueryWord, there: bool, named: bool, wanted: Wanted, known: Known) -> tuple[Query, Query]:
    """Return the query for a word, and the one for it or parts of it; ``named``: it has other names."""
    exact = _exact(word)
    wanted.words.add(word.word)
    wanted.stems.update(word.stems)
    more: list[Query] = []
    if (word.last or not there) and len(word.word) >= (4 if there else 3):
        more += _inexact(word.word, typos=0, weight=1.0)
        wanted.prefixes.add(word.word)
    if not there and not named:
        more += _unknown(word, wanted)
    whole = [either(exact)]
    if word.parts:
        # All parts of a compound, in whatever compounds or words they stand, are as good as it.
        parts = every([either(_part(part)) for part in word.parts])
        whole.append(Query.boost_query(parts, PART_WEIGHT))
        wanted.stems.update(word.parts)
    if more:
        whole += [Query.const_score_query(either(whole), EXACT_BONUS), *more]
    within = word.parts
    if not there and not any(_any_section(known, "parts", part) for part in within[-1:]):
        within = (*within, *pieces_within(word.word, lambda piece: _any_section(known, "parts", piece)))
    wanted.stems.update(within)
    pieces = [Query.boost_query(query, PART_WEIGHT) for part in within for query in _part(part)]
    return either(whole), either([*whole, *pieces])


def _exact(word: QueryWord) -> list[Query]:
    made: list[Query] = []
    for section, (as_is, stems, parts) in SECTIONS.items():
        made.append(Query.boost_query(with_term(f"{section}_words", word.word, "freq"), as_is))
        for base in word.stems:
            made.append(Query.boost_query(with_term(f"{section}_stems", base, "freq"), stems))
            made.append(Query.boost_query(with_term(f"{section}_parts", base, "freq"), parts))
    return made


def _inexact(word: str, *, typos: int, weight: float) -> list[Query]:
    """Return what begins with a word (no typos), or is it with so many typos."""
    return [
        Query.const_score_query(
            Query.fuzzy_term_query(SCHEMA, f"{section}_any", word, typos, prefix=typos == 0), weight * score
        )
        for section, score in INEXACT.items()
    ]


def wanted_in_titles(units: Sequence[Unit]) -> list[QueryWord]:
    """Return the words that a title, or a partner's name, may have all of; none unless that tells something.

    Of a long search it does not, nor where a word means what it does by those around it: "darf ich arbeiten"
    is not meant by every title with "Arbeit".
    """
    words = [word for unit in units for word in unit.words]
    return words if len(words) <= SHORT_SEARCH and not any(unit.words and unit.hint for unit in units) else []


def _complete(words: Sequence[QueryWord]) -> list[Query]:
    """Return what has all the words in its title, or in its partner's name."""
    if not words:
        return []
    return [
        Query.const_score_query(
            every([with_any(f"{section}_parts", list(word.stems)) for word in words]), score
        )
        for section, score in COMPLETE.items()
    ]


def _part(part: str) -> list[Query]:
    return [
        Query.boost_query(with_term(f"{section}_parts", part, "freq"), weights[2])
        for section, weights in SECTIONS.items()
    ]


def _unknown(word: QueryWord, wanted: Wanted) -> list[Query]:
    """Return what a word that no document has may have meant: the end of compounds, or a word with typos."""
    made: list[Query] = []
    if len(word.word) >= 5:
        ends = Query.fuzzy_term_query(SCHEMA, "backwards", word.word[::-1], 0, prefix=True)
        made.append(Query.const_score_query(ends, ENDING_SCORE))
        wanted.endings.add(word.word)
    typos = typos_allowed(word.word)
    if typos:
        made += _inexact(word.word, typos=typos, weight=0.5)
        wanted.nearly.add(word.word)
    return made


def compile_filters(filters: Filters, known: Known) -> tuple[list[Query], list[Query]]:
    """Return what every hit must meet and must not meet; neither counts for the score."""
    must: list[Query] = []
    must_not: list[Query] = []
    for field, values in (
        ("kind", filters.kinds),
        ("topic_or_above", filters.topics),
        ("speaks", filters.languages),
        ("partner_kind", filters.partner_kinds),
    ):
        if values:
            must.append(with_any(field, [str(value) for value in values]))
    if filters.residence is not None:
        asked = filters.residence
        if asked.fits_only:
            must.append(_by_rules(known, Profile(status=asked.status), asked.on, Answer.FITS))
        else:
            must_not.append(_by_rules(known, Profile(status=asked.status), asked.on, Answer.DOES_NOT_FIT))
    if filters.municipality is not None:
        must.append(with_any("territory", [filters.municipality, territory(filters.municipality)]))
    if filters.near is not None:
        circle = known.circle(filters.near)
        must.append(either([with_any("cell", circle.cells), with_any("point", circle.places)]))
    if filters.open_capacity_on is not None:
        must.append(known_capacity([CapacityState.OPEN, CapacityState.FEW], filters.open_capacity_on))
    if filters.course is not None:
        must.append(with_term("course", "course"))
        must_not += _not_in_course(filters.course, known)
    return [Query.const_score_query(query, 0.0) for query in must], must_not
