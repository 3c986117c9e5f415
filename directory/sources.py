"""The read path: from checked arguments and an actor to a page of stored documents (DESIGN 3.4).

Filters, rights and limits are inside; one page is one SQL statement; no ORM objects. What is published is
read through the pool of the reader role, whose row-level security shows nothing else. Drafts and hidden
entries are read through the app role, only for who works on them, with the policy's rule in SQL.

Later a prepared way can take the stored texts undecoded: everything up to ``_decoded`` is common to both.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from directory.actors import Actor, Role
from directory.building import title_of
from directory.courses import CourseFilter, check_course_filter
from directory.database import Database, Unavailable, reaching_the_database
from directory.documents import (
    InternalDocument,
    PartnerDocument,
    ServiceDocument,
    partner_decoder,
    service_decoder,
)
from directory.paging import check_size
from directory.problems import InvalidInput
from directory.sortkey import folded, prefix_range, sort_key
from directory.values import TerritoryKey, Titles, Value
from directory.vocabulary import CourseFormat, PartnerKind, PublicationState, ServiceKind

PAGE: Final = 50
LARGEST_PAGE: Final = 100
MOST_KEYS: Final = 200
"""How many ids one statement looks up at most."""
MOST_TERMS: Final = 5_000
"""How many topics, municipalities or occupations a list has at most."""

T = TypeVar("T")
Row = Any  # asyncpg.Record, whose stubs know no column names

_internal: Final = msgspec.json.Decoder(InternalDocument)
_PUBLISHED: Final = (PublicationState.PUBLISHED,)


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A page of a list: nodes in order, the cursor of each, and whether more follow.

    ``total`` counts the whole list, and is None unless asked for.
    """

    nodes: tuple[T, ...] = ()
    cursors: tuple[str, ...] = ()
    has_next: bool = False
    total: int | None = None


class PartnerFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which partners; None is "any", an empty ``states`` means published ones."""

    kinds: Sequence[PartnerKind] | None = None
    municipality_id: UUID | None = None
    name_prefix: str | None = None
    states: Sequence[PublicationState] = _PUBLISHED


class ServiceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which services; ``topics``: about at least one of them; ``course``: courses not known to differ."""

    kinds: Sequence[ServiceKind] | None = None
    topics: Sequence[str] | None = None
    partner_id: UUID | None = None
    municipality_id: UUID | None = None
    course: CourseFilter | None = None
    states: Sequence[PublicationState] = _PUBLISHED


class MunicipalityTerm(Value, frozen=True, kw_only=True):
    """A municipality that runs the project, with how it calls the kinds of partners, and its licence."""

    id: UUID
    ars: TerritoryKey
    name: Titles
    kind_labels: dict[PartnerKind, Titles] = {}
    licence: str | None = None


class TopicEntry(Value, frozen=True, kw_only=True):
    """A topic of the open vocabulary with its labels, synonyms and the topic above it."""

    code: str
    labels: Titles
    synonyms: dict[str, tuple[str, ...]] = {}
    parent: str | None = None


class OccupationTerm(Value, frozen=True, kw_only=True):
    """An occupation by ESCO URI; ``regulated`` by German law or not."""

    esco: str
    labels: Titles
    regulated: bool


class _Arguments(list[object]):
    """The arguments of a statement; adding one answers with its placeholder."""

    def add(self, value: object) -> str:
        self.append(value)
        return f"${len(self)}"


Add: TypeAlias = Callable[[object], str]
"""Adds an argument to a statement; answers with its placeholder."""


def encode_cursor(key: bytes, id_: UUID) -> str:
    """Return the opaque cursor of a position in a list ordered by sort key and id."""
    return base64.urlsafe_b64encode(id_.bytes + key).decode().rstrip("=")


def decode_cursor(cursor: str, field: str = "after") -> tuple[bytes, UUID]:
    """Return sort key and id of a cursor; raises InvalidInput(reason "cursor") for anything else."""
    try:
        if len(cursor) > 2_000:
            raise ValueError
        given = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key, id_ = given[16:], UUID(bytes=given[:16])
        if encode_cursor(key, id_) != cursor:
            raise ValueError
    except (binascii.Error, ValueError):
        raise InvalidInput(field, "cursor") from None
    return key, id_


