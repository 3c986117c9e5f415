"""What a consent covers: table tests of the rules, and that no data go without a covering consent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory.vocabulary import DataProtectionLaw, PartnerKind
from referrals.consent.rules import (
    LARGEST,
    PURPOSES_WITH_DATA,
    SPECIAL_CATEGORIES,
    ConsentFacts,
    covers,
    decided,
    flaws,
    in_force,
    longest_end,
    reduced,
    report_depth,
    section_87_applies,
    terms_for,
    terms_of,
)
from referrals.values import ConsentRecord, ConsentTerms, NoticeShown, Party, PurposeTerms
from referrals.vocabulary import (
    ConsentMedium,
    ConsentState,
    DataCategory,
    LegalBasis,
    Purpose,
    ReportDepth,
    SpecialBasis,
    WithdrawalScope,
)

AT = datetime(2026, 8, 3, 10, tzinfo=UTC)
SENDER, RECIPIENT, OTHER = (UUID(int=number) for number in (1, 2, 3))
NOTICE = NoticeShown(text_id="notice", version="3", sha256="a" * 64, language="ti")
RECORD = ConsentRecord(
    notice=NOTICE, medium=ConsentMedium.PAPER, no_disadvantage_shown=True, section_87_notice_at=AT
)
UNNOTICED = msgspec.structs.replace(RECORD, section_87_notice_at=None)


def party(id_: UUID = RECIPIENT, /, **facts: object) -> Party:
    return Party(**{"partner_id": id_, "name": "Träger", "kind": PartnerKind.FREE_PROVIDER, **facts})  # type: ignore[arg-type]


def referral(*categories: DataCategory) -> PurposeTerms:
    return PurposeTerms(purpose=Purpose.REFERRAL, categories=categories or (DataCategory.IDENTITY,))


BACK = PurposeTerms(purpose=Purpose.REPORT_BACK, report_depth=ReportDepth.OUTCOME)


def given_consent(
    *purposes: PurposeTerms,
    sender: Party | None = None,
    recipients: tuple[Party, ...] | None = None,
    granted: set[Purpose] | None = None,
    released: bool = True,
    record: ConsentRecord | None = RECORD,
    **changes: object,
) -> ConsentFacts:
    asked = purposes or (referral(),)
    terms = terms_of(sender or party(SENDER), recipients or (party(),), asked)
    terms = decided(terms, {p.purpose for p in asked} if granted is None else granted, released=released)
    values: dict[str, object] = {
        "state": ConsentState.GIVEN,
        "terms": terms,
        "record": record,
        "valid_from": AT - timedelta(days=1),
        "valid_until": AT + timedelta(days=30),
    }
    return ConsentFacts(**{**values, **changes})  # type: ignore[arg-type]


def missing(
    consent: ConsentFacts | None,
    *categories: DataCategory,
    purpose: Purpose = Purpose.REFERRAL,
    recipient: UUID = RECIPIENT,
    at: datetime = AT,
) -> set[str]:
    asked = categories or (DataCategory.IDENTITY,)
    return set(covers(consent, recipient=recipient, purpose=purpose, categories=asked, at=at))


BUSINESS = party(kind=PartnerKind.BUSINESS)
BOUND = {"professional_secrecy": True}
C = DataCategory


@pytest.mark.parametrize(
    ("_case", "found", "expected"),
    [
        ("plain", missing(given_consent()), set()),
        ("none at all", missing(None), {"CONSENT"}),
        *(
            (f"state {state}", missing(given_consent(state=state)), {"CONSENT"})
            for state in ConsentState
            if state is not ConsentState.GIVEN
        ),
        ("ended", missing(given_consent(valid_until=AT)), {"CONSENT"}),
        ("ends in a second", missing(given_consent(valid_until=AT + timedelta(seconds=1))), set()),
        ("begins now", missing(given_consent(valid_from=AT)), set()),
        ("not begun", missing(given_consent(valid_from=AT + timedelta(seconds=1))), {"CONSENT"}),
        ("no validity", missing(given_consent(valid_from=None, valid_until=None)), {"CONSENT"}),
        ("other recipient", missing(given_consent(), recipient=OTHER), {"RECIPIENT"}),
        ("other purpose", missing(given_consent(), purpose=Purpose.HANDOVER), {"PURPOSE:HANDOVER"}),
        ("refused purpose", missing(given_consent(granted=set())), {"PURPOSE:REFERRAL"}),
        ("new category", missing(given_consent(), C.IDENTITY, C.NEEDS), {"CATEGORY:NEEDS"}),
        (
            "purpose ended",
            missing(given_consent(msgspec.structs.replace(referral(), ends_on=date(2026, 8, 2)))),
            {"PURPOSE:REFERRAL"},
        ),
        (
            "last day of the purpose",
            missing(given_consent(msgspec.structs.replace(referral(), ends_on=date(2026, 8, 3)))),
            set(),
        ),
        *(
            (
                f"a business never gets {category}",
                missing(
                    given_consent(referral(category), recipients=(party(kind=PartnerKind.BUSINESS),)),
                    category,
                ),
                {f"NEVER:{category}"},
            )
            for category in (C.STATUS, C.STATUS_END, C.NEEDS, C.HEALTH, C.FAMILY_CARE)
        ),
        (
            "a business may know whether somebody may work",
            missing(
                given_consent(referral(C.WORK_PERMISSION), recipients=(party(kind=PartnerKind.BUSINESS),)),
                C.WORK_PERMISSION,
            ),
            set(),
        ),
        ("health with its own basis", missing(given_consent(referral(C.HEALTH)), C.HEALTH), set()),
        (
            "health without its own basis",
            missing(
                given_consent(
                    terms=msgspec.structs.replace(given_consent(referral(C.HEALTH)).terms, special_basis=None)
                ),
                C.HEALTH,
            ),
            {"SPECIAL_BASIS"},
        ),
        ("bound sender, released", missing(given_consent(sender=party(SENDER, **BOUND))), set()),
        (
            "bound sender, not released",
            missing(given_consent(sender=party(SENDER, **BOUND), released=False)),
            {"RELEASE_OF_SENDER"},
        ),
        (
            "bound recipient that reports back, not released",
            missing(given_consent(referral(), BACK, recipients=(party(**BOUND),), released=False)),
            {"RELEASE_OF_RECIPIENT"},
        ),
        (
            "bound recipient that reports back, released",
            missing(given_consent(referral(), BACK, recipients=(party(**BOUND),))),
            set(),
        ),
        (
            "bound recipient that tells nothing back",
            missing(given_consent(referral(), recipients=(party(**BOUND),), released=False)),
            set(),
        ),
        (
            "bound recipient, report back refused by the person",
            missing(
                given_consent(
                    referral(), BACK, recipients=(party(**BOUND),), granted={Purpose.REFERRAL}, released=False
                )
            ),
            set(),
        ),
        (
            "public body without notice",
            missing(
                given_consent(
                    recipients=(party(public_body=True),),
                    record=UNNOTICED,
                )
            ),
            {"SECTION_87_NOTICE"},
        ),
        (
            "public body as sender without notice",
            missing(
                given_consent(
                    sender=party(SENDER, public_body=True),
                    record=UNNOTICED,
                )
            ),
            {"SECTION_87_NOTICE"},
        ),
        (
            "a school needs no notice",
            missing(
                given_consent(
                    recipients=(party(public_body=True, school=True),),
                    record=UNNOTICED,
                )
            ),
            set(),
        ),
        (
            "everything at once",
            missing(given_consent(valid_until=AT), C.HEALTH, recipient=OTHER),
            {"CONSENT"},
        ),
    ],
)
def test_what_is_missing(_case: str, found: set[str], expected: set[str]) -> None:
    assert found == expected


@pytest.mark.parametrize(
    ("_case", "depth", "expected"),
    [
        ("granted", report_depth(given_consent(referral(), BACK), RECIPIENT, AT), ReportDepth.OUTCOME),
        ("not asked", report_depth(given_consent(), RECIPIENT, AT), ReportDepth.NOTHING),
        (
            "refused",
            report_depth(given_consent(referral(), BACK, granted={Purpose.REFERRAL}), RECIPIENT, AT),
            ReportDepth.NOTHING,
        ),
        (
            "not released",
            report_depth(
                given_consent(referral(), BACK, recipients=(party(**BOUND),), released=False), RECIPIENT, AT
            ),
            ReportDepth.NOTHING,
        ),
        ("expired", report_depth(given_consent(BACK, valid_until=AT), RECIPIENT, AT), ReportDepth.NOTHING),
        ("another recipient", report_depth(given_consent(BACK), OTHER, AT), ReportDepth.NOTHING),
        ("no consent", report_depth(None, RECIPIENT, AT), ReportDepth.NOTHING),
    ],
)
def test_how_much_is_reported_back(_case: str, depth: ReportDepth, expected: ReportDepth) -> None:
    assert depth is expected


@pytest.mark.parametrize(
    ("_case", "terms", "expected"),
    [
        ("plain", terms_of(party(SENDER), [party()], [referral()]), set()),
        ("nobody", terms_of(party(SENDER), [], [referral()]), {("recipients", "required")}),
        ("twice", terms_of(party(SENDER), [party(), party()], [referral()]), {("recipients", "duplicate")}),
        ("for nothing", terms_of(party(SENDER), [party()], []), {("purposes", "required")}),
        (
            "one purpose twice",
            terms_of(party(SENDER), [party()], [referral(), referral()]),
            {("purposes", "duplicate")},
        ),
        (
            "no category",
            terms_of(party(SENDER), [party()], [PurposeTerms(purpose=Purpose.REFERRAL)]),
            {("purposes.0.categories", "required")},
        ),
        (
            "one category twice",
            terms_of(party(SENDER), [party()], [referral(C.NEEDS, C.NEEDS)]),
            {("purposes.0.categories", "duplicate")},
        ),
        (
            "a business is not asked for the status",
            terms_of(party(SENDER), [party(kind=PartnerKind.BUSINESS)], [referral(C.STATUS)]),
            {("purposes.0.categories", "never-for-this-partner")},
        ),
        (
            "a follow-up has an end of its own",
            terms_of(party(SENDER), [party()], [PurposeTerms(purpose=Purpose.FOLLOW_UP_28_DAYS)]),
            {("purposes.0.endsOn", "required")},
        ),
        (
            "each follow-up is a purpose of its own",
            terms_of(
                party(SENDER),
                [party()],
                [PurposeTerms(purpose=Purpose.FOLLOW_UP, ends_on=date(2030, 1, 1))],
            ),
            {("purposes.0.purpose", "split-purpose")},
        ),
        (
            "only a report has a depth",
            terms_of(
                party(SENDER),
                [party()],
                [msgspec.structs.replace(referral(), report_depth=ReportDepth.OUTCOME)],
            ),
            {("purposes.0.reportDepth", "only-for-report-back")},
        ),
        (
            "health without its basis",
            ConsentTerms(controller=party(SENDER), recipients=(party(),), purposes=(referral(C.HEALTH),)),
            {("specialBasis", "required")},
        ),
    ],
)
def test_flaws_of_terms(_case: str, terms: ConsentTerms, expected: set[tuple[str, str]]) -> None:
    assert set(flaws(terms)) == expected


@pytest.mark.parametrize(
    ("law", "basis", "special"),
    [
        (DataProtectionLaw.GDPR, LegalBasis.GDPR_6_1_A, SpecialBasis.GDPR_9_2_A),
        (DataProtectionLaw.KDG, LegalBasis.KDG_6_1_B, SpecialBasis.KDG_11_2_A),
        (DataProtectionLaw.DSG_EKD, LegalBasis.DSG_EKD_6_2, SpecialBasis.DSG_EKD_13_2_1),
    ],
)
def test_the_legal_basis_follows_the_law_of_the_controller(
    law: DataProtectionLaw, basis: LegalBasis, special: SpecialBasis
) -> None:
    terms = terms_of(party(SENDER, law=law), [party()], [referral(C.HEALTH)])

    assert (terms.legal_basis, terms.special_basis) == (basis, special)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime(2026, 8, 3, 10, tzinfo=UTC), datetime(2027, 8, 3, 10, tzinfo=UTC)),
        (datetime(2028, 2, 29, 10, tzinfo=UTC), datetime(2029, 2, 28, 10, tzinfo=UTC)),
    ],
)
def test_twelve_months_at_most(start: datetime, end: datetime) -> None:
    assert longest_end(start) == end


def test_a_recipient_does_not_see_who_else_is_named() -> None:
    terms = terms_of(party(SENDER, **BOUND), [party(), party(OTHER, name="Schuldnerberatung")], [referral()])
    seen = terms_for(terms, RECIPIENT)

    assert [p.partner_id for p in seen.recipients] == [RECIPIENT]
    assert str(OTHER) not in msgspec.json.encode(seen).decode()
    assert "Schuldnerberatung" not in msgspec.json.encode(seen).decode()


parties = st.builds(
    Party,
    partner_id=st.sampled_from([RECIPIENT, OTHER]),
    name=st.just("Träger"),
    kind=st.sampled_from(PartnerKind),
    professional_secrecy=st.booleans(),
    public_body=st.booleans(),
    school=st.booleans(),
)
category_sets = st.frozensets(st.sampled_from(DataCategory), max_size=6)
purpose_terms = st.builds(
    PurposeTerms,
    purpose=st.sampled_from(Purpose),
    categories=category_sets.map(tuple),
    granted=st.sampled_from([True, True, True, False, None]),
    report_depth=st.sampled_from(ReportDepth),
    ends_on=st.none() | st.dates(date(2026, 7, 1), date(2026, 9, 1)),
)


mostly = st.sampled_from([True, True, True, True, True, False])


@st.composite
def consents(draw: st.DrawFn) -> ConsentFacts:
    terms = terms_of(
        draw(parties.map(lambda p: msgspec.structs.replace(p, partner_id=SENDER))),
        draw(st.lists(parties, min_size=1, max_size=2, unique_by=lambda p: p.partner_id)),
        draw(st.lists(purpose_terms, min_size=1, max_size=4, unique_by=lambda p: p.purpose)),
    )
    granted = frozenset(Purpose) if draw(mostly) else draw(st.frozensets(st.sampled_from(Purpose)))
    valid = draw(mostly)
    return ConsentFacts(
        state=ConsentState.GIVEN if draw(mostly) else draw(st.sampled_from(ConsentState)),
        terms=decided(terms, granted, released=draw(mostly)),
        record=RECORD if draw(mostly) else draw(st.sampled_from([None, UNNOTICED])),
        valid_from=AT - timedelta(days=0 if valid else draw(st.integers(-2, 2))),
        valid_until=AT + timedelta(days=40 if valid else draw(st.integers(-2, 2))),
    )


Request = tuple[ConsentFacts, UUID, Purpose, frozenset[DataCategory]]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A consent and what somebody wants on its ground: mostly something that it is about."""
    consent = draw(consents())
    entry = draw(st.sampled_from(consent.terms.purposes))
    recipient = draw(st.sampled_from(consent.terms.recipients)).partner_id
    return (
        consent,
        recipient if draw(mostly) else OTHER,
        entry.purpose if draw(mostly) else draw(st.sampled_from(Purpose)),
        frozenset(c for c in entry.categories if draw(st.booleans()))
        if draw(mostly)
        else draw(category_sets),
    )


