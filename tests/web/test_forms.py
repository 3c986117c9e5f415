"""The parts of forms and pages: labels, errors at the field and in the summary, what was typed stays."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from directory.database import Database
from graphapi.app import application
from graphapi.context import Services
from graphapi.web.options import Options
from graphapi.web.rendering import Pages, naming_fields
from graphapi.web.visiting import Fields
from referrals.personal_data.keystore import KeyStore
from tests.graphapi.conftest import MANY

PAGES = Pages()
IMPORTS = '{% import "forms.html" as forms with context %}{% import "parts.html" as parts with context %}'


class Visit:
    """As much of a visit as the macros look at."""

    form_number = "NUMBER"
    path = "/clients"

    def __init__(self, form: str = "", errors: dict[str, str] | None = None) -> None:
        self.form = Fields.read(form)
        self.query = Fields([])
        self.errors = errors or {}

    def new_number(self) -> str:
        return "form-1"

    def address_with(self, **changed: Any) -> str:
        return f"/clients?after={changed['after']}"


def shown(template: str, visit: Visit | None = None, language: str = "de", **values: Any) -> str:
    """Return a piece of a template filled in."""
    made = PAGES.environment(language).from_string(IMPORTS + template)
    return made.render(visit=visit or Visit(), language=language, **values)


FIELDS = {
    "field": '{{ forms.field("name", "Name") }}',
    "date": '{{ forms.date("name", "Tag") }}',
    "textarea": '{{ forms.textarea("name", "Text") }}',
    "select": '{{ forms.select("name", "Wahl", [("a", "A"), ("b", "B")]) }}',
    "choices": '{{ forms.choices("name", "Wahl", [("a", "A"), ("b", "B")]) }}',
    "check": '{{ forms.check("name", "Ja") }}',
}


@pytest.mark.parametrize("name", FIELDS)
def test_every_control_has_its_label_and_what_was_refused_is_tied_to_it(name: str) -> None:
    plain = shown(FIELDS[name])
    ids = set(re.findall(r'\bid="([^"]+)"', plain))
    assert {"field-name"} <= ids
    assert set(re.findall(r'\bfor="([^"]+)"', plain)) <= ids
    assert "aria-invalid" not in plain

    refused = shown("{{ forms.summary() }}" + FIELDS[name], Visit("name=a", {"name": "Fehlt <noch>"}))
    assert 'href="#field-name"' in refused
    assert 'aria-invalid="true"' in refused
    assert re.search(r'aria-describedby="[^"]*error-name"', refused)
    assert 'id="error-name"' in refused
    assert "Fehlt &lt;noch&gt;" in refused
    assert "<noch>" not in refused


@pytest.mark.parametrize("name", FIELDS)
def test_the_summary_says_which_field_each_line_is_about(name: str) -> None:
    errors = {"name": "Bitte füllen Sie das aus.", "gone": "Fehlt", "": "Es geht nicht."}
    page = naming_fields(shown("{{ forms.summary() }}" + FIELDS[name], Visit("a=b", errors)))
    label = re.search(r'<legend class="kern-label">([^<]+)|for="field-name">([^< ]+)', page)
    assert label is not None
    assert f'href="#field-name">{label[1] or label[2]}: Bitte füllen Sie das aus.</a>' in page
    assert 'href="#field-gone">Fehlt</a>' in page
    assert "<li>Es geht nicht.</li>" in page
    assert page.count("Bitte füllen Sie das aus.") == 2  # beside the field it stands as it is
    assert f"{label[1] or label[2]}: Bitte füllen Sie das aus.</span>" not in page


def test_a_label_that_somebody_wrote_stays_text_in_the_summary() -> None:
    field = '{{ forms.field("name", "<script>x()</script>") }}'
    page = naming_fields(shown("{{ forms.summary() }}" + field, Visit("", {"name": "Fehlt"})))
    assert "&lt;script&gt;x()&lt;/script&gt;: Fehlt" in page
    assert "<script>" not in page


@pytest.mark.parametrize("name", ["field", "date", "textarea"])
def test_what_was_typed_stays_and_is_text(name: str) -> None:
    again = shown(FIELDS[name], Visit("name=%22%3E%3Cscript%3E", {"": "Nein"}))
    assert "<script>" not in again
    assert "&gt;&lt;script&gt;" in again


def test_what_was_chosen_stays() -> None:
    assert '<option value="b" selected>' in shown(FIELDS["select"], Visit("name=b"))
    boxes = shown(FIELDS["choices"], Visit("name=a&name=b"))
    assert boxes.count(" checked") == 2
    assert " checked" not in shown('{{ forms.check("name", "Ja", checked=true) }}', Visit("other=1"))
    assert " checked" in shown('{{ forms.check("name", "Ja", checked=true) }}')


def test_a_form_carries_its_numbers_and_version() -> None:
    form = shown('{{ forms.begin("/x") }}{{ forms.version(7) }}{{ forms.submit("Los") }}{{ forms.end() }}')
    assert 'name="number" value="NUMBER"' in form
    assert 'name="once" value="form-1"' in form
    assert 'name="expectedVersion" value="7"' in form
    button = shown('{{ forms.button("/x", "Los", [("id", "1")], version_=3) }}')
    assert 'name="id" value="1"' in button
    assert 'name="expectedVersion" value="3"' in button


def test_parts_of_pages() -> None:
    table = shown(
        '{% call parts.table("Personen", ["Wer", "Stand"]) %}<tr>{{ parts.cell("Wer", "<i>", header=true) }}'
        '{% call parts.cell("Stand") %}<b>x</b>{% endcall %}</tr>{% endcall %}'
    )
    assert 'data-heading="Wer"' in table
    assert "&lt;i&gt;" in table
    assert "<b>x</b>" in table
    assert "Leer" in shown('{{ parts.empty("Leer", "Tun", "/x", "Weiter") }}')
    facts = shown('{{ parts.facts([("A", "x"), ("B", none), ("C", "")]) }}')
    assert facts.count("<dt") == 1
    more = shown("{{ parts.more(info) }}", info={"hasNextPage": True, "endCursor": "abc"})
    assert "/clients?after=abc" in more
    assert "kern-badge--info" in shown('{{ parts.badge("neu") }}')
    assert 'role="alert"' in shown('{{ parts.alert("Halt", "Text", "warning", role="alert") }}')


def test_texts_in_other_languages_are_marked_and_days_are_written_as_read_here() -> None:
    assert shown("{{ text | told }}", text={"text": "كورس", "language": "ar"}).startswith(
        '<span lang="ar" dir="rtl">'
    )
    assert shown("{{ text | told }}", text={"text": "<Kurs>", "language": "de"}) == "&lt;Kurs&gt;"
    assert shown("{{ day | day }}", day="2026-03-01") == "1. März 2026"
    assert shown("{{ at | moment }}", at="2026-03-01T09:30:00+00:00") == "So., 1. März 2026, 10:30 Uhr"
    assert shown("{{ day | day }}", language="en", day="2026-03-01") == "1 March 2026"
    assert shown("{{ n | number }}", n=12345) == "12.345"


async def test_without_the_files_of_packages_the_pages_are_plain_and_complete(
    database: Database, keys: KeyStore, tmp_path: object
) -> None:
    options = Options(secure=False, demo=True, assets=tmp_path)  # type: ignore[arg-type]
    services = Services(database=database, limits=MANY, keys=keys, web=options)
    transport = httpx.ASGITransport(application(services))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        page = await http.get("/sign-in", headers={"accept": "text/html"})
        assert page.status_code == 200
        assert 'class="plain"' in page.text
        assert "kern.css" not in page.text
        assert "htmx.js" not in page.text
        for address in re.findall(r'(?:href|src)="(/assets/[^"]+)"', page.text):
            answer = await http.get(address)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
        assert (await http.get("/assets/0000000000000000/site.css")).status_code == 404
        assert (await http.get("/assets/x/..%2f..%2foptions.py")).status_code == 404
