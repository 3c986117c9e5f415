"""A machine walks referrals through the GraphQL face, with all actors, and a model says what must happen.

Each rule is a real operation, asked by whoever it pleases; the model (``referral_model``, written from the
design) predicts whether it is done or refused and why, and after each step what every side reads.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from time import monotonic
from typing import Any, ClassVar
from uuid import UUID

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from directory.actors import SYSTEM
from directory.database import Database
from directory.values import Capacity
from directory.vocabulary import CapacityState
from graphapi.embedded import Access
from graphapi.relay import global_id, parse_id
from referrals.personal_data.keystore import KeyStore
from referrals.ticking import run_the_clock
from tests.graphapi.asking import Api
from tests.graphapi.conftest import make_service, served
from tests.graphapi.exchanging import CATEGORIES, RECORD, Town, key, make_town
from tests.graphapi.referral_model import (
    ENDS,
    HIDDEN,
    MOVES,
    OPEN,
    RUNNING,
    STAGES,
    TABLE,
    TAKEN,
    UNSENT,
    Case,
    Consent,
    Link,
    day_of,
    last_second,
    moves,
    senders_moves,
    working_day,
)

SENDERS = ("coordinator", "lead", "colleague")
"""Responsible; a LEAD, who may act too; a colleague, who only sees it."""
MAY_ACT = frozenset({"coordinator", "lead"})
OFFICES = ("staff", "other_staff")
OUTSIDERS = ("stranger", "jobcenter", "anonymous")
EVERYBODY = (*SENDERS, *OFFICES, *OUTSIDERS)
FAMILY_NAME = "Kanarienvogelsang"
HEALTH = "HEALTH"

SEEN = """query($id: ID!) { referral(id: $id) {
  id version state seenAs allowedMoves recordableMoves topic language area pseudonym clientId consentId
  package { person { familyName } } packageClosedBecause outcome outcomeOn resumeOn updatedAt
  events { ordinal move fromState toState actor } } }"""

OPERATIONS: dict[str, tuple[str, str]] = {
    "AWAIT_CONSENT": ("awaitConsent", "SENDER"),
    "ABANDON": ("abandonReferral", "SENDER"),
    "ACKNOWLEDGE": ("acknowledgeReferral", "RECIPIENT"),
    "ASK": ("askAboutReferral", "RECIPIENT"),
    "REPLY": ("answerQuestion", "SENDER"),
    "WAITLIST": ("waitlistReferral", "RECIPIENT"),
    "ACCEPT": ("acceptReferral", "RECIPIENT"),
    "DECLINE": ("declineReferral", "RECIPIENT"),
    "START": ("startReferral", "RECIPIENT"),
    "HOLD": ("holdReferral", "RECIPIENT"),
    "RESUME": ("resumeReferral", "RECIPIENT"),
    "REPORT_OUTCOME": ("reportOutcome", "RECIPIENT"),
    "CLOSE": ("closeReferral", "SENDER"),
    "CONTEST": ("contestOutcome", "SENDER"),
    "CANCEL": ("cancelReferral", "SENDER"),
}
"""Moves as operations: the field, and whose move it is."""

BY_CARD = frozenset({"ABANDON", "CANCEL", "CONTEST"})
BY_LINK = {
    "ASK": "ask",
    "WAITLIST": "waitlist",
    "ACCEPT": "accept",
    "DECLINE": "decline",
    "START": "start",
    "HOLD": "hold",
    "RESUME": "resume",
    "REPORT_OUTCOME": "reportOutcome",
}


@dataclasses.dataclass
class Run:
    """What all walks of a test share: the town, its loop, and what is counted."""

    town: Town
    loop: asyncio.AbstractEventLoop
    began: datetime
    counted: Counter[str] = dataclasses.field(default_factory=Counter)

    def __call__(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(what)


class Machine(RuleBasedStateMachine):
    """One walk: two people, two services, and whatever comes of it."""

    shared: ClassVar[Run]

    def __init__(self) -> None:
        super().__init__()
        self.town = self.shared.town
        self.now = self.shared.began
        self.town.database.clock = lambda: self.now
        self.cases: list[Case] = []
        self.consents: list[Consent] = []
        self.cards: dict[str, str] = {}
        self.pseudonyms: dict[str, str] = {}
        self.clients: list[str] = []
        self.services: dict[str, str] = {}
        self.places = 1
        self.full = ""
        self.steps = 0
        self.shared.counted["walks"] += 1

    @property
    def today(self) -> Any:
        return day_of(self.now)

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self.shared(what)

    def do(self, who: str, field: str, **given: Any) -> Any:
        self.shared.counted["operations"] += 1
        found = self.run(self.town.do(who, field, **given))
        self.shared.counted[f"{field} {found['__typename']}"] += 1
        return found

    # --- Beginning ----------------------------------------------------------------------------------------

    @initialize(
        data=st.data(),
        depth=st.sampled_from(["NOTHING", "CONTACT_MADE", "OUTCOME", "OUTCOME", None]),
        far=st.sampled_from([0, 1, 2, 3, 3, 4, 4]),
    )
    def begin(self, data: st.DataObject, depth: str | None, far: int) -> None:
        """Make two people and two services; one person is on their way already, so that walks get far."""

        async def make() -> None:
            for _ in range(2):
                client = await self.town.client(
                    identity={"familyName": FAMILY_NAME},
                    profile={"health": "x", "workPermission": "ASK"},
                    statusValidUntil=None,
                )
                self.clients.append(client["id"])
                self.pseudonyms[client["id"]] = client["pseudonym"]
            counted = Capacity(state=CapacityState.FEW, places=1)
            one = await make_service(self.town.database, self.town.world.partner, capacity=counted)
            two = await make_service(self.town.database, self.town.world.other_partner)
            self.full = global_id("Service", one)
            self.services = {self.full: "staff", global_id("Service", two): "other_staff"}

        self.run(make())
        if far == 0:
            return
        service, office = data.draw(st.sampled_from(sorted(self.services.items())))
        self.new_draft(self.clients[0], service, CATEGORIES)
        self.new_consent(self.clients[0], depth, OFFICES, 300, CATEGORIES)
        case = self.cases[0]
        self.new_sending(case, self.consents[0])
        for move in ("ACKNOWLEDGE", "ACCEPT", "START")[: far - 1]:
            self.move(case, office, "direct", move, data, stale=0, again=False)

    def partner_of(self, office: str) -> str:
        return {"staff": self.town.partner_id, "other_staff": self.town.other_partner_id}[office]

    # --- Drafts and consents ------------------------------------------------------------------------------

    @precondition(lambda self: sum(case.state in OPEN for case in self.cases) < 4)
    @rule(data=st.data(), health=st.sampled_from([False, False, True]))
    def draft(self, data: st.DataObject, health: bool) -> None:
        client = data.draw(st.sampled_from(self.clients))
        service = data.draw(st.sampled_from(list(self.services)))
        self.new_draft(client, service, [*CATEGORIES, HEALTH] if health else CATEGORIES)

    def new_draft(self, client: str, service: str, categories: list[str]) -> None:
        found = self.do(
            "coordinator",
            "draftReferral",
            clientId=client,
            serviceId=service,
            topic=self.town.topic,
            categories=categories,
        )
        doubled = any((c.client, c.service) == (client, service) and c.state in OPEN for c in self.cases)
        if doubled:
            assert found["__typename"] == "DuplicateReferralProblem", found
            return
        case = Case(
            id=found["referral"]["id"],
            client=client,
            service=service,
            recipient=self.services[service],
            categories=frozenset(categories),
            made=self.now,
        )
        self.cases.append(case)
        self.check(case)

    @rule(
        data=st.data(),
        depth=st.sampled_from(["NOTHING", "CONTACT_MADE", "OUTCOME", "OUTCOME", None]),
        recipients=st.sampled_from([OFFICES, OFFICES, OFFICES[:1], OFFICES[1:]]),
        days=st.sampled_from([3, 40, 300, 300]),
        health=st.booleans(),
    )
    def consent(
        self, data: st.DataObject, depth: str | None, recipients: tuple[str, ...], days: int, health: bool
    ) -> None:
        """A person consents; with ``depth`` None there is nothing beside REFERRAL."""
        client = data.draw(st.sampled_from(self.clients))
        self.new_consent(client, depth, recipients, days, [*CATEGORIES, HEALTH] if health else CATEGORIES)

    def new_consent(
        self, client: str, depth: str | None, recipients: tuple[str, ...], days: int, categories: list[str]
    ) -> None:
        purposes: list[dict[str, Any]] = [{"purpose": "REFERRAL", "categories": categories}]
        if depth is not None:
            purposes.append({"purpose": "REPORT_BACK", "reportDepth": depth})
        asked = self.do(
            "coordinator",
            "requestConsent",
            clientId=client,
            recipientIds=[self.partner_of(office) for office in recipients],
            purposes=purposes,
        )
        last_day = self.today + timedelta(days=days)
        recorded = self.do(
            "coordinator",
            "recordConsent",
            id=asked["consent"]["id"],
            expectedVersion=1,
            granted=[purpose["purpose"] for purpose in purposes],
            record=RECORD,
            validUntil=last_day.isoformat(),
        )
        assert recorded["__typename"] == "ConsentSaved", recorded
        self.consents.append(
            Consent(
                id=recorded["consent"]["id"],
                client=client,
                recipients=frozenset(recipients),
                purposes=frozenset(purpose["purpose"] for purpose in purposes),
                categories=frozenset(categories),
                depth=depth or "NOTHING",
                until=last_second(last_day) + timedelta(seconds=1),
                version=recorded["consent"]["version"],
            )
        )

    @precondition(lambda self: any(case.state in UNSENT for case in self.cases) and self.consents)
    @rule(data=st.data(), fitting=st.sampled_from([True, True, True, False]))
    def send(self, data: st.DataObject, fitting: bool) -> None:
        case = data.draw(st.sampled_from([case for case in self.cases if case.state in UNSENT]))
        covering = [c for c in self.consents if c.client == case.client and self.covers(c, case)]
        self.new_sending(case, data.draw(st.sampled_from((fitting and covering) or self.consents)))

    def covers(self, consent: Consent, case: Case) -> bool:
        return consent.covers(case.recipient, case.categories, self.now)

    def new_sending(self, case: Case, consent: Consent) -> None:
        found = self.do(
            "coordinator",
            "sendReferral",
            id=case.id,
            expectedVersion=case.version,
            consentId=consent.id,
            capacityReason="NO_ALTERNATIVE",
        )
        if consent.client != case.client:
            assert found["__typename"] == "NotFoundProblem", found
        elif not self.covers(consent, case):
            assert found["__typename"] == "ConsentMissingProblem", found
        else:
            assert found["__typename"] == "ReferralSaved", found
            case.consent, case.sent = consent, True
            case.due_on = working_day(self.today, 10)
            case.go("SEND", "SENDER", self.now)
        self.check(case)

    # --- Moves --------------------------------------------------------------------------------------------

    def given_for(self, move: str, data: st.DataObject) -> dict[str, Any]:
        """Return what is said with a move; always something that could be said."""

        def in_days(low: int, high: int) -> str:
            return str((self.today + timedelta(days=data.draw(st.integers(low, high)))).isoformat())

        match move:
            case "ABANDON" | "CANCEL":
                return {"reason": "PERSON_DOES_NOT_WANT"}
            case "CONTEST":
                return {"reason": "OUTCOME_WRONG"}
            case "ASK":
                return {"question": "Ab wann?"}
            case "REPLY":
                return {"answer": "Sofort."}
            case "WAITLIST":
                return {"expectedWeek": in_days(0, 60)}
            case "ACCEPT":
                return {
                    "contact": "Empfang",
                    "firstContactOn": in_days(0, 20),
                    "expectedEnd": in_days(20, 90),
                }
            case "DECLINE":
                return {"reason": "DATES_DO_NOT_FIT"}
            case "START":
                return {"firstContactMadeOn": self.today.isoformat()}
            case "HOLD":
                return {"reason": "PERSON_ILL", "resumeOn": in_days(1, 200)}
            case "REPORT_OUTCOME":
                outcome = data.draw(st.sampled_from(["NEED_MET", "NOT_MET"]))
                return {"outcome": outcome, "outcomeOn": self.today.isoformat(), "reason": "NO_PLACE"}
            case "CLOSE":
                return {"feedbackAsked": "UNREACHABLE"}
            case _:
                return {}

    @precondition(lambda self: self.cases)
    @rule(data=st.data(), again=st.booleans())
    def likely(self, data: st.DataObject, again: bool) -> None:
        """Somebody makes a move that is theirs."""
        self.go_on(data, {"SENDER", "RECIPIENT"}, again)

    @precondition(lambda self: any(case.sent and case.state not in ENDS for case in self.cases))
    @rule(data=st.data(), again=st.booleans())
    def the_partner_goes_on(self, data: st.DataObject, again: bool) -> None:
        self.go_on(data, {"RECIPIENT"}, again)

    def go_on(self, data: st.DataObject, parties: set[str], again: bool) -> None:
        possible = [
            (number, way, move)
            for number, case in enumerate(self.cases)
            for move, (_, party) in OPERATIONS.items()
            if party in parties and move in moves(case.judged(case.state, self.now), party)
            for way in self.ways(case, move)
        ]
        if not possible:
            return
        number, way, move = data.draw(st.sampled_from(possible))
        case = self.cases[number]
        self.move(case, self.owner(case, way, move), way, move, data, stale=0, again=again)

    def owner(self, case: Case, way: str, move: str) -> str:
        if way in {"card", "link"}:
            return "anonymous"
        return case.recipient if way == "direct" and OPERATIONS[move][1] == "RECIPIENT" else "coordinator"

    @precondition(lambda self: self.cases)
    @rule(
        data=st.data(),
        who=st.sampled_from(EVERYBODY),
        move=st.sampled_from(sorted(OPERATIONS)),
        stale=st.sampled_from([0, 0, 0, -1, 1]),
        again=st.booleans(),
    )
    def arbitrary(self, data: st.DataObject, who: str, move: str, stale: int, again: bool) -> None:
        """Somebody tries something."""
        case = data.draw(st.sampled_from(self.cases))
        way = data.draw(st.sampled_from(self.ways(case, move)))
        self.move(case, who, way, move, data, stale=stale, again=again)

    def ways(self, case: Case, move: str) -> list[str]:
        """Return on which ways a move can be tried now."""
        found = ["direct"]
        if OPERATIONS[move][1] == "RECIPIENT":
            found.append("recorded")
            if case.link is not None and move in BY_LINK:
                found.append("link")
        if move in BY_CARD and case.client in self.cards:
            found.append("card")
        return found

    def move(
        self, case: Case, who: str, way: str, move: str, data: st.DataObject, *, stale: int, again: bool
    ) -> None:
        field, party = OPERATIONS[move]
        if way == "card":
            party = "PERSON"
        said = self.given_for(move, data)
        given: dict[str, Any] = {"id": case.id, "idempotencyKey": key()}
        sends = way != "link" and (party != "RECIPIENT" or way == "recorded")
        as_recipient = who == case.recipient and way == "direct"
        version = case.version - (0 if as_recipient and not sends else case.hidden)
        given["expectedVersion"] = version + stale
        match way:
            case "recorded":
                field = "recordPartnerAnswer"
                name = {"ACKNOWLEDGE": "acknowledge", **BY_LINK}[move]
                given |= {"source": "PHONE", "on": self.today.isoformat(), "answer": {name: said or True}}
            case "link":
                assert case.link is not None
                field = "answerByLink"
                del given["id"], given["expectedVersion"]
                given |= {"code": case.link.code, "answer": {BY_LINK[move]: said or True}}
            case "card":
                field = "moveByCard"
                del given["id"]
                given |= {"referralId": case.id, "code": self.cards[case.client], "move": move, **said}
            case _:
                given |= said
                if move == "AWAIT_CONSENT" and self.consents:
                    mine = [one.id for one in self.consents if one.client == case.client]
                    given["consentId"] = data.draw(st.sampled_from([None, *mine]))
        expected = self.expected(case, who, way, move, party, stale, sends=sends)
        found = self.do(who, field, **given)
        assert found["__typename"].removesuffix("Problem") == expected[0], (
            who,
            way,
            move,
            expected,
            found,
            case,
        )
        if expected[0] == "TransitionNotAllowed" and expected[1]:
            assert found["from"] == expected[1], (who, way, move, expected, found)
        if not found["__typename"].endswith("Problem"):
            self.happened(case, way, move, party, said, given.get("consentId"))
            self.shared.counted[f"move {move} by {way}"] += 1
        if again and expected[0] not in {"NotSignedIn", "NotFound"}:
            # the same once more, under the same key: it acts once, whatever has changed since
            repeated = self.do(who, field, **given)
            assert repeated["__typename"] == found["__typename"], (found, repeated)
        self.check(case)

    def expected(
        self, case: Case, who: str, way: str, move: str, party: str, stale: int, *, sends: bool
    ) -> tuple[str, str | None]:
        """Predict what an operation answers: its kind, and for an illegal move the state that is named."""
        judged = case.judged(case.state, self.now)
        if way == "link":
            assert case.link is not None
            if not self.link_lives(case):
                return ("AnswerLinkClosed", None)
        elif way != "card":
            if who == "anonymous":
                return ("NotSignedIn", None)
            knows = who in SENDERS or (who == case.recipient and case.sent)
            if not knows:
                return ("NotFound", None)
            if (who in SENDERS) != sends or (sends and who not in MAY_ACT):
                return ("NotAllowed", None)
        if stale and way != "link":
            return ("StaleVersion", None)
        side = "RECIPIENT" if way == "recorded" else party
        if sends and judged in RUNNING:
            shown = case.judged(case.shown, self.now)
            if move not in senders_moves(shown, case.depth, side):
                return ("TransitionNotAllowed", shown)
        if (judged, move, side) not in TABLE:
            return ("TransitionNotAllowed", judged)
        if move == "ACCEPT" and case.service == self.full and self.places == 0:
            return ("NoPlaceLeft", None)
        return ({"link": "AnswerTaken", "card": "CardSaved"}.get(way, "ReferralSaved"), None)

    def happened(
        self, case: Case, way: str, move: str, party: str, said: dict[str, Any], consent_id: str | None
    ) -> None:
        depth = "NOTHING" if case.consent is None else case.consent.depth_now(case.recipient, self.now)
        day = {name: datetime.fromisoformat(value).date() for name, value in said.items() if _is_day(value)}
        match move:
            case "AWAIT_CONSENT" if consent_id:
                case.consent = next(one for one in self.consents if one.id == consent_id)
            case "ASK":
                case.stopped_on = self.today
                case.question_due = last_second(working_day(self.today, 5))
            case "REPLY":
                case.continue_clock(self.now)
            case "WAITLIST":
                case.week = day["expectedWeek"] - timedelta(days=day["expectedWeek"].weekday())
            case "ACCEPT":
                case.first_contact, case.expected_end = day["firstContactOn"], day["expectedEnd"]
                if case.service == self.full:
                    case.place_taken = True
                    self.places -= 1
            case "START" | "RESUME":
                case.sign, case.resume_on = self.today, None
            case "HOLD":
                case.sign, case.resume_on = self.today, day["resumeOn"]
            case "REPORT_OUTCOME":
                case.outcome = said["outcome"] if depth == "OUTCOME" else "NOT_DISCLOSED"
                case.resume_on = None
            case "CONTEST":
                case.outcome, case.sign = None, self.today
            case "CLOSE":
                case.closed_at = self.now
            case _:
                pass
        case.go(move, party, self.now, told=move not in HIDDEN[depth])
        self.places += case.give_back()
        if way == "link" and move not in {"ACKNOWLEDGE", "ASK"}:
            assert case.link is not None
            case.link.live = False

    # --- Links and cards ----------------------------------------------------------------------------------

    def link_lives(self, case: Case) -> bool:
        link = case.link
        return (
            link is not None
            and link.live
            and self.now < link.expires
            and case.state in link.stage
            and self.waited_for(case)
            and not self.withheld(case)
        )

    def waited_for(self, case: Case) -> bool:
        """Whether the partner is waited for: under a consent; after its end, what it did with the data."""
        if case.state == "CONSENT_REVOKED":
            return case.sent and not case.revocation_answered
        return case.covered(self.now)

    def withheld(self, case: Case) -> bool:
        """Whether a link made by the sender would show it what it may not know."""
        return case.state in TAKEN and case.depth != "OUTCOME"

    @precondition(lambda self: any(case.sent for case in self.cases))
    @rule(data=st.data(), who=st.sampled_from(["coordinator"] * 2 + ["colleague", "staff", "stranger"]))
    def issue_link(self, data: st.DataObject, who: str) -> None:
        case = data.draw(st.sampled_from([case for case in self.cases if case.sent]))
        found = self.do(who, "issueAnswerLink", referralId=case.id)
        stage = next((stage for stage in STAGES if case.state in stage), None)
        if who not in SENDERS:
            assert found["__typename"] in {"NotFoundProblem", "NotAllowedProblem"}, found
            assert (found["__typename"] == "NotAllowedProblem") == (who == case.recipient)
        elif who not in MAY_ACT:
            assert found["__typename"] == "NotAllowedProblem", found
        elif stage is None or not self.waited_for(case) or self.withheld(case):
            assert found["__typename"] == "TransitionNotAllowedProblem", found
        else:
            assert found["__typename"] == "AnswerLinkIssued", found
            case.link = Link(
                code=found["answerCode"], stage=stage, expires=datetime.fromisoformat(found["expiresAt"])
            )
            assert self.now < case.link.expires <= self.now + timedelta(days=30)

    @rule(data=st.data(), again=st.booleans())
    def answer_by_a_new_link(self, data: st.DataObject, again: bool) -> None:
        """A partner without an account gets a link and answers with it."""
        possible = [
            (number, move)
            for number, case in enumerate(self.cases)
            if case.sent and self.waited_for(case) and not self.withheld(case)
            for move in BY_LINK
            if move in moves(case.state, "RECIPIENT")
        ]
        if not possible:
            return
        number, move = data.draw(st.sampled_from(possible))
        case = self.cases[number]
        found = self.do("coordinator", "issueAnswerLink", referralId=case.id)
        stage = next(stage for stage in STAGES if case.state in stage)
        expires = datetime.fromisoformat(found["expiresAt"])
        case.link = Link(code=found["answerCode"], stage=stage, expires=expires)
        self.move(case, "anonymous", "link", move, data, stale=0, again=again)

    @precondition(lambda self: any(case.link for case in self.cases))
    @rule(data=st.data())
    def open_by_link(self, data: st.DataObject) -> None:
        case = data.draw(st.sampled_from([case for case in self.cases if case.link]))
        assert case.link is not None
        looked = (
            "query($code: String!) { answerPage(code: $code) { __typename ... on AnswerPage { state } } }"
        )
        page = self.run(self.town.ask(looked, {"code": case.link.code}, who="anonymous")).data["answerPage"]
        lives = self.link_lives(case)
        assert page == (
            {"__typename": "AnswerPage", "state": case.state}
            if lives
            else {"__typename": "AnswerLinkClosedProblem"}
        )
        found = self.do("anonymous", "openAsRecipient", code=case.link.code)
        if not lives:
            assert found["__typename"] == "AnswerLinkClosedProblem", found
        elif case.state == "CONSENT_REVOKED" or (case.state == "INFO_REQUESTED" and not case.opened):
            assert found["__typename"] == "PackageClosedProblem", found
        else:
            assert found["package"]["person"]["familyName"] == FAMILY_NAME, found
            if case.state == "SENT":
                case.go("ACKNOWLEDGE", "RECIPIENT", self.now)
        self.check(case)

    @rule(data=st.data(), anew=st.sampled_from([False, False, False, True]))
    def issue_card(self, data: st.DataObject, anew: bool) -> None:
        client = data.draw(st.sampled_from(self.clients))
        if client in self.cards and not anew:
            return
        former = self.cards.get(client)
        issued = self.do("coordinator", "issueCodeCard", clientId=client, language="ar")
        self.cards[client] = issued["cardCode"]
        if former is not None:
            found = self.do("anonymous", "withdrawByCard", code=former)
            assert found["__typename"] == "CodeNotValidProblem", found

    # --- The consent engine -------------------------------------------------------------------------------

    @precondition(lambda self: self.consents)
    @rule(
        data=st.data(),
        what=st.sampled_from(["ALL", "REFERRAL", "REPORT_BACK", *OFFICES]),
        by_card=st.booleans(),
        who=st.sampled_from(["coordinator", "coordinator", "coordinator", "colleague", *OFFICES, *OUTSIDERS]),
    )
    def withdraw(self, data: st.DataObject, what: str, by_card: bool, who: str) -> None:
        consent = data.draw(st.sampled_from(self.consents))
        given: dict[str, Any] = {"scope": "ALL"}
        if what in OFFICES:
            given = {"scope": "RECIPIENT", "recipientId": self.partner_of(what)}
        elif what != "ALL":
            given = {"scope": "PURPOSE", "purpose": what}
        by_card = by_card and consent.client in self.cards
        if by_card:
            code = self.cards[consent.client]
            found = self.do("anonymous", "withdrawByCard", code=code, consentId=consent.id, **given)
        else:
            found = self.do(
                who,
                "withdrawConsent",
                id=consent.id,
                expectedVersion=consent.version,
                channel="PHONE",
                **given,
            )
        named = what == "ALL" or what in consent.recipients | consent.purposes
        if not by_card and who != "coordinator":
            wanted = {"colleague": "NotAllowedProblem", "anonymous": "NotSignedInProblem"}
            assert found["__typename"] == wanted.get(who, "NotFoundProblem"), found
        elif by_card and (consent.state != "GIVEN" or not named):
            assert found["__typename"] == "InvalidInputProblem", found
        elif consent.state != "GIVEN":
            assert found["__typename"] == "ConsentNotOpenProblem", found
        elif not named:
            assert found["__typename"] == "InvalidInputProblem", found
        else:
            assert found["__typename"] == ("WithdrawnByCard" if by_card else "ConsentWithdrawn"), found
            self.withdrawn(consent, what)
        self.shared.counted[f"withdraw {what}"] += not found["__typename"].endswith("Problem")

    def withdrawn(self, consent: Consent, what: str) -> None:
        recipients = consent.recipients - {what}
        purposes = consent.purposes - {what}
        rest = None
        if what != "ALL" and recipients and purposes:
            query = "query($id: ID!) { client(id: $id) { consents { id version supersedesId } } }"
            answer = self.run(self.town.ask(query, {"id": consent.client}, who="coordinator"))
            (made,) = [one for one in answer.data["client"]["consents"] if one["supersedesId"] == consent.id]
            rest = dataclasses.replace(
                consent, id=made["id"], version=made["version"], recipients=recipients, purposes=purposes
            )
            self.consents.append(rest)
        consent.state = "WITHDRAWN" if rest is None else "SUPERSEDED"
        consent.taken_back = frozenset({what})
        consent.version += 1
        for case in self.cases:
            if case.consent is not consent:
                continue
            if case.state in OPEN:
                case.count(self.now)
                if rest is not None and rest.covers(case.recipient, case.categories, self.now):
                    case.consent = rest
                else:
                    case.version -= 1  # the move counts itself
                    case.go("REVOKE", "CONSENT", self.now)
                    self.places += case.give_back()
            elif rest is not None and case.recipient in recipients and case.state != "CONSENT_REVOKED":
                case.consent = rest
                case.count(self.now)
            self.check(case)

    @precondition(lambda self: any(case.state == "CONSENT_REVOKED" for case in self.cases))
    @rule(data=st.data(), recorded=st.booleans(), by_link=st.booleans())
    def answer_revocation(self, data: st.DataObject, recorded: bool, by_link: bool) -> None:
        case = data.draw(st.sampled_from([case for case in self.cases if case.state == "CONSENT_REVOKED"]))
        if by_link and case.link is not None:
            lives = self.link_lives(case)
            said = {"revocationAnswered": {"answer": "DELETED"}}
            found = self.do("anonymous", "answerByLink", code=case.link.code, answer=said)
            assert found["__typename"] == ("AnswerTaken" if lives else "AnswerLinkClosedProblem"), found
            if lives:
                case.revocation_answered, case.link.live = True, False
                case.count(self.now)
                self.shared.counted["revocation answered by link"] += 1
            self.check(case)
            return
        if recorded:
            found = self.do(
                "coordinator",
                "recordPartnerAnswer",
                id=case.id,
                expectedVersion=case.version - case.hidden,
                source="PHONE",
                on=self.today.isoformat(),
                answer={"revocationAnswered": {"answer": "DELETED"}},
            )
        else:
            found = self.do(
                case.recipient, "answerRevocation", id=case.id, expectedVersion=case.version, answer="DELETED"
            )
        if not case.sent and not recorded:
            assert found["__typename"] == "NotFoundProblem", found
        elif case.revocation_answered:
            assert found["__typename"] == "TransitionNotAllowedProblem", found
        elif case.sent:
            assert found["__typename"] == "ReferralSaved", found
            case.revocation_answered = True
            case.count(self.now)
        else:
            assert found["__typename"].endswith("Problem"), found
        self.check(case)

    @precondition(lambda self: any(case.state in TAKEN for case in self.cases))
    @rule(data=st.data(), by_link=st.booleans())
    def sign_of_life(self, data: st.DataObject, by_link: bool) -> None:
        """The partner says that it is still at it; the sender knows of it where all may be told."""
        case = data.draw(st.sampled_from([case for case in self.cases if case.state in TAKEN]))
        if by_link and case.link is not None:
            wanted = "AnswerTaken" if self.link_lives(case) else "AnswerLinkClosedProblem"
            said = {"signOfLife": True}
            found = self.do("anonymous", "answerByLink", code=case.link.code, answer=said)
        else:
            wanted = "ReferralSaved" if case.covered(self.now) else "TransitionNotAllowedProblem"
            found = self.do(case.recipient, "giveSignOfLife", id=case.id, expectedVersion=case.version)
        assert found["__typename"] == wanted, (found, case)
        if not wanted.endswith("Problem"):
            assert case.consent is not None
            case.sign = self.today
            case.count(self.now, told=case.consent.depth_now(case.recipient, self.now) == "OUTCOME")
            self.shared.counted["sign of life by " + ("link" if "answer" in found else "member")] += 1
        self.check(case)

    # --- Four eyes ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.cases)
    @rule(
        data=st.data(),
        reopen=st.booleans(),
        who=st.sampled_from(["coordinator", "coordinator", "lead"]),
        by=st.sampled_from(["second_lead", "second_lead", "lead", "coordinator", "stranger"]),
    )
    def four_eyes(self, data: st.DataObject, reopen: bool, who: str, by: str) -> None:
        closed = [case for case in self.cases if case.state == "CLOSED"]
        case = data.draw(st.sampled_from(closed if reopen and closed else self.cases))
        field, move = ("reopenReferral", "REOPEN") if reopen else ("correctReferral", "CORRECT")
        reason = "NOT_FINISHED" if reopen else "WRONG_PERSON"
        version = case.version - case.hidden
        found = self.do(who, field, id=case.id, expectedVersion=version, reason=reason)
        row = TABLE.get((case.state, move, "SENDER"))
        late = reopen and (case.closed_at is None or self.now > case.closed_at + timedelta(days=30))
        if row is None or late:
            assert found["__typename"] == "TransitionNotAllowedProblem", found
            # what is named is what the sender knows, not what lies behind it
            assert found["from"] == case.shown, (found, case)
        elif not row[1]:
            assert found["__typename"] == "ReferralSaved", found
            case.go(move, "SENDER", self.now)
        elif reopen and not case.covered(self.now):
            assert found["__typename"] == "ConsentMissingProblem", found
        elif found["__typename"] == "InvalidInputProblem":
            assert found["reason"] == "already-requested", found
        else:
            assert found["__typename"] == "ApprovalRequested", found
            self.decide(case, move, found["approval"], who, by)
        self.check(case)

    def decide(self, case: Case, move: str, approval: Any, who: str, by: str) -> None:
        decision = {"id": approval["id"], "expectedVersion": approval["version"]}
        found = self.do(by, "confirmApproval", **decision)
        doubled = any(
            (other.client, other.service) == (case.client, case.service)
            and other.state in OPEN
            and other is not case
            for other in self.cases
        )
        if by in {"stranger", "coordinator", who}:
            # whoever is no LEAD confirms nothing, whether or not it is there
            assert found["__typename"] == "NotAllowedProblem", found
        elif move == "REOPEN" and doubled:
            assert found["__typename"] == "DuplicateReferralProblem", found
        else:
            assert found["__typename"] == "ApprovalSaved", found
            if move == "REOPEN":
                case.outcome = case.closed_at = None
                case.sign = self.today
            else:
                case.outcome = None
            case.go(move, "SENDER", self.now)
            self.places += case.give_back()
            return
        refused = self.do("second_lead", "refuseApproval", **decision)
        assert refused["__typename"] == "ApprovalSaved", refused

    # --- Time ---------------------------------------------------------------------------------------------

    @rule(
        days=st.sampled_from([1, 1, 3, 3, 9, 20, 45, 120]),
        seconds=st.integers(0, 86_399),
        ticks=st.booleans(),
    )
    def time_passes(self, days: int, seconds: int, ticks: bool) -> None:
        self.now += timedelta(days=days, seconds=seconds)
        if ticks:
            self.tick()
        elif self.cases:
            self.check(self.cases[-1])

    def tick(self) -> None:
        self.run(run_the_clock(self.town.database))
        moved = []
        for case in self.cases:
            before = case.state, case.version
            self.places += case.tick(self.now)
            self.catch_up(case)
            if before != (case.state, case.version):
                moved.append(case)
            if before[0] != case.state:
                self.shared.counted[f"clock {before[0]} to {case.state}"] += 1
        for consent in self.consents:
            if consent.state == "GIVEN" and consent.until <= self.now:
                consent.state = "EXPIRED"
                consent.version += 1
        for case in moved:
            self.check(case)

    def catch_up(self, case: Case) -> None:
        """Count the marks (an answer is overdue) that the clock has set beside the state."""
        found = self.see(case, "coordinator")
        marks = found["version"] - (case.version - case.hidden)
        assert 0 <= marks <= 2, (found, case)
        if marks:
            case.version += marks
            case.changed = case.told = self.now

    # --- What each side reads -----------------------------------------------------------------------------

    def see(self, case: Case, who: str) -> Any:
        return self.run(self.town.ask(SEEN, {"id": case.id}, who=who)).body.get("data", {}).get("referral")

    def check(self, case: Case) -> None:
        """Compare what the parties and one of the others read with what they ought to."""
        self.steps += 1
        others = ("lead", "colleague", *OUTSIDERS, *OFFICES)
        self.check_as(case, "coordinator")
        self.check_as(case, case.recipient)
        self.check_as(case, others[self.steps % len(others)])
        self.shared.counted["states " + case.state] += 1

    def check_as(self, case: Case, who: str) -> None:
        self.shared.counted["readings"] += 1
        found = self.see(case, who)
        if who in SENDERS:
            self.check_sender(case, who, found)
        elif who == case.recipient and case.sent:
            self.check_recipient(case, found)
        else:
            assert found is None, (who, found)

    def check_sender(self, case: Case, who: str, found: Any) -> None:
        state = case.judged(case.shown, self.now)
        allowed = senders_moves(state, case.depth, "SENDER") if who in MAY_ACT else frozenset()
        recordable = senders_moves(state, case.depth, "RECIPIENT") if allowed else frozenset()
        expected = {
            "seenAs": "SENDER",
            "state": state,
            "version": case.version - case.hidden,
            "allowedMoves": sorted(allowed),
            "recordableMoves": sorted(recordable),
            "topic": self.town.topic,
            "clientId": case.client,
            "consentId": None if case.consent is None else case.consent.id,
            "pseudonym": self.pseudonyms[case.client],
            "open": case.sent and state in RUNNING,
            "outcome": case.outcome_for_sender(),
            "updatedAt": case.told.astimezone(UTC),
        }
        self.same(case, who, expected, found)
        if case.depth != "OUTCOME":
            assert (found["outcomeOn"], found["resumeOn"]) == (None, None), found
        self.replay(found["events"], case.shown)

    def check_recipient(self, case: Case, found: Any) -> None:
        state = case.judged(case.state, self.now)
        is_open = case.open_for_recipient(self.now)
        gone = state == "CONSENT_REVOKED" or case.state == "ENTERED_IN_ERROR"
        expected = {
            "seenAs": "RECIPIENT",
            "state": state,
            "version": case.version,
            "allowedMoves": sorted(moves(state, "RECIPIENT")),
            "recordableMoves": [],
            "topic": self.town.topic,
            "language": None if gone else "ti",
            "clientId": None,
            "consentId": None,
            "pseudonym": self.pseudonyms[case.client] if is_open or case.opened else None,
            "open": is_open,
            "outcome": case.outcome,
            "updatedAt": case.changed.astimezone(UTC),
        }
        self.same(case, case.recipient, expected, found)
        # the invariant itself, apart from the state: nothing is readable that no consent covers now
        assert found["package"] is None or case.covered(self.now)
        self.replay(found["events"], case.state)

    def same(self, case: Case, who: str, expected: dict[str, Any], found: Any) -> None:
        read = {
            **found,
            "allowedMoves": sorted(found["allowedMoves"]),
            "recordableMoves": sorted(found["recordableMoves"]),
            "open": found["package"] is not None,
            "updatedAt": datetime.fromisoformat(found["updatedAt"]),
        }
        differing = {name: (value, read[name]) for name, value in expected.items() if value != read[name]}
        assert not differing, (who, self.now, "expected, read:", differing, case)
        assert (found["package"] is None) == (found["packageClosedBecause"] is not None)
        if found["package"] is not None:
            assert found["package"]["person"]["familyName"] == FAMILY_NAME

    def replay(self, events: list[Any], state: str) -> None:
        """The history that a side reads leads, by the table, to the state that it reads."""
        at = None
        for number, event in enumerate(events):
            if event["move"] in MOVES:
                assert number == 0 or event["fromState"] == at, events
                row = TABLE.get((event["fromState"], event["move"], event["actor"]))
                assert row is not None, (event, events)
                assert row[0] == event["toState"], (event, events)
                at = event["toState"]
            else:
                assert event["toState"] == at, (event, events)
        assert at == state, (state, events)

    def teardown(self) -> None:
        if self.services:
            for case in self.cases:
                for who in EVERYBODY:
                    self.check_as(case, who)
            self.run(self.check_database())

    async def check_database(self) -> None:
        """What is stored: every event is a row of the table, ends say why, places add up."""
        async with self.town.database.view(SYSTEM) as session:
            for case in self.cases:
                id_ = {"id": _key(case.id)}
                events = (
                    await session.execute(
                        text(
                            "SELECT ordinal, move, from_state, to_state, actor FROM referral_event"
                            " WHERE referral_id = :id ORDER BY ordinal"
                        ),
                        id_,
                    )
                ).all()
                assert [event.ordinal for event in events] == list(range(1, len(events) + 1))
                state: str | None = None
                for event in events:
                    assert event.from_state == state or event.move not in MOVES, events
                    if event.move in MOVES:
                        assert TABLE[event.from_state, event.move, event.actor][0] == event.to_state
                    state = event.to_state
                assert state == case.state
                row = (await session.execute(text("SELECT * FROM referral WHERE id = :id"), id_)).one()
                assert (row.state, row.version, row.hidden_changes) == (case.state, case.version, case.hidden)
                if case.state in ENDS:
                    assert row.reason or row.decline_reason or row.outcome, row
                kept = await session.scalar(
                    text("SELECT count(*) FROM referral_package WHERE referral_id = :id"), id_
                )
                if case.state in {"CONSENT_REVOKED", "ENTERED_IN_ERROR"}:
                    assert kept == 0, case
            places = await session.scalar(
                text("SELECT (capacity->>'places')::int FROM service WHERE id = :id"),
                {"id": _key(self.full)},
            )
            assert places == self.places


def _key(id_: str) -> UUID:
    found = parse_id(id_)
    assert found is not None
    return found[1]


def _is_day(value: object) -> bool:
    return isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-"


@pytest.fixture
async def walked(
    cluster: Access, empty_database: Database, empty_database_name: str, keys: KeyStore
) -> AsyncIterator[Run]:
    """A town in a database of its own, whose clock only the machine moves."""
    transport = httpx.ASGITransport(served(empty_database, keys))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        town = await make_town(empty_database, Api(http))
        # walks take years; signing in again is not what they are about
        longer = "UPDATE access_token SET expires_at = expires_at + interval '20 years'"
        cluster.run_sql(longer, database=empty_database_name)
        yield Run(town, asyncio.get_running_loop(), datetime.now(UTC).replace(microsecond=0))


def walk(shared: Run, number: int | None = None, **given: Any) -> None:
    class Walk(Machine):
        pass

    Walk.shared = shared
    run_state_machine_as_test(
        Walk if number is None else seed(number)(Walk),
        settings=settings(
            deadline=None, database=None, print_blob=False, suppress_health_check=list(HealthCheck), **given
        ),
    )


def test_the_machine_and_the_model_agree(walked: Run) -> None:
    walk(walked, derandomize=True, max_examples=3, stateful_step_count=10)

    assert walked.counted["operations"] > 25


WAYS = ("direct", "recorded", "link", "card")
ROUNDS, LONGEST_SECONDS = 10, 12 * 60
"""So many rounds of walks, and no further one after so long."""


@pytest.mark.torture
def test_the_machine_and_the_model_agree_on_long_walks(
    walked: Run, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    chosen = request.config.getoption("--hypothesis-seed")
    first = int(chosen) if chosen not in {None, "random"} else SystemRandom().randrange(10**9)
    began = monotonic()
    with capsys.disabled():
        print(f"\nthe same again: --hypothesis-seed={first}")
    done = 0
    with quiet():
        while done < ROUNDS and monotonic() - began < LONGEST_SECONDS:
            # without shrinking, which takes no bounded time: the walk that failed is shown as it was
            given = {"phases": [Phase.generate], "max_examples": 6, "stateful_step_count": 50}
            walk(walked, first + done, **given)
            done += 1
    with capsys.disabled():
        print(f"{done} rounds, {monotonic() - began:.0f} s; the machine did what the model said, in all of:")
        for name, number in sorted(walked.counted.items()):
            print(f"{number:7,}  {name}")
        print("not reached:", ", ".join(sorted(missing(walked.counted))) or "nothing")
    if done == ROUNDS:
        assert len(missing(walked.counted)) <= 2, "walks do not get far"


def missing(counted: Counter[str]) -> set[str]:
    """Return what a long run did not get to: then it would agree about little."""
    ways = {way: sum(counted[f"move {move} by {way}"] for move in OPERATIONS) for way in WAYS}
    made = {move: sum(counted[f"move {move} by {way}"] for way in WAYS) for move in OPERATIONS}
    states = {state: counted[f"states {state}"] for state in OPEN | ENDS}
    others = {
        name: counted[name] for name in ("confirmApproval ApprovalSaved", "withdrawByCard WithdrawnByCard")
    }
    return {name for found in (ways, made, states, others) for name, number in found.items() if not number}


@contextmanager
def quiet() -> Iterator[None]:
    """Log no single operation: they are counted."""
    before, level = structlog.get_config(), logging.getLogger("httpx").level
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        yield
    finally:
        structlog.configure(**before)
        logging.getLogger("httpx").setLevel(level)
