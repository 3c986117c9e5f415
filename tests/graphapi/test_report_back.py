"""What a person keeps from the sender reaches it on no path: two courses at the recipient look the same.

An experiment: the same visible events at the same moments (on a clock of its own), between them a course
that the sender may not know of, or none. Then everything that the sender's side can get is collected: every
query with every field, lists by every filter, exports, calendar, notices, mails, the problems of every
mutation, the person's card (whose code the sender has printed). Both collections must be equal.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import update

from directory.actors import SYSTEM
from directory.database import Database
from directory.days import ZONE
from directory.models import Partner
from directory.values import ContactPoint
from directory.vocabulary import ContactKind
from graphapi.app import application
from graphapi.context import Services
from graphapi.embedded import APP, READER, Access
from graphapi.limits import Limits
from referrals.person import follow_ups
from referrals.personal_data.keystore import KeyStore
from referrals.ticking import run_the_clock
from tests.conftest import TEMPLATE
from tests.graphapi.asking import Api
from tests.graphapi.exchanging import CATEGORIES, RECORD, Town, make_town
from tests.graphapi.observing import (
    Comparable,
    differences,
    question,
    root_fields,
    subscription_fields,
    variables,
)
from tests.graphapi.postoffice import PostOffice, post_office
from tests.graphapi.test_subscriptions import living
from tests.graphapi.watcher import INBOX, Socket, connected

OPEN = Limits(
    wrong_codes=1_000_000,
    presented_codes=1_000_000,
    wrong_codes_in_total=1_000_000,
    document_bytes=10_000_000,
    body_bytes=20_000_000,
    tokens=10_000_000,
    depth=60,
    aliases=100_000,
    root_fields=10_000,
    repetitions=1_000_000,
    cost=10**12,
)
"""Nobody may ask so much at once; together it asks what many operations ask."""

BEGIN = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=3)
"""After the real time, so that what the database dates by itself lies before it."""
OFFICE = "koordination@example.org"
THEIRS = "traeger@example.org"


class Clock:
    """The clock of the experiment."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def at(self, days: float) -> None:
        """Go to so many days after the beginning."""
        self.now = BEGIN + timedelta(days=days)

    def day(self, days: int = 0) -> str:
        """Return the day so many days from now."""
        return (self.now.astimezone(ZONE).date() + timedelta(days=days)).isoformat()


@dataclass
class Laboratory:
    """A database, an application and a post office on the experiment's clock."""

    database: Database
    app: Litestar
    api: Api
    clock: Clock
    office: PostOffice
    stay_signed_in: Callable[[], object]
    """Courses take longer than a token lives; signing in again is not what they are about."""


@pytest.fixture(scope="module")
def database_name(cluster: Access) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    cluster.create_database(name, template=TEMPLATE)
    yield name
    cluster.drop_database(name)


@pytest.fixture(scope="module")
async def laboratory(cluster: Access, database_name: str, keys: KeyStore) -> AsyncIterator[Laboratory]:
    clock = Clock()
    database = Database(
        cluster.dsn(APP, database_name), cluster.dsn(READER, database_name), clock=clock, pool_size=10
    )
    app = application(Services(database=database, limits=OPEN, keys=keys))
    async with (
        living(app),
        post_office() as office,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http,  # type: ignore[arg-type]
    ):
        await app.state.watchers.listening.wait()
        longer = "UPDATE access_token SET expires_at = expires_at + interval '2 years'"
        yield Laboratory(
            database,
            app,
            Api(http),
            clock,
            office,
            lambda: cluster.run_sql(longer, database=database_name),
        )


# --- What the recipient does --------------------------------------------------------------------------------

Step = Callable[["Run"], Awaitable[None]]


@dataclass
class Run:
    """One course, and what the sender's side has got of it so far."""

    laboratory: Laboratory
    town: Town
    client: Any
    same: Comparable
    card: str = ""
    consent: str = ""
    link: str = ""
    service: str = ""
    referral: str = ""
    appointment: str = ""
    collected: dict[str, Any] = field(default_factory=dict)

    @property
    def clock(self) -> Clock:
        return self.laboratory.clock

    async def version(self, who: str) -> int:
        found = await self.town.ask(
            "query($id: ID!) { referral(id: $id) { version } }", {"id": self.referral}, who=who
        )
        version: int = found.data["referral"]["version"]
        return version

    async def does(self, who: str, move: str, **given: Any) -> Any:
        """Make a move in the version that this side reads."""
        version = await self.version(who)
        return await self.town.done(who, move, id=self.referral, expectedVersion=version, **given)