def _first(first: int) -> int:
    check_size(first, LARGEST_PAGE)
    return first


def _bounded(given: Sequence[T], field: str, maximum: int = MOST_KEYS) -> list[T]:
    if len(given) > maximum:
        raise InvalidInput(field, "too-many", maximum=str(maximum))
    return list(given)


def _keys(ids: Iterable[UUID]) -> list[str]:
    """Return ids for a ``text[]`` argument: ``uuid[]`` costs each connection two more questions."""
    return [str(id_) for id_ in ids]


def _own(actor: Actor, arguments: _Arguments, partner_column: str) -> str | None:
    """Return the condition for what the actor works on (``policy.works_on_entry``), or None for nothing."""
    if actor.role is Role.SYSTEM:
        return "true"
    if actor.coordinates and actor.municipality_id is not None:
        # their own organisation stands in their municipality
        return f"d.municipality_id = {arguments.add(actor.municipality_id)}"
    if actor.role is Role.PARTNER_MEMBER and actor.partner_id is not None:
        return f"d.{partner_column} = {arguments.add(actor.partner_id)}"
    return None


class _Visible:
    """Which rows an actor may see among the states asked for, and through which role they are read."""

    def __init__(
        self,
        actor: Actor,
        arguments: _Arguments,
        states: Sequence[PublicationState],
        partner_column: str,
    ) -> None:
        wanted = {state.value for state in states} or {PublicationState.PUBLISHED.value}
        own = None if wanted == {PublicationState.PUBLISHED.value} else _own(actor, arguments, partner_column)
        self.as_reader = own is None
        self.nothing = own is None and PublicationState.PUBLISHED.value not in wanted
        if own is None:
            self.condition = "d.state = 'PUBLISHED'"
        else:
            states_given = arguments.add(sorted(wanted))
            self.condition = f"d.state = ANY({states_given}::text[]) AND (d.state = 'PUBLISHED' OR {own})"


async def _fetch(
    database: Database, actor: Actor, sql: str, arguments: Sequence[object], *, as_reader: bool
) -> list[Row]:
    if as_reader:
        async with reaching_the_database():
            rows: list[Row] = await database.reader.fetch(sql, *arguments)
            return rows
    async with database.view(actor) as session:
        connection = await (await session.connection()).get_raw_connection()
        driver = connection.driver_connection
        if driver is None:
            raise Unavailable("no connection")
        fetched: list[Row] = await driver.fetch(sql, *arguments)
        return fetched


def _decoded(decoder: msgspec.json.Decoder[T], rows: Sequence[Row], first: int, total: int | None) -> Page[T]:
    """Return the page of rows (one more than ``first`` when more follow)."""
    shown = rows[:first]
    return Page(
        nodes=tuple(decoder.decode(row["public"]) for row in shown),
        cursors=tuple(encode_cursor(row["sort_key"], row["id"]) for row in shown),
        has_next=len(rows) > first,
        total=total,
    )


async def _page(
    database: Database,
    actor: Actor,
    table: str,
    decoder: msgspec.json.Decoder[T],
    conditions: list[str],
    arguments: _Arguments,
    visible: _Visible,
    first: int,
    after: str | None,
    total: bool,
) -> Page[T]:
    if visible.nothing:
        return Page(total=0 if total else None)
    where = " AND ".join([visible.condition, *conditions])
    beyond = ""
    if after is not None:
        key, id_ = decode_cursor(after)
        beyond = f" AND (d.sort_key, d.id) > ({arguments.add(key)}, {arguments.add(id_)})"
    # every part of the text is ours; what callers give is an argument
    page = (
        f"SELECT d.id, d.sort_key, d.public FROM {table} d WHERE {where}{beyond}"  # noqa: S608
        f" ORDER BY d.sort_key, d.id LIMIT {arguments.add(first + 1)}"
    )
    if not total:
        rows = await _fetch(database, actor, page, arguments, as_reader=visible.as_reader)
        return _decoded(decoder, rows, first, None)
    rows = await _fetch(
        database,
        actor,
        f"SELECT t.total, p.* FROM (SELECT count(*) AS total FROM {table} d WHERE {where}) t"  # noqa: S608
        f" LEFT JOIN ({page}) p ON true ORDER BY p.sort_key, p.id",
        arguments,
        as_reader=visible.as_reader,
    )
    count: int = rows[0]["total"]
    return _decoded(decoder, [row for row in rows if row["id"] is not None], first, count)


