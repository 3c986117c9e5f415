"""People at work while everything around them is killed: they repeat what nobody answered.

An operation whose answer was lost is sent again with the same idempotency key until it is answered; so every
operation that began is acknowledged or refused in the end, and the journal says what must be there.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from sqlalchemy import update

from directory.actors import SYSTEM
from directory.database import Database
from directory.models import Partner
from directory.values import Capacity, ContactPoint
from directory.vocabulary import CapacityState, ContactKind
from graphapi.relay import global_id
from tests.graphapi.asking import Answer, Api
from tests.graphapi.conftest import make_service
from tests.graphapi.exchanging import (
    ACCEPTANCE,
    CATEGORIES,
    OUTCOME,
    RECORD,
    REPORT_BACK,
    Town,
    days,
    document,
    key,
    make_town,
)

PATIENCE: Final = 240.0
"""Seconds after which an operation that nobody answers fails the run."""

PLACES: Final = 6
"""Places that each counted service has in the beginning."""

FAMILY_NAME: Final = "Kanarienvogel"
"""What every family name begins with: it must be in no log and in no mail."""


class Lost(Exception):
    """An operation was never answered."""


class StubbornApi(Api):
    """Asks until it is answered; counts what was lost on the way."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        super().__init__(http)
        self.lost: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self.last_answered = 0.0
        self.last_began = 0.0
        """When the request that was answered last had been sent (of all: the latest such moment)."""

    async def __call__(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        language: str | None = "en",
        accept: str = "application/graphql-response+json",
    ) -> Answer:
        answer, _ = await self.answered(query, variables, token=token)
        return answer

    async def answered(
        self, query: str, variables: dict[str, Any] | None, *, token: str | None
    ) -> tuple[Answer, list[datetime]]:
        """Return the answer, and when each attempt began."""
        began: list[datetime] = []
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            began.append(datetime.now(UTC))
            sent = time.monotonic()
            try:
                answer = await super().__call__(query, variables, token=token)
            except httpx.TransportError as error:
                self.lost[type(error).__name__] += 1
            except ValueError:  # half an answer
                self.lost["half"] += 1
            except AttributeError as error:
                # anyio asks a connection for its address that the dead server has already reset
                if error.name != "getpeername":
                    raise
                self.lost["reset"] += 1
            else:
                if "UNEXPECTED" in answer.codes:
                    self.unexpected.append(f"{query[:80]}: {answer.body['errors'][0]}")
                elif answer.status < 500 and "UNAVAILABLE" not in answer.codes:
                    self.last_answered = time.monotonic()
                    self.last_began = max(self.last_began, sent)
                    return answer, began
                self.lost[str(answer.status)] += 1
            await asyncio.sleep(random.uniform(0.02, 0.2))
        raise Lost(query[:80])


@dataclasses.dataclass
class Entry:
    """One operation in the journal: under which key, what was said, what came back."""

    field: str
    who: str
    key: str
    given: dict[str, Any]
    result: dict[str, Any]
    began: list[datetime]

    @property
    def acknowledged(self) -> bool:
        return not self.result["__typename"].endswith("Problem")


@dataclasses.dataclass
class Journal:
    """Everything that was answered, and what goes on at this moment."""

    entries: list[Entry] = dataclasses.field(default_factory=list)
    names: dict[str, str] = dataclasses.field(default_factory=dict)
    """Family name of each client by id."""
    left: list[str] = dataclasses.field(default_factory=list)
    """Referrals that nobody will touch any more: time may pass for them."""
    in_flight: int = 0
    bulk: int = 0
    """Bulk calls that are on their way."""
    refused: Counter[str] = dataclasses.field(default_factory=Counter)

    def acknowledged(self, *fields: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.field in fields and entry.acknowledged]