def staff(move: str, **given: Any) -> Step:
    """The recipient makes a move; what is callable is worked out when it is made."""

    async def step(run: Run) -> None:
        worked_out = {name: value(run) if callable(value) else value for name, value in given.items()}
        await run.does("staff", move, **worked_out)

    return step


async def sets_appointment(run: Run) -> None:
    at = (run.clock.now + timedelta(days=1)).isoformat()
    await run.does("staff", "setAppointment", startsAt=at, place="Haus 7", note="Bitte klingeln")
    query = "query($id: ID!) { referral(id: $id) { appointments { id } } }"
    found = await run.town.ask(query, {"id": run.referral}, who="staff")
    run.appointment = found.data["referral"]["appointments"][-1]["id"]


async def takes_over(run: Run) -> None:
    await run.town.done("staff", "takeOverClient", id=run.referral)


async def reassigns(run: Run) -> None:
    items = [{"id": run.referral, "expectedVersion": await run.version("staff")}]
    mine = await run.town.ask("{ me { member { id } } }", who="staff")
    await run.town.done(
        "staff", "reassignReferrals", items=items, responsibleId=mine.data["me"]["member"]["id"]
    )


def today(run: Run) -> str:
    return run.clock.day()


def in_days(number: int) -> Callable[[Run], str]:
    return lambda run: run.clock.day(number)


def appointment(run: Run) -> str:
    return run.appointment


BEGINS = staff("startReferral", firstContactMadeOn=today)
PAUSES = staff("holdReferral", reason="PERSON_ILL", resumeOn=in_days(3))
RESUMES = staff("resumeReferral")
NO_SHOW = staff("noteNoShow", on=today)
MISSED = staff("noteNoShow", on=today, appointmentId=appointment)
INTERIM = staff("reportInterim", result="GOOD_PROGRESS", on=today)
SIGN = staff("giveSignOfLife")


def reports(outcome: str) -> Step:
    return staff("reportOutcome", outcome=outcome, outcomeOn=today, reason="NO_PLACE")


@dataclass(frozen=True)
class Course:
    """What happens, by day after the acceptance; ``end`` is the visible one, on the day ``ends``."""

    name: str
    steps: Sequence[tuple[float, Step]] = ()
    end: Step | None = None
    ends: float = 9.0


# --- What the sender's side can get -------------------------------------------------------------------------

LEAN = {
    "services": "totalCount nodes { id version updatedAt capacity { state places } }",
    "node": "__typename id ... on Referral { version state updatedAt }",
    "sentReferrals": """totalCount pageInfo { startCursor endCursor }
      nodes { id version state stateSince outcome updatedAt overdue unread allowedMoves recordableMoves }""",
}
"""Asked many times; everything of a referral is asked by ``referral``."""

NOT_ASKED = {
    "topics": "the public vocabulary",
    "occupations": "the public vocabulary",
    "municipalities": "public",
    "partners": "public entries; partner asks for the recipient's, with what its own members see",
    "members": "accounts of the own organisation",
    "entriesDue": "entries of the directory and when they were last confirmed; no referral stands behind it",
    "searchServices": "the public documents, as services shows them",
    **dict.fromkeys(("suggest", "matchServices"), "the public documents, as services shows them"),
    "matchWeights": "public",
    **dict.fromkeys(("savedSearches", "mailbox"), "what a member keeps for themselves, of public documents"),
    "upkeepPage": "a partner's published entries; no referral stands behind its link",
    "mailboxPage": "whether a member's address wants mail",
    "unmetSearches": "counts of searches; search knows no referral",
    **dict.fromkeys(
        (
            "entryHistory",
            "entryVersion",
            "entryEnded",
            "possibleDuplicates",
            "duplicatePairs",
            "staleTranslations",
        ),
        "what entries of the directory are and were; a referral takes or gives back a place openly only",
    ),
    "eligibilityPreview": "rules as they are given, for profiles as they are given",
    "booking": "asked as node; interpreters are no part of a referral",
}


