"""A year of 10,000 referrals in simulated time, people acting or not: every invariant of DESIGN section 5.

Once pure, with the rules only. Once on the real database, where thousands of rows lie open and nobody but
the clock acts; the large size of that is slow and prints its figure.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import insert, text

from directory.actors import SYSTEM
from directory.days import local_day
from directory.vocabulary import DataProtectionLaw, PartnerKind
from referrals.clock import ClockFacts, MakeMove, catch_up, end_of, goes_on
from referrals.consent.rules import ConsentFacts, covers, decided, terms_of
from referrals.models import Referral, ReferralEvent
from referrals.personal_data.keystore import KeyStore
from referrals.states import Move, Step, add_working_days, allowed, answer_due_on, replay, step, transition
from referrals.ticking import Ticked, run_the_clock
from referrals.values import ConsentRecord, NoticeShown, Party, PurposeTerms
from referrals.vocabulary import (
    OPEN_STATES,
    OPENED_STATES,
    TERMINAL_STATES,
    UNSENT_STATES,
    AnswerSource,
    ConsentMedium,
    ConsentState,
    DataCategory,
    EventActor,
    OutcomeCode,
    Priority,
    Purpose,
    Reason,
    ReferralState,
)
from tests.referrals.desk import Desk, at
from tests.referrals.town import give_consent

R, M = ReferralState, Move
S, P, C, T, Y = (
    EventActor.SENDER,
    EventActor.RECIPIENT,
    EventActor.PERSON,
    EventActor.CLOCK,
    EventActor.CONSENT,
)
SEED: Final = 20260101
NEW_YEAR: Final = datetime(2026, 1, 1, 8, tzinfo=UTC)
YEAR: Final = timedelta(days=365)
ENOUGH: Final = timedelta(days=3 * 366)
"""By then the clock has ended whatever was begun in the year: its longest row is counted from one year on."""

RARE: Final = {M.REOPEN: 0.2, M.CORRECT: 0.03, M.CANCEL: 0.1, M.ABANDON: 0.1, M.DECLINE: 0.4, M.CONTEST: 0.2}
"""How often what mostly does not happen is thought of at all."""

ASKED: Final = (DataCategory.IDENTITY, DataCategory.CONTACT, DataCategory.LANGUAGE)


# --- Pure: people and the clock, one referral after the other -----------------------------------------------


def _party(kind: PartnerKind) -> Party:
    return Party(partner_id=uuid4(), name="Stelle", kind=kind, law=DataProtectionLaw.GDPR)


SENDER, RECIPIENT, OTHER = (
    _party(kind) for kind in (PartnerKind.FREE_PROVIDER, PartnerKind.BUSINESS, PartnerKind.CHAMBER)
)
RECORD: Final = ConsentRecord(
    notice=NoticeShown(text_id="notice", version="1", sha256="0" * 64, language="de"),
    medium=ConsentMedium.PAPER,
    no_disadvantage_shown=True,
)


@dataclass(slots=True)
class Consented:
    """What the person said, as told by this test's own book-keeping, and as the rules are told."""

    recipient: UUID
    categories: frozenset[DataCategory]
    begins: datetime
    ends: datetime
    facts: ConsentFacts

    def truly_covers(self, moment: datetime) -> bool:
        """Whether the person lets this recipient have these data now; written without the rules."""
        return (
            self.recipient == RECIPIENT.partner_id
            and self.categories >= set(ASKED)
            and self.begins <= moment < self.ends
        )


@dataclass(slots=True)
class Life:
    """One referral: its facts, its history, and each moment at which data of the person left."""

    facts: ClockFacts
    history: list[Step] = field(default_factory=list)
    consent: Consented | None = None
    left: list[datetime] = field(default_factory=list)
    reason: str | None = None
    outcome: OutcomeCode | None = None
    was_sent: bool = False
    opened: bool = False

    def record(self, move: Move, party: EventActor, reason: str | None) -> None:
        self.history.append(Step(sequence=len(self.history), move=move, party=party))
        self.reason = reason or self.reason


