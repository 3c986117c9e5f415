"""The page with which a partner keeps its entries: looking changes nothing, a button confirms."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from pgqueuer import PgQueuer
from sqlalchemy import text, update
from structlog.testing import capture_logs

from directory import sources, upkeep_links
from directory.actors import ANONYMOUS, SYSTEM
from directory.catalogue import LocationDraft, PartnerChange, add_location, change_partner, hide_service
from directory.database import Database
from directory.documents import DocumentKind, PartnerDocument, ServiceDocument
from directory.models import Partner, Service
from directory.reaching import Guard
from directory.upkeep import run_upkeep
from directory.values import Capacity, ContactPoint
from directory.vocabulary import CapacityState, ContactKind
from graphapi.embedded import APP, Access
from graphapi.jobs import register
from graphapi.limits import Limits
from graphapi.mailing import Mailer
from graphapi.relay import global_id
from graphapi.upkeeping import tell
from referrals.codes import CodePurpose, hash_of, new_code
from referrals.personal_data.keystore import KeyStore
from tests.graphapi.asking import Api
from tests.graphapi.conftest import Maker, make_municipality, make_partner, make_service, served
from tests.graphapi.postoffice import post_office
from tests.graphapi.test_answer_page import Page
from tests.graphapi.unchanged import Digest

SCRIPT = "<script>alert(1)</script>\"'&"
PHONE = "+493551234567"


def said_id(entry: PartnerDocument | ServiceDocument) -> str:
    return global_id("Partner" if isinstance(entry, PartnerDocument) else "Service", entry.id)


@dataclasses.dataclass
class Holder:
    """Somebody with a browser and a partner's link."""

    http: httpx.AsyncClient
    database: Database
    partner: UUID
    service: UUID
    path: str

    async def get(self, method: str = "GET", **headers: str) -> Page:
        return Page(await self.http.request(method, self.path, headers={"accept-language": "de", **headers}))

    async def post(self, data: dict[str, str], **headers: str) -> Page:
        return Page(await self.http.post(self.path, data=data, headers={"accept-language": "de", **headers}))

    def named(self, *entries: PartnerDocument | ServiceDocument | None) -> str:
        return ",".join(f"{said_id(entry)}:{entry.version}" for entry in entries if entry is not None)

    async def of_partner(self) -> PartnerDocument:
        found = await sources.partner(self.database, ANONYMOUS, self.partner)
        assert found is not None
        return found

    async def of_service(self) -> ServiceDocument:
        found = await sources.service(self.database, ANONYMOUS, self.service)
        assert found is not None
        return found

    async def right(self, *entries: PartnerDocument | ServiceDocument) -> Page:
        return await self.post({"do": "RIGHT", "entries": self.named(*entries)})

    async def say(self, entry: PartnerDocument | ServiceDocument, **typed: str) -> Page:
        return await self.post({"do": "CHANGE", "entries": self.named(entry), **typed})

    async def requests(self) -> list[dict[str, Any]]:
        async with self.database.view(SYSTEM) as session:
            found = await session.execute(
                text(
                    "SELECT field, source, proposed, before, times, state FROM change_request"
                    " WHERE partner_id = :partner ORDER BY field"
                ),
                {"partner": self.partner},
            )
            return [dict(row._mapping) for row in found]


async def issue(database: Database, partner: UUID) -> str:
    code = new_code()
    async with database.work(SYSTEM) as work:
        await upkeep_links.issue(work, partner, hash_of(code, CodePurpose.UPKEEP))
    return f"/upkeep/{code}"


async def grow_old(database: Database, *, partner: UUID, service: UUID | None = None) -> None:
    """Let everything have been looked at three years ago."""
    async with database.work(SYSTEM) as work:
        then = work.now - timedelta(days=1_000)
        old = {"assured_at": then, "assured_kinds": None}
        await work.session.execute(update(Partner).where(Partner.id == partner).values(**old))
        work.touch_document(DocumentKind.PARTNER, partner)
        if service is not None:
            await work.session.execute(update(Service).where(Service.id == service).values(**old))
            work.touch_document(DocumentKind.SERVICE, service)


@pytest.fixture(scope="module")
async def http(database: Database, keys: KeyStore) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(served(database, keys))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture(scope="module")
async def town(database: Database) -> UUID:
    return await make_municipality(database)