async def visible_rows(
    database: Database,
    actor: Actor,
    table: str,
    partner_column: str,
    where: Callable[[Add], str],
    order: Callable[[Add], str],
    most: int,
) -> list[Row]:
    """Return documents (id, public) in any state among those that the actor may see; one statement.

    ``where`` and ``order`` are SQL of our own over the row ``d``; they add arguments and get placeholders.
    """
    arguments = _Arguments()
    visible = _Visible(actor, arguments, tuple(PublicationState), partner_column)
    return await _fetch(
        database,
        actor,
        f"SELECT d.id, d.public FROM {table} d WHERE {visible.condition} AND {where(arguments.add)}"  # noqa: S608
        f" ORDER BY {order(arguments.add)} LIMIT {most:d}",
        arguments,
        as_reader=visible.as_reader,
    )


async def partners(
    database: Database,
    actor: Actor,
    given: PartnerFilter | None = None,
    *,
    first: int = PAGE,
    after: str | None = None,
    total: bool = False,
) -> Page[PartnerDocument]:
    """Return a page of partners in the order of their names; one statement.

    ``name_prefix`` ignores case, accents and punctuation. Raises InvalidInput on ``first``, ``after``,
    ``namePrefix``, ``kinds``.
    """
    given = given or PartnerFilter()
    arguments = _Arguments()
    visible = _Visible(actor, arguments, given.states, "id")
    conditions = []
    if given.kinds is not None:
        kinds = [kind.value for kind in _bounded(given.kinds, "kinds")]
        conditions.append(f"d.kind = ANY({arguments.add(kinds)}::text[])")
    if given.municipality_id is not None:
        conditions.append(f"d.municipality_id = {arguments.add(given.municipality_id)}")
    if given.name_prefix is not None:
        if len(given.name_prefix) > 300:
            raise InvalidInput("namePrefix", "too-long", maximum="300")
        if not folded(given.name_prefix):
            raise InvalidInput("namePrefix", "empty")
        low, high = prefix_range(given.name_prefix)
        conditions.append(f"d.sort_key >= {arguments.add(low)} AND d.sort_key < {arguments.add(high)}")
    return await _page(
        database,
        actor,
        "partner_document",
        partner_decoder,
        conditions,
        arguments,
        visible,
        _first(first),
        after,
        total,
    )


def _service_conditions(given: ServiceFilter, arguments: _Arguments) -> list[str]:
    conditions = []
    if given.kinds is not None:
        kinds = [kind.value for kind in _bounded(given.kinds, "kinds")]
        conditions.append(f"d.kind = ANY({arguments.add(kinds)}::text[])")
    if given.topics is not None:
        topics = _bounded(given.topics, "topics")
        conditions.append(f"d.topics && {arguments.add(topics)}::text[]")
    if given.partner_id is not None:
        conditions.append(f"d.partner_id = {arguments.add(given.partner_id)}")
    if given.municipality_id is not None:
        conditions.append(f"d.municipality_id = {arguments.add(given.municipality_id)}")
    if given.course is not None:
        conditions += _course_conditions(given.course, arguments)
    return conditions


