"""The operations behind upkeep links and mailbox links: what the pages run, and nothing without the code."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from directory import mailboxes, sources, upkeep_links
from directory.actors import ANONYMOUS, SYSTEM, Actor, Role
from directory.database import Database
from directory.upkeep_links import MOST_SHOWN
from graphapi.mutations.upkeep_links import MOST_SUGGESTIONS
from graphapi.relay import global_id
from graphapi.web.running import document
from referrals.codes import CodePurpose, hash_of, new_code
from tests.graphapi.asking import Api
from tests.graphapi.conftest import Maker, World, make_member
from tests.graphapi.unchanged import Digest

ADDRESS = "mitglied@example.org"


async def link_of(database: Database, partner: UUID) -> str:
    code = new_code()
    async with database.work(SYSTEM) as work:
        await upkeep_links.issue(work, partner, hash_of(code, CodePurpose.UPKEEP))
    return code


async def run(api: Api, name: str, /, **given: Any) -> Any:
    given = {"idempotencyKey": str(uuid4()), **given}
    return next(iter((await api(document(name), {"input": given})).data.values()))


async def test_codes_of_one_purpose_open_nothing_of_another(
    api: Api, database: Database, world: World, digest: Digest
) -> None:
    codes = [new_code(), "x", "", "%00", "٣٤٥", "x" * 10_000]
    entry = {"id": world.id("Partner", world.partner), "expectedVersion": 2}
    mail = new_code()
    someone, _ = await make_member(database, world.partner, Role.PARTNER_MEMBER)
    async with database.work(SYSTEM) as work:
        await mailboxes.issue(work, someone, ADDRESS, hash_of(mail, CodePurpose.MAILBOX))
    upkeep = await link_of(database, world.partner)
    before = await digest(with_audit=True)

    for code in (*codes, mail):
        page = (await api(document("read-upkeep-page"), {"code": code})).data["upkeepPage"]
        said = await run(api, "assure-by-link", code=code, entries=[entry])
        suggested = await run(api, "suggest-by-link", code=code, entry=entry)
        assert {page["__typename"], said["__typename"], suggested["__typename"]} == {"CodeNotValidProblem"}
    for code in (*codes, upkeep):
        page = (await api(document("read-mailbox-page"), {"code": code})).data["mailboxPage"]
        yes = await run(api, "confirm-mailbox", code=code)
        no = await run(api, "stop-mailbox", code=code)
        assert {page["__typename"], yes["__typename"], no["__typename"]} == {"CodeNotValidProblem"}

    assert await digest(with_audit=True) == before


@pytest.mark.parametrize(
    ("name", "given", "field"),
    [
        ("assure-by-link", {"entries": []}, "entries"),
        ("assure-by-link", {"entries": [{"id": "x", "expectedVersion": 1}] * (MOST_SHOWN + 2)}, "entries"),
        (
            "suggest-by-link",
            {"suggestions": [{"field": "PHONE", "value": "0355 1"}] * (MOST_SUGGESTIONS + 1)},
            "suggestions",
        ),
        ("suggest-by-link", {"suggestions": [{"field": "EMAIL", "value": "x"}]}, "suggestions.0.value"),
        (
            "suggest-by-link",
            {"suggestions": [{"field": "HOURS", "value": "Mo 9", "locationId": "x"}]},
            "suggestions.0.locationId",
        ),
        ("suggest-by-link", {"idempotencyKey": "short"}, "idempotencyKey"),
    ],
)
async def test_what_cannot_be_taken_is_told_with_its_place(
    api: Api, database: Database, world: World, name: str, given: dict[str, Any], field: str
) -> None:
    entry = {"id": world.id("Partner", world.partner), "expectedVersion": 2}
    more: dict[str, Any] = {} if name == "assure-by-link" else {"entry": entry}

    found = await run(api, name, code=await link_of(database, world.partner), **more, **given)

    assert (found["__typename"], found.get("field")) == ("InvalidInputProblem", field)


async def test_an_entry_of_somebody_else_does_not_exist(
    api: Api, database: Database, world: World, make: Maker
) -> None:
    foreign = await make.partner(world.municipality, "Nachbarin")
    code = await link_of(database, world.partner)
    for kind, id_ in (("Partner", foreign), ("Service", uuid4()), ("Partner", world.coordination)):
        entry = {"id": global_id(kind, id_), "expectedVersion": 2}
        assured = await run(api, "assure-by-link", code=code, entries=[entry])
        said = await run(api, "suggest-by-link", code=code, entry=entry)
        assert (assured["__typename"], said["__typename"]) == ("NotFoundProblem", "NotFoundProblem")

    found = await sources.partner(database, ANONYMOUS, foreign)
    assert found is not None
    assert found.assured_at is None


async def test_a_yes_counts_until_the_no(api: Api, database: Database, world: World) -> None:
    someone, _ = await make_member(database, world.partner, Role.PARTNER_MEMBER)
    code = new_code()
    own = Actor(member_id=someone, partner_id=world.partner, role=Role.PARTNER_MEMBER)
    async with database.work(own) as work:
        await mailboxes.set_mailbox(work, ADDRESS, "de")
    async with database.work(SYSTEM) as work:
        await mailboxes.issue(work, someone, ADDRESS, hash_of(code, CodePurpose.MAILBOX))

    asked = (await api(document("read-mailbox-page"), {"code": code})).data["mailboxPage"]
    yes, again = [await run(api, "confirm-mailbox", code=code) for _ in range(2)]
    no = await run(api, "stop-mailbox", code=code)
    over = await run(api, "confirm-mailbox", code=code)

    assert (asked["asked"], asked["confirmedAt"]) == (True, None)
    assert yes["confirmedAt"] == again["confirmedAt"] is not None
    assert (no["asked"], no["confirmedAt"], no["lettersIn"]) == (False, None, None)
    assert over["__typename"] == "CodeNotValidProblem"
    async with database.view(own) as session:
        assert await mailboxes.mailbox_of(session, own) is None