@pytest.fixture
async def holder(database: Database, http: httpx.AsyncClient, town: UUID) -> Holder:
    partner = await make_partner(database, town, "Träger A")
    service = await make_service(
        database,
        partner,
        f"Beratung {SCRIPT}",
        description={"de": f"Was wir tun {SCRIPT}"},
        capacity=Capacity(state=CapacityState.FEW),
    )
    async with database.work(SYSTEM) as work:
        saved = await change_partner(
            work,
            partner,
            PartnerChange(
                contact_points=(
                    ContactPoint(kind=ContactKind.PHONE, value=PHONE, label={"de": "Empfang"}),
                    ContactPoint(kind=ContactKind.EMAIL, value="post@example.org"),
                ),
                note="interner Vermerk",
            ),
            expected_version=2,
        )
        await add_location(
            work,
            partner,
            LocationDraft(name="Haus 1", hours="Mo-Fr 09:00-12:00"),
            expected_version=saved.version,
        )
    return Holder(http, database, partner, service, await issue(database, partner))


class TestLooking:
    async def test_a_hundred_times_changes_no_row_of_any_table(self, holder: Holder, digest: Digest) -> None:
        before = await digest(with_audit=True)

        for number in range(100):
            page = await holder.get(("GET", "HEAD", "OPTIONS", "GET")[number % 4])
            assert page.status in {200, 204}

        assert await digest(with_audit=True) == before

    async def test_the_entries_stand_there_as_they_are_published(self, holder: Holder) -> None:
        page = await holder.get()

        assert page.status == 200
        for shown in ("Träger A", PHONE, "post@example.org", "Mo-Fr 09:00-12:00", "wenige Plätze", "aktuell"):
            assert shown in page.text
        assert "interner Vermerk" not in page.text
        assert set(page.forms) == {"RIGHT", "CHANGE"}

    async def test_days_are_those_of_the_clock_on_the_wall(self, holder: Holder) -> None:
        late = datetime(2026, 6, 1, 22, 30, tzinfo=UTC)
        async with holder.database.work(SYSTEM) as work:
            await work.session.execute(
                update(Partner)
                .where(Partner.id == holder.partner)
                .values(assured_at=late, assured_kinds=None)
            )
            work.touch_document(DocumentKind.PARTNER, holder.partner)

        assert "2. Juni 2026" in (await holder.get()).text

    async def test_what_somebody_wrote_stays_text_and_nothing_runs(self, holder: Holder) -> None:
        page = await holder.get()

        assert "<script" not in page.text
        assert "&lt;script&gt;" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"

    async def test_every_control_has_a_label(self, holder: Holder) -> None:
        page = await holder.get()
        labelled = {given.get("for") for given in page.all("label")}
        controls = [
            given
            for name in ("input", "select", "textarea")
            for given in page.all(name)
            if given.get("type") != "hidden"
        ]

        assert controls
        assert {given.get("id") for given in controls} <= labelled
        ids = [given["id"] for given in controls]
        assert len(ids) == len(set(ids))

    @pytest.mark.parametrize(
        ("language", "title"), [("en", "Are your entries still right?"), ("fr", "Stimmen")]
    )
    async def test_it_speaks_the_browsers_language_or_that_of_the_letters(
        self, holder: Holder, language: str, title: str
    ) -> None:
        assert title in (await holder.get(**{"accept-language": language})).text

    async def test_the_log_holds_no_code(self, holder: Holder, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG), capture_logs() as logs:
            await holder.get()
            await holder.right(await holder.of_service())

        code = holder.path.rpartition("/")[2]
        ours = [record.getMessage() for record in caplog.records if record.name != "httpx"]  # the browser
        assert code not in f"{logs}{ours}"

    async def test_an_old_figure_says_that_it_counts_no_more(self, holder: Holder) -> None:
        async with holder.database.work(SYSTEM) as work:
            await work.session.execute(
                text(
                    'UPDATE service SET capacity = capacity || \'{"as_of": "2020-01-01",'
                    ' "expires_on": "2020-01-28"}\' WHERE id = :id'
                ),
                {"id": holder.service},
            )
            work.touch_document(DocumentKind.SERVICE, holder.service)

        assert "zählt nicht mehr" in (await holder.get()).text

    async def test_drafts_are_not_shown(self, holder: Holder) -> None:
        await make_service(holder.database, holder.partner, "Geheimer Entwurf", published=False)

        assert "Geheimer Entwurf" not in (await holder.get()).text


