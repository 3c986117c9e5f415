"""Rows of a source in the staging table ``import_row``, where they are put together chunk by chunk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import SYSTEM
from directory.database import Database
from directory.importing.entries import CHUNK

ROWS_AT_ONCE: Final = 1_000


class StagedRow(msgspec.Struct):
    """A row for the staging table."""

    file: str
    number: int
    key: str | None
    parent_file: str | None
    parent_key: str | None
    data: str
    rejected: bool = False


class StagedRows:
    """The rows of one run; each table (``file``) counts its rows, so that a run that was killed can go on."""

    def __init__(self, database: Database, run: UUID) -> None:
        self._database = database
        self._run = run
        self._numbers: defaultdict[str, int] = defaultdict(int)

    async def stage_rows(self, rows: Iterator[StagedRow]) -> None:
        """Stage rows in committed chunks; those that a killed run has staged are skipped."""
        async with self._database.view(SYSTEM) as session:
            found = await session.execute(
                text("SELECT file, max(number) FROM import_row WHERE run_id = :run GROUP BY file"),
                {"run": self._run},
            )
            staged: dict[str, int] = {row.file: row.max for row in found}
        kept = (row for row in rows if row.number > staged.get(row.file, 0))
        while chunk := list(islice(kept, ROWS_AT_ONCE)):
            async with self._database.work(SYSTEM) as work:
                await work.session.execute(
                    text(
                        "INSERT INTO import_row (run_id, file, number, key, parent_file, parent_key,"
                        " rejected, data) SELECT :run, c.* FROM unnest(CAST(:file AS text[]),"
                        " CAST(:number AS int[]), CAST(:key AS text[]), CAST(:parent_file AS text[]),"
                        " CAST(:parent_key AS text[]),"
                        " CAST(:rejected AS bool[]), CAST(:data AS text[])) AS c"
                    ),
                    {
                        "run": self._run,
                        **{
                            column: [getattr(row, column) for row in chunk]
                            for column in (
                                "file", "number", "key", "parent_file", "parent_key", "rejected", "data",
                            )
                        },
                    },
                )  # fmt: skip

    async def count_entries(self) -> int:
        """Return how many partners and services are staged and not rejected."""
        async with self._database.view(SYSTEM) as session:
            counted = await session.scalar(
                text(
                    "SELECT count(DISTINCT (file, key)) FROM import_row WHERE run_id = :run AND NOT rejected"
                    " AND file IN ('organizations', 'services')"
                ),
                {"run": self._run},
            )
        return int(counted or 0)

    def row(
        self, table: str, record: Mapping[str, Any], key: str | None, parent: tuple[str, str] | None
    ) -> StagedRow:
        """Return a row with the next number of its table."""
        self._numbers[table] += 1
        return StagedRow(
            file=table,
            number=self._numbers[table],
            key=key,
            parent_file=parent[0] if parent else None,
            parent_key=parent[1] if parent else None,
            data=msgspec.json.encode(record).decode().replace("\\u0000", ""),
        )

    async def chosen(self, session: AsyncSession, file: str, after: int) -> list[Any]:
        """Return the next records of a table, of each key the fullest one."""
        found = await session.execute(
            text(
                "SELECT number, key, parent_key, data FROM (SELECT DISTINCT ON (r.key) r.number, r.key,"
                " r.parent_key, r.data, min(r.number) OVER (PARTITION BY r.key) AS first FROM import_row r"
                " WHERE r.run_id = :run AND r.file = :file AND NOT r.rejected AND r.key IN (SELECT key FROM"
                " (SELECT key, min(number) AS first FROM import_row WHERE run_id = :run AND file = :file"
                " AND NOT rejected GROUP BY key HAVING min(number) > :after ORDER BY min(number)"
                " LIMIT :many) k)"
                " ORDER BY r.key, length(r.data) DESC, r.number) c ORDER BY first"
            ),
            {"run": self._run, "file": file, "after": after, "many": CHUNK},
        )
        rows = found.all()
        return list(rows)

    async def last(self, session: AsyncSession, file: str, keys: Sequence[str]) -> int:
        """Return the position of the last of these keys: the number of its first record."""
        return int(
            await session.scalar(
                text(
                    "SELECT max(first) FROM (SELECT min(number) AS first FROM import_row WHERE run_id = :run"
                    " AND file = :file AND NOT rejected AND key = ANY(CAST(:keys AS text[])) GROUP BY key) f"
                ),
                {"run": self._run, "file": file, "keys": list(keys)},
            )
            or 0
        )
