"""Clients: taken in, changed, found by name in the own organisation only, passed on, erased."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from directory.actors import ANONYMOUS, SYSTEM, Actor, Role
from directory.database import Database
from directory.models import Audit, Member
from directory.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn, StaleVersion
from directory.vocabulary import LegalCircle, ResidenceStatus
from referrals.clients import (
    ClientChange,
    ClientPage,
    change_client,
    create_client,
    exclude,
    exclusion_of,
    find_clients,
    import_clients,
    lift_exclusion,
    move_phase,
    pass_on,
    phase_counts,
    view_client,
)
from referrals.models import Client
from referrals.personal_data.erasing import erase_client
from referrals.personal_data.keystore import KeyStore
from referrals.problems import Erased
from referrals.values import Contact, Identity
from referrals.vocabulary import ClientPhase
from tests.referrals.desk import at
from tests.referrals.town import Town, draft, make_town

CANARY = "Kanarienvogel"


async def found(database: Database, keys: KeyStore, actor: Actor, **wanted: object) -> ClientPage:
    async with database.view(actor) as session:
        return await find_clients(session, actor, keys, **wanted)  # type: ignore[arg-type]


async def audit_of(database: Database, object_id: UUID) -> list[str]:
    async with database.view(SYSTEM) as session:
        rows = await session.scalars(
            select(Audit.action).where(Audit.object_id == object_id).order_by(Audit.id)
        )
        return list(rows)


async def raw_row(database: Database, client_id: UUID) -> str:
    async with database.view(SYSTEM) as session:
        return str(
            (
                await session.execute(
                    text("SELECT c.*::text FROM client c WHERE id = :id"), {"id": client_id}
                )
            ).all()
        )


async def test_a_client_is_read_as_it_was_entered(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    async with database.view(town.coordinator) as session:
        seen = await view_client(session, town.coordinator, keys, client_id)

    entered = draft()
    assert (seen.identity, seen.contact, seen.profile) == (entered.identity, entered.contact, entered.profile)
    assert (seen.languages, seen.needs, seen.phase) == (
        entered.languages,
        entered.needs,
        ClientPhase.CLEARING,
    )
    assert seen.responsible_id == town.coordinator.member_id
    assert [step.to_phase for step in seen.phases] == [ClientPhase.CLEARING]
    assert await audit_of(database, client_id) == ["client.create", "client.view"]


async def test_nothing_personal_stands_in_the_row(database: Database, keys: KeyStore, town: Town) -> None:
    async with database.work(town.coordinator) as work:
        client_id = await create_client(
            work,
            keys,
            draft(identity=Identity(family_name=CANARY), contact=Contact(email=f"{CANARY}@example.org")),
        )

    row = await raw_row(database, client_id)
    assert CANARY not in row
    assert CANARY.encode().hex() not in row
    assert CANARY.casefold().encode().hex() not in row


@pytest.mark.parametrize("typed", ["Musterfrau", "erika musterfrau", "ERIKAÄNN", "aenn", "Ann Erika"])
async def test_found_by_name(
    database: Database, keys: KeyStore, town: Town, client_id: UUID, typed: str
) -> None:
    page = await found(database, keys, town.coordination.colleague, name=typed)

    assert [row.id for row in page.rows] == [client_id]
    assert page.rows[0].name == "Musterfrau, Erika Änn"
    assert (await audit_of(database, client_id))[-1] == "client.list"


async def test_not_found_by_name_elsewhere(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    """The same name in another organisation finds that organisation's own client only."""
    async with database.work(town.jobcenter.member) as work:
        own = await create_client(work, keys, draft())

    page = await found(database, keys, town.jobcenter.member, name="Musterfrau")
    assert [row.id for row in page.rows] == [own]
    async with database.view(SYSTEM) as session:
        indexes = list(
            await session.scalars(select(Client.name_index).where(Client.id.in_([own, client_id])))
        )
    assert not set(indexes[0]) & set(indexes[1])