class TestTheLink:
    async def test_wrong_codes_and_codes_of_other_purposes_open_nothing(self, holder: Holder) -> None:
        other = new_code()
        async with holder.database.work(SYSTEM) as work:
            await upkeep_links.issue(work, holder.partner, hash_of(other, CodePurpose.ANSWER_LINK))
        for code in (new_code(), other, "x", "%00"):
            for method in ("GET", "POST"):
                found = await holder.http.request(
                    method,
                    f"/upkeep/{code}",
                    data={"do": "RIGHT", "entries": "x"} if method == "POST" else None,
                )
                assert found.status_code == 404, (code, method)

    async def test_it_expires(self, holder: Holder) -> None:
        async with holder.database.work(SYSTEM) as work:
            await work.session.execute(
                text("DELETE FROM upkeep_link WHERE partner_id = :id"), {"id": holder.partner}
            )
            code = new_code()
            hashed = hash_of(code, CodePurpose.UPKEEP)
            await work.session.execute(
                text(
                    "INSERT INTO upkeep_link SELECT gen_random_uuid(), :hash, :partner, moment, moment"
                    " FROM (SELECT CAST(:now AS timestamptz)) AS v(moment)"
                ),
                {"hash": hashed, "partner": holder.partner, "now": work.now},
            )
        holder.path = f"/upkeep/{code}"

        assert (await holder.get()).status == 404
        assert (await holder.right(await holder.of_partner())).status == 404

    async def test_it_dies_with_the_partner(self, holder: Holder) -> None:
        partner = await holder.of_partner()
        async with holder.database.work(SYSTEM) as work:
            await change_partner(
                work, holder.partner, PartnerChange(active=False), expected_version=partner.version
            )

        assert (await holder.get()).status == 404

    async def test_it_is_for_its_partners_entries_alone(
        self, holder: Holder, town: UUID, make: Maker
    ) -> None:
        neighbour = await make.partner(town, "Träger B")
        foreign = await make.service(neighbour)
        found = await sources.service(holder.database, ANONYMOUS, foreign)
        other = await sources.partner(holder.database, ANONYMOUS, neighbour)
        assert found is not None
        assert other is not None
        hidden = await make.service(holder.partner, "Verborgen")
        async with holder.database.work(SYSTEM) as work:
            version = (await hide_service(work, hidden, expected_version=2)).version

        for entries in (
            holder.named(found),
            holder.named(other),
            f"{global_id('Service', hidden)}:{version}",
            f"{global_id('Service', uuid4())}:1",
            f"{global_id('Location', uuid4())}:1",
            "x:1",
        ):
            for do in ("RIGHT", "CHANGE"):
                page = await holder.post(
                    {"do": do, "entries": entries, "capacity": "OPEN", "phone": "0355 1"}
                )
                assert page.status == 404, (do, entries)
        assert await holder.requests() == []

    async def test_the_rows_themselves_are_closed_to_who_holds_it(self, holder: Holder) -> None:
        hashed = hash_of(holder.path.rpartition("/")[2], CodePurpose.UPKEEP)
        async with holder.database.work(ANONYMOUS) as work:
            await work.session.execute(
                text("SELECT set_config('app.code_hash', :hash, true)"), {"hash": hashed.hex()}
            )
            links = await work.session.scalar(text("SELECT count(*) FROM upkeep_link"))
        async with holder.database.work(ANONYMOUS) as work:
            without = await work.session.scalar(text("SELECT count(*) FROM upkeep_link"))

        assert (links, without) == (1, 0)

    @pytest.mark.usefixtures("clock_stands")
    async def test_whoever_tries_too_often_has_to_wait(self, database: Database, holder: Holder) -> None:
        app = served(database, limits=Limits(wrong_codes=2, presented_codes=100, wrong_codes_in_total=10**6))
        transport = httpx.ASGITransport(app, client=(f"198.51.100.{uuid4().int % 200}", 1))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            found = [(await http.get(f"/upkeep/{new_code()}")).status_code for _ in range(4)]

        assert found == [404, 404, 429, 429]

    @pytest.mark.parametrize(
        "headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}]
    )
    async def test_a_form_of_another_site_does_nothing(self, holder: Holder, headers: dict[str, str]) -> None:
        partner = await holder.of_partner()

        page = await holder.post({"do": "RIGHT", "entries": holder.named(partner)}, **headers)

        assert page.status == 403
        assert (await holder.of_partner()).assured_at is None


