"""Clients: the people whom an organisation accompanies. Personal fields are sealed; no case notes.

A client is seen by the own organisation only, and found by name there only. Every view and change of
personal data writes an audit row.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Annotated, Final, TypeAlias
from uuid import UUID, uuid4, uuid5

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import (
    ColumnElement,
    and_,
    any_,
    case,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from directory.actors import Actor, Role
from directory.checking import unseen
from directory.database import Work, seen
from directory.days import local_day
from directory.models import Member, Partner, Topic
from directory.network import Key
from directory.paging import check_size
from directory.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn, StaleVersion
from directory.values import LanguageTag, ShortText, TopicCode, Value
from directory.vocabulary import LegalCircle, ResidenceStatus
from referrals import policy
from referrals.eligibility import Judged, Situation
from referrals.models import Client, ClientPhaseChange, Exclusion, Referral
from referrals.names import index_terms, search_options
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import DataKey, IndexKey, Place
from referrals.problems import Erased
from referrals.rule_sets import in_force, judge_client, judgement_of
from referrals.values import Contact, Identity, Profile, Section87Shown
from referrals.vocabulary import OPEN_STATES, ClientPhase, JudgedAt

MAX_PAGE: Final = 100
_SOURCE_NAMESPACE: Final = UUID("5f2d7a86-6a7e-4c1b-9a53-2f4d6f0a7c11")
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letters that are mistaken for digits when read out on the phone."""


Languages: TypeAlias = Annotated[tuple[LanguageTag, ...], msgspec.Meta(max_length=30)]
Needs: TypeAlias = Annotated[tuple[TopicCode, ...], msgspec.Meta(max_length=50)]


class ClientDraft(Value, frozen=True, kw_only=True):
    """A person at intake. Without ``responsible_id`` whoever enters them is responsible."""

    identity: Identity
    contact: Contact = Contact()
    profile: Profile = Profile()
    phase: ClientPhase = ClientPhase.CLEARING
    residence_status: ResidenceStatus | None = None
    status_valid_until: date | None = None
    legal_circle: LegalCircle | None = None
    languages: Languages = ()
    needs: Needs = ()
    supported_before: bool = False
    applied_in_time: bool | None = None
    responsible_id: UUID | None = None
    deputy_id: UUID | None = None


class ClientChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is changed of a client; a field left out stays as it is. The phase moves by ``move_phase``."""

    identity: Identity | UnsetType = UNSET
    contact: Contact | UnsetType = UNSET
    profile: Profile | UnsetType = UNSET
    residence_status: ResidenceStatus | UnsetType | None = UNSET
    status_valid_until: date | UnsetType | None = UNSET
    legal_circle: LegalCircle | UnsetType | None = UNSET
    languages: Languages | UnsetType = UNSET
    needs: Needs | UnsetType = UNSET
    supported_before: bool | UnsetType = UNSET
    applied_in_time: bool | UnsetType | None = UNSET
    responsible_id: UUID | UnsetType | None = UNSET
    deputy_id: UUID | UnsetType | None = UNSET


class ClientSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A line in the own organisation's list; ``name`` is None when the data were erased."""

    id: UUID
    pseudonym: str
    name: str | None
    phase: ClientPhase
    residence_status: ResidenceStatus | None
    status_valid_until: date | None
    needs: tuple[str, ...]
    responsible_id: UUID | None
    deputy_id: UUID | None
    version: int
    updated_at: datetime


class ClientPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of clients in stable order; ``cursors`` stand beside the rows, ``more``: a next page."""

    rows: tuple[ClientSummary, ...]
    cursors: tuple[str, ...]
    more: bool
    total: int


class PhaseStep(msgspec.Struct, frozen=True, kw_only=True):
    """That a client came into a phase, when, and who moved them."""

    from_phase: ClientPhase | None
    to_phase: ClientPhase
    at: datetime
    member_id: UUID | None


class ClientFile(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the own organisation keeps about a client."""

    id: UUID
    partner_id: UUID
    pseudonym: str
    phase: ClientPhase
    phases: tuple[PhaseStep, ...]
    residence_status: ResidenceStatus | None
    status_valid_until: date | None
    legal_circle: LegalCircle | None
    languages: tuple[str, ...]
    needs: tuple[str, ...]
    supported_before: bool
    applied_in_time: bool | None
    judged: tuple[Judged, ...]
    identity: Identity
    contact: Contact
    profile: Profile
    section_87_notice: Section87Shown | None
    responsible_id: UUID | None
    deputy_id: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime


class ExclusionView(Value, frozen=True, kw_only=True):
    """That a person is excluded from the project's support: decided by, date; nothing else is kept."""

    decided_by: UUID
    decided_on: date


class ClientEntry(Value, frozen=True, kw_only=True):
    """A client in a network file: a plainly invented code (``key``) in place of a name."""

    key: Key
    name: ShortText | None = None
    phase: ClientPhase = ClientPhase.CLEARING
    residence_status: ResidenceStatus | None = None
    status_valid_until: date | None = None
    legal_circle: LegalCircle | None = None
    languages: tuple[LanguageTag, ...] = ()
    needs: tuple[TopicCode, ...] = ()
    competences: tuple[ShortText, ...] = ()


class ClientsImported(msgspec.Struct, frozen=True, kw_only=True):
    """What an import of clients did: taken now, there already (left as they are)."""

    taken: int
    kept: int


class PassedOn(msgspec.Struct, frozen=True, kw_only=True):
    """How many clients and open referrals went to a deputy when a member was removed."""

    clients: int
    referrals: int
    without_deputy: int


# --- Sealed fields --------------------------------------------------------------------------------------


def _place(column: str, client_id: UUID) -> Place:
    return Place("client", column, client_id)


def _sealed(
    key: DataKey, client_id: UUID, identity: Identity, contact: Contact, profile: Profile
) -> dict[str, bytes]:
    return {
        "sealed_identity": key.seal_value(identity, _place("sealed_identity", client_id)),
        "sealed_contact": key.seal_value(contact, _place("sealed_contact", client_id)),
        "sealed_profile": key.seal_value(profile, _place("sealed_profile", client_id)),
    }


def _identity(key: DataKey, client: Client) -> Identity:
    if client.sealed_identity is None:
        raise Erased
    return key.open_value(client.sealed_identity, Identity, _place("sealed_identity", client.id))


def _names(identity: Identity) -> Iterable[str]:
    yield f"{identity.given_names or ''} {identity.family_name}"
    yield from identity.other_names


def _name_index(key: IndexKey, identity: Identity) -> tuple[bytes, ...]:
    return key.digests(index_terms(_names(identity)))


def display_name(identity: Identity) -> str:
    """Return the name as lists show it: family name first."""
    return f"{identity.family_name}, {identity.given_names}" if identity.given_names else identity.family_name


def new_pseudonym() -> str:
    """Return a random pseudonym such as ``K-7Q4M-2X9P-0T``; it tells nothing and is not guessable."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    return f"K-{letters[:4]}-{letters[4:8]}-{letters[8:]}"


# --- Writing --------------------------------------------------------------------------------------------


def facts_of(client: Client) -> policy.ClientFacts:
    """Return what the policy judges a client by."""
    return policy.ClientFacts(
        partner_id=client.partner_id, responsible_id=client.responsible_id, deputy_id=client.deputy_id
    )


async def to_change(work: Work, client_id: UUID, expected_version: int | None) -> Client:
    """Return an own client, locked to be changed. Raises NotFound, NotAllowed, StaleVersion, Erased."""
    policy.must_work_with_people(work.actor)
    client = await work.session.get(Client, client_id, with_for_update=True, populate_existing=True)
    if client is None:
        raise NotFound
    policy.change_client(work.actor, facts_of(client))
    if expected_version is not None and client.version != expected_version:
        raise StaleVersion(client.version)
    if client.erased_at is not None:
        raise Erased
    return client


async def _check_topics(session: AsyncSession, needs: Sequence[str]) -> None:
    if not needs:
        return
    known = set(await session.scalars(select(Topic.code).where(Topic.code.in_(needs))))
    for number, code in enumerate(needs):
        if code not in known:
            raise InvalidInput(f"needs.{number}", "unknown-value")


async def check_members(session: AsyncSession, partner_id: UUID, members: dict[str, UUID | None]) -> None:
    """Raise InvalidInput unless these are different active members; ``members`` by the input's fields."""
    named = {member for member in members.values() if member is not None}
    if not named:
        return
    known = set(
        await session.scalars(
            select(Member.id).where(
                Member.id.in_(named), Member.partner_id == partner_id, Member.active.is_(True)
            )
        )
    )
    for field, member in members.items():
        if member is not None and member not in known:
            raise InvalidInput(field, "not-a-member")
    if len(named) < sum(member is not None for member in members.values()):
        raise InvalidInput("deputyId", "same-as-responsible")


