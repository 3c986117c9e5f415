"""The values that clients, consents and referrals are made of: plain, immutable, checked when read.

Pure. ``Identity``, ``Contact`` and ``Profile`` are stored sealed only; the others as JSON.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeAlias
from uuid import UUID

import msgspec

from directory.values import Instant, LanguageTag, ShortText, Value
from directory.vocabulary import CefrLevel, DataProtectionLaw, PartnerKind, WorkPermission
from referrals.vocabulary import (
    Channel,
    ConsentMedium,
    DataCategory,
    GivenBy,
    InterpreterKind,
    LegalBasis,
    Purpose,
    ReportDepth,
    RevocationAnswer,
    SpecialBasis,
    WithdrawalScope,
)

NoteText: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=600)]
"""A short free text; people are warned not to write more than needed, and it is stored sealed only."""

Phone: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{5,14}$")]
"""Telephone number, E.164."""

Several: TypeAlias = Annotated[tuple[ShortText, ...], msgspec.Meta(max_length=50)]
"""A short list of short texts."""

Sha256: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Identity(Value, frozen=True, kw_only=True):
    """Who the person is; ``other_names`` are other spellings under which they must be found."""

    family_name: ShortText
    given_names: ShortText | None = None
    other_names: Several = ()
    date_of_birth: date | None = None


class Contact(Value, frozen=True, kw_only=True):
    """How the person is reached."""

    phone: Phone | None = None
    email: Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)] | None = None
    address: ShortText | None = None


class Profile(Value, frozen=True, kw_only=True):
    """What the person brings along and what matters for finding the right place; no case notes."""

    competences: Several = ()
    work_permission: WorkPermission = WorkPermission.ASK
    level: CefrLevel | None = None
    qualifications: Several = ()
    experience: Several = ()
    family_care: NoteText | None = None
    health: NoteText | None = None
    documents: Several = ()


class Party(Value, frozen=True, kw_only=True):
    """An organisation in a consent: what was true of it when the consent was asked for.

    ``professional_secrecy``: its staff are bound by § 203 StGB. ``public_body`` and ``school`` decide
    whether the notice about § 87 AufenthG is due.
    """

    partner_id: UUID
    name: ShortText
    kind: PartnerKind
    law: DataProtectionLaw = DataProtectionLaw.GDPR
    contact: str | None = None
    professional_secrecy: bool = False
    public_body: bool = False
    school: bool = False


class PurposeTerms(Value, frozen=True, kw_only=True):
    """One purpose, decided separately: for which categories, how deep, until when.

    ``granted`` is None until the person has decided. ``report_depth`` matters for REPORT_BACK only.
    ``ends_on`` (inclusive) is an own end of this purpose, before the consent's.
    """

    purpose: Purpose
    categories: tuple[DataCategory, ...] = ()
    granted: bool | None = None
    report_depth: ReportDepth = ReportDepth.NOTHING
    ends_on: date | None = None


class SecrecyRelease(Value, frozen=True, kw_only=True):
    """Release from professional secrecy (§ 203 StGB): who is released, towards whom, about what."""

    released: UUID
    towards: UUID
    about: tuple[DataCategory, ...] = ()
    about_outcome: bool = False


class ConsentTerms(Value, frozen=True, kw_only=True):
    """What a consent says; never changed once it is given (ISO/IEC TS 27560, GDPR Art. 7, 9, 13)."""

    controller: Party
    recipients: tuple[Party, ...]
    purposes: tuple[PurposeTerms, ...]
    legal_basis: LegalBasis = LegalBasis.GDPR_6_1_A
    special_basis: SpecialBasis | None = None
    releases: tuple[SecrecyRelease, ...] = ()


class NoticeShown(Value, frozen=True, kw_only=True):
    """Which notice was shown, and how."""

    text_id: ShortText
    version: ShortText
    sha256: Sha256
    language: LanguageTag
    easy_language: bool = False
    read_aloud: bool = False


class Section87Shown(Value, frozen=True, kw_only=True):
    """That the notice about § 87 AufenthG was shown before data were entered: which text, and when.

    ``service_id``, ``recipient_id``: where the person was to be sent, if the notice named that one too.
    """

    notice: NoticeShown
    shown_at: Instant
    service_id: UUID | None = None
    recipient_id: UUID | None = None


class InterpreterUsed(Value, frozen=True, kw_only=True):
    """Who interpreted, from and into which language."""

    kind: InterpreterKind
    language: LanguageTag


class ConsentRecord(Value, frozen=True, kw_only=True):
    """How the person decided: what they were shown, in which language, who declared it, on what medium.

    ``section_87_notice_at``: when the notice about § 87 AufenthG was shown, before data were entered.
    """

    notice: NoticeShown
    medium: ConsentMedium
    given_by: GivenBy = GivenBy.SELF
    no_disadvantage_shown: bool = False
    section_87_notice_at: Instant | None = None
    interpreter: InterpreterUsed | None = None


class ConsentEvidence(Value, frozen=True, kw_only=True):
    """Proof of a declaration: where the paper is, who witnessed it. Stored sealed only.

    ``representative``: who declared it for the person, in which relation; ``representation_proof``: where the
    proof of that is (certificate of guardianship, birth certificate). Both are needed unless given by SELF.
    """

    reference: ShortText | None = None
    witness: ShortText | None = None
    representative: ShortText | None = None
    representation_proof: ShortText | None = None


class Withdrawal(Value, frozen=True, kw_only=True):
    """That a consent was withdrawn: when, how, and how much of it. The proof survives the data.

    ``text_version``: of the texts from which the receipt is made, so that it can be made again.
    """

    at: Instant
    channel: Channel
    scope: WithdrawalScope
    purpose: Purpose | None = None
    recipient: UUID | None = None
    receipt: UUID
    language: LanguageTag = "de"
    text_version: ShortText | None = None


class Kept(Value, frozen=True, kw_only=True):
    """A recipient's answer after the consent ended: deleted, or what is kept, on which basis, until when."""

    answer: RevocationAnswer
    what: tuple[DataCategory, ...] = ()
    legal_basis: ShortText | None = None
    until: date | None = None
