"""Saved searches from the first word to the mail: news once a day, to who said yes, until they say no."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
import httpx
import pytest
from sqlalchemy import select

from directory.actors import SYSTEM, Actor, Role
from directory.database import Database
from directory.models import MailboxLink, MemberMailbox, Service
from directory.values import Capacity
from directory.vocabulary import CapacityState, PublicationState
from graphapi.app import application
from graphapi.context import Services
from graphapi.embedded import OWNER, READER, Access
from graphapi.limits import Limits
from graphapi.mailing import Mailer
from graphapi.saved_searches import tell
from search.follower import Follower
from search.local import LocalEngine
from search.models import SavedSearch
from search.saving import MOST_SAVED, Looked, look_at_searches, next_look
from tests.graphapi.asking import Api
from tests.graphapi.conftest import Maker
from tests.graphapi.postoffice import PostOffice, post_office

ADDRESS = "lea@stadt.example.org"


class Desk(NamedTuple):
    """One member's searches: the application, its index, the post office, and what time it is."""

    api: Api
    make: Maker
    follower: Follower
    engine: LocalEngine
    database: Database
    office: PostOffice
    world: Any
    now: list[datetime]

    async def change(self, field: str, payload: str = "", **given: Any) -> Any:
        return await self.api.change(field, given, payload, token=self.world.coordinator)

    async def save(self, **given: Any) -> Any:
        kept = "... on SavedSearchSaved { savedSearch { id version notify } }"
        answer = await self.change("saveSearch", kept, **{"name": "Kurse", "text": "Kurs", **given})
        return answer["savedSearch"]

    async def look(self) -> Looked:
        await self.follower.catch_up()
        return await look_at_searches(self.database, self.engine, tell)

    async def post(self) -> list[Any]:
        """Send what is due; return the mails that came since."""
        before = len(self.office.raw)
        await Mailer(self.database, self.office.mail).send_due()
        return self.office.mails[before:]

    def later(self, **more: float) -> None:
        self.now[0] += timedelta(**more)

    async def confirmed(self) -> None:
        """Name the address, and let its reader say yes."""
        answer = await self.change(
            "setMailbox", "... on MailboxSaved { mailbox { confirmedAt } }", address=ADDRESS
        )
        assert answer["mailbox"]["confirmedAt"] is None
        (asked,) = await self.post()
        assert (await self.press(asked, "YES")).status_code == 200

    async def press(self, mail: Any, what: str) -> httpx.Response:
        return await self.api.http.post(page_of(mail), data={"do": what})

    async def news(self) -> Any:
        asked = "{ savedSearches { newServices changedServices tooBroad lookedAt } }"
        return (await self.api(asked, token=self.world.coordinator)).data["savedSearches"][0]


def page_of(mail: Any) -> str:
    found = re.search(r"https://netz\.example\.org(/mailbox/\S+)", mail.get_content())
    assert found is not None
    return found[1]


@pytest.fixture
async def desk(
    empty_database: Database, empty_database_name: str, cluster: Access, tmp_path: Path
) -> AsyncIterator[Desk]:
    engine = LocalEngine(tmp_path / "index")
    follower = Follower(engine, empty_database, cluster.dsn(READER, empty_database_name))
    app = application(Services(database=empty_database, limits=Limits(), engines=(engine,)))
    now = [empty_database.clock()]
    empty_database.clock = lambda: now[0]
    make = Maker(empty_database)
    world = await make.world()
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http,  # type: ignore[arg-type]
        post_office() as office,
    ):
        yield Desk(Api(http), make, follower, engine, empty_database, office, world, now)
    engine.resign()


async def test_news_come_once_a_day_to_who_said_yes(desk: Desk) -> None:
    first = await desk.make.service(desk.world.partner, "Kurs am Morgen")
    await desk.confirmed()
    await desk.save(notify=True)

    assert await desk.look() == Looked(searches=1)  # what is there already is no news
    assert await desk.post() == []
    new = await desk.make.service(desk.world.partner, "Kurs am Abend")
    await desk.make.service(desk.world.partner, "Beratung")
    async with desk.database.work(SYSTEM) as work:
        changed = await work.session.get_one(Service, first)
        changed.capacity = Capacity(state=CapacityState.NONE)
        changed.version += 1
        work.touch_service(first)
    assert not await desk.look()  # not before the next morning
    desk.later(days=1)
    assert await desk.look() == Looked(searches=1, news=2, told=1)
    assert (await desk.news())["newServices"] == [desk.world.id("Service", new)]
    (mail,) = await desk.post()
    assert not await desk.look()
    assert await desk.post() == []

    said = mail.get_content()
    assert mail["To"] == ADDRESS
    assert "Kurs am Abend" in said
    assert f"https://netz.example.org/services/{new}" in said
    assert f"https://netz.example.org/services/{first}" in said
    assert "Beratung" not in said
    assert said.index("[new]") < said.index("[changed]")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (await desk.news())["newServices"] == (await desk.news())["changedServices"] == []

    desk.later(days=1)
    async with desk.database.work(SYSTEM) as work:  # assured, and another version: nobody is told
        same = await work.session.get_one(Service, new)
        same.assured_at, same.version = work.now, same.version + 1
        work.touch_service(new)
    assert await desk.look() == Looked(searches=1)
    assert await desk.post() == []