def _course_conditions(given: CourseFilter, arguments: _Arguments) -> list[str]:
    """Return what a course must not be known to differ in: what is not known passes, as in searches."""
    check_course_filter(given, "course")
    conditions = ["d.course IS NOT NULL"]

    def unknown_or(name: str, condition: str) -> None:
        conditions.append(f"(d.course->>'{name}' IS NULL OR {condition})")

    if given.level_from is not None:
        level = arguments.add(given.level_from.value)
        unknown_or("level_from", f"d.course->>'level_from' <= {level}::text COLLATE \"C\"")
    if given.level_to is not None:
        level = arguments.add(given.level_to.value)
        unknown_or("level_to", f"d.course->>'level_to' >= {level}::text COLLATE \"C\"")
    if given.childcare is not None:
        unknown_or("childcare", f"(d.course->>'childcare')::boolean = {arguments.add(given.childcare)}")
    if given.women_only is not None:
        unknown_or("women_only", f"(d.course->>'women_only')::boolean = {arguments.add(given.women_only)}")
    if given.format is not None:
        formats = arguments.add(sorted({given.format.value, CourseFormat.HYBRID.value}))
        unknown_or("format", f"d.course->>'format' = ANY({formats}::text[])")
    if given.access:
        ways = arguments.add([way.value for way in given.access])
        unknown_or("access", f"d.course->'access' ?| {ways}::text[]")
    if given.exam is not None:
        part = arguments.add(given.exam.strip())
        unknown_or("exam", f"strpos(lower(d.course->>'exam'), lower({part}::text)) > 0")
    if given.cost_at_most is not None:
        unknown_or("cost_cents", f"(d.course->>'cost_cents')::bigint <= {arguments.add(given.cost_at_most)}")
    run = _run_conditions(given, arguments)
    if run:
        conditions.append(
            "((d.course->>'repeats')::boolean IS TRUE OR d.course->'runs' IS NULL"
            f" OR EXISTS (SELECT FROM jsonb_array_elements(d.course->'runs') r WHERE {' AND '.join(run)}))"
        )
    return conditions


def _run_conditions(given: CourseFilter, arguments: _Arguments) -> list[str]:
    """Return what one run has to meet in all."""
    begins = "coalesce(r->>'starts_on', r->>'ends_on')::date"
    conditions = [
        f"({begins} IS NULL OR {begins} >= {arguments.add(day)}::date)"
        for day in (given.starts_after, given.bookable_on)
        if day is not None
    ]
    if given.ends_before is not None:
        until = arguments.add(given.ends_before)
        conditions.append(f"(r->>'ends_on' IS NULL OR (r->>'ends_on')::date <= {until}::date)")
    if given.bookable_on is not None:
        apply = arguments.add(given.bookable_on)
        conditions.append(f"(r->>'apply_by' IS NULL OR (r->>'apply_by')::date >= {apply}::date)")
        conditions.append("(r->>'full')::boolean IS NOT TRUE AND coalesce(r->>'places', '') <> '0'")
    return conditions


async def services(
    database: Database,
    actor: Actor,
    given: ServiceFilter | None = None,
    *,
    first: int = PAGE,
    after: str | None = None,
    total: bool = False,
) -> Page[ServiceDocument]:
    """Return a page of services in the order of their titles; one statement.

    Raises InvalidInput on ``first``, ``after``, ``kinds``, ``topics``, ``course``.
    """
    given = given or ServiceFilter()
    arguments = _Arguments()
    visible = _Visible(actor, arguments, given.states, "partner_id")
    return await _page(
        database,
        actor,
        "service_document",
        service_decoder,
        _service_conditions(given, arguments),
        arguments,
        visible,
        _first(first),
        after,
        total,
    )


