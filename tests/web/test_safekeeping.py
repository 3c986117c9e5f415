"""What leads do with a person's data in the browser, and handing people over: who may what."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from directory.actors import SYSTEM, Role
from directory.database import Database
from referrals.models import DeletionCount, DeletionRun
from referrals.personal_data.retention import BY_KEY
from tests.graphapi.asking import Api
from tests.graphapi.conftest import api as api
from tests.graphapi.conftest import make_member
from tests.graphapi.exchanging import TODAY, Town, make_town
from tests.web.conftest import Web
from tests.web.test_coordinator import form_of, goal, own, sent


@pytest.fixture
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def member(town: Town, role: Role, name: str = "Kim Kollege") -> UUID:
    return (await make_member(town.database, town.world.coordination, role, name=name))[0]


async def test_only_leads_of_the_own_organisation_come_here(web: Web, town: Town) -> None:
    client = f"/clients/{(await town.client())['id']}"
    paths = (f"{client}/safekeeping", f"{client}/erase")
    assert (await web.get(paths[0])).status_code == 303
    await own(web, town)
    assert [(await web.get(path)).status_code for path in paths] == [403, 403]
    assert paths[0] not in (await web.get(client)).text
    await web.sign_in((await make_member(town.database, town.world.partner, Role.LEAD))[0])
    assert [(await web.get(path)).status_code for path in paths] == [404, 404]
    await web.sign_in(await member(town, Role.LEAD))
    assert [(await web.get(path)).status_code for path in paths] == [200, 200]
    assert paths[0] in (await web.get(client)).text
    assert (
        await web.post(f"{paths[0]}/else", number=form_number(await web.get(paths[0])))
    ).status_code == 404


def form_number(page: object) -> str:
    return str(form_of(page, "/sign-out")["number"])  # type: ignore[arg-type]


async def test_an_exclusion_is_dated_asked_once_more_and_lifted(web: Web, town: Town) -> None:
    await web.sign_in(await member(town, Role.LEAD, "Leyla Leitung"))
    client = f"/clients/{(await town.client())['id']}"
    path = f"{client}/safekeeping"
    unsure = await sent(web, path, f"{path}/exclude", decidedOn=TODAY.isoformat())
    assert unsure.status_code == 422
    assert 'href="#field-sure"' in unsure.text
    late = (TODAY + timedelta(days=9)).isoformat()
    ahead = await sent(web, path, f"{path}/exclude", decidedOn=late, sure="true")
    assert ahead.status_code == 422
    assert 'href="#field-decidedOn"' in ahead.text
    given = {"decidedOn": TODAY.isoformat(), "sure": "true"}
    page = await goal(web, await sent(web, path, f"{path}/exclude", **given))
    assert "Excluded, decided on" in page.text
    assert "Leyla Leitung" in page.text
    assert "xclu" not in (await web.get(f"{client}/match")).text
    assert "Excluded" not in (await web.get(client)).text
    assert "Excluded, decided on" not in (await web.get("/clients")).text
    page = await goal(web, await sent(web, path, f"{path}/lift"))
    assert "Not excluded" in page.text


async def test_a_hold_stops_erasing_until_it_is_lifted(web: Web, town: Town) -> None:
    await web.sign_in(await member(town, Role.LEAD))
    client = f"/clients/{(await town.client())['id']}"
    path, erase = f"{client}/safekeeping", f"{client}/erase"
    empty = await sent(web, path, f"{path}/hold")
    assert empty.status_code == 422
    assert 'href="#field-reason"' in empty.text and 'href="#field-until"' in empty.text
    until = (TODAY + timedelta(days=30)).isoformat()
    page = await goal(web, await sent(web, path, f"{path}/hold", reason="COMPLAINT", until=until))
    assert "pending complaint" in page.text
    held = await sent(web, erase, erase, sure="true")
    assert held.status_code == 422
    assert "Deletion is held" in held.text
    page = await goal(web, await sent(web, path, f"{path}/release"))
    assert "Nothing is held" in page.text

    page = await web.get(erase)
    for key in ("referral", "consent", "client-skeleton", "audit"):
        assert BY_KEY[key].reason["en"] in page.text.replace("&#39;", "'"), key
    unsure = await sent(web, erase, erase)
    assert unsure.status_code == 422
    assert (await web.get(client)).status_code == 200
    gone = await goal(web, await sent(web, erase, erase, sure="true"))
    assert "The person was erased" in gone.text
    assert "Tesfay" not in gone.text
    assert client not in gone.text
    left = [(await web.get(f"{client}{to}")) for to in ("", "/change", "/match", "/erase", "/kept")]
    assert {page.status_code for page in left} == {409}
    assert "erased" in left[0].text


async def test_leads_read_proofs_of_deletion_in_words_and_numbers(web: Web, town: Town) -> None:
    async with town.database.work(SYSTEM) as work:
        run = DeletionRun(id=uuid4(), rules="2026-11", started_at=work.now, ended_at=work.now)
        acting = text("SELECT set_config('app.deletion_run', :run, true)")
        await work.session.execute(acting, {"run": str(run.id)})
        work.session.add(run)
        await work.session.flush()
        work.session.add(
            DeletionCount(
                run_id=run.id, retention_class="package", municipality_id=town.world.municipality,
                deleted=7, held=2, oldest_due=work.now, newest_due=work.now,
            )
        )  # fmt: skip
    await web.sign_in(await member(town, Role.COORDINATOR))
    assert (await web.get("/deletions")).status_code == 403
    assert "/deletions" not in (await web.get("/clients")).text
    await web.sign_in(await member(town, Role.LEAD))
    assert 'href="/deletions"' in (await web.get("/clients")).text
    page = await web.get("/deletions")
    assert BY_KEY["package"].what["en"] in page.text
    assert ">7<" in page.text and ">2<" in page.text


async def test_whoever_has_an_open_referral_is_not_erased(web: Web, town: Town) -> None:
    await web.sign_in(await member(town, Role.LEAD))
    person = await town.client()
    await town.sent(clientId=person["id"])
    erase = f"/clients/{person['id']}/erase"
    refused = await sent(web, erase, erase, sure="true")
    assert refused.status_code == 422
    assert "open referrals" in refused.text


async def test_everything_kept_is_handed_out_as_paper_and_file(web: Web, town: Town) -> None:
    await own(web, town)
    client = f"/clients/{(await town.client())['id']}"
    paper, file = await web.get(f"{client}/kept"), await web.get(f"{client}/kept", format="JSON")
    assert paper.content[:5] == b"%PDF-"
    assert "Tesfay" in file.text
    for answer in (paper, file):
        assert answer.headers["cache-control"] == "no-store"
        assert "Tesfay" not in answer.headers["content-disposition"]
    await web.sign_in(town.world.staff_member)
    assert (await web.get(f"{client}/kept")).status_code == 404


async def test_a_lost_card_is_ended(web: Web, town: Town) -> None:
    await own(web, town)
    client = f"/clients/{(await town.client())['id']}"
    assert f"{client}/card/end" not in (await web.get(client)).text
    await sent(web, client, f"{client}/card")
    assert "A card in Tigrinya is in use until" in (await web.get(client)).text
    page = await goal(web, await sent(web, client, f"{client}/card/end"))
    assert "its code opens nothing" in page.text
    assert f"{client}/card/end" not in page.text


async def test_a_colleague_is_named_when_somebody_is_taken_in(web: Web, town: Town) -> None:
    colleague = await member(town, Role.COORDINATOR, "AA Neu")
    await web.sign_in(await member(town, Role.COORDINATOR, "Ali Alt"))
    form = form_of(await web.get("/clients/new"), "/clients/new")
    chosen = town.world.id("Member", colleague)
    assert form["responsibleId"] not in {"", chosen}
    given = {"identity.familyName": "Tesfay", "responsibleId": chosen}
    page = await goal(web, await sent(web, "/clients/new", "/clients/new", **given))
    assert "AA Neu" in page.text


async def test_people_and_referrals_are_handed_over(web: Web, town: Town) -> None:
    lead, colleague = (
        await member(town, Role.LEAD, "Leyla Leitung"),
        await member(town, Role.COORDINATOR, "AA"),
    )
    person = await town.client()
    await town.sent(clientId=person["id"])
    answer = await town.ask("{ me { member { id } } }", who="coordinator")
    leaves, new = answer.data["me"]["member"]["id"], town.world.id("Member", colleague)
    await web.sign_in(lead)
    path = f"/clients/reassign?from={leaves}"
    nobody = await sent(web, path, "/clients/reassign/clients")
    assert nobody.status_code == 422
    assert "New responsible: " in nobody.text
    given = {
        "items": form_of(await web.get(path), "/clients/reassign/clients")["items"],
        "responsibleId": new,
    }
    page = await goal(web, await sent(web, path, "/clients/reassign/clients", **given))
    assert "handed over" in page.text
    assert "This colleague is responsible for nobody" in page.text
    given["items"] = form_of(page, "/clients/reassign/referrals")["items"]
    page = await goal(web, await sent(web, path, "/clients/reassign/referrals", **given))
    assert "/clients/reassign/referrals" not in page.text
    alone = await town.client()
    change = f"/clients/{alone['id']}/change"
    await goal(web, await sent(web, change, change, responsibleId="", deputyId=""))
    of_nobody = form_of(await web.get("/clients/reassign?from=nobody"), "/clients/reassign/clients")
    assert [one.rpartition(".")[0] for one in of_nobody["items"]].count(alone["id"]) == 1
    assert person["id"] not in str(of_nobody["items"])
    await web.sign_in(colleague)
    assert f"/clients/{person['id']}" in (await web.get("/clients", responsibleId=new)).text
    stale = await web.get(f"/clients/reassign?from={new}")
    form = form_of(stale, "/clients/reassign/clients")
    number, form["items"] = form.pop("number"), [one.rpartition(".")[0] + ".999" for one in form["items"]]
    refused = await web.post("/clients/reassign/clients", {**form, "responsibleId": leaves}, number=number)
    assert refused.status_code == 422
    assert "changed" in refused.text
