"""A consent record, resolved field by field over what the referral room lets the reader see of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import Parent

from directory.vocabulary import DataProtectionLaw, PartnerKind
from graphapi.context import Info
from graphapi.relay import global_id
from graphapi.types import exchange_words as exchange_words
from graphapi.types.consent_notice import ConsentNotice, language_of
from graphapi.types.node import Node
from graphapi.types.words import label
from referrals import values
from referrals.consent.consents import ConsentView
from referrals.vocabulary import (
    Channel,
    ConsentMedium,
    ConsentState,
    ConsentWarning,
    DataCategory,
    GivenBy,
    InterpreterKind,
    LegalBasis,
    Purpose,
    ReportDepth,
    SpecialBasis,
    WithdrawalScope,
)


def _party_id(root: Parent[values.Party]) -> strawberry.ID:
    return global_id("Partner", root.partner_id)


@strawberry.type(description="An organisation in a consent, as it was when the consent was asked for.")
class ConsentParty:
    """An organisation in a consent."""

    partner_id: strawberry.ID = strawberry.field(resolver=_party_id, description="Global id of the partner.")
    name: str = strawberry.field(description="Its name.")
    kind: PartnerKind = strawberry.field(description="What sort of organisation it is.")
    law: DataProtectionLaw = strawberry.field(description="The data protection law that binds it.")
    contact: str | None = strawberry.field(description="Where the person reaches it.")
    professional_secrecy: bool = strawberry.field(description="Its staff are bound by § 203 StGB.")
    public_body: bool = strawberry.field(description="A public body.")
    school: bool = strawberry.field(description="A school: exempt from § 87 AufenthG.")


def _purpose_label(root: Parent[values.PurposeTerms], info: Info) -> str:
    return label(root.purpose, info.context.language)


@strawberry.type(description="One purpose of a consent; the person decides on each separately.")
class ConsentPurpose:
    """One purpose of a consent."""

    purpose: Purpose = strawberry.field(description="What the data may be used for.")
    purpose_label: str = strawberry.field(resolver=_purpose_label, description="The purpose, for people.")
    categories: list[DataCategory] = strawberry.field(description="Which data.")
    granted: bool | None = strawberry.field(description="The person's decision; null: not decided yet.")
    report_depth: ReportDepth = strawberry.field(description="For REPORT_BACK: how much may be told.")
    ends_on: date | None = strawberry.field(description="An own last day of this purpose.")


def _released(root: Parent[values.SecrecyRelease]) -> strawberry.ID:
    return global_id("Partner", root.released)


def _towards(root: Parent[values.SecrecyRelease]) -> strawberry.ID:
    return global_id("Partner", root.towards)


@strawberry.type(description="Release from professional secrecy (§ 203 StGB).")
class SecrecyRelease:
    """Who is released from professional secrecy, towards whom, about what."""

    released: strawberry.ID = strawberry.field(resolver=_released, description="The partner released.")
    towards: strawberry.ID = strawberry.field(resolver=_towards, description="The partner that is told.")
    about: list[DataCategory] = strawberry.field(description="About which data.")
    about_outcome: bool = strawberry.field(description="About what came of the referral.")


@strawberry.type(description="Which notice the person was shown, and how.")
class NoticeShown:
    """Which notice was shown, and how."""

    text_id: str = strawberry.field(description="Id of the text.")
    version: str = strawberry.field(description="Version of the text.")
    sha256: str = strawberry.field(description="SHA-256 of the text, in hex.")
    language: str = strawberry.field(description="BCP 47.")
    easy_language: bool = strawberry.field(description="In easy language.")
    read_aloud: bool = strawberry.field(description="Read aloud.")


@strawberry.type(description="Who interpreted when the consent was explained.")
class InterpreterUsed:
    """Who interpreted."""

    kind: InterpreterKind = strawberry.field(description="Who it was.")
    language: str = strawberry.field(description="BCP 47.")


@strawberry.type(description="How the person decided.")
class ConsentRecord:
    """How the person decided: what was shown, who declared it, on which medium."""

    notice: NoticeShown = strawberry.field(description="What was shown.")
    medium: ConsentMedium = strawberry.field(description="How it was declared.")
    given_by: GivenBy = strawberry.field(description="Who declared it.")
    no_disadvantage_shown: bool = strawberry.field(description="“Refusing has no disadvantage” was shown.")
    section_87_notice_at: datetime | None = strawberry.field(
        name="section87NoticeAt", description="When the notice about § 87 AufenthG was shown."
    )
    interpreter: InterpreterUsed | None = strawberry.field(description="Who interpreted.")


@strawberry.type(description="Proof of a declaration; only the controller reads it, and reading is recorded.")
class ConsentEvidence:
    """Proof of a declaration."""

    reference: str | None = strawberry.field(description="Where the paper is.")
    witness: str | None = strawberry.field(description="Who was there.")
    representative: str | None = strawberry.field(
        description="Who declared it for the person, in which relation."
    )
    representation_proof: str | None = strawberry.field(description="Where the proof of that is.")


def _withdrawn_recipient(root: Parent[values.Withdrawal]) -> strawberry.ID | None:
    return global_id("Partner", root.recipient) if root.recipient is not None else None


@strawberry.type(description="That a consent was withdrawn; the proof survives the data.")
class Withdrawal:
    """That a consent was withdrawn: when, how, how much of it."""

    at: datetime = strawberry.field(description="When.")
    channel: Channel = strawberry.field(description="How it reached the organisation.")
    scope: WithdrawalScope = strawberry.field(description="How much of it.")
    purpose: Purpose | None = strawberry.field(description="The purpose that was withdrawn.")
    recipient_id: strawberry.ID | None = strawberry.field(
        resolver=_withdrawn_recipient, description="The recipient for whom it was withdrawn."
    )
    receipt: UUID = strawberry.field(description="Number of the person's receipt.")
    language: str = strawberry.field(description="Language of the receipt (BCP 47).")


def _id(root: Parent[ConsentView]) -> strawberry.ID:
    return global_id("Consent", root.id)


def _state_label(root: Parent[ConsentView], info: Info) -> str:
    return label(root.state, info.context.language)


def _controller(root: Parent[ConsentView]) -> Any:
    return root.terms.controller


def _recipients(root: Parent[ConsentView]) -> Any:
    return root.terms.recipients


def _purposes(root: Parent[ConsentView]) -> Any:
    return root.terms.purposes


def _legal_basis(root: Parent[ConsentView]) -> LegalBasis:
    return root.terms.legal_basis


def _special_basis(root: Parent[ConsentView]) -> SpecialBasis | None:
    return root.terms.special_basis


def _releases(root: Parent[ConsentView]) -> Any:
    return root.terms.releases


def _client_id(root: Parent[ConsentView], info: Info) -> strawberry.ID | None:
    return global_id("Client", root.client_id) if info.context.actor.partner_id == root.partner_id else None


def _recorded_by(root: Parent[ConsentView]) -> strawberry.ID | None:
    return global_id("Member", root.recorded_by) if root.recorded_by is not None else None


def _evidence(root: Parent[ConsentView], info: Info) -> Any:
    return info.context.people.evidence(root) if root.evidence_kept else None


AnyLanguage = Annotated[
    str | None,
    strawberry.argument(description="BCP 47; left out: the one in which it was shown, else German."),
]


async def _notice(root: Parent[ConsentView], info: Info, language: AnyLanguage = None) -> Any:
    return await info.context.people.notice(root, None if language is None else language_of(language))


async def _withdrawal_receipt(root: Parent[ConsentView], info: Info, language: AnyLanguage = None) -> Any:
    return await info.context.people.receipt(root, None if language is None else language_of(language))


def _warnings(root: Parent[ConsentView], info: Info) -> Any:
    return info.context.people.consent_warnings(root)


def _supersedes(root: Parent[ConsentView]) -> strawberry.ID | None:
    return global_id("Consent", root.supersedes_id) if root.supersedes_id is not None else None


def _superseded_by(root: Parent[ConsentView]) -> strawberry.ID | None:
    return global_id("Consent", root.superseded_by_id) if root.superseded_by_id is not None else None


@strawberry.type(
    description=(
        "A consent record (Einwilligung), after ISO/IEC TS 27560: one person, one set of purposes. Its terms "
        "never change once it is given; a change is a new record. A recipient sees its own part only."
    )
)
class Consent(Node):
    """A consent record."""

    id: strawberry.ID = strawberry.field(resolver=_id, description="Global id.")
    version: int = strawberry.field(description="Rises with every change; give it as expectedVersion.")
    subject: str = strawberry.field(description="The person's pseudonym.")
    client_id: strawberry.ID | None = strawberry.field(
        resolver=_client_id, description="The person (Client); null for all but their own organisation."
    )
    state: ConsentState = strawberry.field(
        description="The state at this moment: EXPIRED as soon as it has ended."
    )
    state_label: str = strawberry.field(resolver=_state_label, description="The state, for people.")
    controller: ConsentParty = strawberry.field(
        resolver=_controller, graphql_type=ConsentParty, description="Who is responsible for the data."
    )
    recipients: list[ConsentParty] = strawberry.field(
        resolver=_recipients, graphql_type=list[ConsentParty], description="Who may receive data, by name."
    )
    purposes: list[ConsentPurpose] = strawberry.field(
        resolver=_purposes, graphql_type=list[ConsentPurpose], description="What for, each decided on."
    )
    legal_basis: LegalBasis = strawberry.field(resolver=_legal_basis, description="Legal basis.")
    special_basis: SpecialBasis | None = strawberry.field(
        resolver=_special_basis, description="Legal basis for special categories."
    )
    releases: list[SecrecyRelease] = strawberry.field(
        resolver=_releases, graphql_type=list[SecrecyRelease], description="Releases from secrecy."
    )
    record: ConsentRecord | None = strawberry.field(description="How the person decided.")
    evidence_kept: bool = strawberry.field(description="Whether there is evidence to read.")
    evidence: ConsentEvidence | None = strawberry.field(
        resolver=_evidence,
        graphql_type=ConsentEvidence | None,
        description="Proof of the declaration, for the controller; reading it is recorded.",
    )
    notice: ConsentNotice | None = strawberry.field(
        resolver=_notice,
        graphql_type=ConsentNotice | None,
        description=(
            "What to show the person before they decide, and afterwards what they were shown: page text, its "
            "SHA-256, and PDF to print and sign. For the controller."
        ),
    )
    withdrawal_receipt: ConsentNotice | None = strawberry.field(
        resolver=_withdrawal_receipt,
        graphql_type=ConsentNotice | None,
        description="The person's receipt of the withdrawal, in its language; for the controller.",
    )
    warnings: list[ConsentWarning] = strawberry.field(
        resolver=_warnings,
        graphql_type=list[ConsentWarning],
        description=(
            "Before it is recorded: UNDER_16, UNDER_18: think of the legal representative. It stops nobody. "
            "For the controller; looking is recorded."
        ),
    )
    decided_at: datetime | None = strawberry.field(description="When the person decided.")
    recorded_by_id: strawberry.ID | None = strawberry.field(
        resolver=_recorded_by, description="Who recorded it (Member); for the controller."
    )
    valid_from: datetime | None = strawberry.field(description="From when it counts.")
    valid_until: datetime | None = strawberry.field(description="Until before when it counts.")
    renewal_from: datetime | None = strawberry.field(description="From when a renewal is offered.")
    renewal_offered_at: datetime | None = strawberry.field(
        description="When a renewal was offered to the controller."
    )
    withdrawal: Withdrawal | None = strawberry.field(description="That it was withdrawn.")
    supersedes_id: strawberry.ID | None = strawberry.field(
        resolver=_supersedes, description="The record that this one replaced."
    )
    superseded_by_id: strawberry.ID | None = strawberry.field(
        resolver=_superseded_by, description="The record that replaced this one, or remains of it."
    )
    receipt: UUID | None = strawberry.field(description="Number of the person's receipt.")
    created_at: datetime = strawberry.field(description="When it was asked for.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell consents from other nodes: behind the type stands what the room shows of the record."""
        return isinstance(value, ConsentView | cls)
