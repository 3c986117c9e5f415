"""What a Meilisearch index keeps of a published service, and how the index is set up.

The same forms of words as in the local index (``search.text``) are filterable values, so that both engines
find the same. The texts themselves are searchable by Meilisearch's own rules: it picks by them which hits of
a very wide search are looked at first, and searches from elsewhere (a browser with a tenant token) use them.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Any, Final

import msgspec

from directory.documents import SHAPE as DOCUMENT_SHAPE
from directory.documents import ServiceDocument
from directory.eligibility import LEVELS, territory
from directory.values import EligibilityRule
from directory.vocabulary import CapacityState, Responsibility
from search.cells import cells_of, place_term
from search.concepts import concepts
from search.days import day_number
from search.engine import Vocabulary
from search.fields import SECTIONS, prefixes, run_term, sections_of
from search.lexicon import STOP_WORDS
from search.text import NORMALISER, forms, words_of

REMOTE_SHAPE: Final = 4
"""Number of the fields below and their meaning; an index of another shape is not read."""

SHAPE: Final = f"{REMOTE_SHAPE}-{NORMALISER}-{DOCUMENT_SHAPE}"

SERVICE: Final = "service"
BOTH: Final = "both"
"""The field of words that are also stems in their service; ``words`` and ``stems`` have the others."""

BUCKETS: Final = 64
"""Fields that the words of a service are spread over: a search reads those of its own words only."""

MOST_VALUES: Final = 65_000
MOST_HITS: Final = 10_000_000
LONGEST_VALUE: Final = 400
"""Bytes of a filterable value; Meilisearch compares no more than 468."""

_USUAL: Final = {"title": 8.0, "name": 12.0, "label": 40.0, "body": 160.0}
"""Usual number of words of a section; longer ones count a bit less per word (BM25)."""

TYPO_FROM: Final = 4
"""From how many letters on a word may be misspelt, as in ``search.text``."""

SHORTEST_ENDING: Final = 5
"""Letters of an ending that is looked for where no service has it as a word; longer words only have one."""

_K1: Final = 1.2
_B: Final = 0.75
ORDER_BITS: Final = 42
_DAY_BITS: Final = 20


@lru_cache(maxsize=10_000)
def weights_field(stem: str) -> str:
    """Return the name of the field that keeps what a stem counts for."""
    return f"w{zlib.crc32(stem.encode()) % BUCKETS}"


@lru_cache(maxsize=10_000)
def places_field(word: str) -> str:
    """Return the name of the field that keeps where a word stands; words that begin alike share it."""
    return f"p{zlib.crc32(word[:3].encode()) % BUCKETS}"


class Place(msgspec.Struct, frozen=True, order=True):
    """What orders equal hits: the last assured first, then those with room, then by id."""

    assured: int
    room: int
    order: int

    @property
    def rank(self) -> int:
        """The same as one number, lower first; fits in 63 bits."""
        later = 2**_DAY_BITS - 1 - self.assured
        return (((later << 1) | (1 - self.room)) << ORDER_BITS) | self.order

    @classmethod
    def of_rank(cls, rank: int) -> Place:
        """Return the place that has this rank."""
        order = rank & (2**ORDER_BITS - 1)
        rest = rank >> ORDER_BITS
        return cls(2**_DAY_BITS - 1 - (rest >> 1), 1 - (rest & 1), order)


def place_of(service: ServiceDocument) -> Place:
    """Return where a service stands among equal hits."""
    assured = service.assured_at.date().toordinal() if service.assured_at is not None else 0
    room = int(service.capacity.state in {CapacityState.OPEN, CapacityState.FEW})
    return Place(assured, room, service.id.int >> (128 - ORDER_BITS))


def _weights(sections: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    """Return the filterable forms of words, and what each word counts for in this service."""
    weight: dict[str, float] = {}
    where: Counter[str] = Counter()
    stems_of: dict[str, list[str]] = {}
    for number, (section, texts) in enumerate(sections.items()):
        kept = forms(texts)
        _, of_stems, of_parts = SECTIONS[section]
        for factor, words in ((of_stems, kept.stems), (of_parts, kept.parts)):
            length = len(words) / _USUAL[section]
            for word, times in Counter(words).items():
                counts = factor * times * (_K1 + 1) / (times + _K1 * (1 - _B + _B * length))
                weight[word] = weight.get(word, 0.0) + counts
        for word in kept.found_by:
            where[word] |= 1 << number
        for word in set(kept.words):
            where[word] |= 1 << (number + 4)
        stems_of[section] = list(dict.fromkeys(kept.parts))
    stems = dict.fromkeys(stem for stems in stems_of.values() for stem in stems)
    made: dict[str, Any] = {
        # Each value takes the server 60 bytes a service, so what is a word and a stem is one value.
        BOTH: [stem for stem in stems if stem in where],
        "stems": [stem for stem in stems if stem not in where],
        "words": sorted(word for word in where if word not in stems),
        "backwards": sorted(word[::-1] for word in where if len(word) > SHORTEST_ENDING),
        "title_stems": stems_of["title"],
        "name_stems": stems_of["name"],
    }
    spread: dict[str, list[str]] = {}
    for word, found in weight.items():
        spread.setdefault(weights_field(word), []).append(f"{word}={found:.4g}")
    for word, mask in where.items():
        spread.setdefault(places_field(word), []).append(f"{word}={mask}")
    # Between spaces, so that a word is found in it without taking it apart.
    return made | {name: f" {' '.join(entries)} " for name, entries in spread.items()}


rules_encoder: Final = msgspec.json.Encoder()


def rules_key(rules: tuple[EligibilityRule, ...]) -> tuple[str, bytes]:
    """Return a short name of a rule set and what it decides by, without its texts."""
    bare = [msgspec.structs.replace(rule, reason={}, legal_basis=None) for rule in rules]
    text = rules_encoder.encode(bare)
    return hashlib.sha256(text).hexdigest()[:24], text


def to_documents(service: ServiceDocument, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """Return what the index keeps of a published service: the service, and its rule set where it has one."""
    place = place_of(service)
    sections = sections_of(service, vocabulary)
    topics: dict[str, list[str]] = {}
    for topic in service.topics:
        for language, name in topic.labels.items():
            topics.setdefault(language, []).append(name)
    made: dict[str, Any] = {
        "id": str(service.id),
        "meta": SERVICE,
        "version": service.version,
        "assured": place.assured,
        "room": place.room,
        "order": place.order,
        "title": dict(service.title),
        "partner": service.partner.name,
        "topics": {language: " · ".join(names) for language, names in topics.items()},
        "description": dict(service.description),
        "labels": sorted({text for _, text in (*sections["label"], *sections["name"])}),
        "partner_kind": service.partner.kind,
        "topic": [topic.code for topic in service.topics],
        "municipality": service.municipality.ars,
        **_weights(sections),
    }
    if service.kind is not None:
        made["kind"] = service.kind
    made["topic_or_above"] = _distinct(
        code for topic in service.topics for code in vocabulary.with_those_above(topic.code)
    )
    spoken = [offered.language for offered in service.languages]
    if service.interpreting is not None:
        spoken += [mediated.language for mediated in service.interpreting.languages]
    made["language"] = _distinct(spoken)
    made["speaks"] = _distinct([*spoken, *(tag.split("-")[0] for tag in spoken)])
    if service.responsibility is Responsibility.BY_RESIDENCE and service.area:
        areas = [territory(area) for area in service.area]
        made["duty"] = _distinct(
            ["by-residence"]
            + [f"covers:{area}" for area in areas]
            + [f"part:{part}" for area in areas for part in prefixes(area)]
        )
    points = [
        (place_.latitude, place_.longitude)
        for place_ in service.locations
        if place_.latitude is not None and place_.longitude is not None
    ]
    if points:
        made["_geo"] = {"lat": points[0][0], "lng": points[0][1]}  # one only: to sort by
        made["point"] = _distinct(place_term(*one) for one in points)
        made["cell"] = _distinct(name for term in made["point"] for name in cells_of(term))
    state = service.capacity.state
    if state is not CapacityState.UNKNOWN:
        made["capacity"] = state
        if state is CapacityState.NONE and service.capacity.waiting_weeks is None:
            made["full"] = "no-waiting-list"
        until = service.capacity.expires_on
        made["capacity_until"] = day_number(until if until is not None else date.max)
    made |= _course(service)
    if service.recognition is not None and service.recognition.occupations:
        made["occupation"] = ["some", *(f"esco:{uri}" for uri in service.recognition.occupations)]
    if not service.eligibility:
        return [made]
    key, rules = rules_key(service.eligibility)
    made["rules"] = key
    return [made, {"id": f"rules-{key}", "meta": "rules", "stored": rules.decode()}]


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _course(service: ServiceDocument) -> dict[str, Any]:
    course = service.course
    if course is None:
        return {}
    made: dict[str, Any] = {}
    about = ["course"]
    codes: list[str] = []
    for field, level in (("level_from", course.level_from), ("level_to", course.level_to)):
        if level is not None:
            made[field] = LEVELS[level]
            codes.append(level)
    reached = course.level_to or course.level_from
    if reached is not None:
        made["course_level"] = reached
    if course.runs and not course.repeats:
        about.append("dated")
    made["run"] = _distinct(run_term(run) for run in course.runs)
    for field, known in (("course_childcare", course.childcare), ("course_women_only", course.women_only)):
        if known is not None:
            made[field] = "yes" if known else "no"
    if course.format is not None:
        made["course_format"] = course.format
    if course.access:
        about.append("access")
        made["course_access"] = sorted(course.access)
    if course.exam is not None:
        made["course_exam"] = course.exam.casefold()
        codes.append(course.exam)
    if course.cost_cents is not None:
        made["course_cost"] = course.cost_cents
    return made | {"course": about, "codes": _distinct(codes)}


_EQUAL: Final = (
    "id", "meta", "stems", "title_stems", "name_stems", "rules", "kind", "partner_kind", "topic",
    "topic_or_above", "language", "speaks",
    "municipality", "duty", "point", "cell", "capacity", "full", "course", "course_level",
    "course_format", "course_childcare", "course_women_only", "course_access", "course_exam", "run",
    "occupation",
)  # fmt: skip
_COMPARED: Final = (
    "assured", "room", "order", "level_from", "level_to", "course_cost", "capacity_until",
)  # fmt: skip
_LOOKED_UP: Final = (BOTH, "words", "backwards")
_LOCALES: Final = {"de": "deu", "en": "eng", "ar": "ara", "fa": "pes", "fr": "fra", "ru": "rus", "uk": "ukr"}


def settings(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return how the index is set up: declared here and nowhere else; a change means another index."""

    def attributes(names: Iterable[str], **features: Any) -> dict[str, Any]:
        equality, comparison = features["equality"], features["comparison"]
        return {
            "attributePatterns": list(names),
            "features": {
                "facetSearch": features["looked_up"],
                "filter": {"equality": equality, "comparison": comparison},
            },
        }

    return {
        "searchableAttributes": ["title", "topics", "partner", "labels", "codes", "description"],
        "filterableAttributes": [
            attributes(_EQUAL, equality=True, comparison=False, looked_up=False),
            attributes(_COMPARED, equality=True, comparison=True, looked_up=False),
            attributes(_LOOKED_UP, equality=True, comparison=False, looked_up=True),
            "_geo",
        ],
        "sortableAttributes": ["_geo", "assured", "room", "order"],
        # What filters leave is ordered by words first; distance only where a search sorts by it; then
        # freshness, capacity, and the id, so that equal hits never change places.
        "rankingRules": [
            "words", "typo", "proximity", "attribute", "exactness", "sort",
            "assured:desc", "room:desc", "order:asc",
        ],
        "synonyms": synonyms(vocabulary),
        "stopWords": sorted(STOP_WORDS),
        "localizedAttributes": [
            # German compounds are split by Meilisearch's own dictionary.
            {"attributePatterns": ["partner", "labels", *(f"*.{tag}" for tag in ("de", "de-x-leicht"))],
             "locales": ["deu"]},
            *({"attributePatterns": [f"*.{tag}"], "locales": [locale]}
              for tag, locale in _LOCALES.items() if tag != "de"),
        ],
        "typoTolerance": {
            "enabled": True,
            "minWordSizeForTypos": {"oneTypo": TYPO_FROM, "twoTypos": 8},
            "disableOnNumbers": True,
            "disableOnWords": _abbreviations(),  # § 104c is not § 104a, and AVGS not AVDS
            "disableOnAttributes": ["codes"],
        },
        "faceting": {"maxValuesPerFacet": MOST_VALUES, "sortFacetValuesBy": {"*": "count"}},
        "pagination": {"maxTotalHits": MOST_HITS},
        # Which words stand in one text, not how far apart: the index is built in half the time.
        "proximityPrecision": "byAttribute",
        "searchCutoffMs": 1_500,
    }  # fmt: skip


