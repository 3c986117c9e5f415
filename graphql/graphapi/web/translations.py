"""Texts of the pages: English in the templates, German from the catalogues in ``locale/``.

Each catalogue (``locale/de/<area>.po``) belongs to one area of the pages and is read at start; there are no
compiled ones. ``python -m graphapi.web.translations`` prints what has no German yet, ready to paste.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

HERE: Final = Path(__file__).parent
LOCALE: Final = HERE / "locale"
LANGUAGES: Final = ("de", "en")
_KEYWORDS: Final[dict[str, tuple[Any, ...] | None]] = {
    "_": None,
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}


class Said(NamedTuple):
    """A text as it stands in templates and handlers."""

    context: str | None
    text: str


def N_(text: str) -> str:  # noqa: N802 - the name that gettext tools know
    """Mark a text that is translated later, where it is shown."""
    return text


@cache
def catalogue(language: str) -> Mapping[Said, tuple[str, ...]]:
    """Return all translations into a language: one form, or two where a number decides.

    Raises ValueError when two areas translate the same text differently.
    """
    found: dict[Said, tuple[str, ...]] = {}
    for file in sorted((LOCALE / language).glob("*.po")):
        for message in read_po(io.BytesIO(file.read_bytes()), locale=language):
            if not message.id:
                continue
            singular = message.id if isinstance(message.id, str) else message.id[0]
            forms = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
            if not all(forms) or not forms or message.fuzzy:
                continue
            said = Said(message.context, singular)
            if found.setdefault(said, forms) != forms:
                raise ValueError(f"{file.name}: {singular!r} is translated differently elsewhere")
    return found


class Translations:
    """What the pages say in one language; English is what stands in the templates."""

    def __init__(self, language: str) -> None:
        self._found = {} if language == "en" else catalogue(language)

    def gettext(self, text: str) -> str:
        """Return a text."""
        return self._found.get(Said(None, text), (text,))[0]

    def ngettext(self, one: str, many: str, number: int) -> str:
        """Return the form that goes with a number (German and English have the same two)."""
        forms = self._found.get(Said(None, one), (one, many))
        return forms[0] if number == 1 else forms[-1]

    def pgettext(self, context: str, text: str) -> str:
        """Return a text that means something else elsewhere."""
        return self._found.get(Said(context, text), (text,))[0]


def extracted() -> dict[Said, set[str]]:
    """Return every text in templates and handlers, each with the files that it stands in."""
    found: dict[Said, set[str]] = {}
    methods = [("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")]
    options = {"templates/**.html": {"newstyle_gettext": "true", "trimmed": "true", "silent": "false"}}
    rows = extract_from_dir(str(HERE), methods, options, keywords=_KEYWORDS, strip_comment_tags=True)
    for file, _line, text, _comments, context in rows:
        singular = text if isinstance(text, str) else text[0]
        found.setdefault(Said(context, singular), set()).add(file)
    return found


def missing(language: str = "de") -> Iterator[tuple[Said, set[str]]]:
    """Yield the texts that have no translation."""
    known = catalogue(language)
    return ((said, files) for said, files in extracted().items() if said not in known)


def main() -> None:
    """Print the texts without German as entries of a catalogue."""
    for said, files in missing():
        sys.stdout.write(f"#: {' '.join(sorted(files))}\n")
        if said.context:
            sys.stdout.write(f'msgctxt "{said.context}"\n')
        lines = said.text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        sys.stdout.write(f'msgid "{lines}"\nmsgstr ""\n\n')


if __name__ == "__main__":
    main()
