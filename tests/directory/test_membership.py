"""Members come, change and go; their tokens say who they are until that moment."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from directory.actors import SYSTEM, Actor, Role
from directory.catalogue import PartnerChange, change_partner
from directory.database import Database
from directory.membership import (
    MemberChange,
    MemberDraft,
    MemberEntry,
    NewToken,
    Removed,
    add_member,
    authenticate,
    change_member,
    create_token,
    hash_token,
    member,
    members,
    remove_member,
    revoke_token,
    tokens,
)
from directory.policy import Rule
from directory.problems import InvalidInput, NotAllowed, NotFound, Problem, StaleVersion
from directory.vocabulary import PartnerKind
from tests.directory.towns import Counted, Town


async def join(database: Database, partner_id: UUID, actor: Actor = SYSTEM, **given: object) -> MemberEntry:
    async with database.work(actor) as work:
        return await add_member(
            work,
            partner_id,
            MemberDraft(**{"name": "Alex Beispiel", **given}),  # type: ignore[arg-type]
        )


async def issue(database: Database, member_id: UUID, actor: Actor = SYSTEM) -> NewToken:
    async with database.work(actor) as work:
        return await create_token(work, member_id, "Laptop")


async def leave(database: Database, who: MemberEntry, actor: Actor = SYSTEM) -> Removed:
    async with database.work(actor) as work:
        return await remove_member(work, who.id, expected_version=who.version)


async def test_a_token_says_who_acts(database: Database, town: Town) -> None:
    """Role, organisation and municipality come with it."""
    partner = await town.partner()
    who = await join(database, partner.id, administers=True)
    token = await issue(database, who.id)

    assert await authenticate(database, token.secret) == Actor(
        role=Role.PARTNER_MEMBER,
        member_id=who.id,
        partner_id=partner.id,
        municipality_id=town.id,
        administers=True,
    )


async def test_a_token_is_long_random_and_kept_as_a_hash(database: Database, town: Town) -> None:
    """The database never sees it, and its repr does not show it."""
    who = await join(database, (await town.partner()).id)
    token, other = await issue(database, who.id), await issue(database, who.id)

    assert token.secret.startswith("spw_")
    assert len(token.secret) == 4 + 43
    assert token.secret != other.secret
    assert token.secret not in repr(token) + str(token)
    async with database.view(SYSTEM) as session:
        row = (
            await session.execute(
                text("SELECT access_token::text, token_hash FROM access_token WHERE id = :id"),
                {"id": token.id},
            )
        ).one()
    assert token.secret[4:] not in row[0]
    assert row[1] == hash_token(token.secret)


async def test_who_a_token_is_takes_one_statement(counted: Counted, town: Town) -> None:
    """It is asked with every request: no transaction around it."""
    who = await join(town.database, (await town.partner()).id)
    token = await issue(town.database, who.id)
    await authenticate(counted.database, token.secret)  # opens the connection

    async with counted.expecting(1, framed=False):
        assert await authenticate(counted.database, token.secret) is not None
    async with counted.expecting(0, framed=False):
        assert await authenticate(counted.database, "Bearer") is None


@pytest.mark.parametrize(
    "token",
    ["", "spw_", "spw_" + "A" * 43, "SPW_" + "A" * 43, "spw_" + "é" * 43, "spw_" + "A" * 10_000, "\x00"],
)
async def test_any_other_text_is_nobody(database: Database, token: str) -> None:
    """Without an error, and mostly without a question to the database."""
    assert await authenticate(database, token) is None


async def test_a_token_ends_when_it_is_revoked_or_expires(
    database: Database, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and by the clock of the service."""
    who = await join(database, (await town.partner()).id)
    revoked, expiring = await issue(database, who.id), await issue(database, who.id)
    async with database.work(SYSTEM) as work:
        first = await revoke_token(work, revoked.id)
    async with database.work(SYSTEM) as work:
        again = await revoke_token(work, revoked.id)

    assert await authenticate(database, revoked.secret) is None
    assert first.revoked_at == again.revoked_at is not None
    assert await authenticate(database, expiring.secret) is not None
    monkeypatch.setattr(database, "clock", lambda: expiring.expires_at)
    assert await authenticate(database, expiring.secret) is None


