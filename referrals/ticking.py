"""The clock at work: batches of referrals whose moment has come, consents, renewals, requests for four eyes.

What is due is said by ``clock``; here it happens, in few statements per batch, as SYSTEM. Several processes
may do this at once: each takes rows that no other holds, and a row says itself when it is to be looked at
next. So nothing is done twice, and a batch that was killed is done by the next. A batch that fails is done
row by row, and a row that cannot be done is set aside (``troubles``): it stops nobody else's clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, or_, select, text

from directory.actors import SYSTEM
from directory.catalogue import give_back_place
from directory.database import Database, Unavailable, Work
from directory.models import Partner
from referrals.approvals import lapse_due, remind_leads, to_lapse, to_remind
from referrals.clock import (
    Action,
    CaughtUp,
    ClockFacts,
    MakeMove,
    MarkOverdue,
    Remind,
    after_action,
    catch_up,
)
from referrals.consent.consents import expire_due, to_expire
from referrals.consent.renewals import offer_renewals, to_offer
from referrals.models import Consent, Referral, clock_facts
from referrals.moving import FREES_PLACE
from referrals.notices import AFTER_MOVE, Promise, promise_all
from referrals.person import follow_ups
from referrals.states import ClockName, Move, RemindedParty
from referrals.troubles import (
    Due,
    Task,
    claim,
    failed_again,
    kind_of,
    log,
    passes,
    set_aside,
    solved,
)
from referrals.vocabulary import (
    Addressee,
    AnswerSource,
    ConsentState,
    EventActor,
    NoticeKind,
    OutcomeCode,
)

BATCH: Final = 500
"""Referrals in one transaction."""

ROUNDS: Final = 400
"""Batches in one run at most; what is left then is done in the next minute."""

REMINDED: Final = "REMINDED"
"""Name of the event that somebody was reminded; it changes no state and no version."""

OVERDUE: Final = "OVERDUE"
"""Name of the event that an answer was not there when it was due."""

_JUST_BEFORE: Final = timedelta.resolution

NOTICES: Final[dict[tuple[ClockName, int], NoticeKind]] = {
    (ClockName.DRAFT_IDLE, 0): NoticeKind.DRAFT_IDLE,
    (ClockName.ANSWER_DUE, 0): NoticeKind.ANSWER_DUE_HALF,
    (ClockName.ANSWER_DUE, 1): NoticeKind.ANSWER_OVERDUE,
    (ClockName.QUESTION_OPEN, 0): NoticeKind.QUESTION_OPEN,
    (ClockName.WAITING_LIST, 0): NoticeKind.WAITING_LIST,
    (ClockName.FIRST_CONTACT, 0): NoticeKind.FIRST_CONTACT,
    (ClockName.SIGN_OF_LIFE, 0): NoticeKind.SIGN_OF_LIFE,
    (ClockName.CONFIRMATION, 0): NoticeKind.CONFIRM_OUTCOME,
    (ClockName.REVOCATION_ANSWER, 0): NoticeKind.REVOCATION_UNANSWERED,
    (ClockName.REVOCATION_ANSWER, 1): NoticeKind.REVOCATION_UNANSWERED,
    (ClockName.REVOCATION_ANSWER, 2): NoticeKind.REVOCATION_UNANSWERED,
}
"""What a reminder of each row of ``states.CLOCKS`` (by its number there) tells."""

_UNSEEN_BY_SENDER: Final = frozenset({ClockName.FIRST_CONTACT, ClockName.SIGN_OF_LIFE})
"""Reminders that the sender knows nothing of: they would tell whether work has begun (REPORT_BACK)."""


class Ticked(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of the clock did; ``looked_at`` counts referrals that were due.

    ``set_aside``: rows that could not be done, left out from now on; ``solved``: those that could, later.
    """

    looked_at: int = 0
    moves: int = 0
    reminders: int = 0
    overdue: int = 0
    consents_expired: int = 0
    renewals_offered: int = 0
    approvals_lapsed: int = 0
    leads_reminded: int = 0
    follow_ups_planned: int = 0
    follow_ups_asked: int = 0
    follow_ups_unanswered: int = 0
    follow_ups_cancelled: int = 0
    set_aside: int = 0
    solved: int = 0

    def __add__(self, other: Ticked) -> Ticked:
        """Return both together."""
        return Ticked(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})

    def __bool__(self) -> bool:
        """Whether anything was done."""
        return bool(self.counted())

    def counted(self) -> dict[str, int]:
        """Return what was done, by name; without what was not."""
        return {name: number for name, number in msgspec.structs.asdict(self).items() if number}


