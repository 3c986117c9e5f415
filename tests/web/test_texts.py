"""Every text of the pages is there in German, none is left over, and no page holds German of its own."""

from __future__ import annotations

import io
import re

import pytest
from babel.messages.pofile import read_po

from graphapi.web.rendering import TEMPLATES, Pages
from graphapi.web.translations import LANGUAGES, LOCALE, Said, Translations, catalogue, extracted

FILES = sorted((LOCALE / "de").glob("*.po"))


@pytest.fixture(scope="module")
def used() -> dict[Said, set[str]]:
    return extracted()


def test_every_text_is_translated(used: dict[Said, set[str]]) -> None:
    known = catalogue("de")
    assert not {said: files for said, files in used.items() if said not in known}


def test_no_translation_is_left_over(used: dict[Said, set[str]]) -> None:
    assert not [said for said in catalogue("de") if said not in used]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_placeholders_are_the_same_in_both_languages(file: object) -> None:
    for message in read_po(io.BytesIO(file.read_bytes())):  # type: ignore[attr-defined]
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        said = [message.string] if isinstance(message.string, str) else list(message.string or ())
        names = {name for text in ids for name in re.findall(r"%\((\w+)\)s", text)}
        for text in said if message.id else ():
            assert set(re.findall(r"%\((\w+)\)s", text)) <= names, message.id
            assert re.sub(r"%\(\w+\)s", "", text).count("%") == re.sub(r"%\(\w+\)s", "", ids[0]).count("%")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_template_compiles_in_every_language(language: str) -> None:
    environment = Pages().environment(language)
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)


def test_numbers_choose_their_form() -> None:
    german = Translations("de")
    one, many = "%(number)s service found", "%(number)s services found"
    assert german.ngettext(one, many, 1) == "%(number)s Angebot gefunden"
    assert german.ngettext(one, many, 0) == "%(number)s Angebote gefunden"
    assert Translations("en").ngettext(one, many, 2) == many
    assert Said(None, one) in catalogue("de")


ALLOWED = re.compile(r"<script src=|<script type=\"application/ld\+json\">|<meta name=\"htmx-config\"")


def test_templates_hold_nothing_inline_that_the_policy_forbids() -> None:
    for file in TEMPLATES.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|javascript:|<style|\|\s*safe\b", text), file
        for tag in re.findall(r"<script[^>]*>", text):
            assert ALLOWED.search(tag), f"{file}: {tag}"