async def test_removing_a_member_ends_all_their_tokens_at_once(database: Database, town: Town) -> None:
    """In the same transaction; the deputy is who takes over."""
    partner = await town.partner()
    deputy = await join(database, partner.id)
    who = await join(database, partner.id, deputy_id=deputy.id)
    issued = [await issue(database, who.id) for _ in range(3)]

    removed = await leave(database, who)

    assert (removed.deputy_id, removed.revoked_tokens) == (deputy.id, 3)
    assert [await authenticate(database, token.secret) for token in issued] == [None] * 3
    with pytest.raises(NotFound):
        await leave(database, who)
    with pytest.raises(NotFound):
        await issue(database, who.id)


async def test_whoever_had_a_removed_member_as_deputy_gets_theirs(database: Database, town: Town) -> None:
    """No active member ever has a deputy who is gone, and nobody is their own."""
    partner = await town.partner()
    last = await join(database, partner.id)
    middle = await join(database, partner.id, deputy_id=last.id)
    first = await join(database, partner.id, deputy_id=middle.id)
    await leave(database, middle)
    async with database.view(SYSTEM) as session:
        deputies = {one.id: one.deputy_id for one in await members(session, SYSTEM, partner.id)}
    assert deputies == {last.id: None, first.id: last.id}

    async with database.work(SYSTEM) as work:
        last = await change_member(
            work, last.id, MemberChange(deputy_id=first.id), expected_version=last.version
        )
    await leave(database, last)
    async with database.view(SYSTEM) as session:
        deputies = {one.id: one.deputy_id for one in await members(session, SYSTEM, partner.id)}
    assert deputies == {first.id: None}


async def test_a_token_made_while_its_member_is_removed_ends_with_them(
    database: Database, town: Town
) -> None:
    """The removal waits for the token that is not committed yet, and revokes it too."""
    who = await join(database, (await town.partner()).id)
    made = asyncio.Event()

    async def issue_slowly() -> NewToken:
        async with database.work(SYSTEM) as work:
            token = await create_token(work, who.id, "Laptop")
            made.set()
            await asyncio.sleep(0.2)
        return token

    async def remove() -> Removed:
        await made.wait()
        return await leave(database, who)

    token, removed = await asyncio.gather(issue_slowly(), remove())

    assert removed.revoked_tokens == 1
    assert await authenticate(database, token.secret) is None
    with pytest.raises(NotFound):
        await issue(database, who.id)


async def test_members_of_an_inactive_partner_are_nobody(database: Database, town: Town) -> None:
    """And somebody again when it is back."""
    partner = await town.partner()
    who = await join(database, partner.id)
    token = await issue(database, who.id)
    async with database.work(SYSTEM) as work:
        saved = await change_partner(
            work, partner.id, PartnerChange(active=False), expected_version=partner.version
        )
    assert await authenticate(database, token.secret) is None
    async with database.work(SYSTEM) as work:
        await change_partner(work, partner.id, PartnerChange(active=True), expected_version=saved.version)
    assert await authenticate(database, token.secret) is not None


async def test_the_lead_adds_the_first_member_who_adds_the_others(database: Database, town: Town) -> None:
    """A partner administers its own members from then on."""
    partner = await town.partner()
    first = await join(database, partner.id, town.lead, administers=True)
    actor = await authenticate(database, (await issue(database, first.id, town.lead)).secret)
    assert actor is not None
    second = await join(database, partner.id, actor, name="Kim Muster")

    async with database.view(actor) as session:
        assert {one.id for one in await members(session, actor, partner.id)} == {first.id, second.id}
    assert (await leave(database, second, actor)).member_id == second.id


async def snapshot(database: Database, partner_id: UUID) -> list[MemberEntry]:
    async with database.view(SYSTEM) as session:
        return await members(session, SYSTEM, partner_id, removed=True)