@dataclass(frozen=True, slots=True)
class Chore:
    """One kind of thing that the clock does: how a batch of it is done, and the ids of what is due."""

    task: Task
    do: Callable[[Work, Due], Awaitable[Ticked]]
    ids: Callable[[datetime, Due], Select[UUID]]


async def run_the_clock(database: Database, *, batch: int = BATCH, rounds: int = ROUNDS) -> Ticked:
    """Do all that is due now, batch by batch, each in a transaction of its own; at most ``rounds`` batches.

    Referrals come before consents: what was due before a consent ended happened before it ended. What was set
    aside earlier is tried again first, where its time has come. Raises Unavailable.
    """
    done = await try_again(database, (REFERRALS, *OTHERS))
    for _ in range(rounds):
        ticked = await do_batch(database, (REFERRALS,), batch)
        if not ticked:
            ticked = await do_batch(database, OTHERS, batch)
        if not ticked:
            break
        done += ticked
    return done


async def run_follow_ups(database: Database) -> Ticked:
    """Plan, ask and end the later follow-ups that are due, row by row if need be. Raises Unavailable."""
    return await try_again(database, FOLLOW_UPS) + await do_batch(database, FOLLOW_UPS)


async def do_batch(database: Database, chores: Sequence[Chore], batch: int = BATCH) -> Ticked:
    """Do a batch of each in one transaction; if that fails, one by one, and set aside what cannot be done.

    Raises Unavailable.
    """
    ticked = Ticked()
    try:
        async with database.work(SYSTEM) as work:
            for chore in chores:
                ticked += await chore.do(work, Due(limit=batch))
    except Unavailable:
        raise
    except Exception as error:  # whatever it is, it must not stop the clock of everybody else
        log.warning(
            "a batch failed, now one by one", error=kind_of(error), tasks=[c.task.value for c in chores]
        )
    else:
        return ticked
    done = Ticked()
    for chore in chores:
        done += await _one_by_one(database, chore, batch)
    return done


async def _one_by_one(database: Database, chore: Chore, batch: int) -> Ticked:
    async with database.view(SYSTEM) as session:
        ids = (await session.scalars(chore.ids(database.clock(), Due(limit=batch)))).all()
    done = Ticked()
    for id_ in ids:
        try:
            async with database.work(SYSTEM) as work:
                ticked = await chore.do(work, Due(only=id_))
        except Unavailable:
            raise
        except Exception as error:
            if not passes(error) and await set_aside(database, chore.task, id_, error):
                done += Ticked(set_aside=1)
        else:
            done += ticked
    return done


async def try_again(database: Database, chores: Sequence[Chore]) -> Ticked:
    """Try again what was set aside and whose pause is over, each in a transaction of its own.

    What is not due any more is forgotten. Raises Unavailable.
    """
    done = Ticked()
    by_task = {chore.task: chore for chore in chores}
    for claimed in await claim(database, by_task):
        try:
            async with database.work(SYSTEM) as work:
                ticked = await by_task[claimed.task].do(work, Due(only=claimed.about_id))
                await solved(work, claimed)
        except Unavailable:
            raise
        except Exception as error:
            failed_again(claimed, error)
        else:
            done += ticked + Ticked(solved=1)
    return done


@dataclass(slots=True)
class _Batch:
    """What a batch writes, collected while it is worked out."""

    rows: list[dict[str, object]] = field(default_factory=list)
    events: list[dict[str, object]] = field(default_factory=list)
    told: list[Promise] = field(default_factory=list)
    places: Counter[UUID] = field(default_factory=Counter)
    moves: int = 0
    reminders: int = 0
    overdue: int = 0


