"""Jinja for the pages: everything escaped, no name unknown, texts and days in the page's language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import segno
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from directory.days import ZONE
from directory.languages import direction
from graphapi.messages import MessageLanguage
from graphapi.web import labels
from graphapi.web.translations import LANGUAGES, Translations

TEMPLATES: Final = Path(__file__).parent / "templates"
KEPT: Final = 2_000
"""How many numbers, and names of languages, are kept as they are written."""


class _Environment(Environment):
    """Reads ``thing.items`` of GraphQL's data as the field, never as the method of a dict."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def moment_of(value: str | date | datetime) -> date | datetime:
    """Return what GraphQL gives as text: a day, or a moment in the network's zone."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    return value.astimezone(ZONE) if isinstance(value, datetime) else value


def drawn_code(address: str) -> str:
    """Return an address as a code for a telephone's camera (QR): an image that is an address itself."""
    drawn: str = segno.make_qr(address, error="m").svg_data_uri(border=4, light="#fff")
    return drawn


@cache
def _environment(language: str) -> Environment:
    """Return the templates of a language; a process compiles each once, and none is changed while it runs."""
    made = _Environment(
        loader=FileSystemLoader(TEMPLATES),
        auto_reload=False,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    said = Translations(language)
    spoken: MessageLanguage = "de" if language == "de" else "en"
    made.install_gettext_callables(  # type: ignore[attr-defined]
        said.gettext, said.ngettext, newstyle=True, pgettext=said.pgettext
    )

    def day(value: Any) -> str:
        return "" if value is None else day_of(value, language)

    def moment(value: Any) -> str:
        return "" if value is None else time_of(value, language)

    @lru_cache(maxsize=KEPT)
    def counted(value: int) -> str:
        return format_decimal(value, locale=language)

    def number(value: Any) -> str:
        if value is None:
            return ""
        return counted(value) if type(value) is int else format_decimal(value, locale=language)

    def told(text: Mapping[str, Any] | None) -> str:
        """Show a text that GraphQL gives with its language, marked where it is not the page's."""
        if not text or text.get("text") is None:
            return ""
        tongue = text.get("language")
        if tongue is None or tongue == language:
            return escape(text["text"])
        return Markup('<span lang="{}" dir="{}">{}</span>').format(tongue, direction(tongue), text["text"])

    def label(value: str | Sequence[str] | None, enum: str) -> str:
        return labels.label(enum, value, spoken)

    def options(enum: str, among: Sequence[str] = ()) -> list[tuple[str, str]]:
        return labels.options(enum, spoken, among)

    @lru_cache(maxsize=KEPT)
    def tongue(tag: str) -> str:
        return labels.tongue(tag, language)

    made.filters |= {"day": day, "moment": moment, "number": number, "told": told}
    made.filters |= {"label": label, "tongue": tongue}
    made.globals |= {"direction": direction, "options": options, "drawn": drawn_code}
    return made


_REFUSED: Final = re.compile(r'(<li><a class="kern-link" href="#field-([^"]+)">)')
_CALLED: Final = re.compile(
    r'<label class="kern-label" for="field-([^"]+)"[^>]*>([^<]+)|'
    r'<fieldset [^>]*id="field-([^"]+)"[^>]*>\s*<legend class="kern-label">([^<]+)'
)


def naming_fields(page: str) -> str:
    """Return a page whose summary of errors says of each which field it is about, as its label calls it.

    What is wrong stands beside a field as "Please fill this in"; three such lines in the summary would leave
    people to guess (WCAG 2.4.4, 3.3.1). Only what is a label's text in the page already is written again.

    >>> naming_fields('<li><a class="kern-link" href="#field-a">Missing</a></li>'
    ...               '<label class="kern-label" for="field-a">Name <span>(optional)</span></label>')[:55]
    '<li><a class="kern-link" href="#field-a">Name: Missing</'
    """
    called: dict[str, str] = {}
    for control, label, group, legend in _CALLED.findall(page):
        called.setdefault(control or group, (label or legend).strip().rstrip(":?"))

    def named(found: re.Match[str]) -> str:
        name = called.get(found[2])
        return f"{found[1]}{name}: " if name else found[1]

    return _REFUSED.sub(named, page)


def day_of(value: str | date | datetime, language: str) -> str:
    """Return a day, or the day of a moment, as a language of the pages writes it."""
    return format_date(_day_of(value), "d. MMMM y" if language == "de" else "d MMMM y", locale=language)


def time_of(value: str | datetime, language: str) -> str:
    """Return a moment as a language of the pages writes it, with its weekday."""
    style = "EE, d. MMMM y, HH:mm 'Uhr'" if language == "de" else "EE, d MMMM y, HH:mm"
    return format_datetime(moment_of(value), style, locale=language, tzinfo=ZONE)


def _day_of(value: Any) -> date:
    found = moment_of(value)
    return found.date() if isinstance(found, datetime) else found


class Pages:
    """All templates, once per language of the pages."""

    def __init__(self) -> None:
        self._environments = {language: _environment(language) for language in LANGUAGES}

    def render(self, template: str, language: str, values: Mapping[str, Any]) -> str:
        """Return a template filled in; a value that is missing is an error."""
        return self._environments[language].get_template(template).render(values)

    def environment(self, language: str) -> Environment:
        """Return Jinja as it is set up for a language."""
        return self._environments[language]

    def translations(self, language: str) -> Translations:
        """Return the texts of a language, for handlers."""
        return Translations(language)