class TestConfirming:
    async def test_one_button_confirms_everything_that_is_due(self, holder: Holder) -> None:
        await grow_old(holder.database, partner=holder.partner, service=holder.service)
        page = await holder.get()
        assert "lange nicht bestätigt" in page.text
        first = re.search(r'name="entries" value="([^"]+)"', page.text)
        assert first is not None
        assert len(first[1].split(",")) == 2

        done = await holder.post({"do": "RIGHT", "entries": first[1]})

        assert done.status == 200
        assert "Danke, das ist bestätigt." in done.text
        now = holder.database.clock()
        for entry in (await holder.of_partner(), await holder.of_service()):
            assert entry.assured_at is not None
            assert now - entry.assured_at < timedelta(minutes=1)

    async def test_pressed_twice_is_answered_the_same(self, holder: Holder) -> None:
        service = await holder.of_service()
        first, second = await holder.right(service), await holder.right(service)

        assert (first.status, second.status) == (200, 200)
        assert "Danke" in second.text
        assert (await holder.of_service()).version == service.version + 1

    async def test_what_changed_meanwhile_is_to_be_looked_at_again(self, holder: Holder) -> None:
        before = await holder.of_partner()
        async with holder.database.work(SYSTEM) as work:
            await change_partner(
                work, holder.partner, PartnerChange(name="Anders"), expected_version=before.version
            )

        page = await holder.right(before)

        assert page.status == 409
        assert "Anders" in page.text
        assert (await holder.of_partner()).assured_at is None

    async def test_the_audit_names_the_partner_and_nobody(self, holder: Holder) -> None:
        await holder.right(await holder.of_service())
        async with holder.database.view(SYSTEM) as session:
            row = (
                await session.execute(
                    text(
                        "SELECT role, member_id, partner_id FROM audit WHERE object_id = :id"
                        " AND action = 'service.assure'"
                    ),
                    {"id": holder.service},
                )
            ).one()

        assert tuple(row) == ("ANONYMOUS", None, holder.partner)


class TestChanging:
    async def test_places_count_at_once(self, holder: Holder) -> None:
        page = await holder.say(await holder.of_service(), capacity="NONE", weeks="6")

        capacity = (await holder.of_service()).capacity
        assert page.status == 200
        assert (capacity.state, capacity.waiting_weeks) == (CapacityState.NONE, 6)
        assert capacity.expires_on is not None
        assert await holder.requests() == []

    @pytest.mark.parametrize("hours", ["Mo-Do 08:00-16:00", "Mo-Th 08:00-16:00"])
    async def test_everything_else_is_proposed_to_who_is_signed_in(self, holder: Holder, hours: str) -> None:
        before = await holder.of_partner()
        place = before.locations[0].id

        page = await holder.say(
            before,
            phone="0355 999888",
            email="neu@example.org",
            website="https://neu.example.org/",
            description="Neuer Text\r\nmit Zeilen",
            **{f"hours.{global_id('Location', place)}": hours},
        )

        after = await holder.of_partner()
        found = {
            row["field"]: (row["source"], row["before"], row["proposed"]) for row in await holder.requests()
        }
        assert page.status == 200
        assert "wird geprüft" in page.text
        assert after == before
        assert found == {
            "PHONE": ("PARTNER", {"value": PHONE}, {"value": "+49355999888"}),
            "EMAIL": ("PARTNER", {"value": "post@example.org"}, {"value": "neu@example.org"}),
            "WEBSITE": ("PARTNER", {"value": "https://example.org/"}, {"value": "https://neu.example.org/"}),
            "DESCRIPTION": (
                "PARTNER",
                {"language": "de", "text": "Beschreibung von Träger A"},
                {"language": "de", "text": "Neuer Text\nmit Zeilen"},
            ),
            "HOURS": ("PARTNER", {"osm": "Mo-Fr 09:00-12:00"}, {"osm": "Mo-Th 08:00-16:00"}),
        }

    async def test_a_form_sent_as_it_came_changes_nothing(self, holder: Holder) -> None:
        page = await holder.get()

        done = await holder.post(page.forms["CHANGE"])

        assert done.status == 200
        assert "Es wurde nichts geändert." in done.text
        assert await holder.requests() == []

    async def test_sent_twice_it_is_counted_not_doubled(self, holder: Holder) -> None:
        for _ in range(2):
            await holder.say(await holder.of_service(), phone="0355 999888")

        assert [(row["field"], row["times"]) for row in await holder.requests()] == [("PHONE", 2)]

    @pytest.mark.parametrize(
        "typed",
        [
            {"phone": "keine Nummer"},
            {"email": "x"},
            {"website": "javascript:alert(1)"},
            {"capacity": "VIELE"},
            {"capacity": "OPEN", "weeks": "-1"},
            {"capacity": "OPEN", "phone": "keine Nummer"},
            {"description": "x" * 5_001},
        ],
    )
    async def test_what_cannot_be_read_is_refused_as_a_whole(
        self, holder: Holder, typed: dict[str, str]
    ) -> None:
        before = await holder.of_service()

        page = await holder.say(before, **typed)

        assert page.status == 422
        assert await holder.of_service() == before
        assert await holder.requests() == []