@settings(max_examples=200)
@given(requests())
def test_no_data_without_a_covering_consent(request_: Request) -> None:
    """What is covered was consented to: this recipient, purpose, each category, now, with each release."""
    consent, recipient, purpose, categories = request_
    if covers(consent, recipient=recipient, purpose=purpose, categories=categories, at=AT):
        return
    assert consent.state is ConsentState.GIVEN
    assert consent.valid_from is not None
    assert consent.valid_until is not None
    assert consent.valid_from <= AT < consent.valid_until
    named = [p for p in consent.terms.recipients if p.partner_id == recipient]
    assert len(named) == 1
    entries = [p for p in consent.terms.purposes if p.purpose is purpose and p.granted]
    assert len(entries) == 1
    assert categories <= set(entries[0].categories)
    assert entries[0].ends_on is None or entries[0].ends_on >= AT.date()
    if purpose in PURPOSES_WITH_DATA:
        assert categories <= LARGEST[named[0].kind]
        if consent.terms.controller.professional_secrecy and categories:
            assert any(
                r.released == SENDER and r.towards == recipient and categories <= set(r.about)
                for r in consent.terms.releases
            )
    if categories & SPECIAL_CATEGORIES:
        assert consent.terms.special_basis is not None
    if section_87_applies(consent.terms.controller, named[0]):
        assert consent.record is not None
        assert consent.record.section_87_notice_at is not None