async def create_client(
    work: Work,
    keys: KeyStore,
    draft: ClientDraft,
    *,
    from_referral_id: UUID | None = None,
    section_87_notice: Section87Shown | None = None,
) -> UUID:
    """Make a person's file; the own organisation is responsible.

    Raises NotSignedIn, NotAllowed, InvalidInput.
    ``from_referral_id``: the referral that came in with them; one client per referral. What they were shown
    before is checked by who calls: ``taking_in`` at the own desk, the referral's consent in ``taking_over``.
    """
    policy.must_work_with_people(work.actor)
    partner_id = work.actor.partner_id
    if partner_id is None:
        raise NotSignedIn
    responsible = draft.responsible_id or work.actor.member_id
    await _check_topics(work.session, draft.needs)
    await check_members(work.session, partner_id, {"responsibleId": responsible, "deputyId": draft.deputy_id})
    index_key = await keys.index_key(partner_id, work.now)
    client = Client(
        id=uuid4(),
        partner_id=partner_id,
        responsible_id=responsible,
        deputy_id=draft.deputy_id,
        pseudonym=new_pseudonym(),
        phase=draft.phase,
        residence_status=draft.residence_status,
        status_valid_until=draft.status_valid_until,
        legal_circle=draft.legal_circle,
        languages=draft.languages,
        needs=draft.needs,
        supported_before=draft.supported_before,
        applied_in_time=draft.applied_in_time,
        name_index=_name_index(index_key, draft.identity),
        from_referral_id=from_referral_id,
        section_87_notice=section_87_notice,
        created_at=work.now,
        updated_at=work.now,
    )
    key = (await keys.make([client.id], work.now))[client.id]
    for column, sealed in _sealed(key, client.id, draft.identity, draft.contact, draft.profile).items():
        setattr(client, column, sealed)
    await judge_client(work, client, work.actor.municipality_id, JudgedAt.INTAKE)
    work.session.add(client)
    await work.session.flush()
    _add_phase(work, client.id, None, draft.phase)
    work.record("client.create", "client", client.id)
    return client.id


async def change_client(
    work: Work, keys: KeyStore, client_id: UUID, expected_version: int, change: ClientChange
) -> int:
    """Change what is given; return the new version.

    Raises NotFound, NotAllowed, StaleVersion, InvalidInput, Erased.
    """
    client = await to_change(work, client_id, expected_version)
    if change.needs is not UNSET:
        await _check_topics(work.session, change.needs)
    if change.responsible_id is not UNSET or change.deputy_id is not UNSET:
        await check_members(
            work.session,
            client.partner_id,
            {
                "responsibleId": client.responsible_id
                if change.responsible_id is UNSET
                else change.responsible_id,
                "deputyId": client.deputy_id if change.deputy_id is UNSET else change.deputy_id,
            },
        )
    key = await keys.of(client_id)
    changed = []
    for field in ClientChange.__struct_fields__:
        value = getattr(change, field)
        if value is UNSET:
            continue
        changed.append(field)
        if isinstance(value, (Identity, Contact, Profile)):
            column = f"sealed_{field}"
            setattr(client, column, key.seal_value(value, _place(column, client_id)))
            if isinstance(value, Identity):
                index_key = await keys.index_key(client.partner_id, work.now)
                client.name_index = _name_index(index_key, value)
        else:
            setattr(client, field, value)
    client.version += 1
    client.updated_at = work.now
    work.record("client.change", "client", client_id, {"fields": " ".join(changed)})
    return client.version


