"""When texts changed, and which translations are older than the text they were made from. Pure.

Every text in several languages has one source language per entry; the others are translations of it. A
translation whose text has not changed since its source did may say something that is no longer true, and
says so. What was never dated counts as older than anything dated, and as young as anything undated: so
nothing is called stale on a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from directory.values import TextDates

TEXT_FIELDS: Final = ("title", "description", "application_process")
"""The fields of entries that are texts in several languages and have a source."""


def source_of(texts: Mapping[str, str], source_language: str) -> str | None:
    """Return the language the others were translated from: the entry's, else German, English, the first.

    >>> source_of({"en": "advice", "ar": "…"}, "de")
    'en'
    """
    for language in (source_language, "de", "en"):
        if language in texts:
            return language
    return min(texts, default=None)


def stale_in(
    texts: Mapping[str, str], dates: Mapping[str, datetime], source_language: str
) -> tuple[str, ...]:
    """Return the languages of the translations that are older than their source, by name.

    >>> from datetime import UTC
    >>> dates = {"de": datetime(2026, 3, 2, tzinfo=UTC), "ar": datetime(2026, 1, 1, tzinfo=UTC)}
    >>> stale_in({"de": "Rat", "ar": "…", "fr": "conseil"}, dates, "de")
    ('ar', 'fr')
    """
    source = source_of(texts, source_language)
    changed = None if source is None else dates.get(source)
    if changed is None:
        return ()
    return tuple(
        sorted(
            language
            for language in texts
            if language != source and (dates.get(language) is None or dates[language] < changed)
        )
    )


def dated(
    before: Mapping[str, Mapping[str, str]],
    after: Mapping[str, Mapping[str, str]],
    dates: TextDates,
    source_language: str,
    now: datetime,
) -> TextDates:
    """Return the dates after a change of texts (field to language to text): what differs is of ``now``.

    What is gone loses its date, so that the same text coming back is new.
    """
    at: dict[str, dict[str, datetime]] = {}
    stale: dict[str, tuple[str, ...]] = {}
    for field in sorted(after):
        texts, were, known = after[field], before.get(field, {}), dates.at.get(field, {})
        now_at = {
            language: now if were.get(language) != text else known[language]
            for language, text in sorted(texts.items())
            if were.get(language) != text or language in known
        }
        if now_at:
            at[field] = now_at
        if outdated := stale_in(texts, now_at, source_language):
            stale[field] = outdated
    return TextDates(at=at, stale=stale)


def confirmed(
    texts: Mapping[str, Mapping[str, str]],
    dates: TextDates,
    source_language: str,
    language: str,
    now: datetime,
) -> TextDates:
    """Return the dates after somebody said that the texts in this language are still right."""
    at = {
        field: {**dates.at.get(field, {}), **({language: now} if language in texts[field] else {})}
        for field in texts
    }
    checked = TextDates(at=at, stale=dates.stale)
    return dated(texts, texts, checked, source_language, now)
