"""A package holds exactly the consented categories."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.vocabulary import CefrLevel, LegalCircle, ResidenceStatus, WorkPermission
from referrals.package import FIELDS, PersonFacts, decoder, encoder, facts, package_for
from referrals.values import Contact, Identity, Profile
from referrals.vocabulary import DataCategory

EVERYTHING = facts(
    identity=Identity(family_name="Muster", given_names="Ada", date_of_birth=date(1990, 1, 2)),
    contact=Contact(phone="+49355000000", email="ada@example.org", address="Am Rand 1"),
    profile=Profile(
        competences=("sewing",),
        work_permission=WorkPermission.YES,
        level=CefrLevel.A2,
        qualifications=("nurse",),
        experience=("three years",),
        family_care="two children",
        health="needs a lift",
        documents=("certificate",),
    ),
    languages=("ar", "de"),
    residence_status=ResidenceStatus.SECTION_104C,
    legal_circle=LegalCircle.SGB_II,
    status_valid_until=date(2027, 1, 1),
    needs=("job",),
)
EMPTY = PersonFacts()


def test_every_field_belongs_to_exactly_one_category() -> None:
    placed = [field for fields in FIELDS.values() for field in fields]

    assert sorted(placed) == sorted(field.name for field in msgspec.structs.fields(PersonFacts))
    assert set(FIELDS) == set(DataCategory)


def test_the_example_leaves_no_field_empty() -> None:
    assert [f for f in EVERYTHING.__struct_fields__ if getattr(EVERYTHING, f) == getattr(EMPTY, f)] == []


@pytest.mark.parametrize("category", DataCategory)
def test_one_category_shares_its_own_fields_only(category: DataCategory) -> None:
    person = package_for(EVERYTHING, {category}).person

    assert {f for f in person.__struct_fields__ if getattr(person, f) != getattr(EMPTY, f)} == set(
        FIELDS[category]
    )


@given(st.sets(st.sampled_from(DataCategory)))
def test_what_is_encoded_holds_the_chosen_fields_and_no_other(categories: set[DataCategory]) -> None:
    stored = encoder.encode(package_for(EVERYTHING, categories))

    shared = {field for category in categories for field in FIELDS[category]}
    raw = msgspec.json.decode(stored)
    assert set(raw["person"]) == shared
    assert set(raw["categories"]) == categories
    assert decoder.decode(stored) == package_for(EVERYTHING, categories)
