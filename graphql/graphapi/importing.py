"""Imports a source as users and the demo do: the directory's part, then the clients', with one report."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.table import Table
from sqlalchemy import select

from directory.actors import SYSTEM
from directory.database import Database
from directory.importing import Reading, import_source
from directory.importing.report import ImportReport, Progress
from directory.importing.staging import NOWHERE
from directory.models import Partner
from directory.problems import InvalidInput
from referrals.clients import import_clients
from referrals.personal_data.keystore import KeyStore

NO_CLIENTS = b"[]"


async def import_network(
    database: Database,
    keys: KeyStore,
    path: Path | Sequence[Path],
    *,
    municipality: str | None = None,
    publish: bool = False,
    withdraw_missing: bool = False,
    withdraw_most: bool = False,
    reading: Reading | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Take a source into the directory, and the clients that a network file brings into the exchange.

    Clients belong to the municipality's coordination. Raises ImportRefused when the source as a whole cannot
    be taken, and InvalidInput when the clients cannot; nothing of them was written then.
    """
    report = await import_source(
        database,
        path,
        municipality=municipality,
        publish=publish,
        withdraw_missing=withdraw_missing,
        withdraw_most=withdraw_most,
        reading=reading,
        progress=progress,
    )
    if bytes(report.clients).strip() == NO_CLIENTS:
        return report
    async with database.work(SYSTEM) as work:
        coordination = await work.session.scalar(
            select(Partner.id).where(Partner.municipality_id == report.municipality, Partner.coordinates)
        )
        if coordination is None:
            raise InvalidInput("clients", "no-coordination")
        await import_clients(
            work,
            keys,
            partner_id=coordination,
            source=report.source,
            raw=report.clients,
        )
    return report


_NAMED: Final = 20
"""How many columns, sheets or files that were not read are named."""


def sentences_of(report: ImportReport, *, published: bool) -> Iterator[str]:
    """Say what was not read, where the entries stand now, and what to type when that was not meant."""
    if report.ignored_files:
        some = "; ".join(report.ignored_files[:_NAMED])
        more = len(report.ignored_files) - _NAMED
        yield f"Not read, because nothing is known of them: {some}{f' and {more} more' if more > 0 else ''}."
    name = report.municipality_name
    said = name.get("en") or name.get("de") or next(iter(name.values()), "")
    yield (
        f"The entries stand under: {said} ({report.municipality_key})."
        if report.municipality_key is not None
        else "The entries stand where they stood, each under its municipality."
    )
    if report.municipality_key == NOWHERE:
        yield (
            "They belong to no municipality. To give them to one that is here, import the same again"
            " with --municipality and its official key (ARS)."
        )
    if report.partners.here or report.services.here:
        yield (
            f"{report.partners.here} partners and {report.services.here} services are here already, by their"
            " ids or with their partner, and stay as they are. To correct what is kept here, import a"
            " spreadsheet that was exported here, or change the entries."
        )
    if report.here_from:
        names = "; ".join(f"--name {shlex.quote(name)}" for name in report.here_from)
        yield f"Some of them came from other sources. Under its source's name an entry is compared: {names}."
    twice = report.duplicates.partners + report.duplicates.services
    if twice:
        yield (
            f"{twice} pairs of entries may be the same. Nothing is merged by itself: that is for the"
            " coordination to do."
        )
    if not published and (report.partners.new or report.services.new):
        yield (
            "What is new is a draft that nobody outside sees, unless the source says otherwise. To publish"
            " it, import the same again with --publish."
        )


def tables_of(report: ImportReport) -> Iterator[Table]:
    """Give the report as tables for a terminal: per file, then what was repaired and rejected and why."""
    files = Table("file", "read", "taken", "repaired", "rejected", title=f"{report.source} ({report.format})")
    for file in report.files:
        files.add_row(*map(str, (file.file, file.read, file.taken, file.repaired, file.rejected)))
    yield files
    reasons = Table("file", "what", "how or why", "rows", "first rows")
    for file in report.files:
        for how, count in sorted(file.repaired_by.items()):
            first = [str(repair.row) for repair in file.repairs if repair.how == how][:5]
            reasons.add_row(file.file, "repaired", how, str(count), ", ".join(first))
        for why, count in sorted(file.rejected_by.items()):
            first = [str(rejection.row) for rejection in file.rejections if rejection.reason == why][:5]
            reasons.add_row(file.file, "rejected", why, str(count), ", ".join(first))
    if reasons.row_count:
        yield reasons
    entries = Table("entries", "new", "changed", "unchanged")
    for name in ("partners", "services", "topics", "occupations"):
        outcome = getattr(report, name)
        entries.add_row(name, str(outcome.new), str(outcome.changed), str(outcome.unchanged))
    yield entries
    if report.missing.gone:
        gone = Table("entries", "hidden", title="gone, says the source")
        gone.add_row("partners and services", str(report.missing.gone))
        yield gone
    if report.missing.partners or report.missing.services:
        hidden = (
            "hidden now" if report.missing.withdrawn else "left as they are (--withdraw-missing hides them)"
        )
        missing = Table("no more in the source", "id there", title=f"missing: {hidden}")
        for one in report.missing.first[:20]:
            missing.add_row(one.kind.lower(), one.foreign_id)
        more = report.missing.partners + report.missing.services - 20
        if more > 0:
            missing.add_row("…", f"{more} more")
        yield missing
    twice = report.duplicates
    if twice.partners or twice.services:
        found = Table("kind", title="possible duplicates")
        for name in ("new here", "may be the same as", "points"):
            found.add_column(name, overflow="fold")  # an id that is cut off finds nothing
        for pair in twice.first[:20]:
            found.add_row(pair.kind.value.lower(), str(pair.first), str(pair.second), str(pair.points))
        more = twice.partners + twice.services - 20
        if more > 0:
            found.add_row("…", f"{more} more (--json names the first 100)", "", "")
        yield found
