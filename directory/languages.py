"""Languages of texts: which one of several is read, and which way it is written. Pure.

Tags are BCP 47 (``de``, ``kmr``, ``zh-Hant``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

PROJECT: Final = ("de", "en", "ar", "fa", "uk", "ru", "fr", "ti", "kmr", "so", "dsb")
"""The languages that entries are written in; a text may stand in any other as well."""

_RIGHT_TO_LEFT: Final = frozenset({"ar", "ckb", "dv", "fa", "he", "prs", "ps", "sd", "ug", "ur", "yi"})
_RIGHT_TO_LEFT_SCRIPTS: Final = frozenset({"Arab", "Hebr", "Thaa", "Syrc", "Nkoo"})


def right_to_left(language: str) -> bool:
    """Whether a language is written from right to left; a script in the tag decides before the language.

    >>> right_to_left("fa"), right_to_left("ku-Arab"), right_to_left("ti")
    (True, True, False)
    """
    primary, *rest = language.split("-")
    script = next((part for part in rest if len(part) == 4), None)
    return script in _RIGHT_TO_LEFT_SCRIPTS if script is not None else primary in _RIGHT_TO_LEFT


def direction(language: str) -> str:
    """Return ``rtl`` or ``ltr``, as HTML's ``dir`` names it.

    >>> direction("ar"), direction("de")
    ('rtl', 'ltr')
    """
    return "rtl" if right_to_left(language) else "ltr"


def choose(texts: Mapping[str, str], languages: Sequence[str] = ()) -> tuple[str, str] | None:
    """Return (language, text) of what is read: one of ``languages``, else German, else English, else any.

    A regional tag falls back to its base language first; None when there is no text at all.

    >>> choose({"de": "Rat", "en": "advice"}, ("en-GB",))
    ('en', 'advice')
    >>> choose({"fr": "conseil"}, ("ti", "ar"))
    ('fr', 'conseil')
    """
    if not texts:
        return None
    by_tag = {tag.lower(): tag for tag in texts}
    for wanted in languages:
        parts = wanted.lower().split("-")
        while parts:
            if (tag := by_tag.get("-".join(parts))) is not None:
                return tag, texts[tag]
            parts.pop()
    found = next((tag for tag in ("de", "en") if tag in texts), None) or min(texts)
    return found, texts[found]
