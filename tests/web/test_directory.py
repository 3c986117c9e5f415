"""Public pages: search with filters in the address, entries, "something is wrong here"."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID

import httpx
import pytest

from directory import catalogue, ending
from directory.actors import SYSTEM, Role
from directory.database import Database
from directory.models import Partner, Service
from directory.values import EligibilityRule
from directory.vocabulary import Answer, Responsibility
from graphapi.app import application
from graphapi.context import Services
from graphapi.mutations.ending import GUARD
from graphapi.web.options import Options, Tiles
from graphapi.web.pages import directory as pages
from tests.graphapi.conftest import MANY, World, make_member, make_partner, make_service, make_topic
from tests.web.conftest import Web, number_of

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
async def course(web: Web, world: World, database: Database) -> str:
    """Return the UUID of a published service with an own word in its title."""
    made = await make_service(database, world.partner, "Zwiebelkuchenkurs")
    await web.found_by_search()
    return str(made)


async def test_what_was_searched_for_is_found_and_leads_to_the_entry(web: Web, course: str) -> None:
    found = await web.get("/search", text="Zwiebelkuchenkurs", language="de")
    assert found.status_code == 200
    assert f'href="/service/{course}"' in found.text
    entry = await web.get(f"/service/{course}", language="de")
    assert entry.status_code == 200
    assert "Zwiebelkuchenkurs" in entry.text
    assert "Hier stimmt etwas nicht" in entry.text
    assert f'type="application/ld+json" href="/services/{course}.jsonld"' in entry.text


async def test_what_finds_nothing_offers_something(web: Web, course: str) -> None:
    """The filter that excluded everything, as a link to the same search without it."""
    page = await web.get("/search", text="Zwiebelkuchenkurs", childcare="true", language="de")
    assert "Ohne einen Filter gibt es etwas" in page.text
    assert 'href="/search?text=Zwiebelkuchenkurs' in page.text
    found = await web.get("/search", text="Zwiebelkuchenkurs", language="de")
    assert "Ohne einen Filter gibt es etwas" not in found.text


@pytest.mark.parametrize("role", [None, "staff", "stranger"])
async def test_everybody_reads_entries(
    web: Web, world: World, database: Database, course: str, role: Any
) -> None:
    if role == "staff":
        await web.sign_in(world.staff_member)
    elif role == "stranger":
        member, _ = await make_member(database, world.other_partner, Role.PARTNER_MEMBER)
        await web.sign_in(member)
    for path in ("/search", f"/service/{course}", f"/partner/{world.partner}"):
        assert (await web.get(path)).status_code == 200, path


async def test_a_rule_of_an_entry_names_its_places(web: Web, world: World, database: Database) -> None:
    rule = EligibilityRule(answer=Answer.FITS, residence=("12052", "120605003024"))
    made = await make_service(database, world.partner, "Kurs", eligibility=[rule])
    assert (
        "Wohnort: Cottbus/Chóśebuz, 120605003024" in (await web.get(f"/service/{made}", language="de")).text
    )


@pytest.mark.parametrize(
    ("responsibility", "said"),
    [("FREE", "Sie können dieses Angebot frei wählen."), ("BY_RESIDENCE", "entscheidet Ihr Wohnort.")],
)
async def test_an_entry_says_in_a_sentence_who_may_come(
    web: Web, world: World, database: Database, responsibility: str, said: str
) -> None:
    made = await make_service(database, world.partner, "Kurs", responsibility=Responsibility(responsibility))
    assert said in (await web.get(f"/service/{made}", language="de")).text


async def test_topics_without_a_name_are_named_by_their_code(
    web: Web, world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = await make_topic(database)
    await make_service(database, world.partner, "Zwiebelkuchenkurs", topics=[code])
    await web.found_by_search()
    monkeypatch.setattr(pages, "_TOPICS", {})
    assert f">{code}" in re.sub(r">\s+", ">", (await web.get("/search", topics=code)).text)


async def test_filters_stand_in_the_address_and_are_taken_away_one_by_one(web: Web, course: str) -> None:
    page = await web.get("/search?kinds=QUALIFICATION&languages=ar&level=B1&childcare=true&kinds=nonsense")
    assert page.status_code == 200
    for name in ("kinds=QUALIFICATION", "languages=ar", "level=B1", "childcare=true"):
        assert name in page.text
    assert 'value="nonsense"' not in page.text
    assert page.text.count('class="kern-link chosen"') == 4
    assert "Nothing fits these words and filters" in page.text
    part = await web.http.get(
        "/search?text=xyzzyqwrtz", headers={"hx-request": "true", "accept-language": "en"}
    )
    assert "<html" not in part.text
    assert "Nothing fits these words" in part.text


async def test_a_filter_that_finds_nothing_is_named_as_it_was_chosen(web: Web, course: str) -> None:
    page = await web.get("/search?text=Zwiebelkuchenkurs&level=C2&womenOnly=true", language="de")
    assert "ohne „Niveau C2, nur für Frauen“" in page.text


@pytest.mark.parametrize("name", ["text", "topics", "languages", "kinds", "level", "view", "after", "open"])
async def test_scripts_in_the_address_are_text(web: Web, name: str) -> None:
    page = await web.get("/search", **{name: HOSTILE})
    assert page.status_code in {200, 422}
    assert "<script>alert" not in page.text


async def test_suggestions_are_offered_while_typing(web: Web, course: str) -> None:
    offered = await web.get("/search/suggestions", text="Zwiebelku")
    assert "/search?text=Zwiebelkuchenkurs" in offered.text
    assert "<html" not in offered.text
    assert "<a" not in (await web.get("/search/suggestions", text="Z")).text


@pytest.mark.parametrize(
    "path", ["/service/nonsense", "/partner/1", f"/service/{UUID(int=1)}", f"/partner/{UUID(int=1)}"]
)
async def test_what_is_not_there_is_said(web: Web, path: str) -> None:
    assert (await web.get(path)).status_code == 404


async def test_a_hidden_entry_is_for_its_partner_only(web: Web, world: World, database: Database) -> None:
    hidden = await make_service(database, world.partner, "Versteckt", published=False)
    assert (await web.get(f"/service/{hidden}")).status_code == 404
    await web.sign_in(world.staff_member)
    page = await web.get(f"/service/{hidden}")
    assert page.status_code == 200
    assert "This entry is not public" in page.text


async def test_addresses_of_entries_without_a_format_lead_to_their_pages(web: Web, course: str) -> None:
    for old, new in (("services", "service"), ("partners", "partner")):
        led = await web.get(f"/{old}/{course}")
        assert (led.status_code, led.headers["location"]) == (303, f"/{new}/{course}")
    assert (await web.get("/services/nonsense")).status_code == 404


@pytest.mark.parametrize("kind", ["service", "partner"])
async def test_anybody_says_what_is_wrong(web: Web, world: World, course: str, kind: str) -> None:
    path = f"/{kind}/{course if kind == 'service' else world.partner}"
    number = number_of(await web.get(path))
    said = {"field": "WEBSITE", "value": "https://example.org/new", "remark": ""}
    taken = await web.post(f"{path}/correction", said, number=number)
    assert (taken.status_code, taken.headers["location"]) == (303, path)
    assert "Thank you" in (await web.get(path)).text

    for given, wrong in (({}, "field"), ({"field": "WEBSITE"}, "value"), ({"field": HOSTILE}, "field")):
        refused = await web.post(f"{path}/correction", given, number=number)
        assert refused.status_code == 422, given
        assert f'href="#field-{wrong}"' in refused.text
        assert "<script>alert" not in refused.text
    typed = await web.post(f"{path}/correction", {"remark": HOSTILE}, number=number)
    assert "&lt;script&gt;" in typed.text
    assert (await web.post(f"{path}/correction", said, number="wrong")).status_code == 403


async def test_scripts_in_entries_are_text(web: Web, world: World, database: Database) -> None:
    async with database.work(SYSTEM) as work:
        saved = await catalogue.create_partner(
            work,
            catalogue.PartnerDraft(
                municipality_id=world.municipality,
                kind="FREE_PROVIDER",  # type: ignore[arg-type]
                name=HOSTILE,
                description={"de": HOSTILE, "ar": f"{HOSTILE} عربي"},
            ),
        )
        await work.session.flush()
        await catalogue.publish_partner(work, saved.id, expected_version=saved.version)
    made = await make_service(database, saved.id, f"Zwetschgen{HOSTILE}")
    await web.found_by_search()
    for language in ("de", "ar"):
        for path in (f"/partner/{saved.id}", f"/service/{made}", "/search?text=Zwetschgen"):
            page = await web.get(path, language=language)
            assert page.status_code == 200
            assert "<script>alert" not in page.text
    arabic = (await web.get(f"/partner/{saved.id}", language="ar,de")).text
    assert '<span lang="ar" dir="rtl">' in arabic


@pytest.mark.parametrize(
    ("reader", "said"), [("ar,de", False), ("ar-SY,de", False), ("de", False), ("fr", True)]
)
async def test_a_text_in_another_language_says_so(
    web: Web, world: World, database: Database, reader: str, said: bool
) -> None:
    made = await make_service(
        database, world.partner, "Kurs", description={"de": "Auf Deutsch", "ar": "بالعربية"}
    )
    page = (await web.get(f"/service/{made}", language=reader)).text
    assert ("another language only" in page or "nur in einer anderen Sprache" in page) is said


# --- For machines, and when an entry has gone -----------------------------------------------------------

BLOCK = re.compile(r'<script type="application/ld\+json">(.*?)</script>', re.DOTALL)
ENDS = 'Kurs </script><!-- <script>alert(1)</script> --> & "x" عربي'


def data_of(page: httpx.Response) -> list[dict[str, Any]]:
    """Return the data that a page carries for machines."""
    return [json.loads(one) for one in BLOCK.findall(page.text)]


async def test_entries_carry_their_data_and_no_text_of_theirs_ends_the_block(
    web: Web, world: World, database: Database
) -> None:
    made = await make_service(database, world.partner, ENDS, description={"de": ENDS, "ar": ENDS})
    page = await web.get(f"/service/{made}")
    (data,) = data_of(page)
    assert data["identifier"] == str(made)
    assert {"@value": ENDS, "@language": "de"} in data["name"]
    assert data == (await web.http.get(f"/services/{made}.jsonld")).json()
    inside = BLOCK.findall(page.text)[0]
    assert not set("<>&") & set(inside)
    assert page.text.count("<script") == page.text.count("</script>")
    (partner,) = data_of(await web.get(f"/partner/{world.partner}"))
    assert partner == (await web.http.get(f"/partners/{world.partner}.jsonld")).json()
    assert "script-src 'self';" in page.headers["content-security-policy"]


async def test_what_is_not_public_carries_no_data(web: Web, world: World, database: Database) -> None:
    draft = await make_service(database, world.partner, "Entwurf", published=False)
    await web.sign_in(world.staff_member)
    page = await web.get(f"/service/{draft}")
    assert page.status_code == 200
    assert not data_of(page)


async def end(database: Database, kind: str, id_: UUID) -> None:
    """Delete an entry as it is."""
    async with database.work(SYSTEM) as work:
        if kind == "service":
            version = (await work.session.get_one(Service, id_)).version
            await ending.delete_service(
                work, id_, expected_version=version, guard=GUARD, reason="eingestellt"
            )
        else:
            version = (await work.session.get_one(Partner, id_)).version
            await ending.delete_partner(work, id_, expected_version=version, guard=GUARD, reason="aufgelöst")


@pytest.mark.parametrize("language", ["de", "en"])
async def test_what_was_public_and_has_ended_says_so_and_leads_on(
    web: Web, world: World, database: Database, language: str
) -> None:
    partner = await make_partner(database, world.municipality, "Verein, der sich auflöst")
    service = await make_service(database, partner, "Kurs, der endet")
    with_it = await make_service(database, partner, "Kurs, der mit ihm endet")
    await end(database, "service", service)
    await end(database, "partner", partner)
    said = {"de": "Diesen Eintrag gibt es nicht mehr", "en": "This entry is no longer there"}[language]
    for path in (f"/service/{service}", f"/service/{with_it}", f"/partner/{partner}"):
        page = await web.get(path, language=language)
        assert page.status_code == 410, path
        assert said in page.text
        assert 'action="/search"' in page.text
        assert "auflöst" not in page.text and "Kurs, der" not in page.text
        assert 'name="robots" content="noindex"' in page.text


async def test_that_something_unpublished_was_there_is_told_to_nobody(
    web: Web, world: World, database: Database
) -> None:
    never = await make_service(database, world.partner, "Nie gezeigt", published=False)
    await end(database, "service", never)
    hidden = await make_service(database, world.partner, "Nur verborgen")
    async with database.work(SYSTEM) as work:
        entry = await work.session.get(Service, hidden)
        assert entry is not None
        await catalogue.hide_service(work, hidden, expected_version=entry.version)
    foreign = await web.get(f"/service/{UUID(int=1)}")
    for one in (never, hidden):
        page = await web.get(f"/service/{one}")
        assert page.status_code == foreign.status_code == 404
        assert page.text.replace(str(one), "") == foreign.text.replace(str(UUID(int=1)), "")


# --- Map and weight -------------------------------------------------------------------------------------


async def test_the_map_shows_more_than_a_page_and_says_where_it_ends(
    web: Web, world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await make_service(database, world.partner, f"Quittengeleekurs {number}")
    await web.found_by_search()
    monkeypatch.setattr(pages, "AT_ONCE", 2)
    monkeypatch.setattr(pages, "ON_MAP", 4)
    page = await web.get("/search", text="Quittengeleekurs", view="map")
    assert page.text.count('class="kern-card"') == 4
    assert "The map shows 4 of 5 services" in page.text
    assert 'rel="next"' in page.text
    monkeypatch.setattr(pages, "ON_MAP", 200)
    page = await web.get("/search", text="Quittengeleekurs", view="map")
    assert page.text.count('class="kern-card"') == 5
    assert "The map shows" not in page.text.replace("The map shows where", "")


async def test_no_other_host_is_asked_unless_tiles_are_set_and_then_on_the_map_only(
    web: Web, world: World, database: Database, course: str
) -> None:
    page = await web.get("/search", view="map")
    assert "data-tiles" not in page.text
    assert "https:" not in page.headers["content-security-policy"]
    tiles = Tiles(address="https://tiles.example.org/{z}/{x}/{y}.png", credit='© "Karten" <b>')
    assert web.follower is not None
    engines = (web.follower._engine,)
    services = Services(
        database=database, limits=MANY, engines=engines, web=Options(secure=False, tiles=tiles)
    )
    transport = httpx.ASGITransport(application(services))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        page = await http.get("/search?view=map&text=Zwiebelkuchenkurs")
        assert 'data-credit="© &#34;Karten&#34; &lt;b&gt;"' in page.text
        assert "img-src 'self' https://tiles.example.org data:;" in page.headers["content-security-policy"]
        plain = await http.get("/search")
        assert "tiles.example.org" not in plain.text + plain.headers["content-security-policy"]


async def test_public_pages_are_packed_and_those_with_a_secret_never(
    web: Web, world: World, course: str
) -> None:
    async def packed(path: str) -> bool:
        answer = await web.get(path)
        assert len(answer.content) > 1_000
        return bool(answer.headers.get("content-encoding") == "gzip")

    assert await packed("/search?text=Zwiebelkuchenkurs")
    assert not await packed(f"/service/{course}"), "its form has a number"
    await web.sign_in(world.staff_member)
    assert not await packed("/search?text=Zwiebelkuchenkurs")
