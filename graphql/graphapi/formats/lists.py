"""A filtered list of what is published, as a spreadsheet: /services.csv and /services.xlsx.

The columns are those that ``spurwechsel import`` reads back. No cell is a formula, whatever it begins with.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, Final, TypeAlias
from uuid import UUID

from litestar import Response, get
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from directory import sources
from directory.actors import ANONYMOUS
from directory.database import Database, Unavailable
from directory.documents import PartnerDocument, ServiceDocument
from directory.exporting.sheets import write_csv, write_xlsx
from directory.problems import InvalidInput
from directory.sources import LARGEST_PAGE, ServiceFilter
from directory.vocabulary import ServiceKind
from graphapi.context import Services

MOST_ROWS: Final = 5_000
"""Rows of a list at most; whoever needs the whole directory follows ``/feed`` or ``/hsds/``."""

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Kinds: TypeAlias = Annotated[list[ServiceKind] | None, QueryParameter(max_items=20)]
Topics: TypeAlias = Annotated[list[str] | None, QueryParameter(max_items=50)]
Territory: TypeAlias = Annotated[str | None, QueryParameter(pattern="^[0-9]{12}$")]

PartnerId: TypeAlias = Annotated[UUID | None, QueryParameter()]

Row: TypeAlias = tuple[PartnerDocument, ServiceDocument | None]


def routes(services: Services) -> list[HTTPRouteHandler]:
    """Return the handlers; one sheet is written at a time, in a thread."""
    database = services.database
    one = asyncio.Semaphore(1)

    async def filtered(
        kind: list[ServiceKind] | None,
        topic: list[str] | None,
        municipality: str | None,
        partner: UUID | None,
    ) -> list[Row]:
        try:
            town = None
            if municipality is not None:
                towns = await sources.municipalities(database)
                town = next((term.id for term in towns if term.ars == municipality), None)
                if town is None:
                    return []
            given = ServiceFilter(kinds=kind, topics=topic, municipality_id=town, partner_id=partner)
            return await _rows(database, given)
        except Unavailable:
            raise HTTPException(status_code=503, detail="Try again in a moment.") from None
        except InvalidInput as problem:
            raise HTTPException(status_code=400, detail=f"{problem.field}: {problem.reason}") from None

    @get("/services.csv")
    async def csv_list(
        kind: Kinds = None, topic: Topics = None, municipality: Territory = None, partner: PartnerId = None
    ) -> Response[bytes]:
        """Give the published services as CSV: kind, topic (any of several), municipality (ARS), partner."""
        rows = await filtered(kind, topic, municipality, partner)
        async with one:
            return _sheet(await asyncio.to_thread(_written, rows, "csv"), "text/csv", "csv")

    @get("/services.xlsx")
    async def xlsx_list(
        kind: Kinds = None, topic: Topics = None, municipality: Territory = None, partner: PartnerId = None
    ) -> Response[bytes]:
        """Give the published services as XLSX: kind, topic (any of several), municipality (ARS), partner."""
        rows = await filtered(kind, topic, municipality, partner)
        async with one:
            return _sheet(await asyncio.to_thread(_written, rows, "xlsx"), XLSX, "xlsx")

    return [csv_list, xlsx_list]


async def _rows(database: Database, given: ServiceFilter) -> list[Row]:
    """Return the services of a filter with their partners; raises 413 when there are too many."""
    found: list[Row] = []
    after: str | None = None
    while True:
        page = await sources.services(database, ANONYMOUS, given, first=LARGEST_PAGE, after=after)
        ids = list(dict.fromkeys(service.partner.id for service in page.nodes))
        known = await sources.partners_by_id(database, ANONYMOUS, ids)
        partners = {partner.id: partner for partner in known if partner is not None}
        found.extend(
            (partners[service.partner.id], service)
            for service in page.nodes
            if service.partner.id in partners  # else it was hidden in between
        )
        if not page.has_next:
            return found
        if len(found) >= MOST_ROWS:
            raise HTTPException(
                status_code=413, detail=f"More than {MOST_ROWS} rows: narrow the filter, or follow /feed."
            )
        after = page.cursors[-1]


async def _one_by_one(rows: Sequence[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row


def _written(rows: Sequence[Row], suffix: str) -> bytes:
    write = write_csv if suffix == "csv" else write_xlsx
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"services.{suffix}")
        asyncio.run(write(path, _one_by_one(rows)))
        return path.read_bytes()


def _sheet(content: bytes, media_type: str, suffix: str) -> Response[bytes]:
    headers = {
        "content-disposition": f'attachment; filename="services.{suffix}"',
        "cache-control": "public, max-age=60",
    }
    return Response(content, headers=headers, media_type=media_type)
