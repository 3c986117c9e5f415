"""Many offices and their members, who do at random whatever the API offers, and what each of them may know.

``Town.run`` does it; the knowledge is kept beside it, written from the design. Everything that is entered
about a person carries words that stand nowhere else (canaries): whatever comes back tells whom it is about.
Several operations run at a time: what a reader may know is what it may have known at some moment between
question and answer, so whatever is reported as a leak is one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from directory.actors import SYSTEM, Role
from directory.database import Database
from directory.values import Capacity, InterpretedLanguage, InterpretingFacts
from directory.vocabulary import CapacityState, InterpretingMode, PartnerKind, ServiceKind
from graphapi.relay import global_id
from referrals.ticking import run_the_clock
from tests.graphapi.asking import Api
from tests.graphapi.conftest import make_member, make_municipality, make_partner, make_service, make_topic
from tests.graphapi.exchanging import RECORD, document, key
from tests.graphapi.referral_model import ENDS, MOVES, OPEN, RUNNING, TABLE, day_of, moves
from tests.scenarios.operations import document as ready

NEVER: Final = float("inf")
CANARY: Final = re.compile(r"kx(\d{6})([a-z]{2})", re.IGNORECASE)
PHONE: Final = re.compile(r"\+49151(\d{7})")
PSEUDONYM: Final = re.compile(r"K-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{2}")
GLOBAL_ID: Final = re.compile(r"[A-Za-z0-9_-]{40,}={0,2}")

FIELDS: Final = {
    "FN": "IDENTITY",
    "GN": "IDENTITY",
    "ON": "IDENTITY",
    "PH": "CONTACT",
    "EM": "CONTACT",
    "AD": "CONTACT",
    "QU": "QUALIFICATION",
    "EX": "EXPERIENCE",
    "FC": "FAMILY_CARE",
    "HE": "HEALTH",
    "DO": "DOCUMENTS",
}
"""Where each canary is entered, and with which data category it leaves."""

SETS: Final = (
    ("IDENTITY", "CONTACT", "LANGUAGE", "NEEDS"),
    ("IDENTITY", "LANGUAGE", "QUALIFICATION", "EXPERIENCE", "DOCUMENTS"),
    ("CONTACT", "LANGUAGE", "NEEDS", "FAMILY_CARE"),
    ("IDENTITY", "CONTACT", "LANGUAGE", "HEALTH"),
)


@dataclasses.dataclass(eq=False)
class Office:
    """An organisation with its services."""

    number: int
    partner: UUID
    id: str
    coordinates: bool
    members: list[Member] = dataclasses.field(default_factory=list)
    services: list[str] = dataclasses.field(default_factory=list)
    interpreting: str = ""


@dataclasses.dataclass(eq=False)
class Member:
    """Somebody who asks."""

    office: Office
    id: str
    token: str
    role: Role


@dataclasses.dataclass(eq=False)
class Person:
    """A person in somebody's care, and who else may know what of them, from when until when."""

    number: int
    office: Office
    responsible: Member
    id: str = ""
    version: int = 1
    pseudonym: str = ""
    card: str | None = None


@dataclasses.dataclass(eq=False)
class Sent:
    """A referral, as far as answers to operations have told."""

    id: str
    person: Person
    recipient: Office
    service: str
    categories: tuple[str, ...]
    depth: str
    consent: str = ""
    consent_version: int = 2
    state: str = "DRAFT"
    version: int = 1
    """As the recipient counts; 0 while it is not known."""
    senders_version: int = 1
    link: str | None = None
    texts: list[int] = dataclasses.field(default_factory=list)
    known_from: float = NEVER
    """When the first operation began with which the recipient may have come to know of it."""
    opened_from: float = NEVER
    """When the first operation began with which the recipient may have opened the package."""
    closed_at: float = NEVER
    """When the operation was over that ended it for good."""
    contested: bool = False


@dataclasses.dataclass(eq=False)
class Booked:
    """An interpreter booking with a person's name."""

    id: str
    person: Person | None
    requester: Member
    recipient: Office
    version: int = 1
    state: str = "REQUESTED"
    named_from: float = NEVER
    over_at: float = NEVER


@dataclasses.dataclass
class Leak:
    """Something that somebody read who must not."""

    who: str
    what: str
    operation: str