STATES = ("ACCEPTED", "IN_PROGRESS", "ON_HOLD", "OUTCOME_REPORTED", "CLOSED", "DECLINED", "CONSENT_REVOKED")
PERIOD = "(period: {from: $since_DateTime, to: $until_DateTime})"
QUESTIONS: dict[str, Sequence[str]] = {
    "node": ["(id: $referral_ID)"],
    "partner": ["(id: $recipient_ID)"],
    "service": ["(id: $service_ID)"],
    "services": ["(filter: {topics: [$topic_String]})"],
    "me": [""],
    "client": ["(id: $client_ID)"],
    "clients": ["", "(filter: {need: $topic_String})"],
    "clientPhaseCounts": [""],
    "consent": ["(id: $consent_ID)"],
    "renewalsDue": [""],
    "referralRequirements": ["(clientId: $client_ID, serviceId: $service_ID, categories: [IDENTITY])"],
    "referral": ["(id: $referral_ID)"],
    "inbox": [""],
    "sentReferrals": [
        "",
        *(f"(filter: {{states: [{state}]}})" for state in STATES),
        "(filter: {overdue: true})",
        "(filter: {overdue: false}, first: 1)",
        "(filter: {dueBefore: $until_DateTime})",
        "(filter: {clientId: $client_ID, serviceId: $service_ID})",
    ],
    "waitingList": ["(serviceId: $service_ID)"],
    "appointments": [PERIOD],
    "appointmentCalendar": [PERIOD],
    "bookings": ["", "(received: true)"],
    "approvals": [""],
    "noticesNotArrived": [""],
    "consentNotice": ['(recipientIds: [$recipient_ID], purposes: [{purpose: REPORT_BACK}], language: "de")'],
    "section87Notice": ['(language: "de", serviceId: $service_ID)'],
    "revocationsUnanswered": [""],
    "answerPage": ["(code: $link_String)"],
    "changeRequests": ["", "(state: ACCEPTED)"],
    "structuralGaps": ["(since: $since_DateTime)"],
    "referralTimes": ["(since: $since_DateTime)"],
    "codeCard": ['(code: $card_String, language: "de")'],
    "voiceCounts": ["(year: $year_Int, quarter: $quarter_Int)"],
    "dueFollowUps": [""],
    "deletionRuns": [""],
    "legalHolds": [""],
    "supportRules": [""],
    "ruleSets": [""],
    "ruleSetPreview": ["(id: $client_ID)"],
    "accessExport": ["(clientId: $client_ID, format: JSON)", "(clientId: $client_ID, format: PDF)"],
}
"""With which arguments each root field is asked; one that is missing fails the test."""


def values(run: Run) -> dict[str, Any]:
    """Return what the variables of the questions stand for."""
    now = run.clock.now
    return {
        "referral": run.referral,
        "client": run.client["id"],
        "service": run.service,
        "consent": run.consent,
        "recipient": run.town.partner_id,
        "topic": run.town.topic,
        "card": run.card,
        "link": run.link,
        "since": (now - timedelta(days=40)).isoformat(),
        "until": (now + timedelta(days=50)).isoformat(),
        "year": now.year,
        "quarter": (now.month + 2) // 3,
    }


PHONE = {"source": "PHONE"}
ANSWERS: dict[str, Callable[[Clock], dict[str, Any]]] = {
    "acknowledge": lambda clock: {"acknowledge": True},
    "ask": lambda clock: {"ask": {"question": "Welches Niveau?"}},
    "waitlist": lambda clock: {"waitlist": {"expectedWeek": clock.day(30)}},
    "accept": lambda clock: {
        "accept": {"contact": "Empfang", "firstContactOn": clock.day(), "expectedEnd": clock.day(90)}
    },
    "decline": lambda clock: {"decline": {"reason": "NO_CAPACITY"}},
    "start": lambda clock: {"start": {"firstContactMadeOn": clock.day()}},
    "hold": lambda clock: {"hold": {"reason": "PERSON_ILL", "resumeOn": clock.day(9)}},
    "resume": lambda clock: {"resume": True},
    "revocation": lambda clock: {"revocationAnswered": {"answer": "DELETED"}},
}
"""What a sender could record as the recipient's answer; the outcome would end the experiment."""


def attempts(run: Run) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the mutations with which the sender's side could feel for what lies behind; name to input."""
    clock, told = run.clock, {"told": {**PHONE, "on": run.clock.day()}}
    at = (clock.now + timedelta(days=2)).isoformat()
    simple: dict[str, dict[str, Any]] = {
        "acknowledgeReferral": {},
        "startReferral": {"firstContactMadeOn": clock.day()},
        "holdReferral": {"reason": "PERSON_ILL", "resumeOn": clock.day(9)},
        "resumeReferral": {},
        "declineReferral": {"reason": "NO_CAPACITY"},
        "reportOutcome": {"outcome": "NEED_MET", "outcomeOn": clock.day()},
        "answerQuestion": {"answer": "A2"},
        "sendReferral": {"consentId": run.consent},
        "awaitConsent": {},
        "changeDraftReferral": {"priority": "URGENT"},
        "abandonReferral": {"reason": "OTHER"},
        "setAppointment": {"startsAt": at, **told},
        "noteNoShow": {"on": clock.day(), **told},
        "reportInterim": {"result": "GOOD_PROGRESS", "on": clock.day(), **told},
        "giveSignOfLife": told,
        "updateWaitingList": {"position": 3, **told},
        "writeRemark": {"text": "Wie steht es?"},
        "setFileNumber": {"fileNumber": "S-1"},
    }
    found = {name: (name, given) for name, given in simple.items()}
    for name, answer in ANSWERS.items():
        given = {**PHONE, "on": clock.day(), "answer": answer(clock)}
        found[f"recordPartnerAnswer {name}"] = ("recordPartnerAnswer", given)
    return found