async def move_phase(work: Work, client_id: UUID, expected_version: int, phase: ClientPhase) -> int:
    """Move a client into a phase, kept in the history; return the new version. The same phase is refused."""
    client = await to_change(work, client_id, expected_version)
    if client.phase is phase:
        raise InvalidInput("phase", "unchanged")
    _add_phase(work, client_id, client.phase, phase)
    client.phase = phase
    client.version += 1
    client.updated_at = work.now
    work.record("client.move_phase", "client", client_id, {"phase": phase})
    return client.version


def _add_phase(work: Work, client_id: UUID, before: ClientPhase | None, phase: ClientPhase) -> None:
    work.session.add(
        ClientPhaseChange(
            client_id=client_id,
            from_phase=before,
            to_phase=phase,
            at=work.now,
            member_id=work.actor.member_id,
        )
    )


# --- Reading --------------------------------------------------------------------------------------------


async def view_client(session: AsyncSession, actor: Actor, keys: KeyStore, client_id: UUID) -> ClientFile:
    """Return a client of the own organisation, opened; writes an audit row. Raises NotFound, Erased."""
    policy.must_work_with_people(actor)
    client = await session.get(Client, client_id)
    if client is None:
        raise NotFound
    policy.see_client(actor, facts_of(client))
    key = await keys.of(client_id)
    steps = await session.scalars(
        select(ClientPhaseChange)
        .where(ClientPhaseChange.client_id == client_id)
        .order_by(ClientPhaseChange.at, ClientPhaseChange.from_phase.is_not(None), ClientPhaseChange.id)
    )
    await seen(session, actor, "client.view", "client", [client_id])
    if client.sealed_contact is None or client.sealed_profile is None:
        raise Erased
    return ClientFile(
        id=client.id,
        partner_id=client.partner_id,
        pseudonym=client.pseudonym,
        phase=client.phase,
        phases=tuple(
            PhaseStep(
                from_phase=step.from_phase, to_phase=step.to_phase, at=step.at, member_id=step.member_id
            )
            for step in steps
        ),
        residence_status=client.residence_status,
        status_valid_until=client.status_valid_until,
        legal_circle=client.legal_circle,
        languages=client.languages,
        needs=client.needs,
        supported_before=client.supported_before,
        applied_in_time=client.applied_in_time,
        judged=client.judged or (),
        identity=_identity(key, client),
        contact=key.open_value(client.sealed_contact, Contact, _place("sealed_contact", client_id)),
        profile=key.open_value(client.sealed_profile, Profile, _place("sealed_profile", client_id)),
        section_87_notice=client.section_87_notice,
        responsible_id=client.responsible_id,
        deputy_id=client.deputy_id,
        version=client.version,
        created_at=client.created_at,
        updated_at=client.updated_at,
    )


async def find_clients(
    session: AsyncSession,
    actor: Actor,
    keys: KeyStore,
    *,
    name: str | None = None,
    phases: Collection[ClientPhase] = (),
    responsible_id: UUID | None = None,
    need: str | None = None,
    first: int = 20,
    after: str | None = None,
) -> ClientPage:
    """Return a page of the own organisation's clients, by pseudonym; every row shown writes an audit row.

    ``name``: what somebody typed, in any spelling, or a pseudonym. ``responsible_id`` finds clients of that
    member as responsible or deputy. At most ``MAX_PAGE`` rows; a wrong cursor is InvalidInput.
    """
    policy.must_work_with_people(actor)
    check_size(first, MAX_PAGE)
    wanted: list[ColumnElement[bool]] = [Client.partner_id == actor.partner_id]
    if name is not None:
        wanted.append(await _called(session, actor, keys, name))
    if phases:
        wanted.append(Client.phase.in_(phases))
    if responsible_id is not None:
        wanted.append(or_(Client.responsible_id == responsible_id, Client.deputy_id == responsible_id))
    if need is not None:
        wanted.append(literal(need) == any_(Client.needs))
    total = await session.scalar(select(func.count()).select_from(Client).where(*wanted)) or 0
    if after is not None:
        wanted.append(Client.pseudonym > _cursor_place(after))
    found = list(
        await session.scalars(select(Client).where(*wanted).order_by(Client.pseudonym).limit(first + 1))
    )
    shown = found[:first]
    opened = await keys.of_many([client.id for client in shown if client.erased_at is None])
    await seen(session, actor, "client.list", "client", [client.id for client in shown])
    return ClientPage(
        rows=tuple(_summary(client, opened.get(client.id)) for client in shown),
        cursors=tuple(_cursor(client.pseudonym) for client in shown),
        more=len(found) > first,
        total=total,
    )


