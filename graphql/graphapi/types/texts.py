"""Texts that exist in several languages, read in one of them along a stated chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

import strawberry

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


@strawberry.input(description="A text in one language.")
class TextInput:
    """A text in one language, as callers give it; lists of them become maps by language."""

    language: str = strawberry.field(description="BCP 47, e.g. de, en, ti, zh-Hant.")
    text: str = strawberry.field(description="The text.")


def choose(texts: Mapping[str, str], language: str | None, languages: Sequence[str]) -> Text | None:
    """Return the text in the wanted language along the chain, or None when there is no text at all.

    >>> choose({"de": "Rat", "en": "advice"}, "en-GB", ())
    Text(text='advice', language='en')
    >>> choose({"fr": "conseil"}, "ti", ("ar",))
    Text(text='conseil', language='fr')
    """
    if not texts:
        return None
    by_tag = {tag.lower(): tag for tag in texts}
    for wanted in (language,) if language is not None else languages:
        parts = wanted.lower().split("-")
        while parts:
            if (tag := by_tag.get("-".join(parts))) is not None:
                return Text(text=texts[tag], language=tag)
            parts.pop()
    for wanted in ("de", "en"):
        if wanted in texts:
            return Text(text=texts[wanted], language=wanted)
    tag = min(texts)
    return Text(text=texts[tag], language=tag)


def every(texts: Mapping[str, str]) -> list[Text]:
    """Return all versions of a text, by language."""
    return [Text(text=texts[tag], language=tag) for tag in sorted(texts)]
