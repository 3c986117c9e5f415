"""What a consent covers: the rules of DESIGN section 6 as plain functions over plain values.

Pure. Nothing here asks a database or a clock: ``at`` is always an argument, because access is judged anew at
each reading. What is not covered is named by codes, so that the caller can ask the person for exactly that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from directory.days import local_day
from directory.vocabulary import DataProtectionLaw, PartnerKind
from referrals.values import ConsentRecord, ConsentTerms, Party, PurposeTerms, SecrecyRelease
from referrals.vocabulary import (
    FOLLOW_UP_PURPOSES,
    ConsentState,
    DataCategory,
    LegalBasis,
    Purpose,
    ReportDepth,
    SpecialBasis,
    WithdrawalScope,
)

SPECIAL_CATEGORIES: Final = frozenset({DataCategory.HEALTH})
"""Special categories (Art. 9 GDPR): they need a legal basis of their own."""

PURPOSES_WITH_DATA: Final = frozenset({Purpose.REFERRAL, Purpose.HANDOVER})
"""Purposes for which data about the person go to the recipient, so at least one category is named."""

_EVERYTHING: Final = frozenset(DataCategory)

LARGEST: Final[dict[PartnerKind, frozenset[DataCategory]]] = {
    PartnerKind.MUNICIPAL_PROJECT: _EVERYTHING,
    PartnerKind.FREE_PROVIDER: _EVERYTHING,
    PartnerKind.CHAMBER: _EVERYTHING - {DataCategory.HEALTH, DataCategory.FAMILY_CARE},
    PartnerKind.AUTHORITY: _EVERYTHING,
    # An employer may not ask for these; of the status it learns "may work: yes / with permission / ask".
    PartnerKind.BUSINESS: frozenset(
        {
            DataCategory.IDENTITY,
            DataCategory.CONTACT,
            DataCategory.LANGUAGE,
            DataCategory.WORK_PERMISSION,
            DataCategory.LEVEL,
            DataCategory.QUALIFICATION,
            DataCategory.EXPERIENCE,
        }
    ),
    PartnerKind.MUNICIPALITY: _EVERYTHING,
    PartnerKind.MIGRANT_ORGANISATION: _EVERYTHING - {DataCategory.HEALTH},
}
"""The most that a partner of each kind ever gets, whatever was consented to (data minimisation)."""

LEGAL_BASIS: Final = {
    DataProtectionLaw.GDPR: LegalBasis.GDPR_6_1_A,
    DataProtectionLaw.KDG: LegalBasis.KDG_6_1_B,
    DataProtectionLaw.DSG_EKD: LegalBasis.DSG_EKD_6_2,
}
SPECIAL_BASIS: Final = {
    DataProtectionLaw.GDPR: SpecialBasis.GDPR_9_2_A,
    DataProtectionLaw.KDG: SpecialBasis.KDG_11_2_A,
    DataProtectionLaw.DSG_EKD: SpecialBasis.DSG_EKD_13_2_1,
}
"""Consent, and explicit consent, in the law that binds the controller."""


class ConsentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What of a consent record decides whether it covers something."""

    state: ConsentState
    terms: ConsentTerms
    record: ConsentRecord | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None


def longest_end(valid_from: datetime) -> datetime:
    """Return the latest end of a consent given at this moment: twelve months later."""
    try:
        return valid_from.replace(year=valid_from.year + 1)
    except ValueError:  # 29 February
        return valid_from.replace(year=valid_from.year + 1, day=28)


def in_force(consent: ConsentFacts | None, at: datetime) -> bool:
    """Whether the consent is given and valid at this moment, whether or not the clock has moved its state."""
    return (
        consent is not None
        and consent.state is ConsentState.GIVEN
        and consent.valid_from is not None
        and consent.valid_until is not None
        and consent.valid_from <= at < consent.valid_until
    )


def section_87_applies(controller: Party, recipient: Party) -> bool:
    """Whether the notice about § 87 AufenthG is due: a public body other than a school at either end."""
    return any(party.public_body and not party.school for party in (controller, recipient))


def _purpose(terms: ConsentTerms, purpose: Purpose) -> PurposeTerms | None:
    return next((entry for entry in terms.purposes if entry.purpose is purpose), None)


def running(terms: ConsentTerms, purpose: Purpose, at: datetime) -> PurposeTerms | None:
    """Return what was granted for a purpose whose own end has not come; the consent's is ``in_force``."""
    entry = _purpose(terms, purpose)
    if entry is None or entry.granted is not True:
        return None
    if entry.ends_on is not None and local_day(at) > entry.ends_on:
        return None
    return entry