def synonyms(vocabulary: Vocabulary) -> dict[str, list[str]]:
    """Return words that mean the same, each with the others.

    What people call a topic is in the directory's own vocabulary; abbreviations and everyday words for what
    is officially called otherwise are in the search's.
    """
    alike = [
        (words.labels.get(language, ""), *words.synonyms.get(language, ()))
        for words in vocabulary.topics.values()
        for language in {*words.labels, *words.synonyms}
    ]
    made: dict[str, set[str]] = {}
    for names in (*alike, *_everyday_names()):
        folded = {" ".join(words_of(name)) for name in names}
        folded.discard("")
        for text in folded:
            made.setdefault(text, set()).update(folded - {text})
    return {text: sorted(others) for text, others in sorted(made.items()) if others}


@lru_cache(maxsize=1)
def _everyday_names() -> tuple[tuple[str, ...], ...]:
    return tuple(
        (concept.labels["de"][0], *concept.abbreviations, *concept.everyday.get("de", ()))
        for concept in concepts()
    )


@lru_cache(maxsize=1)
def _abbreviations() -> tuple[str, ...]:
    """Return the abbreviations that are long enough to be taken for misspelt words."""
    names = (name for concept in concepts() for name in concept.abbreviations)
    folded = (words_of(name) for name in names if name != name.casefold() or any(map(str.isdigit, name)))
    words = {found[0] for found in folded if len(found) == 1}
    return tuple(sorted(word for word in words if len(word) >= TYPO_FROM and not word.isdigit()))


def settings_fingerprint(vocabulary: Vocabulary) -> str:
    """Return a short text that changes when the settings do."""
    return hashlib.sha256(msgspec.json.encode(settings(vocabulary), order="deterministic")).hexdigest()[:16]