@given(requests(), category_sets)
def test_less_data_never_need_more_consent(request_: Request, more: frozenset[DataCategory]) -> None:
    consent, recipient, purpose, some = request_
    less = covers(consent, recipient=recipient, purpose=purpose, categories=some, at=AT)
    all_ = covers(consent, recipient=recipient, purpose=purpose, categories=some | more, at=AT)

    assert less <= all_


@given(requests(), st.sampled_from([WithdrawalScope.PURPOSE, WithdrawalScope.RECIPIENT]))
def test_a_withdrawal_never_opens_anything(request_: Request, scope: WithdrawalScope) -> None:
    consent, recipient, purpose, categories = request_
    rest = reduced(consent.terms, scope, purpose=purpose, recipient=recipient)
    if rest is None:
        return
    after = msgspec.structs.replace(consent, terms=rest)
    for asked in Purpose:
        for towards in (RECIPIENT, OTHER):
            want = {"recipient": towards, "purpose": asked, "categories": categories, "at": AT}
            withdrawn = asked is purpose if scope is WithdrawalScope.PURPOSE else towards == recipient
            if withdrawn:
                assert covers(after, **want)  # type: ignore[arg-type]
            # Refusing the report back makes the recipient's own release unneeded; nothing else may open.
            opened = covers(consent, **want) - covers(after, **want)  # type: ignore[arg-type]
            assert covers(after, **want) or opened <= {"RELEASE_OF_RECIPIENT"}  # type: ignore[arg-type]


@given(consents(), st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_nothing_is_in_force_outside_its_time(consent: ConsentFacts, at: datetime) -> None:
    if in_force(consent, at):
        assert consent.valid_from is not None
        assert consent.valid_until is not None
        assert consent.valid_from <= at < consent.valid_until
