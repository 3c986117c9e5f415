"""The vocabularies of the directory as HSDS taxonomies and terms. Pure.

Three sorts: the closed vocabularies of the code (kinds of services and partners, residence statuses …), the
open vocabulary of topics (data), and the vocabularies of sources that entries were imported from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from directory.hsds.ids import derived_id
from directory.hsds.shapes import Taxonomy, TaxonomyTerm
from directory.languages import choose
from directory.values import SourceTerm, Titles
from directory.vocabulary import (
    CefrLevel,
    CourseAccess,
    CourseFormat,
    Gender,
    InterpretingMode,
    LegalCircle,
    PartnerKind,
    ResidenceStatus,
    Responsibility,
    ServiceKind,
    label,
)

TOPIC: Final = "topic"
"""Key of the vocabulary of topics."""

SOURCE: Final = "source"
"""Begins the keys of vocabularies of sources."""


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """A vocabulary of the code or of the directory: its key, name and description in German and English."""

    key: str
    name: Titles
    description: Titles
    words: type[StrEnum] | None = None


VOCABULARIES: Final[tuple[Vocabulary, ...]] = (
    Vocabulary(
        key=TOPIC,
        name={"de": "Themen", "en": "Topics"},
        description={
            "de": "Worum es bei einem Angebot geht; die Liste wird vom Netzwerk gepflegt.",
            "en": "What a service is about; the network keeps this list.",
        },
    ),
    Vocabulary(
        key="service_kind",
        name={"de": "Art des Angebots", "en": "Kind of service"},
        description={"de": "Was ein Angebot tut.", "en": "What a service does."},
        words=ServiceKind,
    ),
    Vocabulary(
        key="partner_kind",
        name={"de": "Art des Partners", "en": "Kind of partner"},
        description={"de": "Was für eine Organisation es ist.", "en": "What sort of organisation it is."},
        words=PartnerKind,
    ),
    Vocabulary(
        key="residence_status",
        name={"de": "Aufenthaltsstatus", "en": "Residence status"},
        description={
            "de": "Aufenthaltstitel und andere Status nach AufenthG und AsylG.",
            "en": "Residence titles and other statuses under the German Residence Act and Asylum Act.",
        },
        words=ResidenceStatus,
    ),
    Vocabulary(
        key="legal_circle",
        name={"de": "Rechtskreis", "en": "Legal circle"},
        description={
            "de": "Nach welchem Gesetz jemand Leistungen bekommt.",
            "en": "Under which German law somebody receives benefits.",
        },
        words=LegalCircle,
    ),
    Vocabulary(
        key="gender",
        name={"de": "Geschlecht", "en": "Gender"},
        description={
            "de": "Für wen ein Angebot gedacht ist, wenn es nicht für alle ist.",
            "en": "For whom a service is meant, if it is not for everybody.",
        },
        words=Gender,
    ),
    Vocabulary(
        key="responsibility",
        name={"de": "Zuständigkeit", "en": "Responsibility"},
        description={
            "de": "Ob der Wohnort entscheidet, wer zuständig ist.",
            "en": "Whether the place of residence decides who is responsible.",
        },
        words=Responsibility,
    ),
    Vocabulary(
        key="course_level",
        name={"de": "Sprachniveau (GER)", "en": "Language level (CEFR)"},
        description={
            "de": "Niveaus des Gemeinsamen Europäischen Referenzrahmens; A0: Alphabetisierung.",
            "en": "Levels of the Common European Framework of Reference; A0: literacy.",
        },
        words=CefrLevel,
    ),
    Vocabulary(
        key="course_format",
        name={"de": "Kursform", "en": "Format of a course"},
        description={"de": "Wie ein Kurs stattfindet.", "en": "How a course is held."},
        words=CourseFormat,
    ),
    Vocabulary(
        key="course_access",
        name={"de": "Zugang zum Kurs", "en": "Access to a course"},
        description={
            "de": "Was man für einen Platz im Kurs braucht.",
            "en": "What somebody needs to get a place in a course.",
        },
        words=CourseAccess,
    ),
    Vocabulary(
        key="interpreting_mode",
        name={"de": "Form des Dolmetschens", "en": "Form of interpreting"},
        description={
            "de": "Wie eine Dolmetscherin oder ein Dolmetscher dabei ist.",
            "en": "How an interpreter takes part.",
        },
        words=InterpretingMode,
    ),
)
"""What the code knows, in the order in which it is listed."""

_OF_WORDS: Final[Mapping[type[StrEnum], Vocabulary]] = {
    vocabulary.words: vocabulary for vocabulary in VOCABULARIES if vocabulary.words is not None
}

_MORE_LABELS: Final[Mapping[StrEnum, Titles]] = {
    Responsibility.BY_RESIDENCE: {"de": "nach Wohnort", "en": "by residence"},
    Responsibility.FREE: {"de": "frei", "en": "free"},
    CourseFormat.ON_SITE: {"de": "vor Ort", "en": "on site"},
    CourseFormat.ONLINE: {"de": "online", "en": "online"},
    CourseFormat.HYBRID: {"de": "vor Ort und online", "en": "on site and online"},
    CourseAccess.DIRECT: {"de": "direkte Anmeldung", "en": "direct registration"},
    CourseAccess.BAMF_ADMISSION: {"de": "Zulassung des BAMF", "en": "admission by the BAMF"},
    CourseAccess.JOBCENTER_OR_AGENCY: {
        "de": "über Jobcenter oder Agentur für Arbeit",
        "en": "through the job centre or employment agency",
    },
    CourseAccess.VOUCHER: {"de": "Gutschein", "en": "voucher"},
}
_MODES: Final[Mapping[InterpretingMode, Titles]] = {
    InterpretingMode.PHONE: {"de": "am Telefon", "en": "by phone"},
    InterpretingMode.VIDEO: {"de": "per Video", "en": "by video"},
    InterpretingMode.ON_SITE: {"de": "vor Ort", "en": "on site"},
}
# apart from the others: members of two vocabularies with the same word are equal


def in_german_or_english(languages: Sequence[str]) -> str:
    """Return ``de`` or ``en``: the first of the languages wanted that labels exist in, else German."""
    for tag in languages:
        base = tag.partition("-")[0].lower()
        if base in {"de", "en"}:
            return base
    return "de"


def word_label(word: StrEnum, language: str) -> str:
    """Return the label of a word for people, in ``de`` or ``en``; the word itself where it speaks for itself.

    >>> word_label(CourseFormat.ONLINE, "de"), word_label(CefrLevel.B1, "en")
    ('online', 'B1')
    """
    found = label(word, language)
    if found is None:
        more = _MODES if isinstance(word, InterpretingMode) else _MORE_LABELS
        found = more.get(word, {}).get(language)  # type: ignore[call-overload]
    return found or word.value


@lru_cache(maxsize=2_000)
def taxonomy_id(key: str) -> str:
    """Return the id of the taxonomy of this key (of a source: what ``source_key`` returns)."""
    return str(derived_id("taxonomy", key))


def source_key(vocabulary: str) -> str:
    """Return the key of a vocabulary of a source."""
    return f"{SOURCE}:{vocabulary}"


@lru_cache(maxsize=20_000)
def term_id(key: str, code: str) -> str:
    """Return the id of the term ``code`` of the taxonomy of this key."""
    return str(derived_id("taxonomy_term", key, code))


def word_term_id(word: StrEnum) -> str:
    """Return the id of the term of a word of the code."""
    return term_id(_OF_WORDS[type(word)].key, word.value)


def word_key(word: StrEnum) -> str:
    """Return the key of the vocabulary that a word of the code is in."""
    return _OF_WORDS[type(word)].key


def word_taxonomy_id(word: StrEnum) -> str:
    """Return the id of the taxonomy that a word of the code is in."""
    return taxonomy_id(_OF_WORDS[type(word)].key)


def source_term_id(term: SourceTerm) -> str:
    """Return the id of a source's term."""
    return term_id(source_key(term.vocabulary), term.code)


