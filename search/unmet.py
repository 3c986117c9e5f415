"""Searches that found nothing, counted without words, profiles or people: where the network has gaps.

A search that finds no service with all its words is counted once per person and month in each cell that it
names: by kind, by topic, by language, by topic and language; each with the district. It counts as NOTHING
where nothing was found, as NEARLY where only services with some of the words were. Only words that are the
network's own are kept: codes of topics, kinds, known languages, keys of districts; what somebody typed helps
to tell the topic and is forgotten. Nothing of a profile (``Situation``) is looked at. Who asked is forgotten
too: so that one person who tries ten times counts once, whichever processes of whichever hosts they reach, a
few bits of a keyed hash of who and of the cell are kept until the month is over (``UnmetMark``).

What leaves is a calendar quarter that is over, of the own district, above thresholds (DESIGN 7).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec
from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import SYSTEM, Actor
from directory.database import Database, seen
from directory.models import Municipality
from directory.problems import InvalidInput
from search.engine import Filters, Vocabulary
from search.lexicon import LANGUAGE_NAMES
from search.models import UnmetMark, UnmetSearch
from search.policy import must_plan
from search.text import query_words, stem

LEAST_SEARCHES: Final = 5
"""A cell of fewer is hidden (DESIGN 7); others are rounded to it."""

MOST_VALUES: Final = 3
"""Of each thing that a search names so many values count; who ticks more is looking around."""

MOST_CELLS: Final = 5_000
MOST_REMEMBERED: Final = 200_000
"""What a process keeps in memory at most; beyond, nothing is counted until the next round, or month."""

MARK_BITS: Final = 20
"""A search is one of a million marks: of 10,000 searches counted in a month, a hundredth shares one."""

FIRST_YEAR: Final = 2020


class UnmetOutcome(StrEnum):
    """What was found: nothing, or only services with some of the words."""

    NOTHING = "NOTHING"
    NEARLY = "NEARLY"


class UnmetBreakdown(StrEnum):
    """The fixed tables of the report; there are no others, so that no two can be set against each other."""

    KIND = "KIND"
    TOPIC = "TOPIC"
    LANGUAGE = "LANGUAGE"
    TOPIC_AND_LANGUAGE = "TOPIC_AND_LANGUAGE"


class Cell(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A cell of a table in a month; an empty value means "of no known one"."""

    month: date
    district: str
    breakdown: UnmetBreakdown
    kind: str = ""
    topic: str = ""
    language: str = ""
    outcome: UnmetOutcome


Places: TypeAlias = Mapping[str, str]
"""The districts of the network: key with five digits, of each municipality that keeps a directory."""


def district_of(key: str | None, known: Iterable[str]) -> str:
    """Return the district (five digits) of an official key, if it is one of the network's; else ""."""
    district = (key or "")[:5]
    return district if len(district) == 5 and district in set(known) else ""


def topics_meant(words: str, vocabulary: Vocabulary) -> list[str]:
    """Return the topics that a search names: those of which a label or a synonym has only words of it.

    >>> from search.engine import TopicWords
    >>> topics_meant("Sprachkurs für Eltern", Vocabulary({"course": TopicWords({"de": "Sprachkurs"})}))
    ['course']
    """
    typed = {form for word in query_words(words) for form in (word.word, *word.stems)}
    if not typed:
        return []
    found: dict[str, int] = {}
    for code, spoken in vocabulary.topics.items():
        texts = [*spoken.labels.values(), *(one for many in spoken.synonyms.values() for one in many)]
        for label in texts:
            asked = query_words(label)
            if asked and all(typed & {word.word, stem(word.word), *word.stems} for word in asked):
                found[code] = max(found.get(code, 0), len(asked))
    return sorted(found, key=lambda code: (-found[code], code))