SENDERS_SIDE = ("coordinator", "colleague", "lead", "second_lead")


async def collect(run: Run, when: str, *, sides: Sequence[str] = SENDERS_SIDE) -> None:
    """Ask everything as everybody on the sender's side."""
    known = values(run)
    for who in sides:
        for root, many in QUESTIONS.items():
            for number, arguments in enumerate(many):
                lean = LEAN.get(root) if arguments else None
                answer = await run.town.ask(
                    question(root, arguments, lean=lean), variables(arguments, known), who=who
                )
                run.collected[f"{when} {who} {root} {number}"] = run.same(answer.body)


async def feel(run: Run, when: str) -> None:
    """Try every mutation of the sender that could say more than it should: what it says is collected."""
    for name, (mutation, given) in attempts(run).items():
        for version in ("stale", "right"):
            expected = 999 if version == "stale" else await run.version("coordinator")
            answer = await run.town.do(
                "coordinator", mutation, id=run.referral, expectedVersion=expected, **given
            )
            run.collected[f"{when} tries {name} {version}"] = run.same(answer)
    about: dict[str, dict[str, Any]] = {
        "issueFeedbackCode": {"referralId": run.referral},
        "markThreadRead": {"id": run.referral},
        "issueAnswerLink": {"referralId": run.referral},
    }
    for name, said in about.items():
        answer = await run.town.do("coordinator", name, **said)
        for secret in ("answerCode", "feedbackCode"):
            if code := answer.get(secret):
                run.same.know(code, f"<{secret}>")
                run.link = code if secret == "answerCode" else run.link
        run.collected[f"{when} tries {name}"] = run.same(answer)
    for name in ("closeReferral", "contestOutcome", "cancelReferral", "correctReferral", "reopenReferral"):
        said = {"reason": "OTHER"}
        if name == "closeReferral":
            said = {"feedbackAsked": "ANSWERED"}
        answer = await run.town.do("coordinator", name, id=run.referral, expectedVersion=999, **said)
        run.collected[f"{when} tries {name}"] = run.same(answer)
    with_card: dict[str, Any] = {"code": run.card, "referralId": run.referral, "expectedVersion": 999}
    for move in ("CONTEST", "CANCEL", "ABANDON"):
        answer = await run.town.do("anonymous", "moveByCard", **with_card, move=move)
        run.collected[f"{when} tries card {move}"] = run.same(answer)


async def ticks(run: Run, days: float) -> None:
    """Go on to that day as the jobs would: the clock runs, and mails go out."""
    run.clock.at(days)
    await run_the_clock(run.laboratory.database)
    async with run.laboratory.database.work(SYSTEM) as work:
        await follow_ups.tick(work)
    await run.laboratory.office.deliver(run.laboratory.database)


ACCEPTED = 1.0
WATCHED = """subscription($id: ID!) { referralChanged(id: $id) { missed referral { id version state
  stateSince seenAs outcome overdue unread updatedAt allowedMoves events { move at } } } }"""


