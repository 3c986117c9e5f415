"""The port to search engines: what is asked, what comes back, and what a follower needs to keep one up.

Plain values and protocols; it knows no engine. The contract is tests/search/test_engine.py, which every
engine passes.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

import msgspec
import structlog

from directory.courses import CourseFilter, check_course_filter
from directory.documents import ServiceDocument
from directory.eligibility import is_municipality_key
from directory.problems import InvalidInput
from directory.vocabulary import (
    PartnerKind,
    ResidenceStatus,
    ServiceKind,
)
from search.matching import Situation
from search.meaning import Model
from search.text import MAXIMUM_CHARACTERS, MAXIMUM_WORDS, query_words

log = structlog.get_logger(__name__)

LARGEST_PAGE: Final = 100
DEEPEST: Final = 1_000
"""How many hits deep paging goes; whoever needs more narrows the search."""

MOST_VALUES: Final = 100
FARTHEST_KM: Final = 1_000.0
EARLIEST: Final = date(1900, 1, 1)
LATEST: Final = date(2250, 1, 1)


class SearchUnavailable(Exception):
    """No engine can answer now (its index is being built, or its server is away); try again later."""


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """Within a radius of a point, as the crow flies; degrees WGS 84."""

    latitude: float
    longitude: float
    radius_km: float


class ResidenceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Services whose rules do not exclude a status on a day; ``fits_only``: whose rules include it."""

    status: ResidenceStatus
    on: date
    fits_only: bool = False


class Filters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every hit must meet; several values of one filter mean any of them, several filters all.

    ``topics`` include the topics below them. ``languages``: offered, also through an interpreter, or
    interpreted by the service. ``municipality``: ARS or a prefix of it. ``open_capacity_on``: known to have
    room on that day.
    """

    kinds: tuple[ServiceKind, ...] = ()
    topics: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    partner_kinds: tuple[PartnerKind, ...] = ()
    residence: ResidenceFilter | None = None
    municipality: str | None = None
    near: Near | None = None
    open_capacity_on: date | None = None
    course: CourseFilter | None = None


class Facet(StrEnum):
    """What hits can be counted by; childcare and women only count "yes" and "no", where it is known."""

    KIND = "KIND"
    TOPIC = "TOPIC"
    LANGUAGE = "LANGUAGE"
    RESIDENCE_STATUS = "RESIDENCE_STATUS"
    MUNICIPALITY = "MUNICIPALITY"
    CAPACITY = "CAPACITY"
    COURSE_LEVEL = "COURSE_LEVEL"
    COURSE_FORMAT = "COURSE_FORMAT"
    COURSE_CHILDCARE = "COURSE_CHILDCARE"
    COURSE_WOMEN_ONLY = "COURSE_WOMEN_ONLY"
    PARTNER_KIND = "PARTNER_KIND"


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A search: words, filters, perhaps a person's situation, and a page of it.

    ``today`` is the day that facets of status and capacity are judged on. With a ``situation``, services that
    are known not to fit come after all others, or with ``only_fitting`` not at all. ``language`` is the
    caller's (BCP 47): the texts of highlights are chosen by it; ``highlights`` says whether any are wanted.
    ``after`` is the cursor of an earlier hit.
    """

    today: date
    text: str = ""
    language: str = "de"
    filters: Filters = Filters()
    situation: Situation | None = None
    only_fitting: bool = False
    facets: frozenset[Facet] = frozenset()
    highlights: bool = True
    first: int = 20
    after: str | None = None