def _consent(rng: random.Random, moment: datetime) -> Consented:
    """Mostly what is needed; now and then for somebody else, for less, refused, or for a short time."""
    recipient = rng.choices((RECIPIENT, OTHER), (9, 1))[0]
    categories = ASKED if rng.random() < 0.9 else ASKED[:-1]
    terms = terms_of(SENDER, [recipient], [PurposeTerms(purpose=Purpose.REFERRAL, categories=categories)])
    granted = [Purpose.REFERRAL] if rng.random() < 0.95 else []
    begins, ends = moment, moment + timedelta(days=rng.randint(3, 365))
    facts = ConsentFacts(
        state=ConsentState.GIVEN,
        terms=decided(terms, granted, released=True),
        record=RECORD,
        valid_from=begins,
        valid_until=ends,
    )
    shared = frozenset(categories) if granted else frozenset()
    return Consented(recipient.partner_id, shared, begins, ends, facts)


def _is_covered(life: Life, moment: datetime) -> bool:
    return not covers(
        life.consent.facts if life.consent else None,
        recipient=RECIPIENT.partner_id,
        purpose=Purpose.REFERRAL,
        categories=ASKED,
        at=moment,
    )


def _clock(life: Life, since: datetime, until: datetime) -> None:
    """Let the clock look once; when a consent has ended meanwhile, what rests on it ends with it."""
    ends = life.consent.ends if life.consent else None
    revoked = ends is not None and ends <= until and life.was_sent
    before = ends - timedelta.resolution if revoked and ends else until
    ticked = catch_up(life.facts, min(since, before), before)
    life.facts = ticked.facts
    for action in ticked.done:
        if isinstance(action, MakeMove):
            life.record(action.move, T, action.reason.value)
            if action.move is M.REPORT_OUTCOME:
                life.outcome = OutcomeCode.UNKNOWN
    if revoked and ends and life.facts.state not in TERMINAL_STATES:
        _become(life, M.REVOKE, Y, ends, Reason.CONSENT_EXPIRED.value)


def _become(life: Life, move: Move, party: EventActor, moment: datetime, reason: str | None) -> None:
    target = step(life.facts.state, move, party)
    life.facts = msgspec.structs.replace(life.facts, state=target, state_since=moment, updated_at=moment)
    life.record(move, party, reason)


def _act(
    rng: random.Random, life: Life, party: EventActor, moment: datetime, wanted: Move | None = None
) -> None:
    """Make one move that the table allows this party, with what the rooms above store for it."""
    state = life.facts.state
    moves = [m for m in allowed(state, party) if m not in RARE or rng.random() < RARE[m]]
    if not moves:
        return
    move = wanted or rng.choice(moves)
    today = local_day(moment)
    set_ = partial(msgspec.structs.replace, life.facts)
    reason: str | None = None
    if move is M.SEND:
        life.consent = _consent(rng, moment)
        if not _is_covered(life, moment):
            return
        life.left.append(moment)
        life.was_sent = True
        life.facts = set_(sent_at=moment, answer_due_at=end_of(answer_due_on(today, life.facts.priority)))
    elif (party is P or move is M.REOPEN) and not _is_covered(life, moment):
        return  # judged at reading: CONSENT_REVOKED, whether or not the clock has been there
    match move:
        case M.ACKNOWLEDGE:
            life.left.append(moment)
        case M.ASK:
            life.facts = set_(clock_stopped_at=moment, question_due_at=end_of(add_working_days(today, 5)))
        case M.REPLY:
            life.facts = set_(
                answer_due_at=goes_on(life.facts, moment), clock_stopped_at=None, question_due_at=None
            )
        case M.WAITLIST:
            life.facts = set_(expected_week=today + timedelta(days=rng.randint(0, 120)), answer_due_at=None)
        case M.ACCEPT:
            first = today + timedelta(days=rng.randint(0, 30))
            end = first + timedelta(days=rng.randint(0, 270))
            life.facts = set_(first_contact_on=first, expected_end=end, answer_due_at=None)
        case M.START | M.RESUME | M.CONTEST | M.REOPEN:
            life.facts = set_(last_sign_of_life=today, resume_on=None)
            life.outcome = None
        case M.HOLD:
            life.facts = set_(last_sign_of_life=today, resume_on=today + timedelta(days=rng.randint(1, 366)))
        case M.REPORT_OUTCOME:
            life.outcome = rng.choice([OutcomeCode.NEED_MET, OutcomeCode.NOT_MET])
        case M.DECLINE | M.CANCEL | M.ABANDON | M.CORRECT:
            reason = Reason.OTHER.value
    assert (
        "reason" not in transition(state, move, party).needs
        or reason
        or move in {M.HOLD, M.CONTEST, M.REOPEN}
    )
    _become(life, move, party, moment, reason)


