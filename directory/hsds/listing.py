"""What HSDS lists filter by, told of a document: columns that stand beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from directory.documents import PartnerDocument, ServiceDocument
from directory.hsds.ids import derived_id
from directory.hsds.terms import (
    TOPIC,
    source_key,
    source_term_id,
    taxonomy_id,
    term_id,
    word_taxonomy_id,
    word_term_id,
)
from directory.sortkey import folded
from directory.values import EligibilityRule, LocationValue, SourceTerm
from directory.vocabulary import Answer

_APART = "\x1f"
"""Between vocabulary, code and name of a source's term, as one text."""


def at_location_id(service_id: object, location_id: object) -> str:
    """Return the id of the HSDS service_at_location of a service and one of its places."""
    return str(derived_id("service_at_location", service_id, location_id))


def words_that_may_fit(rules: Iterable[EligibilityRule]) -> dict[StrEnum, list[EligibilityRule]]:
    """Return the statuses, legal circles and genders that rules name as fitting, with these rules.

    On some day, and perhaps on further conditions. What an earlier rule excludes, or asks about, on every
    day and without further conditions is not among them.
    """
    found: dict[StrEnum, list[EligibilityRule]] = {}
    closed: set[StrEnum] = set()
    for rule in rules:
        named = criteria_words(rule)
        if rule.answer is Answer.FITS:
            for word in named:
                if word not in closed:
                    found.setdefault(word, []).append(rule)
        elif always(rule):
            if not named:
                break
            kinds = {type(word) for word in named}
            if len(kinds) == 1:
                closed.update(named)
    return found


def criteria_words(rule: EligibilityRule) -> tuple[StrEnum, ...]:
    """Return the criteria of a rule that are words of a vocabulary."""
    return (*rule.statuses, *rule.legal_circles, *rule.genders)


def always(rule: EligibilityRule) -> bool:
    """Whether a rule holds on every day, and has no criteria but words of a vocabulary."""
    return (
        rule.valid_from is None
        and rule.valid_to is None
        and not (rule.work_permission or rule.residence)
        and rule.age_from is None
        and rule.age_to is None
        and rule.level_from is None
        and rule.level_to is None
    )


def packed_term(term: SourceTerm) -> str:
    """Return a source's term as one text, for ``unpacked_term``."""
    return _APART.join((term.vocabulary, term.code, term.name))


def unpacked_term(text: str) -> SourceTerm:
    """Return the term that ``packed_term`` made a text of."""
    vocabulary, code, name = text.split(_APART, 2)
    return SourceTerm(vocabulary=vocabulary, code=code, name=name)


def _postcodes(places: Iterable[LocationValue]) -> tuple[str, ...]:
    return tuple(place.postcode or "" for place in places)


def service_listing(document: ServiceDocument) -> dict[str, Any]:
    """Return the columns of a service.

    ``terms``: ids of the terms and of the taxonomies it carries; ``foreign_terms``: the sources' among them
    in full; ``at_locations``, ``postcodes``, ``latitudes``, ``longitudes``: one element per place, in order.
    """
    terms: dict[str, None] = {
        taxonomy_id("responsibility"): None,
        word_term_id(document.responsibility): None,
    }
    if document.kind is not None:
        terms |= {taxonomy_id("service_kind"): None, word_term_id(document.kind): None}
    for topic in document.topics:
        terms |= {taxonomy_id(TOPIC): None, term_id(TOPIC, topic.code): None}
    for word in words_that_may_fit(document.eligibility):
        terms |= {word_taxonomy_id(word): None, word_term_id(word): None}
    for foreign in document.source_terms:
        terms |= {taxonomy_id(source_key(foreign.vocabulary)): None, source_term_id(foreign): None}
    course = document.course
    if course is not None:
        for level in (course.level_from, course.level_to):
            if level is not None:
                terms |= {taxonomy_id("course_level"): None, word_term_id(level): None}
        if course.format is not None:
            terms |= {taxonomy_id("course_format"): None, word_term_id(course.format): None}
        for access in course.access:
            terms |= {taxonomy_id("course_access"): None, word_term_id(access): None}
    if document.interpreting is not None:
        for mode in document.interpreting.modes:
            terms |= {taxonomy_id("interpreting_mode"): None, word_term_id(mode): None}
    return {
        "modified_at": document.updated_at,
        "terms": tuple(terms),
        "foreign_terms": tuple(packed_term(term) for term in document.source_terms),
        "area": tuple(document.area),
        "at_locations": tuple(at_location_id(document.id, place.id) for place in document.locations),
        "postcodes": _postcodes(document.locations),
        "latitudes": tuple(place.latitude for place in document.locations),
        "longitudes": tuple(place.longitude for place in document.locations),
    }


def partner_listing(document: PartnerDocument) -> dict[str, Any]:
    """Return the columns of a partner; ``words``: its name and description, folded, to search in."""
    texts = folded(" ".join([document.name, *document.description.values()]))
    return {
        "modified_at": document.updated_at,
        "terms": (taxonomy_id("partner_kind"), word_term_id(document.kind)),
        "words": f" {texts} ",
        "postcodes": _postcodes(document.locations),
    }