async def summaries(
    session: AsyncSession, actor: Actor, keys: KeyStore, client_ids: Collection[UUID]
) -> dict[UUID, ClientSummary]:
    """Return lines of the own organisation's clients among these; every one shown writes an audit row."""
    policy.must_work_with_people(actor)
    found = list(
        await session.scalars(
            select(Client).where(Client.id.in_(client_ids), Client.partner_id == actor.partner_id)
        )
    )
    opened = await keys.of_many([client.id for client in found if client.erased_at is None])
    await seen(session, actor, "client.list", "client", [client.id for client in found])
    return {client.id: _summary(client, opened.get(client.id)) for client in found}


def _summary(client: Client, key: DataKey | None) -> ClientSummary:
    return ClientSummary(
        id=client.id,
        pseudonym=client.pseudonym,
        name=None if key is None else display_name(_identity(key, client)),
        phase=client.phase,
        residence_status=client.residence_status,
        status_valid_until=client.status_valid_until,
        needs=client.needs,
        responsible_id=client.responsible_id,
        deputy_id=client.deputy_id,
        version=client.version,
        updated_at=client.updated_at,
    )


async def _called(session: AsyncSession, actor: Actor, keys: KeyStore, name: str) -> ColumnElement[bool]:
    if len(name) > 200:
        raise InvalidInput("name", "too-long", maximum="200")
    options = search_options(name)
    if not options or actor.partner_id is None:
        raise InvalidInput("name", "no-letters")
    by_pseudonym = Client.pseudonym == name.strip().upper()
    key = await keys.known_index_key(actor.partner_id)
    if key is None:
        return by_pseudonym
    return or_(
        by_pseudonym,
        *(
            and_(*(Client.name_index.overlap(key.digests(spellings)) for spellings in option))
            for option in options
        ),
    )


def _cursor(pseudonym: str) -> str:
    return base64.urlsafe_b64encode(pseudonym.encode()).decode()


def _cursor_place(cursor: str) -> str:
    try:
        place = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
    except ValueError as error:
        raise InvalidInput("after", "cursor") from error
    if not place.startswith("K-") or not place.isprintable():
        raise InvalidInput("after", "cursor")
    return place


async def phase_counts(session: AsyncSession, actor: Actor) -> dict[ClientPhase, int]:
    """Return how many of the own organisation's clients stand in each phase; every phase is there."""
    policy.must_work_with_people(actor)
    rows = await session.execute(
        select(Client.phase, func.count()).where(Client.partner_id == actor.partner_id).group_by(Client.phase)
    )
    counted = {row[0]: row[1] for row in rows}
    return {phase: counted.get(phase, 0) for phase in ClientPhase}


# --- Exclusion (GDPR Art. 10) ---------------------------------------------------------------------------


async def exclude(work: Work, keys: KeyStore, client_id: UUID, decided_on: date) -> None:
    """Keep that a person is excluded from the project's support; only a LEAD of the own organisation.

    Why is not kept anywhere. Raises NotFound, NotAllowed, InvalidInput (excluded already, day to come).
    """
    client = await _for_lead(work.session, work.actor, client_id, lock=True)
    if decided_on > local_day(work.now):
        raise InvalidInput("decidedOn", "in-the-future")
    if await work.session.get(Exclusion, client_id) is not None:
        raise InvalidInput("clientId", "excluded-already")
    if work.actor.member_id is None:
        raise NotSignedIn
    key = await keys.of(client_id)
    work.session.add(
        Exclusion(
            client_id=client_id,
            partner_id=client.partner_id,
            sealed=key.seal_value(
                ExclusionView(decided_by=work.actor.member_id, decided_on=decided_on),
                Place("exclusion", "sealed", client_id),
            ),
        )
    )
    work.record("client.exclusion_set", "client", client_id)


