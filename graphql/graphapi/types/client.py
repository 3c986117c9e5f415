"""A client as the own organisation sees them; nobody else sees that they exist."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from strawberry import Parent

from directory.vocabulary import Answer, CefrLevel, LegalCircle, ResidenceStatus, WorkPermission
from graphapi.context import Info
from graphapi.people import Support
from graphapi.relay import global_id
from graphapi.types import exchange_words as exchange_words
from graphapi.types.node import Node
from graphapi.types.paging import PAGE_SIZE, After, Connection, First, connection
from graphapi.types.rule_set import RuleSet
from graphapi.types.texts import LanguageArgument, Text, choose, every
from graphapi.types.words import label
from referrals import clients
from referrals.clients import ClientFile, ExclusionView, PhaseStep
from referrals.inbox import Box
from referrals.vocabulary import ClientPhase, JudgedAt, SupportAdvice

if TYPE_CHECKING:
    from graphapi.types.card import CodeCard
    from graphapi.types.consent import Consent, NoticeShown
    from graphapi.types.referral import Referral


def member_id(id_: UUID | None) -> strawberry.ID | None:
    """Return the global id of a member, or None for nobody."""
    return None if id_ is None else global_id("Member", id_)


@strawberry.type(description="Who the person is.")
class Identity:
    """Who the person is."""

    family_name: str = strawberry.field(description="Family name.")
    given_names: str | None = strawberry.field(description="Given names.")
    other_names: list[str] = strawberry.field(description="Other spellings under which they are found.")
    date_of_birth: date | None = strawberry.field(description="Date of birth.")


@strawberry.type(description="How the person is reached.")
class Contact:
    """How the person is reached."""

    phone: str | None = strawberry.field(description="E.164.")
    email: str | None = strawberry.field(description="Mail address.")
    address: str | None = strawberry.field(description="Postal address.")


@strawberry.type(description="What the person brings along; no case notes.")
class Profile:
    """What the person brings along and what matters for finding the right place."""

    competences: list[str] = strawberry.field(description="What they can do.")
    work_permission: WorkPermission = strawberry.field(description="Whether they may work.")
    level: CefrLevel | None = strawberry.field(description="Level of German.")
    qualifications: list[str] = strawberry.field(description="Certificates and degrees.")
    experience: list[str] = strawberry.field(description="Work experience.")
    family_care: str | None = strawberry.field(description="Children and care, as far as it matters.")
    health: str | None = strawberry.field(description="Health, as far as it matters.")
    documents: list[str] = strawberry.field(description="Documents at hand.")


def _moved_by(root: Parent[PhaseStep]) -> strawberry.ID | None:
    return member_id(root.member_id)


@strawberry.type(description="That a client came into a phase.")
class PhaseChange:
    """That a client came into a phase, when, and who moved them."""

    from_phase: ClientPhase | None = strawberry.field(description="The phase before; null: the intake.")
    to_phase: ClientPhase = strawberry.field(description="The phase since then.")
    at: datetime = strawberry.field(description="When.")
    moved_by_id: strawberry.ID | None = strawberry.field(resolver=_moved_by, description="Who (Member).")


@strawberry.type(description="That the notice about § 87 AufenthG was shown before data were entered.")
class Section87Shown:
    """That the notice was shown before data were entered."""

    notice: Annotated[NoticeShown, strawberry.lazy("graphapi.types.consent")] = strawberry.field(
        description="Which text, in which language."
    )
    shown_at: datetime = strawberry.field(description="When.")


def _decided_by(root: Parent[ExclusionView]) -> strawberry.ID | None:
    return member_id(root.decided_by)


@strawberry.type(description="That a person is excluded from the project's support; why is kept nowhere.")
class Exclusion:
    """That a person is excluded from the project's support (GDPR Art. 10)."""

    decided_by_id: strawberry.ID | None = strawberry.field(
        resolver=_decided_by, description="Who decided (Member)."
    )
    decided_on: date = strawberry.field(description="On which day.")


def _answer(root: Parent[Support]) -> Answer:
    return root.verdict.answer


def _advice(root: Parent[Support]) -> SupportAdvice:
    return root.verdict.advice


def _reason(root: Parent[Support], info: Info, language: LanguageArgument = None) -> Text | None:
    return choose(root.verdict.reason, language, info.context.languages)


def _reason_texts(root: Parent[Support]) -> list[Text]:
    return every(root.verdict.reason)


def _answer_label(root: Parent[Support], info: Info) -> str:
    return label(root.verdict.answer, info.context.language)


