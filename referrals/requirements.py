"""What sending somebody to a service would need, and what the recipient would read: asked before data move.

The rules are in ``consent.rules`` and ``package``; nothing is decided or stored here. Whoever
keeps the client shows them the answer: the notices, the releases, and the package exactly as it would be.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor
from directory.courses import next_run
from directory.database import seen
from directory.days import local_day
from directory.models import Partner, Service
from directory.problems import InvalidInput, NotFound
from directory.values import Value
from directory.vocabulary import PublicationState
from referrals.consent.consents import facts_of, party_of
from referrals.consent.rules import LARGEST, covers, section_87_applies, terms_of
from referrals.exchange import facts_of_client
from referrals.models import Client, Consent, Referral
from referrals.package import Package, package_for
from referrals.personal_data.keystore import KeyStore
from referrals.policy import ClientFacts, must_work_with_people, see_client
from referrals.problems import Erased
from referrals.rule_sets import in_force, judgement_of, situation_of
from referrals.useful_start import LatestUsefulStart, latest_useful_start, start_warnings
from referrals.values import ConsentTerms, PurposeTerms
from referrals.vocabulary import (
    OPEN_STATES,
    ConsentState,
    DataCategory,
    JudgedAt,
    Purpose,
    ReferralState,
    ReportDepth,
    Warned,
)


class Requirements(Value, frozen=True, kw_only=True):
    """What a sending needs: ``missing`` is empty when ``consent_id`` covers it already, at this instant.

    ``never``: categories asked for that this kind of partner never gets; ``preview`` leaves them out.
    ``terms``: the consent to put before the person, with the releases (§ 203 StGB) and the legal bases.
    ``section_87_notice``: the notice about § 87 AufenthG must be shown before data are entered.
    ``open_referral_id``: the person's open referral to this service, which makes another one a duplicate.
    ``warnings``: whether it begins too late to be useful before the residence status ends, and whether the
    project's rule for its own support now says something else than when it was last judged.
    """

    recipient_partner_id: UUID
    categories: tuple[DataCategory, ...]
    never: tuple[DataCategory, ...]
    section_87_notice: bool
    terms: ConsentTerms
    missing: tuple[str, ...]
    consent_id: UUID | None
    open_referral_id: UUID | None
    preview: Package
    latest_useful_start: LatestUsefulStart | None
    warnings: tuple[Warned, ...]


async def requirements(
    session: AsyncSession,
    actor: Actor,
    keys: KeyStore,
    *,
    client_id: UUID,
    service_id: UUID,
    categories: Collection[DataCategory],
    report_depth: ReportDepth,
    at: datetime,
) -> Requirements:
    """Return what sending an own client there would need; writes an audit row, because the package is opened.

    Raises NotFound (client), InvalidInput (service that nobody can be sent to, no category), Erased.
    """
    must_work_with_people(actor)
    client = await session.get(Client, client_id)
    if client is None:
        raise NotFound
    see_client(
        actor,
        ClientFacts(
            partner_id=client.partner_id, responsible_id=client.responsible_id, deputy_id=client.deputy_id
        ),
    )
    if client.erased_at is not None:
        raise Erased
    if not categories:
        raise InvalidInput("categories", "required")
    sender = await session.get_one(Partner, client.partner_id)
    ends = (
        await session.execute(
            select(Partner, Service)
            .join(Service, Service.partner_id == Partner.id)
            .where(
                Service.id == service_id,
                Service.state == PublicationState.PUBLISHED,
                Partner.state == PublicationState.PUBLISHED,
            )
        )
    ).one_or_none()
    if ends is None:
        raise InvalidInput("serviceId", "not-published")
    recipient, service = ends
    if not recipient.active:
        raise InvalidInput("serviceId", "partner-inactive")
    asked = tuple(category for category in DataCategory if category in categories)
    chosen = tuple(category for category in asked if category in LARGEST[recipient.kind])
    purposes = [PurposeTerms(purpose=Purpose.REFERRAL, categories=chosen)]
    if report_depth is not ReportDepth.NOTHING:
        purposes.append(PurposeTerms(purpose=Purpose.REPORT_BACK, report_depth=report_depth))
    terms = terms_of(party_of(sender), [party_of(recipient)], purposes)
    consent_id, missing = await _closest(session, client_id, recipient.id, chosen, at)
    open_referral = await session.scalar(
        select(Referral.id).where(
            Referral.client_id == client_id,
            Referral.service_id == service_id,
            Referral.state.in_(OPEN_STATES),
        )
    )
    latest = latest_useful_start(client.status_valid_until, service.kind, service.course)
    run = next_run(service.course, local_day(at))
    begins = run.starts_on if run is not None else None
    key = await keys.of(client_id)
    preview = package_for(facts_of_client(key, client), chosen)
    details = {"service": str(service_id)}
    await seen(session, actor, "package.preview", "client", [client_id], details)
    return Requirements(
        recipient_partner_id=recipient.id,
        categories=chosen,
        never=tuple(category for category in asked if category not in chosen),
        section_87_notice=section_87_applies(party_of(sender), party_of(recipient)),
        terms=terms,
        missing=tuple(sorted(missing)),
        consent_id=None if missing else consent_id,
        open_referral_id=open_referral,
        preview=preview,
        latest_useful_start=latest,
        warnings=(
            *start_warnings(latest, ReferralState.DRAFT, local_day(at), planned=(begins,)),
            *(
                (Warned.SUPPORT_ANSWER_CHANGED,)
                if await _judged_otherwise(session, client, sender, at)
                else ()
            ),
        ),
    )


async def _judged_otherwise(
    session: AsyncSession, client: Client, sender: Partner, at: datetime
) -> tuple[Warned, ...]:
    """Warn if the project's rule says something else of a person today than what was judged last."""
    if not client.judged:
        return ()
    today = local_day(at)
    rules = await in_force(session, sender.municipality_id, today)
    verdict, _ = judgement_of(rules, situation_of(client), today, JudgedAt.SENDING)
    last = client.judged[-1]
    same = (last.answer, last.advice) == (verdict.answer, verdict.advice)
    return () if same else (Warned.SUPPORT_ANSWER_CHANGED,)


async def _closest(
    session: AsyncSession,
    client_id: UUID,
    recipient: UUID,
    categories: Collection[DataCategory],
    at: datetime,
) -> tuple[UUID | None, frozenset[str]]:
    """Return the consent in force that lacks least, and what it lacks."""
    rows = await session.scalars(
        select(Consent)
        .where(Consent.client_id == client_id, Consent.state == ConsentState.GIVEN)
        .order_by(Consent.created_at.desc(), Consent.id)
        .limit(100)
    )
    found: tuple[UUID | None, frozenset[str]] = None, frozenset({"CONSENT"})
    for number, consent in enumerate(rows):
        lacks = covers(
            facts_of(consent), recipient=recipient, purpose=Purpose.REFERRAL, categories=categories, at=at
        )
        if number == 0 or len(lacks) < len(found[1]):
            found = consent.id, lacks
    return found
