"""A directory as an early release left it goes through every migration since, and is read right at once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from directory import sources
from directory.actors import ANONYMOUS, SYSTEM
from directory.building import outdated
from directory.courses import CourseFilter
from directory.database import Database
from directory.documents import SHAPE, DocumentKind, service_decoder
from directory.freshness import CAPACITY_EXPIRES_AFTER, INTERVALS, due_days
from directory.history import differences
from directory.published_feed import FeedFilter, published_changes
from directory.sortkey import sort_key
from directory.sources import ServiceFilter
from directory.values import Capacity, CourseRun
from directory.vocabulary import CefrLevel, DataKind, PartnerKind
from graphapi.embedded import APP, OWNER, READER, SUPERUSER, Access
from graphapi.migrating import _config, migrate, newest_revision

BEFORE = "0015_own_rows"
TOWN, OWNER_ID = uuid4(), uuid4()
SAID = datetime(2026, 1, 10, 12, tzinfo=UTC)
ARS = "120520000000"

COURSES: dict[str, tuple[dict[str, Any] | None, list[dict[str, str]]]] = {
    "both": (
        {"level_to": "B1", "starts_on": "2027-01-11", "ends_on": "2027-06-30", "childcare": True},
        [{"starts_on": "2027-01-11", "ends_on": "2027-06-30"}],
    ),
    "begin": ({"starts_on": "2027-03-01"}, [{"starts_on": "2027-03-01"}]),
    "end": ({"ends_on": "2027-06-30", "access": ["VOUCHER"]}, [{"ends_on": "2027-06-30"}]),
    "no days": ({"level_from": "A1"}, []),
    "no course": (None, []),
}
"""Facts of a course as services had them then, and the runs that they mean."""

FIGURES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "places of a day": (
        {"state": "FEW", "places": 2, "as_of": "2026-02-01"},
        {"state": "FEW", "places": 2, "as_of": "2026-02-01", "expires_on": "2026-02-28"},
    ),
    "no day": ({"state": "OPEN"}, {"state": "OPEN", "as_of": "2026-01-10", "expires_on": "2026-02-06"}),
    "an end": (
        {"state": "NONE", "as_of": "2026-02-01", "expires_on": "2027-01-31"},
        {"state": "NONE", "as_of": "2026-02-01", "expires_on": "2027-01-31"},
    ),
    "nothing known": ({"state": "UNKNOWN", "as_of": "2026-02-01"}, {"as_of": "2026-02-01"}),
}
"""Capacities as imports left them then, and what they say since."""

ENDED = ("places of a day", "no day")
"""Which of them counted for ever."""

IDS = {name: uuid4() for name in (*COURSES, *FIGURES)}


def document(name: str, id_: UUID) -> dict[str, Any]:
    """The public document of a service in the shape of then."""
    said: dict[str, Any] = {
        "id": str(id_), "version": 3, "title": {"de": name}, "state": "PUBLISHED", "kind": "QUALIFICATION",
        "partner": {"id": str(OWNER_ID), "name": "Verein", "kind": "CHAMBER"},
        "municipality": {"id": str(TOWN), "name": {"de": "Stadt"}, "ars": ARS},
        "provenance": {"source": "old", "foreign_id": name}, "updated_at": SAID.isoformat(),
    }  # fmt: skip
    course = COURSES[name][0] if name in COURSES else None
    figures = {"capacity": FIGURES[name][0]} if name in FIGURES else {}
    return {**said, **({"course": course} if course is not None else {}), **figures}


async def add_entries(connection: asyncpg.Connection) -> None:
    """Write what an installation of then had: a partner, its services, their documents, a tombstone."""
    await connection.execute(
        "INSERT INTO municipality (id, ars, name, kind_labels) VALUES ($1, $2, '{\"de\": \"Stadt\"}', '{}')",
        TOWN, ARS,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO partner (id, municipality_id, kind, name, description, contact_points, languages, state,"
        " active, coordinates, data_protection_law, professional_secrecy, public_body, school, version,"
        " updated_at) VALUES ($1, $2, 'CHAMBER', 'Verein', '{}', '[]', '[]', 'PUBLISHED', true, false,"
        " 'GDPR', false, false, false, 1, $3)",
        OWNER_ID, TOWN, SAID,
    )  # fmt: skip
    partner = {
        **{key: document("both", OWNER_ID)[key] for key in ("id", "municipality", "state", "updated_at")},
        "version": 1, "kind": "CHAMBER", "name": "Verein",
    }  # fmt: skip
    await connection.execute(
        "INSERT INTO partner_document VALUES ($1, $2, 'CHAMBER', 'PUBLISHED', $3, 1, 1, $4, '{}')",
        OWNER_ID, TOWN, sort_key("Verein"), json.dumps(partner),
    )  # fmt: skip
    for name in IDS:
        course, capacity = COURSES.get(name, (None,))[0], FIGURES.get(name, ({},))[0]
        await connection.execute(
            "INSERT INTO service (id, partner_id, kind, title, description, source_terms, languages,"
            " eligibility, area, responsibility, contact_points, capacity, course, state, provenance,"
            " version, updated_at) VALUES ($1, $2, 'QUALIFICATION', $3, '{}', '[]', '[]', '[]', '{}', 'FREE',"
            " '[]', $7, $4, 'PUBLISHED', $5, 3, $6)",
            IDS[name], OWNER_ID, json.dumps({"de": name}), None if course is None else json.dumps(course),
            json.dumps({"source": "old", "foreign_id": name}), SAID, json.dumps(capacity),
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO service_document VALUES ($1, $2, $3, 'QUALIFICATION', '{}', 'PUBLISHED', $4, 3, 1,"
            " $5, '{}')",
            IDS[name], OWNER_ID, TOWN, sort_key(name), json.dumps(document(name, IDS[name])),
        )  # fmt: skip
    for kind, id_, gone in (
        ("PARTNER", OWNER_ID, False), *(("SERVICE", id_, False) for id_ in IDS.values()),
        ("SERVICE", uuid4(), True),
    ):  # fmt: skip
        await connection.execute(
            "INSERT INTO change (kind, id, sequence, version, tombstone)"
            " VALUES ($1, $2, nextval('change_sequence_seq'), 3, $3)",
            kind, id_, gone,
        )  # fmt: skip
    await connection.execute(
        "INSERT INTO project_rule (id, municipality_id, position, statuses, answer, advice, reason)"
        " VALUES ('own', $1, 5, ARRAY['SECTION_24'], 'FITS', 'SUPPORT', '{\"de\": \"Hier auch.\"}')",
        TOWN,
    )


@pytest.fixture(scope="module")
async def name(cluster: Access) -> AsyncIterator[str]:
    """Name of a database as that release left it, with entries, brought to the newest schema."""
    made = f"former_{uuid4().hex}"
    cluster.create_database(made)

    def upgrade(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)

    engine = create_async_engine(cluster.url(OWNER, made))
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()
    superuser = await asyncpg.connect(cluster.dsn(SUPERUSER, made))
    await add_entries(superuser)
    await superuser.close()
    assert await migrate(cluster.dsn(OWNER, made)) == newest_revision()
    yield made
    cluster.drop_database(made)


async def rewrite(database: Database) -> None:
    """What the jobs do with documents of an older shape."""
    async with database.work(SYSTEM) as work:
        partners, services = await outdated(work.session)
        for kind, ids in ((DocumentKind.PARTNER, partners), (DocumentKind.SERVICE, services)):
            for id_ in ids:
                work.touch_document(kind, id_)


async def courses(database: Database, **asked: Any) -> set[str]:
    found = await sources.services(database, ANONYMOUS, ServiceFilter(course=CourseFilter(**asked)))
    return {service.title["de"] for service in found.nodes}


@pytest.mark.slow
async def test_an_old_directory_is_read_at_once_and_the_same_when_it_was_rewritten(
    cluster: Access, name: str
) -> None:
    database = Database(cluster.dsn(APP, name), cluster.dsn(READER, name))
    await database.start()
    owner = await asyncpg.connect(cluster.dsn(SUPERUSER, name))
    try:
        stored = {
            row["id"]: json.loads(row["course"]) if row["course"] else None
            for row in await owner.fetch("SELECT id, course FROM service")
        }
        for rewritten in (False, True):
            if rewritten:
                await rewrite(database)
            for case, (course, runs) in COURSES.items():
                # the row, the column that lists filter by, and the document say the same
                kept = {key: value for key, value in (course or {}).items() if not key.endswith("s_on")}
                expected = None if course is None else {**kept, **({"runs": runs} if runs else {})}
                assert stored[IDS[case]] == expected, case
                found = await sources.service(database, ANONYMOUS, IDS[case])
                assert found is not None
                said = None if found.course is None else found.course.runs
                expected_runs = tuple(msgspec.convert(run, CourseRun) for run in runs)
                assert said == (None if course is None else expected_runs), case
            assert await courses(database, starts_after=date(2027, 2, 1)) == {"begin", "end", "no days"}
            assert await courses(database, ends_before=date(2027, 6, 1)) == {"begin", "no days"}
            assert "no course" not in await courses(database, level_to=CefrLevel.B1)
            # the age of an imported entry began when its source said it, whatever was rewritten since
            text = await owner.fetchval("SELECT public FROM service_document WHERE id = $1", IDS["both"])
            due = due_days(service_decoder.decode(text))
            assert due[DataKind.CONTACT] == INTERVALS[DataKind.CONTACT].end(SAID.date())
        assert await owner.fetchval("SELECT min(shape) FROM service_document") == SHAPE
    finally:
        await owner.close()
        await database.stop()


async def test_history_feed_and_rules_begin_with_what_was_there(cluster: Access, name: str) -> None:
    database = Database(cluster.dsn(APP, name), cluster.dsn(READER, name))
    await database.start()
    owner = await asyncpg.connect(cluster.dsn(SUPERUSER, name))
    try:
        begun = await owner.fetch("SELECT kind, action FROM entry_version")
        assert sorted(map(tuple, begun)) == sorted(
            [
                ("PARTNER", "entry.begin"),
                *[("SERVICE", "entry.begin")] * len(IDS),
                *[("SERVICE", "entry.follow")] * len(ENDED),
            ]
        )
        every = await published_changes(database)
        assert {change.id for change in every.changes if not change.tombstone} == {OWNER_ID, *IDS.values()}
        chambers = await published_changes(database, part=FeedFilter(partner_kinds=[PartnerKind.CHAMBER]))
        assert {change.id for change in chambers.changes} == {OWNER_ID, *IDS.values()}
        # what they were before is not known, so whoever follows another part is told that they are not of it
        others = await published_changes(database, part=FeedFilter(partner_kinds=[PartnerKind.BUSINESS]))
        assert {(change.id, change.tombstone) for change in others.changes} == {
            (id_, True) for id_ in (OWNER_ID, *IDS.values())
        }
        sets = await owner.fetch("SELECT municipality_id, rules FROM rule_set ORDER BY municipality_id")
        assert [row["municipality_id"] for row in sets] == [TOWN, None]
        lines = [[line["id"] for line in json.loads(row["rules"])] for row in sets]
        assert lines[0] == ["own", *lines[1]] and "supported-statuses" in lines[1]
    finally:
        await owner.close()
        await database.stop()


async def test_no_figure_counts_for_ever(cluster: Access, name: str) -> None:
    database = Database(cluster.dsn(APP, name), cluster.dsn(READER, name))
    await database.start()
    owner = await asyncpg.connect(cluster.dsn(SUPERUSER, name))
    try:
        for rewritten in (False, True):
            if rewritten:
                await rewrite(database)
            last = await owner.fetch(
                "SELECT id FROM change WHERE NOT tombstone ORDER BY sequence DESC LIMIT 2"
            )
            if not rewritten:  # who follows the feed hears of these, and of nothing else
                assert {row["id"] for row in last} == {IDS[case] for case in ENDED}
            for case, (before, after) in FIGURES.items():
                version = 4 if case in ENDED else 3
                row = await owner.fetchrow("SELECT * FROM service WHERE id = $1", IDS[case])
                assert row is not None
                assert json.loads(row["capacity"]).items() >= after.items(), case
                found = await sources.service(database, ANONYMOUS, IDS[case])
                assert found is not None
                assert found.capacity == msgspec.convert(after, Capacity), case
                assert (row["version"], found.version) == (version, version), case
                assert found.updated_at == row["updated_at"], case
                assert (row["updated_at"] == SAID) == (case not in ENDED), case
                told = await owner.fetch(
                    "SELECT version, role, snapshot FROM entry_version WHERE id = $1 ORDER BY version",
                    IDS[case],
                )
                assert [(line["version"], line["role"]) for line in told] == [
                    (number, "SYSTEM") for number in range(3, version + 1)
                ]
                first, *later = [json.loads(line["snapshot"]) for line in told]
                for snapshot in later:
                    paths = {change.field: change.after for change in differences(first, snapshot)}
                    new = {key for key in after if key not in before}
                    assert paths == {f"capacity.{key}": after[key] for key in new}, case
                # when somebody is asked for new figures has not changed
                due = due_days(found)[DataKind.CAPACITY] if found.capacity.expires_on else None
                if case in ENDED:
                    assert found.capacity.as_of is not None
                    assert due == found.capacity.as_of + CAPACITY_EXPIRES_AFTER
    finally:
        await owner.close()
        await database.stop()
