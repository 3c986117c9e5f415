"""Takes a staged run over in one short, set-based transaction: rows, links, documents, feed entries.

Whatever somebody changed while the run was staging is left as they made it (counted as skipped) and taken
by the next run. The feed's lock is taken at the very end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Table, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from directory import feed
from directory.building import DocumentChange, keep_versions, rebuild_partners, rebuild_services
from directory.database import Work
from directory.documents import DocumentKind
from directory.importing.report import KEPT, Absent, ImportRefused, ImportReport, Missing, Refusal
from directory.importing.staging import GONE, HERE, PLACEHOLDER, Stage, analyze
from directory.importing.tables import ImportOrigin
from directory.models import (
    Base,
    Location,
    Municipality,
    Occupation,
    Partner,
    PartnerDocumentRow,
    Service,
    ServiceDocumentRow,
    Topic,
)


def _moments(moment: datetime) -> str:
    """Return the end of a document that an import writes: the values of ``said_at`` and ``updated_at``."""
    at = msgspec.json.encode(moment).decode()
    return f'{at},"updated_at":{at}}}'


_TAIL: Final = len(_moments(PLACEHOLDER))
"""How much of a prepared document stands in for the moment of the takeover."""


WITHDRAWN_UNASKED: Final = 10
"""So many entries of a kind may be withdrawn whatever their share: a small source loses some quickly."""

_SHARE: Final = 3
"""No more than one in so many entries of a kind is withdrawn at once, unless somebody says so."""

_VERSIONS_AT_ONCE: Final = 5_000
"""Of how many entries the history is told in one statement."""


def _columns(model: type[Base]) -> list[str]:
    return [column.name for column in model.__table__.columns]


def _assignments(model: type[Base], source: str) -> str:
    return ", ".join(f"{name} = {source}.{name}" for name in _columns(model) if name != "id")


def _staged(kind: str, model: type[Base]) -> str:
    """Return the FROM clause that reads this run's entries of a kind as rows ``r`` of their table."""
    table: Any = model.__table__
    return (
        f"import_staging s CROSS JOIN LATERAL jsonb_populate_record(NULL::{table.name}, s.row) r"
        f" WHERE s.run_id = :run AND s.kind = '{kind}' AND s.row IS NOT NULL"
    )


async def _upsert(session: AsyncSession, model: type[Base], entries: list[Any], key: str) -> None:
    if not entries:
        return
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101 - tells the type checker only
    statement = insert(model)
    names = _columns(model)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[key],
            set_={name: statement.excluded[name] for name in names if name not in {key, "id"}},
        ),
        [{name: getattr(entry, name) for name in names} for entry in entries],
    )


