"""Notices leave as mail: what was committed, at least once, to whom it concerns, about nobody."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from directory.actors import ANONYMOUS, SYSTEM, Actor
from directory.database import Database, Work
from directory.models import Partner, Service
from directory.values import ContactPoint
from directory.vocabulary import ContactKind
from graphapi import mail_texts
from graphapi.embedded import APP, OWNER, READER, Access
from graphapi.jobs import run_jobs
from graphapi.mailing import Mailer, answer_code
from referrals import answering, approvals, exchange, notices, outbox
from referrals.answer_links import LinkNote, look
from referrals.bookings import BookingGiven, confirm_booking, request_booking
from referrals.consent import consents
from referrals.moving import Moved
from referrals.notices import AFTER_MOVE, promise
from referrals.outbox import NoticeView, reference_of
from referrals.personal_data.keystore import KeyStore
from referrals.states import Move
from referrals.ticking import run_the_clock
from referrals.troubles import set_aside_now
from referrals.vocabulary import (
    Addressee,
    ApprovalMove,
    Channel,
    DeclineReason,
    EventActor,
    FeedbackAsked,
    NoticeKind,
    NoticeState,
    OutcomeCode,
    Reason,
)
from tests.conftest import TEMPLATE
from tests.graphapi.postoffice import PostOffice, post_office
from tests.referrals.desk import SOON, TODAY, Desk, accept, at
from tests.referrals.town import Organisation, Town, give_consent, make_town

SENDER_MAIL = "koordination@stadt.example.org"
SERVICE_MAIL = "kurs@traeger.example.org"


def mail_point(address: str) -> tuple[ContactPoint, ...]:
    return (ContactPoint(kind=ContactKind.EMAIL, value=address),)


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with post_office() as opened:
        yield opened


@pytest.fixture(scope="module")
def post_database_name(cluster: Access) -> Iterator[str]:
    """Name of the database of this module: whoever sends here sends everything that is due."""
    name = f"test_{uuid4().hex}"
    cluster.create_database(name, template=TEMPLATE)
    yield name
    cluster.drop_database(name)


@pytest.fixture(scope="module")
async def post_database(cluster: Access, post_database_name: str) -> AsyncIterator[Database]:
    opened = Database(cluster.dsn(APP, post_database_name), cluster.dsn(READER, post_database_name))
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture
async def town(cluster: Access, post_database_name: str, post_database: Database) -> Town:
    """A town with nothing in the outbox."""
    owner = await asyncpg.connect(cluster.dsn(OWNER, post_database_name))
    await owner.execute("TRUNCATE notice, clock_trouble, pgqueuer")
    await owner.close()
    made = await make_town(post_database)
    await change_partner(post_database, made.coordination.id, contact_points=mail_point(SENDER_MAIL))
    await change_service(post_database, made.provider.service, contact_points=mail_point(SERVICE_MAIL))
    return made


@pytest.fixture
def desk(post_database: Database, keys: KeyStore, town: Town) -> Desk:
    return Desk(post_database, keys, town)


async def change_partner(database: Database, partner_id: UUID, **values: object) -> None:
    async with database.work(SYSTEM) as work:
        await work.session.execute(update(Partner).where(Partner.id == partner_id).values(**values))


async def change_service(database: Database, service_id: UUID, **values: object) -> None:
    async with database.work(SYSTEM) as work:
        await work.session.execute(update(Service).where(Service.id == service_id).values(**values))


async def sent(desk: Desk, to: Organisation | None = None) -> Moved:
    return await desk.sent(await desk.client(), to or desk.town.provider)


async def notices_of(desk: Desk, actor: Actor, about: UUID) -> list[tuple[NoticeKind, NoticeState]]:
    async with desk.database.view(actor) as session:
        found = await outbox.notices_about(session, actor, [about])
    return [(one.kind, one.state) for one in found[about]]


async def not_arrived(desk: Desk, actor: Actor) -> tuple[NoticeView, ...]:
    async with desk.database.view(actor) as session:
        return await outbox.list_not_arrived(session, actor)


def later(desk: Desk, **passed: float) -> Any:
    moment = desk.database.clock() + timedelta(**passed)
    return at(desk.database, moment)


# --- Who is told what ---------------------------------------------------------------------------------------


async def test_a_recipient_is_told_that_a_referral_waits(desk: Desk, office: PostOffice) -> None:
    referral = await sent(desk)

    await office.deliver(desk.database)

    (mail,) = office.to(SERVICE_MAIL)
    assert mail["Subject"] == f"Eine Überleitung wartet auf Ihre Antwort ({reference_of(referral.id)})"
    assert mail["From"] == "netz@example.org"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(r"<[0-9a-f-]{36}@example\.org>", mail["Message-ID"])
    assert mail["Date"].datetime.utcoffset() == timedelta(0)
    assert mail.get_content_type() == "text/plain"
    body = mail.get_content()
    due = (await desk.view(desk.town.coordinator, referral.id)).answer_due_at
    assert due is not None
    assert "Coordination möchte eine Person an Sie vermitteln" in body
    assert f"Bitte bis: {due:%d.%m.%Y}" in body
    assert "https://netz.example.org/cases/" in body
    assert office.recipients == [[SERVICE_MAIL]]
    assert await notices_of(desk, desk.town.coordinator, referral.id) == [
        (NoticeKind.REFERRAL_WAITS, NoticeState.SENT)
    ]


def code_in(mail: EmailMessage) -> str:
    found = re.search(r"https://netz\.example\.org/answer/(\S+)", mail.get_content())
    assert found is not None
    return found[1]


async def test_the_link_to_answer_works_and_its_code_is_stored_nowhere(
    desk: Desk, office: PostOffice, owner_dump: Callable[[], Any]
) -> None:
    await sent(desk)
    await office.deliver(desk.database)

    code = code_in(office.to(SERVICE_MAIL)[0])
    async with desk.database.view(ANONYMOUS) as session:
        page = await look(session, code, desk.database.clock())
    assert Move.ACCEPT in page.allowed
    assert code not in await owner_dump()


async def test_a_sender_reads_the_same_after_every_answer(desk: Desk, office: PostOffice) -> None:
    """Whether accepted, declined or reported: who reads the mail learns only that there is news."""
    provider = desk.town.provider.member
    accepted = await desk.accepted(await desk.client(), desk.town.provider)
    declining = await sent(desk)
    await desk.as_(
        provider,
        lambda w: answering.decline(
            w, desk.keys, declining.id, declining.version, reason=DeclineReason.NO_CAPACITY
        ),
    )
    waiting = await sent(desk)
    await desk.as_(provider, lambda w: answering.waitlist(w, waiting.id, waiting.version, SOON))
    running = await desk.running(await desk.client(), desk.town.provider)
    reported = await desk.as_(
        provider,
        lambda w: answering.report_outcome(
            w, running.id, running.version, outcome=OutcomeCode.NEED_MET, outcome_on=TODAY
        ),
    )

    await office.deliver(desk.database)

    told = office.to(SENDER_MAIL)
    said = {
        re.sub(r"[0-9A-Z]{4}-[0-9A-Z]{4}|cases/\S+", "…", f"{mail['Subject']}\n{mail.get_content()}")
        for mail in told
    }
    assert len(said) == 1
    # accepted, declined, waiting, accepted and reported: five answers
    assert len(told) == 5
    assert {accepted.id, declining.id, waiting.id, reported.id}


@pytest.mark.parametrize("move", [Move.START, Move.HOLD, Move.RESUME, Move.ACKNOWLEDGE])
def test_what_happens_between_a_person_and_a_partner_is_told_to_nobody(move: Move) -> None:
    assert not [kind for (made, _), kind in AFTER_MOVE.items() if made is move]


def test_every_answer_of_a_recipient_is_told_in_the_same_words() -> None:
    """DESIGN section 6: without REPORT_BACK no outcome reaches the sender by any path, mails included."""
    kinds = {
        kind
        for (move, party), (whom, kind) in AFTER_MOVE.items()
        if whom is EventActor.SENDER and move is not Move.ASK
    }

    assert kinds == {NoticeKind.NEWS}


async def test_nobody_is_told_what_they_recorded_themselves(desk: Desk, office: PostOffice) -> None:
    from referrals.moving import Answered
    from referrals.vocabulary import AnswerSource

    referral = await sent(desk)
    phoned = Answered(source=AnswerSource.PHONE, on=TODAY)
    await desk.as_(desk.town.coordinator, lambda w: accept(w, referral, answered=phoned))
    await office.deliver(desk.database)

    assert office.to(SENDER_MAIL) == []


async def test_questions_and_answers_go_to_the_other_side(desk: Desk, office: PostOffice) -> None:
    referral = await sent(desk)
    asked = await desk.as_(
        desk.town.provider.member,
        lambda w: answering.ask(w, desk.keys, referral.id, referral.version, "Wann?"),
    )
    await office.deliver(desk.database)
    await desk.as_(
        desk.town.coordinator, lambda w: exchange.reply(w, desk.keys, asked.id, asked.version, "Morgen.")
    )
    await office.deliver(desk.database)

    assert "Rückfrage" in office.to(SENDER_MAIL)[0]["Subject"]
    assert "Ihre Rückfrage" in office.to(SERVICE_MAIL)[-1]["Subject"]
    assert not any("Wann?" in mail.get_content() or "Morgen." in mail.get_content() for mail in office.mails)


async def test_bookings_and_requests_for_four_eyes_are_told(desk: Desk, office: PostOffice) -> None:
    from directory.values import InterpretedLanguage, InterpretingFacts
    from directory.vocabulary import InterpretingMode

    town = desk.town
    await change_service(
        desk.database,
        town.provider.service,
        interpreting=InterpretingFacts(
            languages=(InterpretedLanguage(language="ti"),), modes=(InterpretingMode.PHONE,)
        ),
    )
    async with desk.database.work(town.coordinator) as work:
        booking = await request_booking(
            work,
            desk.keys,
            BookingGiven(
                service_id=town.provider.service,
                language="ti",
                mode=InterpretingMode.PHONE,
                starts_at=work.now + timedelta(days=2),
                minutes=60,
            ),
        )
    await office.deliver(desk.database)
    async with desk.database.work(town.provider.member) as work:
        await confirm_booking(work, booking.id, booking.version)
    reported = await closed(desk)
    async with desk.database.work(town.coordinator) as work:
        await approvals.request_approval(
            work, reported.id, reported.version, ApprovalMove.REOPEN, Reason.NOT_FINISHED
        )
    await office.deliver(desk.database)

    assert any("Sprachmittlung angefragt" in mail["Subject"] for mail in office.to(SERVICE_MAIL))
    subjects = [mail["Subject"] for mail in office.to(SENDER_MAIL)]
    assert any("Sprachmittlung bestätigt" in subject for subject in subjects)
    assert any("Vier-Augen-Prinzip" in subject for subject in subjects)


async def closed(desk: Desk) -> Moved:
    running = await desk.running(await desk.client(), desk.town.provider)
    reported = await desk.as_(
        desk.town.provider.member,
        lambda w: answering.report_outcome(
            w, running.id, running.version, outcome=OutcomeCode.NEED_MET, outcome_on=TODAY
        ),
    )
    return await desk.as_(
        desk.town.coordinator,
        lambda w: exchange.close(w, reported.id, reported.version, FeedbackAsked.ANSWERED),
    )


# --- Committed, and nothing else ----------------------------------------------------------------------------


async def test_what_did_not_commit_is_never_sent(desk: Desk, office: PostOffice) -> None:
    client_id = await desk.client()
    drafted = await desk.draft(client_id, desk.town.provider)
    consent_id = await give_consent(
        desk.database, desk.keys, desk.town.coordinator, client_id, desk.town.provider.id
    )
    with pytest.raises(RuntimeError, match="changed my mind"):
        async with desk.database.work(desk.town.coordinator) as work:
            await exchange.send(work, desk.keys, drafted.id, drafted.version, consent_id=consent_id)
            await work.finish()
            raise RuntimeError("changed my mind")

    await office.deliver(desk.database)

    assert office.raw == []
    assert await count(desk, "SELECT count(*) FROM notice") == 0
    assert await count(desk, "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'send_notices'") == 0


async def count(desk: Desk, statement: str) -> int:
    async with desk.database.view(SYSTEM) as session:
        return int(await session.scalar(text(statement)) or 0)


async def test_the_same_is_promised_once(desk: Desk, office: PostOffice) -> None:
    referral = await sent(desk)
    await office.deliver(desk.database)
    for _ in range(2):
        async with desk.database.work(SYSTEM) as work:
            made = [
                await promise(
                    work, NoticeKind.ANSWER_DUE_HALF, desk.town.provider.id, about=referral.id, dedupe=day
                )
                for day in ("2026-03-02", "2026-03-02", "2026-03-03")
            ]
    assert made == [None, None, None]

    await office.deliver(desk.database)

    assert len([m for m in office.to(SERVICE_MAIL) if m["Subject"].startswith("Erinnerung")]) == 2


async def test_a_withdrawal_cancels_what_is_pending_and_asks_for_the_data(
    desk: Desk, office: PostOffice
) -> None:
    referral = await sent(desk)
    consent_id = (await desk.view(desk.town.coordinator, referral.id)).consent_id
    assert consent_id is not None
    async with desk.database.work(desk.town.coordinator) as work:
        await consents.withdraw_consent(work, consent_id=consent_id, channel=Channel.PHONE)

    await office.deliver(desk.database)

    assert await notices_of(desk, desk.town.coordinator, referral.id) == [
        (NoticeKind.REFERRAL_WAITS, NoticeState.CANCELLED),
        (NoticeKind.CONSENT_ENDED, NoticeState.SENT),
    ]
    (mail,) = office.to(SERVICE_MAIL)
    assert "Bitte antworten: Daten zu einer Überleitung" in mail["Subject"]
    assert await offered(desk, mail) == {LinkNote.REVOCATION_ANSWERED}


async def offered(desk: Desk, mail: EmailMessage) -> set[str]:
    """What the link in a mail lets somebody answer who never signs in."""
    async with desk.database.view(ANONYMOUS) as session:
        page = await look(session, code_in(mail), desk.database.clock())
    return {*page.allowed, *page.notable}


@pytest.mark.parametrize(
    ("stage", "days", "subject", "answer"),
    [
        ("waitlisted", 29, "Warteliste: Gibt es einen Platz?", LinkNote.WAITLIST_UPDATED),
        ("accepted", 15, "Kam der erste Kontakt zustande?", Move.START),
        ("running", 91, "Läuft es noch?", LinkNote.SIGN_OF_LIFE),
        ("running", 91, "Läuft es noch?", Move.REPORT_OUTCOME),
    ],
)
async def test_a_reminder_carries_a_link_with_which_it_can_be_answered(
    desk: Desk, office: PostOffice, stage: str, days: int, subject: str, answer: str
) -> None:
    town = desk.town
    if stage == "waitlisted":
        one = await sent(desk)
        await desk.as_(town.provider.member, lambda w: answering.waitlist(w, one.id, one.version, TODAY))
    else:
        one = await getattr(desk, stage)(await desk.client(), town.provider)

    async with at(desk.database, desk.database.clock() + timedelta(days=days)):
        await run_the_clock(desk.database)
        await office.deliver(desk.database)
        wanted = f"{subject} ({reference_of(one.id)})"
        (mail,) = [mail for mail in office.mails if mail["Subject"] == wanted]
        assert answer in await offered(desk, mail)


async def test_what_nobody_needs_any_more_is_not_sent(desk: Desk, office: PostOffice) -> None:
    referral = await sent(desk)
    await desk.as_(
        desk.town.provider.member, lambda w: answering.acknowledge(w, referral.id, referral.version)
    )

    await office.deliver(desk.database)

    assert office.raw == []
    assert await notices_of(desk, desk.town.coordinator, referral.id) == [
        (NoticeKind.REFERRAL_WAITS, NoticeState.CANCELLED)
    ]


async def test_a_notice_is_cancelled_when_the_consent_ran_out_before_it_was_sent(
    desk: Desk, office: PostOffice
) -> None:
    referral = await sent(desk)
    async with later(desk, days=366):
        await office.deliver(desk.database)

        assert office.to(SERVICE_MAIL) == []
        assert (NoticeKind.REFERRAL_WAITS, NoticeState.CANCELLED) in await notices_of(
            desk, desk.town.coordinator, referral.id
        )


# --- Where it goes ------------------------------------------------------------------------------------------


async def test_without_an_address_the_sender_sees_that_it_has_to_phone(
    desk: Desk, office: PostOffice
) -> None:
    referral = await sent(desk, desk.town.business)

    await office.deliver(desk.database)

    (seen,) = await not_arrived(desk, desk.town.coordinator)
    assert (seen.about_id, seen.state, seen.kind) == (
        referral.id,
        NoticeState.UNDELIVERABLE,
        NoticeKind.REFERRAL_WAITS,
    )
    for stranger in (desk.town.provider.member, desk.town.jobcenter.member, desk.town.business.member):
        assert await not_arrived(desk, stranger) == ()


async def test_the_partners_address_serves_when_the_service_has_none(desk: Desk, office: PostOffice) -> None:
    await change_partner(
        desk.database, desk.town.business.id, contact_points=mail_point("Büro@example.org".lower())
    )
    await change_partner(desk.database, desk.town.school.id, contact_points=mail_point("amt@cottbus.example"))
    await sent(desk, desk.town.school)

    await office.deliver(desk.database)

    assert len(office.to("amt@cottbus.example")) == 1


async def test_a_superior_is_found_in_a_free_text_and_gets_no_link_to_answer(
    desk: Desk, office: PostOffice
) -> None:
    await change_partner(
        desk.database,
        desk.town.provider.id,
        superior_contact="Leitung: Frau Muster, Tel. 0355 1234 (leitung@traeger.example.org).",
    )
    referral = await sent(desk)
    async with desk.database.work(SYSTEM) as work:
        await promise(
            work,
            NoticeKind.ANSWER_OVERDUE,
            desk.town.provider.id,
            about=referral.id,
            addressee=Addressee.SUPERIOR,
        )
    await office.deliver(desk.database)

    (mail,) = office.to("leitung@traeger.example.org")
    assert "als vorgesetzte Stelle" in mail.get_content()
    assert "/answer/" not in mail.get_content()


async def test_a_notice_that_cannot_be_written_stops_no_other(desk: Desk, office: PostOffice) -> None:
    bad, good = await sent(desk), await sent(desk)

    async def code_for(work: Work, referral_id: UUID) -> str | None:
        if referral_id == bad.id:
            raise LookupError("Kanarienvogelsang")
        return await answer_code(work, referral_id)

    with capture_logs() as logged:
        tally = await Mailer(desk.database, office.mail, code_for).send_due()

    assert (tally.sent, tally.put_off) == (1, 1)
    (mail,) = office.mails
    assert reference_of(good.id) in mail["Subject"]
    (said,) = [line for line in logged if line["event"] == "a notice cannot be sent"]
    assert (said["error"], "Kanarienvogelsang" in repr(logged)) == ("LookupError", False)
    async with later(desk, days=1):
        assert (await Mailer(desk.database, office.mail, answer_code).send_due()).sent == 1


@pytest.mark.parametrize(
    ("broken", "mended", "error"),
    [
        # the database cannot count the attempt that is made
        (
            "UPDATE notice SET attempts = 2147483647 WHERE about_id = :id",
            "UPDATE notice SET attempts = 0 WHERE about_id = :id",
            "DBAPIError 22003",
        ),
        # what stands there is no word of this release
        (
            "UPDATE referral SET priority = 'Kanarienvogelsang' WHERE id = :id",
            "UPDATE referral SET priority = 'NORMAL' WHERE id = :id",
            "ValueError",
        ),
    ],
    ids=["the notice", "its referral"],
)
@pytest.mark.parametrize("batch", [1, 2, 50])
async def test_a_notice_that_cannot_be_read_is_set_aside_and_sent_when_it_can(
    desk: Desk, office: PostOffice, broken: str, mended: str, error: str, batch: int
) -> None:
    bad = await sent(desk)
    good = {reference_of((await sent(desk)).id) for _ in range(3)}

    async def make(statement: str) -> None:
        async with desk.database.work(SYSTEM) as work:
            assert (await work.session.execute(text(statement), {"id": bad.id})).rowcount == 1  # type: ignore[attr-defined]

    async def sending() -> tuple[int, int, int]:
        tally = await Mailer(desk.database, office.mail, batch=batch).send_due()
        async with desk.database.view(SYSTEM) as session:
            return tally.sent, tally.set_aside, (await set_aside_now(session)).rows

    await make(broken)
    with capture_logs() as logged:
        assert await sending() == (3, 1, 1)
        assert await sending() == (0, 0, 1), "it has its pause"
        async with later(desk, minutes=2):
            assert await sending() == (0, 0, 1)
    assert {reference for mail in office.mails for reference in good if reference in mail["Subject"]} == good
    said = [line for line in logged if line["event"] in {"set aside", "still set aside"}]
    async with desk.database.view(SYSTEM) as session:
        (notice,) = await session.scalars(text("SELECT id FROM notice WHERE about_id = :id"), {"id": bad.id})
    assert [(line["task"], line["about"], line["error"]) for line in said] == [
        ("NOTICE", str(notice), error)
    ] * 2
    assert "Kanarienvogelsang" not in repr(logged)

    await make(mended)
    async with later(desk, minutes=10):
        assert await sending() == (1, 0, 0)
    assert reference_of(bad.id) in office.mails[-1]["Subject"]


async def test_what_was_set_aside_and_is_not_due_any_more_is_forgotten(
    desk: Desk, office: PostOffice
) -> None:
    referral = await sent(desk)
    async with desk.database.work(SYSTEM) as work:
        await work.session.execute(
            text("UPDATE referral SET priority = 'NONSENSE' WHERE id = :id"), {"id": referral.id}
        )
    assert (await Mailer(desk.database, office.mail).send_due()).set_aside == 1
    async with desk.database.work(SYSTEM) as work:
        await work.session.execute(
            text("UPDATE notice SET state = 'CANCELLED', next_try_at = NULL WHERE about_id = :id"),
            {"id": referral.id},
        )
    async with later(desk, minutes=2):
        assert (await Mailer(desk.database, office.mail).send_due()).sent == 0
    async with desk.database.view(SYSTEM) as session:
        assert (await set_aside_now(session)).rows == 0
    assert office.mails == []


async def test_a_partner_is_written_to_in_its_language(desk: Desk, office: PostOffice) -> None:
    await change_partner(desk.database, desk.town.provider.id, correspondence_language="en-GB")
    await sent(desk)
    await office.deliver(desk.database)

    (mail,) = office.to(SERVICE_MAIL)
    assert mail["Subject"].startswith("A referral waits for your answer")
    assert mail["Content-Language"] == "en"


async def test_a_host_with_umlauts_is_written_as_mail_servers_understand_it(
    desk: Desk, office: PostOffice
) -> None:
    await change_service(
        desk.database, desk.town.provider.service, contact_points=mail_point("info@bücher.example")
    )
    await sent(desk)
    await office.deliver(desk.database)

    assert office.recipients == [["info@xn--bcher-kva.example"]]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (
            "Träger\r\nBcc: spion@example.org\r\n\r\nGeben Sie Ihr Passwort ein",
            "Träger Bcc: spion@example.org",
        ),
        ("جمعية الصداقة", "جمعية الصداقة"),
        ("Büro {due} {0.__class__} %s", "Büro {due} {0.__class__} %s"),
        ("A" * 300, "A" * 200 + " m"),
    ],
    ids=["lines", "arabic", "braces", "long"],
)
async def test_a_name_makes_neither_headers_nor_lines(
    desk: Desk, office: PostOffice, name: str, shown: str
) -> None:
    await change_partner(desk.database, desk.town.coordination.id, name=name)
    await sent(desk)
    await office.deliver(desk.database)

    (mail,) = office.mails
    assert office.recipients == [[SERVICE_MAIL]]
    assert mail["Bcc"] is None
    (line,) = [line for line in mail.get_content().splitlines() if "möchte eine Person" in line]
    assert line.startswith(shown)
    assert set(mail.keys()) <= {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"),
        *("Content-Language", "Content-Type", "Content-Transfer-Encoding", "MIME-Version", "X-Peer"),
        *("X-MailFrom", "X-RcptTo"),
    }


# --- Faults -------------------------------------------------------------------------------------------------


async def test_nothing_is_lost_while_the_mail_server_is_down(desk: Desk, office: PostOffice) -> None:
    await office.close()
    referrals = [await sent(desk) for _ in range(3)]
    for passed in (0, 2, 10, 40):
        async with later(desk, minutes=passed):
            tally = await office.deliver(desk.database)
        assert tally.put_off == 3
    await office.open()
    async with later(desk, hours=2):
        await office.deliver(desk.database)

    assert len(office.to(SERVICE_MAIL)) == 3
    for referral in referrals:
        assert await notices_of(desk, desk.town.coordinator, referral.id) == [
            (NoticeKind.REFERRAL_WAITS, NoticeState.SENT)
        ]


async def test_a_refusal_for_good_is_seen_by_who_waits_and_not_tried_again(
    desk: Desk, office: PostOffice
) -> None:
    office.answers[SERVICE_MAIL] = "550 no such user"
    await sent(desk)
    tally = await office.deliver(desk.database)
    async with later(desk, days=2):
        again = await office.deliver(desk.database)

    assert (tally.bounced, again.bounced, again.sent) == (1, 0, 0)
    assert [one.state for one in await not_arrived(desk, desk.town.coordinator)] == [NoticeState.BOUNCED]


async def test_a_refusal_for_now_is_tried_again_with_growing_pauses(desk: Desk, office: PostOffice) -> None:
    office.answers[SERVICE_MAIL] = "450 greylisted"
    await sent(desk)
    tries = []
    for minutes in (0, 0.5, 1.5, 5, 7, 20, 23, 80, 84, 320):
        async with later(desk, minutes=minutes):
            if (await office.deliver(desk.database)).put_off:
                tries.append(minutes)
    assert tries == [0, 1.5, 7, 23, 84]  # after 1, 5, 15, 60 minutes
    del office.answers[SERVICE_MAIL]
    async with later(desk, hours=6):
        await office.deliver(desk.database)

    assert len(office.to(SERVICE_MAIL)) == 1


async def test_a_server_that_refuses_for_now_for_days_has_refused(desk: Desk, office: PostOffice) -> None:
    office.answers[SERVICE_MAIL] = "450 later"
    await sent(desk)
    async with later(desk, days=6):
        assert (await office.deliver(desk.database)).bounced == 1


async def test_one_refused_mail_does_not_stop_the_others(desk: Desk, office: PostOffice) -> None:
    await change_service(
        desk.database, desk.town.business.service, contact_points=mail_point("weg@example.org")
    )
    office.answers["weg@example.org"] = "550 gone"
    await sent(desk, desk.town.business)
    await sent(desk)
    tally = await office.deliver(desk.database)

    assert (tally.bounced, tally.sent) == (1, 1)


async def test_what_was_taken_when_the_process_died_is_sent_again_under_the_same_id(
    desk: Desk, office: PostOffice
) -> None:
    referral = await sent(desk)
    office.wait_before_answering = asyncio.Event()
    dying = asyncio.create_task(office.deliver(desk.database))
    await asyncio.wait_for(office.taken.wait(), 60)
    dying.cancel()  # the server has the mail; that it has is never written down
    with pytest.raises(asyncio.CancelledError):
        await dying
    office.wait_before_answering.set()
    assert await notices_of(desk, desk.town.coordinator, referral.id) == [
        (NoticeKind.REFERRAL_WAITS, NoticeState.PENDING)
    ]
    assert (await office.deliver(desk.database)).sent == 0  # still claimed by who died

    async with later(desk, minutes=11):
        assert (await office.deliver(desk.database)).sent == 1

    first, second = office.to(SERVICE_MAIL)
    assert first["Message-ID"] == second["Message-ID"]
    # a mailbox may drop the second as a double: the link in the first one is the same, and lives
    assert code_in(first) == code_in(second)
    async with desk.database.view(ANONYMOUS) as session:
        page = await look(session, code_in(first), desk.database.clock())
    assert page.sender == "coordination"
    assert await notices_of(desk, desk.town.coordinator, referral.id) == [
        (NoticeKind.REFERRAL_WAITS, NoticeState.SENT)
    ]


async def test_several_processes_send_each_notice_once(desk: Desk, office: PostOffice) -> None:
    referral = await sent(desk)
    async with desk.database.work(SYSTEM) as work:
        await notices.promise_all(
            work,
            [
                notices.Promise(
                    kind=NoticeKind.ANSWER_DUE_HALF,
                    to=desk.town.provider.id,
                    about=referral.id,
                    dedupe=str(number),
                )
                for number in range(40)
            ],
        )
    mailers = [Mailer(desk.database, office.mail, batch=7) for _ in range(4)]
    tallies = await asyncio.gather(*(mailer.send_due() for mailer in mailers))

    assert sum(tally.sent for tally in tallies) == 41
    ids = [mail["Message-ID"] for mail in office.mails]
    assert len(ids) == len(set(ids)) == 41


async def test_without_mail_every_notice_says_so(desk: Desk) -> None:
    referral = await sent(desk)
    tally = await Mailer(desk.database, None).send_due()

    assert tally.without_mail == 1
    assert await notices_of(desk, desk.town.coordinator, referral.id) == [
        (NoticeKind.REFERRAL_WAITS, NoticeState.NOT_SENT_NO_MAIL)
    ]
    assert len(await not_arrived(desk, desk.town.coordinator)) == 1


async def test_the_jobs_process_sends_what_was_promised(
    desk: Desk, office: PostOffice, cluster: Access, post_database_name: str
) -> None:
    stop = asyncio.Event()
    app, reader = (cluster.dsn(role, post_database_name) for role in (APP, READER))
    own = KeyStore(desk.keys.master, desk.keys._url)  # the jobs close theirs when they end
    running = asyncio.create_task(run_jobs(app, reader, stop, keys=own, mail=office.mail))
    try:
        await sent(desk)
        await asyncio.wait_for(office.taken.wait(), 60)
    finally:
        stop.set()
        await asyncio.wait_for(running, 60)

    assert len(office.to(SERVICE_MAIL)) == 1


# --- Who may see, promise and cancel ------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["lead", "jobcenter", "business"])
async def test_others_neither_see_nor_change_a_notice(desk: Desk, who: str) -> None:
    found = getattr(desk.town, who)
    actor: Actor = found if isinstance(found, Actor) else found.member
    drafted = await desk.draft(await desk.client(), desk.town.provider)
    referral = await sent(desk)
    async with desk.database.work(SYSTEM) as work:
        await promise(work, NoticeKind.DRAFT_IDLE, desk.town.coordination.id, about=drafted.id)
    if actor.partner_id == desk.town.coordination.id:
        assert len(await notices_of(desk, actor, referral.id)) == 1
        return

    assert await notices_of(desk, actor, referral.id) == []
    async with desk.database.work(actor) as work:
        await notices.cancel(work, [referral.id, drafted.id])
    assert await count(desk, "SELECT count(*) FROM notice WHERE state = 'PENDING'") == 2
    with pytest.raises(DBAPIError, match="row-level security"):
        async with desk.database.work(actor) as work:
            await promise(work, NoticeKind.NEWS, desk.town.provider.id, about=referral.id)


async def test_a_member_cannot_say_that_a_notice_was_sent(desk: Desk) -> None:
    referral = await sent(desk)
    with pytest.raises(DBAPIError, match="row-level security"):
        async with desk.database.work(desk.town.coordinator) as work:
            await work.session.execute(
                text("UPDATE notice SET state = 'SENT' WHERE about_id = :id"), {"id": referral.id}
            )


async def test_a_notice_goes_only_to_who_has_a_part_in_what_it_is_about(desk: Desk) -> None:
    referral = await sent(desk)
    with pytest.raises(DBAPIError, match="row-level security"):
        async with desk.database.work(desk.town.coordinator) as work:
            await promise(work, NoticeKind.NEWS, desk.town.business.id, about=referral.id)


# --- Texts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", list(mail_texts.TEXTS))
@pytest.mark.parametrize("kind", [kind for kind in NoticeKind if kind not in mail_texts.MEMBER_TEXTS["de"]])
def test_every_kind_has_its_text_in_every_language(kind: NoticeKind, language: str) -> None:
    written = mail_texts.write(
        kind,
        language,
        reference="28T5-CY4T",
        asking="Träger A",
        due=date(2026, 3, 9),
        link="https://example.org/cases/1",
    )

    assert "28T5-CY4T" in written.subject
    assert len(written.subject) <= 78
    assert "{" not in written.subject + written.body
    assert "https://example.org/cases/1" in written.body
    assert ("09.03.2026" if language == "de" else "9 March 2026") in written.body


def test_no_two_kinds_share_a_subject() -> None:
    for language, texts in mail_texts.TEXTS.items():
        every = {**texts, **mail_texts.MEMBER_TEXTS[language]}
        assert len({one.subject for one in every.values()}) == len(every) == len(NoticeKind)


def test_the_languages_are_complete() -> None:
    assert mail_texts.TEXTS.keys() == mail_texts.FRAMES.keys() >= {"de", "en"}


def test_what_a_notice_about_a_referral_needs_is_a_state_of_it() -> None:
    told = {kind for _, kind in AFTER_MOVE.values()}

    assert told - outbox.NEEDED_IN.keys() == {NoticeKind.NEWS}  # news stays news


def test_references_are_short_and_differ() -> None:
    references = {reference_of(uuid4()) for _ in range(2_000)}

    assert len(references) == 2_000
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", one) for one in references)


@pytest.fixture
def owner_dump(cluster: Access, post_database_name: str) -> Callable[[], Any]:
    """Every table as one text, looking past row-level security."""
    from tests.graphapi.test_canary import dump

    async def read() -> str:
        tables = await dump(cluster.dsn(OWNER, post_database_name))
        return "\n".join(tables.values())

    return read
