"""Pages of leads and of other municipalities: approvals, the rule for support, shared experience."""

from __future__ import annotations

import re
from typing import Any

import pytest

from directory.actors import Role
from directory.database import Database
from directory.vocabulary import ServiceKind
from tests.graphapi.asking import Api
from tests.graphapi.conftest import api as api
from tests.graphapi.conftest import make_member, make_service
from tests.graphapi.exchanging import Town, days, make_town
from tests.web.conftest import Web, number_of
from tests.web.test_partner import SCRIPT, send, text_of


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


@pytest.fixture
async def lead(web: Web, town: Town, database: Database) -> Web:
    """A browser in which a lead is signed in."""
    member, _ = await make_member(database, town.world.coordination, Role.LEAD)
    await web.sign_in(member)
    return web


@pytest.mark.parametrize("deed", ["confirm", "refuse"])
async def test_four_eyes(lead: Web, town: Town, deed: str) -> None:
    closed = await town.closed()
    await town.on("coordinator", "reopenReferral", closed, reason="NOT_FINISHED")
    page = await lead.get("/approvals")
    form = re.search(rf'action="(/approvals/[^"]+/{deed})".+?expectedVersion" value="(\d+)"', page.text, re.S)
    assert form
    done = await send(lead, "/approvals", form[1], {"expectedVersion": form[2]}, step=deed)
    assert done.status_code == 303, text_of(done)
    assert form[1] not in (await lead.get("/approvals")).text
    again = await send(lead, "/approvals", form[1], {"expectedVersion": form[2]}, step="later")
    assert again.status_code in {409, 422}


async def test_the_rule_is_drafted_changed_previewed_and_decided(lead: Web) -> None:
    page = await lead.get("/rules")
    assert "in force" in page.text
    base = re.search(r'name="from" value="([^"]+)"', page.text)
    assert base
    begun = await send(lead, "/rules", "/rules/draft", {"from": base[1]})
    assert begun.status_code == 303, text_of(begun)
    path = begun.headers["location"]
    draft = await lead.get(path)
    assert "What it would change" in draft.text
    line = re.search(r"\?line=([^#\"]+)#line", draft.text)
    assert line
    form: dict[str, Any] = {
        "line": line[1],
        "answer": "ASK",
        "advice": "ASK",
        "reason.de": SCRIPT,
        "reason.en": "",
    }
    refused = await send(lead, f"{path}?line={line[1]}", f"{path}/line", form)
    assert refused.status_code == 422
    assert SCRIPT not in refused.text
    turned = await send(
        lead, f"{path}?line={line[1]}", f"{path}/line", {**form, "reason.en": "Be\u202ecause"}, step="turned"
    )
    assert turned.status_code == 422
    assert 'href="#field-reason.en"' in turned.text
    form["reason.en"] = "Because"
    done = await send(lead, f"{path}?line={line[1]}", f"{path}/line", form, step="again")
    assert done.status_code == 303, text_of(done)
    assert SCRIPT not in (await lead.get(path)).text
    assert (await send(lead, path, f"{path}/decide", {"validFrom": ""})).status_code == 422
    done = await send(lead, path, f"{path}/decide", {"validFrom": days(30)}, step="again")
    assert done.status_code == 303, text_of(done)
    decided = await lead.get(path)
    assert "Put it into force" not in decided.text
    late = await lead.post(f"{path}/line", {"line": line[1]}, number=number_of(decided))
    assert late.status_code == 422
    assert "decided meanwhile" in late.text and "#field-" not in late.text


async def test_who_is_let_in(web: Web, town: Town, database: Database) -> None:
    for partner, role, allowed in (
        (town.world.coordination, Role.COORDINATOR, {"/rules", "/experience"}),
        (town.world.partner, Role.PARTNER_MEMBER, set[str]()),
        (town.world.other_partner, Role.OTHER_MUNICIPALITY, {"/experience"}),
    ):
        member, _ = await make_member(database, partner, role)
        await web.sign_in(member)
        for path in ("/approvals", "/rules", "/experience"):
            assert (await web.get(path)).status_code == (200 if path in allowed else 403), (role, path)


async def test_other_municipalities_see_who_shares_experience(
    web: Web, town: Town, database: Database
) -> None:
    name = "Erfahrung teilen <b>"
    await make_service(database, town.world.coordination, name, kind=ServiceKind.EXPERIENCE_EXCHANGE)
    member, _ = await make_member(database, town.world.other_partner, Role.OTHER_MUNICIPALITY)
    await web.sign_in(member)
    page = await web.get("/experience", language="de")
    assert page.status_code == 200
    assert "Erfahrung teilen &lt;b&gt;" in page.text
    address = re.search(r'href="(/service/[^"]+)"', page.text)
    assert address
    assert (await web.get(address[1])).status_code == 200