async def prepare(laboratory: Laboratory, others: Sequence[dict[str, Any]], sender: str | None = None) -> Run:
    """Refer a person, and let the partner accept: the same in every course.

    The coordination refers, or with ``sender`` the organisation of another actor of the town.
    """
    clock = laboratory.clock
    await laboratory.office.deliver(laboratory.database)  # what the course before has left
    clock.at(0)
    laboratory.office.raw.clear()
    town = await make_town(laboratory.database, laboratory.api)
    laboratory.stay_signed_in()
    if sender is not None:
        town = replace(town, world=replace(town.world, coordinator=town.token(sender) or ""))
    async with laboratory.database.work(SYSTEM) as work:
        for partner, address in ((town.world.coordination, OFFICE), (town.world.partner, THEIRS)):
            points = (ContactPoint(kind=ContactKind.EMAIL, value=address),)
            await work.session.execute(
                update(Partner).where(Partner.id == partner).values(contact_points=points)
            )
    client = await town.client()
    mine = await town.ask("{ me { partner { municipality { ars } } } }", who="coordinator")
    ars = mine.data["me"]["partner"]["municipality"]["ars"]
    known = (
        (client["pseudonym"], "<pseudonym>"),
        (base64.urlsafe_b64encode(client["pseudonym"].encode()).decode(), "<cursor of the pseudonym>"),
        (town.topic, "<topic>"),
        (ars, "<ars>"),
    )
    run = Run(laboratory, town, client, Comparable(known, (BEGIN - timedelta(days=1)).isoformat()))
    run.service = await town.new_service(topics=[town.topic])
    issued = await town.done("coordinator", "issueCodeCard", clientId=client["id"], language="ti")
    run.card = issued["cardCode"]
    sent = await town.sent(clientId=client["id"], serviceId=run.service, others=others)
    run.referral = sent["id"]
    run.consent = sent["consentId"]
    link = await town.done("coordinator", "issueAnswerLink", referralId=run.referral)
    run.link = link["answerCode"]
    clock.at(0.5)
    await run.does("staff", "acknowledgeReferral")
    clock.at(ACCEPTED)
    await run.does(
        "staff",
        "acceptReferral",
        contact="Empfang",
        firstContactOn=clock.day(2),
        expectedEnd=clock.day(80),
    )
    return run


async def experiment(
    laboratory: Laboratory,
    course: Course,
    others: Sequence[dict[str, Any]],
    *,
    sides: Sequence[str] = SENDERS_SIDE,
    closing: bool = True,
    sender: str | None = None,
) -> dict[str, Any]:
    """Run one course; return all that the sender's side got, comparable with another course."""
    run = await prepare(laboratory, others, sender)
    async with connected(laboratory.app) as watching:
        await watching.sign_in(run.town.token("coordinator"))
        await watching.watches(INBOX)
        await watching.watches(WATCHED, "2", id=run.referral)
        await ticks(run, ACCEPTED)
        await drain(watching)
        for day, step in course.steps:
            await ticks(run, ACCEPTED + day)
            await step(run)
        await ticks(run, course.ends - 0.5)
        # what called the sender meanwhile; that something was missed is said to everybody
        before = len(watching.frames)
        await drain(watching)
        calls = [frame for frame in watching.frames[before:] if not SAYS_NOTHING.search(frame)]
        run.collected["calls"] = [run.same.text(frame) for frame in calls]
    await collect(run, "meanwhile", sides=sides)
    await feel(run, "meanwhile")
    await ticks(run, course.ends)
    if course.end is not None:
        await course.end(run)
        await ticks(run, course.ends + 0.5)
        await collect(run, "at the end", sides=sides)
        await feel(run, "at the end")
    if course.end is not None and closing:
        run.clock.at(course.ends + 1)
        run.collected["closing"] = run.same(
            await run.does("coordinator", "closeReferral", feedbackAsked="ANSWERED")
        )
        await ticks(run, course.ends + 1 + 28.5)
        await collect(run, "afterwards", sides=sides)
        run.collected["reopening"] = run.same(
            await run.does("coordinator", "reopenReferral", reason="NOT_FINISHED")
        )
        await outside(run)
    await laboratory.office.deliver(laboratory.database)
    run.collected["mails"] = [
        run.same.text(f"{mail.items()}\n{mail.get_content()}")
        for mail in laboratory.office.mails
        if mail["To"] != THEIRS
    ]
    return run.collected


SAYS_NOTHING = re.compile(r'"missed": ?true|"type": ?"ping"')


async def outside(run: Run) -> None:
    """A LEAD who is asked to confirm reads, decides, and could tell the sender."""
    await collect(run, "asked", sides=("second_lead",))
    seen = await run.town.ask("{ approvals { id version state referralId } }", who="coordinator")
    (approval,) = [one for one in seen.data["approvals"] if one["referralId"] == run.referral]
    run.collected["decides"] = run.same(
        await run.town.do(
            "second_lead", "confirmApproval", id=approval["id"], expectedVersion=approval["version"]
        )
    )
    await collect(run, "has decided", sides=("second_lead",))
    await collect(run, "reopened", sides=("coordinator",))


async def drain(socket: Socket) -> None:
    while not await socket.silent(0.05):
        pass


def must_be_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    found = differences(one, other)
    assert not found, f"{len(found)} differences:\n" + "\n".join(found[:40])


# --- The courses --------------------------------------------------------------------------------------------