class Town:
    """The offices, what they have done so far, and what was read."""

    def __init__(self, database: Database, api: Api, seed: int) -> None:
        self.database = database
        self.api = api
        self.random = random.Random(seed)
        self.offices: list[Office] = []
        self.people: list[Person] = []
        self.sent: list[Sent] = []
        self.booked: list[Booked] = []
        self.texts: list[tuple[Sent, Office]] = []
        self.by_id: dict[str, Person | Sent | Booked] = {}
        self.consents: dict[str, Sent] = {}
        self.by_pseudonym: dict[str, Person] = {}
        self.kinds: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.operations = 0
        self.scanned = 0
        self.found_own = 0
        self.leaks: list[Leak] = []
        self.errors: list[str] = []
        self.notices: dict[str, Any] = {}
        self.jumped = timedelta()
        self.gate = _Gate()
        self.topic = ""

    # --- Setting up -------------------------------------------------------------------------------------

    async def build(self, offices: int, members: int) -> None:
        """Make the organisations, their members and their services, in two municipalities."""
        began = self.database.clock
        self.database.clock = lambda: began() + self.jumped
        self.topic = await make_topic(self.database, de="Sprachkurs", en="language course")
        municipalities = [await make_municipality(self.database) for _ in range(2)]
        for number in range(offices):
            coordinates = number < 2
            partner = await make_partner(
                self.database,
                municipalities[number % 2],
                f"Büro {number}",
                kind=PartnerKind.MUNICIPAL_PROJECT if coordinates else PartnerKind.FREE_PROVIDER,
                coordinates=coordinates,
            )
            office = Office(number, partner, global_id("Partner", partner), coordinates)
            self.offices.append(office)
            for nth in range(members):
                role = Role.PARTNER_MEMBER
                if coordinates:
                    role = Role.LEAD if nth < 2 else Role.COORDINATOR
                id_, token = await make_member(self.database, partner, role, administers=nth == 0)
                office.members.append(Member(office, global_id("Member", id_), token, role))
            counted = Capacity(state=CapacityState.FEW, places=3)
            for capacity in (counted, Capacity()):
                made = await make_service(self.database, partner, f"Kurs {number}", capacity=capacity)
                office.services.append(global_id("Service", made))
            made = await make_service(
                self.database,
                partner,
                f"Sprachmittlung {number}",
                kind=ServiceKind.LANGUAGE_MEDIATION,
                interpreting=InterpretingFacts(
                    languages=(InterpretedLanguage(language="ti"),), modes=(InterpretingMode.ON_SITE,)
                ),
            )
            office.interpreting = global_id("Service", made)

    @property
    def everybody(self) -> list[Member]:
        return [member for office in self.offices for member in office.members]

    # --- Asking, and reading what comes back --------------------------------------------------------------

    async def ask(
        self,
        who: Member | None,
        kind: str,
        query: str,
        variables: dict[str, Any],
        *,
        about: Sent | None = None,
    ) -> Any:
        """Ask one operation; scan the answer. ``about``: the referral whose link or card is held."""
        self.operations += 1
        self.kinds[kind] += 1
        began = monotonic()
        answer = await self.api(query, variables, token=None if who is None else who.token)
        ended = monotonic()
        body = answer.body
        for error in body.get("errors", ()):
            code = error.get("extensions", {}).get("code")
            self.refused[f"error {code}"] += 1
            if answer.status >= 500 or code not in {"NOT_SIGNED_IN", "NOT_ALLOWED", "NOT_FOUND"}:
                self.errors.append(f"{kind}: {answer.status} {json.dumps(body['errors'])[:600]}")
        self.scan(who, kind, variables, body, began, ended, about)
        return body.get("data") or {}

    async def change(
        self, who: Member | None, field: str, /, *, about: Sent | None = None, **given: Any
    ) -> Any:
        """Run a mutation; return what came back, counted by kind of problem."""
        input_ = {"idempotencyKey": key(), **given}
        data = await self.ask(who, field, document(field), {"input": input_}, about=about)
        found = data.get(field) or {"__typename": "NothingProblem"}
        kind = found["__typename"]
        if kind.endswith("Problem"):
            self.refused[kind.removesuffix("Problem")] += 1
            if kind == "InvalidInputProblem":
                self.refused[f"InvalidInput {found['field']} {found['reason']}"] += 1
        else:
            self.answers[field] += 1
        return found

    def scan(
        self,
        who: Member | None,
        kind: str,
        given: dict[str, Any],
        body: Any,
        began: float,
        ended: float,
        about: Sent | None,
    ) -> None:
        """Look for everything that the reader may not have known at any moment of the operation."""
        self.scanned += 1
        said = json.dumps(body, ensure_ascii=False)
        for file in _files(body):
            said += file
        office = None if who is None else who.office
        told = set(CANARY.findall(said))
        for number, field in told:
            self.judge(office, kind, int(number), field.upper(), began, ended, about)
        for number in set(PHONE.findall(said)):
            self.judge(office, kind, int(number), "PH", began, ended, about)
        for pseudonym in set(PSEUDONYM.findall(said)):
            person = self.by_pseudonym.get(pseudonym)
            if person is not None and not self.knows_pseudonym(office, person, ended, about):
                self.leak(who, kind, f"pseudonym of {person.number}")
        # an id that the reader has sent itself tells nothing when it comes back
        for id_ in set(GLOBAL_ID.findall(said)) - set(GLOBAL_ID.findall(json.dumps(given))):
            thing = self.by_id.get(id_)
            if thing is not None and not self.knows_of(office, thing, ended, about):
                self.leak(who, kind, f"id of a {type(thing).__name__}")
        if who is not None:
            for found in _objects(body):
                self.check_depth(who, kind, found)

    def leak(self, who: Member | None, kind: str, what: str) -> None:
        name = "nobody" if who is None else f"office {who.office.number} {who.role}"
        self.leaks.append(Leak(name, what, kind))

    def judge(
        self,
        office: Office | None,
        kind: str,
        number: int,
        field: str,
        began: float,
        ended: float,
        about: Sent | None,
    ) -> None:
        if field == "TX":
            sent, writer = self.texts[number]
            fine = office is sent.person.office or (
                (office is sent.recipient or about is sent)
                and sent.known_from <= ended
                and sent.closed_at >= began
            )
            what = f"a text of office {writer.number}"
        else:
            person = self.people[number]
            fine = self.knows(office, person, field, began, ended, about)
            what = f"{field} of {number}"
        if fine:
            self.found_own += 1
        else:
            name = "nobody" if office is None else f"office {office.number}"
            self.leaks.append(Leak(name, what, kind))

    def knows(
        self,
        office: Office | None,
        person: Person,
        field: str,
        began: float,
        ended: float,
        about: Sent | None,
    ) -> bool:
        if office is person.office:
            return True
        if field in {"FN", "GN"} and any(
            one.person is person
            and one.recipient is office
            and one.named_from <= ended
            and one.over_at >= began
            for one in self.booked
        ):
            return True
        return any(
            one.person is person
            and FIELDS[field] in one.categories
            and (one.recipient is office or one is about)
            and one.opened_from <= ended
            and one.closed_at >= began
            for one in self.sent
        )

    def knows_pseudonym(
        self, office: Office | None, person: Person, ended: float, about: Sent | None
    ) -> bool:
        return office is person.office or any(
            one.person is person and (one.recipient is office or one is about) and one.opened_from <= ended
            for one in self.sent
        )

    def knows_of(
        self, office: Office | None, thing: Person | Sent | Booked, ended: float, about: Sent | None
    ) -> bool:
        if isinstance(thing, Person):
            # without an account, whoever holds the person's card holds nothing that names them
            return office is thing.office
        if isinstance(thing, Booked):
            return office in {thing.requester.office, thing.recipient}
        mine = office is thing.person.office or thing is about
        held = about is not None and about.person is thing.person
        return mine or held or (office is thing.recipient and thing.known_from <= ended)

    def check_depth(self, who: Member, kind: str, found: dict[str, Any]) -> None:
        """A sender reads nothing of how it went where the person did not allow it."""
        thing = self.by_id.get(str(found.get("id")))
        if not isinstance(thing, Sent) or who.office is not thing.person.office or thing.depth == "OUTCOME":
            return
        if found.get("outcome") not in {None, "NOT_DISCLOSED"}:
            self.leak(who, kind, "an outcome")
        at_work = {"ON_HOLD"} | (
            set() if thing.depth == "CONTACT_MADE" or thing.contested else {"IN_PROGRESS"}
        )
        if found.get("state") in at_work or found.get("resumeOn") or found.get("lastSignOfLife"):
            self.leak(who, kind, "whether work has begun")

    # --- What is done -------------------------------------------------------------------------------------

    async def run(self, operations: int, at_a_time: int) -> None:
        """Do so many operations, so many at a time; it stops by itself."""
        choices: dict[Callable[[], Awaitable[None]], int] = {
            self.take_in: 5,
            self.refer: 9,
            self.draft_and_send: 5,
            self.move_on: 26,
            self.record_answer: 5,
            self.use_link: 6,
            self.use_card: 5,
            self.withdraw: 2,
            self.trespass: 14,
            self.read_own: 12,
            self.read_lists: 10,
            self.export: 3,
            self.search: 5,
            self.bulk: 3,
            self.book: 6,
            self.write: 4,
            self.tick: 1,
        }
        every = max(operations // 12, 50)
        for _ in range(3 * at_a_time):
            await self.take_in()
        jumps = 0

        async def worker() -> None:
            nonlocal jumps
            while self.operations < operations:
                if self.operations > (jumps + 1) * every:
                    jumps += 1
                    async with self.gate.alone():
                        await self.jump()
                    continue
                (act,) = self.random.choices(list(choices), list(choices.values()))
                async with self.gate.together():
                    await act()

        await asyncio.gather(*(worker() for _ in range(at_a_time)))

    def pick(self, found: list[Any]) -> Any:
        return self.random.choice(found) if found else None

    def somebody(self, office: Office | None = None) -> Member:
        found: Member = self.random.choice(self.everybody if office is None else office.members)
        return found

    async def take_in(self) -> None:
        """Somebody takes in a person."""
        member = self.somebody()
        number = len(self.people)
        person = Person(number, member.office, member)
        self.people.append(person)

        def word(field: str) -> str:
            return f"Kx{number:06d}{field}"

        found = await self.change(
            member,
            "createClient",
            identity={"familyName": word("FN"), "givenNames": word("GN"), "otherNames": [word("ON")]},
            contact={
                "phone": f"+49151{number:07d}",
                "email": f"{word('EM')}@example.org",
                "address": word("AD"),
            },
            profile={
                "qualifications": [word("QU")],
                "experience": [word("EX")],
                "familyCare": word("FC"),
                "health": word("HE"),
                "documents": [word("DO")],
            },
            languages=["ti"],
            needs=[self.topic],
            responsibleId=member.id,
        )
        if found["__typename"] != "ClientSaved":
            self.errors.append(f"take in: {found}")
            return
        person.id, person.version = found["client"]["id"], found["client"]["version"]
        person.pseudonym = found["client"]["pseudonym"]
        self.by_id[person.id] = person
        self.by_pseudonym[person.pseudonym] = person

    async def notice(self, member: Member, to: Office, purposes: list[dict[str, Any]]) -> dict[str, Any]:
        """Return a record with the hash of the notice that these terms give; asked for once each."""
        wanted = json.dumps([member.office.number, to.number, purposes])
        if wanted not in self.notices:
            query = """query ($to: [ID!]!, $purposes: [ConsentPurposeInput!]!) {
              consentNotice(recipientIds: $to, purposes: $purposes, language: "ti") {
                textId version sha256 } }"""
            answer = await self.api(query, {"to": [to.id], "purposes": purposes}, token=member.token)
            self.notices[wanted] = answer.data["consentNotice"]
        shown: dict[str, Any] = {**RECORD["notice"], **self.notices[wanted]}  # type: ignore[dict-item]
        return {**RECORD, "notice": shown}

    def person(self) -> Person | None:
        found: Person | None = self.pick([person for person in self.people if person.id])
        return found

    def plan(self) -> tuple[Person, Office, str, tuple[str, ...], str, list[dict[str, Any]]] | None:
        person = self.person()
        if person is None:
            return None
        to = self.pick([office for office in self.offices if office is not person.office])
        categories = self.random.choice(SETS)
        depth = self.random.choice(["NOTHING", "CONTACT_MADE", "OUTCOME", "OUTCOME"])
        purposes: list[dict[str, Any]] = [{"purpose": "REPORT_BACK", "reportDepth": depth}]
        return person, to, self.random.choice(to.services), categories, depth, purposes

    async def refer(self) -> None:
        """Refer somebody in one operation."""
        planned = self.plan()
        if planned is None:
            return
        person, to, service, categories, depth, others = planned
        referral = {"purpose": "REFERRAL", "categories": list(categories)}
        record = await self.notice(person.responsible, to, [referral, *others])
        days = self.random.choice([5, 60, 300])
        until = day_of(self.database.clock()) + timedelta(days=days)
        # whoever receives it may see it before its sender hears that it was sent
        sent = Sent("", person, to, service, categories, depth, known_from=monotonic())
        found = await self.change(
            person.responsible,
            "referClient",
            clientId=person.id,
            serviceId=service,
            topic=self.topic,
            categories=list(categories),
            capacityReason="NO_ALTERNATIVE",
            consent={"record": record, "purposes": others, "validUntil": until.isoformat()},
        )
        self.sent_now(sent, found)

    def sent_now(self, sent: Sent, found: Any) -> None:
        if found["__typename"] != "ReferralSaved":
            return
        referral = found["referral"]
        if not sent.id:
            sent.id = referral["id"]
            self.sent.append(sent)
            self.by_id[sent.id] = sent
        sent.consent = referral["consentId"] or ""
        if sent.consent:
            self.consents[sent.consent] = sent
        self.heard(sent, referral, sender=True)

    def heard(self, sent: Sent, referral: Any, *, sender: bool) -> None:
        """Take over what an answer said of a referral."""
        name = "senders_version" if sender else "version"
        if referral["version"] < getattr(sent, name):
            return
        setattr(sent, name, referral["version"])
        hides = sender and sent.depth != "OUTCOME" and referral["state"] in {"ACCEPTED", "IN_PROGRESS"}
        if not hides and sent.state not in ENDS:
            sent.state = referral["state"]
        if sent.state in ENDS and sent.closed_at == NEVER:
            sent.closed_at = monotonic()

    async def draft_and_send(self) -> None:
        """Draft, ask for the consent, record it, send: four operations."""
        planned = self.plan()
        if planned is None:
            return
        person, to, service, categories, depth, others = planned
        member = person.responsible
        purposes = [{"purpose": "REFERRAL", "categories": list(categories)}, *others]
        record = await self.notice(member, to, purposes)
        sent = Sent("", person, to, service, categories, depth)
        found = await self.change(
            member,
            "draftReferral",
            clientId=person.id,
            serviceId=service,
            topic=self.topic,
            categories=list(categories),
        )
        self.sent_now(sent, found)
        if not sent.id or self.random.random() < 0.2:
            return
        asked = await self.change(
            member, "requestConsent", clientId=person.id, recipientIds=[to.id], purposes=purposes
        )
        if asked["__typename"] != "ConsentSaved":
            return
        given = await self.change(
            member,
            "recordConsent",
            id=asked["consent"]["id"],
            expectedVersion=1,
            granted=[purpose["purpose"] for purpose in purposes],
            record=record,
        )
        if given["__typename"] != "ConsentSaved" or sent.state not in OPEN:
            return
        sent.known_from = monotonic()
        found = await self.change(
            member,
            "sendReferral",
            id=sent.id,
            expectedVersion=sent.senders_version,
            consentId=given["consent"]["id"],
            capacityReason="NO_ALTERNATIVE",
        )
        self.sent_now(sent, found)

    def said_with(self, move: str, sent: Sent, writer: Office) -> dict[str, Any]:
        """Return what is said with a move."""
        today = day_of(self.database.clock())

        def day(low: int, high: int) -> str:
            return str((today + timedelta(days=self.random.randint(low, high))).isoformat())

        match move:
            case "ASK":
                return {"question": self.new_text(sent, writer)}
            case "REPLY":
                return {"answer": self.new_text(sent, writer)}
            case "WAITLIST":
                return {"expectedWeek": day(0, 40)}
            case "ACCEPT":
                return {"contact": "Empfang", "firstContactOn": day(0, 9), "expectedEnd": day(20, 60)}
            case "DECLINE":
                note = {"note": self.new_text(sent, writer)} if self.random.random() < 0.5 else {}
                return {"reason": self.random.choice(["NO_CAPACITY", "NOT_ELIGIBLE", "OTHER"]), **note}
            case "START":
                return {"firstContactMadeOn": today.isoformat()}
            case "HOLD":
                return {"reason": "PERSON_ILL", "resumeOn": day(1, 50)}
            case "REPORT_OUTCOME":
                outcome = self.random.choice(["NEED_MET", "PARTLY_MET", "NOT_MET"])
                return {"outcome": outcome, "outcomeOn": today.isoformat(), "reason": "NO_PLACE"}
            case "CLOSE":
                return {"feedbackAsked": "DECLINED"}
            case "CANCEL" | "ABANDON":
                return {"reason": "PERSON_DOES_NOT_WANT"}
            case "CONTEST":
                return {"reason": "OUTCOME_WRONG"}
            case _:
                return {}

    def new_text(self, sent: Sent, writer: Office) -> str:
        self.texts.append((sent, writer))
        return f"Kx{len(self.texts) - 1:06d}TX?"

    async def move_on(self) -> None:
        """Somebody makes a move that they have, as far as they know."""
        sent = self.pick([one for one in self.sent if one.state in OPEN])
        if sent is None:
            return
        recipient = sent.state in RUNNING and sent.state != "OUTCOME_REPORTED" and self.random.random() < 0.85
        party = "RECIPIENT" if recipient else "SENDER"
        possible = sorted(moves(sent.state, party) & FIELDS_OF_MOVES.keys())
        move = self.pick(possible)
        if move is None or (move in {"CANCEL", "DECLINE", "ABANDON"} and self.random.random() < 0.6):
            return
        who = self.somebody(sent.recipient) if recipient else sent.person.responsible
        await self.move(sent, who, move, recipient=recipient)

    async def move(self, sent: Sent, who: Member, move: str, *, recipient: bool) -> None:
        began = monotonic()
        if recipient:
            # each of these opens the package, or leads to a state in which it is open
            sent.opened_from = min(sent.opened_from, began)
        if move == "REPLY":
            sent.opened_from = min(sent.opened_from, began)
        sent.contested = sent.contested or move == "CONTEST"
        version = sent.version if recipient else sent.senders_version
        found = await self.change(
            who,
            FIELDS_OF_MOVES[move],
            id=sent.id,
            expectedVersion=max(version, 1),
            **self.said_with(move, sent, who.office),
        )
        self.after(sent, found, recipient=recipient)

    def after(self, sent: Sent, found: Any, *, recipient: bool) -> None:
        if found["__typename"] == "ReferralSaved":
            self.heard(sent, found["referral"], sender=not recipient)
        elif found["__typename"] == "StaleVersionProblem":
            name = "version" if recipient else "senders_version"
            # of many at once only that it was stale is told
            setattr(sent, name, found.get("current", getattr(sent, name)))
        elif found["__typename"] == "TransitionNotAllowedProblem" and "from" in found:
            state = found["from"]
            if recipient or state in ENDS:
                sent.state = state if sent.state not in ENDS else sent.state

    async def record_answer(self) -> None:
        """The sender records what the recipient said by phone."""
        sent = self.pick([one for one in self.sent if one.state in RUNNING])
        if sent is None:
            return
        move = self.pick(sorted(moves(sent.state, "RECIPIENT") & BY_LINK.keys()))
        if move is None:
            return
        sent.opened_from = min(sent.opened_from, monotonic())
        said = self.said_with(move, sent, sent.person.office) or True
        found = await self.change(
            sent.person.responsible,
            "recordPartnerAnswer",
            id=sent.id,
            expectedVersion=sent.senders_version,
            source="PHONE",
            on=day_of(self.database.clock()).isoformat(),
            answer={BY_LINK[move]: said},
        )
        self.after(sent, found, recipient=False)

    async def use_link(self) -> None:
        """A link is made, opened, answered; or somebody tries one that is over."""
        sent = self.pick([one for one in self.sent if one.state in RUNNING or one.link])
        if sent is None:
            return
        if sent.link is None or self.random.random() < 0.2:
            found = await self.change(sent.person.responsible, "issueAnswerLink", referralId=sent.id)
            if found["__typename"] == "AnswerLinkIssued":
                sent.link = found["answerCode"]
            return
        code = sent.link
        await self.ask(None, "read-answer-page", ready("read-answer-page"), {"code": code}, about=sent)
        if self.random.random() < 0.6:
            sent.opened_from = min(sent.opened_from, monotonic())
            found = await self.change(None, "openAsRecipient", about=sent, code=code)
            if found["__typename"] == "PackageOpened" and sent.state == "SENT":
                sent.state = "ACKNOWLEDGED"
        move = self.pick(sorted(moves(sent.state, "RECIPIENT") & BY_LINK.keys()))
        if move is not None and self.random.random() < 0.5:
            sent.opened_from = min(sent.opened_from, monotonic())
            said = self.said_with(move, sent, sent.recipient) or True
            await self.change(None, "answerByLink", about=sent, code=code, answer={BY_LINK[move]: said})

    async def use_card(self) -> None:
        """A person's card is made, replaced, read, used to withdraw or to move."""
        person = self.person()
        if person is None:
            return
        if person.card is None or self.random.random() < 0.15:
            former = person.card
            found = await self.change(person.responsible, "issueCodeCard", clientId=person.id, language="ar")
            if found["__typename"] == "CodeCardIssued":
                person.card = found["cardCode"]
            if former is not None:
                dead = await self.change(None, "withdrawByCard", code=former)
                if dead["__typename"] != "CodeNotValidProblem":
                    self.errors.append(f"a card that was replaced answers: {dead['__typename']}")
            return
        own = [one for one in self.sent if one.person is person]
        one = self.pick(own)
        about = one or Sent("", person, person.office, "", (), "NOTHING")
        await self.ask(None, "open-code-card", ready("open-code-card"), {"code": person.card}, about=about)
        if one is None:
            return
        turn = self.random.random()
        if turn < 0.25:
            scope: dict[str, Any] = self.random.choice(
                [
                    {"scope": "ALL"},
                    {"scope": "PURPOSE", "purpose": "REPORT_BACK"},
                    {"scope": "RECIPIENT", "recipientId": one.recipient.id},
                ]
            )
            given: dict[str, Any] = {"code": person.card, **scope}
            found = await self.change(None, "withdrawByCard", about=one, **given)
            if found["__typename"] == "WithdrawnByCard":
                over = monotonic()
                for other in own:
                    self.withdrawn(other, scope, over)
        elif turn < 0.6:
            move = self.random.choice(["CANCEL", "CONTEST", "ABANDON"])
            one.contested = one.contested or move == "CONTEST"
            found = await self.change(
                None,
                "moveByCard",
                about=one,
                code=person.card,
                referralId=one.id,
                expectedVersion=one.senders_version,
                move=move,
            )
            if found["__typename"] == "CardSaved" and move != "CONTEST":
                one.state = {"CANCEL": "CANCELLED", "ABANDON": "ABANDONED"}[move]
                one.closed_at = min(one.closed_at, monotonic())

    def withdrawn(self, sent: Sent, scope: dict[str, Any], over: float) -> None:
        """Nothing is readable any more, once the answer to a withdrawal is there; what rested on it ended."""
        if sent.state not in RUNNING or not sent.consent:
            return
        if scope["scope"] == "PURPOSE" and scope["purpose"] == "REPORT_BACK":
            return
        if scope["scope"] == "RECIPIENT" and scope["recipientId"] != sent.recipient.id:
            return
        if sent.version and sent.known_from < over:
            sent.state, sent.closed_at = "CONSENT_REVOKED", min(sent.closed_at, over)

    async def withdraw(self) -> None:
        """The office records that the person withdrew."""
        sent = self.pick([one for one in self.sent if one.consent and one.state in RUNNING])
        if sent is None:
            return
        scope: dict[str, Any] = self.random.choice(
            [
                {"scope": "ALL"},
                {"scope": "PURPOSE", "purpose": self.random.choice(["REFERRAL", "REPORT_BACK"])},
            ]
        )
        found = await self.change(
            sent.person.responsible, "withdrawConsent", id=sent.consent, channel="PHONE", **scope
        )
        if found["__typename"] == "ConsentWithdrawn":
            over = monotonic()
            remaining = found["remaining"]
            self.withdrawn(sent, scope, over)
            if remaining is not None:
                sent.consent = remaining["id"]
                self.consents[sent.consent] = sent
            if scope.get("purpose") == "REPORT_BACK" and sent.depth != "NOTHING":
                sent.depth = "NOTHING"
        elif found["__typename"] == "ConsentNotOpenProblem":
            sent.consent = ""

    async def trespass(self) -> None:
        """Somebody asks for, or tries to change, what is not theirs."""
        thing = self.pick(list(self.by_id.values()))
        if thing is None:
            return
        if isinstance(thing, Person):
            who = self.outsider({thing.office})
            await self.pry(who, "read-client", {"id": thing.id})
            found = await self.change(who, "changeClient", id=thing.id, expectedVersion=1, languages=["de"])
            self.must_be_gone(found, "changeClient")
        elif isinstance(thing, Booked):
            who = self.outsider({thing.requester.office, thing.recipient})
            await self.pry(who, "read-booking", {"id": thing.id})
            found = await self.change(who, "confirmBooking", id=thing.id, expectedVersion=thing.version)
            self.must_be_gone(found, "confirmBooking")
        else:
            who = self.outsider({thing.person.office, thing.recipient})
            name = self.random.choice(["read-referral", "read-package", "read-thread", "find-by-id"])
            await self.pry(who, name, {"id": thing.id})
            move = self.random.choice(sorted(FIELDS_OF_MOVES))
            said = self.said_with(move, thing, who.office) if move not in {"ASK", "REPLY", "DECLINE"} else {}
            if move in {"ASK", "REPLY"}:
                said = {"question" if move == "ASK" else "answer": "?"}
            if move == "DECLINE":
                said = {"reason": "OTHER"}
            field = FIELDS_OF_MOVES[move]
            found = await self.change(who, field, id=thing.id, expectedVersion=max(thing.version, 1), **said)
            self.must_be_gone(found, field)
            if thing.consent:
                await self.pry(who, "read-consent", {"id": thing.consent})

    def outsider(self, insiders: set[Office]) -> Member:
        return self.somebody(self.pick([office for office in self.offices if office not in insiders]))

    async def pry(self, who: Member, name: str, variables: dict[str, Any]) -> None:
        """Read by a ready document what does not exist for this reader."""
        data = await self.ask(who, f"foreign {name}", ready(name), variables)
        found = {field: value for field, value in data.items() if value is not None}
        if found:
            self.leak(who, f"foreign {name}", f"something was there: {sorted(found)}")

    def must_be_gone(self, found: Any, field: str) -> None:
        if found["__typename"] != "NotFoundProblem":
            self.errors.append(f"{field} by an outsider: {found['__typename']}")

    async def read_own(self) -> None:
        """Somebody of either side reads."""
        sent = self.pick(self.sent)
        if sent is None:
            return
        sends = self.random.random() < 0.5
        who = self.somebody(sent.person.office if sends else sent.recipient)
        name = self.random.choice(["read-referral", "read-package", "read-thread", "find-by-id"])
        data = await self.ask(who, name, ready(name), {"id": sent.id})
        referral = data.get("referral")
        if referral and "version" in referral and "state" in referral:
            self.heard(sent, referral, sender=sends)
        if self.random.random() < 0.3:
            await self.ask(who, "read-client", ready("read-client"), {"id": sent.person.id})
        if sent.consent and self.random.random() < 0.3:
            await self.ask(who, "read-consent", ready("read-consent"), {"id": sent.consent})

    async def read_lists(self) -> None:
        who = self.somebody()
        name = self.random.choice(
            [
                "browse-inbox",
                "browse-sent-referrals",
                "browse-approvals",
                "browse-renewals",
                "browse-notices",
                "browse-unanswered-revocations",
                "browse-due-follow-ups",
                "browse-appointments",
                "compare-experience",
                "find-clients",
                "browse-bookings",
                "read-waiting-list",
            ]
        )
        now = self.database.clock()
        variables: dict[str, Any] = {"first": 20}
        if name == "browse-appointments":
            later = now + timedelta(days=30)
            variables["period"] = {"from": now.isoformat(), "to": later.isoformat()}
        if name == "browse-bookings":
            variables["received"] = self.random.random() < 0.5
        if name == "read-waiting-list":
            variables["serviceId"] = self.random.choice(self.somebody().office.services)
        await self.ask(who, name, ready(name), variables)

    async def export(self) -> None:
        """A referral is exported, or everything about a person, by whoever it pleases."""
        if self.random.random() < 0.6:
            sent = self.pick(self.sent)
            if sent is not None:
                offices = [sent.person.office, sent.recipient, self.pick(self.offices)]
                who = self.somebody(self.pick(offices))
                given = {"id": sent.id, "format": self.random.choice(["TEXT", "JSON"])}
                await self.ask(who, "export-referral", ready("export-referral"), given)
            return
        person = self.person()
        if person is not None:
            who = self.pick([person.responsible, self.somebody()])
            given = {"clientId": person.id, "format": "JSON"}
            await self.ask(who, "export-access", ready("export-access"), given)

    async def search(self) -> None:
        """Somebody searches for a person's name, in the own list and everywhere else."""
        person = self.person()
        if person is None:
            return
        who = self.pick([person.responsible, self.somebody(), self.somebody()])
        name = f"Kx{person.number:06d}FN"
        wanted = self.random.choice([name, name.upper(), person.pseudonym])
        data = await self.ask(who, "find-clients", ready("find-clients"), {"filter": {"name": wanted}})
        found = (data.get("clients") or {}).get("nodes", [])
        if who.office is person.office and person.id not in {one["id"] for one in found}:
            self.errors.append(f"a person of the own office was not found by {wanted!r}")
        if self.random.random() < 0.3:
            query = (
                "query($p: String!) { partners(filter: {namePrefix: $p}, first: 5) { nodes { id name } } }"
            )
            await self.ask(who, "partners by name", query, {"p": name})

    async def bulk(self) -> None:
        """Many at once, among them what is not there for whoever asks."""
        office = self.pick(self.offices)
        own = [one for one in self.sent if one.recipient is office and one.state == "SENT"][:3]
        foreign = [one for one in self.sent if office not in {one.recipient, one.person.office}][:2]
        if not own + foreign:
            return
        began = monotonic()
        for one in own:
            one.opened_from = min(one.opened_from, began)
        found = await self.change(
            self.somebody(office),
            "acknowledgeReferrals",
            items=[{"id": one.id, "expectedVersion": max(one.version, 1)} for one in own + foreign],
        )
        if found["__typename"] != "BulkReferrals":
            self.errors.append(f"bulk: {found}")
            return
        for item in found["items"]:
            mine = next((one for one in own if one.id == item["id"]), None)
            if mine is None:
                self.must_be_gone(item["result"], "acknowledgeReferrals")
            else:
                self.after(mine, item["result"], recipient=True)

    async def book(self) -> None:
        """An interpreter is asked for, confirms, comes or not."""
        if not self.booked or self.random.random() < 0.4:
            person = self.person()
            if person is None:
                return
            to = self.pick([office for office in self.offices if office is not person.office])
            one = Booked("", person, person.responsible, to, named_from=monotonic())
            self.booked.append(one)
            starts = self.database.clock() + timedelta(hours=self.random.randint(30, 900))
            found = await self.change(
                person.responsible,
                "requestBooking",
                serviceId=to.interpreting,
                language="ti",
                mode="ON_SITE",
                startsAt=starts.isoformat(),
                minutes=60,
                clientId=person.id,
                personAgreed=True,
            )
            if found["__typename"] != "BookingSaved":
                self.booked.remove(one)
                return
            one.id, one.version = found["booking"]["id"], found["booking"]["version"]
            # the name is read once it is confirmed, not before
            one.named_from = NEVER
            self.by_id[one.id] = one
            return
        one = self.pick([one for one in self.booked if one.id])
        if one is None:
            return
        await self.ask(self.somebody(one.recipient), "read-booking", ready("read-booking"), {"id": one.id})
        field = self.random.choice(["confirmBooking", "confirmBooking", "declineBooking", "cancelBooking"])
        who = one.requester if field == "cancelBooking" else self.somebody(one.recipient)
        if field == "confirmBooking":
            one.named_from = min(one.named_from, monotonic())
        found = await self.change(who, field, id=one.id, expectedVersion=one.version)
        if found["__typename"] == "BookingSaved":
            one.version, one.state = found["booking"]["version"], found["booking"]["state"]
            if one.state in {"DECLINED", "CANCELLED"}:
                one.over_at = min(one.over_at, monotonic())
        elif found["__typename"] == "StaleVersionProblem":
            one.version = found["current"]

    async def write(self) -> None:
        """Somebody writes to the other side, or notes something beside the state."""
        sent = self.pick([one for one in self.sent if one.state in RUNNING])
        if sent is None:
            return
        recipient = self.random.random() < 0.5
        who = self.somebody(sent.recipient) if recipient else sent.person.responsible
        version = max(sent.version if recipient else sent.senders_version, 1)
        given: dict[str, Any] = {"id": sent.id, "expectedVersion": version}
        turn = self.random.random()
        if turn < 0.5:
            found = await self.change(who, "writeRemark", **given, text=self.new_text(sent, who.office))
        elif recipient and turn < 0.7:
            found = await self.change(who, "giveSignOfLife", **given)
        elif recipient and turn < 0.85:
            on = day_of(self.database.clock()).isoformat()
            found = await self.change(who, "noteNoShow", **given, on=on)
        else:
            found = await self.change(who, "setFileNumber", **given, fileNumber="AZ 7")
        self.after(sent, found, recipient=recipient)

    async def tick(self) -> None:
        """The clock looks, among everything else."""
        self.operations += 1
        self.kinds["the clock"] += 1
        await run_the_clock(self.database)

    async def jump(self) -> None:
        """Time passes for everybody at once; what the clock did then is taken over from the tables."""
        self.operations += 1
        self.kinds["time passes"] += 1
        self.jumped += timedelta(days=self.random.choice([2, 6, 12]), hours=3)
        await run_the_clock(self.database)
        rows = await self.stored("SELECT id, state, version, hidden_changes, sent_at FROM referral")
        for row in rows:
            sent = self.by_id.get(global_id("Referral", row.id))
            if not isinstance(sent, Sent):
                self.errors.append("a referral that nobody was told of")
                continue
            if sent.version > row.version:
                self.errors.append(f"an answer told of version {sent.version}, stored is {row.version}")
            sent.state, sent.version = row.state, row.version
            sent.senders_version = row.version - row.hidden_changes
            if row.state in ENDS and sent.closed_at == NEVER:
                sent.closed_at = monotonic()

    # --- In the end ---------------------------------------------------------------------------------------

    async def stored(self, query: str) -> list[Any]:
        async with self.database.view(SYSTEM) as session:
            return list((await session.execute(text(query))).all())

    async def settle(self) -> dict[str, int]:
        """Check what is stored when all is done; return figures."""
        referrals = await self.stored("SELECT * FROM referral")
        states: dict[Any, str | None] = {}
        ordinals: dict[Any, int] = {}
        events = await self.stored("SELECT * FROM referral_event ORDER BY referral_id, ordinal")
        for event in events:
            state = states.get(event.referral_id)
            assert event.ordinal == ordinals.get(event.referral_id, 0) + 1
            ordinals[event.referral_id] = event.ordinal
            if event.move in MOVES:
                assert event.from_state == state, event
                assert TABLE[state, event.move, event.actor][0] == event.to_state, event
            states[event.referral_id] = event.to_state
        taken: Counter[Any] = Counter()
        doubled: Counter[Any] = Counter()
        for row in referrals:
            assert states[row.id] == row.state, row.id
            if row.state in ENDS:
                assert row.reason or row.decline_reason or row.outcome, row
            if row.place_taken:
                taken[row.service_id] += 1
            if row.state in OPEN:
                doubled[row.client_id, row.service_id] += 1
        assert max(doubled.values(), default=0) <= 1
        assert {row.id for row in referrals} == {
            row.referral_id for row in await self.stored("SELECT DISTINCT referral_id FROM referral_event")
        }
        for row in await self.stored("SELECT id, (capacity->>'places')::int AS places FROM service"):
            if row.places is not None:
                assert row.places + taken[row.id] == 3, row
        dangling = await self.stored(
            "SELECT n.kind FROM notice n WHERE n.about_kind = 'REFERRAL' AND NOT EXISTS"
            " (SELECT 1 FROM referral r WHERE r.id = n.about_id"
            "  AND n.partner_id IN (r.sender_partner_id, r.recipient_partner_id))"
        )
        assert dangling == []
        untold = await self.stored(
            "SELECT r.id FROM referral r WHERE r.sent_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM notice n"
            " WHERE n.about_id = r.id AND n.partner_id = r.recipient_partner_id)"
        )
        assert untold == []
        (notices,) = await self.stored("SELECT count(*) AS number FROM notice")
        return {
            "referrals": len(referrals),
            "events": len(events),
            "places taken": sum(taken.values()),
            "notices": notices.number,
        }

    def figures(self, seconds: float, settled: dict[str, int]) -> str:
        """Return what happened, for people."""
        lines = [
            f"{self.operations:,} operations by {len(self.everybody)} members of {len(self.offices)} offices"
            f" in {seconds:.0f} s, {self.scanned:,} answers scanned, {self.found_own:,} words found that"
            f" their reader may know, {len(self.leaks)} leaks, {len(self.errors)} errors",
            "stored: " + ", ".join(f"{number:,} {name}" for name, number in settled.items()),
            "by kind: " + ", ".join(f"{name} {number:,}" for name, number in self.kinds.most_common()),
            "done: " + ", ".join(f"{name} {number:,}" for name, number in self.answers.most_common()),
            "refused: " + ", ".join(f"{name} {number:,}" for name, number in self.refused.most_common()),
        ]
        return "\n".join(lines)


FIELDS_OF_MOVES: Final = {
    "ABANDON": "abandonReferral",
    "ACKNOWLEDGE": "acknowledgeReferral",
    "ASK": "askAboutReferral",
    "REPLY": "answerQuestion",
    "WAITLIST": "waitlistReferral",
    "ACCEPT": "acceptReferral",
    "DECLINE": "declineReferral",
    "START": "startReferral",
    "HOLD": "holdReferral",
    "RESUME": "resumeReferral",
    "REPORT_OUTCOME": "reportOutcome",
    "CLOSE": "closeReferral",
    "CONTEST": "contestOutcome",
    "CANCEL": "cancelReferral",
}
BY_LINK: Final = {
    "ASK": "ask",
    "WAITLIST": "waitlist",
    "ACCEPT": "accept",
    "DECLINE": "decline",
    "START": "start",
    "HOLD": "hold",
    "RESUME": "resume",
    "REPORT_OUTCOME": "reportOutcome",
}


def _objects(body: Any) -> Iterator[dict[str, Any]]:
    if isinstance(body, dict):
        yield body
        for value in body.values():
            yield from _objects(value)
    elif isinstance(body, list):
        for value in body:
            yield from _objects(value)


def _files(body: Any) -> Iterator[str]:
    """Return what stands in files that an answer carries."""
    for found in _objects(body):
        if isinstance(found.get("base64"), str):
            yield base64.b64decode(found["base64"]).decode("latin-1")


class _Gate:
    """Many together, or one alone: whoever wants to be alone waits until the others are through."""

    def __init__(self) -> None:
        self._inside = 0
        self._alone = asyncio.Lock()
        self._empty = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        async with self._alone:
            self._inside += 1
        try:
            yield
        finally:
            async with self._empty:
                self._inside -= 1
                self._empty.notify_all()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._alone:
            async with self._empty:
                await self._empty.wait_for(lambda: not self._inside)
            yield