async def test_looking_at_a_link_changes_nothing_and_one_click_ends_it(desk: Desk) -> None:
    await desk.confirmed()
    await desk.save(notify=True)
    await desk.look()
    await desk.make.service(desk.world.partner, "Kurs")
    desk.later(days=1)
    await desk.look()
    (mail,) = await desk.post()
    page = page_of(mail)

    for method in ("GET", "HEAD", "GET"):
        assert (await desk.api.http.request(method, page)).status_code == 200
    foreign = {"sec-fetch-site": "cross-site"}
    assert (await desk.api.http.post(page, data={"do": "STOP"}, headers=foreign)).status_code == 403
    mailbox = "{ mailbox { address confirmedAt } }"
    assert (await desk.api(mailbox, token=desk.world.coordinator)).data["mailbox"]["confirmedAt"]

    one_click = await desk.api.http.post(page, data={"List-Unsubscribe": "One-Click"}, headers=foreign)
    assert one_click.status_code == 200
    assert (await desk.api(mailbox, token=desk.world.coordinator)).data["mailbox"] is None
    await desk.make.service(desk.world.partner, "Kurs zwei")
    desk.later(days=1)
    assert (await desk.look()).told == 0
    assert await desk.post() == []
    assert (await desk.api.http.get(page)).status_code == 404  # its links are gone with it
    assert (await desk.api.http.get("/mailbox/AAAAA-AAAAA-AAAAA-AAAAA-AAAAA")).status_code == 404


async def test_nothing_goes_to_an_address_whose_reader_has_not_said_yes(desk: Desk) -> None:
    """One question, seldom; and a no deletes the address."""
    await desk.change("setMailbox", address=ADDRESS)
    (asked,) = await desk.post()
    again = await desk.change("setMailbox", address="andere@example.org")
    await desk.save(notify=True)
    await desk.look()
    await desk.make.service(desk.world.partner, "Kurs")
    desk.later(days=1)

    assert (again["__typename"], again["reason"]) == ("InvalidInputProblem", "asked-just-now")
    assert (await desk.look()).told == 0
    assert await desk.post() == []
    assert (await desk.press(asked, "STOP")).status_code == 200
    async with desk.database.view(SYSTEM) as session:
        assert (await session.scalars(select(MemberMailbox))).all() == []
    assert (await desk.change("setMailbox", address="kein Postfach"))["__typename"] == "InvalidInputProblem"


async def test_what_was_hidden_before_the_mail_went_is_not_named(desk: Desk) -> None:
    await desk.confirmed()
    await desk.save(notify=True)
    await desk.look()
    gone = await desk.make.service(desk.world.partner, "Kurs geheim")
    desk.later(days=1)
    assert (await desk.look()).told == 1
    async with desk.database.work(SYSTEM) as work:
        found = await work.session.get_one(Service, gone)
        found.state, found.version = PublicationState.HIDDEN, found.version + 1
        work.touch_service(gone)

    assert await desk.post() == []


@pytest.mark.parametrize("what", ["removeMember", "deleteSavedSearch", "changeSavedSearch", "removeMailbox"])
async def test_who_went_or_said_no_before_the_mail_went_gets_none(desk: Desk, what: str) -> None:
    """The mail is promised in the morning, and read anew when it goes."""
    await desk.confirmed()
    saved = await desk.save(notify=True)
    await desk.look()
    await desk.make.service(desk.world.partner, "Kurs am Abend")
    desk.later(days=1)
    assert (await desk.look()).told == 1
    search = {"id": saved["id"], "expectedVersion": saved["version"]}
    own = (await desk.api("{ me { member { id version } } }", token=desk.world.coordinator)).data["me"]
    member = {"id": own["member"]["id"], "expectedVersion": own["member"]["version"]}
    token = desk.world.lead if what == "removeMember" else desk.world.coordinator
    given: dict[str, Any] = {
        "removeMember": member,
        "deleteSavedSearch": search,
        "changeSavedSearch": {**search, "name": "Kurse", "notify": False},
        "removeMailbox": {},
    }[what]

    answer = await desk.api.change(what, given, "", token=token)

    assert not answer["__typename"].endswith("Problem"), answer
    assert await desk.post() == []
    desk.later(days=1)
    assert (await desk.look()).told == 0
    assert await desk.post() == []