NOTHING_TOLD: Sequence[dict[str, Any]] = ({"purpose": "FEEDBACK"}, {"purpose": "STATISTICS"})
CONTACT_TOLD: Sequence[dict[str, Any]] = (
    {"purpose": "REPORT_BACK", "reportDepth": "CONTACT_MADE"},
    {"purpose": "FEEDBACK"},
)
ALL_OF_IT: Sequence[tuple[float, Step]] = (
    (0.5, BEGINS),
    (1, sets_appointment),
    (2.5, MISSED),
    (3, INTERIM),
    (3.5, takes_over),
    (4, PAUSES),
    (5, reassigns),
    (6, SIGN),
    (7, RESUMES),
)
ALL_TOLD: Sequence[dict[str, Any]] = ({"purpose": "REPORT_BACK", "reportDepth": "OUTCOME"},)
ONLY_BEGUN = Course("begun", ((0.5, BEGINS),), reports("NEED_MET"))
NEVER_BEGUN = Course("never begun", (), reports("NEED_MET"))


def test_no_query_is_forgotten() -> None:
    assert QUESTIONS.keys() | NOT_ASKED.keys() == root_fields(), "a new query: ask it, or say why not"
    assert subscription_fields() == {"inboxChanged", "referralChanged"}


EVERYTHING = Course("everything", ALL_OF_IT, reports("NOT_MET"))
HIDDEN_COURSES = (
    ONLY_BEGUN,
    Course("left out", ((0.5, BEGINS), (2, PAUSES), (6, SIGN)), reports("PERSON_LEFT")),
    Course("no show before it begins", ((2, NO_SHOW), (3, INTERIM), (4, SIGN)), reports("NOT_REACHED")),
    EVERYTHING,
)
TOLD_BEGUN = ((0.5, BEGINS),)


@pytest.mark.torture
@pytest.mark.parametrize("course", HIDDEN_COURSES, ids=lambda course: course.name)
async def test_where_nothing_may_be_told_nothing_is(laboratory: Laboratory, course: Course) -> None:
    one = await experiment(laboratory, NEVER_BEGUN, NOTHING_TOLD)
    other = await experiment(laboratory, course, NOTHING_TOLD)
    must_be_equal(one, other)


@pytest.mark.torture
async def test_where_only_contact_may_be_told_no_outcome_is(laboratory: Laboratory) -> None:
    one = await experiment(laboratory, Course("met", TOLD_BEGUN, reports("NEED_MET")), CONTACT_TOLD)
    other = await experiment(laboratory, EVERYTHING, CONTACT_TOLD)
    must_be_equal(one, other)


@pytest.mark.torture
async def test_a_lead_of_another_organisation_reads_nothing_that_it_could_pass_on(
    laboratory: Laboratory,
) -> None:
    """A partner refers; the coordination's LEAD is asked to confirm that it is reopened."""
    found = [
        await experiment(
            laboratory, course, NOTHING_TOLD, sides=("coordinator", "lead"), sender="other_staff"
        )
        for course in (NEVER_BEGUN, EVERYTHING)
    ]
    must_be_equal(*found)


async def nothing(run: Run) -> None:
    """A day on which nothing happens but that the jobs run."""


DAYS = [(day, nothing) for day in (15.0, 61.0, 89.0, 90.5, 91.5, 95.0)]
HEARD = [(25.0, SIGN), (50.0, SIGN), (75.0, SIGN), (100.0, SIGN)]


def by_day(*steps: tuple[float, Step]) -> Sequence[tuple[float, Step]]:
    return sorted(steps, key=lambda step: step[0])


@pytest.mark.torture
@pytest.mark.parametrize("told", [NOTHING_TOLD, CONTACT_TOLD], ids=["nothing", "contact"])
async def test_the_reminders_of_a_long_course_tell_nothing(
    laboratory: Laboratory, told: Sequence[dict[str, Any]]
) -> None:
    """A sign of life is asked for 90 days after the last: only where somebody is at work."""
    begun = ((0.5, BEGINS),) if told is CONTACT_TOLD else ()
    heard = Course("heard of", by_day(*begun, *DAYS, *HEARD), reports("NEED_MET"), ends=120.0)
    quiet = Course(
        "reminded",
        by_day((0.5, BEGINS), *DAYS, (97.0, PAUSES), (110.0, RESUMES)),
        reports("NOT_MET"),
        ends=120.0,
    )
    one = await experiment(laboratory, heard, told, sides=("coordinator",))
    other = await experiment(laboratory, quiet, told, sides=("coordinator",))
    must_be_equal(one, other)


