"""A town with its coordination, partners of several kinds, their members and services, under fresh ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from sqlalchemy.dialects.postgresql import insert

from directory.actors import SYSTEM, Actor, Role
from directory.database import Database, Work
from directory.models import Member, Municipality, Partner, Service, Topic
from directory.values import Capacity
from directory.vocabulary import (
    CapacityState,
    PartnerKind,
    PublicationState,
    Responsibility,
    ServiceKind,
    WorkPermission,
)
from referrals.clients import ClientDraft
from referrals.consent.consents import record_consent, request_consent, terms_between
from referrals.consent.notice import CURRENT, TEXT_ID, render_notice
from referrals.models import Client, Consent, Referral, ReferralEvent, ReferralPackage
from referrals.moving import as_system
from referrals.package import Package, PersonFacts
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import Place
from referrals.values import (
    ConsentEvidence,
    ConsentRecord,
    ConsentTerms,
    Contact,
    Identity,
    NoticeShown,
    Profile,
    PurposeTerms,
)
from referrals.vocabulary import (
    UNSENT_STATES,
    AnswerSource,
    ClientPhase,
    ConsentMedium,
    DataCategory,
    EventActor,
    Purpose,
    ReferralState,
    ReportDepth,
)

TOPICS = ("language-course", "job", "childcare", "clearing", "health")
ORDINARY = (DataCategory.IDENTITY, DataCategory.CONTACT, DataCategory.LANGUAGE, DataCategory.LEVEL)


@dataclass(slots=True)
class Organisation:
    """A partner of the town with what its tests need."""

    id: UUID
    member: Actor
    colleague: Actor
    services: list[UUID] = field(default_factory=list)

    @property
    def service(self) -> UUID:
        return self.services[0]


@dataclass(slots=True)
class Town:
    """A municipality of this test only."""

    id: UUID
    coordination: Organisation
    lead: Actor
    other_lead: Actor
    jobcenter: Organisation
    counselling: Organisation
    provider: Organisation
    business: Organisation
    school: Organisation

    @property
    def coordinator(self) -> Actor:
        return self.coordination.member


async def make_town(database: Database) -> Town:
    """Make a town with fresh ids; towns of other tests are invisible to its people."""
    now = datetime.now(UTC)
    municipality = Municipality(
        id=uuid4(), ars=str(uuid4().int)[:12], name={"de": "Musterstadt"}, kind_labels={}
    )
    made: dict[str, Organisation] = {}
    rows: list[object] = []
    roles: dict[str, Actor] = {}

    def person(partner_id: UUID, role: Role, deputy: UUID | None = None) -> Actor:
        member = Member(
            id=uuid4(),
            partner_id=partner_id,
            name="Mitglied",
            role=role.value,
            deputy_id=deputy,
            administers=True,
        )
        rows.append(member)
        return Actor(
            role=role,
            member_id=member.id,
            partner_id=partner_id,
            municipality_id=municipality.id,
            administers=True,
        )

    for name, kind, facts in (
        ("coordination", PartnerKind.MUNICIPAL_PROJECT, {"coordinates": True, "public_body": True}),
        ("jobcenter", PartnerKind.AUTHORITY, {"public_body": True}),
        ("counselling", PartnerKind.FREE_PROVIDER, {"professional_secrecy": True}),
        ("provider", PartnerKind.FREE_PROVIDER, {}),
        ("business", PartnerKind.BUSINESS, {}),
        ("school", PartnerKind.AUTHORITY, {"public_body": True, "school": True}),
    ):
        partner = Partner(
            id=uuid4(),
            municipality_id=municipality.id,
            kind=kind,
            name=name,
            description={},
            contact_points=(),
            languages=(),
            state=PublicationState.PUBLISHED,
            updated_at=now,
            **facts,
        )
        service = Service(
            id=uuid4(),
            partner_id=partner.id,
            kind=ServiceKind.COUNSELLING,
            title={"de": f"Angebot {name}"},
            description={},
            source_terms=(),
            languages=(),
            eligibility=(),
            area=(),
            responsibility=Responsibility.FREE,
            contact_points=(),
            capacity=Capacity(state=CapacityState.OPEN, places=5, as_of=date(2020, 1, 1)),
            state=PublicationState.PUBLISHED,
            updated_at=now,
        )
        rows += [partner, service]
        role = Role.COORDINATOR if name == "coordination" else Role.PARTNER_MEMBER
        colleague = person(partner.id, role)
        made[name] = Organisation(
            id=partner.id,
            member=person(partner.id, role, deputy=colleague.member_id),
            colleague=colleague,
            services=[service.id],
        )
    for name in ("lead", "other_lead"):
        roles[name] = person(made["coordination"].id, Role.LEAD)
    async with database.work(SYSTEM) as work:
        work.session.add(municipality)
        await work.session.flush()
        await work.session.execute(
            insert(Topic)
            .values([{"code": code, "labels": {"de": code}, "synonyms": {}} for code in TOPICS])
            .on_conflict_do_nothing()
        )
        for table in (Partner, Service):
            work.session.add_all([row for row in rows if isinstance(row, table)])
            await work.session.flush()
        members = [row for row in rows if isinstance(row, Member)]
        work.session.add_all([member for member in members if member.deputy_id is None])
        await work.session.flush()
        work.session.add_all([member for member in members if member.deputy_id is not None])
    return Town(id=municipality.id, **made, **roles)  # type: ignore[arg-type]


def draft(**changes: object) -> ClientDraft:
    """A plainly invented person."""
    given: dict[str, object] = {
        "identity": Identity(
            family_name="Musterfrau", given_names="Erika Änn", date_of_birth=date(1990, 2, 3)
        ),
        "contact": Contact(phone="+4935500000"),
        "profile": Profile(competences=("Nähen",), work_permission=WorkPermission.YES),
        "phase": ClientPhase.CLEARING,
        "languages": ("ti", "ar"),
        "needs": ("language-course",),
    }
    return ClientDraft(**{**given, **changes})  # type: ignore[arg-type]


def shown(terms: ConsentTerms, language: str = "ti") -> NoticeShown:
    """What a person was shown of these terms."""
    notice = render_notice(terms, language)
    return NoticeShown(
        text_id=notice.text_id, version=notice.version, sha256=notice.sha256, language=language
    )


async def shown_of(work: Work, consent_id: UUID, language: str = "ti") -> NoticeShown:
    """What a person was shown of a consent that was asked for."""
    return shown((await work.session.get_one(Consent, consent_id)).terms, language)


async def shown_before(
    work: Work, sender: UUID, recipient: UUID, asked: tuple[PurposeTerms, ...]
) -> NoticeShown:
    """What a person was shown where asking, recording and sending are one operation."""
    return shown(await terms_between(work.session, sender, [recipient], asked))


def record(now: datetime, **changes: object) -> ConsentRecord:
    """How a person decided, with all that must be shown; ``notice`` is a made-up hash unless it is given."""
    given: dict[str, object] = {
        "notice": NoticeShown(text_id=TEXT_ID, version=CURRENT, sha256="0" * 64, language="ti"),
        "medium": ConsentMedium.PAPER,
        "no_disadvantage_shown": True,
        "section_87_notice_at": now,
    }
    return ConsentRecord(**{**given, **changes})  # type: ignore[arg-type]


def purposes(*categories: DataCategory) -> tuple[PurposeTerms, ...]:
    """The usual purposes of a referral."""
    return (
        PurposeTerms(purpose=Purpose.REFERRAL, categories=categories or ORDINARY),
        PurposeTerms(purpose=Purpose.REPORT_BACK, report_depth=ReportDepth.OUTCOME),
        PurposeTerms(purpose=Purpose.FEEDBACK),
    )


async def give_consent(
    database: Database,
    keys: KeyStore,
    actor: Actor,
    client_id: UUID,
    *recipients: UUID,
    asked: tuple[PurposeTerms, ...] | None = None,
    granted: set[Purpose] | None = None,
    **recorded: object,
) -> UUID:
    """Ask a person for consent and record that they gave it."""
    wanted = asked or purposes()
    async with database.work(actor) as work:
        consent_id = await request_consent(work, client_id=client_id, recipients=recipients, purposes=wanted)
        await record_consent(
            work,
            keys,
            consent_id=consent_id,
            expected_version=1,
            granted={entry.purpose for entry in wanted} if granted is None else granted,
            record=record(work.now, notice=await shown_of(work, consent_id)),
            evidence=ConsentEvidence(reference="Ordner 7", witness="Zeugin"),
            **recorded,  # type: ignore[arg-type]
        )
    return consent_id


async def sent_referral(
    database: Database,
    keys: KeyStore,
    town: Town,
    client_id: UUID,
    consent_id: UUID,
    recipient: Organisation,
    *,
    state: ReferralState = ReferralState.SENT,
    by: Actor | None = None,
) -> UUID:
    """A referral in any state with its package, written as the sender; the moves have tests of their own."""
    sender = by or town.coordinator
    async with database.work(sender) as work:
        now = work.now
        client = await work.session.get_one(Client, client_id)
        key = await keys.of(client_id)
        sent = None if state in UNSENT_STATES else now
        referral = Referral(
            id=uuid4(),
            municipality_id=town.id,
            sender_partner_id=sender.partner_id,
            sender_member_id=sender.member_id,
            client_id=client_id,
            pseudonym=client.pseudonym,
            service_id=recipient.service,
            recipient_partner_id=recipient.id,
            topic="language-course",
            language="ti",
            categories=ORDINARY,
            state=state,
            state_since=now,
            consent_id=consent_id,
            sent_at=sent,
            created_at=now,
            updated_at=now,
        )
        async with as_system(work):  # only the clock's jobs could write a referral that is on its way
            work.session.add(referral)
            await work.session.flush()
        work.session.add_all(
            [
                ReferralPackage(
                    referral_id=referral.id,
                    client_id=client_id,
                    consent_id=consent_id,
                    categories=ORDINARY,
                    sealed=key.seal_value(
                        Package(categories=ORDINARY, person=PersonFacts(family_name="Musterfrau")),
                        Place("referral_package", "sealed", referral.id),
                    ),
                    made_at=now,
                ),
                ReferralEvent(
                    referral_id=referral.id,
                    ordinal=1,
                    at=now,
                    move="SEND",
                    to_state=state,
                    actor=EventActor.SENDER,
                    source=AnswerSource.MEMBER,
                    facts={},
                ),
            ]
        )
    return referral.id