def cells_of(
    filters: Filters, words: str, vocabulary: Vocabulary, *, month: date, district: str, outcome: UnmetOutcome
) -> list[Cell]:
    """Return the cells that a search without a hit is counted in; only values that the network knows."""
    kinds = [kind.value for kind in filters.kinds][:MOST_VALUES]
    chosen = [code for code in filters.topics if code in vocabulary.topics]
    topics = (chosen or topics_meant(words, vocabulary))[:MOST_VALUES] or [""]
    tags = dict.fromkeys(tag.split("-")[0].lower() for tag in filters.languages)
    languages = [tag for tag in tags if tag in LANGUAGE_NAMES][:MOST_VALUES]
    made = [
        *((UnmetBreakdown.KIND, kind, "", "") for kind in kinds),
        *((UnmetBreakdown.TOPIC, "", topic, "") for topic in topics),
        *((UnmetBreakdown.LANGUAGE, "", "", language) for language in languages),
        *(
            (UnmetBreakdown.TOPIC_AND_LANGUAGE, "", topic, language)
            for topic in topics
            for language in languages
            if topic
        ),
    ]
    return [
        Cell(
            month=month,
            district=district,
            breakdown=breakdown,
            kind=kind,
            topic=topic,
            language=language,
            outcome=outcome,
        )
        for breakdown, kind, topic, language in dict.fromkeys(made)
    ]


