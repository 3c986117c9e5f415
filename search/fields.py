"""The fields of the local index, and what they hold of a published service.

Searches read the same fields (``search.queries``); a change of either raises INDEX_SHAPE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec
from tantivy import Document, Schema, SchemaBuilder

from directory.courses import begins, is_full
from directory.documents import SHAPE as DOCUMENT_SHAPE
from directory.documents import ServiceDocument
from directory.eligibility import LEVELS, territory
from directory.values import CourseRun, EligibilityRule, TerritoryKey
from directory.vocabulary import CapacityState, Responsibility, label
from search.beginnings import beginnings, partner_key, title_key
from search.cells import cells_of, place_term
from search.closely import READING, packed, read_once
from search.days import LAST_DAY, day_number
from search.engine import Vocabulary
from search.lexicon import LANGUAGE_NAMES
from search.meaning import NUMBERS
from search.text import NORMALISER, forms

INDEX_SHAPE: Final = 9
"""Number of the fields below and their meaning; an index of another shape is rebuilt."""

SECTIONS: Final = {
    # section: weights of words as they are, of stems, and of stems with the parts of compounds
    "title": (0.3, 0.3, 0.7),
    "name": (0.4, 0.5, 1.0),
    "label": (0.3, 0.3, 0.7),
    "body": (0.3, 0.5, 1.0),
}
"""Where words stand and how much they count.

Chosen by hand on the same questions that tests/search/measure.py asks, so its figures flatter these weights.
"""


def _schema() -> Schema:
    builder = SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("meta", tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field("stored", stored=True)
    builder.add_bytes_field("reading", stored=True)
    builder.add_integer_field("version", fast=True)
    builder.add_integer_field("rank", fast=True, indexed=True)
    for section in SECTIONS:
        for form in ("words", "stems", "parts"):
            builder.add_text_field(f"{section}_{form}", tokenizer_name="whitespace", index_option="freq")
        builder.add_text_field(f"{section}_any", tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("backwards", tokenizer_name="whitespace", index_option="basic")
    for name in (
        "kind",
        "topic",
        "language",
        "partner_kind",
        "municipality",
        "rules",
        "capacity",
        "course_level",
        "course_format",
        "course_childcare",
        "course_women_only",
    ):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=True)
    for name in (
        "topic_or_above", "speaks", "territory", "duty", "point", "cell",
        "full", "course", "run", "course_access", "course_exam", "occupation",
    ):  # fmt: skip
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("title_begins", "partner_begins"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("title_key", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("partner_key", stored=True, tokenizer_name="raw", index_option="basic")
    for name in ("level_from", "level_to", "course_cost", "capacity_until"):
        builder.add_integer_field(name, indexed=True, fast=True)
    for name in MEANING_FIELDS:
        builder.add_integer_field(name, fast=True)
    return builder.build()


MEANING_FIELDS: Final = tuple(f"meaning_{number}" for number in range(NUMBERS))
"""The numbers of a service's vector, where the index is made with a model of meanings."""

SCHEMA: Final = _schema()
SHAPE: Final = f"{INDEX_SHAPE}.{READING}.{NORMALISER}.{DOCUMENT_SHAPE}"


class StoredTexts(msgspec.Struct, array_like=True):
    """The texts of a service that highlights are cut from, by language ("" for none)."""

    title: dict[str, str]
    partner: str
    topics: dict[str, str]
    description: dict[str, str]


encoder: Final = msgspec.msgpack.Encoder()
texts_decoder: Final = msgspec.msgpack.Decoder(StoredTexts)


def rank_of(service: ServiceDocument) -> int:
    """Return the number that orders equal hits: the last assured first, then by id; the same everywhere."""
    assured = service.assured_at.date().toordinal() if service.assured_at is not None else 0
    return ((2**20 - 1 - assured) << 43) | (service.id.int >> 85)


def _labels(*members: StrEnum | None) -> list[tuple[str, str]]:
    """Return the labels of kinds, in each language."""
    return [
        (language, text)
        for member in members
        if member is not None
        for language in ("de", "en")
        if (text := label(member, language)) is not None
    ]


def sections_of(service: ServiceDocument, vocabulary: Vocabulary) -> dict[str, list[tuple[str, str]]]:
    """Return the (language, text) pairs of each section."""
    labels = _labels(service.kind, service.partner.kind)
    for topic in service.topics:
        labels += topic.labels.items()
        words = vocabulary.topics.get(topic.code)
        if words is not None:
            labels += words.labels.items()
            labels += ((language, text) for language, texts in words.synonyms.items() for text in texts)
    labels += (("", term.name) for term in service.source_terms)
    spoken = {offered.language for offered in service.languages}
    if service.interpreting is not None:
        spoken |= {mediated.language for mediated in service.interpreting.languages}
        labels += (("", mediated.variety) for mediated in service.interpreting.languages if mediated.variety)
    for tag in sorted(spoken - {"de"}):  # nearly everything is offered in German
        labels += (("", name) for name in LANGUAGE_NAMES.get(tag.split("-")[0], ()))
    course = service.course
    if course is not None:
        levels = {level for level in (course.level_from, course.level_to) if level is not None}
        labels += (("", level) for level in sorted(levels))
        if course.exam is not None:
            labels.append(("", course.exam))
    name = [("", service.partner.name), *service.municipality.name.items()]
    for place in service.locations:
        name += (("", text) for text in (place.name, place.city) if text)
    body = list(service.description.items())
    if service.recognition is not None:
        body += service.recognition.competent_body.items()
    return {"title": list(service.title.items()), "label": labels, "name": name, "body": body}


def prefixes(key: TerritoryKey) -> list[str]:
    """Return a territory's key and all keys above it, from the land down."""
    return [key[:length] for length in range(2, len(key) + 1)]


