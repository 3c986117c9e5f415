"""Consents: put before a person, record what they decided, withdraw."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory.database import Work
from directory.values import Instant, LanguageTag
from graphapi.context import Info
from graphapi.given import renaming
from graphapi.mutations.running import ChangeProblems, Given, run
from graphapi.relay import require_id, target_id
from graphapi.types.consent import Consent
from graphapi.types.exchange_problems import ConsentNotOpenProblem, ErasedProblem
from referrals.consent import consents
from referrals.values import ConsentEvidence, ConsentRecord, PurposeTerms
from referrals.vocabulary import (
    Channel,
    ConsentMedium,
    DataCategory,
    GivenBy,
    InterpreterKind,
    Purpose,
    ReportDepth,
    WithdrawalScope,
)


@strawberry.type(description="The consent record as it is now.")
class ConsentSaved:
    """The consent record as it is now."""

    consent: Consent = strawberry.field(graphql_type=Consent, description="The record.")


@strawberry.type(description="What was withdrawn is over: access ended with this answer.")
class ConsentWithdrawn:
    """What was withdrawn is over."""

    consent: Consent = strawberry.field(
        graphql_type=Consent, description="The record, with the receipt for the person in `withdrawal`."
    )
    remaining: Consent | None = strawberry.field(
        graphql_type=Consent | None, description="What remains of it after a partial withdrawal."
    )


async def consent_saved(info: Info, consent_id: UUID) -> ConsentSaved | None:
    """Read the record with the actor's rights."""
    found = await info.context.people.consent(consent_id)
    return None if found is None else ConsentSaved(consent=found)  # type: ignore[arg-type]


async def _consent_withdrawn(info: Info, consent_id: UUID) -> ConsentWithdrawn | None:
    people = info.context.people
    found = await people.consent(consent_id)
    if found is None:
        return None
    remaining = None if found.superseded_by_id is None else await people.consent(found.superseded_by_id)
    return ConsentWithdrawn(consent=found, remaining=remaining)  # type: ignore[arg-type]


@strawberry.input(description="One purpose to decide on.")
class ConsentPurposeInput:
    """One purpose to decide on."""

    purpose: Purpose = strawberry.field(description="What the data may be used for.")
    categories: list[DataCategory] = strawberry.field(default_factory=list, description="Which data.")
    report_depth: ReportDepth = strawberry.field(
        default=ReportDepth.NOTHING, description="For REPORT_BACK: how much may be told."
    )
    ends_on: date | None = strawberry.field(
        default=strawberry.UNSET, description="An own last day; a FOLLOW_UP… needs one."
    )


@strawberry.input(description="Which notice the person was shown, and how.")
class NoticeShownInput:
    """Which notice was shown."""

    text_id: str = strawberry.field(description="Id of the text.")
    version: str = strawberry.field(description="Version of the text.")
    sha256: str = strawberry.field(description="SHA-256 of the text, in hex.")
    language: str = strawberry.field(description="BCP 47.")
    easy_language: bool = strawberry.field(default=False, description="In easy language.")
    read_aloud: bool = strawberry.field(default=False, description="Read aloud.")


@strawberry.input(description="Who interpreted when the consent was explained.")
class InterpreterUsedInput:
    """Who interpreted."""

    kind: InterpreterKind = strawberry.field(description="Who it was.")
    language: str = strawberry.field(description="BCP 47.")


@strawberry.input(description="How the person decided.")
class ConsentRecordInput:
    """How the person decided."""

    notice: NoticeShownInput = strawberry.field(description="What was shown.")
    medium: ConsentMedium = strawberry.field(description="How it was declared.")
    given_by: GivenBy = strawberry.field(default=GivenBy.SELF, description="Who declared it.")
    no_disadvantage_shown: bool = strawberry.field(
        default=False, description="“Refusing has no disadvantage” was shown."
    )
    section_87_notice_at: datetime | None = strawberry.field(
        name="section87NoticeAt",
        default=strawberry.UNSET,
        description="When the notice about § 87 AufenthG was shown.",
    )
    interpreter: InterpreterUsedInput | None = strawberry.field(
        default=strawberry.UNSET, description="Who interpreted."
    )


@strawberry.input(description="Proof of a declaration; stored sealed.")
class ConsentEvidenceInput:
    """Proof of a declaration."""

    reference: str | None = strawberry.field(default=strawberry.UNSET, description="Where the paper is.")
    witness: str | None = strawberry.field(
        default=strawberry.UNSET, description="Who was there; needed when it was oral."
    )
    representative: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Who declares for the person, in which relation; needed unless given by SELF.",
    )
    representation_proof: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Where the proof of that is (certificate of guardianship …); needed unless by SELF.",
    )


@strawberry.input(description="A consent to put before a person; nothing is shared by this.")
class RequestConsentInput:
    """A consent to put before a person."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    client_id: strawberry.ID = strawberry.field(description="The person.")
    recipient_ids: list[strawberry.ID] = strawberry.field(description="Who may receive data (Partner).")
    purposes: list[ConsentPurposeInput] = strawberry.field(description="Each is decided on by itself.")
    supersedes_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="A record in force that this one replaces once it is given."
    )


@strawberry.input(description="What the person decided.")
class RecordConsentInput:
    """What the person decided."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The consent record.")
    expected_version: int = strawberry.field(description="The version you read.")
    granted: list[Purpose] = strawberry.field(description="The purposes granted; none: refused.")
    record: ConsentRecordInput = strawberry.field(description="How it was decided.")
    released: bool = strawberry.field(
        default=True, description="Whether they released from professional secrecy too (§ 203 StGB)."
    )
    evidence: ConsentEvidenceInput | None = strawberry.field(default=strawberry.UNSET, description="Proof.")
    decided_at: datetime | None = strawberry.field(default=strawberry.UNSET, description="Left out: now.")
    valid_until: date | None = strawberry.field(
        default=strawberry.UNSET, description="Last day; left out, and at most: twelve months."
    )


