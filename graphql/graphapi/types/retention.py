"""Deletion that is proved, legal holds, and a person's access to what is kept about them."""

from __future__ import annotations

import asyncio
import base64
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry
from strawberry import Parent

from graphapi.context import Info
from graphapi.relay import global_id, require_id
from graphapi.types import exchange_words as exchange_words
from graphapi.types.appointment import ExportedFile
from graphapi.types.paging import First
from graphapi.types.referral import named
from referrals.personal_data import access, retention
from referrals.printing import PDF, render
from referrals.vocabulary import HoldReason

strawberry.enum(HoldReason, description="Why the deletion of somebody's data is held.")


@strawberry.enum(description="As what a person's data are handed over.")
class AccessFormat(StrEnum):
    """As what a person's data are handed over."""

    JSON = "JSON"
    PDF = "PDF"


@strawberry.type(description="What a run deleted of one retention class; figures only, no ids of persons.")
class DeletionLine:
    """What a run deleted of one retention class."""

    retention_class: str = strawberry.field(description="The class (see `spurwechsel register`).")
    municipality_id: strawberry.ID | None = strawberry.field(
        resolver=named("Municipality", "municipality_id"), description="Null: what belongs to none."
    )
    deleted: int = strawberry.field(description="How many went.")
    held: int = strawberry.field(description="How many were due, but kept by a legal hold.")
    oldest_due: datetime | None = strawberry.field(description="When the oldest of them had become due.")
    newest_due: datetime | None = strawberry.field(description="When the newest of them had become due.")


def _lines(root: Parent[retention.Proof]) -> Any:
    return root.lines


@strawberry.type(description="The proof of a deletion run (DIN 66398).")
class DeletionRun:
    """The proof of a deletion run."""

    rules: str = strawberry.field(description="Version of the retention classes it went by.")
    started_at: datetime = strawberry.field(description="When it began.")
    ended_at: datetime | None = strawberry.field(description="Null: it runs, or is gone on with next time.")
    lines: list[DeletionLine] = strawberry.field(
        resolver=_lines, graphql_type=list[DeletionLine], description="By class and municipality."
    )


def _hold_id(root: Parent[retention.HoldView]) -> strawberry.ID:
    return global_id("LegalHold", root.id)


@strawberry.type(description="That nothing of a person, or of one referral, is deleted for now.")
class LegalHold:
    """A legal hold."""

    id: strawberry.ID = strawberry.field(resolver=_hold_id, description="Its id.")
    version: int = strawberry.field(description="Give it as expectedVersion.")
    client_id: strawberry.ID = strawberry.field(
        resolver=named("Client", "client_id"), graphql_type=strawberry.ID, description="Whose data."
    )
    referral_id: strawberry.ID | None = strawberry.field(
        resolver=named("Referral", "referral_id"), description="Only of this referral, if it is named."
    )
    reason: HoldReason = strawberry.field(description="Why.")
    until: date = strawberry.field(description="Its last day.")
    set_at: datetime = strawberry.field(description="Since when.")
    lifted_at: datetime | None = strawberry.field(description="When it was lifted.")
    in_force: bool = strawberry.field(description="Whether it stops deletion now.")


@strawberry.type
class RetentionQueries:
    """What can be read of deletion, holds and access."""

    @strawberry.field(
        graphql_type=list[DeletionRun],
        description="LEAD: the proofs of the latest deletion runs, newest first.",
    )
    async def deletion_runs(self, info: Info, first: First = 20) -> object:
        """Return the latest proofs."""
        async with info.context.people.view() as session:
            return await retention.list_runs(session, info.context.actor, first=first)

    @strawberry.field(
        graphql_type=list[LegalHold], description="LEAD: the legal holds of the own organisation."
    )
    async def legal_holds(self, info: Info, first: First = 100) -> object:
        """Return the holds."""
        async with info.context.people.view() as session:
            return await retention.list_holds(session, info.context.actor, info.context.clock(), first=first)

    @strawberry.field(
        graphql_type=ExportedFile,
        description=(
            "Everything kept about a person, for the person (GDPR Art. 15, 20); for who looks after them. "
            "Recipients are named and hold copies of their own. Only a LEAD's export tells of an exclusion."
        ),
    )
    async def access_export(
        self,
        info: Info,
        client_id: Annotated[strawberry.ID, strawberry.argument(description="The person.")],
        format: Annotated[AccessFormat, strawberry.argument(description="Machine-readable, or pages.")],
        language: Annotated[str, strawberry.argument(description="Of the headings: de or en.")] = "de",
    ) -> ExportedFile:
        """Return the export; the pages are set in a thread of their own."""
        people = info.context.people
        key = require_id(client_id, "Client", "clientId")
        async with people.view() as session:
            export = await access.access_export(session, info.context.actor, people.keys, key, people.now)
        name = f"access-{key}"
        if format is AccessFormat.JSON:
            return ExportedFile(
                media_type="application/json",
                file_name=f"{name}.json",
                text=access.as_json(export).decode(),
                base64=None,
            )
        pages = await asyncio.to_thread(render, access.as_printout(export, language))
        return ExportedFile(
            media_type=PDF, file_name=f"{name}.pdf", text=None, base64=base64.b64encode(pages).decode()
        )
