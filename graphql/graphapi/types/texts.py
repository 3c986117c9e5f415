"""Texts that exist in several languages, read in one of them along a stated chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

import strawberry

from directory import languages as languages_of
from directory.documents import PartnerDocument, ServiceDocument
from directory.translations import source_of

LanguageArgument: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Wanted language (BCP 47). The answer is in this language, else in its base language, else in "
            "German, else in English, else in any. Left out: the languages of Accept-Language."
        )
    ),
]


@strawberry.type(description="A text in one language; `language` says which one was found.")
class Text:
    """A text in one language."""

    text: str = strawberry.field(description="The text.")
    language: str = strawberry.field(description="Its language (BCP 47).")
    is_stale: bool = strawberry.field(
        default=False, description="Whether it is older than the text it was translated from."
    )
    source_language: str | None = strawberry.field(
        default=None, description="Language it was translated from; null: it is the source, or not known."
    )


@strawberry.type(description="One thing said, in each language that it is said in.")
class Phrase:
    """One thing said in several languages, where several are said."""

    texts: list[Text] = strawberry.field(description="It, once in each language.")


@strawberry.input(description="A text in one language.")
class TextInput:
    """A text in one language, as callers give it; lists of them become maps by language."""

    language: str = strawberry.field(description="BCP 47, e.g. de, en, ti, zh-Hant.")
    text: str = strawberry.field(description="The text.")


@strawberry.input(description="One thing said, in each language that it is said in.")
class PhraseInput:
    """One thing said in several languages, where several are said."""

    texts: list[TextInput] = strawberry.field(description="It, once in each language.")


def choose(texts: Mapping[str, str], language: str | None, languages: Sequence[str]) -> Text | None:
    """Return the text in the wanted language along the chain, or None when there is no text at all.

    >>> choose({"de": "Rat", "en": "advice"}, "en-GB", ()).text
    'advice'
    >>> choose({"fr": "conseil"}, "ti", ("ar",)).language
    'fr'
    """
    found = languages_of.choose(texts, languages if language is None else (language,))
    return None if found is None else Text(language=found[0], text=found[1])


def every(texts: Mapping[str, str]) -> list[Text]:
    """Return all versions of a text, by language."""
    return [Text(text=texts[tag], language=tag) for tag in sorted(texts)]


def translated(found: Text, field: str, entry: PartnerDocument | ServiceDocument) -> Text:
    """Return a text of an entry with what is known of it as a translation."""
    texts: Mapping[str, str] = getattr(entry, field)
    source = source_of(texts, entry.source_language)
    return Text(
        text=found.text,
        language=found.language,
        is_stale=found.language in entry.stale.get(field, ()),
        source_language=None if source == found.language else source,
    )