async def widens(run: Run) -> None:
    """The person lets everything be told from now on, by a new consent that supersedes the former one."""
    asked = await run.town.done(
        "coordinator",
        "requestConsent",
        clientId=run.client["id"],
        recipientIds=[run.town.partner_id],
        purposes=[{"purpose": "REFERRAL", "categories": CATEGORIES}, *ALL_TOLD],
        supersedesId=run.consent,
    )
    run.consent = asked["id"]
    await run.town.done(
        "coordinator",
        "recordConsent",
        id=run.consent,
        expectedVersion=1,
        granted=["REFERRAL", "REPORT_BACK"],
        record=RECORD,
    )


BEFORE_IT_WIDENS = (
    Course("only begun", ((0.5, BEGINS),)),
    Course("everything", ALL_OF_IT),
    Course("paused and gone on", ((0.5, BEGINS), (2, PAUSES), (3, NO_SHOW), (4, INTERIM), (6, RESUMES))),
)


@pytest.mark.torture
@pytest.mark.parametrize("told", [NOTHING_TOLD, CONTACT_TOLD], ids=["nothing", "contact"])
async def test_a_wider_consent_does_not_tell_what_happened_before_it(
    laboratory: Laboratory, told: Sequence[dict[str, Any]]
) -> None:
    """It tells how it stands; not when it came to that, nor what lay between."""
    found = []
    for course in BEFORE_IT_WIDENS:
        run = await prepare(laboratory, told)
        for day, step in course.steps:
            await ticks(run, ACCEPTED + day)
            await step(run)
        await ticks(run, 9.0)
        await widens(run)
        await ticks(run, 9.5)
        await collect(run, "widened", sides=("coordinator", "lead"))
        await feel(run, "widened")
        state = await run.town.ask(
            "query($id: ID!) { referral(id: $id) { state } }", {"id": run.referral}, who="coordinator"
        )
        assert state.data["referral"]["state"] == "IN_PROGRESS"
        found.append(run.collected)
    must_be_equal(found[0], found[1])
    must_be_equal(found[0], found[2])


@pytest.mark.torture
async def test_what_is_withdrawn_is_hidden_from_then_on(laboratory: Laboratory) -> None:
    """Only REPORT_BACK is withdrawn, after the outcome was told: no trace of it is left to read."""
    found = []
    for outcome in ("NEED_MET", "NOT_MET"):
        run = await prepare(laboratory, ALL_TOLD)
        run.clock.at(3)
        await BEGINS(run)
        run.clock.at(4)
        await reports(outcome)(run)
        await withdraws(run)
        await collect(run, "withdrawn")
        await feel(run, "withdrawn")
        found.append(run.collected)
    must_be_equal(*found)


async def withdraws(run: Run) -> None:
    query = "query($id: ID!) { consent(id: $id) { version } }"
    consent = (await run.town.ask(query, {"id": run.consent}, who="coordinator")).data["consent"]
    await run.town.done(
        "coordinator",
        "withdrawConsent",
        id=run.consent,
        expectedVersion=consent["version"],
        channel="PHONE",
        scope="PURPOSE",
        purpose="REPORT_BACK",
        language="de",
    )
    referral = await run.town.ask(
        "query($id: ID!) { referral(id: $id) { consentId } }", {"id": run.referral}, who="coordinator"
    )
    run.consent = referral.data["referral"]["consentId"]


# --- Each way by which something came out once --------------------------------------------------------------

COURSE = """query($id: ID!) { referral(id: $id) { state version unread updatedAt
  answerLinks { issuedAt usedAt revokedAt live } events { move } notices { kind } } }"""


@pytest.fixture(scope="module")
async def small_town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


async def both(town: Town, others: Sequence[dict[str, Any]] = NOTHING_TOLD) -> list[Any]:
    """Return two referrals that were accepted; work has begun on the second."""
    return [await town.accepted(others=others), await town.started(others=others)]


async def test_noting_by_phone_does_not_tell_whether_work_has_begun(small_town: Town) -> None:
    """It was refused where it had begun, and noted where it had not."""
    told: dict[str, Any] = {"source": "PHONE", "on": datetime.now(ZONE).date().isoformat()}
    at = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    answers = []
    for referral in await both(small_town):
        found = await small_town.ask(COURSE, {"id": referral["id"]}, who="coordinator")
        version = found.data["referral"]["version"]
        answers.append(
            await small_town.do(
                "coordinator",
                "setAppointment",
                id=referral["id"],
                expectedVersion=version,
                startsAt=at,
                told=told,
            )
        )
    assert answers[0] == answers[1]
    assert answers[0]["__typename"] == "ConsentMissingProblem"