class Office(Town):
    """A town whose people write down what they were told."""

    journal: Journal
    counted: list[str]

    async def do(self, who: str, field: str, /, *, problems_only: bool = False, **given: Any) -> Any:
        """Run one mutation until it is answered; write it down."""
        assert isinstance(self.api, StubbornApi)
        input_ = {"idempotencyKey": key(), **await self.explained(who, given, field)}
        self.journal.in_flight += 1
        try:
            answer, began = await self.api.answered(document(field), {"input": input_}, token=self.token(who))
        finally:
            self.journal.in_flight -= 1
        result = answer.data[field]
        entry = Entry(field, who, input_["idempotencyKey"], input_, result, began)
        self.journal.entries.append(entry)
        if not entry.acknowledged:
            self.journal.refused[f"{field} {result['__typename']}"] += 1
        return result

    async def tried(self, who: str, field: str, referral: str, /, **given: Any) -> Any | None:
        """Make a move with a referral in the version that this side reads now; None when it was refused."""
        query = "query ($id: ID!) { referral(id: $id) { id version state } }"
        read = (await self.ask(query, {"id": referral}, who=who)).data["referral"]
        if read is None:
            return None
        result = await self.do(who, field, id=referral, expectedVersion=read["version"], **given)
        return None if result["__typename"].endswith("Problem") else result


async def make_office(database: Database, api: Api, journal: Journal, stubborn: StubbornApi) -> Office:
    """Make a town with mail addresses and services that count their places."""
    town = await make_town(database, api)
    office = Office(**{field.name: getattr(town, field.name) for field in dataclasses.fields(Town)})
    office.api, office.journal = stubborn, journal
    for partner, name in ((town.world.coordination, "koordination"), (town.world.partner, "kurs")):
        point = ContactPoint(kind=ContactKind.EMAIL, value=f"{name}-{partner.hex[:8]}@example.org")
        async with database.work(SYSTEM) as work:
            await work.session.execute(
                update(Partner).where(Partner.id == partner).values(contact_points=(point,))
            )
    office.counted = []
    for number in range(3):
        service = await make_service(
            database,
            town.world.partner,
            f"Kurs {number}",
            capacity=Capacity(state=CapacityState.OPEN, places=PLACES),
        )
        office.counted.append(global_id("Service", service))
    return office


# --- What they do -------------------------------------------------------------------------------------------


async def work(office: Office, rng: random.Random, stop: asyncio.Event, most: int | None = None) -> None:
    """Work on case after case until told to stop (or until ``most`` are done)."""
    done = 0
    while not stop.is_set() and (most is None or done < most):
        done += 1
        kind: Callable[[Office, random.Random], Awaitable[None]] = rng.choices([_case, _many], [5, 1])[0]
        await kind(office, rng)


async def _person(office: Office) -> str:
    name = f"{FAMILY_NAME} {key()[-12:]}"
    made = await office.client(identity={"familyName": name, "givenNames": "Probe"})
    office.journal.names[made["id"]] = name
    return str(made["id"])


async def _referred(office: Office, rng: random.Random) -> tuple[str, str]:
    """Refer a person, in one operation or step by step; return (referral, consent)."""
    client, service = await _person(office), rng.choice(office.counted)
    reason: dict[str, Any] = {"capacityReason": "AGREED_WITH_PARTNER"}
    if rng.random() < 0.5:
        result = await office.do(
            "coordinator",
            "referClient",
            clientId=client,
            serviceId=service,
            topic=office.topic,
            categories=CATEGORIES,
            consent={"record": RECORD, "purposes": [REPORT_BACK]},
            **reason,
        )
        assert result["__typename"] == "ReferralSaved", result
        return result["referral"]["id"], result["referral"]["consentId"]
    draft = await office.draft(client, service)
    consent = await office.consent(client)
    result = await office.do(
        "coordinator",
        "sendReferral",
        id=draft["id"],
        expectedVersion=draft["version"],
        consentId=consent["id"],
        **reason,
    )
    assert result["__typename"] == "ReferralSaved", result
    return draft["id"], consent["id"]