async def tick(work: Work, which: Due | None = None) -> Ticked:
    """Do what is due of the longest waiting referrals that nobody else holds (``which``: a batch of them).

    As SYSTEM. What was missed in a long stop happens once: ends happen, reminders collapse into one. A
    referral whose consent has ended is left to the consent's clock, but for what was due before that.
    """
    due = await _due(work, which or Due(limit=BATCH))
    superiors = await _superiors(work, due)
    batch = _Batch()
    for referral, until in due:
        waiting = referral.next_tick_at or until
        _collect(work, batch, referral, catch_up(clock_facts(referral), waiting, until), superiors)
    await _write(work, batch)
    return Ticked(looked_at=len(due), moves=batch.moves, reminders=batch.reminders, overdue=batch.overdue)


def _is_due(now: datetime, which: Due) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on a referral, joined with the consent that it rests on."""
    return (
        Referral.next_tick_at <= now,
        or_(
            Consent.id.is_(None),
            Consent.state != ConsentState.GIVEN,
            Consent.valid_until > Referral.next_tick_at,
        ),
        which.of(Task.REFERRAL, Referral.id),
    )


def _ids_due(now: datetime, which: Due) -> Select[UUID]:
    return (
        select(Referral.id)
        .outerjoin(Consent, Consent.id == Referral.consent_id)
        .where(*_is_due(now, which))
        .order_by(Referral.next_tick_at, Referral.id)
        .limit(which.limit)
    )


async def _due(work: Work, which: Due) -> list[tuple[Referral, datetime]]:
    rows = await work.session.execute(
        select(Referral, Consent.state, Consent.valid_until)
        .outerjoin(Consent, Consent.id == Referral.consent_id)
        .where(*_is_due(work.now, which))
        .order_by(Referral.next_tick_at, Referral.id)
        .limit(which.limit)
        .with_for_update(of=Referral, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return [
        (
            referral,
            min(work.now, ends - _JUST_BEFORE) if state is ConsentState.GIVEN and ends else work.now,
        )
        for referral, state, ends in rows
    ]


async def _superiors(work: Work, due: Sequence[tuple[Referral, datetime]]) -> frozenset[UUID]:
    """Return which of the recipients have named a superior contact."""
    if not due:
        return frozenset()
    rows = await work.session.scalars(
        select(Partner.id).where(
            Partner.id.in_({referral.recipient_partner_id for referral, _ in due}),
            Partner.superior_contact.is_not(None),
        )
    )
    return frozenset(rows)


def _collect(
    work: Work, batch: _Batch, referral: Referral, caught_up: CaughtUp, superiors: frozenset[UUID]
) -> None:
    facts = clock_facts(referral)
    changes: dict[str, object] = {}
    version = referral.version
    for action in caught_up.done:
        before, facts = facts, after_action(facts, action)
        if isinstance(action, Remind):
            whom = _asked(action, referral, superiors)
            batch.reminders += 1
            batch.told.extend(_reminder(action, referral, whom))
            noted = {"to": " ".join(whom)}
            _event(batch, referral, REMINDED, action, before, facts, noted)
            work.record("referral.remind", "referral", referral.id, {"clock": action.clock.value})
            continue
        version += 1
        if isinstance(action, MarkOverdue):
            batch.overdue += 1
            _event(batch, referral, OVERDUE, action, before, facts, {})
            work.record("referral.overdue", "referral", referral.id, {"clock": action.clock.value})
            continue
        batch.moves += 1
        said, noted = _said_with(action, work.now)
        changes |= said
        _event(batch, referral, action.move.value, action, before, facts, noted)
        work.record(
            f"referral.{action.move.value.lower()}", "referral", referral.id, {"state": facts.state.value}
        )
        batch.told.extend(_news(action, referral, facts, version))
    freed = referral.place_taken and facts.state in FREES_PLACE
    if freed:
        batch.places[referral.service_id] += 1
    unchanged = version == referral.version
    batch.rows.append(
        {
            "id": referral.id,
            "state": facts.state,
            "state_since": facts.state_since,
            "answer_due_at": facts.answer_due_at,
            "clock_stopped_at": facts.clock_stopped_at,
            "question_due_at": facts.question_due_at,
            "resume_on": facts.resume_on,
            "overdue": facts.overdue,
            "place_taken": referral.place_taken and not freed,
            "reason": changes.get("reason", referral.reason),
            "outcome": changes.get("outcome", referral.outcome),
            "outcome_on": changes.get("outcome_on", referral.outcome_on),
            "outcome_reason": changes.get("outcome_reason", referral.outcome_reason),
            "closed_at": changes.get("closed_at", referral.closed_at),
            "unconfirmed": changes.get("unconfirmed", referral.unconfirmed),
            "next_tick_at": caught_up.next_tick_at,
            "version": version,
            "updated_at": referral.updated_at if unchanged else work.now,
            # all that the clock changes is for the sender to know
            "sender_updated_at": referral.sender_updated_at if unchanged else None,
        }
    )


def _said_with(action: MakeMove, now: datetime) -> tuple[dict[str, object], dict[str, str]]:
    """Return what a move of the clock changes of the row beside the clock's own facts, and its codes."""
    match action.move:
        case Move.REPORT_OUTCOME:
            # nobody said anything, so there is nothing that the person might not want told
            return (
                {
                    "outcome": OutcomeCode.UNKNOWN,
                    "outcome_on": None,
                    "outcome_reason": None,
                    "reason": None,
                },
                {"outcome": OutcomeCode.UNKNOWN.value},
            )
        case Move.CLOSE:
            return {"closed_at": now, "unconfirmed": True}, {}
        case Move.REPLY:
            return {}, {}
        case _:
            return {"reason": action.reason}, {}