async def test_from_the_reminder_to_the_button(
    empty_database: Database, keys: KeyStore, owner_url: str
) -> None:
    """The clock comes round, a mail goes out, its link opens the page, its button ends the matter."""
    database = empty_database
    maker = Maker(database)
    municipality = await maker.municipality()
    await make_partner(database, municipality, "Koordination", coordinates=True)
    partner = await make_partner(database, municipality, "Träger A")
    service = await make_service(database, partner)
    async with database.work(SYSTEM) as work:
        mail = ContactPoint(kind=ContactKind.EMAIL, value="post@example.org")
        await change_partner(work, partner, PartnerChange(contact_points=(mail,)), expected_version=2)
    start = database.clock()
    database.clock = lambda: start + timedelta(days=200)
    async with post_office() as office:
        assert (await run_upkeep(database, tell)).steps == 3
        await run_upkeep(database, tell)
        tally = await Mailer(database, office.mail).send_due()
        [letter] = office.to("post@example.org")
    assert tally.sent == 1
    assert tally.undeliverable_or_unneeded == 1
    body = letter.get_content()
    [path] = re.findall(r"https://netz\.example\.org(/upkeep/\S+)", body)
    assert "Träger A" not in body
    transport = httpx.ASGITransport(served(database, keys))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        holder = Holder(http, database, partner, service, path)
        page = await holder.get()
        [named] = {
            str(given["value"])
            for given in page.all("input")
            if given.get("name") == "entries" and "," in str(given["value"])
        }
        done = await holder.post({"do": "RIGHT", "entries": named})

    assert done.status == 200
    assert (await run_upkeep(database, tell)).steps == 0
    for entry in (await holder.of_partner(), await holder.of_service()):
        assert entry.assured_at == start + timedelta(days=200)


async def test_a_partner_that_is_hidden_shows_itself_again(empty_database: Database, keys: KeyStore) -> None:
    database = empty_database
    maker = Maker(database)
    partner = await make_partner(database, await maker.municipality(), "Träger A")
    service = await make_service(database, partner)
    start = database.clock()
    for passed in (200, 214, 228, 242, 270):
        database.clock = partial(start.__add__, timedelta(days=passed))
        await run_upkeep(database, tell)
    assert await sources.partner(database, ANONYMOUS, partner) is None
    path = await issue(database, partner)
    transport = httpx.ASGITransport(served(database, keys))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        holder = Holder(http, database, partner, service, path)
        page = await holder.get()
        assert page.text.count("ausgeblendet, weil") == 2
        [named] = {
            str(given["value"])
            for given in page.all("input")
            if given.get("name") == "entries" and "," in str(given["value"])
        }
        done = await holder.post({"do": "RIGHT", "entries": named})

    assert done.status == 200
    assert (await holder.of_partner()).state.value == "PUBLISHED"
    assert (await holder.of_service()).state.value == "PUBLISHED"


async def test_the_typed_code_leads_to_the_page(http: httpx.AsyncClient, api: Api) -> None:
    entry = await http.get("/upkeep")
    typed = await http.post("/upkeep", data={"code": "abcde-fghjk"})

    assert entry.status_code == 200
    assert (typed.status_code, typed.headers["location"]) == (303, "/upkeep/ABCDEFGHJK")


@pytest.mark.parametrize("asked", [True, False])
async def test_the_jobs_process_keeps_entries_and_looks_at_websites_only_when_it_is_told_to(
    empty_database: Database, empty_database_name: str, keys: KeyStore, cluster: Access, asked: bool
) -> None:
    partner = await make_partner(empty_database, await Maker(empty_database).municipality(), "Träger A")
    start = empty_database.clock()
    empty_database.clock = lambda: start + timedelta(days=200)
    connection = await asyncpg.connect(cluster.dsn(APP, empty_database_name))
    try:
        queue = PgQueuer.from_asyncpg_connection(connection)
        register(queue, empty_database, keys=keys, links=Guard() if asked else None)
        scheduled: dict[str, Any] = {str(key.entrypoint): run for key, run in queue.sm.registry.items()}
        await scheduled["keep_entries_fresh"].parameters.func(None)
        told = await connection.fetchval(
            "SELECT progress #>> '{ENTRY,step}' FROM upkeep WHERE entry_id = $1", partner
        )
    finally:
        await connection.close()

    assert told == "REMIND"
    assert ("check_links" in scheduled) is asked