def _live(rng: random.Random) -> Life:
    """One referral through its year: some desks are asleep for all of it, all of them from New Year on."""
    moment = NEW_YEAR + rng.random() * YEAR
    life = Life(
        ClockFacts(state=R.DRAFT, state_since=moment, updated_at=moment, priority=rng.choice(list(Priority)))
    )
    life.record(M.DRAFT, S, None)
    if rng.random() < 0.85:
        _act(rng, life, S, moment, M.SEND)
    awake = [party for party, share in ((S, 0.7), (P, 0.6), (C, 0.1)) if rng.random() < share]
    looked = moment
    while awake and life.facts.state not in TERMINAL_STATES - {R.CLOSED}:
        moment += timedelta(days=rng.expovariate(1 / 7))
        if moment >= NEW_YEAR + YEAR:
            break
        _clock(life, looked, moment)
        looked = moment
        if life.consent and rng.random() < 0.02:
            life.consent.ends = min(life.consent.ends, moment)
            life.consent.facts = msgspec.structs.replace(life.consent.facts, state=ConsentState.WITHDRAWN)
            _clock(life, moment, moment)
        if rng.random() < 0.5:
            _read(life, moment)
        _act(rng, life, rng.choices(awake, [3 if party is P else 1 for party in awake])[0], moment)
    _clock(life, looked, max(looked, NEW_YEAR + YEAR) + ENOUGH)
    return life


def _read(life: Life, moment: datetime) -> None:
    """The recipient opens the package, where the state and the consent of this moment let it."""
    if life.facts.state in OPENED_STATES and _is_covered(life, moment):
        life.left.append(moment)


@pytest.mark.slow
def test_a_year_of_10_000_referrals_keeps_every_invariant() -> None:
    rng = random.Random(SEED)
    began = time.perf_counter()
    ended: Counter[ReferralState] = Counter()
    left = 0

    for _ in range(10_000):
        life = _live(rng)
        state = life.facts.state
        ended[state] += 1
        left += len(life.left)
        # no data leaves without a consent that covers it at that instant
        assert all(life.consent and life.consent.truly_covers(moment) for moment in life.left)
        # replaying the events gives the state; duplicated and out of order too
        assert replay(life.history) is state
        shuffled = life.history + life.history[: rng.randint(0, 5)]
        rng.shuffle(shuffled)
        assert replay(shuffled) is state
        # with only the clock acting, everything that was sent ends
        assert state in TERMINAL_STATES
        # every terminal state has a reason or an outcome
        assert life.outcome is not None if state is R.CLOSED else life.reason is not None
    took = time.perf_counter() - began

    print(f"\n10,000 referrals, {left:,} disclosures: {took:.1f} s; {dict(ended.most_common())}")
    # the year was not an empty one
    assert {R.CLOSED, R.EXPIRED, R.DECLINED, R.CANCELLED, R.CONSENT_REVOKED, R.ABANDONED} <= set(ended)
    assert min(ended[state] for state in (R.CLOSED, R.EXPIRED, R.CONSENT_REVOKED)) > 300
    assert left > 10_000
    assert took < 60


# --- On the real database: thousands lie open, and nobody but the clock acts --------------------------------