def _event(
    batch: _Batch,
    referral: Referral,
    name: str,
    action: Action,
    before: ClockFacts,
    after: ClockFacts,
    noted: dict[str, str],
) -> None:
    batch.events.append(
        {
            "referral_id": referral.id,
            "nth": len(batch.events),
            "move": name,
            "from_state": before.state,
            "to_state": after.state,
            "reason": action.reason if isinstance(action, MakeMove) else None,
            "told": not isinstance(action, Remind) or action.clock not in _UNSEEN_BY_SENDER,
            "facts": {"clock": action.clock.value, "planned": action.at.isoformat(), **noted},
        }
    )


def _asked(action: Remind, referral: Referral, superiors: frozenset[UUID]) -> tuple[RemindedParty, ...]:
    return tuple(
        party
        for party in action.whom
        if party is not RemindedParty.SUPERIOR or referral.recipient_partner_id in superiors
    )


def _reminder(action: Remind, referral: Referral, whom: Iterable[RemindedParty]) -> Iterable[Promise]:
    due = {
        ClockName.ANSWER_DUE: referral.answer_due_at,
        ClockName.QUESTION_OPEN: referral.question_due_at,
        ClockName.REVOCATION_ANSWER: referral.revocation_due_at,
    }.get(action.clock)
    for party in whom:
        to_sender = party is RemindedParty.SENDER
        seen = not to_sender and action.clock not in _UNSEEN_BY_SENDER
        yield Promise(
            kind=NOTICES[action.clock, action.stage],
            to=referral.sender_partner_id if to_sender else referral.recipient_partner_id,
            about=referral.id,
            addressee=Addressee.SUPERIOR if party is RemindedParty.SUPERIOR else Addressee.ORGANISATION,
            waiting=referral.sender_partner_id if seen else None,
            due=due,
            # the same planned moment is never announced twice, whoever looks how often
            dedupe=f"{action.stage} {action.at.isoformat()}",
        )


def _news(action: MakeMove, referral: Referral, after: ClockFacts, version: int) -> Iterable[Promise]:
    """Return what a move of the clock tells: by the table of ``notices``, and both sides that one expired."""
    told = [AFTER_MOVE[key]] if (key := (action.move, EventActor.CLOCK)) in AFTER_MOVE else []
    if action.move is Move.EXPIRE:
        told = [(side, NoticeKind.EXPIRED_NO_ANSWER) for side in (EventActor.SENDER, EventActor.RECIPIENT)]
    for whom, kind in told:
        to_sender = whom is EventActor.SENDER
        yield Promise(
            kind=kind,
            to=referral.sender_partner_id if to_sender else referral.recipient_partner_id,
            about=referral.id,
            waiting=referral.sender_partner_id if kind is NoticeKind.QUESTION_ANSWERED else None,
            due=after.answer_due_at,
            dedupe=str(version),
        )