class Takeover:
    """The one transaction; ``run`` does everything but the commit."""

    def __init__(
        self, work: Work, stage: Stage, *, withdraw_missing: bool = False, withdraw_most: bool = False
    ) -> None:
        self.work = work
        self.withdraw_most = withdraw_most
        self.withdraw_missing = withdraw_missing
        self.session = work.session
        self.stage = stage
        self.missing_partners: list[UUID] = []
        self.missing_services: list[UUID] = []
        self.gone: dict[str, list[UUID]] = {}
        self.report: ImportReport = stage.report
        self.parameters: dict[str, Any] = {
            "run": stage.run_id,
            "now": work.now,
            "moments": _moments(work.now),
        }

    async def _do(self, statement: str, **more: object) -> Any:
        named = {**self.parameters, **more}
        return await self.session.execute(
            text(statement), {name: value for name, value in named.items() if f":{name}" in statement}
        )

    async def run(self) -> None:
        """Take everything over; the feed comes last."""
        await self._still_ours()
        await analyze(self.session)
        await self._lock()
        await self._find_gone()
        await self._find_missing()
        await self._require_most_there()
        await self._skip_what_changed_meanwhile()
        await self._vocabularies()
        await self._count()
        await self._write_rows("PARTNER", Partner)
        gone = await self._places()
        await self._write_rows("SERVICE", Service)
        await self._links()
        await self._versions()
        await self._documents("PARTNER", PartnerDocumentRow)
        await self._documents("SERVICE", ServiceDocumentRow)
        dependent = await self._dependents(gone)
        dependent = _last_of([*dependent, *await self._withdraw()])
        await self._originals()
        await self._remember()
        self.work.record(
            "IMPORT",
            "import_run",
            self.stage.run_id,
            {
                "source": self.stage.source.name,
                "partners": str(self.report.partners.new + self.report.partners.changed),
                "services": str(self.report.services.new + self.report.services.changed),
            },
        )
        await feed.append(self.session, dependent)
        await feed.append_selected(
            self.session,
            "SELECT kind, id, CAST(row->>'version' AS int) AS version, false AS tombstone FROM import_staging"
            " WHERE run_id = :run AND kind IN ('PARTNER', 'SERVICE') AND row IS NOT NULL"
            " AND id <> ALL(CAST(:already AS uuid[])) ORDER BY kind, id",
            {"run": self.stage.run_id, "already": [id_ for _, id_, _, _ in dependent]},
        )

    async def _still_ours(self) -> None:
        """Refuse when another import thought that this one had died, and has deleted what it staged."""
        states = await self._do("SELECT state FROM import_run WHERE id = :run FOR UPDATE")
        if states.scalar() != "STAGING":
            raise ImportRefused(Refusal.ANOTHER_IMPORT_RUNS)

    async def _lock(self) -> None:
        # Partners of staged services too: who changes one meanwhile rewrites its services' documents, and
        # must then see the ones that come with this transaction.
        # They are counted, because nobody here needs to hold the ids of a whole directory.
        await self._do(
            "SELECT count(*) FROM (SELECT p.id FROM partner p WHERE p.id IN (SELECT partner_id"
            " FROM import_staging WHERE run_id = :run AND row IS NOT NULL)"
            " ORDER BY p.id FOR NO KEY UPDATE OF p) AS locked"
        )
        await self._do(
            "SELECT count(*) FROM (SELECT t.id FROM service t WHERE t.id IN (SELECT id FROM import_staging"
            " WHERE run_id = :run AND kind = 'SERVICE' AND row IS NOT NULL)"
            " ORDER BY t.id FOR NO KEY UPDATE OF t) AS locked"
        )

    async def _find_gone(self) -> None:
        """Find what the source itself says is gone, unless it has it all the same.

        Whoever shows such an entry again here has heard it: the same word of the source does nothing twice.
        """
        for kind, table in (("PARTNER", "partner"), ("SERVICE", "service")):
            found = await self._do(
                "SELECT t.id FROM import_staging s"  # noqa: S608
                f" JOIN import_origin o ON o.kind = '{kind}' AND o.id = s.id AND o.source = :source"
                f" JOIN {table} t ON t.id = s.id WHERE s.run_id = :run AND s.kind = '{kind}{GONE}'"
                " AND t.state <> 'HIDDEN' AND t.ended_at IS NULL AND t.provenance->>'source' = :source"
                " AND o.digest <> s.digest AND NOT EXISTS (SELECT FROM import_staging e"
                f" WHERE e.run_id = :run AND e.kind = '{kind}' AND e.id = s.id) ORDER BY t.id",
                source=self.stage.source.name,
            )
            self.gone[kind] = list(found.scalars())

    async def _find_missing(self) -> None:
        """Find what the source had before and has no more, before anything is skipped.

        A row that is still there but was rejected this time is not missing: it is there to be put right.
        """
        missing = self.report.missing = Absent()
        for kind, table, file in (
            ("PARTNER", "partner", "organizations.csv"),
            ("SERVICE", "service", "services.csv"),
        ):
            found = await self._do(
                "SELECT t.id, t.provenance->>'foreign_id' AS foreign_id FROM import_origin o"  # noqa: S608
                f" JOIN {table} t ON t.id = o.id WHERE o.kind = '{kind}' AND o.source = :source"
                " AND t.state <> 'HIDDEN' AND t.provenance->>'source' = :source"
                " AND NOT EXISTS (SELECT FROM import_staging s WHERE s.run_id = :run AND s.kind = o.kind"
                f" AND s.id = o.id) AND NOT EXISTS (SELECT FROM import_staging s WHERE s.run_id = :run"
                f" AND s.kind = '{kind}{GONE}' AND s.id = o.id)"
                f" AND NOT EXISTS (SELECT FROM import_row r WHERE r.run_id = :run AND r.file = '{file}'"
                " AND r.key = t.provenance->>'foreign_id') ORDER BY t.id",
                source=self.stage.source.name,
            )
            ids = []
            for id_, foreign_id in found:
                ids.append(id_)
                if len(missing.first) < KEPT:
                    missing.first.append(Missing(kind, foreign_id or "", id_))
            if kind == "PARTNER":
                self.missing_partners, missing.partners = ids, len(ids)
            else:
                self.missing_services, missing.services = ids, len(ids)

    async def _require_most_there(self) -> None:
        """Refuse to withdraw most of a source at once: a file that was cut off looks just the same."""
        if not self.withdraw_missing or self.withdraw_most:
            return
        for kind, table, ids in (
            ("PARTNER", "partner", self.missing_partners),
            ("SERVICE", "service", self.missing_services),
        ):
            if len(ids) <= WITHDRAWN_UNASKED:
                continue
            found = await self._do(
                "SELECT count(*) FROM import_origin o"  # noqa: S608
                f" JOIN {table} t ON t.id = o.id WHERE o.kind = '{kind}' AND o.source = :source"
                " AND t.state <> 'HIDDEN' AND t.provenance->>'source' = :source",
                source=self.stage.source.name,
            )
            there = int(found.scalar_one())
            if len(ids) * _SHARE > there:
                where = f"{self.stage.source.name}: {len(ids)} of {there} {table}s"
                raise ImportRefused(Refusal.TOO_MUCH_MISSING, where, self.report)

    async def _withdraw(self) -> list[DocumentChange]:
        """Hide what is gone, and what is missing if so told; it comes back when its source has it again."""
        missing = (self.missing_partners, self.missing_services) if self.withdraw_missing else ([], [])
        partners = sorted({*missing[0], *self.gone["PARTNER"]})
        services = sorted({*missing[1], *self.gone["SERVICE"]})
        if not (partners or services):
            return []
        changes: list[DocumentChange] = []
        for kind, table, ids in (("PARTNER", "partner", partners), ("SERVICE", "service", services)):
            await self._do(
                "UPDATE import_origin o SET digest = s.digest FROM import_staging s"  # noqa: S608
                f" WHERE s.run_id = :run AND s.kind = '{kind}{GONE}' AND o.kind = '{kind}' AND o.id = s.id"
                " AND o.id = ANY(CAST(:ids AS uuid[]))",
                ids=ids,
            )
            await self._do(
                f"UPDATE import_origin o SET withdrawn = t.state FROM {table} t"  # noqa: S608
                f" WHERE o.kind = '{kind}' AND o.id = t.id AND t.id = ANY(CAST(:ids AS uuid[]))",
                ids=ids,
            )
            await self._do(
                f"UPDATE {table} SET state = 'HIDDEN', version = version + 1, updated_at = :now"  # noqa: S608
                " WHERE id = ANY(CAST(:ids AS uuid[]))",
                ids=ids,
            )
            for id_ in ids:
                self.work.record("IMPORT_WITHDRAW", kind.lower(), id_, {"source": self.stage.source.name})
        self.report.missing.withdrawn = sum(map(len, missing))
        self.report.missing.gone = sum(map(len, self.gone.values()))
        changes += await rebuild_partners(self.session, partners)
        # services of a partner that is hidden now are not shown either
        shown = await self._do(
            "UPDATE service SET version = version + 1, updated_at = :now"
            " WHERE partner_id = ANY(CAST(:partners AS uuid[])) AND id <> ALL(CAST(:already AS uuid[]))"
            " RETURNING id",
            partners=partners,
            already=services,
        )
        changes += await rebuild_services(self.session, [*services, *(id_ for (id_,) in shown)])
        return changes

    async def _originals(self) -> None:
        """Keep what the source said beyond what entries hold."""
        await self._do(
            "INSERT INTO import_original (kind, id, source, format, data)"
            " SELECT kind, id, :source, :format, original FROM import_staging"
            " WHERE run_id = :run AND original IS NOT NULL ON CONFLICT (kind, id) DO UPDATE"
            " SET source = excluded.source, format = excluded.format, data = excluded.data",
            source=self.stage.source.name,
            format=getattr(self.stage.source, "original_format", self.stage.source.format),
        )

    async def _skip_what_changed_meanwhile(self) -> None:
        families = await self._do(
            "DELETE FROM import_staging s USING partner p WHERE s.run_id = :run AND s.row IS NOT NULL"
            " AND p.id = s.partner_id AND p.version <> s.partner_version RETURNING s.kind"
        )
        services = await self._do(
            "DELETE FROM import_staging s USING service t WHERE s.run_id = :run AND s.kind = 'SERVICE'"
            " AND s.row IS NOT NULL AND t.id = s.id AND t.version <> s.base_version RETURNING s.kind"
        )
        for (kind,) in [*families, *services]:
            if kind == "PARTNER":
                self.report.partners.skipped += 1
            elif kind == "SERVICE":
                self.report.services.skipped += 1

    async def _vocabularies(self) -> None:
        stage = self.stage
        if stage.municipality_changed:
            await _upsert(self.session, Municipality, [stage.municipality], "id")
        topics = [*stage.new_topics, *stage.changed_topics]
        # twice, because a topic may come before its parent
        alone = [Topic(code=t.code, labels=t.labels, synonyms=t.synonyms, parent=None) for t in topics]
        await _upsert(self.session, Topic, alone, "code")
        await _upsert(self.session, Topic, topics, "code")
        await _upsert(self.session, Occupation, stage.changed_occupations, "esco")

    async def _count(self) -> None:
        counted = await self._do(
            "SELECT kind, count(*) FILTER (WHERE base_version = 0), count(*) FILTER (WHERE base_version > 0)"
            " FROM import_staging WHERE run_id = :run AND row IS NOT NULL GROUP BY kind"
        )
        for kind, new, changed in counted:
            if kind in {"PARTNER", "SERVICE"}:
                outcome = self.report.partners if kind == "PARTNER" else self.report.services
                outcome.new, outcome.changed = new, changed

    async def _write_rows(self, kind: str, model: type[Base]) -> None:
        table: Any = model.__table__
        names = ", ".join(_columns(model))
        values = ", ".join(
            "CAST(:now AS timestamptz)" if name in {"said_at", "updated_at"} else f"r.{name}"
            for name in _columns(model)
        )
        await self._do(
            f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {_staged(kind, model)}"  # noqa: S608
            " AND s.base_version = 0"
        )
        await self._do(
            f"UPDATE {table.name} t SET {_assignments(model, 'c')} FROM (SELECT {values}"  # noqa: S608
            f" FROM {_staged(kind, model)} AND s.base_version > 0) c({names}) WHERE t.id = c.id"
        )

    async def _places(self) -> list[UUID]:
        """Write places; return the services that lose one that its source no longer has."""
        await self._do(
            f"INSERT INTO location ({', '.join(_columns(Location))})"  # noqa: S608 - names of columns
            f" SELECT {', '.join(f'r.{name}' for name in _columns(Location))}"
            f" FROM {_staged('LOCATION', Location)}"
            f" ON CONFLICT (id) DO UPDATE SET {_assignments(Location, 'excluded')}"
        )
        gone = (
            "SELECT CAST(g.id AS uuid) FROM import_staging s"
            " CROSS JOIN LATERAL jsonb_array_elements_text(s.links->'gone') AS g(id)"
            " WHERE s.run_id = :run AND s.kind = 'PARTNER'"
        )
        orphaned = await self._do(
            f"DELETE FROM service_location WHERE location_id IN ({gone}) RETURNING service_id"  # noqa: S608
        )
        losing = [service_id for (service_id,) in orphaned]
        await self._do(f"DELETE FROM location WHERE id IN ({gone})")  # noqa: S608
        await self._do(f"DELETE FROM import_origin WHERE kind = 'LOCATION' AND id IN ({gone})")  # noqa: S608
        return losing

    async def _links(self) -> None:
        services = (
            "SELECT id FROM import_staging WHERE run_id = :run AND kind = 'SERVICE' AND row IS NOT NULL"
        )
        for table, column, key, cast in (
            ("service_topic", "topic_code", "topics", "text"),
            ("service_location", "location_id", "locations", "uuid"),
        ):
            await self._do(f"DELETE FROM {table} WHERE service_id IN ({services})")  # noqa: S608
            await self._do(
                f"INSERT INTO {table} (service_id, {column}, position)"  # noqa: S608
                f" SELECT s.id, CAST(l.value AS {cast}), l.position - 1 FROM import_staging s"
                f" CROSS JOIN LATERAL jsonb_array_elements_text(s.links->'{key}') WITH ORDINALITY"
                " AS l(value, position)"
                " WHERE s.run_id = :run AND s.kind = 'SERVICE' AND s.row IS NOT NULL"
            )

    async def _documents(self, kind: str, model: type[Base]) -> None:
        table: Any = model.__table__
        names = ", ".join(_columns(model))
        await self._do(
            f"INSERT INTO {table.name} ({names})"  # noqa: S608 - names of our own tables and columns
            f" SELECT {', '.join(f'd.{name}' for name in _columns(model))} FROM import_staging s"
            f" CROSS JOIN LATERAL jsonb_populate_record(NULL::{table.name}, s.document ||"
            f" jsonb_build_object('public', left(s.document->>'public', -{_TAIL})"
            " || CAST(:moments AS text), 'modified_at', CAST(:now AS timestamptz))) d"
            f" WHERE s.run_id = :run AND s.kind = '{kind}' AND s.row IS NOT NULL"
            f" ON CONFLICT (id) DO UPDATE SET {_assignments(model, 'excluded')}"
        )

    async def _versions(self) -> None:
        """Keep what the entries say now in their history, as wherever documents are rebuilt."""
        for kind in DocumentKind:
            done = UUID(int=0)
            while True:
                some = await self._do(
                    "SELECT id FROM import_staging WHERE run_id = :run AND kind = :kind"
                    " AND row IS NOT NULL AND id > :done ORDER BY id LIMIT :many",
                    kind=kind.value,
                    done=done,
                    many=_VERSIONS_AT_ONCE,
                )
                ids = [id_ for (id_,) in some]
                if not ids:
                    break
                await keep_versions(self.session, kind, ids, {"*": {"action": "import"}})
                done = ids[-1]

    async def _dependents(self, losing: list[UUID]) -> list[DocumentChange]:
        """Rebuild what was not staged but shows something that changed."""
        changes: dict[tuple[DocumentKind, UUID], DocumentChange] = {}
        if self.stage.municipality_changed:
            raised = await self._do(
                "UPDATE partner SET version = version + 1, updated_at = :now"
                " WHERE municipality_id = :municipality"
                " AND id NOT IN (SELECT id FROM import_staging WHERE run_id = :run AND kind = 'PARTNER'"
                " AND row IS NOT NULL) RETURNING id",
                municipality=self.stage.municipality.id,
            )
            for change in await rebuild_partners(self.session, [id_ for (id_,) in raised]):
                changes[change[0], change[1]] = change
        raised = await self._do(
            "UPDATE service SET version = version + 1, updated_at = :now WHERE id NOT IN (SELECT id"
            " FROM import_staging WHERE run_id = :run AND kind = 'SERVICE' AND row IS NOT NULL)"
            " AND (partner_id IN (SELECT id FROM import_staging WHERE run_id = :run AND kind = 'PARTNER'"
            " AND shown_elsewhere)"
            " OR id IN (SELECT service_id FROM service_location WHERE location_id IN (SELECT id"
            " FROM import_staging WHERE run_id = :run AND kind = 'LOCATION' AND row IS NOT NULL"
            " AND base_version > 0))"
            " OR id IN (SELECT service_id FROM service_topic WHERE topic_code = ANY(CAST(:topics AS text[])))"
            " OR id = ANY(CAST(:losing AS uuid[]))"
            " OR (:everywhere AND partner_id IN (SELECT id FROM partner"
            " WHERE municipality_id = :municipality))) RETURNING id",
            everywhere=self.stage.municipality_changed,
            municipality=self.stage.municipality.id,
            topics=[topic.code for topic in self.stage.changed_topics],
            losing=losing,
        )
        for change in await rebuild_services(self.session, [id_ for (id_,) in raised]):
            changes[change[0], change[1]] = change
        for kind, _ in changes:
            outcome = self.report.partners if kind is DocumentKind.PARTNER else self.report.services
            outcome.dependent += 1
        return list(changes.values())

    async def _remember(self) -> None:
        """Keep what the source said, so that the next run knows what is new there."""
        await self._do(
            "INSERT INTO import_origin (kind, id, source, digest) SELECT kind, id, :source, digest"
            " FROM import_staging WHERE run_id = :run AND right(kind, length(:gone)) <> :gone"
            " AND kind <> :here"
            " ON CONFLICT (kind, id) DO UPDATE"
            " SET source = excluded.source, digest = excluded.digest, withdrawn = NULL"
            " WHERE (import_origin.source, import_origin.digest)"
            " IS DISTINCT FROM (excluded.source, excluded.digest) OR import_origin.withdrawn IS NOT NULL",
            source=self.stage.source.name,
            gone=GONE,
            here=HERE,
        )
        if self.stage.origins:
            statement = insert(ImportOrigin)
            await self.session.execute(
                statement.on_conflict_do_update(
                    index_elements=["kind", "id"],
                    set_={"source": statement.excluded.source, "digest": statement.excluded.digest},
                ),
                _newest(self.stage.origins),
            )
        await self._do("UPDATE import_run SET state = 'DONE', ended_at = :now WHERE id = :run")


def _last_of(changes: list[DocumentChange]) -> list[DocumentChange]:
    """Return each document's last change: what was rebuilt twice has the later version only."""
    return list({(kind, id_): (kind, id_, version, gone) for kind, id_, version, gone in changes}.values())


def _newest(origins: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    return list({(origin["kind"], origin["id"]): origin for origin in origins}.values())