@strawberry.input(description="A consent in force to ask for again.")
class RenewConsentInput:
    """A consent in force to ask for again."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The consent record in force.")
    expected_version: int = strawberry.field(description="The version you read.")


@strawberry.input(description="What the person withdraws.")
class WithdrawConsentInput:
    """What the person withdraws."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    id: strawberry.ID = strawberry.field(description="The consent record.")
    expected_version: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="The version you read; left out: whatever it is. Withdrawing must be easy.",
    )
    channel: Channel = strawberry.field(description="How the person said so.")
    scope: WithdrawalScope = strawberry.field(default=WithdrawalScope.ALL, description="How much of it.")
    purpose: Purpose | None = strawberry.field(default=strawberry.UNSET, description="For PURPOSE: which.")
    recipient_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="For RECIPIENT: which (Partner)."
    )
    language: str = strawberry.field(default="de", description="Language of the receipt (BCP 47).")


RequestConsentResult: TypeAlias = Annotated[
    ConsentSaved | ChangeProblems | ConsentNotOpenProblem, strawberry.union(name="RequestConsentResult")
]
RenewConsentResult: TypeAlias = Annotated[
    ConsentSaved | ChangeProblems | ConsentNotOpenProblem, strawberry.union(name="RenewConsentResult")
]
RecordConsentResult: TypeAlias = Annotated[
    ConsentSaved | ChangeProblems | ConsentNotOpenProblem | ErasedProblem,
    strawberry.union(name="RecordConsentResult"),
]
WithdrawConsentResult: TypeAlias = Annotated[
    ConsentWithdrawn | ChangeProblems | ConsentNotOpenProblem, strawberry.union(name="WithdrawConsentResult")
]


@strawberry.type
class ConsentMutations:
    """What can be done with consent records of own clients."""

    @strawberry.mutation(
        graphql_type=RequestConsentResult,
        description="Put a consent before a person; see referralRequirements for what is needed.",
    )
    async def request_consent(self, info: Info, input: RequestConsentInput) -> object:
        """Put a consent before a person."""

        async def act(work: Work, given: Given) -> UUID:
            with renaming({"recipients": "recipientIds"}):
                return await consents.request_consent(
                    work,
                    client_id=target_id(input.client_id, "Client"),
                    recipients=[
                        require_id(one, "Partner", f"recipientIds.{position}")
                        for position, one in enumerate(input.recipient_ids)
                    ],
                    purposes=given.part("purposes", tuple[PurposeTerms, ...]),
                    supersedes_id=target_id(input.supersedes_id, "Consent") if input.supersedes_id else None,
                )

        return await run(info, input, act, read=consent_saved)

    @strawberry.mutation(
        graphql_type=RecordConsentResult,
        description="Record what the person decided, purpose by purpose; final either way.",
    )
    async def record_consent(self, info: Info, input: RecordConsentInput) -> object:
        """Record what the person decided."""

        async def act(work: Work, given: Given) -> UUID:
            consent_id = target_id(input.id, "Consent")
            await consents.record_consent(
                work,
                info.context.people.keys,
                consent_id=consent_id,
                expected_version=input.expected_version,
                granted=input.granted,
                record=given.part("record", ConsentRecord),
                released=input.released,
                evidence=given.part("evidence", ConsentEvidence) if input.evidence else None,
                decided_at=given.part("decided_at", Instant) if input.decided_at else None,
                valid_until=input.valid_until or None,
            )
            return consent_id

        return await run(info, input, act, read=consent_saved)

    @strawberry.mutation(
        graphql_type=RenewConsentResult,
        description=(
            "Ask for the same again before it ends: a new record with today's organisations and what was "
            "granted, which replaces this one once it is given. Offered from renewalFrom on."
        ),
    )
    async def renew_consent(self, info: Info, input: RenewConsentInput) -> object:
        """Ask for the same again."""

        async def act(work: Work, given: Given) -> UUID:
            with renaming({"recipients": "recipientIds"}):
                return await consents.renew_consent(
                    work, target_id(input.id, "Consent"), input.expected_version
                )

        return await run(info, input, act, read=consent_saved)

    @strawberry.mutation(
        graphql_type=WithdrawConsentResult,
        description=(
            "Withdraw a consent, or one purpose or recipient of it. In the same moment recipients "
            "lose access, and open referrals that rest on it end."
        ),
    )
    async def withdraw_consent(self, info: Info, input: WithdrawConsentInput) -> object:
        """Withdraw a consent, or a part of it."""

        async def act(work: Work, given: Given) -> UUID:
            consent_id = target_id(input.id, "Consent")
            recipient = (
                require_id(input.recipient_id, "Partner", "recipientId") if input.recipient_id else None
            )
            with renaming({"recipient": "recipientId"}):
                await consents.withdraw_consent(
                    work,
                    consent_id=consent_id,
                    channel=input.channel,
                    scope=input.scope,
                    purpose=input.purpose or None,
                    recipient=recipient,
                    language=given.part("language", LanguageTag),
                    expected_version=given.values.get("expected_version"),
                )
            return consent_id

        return await run(info, input, act, read=_consent_withdrawn)