async def test_two_jobs_at_once_tell_once(desk: Desk) -> None:
    await desk.confirmed()
    await desk.save(notify=True)
    await desk.look()
    await desk.make.service(desk.world.partner, "Kurs am Abend")
    desk.later(days=1)
    await desk.follower.catch_up()

    rounds = await asyncio.gather(*(look_at_searches(desk.database, desk.engine, tell) for _ in range(3)))
    mailers = [Mailer(desk.database, desk.office.mail) for _ in range(3)]
    before = len(desk.office.raw)
    await asyncio.gather(*(mailer.send_due() for mailer in mailers))

    assert sum(done.told for done in rounds) == 1
    assert len(desk.office.raw) == before + 1


async def test_nobody_else_sees_them_and_they_go_with_their_member(
    desk: Desk, cluster: Access, empty_database_name: str
) -> None:
    """Not a colleague, not a lead, not the role that reads the directory; by row-level security itself."""
    await desk.confirmed()
    await desk.save(notify=True)
    other = Actor(role=Role.LEAD, member_id=uuid4(), partner_id=uuid4(), municipality_id=uuid4())
    async with desk.database.view(other) as session:
        for table in (SavedSearch, MemberMailbox, MailboxLink):
            assert (await session.execute(select(table))).all() == []
    for role in (READER,):
        reader = await asyncpg.connect(cluster.dsn(role, empty_database_name))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.fetch("SELECT * FROM saved_search")
        await reader.close()
    asked = "{ me { member { id version } } }"
    own = (await desk.api(asked, token=desk.world.coordinator)).data["me"]["member"]
    removed = {"id": own["id"], "expectedVersion": own["version"]}
    answer = await desk.api.change("removeMember", removed, "", token=desk.world.lead)
    assert answer["__typename"] == "MemberSaved"
    owner = await asyncpg.connect(cluster.dsn(OWNER, empty_database_name))
    for table_name in ("saved_search", "member_mailbox", "mailbox_link"):
        await owner.execute(f"ALTER TABLE {table_name} NO FORCE ROW LEVEL SECURITY")
        assert await owner.fetchval(f"SELECT count(*) FROM {table_name}") == 0
    await owner.close()


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({"name": ""}, "name", None),
        ({"text": ""}, "text", "nothing-to-search"),
        ({"text": "x" * 501}, "text", "too-long"),
        ({"filters": {"residence": {"status": "SECTION_104C"}}}, "filters.residence", "no-profile"),
        ({"filters": {"municipality": "Cottbus"}}, "filters.municipality", None),
    ],
)
async def test_what_cannot_be_saved(
    desk: Desk, given: dict[str, Any], field: str, reason: str | None
) -> None:
    problem = await desk.change("saveSearch", **{"name": "Kurse", "text": "Kurs", **given})

    assert (problem["__typename"], problem["field"]) == ("InvalidInputProblem", field)
    assert reason in {None, problem["reason"]}


async def test_a_member_keeps_so_many_and_no_more(desk: Desk) -> None:
    for number in range(MOST_SAVED):
        await desk.save(name=f"Suche {number}")

    assert (await desk.change("saveSearch", name="Noch eine", text="Kurs"))["reason"] == "too-many"


async def test_changes_need_the_version_that_was_read(desk: Desk) -> None:
    saved = await desk.save()
    kept = "... on SavedSearchSaved { savedSearch { id version notify name } }"
    renamed = await desk.change(
        "changeSavedSearch", kept, id=saved["id"], expectedVersion=1, name="Andere", notify=True
    )
    stale = await desk.change("changeSavedSearch", kept, id=saved["id"], expectedVersion=1, name="Alte")
    deleted = await desk.change(
        "deleteSavedSearch", "... on SavedSearchDeleted { deletedId }", id=saved["id"], expectedVersion=2
    )

    assert renamed["savedSearch"] == {"id": saved["id"], "version": 2, "notify": True, "name": "Andere"}
    assert (stale["__typename"], stale["current"]) == ("StaleVersionProblem", 2)
    assert deleted["deletedId"] == saved["id"]


async def test_without_an_index_what_is_due_is_postponed(desk: Desk, tmp_path: Path) -> None:
    await desk.save(notify=True)
    away = LocalEngine(tmp_path / "none")

    assert await look_at_searches(desk.database, away, tell) == Looked(postponed=1)
    assert (await desk.news())["lookedAt"] is None
    desk.later(hours=2)
    assert await desk.look() == Looked(searches=1)


def test_searches_are_looked_at_in_the_morning() -> None:
    at = datetime.fromisoformat
    assert next_look(at("2026-11-22T03:00:00+01:00")) == at("2026-11-22T05:00:00+01:00")
    assert next_look(at("2026-11-22T05:00:00+01:00")) == at("2026-11-23T05:00:00+01:00")
    assert next_look(at("2026-10-24T12:00:00+02:00")) == at("2026-10-25T05:00:00+01:00")