rules_decoder: Final = msgspec.json.Decoder(tuple[EligibilityRule, ...])
LONGEST_TERM: Final = 60_000
"""Bytes of a term; the index takes no longer ones."""


def rules_term(rules: tuple[EligibilityRule, ...]) -> list[str]:
    """Return a rule set as a term: what it decides by, without its texts.

    Rules that are too long for a term are not in the index, so it never leaves their service out; whether it
    fits is then judged when the document is read.
    """
    bare = [msgspec.structs.replace(rule, reason={}, legal_basis=None) for rule in rules]
    term = msgspec.json.encode(bare).decode()
    return [term] if len(term) <= LONGEST_TERM else []


def run_term(run: CourseRun) -> str:
    """Return a run as numbers: first day, last day to apply, last day, whether it is full.

    What is not known is the number that passes every question.
    """
    begin = begins(run)
    return ".".join(
        str(number)
        for number in (
            LAST_DAY if begin is None else day_number(begin),
            LAST_DAY if run.apply_by is None else day_number(run.apply_by),
            0 if run.ends_on is None else day_number(run.ends_on),
            int(is_full(run)),
        )
    )


def to_index(service: ServiceDocument, vocabulary: Vocabulary, meaning: Sequence[int] = ()) -> Document:
    """Return what the index keeps of a published service; ``meaning``: the numbers of its vector."""
    made = Document()

    def add(field: str, *values: str) -> None:
        for value in dict.fromkeys(values):
            made.add_text(field, value)

    add("id", str(service.id))
    made.add_integer("version", service.version)
    made.add_integer("rank", rank_of(service))
    for field, number in zip(MEANING_FIELDS, meaning, strict=False):
        made.add_integer(field, number)
    found_by: set[str] = set()
    for section, texts in sections_of(service, vocabulary).items():
        kept = forms(texts)
        found_by |= kept.found_by
        made.add_text(f"{section}_words", " ".join(kept.words))
        made.add_text(f"{section}_stems", " ".join(kept.stems))
        made.add_text(f"{section}_parts", " ".join(kept.parts))
        made.add_text(f"{section}_any", " ".join(sorted(kept.found_by)))
    made.add_text("backwards", " ".join(sorted(word[::-1] for word in found_by)))
    labels: dict[str, list[str]] = {}
    for topic in service.topics:
        for language, name in topic.labels.items():
            labels.setdefault(language, []).append(name)
    stored = StoredTexts(
        dict(service.title),
        service.partner.name,
        {language: " · ".join(texts) for language, texts in labels.items()},
        dict(service.description),
    )
    made.add_bytes("stored", encoder.encode(stored))
    heads = (("", stored.partner), *stored.topics.items())
    reading = read_once(tuple(stored.title.items()), heads, tuple(stored.description.items()))
    made.add_bytes("reading", packed(reading))
    if service.kind is not None:
        add("kind", service.kind)
    add("partner_kind", service.partner.kind)
    add("topic", *(topic.code for topic in service.topics))
    above = (code for topic in service.topics for code in vocabulary.with_those_above(topic.code))
    add("topic_or_above", *above)
    spoken = [offered.language for offered in service.languages]
    if service.interpreting is not None:
        spoken += [mediated.language for mediated in service.interpreting.languages]
    add("language", *spoken)
    add("speaks", *spoken, *(tag.split("-")[0] for tag in spoken))
    add("municipality", service.municipality.ars)
    add("territory", *prefixes(service.municipality.ars))
    if service.eligibility:
        add("rules", *rules_term(service.eligibility))
    if service.responsibility is Responsibility.BY_RESIDENCE and service.area:
        areas = [territory(area) for area in service.area]
        add("duty", "by-residence", *(f"covers:{area}" for area in areas))
        add("duty", *(f"part:{part}" for area in areas for part in prefixes(area)))
    for place in service.locations:
        if place.latitude is not None and place.longitude is not None:
            term = place_term(place.latitude, place.longitude)
            add("point", term)
            add("cell", *cells_of(term))
    state = service.capacity.state
    if state is not CapacityState.UNKNOWN:
        add("capacity", state)
        if state is CapacityState.NONE and service.capacity.waiting_weeks is None:
            add("full", "no-waiting-list")
        until = service.capacity.expires_on
        made.add_integer("capacity_until", day_number(until if until is not None else date.max))
    made.add_text("title_begins", " ".join(beginnings(service.title.values())))
    made.add_text("partner_begins", " ".join(beginnings([service.partner.name])))
    add("title_key", title_key(service.title))
    add("partner_key", partner_key(service))
    _add_course(made, add, service)
    if service.recognition is not None and service.recognition.occupations:
        add("occupation", "some", *(f"esco:{uri}" for uri in service.recognition.occupations))
    return made


def _add_course(made: Document, add: Callable[..., None], service: ServiceDocument) -> None:
    course = service.course
    if course is None:
        return
    add("course", "course")
    for field, level in (("level_from", course.level_from), ("level_to", course.level_to)):
        if level is not None:
            made.add_integer(field, LEVELS[level])
    reached = course.level_to or course.level_from
    if reached is not None:
        add("course_level", reached)
    if course.runs and not course.repeats:
        add("course", "dated")
    add("run", *(run_term(run) for run in course.runs))
    for field, known in (
        ("course_childcare", course.childcare),
        ("course_women_only", course.women_only),
    ):
        if known is not None:
            add(field, "yes" if known else "no")
    if course.format is not None:
        add("course_format", course.format)
    if course.access:
        add("course", "access")
        add("course_access", *course.access)
    if course.exam is not None:
        add("course_exam", course.exam.casefold())
    if course.cost_cents is not None:
        made.add_integer("course_cost", course.cost_cents)
