"""An own service on the pages: the way there, being referred, rules with their preview, course, end."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update

from directory.actors import SYSTEM, Role
from directory.database import Database
from directory.models import Topic
from graphapi.relay import global_id
from tests.graphapi.asking import Api
from tests.graphapi.conftest import api as api
from tests.graphapi.conftest import make_member
from tests.graphapi.exchanging import TODAY, Town, make_town
from tests.web.conftest import Web, number_of
from tests.web.test_partner import posted, send, text_of

SCRIPT = "<script>alert(1)</script>"
PAGES = ("", "/about", "/rules", "/steps", "/referring", "/course", "/recognition", "/interpreting", "/end")


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


@pytest.fixture
async def staff(web: Web, town: Town) -> Web:
    """A browser in which somebody of the organisation is signed in."""
    await web.sign_in(town.world.staff_member)
    return web


@pytest.fixture(scope="module")
async def service(town: Town) -> str:
    """A published service of the organisation."""
    return await town.new_service()


async def now(town: Town, key: str, fields: str) -> Any:
    """Return a service as its organisation reads it."""
    query = f"query ($id: ID!) {{ service(id: $id) {{ version state {fields} }} }}"
    return (await town.ask(query, {"id": key}, who="staff")).data["service"]


def links_to(page: Any) -> set[str]:
    """Return the fields that the summary of errors leads to."""
    return {unescape(one) for one in re.findall(r'href="#(field-[^"]+)"', page.text)}


def ids(page: Any) -> set[str]:
    return {unescape(one) for one in re.findall(r' id="([^"]+)"', page.text)}


def refused(page: Any) -> set[str]:
    """Return what is refused, each with a link to a field that is there."""
    assert page.status_code == 422, text_of(page)
    found = links_to(page)
    assert found
    assert found <= ids(page)
    return {one.removeprefix("field-") for one in found}


# --- Who sees what --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_for_its_own_organisation_only(
    web: Web, town: Town, service: str, path: str
) -> None:
    address = f"/entry/services/{service}{path}"
    anonymous = await web.get(address)
    assert (anonymous.status_code, anonymous.headers["location"][:8]) == (303, "/sign-in")
    await web.sign_in(town.world.staff_member)
    words = {"de": "Dieses Angebot", "en": "This service"}
    for language, word in words.items() if path == "/rules" else list(words.items())[:1]:
        page = await web.get(address, language=language)
        assert page.status_code == 200, text_of(page)
        assert page.headers["cache-control"] == "no-store"
        assert word in page.text
        assert "Macro" not in page.text
        assert 'aria-current="page"' in page.text
    nobodys = town.other_service if path else global_id("Service", uuid4())
    assert (await web.get(address.replace(service, nobodys))).status_code == 404


@pytest.mark.parametrize("path", ["/steps", "/rules/new"])
async def test_who_keeps_no_entry_or_another_one_changes_nothing(
    web: Web, town: Town, database: Database, service: str, path: str
) -> None:
    address = f"/entry/services/{service}{path}"
    assert (await web.post(address, {})).status_code == 401
    colleague, _ = await make_member(database, town.world.other_partner, Role.PARTNER_MEMBER)
    await web.sign_in(colleague)
    assert (await posted(web, address, {"expectedVersion": "1"})).status_code == 404
    reader, _ = await make_member(database, town.world.partner, Role.OTHER_MUNICIPALITY)
    await web.sign_in(reader)
    assert (await posted(web, address, {})).status_code == 403


# --- The way there and being referred -------------------------------------------------------------------


async def test_how_to_apply_and_what_to_bring_in_every_language(staff: Web, town: Town) -> None:
    key = await town.new_service()
    path = f"/entry/services/{key}/steps"
    form = {
        "applicationProcess.de": f"Erst anrufen.\nDann kommen. {SCRIPT}",
        "applicationProcess.en": "Ring up first.",
        "applicationProcess.ar": "اتصل أولاً",
        "requiredDocuments.0.name.de": "Ausweis",
        "requiredDocuments.0.name.en": "Identity paper",
        "requiredDocuments.2.name.de": f"Zeugnis {SCRIPT}",
        "requiredDocuments.2.url": "https://example.org/formular",
    }
    wrong = await send(staff, path, path, {**form, "requiredDocuments.2.url": "javascript:alert(1)"})
    assert refused(wrong) == {"requiredDocuments.2.url"}
    unnamed = await send(
        staff, path, path, {"requiredDocuments.1.url": "https://example.org"}, step="unnamed"
    )
    assert refused(unnamed) == {"requiredDocuments.1.name.de"}
    assert (await send(staff, path, path, form, step="right")).status_code == 303
    page = await staff.get(path)
    assert SCRIPT not in page.text
    assert 'lang="ar"' in page.text
    assert "older than its source" not in page.text
    again = {**form, "applicationProcess.de": "Einfach kommen.", "requiredDocuments.0.name.de": ""}
    del again["applicationProcess.ar"], again["requiredDocuments.0.name.en"]
    assert (await send(staff, path, path, again, step="again")).status_code == 303
    found = await now(
        town, key, "applicationProcessTexts { language isStale } requiredDocuments { nameTexts { text } url }"
    )
    stale = {one["language"]: one["isStale"] for one in found["applicationProcessTexts"]}
    assert stale == {"de": False, "en": True, "ar": True}, "what the form does not have stays"
    assert "older than its source" in (await staff.get(path)).text
    assert "älter als ihr Original" in (await staff.get(path, language="de")).text
    more = await staff.get(path, **{"with": "uk"})
    assert 'name="applicationProcess.uk"' in more.text


async def test_a_paper_that_is_emptied_goes(staff: Web, town: Town) -> None:
    key = await town.new_service()
    path = f"/entry/services/{key}/steps"
    two = {"requiredDocuments.0.name.de": "Ausweis", "requiredDocuments.1.name.de": "Zeugnis"}
    assert (await send(staff, path, path, two)).status_code == 303
    one = {**two, "requiredDocuments.0.name.de": ""}
    assert (await send(staff, path, path, one, step="one")).status_code == 303
    found = await now(town, key, "requiredDocuments { nameTexts { text } }")
    assert found["requiredDocuments"] == [{"nameTexts": [{"text": "Zeugnis"}]}]


async def test_how_people_are_referred_is_kept_line_by_line(staff: Web, town: Town) -> None:
    key = await town.new_service()
    path = f"/entry/services/{key}/referring"
    form = {
        "accepted": "true",
        "required": "false",
        "methods.de": f"Telefon\nFormular {SCRIPT}",
        "methods.en": "–\nForm",
        "responseDays": "3",
        "response.de": "In drei Tagen",
        "feedback.de": "Per Anruf",
        "feedbackDays": "viele",
    }
    assert refused(await send(staff, path, path, form)) == {"feedbackDays"}
    late = await send(staff, path, path, {**form, "feedbackDays": "9999"}, step="late")
    assert refused(late) == {"feedbackDays"}
    long = {**form, "feedbackDays": "5", "methods.en": "a" * 301}
    assert refused(await send(staff, path, path, long, step="long")) == {"methods.en"}
    done = await send(staff, path, path, {**form, "feedbackDays": "5"}, step="right")
    assert done.status_code == 303, text_of(done)
    facts = """referralFacts { required accepted responseDays feedbackDays
        methodPhrases { texts { language text } } responseTexts { text } }"""
    found = (await now(town, key, facts))["referralFacts"]
    assert found["methodPhrases"] == [
        {"texts": [{"language": "de", "text": "Telefon"}]},
        {"texts": [{"language": "de", "text": f"Formular {SCRIPT}"}, {"language": "en", "text": "Form"}]},
    ]
    assert (found["required"], found["accepted"]) == (False, True)
    assert (found["responseDays"], found["feedbackDays"]) == (3, 5)
    page = await staff.get(path)
    assert SCRIPT not in page.text
    assert "–\nForm" in page.text
    nothing = dict.fromkeys(form, "")
    assert (await send(staff, path, path, nothing, step="nothing")).status_code == 303
    assert (await now(town, key, facts))["referralFacts"] is None


async def test_where_it_is_offered_is_ticked_or_named(staff: Web, town: Town) -> None:
    key = await town.new_service()
    path = f"/entry/services/{key}/about"
    form = {"kind": "COUNSELLING", "responsibility": "BY_RESIDENCE", "area": ["12052"]}
    wrong = await send(staff, path, path, {**form, "areaKeys": f"Atlantis {SCRIPT}"})
    assert refused(wrong) == {"areaKeys"}
    assert SCRIPT not in wrong.text
    short = await send(staff, path, path, {**form, "areaKeys": "12071304"}, step="short")
    assert refused(short) == {"areaKeys"}
    named = {**form, "areaKeys": "Spree-Neiße; 120605003024"}
    assert (await send(staff, path, path, named, step="named")).status_code == 303
    found = await now(town, key, "area responsibility")
    assert found["area"] == ["12052", "12071", "120605003024"]
    page = await staff.get(path)
    assert 'value="120605003024" checked' in page.text


# --- For whom -------------------------------------------------------------------------------------------

RULES = """eligibility { answer statuses workPermission ageFrom ageTo levelFrom residence legalCircles genders
    legalBasis validFrom validTo reasonTexts { language text } }"""
RULE = {
    "answer": "FITS",
    "statuses": ["SECTION_60A", "SECTION_104C"],
    "ageFrom": "18",
    "reason.de": f"Nur für Erwachsene {SCRIPT}",
    "legalBasis": "§ 16 SGB II",
}


async def try_rule(staff: Web, key: str, name: str, form: dict[str, Any], *, step: str = "") -> Any:
    path = f"/entry/services/{key}/rules"
    return await send(staff, f"{path}?rule={name}", f"{path}/{name}", {"step": "try", **form}, step=step)


def tried_of(page: Any) -> str:
    found = re.search(r'name="tried" value="([0-9a-f]*)"', page.text)
    assert found
    return found[1]


async def save_rule(staff: Web, key: str, name: str, form: dict[str, Any]) -> Any:
    """Try a rule, then save it from the page that shows what it would change."""
    tried = await try_rule(staff, key, name, form)
    assert tried.status_code == 200, text_of(tried)
    return await try_rule(staff, key, name, {**form, "step": "save", "tried": tried_of(tried)})


async def test_a_rule_is_shown_with_what_it_would_change_before_it_is_saved(staff: Web, town: Town) -> None:
    key = await town.new_service()
    path = f"/entry/services/{key}/rules"
    empty = text_of(await staff.get(path))
    assert "There is no rule yet" in empty
    assert empty.count("ask the partner no rule applies") == 8

    here = (await now(town, key, "municipality { ars }"))["municipality"]["ars"]
    given = {**RULE, "residence": [here]}
    tried = await try_rule(staff, key, "new", given)
    said = text_of(tried)
    assert "It is not saved yet" in said
    assert SCRIPT not in tried.text
    # who lives here, who lives elsewhere, and of whom nothing is known: unknown is never no
    assert said.count("fits Nur für Erwachsene") == 2
    assert "place of residence" not in said.partition("Nothing is known")[0]
    assert "ask the partner not known: residence status" in said
    assert "does not fit" not in said.partition("What holds for these people?")[0]
    assert (await now(town, key, RULES))["eligibility"] == []

    other = {**given, "ageFrom": "21", "step": "save", "tried": tried_of(tried)}
    changed = await try_rule(staff, key, "new", other)
    assert changed.status_code == 200, "what was not looked at is shown first"
    assert (await now(town, key, RULES))["eligibility"] == []

    done = await try_rule(staff, key, "new", {**given, "step": "save", "tried": tried_of(tried)})
    assert (done.status_code, done.headers["location"]) == (303, path), text_of(done)
    (rule,) = (await now(town, key, RULES))["eligibility"]
    assert (rule["answer"], rule["statuses"]) == ("FITS", ["SECTION_60A", "SECTION_104C"])
    assert (rule["ageFrom"], rule["residence"], rule["legalBasis"]) == (18, given["residence"], "§ 16 SGB II")
    page = await staff.get(path, language="de")
    assert SCRIPT not in page.text
    assert "SECTION_60A" not in text_of(page)
    assert "ab 18" in text_of(page)
    history = text_of(await staff.get(f"/entry/history/{key}", language="de"))
    assert "Duldung (§ 60a AufenthG)" in history
    assert not re.search(r"SECTION_|FITS", history)


async def test_rules_are_changed_moved_ended_and_removed(staff: Web, town: Town) -> None:
    key = await town.new_service()
    path = f"/entry/services/{key}/rules"
    for answer, level in (("FITS", "B1"), ("DOES_NOT_FIT", "A1")):
        assert (await save_rule(staff, key, "new", {"answer": answer, "levelFrom": level})).status_code == 303
    form = await staff.get(path, rule="0")
    assert 'value="B1" selected' in form.text
    assert (await save_rule(staff, key, "0", {"answer": "ASK", "levelFrom": "B2"})).status_code == 303
    first = {"answer": "FITS", "legalBasis": "zuerst", "position": "0"}
    assert (await save_rule(staff, key, "new", first)).status_code == 303
    assert [one["legalBasis"] for one in (await now(town, key, RULES))["eligibility"]] == [
        "zuerst",
        None,
        None,
    ]
    assert (await send(staff, f"{path}?rule=0&do=remove", f"{path}/0/remove", {})).status_code == 303

    async def answers() -> list[tuple[str, str | None]]:
        rules = (await now(town, key, RULES))["eligibility"]
        return [(one["answer"], one["validTo"]) for one in rules]

    assert await answers() == [("ASK", None), ("DOES_NOT_FIT", None)]
    for deed, after in (
        ("up", [("DOES_NOT_FIT", None), ("ASK", None)]),
        ("end", [("DOES_NOT_FIT", None), ("ASK", TODAY.isoformat())]),
        ("remove", [("DOES_NOT_FIT", None)]),
    ):
        before = await answers()
        address = f"{path}?rule=1&do={deed}"
        asked = await staff.get(address)
        assert "What the rules say of examples" in asked.text
        assert await answers() == before, "looking changes nothing"
        assert (await send(staff, address, f"{path}/1/{deed}", {})).status_code == 303
        assert await answers() == after
    assert (await send(staff, path, f"{path}/0/burn", {"expectedVersion": "1"})).status_code == 404
    gone = await send(staff, f"{path}?rule=0", f"{path}/7/remove", {})
    assert (gone.status_code, len(await answers())) == (303, 1)


WRONG: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"answer"}),
    ({"answer": "FITS", "ageFrom": "60", "ageTo": "20"}, {"ageTo"}),
    ({"answer": "FITS", "ageFrom": "200"}, {"ageFrom"}),
    ({"answer": "FITS", "ageTo": "jung"}, {"ageTo"}),
    ({"answer": "FITS", "levelFrom": "B2", "levelTo": "A1"}, {"levelTo"}),
    ({"answer": "FITS", "validFrom": "2027-01-01", "validTo": "2026-01-01"}, {"validTo"}),
    ({"answer": "FITS", "validFrom": "morgen"}, {"validFrom"}),
    ({"answer": "FITS", "statuses": "NOBODY"}, {"statuses"}),
    ({"answer": "FITS", "residenceKeys": "12071304"}, {"residenceKeys"}),
    ({"answer": "FITS", "reason.de": "a\x07b"}, {"reason.de"}),
]


async def test_what_is_wrong_with_a_rule_stands_at_its_field(staff: Web, service: str) -> None:
    path = f"/entry/services/{service}/rules"
    number = number_of(await staff.get(f"{path}?rule=new"))
    for form, fields in WRONG:
        page = await staff.post(f"{path}/new", {"expectedVersion": "1", "step": "try", **form}, number=number)
        assert refused(page) == fields, form
        assert "It is not saved yet" not in page.text


async def test_what_is_wrong_with_a_new_service_stands_at_its_field(staff: Web) -> None:
    form = {"kind": "COUNSELLING", "title.de": "Beratung", "title.en": "a\x07b", "description.de": "gut"}
    assert refused(await send(staff, "/entry/new-service", "/entry/new-service", form)) == {"title.en"}


async def test_a_rule_that_begins_later_is_judged_for_its_first_day(staff: Web, service: str) -> None:
    later = (TODAY + timedelta(days=40)).isoformat()
    page = await try_rule(staff, service, "new", {"answer": "DOES_NOT_FIT", "validFrom": later})
    assert text_of(page).count("does not fit") >= 8
    assert "changes" in page.text


async def test_two_who_change_rules_at_once_see_both(staff: Web, town: Town) -> None:
    key = await town.new_service()
    path = f"/entry/services/{key}/rules"
    assert (await save_rule(staff, key, "new", {"answer": "FITS", "ageFrom": "18"})).status_code == 303
    version = (await now(town, key, ""))["version"]
    mine = {"answer": "FITS", "ageFrom": "16", "expectedVersion": str(version)}
    tried = await try_rule(staff, key, "0", mine)
    await town.done(
        "staff", "changeService", id=key, expectedVersion=version, website="https://neu.example.org"
    )
    late = await try_rule(staff, key, "0", {**mine, "step": "save", "tried": tried_of(tried)})
    assert late.status_code == 409
    assert "Somebody else has saved in between" in late.text
    assert ">16<" in late.text
    assert ">18<" in late.text
    assert (await staff.get(path)).status_code == 200


# --- A course, recognition, interpreting ----------------------------------------------------------------


async def test_a_course_with_its_times_past_and_to_come(staff: Web, town: Town) -> None:
    key = await town.new_service()
    path = f"/entry/services/{key}/course"
    past, coming = (TODAY - timedelta(days=30)).isoformat(), (TODAY + timedelta(days=30)).isoformat()
    form = {
        "levelFrom": "A2",
        "levelTo": "B1",
        "lessons": "300",
        "cost": "12,50",
        "format": "HYBRID",
        "exam": f"DTZ {SCRIPT}",
        "childcare": "true",
        "womenOnly": "false",
        "access": ["BAMF_ADMISSION", "VOUCHER"],
        "runs.0.startsOn": past,
        "runs.1.startsOn": coming,
        "runs.1.endsOn": past,
        "repeats": "true",
    }
    assert refused(await send(staff, path, path, form)) == {"runs.1.endsOn"}
    cost = await send(staff, path, path, {**form, "runs.1.endsOn": "", "cost": "viel"}, step="cost")
    assert refused(cost) == {"cost"}
    level = await send(staff, path, path, {**form, "runs.1.endsOn": "", "levelTo": "A1"}, step="level")
    assert refused(level) == {"levelTo"}
    form |= {"runs.1.endsOn": "", "runs.1.places": "8"}
    assert (await send(staff, path, path, form, step="right")).status_code == 303
    facts = """course { levelFrom levelTo lessons costCents format exam childcare womenOnly access repeats
        runs { startsOn endsOn places full } }"""
    course = (await now(town, key, facts))["course"]
    assert course["costCents"] == 1250
    assert (course["childcare"], course["womenOnly"], course["repeats"]) == (True, False, True)
    assert [one["startsOn"] for one in course["runs"]] == [past, coming]
    assert course["runs"][1]["places"] == 8
    page = await staff.get(path, language="de")
    assert page.text.count("hat begonnen") == 1
    assert 'value="12,50"' in page.text
    assert SCRIPT not in page.text
    nothing = dict.fromkeys(form, "")
    assert (await send(staff, path, path, nothing, step="nothing")).status_code == 303
    assert (await now(town, key, facts))["course"] is None


async def test_what_else_is_to_be_known_of_a_time_is_said_in_each_language(staff: Web, town: Town) -> None:
    key = await town.new_service()
    path = f"/entry/services/{key}/course"
    coming = (TODAY + timedelta(days=30)).isoformat()
    form = {"runs.0.startsOn": coming, "runs.0.note.de": f"Abends {SCRIPT}", "runs.0.note.en": "Evenings"}
    long = await send(staff, path, path, {**form, "runs.0.note.en": "x" * 20_001}, step="long")
    assert refused(long) == {"runs.0.note.en"}
    assert (await send(staff, path, path, form)).status_code == 303
    facts = "course { runs { startsOn noteTexts { language text } } }"
    (run,) = (await now(town, key, facts))["course"]["runs"]
    assert {one["language"]: one["text"] for one in run["noteTexts"]} == {
        "de": f"Abends {SCRIPT}",
        "en": "Evenings",
    }
    assert SCRIPT not in (await staff.get(path)).text
    assert 'name="runs.0.note.uk"' in (await staff.get(path, **{"with": "uk"})).text
    kept = {"runs.0.startsOn": "", "runs.0.note.de": "", "runs.0.note.en": "Only evenings"}
    assert (await send(staff, path, path, kept, step="kept")).status_code == 303
    (run,) = (await now(town, key, facts))["course"]["runs"]
    assert run == {"startsOn": None, "noteTexts": [{"language": "en", "text": "Only evenings"}]}
    assert (await send(staff, path, path, dict.fromkeys(kept, ""), step="gone")).status_code == 303
    assert (await now(town, key, facts))["course"] is None


async def test_free_of_charge_and_no_childcare_are_known(staff: Web, town: Town) -> None:
    key = await town.new_service()
    path = f"/entry/services/{key}/course"
    assert (await send(staff, path, path, {"cost": "0", "childcare": "false"})).status_code == 303
    found = (await now(town, key, "course { costCents childcare womenOnly }"))["course"]
    assert found == {"costCents": 0, "childcare": False, "womenOnly": None}


async def test_recognition_and_interpreting(staff: Web, town: Town) -> None:
    key = await town.new_service()
    path = f"/entry/services/{key}/recognition"
    unknown = await send(staff, path, path, {"occupations": "nurse"})
    assert unknown.status_code == 422
    form: dict[str, Any] = {"regulated": "true", "competentBody.de": f"LAGuS {SCRIPT}"}
    assert (await send(staff, path, path, form)).status_code == 303
    assert SCRIPT not in (await staff.get(path)).text
    path = f"/entry/services/{key}/interpreting"
    missing = await send(staff, path, path, {"modes": "PHONE"})
    assert refused(missing) == {"languages"}
    version = (await now(town, key, ""))["version"]
    levantine = [{"language": "ar", "variety": "Levantinisch"}]
    await town.done(
        "staff", "changeService", id=key, expectedVersion=version, interpreting={"languages": levantine}
    )
    form = {"languages": ["ar", "ti"], "modes": ["PHONE", "VIDEO"], "leadTimeHours": "48"}
    assert (await send(staff, path, path, form)).status_code == 303
    found = await now(
        town,
        key,
        "recognition { regulated } interpreting { languages { language variety } modes leadTimeHours }",
    )
    assert found["recognition"] == {"regulated": True}
    assert found["interpreting"]["languages"] == [*levantine, {"language": "ti", "variety": None}]
    assert found["interpreting"]["leadTimeHours"] == 48


# --- The end --------------------------------------------------------------------------------------------


async def test_a_service_is_hidden_after_a_question_and_published_again(staff: Web, town: Town) -> None:
    key = await town.new_service()
    path = f"/entry/services/{key}/end"
    assert "/hide" not in (await staff.get(path)).text
    asked = f"{path}?ask=hide"
    assert "Really hide this service?" in (await staff.get(asked)).text
    assert (await send(staff, asked, path.replace("/end", "/hide"), {})).status_code == 303
    assert (await now(town, key, ""))["state"] == "HIDDEN"
    page = await staff.get(path)
    assert "only you and the coordination see it" in page.text
    assert "/delete" not in page.text
    public = re.search(r'href="(/service/[^"]+)"', page.text)
    assert public
    assert "This entry is not public" in (await staff.get(public[1])).text
    assert (await send(staff, path, path.replace("/end", "/publish"), {})).status_code == 303
    assert (await now(town, key, ""))["state"] == "PUBLISHED"
    refused_ = await staff.post(path.replace("/end", "/delete"), {"reason": "weg"})
    assert refused_.status_code == 403


async def test_the_coordination_deletes_its_own_services_with_a_reason(
    web: Web, town: Town, database: Database
) -> None:
    lead, _ = await make_member(database, town.world.coordination, Role.LEAD)
    await web.sign_in(lead)
    query = """mutation ($i: CreateServiceInput!) {
        createService(input: $i) { ... on ServiceSaved { service { id } } } }"""
    given = {
        "idempotencyKey": f"make-{uuid4()}",
        "partnerId": town.coordination_id,
        "kind": "COUNSELLING",
        "title": [{"language": "de", "text": "Vertan"}],
    }
    made = (await town.ask(query, {"i": given}, who="lead")).data["createService"]["service"]["id"]
    path = f"/entry/services/{made}/end"
    delete = f"/entry/services/{made}/delete"
    assert refused(await send(web, path, delete, {"reason": ""})) == {"reason"}
    assert (await send(web, path, delete, {"reason": "Versehen"})).status_code == 303
    assert (await web.get(path)).status_code == 404


# --- What was not right ---------------------------------------------------------------------------------


async def test_opening_hours_are_said_in_words(staff: Web, town: Town) -> None:
    path = "/entry/new-place"
    form = {
        "name": "Haus der Zeiten",
        **{f"hours.{day}": "09:00-12:00, 13:00-16:00" for day in ("Mo", "Tu", "We")},
    }
    form |= {"hours.Fr": "08:00-10:00", "closedOnHolidays": "true"}
    assert (await send(staff, path, path, form)).status_code == 303
    german = text_of(await staff.get("/entry", language="de"))
    assert "Montag–Mittwoch 09:00–12:00, 13:00–16:00 Freitag 08:00–10:00" in german
    assert "Mo-We" not in german
    assert "An feiertagen geschlossen" not in german
    assert "Monday–Wednesday 09:00–12:00" in text_of(await staff.get("/entry"))


async def test_a_topic_that_nobody_has_named_stands_with_its_code(
    staff: Web, town: Town, database: Database, service: str
) -> None:
    code = f"unnamed-{uuid4().hex[:8]}"
    async with database.work(SYSTEM) as work:
        work.session.add(Topic(code=code, labels={}, synonyms={}))
    page = await staff.get(f"/entry/services/{service}/about")
    async with database.work(SYSTEM) as work:
        await work.session.execute(update(Topic).where(Topic.code == code).values(labels={"de": code}))
    assert page.status_code == 200
    assert code in page.text


@pytest.mark.parametrize(
    ("contacts", "field"),
    [
        ({"contactPoints.1.kind": "EMAIL", "contactPoints.1.value": "niemand"}, "contactPoints.1.value"),
        (
            {
                "contactPoints.1.kind": "PHONE",
                "contactPoints.1.value": "0355 123456",
                "contactPoints.2.kind": "PHONE",
                "contactPoints.2.value": "12",
            },
            "contactPoints.2.value",
        ),
    ],
)
async def test_what_is_wrong_with_a_contact_stands_in_its_row(
    staff: Web, service: str, contacts: dict[str, str], field: str
) -> None:
    path = f"/entry/services/{service}"
    form = {"title.de": "Kurs", "contactPoints.0.kind": "PHONE", "contactPoints.0.value": "", **contacts}
    assert refused(await send(staff, path, path, form)) == {field}
    assert refused(await send(staff, "/entry/change", "/entry/change", {"name": "Haus", **contacts})) == {
        field
    }