class Tally:
    """Counts in memory until they are written; one per process, for its event loop.

    ``key`` hashes who searched: secret, and the same in every process, so that a person counts once between
    them all. What was not written when a process is killed is not counted.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(32) if key is None else key
        self._counts: dict[Cell, list[int]] = {}
        self._month = date.min
        self._counted: set[int] = set()

    def _mark(self, cell: Cell, who: str) -> int:
        told = msgspec.json.encode([who, cell])
        digest = hashlib.blake2b(told, key=self._key, person=b"unmet", digest_size=4).digest()
        return int.from_bytes(digest) >> (32 - MARK_BITS)

    def note(self, cells: Sequence[Cell], who: str) -> None:
        """Count a search of somebody; what they searched before in this month is not counted again."""
        for cell in cells:
            if cell.month != self._month:
                self._month = cell.month
                self._counted.clear()
            mark = self._mark(cell, who)
            if mark in self._counted or len(self._counted) >= MOST_REMEMBERED:
                continue
            if cell not in self._counts and len(self._counts) >= MOST_CELLS:
                continue
            self._counted.add(mark)
            self._counts.setdefault(cell, []).append(mark)

    async def write(self, database: Database) -> int:
        """Add what no process has counted yet to the table, in one statement; return how many cells.

        What could not be written is kept for the next time. Raises Unavailable.
        """
        counts, self._counts = self._counts, {}
        if not counts:
            return 0
        rows = [
            {**msgspec.to_builtins(cell), "bucket": mark} for cell, marks in counts.items() for mark in marks
        ]
        try:
            async with database.work(SYSTEM) as work:
                await work.session.execute(_ADD, {"rows": msgspec.json.encode(rows).decode()})
        except BaseException:
            for cell, marks in counts.items():
                self._counts.setdefault(cell, []).extend(marks)
            raise
        return len(counts)


# Marks and cells both in order, the marks first: two processes never wait for each other in a circle.
_ADD: Final = text(
    "WITH told AS (SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v(month date, district text,"
    "  breakdown text, kind text, topic text, language text, outcome text, bucket integer)),"
    " fresh AS (INSERT INTO unmet_mark (month, bucket)"
    "  SELECT DISTINCT month, bucket FROM told ORDER BY month, bucket"
    "  ON CONFLICT DO NOTHING RETURNING month, bucket)"
    " INSERT INTO unmet_search AS u"
    "  (month, district, breakdown, kind, topic, language, outcome, searches)"
    " SELECT month, district, breakdown, kind, topic, language, outcome, count(*)"
    " FROM told JOIN fresh USING (month, bucket) GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7"
    " ON CONFLICT (month, district, breakdown, kind, topic, language, outcome)"
    " DO UPDATE SET searches = u.searches + excluded.searches"
)


async def sweep_marks(session: AsyncSession, today: date) -> int:
    """Delete the marks of months that are over, a day later, when no process has any left to write; count."""
    over = (today - timedelta(days=1)).replace(day=1)
    gone = await session.scalars(delete(UnmetMark).where(UnmetMark.month < over).returning(UnmetMark.bucket))
    return len(gone.all())


# --- what leaves


class UnmetCount(msgspec.Struct, frozen=True, kw_only=True):
    """A cell that may be shown; ``searches`` rounded to 5, ``None`` for "of no known" value."""

    kind: str | None
    topic: str | None
    language: str | None
    outcome: UnmetOutcome
    searches: int


class UnmetReport(msgspec.Struct, frozen=True, kw_only=True):
    """A table of a quarter: the cells that may be shown, the most frequent first.

    ``hidden``: there are cells that may not be shown, which are not zero. ``district``: the own one.
    """

    since: date
    until: date
    district: str
    breakdown: UnmetBreakdown
    cells: tuple[UnmetCount, ...]
    hidden: bool


Counted: TypeAlias = tuple[str, str, str, UnmetOutcome, int]


def disclosed(cells: Sequence[Counted]) -> list[Counted]:
    """Return the cells that may be shown, rounded.

    Hidden are those below the threshold, and beside a single hidden one of a topic (or of a language) the
    smallest of that topic (language), so that no hidden cell follows from a total that another table shows.
    """
    shown = [cell for cell in cells if cell[4] >= LEAST_SEARCHES]
    gone = [cell for cell in cells if cell[4] < LEAST_SEARCHES]
    changed = True
    while changed:
        changed = False
        for axis in (1, 2):
            for value in {cell[axis] for cell in gone if cell[1] and cell[2]}:
                # of one outcome: the tables count them apart
                for outcome in UnmetOutcome:
                    hidden = [c for c in gone if c[axis] == value and c[3] is outcome]
                    left = [c for c in shown if c[axis] == value and c[3] is outcome]
                    if len(hidden) == 1 and left:
                        smallest = min(left, key=lambda c: (c[4], c[:3]))
                        shown.remove(smallest)
                        gone.append(smallest)
                        changed = True
    step = LEAST_SEARCHES
    rounded = [(*cell[:4], max(step, step * ((cell[4] + step // 2) // step))) for cell in shown]
    return sorted(rounded, key=lambda cell: (-cell[4], cell[:4]))


def quarter(year: int, number: int) -> tuple[date, date]:
    """Return the first day of a quarter and the day after its last; raises InvalidInput."""
    if not FIRST_YEAR <= year < 2250:
        raise InvalidInput("year", "out-of-range", minimum=str(FIRST_YEAR), maximum="2249")
    if not 1 <= number <= 4:
        raise InvalidInput("quarter", "out-of-range", minimum="1", maximum="4")
    since = date(year, 3 * number - 2, 1)
    return since, date(year + 1, 1, 1) if number == 4 else date(year, 3 * number + 1, 1)


async def unmet_searches(
    session: AsyncSession, actor: Actor, today: date, year: int, number: int, breakdown: UnmetBreakdown
) -> UnmetReport:
    """Return one table of a quarter that is over, for the own district; the reading is recorded.

    The same question always gets the same answer. Three statements. Raises InvalidInput for a quarter that is
    not over (its figures would still move), NotSignedIn and NotAllowed.
    """
    must_plan(actor)
    since, until = quarter(year, number)
    if today < until:
        raise InvalidInput("quarter", "not-over")
    key = await session.scalar(select(Municipality.ars).where(Municipality.id == actor.municipality_id))
    district = (key or "")[:5]
    rows = await session.execute(
        select(
            UnmetSearch.kind,
            UnmetSearch.topic,
            UnmetSearch.language,
            UnmetSearch.outcome,
            func.sum(UnmetSearch.searches),
        )
        .where(
            UnmetSearch.month >= since,
            UnmetSearch.month < until,
            UnmetSearch.district == district,
            UnmetSearch.breakdown == breakdown.value,
        )
        .group_by(UnmetSearch.kind, UnmetSearch.topic, UnmetSearch.language, UnmetSearch.outcome)
    )
    counted: list[Counted] = [(row[0], row[1], row[2], UnmetOutcome(row[3]), int(row[4])) for row in rows]
    cells = disclosed(counted)
    if actor.municipality_id is not None:
        told = {"quarter": f"{year}-{number}", "breakdown": breakdown.value}
        await seen(session, actor, "unmet_searches.read", "municipality", [actor.municipality_id], told)
    return UnmetReport(
        since=since,
        until=until,
        district=district,
        breakdown=breakdown,
        cells=tuple(
            UnmetCount(
                kind=kind or None,
                topic=topic or None,
                language=language or None,
                outcome=outcome,
                searches=searches,
            )
            for kind, topic, language, outcome, searches in cells
        ),
        hidden=len(cells) < len(counted),
    )