_COLUMNS: Final = {
    "state": "text",
    "state_since": "timestamptz",
    "answer_due_at": "timestamptz",
    "clock_stopped_at": "timestamptz",
    "question_due_at": "timestamptz",
    "resume_on": "date",
    "overdue": "boolean",
    "place_taken": "boolean",
    "reason": "text",
    "outcome": "text",
    "outcome_on": "date",
    "outcome_reason": "text",
    "closed_at": "timestamptz",
    "unconfirmed": "boolean",
    "next_tick_at": "timestamptz",
    "version": "int",
    "updated_at": "timestamptz",
    "sender_updated_at": "timestamptz",
}
_UPDATE: Final = text(
    f"UPDATE referral AS r SET {', '.join(f'{name} = v.{name}' for name in _COLUMNS)}"  # noqa: S608 - ours
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb))"
    f" AS v(id uuid, {', '.join(f'{name} {kind}' for name, kind in _COLUMNS.items())})"
    " WHERE r.id = v.id"
)
_EVENTS: Final = text(
    "INSERT INTO referral_event"
    " (referral_id, ordinal, at, move, from_state, to_state, actor, source, reason, told, facts)"
    " SELECT v.referral_id, coalesce(last.ordinal, 0)"
    "  + row_number() OVER (PARTITION BY v.referral_id ORDER BY v.nth),"
    "  :now, v.move, v.from_state, v.to_state, :actor, :source, v.reason, v.told, v.facts"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v(referral_id uuid, nth int, move text,"
    "  from_state text, to_state text, reason text, told boolean, facts jsonb)"
    " CROSS JOIN LATERAL (SELECT max(e.ordinal) AS ordinal FROM referral_event e"
    "  WHERE e.referral_id = v.referral_id) AS last"
    " ORDER BY v.nth"
)


async def _write(work: Work, batch: _Batch) -> None:
    if batch.rows:
        await work.session.execute(_UPDATE, {"rows": msgspec.json.encode(batch.rows).decode()})
    if batch.events:
        await work.session.execute(
            _EVENTS,
            {
                "rows": msgspec.json.encode(batch.events).decode(),
                "now": work.now,
                "actor": EventActor.CLOCK.value,
                "source": AnswerSource.SYSTEM.value,
            },
        )
    # in one order for everybody: else two that give places back lock each other's services
    for service_id in sorted(batch.places):
        await give_back_place(work, service_id, batch.places[service_id])
    for first in range(0, len(batch.told), BATCH):
        await promise_all(work, batch.told[first : first + BATCH])


# --- All that the clock does -------------------------------------------------------------------------------


async def _expire(work: Work, which: Due) -> Ticked:
    return Ticked(consents_expired=await expire_due(work, which))


async def _offer(work: Work, which: Due) -> Ticked:
    return Ticked(renewals_offered=await offer_renewals(work, which))


async def _lapse(work: Work, which: Due) -> Ticked:
    return Ticked(approvals_lapsed=await lapse_due(work, which))


async def _remind(work: Work, which: Due) -> Ticked:
    return Ticked(leads_reminded=await remind_leads(work, which))


REFERRALS: Final = Chore(Task.REFERRAL, tick, _ids_due)
OTHERS: Final = (
    Chore(Task.CONSENT_END, _expire, to_expire),
    Chore(Task.RENEWAL, _offer, to_offer),
    Chore(Task.APPROVAL_LAPSE, _lapse, to_lapse),
    Chore(Task.APPROVAL_REMINDER, _remind, to_remind),
)
"""What is done when no referral is due any more, in this order."""


async def _plan(work: Work, which: Due) -> Ticked:
    return _later(await follow_ups.plan(work, which))


async def _go_on(work: Work, which: Due) -> Ticked:
    return _later(await follow_ups.go_on(work, which))


def _later(done: follow_ups.Ticked) -> Ticked:
    return Ticked(**{f"follow_ups_{name}": number for name, number in msgspec.structs.asdict(done).items()})


FOLLOW_UPS: Final = (
    Chore(Task.FOLLOW_UP_PLAN, _plan, follow_ups.to_plan),
    Chore(Task.FOLLOW_UP, _go_on, follow_ups.to_go_on),
)