async def lift_exclusion(work: Work, client_id: UUID) -> None:
    """Delete the exclusion of a person; only a LEAD of the own organisation. Raises NotFound, NotAllowed."""
    await _for_lead(work.session, work.actor, client_id, lock=True)
    exclusion = await work.session.get(Exclusion, client_id)
    if exclusion is None:
        raise NotFound
    await work.session.delete(exclusion)
    work.record("client.exclusion_lifted", "client", client_id)


async def exclusion_of(
    session: AsyncSession, actor: Actor, keys: KeyStore, client_id: UUID
) -> ExclusionView | None:
    """Return a person's exclusion to a LEAD of the own organisation; writes an audit row."""
    await _for_lead(session, actor, client_id)
    await seen(session, actor, "client.exclusion_view", "client", [client_id])
    exclusion = await session.get(Exclusion, client_id)
    if exclusion is None:
        return None
    key = await keys.of(client_id)
    return key.open_value(exclusion.sealed, ExclusionView, Place("exclusion", "sealed", client_id))


async def _for_lead(session: AsyncSession, actor: Actor, client_id: UUID, *, lock: bool = False) -> Client:
    policy.must_work_with_people(actor)
    client = await session.get(Client, client_id, with_for_update=lock or None)
    if client is None:
        raise NotFound
    policy.decide_exclusion(actor, facts_of(client))
    return client


# --- Import and passing on ------------------------------------------------------------------------------

_entries: Final = msgspec.json.Decoder(
    Annotated[list[ClientEntry], msgspec.Meta(max_length=20_000)],
)
_PLACE: Final = re.compile(r"at `(\$[^`]*)`")


async def import_clients(
    work: Work, keys: KeyStore, *, partner_id: UUID, source: str, raw: bytes | msgspec.Raw
) -> ClientsImported:
    """Take over clients of a network file for one organisation, in few statements; idempotent.

    Ids are UUIDv5 of source and key. Who is there already is left as they are: a client is a living record.
    For SYSTEM (the command line) and for a LEAD of that organisation. Raises InvalidInput with the place of
    the first wrong entry; then nothing is taken.
    """
    actor = work.actor
    if actor.role is not Role.SYSTEM and not (actor.role is Role.LEAD and actor.partner_id == partner_id):
        raise NotAllowed(policy.Rule.LEAD_ONLY)
    try:
        entries = _entries.decode(raw)
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))  # the message would repeat the value
        raise InvalidInput("clients", "wrong-shape", where=place[1] if place else "$") from None
    except msgspec.DecodeError as error:
        raise InvalidInput("clients", "not-json") from error
    by_id = {uuid5(_SOURCE_NAMESPACE, f"{source}\0{partner_id}\0{entry.key}"): entry for entry in entries}
    if len(by_id) != len(entries):
        raise InvalidInput("clients", "duplicate")
    for number, entry in enumerate(entries):
        if any(unseen(one, lines=False) for one in (entry.key, entry.name or "", *entry.competences)):
            raise InvalidInput(f"clients.{number}", "control-character")
    await _check_topics(work.session, sorted({need for entry in entries for need in entry.needs}))
    there = set(await work.session.scalars(select(Client.id).where(Client.id.in_(by_id))))
    new = {client_id: entry for client_id, entry in by_id.items() if client_id not in there}
    if new:
        index_key = await keys.index_key(partner_id, work.now)
        made = await keys.make(new, work.now)
        today = local_day(work.now)
        municipality_id = await work.session.scalar(
            select(Partner.municipality_id).where(Partner.id == partner_id)
        )
        rules = await in_force(work.session, municipality_id, today)
        await work.session.execute(
            insert(Client).inline(),
            [
                _imported(work, partner_id, client_id, entry, made[client_id], index_key, source)
                | {
                    "judged": (
                        judgement_of(rules, Situation(status=entry.residence_status), today, JudgedAt.INTAKE)[
                            1
                        ],
                    )
                }
                for client_id, entry in new.items()
            ],
        )
        await work.session.execute(
            insert(ClientPhaseChange).inline(),
            [
                {
                    "id": uuid4(),
                    "client_id": client_id,
                    "from_phase": None,
                    "to_phase": entry.phase,
                    "at": work.now,
                    "member_id": actor.member_id,
                }
                for client_id, entry in new.items()
            ],
        )
        for client_id in new:
            work.record("client.import", "client", client_id)
    return ClientsImported(taken=len(new), kept=len(there))


