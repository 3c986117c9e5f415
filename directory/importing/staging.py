"""Prepares entries chunk by chunk: what the source says is laid over what the directory has.

Each chunk is a committed transaction of its own, and nobody but the importer reads what it leaves. What is
staged is complete, row and document, so that taking it over needs no thinking any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from msgspec import UNSET
from sqlalchemy import insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload

from directory.actors import SYSTEM
from directory.aliases import survivors_of
from directory.building import partner_row, service_row
from directory.catalogue import texts_of
from directory.database import Database
from directory.days import local_day
from directory.documents import DocumentKind
from directory.freshness import with_end
from directory.hsds.ids import as_uuid
from directory.importing.entries import (
    GoneGiven,
    Loose,
    PartnerGiven,
    ServiceGiven,
    Source,
    entry_id,
    source_namespace,
)
from directory.importing.report import NAMED, ImportRefused, ImportReport, Outcome, Refusal
from directory.importing.services_advisor import ServicesAdvisorSource
from directory.importing.tables import ImportOrigin, ImportStaging
from directory.models import Base, Location, Municipality, Occupation, Partner, Service, Topic
from directory.network import MunicipalityEntry
from directory.translations import dated
from directory.values import Capacity, LocationValue, OpeningHours, Provenance
from directory.vocabulary import (
    CapacityState,
    DataProtectionLaw,
    PartnerKind,
    PublicationState,
    Responsibility,
)

GONE: Final = "_GONE"
"""Ends the kind under which it is staged that an entry of that kind is gone."""

HERE: Final = "PARTNER_HERE"
"""The kind under which it is staged that a partner is here already, and not from this source."""

PLACEHOLDER: Final = datetime(1, 1, 1, tzinfo=UTC)
"""Stands in prepared documents for the moment of the takeover."""

NOWHERE: Final = "00"
"""Stands where an official key would, for entries of no municipality here; no land has this number."""

_NOWHERE_ID: Final = uuid5(NAMESPACE_URL, "spurwechsel:municipality:00")
_NOWHERE_NAME: Final = {"de": "Ohne Kommune", "en": "Without a municipality"}

_ABROAD: Final = frozenset({ServicesAdvisorSource.format})
"""Formats of directories that lie abroad and so in none of the municipalities here."""

_MOST_NAMED: Final = 20
"""Municipalities that a refusal names at most."""

_ORDER: Final = (PublicationState.DRAFT, PublicationState.PUBLISHED, PublicationState.HIDDEN)

T = TypeVar("T")


def next_state(
    current: PublicationState | None, said: PublicationState | None, publish: bool
) -> PublicationState:
    """Return an entry's state after an import, which only ever moves it forward.

    So an import never takes back what was published, and never shows again what somebody has hidden.

    >>> next_state(PublicationState.HIDDEN, PublicationState.PUBLISHED, True).value
    'HIDDEN'
    """
    wanted = said or PublicationState.DRAFT
    if publish and wanted is PublicationState.DRAFT:
        wanted = PublicationState.PUBLISHED
    return max(current or PublicationState.DRAFT, wanted, key=_ORDER.index)


def next_capacity(
    current: Capacity | None, said: Capacity, today: date, *, corrected: bool = False
) -> Capacity:
    """Return an entry's capacity after an import: a live figure here gives way to a newer one only.

    A source that names no day means the day on which it is first read. What has no end gets one, as when
    somebody says it here: else an old figure would count for ever. ``corrected``: the source is an export of
    ours that somebody has changed, so another figure under the same day is today's.
    """
    if current is not None:
        newer = current.as_of is None or (said.as_of is not None and said.as_of > current.as_of)
        if corrected and _figure(said) != _figure(current) and said.as_of in {None, current.as_of}:
            until = said.expires_on if said.expires_on != current.expires_on else None
            said = msgspec.structs.replace(said, as_of=today, expires_on=until)
        elif not newer:
            return current
    if said.state is CapacityState.UNKNOWN:
        return said
    return with_end(msgspec.structs.replace(said, as_of=said.as_of or today))


def _figure(capacity: Capacity) -> tuple[CapacityState, int | None, int | None]:
    return capacity.state, capacity.places, capacity.waiting_weeks


def as_stored(value: T) -> T:
    """Return a value as it comes back from the database: maps in JSONB's key order, moments in UTC.

    So that a document prepared here is the same, byte for byte, as one built from the rows later.
    """
    result: Any = value
    if isinstance(value, dict):
        result = {k: as_stored(value[k]) for k in sorted(value, key=lambda k: (len(k.encode()), k.encode()))}
    elif isinstance(value, tuple):
        result = tuple(as_stored(item) for item in value)
    elif isinstance(value, msgspec.Struct):
        result = type(value)(**{k: as_stored(v) for k, v in msgspec.structs.asdict(value).items()})
    elif isinstance(value, datetime):
        result = value.astimezone(UTC)
    return result  # type: ignore[no-any-return]


def digest(*said: object) -> bytes:
    """Return a fingerprint of what a source says."""
    return hashlib.blake2b(msgspec.json.encode(said, order="deterministic"), digest_size=16).digest()


def column_values(entry: Base) -> dict[str, Any]:
    """Return an entry's row as JSON-ready values; what is None is left out."""
    columns = {column.name: getattr(entry, column.name) for column in entry.__table__.columns}
    return {name: msgspec.to_builtins(value) for name, value in columns.items() if value is not None}