async def services_by_partner(
    database: Database,
    actor: Actor,
    partner_ids: Sequence[UUID],
    given: ServiceFilter | None = None,
    *,
    first: int = PAGE,
    after: str | None = None,
    total: bool = False,
) -> list[Page[ServiceDocument]]:
    """Return for each partner a page of its services, in the order of the ids; one statement for all."""
    given = given or ServiceFilter()
    arguments = _Arguments()
    visible = _Visible(actor, arguments, given.states, "partner_id")
    ids = _bounded(partner_ids, "partnerIds")
    first = _first(first)
    if visible.nothing or not ids:
        return [Page(total=0 if total else None) for _ in ids]
    where = " AND ".join(["d.partner_id = p.id", visible.condition, *_service_conditions(given, arguments)])
    beyond = ""
    if after is not None:
        key, id_ = decode_cursor(after)
        beyond = f" AND (d.sort_key, d.id) > ({arguments.add(key)}, {arguments.add(id_)})"
    count = (
        f"(SELECT count(*) FROM service_document d WHERE {where})" if total else "NULL::bigint"  # noqa: S608
    )
    # every part of the text is ours; what callers give is an argument
    rows = await _fetch(
        database,
        actor,
        f"SELECT p.n, {count} AS total, s.id, s.sort_key, s.public"  # noqa: S608
        f" FROM unnest({arguments.add(_keys(ids))}::text[]::uuid[]) WITH ORDINALITY AS p(id, n)"
        f" LEFT JOIN LATERAL (SELECT d.id, d.sort_key, d.public FROM service_document d"
        f"  WHERE {where}{beyond} ORDER BY d.sort_key, d.id LIMIT {arguments.add(first + 1)}) s ON true"
        f" ORDER BY p.n, s.sort_key, s.id",
        arguments,
        as_reader=visible.as_reader,
    )
    found: list[list[Row]] = [[] for _ in ids]
    totals: list[int | None] = [None for _ in ids]
    for row in rows:
        position = row["n"] - 1
        totals[position] = row["total"]
        if row["id"] is not None:
            found[position].append(row)
    return [
        _decoded(service_decoder, mine, first, count_of) for mine, count_of in zip(found, totals, strict=True)
    ]


async def _by_id(
    database: Database,
    actor: Actor,
    table: str,
    partner_column: str,
    decoder: msgspec.json.Decoder[T],
    ids: Sequence[UUID],
) -> list[T | None]:
    """Look among the published first; only what is missing there is looked for among the actor's own.

    The id of an entry that was merged into another one is answered with that one, whose id is in it.
    """
    wanted = _bounded(ids, "ids")
    found: dict[UUID, T] = {}

    async def look(condition: str, arguments: Sequence[object], *, as_reader: bool) -> None:
        rows = await _fetch(
            database,
            actor,
            "SELECT asked.id, d.public FROM unnest($1::text[]::uuid[]) AS asked(id)"  # noqa: S608
            " LEFT JOIN entry_alias a ON a.id = asked.id"
            f" JOIN {table} d ON d.id = coalesce(a.survivor_id, asked.id) WHERE {condition}",
            arguments,
            as_reader=as_reader,
        )
        found.update((row["id"], decoder.decode(row["public"])) for row in rows)

    if wanted:
        await look("d.state = 'PUBLISHED'", [_keys(set(wanted))], as_reader=True)
        missing = _Arguments([_keys(set(wanted) - found.keys())])
        own = _own(actor, missing, partner_column)
        if own is not None and missing[0]:
            await look(own, missing, as_reader=False)
    return [found.get(id_) for id_ in wanted]


async def partners_by_id(
    database: Database, actor: Actor, ids: Sequence[UUID]
) -> list[PartnerDocument | None]:
    """Return the partners of these ids in this order; None for what is unknown or not the actor's to see."""
    return await _by_id(database, actor, "partner_document", "id", partner_decoder, ids)


async def services_by_id(
    database: Database, actor: Actor, ids: Sequence[UUID]
) -> list[ServiceDocument | None]:
    """Return the services of these ids in this order; None for what is unknown or not the actor's to see."""
    return await _by_id(database, actor, "service_document", "partner_id", service_decoder, ids)


async def partner(database: Database, actor: Actor, id_: UUID) -> PartnerDocument | None:
    """Return one partner, or None when it is unknown or not the actor's to see."""
    return (await partners_by_id(database, actor, [id_]))[0]


async def service(database: Database, actor: Actor, id_: UUID) -> ServiceDocument | None:
    """Return one service, or None when it is unknown or not the actor's to see."""
    return (await services_by_id(database, actor, [id_]))[0]


