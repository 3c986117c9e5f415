"""The application over HTTP (ASGI, no sockets), and a small world for each test that asks for one."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import AsyncIterator
from functools import cache, partial
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar
from sqlalchemy import update

from directory import catalogue, membership
from directory.actors import SYSTEM, Role
from directory.database import Database, Work
from directory.models import AccessToken, Member, Municipality, Partner, Topic
from directory.vocabulary import PartnerKind, ServiceKind
from graphapi.app import application
from graphapi.context import Services
from graphapi.embedded import SUPERUSER, Access
from graphapi.limits import Limits
from graphapi.relay import global_id
from referrals.personal_data.keystore import KeyStore
from tests.graphapi.asking import Api
from tests.graphapi.unchanged import Digest

MANY: Final = Limits(wrong_codes=1_000_000, presented_codes=1_000_000, wrong_codes_in_total=1_000_000)
"""All tests come from one address; how often codes may be tried has tests of its own."""


def served(database: Database, keys: KeyStore | None = None, *, limits: Limits | None = None) -> Litestar:
    """Return the application on a database that is started already; without keys, for the directory only."""
    return application(Services(database=database, limits=limits or MANY, keys=keys))


@cache
def served_once(database: Database, keys: KeyStore) -> Litestar:
    """Return one application for all that import ``api``: it keeps the documents that it has judged."""
    return served(database, keys)


@pytest.fixture(scope="session")
async def api(database: Database, keys: KeyStore) -> AsyncIterator[Api]:
    app = served_once(database, keys)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield Api(http, app)


@pytest.fixture
def clock_stands(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of the worker's database: no window in which attempts are counted ends meanwhile."""
    now = database.clock()
    monkeypatch.setattr(database, "clock", lambda: now)


@pytest.fixture(scope="session")
async def digest(cluster: Access, worker_database: str) -> AsyncIterator[Digest]:
    """Tell whether anything in the worker's database has changed."""
    superuser = await asyncpg.connect(cluster.dsn(SUPERUSER, worker_database))
    yield Digest(superuser)
    await superuser.close()


@dataclasses.dataclass
class World:
    """A municipality with its coordination, two partners and their members; nothing of it is shared."""

    municipality: UUID
    coordination: UUID
    partner: UUID
    other_partner: UUID
    lead: str
    coordinator: str
    staff: str
    other_staff: str
    staff_member: UUID
    stranger: str
    """Token of a coordinator of another municipality."""
    reader: str
    """Token of a member of another municipality that reads only."""

    def id(self, type_name: str, key: UUID) -> str:
        return global_id(type_name, key)


async def add_municipality(work: Work) -> UUID:
    municipality = Municipality(
        id=uuid4(),
        ars=f"{secrets.randbelow(10**12):012d}",
        name={"de": "Teststadt", "en": "Test Town", "dsb": "Testowe město"},
        kind_labels={"FREE_PROVIDER": {"de": "Träger der Stadt", "en": "Provider of the town"}},
    )
    work.session.add(municipality)
    await work.session.flush()
    return municipality.id


async def make_municipality(database: Database) -> UUID:
    async with database.work(SYSTEM) as work:
        return await add_municipality(work)


async def add_partner(
    work: Work,
    municipality: UUID,
    name: str,
    *,
    kind: PartnerKind = PartnerKind.FREE_PROVIDER,
    coordinates: bool = False,
    published: bool = True,
) -> UUID:
    saved = await catalogue.create_partner(
        work,
        catalogue.PartnerDraft(
            municipality_id=municipality,
            kind=kind,
            name=name,
            description={"de": f"Beschreibung von {name}"},
            website="https://example.org/",
        ),
    )
    await work.session.flush()
    if coordinates:
        await work.session.execute(update(Partner).where(Partner.id == saved.id).values(coordinates=True))
    if published:
        await catalogue.publish_partner(work, saved.id, expected_version=saved.version)
    return saved.id


async def make_partner(database: Database, municipality: UUID, name: str, **given: Any) -> UUID:
    async with database.work(SYSTEM) as work:
        return await add_partner(work, municipality, name, **given)


