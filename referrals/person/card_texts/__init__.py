"""What the person's own page says, in the languages that the project's people read: one file per language.

Each file holds every text of ``de.json``, short and in plain words. A language without a file falls back
along ``NEAREST`` and then to German: which language was found is part of the answer, never hidden.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from directory.languages import right_to_left
from directory.values import Value

LANGUAGES: Final = frozenset(
    entry.name.removesuffix(".json") for entry in files(__name__).iterdir() if entry.name.endswith(".json")
)
"""Languages that have a file."""

NEAREST: Final[dict[str, str]] = {"prs": "fa", "be": "ru"}
"""A language without a file, and the written language nearest to it (Dari is written Persian)."""

FALLBACK: Final = "de"

COMMAS: Final[dict[str, str]] = {"ar": "، ", "fa": "، ", "am": "፣ ", "ti": "፣ "}
"""Languages whose script has a comma of its own."""


class CardTexts(Value, frozen=True, kw_only=True):
    """The texts of one language; ``language`` is the one that was found for ``wanted``."""

    wanted: str
    language: str
    texts: dict[str, str]

    def say(self, key: str, **values: str) -> str:
        """Return a text with its names filled in; every file has every key, so a missing one is a bug.

        In a text from right to left a name keeps its own direction (isolated, Unicode Standard Annex 9):
        else a dash or full stop at its end would stand on its wrong side.
        """
        if right_to_left(self.language):
            values = {name: f"\u2068{value}\u2069" for name, value in values.items()}
        return self.texts[key].format(**values)

    @property
    def comma(self) -> str:
        """What stands between the parts of a list in this language's script."""
        return COMMAS.get(self.language, ", ")

    def group(self, name: str) -> dict[str, str]:
        """Return the texts ``name.…`` by what follows the dot."""
        return {key[len(name) + 1 :]: text for key, text in self.texts.items() if key.startswith(f"{name}.")}


def found(wanted: str) -> str:
    """Return the language that is spoken when ``wanted`` (BCP 47) is asked for.

    >>> found("ar-SY"), found("prs"), found("zh-Hant")
    ('ar', 'fa', 'de')
    """
    primary = wanted.split("-")[0].lower()
    nearest = NEAREST.get(primary, primary)
    return nearest if nearest in LANGUAGES else FALLBACK


@cache
def _file(language: str) -> dict[str, str]:
    return msgspec.json.decode(files(__name__).joinpath(f"{language}.json").read_bytes(), type=dict[str, str])


def texts_in(wanted: str) -> CardTexts:
    """Return the texts in the wanted language, or in the one that it falls back to."""
    language = found(wanted)
    return CardTexts(wanted=wanted, language=language, texts=_file(language))
