"""Another municipality follows the directory: a small client keeps a copy, whatever happens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from directory import sources
from directory.actors import ANONYMOUS, SYSTEM
from directory.catalogue import (
    PartnerChange,
    ServiceChange,
    change_partner,
    change_service,
    hide_partner,
    hide_service,
    publish_service,
)
from directory.database import Database
from directory.ending import delete_service, merge_services
from directory.vocabulary import PartnerKind
from graphapi.embedded import OWNER, Access
from referrals.merging import Exchange
from tests.directory.towns import Town, found_town
from tests.graphapi.asking import Api
from tests.graphapi.conftest import served

GUARD = Exchange()


class Follower:
    """What another municipality runs: about thirty lines, nothing but HTTP."""

    def __init__(self, http: httpx.AsyncClient, *, page: int = 3, **part: Any) -> None:
        self.http = http
        self.page = page
        self.part = part
        self.told_gone: set[str] = set()
        self.cursor: str | None = None
        self.copy: dict[str, dict[str, Any]] = {}
        self.aliases: dict[str, str] = {}
        self.rebuilt = 0

    async def follow(self) -> int:
        """Go on until there is no more; return how many changes came."""
        came = 0
        while True:
            asked = {"limit": str(self.page), **({"cursor": self.cursor} if self.cursor else {}), **self.part}
            answer = await self.http.get("/feed", params=asked)
            if answer.status_code == 410:
                self.cursor, self.copy, self.aliases = None, {}, {}
                self.rebuilt += 1
                continue
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert len(page["changes"]) <= self.page
            for change in page["changes"]:
                came += 1
                if change.get("tombstone"):
                    self.told_gone.add(change["id"])
                    self.copy.pop(change["id"], None)
                    if merged := change.get("mergedInto"):
                        self.aliases[change["id"]] = merged
                else:
                    assert change["document"]["version"] == change["version"]
                    self.copy[change["id"]] = change["document"]
            self.cursor = page["next"]
            if not page["more"]:
                return came


@pytest.fixture
async def town(empty_database: Database) -> Town:
    return await found_town(empty_database)


@pytest.fixture
async def http(empty_database: Database) -> Any:
    transport = httpx.ASGITransport(served(empty_database))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def published(database: Database) -> set[str]:
    partners = await sources.partners(database, ANONYMOUS, first=100)
    services = await sources.services(database, ANONYMOUS, first=100)
    return {str(partner.id) for partner in partners.nodes} | {str(service.id) for service in services.nodes}


async def test_a_copy_stays_right_through_everything(
    empty_database: Database, town: Town, http: httpx.AsyncClient, cluster: Access
) -> None:
    """New, changed, hidden, shown again, merged, deleted; and a restore from a backup."""
    follower = Follower(http)
    partner, draft = await town.partner("Eins"), await town.partner("Entwurf", published=False)
    one, two = await town.service(partner.id, "Kurs"), await town.service(partner.id, "Kurs ")
    await follower.follow()
    assert set(follower.copy) == await published(empty_database)
    assert follower.copy[str(partner.id)]["name"] == "Eins"
    assert await follower.follow() == 0

    async with empty_database.work(SYSTEM) as work:
        await change_partner(work, partner.id, PartnerChange(name="Neu"), expected_version=partner.version)
        await change_partner(work, draft.id, PartnerChange(name="Noch"), expected_version=draft.version)
    # the partner and its two services, which show its name; of the draft not even the id
    assert await follower.follow() == 3
    assert follower.copy[str(one.id)]["partner"]["name"] == "Neu"
    assert str(draft.id) not in str(follower.copy)

    async with empty_database.work(SYSTEM) as work:
        hidden = await hide_service(work, one.id, expected_version=one.version + 1)
    await follower.follow()
    assert str(one.id) not in follower.copy
    async with empty_database.work(SYSTEM) as work:
        shown = await publish_service(work, one.id, expected_version=hidden.version)
    await follower.follow()
    assert set(follower.copy) == await published(empty_database)

    async with empty_database.work(SYSTEM) as work:
        merged = await merge_services(
            work,
            two.id,
            one.id,
            expected_version=two.version + 1,
            merged_expected_version=shown.version,
            guard=GUARD,
            reason="doppelt",
        )
    await follower.follow()
    assert follower.aliases == {str(one.id): str(two.id)}
    assert set(follower.copy) == await published(empty_database)

    # a backup from before is brought back: what the copy has and the directory has not must go
    owner = await asyncpg.connect(cluster.dsn(OWNER, await database_name(empty_database)))
    await owner.execute("UPDATE feed SET id = gen_random_uuid()")
    await owner.close()
    async with empty_database.work(SYSTEM) as work:
        await delete_service(work, two.id, expected_version=merged.version, guard=GUARD, reason="weg")
    await follower.follow()
    assert follower.rebuilt == 1
    assert set(follower.copy) == await published(empty_database)

    async with empty_database.work(SYSTEM) as work:
        await hide_partner(work, partner.id, expected_version=partner.version + 1)
    await follower.follow()
    assert set(follower.copy) == await published(empty_database) == {str(town.coordination_id)}


async def database_name(database: Database) -> str:
    return str(database.engine.url.database)


async def test_what_was_never_published_leaves_no_trace(
    empty_database: Database, town: Town, http: httpx.AsyncClient
) -> None:
    """Not even as a tombstone: who follows does not learn that there was something."""
    partner = await town.partner(published=False)
    service = await town.service(partner.id, published=False)
    async with empty_database.work(SYSTEM) as work:
        await hide_service(work, service.id, expected_version=service.version)
    async with empty_database.work(SYSTEM) as work:
        await delete_service(work, service.id, expected_version=2, guard=GUARD, reason="Irrtum")

    answer = await http.get("/feed")

    assert [UUID(c["id"]) for c in answer.json()["changes"]] == [town.coordination_id]
    assert "Irrtum" not in answer.text


async def test_the_page_is_asked_for_as_http_does(
    empty_database: Database, town: Town, http: httpx.AsyncClient
) -> None:
    await town.partner(note="geheim")
    answer = await http.get("/feed", params={"limit": "1"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (answer.json()["more"], len(answer.json()["changes"])) == (True, 1)
    assert "geheim" not in (await http.get("/feed")).text
    again = await http.get("/feed", params={"limit": "1"}, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    later = await http.get("/feed", params={"modified_after": "2999-01-01T00:00:00Z"})
    assert later.json()["changes"] == []
    earlier = await http.get("/feed", params={"modified_after": "2020-01-01T00:00:00+02:00"})
    assert len(earlier.json()["changes"]) == 2


async def test_who_follows_a_part_hears_what_leaves_it_and_of_nothing_else(
    empty_database: Database, town: Town, http: httpx.AsyncClient
) -> None:
    """A topic, a kind of partner, a partner: what enters comes whole, what leaves comes as gone."""
    chamber, other = await town.partner("Kammer", kind=PartnerKind.CHAMBER), await town.partner("Verein")
    care = await town.service(chamber.id, "Krippe", topics=("childcare",))
    work_ = await town.service(chamber.id, "Arbeit", topics=("job",))
    both = await town.service(other.id, "Beides", topics=("childcare", "job"))
    topic = Follower(http, topic="childcare")
    kind = Follower(http, partner_kind=["CHAMBER", "BUSINESS"])
    one = Follower(http, partner=str(other.id), kind="QUALIFICATION", page=1)
    everybody = [topic, kind, one]

    async def follow() -> list[int]:
        return [await follower.follow() for follower in everybody]

    assert await follow() == [2, 3, 1]
    assert set(topic.copy) == {str(care.id), str(both.id)}
    assert set(kind.copy) == {str(chamber.id), str(care.id), str(work_.id)}
    assert set(one.copy) == {str(both.id)}
    assert await follow() == [0, 0, 0]

    async with empty_database.work(SYSTEM) as work:
        await change_service(work, care.id, ServiceChange(topics=("job",)), expected_version=care.version)
        await change_service(
            work, work_.id, ServiceChange(topics=("childcare",)), expected_version=work_.version
        )
    assert await follow() == [2, 2, 0]
    assert (set(topic.copy), topic.told_gone) == ({str(work_.id), str(both.id)}, {str(care.id)})
    assert kind.told_gone == set()

    async with empty_database.work(SYSTEM) as work:
        await change_partner(
            work, chamber.id, PartnerChange(kind=PartnerKind.AUTHORITY), expected_version=chamber.version
        )
        await hide_service(work, both.id, expected_version=both.version)
    assert await follow() == [3, 3, 1]  # the services show their partner's kind
    assert (set(kind.copy), set(one.copy)) == (set(), set())
    assert one.told_gone == {str(both.id)}
    # whoever begins anew gets the same
    for begun, follower in ((Follower(http, topic="childcare"), topic), (Follower(http), None)):
        await begun.follow()
        assert follower is None or begun.copy == follower.copy


async def test_a_cursor_of_another_part_begins_anew(http: httpx.AsyncClient, town: Town) -> None:
    """What another filter left out would be missing for ever."""
    ars = (await http.get("/feed")).json()["changes"][0]["document"]["municipality"]["ars"]
    cursor = (await http.get("/feed", params={"municipality": ars})).json()["next"]
    assert (await http.get("/feed", params={"municipality": ars, "cursor": cursor})).status_code == 200
    for other in ({}, {"topic": "job"}, {"municipality": ars, "topic": "job"}):
        answer = await http.get("/feed", params={**other, "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (410, "rebuild")


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"cursor": "x"}, 400, "cursor"),
        ({"cursor": "00000000-0000-0000-0000-000000000000.-1"}, 400, "cursor"),
        ({"cursor": "00000000-0000-0000-0000-000000000000.1"}, 410, "rebuild"),
        ({"limit": "0"}, 400, "too-small"),
        ({"limit": "501"}, 400, "too-large"),
        ({"limit": "ten"}, 400, "format"),
        ({"modified_after": "gestern"}, 400, "format"),
        ({"municipality": "129990000000"}, 400, "unknown-value"),
        ({"partner": "Verein"}, 400, "unknown-value"),
        ({"kind": "KURS"}, 400, "unknown-value"),
        ({"partner_kind": "CHAMBER,BUSINESS"}, 400, "unknown-value"),
        ({"topic": "x" * 61}, 400, "unknown-value"),
        ({"muncipality": "120520000000"}, 400, "unknown-field"),
        ({"after": "x"}, 400, "unknown-field"),
    ],
)
async def test_what_cannot_be_read_says_so(api: Api, asked: dict[str, str], status: int, code: str) -> None:
    answer = await api.http.get("/feed", params=asked)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    german, english = [
        (await api.http.get("/feed", params=asked, headers={"accept-language": one})).json()
        for one in ("de", "en")
    ]
    assert german["detail"] != english["detail"]
    if status == 400:
        assert german["parameter"] in asked


async def test_a_cursor_ahead_of_the_feed_is_of_another_life(
    empty_database: Database, town: Town, http: httpx.AsyncClient
) -> None:
    """A backup can bring the same feed back with fewer changes, before it is given its new id."""
    page = (await http.get("/feed")).json()

    answer = await http.get("/feed", params={"cursor": f"{page['feed']}.999999"})

    assert (answer.status_code, answer.json()["feed"]) == (410, page["feed"])
