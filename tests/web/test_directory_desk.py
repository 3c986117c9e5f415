"""The coordination's desk for the directory: what is due, new partners, reports, pairs, ended entries."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import event, update

from directory import catalogue
from directory.actors import SYSTEM, Role
from directory.database import Database
from directory.models import Partner, PartnerDocumentRow, Service
from directory.values import ContactPoint
from directory.vocabulary import ContactKind, PublicationState
from graphapi.relay import global_id
from graphapi.web.pages import directory_desk
from tests.graphapi.conftest import World, make_member, make_partner, make_service, make_world
from tests.web.conftest import Web, number_of

SCRIPT = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
async def town(database: Database) -> World:
    """A municipality of this file's own; tests add the entries that they look at."""
    return await make_world(database)


@pytest.fixture
async def desk(web: Web, town: World, database: Database) -> Web:
    """A browser in which a coordinator of the town is signed in."""
    member, _ = await make_member(database, town.coordination, Role.COORDINATOR)
    await web.sign_in(member)
    return web


def partner_id(id_: UUID) -> str:
    return global_id("Partner", id_)


def service_id(id_: UUID) -> str:
    return global_id("Service", id_)


def said(page: httpx.Response) -> str:
    """Return what a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def hidden(page: httpx.Response, form: str) -> dict[str, str]:
    """Return the hidden fields of the form with this action."""
    found = re.search(rf'<form method="post" action="{re.escape(form)}".*?</form>', page.text, re.DOTALL)
    assert found, (form, said(page))
    return {
        name: unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found[0])
    }


async def send(web: Web, path: str, form: str, given: dict[str, Any] | None = None) -> httpx.Response:
    """Send a form as a page has it, with what somebody entered."""
    fields = {**hidden(await web.get(path), form), **(given or {})}
    return await web.post(form, fields, number=fields.pop("number"))


async def state_of(database: Database, model: type[Partner | Service], id_: UUID) -> Any:
    async with database.view(SYSTEM) as session:
        return await session.get(model, id_)


async def made_due(database: Database, id_: UUID) -> None:
    """Let an entry be due for long."""
    async with database.work(SYSTEM) as work:
        old = work.now - timedelta(days=900)
        await work.session.execute(
            update(PartnerDocumentRow).where(PartnerDocumentRow.id == id_).values(due_at=old)
        )


# --- Who may --------------------------------------------------------------------------------------------

PATHS = ("/directory", "/directory/due", "/directory/reports", "/directory/new", "/directory/duplicates")


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.COORDINATOR, 200), (Role.LEAD, 200), (Role.PARTNER_MEMBER, 403), (Role.OTHER_MUNICIPALITY, 403)],
)
async def test_the_desk_is_the_coordinations(
    web: Web, town: World, database: Database, role: Role, status: int
) -> None:
    home = town.coordination if role in {Role.COORDINATOR, Role.LEAD} else town.partner
    member, _ = await make_member(database, home, role)
    await web.sign_in(member)
    for path in (*PATHS, f"/keep/{town.partner}", f"/directory/end/{partner_id(town.partner)}"):
        page = await web.get(path)
        assert page.status_code == status, path
        assert page.headers["cache-control"] == "no-store"
    web.http.cookies.clear()
    assert (await web.get("/directory")).headers["location"].startswith("/sign-in?")


async def test_the_desk_leads_to_all_of_it_and_finds_by_name(
    desk: Web, town: World, database: Database
) -> None:
    draft = await make_partner(database, town.municipality, "Zypressenhof e. V.", published=False)
    start = await desk.get("/", language="de")
    assert 'href="/directory"' in start.text and "Alle Einträge" in start.text
    page = await desk.get("/directory", language="de")
    for path in ("/directory/due", "/directory/reports", "/directory/duplicates", "/directory/new"):
        assert f'href="{path}"' in page.text
    found = await desk.get("/directory", name="zypressen", language="de")
    assert f'href="/keep/{draft}"' in found.text and "Entwurf" in found.text
    assert "Koordination" not in said(found).partition("Name beginnt mit")[2]
    none = await desk.get("/directory", name="zypressen", state="PUBLISHED")
    assert "No organisation fits" in none.text


async def test_entries_of_other_municipalities_are_not_ours(desk: Web, database: Database) -> None:
    elsewhere = await make_world(database)
    service = await make_service(database, elsewhere.partner, "Kurs anderswo")
    key = partner_id(elsewhere.partner)
    for path in (
        f"/keep/{elsewhere.partner}",
        f"/keep/{elsewhere.partner}/change",
        f"/keep/{elsewhere.partner}/services/{service_id(service)}",
        f"/directory/end/{key}",
        f"/directory/merge/{key}/{partner_id(elsewhere.other_partner)}",
        f"/keep/{uuid4()}",
        "/keep/nonsense",
        "/directory/end/nonsense",
    ):
        assert (await desk.get(path)).status_code == 404, path


# --- What is due ----------------------------------------------------------------------------------------


async def test_what_is_due_is_confirmed_for_a_partner_that_said_so(
    desk: Web, town: World, database: Database
) -> None:
    late = await make_partner(database, town.municipality, f"Später Verein {SCRIPT}")
    reached = [
        ContactPoint(kind=ContactKind.PHONE, value="+49355123456"),
        ContactPoint(kind=ContactKind.EMAIL, value="spaet@example.org"),
    ]
    async with database.work(SYSTEM) as work:
        version = (await work.session.get_one(Partner, late)).version
        change = catalogue.PartnerChange(contact_points=reached)
        await catalogue.change_partner(work, late, change, expected_version=version)
    await made_due(database, late)
    page = await desk.get("/directory/due", language="de")
    assert page.status_code == 200
    assert "<script>alert" not in page.text and "Später Verein" in page.text
    assert 'href="tel:+49355123456"' in page.text and 'href="mailto:spaet@example.org?subject=' in page.text
    assert f'href="/keep/{late}"' in page.text
    form = f"/directory/due/assure-partner/{partner_id(late)}"
    stale = await desk.post(form, {"expectedVersion": "99"}, number=number_of(page))
    assert stale.status_code == 409
    done = await send(desk, "/directory/due", form)
    assert (done.status_code, done.headers["location"]) == (303, "/directory/due")
    assert form not in (await desk.get("/directory/due")).text
    assert (await desk.post("/directory/due/delete-partner/x", number=number_of(page))).status_code == 404


async def test_what_is_due_is_hidden_only_when_asked_once_more(
    desk: Web, town: World, database: Database
) -> None:
    late = await make_partner(database, town.municipality, "Stiller Verein")
    await made_due(database, late)
    form = f"/directory/due/hide-partner/{partner_id(late)}"
    assert form not in (await desk.get("/directory/due")).text
    path = f"/directory/due?hide={partner_id(late)}"
    assert "Really hide the organisation" in (await desk.get(path)).text
    assert (await send(desk, path, form)).status_code == 303
    assert (await state_of(database, Partner, late)).state is PublicationState.HIDDEN


# --- A new partner --------------------------------------------------------------------------------------


async def test_a_partner_is_begun_and_then_kept_by_the_same_forms(
    desk: Web, town: World, database: Database
) -> None:
    given = {"name": "Wacholder gGmbH", "kind": "FREE_PROVIDER", "phone": "0355 998877"}
    given |= {"dataProtectionLaw": "KDG", "professionalSecrecy": "true"}
    made = await send(desk, "/directory/new", "/directory/new", given)
    assert made.status_code == 303, said(made)
    home = made.headers["location"]
    page = await desk.get(home)
    assert "begun as a draft" in page.text
    assert "You keep this entry for" in said(page) and "+49355998877" in page.text
    assert 'href="/entry' not in page.text and 'action="/entry' not in page.text
    async with database.view(SYSTEM) as session:
        kept = await session.get(Partner, UUID(home.rpartition("/")[2]))
    assert kept is not None and kept.professional_secrecy and kept.data_protection_law.value == "KDG"

    changed = await send(
        desk,
        f"{home}/change",
        f"{home}/change",
        {"name": "Wacholder gGmbH", "description.de": f"Neu {SCRIPT}", "website": "https://example.org"},
    )
    assert (changed.status_code, changed.headers["location"]) == (303, home), said(changed)
    refused = await send(desk, f"{home}/change", f"{home}/change", {"name": ""})
    assert refused.status_code == 422 and f'action="{home}/change"' in refused.text
    again = await desk.get(f"{home}/change")
    assert "<script>alert" not in again.text and "&lt;script&gt;" in again.text
    place = await send(desk, f"{home}/new-place", f"{home}/new-place", {"name": "Haus 1"})
    assert place.headers["location"] == home, said(place)
    offered = {"title.de": "Wacholderberatung", "kind": "COUNSELLING"}
    service = await send(desk, f"{home}/new-service", f"{home}/new-service", offered)
    assert service.headers["location"].startswith(f"{home}/services/"), said(service)
    assert "Wacholderberatung" in (await desk.get(home)).text
    key = partner_id(kept.id)
    published = await send(desk, home, f"{home}/do/publish-partner/{key}")
    assert published.headers["location"] == home
    desk.http.cookies.clear()
    assert "Neu &#34;&gt;" in (await desk.get(f"/partner/{kept.id}")).text
    own = await desk.get(f"/partner/{town.coordination}")
    assert "Wacholder" not in own.text, "the own entry is as it was"


async def test_what_may_be_the_same_is_shown_before_it_is_entered_twice(
    desk: Web, town: World, database: Database
) -> None:
    there = await make_partner(database, town.municipality, "Mispelbaum Bildungswerk e. V.")
    given = {"name": "Bildungswerk Mispelbaum", "kind": "FREE_PROVIDER", "dataProtectionLaw": "GDPR"}
    asked = await send(desk, "/directory/new", "/directory/new", given)
    assert asked.status_code == 422
    assert f'href="/keep/{there}"' in asked.text
    assert "Why it may be the same" in asked.text and 'href="#field-another"' in asked.text
    assert 'value="Bildungswerk Mispelbaum"' in asked.text
    made = await send(desk, "/directory/new", "/directory/new", {**given, "another": "true"})
    assert made.status_code == 303 and made.headers["location"] != f"/keep/{there}"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "name"),
        ({"name": "Neuer Verein", "kind": "NONSENSE"}, "kind"),
        ({"name": "Neuer Verein", "kind": "BUSINESS", "mail": "keine"}, "mail"),
        ({"name": "Neuer Verein", "kind": "BUSINESS", "phone": "12", "mail": "a@example.org"}, "phone"),
        ({"name": "Neuer Verein", "kind": "BUSINESS", "website": "javascript:alert(1)"}, "website"),
        ({"name": SCRIPT, "kind": "NONSENSE"}, "kind"),
    ],
)
async def test_what_is_wrong_with_a_new_partner_stands_at_its_field(
    desk: Web, given: dict[str, str], field: str
) -> None:
    refused = await send(desk, "/directory/new", "/directory/new", {"dataProtectionLaw": "GDPR", **given})
    assert refused.status_code == 422
    assert f'href="#field-{field}"' in refused.text and f'id="error-{field}"' in refused.text
    assert "<script>alert" not in refused.text


# --- What others say ------------------------------------------------------------------------------------


async def test_what_others_say_is_taken_over_or_left_with_a_reason(
    desk: Web, town: World, database: Database
) -> None:
    service = await make_service(database, town.other_partner, "Holunderkurs")
    path = f"/service/{service}"
    for value in ("https://example.org/neu", "https://example.org/falsch"):
        number = number_of(await desk.get(path))
        taken = await desk.post(
            f"{path}/correction", {"field": "WEBSITE", "value": value, "remark": SCRIPT}, number=number
        )
        assert taken.status_code == 303
        page = await desk.get("/directory/reports")
        assert "<script>alert" not in page.text and value in page.text
        key = re.search(r"decide=([^\"#]+)#", page.text)
        assert key
        asked = f"/directory/reports?decide={key[1]}"
        form = re.search(r'action="(/directory/reports/[^"]+)"', (await desk.get(asked)).text)
        assert form
        refused = await send(desk, asked, form[1], {"reason": ""})
        assert refused.status_code == 422 and 'id="error-reason"' in refused.text
        reason = "ENTRY_UPDATED" if value.endswith("neu") else "ENTRY_IS_RIGHT"
        done = await send(desk, asked, form[1], {"reason": reason})
        assert done.headers.get("location") == "/directory/reports", said(done)
    assert "https://example.org/neu" in (await desk.get(path)).text
    assert "falsch" not in (await desk.get(path)).text


# --- There twice ----------------------------------------------------------------------------------------


async def test_what_is_told_of_pairs_is_of_the_own_municipality_only(
    desk: Web, town: World, database: Database
) -> None:
    elsewhere = await make_world(database)
    for name in ("Kornelkirsche Beratung", "Beratung Kornelkirsche e. V."):
        await make_partner(database, elsewhere.municipality, name)
    await make_partner(database, town.municipality, "Kornelkirsche Beratung")
    assert "Kornelkirsche" not in (await desk.get("/directory/duplicates")).text


async def test_two_partners_are_compared_and_merged_asked_once_more(
    desk: Web, town: World, database: Database
) -> None:
    one = await make_partner(database, town.municipality, "Berberitze Begegnung e. V.")
    other = await make_partner(database, town.municipality, "Begegnung Berberitze")
    course = await make_service(database, other, f"Nähkurs {SCRIPT}")
    listed = await desk.get("/directory/duplicates", language="de")
    assert "Berberitze" in listed.text
    link = re.search(r'href="(/directory/merge/[^"]+)" aria-label="[^"]*Berberitze', listed.text)
    assert link
    page = await desk.get(link[1], language="de")
    assert page.status_code == 200 and "Welcher Eintrag bleibt?" in page.text
    refused = await send(desk, link[1], link[1], {"reason": ""})
    assert refused.status_code == 422
    assert 'href="#field-survivorId"' in refused.text and 'href="#field-reason"' in refused.text
    given = {"survivorId": partner_id(one), "reason": "derselbe Verein"}
    sure = await send(desk, link[1], link[1], given)
    assert sure.status_code == 200
    assert "Really merge them?" in sure.text and "Nähkurs" in sure.text
    assert "<script>alert" not in sure.text
    assert (await state_of(database, Partner, other)).ended_at is None, "nothing is merged yet"
    fields = hidden(sure, link[1])
    done = await desk.post(link[1], fields, number=fields.pop("number"))
    assert done.headers.get("location") == "/directory/duplicates?kind=PARTNER", said(done)
    led = await desk.get(f"/partner/{other}")
    assert (led.status_code, led.headers["location"]) == (301, f"/partner/{one}")
    assert (await state_of(database, Service, course)).partner_id == one
    assert "Berberitze" not in said(await desk.get("/directory/duplicates"))


async def test_two_services_of_one_partner_are_merged(desk: Web, town: World, database: Database) -> None:
    one = await make_service(database, town.partner, "Schlehenkurs Deutsch A1")
    other = await make_service(database, town.partner, "Deutsch A1 Schlehenkurs")
    listed = await desk.get("/directory/duplicates", kind="SERVICE")
    path = re.search(r'href="(/directory/merge/[^"]+)" aria-label="[^"]*Schlehen', listed.text)
    assert path
    given = {"survivorId": service_id(one), "reason": "doppelt", "sure": "true"}
    stale = await send(desk, path[1], path[1], {**given, "version.0": "77", "version.1": "78"})
    assert stale.status_code == 409
    done = await send(desk, path[1], path[1], given)
    assert done.headers.get("location") == "/directory/duplicates?kind=SERVICE", said(done)
    assert (await desk.get(f"/service/{other}")).headers["location"] == f"/service/{one}"


async def test_two_that_are_not_the_same_are_told_apart_and_that_is_taken_back(
    desk: Web, town: World, database: Database
) -> None:
    one, other = [
        await make_partner(database, town.municipality, name)
        for name in ("Felsenbirne Werkstatt", "Werkstatt Felsenbirne")
    ]
    pair = "/".join(partner_id(id_) for id_ in sorted((one, other)))
    listed = await desk.get("/directory/duplicates", language="de")
    assert "Felsenbirne" in listed.text and "Sind nicht dasselbe" in listed.text
    done = await send(desk, "/directory/duplicates", f"/directory/apart/{pair}")
    assert done.headers.get("location") == "/directory/duplicates?kind=PARTNER", said(done)
    listed = await desk.get("/directory/duplicates", language="de")
    assert "nobody is pointed to these two any more" in listed.text
    assert (
        "Felsenbirne" not in listed.text
        and 'href="/directory/duplicates?kind=PARTNER&amp;apart=1"' in listed.text
    )
    apart = await desk.get("/directory/duplicates", apart="1", language="de")
    assert "Felsenbirne" in apart.text and "Nicht dasselbe: vermerkt am" in apart.text
    assert f"/directory/merge/{pair}" not in apart.text
    back = re.search(r'action="(/directory/together/[^"]+)"', apart.text)
    assert back
    done = await send(desk, "/directory/duplicates?apart=1", back[1])
    assert done.headers.get("location") == "/directory/duplicates?kind=PARTNER&apart=1", said(done)
    assert "Nothing is noted as different" in (await desk.get("/directory/duplicates", apart="1")).text
    assert "Felsenbirne" in (await desk.get("/directory/duplicates")).text
    again = await desk.post(back[1], {"kind": "PARTNER"}, number=number_of(apart))
    assert again.status_code == 422 and "This does not exist" in said(again)


async def test_pairs_page_and_telling_apart_stays_on_the_page(
    desk: Web, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_desk, "PAGE", 2)
    town = await make_world(database)
    member, _ = await make_member(database, town.coordination, Role.LEAD)
    await desk.sign_in(member)
    for _ in range(3):
        await make_service(database, town.partner, "Mispelkurs am Mittag")
    first = await desk.get("/directory/duplicates", kind="SERVICE")
    assert first.text.count('href="/directory/merge/') == 2
    rest = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert rest
    path = unescape(rest[1])
    second = await desk.get(path)
    assert second.text.count('href="/directory/merge/') == 1 and "To the first page" in second.text
    form = re.search(r'action="(/directory/apart/[^"]+)"', second.text)
    assert form
    done = await send(desk, path, form[1])
    assert done.headers.get("location") == path, said(done)


async def test_what_cannot_be_merged_is_not_offered(desk: Web, town: World, database: Database) -> None:
    one = await make_service(database, town.partner, "Weißdornkurs")
    other = await make_service(database, town.other_partner, "Weißdornkurs")
    assert (await desk.get(f"/directory/merge/{service_id(one)}/{service_id(other)}")).status_code == 409
    key = partner_id(town.partner)
    for wrong in (key, service_id(one), "x"):
        assert (await desk.get(f"/directory/merge/{key}/{wrong}")).status_code == 404


async def test_who_has_members_is_merged_by_a_lead_who_says_it_is_one_legal_body(
    web: Web, desk: Web, town: World, database: Database
) -> None:
    one = await make_partner(database, town.municipality, "Sanddorn Hilfe")
    other = await make_partner(database, town.municipality, "Hilfe Sanddorn")
    await make_member(database, other, Role.PARTNER_MEMBER)
    path = f"/directory/merge/{partner_id(one)}/{partner_id(other)}"
    given = {"survivorId": partner_id(one), "reason": "eins", "sure": "true"}
    refused = await send(desk, path, path, given)
    assert refused.status_code == 422
    assert "sameLegalBody" not in refused.text
    lead, _ = await make_member(database, town.coordination, Role.LEAD)
    await web.sign_in(lead)
    asked = await send(web, path, path, given)
    assert asked.status_code == 422 and 'href="#field-sameLegalBody"' in asked.text
    done = await send(web, path, path, {**given, "sameLegalBody": "true"})
    assert done.status_code == 303, said(done)


# --- The end --------------------------------------------------------------------------------------------


async def test_an_entry_is_ended_with_a_reason_and_comes_back_from_its_history(
    desk: Web, town: World, database: Database
) -> None:
    gone = await make_partner(database, town.municipality, f"Endlich e. V. {SCRIPT}")
    course = await make_service(database, gone, "Letzter Kurs")
    path = f"/directory/end/{partner_id(gone)}"
    assert f'href="{path}"' in (await desk.get(f"/keep/{gone}")).text
    page = await desk.get(path, language="de")
    assert "Letzter Kurs" in page.text and "<script>alert" not in page.text
    refused = await send(desk, path, path, {"reason": ""})
    assert refused.status_code == 422 and 'id="error-reason"' in refused.text
    done = await send(desk, path, path, {"reason": "aufgelöst"})
    assert done.headers.get("location") == "/directory", said(done)
    assert "has left the directory" in (await desk.get("/directory")).text
    for one in (f"/partner/{gone}", f"/service/{course}"):
        assert (await desk.get(one)).status_code == 410
    assert (await desk.get(path)).status_code == 404
    link = re.search(r'href="(/entry/history/[^"]+)"', (await desk.get(f"/partner/{gone}")).text)
    assert link
    history = await desk.get(link[1])
    assert history.status_code == 200
    back = re.findall(rf'href="({re.escape(link[1])}/\d+)"', history.text)
    restored = await send(desk, back[-1], back[-1], {"reason": "doch nicht"})
    assert restored.status_code == 303, said(restored)
    assert (await desk.get(f"/keep/{gone}")).status_code == 200


async def test_the_coordination_itself_is_not_ended(desk: Web, town: World) -> None:
    assert "/directory/end/" not in (await desk.get(f"/keep/{town.coordination}")).text
    path = f"/directory/end/{partner_id(town.coordination)}"
    refused = await send(desk, path, path, {"reason": "nein"})
    assert refused.status_code == 422
    assert (await desk.get(f"/partner/{town.coordination}")).status_code == 200


# --- Bounded --------------------------------------------------------------------------------------------


async def test_more_entries_cost_no_more_statements(web: Web, database: Database) -> None:
    town = await make_world(database)
    member, _ = await make_member(database, town.coordination, Role.COORDINATOR)
    await web.sign_in(member)
    counted: list[list[int]] = []
    for number in range(2):
        for each in range(2 + 5 * number):
            late = await make_partner(database, town.municipality, f"Ebereschenhaus {number} {each} Verein")
            await make_service(database, late, "Beratung Eberesche")
            await made_due(database, late)
        counted.append(
            [await asked(web, database, path) for path in (*PATHS, "/directory/duplicates?kind=SERVICE")]
        )
    assert counted[0] == counted[1]
    assert max(counted[1]) <= 14, counted


async def asked(web: Web, database: Database, path: str) -> int:
    """Return how many statements of the app role a page runs."""
    ran: list[str] = []

    def note(*told: Any) -> None:
        ran.append(told[2])

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert (await web.get(path)).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(ran)