def _imported(
    work: Work,
    partner_id: UUID,
    client_id: UUID,
    entry: ClientEntry,
    key: DataKey,
    index_key: IndexKey,
    source: str,
) -> dict[str, object]:
    identity = Identity(family_name=entry.name or entry.key)
    return {
        "id": client_id,
        "partner_id": partner_id,
        "pseudonym": new_pseudonym(),
        "phase": entry.phase,
        "residence_status": entry.residence_status,
        "status_valid_until": entry.status_valid_until,
        "legal_circle": entry.legal_circle,
        "languages": entry.languages,
        "needs": entry.needs,
        "supported_before": False,
        "name_index": _name_index(index_key, identity),
        "source_key": f"{source}:{entry.key}",
        "version": 1,
        "created_at": work.now,
        "updated_at": work.now,
        **_sealed(key, client_id, identity, Contact(), Profile(competences=entry.competences)),
    }


@asynccontextmanager
async def _as_system(work: Work) -> AsyncIterator[None]:
    # A LEAD may remove a member of another organisation whose clients they never see.
    await work.session.flush()
    await work.session.execute(text("SELECT set_config('app.role', 'SYSTEM', true)"))
    yield
    await work.session.flush()
    await work.session.execute(
        text("SELECT set_config('app.role', :role, true)"), {"role": work.actor.role.value}
    )


def _first(
    first: InstrumentedAttribute[UUID | None],
    second: InstrumentedAttribute[UUID | None],
    leaving: UUID,
    successor: UUID | None,
) -> ColumnElement[UUID | None]:
    return case((first == leaving, func.coalesce(func.nullif(second, leaving), successor)), else_=first)


async def pass_on(work: Work, member_id: UUID) -> PassedOn:
    """Hand a removed member's clients and open referrals to the deputy; the caller has checked the removal.

    The client's own deputy comes first, then the member's; without one the place stays empty, and everybody
    in the organisation may act until somebody is named. Idempotent.
    """
    member = await work.session.get(Member, member_id)
    if member is None:
        raise NotFound
    deputy = await work.session.get(Member, member.deputy_id) if member.deputy_id else None
    successor = deputy.id if deputy is not None and deputy.active else None
    async with _as_system(work):
        clients = await work.session.execute(
            update(Client)
            .where(or_(Client.responsible_id == member_id, Client.deputy_id == member_id))
            .values(
                responsible_id=_first(Client.responsible_id, Client.deputy_id, member_id, successor),
                deputy_id=null(),
                version=Client.version + 1,
                updated_at=work.now,
            )
            .returning(Client.id, Client.responsible_id)
            .execution_options(synchronize_session=False)
        )
        passed = clients.all()
        referrals = await work.session.execute(
            update(Referral)
            .where(
                Referral.state.in_(OPEN_STATES),
                or_(
                    Referral.sender_member_id == member_id,
                    Referral.sender_deputy_id == member_id,
                    Referral.recipient_member_id == member_id,
                ),
            )
            .values(
                sender_member_id=_first(
                    Referral.sender_member_id, Referral.sender_deputy_id, member_id, successor
                ),
                sender_deputy_id=case(
                    (Referral.sender_member_id == member_id, null()),
                    (Referral.sender_deputy_id == member_id, null()),
                    else_=Referral.sender_deputy_id,
                ),
                recipient_member_id=case(
                    (Referral.recipient_member_id == member_id, successor),
                    else_=Referral.recipient_member_id,
                ),
                version=Referral.version + 1,
                updated_at=work.now,
            )
            .returning(Referral.id)
            .execution_options(synchronize_session=False)
        )
        moved = referrals.scalars().all()
    for client_id, _ in passed:
        work.record("client.pass_on", "client", client_id, {"from": str(member_id)})
    for referral_id in moved:
        work.record("referral.pass_on", "referral", referral_id, {"from": str(member_id)})
    return PassedOn(
        clients=len(passed),
        referrals=len(moved),
        without_deputy=sum(responsible is None for _, responsible in passed),
    )