@lru_cache(maxsize=1_000, typed=True)  # typed: words of two vocabularies may be equal
def word_term(word: StrEnum, language: str) -> TaxonomyTerm:
    """Return a word of the code as a term, in ``de`` or ``en``."""
    vocabulary = _OF_WORDS[type(word)]
    return TaxonomyTerm(
        id=word_term_id(word),
        code=word.value,
        name=word_label(word, language),
        description=word_label(word, "en" if language == "de" else "de"),
        taxonomy=vocabulary.name[language],
        language=language,
        taxonomy_id=taxonomy_id(vocabulary.key),
    )


def topic_term(
    code: str, labels: Titles, languages: Sequence[str], parent: str | None = None
) -> TaxonomyTerm:
    """Return a topic as a term; described by its labels in the other languages."""
    found = choose(labels, languages) or ("de", code)
    others = [text for tag, text in labels.items() if tag != found[0]]
    return TaxonomyTerm(
        id=term_id(TOPIC, code),
        code=code,
        name=found[1],
        description="; ".join(others) or found[1],
        parent_id=None if parent is None else term_id(TOPIC, parent),
        taxonomy=_NAMED[TOPIC].name[in_german_or_english(languages)],
        language=found[0],
        taxonomy_id=taxonomy_id(TOPIC),
    )


def source_term(term: SourceTerm) -> TaxonomyTerm:
    """Return a source's term as it was."""
    key = source_key(term.vocabulary)
    return TaxonomyTerm(
        id=source_term_id(term),
        code=term.code,
        name=term.name,
        description=term.name,
        taxonomy=term.vocabulary,
        taxonomy_id=taxonomy_id(key),
    )


_NAMED: Final[Mapping[str, Vocabulary]] = {vocabulary.key: vocabulary for vocabulary in VOCABULARIES}


def known_taxonomy(vocabulary: Vocabulary, language: str) -> Taxonomy:
    """Return a vocabulary of the code or the directory as a taxonomy, in ``de`` or ``en``."""
    return Taxonomy(
        id=taxonomy_id(vocabulary.key),
        name=vocabulary.name[language],
        description=vocabulary.description[language],
    )


def source_taxonomy(name: str, language: str) -> Taxonomy:
    """Return a source's vocabulary as a taxonomy."""
    description = {
        "de": f"Begriffe, die importierte Einträge mitgebracht haben ({name}).",
        "en": f"Terms that imported entries came with ({name}).",
    }
    return Taxonomy(id=taxonomy_id(source_key(name)), name=name, description=description[language])


def taxonomies(source_terms: Iterable[SourceTerm], languages: Sequence[str]) -> list[Taxonomy]:
    """Return all taxonomies: first those of the directory, then the sources' by name."""
    language = in_german_or_english(languages)
    names = sorted({term.vocabulary for term in source_terms})
    return [
        *(known_taxonomy(vocabulary, language) for vocabulary in VOCABULARIES),
        *(source_taxonomy(name, language) for name in names),
    ]


def word_terms(languages: Sequence[str]) -> list[TaxonomyTerm]:
    """Return the terms of all closed vocabularies."""
    language = in_german_or_english(languages)
    return [word_term(word, language) for vocabulary in VOCABULARIES for word in vocabulary.words or ()]