@pytest.mark.parametrize(
    ("role", "administers", "wanted", "problem"),
    [
        (Role.PARTNER_MEMBER, False, Role.PARTNER_MEMBER, Rule.WHO_ADMINISTERS),
        (Role.PARTNER_MEMBER, True, Role.LEAD, Rule.ROLE_OF_COORDINATION),
        (Role.PARTNER_MEMBER, True, Role.OTHER_MUNICIPALITY, Rule.ROLE_OF_MUNICIPALITY),
    ],
)
async def test_a_refused_grant_changes_nothing(
    database: Database, town: Town, role: Role, administers: bool, wanted: Role, problem: str
) -> None:
    """Neither by adding somebody nor by changing oneself."""
    partner = await town.partner()
    me = await join(database, partner.id, administers=administers)
    actor = Actor(
        role=role, member_id=me.id, partner_id=partner.id, municipality_id=town.id, administers=administers
    )
    before = await snapshot(database, partner.id)

    with pytest.raises(NotAllowed) as refused:
        await join(database, partner.id, actor, role=wanted)
    assert refused.value.rule == problem
    with pytest.raises(NotAllowed):
        async with database.work(actor) as work:
            await change_member(
                work, me.id, MemberChange(role=wanted, administers=True), expected_version=me.version
            )
    assert await snapshot(database, partner.id) == before


async def test_who_administers_the_coordination_does_not_become_its_lead(
    database: Database, town: Town
) -> None:
    """Not by changing themselves, not by a token for the lead, not by removing the lead."""
    lead = await join(database, town.coordination_id, role=Role.LEAD)
    me = await join(database, town.coordination_id, role=Role.COORDINATOR, administers=True)
    actor = await authenticate(database, (await issue(database, me.id)).secret)
    assert actor is not None
    before = await snapshot(database, town.coordination_id)

    for attempt in (
        lambda work: change_member(work, me.id, MemberChange(role=Role.LEAD), expected_version=me.version),
        lambda work: create_token(work, lead.id, "meins"),
        lambda work: remove_member(work, lead.id, expected_version=lead.version),
        lambda work: add_member(work, town.coordination_id, MemberDraft(name="X", role=Role.LEAD)),
    ):
        with pytest.raises(NotAllowed) as refused:
            async with database.work(actor) as work:
                await attempt(work)
        assert refused.value.rule == Rule.LEAD_GRANTS
    assert await snapshot(database, town.coordination_id) == before


async def test_the_lead_gives_an_office_its_first_token_and_no_other(database: Database, town: Town) -> None:
    """With a token for their members the lead could act as another office, which is another controller."""
    partner = await town.partner()
    first = await join(database, partner.id, administers=True)
    other = await join(database, partner.id)
    token = await issue(database, first.id, town.lead)
    actor = await authenticate(database, token.secret)
    assert actor is not None
    before = await snapshot(database, partner.id)

    for who in (first, other):
        with pytest.raises(NotAllowed) as refused:
            await issue(database, who.id, town.lead)
        assert refused.value.rule == Rule.OWN_TOKENS
    assert await snapshot(database, partner.id) == before
    await issue(database, other.id, actor)

    # an office that has lost its token asks the lead, who ends the old one first: the office notices
    async with database.work(town.lead) as work:
        await revoke_token(work, token.id)
    await issue(database, first.id, town.lead)


async def test_the_last_lead_stays(database: Database, town: Town) -> None:
    """Else nobody could grant the role again; a second one may go."""
    lead = await join(database, town.coordination_id, role=Role.LEAD)
    actor = Actor(role=Role.LEAD, member_id=lead.id, partner_id=town.coordination_id, municipality_id=town.id)
    with pytest.raises(NotAllowed) as refused:
        await leave(database, lead, actor)
    assert refused.value.rule == Rule.LAST_LEAD
    with pytest.raises(NotAllowed):
        async with database.work(actor) as work:
            await change_member(
                work, lead.id, MemberChange(role=Role.COORDINATOR), expected_version=lead.version
            )
    await join(database, town.coordination_id, actor, role=Role.LEAD)
    assert (await leave(database, lead, actor)).member_id == lead.id