WAY: Final[dict[ReferralState, tuple[tuple[Move, EventActor], ...]]] = {
    R.DRAFT: ((M.DRAFT, S),),
    R.AWAITING_CONSENT: ((M.DRAFT, S), (M.AWAIT_CONSENT, S)),
    R.SENT: ((M.DRAFT, S), (M.SEND, S)),
    R.ACKNOWLEDGED: ((M.DRAFT, S), (M.SEND, S), (M.ACKNOWLEDGE, P)),
    R.INFO_REQUESTED: ((M.DRAFT, S), (M.SEND, S), (M.ASK, P)),
    R.WAITLISTED: ((M.DRAFT, S), (M.SEND, S), (M.WAITLIST, P)),
    R.ACCEPTED: ((M.DRAFT, S), (M.SEND, S), (M.ACCEPT, P)),
    R.IN_PROGRESS: ((M.DRAFT, S), (M.SEND, S), (M.ACCEPT, P), (M.START, P)),
    R.ON_HOLD: ((M.DRAFT, S), (M.SEND, S), (M.ACCEPT, P), (M.START, P), (M.HOLD, P)),
    R.OUTCOME_REPORTED: ((M.DRAFT, S), (M.SEND, S), (M.ACCEPT, P), (M.REPORT_OUTCOME, P)),
}
"""How each open state was come to."""


async def _lie_open(desk: Desk, count: int, consent_id: UUID, client_id: UUID) -> dict[UUID, ReferralState]:
    """Insert referrals in every open state, each of a person of its own; return them with their state."""
    rng = random.Random(SEED)
    town = desk.town
    states = sorted(OPEN_STATES)
    made: dict[UUID, ReferralState] = {}
    referrals, events, clients, consents = [], [], [], []
    for number in range(count):
        state = states[number % len(states)]
        begun = NEW_YEAR + rng.random() * YEAR
        today = local_day(begun)
        referral_id, person, rests_on = uuid4(), uuid4(), uuid4()
        made[referral_id] = state
        unsent = state in UNSENT_STATES
        priority = rng.choice(list(Priority))
        clients.append({"id": person, "like": client_id, "pseudonym": f"Y-{uuid4().hex[:12]}"})
        if not unsent:
            consents.append(
                {
                    "id": rests_on,
                    "client": person,
                    "like": consent_id,
                    "begins": begun,
                    "ends": begun + timedelta(days=rng.choice([20, 100, 365])),
                }
            )
        referrals.append(
            {
                "id": referral_id,
                "municipality_id": town.id,
                "sender_partner_id": town.coordination.id,
                "client_id": person,
                "pseudonym": "Y",
                "service_id": town.provider.service,
                "recipient_partner_id": town.provider.id,
                "topic": "language-course",
                "priority": priority,
                "categories": (),
                "state": state,
                "state_since": begun,
                "consent_id": None if unsent else rests_on,
                "sent_at": None if unsent else begun,
                "answer_due_at": end_of(answer_due_on(today, priority)) if state in ANSWER else None,
                "clock_stopped_at": begun if state is R.INFO_REQUESTED else None,
                "question_due_at": end_of(add_working_days(today, 5)) if state is R.INFO_REQUESTED else None,
                "expected_week": today if state is R.WAITLISTED else None,
                "first_contact_on": today + timedelta(days=rng.randint(0, 30)) if state in TAKEN else None,
                "expected_end": today + timedelta(days=rng.randint(30, 300)) if state in TAKEN else None,
                "place_taken": state in TAKEN,
                "outcome": OutcomeCode.NEED_MET if state is R.OUTCOME_REPORTED else None,
                "overdue": False,
                "disputed": False,
                "unconfirmed": False,
                "next_tick_at": begun,
                "version": 1,
                "created_at": begun,
                "updated_at": begun,
            }
        )
        before = None
        for ordinal, (move, party) in enumerate(WAY[state], 1):
            target = step(before, move, party)
            events.append(
                {
                    "referral_id": referral_id,
                    "ordinal": ordinal,
                    "at": begun,
                    "move": move.value,
                    "from_state": before,
                    "to_state": target,
                    "actor": party,
                    "source": AnswerSource.MEMBER,
                    "facts": {},
                }
            )
            before = target
    async with desk.database.work(SYSTEM) as work:
        await work.session.execute(text(_CLIENTS), clients)
        await work.session.execute(text(_CONSENTS), consents)
        await work.session.execute(insert(Referral), referrals)
        await work.session.execute(insert(ReferralEvent), events)
    return made