async def _notes(
    database: Database, actor: Actor, table: str, partner_column: str, ids: Sequence[UUID]
) -> list[str | None]:
    wanted = _bounded(ids, "ids")
    arguments = _Arguments([_keys(wanted)])
    own = _own(actor, arguments, partner_column)
    if own is None or not wanted:
        return [None for _ in wanted]
    rows = await _fetch(
        database,
        actor,
        f"SELECT d.id, d.internal FROM {table} d WHERE d.id = ANY($1::text[]::uuid[]) AND {own}",  # noqa: S608
        arguments,
        as_reader=False,
    )
    notes = {row["id"]: _internal.decode(row["internal"]).note for row in rows}
    return [notes.get(id_) for id_ in wanted]


async def partner_notes(database: Database, actor: Actor, ids: Sequence[UUID]) -> list[str | None]:
    """Return the internal notes of partners, in this order; None where there is none for this actor."""
    return await _notes(database, actor, "partner_document", "id", ids)


async def service_notes(database: Database, actor: Actor, ids: Sequence[UUID]) -> list[str | None]:
    """Return the internal notes of services, in this order; None where there is none for this actor."""
    return await _notes(database, actor, "service_document", "partner_id", ids)


async def _terms(database: Database, sql: str) -> list[asyncpg.Record]:
    async with reaching_the_database():
        rows: list[asyncpg.Record] = await database.reader.fetch(sql, MOST_TERMS)
        return rows


async def topics(database: Database) -> list[TopicEntry]:
    """Return the topics in the order of their German labels."""
    rows = await _terms(database, "SELECT code, labels, synonyms, parent FROM topic ORDER BY code LIMIT $1")
    found = [
        TopicEntry(
            code=row["code"],
            labels=msgspec.json.decode(row["labels"], type=Titles),
            synonyms=msgspec.json.decode(row["synonyms"], type=dict[str, tuple[str, ...]]),
            parent=row["parent"],
        )
        for row in rows
    ]
    # one that nobody has named yet is shown with its code
    return sorted(
        found, key=lambda term: (sort_key(title_of(term.labels) if term.labels else term.code), term.code)
    )


_MUNICIPALITY: Final = "SELECT id, ars, name, kind_labels, licence FROM municipality"


def _municipality(row: asyncpg.Record) -> MunicipalityTerm:
    return MunicipalityTerm(
        id=row["id"],
        ars=row["ars"],
        name=msgspec.json.decode(row["name"], type=Titles),
        kind_labels=msgspec.json.decode(row["kind_labels"], type=dict[PartnerKind, Titles]),
        licence=row["licence"],
    )


async def municipalities(database: Database) -> list[MunicipalityTerm]:
    """Return the municipalities that run the project, in the order of their German names."""
    found = map(_municipality, await _terms(database, f"{_MUNICIPALITY} ORDER BY ars LIMIT $1"))
    return sorted(found, key=lambda term: (sort_key(title_of(term.name)), term.ars))


async def municipalities_by_id(database: Database, ids: Sequence[UUID]) -> list[MunicipalityTerm | None]:
    """Return these municipalities, in this order; None where there is none with this id."""
    wanted = _bounded(ids, "ids")
    async with reaching_the_database():
        rows = await database.reader.fetch(
            f"{_MUNICIPALITY} WHERE id = ANY($1::text[]::uuid[])", _keys(wanted)
        )
    found = {row["id"]: _municipality(row) for row in rows}
    return [found.get(id_) for id_ in wanted]


async def occupations(database: Database) -> list[OccupationTerm]:
    """Return the occupations in the order of their German labels."""
    rows = await _terms(database, "SELECT esco, labels, regulated FROM occupation ORDER BY esco LIMIT $1")
    found = [
        OccupationTerm(
            esco=row["esco"],
            labels=msgspec.json.decode(row["labels"], type=Titles),
            regulated=row["regulated"],
        )
        for row in rows
    ]
    return sorted(found, key=lambda term: (sort_key(title_of(term.labels)), term.esco))
