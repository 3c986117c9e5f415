"""Appointments with the person, the thread of a referral, and what it is exported as."""

from __future__ import annotations

import asyncio
import base64
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import strawberry
from strawberry import Parent

from graphapi.context import Info
from graphapi.relay import global_id
from graphapi.types import exchange_words as exchange_words
from graphapi.types.ids import labelled, named
from graphapi.types.words import describe
from referrals.appointments import AppointmentView
from referrals.export import ExportFormat, Sheet, as_fhir, as_printout, as_text
from referrals.printing import PDF, render
from referrals.thread import Entry, TextKind
from referrals.vocabulary import AppointmentKind, AppointmentState, BringAlong, EventActor

if TYPE_CHECKING:
    from graphapi.types.referral import Referral

describe(TextKind, "What an entry of a thread is.")
describe(ExportFormat, "As what a referral is exported: pages, FHIR words as JSON, or a block of text.")


async def _referral(root: Parent[AppointmentView], info: Info) -> Any:
    return await info.context.people.referral.load(root.referral_id)


def _id(root: Parent[AppointmentView]) -> strawberry.ID:
    return global_id("Appointment", root.id)


@strawberry.type(description="An appointment of the recipient with the person (Termin); no name.")
class Appointment:
    """An appointment as one side may see it."""

    id: strawberry.ID = strawberry.field(
        resolver=_id, graphql_type=strawberry.ID, description="Global id; for moving or cancelling it."
    )
    referral_id: strawberry.ID = strawberry.field(
        resolver=named("Referral", "referral_id"),
        graphql_type=strawberry.ID,
        description="Of which referral (Referral).",
    )
    referral: Annotated[Referral, strawberry.lazy("graphapi.types.referral")] | None = strawberry.field(
        resolver=_referral,
        graphql_type=Annotated["Referral", strawberry.lazy("graphapi.types.referral")] | None,
        description="The referral.",
    )
    received: bool = strawberry.field(description="Your organisation is the one that receives the person.")
    kind: AppointmentKind = strawberry.field(description="What for.")
    kind_label: str = strawberry.field(
        resolver=labelled("kind"), graphql_type=str, description="What for, for people."
    )
    starts_at: datetime = strawberry.field(description="When.")
    minutes: int = strawberry.field(description="How long, in minutes.")
    location_id: strawberry.ID | None = strawberry.field(
        resolver=named("Location", "location_id"), description="Where: a place of the partner (Location)."
    )
    place: str | None = strawberry.field(description="Where, when it is no place of the directory.")
    bring: list[BringAlong] = strawberry.field(description="What the person is to bring.")
    state: AppointmentState = strawberry.field(
        description="What became of it; for the sender as far as the person lets it know."
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell appointments by the room's value."""
        return isinstance(value, AppointmentView | cls)


@strawberry.type(description="A question, an answer or a remark; deleted with the package.")
class ThreadEntry:
    """One text of a thread."""

    ordinal: int = strawberry.field(description="Number of the event.")
    at: datetime = strawberry.field(description="When it was written.")
    side: EventActor = strawberry.field(description="In whose name: SENDER or RECIPIENT.")
    kind: TextKind = strawberry.field(description="What it is.")
    text: str | None = strawberry.field(description="The text; null once it was deleted.")
    asks_for: list[str] = strawberry.field(
        description="Data categories that a question asks for, or an answer added."
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell entries by the room's value."""
        return isinstance(value, Entry | cls)


@strawberry.type(description="A file: its text, or its bytes in base64.")
class ExportedFile:
    """A file to take along."""

    media_type: str = strawberry.field(description="Its media type.")
    file_name: str = strawberry.field(description="A name for it; it tells nothing about the person.")
    text: str | None = strawberry.field(description="The text of a file that is text.")
    base64: str | None = strawberry.field(description="The bytes of every other file, in base64.")


async def exported(sheet: Sheet, format_: ExportFormat, language: str) -> ExportedFile:
    """Return a referral as a file; pages are set in a thread of their own."""
    name = f"referral-{sheet.view.id}"
    if format_ is ExportFormat.TEXT:
        return ExportedFile(
            media_type="text/plain; charset=utf-8",
            file_name=f"{name}.txt",
            text=as_text(sheet, language),
            base64=None,
        )
    if format_ is ExportFormat.JSON:
        return ExportedFile(
            media_type="application/fhir+json",
            file_name=f"{name}.json",
            text=msgspec.json.format(msgspec.json.encode(as_fhir(sheet))).decode(),
            base64=None,
        )
    pages = await asyncio.to_thread(render, as_printout(sheet, language))
    return ExportedFile(
        media_type=PDF, file_name=f"{name}.pdf", text=None, base64=base64.b64encode(pages).decode()
    )