async def test_members_of_others_are_not_told(database: Database, town: Town) -> None:
    """Names of people are nobody's but their organisation's and the lead's."""
    partner, other = await town.partner(), await town.partner("Andere")
    who = await join(database, partner.id)
    token = await issue(database, who.id)
    stranger = town.actor(Role.PARTNER_MEMBER, other.id, administers=True)

    async with database.view(stranger) as session:
        with pytest.raises(NotAllowed):
            await members(session, stranger, partner.id)
        with pytest.raises(NotFound):
            await member(session, stranger, who.id)
        with pytest.raises(Problem):
            await tokens(session, stranger, who.id)
    with pytest.raises(NotFound):
        async with database.work(stranger) as work:
            await revoke_token(work, token.id)
    async with database.view(town.lead) as session:
        assert (await member(session, town.lead, who.id)).name == "Alex Beispiel"
    assert await authenticate(database, token.secret) is not None


async def test_a_member_lists_and_revokes_the_own_tokens(database: Database, town: Town) -> None:
    """A lost laptop needs nobody else."""
    partner = await town.partner()
    who = await join(database, partner.id)
    token = await issue(database, who.id)
    me = Actor(role=Role.PARTNER_MEMBER, member_id=who.id, partner_id=partner.id, municipality_id=town.id)
    async with database.view(me) as session:
        listed = await tokens(session, me, who.id)
    async with database.work(me) as work:
        await revoke_token(work, token.id)

    assert [(one.id, one.label, one.revoked_at) for one in listed] == [(token.id, "Laptop", None)]
    assert await authenticate(database, token.secret) is None
    with pytest.raises(NotAllowed):
        await issue(database, who.id, me)


@pytest.mark.parametrize("days", [-1, 0, 367])
async def test_a_token_lives_a_year_at_most(database: Database, town: Town, days: int) -> None:
    """And not backwards."""
    who = await join(database, (await town.partner()).id)
    with pytest.raises(InvalidInput, match="expiresAt: token-life"):
        async with database.work(SYSTEM) as work:
            await create_token(work, who.id, "x", expires_at=work.now + timedelta(days=days))


async def test_what_else_is_refused_of_a_member(database: Database, town: Town) -> None:
    """A deputy is an active colleague and somebody else; versions count; unknown is not found."""
    partner, other = await town.partner(), await town.partner("Andere")
    stranger = await join(database, other.id)
    who = await join(database, partner.id)
    for deputy in (stranger.id, who.id, uuid4()):
        with pytest.raises(InvalidInput, match="deputyId: not-a-colleague"):
            async with database.work(SYSTEM) as work:
                await change_member(
                    work, who.id, MemberChange(deputy_id=deputy), expected_version=who.version
                )
    with pytest.raises(StaleVersion):
        async with database.work(SYSTEM) as work:
            await change_member(work, who.id, MemberChange(name="Neu"), expected_version=7)
    with pytest.raises(InvalidInput, match="name: empty"):
        await join(database, partner.id, name=" ")
    for unknown in (
        lambda work: add_member(work, uuid4(), MemberDraft(name="X")),
        lambda work: change_member(work, uuid4(), MemberChange(), expected_version=1),
        lambda work: remove_member(work, uuid4(), expected_version=1),
        lambda work: create_token(work, uuid4(), "x"),
        lambda work: revoke_token(work, uuid4()),
    ):
        with pytest.raises(NotFound):
            async with database.work(SYSTEM) as work:
                await unknown(work)


async def test_a_member_of_another_municipality(database: Database, town: Town) -> None:
    """The role exists in partners of that kind."""
    twin = await town.partner("Landkreis", kind=PartnerKind.MUNICIPALITY)
    who = await join(database, twin.id, town.lead, role=Role.OTHER_MUNICIPALITY)
    actor = await authenticate(database, (await issue(database, who.id)).secret)

    assert actor is not None
    assert actor.role is Role.OTHER_MUNICIPALITY
