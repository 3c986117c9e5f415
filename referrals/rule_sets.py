"""The versions of the project's rule for its own support: drafted, previewed, decided for a day to come.

Only a LEAD does so. A decided version never changes. What a version would change is counted over the own
organisation's clients only, inside the own office; nothing of that is kept or leaves it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from directory import checking as check
from directory.actors import Actor, Role
from directory.database import Work, seen
from directory.days import local_day
from directory.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn, StaleVersion
from directory.values import Value
from directory.vocabulary import Answer
from referrals.eligibility import (
    Judged,
    Situation,
    SupportRule,
    Verdict,
    former_answer,
    judge,
    with_judgement,
)
from referrals.models import Client, RuleSet
from referrals.policy import Rule, must_work_with_people
from referrals.vocabulary import JudgedAt, RuleSetState, SupportAdvice

MOST_LINES: Final = 60
MOST_SETS: Final = 200
MOST_CLIENTS: Final = 10_000
"""How many people a preview counts at most; an organisation accompanies some hundreds."""

_LINE_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class RuleSetView(Value, frozen=True, kw_only=True):
    """A version of the rule; ``current``: it is the one in force on the day that was asked about."""

    id: UUID
    municipality_id: UUID | None
    state: RuleSetState
    valid_from: date | None
    rules: tuple[SupportRule, ...]
    remark: str | None
    drafted_at: datetime
    decided_at: datetime | None
    version: int
    current: bool


class AnswerChange(Value, frozen=True, kw_only=True):
    """For how many people an answer becomes another one, or stays (then both are the same)."""

    before: Answer
    before_advice: SupportAdvice
    after: Answer
    after_advice: SupportAdvice
    people: int


class RuleSetPreview(Value, frozen=True, kw_only=True):
    """What a version would change for the own clients on a day: the counts, those that change first."""

    rule_set_id: UUID
    on: date
    people: int
    changing: int
    changes: tuple[AnswerChange, ...]


# --- Reading --------------------------------------------------------------------------------------------


async def in_force(session: AsyncSession, municipality_id: UUID | None, on: date) -> RuleSetView | None:
    """Return the version in force on a day: the municipality's own, else the project's."""
    found = await session.scalar(
        select(RuleSet)
        .where(
            RuleSet.state == RuleSetState.DECIDED,
            or_(RuleSet.municipality_id.is_(None), RuleSet.municipality_id == municipality_id),
            or_(RuleSet.valid_from.is_(None), RuleSet.valid_from <= on),
        )
        .order_by(
            RuleSet.municipality_id.is_(None),
            RuleSet.valid_from.desc().nulls_last(),
            RuleSet.decided_at.desc(),
            RuleSet.id,
        )
        .limit(1)
    )
    return None if found is None else _view(found, current=True)


async def history(
    session: AsyncSession, actor: Actor, on: date, *, first: int = MOST_SETS
) -> tuple[RuleSetView, ...]:
    """Return the versions of the actor's municipality and the project's own, newest first.

    Drafts are shown to a LEAD of the municipality only. Raises NotSignedIn.
    """
    if actor.role is Role.ANONYMOUS:
        raise NotSignedIn
    now = await in_force(session, actor.municipality_id, on)
    rows = await session.scalars(
        select(RuleSet)
        .where(or_(RuleSet.municipality_id.is_(None), RuleSet.municipality_id == actor.municipality_id))
        .order_by(RuleSet.drafted_at.desc(), RuleSet.id)
        .limit(min(first, MOST_SETS))
    )
    return tuple(
        _view(row, current=now is not None and row.id == now.id)
        for row in rows
        if row.state is RuleSetState.DECIDED or actor.role is Role.LEAD
    )


async def rule_set(session: AsyncSession, actor: Actor, rule_set_id: UUID, on: date) -> RuleSetView | None:
    """Return one version, or None if this actor knows of none."""
    found = await session.get(RuleSet, rule_set_id)
    if found is None or (found.state is RuleSetState.DRAFT and not _leads(actor, found.municipality_id)):
        return None
    now = await in_force(session, found.municipality_id, on)
    return _view(found, current=now is not None and now.id == found.id)


def _view(row: RuleSet, *, current: bool) -> RuleSetView:
    return RuleSetView(
        id=row.id,
        municipality_id=row.municipality_id,
        state=row.state,
        valid_from=row.valid_from,
        rules=row.rules,
        remark=row.remark,
        drafted_at=row.drafted_at,
        decided_at=row.decided_at,
        version=row.version,
        current=current,
    )


# --- Drafting and deciding ------------------------------------------------------------------------------


def _leads(actor: Actor, municipality_id: UUID | None) -> bool:
    return (
        actor.role is Role.LEAD and municipality_id is not None and actor.municipality_id == municipality_id
    )


def must_lead(actor: Actor) -> UUID:
    """Return the municipality that a LEAD leads. Raises NotSignedIn, NotAllowed."""
    if actor.role is Role.ANONYMOUS:
        raise NotSignedIn
    if actor.role is not Role.LEAD or actor.municipality_id is None:
        raise NotAllowed(Rule.LEAD_ONLY)
    return actor.municipality_id


def checked(rules: Sequence[SupportRule], field: str = "rules") -> tuple[SupportRule, ...]:
    """Return the lines of a version; each has a name of its own and its reason in German and English.

    Raises InvalidInput: "required", "too-many", "format", "duplicate", "dates-order", "german-and-english".
    """
    if not rules:
        raise InvalidInput(field, "required")
    lines: list[SupportRule] = []
    for path, rule in check.elements(rules, field, maximum=MOST_LINES):
        if len(rule.id) > 60 or not _LINE_ID.fullmatch(rule.id):
            raise InvalidInput(f"{path}.id", "format")
        if any(other.id == rule.id for other in lines):
            raise InvalidInput(f"{path}.id", "duplicate")
        if rule.valid_from is not None and rule.valid_to is not None and rule.valid_to < rule.valid_from:
            raise InvalidInput(f"{path}.validTo", "dates-order")
        reason = check.texts(rule.reason, f"{path}.reason")
        if not {"de", "en"} <= reason.keys():
            raise InvalidInput(f"{path}.reason", "german-and-english")
        lines.append(
            SupportRule(
                id=rule.id,
                statuses=check.different(rule.statuses, f"{path}.statuses"),
                supported_before=rule.supported_before,
                answer=rule.answer,
                advice=rule.advice,
                reason=reason,
                legal_basis=check.optional_text(rule.legal_basis, f"{path}.legalBasis"),
                valid_from=rule.valid_from,
                valid_to=rule.valid_to,
            )
        )
    return tuple(lines)


async def draft_rule_set(work: Work, rules: Sequence[SupportRule], *, remark: str | None = None) -> UUID:
    """Draft a new version for the own municipality; return its id. Raises NotAllowed, InvalidInput."""
    municipality_id = must_lead(work.actor)
    made = RuleSet(
        id=uuid4(),
        municipality_id=municipality_id,
        state=RuleSetState.DRAFT,
        rules=checked(rules),
        remark=check.optional_text(remark, "remark"),
        drafted_at=work.now,
    )
    work.session.add(made)
    await work.session.flush()
    work.record("rule_set.draft", "rule_set", made.id)
    return made.id


async def _to_change(work: Work, rule_set_id: UUID, expected_version: int) -> RuleSet:
    must_lead(work.actor)
    # read before it is locked: the lock is given on drafts only, and a decided version is known to everybody
    found = await work.session.get(RuleSet, rule_set_id)
    if found is None:
        raise NotFound
    if not _leads(work.actor, found.municipality_id):
        raise NotAllowed(Rule.LEAD_ONLY)
    if found.state is RuleSetState.DRAFT:
        await work.session.refresh(found, with_for_update=True)
    if found.version != expected_version:
        raise StaleVersion(found.version)
    if found.state is not RuleSetState.DRAFT:
        raise InvalidInput("id", "never-changes")
    return found


async def change_rule_set(
    work: Work,
    rule_set_id: UUID,
    expected_version: int,
    rules: Sequence[SupportRule],
    *,
    remark: str | None = None,
) -> int:
    """Replace the lines of a draft; return its new version.

    Raises NotFound, NotAllowed, StaleVersion, InvalidInput ("never-changes": draft a new version).
    """
    found = await _to_change(work, rule_set_id, expected_version)
    found.rules = checked(rules)
    found.remark = check.optional_text(remark, "remark")
    found.version += 1
    await work.session.flush()
    work.record("rule_set.change", "rule_set", found.id)
    return found.version


async def decide_rule_set(work: Work, rule_set_id: UUID, expected_version: int, valid_from: date) -> int:
    """Put a draft into force from a day to come; what was judged before stays. Return its new version.

    A day that has begun keeps its rule: ``valid_from`` is tomorrow at the earliest (reason
    "not-before-tomorrow"). Raises NotFound, NotAllowed, StaleVersion, InvalidInput.
    """
    found = await _to_change(work, rule_set_id, expected_version)
    if valid_from <= local_day(work.now):
        raise InvalidInput("validFrom", "not-before-tomorrow")
    found.state = RuleSetState.DECIDED
    found.valid_from = valid_from
    found.decided_at = work.now
    found.version += 1
    await work.session.flush()
    work.record("rule_set.decide", "rule_set", found.id, {"valid_from": valid_from.isoformat()})
    return found.version


# --- Judging a person -----------------------------------------------------------------------------------


def situation_of(client: Client) -> Situation:
    """Return what of a client decides."""
    return Situation(
        status=client.residence_status,
        supported_before=client.supported_before,
        applied_in_time=client.applied_in_time,
        former_answer=former_answer(client.judged or (), client.residence_status),
    )


def judgement_of(
    rules: RuleSetView | None, situation: Situation, on: date, occasion: JudgedAt
) -> tuple[Verdict, Judged]:
    """Return the verdict for a person, and what is kept of it."""
    verdict = judge(rules.rules if rules is not None else (), situation, on)
    return verdict, Judged(
        on=on,
        occasion=occasion,
        status=situation.status,
        answer=verdict.answer,
        advice=verdict.advice,
        rule=verdict.rule,
        rule_set=None if rules is None else rules.id,
    )


async def judge_client(
    work: Work, client: Client, municipality_id: UUID | None, occasion: JudgedAt
) -> Verdict:
    """Judge a client by the version in force today, and keep it if anything has changed; it ends nothing."""
    today = local_day(work.now)
    rules = await in_force(work.session, municipality_id, today)
    verdict, judged = judgement_of(rules, situation_of(client), today, occasion)
    kept = with_judgement(client.judged or (), judged)
    if kept != client.judged:
        client.judged = kept
    return verdict


async def preview_rule_set(
    session: AsyncSession, actor: Actor, rule_set_id: UUID, on: date, today: date
) -> RuleSetPreview:
    """Count for the own organisation's clients what a version would change, judged on a day.

    Small numbers are shown: these are the office's own clients. Writes an audit row. Raises NotFound,
    NotAllowed.
    """
    must_lead(actor)
    must_work_with_people(actor)
    proposed = await rule_set(session, actor, rule_set_id, today)
    if proposed is None or proposed.municipality_id not in {None, actor.municipality_id}:
        raise NotFound
    present = await in_force(session, actor.municipality_id, today)
    clients = list(
        await session.scalars(
            select(Client)
            .where(Client.partner_id == actor.partner_id, Client.erased_at.is_(None))
            .order_by(Client.id)
            .limit(MOST_CLIENTS)
        )
    )
    counted: Counter[tuple[Answer, SupportAdvice, Answer, SupportAdvice]] = Counter()
    for client in clients:
        situation = situation_of(client)
        before = judge(present.rules if present is not None else (), situation, today)
        after = judge(proposed.rules, situation, on)
        counted[before.answer, before.advice, after.answer, after.advice] += 1
    changes = tuple(
        AnswerChange(before=key[0], before_advice=key[1], after=key[2], after_advice=key[3], people=people)
        for key, people in sorted(
            counted.items(), key=lambda item: (item[0][:2] == item[0][2:], -item[1], item[0])
        )
    )
    await seen(session, actor, "rule_set.preview", "rule_set", [rule_set_id])
    return RuleSetPreview(
        rule_set_id=rule_set_id,
        on=on,
        people=len(clients),
        changing=sum(
            one.people for one in changes if (one.before, one.before_advice) != (one.after, one.after_advice)
        ),
        changes=changes,
    )