def _released(
    terms: ConsentTerms, released: UUID, towards: UUID, about: Collection[DataCategory], *, outcome: bool
) -> bool:
    known: set[DataCategory] = set()
    told = False
    for release in terms.releases:
        if release.released == released and release.towards == towards:
            known.update(release.about)
            told = told or release.about_outcome
    return known.issuperset(about) and (told or not outcome)


def covers(
    consent: ConsentFacts | None,
    *,
    recipient: UUID,
    purpose: Purpose,
    categories: Collection[DataCategory],
    at: datetime,
) -> frozenset[str]:
    """Return what is missing so that this may happen at this moment; empty means that it may.

    Codes: ``CONSENT`` (none in force), ``RECIPIENT``, ``PURPOSE:…``, ``CATEGORY:…`` (not consented to),
    ``NEVER:…`` (this kind of partner never gets it), ``SPECIAL_BASIS``, ``SECTION_87_NOTICE``,
    ``RELEASE_OF_SENDER`` and ``RELEASE_OF_RECIPIENT`` (§ 203 StGB).
    """
    if consent is None or not in_force(consent, at):
        return frozenset({"CONSENT"})
    terms = consent.terms
    party = next((named for named in terms.recipients if named.partner_id == recipient), None)
    if party is None:
        return frozenset({"RECIPIENT"})
    entry = running(terms, purpose, at)
    if entry is None:
        return frozenset({f"PURPOSE:{purpose}"})
    asked = set(categories)
    missing = {f"CATEGORY:{category}" for category in asked - set(entry.categories)}
    if purpose in PURPOSES_WITH_DATA:
        missing |= {f"NEVER:{category}" for category in asked - LARGEST[party.kind]}
    if asked & SPECIAL_CATEGORIES and terms.special_basis is None:
        missing.add("SPECIAL_BASIS")
    if section_87_applies(terms.controller, party) and (
        consent.record is None or consent.record.section_87_notice_at is None
    ):
        missing.add("SECTION_87_NOTICE")
    controller = terms.controller.partner_id
    if purpose in PURPOSES_WITH_DATA:
        if terms.controller.professional_secrecy and not _released(
            terms, controller, recipient, asked, outcome=False
        ):
            missing.add("RELEASE_OF_SENDER")
        back = running(terms, Purpose.REPORT_BACK, at)
        if back is not None and back.report_depth is not ReportDepth.NOTHING:
            missing |= _recipient_bound(terms, party)
    if purpose is Purpose.REPORT_BACK and entry.report_depth is not ReportDepth.NOTHING:
        missing |= _recipient_bound(terms, party)
    return frozenset(missing)


def _recipient_bound(terms: ConsentTerms, recipient: Party) -> frozenset[str]:
    if recipient.professional_secrecy and not _released(
        terms, recipient.partner_id, terms.controller.partner_id, (), outcome=True
    ):
        return frozenset({"RELEASE_OF_RECIPIENT"})
    return frozenset()


def report_depth(consent: ConsentFacts | None, recipient: UUID, at: datetime) -> ReportDepth:
    """Return how much of the outcome this recipient may tell the sender at this moment."""
    if covers(consent, recipient=recipient, purpose=Purpose.REPORT_BACK, categories=(), at=at):
        return ReportDepth.NOTHING
    entry = _purpose(consent.terms, Purpose.REPORT_BACK) if consent is not None else None
    return ReportDepth.NOTHING if entry is None else entry.report_depth


# --- Making terms ---------------------------------------------------------------------------------------


