"""Somebody else saved in between: both are shown side by side, and line by line is chosen what holds."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from directory.database import Database
from graphapi.web.conflicting import NEVER, conflict_of, line_of, settled
from graphapi.web.visiting import Fields
from tests.graphapi.asking import Api
from tests.graphapi.conftest import api as api
from tests.graphapi.exchanging import Town, make_town
from tests.web.conftest import Web, number_of

PAGE = """<main><form action="/elsewhere"><input name="expectedVersion" type="hidden" value="1"></form>
<form action="/thing"><input type="hidden" name="expectedVersion" value="7">
<label for="t">Title <span class="kern-label__optional">(optional)</span></label>
<input type="text" id="t" name="title.de" value="Tom &amp; Anna">
<fieldset><legend>Languages</legend>
<input type="checkbox" id="l1" name="languages" value="de" checked><label for="l1">German</label>
<input type="checkbox" id="l2" name="languages" value="ar"><label for="l2">Arabic</label></fieldset>
<label for="k0">Kind</label><select id="k0" name="contacts.0.kind"><option value="PHONE">Phone</option>
<option value="WEB" selected>Web</option></select>
<label for="v0">Number</label><input type="text" id="v0" name="contacts.0.value" value="0355 1">
<label for="d">What it is</label><textarea id="d" name="description">
one
two</textarea>
<input type="checkbox" id="y" name="open" value="true" checked><label for="y">Is open</label>
</form></main>"""
SAME = [
    ("expectedVersion", "6"),
    ("title.de", "Tom & Anna"),
    ("languages", "de"),
    ("contacts.0.kind", "WEB"),
    ("contacts.0.value", "0355 1"),
    ("description", "one\r\ntwo"),
    ("open", "true"),
]


def sent(**changed: str) -> Fields:
    return Fields([(name, changed.get(name, value)) for name, value in SAME])


def test_rows_of_a_list_are_one_line_and_languages_of_a_text_are_not() -> None:
    names = ["title.de", "title.en", "contacts.0.kind", "contacts.12.value", "name"]
    assert [line_of(name) for name in names] == ["title.de", "title.en", "contacts", "contacts", "name"]


def test_who_entered_what_is_saved_has_nothing_to_choose() -> None:
    assert conflict_of(PAGE, "/thing", sent()) is None
    empty_row = Fields([*SAME, ("contacts.1.kind", "PHONE"), ("contacts.1.value", "")])
    assert conflict_of(PAGE, "/thing", empty_row) is None
    assert conflict_of(PAGE, "/other", sent(**{"title.de": "Anders"})) is None


def test_only_what_differs_is_shown_and_read_in_words() -> None:
    given = Fields([*SAME[:1], ("title.de", "Tom"), ("languages", "ar"), *SAME[3:6]])
    found = conflict_of(PAGE, "/thing", given)
    assert found is not None
    assert found.version == "7"
    assert [(line.key, line.label, line.mine, line.theirs) for line in found.lines] == [
        ("title.de", "Title", [("Title", ["Tom"])], [("Title", ["Tom & Anna"])]),
        ("languages", "Languages", [("Languages", ["Arabic"])], [("Languages", ["German"])]),
        ("open", "Is open", [], [("Is open", [None])]),
    ]


@pytest.mark.parametrize(
    ("chosen", "title", "version"),
    [
        ({"choose.title.de": "mine"}, "Tom", "7"),
        ({"choose.title.de": "theirs"}, "Tom & Anna", "7"),
        ({"all": "mine"}, "Tom", "7"),
        ({}, "Tom", NEVER),
        ({"choose.title.de": "both"}, "Tom", NEVER),
    ],
)
def test_what_is_chosen_is_the_form_that_is_sent(chosen: dict[str, str], title: str, version: str) -> None:
    found = conflict_of(PAGE, "/thing", sent(**{"title.de": "Tom"}))
    assert found is not None
    form = Fields([*found.hidden, ("expectedVersion", found.version), ("asked", "title.de"), *chosen.items()])
    one = settled(form)
    assert (one.get("title.de"), one.get("expectedVersion")) == (title, version)
    assert one.all("languages") == ["de"]
    assert not [name for name, _ in one.pairs() if name.startswith(("now.", "choose.", "asked"))]


def test_a_list_is_taken_whole() -> None:
    given = Fields([*SAME, ("contacts.1.kind", "PHONE"), ("contacts.1.value", "110")])
    found = conflict_of(PAGE, "/thing", given)
    assert found is not None
    assert [line.key for line in found.lines] == ["contacts"]
    theirs = Fields([*found.hidden, ("asked", "contacts"), ("choose.contacts", "theirs")])
    assert [name for name, _ in settled(theirs).pairs() if name.startswith("contacts")] == [
        "contacts.0.kind",
        "contacts.0.value",
    ]


# --- On the pages ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


def fields_of(page: Any) -> dict[str, Any]:
    """Return the hidden fields of the form of choices, as a browser would send them."""
    form = page.text.partition('id="conflict"')[2].partition("</form>")[0]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form):
        found.setdefault(unescape(name), []).append(unescape(value))
    return found


async def test_two_who_change_a_service_at_once_choose_line_by_line(web: Web, town: Town) -> None:
    await web.sign_in(town.world.staff_member)
    key = await town.new_service()
    path = f"/entry/services/{key}"
    shown = await web.get(path)
    version = re.search(r'name="expectedVersion" value="(\d+)"', shown.text)
    assert version
    script = "<script>alert(1)</script>"
    texts = [{"language": "de", "text": f"Anders {script}"}, {"language": "en", "text": "Theirs"}]
    await town.done("staff", "changeService", id=key, expectedVersion=int(version[1]), title=texts)

    form = {"expectedVersion": version[1], "title.de": f"Meins {script}", "title.en": "Mine", "website": ""}
    page = await web.post(path, form, number=number_of(shown), headers={"accept-language": "de"})
    assert page.status_code == 409
    assert "Inzwischen hat jemand anderes gespeichert" in page.text
    assert script not in page.text
    assert "Macro" not in page.text
    for said in ("Meins", "Anders", "Mine", "Theirs"):
        assert said in page.text

    undecided = {**fields_of(page), "choose.title.de": "mine"}
    again = await web.post(path, undecided, number=number_of(page))
    assert again.status_code == 409
    assert "Please choose in every line" in again.text

    done = await web.post(
        path,
        {**fields_of(again), "choose.title.de": "mine", "choose.title.en": "theirs"},
        number=number_of(page),
    )
    assert done.status_code == 303, done.text
    query = "query ($id: ID!) { service(id: $id) { titles { language text } } }"
    found = (await town.ask(query, {"id": key}, who="staff")).data["service"]["titles"]
    assert {one["language"]: one["text"] for one in found} == {"de": f"Meins {script}", "en": "Theirs"}
