"""By what the town's sign-on knows a member: set by who administers, for one member only."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from directory import sessions
from directory.actors import SYSTEM, Actor, Role
from directory.database import Database
from directory.membership import (
    MemberChange,
    MemberDraft,
    MemberEntry,
    add_member,
    change_member,
    remove_member,
    sees_sign_in,
)
from directory.problems import InvalidInput
from tests.graphapi.conftest import make_municipality, make_partner

LIFE = timedelta(hours=1)


@pytest.fixture
async def partner(database: Database) -> UUID:
    return await make_partner(database, await make_municipality(database), "Träger")


async def added(database: Database, partner: UUID, **given: str) -> MemberEntry:
    async with database.work(SYSTEM) as work:
        return await add_member(work, partner, MemberDraft(name="Kim Muster", **given))  # type: ignore[arg-type]


async def meant(database: Database, subject: str, email: str | None = None) -> UUID | None:
    async with database.work(SYSTEM) as work:
        return await sessions.member_to_sign_in(work, subject=subject, email=email)


async def test_an_address_names_its_member_whatever_its_letters(database: Database, partner: UUID) -> None:
    mail = f"Kim.{uuid4().hex}@Town.example"
    member = await added(database, partner, sign_in_email=mail)
    assert member.sign_in_email == mail.lower()
    subject = uuid4().hex
    assert await meant(database, subject, mail.upper()) == member.id
    assert await meant(database, subject) == member.id, "bound to the account"
    assert await meant(database, uuid4().hex, mail) is None, "the address given to somebody else"


@pytest.mark.parametrize("field", ["sign_in_email", "sign_in_subject"])
async def test_two_members_never_sign_in_as_one(database: Database, partner: UUID, field: str) -> None:
    value = f"{uuid4().hex}@town.example"
    await added(database, partner, **{field: value})
    with pytest.raises(InvalidInput) as refused:
        await added(database, partner, **{field: value})
    assert (refused.value.reason, refused.value.field) == (
        "taken",
        "signInEmail" if field == "sign_in_email" else "signInSubject",
    )


async def test_another_address_is_another_account_and_ends_the_sessions(
    database: Database, partner: UUID
) -> None:
    first, second = (f"{uuid4().hex}@town.example" for _ in range(2))
    member = await added(database, partner, sign_in_email=first)
    subject = uuid4().hex
    assert await meant(database, subject, first) == member.id
    async with database.work(SYSTEM) as work:
        secret = await sessions.begin_session(work, member.id, life=LIFE)
    async with database.work(SYSTEM) as work:
        changed = await change_member(work, member.id, MemberChange(sign_in_email=second), expected_version=1)
    assert (changed.sign_in_email, changed.sign_in_subject) == (second, None)
    assert await sessions.holder(database, secret, idle=LIFE) is None
    assert await meant(database, subject, first) is None


async def test_a_removed_member_signs_in_no_more_and_frees_the_address(
    database: Database, partner: UUID
) -> None:
    mail = f"{uuid4().hex}@town.example"
    member = await added(database, partner, sign_in_email=mail)
    async with database.work(SYSTEM) as work:
        await remove_member(work, member.id, expected_version=1)
    assert await meant(database, uuid4().hex, mail) is None
    again = await added(database, partner, sign_in_email=mail)
    assert await meant(database, uuid4().hex, mail) == again.id


async def test_an_address_that_is_none_is_refused(database: Database, partner: UUID) -> None:
    with pytest.raises(InvalidInput):
        await added(database, partner, sign_in_email="kim")


def test_who_reads_how_somebody_signs_in() -> None:
    mine, other, me = uuid4(), uuid4(), uuid4()
    entry = MemberEntry(
        id=me, partner_id=mine, name="K", role=Role.PARTNER_MEMBER, administers=False, deputy_id=None,
        active=True, version=1, sign_in_email="k@town.example",
    )  # fmt: skip

    def actor(partner: UUID, *, member: UUID | None = None, administers: bool = False) -> Actor:
        return Actor(
            role=Role.PARTNER_MEMBER,
            member_id=member or uuid4(),
            partner_id=partner,
            administers=administers,
        )

    assert sees_sign_in(actor(mine, member=me), entry)
    assert sees_sign_in(actor(mine, administers=True), entry)
    assert not sees_sign_in(actor(mine), entry), "a colleague"
    assert not sees_sign_in(actor(other, administers=True), entry)