async def add_member(
    work: Work, partner: UUID, role: Role, *, administers: bool = False, name: str = "Mitglied"
) -> tuple[UUID, str]:
    """Return a new member and a token of theirs: plain rows, for adding them by the rules asks ten times."""
    member = Member(
        id=uuid4(),
        partner_id=partner,
        name=name,
        role=role.value,
        administers=administers,
        active=True,
        version=1,
    )
    work.session.add(member)
    await work.session.flush()
    secret = f"{membership.PREFIX}{secrets.token_urlsafe(32)}"
    work.session.add(
        AccessToken(
            id=uuid4(),
            member_id=member.id,
            token_hash=membership.hash_token(secret),
            label="test",
            created_at=work.now,
            expires_at=work.now + membership.TOKEN_LIFE,
        )
    )
    return member.id, secret


async def make_member(database: Database, partner: UUID, role: Role, **given: Any) -> tuple[UUID, str]:
    async with database.work(SYSTEM) as work:
        return await add_member(work, partner, role, **given)


async def add_service(
    work: Work, partner: UUID, name: str = "Sprachkurs", *, published: bool = True, **given: Any
) -> UUID:
    draft: dict[str, Any] = {"kind": ServiceKind.QUALIFICATION, "title": {"de": name, "en": f"{name} (en)"}}
    saved = await catalogue.create_service(
        work, catalogue.ServiceDraft(**{"partner_id": partner, **draft, **given})
    )
    await work.session.flush()
    if published:
        await catalogue.publish_service(work, saved.id, expected_version=saved.version)
    return saved.id


async def make_service(database: Database, partner: UUID, name: str = "Sprachkurs", **given: Any) -> UUID:
    async with database.work(SYSTEM) as work:
        return await add_service(work, partner, name, **given)


async def make_topic(database: Database, **labels: str) -> str:
    code = f"topic-{uuid4().hex[:12]}"
    async with database.work(SYSTEM) as work:
        work.session.add(Topic(code=code, labels=labels, synonyms={"de": ("Wort",)}, parent=None))
    return code


async def make_world(database: Database) -> World:
    async with database.work(SYSTEM) as work:
        return await add_world(work)


async def add_world(work: Work) -> World:
    municipality, other_municipality = await add_municipality(work), await add_municipality(work)
    project: dict[str, Any] = {"kind": PartnerKind.MUNICIPAL_PROJECT, "coordinates": True}
    coordination = await add_partner(work, municipality, "Koordination", **project)
    elsewhere = await add_partner(work, other_municipality, "Koordination anderswo", **project)
    reading = await add_partner(work, municipality, "Landkreis", kind=PartnerKind.MUNICIPALITY)
    partner = await add_partner(work, municipality, "Träger A")
    other_partner = await add_partner(work, municipality, "Träger B")
    _, lead = await add_member(work, coordination, Role.LEAD, administers=True)
    _, coordinator = await add_member(work, coordination, Role.COORDINATOR)
    staff_member, staff = await add_member(work, partner, Role.PARTNER_MEMBER, administers=True)
    _, other_staff = await add_member(work, other_partner, Role.PARTNER_MEMBER)
    _, stranger = await add_member(work, elsewhere, Role.COORDINATOR)
    _, reader = await add_member(work, reading, Role.OTHER_MUNICIPALITY)
    return World(
        municipality=municipality,
        coordination=coordination,
        partner=partner,
        other_partner=other_partner,
        lead=lead,
        coordinator=coordinator,
        staff=staff,
        other_staff=other_staff,
        staff_member=staff_member,
        stranger=stranger,
        reader=reader,
    )


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database)


class Maker:
    """Makes directory entries as the system, each in a committed transaction of its own."""

    def __init__(self, database: Database) -> None:
        self.municipality = partial(make_municipality, database)
        self.partner = partial(make_partner, database)
        self.member = partial(make_member, database)
        self.service = partial(make_service, database)
        self.topic = partial(make_topic, database)
        self.world = partial(make_world, database)


@pytest.fixture
def make(database: Database) -> Maker:
    return Maker(database)