E = TypeVar("E", bound=Base)


def _with_defaults(entry: E) -> E:
    """Fill the columns that are left with their defaults, as the database layer does for a new row."""
    for column in entry.__table__.columns:
        default: Any = column.default
        if default is not None and getattr(entry, column.name) is None:
            setattr(entry, column.name, default.arg(None) if default.is_callable else default.arg)
    return entry


def _new_partner(id_: UUID, municipality: Municipality) -> Partner:
    partner = Partner(
        id=id_,
        municipality_id=municipality.id,
        description={},
        contact_points=(),
        languages=(),
        active=True,
        coordinates=False,
        data_protection_law=DataProtectionLaw.GDPR,
        professional_secrecy=False,
        public_body=False,
        school=False,
        correspondence_language="de",
        locations=[],
    )
    return _with_defaults(partner)


def _new_service(given: ServiceGiven) -> Service:
    service = Service(
        id=given.id,
        partner_id=given.partner_id,
        description={},
        source_terms=(),
        languages=(),
        eligibility=(),
        area=(),
        responsibility=Responsibility.FREE,
        contact_points=(),
        capacity=Capacity(),
    )
    return _with_defaults(service)


def _location(partner_id: UUID, value: LocationValue) -> Location:
    return _with_defaults(Location(partner_id=partner_id, **as_stored(msgspec.structs.asdict(value))))


def _read_location(row: Mapping[str, Any]) -> Location:
    """Make a location of a staged row."""
    values = {column.name: row.get(column.name) for column in Location.__table__.columns}
    hours = msgspec.convert(values["hours"], OpeningHours | None)
    return Location(
        **{**values, "id": UUID(row["id"]), "partner_id": UUID(row["partner_id"]), "hours": hours}
    )


def _document(row: dict[str, Any]) -> dict[str, Any]:
    """Return a document's row as jsonb_populate_record reads it."""
    written = {k: "\\x" + v.hex() if isinstance(v, bytes) else v for k, v in row.items()}
    ready: dict[str, Any] = msgspec.to_builtins(written)
    return ready


async def analyze(session: AsyncSession) -> None:
    """Have PostgreSQL look at what was staged, so that it joins it well."""
    await session.execute(text("SELECT import_analyze()"))


async def _insert(session: AsyncSession, rows: list[dict[str, Any]]) -> None:
    # through the connection: the session would sort rows by which of their values are None
    connection = await session.connection()
    await connection.execute(insert(ImportStaging), rows)