async def _case(office: Office, rng: random.Random) -> None:
    """Go with one person through the moves, until somebody ends it or leaves it lying."""
    referral, consent = await _referred(office, rng)

    async def withdraw() -> Any:
        return await office.do("coordinator", "withdrawConsent", id=consent, channel="PHONE")

    if rng.random() < 0.15:  # the person withdraws while the recipient answers
        accepting = office.tried("staff", "acceptReferral", referral, **ACCEPTANCE)
        await asyncio.gather(withdraw(), accepting)
        await office.tried("staff", "answerRevocation", referral, answer="DELETED")
        office.journal.left.append(referral)
        return
    steps: list[tuple[float, str, str, dict[str, Any]]] = [
        (0.7, "staff", "acknowledgeReferral", {}),
        (0.3, "staff", "askAboutReferral", {"question": "Welches Niveau?"}),
        (0.9, "coordinator", "answerQuestion", {"answer": "A2."}),
        (0.08, "coordinator", "cancelReferral", {"reason": "OTHER_SERVICE_FOUND"}),
        (0.1, "staff", "waitlistReferral", {"expectedWeek": days(14)}),
        (0.2, "staff", "declineReferral", {"reason": "NO_CAPACITY"}),
        (0.9, "staff", "acceptReferral", ACCEPTANCE),
        (0.25, "staff", "declineReferral", {"reason": "OTHER"}),
        (0.8, "staff", "startReferral", {"firstContactMadeOn": days(0)}),
        (0.2, "staff", "holdReferral", {"reason": "PERSON_ILL", "resumeOn": days(30)}),
        (0.9, "staff", "resumeReferral", {}),
        (0.05, "coordinator", "cancelReferral", {"reason": "OTHER_SERVICE_FOUND"}),
        (0.8, "staff", "reportOutcome", OUTCOME),
        (0.15, "coordinator", "contestOutcome", {"reason": "OUTCOME_WRONG"}),
        (0.7, "staff", "reportOutcome", OUTCOME),
        (0.7, "coordinator", "closeReferral", {"feedbackAsked": "ANSWERED"}),
    ]
    possible = {
        "acknowledgeReferral": {"SENT"},
        "askAboutReferral": {"SENT", "ACKNOWLEDGED"},
        "answerQuestion": {"INFO_REQUESTED"},
        "waitlistReferral": {"SENT", "ACKNOWLEDGED"},
        "acceptReferral": {"SENT", "ACKNOWLEDGED", "WAITLISTED"},
        "declineReferral": {"SENT", "ACKNOWLEDGED", "WAITLISTED", "ACCEPTED"},
        "startReferral": {"ACCEPTED"},
        "holdReferral": {"IN_PROGRESS"},
        "resumeReferral": {"ON_HOLD"},
        "reportOutcome": {"ACCEPTED", "IN_PROGRESS", "ON_HOLD"},
        "contestOutcome": {"OUTCOME_REPORTED"},
        "closeReferral": {"OUTCOME_REPORTED"},
    }
    state = "SENT"
    for share, who, field, given in steps:
        if rng.random() > share or state not in possible.get(field, {state}):
            continue
        result = await office.tried(who, field, referral, **given)
        if result is not None:
            state = result["referral"]["state"]
        if state in {"CANCELLED", "DECLINED", "CLOSED"}:
            break
        if rng.random() < 0.03:
            break  # left lying
        if rng.random() < 0.02:
            await withdraw()
            break
    office.journal.left.append(referral)


async def _many(office: Office, rng: random.Random) -> None:
    """Do the same to many at once: acknowledge them, then decline or take back."""
    referrals = [referral for referral, _ in [await _referred(office, rng) for _ in range(4)]]
    office.journal.bulk += 1
    try:
        await _bulk(office, "staff", "acknowledgeReferrals", referrals)
        if rng.random() < 0.6:
            await _bulk(office, "staff", "declineReferrals", referrals, reason="NO_CAPACITY")
        else:
            await _bulk(office, "coordinator", "cancelReferrals", referrals, reason="OTHER_SERVICE_FOUND")
    finally:
        office.journal.bulk -= 1
    office.journal.left.extend(referrals)


async def _bulk(office: Office, who: str, field: str, referrals: list[str], **shared: Any) -> None:
    query = "query ($id: ID!) { referral(id: $id) { version } }"
    items = []
    for referral in referrals:
        read = (await office.ask(query, {"id": referral}, who=who)).data["referral"]
        items.append({"id": referral, "expectedVersion": read["version"]})
    await office.do(who, field, items=items, **shared)
