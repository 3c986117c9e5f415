"""Of a person who goes through every move, nothing is in a mail, a log, a call of the database or a frame."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import structlog
from sqlalchemy import update
from structlog.testing import capture_logs

from directory.actors import SYSTEM
from directory.database import Database
from directory.models import Partner
from directory.values import ContactPoint
from directory.vocabulary import ContactKind
from graphapi.app import application
from graphapi.context import Services
from graphapi.embedded import APP, OWNER, READER, Access
from graphapi.watching import CHANNEL
from referrals.notices import AFTER_MOVE, BOOKING_TOLD
from referrals.personal_data.keystore import KeyStore
from tests.conftest import TEMPLATE
from tests.graphapi.asking import Api
from tests.graphapi.conftest import MANY
from tests.graphapi.exchanging import ACCEPTANCE, CATEGORIES, OUTCOME, Town, days, make_town
from tests.graphapi.postoffice import PostOffice, post_office
from tests.graphapi.test_canary import dump
from tests.graphapi.test_subscriptions import living
from tests.graphapi.watcher import INBOX, connected

CANARIES = (
    "Kanarienvogelsang",
    "Zwitschera",
    "+493559988776",
    "1987-07-13",
    "Vogelweg 17",
    "kanarie@vogel.example",
    "Ruecken-Kanarie",
    "Kanarie-Lehre",
    "Kanarie-Kontakt",
    "Frage-Kanarie",
    "Antwort-Kanarie",
    "Absage-Kanarie",
    "Kanarie war da",
)
NAME, GIVEN, PHONE, BORN, STREET, MAIL, HEALTH, TRADE, CONTACT, QUESTION, ANSWER, NOTE, WORDS = CANARIES

PERSON: dict[str, Any] = {
    "identity": {"familyName": NAME, "givenNames": GIVEN, "dateOfBirth": BORN},
    "contact": {"phone": PHONE, "address": STREET, "email": MAIL},
    "profile": {"health": HEALTH, "qualifications": [TRADE]},
}


@pytest.fixture(scope="module")
def database_name(cluster: Access) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    cluster.create_database(name, template=TEMPLATE)
    yield name
    cluster.drop_database(name)


@pytest.fixture
async def town(cluster: Access, database_name: str, keys: KeyStore) -> AsyncIterator[Town]:
    """A town in a database of its own, where whoever sends mails sends only this town's."""
    database = Database(cluster.dsn(APP, database_name), cluster.dsn(READER, database_name))
    app = application(Services(database=database, limits=MANY, keys=keys))
    async with (
        living(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http,  # type: ignore[arg-type]
    ):
        made = await make_town(database, Api(http))
        async with database.work(SYSTEM) as work:
            for partner, address in (
                (made.world.coordination, "koordination@example.org"),
                (made.world.partner, "traeger@example.org"),
            ):
                points = (ContactPoint(kind=ContactKind.EMAIL, value=address),)
                await work.session.execute(
                    update(Partner).where(Partner.id == partner).values(contact_points=points)
                )
        await app.state.watchers.listening.wait()
        made.api.app = app  # type: ignore[attr-defined]
        yield made


async def every_move(town: Town, office: PostOffice) -> list[str]:
    """Take the person through every move that anybody is told of; return what else must be nowhere."""
    service = await town.new_service(title={"de": "Rueckenschule-Kanarie"})
    client = await town.client(**PERSON)
    given: dict[str, Any] = {
        "clientId": client["id"],
        "categories": [*CATEGORIES, "HEALTH", "QUALIFICATION"],
    }

    async def sent() -> Any:
        await office.deliver(town.database)
        return await town.sent(**given, serviceId=await town.new_service())

    first = await town.sent(**given, serviceId=service)
    await office.deliver(town.database)
    read = await town.on("staff", "acknowledgeReferral", first)
    asked = await town.on("staff", "askAboutReferral", read, question=QUESTION)
    await office.deliver(town.database)
    told = await town.on("coordinator", "answerQuestion", asked, answer=ANSWER)
    await office.deliver(town.database)
    taken = await town.on("staff", "acceptReferral", told, **{**ACCEPTANCE, "contact": CONTACT})
    begun = await town.on("staff", "startReferral", taken, firstContactMadeOn=days(0))
    held = await town.on("staff", "holdReferral", begun, reason="PERSON_ILL", resumeOn=days(5))
    back = await town.on("staff", "resumeReferral", held)
    reported = await town.on("staff", "reportOutcome", back, **OUTCOME)
    await office.deliver(town.database)
    contested = await town.on("coordinator", "contestOutcome", reported, reason="OUTCOME_WRONG")
    await office.deliver(town.database)
    reported = await town.on("staff", "reportOutcome", contested, **OUTCOME)
    closed = await town.on("coordinator", "closeReferral", reported, feedbackAsked="ANSWERED")
    await town.on("coordinator", "reopenReferral", closed, reason="NOT_FINISHED")
    await office.deliver(town.database)
    declined = await town.on("staff", "declineReferral", await sent(), reason="OTHER", note=NOTE)
    cancelled = await town.on("coordinator", "cancelReferral", await sent(), reason="PERSON_ILL")
    await office.deliver(town.database)
    booking = await town.booked(clientId=client["id"], personAgreed=True)
    await office.deliver(town.database)
    confirmed = await town.on("staff", "confirmBooking", booking)
    await office.deliver(town.database)
    await town.on("coordinator", "cancelBooking", confirmed)
    await office.deliver(town.database)
    await town.on("staff", "declineBooking", await town.booked())
    await town.done(
        "coordinator", "recordFeedback", referralId=begun["id"], answer="HELPED", text=WORDS, source="PHONE"
    )
    last = await sent()
    await office.deliver(town.database)
    await town.done("coordinator", "withdrawConsent", id=last["consentId"], channel="PHONE")
    await office.deliver(town.database)
    assert declined["state"] == "DECLINED"
    assert cancelled["state"] == "CANCELLED"
    return [client["pseudonym"], "Rueckenschule-Kanarie"]


@pytest.mark.slow
async def test_a_person_is_in_nothing_that_leaves(
    town: Town,
    cluster: Access,
    database_name: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    structlog.reset_defaults()
    calls: list[str] = []
    listener = await asyncpg.connect(cluster.dsn(APP, database_name))
    await listener.add_listener(CHANNEL, lambda *given: calls.append(str(given[-1])))
    app = town.api.app  # type: ignore[attr-defined]
    with capture_logs() as logged:
        async with post_office() as office, connected(app) as stranger, connected(app) as other:
            for socket, who in ((stranger, "jobcenter"), (other, "other_staff")):
                await socket.sign_in(town.token(who))
                await socket.watches(INBOX)
            more = await every_move(town, office)
            assert await stranger.silent()
            assert await other.silent()
            frames = [*stranger.frames, *other.frames]
    await listener.execute("SELECT 1")
    await listener.close()
    out, err = capfd.readouterr()
    tables = await dump(cluster.dsn(OWNER, database_name))

    mails = [f"{mail}\n{mail.get_content()}" for mail in office.mails]
    assert len(mails) > 12
    assert calls
    assert len(frames) == 2  # that they were let in, and no more
    kinds = {kind.value for _, kind in AFTER_MOVE.values()} | {kind.value for kind in BOOKING_TOLD.values()}
    assert {kind for kind in kinds if kind not in tables["notice"]} == set()
    leaves = {
        "mails": "\n".join(mails),
        "raw mails": b"\n".join(office.raw).decode(),
        "calls": "\n".join(calls),
        "frames": "\n".join(frames),
        "logs": json.dumps(logged, default=str, ensure_ascii=False),
        "logging": caplog.text,
        "output": out + err,
        "notices": tables["notice"],
        "jobs": await queued(cluster, database_name),
    }
    for where, what in leaves.items():
        for canary in (*CANARIES, *more):
            assert canary not in what, (where, canary)
            assert canary.encode().hex() not in what, (where, canary)
    # the one thing in a mail that opens a door is stored nowhere
    codes = {part.split("\n")[0] for mail in mails for part in mail.split("/answer/")[1:]}
    assert codes
    for code in codes:
        assert not [name for name, rows in tables.items() if code in rows]
        assert code not in leaves["logs"] + leaves["logging"] + leaves["output"]


async def queued(cluster: Access, database_name: str) -> str:
    owner = await asyncpg.connect(cluster.dsn(OWNER, database_name))
    try:
        return str(
            await owner.fetchval(
                "SELECT coalesce(string_agg("
                "q::text || coalesce(convert_from(q.payload, 'UTF8'), ''), ' '), '') FROM pgqueuer q"
            )
        )
    finally:
        await owner.close()