def _advice_label(root: Parent[Support], info: Info) -> str:
    return label(root.verdict.advice, info.context.language)


def _legal_basis(root: Parent[Support]) -> str | None:
    return root.verdict.legal_basis


def _rule(root: Parent[Support]) -> str | None:
    return root.verdict.rule


def _rule_set(root: Parent[Support]) -> Any:
    return root.rule_set


@strawberry.type(description="What the project's rule said of a person on an occasion; it is kept.")
class SupportJudgement:
    """What the project's rule said of a person on an occasion."""

    on: date = strawberry.field(description="On which day.")
    occasion: JudgedAt = strawberry.field(description="On which occasion.")
    status: ResidenceStatus | None = strawberry.field(description="Of which residence status.")
    answer: Answer = strawberry.field(description="Whether the project supports them.")
    advice: SupportAdvice = strawberry.field(description="What was advised.")
    rule: str | None = strawberry.field(description="The line of the rule; null when none applied.")


@strawberry.type(description="What the project's rule for its own support says about a person on a day.")
class SupportEligibility:
    """The project's own rule, judged for one person on one day; other services have rules of their own."""

    answer: Answer = strawberry.field(
        resolver=_answer, graphql_type=Answer, description="Whether the project supports them."
    )
    answer_label: str = strawberry.field(resolver=_answer_label, description="The answer, for people.")
    advice: SupportAdvice = strawberry.field(
        resolver=_advice, graphql_type=SupportAdvice, description="What is advised."
    )
    advice_label: str = strawberry.field(resolver=_advice_label, description="The advice, for people.")
    reason: Text | None = strawberry.field(resolver=_reason, description="Why.")
    reason_texts: list[Text] = strawberry.field(
        resolver=_reason_texts, description="Why, in all its languages."
    )
    legal_basis: str | None = strawberry.field(resolver=_legal_basis, description="The law it rests on.")
    rule: str | None = strawberry.field(
        resolver=_rule, description="The line of the rule; null when none applies."
    )
    rule_set: RuleSet | None = strawberry.field(
        resolver=_rule_set, graphql_type=RuleSet | None, description="The version of the rule."
    )
    changed: bool = strawberry.field(
        description="Warning: another answer than what was judged last. It ends nothing."
    )


def _summary_id(root: Parent[clients.ClientSummary]) -> strawberry.ID:
    return global_id("Client", root.id)


def _phase_label(root: Parent[clients.ClientSummary | ClientFile], info: Info) -> str:
    return label(root.phase, info.context.language)


def _responsible(root: Parent[clients.ClientSummary | ClientFile]) -> strawberry.ID | None:
    return member_id(root.responsible_id)


def _deputy(root: Parent[clients.ClientSummary | ClientFile]) -> strawberry.ID | None:
    return member_id(root.deputy_id)


@strawberry.type(
    description="A client as a line in the own organisation's list; `client(id:)` opens the file."
)
class ClientSummary:
    """A line in the own organisation's list of clients."""

    id: strawberry.ID = strawberry.field(resolver=_summary_id, description="Global id of the Client.")
    pseudonym: str = strawberry.field(description="What others see in place of the name.")
    name: str | None = strawberry.field(description="The name; null when the data were erased.")
    phase: ClientPhase = strawberry.field(description="Where they stand.")
    phase_label: str = strawberry.field(resolver=_phase_label, description="The phase, for people.")
    residence_status: ResidenceStatus | None = strawberry.field(description="Residence status.")
    status_valid_until: date | None = strawberry.field(description="Last day of the status.")
    needs: list[str] = strawberry.field(description="Topic codes.")
    responsible_id: strawberry.ID | None = strawberry.field(
        resolver=_responsible, description="Who looks after them (Member)."
    )
    deputy_id: strawberry.ID | None = strawberry.field(resolver=_deputy, description="Deputy (Member).")
    version: int = strawberry.field(description="Rises with every change; give it as expectedVersion.")
    updated_at: datetime = strawberry.field(description="When it last changed.")


@strawberry.type(description="How many of the own organisation's clients stand in a phase.")
class ClientPhaseCount:
    """How many of the own organisation's clients stand in a phase."""

    phase: ClientPhase = strawberry.field(description="The phase.")
    phase_label: str = strawberry.field(description="The phase, for people.")
    count: int = strawberry.field(description="How many.")


def _id(root: Parent[ClientFile]) -> strawberry.ID:
    return global_id("Client", root.id)