async def keep_progress(session: AsyncSession, report: ImportReport, phase: str, position: int) -> None:
    """Keep how far the run has come, with its report, in the transaction that brings it there."""
    await session.execute(
        text("UPDATE import_run SET cursor = :cursor, kept = :kept WHERE id = :run"),
        {"cursor": f"{phase} {position}", "kept": report.packed(), "run": report.run},
    )


class Origin(msgspec.Struct, frozen=True):
    """What the source last said of an entry, and the state it had when an import hid it."""

    digest: bytes
    withdrawn: PublicationState | None


def _state_of(entry: Partner | Service | None, origin: Origin | None) -> PublicationState | None:
    """Return an entry's state; what an import hid counts as not hidden, because its source has it again."""
    if entry is None:
        return None
    if entry.state is PublicationState.HIDDEN and origin is not None and origin.withdrawn is not None:
        return origin.withdrawn
    return entry.state


class Known(msgspec.Struct, frozen=True):
    """An entry here whose id a source uses: the name of its own source where exports use its id, or None."""

    ended: bool
    source: str | None


class Shown(msgspec.Struct):
    """A partner as its services show it, and the version of it that the directory had."""

    partner: Partner
    version: int


class Stage:
    """Where one run's entries are prepared."""

    def __init__(
        self, database: Database, run_id: UUID, source: Source, report: ImportReport, *, publish: bool
    ) -> None:
        self.database = database
        self.run_id = run_id
        self.source = source
        self.report = report
        self.publish = publish
        self.municipality: Municipality
        self.municipality_changed = False
        self.topics: dict[str, Topic] = {}
        self.changed_topics: list[Topic] = []
        self.new_topics: list[Topic] = []
        self.changed_occupations: list[Occupation] = []
        self.origins: list[dict[str, Any]] = []
        self._named = False
        self._undecided: ImportRefused | None = None

    async def prepare(self, ars: str | None) -> None:
        """Find the municipality and the open vocabularies; raises ImportRefused."""
        self.report.topics, self.report.occupations = Outcome(), Outcome()
        async with self.database.view(SYSTEM) as session:
            await self._find_municipality(session, ars)
            await self._prepare_topics(session)
            await self._prepare_occupations(session)
            await self._check_coordination(session)
        if self._undecided is None:
            self.report.municipality = self.municipality.id
            self.report.municipality_key = self.municipality.ars
            self.report.municipality_name = dict(self.municipality.name)

    def _home(self, given: PartnerGiven, current: Partner | None) -> Municipality:
        """Return where a partner stands from now on; raises ImportRefused where nobody can tell.

        An entry of ours that comes back stays where it is, unless somebody names another municipality.
        """
        stays = current is not None and given.ours is True and not self._named
        if current is not None and stays and current.municipality.ars != NOWHERE:
            return current.municipality
        if self._undecided is not None:
            raise self._undecided
        return self.municipality

    async def _check_coordination(self, session: AsyncSession) -> None:
        other = await session.scalar(
            select(Partner.id).where(Partner.municipality_id == self.municipality.id, Partner.coordinates)
        )
        if None not in (other, self.source.coordination) and other != self.source.coordination:
            raise ImportRefused(Refusal.COORDINATION_TAKEN, self.municipality.ars)

    async def _chosen(self, session: AsyncSession) -> str:
        """Return the key of the municipality that a source belongs to when nobody says which.

        That is the one where its entries are already, else the only one here. Where there is none, or when
        the source comes from abroad and there are several, its entries stand without one.
        """
        before = await session.scalars(
            select(Municipality.ars)
            .where(
                Municipality.id.in_(
                    select(Partner.municipality_id)
                    .join(ImportOrigin, ImportOrigin.id == Partner.id)
                    .where(ImportOrigin.kind == "PARTNER", ImportOrigin.source == self.source.name)
                )
            )
            .limit(2)
        )
        if len(there := list(before)) == 1:
            return there[0]
        found = await session.execute(
            select(Municipality.ars, Municipality.name)
            .where(Municipality.ars != NOWHERE)
            .order_by(Municipality.ars)
            .limit(_MOST_NAMED)
        )
        known: list[tuple[str, Mapping[str, str]]] = [(ars, name) for ars, name in found]
        if not known or (len(known) > 1 and self.source.format in _ABROAD):
            return NOWHERE
        if len(known) > 1:
            named = (f"{ars} ({name.get('de') or next(iter(name.values()), '')})" for ars, name in known)
            # entries of ours that come back stay where they are: only new ones need to be told
            self._undecided = ImportRefused(Refusal.MUNICIPALITY_NEEDED, ", ".join(named))
            if not self.source.may_be_ours:
                raise self._undecided
        return known[0][0]

    async def _find_municipality(self, session: AsyncSession, ars: str | None) -> None:
        said = self.source.municipality
        self._named = ars is not None
        if said is None and ars is None:
            ars = await self._chosen(session)
        if said is not None and ars not in (None, said.ars):
            raise ImportRefused(Refusal.MUNICIPALITY_DIFFERS, said.ars)
        key = said.ars if said is not None else ars
        found = await session.scalar(select(Municipality).where(Municipality.ars == key))
        session.expunge_all()
        if said is None:
            if found is None and key != NOWHERE:
                raise ImportRefused(Refusal.MUNICIPALITY_UNKNOWN, key or "")
            self.municipality = found or Municipality(
                id=_NOWHERE_ID, ars=NOWHERE, name=dict(_NOWHERE_NAME), kind_labels={}
            )
            self.municipality_changed = found is None
            return
        id_ = entry_id(source_namespace(self.source.name), "municipality", said.key)
        id_ = found.id if found is not None else id_
        if (
            not await self._says_something_new(session, "MUNICIPALITY", id_, digest(said))
            and found is not None
        ):
            self.municipality = found
            return
        self.municipality = _municipality(id_, said)
        if said.licence is None and found is not None:  # it may have been said here
            self.municipality.licence = found.licence
        self.municipality_changed = found is None or column_values(found) != column_values(self.municipality)

    async def _says_something_new(self, session: AsyncSession, kind: str, id_: UUID, said: bytes) -> bool:
        """Whether the source says something else of an entry than last time; what it says is kept."""
        self.origins.append({"kind": kind, "id": id_, "source": self.source.name, "digest": said})
        return await session.scalar(
            select(ImportOrigin.digest).where(ImportOrigin.kind == kind, ImportOrigin.id == id_)
        ) not in (said,)

    async def _prepare_topics(self, session: AsyncSession) -> None:
        self.topics = {topic.code: topic for topic in await session.scalars(select(Topic))}
        session.expunge_all()
        namespace = source_namespace(self.source.name)
        for said in self.source.topics:
            current = self.topics.get(said.code)
            new_here = await self._says_something_new(
                session, "TOPIC", entry_id(namespace, "topic", said.code), digest(said)
            )
            if current is not None and not new_here:
                self.report.topics.unchanged += 1
                continue
            topic = Topic(
                code=said.code,
                labels=as_stored(said.labels),
                synonyms=as_stored(said.synonyms),
                parent=said.parent,
            )
            if current is None:
                self.report.topics.new += 1
                self.new_topics.append(topic)
            elif column_values(current) == column_values(topic):
                self.report.topics.unchanged += 1
                continue
            else:
                self.report.topics.changed += 1
                self.changed_topics.append(topic)
            self.topics[said.code] = topic

    async def _prepare_occupations(self, session: AsyncSession) -> None:
        current = {found.esco: found for found in await session.scalars(select(Occupation))}
        session.expunge_all()
        namespace = source_namespace(self.source.name)
        for said in self.source.occupations:
            new_here = await self._says_something_new(
                session, "OCCUPATION", entry_id(namespace, "occupation", said.esco), digest(said)
            )
            occupation = Occupation(esco=said.esco, labels=as_stored(said.labels), regulated=said.regulated)
            found = current.get(said.esco)
            if found is None:
                self.report.occupations.new += 1
            elif not new_here or column_values(found) == column_values(occupation):
                self.report.occupations.unchanged += 1
                continue
            else:
                self.report.occupations.changed += 1
            self.changed_occupations.append(occupation)

    async def _origins(self, session: AsyncSession, kind: str, ids: Sequence[UUID]) -> dict[UUID, Origin]:
        found = await session.execute(
            select(ImportOrigin.id, ImportOrigin.digest, ImportOrigin.withdrawn).where(
                ImportOrigin.kind == kind, ImportOrigin.source == self.source.name, ImportOrigin.id.in_(ids)
            )
        )
        return {
            row.id: Origin(row.digest, PublicationState(row.withdrawn) if row.withdrawn else None)
            for row in found
        }

    async def _known(
        self, session: AsyncSession, kind: DocumentKind, given: Sequence[PartnerGiven | ServiceGiven]
    ) -> dict[UUID, Known]:
        """Return which of these, that the directory does not have from this source, it has from elsewhere.

        Exports give entries of our own under their ids, and what came from HSDS under its source's: a UUID
        names one thing. Such an entry is neither doubled nor taken over from who keeps it.
        """
        keys = {str(key): one.id for one in given if (key := as_uuid(one.foreign_id)) is not None}
        if not keys:
            return {}
        found = await session.execute(
            text(
                "SELECT CAST(t.id AS text) AS key, t.ended_at IS NOT NULL AS ended, NULL AS source"  # noqa: S608
                f" FROM {kind.value.lower()} t WHERE t.id = ANY(CAST(:ids AS uuid[])) UNION ALL"
                " SELECT lower(c.exported_as), t.ended_at IS NOT NULL, t.provenance->>'source'"
                f" FROM change c JOIN {kind.value.lower()} t ON t.id = c.id WHERE c.kind = :kind"
                " AND c.exported_as = ANY(CAST(:said AS text[])) AND t.provenance->>'source' <> :source"
            ),
            {
                "ids": list(keys),
                "said": [one.foreign_id for one in given if as_uuid(one.foreign_id) is not None],
                "kind": kind.value,
                "source": self.source.name,
            },
        )
        return {keys[row.key]: Known(row.ended, row.source) for row in found}

    def _left(self, outcome: Outcome, known: Known) -> None:
        """Count an entry that stays as it is."""
        if known.ended:
            outcome.ended += 1
            return
        outcome.here += 1
        names = self.report.here_from
        if known.source is not None and known.source not in names and len(names) < NAMED:
            names.append(known.source)

    async def loose(self, chunk: Sequence[Loose], position: int) -> None:
        """Stage what belongs to no entry, and which entries are gone."""
        async with self.database.work(SYSTEM) as work:
            rows = [
                self._row(f"{one.kind}{GONE}", one.id, digest(one.kind, one.since), 0)
                if isinstance(one, GoneGiven)
                else self._row(one.table, one.id, digest(one.original), 0, original=one.original)
                for one in chunk
            ]
            if rows:
                connection = await work.session.connection()
                # a source may say twice that something is gone
                await connection.execute(upsert(ImportStaging).on_conflict_do_nothing(), rows)
            await keep_progress(work.session, self.report, "LOOSE", position)

    async def partners(self, chunk: Sequence[PartnerGiven], position: int) -> None:
        """Prepare partners with their places; raises ImportRefused."""
        ids = [given.id for given in chunk]
        async with self.database.work(SYSTEM) as work:
            found = await work.session.scalars(
                select(Partner)
                .where(Partner.id.in_(ids))
                .options(joinedload(Partner.municipality), selectinload(Partner.locations))
            )
            current = {partner.id: partner for partner in found}
            work.session.expunge_all()
            origins = await self._origins(work.session, "PARTNER", ids)
            places = [place.id for partner in current.values() for place in partner.locations]
            ours = await self._origins(work.session, "LOCATION", places)
            strangers = [one for one in chunk if one.id not in current]
            known = await self._known(work.session, DocumentKind.PARTNER, strangers)
            rows: list[dict[str, Any]] = []
            for given in chunk:
                if given.id in known:
                    self._left(self.report.partners, known[given.id])
                    rows.append(self._row(HERE, given.id, b"", 0))
                    continue
                rows += self._partner(given, current.get(given.id), origins.get(given.id), ours)
            if rows:
                await _insert(work.session, rows)
            await keep_progress(work.session, self.report, "PARTNERS", position)

    def _row(self, kind: str, id_: UUID, said: bytes, base_version: int, **more: Any) -> dict[str, Any]:
        return {
            "run_id": self.run_id, "kind": kind, "id": id_, "digest": said, "base_version": base_version,
            "partner_id": None, "partner_version": 0, "shown_elsewhere": False,
            "row": None, "document": None, "links": None, "original": None, **more,
        }  # fmt: skip

    def _date_texts(self, entry: Partner | Service, before: Mapping[str, Mapping[str, str]]) -> None:
        """Date the texts that differ from before; the rest keeps its dates."""
        dates = dated(before, texts_of(entry), entry.text_dates, entry.source_language, self.database.clock())
        entry.text_dates = as_stored(dates)

    def _provenance(self, foreign_id: str) -> Provenance:
        return Provenance(source=self.source.name, foreign_id=foreign_id, licence=self.source.licence)

    def _partner(
        self, given: PartnerGiven, current: Partner | None, last: Origin | None, ours: Mapping[UUID, Origin]
    ) -> list[dict[str, Any]]:
        said = digest(given, self.source.licence)
        home = self._home(given, current)
        moves = current is not None and current.municipality_id != home.id
        if current is not None and moves and current.municipality.ars != NOWHERE:
            raise ImportRefused(Refusal.MUNICIPALITY_DIFFERS, self.municipality.ars)
        if current is not None and current.ended_at:
            self.report.partners.ended += 1
            return [self._row("PARTNER", given.id, said, current.version)]
        state = next_state(_state_of(current, last), given.state, self.publish)
        same = current is not None and last is not None and last.digest == said and not moves
        if current is not None and same and state is current.state:
            self.report.partners.unchanged += 1
            # its places are still there too
            return [
                self._row("PARTNER", given.id, said, current.version),
                *(self._row("LOCATION", place.id, said, 1) for place in given.locations),
            ]
        original = None if given.original is UNSET else given.original
        before = (column_values(current), partner_row(current), _summary(current)) if current else None
        old_places = {place.id: column_values(place) for place in current.locations} if current else {}
        partner = current or _new_partner(given.id, home)
        texts = texts_of(partner) if current else {}
        for name, value in given.values.items():
            setattr(partner, name, as_stored(value))
        self._date_texts(partner, texts)
        partner.state = state
        partner.municipality, partner.municipality_id = home, home.id
        if given.ours is not True:
            partner.provenance = self._provenance(given.foreign_id)
        places = [_location(given.id, value) for value in given.locations]
        given_ids = {place.id for place in places}
        gone = [id_ for id_ in old_places if id_ in ours and id_ not in given_ids]
        partner.locations = sorted(
            [*places, *(place for place in partner.locations if place.id not in {*given_ids, *gone})],
            key=lambda place: (place.name, place.id),
        )
        base = current.version if current else 0
        family = {"partner_id": given.id, "partner_version": base}
        # a place is written before its partner's documents, so it is staged beside it, not inside
        rows = [
            self._row(
                "LOCATION",
                place.id,
                said,
                1 if place.id in old_places else 0,
                row=row if old_places.get(place.id) != row else None,
                **family,
            )
            for place in places
            for row in (column_values(place),)
        ]
        if before is not None and (column_values(partner), partner_row(partner)) == before[:2]:
            self.report.partners.unchanged += 1
            return [*rows, self._row("PARTNER", given.id, said, base, original=original, **family)]
        partner.version, partner.said_at, partner.updated_at = base + 1, PLACEHOLDER, PLACEHOLDER
        changes_others = before is not None and before[2] != _summary(partner)
        staged = self._row(
            "PARTNER",
            given.id,
            said,
            base,
            shown_elsewhere=changes_others,
            row=column_values(partner),
            document=_document(partner_row(partner)),
            links={"gone": [str(id_) for id_ in gone]},
            original=original,
            **family,
        )
        return [*rows, staged]

    async def services(self, chunk: Sequence[ServiceGiven], position: int) -> None:
        """Prepare services; their partners are staged or in the directory already."""
        ids = [given.id for given in chunk]
        async with self.database.work(SYSTEM) as work:
            found = await work.session.scalars(
                select(Service)
                .where(Service.id.in_(ids))
                .options(
                    joinedload(Service.partner).joinedload(Partner.municipality),
                    selectinload(Service.topics),
                    selectinload(Service.locations),
                )
            )
            current = {service.id: service for service in found}
            work.session.expunge_all()
            origins = await self._origins(work.session, "SERVICE", ids)
            strangers = [one for one in chunk if one.id not in current]
            known = await self._known(work.session, DocumentKind.SERVICE, strangers)
            left = await self._left_partners(work.session, {one.partner_id for one in chunk})
            known = {one.id: Known(False, None) for one in chunk if one.partner_id in left} | known
            for id_ in known:
                self._left(self.report.services, known[id_])
            # of those that the directory has from this source: they are still in it
            rows = [
                self._row("SERVICE", one.id, digest(one, self.source.licence), current[one.id].version)
                for one in chunk
                if one.id in known and one.id in current
            ]
            chunk = [given for given in chunk if given.id not in known]
            survivors = await survivors_of(work.session, {given.partner_id for given in chunk})
            for given in chunk:
                given.partner_id = survivors.get(given.partner_id, given.partner_id)
            shown = await self._shown(work.session, {given.partner_id for given in chunk})
            places = await self._places(work.session, {place for given in chunk for place in given.locations})
            for given in chunk:
                rows += self._service(
                    given, current.get(given.id), origins.get(given.id), shown[given.partner_id], places
                )
            if rows:
                await _insert(work.session, rows)
            await keep_progress(work.session, self.report, "SERVICES", position)

    async def _left_partners(self, session: AsyncSession, ids: set[UUID]) -> set[UUID]:
        """Return which partners of the source are here already and were left as they are."""
        found = await session.scalars(
            select(ImportStaging.id).where(
                ImportStaging.run_id == self.run_id,
                ImportStaging.kind == HERE,
                ImportStaging.id.in_(ids),
            )
        )
        return set(found)

    async def _staged(self, session: AsyncSession, kind: str, ids: set[UUID]) -> list[Any]:
        found = await session.execute(
            select(ImportStaging.row, ImportStaging.base_version).where(
                ImportStaging.run_id == self.run_id,
                ImportStaging.kind == kind,
                ImportStaging.id.in_(ids),
                ImportStaging.row.is_not(None),
            )
        )
        return list(found)

    async def _shown(self, session: AsyncSession, ids: set[UUID]) -> dict[UUID, Shown]:
        shown: dict[UUID, Shown] = {}
        for row, base_version in await self._staged(session, "PARTNER", ids):
            partner = Partner(
                id=UUID(row["id"]),
                municipality_id=UUID(row["municipality_id"]),
                name=row["name"],
                kind=PartnerKind(row["kind"]),
                website=row.get("website"),
                state=PublicationState(row["state"]),
            )
            shown[partner.id] = Shown(partner, base_version)
        rest = await session.scalars(select(Partner).where(Partner.id.in_(ids - shown.keys())))
        unstaged = list(rest)
        homes = {one.partner.municipality_id for one in shown.values()}
        homes |= {partner.municipality_id for partner in unstaged}
        others = await session.scalars(
            select(Municipality).where(Municipality.id.in_(homes - {self.municipality.id}))
        )
        towns = {town.id: town for town in others} | {self.municipality.id: self.municipality}
        session.expunge_all()
        for partner in unstaged:
            shown[partner.id] = Shown(partner, partner.version)
        for one in shown.values():
            one.partner.municipality = towns[one.partner.municipality_id]
        return shown

    async def _places(self, session: AsyncSession, ids: set[UUID]) -> dict[UUID, Location]:
        staged = [_read_location(row) for row, _ in await self._staged(session, "LOCATION", ids)]
        places = {place.id: place for place in staged}
        for place in await session.scalars(select(Location).where(Location.id.in_(ids - places.keys()))):
            places[place.id] = place
        session.expunge_all()
        return places

    def _service(
        self,
        given: ServiceGiven,
        current: Service | None,
        last: Origin | None,
        shown: Shown,
        places: Mapping[UUID, Location],
    ) -> list[dict[str, Any]]:
        said = digest(given, self.source.licence)
        if (current is not None and current.ended_at) or shown.partner.ended_at:
            self.report.services.ended += 1
            return [self._row("SERVICE", given.id, said, current.version if current else 0)]
        state = next_state(_state_of(current, last), given.state, self.publish)
        if current is not None and last is not None and last.digest == said and state is current.state:
            self.report.services.unchanged += 1
            return [self._row("SERVICE", given.id, said, current.version)]
        original = None if given.original is UNSET else given.original
        before = (
            (column_values(current), service_row(current, current.partner, current.topics, current.locations))
            if current
            else None
        )
        topics = (
            [self.topics[code] for code in given.topics if code in self.topics]
            if given.topics is not None
            else (list(current.topics) if current else [])
        )
        locations = [places[id_] for id_ in given.locations if id_ in places]
        service = current or _new_service(given)
        texts = texts_of(service) if current else {}
        for name, value in given.values.items():
            if name == "capacity":
                before_it = service.capacity if current else None
                today = local_day(self.database.clock())
                value = next_capacity(before_it, value, today, corrected=given.ours is True)
            setattr(service, name, as_stored(value))
        self._date_texts(service, texts)
        service.partner_id = given.partner_id
        service.state = state
        if given.ours is not True:
            service.provenance = self._provenance(given.foreign_id)
        base = current.version if current else 0
        family = {"partner_id": given.partner_id, "partner_version": shown.version}
        if before is not None:
            after = (column_values(service), service_row(service, shown.partner, topics, locations))
            if after == before:
                self.report.services.unchanged += 1
                return [self._row("SERVICE", given.id, said, base, original=original, **family)]
        service.version, service.said_at, service.updated_at = base + 1, PLACEHOLDER, PLACEHOLDER
        return [
            self._row(
                "SERVICE",
                given.id,
                said,
                base,
                row=column_values(service),
                document=_document(service_row(service, shown.partner, topics, locations)),
                links={
                    "topics": [topic.code for topic in topics],
                    "locations": [str(place.id) for place in locations],
                },
                original=original,
                **family,
            )
        ]


def _municipality(id_: UUID, said: MunicipalityEntry) -> Municipality:
    labels = {kind.value: dict(texts) for kind, texts in said.kind_labels.items()}
    return Municipality(
        id=id_,
        ars=said.ars,
        name=as_stored(said.name),
        kind_labels=as_stored(labels),
        licence=said.licence,
    )


def _summary(partner: Partner) -> tuple[object, ...]:
    """Return what a partner's services show of it."""
    municipality = partner.municipality
    return (partner.name, partner.kind, partner.website, partner.state, municipality.name, municipality.ars)