async def test_no_refusal_names_the_state_that_lies_behind(small_town: Town) -> None:
    """Changing a draft that is none, and an answer after the consent ended although it has not."""
    told: dict[str, Any] = {"source": "PHONE", "on": datetime.now(ZONE).date().isoformat()}
    answers = []
    for referral in await both(small_town):
        found = await small_town.ask(COURSE, {"id": referral["id"]}, who="coordinator")
        at: dict[str, Any] = {"id": referral["id"], "expectedVersion": found.data["referral"]["version"]}
        kept = {"revocationAnswered": {"answer": "DELETED"}}
        answers.append(
            (
                await small_town.do("coordinator", "changeDraftReferral", **at, priority="URGENT"),
                await small_town.do("coordinator", "recordPartnerAnswer", **at, **told, answer=kept),
            )
        )
    assert answers[0] == answers[1]
    assert {one["from"] for one in answers[0]} == {"ACCEPTED"}


async def test_the_sender_makes_no_link_to_the_page_that_would_tell_it(small_town: Town) -> None:
    """The recipient's page shows the state and the moves, and whoever makes a link has read its code."""
    answers = [
        await small_town.do("coordinator", "issueAnswerLink", referralId=referral["id"])
        for referral in await both(small_town)
    ]
    assert answers[0] == answers[1]
    assert answers[0]["__typename"] == "TransitionNotAllowedProblem"


async def test_a_link_that_was_made_before_the_withdrawal_shows_nothing_any_more(small_town: Town) -> None:
    referral = await small_town.started()
    link = await small_town.done("coordinator", "issueAnswerLink", referralId=referral["id"])
    page = "query($code: String!) { answerPage(code: $code) { __typename } }"
    code = {"code": link["answerCode"]}
    assert (await small_town.ask(page, code, who="anonymous")).data["answerPage"][
        "__typename"
    ] == "AnswerPage"
    found = await small_town.ask(
        "query($id: ID!) { referral(id: $id) { consentId } }", {"id": referral["id"]}, who="coordinator"
    )
    await small_town.done(
        "coordinator",
        "withdrawConsent",
        id=found.data["referral"]["consentId"],
        channel="PHONE",
        scope="PURPOSE",
        purpose="REPORT_BACK",
        language="de",
    )
    after = (await small_town.ask(page, code, who="anonymous")).data["answerPage"]
    assert after["__typename"] == "AnswerLinkClosedProblem"
    answered = await small_town.do(
        "anonymous", "answerByLink", code=link["answerCode"], answer={"hold": PAUSE}
    )
    assert answered["__typename"] == "AnswerLinkClosedProblem"
    listed = (await small_town.ask(COURSE, {"id": referral["id"]}, who="coordinator")).data["referral"]
    assert listed["answerLinks"] == []


PAUSE = {"reason": "PERSON_ILL", "resumeOn": (datetime.now(ZONE) + timedelta(days=9)).date().isoformat()}


async def test_the_access_export_does_not_tell_what_the_recipient_did(small_town: Town) -> None:
    """Its audit named every move of the recipient, and its appointments said who had not come."""
    client = await small_town.client()
    referral = await small_town.accepted(clientId=client["id"], others=NOTHING_TOLD)
    at = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    noted = await small_town.on("staff", "setAppointment", referral, startsAt=at)
    begun = await small_town.on(
        "staff", "startReferral", noted, firstContactMadeOn=datetime.now(ZONE).date().isoformat()
    )
    await small_town.on("staff", "holdReferral", begun, **PAUSE)
    export = "query($id: ID!) { accessExport(clientId: $id, format: JSON) { text } }"
    answer = await small_town.ask(export, {"id": client["id"]}, who="coordinator")
    text = answer.data["accessExport"]["text"]
    assert "ACCEPTED" in text and "referral.send" in text
    for telling in ("referral.start", "referral.hold", "IN_PROGRESS", "ON_HOLD", "sender_state"):
        assert telling not in text, telling


async def test_a_text_that_the_sender_may_not_read_is_not_counted_as_unread(small_town: Town) -> None:
    found = []
    for reason, by, note in (
        ("OTHER", "PARTNER", None),
        ("PERSON_DECLINED", "PERSON", "Die Person hat abgesagt."),
    ):
        referral = await small_town.sent(others=NOTHING_TOLD)
        await small_town.on("staff", "declineReferral", referral, reason=reason, declinedBy=by, note=note)
        answer = await small_town.ask(COURSE, {"id": referral["id"]}, who="coordinator")
        found.append(answer.data["referral"]["unread"])
    assert found == [0, 0]