def _partner_id(root: Parent[ClientFile]) -> strawberry.ID:
    return global_id("Partner", root.partner_id)


async def _eligibility(root: Parent[ClientFile], info: Info) -> Any:
    return await info.context.people.support(root)


async def _exclusion(root: Parent[ClientFile], info: Info) -> Any:
    return await info.context.people.exclusion(root.id)


async def _code_card(root: Parent[ClientFile], info: Info) -> Any:
    return await info.context.people.code_card(root.id)


async def _consents(root: Parent[ClientFile], info: Info) -> Any:
    return await info.context.people.consents(root.id)


async def _referrals(
    root: Parent[ClientFile], info: Info, first: First = PAGE_SIZE, after: After = None
) -> Any:
    page = await info.context.people.referrals(
        Box.SENT,
        client_id=root.id,
        first=first,
        after=after,
        total=info.context.asks("ReferralConnection", "totalCount"),
    )
    return connection(page, after=after)


@strawberry.type(
    description="A person whom the own organisation accompanies (Teilnehmende); reading it is recorded."
)
class Client(Node):
    """A person whom the own organisation accompanies."""

    id: strawberry.ID = strawberry.field(resolver=_id, description="Global id.")
    version: int = strawberry.field(description="Rises with every change; give it as expectedVersion.")
    partner_id: strawberry.ID = strawberry.field(resolver=_partner_id, description="Whose client (Partner).")
    pseudonym: str = strawberry.field(description="What others see in place of the name.")
    identity: Identity = strawberry.field(description="Who they are.")
    contact: Contact = strawberry.field(description="How they are reached.")
    profile: Profile = strawberry.field(description="What they bring along.")
    phase: ClientPhase = strawberry.field(description="Where they stand.")
    phase_label: str = strawberry.field(resolver=_phase_label, description="The phase, for people.")
    phases: list[PhaseChange] = strawberry.field(description="The phases so far, in order.")
    residence_status: ResidenceStatus | None = strawberry.field(description="Residence status.")
    status_valid_until: date | None = strawberry.field(description="Last day of the status.")
    legal_circle: LegalCircle | None = strawberry.field(description="Which benefits law applies.")
    languages: list[str] = strawberry.field(description="Languages they speak (BCP 47), best first.")
    needs: list[str] = strawberry.field(description="What they need: topic codes.")
    supported_before: bool = strawberry.field(description="Whether they were supported before.")
    applied_in_time: bool | None = strawberry.field(
        description="Whether the extension of the status was applied for before it ended; null: not known."
    )
    judged: list[SupportJudgement] = strawberry.field(
        description="What the project's rule said at intake and at sending, in order."
    )
    section_87_notice: Section87Shown | None = strawberry.field(
        name="section87Notice",
        description="What they were shown before data were entered; null where none was due, or taken over.",
    )
    responsible_id: strawberry.ID | None = strawberry.field(
        resolver=_responsible, description="Who looks after them (Member)."
    )
    deputy_id: strawberry.ID | None = strawberry.field(resolver=_deputy, description="Deputy (Member).")
    created_at: datetime = strawberry.field(description="When they were taken in.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    eligibility: SupportEligibility = strawberry.field(
        resolver=_eligibility,
        graphql_type=SupportEligibility,
        description="What the project's rule for its own support says about them today.",
    )
    exclusion: Exclusion | None = strawberry.field(
        resolver=_exclusion,
        graphql_type=Exclusion | None,
        description="Whether they are excluded; null for all but a LEAD of the own organisation.",
    )
    consents: list[Annotated[Consent, strawberry.lazy("graphapi.types.consent")]] = strawberry.field(
        resolver=_consents,
        graphql_type=list[Annotated["Consent", strawberry.lazy("graphapi.types.consent")]],
        description="Their consent records, newest first, at most 100.",
    )
    code_card: CodeCard | None = strawberry.field(
        resolver=_code_card,
        graphql_type=Annotated["CodeCard", strawberry.lazy("graphapi.types.card")] | None,
        description="Their living code card, without its code; null when there is none.",
    )
    referrals: Connection[Annotated[Referral, strawberry.lazy("graphapi.types.referral")]] = strawberry.field(
        resolver=_referrals,
        graphql_type=Connection[Annotated["Referral", strawberry.lazy("graphapi.types.referral")]],
        description="Their referrals by the own organisation, last changed first.",
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell clients from other nodes: behind the type stands the opened file."""
        return isinstance(value, ClientFile | cls)
