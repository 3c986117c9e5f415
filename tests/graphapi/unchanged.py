"""Whether anything in the database has changed, without reading what is in it."""

from __future__ import annotations

import asyncpg

from directory.models import Base

COUNTERS = {"code_attempt"}
"""How often codes were tried: counted whatever comes of it."""

TABLES = [table.fullname for table in Base.metadata.sorted_tables if table.name not in COUNTERS]


class Digest:
    """Says whether anything in the database has changed: of each table the number of rows and the youngest.

    Each transaction has a higher number than those before it and leaves it in every row that it adds or
    changes (``xmin``), whatever it writes there. So adding and changing raise a table's highest number, and
    where it is the same, deleting shows in the number of rows. ``superuser``: row-level security hides rows
    from everybody else.
    """

    def __init__(self, superuser: asyncpg.Connection) -> None:
        self.superuser = superuser

    async def __call__(self, *, with_audit: bool) -> dict[str, str]:
        """Return what to compare, by table; the queue of jobs with them, the counters left out."""
        wanted = [name for name in (*TABLES, "pgqueuer") if with_audit or name != "audit"]
        each = " UNION ALL ".join(
            f"SELECT '{name}', concat(count(*), '/', max(xmin::text::bigint)) FROM {name}" for name in wanted
        )
        return {record[0]: record[1] for record in await self.superuser.fetch(each)}