def terms_of(
    controller: Party, recipients: Iterable[Party], purposes: Iterable[PurposeTerms]
) -> ConsentTerms:
    """Return the terms to put before a person: the legal bases and releases follow from who takes part.

    Whoever is bound by § 203 StGB must be released towards the other side: the sender about the data, the
    recipient about what came of it.
    """
    named = tuple(recipients)
    asked = tuple(msgspec.structs.replace(entry, granted=None) for entry in purposes)
    shared = {c for entry in asked if entry.purpose in PURPOSES_WITH_DATA for c in entry.categories}
    about = tuple(category for category in DataCategory if category in shared)
    reports = any(
        entry.purpose is Purpose.REPORT_BACK and entry.report_depth is not ReportDepth.NOTHING
        for entry in asked
    )
    releases = [
        SecrecyRelease(released=controller.partner_id, towards=recipient.partner_id, about=about)
        for recipient in named
        if controller.professional_secrecy and about
    ]
    releases += [
        SecrecyRelease(released=recipient.partner_id, towards=controller.partner_id, about_outcome=True)
        for recipient in named
        if recipient.professional_secrecy and reports
    ]
    special = any(set(entry.categories) & SPECIAL_CATEGORIES for entry in asked)
    return ConsentTerms(
        controller=controller,
        recipients=named,
        purposes=asked,
        legal_basis=LEGAL_BASIS[controller.law],
        special_basis=SPECIAL_BASIS[controller.law] if special else None,
        releases=tuple(releases),
    )


def flaws(terms: ConsentTerms) -> tuple[tuple[str, str], ...]:
    """Return why these terms cannot be put before a person: (field, reason) each; empty when they can."""
    found: list[tuple[str, str]] = []
    if not terms.recipients:
        found.append(("recipients", "required"))
    if len({party.partner_id for party in terms.recipients}) != len(terms.recipients):
        found.append(("recipients", "duplicate"))
    if not terms.purposes:
        found.append(("purposes", "required"))
    if len({entry.purpose for entry in terms.purposes}) != len(terms.purposes):
        found.append(("purposes", "duplicate"))
    for number, entry in enumerate(terms.purposes):
        where = f"purposes.{number}"
        if len(set(entry.categories)) != len(entry.categories):
            found.append((f"{where}.categories", "duplicate"))
        if entry.purpose in PURPOSES_WITH_DATA:
            if not entry.categories:
                found.append((f"{where}.categories", "required"))
            allowed = frozenset[DataCategory]().union(*(LARGEST[party.kind] for party in terms.recipients))
            if terms.recipients and set(entry.categories) - allowed:
                found.append((f"{where}.categories", "never-for-this-partner"))
        if entry.purpose is Purpose.FOLLOW_UP:
            found.append((f"{where}.purpose", "split-purpose"))
        if entry.purpose in FOLLOW_UP_PURPOSES and entry.ends_on is None:
            found.append((f"{where}.endsOn", "required"))
        if entry.purpose is not Purpose.REPORT_BACK and entry.report_depth is not ReportDepth.NOTHING:
            found.append((f"{where}.reportDepth", "only-for-report-back"))
    if any(set(entry.categories) & SPECIAL_CATEGORIES for entry in terms.purposes) and (
        terms.special_basis is None
    ):
        found.append(("specialBasis", "required"))
    return tuple(found)


def decided(terms: ConsentTerms, granted: Collection[Purpose], *, released: bool) -> ConsentTerms:
    """Return the terms as the person decided: each purpose granted or not, released from secrecy or not."""
    return msgspec.structs.replace(
        terms,
        purposes=tuple(
            msgspec.structs.replace(entry, granted=entry.purpose in granted) for entry in terms.purposes
        ),
        releases=terms.releases if released else (),
    )


def reduced(
    terms: ConsentTerms,
    scope: WithdrawalScope,
    *,
    purpose: Purpose | None = None,
    recipient: UUID | None = None,
) -> ConsentTerms | None:
    """Return what remains after a withdrawal of this scope; None when nothing does."""
    if scope is WithdrawalScope.ALL:
        return None
    purposes, recipients, releases = terms.purposes, terms.recipients, terms.releases
    if scope is WithdrawalScope.PURPOSE:
        purposes = tuple(
            msgspec.structs.replace(entry, granted=False) if entry.purpose is purpose else entry
            for entry in purposes
        )
    else:
        recipients = tuple(party for party in recipients if party.partner_id != recipient)
        releases = tuple(r for r in releases if recipient not in (r.released, r.towards))
    if not recipients or not any(entry.granted for entry in purposes):
        return None
    return msgspec.structs.replace(terms, purposes=purposes, recipients=recipients, releases=releases)


def terms_for(terms: ConsentTerms, recipient: UUID) -> ConsentTerms:
    """Return the terms as this recipient may see them: not who else is named in them.

    What the database keeps for each recipient (``models.ConsentPart``) is exactly this.
    """
    return msgspec.structs.replace(
        terms,
        recipients=tuple(party for party in terms.recipients if party.partner_id == recipient),
        releases=tuple(r for r in terms.releases if recipient in (r.released, r.towards)),
    )