class Highlight(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a field's text with the places that match; ranges count characters of the fragment.

    ``field`` is ``title``, ``partner``, ``topic`` or ``description``; ``language`` None: in no language.
    """

    field: str
    language: str | None
    fragment: str
    ranges: tuple[tuple[int, int], ...]


class SearchHit(msgspec.Struct, frozen=True, kw_only=True):
    """A service that was found; ``cursor`` continues after it. ``score`` compares within one search only."""

    id: UUID
    score: float
    cursor: str
    highlights: tuple[Highlight, ...] = ()


class FacetCount(msgspec.Struct, frozen=True):
    """How many of all hits have a value."""

    value: str
    count: int


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """A page of hits in order. ``total`` counts all hits, ``fitting`` those not known not to fit.

    ``relaxed``: no service has all words, these have some. ``degraded``: the first engine did not answer.
    """

    hits: tuple[SearchHit, ...]
    total: int
    fitting: int
    more: bool
    facets: Mapping[Facet, tuple[FacetCount, ...]]
    relaxed: bool = False
    degraded: bool = False


class Engine(Protocol):
    """Answers searches. Calls block; callers on an event loop use a thread."""

    name: str

    def search(self, query: SearchQuery) -> SearchResult:
        """Answer a checked query; raises SearchUnavailable when it cannot."""


class Vocabulary(msgspec.Struct, frozen=True):
    """The open vocabulary of topics: labels, words people use for them, and the topic above each."""

    topics: Mapping[str, TopicWords] = {}

    @property
    def fingerprint(self) -> str:
        """Short text that changes when the vocabulary does."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:16]

    def with_those_above(self, code: str) -> list[str]:
        """Return a topic's code and the codes of all topics above it."""
        found: list[str] = []
        step: str | None = code
        while step is not None and step not in found:
            found.append(step)
            words = self.topics.get(step)
            step = words.parent if words is not None else None
        return found


class TopicWords(msgspec.Struct, frozen=True):
    """What a topic is called, by language."""

    labels: Mapping[str, str]
    synonyms: Mapping[str, tuple[str, ...]] = {}
    parent: str | None = None


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far an index has come, stored in it with the documents: one commit.

    ``set_aside``: documents that could not be indexed, id to the kind of error.
    """

    feed: UUID
    sequence: int
    vocabulary: str
    set_aside: dict[UUID, str] = {}


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What a follower applies in one commit; ``forced``: also over equal or higher versions (a repair)."""

    documents: Sequence[ServiceDocument]
    removed: Sequence[UUID]
    position: Position
    forced: bool = False


class Rebuild(Protocol):
    """A new index that is being filled beside the one that serves."""

    def apply(self, batch: Batch) -> Mapping[UUID, str]:
        """Add documents; return those that could not be added, with the kind of error."""

    def finish(self) -> None:
        """Let the new index serve from now on, in one step."""

    def abandon(self) -> None:
        """Throw the new index away; the old one goes on serving."""


class FollowingEngine(Engine, Protocol):
    """An engine that a follower keeps up. One process at a time may write: whoever leads.

    ``meaning``: the model by which it also finds; its index is of the model, and made anew for another one.
    """

    meaning: Model | None

    def lead(self) -> bool:
        """Try to become, or stay, the one that writes; never waits, so it needs no thread."""

    def ask(self) -> None:
        """Ask the process that writes to step aside for this one; ask again until ``lead`` says yes."""

    def resign(self) -> None:
        """Let another process write."""

    def position(self) -> Position | None:
        """Return how far what searches see has come; None when there is no sound index."""

    def versions(self, ids: Sequence[UUID] | None = None) -> dict[UUID, int]:
        """Return the versions that are indexed, of these services or of all."""

    def apply(self, batch: Batch, vocabulary: Vocabulary) -> Mapping[UUID, str]:
        """Apply a batch in one commit with its position; an older version of a service changes nothing.

        Returns the documents that could not be indexed. Raises SearchUnavailable when the index is broken.
        """

    def rebuild(self, vocabulary: Vocabulary) -> Rebuild:
        """Begin a new index."""


def checked(query: SearchQuery) -> SearchQuery:
    """Return the query if everything in it is within bounds; raises InvalidInput naming the field."""
    if not 1 <= query.first <= LARGEST_PAGE:
        raise InvalidInput("first", "out-of-range", minimum="1", maximum=str(LARGEST_PAGE))
    if len(query.text) > MAXIMUM_CHARACTERS:
        raise InvalidInput("text", "too-long", maximum=str(MAXIMUM_CHARACTERS))
    if len(query_words(query.text)) > MAXIMUM_WORDS:
        raise InvalidInput("text", "too-many-words", maximum=str(MAXIMUM_WORDS))
    filters = query.filters
    for name, values in (
        ("kinds", filters.kinds),
        ("topics", filters.topics),
        ("languages", filters.languages),
        ("partnerKinds", filters.partner_kinds),
    ):
        if len(values) > MOST_VALUES:
            raise InvalidInput(f"filters.{name}", "too-many", maximum=str(MOST_VALUES))
        if any(len(value) > MAXIMUM_CHARACTERS for value in values):
            raise InvalidInput(f"filters.{name}", "too-long", maximum=str(MAXIMUM_CHARACTERS))
    if filters.municipality is not None:
        _check_territory(filters.municipality, "filters.municipality")
    _check_near(filters.near)
    if filters.course is not None:
        check_course_filter(filters.course, "filters.course")
    for name, day in _days(query):
        if day is not None and not EARLIEST <= day < LATEST:
            raise InvalidInput(name, "out-of-range", minimum=str(EARLIEST), maximum=str(LATEST))
    situation = query.situation
    if situation is not None:
        if situation.residence is not None:
            _check_territory(situation.residence, "situation.residence")
        if len(situation.languages) > MOST_VALUES:
            raise InvalidInput("situation.languages", "too-many", maximum=str(MOST_VALUES))
        if situation.occupation is not None and len(situation.occupation) > MAXIMUM_CHARACTERS:
            raise InvalidInput("situation.occupation", "too-long", maximum=str(MAXIMUM_CHARACTERS))
    if query.after is not None:
        mark(query)
    return query


def _check_territory(key: str, field: str) -> None:
    """Check an official regional key (ARS); the short key of a municipality (AGS) would match nothing."""
    if not re.fullmatch(r"[0-9]{2,12}", key):
        raise InvalidInput(field, "territory-key")
    if is_municipality_key(key):
        raise InvalidInput(field, "municipality-key")


def _check_near(near: Near | None) -> None:
    if near is None:
        return
    for name, value, least, most in (
        ("latitude", near.latitude, -90.0, 90.0),
        ("longitude", near.longitude, -180.0, 180.0),
        ("radiusKm", near.radius_km, 0.0, FARTHEST_KM),
    ):
        if not least <= value <= most:  # NaN is not within any bounds
            raise InvalidInput(f"filters.near.{name}", "out-of-range", minimum=str(least), maximum=str(most))


def _days(query: SearchQuery) -> list[tuple[str, date | None]]:
    filters, situation = query.filters, query.situation
    days: list[tuple[str, date | None]] = [
        ("today", query.today),
        ("filters.openCapacityOn", filters.open_capacity_on),
    ]
    if filters.residence is not None:
        days.append(("filters.residence.on", filters.residence.on))
    if filters.course is not None:
        days.append(("filters.course.startsAfter", filters.course.starts_after))
        days.append(("filters.course.endsBefore", filters.course.ends_before))
        days.append(("filters.course.bookableOn", filters.course.bookable_on))
    if situation is not None:
        days.append(("situation.on", situation.on))
        days.append(("situation.statusValidUntil", situation.status_valid_until))
        days.append(("situation.startsFrom", situation.starts_from))
    return days


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: in which part of the result, at which score and rank, after how many hits."""

    query: str
    fitting: bool
    relaxed: bool
    score: float
    rank: int
    id: UUID
    seen: int


_marks: Final = msgspec.msgpack.Decoder(Mark)


def _fingerprint(query: SearchQuery) -> str:
    # Without the size of pages, which may change on the way, and today, so that midnight breaks no paging.
    situation = query.situation and msgspec.structs.replace(query.situation, on=EARLIEST)
    same = (query.text, query.filters, situation, query.only_fitting)
    return hashlib.sha256(msgspec.json.encode(same)).hexdigest()[:12]


def cursor_at(
    query: SearchQuery, *, fitting: bool, relaxed: bool, score: float, rank: int, service: UUID, seen: int
) -> str:
    """Return the opaque cursor of a hit; ``seen`` counts the hits up to and with it."""
    place = Mark(_fingerprint(query), fitting, relaxed, score, rank, service, seen)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).decode().rstrip("=")


def mark(query: SearchQuery) -> Mark:
    """Return where the query's cursor points; raises InvalidInput when it is none of this query."""
    text = query.after or ""
    try:
        if len(text) > MAXIMUM_CHARACTERS or not text.isascii():
            raise ValueError
        found = _marks.decode(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, msgspec.MsgspecError):
        raise InvalidInput("after", "cursor") from None
    if found.query != _fingerprint(query) or found.seen < 1:
        raise InvalidInput("after", "cursor-of-another-query")
    if found.seen >= DEEPEST:
        raise InvalidInput("after", "too-deep", maximum=str(DEEPEST))
    return found


SILENT_SECONDS: Final = 10.0
"""How long nothing is logged of an engine that goes on not answering for the same reason."""


class PassedOver:
    """Counts the searches of this process that an engine did not answer, and logs why, not for each."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._said: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def note(self, engine: str, why: str) -> None:
        """Count one; ``why`` is a word of the engine, and says nothing of the search."""
        now = time.monotonic()
        with self._lock:
            self._counts[engine] += 1
            said, until = self._said.get(engine, ("", 0.0))
            if why == said and now < until:
                return
            self._said[engine] = why, now + SILENT_SECONDS
        log.warning("search.engine_passed_over", engine=engine, why=why)

    def counts(self) -> dict[str, int]:
        """Return how many searches each engine did not answer, since the process began."""
        with self._lock:
            return dict(self._counts)


PASSED_OVER: Final = PassedOver()


def first_answer(engines: Sequence[Engine], query: SearchQuery) -> SearchResult:
    """Answer with the first engine that can; ``degraded`` says that it was not the first of all."""
    query = checked(query)
    for number, engine in enumerate(engines):
        try:
            result = engine.search(query)
        except SearchUnavailable as away:
            PASSED_OVER.note(engine.name, str(away))
            continue
        return msgspec.structs.replace(result, degraded=True) if number else result
    raise SearchUnavailable