async def test_found_by_pseudonym_phase_need_and_person(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    page = await found(database, keys, town.coordinator)
    pseudonym = page.rows[0].pseudonym

    for wanted, expected in (
        ({"name": pseudonym.lower()}, [client_id]),
        ({"phases": [ClientPhase.CLEARING]}, [client_id]),
        ({"phases": [ClientPhase.IN_SUPPORT]}, []),
        ({"need": "language-course"}, [client_id]),
        ({"need": "job"}, []),
        ({"responsible_id": town.coordinator.member_id}, [client_id]),
        ({"responsible_id": town.lead.member_id}, []),
        ({"name": "Nobody"}, []),
    ):
        assert [row.id for row in (await found(database, keys, town.coordinator, **wanted)).rows] == expected


async def test_pages_are_complete_stable_and_bounded(database: Database, keys: KeyStore, town: Town) -> None:
    async with database.work(town.lead) as work:
        await import_clients(work, keys, partner_id=town.coordination.id, source="t", raw=entries(25))
    seen: list[UUID] = []
    after = None
    while True:
        page = await found(database, keys, town.coordinator, first=10, after=after)
        seen += [row.id for row in page.rows]
        assert page.total == 25
        if not page.more:
            break
        after = page.cursors[-1]

    assert len(seen) == len(set(seen)) == 25
    for wrong in (
        {"first": 0},
        {"first": 101},
        {"after": "Ä"},
        {"after": "YQ=="},
        {"name": "-"},
        {"name": "x" * 201},
    ):
        with pytest.raises(InvalidInput):
            await found(database, keys, town.coordinator, **wrong)


def entries(count: int, **changes: object) -> bytes:
    return msgspec.json.encode(
        [{"key": f"P-{number:03}", "phase": "CLEARING", **changes} for number in range(count)]
    )


@pytest.mark.parametrize(
    ("who", "problem"),
    [
        (ANONYMOUS, NotSignedIn),
        (Actor(role=Role.OTHER_MUNICIPALITY, municipality_id=uuid4()), NotAllowed),
        (SYSTEM, NotAllowed),
    ],
)
async def test_who_keeps_no_clients_takes_nobody_in(
    database: Database, keys: KeyStore, who: Actor, problem: type[Exception]
) -> None:
    with pytest.raises(problem):
        async with database.work(who) as work:
            await create_client(work, keys, draft())


async def test_a_foreign_client_does_not_exist(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    elsewhere = await make_town(database)
    for stranger in (town.jobcenter.member, town.provider.member, elsewhere.lead, elsewhere.coordinator):
        with pytest.raises(NotFound):
            async with database.view(stranger) as session:
                await view_client(session, stranger, keys, client_id)
        with pytest.raises(NotFound):
            async with database.work(stranger) as work:
                await move_phase(work, client_id, 1, ClientPhase.IN_SUPPORT)
        with pytest.raises(NotFound):
            async with database.work(stranger) as work:
                await change_client(work, keys, client_id, 1, ClientChange(languages=("fr",)))
        with pytest.raises(NotFound):
            async with database.work(stranger) as work:
                await exclude(work, keys, client_id, work.now.date())
    async with database.view(town.coordinator) as session:
        seen = await view_client(session, town.coordinator, keys, client_id)
    assert (seen.version, seen.phase, seen.languages) == (1, ClientPhase.CLEARING, ("ti", "ar"))


async def test_change_only_what_is_given(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    async with database.work(town.coordinator) as work:
        version = await change_client(
            work,
            keys,
            client_id,
            1,
            ClientChange(
                identity=Identity(family_name="Beispiel"),
                residence_status=ResidenceStatus.SECTION_104C,
                status_valid_until=date(2027, 6, 30),
                legal_circle=LegalCircle.ASYLBLG,
                deputy_id=town.coordination.colleague.member_id,
            ),
        )

    async with database.view(town.coordinator) as session:
        seen = await view_client(session, town.coordinator, keys, client_id)
    assert version == seen.version == 2
    assert seen.identity == Identity(family_name="Beispiel")
    assert seen.contact == draft().contact
    assert seen.residence_status is ResidenceStatus.SECTION_104C
    assert [r.id for r in (await found(database, keys, town.coordinator, name="Beispiel")).rows] == [
        client_id
    ]
    assert (await found(database, keys, town.coordinator, name="Musterfrau")).rows == ()
    async with database.view(SYSTEM) as session:
        details = await session.scalar(
            select(Audit.details).where(Audit.object_id == client_id, Audit.action == "client.change")
        )
    assert "Beispiel" not in str(details)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (ClientChange(needs=("no-such-topic",)), "needs.0"),
        (ClientChange(responsible_id=uuid4()), "responsibleId"),
        (ClientChange(deputy_id=uuid4()), "deputyId"),
    ],
)
async def test_a_wrong_change_changes_nothing(
    database: Database, keys: KeyStore, town: Town, client_id: UUID, change: ClientChange, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        async with database.work(town.coordinator) as work:
            await change_client(work, keys, client_id, 1, change)

    assert caught.value.field == field
    async with database.view(town.coordinator) as session:
        assert (await view_client(session, town.coordinator, keys, client_id)).version == 1


async def test_responsible_and_deputy_are_two_members_of_the_own_organisation(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    for change in (
        ClientChange(deputy_id=town.coordinator.member_id),
        ClientChange(deputy_id=town.jobcenter.member.member_id),
    ):
        with pytest.raises(InvalidInput):
            async with database.work(town.coordinator) as work:
                await change_client(work, keys, client_id, 1, change)


async def test_a_colleague_sees_but_does_not_change(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    colleague = town.coordination.colleague
    async with database.view(colleague) as session:
        await view_client(session, colleague, keys, client_id)
    with pytest.raises(NotAllowed):
        async with database.work(colleague) as work:
            await move_phase(work, client_id, 1, ClientPhase.IN_SUPPORT)


async def test_the_phase_has_a_history(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    async with database.work(town.coordinator) as work:
        assert await move_phase(work, client_id, 1, ClientPhase.IN_SUPPORT) == 2
    async with database.work(town.lead) as work:
        assert await move_phase(work, client_id, 2, ClientPhase.NO_NEEDS) == 3
    with pytest.raises(StaleVersion):
        async with database.work(town.lead) as work:
            await move_phase(work, client_id, 2, ClientPhase.CLEARING)
    with pytest.raises(InvalidInput):
        async with database.work(town.lead) as work:
            await move_phase(work, client_id, 3, ClientPhase.NO_NEEDS)

    async with database.view(town.lead) as session:
        seen = await view_client(session, town.lead, keys, client_id)
        counts = await phase_counts(session, town.lead)
    assert [(step.from_phase, step.to_phase) for step in seen.phases] == [
        (None, ClientPhase.CLEARING),
        (ClientPhase.CLEARING, ClientPhase.IN_SUPPORT),
        (ClientPhase.IN_SUPPORT, ClientPhase.NO_NEEDS),
    ]
    assert counts == {phase: int(phase is ClientPhase.NO_NEEDS) for phase in ClientPhase}


async def test_the_125_of_the_presentation_are_imported_quickly_and_once(
    database: Database, keys: KeyStore, town: Town
) -> None:
    phases = {
        ClientPhase.IN_SUPPORT: 31,
        ClientPhase.CLEARING: 12,
        ClientPhase.NO_NEEDS: 38,
        ClientPhase.APPOINTMENT_PENDING: 32,
        ClientPhase.NO_CAPACITY: 12,
    }
    people = [
        {
            "key": f"P-{number:03}",
            "phase": phase,
            "needs": ["job"],
            "competences": ["Pflege"],
            "languages": ["ti"],
        }
        for number, phase in enumerate(p for p, count in phases.items() for _ in range(count))
    ]
    raw = msgspec.Raw(msgspec.json.encode(people))
    started = time.perf_counter()
    async with database.work(SYSTEM) as work:
        first = await import_clients(work, keys, partner_id=town.coordination.id, source="demo", raw=raw)
    seconds = time.perf_counter() - started
    async with database.work(SYSTEM) as work:
        again = await import_clients(work, keys, partner_id=town.coordination.id, source="demo", raw=raw)

    assert (first.taken, first.kept, again.taken, again.kept) == (125, 0, 0, 125)
    assert seconds < 1
    async with database.view(town.coordinator) as session:
        assert await phase_counts(session, town.coordinator) == phases
    page = await found(database, keys, town.coordinator, name="p-001")
    assert [row.name for row in page.rows] == ["P-001"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"[", "not-json"),
        (b"{}", "wrong-shape"),
        (b"[{}]", "wrong-shape"),
        (b'[{"key": "a", "phase": "NOWHERE"}]', "wrong-shape"),
        (b'[{"key": "a", "surname": "x"}]', "wrong-shape"),
        (b'[{"key": "a"}, {"key": "a"}]', "duplicate"),
        (b'[{"key": "a", "needs": ["no-such-topic"]}]', "unknown-value"),
        (b'[{"key": "K", "name": "Amt\xe2\x80\xaetmA"}]', "control-character"),
        (b'[{"key": "K", "competences": ["eins\\nzwei"]}]', "control-character"),
    ],
)
async def test_a_wrong_import_takes_nobody(
    database: Database, keys: KeyStore, town: Town, raw: bytes, reason: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        async with database.work(town.lead) as work:
            await import_clients(work, keys, partner_id=town.coordination.id, source="t", raw=raw)

    assert caught.value.reason == reason
    assert (await found(database, keys, town.coordinator)).total == 0


async def test_only_the_own_lead_imports(database: Database, keys: KeyStore, town: Town) -> None:
    for actor in (town.coordinator, town.jobcenter.member, (await make_town(database)).lead):
        with pytest.raises(NotAllowed):
            async with database.work(actor) as work:
                await import_clients(work, keys, partner_id=town.coordination.id, source="t", raw=entries(1))


async def test_a_decision_of_today_counts_from_midnight_in_the_network(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    async with at(database, datetime(2027, 7, 1, 22, 30, tzinfo=UTC)):  # half past midnight of 2 July
        with pytest.raises(InvalidInput):
            async with database.work(town.lead) as work:
                await exclude(work, keys, client_id, date(2027, 7, 3))
        async with database.work(town.lead) as work:
            await exclude(work, keys, client_id, date(2027, 7, 2))


async def test_only_a_lead_excludes_and_nobody_else_sees_it(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    with pytest.raises(NotAllowed):
        async with database.work(town.coordinator) as work:
            await exclude(work, keys, client_id, date(2026, 1, 2))
    async with database.work(town.lead) as work:
        await exclude(work, keys, client_id, date(2026, 1, 2))
    with pytest.raises(InvalidInput):
        async with database.work(town.other_lead) as work:
            await exclude(work, keys, client_id, date(2026, 1, 2))
    with pytest.raises(NotAllowed):
        async with database.view(town.coordinator) as session:
            await exclusion_of(session, town.coordinator, keys, client_id)
    for blind in (town.coordinator, SYSTEM, ANONYMOUS, town.jobcenter.member):
        async with database.view(blind) as session:
            assert await session.scalar(text("SELECT count(*) FROM exclusion")) == 0

    async with database.view(town.other_lead) as session:
        kept = await exclusion_of(session, town.other_lead, keys, client_id)
        seen = await view_client(session, town.other_lead, keys, client_id)
    assert kept is not None
    assert (kept.decided_by, kept.decided_on) == (town.lead.member_id, date(2026, 1, 2))
    assert "exclu" not in repr(seen)

    async with database.work(town.lead) as work:
        await lift_exclusion(work, client_id)
    async with database.view(town.lead) as session:
        assert await exclusion_of(session, town.lead, keys, client_id) is None
    assert [a for a in await audit_of(database, client_id) if "exclusion" in a] == [
        "client.exclusion_set",
        "client.exclusion_view",
        "client.exclusion_lifted",
        "client.exclusion_view",
    ]


async def test_an_erased_person_is_gone_for_good(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    with pytest.raises(NotAllowed):
        async with database.work(town.coordinator) as work:
            await erase_client(work, client_id, 1)
    async with database.work(town.lead) as work:
        assert await erase_client(work, client_id, 1) == 2
    await keys.erase(client_id)

    with pytest.raises(Erased):
        async with database.view(town.lead) as session:
            await view_client(session, town.lead, keys, client_id)
    with pytest.raises(Erased):
        async with database.work(town.lead) as work:
            await move_phase(work, client_id, 2, ClientPhase.IN_SUPPORT)
    assert (await found(database, keys, town.lead, name="Musterfrau")).rows == ()
    page = await found(database, keys, town.lead)
    assert [(row.id, row.name) for row in page.rows] == [(client_id, None)]
    assert await keys.of_many([client_id]) == {}


async def test_a_removed_members_clients_go_to_the_deputy(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    """The client's own deputy first, else the member's; the lead who removes sees no foreign client."""
    async with database.work(town.coordinator) as work:
        with_own_deputy = await create_client(work, keys, draft(deputy_id=town.lead.member_id))
    assert town.coordinator.member_id is not None
    async with database.work(town.lead) as work:
        done = await pass_on(work, town.coordinator.member_id)
    async with database.work(town.lead) as work:
        again = await pass_on(work, town.coordinator.member_id)

    assert (done.clients, done.referrals, done.without_deputy) == (2, 0, 0)
    assert again.clients == 0
    async with database.view(town.lead) as session:
        one = await view_client(session, town.lead, keys, client_id)
        two = await view_client(session, town.lead, keys, with_own_deputy)
    assert one.responsible_id == town.coordination.colleague.member_id
    assert (two.responsible_id, two.deputy_id) == (town.lead.member_id, None)


async def test_passing_on_works_for_an_organisation_whose_clients_one_does_not_see(
    database: Database, keys: KeyStore, town: Town
) -> None:
    async with database.work(town.jobcenter.member) as work:
        theirs = await create_client(work, keys, draft())
    member_id = town.jobcenter.member.member_id
    assert member_id is not None
    async with database.work(SYSTEM) as work:
        await work.session.execute(
            update(Member).where(Member.id == town.jobcenter.colleague.member_id).values(active=False)
        )
    async with database.work(town.lead) as work:
        done = await pass_on(work, member_id)
        hidden = await work.session.scalar(select(Client).where(Client.id == theirs))

    assert (done.clients, done.without_deputy) == (1, 1)
    assert hidden is None


async def test_intake_in_the_past_of_the_clock_is_kept_as_such(
    database: Database, keys: KeyStore, town: Town, client_id: UUID
) -> None:
    async with database.view(town.coordinator) as session:
        seen = await view_client(session, town.coordinator, keys, client_id)

    assert seen.created_at == seen.updated_at == seen.phases[0].at
    assert abs(database.clock() - seen.created_at) < timedelta(minutes=5)


async def test_an_error_of_the_database_repeats_nothing_personal(
    database: Database, keys: KeyStore, town: Town
) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with database.work(town.coordinator) as work:
            await work.session.execute(text("SELECT 1 / 0 WHERE :name <> ''"), {"name": CANARY})

    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)