ANSWER: Final = {R.SENT, R.ACKNOWLEDGED, R.INFO_REQUESTED}
TAKEN: Final = {R.ACCEPTED, R.IN_PROGRESS, R.ON_HOLD}

_CLIENTS: Final = (
    "INSERT INTO client (id, partner_id, pseudonym, phase, languages, needs, supported_before, name_index,"
    " version, created_at, updated_at) SELECT :id, partner_id, :pseudonym, phase, languages, needs,"
    " supported_before, '{}', 1, created_at, updated_at FROM client WHERE id = :like"
)
_CONSENTS: Final = (
    "INSERT INTO consent (id, client_id, partner_id, subject, state, terms, record, valid_from, valid_until,"
    " version, created_at, updated_at) SELECT :id, :client, partner_id, subject, state, terms, record,"
    " :begins, :ends, 1, :begins, :begins FROM consent WHERE id = :like"
)


async def _year_on_the_database(desk: Desk, keys: KeyStore, client_id: UUID, count: int) -> str:
    """Let the clock look now and then for two years; check every referral; return the figures."""
    town = desk.town
    consent_id = await give_consent(desk.database, keys, town.coordinator, client_id, town.provider.id)
    made = await _lie_open(desk, count, consent_id, client_id)
    began = time.perf_counter()
    done = Ticked()
    rng = random.Random(SEED)
    moment = NEW_YEAR + timedelta(days=1)
    while moment < NEW_YEAR + ENOUGH:
        async with at(desk.database, moment):
            done += await run_the_clock(desk.database)
        moment += timedelta(days=rng.choice([1, 60, 200] if count > 1_000 else [100, 200]))
    took = time.perf_counter() - began
    async with desk.database.view(SYSTEM) as session:
        rows = (
            await session.execute(
                text(
                    "SELECT r.id, r.state, r.reason, r.outcome, r.next_tick_at, r.version, r.place_taken,"
                    " (SELECT array_agg(ARRAY[e.ordinal::text, e.move, e.actor] ORDER BY random())"
                    "  FROM referral_event e WHERE e.referral_id = r.id) FROM referral r"
                    " WHERE r.sender_partner_id = :id AND r.pseudonym = 'Y'"
                ),
                {"id": town.coordination.id},
            )
        ).all()
        notices = await session.scalar(
            text("SELECT count(*) FROM notice WHERE :id IN (partner_id, waiting_partner_id)"),
            {"id": town.coordination.id},
        )
        places = await session.scalar(
            text("SELECT (capacity->>'places')::int FROM service WHERE id = :id"),
            {"id": town.provider.service},
        )
    assert len(rows) == count == len(made)
    known = set(Move)
    freed = 0
    for id_, state, reason, outcome, next_tick_at, version, place_taken, history in rows:
        steps = [
            Step(sequence=int(n), move=Move(move) if move in known else None, party=EventActor(party))
            for n, move, party in history
        ]
        assert replay(steps) == state
        assert state in TERMINAL_STATES
        assert reason or outcome
        # what nobody answered after the end of its consent was chased, and then left in peace
        assert next_tick_at is None
        assert version > 1
        freed += made[id_] in TAKEN and not place_taken
    # every place that was taken and not used was given back, once
    assert places == 5 + freed
    assert freed > 0
    assert notices
    counted = Counter(state for _, state, *_ in rows)
    return f"{count:,} referrals, only the clock: {took:.1f} s, {done}; {dict(counted.most_common())}"


async def test_nothing_that_lies_open_stays_open_when_only_the_clock_acts(
    desk: Desk, keys: KeyStore, client_id: UUID
) -> None:
    print("\n" + await _year_on_the_database(desk, keys, client_id, 80))


@pytest.mark.torture
async def test_ten_thousand_that_lie_open_all_end(desk: Desk, keys: KeyStore, client_id: UUID) -> None:
    print("\n" + await _year_on_the_database(desk, keys, client_id, 10_000))
